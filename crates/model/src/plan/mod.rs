//! The plan: the ordered, choice-free list of what will be done to a box.
//!
//! Hardware, line and answers go in; a [`Plan`] or a [`Refusal`] comes out, always the same for the same input.
//! Its text is the confirmation screen, the dry run and the golden test; the agent only carries it out.

mod appliance;
pub mod image;
mod layout;
mod refusal;
mod selection;
mod stack;
mod step;
mod text;

pub use appliance::value;
pub use refusal::Refusal;
pub use step::{LoaderTarget, Needs, Onto, Program, Step};

use crate::api::{Job, JobImage};
use crate::hardware::{Disk, Inventory};
use crate::raw::ImageContent;
use crate::storage::{Erase, Filesystem, Level, Subvolume, Table};
use serde::{Deserialize, Serialize};
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
    /// Attribute bits of its entry in a GPT (UEFI specification §5.3.3).
    pub attributes: u64,
    /// What is made on it.
    pub content: PlannedContent,
}

impl PlannedPartition {
    /// Whether what is on it stays as it is.
    pub fn is_kept(&self) -> bool {
        matches!(&self.content, PlannedContent::Filesystem(filesystem) if filesystem.is_kept)
    }

    /// Whether it is an EFI system partition.
    pub fn is_efi_system(&self) -> bool {
        self.type_guid == layout::TYPE_ESP
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
    /// It stays as an image of a whole disk brings it: what is on it, in words.
    Brought(String),
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
        /// Whether the box's TPM 2.0 opens it too.
        tpm2: bool,
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uuid(pub u128);

impl From<Uuid> for String {
    fn from(uuid: Uuid) -> String {
        uuid.to_string()
    }
}

impl TryFrom<String> for Uuid {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Uuid, Self::Error> {
        u128::from_str_radix(&text.replace('-', ""), 16).map(Uuid)
    }
}

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

/// Whether the box's disks refuse the job whatever is answered: asked before a person is asked for anything.
pub fn foresee(job: &Job, inventory: &Inventory) -> Result<(), Refusal> {
    let (appliance, firmware) = (&job.appliance, firmware(inventory));
    match image::whole_disk(job) {
        Some(raw) => image::lay_out(raw, appliance, inventory, firmware).map(drop),
        // What is laid out here is thrown away, so its names need not differ.
        None => layout::lay_out(&appliance.disks, &appliance.stack, inventory, firmware, &mut || 0).map(drop),
    }
}

fn firmware(inventory: &Inventory) -> Firmware {
    if inventory.firmware == "uefi" { Firmware::Uefi } else { Firmware::Bios }
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
    let firmware = firmware(inventory);
    let (storage, image, targets) = match image::whole_disk(job) {
        Some(raw) => {
            let disk = image::lay_out(raw, &job.appliance, inventory, firmware)?;
            let image = image::writing_disk(raw, &job.appliance.image, &disk);
            let storage = Storage { disks: vec![disk], layers: Vec::new() };
            (storage, image, vec![LoaderTarget::Image { disk: 0 }])
        }
        None => {
            let (storage, image) = stored(job, inventory, answers, firmware, random)?;
            let targets = stack::loader_targets(&storage, firmware);
            (storage, image, targets)
        }
    };
    let settled = appliance::settle(job, inventory, answers, &storage)?;
    let mut steps: Vec<Step> = job.burn_in.iter().cloned().map(|test| Step::Test { test }).collect();
    let keeps_something = storage.disks.iter().any(PlannedDisk::keeps_something);
    if keeps_something {
        steps.push(Step::Remember);
    }
    for (disk, _) in storage.disks.iter().enumerate().filter(|(_, planned)| planned.erase.is_some()) {
        steps.push(Step::Erase { disk });
    }
    steps.extend((0..storage.disks.len()).map(|disk| Step::Clear { disk }));
    let is_brought = image::whole_disk(job).is_some();
    if !is_brought {
        steps.extend((0..storage.disks.len()).map(|disk| Step::Partition { disk }));
    }
    steps.extend(image);
    let boot_entry = (firmware == Firmware::Uefi).then(|| job.line.clone());
    // In an image of a whole disk there may be nothing that could be written to.
    if stack::mounts(&storage.disks, &storage.layers).iter().any(|mount| mount.path == "/") {
        steps.push(Step::Settle { files: settled.files, users: settled.users });
        if !job.appliance.debs.is_empty() {
            steps.push(Step::Packages { debs: job.appliance.debs.clone() });
        }
        let environment = appliance::environment(job, inventory, answers);
        let scripts = job.appliance.scripts.iter().cloned();
        steps.extend(scripts.map(|script| Step::Run { script, environment: environment.clone() }));
        let mut needs = stack::needs(&storage);
        if is_brought {
            // Its initramfs is its own: it is looked into and not made.
            needs.programs.clear();
        }
        steps.push(Step::Initramfs { needs });
        if !is_brought {
            steps.push(Step::StageLoaders { targets: targets.clone() });
        }
        steps.push(Step::ReadBack);
    }
    if keeps_something {
        steps.push(Step::Compare);
    }
    steps.push(Step::Seal { targets, boot_entry });
    steps.push(Step::Record);
    steps.push(Step::Finish(job.appliance.finish));
    let smbios = &inventory.smbios;
    let serial =
        if smbios.serial.is_empty() { "no serial".into() } else { format!("serial {}", smbios.serial) };
    let maker = format!("{} {}", smbios.manufacturer, smbios.product);
    let unit = if maker.trim().is_empty() { serial } else { format!("{}, {serial}", maker.trim()) };
    let Storage { disks, layers } = storage;
    Ok(Plan { line: job.line.clone(), hostname: settled.hostname, unit, firmware, disks, layers, steps })
}

/// The storage of a line that lays its disks out itself, and the steps that make it and bring the image there.
fn stored(
    job: &Job,
    inventory: &Inventory,
    answers: &BTreeMap<String, String>,
    firmware: Firmware,
    random: &mut dyn FnMut() -> u128,
) -> Result<(Storage, Vec<Step>), Refusal> {
    let (wanted, stack, image) = (&job.appliance.disks, &job.appliance.stack, &job.appliance.image);
    let disks = layout::lay_out(wanted, stack, inventory, firmware, random)?;
    let keys = appliance::keys(job, inventory, answers)?;
    let layers = stack::layers(stack, &disks, &keys, random)?;
    let mut storage = Storage { disks, layers };
    let reasons = image::contradictions(&image.content, wanted, stack);
    if !reasons.is_empty() {
        return Err(Refusal::Layout { reasons });
    }
    if let ImageContent::Filesystem(raw) = &image.content {
        let root = image::adopt(&mut storage, raw)?;
        let steps = image::writing_filesystem(raw, image, &storage, root);
        return Ok((storage, steps));
    }
    stack::check_room(&storage, image.unpacked_bytes)?;
    let mut steps = stack::making(&storage);
    steps.push(Step::Unpack { image: image.clone() });
    Ok((storage, steps))
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

    /// The image that is installed.
    pub fn image(&self) -> Option<&JobImage> {
        self.steps.iter().find_map(|step| match step {
            Step::Unpack { image } | Step::Write { image, .. } => Some(image),
            _ => None,
        })
    }

    /// The file system on a device.
    pub fn filesystem(&self, device: Device) -> Option<&PlannedFilesystem> {
        match stack::content(&self.disks, &self.layers, device)? {
            PlannedContent::Filesystem(filesystem) => Some(filesystem),
            PlannedContent::BiosBoot | PlannedContent::Member(_) | PlannedContent::Brought(_) => None,
        }
    }

    /// What is mounted by the appliance: parents before what lies below them.
    pub fn mounts(&self) -> Vec<Mount> {
        stack::mounts(&self.disks, &self.layers)
    }

    /// Whether the image is a whole disk, with file systems of its own.
    pub fn brings_its_disk(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Write { onto: Onto::Disk(_), .. }))
    }

    /// The partitions that a device stands on, itself included.
    pub fn partitions_below(&self, device: Device) -> Vec<Place> {
        stack::partitions_below(&self.layers, device)
    }
}

#[cfg(test)]
mod case;
#[cfg(test)]
mod image_tests;
#[cfg(test)]
mod stack_tests;
#[cfg(test)]
mod tests;
