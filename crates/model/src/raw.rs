//! What an image is, told by its content when the line is built: an archive, one file system, or a whole disk.
//!
//! A whole disk brings its own partitions and boot loader; one file system is what `/` is made of.

use crate::plan::Uuid;
use crate::storage::{Filesystem, Table};
use serde::{Deserialize, Serialize};

/// What an image is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum ImageContent {
    /// A tar archive of a root.
    #[default]
    Archive,
    /// One file system, as it stands on a partition.
    Filesystem(RawFilesystem),
    /// A whole disk with its partition table.
    Disk(RawDisk),
}

/// A signature that a box holds the image against (minisign); OpenPGP is checked where the line is built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSignature {
    /// The public key's file.
    pub key: String,
    /// The signature's file.
    pub signature: String,
}

/// A file system in an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RawFilesystem {
    /// Its kind.
    pub kind: Filesystem,
    /// Its UUID, as `blkid` prints it.
    pub uuid: String,
    /// Its label; may be empty.
    pub label: String,
    /// Size of the device that it was made on, in bytes.
    pub bytes: u64,
}

/// A whole disk in an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RawDisk {
    /// Its size in bytes.
    pub bytes: u64,
    /// The sectors that its table counts in, in bytes.
    pub sector_bytes: u32,
    /// Kind of its table.
    pub table: Table,
    /// GUID of a GPT; of an MBR the signature, in the first four bytes as they are stored.
    pub guid: Uuid,
    /// Whether its first sector has boot code, so that a BIOS starts it.
    pub has_boot_code: bool,
    /// Its partitions, in the order of the disk.
    pub partitions: Vec<RawPartition>,
    /// Number of the partition that has the root.
    #[serde(default)]
    pub root: Option<u32>,
}

impl RawDisk {
    /// Where its last partition ends, in bytes; what is behind it is the copy of the table.
    pub fn end_bytes(&self) -> u64 {
        let ends = self.partitions.iter().map(|one| one.last_lba.saturating_add(1));
        ends.max().unwrap_or_default().saturating_mul(u64::from(self.sector_bytes))
    }

    /// Where its first partition begins, in bytes: before it stand boot code and table.
    pub fn start_bytes(&self) -> u64 {
        let first = self.partitions.iter().map(|one| one.first_lba).min().unwrap_or_default();
        first.saturating_mul(u64::from(self.sector_bytes))
    }
}

/// A partition of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RawPartition {
    /// Its number.
    pub number: u32,
    /// First sector.
    pub first_lba: u64,
    /// Last sector, included.
    pub last_lba: u64,
    /// What it is for; of an MBR's partition nil, except for an EFI system partition.
    pub type_guid: Uuid,
    /// Its own GUID; nil in an MBR.
    pub guid: Uuid,
    /// Attribute bits of the entry (UEFI specification §5.3.3).
    pub attributes: u64,
    /// Its name in the table.
    pub name: String,
    /// Its file system, if it is one that can be mounted and grown.
    #[serde(default)]
    pub filesystem: Option<RawFilesystem>,
    /// What is on it, in words; may be empty.
    pub holds: String,
}
