//! The exported folders and their trees: walked when first needed, walked again when outdated, found by handle.
//!
//! Walking again happens at a mount (a box that boots sees the folder as it is) and when a file turns out to be
//! another one than was walked. Boxes that run keep their handles: they are made from what stays, see `tree`.

use super::files::Files;
use super::tree::{Node, Tree};
use model::failure::{Explain as _, Result};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use wire::nfs::Status;

/// A rack that is switched on mounts a hundred times in a few seconds: one walk does for all of them.
const FRESH: Duration = Duration::from_secs(5);

/// First bytes of our handles: another server's are told from them.
const MARK: [u8; 4] = *b"bwk1";
/// Mark, tag of the tree, number of the file.
const HANDLE_BYTES: usize = 20;

/// A file handle as we make it.
pub(super) type Handle = [u8; HANDLE_BYTES];

/// A tree with its open files.
pub(super) struct Volume {
    /// What is in it.
    pub(super) tree: Tree,
    /// What of it is open.
    pub(super) files: Files,
    walked: Instant,
}

impl Volume {
    /// The handle of a file.
    pub(super) fn handle(&self, node: Node) -> Handle {
        let mut handle = [0; HANDLE_BYTES];
        handle[..4].copy_from_slice(&MARK);
        handle[4..12].copy_from_slice(&self.tree.tag().to_be_bytes());
        handle[12..].copy_from_slice(&self.tree.attributes(node).number.to_be_bytes());
        handle
    }
}

/// One exported folder.
pub(super) struct Folder {
    path: PathBuf,
    volume: RwLock<Option<Arc<Volume>>>,
    /// Held while walking: who comes second takes what the first one made.
    walking: tokio::sync::Mutex<()>,
}

impl Folder {
    /// A folder that was not walked yet; it need not exist yet.
    pub(super) fn new(path: PathBuf) -> Folder {
        Folder { path, volume: RwLock::new(None), walking: tokio::sync::Mutex::new(()) }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// What the last walk found.
    pub(super) fn known(&self) -> Option<Arc<Volume>> {
        self.volume.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is in it now, or was a few seconds ago.
    pub(super) async fn fresh(&self) -> Result<Arc<Volume>> {
        self.walked_after(|volume| volume.walked.elapsed() < FRESH).await
    }

    /// What is in it, however long ago that was seen.
    pub(super) async fn any(&self) -> Result<Arc<Volume>> {
        self.walked_after(|_| true).await
    }

    /// Something newer than `outdated`, unless that is a few seconds old: a file that is written to all the time
    /// must not keep us walking.
    pub(super) async fn newer(&self, outdated: &Volume) -> Result<Arc<Volume>> {
        self.walked_after(|volume| volume.walked > outdated.walked || volume.walked.elapsed() < FRESH).await
    }

    async fn walked_after(&self, is_good: impl Fn(&Volume) -> bool) -> Result<Arc<Volume>> {
        let _walking = self.walking.lock().await;
        if let Some(volume) = self.known().filter(|volume| is_good(volume)) {
            return Ok(volume);
        }
        let (path, walked) = (self.path.clone(), Instant::now());
        let tree = tokio::task::spawn_blocking(move || Tree::walk(&path))
            .await
            .or_fail(|| format!("cannot walk {}", self.path.display()))??;
        let volume = Arc::new(Volume { tree, files: Files::default(), walked });
        *self.volume.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&volume));
        Ok(volume)
    }
}

/// A file that a handle names.
#[derive(Clone)]
pub(super) struct Place {
    /// The folder whose tree it is in.
    pub(super) folder: Arc<Folder>,
    /// The tree.
    pub(super) volume: Arc<Volume>,
    /// The file.
    pub(super) node: Node,
}

/// Tag and number of a handle of ours.
///
/// Errors: `BadHandle` for anybody else's.
pub(super) fn take_apart(handle: &[u8]) -> std::result::Result<(u64, u64), Status> {
    let rest = handle.strip_prefix(&MARK).ok_or(Status::BadHandle)?;
    let (tag, number) = rest.split_first_chunk::<8>().ok_or(Status::BadHandle)?;
    let number = <[u8; 8]>::try_from(number).map_err(|_| Status::BadHandle)?;
    Ok((u64::from_be_bytes(*tag), u64::from_be_bytes(number)))
}

/// The file of a handle in the trees that were walked; `Ok(None)` while a folder was not walked that may have it.
pub(super) fn find(folders: &[Arc<Folder>], handle: &[u8]) -> std::result::Result<Option<Place>, Status> {
    let (tag, number) = take_apart(handle)?;
    let mut all_walked = true;
    for folder in folders {
        let Some(volume) = folder.known() else {
            all_walked = false;
            continue;
        };
        if volume.tree.tag() == tag {
            let node = volume.tree.find(number).ok_or(Status::Stale)?;
            return Ok(Some(Place { folder: Arc::clone(folder), volume, node }));
        }
    }
    if all_walked { Err(Status::Stale) } else { Ok(None) }
}

/// How much of what is exported is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walked {
    /// Everything that exists.
    Wholly,
    /// A folder is there and cannot be read.
    Partly,
}

/// Walks what was not walked yet. Why a folder cannot be walked is told to whoever mounts it.
pub(super) async fn walk_all(folders: &[Arc<Folder>]) -> Walked {
    let mut walked = Walked::Wholly;
    for folder in folders {
        let is_missing = matches!(tokio::fs::try_exists(&folder.path).await, Ok(false));
        if !is_missing && folder.any().await.is_err() {
            walked = Walked::Partly;
        }
    }
    walked
}
