//! The layouts of Ubuntu's kernels and firmware from 20.04 to 24.04: three packages a kernel, of which the usual
//! servers' kernel lacks one; modules packed or not; firmware in one package or in many.

use super::whole::{RELEASE, add_system, build, drivers, locked_with, module, put};
use super::{Store, TestArchive, skipped};
use crate::initrd::catalog::Catalog;
use std::path::Path;

/// How a release lays its kernel out.
struct Layout {
    name: &'static str,
    /// How its packages are compressed, as dpkg-deb is told.
    packages: &'static str,
    /// What the names of modules and of firmware end in.
    module_end: &'static str,
    firmware_end: &'static str,
    /// The package that has the firmware of tg3; `linux-firmware` depends on it where it is another.
    firmware: &'static str,
}

const LAYOUTS: [Layout; 3] = [
    Layout { name: "20.04", packages: "-Zxz", module_end: "", firmware_end: "", firmware: "linux-firmware" },
    Layout {
        name: "22.04",
        packages: "-Zzstd",
        module_end: "",
        firmware_end: ".zst",
        firmware: "linux-firmware",
    },
    Layout {
        name: "24.04",
        packages: "-Zzstd",
        module_end: ".zst",
        firmware_end: ".zst",
        firmware: "linux-firmware-broadcom",
    },
];

fn packed(content: &[u8], end: &str) -> Vec<u8> {
    if end.is_empty() { content.to_vec() } else { zstd::bulk::compress(content, 3).unwrap() }
}

fn add_kernel(archive: &TestArchive, layout: &Layout) {
    let image = format!("linux-image-{RELEASE}");
    let extra = format!("linux-modules-extra-{RELEASE}");
    let meta = |name: &str, depends: &str| {
        archive.add(name, "1", &format!("Source: linux-meta\nDepends: {image}{depends}\n"), &[]);
    };
    meta("linux-image-virtual", "");
    meta("linux-image-generic", &format!(", {extra}, linux-firmware"));
    archive.add_tree(
        &image,
        "1",
        &format!("Source: linux-signed\nDepends: linux-modules-{RELEASE}\n"),
        |tree| {
            put(tree, &format!("boot/vmlinuz-{RELEASE}"), b"kernel", 0o600);
        },
    );
    let vermagic = format!("{RELEASE} SMP mod_unload modversions ");
    let add_module = |tree: &Path, path: &str, words: &[(&str, &str)]| {
        let words = [&[("vermagic", vermagic.as_str()), ("intree", "Y")], words].concat();
        let path = format!("lib/modules/{RELEASE}/kernel/{path}.ko{}", layout.module_end);
        put(tree, &path, &packed(&module(&words), layout.module_end), 0o644);
    };
    archive.add_tree(&format!("linux-modules-{RELEASE}"), "1", "Source: linux\n", |tree| {
        let builtin = ["fs/nfs/nfs", "fs/nfs/nfsv3", "net/packet/af_packet", "fs/overlayfs/overlay"];
        let builtin = builtin.iter().chain(&["fs/squashfs/squashfs", "drivers/block/loop"]);
        let builtin: String = builtin.map(|name| format!("kernel/{name}.ko\n")).collect();
        put(tree, &format!("lib/modules/{RELEASE}/modules.builtin"), builtin.as_bytes(), 0o644);
        let alias = ("alias", "pci:v00008086d000010D3sv*sd*bc*sc*i*");
        add_module(tree, "drivers/net/ethernet/intel/e1000e/e1000e", &[alias]);
    });
    archive.add_tree(&extra, "1", "Source: linux\n", |tree| {
        let words = [
            ("alias", "pci:v000014E4d0000165Fsv*sd*bc*sc*i*"),
            ("firmware", "tigon/tg3.bin"),
            ("firmware", "tigon/tg3_tso.bin"),
        ];
        add_module(tree, "drivers/net/ethernet/broadcom/tg3", &words);
    });
    archive.add_tree(layout.firmware, "1", "", |tree| {
        let end = layout.firmware_end;
        put(tree, &format!("lib/firmware/tigon/tg3.bin{end}"), &packed(b"firmware", end), 0o644);
    });
    if layout.firmware != "linux-firmware" {
        archive.add("linux-firmware", "1", &format!("Depends: {}\n", layout.firmware), &[]);
    }
}

/// Ubuntu's trap is Debian's with other names: the driver is in a package that the kernel of virtual machines does
/// not bring. It must be named; and with the right kernel, driver and firmware must be in the initrd as shipped.
#[test]
fn system_each_layout_of_ubuntu_is_understood() {
    if skipped() {
        return;
    }
    for layout in LAYOUTS {
        let folder = tempfile::tempdir().unwrap();
        let archive =
            TestArchive { compression: layout.packages, ..TestArchive::new(folder.path().join("archive")) };
        add_system(&archive);
        add_kernel(&archive, &layout);
        archive.publish();
        let store = Store::at(folder.path().join("store")).unwrap();
        let name = layout.name;

        let there = locked_with(&folder.path().join("small"), &archive, "linux-image-virtual", &[], &store);
        build(&there, &store).unwrap();
        let live = drivers(&there);
        assert!(live.initrd.contains("e1000e") && !live.initrd.contains("tg3"), "{name}: {live:?}");
        assert_eq!(live.package_with("tg3"), Some("linux-image-generic"), "{name}");

        let there = locked_with(&folder.path().join("full"), &archive, "linux-image-generic", &[], &store);
        let made = build(&there, &store).unwrap();
        let live = drivers(&there);
        assert!(live.initrd.contains("tg3") && live.root.contains("tg3"), "{name}: {live:?}");
        assert!(live.initrd_firmware.contains("tigon/tg3.bin"), "{name}: {live:?}");
        assert!(!live.initrd_firmware.contains("tigon/tg3_tso.bin"), "{name}: {live:?}");
        let known = live.firmware_index.packages.get(layout.firmware).map(|package| &package.files);
        assert!(
            known.is_some_and(|files| files.contains("tigon/tg3.bin")),
            "{name}: {:?}",
            live.firmware_index
        );

        let initrd = there.join(".build").join(&made.files()[1].1.path);
        let (catalog, damage) = Catalog::read(&std::fs::read(initrd).unwrap(), |_| false);
        assert!(damage.is_none(), "{name}");
        let names: Vec<String> =
            catalog.items.iter().map(|item| String::from_utf8_lossy(&item.name).into_owned()).collect();
        let end = layout.module_end;
        let module = format!("lib/modules/{RELEASE}/kernel/drivers/net/ethernet/broadcom/tg3.ko{end}");
        let firmware = format!("lib/firmware/tigon/tg3.bin{}", layout.firmware_end);
        assert!(names.contains(&module) && names.contains(&firmware), "{name}: {names:?}");
    }
}
