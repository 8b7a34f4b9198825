//! Where partitions begin and end, and which of them boot.
//!
//! ```text
//!   LBA 0   protective MBR, without boot code until the seal
//!   LBA 1   GPT header, then 16 KiB of entries
//!   1 MiB   BIOS boot partition, 1 MiB (on the disk that boots, where BIOS can boot it)
//!   2 MiB   the line's partitions, each at a whole mebibyte
//!   end     up to 1 MiB unused, 16 KiB of entries, backup header in the last sector
//! ```

use super::{
    Firmware, PlannedContent, PlannedDisk, PlannedFilesystem, PlannedPartition, Refusal, Uuid, selection,
    stack,
};
use crate::hardware::{Disk, FoundPartition, Inventory, size_text};
use crate::storage::{Content, DiskLayout, Erase, Filesystem, FilesystemWish, Partition, Size, Stack, Table};
use std::collections::BTreeSet;

/// Partitions begin and end at whole mebibytes: a multiple of every disk's and RAID stripe's own unit in use.
const ALIGNMENT_BYTES: u64 = 1 << 20;
/// A partition that takes the rest gets at least this much.
const LEAST_REST_BYTES: u64 = 16 << 20;
/// Room of the partition entries: 128 of 128 bytes (UEFI specification §5.3.1).
const ENTRIES_BYTES: u64 = 16384;
/// Most partitions of a table of that size.
const MOST_PARTITIONS: usize = 128;
/// FAT32 begins at 65525 clusters, and firmware tells FAT16 and FAT32 apart by that count (fatgen103, "FAT Type
/// Determination"); some is needed for the tables themselves.
const LEAST_FAT32_CLUSTERS: u64 = 67_000;

/// Type GUIDs (UEFI specification §5.3.3; the BIOS boot partition is GRUB's own).
pub(super) const TYPE_ESP: Uuid = Uuid(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
pub(super) const TYPE_BIOS_BOOT: Uuid = Uuid(0x21686148_6449_6e6f_744e_656564454649);
const TYPE_LINUX: Uuid = Uuid(0x0fc63daf_8483_4772_8e79_3d69d8477de4);
const TYPE_SWAP: Uuid = Uuid(0x0657fd6d_a4ab_43c4_84e5_0933c84b4f4f);

const TYPE_RAID: Uuid = Uuid(0xa19d880f_05fc_4d3b_a006_743f0f84911e);
const TYPE_LVM: Uuid = Uuid(0xe6d6d379_f507_44c2_a23c_238f2a3df928);
const TYPE_LUKS: Uuid = Uuid(0xca7d7ccb_63ed_4c53_861c_1742536059cc);

/// The type of an MBR partition that stands for one of those (fdisk's list of types).
pub(super) fn mbr_type(type_guid: Uuid) -> u8 {
    match type_guid {
        TYPE_ESP => 0xef,
        TYPE_SWAP => 0x82,
        // 0xda is "non-FS data": 0xfd would have old kernels assemble the array by themselves.
        TYPE_RAID => 0xda,
        TYPE_LVM => 0x8e,
        TYPE_LUKS => 0xe8,
        _ => 0x83,
    }
}

/// Where the EFI system partition is mounted.
pub(super) const ESP_MOUNT: &str = "/boot/efi";
/// Most partitions of an MBR without extended ones.
const MOST_OF_MBR: usize = 4;
/// An MBR counts sectors in 32 bits.
const SECTORS_OF_MBR: u64 = 1 << 32;

/// Chooses the disks and lays them out.
pub(super) fn lay_out(
    layouts: &[DiskLayout],
    stack: &Stack,
    inventory: &Inventory,
    firmware: Firmware,
    random: &mut dyn FnMut() -> u128,
) -> Result<Vec<PlannedDisk>, Refusal> {
    let mut taken = Vec::new();
    let mut chosen = Vec::new();
    for layout in layouts {
        for disk in selection::choose(&layout.matching, &inventory.disks, &taken)? {
            taken.push(disk.name.clone());
            chosen.push((layout, disk));
        }
    }
    let mut reasons = contradictions(&chosen, stack, firmware);
    let by_tpm = stack.vaults.iter().filter(|vault| vault.tpm2 && !inventory.tpm2);
    reasons.extend(by_tpm.map(|vault| {
        format!("its TPM 2.0 is to open the encrypted volume `{}`, and the box has none, or its firmware hides it", vault.name)
    }));
    if !reasons.is_empty() {
        return Err(Refusal::Layout { reasons });
    }
    let order = stack::order(stack, layouts)?;
    chosen.into_iter().map(|(layout, disk)| lay_out_one(layout, disk, stack, &order, random)).collect()
}

/// The file systems that are wanted, each once.
fn wishes<'a>(
    chosen: &'a [(&DiskLayout, &Disk)],
    stack: &'a Stack,
) -> impl Iterator<Item = &'a FilesystemWish> {
    let on_partitions = chosen.iter().flat_map(|(layout, _)| &layout.partitions).map(|one| &one.content);
    on_partitions.chain(stack.contents()).filter_map(|content| match content {
        Content::Filesystem(wish) => Some(wish),
        Content::PartOf(_) => None,
    })
}

/// Where a file system is mounted: at its own place, or at those of its subvolumes.
fn mounts_of(wish: &FilesystemWish) -> impl Iterator<Item = &str> {
    wish.mount.as_deref().into_iter().chain(wish.subvolumes.iter().map(|one| one.mount.as_str()))
}

/// Everything about the layouts that cannot be right, whatever the sizes.
fn contradictions(chosen: &[(&DiskLayout, &Disk)], stack: &Stack, firmware: Firmware) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut mounts = BTreeSet::new();
    for (layout, disk) in chosen {
        reasons.extend(flaws_of_disk(layout, disk));
        for partition in &layout.partitions {
            if partition.size == Size::Bytes(0) {
                let name = match &partition.content {
                    Content::Filesystem(wish) => mounts_of(wish).next().unwrap_or("swap"),
                    Content::PartOf(name) => name,
                };
                reasons.push(format!("the partition for `{name}` has no size"));
            }
            // On a mirror of partitions the file system has their size.
            let wish = stack::filesystem_of(&partition.content, stack);
            reasons.extend(wish.and_then(|wish| flaw_of_fat(wish, partition.size, disk)));
            if let Content::Filesystem(wish) = &partition.content {
                reasons.extend(flaws(wish));
                for mount in mounts_of(wish).filter(|mount| !mounts.insert((*mount).to_owned())) {
                    reasons.push(format!("two partitions are mounted at `{mount}`"));
                }
            }
        }
    }
    for wish in wishes(&[], stack) {
        reasons.extend(flaws(wish));
        for mount in mounts_of(wish).filter(|mount| !mounts.insert((*mount).to_owned())) {
            reasons.push(format!("two file systems are mounted at `{mount}`"));
        }
    }
    if !mounts.contains("/") {
        reasons.push("no partition is mounted at `/`".into());
    }
    if firmware == Firmware::Uefi && !mounts.contains(ESP_MOUNT) {
        reasons.push(format!("the box boots by UEFI, but no vfat partition is mounted at `{ESP_MOUNT}`"));
    }
    let boot = if mounts.contains("/boot") { "/boot" } else { "/" };
    for (layout, disk) in chosen {
        let boots =
            layout.partitions.iter().any(|one| stack::holds(&one.content, stack, &|mount| mount == boot));
        if firmware == Firmware::Bios && boots && disk.sector_bytes != 512 {
            reasons.push(format!(
                "the box boots by BIOS, which cannot boot from {}-byte sectors as {} has",
                disk.sector_bytes, disk.name
            ));
        }
    }
    reasons
}

/// What cannot be right about a disk and its table.
fn flaws_of_disk(layout: &DiskLayout, disk: &Disk) -> Vec<String> {
    let mut reasons = Vec::new();
    if !matches!(disk.sector_bytes, 512 | 4096) {
        reasons.push(format!("{} has {}-byte sectors, not 512 or 4096", disk.name, disk.sector_bytes));
    }
    let rests = layout.partitions.iter().filter(|partition| partition.size == Size::Rest).count();
    if rests > 1 {
        reasons.push(format!("{rests} partitions of {} want the rest of it", disk.name));
    }
    let most = if layout.table == Table::Mbr { MOST_OF_MBR + 1 } else { MOST_PARTITIONS };
    if layout.partitions.len() >= most {
        reasons.push(format!("{} partitions are more than a table holds", layout.partitions.len()));
    }
    let sectors = disk.size_bytes / u64::from(disk.sector_bytes.max(512));
    if layout.table == Table::Mbr && sectors > SECTORS_OF_MBR {
        reasons.push(format!(
            "{} has {}, and `table = \"mbr\"` ends at {}: it needs `table = \"gpt\"`",
            disk.name,
            size_text(disk.size_bytes),
            size_text(SECTORS_OF_MBR * u64::from(disk.sector_bytes.max(512)))
        ));
    }
    let (name, transport) = (&disk.name, disk.transport.as_str());
    // A SAS controller translates for the ATA disks on it; what else takes ATA commands is not known.
    let flaw = match layout.erase {
        Some(Erase::NvmeFormat) if transport != "nvme" => Some(("nvme-format", "NVMe")),
        Some(Erase::NvmeSanitize) if transport != "nvme" => Some(("nvme-sanitize", "NVMe")),
        Some(Erase::AtaSecurityErase) if !matches!(transport, "sata" | "sas") => {
            Some(("ata-security-erase", "ATA"))
        }
        _ => None,
    };
    if let Some((erase, kind)) = flaw {
        reasons.push(format!("`erase = \"{erase}\"`: {name} is no {kind} disk but {transport}"));
    }
    reasons
}

/// What cannot be right about one file system.
fn flaws(wish: &FilesystemWish) -> Vec<String> {
    let mut reasons = Vec::new();
    for mount in mounts_of(wish) {
        let whole = mount == "/"
            || (mount.starts_with('/')
                && mount[1..].split('/').all(|part| !matches!(part, "" | "." | ".."))
                && mount.chars().all(|c| !c.is_control() && !c.is_whitespace() && c != '\\'));
        if !whole {
            reasons.push(format!("`{mount}` is not an absolute path to mount at"));
        }
        match (wish.kind, mount) {
            (Filesystem::Swap, _) => reasons.push(format!("swap cannot be mounted at `{mount}`")),
            (Filesystem::Vfat, "/") => reasons.push("vfat cannot hold the root: it knows no owners".into()),
            (Filesystem::Vfat, _) => {}
            (_, ESP_MOUNT) => {
                reasons.push(format!("`{ESP_MOUNT}` has to be vfat: firmware reads nothing else"));
            }
            _ => {}
        }
    }
    if let Some(label) = &wish.label {
        let longest = match wish.kind {
            Filesystem::Vfat => 11,
            Filesystem::Xfs => 12,
            Filesystem::Btrfs => 255,
            Filesystem::Ext4 | Filesystem::Swap => 15,
        };
        let plain = |c: char| c.is_ascii_graphic() && !"\"*+,./:;<=>?[\\]|'`$".contains(c);
        if label.is_empty() || label.len() > longest || !label.chars().all(|c| plain(c) || c == ' ') {
            reasons.push(format!("`{label}` is not a label of 1 to {longest} plain characters"));
        }
    }
    reasons
}

/// FAT32 has a fewest size, which depends on the disk's sectors.
fn flaw_of_fat(wish: &FilesystemWish, size: Size, disk: &Disk) -> Option<String> {
    let least = LEAST_FAT32_CLUSTERS * u64::from(disk.sector_bytes.max(512));
    let Size::Bytes(bytes) = size else { return None };
    let is_small = wish.kind == Filesystem::Vfat && bytes > 0 && bytes < least;
    is_small.then(|| {
        format!(
            "`{}` with {} is too small for FAT32 on {}-byte sectors, which needs {}",
            mounts_of(wish).next().unwrap_or("vfat"),
            size_text(bytes),
            disk.sector_bytes,
            size_text(whole_mebibytes(least))
        )
    })
}

fn whole_mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(ALIGNMENT_BYTES).saturating_mul(ALIGNMENT_BYTES)
}

/// Where the last partition may end, in bytes: before the copy of a GPT and its entries.
pub(super) fn end_bytes(disk: &Disk, table: Table) -> u64 {
    let sector = u64::from(disk.sector_bytes.max(512));
    let tail_sectors = if table == Table::Gpt { 1 + ENTRIES_BYTES / sector } else { 0 };
    (disk.size_bytes / sector).saturating_sub(tail_sectors) * sector
}

/// Lays out one disk whose layout is free of contradictions. `order` names the layers of the plan.
fn lay_out_one(
    layout: &DiskLayout,
    disk: &Disk,
    stack: &Stack,
    order: &[&str],
    random: &mut dyn FnMut() -> u128,
) -> Result<PlannedDisk, Refusal> {
    let sector = u64::from(disk.sector_bytes.max(512));
    let is_of_system = |mount: &str| matches!(mount, "/" | "/boot");
    let boots = layout.partitions.iter().any(|one| stack::holds(&one.content, stack, &is_of_system));
    let is_gpt = layout.table == Table::Gpt;
    let bios_boot = if boots && sector == 512 && is_gpt { ALIGNMENT_BYTES } else { 0 };
    let fixed = |partition: &Partition| match partition.size {
        Size::Bytes(bytes) => whole_mebibytes(bytes),
        Size::Rest => 0,
    };
    let fixed_bytes = layout.partitions.iter().map(fixed).fold(bios_boot, u64::saturating_add);
    let wants_rest = layout.partitions.iter().any(|partition| partition.size == Size::Rest);
    let room_bytes =
        (end_bytes(disk, layout.table) / ALIGNMENT_BYTES * ALIGNMENT_BYTES).saturating_sub(ALIGNMENT_BYTES);
    let least_bytes = fixed_bytes.saturating_add(if wants_rest { LEAST_REST_BYTES } else { 0 });
    if room_bytes < least_bytes {
        let needs_bytes = least_bytes.saturating_add(2 * ALIGNMENT_BYTES);
        return Err(Refusal::DiskTooSmall { disk: Box::new(disk.clone()), needs_bytes });
    }
    let guid = Uuid::from_random(random());
    let mut partitions: Vec<PlannedPartition> = Vec::new();
    let mut start_bytes = ALIGNMENT_BYTES;
    let mut place = |bytes: u64, type_guid, name: &str, content, guid| {
        partitions.push(PlannedPartition {
            number: partitions.len() as u32 + 1,
            first_lba: start_bytes / sector,
            last_lba: (start_bytes + bytes) / sector - 1,
            type_guid,
            guid,
            name: name.to_owned(),
            attributes: 0,
            content,
        });
        start_bytes += bytes;
    };
    if bios_boot > 0 {
        place(bios_boot, TYPE_BIOS_BOOT, "BIOS boot", PlannedContent::BiosBoot, Uuid::from_random(random()));
    }
    for partition in &layout.partitions {
        let bytes = if partition.size == Size::Rest { room_bytes - fixed_bytes } else { fixed(partition) };
        let (type_guid, name) = purpose(&partition.content, stack);
        let guid = Uuid::from_random(random());
        let content = planned_content(&partition.content, order, random);
        place(bytes, type_guid, &name, content, guid);
    }
    let mut planned =
        PlannedDisk { disk: disk.clone(), table: layout.table, guid, erase: layout.erase, partitions };
    let preserved: Vec<&Partition> = layout.partitions.iter().collect();
    let shift = planned.partitions.len() - preserved.len();
    for (wanted, partition) in preserved.into_iter().zip(&mut planned.partitions[shift..]) {
        if wanted.preserve {
            keep(disk, partition)?;
        }
    }
    Ok(planned)
}

/// Makes a partition stay as it is, if it is on the disk already; it is made where the disk is empty. What cannot
/// be told apart from somebody's data is a refusal.
fn keep(disk: &Disk, partition: &mut PlannedPartition) -> Result<(), Refusal> {
    let PlannedContent::Filesystem(filesystem) = &mut partition.content else { return Ok(()) };
    let mount = filesystem.mount.clone().unwrap_or_default();
    let refuse = |why: String| Refusal::Preserve { disk: Box::new(disk.clone()), mount: mount.clone(), why };
    let overlaps = |found: &&FoundPartition| {
        found.first_lba <= partition.last_lba && found.last_lba >= partition.first_lba
    };
    let there: Vec<&FoundPartition> = disk.partitions.iter().filter(overlaps).collect();
    let same = there
        .iter()
        .find(|found| (found.first_lba, found.last_lba) == (partition.first_lba, partition.last_lba));
    match (same, there.first()) {
        (Some(found), _) if found.filesystem == filesystem.kind.name() && !found.uuid.is_empty() => {
            filesystem.uuid.clone_from(&found.uuid);
            filesystem.label.clone_from(&found.label);
            filesystem.is_kept = true;
            if let Ok(guid) = u128::from_str_radix(&found.guid.replace('-', ""), 16) {
                partition.guid = Uuid(guid);
            }
            Ok(())
        }
        // Power that went after the table was written leaves a partition with nothing on it.
        (Some(found), _) if !found.is_used => Ok(()),
        (Some(found), _) => Err(refuse(format!(
            "partition {} has its place, but holds no {} that could be kept",
            found.number,
            filesystem.kind.name()
        ))),
        (None, Some(found)) => Err(refuse(format!(
            "its place is sectors {} to {}, and partition {} is at {} to {}",
            partition.first_lba, partition.last_lba, found.number, found.first_lba, found.last_lba
        ))),
        (None, None) if disk.signatures.is_empty() => Ok(()),
        (None, None) => Err(refuse("the disk is in use otherwise".into())),
    }
}

/// Type and name in the partition table.
fn purpose(content: &Content, stack: &Stack) -> (Uuid, String) {
    let (type_guid, name) = match content {
        Content::Filesystem(wish) => {
            let mount = mounts_of(wish).next();
            let (type_guid, name) = match (wish.kind, mount) {
                (Filesystem::Swap, _) => (TYPE_SWAP, "swap"),
                (Filesystem::Vfat, Some(ESP_MOUNT)) => (TYPE_ESP, "EFI system"),
                (_, Some("/")) => (TYPE_LINUX, "root"),
                (_, Some(mount)) => (TYPE_LINUX, &mount[1..]),
                (_, None) => (TYPE_LINUX, "data"),
            };
            (type_guid, wish.label.as_deref().unwrap_or(name))
        }
        // Firmware looks for the type, and reads a member of the mirror as if it stood alone.
        Content::PartOf(name) if stack::holds(content, stack, &|mount| mount == ESP_MOUNT) => {
            (TYPE_ESP, name.as_str())
        }
        Content::PartOf(name) if stack.vaults.iter().any(|vault| vault.name == *name) => {
            (TYPE_LUKS, name.as_str())
        }
        Content::PartOf(name) if stack.groups.iter().any(|group| group.name == *name) => {
            (TYPE_LVM, name.as_str())
        }
        Content::PartOf(name) => (TYPE_RAID, name.as_str()),
    };
    // 36 UTF-16 units is what an entry holds (UEFI specification §5.3.3).
    (type_guid, name.chars().take(36).collect())
}

/// What is made on a device, with its identities drawn.
pub(super) fn planned_content(
    content: &Content,
    order: &[&str],
    random: &mut dyn FnMut() -> u128,
) -> PlannedContent {
    match content {
        Content::Filesystem(wish) => PlannedContent::Filesystem(planned_filesystem(wish, random)),
        // A name that is not known was refused before; the place behind the last one names nothing.
        Content::PartOf(name) => {
            PlannedContent::Member(order.iter().position(|known| known == name).unwrap_or(order.len()))
        }
    }
}

fn planned_filesystem(wish: &FilesystemWish, random: &mut dyn FnMut() -> u128) -> PlannedFilesystem {
    let bits = random();
    let uuid = match wish.kind {
        Filesystem::Vfat => format!("{:04X}-{:04X}", (bits >> 16) as u16, bits as u16),
        _ => Uuid::from_random(bits).to_string(),
    };
    PlannedFilesystem {
        kind: wish.kind,
        uuid,
        label: wish.label.clone().unwrap_or_default(),
        mount: wish.mount.clone(),
        subvolumes: wish.subvolumes.clone(),
        hash_seed: Uuid::from_random(random()),
        is_kept: false,
    }
}
