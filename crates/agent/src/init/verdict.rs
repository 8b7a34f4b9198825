//! Why a box has no network interface: which card, which driver, and what became of it. Pure: what `cards`
//! saw and the kernel's lines go in, a trouble comes out.

use super::modules::Outcome;
use model::hardware::PciId;
use model::ladder::Rung;
use model::timeline::Trouble;
use rustix::io::Errno;

/// The causes that stand for "no interface".
pub(super) const CAUSES: &[&str] = &[
    "nic-absent",
    "nic-driver-missing",
    "firmware-missing",
    "nic-probe-failed",
    "module-kernel-mismatch",
    "module-unknown-symbol",
    "module-signature-rejected",
    "module-compression-unsupported",
    "bootif-unmatched",
];

/// A network card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Card {
    /// Where it sits: `0000:00:02.0`.
    pub(super) address: String,
    /// What it is.
    pub(super) id: PciId,
    /// The interface it has become, if it has.
    pub(super) interface: Option<String>,
    /// The driver bound to it.
    pub(super) bound: Option<String>,
    /// The drivers that fit what of it has none.
    pub(super) drivers: Vec<Driver>,
}

/// A driver that fits, by the whole alias table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Driver {
    /// The module's name.
    pub(super) name: String,
    /// What became of it; `None` where nobody tried.
    pub(super) outcome: Option<Outcome>,
    /// The kernel packages that have it, where the build wrote that down.
    pub(super) packages: Vec<String>,
}

/// Why these cards have not become interfaces. `log` finds the kernel's lines in which one of some words
/// stands. `None` where each has.
pub(super) fn judge(cards: &[Card], release: &str, log: impl Fn(&[&str]) -> Vec<String>) -> Option<Trouble> {
    if cards.is_empty() {
        return Some(no_card());
    }
    let undriven: Vec<&Card> = cards.iter().filter(|card| card.interface.is_none()).collect();
    let mut troubles: Vec<Trouble> = undriven.iter().map(|card| judge_card(card, release, &log)).collect();
    // A missing driver is the surest verdict; the others rest on what the kernel happened to say.
    troubles.sort_by_key(|trouble| CAUSES.iter().position(|cause| *cause == trouble.cause));
    let mut first = troubles.first()?.clone();
    let others =
        cards.iter().filter(|card| !first.evidence.iter().any(|line| line.starts_with(&card.address)));
    let others: Vec<String> = others.map(describe).collect();
    first.evidence.extend(others);
    Some(first)
}

fn judge_card(card: &Card, release: &str, log: impl Fn(&[&str]) -> Vec<String>) -> Trouble {
    let refused = card.drivers.iter().find_map(|driver| match driver.outcome {
        Some(Outcome::Refused(error)) => Some((driver, error)),
        _ => None,
    });
    if let Some((driver, error)) = refused {
        return refused_driver(card, driver, error, log);
    }
    let is_here = card.bound.is_some() && card.drivers.is_empty()
        || card.drivers.iter().any(|driver| driver.outcome != Some(Outcome::Absent));
    if is_here { silent_driver(card, log) } else { missing_driver(card, release) }
}

fn no_card() -> Trouble {
    Trouble {
        cause: "nic-absent".into(),
        rung: Rung::LinkUp,
        sentence: "this box has no network card: there is none on its PCI bus".into(),
        evidence: vec!["no PCI device of class 02 (network)".into()],
        fix: vec![
            "switch the network card on in the firmware's settings, or put one in".into(),
            "a virtual box: give it one, `--box nic=e1000e`".into(),
        ],
    }
}

fn missing_driver(card: &Card, release: &str) -> Trouble {
    let names: Vec<&str> = card.drivers.iter().map(|driver| driver.name.as_str()).collect();
    let id = card.id;
    let sentence = match names.as_slice() {
        [] => format!("network card {id}: no driver is known for it in kernel {release}"),
        [one] => format!("network card {id} needs the driver {one}, which is not in this initrd"),
        more => format!("network card {id} needs one of {}, and none is in this initrd", more.join(", ")),
    };
    let mut packages: Vec<&str> =
        card.drivers.iter().flat_map(|driver| &driver.packages).map(String::as_str).collect();
    packages.dedup();
    let mut fix = Vec::new();
    if let [package, ..] = packages.as_slice() {
        fix.push(format!("in line.toml: kernel = \"{package}\", which has it; then `bootworks build`"));
    } else if release.contains("-cloud-") {
        fix.push(
            "in line.toml: kernel = \"linux-image-amd64\"; the cloud kernel is for virtual machines".into(),
        );
    }
    fix.push("`bootworks check` shows what each kind of server lacks, and the package that has it".into());
    Trouble {
        cause: "nic-driver-missing".into(),
        rung: Rung::LinkUp,
        sentence,
        evidence: vec![describe(card), format!("kernel {release}")],
        fix,
    }
}

fn refused_driver(
    card: &Card,
    driver: &Driver,
    error: Errno,
    log: impl Fn(&[&str]) -> Vec<String>,
) -> Trouble {
    let cause = match error {
        Errno::NOEXEC => "module-kernel-mismatch",
        Errno::NOENT => "module-unknown-symbol",
        Errno::KEYREJECTED | Errno::NOKEY => "module-signature-rejected",
        Errno::OPNOTSUPP => "module-compression-unsupported",
        _ => "nic-probe-failed",
    };
    let mut evidence = vec![describe(card)];
    evidence.extend(log(&[&driver.name, &card.address]));
    Trouble {
        cause: cause.into(),
        rung: Rung::LinkUp,
        sentence: format!(
            "network card {}: the kernel did not take its driver {}: {} ({error})",
            card.id,
            driver.name,
            linux::module::meaning(error)
        ),
        evidence,
        fix: vec!["`bootworks build` again: kernel, initrd and root must be of one build".into()],
    }
}

/// The driver is loaded and the card has not become an interface: the kernel's lines say why.
fn silent_driver(card: &Card, log: impl Fn(&[&str]) -> Vec<String>) -> Trouble {
    let loaded = card.drivers.iter().find(|driver| driver.outcome != Some(Outcome::Absent));
    let name = loaded.map(|driver| driver.name.as_str()).or(card.bound.as_deref()).unwrap_or("its driver");
    let lines = log(&[name, &card.address]);
    let mut evidence = vec![describe(card)];
    evidence.extend(lines.iter().cloned());
    if let Some(file) = lines.iter().rev().find_map(|line| firmware_in(line)) {
        return Trouble {
            cause: "firmware-missing".into(),
            rung: Rung::LinkUp,
            sentence: format!(
                "network card {}: its driver {name} needs the firmware file {file}, which is not in this initrd",
                card.id
            ),
            evidence,
            fix: vec![
                "`bootworks check` names the firmware package; add it to packages in line.toml".into(),
                "Debian: firmware packages are in the section non-free-firmware".into(),
            ],
        };
    }
    Trouble {
        cause: "nic-probe-failed".into(),
        rung: Rung::LinkUp,
        sentence: format!(
            "network card {}: its driver {name} is loaded, but did not bring the card to life",
            card.id
        ),
        evidence,
        fix: vec![
            "the kernel's lines above say why; a card that fails so on one box only is broken".into(),
            "update the card's firmware, or take a newer kernel".into(),
        ],
    }
}

/// The file in the kernel's `Direct firmware load for tigon/tg3.bin failed with error -2`
/// (`drivers/base/firmware_loader/main.c`).
fn firmware_in(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("Direct firmware load for ")?;
    let (file, rest) = rest.split_once(' ')?;
    rest.starts_with("failed").then_some(file)
}

fn describe(card: &Card) -> String {
    let Card { address, id, .. } = card;
    if let Some(interface) = &card.interface {
        return format!("{address} {id} is {interface}");
    }
    if card.drivers.is_empty() {
        return match &card.bound {
            Some(driver) => format!("{address} {id} has the driver {driver} and no interface"),
            None => format!("{address} {id} has no driver, and none is known for it"),
        };
    }
    let drivers = card.drivers.iter().map(|driver| {
        let outcome = match driver.outcome {
            Some(Outcome::Absent) => "is not in this initrd".into(),
            Some(Outcome::Loaded) => "is loaded".into(),
            Some(Outcome::Refused(error)) => format!("was not taken by the kernel ({error})"),
            None => "was not tried".into(),
        };
        format!("{} fits and {outcome}", driver.name)
    });
    format!("{address} {id} has no driver; {}", drivers.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn card(address: &str, id: &str, drivers: &[(&str, Outcome)]) -> Card {
        let drivers = drivers.iter().map(|(name, outcome)| Driver {
            name: (*name).into(),
            outcome: Some(*outcome),
            packages: Vec::new(),
        });
        Card {
            address: address.into(),
            id: id.parse().unwrap(),
            interface: None,
            bound: None,
            drivers: drivers.collect(),
        }
    }

    fn check(cards: &[Card], release: &str, kernel: &[&str], verdict: Expect) {
        let log = |words: &[&str]| {
            let about = |line: &&&str| words.iter().any(|word| line.contains(word));
            kernel.iter().filter(about).map(|line| (*line).to_owned()).collect()
        };
        let text = match judge(cards, release, log) {
            Some(trouble) => format!(
                "{}\n{}\n- {}\n* {}",
                trouble.cause,
                trouble.sentence,
                trouble.evidence.join("\n- "),
                trouble.fix.join("\n* ")
            ),
            None => "nothing wrong".into(),
        };
        verdict.assert_eq(&text);
    }

    /// The story this project was written for: it took days to find, and it is one sentence.
    #[test]
    fn a_driver_left_out_is_named() {
        check(
            &[card("0000:00:02.0", "8086:10d3", &[("e1000e", Outcome::Absent)])],
            "6.1.0-49-cloud-amd64",
            &[],
            expect![[r#"
                nic-driver-missing
                network card 8086:10d3 needs the driver e1000e, which is not in this initrd
                - 0000:00:02.0 8086:10d3 has no driver; e1000e fits and is not in this initrd
                - kernel 6.1.0-49-cloud-amd64
                * in line.toml: kernel = "linux-image-amd64"; the cloud kernel is for virtual machines
                * `bootworks check` shows what each kind of server lacks, and the package that has it"#]],
        );
    }

    /// Where the build wrote down the package, the fix can be typed.
    #[test]
    fn the_package_that_has_the_driver_is_named() {
        let mut one = card("0000:01:00.0", "14e4:165f", &[("tg3", Outcome::Absent)]);
        one.drivers[0].packages = vec!["linux-modules-extra-6.8.0-31-generic".into()];
        let trouble = judge(&[one], "6.8.0-31-generic", |_| Vec::new()).unwrap();
        expect![[r#"in line.toml: kernel = "linux-modules-extra-6.8.0-31-generic", which has it; then `bootworks build`"#]]
            .assert_eq(&trouble.fix[0]);
    }

    #[test]
    fn a_box_without_a_card_is_not_told_of_drivers() {
        check(
            &[],
            "6.1.0-49-amd64",
            &[],
            expect![[r#"
                nic-absent
                this box has no network card: there is none on its PCI bus
                - no PCI device of class 02 (network)
                * switch the network card on in the firmware's settings, or put one in
                * a virtual box: give it one, `--box nic=e1000e`"#]],
        );
    }

    /// bnx2 loads, finds its card, and then lacks a file: that is another package than the driver's.
    #[test]
    fn missing_firmware_is_told_from_a_missing_driver() {
        let mut bnx2 = card("0000:01:00.0", "14e4:1639", &[]);
        bnx2.bound = Some("bnx2".into());
        let mut working = card("0000:02:00.0", "8086:1521", &[]);
        working.interface = Some("eth0".into());
        check(
            &[bnx2, working],
            "6.1.0-49-amd64",
            &[
                "[    3.1] bnx2 0000:01:00.0: Direct firmware load for bnx2/bnx2-mips-09-6.2.1b.fw failed with error -2",
            ],
            expect![[r#"
                firmware-missing
                network card 14e4:1639: its driver bnx2 needs the firmware file bnx2/bnx2-mips-09-6.2.1b.fw, which is not in this initrd
                - 0000:01:00.0 14e4:1639 has the driver bnx2 and no interface
                - [    3.1] bnx2 0000:01:00.0: Direct firmware load for bnx2/bnx2-mips-09-6.2.1b.fw failed with error -2
                - 0000:02:00.0 8086:1521 is eth0
                * `bootworks check` names the firmware package; add it to packages in line.toml
                * Debian: firmware packages are in the section non-free-firmware"#]],
        );
    }

    /// A driver of another kernel, a driver that gives up, a card nobody knows: three causes, three fixes.
    #[test]
    fn the_other_verdicts() {
        check(
            &[card("0000:00:02.0", "8086:10d3", &[("e1000e", Outcome::Refused(Errno::NOEXEC))])],
            "6.1.0-49-amd64",
            &["[    2.0] e1000e: version magic '6.1.0-48-amd64 SMP' should be '6.1.0-49-amd64 SMP'"],
            expect![[r#"
                module-kernel-mismatch
                network card 8086:10d3: the kernel did not take its driver e1000e: it was built for another kernel, or the file is damaged (module-kernel-mismatch) (Exec format error (os error 8))
                - 0000:00:02.0 8086:10d3 has no driver; e1000e fits and was not taken by the kernel (Exec format error (os error 8))
                - [    2.0] e1000e: version magic '6.1.0-48-amd64 SMP' should be '6.1.0-49-amd64 SMP'
                * `bootworks build` again: kernel, initrd and root must be of one build"#]],
        );
        check(
            &[card("0000:00:02.0", "8086:10d3", &[("e1000e", Outcome::Loaded)])],
            "6.1.0-49-amd64",
            &["[    2.0] e1000e: probe of 0000:00:02.0 failed with error -5"],
            expect![[r#"
                nic-probe-failed
                network card 8086:10d3: its driver e1000e is loaded, but did not bring the card to life
                - 0000:00:02.0 8086:10d3 has no driver; e1000e fits and is loaded
                - [    2.0] e1000e: probe of 0000:00:02.0 failed with error -5
                * the kernel's lines above say why; a card that fails so on one box only is broken
                * update the card's firmware, or take a newer kernel"#]],
        );
        check(
            &[card("0000:00:02.0", "abcd:0001", &[])],
            "6.1.0-49-amd64",
            &[],
            expect![[r#"
                nic-driver-missing
                network card abcd:0001: no driver is known for it in kernel 6.1.0-49-amd64
                - 0000:00:02.0 abcd:0001 has no driver, and none is known for it
                - kernel 6.1.0-49-amd64
                * `bootworks check` shows what each kind of server lacks, and the package that has it"#]],
        );
    }
}
