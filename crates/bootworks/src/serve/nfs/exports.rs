//! What is exported: paths and the folders behind them, added to while the server runs.
//!
//! Answers nothing: [`super::answer`] looks here. Each build of the live OS is an export of its own.

use super::Export;
use super::shelf::Folder;
use std::sync::{Arc, PoisonError, RwLock};

/// Exports at one time; each keeps the index of its folder in memory.
const EXPORTS_MOST: usize = 8;

/// What is exported. The server gets a new export with each new build, while boxes of the build before still
/// read theirs.
#[derive(Clone, Default)]
pub(in crate::serve) struct Exports(Arc<RwLock<Arc<Exported>>>);

/// What is exported at one moment: paths, and the folders behind them, each once.
#[derive(Clone, Default)]
pub(super) struct Exported {
    /// Path and folder, the oldest first.
    pub(super) paths: Vec<(String, Arc<Folder>)>,
    /// Each folder once.
    pub(super) folders: Vec<Arc<Folder>>,
}

impl From<Vec<Export>> for Exports {
    fn from(list: Vec<Export>) -> Exports {
        let exports = Exports::default();
        list.into_iter().for_each(|export| exports.add(export));
        exports
    }
}

impl Exports {
    /// One more, if it is not there yet; exports of one folder share its tree. A path that led to another folder
    /// leads to the new one from now on. Of more than [`EXPORTS_MOST`]
    /// the oldest goes.
    pub(in crate::serve) fn add(&self, export: Export) {
        let path = tidy(&export.path);
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let same = |(known, folder): &(String, Arc<Folder>)| *known == path && folder.path() == export.folder;
        if held.paths.iter().any(same) {
            return;
        }
        let mut next = Exported::clone(&held);
        next.paths.retain(|(known, _)| *known != path);
        let known = next.folders.iter().find(|folder| folder.path() == export.folder).cloned();
        next.paths.push((path, known.unwrap_or_else(|| Arc::new(Folder::new(export.folder)))));
        if next.paths.len() > EXPORTS_MOST {
            next.paths.remove(0);
        }
        next.folders.clear();
        for (_, folder) in &next.paths {
            if !next.folders.iter().any(|known| Arc::ptr_eq(known, folder)) {
                next.folders.push(Arc::clone(folder));
            }
        }
        *held = Arc::new(next);
    }

    /// What is exported now; it stays as it is for whoever holds it.
    pub(super) fn now(&self) -> Arc<Exported> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A path as two people who mean the same would write it.
pub(super) fn tidy(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new build is exported beside those that boxes still read; what is added twice is there once.
    #[test]
    fn exports_come_and_the_oldest_goes() {
        let export =
            |name: usize| Export { path: format!("/live/{name}/"), folder: format!("/build/{name}").into() };
        let exports = Exports::from(vec![export(0), export(0)]);
        let before = exports.now();
        assert_eq!((before.paths.len(), before.folders.len()), (1, 1));
        (1..=EXPORTS_MOST).for_each(|name| exports.add(export(name)));
        let now = exports.now();
        assert_eq!((now.paths.len(), now.folders.len()), (EXPORTS_MOST, EXPORTS_MOST));
        assert_eq!((now.paths[0].0.as_str(), before.paths[0].0.as_str()), ("/live/1", "/live/0"));
    }
}
