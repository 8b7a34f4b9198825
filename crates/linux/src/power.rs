//! Turns the machine off or starts it over. Asked for by the controller or by a person, never by chance.

use rustix::system::RebootCommand;

/// Flushes all file systems and turns the machine off. Returns only where the kernel refused.
pub fn off() -> rustix::io::Errno {
    end_with(RebootCommand::PowerOff)
}

/// Flushes all file systems and starts the machine over. Returns only where the kernel refused.
pub fn restart() -> rustix::io::Errno {
    end_with(RebootCommand::Restart)
}

fn end_with(command: RebootCommand) -> rustix::io::Errno {
    rustix::fs::sync();
    match rustix::system::reboot(command) {
        // The kernel does not return from either command when it obeys.
        Ok(()) => rustix::io::Errno::CANCELED,
        Err(error) => error,
    }
}
