//! The line's own packages, as an archive that apt understands: made beside apt's state, trusted because it is the
//! line's, and preferred to every other.
//!
//! In the lock such a package has the address `line:PATH`, so that the line can be moved.

use super::package::control_text;
use super::store::{digest, digest_file};
use model::failure::{Explain as _, Failure, Result};
use model::recipe::Recipe;
use std::path::Path;

/// How the address of a package in the line's folder begins.
pub(crate) const SCHEME: &str = "line:";
/// What the archive calls itself, for apt's preferences.
pub(crate) const ORIGIN: &str = "bootworks-line";

/// One of the line's own packages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OwnPackage {
    /// Path in the line's folder.
    pub path: String,
    /// Its SHA-256, hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// The packages that a recipe's `debs` come to, sorted.
pub(crate) fn packages(recipe: &Recipe, line: &Path) -> Result<Vec<OwnPackage>> {
    let mut files: Vec<String> = Vec::new();
    for named in &recipe.debs {
        let path = line.join(named);
        let reading = || format!("cannot read {}", path.display());
        if !path.is_dir() {
            files.push(named.clone());
            continue;
        }
        for entry in std::fs::read_dir(&path).or_fail(reading)? {
            let name = entry.or_fail(reading)?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".deb") {
                files.push(format!("{named}/{name}"));
            }
        }
    }
    files.sort();
    files.dedup();
    files
        .into_iter()
        .map(|path| {
            let (sha256, bytes) = digest_file(&line.join(&path))?;
            Ok(OwnPackage { path, sha256, bytes })
        })
        .collect()
}

/// Makes the archive in `folder`, anew.
pub(crate) fn publish(packages: &[OwnPackage], line: &Path, folder: &Path) -> Result<()> {
    let making = || format!("cannot make the archive {}", folder.display());
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).or_fail(making),
        _ => std::fs::create_dir_all(folder).or_fail(making)?,
    }
    let mut index = String::new();
    for package in packages {
        let file = line.join(&package.path);
        let control = control_text(&file).map_err(|failure| {
            Failure::new(format!("{} is no package", package.path)).because(failure.message())
        })?;
        std::os::unix::fs::symlink(&file, folder.join(name(package))).or_fail(making)?;
        index += control.trim_end();
        index += &format!(
            "\nFilename: {}\nSize: {}\nSHA256: {}\n\n",
            name(package),
            package.bytes,
            package.sha256
        );
    }
    let release = format!(
        "Origin: {ORIGIN}\nSuite: line\nDate: Thu, 01 Jan 1970 00:00:00 UTC\nSHA256:\n {} {} Packages\n",
        digest(&index),
        index.len()
    );
    std::fs::write(folder.join("Packages"), index).or_fail(making)?;
    std::fs::write(folder.join("Release"), release).or_fail(making)
}

/// The file of a package in the archive.
pub(crate) fn name(package: &OwnPackage) -> String {
    format!("{}.deb", package.sha256)
}
