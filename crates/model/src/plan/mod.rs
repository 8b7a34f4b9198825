//! The plan: the ordered, choice-free list of what will be done to a box.
//!
//! Hardware, line and answers go in; a [`Plan`] or a [`Refusal`] comes out, always the same for the same input.
//! Its text is the confirmation screen, the dry run and the golden test; the agent only carries it out.

mod appliance;
mod layout;
mod refusal;
mod selection;
mod text;

pub use appliance::value;
pub use refusal::Refusal;

use crate::api::{Job, JobImage, Script};
use crate::hardware::{Disk, Inventory};
use crate::storage::Filesystem;
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
    /// GUID of the partition table.
    pub guid: Uuid,
    /// Partitions in the order of the disk, numbered from 1.
    pub partitions: Vec<PlannedPartition>,
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
    /// What is made on it; nothing on the BIOS boot partition.
    pub filesystem: Option<PlannedFilesystem>,
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
    /// Seed of ext4's directory hashes, so that nothing random is left to `mkfs`.
    pub hash_seed: Uuid,
}

/// A partition of the plan: place of the disk in [`Plan::disks`], number of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Place in [`Plan::disks`].
    pub disk: usize,
    /// Number of the partition, from 1.
    pub partition: u32,
}

/// Where a file system is mounted while the appliance is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// The partition.
    pub place: Place,
    /// Absolute path in the appliance.
    pub path: String,
    /// Kind of the file system.
    pub kind: Filesystem,
    /// Its UUID, as in fstab.
    pub uuid: String,
}

/// One step. Each stands on its own line of the plan and of the progress list.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
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
    /// Make a file system.
    Format {
        /// On which partition.
        place: Place,
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
    /// Install GRUB, but so that no firmware starts it yet.
    StageLoaders {
        /// For which firmware.
        targets: Vec<LoaderTarget>,
    },
    /// Unmount, forget what is cached, read every file back from the disk and compare.
    ReadBack,
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
            Step::Clear { .. } => "clear",
            Step::Partition { .. } => "partition",
            Step::Format { .. } => "format",
            Step::Unpack { .. } => "image",
            Step::Settle { .. } => "settle",
            Step::Run { .. } => "script",
            Step::StageLoaders { .. } => "loaders",
            Step::ReadBack => "read-back",
            Step::Seal { .. } => "seal",
            Step::Record => "record",
            Step::PowerOff => "power-off",
        }
    }
}

/// A firmware that GRUB is installed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoaderTarget {
    /// Boot sector and core image in the BIOS boot partition.
    Bios {
        /// Place in [`Plan::disks`].
        disk: usize,
    },
    /// `\EFI\BOOT\BOOTX64.EFI` on the EFI system partition.
    Efi {
        /// The EFI system partition.
        place: Place,
    },
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
    let disks = layout::lay_out(&job.appliance.disks, inventory, firmware, random)?;
    layout::check_room(&disks, job.appliance.image.unpacked_bytes)?;
    let settled = appliance::settle(job, inventory, answers, &disks)?;
    let targets = layout::loader_targets(&disks, firmware);
    let mut steps = Vec::new();
    for disk in 0..disks.len() {
        steps.push(Step::Clear { disk });
    }
    for disk in 0..disks.len() {
        steps.push(Step::Partition { disk });
    }
    for (disk, planned) in disks.iter().enumerate() {
        for partition in planned.partitions.iter().filter(|partition| partition.filesystem.is_some()) {
            steps.push(Step::Format { place: Place { disk, partition: partition.number } });
        }
    }
    let boot_entry = (firmware == Firmware::Uefi).then(|| job.line.clone());
    steps.push(Step::Unpack { image: job.appliance.image.clone() });
    steps.push(Step::Settle { files: settled.files, users: settled.users });
    let environment = appliance::environment(job, inventory, answers);
    let scripts = job.appliance.scripts.iter().cloned();
    steps.extend(scripts.map(|script| Step::Run { script, environment: environment.clone() }));
    steps.push(Step::StageLoaders { targets: targets.clone() });
    steps.push(Step::ReadBack);
    steps.push(Step::Seal { targets, boot_entry });
    steps.push(Step::Record);
    steps.push(Step::PowerOff);
    let smbios = &inventory.smbios;
    let serial =
        if smbios.serial.is_empty() { "no serial".into() } else { format!("serial {}", smbios.serial) };
    let maker = format!("{} {}", smbios.manufacturer, smbios.product);
    let unit = if maker.trim().is_empty() { serial } else { format!("{}, {serial}", maker.trim()) };
    Ok(Plan { line: job.line.clone(), hostname: settled.hostname, unit, firmware, disks, steps })
}

impl Plan {
    /// The partition of a place.
    pub fn partition(&self, place: Place) -> Option<&PlannedPartition> {
        self.disks.get(place.disk)?.partitions.iter().find(|partition| partition.number == place.partition)
    }

    /// What is mounted while the appliance is written: parents before what lies below them.
    pub fn mounts(&self) -> Vec<Mount> {
        layout::mounts(&self.disks)
    }
}

#[cfg(test)]
mod tests;
