//! Modules that did not come with the kernel: those that fit are in root and initrd, those that do not stop the build.

use super::whole::{RELEASE, add_split_kernel, add_system, build, drivers, locked, module_with, put};
use super::{Store, TestArchive, skipped};
use expect_test::{Expect, expect};
use std::path::Path;

const OPTIONS: &str = "SMP preempt mod_unload modversions ";
/// What the kernel's own modules use in the archive of the tests.
const KERNELS: [(&str, u32); 2] = [("module_layout", 0x1111_1111), ("alloc_etherdev_mqs", 0x2222_2222)];

fn acme(release: &str, used: &[(&str, u32)]) -> Vec<u8> {
    let vermagic = format!("{release} {OPTIONS}");
    module_with(&[("vermagic", &vermagic), ("alias", "pci:v00001AE0d0000ACE0sv*sd*bc*sc*i*")], used)
}

fn archive(folder: &Path) -> TestArchive {
    let archive = TestArchive { compression: "-Zzstd", ..TestArchive::new(folder.to_owned()) };
    add_system(&archive);
    add_split_kernel(&archive);
    archive.add_tree("kmod", "30", "", |tree| {
        let depmod = b"#!/bin/sh\necho \"tables of $1\" >/usr/lib/modules/$1/modules.dep\n";
        put(tree, "usr/sbin/depmod", depmod, 0o755);
    });
    archive.publish();
    archive
}

/// Adds a line to the live OS's recipe.
fn add(there: &Path, line: &str) {
    let path = there.join("line.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("root = \"nfs\"\n", &format!("root = \"nfs\"\n{line}\n"), 1))
        .unwrap();
}

/// A driver of the line's own that the kernel would refuse costs a walk to the rack; one that it takes has to be
/// where it is loaded from, and the proof has to know what it drives.
#[test]
fn system_a_module_of_the_lines_own_is_held_against_the_kernel() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(&folder.path().join("archive"));
    let store = Store::at(folder.path().join("store")).unwrap();
    let there = locked(&folder.path().join("line"), &archive, &["kmod"], &store);
    put(&there, "modules/acme.ko", &acme(RELEASE, &KERNELS), 0o644);
    add(&there, "extra-modules = [\"modules/acme.ko\"]");
    let made = build(&there, &store).unwrap();
    let live = drivers(&there);
    assert!(live.initrd.contains("acme") && live.root.contains("acme"), "{live:?}");
    let tree = there.join(".build").join(made.tree()).join("usr/lib/modules").join(RELEASE);
    assert!(tree.join("updates/acme.ko").is_file());
    assert_eq!(std::fs::read_to_string(tree.join("modules.dep")).unwrap(), format!("tables of {RELEASE}\n"));

    let refused = |bytes: &[u8], expected: Expect| {
        std::fs::write(there.join("modules/acme.ko"), bytes).unwrap();
        expected.assert_eq(&build(&there, &store).unwrap_err().report());
    };
    refused(
        &acme("6.8.0-7-generic", &[("module_layout", 0x1111_1112), KERNELS[1]]),
        expect![[r#"
            error: the kernel would not load all modules that did not come with it
            while: building live OS
            because: /lib/modules/6.8.0-1-generic/updates/acme.ko: it is built for 6.8.0-7-generic, and the kernel is 6.8.0-1-generic
            because: /lib/modules/6.8.0-1-generic/updates/acme.ko: 1 of the 2 symbols that it uses have another version: module_layout (0x11111112, the kernel has 0x11111111)
            hint: build them against `linux-headers-6.8.0-1-generic`, or name the kernel that they are for"#]],
    );
    refused(
        &acme("6.8.0-7-generic", &[KERNELS[0], ("acme_core_register", 7)]),
        expect![[r#"
            error: the kernel would not load all modules that did not come with it
            while: building live OS
            because: /lib/modules/6.8.0-1-generic/updates/acme.ko: it is built for 6.8.0-7-generic, and the kernel is 6.8.0-1-generic
            because: /lib/modules/6.8.0-1-generic/updates/acme.ko: nothing is known here of 1 of the 2 symbols that it uses: acme_core_register
            hint: build them against `linux-headers-6.8.0-1-generic`, or name the kernel that they are for"#]],
    );
    refused(
        &acme(RELEASE, &[]),
        expect![[r#"
            error: the kernel would not load all modules that did not come with it
            while: building live OS
            because: /lib/modules/6.8.0-1-generic/updates/acme.ko: it has no symbol versions, which the kernel asks for
            hint: build them against `linux-headers-6.8.0-1-generic`, or name the kernel that they are for"#]],
    );
    refused(
        b"no module",
        expect![[r#"
            error: cannot read the kernel module /lib/modules/6.8.0-1-generic/updates/acme.ko
            while: building live OS
            because: not an ELF file"#]],
    );
}

/// Vendors ship modules as packages, built for one release: for another one they lie where nothing looks, and nobody
/// says so.
#[test]
fn system_a_package_with_modules_of_another_kernel_is_refused() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(&folder.path().join("archive"));
    let store = Store::at(folder.path().join("store")).unwrap();
    let package = |name: &str, release: &str, place: &str| {
        archive.add_tree(name, "1", "", |tree| {
            let place = format!("lib/modules/{release}/{place}/acme.ko");
            put(tree, &place, &acme(release, &KERNELS), 0o644);
        });
        let built = archive.folder.join(format!("pool/{name}_1_amd64.deb"));
        let content = std::fs::read(&built).unwrap();
        std::fs::remove_file(built).unwrap();
        content
    };
    let with = |name: &str, content: &[u8]| {
        let there = folder.path().join(name);
        put(&there, &format!("packages/{name}.deb"), content, 0o644);
        locked(&there, &archive, &[name], &store)
    };
    let other = with("acme-other", &package("acme-other", "6.8.0-7-generic", "extra"));
    expect![[r#"
        error: the kernel would not load all modules that did not come with it
        while: building live OS
        because: /lib/modules/6.8.0-7-generic/extra/acme.ko, built for 6.8.0-7-generic: the root has no kernel 6.8.0-7-generic; its kernel is 6.8.0-1-generic
        hint: build them against `linux-headers-6.8.0-1-generic`, or name the kernel that they are for"#]].assert_eq(&build(&other, &store).unwrap_err().report());
    // In the kernel's own folder, where no name tells it from the kernel's modules.
    let right = with("acme-right", &package("acme-right", RELEASE, "kernel/drivers/net"));
    build(&right, &store).unwrap();
    assert!(drivers(&right).initrd.contains("acme"));
}
