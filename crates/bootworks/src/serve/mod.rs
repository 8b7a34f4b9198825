//! Being written.
mod answer;
mod boot;
pub mod boxes;
mod dhcp;
mod file;
mod http;
mod nfs;
#[cfg(test)]
mod peers;
mod publication;
mod script;
mod socket;
mod store;
mod tftp;
use model::failure::{Failure, Result};

/// Arguments.
#[derive(clap::Args)]
pub struct Arguments {}

/// Runs it.
pub fn run(_: &Arguments) -> Result<crate::Ending> {
    Err(Failure::new("being written"))
}
