//! From an address to the loader: firmware, TFTP, UEFI HTTP Boot, PXELINUX, GRUB, shim, iPXE.

use super::name;
use crate::boot::NFS_PORT;
use crate::ladder::Rung;
use crate::silence::Signature;
use crate::silence::finding::{Rule, found};
use crate::silence::seen::File;
use crate::timeline::{Cut, FileRole, Road};

pub(super) const RULES: &[Rule] = &[
    rule!(
        "S45",
        "The box fetched pxelinux and asked for ldlinux.c32, which is not here",
        ["syslinux-ldlinux-missing"],
        "put ldlinux.c32 (BIOS), ldlinux.e64 (UEFI) of the same syslinux version beside pxelinux.0",
        |seen| name(seen.not_found("ldlinux.")?)
    ),
    rule!(
        "S44",
        "The box fetched pxelinux and asked for its configuration, which is not here",
        ["pxelinux-config-not-found"],
        "put a file `default` into pxelinux.cfg/",
        |seen| name(seen.not_found("pxelinux.cfg/")?)
    ),
    rule!(
        "S43",
        "GRUB runs and finds neither its modules nor its configuration",
        ["grub-prefix-wrong"],
        "GRUB looks where its prefix points: put grub.cfg and its modules there, or build the image with another prefix",
        |seen| name(
            seen.not_found("-efi/")
                .or_else(|| seen.not_found("i386-pc/"))
                .or_else(|| seen.not_found("grub.cfg"))?
        )
    ),
    rule!(
        "S41",
        "shim was fetched and asked for its second stage, which is not here",
        ["shim-second-stage"],
        "put grubx64.efi beside shim, under the path it asked for",
        |seen| name(
            seen.not_found("grubx64")
                .or_else(|| seen.not_found("grubaa64"))
                .or_else(|| seen.not_found("mmx64"))?
        )
    ),
    rule!(
        "S42",
        "shim and GRUB were fetched, and GRUB asked for nothing",
        ["grub-prefix-wrong", "secureboot-denied", "grub-wrong-server"],
        "see on the box's screen whether GRUB has a prompt (its prefix is wrong) or the firmware refused it (Secure Boot)",
        |seen| {
            let grub = seen.files.iter().find(|file| file.cut.is_none() && file.name.contains("grubx64"))?;
            (seen.silent_seconds() >= 60).then_some(())?;
            name(grub)
        }
    ),
    rule!(
        "S9",
        "The box asked over TFTP for a file that is not here",
        ["tftp-file-not-found"],
        "look at the name it asked for: a wrong boot file in another DHCP server's offer names it",
        |seen| {
            let file = seen.cut(Road::Tftp, Cut::NotFound)?;
            seen.highest().is_some_and(|rung| rung < Rung::FetchedLoader).then_some(())?;
            name(file)
        }
    ),
    rule!(
        "S10",
        "The box asked over TFTP and was refused",
        ["tftp-access-denied"],
        "only reading in octet mode is served",
        |seen| {
            let file = seen.cut(Road::Tftp, Cut::Refused)?;
            seen.highest().is_some_and(|rung| rung < Rung::FetchedLoader).then_some(())?;
            name(file)
        }
    ),
    rule!(
        "S11",
        "A TFTP transfer ended where its block counter ends",
        ["tftp-size-limit"],
        "the client cannot count further: a larger blksize, or HTTP for files of this size",
        |seen| {
            let at_limit = |file: &&File| {
                let block = [65_535, 32_767]
                    .into_iter()
                    .find(|blocks| file.bytes > 0 && file.bytes.is_multiple_of(*blocks));
                block.is_some_and(|blocks| (8..=65_464).contains(&(file.bytes / blocks)))
            };
            let cut = seen.files.iter().rev().filter(|file| file.road == Road::Tftp && file.cut.is_some());
            let file = cut.into_iter().find(at_limit)?;
            found([format!("{} ended after {} bytes", file.name, file.bytes)])
        }
    ),
    rule!(
        "S7",
        "The box asked over TFTP, was answered, and heard nothing",
        ["tftp-reply-path", "tftp-timeout"],
        "the answers come from another port than 69: a NAT, a container or a firewall on the way drops them",
        |seen| {
            let silent =
                |file: &&File| file.road == Road::Tftp && file.cut == Some(Cut::Silent) && file.bytes == 0;
            let times = seen.files.iter().filter(silent).count();
            let file = seen.files.iter().find(silent)?;
            seen.highest().is_some_and(|rung| rung < Rung::FetchedLoader).then_some(())?;
            found([format!("{} was asked for {times} times and not one block was acknowledged", file.name)])
        }
    ),
    rule!(
        "S40",
        "UEFI HTTP Boot got an address and asked for nothing, or for its size only",
        ["http-boot-failed"],
        "HTTP Boot may be allowed for HTTPS only in the firmware's set-up; or use PXE",
        |seen| {
            (seen.http_boot.taken.is_some() && seen.whole(FileRole::Loader).is_none()).then_some(())?;
            seen.is_overdue().then_some(())?;
            found([format!(
                "it was told to boot {}",
                seen.http_boot.bootfile.as_deref().unwrap_or("nothing")
            )])
        }
    ),
    rule!(
        "S6",
        "The box took an address, and asks for another one's owner again and again",
        ["tftp-arp-timeout", "route-missing"],
        "an address on this network: its owner is off, or behind another VLAN; our own: our answers do not arrive (VLAN, port isolation); elsewhere: a router is missing in the DHCP answer",
        |seen| {
            let (address, times) = seen.neighbours.iter().max_by_key(|(_, times)| **times)?;
            (seen.highest() < Some(Rung::FetchedKernel) && seen.is_overdue()).then_some(())?;
            found([format!("it asked {times} times who has {address}")])
        }
    ),
    rule!(
        "S17",
        "The box began a connection, and did not hear our answer to it",
        ["http-timeout", "route-missing", "vlan-mismatch"],
        "the box's question came here, and our answer went astray: look for its way back (route, VLAN, firewall)",
        |seen| {
            let (port, times) = seen.unconfirmed.iter().next()?;
            (seen.is_overdue() && seen.highest() < Some(Rung::MountedRoot)).then_some(())?;
            let finding = found([format!("our answer on port {port} was sent again {times} times")])?;
            if *port == NFS_PORT { finding.first("nfs-server-unreachable") } else { Some(finding) }
        }
    ),
    rule!(
        "S5",
        "The firmware took an address and asked for no file",
        ["tftp-arp-timeout", "pxe-no-proxy-reply", "dhcp-no-bootfile", "rom-exit"],
        "read the firmware's own lines on the box's screen: `PXE-E..` says which",
        |seen| {
            (seen.rom.taken.is_some() && seen.files.is_empty() && seen.ipxe.asked == 0).then_some(())?;
            seen.is_overdue().then_some(())?;
            match seen.rom.bootfile.as_deref() {
                None => found(["our offer named no boot file".to_owned()])?.first("dhcp-no-bootfile"),
                Some(file) if file.starts_with("http") => {
                    found([format!("the boot file was {file}, and the firmware spoke PXE")])?
                        .first("nbp-filename-is-url")
                }
                Some(file) => found([format!("the boot file in our offer was {file}")]),
            }
        }
    ),
    rule!(
        "S13",
        "The boot program went over whole, and iPXE never asked for an address",
        ["ipxe-hang-init", "ipxe-no-device", "stp-delay", "nbp-too-big"],
        "see on the box's screen whether iPXE started; else try another loader (the one that uses the ROM's driver)",
        |seen| {
            let file = seen.whole(FileRole::Loader)?;
            (seen.ipxe.asked == 0 && seen.stands_at(Rung::FetchedLoader) && seen.is_overdue())
                .then_some(())?;
            (seen.is_uefi() != Some(true)).then_some(())?;
            name(file)
        }
    ),
    rule!(
        "S12",
        "The boot program went over whole, and nothing of it was heard",
        ["secureboot-denied", "nbp-wrong-arch", "ipxe-hang-init", "ipxe-no-device"],
        "read the firmware's lines: `Access Denied` or `Security Violation` is Secure Boot, `Unsupported` the wrong program",
        |seen| {
            let file = seen.whole(FileRole::Loader)?;
            (seen.ipxe.asked == 0 && seen.stands_at(Rung::FetchedLoader) && seen.is_overdue())
                .then_some(())?;
            let said = [
                format!("{} went over whole, {} bytes", file.name, file.bytes),
                format!("its firmware is UEFI (architecture {})", seen.architecture.unwrap_or_default()),
            ];
            match seen.architecture {
                // The loaders served are for x86-64 (RFC 4578 errata 4624: 7 and 9; 16 is its HTTP Boot).
                Some(7 | 9 | 16) | None => found(said),
                Some(_) => found(said)?.first("nbp-wrong-arch"),
            }
        }
    ),
    rule!(
        "S16",
        "iPXE took an address and fetched nothing",
        ["ipxe-nothing-to-boot", "http-timeout", "ipxe-dns-no-server", "ipxe-proto-unsupported"],
        "read iPXE's line on the box's screen: it ends in the address of a page that explains it",
        |seen| {
            (seen.ipxe.taken.is_some() && seen.nic().is_none() && seen.is_overdue()).then_some(())?;
            (!seen.files.iter().any(|file| file.role == FileRole::Script)).then_some(())?;
            match seen.ipxe.bootfile.as_deref() {
                None => found(["our offer to iPXE named nothing to boot".to_owned()]),
                Some(file) => found([format!("our offer to iPXE named {file}")])?.first("http-timeout"),
            }
        }
    ),
];
