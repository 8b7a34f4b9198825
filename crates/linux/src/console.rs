//! Consoles: the terminals on which a person may stand in front of the box, on screen and on serial lines.
//!
//! Everything here is best effort: a console that does not take what is written (flow control, no such
//! UART) must never hold up who writes. What is shown is decided by the caller.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr,
    tcsetattr,
};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long one text may take on one console: a full screen at 9600 baud takes two seconds.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a console may take nothing at all before the rest is dropped.
const STALL: Duration = Duration::from_millis(500);

/// One terminal.
#[derive(Debug)]
pub struct Console {
    name: String,
    terminal: OwnedFd,
}

/// Names of the kernel's consoles (`/sys/class/tty/console/active`), then `tty1` and `ttyS0`: somebody may
/// stand in front of either although the command line names neither. The screen is `tty1`, not `tty0`, which
/// is whatever terminal is in front.
pub fn names() -> Vec<String> {
    let active = std::fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    names_of(&active)
}

fn names_of(active: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in active.split_ascii_whitespace().chain(["tty1", "ttyS0"]) {
        let name = if name == "tty0" { "tty1" } else { name };
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

impl Console {
    /// Opens `/dev/NAME`. `None` where it does not exist or has no hardware behind it.
    pub fn open(name: &str) -> Option<Console> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let terminal = open(format!("/dev/{name}"), flags, Mode::empty()).ok()?;
        // A ttyS without a UART can be opened, but answers EIO (drivers/tty/serial/serial_core.c).
        let console = Console { name: name.to_owned(), terminal };
        console.set_modes(|modes| {
            modes.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
            modes.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
        })?;
        Some(console)
    }

    /// Whether it can still be used. When a shell ends, the kernel hangs its terminal up for everybody who has
    /// it open (`drivers/tty/tty_jobctrl.c`, `disassociate_ctty`): it must be opened again.
    pub fn is_alive(&self) -> bool {
        tcgetattr(&self.terminal).is_ok()
    }

    /// Its name: `ttyS0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// To wait for keys on.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.terminal.as_fd()
    }

    /// Keys come one by one and are not echoed.
    pub fn listen_for_keys(&self) {
        let _ = self.set_modes(|modes| {
            modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
            modes.special_codes[SpecialCodeIndex::VMIN] = 0;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        });
    }

    /// Lines are edited and echoed by the terminal, as a shell expects it.
    pub fn leave_lines_to_terminal(&self) {
        let _ = self.set_modes(|modes| {
            modes.input_modes |= InputModes::ICRNL;
            modes.local_modes |= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ECHOE | LocalModes::ISIG;
        });
    }

    fn set_modes(&self, change: impl FnOnce(&mut Termios)) -> Option<()> {
        let mut modes = tcgetattr(&self.terminal).ok()?;
        change(&mut modes);
        tcsetattr(&self.terminal, OptionalActions::Now, &modes).ok()
    }

    /// The next key pressed, if any waits. A gone terminal has no keys.
    pub fn key(&self) -> Option<u8> {
        let mut key = [0u8; 1];
        match rustix::io::read(&self.terminal, &mut key) {
            Ok(1) => Some(key[0]),
            _ => None,
        }
    }

    /// Writes as much of `text` as the terminal takes in time.
    pub fn write(&self, text: &str) {
        let mut rest = text.as_bytes();
        let end = Instant::now() + PATIENCE;
        while !rest.is_empty() && Instant::now() < end {
            match rustix::io::write(&self.terminal, rest) {
                Ok(length) => rest = rest.get(length..).unwrap_or_default(),
                Err(Errno::AGAIN) => {
                    let mut wanted = [PollFd::new(&self.terminal, PollFlags::OUT)];
                    let stall = STALL.try_into().ok();
                    if !matches!(poll(&mut wanted, stall.as_ref()), Ok(count) if count > 0) {
                        return;
                    }
                }
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Starts a program that has this console as its controlling terminal, so that Ctrl-C and job control
    /// work in it.
    pub fn start(&self, mut command: Command) -> std::io::Result<Child> {
        // A description of its own: a shell must not find O_NONBLOCK set on its input.
        let open_terminal = || -> std::io::Result<Stdio> {
            Ok(open(format!("/dev/{}", self.name), OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?.into())
        };
        command.stdin(open_terminal()?).stdout(open_terminal()?).stderr(open_terminal()?);
        self.leave_lines_to_terminal();
        // SAFETY: between fork and exec only two system calls are made; nothing is allocated and no lock is
        // taken.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                // Without a terminal of its own a shell still works, only Ctrl-C does not.
                let _ = rustix::process::ioctl_tiocsctty(rustix::stdio::stdin());
                Ok(())
            });
        }
        command.spawn()
    }
}

/// Errors only reach the screen from now on; the kernel keeps everything in its log. A warning that is
/// printed into the middle of a screen makes it unreadable.
pub fn quiet_kernel() {
    let _ = std::fs::write("/proc/sys/kernel/printk", "4 4 1 7");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each place where a person may stand is told once.
    #[test]
    fn every_console_is_named_once() {
        assert_eq!(names_of("tty0 ttyS0\n"), ["tty1", "ttyS0"]);
        assert_eq!(names_of("ttyS1 tty0\n"), ["ttyS1", "tty1", "ttyS0"]);
        assert_eq!(names_of(""), ["tty1", "ttyS0"]);
    }
}
