//! `bootworks initrd`: takes the initrd of any distribution apart, and puts it together again.
//!
//! ```text
//! file ──stream──▶ bytes ──walk──▶ entries ──catalog──▶ list, and what `check --initrd` looks at
//!                                     └─────unpack────▶ DIR and its manifest ──pack──▶ the same file
//! ```

pub(crate) mod catalog;
pub(crate) mod stream;
mod walk;

mod booster;
pub(crate) mod evidence;

pub(crate) mod pack;
pub(crate) mod unpack;

mod list;
mod manifest;
mod press;

use crate::Ending;
use clap::Subcommand;
use model::failure::Result;

/// Arguments of `initrd`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show what a kernel would unpack, entry by entry
    List(list::Arguments),
    /// Unpack into a folder, with what it takes to pack the same file again
    Unpack(unpack::Arguments),
    /// Pack a folder: what was unpacked, with what was changed in it
    Pack(pack::Arguments),
}

/// `bootworks initrd`.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    match &arguments.command {
        Command::List(arguments) => list::run(arguments),
        Command::Unpack(arguments) => unpack::run(arguments),
        Command::Pack(arguments) => pack::run(arguments),
    }
}
