//! The boot ladder: every rung from the first DHCP packet to power-off, in one table.
//!
//! A rung is a milestone with its patience (after how long its absence is a problem) and its suspects
//! (diagnoses to look at first). Dashboard, progress, alarms, rehearsal assertions and the diagnosis of
//! silence all read this table; which event proves which rung is said in `timeline::Event::rung`.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One milestone of a box's way, in the order in which they are climbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// The firmware sent a DHCPDISCOVER.
    AskedForAddress,
    /// The firmware took the address it was offered.
    TookAddress,
    /// The network boot program went over the wire whole.
    FetchedLoader,
    /// iPXE told the PCI id of the booting NIC and the SMBIOS strings.
    ReportedNic,
    /// The kernel went over the wire whole.
    FetchedKernel,
    /// The initrd went over the wire whole.
    FetchedInitrd,
    /// PID 1 of the initrd runs.
    InitrdSpoke,
    /// The boot NIC has a driver and carrier.
    LinkUp,
    /// The initrd has an address.
    GotAddress,
    /// The server answered the initrd over HTTP.
    FoundServer,
    /// The live OS's root is mounted.
    MountedRoot,
    /// The controller runs in the live OS.
    ControllerSpoke,
    /// The box's inventory is known.
    HardwareKnown,
    /// Every question of the line has a valid answer.
    QuestionsAnswered,
    /// The plan was shown and confirmed.
    PlanConfirmed,
    /// Partitions and file systems are there.
    DisksLaidOut,
    /// The image is on the disk.
    ImageWritten,
    /// What was written was read back and compared.
    Verified,
    /// Boot loader, fstab, host name and users are in place; the disk is bootable.
    BootLoaderInstalled,
    /// The record is on the server.
    RecordSealed,
    /// The box announced its power-off.
    PoweredOff,
}

/// What is known of a rung besides its name.
pub struct Definition {
    /// Which rung.
    pub rung: Rung,
    /// As it stands on a screen: `fetched the kernel`.
    pub label: &'static str,
    /// How long after the rung before it its absence is a problem; `None` where a person is waited for.
    pub patience: Option<Duration>,
    /// Cause ids to look at first when it does not come.
    pub suspects: &'static [&'static str],
}

const fn rung(
    rung: Rung,
    label: &'static str,
    patience_seconds: u64,
    suspects: &'static [&'static str],
) -> Definition {
    let patience = if patience_seconds == 0 { None } else { Some(Duration::from_secs(patience_seconds)) };
    Definition { rung, label, patience, suspects }
}

/// The ladder, lowest rung first.
pub const LADDER: &[Definition] = &[
    rung(
        Rung::AskedForAddress,
        "asked for an address",
        0,
        &["rom-no-link", "uefi-boot-order", "vlan-mismatch"],
    ),
    rung(
        Rung::TookAddress,
        "took the address",
        60,
        &["dhcp-no-offer", "dhcp-two-servers", "dhcp-pool-empty"],
    ),
    rung(
        Rung::FetchedLoader,
        "fetched the loader",
        60,
        &["dhcp-no-bootfile", "tftp-timeout", "tftp-reply-path"],
    ),
    rung(
        Rung::ReportedNic,
        "reported its NIC",
        90,
        &["ipxe-hang-init", "ipxe-dhcp-failed", "nbp-wrong-arch"],
    ),
    rung(Rung::FetchedKernel, "fetched the kernel", 60, &["http-timeout", "ipxe-stall", "http-404"]),
    rung(Rung::FetchedInitrd, "fetched the initrd", 120, &["ipxe-stall", "ipxe-no-memory", "mtu-mismatch"]),
    rung(
        Rung::InitrdSpoke,
        "the initrd spoke",
        90,
        &["nic-driver-missing", "initrd-corrupt", "ram-too-small-initrd"],
    ),
    rung(Rung::LinkUp, "link up", 60, &["nic-driver-missing", "no-carrier", "firmware-missing"]),
    rung(Rung::GotAddress, "got an address", 90, &["stp-delay", "dhcp-no-answer", "vlan-mismatch"]),
    rung(Rung::FoundServer, "found the server", 30, &["route-missing", "wrong-nic-chosen", "mtu-mismatch"]),
    rung(
        Rung::MountedRoot,
        "mounted the root",
        120,
        &["nfs-server-unreachable", "nfs-access-denied", "squashfs-fetch-failed"],
    ),
    rung(Rung::ControllerSpoke, "the controller spoke", 60, &["nfs-hang-after-mount", "nic-tx-timeout"]),
    rung(Rung::HardwareKnown, "hardware known", 60, &["disk-driver-missing"]),
    rung(Rung::QuestionsAnswered, "questions answered", 0, &[]),
    rung(Rung::PlanConfirmed, "plan confirmed", 0, &["disk-no-virtual-drive", "disk-driver-missing"]),
    rung(Rung::DisksLaidOut, "disks laid out", 300, &["disk-in-use", "disk-io-error"]),
    rung(Rung::ImageWritten, "image written", 3600, &["image-corrupt", "image-no-space", "disk-io-error"]),
    rung(Rung::Verified, "verified", 1800, &["disk-io-error", "image-corrupt"]),
    rung(Rung::BootLoaderInstalled, "boot loader installed", 300, &["grub-install-failed", "efi-nvram-full"]),
    rung(Rung::RecordSealed, "record sealed", 60, &["http-unreachable"]),
    rung(Rung::PoweredOff, "powered off", 60, &[]),
];

impl Rung {
    /// The rung's row of the [`LADDER`].
    pub fn definition(self) -> &'static Definition {
        &LADDER[self as usize]
    }

    /// As it stands on a screen.
    pub fn label(self) -> &'static str {
        self.definition().label
    }

    /// The id used in JSON and on command lines: `fetched-kernel`.
    pub fn id(self) -> String {
        let mut id = String::new();
        for character in format!("{self:?}").chars() {
            if character.is_ascii_uppercase() && !id.is_empty() {
                id.push('-');
            }
            id.push(character.to_ascii_lowercase());
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `definition` indexes the table by the rung: a row out of order would name the wrong rung everywhere.
    #[test]
    fn the_table_stands_in_the_order_of_the_rungs() {
        for (index, definition) in LADDER.iter().enumerate() {
            assert_eq!(definition.rung as usize, index, "{}", definition.label);
        }
        assert_eq!(LADDER.len(), Rung::PoweredOff as usize + 1);
        assert_eq!(Rung::FetchedInitrd.id(), "fetched-initrd");
    }
}
