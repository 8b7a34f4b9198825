//! Causes of the stage `console`: screen and serial console. Definitions only; how they are found in a log is `diagnosis`'s.

use super::Cause;

/// In the order of the way.
pub const CAUSES: &[Cause] = &[];
