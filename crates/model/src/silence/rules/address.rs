//! Addresses: asked for, refused, offered and not taken.

use crate::silence::Signature;
use crate::silence::finding::{Rule, found};
use crate::silence::seen::{Dialogue, Seen};
use crate::timeline::{Denial, FileRole};

pub(super) const RULES: &[Rule] = &[
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
