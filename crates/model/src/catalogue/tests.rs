//! The catalogue against itself, and against the ids that the rest of the program uses.

use super::{Kind, Look, all, find, nearest};
use crate::ladder::LADDER;
use std::collections::BTreeSet;

/// Causes whose pages are being written: they may be named before they are there.
const COMING: &[&str] = &[
    "acpi-noise",
    "appliance-invalid",
    "archive-mirror-bad",
    "bios-boot-partition-missing",
    "boot-parameters-missing",
    "bootif-unmatched",
    "casper-url-not-iso",
    "clock-wrong",
    "console-missing",
    "console-no-such-port",
    "controller-crashed",
    "cpu-unsupported",
    "decompressor-missing",
    "dhcp-no-answer",
    "dhcp-no-bootfile",
    "dhcp-no-offer",
    "dhcp-pool-empty",
    "dhcp-server-silent",
    "dhcp-two-servers",
    "disk-ambiguous",
    "disk-controller-remapped",
    "disk-driver-missing",
    "disk-in-use",
    "disk-io-error",
    "disk-no-virtual-drive",
    "disk-not-found",
    "disk-too-small",
    "disk-wrong-selected",
    "dns-missing",
    "dracut-module-missing",
    "duplicate-address",
    "efi-dir-missing",
    "efi-nvram-full",
    "efi-vars-unavailable",
    "esp-full",
    "firmware-degraded",
    "firmware-missing",
    "fsck-required",
    "fstab-device-missing",
    "gpt-backup-noise",
    "gpu-modeset-hang",
    "grub-install-failed",
    "grub-oom-initrd",
    "grub-prefix-wrong",
    "grub-probe-failed",
    "grub-rescue-no-device",
    "grub-secureboot-signature",
    "grub-send-failed",
    "grub-wrong-server",
    "http-404",
    "http-boot-failed",
    "http-conn-reset",
    "http-forbidden",
    "http-server-error",
    "http-timeout",
    "http-unreachable",
    "image-checksum-mismatch",
    "image-corrupt",
    "image-decompress-memory",
    "image-no-space",
    "image-truncated",
    "image-wrong-compression",
    "init-crashed",
    "init-exec-format",
    "init-exited",
    "init-missing",
    "initramfs-disk-driver-missing",
    "initrd-compression-unsupported",
    "initrd-corrupt",
    "initrd-mixed-images",
    "initrd-not-loaded",
    "installer-kernel-mismatch",
    "iommu-fault",
    "ip-param-bad",
    "ipxe-chain-loop",
    "ipxe-dhcp-failed",
    "ipxe-dns-no-server",
    "ipxe-dns-nxdomain",
    "ipxe-efi-refused",
    "ipxe-hang-init",
    "ipxe-image-format",
    "ipxe-link-down",
    "ipxe-no-device",
    "ipxe-no-memory",
    "ipxe-nothing-to-boot",
    "ipxe-proto-unsupported",
    "ipxe-stall",
    "kernel-file-not-found",
    "kernel-image-corrupt",
    "kernel-lockup",
    "kernel-oom",
    "lacp-required",
    "layout-invalid",
    "live-medium-not-found",
    "machine-id-readonly",
    "mbr-2tib-limit",
    "mce-error",
    "module-compression-unsupported",
    "module-kernel-mismatch",
    "module-signature-rejected",
    "module-unknown-symbol",
    "modules-dir-mismatch",
    "mtu-mismatch",
    "nbp-filename-is-url",
    "nbp-too-big",
    "nbp-wrong-arch",
    "network-not-requested",
    "network-wait-online",
    "nfs-access-denied",
    "nfs-bad-option",
    "nfs-hang-after-mount",
    "nfs-initrd-incomplete",
    "nfs-lock-statd",
    "nfs-not-in-initrd",
    "nfs-not-registered",
    "nfs-path-missing",
    "nfs-root-squash",
    "nfs-server-unreachable",
    "nfs-stale-handle",
    "nfs-tcp-unavailable",
    "nfs-version-mismatch",
    "nic-absent",
    "nic-driver-missing",
    "nic-driver-unknown",
    "nic-late",
    "nic-name-changed",
    "nic-probe-failed",
    "nic-tx-timeout",
    "no-bootable-device",
    "no-carrier",
    "overlay-upper-on-nfs",
    "pcie-aer-flood",
    "pxe-menu-bad",
    "pxe-no-proxy-reply",
    "pxelinux-config-not-found",
    "ram-too-small-initrd",
    "ram-too-small-squashfs",
    "readonly-root",
    "rom-exit",
    "rom-nic-fault",
    "rom-no-link",
    "root-param-missing",
    "root-spec-wrong",
    "rootfs-wrong-image",
    "route-missing",
    "sector-size-mismatch",
    "secureboot-denied",
    "sfp-unsupported",
    "shim-second-stage",
    "squashfs-corrupt",
    "squashfs-fetch-failed",
    "squashfs-mount-failed",
    "squashfs-read-error",
    "stage2-repo-missing",
    "stp-delay",
    "syslinux-ldlinux-missing",
    "syslinux-no-default",
    "syslinux-version-mix",
    "tftp-access-denied",
    "tftp-arp-timeout",
    "tftp-file-not-found",
    "tftp-reply-path",
    "tftp-size-limit",
    "tftp-timeout",
    "tls-cert-refused",
    "tls-handshake",
    "tsc-unstable",
    "uefi-boot-order",
    "union-missing",
    "unit-timeout",
    "vlan-mismatch",
    "wrong-nic-chosen",
];

fn is_known(id: &str) -> bool {
    find(id).is_some() || COMING.contains(&id)
}

/// A page with a hole is found by the person who needs what should stand there.
#[test]
fn every_page_is_whole() {
    let mut broken = Vec::new();
    let mut ids = BTreeSet::new();
    for (_, cause) in all() {
        let mut owes = |what: &str| broken.push(format!("{}: {what}", cause.id));
        if !ids.insert(cause.id) {
            owes("stands twice");
        }
        if !cause.sentence.ends_with('.') || cause.sentence.len() < 30 {
            owes("its sentence is none");
        }
        if cause.fixes.is_empty() {
            owes("nothing to do");
        }
        if cause.sources.is_empty() {
            owes("learned from nowhere");
        }
        if cause.decide.is_empty() && cause.kind == Kind::Root {
            owes("nothing decides where the log does not");
        }
        for id in cause.hides {
            if !is_known(id) {
                owes(&format!("hides {id}, which is no cause"));
            }
        }
        for sign in cause.signs {
            if let Look::Ipxe(code) = sign.line
                && crate::diagnosis::ipxe_words(code).is_none()
            {
                owes(&format!("iPXE code {code} has no words"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A suspect without a page is a name that nobody can look up.
#[test]
fn every_suspect_of_the_ladder_has_a_page() {
    let suspects = LADDER.iter().flat_map(|rung| rung.suspects);
    let unknown: Vec<&&str> = suspects.filter(|id| !is_known(id)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Whoever types an id from memory gets the one that was meant.
#[test]
fn near_names_are_found() {
    assert_eq!(nearest("nic-driver-mising").first(), Some(&"nic-driver-missing"));
    assert_eq!(nearest("NIC-DRIVER-MISSING").first(), Some(&"nic-driver-missing"));
    assert!(nearest("driver").contains(&"nic-driver-missing"));
    assert!(nearest("xyzzy-plugh").is_empty());
}
