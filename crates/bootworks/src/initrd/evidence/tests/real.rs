//! Initrds that mkinitramfs and dracut make of a real kernel, against cpio and kmod: every entry, every driver.
//!
//! `BOOTWORKS_TEST_INITRDS=all` makes all kinds of them, which takes a quarter of an hour; else one is made. Each is
//! packed in all the ways that mkinitramfs packs.

use super::*;
use crate::build::drivers::tests::{kmod_names, real_kernel, system_is_allowed};
use crate::initrd::catalog::Catalog;
use crate::initrd::pack;
use crate::initrd::unpack::{Rights, unpack};
use linux::process::Child;

/// What mkinitramfs does with its archive, by its setting `COMPRESS`.
const PACKINGS: [&str; 7] =
    ["cat", "gzip -n", "xz --check=crc32 --threads=0", "zstd -q -9 -T0", "lz4 -9 -l", "bzip2", "lzop"];

fn sh(script: &str, words: &[&str]) -> String {
    let child = Child::at("sh").args(["-ec", script, "sh"]).args(words);
    String::from_utf8_lossy(&child.run().unwrap()).into_owned()
}

/// Runs a script where the kernel's package seems to be installed; the machine itself is left alone.
fn with_kernel(kernel: &Path, script: &str, words: &[&str]) {
    let folder = kernel.display().to_string();
    let whole = format!(
        "mkdir -p /lib/modules /boot
        mount --bind \"$1/lib/modules\" /lib/modules
        mount --bind \"$1/boot\" /boot
        shift
        {script}"
    );
    let words = [&["--mount", "sh", "-ec", &whole, "sh", &folder], words].concat();
    Child::at("unshare").args(words).run().unwrap();
}

/// The archive that mkinitramfs makes, not packed.
fn mkinitramfs(kernel: &Path, release: &str, modules: &str, folder: &Path) -> PathBuf {
    let to = folder.join(format!("{modules}.cpio"));
    let script = r#"
        cp -a /etc/initramfs-tools "$3/conf"
        printf 'MODULES=%s\nBUSYBOX=auto\nCOMPRESS=gzip\nDEVICE=\nNFSROOT=auto\nRUNSIZE=10%%\nFSTYPE=auto\n' "$2" > "$3/conf/initramfs.conf"
        depmod "$1"
        mkinitramfs -d "$3/conf" -o "$4.gz" "$1" 2>/dev/null
        gzip -dc "$4.gz" > "$4"
        rm -rf "$3/conf" "$4.gz""#;
    let (folder, path) = (folder.display().to_string(), to.display().to_string());
    with_kernel(kernel, script, &[release, modules, &folder, &path]);
    to
}

/// Archives of the kinds that are asked for.
fn archives(folder: &Path) -> Vec<PathBuf> {
    let (_, kernel) = real_kernel("linux-image-amd64");
    let release = drivers::release_in(&kernel).unwrap().0;
    if std::env::var("BOOTWORKS_TEST_INITRDS").is_ok_and(|text| text == "all") {
        let kinds = ["list", "netboot", "most"];
        let mut archives: Vec<PathBuf> =
            kinds.map(|modules| mkinitramfs(&kernel, &release, modules, folder)).into();
        let dracut = folder.join("dracut.cpio");
        let script = "depmod \"$1\"; dracut --no-hostonly --kver \"$1\" --force --no-compress --quiet \"$2\"";
        with_kernel(&kernel, script, &[&release, &dracut.display().to_string()]);
        archives.push(dracut);
        return archives;
    }
    vec![mkinitramfs(&kernel, &release, "netboot", folder)]
}

/// Every entry by its name, type, permissions, owner, size and target, as GNU cpio unpacks the archive.
fn as_cpio_unpacks(archive: &Path, folder: &Path) -> BTreeMap<String, String> {
    let script = r#"mkdir -p "$2"; cd "$2"; cpio -idm --quiet < "$1"
        find . -mindepth 1 -printf '%P\t%y %m %U %G %s %l\n'"#;
    let text = sh(script, &[&archive.display().to_string(), &folder.display().to_string()]);
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(name, rest)| (name.to_owned(), without_folder_size(rest))).collect()
}

/// What a folder takes on the disk is the disk's business.
fn without_folder_size(line: &str) -> String {
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    match words[0] {
        "d" | "c" | "b" => words[..4].join(" "),
        _ => words.join(" "),
    }
}

/// The same of our list.
fn as_we_list(catalog: &Catalog) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for item in &catalog.items {
        let header = &item.header;
        let letter = match header.kind().unwrap().letter() {
            '-' => 'f',
            other => other,
        };
        let size = item.file.map_or(u64::from(header.size), |file| catalog.sizes[file]);
        let target = item.target.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let mode = header.permissions();
        let line = format!("{letter} {mode:o} {} {} {size} {target}", header.user, header.group);
        lines.insert(String::from_utf8_lossy(&item.name).into_owned(), without_folder_size(&line));
    }
    lines.remove(".");
    lines
}

/// An early archive with microcode, as `prepend_earlyinitramfs` puts it before the rest.
fn early(folder: &Path) -> Vec<u8> {
    let script = r#"cd "$1"; mkdir -p early/kernel/x86/microcode; cd early
        head -c 20000 /dev/zero > kernel/x86/microcode/GenuineIntel.bin
        find . -print0 | LC_ALL=C sort -z | cpio --null --quiet -R 0:0 -o -H newc > ../early.cpio"#;
    sh(script, &[&folder.display().to_string()]);
    std::fs::read(folder.join("early.cpio")).unwrap()
}

/// Whatever packed it: the same entries as cpio unpacks, and the same file when it is packed again.
#[test]
fn system_real_initrds_are_listed_and_come_back() {
    if !system_is_allowed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for archive in archives(folder.path()) {
        let name = archive.file_stem().unwrap().to_string_lossy().into_owned();
        let wanted = as_cpio_unpacks(&archive, &folder.path().join(format!("{name}.tree")));
        let early = early(folder.path());
        let plain = std::fs::read(&archive).unwrap();
        for line in PACKINGS {
            let (program, words) = line.split_once(' ').unwrap_or((line, ""));
            let mut packed = early.clone();
            let child = Child::at(program).args(words.split_whitespace());
            assert!(child.filter(&plain, &mut packed).unwrap(), "{line}");
            let (mut catalog, failure) = Catalog::read(&packed, |_| false);
            assert!(failure.is_none(), "{line}: {}", failure.unwrap().report());
            assert!(catalog.items.iter().all(|item| item.place.is_ok()), "{line}");
            let before = catalog.items.len();
            catalog.items.retain(|item| item.part != 1);
            assert_eq!(before - catalog.items.len(), 5, "{line}: the early archive");
            assert_eq!(as_we_list(&catalog), wanted, "{name} {line}");
            let inside = folder.path().join("unpacked");
            unpack(&packed, &inside, Rights::Root).unwrap();
            assert!(pack::pack(&inside).unwrap().bytes == packed, "{name} {line}");
            std::fs::remove_dir_all(&inside).unwrap();
        }
        eprintln!("{name}: {} entries, packed in {} ways", wanted.len(), PACKINGS.len());
    }
}

/// For every NIC and disk controller that the kernel has a driver for: what kmod finds and can load on the unpacked
/// image is what the proof says of it.
#[test]
fn system_the_verdicts_on_real_initrds_are_those_of_kmod() {
    if !system_is_allowed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let patterns = KNOWN.lines().filter_map(known_line).map(|(_, pattern, _)| pattern);
    let modaliases: Vec<String> = patterns
        .filter(|pattern| pattern.starts_with("pci:") || pattern.starts_with("virtio:"))
        .map(|pattern| pattern.replace('*', "00000000"))
        .filter(|modalias| !modalias.contains(['[', '?']))
        .collect();
    for archive in archives(folder.path()) {
        let name = archive.file_stem().unwrap().to_string_lossy().into_owned();
        let evidence = of_bytes(&std::fs::read(&archive).unwrap(), &name, None).unwrap();
        let live = &evidence.live;
        let tree = folder.path().join(format!("{name}.tree"));
        as_cpio_unpacks(&archive, &tree);
        let kmod = kmod_names(&tree, &live.release, &modaliases);
        let loadable = loadable_by_kmod(&tree, &live.release);
        assert_eq!(live.initrd, loadable, "{name}");
        assert!(loadable.len() > 20, "{name}");
        let mut there = 0;
        for (modalias, kmod) in modaliases.iter().zip(&kmod) {
            let device = Candidate { modalias: modalias.clone(), name: String::new() };
            let finding = &proof::check(live, &[device]).devices[0];
            let ours = live.aliases.drivers_for(modalias).into_iter();
            let ours: BTreeSet<&str> = ours.filter(|driver| live.initrd.contains(*driver)).collect();
            let theirs: BTreeSet<&str> = kmod.intersection(&loadable).map(String::as_str).collect();
            assert_eq!(ours, theirs, "{name} {modalias}");
            let is_present = |driver: &String| loadable.contains(driver) || live.builtin.contains(driver);
            let all = !finding.drivers.is_empty() && finding.drivers.iter().all(is_present);
            assert_eq!(finding.place >= Place::Initrd, all, "{name} {finding:?}");
            there += usize::from(all);
        }
        eprintln!(
            "{name}: {} modules; {there} of {} devices have their driver",
            loadable.len(),
            modaliases.len()
        );
    }
}

/// The modules that `modprobe` would load with all they depend on.
fn loadable_by_kmod(root: &Path, release: &str) -> BTreeSet<String> {
    let script = "cd \"$1/lib/modules/$2/\"; find . -name '*.ko*' -printf '%f\\n' | sort -u";
    let names = sh(script, &[&root.display().to_string(), release]);
    let mut loadable = BTreeSet::new();
    for name in names.lines().map(|name| modules::name(name).into_owned()) {
        let (status, out, _) = Child::at("/sbin/modprobe")
            .args(["-C", "/dev/null", "-d", root.to_str().unwrap(), "-S", release, "--show-depends", &name])
            .spawn_and_wait()
            .unwrap();
        let text = String::from_utf8_lossy(&out).into_owned();
        let mut paths = text.lines().filter_map(|line| line.strip_prefix("insmod ")).map(str::trim);
        if status.success() && paths.all(|path| Path::new(path).exists()) {
            loadable.insert(name);
        }
    }
    loadable
}
