//! Causes of the stage `initrd-net` at the port: its link, its switch, and whether it is the one meant. Definitions only; how they are found in a log is `diagnosis`'s.

use super::System::{Debian, Dracut, Line};
use super::messages::link as messages;
use super::{BLANK, Cause, against, excludes, fix, fix_on, needs, proof, supports, trace, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "stp-delay",
        sentence: "The switch port forwards nothing for half a minute after the link came up (spanning tree): requests are lost meanwhile.",
        signs: &[
            trace("no response after {seconds:number} secs - giving up"),
            trace("DHCPDISCOVER on {interface} to 255.255.255.255 port 67 interval"),
            trace("DHCP requests {:any} timed out"),
            usual("port is blocked by spanning tree"),
            trace("entered blocking state"),
            trace("SIOCGIFFLAGS"),
            trace("no matching response packet received"),
            usual("Link:up (blocked)")
                .says("The switch port is up, but blocked: spanning tree holds it back."),
        ],
        clues: &[
            supports("STP-{:any}blocking", "the switch says so itself"),
            supports("spanning tree", "somebody speaks of spanning tree"),
            supports("spanning-tree", "somebody speaks of spanning tree"),
            supports("portfast", "somebody speaks of portfast"),
            supports("moving from {state} to forwarding", "the switch opened the port only then"),
        ],
        fixes: &[
            fix("switch port: portfast (edge port)"),
            fix_on(Dracut, "`rd.net.timeout.carrier=60 rd.net.dhcp.retry=5` on the kernel's command line"),
            fix_on(Debian, "`rootdelay=60`; live-boot: `ethdevice-timeout=60`"),
            fix_on(Line, "nothing: our initrd waits for 45 s and more, and says what it waits for"),
        ],
        hides: &[
            "dhcp-no-answer",
            "nfs-server-unreachable",
            "live-medium-not-found",
            "http-unreachable",
            "init-exited",
        ],
        decide: "Does the server see the first request some 30 to 50 s after `Link is up`? A small switch in between that cures it is this, too",
        sources: &[
            "https://github.com/crowbar/crowbar/pull/2332",
            "https://github.com/threefoldtech/zos/issues/2429",
            "https://github.com/raspberrypi/rpi-eeprom/issues/480",
            "https://github.com/Thinstation/thinstation/pull/234",
        ],
        ..BLANK
    },
    Cause {
        id: "no-carrier",
        sentence: "The network interface has no link in the operating system.",
        signs: &[
            proof("No carrier detected on interface {interface}").says("{interface} has no link."),
            usual("No carrier on {interface}"),
            usual("{interface}: no carrier").says("{interface} has no link."),
            usual("NO-CARRIER"),
            trace("link is not ready"),
            usual("Network cable is unplugged"),
            usual("Link detected: no"),
            usual("state DOWN {:any} NO-CARRIER"),
            usual("no link detected"),
            usual("Waiting for {interface} to get link").at_the_end(),
            usual("{interface}: carrier lost").at_the_end(),
            trace("NIC Link is Down"),
            usual("{interface}: waiting for carrier"),
            usual("Reached timeout for link detection on {interface}"),
            usual("found no link on interface {interface}"),
            usual("Waiting up to {:any} more seconds for network").unless(&["configuration"]).times(4),
            usual("no interfaces have a carrier"),
            trace("{interface}: link down"),
        ],
        messages: messages::NO_CARRIER,
        clues: &[
            excludes("no devices to configure", "there is no interface"),
            against("unsupported SFP", "the driver refuses the module in the port"),
            excludes("IP-Config: {interface} complete", "an interface has its address"),
            excludes("lease of {ip} obtained", "an interface has its address"),
            excludes("DHCPv4 address {ip}", "an interface has its address"),
            supports("Retrying forever (NFS root)", "the kernel waits for an interface"),
            against("link becomes ready", "a link came"),
        ],
        fixes: &[
            fix("plug the cable into the port that boots, and look at its link LED"),
            fix("25G and 100G: the same FEC on both sides (`ethtool --set-fec IF encoding rs` or off)"),
            fix(
                "where the ROM had a link on this port: the driver's SFP rules, or speed fixed on the switch",
            ),
            fix("a slow link: wait longer (`rd.net.timeout.carrier=60`, live-boot `ethdevice-timeout=60`)"),
        ],
        hides: &[
            "dhcp-no-answer",
            "network-wait-online",
            "nfs-server-unreachable",
            "live-medium-not-found",
            "route-missing",
            "http-unreachable",
            "dns-missing",
            "nfs-tcp-unavailable",
        ],
        decide: "Is it the port that the ROM booted from (its MAC)? Yes: driver, SFP, FEC; no: the wrong port is configured",
        sources: &[
            "dracut-ng: modules.d/35network-legacy/ifup.sh",
            "linux: net/ipv6/addrconf.c",
            "https://github.com/grml/grml/issues/160",
        ],
        ..BLANK
    },
    Cause {
        id: "wrong-nic-chosen",
        sentence: "The initrd configured another port than the one the machine booted from.",
        signs: &[
            usual("IP-Config: {interface} hardware address").times(2),
            usual("no response after {seconds:number} secs - giving up"),
            usual("dhcp for interface {interface} failed"),
            usual("multiple network interfaces found"),
            usual("wrong network interface"),
            trace("Network autoconfiguration failed"),
        ],
        clues: &[
            excludes("did not appear in time", "the port that booted is not there at all"),
            needs("BOOTIF", "nothing says which port booted"),
            supports("eno2", "there is another port"),
            needs("eth1", "no more than one port is seen"),
        ],
        fixes: &[
            fix(
                "pass the port that booted: iPXE `BOOTIF=01-${netX/mac:hexhyp}`, pxelinux `IPAPPEND 2`, GRUB `BOOTIF=01-$net_default_mac`",
            ),
            fix_on(Dracut, "`ip=BOOTIF:dhcp`, or `ifname=boot0:MAC ip=boot0:dhcp bootdev=boot0`"),
            fix_on(Debian, "`ip=:::::eno1:dhcp`, with the port's name"),
            fix("cable only the port that boots while you install"),
        ],
        hides: &[
            "dhcp-no-answer",
            "no-carrier",
            "nfs-server-unreachable",
            "live-medium-not-found",
            "http-unreachable",
            "init-exited",
        ],
        decide: "The MAC of the ROM's request in the server's log against the one in `IP-Config: … hardware address`",
        sources: &["initramfs-tools: scripts/functions", "dracut-ng: modules.d/35network-legacy"],
        ..BLANK
    },
    Cause {
        id: "bootif-unmatched",
        sentence: "No interface has the MAC that BOOTIF names.",
        signs: &[
            proof("bootif_connection.nmconnection{:any}failed to load connection"),
            proof("bootif_connection.nmconnection'{:any}: failed to load connection"),
            proof("for interface with MAC address {mac} to become available")
                .says("No interface with the MAC {mac}, which BOOTIF names, appeared."),
            usual("secs for device with address {mac} to become available")
                .unless(&["done"])
                .at_the_end()
                .says("The initrd waits for the interface with the MAC {mac}, which does not appear."),
            proof("no interface with MAC {mac}").says("No interface has the MAC {mac}, which BOOTIF names."),
            proof("BOOTIF={bootif} does not match"),
            proof("BOOTIF{:any} not found"),
            proof("Could not find interface with MAC"),
            usual("invalid BOOTIF"),
        ],
        messages: messages::BOOTIF_UNMATCHED,
        fixes: &[
            fix(
                "write it as pxelinux does: `BOOTIF=01-aa-bb-cc-dd-ee-ff`, in lower case, with dashes, with the 01 in front",
            ),
            fix("put the driver of exactly that card into the initrd: others may work while it is missing"),
            fix("a bond takes another card's MAC: name the port with `ip=` instead"),
        ],
        hides: &[
            "nic-driver-missing",
            "dhcp-no-answer",
            "nic-late",
            "wrong-nic-chosen",
            "live-medium-not-found",
            "nfs-server-unreachable",
            "init-exited",
        ],
        decide: "`cat /sys/class/net/*/address` in the initrd's shell against BOOTIF in /proc/cmdline",
        sources: &["initramfs-tools: scripts/functions"],
        ..BLANK
    },
    Cause {
        id: "lacp-required",
        sentence: "The switch port only works as a member of a link aggregation (LACP), which the initrd does not speak.",
        signs: &[
            proof("LACP currently not enabled on the remote port"),
            proof("suspended by LACP"),
            proof("No 802.3ad response from the link partner"),
            usual("port suspended: no LACP PDUs")
                .says("The switch suspends the port: it hears no LACP from it."),
            usual("(s)uspended: LACP"),
            proof("suspended(no LACP PDUs)").says("The switch suspends the port: it hears no LACP from it."),
            usual("ETH_PORT_CHANNEL-5-PORT_SUSPENDED"),
            usual("EC-5-L3DONTBNDL2"),
        ],
        messages: messages::LACP_REQUIRED,
        fixes: &[
            fix(
                "let the port work alone: Cisco `no lacp suspend-individual`, Arista `port-channel lacp fallback static`, Juniper `force-up`",
            ),
            fix_on(Dracut, "`bond=bond0:eno1,eno2:mode=802.3ad ip=bond0:dhcp` on the kernel's command line"),
            fix("take the port out of the aggregation while you install"),
        ],
        hides: &[
            "dhcp-no-answer",
            "ipxe-dhcp-failed",
            "dhcp-no-offer",
            "route-missing",
            "http-unreachable",
            "nfs-server-unreachable",
        ],
        decide: "The switch: is the port suspended or individual (`show lacp`); the server sees nothing while the link is up",
        sources: &[
            "https://github.com/TritonDataCenter/sdcboot/issues/2",
            "dracut-ng: modules.d/35network-legacy/parse-bond.sh",
            "linux: drivers/net/bonding",
        ],
        ..BLANK
    },
    Cause {
        id: "vlan-mismatch",
        sentence: "The boot network is another VLAN than the port gives untagged.",
        signs: &[
            proof("native VLAN mismatch"),
            usual("VLAN mismatch"),
            usual("wrong vlan"),
            usual("vlan={vlan}: no such device")
                .says("The command line wants VLAN {vlan} on an interface that is not there."),
            usual("8021q: {:any} failed"),
            usual("can't add vlan"),
            proof("NATIVE_VLAN_MISMATCH"),
        ],
        messages: messages::VLAN_MISMATCH,
        fixes: &[
            fix("set the native (untagged) VLAN of the switch port to the boot network"),
            fix_on(Dracut, "`vlan=eth0.10:eth0 ip=eth0.10:dhcp` on the kernel's command line"),
            fix("iPXE: `vcreate --tag 10 net0`, `dhcp net0-10`"),
        ],
        hides: &["dhcp-no-answer", "dhcp-no-offer"],
        decide: "The switch's MAC table: in which VLAN does it see this MAC; `tcpdump -e vlan` on the server",
        sources: &["dracut-ng: modules.d/35network-legacy/parse-vlan.sh"],
        ..BLANK
    },
    Cause {
        id: "mtu-mismatch",
        sentence: "Large packets are lost on the way: small files work, the first big transfer hangs.",
        signs: &[
            proof("Message too long"),
            trace("IP-Config: {interface} hardware address {mac} mtu 9000")
                .says("{interface} took an MTU of 9000 from DHCP."),
            proof("frag needed and DF set"),
            proof("Fragmentation needed"),
            usual("frag_list"),
            usual("mtu greater than device maximum"),
            usual("MTU too large"),
            usual("mtu less than device minimum"),
        ],
        messages: messages::MTU_MISMATCH,
        clues: &[supports("not responding", "the server hears small packets only")],
        fixes: &[
            fix(
                "the same MTU on server, switch and box: DHCP option 26 of 9000 only where the whole way carries it",
            ),
            fix("`ip link set IF mtu 1500` on the server's side, or `rsize=1024` for NFS over UDP"),
        ],
        hides: &["nfs-hang-after-mount", "nfs-server-unreachable", "ipxe-stall"],
        decide: "`ping -M do -s 8972 SERVER` (or 1472) from the same network",
        sources: &["https://github.com/ipxe/ipxe/issues/690", "https://github.com/ipxe/ipxe/issues/987"],
        ..BLANK
    },
];
