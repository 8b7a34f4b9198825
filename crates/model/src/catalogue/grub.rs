//! Causes of the stage `loader` that syslinux, GRUB and shim run into. Definitions only; how they are found in a log is `diagnosis`'s.

use super::System::{Debian, Dracut, Ubuntu};
use super::{BLANK, Cause, Stage, against, excludes, fix, fix_on, proof, supports, trace, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
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
            usual("can't find command 'linux{rest:any}").says("GRUB cannot load a kernel: its module linux is not there."),
        ],
        clues: &[
            excludes("no such device: {uuid}", "it looks for a disk that is not there"),
            excludes("attempt to read or write outside of", "it cannot reach the place on the disk"),
            against("Linux version {release} (", "it got to a kernel"),
            excludes("sent {path}grub.cfg to", "GRUB has its configuration, so it knows its folder"),
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
            usual("bootworks: line {line}, starting kernel {release}").times(3).says("The box starts its kernel {release} again and again, and not one line of the kernel is seen."),
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
            proof("invalid arch-independent ELF magic"),
            proof("invalid arch-dependent ELF magic"),
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
            proof("can't allocate initrd"),
            proof("can't allocate kernel"),
            proof("cannot allocate kernel buffer"),
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
