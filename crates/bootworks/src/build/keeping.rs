//! `bootworks store`: how much the store holds, and removing what no build has used for long.
//!
//! A build touches what it uses ([`super::store::touch`]), so age is the time since the last use. What was left
//! half-made by a killed build is removed whatever its age, unless a build holds it now.

use super::amount;
use super::store::{PARTS, Store, UNFINISHED, put_away};
use crate::{Ending, report};
use model::failure::{Explain as _, Result};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Arguments of `store`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show how much is in the store
    Du {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove what no build has used for a while, and what killed builds have left
    Gc {
        /// Days without use after which something goes; 0 removes everything
        #[arg(long, default_value_t = 30, value_name = "DAYS")]
        days: u64,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `bootworks store`.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    let store = Store::open()?;
    match arguments.command {
        Command::Du { json } => {
            let parts = measure(&store)?;
            report::say(&if json { parts_json(&store, "parts", &parts) } else { parts_text(&store, &parts) });
        }
        Command::Gc { days, json } => {
            let age = Duration::from_secs(days.saturating_mul(86400));
            let removed = collect(&store, SystemTime::now(), age)?;
            report::say(&if json { parts_json(&store, "removed", &removed) } else { removed_text(&removed) });
        }
    }
    Ok(Ending::Well)
}

/// Things of one part of the store, and their size on the disk together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    things: usize,
    bytes: u64,
}

type Parts = BTreeMap<&'static str, Size>;

fn measure(store: &Store) -> Result<Parts> {
    let mut parts = Parts::new();
    // A file that several parts have names of is there once.
    let mut seen: HashSet<(u64, u64)> = HashSet::new();
    for part in PARTS {
        let size = parts.entry(part).or_default();
        for thing in things(&store.folder().join(part))? {
            size.things += 1;
            each(&thing, &mut |kind| {
                if seen.insert((kind.dev(), kind.ino())) {
                    size.bytes += kind.blocks() * 512;
                }
            })?;
        }
    }
    Ok(parts)
}

/// Removes what was not used since `age` before `now`, and what is half-made.
fn collect(store: &Store, now: SystemTime, age: Duration) -> Result<Parts> {
    let mut parts = Parts::new();
    for part in PARTS {
        let removed = parts.entry(part).or_default();
        let folder = store.folder().join(part);
        for thing in things(&folder)? {
            let name = thing.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let reading = || format!("cannot read {}", thing.display());
            let kind = match thing.symlink_metadata() {
                // Its folder of locks went with it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                kind => kind.or_fail(reading)?,
            };
            let lock = lock_of(&folder, &name);
            let half_made = name.starts_with(UNFINISHED) || name.ends_with(".part");
            if !(half_made || is_old(&kind, now, age)) || is_held(&lock) {
                continue;
            }
            removed.bytes += freed(&thing)?;
            removed.things += 1;
            let gone = if kind.is_dir() { remove_folder(&thing) } else { std::fs::remove_file(&thing) };
            gone.or_fail(|| format!("cannot remove {}", thing.display()))?;
        }
    }
    Ok(parts)
}

/// Removes a folder of the store, whether it is whole or unfinished.
fn remove_folder(folder: &Path) -> std::io::Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name.starts_with(UNFINISHED) {
        return std::fs::remove_dir_all(folder);
    }
    put_away(folder, &folder.with_file_name(format!("{UNFINISHED}{name}")))
}

/// The file that a build locks while it makes or uses the thing of that name: the thing itself where it is a file.
fn lock_of(folder: &Path, name: &str) -> PathBuf {
    let name = name.strip_prefix(UNFINISHED).unwrap_or(name);
    let beside = folder.join(format!("{name}.held"));
    if beside.exists() { beside } else { folder.join(name) }
}

fn is_held(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|file| {
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err()
    })
}

fn is_old(kind: &Metadata, now: SystemTime, age: Duration) -> bool {
    let used = kind.modified().unwrap_or(now);
    now.duration_since(used).is_ok_and(|unused| unused >= age)
}

fn things(folder: &Path) -> Result<Vec<PathBuf>> {
    let reading = || format!("cannot read {}", folder.display());
    let entries = std::fs::read_dir(folder).or_fail(reading)?;
    let mut things = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .or_fail(reading)?;
    things.sort();
    Ok(things)
}

/// Looks at a thing and at all that is below it.
fn each(thing: &Path, look: &mut dyn FnMut(&Metadata)) -> Result<()> {
    let kind = thing.symlink_metadata().or_fail(|| format!("cannot read {}", thing.display()))?;
    look(&kind);
    if kind.is_dir() {
        for below in things(thing)? {
            each(&below, look)?;
        }
    }
    Ok(())
}

/// What the disk gets back when a thing goes: nothing for a file that has further names elsewhere.
fn freed(thing: &Path) -> Result<u64> {
    let mut names: HashMap<(u64, u64), u64> = HashMap::new();
    let mut bytes = 0;
    each(thing, &mut |kind| {
        let count = names.entry((kind.dev(), kind.ino())).or_default();
        *count += 1;
        if kind.is_dir() || *count == kind.nlink() {
            bytes += kind.blocks() * 512;
        }
    })?;
    Ok(bytes)
}

const MEANINGS: [(&str, &str); 5] = [
    ("deb", "packages"),
    ("apt", "indexes of archives"),
    ("index", "driver tables"),
    ("unpacked", "packages, unpacked"),
    ("base", "configured systems"),
];

fn meaning(part: &str) -> &'static str {
    MEANINGS.iter().find(|(name, _)| *name == part).map_or("", |(_, meaning)| meaning)
}

fn parts_text(store: &Store, parts: &Parts) -> String {
    let total: u64 = parts.values().map(|size| size.bytes).sum();
    let mut text = format!("{}: {}", store.folder().display(), amount(total));
    for (part, size) in parts {
        text += &format!("\n  {:<20} {:>5}  {:>10}", meaning(part), size.things, amount(size.bytes));
    }
    text
}

fn removed_text(removed: &Parts) -> String {
    let total: u64 = removed.values().map(|size| size.bytes).sum();
    if removed.values().all(|size| size.things == 0) {
        return "nothing to remove".to_owned();
    }
    let mut text = format!("removed {}", amount(total));
    for (part, size) in removed.iter().filter(|(_, size)| size.things > 0) {
        text += &format!("\n  {:<20} {:>5}  {:>10}", meaning(part), size.things, amount(size.bytes));
    }
    text
}

fn parts_json(store: &Store, name: &str, parts: &Parts) -> String {
    let of = |size: &Size| serde_json::json!({ "things": size.things, "bytes": size.bytes });
    let json: serde_json::Map<String, serde_json::Value> =
        parts.iter().map(|(part, size)| ((*part).to_owned(), of(size))).collect();
    let total: u64 = parts.values().map(|size| size.bytes).sum();
    serde_json::json!({ "store": store.folder(), name: json, "bytes": total }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use model::failure::Failure;

    /// What is removed is fetched or built again at a cost; what is in use or was used lately must stay.
    #[test]
    fn what_is_old_or_half_made_goes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().to_owned()).unwrap();
        std::fs::write(folder.path().join("deb/new.deb"), [0; 100]).unwrap();
        std::fs::write(folder.path().join("deb/half.part"), [0; 100]).unwrap();
        let held = File::create(folder.path().join("deb/busy.part")).unwrap();
        rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
        let key = "0".repeat(64);
        store.base(&key, |work| std::fs::write(work.join("file"), "").or_fail(|| "no".into())).unwrap();
        store.base(&"1".repeat(64), |_| Err(Failure::new("killed"))).unwrap_err();

        let now = SystemTime::now();
        let day = Duration::from_secs(86400);
        let gone = collect(&store, now, day).unwrap();
        assert_eq!((gone["deb"].things, gone["base"].things), (1, 1));
        assert!(folder.path().join("deb/new.deb").exists() && folder.path().join("deb/busy.part").exists());
        assert!(folder.path().join("base").join(&key[..32]).join("file").exists());

        let gone = collect(&store, now + day * 2, day).unwrap();
        assert_eq!(gone["deb"].things, 1, "all but what is held");
        assert!(!folder.path().join("base").join(&key[..32]).exists());
        assert!(folder.path().join("deb/busy.part").exists());
        drop(held);
    }

    /// A base is made of names of unpacked files: counted twice, a person would make room that there is.
    #[test]
    fn a_file_with_several_names_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().to_owned()).unwrap();
        for place in ["unpacked/a", "base/b"] {
            std::fs::create_dir(folder.path().join(place)).unwrap();
        }
        let (unpacked, base) = (folder.path().join("unpacked/a/file"), folder.path().join("base/b/file"));
        std::fs::write(&unpacked, vec![1; 1 << 20]).unwrap();
        std::fs::hard_link(&unpacked, &base).unwrap();
        let parts = measure(&store).unwrap();
        assert!(parts["unpacked"].bytes >= 1 << 20 && parts["base"].bytes < 1 << 20, "{parts:?}");
        assert!(freed(&folder.path().join("base/b")).unwrap() < 1 << 20);
        std::fs::remove_file(unpacked).unwrap();
        assert!(freed(&folder.path().join("base/b")).unwrap() >= 1 << 20);
    }

    #[test]
    fn sizes_are_told_by_what_they_are() {
        let store = Store::at(std::env::temp_dir().join("bootworks-keeping-text")).unwrap();
        let mut parts = Parts::new();
        parts.insert("deb", Size { things: 12, bytes: 34_567_890 });
        parts.insert("base", Size { things: 0, bytes: 0 });
        let text = parts_text(&store, &parts).replace(&store.folder().display().to_string(), "STORE");
        expect![[r#"
            STORE: 34.6 MB
              configured systems       0         0 B
              packages                12     34.6 MB"#]]
        .assert_eq(&text);
        expect![[r#"
            removed 34.6 MB
              packages                12     34.6 MB"#]]
        .assert_eq(&removed_text(&parts));
        expect!["nothing to remove"].assert_eq(&removed_text(&Parts::new()));
        std::fs::remove_dir_all(store.folder()).unwrap();
    }
}
