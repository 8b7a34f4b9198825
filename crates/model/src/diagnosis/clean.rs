//! From the octets of a log to its lines of text: what terminals, editors, loggers and other systems have put
//! around them is taken off.
//!
//! UTF-16 and byte order marks, CRLF, carriage returns that overprint, escape sequences, tabs and runs of
//! blanks, typographic quotes; nothing that a terminal obeys is left. A line longer than [`LONGEST`] octets is
//! cut: nothing that a boot prints is.

use super::shape::fold_into;
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::str::Chars;
use std::sync::LazyLock;

/// Octets of one line that are looked at.
pub(super) const LONGEST: usize = 4096;
const BACKSPACE: u8 = 0x08;
/// The kernel's last words before it sets the video mode. SeaBIOS' serial console (src/sercon.c) keeps a letter back until
/// the next one, and clears the screen in between: what comes behind that is the rest of the word.
const HALF_A_WORD: &str = "(edd=off to disable)... o";

/// Cuts octets into lines as they come.
pub(super) struct Lines {
    encoding: Option<Encoding>,
    /// Octets that came before the encoding was known, or half of a UTF-16 unit.
    waiting: Vec<u8>,
    /// The line so far.
    line: Vec<u8>,
    number: u64,
    /// Octets that no text has, in the first ones of the log.
    strange: usize,
    looked_at: usize,
    cleaned: Cleaned,
    /// The half of a pair of UTF-16 surrogates.
    surrogate: Option<u16>,
}

#[derive(Clone, Copy)]
enum Encoding {
    Octets,
    Utf16(fn([u8; 2]) -> u16),
}

/// One text of a log: a line, or a part of one that was overprinted.
#[derive(Default)]
pub(super) struct Cleaned {
    /// As a person reads it.
    pub(super) text: String,
    /// As it is compared; as long as the text.
    pub(super) folded: Vec<u8>,
    /// Columns that the line took, with the blanks that are not in the text any more.
    pub(super) columns: usize,
}

impl Cleaned {
    /// A text that is clean already.
    pub(super) fn of(text: String) -> Cleaned {
        let mut folded = Vec::new();
        fold_into(text.as_bytes(), &mut folded);
        let columns = text.chars().count();
        Cleaned { text, folded, columns }
    }
}

impl Lines {
    pub(super) fn new() -> Lines {
        Lines {
            encoding: None,
            waiting: Vec::new(),
            line: Vec::new(),
            number: 1,
            strange: 0,
            looked_at: 0,
            cleaned: Cleaned::default(),
            surrogate: None,
        }
    }

    /// Takes the next octets; `each` gets every text with its line's number.
    pub(super) fn take(&mut self, octets: &[u8], each: &mut dyn FnMut(u64, &Cleaned)) {
        match self.encoding {
            Some(Encoding::Octets) => self.take_octets(octets, each),
            Some(Encoding::Utf16(unit)) => self.take_utf16(octets, unit, each),
            None => {
                self.waiting.extend_from_slice(octets);
                if self.waiting.len() >= 64 {
                    self.decide(each);
                }
            }
        }
    }

    /// The log is over: gives out what is left, and says how many lines there were.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(u64, &Cleaned)) -> u64 {
        if self.encoding.is_none() {
            self.decide(each);
        }
        if self.line.is_empty() {
            self.number - 1
        } else {
            self.give_out(each);
            self.number
        }
    }

    /// Whether what was read is no text at all.
    pub(super) fn is_junk(&self) -> bool {
        self.strange * 40 > self.looked_at
    }

    fn decide(&mut self, each: &mut dyn FnMut(u64, &Cleaned)) {
        let waiting = std::mem::take(&mut self.waiting);
        let head = &waiting[..waiting.len().min(64)];
        let zeros = |parity: usize| head.iter().skip(parity).step_by(2).filter(|octet| **octet == 0).count();
        let most = head.len() / 2 * 3 / 4;
        let is_long = head.len() >= 4;
        let encoding = match head {
            [0xff, 0xfe, ..] => Encoding::Utf16(u16::from_le_bytes),
            [0xfe, 0xff, ..] => Encoding::Utf16(u16::from_be_bytes),
            _ if is_long && zeros(1) >= most && zeros(0) == 0 => Encoding::Utf16(u16::from_le_bytes),
            _ if is_long && zeros(0) >= most && zeros(1) == 0 => Encoding::Utf16(u16::from_be_bytes),
            _ => Encoding::Octets,
        };
        self.encoding = Some(encoding);
        self.take(&waiting, each);
    }

    fn take_octets(&mut self, octets: &[u8], each: &mut dyn FnMut(u64, &Cleaned)) {
        if self.looked_at < 1 << 16 {
            let is_strange = |octet: &&u8| {
                **octet < 0x20 && !matches!(**octet, b'\n' | b'\r' | b'\t' | 0x1b | 0x08 | 0x07 | 0x0c | 0x0f)
            };
            self.strange += octets.iter().filter(is_strange).count();
            self.looked_at += octets.len();
        }
        let mut rest = octets;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            if self.line.is_empty() && end <= LONGEST {
                give_out(line, &mut self.cleaned, self.number, each);
            } else {
                self.add(line);
                self.give_out(each);
            }
            self.number += 1;
            rest = after;
        }
        self.add(rest);
    }

    /// What a backspace takes back is no part of a line's length: iPXE prints how far a download is over and over.
    fn add(&mut self, octets: &[u8]) {
        for part in octets.split_inclusive(|octet| *octet == BACKSPACE) {
            let text = part.strip_suffix(&[BACKSPACE]).unwrap_or(part);
            let room = LONGEST.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < part.len() {
                // A letter of UTF-8 is its first octet and those of the form 10xxxxxx behind it.
                while self.line.pop().is_some_and(|octet| octet & 0xc0 == 0x80) {}
            }
        }
    }

    fn give_out(&mut self, each: &mut dyn FnMut(u64, &Cleaned)) {
        let line = std::mem::take(&mut self.line);
        give_out(&line, &mut self.cleaned, self.number, each);
        self.line = line;
        self.line.clear();
    }

    fn take_utf16(&mut self, octets: &[u8], unit: fn([u8; 2]) -> u16, each: &mut dyn FnMut(u64, &Cleaned)) {
        let mut text = String::new();
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.extend_from_slice(octets);
        let mut pairs = waiting.chunks_exact(2);
        for pair in &mut pairs {
            let unit = unit([pair[0], pair[1]]);
            match (self.surrogate.take(), unit) {
                (_, 0xd800..=0xdbff) => self.surrogate = Some(unit),
                (high, _) => {
                    text.extend(
                        char::decode_utf16(high.into_iter().chain([unit])).map(|c| c.unwrap_or('\u{fffd}')),
                    );
                }
            }
        }
        self.waiting = pairs.remainder().to_vec();
        self.take_octets(text.as_bytes(), each);
    }
}

/// Gives out one raw line. Nearly all of them are plain ASCII, which takes one pass.
fn give_out(line: &[u8], cleaned: &mut Cleaned, number: u64, each: &mut dyn FnMut(u64, &Cleaned)) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = without_ticks(line);
    cleaned.columns = line.len();
    if let Some(text) = journal(line) {
        // A message of several lines is several texts of one.
        let text = text.replace('\n', "\r");
        scrub(&text, cleaned, &mut |cleaned| give(cleaned, number, each));
    } else if let Some(line) = plain(line) {
        cleaned.text.clear();
        add_printable(line.trim_ascii(), &mut cleaned.text);
        give(cleaned, number, each);
    } else {
        // Nearly always it is UTF-8, which is sooner said of the whole than by and by.
        let text = str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed);
        cleaned.columns = text.chars().count();
        let is_markup = memchr::memchr(b'&', line).is_some() || line.ends_with(b">");
        let text = if is_markup { without_markup(&text).into() } else { text };
        scrub(&text, cleaned, &mut |cleaned| give(cleaned, number, each));
    }
}

/// Adds printable ASCII to the text, one blank where it has several.
fn add_printable(printable: &str, text: &mut String) {
    static BLANKS: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("  "));
    let is_parted = text.is_empty() || text.ends_with(' ');
    let mut rest = if is_parted { printable.trim_ascii_start() } else { printable };
    while let Some(at) = BLANKS.find(rest.as_bytes()) {
        *text += &rest[..=at];
        rest = rest[at..].trim_ascii_start();
    }
    *text += rest;
}

/// How much of the text is printable ASCII before anything else.
fn printable(text: &[u8]) -> usize {
    // Whole blocks first: a processor looks at all octets of one at once.
    const BLOCK: usize = 16;
    let is_other = |octet: u8| !matches!(octet, b' '..=b'~');
    let (blocks, _) = text.as_chunks::<BLOCK>();
    let has_none =
        |block: &&[u8; BLOCK]| block.iter().fold(0, |any, octet| any | u8::from(is_other(*octet))) == 0;
    let whole = blocks.iter().take_while(has_none).count() * BLOCK;
    whole + text[whole..].iter().take_while(|octet| !is_other(**octet)).count()
}

/// The line, if it is ASCII without anything that a terminal obeys, and without what a web page writes otherwise.
fn plain(line: &[u8]) -> Option<&str> {
    let is_plain = |is_plain, octet: &u8| is_plain & matches!(octet, 0x20..=0x7e) & (*octet != b'&');
    (line.iter().fold(true, is_plain) && !line.ends_with(b">")).then_some(())?;
    str::from_utf8(line).ok()
}

/// A line without the ticks that make it code where people write to each other; the fence around a block is no text.
fn without_ticks(line: &[u8]) -> &[u8] {
    if !line.starts_with(b"`") {
        return line;
    }
    match line {
        [b'`', b'`', b'`', ..] => b"",
        [b'`', inside @ .., b'`'] if !inside.contains(&b'`') => inside,
        _ => line,
    }
}

/// A line of a page's source: the letters that its language writes otherwise, and no tags at its ends.
fn without_markup(line: &str) -> String {
    const TAGS: [&str; 8] = ["br", "br/", "br /", "p", "pre", "code", "div", "li"];
    let mut text = line.trim();
    while let Some((before, tag)) = text.strip_suffix('>').and_then(|text| text.rsplit_once('<'))
        && TAGS.contains(&tag.strip_prefix('/').unwrap_or(tag))
    {
        text = before.trim_end();
    }
    while let Some((tag, after)) = text.strip_prefix('<').and_then(|text| text.split_once('>'))
        && TAGS.contains(&tag)
    {
        text = after.trim_start();
    }
    let written = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&apos;", "'"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ];
    written.iter().fold(text.to_owned(), |text, (name, letter)| text.replace(name, letter))
}

/// The names under which loggers that write objects keep a line: systemd's journal, containers, and those who write
/// programs.
const MESSAGES: [&str; 5] = ["MESSAGE", "log", "message", "msg", "@message"];

/// The names under which they keep why, beside a message.
const ERRORS: [&str; 2] = ["error", "err"];

/// What `journalctl -o json` or a container's logger wraps into an object: the text of its message, or the octets
/// where it is no plain text.
fn journal(line: &[u8]) -> Option<String> {
    if !line.starts_with(b"{") || !line.ends_with(b"}") {
        return None;
    }
    let entry: serde_json::Value = serde_json::from_slice(line).ok()?;
    let octet = |value: &serde_json::Value| u8::try_from(value.as_u64()?).ok();
    match MESSAGES.iter().find_map(|name| entry.get(name))? {
        serde_json::Value::String(text) => {
            let error = ERRORS.iter().find_map(|name| entry.get(name)?.as_str());
            let text = text.trim_end_matches('\n');
            Some(error.map_or_else(|| text.to_owned(), |error| format!("{text}: {error}")))
        }
        serde_json::Value::Array(octets) => {
            let octets: Vec<u8> = octets.iter().filter_map(octet).collect();
            Some(String::from_utf8_lossy(&octets).into_owned())
        }
        _ => None,
    }
}

fn give(cleaned: &mut Cleaned, number: u64, each: &mut dyn FnMut(u64, &Cleaned)) {
    fold_into(cleaned.text.as_bytes(), &mut cleaned.folded);
    each(number, cleaned);
}

/// One raw line into its texts: where the cursor was sent back or elsewhere, a new one begins.
fn scrub(line: &str, cleaned: &mut Cleaned, each: &mut dyn FnMut(&mut Cleaned)) {
    cleaned.text.clear();
    let mut given = false;
    let mut letters = line.chars();
    let end = |cleaned: &mut Cleaned, given: &mut bool, each: &mut dyn FnMut(&mut Cleaned)| {
        let length = cleaned.text.trim_end().len();
        cleaned.text.truncate(length);
        if length > 0 {
            each(cleaned);
            *given = true;
        }
        cleaned.text.clear();
    };
    loop {
        let rest = letters.as_str();
        let (run, after) = rest.split_at(printable(rest.as_bytes()));
        add_printable(run, &mut cleaned.text);
        letters = after.chars();
        let Some(letter) = letters.next() else { break };
        match letter {
            '\r' => end(cleaned, &mut given, each),
            '\u{1b}' => match letters.next() {
                Some('[') => {
                    let sequence = control(&mut letters);
                    if let Some(after) = nudged(sequence, &letters) {
                        letters = after;
                        continue;
                    }
                    let last = sequence.chars().last();
                    let is_elsewhere =
                        matches!(last, Some('H' | 'f' | 'J' | 'A' | 'B' | 'E' | 'F' | 'd' | 'G'));
                    if is_elsewhere && !(last == Some('J') && cleaned.text.ends_with(HALF_A_WORD)) {
                        end(cleaned, &mut given, each);
                    }
                }
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    // A string for the terminal: up to BEL, or to the ESC of its ending `ESC \`.
                    let _ = letters.by_ref().take(4096).find(|letter| matches!(letter, '\u{7}' | '\u{1b}'));
                    if let Some(after) = letters.as_str().strip_prefix('\\') {
                        letters = after.chars();
                    }
                }
                Some('(' | ')' | '#' | '%') => {
                    letters.next();
                }
                _ => {}
            },
            '\u{8}' => {
                cleaned.text.pop();
            }
            '\t' | '\u{a0}' => {
                if !cleaned.text.is_empty() && !cleaned.text.ends_with(' ') {
                    cleaned.text.push(' ');
                }
            }
            '\u{2018}' | '\u{2019}' | '\u{b4}' => cleaned.text.push('\''),
            '\u{201c}' | '\u{201d}' => cleaned.text.push('"'),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => cleaned.text.push('-'),
            '\u{2026}' => cleaned.text.push_str("..."),
            // Controls, and the letters that turn a terminal's direction or hide others.
            letter if letter.is_control() => {}
            '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => {}
            letter => cleaned.text.push(letter),
        }
    }
    end(cleaned, &mut given, each);
    if !given {
        each(cleaned);
    }
}

/// The rest of a control sequence (ECMA-48 §5.4), which ends with an octet from @ to ~.
fn control<'t>(letters: &mut Chars<'t>) -> &'t str {
    const LONGEST: usize = 64;
    let rest = letters.as_str();
    let last = rest.char_indices().take(LONGEST).find(|(_, letter)| ('@'..='~').contains(letter));
    let end = match last {
        Some((at, _)) => at + 1,
        None => rest.char_indices().nth(LONGEST).map_or(rest.len(), |(at, _)| at),
    };
    let (sequence, after) = rest.split_at(end);
    *letters = after.chars();
    sequence
}

/// What comes after a pair of sequences that sends the cursor to a column and then to the next one of the same row, where
/// it is: GRUB on a serial line does so in the middle of its words.
fn nudged<'t>(sequence: &str, letters: &Chars<'t>) -> Option<Chars<'t>> {
    let place = |sequence: &str| {
        let (row, column) = sequence.strip_suffix('H')?.split_once(';')?;
        Some((row.parse::<u32>().ok()?, column.parse::<u32>().ok()?))
    };
    let (row, column) = place(sequence)?;
    let mut ahead = letters.clone();
    (ahead.next() == Some('\u{1b}') && ahead.next() == Some('[')).then_some(())?;
    (place(control(&mut ahead))? == (row, column.checked_add(1)?)).then_some(ahead)
}

#[cfg(test)]
mod tests {
    use super::{Cleaned, Lines};
    use crate::diagnosis::head::head;

    fn lines(octets: &[u8]) -> String {
        let mut found = String::new();
        let mut each = |number: u64, cleaned: &Cleaned| {
            assert_eq!(cleaned.text.len(), cleaned.folded.len());
            found += &format!("{number}|{}\n", cleaned.text);
        };
        let mut lines = Lines::new();
        // Octet by octet: what is split in the middle must come out the same.
        octets.iter().for_each(|octet| lines.take(&[*octet], &mut each));
        lines.finish(&mut each);
        found
    }

    /// Logs come from serial consoles, cameras, editors of other systems: the text is the same.
    #[test]
    fn what_is_around_the_text_is_taken_off() {
        let check = |octets: &[u8], wanted: &str| assert_eq!(lines(octets), wanted);
        check(b"one\r\ntwo\n", "1|one\n2|two\n");
        check(b"", "");
        check(b"\n\nx", "1|\n2|\n3|x\n");
        check(b"10%\r50%\rdone\nnext\n", "1|10%\n1|50%\n1|done\n2|next\n");
        check(b"\x1b[0;32m OK \x1b[0m ready\n", "1|OK ready\n");
        check(b"\x1b[2J\x1b[1;1Htop\x1b[5;1Hbelow\n", "1|top\n1|below\n");
        // The kernel's boot sector on SeaBIOS' serial console, from a rehearsal.
        let divided: &[u8] = b"Probing EDD (edd=off to disable)... o\x1bc\x1b[?7l\x1b[2J\x1b[0mk\r";
        check(divided, "1|Probing EDD (edd=off to disable)... ok\n");
        // GRUB on a serial line, from a rehearsal; then a cursor that is sent elsewhere.
        let nudged: &[u8] =
            b"error: file `/boo\x1b[07;17H\x1b[07;18Ht/grub/normal.mod' not f\x1b[07;49H\x1b[07;50Hound.\n";
        check(nudged, "1|error: file `/boot/grub/normal.mod' not found.\n");
        check(b"one\x1b[7;17H\x1b[7;19Htwo\x1b[7;17H\x1b[8;18Hthree\n", "1|one\n1|two\n1|three\n");
        check(b"\x1b]0;rm -rf\x07title\n", "1|title\n");
        check(b"ab\x08c\x00d\n", "1|acd\n");
        check("\u{feff}caf\u{e9} \u{2018}x\u{2019} \u{202e}y\n".as_bytes(), "1|café 'x' y\n");
        check(b"a \t b\n", "1|a b\n");
        check(b"\xff\xfeh\0i\0\n\0y\0", "1|hi\n2|y\n");
        check(b"\xfe\xff\0h\0i", "1|hi\n");
        check(b"h\0i\0 \0x\0\r\0\n\0y\0o\0", "1|hi x\n2|yo\n");
        check(b"bad \xc3 octet", "1|bad \u{fffd} octet\n");
        check(b"\x9b31mred\n", "1|\u{fffd}31mred\n");
        check(br#"{"_PID":"1","MESSAGE":"a \"b\"\nc \u001b[31md"}"#, "1|a \"b\"\n1|c d\n");
        check(br#"{"MESSAGE":[27,91,51,49,109,104,105]}"#, "1|hi\n");
        check(
            br#"{"level":"error","msg":"call failed","error":"disk is in use"}"#,
            "1|call failed: disk is in use\n",
        );
        check(br#"{"MESSAGE":null}"#, "1|{\"MESSAGE\":null}\n");
        check(br#"{"MESSAGE":"cut"#, "1|{\"MESSAGE\":\"cut\n");
    }

    proptest::proptest! {
        /// Hostile octets neither stop the reading nor reach the terminal.
        #[test]
        fn nothing_a_terminal_obeys_is_left(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let text = lines(&octets);
            assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text:?}");
            text.lines().for_each(|line| { head(line); });
        }
    }
}
