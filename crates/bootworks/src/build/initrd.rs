//! The initrd: our PID 1, every wired NIC's and disk controller's driver with all that they need, and the
//! tables that let PID 1 name what is not in it.
//!
//! The same sources give the same bytes: everything is sorted, dated alike and owned by root. What the proof is
//! told of an initrd is read back from the finished bytes, not from what was meant to be in them.
//!
//! ```text
//! [early cpio: microcode, if the root has any]   the kernel reads it before it can decompress
//! [plain cpio: modules and firmware that are compressed files already]
//! [zstd: cpio with PID 1, its shell, its tables]
//! [zstd: cpio with modules and firmware]…          parts of 16 MB, packed side by side
//! ```

use super::archive::nearest;
use super::drivers::{self, Kernel};
use super::store::{digest, touch};
use super::vmlinux;
use model::failure::{Explain as _, Failure, Result};
use model::initrd::{self as place, Manifest, PackageTable};
use model::modules::alias::AliasTable;
use model::modules::tree::Tree;
use model::modules::{choice, pattern};
use model::proof::LiveOs;
use model::proof::memory::StartMemory;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use wire::cpio::{Entry, Node, Reader, Writer};

/// zstd's level: 9 packs 75 MB of modules in some seconds; higher ones win 1 % and take minutes.
const LEVEL: i32 = 9;
/// What a packed part holds: few enough parts to pack well, enough to keep every processor busy.
const PART: usize = 16 << 20;
/// Where modules and firmware are, which rarely change; PID 1 and its tables change with each version of this program.
const MODULES_AND_FIRMWARE: &str = "lib/";
/// What makes the name of a firmware file a pattern.
const WILDCARDS: [char; 3] = ['*', '?', '['];
/// Changes with how a part is packed, so that parts of an older form are not used.
const FORM: &str = "initrd-1";

/// What an initrd is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'s> {
    /// Folder of the unpacked kernel package, or a root that has it installed.
    pub(crate) kernel_folder: &'s Path,
    /// The kernel: the package as `line.toml` names it, and its modules.
    pub(crate) kernel: Kernel<'s>,
    /// All kernels of the suite that are known, this one too or not.
    pub(crate) suite: &'s [Kernel<'s>],
    /// The live OS's root, finished: its modules and its firmware are looked at.
    pub(crate) root: &'s Path,
    /// Which drivers are wanted.
    pub(crate) wanted: Wanted<'s>,
    /// The agent, which becomes `/init`.
    pub(crate) agent: &'s [u8],
    /// A busybox that needs no libraries.
    pub(crate) busybox: &'s [u8],
    /// Build id of this program.
    pub(crate) build: &'s str,
    /// Modification time of every entry, seconds since 1970.
    pub(crate) modified: u32,
    /// Folder where packed parts are kept for the next initrd that has them.
    pub(crate) kept: &'s Path,
}

/// Which drivers an initrd is to have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'s> {
    /// Modaliases of the devices that it has to drive; without, any wired NIC and any disk controller.
    pub(crate) devices: Option<&'s [String]>,
    /// Modules besides, by name.
    pub(crate) modules: &'s [String],
}

/// What was made.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// The initrd, as the loader fetches it.
    pub(crate) bytes: Vec<u8>,
    /// What the proof needs to know.
    pub(crate) live: LiveOs,
    /// What is in memory when it starts.
    pub(crate) memory: StartMemory,
}

/// Makes the initrd and what the proof has to know of this live OS.
///
/// Errors: kernel and root are of two releases; the kernel lacks what mounting any root takes; a file that cannot
/// be read.
pub(crate) fn build(sources: &Sources<'_>) -> Result<Built> {
    let tree = sources.kernel.tree;
    check_sources(sources)?;
    let aliases = drivers::union(&all(sources));
    let chosen = chosen(sources, &aliases)?;
    let mut image = Image::new(sources.modified);
    image.add_base(sources);
    add_modules(&mut image, sources, &chosen)?;
    add_firmware(&mut image, sources, &chosen)?;
    let packages = drivers::elsewhere(tree, sources.suite);
    add_tables(&mut image, sources, &chosen, &aliases, &packages);
    let early = microcode(sources.root, sources.modified)?;
    let segments = image.write()?;

    let mut live = LiveOs {
        release: tree.release.clone(),
        kernel: sources.kernel.package.to_owned(),
        builtin: tree.builtin.clone(),
        aliases,
        classes: drivers::classes(&all(sources)),
        packages,
        ..LiveOs::default()
    };
    let mut written: Vec<&[u8]> = segments.packed.iter().map(Vec::as_slice).collect();
    written.push(&segments.plain);
    (live.initrd, live.initrd_firmware) = found_in(tree, &names_in(&written)?);
    (live.root, live.root_firmware) = found_in(tree, &names_below(sources.root)?);
    live.firmware = asked_by(tree, live.initrd.union(&live.root).chain(&tree.builtin));

    let unpacked: usize = segments.packed.iter().chain([&segments.plain]).map(Vec::len).sum();
    let memory = StartMemory { kernel_bytes: kernel_bytes(sources)?, initrd_bytes: unpacked as u64 };
    let mut bytes = early;
    bytes.extend_from_slice(&segments.plain);
    for part in packed(&segments.packed, sources.kept)? {
        bytes.extend(part);
    }
    Ok(Built { bytes, live, memory })
}

/// What the kernel takes of memory; 0 where its image does not tell.
fn kernel_bytes(sources: &Sources<'_>) -> Result<u64> {
    let path = sources.kernel_folder.join(format!("boot/vmlinuz-{}", sources.kernel.tree.release));
    match std::fs::read(&path) {
        Ok(image) => Ok(vmlinux::memory_bytes(&image)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).or_fail(|| format!("cannot read {}", path.display())),
    }
}

/// The parts of an initrd, packed side by side.
fn packed(parts: &[Vec<u8>], kept: &Path) -> Result<Vec<Vec<u8>>> {
    std::thread::scope(|scope| {
        let jobs: Vec<_> = parts.iter().map(|part| scope.spawn(|| packed_one(part, kept))).collect();
        let lost = || Err(Failure::new("a packing thread was lost"));
        jobs.into_iter().map(|job| job.join().unwrap_or_else(|_| lost())).collect()
    })
}

/// One part, from where it is kept or packed now. What is kept counts only where it unpacks to just this part.
fn packed_one(part: &[u8], kept: &Path) -> Result<Vec<u8>> {
    let file = kept.join(format!("{}.{FORM}.zst", digest(part)));
    if let Ok(packed) = std::fs::read(&file)
        && zstd::bulk::decompress(&packed, part.len()).is_ok_and(|plain| plain == part)
    {
        touch(&file);
        return Ok(packed);
    }
    let packed = zstd::bulk::compress(part, LEVEL).or_fail(|| "cannot compress the initrd".into())?;
    // Under its own name only when it is whole; two builds may write the same at once.
    let writing = || format!("cannot write {}", file.display());
    let unfinished = file.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&unfinished, &packed).or_fail(writing)?;
    std::fs::rename(&unfinished, &file).or_fail(writing)?;
    Ok(packed)
}

/// The modules that the initrd is to have. Each that is named has to exist: one that is silently left out is found
/// missing in front of a rack.
fn chosen(sources: &Sources<'_>, aliases: &AliasTable) -> Result<BTreeSet<String>> {
    let tree = sources.kernel.tree;
    let wanted = sources.wanted;
    let unknown: Vec<&String> = wanted.modules.iter().filter(|name| !tree.has(name)).collect();
    if !unknown.is_empty() {
        let known: BTreeSet<&str> = tree.modules.keys().chain(&tree.builtin).map(String::as_str).collect();
        let mut failure = Failure::new(format!(
            "kernel {} has not all modules that line.toml [live] modules names",
            tree.release
        ));
        for name in unknown {
            let near = nearest(name, &known);
            failure = failure.because(match near.is_empty() {
                true => format!("`{name}` is not there"),
                false => format!("`{name}` is not there; near it are {}", near.join(", ")),
            });
        }
        return Err(failure.hint("correct the name, or name a kernel that has it in line.toml [live] kernel"));
    }
    let mut chosen = match wanted.devices {
        None => choice::for_any_hardware(tree),
        Some(devices) => choice::for_devices(tree, aliases, devices.iter().map(String::as_str)),
    };
    chosen.extend(tree.closure(wanted.modules.iter().map(String::as_str)));
    Ok(chosen)
}

fn all<'s>(sources: &Sources<'s>) -> Vec<Kernel<'s>> {
    std::iter::once(sources.kernel).chain(sources.suite.iter().copied()).collect()
}

/// Kernel, initrd and root of one release, and a kernel that can mount a root at all.
fn check_sources(sources: &Sources<'_>) -> Result<()> {
    let tree = sources.kernel.tree;
    let (release, _) = drivers::release_in(sources.kernel_folder)?;
    let (root_release, _) = drivers::release_in(sources.root)?;
    for (what, other) in [("the unpacked kernel", &release), ("the live OS's root", &root_release)] {
        if *other != tree.release {
            return Err(Failure::new("kernel and root are of two releases")
                .because(format!("{what} has modules of {other}"))
                .because(format!("package {} has kernel {}", sources.kernel.package, tree.release)));
        }
    }
    let missing = choice::missing_for_root(tree);
    if !missing.is_empty() {
        return Err(Failure::new(format!("kernel {} cannot mount the live OS's root", tree.release))
            .because(format!("it has no {}", missing.join(", no ")))
            .hint("name another kernel package in line.toml [live] kernel"));
    }
    Ok(())
}

fn add_modules(image: &mut Image, sources: &Sources<'_>, chosen: &BTreeSet<String>) -> Result<()> {
    let tree = sources.kernel.tree;
    let (release, folder) = drivers::release_in(sources.kernel_folder)?;
    for module in chosen.iter().filter_map(|name| tree.modules.get(name)) {
        let path = folder.join(&module.path);
        let bytes = std::fs::read(&path).or_fail(|| format!("cannot read the module {}", path.display()))?;
        image.add_file(&format!("lib/modules/{release}/{}", module.path), 0o644, bytes);
    }
    Ok(())
}

/// Puts in what the chosen modules and the built-in drivers ask for and the root has.
fn add_firmware(image: &mut Image, sources: &Sources<'_>, chosen: &BTreeSet<String>) -> Result<()> {
    let Some(folder) = firmware_folder(sources.root) else { return Ok(()) };
    let there = files_below(&folder)?;
    let mut wanted = BTreeSet::new();
    let tree = sources.kernel.tree;
    for asked in asked_by(tree, chosen.iter().chain(&tree.builtin)).values().flatten() {
        if asked.contains(WILDCARDS) {
            let fits = |name: &&String| pattern::matches(asked.as_bytes(), plain(name).as_bytes());
            wanted.extend(there.iter().filter(fits).cloned());
        } else {
            let forms = ["", ".xz", ".zst"].map(|end| format!("{asked}{end}"));
            wanted.extend(forms.into_iter().filter(|name| there.contains(name)));
        }
    }
    for name in &wanted {
        let path = within(sources.root, &folder.join(name.as_str()))?;
        let bytes =
            std::fs::read(&path).or_fail(|| format!("cannot read the firmware {}", path.display()))?;
        image.add_file(&format!("lib/firmware/{name}"), 0o644, bytes);
    }
    Ok(())
}

fn add_tables(
    image: &mut Image,
    sources: &Sources<'_>,
    chosen: &BTreeSet<String>,
    aliases: &AliasTable,
    packages: &BTreeMap<String, Vec<String>>,
) {
    let mut table =
        |path: &str, text: String| image.add_file(path.trim_start_matches('/'), 0o644, text.into());
    table(place::ALIASES, aliases.text().to_owned());
    table(place::DEPENDENCIES, sources.kernel.tree.dependency_table(chosen).text().to_owned());
    table(place::PACKAGES, PackageTable::of(packages).text().to_owned());
    table(place::BUILD, format!("{}\n", sources.build));
    table(place::KERNEL, format!("{}\n", sources.kernel.package));
}

/// Which of a kernel's modules are among these names with all that they need, and which of the firmware files
/// that its modules ask for are.
fn found_in(tree: &Tree, names: &BTreeSet<String>) -> (BTreeSet<String>, BTreeSet<String>) {
    let in_modules = format!("lib/modules/{}/", tree.release);
    let there: BTreeSet<String> = tree
        .modules
        .iter()
        .filter(|(_, module)| names.contains(&format!("{in_modules}{}", module.path)))
        .map(|(name, _)| name.clone())
        .collect();
    let firmware: Vec<&str> =
        names.iter().filter_map(|name| name.strip_prefix("lib/firmware/")).map(plain).collect();
    let firmware: BTreeSet<&str> = firmware.into_iter().collect();
    let asked = tree.firmware().filter(|file| {
        firmware.contains(file.as_str())
            || file.contains(WILDCARDS)
                && firmware.iter().any(|name| pattern::matches(file.as_bytes(), name.as_bytes()))
    });
    (tree.loadable(&there).0, asked.cloned().collect())
}

/// What modules ask for.
pub(crate) fn asked_by<'m>(
    tree: &Tree,
    modules: impl Iterator<Item = &'m String>,
) -> BTreeMap<String, Vec<String>> {
    let asked = modules.filter_map(|name| {
        let firmware = tree.firmware_of(name);
        (!firmware.is_empty()).then(|| (name.clone(), firmware.to_vec()))
    });
    asked.collect()
}

/// The name under which a driver asks for a firmware file that is kept compressed.
pub(crate) fn plain(name: &str) -> &str {
    name.strip_suffix(".xz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name)
}

/// The names in finished archives.
fn names_in(archives: &[&[u8]]) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for archive in archives {
        for entry in Reader::new(archive) {
            let entry = entry.or_fail(|| "the initrd just written cannot be read back".into())?;
            names.insert(String::from_utf8_lossy(entry.path).into_owned());
        }
    }
    Ok(names)
}

/// The modules and firmware files of a root, under the names they have in an initrd.
fn names_below(root: &Path) -> Result<BTreeSet<String>> {
    let (release, modules) = drivers::release_in(root)?;
    let mut names = BTreeSet::new();
    for name in files_below(&modules)? {
        names.insert(format!("lib/modules/{release}/{name}"));
    }
    if let Some(folder) = firmware_folder(root) {
        names.extend(files_below(&folder)?.into_iter().map(|name| format!("lib/firmware/{name}")));
    }
    Ok(names)
}

fn firmware_folder(root: &Path) -> Option<PathBuf> {
    ["usr/lib/firmware", "lib/firmware"]
        .map(|name| root.join(name))
        .into_iter()
        .find(|folder| folder.is_dir())
}

/// Files and links below a folder, by their paths from there.
fn files_below(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(at) = open.pop() {
        let cannot = || format!("cannot read the folder {}", at.display());
        for entry in std::fs::read_dir(&at).or_fail(cannot)? {
            let entry = entry.or_fail(cannot)?;
            if entry.file_type().or_fail(cannot)?.is_dir() {
                open.push(entry.path());
            } else if let Ok(name) = entry.path().strip_prefix(folder) {
                names.insert(name.to_string_lossy().into_owned());
            }
        }
    }
    Ok(names)
}

/// Where a file of a root really lies. Its links are the root's: an absolute one starts there, not here.
fn within(root: &Path, path: &Path) -> Result<PathBuf> {
    let mut path = path.to_path_buf();
    // Forty links are what the kernel follows (`MAXSYMLINKS`).
    for _ in 0..40 {
        let Ok(target) = std::fs::read_link(&path) else { return Ok(path) };
        path = match target.strip_prefix("/") {
            Ok(inside) => root.join(inside),
            Err(_) => path.parent().unwrap_or(root).join(target),
        };
    }
    Err(Failure::new(format!("{} is a circle of links", path.display())))
}

/// The early archive with the processors' microcode, as far as the root has it: the kernel looks for these two
/// names before it unpacks anything (`Documentation/arch/x86/microcode.rst`).
fn microcode(root: &Path, modified: u32) -> Result<Vec<u8>> {
    let Some(folder) = firmware_folder(root) else { return Ok(Vec::new()) };
    let mut image = Image::new(modified);
    for (vendor, from) in [("GenuineIntel", "intel-ucode"), ("AuthenticAMD", "amd-ucode")] {
        let Ok(entries) = std::fs::read_dir(folder.join(from)) else { continue };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        let mut whole = Vec::new();
        // Intel's are named family-model-stepping, AMD's end in .bin; beside them lie signatures and notes.
        let is_code = |path: &&PathBuf| match path.extension().and_then(|end| end.to_str()) {
            None => vendor == "GenuineIntel",
            Some(end) => vendor == "AuthenticAMD" && end == "bin",
        };
        for path in paths.iter().filter(is_code) {
            whole.extend(std::fs::read(path).or_fail(|| format!("cannot read {}", path.display()))?);
        }
        if !whole.is_empty() {
            image.add_file(&format!("kernel/x86/microcode/{vendor}.bin"), 0o644, whole);
        }
    }
    if image.is_empty() { Ok(Vec::new()) } else { Ok(image.write_one()?) }
}

/// The entries of an initrd, by path.
struct Image {
    modified: u32,
    entries: BTreeMap<String, (u32, Content)>,
}

enum Content {
    Folder,
    File(Vec<u8>),
    Link(&'static str),
    Character(u32, u32),
}

/// The archives of an initrd.
struct Segments {
    /// What is compressed already.
    plain: Vec<u8>,
    /// What is worth compressing, in parts.
    packed: Vec<Vec<u8>>,
}

impl Image {
    fn new(modified: u32) -> Image {
        Image { modified, entries: BTreeMap::new() }
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn add_file(&mut self, path: &str, permissions: u32, bytes: Vec<u8>) {
        self.add(path, permissions, Content::File(bytes));
    }

    /// Adds an entry, and the folders above it.
    fn add(&mut self, path: &str, permissions: u32, content: Content) {
        for (at, _) in path.match_indices('/') {
            self.entries.entry(path[..at].to_owned()).or_insert((0o755, Content::Folder));
        }
        self.entries.insert(path.to_owned(), (permissions, content));
    }

    /// PID 1, the shell, and the folders and devices that both expect before anything is mounted.
    fn add_base(&mut self, sources: &Sources<'_>) {
        for folder in ["dev", "proc", "sys", "run", "tmp", "root", "etc", "sbin"] {
            self.add(folder, 0o755, Content::Folder);
        }
        // Without /dev/console in the archive, PID 1 starts with no standard input and output.
        self.add("dev/console", 0o600, Content::Character(5, 1));
        self.add("dev/null", 0o666, Content::Character(1, 3));
        self.add("dev/kmsg", 0o644, Content::Character(1, 11));
        self.add_file("init", 0o755, sources.agent.to_vec());
        self.add_file("bin/busybox", 0o755, sources.busybox.to_vec());
        self.add("bin/sh", 0o777, Content::Link("busybox"));
    }

    /// The finished archives, with the manifest of both.
    fn write(mut self) -> Result<Segments> {
        let files = self.entries.iter().filter_map(|(path, (_, content))| match content {
            Content::File(bytes) => Some((path.clone(), bytes.len() as u64)),
            _ => None,
        });
        let manifest = Manifest::of(files).text();
        self.add_file(place::MANIFEST.trim_start_matches('/'), 0o644, manifest.into_bytes());

        let compressed = |path: &str| [".xz", ".zst", ".gz"].iter().any(|end| path.ends_with(end));
        let mut apart = Image::new(self.modified);
        let moved: Vec<String> = self.entries.keys().filter(|path| compressed(path)).cloned().collect();
        for path in moved {
            if let Some((permissions, content)) = self.entries.remove(&path) {
                apart.add(&path, permissions, content);
            }
        }
        let plain = if apart.is_empty() { Vec::new() } else { apart.write_one()? };
        let packed = self.parts().iter().map(Image::write_one).collect::<Result<_>>()?;
        Ok(Segments { plain, packed })
    }

    /// The same as several archives. Where they end depends on what is in them only, so that one that has not changed
    /// can be known again.
    fn parts(self) -> Vec<Image> {
        let mut parts = vec![Image::new(self.modified)];
        let (mut bytes, mut rarely) = (0, false);
        for (path, (permissions, content)) in self.entries {
            let begins = path.starts_with(MODULES_AND_FIRMWARE) && !rarely;
            rarely |= begins;
            let is_file = matches!(content, Content::File(_));
            if begins || (bytes >= PART && is_file) {
                parts.push(Image::new(self.modified));
                bytes = 0;
            }
            if let Content::File(content) = &content {
                bytes += content.len();
            }
            if let Some(part) = parts.last_mut() {
                part.add(&path, permissions, content);
            }
        }
        parts
    }

    /// One archive, padded to 512 bytes as every writer of initrds does, so that the next one can follow.
    fn write_one(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut writer = Writer::default();
        for (path, (permissions, content)) in &self.entries {
            let node = match content {
                Content::Folder => Node::Folder,
                Content::File(bytes) => Node::File(bytes),
                Content::Link(target) => Node::Link(target.as_bytes()),
                Content::Character(major, minor) => Node::Character(*major, *minor),
            };
            let entry =
                Entry { path: path.as_bytes(), permissions: *permissions, modified: self.modified, node };
            writer.add(&entry, &mut out).or_fail(|| "cannot write the initrd".into())?;
        }
        writer.finish(&mut out);
        out.resize(out.len().next_multiple_of(512), 0);
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
