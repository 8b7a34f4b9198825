//! What stands before a line's own text: what loggers, and people who hand a log on, put there.
//!
//! Taken off, in any order and number: `[   12.345678]`, `[T123]`, `<6>`, `Nov 25 18:53:21 host kernel:`,
//! `2026-11-25T18:53:21+01:00 host prog[12]:`, RFC 5424's header, `MESSAGE=` of a journal export, a clock; the `>` of
//! a quotation, a line's number, a container's name, the level of what is no error.

/// Octets of the kernel's seconds with their bracket, at most.
const LONGEST_TIME: usize = 15;
/// Heads that one line may have.
const HEADS: usize = 8;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// What stands before a line's own text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Head {
    /// Its octets.
    pub(super) length: usize,
    /// The kernel's seconds, if they are in it.
    pub(super) seconds: Option<f64>,
    /// Whether a logger wrote some of it, so that a new line begins here for sure.
    pub(super) is_logged: bool,
}

/// The kernel's seconds, where the line begins with them.
pub(super) fn kernel_seconds(text: &str) -> Option<f64> {
    kernel_time(text).map(|(_, seconds)| seconds)
}

/// The octets of the kernel's time with its brackets, where the line begins with it, and its seconds.
fn kernel_time(text: &str) -> Option<(usize, f64)> {
    let bare = text.strip_prefix('[')?.trim_ascii_start();
    bare.starts_with(|letter: char| letter.is_ascii_digit()).then_some(())?;
    // Of its own: nearly every line of a log has one.
    let (mut digits, mut scale) = (0_u64, None);
    for (at, octet) in bare.bytes().take(LONGEST_TIME).enumerate() {
        match octet {
            b'0'..=b'9' => {
                digits = digits * 10 + u64::from(octet - b'0');
                scale = scale.map(|scale: u64| scale * 10);
            }
            b'.' if scale.is_none() => scale = Some(1),
            b']' => {
                let length = text.len() - bare.len() + at + 1;
                return scale.map(|scale| (length, digits as f64 / scale as f64));
            }
            _ => break,
        }
    }
    None
}

/// What stands before the line's own text.
pub(super) fn head(text: &str) -> Head {
    let mut whole = Head::default();
    let mut is_timed = false;
    for _ in 0..HEADS {
        let rest = &text[whole.length..];
        let found = logged(rest).or_else(|| {
            // `journalctl -o short-monotonic` has host and program behind the time.
            let length = if is_timed { host_and_program(rest)? } else { return None };
            Some((length, None))
        });
        let (length, is_logged) = match found {
            Some((length, seconds)) => {
                whole.seconds = whole.seconds.or(seconds);
                is_timed = true;
                (length, true)
            }
            None => match handed_on(rest) {
                Some(length) => (length, false),
                None => break,
            },
        };
        whole.is_logged |= is_logged;
        whole.length += length.min(rest.len());
        whole.length += text[whole.length..].len() - text[whole.length..].trim_start().len();
    }
    whole
}

/// A head that a logger wrote: its length, and the kernel's seconds.
fn logged(rest: &str) -> Option<(usize, Option<f64>)> {
    match rest.as_bytes().first()? {
        b'[' => {
            if let Some((length, seconds)) = kernel_time(rest) {
                return Some((length, Some(seconds)));
            }
            let (inside, _) = rest[1..].split_once(']').filter(|(inside, _)| inside.len() <= 40)?;
            let bare = inside.trim();
            let time = bare.parse::<f64>().ok().filter(|_| bare.contains('.'));
            let is_caller = bare.len() > 1
                && bare.starts_with(['T', 'C'])
                && bare[1..].bytes().all(|b| b.is_ascii_digit());
            let is_clock = bare.starts_with(|c: char| c.is_ascii_digit()) && bare.contains(':');
            (time.is_some() || is_caller || is_clock).then_some((inside.len() + 2, time))
        }
        b'<' => {
            let (inside, after) = rest[1..].split_once('>')?;
            let is_level =
                inside.len() <= 3 && !inside.is_empty() && inside.bytes().all(|b| b.is_ascii_digit());
            is_level.then(|| (inside.len() + 2 + structured(after).unwrap_or(0), None))
        }
        b'M' if rest.len() > "MESSAGE=".len() && rest.starts_with("MESSAGE=") => {
            Some(("MESSAGE=".len(), None))
        }
        b'0'..=b'9' => clock(rest)
            .map(|length| (length, None))
            .or_else(|| unix_time(rest))
            .or_else(|| dated(rest).map(|length| (length, None))),
        b'A'..=b'Z' => {
            let day = DAYS.iter().find_map(|day| rest.strip_prefix(day)?.strip_prefix(' '));
            let length = dated(day.unwrap_or(rest))?;
            Some((length + day.map_or(0, |_| 4), None))
        }
        _ => None,
    }
}

/// RFC 5424 §6 behind the `<PRI>`: version, time, host, program, its id, the message's id, and no structured data.
fn structured(rest: &str) -> Option<usize> {
    let mut words = rest.split(' ');
    let (version, time) = (words.next()?, words.next()?);
    let is_one = version == "1" && time.starts_with("20") && time.contains('T');
    let length: usize = rest.split(' ').take(7).map(|word| word.len() + 1).sum();
    (is_one && words.nth(4)? == "-").then_some(length)
}

/// What people put before a line who hand a log on.
fn handed_on(rest: &str) -> Option<usize> {
    for head in ["> ", "* ", "INFO: ", "DEBUG: ", "[INFO] ", "[DEBUG] "] {
        if rest.starts_with(head) {
            return Some(head.len());
        }
    }
    let blank = memchr::memchr(b' ', rest.as_bytes());
    let (word, after) = blank.map_or((rest, ""), |at| (&rest[..at], &rest[at + 1..]));
    let is_number =
        |word: &str| matches!(word.len(), 1..=6) && word.bytes().all(|octet| octet.is_ascii_digit());
    if after.starts_with("| ") {
        let is_container = word.rsplit_once(['-', '_']).is_some_and(|(_, number)| is_number(number));
        return (is_number(word) || is_container).then_some(word.len() + 3);
    }
    if word.strip_suffix(['.', ')', '|', ':']).is_some_and(is_number) {
        return Some(word.len() + 1);
    }
    // `grep -n` leaves no blank; in a MAC address two digits and a colon come next.
    if !rest.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    let (number, after) = rest.split_once(':')?;
    let is_text = after.starts_with(|letter: char| letter.is_ascii_alphabetic() || "[<>(".contains(letter))
        && after.as_bytes().get(2).is_none_or(|octet| *octet != b':');
    (is_number(number) && is_text).then_some(number.len() + 1)
}

fn is_clock(word: &str) -> bool {
    word.len() >= 8 && word.as_bytes()[2] == b':' && word.as_bytes()[5] == b':'
}

/// A clock by itself: `18:53:21` or `18:53:21.123`.
fn clock(rest: &str) -> Option<usize> {
    let word = rest.split(' ').next()?;
    let digits = |range: std::ops::Range<usize>| word.as_bytes()[range].iter().all(u8::is_ascii_digit);
    let is_whole = is_clock(word) && digits(0..2) && digits(3..5) && digits(6..8);
    (is_whole && matches!(word.as_bytes().get(8), None | Some(b'.' | b','))).then_some(word.len() + 1)
}

/// Seconds since 1970: `1772600000.204811 host prog[12]:`.
fn unix_time(rest: &str) -> Option<(usize, Option<f64>)> {
    let word = rest.split(' ').next()?;
    let (seconds, parts) = word.split_once('.')?;
    let is_time = seconds.len() == 10
        && parts.len() >= 3
        && seconds.bytes().chain(parts.bytes()).all(|octet| octet.is_ascii_digit());
    is_time.then_some((word.len() + 1, None))
}

/// `host prog[12]:` or `host kernel:`.
fn host_and_program(rest: &str) -> Option<usize> {
    let mut words = rest.split(' ');
    let (host, program) = (words.next()?, words.next()?);
    let name = program.strip_suffix(':')?;
    let is_program = name.ends_with(']') && name.contains('[') || matches!(name, "kernel" | "systemd");
    let is_host = !host.is_empty()
        && host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(&octet));
    (is_host && is_program).then_some(host.len() + program.len() + 2)
}

/// The length of a syslog line's head: date, host and program.
fn dated(rest: &str) -> Option<usize> {
    let mut words = rest.split(' ');
    let first = words.next()?;
    let mut length = if MONTHS.contains(&first) {
        let (day, clock) = (words.next()?, words.next()?);
        if day.is_empty() || !day.bytes().all(|b| b.is_ascii_digit()) || !is_clock(clock) {
            return None;
        }
        first.len() + day.len() + clock.len() + 3
    } else {
        let octets = first.as_bytes();
        let is_date = octets.len() >= 10
            && matches!((octets[4], octets[7]), (b'-', b'-') | (b'/', b'/'))
            && octets[..4].iter().all(u8::is_ascii_digit);
        if !is_date {
            return None;
        }
        let mut length = first.len() + 1;
        if let Some(clock) =
            rest.get(length..).and_then(|rest| rest.split(' ').next()).filter(|word| is_clock(word))
        {
            length += clock.len() + 1;
        }
        length
    };
    if let Some(zone) =
        rest.get(length..).and_then(|rest| rest.split(' ').next()).filter(|word| is_zone(word))
    {
        length += zone.len() + 1;
    }
    // Host and program, if the program ends in a colon: `box1 kernel:`, `box1 dhcpd[12]:`.
    let after = rest.get(length..).unwrap_or_default();
    let mut words = after.split(' ');
    if let (Some(host), Some(program)) = (words.next(), words.next())
        && program.ends_with(':')
        && !host.ends_with(':')
    {
        length += host.len() + program.len() + 2;
    } else if let Some(program) = after.split(' ').next().filter(|word| word.ends_with(':') && word.len() > 1)
    {
        length += program.len() + 1;
    }
    Some(length.min(rest.len()))
}

/// The zone of a clock: `CET`, `UTC`.
fn is_zone(word: &str) -> bool {
    matches!(
        word,
        "UTC" | "GMT" | "CET" | "CEST" | "EST" | "EDT" | "CST" | "CDT" | "MST" | "MDT" | "PST" | "PDT"
    ) || matches!(word, "BST" | "EET" | "EEST" | "WET" | "MSK" | "IST" | "JST" | "AEST" | "AEDT" | "NZST")
}

#[cfg(test)]
mod tests {
    use super::{head, kernel_seconds};

    /// Where a line's own text begins, sign by sign of every logger.
    #[test]
    fn heads_of_loggers_are_known() {
        let check = |line: &str, wanted: &str, time: Option<f64>| {
            let head = head(line);
            assert_eq!((&line[head.length..], head.seconds), (wanted, time), "{line}");
        };
        check("[    3.456789] tg3: up", "tg3: up", Some(3.456789));
        check("[    3.456789][    T1] tg3: up", "tg3: up", Some(3.456789));
        check("<6>[ 12.000001] x", "x", Some(12.000001));
        check("Nov 25 18:53:21 box1 kernel: [ 1.5] x", "x", Some(1.5));
        check("Nov 25 18:53:21 dnsmasq-dhcp[12]: x y", "x y", None);
        check("2026-11-25T18:53:21.1+01:00 box1 dhcpd[4]: x", "x", None);
        check("2026-11-25 18:53:21,123 - util.py: x", "x", None);
        check("2026/11/25 18:53:21 [error] x", "[error] x", None);
        check("Wed 2026-11-25 18:53:21 CET box1 dhcpd[4]: x", "x", None);
        check("<30>1 2026-11-25T18:53:21.1Z box1 dhcpd 4 - - x y", "x y", None);
        check("[   12.204811] box1 dhcpd[4]: x", "x", Some(12.204811));
        check("1772600000.204811 box1 dhcpd[4]: x", "x", None);
        check("18:53:21 x", "x", None);
        check("[18:53:21] x", "x", None);
        check("MESSAGE=x", "x", None);
        check("[FAILED] Failed to start x", "[FAILED] Failed to start x", None);
        check("May the force", "May the force", None);
        check("plain: x", "plain: x", None);
        check("[    3.456789] tg3 0000:01:00.0 eth0: up", "tg3 0000:01:00.0 eth0: up", Some(3.456789));
    }

    /// What is no time would begin another boot.
    #[test]
    fn only_times_are_seconds() {
        assert_eq!(kernel_seconds("[    3.456789] tg3: up"), Some(3.456789));
        assert_eq!(kernel_seconds("[12345.000001] x"), Some(12345.000001));
        for other in
            ["[.]", "[...]", "[]", "[12]", "[1.2.3] x", "[ OK ] x", "[123456789.1234567] x", "3.4] x", "[3.4"]
        {
            assert_eq!(kernel_seconds(other), None, "{other}");
        }
    }

    /// People quote and number what they hand on; what only looks like it stays.
    #[test]
    fn heads_of_people_are_known() {
        let check = |line: &str, wanted: &str| assert_eq!(&line[head(line).length..], wanted, "{line}");
        check("> > [    1.000000] x", "x");
        check("12: x", "x");
        check("12. x", "x");
        check("12:Begin: x", "Begin: x");
        check("12 | x", "x");
        check("netboot-dhcp-1 | x", "x");
        check("INFO: x", "x");
        check("error: x", "error: x");
        check("ERROR: x", "ERROR: x");
        check("52:54:00:12:34:56 x", "52:54:00:12:34:56 x");
        check("10.0.0.1 - - x", "10.0.0.1 - - x");
        check(">>Start PXE over IPv4", ">>Start PXE over IPv4");
        check("grub> x", "grub> x");
        check("12 packets", "12 packets");
    }

    proptest::proptest! {
        /// Whatever a line begins with, a head ends within it.
        #[test]
        fn a_head_is_part_of_the_line(line in "[<>\\[\\]0-9A-Za-zäß :.T+-]{0,60}") {
            let length = head(&line).length;
            assert!(line.is_char_boundary(length), "{line:?}");
        }
    }
}
