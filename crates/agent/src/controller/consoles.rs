//! The consoles as a person types on them: lines with the usual keys, on all of them at once.
//!
//! No arrow keys, no colours, no screen size: a serial line that was never told its size works like any other.

use linux::console::Console;
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::VecDeque;
use std::time::Duration;

/// The longest line that is taken; more is dropped.
const LONGEST_LINE: usize = 512;
/// Columns of a progress line.
const COLUMNS: usize = 79;

/// Every console of the box.
pub(crate) struct Consoles {
    seats: Vec<Seat>,
    /// Lines that were finished and not yet given.
    finished: VecDeque<Typed>,
}

/// A line that somebody finished.
pub(crate) struct Typed {
    /// On which console, for [`Consoles::prompt`] and [`Consoles::name`].
    pub(crate) seat: usize,
    /// What.
    pub(crate) line: String,
}

/// Whether what is typed can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    /// Each key is shown.
    Shown,
    /// Nothing is shown.
    Hidden,
    /// Each key is shown, and a tab ends the line as Enter does: scanners leave the factory with either.
    Scanned,
}

/// One console and the line on it that is not finished.
struct Seat {
    console: Console,
    line: Vec<u8>,
    echo: Echo,
    keys: Keys,
    /// Something stands on the line of the cursor: a prompt or progress.
    is_mid_line: bool,
}

/// Where in a sequence of bytes a terminal is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Not in one.
    Plain,
    /// After a carriage return: a newline that follows belongs to it.
    Return,
    /// After ESC.
    Escape,
    /// In a control sequence, up to its last byte.
    Sequence,
}

impl Consoles {
    /// Opens every console that there is.
    pub(crate) fn open() -> Consoles {
        Consoles::of(linux::console::names().iter().filter_map(|name| Console::open(name)).collect())
    }

    /// Listens on these.
    pub(crate) fn of(consoles: Vec<Console>) -> Consoles {
        let seat = |console: Console| {
            console.listen_for_keys();
            Seat { console, line: Vec::new(), echo: Echo::Shown, keys: Keys::Plain, is_mid_line: false }
        };
        Consoles { seats: consoles.into_iter().map(seat).collect(), finished: VecDeque::new() }
    }

    /// Name of a console: `ttyS0`.
    pub(crate) fn name(&self, seat: usize) -> &str {
        self.seats.get(seat).map_or("", |seat| seat.console.name())
    }

    /// Writes lines on every console.
    pub(crate) fn say(&mut self, text: &str) {
        for seat in &mut self.seats {
            seat.say(text);
        }
    }

    /// Writes lines on every console but one.
    pub(crate) fn say_elsewhere(&mut self, here: usize, text: &str) {
        for (_, seat) in self.seats.iter_mut().enumerate().filter(|(at, _)| *at != here) {
            seat.say(text);
        }
    }

    /// Writes lines on one console.
    pub(crate) fn say_on(&mut self, here: usize, text: &str) {
        if let Some(seat) = self.seats.get_mut(here) {
            seat.say(text);
        }
    }

    /// Writes a line that the next one may overwrite.
    pub(crate) fn show_progress(&mut self, text: &str) {
        let line = printable(text);
        for seat in &mut self.seats {
            seat.console.write(&format!("\r{line:<COLUMNS$}"));
            seat.is_mid_line = true;
        }
    }

    /// Asks for a line on every console.
    pub(crate) fn prompt_all(&mut self, text: &str, echo: Echo) {
        (0..self.seats.len()).for_each(|seat| self.prompt(seat, text, echo));
    }

    /// Asks for a line on one console.
    pub(crate) fn prompt(&mut self, here: usize, text: &str, echo: Echo) {
        let Some(seat) = self.seats.get_mut(here) else { return };
        seat.echo = echo;
        if seat.is_mid_line {
            seat.console.write("\n");
        }
        seat.console.write(&printable(text));
        seat.is_mid_line = true;
    }

    /// Waits for keys and gives the first line that was finished. What is typed ahead waits in the terminal, so
    /// that a password typed too early is not shown.
    pub(crate) fn wait(&mut self, patience: Duration) -> Option<Typed> {
        if self.finished.is_empty() {
            self.wait_for_keys(patience);
            self.take_keys();
        }
        self.finished.pop_front()
    }

    /// The question that stood on all consoles is answered on one of them, or not at all on a console: what was
    /// begun on the others was meant for it.
    pub(crate) fn close_question(&mut self, answered: Option<usize>) {
        self.finished.clear();
        for (_, seat) in self.seats.iter_mut().enumerate().filter(|(at, _)| Some(*at) != answered) {
            seat.forget_line();
        }
    }

    /// Forgets what was typed ahead: before a question whose answer cannot be taken back.
    pub(crate) fn forget_typed_ahead(&mut self) {
        for seat in &mut self.seats {
            while seat.console.key().is_some() {}
            seat.forget_line();
        }
        self.finished.clear();
    }

    fn wait_for_keys(&self, patience: Duration) {
        let mut wanted: Vec<PollFd<'_>> = (self.seats.iter())
            .map(|seat| PollFd::from_borrowed_fd(seat.console.descriptor(), PollFlags::IN))
            .collect();
        let ready = poll(&mut wanted, patience.try_into().ok().as_ref());
        let gone = PollFlags::ERR | PollFlags::NVAL | PollFlags::HUP;
        // A terminal that hung up is always ready; it must not make us spin.
        if ready.is_err() || wanted.is_empty() || wanted.iter().any(|one| one.revents().intersects(gone)) {
            std::thread::sleep(patience.min(Duration::from_millis(100)));
        }
    }

    fn take_keys(&mut self) {
        for (at, seat) in self.seats.iter_mut().enumerate() {
            while let Some(key) = seat.console.key() {
                if let Some(line) = seat.take(key) {
                    self.finished.push_back(Typed { seat: at, line });
                    break;
                }
            }
        }
    }

    /// Runs a shell on one console until it ends.
    pub(crate) fn run_shell(&mut self, here: usize) {
        let Some(seat) = self.seats.get_mut(here) else { return };
        seat.say("a shell; `exit` comes back here");
        let mut command = std::process::Command::new("/bin/sh");
        command.env("TERM", if seat.console.name().starts_with("ttyS") { "vt220" } else { "linux" });
        match seat.console.start(command).and_then(|mut shell| shell.wait()) {
            Ok(_) => {}
            Err(error) => seat.say(&format!("no shell: {error}")),
        }
        seat.console.listen_for_keys();
    }
}

impl Seat {
    fn forget_line(&mut self) {
        self.line.fill(0);
        self.line.clear();
    }

    fn say(&mut self, text: &str) {
        let start = if self.is_mid_line { "\n" } else { "" };
        self.console.write(&format!("{start}{}\n", printable(text)));
        self.is_mid_line = false;
    }

    /// One key. Gives the line when it is finished.
    fn take(&mut self, key: u8) -> Option<String> {
        let before = std::mem::replace(&mut self.keys, Keys::Plain);
        match (before, key) {
            (Keys::Escape, b'[' | b'O') => self.keys = Keys::Sequence,
            (Keys::Escape, _) | (Keys::Sequence, 0x40..=0x7e) => {}
            (Keys::Sequence, _) => self.keys = Keys::Sequence,
            (_, 0x1b) => self.keys = Keys::Escape,
            (Keys::Return, b'\n') => {}
            (_, b'\t') if self.echo == Echo::Scanned && self.line.is_empty() => {}
            (_, b'\r' | b'\n' | b'\t') if key != b'\t' || self.echo == Echo::Scanned => {
                self.keys = if key == b'\r' { Keys::Return } else { Keys::Plain };
                self.console.write("\n");
                self.is_mid_line = false;
                let line = String::from_utf8_lossy(&self.line).into_owned();
                self.forget_line();
                return Some(line);
            }
            // Backspace, as terminals of both kinds send it.
            (_, 0x08 | 0x7f) => self.rub_out(),
            // Ctrl-U and Ctrl-C: the line so far was a mistake.
            (_, 0x15 | 0x03) => {
                while !self.line.is_empty() {
                    self.rub_out();
                }
            }
            (_, 0x00..=0x1f) => {}
            _ => {
                if self.line.len() < LONGEST_LINE {
                    self.line.push(key);
                    if self.echo != Echo::Hidden {
                        self.show(key);
                    }
                }
            }
        }
        None
    }

    /// Shows a key; a character of several bytes once it is whole.
    fn show(&self, key: u8) {
        if key.is_ascii() {
            self.console.write(&char::from(key).to_string());
        } else if let Some(chunk) = self.line.utf8_chunks().last()
            && chunk.invalid().is_empty()
            && let Some(last) = chunk.valid().chars().next_back()
        {
            self.console.write(&last.to_string());
        }
    }

    /// Takes the last character away.
    fn rub_out(&mut self) {
        // Bytes after the first of a character begin with the bits 10 (RFC 3629 §3).
        while let Some(byte) = self.line.pop() {
            if byte & 0xc0 != 0x80 {
                if self.echo != Echo::Hidden {
                    self.console.write("\x08 \x08");
                }
                return;
            }
        }
    }
}

/// What comes from a disk, a server or a person must not move the cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}
