//! Causes of the stage `rom`: the firmware's PXE ROM and UEFI network stack. Definitions only; how they are found in a log is `diagnosis`'s.
//!
//! `PXE-Exx` codes are of Intel's PXE 2.1 ROM and its heirs; UEFI prints some of the same ones with its own words.

use super::System::Line;
use super::{BLANK, Cause, Kind, against, excludes, fix, fix_on, ipxe, proof, supports, trace, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "rom-no-link",
        sentence: "The firmware sees no Ethernet link on the port it boots from.",
        signs: &[
            proof("PXE-E61"),
            proof("PXE-E12"),
            proof("Media test failure"),
            proof("Could not detect network connection"),
            usual("No link detected on network port"),
            usual("Checking Media Presence").at_the_end(),
            usual("Media disconnected"),
        ],
        fixes: &[
            fix("look at the port's link LED: cable, SFP and switch port; then whether the switch port is shut"),
            fix("put the cabled port into the firmware's boot order: a card with more ports has a boot entry for each"),
            fix("fix speed and FEC on the switch port: many ROMs only negotiate, and 10G ports do not all do 1G"),
        ],
        hides: &["rom-exit", "dhcp-no-offer", "no-bootable-device"],
        decide: "`ethtool PORT` on the switch side, or the switch's port state: down means cable, SFP or speed; up means the wrong port boots",
        sources: &["edk2: NetworkPkg/UefiPxeBcDxe/PxeBcBoot.c", "Intel PXE 2.1 specification, appendix of ROM messages"],
        ..BLANK
    },
    Cause {
        id: "dhcp-two-servers",
        sentence: "Two DHCP servers answer on the boot network, and the box follows the wrong one.",
        signs: &[
            usual("DHCPNAK on {address} to {mac}").says("Two DHCP servers seem to answer: {mac} asked for {address} and was refused."),
            usual("DHCPNAK({interface}) {address} {mac} wrong server-ID").says("{mac} took another DHCP server's offer, not ours of {address}."),
            usual("DHCPNAK({interface}) {address} {mac} wrong network"),
            proof("DHCPREQUEST for {address} ({server}) from {mac} via {interface}: unknown lease").says("{mac} took the offer of another DHCP server, {server}."),
            proof("not our server identifier"),
            proof("DECLINE received"),
            proof("rogue DHCP server"),
            usual("DHCPDECLINE({interface})").unless(&["abandoned"]),
        ],
        clues: &[
            excludes("wrong address", "a lease from before, refused by the right server"),
            against("lease not found", "a lease from before"),
        ],
        fixes: &[
            fix("switch the other DHCP server off on this network (home routers and old boot servers have one each)"),
            fix_on(Line, "where the other one must stay: dhcp = \"proxy\" under [network] in line.toml"),
            fix("on a managed switch: DHCP snooping, with the server's port as the only trusted one"),
        ],
        hides: &["dhcp-no-bootfile", "dhcp-no-offer", "ipxe-nothing-to-boot", "rom-exit"],
        decide: "`nmap --script broadcast-dhcp-discover -e INTERFACE` on the boot network lists every server that answers",
        sources: &["https://github.com/ipxe/ipxe/pull/879", "https://github.com/erwan2212/tinypxeserver/issues/1", "dnsmasq: src/rfc2131.c"],
        ..BLANK
    },
    Cause {
        id: "dhcp-pool-empty",
        sentence: "The DHCP server has no address left for this box.",
        signs: &[
            proof("DHCPDISCOVER({interface}) {mac} no address available").says("The DHCP server has no address left for {mac} on {interface}."),
            proof("no address range available for DHCP request").says("The DHCP server has no range of addresses for the network this request came from."),
            proof("no free leases"),
            proof("peer holds all free leases"),
            proof("ALLOC_ENGINE_V4_ALLOC_FAIL"),
            proof("ALLOC_ENGINE_V4_ALLOC_FAIL_NO_POOLS"),
            proof("all leases are in use"),
            proof("POOL EXHAUSTED"),
        ],
        fixes: &[
            fix_on(Line, "widen `range` under [network] in line.toml; each box may take two addresses while it boots"),
            fix("widen the range or shorten the lease time (an hour is enough on a build network), and restart the DHCP server"),
            fix("delete stale leases: a box that boots with firmware, iPXE and an OS may hold one lease for each client id"),
        ],
        hides: &["dhcp-no-offer", "dhcp-server-silent", "dhcp-no-answer", "ipxe-dhcp-failed", "rom-exit"],
        decide: "Count the leases: `wc -l` of the leases file against the size of the range",
        sources: &["https://github.com/projectcalico/felix/issues/233", "https://github.com/RaspAP/raspap-webgui/issues/912", "ISC DHCP: server/dhcp.c", "Kea: messages manual"],
        ..BLANK
    },
    Cause {
        id: "dhcp-no-offer",
        sentence: "The firmware asks for an address and gets no offer that it can use.",
        signs: &[
            proof("PXE-E51"),
            proof("PXE-E52").says("An offer of a boot file came, but none of an address: the DHCP server beside the proxy is silent."),
            proof("PXE-E16"),
            proof("No DHCP or proxyDHCP offers were received"),
            proof("No valid offer received"),
            usual("No DHCP offers were received"),
            trace("PXE({interface}) {mac} proxy").times(4).says("{mac} asks again and again, and takes none of the offers that it gets."),
            usual("Retry time exceeded; starting again"),
        ],
        clues: &[supports("DHCPDISCOVER from", "the server hears the box"), supports("DHCPOFFER on", "an offer went out"),
            supports("sent size: {size:number} option: 53 message-type 2", "an offer went out"),
            against("user class: iPXE", "a boot file was fetched"),
            against("dnsmasq-tftp", "a boot file was fetched"),
        ],
        fixes: &[
            fix("bring the port into the boot network: untagged in its VLAN, or a DHCP relay (`ip helper-address`) on the router"),
            fix("switch port: portfast (edge), so that it forwards before the ROM gives up after 30 to 60 s"),
            fix("give the offer what this firmware wants: boot file and next-server for its architecture (option 93)"),
            fix_on(Line, "check `interface` under [network] in line.toml: `bootworks serve` answers on that one only"),
        ],
        hides: &["rom-exit", "no-bootable-device"],
        decide: "Does the DHCP server log this MAC? No line: cable, VLAN, relay, spanning tree. DISCOVER and OFFER again and again: the offer is not usable, or is lost on its way back",
        sources: &["edk2: NetworkPkg/UefiPxeBcDxe", "https://github.com/pypxe/PyPXE/issues/15", "Intel PXE 2.1 specification, appendix of ROM messages"],
        ..BLANK
    },
    Cause {
        id: "dhcp-no-bootfile",
        sentence: "The box got an address, but no name of a file to boot.",
        signs: &[
            proof("PXE-E53"),
            proof("No boot filename received"),
            usual("no boot file name").unless(&["ipxe"]),
        ],
        clues: &[supports("DHCP IP: {server}", "compare it with the boot server's address: another one means a second DHCP server")],
        fixes: &[
            fix("name a boot file for this architecture (option 93): dnsmasq `dhcp-boot=tag:efi64,ipxe.efi`, ISC `if option arch = 00:07 { filename \"ipxe.efi\"; }`"),
            fix("switch off the other DHCP server, if `DHCP IP:` on the screen is not the boot server's address"),
            fix_on(Line, "`bootworks serve` names a file to BIOS, EFI x64 and HTTP clients by itself: another server answered"),
        ],
        hides: &["rom-exit", "no-bootable-device"],
        decide: "`DHCP IP:` on the box's screen: the boot server's address means it sends no file to this architecture; another one is a second DHCP server",
        sources: &["https://github.com/pypxe/PyPXE/issues/15", "Intel PXE 2.1 specification, appendix of ROM messages"],
        ..BLANK
    },
    Cause {
        id: "pxe-no-proxy-reply",
        sentence: "The firmware was told to ask a PXE boot server on port 4011, and that one does not answer.",
        signs: &[
            proof("PXE-E55"),
            proof("PXE-E78"),
            proof("PXE-E77"),
            proof("PXE-E7A"),
            proof("service did not reply to request on port 4011"),
            proof("Could not locate boot server"),
        ],
        fixes: &[
            fix("take option 60 `PXEClient` out of the DHCP server's answers, if no proxyDHCP runs on that machine"),
            fix("or open udp/4011 to it and start the proxyDHCP there"),
            fix("take a dead boot server out of the PXE menu (option 43)"),
        ],
        hides: &["rom-exit", "tftp-timeout"],
        decide: "`tcpdump -ni INTERFACE port 4011` on the boot server: a request without a reply is this",
        sources: &["Intel PXE 2.1 specification, appendix of ROM messages", "dnsmasq manual: pxe-service"],
        ..BLANK
    },
    Cause {
        id: "pxe-menu-bad",
        sentence: "The PXE options of the DHCP answer (option 43) are incomplete, and this ROM does not go on without.",
        signs: &[
            proof("PXE-E74"),
            proof("PXE-E75"),
            proof("PXE-E76"),
            proof("Bad or missing PXE menu"),
            proof("Bad or missing PXE Boot Server list"),
            proof("Bad or missing multicast discovery address"),
        ],
        fixes: &[
            fix("drop option 43 (often left from Windows deployment services): file name and next-server are enough"),
            fix("or send it whole: dnsmasq `pxe-prompt=\"Boot\",1` and a `pxe-service` line do"),
        ],
        hides: &["rom-exit"],
        decide: "`tcpdump -vni INTERFACE port 67`: is there a vendor option 43 in the offer, and from which server",
        sources: &["Intel PXE 2.1 specification, appendix of ROM messages"],
        ..BLANK
    },
    Cause {
        id: "tftp-arp-timeout",
        sentence: "Nobody on the boot network has the address of the TFTP server that DHCP names.",
        signs: &[
            proof("PXE-E11"),
            usual("ARP timeout").unless(&["ipxe"]),
            ipxe("4c3760"),
            proof("ARP Retry count exceeded"),
        ],
        fixes: &[
            fix("set next-server (siaddr, option 66) to the TFTP server's address on the boot network itself"),
            fix("or name a router (option 3) that leads to it; check the netmask that is leased"),
            fix("lift port isolation or private VLANs between the box and the server"),
        ],
        hides: &["rom-exit", "tftp-timeout"],
        decide: "Compare next-server of the DHCP answer with the leased network: outside of it without a router cannot work",
        sources: &["Intel PXE 2.1 specification, appendix of ROM messages", "ipxe: src/net/neighbour.c"],
        ..BLANK
    },
    Cause {
        id: "tftp-reply-path",
        sentence: "The TFTP server's answers do not come back to the box: they leave from another address or port, or a firewall eats them.",
        signs: &[
            proof("failed sending {file} to {client}").says("The TFTP server sends {file}, but {client} never acknowledges it."),
            usual("RRQ '{file}' octet").times(4).says("The box asks for {file} again and again: the TFTP server's answers do not reach it."),
            usual("RRQ from {client} filename {file}").times(4).says("{client} asks for {file} again and again: the TFTP server's answers do not reach it."),
            proof("in.tftpd: timeout waiting for ack"),
            usual("udp port {port:number} unreachable").says("The TFTP server's answers to port {port} of the box are refused on their way."),
        ],
        clues: &[
            excludes("User aborted the transfer", "UEFI asks for the size first, then again for the file"),
            excludes("File not found", "an answer came: the file is not there"),
        ],
        fixes: &[
            fix("run the TFTP server on the host's own network, not behind a container's bridge (`network_mode: host`)"),
            fix("bind it to the address the box asks: dnsmasq `listen-address=`, tftpd-hpa `--address ADDRESS:69`"),
            fix("on a firewall between: `modprobe nf_conntrack_tftp` and allow related, or a port range (`--port-range`, `tftp-port-range`)"),
        ],
        hides: &["tftp-timeout", "rom-exit"],
        decide: "`tcpdump -ni INTERFACE udp` on the box's side of every firewall: from which address and port do the answers come",
        sources: &["https://github.com/linuxserver/docker-netbootxyz/issues/17", "https://github.com/sapcc/helm-charts/pull/11738", "dnsmasq: src/tftp.c"],
        ..BLANK
    },
    Cause {
        id: "tftp-timeout",
        sentence: "The firmware's TFTP request gets no answer.",
        signs: &[
            proof("PXE-E32"),
            proof("PXE-E35"),
            proof("PXE-E38"),
            proof("PXE-E18"),
            proof("PXE-E22").says("The TFTP server's machine refuses the request: no TFTP server listens on that address."),
            proof("TFTP open timeout"),
            proof("TFTP read timeout"),
            ipxe("4c1260"),
            proof("^tftp: timeout"),
            usual("Retry count exceeded; starting again").unless(&["ARP"]),
        ],
        clues: &[
            supports("NBP filename is", "the box knows what to ask for"),
        ],
        fixes: &[
            fix("start the TFTP server and let it listen on the boot network: `ss -ulnp sport = :69`"),
            fix("open udp/69 (and the ports of its answers): `firewall-cmd --add-service=tftp`, `ufw allow 69/udp`"),
            fix("point next-server at the machine that runs it"),
            fix_on(Line, "`bootworks serve` has TFTP built in; if another one holds port 69 it says so when it starts"),
        ],
        hides: &["rom-exit", "no-bootable-device"],
        decide: "From another machine on that network: `curl -v tftp://SERVER/FILE`. It works: look for tftp-reply-path; it does not: the server or its firewall",
        sources: &["https://github.com/bluebanquise/bluebanquise/issues/991", "https://github.com/brainupdaters/drlm/issues/36", "https://github.com/xcat2/xcat-core/issues/4830"],
        ..BLANK
    },
    Cause {
        id: "nbp-filename-is-url",
        sentence: "A ROM that only knows TFTP was given an http address as its boot file.",
        signs: &[
            proof("NBP filename is http://{file}").says("The firmware was given http://{file} as its boot file, but asks for it by TFTP."),
            proof("NBP filename is https://{file}").says("The firmware was given https://{file} as its boot file, but asks for it by TFTP."),
            proof("tftp{:any} file {root}/http:/{file} not found").says("A ROM asks the TFTP server for http:/{file}: it was given an address instead of a file."),
            proof("filename http://{file}").says("A ROM asks the TFTP server for http://{file}: it was given an address instead of a file."),
        ],
        fixes: &[
            fix("send addresses only to who understands them: user class `iPXE` (option 77), or vendor class `HTTPClient`"),
            fix("dnsmasq: `dhcp-userclass=set:ipxe,iPXE`, `dhcp-boot=tag:!ipxe,ipxe.efi`, `dhcp-boot=tag:ipxe,http://SERVER/boot.ipxe`"),
        ],
        hides: &["tftp-file-not-found", "tftp-timeout", "rom-exit"],
        decide: "Vendor class in the DHCP server's log: `PXEClient` takes file names, `HTTPClient` takes addresses",
        sources: &["https://github.com/bluebanquise/bluebanquise/issues/854"],
        ..BLANK
    },
    Cause {
        id: "tftp-access-denied",
        sentence: "The TFTP server may not read the file that the firmware asks for.",
        signs: &[
            proof("PXE-T02"),
            proof("PXE-E3C"),
            proof("PXE-E3A"),
            usual("Access violation").unless(&["segfault", "0xc0000005"]),
            ipxe("021260"),
            proof("tftpd{:any} Permission denied"),
            proof("dnsmasq-tftp{:any}: cannot access {file}: Permission denied").says("The TFTP server may not read {file}."),
            proof("sending NAK (2, Access violation)"),
            usual("Only absolute filenames allowed"),
        ],
        fixes: &[
            fix("make it readable to all, folders too: `chmod -R a+rX /srv/tftp`"),
            fix_on(super::System::Dracut, "restore its SELinux label: `restorecon -R /var/lib/tftpboot`"),
            fix("ask for a path inside the TFTP root: links that lead out of it are refused"),
        ],
        hides: &["rom-exit"],
        decide: "`namei -l /srv/tftp/FILE` and `ls -Z` on the server; dnsmasq's tftp-secure wants the file to be its own user's",
        sources: &["https://github.com/ipxe/ipxe/issues/636", "dnsmasq: src/tftp.c"],
        ..BLANK
    },
    Cause {
        id: "tftp-file-not-found",
        sentence: "The TFTP server has no file of the name that the firmware asks for.",
        signs: &[
            proof("PXE-T01"),
            proof("PXE-E3B"),
            proof("PXE-E36"),
            usual("PXE-E23"),
            proof("TFTP{:any} File not found"),
            ipxe("2d1261"),
            proof("dnsmasq-tftp{:any}: file {file} not found")
                .unless(&["pxelinux.cfg", ".lst", "grub.cfg", "revocations", "autoexec", "ldlinux", ".c32", "http:/", "boot.cfg"])
                .says("The TFTP server has no file {file}."),
            proof("Client {client} File not found {file}")
                .unless(&["pxelinux.cfg", ".lst", "grub.cfg", "revocations", "autoexec", "ldlinux", ".c32", "http:/"])
                .says("The TFTP server has no file {file}, which {client} asks for."),
            usual("sending NAK (1, File not found)"),
            proof("TFTP error: 'File not found'"),
            proof("atftpd{:any}: File {file} not found").unless(&["pxelinux.cfg", "grub.cfg", "ldlinux", ".c32"]),
        ],
        clues: &[
            excludes("filename {path}pxelinux.cfg/{name}", "pxelinux asks for names that need not be there"),
            excludes("filename pxelinux.cfg/{name}", "pxelinux asks for names that need not be there"),
            against("x86_64-efi/command.lst", "GRUB asks for files that need not be there"),
        ],
        fixes: &[
            fix("put the file where the TFTP root is (`ps ax | grep tftp` shows it), with exactly this name: case and slashes count"),
            fix("or correct the boot file's name in DHCP (option 67); it is taken from the TFTP root, not from /"),
            fix("make it readable: some servers say `not found` where they may not read"),
        ],
        hides: &["rom-exit", "no-bootable-device"],
        decide: "The TFTP server's log has the path that it looked for",
        sources: &["https://github.com/cobbler/cobbler/issues/2873", "edk2: NetworkPkg/UefiPxeBcDxe"],
        ..BLANK
    },
    Cause {
        id: "tftp-size-limit",
        sentence: "The file is larger than this TFTP transfer can count: its block number has 16 bits.",
        signs: &[
            proof("Expecting ACK for block {expected:number}, received {received:number}").says("The TFTP transfer stopped at block {received}: server and client count differently beyond it."),
            proof("block counter rollover"),
            proof("TFTP block rollover"),
            proof("file too large for TFTP"),
            proof("Requested file too large, increase block size"),
            proof("block number wrap"),
            usual("TFTP error: 'Undefined error code'"),
            ipxe("3d1260"),
            usual("Data Packet, Block: 0").at_the_end(),
            usual("Acknowledgement, Block: 65535").at_the_end(),
            usual("DATA block 0").at_the_end(),
            usual("ACK block 65535").at_the_end(),
        ],
        fixes: &[
            fix("fetch kernel and initrd over HTTP: iPXE does, and is faster"),
            fix("or raise the block size on both sides (dnsmasq: no `tftp-no-blocksize`; tftpd-hpa: no `--refuse blksize`): 1468 octets allow 91 MiB"),
            fix("or use a server that starts the count over (dnsmasq, tftpd-hpa `--map-file` without `-r`)"),
        ],
        hides: &["tftp-timeout", "rom-exit"],
        decide: "Does it stop near 32 MiB (65535 blocks of 512), or near 91 MiB (of 1468)",
        sources: &["https://github.com/eblot/pybootd/issues/21", "https://github.com/raspberrypi/rpi-eeprom/issues/720", "https://github.com/nxp-archive/openil/issues/69", "RFC 1350, RFC 2348"],
        ..BLANK
    },
    Cause {
        id: "nbp-too-big",
        sentence: "The boot file does not fit into the memory that the firmware has for it.",
        signs: &[
            proof("PXE-E79"),
            proof("NBP is too big"),
            usual("PXE-E05: Buffer size is smaller"),
            proof("Buffer size is smaller than the requested file"),
            usual("PXE-E00"),
        ],
        fixes: &[
            fix("name a network boot program as boot file: undionly.kpxe or pxelinux.0 for BIOS, ipxe.efi or grubx64.efi for UEFI"),
            fix("no kernel, ISO or wim there: these are what the boot program fetches afterwards"),
        ],
        hides: &["rom-exit"],
        decide: "Size of the boot file on the server: BIOS has some 500 KiB for it",
        sources: &["Intel PXE 2.1 specification, appendix of ROM messages", "edk2: NetworkPkg/UefiPxeBcDxe"],
        ..BLANK
    },
    Cause {
        id: "nbp-wrong-arch",
        sentence: "The boot file was fetched but does not start: it is for another processor or another kind of firmware.",
        signs: &[
            usual("Succeed to download NBP file").at_the_end(),
            usual("NBP file downloaded successfully").at_the_end(),
            usual("NBP file downloaded successfully").times(2),
            trace("NBP file downloaded successfully"),
            proof("Unsupported image type"),
            proof("Image type X64 can't be loaded on IA32"),
            proof("Image type {type} can't be loaded on {machine}").says("The boot file is for {type}, the firmware is {machine}."),
        ],
        clues: &[
            excludes("Access Denied", "it is refused by Secure Boot"),
            excludes("did not authenticate", "it is refused by Secure Boot"),
            excludes("Security Violation", "it is refused by Secure Boot"),
            excludes("iPXE initialising devices", "the boot file runs"),
            excludes("Welcome to GRUB", "the boot file runs"),
            supports("Boot Failed", "the firmware gives it back"),
            supports("No bootable option or device was found", "the firmware gives it back"),
            supports("failed to load Boot{number:hex}", "the firmware gives it back"),
        ],
        fixes: &[
            fix("choose the file by option 93: 0 is BIOS (undionly.kpxe), 7 and 9 EFI x64 (ipxe.efi), 6 EFI 32 bit, 11 EFI arm64"),
            fix("check Secure Boot: some firmwares refuse an unsigned file without a word"),
            fix_on(Line, "`bootworks serve` chooses by option 93 itself: look for a second DHCP server"),
        ],
        hides: &["rom-exit", "no-bootable-device"],
        decide: "`file BOOTFILE` on the server against option 93 in the DHCP log",
        sources: &["https://github.com/ipxe/ipxe/issues/1349", "RFC 4578 §2.1"],
        ..BLANK
    },
    Cause {
        id: "secureboot-denied",
        sentence: "Secure Boot refuses the boot file: it is not signed by a key that this firmware knows.",
        signs: &[
            proof("did not authenticate"),
            proof("Security Violation").unless(&["ipxe.org"]),
            proof("Security Policy Violation"),
            proof("Verification failed: (0x{efi:hex})"),
            proof("Verifiying shim SBAT data failed"),
            proof("Verifying shim SBAT data failed"),
            proof("Secure Boot Violation"),
            proof("Invalid signature detected. Check Secure Boot Policy"),
            proof("SBAT self-check failed"),
            usual("Access Denied").unless(&["http", "smb", "login", "ipxe", "tftp"]),
            proof("Image Authorization Fail"),
            proof("Image failed to verify with"),
        ],
        clues: &[
            against("curl", "a download was refused"),
            against("MMIO", "another kind of access"),
        ],
        fixes: &[
            fix("boot through a signed chain: shimx64.efi (as boot file) with the distribution's grubx64.efi beside it"),
            fix("or enrol your key: `mokutil --import KEY.der`, then confirm on the box's screen"),
            fix("or switch Secure Boot off in the firmware's setup"),
            fix("`SBAT`: the shim is too old for this firmware's revocation list; take the current package"),
        ],
        hides: &["rom-exit", "nbp-wrong-arch", "shim-second-stage", "no-bootable-device"],
        decide: "Switch Secure Boot off once: if it boots then, the file that was fetched last is the one refused",
        sources: &["https://github.com/ipxe/ipxe/issues/1653", "https://github.com/rhboot/shim/issues/436", "edk2: MdeModulePkg/Library/UefiBootManagerLib"],
        ..BLANK
    },
    Cause {
        id: "http-boot-failed",
        sentence: "UEFI HTTP Boot cannot get its file from the web server.",
        signs: &[
            proof("Could not retrieve NBP file size from HTTP server"),
            proof("Error: Server response timeout").says("UEFI HTTP Boot: the web server does not answer."),
            proof("Unable to download the file from HTTP server"),
            proof("Error: Unsupported file type"),
            proof("Error: Could not retrieve the NBP"),
            usual("'HEAD {path} HTTP/{version}' 404 {:any} 'UefiHttpBoot").says("The firmware asks the web server for {path}, which is not there."),
            proof("HTTP Status Code: {status:number}").says("UEFI HTTP Boot: the web server answers {status}."),
            proof("Http Boot Failed"),
        ],
        fixes: &[
            fix("give the whole address, with the server as a number: http://10.77.0.1/ipxe.efi, and try it with `curl -I`"),
            fix("allow plain http in the firmware's setup (`Allow HTTP connections`), or use https with its certificate enrolled"),
            fix("serve it as a plain file with Content-Length: the firmware asks HEAD first and does not take chunks"),
            fix("let the DHCP answer carry vendor class `HTTPClient` (option 60)"),
        ],
        hides: &["rom-exit", "no-bootable-device"],
        decide: "The web server's log: no line is DHCP, DNS or the firmware's policy; HEAD 404 the path; HEAD 200 without GET the missing length",
        sources: &["edk2: NetworkPkg/HttpBootDxe", "https://github.com/tianocore/edk2/issues/10232", "https://github.com/ipxe/ipxe/issues/1316"],
        ..BLANK
    },
    Cause {
        id: "rom-nic-fault",
        sentence: "The boot ROM reports trouble with the network card itself.",
        signs: &[
            proof("PXE-E01"),
            proof("PXE-E04"),
            proof("PXE-E05: The LAN adapter's configuration is corrupted"),
            proof("PXE-E06"),
            usual("PXE-E07"),
            proof("PXE-E08"),
            proof("PXE-E09"),
            proof("PXE-E62"),
            proof("PXE-E63"),
            proof("PXE-E64"),
            proof("PXE-E67"),
            proof("PXE-E68"),
            proof("Vendor and Device IDs do not match"),
            proof("LAN adapter's configuration is corrupted"),
        ],
        fixes: &[
            fix("power the server off at the plug for half a minute, then try again"),
            fix("bring the card's firmware and boot ROM up to date with the vendor's tool; `PXE-E01` is a ROM of another card"),
            fix("try a twin of the server: if that one boots, change the card"),
        ],
        hides: &["rom-exit", "no-bootable-device"],
        decide: "Does another machine of the same kind boot from the same port",
        sources: &["Intel PXE 2.1 specification, appendix of ROM messages"],
        ..BLANK
    },
    Cause {
        id: "rom-exit",
        kind: Kind::Symptom,
        sentence: "The boot ROM gave up and went on to the next boot entry; the line before says why.",
        signs: &[
            proof("PXE-M0F"),
            proof("Exiting PXE ROM"),
            proof("Exiting Intel Boot Agent"),
            proof("Exiting Broadcom PXE ROM"),
            usual("PXE-E21").says("The network boot was cancelled with a key."),
            usual("PXE-E99"),
        ],
        fixes: &[
            fix("boot again and read the lines before it (`PXE-E..`): `bootworks explain rom-no-link` and its neighbours say what they mean"),
            fix("`PXE-E21`: somebody pressed a key"),
        ],
        sources: &["Intel PXE 2.1 specification, appendix of ROM messages"],
        ..BLANK
    },
];
