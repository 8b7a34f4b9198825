//! Makes a whole system in a folder: the packages of a lock's section unpacked and configured, the recipe's files
//! and scripts applied, identity scrubbed.

use super::apply;
use super::configure::{configure, is_left_to_dpkg, lay_out};
use super::database::{Unpacked, prepare};
use super::package::Opened;
use super::phases::Phases;
use super::scrub::{clamp_times, scrub};
use super::store::{Store, digest, digest_file};
use super::unpack::unpack;
use linux::tools::{LIVE_OS, MKSQUASHFS, Tool};
use model::failure::{Explain as _, Failure, Result};
use model::lock::Section;
use model::recipe::Recipe;
use std::collections::BTreeSet;
use std::path::Path;
use wire::deb::dependency_names;

/// Changes when this program makes another root of the same recipe: old outputs are then made again.
const EDITION: u32 = 1;

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

    /// Makes it in the empty folder `root`.
    pub(crate) fn make(&self, store: &Store, root: &Path, phases: &mut Phases) -> Result<()> {
        self.make_in(store, root, phases).map_err(|failure| failure.doing(format!("building {}", self.name)))
    }

    fn make_in(&self, store: &Store, root: &Path, phases: &mut Phases) -> Result<()> {
        lay_out(root)?;
        prepare(root)?;
        let opened = in_order(self.section, store);
        let controls = opened.iter().map(Opened::control).collect::<Result<Vec<_>>>()?;
        let all = opened.iter().zip(controls).map(|(opened, control)| Unpacked { opened, control });
        let (left, ours): (Vec<Unpacked<'_>>, Vec<Unpacked<'_>>) = all.partition(is_left_to_dpkg);
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
        let files: Vec<Opened> = ours.iter().map(|unpacked| unpacked.opened.clone()).collect();
        let lists = phases.run(&format!("{}: unpack", self.name), || unpack(root, &files, &replaces))?;
        let left: Vec<&Opened> = left.iter().map(|unpacked| unpacked.opened).collect();
        phases.run(&format!("{}: configure", self.name), || {
            configure(root, &ours, &lists, &left, self.epoch)
        })?;
        phases.run(&format!("{}: recipe", self.name), || {
            apply::apply(self.recipe, self.line, root, self.epoch)
        })?;
        match self.purpose {
            Purpose::LiveOs => {
                let tools: Vec<Tool> = LIVE_OS.iter().chain(self.tools).copied().collect();
                check_tools(
                    root,
                    &tools,
                    "the live OS lacks programs that boxes need",
                    "`[live]` in line.toml",
                )?;
            }
            Purpose::Appliance => {
                let what = "the appliance lacks programs that its own disks need";
                check_tools(root, self.tools, what, "the appliance's recipe")?;
                phases.run(&format!("{}: initrd", self.name), || apply::make_initrd(root, self.epoch))?;
            }
        }
        phases.run(&format!("{}: scrub", self.name), || {
            scrub(root)?;
            clamp_times(root, self.epoch)
        })
    }
}

/// The packages in the order in which they count: `base-files` first, because its folders are everybody's.
fn in_order(section: &Section, store: &Store) -> Vec<Opened> {
    let mut packages: Vec<_> = section.packages.iter().collect();
    packages.sort_by_key(|package| (package.name != "base-files", &package.name));
    packages.into_iter().map(|package| Opened::of(package, store)).collect()
}

/// Every tool must be there: all that are missing, with their packages. `place` is where packages are added.
fn check_tools(root: &Path, tools: &[Tool], what: &str, place: &str) -> Result<()> {
    let folders =
        ["usr/sbin", "usr/bin", "usr/local/sbin", "usr/local/bin", "usr/share/initramfs-tools/hooks"];
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

/// Packs the live OS's root as squashfs.
pub(crate) fn pack_squashfs(root: &Path, to: &Path, epoch: u64) -> Result<()> {
    linux::process::Child::of(MKSQUASHFS)
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .arg(root)
        .arg(to)
        .args([
            "-noappend",
            "-no-progress",
            "-quiet",
            "-comp",
            "zstd",
            "-Xcompression-level",
            "3",
            "-b",
            "256K",
        ])
        .run()
        .map(drop)
        .map_err(|failure| failure.doing("packing the live OS's root"))?;
    std::fs::File::open(to)
        .and_then(|file| file.sync_all())
        .or_fail(|| format!("cannot write {}", to.display()))
}
