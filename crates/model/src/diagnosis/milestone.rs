//! Lines that say how far a boot came, where a new boot begins, what system speaks, and what nobody names but
//! everybody fears. Tables only; `reading` counts what is seen of them.

use crate::catalogue::{Stage, System};
use crate::ladder::{LADDER, Rung};
use std::sync::LazyLock;

/// A line that proves a rung.
#[derive(Clone, Copy)]
pub(super) struct Milestone {
    pub(super) line: &'static str,
    pub(super) unless: &'static [&'static str],
    pub(super) rung: Rung,
    /// Stages of which nothing that was seen before this line can have stopped the boot.
    pub(super) heals: &'static [Stage],
}

const fn at(rung: Rung, heals: &'static [Stage], line: &'static str) -> Milestone {
    Milestone { line, unless: &[], rung, heals }
}

impl Milestone {
    const fn unless(mut self, texts: &'static [&'static str]) -> Milestone {
        self.unless = texts;
        self
    }
}

const NONE: &[Stage] = &[];
const FIRMWARE: &[Stage] = &[Stage::Rom];
const TO_KERNEL: &[Stage] = &[Stage::Rom, Stage::Loader, Stage::Console];
const NETWORK: &[Stage] = &[Stage::Rom, Stage::Loader, Stage::Console, Stage::Driver, Stage::InitrdNet];
const ROOT: &[Stage] = &[
    Stage::Rom,
    Stage::Loader,
    Stage::Console,
    Stage::Kernel,
    Stage::Driver,
    Stage::InitrdNet,
    Stage::Nfs,
    Stage::Fetch,
];
const SYSTEM: &[Stage] = &[
    Stage::Rom,
    Stage::Loader,
    Stage::Console,
    Stage::Kernel,
    Stage::Hw,
    Stage::Driver,
    Stage::InitrdNet,
    Stage::Nfs,
    Stage::Fetch,
    Stage::Firstboot,
];

/// What is healed where a box of bootworks itself says that it stands on this rung.
const fn healed_at(rung: Rung) -> &'static [Stage] {
    match rung {
        Rung::PoweredOff => &Stage::ALL,
        rung if rung as usize >= Rung::ControllerSpoke as usize => SYSTEM,
        Rung::MountedRoot => ROOT,
        Rung::GotAddress | Rung::FoundServer => NETWORK,
        Rung::InitrdSpoke => TO_KERNEL,
        _ => NONE,
    }
}

/// All milestones: those of other systems, and the lines in which our own boxes name the rungs of the ladder.
pub(super) fn milestones() -> &'static [Milestone] {
    static ALL: LazyLock<Vec<Milestone>> = LazyLock::new(|| {
        let own = LADDER.iter().filter(|rung| rung.rung >= Rung::InitrdSpoke).map(|definition| {
            // Made once for the whole run, like the texts of the table themselves.
            let line: &'static str = String::leak(format!("^{}: ", definition.rung.label()));
            at(definition.rung, healed_at(definition.rung), line)
        });
        own.chain(MILESTONES.iter().copied()).collect()
    });
    &ALL
}

/// In the order of the ladder.
const MILESTONES: &[Milestone] = &[
    at(Rung::AskedForAddress, NONE, ">>Start PXE over"),
    at(Rung::AskedForAddress, NONE, ">>Start HTTP Boot over"),
    at(Rung::AskedForAddress, NONE, "wait for link TFTP: {ip}"),
    at(Rung::AskedForAddress, NONE, "DHCPDISCOVER from {mac}"),
    at(Rung::AskedForAddress, NONE, "DHCPDISCOVER({interface}) {mac}"),
    at(Rung::AskedForAddress, NONE, "DHCP4_DISCOVER"),
    at(Rung::TookAddress, NONE, "Station IP address is {ip}"),
    at(Rung::TookAddress, NONE, "YI_ADDR {ip}"),
    at(Rung::TookAddress, NONE, "CLIENT IP: {ip}"),
    at(Rung::TookAddress, NONE, "DHCPACK on {ip} to {mac}"),
    at(Rung::TookAddress, NONE, "DHCPACK({interface}) {ip} {mac}"),
    at(Rung::TookAddress, NONE, "DHCP4_LEASE_ALLOC"),
    at(Rung::FetchedLoader, FIRMWARE, "iPXE initialising devices"),
    at(Rung::FetchedLoader, FIRMWARE, "Open Source Network Boot Firmware"),
    at(Rung::FetchedLoader, FIRMWARE, "PXELINUX {version} {:any} Copyright"),
    at(Rung::FetchedLoader, FIRMWARE, "GNU GRUB version"),
    at(Rung::FetchedLoader, FIRMWARE, "Welcome to GRUB"),
    at(Rung::FetchedKernel, TO_KERNEL, "Linux version {release} ("),
    at(Rung::FetchedKernel, TO_KERNEL, "Booting the kernel"),
    at(Rung::FetchedInitrd, TO_KERNEL, "Freeing initrd memory"),
    at(Rung::FetchedInitrd, NONE, "EFI stub: Loaded initrd from"),
    at(Rung::InitrdSpoke, TO_KERNEL, "Begin: Running /scripts/init-premount"),
    at(Rung::InitrdSpoke, TO_KERNEL, "Begin: Loading essential drivers"),
    at(Rung::InitrdSpoke, TO_KERNEL, "systemd[1]: systemd {version} running in system mode"),
    at(Rung::InitrdSpoke, TO_KERNEL, "dracut-cmdline[{pid:number}]: dracut-"),
    at(Rung::LinkUp, NONE, "link becomes ready"),
    at(Rung::LinkUp, NONE, "Link is up"),
    at(Rung::GotAddress, NETWORK, "IP-Config: {interface} complete"),
    at(Rung::GotAddress, NETWORK, "IP-Config: Complete"),
    at(Rung::GotAddress, NETWORK, "bound to {ip} -- renewal in"),
    at(Rung::GotAddress, NETWORK, "lease of {ip} obtained"),
    at(Rung::GotAddress, NETWORK, "DHCPv4 address {ip} via"),
    at(Rung::GotAddress, NETWORK, "DHCPv4 address {ip}, gateway"),
    at(Rung::GotAddress, NETWORK, "dhcp4 ({interface}): state changed {:any} -> bound"),
    at(Rung::GotAddress, NETWORK, "DHCPACK of {ip} from"),
    at(Rung::GotAddress, NETWORK, "{interface}: leased {ip} for {seconds} seconds"),
    at(Rung::GotAddress, NETWORK, "Committed DHCPv4 lease with address {ip}"),
    at(Rung::GotAddress, NETWORK, "[talos] assigned address"),
    at(Rung::GotAddress, NETWORK, "policy: set '{name}' ({interface}) as default for IPv4"),
    at(Rung::MountedRoot, NONE, "authenticated mount request from {client} for {path}"),
    at(Rung::MountedRoot, NONE, "Begin: Running /scripts/init-bottom"),
    at(Rung::MountedRoot, ROOT, "VFS: Mounted root (nfs filesystem)"),
    at(Rung::MountedRoot, ROOT, "NixOS Stage 2"),
    at(Rung::MountedRoot, ROOT, "OpenRC {version} is starting up"),
    at(Rung::MountedRoot, ROOT, "*** Starting YaST"),
    at(Rung::MountedRoot, ROOT, "Switching root"),
    at(Rung::MountedRoot, ROOT, "Reached target {:any}Switch Root"),
    at(Rung::MountedRoot, ROOT, "Welcome to {:any}!").unless(&["dracut", "Initramfs", "GRUB"]),
    at(Rung::MountedRoot, ROOT, "Started {:any}Getty on"),
    at(Rung::MountedRoot, ROOT, "INIT: version {version} booting"),
    at(Rung::ControllerSpoke, SYSTEM, "Reached target {:any}Multi-User System"),
    at(Rung::ControllerSpoke, SYSTEM, "Reached target {:any}Graphical Interface"),
    at(Rung::ControllerSpoke, SYSTEM, "[talos] machine is running and ready"),
    at(Rung::ControllerSpoke, SYSTEM, "[talos] upload configuration using talosctl"),
    at(Rung::ControllerSpoke, SYSTEM, "Startup finished in {:any} = {time}"),
    at(Rung::ControllerSpoke, SYSTEM, "INIT: Entering runlevel: {level}"),
    at(Rung::ControllerSpoke, SYSTEM, "runit: enter stage: /etc/runit/2"),
    at(Rung::ControllerSpoke, SYSTEM, "{host} login:"),
    at(Rung::ControllerSpoke, SYSTEM, "Cloud-init v. {version} finished at"),
    at(Rung::ImageWritten, NONE, "Successfully written"),
    at(Rung::BootLoaderInstalled, &[Stage::Bootloader], "Installation finished. No error reported"),
    at(Rung::PoweredOff, NONE, "reboot: Power down"),
];

/// From which part of a boot a line is that begins one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Firmware,
    Loader,
    Kernel,
}

/// A line with which a part of a boot begins.
pub(super) struct Opening {
    pub(super) line: &'static str,
    pub(super) begins: Begins,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// This part; a new boot if the kernel ran already.
    Part(Phase),
    /// A new boot, whatever was before.
    Boot,
    /// A new boot if the system ran already.
    Again,
    /// A report in which the kernel's log stands more than once: everything is one boot.
    Report,
}

const fn opens(begins: Begins, line: &'static str) -> Opening {
    Opening { line, begins }
}

/// What begins boots, and parts of them.
pub(super) const OPENINGS: &[Opening] = &[
    opens(Begins::Part(Phase::Firmware), ">>Start PXE over"),
    opens(Begins::Part(Phase::Firmware), ">>Start HTTP Boot over"),
    opens(Begins::Part(Phase::Firmware), "Intel(R) Boot Agent"),
    opens(Begins::Part(Phase::Firmware), "SeaBIOS (version"),
    opens(Begins::Part(Phase::Firmware), "RPi: BOOTLOADER release"),
    opens(Begins::Part(Phase::Firmware), "BdsDxe: loading Boot"),
    opens(Begins::Part(Phase::Firmware), "American Megatrends"),
    opens(Begins::Part(Phase::Loader), "iPXE initialising devices"),
    opens(Begins::Part(Phase::Loader), "GNU GRUB version"),
    opens(Begins::Part(Phase::Loader), "PXELINUX {version} {:any} Copyright"),
    opens(Begins::Part(Phase::Kernel), "Linux version {release} ("),
    opens(Begins::Again, "Begin: Running /scripts/init-premount"),
    opens(Begins::Again, "Begin: Loading essential drivers"),
    opens(Begins::Again, "Begin: Mounting root file system"),
    opens(Begins::Again, "dracut-cmdline[{pid:number}]: dracut-"),
    opens(Begins::Again, "Starting dracut initqueue hook"),
    opens(Begins::Again, "DHCP ({interface} {mac})..."),
    opens(Begins::Again, "PXE-E{code:hex}:"),
    opens(Begins::Boot, "^-- Boot {id:hex}"),
    opens(Begins::Boot, "^-- Reboot --"),
    opens(Begins::Report, "^+ dmesg"),
    opens(Begins::Report, "^+ journalctl -ab"),
    opens(Begins::Report, "^+ cat /lib/dracut"),
];

/// What a TFTP server says of one exchange in several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Talk {
    /// A client asks for a file.
    Asks,
    /// The file that this client asked for is not there; the line does not name it.
    Refuses,
    /// The client ends the transfer, as a ROM does that only wanted the file's size.
    Aborts,
    /// The server's last word on such a transfer, or on one that the client does not acknowledge.
    Fails,
    /// UEFI's own stack begins to boot over IPv4.
    Begins,
    /// It has an address.
    HasAddress,
    /// Its time is out: for DHCP where it has no address, for TFTP where it has one
    /// (edk2, NetworkPkg/UefiPxeBcDxe/PxeBcBoot.c, `EFI_TIMEOUT`).
    TimeIsOut,
}

/// Lines of TFTP servers and of UEFI's own stack that mean something only together.
pub(super) const TALK: &[(Talk, &str)] = &[
    (Talk::Asks, "RRQ from {client} filename {file}"),
    (Talk::Refuses, "sending NAK (1, File not found) to {client}"),
    (Talk::Aborts, "error {code:number} {:any} received from {client}"),
    (Talk::Fails, "failed sending {file} to {client}"),
    (Talk::Begins, "Start PXE over IPv4"),
    (Talk::HasAddress, "Station IP address is {address}"),
    (Talk::TimeIsOut, "PXE-E18"),
];

/// Words by which a system is known, for the order of the fixes.
pub(super) const SYSTEMS: &[(System, &str)] = &[
    (System::Line, "bootworks"),
    (System::Ubuntu, "ubuntu"),
    (System::Ubuntu, "subiquity"),
    (System::Ubuntu, "casper"),
    (System::Debian, "debian"),
    (System::Debian, "Begin: Running /scripts"),
    (System::Dracut, "dracut"),
    (System::Dracut, "anaconda"),
    (System::Dracut, "Red Hat"),
    (System::Dracut, "fedora"),
];

/// Lines after which nothing goes on: a boot with one of them failed, whether the cause is known or not.
pub(super) const FATAL: &[&str] = &[
    "Kernel panic",
    "not syncing",
    "Oops:",
    "BUG: unable to handle",
    "emergency mode",
    "emergency shell",
    "rescue mode",
    "grub rescue>",
    "Dropping to a shell",
    "^(initramfs)",
    "dracut:/#",
    "FATAL:",
    "Boot failed",
    "System halted",
    "Installation failed",
    "install_fail",
    "An unknown error has occurred",
    "Pane is dead",
    "Traceback (most recent call last)",
];

/// Words of lines that may say what went wrong.
pub(super) const ODD: &[&str] = &[
    "error",
    "failed",
    "failure",
    "cannot",
    "could not",
    "couldn't",
    "timed out",
    "timeout",
    "refused",
    "not found",
    "unable to",
    "no such",
    "denied",
    "invalid",
    "corrupt",
];

/// What the kernel says of its clocks while everybody waits (kernel/time/clocksource.c): it is no step of a boot.
pub(super) const CLOCKS: &[&str] = &["clocksource: timekeeping watchdog on", "clocksource: wd-"];

/// Lines of healthy machines that have such words.
pub(super) const HARMLESS: &[&str] = &[
    "ACPI BIOS Error",
    "ACPI Error",
    "ACPI BIOS Warning",
    "AE_NOT_FOUND",
    "unstable",
    "AER:",
    "tg3_tso",
    "regulatory.db",
    "Alt. header",
    "autoexec.ipxe",
    "com0",
    "RTNETLINK answers: File exists",
    "User aborted the transfer",
    "TSC calibration failed",
    "platform eisa",
    "i8042",
    "No arrays found in config file",
    "ehci-orion",
    "Error Recovery",
    "error recovery",
    "error reporting",
    "ERST: Error Record",
    "EDAC",
    "RAS: Correctable Errors",
    "MTRR",
    "no such device or address: thermal",
    "remount-ro",
    "errors=remount",
    "audit",
    "tainting kernel",
    "taints kernel",
    "i2c i2c",
    "libkmod",
    "fsck",
    "failed to evaluate _DSM",
    "Cannot get hvm parameter CONSOLE_EVTCHN",
    "hpet",
    "loaded without errors",
    "0 errors",
    "no errors",
    "ERROR_INJECTION",
    "printk: console",
    "watchdog did not stop",
];
