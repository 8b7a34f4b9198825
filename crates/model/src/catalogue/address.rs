//! Causes of the stage `initrd-net` behind the port: the address, the route and the names. Definitions only; how they are found in a log is `diagnosis`'s.

use super::System::{Debian, Dracut, Line, Ubuntu};
use super::messages::address as messages;
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
            usual("There was an error configuring the network interface"),
        ],
        messages: messages::DHCP_NO_ANSWER,
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
            "rootfs-wrong-image",
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
            usual("DHCP4_SUBNET_SELECTION_FAILED"),
            proof("Can't chown new lease file")
                .says("The DHCP server could not start: it cannot write its leases."),
            proof("cannot open or create lease file {file}: {why:any}")
                .says("dnsmasq could not start: it cannot write {file}."),
            usual("failed to bind listening socket for {:any}Address already in use")
                .says("dnsmasq could not start: something else listens on its port."),
            proof("DHCP4_PARSER_FAIL"),
            usual("DHCPDISCOVER from {mac} via {port}: network {network}: unknown client")
                .says("The DHCP server does not know {mac}, and gives addresses to known clients only."),
        ],
        messages: messages::DHCP_SERVER_SILENT,
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
            proof("conflict detected for IP address {address}")
                .says("Another machine has the address {address} already."),
            proof("Dropping address {address}, as an address conflict was detected")
                .says("Another machine has the address {address} already."),
            proof("IP-4-DUPADDR"),
            proof("{address} belongs to someone, reserving it")
                .says("Another machine has the address {address} already."),
        ],
        messages: messages::DUPLICATE_ADDRESS,
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
            // initramfs-tools, scripts/functions, `configure_networking`: it waits for what ip= names, minutes on end.
            usual("Waiting up to {seconds:number} secs for {interface} to become available")
                .unless(&["done", "for any", "for interface with", "for device with"])
                .at_the_end()
                .says("The initrd waits for {interface}, which ip= names and this machine does not have."),
            proof("Error parsing option 'ip={value}'")
                .says("The command line's ip={value} is written wrongly."),
            proof("Sorry, ip={value} is currenty unsupported").says("dracut does not know ip={value}."),
            proof("Sorry, automatic calculation of netmask is not yet supported")
                .says("The command line's ip= has an address and no netmask."),
            proof("Sorry, unknown value '{value}'")
                .says("The command line's ip= has the value {value}, which dracut does not know."),
            proof("Server-ip or dhcp for netboot needed, but current arguments say otherwise"),
            proof("vlan= requires two parameters"),
            proof("bond= requires zero to four parameters"),
            proof("bridge= requires two parameters"),
            proof("team= requires zero to three parameters"),
            proof("Invalid arguments for ifname="),
            usual("Please supply bootdev argument for multiple ip= lines"),
            usual("systemd-network-generator{:any}: Failed to parse kernel command line"),
        ],
        messages: messages::IP_PARAM_BAD,
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
            supports(
                "the command line asks for no network",
                "dracut brings up a network only where it is told to",
            ),
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
                .unless(&["send_packet"])
                .says("There is no route to the server: no gateway, or none that leads there."),
            proof("RPC: sendmsg returned error 101"),
            usual("sendmsg returned error 101"),
            usual("returned error -101"),
            usual("No gateway"),
            ipxe("280a60").says("iPXE has no route to the server: no gateway, or none that leads there."),
            usual("http://{address}... Network unreachable").unless(&["ipxe.org"]),
            usual("Nexthop has invalid gateway"),
        ],
        messages: messages::ROUTE_MISSING,
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
            usual("lookup {host} on {server}: {:any}").unless(&["dnsmasq", "ntp"]),
            usual("Couldn't resolve host name"),
            usual("mount.nfs: Failed to resolve server {host}").says("The name {host} does not resolve."),
            usual("Couldn't resolve host '{host}'"),
            usual("No address associated with hostname"),
            proof("no DNS servers configured"),
            proof("no DNS record found"),
            proof("no DNS reply received"),
            usual("Could not resolve '{host}'").says("The name {host} cannot be resolved."),
            usual("DNS lookup error"),
            usual("DNS: transient error"),
            usual("Could not resolve hostname {host}").says("The name {host} cannot be resolved."),
            usual("Name does not resolve"),
            usual("Resolving timed out after"),
            usual("curl: (5)"),
            usual("temporary error (try again later)"),
            usual("lookup {name}: i/o timeout").says("{name} does not resolve: no name server answers."),
        ],
        messages: messages::DNS_MISSING,
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
        messages: messages::BOOT_PARAMETERS_MISSING,
        fixes: &[
            fix_on(Line, "boot this box through `bootworks serve`, which writes the command line"),
            fix("a boot entry of your own: copy the command line that `bootworks serve` sends, whole"),
        ],
        decide: "`cat /proc/cmdline`: the words that begin with bootworks.",
        sources: &["bootworks: agent/src/init/network.rs"],
        ..BLANK
    },
    Cause {
        id: "network-config-invalid",
        sentence: "The system's network configuration has a mistake, and the network does not come up.",
        messages: messages::NETWORK_CONFIG_INVALID,
        fixes: &[
            fix_on(Ubuntu, "`netplan generate` says file, line and column of the mistake"),
            fix_on(Debian, "`ifup --no-act -a` says the line of /etc/network/interfaces"),
            fix(
                "NetworkManager: `nmcli connection load FILE`; systemd-networkd: `networkctl` and `journalctl -u systemd-networkd`",
            ),
        ],
        hides: &["network-wait-online", "unit-timeout", "dns-missing", "route-missing", "http-unreachable"],
        decide: "The line of the configuration that the message names",
        sources: &[
            "netplan: src/parse.c",
            "ifupdown: config.c",
            "NetworkManager: src/core/settings/plugins/keyfile",
            "systemd: src/network/networkd-network.c",
        ],
        ..BLANK
    },
];
