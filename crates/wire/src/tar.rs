//! tar, as GNU tar and libarchive write it: heads of entries, pax records, maps of holes.
//!
//! Why not the crate: `tar` 0.4 divides pax records at newlines, and access control lists and capabilities have
//! newlines in them; it knows no holes in pax archives. Names as in POSIX.1-2017 `pax` and GNU tar's manual.

use alloc::vec::Vec;

/// Everything in an archive is a multiple of this.
pub const BLOCK: usize = 512;

/// Why an archive cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The checksum of a head.
    #[error("no entry begins where one has to: the checksum of its head does not fit")]
    Checksum,
    /// A field that holds no number.
    #[error("a head has a field that is no number")]
    Number,
    /// A pax record whose length is none.
    #[error("a pax record does not say how long it is")]
    Record,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file; a folder, where its path ends with `/` (the format before POSIX's). The head may have but the path's
    /// beginning, so whoever knows all of it has to look.
    File,
    /// Another name of a file before it.
    HardLink,
    /// A symbolic link.
    Link,
    /// A character device and its number.
    Character(u32, u32),
    /// A block device and its number.
    Block(u32, u32),
    /// A folder.
    Folder,
    /// A pipe with a name.
    Pipe,
    /// pax records of the next entry.
    Records,
    /// pax records of all entries from here on.
    GlobalRecords,
    /// The name of the next entry (GNU).
    LongName,
    /// Where the next entry, a link, leads (GNU).
    LongLink,
    /// A file with holes, as GNU tar's own format has it.
    Sparse,
    /// Something else, by its letter.
    Other(u8),
}

/// The head of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its path.
    pub path: Vec<u8>,
    /// Where it leads, for links.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Number of its owner.
    pub user: u64,
    /// Number of its group.
    pub group: u64,
    /// Octets that follow the head.
    pub size: u64,
    /// Time of last change, seconds since 1970.
    pub seconds: u64,
}

/// Reads a head; `None` for a block of zeros, which ends an archive.
pub fn head(block: &[u8; BLOCK]) -> Result<Option<Head>, Flaw> {
    if block.iter().all(|octet| *octet == 0) {
        return Ok(None);
    }
    // The checksum is taken as if its own field held spaces.
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, octet)| match at {
            148..156 => u64::from(b' '),
            _ => u64::from(*octet),
        })
        .sum();
    if number(&block[148..156]) != Ok(sum) {
        return Err(Flaw::Checksum);
    }
    let device = || -> Result<(u32, u32), Flaw> {
        let part = |field: &[u8]| u32::try_from(number(field)?).map_err(|_| Flaw::Number);
        Ok((part(&block[329..337])?, part(&block[337..345])?))
    };
    let kind = match block[156] {
        b'0' | 0 | b'7' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Link,
        b'3' => device().map(|(major, minor)| Kind::Character(major, minor))?,
        b'4' => device().map(|(major, minor)| Kind::Block(major, minor))?,
        b'5' => Kind::Folder,
        b'6' => Kind::Pipe,
        b'x' => Kind::Records,
        b'g' => Kind::GlobalRecords,
        b'L' => Kind::LongName,
        b'K' => Kind::LongLink,
        b'S' => Kind::Sparse,
        other => Kind::Other(other),
    };
    let mut path = Vec::new();
    // `ustar\0` is POSIX; GNU's own format, `ustar  `, has times where POSIX has the beginning of the path.
    if &block[257..263] == b"ustar\0" && block[345] != 0 {
        path.extend_from_slice(text(&block[345..500]));
        path.push(b'/');
    }
    path.extend_from_slice(text(&block[..100]));
    Ok(Some(Head {
        path,
        link: text(&block[157..257]).to_vec(),
        kind,
        mode: u32::try_from(number(&block[100..108])?).map_err(|_| Flaw::Number)? & 0o7777,
        user: number(&block[108..116])?,
        group: number(&block[116..124])?,
        size: number(&block[124..136])?,
        seconds: number(&block[136..148])?,
    }))
}

/// A field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|octet| *octet == 0).unwrap_or(field.len());
    &field[..end]
}

/// A field in octal digits, or in binary where its first bit is set (GNU, star). Below zero is zero.
fn number(field: &[u8]) -> Result<u64, Flaw> {
    match field {
        [0xff, ..] => Ok(0),
        [first @ 0x80..=0xfe, rest @ ..] => {
            let mut value = u64::from(first & 0x7f);
            for octet in rest {
                value = value.checked_mul(256).ok_or(Flaw::Number)? | u64::from(*octet);
            }
            Ok(value)
        }
        field => {
            let digits = field.trim_ascii_start();
            let digits = &digits[..digits.iter().position(|o| matches!(o, 0 | b' ')).unwrap_or(digits.len())];
            let mut value: u64 = 0;
            for digit in digits {
                if !matches!(digit, b'0'..=b'7') {
                    return Err(Flaw::Number);
                }
                value = value.checked_mul(8).ok_or(Flaw::Number)? | u64::from(digit - b'0');
            }
            Ok(value)
        }
    }
}

/// A pax record: its key and its value.
pub type Record<'a> = (&'a [u8], &'a [u8]);

/// Reads pax records: each its length in decimal, a space, `key=value` and a newline. Only the length divides them:
/// values may have anything in them.
pub fn records(octets: &[u8]) -> Result<Vec<Record<'_>>, Flaw> {
    let mut records = Vec::new();
    let mut rest = octets;
    while !rest.is_empty() {
        let space = rest.iter().take(20).position(|octet| *octet == b' ').ok_or(Flaw::Record)?;
        let length = decimal(&rest[..space]).and_then(|length| usize::try_from(length).ok());
        let record = length.and_then(|length| rest.get(space + 1..length)).ok_or(Flaw::Record)?;
        let inner = record.strip_suffix(b"\n").ok_or(Flaw::Record)?;
        let equals = inner.iter().position(|octet| *octet == b'=').ok_or(Flaw::Record)?;
        records.push((&inner[..equals], &inner[equals + 1..]));
        rest = &rest[space + 1 + record.len()..];
    }
    Ok(records)
}

/// A decimal number.
pub fn decimal(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    core::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

/// A part of a map of holes in GNU tar's own format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapPart {
    /// Offsets and lengths of data.
    pub stretches: Vec<(u64, u64)>,
    /// Whether another block of the map follows.
    pub goes_on: bool,
}

/// The part in a head, and the size of the file with its holes.
pub fn map_in_head(block: &[u8; BLOCK]) -> Result<(MapPart, u64), Flaw> {
    let part = MapPart { stretches: stretches(&block[386..482])?, goes_on: block[482] != 0 };
    Ok((part, number(&block[483..495])?))
}

/// The part in a block that follows a head.
pub fn map_in_block(block: &[u8; BLOCK]) -> Result<MapPart, Flaw> {
    Ok(MapPart { stretches: stretches(&block[..504])?, goes_on: block[504] != 0 })
}

fn stretches(fields: &[u8]) -> Result<Vec<(u64, u64)>, Flaw> {
    let used = fields.chunks_exact(24).take_while(|pair| pair[0] != 0);
    used.map(|pair| Ok((number(&pair[..12])?, number(&pair[12..])?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    /// Access control lists and capabilities have newlines and NULs in them.
    #[test]
    fn records_are_divided_by_their_lengths() {
        let acl = "49 SCHILY.acl.access=user::rwx\ngroup::r\nother::-\n";
        let both = format!("{acl}20 path=a/long/path\n");
        assert_eq!(acl.len(), 49);
        let records = records(both.as_bytes()).unwrap();
        assert_eq!(records[0], (&b"SCHILY.acl.access"[..], &b"user::rwx\ngroup::r\nother::-"[..]));
        assert_eq!(records[1], (&b"path"[..], &b"a/long/path"[..]));
        for broken in ["5", "x a=b\n", "99 a=b\n", "6 a=b", "6 abc\n", "0 a=b\n", "2 a=b\n"] {
            assert_eq!(super::records(broken.as_bytes()), Err(Flaw::Record), "{broken}");
        }
    }

    /// Sizes above 8 GiB and times before 1970 are written in binary.
    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(number(b"0000644\0"), Ok(0o644));
        assert_eq!(number(b"   644 \0"), Ok(0o644));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Ok(8 << 30));
        assert_eq!(number(&[0xff; 12]), Ok(0));
        assert_eq!(number(b"\0\0\0\0"), Ok(0));
        assert_eq!(number(b"9\0"), Err(Flaw::Number));
        assert_eq!(number(&[0x80, 255, 255, 255, 255, 255, 255, 255, 255, 255]), Err(Flaw::Number));
    }

    proptest! {
        /// An image comes from outside: whatever its heads say, reading them ends.
        #[test]
        fn any_octets_are_read_without_panic(octets in proptest::collection::vec(any::<u8>(), BLOCK), text in "[0-9 =\na]{0,40}") {
            let mut block = [0; BLOCK];
            block.copy_from_slice(&octets);
            let _ = (map_in_head(&block), map_in_block(&block), records(&octets), records(text.as_bytes()));
            // With a checksum that fits, so that the rest is looked at, too.
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|octet| u32::from(*octet)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            prop_assert_ne!(head(&block), Err(Flaw::Checksum));
        }
    }
}
