//! Causes of the stage `loader` that iPXE alone runs into. Definitions only; how they are found in a log is `diagnosis`'s.

use super::System::Line;
use super::messages::ipxe as messages;
use super::{
    BLANK, Cause, Stage, absent, against, excludes, fix, fix_on, ipxe, proof, supports, trace, usual,
};

/// iPXE's codes: where they come from.
pub(super) const IPXE_ERRORS: &str = "ipxe: `make bin/errors` and `make bin-x86_64-efi/errors`";

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "ipxe-hang-init",
        sentence: "iPXE stops while it looks for its devices: a driver of its own, or the firmware's, does not come back.",
        signs: &[usual("iPXE initialising devices...").at_the_end(), usual("iPXE initialising devices").at_the_end(),
            usual("EFIDRV {:any}").at_the_end().says("iPXE does not come back from a driver of the firmware, or from one of its own."),
        ],
        clues: &[absent("initialising devices...ok", "it did not finish"), excludes("initialising devices{:any}ok", "it finished")],
        fixes: &[
            fix("let the firmware drive the card: snponly.efi (UEFI) or undionly.kpxe (BIOS) instead of ipxe.efi or ipxe.pxe"),
            fix("try another iPXE release, and the server's firmware update"),
        ],
        hides: &["console-missing"],
        decide: "The server's log: the boot file went out whole, and no second DHCP request (user class iPXE) follows",
        sources: &["https://github.com/ipxe/ipxe/issues/1392", "https://github.com/ipxe/ipxe/issues/624", "https://github.com/netbootxyz/netboot.xyz/issues/1633"],
        ..BLANK
    },
    Cause {
        id: "ipxe-no-device",
        sentence: "iPXE has no driver for the network card, and found none that the firmware left to it.",
        signs: &[
            usual("No more network devices"),
            usual("no such network device"),
            proof("No network devices").unless(&["available", "found"]),
            ipxe("2c1620"),
        ],
        messages: messages::IPXE_NO_DEVICE,
        clues: &[
            excludes("Configuring (net{number:number}", "a card is there"),
            excludes("Link:up", "a card is there"),
            excludes("Waiting for link-up on", "a card is there"),against("Link status: Down", "a card is there, without link")],
        fixes: &[
            fix("let the firmware drive the card: snponly.efi (UEFI) or undionly.kpxe (BIOS)"),
            fix("or take an iPXE with all drivers (ipxe.efi, ipxe.pxe of a full build)"),
        ],
        hides: &["ipxe-nothing-to-boot", "ipxe-dhcp-failed", "ipxe-efi-refused"],
        decide: "At iPXE's prompt (Ctrl-B): `ifstat` lists the cards it has",
        sources: &["https://github.com/ipxe/ipxe/issues/1097", "https://github.com/netbootxyz/netboot.xyz/issues/1729"],
        ..BLANK
    },
    Cause {
        id: "ipxe-link-down",
        sentence: "iPXE sees no link on the port it boots from.",
        signs: &[
            ipxe("380861"),
            usual("Link:down").unless(&["Link:up"]),
            usual("Waiting for link-up on {:any} Down"),
        ],
        clues: &[excludes("net{number:number}: {address}/255.{mask}", "it got an address"), 
            excludes("iPXE{:any} ok{:any} Link:up", "another port has a link"),
            supports("NBP file downloaded successfully", "the firmware had a link a moment ago: iPXE's own driver loses it"),
            against("Configuring (net{number:number} {mac}){:any} ok", "another port got an address"),
            excludes("[Link:up,", "a port has a link"),
        ],
        fixes: &[
            fix("where the firmware had a link a moment ago: snponly.efi or undionly.kpxe, which leave the link as it is"),
            fix("else cable, SFP and switch port; a slow negotiation needs `--timeout 60000` at `ifopen`/`iflinkwait`"),
        ],
        hides: &["ipxe-dhcp-failed", "ipxe-nothing-to-boot", "rom-exit"],
        decide: "Did the ROM fetch iPXE over the same port? Yes: iPXE's driver; no: cable or switch",
        sources: &[IPXE_ERRORS, "https://github.com/ipxe/ipxe/issues/1188", "https://github.com/ipxe/ipxe/issues/853", "https://github.com/ipxe/ipxe/issues/1099"],
        ..BLANK
    },
    Cause {
        id: "ipxe-dhcp-failed",
        sentence: "iPXE gets no address, though the firmware got one on the same port.",
        signs: &[
            proof("no offer to {mac} in {count:number} requests of iPXE").says("iPXE on {mac} asks for an address {count} times, and nobody offers one."),
            ipxe("040ee1"),
            ipxe("4c1060"),
            ipxe("202a60").says("The switch port wants link aggregation (LACP), and answers iPXE with nothing else."),
            proof("No configuration methods succeeded"),
        ],
        clues: &[against("Link:down", "there is no link")],
        fixes: &[
            fix("switch port: portfast (edge); iPXE restarts the link, and spanning tree blocks it for 30 s"),
            fix("snponly.efi or undionly.kpxe, which do not restart the link"),
            fix("a port of a link aggregation: let it work alone (`lacp fallback`, `no lacp suspend-individual`)"),
            fix("let the DHCP server answer iPXE's class as well: no pool or rule that only PXEClient may use"),
        ],
        hides: &["ipxe-nothing-to-boot", "rom-exit", "ipxe-proto-unsupported"],
        decide: "Does the DHCP server see a DISCOVER of user class iPXE? No: switch or driver; yes: the server's rules, or its answer is lost",
        sources: &[IPXE_ERRORS, "https://github.com/ipxe/ipxe/issues/1337", "https://github.com/ipxe/ipxe/issues/923", "https://github.com/TritonDataCenter/sdcboot/issues/2", "https://github.com/siderolabs/sidero/issues/1202"],
        ..BLANK
    },
    Cause {
        id: "ipxe-nothing-to-boot",
        sentence: "iPXE has an address, but nobody told it what to boot.",
        signs: &[
            ipxe("2d03e1"),
            proof("Nothing to boot"),
            proof("No filename or root path specified"),
        ],
        clues: &[against("No configuration methods succeeded", "it has no address")],
        fixes: &[
            fix("send iPXE a file name as well: dnsmasq `dhcp-boot=tag:ipxe,http://SERVER/boot.ipxe`, with `dhcp-userclass=set:ipxe,iPXE`"),
            fix("look for a second DHCP server: iPXE takes the first answer that has an address"),
            fix_on(Line, "`bootworks serve` names the script by itself: another server answered"),
        ],
        hides: &["rom-exit", "no-bootable-device"],
        decide: "Its lines `Next server:` and `Filename:` are missing; `show net0/dhcp-server` at its prompt says who answered",
        sources: &[IPXE_ERRORS, "https://github.com/pypxe/PyPXE/issues/166"],
        ..BLANK
    },
    Cause {
        id: "ipxe-chain-loop",
        sentence: "iPXE loads itself again and again: the DHCP server gives iPXE the same file as the ROM.",
        signs: &[
            usual("RRQ from {client} filename {file}.kpxe").times(3),
            usual("read request for ipxe.efi").times(3),
            usual("read request for undionly.kpxe").times(3),
            usual("iPXE initialising devices").times(3),
            usual("Open Source Network Boot Firmware").times(3),
            usual("Attempting to chain to latest version").times(2).says("netboot.xyz chains to what it takes for a newer version, and that is itself."),
            usual("sent {file}/ipxe.efi to {client}").times(3).says("{client} fetches ipxe.efi again and again: iPXE is given itself."),
            usual("sent {file}/undionly.kpxe to {client}").times(3).says("{client} fetches undionly.kpxe again and again: iPXE is given itself."),
            usual("sent {file}/snponly.efi to {client}").times(3).says("{client} fetches snponly.efi again and again: iPXE is given itself."),
            ipxe("0b0720"),
        ],
        clues: &[
            excludes("bootworks: line {line}, starting kernel", "iPXE has something to boot: what restarts is the kernel"),
            excludes("Linux version {release} (", "it got to a kernel"),
            supports("user class: iPXE", "iPXE asks, and is told the same file"),
            supports("undionly.kpxe... ok", "iPXE fetches itself"),
            supports("ipxe.efi... ok", "iPXE fetches itself"),
        ],
        fixes: &[
            fix("dnsmasq: `dhcp-match=set:ipxe,175`, `dhcp-boot=tag:!ipxe,ipxe.efi`, `dhcp-boot=tag:ipxe,http://SERVER/boot.ipxe`"),
            fix("ISC dhcpd: `if exists user-class and option user-class = \"iPXE\" { filename \"http://SERVER/boot.ipxe\"; } else { filename \"ipxe.efi\"; }`"),
            fix("or embed a script into iPXE (`EMBED=`), so that it does not ask"),
        ],
        hides: &["rom-exit"],
        decide: "The TFTP log: does the same box fetch the same boot file every few seconds",
        sources: &["https://ipxe.org/howto/chainloading", "https://ipxe.org/howto/dhcpd"],
        ..BLANK
    },
    Cause {
        id: "ipxe-dns-nxdomain",
        sentence: "iPXE asks for a name that the boot network's DNS server does not know.",
        signs: &[ipxe("3e1161"),
            usual("DNS name does not exist"),
        ],
        messages: messages::IPXE_DNS_NXDOMAIN,
        fixes: &[
            fix("write the server's address instead of its name into the script: http://10.77.0.1/…"),
            fix("or add the name to the DNS server that DHCP names, and the search domain (option 15)"),
        ],
        hides: &["http-timeout", "rom-exit"],
        decide: "`nslookup NAME DNSSERVER` from the boot network; `show dns` at iPXE's prompt says which server it asks",
        sources: &[IPXE_ERRORS],
        ..BLANK
    },
    Cause {
        id: "ipxe-dns-no-server",
        sentence: "iPXE needs a name resolved, and has no DNS server, or one that is silent.",
        signs: &[
            ipxe("3e1162").says("iPXE needs a name resolved, but DHCP named no DNS server."),
            ipxe("4c1168").says("iPXE needs a name resolved, but no DNS server answers; a script that runs before `dhcp` has none."),
            ipxe("4c1160").says("iPXE needs a name resolved, but the DNS server that DHCP named does not answer."),
            usual("No DNS servers available"),
        ],
        fixes: &[
            fix("send a DNS server with DHCP (option 6), one that the boot network reaches"),
            fix("or write addresses instead of names into the script"),
        ],
        hides: &["rom-exit"],
        decide: "The code: 3e1162 is none named, 4c1160 is named but silent",
        sources: &[IPXE_ERRORS, "https://github.com/ipxe/ipxe/issues/1316", "https://github.com/ipxe/ipxe/issues/885"],
        ..BLANK
    },
    Cause {
        id: "ipxe-proto-unsupported",
        sentence: "This iPXE does not have the protocol of the address it was given.",
        signs: &[ipxe("3c0920"), ipxe("3c1260"),
            // Among the counts of frames it means frames that are not for iPXE: IPv6, LLDP.
            ipxe("3c0460").unless(&["RXE:", "TXE:"]),
            usual("Could not start download: Operation not supported"),
            usual("://{address}... Operation not supported").unless(&["ipxe.org"]).says("This iPXE does not have the protocol of {address}."),
        ],

        fixes: &[
            fix("an address without `http://…` in front: send next-server as well, or write the whole address"),
            fix("https or nfs: build iPXE with DOWNLOAD_PROTO_HTTPS / DOWNLOAD_PROTO_NFS (config/general.h)"),
        ],
        hides: &["rom-exit"],
        decide: "iPXE's line `Features:` lists its protocols",
        sources: &[IPXE_ERRORS, "https://github.com/kentonv/lanparty/issues/4"],
        ..BLANK
    },
    Cause {
        id: "ipxe-stall",
        sentence: "A large download in the boot loader stops half-way.",
        signs: &[
            usual("{file}... {percent:number}%$").at_the_end().says("The download of {file} stops at {percent} %."),
            ipxe("1d0c62").says("The web server's answer ended before the length that it announced."),
            ipxe("1c0c63"),
            ipxe("2a2c40"),
            trace("backoff:{times:number}").says("The boot loader no longer acknowledges what the web server sends, which has tried {times} times."),
            usual("IPv4 length too long at {count:number} bytes").at_the_end(),
        ],
        clues: &[
            supports("iPXE/{version}", "iPXE is the one who fetches"),
        ],
        fixes: &[
            fix("use the other kind of iPXE: snponly.efi or undionly.kpxe instead of ipxe.efi, or the reverse"),
            fix("the same MTU everywhere on the way: 1500 on server, switch and router"),
            fix("take the limit off the server's side, or set one: some cards lose frames at full speed"),
        ],
        hides: &["console-missing"],
        decide: "Does it stop at the same place each time? Same: size or memory; another one: lost frames",
        sources: &["https://github.com/ipxe/ipxe/issues/1545", "https://github.com/ipxe/ipxe/issues/288"],
        ..BLANK
    },
    Cause {
        id: "ipxe-no-memory",
        sentence: "iPXE has no room in memory for the kernel or the initrd.",
        signs: &[ipxe("460381"), ipxe("340f80"), ipxe("310120"), ipxe("310c60"), usual("Not enough space (http"), usual("Could not download: No space left on device")],
        messages: messages::IPXE_NO_MEMORY,
        fixes: &[
            fix("boot by UEFI: BIOS iPXE has only what is free below 4 GiB"),
            fix("`imgfree` before the kernel line, so that images loaded before are given back"),
            fix("a smaller initrd, with the root fetched later over NFS or HTTP"),
        ],
        hides: &["rom-exit"],
        decide: "Size of the initrd against the box's memory; `imgstat` shows what is loaded",
        sources: &[IPXE_ERRORS],
        ..BLANK
    },
    Cause {
        id: "ipxe-image-format",
        sentence: "What iPXE downloaded is nothing that it can start.",
        signs: &[
            ipxe("2e0080").says("What iPXE downloaded is no image that it can start: another kind of firmware or processor, or an error page."),
            ipxe("2e0480").says("What iPXE downloaded is no EFI program for this processor."),
            usual("Could not select: Exec format error"),
            usual("Could not boot: Exec format error"),
            usual("Exec format error (http"),
        ],
        messages: messages::IPXE_IMAGE_FORMAT,
        fixes: &[
            fix("look at the file with `file`: an HTML error page, a .sig, a gzip'd kernel or a BIOS image under UEFI cannot start"),
            fix("a script begins with `#!ipxe`, without a byte order mark before it"),
            fix("take a full iPXE build: some ROMs do not have bzImage"),
        ],
        hides: &["rom-exit"],
        decide: "`curl -s ADDRESS | file -` : what is it really",
        sources: &[IPXE_ERRORS, "https://github.com/ipxe/ipxe/issues/185", "https://github.com/ipxe/ipxe/issues/665", "https://github.com/ipxe/ipxe/pull/586"],
        ..BLANK
    },
    Cause {
        id: "ipxe-efi-refused",
        sentence: "The UEFI firmware refuses the image that iPXE hands to it.",
        signs: &[
            proof("ipxe.org/7f04{kind:hex}9a").says("The firmware refuses iPXE's image by its Secure Boot policy."),
            proof("Image prohibited by security policy"),
            ipxe("7f0480"),
            ipxe("7f0481"),
            ipxe("7f0482").says("The kernel came back from its start with an EFI error: its EFI stub and this iPXE do not fit."),
            ipxe("7f2b20"),
        ],
        messages: messages::IPXE_EFI_REFUSED,
        fixes: &[
            fix("Secure Boot: iPXE behind shim (shimx64.efi) with a signed kernel, or switch it off"),
            fix("else a newer kernel or iPXE: `initrd=initrd.img` on the command line where the kernel is older than 5.7"),
        ],
        hides: &["rom-exit"],
        decide: "The last two digits of the code with the top bit off are the EFI status: 1a security violation, 03 unsupported, 0e not found",
        sources: &[IPXE_ERRORS, "https://github.com/ipxe/ipxe/issues/713", "https://github.com/ipxe/ipxe/issues/742"],
        ..BLANK
    },
    Cause {
        id: "initrd-mixed-images",
        sentence: "Something that is no initrd was handed over beside it: the kernel finds garbage between the archives.",
        signs: &[usual("invalid magic at start of compressed archive")],
        clues: &[
            excludes("compression method {:any} not configured", "the kernel cannot unpack the initrd itself"),
            supports("iPXE", "iPXE hands over every image it has loaded"),
            supports("imgfetch", "iPXE hands over every image it has loaded"),
            against("VFS: Cannot open root device", "nothing at all was unpacked"),
            against("VFS: Unable to mount root fs", "nothing at all was unpacked"),
        ],
        fixes: &[
            fix("`imgfree` before the kernel line of the iPXE script: pictures, fonts and scripts are handed over as well"),
            fix("name the initrd: `initrd --name initrd.img URL` and `initrd=initrd.img` for the kernel"),
            fix("pad each part to four octets when archives are put one behind the other"),
        ],
        hides: &["init-crashed", "init-exited"],
        decide: "`imgstat` at iPXE's prompt before `boot`: only kernel and initrd may be there",
        sources: &["https://github.com/ipxe/ipxe/issues/1262", "https://github.com/ipxe/ipxe/issues/1328", "https://github.com/ipxe/ipxe/issues/1454", "https://github.com/siderolabs/image-factory/pull/191"],
        until: Some(Stage::Kernel),
        ..BLANK
    },
    Cause {
        id: "windows-boot-files",
        sentence: "The Windows boot manager does not find, or cannot use, one of the files it was given.",
        messages: messages::WINDOWS_BOOT_FILES,
        fixes: &[
            fix("wimboot wants them by these names: `initrd --name BCD`, `boot.sdi`, `boot.wim`; all three of one WinPE of the same processor and firmware"),
            fix("on an installed or a SAN disk: `bcdboot C:\\Windows`, and the disk controller's driver in the image (`dism /Add-Driver`)"),
        ],
        decide: "The file that the screen names, and the code below it (0xc000000f: BCD, 0xc000000e: device, 0xc0000098: no entry)",
        sources: &["wimboot: src/main.c", "https://ipxe.org/wimboot"],
        ..BLANK
    },
];
