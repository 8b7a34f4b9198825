//! Kernel and initrd: their files, and the first word of what is in them.

use super::name;
use crate::ladder::Rung;
use crate::proof::nic::BootNic;
use crate::silence::Signature;
use crate::silence::finding::{Finding, Rule, found};
use crate::silence::seen::File;
use crate::timeline::{Cut, FileRole, Road, Trouble};

pub(super) const RULES: &[Rule] = &[
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
            // The server knows at once, and the box waits for as long as it takes.
            seen.state.unreadable.then_some(())?;
            let file = seen.cut(Road::Http, Cut::Unreadable)?;
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
        "S19c",
        "The kernel went over whole more than once, and the initrd was never asked for",
        ["ipxe-image-format", "kernel-image-corrupt", "secureboot-denied"],
        "the boot program refuses the kernel: `bootworks build` makes it anew; with Secure Boot it must be a signed one",
        |seen| {
            let kernels =
                seen.files.iter().filter(|file| file.role == FileRole::Kernel && file.cut.is_none()).count();
            (seen.stands_at(Rung::FetchedKernel) && kernels >= 2 && seen.is_overdue()).then_some(())?;
            found([format!("{kernels} times the kernel, and no initrd")])
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
];
