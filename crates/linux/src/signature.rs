//! What is on a disk already, read from the disk itself: partition tables, file systems, RAID members.
//!
//! Only names what is found, for the plan's "on it now, and lost"; nothing is mounted or assembled.

use std::io::{Read, Seek, SeekFrom};

/// A magic number and where it stands.
struct Magic {
    name: &'static str,
    offset: u64,
    bytes: &'static [u8],
    /// Offset and length of a label.
    label: Option<(u64, usize)>,
}

const fn magic(name: &'static str, offset: u64, bytes: &'static [u8], label: Option<(u64, usize)>) -> Magic {
    Magic { name, offset, bytes, label }
}

/// As `libblkid` knows them (util-linux, libblkid/src/superblocks).
const MAGICS: &[Magic] = &[
    magic("ext file system", 0x438, b"\x53\xef", Some((0x478, 16))),
    magic("XFS", 0, b"XFSB", Some((108, 12))),
    magic("btrfs", 0x10040, b"_BHRfS_M", Some((0x1012b, 64))),
    magic("FAT", 0x52, b"FAT32   ", Some((0x47, 11))),
    magic("FAT", 0x36, b"FAT1", Some((0x2b, 11))),
    magic("NTFS", 3, b"NTFS    ", None),
    magic("swap", 4086, b"SWAPSPACE2", Some((0x41c, 16))),
    magic("squashfs", 0, b"hsqs", None),
    magic("ISO 9660", 0x8001, b"CD001", Some((0x8028, 32))),
    magic("LUKS encryption", 0, b"LUKS\xba\xbe", None),
    magic("LVM physical volume", 0x200, b"LABELONE", None),
    magic("LVM physical volume", 0, b"LABELONE", None),
    magic("VMFS volume", 0x10_0000, b"\x0d\xd0\x01\xc0", None),
    magic("Ceph BlueStore", 0, b"bluestore block device", None),
    magic("bcache", 0x1018, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca", None),
];

/// md's magic, little-endian on disk (include/uapi/linux/raid/md_p.h).
const MD: &[u8] = b"\xfc\x4e\x2b\xa9";
/// Where a superblock of version 1 has the array's name, and how long it may be (md_p.h, `set_name`).
const MD_NAME: (u64, usize) = (32, 32);

/// A file system that an installation may leave as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its kind, as fstab(5) writes it.
    pub kind: String,
    /// Its UUID, as `blkid` prints it.
    pub uuid: String,
    /// Its label.
    pub label: String,
}

/// Kind, place of its magic, its magic, place of its UUID, place and length of its label.
type Known = (&'static str, u64, &'static [u8], u64, (u64, usize));

/// ext4, XFS and btrfs keep a plain UUID in their superblocks (libblkid/src/superblocks).
const WITH_UUID: &[Known] = &[
    ("ext4", 0x438, b"\x53\xef", 0x468, (0x478, 16)),
    ("xfs", 0, b"XFSB", 0x20, (0x6c, 12)),
    ("btrfs", 0x10040, b"_BHRfS_M", 0x10020, (0x1012b, 64)),
];

/// What file system a partition holds, if it is one of those that can be left as they are.
pub fn identity(device: &mut (impl Read + Seek)) -> Option<Identity> {
    for (kind, at, bytes, uuid_at, (label_at, length)) in WITH_UUID {
        let mut uuid = [0; 16];
        if stands(device, *at, bytes) && read_at(device, *uuid_at, &mut uuid) {
            let uuid = model::plan::Uuid(u128::from_be_bytes(uuid)).to_string();
            return Some(Identity { kind: (*kind).into(), uuid, label: text(device, *label_at, *length) });
        }
    }
    let is_fat = stands(device, 0x52, b"FAT32   ");
    let mut serial = [0; 4];
    if is_fat && read_at(device, 0x43, &mut serial) {
        let serial = u32::from_le_bytes(serial);
        let uuid = format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff);
        let label = Some(text(device, 0x47, 11)).filter(|label| label != "NO NAME").unwrap_or_default();
        return Some(Identity { kind: "vfat".into(), uuid, label });
    }
    None
}

/// The file systems and members on a disk or a partition of `size_bytes`, in words.
pub fn of_content(device: &mut (impl Read + Seek), size_bytes: u64) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |words: String| {
        if !found.contains(&words) {
            found.push(words);
        }
    };
    for magic in MAGICS {
        if stands(device, magic.offset, magic.bytes) {
            add(match magic.label.map_or(String::new(), |(at, length)| text(device, at, length)) {
                label if label.is_empty() || label == "NO NAME" => magic.name.to_owned(),
                label => format!("{} `{label}`", magic.name),
            });
        }
    }
    // md keeps its superblock at one of four places by version (md_p.h; Linux RAID wiki, superblock formats).
    let version_0 = (size_bytes & !0xffff).checked_sub(0x10000);
    let version_1_0 = size_bytes.checked_sub(8192).map(|at| at & !4095);
    let places = [version_0, version_1_0, Some(0), Some(4096)];
    if let Some(at) = places.into_iter().flatten().find(|at| stands(device, *at, MD)) {
        add(match text(device, at + MD_NAME.0, MD_NAME.1) {
            // Version 0 has numbers there.
            name if name.is_empty() || !name.chars().all(|c| c.is_ascii_graphic()) => "md RAID member".into(),
            name => format!("md RAID member of `{name}`"),
        });
    }
    // Intel's firmware RAID stands two sectors before the end (mdadm, super-intel.c).
    if size_bytes.checked_sub(1024).is_some_and(|at| stands(device, at, b"Intel Raid ISM Cfg Sig. ")) {
        add("Intel firmware RAID member".into());
    }
    // SNIA's common format of firmware RAIDs has its anchor in the last sector (DDF 2.0 §4.1).
    if size_bytes.checked_sub(512).is_some_and(|at| stands(device, at, b"\xde\x11\xde\x11")) {
        add("firmware RAID member (DDF)".into());
    }
    // ZFS keeps a ring of uberblocks from 128 KiB on, 1 KiB apart (OpenZFS, on-disk format §1.2.4).
    if (128..256).any(|at| stands(device, at * 1024, b"\x0c\xb1\xba\0\0\0\0\0")) {
        add("ZFS member".into());
    }
    found
}

/// The partition table of a disk with sectors of `sector_bytes`, in words.
pub fn of_table(device: &mut (impl Read + Seek), sector_bytes: u32) -> Option<String> {
    let mut header = [0; 92];
    if read_at(device, u64::from(sector_bytes), &mut header) && header.starts_with(b"EFI PART") {
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let first = u64::from(word(72)) | (u64::from(word(76)) << 32);
        let (count, size) = (word(80).min(1024), u64::from(word(84)));
        let mut used = 0;
        for index in 0..u64::from(count) {
            let at = first.saturating_mul(u64::from(sector_bytes)).saturating_add(index.saturating_mul(size));
            let mut kind = [0; 16];
            if read_at(device, at, &mut kind) && kind != [0; 16] {
                used += 1;
            }
        }
        return Some(format!("GPT with {}", partitions(used)));
    }
    let mut sector = [0; 512];
    if !read_at(device, 0, &mut sector) || !sector.ends_with(&[0x55, 0xaa]) {
        return None;
    }
    // A FAT or NTFS boot sector ends the same way, but where the table would be is code.
    let entries: Vec<&[u8]> = sector[446..510].chunks(16).collect();
    if entries.iter().any(|entry| entry[0] & 0x7f != 0) {
        return None;
    }
    match entries.iter().filter(|entry| entry[4] != 0).count() {
        0 => None,
        used => Some(format!("MBR with {}", partitions(used))),
    }
}

fn partitions(count: usize) -> String {
    if count == 1 { "1 partition".into() } else { format!("{count} partitions") }
}

fn stands(device: &mut (impl Read + Seek), at: u64, bytes: &[u8]) -> bool {
    let mut there = vec![0; bytes.len()];
    read_at(device, at, &mut there) && there == bytes
}

/// Whether all of it could be read; a disk that ends before or cannot be read has nothing there.
fn read_at(device: &mut (impl Read + Seek), at: u64, into: &mut [u8]) -> bool {
    device.seek(SeekFrom::Start(at)).is_ok() && device.read_exact(into).is_ok()
}

/// A label: printable, up to its first zero.
fn text(device: &mut (impl Read + Seek), at: u64, length: usize) -> String {
    let mut bytes = vec![0; length];
    if !read_at(device, at, &mut bytes) {
        return String::new();
    }
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(length);
    let label = String::from_utf8_lossy(&bytes[..end]);
    label.trim().chars().filter(|c| !c.is_control() && *c != char::REPLACEMENT_CHARACTER).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Child;
    use crate::tools::{MKFS_EXT4, MKFS_VFAT, MKSWAP};
    use std::io::Cursor;

    fn made(tool: crate::tools::Tool, arguments: &[&str]) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(64 << 20).unwrap();
        Child::of(tool).args(arguments).arg(file.path()).run().unwrap();
        of_content(&mut file.reopen().unwrap(), 64 << 20)
    }

    /// What the real programs write is what has to be recognised.
    #[test]
    fn file_systems_are_named_with_their_labels() {
        assert_eq!(made(MKFS_EXT4, &["-q", "-L", "old root"]), ["ext file system `old root`"]);
        assert_eq!(made(MKFS_VFAT, &["-F", "32", "-n", "ESP"]), ["FAT `ESP`"]);
        assert_eq!(made(MKFS_VFAT, &["-F", "16"]), ["FAT"]);
        assert_eq!(made(MKSWAP, &["-L", "swap0"]), ["swap `swap0`"]);
    }

    /// What is kept over a reinstallation is mounted by this UUID ever after.
    #[test]
    fn a_file_system_is_known_by_its_uuid() {
        let identity_of = |tool, arguments: &[&str]| {
            let file = tempfile::NamedTempFile::new().unwrap();
            file.as_file().set_len(512 << 20).unwrap();
            Child::of(tool).args(arguments).arg(file.path()).run().unwrap();
            identity(&mut file.reopen().unwrap()).unwrap()
        };
        let uuid = "0f5c1f60-8dd7-4bb9-9b4a-2e44a37a9c0e";
        let ext4 = identity_of(MKFS_EXT4, &["-q", "-U", uuid, "-L", "data"]);
        assert_eq!((ext4.kind.as_str(), ext4.uuid.as_str(), ext4.label.as_str()), ("ext4", uuid, "data"));
        let fat = identity_of(MKFS_VFAT, &["-F", "32", "-i", "12ab34cd"]);
        assert_eq!((fat.kind.as_str(), fat.uuid.as_str(), fat.label.as_str()), ("vfat", "12AB-34CD", ""));
        assert_eq!(identity(&mut Cursor::new(vec![0; 4096])), None);
    }

    /// A member of somebody's array is worth naming before it is overwritten, wherever its superblock is.
    #[test]
    fn members_of_arrays_are_found_at_either_end() {
        let size = 1 << 20;
        for at in [4096, size - 0x10000, size - 8192] {
            let mut bytes = vec![0; size];
            bytes[at..at + 4].copy_from_slice(&[0xfc, 0x4e, 0x2b, 0xa9]);
            assert_eq!(of_content(&mut Cursor::new(&bytes), size as u64), ["md RAID member"], "at {at}");
        }
        let mut bytes = vec![0; size];
        bytes[0x200..0x208].copy_from_slice(b"LABELONE");
        assert_eq!(of_content(&mut Cursor::new(bytes), size as u64), ["LVM physical volume"]);
    }

    /// An empty or tiny disk has nothing on it, and random bytes end nobody's program.
    #[test]
    fn anything_can_be_on_a_disk() {
        assert!(of_content(&mut Cursor::new([]), 0).is_empty());
        assert_eq!(of_table(&mut Cursor::new([0; 4096]), 512), None);
        let mut state = 1_u64;
        for _ in 0..200 {
            let mut bytes = vec![0; 2048];
            for byte in &mut bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (state >> 56) as u8;
            }
            bytes[512..520].copy_from_slice(b"EFI PART");
            let _ = (of_content(&mut Cursor::new(&bytes), 2048), of_table(&mut Cursor::new(&bytes), 512));
        }
    }
}
