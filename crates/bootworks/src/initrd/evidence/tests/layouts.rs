//! Images and trees laid out as other distributions lay them out: which files lie where, as their own scripts
//! (dracut's `inst`, `weak-modules` of RHEL and SUSE, mkinitcpio's `add_module`, booster's `addModulesToImage`) say.

use super::*;

const OTHER: &str = "6.1.0-0-amd64";

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    std::io::copy(&mut liblzma::read::XzEncoder::new(bytes, 1), &mut packed).unwrap();
    packed
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap()
}

/// The modules of the other tests, packed in this way.
fn packed(end: &str, pack: fn(&[u8]) -> Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let below = |(path, bytes): (String, Vec<u8>)| (format!("modules/{RELEASE}/{path}.{end}"), pack(&bytes));
    let mut files: Vec<_> = modules().into_iter().map(below).collect();
    files
        .push((format!("modules/{RELEASE}/modules.builtin"), b"kernel/drivers/nvme/host/nvme.ko\n".to_vec()));
    files.push(("firmware/new/nic.fw.xz".into(), xz(b"code")));
    files
}

/// Ubuntu 22.04's: an archive of microcode for each maker of processors, padded with zeros, then all else packed with
/// zstd, the modules in it plain. Each part counts, and the advice is that of initramfs-tools.
#[test]
fn an_image_of_ubuntu_is_read() {
    let microcode = |name: &str| {
        let folders = ["kernel", "kernel/x86", "kernel/x86/microcode"].map(|path| entry(path, 0o40755, b""));
        let file = entry(&format!("kernel/x86/microcode/{name}"), 0o100644, b"microcode");
        let mut early = archive(&[&folders[..], &[file]].concat());
        early.resize(early.len().next_multiple_of(1024), 0);
        early
    };
    let files = with(&whole(), "/conf/initramfs.conf", b"MODULES=most\nCOMPRESS=zstd\n");
    let files = with(&files, "/scripts/functions", b"");
    let stock = |files: &[(String, Vec<u8>)]| {
        [microcode("AuthenticAMD.bin"), microcode("GenuineIntel.bin"), zst(&image(files))].concat()
    };
    let (catalog, damage) = Catalog::read(&stock(&files), |_| false);
    let packings: Vec<_> = catalog.parts.iter().map(|facts| facts.part.packing).collect();
    assert!(damage.is_none());
    assert_eq!(packings, [None, None, Some(wire::initrd::Packing::Zstd)]);
    expect![[r#"
        nic | Covered | Initrd
        nvme | Covered | Builtin
        covered"#]]
    .assert_eq(&judged(&of_bytes(&stock(&files), "initrd.img", None).unwrap(), &[NIC, NVME]));

    let folder = tempfile::tempdir().unwrap();
    beside(folder.path(), RELEASE);
    let lean = stock(&without(&files, &["nic.ko"]));
    let evidence = of_bytes(&lean, "initrd.img", Some(folder.path())).unwrap();
    expect![[r#"
        nic | DriverMissing | Root | add nic to /etc/initramfs-tools/modules, then `update-initramfs -u -k 6.1.0-1-amd64`
        NOT covered"#]]
    .assert_eq(&judged(&evidence, &[NIC]));
}

/// RHEL packs with xz, SUSE with zstd; both images are dracut's. What `kernel-modules` has and `kernel-modules-core`
/// has not is in the tree beside, once that package is installed: the advice is dracut's.
#[test]
fn images_of_dracut_are_read_whatever_packs_their_modules() {
    for files in [packed("xz", xz), packed("zst", zst)] {
        let files = with(&files, "dracut/dracut-076", b"");
        verdict(
            &files,
            &[NIC, NVME],
            expect![[r#"
                nic | Covered | Initrd
                nvme | Covered | Builtin
                covered"#]],
        );
        verdict(
            &without(&files, &["core.ko.xz", "core.ko.zst"]),
            &[NIC],
            expect![[r#"
                nic | DriverMissing | Absent |  | nic is in the initrd and lacks there what it needs: core
                NOT covered"#]],
        );
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in &files {
            let Some(path) = path.strip_prefix("modules/") else { continue };
            let path = folder.path().join("usr/lib/modules").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let lean = without(&files, &["nic.ko.xz", "nic.ko.zst"]);
        let evidence = of_bytes(&image(&lean), "initrd.img", Some(folder.path())).unwrap();
        expect![[r#"
            nic | DriverMissing | Root | `dracut --force --add-drivers "nic" --kver 6.1.0-1-amd64`
            NOT covered"#]]
        .assert_eq(&judged(&evidence, &[NIC]));
    }
}

/// A vendor's module that was built for an earlier kernel of the same interface: `weak-updates` links to it, and the
/// kernel loads it because it carries versions of its symbols. One without them the kernel refuses.
#[test]
fn a_lent_module_counts_where_the_kernel_takes_it() {
    let alias = "alias=pci:v0000ABCDd00000009sv*sd*bc*sc*i*\ndepends=core";
    let lent = format!("modules/{OTHER}/extra/lent/lent.ko.xz");
    let link = format!("modules/{RELEASE}/weak-updates/lent/lent.ko.xz@");
    let target = format!("/lib/modules/{OTHER}/extra/lent/lent.ko.xz");
    let files = with(&packed("xz", xz), &lent, &xz(&module_of(OTHER, alias)));
    let files = with(&files, &link, target.as_bytes());
    verdict(
        &files,
        &[NIC, OTHER_NIC],
        expect![[r#"
            nic | Covered | Initrd
            lent | Covered | Initrd
            covered"#]],
    );
    verdict(
        &without(&files, &["weak-updates/lent/lent.ko.xz@"]),
        &[OTHER_NIC],
        expect![[r#"
             | DriverUnknown | Absent
            NOT covered"#]],
    );
    let mut strict = module_of(OTHER, alias);
    let word = b"modversions";
    let at = strict.windows(word.len()).position(|octets| octets == word).unwrap();
    strict[at..at + word.len()].fill(b' ');
    verdict(
        &with(&files, &lent, &xz(&strict)),
        &[OTHER_NIC],
        expect![[r#"
            error: initrd.img has a module of another kernel
            because: weak-updates/lent/lent.ko.xz is for 6.1.0-0-amd64, but lies in 6.1.0-1-amd64"#]],
    );
}

/// The same in the tree beside an image, whose root is not this machine's: absolute links start there.
#[test]
fn a_lent_module_is_found_beside() {
    let folder = tempfile::tempdir().unwrap();
    beside(folder.path(), RELEASE);
    let modules = folder.path().join("lib/modules");
    let put = modules.join(OTHER).join("extra/lent");
    std::fs::create_dir_all(&put).unwrap();
    let alias = "alias=pci:v0000ABCDd00000009sv*sd*bc*sc*i*";
    std::fs::write(put.join("lent.ko"), module_of(OTHER, alias)).unwrap();
    // The release has this one itself.
    std::fs::write(put.join("nic.ko"), module_of(OTHER, "alias=pci:v0000ABCDd00000001sv*sd*bc*sc*i*"))
        .unwrap();
    let links = modules.join(RELEASE).join("weak-updates/lent");
    std::fs::create_dir_all(&links).unwrap();
    for name in ["lent.ko", "nic.ko", "gone.ko"] {
        let target = format!("/lib/modules/{OTHER}/extra/lent/{name}");
        std::os::unix::fs::symlink(target, links.join(name)).unwrap();
    }
    let files = with(&whole(), "dracut/dracut-076", b"");
    let evidence = of_bytes(&image(&files), "initrd.img", Some(folder.path())).unwrap();
    expect![[r#"
        nic | Covered | Initrd
        lent | DriverMissing | Root | `dracut --force --add-drivers "lent" --kver 6.1.0-1-amd64`
        NOT covered"#]]
    .assert_eq(&judged(&evidence, &[NIC, OTHER_NIC]));
}

/// mkinitcpio leaves its configuration in the image, and indexes made anew for what is in it.
#[test]
fn an_image_of_mkinitcpio_is_read() {
    let dep = "kernel/drivers/net/ethernet/new/nic.ko.zst: kernel/drivers/base/bus.ko.zst \
        kernel/drivers/base/core.ko.zst\nkernel/drivers/base/bus.ko.zst: kernel/drivers/base/core.ko.zst\n\
        kernel/drivers/base/core.ko.zst:\nkernel/drivers/net/phy/phy.ko.zst:\n";
    let files = with(&packed("zst", zst), &format!("modules/{RELEASE}/modules.dep"), dep.as_bytes());
    let files = with(&with(&files, "/buildconfig", b"MODULES=()\n"), "/init_functions", b"");
    verdict(
        &files,
        &[NIC, NVME],
        expect![[r#"
            nic | Covered | Initrd
            nvme | Covered | Builtin
            covered"#]],
    );
    let folder = tempfile::tempdir().unwrap();
    beside(folder.path(), RELEASE);
    let evidence =
        of_bytes(&image(&without(&files, &["nic.ko.zst"])), "initrd.img", Some(folder.path())).unwrap();
    expect![[r#"
        nic | DriverMissing | Root | MODULES=(nic) in /etc/mkinitcpio.conf, then `mkinitcpio -P`
        NOT covered"#]]
    .assert_eq(&judged(&evidence, &[NIC]));
}

/// An image of booster's: modules in no folder of a release, plain; which kernel it is for stands in its configuration,
/// and what is not among its own aliases is not loaded, whatever lies there.
#[test]
fn an_image_of_booster_is_read() {
    let flat = |(path, bytes): (String, Vec<u8>)| {
        (format!("modules/{}", path.rsplit_once('/').map_or(&*path, |(_, name)| name)), bytes)
    };
    let mut files: Vec<_> = modules().into_iter().map(flat).collect();
    files.push(("firmware/new/nic.fw".into(), b"code".to_vec()));
    files.push(("modules/booster.alias".into(), b"pci:v0000ABCDd00000001sv*sd*bc*sc*i* nic\n".to_vec()));
    let configuration = format!("builtinmodules:\n    nvme: true\nkernel: {RELEASE}\n");
    let files = with(&files, "/etc/booster.init.yaml", configuration.as_bytes());
    verdict(
        &files,
        &[NIC, NVME, TG3],
        expect![[r#"
            nic | Covered | Initrd
            nvme | Covered | Builtin
            tg3 | DriverMissing | Absent
            NOT covered"#]],
    );
    verdict(
        &without(&files, &["bus.ko"]),
        &[NIC],
        expect![[r#"
            nic | DriverMissing | Absent |  | nic is in the initrd and lacks there what it needs: bus
            NOT covered"#]],
    );
    verdict(
        &with(&files, "modules/booster.alias", b""),
        &[NIC],
        expect![[r#"
             | DriverUnknown | Absent
            NOT covered"#]],
    );
    let nameless = with(&files, "/etc/booster.init.yaml", b"mounttimeout: 180\n");
    verdict(
        &nameless,
        &[NIC],
        expect![[r#"
            error: initrd.img does not tell which kernel it is for
            because: its etc/booster.init.yaml names none
            hint: `--modules /lib/modules/RELEASE` says which of them boots"#]],
    );
    let folder = tempfile::tempdir().unwrap();
    beside(folder.path(), RELEASE);
    let lean = without(&files, &["nic.ko"]);
    let evidence = of_bytes(&image(&lean), "initrd.img", Some(folder.path())).unwrap();
    expect![[r#"
        nic | DriverMissing | Root | modules: nic in /etc/booster.yaml, then build it anew
        NOT covered"#]]
    .assert_eq(&judged(&evidence, &[NIC]));
}

/// A driver that is built in finds its firmware in the initrd or nowhere: it asks before there is a root.
#[test]
fn firmware_of_a_built_in_driver_counts() {
    let at = |name: &str| format!("modules/{RELEASE}/{name}");
    let told = b"big.alias=pci:v0000ABCDd00000009sv*sd*bc*sc*i*\0big.firmware=new/big.fw\0";
    let files = with(&whole(), &at("modules.builtin.modinfo"), told);
    let files = with(&files, &at("modules.builtin"), b"kernel/drivers/net/ethernet/new/big.ko\n");
    verdict(
        &files,
        &[OTHER_NIC],
        expect![[r#"
            big | FirmwareMissing | Builtin
            NOT covered"#]],
    );
    verdict(
        &with(&files, "firmware/new/big.fw.zst", b"packed"),
        &[OTHER_NIC],
        expect![[r#"
            big | Covered | Builtin
            covered"#]],
    );
}
