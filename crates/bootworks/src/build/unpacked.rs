//! Packages unpacked once: the files of each in a folder of its own in the store, beside the list of what it has.
//!
//! ```text
//! unpacked/SHA256/files/…      as the package has them, links into `/usr` not followed
//! unpacked/SHA256/list.json    its paths in its order; mode, owner and time of its folders
//! unpacked/SHA256/made.list    what all of this was like when it was made
//! ```

use super::listing;
use super::package::Opened;
use super::store::{Store, UNFINISHED, put_away, touch};
use super::unpack::Root;
use model::failure::{Explain as _, Failure, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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

/// Whether the store has this package's files as they were unpacked; what is not is taken away.
fn is_as_unpacked(opened: &Opened, store: &Store) -> Result<bool> {
    let folder = store.unpacked(&opened.package.sha256);
    let what = || format!("{}, unpacked in the store as {},", opened.package.name, folder.display());
    if !folder.is_dir() || listing::is_as_made(&folder, &what())? {
        return Ok(folder.is_dir());
    }
    let name = format!("{UNFINISHED}{}.{}-changed", opened.package.sha256, std::process::id());
    put_away(&folder, &folder.with_file_name(name))
        .or_fail(|| format!("cannot remove {}", folder.display()))?;
    Ok(false)
}

/// Packages that were unpacked now and have no name yet: what has one is on the disk.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Unnamed(Vec<Work>);

/// A package that is being unpacked.
#[derive(Debug)]
struct Work {
    folder: PathBuf,
    done: PathBuf,
    /// Held until it has its name: `store gc` then leaves it alone.
    lock: PathBuf,
    _held: File,
}

/// Unpacks those packages whose files the store does not have, many at a time, and gives all; those that are new get
/// their names when the disk has them ([`Unnamed::name`]), which is worth waiting for only once a build.
pub(crate) fn keep(packages: &[Opened], store: &Store) -> Result<(Vec<Kept>, Unnamed)> {
    let mut missing = Vec::new();
    for opened in packages {
        if !is_as_unpacked(opened, store)? {
            missing.push(opened);
        }
    }
    // The largest first, or the last thread ends alone with the kernel.
    missing.sort_by_key(|opened| std::cmp::Reverse(opened.package.bytes));
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Result<(String, Work)>>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(missing.len()) {
            scope.spawn(|| {
                while let Some(opened) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let made = unpack_one(opened, store)
                        .map(|work| (opened.package.sha256.clone(), work))
                        .map_err(|failure| failure.doing(format!("unpacking {}", opened.package.name)));
                    if let Ok(mut done) = done.lock() {
                        done.push(made);
                    }
                }
            });
        }
    });
    let made = done.into_inner().unwrap_or_default().into_iter().collect::<Result<BTreeMap<_, _>>>()?;
    let folder = |opened: &Opened| {
        let sha256 = &opened.package.sha256;
        made.get(sha256).map_or_else(|| store.unpacked(sha256), |work| work.folder.clone())
    };
    let all = packages.iter().map(|opened| read(&folder(opened))).collect::<Result<_>>()?;
    Ok((all, Unnamed(made.into_values().collect())))
}

impl Unnamed {
    /// Gives the packages their names. Their disk has to be synchronised before.
    pub(crate) fn name(self) -> Result<()> {
        for Work { folder, done, lock, _held } in self.0 {
            match std::fs::rename(&folder, &done) {
                Ok(()) => {}
                // The other build was faster.
                Err(_) if done.is_dir() => {
                    std::fs::remove_dir_all(&folder)
                        .or_fail(|| format!("cannot remove {}", folder.display()))?;
                }
                Err(error) => return Err(error).or_fail(|| format!("cannot write {}", done.display())),
            }
            let _ = std::fs::remove_file(lock);
        }
        Ok(())
    }
}

/// Unpacks a package under a name that says that it is not on the disk yet.
fn unpack_one(opened: &Opened, store: &Store) -> Result<Work> {
    let done = store.unpacked(&opened.package.sha256);
    // Two builds may unpack one package at once: each does it for itself, and one of them names it.
    let name = format!("{}.{}", opened.package.sha256, std::process::id());
    let folder = done.with_file_name(format!("{UNFINISHED}{name}"));
    let making = || format!("cannot make {}", folder.display());
    let lock = done.with_file_name(format!("{name}.held"));
    let held = File::create(&lock).or_fail(making)?;
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).or_fail(making)?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder).or_fail(making)?;
    }
    let files = folder.join(FILES);
    std::fs::create_dir_all(&files).or_fail(making)?;
    let bytes = opened.bytes()?;
    let list = Root::open(&files)?.unpack(&mut opened.files(&bytes)?)?;
    std::fs::write(folder.join(LIST), serde_json::to_vec(&list).or_fail(making)?).or_fail(making)?;
    listing::keep(&folder)?;
    Ok(Work { folder, done, lock, _held: held })
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
