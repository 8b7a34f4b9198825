//! The kernel's log: its last lines as a person reads them, and lines of our own put into it.

use rustix::fs::{Mode, OFlags, open};
use std::collections::VecDeque;
use std::io::Write as _;

/// The last `count` lines of the kernel's log, oldest first; empty where the log cannot be read.
pub fn tail(count: usize) -> Vec<String> {
    let mut last = VecDeque::with_capacity(count + 1);
    read_all(|line| {
        last.push_back(line);
        if last.len() > count {
            last.pop_front();
        }
    });
    last.into()
}

/// The last `count` lines in which one of `words` stands, oldest first.
pub fn tail_about(words: &[&str], count: usize) -> Vec<String> {
    let mut last = VecDeque::with_capacity(count + 1);
    read_all(|line| {
        if words.iter().any(|word| !word.is_empty() && line.contains(word)) {
            last.push_back(line);
            if last.len() > count {
                last.pop_front();
            }
        }
    });
    last.into()
}

/// Puts a line into the kernel's log, so that it stands among the kernel's own on netconsole and in pstore.
pub fn say(line: &str) {
    if let Ok(mut file) = std::fs::OpenOptions::new().write(true).open("/dev/kmsg") {
        // Priority 6 (info): kept in the log, not shown on the console at our log level.
        let _ = file.write_all(format!("<6>bootworks: {line}\n").as_bytes());
    }
}

fn read_all(mut take: impl FnMut(String)) {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(log) = open("/dev/kmsg", flags, Mode::empty()) else { return };
    let mut buffer = [0u8; 8192];
    loop {
        match rustix::io::read(&log, &mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                if let Some(line) = buffer.get(..length).and_then(read_record) {
                    take(line);
                }
            }
            // The record was overwritten while we read; the next read goes on behind the gap.
            Err(rustix::io::Errno::PIPE | rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// Reads one record of `/dev/kmsg` (`Documentation/ABI/testing/dev-kmsg`): `6,339,5140900,-;text`, then
/// continuation lines that start with a space. Gives `[    5.140900] text`, printable ASCII only.
fn read_record(record: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(record);
    let (head, rest) = text.split_once(';')?;
    let micros: u64 = head.split(',').nth(2)?.parse().ok()?;
    let line = rest.lines().next().unwrap_or_default();
    // The kernel escapes what is not printable as `\x1b`; what is left above ASCII has no place on a
    // serial line.
    let line: String = line.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    Some(format!("[{:5}.{:06}] {line}", micros / 1_000_000, micros % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands on the screen is the line as `dmesg` shows it, without the dictionary behind it.
    #[test]
    fn a_record_is_shown_as_dmesg_shows_it() {
        let record =
            b"6,339,5140900,-;e1000e: Intel(R) PRO/1000\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:02.0\n";
        assert_eq!(read_record(record).as_deref(), Some("[    5.140900] e1000e: Intel(R) PRO/1000"));
        assert_eq!(
            read_record("3,1,99,-;caf\u{e9}\x1b[2J".as_bytes()).as_deref(),
            Some("[    0.000099] caf??[2J")
        );
        assert_eq!(read_record(b"no record"), None);
        assert_eq!(read_record(b"6,1;x"), None);
    }
}
