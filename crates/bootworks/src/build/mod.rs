//! Being written.
pub mod drivers;
pub mod initrd;

use model::failure::{Failure, Result};

/// Arguments.
#[derive(clap::Args)]
pub struct Arguments {}

/// Runs it.
pub fn run(_: &Arguments) -> Result<crate::Ending> {
    Err(Failure::new("being written"))
}

/// Arguments.
#[derive(clap::Args)]
pub struct LockArguments {}

/// Runs it.
pub fn lock(_: &LockArguments) -> Result<crate::Ending> {
    Err(Failure::new("being written"))
}
