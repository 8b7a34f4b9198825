//! The index against made-up folders always, against real kernels and kmod where the system may be used.

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

/// A real kernel package: its file, and it unpacked. Fetched with the host's apt once, kept beside the tests.
pub(crate) fn real_kernel(package: &str) -> (PathBuf, PathBuf) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let kept =
        std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("test-kernels").join(package);
    let folder = kept.join("unpacked");
    let deb_in = |kept: &Path| {
        let mut entries = std::fs::read_dir(kept).ok()?.flatten().map(|entry| entry.path());
        entries.find(|path| path.extension().is_some_and(|end| end == "deb"))
    };
    if !folder.join("whole").exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let child = linux::process::Child::at(program).args(arguments).in_folder(&kept);
            String::from_utf8(child.run().unwrap()).unwrap()
        };
        let depends = run("apt-cache", &["depends", package]);
        let image = depends.split_whitespace().find(|word| word.starts_with("linux-image-")).unwrap();
        let image = if image == package { depends.split_whitespace().last().unwrap() } else { image };
        run("apt-get", &["download", image]);
        let deb = deb_in(&kept).unwrap();
        run("dpkg-deb", &["-x", deb.to_str().unwrap(), "unpacked"]);
        std::fs::write(folder.join("whole"), "").unwrap();
    }
    (deb_in(&kept).unwrap(), folder)
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

/// kmod is what the kernel's own tools answer with: for what each pattern stands for, for damaged ones and for
/// nonsense, our set of drivers is its set.
#[test]
fn system_drivers_are_those_that_kmod_names() {
    if !system_is_allowed() {
        return;
    }
    for package in ["linux-image-amd64", "linux-image-cloud-amd64"] {
        let (_, folder) = real_kernel(package);
        let tree = of_folder(&folder).unwrap();
        let base = folder.to_str().unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let child = linux::process::Child::at(program).args(arguments);
            let (_, out, _) = child.spawn_and_wait().unwrap();
            String::from_utf8(out).unwrap()
        };
        run("/sbin/depmod", &["-b", base, &tree.release]);
        let table = tree.aliases();
        let patterns: Vec<(&str, &str)> =
            table.pairs().filter(|(pattern, _)| pattern.contains(':')).collect();
        let stride =
            std::env::var("BOOTWORKS_TEST_STRIDE").ok().and_then(|text| text.parse().ok()).unwrap_or(17);
        let mut different = Vec::new();
        for (index, (pattern, _)) in patterns.iter().enumerate().step_by(stride) {
            let mut modalias = instance(pattern, index);
            // Every third one is damaged in one place, so that near misses are asked for, too.
            if index % 3 == 0 {
                let at = index * 7 % modalias.len();
                modalias.replace_range(at..=at, ["0", "F", "z", "_"][index / 3 % 4]);
            }
            let answer = run(
                "/sbin/modprobe",
                &["-C", "/dev/null", "-d", base, "-S", &tree.release, "--resolve-alias", &modalias],
            );
            let kmod: BTreeSet<&str> =
                answer.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            let ours: BTreeSet<&str> = table.drivers_for(&modalias).into_iter().collect();
            // kmod asks for built-in drivers only where no module fits; ours are then beyond its answer.
            let same =
                kmod.is_subset(&ours) && ours.difference(&kmod).all(|name| tree.builtin.contains(*name));
            if !same {
                different.push(format!("{modalias}: kmod {kmod:?}, ours {ours:?}"));
            }
        }
        assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    }
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
