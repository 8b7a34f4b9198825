//! The store: packages by their SHA-256, the archives' indexes, and configured bases by what they are made from;
//! shared by all lines of a person.
//!
//! A name in it means something complete: everything is written under another name first. What is made for one
//! line only stands in that line's folder, not here.
//!
//! ```text
//! deb/SHA256.deb        packages              apt/…      apt's verified indexes, one folder for each set of archives
//! index/…               driver tables         unpacked/SHA256   packages' files, one folder a package
//! base/KEY              configured systems, before anything of a recipe is in them
//! ```

use super::listing;
use model::failure::{Explain as _, Failure, Result};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Parts of the store.
pub(crate) const PARTS: [&str; 5] = ["deb", "apt", "index", "unpacked", "base"];
/// What the name of something that is being made begins with.
pub(crate) const UNFINISHED: &str = "unfinished-";

/// A folder of packages, indexes and bases.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    /// Where what is made out of packages is kept: the same folder, unless nothing made before may be used.
    made: PathBuf,
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
        make_parts(&folder, &PARTS)?;
        Ok(Store { made: folder.clone(), folder })
    }

    /// This store's packages and indexes of archives, with everything that is made out of them in `folder`.
    pub(crate) fn with_nothing_made(&self, folder: &Path) -> Result<Store> {
        make_parts(folder, &["index", "unpacked", "base"])?;
        Ok(Store { folder: self.folder.clone(), made: folder.to_owned() })
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
        self.made.join("index")
    }

    /// Where the files of the package with this SHA-256 are, once they are unpacked.
    pub(crate) fn unpacked(&self, sha256: &str) -> PathBuf {
        self.made.join("unpacked").join(sha256)
    }

    /// The folder that `make` fills from what `key` (a digest) stands for: the one that is there, or a new one.
    ///
    /// It gets its name when all of it is on the disk, so what is there is whole. Two builds that want the same
    /// one make it once: the second waits for the first. One that was changed since is made again.
    pub(crate) fn base(&self, key: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let name = key.get(..32).unwrap_or(key);
        let bases = self.made.join("base");
        let done = bases.join(name);
        let holding = bases.join(format!("{name}.held"));
        let waiting = || format!("cannot write {}", holding.display());
        let held = File::create(&holding).or_fail(waiting)?;
        rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).or_fail(waiting)?;
        let work = bases.join(format!("{UNFINISHED}{name}"));
        if work.exists() {
            std::fs::remove_dir_all(&work).or_fail(|| format!("cannot remove {}", work.display()))?;
        }
        if done.is_dir() {
            if listing::is_as_made(&done, &format!("{} in the store", done.display()))? {
                touch(&done);
                return Ok(done);
            }
            put_away(&done, &work).or_fail(|| format!("cannot remove {}", done.display()))?;
        }
        std::fs::create_dir(&work).or_fail(|| format!("cannot make {}", work.display()))?;
        make(&work)?;
        listing::keep(&work)?;
        let finishing = || format!("cannot finish {}", work.display());
        rustix::fs::syncfs(File::open(&work).or_fail(finishing)?).or_fail(finishing)?;
        std::fs::rename(&work, &done).or_fail(finishing)?;
        Ok(done)
    }
}

/// Takes a folder's name away and then the folder: killed in between, nothing that looks whole is left.
pub(crate) fn put_away(folder: &Path, unfinished: &Path) -> std::io::Result<()> {
    if unfinished.exists() {
        std::fs::remove_dir_all(unfinished)?;
    }
    std::fs::rename(folder, unfinished)?;
    std::fs::remove_dir_all(unfinished)
}

fn make_parts(folder: &Path, parts: &[&str]) -> Result<()> {
    for part in parts {
        let part = folder.join(part);
        std::fs::create_dir_all(&part).or_fail(|| format!("cannot make {}", part.display()))?;
    }
    Ok(())
}

/// Notes that something of the store was used now: [`super::keeping`] removes what has not been for long. On a
/// store that may not be written it stays as it is.
pub(crate) fn touch(path: &Path) {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    let _ = rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A build that was killed half-way has left a folder behind; the next one must make all of it again and
    /// take nothing of that.
    #[test]
    fn a_base_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().to_owned()).unwrap();
        let key = digest("key");
        let failure = store.base(&key, |work| {
            std::fs::write(work.join("half"), "").unwrap();
            Err(Failure::new("killed"))
        });
        assert!(failure.is_err());
        let made = store.base(&key, |work| {
            assert_eq!(std::fs::read_dir(work).unwrap().count(), 0);
            std::fs::write(work.join("whole"), "").or_fail(|| "cannot write".into())
        });
        let made = made.unwrap();
        assert!(made.join("whole").exists() && !made.join("half").exists());
        assert_eq!(store.base(&key, |_| Err(Failure::new("made twice"))).unwrap(), made);
        std::fs::write(made.join("whole"), "changed by somebody").unwrap();
        let again =
            store.base(&key, |work| std::fs::write(work.join("whole"), "").or_fail(|| "cannot write".into()));
        assert_eq!(std::fs::read(again.unwrap().join("whole")).unwrap(), b"");
        let apart = store.with_nothing_made(&folder.path().join("apart")).unwrap();
        assert!(apart.base(&key, |_| Err(Failure::new("made anew"))).is_err());
        assert_eq!(apart.package(&key), store.package(&key));
    }
}
