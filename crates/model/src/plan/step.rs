//! The steps of a plan, and what they name.

use super::{Device, PlannedFile, PlannedUser};
use crate::api::{Deb, JobImage, Script};
use crate::burn_in::Test;
use crate::line::Finish;
use crate::storage::Filesystem;

/// One step. Each stands on its own line of the plan and of the progress list.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Test a part of the box; nothing is written.
    Test {
        /// By what, and its limits.
        test: Test,
    },
    /// Take a digest of every file system that stays as it is.
    Remember,
    /// Destroy what is on the disk.
    Erase {
        /// Place in [`Plan::disks`](super::Plan::disks).
        disk: usize,
    },
    /// Wipe boot sector, partition tables and signatures: from here on the disk boots nothing.
    Clear {
        /// Place in [`Plan::disks`](super::Plan::disks).
        disk: usize,
    },
    /// Write the partition table, without boot code.
    Partition {
        /// Place in [`Plan::disks`](super::Plan::disks).
        disk: usize,
    },
    /// Make a RAID, an encrypted volume or a volume group.
    Stack {
        /// Place in [`Plan::layers`](super::Plan::layers).
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
    /// Stream the image from the server, check its digest on the way, write it as it is.
    Write {
        /// The image.
        image: JobImage,
        /// Where it goes.
        onto: Onto,
    },
    /// Read what [`Step::Write`] wrote back from the disk and compare.
    Verify {
        /// Where it went.
        onto: Onto,
    },
    /// Grow a file system that came in an image to all of its device.
    Grow {
        /// The device.
        device: Device,
        /// What is on it.
        kind: Filesystem,
    },
    /// Write files and create users.
    Settle {
        /// Files, in order.
        files: Vec<PlannedFile>,
        /// Users, in order.
        users: Vec<PlannedUser>,
    },
    /// Install packages in the appliance.
    Packages {
        /// The packages.
        debs: Vec<Deb>,
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
    /// Leave the box: switched off, started over or on.
    Finish(Finish),
}

impl Step {
    /// Its short name, by which faults and the record refer to it.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Test { test } => test.name(),
            Step::Remember => "remember",
            Step::Erase { .. } => "erase",
            Step::Clear { .. } => "clear",
            Step::Partition { .. } => "partition",
            Step::Stack { .. } => "stack",
            Step::Format { .. } => "format",
            Step::Unpack { .. } | Step::Write { .. } => "image",
            Step::Verify { .. } => "verify",
            Step::Grow { .. } => "grow",
            Step::Settle { .. } => "settle",
            Step::Packages { .. } => "packages",
            Step::Run { .. } => "script",
            Step::Initramfs { .. } => "initramfs",
            Step::StageLoaders { .. } => "loaders",
            Step::ReadBack => "read-back",
            Step::Compare => "compare",
            Step::Seal { .. } => "seal",
            Step::Record => "record",
            Step::Finish(Finish::PowerOff) => "power-off",
            Step::Finish(Finish::Reboot) => "reboot",
            Step::Finish(Finish::StayOn) => "stay-on",
        }
    }
}

/// Where an image goes that is no archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onto {
    /// A whole disk: place in [`Plan::disks`](super::Plan::disks). What stands before its first partition is kept back for the seal.
    Disk(usize),
    /// A partition or what is stacked on some.
    Device(Device),
}

/// What is made bootable, and for which firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoaderTarget {
    /// Boot sector, and core image in the BIOS boot partition or behind the boot sector of an MBR disk.
    Bios {
        /// Place in [`Plan::disks`](super::Plan::disks).
        disk: usize,
    },
    /// `\EFI\BOOT\BOOTX64.EFI` on the EFI system partition.
    Efi {
        /// The EFI system partition, or the RAID 1 of them.
        device: Device,
    },
    /// What an image of a whole disk brings: its boot code and its table, which make it start.
    Image {
        /// Place in [`Plan::disks`](super::Plan::disks).
        disk: usize,
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
