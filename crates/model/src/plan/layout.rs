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
    Firmware, LoaderTarget, Mount, Place, PlannedDisk, PlannedFilesystem, PlannedPartition, Refusal, Uuid,
    selection,
};
use crate::hardware::{Disk, Inventory, size_text};
use crate::storage::{DiskLayout, Filesystem, Partition, Size};
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
const TYPE_ESP: Uuid = Uuid(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
const TYPE_BIOS_BOOT: Uuid = Uuid(0x21686148_6449_6e6f_744e_656564454649);
const TYPE_LINUX: Uuid = Uuid(0x0fc63daf_8483_4772_8e79_3d69d8477de4);
const TYPE_SWAP: Uuid = Uuid(0x0657fd6d_a4ab_43c4_84e5_0933c84b4f4f);

/// Where the EFI system partition is mounted.
const ESP_MOUNT: &str = "/boot/efi";

/// Chooses the disks and lays them out.
pub(super) fn lay_out(
    layouts: &[DiskLayout],
    inventory: &Inventory,
    firmware: Firmware,
    random: &mut dyn FnMut() -> u128,
) -> Result<Vec<PlannedDisk>, Refusal> {
    let mut taken = Vec::new();
    let mut chosen = Vec::new();
    for layout in layouts {
        let disk = selection::choose(&layout.matching, &inventory.disks, &taken)?;
        taken.push(disk.name.clone());
        chosen.push((layout, disk));
    }
    let reasons = contradictions(&chosen, firmware);
    if !reasons.is_empty() {
        return Err(Refusal::Layout { reasons });
    }
    chosen.into_iter().map(|(layout, disk)| lay_out_one(layout, disk, random)).collect()
}

/// Everything about the layouts that cannot be right, whatever the sizes.
fn contradictions(chosen: &[(&DiskLayout, &Disk)], firmware: Firmware) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut mounts = BTreeSet::new();
    for (layout, disk) in chosen {
        if !matches!(disk.sector_bytes, 512 | 4096) {
            reasons.push(format!("{} has {}-byte sectors, not 512 or 4096", disk.name, disk.sector_bytes));
        }
        let rests = layout.partitions.iter().filter(|partition| partition.size == Size::Rest).count();
        if rests > 1 {
            reasons.push(format!("{rests} partitions of {} want the rest of it", disk.name));
        }
        if layout.partitions.len() >= MOST_PARTITIONS {
            reasons.push(format!("{} partitions are more than a table holds", layout.partitions.len()));
        }
        for partition in &layout.partitions {
            reasons.extend(flaws(partition, disk));
            if let Some(mount) = &partition.mount
                && !mounts.insert(mount.as_str())
            {
                reasons.push(format!("two partitions are mounted at `{mount}`"));
            }
        }
    }
    if !mounts.contains("/") {
        reasons.push("no partition is mounted at `/`".into());
    }
    if firmware == Firmware::Uefi && !mounts.contains(ESP_MOUNT) {
        reasons.push(format!("the box boots by UEFI, but no vfat partition is mounted at `{ESP_MOUNT}`"));
    }
    let boots = chosen.iter().find(|(layout, _)| layout.partitions.iter().any(|p| is_boot_mount(p, &mounts)));
    if let (Firmware::Bios, Some((_, disk))) = (firmware, boots)
        && disk.sector_bytes != 512
    {
        reasons.push(format!(
            "the box boots by BIOS, which cannot boot from {}-byte sectors as {} has",
            disk.sector_bytes, disk.name
        ));
    }
    reasons
}

/// Whether GRUB's files are on this partition.
fn is_boot_mount(partition: &Partition, mounts: &BTreeSet<&str>) -> bool {
    let boot = if mounts.contains("/boot") { "/boot" } else { "/" };
    partition.mount.as_deref() == Some(boot)
}

/// What cannot be right about one partition.
fn flaws(partition: &Partition, disk: &Disk) -> Vec<String> {
    let mut reasons = Vec::new();
    let name = partition.mount.as_deref().unwrap_or("swap");
    if let Some(mount) = &partition.mount {
        let whole = mount == "/"
            || (mount.starts_with('/')
                && mount[1..].split('/').all(|part| !matches!(part, "" | "." | ".."))
                && mount.chars().all(|c| !c.is_control() && !c.is_whitespace() && c != '\\'));
        if !whole {
            reasons.push(format!("`{mount}` is not an absolute path to mount at"));
        }
        match (partition.filesystem, mount.as_str()) {
            (Filesystem::Swap, _) => reasons.push(format!("swap cannot be mounted at `{mount}`")),
            (Filesystem::Vfat, "/") => reasons.push("vfat cannot hold the root: it knows no owners".into()),
            (Filesystem::Ext4, ESP_MOUNT) => {
                reasons.push(format!("`{ESP_MOUNT}` has to be vfat: firmware reads nothing else"));
            }
            _ => {}
        }
    }
    match partition.size {
        Size::Bytes(0) => reasons.push(format!("the partition for `{name}` has no size")),
        Size::Bytes(bytes) if partition.filesystem == Filesystem::Vfat => {
            let least = LEAST_FAT32_CLUSTERS * u64::from(disk.sector_bytes);
            if bytes < least {
                let (has, needs) = (size_text(bytes), size_text(whole_mebibytes(least)));
                reasons.push(format!(
                    "`{name}` with {has} is too small for FAT32 on {}-byte sectors, which needs {needs}",
                    disk.sector_bytes
                ));
            }
        }
        _ => {}
    }
    if let Some(label) = &partition.label {
        let longest = if partition.filesystem == Filesystem::Vfat { 11 } else { 15 };
        let plain = |c: char| c.is_ascii_graphic() && !"\"*+,./:;<=>?[\\]|'`$".contains(c);
        if label.is_empty() || label.len() > longest || !label.chars().all(|c| plain(c) || c == ' ') {
            reasons.push(format!("`{label}` is not a label of 1 to {longest} plain characters"));
        }
    }
    reasons
}

fn whole_mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(ALIGNMENT_BYTES).saturating_mul(ALIGNMENT_BYTES)
}

/// Lays out one disk whose layout is free of contradictions.
fn lay_out_one(
    layout: &DiskLayout,
    disk: &Disk,
    random: &mut dyn FnMut() -> u128,
) -> Result<PlannedDisk, Refusal> {
    let sector = u64::from(disk.sector_bytes.max(512));
    let boots = layout.partitions.iter().any(|p| matches!(p.mount.as_deref(), Some("/" | "/boot")));
    let bios_boot = if boots && sector == 512 { ALIGNMENT_BYTES } else { 0 };
    let fixed = |partition: &Partition| match partition.size {
        Size::Bytes(bytes) => whole_mebibytes(bytes),
        Size::Rest => 0,
    };
    let fixed_bytes = layout.partitions.iter().map(fixed).fold(bios_boot, u64::saturating_add);
    let wants_rest = layout.partitions.iter().any(|partition| partition.size == Size::Rest);
    let sectors = disk.size_bytes / sector;
    // The backup header and its entries stand at the end, behind the last whole mebibyte.
    let tail_sectors = 1 + ENTRIES_BYTES / sector;
    let end_bytes = sectors.saturating_sub(tail_sectors) * sector / ALIGNMENT_BYTES * ALIGNMENT_BYTES;
    let room_bytes = end_bytes.saturating_sub(ALIGNMENT_BYTES);
    let least_bytes = fixed_bytes.saturating_add(if wants_rest { LEAST_REST_BYTES } else { 0 });
    if room_bytes < least_bytes {
        let needs_bytes = least_bytes.saturating_add(2 * ALIGNMENT_BYTES);
        return Err(Refusal::DiskTooSmall { disk: Box::new(disk.clone()), needs_bytes });
    }
    let guid = Uuid::from_random(random());
    let mut partitions: Vec<PlannedPartition> = Vec::new();
    let mut start_bytes = ALIGNMENT_BYTES;
    let mut place = |bytes: u64, type_guid, name: &str, filesystem, guid| {
        partitions.push(PlannedPartition {
            number: partitions.len() as u32 + 1,
            first_lba: start_bytes / sector,
            last_lba: (start_bytes + bytes) / sector - 1,
            type_guid,
            guid,
            name: name.to_owned(),
            filesystem,
        });
        start_bytes += bytes;
    };
    if bios_boot > 0 {
        place(bios_boot, TYPE_BIOS_BOOT, "BIOS boot", None, Uuid::from_random(random()));
    }
    for partition in &layout.partitions {
        let bytes = if partition.size == Size::Rest { room_bytes - fixed_bytes } else { fixed(partition) };
        let (type_guid, name) = purpose(partition);
        let guid = Uuid::from_random(random());
        place(bytes, type_guid, &name, Some(planned_filesystem(partition, random)), guid);
    }
    Ok(PlannedDisk { disk: disk.clone(), guid, partitions })
}

/// Type and name in the partition table.
fn purpose(partition: &Partition) -> (Uuid, String) {
    let (type_guid, name) = match (partition.filesystem, partition.mount.as_deref()) {
        (Filesystem::Swap, _) => (TYPE_SWAP, "swap"),
        (Filesystem::Vfat, Some(ESP_MOUNT)) => (TYPE_ESP, "EFI system"),
        (_, Some("/")) => (TYPE_LINUX, "root"),
        (_, Some(mount)) => (TYPE_LINUX, &mount[1..]),
        (_, None) => (TYPE_LINUX, "data"),
    };
    // 36 UTF-16 units is what an entry holds (UEFI specification §5.3.3).
    (type_guid, partition.label.as_deref().unwrap_or(name).chars().take(36).collect())
}

fn planned_filesystem(partition: &Partition, random: &mut dyn FnMut() -> u128) -> PlannedFilesystem {
    let bits = random();
    let uuid = match partition.filesystem {
        Filesystem::Vfat => format!("{:04X}-{:04X}", (bits >> 16) as u16, bits as u16),
        Filesystem::Ext4 | Filesystem::Swap => Uuid::from_random(bits).to_string(),
    };
    PlannedFilesystem {
        kind: partition.filesystem,
        uuid,
        label: partition.label.clone().unwrap_or_default(),
        mount: partition.mount.clone(),
        hash_seed: Uuid::from_random(random()),
    }
}

/// Refuses an image that cannot fit into the file systems whatever is in it.
pub(super) fn check_room(disks: &[PlannedDisk], image_bytes: u64) -> Result<(), Refusal> {
    let bytes = |disk: &PlannedDisk, partition: &PlannedPartition| {
        (partition.last_lba - partition.first_lba + 1) * u64::from(disk.disk.sector_bytes)
    };
    let mounted = |partition: &&PlannedPartition| {
        partition.filesystem.as_ref().is_some_and(|filesystem| filesystem.mount.is_some())
    };
    let room_bytes = disks
        .iter()
        .flat_map(|disk| disk.partitions.iter().filter(mounted).map(move |partition| bytes(disk, partition)))
        .sum();
    if image_bytes > room_bytes { Err(Refusal::ImageTooLarge { image_bytes, room_bytes }) } else { Ok(()) }
}

/// What is mounted while the appliance is written: parents before what lies below them.
pub(super) fn mounts(disks: &[PlannedDisk]) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for (disk, planned) in disks.iter().enumerate() {
        for partition in &planned.partitions {
            let Some(filesystem) = &partition.filesystem else { continue };
            let Some(path) = filesystem.mount.clone() else { continue };
            let place = Place { disk, partition: partition.number };
            mounts.push(Mount { place, path, kind: filesystem.kind, uuid: filesystem.uuid.clone() });
        }
    }
    mounts.sort_by(|a, b| a.path.cmp(&b.path));
    mounts
}

/// For which firmware a loader is installed; the box's own comes last, so that the last write is the one that counts.
pub(super) fn loader_targets(disks: &[PlannedDisk], firmware: Firmware) -> Vec<LoaderTarget> {
    let bios = disks
        .iter()
        .position(|disk| disk.partitions.iter().any(|partition| partition.type_guid == TYPE_BIOS_BOOT))
        .map(|disk| LoaderTarget::Bios { disk });
    let efi = mounts(disks)
        .into_iter()
        .find(|mount| mount.path == ESP_MOUNT)
        .map(|mount| LoaderTarget::Efi { place: mount.place });
    let order = if firmware == Firmware::Uefi { [bios, efi] } else { [efi, bios] };
    order.into_iter().flatten().collect()
}
