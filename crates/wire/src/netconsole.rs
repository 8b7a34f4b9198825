//! Kernel messages over UDP (Linux `Documentation/networking/netconsole.rst`), plain and extended.
//!
//! Extended ones carry a head, `6,416,1758426,-,ncfrag=0/33;the text`, and come in fragments where they are long;
//! [`Assembler`] puts one sender's together.

use crate::syslog::printable;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// UDP port that the kernel sends to unless it is told another.
pub const PORT: u16 = 6666;
/// The longest message put together. The kernel's own limit is 8 kB (`kernel/printk`, `CONSOLE_EXT_LOG_MAX`).
const LONGEST: usize = 8192;
/// Senders whose fragments are kept; whoever sent longest ago makes room.
const MOST_SENDERS: usize = 1024;

/// What a datagram brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// 0 (emergency) to 7 (debug), where it says.
    pub severity: Option<u8>,
    /// The kernel's number of the message, where it says.
    pub sequence: Option<u64>,
    /// Lines, without control characters; plain messages may end in the middle of one.
    pub text: String,
}

/// A fragment and where it belongs.
struct Fragment<'a> {
    severity: u8,
    sequence: u64,
    /// Offset and length of the whole, for fragments.
    of: Option<(usize, usize)>,
    body: &'a [u8],
}

/// Puts fragments together, one message a sender at a time: kernels send them one after the other.
#[derive(Debug, Default)]
pub struct Assembler {
    open: BTreeMap<Ipv4Addr, Open>,
    /// Counts datagrams, to know whose are the oldest.
    clock: u64,
}

#[derive(Debug)]
struct Open {
    sequence: u64,
    severity: u8,
    whole: usize,
    body: Vec<u8>,
    last: u64,
}

impl Assembler {
    /// Takes a datagram in; a message comes out once it is whole. A message whose fragments do not follow each
    /// other comes out as far as it goes, with the next one.
    pub fn take(&mut self, from: Ipv4Addr, bytes: &[u8]) -> Vec<Message> {
        self.clock += 1;
        let bytes = bytes.get(..bytes.len().min(LONGEST)).unwrap_or_default();
        let Some(fragment) = extended(bytes) else {
            return Vec::from_iter(plain(bytes));
        };
        let mut messages = Vec::new();
        let Some((offset, whole)) = fragment.of else {
            messages.extend(self.open.remove(&from).map(Open::cut_short));
            messages.push(whole_message(&fragment));
            return messages;
        };
        let follows = self.open.get(&from).is_some_and(|open| {
            open.sequence == fragment.sequence && open.whole == whole && open.body.len() == offset
        });
        if !follows {
            messages.extend(self.open.remove(&from).map(Open::cut_short));
            if offset != 0 {
                // Its beginning was lost: what is there is worth reading all the same.
                messages.push(whole_message(&fragment));
                return messages;
            }
            self.make_room();
        }
        let Fragment { severity, sequence, body, .. } = fragment;
        let open =
            self.open.entry(from).or_insert(Open { sequence, severity, whole, body: Vec::new(), last: 0 });
        open.last = self.clock;
        open.body.extend_from_slice(body);
        if open.body.len() >= whole {
            messages.extend(self.open.remove(&from).map(Open::message));
        }
        messages
    }

    fn make_room(&mut self) {
        if self.open.len() < MOST_SENDERS {
            return;
        }
        let oldest = self.open.iter().min_by_key(|(_, open)| open.last).map(|(from, _)| *from);
        if let Some(oldest) = oldest {
            self.open.remove(&oldest);
        }
    }
}

impl Open {
    fn message(self) -> Message {
        Message { severity: Some(self.severity), sequence: Some(self.sequence), text: text(&self.body) }
    }

    fn cut_short(self) -> Message {
        let message = self.message();
        Message { text: message.text + " […]", ..message }
    }
}

fn whole_message(fragment: &Fragment<'_>) -> Message {
    let body = text(fragment.body);
    let lost = fragment.of.is_some_and(|(offset, _)| offset > 0);
    let text = if lost { String::from("[…] ") + &body } else { body };
    Message { severity: Some(fragment.severity), sequence: Some(fragment.sequence), text }
}

/// `level,sequence,time,flags[,key=value]…;text`.
fn extended(bytes: &[u8]) -> Option<Fragment<'_>> {
    let end = bytes.iter().position(|octet| *octet == b';')?;
    let (head, body) = bytes.split_at_checked(end)?;
    let head = core::str::from_utf8(head).ok()?;
    let mut fields = head.split(',');
    let mut first = fields.next()?;
    // With `CONFIG_NETCONSOLE_PREPEND_RELEASE` the kernel's release stands in front.
    if first.contains('.') {
        first = fields.next()?;
    }
    let priority: u32 = first.parse().ok()?;
    let sequence: u64 = fields.next()?.parse().ok()?;
    let _time: u64 = fields.next()?.parse().ok()?;
    let flags = fields.next().filter(|flags| flags.len() == 1)?;
    let _ = flags;
    let of = fields.find_map(|field| field.strip_prefix("ncfrag=")).and_then(|place| {
        let (offset, whole) = place.split_once('/')?;
        Some((offset.parse().ok()?, whole.parse().ok().filter(|whole| *whole <= LONGEST)?))
    });
    Some(Fragment { severity: (priority & 7) as u8, sequence, of, body: body.get(1..)? })
}

/// A plain message is text, with `<6>` in front where the kernel was told so.
fn plain(bytes: &[u8]) -> Option<Message> {
    let (severity, rest) = match bytes {
        [b'<', level @ b'0'..=b'7', b'>', rest @ ..] => (Some(level - b'0'), rest),
        _ => (None, bytes),
    };
    let text = text(rest);
    (!text.is_empty()).then_some(Message { severity, sequence: None, text })
}

/// The first line: what follows it in extended messages is a dictionary (` SUBSYSTEM=pci`).
fn text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let lines: Vec<String> =
        text.lines().filter(|line| !line.starts_with(' ') || !line.contains('=')).map(printable).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use expect_test::expect;
    use proptest::prelude::*;

    const BOX: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);

    fn heard(datagrams: &[&str]) -> String {
        let mut assembler = Assembler::default();
        let mut lines = Vec::new();
        for datagram in datagrams {
            for message in assembler.take(BOX, datagram.as_bytes()) {
                lines.push(format!("{:?} {:?} {}", message.severity, message.sequence, message.text));
            }
        }
        lines.join("\n")
    }

    /// The last words of a kernel come this way or not at all.
    #[test]
    fn messages_of_both_kinds_are_read() {
        expect![[r#"
            None None [    2.345678] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000200
            Some(4) None [    2.4] Call Trace:
            Some(6) Some(416) e1000e 0000:00:02.0 eth0: NIC Link is Up
            Some(4) Some(417) VFS: Unable to mount root fs
            Some(6) Some(418) the first halves
            Some(6) Some(419) half of […]
            Some(6) Some(420) the next
            Some(6) Some(421) […] a tail
            None None x,1;not a head"#]].assert_eq(&heard(&[
            "[    2.345678] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000200\n",
            "<4>[    2.4] Call Trace:\n",
            "6,416,1758426,-;e1000e 0000:00:02.0 eth0: NIC Link is Up\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:02.0\n",
            "6.1.0-43-amd64,12,417,1758427,-;VFS: Unable to mount root fs\n",
            "6,418,1758428,-,ncfrag=0/16;the first",
            "6,418,1758428,-,ncfrag=9/16; halves\n",
            "6,419,1758429,-,ncfrag=0/16;half of",
            "6,420,1758430,-;the next",
            "6,421,1758431,-,ncfrag=9/16;a tail",
            "x,1;not a head",
            "",
        ]));
    }

    proptest! {
        /// The port is open to everybody: nothing panics, nothing is kept by a number in a head.
        #[test]
        fn noise_is_text(
            datagrams in proptest::collection::vec(
                (0u8..3, 0usize..20_000, 0usize..20_000, proptest::collection::vec(any::<u8>(), 0..40)), 0..30),
        ) {
            let mut assembler = Assembler::default();
            for (sender, offset, whole, body) in datagrams {
                let mut bytes = format!("6,1,2,-,ncfrag={offset}/{whole};").into_bytes();
                if offset % 7 == 0 { bytes = format!("6,1,2,-,ncfrag=0/{whole};").into_bytes(); }
                if offset % 5 == 0 { bytes.clear(); }
                bytes.extend(&body);
                for message in assembler.take(Ipv4Addr::new(10, 0, 0, sender), &bytes) {
                    prop_assert!(message.text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')));
                }
                prop_assert!(assembler.open.values().all(|open| open.body.len() <= LONGEST));
            }
        }
    }
}
