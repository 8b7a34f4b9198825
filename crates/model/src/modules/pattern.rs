//! Device patterns as drivers carry them (`pci:v00008086d000010D3sv*…`): the kernel's wildcards are those of
//! fnmatch(3) without flags.
//!
//! A device may be known in part only, as iPXE reports vendor and device and no more: [`UNKNOWN`] stands
//! for each character of it that is not known.

use crate::hardware::PciId;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A character of a modalias that is not known. No bus writes one.
pub const UNKNOWN: u8 = b'?';

/// How sure it is that a driver fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// It may: the pattern asks for something that is not known of the device.
    Possible,
    /// It does, whatever the unknown parts are.
    Certain,
}

/// Whether the pattern fits the modalias. Both are compared as bytes; see [`normalize`].
pub fn matches(pattern: &[u8], modalias: &[u8]) -> bool {
    walk(pattern, modalias, None)
}

/// Whether and how surely the pattern fits a modalias that has [`UNKNOWN`] characters.
pub fn fit(pattern: &[u8], modalias: &[u8]) -> Option<Fit> {
    if matches(pattern, modalias) {
        Some(Fit::Certain)
    } else if modalias.contains(&UNKNOWN) && walk(pattern, modalias, Some(UNKNOWN)) {
        Some(Fit::Possible)
    } else {
        None
    }
}

/// The part of a pattern before its first wildcard: every modalias it fits starts with it.
pub fn literal_prefix(pattern: &[u8]) -> &[u8] {
    let end = pattern.iter().position(|byte| is_wild(*byte)).unwrap_or(pattern.len());
    &pattern[..end]
}

/// Whether a byte of a pattern is more than itself.
pub fn is_wild(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[' | b'\\')
}

/// Dashes to underscores outside of brackets, as kmod compares (`alias_normalize` in its `shared/util.c`).
/// `None` where brackets do not pair: kmod refuses such a text, as pattern and as modalias.
pub fn normalize(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['-', '[', ']']) {
        return Some(Cow::Borrowed(text));
    }
    let mut normal = String::with_capacity(text.len());
    let mut inside = false;
    for letter in text.chars() {
        match letter {
            ']' if !inside => return None,
            ']' => inside = false,
            '[' => inside = true,
            _ => {}
        }
        normal.push(if letter == '-' && !inside { '_' } else { letter });
    }
    if inside { None } else { Some(Cow::Owned(normal)) }
}

/// The modalias of a PCI device of which only vendor and device are known, and that it is an Ethernet
/// controller (class 02.00), because a network boot came in through it.
pub fn ethernet_modalias(id: PciId) -> String {
    format!("pci:v{:08X}d{:08X}sv????????sd????????bc02sc00i??", id.vendor, id.device)
}

/// The modalias of the device that `virtio_pci` finds behind a PCI device of its own: there the driver of the NIC or the
/// disk comes in. The PCI ids are virtio's (virtio 1.2 §4.1.2.1): modern ones are 0x1040 + type, transitional ones have
/// a table.
pub fn virtio_modalias(id: PciId) -> Option<String> {
    let kind = match (id.vendor, id.device) {
        (0x1af4, 0x1000) => 1,
        (0x1af4, 0x1001) => 2,
        (0x1af4, 0x1002) => 5,
        (0x1af4, 0x1003) => 3,
        (0x1af4, 0x1004) => 8,
        (0x1af4, 0x1005) => 4,
        (0x1af4, 0x1009) => 9,
        (0x1af4, modern @ 0x1040..=0x107f) => u32::from(modern) - 0x1040,
        _ => return None,
    };
    Some(format!("virtio:d{kind:08X}v00001AF4"))
}

/// The modalias of a PCI device of which only vendor and device are known.
pub fn pci_modalias(id: PciId) -> String {
    format!("pci:v{:08X}d{:08X}sv????????sd????????bc??sc??i??", id.vendor, id.device)
}

/// Walks both texts; on a dead end goes back to the last `*` only, which is enough because an earlier `*`
/// can never do better than the last one.
fn walk(pattern: &[u8], text: &[u8], unknown: Option<u8>) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, seen));
            continue;
        }
        match one(pattern, at, text[seen], unknown) {
            Some(next) => {
                at = next;
                seen += 1;
            }
            None => {
                let Some((after, from)) = star else { return false };
                at = after;
                seen = from + 1;
                star = Some((after, seen));
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Matches one character; gives where the pattern goes on.
fn one(pattern: &[u8], at: usize, byte: u8, unknown: Option<u8>) -> Option<usize> {
    let any = unknown == Some(byte);
    match *pattern.get(at)? {
        b'?' => Some(at + 1),
        b'[' => match bracket(pattern, at + 1, byte) {
            Some((hit, next)) => (hit || any).then_some(next),
            None => (byte == b'[' || any).then_some(at + 1),
        },
        b'\\' => (*pattern.get(at + 1)? == byte || any).then_some(at + 2),
        literal => (literal == byte || any).then_some(at + 1),
    }
}

/// A bracket expression that starts after its `[`: whether it has the byte, and where it ends. `None` where it
/// is not closed; the `[` then stands for itself.
fn bracket(pattern: &[u8], start: usize, byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(start), Some(b'!' | b'^'));
    let first = if negated { start + 1 } else { start };
    let mut at = first;
    let mut hit = false;
    loop {
        let (low, next) = member(pattern, at)?;
        if low == b']' && at > first && pattern[at] == b']' {
            return Some((hit != negated, at + 1));
        }
        at = next;
        // A dash is a range only between two members.
        if pattern.get(at) == Some(&b'-') && !matches!(pattern.get(at + 1), None | Some(b']')) {
            let (high, next) = member(pattern, at + 1)?;
            hit |= (low..=high).contains(&byte);
            at = next;
        } else {
            hit |= low == byte;
        }
    }
}

fn member(pattern: &[u8], at: usize) -> Option<(u8, usize)> {
    match *pattern.get(at)? {
        b'\\' => Some((*pattern.get(at + 1)?, at + 2)),
        byte => Some((byte, at + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Each line is a kind of pattern that real drivers carry; a wrong answer loads no driver or a wrong one.
    #[test]
    fn wildcards_mean_what_the_kernel_means() {
        for (pattern, modalias, answer) in [
            (
                "pci:v00008086d000010D3sv*sd*bc*sc*i*",
                "pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00",
                true,
            ),
            (
                "pci:v00008086d000010D3sv*sd*bc*sc*i*",
                "pci:v00008086d000010D4sv00008086sd00000000bc02sc00i00",
                false,
            ),
            ("pci:v*d*sv*sd*bc01sc08i02*", "pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02", true),
            ("pci:v*d*sv*sd*bc01sc08i02*", "pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc06i02", false),
            ("usb:v0BDBp190[0-9A-F]d*dc*", "usb:v0BDBp190Ad0000dc00", true),
            ("usb:v0BDBp190[0-9A-F]d*dc*", "usb:v0BDBp190ad0000dc00", false),
            ("usb:v04E6p0006d020[!0-5]*", "usb:v04E6p0006d0205dc", false),
            ("virtio:d00000001v*", "virtio:d00000001v00001AF4", true),
            ("acpi*:PNP0C0A:*", "acpi:PNP0C0A:", true),
            ("scsi:t-0x00*", "scsi:t-0x00", true),
            ("of:N*T*Cbrcm,bcm43*C*", "of:NwifiT(null)Cbrcm,bcm43", false),
            ("a]b", "a]b", true),
            ("a[b", "a[b", true),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("*", "", true),
            ("", "", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), modalias.as_bytes()), answer, "{pattern} on {modalias}");
        }
    }

    /// iPXE tells vendor and device only: a driver that asks for a subsystem may fit, one of another class
    /// does not.
    #[test]
    fn what_is_not_known_may_fit() {
        let nic = ethernet_modalias("8086:10d3".parse().unwrap());
        for (pattern, answer) in [
            ("pci:v00008086d000010D3sv*sd*bc*sc*i*", Some(Fit::Certain)),
            ("pci:v00008086d000010D3sv*sd*bc02sc00i*", Some(Fit::Certain)),
            ("pci:v00008086d000010D3sv0000103Csd*bc*sc*i*", Some(Fit::Possible)),
            ("pci:v00008086d*sv*sd*bc02sc00i01*", Some(Fit::Possible)),
            ("pci:v*d*sv*sd*bc01sc06i01*", None),
            ("pci:v00008086d000010D4sv*sd*bc*sc*i*", None),
        ] {
            assert_eq!(fit(pattern.as_bytes(), nic.as_bytes()), answer, "{pattern}");
        }
    }

    /// kmod refuses what it cannot pair; taking it would answer where `modprobe` does not.
    #[test]
    fn dashes_are_underscores_except_in_brackets() {
        for (text, normal) in [
            ("scsi:t-0x00*", Some("scsi:t_0x00*")),
            ("usb:v0BDBp190[0-9]d*", Some("usb:v0BDBp190[0-9]d*")),
            ("a]", None),
            ("a[", None),
        ] {
            assert_eq!(normalize(text).as_deref(), normal, "{text}");
        }
    }

    /// fnmatch(3) said as plainly as possible, exponential and obviously right.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.first() {
            None => text.is_empty(),
            Some(b'*') => (0..=text.len()).any(|skip| naive(&pattern[1..], &text[skip..])),
            Some(b'?') => !text.is_empty() && naive(&pattern[1..], &text[1..]),
            Some(b'[') => {
                let Some(end) = pattern.iter().position(|byte| *byte == b']') else {
                    return text.first() == Some(&b'[') && naive(&pattern[1..], &text[1..]);
                };
                let set = &pattern[1..end];
                let has = |byte: &u8| match set {
                    [low, b'-', high] => (low..=high).contains(&byte),
                    _ => set.contains(byte),
                };
                text.first().is_some_and(has) && naive(&pattern[end + 1..], &text[1..])
            }
            Some(byte) => text.first() == Some(byte) && naive(&pattern[1..], &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn the_walk_agrees_with_the_definition(
            pattern in "([ab*?]|\\[ab\\]|\\[a-c\\]){0,8}", text in "[abc]{0,10}",
        ) {
            prop_assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                naive(pattern.as_bytes(), text.as_bytes())
            );
        }

        #[test]
        fn any_bytes_end_and_keep_the_prefix_promise(pattern: Vec<u8>, text: Vec<u8>) {
            if matches(&pattern, &text) {
                prop_assert!(text.starts_with(literal_prefix(&pattern)));
            }
        }
    }
}
