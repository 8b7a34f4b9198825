//! Causes of the stage `initrd-net`: the network in the initrd. Definitions only; how they are found in a log is `diagnosis`'s.
//!
//! Long because networks fail in so many ways, and each way has its own remedy.

use super::System::{Debian, Dracut, Line, Ubuntu};
use super::{BLANK, Cause, against, excludes, fix, fix_on, ipxe, needs, proof, supports, trace, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "dhcp-no-answer",
        sentence: "The initrd asks for an address and hears nothing, though the firmware got one on this network.",
        signs: &[
            proof("no offer to {mac} in {count:number} requests of an operating system").says(
                "The operating system on {mac} asks for an address {count} times, and nobody offers one.",
            ),
            usual("IP-Config: no response after {seconds:number} secs - giving up"),
            usual("DHCP requests {:any} timed out"),
            usual("dhcp for interface {interface} failed")
                .says("DHCP on {interface} hears no answer in the initrd."),
            usual("No DHCPOFFERS received"),
            usual("udhcpc: no lease, failing"),
            usual("No DHCP reply received"),
            usual("No lease, forking to background"),
            usual("no lease, failing"),
            usual("DHCP4: addresses acquisition failed"),
            usual("dhcp4 ({interface}): request timed out"),
            usual("Network autoconfiguration failed"),
            usual("DHCP failed, giving up"),
            usual("no IPv4 DHCP lease"),
            usual("no acceptable DHCPOFFERS received"),
            usual("No working leases in persistent database - sleeping"),
            usual("no matching response packet received"),
            usual("Auto-configuration of network failed"),
            usual("network is probably not using the DHCP protocol"),
            usual("reason 'ip-config-unavailable'"),
            usual("Failed to get an IP via DHCP"),
            usual("sending discover").times(8),
            usual("broadcasting discover").times(8),
            usual("dhcpcd: timed out"),
            usual("dhcpcd[{pid:number}]: timed out"),
            trace("^timed out$"),
            usual("no/incomplete answer."),
            usual("Network setup failed, see"),
            usual("Failed to setup DHCP network interface"),
            usual("NoDHCPLeaseError"),
            usual("Either DHCP failed or we were unable to access {url}"),
        ],
        clues: &[
            supports("Link is up", "the cable carries a link"),
            supports("link becomes ready", "the cable carries a link"),
            excludes("no carrier detected", "there is no link"),
            supports("soliciting a DHCP lease", "a DHCP client asked"),
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
    },
    Cause {
        id: "dhcp-server-silent",
        sentence: "The request reaches the DHCP server, but it does not answer this client.",
        signs: &[
            proof("DHCPDISCOVER from {mac} via {interface}: unknown client")
                .says("The DHCP server hears {mac}, but only answers clients that it knows."),
            proof("DHCPDISCOVER from {mac} via {interface}: unknown network segment")
                .says("The DHCP server hears {mac}, but has no subnet for {interface}."),
            proof("DHCPDISCOVER from {mac} {:any}: booting disallowed")
                .says("The DHCP server hears {mac}, and is told not to answer it."),
            proof("DHCPDISCOVER({interface}) {mac} ignored")
                .says("dnsmasq hears {mac} on {interface}, and ignores it."),
            proof("DHCPDISCOVER({interface}) {mac} no address configured"),
            proof("No subnet declaration for {interface}")
                .says("The DHCP server has no subnet for {interface}, and does not answer there."),
            usual("network segment: not authoritative"),
            proof("failed to select a subnet for incoming packet"),
            proof("DHCP4_PACKET_DROP_{number:number}"),
            proof("DHCP4_CLASSES_{:any}drop"),
            usual("DHCP_DROP"),
            proof("not in class; ignored"),
            usual("DHCPDISCOVER from {mac}").times(5),
            proof("DHCP packet received on {interface} which has no address")
                .says("The DHCP server has no address of its own on {interface}, so it cannot answer there."),
            proof("failed to bind DHCP server socket: {why:any}")
                .says("The DHCP server could not start: {why}."),
            usual("failed to create listening socket for {:any}Address already in use")
                .says("dnsmasq could not start: something else listens on its port."),
            usual("dnsmasq: FAILED to start up"),
            proof("dnsmasq: unknown interface {interface}")
                .says("dnsmasq could not start: there is no interface {interface}."),
            proof("Not configured to listen on any interfaces!"),
            proof("There's already a DHCP server running"),
            proof("Can't bind to dhcp address: {why:any}").says("The DHCP server could not start: {why}."),
            proof("Can't open lease database {file}")
                .says("The DHCP server could not start: it cannot open {file}."),
            proof("Configuration file errors encountered -- exiting")
                .says("The DHCP server could not start: its configuration has errors."),
            proof("DHCP4_INIT_FAIL"),
            proof("DHCP4_CONFIG_LOAD_FAIL"),
            proof("DHCPSRV_NO_SOCKETS_OPEN"),
            usual("DHCPSRV_OPEN_SOCKET_FAIL"),
            usual("send_packet: {why:any}").unless(&["unreachable"]),
        ],
        clues: &[
            excludes("DHCPOFFER", "it answers"),
            excludes("DHCP4_LEASE_", "it answers"),
            excludes("no free leases", "it would answer, but has no address left"),
            excludes("no address available", "it would answer, but has no address left"),
        ],
        fixes: &[
            fix(
                "let the operating system's request (no vendor class PXEClient) into the same pool as the ROM's",
            ),
            fix(
                "declare the subnet of the interface the request comes in on, with a range: ISC `subnet … { range …; }`, Kea `subnet4` with its `interface`",
            ),
            fix(
                "take `deny unknown-clients`, `ignore booting` or dnsmasq's `dhcp-ignore` off, or list this MAC",
            ),
        ],
        hides: &["dhcp-no-answer", "dhcp-no-offer", "ipxe-dhcp-failed", "rom-exit"],
        decide: "The server's log for this MAC: what is said behind DHCPDISCOVER, and whether an OFFER follows",
        sources: &["ISC DHCP: server/dhcp.c", "dnsmasq: src/rfc2131.c", "Kea: messages manual"],
        ..BLANK
    },
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
        ],
        clues: &[
            excludes("no devices to configure", "there is no interface"),
            against("unsupported SFP", "the driver refuses the module in the port"),
            excludes("IP-Config: {interface} complete", "an interface has its address"),
            excludes("lease of {ip} obtained", "an interface has its address"),
            excludes("DHCPv4 address {ip}", "an interface has its address"),
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
            proof("no interface with MAC {mac}").says("No interface has the MAC {mac}, which BOOTIF names."),
            proof("BOOTIF={bootif} does not match"),
            proof("BOOTIF{:any} not found"),
            proof("Could not find interface with MAC"),
            usual("invalid BOOTIF"),
        ],
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
        ],
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
        ],
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
    Cause {
        id: "duplicate-address",
        sentence: "Another machine has the same address.",
        signs: &[
            proof("Duplicate address detected for {address}")
                .says("Another machine has the address {address} already."),
            proof("DHCPDECLINE of {address} from {mac}")
                .says("{mac} gave {address} back: another machine has it already."),
            proof("DHCPDECLINE on {address} from {mac}")
                .says("{mac} gave {address} back: another machine has it already."),
            proof("DHCPDECLINE({interface}) {address} {mac}")
                .says("{mac} gave {address} back: another machine has it already."),
            proof("Abandoning IP address {address}")
                .says("{address} is in use by somebody that the DHCP server does not know."),
            proof("IPv6 duplicate address {address}"),
            proof("flip flop {address}").says("Two MACs use {address} by turns."),
            proof("uses my IP address"),
            proof("IP address conflict"),
            proof("is duplicate address"),
            usual("arping: {address} is already in use"),
            proof("cannot be configured because it is already in use in the network"),
            proof("hardware address {mac} claims {address}").says("{mac} has the address {address} already."),
            proof("DAD detected {address}").says("Another machine has the address {address} already."),
            proof("some other host ({mac}) already uses address {address}")
                .says("{mac} has the address {address} already."),
        ],
        fixes: &[
            fix(
                "free the address: a machine with a static one inside the pool, two reservations, or a management controller (BMC)",
            ),
            fix("take static machines out of the range"),
        ],
        hides: &[
            "dhcp-two-servers",
            "dhcp-no-answer",
            "dhcp-no-offer",
            "tftp-reply-path",
            "tftp-timeout",
            "nfs-server-unreachable",
        ],
        decide: "`arping -D -I IF ADDRESS`: answers of two MACs",
        sources: &["dracut-ng: modules.d/35network-legacy/ifup.sh", "ISC DHCP: server/dhcp.c"],
        ..BLANK
    },
    Cause {
        id: "ip-param-bad",
        sentence: "The ip= (or ifname=) of the kernel's command line is written wrongly.",
        signs: &[
            proof("Sorry, unknown value '{value}' for parameter 'ip'"),
            proof("invalid ip= argument"),
            proof("ip= argument{:any} invalid"),
            proof("For argument 'ip={value}'").says("The command line's ip={value} is written wrongly."),
            proof("Malformed ip= parameter"),
            proof("Sorry, 'ip={value}' does not make sense for multiple interface configurations")
                .says("The command line's ip={value} does not fit several interfaces."),
            proof("ip={value}: invalid").says("The command line's ip={value} is written wrongly."),
            proof("Invalid arguments for ip="),
            proof("IP-Config: Incomplete network configuration"),
            proof("ipconfig: {interface}: SIOC{call}: Invalid argument"),
            proof("Can't parse ip= arg"),
            proof("ifname={value} {:any} invalid"),
            proof("Empty interface name for ip="),
            proof("IP-Config: Reopening network devices"),
            usual("ipconfig: {interface}: SIOCGIFINDEX: No such device")
                .says("The command line's ip= names {interface}, which is not there."),
            usual("ipconfig: {interface}: SIOCSIFADDR"),
            proof("Warning: parameter 'ip={value}' is in wrong format")
                .says("The command line's ip={value} is written wrongly."),
            usual("Error: inet prefix is expected rather than"),
            usual("Error: any valid prefix is expected rather than"),
        ],
        fixes: &[
            fix(
                "the order is `ip=CLIENT:SERVER:GATEWAY:NETMASK:HOST:INTERFACE:PROTOCOL`; or simply `ip=dhcp`",
            ),
            fix_on(
                Dracut,
                "`ip=INTERFACE:dhcp`, or `ip=ADDRESS::GATEWAY:PREFIX:HOST:INTERFACE:none`; IPv6 addresses in brackets",
            ),
            fix("name the interface as this kernel calls it (eno1, not eth0), or leave it out"),
        ],
        hides: &[
            "dhcp-no-answer",
            "nic-driver-missing",
            "nfs-server-unreachable",
            "live-medium-not-found",
            "init-exited",
            "dracut-module-missing",
        ],
        decide: "`cat /proc/cmdline`: count the colons",
        sources: &[
            "linux: Documentation/admin-guide/nfs/nfsroot.rst",
            "dracut-ng: dracut.cmdline(7)",
            "klibc: usr/kinit/ipconfig",
        ],
        ..BLANK
    },
    Cause {
        id: "network-not-requested",
        sentence: "The initrd never started the network: nothing on the command line asks for it.",
        signs: &[
            usual("dracut-initqueue timeout")
                .says("dracut waited for its root, but never started the network."),
            usual("dracut-initqueue{:any}: Warning: dracut-initqueue: timeout")
                .says("dracut waited for its root, but never started the network."),
            usual("Could not boot."),
            usual("without neednet=1"),
            usual("rd.neednet=0"),
        ],
        clues: &[
            excludes("dhcp", "the network was started"),
            excludes("IP-Config", "the network was started"),
            excludes("NetworkManager", "the network was started"),
            needs("http", "no network is needed"),
            excludes("carrier", "the network was started"),
            excludes("curl:", "the network was started"),
            excludes("% Received % Xferd", "the network was started: curl ran"),
        ],
        fixes: &[
            fix_on(
                Dracut,
                "`ip=dhcp rd.neednet=1` on the kernel's command line; `dracut --add network` if the module is not in",
            ),
            fix_on(Debian, "`boot=nfs` or `netboot=nfs`, with `ip=dhcp`"),
            fix("CoreOS: `ip=dhcp rd.neednet=1` where Ignition fetches its configuration"),
        ],
        hides: &["init-exited", "unit-timeout", "live-medium-not-found"],
        decide: "`lsinitrd -m | grep network`, and `cat /proc/cmdline`: does anything ask for the network",
        sources: &["https://github.com/coreos/coreos-installer/issues/10", "dracut-ng: dracut.cmdline(7)"],
        ..BLANK
    },
    Cause {
        id: "route-missing",
        sentence: "There is no route from this machine to the server.",
        signs: &[
            proof("ICMP: {router} says that {address} cannot be reached")
                .says("{router} has no way to {address}."),
            proof("{client} does not hear the answers of {server} port {port:number}")
                .says("{server} answers {client} on port {port}, but its answers do not arrive."),
            usual("Network is unreachable")
                .says("There is no route to the server: no gateway, or none that leads there."),
            proof("RPC: sendmsg returned error 101"),
            usual("sendmsg returned error 101"),
            usual("returned error -101"),
            usual("No gateway"),
            ipxe("280a60").says("iPXE has no route to the server: no gateway, or none that leads there."),
        ],
        clues: &[
            against("no carrier", "there is no link"),
            against("no devices to configure", "there is no interface"),
        ],
        fixes: &[
            fix(
                "send a router with DHCP (option 3), or the gateway in `ip=`: the server is on another network",
            ),
            fix("check the netmask: too narrow a one makes the server a stranger"),
            fix_on(Dracut, "IPv6: `rd.net.timeout.ipv6auto=60`, `ip=auto6`"),
        ],
        hides: &[
            "nfs-server-unreachable",
            "live-medium-not-found",
            "http-unreachable",
            "init-exited",
            "stage2-repo-missing",
            "nfs-tcp-unavailable",
            "dns-missing",
        ],
        decide: "`ip route` in the initrd's shell: is there a line for the server's network, or a default one",
        sources: &["https://github.com/rhinstaller/anaconda/issues/464", "linux: net/sunrpc"],
        ..BLANK
    },
    Cause {
        id: "dns-missing",
        sentence: "Names do not resolve in the initrd.",
        signs: &[
            usual("wget: bad address '{host}'").says("The name {host} does not resolve in the initrd."),
            usual("curl: (6) Could not resolve host: {host}").says("The name {host} does not resolve."),
            usual("Could not resolve host"),
            usual("unable to resolve host address '{host}'").says("The name {host} does not resolve."),
            usual("Temporary failure in name resolution"),
            usual("Name or service not known"),
            usual("Temporary failure resolving '{host}'").says("The name {host} does not resolve."),
            usual("no such host"),
            usual("lookup {host} on {server}: {:any}").unless(&["dnsmasq"]),
            usual("Couldn't resolve host name"),
            usual("mount.nfs: Failed to resolve server {host}").says("The name {host} does not resolve."),
            usual("Couldn't resolve host '{host}'"),
            usual("No address associated with hostname"),
            proof("no DNS servers configured"),
            proof("no DNS record found"),
            proof("no DNS reply received"),
        ],
        clues: &[
            against("no devices to configure", "there is no interface"),
            against("SIOCGIFINDEX: No such device", "there is no interface"),
            excludes("Network is unreachable", "there is no route at all"),
        ],
        fixes: &[
            fix("send a DNS server with DHCP (option 6), one that the box reaches"),
            fix(
                "with a static ip=: the DNS server as its eighth field (`…:eth0:none:10.0.0.1`), dracut also `nameserver=10.0.0.1`",
            ),
            fix("or write the server's address instead of its name"),
        ],
        hides: &[
            "http-unreachable",
            "live-medium-not-found",
            "archive-mirror-bad",
            "stage2-repo-missing",
            "nfs-server-unreachable",
            "squashfs-fetch-failed",
        ],
        decide: "`cat /etc/resolv.conf` in the initrd; does the address instead of the name work",
        sources: &["live-boot: 9990-netbase.sh"],
        ..BLANK
    },
    Cause {
        id: "boot-parameters-missing",
        sentence: "The kernel's command line does not say which server the live OS is of.",
        signs: &[proof("bootworks.server= is missing"), proof("the kernel's command line names no server")],
        fixes: &[
            fix_on(Line, "boot this box through `bootworks serve`, which writes the command line"),
            fix("a boot entry of your own: copy the command line that `bootworks serve` sends, whole"),
        ],
        decide: "`cat /proc/cmdline`: the words that begin with bootworks.",
        sources: &["bootworks: agent/src/init/network.rs"],
        ..BLANK
    },
];
