//! The firmware index: which package of the suite has which file. It comes from the archive's own lists of contents
//! (27 kB for all of Debian's firmware), so that no package is fetched only to be looked into; kept once per package.

use super::archive::{Apt, Index, Lists};
use super::fetch::fetch;
use super::own;
use super::package::Opened;
use super::sources::{self, Host};
use super::store::Store;
use crate::report;
use model::failure::{Explain as _, Result};
use model::lock::{Lock, Package, Section};
use model::modules::pattern;
use model::modules::tree::Tree;
use model::proof::firmware::{FirmwareIndex, FirmwarePackage};
use model::recipe::Recipe;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Changes with what is kept, so that an index of an older form is made anew.
const FORM: &str = "firmware-1";
/// A package of the line's own components is fetched to be looked into up to this size; Debian's free firmware is
/// a few kilobytes each.
const SMALL: u64 = 4 << 20;
/// Ubuntu has all firmware in one package, of half a gigabyte, or in several that are called after it.
const OF_UBUNTU: &str = "linux-firmware";

/// The firmware packages of a recipe's suite, whether or not the recipe takes packages from their component; what
/// is in them is kept in the store. `own` is apt for the recipe as it is.
pub(super) fn look(
    recipe: &Recipe,
    line: &Path,
    host: &Host,
    own: &(Apt, Index),
    store: &Store,
) -> Result<Vec<Package>> {
    let (apt, index) = own;
    let names: BTreeSet<String> = index.newest(is_firmware).into_keys().map(str::to_owned).collect();
    let mut packages = apt.candidates(&names, index, "the suite's firmware")?;
    let component = sources::firmware_component(&recipe.suite);
    if let Some(component) = component {
        packages.retain(|package| self::component(package) != component);
        packages.extend(listed(recipe, line, host, component, store)?);
    }
    let small = |package: &&Package| package.bytes <= SMALL && !kept(store, package).exists();
    let small: Vec<Package> = packages.iter().filter(small).cloned().collect();
    read_packages(small, line, store)?;
    // Some are called so and bring firmware for what is no part of a server, from another place.
    packages.retain(|package| std::fs::metadata(kept(store, package)).map_or(true, |kept| kept.len() > 0));
    packages.sort();
    Ok(packages)
}

/// Whether a package is called as those with firmware are.
pub(super) fn is_firmware(name: &str) -> bool {
    (name.starts_with("firmware-") && !name.ends_with("-doc")) || is_of_ubuntu(name)
}

fn is_of_ubuntu(name: &str) -> bool {
    name.strip_prefix(OF_UBUNTU).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The packages of a component that have firmware, by its lists of contents.
fn listed(recipe: &Recipe, line: &Path, host: &Host, component: &str, store: &Store) -> Result<Vec<Package>> {
    let beside = Recipe { components: vec![component.to_owned()], packages: Vec::new(), ..recipe.clone() };
    let apt =
        Apt::update_with(sources::archives(&beside, host)?, Vec::new(), line, Lists::WithContents, store)?;
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for text in apt.contents()? {
        for (package, file) in contents(&text) {
            files.entry(package.to_owned()).or_default().insert(file.to_owned());
        }
    }
    let index = apt.index()?;
    let known = index.newest(|name| files.contains_key(name));
    let names = known.into_keys().map(str::to_owned).collect();
    let packages = apt.candidates(&names, &index, "the suite's firmware")?;
    for package in &packages {
        if let Some(files) = files.get(&package.name) {
            keep(store, package, files)?;
        }
    }
    Ok(packages)
}

/// Package and firmware file in each line of a list of contents: `PATH  SECTION/PACKAGE[,SECTION/PACKAGE…]`.
fn contents(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().filter_map(|line| {
        let (path, owners) = line.trim_end().rsplit_once([' ', '\t'])?;
        Some((file_of(path.trim_end())?, owners))
    });
    lines.flat_map(|(file, owners)| {
        let packages = owners.split(',').map(|owner| owner.rsplit('/').next().unwrap_or(owner));
        packages.map(move |package| (package, file))
    })
}

/// A path below `/lib/firmware` as drivers ask for it: without folder, without compression.
fn file_of(path: &str) -> Option<&str> {
    let path = path.trim_start_matches("./");
    let path = path.strip_prefix("usr/").unwrap_or(path).strip_prefix("lib/firmware/")?;
    let plain = path.strip_suffix(".xz").or_else(|| path.strip_suffix(".zst")).unwrap_or(path);
    (!plain.is_empty() && !plain.ends_with('/')).then_some(plain)
}

/// Looks into packages themselves.
fn read_packages(packages: Vec<Package>, line: &Path, store: &Store) -> Result<()> {
    let wanted = Section { packages, ..Section::default() };
    fetch(&Lock { index: wanted.clone(), ..Lock::default() }, line, store)?;
    for package in &wanted.packages {
        let opened = Opened::of(package, store);
        let bytes = opened.bytes()?;
        let broken = || format!("the files of {} cannot be read", package.name);
        let mut files = BTreeSet::new();
        for entry in opened.files(&bytes)?.entries().or_fail(broken)? {
            let entry = entry.or_fail(broken)?;
            let kind = entry.header().entry_type();
            let path = entry.path().or_fail(broken)?.to_string_lossy().into_owned();
            if let Some(file) =
                file_of(&path).filter(|_| kind.is_file() || kind.is_symlink() || kind.is_hard_link())
            {
                files.insert(file.to_owned());
            }
        }
        keep(store, package, &files)?;
    }
    Ok(())
}

/// Where a package's list is kept.
fn kept(store: &Store, package: &Package) -> PathBuf {
    store.index().join(format!("{}.{FORM}", package.sha256))
}

fn keep(store: &Store, package: &Package, files: &BTreeSet<String>) -> Result<()> {
    let path = kept(store, package);
    let writing = || format!("cannot write {}", path.display());
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let text: String = files.iter().map(|file| format!("{file}\n")).collect();
    std::fs::write(&part, text).or_fail(writing)?;
    std::fs::rename(&part, &path).or_fail(writing)
}

/// The part of the archive that a package is in, by its place in the pool.
fn component(package: &Package) -> &str {
    let pool = package.url.split_once("/pool/").map(|(_, rest)| rest).unwrap_or_default();
    pool.split_once('/').map_or("main", |(component, _)| component)
}

/// What these packages have, as far as they were looked into.
pub(super) fn of_packages(section: &Section, store: &Store) -> FirmwareIndex {
    let mut index = FirmwareIndex::default();
    for package in &section.packages {
        match std::fs::read_to_string(kept(store, package)) {
            Ok(text) => {
                let files = text.lines().map(str::to_owned).collect();
                let found = FirmwarePackage { component: component(package).to_owned(), files };
                index.packages.insert(package.name.clone(), found);
            }
            Err(_) => index.unread.push(package.name.clone()),
        }
    }
    index
}

/// What the lock's firmware packages have. `recipe` is what the line takes packages with.
pub(crate) fn index(locked: &Section, recipe: &Recipe, store: &Store) -> FirmwareIndex {
    let components = match recipe.components.is_empty() {
        true => vec!["main".to_owned()],
        false => recipe.components.clone(),
    };
    FirmwareIndex { components, ..of_packages(locked, store) }
}

/// The same, after looking again for what the store has lost or never had: the lock may be of another machine.
pub(crate) fn known_index(locked: &Section, recipe: &Recipe, line: &Path, store: &Store) -> FirmwareIndex {
    let found = index(locked, recipe, store);
    // Too large to be looked into on any machine; all else is, so that the outcome is the same on each.
    let stays_unread = |name: &String| {
        is_of_ubuntu(name) && locked.package(name).is_some_and(|package| package.bytes > SMALL)
    };
    if found.unread.iter().all(stays_unread) {
        return found;
    }
    report::note("looking into the suite's firmware packages");
    let again = || -> Result<()> {
        let host = Host::read()?;
        let apt = Apt::update(sources::archives(recipe, &host)?, own::packages(recipe, line)?, line, store)?;
        let own = apt.index().map(|index| (apt, index))?;
        look(recipe, line, &host, &own, store).map(|_| ())
    };
    // Without it a missing file's package stays unnamed, which the proof says; the verdicts are the same.
    if let Err(failure) = again() {
        report::note(&format!("which package has which firmware stays unknown\n{}", failure.report()));
    }
    index(locked, recipe, store)
}

/// What of an index a kernel's modules may ask for.
pub(super) fn asked_for(mut index: FirmwareIndex, tree: &Tree) -> FirmwareIndex {
    let asked: BTreeSet<&str> = tree.firmware().map(String::as_str).collect();
    let wild: Vec<&str> = asked.iter().copied().filter(|file| file.contains(['*', '?', '['])).collect();
    let wanted = |file: &String| {
        asked.contains(file.as_str())
            || wild.iter().any(|pattern| pattern::matches(pattern.as_bytes(), file.as_bytes()))
    };
    index.packages.values_mut().for_each(|package| package.files.retain(&wanted));
    index.packages.retain(|_, package| !package.files.is_empty());
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The archive's list names a file's package in three shapes, and lists what is no firmware.
    #[test]
    fn lists_of_contents_are_read() {
        let text = "etc/default/x    non-free-firmware/misc/raspi-firmware\n\
            lib/firmware/bnx2/bnx2-mips-09-6.2.1b.fw                non-free-firmware/kernel/firmware-bnx2\n\
            usr/lib/firmware/tigon/tg3.bin.xz\tnon-free-firmware/kernel/firmware-a,kernel/firmware-b\n\
            usr/lib/firmware/a file with spaces  firmware-c\n\
            FILE LOCATION\n";
        let found: Vec<(&str, &str)> = contents(text).collect();
        assert_eq!(
            found,
            [
                ("firmware-bnx2", "bnx2/bnx2-mips-09-6.2.1b.fw"),
                ("firmware-a", "tigon/tg3.bin"),
                ("firmware-b", "tigon/tg3.bin"),
                ("firmware-c", "a file with spaces"),
            ]
        );
    }

    /// The fix names the component by where the package lies.
    #[test]
    fn the_pool_tells_the_component() {
        let package = |url: &str| Package {
            name: "a".into(),
            version: "1".into(),
            architecture: "all".into(),
            bytes: 1,
            sha256: String::new(),
            url: url.into(),
        };
        let firmware = package("http://a.example.org/debian/pool/non-free-firmware/f/firmware-nonfree/a.deb");
        assert_eq!(component(&firmware), "non-free-firmware");
        assert_eq!(component(&package("file:/srv/a.deb")), "main");
    }

    proptest! {
        #[test]
        fn any_list_is_read(text in "[a-z/., \t\n]{0,200}") {
            let _ = contents(&text).count();
        }
    }
}
