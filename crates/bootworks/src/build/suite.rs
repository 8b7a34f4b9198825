//! The suite as the lock knows it: its kernels and its firmware, read from the indexes that are kept per package.

use super::package::Opened;
use super::store::Store;
use super::{drivers, fetch, firmware, read_lock};
use crate::line_folder::LineFolder;
use model::failure::{Failure, Result};
use model::lock::{self, Lock, Package, Section};
use model::modules::tree::Tree;
use model::suite::{KernelPackage, Suite};
use std::collections::BTreeMap;
use wire::deb::{dependency_names, stanzas};

/// The kernels of the suite by the package that people name; where a metapackage brings modules in several
/// packages, the further ones are named themselves.
pub(crate) fn kernels(index: &Section, store: &Store) -> Result<Vec<KernelPackage>> {
    let mut kernels = Vec::new();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for package in index.packages.iter().filter(|package| !has_modules(&package.name)) {
        let control = Opened::of(package, store).control()?;
        let text = control.get("control").map(|file| file.text().into_owned()).unwrap_or_default();
        let depends = stanzas(&text).next().and_then(|stanza| stanza.field("Depends")).unwrap_or_default();
        for name in dependency_names(depends) {
            names.entry(name.to_owned()).or_insert_with(|| package.name.clone());
        }
    }
    for package in index.packages.iter().filter(|package| has_modules(&package.name)) {
        let opened = Opened::of(package, store);
        // Ubuntu's linux-image has the kernel only; an index of no modules would say that nothing is there.
        let tree = drivers::of_package(opened.path(), &package.sha256, &store.index());
        let split = index
            .packages
            .iter()
            .any(|other| other.name == package.name.replace("linux-image-", "linux-modules-"));
        match tree {
            Err(_) if split && package.name.starts_with("linux-image-") => {}
            tree => kernels.push(KernelPackage {
                name: names.get(&package.name).unwrap_or(&package.name).clone(),
                package: package.name.clone(),
                tree: tree?,
            }),
        }
    }
    Ok(kernels)
}

/// The kernel of one section's packages: all of their modules together.
pub(super) fn kernel_of(section: &Section, store: &Store) -> Result<Option<Tree>> {
    let mut whole: Option<Tree> = None;
    for kernel in kernels(section, store)? {
        match &mut whole {
            None => whole = Some(kernel.tree),
            Some(whole) => {
                whole.modules.extend(kernel.tree.modules);
                whole.builtin.extend(kernel.tree.builtin);
                whole.builtin_aliases.extend(kernel.tree.builtin_aliases);
            }
        }
    }
    Ok(whole)
}

/// Whether a package's modules are known without the archive.
pub(super) fn is_known(package: &Package, store: &Store) -> bool {
    drivers::is_kept(&package.sha256, &store.index()) || store.package(&package.sha256).is_file()
}

/// Whether a kernel package has the modules itself and is no metapackage.
pub(super) fn has_modules(name: &str) -> bool {
    let rest = name.strip_prefix("linux-image-").or_else(|| name.strip_prefix("linux-modules-"));
    rest.is_some_and(|rest| rest.trim_start_matches("extra-").starts_with(|c: char| c.is_ascii_digit()))
}

/// All that the line's lock knows of its suite. Packages are fetched only where no index of them is kept.
pub(crate) fn suite(line: &LineFolder, store: &Store) -> Result<Suite> {
    let Some(lock) = read_lock(line.folder())? else {
        return Err(Failure::new(format!("the line in {} has no {}", line.folder().display(), lock::FILE))
            .because("which packages the suite has is known from it")
            .hint("`bootworks lock` makes it"));
    };
    let mut wanted = lock.index.clone();
    wanted
        .packages
        .retain(|package| !(has_modules(&package.name) && drivers::is_kept(&package.sha256, &store.index())));
    fetch::fetch(&Lock { index: wanted, ..Lock::default() }, line.folder(), store)?;
    Ok(Suite {
        kernels: kernels(&lock.index, store)?,
        firmware: firmware::known_index(&lock.firmware, &line.line().live.recipe, line.folder(), store),
        locked: lock.live.packages.iter().map(|package| package.name.clone()).collect(),
    })
}
