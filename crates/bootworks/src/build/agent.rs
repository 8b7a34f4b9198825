//! The agent's binary inside this program, and the id of the build that both come from.

use model::failure::{Failure, Result};

/// Names the build of bootworks; agent and program of one build carry the same.
pub(crate) const BUILD_ID: &str = env!("BOOTWORKS_BUILD");

/// The agent, a static program; empty where this program was built without it.
static AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/agent"));

/// The agent's binary.
pub(crate) fn agent() -> Result<&'static [u8]> {
    if AGENT.is_empty() {
        return Err(Failure::new("this bootworks was built without its agent").hint("`cargo xtask build`"));
    }
    Ok(AGENT)
}
