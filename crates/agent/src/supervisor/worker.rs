//! A worker: a child of PID 1 that does what can fail. This binary again, called with its role.

use super::{pid_of, remember, seconds};
use crate::word::Word;
use model::ladder::Rung;
use model::timeline::Trouble;
use rustix::process::Pid;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How many of its last lines on standard error are kept.
const LAST_LINES: usize = 12;
/// The longest line a worker may say.
const LONGEST_LINE: usize = 256 << 10;

/// What a worker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Brings the box to its root.
    Init = 0,
    /// Installs the appliance.
    Controller = 1,
}

impl Role {
    fn argument(self) -> &'static str {
        match self {
            Role::Init => "init",
            Role::Controller => "controller",
        }
    }

    /// The cause that its crash is.
    pub(super) fn crash_cause(self) -> &'static str {
        match self {
            Role::Init => "init-crashed",
            Role::Controller => "controller-crashed",
        }
    }
}

/// One running worker.
pub(super) struct Worker {
    role: Role,
    pid: Option<Pid>,
    born: Instant,
    words: Option<ChildStdout>,
    errors: Option<ChildStderr>,
    unread: Vec<u8>,
    last_lines: Vec<String>,
}

impl Worker {
    /// Starts one. `last_words` are those of the one before it, for the server.
    pub(super) fn start(role: Role, last_words: Option<String>) -> std::io::Result<Worker> {
        let mut command = Command::new("/proc/self/exe");
        command.arg(role.argument()).current_dir("/").env_clear();
        command
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root");
        if let Some(words) = last_words {
            // The kernel limits one string to 128 kB (MAX_ARG_STRLEN).
            let short: String = words.chars().filter(|c| *c != '\0').take(2000).collect();
            command.env(crate::init::LAST_WORDS, short);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let worker = Worker {
            role,
            pid: pid_of(child.id()),
            born: Instant::now(),
            words: child.stdout.take(),
            errors: child.stderr.take(),
            unread: Vec::new(),
            last_lines: Vec::new(),
        };
        for descriptor in worker.descriptors() {
            rustix::io::ioctl_fionbio(descriptor, true)?;
        }
        Ok(worker)
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        self.pid
    }

    pub(super) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// Its pipes, as long as they are open.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let words = self.words.as_ref().map(|pipe| pipe.as_fd());
        words.into_iter().chain(self.errors.as_ref().map(|pipe| pipe.as_fd()))
    }

    /// What it said since it was asked last. A line that is no word is kept with its last lines.
    pub(super) fn words(&mut self) -> Vec<Word> {
        let mut said = Vec::new();
        if !drain(&mut self.errors, &mut said) {
            self.errors = None;
        }
        remember(&mut self.last_lines, &String::from_utf8_lossy(&said), LAST_LINES);
        if !drain(&mut self.words, &mut self.unread) {
            self.words = None;
        }
        let mut words = Vec::new();
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(word) => words.push(word),
                Err(_) => remember(&mut self.last_lines, &String::from_utf8_lossy(&line), LAST_LINES),
            }
        }
        if self.unread.len() > LONGEST_LINE {
            self.unread.clear();
        }
        words
    }

    /// Its crash as a person reads it.
    pub(super) fn epitaph(&self, how: &str, rung: Rung, pause: Duration) -> Trouble {
        let (what, rung) = match self.role {
            Role::Init => ("the program that brings this box to its root", next_after(rung)),
            Role::Controller => ("the installer", next_after(rung.max(Rung::MountedRoot))),
        };
        Trouble {
            cause: self.role.crash_cause().into(),
            rung,
            sentence: format!("{what} {how}; it is started again in {}", seconds(pause)),
            evidence: self.last_lines.clone(),
            fix: vec!["note the lines above; the server has them too once the box reaches it".into()],
        }
    }
}

fn next_after(rung: Rung) -> Rung {
    let next = model::ladder::LADDER.iter().find(|definition| definition.rung > rung);
    next.map_or(rung, |definition| definition.rung)
}

/// Reads what is there. `false` once nothing will ever come again.
fn drain(pipe: &mut Option<impl std::io::Read>, into: &mut Vec<u8>) -> bool {
    let Some(open) = pipe else { return false };
    let mut buffer = [0u8; 4096];
    // A worker that writes without end must not keep PID 1 from everything else.
    for _ in 0..64 {
        match open.by_ref().read(&mut buffer) {
            Ok(0) => return false,
            Ok(length) => into.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return true,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    true
}
