//! Verdicts on initrds made here, module by module, and on those that other programs make of real kernels.

use super::super::list::tests::{archive, entry};
use super::*;
use expect_test::{Expect, expect};
use model::proof::{self, Candidate};

mod layouts;
mod real;

const NIC: &str = "pci:v0000ABCDd00000001sv00001028sd00001F5Bbc02sc00i00";
const OTHER_NIC: &str = "pci:v0000ABCDd00000009sv00001028sd00001F5Bbc02sc00i00";
const TG3: &str = "pci:v000014E4d0000165Fsv00001028sd00001F5Bbc02sc00i00";
const NVME: &str = "pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02";
const RELEASE: &str = "6.1.0-1-amd64";
const DRIVER: &str = "kernel/drivers/net/ethernet/new/nic.ko";

/// A kernel module that says these words of itself: header, `.modinfo`, the names, three section headers.
fn module(words: &str) -> Vec<u8> {
    module_of(RELEASE, words)
}

/// The same of a kernel of this release.
fn module_of(release: &str, words: &str) -> Vec<u8> {
    let mut file = vec![0; 64];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    let modinfo: Vec<u8> = format!("{words}\nvermagic={release} SMP mod_unload modversions \n")
        .bytes()
        .map(|byte| if byte == b'\n' { 0 } else { byte })
        .collect();
    let names = b"\0.modinfo\0.shstrtab\0";
    file.extend(&modinfo);
    file.extend(names);
    let table = file.len() as u64;
    for (name, start, size) in [(0, 0, 0), (1, 64, modinfo.len()), (10, 64 + modinfo.len(), names.len())] {
        let mut header = [0; 64];
        header[..4].copy_from_slice(&u32::to_le_bytes(name));
        header[0x18..0x20].copy_from_slice(&(start as u64).to_le_bytes());
        header[0x20..0x28].copy_from_slice(&(size as u64).to_le_bytes());
        file.extend(header);
    }
    file[0x28..0x30].copy_from_slice(&table.to_le_bytes());
    file[0x3a] = 64;
    file[0x3c] = 3;
    file[0x3e] = 2;
    file
}

/// A NIC's driver with a dependency of two steps, something it asks for, and firmware.
fn modules() -> Vec<(String, Vec<u8>)> {
    let nic =
        "alias=pci:v0000ABCDd00000001sv*sd*bc*sc*i*\ndepends=bus\nsoftdep=pre: phy\nfirmware=new/nic.fw";
    [
        (DRIVER, nic),
        ("kernel/drivers/base/bus.ko", "depends=core"),
        ("kernel/drivers/base/core.ko", "depends="),
        ("kernel/drivers/net/phy/phy.ko", "depends="),
    ]
    .map(|(path, words)| (path.to_owned(), module(words)))
    .into()
}

/// An initrd with a merged /usr and these files below its `lib`; those with a slash before them lie where that says.
fn image(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut made = BTreeSet::new();
    let mut entries =
        vec![entry("usr", 0o40755, b""), entry("usr/lib", 0o40755, b""), entry("lib", 0o120777, b"usr/lib")];
    for (path, bytes) in files {
        let path = path.strip_prefix('/').map_or_else(|| format!("usr/lib/{path}"), str::to_owned);
        for (at, _) in path.match_indices('/') {
            if !matches!(&path[..at], "usr" | "usr/lib") && made.insert(path[..at].to_owned()) {
                entries.push(entry(&path[..at], 0o40755, b""));
            }
        }
        match path.strip_suffix("@") {
            Some(link) => entries.push(entry(link, 0o120777, bytes)),
            None => entries.push(entry(&path, 0o100644, bytes)),
        }
    }
    archive(&entries)
}

/// Files of an initrd that covers the NIC.
fn whole() -> Vec<(String, Vec<u8>)> {
    let below = |(path, bytes): (String, Vec<u8>)| (format!("modules/{RELEASE}/{path}"), bytes);
    let mut files: Vec<_> = modules().into_iter().map(below).collect();
    files
        .push((format!("modules/{RELEASE}/modules.builtin"), b"kernel/drivers/nvme/host/nvme.ko\n".to_vec()));
    files.push(("firmware/new/nic.fw".into(), b"code".to_vec()));
    files
}

fn without(files: &[(String, Vec<u8>)], names: &[&str]) -> Vec<(String, Vec<u8>)> {
    files.iter().filter(|(path, _)| !names.iter().any(|name| path.ends_with(name))).cloned().collect()
}

fn with(files: &[(String, Vec<u8>)], path: &str, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = without(files, &[path.trim_end_matches('@')]);
    files.push((path.to_owned(), bytes.to_vec()));
    files
}

fn judged(evidence: &Evidence, modaliases: &[&str]) -> String {
    let devices: Vec<Candidate> = modaliases
        .iter()
        .map(|modalias| Candidate { modalias: (*modalias).to_owned(), name: String::new() })
        .collect();
    let mut proof = proof::check(&evidence.live, &devices);
    let mut text = String::new();
    for finding in &mut proof.devices {
        evidence.fix(finding);
        let words = [
            finding.drivers.join("+"),
            format!("{:?}", finding.status),
            format!("{:?}", finding.place),
            finding.fix.clone().unwrap_or_default(),
            finding.remark.clone().unwrap_or_default(),
        ];
        text.push_str(words.join(" | ").trim_end_matches([' ', '|']));
        text.push('\n');
    }
    text + if proof.covered { "covered" } else { "NOT covered" }
}

fn verdict(files: &[(String, Vec<u8>)], modaliases: &[&str], expected: Expect) {
    let text = match of_bytes(&image(files), "initrd.img", None) {
        Ok(evidence) => judged(&evidence, modaliases),
        Err(failure) => failure.report(),
    };
    expected.assert_eq(&text);
}

/// A driver is what loads: its whole closure is there, its firmware lies where the kernel looks, packed or behind a
/// link that leads somewhere. Each missing piece is told.
#[test]
fn a_driver_is_what_loads() {
    let files = whole();
    verdict(
        &files,
        &[NIC, NVME],
        expect![[r#"
        nic | Covered | Initrd
        nvme | Covered | Builtin
        covered"#]],
    );
    verdict(
        &without(&files, &["core.ko"]),
        &[NIC],
        expect![[r#"
        nic | DriverMissing | Absent |  | nic is in the initrd and lacks there what it needs: core
        NOT covered"#]],
    );
    verdict(
        &without(&files, &["nic.ko"]),
        &[NIC, TG3],
        expect![[r#"
         | DriverUnknown | Absent
        tg3 | DriverMissing | Absent
        NOT covered"#]],
    );
    verdict(
        &without(&files, &["nic.fw"]),
        &[NIC],
        expect![[r#"
        nic | FirmwareMissing | Initrd
        NOT covered"#]],
    );
    let packed = with(&without(&files, &["nic.fw"]), "firmware/new/nic.fw.xz", b"packed");
    verdict(
        &packed,
        &[NIC],
        expect![[r#"
        nic | Covered | Initrd
        covered"#]],
    );
    let linked = with(&with(&files, "firmware/new/nic.fw@", b"../real.fw"), "firmware/real.fw", b"code");
    verdict(
        &linked,
        &[NIC],
        expect![[r#"
        nic | Covered | Initrd
        covered"#]],
    );
    let dangling = with(&files, "firmware/new/nic.fw@", b"../gone.fw");
    verdict(
        &dangling,
        &[NIC],
        expect![[r#"
        nic | FirmwareMissing | Initrd
        NOT covered"#]],
    );
    let of_release = with(&without(&files, &["nic.fw"]), "firmware/6.1.0-1-amd64/new/nic.fw", b"code");
    verdict(
        &of_release,
        &[NIC],
        expect![[r#"
        nic | Covered | Initrd
        covered"#]],
    );
}

/// What kmod's index does not know, modprobe does not load, whatever lies in the folder; without any index the
/// modules speak for themselves; where nothing tells what is built in, nothing is claimed.
#[test]
fn the_indexes_in_the_initrd_have_the_last_word() {
    let files = whole();
    let at = |name: &str| format!("modules/{RELEASE}/{name}");
    let known = "kernel/drivers/base/bus.ko: kernel/drivers/base/core.ko\nkernel/drivers/base/core.ko:\n";
    let stale = with(&files, &at("modules.dep"), known.as_bytes());
    verdict(
        &stale,
        &[NIC],
        expect![[r#"
         | DriverUnknown | Absent
        NOT covered"#]],
    );
    let unnamed = with(&files, &at("modules.alias"), b"# Aliases extracted from modules themselves.\n");
    verdict(
        &unnamed,
        &[NIC],
        expect![[r#"
         | DriverUnknown | Absent
        NOT covered"#]],
    );
    let renamed = with(&files, &at("modules.alias"), b"alias pci:v0000ABCDd00000009sv*sd*bc*sc*i* nic\n");
    verdict(
        &renamed,
        &[OTHER_NIC],
        expect![[r#"
        nic | Covered | Initrd
        covered"#]],
    );
    verdict(
        &with(&files, &at("modules.dep.bin"), b"junk"),
        &[NIC],
        expect![[r#"
        error: cannot read modules.dep.bin in initrd.img
        because: not an index of kmod's, or a damaged one"#]],
    );
    verdict(
        &without(&files, &["modules.builtin"]),
        &[NIC, NVME],
        expect![[r#"
        nic | Covered | Initrd
        nvme | DriverUnknown | Absent |  | nvme is not in the initrd, and nothing in it tells whether the kernel has it built in (no modules.builtin)
        NOT covered"#]],
    );
}

/// An initrd that cannot be judged is no pass: without modules, with those of two kernels, with one of another kernel,
/// cut off.
#[test]
fn what_cannot_be_judged_is_an_error() {
    let files = whole();
    verdict(
        &[("firmware/new/nic.fw".into(), b"code".to_vec())],
        &[NIC],
        expect![[r#"
        error: initrd.img has no kernel modules
        because: it has no lib/modules/RELEASE, so that only what the kernel has built in is there
        hint: `--modules /lib/modules/RELEASE` tells what that is"#]],
    );
    verdict(
        &with(&files, "modules/6.12.1/kernel/a.ko", &module("depends=")),
        &[NIC],
        expect![[r#"
        error: initrd.img has modules of 2 kernels
        because: 6.1.0-1-amd64, 6.12.1
        hint: `--modules /lib/modules/RELEASE` says which of them boots"#]],
    );
    let alien: Vec<_> =
        files.iter().map(|(path, bytes)| (path.replace(RELEASE, "6.1.0-2-amd64"), bytes.clone())).collect();
    verdict(
        &alien,
        &[NIC],
        expect![[r#"
        error: initrd.img has a module of another kernel
        because: kernel/drivers/base/bus.ko is for 6.1.0-1-amd64, but lies in 6.1.0-2-amd64"#]],
    );
    let file = image(&files);
    let report = of_bytes(&file[..file.len() / 2], "initrd.img", None).unwrap_err().report();
    assert!(report.starts_with("error: part 1 (cpio, from byte 0) is cut off"), "{report}");
    let script = with(&files, &format!("modules/{RELEASE}/kernel/broken.ko"), b"#!/bin/sh");
    verdict(
        &script,
        &[NIC],
        expect![[r#"
        error: cannot read the kernel module kernel/broken.ko
        because: not an ELF file"#]],
    );
}

/// A folder of modules as a kernel's package installs it.
fn beside(folder: &Path, release: &str) {
    for (path, bytes) in modules() {
        let path = folder.join("lib/modules").join(release).join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let list = folder.join("lib/modules").join(release).join("modules.builtin");
    std::fs::write(list, "kernel/drivers/nvme/host/nvme.ko\n").unwrap();
}

/// With the modules beside it an initrd without any is judged, a driver that it lacks is found there, and the way
/// to get it in is told in the words of whoever made it.
#[test]
fn the_modules_beside_tell_what_the_initrd_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    beside(root, RELEASE);
    let said = |files: &[(String, Vec<u8>)], folder: &Path| {
        let text = match of_bytes(&image(files), "initrd.img", Some(folder)) {
            Ok(evidence) => judged(&evidence, &[NIC, NVME, TG3]),
            Err(failure) => failure.report(),
        };
        text.replace(&root.display().to_string(), "DIR")
    };
    let none = [("dracut/hooks".to_owned(), b"".to_vec())];
    for named in [root.to_owned(), root.join("lib/modules"), root.join("lib/modules").join(RELEASE)] {
        expect![[r#"
            nic | DriverMissing | Root | `dracut --force --add-drivers "nic" --kver 6.1.0-1-amd64`
            nvme | Covered | Builtin
            tg3 | DriverMissing | Absent
            NOT covered"#]]
        .assert_eq(&said(&none, &named));
    }
    let files = without(&without(&whole(), &["phy.ko"]), &["modules.builtin"]);
    expect![[r#"
        nic | DriverMissing | Root |  | nic is in the initrd and lacks there what it needs: phy
        nvme | Covered | Builtin
        tg3 | DriverMissing | Absent
        NOT covered"#]]
    .assert_eq(&said(&files, root));
    expect![[r#"
        error: there are no kernel modules in DIR/lib/modules/6.1.0-1-amd64/kernel/drivers
        because: it is neither a release's folder, nor one of several releases, nor a root
        hint: `--modules /lib/modules/RELEASE`, with what `uname -r` prints on the box"#]]
    .assert_eq(&said(&files, &root.join("lib/modules/6.1.0-1-amd64/kernel/drivers")));
    beside(root, "6.12.1");
    expect![[r#"
        error: DIR has modules of several kernels
        because: 6.1.0-1-amd64, 6.12.1
        because: initrd.img has no modules that would tell which of them boots
        hint: name one release's folder"#]]
    .assert_eq(&said(&none, root));
    expect![[r#"
        error: the initrd and the modules beside it are of two releases
        because: initrd.img has modules of 6.1.0-1-amd64
        because: DIR/lib/modules/6.12.1 has modules of 6.12.1
        hint: a kernel loads modules of its own release only"#]]
    .assert_eq(&said(&files, &root.join("lib/modules/6.12.1")));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    /// Whatever is taken away: covered is said if and only if the driver's closure and its firmware are there.
    #[test]
    fn covered_is_said_if_and_only_if_all_is_there(kept: [bool; 4], firmware: bool) {
        let folder = tempfile::tempdir().unwrap();
        beside(folder.path(), RELEASE);
        let mut files = whole();
        let mut index = 0;
        files.retain(|(path, _)| {
            let is_module = path.ends_with(".ko");
            index += usize::from(is_module);
            if is_module { kept[index - 1] } else { firmware || !path.ends_with(".fw") }
        });
        let evidence = of_bytes(&image(&files), "initrd.img", Some(folder.path())).unwrap();
        let text = judged(&evidence, &[NIC]);
        let all = kept.iter().all(|kept| *kept) && firmware;
        proptest::prop_assert_eq!(text.ends_with("NOT covered"), !all, "{}", text);
    }
}
