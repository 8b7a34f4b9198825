//! A USB stick that somebody puts into a box while it is installed: nothing may ever be written to it.
//!
//! Its octets are known, so that one that was written to is found out.

use model::failure::{Explain as _, Result};
use serde_json::{Value, json};
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

/// QEMU's id of the controller that it is put into.
pub(super) const CONTROLLER: &str = "stick-usb";
/// Its size in octets: small enough to be the smallest disk of any box.
const SIZE_BYTES: u64 = 64 << 20;
/// What stands on it, over and over.
const CONTENT: &[u8; 16] = b"somebody's stick";

/// Makes it.
pub(super) fn make(path: &Path) -> Result<()> {
    let write = || {
        let mut file = BufWriter::new(std::fs::File::create(path)?);
        for _ in 0..SIZE_BYTES / CONTENT.len() as u64 {
            file.write_all(CONTENT)?;
        }
        file.flush()
    };
    write().or_fail(|| format!("cannot make {}", path.display()))
}

/// Whether it is as it was made. One that cannot be read is not.
pub(super) fn is_untouched(path: &Path) -> bool {
    let Ok(file) = std::fs::File::open(path) else { return false };
    let mut file = BufReader::new(file);
    let (mut piece, mut read_bytes) = ([0; CONTENT.len()], 0);
    while file.read_exact(&mut piece).is_ok() {
        if piece != *CONTENT {
            return false;
        }
        read_bytes += piece.len() as u64;
    }
    read_bytes == SIZE_BYTES
}

/// What QEMU is told to put it in.
pub(super) fn insertion(path: &Path) -> [(&'static str, Value); 2] {
    [
        (
            "blockdev-add",
            json!({ "node-name": "stick", "driver": "raw", "file": { "driver": "file", "filename": path } }),
        ),
        (
            "device_add",
            json!({
                "driver": "usb-storage", "id": "stick", "bus": format!("{CONTROLLER}.0"), "drive": "stick",
                "removable": true,
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    /// A stick of which one octet is another was written to.
    #[test]
    fn one_octet_gives_it_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stick.raw");
        make(&path).unwrap();
        assert!(is_untouched(&path));
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"?", SIZE_BYTES - 1).unwrap();
        assert!(!is_untouched(&path));
        file.write_all_at(&CONTENT[15..], SIZE_BYTES - 1).unwrap();
        assert!(is_untouched(&path));
        file.set_len(SIZE_BYTES - 1).unwrap();
        assert!(!is_untouched(&path));
    }
}
