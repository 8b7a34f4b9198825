//! What the server of a rehearsal knows of its box: kept beside the disks of a finished one, so that the server of a later
//! rehearsal knows that it is finished.

use model::failure::{Explain as _, Result};
use std::path::Path;

/// The store of `serve::store`, and what SQLite keeps beside it: the newest entries stand in the write-ahead log. While the
/// box is off nobody writes to them.
const FILES: [&str; 2] = ["timeline.sqlite", "timeline.sqlite-wal"];

/// Copies it, as far as it is there, from one folder to another.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    for name in FILES {
        let file = from.join(name);
        if file.exists() {
            std::fs::copy(&file, to.join(name)).or_fail(|| format!("cannot copy {}", file.display()))?;
        }
    }
    Ok(())
}

/// Whether a folder has any.
pub(super) fn is_in(folder: &Path) -> bool {
    folder.join(FILES[0]).exists()
}
