//! One entry of an archive after the other, written into the tree.
//!
//! Everything that tar can say of a file is kept: owners, times, extended attributes, capabilities, access control
//! lists, hard links, holes.

use super::Stop;
use crate::controller::apply::ledger::Ledger;
use crate::digest::Sha256;
use linux::archive::{Archive, Entry};
use linux::tree::{self, Attributes, Node, Tree};
use model::failure::{Explain as _, Failure};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use wire::tar::Kind;

/// How much of a file is written at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Blocks of zeros of this size are left out: ext4 and xfs have no smaller ones by default.
const BLOCK: usize = 4096;
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Entries on their way into a tree.
pub(super) struct Unpacking<'a> {
    tree: Tree,
    ledger: &'a mut Ledger,
    /// Folders with their times, which making files in them changes.
    folders: Vec<(PathBuf, i64)>,
    /// Access control lists, by path and attribute: the names in them are known once everything is there.
    acls: Vec<(PathBuf, &'static str, String)>,
    buffer: Vec<u8>,
}

impl<'a> Unpacking<'a> {
    /// Begins to fill a tree.
    pub(super) fn into(tree: Tree, ledger: &'a mut Ledger) -> Unpacking<'a> {
        let (folders, acls) = (Vec::new(), Vec::new());
        Unpacking { tree, ledger, folders, acls, buffer: vec![0; PIECE_BYTES] }
    }

    /// Writes one entry, whose data the archive gives.
    pub(super) fn take(&mut self, entry: Entry, archive: &mut Archive<impl Read>) -> Result<(), Stop> {
        let Entry { path, link, kind, .. } = &entry;
        let attributes =
            Attributes { user: entry.user, group: entry.group, mode: entry.mode, seconds: entry.seconds };
        let refused = |error: io::Error| {
            let failed =
                Err::<(), _>(error).or_fail(|| format!("cannot write {} into the target", path.display()));
            Stop::Refused(failed.err().unwrap_or_else(|| Failure::new("cannot write")))
        };
        if !matches!(kind, Kind::File | Kind::Folder) {
            self.ledger.forget(path);
        }
        let made = match kind {
            Kind::File => self.file(&entry, archive, attributes, &refused).map(|()| Ok(()))?,
            Kind::Folder => self.folder(path, attributes, &entry.extended),
            Kind::Link => self.tree.make_link(path, link.as_os_str(), attributes),
            Kind::HardLink => self.tree.make_hard_link(path, link),
            Kind::Pipe => self.tree.make_node(path, Node::Pipe, attributes),
            Kind::Character(major, minor) => {
                self.tree.make_node(path, Node::Character(*major, *minor), attributes)
            }
            Kind::Block(major, minor) => self.tree.make_node(path, Node::Block(*major, *minor), attributes),
            other => {
                let text = format!("{} is of kind {other:?}, which no root has", path.display());
                return Err(Stop::Broken(io::Error::other(text)));
            }
        };
        made.map_err(io::Error::from).map_err(refused)?;
        if !matches!(kind, Kind::Link) {
            let acls = entry.acls.into_iter();
            self.acls.extend(acls.map(|(attribute, text)| (entry.path.clone(), attribute, text)));
        }
        Ok(())
    }

    fn file(
        &mut self,
        entry: &Entry,
        archive: &mut Archive<impl Read>,
        attributes: Attributes,
        refused: &impl Fn(io::Error) -> Stop,
    ) -> Result<(), Stop> {
        let file = self.tree.create(&entry.path).map_err(|error| refused(error.into()))?;
        let mut writing = Writing { file, hasher: Sha256::new(), length: 0, hole: 0 };
        match &entry.stretches {
            None => self.copy(archive, u64::MAX, &mut writing, refused)?,
            Some(stretches) => {
                for (offset, length) in stretches {
                    writing.zeros(offset.saturating_sub(writing.length));
                    self.copy(archive, *length, &mut writing, refused)?;
                }
                writing.zeros(entry.size.saturating_sub(writing.length));
            }
        }
        let Writing { file, hasher, .. } = writing.end().map_err(refused)?;
        tree::set_attributes(&file, attributes).map_err(|error| refused(error.into()))?;
        for (name, value) in &entry.extended {
            tree::set_extended(&file, name, value).map_err(|error| refused(error.into()))?;
        }
        // Setting an attribute changes the time of the inode only, so the file's time stands.
        self.ledger.keep(&entry.path, hasher.finalize());
        Ok(())
    }

    /// Copies up to `most` octets of an entry.
    fn copy(
        &mut self,
        entry: &mut impl Read,
        most: u64,
        writing: &mut Writing,
        refused: &impl Fn(io::Error) -> Stop,
    ) -> Result<(), Stop> {
        let mut copied = 0;
        while copied < most {
            let wanted = self.buffer.len().min(usize::try_from(most - copied).unwrap_or(usize::MAX));
            let count = match entry.read(&mut self.buffer[..wanted]) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Stop::Broken(error)),
            };
            writing.put(&self.buffer[..count]).map_err(refused)?;
            copied += count as u64;
        }
        Ok(())
    }

    fn folder(
        &mut self,
        path: &Path,
        attributes: Attributes,
        extended: &[(String, Vec<u8>)],
    ) -> Result<(), rustix::io::Errno> {
        let folder = self.tree.make_folder(path, attributes)?;
        for (name, value) in extended {
            tree::set_extended(&folder, name, value)?;
        }
        self.folders.push((path.to_owned(), attributes.seconds));
        Ok(())
    }

    /// Does what only can be done once everything is there.
    pub(super) fn finish(mut self) -> Result<(), Stop> {
        self.set_acls()?;
        for (path, seconds) in self.folders.iter().rev() {
            self.tree
                .set_folder_time(path, *seconds)
                .map_err(io::Error::from)
                .or_fail(|| format!("cannot set the time of {}", path.display()))
                .map_err(Stop::Refused)?;
        }
        Ok(())
    }

    fn set_acls(&mut self) -> Result<(), Stop> {
        if self.acls.is_empty() {
            return Ok(());
        }
        let names = Names { users: self.numbers("/etc/passwd"), groups: self.numbers("/etc/group") };
        for (path, attribute, text) in std::mem::take(&mut self.acls) {
            let value = wire::acl::parse(&text, &names).map_err(|why| {
                let text = format!("the access control list of {}: {why}", path.display());
                Stop::Broken(io::Error::new(io::ErrorKind::InvalidData, text))
            })?;
            let cannot = || format!("cannot set the access control list of {}", path.display());
            let set = self.tree.read(&path).and_then(|file| tree::set_extended(&file, attribute, &value));
            set.map_err(io::Error::from).or_fail(cannot).map_err(Stop::Refused)?;
        }
        Ok(())
    }

    /// Names and numbers of passwd(5) or group(5) of the tree.
    fn numbers(&self, path: &str) -> BTreeMap<String, u32> {
        let bytes = self.tree.bytes(Path::new(path)).ok().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let line = |line: &str| {
            let mut fields = line.split(':');
            Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
        };
        text.lines().filter_map(line).collect()
    }
}

struct Names {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

impl wire::acl::Names for Names {
    fn user(&self, name: &str) -> Option<u32> {
        self.users.get(name).copied()
    }

    fn group(&self, name: &str) -> Option<u32> {
        self.groups.get(name).copied()
    }
}

/// A file that is written; blocks of zeros become holes.
struct Writing {
    file: File,
    hasher: Sha256,
    length: u64,
    /// Zeros at its end that are not on the disk.
    hole: u64,
}

impl Writing {
    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        self.hasher.update(octets);
        self.length += octets.len() as u64;
        let mut data = 0..0;
        for start in (0..octets.len()).step_by(BLOCK) {
            let block = start..octets.len().min(start + BLOCK);
            if octets[block.clone()] == ZEROS[..block.len()] && block.len() == BLOCK {
                self.write(&octets[data.clone()])?;
                data = block.end..block.end;
                self.hole += BLOCK as u64;
            } else {
                data.end = block.end;
            }
        }
        self.write(&octets[data])
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        if octets.is_empty() {
            return Ok(());
        }
        if self.hole > 0 {
            self.file.seek(SeekFrom::Current(i64::try_from(self.hole).unwrap_or(i64::MAX)))?;
            self.hole = 0;
        }
        self.file.write_all(octets)
    }

    /// Zeros that are not in the archive either.
    fn zeros(&mut self, count: u64) {
        let mut left = count;
        while left > 0 {
            let some = left.min(BLOCK as u64);
            self.hasher.update(&ZEROS[..usize::try_from(some).unwrap_or(BLOCK)]);
            left -= some;
        }
        self.length += count;
        self.hole += count;
    }

    fn end(self) -> io::Result<Writing> {
        if self.hole > 0 {
            self.file.set_len(self.length)?;
        }
        Ok(self)
    }
}
