//! What is in an initrd: its parts, its entries in their order, the names that the kernel makes of them, and the
//! bodies of those that somebody asks for.

use super::walk::{self, Part, Raw, Visit};
use model::failure::{Explain as _, Failure, Result};
use model::unpacked::{Node, NotUnpacked, Unpacked};
use std::collections::HashMap;
use std::io::Read;
use wire::cpio::header::{self, Header, Kind};
use wire::cpio::{LONGEST_NAME, TRAILER};
use wire::initrd::Packing;

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Number of the part it is in.
    pub part: usize,
    /// Its header.
    pub header: Header,
    /// Its name as it is written.
    pub name: Vec<u8>,
    /// Where a link points.
    pub target: Option<Vec<u8>>,
    /// The file it is a name of: an index of [`Catalog::sizes`].
    pub file: Option<usize>,
    /// Where it lies after unpacking, or why the kernel passes over it.
    pub place: Result<Vec<u8>, NotUnpacked>,
}

/// One part and what it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Which one.
    pub part: Part,
    /// Its length in the file.
    pub packed_bytes: u64,
    /// What is in it.
    pub unpacked_bytes: u64,
    /// How many entries.
    pub entries: usize,
}

/// Everything that an initrd has.
pub(crate) struct Catalog {
    /// The parts that were read to their end.
    pub parts: Vec<Facts>,
    /// The entries of all parts.
    pub items: Vec<Item>,
    /// What the kernel makes of them.
    pub unpacked: Unpacked,
    /// Sizes of the files.
    pub sizes: Vec<u64>,
    /// The bodies that were asked for, by their file.
    pub bodies: HashMap<usize, Vec<u8>>,
    wants: fn(&[u8]) -> bool,
    /// Files with several names in the archive that is being read, by device and inode.
    linked: HashMap<(u32, u32, u32), usize>,
    part: usize,
    entries_before: usize,
}

impl Catalog {
    /// Reads an initrd; `wants` is asked for each file, by where it lies, whether its body is to be kept. What was
    /// read up to an error is given with it.
    pub(crate) fn read(file: &[u8], wants: fn(&[u8]) -> bool) -> (Catalog, Option<Failure>) {
        let mut catalog = Catalog {
            parts: Vec::new(),
            items: Vec::new(),
            unpacked: Unpacked::default(),
            sizes: Vec::new(),
            bodies: HashMap::new(),
            wants,
            linked: HashMap::new(),
            part: 0,
            entries_before: 0,
        };
        let failure = walk::walk(file, walk::LIMIT, &mut catalog).err();
        let failure =
            failure.or_else(|| catalog.parts.iter().find_map(|facts| unsupported(file, facts.part)));
        (catalog, failure)
    }

    /// The file that an entry is a name of.
    fn file_of(&mut self, header: &Header) -> usize {
        let new = self.sizes.len();
        let number = if header.links > 1 {
            *self.linked.entry((header.on.0, header.on.1, header.inode)).or_insert(new)
        } else {
            new
        };
        if number == new {
            self.sizes.push(0);
        }
        number
    }
}

impl Visit for Catalog {
    fn begin(&mut self, part: Part) -> Result<()> {
        self.part = part.number;
        self.entries_before = self.items.len();
        Ok(())
    }

    fn entry(&mut self, raw: Raw<'_>, body: &mut dyn Read) -> Result<()> {
        let (header, name) = (raw.header, raw.name());
        if name == TRAILER {
            // What comes is another archive with numbers of its own.
            self.linked.clear();
            return Ok(());
        }
        let mut item = Item {
            part: self.part,
            header,
            name: name.to_vec(),
            target: None,
            file: None,
            place: Ok(Vec::new()),
        };
        let node = match judged(&raw) {
            Err(why) => Err(why),
            Ok(Kind::File) => {
                let file = self.file_of(&header);
                item.file = Some(file);
                Ok(Node::File(file))
            }
            Ok(Kind::Link) => {
                let mut target = Vec::new();
                body.read_to_end(&mut target).or_fail(|| format!("cannot read {}", shown(name)))?;
                target.truncate(header::name(&target).len());
                item.target = Some(target.clone());
                Ok(Node::Link(target))
            }
            Ok(Kind::Folder) => Ok(Node::Folder),
            Ok(_) => Ok(Node::Special),
        };
        item.place = node.and_then(|node| self.unpacked.add(name, node));
        if let (Some(file), Ok(place)) = (item.file, &item.place)
            && header.size > 0
        {
            self.sizes[file] = u64::from(header.size);
            self.bodies.remove(&file);
            if (self.wants)(place) {
                let mut bytes = Vec::new();
                body.read_to_end(&mut bytes).or_fail(|| format!("cannot read {}", shown(name)))?;
                self.bodies.insert(file, bytes);
            }
        }
        self.items.push(item);
        Ok(())
    }

    fn end(&mut self, part: Part, end: usize, unpacked_bytes: u64) -> Result<()> {
        let entries = self.items.len() - self.entries_before;
        self.parts.push(Facts { part, packed_bytes: (end - part.start) as u64, unpacked_bytes, entries });
        Ok(())
    }
}

/// What an entry is, or why the kernel passes over it whatever else is there (`do_header` in `init/initramfs.c`).
pub(crate) fn judged(raw: &Raw<'_>) -> Result<Kind, NotUnpacked> {
    match raw.header.kind() {
        None => Err(NotUnpacked::Kind),
        _ if raw.is_long() => Err(NotUnpacked::TooLong),
        Some(Kind::Link) if raw.header.size as usize > LONGEST_NAME => Err(NotUnpacked::TooLong),
        Some(Kind::Link) if raw.header.size == 0 => Err(NotUnpacked::NoTarget),
        Some(kind @ (Kind::File | Kind::Link)) => Ok(kind),
        Some(_) if raw.header.size > 0 => Err(NotUnpacked::Body),
        Some(kind) => Ok(kind),
    }
}

/// What our library unpacks and the kernel's does not: an xz stream with another check than CRC32
/// (`lib/xz/xz_dec_stream.c`). The check's number is the low half of the eighth byte.
fn unsupported(file: &[u8], part: Part) -> Option<Failure> {
    let check = file.get(part.start + 7)? & 0x0f;
    (part.packing == Some(Packing::Xz) && check > 1).then(|| {
        Failure::new(format!("{} is not unpacked by the kernel", part.title()))
            .because(match check {
                4 => "its check is CRC64, and the kernel's xz knows CRC32 only".to_owned(),
                10 => "its check is SHA-256, and the kernel's xz knows CRC32 only".to_owned(),
                other => format!("its check has the number {other}, and the kernel's xz knows CRC32 only"),
            })
            .hint("`xz --check=crc32` makes what the kernel unpacks")
    })
}

/// A name as it may be shown on a terminal.
pub(crate) fn shown(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\\' => text.push_str("\\\\"),
                letter if letter.is_control() => text.extend(letter.escape_default()),
                letter => text.push(letter),
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}
