//! A private network: namespaces that vanish with the last process in them, and with them every bridge,
//! tap and mount made inside. Used by rehearsals, which must leave nothing behind however they end.

use model::failure::{Explain as _, Result};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::UnshareFlags;

/// Moves this process into a network and a mount namespace of its own.
///
/// Must be called while the process has one thread: threads started before stay outside. `/sys` is mounted
/// anew, since sysfs shows the interfaces of the namespace that mounted it (`fs/kernfs`, net namespace tags).
///
/// Errors: not root (`CAP_SYS_ADMIN`).
pub fn enter_private_network() -> Result<()> {
    // SAFETY: the flags touch neither the file table nor the address space that other threads might share;
    // the caller has no other thread.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }
        .or_fail(|| "cannot make a private network".into())
        .map_err(|failure| match rustix::process::geteuid().is_root() {
            true => failure.hint("the kernel or the container refuses network namespaces here"),
            false => failure.hint("network namespaces need root: run the same command with `sudo`"),
        })?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .or_fail(|| "cannot make the mounts of the private network private".into())?;
    // What held the old sysfs (securityfs, cgroups below it) is not needed by a rehearsal.
    let _ = rustix::mount::unmount("/sys", UnmountFlags::DETACH);
    rustix::mount::mount(
        "sysfs",
        "/sys",
        "sysfs",
        MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY,
        None,
    )
    .or_fail(|| "cannot mount /sys in the private network".into())
}
