//! Debian's formats: the `.deb` archive (ar), control files (deb822) and versions.
//!
//! Only the bytes: which package is wanted, and what is done with its files, is decided above.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// What the first bytes of every ar archive are (`<ar.h>`: `ARMAG`).
const AR_MAGIC: &[u8; 8] = b"!<arch>\n";
/// Length of a member's header (`<ar.h>`: `struct ar_hdr`).
const AR_HEADER: usize = 60;

/// Why bytes are not a Debian package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADeb {
    /// The archive does not begin with `!<arch>`.
    #[error("it is no ar archive")]
    NoArchive,
    /// A member's header is wrong.
    #[error("the member at byte {0} has a malformed header")]
    Header(usize),
    /// A member is longer than the archive.
    #[error("the member `{0}` is cut off")]
    CutOff(String),
    /// `debian-binary` says another format than 2.x (deb(5)).
    #[error("its format is not 2.x")]
    Format,
    /// `control.tar` or `data.tar` is absent.
    #[error("it has no `{0}`")]
    Absent(&'static str),
}

/// How a member of a package is compressed (deb(5): by the suffix of its name).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// `.gz`.
    Gzip,
    /// `.xz`.
    Xz,
    /// `.zst`, Ubuntu's default since 21.10.
    Zstd,
}

/// A tar archive in a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// How `bytes` are compressed.
    pub compression: Compression,
    /// The compressed archive.
    pub bytes: &'a [u8],
}

/// A binary package, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deb<'a> {
    /// Control file, maintainer scripts, conffile list.
    pub control: Part<'a>,
    /// The files.
    pub data: Part<'a>,
}

impl<'a> Deb<'a> {
    /// Takes a package apart; nothing is decompressed.
    pub fn read(bytes: &'a [u8]) -> Result<Deb<'a>, NotADeb> {
        let mut rest = bytes.strip_prefix(AR_MAGIC).ok_or(NotADeb::NoArchive)?;
        let (mut version, mut control, mut data) = (None, None, None);
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            let (name, member, after) = member(rest, at)?;
            match name {
                "debian-binary" => version = Some(member),
                _ if name.starts_with("control.tar") => control = part(name, "control.tar", member),
                _ if name.starts_with("data.tar") => data = part(name, "data.tar", member),
                // deb(5): members whose names begin with an underscore, and any after `data.tar`, are ignored.
                _ => {}
            }
            rest = after;
        }
        if !version.is_some_and(|text| text.starts_with(b"2.")) {
            return Err(NotADeb::Format);
        }
        Ok(Deb {
            control: control.ok_or(NotADeb::Absent("control.tar"))?,
            data: data.ok_or(NotADeb::Absent("data.tar"))?,
        })
    }
}

/// Splits the first member off: its name, its content, and what follows.
fn member(rest: &[u8], at: usize) -> Result<(&str, &[u8], &[u8]), NotADeb> {
    let wrong = || NotADeb::Header(at);
    let (header, body) = rest.split_at_checked(AR_HEADER).ok_or_else(wrong)?;
    if &header[58..60] != b"`\n" {
        return Err(wrong());
    }
    // System V's ar ends names with a slash, dpkg does not.
    let name = core::str::from_utf8(&header[..16]).map_err(|_| wrong())?.trim_end().trim_end_matches('/');
    let size = core::str::from_utf8(&header[48..58]).map_err(|_| wrong())?.trim_end();
    let size: usize = size.parse().map_err(|_| wrong())?;
    let (member, after) = body.split_at_checked(size).ok_or_else(|| NotADeb::CutOff(name.into()))?;
    // Members begin at even offsets; the last one's padding may be absent.
    let after = if size % 2 == 1 { after.get(1..).unwrap_or_default() } else { after };
    Ok((name, member, after))
}

fn part<'a>(name: &str, stem: &str, bytes: &'a [u8]) -> Option<Part<'a>> {
    let compression = match name.strip_prefix(stem)? {
        "" => Compression::None,
        ".gz" => Compression::Gzip,
        ".xz" => Compression::Xz,
        ".zst" => Compression::Zstd,
        _ => return None,
    };
    Some(Part { compression, bytes })
}

/// One paragraph of a control file (deb822(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stanza<'a> {
    text: &'a str,
}

impl<'a> Stanza<'a> {
    /// The whole paragraph, as it was written, without the blank line after it.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Fields in order: name, and value with its continuation lines as they are.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut rest = self.text;
        core::iter::from_fn(move || {
            loop {
                if rest.is_empty() {
                    return None;
                }
                let end = field_end(rest);
                let (field, after) = rest.split_at(end);
                rest = after.strip_prefix('\n').unwrap_or(after);
                if field.starts_with('#') {
                    continue;
                }
                // A line without a colon is no field; a parser that skips it still finds the others.
                if let Some((name, value)) = field.split_once(':') {
                    return Some((name, value.trim()));
                }
            }
        })
    }

    /// A field's value; names are compared without regard to case.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        self.fields().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Where the first field ends: at the newline that no continuation line follows.
fn field_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(newline) = bytes.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
        let next = from + newline + 1;
        if !matches!(bytes.get(next), Some(b' ' | b'\t')) {
            return from + newline;
        }
        from = next;
    }
    bytes.len()
}

/// The paragraphs of a control file, a `Packages` index or deb822 sources. Paragraphs are parted by one empty
/// line or more.
pub fn stanzas(text: &str) -> impl Iterator<Item = Stanza<'_>> {
    text.split("\n\n")
        .map(|text| Stanza { text: text.trim_matches('\n') })
        .filter(|stanza| !stanza.text.is_empty())
}

/// Names in a dependency field, alternatives included, without versions and architectures:
/// `libc6 (>= 2.3), a | b` gives `libc6`, `a`, `b`.
pub fn dependency_names(field: &str) -> impl Iterator<Item = &str> {
    field
        .split([',', '|'])
        .map(|relation| relation.trim().split([' ', '(', '[', ':', '<', '\n']).next().unwrap_or_default())
        .filter(|name| !name.is_empty())
}

/// Compares two versions as dpkg does (deb-version(7)).
pub fn compare_versions(left: &str, right: &str) -> Ordering {
    let (left_epoch, left) = epoch(left);
    let (right_epoch, right) = epoch(right);
    let (left, left_revision) = left.rsplit_once('-').unwrap_or((left, ""));
    let (right, right_revision) = right.rsplit_once('-').unwrap_or((right, ""));
    left_epoch
        .cmp(&right_epoch)
        .then_with(|| compare_parts(left, right))
        .then_with(|| compare_parts(left_revision, right_revision))
}

fn epoch(version: &str) -> (u64, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    }
}

/// Text and digits in turn: text by dpkg's order, digits by their number.
fn compare_parts(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        let (a, b) = (digits_begin(left), digits_begin(right));
        for at in 0..a.max(b) {
            let order = rank(left.get(at).filter(|_| at < a)).cmp(&rank(right.get(at).filter(|_| at < b)));
            if order.is_ne() {
                return order;
            }
        }
        (left, right) = (&left[a..], &right[b..]);
        let (a, b) = (digits_end(left), digits_end(right));
        let order = number(&left[..a]).cmp(&number(&right[..b]));
        if order.is_ne() {
            return order;
        }
        (left, right) = (&left[a..], &right[b..]);
    }
    Ordering::Equal
}

fn digits_begin(text: &[u8]) -> usize {
    text.iter().position(u8::is_ascii_digit).unwrap_or(text.len())
}

fn digits_end(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len())
}

/// A number of any length compares by its length, then by its digits, once leading zeros are gone.
fn number(digits: &[u8]) -> (usize, &[u8]) {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (digits.len() - zeros, &digits[zeros..])
}

/// A tilde sorts before the end, the end before letters, letters before everything else.
fn rank(byte: Option<&u8>) -> u16 {
    match byte {
        Some(b'~') => 0,
        None => 1,
        Some(byte) if byte.is_ascii_alphabetic() => 2 + u16::from(*byte),
        Some(byte) => 300 + u16::from(*byte),
    }
}

/// Undoes percent-encoding; a stray percent sign stays. Index files write `+` where addresses write `%2b`.
pub fn percent_decoded(address: &str) -> Cow<'_, str> {
    if !address.contains('%') {
        return Cow::Borrowed(address);
    }
    let bytes = address.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| core::str::from_utf8(hex).ok());
        match hex.filter(|_| *byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::ToString as _;

    fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = AR_MAGIC.to_vec();
        for (name, content) in members {
            bytes.extend(
                format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100644, content.len()).bytes(),
            );
            bytes.extend(*content);
            if content.len() % 2 == 1 {
                bytes.push(b'\n');
            }
        }
        bytes
    }

    /// The three members of deb(5), with dpkg's names and with those of System V's ar.
    #[test]
    fn a_package_is_taken_apart() {
        let bytes =
            ar(&[("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.zst/", b"data")]);
        let deb = Deb::read(&bytes).unwrap();
        assert_eq!(deb.control, Part { compression: Compression::Xz, bytes: b"odd" });
        assert_eq!(deb.data, Part { compression: Compression::Zstd, bytes: b"data" });
    }

    /// What a mirror behind a captive portal serves must not be taken for a package.
    #[test]
    fn what_is_no_package_says_why() {
        let cut = ar(&[("debian-binary", b"2.0\n"), ("data.tar", b"0123456789")]);
        let cases: &[(&[u8], &str)] = &[
            (b"<html>", "it is no ar archive"),
            (b"!<arch>\nshort", "the member at byte 8 has a malformed header"),
            (&cut[..cut.len() - 4], "the member `data.tar` is cut off"),
            (&ar(&[("debian-binary", b"3.0\n")]), "its format is not 2.x"),
            (&ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", b"")]), "it has no `data.tar`"),
            (&ar(&[("debian-binary", b"2.0\n"), ("control.tar.lz4", b"")]), "it has no `control.tar`"),
        ];
        for (bytes, why) in cases {
            assert_eq!(&Deb::read(bytes).unwrap_err().to_string(), why);
        }
    }

    /// Continuation lines belong to their field; comments, blank lines and case do not matter.
    #[test]
    fn stanzas_give_their_fields() {
        let text = "\n\nPackage: a\n# no field\nDescription: short\n long\n .\n more\nSize: 7\n\n\n\npackage: b\nno colon\n";
        let all: Vec<Stanza<'_>> = stanzas(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].field("description"), Some("short\n long\n .\n more"));
        assert_eq!(all[0].field("Size"), Some("7"));
        assert_eq!(all[0].field("long"), None);
        assert_eq!(all[1].field("Package"), Some("b"));
        let names: Vec<&str> = dependency_names("libc6 (>= 2.3), a:any | b [amd64],\n c").collect();
        assert_eq!(names, ["libc6", "a", "b", "c"]);
    }

    /// Pairs from deb-version(7) and from dpkg's own tests (lib/dpkg/t/t-version.c); the left is the earlier.
    #[test]
    fn versions_are_ordered_as_dpkg_orders_them() {
        let earlier = [
            ("0", "1"),
            ("1.0~rc1", "1.0"),
            ("1.0~~", "1.0~"),
            ("1.0~", "1.0"),
            ("1.0", "1.0a"),
            ("1.0a", "1.0+"),
            ("9", "10"),
            ("1.2.3", "1.10"),
            ("2:1", "10:0"),
            ("0:9", "1:0"),
            ("1-1", "1-2"),
            ("1.0-1", "1.0-1+b1"),
            ("1.0-1~deb12u1", "1.0-1"),
            ("6.1.0-9", "6.1.0-10"),
            ("1-2-1", "1-2-10"),
            ("a", "a0a"),
        ];
        for (left, right) in earlier {
            assert_eq!(compare_versions(left, right), Ordering::Less, "{left} < {right}");
            assert_eq!(compare_versions(right, left), Ordering::Greater, "{right} > {left}");
        }
        for (left, right) in [("1.0", "0:1.0"), ("1.00", "1.0"), ("1-0", "1"), ("007", "7")] {
            assert_eq!(compare_versions(left, right), Ordering::Equal, "{left} = {right}");
        }
    }

    /// Addresses of apt and names of the index meet.
    #[test]
    fn percent_signs_are_undone() {
        for (from, to) in
            [("a%2bb", "a+b"), ("a%3ab%7E", "a:b~"), ("a%", "a%"), ("a%zz", "a%zz"), ("plain", "plain")]
        {
            assert_eq!(percent_decoded(from), to);
        }
    }

    proptest::proptest! {
        /// Mirrors, and whoever stands between, may send anything.
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400), text in ".{0,200}", other in ".{0,20}") {
            let _ = Deb::read(&bytes);
            let mut archive = AR_MAGIC.to_vec();
            archive.extend(&bytes);
            let _ = Deb::read(&archive);
            for stanza in stanzas(&text) {
                let _ = stanza.fields().count();
            }
            let _ = dependency_names(&text).count();
            let _ = percent_decoded(&text);
            assert_eq!(compare_versions(&text, &other), compare_versions(&other, &text).reverse());
        }
    }
}
