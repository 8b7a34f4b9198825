//! What a recipe adds to its packages, in this order: files, scripts, units to enable; then the initrd, made
//! once, now that everything it could hold is there.

use super::configure::{child, run_script};
use super::strangers;
use super::unpack::Root;
use model::failure::{Explain as _, Failure, Result};
use model::recipe::{Recipe, RecipeFile};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// One path that a recipe writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A file, with its permission bits.
    File(PathBuf, u32),
    /// A symbolic link.
    Link(PathBuf),
}

/// Everything that a recipe's files come to: path in the root, and what is put there. Sorted.
pub(crate) fn pieces(recipe: &Recipe, line: &Path) -> Result<BTreeMap<PathBuf, Piece>> {
    let mut pieces = BTreeMap::new();
    for file in &recipe.files {
        let source = line.join(&file.source);
        collect(&source, Path::new(&file.path), file, &mut pieces)?;
    }
    Ok(pieces)
}

fn collect(
    source: &Path,
    path: &Path,
    file: &RecipeFile,
    pieces: &mut BTreeMap<PathBuf, Piece>,
) -> Result<()> {
    let reading = || format!("cannot read {}, which the recipe puts at {}", source.display(), path.display());
    let kind = source.symlink_metadata().or_fail(reading)?;
    if kind.is_dir() {
        for entry in std::fs::read_dir(source).or_fail(reading)? {
            let name = entry.or_fail(reading)?.file_name();
            collect(&source.join(&name), &path.join(&name), file, pieces)?;
        }
        return Ok(());
    }
    let piece = if kind.is_symlink() {
        Piece::Link(std::fs::read_link(source).or_fail(reading)?)
    } else {
        let executable = kind.permissions().mode() & 0o111 != 0;
        Piece::File(source.to_owned(), file.mode.unwrap_or(if executable { 0o755 } else { 0o644 }))
    };
    match pieces.insert(path.to_owned(), piece) {
        None => Ok(()),
        Some(_) => Err(Failure::new(format!("the recipe writes {} twice", path.display()))
            .because(format!("the second time from {}", source.display()))),
    }
}

/// Carries a recipe out on a configured root.
pub(crate) fn apply(recipe: &Recipe, line: &Path, root: &Path, epoch: u64) -> Result<()> {
    let open = Root::open(root)?;
    for (path, piece) in pieces(recipe, line)? {
        match piece {
            Piece::Link(target) => open.link(&path, &target)?,
            Piece::File(source, mode) => {
                let content =
                    std::fs::read(&source).or_fail(|| format!("cannot read {}", source.display()))?;
                open.write(&path, &content, mode)?;
            }
        }
    }
    strangers::put(&recipe.extra_modules, line, root, epoch)?;
    for script in &recipe.scripts {
        run_script(root, &line.join(script), script, epoch)?;
    }
    if recipe.enable.is_empty() {
        return Ok(());
    }
    if !root.join("usr/bin/systemctl").exists() {
        return Err(Failure::new(format!("cannot enable {}", recipe.enable.join(", ")))
            .because("there is no systemctl in the root")
            .hint("add `systemd-sysv` to the recipe's packages"));
    }
    child("/usr/bin/systemctl", root, epoch)
        .args(["enable", "--"])
        .args(&recipe.enable)
        .run()
        .map(drop)
        .map_err(|failure| failure.doing("enabling the recipe's units".to_owned()))
}

/// Makes the initrd of every kernel in an appliance, as the appliance itself would.
pub(crate) fn make_initrd(root: &Path, epoch: u64) -> Result<()> {
    if !root.join("usr/sbin/update-initramfs").exists() {
        return Ok(());
    }
    child("/usr/sbin/update-initramfs", root, epoch)
        .args(["-c", "-k", "all"])
        .run()
        .map(drop)
        .map_err(|failure| failure.doing("making the appliance's initrd".to_owned()))
}
