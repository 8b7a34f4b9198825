//! What is done to whole disks: erased, cleared, partitioned. Each time the disk is first looked at: is it
//! still the one that the plan was made for.

use super::fault::{Blame as _, Fault, Outcome};
use gptman::{GPT, GPTPartitionEntry};
use linux::block::{BlockDevice, Extent};
use model::failure::{Explain as _, Failure, Result};
use model::hardware::{Disk, size_text};
use model::plan::{PlannedDisk, PlannedPartition};
use model::storage::{Erase, Table};
use std::io::Seek as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How much is cleared at either end of a disk and of a partition: boot code, tables, and the superblocks of all
/// RAIDs and file systems that keep one there.
const EDGE_BYTES: u64 = 2 << 20;

/// How much of the first sector is code, in front of the disk's signature and the table.
const BOOT_CODE_BYTES: usize = 440;

/// How long a disk may stay busy after its last user ended.
const LETTING_GO: Duration = Duration::from_secs(10);

/// What stands where boot code would until the seal: `int 18h`, by which a BIOS goes on to its next boot device,
/// and an endless `hlt` should it come back (BIOS Boot Specification 1.01 §6.7). A table needs the signature that
/// makes a BIOS jump here; into zeros it would hang, and a box whose power was cut would not start over.
pub(crate) const GO_ON: &[u8] = &[0xcd, 0x18, 0xf4, 0xeb, 0xfd];

/// Path of a disk's node.
pub(crate) fn node(disk: &Disk) -> PathBuf {
    Path::new("/dev").join(&disk.name)
}

/// Opens a disk for writing, if it still is the one that was planned for.
pub(crate) fn open(planned: &Disk) -> Outcome<BlockDevice> {
    check(planned)?;
    let device = open_alone(&node(planned)).blame("disk-in-use")?;
    let has = (device.size_bytes(), device.sector_bytes());
    if has == (planned.size_bytes, planned.sector_bytes) { Ok(device) } else { Err(another(planned, None)) }
}

/// Opens a disk for us alone. Who held it until just now, a file system or a program that ends, may need a moment.
pub(crate) fn open_alone(path: &Path) -> Result<BlockDevice> {
    let end = Instant::now() + LETTING_GO;
    loop {
        match BlockDevice::open(path) {
            Err(failure) if failure.to_string().contains("os error 16") && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(100));
            }
            other => return other,
        }
    }
}

pub(crate) fn check(planned: &Disk) -> Outcome<()> {
    let now = linux::inventory::disk(Path::new("/"), &planned.name);
    let is_same = now.as_ref().is_some_and(|now| {
        (now.size_bytes, &now.serial, &now.model, &now.wwn)
            == (planned.size_bytes, &planned.serial, &planned.model, &planned.wwn)
    });
    if is_same { Ok(()) } else { Err(another(planned, now.as_ref())) }
}

/// The danger of writing to a disk by a name that another disk has got meanwhile.
fn another(planned: &Disk, now: Option<&Disk>) -> Fault {
    let there = now.map_or("nothing".into(), Disk::title);
    let failure = Failure::new(format!("{} is no longer the disk of the plan", planned.name))
        .because(format!("the plan was made for {}", planned.title()))
        .because(format!("now there is {there}"))
        .hint("look at the cabling, then retry: a new plan is made");
    Fault { cause: "disk-wrong-selected", failure }
}

/// Destroys what is on the disk, as the plan says.
pub(crate) fn erase(planned: &PlannedDisk) -> Outcome<()> {
    let device = open(&planned.disk)?;
    let refused = "disk-erase-refused";
    match planned.erase {
        None => Ok(()),
        Some(Erase::Discard) => device.discard_all().blame("disk-io-error"),
        Some(Erase::Zero) => device.zero_all().blame("disk-io-error"),
        Some(Erase::NvmeFormat) => device.nvme_format().blame(refused),
        Some(Erase::NvmeSanitize) => device.nvme_sanitize().blame(refused),
        Some(Erase::AtaSecurityErase) => device.ata_security_erase().blame(refused),
    }
}

/// Makes the disk unbootable and forgets what was on it, but for what stays.
pub(crate) fn clear(planned: &PlannedDisk) -> Outcome<()> {
    let device = open(&planned.disk)?;
    let kept: Vec<&PlannedPartition> = planned.partitions.iter().filter(|one| one.is_kept()).collect();
    // The first sector first: from the moment it is harmless, no BIOS starts what is half gone.
    disarm(&device).blame("disk-io-error")?;
    clear_old_partitions(&device, &kept).blame("disk-io-error")?;
    if kept.is_empty() { clear_device(&device).blame("disk-io-error") } else { Ok(()) }
}

/// What was on partitions that are not at the ends of the disk: superblocks of RAIDs, volumes and pools, and the
/// file system that firmware would look into.
fn clear_old_partitions(device: &BlockDevice, kept: &[&PlannedPartition]) -> Result<()> {
    let sector = u64::from(device.sector_bytes());
    for old in device.shown_partitions() {
        let end_bytes = old.start_bytes.saturating_add(old.length_bytes);
        let stays = kept
            .iter()
            .any(|one| one.first_lba * sector < end_bytes && (one.last_lba + 1) * sector > old.start_bytes);
        if stays {
            continue;
        }
        let edge_bytes = EDGE_BYTES.min(old.length_bytes);
        device.clear(old.start_bytes, edge_bytes)?;
        device.clear(end_bytes - edge_bytes, edge_bytes)?;
    }
    Ok(())
}

/// Takes the boot code away and leaves the partition table: power may go before the new one is written, and what
/// stays is found by it.
fn disarm(device: &BlockDevice) -> Result<()> {
    let mut sector = device.read_at(0, usize::try_from(device.sector_bytes()).unwrap_or(512))?;
    sector[..BOOT_CODE_BYTES].fill(0);
    sector[..GO_ON.len()].copy_from_slice(GO_ON);
    device.write_at(0, &sector)?;
    device.forget_cached()
}

fn clear_device(device: &BlockDevice) -> Result<()> {
    device.clear(0, EDGE_BYTES)?;
    device.clear(device.size_bytes().saturating_sub(EDGE_BYTES), EDGE_BYTES)?;
    device.forget_cached()?;
    let head = device.read_at(0, 4096)?;
    if head.iter().any(|byte| *byte != 0) {
        return Err(Failure::new(format!("{} does not keep what is written to it", device.path().display()))
            .because("its first sectors were cleared, but are not empty when read again"));
    }
    device.show_partitions(&[])
}

/// Writes the partition table, and no boot code that starts anything.
pub(crate) fn partition(planned: &PlannedDisk) -> Outcome<()> {
    let device = open(&planned.disk)?;
    write_table(&device, planned).blame("disk-io-error")?;
    show_on(&device, planned)
}

/// Shows the partitions that an image of a whole disk brings, whose table is not there before the seal.
pub(crate) fn show(planned: &PlannedDisk) -> Outcome<()> {
    show_on(&open(&planned.disk)?, planned)
}

fn show_on(device: &BlockDevice, planned: &PlannedDisk) -> Outcome<()> {
    let sector = u64::from(device.sector_bytes());
    let extent = |partition: &PlannedPartition| Extent {
        number: partition.number,
        start_bytes: partition.first_lba * sector,
        length_bytes: (partition.last_lba - partition.first_lba + 1) * sector,
    };
    let extents: Vec<Extent> = planned.partitions.iter().map(extent).collect();
    device.show_partitions(&extents).blame("disk-in-use")
}

fn write_table(device: &BlockDevice, planned: &PlannedDisk) -> Result<()> {
    match planned.table {
        Table::Gpt => write_gpt(device, planned),
        Table::Mbr => write_mbr(device, planned),
    }
}

/// The PC's old table: four entries of 16 bytes at 446 (drawn from `struct msdos_partition`,
/// include/linux/msdos_partition.h); CHS fields say "use the sector number".
fn write_mbr(device: &BlockDevice, planned: &PlannedDisk) -> Result<()> {
    let mut sector = vec![0; usize::try_from(device.sector_bytes()).unwrap_or(512)];
    sector[..GO_ON.len()].copy_from_slice(GO_ON);
    sector[BOOT_CODE_BYTES..BOOT_CODE_BYTES + 4].copy_from_slice(&planned.guid.gpt_bytes()[..4]);
    for (partition, entry) in planned.partitions.iter().zip(sector[446..510].chunks_exact_mut(16)) {
        let too_far = || {
            Failure::new(format!("cannot write the partition table of {}", planned.disk.name))
                .because("a partition ends beyond the sectors that an MBR can count")
        };
        let first = u32::try_from(partition.first_lba).map_err(|_| too_far())?;
        let count = u32::try_from(partition.last_lba - partition.first_lba + 1).map_err(|_| too_far())?;
        entry[1..4].copy_from_slice(&[0xfe, 0xff, 0xff]);
        entry[4] = partition.mbr_type();
        entry[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
        entry[8..12].copy_from_slice(&first.to_le_bytes());
        entry[12..16].copy_from_slice(&count.to_le_bytes());
    }
    sector[510..512].copy_from_slice(&[0x55, 0xaa]);
    device.write_at(0, &sector)?;
    device.forget_cached()
}

/// A disk as `gptman` writes to it: each jump to another place first brings what was written onto the disk, so
/// that one of the two copies of the table is whole at any moment.
struct Settling<'a>(&'a std::fs::File);

impl std::io::Write for Settling<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl std::io::Read for Settling<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl std::io::Seek for Settling<'_> {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.0.sync_data()?;
        self.0.seek(to)
    }
}

fn write_gpt(device: &BlockDevice, planned: &PlannedDisk) -> Result<()> {
    write_both_tables(device, planned)?;
    let doing = || format!("cannot write the partition table of {}", planned.disk.name);
    let mut file = Settling(device.file());
    file.rewind().or_fail(doing)?;
    GPT::write_protective_mbr_into(&mut file, u64::from(device.sector_bytes())).or_fail(doing)?;
    device.write_at(0, GO_ON)?;
    device.forget_cached()
}

/// Both copies of a GPT, without the first sector, which alone makes firmware look for them.
pub(crate) fn write_both_tables(device: &BlockDevice, planned: &PlannedDisk) -> Result<()> {
    let doing = || format!("cannot write the partition table of {}", planned.disk.name);
    let sector = u64::from(device.sector_bytes());
    let mut file = Settling(device.file());
    let mut table = GPT::new_from(&mut file, sector, planned.guid.gpt_bytes()).or_fail(doing)?;
    for partition in &planned.partitions {
        table[partition.number] = GPTPartitionEntry {
            partition_type_guid: partition.type_guid.gpt_bytes(),
            unique_partition_guid: partition.guid.gpt_bytes(),
            starting_lba: partition.first_lba,
            ending_lba: partition.last_lba,
            attribute_bits: partition.attributes,
            partition_name: partition.name.as_str().into(),
        };
    }
    table.write_into(&mut file).or_fail(doing)?;
    device.forget_cached()
}

/// Clears both ends of a device that something is made on: a RAID's superblock at the end of an old partition would
/// survive `mkfs` and be found at the next boot.
pub(crate) fn clear_ends(path: &Path, planned_bytes: Option<u64>) -> Result<()> {
    let device = open_alone(path)?;
    if let Some(planned_bytes) = planned_bytes
        && device.size_bytes() != planned_bytes
    {
        return Err(Failure::new(format!("{} is not the partition of the plan", path.display())).because(
            format!("it has {}, planned are {}", size_text(device.size_bytes()), size_text(planned_bytes)),
        ));
    }
    device.clear(0, EDGE_BYTES)?;
    device.clear(device.size_bytes().saturating_sub(EDGE_BYTES), EDGE_BYTES)
}

/// Path of a partition's node.
pub(crate) fn partition_node(disk: &Disk, number: u32) -> PathBuf {
    let separator = if disk.name.ends_with(|c: char| c.is_ascii_digit()) { "p" } else { "" };
    Path::new("/dev").join(format!("{}{separator}{number}", disk.name))
}
