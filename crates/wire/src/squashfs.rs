//! squashfs 4.0, written: the tables that say where each file's blocks are, and the superblock that says where the
//! tables are (`fs/squashfs/squashfs_fs.h`).
//!
//! The blocks themselves, and how they are compressed, are the caller's. Nothing here reads a squashfs.
//!
//! ```text
//! superblock │ blocks of files and tails │ inodes │ folders │ tails │ owners │ attributes
//!  96 bytes      placed by the caller      tables of 8 KiB blocks, each with its own length
//! ```

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// Length of the superblock: where the blocks begin.
pub const SUPERBLOCK: u64 = 96;
/// What a block of a table holds before it is compressed.
const TABLE_BLOCK: usize = 8192;
/// Set in a table block's length where it is not compressed.
const TABLE_PLAIN: u16 = 0x8000;
/// Set in a file block's length where it is not compressed.
pub const BLOCK_PLAIN: u32 = 1 << 24;
/// No tail, no attributes.
const NONE: u32 = u32::MAX;
/// No table.
const NO_TABLE: u64 = u64::MAX;
/// Entries under one header of a folder's list (`SQUASHFS_DIR_COUNT`).
const LISTED: usize = 256;
/// zstd's number (`ZSTD_COMPRESSION`).
const ZSTD: u16 = 6;

/// Everything that is in a file system.
#[derive(Clone, Debug)]
pub struct Image {
    /// Files, folders and the rest; the first is the root. One that has several names stands here once.
    pub inodes: Vec<Inode>,
    /// Blocks in which the ends of files are packed together.
    pub tails: Vec<Tails>,
    /// Size of a whole block before it is compressed: a power of two, 4 KiB to 1 MiB.
    pub block_bytes: u32,
    /// When it was made, seconds since 1970.
    pub modified: u32,
    /// Where the blocks end and the tables begin.
    pub blocks_end: u64,
}

/// One file, folder or whatever.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Permission bits, set-uid and sticky included.
    pub permissions: u16,
    /// Owner's number.
    pub user: u32,
    /// Group's number.
    pub group: u32,
    /// Modification time, seconds since 1970.
    pub modified: u32,
    /// Extended attributes: whole name and value. Those of other kinds than `user.`, `trusted.` and `security.`
    /// cannot be written and are left out.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// What it is.
    pub node: Node,
}

/// What an inode is.
#[derive(Clone, Debug)]
pub enum Node {
    /// A folder: names, and which inode has each.
    Folder(BTreeMap<Vec<u8>, usize>),
    /// A file and where its content is.
    File(Place),
    /// A symbolic link and where it points.
    Link(Vec<u8>),
    /// A character device: major and minor number.
    Character(u32, u32),
    /// A block device: major and minor number.
    Block(u32, u32),
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
}

/// Where a file's content is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The content's size.
    pub bytes: u64,
    /// Where its first whole block is.
    pub start: u64,
    /// Length of each whole block as it lies there, with [`BLOCK_PLAIN`] where it is not compressed.
    pub blocks: Vec<u32>,
    /// Where what is left after the whole blocks is: number of the tails' block, and offset in it.
    pub tail: Option<(u32, u32)>,
}

/// A block of tails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tails {
    /// Where it is.
    pub start: u64,
    /// Its length as it lies there, with [`BLOCK_PLAIN`] where it is not compressed.
    pub length: u32,
}

/// The image cannot be written: the form has no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// Owners and groups are numbered by 16 bits.
    #[error("there are more than 65536 owners and groups")]
    TooManyOwners,
    /// A list of a folder is counted by 32 bits, a name by 16.
    #[error("a folder or a name is too long")]
    TooLong,
    /// A folder names an inode that there is not.
    #[error("a folder names something that is not there")]
    NotThere,
}

/// Writes superblock and tables; the tables belong behind the blocks. `pack` compresses, or gives nothing where
/// that would not make it smaller.
pub fn write(
    image: &Image,
    pack: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Result<([u8; SUPERBLOCK as usize], Vec<u8>), Unwritable> {
    let mut writing = Writing {
        image,
        inodes: Table::default(),
        folders: Table::default(),
        attributes: Attributes::default(),
        owners: Vec::new(),
        at: vec![None; image.inodes.len()],
        parents: vec![image.inodes.len() as u32 + 1; image.inodes.len()],
        links: vec![0; image.inodes.len()],
        pack,
    };
    writing.find_parents_and_links();
    let root = writing.inode(0)?;
    writing.finish(root)
}

/// A table that is cut into blocks of [`TABLE_BLOCK`] as it grows.
#[derive(Debug, Default)]
struct Table {
    done: Vec<u8>,
    open: Vec<u8>,
}

impl Table {
    /// Where the next byte will be: start of its block in the table, and offset in the unpacked block.
    fn position(&self) -> (u32, u16) {
        (self.done.len() as u32, self.open.len() as u16)
    }

    fn add(&mut self, bytes: &[u8], pack: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>) {
        self.open.extend_from_slice(bytes);
        while self.open.len() >= TABLE_BLOCK {
            let rest = self.open.split_off(TABLE_BLOCK);
            self.close_block(pack);
            self.open = rest;
        }
    }

    fn close_block(&mut self, pack: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>) {
        if self.open.is_empty() {
            return;
        }
        match pack(&self.open) {
            Some(packed) if packed.len() < self.open.len() => {
                self.done.extend_from_slice(&(packed.len() as u16).to_le_bytes());
                self.done.extend_from_slice(&packed);
            }
            _ => {
                self.done.extend_from_slice(&(self.open.len() as u16 | TABLE_PLAIN).to_le_bytes());
                self.done.extend_from_slice(&self.open);
            }
        }
        self.open.clear();
    }
}

/// Extended attributes: one list for all, and for each inode that has some where they begin.
#[derive(Debug, Default)]
struct Attributes {
    table: Table,
    lists: Vec<[u8; 16]>,
}

struct Writing<'a> {
    image: &'a Image,
    inodes: Table,
    folders: Table,
    attributes: Attributes,
    owners: Vec<u32>,
    /// Where each inode was written.
    at: Vec<Option<(u32, u16)>>,
    /// Number of the folder that each folder is in; the root's is one more than there are.
    parents: Vec<u32>,
    /// How many names each inode has; of a folder, itself and the folders in it.
    links: Vec<u32>,
    pack: &'a mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
}

impl Writing<'_> {
    fn find_parents_and_links(&mut self) {
        for (number, inode) in self.image.inodes.iter().enumerate() {
            let Node::Folder(names) = &inode.node else { continue };
            let mut folders = 2;
            for child in names.values() {
                match self.image.inodes.get(*child).map(|child| &child.node) {
                    Some(Node::Folder(_)) => {
                        folders += 1;
                        self.parents[*child] = number as u32 + 1;
                    }
                    Some(_) => self.links[*child] += 1,
                    None => {}
                }
            }
            self.links[number] = folders;
        }
    }

    /// Writes an inode, those below a folder first, and gives where it is.
    fn inode(&mut self, index: usize) -> Result<(u32, u16), Unwritable> {
        if let Some(Some(at)) = self.at.get(index) {
            return Ok(*at);
        }
        let image = self.image;
        let inode = image.inodes.get(index).ok_or(Unwritable::NotThere)?;
        let listing = match &inode.node {
            Node::Folder(names) => Some(self.folder(names)?),
            _ => None,
        };
        let attributes = self.attributes_of(inode);
        let (user, group) = (self.owner(inode.user)?, self.owner(inode.group)?);
        let links = self.links.get(index).copied().unwrap_or(1);
        let (kind, body) = self.body(index, inode, listing, attributes, links);
        let mut bytes = Vec::new();
        for half in [kind, inode.permissions & 0o7777, user, group] {
            bytes.extend_from_slice(&half.to_le_bytes());
        }
        bytes.extend_from_slice(&inode.modified.to_le_bytes());
        bytes.extend_from_slice(&(index as u32 + 1).to_le_bytes());
        bytes.extend_from_slice(&body);
        let at = self.inodes.position();
        self.inodes.add(&bytes, self.pack);
        if let Some(slot) = self.at.get_mut(index) {
            *slot = Some(at);
        }
        Ok(at)
    }

    /// Kind and body of an inode: the short form where it is enough, else the long one.
    fn body(
        &self,
        index: usize,
        inode: &Inode,
        listing: Option<Listing>,
        attributes: Option<u32>,
        links: u32,
    ) -> (u16, Vec<u8>) {
        let mut body = Vec::new();
        let long = attributes.is_some();
        let word = |body: &mut Vec<u8>, value: u32| body.extend_from_slice(&value.to_le_bytes());
        match &inode.node {
            Node::Folder(_) => {
                let Listing { start, offset, bytes } = listing.unwrap_or_default();
                let parent = self.parents.get(index).copied().unwrap_or_default();
                // A list counts three bytes more than it has, for `.` and `..`.
                let size = bytes + 3;
                match u16::try_from(size) {
                    Ok(size) if !long => {
                        word(&mut body, start);
                        word(&mut body, links);
                        body.extend_from_slice(&size.to_le_bytes());
                        body.extend_from_slice(&offset.to_le_bytes());
                        word(&mut body, parent);
                        (1, body)
                    }
                    _ => {
                        for value in [links, size, start, parent] {
                            word(&mut body, value);
                        }
                        body.extend_from_slice(&0_u16.to_le_bytes());
                        body.extend_from_slice(&offset.to_le_bytes());
                        word(&mut body, attributes.unwrap_or(NONE));
                        (8, body)
                    }
                }
            }
            Node::File(place) => {
                let (tail, offset) = place.tail.unwrap_or((NONE, 0));
                let kind = match (u32::try_from(place.start), u32::try_from(place.bytes)) {
                    (Ok(start), Ok(bytes)) if !long && links == 1 => {
                        for value in [start, tail, offset, bytes] {
                            word(&mut body, value);
                        }
                        2
                    }
                    _ => {
                        for value in [place.start, place.bytes, 0] {
                            body.extend_from_slice(&value.to_le_bytes());
                        }
                        for value in [links, tail, offset, attributes.unwrap_or(NONE)] {
                            word(&mut body, value);
                        }
                        9
                    }
                };
                place.blocks.iter().for_each(|length| word(&mut body, *length));
                (kind, body)
            }
            Node::Link(target) => {
                word(&mut body, links);
                word(&mut body, target.len() as u32);
                body.extend_from_slice(target);
                (short_or_long(3, attributes, &mut body), body)
            }
            Node::Character(major, minor) | Node::Block(major, minor) => {
                word(&mut body, links);
                // `new_encode_dev` of include/linux/kdev_t.h.
                word(&mut body, (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12));
                let kind = if matches!(inode.node, Node::Block(..)) { 4 } else { 5 };
                (short_or_long(kind, attributes, &mut body), body)
            }
            Node::Pipe | Node::Socket => {
                word(&mut body, links);
                let kind = if matches!(inode.node, Node::Pipe) { 6 } else { 7 };
                (short_or_long(kind, attributes, &mut body), body)
            }
        }
    }

    /// Writes a folder's list, after what is in it.
    fn folder(&mut self, names: &BTreeMap<Vec<u8>, usize>) -> Result<Listing, Unwritable> {
        let mut entries = Vec::new();
        for (name, child) in names {
            let at = self.inode(*child)?;
            let kind = self.image.inodes.get(*child).map_or(0, |inode| inode.node.kind());
            entries.push((name, *child as u32 + 1, at, kind));
        }
        let (start, offset) = self.folders.position();
        let mut bytes = 0;
        let mut rest = &entries[..];
        while let Some((_, first, (block, _), _)) = rest.first() {
            let fits = |(_, number, (other, _), _): &&(&Vec<u8>, u32, (u32, u16), u16)| {
                other == block && i16::try_from(i64::from(*number) - i64::from(*first)).is_ok()
            };
            let count = rest.iter().take(LISTED).take_while(fits).count();
            let mut list = Vec::new();
            for value in [count as u32 - 1, *block, *first] {
                list.extend_from_slice(&value.to_le_bytes());
            }
            for (name, number, (_, offset), kind) in &rest[..count] {
                let length = u16::try_from(name.len()).ok().and_then(|length| length.checked_sub(1));
                let length = length.filter(|length| *length < 256).ok_or(Unwritable::TooLong)?;
                list.extend_from_slice(&offset.to_le_bytes());
                list.extend_from_slice(&((i64::from(*number) - i64::from(*first)) as i16).to_le_bytes());
                list.extend_from_slice(&kind.to_le_bytes());
                list.extend_from_slice(&length.to_le_bytes());
                list.extend_from_slice(name);
            }
            bytes += list.len();
            self.folders.add(&list, self.pack);
            rest = &rest[count..];
        }
        let bytes = u32::try_from(bytes).ok().filter(|bytes| *bytes < NONE - 3);
        Ok(Listing { start, offset, bytes: bytes.ok_or(Unwritable::TooLong)? })
    }

    fn owner(&mut self, number: u32) -> Result<u16, Unwritable> {
        let known = self.owners.iter().position(|known| *known == number);
        let index = known.unwrap_or_else(|| {
            self.owners.push(number);
            self.owners.len() - 1
        });
        u16::try_from(index).map_err(|_| Unwritable::TooManyOwners)
    }

    /// Writes an inode's extended attributes and gives the number of their list.
    fn attributes_of(&mut self, inode: &Inode) -> Option<u32> {
        let (block, offset) = self.attributes.table.position();
        let mut bytes = Vec::new();
        let mut count = 0_u32;
        for (name, value) in &inode.attributes {
            let kinds = [(0_u16, &b"user."[..]), (1, b"trusted."), (2, b"security.")];
            let Some((kind, rest)) =
                kinds.iter().find_map(|(kind, prefix)| Some((*kind, name.strip_prefix(*prefix)?)))
            else {
                continue;
            };
            bytes.extend_from_slice(&kind.to_le_bytes());
            bytes.extend_from_slice(&(rest.len() as u16).to_le_bytes());
            bytes.extend_from_slice(rest);
            bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
            bytes.extend_from_slice(value);
            count += 1;
        }
        if count == 0 {
            return None;
        }
        self.attributes.table.add(&bytes, self.pack);
        let mut list = [0; 16];
        let at = (u64::from(block) << 16) | u64::from(offset);
        list[..8].copy_from_slice(&at.to_le_bytes());
        list[8..12].copy_from_slice(&count.to_le_bytes());
        list[12..].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.attributes.lists.push(list);
        Some(self.attributes.lists.len() as u32 - 1)
    }

    fn finish(mut self, root: (u32, u16)) -> Result<([u8; SUPERBLOCK as usize], Vec<u8>), Unwritable> {
        let begin = self.image.blocks_end;
        let mut out = Vec::new();
        self.inodes.close_block(self.pack);
        self.folders.close_block(self.pack);
        out.append(&mut self.inodes.done);
        let folders = begin + out.len() as u64;
        out.append(&mut self.folders.done);
        let tails = self.image.tails.iter().flat_map(|tails| {
            let mut entry = tails.start.to_le_bytes().to_vec();
            entry.extend_from_slice(&tails.length.to_le_bytes());
            entry.extend_from_slice(&[0; 4]);
            entry
        });
        let tails = indexed(begin, &mut out, &tails.collect::<Vec<u8>>(), self.pack);
        let owners: Vec<u8> = self.owners.iter().flat_map(|owner| owner.to_le_bytes()).collect();
        let owners = indexed(begin, &mut out, &owners, self.pack);
        let attributes = match self.attributes.lists.is_empty() {
            true => NO_TABLE,
            false => self.attributes.write(begin, &mut out, self.pack),
        };
        let image = self.image;
        let mut head = Vec::with_capacity(SUPERBLOCK as usize);
        let count = image.inodes.len() as u32;
        for word in [0x7371_7368, count, image.modified, image.block_bytes, image.tails.len() as u32] {
            head.extend_from_slice(&u32::to_le_bytes(word));
        }
        let owner_count = u16::try_from(self.owners.len()).map_err(|_| Unwritable::TooManyOwners)?;
        let log = image.block_bytes.trailing_zeros() as u16;
        // No flags: everything is compressed where that helps, tails are packed together, nothing is exported.
        for half in [ZSTD, log, 0, owner_count, 4, 0] {
            head.extend_from_slice(&half.to_le_bytes());
        }
        let root = (u64::from(root.0) << 16) | u64::from(root.1);
        let end = begin + out.len() as u64;
        for long in [root, end, owners, attributes, begin, folders, tails, NO_TABLE] {
            head.extend_from_slice(&long.to_le_bytes());
        }
        let mut superblock = [0; SUPERBLOCK as usize];
        superblock.copy_from_slice(&head);
        Ok((superblock, out))
    }
}

impl Attributes {
    /// Writes the attributes and their lists, and gives where the latter's head is.
    fn write(mut self, begin: u64, out: &mut Vec<u8>, pack: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>) -> u64 {
        let values = begin + out.len() as u64;
        self.table.close_block(pack);
        out.append(&mut self.table.done);
        let count = self.lists.len() as u32;
        let starts = blocks(begin, out, &self.lists.concat(), pack);
        let head = begin + out.len() as u64;
        out.extend_from_slice(&values.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        starts.iter().for_each(|start| out.extend_from_slice(&start.to_le_bytes()));
        head
    }
}

/// Writes a table and behind it where its blocks are; gives where that list is.
fn indexed(
    begin: u64,
    out: &mut Vec<u8>,
    bytes: &[u8],
    pack: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
) -> u64 {
    let starts = blocks(begin, out, bytes, pack);
    let index = begin + out.len() as u64;
    starts.iter().for_each(|start| out.extend_from_slice(&start.to_le_bytes()));
    index
}

/// Writes a table's blocks and gives where each is.
fn blocks(
    begin: u64,
    out: &mut Vec<u8>,
    bytes: &[u8],
    pack: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Vec<u64> {
    let mut starts = Vec::new();
    for chunk in bytes.chunks(TABLE_BLOCK) {
        starts.push(begin + out.len() as u64);
        let mut table = Table { done: Vec::new(), open: chunk.to_vec() };
        table.close_block(pack);
        out.append(&mut table.done);
    }
    starts
}

/// The kind's number, seven more in the long form, which says which attributes it has.
fn short_or_long(kind: u16, attributes: Option<u32>, body: &mut Vec<u8>) -> u16 {
    match attributes {
        None => kind,
        Some(list) => {
            body.extend_from_slice(&list.to_le_bytes());
            kind + 7
        }
    }
}

/// Where a folder's list is.
#[derive(Clone, Copy, Debug, Default)]
struct Listing {
    start: u32,
    offset: u16,
    bytes: u32,
}

impl Node {
    /// Number of the kind in folders' lists.
    fn kind(&self) -> u16 {
        match self {
            Node::Folder(_) => 1,
            Node::File(_) => 2,
            Node::Link(_) => 3,
            Node::Block(..) => 4,
            Node::Character(..) => 5,
            Node::Pipe => 6,
            Node::Socket => 7,
        }
    }
}
