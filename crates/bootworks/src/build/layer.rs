//! A tree on top of a finished one: what has not changed is shared with it (a hard link each), what has changed is
//! its own. The finished one is the store's and other builds rely on it, so nothing is ever written through it.
//!
//! Where an overlay cannot be mounted, or the store is on another file system, files are copied instead; the
//! outcome is the same tree.

use super::scrub::walk;
use super::store::{digest, digest_file};
use linux::overlay::{self, Change, Layers};
use model::failure::{Explain as _, Failure, Result};
use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Makes the tree `to`, which is not there yet: the tree `base` as `change` leaves it, which gets a folder to work in.
pub(crate) fn changed<T: Send>(
    base: &Path,
    to: &Path,
    change: impl FnOnce(&Path) -> Result<T> + Send,
) -> Result<T> {
    let beside = Beside::make(base, to)?;
    let mut joining = Joining::default();
    let outcome = match beside.change(base, change)? {
        Ok(outcome) => {
            joining.join(Some(base), Some(&beside.upper), to)?;
            outcome
        }
        Err(change) => {
            joining.copies = true;
            joining.join(Some(base), None, to)?;
            change(to)?
        }
    };
    beside.remove()?;
    Ok(outcome)
}

/// Changes `tree`, whose files are names of files that others rely on: what `change` touches becomes its own.
pub(crate) fn changed_in_place<T: Send>(
    tree: &Path,
    change: impl FnOnce(&Path) -> Result<T> + Send,
) -> Result<T> {
    let beside = Beside::make(tree, tree)?;
    let outcome = match beside.change(tree, change)? {
        Ok(outcome) => {
            merge(&beside.upper, tree)?;
            outcome
        }
        Err(change) => {
            own_all(tree)?;
            change(tree)?
        }
    };
    beside.remove()?;
    Ok(outcome)
}

/// The folders of an overlay, beside the tree that it is for.
struct Beside {
    upper: PathBuf,
    work: PathBuf,
    at: PathBuf,
}

impl Beside {
    fn make(lower: &Path, beside: &Path) -> Result<Beside> {
        let folder = |name: &str| {
            let path = beside.with_extension(name);
            std::fs::create_dir(&path).or_fail(|| format!("cannot make {}", path.display()))?;
            Ok::<_, Failure>(path)
        };
        let (upper, work, at) = (folder("upper")?, folder("work")?, folder("at")?);
        let root = lower.symlink_metadata().or_fail(|| format!("cannot read {}", lower.display()))?;
        like(&upper, lower, &root).or_fail(|| format!("cannot prepare {}", upper.display()))?;
        Ok(Beside { upper, work, at })
    }

    /// What `change` gives that was carried out on top of `lower`, or `change` itself where nothing can be mounted.
    fn change<T: Send, C: FnOnce(&Path) -> Result<T> + Send>(
        &self,
        lower: &Path,
        change: C,
    ) -> Result<std::result::Result<T, C>> {
        let layers = Layers { lower, upper: &self.upper, work: &self.work, at: &self.at };
        // Whoever cannot mount gets the change back undone, to do it on a copy.
        let mut change = Some(change);
        let outcome = overlay::change(layers, || change.take().map(|change| change(&self.at)));
        match (outcome, change) {
            (Ok(Some(outcome)), _) => outcome.map(Ok),
            (_, Some(change)) => Ok(Err(change)),
            (_, None) => Err(Failure::new(format!("cannot change {}", lower.display()))),
        }
    }

    fn remove(self) -> Result<()> {
        for folder in [&self.upper, &self.work, &self.at] {
            std::fs::remove_dir_all(folder).or_fail(|| format!("cannot remove {}", folder.display()))?;
        }
        Ok(())
    }
}

/// Carries the changes of an upper folder out on the tree that was below.
fn merge(upper: &Path, tree: &Path) -> Result<()> {
    let merging = || format!("cannot change {}", tree.display());
    // Read now: what is moved out of the upper folder changes its time.
    let kind = upper.symlink_metadata().or_fail(merging)?;
    let entries = std::fs::read_dir(upper).or_fail(merging)?.collect::<std::io::Result<Vec<_>>>();
    for entry in entries.or_fail(merging)? {
        let (from, to) = (entry.path(), tree.join(entry.file_name()));
        let merging = || format!("cannot change {}", to.display());
        match overlay::change_of(&from).or_fail(merging)? {
            Change::None => {}
            Change::Gone => remove(&to).or_fail(merging)?,
            Change::Merged if to.symlink_metadata().is_ok_and(|kind| kind.is_dir()) => merge(&from, &to)?,
            Change::Merged | Change::Replaced => {
                remove(&to).or_fail(merging)?;
                if from.symlink_metadata().is_ok_and(|kind| kind.is_dir()) {
                    Joining::default().join(None, Some(&from), &to)?;
                } else {
                    overlay::forget(&from).or_fail(merging)?;
                    std::fs::rename(&from, &to).or_fail(merging)?;
                }
            }
        }
    }
    like(tree, upper, &kind).or_fail(merging)
}

/// Removes whatever has a name; nothing may have it.
fn remove(path: &Path) -> std::io::Result<()> {
    match path.symlink_metadata() {
        Ok(kind) if kind.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes each file of a tree its own: what others have a name of is copied.
fn own_all(tree: &Path) -> Result<()> {
    let mut copied: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let mut folders = Vec::new();
    for path in walk(tree)? {
        let copying = || format!("cannot copy {}", path.display());
        let kind = path.symlink_metadata().or_fail(copying)?;
        if kind.is_dir() {
            folders.push((path, kind));
            continue;
        }
        if kind.nlink() < 2 {
            continue;
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".copy");
        let copy_path = path.with_file_name(name);
        match copied.get(&(kind.dev(), kind.ino())) {
            Some(first) => std::fs::hard_link(first, &copy_path).or_fail(copying)?,
            None => copy(&path, &copy_path).or_fail(copying)?,
        }
        std::fs::rename(&copy_path, &path).or_fail(copying)?;
        copied.entry((kind.dev(), kind.ino())).or_insert(path);
    }
    // Filling a folder has changed its time.
    folders.iter().try_for_each(|(path, kind)| {
        like(path, path, kind).or_fail(|| format!("cannot restore {}", path.display()))
    })
}

/// Copies a file, a link or a device with everything that it has.
pub(crate) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let kind = from.symlink_metadata()?;
    if kind.is_symlink() {
        std::os::unix::fs::symlink(std::fs::read_link(from)?, to)?;
    } else if kind.is_file() {
        std::fs::copy(from, to)?;
    } else {
        let node = rustix::fs::FileType::from_raw_mode(kind.mode());
        rustix::fs::mknodat(CWD, to, node, Mode::from_raw_mode(0o600), kind.rdev())?;
    }
    like(to, from, &kind)
}

/// The files of `tree`, relative to it, whose content is not that of the same path of `base`.
pub(crate) fn own_files(base: &Path, tree: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut own = BTreeSet::new();
    for path in walk(tree)? {
        let reading = || format!("cannot read {}", path.display());
        let kind = path.symlink_metadata().or_fail(reading)?;
        let name = path.strip_prefix(tree).unwrap_or(&path);
        if kind.is_file() && !is_same(&kind, &path, &base.join(name)).or_fail(reading)? {
            own.insert(name.to_owned());
        }
    }
    Ok(own)
}

/// What is different below some folders of two trees, as one digest; the same for two trees that are alike there.
/// Paths that do not pass are left out.
pub(crate) fn digest_of_changes(
    base: &Path,
    tree: &Path,
    folders: &[&str],
    pass: impl Fn(&Path) -> bool,
) -> Result<String> {
    let mut text = String::new();
    for folder in folders {
        let mut names = BTreeSet::new();
        for root in [base, tree] {
            let folder = root.join(folder);
            if folder.symlink_metadata().is_ok_and(|kind| kind.is_dir()) {
                names.extend(
                    walk(&folder)?.iter().filter_map(|path| Some(path.strip_prefix(root).ok()?.to_owned())),
                );
            }
        }
        for name in names.into_iter().filter(|name: &PathBuf| pass(name)) {
            let path = tree.join(&name);
            let reading = || format!("cannot read {}", path.display());
            let piece = match path.symlink_metadata() {
                Err(_) => "gone".to_owned(),
                Ok(kind) if kind.is_dir() => continue,
                Ok(kind) if kind.is_symlink() => {
                    let target = std::fs::read_link(&path).or_fail(reading)?;
                    if std::fs::read_link(base.join(&name)).is_ok_and(|known| known == target) {
                        continue;
                    }
                    format!("-> {}", target.display())
                }
                Ok(kind) if !kind.is_file() => format!("node {:o}", kind.mode()),
                Ok(kind) => {
                    let known = base.join(&name).symlink_metadata();
                    let is_alike = known.is_ok_and(|known| known.mode() == kind.mode());
                    if is_alike && is_same(&kind, &path, &base.join(&name)).or_fail(reading)? {
                        continue;
                    }
                    format!("{:o} {}", kind.mode(), digest_file(&path)?.0)
                }
            };
            text += &format!("{} {piece}\n", name.display());
        }
    }
    Ok(digest(text))
}

/// Whether a file has the content of another, which need not be there.
fn is_same(kind: &Metadata, path: &Path, other: &Path) -> std::io::Result<bool> {
    let Ok(known) = other.symlink_metadata() else { return Ok(false) };
    if (known.dev(), known.ino()) == (kind.dev(), kind.ino()) {
        return Ok(true);
    }
    Ok(known.is_file() && known.len() == kind.len() && std::fs::read(path)? == std::fs::read(other)?)
}

/// Puts a tree together.
#[derive(Debug, Default)]
struct Joining {
    /// Whether the files of the lower tree are copied even where they could be shared.
    copies: bool,
    /// Where the first name of a copied file with several names went.
    copied: HashMap<(u64, u64), PathBuf>,
}

impl Joining {
    /// Makes the folder `to` out of a folder of the lower tree and one of the upper folder; at least one is given.
    fn join(&mut self, base: Option<&Path>, upper: Option<&Path>, to: &Path) -> Result<()> {
        let joining = || format!("cannot make {}", to.display());
        std::fs::create_dir(to).or_fail(joining)?;
        // Read now: what is moved out of the upper folder changes its time.
        let like_which = upper.or(base).map(|from| from.symlink_metadata().map(|kind| (from, kind)));
        let like_which = like_which.transpose().or_fail(joining)?;
        let mut names: BTreeSet<OsString> = BTreeSet::new();
        for folder in base.iter().chain(upper.iter()) {
            let reading = || format!("cannot read {}", folder.display());
            for entry in std::fs::read_dir(folder).or_fail(reading)? {
                names.insert(entry.or_fail(reading)?.file_name());
            }
        }
        for name in &names {
            let below = |folder: Option<&Path>| folder.map(|folder| folder.join(name));
            let (base, upper) = (below(base), below(upper));
            self.join_one(base.as_deref(), upper.as_deref(), &to.join(name))?;
        }
        // The folder's own attributes last: filling it has changed its time.
        if let Some((from, kind)) = like_which {
            like(to, from, &kind).or_fail(joining)?;
        }
        Ok(())
    }

    fn join_one(&mut self, base: Option<&Path>, upper: Option<&Path>, to: &Path) -> Result<()> {
        let joining = || format!("cannot make {}", to.display());
        let change = upper.map_or(Ok(Change::None), overlay::change_of).or_fail(joining)?;
        let is_folder = |path: Option<&Path>| {
            path.is_some_and(|path| path.symlink_metadata().is_ok_and(|kind| kind.is_dir()))
        };
        match (change, upper, base) {
            (Change::Gone, _, _) => Ok(()),
            (Change::None, _, Some(base)) if is_folder(Some(base)) => self.join(Some(base), None, to),
            (Change::None, _, Some(base)) => self.share(base, to).or_fail(joining),
            (Change::Merged, upper, base) => self.join(base.filter(|base| is_folder(Some(base))), upper, to),
            (Change::Replaced, Some(upper), _) if is_folder(Some(upper)) => self.join(None, Some(upper), to),
            (Change::Replaced, Some(upper), _) => {
                overlay::forget(upper).or_fail(joining)?;
                std::fs::rename(upper, to).or_fail(joining)
            }
            (Change::None | Change::Replaced, _, _) => Ok(()),
        }
    }

    /// Gives a file of the lower tree a name here as well, or copies it where that cannot be.
    fn share(&mut self, base: &Path, to: &Path) -> std::io::Result<()> {
        if !self.copies {
            match rustix::fs::linkat(CWD, base, CWD, to, AtFlags::empty()) {
                Ok(()) => return Ok(()),
                Err(Errno::XDEV | Errno::MLINK | Errno::PERM) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let kind = base.symlink_metadata()?;
        if kind.nlink() > 1 {
            if let Some(first) = self.copied.get(&(kind.dev(), kind.ino())) {
                return std::fs::hard_link(first, to);
            }
            self.copied.insert((kind.dev(), kind.ino()), to.to_owned());
        }
        copy(base, to)
    }
}

/// Gives `to` the owner, permission bits, extended attributes and time of `from`; links are not followed.
fn like(to: &Path, from: &Path, kind: &Metadata) -> std::io::Result<()> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let (user, group) = (Uid::from_raw(kind.uid()), Gid::from_raw(kind.gid()));
    rustix::fs::chownat(CWD, to, Some(user), Some(group), flags)?;
    if !kind.is_symlink() {
        rustix::fs::chmodat(CWD, to, Mode::from_raw_mode(kind.mode() & 0o7777), AtFlags::empty())?;
        for name in overlay::attributes(from)? {
            let mut value = vec![0; 1 << 16];
            let length = rustix::fs::lgetxattr(from, &name, &mut value[..])?;
            rustix::fs::lsetxattr(to, &name, &value[..length], XattrFlags::empty())?;
        }
    }
    let time = Timespec { tv_sec: kind.mtime(), tv_nsec: kind.mtime_nsec() };
    rustix::fs::utimensat(CWD, to, &Timestamps { last_access: time, last_modification: time }, flags)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    /// The tree as text: kind, mode, time, path, content.
    fn listing(root: &Path) -> String {
        let mut text = String::new();
        for path in super::super::scrub::walk(root).unwrap() {
            let kind = path.symlink_metadata().unwrap();
            let content = match std::fs::read_link(&path) {
                Ok(target) => format!("-> {}", target.display()),
                Err(_) => std::fs::read_to_string(&path).unwrap_or_default(),
            };
            let name = path.strip_prefix(root).unwrap().display().to_string();
            text += &format!("{:o} {} {name} {content}\n", kind.mode(), kind.mtime());
        }
        text
    }

    fn base(folder: &Path) -> PathBuf {
        let base = folder.join("base");
        std::fs::create_dir_all(base.join("etc/old")).unwrap();
        std::fs::create_dir_all(base.join("usr/bin")).unwrap();
        for (name, content) in [("etc/kept", "kept"), ("etc/old/x", "x"), ("usr/bin/one", "1"), ("gone", "")]
        {
            std::fs::write(base.join(name), content).unwrap();
        }
        std::fs::hard_link(base.join("usr/bin/one"), base.join("usr/bin/two")).unwrap();
        symlink("kept", base.join("etc/link")).unwrap();
        std::fs::set_permissions(base.join("usr/bin/one"), std::fs::Permissions::from_mode(0o4755)).unwrap();
        super::super::scrub::clamp_times(&base, 1_000_000_000).unwrap();
        base
    }

    fn edit(root: &Path) -> Result<()> {
        std::fs::write(root.join("etc/kept"), "changed").unwrap();
        std::fs::write(root.join("etc/new"), "new").unwrap();
        std::fs::remove_file(root.join("gone")).unwrap();
        std::fs::remove_dir_all(root.join("etc/old")).unwrap();
        symlink("/nowhere", root.join("etc/old")).unwrap();
        super::super::scrub::clamp_times(root, 1_000_000_001)
    }

    /// A build on a host without overlays must give the same bytes as on one that has them, and neither may
    /// touch what it is built on.
    #[test]
    fn system_a_tree_is_the_same_by_overlay_and_by_copy() {
        if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
            eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root)");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let base = base(folder.path());
        let before = listing(&base);
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        changed(&base, &one, edit).unwrap();
        let mut copying = Joining { copies: true, ..Joining::default() };
        copying.join(Some(&base), None, &two).unwrap();
        edit(&two).unwrap();
        assert_eq!(listing(&base), before);
        assert_eq!(listing(&one), listing(&two));
        let own: Vec<_> = own_files(&base, &two).unwrap().into_iter().collect();
        assert_eq!(own, [Path::new("etc/kept"), Path::new("etc/new")]);
        assert_eq!(own_files(&base, &one).unwrap(), own_files(&base, &two).unwrap());
        let changes = |tree: &Path| digest_of_changes(&base, tree, &["etc", "nowhere"], |_| true).unwrap();
        assert_eq!(changes(&one), changes(&two));
        assert_eq!(changes(&base), digest(""));
        assert_ne!(changes(&one), changes(&base));
        assert_eq!(digest_of_changes(&base, &one, &["usr"], |_| true).unwrap(), digest(""));
        for make in [changed_in_place::<()>, |tree: &Path, change: fn(&Path) -> Result<()>| {
            own_all(tree)?;
            change(tree)
        }] {
            let shared = folder.path().join("shared");
            Joining::default().join(Some(&base), None, &shared).unwrap();
            make(&shared, edit).unwrap();
            assert_eq!(listing(&base), before);
            assert_eq!(listing(&shared), listing(&one));
            std::fs::remove_dir_all(&shared).unwrap();
        }
        let inode = |root: &Path, name: &str| root.join(name).metadata().unwrap().ino();
        assert_eq!(inode(&one, "usr/bin/one"), inode(&base, "usr/bin/one"), "shared");
        assert_eq!(inode(&two, "usr/bin/one"), inode(&two, "usr/bin/two"), "still one file");
        assert_ne!(inode(&two, "usr/bin/one"), inode(&base, "usr/bin/one"), "copied");
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 3, "nothing stays beside the trees");
    }
}
