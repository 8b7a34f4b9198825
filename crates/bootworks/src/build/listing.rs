//! What a finished folder was like when it was made, in a list in it: its files are names of files that the store and
//! other trees have too, so whoever changes one from outside changes it everywhere. A folder that is not as its list
//! says is not used again.
//!
//! Contents are not read for this: a file that was written to has another time or size.

use super::scrub::walk;
use model::failure::{Explain as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// Name of the list.
const NAME: &str = "made.list";

/// What is known of one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Facts {
    /// Kind and permission bits (`st_mode`).
    mode: u32,
    /// User and group.
    owner: (u32, u32),
    /// Bytes of a file, number of a device, else 0.
    size: u64,
    /// Modification time, seconds since 1970 and nanoseconds.
    time: (i64, i64),
    /// Where a link leads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    target: String,
}

type List = BTreeMap<String, Facts>;

/// How a folder stands to its list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// As it was made.
    Same,
    /// There is no list, or none that can be read: it was made before there were lists.
    Unknown,
    /// Something was changed from outside; the first path, what it was and what it is, and how many more there are.
    Changed(String),
}

/// Writes down what `folder` is like, in a file in it.
pub(crate) fn keep(folder: &Path) -> Result<()> {
    let path = folder.join(NAME);
    let writing = || format!("cannot write {}", path.display());
    let list = serde_json::to_vec(&list(folder)?).or_fail(writing)?;
    std::fs::write(&path, list).or_fail(writing)
}

/// Holds `folder` against its list.
fn standing(folder: &Path) -> Result<Standing> {
    let known =
        std::fs::read(folder.join(NAME)).ok().and_then(|bytes| serde_json::from_slice::<List>(&bytes).ok());
    let Some(known) = known else { return Ok(Standing::Unknown) };
    let now = list(folder)?;
    if known == now {
        return Ok(Standing::Same);
    }
    let paths: BTreeSet<&String> = known.keys().chain(now.keys()).collect();
    let mut changed = paths.into_iter().filter(|path| known.get(*path) != now.get(*path));
    let first = changed.next().map(|path| words(path, known.get(path), now.get(path))).unwrap_or_default();
    Ok(Standing::Changed(match changed.count() {
        0 => first,
        more => format!("{first} (and {more} more)"),
    }))
}

/// Whether `folder` may be used: it is as it was made. Where it was changed, that is said, with `what` it is.
pub(crate) fn is_as_made(folder: &Path, what: &str) -> Result<bool> {
    let standing = standing(folder)?;
    if let Standing::Changed(how) = &standing {
        crate::report::note(&format!("{what} was changed from outside and is made again: {how}"));
    }
    Ok(standing == Standing::Same)
}

fn list(folder: &Path) -> Result<List> {
    let mut list = List::new();
    for path in walk(folder)?.into_iter().skip(1) {
        let reading = || format!("cannot read {}", path.display());
        let kind = path.symlink_metadata().or_fail(reading)?;
        let target = match kind.is_symlink() {
            true => std::fs::read_link(&path).or_fail(reading)?.display().to_string(),
            false => String::new(),
        };
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        if name != NAME {
            list.insert(name, facts(&kind, target));
        }
    }
    Ok(list)
}

fn facts(kind: &Metadata, target: String) -> Facts {
    let of_kind = kind.file_type();
    let size = match of_kind {
        of_kind if of_kind.is_file() => kind.len(),
        of_kind if of_kind.is_char_device() || of_kind.is_block_device() => kind.rdev(),
        _ => 0,
    };
    let time = (kind.mtime(), kind.mtime_nsec());
    Facts { mode: kind.mode(), owner: (kind.uid(), kind.gid()), size, time, target }
}

fn words(path: &str, known: Option<&Facts>, now: Option<&Facts>) -> String {
    let (known, now) = match (known, now) {
        (Some(known), Some(now)) => (known, now),
        (Some(_), None) => return format!("{path} is gone"),
        _ => return format!("{path} was not there"),
    };
    let owner = |facts: &Facts| format!("{}:{}", facts.owner.0, facts.owner.1);
    let pairs = [
        ("mode", format!("{:o}", known.mode), format!("{:o}", now.mode)),
        ("owner", owner(known), owner(now)),
        ("size", known.size.to_string(), now.size.to_string()),
        ("target", known.target.clone(), now.target.clone()),
        ("time", known.time.0.to_string(), now.time.0.to_string()),
    ];
    match pairs.into_iter().find(|(_, known, now)| known != now) {
        Some((name, known, now)) => format!("{path} had the {name} {known}, and has {now}"),
        None => format!("{path} was written to"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn check(change: impl FnOnce(&Path), expected: Expect) {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        std::fs::create_dir_all(tree.join("etc")).unwrap();
        std::fs::write(tree.join("etc/hwdb"), "x").unwrap();
        symlink("hwdb", tree.join("etc/link")).unwrap();
        super::super::scrub::clamp_times(&tree, 1_000_000_000).unwrap();
        assert_eq!(standing(&tree).unwrap(), Standing::Unknown);
        keep(&tree).unwrap();
        assert_eq!(standing(&tree).unwrap(), Standing::Same);
        change(&tree);
        let Standing::Changed(how) = standing(&tree).unwrap() else { panic!("not seen") };
        expected.assert_eq(&how);
    }

    /// A file of a root that is shared by hard links is changed in all of them at once: whatever can differ is seen.
    #[test]
    fn a_change_from_outside_is_seen() {
        check(
            |tree| {
                let mode = std::fs::Permissions::from_mode(0o600);
                std::fs::set_permissions(tree.join("etc/hwdb"), mode).unwrap();
            },
            expect!["etc/hwdb had the mode 100644, and has 100600"],
        );
        check(
            |tree| std::fs::write(tree.join("etc/hwdb"), "yy").unwrap(),
            expect!["etc/hwdb had the size 1, and has 2"],
        );
        check(
            |tree| {
                std::fs::remove_file(tree.join("etc/hwdb")).unwrap();
                super::super::scrub::clamp_times(tree, 1_000_000_000).unwrap();
            },
            expect!["etc/hwdb is gone"],
        );
        check(
            |tree| {
                std::fs::remove_file(tree.join("etc/link")).unwrap();
                symlink("other", tree.join("etc/link")).unwrap();
                super::super::scrub::clamp_times(tree, 1_000_000_000).unwrap();
            },
            expect!["etc/link had the target hwdb, and has other"],
        );
    }
}
