//! A file system that came in an image is grown to all of its device.

use super::fault::{Blame as _, Outcome};
use super::stack;
use linux::mount::{self, Flags};
use linux::process::Child;
use linux::tools::{BTRFS, E2FSCK, RESIZE2FS, XFS_GROWFS};
use model::failure::{Explain as _, Failure, Result};
use model::plan::{Device, Plan};
use model::storage::Filesystem;
use std::path::Path;

/// Where XFS and btrfs are mounted for it: they grow only so.
const PLACE: &str = "/run/bootworks/grown";
/// `e2fsck` ends with this where it put something right (e2fsck(8)).
const MENDED: i32 = 1;

/// Grows what is on a device.
pub(crate) fn grow(plan: &Plan, device: Device, kind: Filesystem) -> Outcome<()> {
    let node = stack::node(plan, device);
    match kind {
        Filesystem::Ext4 => grow_ext4(&node),
        Filesystem::Xfs => while_mounted(&node, kind, || Child::of(XFS_GROWFS).arg(PLACE).run()),
        Filesystem::Btrfs => {
            while_mounted(&node, kind, || Child::of(BTRFS).args(["filesystem", "resize", "max", PLACE]).run())
        }
        Filesystem::Vfat | Filesystem::Swap => Ok(()),
    }
    .blame("disk-io-error")
}

fn grow_ext4(node: &Path) -> Result<()> {
    // The kernel's writes and the image's last check may be at any time before; `resize2fs` wants one after.
    let (status, out, err) = Child::of(E2FSCK).args(["-f", "-y"]).arg(node).spawn_and_wait()?;
    if !matches!(status.code(), Some(0 | MENDED)) {
        let failure = Failure::new("the image's file system has errors that `e2fsck` cannot put right");
        let said = String::from_utf8_lossy(if err.is_empty() { &out } else { &err }).into_owned();
        let last: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        let failure = last.iter().rev().take(3).rev().fold(failure, |failure, line| failure.because(line));
        return Err(failure.hint("check the image with `e2fsck -f` where it is made"));
    }
    Child::of(RESIZE2FS).arg(node).run().map(drop)
}

fn while_mounted(node: &Path, kind: Filesystem, work: impl FnOnce() -> Result<Vec<u8>>) -> Result<()> {
    let cannot = || format!("cannot mount {} at {PLACE}", node.display());
    std::fs::create_dir_all(PLACE).or_fail(cannot)?;
    mount::mount(&node.to_string_lossy(), Path::new(PLACE), kind.name(), Flags::NOATIME, "")
        .map_err(std::io::Error::from)
        .or_fail(cannot)?;
    let done = work();
    let unmounted = mount::unmount(Path::new(PLACE)).map_err(std::io::Error::from);
    done.and(unmounted.or_fail(|| format!("cannot unmount {PLACE}")))
}
