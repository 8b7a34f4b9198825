//! Mounts file systems and enters them. What is mounted where, and in which order, is decided by the caller.

use model::failure::{Failure, Result};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags};
use std::ffi::CString;
use std::path::Path;

pub use rustix::mount::{MountFlags as Flags, UnmountFlags};

/// Mounts `source` on `target`, which is created where it is missing. The error stays a number, because
/// what it means depends on the file system.
pub fn mount(source: &str, target: &Path, kind: &str, flags: Flags, options: &str) -> Result<(), Errno> {
    // A folder that cannot be created shows itself in the mount's own error.
    let _ = std::fs::create_dir_all(target);
    let options = CString::new(options).map_err(|_| Errno::INVAL)?;
    rustix::mount::mount(source, target, kind, flags, options.as_c_str())
}

/// Shows `source` at `target` too.
pub fn bind(source: &Path, target: &Path) -> Result<(), Errno> {
    let _ = std::fs::create_dir_all(target);
    rustix::mount::mount_bind_recursive(source, target)
}

/// Takes the file system at `target` away, at once where nothing uses it, else as soon as nothing does.
pub fn unmount(target: &Path) -> Result<(), Errno> {
    rustix::mount::unmount(target, UnmountFlags::DETACH)
}

/// Whether something is mounted exactly at `target`.
pub fn is_mounted(target: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().filter_map(|line| line.split(' ').nth(1)).any(|place| Path::new(place) == target)
}

/// Gives this process a mount table of its own and makes `root` its `/`.
///
/// The initramfs cannot be pivoted away (it is the kernel's rootfs), so the new root is moved over it, as
/// `switch_root` does; unlike `switch_root` it is only hidden from this process and stays whole for PID 1.
pub fn enter(root: &Path) -> Result<()> {
    let failed = |doing: &'static str| {
        move |error: Errno| {
            Failure::new(format!("cannot enter {}", root.display()))
                .doing(doing)
                .because(std::io::Error::from(error))
        }
    };
    // SAFETY: the table of descriptors stays shared.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }
        .map_err(failed("taking a mount table of our own"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(failed("parting it from PID 1's"))?;
    rustix::process::chdir(root).map_err(failed("going there"))?;
    rustix::mount::mount_move(".", "/").map_err(failed("moving it over the initramfs"))?;
    rustix::process::chroot(".").map_err(failed("making it our root"))?;
    rustix::process::chdir("/").map_err(failed("going to its top"))
}

/// Flags for a file system that holds nothing to run and no devices.
pub fn plain() -> Flags {
    MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC
}
