//! What comes again and again: starts that go in circles, boxes that come back. It speaks before what a single start shows.

use crate::ladder::Rung;
use crate::silence::Signature;
use crate::silence::finding::{Rule, found};

/// Attempts that follow each other this closely go in circles, in milliseconds.
const CIRCLE_MILLIS: u64 = 60_000;
/// A finished box that boots from the network again within this time was not meant to, in milliseconds.
const AGAIN_MILLIS: u64 = 300_000;
/// A finished box that is sent to its disk three times within this time does not start from it, in milliseconds: one
/// whose firmware asks the network first asks once each time that it is switched on.
const COMES_BACK_MILLIS: u64 = 900_000;
/// How long after somebody wanted a finished box to be installed again it has to have asked for an address.
const WANTED_MILLIS: u64 = 900_000;

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
];
