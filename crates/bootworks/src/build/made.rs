//! From a lock to outputs: each group of files is made from what it depends on and from nothing else, and left
//! alone where that has not changed.

use super::agent::BUILD_ID;
use super::drivers::{self, Kernel};
use super::fetch::{Fetched, fetch};
use super::package::Opened;
use super::phases::Phases;
use super::resolve::live_recipe;
use super::shelf::{Group, Shelf};
use super::store::{Store, digest};
use super::system::{Purpose, System, pack_squashfs};
use super::{amount, firmware, image, initrd, suite};
use crate::{check, profiles};
use model::failure::{Explain as _, Failure, Result};
use model::line::{ImageSource, Line};
use model::lock::{Lock, Package, Section};
use model::modules::tree::Tree;
use model::outputs::{LiveOutputs, OutputFile, Outputs};
use model::proof::LiveOs;
use model::proof::report::Checked;
use std::collections::BTreeMap;
use std::path::Path;

/// Names of the files in the outputs.
const TREE: &str = "tree";
const SQUASHFS: &str = "root.squashfs";
const IMAGE: &str = "image.tar.zst";
const KERNEL: &str = "kernel";
const INITRD: &str = "initrd";
const DRIVERS: &str = "drivers.json";
/// iPXE's programs, with the places that Debian and Ubuntu have them in.
const LOADERS: [(&str, &[&str]); 3] = [
    ("undionly.kpxe", &["usr/lib/ipxe/undionly.kpxe"]),
    ("ipxe.efi", &["boot/ipxe.efi", "usr/lib/ipxe/ipxe.efi"]),
    ("ipxe.iso", &["usr/lib/ipxe/ipxe.iso"]),
];
/// Where a busybox without libraries is, before and after `/bin` went into `/usr`.
const BUSYBOX: [&str; 2] = ["bin/busybox", "usr/bin/busybox"];
/// Fact of the live OS's group: its kernel's release.
const RELEASE: &str = "release";
/// Fact of the image's group: the size of its files together.
const UNPACKED: &str = "unpacked";

/// What a build has made.
#[derive(Debug)]
pub(crate) struct Made {
    outputs: Outputs,
    fresh: Vec<&'static str>,
    fetched: Fetched,
    phases: Phases,
}

/// How a build ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It made the line.
    Made(Box<Made>),
    /// The live OS cannot boot what the line must boot; what was built before is as it was.
    Uncovered(Box<Uncovered>),
}

/// A live OS and the hardware that it cannot boot.
#[derive(Debug)]
pub(crate) struct Uncovered {
    /// What was built of it.
    pub(crate) live: LiveOs,
    /// Every profile of the line with its proof.
    pub(crate) checked: Vec<Checked>,
}

/// Makes what is not there yet. `phases` has what was done before.
pub(crate) fn make(
    line: &Line,
    folder: &Path,
    lock: &Lock,
    store: &Store,
    agent: &[u8],
    mut phases: Phases,
) -> Result<Outcome> {
    let shelf = Shelf::open(folder)?;
    let fetched = phases.run("fetch", || fetch(lock, store))?;
    let mut making = Making { line, folder, lock, store, shelf: &shelf, phases };
    let live = making.live()?;
    let initrd = making.initrd(&live, agent)?;
    // Before the image, which takes longest: whoever has to change the kernel need not wait for it.
    if let Some(uncovered) = making.uncovered(&initrd)? {
        return Ok(Outcome::Uncovered(uncovered));
    }
    let image = making.image()?;
    let loaders = making.loaders()?;
    let groups = [("live", &live), ("initrd", &initrd), ("image", &image), ("loaders", &loaders)];
    let fresh = groups.iter().filter(|(_, group)| group.fresh).map(|(name, _)| *name).collect();
    let phases = std::mem::take(&mut making.phases);
    let outputs = outputs(line, lock, &live, &initrd, &image, &loaders)?;
    shelf.finish(&outputs)?;
    Ok(Outcome::Made(Box::new(Made { outputs, fresh, fetched, phases })))
}

fn outputs(
    line: &Line,
    lock: &Lock,
    live: &Group,
    initrd: &Group,
    image: &Group,
    loaders: &Group,
) -> Result<Outputs> {
    let squashfs = live.file(SQUASHFS)?;
    let (kernel, first, drivers) = (initrd.file(KERNEL)?, initrd.file(INITRD)?, initrd.file(DRIVERS)?);
    let mut name = digest(format!("{} {} {}", kernel.sha256, first.sha256, squashfs.sha256));
    name.truncate(16);
    let tree = squashfs.path.rsplit_once('/').map_or(TREE.into(), |(group, _)| format!("{group}/{TREE}"));
    let unpacked = image.fact(UNPACKED);
    Ok(Outputs {
        line: line.name.clone(),
        build: BUILD_ID.to_owned(),
        lock: digest(lock.write()),
        live: LiveOutputs {
            digest: name,
            release: live.fact(RELEASE),
            kernel,
            initrd: first,
            squashfs,
            tree,
            drivers,
        },
        image: image.file(IMAGE)?,
        image_unpacked_bytes: unpacked.parse().or_fail(|| format!("`{unpacked}` is no size"))?,
        loader_bios: loaders.file(LOADERS[0].0)?,
        loader_efi: loaders.file(LOADERS[1].0)?,
        loader_cd: loaders.file(LOADERS[2].0)?,
    })
}

/// What the groups are made from.
struct Making<'a> {
    line: &'a Line,
    folder: &'a Path,
    lock: &'a Lock,
    store: &'a Store,
    shelf: &'a Shelf,
    phases: Phases,
}

impl Making<'_> {
    /// The live OS's root: the tree and the squashfs.
    fn live(&mut self) -> Result<Group> {
        let recipe = live_recipe(self.line);
        let system = System {
            name: "live OS",
            section: &self.lock.live,
            recipe: &recipe,
            line: self.folder,
            epoch: self.lock.live.epoch,
            purpose: Purpose::LiveOs,
        };
        let (store, phases) = (self.store, &mut self.phases);
        self.shelf.group("live", &system.inputs()?, |work| {
            let tree = work.join(TREE);
            std::fs::create_dir(&tree).or_fail(|| format!("cannot make {}", tree.display()))?;
            system.make(store, &tree, phases)?;
            phases.run("live OS: squashfs", || pack_squashfs(&tree, &work.join(SQUASHFS), system.epoch))?;
            let (release, _) = drivers::release_in(&tree)?;
            Ok((vec![SQUASHFS], BTreeMap::from([(RELEASE.to_owned(), release)])))
        })
    }

    /// Holds the finished live OS against all that the line must boot; `None` where it boots all of it.
    fn uncovered(&mut self, initrd: &Group) -> Result<Option<Box<Uncovered>>> {
        let profiles = profiles::of_line(self.folder, &self.line.hardware)?;
        if profiles.is_empty() {
            return Ok(None);
        }
        let path = self.shelf.folder().join(initrd.file(DRIVERS)?.path);
        let hardware = &self.line.hardware;
        let (live, checked) = self.phases.run("proof", || {
            let bytes = std::fs::read(&path).or_fail(|| format!("cannot read {}", path.display()))?;
            let live: LiveOs =
                serde_json::from_slice(&bytes).or_fail(|| format!("cannot understand {}", path.display()))?;
            let checked = check::hold(&live, profiles, hardware);
            Ok((live, checked))
        })?;
        let covered = checked.iter().all(|checked| checked.proof.covered);
        Ok((!covered).then(|| Box::new(Uncovered { live, checked })))
    }

    /// The appliance's image: built, or somebody's.
    fn image(&mut self) -> Result<Group> {
        let (store, phases, folder) = (self.store, &mut self.phases, self.folder);
        let packed = |packed: image::Packed| {
            (vec![IMAGE], BTreeMap::from([(UNPACKED.to_owned(), packed.unpacked_bytes.to_string())]))
        };
        match (&self.line.appliance.image, &self.lock.appliance) {
            (ImageSource::File { path, sha256 }, _) => {
                self.shelf.group("image", &digest(format!("file {sha256}")), |work| {
                    phases
                        .run("image: check", || image::adopt(&folder.join(path), sha256, &work.join(IMAGE)))
                        .map(packed)
                })
            }
            (ImageSource::Recipe { recipe, .. }, Some(section)) => {
                let system = System {
                    name: "appliance",
                    section,
                    recipe,
                    line: folder,
                    epoch: section.epoch,
                    purpose: Purpose::Appliance,
                };
                self.shelf.group("image", &system.inputs()?, |work| {
                    let tree = work.join(TREE);
                    std::fs::create_dir(&tree).or_fail(|| format!("cannot make {}", tree.display()))?;
                    system.make(store, &tree, phases)?;
                    let made = phases.run("appliance: pack", || image::pack(&tree, &work.join(IMAGE)))?;
                    std::fs::remove_dir_all(&tree).or_fail(|| format!("cannot remove {}", tree.display()))?;
                    Ok(packed(made))
                })
            }
            (ImageSource::Recipe { path, .. }, None) => {
                Err(Failure::new(format!("line.lock has no packages for {path}")).hint("`bootworks lock`"))
            }
        }
    }

    /// iPXE.
    fn loaders(&mut self) -> Result<Group> {
        let ipxe = self.package(&self.lock.loaders, "ipxe")?;
        self.shelf.group("loaders", &digest(format!("loaders {}", ipxe.sha256)), |work| {
            let opened = Opened::of(ipxe, self.store);
            for (name, places) in LOADERS {
                let path = work.join(name);
                std::fs::write(&path, opened.file(places)?)
                    .or_fail(|| format!("cannot write {}", path.display()))?;
            }
            Ok((LOADERS.map(|(name, _)| name).to_vec(), BTreeMap::new()))
        })
    }

    /// Kernel, initrd, and what the proof has to know.
    fn initrd(&mut self, live: &Group, agent: &[u8]) -> Result<Group> {
        let busybox = self.package(&self.lock.initrd, "busybox-static")?;
        let squashfs = live.file(SQUASHFS)?;
        let inputs = digest(format!(
            "initrd {} {} {BUILD_ID} {} {}\n{}\n{}",
            squashfs.path,
            digest(agent),
            self.line.live.kernel,
            busybox.sha256,
            self.lock.index.identity(),
            self.lock.firmware.identity()
        ));
        let (lock, store, line) = (self.lock, self.store, self.line);
        let root = self.shelf.folder().join(squashfs.path.replace(SQUASHFS, TREE));
        let phases = &mut self.phases;
        self.shelf.group("initrd", &inputs, |work| {
            let release = live.fact(RELEASE);
            let vmlinuz = root.join(format!("boot/vmlinuz-{release}"));
            std::fs::copy(&vmlinuz, work.join(KERNEL))
                .or_fail(|| format!("cannot copy {}", vmlinuz.display()))?;
            let suite = phases.run("drivers of the suite", || suite::kernels(&lock.index, store))?;
            let tree =
                phases.run("drivers of the kernel", || own_tree(&lock.live, &release, &root, store))?;
            let kernels: Vec<Kernel<'_>> =
                suite.iter().map(|kernel| Kernel { package: &kernel.name, tree: &kernel.tree }).collect();
            let mut built = phases.run("initrd", || {
                initrd::build(&initrd::Sources {
                    kernel_folder: &root,
                    kernel: Kernel { package: &line.live.kernel, tree: &tree },
                    suite: &kernels,
                    root: &root,
                    agent,
                    busybox: &Opened::of(busybox, store).file(&BUSYBOX)?,
                    build: BUILD_ID,
                    modified: u32::try_from(lock.live.epoch).unwrap_or(u32::MAX),
                })
            })?;
            let known = firmware::known_index(&lock.firmware, &line.live.recipe, store);
            built.live.firmware_index = firmware::asked_for(known, &tree);
            let put = |name: &str, bytes: &[u8]| {
                let path = work.join(name);
                std::fs::write(&path, bytes).or_fail(|| format!("cannot write {}", path.display()))
            };
            put(INITRD, &built.bytes)?;
            put(DRIVERS, &serde_json::to_vec(&built.live).or_fail(|| "cannot write the drivers".into())?)?;
            Ok((vec![KERNEL, INITRD, DRIVERS], BTreeMap::new()))
        })
    }

    fn package<'s>(&self, section: &'s Section, name: &str) -> Result<&'s Package> {
        section.package(name).ok_or_else(|| {
            Failure::new(format!("line.lock has no package `{name}`")).hint("`bootworks lock`")
        })
    }
}

/// The live OS's kernel: from the package's index where one package has all of it, else from the root.
fn own_tree(live: &Section, release: &str, root: &Path, store: &Store) -> Result<Tree> {
    match (live.package(&format!("linux-image-{release}")), live.package(&format!("linux-modules-{release}")))
    {
        (Some(package), None) => {
            drivers::of_package(Opened::of(package, store).path(), &package.sha256, &store.index())
        }
        _ => drivers::of_folder(root),
    }
}

impl Made {
    /// The list of the files that serving the line needs.
    pub(crate) fn into_outputs(self) -> Outputs {
        self.outputs
    }

    /// What was made, for people: files with size and digest, then times.
    pub(crate) fn text(&self) -> Vec<String> {
        let outputs = &self.outputs;
        let mut lines = vec![format!(
            "{}: live OS {}, kernel {}",
            outputs.line, outputs.live.digest, outputs.live.release
        )];
        for (name, file) in self.files() {
            let state = if self.fresh.contains(&file.path.split('-').next().unwrap_or_default()) {
                "made"
            } else {
                "kept"
            };
            let short = file.sha256.get(..16).unwrap_or_default();
            lines.push(format!("  {name:<14} {state}  {:>10}  {short}  {}", amount(file.bytes), file.path));
        }
        if self.fetched.files > 0 {
            lines.push(format!("fetched {} packages, {}", self.fetched.files, amount(self.fetched.bytes)));
        }
        for (name, took) in self.phases.done() {
            lines.push(format!("  {:>7.2} s  {name}", took.as_secs_f64()));
        }
        lines
    }

    fn files(&self) -> [(&'static str, &OutputFile); 8] {
        let outputs = &self.outputs;
        let live = &outputs.live;
        [
            ("kernel", &live.kernel),
            ("initrd", &live.initrd),
            ("root", &live.squashfs),
            ("drivers", &live.drivers),
            ("image", &outputs.image),
            ("loader (BIOS)", &outputs.loader_bios),
            ("loader (UEFI)", &outputs.loader_efi),
            ("loader (CD)", &outputs.loader_cd),
        ]
    }

    /// The same as one JSON object.
    pub(crate) fn json(&self) -> Result<String> {
        let seconds: Vec<_> =
            self.phases.done().iter().map(|(name, took)| (name, took.as_secs_f64())).collect();
        let phases: Vec<_> = seconds
            .iter()
            .map(|(name, seconds)| serde_json::json!({ "name": name, "seconds": seconds }))
            .collect();
        let json = serde_json::json!({
            "outputs": self.outputs,
            "made": self.fresh,
            "fetched": { "packages": self.fetched.files, "bytes": self.fetched.bytes },
            "phases": phases,
        });
        serde_json::to_string(&json).or_fail(|| "cannot write JSON".into())
    }
}
