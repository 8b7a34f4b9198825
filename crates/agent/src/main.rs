//! The program on the box: PID 1 of the initrd, then the controller in the live OS.
//!
//! One binary, told apart by how it is started: as PID 1 it is the supervisor; `init` is the worker that
//! brings the box to its root; `controller` installs the appliance; called as `modprobe` it loads what the
//! kernel asks for.
//!
//! ```text
//! PID 1  supervisor   lives in the initramfs for ever, does nothing that can fail
//!   ├── init          drivers, link, address, root; then keeps the lease      (words over its stdout)
//!   ├── controller    in the live OS's root, with a mount table of its own    (ends with an `Ending`)
//!   └── sh            on a console, when a person presses a key
//! ```

mod beacon;
mod causes;
mod controller;
mod digest;
mod http;
mod init;
mod modprobe;
mod screen;
mod supervisor;
mod word;

use std::ffi::OsStr;
use std::process::{ExitCode, Termination};

/// Build id: server and agent of one build understand each other.
pub(crate) const BUILD: &str = match option_env!("BOOTWORKS_BUILD_ID") {
    Some(id) => id,
    None => env!("CARGO_PKG_VERSION"),
};

/// How the controller ended: its exit code, read by PID 1. A panic (101) or a signal reads as `Failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The box is finished; turn it off.
    PowerOff = 0,
    /// Something failed; start the controller again after a pause.
    Failed = 1,
    /// Start the box over.
    Restart = 2,
}

impl Termination for Ending {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

fn main() -> ExitCode {
    // First of all: the kernel hands words of its command line to PID 1 as arguments.
    if rustix::process::getpid().is_init() {
        supervisor::run()
    }
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    if std::path::Path::new(&called).file_name() == Some(OsStr::new("modprobe")) {
        return modprobe::run(arguments);
    }
    match arguments.next().as_deref().and_then(OsStr::to_str) {
        Some("init") => init::run(),
        Some("controller") => match init::root::enter() {
            Ok(()) => controller::run().report(),
            Err(failure) => {
                let _ = std::io::Write::write_all(&mut std::io::stderr(), failure.report().as_bytes());
                Ending::Failed.report()
            }
        },
        _ => {
            let usage = b"error: this program is PID 1 of a bootworks initrd; it is not started by hand\n";
            let _ = std::io::Write::write_all(&mut std::io::stderr(), usage);
            ExitCode::from(2)
        }
    }
}
