//! Makes a whole system in a folder: the packages of a lock's section unpacked and configured, the recipe's files
//! and scripts applied, identity scrubbed.

use super::apply;
use super::configure::{configure, lay_out, left_to_dpkg};
use super::database::{Unpacked, prepare};
use super::layer;
use super::package::Opened;
use super::phases::Phases;
use super::room;
use super::scrub::{clamp_times, scrub};
use super::stock_initrd;
use super::store::{Store, digest, digest_file};
use super::strangers;
use super::unpack::unpack;
use super::unpacked::{self, Unnamed};
use linux::tools::{LIVE_OS, Tool};
use model::failure::{Explain as _, Failure, Result};
use model::lock::Section;
use model::recipe::Recipe;
use model::sbom::licences;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use wire::deb::dependency_names;

/// Changes when this program makes another root of the same recipe: old outputs are then made again.
const EDITION: u32 = 5;
/// The tree in the folder of a base.
const TREE: &str = "tree";
/// What is known of the packages' licences, beside it.
const LICENCES: &str = "licences.json";

/// What a system was made on: its packages, configured, and nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    /// Digest of everything it is made from.
    pub key: String,
    /// The tree. It is the store's: other systems are made on it.
    pub tree: PathBuf,
    /// What its packages say of their licences, by the packages' names.
    pub licences: BTreeMap<String, Vec<String>>,
}

/// A system to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct System<'a> {
    /// What it is, for failures: `the live OS`.
    pub name: &'a str,
    /// Its packages.
    pub section: &'a Section,
    /// What it is made from.
    pub recipe: &'a Recipe,
    /// The line's folder.
    pub line: &'a Path,
    /// The time, seconds since 1970, that nothing in it is later than.
    pub epoch: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// Programs that it must have for the line's disks.
    pub tools: &'a [Tool],
}

/// What a system is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Boxes boot it with our own initrd; it must have every tool of the controller.
    LiveOs,
    /// It is installed; it boots with an initrd of its own.
    Appliance,
}

impl System<'_> {
    /// Names what will be made: everything that the result depends on, as one digest.
    pub(crate) fn inputs(&self) -> Result<String> {
        let recipe = self.recipe;
        let mut text =
            format!("system {EDITION} {:?} {}\n{}", self.purpose, self.epoch, self.section.identity());
        for (path, piece) in apply::pieces(recipe, self.line)? {
            text += &match piece {
                apply::Piece::Link(target) => format!("link {} {}\n", path.display(), target.display()),
                apply::Piece::File(source, mode) => {
                    format!("file {} {mode:o} {}\n", path.display(), digest_file(&source)?.0)
                }
            };
        }
        for module in &recipe.extra_modules {
            text += &format!("module {module} {}\n", digest_file(&self.line.join(module))?.0);
        }
        for script in &recipe.scripts {
            text += &format!("script {script} {}\n", digest_file(&self.line.join(script))?.0);
        }
        text += &format!("enable {}\n", recipe.enable.join(" "));
        // Another layout asks for other programs: what was built before is then looked at again.
        for tool in self.tools {
            text += &format!("tool {}\n", tool.name);
        }
        Ok(digest(text))
    }

    /// Makes it in the folder `root`, which is not there yet, and gives what it was made on.
    pub(crate) fn make(&self, store: &Store, root: &Path, phases: &mut Phases) -> Result<Base> {
        self.make_in(store, root, phases).map_err(|failure| failure.doing(format!("building {}", self.name)))
    }

    fn make_in(&self, store: &Store, root: &Path, phases: &mut Phases) -> Result<Base> {
        let base = self.base(store, phases)?;
        phases.run(&format!("{}: recipe", self.name), || {
            layer::changed(&base.tree, root, |tree| self.finish(tree))?;
            let files = apply::pieces(self.recipe, self.line)?.into_keys().collect();
            strangers::check(root, &base.key, self.section, &files, store)
        })?;
        if self.purpose == Purpose::Appliance {
            phases.run(&format!("{}: initrd", self.name), || {
                stock_initrd::put(root, &base, store, self.epoch)
            })?;
        }
        Ok(base)
    }

    /// The system as dpkg leaves it: all of its packages configured, nothing of the recipe in it, and nothing that
    /// differs from one making to the next. Every recipe with these packages begins with it.
    fn base(&self, store: &Store, phases: &mut Phases) -> Result<Base> {
        let key = digest(format!("base {EDITION} {}\n{}", self.epoch, self.section.identity()));
        let mut unnamed = Unnamed::default();
        let folder = store.base(&key, |folder| {
            let tree = folder.join(TREE);
            unnamed = self.install(store, &tree, phases)?;
            let licences = folder.join(LICENCES);
            let writing = || format!("cannot write {}", licences.display());
            let json = serde_json::to_vec(&licences_in(&tree, self.section)).or_fail(writing)?;
            std::fs::write(&licences, json).or_fail(writing)
        })?;
        // With the base, all that it was made from is on the disk.
        unnamed.name()?;
        let licences = folder.join(LICENCES);
        let reading = || format!("cannot read {}", licences.display());
        let licences = std::fs::read(&licences).or_fail(reading)?;
        Ok(Base {
            key,
            tree: folder.join(TREE),
            licences: serde_json::from_slice(&licences).or_fail(reading)?,
        })
    }

    fn install(&self, store: &Store, root: &Path, phases: &mut Phases) -> Result<Unnamed> {
        std::fs::create_dir(root).or_fail(|| format!("cannot make {}", root.display()))?;
        lay_out(root)?;
        prepare(root)?;
        let opened = in_order(self.section, store);
        let controls = opened.iter().map(Opened::control).collect::<Result<Vec<_>>>()?;
        let all = opened.iter().zip(controls).map(|(opened, control)| Unpacked { opened, control });
        let all: Vec<Unpacked<'_>> = all.collect();
        let names = left_to_dpkg(&all);
        let (left, ours): (Vec<Unpacked<'_>>, Vec<Unpacked<'_>>) =
            all.into_iter().partition(|unpacked| names.contains(&unpacked.opened.package.name));
        let replaced: Vec<BTreeSet<String>> = ours
            .iter()
            .map(|unpacked| {
                dependency_names(&unpacked.field("Replaces").unwrap_or_default()).map(str::to_owned).collect()
            })
            .collect();
        let replaces = |one: usize, other: usize| {
            let name = ours.get(other).map(|unpacked| &unpacked.opened.package.name);
            replaced.get(one).zip(name).is_some_and(|(replaced, name)| replaced.contains(name))
        };
        // In kB (Debian policy §5.6.20), of the files alone; what scripts make of them is little beside.
        let installed = |unpacked: &Unpacked<'_>| unpacked.field("Installed-Size")?.parse::<u64>().ok();
        let missing = ours.iter().filter(|unpacked| !unpacked::is_kept(unpacked.opened, store));
        let bytes = missing.chain(&left).filter_map(installed).sum::<u64>() * 1024;
        room::need(store.folder(), bytes, &format!("the packages of the {}", self.name))?;
        let files: Vec<Opened> = ours.iter().map(|unpacked| unpacked.opened.clone()).collect();
        let (lists, unnamed) =
            phases.run(&format!("{}: unpack", self.name), || unpack(root, &files, &replaces, store))?;
        let left: Vec<&Opened> = left.iter().map(|unpacked| unpacked.opened).collect();
        phases.run(&format!("{}: configure", self.name), || {
            layer::changed_in_place(root, |root| {
                configure(root, &ours, &lists, &left, self.epoch)?;
                scrub(root)?;
                clamp_times(root, self.epoch)
            })
        })?;
        Ok(unnamed)
    }

    /// Carries the recipe out on the configured system and takes out what must not be shared.
    fn finish(&self, root: &Path) -> Result<()> {
        apply::apply(self.recipe, self.line, root, self.epoch)?;
        match self.purpose {
            Purpose::LiveOs => {
                let tools: Vec<Tool> = LIVE_OS.iter().chain(self.tools).copied().collect();
                let what = "the live OS lacks programs that boxes need";
                check_tools(root, &tools, what, "`[live]` in line.toml")?;
            }
            Purpose::Appliance => {
                let what = "the appliance lacks programs that its own disks need";
                check_tools(root, self.tools, what, "the appliance's recipe")?;
            }
        }
        scrub(root)?;
        clamp_times(root, self.epoch)
    }
}

/// What the packages of a root say of their licences. Many packages have one folder of documents, by a link.
fn licences_in(root: &Path, section: &Section) -> BTreeMap<String, Vec<String>> {
    let documents = root.join("usr/share/doc");
    let of = |name: &str| {
        let folder = documents.join(name);
        let folder = match std::fs::read_link(&folder) {
            Ok(target) => documents.join(target.file_name()?),
            Err(_) => folder,
        };
        let text = std::fs::read(folder.join("copyright")).ok()?;
        Some(licences(&String::from_utf8_lossy(&text)))
    };
    let known =
        section.packages.iter().filter_map(|package| Some((package.name.clone(), of(&package.name)?)));
    known.filter(|(_, licences)| !licences.is_empty()).collect()
}

/// The packages in the order in which they count: `base-files` first, because its folders are everybody's.
fn in_order(section: &Section, store: &Store) -> Vec<Opened> {
    let mut packages: Vec<_> = section.packages.iter().collect();
    packages.sort_by_key(|package| (package.name != "base-files", &package.name));
    packages.into_iter().map(|package| Opened::of(package, store)).collect()
}

/// Every tool must be there: all that are missing, with their packages. `place` is where packages are added.
pub(super) fn check_tools(root: &Path, tools: &[Tool], what: &str, place: &str) -> Result<()> {
    let folders = ["usr/sbin", "usr/bin", "usr/local/sbin", "usr/local/bin", "usr/share/initramfs-tools"];
    let is_there =
        |name: &str| folders.iter().any(|folder| root.join(folder).join(name).symlink_metadata().is_ok());
    let missing: Vec<_> = tools.iter().filter(|tool| !is_there(tool.name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: BTreeSet<&str> = missing.iter().map(|tool| tool.package).collect();
    let packages: Vec<String> = packages.into_iter().map(|package| format!("\"{package}\"")).collect();
    let because = |failure: Failure, tool: &&Tool| {
        failure.because(format!("`{}` ({}) is needed for {}", tool.name, tool.package, tool.reason))
    };
    Err(missing
        .iter()
        .fold(Failure::new(what), because)
        .hint(format!("add to `packages` of {place}: {}", packages.join(", "))))
}
