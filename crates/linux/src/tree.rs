//! A folder as a root of its own: files are made and read in it, and no symbolic link leads out of it.
//!
//! Used to write an appliance: its `/etc/hostname` may be a link to `/run`, and that must be *its* `/run`.
//! Paths are resolved by the kernel (openat2(2), `RESOLVE_IN_ROOT`), so there is no check to be raced.

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// Links are followed inside the root only; `/proc/self/fd` and its like never.
const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// A folder that is `/` for everything done through it.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    /// The folder of the last name: archives and walks stay in one for a while.
    last: Option<(PathBuf, OwnedFd)>,
}

/// Owner, permission bits and time of what is made.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    /// Numeric user.
    pub user: u32,
    /// Numeric group.
    pub group: u32,
    /// Permission bits, set-id and sticky bits included.
    pub mode: u32,
    /// Time of last change, seconds since 1970.
    pub seconds: i64,
}

/// What is made that holds no bytes of its own.
#[derive(Clone, Copy, Debug)]
pub enum Node {
    /// A pipe with a name.
    Pipe,
    /// A character device with its number.
    Character(u32, u32),
    /// A block device with its number.
    Block(u32, u32),
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path from the root, with a slash at its beginning.
    pub path: PathBuf,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Whether it is a regular file.
    pub is_file: bool,
}

impl Tree {
    /// Opens a folder as a root.
    pub fn open(folder: &Path) -> Result<Tree, Errno> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        Ok(Tree { root: rustix::fs::open(folder, flags, Mode::empty())?, last: None })
    }

    /// Opens a regular file to read it. Links are followed, inside the root.
    pub fn read(&self, path: &Path) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(File::from(rustix::fs::openat2(&self.root, inner(path), flags, Mode::empty(), INSIDE)?))
    }

    /// The whole of a small file as bytes; `None` where it does not exist.
    pub fn bytes(&self, path: &Path) -> std::io::Result<Option<Vec<u8>>> {
        match self.read(path) {
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                Ok(Some(bytes))
            }
        }
    }

    /// Writes a whole file anew, whatever stood in its place, and gives it its attributes.
    pub fn write(&mut self, path: &Path, contents: &[u8], attributes: Attributes) -> std::io::Result<()> {
        let mut file = self.create(path)?;
        file.write_all(contents)?;
        set_attributes(&file, attributes)?;
        Ok(())
    }

    /// Makes an empty file in place of whatever stood there but a folder; only its owner can read it yet.
    pub fn create(&mut self, path: &Path) -> Result<File, Errno> {
        self.make_new(path, |folder, name| {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(folder, name, flags, Mode::from(0o600))
        })
        .map(File::from)
    }

    /// Makes a folder, or takes the one that stands there. Its time is not set: what is made in it changes it.
    pub fn make_folder(&mut self, path: &Path, attributes: Attributes) -> Result<OwnedFd, Errno> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = if inner(path) == Path::new(".") {
            rustix::fs::openat(&self.root, ".", flags, Mode::empty())?
        } else {
            let (folder, name) = self.place(path)?;
            match rustix::fs::mkdirat(folder, &name, Mode::from(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            match rustix::fs::openat(folder, &name, flags, Mode::empty()) {
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    rustix::fs::unlinkat(folder, &name, AtFlags::empty())?;
                    rustix::fs::mkdirat(folder, &name, Mode::from(0o700))?;
                    rustix::fs::openat(folder, &name, flags, Mode::empty())?
                }
                other => other?,
            }
        };
        set_owner_and_mode(&folder, attributes)?;
        // A folder that took the place of a link would leave a wrong one behind.
        self.last = None;
        Ok(folder)
    }

    /// Makes a symbolic link; `target` is kept as it is.
    pub fn make_link(&mut self, path: &Path, target: &OsStr, attributes: Attributes) -> Result<(), Errno> {
        self.make_new(path, |folder, name| {
            rustix::fs::symlinkat(target, folder, name)?;
            let (user, group) = owner(attributes);
            rustix::fs::chownat(folder, name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
            rustix::fs::utimensat(folder, name, &times(attributes.seconds), AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    /// Makes another name for a file that stands in the tree already.
    pub fn make_hard_link(&mut self, path: &Path, target: &Path) -> Result<(), Errno> {
        let (folder, name) = self.place(target)?;
        let (folder, name) = (rustix::io::fcntl_dupfd_cloexec(folder, 3)?, name);
        self.make_new(path, |new_folder, new_name| {
            rustix::fs::linkat(&folder, &name, new_folder, new_name, AtFlags::empty())
        })
    }

    /// Makes a pipe or a device.
    pub fn make_node(&mut self, path: &Path, node: Node, attributes: Attributes) -> Result<(), Errno> {
        let (kind, device) = match node {
            Node::Pipe => (FileType::Fifo, 0),
            Node::Character(major, minor) => (FileType::CharacterDevice, rustix::fs::makedev(major, minor)),
            Node::Block(major, minor) => (FileType::BlockDevice, rustix::fs::makedev(major, minor)),
        };
        self.make_new(path, |folder, name| {
            rustix::fs::mknodat(folder, name, kind, Mode::from(attributes.mode & 0o7777), device)?;
            let (user, group) = owner(attributes);
            rustix::fs::chownat(folder, name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
            // The umask took bits away at mknod; the node cannot be a link, it was made just now.
            rustix::fs::chmodat(folder, name, Mode::from(attributes.mode & 0o7777), AtFlags::empty())?;
            rustix::fs::utimensat(folder, name, &times(attributes.seconds), AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    /// Moves a file to another name in the tree, over whatever stood there.
    pub fn rename(&mut self, from: &Path, to: &Path) -> Result<(), Errno> {
        let (folder, name) = self.place(from)?;
        let (folder, name) = (rustix::io::fcntl_dupfd_cloexec(folder, 3)?, name);
        let (new_folder, new_name) = self.place(to)?;
        rustix::fs::renameat(&folder, &name, new_folder, &new_name)
    }

    /// Takes a file away.
    pub fn remove(&mut self, path: &Path) -> Result<(), Errno> {
        let (folder, name) = self.place(path)?;
        rustix::fs::unlinkat(folder, &name, AtFlags::empty())
    }

    /// Takes an empty folder away.
    pub fn remove_folder(&mut self, path: &Path) -> Result<(), Errno> {
        let (folder, name) = self.place(path)?;
        rustix::fs::unlinkat(folder, &name, AtFlags::REMOVEDIR)
    }

    /// Everything below a folder, links not followed; empty where it does not exist.
    pub fn walk(&self, path: &Path) -> std::io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        let first = inner(path);
        // The root is `.` to itself, and has no name in the paths below it.
        let first = if first == Path::new(".") { PathBuf::from("/") } else { Path::new("/").join(first) };
        let mut folders = vec![first];
        while let Some(folder) = folders.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = rustix::fs::openat2(&self.root, inner(&folder), flags, Mode::empty(), INSIDE);
            let opened = match opened {
                Err(Errno::NOENT | Errno::NOTDIR) => continue,
                other => other?,
            };
            for entry in rustix::fs::Dir::read_from(&opened)? {
                let entry = entry?;
                let name = OsStr::from_bytes(entry.file_name().to_bytes());
                if name == "." || name == ".." {
                    continue;
                }
                let kind = match entry.file_type() {
                    FileType::Unknown => {
                        let stat = rustix::fs::statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW)?;
                        FileType::from_raw_mode(stat.st_mode)
                    }
                    kind => kind,
                };
                let path = folder.join(name);
                if kind == FileType::Directory {
                    folders.push(path.clone());
                }
                found.push(Entry {
                    path,
                    is_folder: kind == FileType::Directory,
                    is_file: kind == FileType::RegularFile,
                });
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Sets the time of a folder, once nothing more is made in it.
    pub fn set_folder_time(&self, path: &Path, seconds: i64) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat2(&self.root, inner(path), flags, Mode::empty(), INSIDE)?;
        rustix::fs::futimens(&folder, &times(seconds))
    }

    /// Makes something new; what stands in its place is taken away first, unless it is a folder.
    fn make_new<T>(
        &mut self,
        path: &Path,
        make: impl Fn(&OwnedFd, &OsStr) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let (folder, name) = self.place(path)?;
        match make(folder, &name) {
            Err(Errno::EXIST) => {
                rustix::fs::unlinkat(folder, &name, AtFlags::empty())?;
                make(folder, &name)
            }
            other => other,
        }
    }

    /// The folder that a path's last name stands in; folders that are missing on the way are made.
    fn place(&mut self, path: &Path) -> Result<(&OwnedFd, OsString), Errno> {
        let path = inner(path);
        let name = path.file_name().ok_or(Errno::INVAL)?.to_owned();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if self.last.as_ref().is_none_or(|(known, _)| known != parent) {
            let folder = self.folder(parent)?;
            self.last = Some((parent.to_owned(), folder));
        }
        let (_, folder) = self.last.as_ref().ok_or(Errno::INVAL)?;
        Ok((folder, name))
    }

    fn folder(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let open = || rustix::fs::openat2(&self.root, path, flags, Mode::empty(), INSIDE);
        match open() {
            Err(Errno::NOENT) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let above = self.folder(parent.unwrap_or(Path::new(".")))?;
                let name = path.file_name().ok_or(Errno::NOENT)?;
                rustix::fs::mkdirat(&above, name, Mode::from(0o755))?;
                // The umask of whoever runs us must not show in the appliance.
                let made = open()?;
                rustix::fs::fchmod(&made, Mode::from(0o755))?;
                Ok(made)
            }
            other => other,
        }
    }
}

/// Gives an open file its owner, permission bits and time. The owner first: changing it clears set-id bits.
pub fn set_attributes(file: impl AsFd, attributes: Attributes) -> Result<(), Errno> {
    set_owner_and_mode(&file, attributes)?;
    rustix::fs::futimens(file, &times(attributes.seconds))
}

/// Gives an open file or folder an extended attribute. After the owner: changing that clears capabilities.
pub fn set_extended(file: impl AsFd, name: &str, value: &[u8]) -> Result<(), Errno> {
    rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())
}

/// Makes everything written to the file system of an open file be on the disk.
pub fn flush_file_system(tree: &Tree) -> Result<(), Errno> {
    rustix::fs::syncfs(&tree.root)
}

/// Puts a symbolic link at a path of the machine itself, over one that stands there.
pub fn point(link: &Path, target: &Path) -> std::io::Result<()> {
    if let Some(folder) = link.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match rustix::fs::unlinkat(CWD, link, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(rustix::fs::symlinkat(target, CWD, link)?)
}

fn set_owner_and_mode(file: impl AsFd, attributes: Attributes) -> Result<(), Errno> {
    let (user, group) = owner(attributes);
    rustix::fs::fchown(&file, user, group)?;
    rustix::fs::fchmod(&file, Mode::from(attributes.mode & 0o7777))
}

fn owner(attributes: Attributes) -> (Option<Uid>, Option<Gid>) {
    // The highest number means "leave as it is" to chown(2).
    let real = |number: u32| Some(number).filter(|number| *number != u32::MAX);
    (real(attributes.user).map(Uid::from_raw), real(attributes.group).map(Gid::from_raw))
}

fn times(seconds: i64) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

/// The path as seen from the root: without `/`, `.` and `..`, which would mean nothing above the root anyway.
fn inner(path: &Path) -> PathBuf {
    let mut inside = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::ParentDir => drop(inside.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if inside.as_os_str().is_empty() { PathBuf::from(".") } else { inside }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    fn mine(mode: u32) -> Attributes {
        Attributes { user: u32::MAX, group: u32::MAX, mode, seconds: 86400 }
    }

    /// An image is somebody's archive: whatever its links say, nothing outside the target may change.
    #[test]
    fn links_do_not_lead_out_of_the_tree() {
        let outer = tempfile::tempdir().unwrap();
        let victim = outer.path().join("victim");
        std::fs::write(&victim, "untouched").unwrap();
        let root = outer.path().join("root");
        std::fs::create_dir(&root).unwrap();
        symlink(&victim, root.join("absolute")).unwrap();
        symlink("../victim", root.join("relative")).unwrap();
        symlink(outer.path(), root.join("folder")).unwrap();
        symlink("..", root.join("up")).unwrap();
        let mut tree = Tree::open(&root).unwrap();
        for path in ["absolute", "relative", "folder/victim", "up/victim", "../victim", "/../../victim"] {
            // A link that leads nowhere inside the root may be refused; what counts is outside.
            let _ = tree.write(Path::new(path), b"changed", mine(0o644));
            assert_eq!(std::fs::read(&victim).unwrap(), b"untouched", "{path}");
            let hard = Path::new(path).join("x");
            let _ = tree.make_hard_link(&hard, Path::new("../victim"));
            let _ = tree.make_folder(&hard, mine(0o755));
        }
        let names: Vec<_> =
            std::fs::read_dir(outer.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(tree.read(Path::new("/etc/../up/../victim")).is_ok());
    }

    /// What is made has the attributes it was given, whatever stood there before and whatever the umask.
    #[test]
    fn files_are_made_as_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut tree = Tree::open(folder.path()).unwrap();
        symlink("/nowhere", folder.path().join("old")).unwrap();
        tree.write(Path::new("/old"), b"new", mine(0o4751)).unwrap();
        let metadata = std::fs::symlink_metadata(folder.path().join("old")).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.mtime(), metadata.len()), (0o4751, 86400, 3));
        tree.write(Path::new("/a/b/c"), b"x", mine(0o600)).unwrap();
        tree.make_hard_link(Path::new("/a/d"), Path::new("a/b/c")).unwrap();
        assert_eq!(std::fs::metadata(folder.path().join("a/d")).unwrap().nlink(), 2);
        tree.make_link(Path::new("/a/l"), OsStr::new("b/c"), mine(0)).unwrap();
        tree.make_node(Path::new("/a/p"), Node::Pipe, mine(0o622)).unwrap();
        tree.rename(Path::new("/a/b/c"), Path::new("/a/b/e")).unwrap();
        let walked: Vec<String> = tree
            .walk(Path::new("/a"))
            .unwrap()
            .iter()
            .map(|entry| entry.path.display().to_string())
            .collect();
        assert_eq!(walked, ["/a/b", "/a/b/e", "/a/d", "/a/l", "/a/p"]);
        assert_eq!(tree.bytes(Path::new("/a/l")).unwrap(), None, "the link's target was renamed");
    }
}
