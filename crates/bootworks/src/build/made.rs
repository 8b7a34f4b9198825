//! From a lock to outputs: each group of files is made from what it depends on and from nothing else, and left
//! alone where that has not changed.

mod boms;

use super::agent::BUILD_ID;
use super::drivers::{self, Kernel};
use super::fetch::{Fetched, fetch};
use super::package::Opened;
use super::phases::Phases;
use super::shelf::{Group, Shelf, TREE};
use super::store::{Store, digest};
use super::system::{Base, Purpose, System, check_tools};
use super::verify::Verified;
use super::{adopt, amount, firmware, image, initrd, layer, signing, squashfs, strangers, suite};
use crate::check::{self, Held};
use crate::profiles;
use model::failure::{Explain as _, Failure, Result};
use model::line::{Drivers, ImageSource, Line, Live};
use model::lock::{Lock, Package, Section};
use model::modules::tree::Tree;
use model::outputs::{LiveOutputs, OutputFile, Outputs};
use model::proof::LiveOs;
use model::raw::ImageContent;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Names of the files in the outputs.
const SQUASHFS: &str = "root.squashfs";
const IMAGE: &str = "image.tar.zst";
const KERNEL: &str = "kernel";
const INITRD: &str = "initrd";
const DRIVERS: &str = "drivers.json";
const LICENCES: &str = "licences.json";
/// iPXE's programs, with the places that Debian and Ubuntu have them in.
const LOADERS: [(&str, &[&str]); 3] = [
    ("undionly.kpxe", &["usr/lib/ipxe/undionly.kpxe"]),
    // Debian 13 has programs for several processors, and a link of the old name.
    ("ipxe.efi", &["boot/ipxe.efi", "usr/lib/ipxe/ipxe-amd64.efi", "usr/lib/ipxe/ipxe.efi"]),
    ("ipxe.iso", &["usr/lib/ipxe/ipxe.iso"]),
];
/// Groups of the live OS that boxes boot: root and initrd.
const FIRST: [&str; 2] = ["live", "initrd"];
/// Groups of its fallback.
const SECOND: [&str; 2] = ["fallback", "fallback-initrd"];
/// Where a busybox without libraries is, before and after `/bin` went into `/usr`.
const BUSYBOX: [&str; 2] = ["bin/busybox", "usr/bin/busybox"];
/// Fact of the live OS's group: its kernel's release.
const RELEASE: &str = "release";
/// Name of the fact what of a live OS is in memory when it starts.
const MEMORY: &str = "memory";
/// Fact of the live OS's group: digest of what the initrd takes out of the root.
const KERNEL_FILES: &str = "kernel-files";
/// Where that is: the kernel, its modules, firmware; before and after `/lib` went into `/usr`.
const KERNEL_FOLDERS: [&str; 5] =
    ["boot", "usr/lib/modules", "usr/lib/firmware", "lib/modules", "lib/firmware"];
/// Fact of the image's group: the size of its files together.
const UNPACKED: &str = "unpacked";
/// Fact of the image: what it is, as JSON.
const CONTENT: &str = "content";

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
    Uncovered(Vec<Held>),
}

/// One of the line's live OSes, as it is to be made.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    /// What it is, for people.
    name: &'static str,
    /// Names of its groups: of the root and of the initrd.
    groups: [&'static str; 2],
    /// What the line says of it.
    live: &'a Live,
    /// Its packages.
    section: &'a Section,
}

/// A live OS's groups of files.
struct LiveGroups {
    root: Group,
    initrd: Group,
}

/// Makes what is not there yet. `phases` has what was done before.
pub(crate) fn make(
    line: &Line,
    folder: &Path,
    lock: &Lock,
    store: &Store,
    agent: &[u8],
    phases: Phases,
) -> Result<Outcome> {
    make_on(&Shelf::open(folder)?, line, folder, lock, store, agent, phases)
}

/// Makes on this shelf what is not there yet.
pub(crate) fn make_on(
    shelf: &Shelf,
    line: &Line,
    folder: &Path,
    lock: &Lock,
    store: &Store,
    agent: &[u8],
    mut phases: Phases,
) -> Result<Outcome> {
    let _umask = Umask::usual();
    let fetched = phases.run("fetch", || fetch(lock, folder, store))?;
    let mut making = Making { line, folder, lock, store, shelf, phases };
    let live = making.whole_live(making.first(), agent)?;
    let fallback = match making.second()? {
        Some(wanted) => Some(making.whole_live(wanted, agent)?),
        None => None,
    };
    // Before the image, which takes longest: whoever has to change the kernel need not wait for it.
    if let Some(uncovered) = making.uncovered(&live, fallback.as_ref())? {
        return Ok(Outcome::Uncovered(uncovered));
    }
    let image = making.image()?;
    let content = content_of(&image)?;
    for live in std::iter::once(&live).chain(&fallback) {
        fits(line, &content, shelf, &live.root)?;
    }
    let loaders = making.loaders()?;
    let mut groups =
        vec![("live", &live.root), ("initrd", &live.initrd), ("image", &image), ("loaders", &loaders)];
    groups.extend(fallback.iter().flat_map(|second| {
        let [root, initrd] = SECOND;
        [(root, &second.root), (initrd, &second.initrd)]
    }));
    let boms = making.boms(&live, fallback.as_ref(), [&image, &loaders], agent)?;
    let fresh = groups.iter().filter(|(_, group)| group.fresh).map(|(name, _)| *name).collect();
    let phases = std::mem::take(&mut making.phases);
    let outputs = Outputs {
        boms,
        fallback: fallback.as_ref().map(LiveGroups::outputs).transpose()?,
        image_content: content,
        image_signature: signing::of_line(line, folder)?,
        ..outputs(line, lock, &live, &image, &loaders)?
    };
    shelf.finish(&outputs)?;
    Ok(Outcome::Made(Box::new(Made { outputs, fresh, fetched, phases })))
}

/// The process's umask while something is made: that of whoever runs us would show in the modes of folders.
struct Umask(rustix::fs::Mode);

impl Umask {
    fn usual() -> Umask {
        Umask(rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022)))
    }
}

impl Drop for Umask {
    fn drop(&mut self) {
        rustix::process::umask(self.0);
    }
}

impl LiveGroups {
    fn outputs(&self) -> Result<LiveOutputs> {
        let squashfs = self.root.file(SQUASHFS)?;
        let of_initrd = |name| self.initrd.file(name);
        let (kernel, initrd, drivers) = (of_initrd(KERNEL)?, of_initrd(INITRD)?, of_initrd(DRIVERS)?);
        let mut name = digest(format!("{} {} {}", kernel.sha256, initrd.sha256, squashfs.sha256));
        name.truncate(16);
        let tree = squashfs.path.rsplit_once('/').map_or(TREE.into(), |(group, _)| format!("{group}/{TREE}"));
        let release = self.root.fact(RELEASE);
        let memory = serde_json::from_str(&self.initrd.fact(MEMORY)).unwrap_or_default();
        Ok(LiveOutputs { digest: name, release, kernel, initrd, squashfs, tree, drivers, memory })
    }
}

fn outputs(line: &Line, lock: &Lock, live: &LiveGroups, image: &Group, loaders: &Group) -> Result<Outputs> {
    let unpacked = image.fact(UNPACKED);
    Ok(Outputs {
        line: line.name.clone(),
        build: BUILD_ID.to_owned(),
        lock: digest(lock.write()),
        live: live.outputs()?,
        fallback: None,
        image: image.file(IMAGE)?,
        image_content: ImageContent::Archive,
        image_signature: None,
        image_unpacked_bytes: unpacked.parse().or_fail(|| format!("`{unpacked}` is no size"))?,
        loader_bios: loaders.file(LOADERS[0].0)?,
        loader_efi: loaders.file(LOADERS[1].0)?,
        loader_cd: loaders.file(LOADERS[2].0)?,
        boms: BTreeMap::new(),
    })
}

/// What the image is.
fn content_of(image: &Group) -> Result<ImageContent> {
    let text = image.fact(CONTENT);
    if text.is_empty() {
        // Made before images could be anything else.
        return Ok(ImageContent::Archive);
    }
    serde_json::from_str(&text).or_fail(|| format!("cannot understand what the image is: `{text}`"))
}

/// Holds the image against the line's disks and the root of a live OS that writes it.
fn fits(line: &Line, content: &ImageContent, shelf: &Shelf, root: &Group) -> Result<()> {
    let appliance = &line.appliance;
    let reasons = model::plan::image::contradictions(content, &appliance.disks, &appliance.stack);
    if !reasons.is_empty() {
        let failure = Failure::new("the image and the disks of line.toml do not go together");
        return Err(reasons.into_iter().fold(failure, Failure::because));
    }
    let squashfs = root.file(SQUASHFS)?;
    let Some((group, _)) = squashfs.path.rsplit_once('/') else { return Ok(()) };
    let tools = linux::tools::for_image(content);
    let what = "the live OS lacks what the image needs to be grown to its disk";
    check_tools(&shelf.folder().join(group).join(TREE), &tools, what, "`[live]` in line.toml")
}

/// Modaliases of the devices in the line's hardware profiles.
fn devices(folder: &Path, line: &Line) -> Result<Vec<String>> {
    let profiles = profiles::of_line(folder, &line.hardware)?;
    let devices: BTreeSet<String> =
        profiles.into_iter().flat_map(|profile| profile.devices).map(|device| device.modalias).collect();
    if devices.is_empty() {
        return Err(Failure::new("no hardware is known that the initrd could have the drivers of")
            .because("line.toml says `drivers = \"hardware\"`, and the line has no hardware profile")
            .hint("put a profile of each kind of server into `hardware/`, or write `drivers = \"all\"`"));
    }
    Ok(devices.into_iter().collect())
}

/// Keeps what is known of a system's licences with what was made of it; the base may be gone when it is asked for.
fn keep_licences(work: &Path, base: &Base) -> Result<()> {
    let path = work.join(LICENCES);
    let writing = || format!("cannot write {}", path.display());
    std::fs::write(&path, serde_json::to_vec(&base.licences).or_fail(writing)?).or_fail(writing)
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

impl<'a> Making<'a> {
    /// The live OS that boxes boot.
    fn first(&self) -> Wanted<'a> {
        Wanted { name: "live OS", groups: FIRST, live: &self.line.live, section: &self.lock.live }
    }

    /// The one that they boot instead, where the line has one.
    fn second(&self) -> Result<Option<Wanted<'a>>> {
        let Some(live) = self.line.live.fallback.as_deref() else { return Ok(None) };
        let section = self.lock.fallback.as_ref().ok_or_else(|| {
            Failure::new("line.lock has no packages for [live.fallback]").hint("`bootworks lock`")
        })?;
        Ok(Some(Wanted { name: "fallback", groups: SECOND, live, section }))
    }

    /// A live OS: its root, its kernel and its initrd.
    fn whole_live(&mut self, wanted: Wanted<'_>, agent: &[u8]) -> Result<LiveGroups> {
        let root = self.root(wanted)?;
        let initrd = self.initrd(wanted, &root, agent)?;
        Ok(LiveGroups { root, initrd })
    }

    /// A live OS's root: the tree and the squashfs.
    fn root(&mut self, wanted: Wanted<'_>) -> Result<Group> {
        let Wanted { name, groups: [group, _], live, section } = wanted;
        let recipe = live.whole_recipe();
        let appliance = &self.line.appliance;
        let tools = linux::tools::for_storage(&appliance.disks, &appliance.stack);
        let system = System {
            name,
            section,
            recipe: &recipe,
            line: self.folder,
            epoch: section.epoch,
            purpose: Purpose::LiveOs,
            tools: &tools,
        };
        let (store, phases) = (self.store, &mut self.phases);
        self.shelf.group(group, &system.inputs()?, |work| {
            let tree = work.join(TREE);
            let base = system.make(store, &tree, phases)?;
            keep_licences(work, &base)?;
            phases.run(&format!("{name}: squashfs"), || {
                let to = work.join(SQUASHFS);
                squashfs::pack(&tree, &base.tree, &base.key, store, system.epoch, &to)
            })?;
            let (release, _) = drivers::release_in(&tree)?;
            let changes = layer::digest_of_changes(&base.tree, &tree, &KERNEL_FOLDERS, |_| true)?;
            let kernel = digest(format!("{} {changes}", base.key));
            let facts = [(RELEASE.to_owned(), release), (KERNEL_FILES.to_owned(), kernel)];
            Ok((vec![SQUASHFS, LICENCES], BTreeMap::from(facts)))
        })
    }

    /// Holds the finished live OSes against all that the line must boot; `None` where they boot all of it.
    fn uncovered(&mut self, live: &LiveGroups, fallback: Option<&LiveGroups>) -> Result<Option<Vec<Held>>> {
        let profiles = profiles::of_line(self.folder, &self.line.hardware)?;
        if profiles.is_empty() {
            return Ok(None);
        }
        let folder = self.shelf.folder();
        let read = |groups: &LiveGroups| -> Result<LiveOs> {
            let path = folder.join(groups.initrd.file(DRIVERS)?.path);
            let bytes = std::fs::read(&path).or_fail(|| format!("cannot read {}", path.display()))?;
            serde_json::from_slice(&bytes).or_fail(|| format!("cannot understand {}", path.display()))
        };
        let hardware = &self.line.hardware;
        let held = self.phases.run("proof", || {
            let second = fallback.map(read).transpose()?;
            Ok(check::hold_line(read(live)?, second, profiles, hardware))
        })?;
        let covered = held.iter().all(Held::is_covered);
        Ok((!covered).then_some(held))
    }

    /// The appliance's image: built, or somebody's.
    fn image(&mut self) -> Result<Group> {
        let (store, phases, folder) = (self.store, &mut self.phases, self.folder);
        let packed = |packed: image::Packed| {
            let content = serde_json::to_string(&packed.content);
            Ok(BTreeMap::from([
                (UNPACKED.to_owned(), packed.unpacked_bytes.to_string()),
                (CONTENT.to_owned(), content.or_fail(|| "cannot write down what the image is".into())?),
            ]))
        };
        match (&self.line.appliance.image, &self.lock.appliance) {
            (ImageSource::File { path, sha256, root, signed }, _) => {
                let by = signed.as_ref().map(|signed| signing::identity(folder, signed)).transpose()?;
                self.shelf.group("image", &digest(format!("file {sha256} {root:?} {by:?}")), |work| {
                    if let Some(signed) = signed {
                        phases.run("image: signature", || signing::check(folder, path, signed))?;
                    }
                    let made = phases.run("image: check", || {
                        adopt::adopt(&folder.join(path), sha256, *root, &work.join(IMAGE))
                    })?;
                    Ok((vec![IMAGE], packed(made)?))
                })
            }
            (ImageSource::Recipe { recipe, .. }, Some(section)) => {
                let appliance = &self.line.appliance;
                let tools = linux::tools::of_appliance(&appliance.disks, &appliance.stack);
                let earlier = self.shelf.of_before("image", IMAGE)?;
                let system = System {
                    name: "appliance",
                    section,
                    recipe,
                    line: folder,
                    epoch: section.epoch,
                    purpose: Purpose::Appliance,
                    tools: &tools,
                };
                self.shelf.group("image", &system.inputs()?, |work| {
                    let tree = work.join(TREE);
                    let base = system.make(store, &tree, phases)?;
                    keep_licences(work, &base)?;
                    let sources = image::Sources {
                        root: &tree,
                        base: Some((&base.tree, &base.key)),
                        earlier: &earlier,
                    };
                    let made = phases.run("appliance: pack", || image::pack(&sources, &work.join(IMAGE)))?;
                    std::fs::remove_dir_all(&tree).or_fail(|| format!("cannot remove {}", tree.display()))?;
                    Ok((vec![IMAGE, LICENCES], packed(made)?))
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
    fn initrd(&mut self, wanted: Wanted<'_>, root: &Group, agent: &[u8]) -> Result<Group> {
        let Wanted { groups: [_, group], live, section, .. } = wanted;
        let busybox = self.package(&self.lock.initrd, "busybox-static")?;
        let squashfs = root.file(SQUASHFS)?;
        let devices = match live.drivers {
            Drivers::All => None,
            Drivers::Hardware => Some(devices(self.folder, self.line)?),
        };
        let modules = &live.modules;
        let inputs = digest(format!(
            "initrd {} {} {BUILD_ID} {} {} {devices:?} {modules:?}\n{}\n{}",
            root.fact(KERNEL_FILES),
            digest(agent),
            live.kernel,
            busybox.sha256,
            self.lock.index.identity(),
            self.lock.firmware.identity()
        ));
        let (lock, store, folder) = (self.lock, self.store, self.folder);
        let release = root.fact(RELEASE);
        let root = self.shelf.folder().join(squashfs.path.replace(SQUASHFS, TREE));
        let phases = &mut self.phases;
        self.shelf.group(group, &inputs, |work| {
            let vmlinuz = root.join(format!("boot/vmlinuz-{release}"));
            std::fs::copy(&vmlinuz, work.join(KERNEL))
                .or_fail(|| format!("cannot copy {}", vmlinuz.display()))?;
            let suite = phases.run("drivers of the suite", || suite::kernels(&lock.index, store))?;
            let (tree, strangers) = phases.run("drivers of the kernel", || {
                let mut tree = own_tree(section, &release, &root, store)?;
                let strangers = strangers::add_to(&mut tree, &root, section)?;
                Ok((tree, strangers))
            })?;
            // Nothing says what kind of device a stranger drives, and whoever brings one wants it.
            let modules: Vec<String> = modules.iter().cloned().chain(strangers).collect();
            let kernels: Vec<Kernel<'_>> =
                suite.iter().map(|kernel| Kernel { package: &kernel.name, tree: &kernel.tree }).collect();
            let mut built = phases.run("initrd", || {
                initrd::build(&initrd::Sources {
                    kernel_folder: &root,
                    kernel: Kernel { package: &live.kernel, tree: &tree },
                    suite: &kernels,
                    root: &root,
                    wanted: initrd::Wanted { devices: devices.as_deref(), modules: &modules },
                    agent,
                    busybox: &Opened::of(busybox, store).file(&BUSYBOX)?,
                    build: BUILD_ID,
                    modified: u32::try_from(section.epoch).unwrap_or(u32::MAX),
                    kept: &store.index(),
                })
            })?;
            let known = firmware::known_index(&lock.firmware, &live.recipe, folder, store);
            built.live.firmware_index = firmware::asked_for(known, &tree);
            let put = |name: &str, bytes: &[u8]| {
                let path = work.join(name);
                std::fs::write(&path, bytes).or_fail(|| format!("cannot write {}", path.display()))
            };
            put(INITRD, &built.bytes)?;
            put(DRIVERS, &serde_json::to_vec(&built.live).or_fail(|| "cannot write the drivers".into())?)?;
            let memory = serde_json::to_string(&built.memory).or_fail(|| "cannot tell the memory".into())?;
            Ok((vec![KERNEL, INITRD, DRIVERS], BTreeMap::from([(MEMORY.to_owned(), memory)])))
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

    /// The groups that were made now.
    #[cfg(test)]
    pub(crate) fn fresh(&self) -> &[&'static str] {
        &self.fresh
    }

    /// How long its phases took.
    #[cfg(test)]
    pub(crate) fn phases(&self) -> &Phases {
        &self.phases
    }

    /// How long its phases took, for whoever needs nothing else of it.
    pub(crate) fn into_phases(self) -> Phases {
        self.phases
    }

    /// The root's tree, relative to the folder of the outputs.
    #[cfg(test)]
    pub(crate) fn tree(&self) -> &str {
        &self.outputs.live.tree
    }

    /// What was made, for people: files with size and digest, then times.
    pub(crate) fn text(&self) -> Vec<String> {
        let outputs = &self.outputs;
        let mut lines = vec![format!(
            "{}: live OS {}, kernel {}",
            outputs.line, outputs.live.digest, outputs.live.release
        )];
        if let Some(fallback) = &outputs.fallback {
            lines.push(format!(
                "  boxes whose NIC it has no driver for boot {}, kernel {}",
                fallback.digest, fallback.release
            ));
        }
        for (name, file) in self.files() {
            let group = file.path.split('/').next().and_then(|folder| folder.rsplit_once('-'));
            let is_fresh = group.is_some_and(|(group, _)| self.fresh.contains(&group));
            let state = if is_fresh { "made" } else { "kept" };
            let short = file.sha256.get(..16).unwrap_or_default();
            lines.push(format!("  {name:<16} {state}  {:>10}  {short}  {}", amount(file.bytes), file.path));
        }
        if self.fetched.files > 0 {
            lines.push(format!("fetched {} packages, {}", self.fetched.files, amount(self.fetched.bytes)));
        }
        for (name, took) in self.phases.done() {
            lines.push(format!("  {:>7.2} s  {name}", took.as_secs_f64()));
        }
        lines
    }

    /// The outputs that are files, by the names that people read.
    pub(crate) fn files(&self) -> Vec<(&'static str, &OutputFile)> {
        let outputs = &self.outputs;
        let live = &outputs.live;
        let mut files = vec![
            ("kernel", &live.kernel),
            ("initrd", &live.initrd),
            ("root", &live.squashfs),
            ("drivers", &live.drivers),
            ("image", &outputs.image),
            ("loader (BIOS)", &outputs.loader_bios),
            ("loader (UEFI)", &outputs.loader_efi),
            ("loader (CD)", &outputs.loader_cd),
        ];
        files.extend(outputs.fallback.iter().flat_map(|second| {
            [
                ("fallback kernel", &second.kernel),
                ("fallback initrd", &second.initrd),
                ("fallback root", &second.squashfs),
                ("fallback drivers", &second.drivers),
            ]
        }));
        files
    }

    /// The same as one JSON object, with what came of a verification.
    pub(crate) fn json(&self, verified: Option<&Verified>) -> Result<String> {
        let seconds: Vec<_> =
            self.phases.done().iter().map(|(name, took)| (name, took.as_secs_f64())).collect();
        let phases: Vec<_> = seconds
            .iter()
            .map(|(name, seconds)| serde_json::json!({ "name": name, "seconds": seconds }))
            .collect();
        let mut json = serde_json::json!({
            "outputs": self.outputs,
            "made": self.fresh,
            "fetched": { "packages": self.fetched.files, "bytes": self.fetched.bytes },
            "phases": phases,
        });
        if let Some(verified) = verified {
            json["verified"] = verified.differences.is_empty().into();
            json["differences"] =
                serde_json::to_value(&verified.differences).or_fail(|| "cannot write JSON".into())?;
        }
        serde_json::to_string(&json).or_fail(|| "cannot write JSON".into())
    }
}
