//! Causes of the stage `liveos`: the live OS once it runs. Definitions only; how they are found in a log is `diagnosis`'s.

use super::Cause;

/// In the order of the way.
pub const CAUSES: &[Cause] = &[];
