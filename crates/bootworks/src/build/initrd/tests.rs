//! The initrd from a real kernel: twice the same bytes, and booted.

use super::super::drivers::tests::{real_kernel, system_is_allowed};
use super::*;
use std::io::Read as _;

/// PID 1 of the test: compares what was unpacked with the manifest, then loads every module of the dependency
/// table in its order. Drivers that find no hardware may refuse; a symbol that is not there may not.
const INIT: &str = r#"#!/bin/busybox sh
bb=/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
cd /
release=$($bb uname -r)
while read -r size path; do
    real=$($bb stat -c %s "$path" 2>/dev/null)
    [ "$real" = "$size" ] || echo "WRONG $path: $real, not $size"
done < /bootworks/manifest
echo "UNPACKED $($bb wc -l < /bootworks/manifest) files after $($bb cut -d' ' -f1 /proc/uptime) s"
for path in PATHS; do
    said=$($bb insmod "/lib/modules/$release/$path" 2>&1) || {
        case "$said" in *symbol*|*format*) echo "WRONG $path: $said";; esac
    }
done
echo "LOADED $($bb wc -l < /proc/modules) modules after $($bb cut -d' ' -f1 /proc/uptime) s"
echo "INTERFACES $($bb ls /sys/class/net | $bb tr '\n' ' ')"
echo "DISKS $($bb ls /sys/block | $bb grep -v loop | $bb tr '\n' ' ')"
$bb poweroff -f
"#;

/// A kernel of one NIC driver that asks for three firmware files, and a root that has two of them.
fn small() -> (tempfile::TempDir, Tree) {
    let folder = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("lib/modules/6.1.0-1-amd64/kernel/drivers/net/ethernet/new/nic.ko", "module");
    put("lib/modules/6.1.0-1-amd64/kernel/drivers/net/ethernet/new/half.ko", "module");
    put("usr/lib/firmware/new/plain-2.fw", "plain");
    put("usr/lib/firmware/new/packed.fw.xz", "packed");
    put("usr/lib/firmware/unasked.fw", "");
    put("usr/lib/firmware/intel-ucode/06-4f-01", "code");
    put("etc/alternatives/linked.fw", "linked");
    let link = folder.path().join("usr/lib/firmware/new/linked.fw");
    std::os::unix::fs::symlink("/etc/alternatives/linked.fw", link).unwrap();
    let mut tree = Tree { release: "6.1.0-1-amd64".into(), ..Tree::default() };
    let words = |key: &str, values: &[&str]| {
        let mut info = model::modules::modinfo::Modinfo::default();
        values.iter().for_each(|value| info.take(key, value));
        info
    };
    let asked = ["new/plain-?.fw", "new/packed.fw", "new/linked.fw", "new/nowhere.fw"];
    tree.add("kernel/drivers/net/ethernet/new/nic.ko", words("firmware", &asked));
    tree.add("kernel/drivers/net/ethernet/new/half.ko", words("depends", &["gone"]));
    tree.builtin.extend(["nfs", "nfsv3", "af_packet", "overlay", "squashfs", "loop"].map(str::to_owned));
    (folder, tree)
}

fn small_built(folder: &Path, tree: &Tree) -> Result<Built> {
    let own = Kernel { package: "linux-image-amd64", tree };
    let kept = tempfile::tempdir().unwrap();
    build(&Sources {
        kernel_folder: folder,
        kernel: own,
        suite: &[own],
        root: folder,
        wanted: Wanted::default(),
        agent: b"agent",
        busybox: b"busybox",
        build: "b1",
        modified: 1_700_000_000,
        kept: kept.path(),
    })
}

/// Firmware is followed through the root's own links and compressed forms; a module whose dependency is nowhere is
/// in the image and is not told to the proof.
#[test]
fn everything_asked_for_and_there_is_in() {
    let (folder, tree) = small();
    let built = small_built(folder.path(), &tree).unwrap();
    let mut text = String::new();
    let mut archives = vec![built.bytes.clone()];
    while let Some(bytes) = archives.pop() {
        let mut reader = Reader::new(&bytes);
        for entry in reader.by_ref().map(|entry| entry.unwrap()) {
            let what = match entry.node {
                Node::File(bytes) => format!("{} bytes", bytes.len()),
                other => format!("{other:?}").split('(').next().unwrap().to_lowercase(),
            };
            text.push_str(&format!(
                "{:o} {} {what}\n",
                entry.permissions,
                String::from_utf8_lossy(entry.path)
            ));
        }
        if !reader.rest().is_empty() {
            text.push_str("then, compressed:\n");
            archives.push(zstd::stream::decode_all(reader.rest()).unwrap());
        }
    }
    expect_test::expect![[r#"
        755 kernel folder
        755 kernel/x86 folder
        755 kernel/x86/microcode folder
        644 kernel/x86/microcode/GenuineIntel.bin 4 bytes
        755 lib folder
        755 lib/firmware folder
        755 lib/firmware/new folder
        644 lib/firmware/new/packed.fw.xz 6 bytes
        then, compressed:
        755 bin folder
        755 bin/busybox 7 bytes
        777 bin/sh link
        755 bootworks folder
        644 bootworks/aliases 0 bytes
        644 bootworks/build 3 bytes
        644 bootworks/dependencies 88 bytes
        644 bootworks/kernel 18 bytes
        644 bootworks/manifest 352 bytes
        644 bootworks/packages 0 bytes
        755 dev folder
        600 dev/console character
        644 dev/kmsg character
        666 dev/null character
        755 etc folder
        755 init 5 bytes
        755 lib folder
        755 lib folder
        755 lib/firmware folder
        755 lib/firmware/new folder
        644 lib/firmware/new/linked.fw 6 bytes
        644 lib/firmware/new/plain-2.fw 5 bytes
        755 lib/modules folder
        755 lib/modules/6.1.0-1-amd64 folder
        755 lib/modules/6.1.0-1-amd64/kernel folder
        755 lib/modules/6.1.0-1-amd64/kernel/drivers folder
        755 lib/modules/6.1.0-1-amd64/kernel/drivers/net folder
        755 lib/modules/6.1.0-1-amd64/kernel/drivers/net/ethernet folder
        755 lib/modules/6.1.0-1-amd64/kernel/drivers/net/ethernet/new folder
        644 lib/modules/6.1.0-1-amd64/kernel/drivers/net/ethernet/new/half.ko 6 bytes
        644 lib/modules/6.1.0-1-amd64/kernel/drivers/net/ethernet/new/nic.ko 6 bytes
        755 proc folder
        755 root folder
        755 run folder
        755 sbin folder
        755 sys folder
        755 tmp folder
    "#]]
    .assert_eq(&text);
    assert_eq!(
        built.live.initrd,
        BTreeSet::from(["nic".to_owned()]),
        "half has a dependency that is nowhere"
    );
    let firmware: Vec<&str> = built.live.initrd_firmware.iter().map(String::as_str).collect();
    assert_eq!(firmware, ["new/linked.fw", "new/packed.fw", "new/plain-?.fw"]);
    assert_eq!(small_built(folder.path(), &tree).unwrap().bytes, built.bytes);
}

/// A live OS that cannot boot is not built.
#[test]
fn what_cannot_boot_is_refused() {
    let (folder, mut tree) = small();
    tree.builtin.remove("overlay");
    expect_test::expect![[r#"
        error: kernel 6.1.0-1-amd64 cannot mount the live OS's root
        because: it has no overlay
        hint: name another kernel package in line.toml [live] kernel"#]]
    .assert_eq(&small_built(folder.path(), &tree).unwrap_err().report());
    tree.release = "6.1.0-2-amd64".into();
    expect_test::expect![[r#"
        error: kernel and root are of two releases
        because: the unpacked kernel has modules of 6.1.0-1-amd64
        because: package linux-image-amd64 has kernel 6.1.0-2-amd64"#]]
    .assert_eq(&small_built(folder.path(), &tree).unwrap_err().report());
}

struct Real {
    folder: PathBuf,
    tree: Tree,
    cloud: Tree,
    busybox: Vec<u8>,
}

impl Real {
    fn kernel() -> Real {
        let (_, folder) = real_kernel("linux-image-amd64");
        let (_, cloud) = real_kernel("linux-image-cloud-amd64");
        let tree = drivers::of_folder(&folder).unwrap();
        let cloud = drivers::of_folder(&cloud).unwrap();
        Real { folder, tree, cloud, busybox: std::fs::read("/bin/busybox").unwrap() }
    }

    fn built(&self, init: &str) -> Built {
        let own = Kernel { package: "linux-image-amd64", tree: &self.tree };
        let kept = tempfile::tempdir().unwrap();
        build(&Sources {
            kernel_folder: &self.folder,
            kernel: own,
            suite: &[own, Kernel { package: "linux-image-cloud-amd64", tree: &self.cloud }],
            root: &self.folder,
            wanted: Wanted::default(),
            agent: init.as_bytes(),
            busybox: &self.busybox,
            build: "test",
            modified: 1_700_000_000,
            kept: kept.path(),
        })
        .unwrap()
    }
}

/// A part that is kept saves its packing; one that was damaged on the disk must not get into an initrd, and what
/// changed must not be taken from what was kept before.
#[test]
fn a_kept_part_is_used_only_where_it_is_right() {
    let kept = tempfile::tempdir().unwrap();
    let parts = [vec![7; 100_000], b"modules".repeat(1000)];
    let first = packed(&parts, kept.path()).unwrap();
    for (part, packed) in parts.iter().zip(&first) {
        assert_eq!(zstd::bulk::decompress(packed, part.len()).unwrap(), *part);
    }
    let files: Vec<_> = std::fs::read_dir(kept.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    for damage in [&first[0][..10], &first[1][..], b""] {
        let of_first = files.iter().find(|file| file.to_string_lossy().contains(&digest(&parts[0]))).unwrap();
        std::fs::write(of_first, damage).unwrap();
        assert_eq!(packed(&parts, kept.path()).unwrap(), first);
    }
}

/// Parts end where their content says, whatever stands before them: a new PID 1 must not change what the modules are
/// packed into.
#[test]
fn modules_are_apart_from_what_changes() {
    let parts = |init: usize| {
        let mut image = Image::new(1);
        image.add_file("init", 0o755, vec![1; init]);
        for module in 0..5 {
            image.add_file(&format!("lib/modules/{module}.ko"), 0o644, vec![2; PART / 2]);
        }
        image.parts().iter().map(|part| part.write_one().unwrap()).collect::<Vec<_>>()
    };
    let (one, other) = (parts(10), parts(2 * PART));
    assert_eq!(one.len(), 4);
    assert!(one[0] != other[0] && one[1..] == other[1..]);
}

/// Two builds are one: what is served is what was proved.
#[test]
fn system_the_same_sources_give_the_same_bytes() {
    if !system_is_allowed() {
        return;
    }
    let real = Real::kernel();
    let start = std::time::Instant::now();
    let first = real.built(INIT);
    let time = start.elapsed();
    assert!(first.bytes == real.built(INIT).bytes);
    let live = serde_json::to_vec(&first.live).unwrap();
    for driver in
        ["e1000e", "tg3", "megaraid_sas", "mpt3sas", "nvme", "mlx4_en", "virtio_net", "nfsv3", "overlay"]
    {
        assert!(first.live.initrd.contains(driver), "{driver}");
    }
    eprintln!(
        "{} modules, {} MB, drivers.json {} kB, in {time:?}",
        first.live.initrd.len(),
        first.bytes.len() >> 20,
        live.len() >> 10,
    );
    assert!(live.len() < 2 << 20);
    let again: LiveOs = serde_json::from_slice(&live).unwrap();
    assert_eq!(again, first.live);
}

/// The kernel is the judge: it unpacks every file in full, and every module links in the order of the table.
#[test]
fn system_the_kernel_unpacks_it_and_every_module_links() {
    if !system_is_allowed() {
        return;
    }
    let real = Real::kernel();
    let wanted =
        "virtio_pci virtio_net e1000e ahci nvme mlx4_core megaraid_sas ext4 vfat nfs overlay squashfs loop";
    let wanted = std::env::var("BOOTWORKS_TEST_MODULES").unwrap_or(wanted.to_owned());
    let wanted = if wanted == "all" {
        // Outside of Hyper-V its bus refuses to load, and what needs it cannot link.
        let all = choice::for_any_hardware(&real.tree).into_iter();
        let all = all.filter(|module| !real.tree.closure([module.as_str()]).contains("hv_vmbus"));
        all.collect::<Vec<_>>().join(" ")
    } else {
        wanted
    };
    let table = real.tree.dependency_table(&choice::for_any_hardware(&real.tree));
    let mut paths: Vec<&str> = Vec::new();
    for load in wanted.split(' ').flat_map(|module| table.load_order(module)) {
        if !paths.contains(&load.path) {
            paths.push(load.path);
        }
    }
    let built = real.built(&INIT.replace("PATHS", &paths.join(" ")));
    let folder = tempfile::tempdir().unwrap();
    let initrd = folder.path().join("initrd");
    std::fs::write(&initrd, &built.bytes).unwrap();
    let kernel = real.folder.join("boot").join(format!("vmlinuz-{}", real.tree.release));
    let log = boot(&kernel, &initrd);
    for line in log.lines().filter(|line| !line.starts_with('[')) {
        eprintln!("{}", line.trim_end());
    }
    assert!(!log.contains("WRONG"), "{log}");
    assert!(!log.contains("Kernel panic"), "{log}");
    for expected in ["UNPACKED ", "LOADED ", "INTERFACES eth0 eth1 lo", "nvme0n1", "sda"] {
        assert!(log.contains(expected), "no {expected} in {log}");
    }
}

fn boot(kernel: &Path, initrd: &Path) -> String {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let disk = initrd.with_file_name("disk");
    std::fs::File::create(&disk).unwrap().set_len(1 << 20).unwrap();
    let arguments = [
        "-accel",
        "tcg",
        "-m",
        "1G",
        "-display",
        "none",
        "-serial",
        "stdio",
        "-monitor",
        "none",
        "-no-reboot",
        "-nic",
        "user,model=e1000e,restrict=on",
        "-nic",
        "user,model=virtio-net-pci,restrict=on",
        "-drive",
        &format!("file={},format=raw,if=none,id=one", text(&disk)),
        "-device",
        "nvme,drive=one,serial=1",
        "-drive",
        &format!("file={},format=raw,if=none,id=two,file.locking=off", text(&disk)),
        "-device",
        "ahci,id=ahci",
        "-device",
        "ide-hd,drive=two,bus=ahci.0",
        "-kernel",
        &text(kernel),
        "-initrd",
        &text(initrd),
        "-append",
        "console=ttyS0 quiet panic=-1",
    ]
    .map(str::to_owned);
    let mut child = std::process::Command::new("qemu-system-x86_64")
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = String::new();
    child.stdout.take().unwrap().read_to_string(&mut log).unwrap();
    child.wait().unwrap();
    log
}
