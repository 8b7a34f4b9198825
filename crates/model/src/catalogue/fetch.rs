//! Causes of the stage `fetch`: a root or an installer over HTTP. Definitions only; how they are found in a log is `diagnosis`'s.

use super::Cause;

/// In the order of the way.
pub const CAUSES: &[Cause] = &[];
