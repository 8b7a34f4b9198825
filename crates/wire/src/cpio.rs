//! The archive that an initrd is: cpio in its `newc` form (kernel `Documentation/driver-api/early-userspace/
//! buffer-format.rst`), one or several, one after the other, with zero bytes between.
//!
//! Writes what it is given in that order and numbers inodes itself; compression is the caller's. Reads what
//! other tools write; hard links are given as they stand, one entry a name.

pub mod header;

use alloc::string::String;
use alloc::vec::Vec;

use header::{Header, LENGTH as HEADER, NoHeader};

/// The name that ends an archive.
pub const TRAILER: &[u8] = b"TRAILER!!!";
/// Longest name that the kernel takes, with its closing NUL (`PATH_MAX` in `init/initramfs.c`).
pub const LONGEST_NAME: usize = 4096;

/// File type bits of a mode, as in stat(2).
mod kind {
    pub(super) const MASK: u32 = 0o170_000;
    pub(super) const PIPE: u32 = 0o010_000;
    pub(super) const CHARACTER: u32 = 0o020_000;
    pub(super) const FOLDER: u32 = 0o040_000;
    pub(super) const BLOCK: u32 = 0o060_000;
    pub(super) const FILE: u32 = 0o100_000;
    pub(super) const LINK: u32 = 0o120_000;
    pub(super) const SOCKET: u32 = 0o140_000;
}

/// One name in an archive. Owner and group are root's when written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Path without a leading slash: `bin/busybox`.
    pub path: &'a [u8],
    /// Permission bits, set-uid and sticky included.
    pub permissions: u32,
    /// Modification time in seconds since 1970.
    pub modified: u32,
    /// What it is.
    pub node: Node<'a>,
}

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node<'a> {
    /// A folder.
    Folder,
    /// A file and its bytes.
    File(&'a [u8]),
    /// A symbolic link and where it points.
    Link(&'a [u8]),
    /// A character device: major and minor number.
    Character(u32, u32),
    /// A block device: major and minor number.
    Block(u32, u32),
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
}

/// The entry cannot be written: a field of the form has no room for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// Sizes are 32 bits.
    #[error("`{0}` is larger than 4 GiB, which a cpio archive cannot hold")]
    TooLarge(String),
    /// The kernel skips longer names without a word.
    #[error("a path of {0} bytes is longer than the 4095 that the kernel unpacks")]
    LongName(usize),
}

/// Writes one archive.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    inode: u32,
    written: usize,
}

impl Writer {
    /// Appends an entry to `out`; the caller may empty `out` between entries.
    pub fn add(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        let (kind, body, major, minor) = match entry.node {
            Node::Folder => (kind::FOLDER, &[][..], 0, 0),
            Node::File(bytes) => (kind::FILE, bytes, 0, 0),
            Node::Link(target) => (kind::LINK, target, 0, 0),
            Node::Character(major, minor) => (kind::CHARACTER, &[][..], major, minor),
            Node::Block(major, minor) => (kind::BLOCK, &[][..], major, minor),
            Node::Pipe => (kind::PIPE, &[][..], 0, 0),
            Node::Socket => (kind::SOCKET, &[][..], 0, 0),
        };
        if entry.path.len() >= LONGEST_NAME {
            return Err(Unwritable::LongName(entry.path.len()));
        }
        let size = u32::try_from(body.len())
            .map_err(|_| Unwritable::TooLarge(String::from_utf8_lossy(entry.path).into_owned()))?;
        self.inode += 1;
        let links = if kind == kind::FOLDER { 2 } else { 1 };
        let mode = kind | (entry.permissions & !kind::MASK);
        self.put(out, entry.path, [self.inode, mode, 0, 0, links, entry.modified, size, 0, 0, major, minor]);
        out.extend_from_slice(body);
        self.pad(out, body.len());
        Ok(())
    }

    /// Appends the end of the archive.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.put(out, TRAILER, [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    }

    fn put(&mut self, out: &mut Vec<u8>, name: &[u8], fields: [u32; 11]) {
        out.extend_from_slice(b"070701");
        let name_size = name.len() as u32 + 1;
        for field in fields.into_iter().chain([name_size, 0]) {
            out.extend_from_slice(alloc::format!("{field:08X}").as_bytes());
        }
        out.extend_from_slice(name);
        out.push(0);
        self.pad(out, HEADER + name.len() + 1);
    }

    /// Names and bodies end on a multiple of four, counted from the start of the archive.
    fn pad(&mut self, out: &mut Vec<u8>, length: usize) {
        let padding = padding(length);
        out.extend_from_slice(&[0; 3][..padding]);
        self.written += length + padding;
    }

    /// Bytes written so far.
    pub fn written(&self) -> usize {
        self.written
    }
}

/// How many bytes are missing to a multiple of four.
fn padding(length: usize) -> usize {
    (4 - length % 4) % 4
}

/// Why an archive cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// Another form of cpio, or none; at this byte.
    #[error("no newc header at byte {0}")]
    Magic(usize),
    /// A field is not eight hexadecimal digits; in the header at this byte.
    #[error("a field that is no number in the header at byte {0}")]
    Field(usize),
    /// The entry goes on past the end of the bytes; its header is at this byte.
    #[error("the entry at byte {0} is cut off")]
    CutOff(usize),
    /// A file type that no system has; in the header at this byte.
    #[error("an unknown file type in the header at byte {0}")]
    Kind(usize),
}

/// Reads entries, over the ends of archives, until something else starts (a compressed archive) or nothing is
/// left.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether an entry must follow: no archive may end without its trailer.
    inside: bool,
}

impl<'a> Reader<'a> {
    /// From the first byte of an archive.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0, inside: false }
    }

    /// What has not been read: after the last entry, the start of something that is no cpio archive.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn read(&mut self) -> Result<Option<Entry<'a>>, Damaged> {
        loop {
            if !self.inside {
                let zeros = self.rest().iter().take_while(|byte| **byte == 0).count();
                self.at += zeros;
                if !self.rest().starts_with(b"07070") {
                    return Ok(None);
                }
                self.inside = true;
            }
            let start = self.at;
            let rest = self.rest();
            let bytes = rest.first_chunk().ok_or(Damaged::CutOff(start))?;
            let header = Header::read(bytes).map_err(|error| match error {
                NoHeader::Magic | NoHeader::OldForm => Damaged::Magic(start),
                NoHeader::Field => Damaged::Field(start),
            })?;
            let (size, name_size) = (header.size as usize, header.name_size as usize);
            let body_at = HEADER + name_size + header.name_padding();
            let name = rest.get(HEADER..HEADER + name_size).ok_or(Damaged::CutOff(start))?;
            let name = header::name(name);
            if name == TRAILER {
                self.at += body_at.min(rest.len());
                self.inside = false;
                continue;
            }
            let body = rest.get(body_at..body_at + size).ok_or(Damaged::CutOff(start))?;
            // The last padding may be missing at the end of the bytes.
            self.at += (body_at + size + padding(size)).min(rest.len());
            let node = match header.kind().ok_or(Damaged::Kind(start))? {
                header::Kind::Folder => Node::Folder,
                header::Kind::File => Node::File(body),
                header::Kind::Link => Node::Link(body),
                header::Kind::Character => Node::Character(header.device.0, header.device.1),
                header::Kind::Block => Node::Block(header.device.0, header.device.1),
                header::Kind::Pipe => Node::Pipe,
                header::Kind::Socket => Node::Socket,
            };
            let (permissions, modified) = (header.permissions(), header.modified);
            return Ok(Some(Entry { path: name, permissions, modified, node }));
        }
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Entry<'a>, Damaged>;

    /// After a damage nothing more is read.
    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.read();
        if entry.is_err() {
            self.at = self.bytes.len();
            self.inside = false;
        }
        entry.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    fn entry<'a>(path: &'a str, permissions: u32, node: Node<'a>) -> Entry<'a> {
        Entry { path: path.as_bytes(), permissions, modified: 1_700_000_000, node }
    }

    fn written(entries: &[Entry<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::default();
        for entry in entries {
            writer.add(entry, &mut out).unwrap();
        }
        assert_eq!(writer.written(), out.len());
        writer.finish(&mut out);
        out
    }

    /// The kernel reads these digits and nothing else; one column off and the box panics.
    #[test]
    fn the_header_is_what_the_kernel_reads() {
        let out = written(&[entry("init", 0o755, Node::File(b"#!"))]);
        let text = String::from_utf8_lossy(&out).replace('\0', ".");
        expect!["07070100000001000081ED0000000000000000000000016553F100000000020000000000000000000000000000000000000005\
            00000000init..#!..0707010000000000000000000000000000000000000001000000000000000000000000000000000000000000\
            0000000000000B00000000TRAILER!!!...."]
        .assert_eq(&text);
    }

    /// An initrd is several archives with zeros between and something compressed at the end: early microcode is.
    #[test]
    fn archives_follow_each_other_until_something_else_starts() {
        let entries = [
            entry("dev", 0o755, Node::Folder),
            entry("dev/console", 0o600, Node::Character(5, 1)),
            entry("dev/vda", 0o660, Node::Block(254, 0)),
            entry("bin/sh", 0o777, Node::Link(b"busybox")),
            entry("run/pipe", 0o600, Node::Pipe),
            entry("empty", 0o4755, Node::File(b"")),
        ];
        let mut bytes = written(&entries[..3]);
        bytes.extend_from_slice(&[0; 512]);
        bytes.extend_from_slice(&written(&entries[3..]));
        bytes.extend_from_slice(b"\0\0\x28\xb5\x2f\xfdzstd");
        let mut reader = Reader::new(&bytes);
        let read: Result<Vec<_>, _> = reader.by_ref().collect();
        assert_eq!(read.unwrap(), entries);
        assert_eq!(reader.rest(), b"\x28\xb5\x2f\xfdzstd");
    }

    /// Each damage is named with the byte where it is; a download that broke off is the usual one.
    #[test]
    fn damage_is_named() {
        let whole = written(&[entry("init", 0o755, Node::File(b"#!/bin/sh"))]);
        let error = |bytes: &[u8]| Reader::new(bytes).find_map(Result::err);
        assert_eq!(error(&whole), None);
        assert_eq!(error(&whole[..120]), Some(Damaged::CutOff(0)));
        assert_eq!(error(&whole[..200]), Some(Damaged::CutOff(128)));
        let mut wrong = whole.clone();
        wrong[20] = b'x';
        assert_eq!(error(&wrong), Some(Damaged::Field(0)));
        assert_eq!(error(b"070707000000"), Some(Damaged::CutOff(0)), "the old form");
        let long = "x".repeat(5000);
        let refused = Writer::default().add(&entry(&long, 0, Node::Folder), &mut Vec::new());
        assert_eq!(refused, Err(Unwritable::LongName(5000)));
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(mut bytes: Vec<u8>, at in 0usize..300, with: [u8; 8]) {
            let _ = Reader::new(&bytes).count();
            bytes = written(&[entry("init", 0o755, Node::File(b"#!/bin/sh")), entry("a", 0, Node::Folder)]);
            let at = at.min(bytes.len() - 8);
            bytes[at..at + 8].copy_from_slice(&with);
            let _ = Reader::new(&bytes).count();
        }

        #[test]
        fn what_is_written_is_read(files in proptest::collection::vec(("[a-z/]{1,20}", any::<Vec<u8>>()), 0..8)) {
            let entries: Vec<_> =
                files.iter().map(|(path, bytes)| entry(path, 0o644, Node::File(bytes))).collect();
            let bytes = written(&entries);
            let read: Result<Vec<_>, _> = Reader::new(&bytes).collect();
            prop_assert_eq!(read, Ok(entries));
        }
    }

    #[test]
    fn nothing_is_an_empty_archive() {
        assert_eq!(Reader::new(&[]).next(), None);
        assert_eq!(Reader::new(&written(&[])).next(), None);
    }
}
