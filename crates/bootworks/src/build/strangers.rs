//! Kernel modules that did not come with a kernel: files of the line's own, those of its packages, those that a
//! script has compiled. Each is held against the kernel that it is to be loaded into, before a box is.

use super::drivers::{decompressed, is_module, release_in};
use super::module_tables;
use super::own;
use super::scrub::walk;
use super::store::{Store, digest};
use super::unpack::Root;
use super::vmlinux;
use crate::report;
use model::failure::{Explain as _, Failure, Result};
use model::lock::Section;
use model::modules;
use model::modules::exports;
use model::modules::fit::{Fit, Kernel, Stranger, Versions, split, symvers, used};
use model::modules::modinfo::Modinfo;
use model::modules::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The kernels' folders in a merged root.
const MODULES: &str = "usr/lib/modules";
/// Where a kernel's own modules are in its folder.
const OWN: &str = "kernel/";
/// Where modules go that come before the kernel's own (depmod.d(5), `search`).
const UPDATES: &str = "updates";
/// What makes modules findable.
const DEPMOD: &str = "/usr/sbin/depmod";
/// Changes with what is kept of a kernel.
const FORM: &str = "symbols-2";

/// Puts a recipe's own modules into the root's kernel, and lets the root's depmod find them.
pub(crate) fn put(files: &[String], line: &Path, root: &Path, epoch: u64) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let (release, _) = release_in(root).map_err(|failure| {
        failure.doing("putting the recipe's `extra-modules` into its kernel".to_owned())
    })?;
    let open = Root::open(root)?;
    for file in files {
        let source = line.join(file);
        let bytes = std::fs::read(&source).or_fail(|| format!("cannot read {}", source.display()))?;
        let name = source.file_name().unwrap_or_default();
        open.write(&Path::new(MODULES).join(&release).join(UPDATES).join(name), &bytes, 0o644)?;
    }
    if root.join(DEPMOD.trim_start_matches('/')).symlink_metadata().is_err() {
        return Err(Failure::new("the recipe's `extra-modules` would not be found")
            .because("there is no depmod in the root")
            .hint("add `kmod` to the recipe's packages"));
    }
    module_tables::make(root, DEPMOD, &release, epoch)
}

/// Holds each module of a finished root that did not come with a kernel against the kernel in whose folder it is.
/// `base` names what the root's kernels come from, `section` its packages, `files` the paths that the recipe writes.
pub(crate) fn check(
    root: &Path,
    base: &str,
    section: &Section,
    files: &BTreeSet<PathBuf>,
    store: &Store,
) -> Result<()> {
    let found = find(root, section, files)?;
    let all = found.iter().map(|(release, path)| read(&root.join(MODULES).join(release), path));
    let all = all.collect::<Result<Vec<_>>>()?;
    let mut reasons = Vec::new();
    let mut kernels: BTreeMap<&str, Kernel> = BTreeMap::new();
    for ((release, path), stranger) in found.iter().zip(&all) {
        let folder = root.join(MODULES).join(release);
        if !folder.join(OWN).is_dir() {
            let (of, _) = split(&stranger.info.vermagic);
            reasons.push(elsewhere(release, path, of, &releases(root)?));
            continue;
        }
        if !kernels.contains_key(release.as_str()) {
            let mut kernel = kernel(&folder, release, root, &found, base, store)?;
            let others = found.iter().zip(&all).filter(|((of, _), _)| of == release);
            others.for_each(|(_, other)| offer(&mut kernel, other));
            kernels.insert(release, kernel);
        }
        match kernels.get(release.as_str()).map(|kernel| kernel.fit(stranger)) {
            Some(Fit::Misfit(why)) => {
                reasons.extend(why.into_iter().map(|why| format!("{}: {why}", name(release, path))));
            }
            Some(Fit::Fits { unknown }) if unknown > 0 => report::note(&format!(
                "{}: of {unknown} of the {} symbols that it uses no version is known here; the others are the kernel's",
                name(release, path),
                stranger.used.len()
            )),
            _ => {}
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let headers: Vec<String> =
        releases(root)?.iter().map(|release| format!("`linux-headers-{release}`")).collect();
    let failure = Failure::new("the kernel would not load all modules that did not come with it");
    Err(reasons.into_iter().fold(failure, Failure::because).hint(format!(
        "build them against {}, or name the kernel that they are for",
        if headers.is_empty() { "the headers of a kernel".to_owned() } else { headers.join(" or ") }
    )))
}

/// Adds what a stranger offers to other strangers. depmod takes `updates` before the kernel's own modules.
fn offer(kernel: &mut Kernel, stranger: &Stranger) {
    for (symbol, version) in &stranger.offered {
        if stranger.path.starts_with(UPDATES) || !kernel.versions.contains_key(symbol) {
            kernel.versions.insert(symbol.clone(), *version);
        }
    }
}

/// Adds what such modules of a root say of themselves to the tree of its kernel, and gives their names.
pub(crate) fn add_to(tree: &mut Tree, root: &Path, section: &Section) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for (release, path) in find(root, section, &BTreeSet::new())? {
        if release != tree.release {
            continue;
        }
        let name = modules::name(&path).into_owned();
        // depmod takes `updates` before the kernel's own, and those before all else.
        if path.starts_with(UPDATES) || !tree.modules.contains_key(&name) {
            let mut stranger = read(&root.join(MODULES).join(&release), &path)?;
            stranger.info.vermagic.clear();
            tree.add(path, stranger.info);
        }
        names.push(name);
    }
    Ok(names)
}

fn name(release: &str, path: &str) -> String {
    format!("/lib/modules/{release}/{path}")
}

fn elsewhere(folder: &str, path: &str, of: &str, releases: &[String]) -> String {
    let kernels = match releases {
        [] => "there is no kernel in it".to_owned(),
        releases => format!("its kernel is {}", releases.join(" and ")),
    };
    let built = if of.is_empty() { String::new() } else { format!(", built for {of}") };
    format!("{}{built}: the root has no kernel {folder}; {kernels}", name(folder, path))
}

/// Releases of the kernels in a root.
fn releases(root: &Path) -> Result<Vec<String>> {
    let mut releases = folders(root)?;
    releases.retain(|release| root.join(MODULES).join(release).join(OWN).is_dir());
    Ok(releases)
}

fn folders(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(MODULES);
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let reading = || format!("cannot read {}", folder.display());
    let entries = entries.collect::<std::io::Result<Vec<_>>>().or_fail(reading)?;
    let mut names: Vec<String> =
        entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| folder.join(name).symlink_metadata().is_ok_and(|kind| kind.is_dir()));
    names.sort();
    Ok(names)
}

/// The modules of a root that did not come with a kernel: folder's name and path in it. They are outside of `kernel/`,
/// or the recipe wrote them, or a package of the line's own brought them.
fn find(root: &Path, section: &Section, files: &BTreeSet<PathBuf>) -> Result<Vec<(String, String)>> {
    let own = own_paths(root, section);
    let mut found = Vec::new();
    for release in folders(root)? {
        let folder = root.join(MODULES).join(&release);
        for path in walk(&folder)? {
            let Ok(below) = path.strip_prefix(&folder) else { continue };
            let below = below.to_string_lossy().into_owned();
            if !is_module(&below) || !path.symlink_metadata().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let bare = format!("lib/modules/{release}/{below}");
            let forms = [PathBuf::from(format!("/{bare}")), PathBuf::from(format!("/usr/{bare}"))];
            let is_own = forms.iter().any(|form| own.contains(form) || files.contains(form));
            if is_own || !below.starts_with(OWN) {
                found.push((release.clone(), below));
            }
        }
    }
    Ok(found)
}

/// Absolute paths that packages of the line's own brought.
fn own_paths(root: &Path, section: &Section) -> BTreeSet<PathBuf> {
    let own = section.packages.iter().filter(|package| package.url.starts_with(own::SCHEME));
    let lists = own.flat_map(|package| {
        let qualified = format!("{}:{}", package.name, package.architecture);
        [&package.name, &qualified].map(|name| root.join(format!("var/lib/dpkg/info/{name}.list")))
    });
    let texts = lists.filter_map(|list| std::fs::read_to_string(list).ok());
    texts.flat_map(|text| text.lines().map(PathBuf::from).collect::<Vec<_>>()).collect()
}

fn read(folder: &Path, path: &str) -> Result<Stranger> {
    let release = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let reading = || format!("cannot read the kernel module {}", name(&release, path));
    let bytes = decompressed(path, std::fs::read(folder.join(path)).or_fail(reading)?)?;
    Ok(Stranger {
        path: path.to_owned(),
        info: Modinfo::read(&bytes).or_fail(reading)?,
        used: used(&bytes).or_fail(reading)?,
        offered: exports::of_module(&bytes).or_fail(reading)?,
    })
}

/// What a kernel asks of a module: from its headers' `Module.symvers` where the root has it, else from the kernel and
/// its own modules, which is kept in the store.
fn kernel(
    folder: &Path,
    release: &str,
    root: &Path,
    strangers: &[(String, String)],
    base: &str,
    store: &Store,
) -> Result<Kernel> {
    let kept = store.index().join(format!("{}.{FORM}.zst", digest(format!("{base} {release}"))));
    let known = std::fs::read(&kept).ok();
    let known =
        known.and_then(|packed| serde_json::from_slice(&zstd::stream::decode_all(&packed[..]).ok()?).ok());
    let mut kernel: Kernel = match known {
        Some(kernel) => kernel,
        None => {
            let vmlinuz = root.join(format!("boot/vmlinuz-{release}"));
            let kernel = of_itself(folder, release, strangers, &vmlinuz)?;
            let writing = || format!("cannot write {}", kept.display());
            let json = serde_json::to_vec(&kernel).or_fail(writing)?;
            let part = kept.with_extension(format!("{}.part", std::process::id()));
            std::fs::write(&part, zstd::bulk::compress(&json, 3).or_fail(writing)?).or_fail(writing)?;
            std::fs::rename(&part, &kept).or_fail(writing)?;
            kernel
        }
    };
    if let Ok(text) =
        std::fs::read_to_string(root.join(format!("usr/src/linux-headers-{release}/Module.symvers")))
    {
        kernel.versions = symvers(&text);
        kernel.is_complete = true;
    }
    Ok(kernel)
}

/// Reads what a kernel offers, and what its own modules offer and use, many at a time.
fn of_itself(folder: &Path, release: &str, strangers: &[(String, String)], vmlinuz: &Path) -> Result<Kernel> {
    let is_stranger = |path: &str| strangers.iter().any(|(of, other)| of == release && other == path);
    let mut paths = Vec::new();
    for path in walk(folder)? {
        let Ok(below) = path.strip_prefix(folder) else { continue };
        let below = below.to_string_lossy().into_owned();
        if is_module(&below) && below.starts_with(OWN) && !is_stranger(&below) {
            paths.push(below);
        }
    }
    let next = AtomicUsize::new(0);
    let read_all: Mutex<Vec<Result<Stranger>>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let module = read(folder, path);
                    if let Ok(mut all) = read_all.lock() {
                        all.push(module);
                    }
                }
            });
        }
    });
    let mut kernel = Kernel { release: release.to_owned(), ..Kernel::default() };
    let (mut used, mut offered) = (Versions::new(), Versions::new());
    for module in read_all.into_inner().unwrap_or_default() {
        let module = module?;
        let (_, options) = split(&module.info.vermagic);
        if kernel.options.is_empty() {
            options.clone_into(&mut kernel.options);
        }
        used.extend(module.used);
        offered.extend(module.offered);
    }
    (kernel.versions, kernel.is_complete) = exports::known(of_kernel(vmlinuz), offered, used);
    Ok(kernel)
}

/// What the kernel itself offers, without its modules; nothing where it is packed, or its tables are, in a way that is
/// not known here: fewer symbols can then be compared, which is said.
fn of_kernel(vmlinuz: &Path) -> Option<Versions> {
    exports::of_kernel(&vmlinux::unpacked(&std::fs::read(vmlinuz).ok()?)?).ok().flatten()
}

#[cfg(test)]
mod tests;
