//! Answers the kernel's own requests for modules (`request_module`, for file systems, ciphers, protocols):
//! the kernel runs this binary as `modprobe -q -- NAME` in the initramfs.

use crate::init::modules::Modules;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

/// Where the kernel finds us under this name; a link to `/init`.
pub(crate) const PATH: &str = "/bootworks/modprobe";

/// Loads each module or alias named. What the initramfs does not have may be in the live OS's root.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let names: Vec<String> = arguments
        .filter_map(|argument| argument.into_string().ok())
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let modules = Modules::read();
    let missing: Vec<&String> = names.iter().filter(|name| !modules.load_named(name)).collect();
    if missing.is_empty() {
        return ExitCode::SUCCESS;
    }
    let root = crate::init::root::ROOT;
    if linux::mount::is_mounted(root.as_ref()) && rustix::process::chroot(root).is_ok() {
        let _ = rustix::process::chdir("/");
        let mut command = Command::new("/sbin/modprobe");
        // Returns only where there is no such program.
        let _ = command.arg("-q").arg("--").args(missing).env_clear().exec();
    }
    ExitCode::FAILURE
}
