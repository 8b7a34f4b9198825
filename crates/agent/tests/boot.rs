//! Boots a real kernel with the agent as PID 1 in QEMU and reads the box's screen. No server is needed here;
//! whole lines are booted by `tests/rehearsals`.
//!
//! The kernel package is taken from `BOOTWORKS_TEST_KERNEL`, a folder with an unpacked one, or fetched by apt
//! once and kept among the build's files.

#![allow(clippy::unwrap_used, reason = "a test ends where its machine does")]

mod machine;

use machine::{Initrd, Machine};

macro_rules! needs_system {
    () => {
        if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
            eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root)");
            return;
        }
    };
}

/// No NIC at all, and a kernel told to reboot on panic: there must be a screen and a shell, and no panic.
#[test]
fn system_a_box_without_a_nic_says_so_and_gives_a_shell() {
    needs_system!();
    let mut machine = Machine::start(&Initrd::with(&[]), "panic=1", &["-nic", "none"]);
    machine.wait_for("this box has no network card");
    machine.press("s");
    machine.wait_for("bootworks# ");
    machine.press("echo answer $((6*7)); grep VmRSS /proc/1/status\n");
    machine.wait_for("answer 42");
    let resident = machine.wait_for_line("VmRSS:");
    let kilobytes: u32 = resident.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes < 24 << 10, "PID 1 takes {kilobytes} kB");
    // Whoever leaves the shell sees again what is wrong; PID 1 lives on.
    machine.press("kill -9 1; kill -11 1; exit\n");
    machine.wait_for("this box has no network card");
    assert!(!machine.screen().contains("Kernel panic"), "{}", machine.screen());
}

/// The story: the card is there, its driver is not. One sentence names both.
#[test]
fn system_a_driver_that_is_not_in_the_initrd_is_named() {
    needs_system!();
    let initrd = Initrd::with(&[]).knowing("e1000e");
    let mut machine = Machine::start(&initrd, "panic=1 quiet", &["-nic", "user,model=e1000e"]);
    machine.wait_for("network card 8086:10d3 needs the driver e1000e, which is not in this initrd");
    assert!(machine.screen().contains("cause: nic-driver-missing"), "{}", machine.screen());
}

/// A kernel without a usable console starts PID 1 without standard streams; PID 1 finds the consoles itself.
#[test]
fn system_a_console_that_does_not_exist_is_no_reason_to_die() {
    needs_system!();
    let mut machine = Machine::start(&Initrd::with(&[]), "panic=1 console=ttyS7", &["-nic", "none"]);
    machine.wait_for("this box has no network card");
}

/// Virtio is driven in two steps; the address comes by DHCP, and what is wrong then is the server.
#[test]
fn system_an_address_without_a_server_is_told() {
    needs_system!();
    let initrd = Initrd::with(&["virtio_pci", "virtio_net"]);
    let words = "quiet bootworks.server=10.0.2.2 bootworks.http=1 bootworks.live=none";
    let mut machine = Machine::start(&initrd, words, &["-nic", "user,model=virtio-net-pci"]);
    machine.wait_for("got an address: eth0 has 10.0.2.15/24");
    machine.wait_for("http-unreachable");
    machine.wait_for("but 10.0.2.2:1 does not answer");
}

/// The cable is out, then it is put in: the wait is shown, and the box goes on by itself.
#[test]
fn system_a_cable_put_in_late_is_noticed() {
    needs_system!();
    let initrd = Initrd::with(&["e1000e"]);
    let nic = ["-netdev", "user,id=net", "-device", "e1000e,netdev=net,id=nic", "-S"];
    let words = "quiet bootworks.server=10.0.2.2 bootworks.http=1 BOOTIF=01-52-54-00-12-34-56";
    let mut machine = Machine::start(&initrd, words, &nic);
    machine.monitor("set_link nic off");
    machine.monitor("cont");
    machine.wait_for("eth0 (e1000e): no carrier, waiting (");
    machine.monitor("set_link nic on");
    machine.wait_for("link up: eth0 52:54:00:12:34:56 (e1000e");
    machine.wait_for("got an address");
}
