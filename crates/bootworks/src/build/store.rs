//! The store: packages by their SHA-256 and the archives' indexes, shared by all lines of a person.
//!
//! A name in it means a complete, verified file: everything is written under another name first. What is made
//! for one line only stands in that line's folder, not here.

use model::failure::{Explain as _, Failure, Result};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A folder of packages and indexes.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store of this person: `$BOOTWORKS_STORE`, else `$XDG_CACHE_HOME/bootworks`, else `~/.cache/bootworks`.
    pub(crate) fn open() -> Result<Store> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("BOOTWORKS_STORE")
            .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("bootworks")))
            .or_else(|| set("HOME").map(|home| home.join(".cache/bootworks")))
            .ok_or_else(|| {
                Failure::new("there is no place for the store")
                    .because("neither BOOTWORKS_STORE nor XDG_CACHE_HOME nor HOME is set")
                    .hint("name a folder in BOOTWORKS_STORE")
            })?;
        Store::at(folder)
    }

    /// The store in this folder.
    pub(crate) fn at(folder: PathBuf) -> Result<Store> {
        let folder = std::path::absolute(&folder).or_fail(|| format!("cannot use {}", folder.display()))?;
        for part in ["deb", "apt", "index"] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part).or_fail(|| format!("cannot make {}", part.display()))?;
        }
        Ok(Store { folder })
    }

    /// The store's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the package with this SHA-256 is, once it is there.
    pub(crate) fn package(&self, sha256: &str) -> PathBuf {
        self.folder.join("deb").join(format!("{sha256}.deb"))
    }

    /// Where that package grows while it is fetched.
    pub(crate) fn partial(&self, sha256: &str) -> PathBuf {
        self.folder.join("deb").join(format!("{sha256}.part"))
    }

    /// Folder of apt's state for one set of archives.
    pub(crate) fn apt(&self, digest: &str) -> PathBuf {
        self.folder.join("apt").join(digest.get(..16).unwrap_or(digest))
    }

    /// Folder of what was read out of packages and is the same for every line.
    pub(crate) fn index(&self) -> PathBuf {
        self.folder.join("index")
    }
}

/// SHA-256 of bytes, hex.
pub(crate) fn digest(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, hex, and its size.
pub(crate) fn digest_file(path: &Path) -> Result<(String, u64)> {
    let reading = || format!("cannot read {}", path.display());
    let mut file = File::open(path).or_fail(reading)?;
    let mut hash = Sha256::new();
    let bytes = feed(&mut hash, &mut file).or_fail(reading)?;
    Ok((hex(&hash.finalize()), bytes))
}

/// Feeds all that is left of a reader to a hash and gives how much it was.
pub(crate) fn feed(hash: &mut Sha256, from: &mut impl Read) -> std::io::Result<u64> {
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(count) => {
                hash.update(&buffer[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
