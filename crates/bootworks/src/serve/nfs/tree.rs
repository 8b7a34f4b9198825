//! The index of an exported folder: every name, attribute and link text in it, walked once and kept in memory.
//!
//! A file handle is a key into this index and nothing else, so no handle and no name can lead out of the folder,
//! and all calls but READ are answered without touching the disk. What changes on the disk is seen at the next
//! walk (see `shelf`). Answers are written in `answer`; files are opened in `files`.

use super::super::reading::Patience;
use model::failure::{Explain as _, Failure, Result};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use wire::nfs::{Attributes, Kind, Time};

/// Which file of a tree; made only by the tree it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node(u32);

/// The top of every tree.
pub(super) const ROOT: Node = Node(0);

/// Everything that is known of a folder.
pub(super) struct Tree {
    root: OwnedFd,
    files: Vec<File>,
    /// The names of all folders; those of one folder side by side, sorted by name.
    entries: Vec<Entry>,
    /// Numbers of entries; those of one folder side by side, sorted by cookie.
    by_cookie: Vec<u32>,
    by_number: HashMap<u64, Node>,
    /// Names and link texts, one behind the other.
    text: Vec<u8>,
    used_bytes: u64,
}

struct File {
    attributes: Attributes,
    /// Inode on the disk: a file that was replaced since the walk has another one.
    inode: u64,
    /// Where it was first met: the folder, and the entry in it. For the root: itself.
    parent: Node,
    entry: u32,
    /// A folder's entries, or a symbolic link's text.
    inside: Span,
    /// Something is mounted over it: what is inside is not ours.
    is_covered: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    length: u32,
}

/// A name in a folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    name: Span,
    /// The file it names.
    pub(super) node: Node,
    /// Where a listing goes on behind it: made from the name alone, so that it keeps its meaning when the folder
    /// changes or the server starts again. Above 2, which are `.` and `..`, and below 2⁶³, which is what
    /// `lseek` takes on the client.
    pub(super) cookie: u64,
}

impl Tree {
    /// Walks the folder. Mount points in it are shown as the empty folders they cover most often: what is mounted
    /// there belongs to somebody else (`/proc` of a chroot in use).
    ///
    /// Errors: the folder or one below it cannot be read.
    pub(super) fn walk(folder: &Path) -> Result<Tree> {
        let failed = || format!("cannot read the exported folder {}", folder.display());
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = fs::open(folder, flags, Mode::empty()).or_fail(failed)?;
        let stat = stat(&root, c"").or_fail(failed)?;
        let mut tree = Tree {
            root,
            files: Vec::new(),
            entries: Vec::new(),
            by_cookie: Vec::new(),
            by_number: HashMap::new(),
            text: Vec::new(),
            used_bytes: 0,
        };
        tree.add_file(&stat, ROOT, 0, b"").or_fail(failed)?;
        // Files of many names, by device and inode.
        let mut linked = HashMap::new();
        let mut next = 0;
        while next < tree.files.len() {
            if tree.files[next].attributes.kind == Kind::Folder && !tree.files[next].is_covered {
                tree.list(next, &mut linked)
                    .or_fail(failed)
                    .while_doing(|| format!("listing `{}`", tree.path_of(next).to_string_lossy()))?;
            }
            next += 1;
        }
        Ok(tree)
    }

    /// Adds all names of a folder, and the files that were not met before.
    fn list(&mut self, folder: usize, linked: &mut HashMap<(u32, u32, u64), Node>) -> Result<()> {
        let path = self.path_of(folder);
        let handle = match self.open(&path, OFlags::DIRECTORY, Patience::Disk) {
            Ok(handle) => handle,
            // Removed since its parent was listed.
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(errno) => return Err(errno).or_fail(|| "cannot open it".into()),
        };
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&handle).or_fail(|| "cannot read it".into())? {
            let name = entry.or_fail(|| "cannot read it".into())?.file_name().to_owned();
            if !matches!(name.as_bytes(), b"." | b"..") {
                names.push(name);
            }
        }
        names.sort_unstable();
        let first = self.entries.len();
        let mut cookies = HashSet::new();
        for name in names {
            let Some(node) = self.meet(folder, &handle, &path, &name, linked)? else { continue };
            let mut cookie = digest(&[name.as_bytes()]);
            while !cookies.insert(cookie) {
                cookie = following(cookie);
            }
            let name = self.add_text(name.as_bytes())?;
            self.entries.push(Entry { name, node, cookie });
        }
        let span = Span { start: small(first)?, length: small(self.entries.len() - first)? };
        let mut order: Vec<u32> = (span.start..span.start + span.length).collect();
        order.sort_unstable_by_key(|entry| self.entries[*entry as usize].cookie);
        self.by_cookie.extend(order);
        self.files[folder].inside = span;
        Ok(())
    }

    /// The file of a name that was just read from the disk; `None` if it is gone or not ours to show.
    fn meet(
        &mut self,
        folder: usize,
        handle: &OwnedFd,
        path: &CString,
        name: &CString,
        linked: &mut HashMap<(u32, u32, u64), Node>,
    ) -> Result<Option<Node>> {
        let shown = || format!("cannot look at `{}`", name.to_string_lossy());
        let stat = match stat(handle, name) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno).or_fail(shown),
        };
        let Some(kind) = kind_of(&stat) else { return Ok(None) };
        if kind != Kind::Folder && is_mount_point(&stat) {
            return Ok(None);
        }
        let identity = (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
        let has_links = kind != Kind::Folder && stat.stx_nlink > 1;
        if let Some(node) = linked.get(&identity).filter(|_| has_links) {
            return Ok(Some(*node));
        }
        let place = [path.as_bytes(), b"/", name.as_bytes()].concat();
        let entry = small(self.entries.len())?;
        let node = self.add_file(&stat, Node(small(folder)?), entry, &place)?;
        if kind == Kind::SymbolicLink {
            match fs::readlinkat(handle, name.as_c_str(), Vec::new()) {
                Ok(text) => self.files[node.0 as usize].inside = self.add_text(text.as_bytes())?,
                Err(errno) => return Err(errno).or_fail(shown),
            }
        }
        if has_links {
            linked.insert(identity, node);
        }
        Ok(Some(node))
    }

    /// The file's number is made from its path, its kind and the moment it was created (its inode where the file
    /// system keeps no such moment): the same after a restart of the server or of its host, another one for a
    /// file that took a removed one's name. The disk's device number is not in it, as that changes by itself.
    fn add_file(&mut self, stat: &Statx, parent: Node, entry: u32, path: &[u8]) -> Result<Node> {
        let Some(kind) = kind_of(stat) else { return Err(Failure::new("an unknown kind of file")) };
        let born = if stat.stx_mask & StatxFlags::BTIME.bits() != 0 {
            [stat.stx_btime.tv_sec.to_be_bytes(), u64::from(stat.stx_btime.tv_nsec).to_be_bytes()]
        } else {
            [stat.stx_ino.to_be_bytes(), [0xff; 8]]
        };
        let mut number = digest(&[path, &[0, kind as u8], born.as_flattened()]);
        while self.by_number.contains_key(&number) {
            number = following(number);
        }
        let node = Node(small(self.files.len())?);
        self.by_number.insert(number, node);
        let used_bytes = stat.stx_blocks.saturating_mul(512);
        self.used_bytes = self.used_bytes.saturating_add(used_bytes);
        let attributes = Attributes {
            kind,
            mode: u32::from(stat.stx_mode) & 0o7777,
            links: stat.stx_nlink,
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            size_bytes: stat.stx_size,
            used_bytes,
            device: (stat.stx_rdev_major, stat.stx_rdev_minor),
            file_system: self.files.first().map_or(number, |root| root.attributes.number),
            number,
            accessed: time(stat.stx_atime.tv_sec, stat.stx_atime.tv_nsec),
            modified: time(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
            changed: time(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
        };
        // Whoever exports a mount point means what is mounted there.
        let is_covered = node != ROOT && is_mount_point(stat);
        let inside = Span::default();
        self.files.push(File { attributes, inode: stat.stx_ino, parent, entry, inside, is_covered });
        Ok(node)
    }

    fn add_text(&mut self, text: &[u8]) -> Result<Span> {
        let span = Span { start: small(self.text.len())?, length: small(text.len())? };
        self.text.extend_from_slice(text);
        Ok(span)
    }

    /// The path from the root, `.` for the root itself.
    fn path_of(&self, file: usize) -> CString {
        let mut names = Vec::new();
        let mut at = file;
        while at != 0 {
            let file = &self.files[at];
            names.push(self.text(self.entries[file.entry as usize].name));
            at = file.parent.0 as usize;
        }
        names.push(b".");
        names.reverse();
        // Names come from the kernel and hold no zero byte.
        CString::new(names.join(&b'/')).unwrap_or_default()
    }

    /// Opens what is below the root, and nothing that a link or a mount leads away to.
    fn open(&self, path: &CString, flags: OFlags, patience: Patience) -> rustix::io::Result<OwnedFd> {
        let mut resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        if patience == Patience::None {
            resolve |= ResolveFlags::CACHED;
        }
        // Never waits for the other end, should a FIFO stand where a file was.
        let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        match fs::openat2(&self.root, path, flags | OFlags::NOATIME, Mode::empty(), resolve) {
            // Only the owner and root may leave the time of reading alone.
            Err(Errno::PERM) => fs::openat2(&self.root, path, flags, Mode::empty(), resolve),
            other => other,
        }
    }

    fn text(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.text.get(start..start + span.length as usize).unwrap_or_default()
    }

    fn file(&self, node: Node) -> &File {
        // A node is made by its tree only and trees never shrink.
        &self.files[node.0 as usize]
    }

    fn entries_of(&self, folder: Node) -> std::ops::Range<usize> {
        let file = self.file(folder);
        match file.attributes.kind {
            Kind::Folder => {
                let start = file.inside.start as usize;
                start..start + file.inside.length as usize
            }
            _ => 0..0,
        }
    }

    /// What tells this tree's handles from another's: the number of its root.
    pub(super) fn tag(&self) -> u64 {
        self.attributes(ROOT).number
    }

    /// How many files there are.
    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// Bytes that they take on the disk.
    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// A file's path for people, from the root on; what is not UTF-8 in it is replaced.
    pub(super) fn path(&self, node: Node) -> String {
        let path = self.path_of(node.0 as usize);
        let path = String::from_utf8_lossy(path.to_bytes());
        path.chars().skip(1).filter(|character| !character.is_control()).collect()
    }

    /// The file of a number.
    pub(super) fn find(&self, number: u64) -> Option<Node> {
        self.by_number.get(&number).copied()
    }

    /// A file's attributes at the time of the walk.
    pub(super) fn attributes(&self, node: Node) -> &Attributes {
        &self.file(node).attributes
    }

    /// The folder that a folder is in; the root is in itself.
    pub(super) fn parent(&self, node: Node) -> Node {
        self.file(node).parent
    }

    /// A symbolic link's text.
    pub(super) fn target(&self, link: Node) -> &[u8] {
        self.text(self.file(link).inside)
    }

    /// The file of a name in a folder.
    pub(super) fn child(&self, folder: Node, name: &[u8]) -> Option<Node> {
        let entries = &self.entries[self.entries_of(folder)];
        let found = entries.binary_search_by(|entry| self.text(entry.name).cmp(name)).ok()?;
        Some(entries[found].node)
    }

    /// The names of a folder behind a cookie, in the order of their cookies.
    pub(super) fn entries_after(&self, folder: Node, cookie: u64) -> impl Iterator<Item = &Entry> {
        let order = &self.by_cookie[self.entries_of(folder)];
        let start = order.partition_point(|entry| self.entries[*entry as usize].cookie <= cookie);
        order[start..].iter().map(|entry| &self.entries[*entry as usize])
    }

    /// An entry's name.
    pub(super) fn name(&self, entry: &Entry) -> &[u8] {
        self.text(entry.name)
    }

    /// Opens a file for reading.
    ///
    /// Errors: the kernel's; without patience also that its names are not in memory, or that the kernel is older than
    /// 5.12 and cannot tell (`openat2(2)`, `RESOLVE_CACHED`).
    pub(super) fn open_file(&self, node: Node, patience: Patience) -> rustix::io::Result<Opened> {
        let opened = match self.open(&self.path_of(node.0 as usize), OFlags::empty(), patience) {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NXIO) => {
                return Ok(Opened::Another);
            }
            Err(errno) => return Err(errno),
        };
        let now = stat(&opened, c"")?;
        let walked = self.file(node);
        if now.stx_ino != walked.inode || kind_of(&now) != Some(walked.attributes.kind) {
            return Ok(Opened::Another);
        }
        let is_edited = now.stx_size != walked.attributes.size_bytes
            || time(now.stx_mtime.tv_sec, now.stx_mtime.tv_nsec) != walked.attributes.modified;
        Ok(if is_edited { Opened::Edited(opened) } else { Opened::AsWalked(opened) })
    }
}

/// What stands on the disk where a file was walked.
pub(super) enum Opened {
    /// The same file, as it was.
    AsWalked(OwnedFd),
    /// The same file with another content.
    Edited(OwnedFd),
    /// Another file, or none.
    Another,
}

fn stat(folder: &OwnedFd, name: &std::ffi::CStr) -> rustix::io::Result<Statx> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::EMPTY_PATH;
    fs::statx(folder.as_fd(), name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)
}

fn is_mount_point(stat: &Statx) -> bool {
    stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

fn kind_of(stat: &Statx) -> Option<Kind> {
    Some(match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::SymbolicLink,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::CharacterDevice => Kind::CharacterDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::Unknown => return None,
    })
}

/// NFSv3 has no moment before 1970 or after 2106 (RFC 1813 §2.5).
fn time(seconds: i64, nanoseconds: u32) -> Time {
    Time { seconds: u32::try_from(seconds.max(0)).unwrap_or(u32::MAX), nanoseconds }
}

/// The first 63 bits of the SHA-256, above 2.
fn digest(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let hash = hash.finalize();
    let first = hash.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    (first >> 1).max(3)
}

/// What is tried after a digest that is taken.
fn following(digest: u64) -> u64 {
    if digest >= i64::MAX as u64 { 3 } else { digest + 1 }
}

fn small(number: usize) -> Result<u32> {
    u32::try_from(number).or_fail(|| "the folder holds more than can be numbered".into())
}
