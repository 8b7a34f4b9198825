//! Causes of the stage `initrd-net`: the network in the initrd. Definitions only; how they are found in a log is `diagnosis`'s.

use super::System::{Debian, Dracut, Ubuntu};
use super::{BLANK, Cause, excludes, fix, fix_on, supports, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[Cause {
    id: "dhcp-no-answer",
    sentence: "The initrd asks for an address and hears nothing, though the firmware got one on this network.",
    signs: &[
        usual("IP-Config: no response after {seconds:number} secs - giving up"),
        usual("DHCP requests {:any} timed out"),
        usual("dhcp for interface {interface} failed")
            .says("DHCP on {interface} hears no answer in the initrd."),
        usual("No DHCPOFFERS received"),
        usual("udhcpc: no lease, failing"),
    ],
    clues: &[
        supports("Link is up", "the cable carries a link"),
        supports("link becomes ready", "the cable carries a link"),
        excludes("no carrier detected", "there is no link"),
    ],
    fixes: &[
        fix("switch port: portfast (edge port), so that it forwards at once after the link came up"),
        fix(
            "boot the port that the firmware used: pass iPXE's `BOOTIF=01-${net0/mac:hexhyp}` on the kernel's command line",
        ),
        fix_on(
            Debian,
            "`ip=::::::dhcp` with a longer wait: `rootdelay=60`, or ROUNDTTT in /etc/initramfs-tools",
        ),
        fix_on(Ubuntu, "`ip=dhcp` and netplan's switch port as above; casper retries only a few seconds"),
        fix_on(Dracut, "`rd.net.timeout.carrier=60 rd.net.dhcp.retry=5` on the kernel's command line"),
    ],
    hides: &[
        "nfs-server-unreachable",
        "live-medium-not-found",
        "init-exited",
        "http-unreachable",
        "dns-missing",
        "route-missing",
    ],
    decide: "The DHCP server's log: no DISCOVER from this MAC is the switch, the VLAN or the wrong port; a DISCOVER without an OFFER is the server (dhcp-server-silent)",
    sources: &["klibc: usr/kinit/ipconfig/dhcp_proto.c", "dracut-ng: modules.d/35network-legacy/ifup.sh"],
    ..BLANK
}];
