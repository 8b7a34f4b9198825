//! The signatures, each with the rule that recognises it. The order matters: what is more particular stands
//! before what is more general, and the first rule that applies speaks.
//!
//! Long because it is one table, whose order is what it says.

use super::Signature;
use super::finding::{Finding, Rule, found};
use super::seen::{Dialogue, File, RootDenial, Seen};
use crate::boot::NFS_PORT;
use crate::ladder::Rung;
use crate::proof::nic::BootNic;
use crate::timeline::{Cut, Denial, FileRole, Road, Trouble};

/// Attempts that follow each other this closely go in circles, in milliseconds.
const CIRCLE_MILLIS: u64 = 60_000;
/// A finished box that boots from the network again within this time was not meant to, in milliseconds.
const AGAIN_MILLIS: u64 = 300_000;
/// A finished box that is sent to its disk three times within this time does not start from it, in milliseconds: one
/// whose firmware asks the network first asks once each time that it is switched on.
const COMES_BACK_MILLIS: u64 = 900_000;
/// How long after somebody wanted a finished box to be installed again it has to have asked for an address.
pub(super) const WANTED_MILLIS: u64 = 900_000;

macro_rules! rule {
    ($id:literal, $seen:literal, [$($cause:literal),+], $next:literal, $applies:expr) => {
        Rule {
            signature: Signature { id: $id, seen: $seen, causes: &[$($cause),+], next: $next },
            applies: $applies,
        }
    };
}

/// All of them, in the order in which they are tried.
pub(super) const RULES: &[Rule] = &[
    rule!(
        "S38",
        "The finished box was sent to its own disk, and came back again and again",
        ["no-bootable-device", "grub-rescue-no-device", "initramfs-disk-driver-missing", "root-spec-wrong"],
        "see its screen when it starts from its disk: the firmware, GRUB or the initrd says what is missing",
        |seen| {
            let recent =
                seen.sent_to_disk.iter().filter(|at| seen.now.0.saturating_sub(at.0) < COMES_BACK_MILLIS);
            let times = recent.count();
            (times >= 3).then_some(())?;
            found([format!("{times} times within {} minutes", COMES_BACK_MILLIS / 60_000)])
        }
    ),
    rule!(
        "S39",
        "The box is to be installed again, and did not ask for an address",
        ["uefi-boot-order", "rom-no-link", "ipxe-link-down"],
        "switch it on with the network before the disk in its firmware's boot order, once (the BMC: `chassis bootdev pxe`)",
        |seen| {
            let minutes = seen.now.0.saturating_sub(seen.wanted_since?.0) / 60_000;
            (minutes * 60_000 >= WANTED_MILLIS).then_some(())?;
            found([format!("that was asked for {minutes} minutes ago: it is off, or boots from its disk")])
        }
    ),
    rule!(
        "S37",
        "The box was finished, and booted from the network again at once",
        ["uefi-boot-order"],
        "put the disk before the network in the firmware's boot order, or take the box off the build network",
        |seen| {
            let (rung, at) = *seen.earlier.last()?;
            let began = seen.state.rungs.values().next()?;
            (rung == Rung::PoweredOff && !seen.is_wanted && began.0.saturating_sub(at.0) < AGAIN_MILLIS)
                .then_some(())?;
            found([format!(
                "it was finished {} s before it asked for an address again",
                (began.0 - at.0) / 1000
            )])
        }
    ),
    rule!(
        "S15",
        "iPXE fetched the boot program, which is iPXE again, over and over",
        ["ipxe-chain-loop"],
        "give iPXE (user class `iPXE`, option 77 or 175) the script and not the boot program",
        |seen| {
            let recent =
                seen.loader_rounds.iter().filter(|at| seen.now.0.saturating_sub(at.0) < CIRCLE_MILLIS);
            let rounds = recent.count();
            (rounds >= 3 && seen.ipxe.asked >= 2).then_some(())?;
            found([format!(
                "the boot program went over {rounds} times within a minute, iPXE asking each time"
            )])
        }
    ),
    rule!(
        "S34",
        "The box fetched the root's image again and again",
        ["init-crashed", "kernel-oom", "squashfs-corrupt"],
        "watch the box's console from the kernel on; give it more memory, or use root = \"nfs\"",
        |seen| {
            let times = &seen.root_fetches;
            (times.len() >= 3 && seen.highest() < Some(Rung::ControllerSpoke)).then_some(())?;
            let period = times.last()?.0.saturating_sub(times.first()?.0) / 1000 / (times.len() as u64 - 1);
            found([format!("{} times, about every {period} s", times.len())])
        }
    ),
    rule!(
        "S48",
        "The box stopped in a different place each time",
        ["image-corrupt", "squashfs-read-error", "no-carrier"],
        "test its memory (memtest86+), look at its cooling, and change the cable",
        |seen| {
            let mut stops: Vec<Rung> = seen.earlier.iter().map(|(rung, _)| *rung).collect();
            stops.extend(seen.highest());
            stops.retain(|rung| *rung >= Rung::FetchedLoader && *rung < Rung::PoweredOff);
            let last: Vec<Rung> = stops.iter().rev().take(4).copied().collect();
            let different: std::collections::BTreeSet<Rung> = last.iter().copied().collect();
            (last.len() >= 4 && different.len() >= 3 && seen.is_overdue()).then_some(())?;
            let names: Vec<&str> = last.iter().rev().map(|rung| rung.label()).collect();
            found([format!("the last starts ended at: {}", names.join("; "))])
        }
    ),
    // Addresses.
    rule!(
        "S4",
        "The box asked for an address and took another DHCP server's offer",
        ["dhcp-two-servers"],
        "find the owner of that address and switch its DHCP off, or set dhcp = \"proxy\" in line.toml [network]",
        |seen| {
            let said = denied(seen, Denial::OtherServer)?;
            (seen.is_overdue() || seen.highest().is_none()).then_some(())?;
            found([said.to_owned()])
        }
    ),
    rule!(
        "S3",
        "The box asked for an address, and every address is leased",
        ["dhcp-pool-empty"],
        "make `range` in line.toml [network] larger, or wait until leases end",
        |seen| found([denied(seen, Denial::PoolEmpty)?.to_owned()])
    ),
    rule!(
        "S26",
        "The box found somebody else using the address that it was given",
        ["duplicate-address"],
        "find who has that address by hand (`arping`), or move `range` in line.toml [network] away from it",
        |seen| { found([denied(seen, Denial::AddressInUse)?.to_owned()]) }
    ),
    rule!(
        "S24",
        "Firmware and loader got an address, the operating system none",
        ["dhcp-server-silent"],
        "look at the reason below; each program on a box is a DHCP client of its own",
        |seen| {
            let (_, said) = seen.system.denials.last()?;
            (seen.system.taken.is_none() && seen.is_overdue()).then_some(())?;
            found([said.clone()])
        }
    ),
    rule!(
        "S22",
        "The operating system asked for an address, was offered one each time, and never took it",
        ["vlan-mismatch", "nic-probe-failed", "dhcp-no-answer"],
        "the offers do not arrive: look at the switch port's VLAN, and at the NIC's driver in the kernel log",
        |seen| {
            (seen.system.ignores_offers() && seen.is_overdue()).then_some(())?;
            found([asked_words("the operating system", &seen.system)])
        }
    ),
    rule!(
        "S14",
        "iPXE asked for an address, was offered one each time, and never took it",
        ["ipxe-dhcp-failed", "stp-delay", "lacp-required"],
        "the offers do not arrive: portfast on the switch port, no LACP; or a loader that uses the ROM's driver (undionly.kpxe, snponly.efi)",
        |seen| {
            (seen.ipxe.ignores_offers() && seen.whole(FileRole::Loader).is_some()).then_some(())?;
            found([asked_words("iPXE", &seen.ipxe)])
        }
    ),
    rule!(
        "S2",
        "The firmware asked for an address, was offered one each time, and never took it",
        ["dhcp-no-offer", "vlan-mismatch", "dhcp-two-servers"],
        "capture at the switch port: the offers do not arrive (VLAN, relay), or the firmware wants something in them that is not there",
        |seen| {
            let dialogue =
                [&seen.rom, &seen.http_boot, &seen.ipxe].into_iter().find(|one| one.ignores_offers())?;
            seen.is_overdue().then_some(())?;
            found([asked_words("the firmware", dialogue)])
        }
    ),
    // The loader.
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
    // Kernel and initrd.
    rule!(
        "S18",
        "The box asked over HTTP for a file that is not here",
        ["http-404"],
        "run `bootworks build`, and let the box boot again: its script names what is there now",
        |seen| {
            let file = seen.cut(Road::Http, Cut::NotFound)?;
            (seen.is_overdue() && seen.highest() < Some(Rung::InitrdSpoke)).then_some(())?;
            name(file)
        }
    ),
    rule!(
        "S18b",
        "The box asked for a file that the server could not read",
        ["http-server-error"],
        "run `bootworks build` again, and look at the server's disk",
        |seen| {
            let file = seen.cut(Road::Http, Cut::Unreadable)?;
            seen.is_overdue().then_some(())?;
            found([format!("{}: {}", file.name, file.reason)])
        }
    ),
    rule!(
        "S19",
        "The box broke off the transfer of its kernel or initrd",
        ["ipxe-stall", "ipxe-no-memory", "mtu-mismatch"],
        "always at the same place: too little memory; at different places: the way there (MTU, a bad cable)",
        |seen| {
            let large = |file: &&File| {
                file.road == Road::Http && matches!(file.cut, Some(Cut::ByClient | Cut::Silent))
            };
            let cuts: Vec<&File> = seen.files.iter().filter(large).collect();
            let last = cuts.last()?;
            (seen.highest() < Some(Rung::FetchedInitrd) && seen.is_overdue()).then_some(())?;
            let of = last.of_bytes.map(|bytes| format!(" of {bytes}")).unwrap_or_default();
            let finding = found([format!("{} ended after {}{of} bytes", last.name, last.bytes)])?;
            let same = cuts.len() >= 2 && cuts.iter().all(|file| file.bytes == last.bytes);
            if same { finding.first("ipxe-no-memory") } else { Some(finding) }
        }
    ),
    rule!(
        "S19b",
        "The transfer of the box's kernel or initrd began, and neither went on nor ended",
        ["ipxe-stall", "mtu-mismatch", "http-timeout"],
        "large frames that get lost on the way (MTU), a card that loses them at full speed (another iPXE), or the cable",
        |seen| {
            let (name, bytes) = seen.under_way.as_ref()?;
            let fetches =
                seen.highest() >= Some(Rung::ReportedNic) && seen.highest() < Some(Rung::FetchedInitrd);
            (fetches && seen.is_overdue()).then_some(())?;
            found([format!("{name}, {bytes} bytes, has been on its way for {} s", seen.silent_seconds())])
        }
    ),
    rule!(
        "S21",
        "Kernel and initrd went over whole, and another NIC of the same machine asked for an address",
        ["wrong-nic-chosen", "bootif-unmatched"],
        "plug the build network into the NIC that boots, or let the initrd use the one it booted from (BOOTIF)",
        |seen| {
            (seen.highest() == Some(Rung::FetchedInitrd)).then_some(())?;
            let (_, since) = seen.state.highest()?;
            let serial = &seen.state.smbios.serial;
            let is_same = |other: &&crate::timeline::state::BoxState| {
                other.of != seen.state.of
                    && other.last_seen >= since
                    && (other.of.0[..5] == seen.state.of.0[..5]
                        || (!serial.is_empty() && other.smbios.serial == *serial))
                    && other.nic.is_none()
            };
            let other = seen.around.others.iter().find(is_same)?;
            found([format!("{} asked after the initrd of {} had gone over", other.of, seen.state.of)])
        }
    ),
    rule!(
        "S20",
        "Kernel and initrd went over whole, and the initrd never spoke",
        [
            "kernel-lockup",
            "ram-too-small-initrd",
            "initrd-corrupt",
            "console-missing",
            "kernel-image-corrupt"
        ],
        "see the box's console: it starts verbosely next time",
        |seen| {
            let restarts = seen.earlier.iter().filter(|(rung, _)| *rung == Rung::FetchedInitrd).count();
            // A box that restarts by itself is never silent for long.
            let is_circling = restarts >= 2;
            (seen.stands_at(Rung::FetchedInitrd) && seen.system.asked == 0).then_some(())?;
            (is_circling || seen.is_overdue()).then_some(())?;
            let silent = format!(
                "nothing for {} s; no address was asked for by the operating system",
                seen.silent_seconds()
            );
            if let Some(BootNic::Missing(trouble)) = seen.around.boot_nic {
                let trouble = Trouble { rung: Rung::InitrdSpoke, ..trouble.clone() };
                return Some(Finding { evidence: vec![silent], first: None, trouble: Some(trouble) });
            }
            if restarts > 0 {
                let said = format!("it started over {restarts} times at this point: it restarts by itself");
                return found([said, silent])?.first("kernel-image-corrupt");
            }
            found([silent])
        }
    ),
    // The initrd.
    rule!(
        "S23",
        "The initrd's link is up, and its request for an address does not arrive",
        ["stp-delay", "vlan-mismatch", "mtu-mismatch"],
        "portfast on the switch port; then its VLAN: the loader came over the same cable",
        |seen| {
            (seen.stands_at(Rung::LinkUp) && seen.system.asked == 0 && seen.is_overdue()).then_some(())?;
            found([format!("the link is up for {} s", seen.silent_seconds())])
        }
    ),
    rule!(
        "S29",
        "The box asked to mount its root and was refused",
        ["nfs-access-denied"],
        "boot it again: it mounts what today's build exports",
        |seen| {
            let RootDenial { why, path, address, reason } = seen.roots_refused.last()?;
            (seen.highest() < Some(Rung::MountedRoot)).then_some(())?;
            match why {
                Denial::WrongVersion => {
                    found([format!("{address}: {reason}")])?.first("nfs-version-mismatch")
                }
                Denial::NotFound => found([format!("{address} asked for {path}")])?.first("nfs-path-missing"),
                _ => found([format!("{address} asked for {path}")]),
            }
        }
    ),
    rule!(
        "S28",
        "The box asked the port mapper for NFS, and mounted nothing",
        ["nfs-server-unreachable", "nfs-not-registered"],
        "what it asked for that is not served has to be told to it otherwise (`vers=3`, `proto=tcp`); else: is port 2049 reached",
        |seen| {
            (seen.highest() < Some(Rung::MountedRoot) && seen.is_overdue()).then_some(())?;
            let (last, _) = seen.sought.last()?;
            match seen.sought.iter().rev().find(|(_, known)| !known) {
                Some((service, _)) => found([format!("it asked for {service}, which is not served")])?
                    .first("nfs-not-registered"),
                None => found([format!("it was told where {last} is, and never came")]),
            }
        }
    ),
    rule!(
        "S25",
        "The operating system has another address than the loader had, and asks for nothing",
        ["nfs-access-denied", "http-forbidden", "route-missing"],
        "what is allowed by address is refused to it: give leases by MAC and not by client identifier",
        |seen| {
            let (loader, _) = seen.ipxe.taken.or(seen.rom.taken)?;
            let (system, _) = seen.system.taken?;
            (loader != system && seen.is_overdue() && seen.highest() < Some(Rung::FoundServer))
                .then_some(())?;
            found([format!("the loader had {loader}, the operating system {system}")])
        }
    ),
    rule!(
        "S27",
        "The operating system took an address and asked for nothing",
        ["route-missing", "http-unreachable", "dns-missing", "live-medium-not-found"],
        "see its console: is there an address, a route, a server named on the kernel command line",
        |seen| {
            let (address, _) = seen.system.taken?;
            (seen.is_overdue() && seen.highest() < Some(Rung::FoundServer)).then_some(())?;
            found([format!("it has {address}")])
        }
    ),
    rule!(
        "S32",
        "The root's image broke off on its way into the box's memory",
        ["ram-too-small-squashfs", "http-conn-reset", "mtu-mismatch"],
        "about half of the box's memory is what a root in RAM may take: more memory, or root = \"nfs\" in line.toml [live]",
        |seen| {
            (seen.stands_at(Rung::FoundServer) && seen.is_overdue()).then_some(())?;
            let cut = |file: &&File| file.cut.is_some() && file.bytes > 0 && file.name.contains("squashfs");
            let file = seen.files.iter().rev().find(cut)?;
            let of = file.of_bytes.map(|bytes| format!(" of {bytes}")).unwrap_or_default();
            found([format!("{} ended after {}{of} bytes", file.name, file.bytes)])
        }
    ),
    rule!(
        "S33",
        "The root's image went over whole, and was never mounted",
        ["squashfs-mount-failed", "squashfs-corrupt", "union-missing", "init-crashed"],
        "see the box's console: the kernel says why it refuses an image",
        |seen| {
            let file = seen.whole(FileRole::Root)?;
            (seen.highest() < Some(Rung::MountedRoot) && seen.is_overdue()).then_some(())?;
            name(file)
        }
    ),
    rule!(
        "S31",
        "The root was mounted, and what the box read of it did not arrive",
        ["mtu-mismatch", "nic-tx-timeout", "nfs-hang-after-mount"],
        "large packets get lost between server and box: the MTU of each switch port on the way; then the cable",
        |seen| {
            let (calls, repeated) = seen.reads;
            (repeated > 0 && seen.stands_at(Rung::MountedRoot) && seen.is_overdue()).then_some(())?;
            found([format!("{repeated} of its {calls} reads came again")])
        }
    ),
    rule!(
        "S30",
        "The root was mounted, and the controller never spoke",
        ["nfs-hang-after-mount", "nic-tx-timeout", "init-crashed"],
        "see the box's console for `not responding` and `transmit queue`; is the server's NFS port still open",
        |seen| {
            (seen.stands_at(Rung::MountedRoot) && seen.is_overdue()).then_some(())?;
            let finding = found([format!("nothing for {} s after the mount", seen.silent_seconds())])?;
            // klibc's nfsmount asks for the root itself; it is the kernel that would read it.
            let is_read = seen.reads.0 > 0 || seen.state.rungs.contains_key(&Rung::InitrdSpoke);
            if is_read { Some(finding) } else { finding.first("nfs-not-in-initrd") }
        }
    ),
    // The controller.
    rule!(
        "S35",
        "The controller runs, and no step was begun",
        ["disk-driver-missing", "disk-in-use", "unit-timeout"],
        "see the box's console: it names the disks that it found",
        |seen| {
            let stands =
                matches!(seen.highest()?, Rung::ControllerSpoke | Rung::HardwareKnown | Rung::PlanConfirmed);
            (stands && seen.state.step.is_none() && seen.is_overdue()).then_some(())?;
            let disks = seen.state.disks.len();
            found([format!("{disks} disks are known of it")])
        }
    ),
    rule!(
        "S36",
        "The image went over whole, and was never told to be written",
        ["disk-io-error", "image-corrupt", "image-no-space"],
        "see the box's console for errors of its disk",
        |seen| {
            let file = seen.whole(FileRole::Image)?;
            (seen.highest() < Some(Rung::ImageWritten) && seen.is_overdue()).then_some(())?;
            name(file)
        }
    ),
];

/// The words of a refusal of that kind to a program on the box that has got no address since.
fn denied<'s>(seen: &'s Seen<'_>, why: Denial) -> Option<&'s str> {
    let dialogues = [&seen.rom, &seen.http_boot, &seen.ipxe, &seen.system];
    dialogues
        .into_iter()
        .filter(|dialogue| dialogue.taken.is_none())
        .find_map(|dialogue| dialogue.denied(why))
}

fn asked_words(who: &str, dialogue: &Dialogue) -> String {
    let attempts = match dialogue.attempts.len() {
        0 | 1 => String::new(),
        several => format!(" in {several} attempts"),
    };
    format!(
        "{who} asked {} times{attempts} and was offered an address {} times",
        dialogue.asked, dialogue.offered
    )
}

fn name(file: &File) -> Option<Finding> {
    found([match file.cut {
        Some(_) => format!("it asked for {}", file.name),
        None => format!("{} went over whole, {} bytes", file.name, file.bytes),
    }])
}
