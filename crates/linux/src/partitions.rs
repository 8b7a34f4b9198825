//! The partition table that is on a disk already: what stands where, read from either copy of a GPT or from an MBR.
//!
//! The kernel shows what it believes; this is what the disk says, with GUIDs. Nothing is written here.

use model::hardware::FoundPartition;
use model::plan::Uuid;
use model::storage::Table;
use std::io::{Read, Seek, SeekFrom};

/// Octets of a GPT header that count (UEFI specification §5.3.2).
const HEADER: usize = 92;
/// More entries than any table is made with; a number from the disk is never an allocation.
const MOST_ENTRIES: u32 = 1024;
/// Larger entries than any table is made with.
const LARGEST_ENTRY: u32 = 1024;

/// A partition table with all that it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTable {
    /// Its kind.
    pub kind: Table,
    /// GUID of a GPT; signature of an MBR in the first four bytes as they are stored.
    pub guid: Uuid,
    /// Its entries, by number.
    pub entries: Vec<Entry>,
}

/// An entry of a partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1.
    pub number: u32,
    /// First sector.
    pub first_lba: u64,
    /// Last sector, included.
    pub last_lba: u64,
    /// What it is for: a GUID, or the byte that an MBR has.
    pub kind: EntryKind,
    /// Its own GUID; nil in an MBR.
    pub guid: Uuid,
    /// Attribute bits; none in an MBR.
    pub attributes: u64,
    /// Its name; none in an MBR.
    pub name: String,
}

/// What a partition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Type of a GPT.
    Guid(Uuid),
    /// Type of an MBR.
    Byte(u8),
}

/// The table of a disk with sectors of `sector_bytes`: the first copy of a GPT, else the MBR.
pub fn table(device: &mut (impl Read + Seek), sector_bytes: u32) -> Option<FoundTable> {
    gpt(device, sector_bytes, 1).or_else(|| mbr(device))
}

/// The partitions of a disk of `sectors` sectors of `sector_bytes`. An MBR with extended partitions shows its
/// first four only.
pub fn read(device: &mut (impl Read + Seek), sector_bytes: u32, sectors: u64) -> Vec<FoundPartition> {
    let last = sectors.saturating_sub(1);
    let table =
        gpt(device, sector_bytes, 1).or_else(|| gpt(device, sector_bytes, last)).or_else(|| mbr(device));
    let found = |entry: Entry| FoundPartition {
        number: entry.number,
        first_lba: entry.first_lba,
        last_lba: entry.last_lba,
        guid: match entry.kind {
            EntryKind::Guid(_) => entry.guid.to_string(),
            EntryKind::Byte(_) => String::new(),
        },
        ..FoundPartition::default()
    };
    table.map(|table| table.entries.into_iter().map(found).collect()).unwrap_or_default()
}

/// One copy of a GPT, if both of its checksums are right.
fn gpt(device: &mut (impl Read + Seek), sector_bytes: u32, lba: u64) -> Option<FoundTable> {
    let sector = u64::from(sector_bytes);
    let mut header = [0; HEADER];
    read_at(device, lba.checked_mul(sector)?, &mut header)?;
    let u32_at = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let u64_at = |at: usize| u64::from(u32_at(at)) | (u64::from(u32_at(at + 4)) << 32);
    let (count, size) = (u32_at(80), u32_at(84));
    let is_sane = header.starts_with(b"EFI PART")
        && u32_at(12) as usize == HEADER
        && u64_at(24) == lba
        && (128..=LARGEST_ENTRY).contains(&size)
        && count <= MOST_ENTRIES;
    let mut without_checksum = header;
    without_checksum[16..20].fill(0);
    if !is_sane || crc32(&without_checksum) != u32_at(16) {
        return None;
    }
    let mut entries = vec![0; count as usize * size as usize];
    read_at(device, u64_at(72).checked_mul(sector)?, &mut entries)?;
    if crc32(&entries) != u32_at(88) {
        return None;
    }
    let entries = entries.chunks_exact(size as usize).zip(1..);
    Some(FoundTable {
        kind: Table::Gpt,
        guid: Uuid(guid(&header[56..72])?),
        entries: entries.filter_map(|(entry, number)| gpt_entry(entry, number)).collect(),
    })
}

fn gpt_entry(entry: &[u8], number: u32) -> Option<Entry> {
    let type_guid = guid(entry.get(..16)?)?;
    let u64_at = |at: usize| Some(u64::from_le_bytes(entry.get(at..at + 8)?.try_into().ok()?));
    // An entry of the nil type is not in use (UEFI specification §5.3.3).
    (type_guid != 0).then_some(())?;
    // 36 UTF-16 units, filled up with zeros.
    let units = entry.get(56..128)?.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]]));
    let name = char::decode_utf16(units.take_while(|unit| *unit != 0));
    Some(Entry {
        number,
        first_lba: u64_at(32)?,
        last_lba: u64_at(40)?,
        kind: EntryKind::Guid(Uuid(type_guid)),
        guid: Uuid(guid(entry.get(16..32)?)?),
        attributes: u64_at(48)?,
        name: name.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect(),
    })
}

/// A GUID whose first three fields are little-endian (UEFI specification, appendix A).
fn guid(bytes: &[u8]) -> Option<u128> {
    let mut bytes: [u8; 16] = bytes.try_into().ok()?;
    bytes[0..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    Some(u128::from_be_bytes(bytes))
}

fn mbr(device: &mut (impl Read + Seek)) -> Option<FoundTable> {
    let mut sector = [0; 512];
    if read_at(device, 0, &mut sector).is_none() || !sector.ends_with(&[0x55, 0xaa]) {
        return None;
    }
    let entries = sector[446..510].chunks_exact(16).zip(1..);
    let found = entries.filter_map(|(entry, number)| {
        let u32_at = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
        let (first, count) = (u64::from(u32_at(8)), u64::from(u32_at(12)));
        // 0xee is the one that protects a GPT, of which then nothing was readable.
        let is_one = entry[0] & 0x7f == 0 && !matches!(entry[4], 0 | 0xee) && count > 0;
        is_one.then(|| Entry {
            number,
            first_lba: first,
            last_lba: first + count - 1,
            kind: EntryKind::Byte(entry[4]),
            guid: Uuid(0),
            attributes: 0,
            name: String::new(),
        })
    });
    let signature = u32::from_le_bytes([sector[440], sector[441], sector[442], sector[443]]);
    let guid = Uuid(u128::from(signature) << 96);
    Some(FoundTable { kind: Table::Mbr, guid, entries: found.collect() })
}

fn read_at(device: &mut (impl Read + Seek), at: u64, into: &mut [u8]) -> Option<()> {
    device.seek(SeekFrom::Start(at)).ok()?;
    device.read_exact(into).ok()
}

/// CRC-32 as in IEEE 802.3, bit by bit: a table is read once a disk.
fn crc32(bytes: &[u8]) -> u32 {
    let fold = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), fold))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// A GPT with one partition, as the specification lays it out: header in sector 1, entries in 2, copies at the end.
    fn disk() -> Vec<u8> {
        let mut disk = vec![0; 512 * 100];
        let mut entries = vec![0; 128 * 4];
        let linux =
            [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4];
        entries[..16].copy_from_slice(&linux);
        entries[16] = 7;
        entries[32] = 34;
        entries[40] = 50;
        for (lba, at) in [(1_u64, 2_u64), (99, 98)] {
            let mut header = [0; HEADER];
            header[..8].copy_from_slice(b"EFI PART");
            header[12] = HEADER as u8;
            header[24..32].copy_from_slice(&lba.to_le_bytes());
            header[72..80].copy_from_slice(&at.to_le_bytes());
            header[80] = 4;
            header[84] = 128;
            header[88..92].copy_from_slice(&crc32(&entries).to_le_bytes());
            let checksum = crc32(&header);
            header[16..20].copy_from_slice(&checksum.to_le_bytes());
            let (start, entries_at) = (lba as usize * 512, at as usize * 512);
            disk[entries_at..entries_at + entries.len()].copy_from_slice(&entries);
            disk[start..start + HEADER].copy_from_slice(&header);
        }
        disk
    }

    fn of(disk: &[u8]) -> Vec<FoundPartition> {
        read(&mut Cursor::new(disk), 512, (disk.len() / 512) as u64)
    }

    /// What is preserved on a reinstallation is found by this: sectors and GUID must be right.
    #[test]
    fn a_table_is_read_from_either_copy() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926, "the check value of CRC-32");
        let whole = of(&disk());
        assert_eq!((whole[0].number, whole[0].first_lba, whole[0].last_lba), (1, 34, 50));
        assert_eq!(whole[0].guid, "00000007-0000-0000-0000-000000000000");
        // Power went while the first copy was written.
        let mut torn = disk();
        torn[1024 + 40] = 51;
        assert_eq!(of(&torn), whole);
        torn[98 * 512] = 0;
        assert!(of(&torn).is_empty(), "neither copy is right");
    }

    /// Whatever a disk says of itself, nothing is allocated by it and nothing panics.
    #[test]
    fn anything_can_stand_there() {
        let mut state = 1_u64;
        for _ in 0..300 {
            let mut bytes = disk();
            for _ in 0..20 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (state >> 32) as usize % bytes.len();
                bytes[at] = state as u8;
            }
            // A lying count with a right checksum.
            let mut header = bytes[512..512 + HEADER].to_vec();
            header[80..84].copy_from_slice(&u32::MAX.to_le_bytes());
            header[16..20].fill(0);
            let checksum = crc32(&header);
            header[16..20].copy_from_slice(&checksum.to_le_bytes());
            bytes[512..512 + HEADER].copy_from_slice(&header);
            let _ = of(&bytes);
        }
        assert!(of(&[]).is_empty());
    }
}
