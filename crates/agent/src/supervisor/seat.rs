//! A seat: a console with a person in front of it, perhaps, and the shell that person opened, perhaps.

use super::pid_of;
use linux::console::Console;
use rustix::process::Pid;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::process::Command;

/// Where an initrd may have a shell, and how it is called.
const SHELLS: [(&str, &[&str]); 4] =
    [("/bin/busybox", &["sh"]), ("/bin/sh", &[]), ("/usr/bin/busybox", &["sh"]), ("/usr/bin/sh", &[])];

/// One console.
pub(super) struct Seat {
    console: Console,
    shell: Option<Pid>,
    /// Whether keys are ours: neither a shell nor the controller reads them.
    listening: bool,
    left: bool,
}

impl Seat {
    /// `None` where the console has no hardware behind it.
    pub(super) fn at(name: &str) -> Option<Seat> {
        Some(Seat { console: Console::open(name)?, shell: None, listening: false, left: false })
    }

    pub(super) fn name(&self) -> &str {
        self.console.name()
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.console.descriptor()
    }

    pub(super) fn is_listening(&self) -> bool {
        self.listening
    }

    /// Opens the console again where it was hung up, by a shell that ended or by the controller.
    pub(super) fn tend(&mut self) {
        if self.shell.is_none()
            && !self.console.is_alive()
            && let Some(console) = Console::open(self.name())
        {
            self.console = console;
            self.listening = false;
        }
    }

    /// Takes the keyboard, unless a shell has it.
    pub(super) fn listen(&mut self) {
        if !self.listening && self.shell.is_none() {
            self.console.listen_for_keys();
            self.listening = true;
        }
    }

    /// Leaves the keyboard to somebody else.
    pub(super) fn give_away(&mut self) {
        if self.listening {
            self.console.leave_lines_to_terminal();
            self.listening = false;
        }
    }

    pub(super) fn key(&self) -> Option<u8> {
        if self.listening { self.console.key() } else { None }
    }

    /// Writes, unless a shell is open: nobody can work while somebody else writes into his lines.
    pub(super) fn show(&self, text: &str) {
        if self.shell.is_none() {
            self.console.write(text);
        }
    }

    /// Opens a shell on this console. It sees the initramfs, and the live OS's root where that stands.
    pub(super) fn open_shell(&mut self) {
        let Some((program, arguments)) = SHELLS.into_iter().find(|(path, _)| Path::new(path).exists()) else {
            self.console.write("this initrd has no shell (no /bin/busybox)\n");
            return;
        };
        self.console.write("a shell of the initramfs; leave it with `exit`\n");
        let mut command = Command::new(program);
        command.args(arguments).env_clear().current_dir("/");
        command.env("PATH", "/sbin:/bin:/usr/sbin:/usr/bin").env("HOME", "/").env("PS1", "bootworks# ");
        command.env("TERM", if self.name().starts_with("ttyS") { "vt102" } else { "linux" });
        self.listening = false;
        match self.console.start(command) {
            Ok(child) => self.shell = pid_of(child.id()),
            Err(error) => self.console.write(&format!("cannot start {program}: {error}\n")),
        }
    }

    /// A child ended; perhaps it was this seat's shell.
    pub(super) fn ended(&mut self, pid: Pid) {
        if self.shell == Some(pid) {
            self.shell = None;
            self.left = true;
        }
    }

    /// Whether a shell was left since this was asked last.
    pub(super) fn was_left(&mut self) -> bool {
        std::mem::take(&mut self.left)
    }
}
