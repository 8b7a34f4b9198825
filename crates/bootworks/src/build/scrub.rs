//! Takes out of a root what must not be shared between machines, and what differs from build to build without
//! meaning anything.
//!
//! Identity is made anew on the first boot: by systemd (machine id), by programs themselves (random seed, iSCSI
//! initiator name), or by a unit that is added here where nothing else would ([`REMADE`]).

use super::unpack::Root;
use model::failure::{Explain as _, Result};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Removed wherever they are: a path, whose last part may begin or end with a star.
const REMOVED: [&str; 41] = [
    // Identity.
    "etc/ssh/ssh_host_*",
    "etc/nvme/hostid",
    "etc/nvme/hostnqn",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "var/lib/urandom/random-seed",
    "var/lib/private",
    "var/lib/NetworkManager/secret_key",
    "var/lib/NetworkManager/NetworkManager-intern.conf",
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

/// Identity that was taken out and that no package makes again by itself: a unit does, on the first boot.
#[derive(Clone, Copy, Debug)]
struct Remade {
    /// The program that makes it; a root without it has no use for the unit.
    program: &'static str,
    /// Name of the unit.
    unit: &'static str,
    /// The unit.
    text: &'static str,
}

const REMADE: [Remade; 3] = [
    Remade {
        program: "usr/sbin/sshd",
        unit: "ssh-host-keys.service",
        text: "\
[Unit]
Description=ssh host keys of this machine
Before=ssh.service ssh.socket
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
",
    },
    // nvme-cli makes both in its postinst only. They have to agree: a host that presents one host id under two
    // names, or the other way round, is refused by arrays (NVMe over Fabrics 1.1, 4.3).
    Remade {
        program: "usr/sbin/nvme",
        unit: "nvme-host-id.service",
        text: "\
[Unit]
Description=NVMe host name and host id of this machine
Before=nvmf-autoconnect.service nvmefc-boot-connections.service
ConditionPathExists=!/etc/nvme/hostnqn

[Service]
Type=oneshot
ExecStart=/bin/sh -ec 'umask 022; mkdir -p /etc/nvme; name=$(nvme gen-hostnqn); echo \"$${name##*:}\" >/etc/nvme/hostid; echo \"$$name\" >/etc/nvme/hostnqn'

[Install]
WantedBy=multi-user.target
",
    },
    Remade {
        program: "usr/sbin/make-ssl-cert",
        unit: "ssl-snakeoil.service",
        text: "\
[Unit]
Description=Self-signed certificate of this machine
Before=nginx.service apache2.service postfix.service
ConditionPathExists=!/etc/ssl/private/ssl-cert-snakeoil.key

[Service]
Type=oneshot
ExecStart=/usr/sbin/make-ssl-cert generate-default-snakeoil

[Install]
WantedBy=multi-user.target
",
    },
];

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
    if root.join("usr/lib/systemd/systemd").exists() {
        for made in REMADE.iter().filter(|made| root.join(made.program).exists()) {
            let unit = Path::new("etc/systemd/system").join(made.unit);
            open.write(&unit, made.text.as_bytes(), 0o644)?;
            let wants = Path::new("etc/systemd/system/multi-user.target.wants").join(made.unit);
            open.link(&wants, &Path::new("/").join(unit))?;
        }
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
    let mut all = Vec::new();
    // What was seen and is yet to be looked into, and whether it is a folder: the next one last. Sorting names folder by
    // folder gives the order of whole paths, for a fraction of the comparisons.
    let mut open = vec![(root.to_owned(), true)];
    while let Some((path, is_folder)) = open.pop() {
        if is_folder {
            let reading = || format!("cannot read {}", path.display());
            let mut below = Vec::new();
            for entry in std::fs::read_dir(&path).or_fail(reading)? {
                let entry = entry.or_fail(reading)?;
                below.push((entry.file_name(), entry.file_type().or_fail(reading)?.is_dir()));
            }
            below.sort_unstable_by(|one, other| other.cmp(one));
            open.extend(below.into_iter().map(|(name, is_folder)| (path.join(name), is_folder)));
        }
        all.push(path);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux::process::Child;

    fn put(root: &Path, name: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "secret\n").unwrap();
    }

    /// Two builds of one root are the same bytes because paths have one order, whatever the disk gives them in.
    #[test]
    fn a_walk_is_sorted_as_paths_are() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a-b/x", "a/c/d", "a/c.d", "a.b", "a/c-d", "c/empty/y"] {
            put(folder.path(), name);
        }
        let walked = walk(folder.path()).unwrap();
        let mut sorted = walked.clone();
        sorted.sort();
        assert_eq!(walked, sorted);
        assert_eq!(walked.len(), 13);
    }

    /// Two machines with one identity are one machine to an array, to an ssh client, to a log: nothing of it may
    /// be left, and each must find its own on the first boot.
    #[test]
    fn identity_goes_and_each_machine_makes_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let identity = [
            "etc/nvme/hostid",
            "etc/nvme/hostnqn",
            "etc/ssh/ssh_host_rsa_key",
            "etc/ssh/ssh_host_ed25519_key.pub",
            "etc/ssl/private/ssl-cert-snakeoil.key",
            "var/lib/dbus/machine-id",
            "var/lib/systemd/random-seed",
        ];
        let programs =
            ["usr/sbin/nvme", "usr/sbin/sshd", "usr/sbin/make-ssl-cert", "usr/lib/systemd/systemd"];
        identity.iter().chain(&programs).for_each(|name| put(root, name));
        ["etc/machine-id", "etc/iscsi/initiatorname.iscsi", "etc/ssh/sshd_config"]
            .iter()
            .for_each(|name| put(root, name));
        scrub(root).unwrap();
        for name in identity {
            assert!(!root.join(name).exists(), "{name}");
        }
        let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
        assert_eq!(read("etc/machine-id"), "");
        assert_eq!(read("etc/iscsi/initiatorname.iscsi"), "GenerateName=yes\n");
        assert_eq!(read("etc/ssh/sshd_config"), "secret\n");
        let wanted: Vec<_> = walk(&root.join("etc/systemd/system/multi-user.target.wants")).unwrap();
        let wanted: Vec<_> = wanted.iter().skip(1).filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(wanted, ["nvme-host-id.service", "ssh-host-keys.service", "ssl-snakeoil.service"]);
    }

    /// The words of a unit are read by systemd first and by a shell then; what comes out must be a host id that
    /// agrees with the host name.
    #[test]
    fn the_nvme_unit_writes_a_name_and_an_id_that_agree() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().display().to_string();
        let nvme = "#!/bin/sh\necho nqn.2014-08.org.nvmexpress:uuid:0ddba11c-0000-4000-8000-00000000beef\n";
        std::fs::write(folder.path().join("nvme"), nvme).unwrap();
        Child::at("chmod").args(["+x", &format!("{here}/nvme")]).run().unwrap();
        let unit = REMADE.iter().find(|made| made.program.ends_with("nvme")).unwrap().text;
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/bin/sh -ec '")).unwrap();
        // What systemd makes of it (systemd.service(5), command lines): `$$` is a dollar.
        let script = line.trim_end_matches('\'').replace("$$", "$");
        let script = script.replace("/etc/nvme", &format!("{here}/etc"));
        Child::at("sh").env("PATH", format!("{here}:/usr/bin:/bin")).args(["-ec", &script]).run().unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join("etc").join(name)).unwrap();
        assert_eq!(read("hostid"), "0ddba11c-0000-4000-8000-00000000beef\n");
        assert!(read("hostnqn").ends_with(&format!("uuid:{}", read("hostid"))));
    }
}
