//! Reads every file back from the disk and compares it with what was written.
//!
//! Before this the file systems were unmounted and the disk's cached sectors dropped, so that what is read comes
//! from the disk and not from memory.

use super::fault::{Blame as _, Fault, Outcome};
use super::ledger::{Digest, Ledger};
use crate::controller::witness::Meter;
use crate::digest::Sha256;
use linux::tree::Tree;
use model::failure::{Explain as _, Failure};
use model::record::ReadBack;
use std::io::Read as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// At most so many files are named that differ.
const NAMED: usize = 5;

/// Compares every file of the ledger with the tree at `target`.
pub(crate) fn read_back(target: &Path, ledger: &Ledger, meter: &Meter<'_>) -> Outcome<ReadBack> {
    let cannot = || "cannot open the target".to_owned();
    let tree = Tree::open(target).map_err(std::io::Error::from).or_fail(cannot).blame("disk-io-error")?;
    let files: Vec<(&Path, &Digest)> = ledger.files().collect();
    let (next, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
    let differing = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut buffer = vec![0; 256 * 1024];
                while let Some((path, wanted)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = digest(&tree, path, &mut buffer, &bytes, meter);
                    let why = match found {
                        Ok(digest) if digest == **wanted => continue,
                        Ok(_) => "other bytes than were written".to_owned(),
                        Err(error) => error.to_string(),
                    };
                    if let Ok(mut differing) = differing.lock() {
                        differing.push(format!("{}: {why}", path.display()));
                    }
                }
            });
        }
    });
    let mut differing = differing.into_inner().unwrap_or_default();
    differing.sort();
    if differing.is_empty() {
        return Ok(ledger.summary(bytes.into_inner()));
    }
    let count = differing.len();
    let failure = Failure::new(format!("{count} of {} files are not on the disk as written", ledger.len()));
    let failure = differing.into_iter().take(NAMED).fold(failure, Failure::because);
    Err(Fault {
        cause: "disk-io-error",
        failure: failure.hint("put in another disk; look at its cable, its controller and the box's memory"),
    })
}

fn digest(
    tree: &Tree,
    path: &Path,
    buffer: &mut [u8],
    bytes: &AtomicU64,
    meter: &Meter<'_>,
) -> std::io::Result<Digest> {
    let mut file = tree.read(path)?;
    let mut hasher = Sha256::new();
    loop {
        let count = file.read(buffer)?;
        if count == 0 {
            return Ok(hasher.finalize());
        }
        hasher.update(&buffer[..count]);
        meter.at(bytes.fetch_add(count as u64, Ordering::Relaxed) + count as u64);
    }
}
