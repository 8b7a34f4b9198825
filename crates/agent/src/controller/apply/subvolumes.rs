//! Where the root of a btrfs lies that came in an image of a whole disk, told by the image's own fstab(5).
//!
//! The table of the line's own subvolumes is the plan's; this is for those that somebody else made.

use linux::tree::Tree;
use model::failure::{Explain as _, Result};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path};

/// The number of the inode that each subvolume begins with (Linux, include/uapi/linux/btrfs_tree.h:
/// `BTRFS_FIRST_FREE_OBJECTID`).
const FIRST_INODE: u64 = 256;
const FSTAB: &str = "/etc/fstab";

/// The subvolume that has the root, where what is mounted at `top` by default has none. Snapshots of a root have the same
/// `fstab`: it is the one that its own `fstab` names, or else the only one.
pub(crate) fn root(top: &Path) -> Result<Option<String>> {
    if top.join("etc").exists() {
        return Ok(None);
    }
    let cannot = || format!("cannot look for subvolumes in {}", top.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(top).or_fail(cannot)? {
        let entry = entry.or_fail(cannot)?;
        let metadata = entry.metadata().or_fail(cannot)?;
        let is_root = metadata.is_dir() && metadata.ino() == FIRST_INODE && entry.path().join("etc").is_dir();
        if is_root && let Ok(name) = entry.file_name().into_string() {
            found.push(name);
        }
    }
    for name in &found {
        let text = fstab(&top.join(name))?;
        if entries(&text).any(|one| one.path == "/" && one.subvolume == name) {
            return Ok(Some(name.clone()));
        }
    }
    Ok(if found.len() == 1 { found.pop() } else { None })
}

/// Further subvolumes of the file system with that UUID, each with where it is mounted, by the `fstab` of the root.
pub(crate) fn others(root: &Path, uuid: &str) -> Result<Vec<(String, String)>> {
    let text = fstab(root)?;
    let is_of = |one: &Entry<'_>| one.uuid.is_some_and(|its| its.eq_ignore_ascii_case(uuid));
    let is_inside = |path: &str| Path::new(path).components().all(|part| part != Component::ParentDir);
    let others = entries(&text).filter(|one| is_of(one) && one.path != "/" && is_inside(one.path));
    let mut others: Vec<(String, String)> =
        others.map(|one| (one.path.to_owned(), one.subvolume.to_owned())).collect();
    others.sort();
    Ok(others)
}

/// A line of fstab(5) that mounts a subvolume.
struct Entry<'a> {
    /// Of the file system, where it is named so.
    uuid: Option<&'a str>,
    /// Where it is mounted.
    path: &'a str,
    /// Its name, without the slash before it.
    subvolume: &'a str,
}

fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    text.lines().map(str::trim).filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (source, path, kind) = (fields.next()?, fields.next()?, fields.next()?);
        let subvolume = fields.next()?.split(',').find_map(|option| option.strip_prefix("subvol="))?;
        let is_mounted = kind == "btrfs" && path.starts_with('/');
        is_mounted.then(|| Entry {
            uuid: source.strip_prefix("UUID=").map(|uuid| uuid.trim_matches('"')),
            path,
            subvolume: subvolume.trim_start_matches('/'),
        })
    })
}

/// The `fstab` of the root at `root`, whose links may lead nowhere else; nothing where it has none.
fn fstab(root: &Path) -> Result<String> {
    let read = Tree::open(root).map_err(std::io::Error::from).and_then(|tree| tree.bytes(Path::new(FSTAB)));
    let octets = read.or_fail(|| format!("cannot read {FSTAB} in {}", root.display()))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What another file system's line says, or one that is commented out, is not mounted; nor is a place outside.
    #[test]
    fn only_lines_of_the_same_file_system_count() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        let text = "# UUID=AB-1 /old btrfs subvol=@old 0 0\n\
            UUID=AB-1 / btrfs rw,subvol=/@ 0 0\n\
            UUID=\"ab-1\" /var btrfs subvol=/@var,compress=zstd:1 0 0\n\
            UUID=AB-1 /home btrfs subvol=@home 0 0\n\
            UUID=AB-1 /all btrfs subvolid=5 0 0\n\
            UUID=AB-1 /../run btrfs subvol=@run 0 0\n\
            UUID=CD-2 /data btrfs subvol=@data 0 0\n\
            UUID=AB-1 /data ext4 subvol=@data 0 0\n\
            LABEL=x /srv btrfs subvol=@srv 0 0\nUUID=AB-1 none\n";
        std::fs::write(folder.path().join("etc/fstab"), text).unwrap();
        let of = |path: &str, name: &str| (path.to_owned(), name.to_owned());
        assert_eq!(others(folder.path(), "AB-1").unwrap(), [of("/home", "@home"), of("/var", "@var")]);
        assert_eq!(root(folder.path()).unwrap(), None);
    }
}
