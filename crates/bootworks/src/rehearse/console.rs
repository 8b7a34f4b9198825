//! The serial console of a virtual box: kept in a log, searched line by line, typed into.

use model::failure::{Explain as _, Result};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

/// A line that the box printed, without escapes and control characters.
pub(crate) struct Line(pub(crate) String);

/// What is typed goes in here.
#[derive(Clone, Debug)]
pub(crate) struct Keyboard(Arc<Mutex<ChildStdin>>);

impl Keyboard {
    /// Types these bytes; a box that is gone takes nothing.
    pub(crate) fn type_in(&self, bytes: &[u8]) {
        if let Ok(mut stdin) = self.0.lock() {
            let _ = stdin.write_all(bytes).and_then(|()| stdin.flush());
        }
    }
}

/// Reads the console to its end on a thread of its own: every byte into the log, every line to `lines`,
/// and every byte to `shown` as well where somebody watches.
pub(crate) fn watch(
    output: ChildStdout,
    input: ChildStdin,
    log: &Path,
    lines: Sender<Line>,
    shown: Option<fn(&[u8])>,
) -> Result<Keyboard> {
    let mut file: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .or_fail(|| format!("cannot write the console log {}", log.display()))?;
    std::thread::spawn(move || {
        let mut output = output;
        let (mut chunk, mut lines_of) = ([0u8; 4096], Lines::default());
        while let Ok(read @ 1..) = output.read(&mut chunk) {
            // A log on a full disk must not stop the box: the rehearsal's own verdict needs the lines only.
            let _ = file.write_all(&chunk[..read]);
            if let Some(show) = shown {
                show(&chunk[..read]);
            }
            let mut ended = lines_of.feed(&chunk[..read]);
            // A prompt ends without a newline, and is waited for like any line.
            ended.extend(lines_of.unfinished());
            if ended.into_iter().any(|line| lines.send(Line(line)).is_err()) {
                return;
            }
        }
    });
    Ok(Keyboard(Arc::new(Mutex::new(input))))
}

/// Cuts a terminal's bytes into lines of plain text.
#[derive(Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    escape: Escape,
}

#[derive(Default, PartialEq)]
enum Escape {
    #[default]
    None,
    Started,
    Sequence,
}

/// Longer lines are cut: a box that prints no newline must not fill our memory.
const LONGEST_LINE: usize = 16 << 10;

impl Lines {
    /// Takes bytes and gives the lines that ended in them. Escape sequences (ECMA-48 §5.4) vanish; a
    /// carriage return alone ends a line as a newline does, since firmware redraws lines that way.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in bytes {
            match (&self.escape, byte) {
                (_, 0x1b) => self.escape = Escape::Started,
                (Escape::Started, b'[') => self.escape = Escape::Sequence,
                (Escape::Started, _) => self.escape = Escape::None,
                (Escape::Sequence, 0x40..=0x7e) => {
                    self.escape = Escape::None;
                    // Cursor addressing starts a new place on the screen, for us a new line.
                    if matches!(byte, b'H' | b'J' | b'f') {
                        self.end(&mut lines);
                    }
                }
                (Escape::Sequence, _) => {}
                (Escape::None, b'\n' | b'\r') => self.end(&mut lines),
                (Escape::None, 0x20..=0x7e | 0x80..) if self.line.len() < LONGEST_LINE => {
                    self.line.push(byte)
                }
                (Escape::None, _) => {}
            }
        }
        lines
    }

    /// The line so far, where one has begun.
    pub(crate) fn unfinished(&self) -> Option<String> {
        (!self.line.is_empty()).then(|| String::from_utf8_lossy(&self.line).into_owned())
    }

    fn end(&mut self, lines: &mut Vec<String>) {
        if !self.line.is_empty() {
            lines.push(String::from_utf8_lossy(&self.line).trim_end().to_owned());
            self.line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ready line must be found although firmware and kernels colour, redraw and split their output.
    #[test]
    fn a_terminals_bytes_become_plain_lines() {
        let mut lines = Lines::default();
        let mut seen = lines.feed(b"\x1b[2J\x1b[01;01H\x1b[=3hiPXE 1.0\r\n[\x1b[0;32m  OK  \x1b[0m] Star");
        seen.extend(lines.feed(b"ted nginx\r\r\n\x1bcAPPLIANCE READY edge-0001\n"));
        assert_eq!(seen, ["iPXE 1.0", "[  OK  ] Started nginx", "APPLIANCE READY edge-0001"]);
        assert!(Lines::default().feed(&vec![b'x'; 1 << 20]).is_empty());
    }
}
