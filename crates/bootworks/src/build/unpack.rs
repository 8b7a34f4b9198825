//! Unpacks packages into a root: many at a time, each file with its owner, mode, times and attributes, and none
//! outside of the root.
//!
//! What dpkg does when two packages have the same file is done here too: the one that `Replaces` the other wins.

use super::package::Opened;
use model::failure::{Explain as _, Failure, Result};
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A root that packages are unpacked into.
#[derive(Debug)]
pub(crate) struct Root {
    folder: OwnedFd,
}

/// Where a folder's mode, owner and time come from: of all packages that have it, the first of the list.
#[derive(Clone, Copy, Debug)]
struct Folder {
    rank: usize,
    mode: u32,
    owner: (u32, u32),
    time: u64,
}

/// What the packages claim, over all threads.
#[derive(Debug, Default)]
struct Claims {
    /// Which package has a path first.
    owners: HashMap<PathBuf, usize>,
    folders: BTreeMap<PathBuf, Folder>,
    /// Paths that a further package has too.
    contested: Vec<(PathBuf, usize)>,
}

/// Paths of each package, absolute, in the package's order: what dpkg's `.list` files hold.
pub(crate) type Lists = Vec<Vec<PathBuf>>;

/// Unpacks all packages into the empty folder `root`. `replaces` says whether the package of the first index
/// may overwrite a file of the second's. The order of `packages` decides whose folders' modes hold.
pub(crate) fn unpack(
    root: &Path,
    packages: &[Opened],
    replaces: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<Lists> {
    let root = Root::open(root)?;
    let claims = Mutex::new(Claims::default());
    let mut order: Vec<usize> = (0..packages.len()).collect();
    // The largest first, or the last thread ends alone with the kernel.
    order.sort_by_key(|at| std::cmp::Reverse(packages.get(*at).map(|opened| opened.package.bytes)));
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Vec<PathBuf>>)>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&rank) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(opened) = packages.get(rank) else { continue };
                    let list = root.unpack_one(opened, rank, Some(&claims));
                    let list =
                        list.map_err(|failure| failure.doing(format!("unpacking {}", opened.package.name)));
                    if let Ok(mut done) = done.lock() {
                        done.push((rank, list));
                    }
                }
            });
        }
    });
    let mut lists: Lists = vec![Vec::new(); packages.len()];
    for (rank, list) in done.into_inner().unwrap_or_default() {
        if let Some(slot) = lists.get_mut(rank) {
            *slot = list?;
        }
    }
    let claims = claims.into_inner().unwrap_or_default();
    settle(&root, packages, &claims, &mut lists, replaces)?;
    for (path, folder) in &claims.folders {
        root.finish_folder(path, folder)
            .or_fail(|| format!("cannot finish the folder /{}", path.display()))?;
    }
    Ok(lists)
}

/// Gives each path that several packages have to the one that replaces the others, in the packages' order.
fn settle(
    root: &Root,
    packages: &[Opened],
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
        if let Some(opened) = packages.get(winner) {
            root.unpack_again(opened, path)?;
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

    /// Unpacks one package and gives its paths.
    fn unpack_one(
        &self,
        opened: &Opened,
        rank: usize,
        claims: Option<&Mutex<Claims>>,
    ) -> Result<Vec<PathBuf>> {
        let broken = || "its files cannot be read".to_owned();
        let bytes = opened.bytes()?;
        let mut archive = opened.files(&bytes)?;
        let mut list = Vec::new();
        let mut parents = Parents::default();
        for entry in archive.entries().or_fail(broken)? {
            let mut entry = entry.or_fail(broken)?;
            let path = inside(&entry.path().or_fail(broken)?)?;
            list.push(path.clone());
            let header = entry.header();
            let is_folder = header.entry_type().is_dir();
            if let Some(claims) = claims
                && !claim(claims, &path, rank, is_folder.then(|| folder_of(header, rank)).transpose()?)
            {
                continue;
            }
            self.place(&mut entry, &path, &mut parents)
                .map_err(|failure| failure.doing(format!("writing /{}", path.display())))?;
        }
        Ok(list)
    }

    /// Writes one path of a package over what another has put there.
    fn unpack_again(&self, opened: &Opened, wanted: &Path) -> Result<()> {
        let broken = || format!("the files of {} cannot be read", opened.package.name);
        let bytes = opened.bytes()?;
        let mut archive = opened.files(&bytes)?;
        for entry in archive.entries().or_fail(broken)? {
            let mut entry = entry.or_fail(broken)?;
            let path = inside(&entry.path().or_fail(broken)?)?;
            if path == wanted {
                let mut parents = Parents::default();
                if let Some((parent, name)) = split(&path) {
                    let folder = self.parent(parent, &mut parents).or_fail(broken)?;
                    let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
                }
                return self.place(&mut entry, &path, &mut parents);
            }
        }
        Ok(())
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
                match rustix::fs::symlinkat(&*target, folder, name) {
                    // Debian 13's base-files has the links into `/usr` that every root begins with here.
                    Err(Errno::EXIST) if leads_to(folder, name, &target) => {}
                    other => other.or_fail(cannot)?,
                }
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

    fn finish_folder(&self, path: &Path, folder: &Folder) -> Result<(), Errno> {
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

/// Notes that a package has a path; says whether it is the first and may write it.
fn claim(claims: &Mutex<Claims>, path: &Path, rank: usize, folder: Option<Folder>) -> bool {
    let Ok(mut claims) = claims.lock() else { return false };
    if let Some(folder) = folder {
        let known = claims.folders.entry(path.to_owned()).or_insert(folder);
        if folder.rank < known.rank {
            *known = folder;
        }
        return true;
    }
    if claims.owners.contains_key(path) {
        claims.contested.push((path.to_owned(), rank));
        return false;
    }
    claims.owners.insert(path.to_owned(), rank);
    true
}

fn folder_of(header: &tar::Header, rank: usize) -> Result<Folder> {
    let wrong = || "the archive's header is wrong".to_owned();
    let (mode, time) = (header.mode().or_fail(wrong)?, header.mtime().or_fail(wrong)?);
    Ok(Folder { rank, mode, owner: owner(header)?, time })
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

/// Whether a link of that name is there and leads to `target`.
fn leads_to(folder: BorrowedFd<'_>, name: &OsStr, target: &[u8]) -> bool {
    rustix::fs::readlinkat(folder, name, Vec::new()).is_ok_and(|there| there.to_bytes() == target)
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
