//! What is done to whole disks: cleared, partitioned, formatted. Each time the disk is first looked at: is it
//! still the one that the plan was made for.

use super::fault::{Blame as _, Fault, Outcome};
use gptman::{GPT, GPTPartitionEntry};
use linux::block::{BlockDevice, Extent};
use linux::process::Child;
use linux::tools::{MKFS_EXT4, MKFS_VFAT, MKSWAP};
use model::failure::{Explain as _, Failure, Result};
use model::hardware::{Disk, size_text};
use model::plan::{PlannedDisk, PlannedPartition};
use model::storage::Filesystem;
use std::io::Seek as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How much is cleared at either end of a disk and of a partition: boot code, tables, and the superblocks of all
/// RAIDs and file systems that keep one there.
const EDGE_BYTES: u64 = 2 << 20;

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
fn open_alone(path: &Path) -> Result<BlockDevice> {
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

fn check(planned: &Disk) -> Outcome<()> {
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

/// Makes the disk unbootable and forgets what was on it.
pub(crate) fn clear(planned: &Disk) -> Outcome<()> {
    let device = open(planned)?;
    clear_device(&device).blame("disk-io-error")
}

fn clear_device(device: &BlockDevice) -> Result<()> {
    // The first sector first: from the moment it is gone, no BIOS starts what is half gone.
    device.clear(0, u64::from(device.sector_bytes()))?;
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
    let doing = || format!("cannot write the partition table of {}", planned.disk.name);
    let sector = u64::from(device.sector_bytes());
    let mut file = device.file();
    let mut table = GPT::new_from(&mut file, sector, planned.guid.gpt_bytes()).or_fail(doing)?;
    for partition in &planned.partitions {
        table[partition.number] = GPTPartitionEntry {
            partition_type_guid: partition.type_guid.gpt_bytes(),
            unique_partition_guid: partition.guid.gpt_bytes(),
            starting_lba: partition.first_lba,
            ending_lba: partition.last_lba,
            attribute_bits: 0,
            partition_name: partition.name.as_str().into(),
        };
    }
    table.write_into(&mut file).or_fail(doing)?;
    file.rewind().or_fail(doing)?;
    GPT::write_protective_mbr_into(&mut file, sector).or_fail(doing)?;
    device.write_at(0, GO_ON)?;
    device.forget_cached()
}

/// Makes the file system of a partition.
pub(crate) fn format(planned: &PlannedDisk, partition: &PlannedPartition) -> Outcome<()> {
    check(&planned.disk)?;
    make_filesystem(planned, partition).blame("disk-io-error")
}

fn make_filesystem(planned: &PlannedDisk, partition: &PlannedPartition) -> Result<()> {
    let Some(filesystem) = &partition.filesystem else { return Ok(()) };
    let path = partition_node(&planned.disk, partition.number);
    let sectors = partition.last_lba - partition.first_lba + 1;
    let planned_bytes = sectors * u64::from(planned.disk.sector_bytes);
    {
        let device = open_alone(&path)?;
        if device.size_bytes() != planned_bytes {
            return Err(Failure::new(format!("{} is not the partition of the plan", path.display()))
                .because(format!(
                    "it has {}, planned are {}",
                    size_text(device.size_bytes()),
                    size_text(planned_bytes)
                )));
        }
        // A RAID's superblock at the end of an old partition would survive mkfs and be found at the next boot.
        device.clear(0, EDGE_BYTES)?;
        device.clear(planned_bytes.saturating_sub(EDGE_BYTES), EDGE_BYTES)?;
    }
    let label = filesystem.label.as_str();
    let child = match filesystem.kind {
        Filesystem::Vfat => {
            let id = filesystem.uuid.replace('-', "");
            let child = Child::of(MKFS_VFAT).args(["-F", "32", "-i", &id]);
            if label.is_empty() { child } else { child.args(["-n", label]) }
        }
        Filesystem::Ext4 => Child::of(MKFS_EXT4)
            .args(["-q", "-F", "-U", &filesystem.uuid, "-L", label])
            .args(["-E", &format!("hash_seed={}", filesystem.hash_seed)]),
        Filesystem::Swap => Child::of(MKSWAP).args(["-U", &filesystem.uuid, "-L", label]),
    };
    child.arg(&path).run()?;
    Ok(())
}

/// Path of a partition's node.
pub(crate) fn partition_node(disk: &Disk, number: u32) -> PathBuf {
    let separator = if disk.name.ends_with(|c: char| c.is_ascii_digit()) { "p" } else { "" };
    Path::new("/dev").join(format!("{}{separator}{number}", disk.name))
}
