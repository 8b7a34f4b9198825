//! What anybody's initrd, and the modules beside it, give to the proof: read out of the finished bytes, with no
//! word of whoever made them believed that the bytes do not bear out.
//!
//! What a module drives and needs, it says itself (`.modinfo`); whether the tools in the initrd will find it, kmod's
//! indexes there say. Drivers that a kernel has built in say nothing of their devices: for those there is a table
//! of what the drivers of Debian's kernels drive.

use super::booster;
use super::catalog::Catalog;
use crate::build::drivers;
use crate::build::initrd::{asked_by, plain};
use model::failure::{Explain as _, Failure, Result};
use model::hardware::DeviceClass;
use model::modules::alias::AliasTable;
use model::modules::modinfo::Builtin;
use model::modules::tree::Tree;
use model::modules::{self, choice, index, pattern, trie};
use model::proof::{Finding, LiveOs, Place, Status, View};
use model::unpacked::{Node, Unpacked};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Class, pattern and driver of every wired NIC and disk controller that Debian's kernels know.
const KNOWN: &str = include_str!("known-drivers.txt");
/// Where the kernel and its tools look for modules.
const MODULES: [&str; 2] = ["lib/modules", "usr/lib/modules"];
/// Folders of firmware below `lib/firmware`, in the kernel's order (`fw_path` in
/// drivers/base/firmware_loader/main.c); `*` is the release.
const FIRMWARE: [&str; 4] = ["updates/*/", "updates/", "*/", ""];

/// An initrd and what stands beside it, as the proof sees them.
#[derive(Debug)]
pub(crate) struct Evidence {
    /// What the proof is held against.
    pub live: LiveOs,
    /// Who made the initrd, as far as it shows.
    maker: Maker,
    /// How many modules are in the initrd.
    modules: usize,
}

/// What makes initrds, and how a module is put into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    InitramfsTools,
    Dracut,
    Mkinitcpio,
    Booster,
    Unknown,
}

/// Reads an initrd and, where it is named, the modules beside it.
pub(crate) fn read(initrd: &Path, beside: Option<&Path>) -> Result<Evidence> {
    let file = std::fs::read(initrd).or_fail(|| format!("cannot read {}", initrd.display()))?;
    let evidence = of_bytes(&file, &initrd.display().to_string(), beside)?;
    Ok(evidence)
}

/// The same of an initrd's bytes; `title` is what a person calls it.
pub(crate) fn of_bytes(file: &[u8], title: &str, beside: Option<&Path>) -> Result<Evidence> {
    let (mut catalog, failure) = Catalog::read(file, is_read);
    if let Some(failure) = failure {
        return Err(failure.doing(format!("reading {title}")));
    }
    let booster = booster_in(&catalog);
    let releases = match &booster {
        Some(known) => {
            Some(known.release.clone()).filter(|release| !release.is_empty()).into_iter().collect()
        }
        None => releases_in(&catalog.unpacked),
    };
    let beside = beside.map(|folder| Beside::find(folder, &releases, title)).transpose()?;
    let release = match (&beside, &releases[..]) {
        (Some(beside), _) => beside.release.clone(),
        (None, [one]) => one.clone(),
        (None, []) if booster.is_some() => {
            return Err(Failure::new(format!("{title} does not tell which kernel it is for"))
                .because(format!("its {} names none", booster::CONFIGURATION))
                .hint("`--modules /lib/modules/RELEASE` says which of them boots"));
        }
        (None, []) => return Err(without_modules(title)),
        (None, more) => {
            return Err(Failure::new(format!("{title} has modules of {} kernels", more.len()))
                .because(more.join(", "))
                .hint("`--modules /lib/modules/RELEASE` says which of them boots"));
        }
    };
    let inside = inside(&mut catalog, &release, title, booster.as_ref())?;
    let modules = inside.tree.modules.len();
    let beside = beside.map(|beside| beside.tree()).transpose()?;
    let maker = Maker::of(&catalog.unpacked);
    let live = live_os(inside, beside, &catalog.unpacked);
    Ok(Evidence { live, maker, modules })
}

/// Whether the body of a file is of use: modules and what stands beside them.
fn is_read(place: &[u8]) -> bool {
    let place = String::from_utf8_lossy(place);
    if place == booster::CONFIGURATION {
        return true;
    }
    let place = place.strip_prefix("usr/").unwrap_or(&place);
    let Some(rest) = place.strip_prefix("lib/modules/") else { return false };
    let name = rest.split_once('/').map_or(rest, |(_, name)| name);
    drivers::is_module(name) || name.starts_with("modules.") || name == booster::ALIASES
}

/// The configuration of an image of booster's.
fn booster_in(catalog: &Catalog) -> Option<booster::Configuration> {
    let file = catalog.unpacked.file(booster::CONFIGURATION.as_bytes())?;
    let body = catalog.bodies.get(&file)?;
    Some(booster::Configuration::read(&String::from_utf8_lossy(body)))
}

/// The releases that an initrd has modules of, or at least a list of what is built in. Modules of another release
/// that `weak-updates` lends (RHEL, SUSE) lie in a folder of that release, and make no kernel of it.
fn releases_in(unpacked: &Unpacked) -> Vec<String> {
    let mut releases = BTreeSet::new();
    let mut lending = BTreeSet::new();
    for folder in MODULES {
        for (path, node) in unpacked.below(folder.as_bytes()) {
            let path = String::from_utf8_lossy(path);
            let Some((release, name)) = path.split_once('/') else { continue };
            let is_own = name.starts_with("kernel/") || name.starts_with("modules.");
            if matches!(node, Node::File(_)) && (drivers::is_module(name) || name == "modules.builtin") {
                if is_own { &mut releases } else { &mut lending }.insert(release.to_owned());
            }
        }
    }
    if releases.is_empty() { lending.into_iter().collect() } else { releases.into_iter().collect() }
}

fn without_modules(title: &str) -> Failure {
    Failure::new(format!("{title} has no kernel modules"))
        .because("it has no lib/modules/RELEASE, so that only what the kernel has built in is there")
        .hint("`--modules /lib/modules/RELEASE` tells what that is")
}

/// What is in an initrd.
struct Inside {
    tree: Tree,
    /// Built-in drivers by their path, where the initrd lists them.
    builtin_paths: Vec<String>,
    knows_builtin: bool,
}

/// The modules of a release in the initrd, with what the indexes there say of them.
fn inside(
    catalog: &mut Catalog,
    release: &str,
    title: &str,
    booster: Option<&booster::Configuration>,
) -> Result<Inside> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for base in MODULES {
        let folder = if booster.is_some() { base.to_owned() } else { format!("{base}/{release}") };
        let below: Vec<(String, usize)> = catalog
            .unpacked
            .below(folder.as_bytes())
            .filter_map(|(path, node)| {
                let path = String::from_utf8_lossy(path).into_owned();
                let file = match node {
                    Node::File(file) => Some(*file),
                    // What a module of another release is lent by.
                    _ if path.starts_with(drivers::LENT) => {
                        catalog.unpacked.file(format!("{folder}/{path}").as_bytes())
                    }
                    _ => None,
                };
                Some((path, file?))
            })
            .filter(|(path, _)| booster.is_none() || !path.contains('/'))
            .collect();
        for (index, (path, file)) in below.iter().enumerate() {
            // Bodies are large: only a file with a further name is copied.
            let is_last = !below[index + 1..].iter().any(|(_, other)| other == file);
            let body = if is_last { catalog.bodies.remove(file) } else { catalog.bodies.get(file).cloned() };
            files.extend(body.map(|body| (path.clone(), body)));
        }
    }
    catalog.bodies.clear();
    let (modules, mut tables): (BTreeMap<_, _>, BTreeMap<_, _>) =
        files.into_iter().partition(|(path, _)| drivers::is_module(path));
    if let Some(booster) = booster {
        let aliases = tables.remove(booster::ALIASES).unwrap_or_default();
        let aliases = booster::alias_list(&String::from_utf8_lossy(&aliases));
        tables.insert("modules.alias".to_owned(), aliases.into_bytes());
        if !booster.builtin.is_empty() {
            tables.insert("modules.builtin".to_owned(), booster.builtin_list().into_bytes());
        }
    }
    let modules: Vec<(String, Vec<u8>)> = modules.into_iter().collect();
    let mut tree = if modules.is_empty() {
        Tree { release: release.to_owned(), ..Tree::default() }
    } else {
        drivers::of_files(release.to_owned(), modules, title)?
    };
    let tables = Tables { tables, title };
    let builtin_paths = tables.builtin()?;
    let knows_builtin = builtin_paths.is_some();
    let builtin_paths = builtin_paths.unwrap_or_default();
    tree.builtin = builtin_paths.iter().map(|path| modules::name(path).into_owned()).collect();
    let told = tables.told_of_builtin()?;
    tree.builtin_aliases = told.aliases;
    tree.builtin_firmware = told.firmware;
    if let Some(found) = tables.dependencies()? {
        // modprobe does not find a module that is not in its index, whatever lies in the folder.
        tree.modules.retain(|name, _| found.contains(name));
    }
    if let Some(pairs) = tables.aliases()? {
        let mut aliases: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (pattern, module) in pairs {
            aliases.entry(modules::name(&module).into_owned()).or_default().push(pattern);
        }
        for (name, module) in &mut tree.modules {
            module.info.aliases = aliases.remove(name).unwrap_or_default();
        }
    }
    Ok(Inside { tree, builtin_paths, knows_builtin })
}

/// The indexes of an initrd: kmod reads the binary ones, busybox the text.
struct Tables<'t> {
    tables: BTreeMap<String, Vec<u8>>,
    title: &'t str,
}

impl Tables<'_> {
    /// A binary index, if it is there.
    fn trie(&self, name: &str) -> Result<Option<Vec<(String, String)>>> {
        let Some(bytes) = self.tables.get(name) else { return Ok(None) };
        trie::read(bytes).map(Some).or_fail(|| format!("cannot read {name} in {}", self.title))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.tables.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// The modules that `modprobe` knows.
    fn dependencies(&self) -> Result<Option<BTreeSet<String>>> {
        if let Some(pairs) = self.trie("modules.dep.bin")? {
            return Ok(Some(pairs.into_iter().map(|(name, _)| modules::name(&name).into_owned()).collect()));
        }
        let text = self.text("modules.dep");
        Ok(text.map(|text| {
            let paths = index::dependencies(&text).map(|(path, _)| modules::name(path).into_owned());
            paths.collect()
        }))
    }

    /// Patterns and modules as `modprobe` knows them.
    fn aliases(&self) -> Result<Option<Vec<(String, String)>>> {
        if let Some(pairs) = self.trie("modules.alias.bin")? {
            return Ok(Some(pairs));
        }
        let own = |(pattern, module): (&str, &str)| (pattern.to_owned(), module.to_owned());
        Ok(self.text("modules.alias").map(|text| index::aliases(&text).map(own).collect()))
    }

    /// Paths of what is built in, or at least names.
    fn builtin(&self) -> Result<Option<Vec<String>>> {
        if let Some(text) = self.text("modules.builtin") {
            return Ok(Some(text.lines().map(|line| line.trim().to_owned()).collect()));
        }
        let pairs = self.trie("modules.builtin.bin")?;
        Ok(pairs.map(|pairs| pairs.into_iter().map(|(name, _)| name).collect()))
    }

    /// What built-in drivers say of themselves. The table of aliases that depmod makes of it knows no firmware.
    fn told_of_builtin(&self) -> Result<Builtin> {
        match self.tables.get("modules.builtin.modinfo") {
            Some(bytes) => Ok(Builtin::read(bytes)),
            None => {
                let aliases = self.trie("modules.builtin.alias.bin")?.unwrap_or_default();
                Ok(Builtin { aliases, ..Builtin::default() })
            }
        }
    }
}

/// The modules beside an initrd.
struct Beside {
    release: String,
    folder: PathBuf,
    title: String,
}

impl Beside {
    /// Finds the release of the initrd in a folder of one, in a folder of several, or in a root.
    fn find(folder: &Path, releases: &[String], title: &str) -> Result<Beside> {
        let shown = folder.display().to_string();
        let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
        let name_of = |folder: &Path| {
            let whole = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
            whole.file_name().map(|name| name.to_string_lossy().into_owned())
        };
        if is_release(folder) {
            found.extend(name_of(folder).map(|name| (name, folder.to_owned())));
        } else {
            let bases = MODULES.map(|base| folder.join(base)).into_iter().chain([folder.to_owned()]);
            for entry in bases.filter_map(|base| std::fs::read_dir(base).ok()).flatten().flatten() {
                if is_release(&entry.path()) {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    found.entry(name).or_insert_with(|| entry.path());
                }
            }
        }
        if found.is_empty() {
            return Err(Failure::new(format!("there are no kernel modules in {shown}"))
                .because("it is neither a release's folder, nor one of several releases, nor a root")
                .hint("`--modules /lib/modules/RELEASE`, with what `uname -r` prints on the box"));
        }
        let all = found.keys().cloned().collect::<Vec<_>>().join(", ");
        let fitting = releases.iter().find(|release| found.contains_key(*release));
        let release = match (fitting, releases) {
            (Some(release), _) => release.clone(),
            (None, []) if found.len() == 1 => all.clone(),
            (None, []) => {
                return Err(Failure::new(format!("{shown} has modules of several kernels"))
                    .because(all)
                    .because(format!("{title} has no modules that would tell which of them boots"))
                    .hint("name one release's folder"));
            }
            (None, own) => {
                return Err(Failure::new("the initrd and the modules beside it are of two releases")
                    .because(format!("{title} has modules of {}", own.join(", ")))
                    .because(format!("{shown} has modules of {all}"))
                    .hint("a kernel loads modules of its own release only"));
            }
        };
        let folder = found.remove(&release).unwrap_or_else(|| folder.to_owned());
        Ok(Beside { release, folder, title: shown })
    }

    /// Everything that the kernel of these modules has, and the paths of what is built in.
    fn tree(&self) -> Result<(Tree, Vec<String>)> {
        let tree = drivers::of_modules(self.release.clone(), &self.folder, &self.title)?;
        let list = std::fs::read_to_string(self.folder.join("modules.builtin")).unwrap_or_default();
        Ok((tree, list.lines().map(str::to_owned).collect()))
    }
}

fn is_release(folder: &Path) -> bool {
    ["kernel/drivers", "kernel/fs", "kernel/net", "modules.dep", "modules.dep.bin", "modules.builtin"]
        .iter()
        .any(|name| folder.join(name).exists())
}

/// Puts together what the proof needs to know.
fn live_os(inside: Inside, beside: Option<(Tree, Vec<String>)>, unpacked: &Unpacked) -> LiveOs {
    let Inside { tree: own, mut builtin_paths, mut knows_builtin } = inside;
    let there: BTreeSet<String> = own.modules.keys().cloned().collect();
    // The kernel as a whole: what lies beside the initrd, and what is only in it.
    let mut whole = own.clone();
    let mut root = BTreeSet::new();
    if let Some((tree, paths)) = beside {
        knows_builtin |= !paths.is_empty();
        builtin_paths.extend(paths);
        whole.builtin.extend(tree.builtin.iter().cloned());
        whole.builtin_aliases.extend(tree.builtin_aliases.iter().cloned());
        whole.builtin_firmware.extend(tree.builtin_firmware.clone());
        let all = tree.modules.keys().cloned().collect();
        root = tree.loadable(&all).0;
        for (name, module) in tree.modules {
            whole.modules.entry(name).or_insert(module);
        }
    }
    let (initrd, lacking) = whole.loadable(&there);
    let known = KNOWN.lines().filter_map(known_line);
    let aliases = AliasTable::of(
        // A module in the initrd is found by what the initrd says of it, not by what it says elsewhere.
        own.alias_pairs().chain(whole.alias_pairs().filter(|(_, name)| !there.contains(*name))).chain(
            known
                .clone()
                .map(|(_, pattern, driver)| (pattern, driver))
                .filter(|(_, driver)| !there.contains(*driver)),
        ),
    );
    let mut classes: BTreeMap<DeviceClass, BTreeSet<String>> = BTreeMap::new();
    for (class, _, driver) in known {
        classes.entry(class).or_default().insert(driver.to_owned());
    }
    let paths = whole.modules.values().map(|module| module.path.as_str());
    for path in paths.chain(builtin_paths.iter().map(String::as_str)) {
        if let Some(class) = choice::class(path) {
            classes.entry(class).or_default().insert(modules::name(path).into_owned());
        }
    }
    let firmware = asked_by(&whole, whole.modules.keys().chain(&whole.builtin));
    let asked: BTreeSet<&String> = firmware.values().flatten().collect();
    let there = Firmware::of(unpacked, &own.release);
    let initrd_firmware = asked.into_iter().filter(|file| there.has(file)).cloned().collect();
    LiveOs {
        release: own.release,
        builtin: whole.builtin,
        initrd,
        root,
        aliases,
        classes,
        firmware,
        initrd_firmware,
        lacking,
        view: if knows_builtin { View::Initrd } else { View::InitrdAlone },
        ..LiveOs::default()
    }
}

/// `ethernet pci:v… e1000e`.
fn known_line(line: &str) -> Option<(DeviceClass, &str, &str)> {
    let (class, rest) = line.split_once(' ')?;
    let (pattern, driver) = rest.rsplit_once(' ')?;
    let class = match class {
        "ethernet" => DeviceClass::Ethernet,
        "storage" => DeviceClass::Storage,
        _ => return None,
    };
    Some((class, pattern, driver))
}

/// The firmware of an initrd.
struct Firmware<'u> {
    unpacked: &'u Unpacked,
    folders: Vec<String>,
    /// Every name, for those that are asked for with wildcards.
    names: Vec<String>,
}

impl<'u> Firmware<'u> {
    fn of(unpacked: &'u Unpacked, release: &str) -> Firmware<'u> {
        let folders: Vec<String> =
            FIRMWARE.iter().map(|folder| format!("lib/firmware/{}", folder.replace('*', release))).collect();
        let mut names = Vec::new();
        for folder in &folders {
            let below = unpacked.below(folder.trim_end_matches('/').as_bytes());
            names.extend(below.map(|(path, _)| String::from_utf8_lossy(path).into_owned()));
        }
        Firmware { unpacked, folders, names }
    }

    /// Whether the kernel would find a file: itself or packed, in any of the folders, through links.
    fn has(&self, asked: &str) -> bool {
        let is_there = |name: &str| {
            self.folders
                .iter()
                .any(|folder| self.unpacked.file(format!("{folder}{name}").as_bytes()).is_some())
        };
        if asked.contains(['*', '?', '[']) {
            let fitting =
                self.names.iter().filter(|name| pattern::matches(asked.as_bytes(), plain(name).as_bytes()));
            return fitting.into_iter().any(|name| is_there(name));
        }
        ["", ".xz", ".zst"].iter().any(|end| is_there(&format!("{asked}{end}")))
    }
}

impl Maker {
    /// By what each leaves in its images.
    fn of(unpacked: &Unpacked) -> Maker {
        let has = |path: &str| unpacked.find(path.as_bytes()).is_some();
        if has("etc/booster.init.yaml") {
            Maker::Booster
        } else if has("lib/dracut") || has("usr/lib/dracut") {
            Maker::Dracut
        } else if has("conf/initramfs.conf") || has("scripts/functions") {
            Maker::InitramfsTools
        } else if has("buildconfig") || has("init_functions") {
            Maker::Mkinitcpio
        } else {
            Maker::Unknown
        }
    }

    fn name(self) -> Option<&'static str> {
        match self {
            Maker::InitramfsTools => Some("initramfs-tools"),
            Maker::Dracut => Some("dracut"),
            Maker::Mkinitcpio => Some("mkinitcpio"),
            Maker::Booster => Some("booster"),
            Maker::Unknown => None,
        }
    }

    /// How modules that lie beside the initrd get into it.
    fn fix(self, modules: &[String], release: &str) -> Option<String> {
        let spaced = modules.join(" ");
        match self {
            Maker::InitramfsTools => Some(format!(
                "add {} to /etc/initramfs-tools/modules, then `update-initramfs -u -k {release}`",
                modules.join(", ")
            )),
            Maker::Dracut => Some(format!("`dracut --force --add-drivers \"{spaced}\" --kver {release}`")),
            Maker::Mkinitcpio => {
                Some(format!("MODULES=({spaced}) in /etc/mkinitcpio.conf, then `mkinitcpio -P`"))
            }
            Maker::Booster => {
                Some(format!("modules: {} in /etc/booster.yaml, then build it anew", modules.join(",")))
            }
            Maker::Unknown => None,
        }
    }
}

impl Evidence {
    /// What is checked, in a line.
    pub(crate) fn title(&self, initrd: &Path) -> String {
        let maker = self.maker.name().map_or_else(String::new, |name| format!(", made by {name}"));
        format!("initrd: {}: kernel {}, {} modules{maker}", initrd.display(), self.live.release, self.modules)
    }

    /// Says how to get what lies beside the initrd into it.
    pub(crate) fn fix(&self, finding: &mut Finding) {
        if finding.status != Status::DriverMissing {
            return;
        }
        let out = |driver: &&String| self.live.place(driver) == Place::Root;
        let mut wanted: Vec<String> = finding.drivers.iter().filter(out).cloned().collect();
        for driver in &wanted.clone() {
            let lacking = self.live.lacking.get(driver).into_iter().flatten();
            wanted.extend(lacking.cloned());
        }
        if finding.place == Place::Root && !wanted.is_empty() {
            finding.fix = self.maker.fix(&wanted, &self.live.release);
        }
    }
}

#[cfg(test)]
mod tests;
