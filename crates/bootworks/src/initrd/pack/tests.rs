//! There and back again, with everything that an archive can hold and a folder cannot.

use super::super::list::tests::{archive, entry, entry_with};
use super::super::unpack::{Rights, unpack};
use super::*;
use crate::initrd::catalog::Catalog;
use expect_test::expect;

/// An early archive and a packed one, with links of both orders, names that come twice, names that lead out, a
/// device, names filled up with NULs, bytes where zeros are usual.
fn strange() -> (Vec<u8>, Vec<u8>) {
    let linked = |inode: u32, name: &str, body: &[u8]| {
        entry_with(Header { inode, links: 2, mode: 0o100640, modified: 9, ..Header::default() }, name, body)
    };
    let mut early = archive(&[
        entry("kernel", 0o40755, b""),
        entry("kernel/x86", 0o40755, b""),
        entry("kernel/x86/microcode.bin", 0o100644, b"microcode"),
    ]);
    early.resize(early.len().next_multiple_of(512), 0);
    let device = Header { mode: 0o20600, links: 1, device: (5, 1), ..Header::default() };
    let mut padded = entry("bin/padded", 0o100644, b"abc");
    // A byte in the padding behind the body.
    *padded.last_mut().unwrap() = b'!';
    let main = archive(&[
        entry(".", 0o40700, b""),
        entry("bin", 0o40755, b""),
        linked(1, "bin/first", b"body"),
        linked(1, "bin/second", b""),
        linked(2, "bin/third", b""),
        linked(2, "bin/fourth", b"body at the end"),
        entry("bin/twice", 0o100644, b"one"),
        entry("bin/twice", 0o100755, b"two"),
        entry("bin/turned", 0o100644, b"a file first"),
        entry("bin/turned", 0o120777, b"../../../etc"),
        entry("../../escape", 0o100644, b"not outside"),
        entry("/absolute", 0o100644, b"inside"),
        entry("out", 0o120777, b"/"),
        entry("out/through", 0o100644, b"through a link"),
        entry("no/folder", 0o100644, b"lost"),
        entry("kernel", 0o40711, b""),
        entry("empty", 0o40755, b""),
        entry("empty", 0o100644, b"no folder any more"),
        entry("strange", 0o40755, b"a folder with a body"),
        entry("per%cent\u{fc}", 0o100644, b""),
        entry_with(device, "dev/console", b""),
        entry("pipe", 0o10600, b""),
        padded,
        entry("name\0\0\0\0", 0o100644, b"filled up"),
    ]);
    let second = archive(&[entry("later", 0o100644, b"in a second archive of the same part")]);
    (early, [&main[..], &[0; 36], &second].concat())
}

fn unpacked(file: &[u8], rights: Rights) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("deep/down");
    std::fs::create_dir_all(&inside).unwrap();
    let told = unpack(file, &inside, rights).unwrap();
    assert!(!told_lines(&told, &inside).is_empty());
    (folder, inside)
}

fn told_lines(told: &crate::initrd::unpack::Told, folder: &Path) -> Vec<String> {
    told.lines(folder)
}

/// The promise of the command: the identical file, whatever was in it and however it was packed.
#[test]
fn unpack_and_pack_give_the_same_file() {
    let (early, main) = strange();
    let ways = [
        Way::Gzip,
        Way::Bzip2 { level: 9 },
        Way::Xz { preset: 6, dictionary_bytes: 1 << 20, check: 1, in_blocks: false },
        Way::Lzma { preset: 6, dictionary_bytes: 1 << 20 },
        Way::Lz4,
        Way::Lzo,
        Way::Zstd { level: 3, has_checksum: true, in_jobs: false },
    ];
    let mut files: Vec<Vec<u8>> =
        ways.iter().map(|way| [early.clone(), way.pack(&main).unwrap(), vec![0; 100]].concat()).collect();
    files.push([early.clone(), main.clone()].concat());
    for file in files {
        let (outer, inside) = unpacked(&file, Rights::User);
        assert!(!outer.path().join("escape").exists() && !Path::new("/through").exists());
        assert_eq!(std::fs::read(inside.join("escape")).unwrap(), b"not outside");
        assert_eq!(std::fs::read(inside.join("through")).unwrap(), b"through a link");
        assert_eq!(std::fs::read(inside.join("bin/third")).unwrap(), b"body at the end");
        let packed = pack(&inside).unwrap();
        assert!(packed.bytes == file, "changed {:?}, removed {:?}", packed.changed, packed.removed);
        assert!(packed.is_same && packed.added.is_empty());
    }
}

/// What is changed in the folder, and nothing else, is another in the file; new microcode goes where the kernel
/// looks for microcode.
#[test]
fn an_edit_is_packed_and_the_rest_is_as_it_was() {
    let (early, main) = strange();
    let way = Way::Bzip2 { level: 6 };
    let file = [early, way.pack(&main).unwrap()].concat();
    let (_outer, inside) = unpacked(&file, Rights::User);
    std::fs::write(inside.join("bin/second"), "another body").unwrap();
    std::fs::remove_file(inside.join("bin/fourth")).unwrap();
    std::fs::write(inside.join("bin/fourth"), "no link any more").unwrap();
    std::fs::remove_file(inside.join("absolute")).unwrap();
    std::fs::write(inside.join("kernel/x86/AuthenticAMD.bin"), "new microcode").unwrap();
    std::os::unix::fs::symlink("busybox", inside.join("bin/new")).unwrap();
    let packed = pack(&inside).unwrap();
    assert!(!packed.is_same);
    let lines = packed.lines(Path::new("initrd.img"));
    let (size, lines) = lines.split_last().unwrap();
    assert!(size.starts_with("initrd.img: 1."), "{size}");
    let lines = lines.join("\n");
    expect![[r#"
        changed: kernel/x86
        changed: bin
        changed: bin/first
        changed: bin/second
        changed: bin/third
        changed: bin/fourth
        added: kernel/x86/AuthenticAMD.bin
        added: bin/new
        removed: /absolute
        part 2 packed as it was, with bzip2 -6"#]]
    .assert_eq(&lines);
    let (catalog, failure) = Catalog::read(&packed.bytes, |_| true);
    assert!(failure.is_none());
    let body = |path: &str| {
        let file = catalog.unpacked.file(path.as_bytes()).unwrap();
        String::from_utf8(catalog.bodies.get(&file).cloned().unwrap_or_default()).unwrap()
    };
    assert_eq!(body("bin/first"), "another body", "it is one file with bin/second");
    assert_eq!(body("bin/third"), "body at the end");
    assert_eq!(body("bin/fourth"), "no link any more");
    assert_eq!(body("kernel/x86/AuthenticAMD.bin"), "new microcode");
    let part_of =
        |name: &str| catalog.items.iter().find(|item| item.name == name.as_bytes()).map(|item| item.part);
    assert_eq!((part_of("kernel/x86/AuthenticAMD.bin"), part_of("bin/new")), (Some(1), Some(2)));
    assert_eq!(part_of("/absolute"), None);
}

/// A damaged initrd, a folder that is in use and a folder of our own name are refused, each before anything is made.
#[test]
fn what_cannot_be_unpacked_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let said = |file: &[u8], folder: &Path| {
        let report = unpack(file, folder, Rights::User).unwrap_err().report();
        report.replace(&folder.display().to_string(), "DIR")
    };
    let whole = archive(&[entry("init", 0o100755, b"#!/bin/sh")]);
    expect![[r#"
        error: part 1 (cpio, from byte 0) is cut off
        because: the entry at its byte 0 does not end"#]]
    .assert_eq(&said(&whole[..120], folder.path()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    std::fs::write(folder.path().join("mine"), "").unwrap();
    expect![[r#"
        error: cannot unpack into DIR
        because: it is not empty
        hint: an initrd is unpacked into a new folder, so that nothing else gets packed with it"#]]
    .assert_eq(&said(&whole, folder.path()));
    let own = archive(&[entry(".bootworks-initrd", 0o40755, b"")]);
    expect![[r#"
        error: the initrd has a folder .bootworks-initrd of its own
        because: that is where what cannot be unpacked is kept"#]]
    .assert_eq(&said(&own, &folder.path().join("new")));
    let report = pack(&folder.path().join("nowhere")).unwrap_err().report();
    expect![[r#"
        error: cannot read DIR/nowhere
        because: No such file or directory (os error 2)"#]]
    .assert_eq(&report.replace(&folder.path().display().to_string(), "DIR"));
}

/// Any folder becomes an initrd that the kernel reads.
#[test]
fn a_folder_without_a_manifest_is_packed_as_one_archive() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    std::fs::write(folder.path().join("bin/sh"), "#!").unwrap();
    std::os::unix::fs::symlink("bin/sh", folder.path().join("init")).unwrap();
    let packed = pack(folder.path()).unwrap();
    let (catalog, failure) = Catalog::read(&packed.bytes, |_| false);
    assert!(failure.is_none());
    let names: Vec<String> =
        catalog.items.iter().map(|item| String::from_utf8_lossy(&item.name).into()).collect();
    assert_eq!(names, ["bin", "bin/sh", "init"]);
    assert_eq!(pack(folder.path()).unwrap().bytes, packed.bytes);
}

/// A further name of a file whose first name went to another file since: the kernel links it to what stands there.
#[test]
fn a_name_of_a_covered_file_comes_back() {
    let of = |name, mode, links, body| {
        entry_with(Header { inode: 3, mode, links, ..Header::default() }, name, body)
    };
    let file =
        archive(&[of("b", 0o100600, 2, b"one"), of("b", 0o100644, 1, b"other"), of("a", 0o100600, 2, b"")]);
    let (_outer, inside) = unpacked(&file, Rights::User);
    let packed = pack(&inside).unwrap();
    assert!(packed.bytes == file, "changed {:?}, removed {:?}", packed.changed, packed.removed);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]
    /// Whatever entries come in whatever order: nothing is written outside, and what was read comes back.
    #[test]
    fn any_archive_comes_back(
        entries in proptest::collection::vec(("[ab./]{1,6}", 0usize..6, "[ab./]{0,5}"), 0..14),
    ) {
        let modes = [0o40755, 0o100644, 0o120777, 0o10600, 0o100600, 0o20600];
        let written: Vec<Vec<u8>> = entries
            .iter()
            .map(|(name, kind, body)| {
                let body = if [1, 2, 4].contains(kind) { body.as_bytes() } else { b"" };
                let links = if *kind == 4 { 2 } else { 1 };
                entry_with(Header { inode: 3, mode: modes[*kind], links, ..Header::default() }, name, body)
            })
            .collect();
        let file = archive(&written);
        let outer = tempfile::tempdir().unwrap();
        let inside = outer.path().join("a/b");
        if unpack(&file, &inside, Rights::User).is_ok() {
            let packed = pack(&inside).unwrap();
            proptest::prop_assert!(packed.bytes == file, "changed {:?} removed {:?}", packed.changed, packed.removed);
        }
        let beside = std::fs::read_dir(outer.path().join("a")).map_or(0, Iterator::count);
        proptest::prop_assert!(beside <= 1);
    }
}
