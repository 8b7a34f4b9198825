//! The driver index: what the kernel packages of a suite have, read out of the packages themselves, once per
//! package, and kept in the store.
//!
//! The union over a suite's kernels tells which driver fits a device; one kernel alone does not, because what
//! it has built in does not say which devices it drives.

use model::failure::{Explain as _, Failure, Result};
use model::hardware::DeviceClass;
use model::modules::alias::AliasTable;
use model::modules::modinfo::{Builtin, Modinfo};
use model::modules::tree::Tree;
use model::modules::{self, choice, index};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use wire::deb::{Compression, Deb};

/// Changes with what is kept, so that an index of an older form is made anew.
const FORM: &str = "drivers-2";

/// Folder of a release's modules that are another release's: `weak-modules` of RHEL and SUSE links there what has
/// the same symbols.
pub(crate) const LENT: &str = "weak-updates/";

/// A kernel of the suite: the package that people name, and what it brings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel<'k> {
    /// The package as `line.toml` names it: `linux-image-amd64`.
    pub(crate) package: &'k str,
    /// Its modules.
    pub(crate) tree: &'k Tree,
}

/// The modules of a kernel package, from the folder where indexes are kept or else from the package. `sha256`
/// is the package's own.
pub(crate) fn of_package(deb: &Path, sha256: &str, kept: &Path) -> Result<Tree> {
    let file = kept_file(sha256, kept);
    if let Some(tree) = read_kept(&file) {
        return Ok(tree);
    }
    let tree = read_package(deb).map_err(|failure| failure.doing(format!("indexing {}", deb.display())))?;
    keep(&file, &tree)?;
    Ok(tree)
}

/// Whether the package's modules are known without the package.
pub(crate) fn is_kept(sha256: &str, kept: &Path) -> bool {
    kept_file(sha256, kept).is_file()
}

fn kept_file(sha256: &str, kept: &Path) -> PathBuf {
    kept.join(format!("{sha256}.{FORM}.zst"))
}

/// The modules in an unpacked kernel package, or in any root: `FOLDER/lib/modules/RELEASE`.
pub(crate) fn of_folder(folder: &Path) -> Result<Tree> {
    let (release, modules) = release_in(folder)?;
    of_modules(release, &modules, &folder.display().to_string())
}

/// The modules of one release's folder; `from` is what a person calls it.
pub(crate) fn of_modules(release: String, modules: &Path, from: &str) -> Result<Tree> {
    let mut files = Vec::new();
    walk(modules, &mut files)?;
    let lent = modules.join(LENT);
    if lent.is_dir() {
        walk_links(modules, &lent, &mut files)?;
    }
    let mut building = Building::default();
    building.tree.release = release;
    let below = |(name, path): (PathBuf, PathBuf)| {
        (name.strip_prefix(modules).unwrap_or(&name).to_string_lossy().into_owned(), path)
    };
    let files = own_before_lent(files.into_iter().map(below).collect());
    building.read_all(|send| {
        for (name, path) in files {
            if wanted(&name) {
                let bytes = std::fs::read(&path).or_fail(|| format!("cannot read {}", path.display()))?;
                send(name, bytes);
            }
        }
        Ok(())
    })?;
    building.finish(from)
}

/// The modules among files by their paths below the release's folder.
pub(crate) fn of_files(release: String, files: Vec<(String, Vec<u8>)>, from: &str) -> Result<Tree> {
    let mut building = Building::default();
    building.tree.release = release;
    building.read_all(|send| {
        for (name, bytes) in own_before_lent(files).into_iter().filter(|(name, _)| wanted(name)) {
            send(name, bytes);
        }
        Ok(())
    })?;
    building.finish(from)
}

/// Without the lent modules that the release has itself: depmod takes its own first.
fn own_before_lent<T>(mut files: Vec<(String, T)>) -> Vec<(String, T)> {
    let own: BTreeSet<String> = files
        .iter()
        .filter(|(path, _)| is_module(path) && !path.starts_with(LENT))
        .map(|(path, _)| modules::name(path).into_owned())
        .collect();
    files.retain(|(path, _)| !path.starts_with(LENT) || !own.contains(&*modules::name(path)));
    files
}

/// The one release of a folder and its modules' folder.
pub(crate) fn release_in(folder: &Path) -> Result<(String, PathBuf)> {
    let mut found = Vec::new();
    for base in ["lib/modules", "usr/lib/modules"] {
        let Ok(entries) = std::fs::read_dir(folder.join(base)) else { continue };
        for entry in entries.flatten().filter(|entry| entry.path().join("kernel").is_dir()) {
            let release = entry.file_name().to_string_lossy().into_owned();
            // `/lib` is a link to `usr/lib` in a merged root: the same folder twice.
            if !found.iter().any(|(other, _)| *other == release) {
                found.push((release, entry.path()));
            }
        }
    }
    match (found.pop(), found.pop()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Failure::new(format!("there are no kernel modules in {}", folder.display()))
            .because("it has no lib/modules/RELEASE/kernel")),
        (Some((a, _)), Some((b, _))) => {
            Err(Failure::new(format!("there are modules of two kernels in {}", folder.display()))
                .because(format!("{a} and {b}")))
        }
    }
}

/// Which driver fits which device, over all these kernels.
pub(crate) fn union(kernels: &[Kernel<'_>]) -> AliasTable {
    AliasTable::of(kernels.iter().flat_map(|kernel| kernel.tree.alias_pairs()))
}

/// What the drivers of all these kernels drive, as far as it matters for a boot.
pub(crate) fn classes(kernels: &[Kernel<'_>]) -> BTreeMap<DeviceClass, BTreeSet<String>> {
    let mut classes: BTreeMap<DeviceClass, BTreeSet<String>> = BTreeMap::new();
    for (name, module) in kernels.iter().flat_map(|kernel| &kernel.tree.modules) {
        if let Some(class) = choice::class(&module.path) {
            classes.entry(class).or_default().insert(name.clone());
        }
    }
    classes
}

/// Which of these kernels have a driver that `own` lacks: packages by driver.
pub(crate) fn elsewhere(own: &Tree, kernels: &[Kernel<'_>]) -> BTreeMap<String, Vec<String>> {
    let mut packages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for kernel in kernels {
        let drivers = kernel.tree.modules.keys().chain(&kernel.tree.builtin);
        for name in drivers.filter(|name| !own.has(name)) {
            let packages = packages.entry(name.clone()).or_default();
            if !packages.iter().any(|package| package == kernel.package) {
                packages.push(kernel.package.to_owned());
            }
        }
    }
    packages
}

fn read_kept(file: &Path) -> Option<Tree> {
    let packed = std::fs::read(file).ok()?;
    // Damaged or of another program: made anew, which is always right.
    serde_json::from_reader(zstd::stream::read::Decoder::new(&packed[..]).ok()?).ok()
}

fn keep(file: &Path, tree: &Tree) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    let json = serde_json::to_vec(tree).or_fail(cannot)?;
    let packed = zstd::bulk::compress(&json, 3).or_fail(cannot)?;
    // Under its own name only when it is whole: two builds may make the same index at once.
    let part = file.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&part, packed).or_fail(cannot)?;
    std::fs::rename(&part, file).or_fail(cannot)
}

fn read_package(deb: &Path) -> Result<Tree> {
    let bytes = std::fs::read(deb).or_fail(|| format!("cannot read {}", deb.display()))?;
    let package = Deb::read(&bytes).or_fail(|| format!("{} is not a Debian package", deb.display()))?;
    let data = package.data;
    let broken = || format!("cannot unpack {}", deb.display());
    let stream: Box<dyn Read> = match data.compression {
        Compression::None => Box::new(data.bytes),
        Compression::Gzip => Box::new(flate2::read::GzDecoder::new(data.bytes)),
        Compression::Xz => Box::new(liblzma::read::XzDecoder::new(data.bytes)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(data.bytes).or_fail(broken)?),
    };
    let mut archive = tar::Archive::new(stream);
    let mut building = Building::default();
    let mut releases = BTreeSet::new();
    building.read_all(|send| {
        for entry in archive.entries().or_fail(broken)? {
            let mut entry = entry.or_fail(broken)?;
            let path = entry.path().or_fail(broken)?.to_string_lossy().into_owned();
            let Some((release, name)) = below_modules(&path) else { continue };
            if wanted(name) && entry.header().entry_type().is_file() {
                releases.insert(release.to_owned());
                let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or(0));
                entry.read_to_end(&mut bytes).or_fail(broken)?;
                send(name.to_owned(), bytes);
            }
        }
        Ok(())
    })?;
    building.tree.release = releases.into_iter().next().unwrap_or_default();
    building.finish(&deb.display().to_string())
}

/// Splits `./lib/modules/RELEASE/kernel/…` into release and the rest.
fn below_modules(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_start_matches("./").trim_start_matches('/');
    path.strip_prefix("usr/").unwrap_or(path).strip_prefix("lib/modules/")?.split_once('/')
}

/// The files that the index reads.
fn wanted(name: &str) -> bool {
    is_module(name) || matches!(name, "modules.builtin" | "modules.builtin.modinfo")
}

/// Whether a file is a kernel module, compressed or not.
pub(crate) fn is_module(name: &str) -> bool {
    [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].iter().any(|end| name.ends_with(end))
}

/// A module's bytes as the kernel links them.
pub(crate) fn decompressed(name: &str, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let broken = || format!("cannot decompress {name}");
    let mut plain = Vec::new();
    match name.rsplit_once('.') {
        Some((_, "xz")) => {
            liblzma::read::XzDecoder::new(&bytes[..]).read_to_end(&mut plain).or_fail(broken)?
        }
        Some((_, "gz")) => {
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).or_fail(broken)?
        }
        Some((_, "zst")) => {
            let mut decoder = zstd::stream::read::Decoder::new(&bytes[..]).or_fail(broken)?;
            decoder.read_to_end(&mut plain).or_fail(broken)?
        }
        _ => return Ok(bytes),
    };
    Ok(plain)
}

/// Adds the files below a folder: what they are called, and where their contents are.
fn walk(folder: &Path, files: &mut Vec<(PathBuf, PathBuf)>) -> Result<()> {
    let cannot = || format!("cannot read the folder {}", folder.display());
    for entry in std::fs::read_dir(folder).or_fail(cannot)? {
        let entry = entry.or_fail(cannot)?;
        // `build` and `source` are links into headers, and no module.
        let kind = entry.file_type().or_fail(cannot)?;
        if kind.is_dir() {
            walk(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push((entry.path(), entry.path()));
        }
    }
    Ok(())
}

/// Adds what the links below a folder lead to. `weak-modules` writes absolute ones, which start at the root that these
/// modules are in: that is where the other release's folder is beside this one's.
fn walk_links(modules: &Path, folder: &Path, files: &mut Vec<(PathBuf, PathBuf)>) -> Result<()> {
    let cannot = || format!("cannot read the folder {}", folder.display());
    for entry in std::fs::read_dir(folder).or_fail(cannot)? {
        let entry = entry.or_fail(cannot)?;
        let kind = entry.file_type().or_fail(cannot)?;
        if kind.is_dir() {
            walk_links(modules, &entry.path(), files)?;
        }
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        let beside =
            ["/lib/modules", "/usr/lib/modules"].iter().find_map(|base| target.strip_prefix(base).ok());
        let target = match (beside, modules.parent()) {
            (Some(rest), Some(all)) => all.join(rest),
            _ => folder.join(&target),
        };
        // A link that leads nowhere is no module; modprobe does not load it either.
        if target.is_file() {
            files.push((entry.path(), target));
        }
    }
    Ok(())
}

/// A tree that is being put together by several threads.
#[derive(Default)]
struct Building {
    tree: Tree,
}

impl Building {
    /// `read` gives files one after the other; they are decompressed and parsed on all processors.
    fn read_all(&mut self, read: impl FnOnce(&mut dyn FnMut(String, Vec<u8>)) -> Result<()>) -> Result<()> {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        // A few files in hand are enough to keep every worker busy; all of them would be 400 MB.
        let (send, receive) = sync_channel::<(String, Vec<u8>)>(workers * 4);
        let receive = Mutex::new(receive);
        std::thread::scope(|scope| {
            let started: Vec<_> = (0..workers).map(|_| scope.spawn(|| parse(&receive))).collect();
            let outcome = read(&mut |name, bytes| {
                // A worker that failed is heard when it is joined.
                let _ = send.send((name, bytes));
            });
            drop(send);
            for worker in started {
                let parsed =
                    worker.join().map_err(|_| Failure::new("reading a kernel module stopped half-way"))?;
                self.take(parsed?);
            }
            outcome
        })
    }

    fn take(&mut self, parsed: Tree) {
        self.tree.modules.extend(parsed.modules);
        self.tree.builtin.extend(parsed.builtin);
        self.tree.builtin_aliases.extend(parsed.builtin_aliases);
        self.tree.builtin_firmware.extend(parsed.builtin_firmware);
    }

    /// Checks what was put together; a package without modules, or with those of another kernel, is no kernel.
    fn finish(mut self, from: &str) -> Result<Tree> {
        self.tree.builtin_aliases.sort();
        if self.tree.modules.is_empty() {
            return Err(Failure::new(format!("there are no kernel modules in {from}")));
        }
        let release = &self.tree.release;
        let alien = self.tree.modules.values().find(|module| {
            let of = module.info.release();
            // With versions of its symbols a module is not held to its release (`same_magic` in kernel/module).
            let is_lent = module.path.starts_with(LENT) && module.info.vermagic.contains(" modversions");
            !of.is_empty() && of != release && !is_lent
        });
        if let Some(module) = alien {
            return Err(Failure::new(format!("{from} has a module of another kernel")).because(format!(
                "{} is for {}, but lies in {release}",
                module.path,
                module.info.release()
            )));
        }
        // Checked once, the same in each: 4,000 times nothing new.
        self.tree.modules.values_mut().for_each(|module| module.info.vermagic.clear());
        Ok(self.tree)
    }
}

/// Parses files until no more come.
fn parse(files: &Mutex<Receiver<(String, Vec<u8>)>>) -> Result<Tree> {
    let mut tree = Tree::default();
    let mut failed = None;
    loop {
        let next = files.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((name, bytes)) = next else { break };
        // After a failure the rest is drained, so that the sender does not wait for ever.
        if failed.is_none() {
            failed = parse_one(&mut tree, name, bytes).err();
        }
    }
    failed.map_or(Ok(tree), Err)
}

fn parse_one(tree: &mut Tree, name: String, bytes: Vec<u8>) -> Result<()> {
    match name.as_str() {
        "modules.builtin" => tree.builtin.extend(index::builtin(&String::from_utf8_lossy(&bytes))),
        "modules.builtin.modinfo" => {
            let told = Builtin::read(&bytes);
            tree.builtin_aliases.extend(told.aliases);
            tree.builtin_firmware.extend(told.firmware);
        }
        _ => {
            let plain = decompressed(&name, bytes)?;
            let info = Modinfo::read(&plain).or_fail(|| format!("cannot read the kernel module {name}"))?;
            tree.add(name, info);
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
