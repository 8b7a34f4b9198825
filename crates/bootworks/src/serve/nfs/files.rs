//! Reading files of a tree: the last used ones stay open.
//!
//! A box reads a program in many small pieces; opening it by its path for each would cost more than reading.

use super::super::reading::Patience;
use super::tree::{Node, Opened, Tree};
use rustix::io::Errno;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// How many files of a tree stay open. Far below the 1024 a process may open by default.
const OPEN_MOST: usize = 256;

/// The open files of one tree.
#[derive(Default)]
pub(super) struct Files {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: HashMap<Node, (Arc<OwnedFd>, u64)>,
    /// Counts uses: the lowest number was used longest ago.
    clock: u64,
}

/// A file that was opened.
pub(super) enum File {
    /// To read from.
    Open(Arc<OwnedFd>),
    /// To read from; its attributes are not those that were walked.
    Edited(Arc<OwnedFd>),
    /// It is gone.
    Gone,
}

impl Files {
    /// A file that is open already.
    fn opened(&self, node: Node) -> Option<Arc<OwnedFd>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clock += 1;
        let clock = state.clock;
        let (file, used) = state.open.get_mut(&node)?;
        *used = clock;
        Some(Arc::clone(file))
    }

    /// A file that is as it was walked, where it is open or can be opened without waiting for the disk. To hand the
    /// first piece of each file to another thread costs a small file as much again as reading it.
    pub(super) fn at_hand(&self, tree: &Tree, node: Node) -> Option<Arc<OwnedFd>> {
        self.opened(node).or_else(|| match tree.open_file(node, Patience::None) {
            Ok(Opened::AsWalked(file)) => Some(self.keep(node, file)),
            // What was edited or is gone has its consequences: `open` sees to them.
            Ok(Opened::Edited(_) | Opened::Another) | Err(_) => None,
        })
    }

    /// Opens a file. Waits for the disk.
    ///
    /// Errors: the kernel's.
    pub(super) fn open(&self, tree: &Tree, node: Node) -> Result<File, Errno> {
        if let Some(file) = self.opened(node) {
            return Ok(File::Open(file));
        }
        Ok(match tree.open_file(node, Patience::Disk)? {
            Opened::AsWalked(file) => File::Open(self.keep(node, file)),
            Opened::Edited(file) => File::Edited(self.keep(node, file)),
            Opened::Another => File::Gone,
        })
    }

    fn keep(&self, node: Node, file: OwnedFd) -> Arc<OwnedFd> {
        let file = Arc::new(file);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.open.len() >= OPEN_MOST {
            let oldest = state.open.iter().min_by_key(|(_, (_, used))| *used).map(|(node, _)| *node);
            oldest.and_then(|node| state.open.remove(&node));
        }
        state.clock += 1;
        let clock = state.clock;
        state.open.insert(node, (Arc::clone(&file), clock));
        file
    }
}
