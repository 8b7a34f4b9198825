//! The program on the box: PID 1 of the initrd, then the controller in the live OS.
//!
//! One binary, told apart by how it is started: as PID 1 it is the supervisor; `agent init` is the worker that
//! brings the box to its root; `agent controller` installs the appliance.

mod controller;
mod init;

fn main() {
    let _ = (controller::run, init::run);
}
