//! Raw images: what a disk or a file system says of itself, read once from its beginning to its end.
//!
//! The image may be larger than memory and comes compressed, so of each partition only the place of its superblocks is
//! kept while it goes by.

use linux::partitions::{self, Entry, EntryKind, FoundTable};
use linux::signature;
use model::failure::Failure;
use model::plan::Uuid;
use model::raw::{ImageContent, RawDisk, RawFilesystem, RawPartition};
use model::storage::{Filesystem, Table};
use std::collections::BTreeSet;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

/// So much of each partition is kept: btrfs has its superblock farthest from the beginning, at 64 KiB.
const WINDOW_BYTES: u64 = 128 << 10;
/// More than any image has before its first partition; the box keeps that in memory.
const LARGEST_START_BYTES: u64 = 64 << 20;
/// Most entries of a table that is made anew on the box.
const MOST_PARTITIONS: u32 = 128;
/// Root of an x86-64 system (Discoverable Partitions Specification).
const TYPE_ROOT: Uuid = Uuid(0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709);
/// Types as the planner knows them (UEFI specification §5.3.3).
const TYPE_ESP: Uuid = Uuid(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
const MBR_TYPE_ESP: u8 = 0xef;
/// Extended partitions, of CHS, LBA and Linux (fdisk's list of types).
const MBR_TYPES_EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// How much of the first sector is code.
const BOOT_CODE_BYTES: usize = 440;

/// Why an image cannot be taken.
#[derive(Debug)]
pub(super) enum Flaw {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It was read, and is nothing that a box can be made of.
    Unfit(Failure),
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Flaw {
        Flaw::Unreadable(error)
    }
}

/// What kind of raw image something is.
#[derive(Debug)]
pub(super) enum Raw {
    /// A disk with this table, in sectors of so many bytes.
    Disk(FoundTable, u32),
    /// A file system.
    Filesystem(signature::Identity),
}

/// What an image is by its beginning, if it is a raw one. A GPT whose checksums are right is no accident, an MBR may be
/// one: a file system on what once was a disk keeps it in its boot sector.
pub(super) fn kind(head: &[u8]) -> Option<Raw> {
    let mut head = Cursor::new(head);
    let has_entries = |table: &FoundTable| !table.entries.is_empty();
    for sector_bytes in [512, 4096] {
        let table = partitions::table(&mut head, sector_bytes).filter(|one| one.kind == Table::Gpt);
        if let Some(table) = table.filter(has_entries) {
            return Some(Raw::Disk(table, sector_bytes));
        }
    }
    if let Some(identity) = signature::identity(&mut head) {
        return Some(Raw::Filesystem(identity));
    }
    partitions::table(&mut head, 512).filter(has_entries).map(|table| Raw::Disk(table, 512))
}

/// Reads a raw image to its end: what it is, and how large.
pub(super) fn read(
    kind: Raw,
    head: Vec<u8>,
    plain: &mut dyn Read,
    root: Option<u32>,
) -> Result<(ImageContent, u64), Flaw> {
    match kind {
        Raw::Filesystem(identity) => {
            let bytes = head.len() as u64 + io::copy(plain, &mut io::sink())?;
            let filesystem = filesystem(identity, bytes).ok_or_else(|| {
                let failure = Failure::new("the image is a FAT file system, which no root is")
                    .hint("give an image of a whole disk, or of ext4, XFS or btrfs");
                Flaw::Unfit(failure)
            })?;
            Ok((ImageContent::Filesystem(filesystem), bytes))
        }
        Raw::Disk(table, sector_bytes) => {
            check(&table, sector_bytes).map_err(Flaw::Unfit)?;
            let sector = u64::from(sector_bytes);
            let mut starts: Vec<u64> = table.entries.iter().map(|one| one.first_lba * sector).collect();
            starts.sort_unstable();
            let first = head.get(..BOOT_CODE_BYTES).unwrap_or_default();
            let has_boot_code = first.iter().any(|octet| *octet != 0);
            let windows = Windows::keep(&starts, &mut Cursor::new(head).chain(plain))?;
            let disk = disk(table, sector_bytes, has_boot_code, &windows, root).map_err(Flaw::Unfit)?;
            Ok((ImageContent::Disk(disk), windows.bytes))
        }
    }
}

/// A file system that can be a root; nothing for others.
fn filesystem(identity: signature::Identity, bytes: u64) -> Option<RawFilesystem> {
    let kind = Filesystem::of_name(&identity.kind).filter(|kind| *kind != Filesystem::Vfat)?;
    Some(RawFilesystem { kind, uuid: identity.uuid, label: identity.label, bytes })
}

/// What the table of an image cannot have.
fn check(table: &FoundTable, sector_bytes: u32) -> Result<(), Failure> {
    let refuse =
        |why: String| Failure::new("the image's partition table is none that a box can get").because(why);
    let is_extended =
        |one: &&Entry| matches!(one.kind, EntryKind::Byte(kind) if MBR_TYPES_EXTENDED.contains(&kind));
    if let Some(one) = table.entries.iter().find(is_extended) {
        let why = format!("partition {} is an extended one, with others in it", one.number);
        return Err(refuse(why).hint("make the image with a GPT, or with up to four primary partitions"));
    }
    if let Some(one) = table.entries.iter().find(|one| one.number > MOST_PARTITIONS) {
        return Err(refuse(format!("it has a partition {}, and {MOST_PARTITIONS} are made", one.number)));
    }
    let mut sorted: Vec<&Entry> = table.entries.iter().collect();
    sorted.sort_by_key(|one| one.first_lba);
    // The table itself: protective sector, header, 16 KiB of entries.
    let least = if table.kind == Table::Gpt { 2 + 16384 / u64::from(sector_bytes) } else { 1 };
    let mut end = least;
    for one in &sorted {
        if one.first_lba < end || one.last_lba < one.first_lba {
            let (from, to) = (one.first_lba, one.last_lba);
            return Err(refuse(format!(
                "partition {} at sectors {from} to {to} overlaps what is before it, which ends at {}",
                one.number,
                end - 1
            )));
        }
        end = one.last_lba.saturating_add(1);
    }
    let start_bytes = sorted.first().map_or(0, |one| one.first_lba.saturating_mul(u64::from(sector_bytes)));
    if start_bytes > LARGEST_START_BYTES || end.checked_mul(u64::from(sector_bytes)).is_none() {
        return Err(refuse(format!(
            "its first partition begins at byte {start_bytes}, beyond all that is usual"
        )));
    }
    Ok(())
}

fn disk(
    table: FoundTable,
    sector_bytes: u32,
    has_boot_code: bool,
    windows: &Windows,
    root: Option<u32>,
) -> Result<RawDisk, Failure> {
    let mut partitions: Vec<RawPartition> =
        table.entries.into_iter().map(|one| partition(one, sector_bytes, windows)).collect();
    partitions.sort_by_key(|one| one.first_lba);
    let end = partitions.last().map_or(0, |one| (one.last_lba + 1) * u64::from(sector_bytes));
    if end > windows.bytes {
        return Err(Failure::new("the image is cut off")
            .because(format!("its last partition ends at byte {end}, the image at {}", windows.bytes)));
    }
    let has_filesystem =
        |number: u32| partitions.iter().any(|one| one.number == number && one.filesystem.is_some());
    if let Some(number) = root.filter(|number| !has_filesystem(*number)) {
        let there = partitions.iter().map(|one| {
            let holds = if one.holds.is_empty() { "nothing that is known" } else { &one.holds };
            format!("partition {}: {holds}", one.number)
        });
        let failure = Failure::new(format!("partition {number} of the image has no file system for a root"));
        return Err(there.fold(failure, Failure::because).hint("change `root` in the line's `image`"));
    }
    let size = |one: &&RawPartition| one.last_lba - one.first_lba;
    let with = || partitions.iter().filter(|one| one.filesystem.is_some());
    let marked = with().find(|one| one.type_guid == TYPE_ROOT);
    let root = root.or_else(|| marked.or_else(|| with().max_by_key(size)).map(|one| one.number));
    Ok(RawDisk {
        bytes: windows.bytes,
        sector_bytes,
        table: table.kind,
        guid: table.guid,
        has_boot_code,
        partitions,
        root,
    })
}

fn partition(one: Entry, sector_bytes: u32, windows: &Windows) -> RawPartition {
    let sector = u64::from(sector_bytes);
    let bytes = (one.last_lba - one.first_lba + 1) * sector;
    let mut view = windows.view(one.first_lba * sector, bytes);
    let holds: BTreeSet<String> = signature::of_content(&mut view, bytes).into_iter().collect();
    RawPartition {
        number: one.number,
        first_lba: one.first_lba,
        last_lba: one.last_lba,
        type_guid: match one.kind {
            EntryKind::Guid(guid) => guid,
            EntryKind::Byte(MBR_TYPE_ESP) => TYPE_ESP,
            EntryKind::Byte(_) => Uuid(0),
        },
        guid: one.guid,
        attributes: one.attributes,
        name: one.name,
        filesystem: signature::identity(&mut view).and_then(|identity| filesystem(identity, bytes)),
        holds: Vec::from_iter(holds).join(", "),
    }
}

/// The beginnings of partitions, kept while an image went by.
struct Windows {
    /// Where each begins, and what stands there.
    kept: Vec<(u64, Vec<u8>)>,
    /// Size of the whole.
    bytes: u64,
}

impl Windows {
    fn keep(starts: &[u64], image: &mut impl Read) -> io::Result<Windows> {
        let mut kept: Vec<(u64, Vec<u8>)> = starts.iter().map(|start| (*start, Vec::new())).collect();
        let (mut buffer, mut at) = (vec![0; 1 << 20], 0_u64);
        loop {
            let count = match image.read(&mut buffer) {
                Ok(0) => return Ok(Windows { kept, bytes: at }),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            for (start, octets) in &mut kept {
                let wanted = *start + octets.len() as u64;
                let missing = WINDOW_BYTES.saturating_sub(octets.len() as u64);
                let from = usize::try_from(wanted.saturating_sub(at)).unwrap_or(usize::MAX).min(count);
                let take = usize::try_from(missing).unwrap_or(usize::MAX).min(count - from);
                octets.extend_from_slice(&buffer[from..from + take]);
            }
            at += count as u64;
        }
    }

    /// One partition as a device: zeros where nothing was kept.
    fn view(&self, start: u64, bytes: u64) -> View<'_> {
        let kept = self.kept.iter().find(|(at, _)| *at == start).map_or(&[][..], |(_, octets)| octets);
        View { kept, bytes, at: 0 }
    }
}

struct View<'a> {
    kept: &'a [u8],
    bytes: u64,
    at: u64,
}

impl Read for View<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.bytes.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = into.len().min(left);
        let there = usize::try_from(self.at).ok().and_then(|at| self.kept.get(at..)).unwrap_or_default();
        let known = count.min(there.len());
        into[..known].copy_from_slice(&there[..known]);
        into[known..count].fill(0);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for View<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
        };
        self.at = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests;
