//! Resolves a line into its lock: which packages each part of it is made of.

use super::archive::{Apt, Index};
use super::firmware;
use super::own;
use super::own::OwnPackage;
use super::sources::{Host, Source, archives};
use super::store::{Store, digest};
use crate::report;
use model::failure::{Failure, Result};
use model::line::{ImageSource, Line};
use model::lock::{Archive, Lock, Package, Section};
use model::recipe::Recipe;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use wire::deb::{Stanza, dependency_names};

/// Packages of the boot programs.
const LOADERS: [&str; 1] = ["ipxe"];
/// Packages that the initrd takes files from.
const INITRD: [&str; 1] = ["busybox-static"];

/// Resolves the sections that `kept` does not have as the line says them now; without `kept`, all.
pub(crate) fn resolve(line: &Line, folder: &Path, kept: Option<&Lock>, store: &Store) -> Result<Lock> {
    let mut archives = Archives { host: Host::read()?, folder, store, open: BTreeMap::new() };
    let live = line.live.whole_recipe();
    let asked = |recipe: &Recipe, what: &str| asked(recipe, folder, what).map(digest);
    let keep =
        |section: Option<&Section>, recipe: &str| section.filter(|known| known.recipe == recipe).cloned();
    let mut lock = Lock::default();

    let want = asked(&live, "system")?;
    lock.live = match keep(kept.map(|lock| &lock.live), &want) {
        Some(known) => known,
        None => archives.system(&live, "the live OS").map(|made| made.of(want))?,
    };
    if let Some(fallback) = &line.live.fallback {
        let recipe = fallback.whole_recipe();
        let want = asked(&recipe, "system")?;
        lock.fallback = Some(match keep(kept.and_then(|lock| lock.fallback.as_ref()), &want) {
            Some(known) => known,
            None => archives.system(&recipe, "the fallback of the live OS").map(|made| made.of(want))?,
        });
    }
    if let ImageSource::Recipe { recipe, path } = &line.appliance.image {
        let want = asked(recipe, "system")?;
        lock.appliance = Some(match keep(kept.and_then(|lock| lock.appliance.as_ref()), &want) {
            Some(known) => known,
            None => archives.system(recipe, &format!("the appliance ({path})")).map(|made| made.of(want))?,
        });
    }
    // The recipe's own packages do not matter to these three: they come from its archives as they are.
    let bare = Recipe { packages: Vec::new(), ..live.clone() };
    for (slot, known, what, names) in [
        (&mut lock.loaders, kept.map(|lock| &lock.loaders), "the boot programs", &LOADERS[..]),
        (&mut lock.initrd, kept.map(|lock| &lock.initrd), "the initrd", &INITRD[..]),
    ] {
        let want = asked(&bare, &names.join(" "))?;
        *slot = match keep(known, &want) {
            Some(known) => known,
            None => archives.single(&bare, names, what).map(|made| made.of(want))?,
        };
    }
    let want = asked(&bare, "kernels")?;
    lock.index = match keep(kept.map(|lock| &lock.index), &want) {
        Some(known) => known,
        None => archives.kernels(&bare).map(|made| made.of(want))?,
    };
    let want = asked(&bare, "firmware")?;
    lock.firmware = match keep(kept.map(|lock| &lock.firmware), &want) {
        Some(known) => known,
        None => archives.firmware(&bare)?.of(want),
    };
    lock.archives = archives.used(kept);
    Ok(lock)
}

/// Whether the lock has what the line asks for now.
pub(crate) fn fits(line: &Line, folder: &Path, lock: &Lock) -> Result<bool> {
    let live = line.live.whole_recipe();
    let bare = Recipe { packages: Vec::new(), ..live.clone() };
    let has = |section: &Section, recipe: &Recipe, what: &str| {
        Ok::<_, Failure>(section.recipe == digest(asked(recipe, folder, what)?))
    };
    let appliance = match (&line.appliance.image, &lock.appliance) {
        (ImageSource::Recipe { recipe, .. }, Some(section)) => has(section, recipe, "system")?,
        (ImageSource::Recipe { .. }, None) | (ImageSource::File { .. }, Some(_)) => false,
        (ImageSource::File { .. }, None) => true,
    };
    let fallback = match (&line.live.fallback, &lock.fallback) {
        (Some(fallback), Some(section)) => has(section, &fallback.whole_recipe(), "system")?,
        (Some(_), None) | (None, Some(_)) => false,
        (None, None) => true,
    };
    Ok(appliance
        && fallback
        && has(&lock.live, &live, "system")?
        && has(&lock.loaders, &bare, &LOADERS.join(" "))?
        && has(&lock.initrd, &bare, &INITRD.join(" "))?
        && has(&lock.index, &bare, "kernels")?
        && has(&lock.firmware, &bare, "firmware")?)
}

/// What a section was asked for, as text: a change of it makes the section out of date. Files and scripts are
/// not in it, because they change no package.
fn asked(recipe: &Recipe, folder: &Path, what: &str) -> Result<String> {
    let mut text = format!("{what}\nsuite {}\n", recipe.suite);
    for mirror in &recipe.mirrors {
        text += &format!(
            "mirror {} {} {}\n",
            mirror.uri,
            mirror.suites.join(" "),
            mirror.signed_by.as_deref().unwrap_or_default()
        );
        if !mirror.also.is_empty() || !mirror.accept.is_empty() {
            text += &format!("also {} {:?}\n", mirror.also.join(" "), mirror.accept);
        }
    }
    text.extend(recipe.snapshot.iter().map(|moment| format!("snapshot {moment}\n")));
    for package in own::packages(recipe, folder)? {
        text += &format!("own {} {}\n", package.path, package.sha256);
    }
    let sorted = |words: &[String]| {
        words.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
    };
    Ok(text + &format!("components {}\npackages {}\n", sorted(&recipe.components), sorted(&recipe.packages)))
}

/// Packages, and the time of the archives they are from.
struct Resolved {
    packages: Vec<Package>,
    epoch: u64,
}

impl Resolved {
    fn new(index: &Index, packages: Vec<Package>) -> Resolved {
        let epoch = index.archives.iter().filter_map(Archive::epoch).max().unwrap_or_default();
        Resolved { packages, epoch }
    }

    fn of(self, recipe: String) -> Section {
        Section { recipe, epoch: self.epoch, packages: self.packages }
    }
}

/// Archives that were opened for this lock; most recipes share theirs.
struct Archives<'a> {
    host: Host,
    folder: &'a Path,
    store: &'a Store,
    open: BTreeMap<String, (Apt, Index)>,
}

impl Archives<'_> {
    fn of(&mut self, recipe: &Recipe) -> Result<&(Apt, Index)> {
        let sources = archives(recipe, &self.host)?;
        let own = own::packages(recipe, self.folder)?;
        match self.open.entry(key(&sources, &own)) {
            std::collections::btree_map::Entry::Occupied(open) => Ok(open.into_mut()),
            std::collections::btree_map::Entry::Vacant(slot) => {
                let apt = Apt::update(sources, own, self.folder, self.store)?;
                let index = apt.index()?;
                Ok(slot.insert((apt, index)))
            }
        }
    }

    /// A whole system: the base and what the recipe wants.
    fn system(&mut self, recipe: &Recipe, what: &str) -> Result<Resolved> {
        let (apt, index) = self.of(recipe)?;
        let mut wanted = index.base();
        wanted.extend(recipe.packages.iter().cloned());
        Ok(Resolved::new(index, apt.resolve(&wanted, index, what)?))
    }

    /// Single packages, as they are.
    fn single(&mut self, recipe: &Recipe, names: &[&str], what: &str) -> Result<Resolved> {
        let (apt, index) = self.of(recipe)?;
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(Resolved::new(index, apt.candidates(&names, index, what)?))
    }

    /// Every kernel of the suite that a line could choose, with the packages that have its modules.
    fn kernels(&mut self, recipe: &Recipe) -> Result<Resolved> {
        let (apt, index) = self.of(recipe)?;
        let known =
            index.newest(|name| name.starts_with("linux-image-") || name.starts_with("linux-modules-"));
        Ok(Resolved::new(index, apt.candidates(&kernel_names(&known), index, "the kernels of the suite")?))
    }

    /// The firmware packages of the suite, also those of a component that the line does not take from. They decide
    /// no verdict, only what is advised: an archive that does not list them is no reason not to lock.
    fn firmware(&mut self, recipe: &Recipe) -> Result<Resolved> {
        self.of(recipe)?;
        let key = key(&archives(recipe, &self.host)?, &own::packages(recipe, self.folder)?);
        let Some(own) = self.open.get(&key) else { return Ok(Resolved { packages: Vec::new(), epoch: 0 }) };
        match firmware::look(recipe, self.folder, &self.host, own, self.store) {
            Ok(packages) => Ok(Resolved::new(&own.1, packages)),
            Err(failure) => {
                report::note(&format!(
                    "which package has which firmware stays unknown\n{}",
                    failure.report()
                ));
                Ok(Resolved::new(&own.1, Vec::new()))
            }
        }
    }

    /// What the lock says of the archives: those that were asked now, and the others as they were known.
    fn used(self, kept: Option<&Lock>) -> Vec<Archive> {
        let old = kept.map(|lock| lock.archives.clone()).unwrap_or_default();
        let new = self.open.into_values().flat_map(|(_, index)| index.archives);
        let all =
            old.into_iter().chain(new).map(|archive| ((archive.uri.clone(), archive.suite.clone()), archive));
        all.collect::<BTreeMap<_, _>>().into_values().collect()
    }
}

/// What tells one set of archives from another.
fn key(sources: &[Source], own: &[OwnPackage]) -> String {
    sources.iter().map(Source::write).collect::<String>() + &format!("{own:?}")
}

/// Metapackages of the suite's own kernels (`linux-image-amd64`, `linux-image-generic`), the packages they
/// depend on, and Ubuntu's `linux-modules-extra` beside those.
fn kernel_names(known: &BTreeMap<&str, Stanza<'_>>) -> BTreeSet<String> {
    // Vendors' and next releases' kernels (linux-meta-aws, -hwe) are left out: dozens, and not what a suite is.
    let sources = ["linux-latest", "linux-meta", "linux", "linux-signed-amd64"];
    let is_concrete =
        |name: &str| name.trim_start_matches("linux-image-").starts_with(|c: char| c.is_ascii_digit());
    let mut names = BTreeSet::new();
    for (name, stanza) in known {
        let package_source = stanza.field("Source").unwrap_or(name).split(' ').next().unwrap_or_default();
        let left_out =
            name.ends_with("-dbg") || name.ends_with("-unsigned") || name.split('-').any(|word| word == "rt");
        let is_meta =
            name.starts_with("linux-image-") && !is_concrete(name) && sources.contains(&package_source);
        if !is_meta || left_out {
            continue;
        }
        names.insert((*name).to_owned());
        let mut open = vec![*stanza];
        while let Some(stanza) = open.pop() {
            for depended in dependency_names(stanza.field("Depends").unwrap_or_default()) {
                let extra = depended.replace("linux-modules-", "linux-modules-extra-");
                for found in [depended, extra.as_str()] {
                    if let Some((found, stanza)) = known.get_key_value(found)
                        && names.insert((*found).to_owned())
                    {
                        open.push(*stanza);
                    }
                }
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::deb::stanzas;

    /// The proof can only name a package that it has looked into: Debian's two kernels, Ubuntu's split one.
    #[test]
    fn the_suites_kernels_are_found() {
        let text = "Package: linux-image-amd64\nSource: linux-signed-amd64 (6.1+2)\nDepends: linux-image-6.1.0-9-amd64 (= 1)\n\n\
            Package: linux-image-6.1.0-9-amd64\nSource: linux-signed-amd64\nDepends: kmod, linux-base\n\n\
            Package: linux-image-6.1.0-8-amd64\nSource: linux-signed-amd64\n\n\
            Package: linux-image-rt-amd64\nSource: linux-signed-amd64\n\n\
            Package: linux-image-amd64-dbg\nSource: linux\n\n\
            Package: linux-image-generic\nSource: linux-meta\nDepends: linux-image-6.8.0-1-generic\n\n\
            Package: linux-image-6.8.0-1-generic\nSource: linux-signed\nDepends: linux-modules-6.8.0-1-generic\n\n\
            Package: linux-modules-6.8.0-1-generic\nSource: linux\n\n\
            Package: linux-modules-extra-6.8.0-1-generic\nSource: linux\n\n\
            Package: linux-image-aws\nSource: linux-meta-aws\n";
        let known = stanzas(text).map(|stanza| (stanza.field("Package").unwrap(), stanza)).collect();
        let names: Vec<String> = kernel_names(&known).into_iter().collect();
        assert_eq!(
            names,
            [
                "linux-image-6.1.0-9-amd64",
                "linux-image-6.8.0-1-generic",
                "linux-image-amd64",
                "linux-image-generic",
                "linux-modules-6.8.0-1-generic",
                "linux-modules-extra-6.8.0-1-generic"
            ]
        );
    }
}
