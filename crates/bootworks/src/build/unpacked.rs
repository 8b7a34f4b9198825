//! Packages unpacked once: the files of each in a folder of its own in the store, beside the list of what it has.
//!
//! ```text
//! unpacked/SHA256/files/…      as the package has them, links into `/usr` not followed
//! unpacked/SHA256/list.json    its paths in its order; mode, owner and time of its folders
//! ```

use super::package::Opened;
use super::store::{Store, UNFINISHED, touch};
use super::unpack::Root;
use model::failure::{Explain as _, Failure, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Names in a package's folder.
const FILES: &str = "files";
const LIST: &str = "list.json";

/// A package whose files are in the store.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    folder: PathBuf,
    /// What it has, in its order.
    pub list: Vec<Entry>,
}

/// One path of a package, relative to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The path.
    pub path: PathBuf,
    /// What it is like, where it is a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<FolderEntry>,
}

/// Mode, owner and time of a folder, as the package has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FolderEntry {
    /// Permission bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// Modification time, seconds since 1970.
    pub time: u64,
}

impl Kept {
    /// The folder of its files.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.join(FILES)
    }
}

/// Whether the store has this package's files.
pub(crate) fn is_kept(opened: &Opened, store: &Store) -> bool {
    store.unpacked(&opened.package.sha256).is_dir()
}

/// Unpacks those packages whose files the store does not have, many at a time, and gives all.
pub(crate) fn keep(packages: &[Opened], store: &Store) -> Result<Vec<Kept>> {
    let mut missing: Vec<&Opened> = packages.iter().filter(|opened| !is_kept(opened, store)).collect();
    // The largest first, or the last thread ends alone with the kernel.
    missing.sort_by_key(|opened| std::cmp::Reverse(opened.package.bytes));
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Result<PathBuf>>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(missing.len()) {
            scope.spawn(|| {
                while let Some(opened) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let made = unpack_one(opened, store)
                        .map_err(|failure| failure.doing(format!("unpacking {}", opened.package.name)));
                    if let Ok(mut done) = done.lock() {
                        done.push(made);
                    }
                }
            });
        }
    });
    let made = done.into_inner().unwrap_or_default().into_iter().collect::<Result<Vec<_>>>()?;
    finish(&made)?;
    packages.iter().map(|opened| read(&store.unpacked(&opened.package.sha256))).collect()
}

/// Unpacks a package under a name that says that it is not on the disk yet.
fn unpack_one(opened: &Opened, store: &Store) -> Result<PathBuf> {
    let done = store.unpacked(&opened.package.sha256);
    // Two builds may unpack one package at once: each does it for itself, and one of them names it.
    let name = format!("{UNFINISHED}{}.{}", opened.package.sha256, std::process::id());
    let work = done.with_file_name(name);
    let making = || format!("cannot make {}", work.display());
    if work.exists() {
        std::fs::remove_dir_all(&work).or_fail(making)?;
    }
    let files = work.join(FILES);
    std::fs::create_dir_all(&files).or_fail(making)?;
    let bytes = opened.bytes()?;
    let list = Root::open(&files)?.unpack(&mut opened.files(&bytes)?)?;
    std::fs::write(work.join(LIST), serde_json::to_vec(&list).or_fail(making)?).or_fail(making)?;
    Ok(work)
}

/// Gives unpacked packages their names, once all of them are on the disk.
fn finish(made: &[PathBuf]) -> Result<()> {
    let Some(first) = made.first() else { return Ok(()) };
    let syncing = || format!("cannot write {}", first.display());
    rustix::fs::syncfs(File::open(first).or_fail(syncing)?).or_fail(syncing)?;
    for work in made {
        let name = work.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sha256 = name.strip_prefix(UNFINISHED).and_then(|name| name.split('.').next());
        let done = work.with_file_name(sha256.unwrap_or_default());
        match std::fs::rename(work, &done) {
            Ok(()) => {}
            // The other build was faster.
            Err(_) if done.is_dir() => {
                std::fs::remove_dir_all(work).or_fail(|| format!("cannot remove {}", work.display()))?;
            }
            Err(error) => return Err(error).or_fail(|| format!("cannot write {}", done.display())),
        }
    }
    Ok(())
}

fn read(folder: &Path) -> Result<Kept> {
    touch(folder);
    let path = folder.join(LIST);
    let reading = || format!("cannot read {}", path.display());
    let list = std::fs::read(&path).or_fail(reading)?;
    let list = serde_json::from_slice(&list).map_err(|error| {
        Failure::new(format!("{} is damaged", path.display()))
            .because(error.to_string())
            .hint(format!("remove the folder {} and build again", folder.display()))
    })?;
    Ok(Kept { folder: folder.to_owned(), list })
}
