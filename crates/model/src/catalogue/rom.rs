//! Causes of the stage `rom`: the firmware's PXE ROM and UEFI network stack. Definitions only; how they are found in a log is `diagnosis`'s.

use super::Cause;

/// In the order of the way.
pub const CAUSES: &[Cause] = &[];
