//! A changed copy of a tree that costs what the changes cost: an overlay is mounted for the time of the changes,
//! in a mount namespace of its own, and what they left is then read from the upper folder.
//!
//! ```text
//! lower (stays as it is) + upper (gets the changes) ─▶ at, seen by `change` and its children only
//! ```

use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::UnshareFlags;
use std::ffi::CString;
use std::path::Path;

/// Attributes that the overlay keeps its own notes in (Documentation/filesystems/overlayfs.rst).
const NOTES: &str = "trusted.overlay.";

/// The folders of an overlay; `upper` and `work` are empty and on one file system.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    /// What is below and stays as it is.
    pub lower: &'a Path,
    /// What gets the changes.
    pub upper: &'a Path,
    /// What the kernel needs beside `upper`.
    pub work: &'a Path,
    /// Where `change` finds the whole.
    pub at: &'a Path,
}

/// Lets `change` work on the tree at [`Layers::at`], and gives what it returned. The mount is gone afterwards, also
/// when this program is killed meanwhile.
///
/// Errors: the overlay cannot be mounted, for example because `upper` is on an overlay itself; nothing has been
/// changed then.
pub fn change<T: Send>(layers: Layers<'_>, change: impl FnOnce() -> T + Send) -> Result<T, Errno> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            mount_apart(layers)?;
            Ok(change())
        });
        match worker.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Gives this thread, and what it starts, mounts of its own with the overlay among them.
fn mount_apart(layers: Layers<'_>) -> Result<(), Errno> {
    // SAFETY: the thread shares no memory-unsafe state by its mounts; no file descriptor is touched.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS)? };
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    // `volatile`: nothing of it is used before whoever wants it on the disk has synchronised that disk, and dpkg
    // asks for it after each package.
    let mut options = b"index=off,metacopy=off,redirect_dir=off,volatile".to_vec();
    for (name, path) in [("lowerdir", layers.lower), ("upperdir", layers.upper), ("workdir", layers.work)] {
        options.extend_from_slice(format!(",{name}=").as_bytes());
        for byte in std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()) {
            if matches!(byte, b',' | b':' | b'\\') {
                options.push(b'\\');
            }
            options.push(*byte);
        }
    }
    let options = CString::new(options).map_err(|_| Errno::INVAL)?;
    mount("overlay", layers.at, "overlay", MountFlags::empty(), options.as_c_str())
}

/// What the upper folder says of a path of the lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: as it is below.
    None,
    /// It is gone.
    Gone,
    /// There is this in its place.
    Replaced,
    /// A folder that is also below: what is below of it shows through.
    Merged,
}

/// Reads what the upper folder says of the path `upper` in it.
pub fn change_of(upper: &Path) -> Result<Change, Errno> {
    let kind = match statat(rustix::fs::CWD, upper, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(kind) => kind,
        Err(Errno::NOENT) => return Ok(Change::None),
        Err(error) => return Err(error),
    };
    match FileType::from_raw_mode(kind.st_mode) {
        FileType::CharacterDevice if kind.st_rdev == 0 => Ok(Change::Gone),
        FileType::Directory => {
            let mut value = [0; 1];
            let opaque = rustix::fs::lgetxattr(upper, format!("{NOTES}opaque"), &mut value[..]);
            Ok(if opaque == Ok(1) && value == *b"y" { Change::Replaced } else { Change::Merged })
        }
        _ => Ok(Change::Replaced),
    }
}

/// Names of the extended attributes of a path, without the overlay's own; links are not followed.
pub fn attributes(path: &Path) -> Result<Vec<String>, Errno> {
    let mut names = vec![0; 1 << 16];
    let length = match rustix::fs::llistxattr(path, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let names = names.map(|name| String::from_utf8_lossy(name).into_owned());
    Ok(names.filter(|name| !name.starts_with(NOTES)).collect())
}

/// Takes the overlay's own notes off a path of the upper folder.
pub fn forget(path: &Path) -> Result<(), Errno> {
    for name in ["origin", "opaque", "impure", "nlink", "upper", "uuid"] {
        match rustix::fs::lremovexattr(path, format!("{NOTES}{name}")) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lower tree is a store that other builds rely on: whatever is done on top of it must not reach it, and
    /// all of it must be readable from the upper folder.
    #[test]
    fn system_changes_stay_above() {
        if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
            eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root)");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let here = |name: &str| folder.path().join(name);
        for name in ["lower, one:two", "upper", "work", "at", "lower, one:two/folder", "lower, one:two/gone"]
        {
            std::fs::create_dir(here(name)).unwrap();
        }
        let lower = here("lower, one:two");
        for name in ["kept", "changed", "removed", "folder/a", "gone/b"] {
            std::fs::write(lower.join(name), "old").unwrap();
        }
        let (upper, work, at) = (here("upper"), here("work"), here("at"));
        let layers = Layers { lower: &lower, upper: &upper, work: &work, at: &at };
        let seen = change(layers, || {
            std::fs::write(at.join("changed"), "new").unwrap();
            std::fs::remove_file(at.join("removed")).unwrap();
            std::fs::remove_dir_all(at.join("gone")).unwrap();
            std::fs::create_dir(at.join("gone")).unwrap();
            std::fs::write(at.join("folder/c"), "").unwrap();
            std::fs::read_dir(at.join("folder")).unwrap().count()
        });
        assert_eq!(seen, Ok(2));
        assert_eq!(std::fs::read_dir(&at).unwrap().count(), 0, "the mount is gone");
        let of = |name: &str| change_of(&upper.join(name)).unwrap();
        assert_eq!((of("kept"), of("changed")), (Change::None, Change::Replaced));
        assert_eq!(
            (of("removed"), of("gone"), of("folder")),
            (Change::Gone, Change::Replaced, Change::Merged)
        );
        for name in ["kept", "changed", "removed", "folder/a", "gone/b"] {
            assert_eq!(std::fs::read_to_string(lower.join(name)).unwrap(), "old", "{name}");
        }
        forget(&upper.join("changed")).unwrap();
        assert_eq!(attributes(&upper.join("changed")).unwrap(), Vec::<String>::new());
    }
}
