//! The plan: the ordered, choice-free list of what will be done to a box.
//!
//! Hardware, line and answers go in; a [`Plan`] or a [`Refusal`] comes out, always the same for the same input.
//! Its text is the confirmation screen, the dry run and the golden test; the agent only carries it out.

mod appliance;
mod layout;
mod refusal;
mod selection;
mod stack;
mod text;

pub use appliance::value;
pub use refusal::Refusal;

use crate::api::{Job, JobImage, Script};
use crate::hardware::{Disk, Inventory};
use crate::storage::{Erase, Filesystem, Level, Subvolume, Table};
use std::collections::BTreeMap;
use std::fmt;

/// Everything that will be done to one box.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the line.
    pub line: String,
    /// Host name of the unit.
    pub hostname: String,
    /// How the box names itself: manufacturer, product, serial number.
    pub unit: String,
    /// What the firmware of the box is.
    pub firmware: Firmware,
    /// The disks that are laid out; steps name them by their place here.
    pub disks: Vec<PlannedDisk>,
    /// What is stacked on them, each behind what it stands on.
    pub layers: Vec<Layer>,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// What starts the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// PC BIOS, or UEFI's imitation of one.
    Bios,
    /// UEFI.
    Uefi,
}

/// A disk and what it will hold.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedDisk {
    /// The disk as it was inventoried; each writing step first checks that it still is this one.
    pub disk: Disk,
    /// Kind of the partition table.
    pub table: Table,
    /// GUID of the partition table; the first four bytes are the signature of an MBR.
    pub guid: Uuid,
    /// How what was on it is destroyed first.
    pub erase: Option<Erase>,
    /// Partitions in the order of the disk, numbered from 1.
    pub partitions: Vec<PlannedPartition>,
}

impl PlannedDisk {
    /// Whether something on it stays as it is.
    pub fn keeps_something(&self) -> bool {
        self.partitions.iter().any(PlannedPartition::is_kept)
    }
}

/// One partition.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedPartition {
    /// Number in the partition table, from 1.
    pub number: u32,
    /// First sector.
    pub first_lba: u64,
    /// Last sector, included.
    pub last_lba: u64,
    /// What it is for (UEFI specification §5.3.3, Discoverable Partitions Specification).
    pub type_guid: Uuid,
    /// Its own GUID.
    pub guid: Uuid,
    /// Its name in the partition table.
    pub name: String,
    /// What is made on it.
    pub content: PlannedContent,
}

impl PlannedPartition {
    /// Whether what is on it stays as it is.
    pub fn is_kept(&self) -> bool {
        matches!(&self.content, PlannedContent::Filesystem(filesystem) if filesystem.is_kept)
    }

    /// Its type in an MBR.
    pub fn mbr_type(&self) -> u8 {
        layout::mbr_type(self.type_guid)
    }
}

/// What is made on a device.
#[derive(Clone, Debug, PartialEq)]
pub enum PlannedContent {
    /// GRUB's core image goes there, raw.
    BiosBoot,
    /// A file system, or swap space.
    Filesystem(PlannedFilesystem),
    /// It is a member of this layer: place in [`Plan::layers`].
    Member(usize),
}

/// One file system, or swap space.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedFilesystem {
    /// Its kind.
    pub kind: Filesystem,
    /// As `blkid` prints it: a UUID, or `1A2B-3C4D` for FAT.
    pub uuid: String,
    /// Its label; may be empty.
    pub label: String,
    /// Where the appliance mounts it.
    pub mount: Option<String>,
    /// Subvolumes of btrfs, each with its mount.
    pub subvolumes: Vec<Subvolume>,
    /// Seed of ext4's directory hashes, so that nothing random is left to `mkfs`.
    pub hash_seed: Uuid,
    /// Whether it is on the disk already and stays as it is.
    pub is_kept: bool,
}

/// A block device of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Device {
    /// A partition.
    Partition(Place),
    /// A RAID or an encrypted volume: place in [`Plan::layers`].
    Layer(usize),
    /// A logical volume: places in [`Plan::layers`] and in its volumes.
    Volume {
        /// Place of the group.
        layer: usize,
        /// Place in the group.
        volume: usize,
    },
}

/// A partition of the plan: place of the disk in [`Plan::disks`], number of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Place in [`Plan::disks`].
    pub disk: usize,
    /// Number of the partition, from 1.
    pub partition: u32,
}

/// Something stacked on devices below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// What it is made of.
    pub members: Vec<Device>,
    /// What it is.
    pub kind: LayerKind,
}

/// What is stacked.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerKind {
    /// A software RAID.
    Raid {
        /// Its level.
        level: Level,
        /// Its UUID.
        uuid: Uuid,
        /// Whether firmware reads its members by themselves: its superblock then stands at their ends.
        is_for_firmware: bool,
        /// What is made on it.
        content: PlannedContent,
    },
    /// An encrypted volume.
    Vault {
        /// UUID of its header.
        uuid: Uuid,
        /// What opens it.
        key: PlannedKey,
        /// What is made on it.
        content: PlannedContent,
    },
    /// A volume group.
    Group {
        /// Its volumes, in the order in which they are made.
        volumes: Vec<PlannedVolume>,
    },
}

/// What opens an encrypted volume.
#[derive(Clone, PartialEq)]
pub enum PlannedKey {
    /// A passphrase; shown nowhere.
    Passphrase(String),
    /// A random key that is made on the box and kept in the appliance at this path.
    File(String),
}

impl fmt::Debug for PlannedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlannedKey::Passphrase(_) => f.write_str("passphrase"),
            PlannedKey::File(path) => write!(f, "key file {path}"),
        }
    }
}

/// A logical volume.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedVolume {
    /// Its name in the group.
    pub name: String,
    /// Its size in bytes, a multiple of LVM's extent; `None` takes what is left.
    pub size_bytes: Option<u64>,
    /// Where its space comes from.
    pub kind: PlannedVolumeKind,
}

/// What a logical volume is.
#[derive(Clone, Debug, PartialEq)]
pub enum PlannedVolumeKind {
    /// Space of the group.
    Plain(PlannedContent),
    /// A pool for thin volumes.
    Pool,
    /// Space of a pool, taken as it is written.
    Thin {
        /// Name of the pool.
        pool: String,
        /// What is made on it.
        content: PlannedContent,
    },
}

/// Where a file system is mounted.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// The device.
    pub device: Device,
    /// Absolute path in the appliance.
    pub path: String,
    /// Kind of the file system.
    pub kind: Filesystem,
    /// Its UUID, as in fstab.
    pub uuid: String,
    /// The subvolume of btrfs that is mounted.
    pub subvolume: Option<String>,
    /// Whether it stays as it is: the appliance mounts it, the installation does not.
    pub is_kept: bool,
}

/// One step. Each stands on its own line of the plan and of the progress list.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Take a digest of every file system that stays as it is.
    Remember,
    /// Destroy what is on the disk.
    Erase {
        /// Place in [`Plan::disks`].
        disk: usize,
    },
    /// Wipe boot sector, partition tables and signatures: from here on the disk boots nothing.
    Clear {
        /// Place in [`Plan::disks`].
        disk: usize,
    },
    /// Write the partition table, without boot code.
    Partition {
        /// Place in [`Plan::disks`].
        disk: usize,
    },
    /// Make a RAID, an encrypted volume or a volume group.
    Stack {
        /// Place in [`Plan::layers`].
        layer: usize,
    },
    /// Make a file system.
    Format {
        /// On which device.
        device: Device,
    },
    /// Stream the image from the server, check its digest on the way, unpack it.
    Unpack {
        /// The image.
        image: JobImage,
    },
    /// Write files and create users.
    Settle {
        /// Files, in order.
        files: Vec<PlannedFile>,
        /// Users, in order.
        users: Vec<PlannedUser>,
    },
    /// Run a program of the line in the appliance.
    Run {
        /// The program.
        script: Script,
        /// Its environment; no secrets.
        environment: Vec<(String, String)>,
    },
    /// Make the appliance's initramfs where its storage needs more than the image's has, and check that it has
    /// the drivers and programs for this box's disks.
    Initramfs {
        /// What the root stands on.
        needs: Needs,
    },
    /// Install GRUB, but so that no firmware starts it yet.
    StageLoaders {
        /// For which firmware.
        targets: Vec<LoaderTarget>,
    },
    /// Unmount, forget what is cached, read every file back from the disk and compare.
    ReadBack,
    /// Compare every file system that stays with its digest.
    Compare,
    /// Make the disk bootable: the last step that writes to it.
    Seal {
        /// For which firmware; the box's own comes last.
        targets: Vec<LoaderTarget>,
        /// Label of the EFI boot entry, where the box has NVRAM to write.
        boot_entry: Option<String>,
    },
    /// Send the record to the server.
    Record,
    /// Switch the box off.
    PowerOff,
}

impl Step {
    /// Its short name, by which faults and the record refer to it.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Remember => "remember",
            Step::Erase { .. } => "erase",
            Step::Clear { .. } => "clear",
            Step::Partition { .. } => "partition",
            Step::Stack { .. } => "stack",
            Step::Format { .. } => "format",
            Step::Unpack { .. } => "image",
            Step::Settle { .. } => "settle",
            Step::Run { .. } => "script",
            Step::Initramfs { .. } => "initramfs",
            Step::StageLoaders { .. } => "loaders",
            Step::ReadBack => "read-back",
            Step::Compare => "compare",
            Step::Seal { .. } => "seal",
            Step::Record => "record",
            Step::PowerOff => "power-off",
        }
    }
}

/// A firmware that GRUB is installed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoaderTarget {
    /// Boot sector, and core image in the BIOS boot partition or behind the boot sector of an MBR disk.
    Bios {
        /// Place in [`Plan::disks`].
        disk: usize,
    },
    /// `\EFI\BOOT\BOOTX64.EFI` on the EFI system partition.
    Efi {
        /// The EFI system partition, or the RAID 1 of them.
        device: Device,
    },
}

/// What an initramfs must have to mount the root, beside the drivers of the disks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Kernel modules, with underscores.
    pub modules: Vec<&'static str>,
    /// Programs, by name.
    pub programs: Vec<Program>,
}

/// A program that an initramfs must have, and the Debian package that puts it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The package whose hook puts it into the initramfs.
    pub package: &'static str,
}

/// A file written into the appliance.
#[derive(Clone, PartialEq)]
pub struct PlannedFile {
    /// Absolute path in the appliance.
    pub path: String,
    /// What stands in it; may contain secrets, so it is shown nowhere.
    pub contents: String,
    /// Permission bits.
    pub mode: u32,
}

impl fmt::Debug for PlannedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes, mode {:04o})", self.path, self.contents.len(), self.mode)
    }
}

/// A user created in the appliance.
#[derive(Clone, PartialEq)]
pub struct PlannedUser {
    /// Login name.
    pub name: String,
    /// crypt(5) hash of the password; `None` locks it. Shown nowhere.
    pub hash: Option<String>,
    /// Groups besides its own.
    pub groups: Vec<String>,
}

impl fmt::Debug for PlannedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = if self.hash.is_some() { "with a password" } else { "locked" };
        write!(f, "{} ({password}, groups {:?})", self.name, self.groups)
    }
}

/// A UUID; shown in lower case with dashes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub u128);

impl Uuid {
    /// A random UUID (RFC 9562 §5.4, version 4) from 128 random bits.
    pub fn from_random(bits: u128) -> Uuid {
        let version = (bits & !(0xf << 76)) | (4 << 76);
        Uuid((version & !(0b11 << 62)) | (0b10 << 62))
    }

    /// As a GUID partition table stores it: the first three fields little-endian (UEFI specification, appendix A).
    pub fn gpt_bytes(self) -> [u8; 16] {
        let mut bytes = self.0.to_be_bytes();
        bytes[0..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        bytes
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Holds a job against a box. `random` gives 128 random bits a call; it is called in a fixed order.
///
/// Answers to password questions are crypt(5) hashes already. A refusal leaves nothing decided.
pub fn plan(
    job: &Job,
    inventory: &Inventory,
    answers: &BTreeMap<String, String>,
    random: &mut dyn FnMut() -> u128,
) -> Result<Plan, Refusal> {
    let firmware = if inventory.firmware == "uefi" { Firmware::Uefi } else { Firmware::Bios };
    let (wanted, stack) = (&job.appliance.disks, &job.appliance.stack);
    let disks = layout::lay_out(wanted, stack, inventory, firmware, random)?;
    let keys = appliance::keys(job, inventory, answers)?;
    let layers = stack::layers(stack, &disks, &keys, random)?;
    let storage = Storage { disks, layers };
    stack::check_room(&storage, job.appliance.image.unpacked_bytes)?;
    let settled = appliance::settle(job, inventory, answers, &storage)?;
    let targets = stack::loader_targets(&storage, firmware);
    let mut steps = Vec::new();
    let keeps_something = storage.disks.iter().any(PlannedDisk::keeps_something);
    if keeps_something {
        steps.push(Step::Remember);
    }
    for (disk, _) in storage.disks.iter().enumerate().filter(|(_, planned)| planned.erase.is_some()) {
        steps.push(Step::Erase { disk });
    }
    steps.extend((0..storage.disks.len()).map(|disk| Step::Clear { disk }));
    steps.extend((0..storage.disks.len()).map(|disk| Step::Partition { disk }));
    steps.extend(stack::making(&storage));
    let boot_entry = (firmware == Firmware::Uefi).then(|| job.line.clone());
    steps.push(Step::Unpack { image: job.appliance.image.clone() });
    steps.push(Step::Settle { files: settled.files, users: settled.users });
    let environment = appliance::environment(job, inventory, answers);
    let scripts = job.appliance.scripts.iter().cloned();
    steps.extend(scripts.map(|script| Step::Run { script, environment: environment.clone() }));
    steps.push(Step::Initramfs { needs: stack::needs(&storage) });
    steps.push(Step::StageLoaders { targets: targets.clone() });
    steps.push(Step::ReadBack);
    if keeps_something {
        steps.push(Step::Compare);
    }
    steps.push(Step::Seal { targets, boot_entry });
    steps.push(Step::Record);
    steps.push(Step::PowerOff);
    let smbios = &inventory.smbios;
    let serial =
        if smbios.serial.is_empty() { "no serial".into() } else { format!("serial {}", smbios.serial) };
    let maker = format!("{} {}", smbios.manufacturer, smbios.product);
    let unit = if maker.trim().is_empty() { serial } else { format!("{}, {serial}", maker.trim()) };
    let Storage { disks, layers } = storage;
    Ok(Plan { line: job.line.clone(), hostname: settled.hostname, unit, firmware, disks, layers, steps })
}

/// Disks and what is stacked on them, while the rest of the plan is made.
struct Storage {
    disks: Vec<PlannedDisk>,
    layers: Vec<Layer>,
}

impl Plan {
    /// The partition of a place.
    pub fn partition(&self, place: Place) -> Option<&PlannedPartition> {
        self.disks.get(place.disk)?.partitions.iter().find(|partition| partition.number == place.partition)
    }

    /// The file system on a device.
    pub fn filesystem(&self, device: Device) -> Option<&PlannedFilesystem> {
        match stack::content(&self.disks, &self.layers, device)? {
            PlannedContent::Filesystem(filesystem) => Some(filesystem),
            PlannedContent::BiosBoot | PlannedContent::Member(_) => None,
        }
    }

    /// What is mounted by the appliance: parents before what lies below them.
    pub fn mounts(&self) -> Vec<Mount> {
        stack::mounts(&self.disks, &self.layers)
    }

    /// The partitions that a device stands on, itself included.
    pub fn partitions_below(&self, device: Device) -> Vec<Place> {
        stack::partitions_below(&self.layers, device)
    }
}

#[cfg(test)]
mod stack_tests;
#[cfg(test)]
mod tests;
