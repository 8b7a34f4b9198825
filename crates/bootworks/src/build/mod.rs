//! Being written.
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
pub fn bring_up_to_date(_: &crate::line_folder::LineFolder) -> Result<model::outputs::Outputs> {
    loop {}
}
pub fn store_folder() -> std::path::PathBuf {
    loop {}
}
