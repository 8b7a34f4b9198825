//! Causes of the stage `hw`: the machine, its buses and clocks. Definitions only; how they are found in a log is `diagnosis`'s.

use super::Cause;

/// In the order of the way.
pub const CAUSES: &[Cause] = &[];
