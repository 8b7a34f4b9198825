//! What another kernel, or other firmware, means for the hardware of a line: drivers and devices gained and lost.
//!
//! Told of what a boot needs (wired NICs, disk controllers); a sound card's driver is nobody's concern here.

use super::choice;
use super::tree::{Module, Tree};
use crate::hardware::DeviceClass;
use std::collections::{BTreeMap, BTreeSet};

/// Devices or files that are named before the rest is counted.
const NAMED: usize = 4;

/// What changes from one kernel to another, one line each: `+`, `-` or `~` and a driver. Empty where nothing does.
pub fn drivers(old: &Tree, new: &Tree) -> Vec<String> {
    let names: BTreeSet<&String> = old.modules.keys().chain(new.modules.keys()).collect();
    let mut driven: BTreeMap<String, &str> = BTreeMap::new();
    for (name, module) in &new.modules {
        driven.extend(devices(module).into_iter().map(|device| (device, name.as_str())));
    }
    let mut lines: Vec<String> =
        names.into_iter().filter_map(|name| driver(name, old, new, &driven)).collect();
    // What is lost matters most, what is gained least.
    lines.sort_by_key(|line| ["-", "~", "+"].iter().position(|sign| line.starts_with(sign)));
    lines
}

/// `driven` says which module of the new kernel drives a device.
fn driver(name: &str, old: &Tree, new: &Tree, driven: &BTreeMap<String, &str>) -> Option<String> {
    let (was, is) = (old.modules.get(name), new.modules.get(name));
    let class = class(was.or(is)?)?;
    let begin = |sign: &str| format!("{sign} {name} ({class}): ");
    match (was, is) {
        (None, Some(_)) if old.builtin.contains(name) => Some(begin("~") + "was built in, is a module now"),
        (None, Some(is)) => Some(begin("+") + &drives(is)),
        (Some(_), None) if new.builtin.contains(name) => Some(begin("~") + "was a module, is built in now"),
        (Some(was), None) => {
            let (sign, changes) = lost(&devices(was), driven);
            let changes = if changes.is_empty() { "is gone".to_owned() } else { changes.join("; ") };
            Some(begin(sign) + &changes)
        }
        (Some(was), Some(is)) => {
            let (before, after) = (devices(was), devices(is));
            let (sign, mut changes) = lost(&before.difference(&after).cloned().collect(), driven);
            let asked = |module: &Module| module.info.firmware.iter().cloned().collect::<BTreeSet<_>>();
            for (what, more) in [
                ("drives besides", after.difference(&before).cloned().collect::<BTreeSet<_>>()),
                ("asks besides for firmware", asked(is).difference(&asked(was)).cloned().collect()),
            ] {
                if !more.is_empty() {
                    changes.push(format!("{what} {}", listed(&more)));
                }
            }
            let sign = if sign == "-" { sign } else { "~" };
            (!changes.is_empty()).then(|| begin(sign) + &changes.join("; "))
        }
        (None, None) => None,
    }
}

/// What becomes of devices that a driver leaves: a sign, and the words for it.
fn lost(devices: &BTreeSet<String>, driven: &BTreeMap<String, &str>) -> (&'static str, Vec<String>) {
    let orphans: BTreeSet<String> =
        devices.iter().filter(|device| !driven.contains_key(*device)).cloned().collect();
    let mut words = Vec::new();
    if !orphans.is_empty() {
        words.push(format!("no module drives {} now", listed(&orphans)));
    }
    let heirs: BTreeSet<String> =
        devices.iter().filter_map(|device| driven.get(device)).map(|name| (*name).to_owned()).collect();
    if !heirs.is_empty() {
        let what = if orphans.is_empty() { "what it drove" } else { "the others" };
        words.push(format!("{what} is driven by {} now", listed(&heirs)));
    }
    (if orphans.is_empty() && !heirs.is_empty() { "~" } else { "-" }, words)
}

/// What other firmware means: files that drivers of the kernel ask for and that packages had or have.
pub fn firmware(old: &BTreeSet<String>, new: &BTreeSet<String>, kernel: &Tree) -> Vec<String> {
    let of_boot = kernel.modules.iter().filter(|(_, module)| class(module).is_some());
    let mut lines = Vec::new();
    for (name, module) in of_boot {
        let asked: BTreeSet<String> = module.info.firmware.iter().cloned().collect();
        let difference = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
            asked.iter().filter(|file| one.contains(*file) && !other.contains(*file)).cloned().collect()
        };
        let (lost, gained): (BTreeSet<String>, BTreeSet<String>) =
            (difference(old, new), difference(new, old));
        if !lost.is_empty() {
            lines.push(format!("- {name}: without firmware {} now", listed(&lost)));
        }
        if !gained.is_empty() {
            lines.push(format!("+ {name}: with firmware {} now", listed(&gained)));
        }
    }
    lines.sort_by_key(|line| line.starts_with('+'));
    lines
}

fn class(module: &Module) -> Option<&'static str> {
    match choice::class(&module.path)? {
        DeviceClass::Ethernet => Some("ethernet"),
        DeviceClass::Storage => Some("storage"),
        _ => None,
    }
}

fn drives(module: &Module) -> String {
    match devices(module) {
        devices if devices.is_empty() => "names no device".to_owned(),
        devices => format!("drives {}", listed(&devices)),
    }
}

/// Its devices as people write them: PCI ids, and other patterns as they are.
fn devices(module: &Module) -> BTreeSet<String> {
    module.info.aliases.iter().filter(|alias| alias.contains(':')).map(|alias| device(alias)).collect()
}

/// `pci:v000014E4d0000165Fsv*sd*bc*sc*i*` is `14e4:165f`.
fn device(alias: &str) -> String {
    let id = || {
        let rest = alias.strip_prefix("pci:v0000")?;
        let (vendor, rest) = rest.split_at_checked(4)?;
        let device = rest.strip_prefix("d0000")?.get(..4)?;
        let is_hex = |text: &str| text.bytes().all(|digit| digit.is_ascii_hexdigit());
        (is_hex(vendor) && is_hex(device)).then(|| format!("{vendor}:{device}").to_lowercase())
    };
    id().unwrap_or_else(|| alias.to_owned())
}

/// Some of them by name, the rest by number.
fn listed(names: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    match names.len().saturating_sub(NAMED) {
        _ if names.is_empty() => "its devices".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::modinfo::Modinfo;
    use super::*;
    use expect_test::expect;

    fn tree(modules: &[(&str, &[&str], &[&str])], builtin: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for (path, devices, firmware) in modules {
            let aliases = devices.iter().map(|id| match id.split_once(':') {
                Some((vendor, device)) if id.len() == 9 => {
                    format!("pci:v0000{}d0000{}sv*sd*bc*sc*i*", vendor.to_uppercase(), device.to_uppercase())
                }
                _ => (*id).to_owned(),
            });
            let firmware = firmware.iter().map(|file| (*file).to_owned()).collect();
            tree.add(*path, Modinfo { aliases: aliases.collect(), firmware, ..Modinfo::default() });
        }
        tree.builtin = builtin.iter().map(|name| (*name).to_owned()).collect();
        tree
    }

    const NET: &str = "kernel/drivers/net/ethernet/";

    /// Whoever takes a newer kernel decides on what it does to his hardware: what goes must be read first, what does
    /// not matter must not be there.
    #[test]
    fn a_new_kernel_says_what_it_means_for_drivers() {
        let path = |name: &str| format!("{NET}x/{name}.ko");
        let (tg3, ionic, mlx, gone) = (path("tg3"), path("ionic"), path("mlx5_core"), path("gone"));
        let (cxgb, chelsio) = (path("cxgb4"), path("chelsio"));
        let old = tree(
            &[
                (&tg3, &["14e4:165f", "14e4:1657"], &["tigon/tg3.bin"]),
                (&gone, &["1234:0001", "1234:0002", "1234:0003", "1234:0004", "1234:0005", "1234:0006"], &[]),
                (&mlx, &["15b3:1013"], &[]),
                ("kernel/drivers/nvme/host/nvme.ko", &["pci:v*d*sv*sd*bc01sc08i02*"], &[]),
                ("kernel/sound/x.ko", &["1234:0009"], &[]),
                (&cxgb, &["1425:5401"], &[]),
            ],
            &[],
        );
        let new = tree(
            &[
                (&tg3, &["14e4:1657"], &["tigon/tg3.bin", "tigon/tg3_tso.bin"]),
                (&ionic, &["1dd8:1002"], &[]),
                (&mlx, &["15b3:1013"], &[]),
                (&chelsio, &["1425:5401"], &[]),
            ],
            &["nvme"],
        );
        expect![[r#"
            - gone (ethernet): no module drives 1234:0001, 1234:0002, 1234:0003, 1234:0004 and 2 more now
            - tg3 (ethernet): no module drives 14e4:165f now; asks besides for firmware tigon/tg3_tso.bin
            ~ cxgb4 (ethernet): what it drove is driven by chelsio now
            ~ nvme (storage): was a module, is built in now
            + chelsio (ethernet): drives 1425:5401
            + ionic (ethernet): drives 1dd8:1002"#]]
        .assert_eq(&drivers(&old, &new).join("\n"));
        assert!(drivers(&old, &old).is_empty());
    }

    /// A firmware package that drops a file is found out by a NIC that stays silent.
    #[test]
    fn new_firmware_says_which_drivers_it_is_for() {
        let tg3 = format!("{NET}broadcom/tg3.ko");
        let kernel = tree(&[(&tg3, &["14e4:165f"], &["tigon/tg3.bin", "tigon/tg3_tso.bin"])], &[]);
        let files = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let (old, new) = (files(&["tigon/tg3.bin", "x.fw"]), files(&["tigon/tg3_tso.bin"]));
        expect![[r#"
            - tg3: without firmware tigon/tg3.bin now
            + tg3: with firmware tigon/tg3_tso.bin now"#]]
        .assert_eq(&firmware(&old, &new, &kernel).join("\n"));
    }
}
