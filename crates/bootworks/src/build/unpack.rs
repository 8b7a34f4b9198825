//! Puts packages into a root, each file with its owner, mode, times and attributes, and none outside of the root.
//! A file is unpacked once, into the store; roots have further names of it.
//!
//! What dpkg does when two packages have the same file is done here too: the one that `Replaces` the other wins.

use super::layer;
use super::package::Opened;
use super::store::Store;
use super::unpacked::{self, Entry, FolderEntry, Kept};
use model::failure::{Explain as _, Failure, Result};
use rustix::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// A root that packages are unpacked into.
#[derive(Debug)]
pub(crate) struct Root {
    folder: OwnedFd,
}

/// What the packages claim.
#[derive(Debug, Default)]
struct Claims {
    /// Which package has a path first.
    owners: HashMap<PathBuf, usize>,
    /// Mode, owner and time of folders: of all packages that have one, those of the first.
    folders: BTreeMap<PathBuf, FolderEntry>,
    /// Paths that a further package has too.
    contested: Vec<(PathBuf, usize)>,
}

/// Paths of each package, absolute, in the package's order: what dpkg's `.list` files hold.
pub(crate) type Lists = Vec<Vec<PathBuf>>;

/// Puts the files of all packages into the folder `root`. They are names of the files that the store has: nothing
/// may be written through them. `replaces` says whether the package of the first index may overwrite a file of
/// the second's. The order of `packages` decides whose folders' modes hold.
pub(crate) fn unpack(
    root: &Path,
    packages: &[Opened],
    replaces: &(dyn Fn(usize, usize) -> bool + Sync),
    store: &Store,
) -> Result<Lists> {
    let root = Root::open(root)?;
    let kept = unpacked::keep(packages, store)?;
    let mut claims = Claims::default();
    let mut lists: Lists = Vec::new();
    for (rank, (opened, kept)) in packages.iter().zip(&kept).enumerate() {
        let files = Root::open(&kept.files())?;
        let mut parents = Parents::default();
        let mut from = Parents::default();
        for entry in &kept.list {
            let path = &entry.path;
            let first = claims.take(entry, rank);
            let placed = match &entry.folder {
                Some(_) => root.make_folder(path, &mut parents),
                None if first => root.share(&files, path, &mut from, &mut parents),
                None => Ok(()),
            };
            placed
                .or_fail(|| format!("cannot write /{}", path.display()))
                .map_err(|failure| failure.doing(format!("putting {} into the root", opened.package.name)))?;
        }
        lists.push(kept.list.iter().map(|entry| entry.path.clone()).collect());
    }
    settle(&root, packages, &kept, &claims, &mut lists, replaces)?;
    for (path, folder) in &claims.folders {
        root.finish_folder(path, folder)
            .or_fail(|| format!("cannot finish the folder /{}", path.display()))?;
    }
    Ok(lists)
}

impl Claims {
    /// Notes that a package has a path; says whether it is the first and may write it.
    fn take(&mut self, entry: &Entry, rank: usize) -> bool {
        if let Some(folder) = entry.folder {
            self.folders.entry(entry.path.clone()).or_insert(folder);
            return true;
        }
        if self.owners.contains_key(&entry.path) {
            self.contested.push((entry.path.clone(), rank));
            return false;
        }
        self.owners.insert(entry.path.clone(), rank);
        true
    }
}

/// Gives each path that several packages have to the one that replaces the others, in the packages' order.
fn settle(
    root: &Root,
    packages: &[Opened],
    kept: &[Kept],
    claims: &Claims,
    lists: &mut Lists,
    replaces: &dyn Fn(usize, usize) -> bool,
) -> Result<()> {
    let name = |rank: usize| packages.get(rank).map_or("", |opened| opened.package.name.as_str());
    let mut claimants: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
    for (path, rank) in &claims.contested {
        let owner = claims.owners.get(path).copied();
        let all = claimants.entry(path).or_insert_with(|| owner.into_iter().collect());
        all.push(*rank);
    }
    for (path, mut all) in claimants {
        all.sort_unstable();
        all.dedup();
        let over = |rank: &usize| all.iter().all(|other| rank == other || replaces(*rank, *other));
        let Some(&winner) = all.iter().find(|rank| over(rank)) else {
            let names: Vec<&str> = all.iter().map(|rank| name(*rank)).collect();
            return Err(Failure::new(format!(
                "{} have the same file /{}",
                names.join(" and "),
                path.display()
            ))
            .because("none of them says `Replaces` of the other"));
        };
        for rank in all.iter().filter(|rank| **rank != winner) {
            if let Some(list) = lists.get_mut(*rank) {
                list.retain(|listed| listed != path);
            }
        }
        if let Some(kept) = kept.get(winner) {
            root.replace(&Root::open(&kept.files())?, path)
                .or_fail(|| format!("cannot write /{}", path.display()))?;
        }
    }
    Ok(())
}

impl Root {
    /// Opens the root's folder.
    pub(crate) fn open(path: &Path) -> Result<Root> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH;
        let folder = rustix::fs::open(path, flags, Mode::empty())
            .or_fail(|| format!("cannot open {}", path.display()))?;
        Ok(Root { folder })
    }

    /// Unpacks a package's archive into this folder and gives what it has, in its order.
    pub(crate) fn unpack<R: Read>(&self, archive: &mut tar::Archive<R>) -> Result<Vec<Entry>> {
        let broken = || "its files cannot be read".to_owned();
        let mut list = Vec::new();
        let mut parents = Parents::default();
        for entry in archive.entries().or_fail(broken)? {
            let mut entry = entry.or_fail(broken)?;
            let path = inside(&entry.path().or_fail(broken)?)?;
            let header = entry.header();
            let folder = header.entry_type().is_dir().then(|| folder_of(header)).transpose()?;
            self.place(&mut entry, &path, &mut parents)
                .map_err(|failure| failure.doing(format!("writing /{}", path.display())))?;
            list.push(Entry { path, folder });
        }
        Ok(list)
    }

    /// Makes a folder. It may be there: another package has it too, or it is a link to a folder, as `/bin` is.
    fn make_folder(&self, path: &Path, parents: &mut Parents) -> Result<(), Errno> {
        let Some((parent, name)) = split(path) else { return Ok(()) };
        match rustix::fs::mkdirat(self.parent(parent, parents)?, name, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) => Ok(()),
            other => other,
        }
    }

    /// Gives a file of the folder `from` its name here as well; where the file system cannot, it is copied.
    fn share(
        &self,
        from: &Root,
        path: &Path,
        its_parents: &mut Parents,
        parents: &mut Parents,
    ) -> Result<(), Errno> {
        let (parent, name) = split(path).ok_or(Errno::INVAL)?;
        let theirs = from.parent(parent, its_parents)?;
        let ours = self.parent(parent, parents)?;
        match rustix::fs::linkat(theirs, name, ours, name, AtFlags::empty()) {
            // Debian 13's base-files has the links into `/usr` that every root begins with here.
            Err(Errno::EXIST) if same_link(theirs, ours, name) => Ok(()),
            Err(Errno::XDEV | Errno::MLINK | Errno::PERM) => {
                let at = |folder: BorrowedFd<'_>| {
                    Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name)
                };
                layer::copy(&at(theirs), &at(ours))
                    .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
            }
            other => other,
        }
    }

    /// Gives a path to the file that the folder `from` has there.
    fn replace(&self, from: &Root, path: &Path) -> Result<(), Errno> {
        let (mut parents, mut its_parents) = (Parents::default(), Parents::default());
        let (parent, name) = split(path).ok_or(Errno::INVAL)?;
        rustix::fs::unlinkat(self.parent(parent, &mut parents)?, name, AtFlags::empty())?;
        self.share(from, path, &mut its_parents, &mut parents)
    }

    fn place<R: Read>(
        &self,
        entry: &mut tar::Entry<'_, R>,
        path: &Path,
        parents: &mut Parents,
    ) -> Result<()> {
        let Some((parent, name)) = split(path) else { return Ok(()) };
        let wrong = || "the archive's header is wrong".to_owned();
        let header = entry.header().clone();
        let mode = Mode::from_raw_mode(header.mode().or_fail(wrong)? & 0o7777);
        let cannot = || "cannot write it".to_owned();
        let folder = self.parent(parent, parents).or_fail(cannot)?;
        let kind = header.entry_type();
        if kind.is_dir() {
            return match rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(0o755)) {
                // Another package has it too, or it is a link to a folder, as `/bin` is.
                Ok(()) | Err(Errno::EXIST) => Ok(()),
                Err(error) => Err(error).or_fail(cannot),
            };
        }
        if kind.is_hard_link() {
            let target = entry.link_name().or_fail(wrong)?.ok_or_else(|| Failure::new(wrong()))?;
            let target = inside(&target)?;
            let (target_parent, target_name) = split(&target).ok_or_else(|| Failure::new(wrong()))?;
            let from = self.walk(target_parent).or_fail(cannot)?;
            return rustix::fs::linkat(from, target_name, folder, name, AtFlags::empty()).or_fail(cannot);
        }
        let file = match kind {
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                Some(write_file(entry, folder, name).or_fail(cannot)?)
            }
            tar::EntryType::Symlink => {
                let target = entry.link_name_bytes().ok_or_else(|| Failure::new(wrong()))?;
                rustix::fs::symlinkat(&*target, folder, name).or_fail(cannot)?;
                None
            }
            tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::Fifo => {
                make_node(folder, name, &header).or_fail(cannot)?;
                None
            }
            other => {
                return Err(Failure::new(format!("the archive has an entry of an unknown kind, {other:?}")));
            }
        };
        let (uid, gid) = owner(&header)?;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::chownat(folder, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), flags)
            .or_fail(cannot)?;
        if let Some(file) = &file {
            // After the owner: changing that clears set-user-ID and capabilities.
            rustix::fs::fchmod(file, mode).or_fail(cannot)?;
            attributes(entry, file)?;
        } else if kind != tar::EntryType::Symlink {
            rustix::fs::chmodat(folder, name, mode, AtFlags::empty()).or_fail(cannot)?;
        }
        let times = times(header.mtime().or_fail(wrong)?);
        rustix::fs::utimensat(folder, name, &times, flags).or_fail(cannot)
    }

    /// The folder that a path is in, made if need be.
    fn parent<'a>(&'a self, path: &Path, parents: &'a mut Parents) -> Result<BorrowedFd<'a>, Errno> {
        if path.as_os_str().is_empty() {
            return Ok(self.folder.as_fd());
        }
        // Archives go folder by folder: the last one is nearly always the next one.
        if !matches!(&parents.last, Some((last, _)) if last == path) {
            let folder = match self.walk(path) {
                Err(Errno::NOENT) => {
                    self.make(path)?;
                    self.walk(path)?
                }
                other => other?,
            };
            parents.last = Some((path.to_owned(), folder));
        }
        match &parents.last {
            Some((_, folder)) => Ok(folder.as_fd()),
            None => Err(Errno::NOENT),
        }
    }

    fn make(&self, path: &Path) -> Result<(), Errno> {
        let mut made = PathBuf::new();
        for part in path.components() {
            let above = self.walk(&made)?;
            match rustix::fs::mkdirat(&above, part.as_os_str(), Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            made.push(part);
        }
        Ok(())
    }

    /// Opens a folder of the root. Links are followed as if the root were `/`, so that none leads out of it.
    fn walk(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH;
        rustix::fs::openat2(
            &self.folder,
            path,
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
    }

    /// Writes a file, in place of whatever has its name; folders above it are made.
    pub(crate) fn write(&self, path: &Path, content: &[u8], mode: u32) -> Result<()> {
        let path = inside(path)?;
        let writing = || format!("cannot write /{} in the root", path.display());
        let (parent, name) = split(&path).ok_or_else(|| Failure::new(writing()))?;
        let mut parents = Parents::default();
        let folder = self.parent(parent, &mut parents).or_fail(writing)?;
        // A new file, not new content: the old one may be a link that leads elsewhere.
        let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(0o600)).or_fail(writing)?;
        let mut file = std::fs::File::from(file);
        file.write_all(content).or_fail(writing)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o7777)).or_fail(writing)
    }

    /// Makes a symbolic link, in place of whatever has its name; folders above it are made.
    pub(crate) fn link(&self, path: &Path, target: &Path) -> Result<()> {
        let path = inside(path)?;
        let writing = || format!("cannot make the link /{} in the root", path.display());
        let (parent, name) = split(&path).ok_or_else(|| Failure::new(writing()))?;
        let mut parents = Parents::default();
        let folder = self.parent(parent, &mut parents).or_fail(writing)?;
        let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
        rustix::fs::symlinkat(target, folder, name).or_fail(writing)
    }

    fn finish_folder(&self, path: &Path, folder: &FolderEntry) -> Result<(), Errno> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let name = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let open = rustix::fs::openat2(&self.folder, name, flags, Mode::empty(), ResolveFlags::IN_ROOT)?;
        let (uid, gid) = folder.owner;
        rustix::fs::fchown(&open, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        rustix::fs::fchmod(&open, Mode::from_raw_mode(folder.mode & 0o7777))?;
        rustix::fs::futimens(&open, &times(folder.time))
    }
}

/// The folder that was last written into.
#[derive(Debug, Default)]
struct Parents {
    last: Option<(PathBuf, OwnedFd)>,
}

fn folder_of(header: &tar::Header) -> Result<FolderEntry> {
    let wrong = || "the archive's header is wrong".to_owned();
    let (mode, time) = (header.mode().or_fail(wrong)?, header.mtime().or_fail(wrong)?);
    Ok(FolderEntry { mode, owner: owner(header)?, time })
}

/// Whether two folders have a link of one name to one place.
fn same_link(one: BorrowedFd<'_>, other: BorrowedFd<'_>, name: &OsStr) -> bool {
    let read = |folder| rustix::fs::readlinkat(folder, name, Vec::new()).ok();
    read(one).is_some_and(|target| read(other) == Some(target))
}

fn owner(header: &tar::Header) -> Result<(u32, u32)> {
    let wrong = || "the archive's header is wrong".to_owned();
    let number = |id: u64| u32::try_from(id).or_fail(wrong);
    Ok((number(header.uid().or_fail(wrong)?)?, number(header.gid().or_fail(wrong)?)?))
}

fn write_file<R: Read>(
    from: &mut tar::Entry<'_, R>,
    folder: BorrowedFd<'_>,
    name: &OsStr,
) -> std::io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut file = std::fs::File::from(rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(0o600))?);
    std::io::copy(from, &mut file)?;
    Ok(file.into())
}

fn make_node(folder: BorrowedFd<'_>, name: &OsStr, header: &tar::Header) -> std::io::Result<()> {
    let kind = match header.entry_type() {
        tar::EntryType::Char => FileType::CharacterDevice,
        tar::EntryType::Block => FileType::BlockDevice,
        _ => FileType::Fifo,
    };
    let number = (header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0));
    let device = rustix::fs::makedev(number.0, number.1);
    Ok(rustix::fs::mknodat(folder, name, kind, Mode::from_raw_mode(0o600), device)?)
}

/// Extended attributes, as GNU tar and libarchive write them.
fn attributes<R: Read>(entry: &mut tar::Entry<'_, R>, file: &OwnedFd) -> Result<()> {
    let wrong = || "its extended attributes cannot be read".to_owned();
    let Some(extensions) = entry.pax_extensions().or_fail(wrong)? else { return Ok(()) };
    for extension in extensions {
        let extension = extension.or_fail(wrong)?;
        if let Some(name) = extension.key_bytes().strip_prefix(b"SCHILY.xattr.") {
            rustix::fs::fsetxattr(
                file,
                OsStr::from_bytes(name),
                extension.value_bytes(),
                XattrFlags::empty(),
            )
            .or_fail(|| format!("cannot set its attribute {}", String::from_utf8_lossy(name)))?;
        }
    }
    Ok(())
}

fn times(seconds: u64) -> Timestamps {
    let time = Timespec { tv_sec: i64::try_from(seconds).unwrap_or_default(), tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

/// A path of an archive, relative to the root and without `.`; one that leads upwards is refused.
fn inside(path: &Path) -> Result<PathBuf> {
    let mut inside = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => inside.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(Failure::new(format!("the archive's path {} leads out of it", path.display())));
            }
        }
    }
    Ok(inside)
}

fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    Some((path.parent()?, path.file_name()?))
}
