//! The initrd on its way to the root.

use super::name;
use crate::ladder::Rung;
use crate::silence::Signature;
use crate::silence::finding::{Rule, found};
use crate::silence::seen::{File, RootDenial};
use crate::timeline::{Denial, FileRole};

pub(super) const RULES: &[Rule] = &[
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
            (seen.highest() < Some(Rung::MountedRoot) && seen.has_dawdled()).then_some(())?;
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
            (loader != system && seen.has_dawdled() && seen.highest() < Some(Rung::FoundServer))
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
            (seen.has_dawdled() && seen.highest() < Some(Rung::FoundServer)).then_some(())?;
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
];
