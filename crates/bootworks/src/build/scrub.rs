//! Takes out of a root what must not be shared between machines, and what differs from build to build without
//! meaning anything.
//!
//! Identity is made anew on the first boot: by systemd (machine id), by programs themselves (random seed), or by
//! a unit that is added here (ssh host keys).

use super::unpack::Root;
use model::failure::{Explain as _, Result};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Removed wherever they are: a path, whose last part may begin or end with a star.
const REMOVED: [&str; 39] = [
    // Identity.
    "etc/ssh/ssh_host_*",
    "etc/nvme/hostid",
    "etc/nvme/hostnqn",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "var/lib/urandom/random-seed",
    "var/lib/private",
    "etc/ssl/private/ssl-cert-snakeoil.key",
    "etc/ssl/certs/ssl-cert-snakeoil.pem",
    // Backups of lists that name users, and of databases.
    "etc/passwd-",
    "etc/group-",
    "etc/shadow-",
    "etc/gshadow-",
    "etc/subuid-",
    "etc/subgid-",
    "etc/.pwd.lock",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/available-old",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/statoverride-old",
    "var/lib/dpkg/lock*",
    "var/lib/dpkg/triggers/Lock",
    "var/cache/debconf/*-old",
    // Caches and logs.
    "var/cache/ldconfig/aux-cache",
    "var/cache/apt/*.bin",
    "var/cache/apt/archives/*.deb",
    "var/cache/apt/archives/lock",
    "var/lib/apt/lists/*_*",
    "var/lib/apt/lists/lock",
    "var/cache/man/*",
    "var/log/*.log",
    "var/log/*.err",
    "var/log/apt/*",
    "var/log/journal/*",
    "var/log/installer",
    "var/tmp/*",
    "tmp/*",
    "run/*",
];

/// Logs that programs expect to exist, with their owner and mode.
const EMPTIED: [&str; 4] = ["var/log/wtmp", "var/log/btmp", "var/log/lastlog", "var/log/faillog"];

/// Makes ssh host keys on the first boot of each machine.
const SSH_KEYS_UNIT: &str = "\
[Unit]
Description=ssh host keys of this machine
Before=ssh.service ssh.socket
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
";

/// Scrubs a root.
pub(crate) fn scrub(root: &Path) -> Result<()> {
    for pattern in REMOVED {
        for path in matching(root, pattern) {
            let removed = match path.symlink_metadata() {
                Ok(kind) if kind.is_dir() => std::fs::remove_dir_all(&path),
                _ => std::fs::remove_file(&path),
            };
            removed.or_fail(|| format!("cannot remove {}", path.display()))?;
        }
    }
    for name in EMPTIED.map(|name| root.join(name)) {
        if name.is_file() {
            std::fs::File::options()
                .write(true)
                .truncate(true)
                .open(&name)
                .or_fail(|| format!("cannot empty {}", name.display()))?;
        }
    }
    let open = Root::open(root)?;
    if root.join("etc/machine-id").exists() || root.join("usr/lib/systemd/systemd").exists() {
        // Empty, not absent: machine-id(5) then makes one, without taking the boot for the first of a system
        // whose units are all to be preset.
        open.write(Path::new("etc/machine-id"), b"", 0o444)?;
    }
    if root.join("etc/iscsi/initiatorname.iscsi").exists() {
        open.write(Path::new("etc/iscsi/initiatorname.iscsi"), b"GenerateName=yes\n", 0o600)?;
    }
    if root.join("usr/sbin/sshd").exists() && root.join("usr/lib/systemd/systemd").exists() {
        let unit = "etc/systemd/system/ssh-host-keys.service";
        open.write(Path::new(unit), SSH_KEYS_UNIT.as_bytes(), 0o644)?;
        let wants = "etc/systemd/system/multi-user.target.wants/ssh-host-keys.service";
        open.link(Path::new(wants), &Path::new("/").join(unit))?;
    }
    Ok(())
}

/// Paths that fit a pattern of [`REMOVED`].
fn matching(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let Some((parent, last)) = pattern.rsplit_once('/') else { return Vec::new() };
    let parent = root.join(parent);
    // A folder that is a link leads elsewhere, perhaps out of the root.
    if !parent.symlink_metadata().is_ok_and(|kind| kind.is_dir()) {
        return Vec::new();
    }
    let fits = |name: &str| match last.split_once('*') {
        Some((begin, end)) => {
            name.len() >= begin.len() + end.len() && name.starts_with(begin) && name.ends_with(end)
        }
        None => name == last,
    };
    let entries =
        std::fs::read_dir(&parent).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    entries.filter(|path| path.file_name().is_some_and(|name| fits(&name.to_string_lossy()))).collect()
}

/// Sets every time that is later than `epoch`, seconds since 1970, to it: nothing then tells when it was built.
pub(crate) fn clamp_times(root: &Path, epoch: u64) -> Result<()> {
    let Ok(latest) = i64::try_from(epoch) else { return Ok(()) };
    let time = Timespec { tv_sec: latest, tv_nsec: 0 };
    for path in walk(root)? {
        let clamping = || format!("cannot set the time of {}", path.display());
        let kind = path.symlink_metadata().or_fail(clamping)?;
        if kind.mtime() > latest || (kind.mtime() == latest && kind.mtime_nsec() > 0) {
            let times = Timestamps { last_access: time, last_modification: time };
            utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).or_fail(clamping)?;
        }
    }
    Ok(())
}

/// Every path below a folder and the folder itself, sorted, folders before what is in them.
pub(crate) fn walk(root: &Path) -> Result<Vec<PathBuf>> {
    let mut all = vec![root.to_owned()];
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let reading = || format!("cannot read {}", folder.display());
        for entry in std::fs::read_dir(&folder).or_fail(reading)? {
            let entry = entry.or_fail(reading)?;
            if entry.file_type().or_fail(reading)?.is_dir() {
                open.push(entry.path());
            }
            all.push(entry.path());
        }
    }
    all.sort();
    Ok(all)
}
