//! Log lines that boxes send: syslog (RFC 3164, RFC 5424) read loosely, over UDP and TCP (RFC 6587).
//!
//! Loosely, since iPXE, kernels, busybox and systemd each write what they like of the standards: whatever is not
//! understood stays in the text. [`Stream`] cuts a TCP connection into messages; kernel messages over UDP
//! (netconsole) are read by [`crate::netconsole`].

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::str;

/// UDP and TCP port.
pub const PORT: u16 = 514;
/// The longest message taken whole; RFC 5424 §6.1 wants 480 octets at least, kernels write up to 1 kB a line.
pub const LONGEST: usize = 8192;

/// A message, as far as it was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// 0 (emergency) to 7 (debug), where it says.
    pub severity: Option<u8>,
    /// The program that says it: `ipxe`, `kernel`; empty where it does not say.
    pub program: String,
    /// What it says, without control characters.
    pub text: String,
}

impl Message {
    /// Reads a message.
    pub fn read(bytes: &[u8]) -> Message {
        let bytes = bytes.get(..bytes.len().min(LONGEST)).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        let (priority, rest) = priority(&text);
        let severity = priority.map(|priority| (priority & 7) as u8);
        let (program, text) = match rest.strip_prefix("1 ") {
            Some(rest) if priority.is_some() => modern(rest).unwrap_or(("", rest)),
            _ => tag(after_time(rest)),
        };
        Message { severity, program: printable(program), text: printable(text) }
    }

    /// `ipxe: text`, or the text alone.
    pub fn line(&self) -> Cow<'_, str> {
        if self.program.is_empty() {
            Cow::Borrowed(&self.text)
        } else {
            Cow::Owned(alloc::format!("{}: {}", self.program, self.text))
        }
    }
}

/// `<134>`: facility times 8 plus severity, at most 191 (RFC 3164 §4.1.1).
fn priority(text: &str) -> (Option<u16>, &str) {
    let read = || {
        let (number, rest) = text.strip_prefix('<')?.split_once('>')?;
        let digits = (1..=3).contains(&number.len()) && number.bytes().all(|octet| octet.is_ascii_digit());
        let number = number.parse::<u16>().ok().filter(|number| digits && *number <= 191)?;
        Some((number, rest))
    };
    read().map_or((None, text), |(number, rest)| (Some(number), rest))
}

/// RFC 5424 §6 after the version: time, host, program, process, message id, structured data, text.
fn modern(rest: &str) -> Option<(&str, &str)> {
    let mut fields = rest.splitn(6, ' ');
    let (_time, _host, program) = (fields.next()?, fields.next()?, fields.next()?);
    let (_process, _id, rest) = (fields.next()?, fields.next()?, fields.next()?);
    let text = match rest.strip_prefix('-') {
        Some(text) => text,
        None => after_elements(rest)?,
    };
    let text = text.strip_prefix(' ').unwrap_or(text);
    Some((if program == "-" { "" } else { program }, text.strip_prefix('\u{feff}').unwrap_or(text)))
}

/// Behind `[id name="value"]…`, in which `\"`, `\\` and `\]` are escaped (RFC 5424 §6.3.3).
fn after_elements(text: &str) -> Option<&str> {
    let (mut quoted, mut escaped, mut open) = (false, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if open => quoted = !quoted,
            '[' if !open => open = true,
            ']' if open && !quoted => open = false,
            _ if !open => return text.get(at..),
            _ => {}
        }
    }
    (!open).then_some("")
}

/// Behind `Oct 11 22:14:15 host ` (RFC 3164 §4.1.2). A box's name and clock are known better by the server.
fn after_time(text: &str) -> &str {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let read = || {
        let (time, rest) = text.split_at_checked(15)?;
        let shape = time.bytes().zip(b"MMM dd HH:MM:SS").all(|(octet, shape)| match shape {
            b' ' | b':' => octet == *shape,
            b'M' | b'd' | b'H' | b'S' => octet.is_ascii_alphanumeric() || octet == b' ',
            _ => true,
        });
        let is_time = shape && MONTHS.contains(&time.get(..3)?);
        let rest = rest.strip_prefix(' ').filter(|_| is_time)?;
        // A host follows, unless a tag does (glibc's syslog(3) writes no host).
        match rest.split_once(' ') {
            Some((host, after)) if !host.ends_with(':') && !host.ends_with(']') => Some(after),
            _ => Some(rest),
        }
    };
    read().unwrap_or(text)
}

/// `program[12]: text`.
fn tag(text: &str) -> (&str, &str) {
    let read = || {
        // A colon within a word is an address more often than a tag's.
        let (tag, rest) =
            text.split_once(':').filter(|(_, rest)| rest.is_empty() || rest.starts_with(' '))?;
        let name = tag.split_once('[').map_or(tag, |(name, process)| match process.strip_suffix(']') {
            Some(process) if process.bytes().all(|octet| octet.is_ascii_digit()) => name,
            _ => "",
        });
        let good = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.' | b'/');
        // RFC 3164 §5.3: at most 32 letters and digits.
        ((1..=32).contains(&name.len()) && name.bytes().all(good))
            .then(|| (name, rest.trim_start_matches(' ')))
    };
    read().unwrap_or(("", text))
}

/// Without control characters: logs are shown on terminals.
pub(crate) fn printable(text: &str) -> String {
    let text = text.trim_end_matches(['\n', '\r', '\0', ' ']);
    text.chars().filter(|character| !character.is_control() || *character == '\t').collect()
}

/// A TCP connection's octets, cut into messages: counted (`17 <134>…`) or one a line (RFC 6587 §3.4).
#[derive(Debug, Default)]
pub struct Stream {
    rest: Vec<u8>,
    /// The rest of a line that was too long and is being passed over.
    skipping: bool,
}

impl Stream {
    /// Takes octets in.
    pub fn take(&mut self, octets: &[u8]) {
        self.rest.extend_from_slice(octets);
    }

    /// The next whole message; what is longer than [`LONGEST`] is cut there. After `None` nothing larger than
    /// that is kept.
    pub fn next_message(&mut self) -> Option<Message> {
        loop {
            if let Some((head, length)) = counted(&self.rest).filter(|_| !self.skipping) {
                let message = self.rest.get(head..head + length)?;
                let read = Message::read(message);
                self.rest.drain(..head + length);
                return Some(read);
            }
            let end = self.rest.iter().position(|octet| matches!(octet, b'\n' | 0));
            let (cut, after) = match end {
                Some(end) => (end, end + 1),
                None if self.rest.len() > LONGEST => (LONGEST, self.rest.len()),
                None => return None,
            };
            let line = self.rest.get(..cut).filter(|line| !self.skipping && !line.is_empty());
            let message = line.map(Message::read);
            self.skipping = end.is_none();
            self.rest.drain(..after);
            if message.is_some() {
                return message;
            }
        }
    }
}

/// `17 <`: how long the count is with its blank, and what it counts. A count beyond [`LONGEST`] is none: the
/// octets are then taken line by line.
fn counted(octets: &[u8]) -> Option<(usize, usize)> {
    let blank = octets.iter().take(6).position(|octet| *octet == b' ')?;
    let digits = octets.get(..blank).filter(|digits| digits.first().is_some_and(|digit| *digit != b'0'))?;
    let number =
        str::from_utf8(digits).ok().filter(|text| text.bytes().all(|digit| digit.is_ascii_digit()))?;
    let length = number.parse::<usize>().ok().filter(|length| *length <= LONGEST)?;
    // What is counted begins with a priority; a line may well begin with a number.
    (octets.get(blank + 1).is_none_or(|octet| *octet == b'<')).then_some((blank + 1, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use expect_test::expect;
    use proptest::prelude::*;

    /// As programs really write it; what is not understood is kept as text.
    #[test]
    fn lines_of_real_programs_are_read() {
        let lines: Vec<String> = [
            "<14>ipxe: Could not boot: Connection timed out (http://ipxe.org/4c126092)",
            "<30>Nov 25 18:53:39 box7 systemd[1]: Started a thing.",
            "<5>Nov  5 08:00:00 kernel: [    1.5] e1000e 0000:00:02.0 eth0: up",
            "<165>1 2026-11-25T18:53:39.5Z box7 app 812 ID7 [a@1 k=\"v \\\"]\"][b] text here",
            "<34>1 - - su - - - \u{feff}failed",
            "<13>root: it says: this",
            "no priority at all",
            "<999>not a priority",
            "<6>http://10.77.0.1/ipxe... ok",
            "<7>tail\r\n",
            "\u{1b}[2Jclear: screen",
        ]
        .iter()
        .map(|line| {
            let message = Message::read(line.as_bytes());
            format!("{:?} {}", message.severity, message.line())
        })
        .collect();
        expect![[r#"
            Some(6) ipxe: Could not boot: Connection timed out (http://ipxe.org/4c126092)
            Some(6) systemd: Started a thing.
            Some(5) kernel: [    1.5] e1000e 0000:00:02.0 eth0: up
            Some(5) app: text here
            Some(2) su: failed
            Some(5) root: it says: this
            None no priority at all
            None <999>not a priority
            Some(6) http://10.77.0.1/ipxe... ok
            Some(7) tail
            None [2Jclear: screen"#]]
        .assert_eq(&lines.join("\n"));
    }

    /// Both framings, in pieces that end anywhere.
    #[test]
    fn a_stream_is_cut_into_messages() {
        let octets = b"11 <14>a: one\n<14>b: two\n\n9 <14>c\nd5 lives\n<6>last";
        for piece in 1..octets.len() {
            let mut stream = Stream::default();
            let mut lines = Vec::new();
            for octets in octets.chunks(piece) {
                stream.take(octets);
                while let Some(message) = stream.next_message() {
                    lines.push(message.line().into_owned());
                }
            }
            assert_eq!(lines, ["a: one", "b: two", "cd5", "lives"], "pieces of {piece}");
        }
    }

    /// A line without an end costs no more memory than one with it.
    #[test]
    fn an_endless_line_is_cut() {
        let mut stream = Stream::default();
        let mut count = 0;
        for _ in 0..1000 {
            stream.take(&[b'x'; 1000]);
            while let Some(message) = stream.next_message() {
                assert_eq!(message.text.len(), LONGEST);
                count += 1;
            }
            assert!(stream.rest.len() <= LONGEST + 1000);
        }
        stream.take(b"\nnext\n");
        assert_eq!((count, stream.next_message().unwrap().text.as_str()), (1, "next"));
    }

    proptest! {
        /// Ports that are open to everybody: whatever comes, nothing panics and no control character is left.
        #[test]
        fn noise_is_text(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 1usize..50) {
            let line = Message::read(&bytes).line().into_owned();
            prop_assert!(line.chars().all(|character| !character.is_control() || character == '\t'));
            let mut stream = Stream::default();
            for piece in bytes.chunks(cut) {
                stream.take(piece);
                while stream.next_message().is_some() {}
            }
            prop_assert!(stream.rest.len() <= LONGEST + 50);
        }

        /// A count in front of a message is never memory by itself.
        #[test]
        fn counts_are_not_believed(count in any::<u64>(), text in "[ -~]{0,40}") {
            let mut stream = Stream::default();
            stream.take(format!("{count} <6>{text}\n").as_bytes());
            while stream.next_message().is_some() {}
            prop_assert!(stream.rest.capacity() < 4096);
        }
    }
}
