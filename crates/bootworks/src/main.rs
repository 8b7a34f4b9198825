//! `bootworks`: the program of the engineer who builds a line and of the server on the build network.

mod build;
mod check;
mod diagnose;
mod explain;
mod hardware;
mod line_folder;
mod new;
mod pci_names;
mod profiles;
mod record;
mod rehearse;
mod report;
mod serve;
mod which;

use clap::{Parser, Subcommand};
use model::failure::Result;
use std::process::ExitCode;

/// An appliance factory in one program: racked bare servers boot from the network, answer a few questions,
/// get their appliance installed and verified, and power off, ready to ship.
#[derive(Parser)]
#[command(name = "bootworks", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new line, ready to rehearse
    New(new::Arguments),
    /// Resolve the line's recipes into line.lock
    Lock(build::LockArguments),
    /// Build what changed: kernel, initrd, root, image
    Build(build::Arguments),
    /// Prove that the live OS has every driver the line's hardware needs
    Check(check::Arguments),
    /// Say why a boot or an installation failed, from its log
    Diagnose(diagnose::Arguments),
    /// Show what is known of a cause
    Explain(explain::Arguments),
    /// Make hardware profiles and show them
    Hardware(hardware::Arguments),
    /// Say which package has a module, a device's driver or a firmware file
    Which(which::Arguments),
    /// Take a virtual box from power-on to a finished appliance
    Rehearse(rehearse::Arguments),
    /// Serve the line on its build network
    Serve(serve::Arguments),
    /// Show or shrink the store of packages and configured systems
    Store(build::keeping::Arguments),
    /// Show what the server knows of its boxes
    Boxes(serve::boxes::Arguments),
    /// Verify the signed record of a finished box, or print its page
    Record(record::Arguments),
}

/// How a command ended that could do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done, all is well: exit code 0.
    Well,
    /// The answer is no: exit code 1.
    No,
    /// Ctrl-C: exit code 130.
    Interrupted,
}

fn run(command: Command) -> Result<Ending> {
    match command {
        Command::New(arguments) => new::run(&arguments),
        Command::Lock(arguments) => build::lock(&arguments),
        Command::Build(arguments) => build::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Diagnose(arguments) => diagnose::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Hardware(arguments) => hardware::run(&arguments),
        Command::Which(arguments) => which::run(&arguments),
        Command::Rehearse(arguments) => rehearse::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Store(arguments) => build::keeping::run(&arguments),
        Command::Boxes(arguments) => serve::boxes::run(&arguments),
        Command::Record(arguments) => record::run(&arguments),
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(Ending::Well) => ExitCode::SUCCESS,
        Ok(Ending::No) => ExitCode::from(1),
        Ok(Ending::Interrupted) => ExitCode::from(130),
        Err(failure) => {
            report::note(&failure.report());
            ExitCode::from(2)
        }
    }
}
