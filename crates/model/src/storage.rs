//! Disks as a line wants them: which ones, which table, and what is stacked on their partitions.
//!
//! ```text
//!   disk ── partition ──┬── file system
//!                       └── part of a RAID, an encrypted volume or a volume group ── … ── file system
//! ```

use serde::{Deserialize, Serialize};

/// One disk to lay out, or several alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiskLayout {
    /// Which disk.
    #[serde(rename = "match")]
    pub matching: DiskMatch,
    /// Which partition table.
    pub table: Table,
    /// How what was on it is destroyed beyond being forgotten.
    #[serde(default)]
    pub erase: Option<Erase>,
    /// Partitions in the order of the disk. A BIOS boot partition is added for GPT, so that either firmware boots.
    pub partitions: Vec<Partition>,
}

/// Which disk: all conditions must hold; several candidates without `choose` are a refusal that lists them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct DiskMatch {
    /// At least this many bytes.
    pub min_size: Option<u64>,
    /// At most this many bytes.
    pub max_size: Option<u64>,
    /// Turning or not.
    pub rotational: Option<bool>,
    /// `nvme`, `sata`, `sas`, `virtio`, `scsi`, `mmc`.
    pub transport: Option<String>,
    /// Model, with `*` as wildcard.
    pub model: Option<String>,
    /// Serial number, with `*` as wildcard.
    pub serial: Option<String>,
    /// World-wide name, with `*` as wildcard: `eui.0025385b61504ab1`, `naa.5000c500a1b2c3d4`.
    pub wwn: Option<String>,
    /// Stable path by slot, with `*` as wildcard: `pci-0000:00:04.0-nvme-1`.
    pub path: Option<String>,
    /// How many disks are laid out like this; absent means one.
    pub count: Option<u32>,
    /// Which ones where more fit.
    pub choose: Option<Choose>,
}

impl DiskMatch {
    /// How many disks are laid out.
    pub fn count(&self) -> usize {
        self.count.map_or(1, |count| usize::try_from(count).unwrap_or(usize::MAX))
    }
}

/// Which ones of several candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choose {
    /// The smallest; of equals the first by path.
    Smallest,
    /// The largest; of equals the first by path.
    Largest,
    /// The first by path.
    First,
}

/// Kind of partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// GUID partition table (UEFI specification §5.3).
    Gpt,
    /// The PC's old table in the first sector: four partitions below 2^32 sectors.
    Mbr,
}

/// How what was on a disk is destroyed beyond being forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Erase {
    /// The disk is told that nothing on it is needed (TRIM, UNMAP, Deallocate); what it then reads is its own choice.
    Discard,
    /// Zeros over the whole disk.
    Zero,
    /// NVMe Format with user data erase (NVM Command Set specification, Format NVM, SES 1).
    NvmeFormat,
    /// NVMe Sanitize of the whole controller (NVM Express Base Specification, Sanitize).
    NvmeSanitize,
    /// ATA Security Erase Unit (ATA Command Set, SECURITY ERASE UNIT).
    AtaSecurityErase,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    /// How large.
    pub size: Size,
    /// What is made on it.
    #[serde(flatten)]
    pub content: Content,
    /// Whether its file system stays as it is where a box that has it already is installed again.
    #[serde(default)]
    pub preserve: bool,
}

/// What is made on a block device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// A file system, or swap space.
    Filesystem(FilesystemWish),
    /// It becomes part of the RAID, encrypted volume or volume group of that name.
    PartOf(String),
}

/// A file system as it is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilesystemWish {
    /// Its kind.
    pub kind: Filesystem,
    /// Where the appliance mounts it; absent for swap, and for btrfs that is mounted by its subvolumes.
    #[serde(default)]
    pub mount: Option<String>,
    /// File system label.
    #[serde(default)]
    pub label: Option<String>,
    /// Subvolumes of btrfs.
    #[serde(default)]
    pub subvolumes: Vec<Subvolume>,
}

/// A subvolume of btrfs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subvolume {
    /// Its name at the top of the file system: `@home`.
    pub name: String,
    /// Where the appliance mounts it.
    pub mount: String,
}

/// Size of a partition or a logical volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Size {
    /// This many bytes, rounded up to a mebibyte.
    Bytes(u64),
    /// What is left; once a disk.
    Rest,
}

/// What is made on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filesystem {
    /// FAT32; mounted at `/boot/efi` it is the EFI system partition.
    Vfat,
    /// Fourth extended file system.
    Ext4,
    /// XFS.
    Xfs,
    /// btrfs.
    Btrfs,
    /// Swap space.
    Swap,
}

impl Filesystem {
    /// The kind of that name.
    pub fn of_name(name: &str) -> Option<Filesystem> {
        let all = [Filesystem::Vfat, Filesystem::Ext4, Filesystem::Xfs, Filesystem::Btrfs, Filesystem::Swap];
        all.into_iter().find(|kind| kind.name() == name)
    }

    /// As fstab(5) and the line write it.
    pub fn name(self) -> &'static str {
        match self {
            Filesystem::Vfat => "vfat",
            Filesystem::Ext4 => "ext4",
            Filesystem::Xfs => "xfs",
            Filesystem::Btrfs => "btrfs",
            Filesystem::Swap => "swap",
        }
    }
}

/// What is stacked on partitions, beside each other; names are unique over all three.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stack {
    /// Software RAIDs.
    pub raids: Vec<Raid>,
    /// Encrypted volumes.
    pub vaults: Vec<Vault>,
    /// LVM volume groups.
    pub groups: Vec<Group>,
}

impl Stack {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.raids.is_empty() && self.vaults.is_empty() && self.groups.is_empty()
    }

    /// Every content that stands on something stacked.
    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        let raids = self.raids.iter().map(|raid| &raid.content);
        let vaults = self.vaults.iter().map(|vault| &vault.content);
        let volumes = self.groups.iter().flat_map(|group| &group.volumes);
        raids.chain(vaults).chain(volumes.filter_map(LogicalVolume::content))
    }
}

/// A software RAID (md).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Raid {
    /// Its name.
    pub name: String,
    /// Its level.
    pub level: Level,
    /// What is made on it.
    pub content: Content,
}

/// How a RAID spreads what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// Striped, no redundancy.
    Raid0,
    /// Mirrored.
    Raid1,
    /// One disk's worth of parity.
    Raid5,
    /// Two disks' worth of parity.
    Raid6,
    /// Striped mirrors.
    Raid10,
}

impl Level {
    /// Its number, as mdadm(8) takes it.
    pub fn number(self) -> u32 {
        match self {
            Level::Raid0 => 0,
            Level::Raid1 => 1,
            Level::Raid5 => 5,
            Level::Raid6 => 6,
            Level::Raid10 => 10,
        }
    }

    /// The level of that number.
    pub fn of_number(number: u64) -> Option<Level> {
        [Level::Raid0, Level::Raid1, Level::Raid5, Level::Raid6, Level::Raid10]
            .into_iter()
            .find(|level| u64::from(level.number()) == number)
    }

    /// Fewest members that make it worth its name.
    pub fn fewest(self) -> usize {
        match self {
            Level::Raid0 | Level::Raid1 | Level::Raid10 => 2,
            Level::Raid5 => 3,
            Level::Raid6 => 4,
        }
    }

    /// How many bytes `members` of at least `smallest_bytes` hold together.
    pub fn room_bytes(self, members: usize, smallest_bytes: u64) -> u64 {
        let members = members as u64;
        let halves = match self {
            Level::Raid0 => 2 * members,
            Level::Raid1 => 2,
            Level::Raid5 => 2 * members.saturating_sub(1),
            Level::Raid6 => 2 * members.saturating_sub(2),
            Level::Raid10 => members,
        };
        (smallest_bytes / 2).saturating_mul(halves)
    }
}

/// An encrypted volume (LUKS2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vault {
    /// Its name, below `/dev/mapper`.
    pub name: String,
    /// What opens it.
    pub key: Key,
    /// Whether the box's TPM 2.0 opens it too, so that nobody is asked.
    #[serde(default)]
    pub tpm2: bool,
    /// What is made on it.
    pub content: Content,
}

/// What opens an encrypted volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    /// A template that gives a passphrase; the appliance asks for it at each boot.
    Passphrase(String),
    /// A random key made on the box and kept in the appliance at this path.
    File(String),
}

/// An LVM volume group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its logical volumes, in the order in which they are made.
    pub volumes: Vec<LogicalVolume>,
}

/// A logical volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogicalVolume {
    /// Its name.
    pub name: String,
    /// How large; a thin volume only appears so.
    pub size: Size,
    /// What it is.
    pub kind: VolumeKind,
}

impl LogicalVolume {
    /// What is made on it; nothing on a pool.
    pub fn content(&self) -> Option<&Content> {
        match &self.kind {
            VolumeKind::Plain(content) | VolumeKind::Thin { content, .. } => Some(content),
            VolumeKind::Pool => None,
        }
    }
}

/// What a logical volume is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    /// Space of the group.
    Plain(Content),
    /// A pool that thin volumes take their space from.
    Pool,
    /// A volume that takes its space from a pool as it is written.
    Thin {
        /// The pool's name.
        pool: String,
        /// What is made on it.
        content: Content,
    },
}
