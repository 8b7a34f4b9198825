//! File systems made on the devices of the plan: partitions, RAIDs, encrypted and logical volumes.

use super::fault::{Blame as _, Outcome};
use super::{disk, stack};
use linux::mount::{self, Flags};
use linux::process::Child;
use linux::tools::{BTRFS, MKFS_BTRFS, MKFS_EXT4, MKFS_VFAT, MKFS_XFS, MKSWAP};
use model::failure::{Explain as _, Failure, Result};
use model::plan::{Device, Plan, PlannedFilesystem};
use model::storage::Filesystem;
use std::path::Path;

/// Where btrfs is mounted while its subvolumes are made.
const TOP: &str = "/run/bootworks-subvolumes";

/// Makes the file system of a device.
pub(crate) fn make(plan: &Plan, device: Device) -> Outcome<()> {
    for place in plan.partitions_below(device) {
        if let Some(planned) = plan.disks.get(place.disk) {
            disk::check(&planned.disk)?;
        }
    }
    let nothing = || Failure::new("the plan makes a file system on a device that has none");
    let filesystem = plan.filesystem(device).ok_or_else(nothing).blame("layout-invalid")?;
    make_on(plan, device, filesystem).blame("disk-io-error")
}

fn make_on(plan: &Plan, device: Device, filesystem: &PlannedFilesystem) -> Result<()> {
    let path = stack::node(plan, device);
    disk::clear_ends(&path, stack::planned_bytes(plan, device))?;
    let (uuid, label) = (filesystem.uuid.as_str(), filesystem.label.as_str());
    let named =
        |child: Child, option: &str| if label.is_empty() { child } else { child.args([option, label]) };
    let child = match filesystem.kind {
        Filesystem::Vfat => {
            let id = uuid.replace('-', "");
            named(Child::of(MKFS_VFAT).args(["-F", "32", "-i", &id]), "-n")
        }
        Filesystem::Ext4 => Child::of(MKFS_EXT4)
            .args(["-q", "-F", "-U", uuid, "-L", label])
            .args(["-E", &format!("hash_seed={}", filesystem.hash_seed)]),
        Filesystem::Xfs => named(Child::of(MKFS_XFS).args(["-q", "-f", "-m", &format!("uuid={uuid}")]), "-L"),
        Filesystem::Btrfs => named(Child::of(MKFS_BTRFS).args(["-q", "-f", "-U", uuid]), "-L"),
        Filesystem::Swap => Child::of(MKSWAP).args(["-U", uuid, "-L", label]),
    };
    child.arg(&path).run()?;
    if filesystem.subvolumes.is_empty() { Ok(()) } else { make_subvolumes(&path, filesystem) }
}

fn make_subvolumes(path: &Path, filesystem: &PlannedFilesystem) -> Result<()> {
    let top = Path::new(TOP);
    let cannot = || format!("cannot mount {} at {TOP}", path.display());
    std::fs::create_dir_all(top).or_fail(cannot)?;
    mount::mount(&path.to_string_lossy(), top, "btrfs", Flags::NOATIME, "")
        .map_err(std::io::Error::from)
        .or_fail(cannot)?;
    let made = filesystem.subvolumes.iter().try_for_each(|one| {
        Child::of(BTRFS).args(["subvolume", "create"]).arg(top.join(&one.name)).run().map(drop)
    });
    let unmounted = mount::unmount(top).map_err(std::io::Error::from);
    made.and_then(|()| unmounted.or_fail(|| format!("cannot unmount {TOP}")))
}
