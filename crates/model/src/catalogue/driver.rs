//! Causes of the stage `driver`: kernel modules, their firmware files and network cards. Definitions only; how they are found in a log is `diagnosis`'s.

use super::System::{Debian, Dracut, Line, Ubuntu};
use super::{BLANK, Cause, absent, against, excludes, fix, fix_on, proof, supports, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[Cause {
    id: "nic-driver-missing",
    sentence: "The live system has no driver for this machine's network card: no interface but lo exists.",
    signs: &[
        usual("ipconfig: no devices to configure"),
        usual("IP-Config: No network devices available"),
        usual("Network device did not appear in time").unless(&["MAC address"]),
        proof("No supported network device found, maybe a non-mainline driver is required"),
        usual("No network interfaces detected"),
        proof("None of the network card drivers matched"),
        proof("No Ethernet card was detected"),
    ],
    clues: &[
        excludes("IP-Config: {interface} hardware address", "an interface is there, and so is its driver"),
        excludes("{interface} NIC Link is Up", "an interface is there, and so is its driver"),
        excludes("{interface}: Link is up", "an interface is there, and so is its driver"),
        against("firmware load for {file} failed", "a driver is there, and asks for its firmware"),
        against(
            "probe of {address} failed with error",
            "a driver is there, and does not get its card to work",
        ),
        against("renamed from eth{number:number}", "an interface is there, and so is its driver"),
        absent("version magic '", "no module was refused"),
        supports("can't open '/run/net-", "the script waited for an interface that never came"),
        supports("can't open /run/net-", "the script waited for an interface that never came"),
    ],
    fixes: &[
        fix_on(
            Line,
            "`bootworks check` names the package; set it as `kernel = \"linux-image-amd64\"` under [live] in line.toml, then `bootworks build`",
        ),
        fix_on(
            Debian,
            "install the full kernel and rebuild: `apt install linux-image-amd64` (not -cloud-amd64), MODULES=most in /etc/initramfs-tools/initramfs.conf, `update-initramfs -u -k all`",
        ),
        fix_on(
            Ubuntu,
            "`apt install linux-modules-extra-$(uname -r)` (before 18.04: linux-image-extra-$(uname -r)) in the live system, then `update-initramfs -u -k all`",
        ),
        fix_on(
            Dracut,
            "`dnf install kernel-modules` (kernel-modules-core has no such drivers), then `dracut --force --no-hostonly`",
        ),
        fix("copy the new initrd and kernel to the server together: modules of another release do not load"),
    ],
    hides: &[
        "init-exited",
        "dhcp-no-answer",
        "nfs-server-unreachable",
        "live-medium-not-found",
        "network-not-requested",
        "route-missing",
        "http-unreachable",
    ],
    decide: "In the initrd's shell: `ls /sys/class/net` shows lo only; `lspci -nn` (or iPXE's `show pci/…`) has the card's id, and `grep -i vVENDORdDEVICE /lib/modules/*/modules.alias` its driver",
    sources: &[
        "https://github.com/coreos/bugs/issues/2314",
        "https://github.com/OSInside/kiwi/issues/970",
        "https://github.com/netbootxyz/netboot.xyz/issues/429",
        "https://github.com/grml/grml/issues/153",
        "klibc: usr/kinit/ipconfig/main.c",
        "live-boot: 9990-networking.sh",
        "initramfs-tools: scripts/functions",
    ],
    ..BLANK
}];
