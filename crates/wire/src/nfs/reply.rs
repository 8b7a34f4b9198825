//! NFSv3 results (RFC 1813 §3.3) of a read-only server: what it found, or why it did not do it.
//!
//! Each function closes a whole RPC reply to the call `xid`.

use super::{Attributes, Procedure, Status, Time};
use crate::rpc::Reply;
use crate::rpc::xdr::Writer;
use alloc::vec::Vec;

/// Bytes of `fattr3` with the flag before it.
const ATTRIBUTES_BYTES: usize = 88;

/// NULL.
pub fn nothing(xid: u32) -> Reply {
    Reply::of(Reply::accepted(xid, 0))
}

/// A procedure that was not done. Its failure body has attributes by the procedure (§3.3): of `object`, and for
/// RENAME and LINK of the folder the name goes `into`.
pub fn failed(
    xid: u32,
    procedure: Procedure,
    status: Status,
    object: Option<&Attributes>,
    into: Option<&Attributes>,
) -> Reply {
    let mut writer = begin(xid, status as u32, 2 * ATTRIBUTES_BYTES + 8);
    match procedure {
        Procedure::Null | Procedure::GetAttr => {}
        Procedure::Lookup
        | Procedure::Access
        | Procedure::ReadLink
        | Procedure::Read
        | Procedure::ReadDir
        | Procedure::ReadDirPlus
        | Procedure::FsStat
        | Procedure::FsInfo
        | Procedure::PathConf => attributes_or_none(&mut writer, object),
        Procedure::SetAttr
        | Procedure::Write
        | Procedure::Create
        | Procedure::MkDir
        | Procedure::SymLink
        | Procedure::MkNod
        | Procedure::Remove
        | Procedure::RmDir
        | Procedure::Commit => unchanged(&mut writer, object),
        Procedure::Rename => {
            unchanged(&mut writer, object);
            unchanged(&mut writer, into);
        }
        Procedure::Link => {
            attributes_or_none(&mut writer, object);
            unchanged(&mut writer, into);
        }
    }
    Reply::of(writer)
}

/// GETATTR (§3.3.1).
pub fn attributes(xid: u32, attributes: &Attributes) -> Reply {
    let mut writer = begin(xid, 0, ATTRIBUTES_BYTES);
    put_attributes(&mut writer, attributes);
    Reply::of(writer)
}

/// LOOKUP (§3.3.3): the file that was found, and the folder it was found in.
pub fn found(xid: u32, handle: &[u8], object: &Attributes, folder: &Attributes) -> Reply {
    let mut writer = begin(xid, 0, 2 * ATTRIBUTES_BYTES + 72);
    writer.opaque(handle);
    attributes_or_none(&mut writer, Some(object));
    attributes_or_none(&mut writer, Some(folder));
    Reply::of(writer)
}

/// ACCESS (§3.3.4): the bits that are granted of those asked for.
pub fn access(xid: u32, object: &Attributes, granted: u32) -> Reply {
    let mut writer = begin(xid, 0, ATTRIBUTES_BYTES + 4);
    attributes_or_none(&mut writer, Some(object));
    writer.u32(granted);
    Reply::of(writer)
}

/// READLINK (§3.3.5): the link's text as it stands on the disk.
pub fn target(xid: u32, link: &Attributes, text: &[u8]) -> Reply {
    let mut writer = begin(xid, 0, ATTRIBUTES_BYTES + text.len() + 8);
    attributes_or_none(&mut writer, Some(link));
    writer.opaque(text);
    Reply::of(writer)
}

/// READ (§3.3.6), begun before it is known how much the disk gives: the bytes go straight into the reply.
///
/// The memory is that of an earlier reply where there is one: new memory costs a page fault for every 4 kB, and zeros
/// that are overwritten at once.
#[derive(Debug)]
pub struct Content {
    memory: Vec<u8>,
    /// Where the file's bytes begin, behind their three counts.
    start: usize,
    length: usize,
    room: usize,
}

impl Content {
    /// Begins the reply in `memory`, whatever stands there, with room for `room` bytes of the file.
    pub fn begin(mut memory: Vec<u8>, xid: u32, file: &Attributes, room: usize) -> Content {
        let mut writer = begin(xid, 0, ATTRIBUTES_BYTES + 16);
        attributes_or_none(&mut writer, Some(file));
        writer.u32(0).bool(false).u32(0);
        let head = writer.into_bytes();
        let start = head.len();
        memory.resize(start + room.next_multiple_of(4), 0);
        if let Some(front) = memory.get_mut(..start) {
            front.copy_from_slice(&head);
        }
        Content { memory, start, length: 0, room }
    }

    /// What is left of the room; what is written to the front of it counts with [`Content::add`].
    pub fn rest(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.start + self.length..self.start + self.room).unwrap_or_default()
    }

    /// So many bytes of the file were written to the front of [`Content::rest`].
    pub fn add(&mut self, bytes: usize) {
        self.length = (self.length + bytes).min(self.room);
    }

    /// How many bytes of the file are in it.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Closes the reply.
    pub fn finish(mut self, is_end: IsEnd) -> Reply {
        let count = u32::try_from(self.length).unwrap_or(u32::MAX);
        self.memory.truncate(self.start + self.length);
        let mut writer = Writer { bytes: self.memory };
        writer.pad(self.length);
        writer.set_u32(self.start - 12, count);
        writer.set_u32(self.start - 8, u32::from(is_end == IsEnd::Yes));
        writer.set_u32(self.start - 4, count);
        Reply::of(writer)
    }
}

/// READ (§3.3.6) of `count` bytes that whoever sends the reply takes from the file itself: all that comes before them.
/// Behind them follow as many zeros as [`padding`] says.
pub fn before_content(xid: u32, file: &Attributes, count: u32, is_end: IsEnd) -> Reply {
    let mut writer = begin(xid, 0, ATTRIBUTES_BYTES + 16);
    attributes_or_none(&mut writer, Some(file));
    writer.u32(count).bool(is_end == IsEnd::Yes).u32(count);
    let count = count as usize;
    Reply::before(writer, count + padding(count))
}

/// How many zeros follow behind so many bytes of a file (RFC 4506 §4.10).
pub fn padding(count: usize) -> usize {
    count.wrapping_neg() % 4
}

/// Whether nothing follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsEnd {
    /// That was the last of it.
    Yes,
    /// There is more.
    No,
}

/// One name in a folder.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The file's number.
    pub number: u64,
    /// The name.
    pub name: &'a [u8],
    /// Where to go on behind it.
    pub cookie: u64,
}

/// READDIR and READDIRPLUS (§3.3.16, §3.3.17), filled until the client's limit is reached.
///
/// The cookie verifier is sent as zeros: it is for servers whose cookies can lose their meaning.
#[derive(Debug)]
pub struct Listing {
    writer: Writer,
    /// Length of the reply at which it is full.
    full_at: usize,
    /// Bytes left for names, numbers and cookies (READDIRPLUS `dircount`).
    names_left: usize,
    entries: usize,
}

impl Listing {
    /// The end of the list and the flag behind it.
    const TAIL: usize = 8;

    /// Begins the answer to READDIR; `count` bounds the whole of it.
    pub fn names(xid: u32, folder: &Attributes, count: usize) -> Listing {
        Listing::begin(xid, folder, usize::MAX, count)
    }

    /// Begins the answer to READDIRPLUS; `names` bounds names, numbers and cookies, `count` the whole of it.
    pub fn with_attributes(xid: u32, folder: &Attributes, names: usize, count: usize) -> Listing {
        Listing::begin(xid, folder, names, count)
    }

    fn begin(xid: u32, folder: &Attributes, names_left: usize, count: usize) -> Listing {
        let mut writer = begin(xid, 0, count.min(8192));
        // The limits are about the result behind its status.
        let full_at = writer.length().saturating_add(count).saturating_sub(Listing::TAIL);
        attributes_or_none(&mut writer, Some(folder));
        writer.u64(0);
        Listing { writer, full_at, names_left, entries: 0 }
    }

    /// Adds a name; false when it does not fit any more. `more` is what READDIRPLUS says of it.
    #[must_use]
    pub fn add(&mut self, entry: &Entry<'_>, more: Option<(&Attributes, &[u8])>) -> bool {
        let padded = |length: usize| length.next_multiple_of(4);
        let name = 20 + padded(entry.name.len());
        let extra = more.map_or(0, |(_, handle)| ATTRIBUTES_BYTES + 8 + padded(handle.len()));
        // A `dircount` smaller than one entry is a hint to be overruled: no entry at all would end the listing.
        let over_hint = name > self.names_left && self.entries > 0;
        if over_hint || self.writer.length() + 4 + name + extra > self.full_at {
            return false;
        }
        self.writer.bool(true).u64(entry.number).opaque(entry.name).u64(entry.cookie);
        if let Some((attributes, handle)) = more {
            attributes_or_none(&mut self.writer, Some(attributes));
            self.writer.bool(true).opaque(handle);
        }
        self.names_left = self.names_left.saturating_sub(name);
        self.entries += 1;
        true
    }

    /// Closes the answer.
    pub fn finish(mut self, is_end: IsEnd) -> Reply {
        self.writer.bool(false).bool(is_end == IsEnd::Yes);
        Reply::of(self.writer)
    }

    /// Whether no name was added.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }
}

/// FSSTAT (§3.3.18) of a file system that is full by nature.
pub fn fullness(xid: u32, root: &Attributes, used_bytes: u64, files: u64) -> Reply {
    let mut writer = begin(xid, 0, ATTRIBUTES_BYTES + 52);
    attributes_or_none(&mut writer, Some(root));
    writer.u64(used_bytes).u64(0).u64(0).u64(files).u64(0).u64(0).u32(0);
    Reply::of(writer)
}

/// Sizes that the server takes and likes, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// READ: the most, and what is best.
    pub read: u32,
    /// WRITE: a read-only server has to name one as well; clients work with it before they learn.
    pub write: u32,
    /// READDIR: what is best.
    pub listing: u32,
}

/// FSINFO (§3.3.19): symbolic and hard links, one file system, times that cannot be set.
pub fn sizes(xid: u32, root: &Attributes, sizes: &Sizes) -> Reply {
    const LINK_SYMLINK_HOMOGENEOUS: u32 = 0x1 | 0x2 | 0x8;
    const MULTIPLE: u32 = 4096;
    let mut writer = begin(xid, 0, ATTRIBUTES_BYTES + 48);
    attributes_or_none(&mut writer, Some(root));
    writer.u32(sizes.read).u32(sizes.read).u32(MULTIPLE);
    writer.u32(sizes.write).u32(sizes.write).u32(MULTIPLE);
    writer.u32(sizes.listing).u64(i64::MAX as u64);
    put_time(&mut writer, Time { seconds: 0, nanoseconds: 1 });
    writer.u32(LINK_SYMLINK_HOMOGENEOUS);
    Reply::of(writer)
}

/// PATHCONF (§3.3.20) as Linux file systems have it.
pub fn limits(xid: u32, object: &Attributes) -> Reply {
    const LINKS_MOST: u32 = 65_000;
    const NAME_MOST: u32 = 255;
    let mut writer = begin(xid, 0, ATTRIBUTES_BYTES + 24);
    attributes_or_none(&mut writer, Some(object));
    let (no_truncation, chown_restricted, case_insensitive, case_preserving) = (true, true, false, true);
    writer.u32(LINKS_MOST).u32(NAME_MOST);
    writer.bool(no_truncation).bool(chown_restricted).bool(case_insensitive).bool(case_preserving);
    Reply::of(writer)
}

fn begin(xid: u32, status: u32, room: usize) -> Writer {
    let mut writer = Reply::accepted(xid, room + 4);
    writer.u32(status);
    writer
}

/// `post_op_attr`.
fn attributes_or_none(writer: &mut Writer, attributes: Option<&Attributes>) {
    writer.bool(attributes.is_some());
    if let Some(attributes) = attributes {
        put_attributes(writer, attributes);
    }
}

/// `wcc_data` of something that nobody changed: nothing from before, and how it is.
fn unchanged(writer: &mut Writer, attributes: Option<&Attributes>) {
    writer.bool(false);
    attributes_or_none(writer, attributes);
}

fn put_attributes(writer: &mut Writer, of: &Attributes) {
    writer.u32(of.kind as u32).u32(of.mode).u32(of.links).u32(of.uid).u32(of.gid);
    writer.u64(of.size_bytes).u64(of.used_bytes).u32(of.device.0).u32(of.device.1);
    writer.u64(of.file_system).u64(of.number);
    for time in [of.accessed, of.modified, of.changed] {
        put_time(writer, time);
    }
}

fn put_time(writer: &mut Writer, time: Time) {
    writer.u32(time.seconds).u32(time.nanoseconds);
}
