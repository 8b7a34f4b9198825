//! Causes of the stage `console`: screen and serial console. Definitions only; how they are found in a log is `diagnosis`'s.

use super::{BLANK, Cause, excludes, fix, proof, supports, trace, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "console-missing",
        sentence: "Nothing comes after the boot loader's last line: most likely the kernel runs, but speaks on another console; else it stopped before its first word.",
        signs: &[
            usual("Booting the kernel").at_the_end(),
            usual("Loading initial ramdisk ...").at_the_end(),
            usual("Loading initial ramdisk").at_the_end(),
            usual("Loading Linux {release} ...").at_the_end(),
            usual("EFI stub: Loaded initrd from {where:any}").at_the_end(),
            usual("EFI stub: Exiting boot services{:any}").at_the_end(),
            usual("Exiting boot services and installing virtual address map").at_the_end(),
            usual("Starting kernel ...").at_the_end(),
            usual("Decompressing Linux... Parsing ELF... done").at_the_end(),
            usual("Probing EDD (edd=off to disable)... ok").at_the_end(),
            usual("initrd{:any}... ok$").at_the_end(),
            usual("initramfs{:any}... ok$").at_the_end(),
            usual("rootfs{:any}... ok$").at_the_end(),
            trace("initrd.gz... ok"),
            trace("initrd.img... ok"),
            usual("Booting in blind mode").at_the_end(),
        ],
        clues: &[
            excludes("Kernel panic", "the kernel speaks here"),
            excludes("Linux version {release} (", "the kernel speaks here"),
            supports("'debian-installer'", "the installer fetches files while nothing is seen of it"),
            supports("'GET {path} HTTP/{version}' 200 {size} '-' 'Wget", "the system fetches files while nothing is seen of it"),
            supports("'GET {path} HTTP/{version}' 200 {size} '-' 'curl", "the system fetches files while nothing is seen of it"),
        ],
        fixes: &[
            fix("add `console=tty0 console=ttyS0,115200` to the kernel's command line: the last one is where prompts go"),
            fix("the port and speed of the server's serial-over-LAN: Dell, HPE and Supermicro differ (ttyS0 or ttyS1; arm64: ttyAMA0)"),
            fix("the kernel's file, if nothing more happens at all: whole (`dpkg -V linux-image-$(uname -r)`, `sha256sum` at both ends), and for this processor"),
            fix("`earlycon=efifb keep_bootcon` or `earlyprintk=ttyS0,115200` shows what comes before the console is there"),
        ],
        decide: "The server's log: a DHCP request or download by the OS after kernel and initrd means that it runs (console); none means that it stopped (initrd, driver, processor)",
        sources: &["linux: Documentation/admin-guide/serial-console.rst", "https://github.com/coreos/fedora-coreos-tracker/issues/431"],
        ..BLANK
    },
    Cause {
        id: "console-no-such-port",
        sentence: "The last console= of the command line names a port that this machine does not have: what should be read or typed there is lost.",
        signs: &[
            usual("unable to open an initial console").says("PID 1 got no console: the last console= of the command line names a port that does not exist."),
            usual("Failed to open /dev/console: {why:any}").says("/dev/console cannot be opened ({why}): the last console= names a port that does not exist."),
            usual("/dev/console: Input/output error"),
            usual("Couldn't open /dev/console"),
            // Ubuntu, cloud image's initramfs: without /dev/console each of its functions says that it failed.
            proof("The root filesystem on {device} requires a manual fsck").times(3).says("The initramfs fails over and over within a second: /dev/console is no port that this machine has."),
            trace("Run /init as init process").at_the_end(),
        ],
        clues: &[
            supports("console=ttyS{port:number}", "a serial port is named as console"),
            supports("console=ttyAMA{port:number}", "a serial port is named as console"),
            supports("console=hvc{port:number}", "a virtual console is named"),
            excludes("Failed to execute /init", "the program itself is missing"),
            excludes("No init found", "the program itself is missing"),
            excludes("No working init found", "the program itself is missing"),
            excludes("Requested init {init} failed", "the program itself is missing"),
        ],
        fixes: &[
            fix("make a port that exists the last console=: `console=ttyS0,115200 console=tty0` to type on the screen"),
            fix("look which ports there are: `dmesg | grep ttyS`, and switch the one wanted on in the firmware's setup"),
        ],
        hides: &["init-exited"],
        decide: "Leave the last console= out once: if it boots on then, it was that",
        sources: &["https://github.com/systemd/systemd/issues/15656", "https://github.com/coreos/fedora-coreos-tracker/issues/431", "linux: init/main.c"],
        ..BLANK
    },
];
