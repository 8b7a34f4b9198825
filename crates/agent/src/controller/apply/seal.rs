//! The seal: the last step that writes to a disk, and the only one after which firmware starts it.
//!
//! For each firmware it is one small change: a boot sector, a renamed file. The box's own comes last, so that
//! power that goes in between leaves a box that starts over, or one that is finished.

mod image;

use super::disk;
use super::fault::{Blame as _, Outcome};
use super::ledger::digest_of;
use super::loader::{BiosLoader, SEALED, STAGED, STAGED_FOLDER, Staged};
use super::mounts::{Access, Mounted};
use super::stack::Stacked;
use linux::process::Child;
use linux::tools::EFIBOOTMGR;
use linux::tree::{Attributes, Tree};
use model::failure::{Explain as _, Failure, Result};
use model::plan::{LoaderTarget, Place, Plan, PlannedDisk};
use std::path::Path;

/// Where the kernel shows the firmware's variables.
const VARIABLES: &str = "/sys/firmware/efi/efivars";

/// Makes the disks bootable; `head` is what an image of a whole disk has before its first partition. Gives what went
/// wrong without mattering for the boot.
pub(crate) fn seal(
    plan: &Plan,
    targets: &[LoaderTarget],
    boot_entry: Option<&str>,
    staged: &Staged,
    head: &[u8],
    target: &Path,
    stacked: &mut Stacked<'_>,
) -> Outcome<Vec<String>> {
    let mut remarks = Vec::new();
    for one in targets {
        match one {
            LoaderTarget::Bios { disk } => {
                let (Some(planned), Some(loader)) = (plan.disks.get(*disk), staged.bios.get(disk)) else {
                    continue;
                };
                seal_bios(planned, loader)?;
            }
            LoaderTarget::Efi { device } => {
                if let Some(label) = boot_entry
                    && let Err(failure) = write_boot_entries(plan, &plan.partitions_below(*device), label)
                {
                    // Every firmware looks for BOOTX64.EFI without an entry too, so this is no reason to stop.
                    remarks.push(format!("no EFI boot entry was written: {failure}"));
                }
                seal_efi(plan, staged, target, stacked).blame("disk-io-error")?;
            }
            LoaderTarget::Image { disk } => {
                let Some(planned) = plan.disks.get(*disk) else { continue };
                image::seal(planned, head)?;
                if let (Some(label), Some(place)) = (boot_entry, image::system_partition(*disk, planned)) {
                    // The table has to be there: an entry names its partition by what stands in it.
                    remarks.extend(image::write_boot_entry(plan, planned, place, label));
                }
            }
        }
    }
    Ok(remarks)
}

fn seal_bios(planned: &PlannedDisk, loader: &BiosLoader) -> Outcome<()> {
    let device = disk::open(&planned.disk)?;
    let write = || {
        let there = device.read_at(0, 512)?;
        let sector = loader.boot_sector_over(&there);
        device.forget_cached()?;
        let core = device.read_at(loader.core_start_bytes, loader.core.len())?;
        if core != loader.core {
            return Err(Failure::new("GRUB's core image is not on the disk as written"));
        }
        // One sector: the disk has all of it or nothing.
        device.write_at(0, &sector)?;
        device.forget_cached()?;
        if device.read_at(0, 512)? == sector {
            return Ok(());
        }
        Err(Failure::new("the boot sector is not on the disk as written"))
    };
    write().blame("disk-io-error")
}

fn seal_efi(plan: &Plan, staged: &Staged, target: &Path, stacked: &mut Stacked<'_>) -> Result<()> {
    let Some(wanted) = staged.efi else { return Ok(()) };
    stacked.raise()?;
    // The root is only there to be mounted on, and stays as it was read back.
    let mounted = Mounted::mount(plan, target, |mount| match mount.path.as_str() {
        "/boot/efi" => Some(Access::Write),
        "/" | "/boot" => Some(Access::Read),
        _ => None,
    })?;
    let cannot = || format!("cannot rename {STAGED} to {SEALED}");
    let mut tree = Tree::open(target).map_err(std::io::Error::from).or_fail(cannot)?;
    let attributes = Attributes { user: 0, group: 0, mode: 0o700, seconds: 0 };
    for folder in ["/boot/efi/EFI", "/boot/efi/EFI/BOOT"] {
        tree.make_folder(Path::new(folder), attributes).map_err(std::io::Error::from).or_fail(cannot)?;
    }
    rustix::fs::sync();
    tree.rename(Path::new(STAGED), Path::new(SEALED)).map_err(std::io::Error::from).or_fail(cannot)?;
    // Only tidiness: an empty folder starts nothing.
    let _ = tree.remove_folder(Path::new(STAGED_FOLDER));
    drop(tree);
    mounted.unmount()?;
    stacked.lower()?;
    for planned in &plan.disks {
        let device = disk::open(&planned.disk).map_err(|fault| fault.failure)?;
        device.forget_cached()?;
    }
    stacked.raise()?;
    let mounted = Mounted::mount(plan, target, |mount| {
        matches!(mount.path.as_str(), "/" | "/boot" | "/boot/efi").then_some(Access::Read)
    })?;
    let read =
        Tree::open(target).map_err(std::io::Error::from).and_then(|tree| tree.bytes(Path::new(SEALED)));
    let found = read.or_fail(|| format!("cannot read {SEALED}"))?;
    mounted.unmount()?;
    stacked.lower()?;
    if found.is_some_and(|bytes| digest_of(&bytes) == wanted) {
        return Ok(());
    }
    Err(Failure::new(format!("{SEALED} is not on the disk as written")))
}

/// Writes a boot entry for the removable path of each EFI system partition, the first disk's first, and takes away
/// those that earlier installations left.
fn write_boot_entries(plan: &Plan, places: &[Place], label: &str) -> Result<()> {
    if !Path::new(VARIABLES).join("BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c").exists() {
        // Fails where it is mounted already without that variable; efibootmgr then says what is wrong.
        let _ = linux::mount::mount("efivarfs", Path::new(VARIABLES), "efivarfs", linux::mount::plain(), "");
    }
    let listed = Child::of(EFIBOOTMGR).run()?;
    for number in entries_named(&String::from_utf8_lossy(&listed), label) {
        Child::of(EFIBOOTMGR).args(["--quiet", "--delete-bootnum", "--bootnum", &number]).run()?;
    }
    // efibootmgr puts each new entry in front of the others.
    for (index, place) in places.iter().enumerate().rev() {
        let Some(planned) = plan.disks.get(place.disk) else { continue };
        let label = if index == 0 { label.to_owned() } else { format!("{label} ({})", index + 1) };
        Child::of(EFIBOOTMGR)
            .args(["--quiet", "--create", "--disk"])
            .arg(disk::node(&planned.disk))
            .args(["--part", &place.partition.to_string(), "--label", &label])
            .args(["--loader", r"\EFI\BOOT\BOOTX64.EFI"])
            .run()?;
    }
    Ok(())
}

/// Numbers of the entries with that label in what `efibootmgr` lists.
fn entries_named(listed: &str, label: &str) -> Vec<String> {
    let number = |line: &str| {
        let rest = line.strip_prefix("Boot")?;
        let number = rest.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let name = rest.get(4..)?.trim_start_matches('*').trim_start();
        let name = name.split('\t').next().unwrap_or_default().trim_end();
        // A mirror has an entry for each of its disks: `edge-gateway (2)`.
        let further = name.strip_prefix(label).and_then(|rest| rest.strip_prefix(" (")?.strip_suffix(')'));
        let is_ours = name == label || further.is_some_and(|rest| rest.parse::<u32>().is_ok());
        is_ours.then(|| number.to_owned())
    };
    listed.lines().filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody else's entries are not ours to delete.
    #[test]
    fn only_our_own_entries_are_found() {
        let listed = "BootCurrent: 0003\nTimeout: 0 seconds\nBootOrder: 0003,0001\n\
            Boot0001* UEFI QEMU NVMe Ctrl\tPciRoot(0x0)/Pci(0x3,0x0)\n\
            Boot0003* edge-gateway\tHD(2,GPT,c3)/File(\\EFI\\BOOT\\BOOTX64.EFI)\n\
            Boot000A  edge-gateway\nBoot000B* edge-gateway-2\nBoot000C* edge-gateway (2)\n\
            Boot000D* edge-gateway (old)\nBootXYZW* edge-gateway\nBoot";
        assert_eq!(entries_named(listed, "edge-gateway"), ["0003", "000A", "000C"]);
    }
}
