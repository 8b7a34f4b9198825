//! Causes of the stage `kernel`: kernel start, the initrd's unpacking and PID 1. Definitions only; how they are found in a log is `diagnosis`'s.

use super::System::{Debian, Dracut, Line, Ubuntu};
use super::{BLANK, Cause, Kind, against, excludes, fix, fix_on, proof, supports, trace, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "cpu-unsupported",
        sentence: "This processor cannot run this kernel or its programs.",
        signs: &[
            proof("requires an {needed} CPU, but only detected an {found} CPU").says("The kernel needs an {needed} processor; this one is {found}."),
            proof("kernel requires the following features not present on the CPU"),
            proof("Unable to boot - please use a kernel appropriate for your CPU"),
            proof("CPU does not support {level}").says("The system's programs need {level}, which this processor does not have."),
            proof("CPU ISA level is lower than required"),
            proof("Fatal glibc error: CPU"),
            proof("This kernel requires PAE"),
            proof("your CPU does not support long mode"),
        ],
        fixes: &[
            fix("take a release for this processor: RHEL 9 and its kin want x86-64-v2, RHEL 10 x86-64-v3; Debian and Ubuntu run on all x86-64"),
            fix("in a virtual machine: give it the host's processor (`-cpu host`), 64 bits switched on"),
        ],
        hides: &["init-crashed", "init-exited"],
        decide: "`/lib64/ld-linux-x86-64.so.2 --help` on a running system lists the levels this processor has",
        sources: &["linux: arch/x86/boot/cpu.c", "glibc: elf/dl-load.c"],
        ..BLANK
    },
    Cause {
        id: "initrd-not-loaded",
        sentence: "The kernel started without an initrd: it never was handed one.",
        signs: &[
            usual("unknown-block(0,0)"),
            usual("Cannot open root device '{root}' or unknown-block(0,0)"),
            usual("VFS: Cannot open root device '' or"),
            usual("VFS: Unable to mount root fs on unknown-block(0,255)"),
            trace("to mount root fs on unknown-block(2,0)"),
            trace("/dev/root: Can't open blockdev"),
        ],
        clues: &[
            excludes("Unpacking initramfs", "an initrd was there"),
            excludes("Trying to unpack rootfs image as initramfs", "an initrd was there"),
            excludes("Freeing initrd memory", "an initrd was there"),
            excludes("Initramfs unpacking failed", "an initrd was there, and damaged"),
            excludes("RAMDISK: [mem", "an initrd was there"),
            excludes("EFI stub: Loaded initrd", "an initrd was there"),
            supports("Please append a correct 'root='", "the kernel looked for a root itself, as it does without an initrd"),
            supports("List of all partitions", "the kernel looked for a root itself, as it does without an initrd"),
            excludes("mount root fs via NFS", "the kernel mounts NFS itself, and needs no initrd"),
        ],
        fixes: &[
            fix("name the initrd to the boot loader: `initrd` line after the kernel's in iPXE, GRUB (`initrd`), pxelinux (`APPEND initrd=…`)"),
            fix("UEFI and iPXE with an older kernel: `initrd=initrd.img` on its command line as well"),
            fix("look whether the boot loader got it: its last lines and the server's log say so"),
        ],
        hides: &["root-param-missing", "init-missing"],
        decide: "`Unpacking initramfs` or `Freeing initrd memory` in the whole kernel log: absent means none was handed over",
        sources: &["linux: init/do_mounts.c", "linux: init/initramfs.c"],
        ..BLANK
    },
    Cause {
        id: "initrd-compression-unsupported",
        sentence: "The kernel cannot unpack the initrd: it does not have this compression.",
        signs: &[
            proof("compression method {method} not configured").says("The kernel cannot unpack the initrd: it does not have {method}."),
            usual("ZSTD-compressed data is truncated"),
            trace("invalid magic at start of compressed archive"),
            proof("Input was encoded with unsupported XZ options"),
        ],
        clues: &[
            supports("Kernel panic - not syncing: VFS", "nothing at all was unpacked"),
            supports("unknown-block(0,0)", "nothing at all was unpacked"),
            against("iPXE", "iPXE may have handed over something beside it"),
        ],
        fixes: &[
            fix_on(Debian, "`COMPRESS=gzip` in /etc/initramfs-tools/initramfs.conf, `update-initramfs -u -k all`"),
            fix_on(Ubuntu, "`COMPRESS=gzip` in /etc/initramfs-tools/initramfs.conf, `update-initramfs -u -k all`"),
            fix_on(Dracut, "`dracut --gzip --force`"),
            fix("copy kernel and initrd of one release to the server together"),
        ],
        hides: &["root-param-missing", "initrd-not-loaded", "init-missing", "initrd-mixed-images"],
        decide: "`head -c4 initrd | xxd`: 28b52ffd is zstd, 1f8b gzip, fd377a58 xz, 02214c18 lz4; `grep CONFIG_RD_ /boot/config-RELEASE` has what the kernel knows",
        sources: &["linux: init/initramfs.c", "https://github.com/intel/ccc-linux-guest-hardening/issues/90"],
        ..BLANK
    },
    Cause {
        id: "ram-too-small-initrd",
        sentence: "The unpacked initrd does not fit into this machine's memory.",
        signs: &[
            proof("unpacking failed: write error"),
            proof("incomplete write (-28 != {size:number})"),
            proof("initrd too large to handle"),
            proof("initrd extends beyond end of memory"),
            usual("rootfs image is not initramfs (write error)"),
        ],
        fixes: &[
            fix("more memory: two to three times the initrd, packed and unpacked at once, and tmpfs takes half of it at most"),
            fix("a smaller initrd, with the root fetched later (CoreOS: `coreos.live.rootfs_url=`)"),
            fix_on(Line, "root = \"nfs\" under [live] in line.toml: the root stays on the server"),
        ],
        hides: &["root-param-missing", "init-missing", "squashfs-mount-failed", "live-medium-not-found", "initrd-not-loaded", "init-exited", "kernel-oom", "modules-dir-mismatch", "nic-driver-missing"],
        decide: "The line `Memory:` early in the kernel log against the size of the initrd, packed and unpacked",
        sources: &["linux: init/initramfs.c", "https://github.com/coreos/fedora-coreos-tracker/issues/1055", "https://github.com/coreos/fedora-coreos-config/pull/1684", "https://github.com/churchers/vm-bhyve/pull/553"],
        ..BLANK
    },
    Cause {
        id: "initrd-corrupt",
        sentence: "The initrd is damaged: the kernel could not unpack all of it.",
        signs: &[
            proof("Initramfs unpacking failed: junk"),
            proof("Initramfs unpacking failed: crc error"),
            proof("Initramfs unpacking failed: uncompression error"),
            proof("Initramfs unpacking failed: read error"),
            proof("Initramfs unpacking failed: broken padding"),
            proof("Initramfs unpacking failed: no cpio magic"),
            proof("Initramfs unpacking failed: {:any}corrupt"),
            proof("Initramfs unpacking failed: Decoding failed"),
            usual("Initramfs unpacking failed: {why:any}").unless(&["invalid magic", "write error", "not configured", "zstd-compressed"]),
            usual("rootfs image is not initramfs ({why:any}); looks like an initrd"),
            proof("crc error{:any}initrd"),
            proof("XZ-compressed data is corrupt"),
            proof("ZSTD-compressed data is corrupt"),
            proof("ZSTD-compressed data is probably corrupt"),
            proof("Ramdisk image is corrupt or invalid"),
        ],
        fixes: &[
            fix("copy the initrd to the server again and compare its SHA-256; build it anew if it is damaged there"),
            fix("archives put one behind the other: pad each to four octets with zeros"),
            fix("another place each boot: test the memory (memtest86+)"),
        ],
        hides: &["root-param-missing", "init-missing", "initrd-not-loaded", "init-exited", "modules-dir-mismatch", "nic-driver-missing", "live-medium-not-found"],
        decide: "`lsinitrd`, `lsinitramfs` or `bootworks initrd list FILE` on the server's file: does it read to its end",
        sources: &["linux: init/initramfs.c", "https://github.com/Tomas-M/linux-live/issues/206"],
        ..BLANK
    },
    Cause {
        id: "init-missing",
        sentence: "The kernel finds no /init to run, or not the interpreter that it names.",
        signs: &[
            proof("Failed to execute /init (error -{errno:number})").says("/init cannot be run: {errno:words}."),
            usual("No working init found"),
            proof("Requested init {init} failed (error -{errno:number})").says("{init}, named by init=, cannot be run: {errno:words}."),
            usual("check access for rdinit=/init failed"),
            usual("No init found. Try passing init="),
            usual("Starting init: {init} exists but couldn't execute it (error -{errno:number})").says("{init} is there, but cannot be run: {errno:words}."),
        ],
        clues: &[excludes("(error -8)", "it is there, in a format that cannot run")],
        fixes: &[
            fix("build the initrd anew; its /init, the interpreter in its first line and the libraries of that one must be in it"),
            fix("check init= and rdinit= on the command line"),
        ],
        hides: &["init-exited", "root-param-missing"],
        decide: "`lsinitramfs FILE | grep -E '^(init|bin/sh|lib.*ld-)'`; error -2 with /init there is its interpreter",
        sources: &["linux: init/main.c", "https://github.com/landley/toybox/issues/310", "https://github.com/u-root/u-root/issues/710"],
        ..BLANK
    },
    Cause {
        id: "init-exec-format",
        sentence: "/init is there, but in a format that this kernel or processor cannot run.",
        signs: &[
            proof("Failed to execute /init (error -8)"),
            proof("exists but couldn't execute it (error -8)"),
            proof("Requested init {init} failed (error -8)").says("{init} is in a format that this kernel cannot run: another processor, or not executable at all."),
            usual("request_module: modprobe binfmt-464c cannot be processed"),
            usual("request_module: runaway loop modprobe binfmt-464c"),
            usual("run-init: {init}: Exec format error").says("{init} is in a format that this kernel cannot run."),
            usual("/init: Exec format error"),
        ],
        fixes: &[
            fix("take initrd and root for this processor: an arm64 or 32-bit one does not run on x86-64"),
            fix("a 32-bit userland needs CONFIG_IA32_EMULATION in the kernel"),
            fix("a script as /init begins with `#!/bin/sh` in its first octets, without a byte order mark"),
        ],
        hides: &["init-missing", "init-exited"],
        decide: "`file` on the initrd's /init and its shell: which processor are they for",
        sources: &["linux: init/main.c", "linux: fs/exec.c"],
        ..BLANK
    },
    Cause {
        id: "kernel-oom",
        sentence: "The machine ran out of memory while it booted or installed.",
        signs: &[
            usual("Out of memory: Killed process {pid:number} ({name})").says("The machine ran out of memory, and the kernel killed {name}."),
            usual("Out of memory: Kill process {pid:number} ({name})").says("The machine ran out of memory, and the kernel killed {name}."),
            proof("System is deadlocked on memory"),
            proof("Out of memory and no killable processes"),
            usual("invoked oom-killer"),
            usual("oom-kill:constraint=").unless(&["CONSTRAINT_MEMCG"]),
        ],
        fixes: &[
            fix("more memory: the live OS, its root in RAM and what is unpacked must fit together"),
            fix_on(Line, "root = \"nfs\" under [live] in line.toml keeps the root out of memory"),
            fix("look at mem= and crashkernel= on the command line: they take memory away"),
        ],
        hides: &["init-exited", "init-crashed", "squashfs-read-error", "disk-io-error", "unit-timeout"],
        decide: "The line `Memory:` early in the kernel log; the table after `oom-killer` says who had it",
        sources: &["linux: mm/oom_kill.c", "https://github.com/netbootxyz/netboot.xyz/issues/1128"],
        ..BLANK
    },
    Cause {
        id: "root-param-missing",
        sentence: "The kernel's command line does not say where the root is.",
        signs: &[
            proof("No root device specified"),
            proof("No or empty root= argument"),
            usual("Boot arguments must include a root= parameter"),
            usual("unknown-block(0,0)"),
            usual("mount: /new_root: can't find"),
            trace("Please append a correct 'root=' boot option"),
        ],
        clues: &[
            supports("Unpacking initramfs", "the initrd was there, but did not take over"),
            supports("Freeing initrd memory", "the initrd was there, but did not take over"),
        ],
        fixes: &[
            fix("add root= to the kernel's command line: `root=/dev/nfs nfsroot=SERVER:/PATH ip=dhcp`, `root=live:http://…`, `boot=live fetch=http://…`"),
            fix("see `Command line:` early in the log: a template may have lost its value, an old menu cuts after 255 letters"),
        ],
        hides: &["init-exited", "live-medium-not-found"],
        decide: "`cat /proc/cmdline`, or `Kernel command line:` in the log: is the root= there whole",
        sources: &["initramfs-tools: scripts/local", "dracut-ng: modules.d/99base/dracut-cmdline.sh"],
        ..BLANK
    },
    Cause {
        id: "init-crashed",
        sentence: "PID 1 crashed: a broken program, library or image, or a processor without an instruction it needs.",
        signs: &[
            proof("Attempted to kill init! exitcode=0x0000000{signal:hex}"),
            proof("Attempted to kill init! exitcode=0x0000008{signal:hex}"),
            usual("traps: init[1] {what:any} ip").says("PID 1 crashed: {what}."),
            usual("init[1]: segfault at"),
            usual("traps: systemd[1] {what:any} ip").says("PID 1 crashed: {what}."),
            usual("systemd[1]: segfault at"),
            usual("Caught <{signal}>, core dump failed").says("systemd crashed with {signal} and has frozen."),
            usual("Caught <{signal}>, dumped core").says("systemd crashed with {signal} and has frozen."),
            usual("systemd[1]: Freezing execution"),
        ],
        clues: &[
            excludes("exitcode=0x00000000", "it ended by itself"),
            supports("SQUASHFS error", "the image it runs from cannot be read"),
            supports("invalid opcode", "the processor does not have an instruction"),
        ],
        fixes: &[
            fix("copy the root image again and compare its SHA-256: a program cut off in the middle crashes"),
            fix("SIGILL (exitcode 0x4): the programs are for a newer processor; take a release for this one"),
            fix("another place each boot: test the memory (memtest86+)"),
        ],
        hides: &["init-exited"],
        decide: "The low digits of exitcode are the signal: 4 instruction, 7 a file that ends too early, b broken memory or library",
        sources: &["linux: kernel/exit.c"],
        ..BLANK
    },
    Cause {
        id: "init-exited",
        kind: Kind::Symptom,
        sentence: "PID 1 of the initrd ended, which the kernel answers with a panic; the line before says why.",
        signs: &[
            proof("Attempted to kill init! exitcode=0x0000{exitstatus:hex}00")
                .says("PID 1 ended ({exitstatus:words}); the kernel's panic is only its answer."),
            proof("Attempted to kill init! exitcode=0x00000000").says("PID 1 simply returned; the kernel's panic is only its answer."),
            usual("Attempted to kill init!").unless(&["exitcode"]),
        ],
        fixes: &[
            fix("read the lines before the panic: on a serial console (`console=tty0 console=ttyS0,115200`) they are kept"),
            fix("exitcode 0x200 right after `no devices to configure`: the network card has no driver (`bootworks explain nic-driver-missing`)"),
            fix("`panic=0` keeps the screen; `break=premount` (initramfs-tools) or `rd.break` (dracut) gives a shell before it"),
        ],
        sources: &["linux: kernel/exit.c", "https://github.com/rear/rear/issues/509", "initramfs-tools: scripts/functions"],
        ..BLANK
    },
    Cause {
        id: "kernel-lockup",
        sentence: "A processor is stuck in the kernel: a driver does not come back.",
        signs: &[
            proof("soft lockup - CPU#{cpu:number} stuck for {seconds}! [{task}").says("CPU {cpu} is stuck for {seconds} in {task}: a driver does not come back."),
            proof("Watchdog detected hard LOCKUP"),
            usual("detected stalls on CPUs/tasks"),
            usual("detected stall on CPU"),
            usual("self-detected stall on CPU"),
            trace("INFO: task {task} blocked for more than {seconds:number} seconds").says("{task} hangs in the kernel for more than {seconds} s."),
        ],
        fixes: &[
            fix("see the functions below it in the log: the driver they belong to is loaded no more with `modprobe.blacklist=DRIVER`"),
            fix("a graphics driver among them (nouveau, mgag200, ast): `nomodeset`"),
            fix("a flood on a slow serial console does it, too: `quiet`, or 115200 instead of 9600"),
            fix("bring the server's firmware up to date"),
        ],
        hides: &["unit-timeout", "init-exited"],
        decide: "The names in the call trace, and which module was loaded last",
        sources: &["linux: kernel/watchdog.c", "https://github.com/canonical/ubuntu.com/issues/1256"],
        ..BLANK
    },
    Cause {
        id: "gpu-modeset-hang",
        sentence: "The boot stops or goes dark when the graphics driver takes over the screen.",
        signs: &[
            usual("switching to {driver}drmfb from").at_the_end().says("The screen goes dark when the graphics driver {driver} takes it over."),
            usual("fb0: switching to {driver} from").at_the_end().says("The screen goes dark when the graphics driver {driver} takes it over."),
            usual("Console: switching to colour frame buffer device {size}").at_the_end(),
            usual("{driver}: unknown chipset").unless(&["i2c", "spi"]),
            usual("nouveau {address}: {unit}: {what:any} timeout").says("The graphics driver nouveau does not get its card to work."),
            usual("nouveau {address}: bus: MMIO"),
            trace("soft lockup - CPU#{cpu:number} stuck"),
        ],
        clues: &[
            supports("nouveau", "a graphics driver is at work"),
            supports("mgag200", "a graphics driver is at work"),
            supports("ast {address}: [drm]", "a graphics driver is at work"),
            excludes("{host} login:", "it booted on"),
        ],
        fixes: &[
            fix("`nomodeset` on the kernel's command line: the screen stays as the firmware set it up"),
            fix("or leave the one driver out: `modprobe.blacklist=nouveau` (mgag200, ast)"),
        ],
        hides: &["kernel-lockup", "console-missing"],
        decide: "`nomodeset` once; and does the box answer a ping while its screen is dark",
        sources: &["https://github.com/solus-project/budgie-desktop/issues/1671", "https://github.com/rhinstaller/anaconda/pull/3609", "https://github.com/NixOS/nixpkgs/issues/4659"],
        ..BLANK
    },
];
