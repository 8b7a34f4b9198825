//! Disks as a line wants them: which one, which table, which file systems.

use serde::{Deserialize, Serialize};

/// One disk to lay out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiskLayout {
    /// Which disk.
    #[serde(rename = "match")]
    pub matching: DiskMatch,
    /// Which partition table.
    pub table: Table,
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
    /// `nvme`, `sata`, `sas`, `virtio`, `scsi`.
    pub transport: Option<String>,
    /// Model, with `*` as wildcard.
    pub model: Option<String>,
    /// Serial number, with `*` as wildcard.
    pub serial: Option<String>,
    /// Stable path by slot, with `*` as wildcard: `pci-0000:00:04.0-nvme-1`.
    pub path: Option<String>,
    /// Which one of several candidates.
    pub choose: Option<Choose>,
}

/// Which one of several candidates.
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
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    /// How large.
    pub size: Size,
    /// What is made on it.
    pub filesystem: Filesystem,
    /// Where the appliance mounts it; absent for swap.
    #[serde(default)]
    pub mount: Option<String>,
    /// File system label.
    #[serde(default)]
    pub label: Option<String>,
}

/// Size of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Size {
    /// This many bytes, rounded up to a mebibyte.
    Bytes(u64),
    /// What is left; once a disk.
    Rest,
}

/// What is made on a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filesystem {
    /// FAT32; mounted at `/boot/efi` it is the EFI system partition.
    Vfat,
    /// Fourth extended file system.
    Ext4,
    /// Swap space.
    Swap,
}
