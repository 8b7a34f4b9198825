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
        build(&Sources {
            kernel_folder: &self.folder,
            kernel: own,
            suite: &[own, Kernel { package: "linux-image-cloud-amd64", tree: &self.cloud }],
            root: &self.folder,
            agent: init.as_bytes(),
            busybox: &self.busybox,
            build: "test",
            modified: 1_700_000_000,
        })
        .unwrap()
    }
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
    #[expect(clippy::print_stderr, reason = "numbers for whoever runs this")]
    {
        eprintln!(
            "{} modules, {} MB, unpacked {} MB, drivers.json {} kB, in {time:?}",
            first.modules,
            first.bytes.len() >> 20,
            first.unpacked_bytes >> 20,
            live.len() >> 10,
        );
    }
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
        choice::for_any_hardware(&real.tree).into_iter().collect::<Vec<_>>().join(" ")
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
    #[expect(clippy::print_stderr, reason = "the boot's own words")]
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
