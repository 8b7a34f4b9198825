//! The builder against an archive that the test makes and signs, and against the host's own.

mod strangers;
mod ubuntu;
mod whole;

use super::fetch::fetch;
use super::package::Opened;
use super::phases::Phases;
use super::resolve::{fits, resolve};
use super::sources::{Host, archives};
use super::store::Store;
use super::system::{Purpose, System};
use super::unpack::unpack;
use super::{archive, configure};
use crate::line_folder;
use expect_test::expect;
use linux::process::Child;
use model::lock::{Lock, Section, differences};
use model::recipe::Recipe;
use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

fn skipped() -> bool {
    let skipped = std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none();
    if skipped {
        eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root)");
    }
    skipped
}

/// A signed archive on the disk.
struct TestArchive {
    folder: PathBuf,
    /// How packages are compressed, as dpkg-deb is told.
    compression: &'static str,
    /// The day until which it is vouched for, as its Release file has it; empty for always.
    valid_until: &'static str,
}

impl TestArchive {
    fn new(folder: PathBuf) -> TestArchive {
        std::fs::create_dir_all(folder.join("dists/test/main/binary-amd64")).unwrap();
        std::fs::create_dir_all(folder.join("pool")).unwrap();
        std::fs::create_dir_all(folder.join("keys")).unwrap();
        std::fs::set_permissions(folder.join("keys"), std::fs::Permissions::from_mode(0o700)).unwrap();
        let archive = TestArchive { folder, compression: "-Zxz", valid_until: "" };
        archive.gpg(&[
            "--quick-gen-key",
            "--passphrase",
            "",
            "test@example.org",
            "default",
            "default",
            "never",
        ]);
        archive.gpg(&["--output", "key.gpg", "--export"]);
        archive
    }

    fn gpg(&self, arguments: &[&str]) {
        let home = self.folder.join("keys");
        Child::at("gpg")
            .arg("--homedir")
            .arg(home)
            .args(["--batch", "--yes"])
            .args(arguments)
            .in_folder(&self.folder)
            .run()
            .unwrap();
    }

    /// Builds a package; `files` are paths and contents, a content that begins with `=` is a hard link.
    fn add(&self, name: &str, version: &str, fields: &str, files: &[(&str, &str)]) {
        self.add_tree(name, version, fields, |tree| {
            for (path, content) in files {
                let path = tree.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                match content.strip_prefix('=') {
                    Some(target) => std::fs::hard_link(tree.join(target), &path).unwrap(),
                    None => std::fs::write(&path, content).unwrap(),
                }
            }
        });
    }

    /// Builds a package of what `fill` puts into its folder.
    fn add_tree(&self, name: &str, version: &str, fields: &str, fill: impl FnOnce(&Path)) {
        let tree = self.folder.join("tree");
        std::fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        fill(&tree);
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: T <t@example.org>\nDescription: test\n{fields}"
        );
        std::fs::write(tree.join("DEBIAN/control"), control).unwrap();
        let file = self.folder.join(format!("pool/{name}_{version}_amd64.deb"));
        Child::at("dpkg-deb")
            .args([self.compression, "--build", "--root-owner-group"])
            .arg(&tree)
            .arg(&file)
            .run()
            .unwrap();
        std::fs::remove_dir_all(&tree).unwrap();
    }

    fn publish(&self) {
        let mut index = String::new();
        for file in std::fs::read_dir(self.folder.join("pool")).unwrap() {
            let path = file.unwrap().path();
            let control = Child::at("dpkg-deb").arg("--field").arg(&path).run().unwrap();
            let (sha256, bytes) = super::store::digest_file(&path).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            index += String::from_utf8(control).unwrap().trim_end();
            index += &format!("\nFilename: pool/{name}\nSize: {bytes}\nSHA256: {sha256}\n\n");
        }
        let path = "main/binary-amd64/Packages";
        std::fs::write(self.folder.join("dists/test").join(path), &index).unwrap();
        let release = format!(
            "Origin: Test\nSuite: test\nCodename: test\nDate: Sat, 21 Nov 2020 00:53:02 UTC\n{}Architectures: amd64\nComponents: main\nSHA256:\n {} {} {path}\n",
            self.valid_until,
            super::store::digest(&index),
            index.len()
        );
        std::fs::write(self.folder.join("dists/test/Release"), release).unwrap();
        self.gpg(&["--output", "dists/test/InRelease", "--clearsign", "dists/test/Release"]);
    }

    fn recipe(&self, packages: &[&str]) -> String {
        let folder = self.folder.display();
        format!(
            "suite = \"test\"\npackages = {packages:?}\nmirrors = [{{ uri = \"file:{folder}\", suites = [\"test\"], signed-by = \"{folder}/key.gpg\" }}]\n"
        )
    }
}

fn line(folder: &Path, archive: &TestArchive, live: &[&str], appliance: &[&str]) -> line_folder::LineFolder {
    let text = format!(
        "[line]\nname = \"test\"\n[network]\naddress = \"10.77.0.1/24\"\ndhcp = \"full\"\nrange = \"10.77.0.50-10.77.0.60\"\n\
         [live]\nkernel = \"linux-image-amd64\"\nroot = \"nfs\"\n{}\
         [[question]]\nid = \"hostname\"\nask = \"Name\"\ntype = \"hostname\"\n\
         [appliance]\nimage = {{ recipe = \"appliance.toml\" }}\nconfirm = \"auto\"\n\
         [[appliance.disk]]\nmatch = {{ min-size = \"1GiB\", choose = \"smallest\" }}\ntable = \"gpt\"\n\
         partitions = [{{ size = \"512MiB\", filesystem = \"vfat\", mount = \"/boot/efi\" }}, {{ size = \"rest\", filesystem = \"ext4\", mount = \"/\" }}]\n",
        archive.recipe(live)
    );
    std::fs::write(folder.join("line.toml"), text).unwrap();
    std::fs::write(folder.join("appliance.toml"), archive.recipe(appliance)).unwrap();
    line_folder::open(folder).unwrap()
}

fn names(section: &Section) -> Vec<&str> {
    section.packages.iter().map(|package| package.name.as_str()).collect()
}

fn furnished(folder: &Path) -> TestArchive {
    let archive = TestArchive::new(folder.to_owned());
    archive.add(
        "base-files",
        "12",
        "Essential: yes\n",
        &[("etc/base", "base"), ("usr/bin/first", "1"), ("usr/bin/second", "=usr/bin/first")],
    );
    archive.add(
        "tool",
        "1.0+b1",
        "Depends: library (>= 1)\nReplaces: library\n",
        &[("usr/bin/tool", "tool"), ("usr/share/both", "tool's")],
    );
    archive.add("library", "2", "", &[("usr/lib/library", "library"), ("usr/share/both", "library's")]);
    archive.add("other", "1", "Conflicts: tool\n", &[("usr/bin/other", "")]);
    archive.add(
        "linux-image-amd64",
        "6",
        "Source: linux-signed-amd64\nDepends: linux-image-6.1.0-1-amd64\n",
        &[],
    );
    archive.add("linux-image-6.1.0-1-amd64", "6", "", &[("boot/vmlinuz-6.1.0-1-amd64", "")]);
    archive.add("ipxe", "1", "", &[("usr/lib/ipxe/ipxe.efi", "")]);
    archive.add("busybox-static", "1", "", &[("bin/busybox", "")]);
    archive.publish();
    archive
}

/// Lines of one suite share what apt knows of it: whoever comes second waits, and is not told of somebody's lock.
#[test]
fn system_lines_are_locked_at_once() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let archive = furnished(&folder.path().join("archive"));
    let store = Store::at(folder.path().join("store")).unwrap();
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (archive, store, there) = (&archive, &store, folder.path().join(format!("line{number}")));
            scope.spawn(move || {
                std::fs::create_dir(&there).unwrap();
                let opened = line(&there, archive, &["tool"], &["library"]);
                let lock = resolve(opened.line(), opened.folder(), None, store);
                let lock = lock.unwrap_or_else(|failure| panic!("{}", failure.report()));
                assert!(names(&lock.live).contains(&"tool"));
            });
        }
    });
}

/// From recipes to files on the disk: what is locked is what apt would choose, what is fetched is what was
/// locked, what is unpacked is what was packed; and each mistake is told in words.
#[test]
fn system_a_line_is_locked_fetched_and_unpacked() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let archive = furnished(&folder.path().join("archive"));
    let store = Store::at(folder.path().join("store")).unwrap();
    let there = folder.path().join("line");
    std::fs::create_dir(&there).unwrap();

    let opened = line(&there, &archive, &["tool"], &["library"]);
    let lock = resolve(opened.line(), opened.folder(), None, &store).unwrap();
    assert_eq!(Lock::read(&lock.write(), "line.lock").unwrap(), lock);
    assert_eq!(
        names(&lock.live),
        ["base-files", "library", "linux-image-6.1.0-1-amd64", "linux-image-amd64", "tool"]
    );
    assert_eq!(names(lock.appliance.as_ref().unwrap()), ["base-files", "library"]);
    assert_eq!(names(&lock.index), ["linux-image-6.1.0-1-amd64", "linux-image-amd64"]);
    assert_eq!((names(&lock.loaders), names(&lock.initrd)), (vec!["ipxe"], vec!["busybox-static"]));
    assert_eq!(lock.live.epoch, 1_605_919_982);

    // A newer version in the archive does not get in until the line is locked again; one more wish does.
    archive.add("library", "3", "", &[("usr/lib/library", "new")]);
    archive.publish();
    let changed = line(&there, &archive, &["tool"], &["library", "tool"]);
    assert!(fits(opened.line(), opened.folder(), &lock).unwrap());
    assert!(!fits(changed.line(), changed.folder(), &lock).unwrap());
    let mended = resolve(changed.line(), changed.folder(), Some(&lock), &store).unwrap();
    expect![[r#"
        ~ appliance: library 2 → 3
        + appliance: tool 1.0+b1"#]]
    .assert_eq(&differences(&lock, &mended).join("\n"));

    assert_eq!(fetch(&lock, folder.path(), &store).unwrap().files, 7);
    assert_eq!(fetch(&lock, folder.path(), &store).unwrap().files, 0);
    let root = folder.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let packages: Vec<Opened> =
        lock.live.packages.iter().map(|package| Opened::of(package, &store)).collect();
    let name = |rank: usize| packages[rank].package.name.clone();
    let replaces = |one: usize, other: usize| name(one) == "tool" && name(other) == "library";
    let (lists, unnamed) = unpack(&root, &packages, &replaces, &store).unwrap();
    assert!(!store.unpacked(&packages[0].package.sha256).exists(), "what has a name is on the disk");
    unnamed.name().unwrap();
    assert!(packages.iter().all(|opened| store.unpacked(&opened.package.sha256).is_dir()));
    assert_eq!(std::fs::read_to_string(root.join("usr/share/both")).unwrap(), "tool's");
    let library = (0..packages.len()).find(|rank| name(*rank) == "library").unwrap();
    assert!(!lists[library].contains(&PathBuf::from("usr/share/both")), "{:?}", lists[library]);
    let inode = |path: &str| root.join(path).metadata().unwrap().ino();
    assert_eq!(inode("usr/bin/first"), inode("usr/bin/second"));
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let failure = unpack(&empty, &packages, &|_, _| false, &store).unwrap_err().report();
    assert!(failure.starts_with("error: library and tool have the same file /usr/share/both"), "{failure}");
}

/// Each wrong wish costs one look, and an archive that nobody vouches for is not used.
#[test]
fn system_what_cannot_be_locked_says_why() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let archive = furnished(&folder.path().join("archive"));
    let store = Store::at(folder.path().join("store")).unwrap();
    let place = folder.path().display().to_string();
    let report = |live: &[&str]| {
        let opened = line(folder.path(), &archive, live, &[]);
        resolve(opened.line(), opened.folder(), None, &store).unwrap_err().report().replace(&place, "DIR")
    };
    expect![[r#"
        error: no archive has a package of the live OS
        because: `libary` is not there; near it are library
        because: looked in file:DIR/archive test
        hint: correct the name, or add the component that has it: `components = ["main", "non-free-firmware"]`"#]]
    .assert_eq(&report(&["libary"]));
    let conflict = report(&["tool", "other"]);
    assert!(conflict.starts_with("error: the packages of the live OS do not go together\n"), "{conflict}");
    assert!(conflict.contains("because: other and tool exclude each other\n"), "{conflict}");

    let release = archive.folder.join("dists/test/InRelease");
    let text = std::fs::read_to_string(&release).unwrap().replace("Origin: Test", "Origin: Evil");
    std::fs::write(&release, text).unwrap();
    let forged = report(&["tool"]);
    assert!(forged.contains("cannot take the package indexes from file:DIR/archive (test)"), "{forged}");
    assert!(forged.contains("hint: name the archive's keyring"), "{forged}");
}

/// A package that is not what was locked must not be built from.
#[test]
fn system_a_package_that_was_changed_is_refused() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let archive = furnished(&folder.path().join("archive"));
    let store = Store::at(folder.path().join("store")).unwrap();
    let opened = line(folder.path(), &archive, &["tool"], &[]);
    let lock = resolve(opened.line(), opened.folder(), None, &store).unwrap();
    let path = archive.folder.join("pool/tool_1.0+b1_amd64.deb");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let failure = fetch(&lock, folder.path(), &store).unwrap_err().report();
    assert!(failure.starts_with("error: cannot fetch tool 1.0+b1\nbecause: file:"), "{failure}");
    assert!(failure.contains("its SHA-256 is") && failure.contains("the lock says"), "{failure}");
}

/// One archive that is gone must not stop a line that knows another address of it, and the lock must read the same
/// whichever has answered; what is out of date or signed by nobody is taken only where the recipe says so.
#[test]
fn system_archives_fall_over_and_are_accepted_when_told() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut archive = furnished(&folder.path().join("archive"));
    let place = folder.path().display().to_string();
    let store = Store::at(folder.path().join("store")).unwrap();
    let resolved = |mirror: &str| {
        let opened = line(folder.path(), &archive, &["tool"], &["tool"]);
        let path = folder.path().join("line.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let known = format!("uri = \"file:{place}/archive\", ");
        assert!(text.contains(&known), "{text}");
        for name in ["line.toml", "appliance.toml"] {
            let path = folder.path().join(name);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace(&known, &mirror.replace("DIR", &place))).unwrap();
        }
        drop(opened);
        let opened = line_folder::open(folder.path()).unwrap();
        resolve(opened.line(), opened.folder(), None, &store)
    };
    let straight = resolved("uri = \"file:DIR/archive\", ").unwrap();
    let around = resolved("uri = \"file:DIR/gone\", also = [\"file:DIR/archive\"], ").unwrap();
    assert_eq!(straight.live.identity(), around.live.identity());
    assert_eq!(around.archives[0].uri, format!("file:{place}/gone"));
    assert!(around.live.packages.iter().all(|package| package.url.starts_with(&around.archives[0].uri)));
    assert_eq!(fetch(&around, folder.path(), &store).unwrap().files, 7);
    let failure = resolved("uri = \"file:DIR/gone\", also = [\"file:DIR/gone-too\"], ").unwrap_err().report();
    assert!(
        failure.contains("/gone test Release") && failure.contains("/gone-too test Release"),
        "{failure}"
    );

    archive.valid_until = "Valid-Until: Sun, 22 Nov 2020 00:53:02 UTC\n";
    archive.publish();
    let resolved = |accept: &str| {
        let opened = line(folder.path(), &archive, &["tool"], &["tool"]);
        for name in ["line.toml", "appliance.toml"] {
            let path = folder.path().join(name);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(
                &path,
                text.replace("suites = [\"test\"], ", &format!("suites = [\"test\"], {accept}")),
            )
            .unwrap();
        }
        drop(opened);
        let opened = line_folder::open(folder.path()).unwrap();
        resolve(opened.line(), opened.folder(), None, &store)
    };
    let failure = resolved("").unwrap_err().report();
    assert!(failure.contains("hint: take another address of it, or take it as it is: `accept"), "{failure}");
    resolved("accept = [\"expired\"], ").unwrap();
    let release = archive.folder.join("dists/test/InRelease");
    let text = std::fs::read_to_string(&release).unwrap().replace("Origin: Test", "Origin: Evil");
    std::fs::write(&release, text).unwrap();
    assert!(resolved("accept = [\"expired\"], ").is_err());
    resolved("accept = [\"expired\", \"unsigned\"], ").unwrap();
}

/// A package of the line's own comes before an archive's newer one, is in the lock by its place in the line, and a
/// changed file makes the lock out of date.
#[test]
fn system_own_packages_come_first() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let archive = furnished(&folder.path().join("archive"));
    let store = Store::at(folder.path().join("store")).unwrap();
    archive.add("library", "1", "", &[("usr/lib/library", "our own")]);
    let there = folder.path().join("line");
    std::fs::create_dir_all(there.join("packages")).unwrap();
    let built = archive.folder.join("pool/library_1_amd64.deb");
    std::fs::rename(built, there.join("packages/library.deb")).unwrap();
    drop(line(&there, &archive, &["library"], &[]));
    let path = there.join("line.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("suite = \"test\"", "suite = \"test\"\ndebs = [\"packages\"]", 1))
        .unwrap();
    let opened = line_folder::open(&there).unwrap();
    let lock = resolve(opened.line(), &there, None, &store).unwrap();
    let library = lock.live.package("library").unwrap();
    assert_eq!((library.version.as_str(), library.url.as_str()), ("1", "line:packages/library.deb"));
    assert_eq!(Lock::read(&lock.write(), "line.lock").unwrap(), lock);
    fetch(&lock, &there, &store).unwrap();
    assert!(store.package(&library.sha256).is_file());
    assert!(fits(opened.line(), &there, &lock).unwrap());
    std::fs::write(there.join("packages/library.deb"), "no package").unwrap();
    assert!(!fits(opened.line(), &there, &lock).unwrap());
    let failure = resolve(opened.line(), &there, None, &store).unwrap_err().report();
    assert!(failure.starts_with("error: packages/library.deb is no package\n"), "{failure}");
}

/// Wishes of real machines, for the comparison with apt: servers, languages, kernels, things that conflict with
/// defaults, virtual packages, alternatives.
const WISHES: [&str; 30] = [
    "systemd-sysv dbus udev",
    "linux-image-amd64",
    "linux-image-cloud-amd64 initramfs-tools zstd",
    "nginx-light openssh-server sudo",
    "nginx-full certbot",
    "apache2 libapache2-mod-php",
    "lvm2 mdadm xfsprogs btrfs-progs",
    "postgresql",
    "mariadb-server",
    "redis-server",
    "postfix",
    "exim4-daemon-light",
    "exim4-daemon-light mailutils",
    "bind9 dnsutils",
    "isc-dhcp-server tftpd-hpa",
    "samba",
    "squid",
    "haproxy keepalived",
    "docker.io",
    "qemu-system-x86 libvirt-daemon-system",
    "network-manager",
    "ifupdown isc-dhcp-client",
    "default-jre-headless",
    "python3-numpy python3-venv",
    "ruby nodejs",
    "build-essential git",
    "emacs-nox vim",
    "grub-pc-bin grub-efi-amd64-bin grub2-common",
    "open-iscsi nvme-cli multipath-tools",
    "cups printer-driver-all",
];

/// The promise of decision 0002: a line gets what `apt-get install` on an empty disk would bring, package for package
/// and version for version.
#[test]
fn system_what_is_locked_is_what_apt_would_install() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("store")).unwrap();
    let host = Host::read().unwrap();
    let recipe: Recipe = toml::from_str(&format!("suite = {:?}", host.suite)).unwrap();
    let sources = archives(&recipe, &host).unwrap();

    // apt as anybody would set it up in an empty folder: nothing of ours but the addresses.
    let there = folder.path().join("apt");
    for name in ["etc/apt/sources.list.d", "etc/apt/preferences.d", "etc/apt/apt.conf.d", "var/lib/dpkg"] {
        std::fs::create_dir_all(there.join(name)).unwrap();
    }
    for name in ["var/lib/apt/lists/partial", "var/cache/apt/archives/partial"] {
        std::fs::create_dir_all(there.join(name)).unwrap();
    }
    let text: Vec<String> = sources.iter().map(|source| source.write()).collect();
    std::fs::write(there.join("etc/apt/sources.list.d/x.sources"), text.join("\n")).unwrap();
    std::fs::write(there.join("var/lib/dpkg/status"), "").unwrap();
    let plain = |arguments: &[&str]| {
        let settings = ["Dir", "Dir::State::status"];
        let values = [there.display().to_string(), there.join("var/lib/dpkg/status").display().to_string()];
        let mut child = Child::at("apt-get").env("APT_CONFIG", "/dev/null").arg("-q");
        for (name, value) in settings.iter().zip(values) {
            child = child.arg("-o").arg(format!("{name}={value}"));
        }
        child = child.args(["-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"]);
        String::from_utf8(child.args(arguments).run().unwrap()).unwrap()
    };
    plain(&["update"]);

    let apt = archive::Apt::update(sources, Vec::new(), folder.path(), &store).unwrap();
    let index = apt.index().unwrap();
    for wish in WISHES {
        let mut wanted = index.base();
        wanted.extend(wish.split(' ').map(str::to_owned));
        let ours: BTreeSet<String> = apt
            .resolve(&wanted, &index, wish)
            .unwrap()
            .iter()
            .map(|package| format!("{} {}", package.name, package.version))
            .collect();
        let mut arguments = vec!["--simulate", "--no-install-recommends", "install"];
        arguments.extend(wanted.iter().map(String::as_str));
        let theirs: BTreeSet<String> = plain(&arguments)
            .lines()
            .filter_map(|line| line.strip_prefix("Inst ")?.split_once(" ("))
            .map(|(name, rest)| format!("{name} {}", rest.split(' ').next().unwrap()))
            .collect();
        assert!(ours.len() > 50, "{wish}: {ours:?}");
        assert_eq!(ours, theirs, "{wish}");
    }
}

/// The whole way with real packages: the smallest system of the host's own suite, configured by dpkg without a
/// complaint, with nothing of the helpers left, and the same twice.
#[test]
fn system_a_real_root_is_built() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("store")).unwrap();
    let host = Host::read().unwrap();
    let recipe: Recipe = toml::from_str(&format!("suite = {:?}", host.suite)).unwrap();
    let apt =
        archive::Apt::update(archives(&recipe, &host).unwrap(), Vec::new(), folder.path(), &store).unwrap();
    let index = apt.index().unwrap();
    let packages = apt.resolve(&index.base(), &index, "the test").unwrap();
    let epoch = index.archives.iter().filter_map(model::lock::Archive::epoch).max().unwrap();
    let section = Section { recipe: "0".repeat(64), epoch, packages };
    let lock = Lock { live: section.clone(), ..Lock::default() };
    fetch(&lock, folder.path(), &store).unwrap();
    let purpose = Purpose::Appliance;
    let system = System {
        name: "test",
        section: &section,
        recipe: &recipe,
        line: folder.path(),
        epoch,
        purpose,
        tools: &[],
    };
    let packed = ["one", "two"].map(|name| {
        let root = folder.path().join(name);
        let store = store.with_nothing_made(&folder.path().join(format!("{name}-made"))).unwrap();
        system.make(&store, &root, &mut Phases::default()).unwrap();
        assert_eq!(configure::child("/usr/bin/dpkg", &root, 0).arg("--audit").run().unwrap(), b"");
        let verified = configure::child("/usr/bin/dpkg", &root, 0).arg("--verify").run().unwrap();
        assert_eq!(String::from_utf8_lossy(&verified), "");
        for path in super::scrub::walk(&root).unwrap() {
            let name = path.file_name().unwrap().to_string_lossy();
            assert!(!name.contains("bootworks") && name != "policy-rc.d", "{}", path.display());
        }
        let sources = super::image::Sources { root: &root, base: None, earlier: &[] };
        super::image::pack(&sources, &folder.path().join(format!("{name}.tar.zst"))).unwrap()
    });
    assert_eq!(packed[0], packed[1]);
}
