//! GRUB: everything of it is put on the disk, but so that no firmware starts it before the seal.
//!
//! ```text
//!   BIOS   core.img raw in the BIOS boot partition         staged; the boot sector that jumps there: sealed
//!   UEFI   \EFI\bootworks\grubx64.efi, where nobody looks   staged; renamed to \EFI\BOOT\BOOTX64.EFI: sealed
//! ```
//! The programs are the image's own, run in it, so that the appliance can keep its loader up to date.

use super::fault::{Blame as _, Fault, Outcome};
use super::ledger::{Digest, Ledger, digest_of};
use super::mounts::Mounted;
use super::{disk, stack};
use crate::digest::Sha256;
use linux::block::BlockDevice;
use linux::process::Child;
use linux::tools::CHROOT;
use linux::tree::{self, Tree};
use model::failure::{Explain as _, Failure, Result};
use model::plan::{Device, LoaderTarget, Mount, Plan, PlannedContent, PlannedPartition};
use model::storage::Table;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Where `grub-install` puts the loader for UEFI; no firmware looks there by itself.
pub(crate) const STAGED: &str = "/boot/efi/EFI/bootworks/grubx64.efi";
/// Folder of [`STAGED`].
pub(crate) const STAGED_FOLDER: &str = "/boot/efi/EFI/bootworks";
/// Where every firmware looks (UEFI specification §3.5.1.1).
pub(crate) const SEALED: &str = "/boot/efi/EFI/BOOT/BOOTX64.EFI";

/// Offsets in GRUB's boot sector (GRUB, include/grub/i386/pc/boot.h).
mod boot_sector {
    /// The BIOS parameter block, which stays the disk's own.
    pub(super) const BPB: std::ops::Range<usize> = 0x03..0x5a;
    /// Sector of the core image.
    pub(super) const KERNEL_SECTOR: std::ops::Range<usize> = 0x5c..0x64;
    /// A jump that floppies need; some BIOSes give hard disks a wrong number, so it is made a no-op for them.
    pub(super) const DRIVE_CHECK: std::ops::Range<usize> = 0x66..0x68;
    /// Windows' disk signature and the partition table, which stay the disk's own.
    pub(super) const TABLE: std::ops::Range<usize> = 0x1b8..0x1fe;
}

/// Bytes of a sector as BIOS reads it.
const SECTOR: usize = 512;
/// Real-mode segment that the rest of the core image is loaded to: 0x8000 and one sector on.
const CORE_SEGMENT: u16 = 0x820;

/// What is on the disk and waits for the seal.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    /// For BIOS, by the place of the disk.
    pub(crate) bios: BTreeMap<usize, BiosLoader>,
    /// Digest of the loader for UEFI.
    pub(crate) efi: Option<Digest>,
}

/// GRUB for BIOS.
#[derive(Debug)]
pub(crate) struct BiosLoader {
    /// GRUB's boot sector, with the place of the core image in it but without the disk's own parts.
    pub(crate) boot_sector: Vec<u8>,
    /// The core image as it stands in the BIOS boot partition.
    pub(crate) core: Vec<u8>,
    /// Where, in bytes from the beginning of the disk.
    pub(crate) core_start_bytes: u64,
}

/// Puts GRUB on the disks of the plan. The target is mounted for writing at `target`.
pub(crate) fn stage(
    plan: &Plan,
    targets: &[LoaderTarget],
    target: &Path,
    mounted: &mut Mounted,
    ledger: &mut Ledger,
) -> Outcome<Staged> {
    mounted.lend_system(target).blame("grub-install-failed")?;
    let mounts = plan.mounts();
    let links = point_by_uuid(plan, &mounts).blame("grub-install-failed")?;
    let staged = install(plan, targets, target).and_then(|staged| {
        in_target(target, "grub-mkconfig", &["-o", "/boot/grub/grub.cfg"])?;
        check_menu(plan, target, &mounts)?;
        Ok(staged)
    });
    for link in links {
        // The live OS is gone in a minute; what is left in its /dev hurts nobody.
        let _ = std::fs::remove_file(link);
    }
    let staged = staged.map_err(|failure| Fault { cause: "grub-install-failed", failure })?;
    for folder in ["/boot/grub", "/boot/efi"] {
        keep_written(target, Path::new(folder), ledger).blame("disk-io-error")?;
    }
    Ok(staged)
}

/// `grub-mkconfig` names the root by UUID only where `/dev/disk/by-uuid` has it, which is udev's work, and there
/// is no udev in the live OS (GRUB, util/grub.d/10_linux.in).
fn point_by_uuid(plan: &Plan, mounts: &[Mount]) -> Result<Vec<PathBuf>> {
    let mut links = Vec::new();
    for mount in mounts {
        let link = Path::new("/dev/disk/by-uuid").join(&mount.uuid);
        let node = stack::node(plan, mount.device);
        tree::point(&link, &node).or_fail(|| format!("cannot make {}", link.display()))?;
        links.push(link);
    }
    Ok(links)
}

/// Runs one of the image's programs in it.
pub(crate) fn in_target(target: &Path, program: &str, arguments: &[&str]) -> Result<Vec<u8>> {
    Child::of(CHROOT)
        .arg(target)
        .arg(program)
        .args(arguments)
        .without_environment()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .run()
        .map_err(|failure| {
            if failure.report().contains("No such file or directory") {
                let packages = "`grub-pc-bin`, `grub-efi-amd64-bin` and `grub2-common`";
                return failure.hint(format!("the image's recipe needs the packages {packages}"));
            }
            failure
        })
}

fn install(plan: &Plan, targets: &[LoaderTarget], target: &Path) -> Result<Staged> {
    let mut staged = Staged::default();
    for wanted in targets {
        match wanted {
            LoaderTarget::Bios { disk } => {
                let Some(planned) = plan.disks.get(*disk) else { continue };
                let node = disk::node(&planned.disk);
                let node = node.to_string_lossy();
                in_target(target, "grub-install", &["--target=i386-pc", "--no-bootsector", &node])?;
                staged.bios.insert(*disk, embed(plan, *disk, target)?);
            }
            LoaderTarget::Efi { .. } => {
                let arguments = [
                    "--target=x86_64-efi",
                    "--no-nvram",
                    "--no-uefi-secure-boot",
                    "--efi-directory=/boot/efi",
                    "--bootloader-id=bootworks",
                ];
                in_target(target, "grub-install", &arguments)?;
                staged.efi = Some(digest_of(&read(target, STAGED)?));
            }
            // It brings its own, already in place.
            LoaderTarget::Image { .. } => {}
        }
    }
    Ok(staged)
}

fn read(target: &Path, path: &str) -> Result<Vec<u8>> {
    let bytes = Tree::open(target).map_err(std::io::Error::from).and_then(|tree| tree.bytes(Path::new(path)));
    bytes
        .or_fail(|| format!("cannot read {path} of the target"))?
        .ok_or_else(|| Failure::new(format!("`grub-install` has not made {path}")))
}

/// Writes the core image into the BIOS boot partition, or behind the boot sector of an MBR disk, as `grub-bios-setup --no-rs-codes` does it (GRUB,
/// util/setup.c), but not the boot sector: only that makes the disk bootable.
fn embed(plan: &Plan, disk: usize, target: &Path) -> Result<BiosLoader> {
    let no_place = || Failure::new("the plan has no BIOS boot partition for GRUB");
    let planned = plan.disks.get(disk).ok_or_else(no_place)?;
    let (first, end) = match planned.table {
        Table::Gpt => {
            let is_ours = |one: &&PlannedPartition| one.content == PlannedContent::BiosBoot;
            let partition = planned.partitions.iter().find(is_ours).ok_or_else(no_place)?;
            (partition.first_lba, partition.last_lba + 1)
        }
        // Between the boot sector and the first partition.
        Table::Mbr => (1, planned.partitions.first().ok_or_else(no_place)?.first_lba),
    };
    let mut boot_sector = read(target, "/boot/grub/i386-pc/boot.img")?;
    let mut core = read(target, "/boot/grub/i386-pc/core.img")?;
    core.resize(core.len().div_ceil(SECTOR) * SECTOR, 0);
    let sectors = core.len() / SECTOR;
    let room = usize::try_from(end.saturating_sub(first)).unwrap_or(usize::MAX);
    if boot_sector.len() != SECTOR || sectors < 2 || sectors > room.min(usize::from(u16::MAX)) {
        return Err(Failure::new("GRUB's images are not of the sizes that they should have")
            .because(format!("boot.img has {} bytes, core.img {} sectors", boot_sector.len(), sectors)));
    }
    boot_sector[boot_sector::KERNEL_SECTOR].copy_from_slice(&first.to_le_bytes());
    boot_sector[boot_sector::DRIVE_CHECK].copy_from_slice(&[0x90, 0x90]);
    // The last entry of the block list at the end of the core's first sector: where the other sectors are.
    let list = &mut core[SECTOR - 12..SECTOR];
    list[..8].copy_from_slice(&(first + 1).to_le_bytes());
    list[8..10].copy_from_slice(&((sectors - 1) as u16).to_le_bytes());
    list[10..].copy_from_slice(&CORE_SEGMENT.to_le_bytes());
    let core_start_bytes = first * u64::from(planned.disk.sector_bytes);
    // Not exclusively: file systems on other partitions of the disk are mounted.
    BlockDevice::open_shared(&disk::node(&planned.disk))?.write_at(core_start_bytes, &core)?;
    Ok(BiosLoader { boot_sector, core, core_start_bytes })
}

impl BiosLoader {
    /// GRUB's boot sector with the parts of `there` that are the disk's own.
    pub(crate) fn boot_sector_over(&self, there: &[u8]) -> Vec<u8> {
        let mut sector = self.boot_sector.clone();
        for own in [boot_sector::BPB, boot_sector::TABLE] {
            if let Some(bytes) = there.get(own.clone()) {
                sector[own].copy_from_slice(bytes);
            }
        }
        sector
    }
}

/// A menu without an entry, or one that names the disk by its place, is a box that does not start.
fn check_menu(plan: &Plan, target: &Path, mounts: &[Mount]) -> Result<()> {
    let menu = String::from_utf8_lossy(&read(target, "/boot/grub/grub.cfg")?).into_owned();
    let root = mounts.iter().find(|mount| mount.path == "/");
    // grub-mkconfig names logical volumes by their nodes, as snapshots have the UUID of what they are of.
    let wanted = root.map_or_else(String::new, |mount| match mount.device {
        Device::Volume { .. } => format!("root={}", stack::node(plan, mount.device).display()),
        Device::Partition(_) | Device::Layer(_) => format!("root=UUID={}", mount.uuid),
    });
    let mut starts = menu.lines().filter(|line| line.trim_start().starts_with("linux"));
    match starts.next() {
        None => Err(Failure::new("GRUB found no kernel in the image")
            .hint("the image's recipe needs a kernel, for example the package `linux-image-amd64`")),
        Some(line) if !line.split_ascii_whitespace().any(|word| word == wanted) => {
            Err(Failure::new(format!("GRUB's menu does not name the root by `{wanted}`"))
                .because(line.trim()))
        }
        Some(_) => Ok(()),
    }
}

/// What `grub-install` wrote is compared later like everything else.
pub(crate) fn keep_written(target: &Path, folder: &Path, ledger: &mut Ledger) -> Result<()> {
    let cannot = || format!("cannot read {} of the target", folder.display());
    let tree = Tree::open(target).map_err(std::io::Error::from).or_fail(cannot)?;
    let mut buffer = vec![0; 256 * 1024];
    for entry in tree.walk(folder).or_fail(cannot)?.into_iter().filter(|entry| entry.is_file) {
        let mut file = tree.read(&entry.path).map_err(std::io::Error::from).or_fail(cannot)?;
        let mut hasher = Sha256::new();
        loop {
            match file.read(&mut buffer).or_fail(cannot)? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
        ledger.keep(&entry.path, hasher.finalize());
    }
    Ok(())
}
