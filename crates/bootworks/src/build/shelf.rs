//! The line's folder of outputs: groups of files that are made together, each under a name that says what it was
//! made from.
//!
//! A group's folder gets its name only when everything in it is written, so what is there is whole. A group that
//! is asked for again and is there is not made again.

use super::listing;
use super::store::digest_file;
use crate::report;
use model::failure::{Explain as _, Failure, Result};
use model::outputs::{FOLDER, LIST, OutputFile, Outputs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A tree of files that is served as it stands; there is one in some groups.
pub(crate) const TREE: &str = "tree";
/// Name of a group's list of files.
const GROUP_LIST: &str = "group.json";
/// What the folder of an unfinished group begins with.
const UNFINISHED: &str = "unfinished-";

/// The folder of the outputs, held by one build at a time.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    _held: File,
}

/// Files made together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Files by name; paths are relative to the folder of the outputs.
    pub files: BTreeMap<String, OutputFile>,
    /// What else is known of them.
    pub facts: BTreeMap<String, String>,
    /// Whether it was made now.
    #[serde(skip)]
    pub fresh: bool,
}

impl Group {
    /// One of its files.
    pub(crate) fn file(&self, name: &str) -> Result<OutputFile> {
        self.files.get(name).cloned().ok_or_else(|| {
            Failure::new(format!("the build made no `{name}`"))
                .hint("remove the line's `.build` and build again")
        })
    }

    /// One of its facts.
    pub(crate) fn fact(&self, name: &str) -> String {
        self.facts.get(name).cloned().unwrap_or_default()
    }
}

impl Shelf {
    /// Opens the line's folder of outputs and clears what a build that was killed has left.
    pub(crate) fn open(line: &Path) -> Result<Shelf> {
        Shelf::at(&line.join(FOLDER), line)
    }

    /// Opens this folder of outputs of the line in `line`.
    pub(crate) fn at(folder: &Path, line: &Path) -> Result<Shelf> {
        let folder = std::path::absolute(folder).or_fail(|| format!("cannot use {}", line.display()))?;
        std::fs::create_dir_all(&folder).or_fail(|| format!("cannot make {}", folder.display()))?;
        let name = folder.join("held");
        let holding = || format!("cannot write {}", name.display());
        let held = File::create(&name).or_fail(holding)?;
        // Two rehearsals of one line begin with the same build: the second finds it made.
        if rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            report::note(&format!("another build of {} is running: waiting for it", line.display()));
            rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).or_fail(holding)?;
        }
        let shelf = Shelf { folder, _held: held };
        shelf.remove(|name| name.starts_with(UNFINISHED))?;
        Ok(shelf)
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// An empty folder to work in; the next build removes it where this one does not.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf> {
        let scratch = self.folder.join(format!("{UNFINISHED}{name}"));
        std::fs::create_dir(&scratch).or_fail(|| format!("cannot make {}", scratch.display()))?;
        Ok(scratch)
    }

    /// The group `name` made from `inputs` (a digest): the one that is there, or what `make` leaves in the folder
    /// that it gets. `make` gives the names of the files to list, and facts.
    pub(crate) fn group(
        &self,
        name: &str,
        inputs: &str,
        make: impl FnOnce(&Path) -> Result<(Vec<&'static str>, BTreeMap<String, String>)>,
    ) -> Result<Group> {
        let called = format!("{name}-{}", inputs.get(..16).unwrap_or(inputs));
        if let Some(group) = self.known(&called)? {
            return Ok(group);
        }
        let work = self.folder.join(format!("{UNFINISHED}{name}"));
        std::fs::create_dir_all(&work).or_fail(|| format!("cannot make {}", work.display()))?;
        let (names, facts) = make(&work)?;
        let mut group = Group { facts, fresh: true, ..Group::default() };
        for file in names {
            let (sha256, bytes) = digest_file(&work.join(file))?;
            group
                .files
                .insert(file.to_owned(), OutputFile { path: format!("{called}/{file}"), bytes, sha256 });
        }
        let list =
            serde_json::to_vec_pretty(&group).or_fail(|| format!("cannot write the list of {name}"))?;
        let path = work.join(GROUP_LIST);
        std::fs::write(&path, list).or_fail(|| format!("cannot write {}", path.display()))?;
        if work.join(TREE).is_dir() {
            listing::keep(&work)?;
        }
        let finishing = || format!("cannot finish {}", work.display());
        // Everything must be on the disk before the name that promises it.
        rustix::fs::syncfs(File::open(&work).or_fail(finishing)?).or_fail(finishing)?;
        let done = self.folder.join(&called);
        if done.exists() {
            std::fs::remove_dir_all(&done).or_fail(|| format!("cannot remove {}", done.display()))?;
        }
        std::fs::rename(&work, &done).or_fail(finishing)?;
        Ok(group)
    }

    /// A file of each finished group of this name: those of builds before this one.
    pub(crate) fn of_before(&self, name: &str, file: &str) -> Result<Vec<PathBuf>> {
        let reading = || format!("cannot read {}", self.folder.display());
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder).or_fail(reading)? {
            let folder = entry.or_fail(reading)?.file_name().to_string_lossy().into_owned();
            if folder.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')) {
                files.push(self.folder.join(folder).join(file));
            }
        }
        files.sort();
        Ok(files)
    }

    /// A finished group whose files are all there in their size, and whose tree is as it was made.
    fn known(&self, called: &str) -> Result<Option<Group>> {
        let folder = self.folder.join(called);
        let Ok(list) = std::fs::read(folder.join(GROUP_LIST)) else { return Ok(None) };
        let Ok(group) = serde_json::from_slice::<Group>(&list) else { return Ok(None) };
        let whole = |file: &OutputFile| {
            self.folder
                .join(&file.path)
                .metadata()
                .is_ok_and(|kind| kind.is_file() && kind.len() == file.bytes)
        };
        if !group.files.values().all(whole) {
            return Ok(None);
        }
        let is_tree = folder.join(TREE).is_dir();
        Ok((!is_tree || listing::is_as_made(&folder, &folder.display().to_string())?).then_some(group))
    }

    /// Writes the list of the outputs, last and at once, and removes the groups that are not in it.
    pub(crate) fn finish(&self, outputs: &Outputs) -> Result<()> {
        let path = self.folder.join(LIST);
        let writing = || format!("cannot write {}", path.display());
        let text = serde_json::to_string_pretty(outputs).or_fail(writing)? + "\n";
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        let unfinished = self.folder.join(format!("{UNFINISHED}{LIST}"));
        std::fs::write(&unfinished, text).or_fail(writing)?;
        File::open(&unfinished).and_then(|file| file.sync_all()).or_fail(writing)?;
        std::fs::rename(&unfinished, &path).or_fail(writing)?;
        let kept = groups_of(outputs);
        self.remove(|name| !kept.contains(name) && name.contains('-'))
    }

    /// Removes folders and files whose name passes.
    fn remove(&self, pass: impl Fn(&str) -> bool) -> Result<()> {
        let reading = || format!("cannot read {}", self.folder.display());
        for entry in std::fs::read_dir(&self.folder).or_fail(reading)? {
            let entry = entry.or_fail(reading)?;
            if !entry.file_name().to_str().is_some_and(&pass) {
                continue;
            }
            let path = entry.path();
            let is_folder = entry.file_type().or_fail(reading)?.is_dir();
            let removed =
                if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.or_fail(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }
}

/// Folders that the list of the outputs names.
fn groups_of(outputs: &Outputs) -> BTreeSet<String> {
    let files = outputs
        .live_systems()
        .flat_map(|live| [&live.kernel, &live.initrd, &live.squashfs, &live.drivers])
        .chain([&outputs.image, &outputs.loader_bios, &outputs.loader_efi, &outputs.loader_cd])
        .chain(outputs.boms.values());
    let paths =
        files.map(|file| file.path.as_str()).chain(outputs.live_systems().map(|live| live.tree.as_str()));
    paths.filter_map(|path| path.split('/').next().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A killed build must cost its unfinished part only, and never leave something that looks finished.
    #[test]
    fn groups_are_whole_or_not_there() {
        let line = tempfile::tempdir().unwrap();
        let made = Cell::new(0);
        let make = |folder: &Path| {
            made.set(made.get() + 1);
            std::fs::write(folder.join("a"), "x").unwrap();
            Ok((vec!["a"], BTreeMap::new()))
        };
        let shelf = Shelf::open(line.path()).unwrap();
        let group = shelf.group("one", &"0".repeat(64), make).unwrap();
        assert_eq!(group.file("a").unwrap().path, "one-0000000000000000/a");
        assert!(!shelf.group("one", &"0".repeat(64), make).unwrap().fresh);
        shelf.group("one", &"1".repeat(64), |_| Err(Failure::new("killed"))).unwrap_err();
        std::fs::write(shelf.folder().join("unfinished-one/half"), "").unwrap();
        // A second build waits for the first, and takes nothing away from it meanwhile.
        let shelf = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Shelf::open(line.path()));
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(shelf.folder().join("unfinished-one/half").exists() && !waiting.is_finished());
            drop(shelf);
            waiting.join().unwrap().unwrap()
        });
        assert!(!shelf.folder().join("unfinished-one").exists());
        // A file that was cut short behind our back is made again.
        std::fs::write(shelf.folder().join("one-0000000000000000/a"), "").unwrap();
        assert!(shelf.group("one", &"0".repeat(64), make).unwrap().fresh);
        assert_eq!(made.get(), 2);
        // So is a tree that somebody has worked in.
        let make = |folder: &Path| {
            std::fs::create_dir(folder.join(TREE)).unwrap();
            std::fs::write(folder.join(TREE).join("motd"), "x").unwrap();
            Ok((vec![], BTreeMap::new()))
        };
        assert!(shelf.group("two", &"0".repeat(64), make).unwrap().fresh);
        assert!(!shelf.group("two", &"0".repeat(64), make).unwrap().fresh);
        std::fs::write(shelf.folder().join("two-0000000000000000/tree/motd"), "changed").unwrap();
        assert!(shelf.group("two", &"0".repeat(64), make).unwrap().fresh);
    }
}
