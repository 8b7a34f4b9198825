//! The index against made-up folders always, against real kernels and kmod where the system may be used.

use super::super::sources;
use super::*;

/// A folder with a module of another kernel must not become an index that says "covered".
#[test]
fn a_folder_without_modules_or_with_two_kernels_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let message = |failure: Failure| failure.report().replace(&root.display().to_string(), "ROOT");
    expect_test::expect![[r#"
        error: there are no kernel modules in ROOT
        because: it has no lib/modules/RELEASE/kernel"#]]
    .assert_eq(&message(of_folder(root).unwrap_err()));
    std::fs::create_dir_all(root.join("lib/modules/6.1.0-1-amd64/kernel")).unwrap();
    expect_test::expect!["error: there are no kernel modules in ROOT"]
        .assert_eq(&message(of_folder(root).unwrap_err()));
    std::fs::write(root.join("lib/modules/6.1.0-1-amd64/kernel/broken.ko"), "#!/bin/sh").unwrap();
    expect_test::expect![[r#"
        error: cannot read the kernel module kernel/broken.ko
        because: not an ELF file"#]]
    .assert_eq(&message(of_folder(root).unwrap_err()));
    std::fs::create_dir_all(root.join("usr/lib/modules/6.1.0-2-amd64/kernel")).unwrap();
    expect_test::expect![[r#"
        error: there are modules of two kernels in ROOT
        because: 6.1.0-2-amd64 and 6.1.0-1-amd64"#]]
    .assert_eq(&message(of_folder(root).unwrap_err()));
}

/// Where a package has its modules differs between releases of Debian.
#[test]
fn modules_are_found_below_lib_and_usr_lib() {
    for (path, parts) in [
        ("./lib/modules/6.1.0-1/kernel/a.ko", Some(("6.1.0-1", "kernel/a.ko"))),
        ("./usr/lib/modules/6.12/modules.builtin", Some(("6.12", "modules.builtin"))),
        ("./boot/vmlinuz-6.1.0-1", None),
    ] {
        assert_eq!(below_modules(path), parts, "{path}");
    }
}

/// Whether tests may use the network, the archive and root's rights.
pub(crate) fn system_is_allowed() -> bool {
    let allowed = std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_some();
    if !allowed {
        eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root)");
    }
    allowed
}

/// A real kernel package of the host's suite: its file, and it unpacked.
pub(crate) fn real_kernel(package: &str) -> (PathBuf, PathBuf) {
    let host = sources::Host::read().unwrap();
    real_kernel_of(&host.suite, package)
}

/// A real kernel package of a suite. Fetched once, from where the host's apt has its packages, and kept beside the
/// tests.
pub(crate) fn real_kernel_of(suite: &str, package: &str) -> (PathBuf, PathBuf) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let shelf = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("test-kernels");
    let kept = shelf.join(suite).join(package);
    let folder = kept.join("unpacked");
    let deb_in = |kept: &Path| {
        let mut entries = std::fs::read_dir(kept).ok()?.flatten().map(|entry| entry.path());
        entries.find(|path| path.extension().is_some_and(|end| end == "deb"))
    };
    if !folder.join("whole").exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let apt = Apt::of(suite, &shelf.join(suite).join("apt"));
        let depends = apt.run("apt-cache", &["depends", package], &kept);
        let image = depends.split_whitespace().find(|word| word.starts_with("linux-image-")).unwrap();
        let image = if image == package { depends.split_whitespace().last().unwrap() } else { image };
        apt.run("apt-get", &["download", image], &kept);
        let deb = deb_in(&kept).unwrap();
        run_in(&kept, "dpkg-deb", &["-x", deb.to_str().unwrap(), "unpacked"]);
        std::fs::write(folder.join("whole"), "").unwrap();
    }
    (deb_in(&kept).unwrap(), folder)
}

fn run_in(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let child = linux::process::Child::at(program).args(arguments).in_folder(folder);
    String::from_utf8(child.run().unwrap()).unwrap()
}

/// An apt that knows one suite and nothing of the host's own state.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn of(suite: &str, state: &Path) -> Apt {
        let recipe: model::recipe::Recipe = toml::from_str(&format!("suite = {suite:?}")).unwrap();
        let archives = sources::archives(&recipe, &sources::Host::read().unwrap()).unwrap();
        let text: Vec<String> = archives.iter().map(sources::Source::write).collect();
        for folder in ["lists/partial", "cache/archives/partial"] {
            std::fs::create_dir_all(state.join(folder)).unwrap();
        }
        std::fs::write(state.join("suite.sources"), text.join("\n")).unwrap();
        std::fs::write(state.join("status"), "").unwrap();
        let at = |key: &str, name: &str| format!("{key}={}", state.join(name).display());
        let options = [
            at("Dir::Etc::sourcelist", "suite.sources"),
            "Dir::Etc::sourceparts=-".to_owned(),
            at("Dir::State::lists", "lists"),
            at("Dir::State::status", "status"),
            at("Dir::Cache", "cache"),
            "APT::Sandbox::User=root".to_owned(),
        ];
        let apt = Apt { options: options.into_iter().flat_map(|option| ["-o".to_owned(), option]).collect() };
        apt.run("apt-get", &["update"], state);
        apt
    }

    fn run(&self, program: &str, arguments: &[&str], folder: &Path) -> String {
        let words = self.options.iter().map(String::as_str).chain(arguments.iter().copied());
        run_in(folder, program, &words.collect::<Vec<_>>())
    }
}

/// The package read as a stream and the folder read file by file are one kernel; what is kept is the same.
#[test]
fn system_a_package_and_its_folder_are_one_tree() {
    if !system_is_allowed() {
        return;
    }
    let kept = tempfile::tempdir().unwrap();
    for package in ["linux-image-amd64", "linux-image-cloud-amd64"] {
        let (deb, folder) = real_kernel(package);
        let start = std::time::Instant::now();
        let cold = of_package(&deb, package, kept.path()).unwrap();
        let cold_time = start.elapsed();
        let start = std::time::Instant::now();
        assert_eq!(of_package(&deb, package, kept.path()).unwrap(), cold);
        let warm_time = start.elapsed();
        assert_eq!(of_folder(&folder).unwrap(), cold);
        assert!(cold.modules.len() > 1000 && !cold.builtin.is_empty());
        let patterns = cold.aliases().pairs().count();
        eprintln!(
            "{package}: {} modules, {patterns} patterns; cold {cold_time:?}, kept {warm_time:?}",
            cold.modules.len()
        );
    }
}

/// Both kernels of both releases that are tested with.
pub(crate) const KERNELS: [(&str, &str); 4] = [
    ("bookworm", "linux-image-amd64"),
    ("bookworm", "linux-image-cloud-amd64"),
    ("trixie", "linux-image-amd64"),
    ("trixie", "linux-image-cloud-amd64"),
];

/// kmod is what the kernel's own tools answer with: for what *every* pattern stands for, for damaged modaliases and
/// for nonsense, our set of drivers is its set. Without BOOTWORKS_TEST_ALIASES=all, every 40th of them is asked for.
#[test]
fn system_drivers_are_those_that_kmod_names() {
    if !system_is_allowed() {
        return;
    }
    let is_whole = std::env::var("BOOTWORKS_TEST_ALIASES").is_ok_and(|text| text == "all");
    let stride = if is_whole { 1 } else { 40 };
    for (suite, package) in KERNELS {
        let (_, folder) = real_kernel_of(suite, package);
        let tree = of_folder(&folder).unwrap();
        // Where the modules lie, without links on the way: kmod takes a root, and trixie's has its own /usr.
        let root = folder.join("kmod");
        let (_, modules) = release_in(&folder).unwrap();
        std::fs::create_dir_all(root.join("lib")).unwrap();
        if !root.join("lib/modules").exists() {
            std::os::unix::fs::symlink(modules.parent().unwrap(), root.join("lib/modules")).unwrap();
        }
        run_in(&root, "/sbin/depmod", &["-b", root.to_str().unwrap(), &tree.release]);
        let table = tree.aliases();
        let asked = asked(&table, stride);
        let kmod = kmod_names(&root, &tree.release, &asked);
        let mut different = Vec::new();
        for (modalias, kmod) in asked.iter().zip(&kmod) {
            let ours: BTreeSet<&str> = table.drivers_for(modalias).into_iter().collect();
            let kmod: BTreeSet<&str> = kmod.iter().map(String::as_str).collect();
            // kmod asks for built-in drivers only where no module fits; ours are then beyond its answer.
            let beyond = ours.difference(&kmod).all(|name| tree.builtin.contains(*name));
            if !kmod.is_subset(&ours) || !beyond {
                different.push(format!("{modalias}: kmod {kmod:?}, ours {ours:?}"));
            }
        }
        let fitting = kmod.iter().filter(|names| !names.is_empty()).count();
        eprintln!("{suite} {package}: {} modaliases, {fitting} with a driver", asked.len());
        assert!(fitting * 10 > asked.len(), "what the patterns stand for has a driver");
        assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    }
}

/// What every pattern stands for, 2,000 of these damaged in one place, 10,000 of random letters; every so many of
/// them.
fn asked(table: &AliasTable, stride: usize) -> Vec<String> {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let whole: Vec<String> = table
        .pairs()
        .enumerate()
        .filter(|(_, (pattern, _))| pattern.contains(':'))
        .map(|(index, (pattern, _))| instance(pattern, index))
        .collect();
    let damaged = (0..2_000).map(|_| {
        let mut modalias = whole[random.below(whole.len())].clone().into_bytes();
        let at = random.below(modalias.len());
        modalias[at] = b"0F1zE_*"[random.below(7)];
        String::from_utf8(modalias).unwrap()
    });
    let damaged: Vec<String> = damaged.collect();
    let nonsense = (0..10_000).map(|_| {
        let hex = |random: &mut Random, count: usize| {
            (0..count).map(|_| char::from(b"0123456789ABCDEF"[random.below(16)])).collect::<String>()
        };
        let vendor = ["8086", "14E4", "1000", "15B3", "1AF4"][random.below(5)];
        let (device, class) = (hex(&mut random, 4), ["0200", "0108", "0104", "0C03"][random.below(4)]);
        match random.below(3) {
            0 => format!(
                "pci:v0000{vendor}d0000{device}sv0000{vendor}sd00000001bc{}sc{}i00",
                &class[..2],
                &class[2..]
            ),
            1 => format!("usb:v{}p{device}d0100dc00dsc00dp00icFFiscFFip00in00", hex(&mut random, 4)),
            _ => format!(
                "{}:{}",
                ["of", "acpi", "hid", "scsi", "virtio"][random.below(5)],
                hex(&mut random, 12)
            ),
        }
    });
    let nonsense: Vec<String> = nonsense.collect();
    whole.into_iter().chain(damaged).chain(nonsense).step_by(stride).collect()
}

/// A generator of its own, so that a failure comes again (xorshift64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % count as u64) as usize
    }
}

/// What `modprobe --resolve-alias` names for each. Asked for in batches: one call a modalias takes an hour for all.
/// Between any two stands one that has a name of its own in kmod's configuration, to tell the answers apart.
pub(crate) fn kmod_names(root: &Path, release: &str, modaliases: &[String]) -> Vec<BTreeSet<String>> {
    let configuration = root.join("mark.conf");
    std::fs::write(&configuration, "alias bootworks:mark bootworks_mark\n").unwrap();
    let mut names = Vec::new();
    for batch in modaliases.chunks(2_000) {
        let mut words = vec!["-a", "-q", "-C", configuration.to_str().unwrap()];
        words.extend(["-d", root.to_str().unwrap(), "-S", release, "--resolve-alias"]);
        for modalias in batch {
            words.extend([modalias.as_str(), "bootworks:mark"]);
        }
        let (_, out, err) =
            linux::process::Child::at("/sbin/modprobe").args(&words).spawn_and_wait().unwrap();
        let text = String::from_utf8(out).unwrap();
        let mut current = BTreeSet::new();
        let before = names.len();
        for line in text.lines().map(str::trim) {
            if line == "bootworks_mark" {
                names.push(std::mem::take(&mut current));
            } else if !line.is_empty() {
                current.insert(line.to_owned());
            }
        }
        let said = String::from_utf8_lossy(&err);
        assert_eq!(names.len() - before, batch.len(), "an answer for each: {said}");
    }
    names
}

/// The table that names built-in drivers is what Debian's kernels say; `UPDATE_EXPECT=1` writes it anew. Newer
/// kernels know more devices: up to one in a hundred may be missing before the table is too old.
#[test]
fn system_the_known_drivers_are_those_of_real_kernels() {
    if !system_is_allowed() {
        return;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/initrd/known-drivers.txt");
    let mut lines = BTreeSet::new();
    for suite in ["bookworm", "trixie"] {
        let tree = of_folder(&real_kernel_of(suite, "linux-image-amd64").1).unwrap();
        for (name, module) in &tree.modules {
            let word = match choice::class(&module.path) {
                Some(DeviceClass::Ethernet) => "ethernet",
                Some(DeviceClass::Storage) => "storage",
                _ => continue,
            };
            let buses = ["pci:", "virtio:", "vmbus:", "xen:", "scsi:", "usb:", "acpi"];
            let carried =
                module.info.aliases.iter().filter(|alias| buses.iter().any(|bus| alias.starts_with(bus)));
            lines.extend(carried.map(|alias| format!("{word} {alias} {name}")));
        }
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
    let known = std::fs::read_to_string(&file).unwrap();
    let known: BTreeSet<String> = known.lines().map(str::to_owned).collect();
    let unknown: Vec<&String> = lines.difference(&known).collect();
    eprintln!("{} patterns, {} of them not in the table", lines.len(), unknown.len());
    assert!(unknown.len() * 100 < lines.len(), "UPDATE_EXPECT=1 writes the table anew: {unknown:?}");
}

/// A modalias that the pattern stands for.
fn instance(pattern: &str, seed: usize) -> String {
    let mut modalias = String::new();
    let mut rest = pattern.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '*' => modalias.push_str(["", "00", "0000103C", "x"][seed % 4]),
            '?' => modalias.push('7'),
            '[' => {
                let set: String = rest.by_ref().take_while(|letter| *letter != ']').collect();
                modalias.push(set.chars().next().unwrap_or('0'));
            }
            _ => modalias.push(letter),
        }
    }
    modalias
}
