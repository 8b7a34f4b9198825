//! Whole boots, through `bootworks rehearse`: firmware, hardware, fault → timeline, screen and verdict.
//!
//! Needs root, QEMU and the built program (`cargo xtask test` sees to all three). A few seeded picks of the
//! table run each time; `cargo xtask test --rehearsals` runs all of it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "all of this is test code"
)]

mod agreement;
mod dialogue;
mod images;
mod rig;
mod variant;

use rig::{Rig, needs_system};
use variant::Variant;

/// The main job: power-on to power-off, then the disk boots by itself and the appliance says it is ready.
#[test]
fn a_box_goes_from_power_on_to_a_ready_appliance() {
    if needs_system() {
        return;
    }
    let seen = Rig::of(Variant::Plain).rehearse(&["--box", "firmware=uefi,nic=e1000e,disk=nvme"]);
    seen.ended_with(0);
    // No loader: the ROM that QEMU brings for this card is iPXE itself.
    seen.climbed(&["asked-for-address", "reported-nic", "fetched-kernel", "initrd-spoke"]);
    seen.climbed(&["mounted-root", "plan-confirmed", "verified", "boot-loader-installed", "powered-off"]);
    // The password of the rehearsal must have left no trace.
    let secret = Rig::of(Variant::Plain).answer("password");
    for (name, text) in seen.files() {
        assert!(!text.contains(&secret), "the password stands in {name}");
    }
    seen.left_nothing_behind();
}

/// The story that bootworks exists for: the driver is in another kernel package, and the box is told so
/// before any kernel is started.
#[test]
fn the_story_is_told_before_the_kernel_starts() {
    if needs_system() {
        return;
    }
    let seen =
        Rig::of(Variant::CloudKernel).rehearse(&["--box", "nic=e1000e", "--expect", "nic-driver-missing"]);
    seen.ended_with(0);
    assert!(!seen.console().contains("Linux version"), "a kernel was started");
    for said in ["8086:10d3", "e1000e", "linux-image-amd64"] {
        assert!(seen.console().contains(said), "the box's own screen lacks {said}");
        assert!(seen.timeline().contains(said), "the timeline lacks {said}");
    }
    // Without a demanded cause the same run is a plain no.
    Rig::of(Variant::CloudKernel).rehearse(&["--box", "nic=e1000e"]).ended_with(1);
}

/// With a fallback the same box boots that instead, is told why, and gets as far as the other kernel takes it.
#[test]
fn a_box_boots_the_fallback_that_has_its_driver() {
    if needs_system() {
        return;
    }
    let seen = Rig::of(Variant::CloudKernelWithFallback).rehearse(&["--box", "nic=e1000e"]);
    seen.ended_with(0);
    seen.climbed(&["fetched-kernel", "initrd-spoke", "mounted-root", "plan-confirmed", "powered-off"]);
    assert!(seen.timeline().contains("needs the driver e1000e"), "the timeline does not say why");
    let screen = seen.console();
    // iPXE's words, before any kernel's.
    let (loader, _) = screen.split_once("Linux version").expect("a kernel was started");
    for said in ["e1000e", "The line's fallback has it and is booted instead."] {
        assert!(loader.contains(said), "iPXE's screen lacks {said}");
    }
    assert!(!screen.contains("-cloud-amd64 ("), "the first kernel was started");
}

/// Sent into the boot all the same, the box explains itself instead of panicking.
#[test]
fn the_story_ignored_ends_on_a_readable_screen() {
    if needs_system() {
        return;
    }
    let seen = Rig::of(Variant::CloudKernel).rehearse(&[
        "--box",
        "nic=e1000e",
        "--fault",
        "ignore-proof",
        "--until",
        "fix:",
    ]);
    seen.ended_with(0);
    assert!(!seen.console().contains("Kernel panic"), "the kernel panicked");
    for said in ["8086:10d3", "e1000e", "shell"] {
        assert!(seen.console().contains(said), "PID 1's screen lacks {said}");
    }
}

/// A box without any NIC, its kernel put in by hand, and `panic=` set: a screen and a shell, no panic.
#[test]
fn no_nic_at_all_is_a_screen_and_a_shell() {
    if needs_system() {
        return;
    }
    let rig = Rig::of(Variant::Plain);
    let (kernel, initrd) = (rig.output("kernel"), rig.output("initrd"));
    let seen = rig.rehearse(&[
        "--box",
        "nic=none",
        "--kernel",
        &kernel,
        "--initrd",
        &initrd,
        "--append",
        "console=ttyS0,115200n8 panic=1 bootworks.server=10.77.0.1",
        "--until",
        "shell",
    ]);
    seen.ended_with(0);
    assert!(!seen.console().contains("Kernel panic"), "the kernel panicked");
}

/// The power goes at some instant of the installation, with what the disk had not flushed: its disk alone starts nothing
/// that is half written, and the box starts over by itself and finishes.
#[test]
fn a_power_cut_only_costs_time() {
    if needs_system() {
        return;
    }
    for second in rig::picks(&INSTANTS) {
        println!("cutting the power {second} s after the plan was confirmed");
        let fault = format!("power-cut@{second}s");
        let seen = Rig::of(Variant::Plain).rehearse(&["--box", "nic=igb,disk=megasas", "--fault", &fault]);
        seen.ended_with(0);
        let finished_before =
            || seen.seconds("powered off") - seen.seconds("plan confirmed") < f64::from(second);
        assert!(seen.stdout().contains("lost its power") || finished_before(), "the power was never cut");
        assert!(!seen.stdout().contains("started from its half-written disk"), "the disk was bootable");
    }
}

/// Seconds after the plan was confirmed. An installation takes some sixty on an idle machine.
const INSTANTS: [u32; 12] = [12, 37, 1, 21, 48, 5, 30, 17, 42, 9, 25, 34];

/// The server goes in the middle of the image, for a minute or for as long as it takes to start: the box says that it
/// waits, goes on at the octet where it stopped, and finishes. With `--rehearsals` only, or one by its number.
#[test]
fn a_server_that_goes_only_costs_time() {
    if needs_system() {
        return;
    }
    if rig::is_left_out("a server that goes") {
        return;
    }
    for fault in rig::picks(&["server-gone@image:30%", "server-killed@image:40%"]) {
        println!("rehearsing {fault}");
        let seen = Rig::of(Variant::Plain).rehearse(&["--box", "nic=e1000e,disk=nvme", "--fault", fault]);
        seen.ended_with(0);
        for said in ["waiting for 10.77.0.1:80: ", "10.77.0.1:80 answers again; going on at byte "] {
            assert!(seen.console().contains(said), "the box's own screen lacks `{said}`");
        }
    }
}

/// A damaged image is refused, and nothing bootable is left.
#[test]
fn a_corrupt_image_leaves_nothing_bootable() {
    if needs_system() {
        return;
    }
    let seen = Rig::of(Variant::Plain).rehearse(&[
        "--box",
        "nic=virtio-net-pci,disk=virtio-blk-pci",
        "--fault",
        "image-corrupt",
        "--expect",
        "image-corrupt",
    ]);
    seen.ended_with(0);
    assert!(!seen.timeline().contains("boot-loader-installed"), "the disk was made bootable");
}

/// The questions typed on the serial line, a wrong answer first.
#[test]
fn questions_are_answered_on_the_serial_line() {
    if needs_system() {
        return;
    }
    dialogue::run();
}

/// A stock initramfs-tools initrd mounts the root from our server and reaches its login prompt.
#[test]
fn a_stock_initrd_boots_our_root() {
    if needs_system() {
        return;
    }
    let rig = Rig::of(Variant::StockRoot);
    let (kernel, initrd) = (rig.output("kernel"), rig.stock_initrd());
    let words = "console=ttyS0,115200n8 boot=nfs root=/dev/nfs nfsroot=10.77.0.1:/live,ro ip=dhcp ro systemd.volatile=overlay";
    let seen =
        rig.rehearse(&["--kernel", &kernel, "--initrd", &initrd, "--append", words, "--until", "login:"]);
    seen.ended_with(0);
}

/// So does a stock dracut initrd, which asks the port mapper and mounts in ways of its own; with `--rehearsals` only,
/// since its root is another one.
#[test]
fn a_stock_dracut_initrd_boots_our_root() {
    if needs_system() {
        return;
    }
    if !rig::whole_table() {
        eprintln!("skipped: dracut's initrd boots with `cargo xtask test --rehearsals`");
        return;
    }
    let rig = Rig::of(Variant::DracutRoot);
    let (kernel, initrd) = (rig.output("kernel"), rig.dracut_initrd());
    // No `systemd.volatile`: its unit runs before dracut has mounted a root over the network, and fails.
    let words = "console=ttyS0,115200n8 root=nfs:10.77.0.1:/live:ro,vers=3 ip=dhcp ro";
    let seen =
        rig.rehearse(&["--kernel", &kernel, "--initrd", &initrd, "--append", words, "--until", "login:"]);
    seen.ended_with(0);
}

/// Firmware × NIC × disk: seeded picks each time, everything with `--rehearsals`.
#[test]
fn the_table_of_boxes() {
    if needs_system() {
        return;
    }
    for (variant, hardware) in rig::picks(TABLE) {
        println!("rehearsing {variant:?} {hardware}");
        Rig::of(variant).rehearse(&["--box", hardware]).ended_with(0);
    }
}

/// What is broken on purpose is named: seeded picks each time, everything with `--rehearsals`. The table is that of
/// the guide's page.
#[test]
fn what_is_provoked_is_named() {
    if needs_system() {
        return;
    }
    let rows = rig::provoked();
    for row in rig::picks(&rows) {
        println!("provoking {}", row.name);
        let rig = row.rig();
        let words: Vec<String> = row.arguments.iter().map(|word| rig.own(word)).collect();
        let words = words.iter().map(String::as_str).chain(["--expect", &row.cause, "--patience", "120"]);
        let begun = std::time::Instant::now();
        rig.rehearse(&words.collect::<Vec<_>>()).ended_with(0);
        row.was_green(begun.elapsed().as_secs());
    }
}

/// Layouts × firmware × disks (docs/src/disks.md), with `--rehearsals` only, or one row by its number: each has an image
/// of its own and takes up to ten minutes. Each is booted from its disk afterwards, a mirror also with either disk
/// pulled; what is preserved is installed a second time.
#[test]
fn the_table_of_layouts() {
    if needs_system() {
        return;
    }
    if rig::is_left_out("the table of layouts") {
        return;
    }
    for (variant, hardware, faults) in rig::picks(LAYOUTS) {
        println!("rehearsing {variant:?} {hardware}");
        let arguments = faults.iter().flat_map(|fault| ["--fault", *fault]);
        let arguments: Vec<&str> = ["--box", hardware].into_iter().chain(arguments).collect();
        let seen = Rig::of(variant).rehearse(&arguments);
        seen.ended_with(0);
        if faults == AGAIN {
            assert!(seen.timeline().contains("is unchanged"), "nothing was said of what stays");
        }
    }
}

/// Images that are a disk or a file system (docs/src/images.md), with `--rehearsals` only, or one row by its number.
#[test]
fn the_table_of_images() {
    if needs_system() {
        return;
    }
    if rig::is_left_out("the table of images") {
        return;
    }
    images::rehearse();
}

/// How a line leaves its finished boxes, and what a box does that boots from the network again. With `--rehearsals` only,
/// or one by its number.
#[test]
fn finished_boxes_go_their_lines_way() {
    if needs_system() {
        return;
    }
    if rig::is_left_out("finished boxes") {
        return;
    }
    for (variant, arguments, said) in rig::picks(ENDS) {
        println!("rehearsing {variant:?} {arguments:?}");
        let rig = Rig::of(variant);
        let words: Vec<String> = arguments.iter().map(|word| rig.own(word)).collect();
        let seen = rig.rehearse(&words.iter().map(String::as_str).collect::<Vec<_>>());
        seen.ended_with(0);
        assert!(seen.stdout().contains(said), "the rehearsal did not say `{said}`");
    }
}

/// A box that stood in another line's rack: its arrays, volumes and file systems are named in the plan, and are gone.
#[test]
fn a_used_box_is_installed_anew() {
    if needs_system() {
        return;
    }
    if rig::is_left_out("used boxes") {
        return;
    }
    for (variant, hardware, named) in rig::picks(USED) {
        println!("rehearsing a box that was {variant:?}");
        let rig = Rig::of(variant);
        let kept = rig.used_disks(hardware);
        // One disk of it: what it was a part of is not whole any more.
        let seen = Rig::of(Variant::Plain).rehearse(&["--box", "nic=igb,disk=nvme", "--used-disks", &kept]);
        seen.ended_with(0);
        assert!(seen.console().contains(named), "the plan did not name `{named}`");
    }
}

/// Nothing is ever written to what somebody puts into a box while it is installed.
#[test]
fn a_stick_that_is_put_in_stays_as_it_was() {
    if needs_system() {
        return;
    }
    if !rig::whole_table() {
        eprintln!("skipped: a stick is put in with `cargo xtask test --rehearsals`");
        return;
    }
    let fault = "stick-inserted@partition:0%";
    let seen = Rig::of(Variant::Plain).rehearse(&["--box", "nic=e1000e,disk=nvme", "--fault", fault]);
    seen.ended_with(0);
    assert!(seen.stdout().contains("a USB stick is put in"), "no stick was put in");
}

/// The boot agrees with the proof, for every NIC and disk that QEMU has and the kernel drives: what the proof calls
/// covered gets to its plan, and what it calls missing stops where it says.
#[test]
fn the_boot_agrees_with_the_proof() {
    if needs_system() {
        return;
    }
    agreement::run();
}

const PULLED: &[&str] = &["disk-pulled:1", "disk-pulled:2"];
const AGAIN: &[&str] = &["power-cut@record:0%"];

const LAYOUTS: &[(Variant, &str, &[&str])] = &[
    (Variant::Mirrored, "nic=e1000e,disk=nvme,disk=nvme", PULLED),
    (Variant::Mirrored, "firmware=uefi,nic=e1000e,disk=ahci,disk=ahci", PULLED),
    (Variant::Encrypted, "nic=e1000e,disk=megasas", &[]),
    (Variant::Encrypted, "firmware=uefi,nic=e1000e,disk=nvme", &[]),
    (Variant::Subvolumes, "nic=e1000e,disk=virtio-blk-pci", &[]),
    (Variant::Subvolumes, "firmware=uefi,nic=e1000e,disk=virtio-scsi-pci", &[]),
    (Variant::Preserved, "nic=e1000e,disk=nvme,disk-size=3T", AGAIN),
    (Variant::Preserved, "firmware=uefi,nic=e1000e,disk=nvme,disk-sector=4096", AGAIN),
    (Variant::OldTable, "nic=e1000e,disk=ahci", &[]),
    (Variant::OldTable, "firmware=uefi,nic=e1000e,disk=nvme", &[]),
    (Variant::Parity, "nic=e1000e,disk=virtio-scsi-pci,disk=virtio-scsi-pci,disk=virtio-scsi-pci", &[]),
    (Variant::Parity, "firmware=uefi,nic=e1000e,disk=nvme,disk=nvme,disk=nvme", &[]),
    (Variant::DoubleParity, "nic=e1000e,disk=ahci,disk=ahci,disk=ahci,disk=ahci", &[]),
    (Variant::DoubleParity, "firmware=uefi,nic=e1000e,disk=nvme,disk=nvme,disk=nvme,disk=nvme", &[]),
    (Variant::StripedMirrors, "nic=e1000e,disk=nvme,disk=nvme,disk=nvme,disk=nvme", PULLED),
    (Variant::StripedMirrors, "firmware=uefi,nic=e1000e,disk=ahci,disk=ahci,disk=ahci,disk=ahci", &[]),
    (Variant::EncryptedMirror, "nic=e1000e,disk=virtio-blk-pci,disk=virtio-blk-pci", &[]),
    (Variant::EncryptedMirror, "firmware=uefi,nic=e1000e,disk=nvme,disk=nvme", PULLED),
    (Variant::TpmOpened, "nic=e1000e,disk=nvme,tpm=2", &["tpm-cleared"]),
    (Variant::TpmOpened, "firmware=uefi,nic=e1000e,disk=virtio-scsi-pci,tpm=2", &["tpm-cleared"]),
    (Variant::TwoDisks, "nic=e1000e,disk=nvme,disk=ahci", AGAIN),
    (Variant::TwoDisks, "firmware=uefi,nic=e1000e,disk=ahci,disk=nvme", AGAIN),
];

const ENDS: &[(Variant, &[&str], &str)] = &[
    (Variant::StartedOver, &["--box", "nic=e1000e,disk=nvme"], SENT),
    (Variant::LeftOn, &["--box", "nic=e1000e,disk=nvme"], "the box stays on; typing `off`"),
    (Variant::StartedOver, &["--box", "firmware=uefi,nic=e1000e,disk=nvme"], SENT),
    (Variant::Plain, &["--disks", "DISKS", "--fault", "network-first"], SENT),
    (Variant::Plain, &["--box", "firmware=uefi", "--disks", "DISKS", "--fault", "network-first"], SENT),
    (Variant::Plain, &["--disks", "DISKS", "--fault", "installed-again"], PRESSED),
    (Variant::Plain, &["--box", "firmware=uefi", "--disks", "DISKS", "--fault", "installed-again"], PRESSED),
];
/// What a disk held before, and the plan's word for it.
const USED: &[(Variant, &str, &str)] = &[
    (Variant::Mirrored, "nic=igb,disk=nvme,disk=nvme", "md RAID member"),
    (Variant::Encrypted, "nic=igb,disk=nvme", "LUKS encryption"),
    (Variant::Parity, "nic=igb,disk=nvme,disk=nvme,disk=nvme", "md RAID member"),
];
const SENT: &str = "finished: sent to its disk";
const PRESSED: &str = "pressing `i`";

const TABLE: &[(Variant, &str)] = &[
    (Variant::Plain, "nic=e1000e,disk=megasas"),
    (Variant::Plain, "nic=igb,disk=ahci"),
    (Variant::Plain, "firmware=uefi,nic=igb,disk=ahci"),
    (Variant::RamRoot, "nic=e1000e,disk=nvme"),
    (Variant::RamRoot, "firmware=uefi,nic=virtio-net-pci,disk=virtio-blk-pci"),
    (Variant::Plain, "nic=virtio-net-pci,nic=e1000e:down,disk=nvme"),
    (Variant::Plain, "nic=vmxnet3,disk=megasas-gen2"),
    (Variant::Plain, "nic=e1000,disk=virtio-scsi-pci"),
    (Variant::Plain, "firmware=uefi,nic=e1000e,disk=virtio-scsi-pci,cpus=2"),
    (Variant::Plain, "nic=rtl8139,disk=megasas-gen2"),
    (Variant::Plain, "nic=e1000e,disk=pvscsi"),
    (Variant::Plain, "nic=vmxnet3,disk=mptsas1068"),
    (Variant::Formatted, "nic=igb,disk=nvme"),
];
