//! Children on a leash: they are killed when the process that started them ends, however it ends, so that a
//! rehearsal that is itself killed leaves no QEMU and no server behind.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Has the kernel kill the child when the starting thread ends (`PR_SET_PDEATHSIG`, prctl(2)).
///
/// Start the child from a thread that lives as long as the program, or it is killed early.
pub fn leash(command: &mut Command) -> &mut Command {
    // SAFETY: the closure runs between fork and exec and makes one async-signal-safe system call.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            Ok(())
        })
    }
}
