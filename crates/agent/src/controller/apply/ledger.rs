//! What every file of the appliance has to contain, so that it can be compared with what the disk gives back.

use crate::digest::Sha256;
use model::record::ReadBack;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) use crate::digest::Digest;

/// Digests by path in the appliance.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    files: BTreeMap<PathBuf, Digest>,
}

impl Ledger {
    /// Keeps what was written to a file.
    pub(crate) fn keep(&mut self, path: &Path, digest: Digest) {
        self.files.insert(path.to_owned(), digest);
    }

    /// Forgets a path that is no longer a file of its own.
    pub(crate) fn forget(&mut self, path: &Path) {
        self.files.remove(path);
    }

    /// Every file with its digest, in the order of their paths.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, &Digest)> {
        self.files.iter().map(|(path, digest)| (path.as_path(), digest))
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// The whole in one line for the record.
    pub(crate) fn summary(&self, bytes: u64) -> ReadBack {
        let mut hasher = Sha256::new();
        for (path, digest) in &self.files {
            hasher.update(format!("{}  {}\n", hex(digest), path.display()));
        }
        ReadBack { files: self.files.len() as u64, bytes, sha256: hex(&hasher.finalize()) }
    }
}

/// The digest of bytes that are in memory.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes)
}

/// The digest of everything that a reader gives.
pub(crate) fn digest_of_all(reader: &mut impl std::io::Read) -> std::io::Result<Digest> {
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 256 * 1024]);
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// A digest as people and servers write it.
pub(crate) fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
