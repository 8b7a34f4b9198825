//! Whole lines out of an archive that the test makes: the same wherever and however they are built, whole after a
//! build was killed, and the layouts that Debian's kernel and Ubuntu's have.

use super::{Child, Store, TestArchive, line, skipped};
use crate::build::made::{self, Made, Outcome};
use crate::build::phases::Phases;
use crate::build::resolve::resolve;
use crate::build::{difference, read_lock, verify, write_lock};
use crate::line_folder;
use model::failure::Failure;
use model::proof::LiveOs;
use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) const RELEASE: &str = "6.8.0-1-generic";
const AGENT: &[u8] = b"agent of the test";
/// Names the line that [`system_a_build_in_a_process_of_its_own`] builds.
const CHILD: &str = "BOOTWORKS_TEST_LINE";

pub(super) fn put(tree: &Path, path: &str, content: &[u8], mode: u32) {
    let path = tree.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A relocatable ELF file that has `.modinfo` and nothing else.
pub(super) fn module(words: &[(&str, &str)]) -> Vec<u8> {
    module_with(words, &[])
}

/// The same, with the versions of symbols that it uses.
pub(super) fn module_with(words: &[(&str, &str)], used: &[(&str, u32)]) -> Vec<u8> {
    let modinfo: Vec<u8> =
        words.iter().flat_map(|(key, value)| format!("{key}={value}\0").into_bytes()).collect();
    let mut versions = Vec::new();
    for (symbol, version) in used {
        versions.extend(u64::from(*version).to_le_bytes());
        versions.extend(symbol.bytes());
        versions.resize(versions.len().next_multiple_of(64), 0);
    }
    let names = b"\0.modinfo\0__versions\0.shstrtab\0".to_vec();
    let mut file = vec![0; 64];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    let mut headers = vec![0; 64];
    for (name, content) in [(1_u32, &modinfo), (10, &versions), (21, &names)] {
        let mut header = [0; 64];
        header[..4].copy_from_slice(&name.to_le_bytes());
        header[0x18..0x20].copy_from_slice(&(file.len() as u64).to_le_bytes());
        header[0x20..0x28].copy_from_slice(&(content.len() as u64).to_le_bytes());
        headers.extend(header);
        file.extend(content);
    }
    let table = file.len() as u64;
    file.extend(headers);
    file[0x28..0x30].copy_from_slice(&table.to_le_bytes());
    file[0x3a..0x3c].copy_from_slice(&64_u16.to_le_bytes());
    file[0x3c..0x3e].copy_from_slice(&4_u16.to_le_bytes());
    file[0x3e..0x40].copy_from_slice(&3_u16.to_le_bytes());
    file
}

/// The host's own dpkg with its libraries and a busybox: the smallest root in which maintainer scripts run.
pub(super) fn add_system(archive: &TestArchive) {
    archive.add_tree("dpkg", "1.22", "Essential: yes\nInstalled-Size: 8000\n", |tree| {
        let dpkg = ["usr/bin/dpkg", "usr/bin/dpkg-query", "usr/bin/dpkg-deb", "usr/bin/dpkg-split"];
        let mut files: Vec<String> = dpkg.map(str::to_owned).into();
        for program in dpkg {
            let out = Child::at("ldd").arg(Path::new("/").join(program)).run().unwrap();
            for line in String::from_utf8(out).unwrap().lines() {
                files.extend(line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned));
            }
        }
        for file in files {
            let file = file.trim_start_matches('/');
            let inside = if file.starts_with("usr/") { file.to_owned() } else { format!("usr/{file}") };
            put(tree, &inside, &std::fs::read(Path::new("/").join(file)).unwrap(), 0o755);
        }
        put(tree, "usr/bin/busybox", &std::fs::read("/bin/busybox").unwrap(), 0o755);
        for name in ["sh", "md5sum", "rm", "tar", "diff", "cat", "mkdir", "date"] {
            symlink("busybox", tree.join("usr/bin").join(name)).unwrap();
        }
        let nothing = b"#!/bin/sh\nexit 0\n";
        for name in
            ["ldconfig", "start-stop-daemon", "chroot", "mkfs.ext4", "mkfs.vfat", "mkswap", "efibootmgr"]
        {
            put(tree, &format!("usr/sbin/{name}"), nothing, 0o755);
        }
    });
    archive.add_tree("base-files", "12", "Essential: yes\nInstalled-Size: 1000\n", |tree| {
        put(tree, "etc/base.conf", b"base\n", 0o644);
        put(tree, "DEBIAN/conffiles", b"/etc/base.conf\n", 0o644);
        put(
            tree,
            "DEBIAN/postinst",
            b"#!/bin/sh\nset -e\nmkdir -p /var/log\ndate >/var/log/base.log\n",
            0o755,
        );
    });
    archive.add_tree("tool", "1.0", "Depends: base-files\nInstalled-Size: 3000\n", |tree| {
        put(tree, "usr/bin/tool", &[7; 3 << 20], 0o755);
        let copyright = b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-2+\n";
        put(tree, "usr/share/doc/tool/copyright", copyright, 0o644);
        put(tree, "DEBIAN/postinst", b"#!/bin/sh\nset -e\necho configured >/etc/tool.conf\n", 0o755);
    });
    archive.add_tree("ipxe", "1", "", |tree| {
        for name in ["undionly.kpxe", "ipxe.efi", "ipxe.iso"] {
            put(tree, &format!("usr/lib/ipxe/{name}"), name.as_bytes(), 0o644);
        }
    });
    archive.add("busybox-static", "1", "", &[("bin/busybox", "busybox")]);
}

/// Ubuntu's kernel: image, modules and further modules in three packages, modules compressed, `/lib` a link.
pub(super) fn add_split_kernel(archive: &TestArchive) {
    let modules = |tree: &Path, files: &[(&str, &[(&str, &str)])]| {
        for (path, words) in files {
            let used = [("module_layout", 0x1111_1111), ("alloc_etherdev_mqs", 0x2222_2222)];
            let packed = zstd::bulk::compress(&module_with(words, &used), 3).unwrap();
            put(tree, &format!("lib/modules/{RELEASE}/kernel/{path}.ko.zst"), &packed, 0o644);
        }
    };
    let vermagic = format!("{RELEASE} SMP preempt mod_unload modversions ");
    archive.add(
        "linux-image-generic",
        "6.8",
        &format!("Source: linux-meta\nDepends: linux-image-{RELEASE}\n"),
        &[],
    );
    archive.add_tree(
        &format!("linux-image-{RELEASE}"),
        "6.8",
        &format!("Source: linux-signed\nDepends: linux-modules-{RELEASE}\n"),
        |tree| put(tree, &format!("boot/vmlinuz-{RELEASE}"), b"kernel", 0o600),
    );
    archive.add_tree(&format!("linux-modules-{RELEASE}"), "6.8", "Source: linux\n", |tree| {
        let builtin = ["fs/nfs/nfs", "fs/nfs/nfsv3", "net/packet/af_packet", "fs/overlayfs/overlay"];
        let builtin = builtin.iter().chain(&["fs/squashfs/squashfs", "drivers/block/loop"]);
        let builtin: String = builtin.map(|name| format!("kernel/{name}.ko\n")).collect();
        put(tree, &format!("lib/modules/{RELEASE}/modules.builtin"), builtin.as_bytes(), 0o644);
        let alias = "pci:v00008086d000010D3sv*sd*bc*sc*i*";
        let words = [("vermagic", vermagic.as_str()), ("alias", alias)];
        modules(tree, &[("drivers/net/ethernet/intel/e1000e/e1000e", &words)]);
    });
    archive.add_tree(&format!("linux-modules-extra-{RELEASE}"), "6.8", "Source: linux\n", |tree| {
        let alias = "pci:v000014E4d0000165Fsv*sd*bc*sc*i*";
        let words = [("vermagic", vermagic.as_str()), ("alias", alias), ("firmware", "tigon/tg3.bin")];
        modules(tree, &[("drivers/net/ethernet/broadcom/tg3", &words)]);
    });
    archive.add("linux-firmware", "1", "", &[("lib/firmware/tigon/tg3.bin.zst", "firmware")]);
}

fn archive(folder: &Path) -> TestArchive {
    let archive = TestArchive { compression: "-Zzstd", ..TestArchive::new(folder.to_owned()) };
    add_system(&archive);
    add_split_kernel(&archive);
    archive.publish();
    archive
}

/// A line of that archive in `folder`, locked.
pub(super) fn locked(folder: &Path, archive: &TestArchive, live: &[&str], store: &Store) -> PathBuf {
    locked_with(folder, archive, "linux-image-generic", live, store)
}

/// The same with this kernel.
pub(super) fn locked_with(
    folder: &Path,
    archive: &TestArchive,
    kernel: &str,
    live: &[&str],
    store: &Store,
) -> PathBuf {
    std::fs::create_dir_all(folder.join("files")).unwrap();
    std::fs::create_dir_all(folder.join("scripts")).unwrap();
    std::fs::write(folder.join("files/motd"), "welcome\n").unwrap();
    put(folder, "scripts/stamp", b"#!/bin/sh\necho \"$SOURCE_DATE_EPOCH\" >/etc/stamp\n", 0o755);
    drop(line(folder, archive, live, &["tool"]));
    let own = if folder.join("packages").is_dir() { "debs = [\"packages\"]\n" } else { "" };
    for (name, own) in [("line.toml", own), ("appliance.toml", "")] {
        let path = folder.join(name);
        let more =
            "files = [{ source = \"files/motd\", path = \"/etc/motd\" }]\nscripts = [\"scripts/stamp\"]\n";
        let text = std::fs::read_to_string(&path).unwrap().replace("linux-image-amd64", kernel);
        let begin = "suite = \"test\"\n";
        std::fs::write(&path, text.replacen(begin, &format!("{begin}{more}{own}"), 1)).unwrap();
    }
    let opened = line_folder::open(folder).unwrap();
    let lock = resolve(opened.line(), opened.folder(), None, store).unwrap();
    write_lock(opened.folder(), &lock).unwrap();
    folder.to_owned()
}

pub(super) fn build(folder: &Path, store: &Store) -> model::failure::Result<Made> {
    let opened = line_folder::open(folder).unwrap();
    let lock = read_lock(opened.folder()).unwrap().unwrap();
    match made::make(opened.line(), opened.folder(), &lock, store, AGENT, Phases::default())? {
        Outcome::Made(made) => Ok(*made),
        Outcome::Uncovered(uncovered) => {
            Err(Failure::new(format!("not covered: {:?}", uncovered[0].live.initrd)))
        }
    }
}

fn digests(made: &Made) -> BTreeMap<&'static str, String> {
    made.files().into_iter().map(|(name, file)| (name, file.sha256.clone())).collect()
}

/// Runs in a process of its own, started by the tests below with its own umask, time zone and language: builds the
/// line that the environment names. Does nothing otherwise.
#[test]
fn system_a_build_in_a_process_of_its_own() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    build(Path::new(&folder), &Store::open().unwrap()).unwrap();
}

/// The command that builds a line in a process of its own.
fn child(folder: &Path, store: &Path, before: &str) -> std::process::Command {
    let mut command = std::process::Command::new("/bin/sh");
    let exe = std::env::current_exe().unwrap();
    let name = "build::tests::whole::system_a_build_in_a_process_of_its_own";
    command.arg("-c").arg(format!("{before} exec {} --exact {name}", exe.display()));
    command.env(CHILD, folder).env("BOOTWORKS_STORE", store).stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null());
    command
}

/// A line that can be built, and everything that it takes, in a folder that goes with the test.
struct Prepared {
    folder: tempfile::TempDir,
    archive: TestArchive,
    store: Store,
    there: PathBuf,
}

impl Prepared {
    /// A line whose live OS has these packages as well.
    fn line(packages: &[&str]) -> Prepared {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(&folder.path().join("archive"));
        let store = Store::at(folder.path().join("store")).unwrap();
        let there = locked(&folder.path().join("line"), &archive, packages, &store);
        Prepared { folder, archive, store, there }
    }
}

/// Whoever builds the line again, elsewhere and otherwise set up, must get the same bytes, or nobody can tell a
/// change from a coincidence. And a script that writes the time is named.
#[test]
fn system_a_line_is_the_same_anywhere_and_verified() {
    if skipped() {
        return;
    }
    let Prepared { folder, store, there: one, .. } = Prepared::line(&["tool"]);
    let first = build(&one, &store).unwrap();

    let two = folder.path().join("another/and deeper/place");
    std::fs::create_dir_all(two.parent().unwrap()).unwrap();
    Child::at("cp").arg("-r").args([&one, &two]).run().unwrap();
    std::fs::remove_dir_all(two.join(".build")).unwrap();
    let other_store = folder.path().join("another/store");
    let before = "umask 077; export TZ=Asia/Tokyo LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8;";
    assert!(child(&two, &other_store, before).status().unwrap().success());
    let second = build(&two, &Store::at(other_store).unwrap()).unwrap();
    assert!(second.fresh().is_empty(), "the child has built it");
    let tree = |folder: &Path, made: &Made| folder.join(".build").join(made.tree());
    let differences = difference::of_trees("root", &tree(&one, &first), &tree(&two, &second)).unwrap();
    assert_eq!(differences, []);
    assert_eq!(digests(&first), digests(&second));

    let opened = line_folder::open(&one).unwrap();
    let lock = read_lock(&one).unwrap().unwrap();
    let verified =
        || verify::verify(opened.line(), &one, &lock, &store, AGENT, &build(&one, &store).unwrap()).unwrap();
    assert_eq!(verified().differences, []);
    assert!(!one.join(".build/unfinished-verify").exists());
    put(&one, "scripts/stamp", b"#!/bin/sh\ncat /proc/sys/kernel/random/uuid >/etc/stamp\n", 0o755);
    let text = verified().text().join("\n");
    assert!(
        text.starts_with("built a second time: not the same in root, image\n  root: etc/stamp\n"),
        "{text}"
    );
    assert!(text.contains("      content, from line 1:\n      - "), "{text}");
    assert!(text.contains("  image: etc/stamp\n"), "{text}");
}

/// A changed file costs its own work: the packages are neither unpacked nor configured again, and the initrd stays.
#[test]
fn system_a_changed_file_costs_little() {
    if skipped() {
        return;
    }
    let Prepared { folder, store, there, .. } = Prepared::line(&["tool"]);
    let first = build(&there, &store).unwrap();
    assert_eq!(first.fresh(), ["live", "initrd", "image", "loaders"]);
    assert!(build(&there, &store).unwrap().fresh().is_empty());
    std::fs::write(there.join("files/motd"), "changed\n").unwrap();
    let second = build(&there, &store).unwrap();
    assert_eq!(second.fresh(), ["live", "image"]);
    let phases: Vec<_> = second.phases().done().iter().map(|(name, _)| name.as_str()).collect();
    assert!(!phases.iter().any(|name| name.contains("unpack") || name.contains("configure")), "{phases:?}");
    let tree = there.join(".build").join(second.tree());
    assert_eq!(std::fs::read_to_string(tree.join("etc/motd")).unwrap(), "changed\n");
    // From nothing, it is the same.
    let clean = Store::at(folder.path().join("clean")).unwrap();
    let other = folder.path().join("other");
    Child::at("cp").arg("-r").args([&there, &other]).run().unwrap();
    std::fs::remove_dir_all(other.join(".build")).unwrap();
    assert_eq!(digests(&build(&other, &clean).unwrap()), digests(&second));
}

/// A power cut or an impatient person ends a build anywhere. What the next one makes must be what an undisturbed
/// one makes.
#[test]
fn system_a_killed_build_leaves_nothing_that_is_used() {
    if skipped() {
        return;
    }
    let Prepared { folder, store, there, .. } = Prepared::line(&["tool"]);
    let begin = std::time::Instant::now();
    let undisturbed = digests(&build(&there, &store).unwrap());
    let whole = begin.elapsed();
    let known = drivers(&there);
    std::fs::remove_dir_all(there.join(".build")).unwrap();

    let disturbed = folder.path().join("disturbed");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..12 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let mut running = child(&there, &disturbed, "").spawn().unwrap();
        // What is tested is the instant itself, so it is one of the clock and of no event.
        std::thread::sleep(whole.mul_f64((state % 1000) as f64 / 1000.0) + Duration::from_millis(5));
        let _ = running.kill();
        running.wait().unwrap();
        if round % 4 == 3 {
            let store = Store::at(disturbed.clone()).unwrap();
            let made = build(&there, &store).unwrap();
            assert_eq!(drivers(&there), known, "after round {round}");
            assert_eq!(digests(&made), undisturbed, "after round {round}");
            std::fs::remove_dir_all(there.join(".build")).unwrap();
            std::fs::remove_dir_all(&disturbed).unwrap();
        }
    }
}

/// A disk that is too small must be said before it is full, with the number.
#[test]
fn system_a_small_disk_is_refused_with_a_number() {
    if skipped() {
        return;
    }
    let Prepared { folder, there, .. } = Prepared::line(&["tool"]);
    let small = folder.path().join("small");
    std::fs::create_dir(&small).unwrap();
    Child::at("mount").args(["-t", "tmpfs", "-o", "size=8m", "small"]).arg(&small).run().unwrap();
    let failure = build(&there, &Store::at(small.clone()).unwrap());
    Child::at("umount").arg(&small).run().unwrap();
    let report = failure.unwrap_err().report().replace(&small.display().to_string(), "SMALL");
    assert!(report.starts_with("error: there is no room for the packages of the live OS\n"), "{report}");
    assert!(report.contains("it takes about 12.3 MB, and the disk of SMALL has "), "{report}");
}

pub(super) fn drivers(folder: &Path) -> LiveOs {
    let outputs = folder.join(".build");
    let list: model::outputs::Outputs =
        serde_json::from_slice(&std::fs::read(outputs.join("outputs.json")).unwrap()).unwrap();
    serde_json::from_slice(&std::fs::read(outputs.join(list.live.drivers.path)).unwrap()).unwrap()
}

/// Ubuntu's trap: the driver is in a package that no kernel depends on. It must be found, named, and once it is in
/// the recipe be in the initrd as it was shipped, with its firmware.
#[test]
fn system_a_split_kernel_is_understood() {
    if skipped() {
        return;
    }
    let Prepared { folder, store, there, archive } = Prepared::line(&[]);
    build(&there, &store).unwrap();
    let live = drivers(&there);
    assert_eq!((live.release.as_str(), live.kernel.as_str()), (RELEASE, "linux-image-generic"));
    assert!(live.initrd.contains("e1000e") && !live.initrd.contains("tg3"), "{:?}", live.initrd);
    assert_eq!(live.package_with("tg3"), Some(format!("linux-modules-extra-{RELEASE}").as_str()));

    let extra = format!("linux-modules-extra-{RELEASE}");
    let there = locked(&folder.path().join("full"), &archive, &[&extra, "linux-firmware"], &store);
    build(&there, &store).unwrap();
    let live = drivers(&there);
    assert!(live.initrd.contains("tg3") && live.initrd_firmware.contains("tigon/tg3.bin"), "{live:?}");

    // The line's own hardware alone: one NIC's driver, and a module that is named by hand.
    let text = std::fs::read_to_string(there.join("line.toml")).unwrap();
    let with = |line: &str| {
        let text = text.replacen(
            "root = \"nfs\"\n",
            &format!("root = \"nfs\"\ndrivers = \"hardware\"\n{line}\n"),
            1,
        );
        std::fs::write(there.join("line.toml"), text).unwrap();
        build(&there, &store)
    };
    let failure = with("").unwrap_err().report();
    assert!(failure.contains("hint: put a profile of each kind of server into `hardware/`"), "{failure}");
    std::fs::create_dir(there.join("hardware")).unwrap();
    std::fs::write(
        there.join("hardware/dell.toml"),
        "[[device]]\nid = \"14e4:165f\"\nclass = \"ethernet\"\n",
    )
    .unwrap();
    with("").unwrap();
    let names: Vec<_> = drivers(&there).initrd.into_iter().collect();
    assert_eq!(names, ["tg3"]);
    let failure = with("modules = [\"e1000\"]").unwrap_err().report();
    assert!(failure.contains("because: `e1000` is not there; near it are e1000e\n"), "{failure}");
    with("modules = [\"e1000e\"]").unwrap();
    let names: Vec<_> = drivers(&there).initrd.into_iter().collect();
    assert_eq!(names, ["e1000e", "tg3"]);
}
