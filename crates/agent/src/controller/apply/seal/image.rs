//! Seals an image of a whole disk: what stands before its first partition, with the table made for this disk.
//!
//! ```text
//!   1. both copies of the GPT, and what else the image has before its first partition
//!   2. read back and compared
//!   3. sector 0, in one write: without it neither a BIOS nor UEFI takes the disk for one that starts
//! ```

use super::write_boot_entries;
use crate::controller::apply::disk;
use crate::controller::apply::fault::{Blame as _, Outcome};
use linux::block::BlockDevice;
use linux::mount::{self, Flags};
use linux::partitions;
use model::failure::{Explain as _, Failure, Result};
use model::plan::{Place, Plan, PlannedDisk};
use model::storage::Table;
use std::path::Path;

/// Where the image's EFI system partition is looked into.
const PLACE: &str = "/run/bootworks/esp";
/// Type of the entry that protects a GPT from old programs, and where the first entry of an MBR stands (UEFI
/// specification §5.2.3).
const PROTECTIVE: u8 = 0xee;
const FIRST_ENTRY: usize = 446;
/// Bytes of a GPT's entries: 128 of 128 bytes, from the third sector on.
const ENTRIES_BYTES: usize = 16384;

/// Writes what makes the disk start.
pub(super) fn seal(planned: &PlannedDisk, head: &[u8]) -> Outcome<()> {
    let device = disk::open(&planned.disk)?;
    write(&device, planned, head).blame("disk-io-error")
}

fn write(device: &BlockDevice, planned: &PlannedDisk, head: &[u8]) -> Result<()> {
    let sector = usize::try_from(device.sector_bytes()).unwrap_or(512);
    let Some(first) = head.get(..sector) else {
        return Err(Failure::new("the image has nothing before its first partition"));
    };
    let table_end = match planned.table {
        Table::Gpt => 2 * sector + ENTRIES_BYTES,
        Table::Mbr => sector,
    };
    if let Some(rest) = head.get(table_end..).filter(|rest| !rest.is_empty()) {
        device.write_at(table_end as u64, rest)?;
    }
    if planned.table == Table::Gpt {
        disk::write_both_tables(device, planned)?;
    }
    let first = first_sector(first, planned, device.size_bytes() / sector as u64);
    device.forget_cached()?;
    let rest = head.get(table_end..).unwrap_or_default();
    if device.read_at(table_end as u64, rest.len())? != rest {
        return Err(Failure::new(
            "what the image has before its first partition is not on the disk as written",
        ));
    }
    device.write_at(0, &first)?;
    device.forget_cached()?;
    if device.read_at(0, sector)? != first {
        return Err(Failure::new("the first sector is not on the disk as written"));
    }
    check_table(device, planned)
}

/// The image's first sector, with the sizes of this disk in it.
fn first_sector(image: &[u8], planned: &PlannedDisk, sectors: u64) -> Vec<u8> {
    let mut sector = image.to_vec();
    let mut set_count = |number: u32, count: u64| {
        let at = FIRST_ENTRY + 16 * (number as usize - 1) + 12;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        sector[at..at + 4].copy_from_slice(&count.to_le_bytes());
    };
    match planned.table {
        Table::Gpt if image[FIRST_ENTRY + 4] == PROTECTIVE => set_count(1, sectors - 1),
        Table::Gpt => {}
        Table::Mbr => {
            for one in planned.partitions.iter().filter(|one| (1..=4).contains(&one.number)) {
                set_count(one.number, one.last_lba - one.first_lba + 1);
            }
        }
    }
    sector
}

/// What is on the disk now must be the table of the plan.
fn check_table(device: &BlockDevice, planned: &PlannedDisk) -> Result<()> {
    let found = partitions::table(&mut device.file(), device.sector_bytes());
    let found = found.map(|table| table.entries).unwrap_or_default();
    let mut found: Vec<_> = found.iter().map(|one| (one.number, one.first_lba, one.last_lba)).collect();
    let wanted = planned.partitions.iter().map(|one| (one.number, one.first_lba, one.last_lba));
    let mut wanted: Vec<_> = wanted.collect();
    found.sort_unstable();
    wanted.sort_unstable();
    if found == wanted {
        return Ok(());
    }
    Err(Failure::new(format!("the partition table of {} is not on the disk as written", planned.disk.name)))
}

/// The image's EFI system partition.
pub(super) fn system_partition(disk: usize, planned: &PlannedDisk) -> Option<Place> {
    let is_esp = |one: &&model::plan::PlannedPartition| one.is_efi_system();
    planned.partitions.iter().find(is_esp).map(|one| Place { disk, partition: one.number })
}

/// Writes a boot entry for the image's loader, where it has one in the place that every firmware knows. Gives what is
/// worth saying.
pub(super) fn write_boot_entry(
    plan: &Plan,
    planned: &PlannedDisk,
    place: Place,
    label: &str,
) -> Option<String> {
    let node = disk::partition_node(&planned.disk, place.partition);
    match has_loader(&node) {
        Ok(true) => {
            let failure = write_boot_entries(plan, &[place], label).err()?;
            Some(format!("no EFI boot entry was written: {failure}"))
        }
        Ok(false) => Some(format!(
            "the image has no EFI/BOOT/BOOTX64.EFI in partition {}: firmware without an entry of its own for it \
             will not start it",
            place.partition
        )),
        Err(failure) => Some(format!("no EFI boot entry was written: {failure}")),
    }
}

fn has_loader(node: &Path) -> Result<bool> {
    let cannot = || format!("cannot mount {} at {PLACE}", node.display());
    std::fs::create_dir_all(PLACE).or_fail(cannot)?;
    let flags = Flags::RDONLY | Flags::NOATIME;
    mount::mount(&node.to_string_lossy(), Path::new(PLACE), "vfat", flags, "")
        .map_err(std::io::Error::from)
        .or_fail(cannot)?;
    let has = Path::new(PLACE).join("EFI/BOOT/BOOTX64.EFI").exists();
    mount::unmount(Path::new(PLACE))
        .map_err(std::io::Error::from)
        .or_fail(|| format!("cannot unmount {PLACE}"))?;
    Ok(has)
}
