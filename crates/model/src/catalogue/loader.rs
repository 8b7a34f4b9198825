//! Causes of the stage `loader`: iPXE, syslinux, GRUB and shim. Definitions only; how they are found in a log is `diagnosis`'s.
//!
//! Long because these programs fail in so many ways, and each way has its own remedy.

use super::System::{Debian, Dracut, Line, Ubuntu};
use super::{
    BLANK, Cause, Stage, absent, against, excludes, fix, fix_on, ipxe, proof, supports, trace, usual,
};

/// iPXE's codes: where they come from.
const IPXE_ERRORS: &str = "ipxe: `make bin/errors` and `make bin-x86_64-efi/errors`";

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "ipxe-hang-init",
        sentence: "iPXE stops while it looks for its devices: a driver of its own, or the firmware's, does not come back.",
        signs: &[usual("iPXE initialising devices...").at_the_end(), usual("iPXE initialising devices").at_the_end()],
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
            proof("No network devices"),
            ipxe("2c1620"),
        ],
        clues: &[
            excludes("Configuring (net{number:number}", "a card is there"),
            excludes("Link:up", "a card is there"),
            excludes("Waiting for link-up on", "a card is there"),against("Link status: Down", "a card is there, without link")],
        fixes: &[
            fix("let the firmware drive the card: snponly.efi (UEFI) or undionly.kpxe (BIOS)"),
            fix("or take an iPXE with all drivers (ipxe.efi, ipxe.pxe of a full build)"),
        ],
        hides: &["ipxe-nothing-to-boot", "ipxe-dhcp-failed"],
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
        clues: &[
            excludes("iPXE{:any} ok{:any} Link:up", "another port has a link"),
            supports("NBP file downloaded successfully", "the firmware had a link a moment ago: iPXE's own driver loses it"),
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
            usual("sent {file}/ipxe.efi to {client}").times(3).says("{client} fetches ipxe.efi again and again: iPXE is given itself."),
            usual("sent {file}/undionly.kpxe to {client}").times(3).says("{client} fetches undionly.kpxe again and again: iPXE is given itself."),
            usual("sent {file}/snponly.efi to {client}").times(3).says("{client} fetches snponly.efi again and again: iPXE is given itself."),
            ipxe("0b0720"),
        ],
        clues: &[
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
        signs: &[ipxe("3e1161")],
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
            ipxe("4c1160").says("iPXE needs a name resolved, but the DNS server that DHCP named does not answer."),
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
        id: "http-404",
        sentence: "The web server does not have the file that is asked for.",
        signs: &[
            ipxe("2d0c61"),
            proof("The requested URL returned error: 404"),
            proof("server returned error: HTTP/1.{minor} 404"),
            proof("HTTP/1.{minor} 404 Not Found"),
            proof("ERROR 404: Not Found"),
            usual("'GET {path}vmlinuz{rest:any} HTTP/{version}' 404").says("The web server has no {path}vmlinuz{rest}."),
            usual("'GET {path}initrd{rest:any} HTTP/{version}' 404").says("The web server has no {path}initrd{rest}."),
            usual("'GET {path}linux{rest:any} HTTP/{version}' 404").says("The web server has no {path}linux{rest}."),
            usual("'GET {path}squashfs{rest:any} HTTP/{version}' 404").says("The web server has no {path}squashfs{rest}."),
            usual("'GET {path}rootfs{rest:any} HTTP/{version}' 404").says("The web server has no {path}rootfs{rest}."),
            usual("'GET {path}kernel{rest:any} HTTP/{version}' 404").says("The web server has no {path}kernel{rest}."),
            usual("'GET {path}initramfs{rest:any} HTTP/{version}' 404").says("The web server has no {path}initramfs{rest}."),
            trace("'GET {path} HTTP/{version}' 404"),
            proof("{file}... Not found (http").says("The web server has no {file}."),
            proof("awaiting response... 404"),
            proof("HTTP Error 404"),
            proof("GET result: Not Found"),
        ],

        fixes: &[
            fix("the web server's log has the path asked for: put the file there, or correct the address in the boot script"),
            fix("a file named by MAC or serial number: look at its case and its dashes or colons"),
            fix("`curl -I` the same address from another machine: a virtual host may serve another tree"),
            fix_on(Line, "`bootworks build` makes what `bootworks serve` serves; an old script names files of the build before"),
        ],
        hides: &["kernel-file-not-found", "live-medium-not-found", "squashfs-mount-failed", "casper-url-not-iso", "stage2-repo-missing", "squashfs-fetch-failed", "rom-exit", "ipxe-image-format"],
        decide: "The web server's log: the line with this box's address and 404",
        sources: &[IPXE_ERRORS, "https://github.com/netbootxyz/netboot.xyz/issues/327"],
        ..BLANK
    },
    Cause {
        id: "http-forbidden",
        sentence: "The web server refuses to give the file out.",
        signs: &[
            ipxe("410c61"),
            ipxe("020c61").says("The web server wants a password for the file (HTTP 401)."),
            ipxe("1d0c64"),
            proof("The requested URL returned error: 403"),
            proof("The requested URL returned error: 401"),
            proof("HTTP/1.{minor} 403 Forbidden"),
            proof("ERROR 403: Forbidden"),
            usual("'GET {path} HTTP/{version}' 403").says("The web server refuses {path}."),
            usual("'GET {path} HTTP/{version}' 401").says("The web server wants a password for {path}."),
            proof("awaiting response... 403"),
            proof("unsupported HTTP error 403"),
            proof("HTTP Error 403"),
            proof("GET result: Forbidden"),
        ],
        fixes: &[
            fix("make the file and its folders readable for the web server: `chmod -R a+rX`; `namei -l FILE` shows where it ends"),
            fix_on(Dracut, "restore its SELinux label: `restorecon -R /var/www`"),
            fix("allow the boot network's addresses in the server's rules (`Require ip`, `allow`)"),
        ],
        hides: &["live-medium-not-found", "squashfs-fetch-failed", "stage2-repo-missing", "rom-exit"],
        decide: "The web server's error log names the rule or the file's mode",
        sources: &[IPXE_ERRORS],
        ..BLANK
    },
    Cause {
        id: "http-server-error",
        sentence: "The web server itself failed while it answered.",
        signs: &[
            ipxe("1d0c65"),
            proof("The requested URL returned error: 5{status:number}"),
            proof("500 Internal Server Error"),
            proof("502 Bad Gateway"),
            proof("503 Service Unavailable"),
            proof("503 Service Temporarily Unavailable"),
            proof("504 Gateway Time-out"),
            usual("'GET {path} HTTP/{version}' 500").says("The web server failed while it made {path}."),
            usual("'GET {path} HTTP/{version}' 502").says("What is behind the web server gave no sense for {path}."),
            proof("awaiting response... 50{status:number}"),
            proof("unsupported HTTP error 5{status:number}"),
            proof("GET result: Internal Server Error"),
            proof("GET result: Service Unavailable"),
        ],
        fixes: &[
            fix("the web server's error log has the reason: mostly the program that makes boot scripts"),
            fix("ask for the same address with `curl -i`, with this box's MAC in it"),
        ],
        hides: &["live-medium-not-found", "stage2-repo-missing", "rom-exit"],
        decide: "Does `curl -i` get the same 5xx for the same address",
        sources: &[IPXE_ERRORS, "https://github.com/danderson/netboot/issues/13"],
        ..BLANK
    },
    Cause {
        id: "http-timeout",
        sentence: "The web server does not answer the boot loader's connection.",
        signs: &[
            proof("error: connection timeout"),
            proof("grub-core/net/tcp.c:{line:number}:connection timeout"),
            ipxe("4c0a60"),
            ipxe("4c0c60"),
            ipxe("4c0720"),
            ipxe("280560").says("iPXE has no route to the web server."),
            ipxe("280860"),
            proof("error: timeout reading '{file}'").unless(&["tftp", "mod"]),
        ],
        fixes: &[
            fix("open the port on the server: `firewall-cmd --add-service=http`, `ufw allow 80/tcp`; does it listen: `ss -ltn`"),
            fix("check router (option 3) and netmask of the DHCP answer: `route` at iPXE's prompt shows them"),
            fix("if the server sees SYN and answers: iPXE's driver does not receive; use snponly.efi"),
        ],
        hides: &["rom-exit", "ipxe-nothing-to-boot"],
        decide: "`tcpdump -ni INTERFACE tcp port 80` on the server: no SYN is the way there, SYN and SYN/ACK again and again the way back",
        sources: &[IPXE_ERRORS, "https://github.com/warewulf/warewulf/issues/1116", "https://github.com/ipxe/ipxe/issues/998"],
        ..BLANK
    },
    Cause {
        id: "http-conn-reset",
        sentence: "The connection to the web server is refused or cut off.",
        signs: &[ipxe("0f0a60"), ipxe("380a60"), proof("curl: (56)"), proof("curl: (52) Empty reply from server"), usual("Connection reset (http"),
            usual("Read error (Connection reset by peer)"),
            usual("read: connection reset by peer").unless(&["ssh"]),
        ],
        fixes: &[
            fix("start the web server, and ask it at the port it has: `ss -ltnp`"),
            fix("take proxies and intrusion filters off the boot network's way"),
        ],
        hides: &["live-medium-not-found", "rom-exit"],
        decide: "A RST right after the SYN: nothing listens there; in the middle of a file: somebody between, or the server restarted",
        sources: &[IPXE_ERRORS, "https://github.com/ipxe/ipxe/issues/130"],
        ..BLANK
    },
    Cause {
        id: "tls-cert-refused",
        sentence: "The server's certificate is refused.",
        signs: &[
            ipxe("0216e4").says("The server's certificate is expired or not valid yet, or this box's clock is wrong."),
            ipxe("0216e6").says("The server's certificate is of an authority that iPXE does not trust."),
            ipxe("0216ea").says("The server's certificate is made for another name than the one asked for."),
            ipxe("0216eb").says("None of the server's certificates can be used: iPXE finds no chain to an authority it trusts."),
            ipxe("0216e1"),
            ipxe("0216e9"),
            ipxe("2d0de1"),
            ipxe("020081").says("The image's signature is not one that this iPXE trusts."),
            proof("SSL certificate problem: {problem:any}").unless(&["not yet valid", "expired"]).says("The server's certificate is refused: {problem}."),
            proof("curl: (60)"),
            proof("server certificate verification failed"),
            proof("certificate verify failed").unless(&["not yet valid", "expired"]),
            proof("x509: certificate signed by unknown authority"),
            proof("x509: certificate is valid for {names:any}, not {name}"),
            proof("ERROR: cannot verify {host} certificate").unless(&["not yet"]),
            proof("certificate is not trusted").unless(&["not yet"]),
        ],

        fixes: &[
            fix("inside the build network: http; kernel and initrd can be verified by signature (`imgverify`) instead"),
            fix("build iPXE with your authority: `make bin-x86_64-efi/ipxe.efi TRUST=ca.crt CERT=ca.crt`"),
            fix("set the box's clock in its firmware, if it is years off"),
        ],
        hides: &["rom-exit", "live-medium-not-found", "stage2-repo-missing"],
        decide: "`openssl s_client -connect SERVER:443 -showcerts`: dates, names and chain; then the box's clock",
        sources: &[IPXE_ERRORS, "https://github.com/netbootxyz/netboot.xyz/issues/1597", "https://github.com/ipxe/ipxe/issues/606", "https://github.com/ipxe/ipxe/issues/1407"],
        ..BLANK
    },
    Cause {
        id: "tls-handshake",
        sentence: "The boot loader and the web server find no common way to encrypt.",
        signs: &[
            ipxe("410de1").says("The web server broke off the TLS handshake: it wants a version or cipher that this iPXE does not have."),
            ipxe("410de2"),
            ipxe("410de4"),
            ipxe("3c0de1"),
            ipxe("3c0de3"),
            ipxe("3c0de4"),
            ipxe("430de1"),
            proof("curl: (35)"),
            usual("SSL_ERROR_SYSCALL"),
            proof("alert handshake failure"),
            proof("alert protocol version"),
            proof("SSL routines{:any}wrong version number"),
        ],
        fixes: &[
            fix("allow TLS 1.2 with an RSA certificate and AES-CBC or AES-GCM on the web server: iPXE has no TLS 1.3"),
            fix("or take a current iPXE, or http inside the build network"),
        ],
        hides: &["rom-exit", "live-medium-not-found"],
        decide: "`openssl s_client -connect SERVER:443 -tls1_2 -cipher AES128-SHA256`: does the server agree",
        sources: &[IPXE_ERRORS],
        ..BLANK
    },
    Cause {
        id: "ipxe-proto-unsupported",
        sentence: "This iPXE does not have the protocol of the address it was given.",
        signs: &[ipxe("3c0920"), ipxe("3c1260"), ipxe("3c0460"), usual("Could not start download: Operation not supported")],

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
        ],
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
        ],
        fixes: &[
            fix("`imgfree` before the kernel line of the iPXE script: pictures, fonts and scripts are handed over as well"),
            fix("name the initrd: `initrd --name initrd.img URL` and `initrd=initrd.img` for the kernel"),
            fix("pad each part to four octets when archives are put one behind the other"),
        ],
        decide: "`imgstat` at iPXE's prompt before `boot`: only kernel and initrd may be there",
        sources: &["https://github.com/ipxe/ipxe/issues/1262", "https://github.com/ipxe/ipxe/issues/1328", "https://github.com/ipxe/ipxe/issues/1454", "https://github.com/siderolabs/image-factory/pull/191"],
        until: Some(Stage::Kernel),
        ..BLANK
    },
    Cause {
        id: "syslinux-ldlinux-missing",
        sentence: "pxelinux does not find its core module ldlinux.",
        signs: &[
            proof("Failed to load ldlinux"),
            usual("file {path}/ldlinux.c32 not found").says("The TFTP server has no {path}/ldlinux.c32, without which pxelinux does not start."),
            usual("File not found {path}ldlinux.c32"),
            usual("file {path}/ldlinux.e64 not found").says("The TFTP server has no {path}/ldlinux.e64, without which syslinux.efi does not start."),
        ],
        clues: &[excludes("sent {path}/ldlinux.c32 to", "it was found elsewhere"), excludes("sent {path}/ldlinux.e64 to", "it was found elsewhere")],
        fixes: &[
            fix_on(Debian, "`cp /usr/lib/syslinux/modules/bios/ldlinux.c32` beside pxelinux.0 (package syslinux-common)"),
            fix_on(Dracut, "`cp /usr/share/syslinux/ldlinux.c32` beside pxelinux.0"),
            fix("UEFI: ldlinux.e64 of the same release, beside syslinux.efi"),
        ],
        hides: &["pxelinux-config-not-found", "rom-exit"],
        decide: "The TFTP log: at which path ldlinux was looked for",
        sources: &["https://github.com/jpetazzo/pxe/issues/20", "https://github.com/rear/rear/issues/1861", "syslinux: com32/elflink"],
        ..BLANK
    },
    Cause {
        id: "syslinux-version-mix",
        sentence: "pxelinux and its .c32 modules are of different syslinux releases.",
        signs: &[
            proof("not a COM32R image"),
            proof("Undef symbol FAIL: {symbol}").says("pxelinux and its modules are of different releases: the symbol {symbol} is missing."),
            usual("Failed to load COM32 file {file}").says("pxelinux cannot use {file}: it, or a library it needs, is of another syslinux release or not there."),
            usual("failed to load libcom32.c32"),
            proof("Couldn't load module {module}.c32"),
        ],

        fixes: &[
            fix("copy pxelinux.0, ldlinux.c32, libcom32.c32, libutil.c32 and the menu module from one release, into one folder"),
            fix_on(Ubuntu, "pxelinux.0 is in package pxelinux, the modules in syslinux-common: take both of the same suite"),
        ],
        hides: &["syslinux-no-default", "rom-exit"],
        decide: "`strings pxelinux.0 | grep -m1 SYSLINUX` against the package the .c32 files are from",
        sources: &["https://github.com/mbusb/multibootusb/issues/49", "https://github.com/DimmKirr/wimaging/issues/29", "https://github.com/pbatard/rufus/issues/41"],
        ..BLANK
    },
    Cause {
        id: "pxelinux-config-not-found",
        sentence: "pxelinux finds no configuration for this box.",
        signs: &[
            proof("Unable to locate configuration file"),
            proof("No configuration file found"),
            usual("file {path}pxelinux.cfg/default not found").says("The TFTP server has no {path}pxelinux.cfg/default, the last that pxelinux asks for."),
            usual("File not found {path}pxelinux.cfg/default"),
        ],
        clues: &[against("ldlinux.c32 not found", "it does not even have its core module")],
        fixes: &[
            fix("make pxelinux.cfg/default in the folder of pxelinux.0, or a file 01-aa-bb-cc-dd-ee-ff for this box's MAC, in lower case"),
            fix("if pxelinux.0 stands elsewhere: DHCP options 209 and 210 (configuration file and path prefix)"),
        ],
        hides: &["syslinux-no-default", "rom-exit"],
        decide: "The TFTP log lists the names tried: UUID, 01-MAC, the address in hexadecimal, shorter and shorter, default",
        sources: &["syslinux: core/fs/pxe", "syslinux: com32/elflink/ldlinux/readconfig.c"],
        ..BLANK
    },
    Cause {
        id: "syslinux-no-default",
        sentence: "pxelinux has a configuration, but it names nothing to boot.",
        signs: &[proof("No DEFAULT or UI configuration directive found")],
        fixes: &[
            fix("add `DEFAULT linux` with a LABEL of that name, or `UI menu.c32`"),
            fix("look whether the file is empty, cut off or the wrong one: its size is in the TFTP log"),
        ],
        hides: &["rom-exit"],
        decide: "`cat -A` the file that the TFTP log names last",
        sources: &["syslinux: com32/elflink/ldlinux/ldlinux.c"],
        ..BLANK
    },
    Cause {
        id: "grub-send-failed",
        sentence: "GRUB cannot send on the network card: the firmware's driver does not take its packets.",
        signs: &[proof("couldn't send network packet"), proof("couldn't autoconfigure"), proof("error: no network card found")],
        fixes: &[
            fix("update the server's firmware; its network driver (SNP) is what GRUB sends with"),
            fix("boot by iPXE instead (snponly.efi), which has a way round some of these firmwares"),
            fix("`net_ls_cards` at GRUB's prompt: is it the cabled port"),
        ],
        hides: &["grub-prefix-wrong", "grub-wrong-server", "kernel-file-not-found"],
        decide: "`net_ls_cards`, `net_ls_addr` at GRUB's prompt: card and address as the firmware had them",
        sources: &["https://github.com/pftf/RPi4/issues/113", "grub: grub-core/net/net.c"],
        ..BLANK
    },
    Cause {
        id: "grub-wrong-server",
        sentence: "GRUB asks the wrong TFTP server for its files, and hears nothing.",
        signs: &[
            usual("time out opening '{file}'").says("GRUB asks for {file}, and the TFTP server that it took does not answer."),
            usual("timeout reading '{file}.mod'").says("GRUB asks for {file}.mod, and the TFTP server that it took does not answer."),
            usual("error: timeout: could not resolve hardware address"),
            usual("error: time out reading '{file}'"),
            usual("no server is specified"),
        ],
        fixes: &[
            fix("beside somebody's DHCP server GRUB takes next-server of the main answer: set it there to the boot server"),
            fix("or in grub.cfg or at its prompt: `set net_default_server=10.77.0.1`"),
            fix("or build it with the address: `grub-mkimage -p '(tftp,10.77.0.1)/grub'`"),
        ],
        hides: &["grub-prefix-wrong", "kernel-file-not-found"],
        decide: "`set` at GRUB's prompt: net_default_server is the boot server's address, or another one",
        sources: &["grub: grub-core/net/bootp.c", "grub: grub-core/net/tftp.c"],
        ..BLANK
    },
    Cause {
        id: "grub-prefix-wrong",
        sentence: "GRUB started, but does not find its modules or its configuration where it was built to look.",
        signs: &[
            proof("{file}/normal.mod' not found").says("GRUB does not find its modules: it looks for {file}/normal.mod."),
            usual("Entering rescue mode").unless(&["no such device"]),
            usual("^grub>$").at_the_end().says("GRUB found no configuration and waits at its prompt."),
            usual("^grub> ").says("GRUB found no configuration and waits at its prompt."),
            trace("^grub rescue>"),
            usual("variable 'root' isn't set"),
            usual("symbol '{symbol}' not found").says("GRUB's core and its modules are of different releases: symbol {symbol} is missing."),
            usual("File not found {path}x86_64-efi/command.lst"),
            usual("file {path}x86_64-efi/command.lst not found"),
        ],
        clues: &[
            excludes("no such device: {uuid}", "it looks for a disk that is not there"),
            excludes("attempt to read or write outside of", "it cannot reach the place on the disk"),
            against("Linux version {release} (", "it got to a kernel"),
        ],
        fixes: &[
            fix("make the network tree with one command: `grub-mknetdir --net-directory=/srv/tftp --subdir=grub`, and boot the core it names"),
            fix("a distribution's signed grubx64.efi looks for `/grub/grub.cfg`, `/EFI/…/grub.cfg` or `grub.cfg-01-MAC` beside it"),
            fix("`set prefix=(tftp)/grub`, `insmod normal`, `normal` at its prompt to get on once"),
        ],
        hides: &["kernel-file-not-found", "rom-exit"],
        decide: "The TFTP log: which path it asks for; `set` at its prompt shows prefix and root",
        sources: &["https://github.com/minershive/hiveos-pxe-diskless/issues/16", "https://github.com/minershive/hiveos-pxe-diskless/issues/18", "https://github.com/PartialVolume/shredos.x86_64/issues/147"],
        ..BLANK
    },
    Cause {
        id: "shim-second-stage",
        sentence: "shim started, but cannot fetch the GRUB that belongs beside it.",
        signs: &[
            proof("Unable to fetch TFTP image"),
            proof("Unable to fetch HTTP image"),
            proof("start_image() returned {status:any}").unless(&["Security", "Access"]),
            proof("Failed to open \\EFI\\{folder}\\grubx64.efi"),
            proof("Failed to load image {file}grubx64.efi"),
            usual("tftp{:any} file {path}grubx64.efi not found").says("shim asks the TFTP server for {path}grubx64.efi, which is not there."),
            usual("File not found {path}grubx64.efi"),
            usual("'GET {path}/grubx64.efi HTTP/{version}' 404").says("shim asks the web server for {path}/grubx64.efi, which is not there."),
        ],
        clues: &[against("Security Violation", "it was fetched, and refused")],
        fixes: &[
            fix("put the distribution's signed grubx64.efi into the folder of shimx64.efi, under exactly this name"),
            fix("send next-server in the DHCP answer itself (siaddr), not only option 66: shim reads that"),
            fix("give shim a path with a folder: from the root it asks for `//grubx64.efi`"),
        ],
        hides: &["rom-exit", "tftp-file-not-found", "http-404", "grub-prefix-wrong", "no-bootable-device"],
        decide: "The TFTP or web log: which path it asked for after shimx64.efi",
        sources: &["https://github.com/rhboot/shim/issues/111", "https://github.com/rhboot/shim/issues/436", "https://github.com/ValdikSS/Super-UEFIinSecureBoot-Disk/issues/4"],
        ..BLANK
    },
    Cause {
        id: "kernel-file-not-found",
        sentence: "The boot loader does not find the kernel or the initrd under the name it was given.",
        signs: &[
            usual("grub-core/{:any}file '{file}' not found").unless(&["normal.mod", ".mod'", ".lst", "grub.cfg", "unicode"]).says("GRUB does not find {file}."),
            trace("you need to load the kernel first"),
            proof("Could not find kernel image: {file}").says("The boot loader does not find the kernel {file}."),
            proof("Loading {file}... failed: No such file or directory").says("The boot loader does not find {file}."),
            proof("Could not find ramdisk image: {file}").says("The boot loader does not find the initrd {file}."),
            usual("error: file '{file}' not found").unless(&["normal.mod", ".mod'", ".lst", "grub.cfg", "unicode"]).says("GRUB does not find {file}."),
            usual("error: {server} file {file} not found"),
            usual("tftp{:any} file {path}vmlinuz not found").says("The TFTP server has no {path}vmlinuz."),
            trace("{file}... failed: No such file or directory").unless(&["Loading"]).says("The boot loader does not find {file}."),
        ],
        clues: &[
            supports("^PXELINUX {version}", "PXELINUX is at work, and says so of files"),
            supports("^SYSLINUX {version}", "SYSLINUX is at work, and says so of files"),
        ],
        fixes: &[
            fix("correct the name in the boot loader's configuration: case and folders count, and it is taken from the loader's root"),
            fix("a newer package has a kernel of another version in its name: use the link `vmlinuz` or update the entry"),
            fix("GRUB: `ls (tftp)/` or `ls /` at its prompt shows what it sees; is root the right device"),
        ],
        hides: &["root-param-missing", "initrd-not-loaded", "tftp-file-not-found", "rom-exit"],
        decide: "The TFTP or web log has the full path that was asked for",
        sources: &["syslinux: com32/elflink/ldlinux/kernel.c", "https://github.com/linuxmint/mint21-beta/issues/152"],
        until: Some(Stage::Kernel),
        ..BLANK
    },
    Cause {
        id: "kernel-image-corrupt",
        sentence: "The file that was loaded as the kernel is damaged, or no kernel at all.",
        signs: &[
            proof("linux.c:{line:number}:invalid magic number"),
            proof("grub-core/loader/{file}: {:any}invalid magic number"),
            proof("Invalid or corrupt kernel image"),
            proof("Booting kernel failed: {why:any}").says("The kernel file cannot be started ({why}): it is damaged, or no kernel."),
            proof("error: invalid magic number"),
            proof("error: premature end of file"),
            proof("Kernel load failure (insufficient memory?)"),
            proof("error: not a valid kernel"),
            proof("error: plain image kernel not supported"),
            proof("this kernel is too old"),
            proof("-- System halted"),
            proof("crc error{:any}System halted"),
            proof("Wrong Image Format for bootm"),
            proof("Bad Linux ARM64 Image magic"),
            proof("Bad Linux ARM zImage magic"),
            proof("Bad Data CRC"),
        ],
        fixes: &[
            fix("copy the kernel again, in binary, and compare its SHA-256 with the source"),
            fix("look at it with `file`: an HTML page, a .sig or a .kpxe is none"),
            fix("an old pxelinux with a new kernel: take syslinux 6.03 or later"),
        ],
        hides: &["console-missing", "rom-exit"],
        decide: "`file vmlinuz` and `sha256sum` on the server",
        sources: &["https://github.com/coreos/bugs/issues/2300", "https://github.com/OSInside/kiwi/issues/2151", "https://github.com/LiamLeane/Foreman-ESXi/issues/3"],
        ..BLANK
    },
    Cause {
        id: "grub-secureboot-signature",
        sentence: "GRUB refuses the kernel under Secure Boot: it is not signed by a key that shim knows.",
        signs: &[
            proof("bad shim signature"),
            proof("{file} has invalid signature").says("{file} is not signed by a key that shim knows."),
            proof("prohibited by secure boot policy"),
            proof("verification requested but nobody cares"),
            proof("shim_lock protocol not found"),
            proof("Secure Boot forbids loading module"),
            proof("Bootloader has not verified loaded image"),
        ],
        fixes: &[
            fix("use the distribution's signed kernel with the same distribution's shim and GRUB"),
            fix("or sign it and enrol the key: `sbsign`, `mokutil --import KEY.der`"),
            fix("or switch Secure Boot off"),
        ],
        hides: &["kernel-file-not-found", "initrd-not-loaded", "root-param-missing"],
        decide: "Switch Secure Boot off once: if it boots then, it is the signature",
        sources: &["https://github.com/Mexit/MultiOS-USB/issues/30", "https://github.com/jakeday/linux-surface/issues/575", "https://github.com/sebanc/brunch/issues/1638"],
        ..BLANK
    },
    Cause {
        id: "grub-oom-initrd",
        sentence: "The boot loader finds no memory for the initrd: it is too big, or memory is in pieces.",
        signs: &[
            proof("grub-core/{:any}: out of memory"),
            proof("grub-core/{:any}:out of memory"),
            proof("error: out of memory"),
            proof("error: lib/relocator.c:{line:number}: out of memory"),
            proof("error: ../../grub-core/{file}: out of memory"),
            proof("error: {file}:out of memory"),
            proof("initrd is too big"),
            proof("Failed to alloc highmem for files"),
            proof("Failed to allocate initrd memory"),
            usual("EFI stub: ERROR: Failed to load initrd"),
        ],

        fixes: &[
            fix("a smaller initrd: only the modules that the hardware needs, the root fetched later over NFS or HTTP"),
            fix("a newer GRUB (2.06 loads above 4 GiB only in part, 2.12 does), or iPXE"),
            fix("more memory, if the box has less than three times the initrd"),
        ],
        hides: &["initrd-not-loaded", "root-param-missing", "kernel-file-not-found"],
        decide: "Size of the initrd: above some 200 MB old GRUBs fail whatever the memory",
        sources: &["https://github.com/open-edge-platform/edge-microvisor-toolkit/pull/2", "https://github.com/QubesOS/qubes-issues/issues/11093", "https://github.com/NixOS/nixpkgs/issues/73588"],
        until: Some(Stage::Kernel),
        ..BLANK
    },
];
