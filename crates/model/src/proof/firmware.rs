//! Firmware: a driver's list holds alternatives, old names and files for single chips, so that "all of it must
//! be there" would fail on every server there is. What each driver needs for which chip stands in a table; of a
//! driver without a rule, one file of its list is enough.

use super::{Finding, LiveOs, Place, Status, pci_id};
use crate::modules::pattern;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Which package of the suite has which firmware, as far as the kernel's drivers ask for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FirmwareIndex {
    /// Parts of the archive that the line takes packages from.
    pub components: Vec<String>,
    /// Packages by name.
    pub packages: BTreeMap<String, FirmwarePackage>,
    /// Firmware packages that nobody has looked into.
    pub unread: Vec<String>,
}

/// A package with firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwarePackage {
    /// The part of the archive it is in: `non-free-firmware`.
    pub component: String,
    /// Its files below `/lib/firmware`, under the names that drivers ask for.
    pub files: BTreeSet<String>,
}

impl FirmwareIndex {
    /// The packages that have a firmware file, which may be asked for with wildcards.
    pub fn packages_with(&self, file: &str) -> Vec<&str> {
        let has = |package: &FirmwarePackage| match file.contains(['*', '?', '[']) {
            true => package.files.iter().any(|name| pattern::matches(file.as_bytes(), name.as_bytes())),
            false => package.files.contains(file),
        };
        self.packages.iter().filter(|(_, package)| has(package)).map(|(name, _)| name.as_str()).collect()
    }

    /// Whether the line can take the package as it is.
    pub fn is_enabled(&self, package: &str) -> bool {
        let found = self.packages.get(package);
        found.is_none_or(|package| self.components.contains(&package.component))
    }

    /// What to write into `[live]` of `line.toml` to have a package.
    pub fn fix(&self, package: &str) -> String {
        let mut words = String::new();
        if !self.is_enabled(package)
            && let Some(found) = self.packages.get(package)
        {
            let all = self.components.iter().map(String::as_str).chain([found.component.as_str()]);
            let all: Vec<String> = all.map(|component| format!("\"{component}\"")).collect();
            words = format!("components = [{}], ", all.join(", "));
        }
        format!("{words}packages = [\"{package}\"]")
    }
}

/// What a driver needs of the files that it names.
enum Need {
    /// Of each of these patterns, one file.
    Each(&'static [&'static str]),
    /// None: what is lost without one of them.
    Optional(&'static str),
    /// None, and nothing is lost: its files are for other chips.
    None,
}

/// A driver's need, for some of its chips or for all others.
struct Rule {
    driver: &'static str,
    /// PCI ids, vendor and device; empty for every chip without a rule of its own.
    chips: &'static [(u16, u16)],
    need: Need,
}

const fn rule(driver: &'static str, chips: &'static [(u16, u16)], need: Need) -> Rule {
    Rule { driver, chips, need }
}

/// From the drivers' own sources, named by file; a chip's rule stands before its driver's.
const RULES: &[Rule] = &[
    // bnx2_request_uncached_firmware() in broadcom/bnx2.c: two files by chip, and both are needed.
    rule(
        "bnx2",
        &[(0x14e4, 0x1639), (0x14e4, 0x163a)],
        Need::Each(&["bnx2/bnx2-mips-09-*", "bnx2/bnx2-rv2p-09-*"]),
    ),
    rule(
        "bnx2",
        &[(0x14e4, 0x163b), (0x14e4, 0x163c)],
        Need::Each(&["bnx2/bnx2-mips-09-*", "bnx2/bnx2-rv2p-09-*"]),
    ),
    rule("bnx2", &[], Need::Each(&["bnx2/bnx2-mips-06-*", "bnx2/bnx2-rv2p-06-*"])),
    // bnx2x_init_firmware() in broadcom/bnx2x/bnx2x_main.c: one of two versions of the chip's file.
    rule("bnx2x", &[(0x14e4, 0x164e)], Need::Each(&["bnx2x/bnx2x-e1-*"])),
    rule("bnx2x", &[(0x14e4, 0x164f), (0x14e4, 0x1650)], Need::Each(&["bnx2x/bnx2x-e1h-*"])),
    rule("bnx2x", &[], Need::Each(&["bnx2x/bnx2x-e2-*"])),
    // tg3_init_one() and tg3_get_invariants() in broadcom/tg3.c.
    rule(
        "tg3",
        &[(0x14e4, 0x1682), (0x14e4, 0x1686), (0x14e4, 0x16b3), (0x14e4, 0x16b7)],
        Need::Optional("without it Energy Efficient Ethernet is switched off"),
    ),
    rule(
        "tg3",
        &[
            (0x14e4, 0x1645),
            (0x14e4, 0x1646),
            (0x14e4, 0x1647),
            (0x14e4, 0x1648),
            (0x14e4, 0x1649),
            (0x14e4, 0x1653),
            (0x14e4, 0x1654),
            (0x14e4, 0x165d),
            (0x14e4, 0x165e),
            (0x14e4, 0x16a6),
            (0x14e4, 0x16a7),
            (0x14e4, 0x16a8),
            (0x14e4, 0x16c6),
            (0x14e4, 0x16c7),
        ],
        Need::Optional("without it the oldest chips do no TSO, and a BCM5701 of revision A0 no work"),
    ),
    rule("tg3", &[], Need::None),
    // ice_request_fw() in intel/ice/ice_main.c.
    rule("ice", &[], Need::Optional("without its package the NIC runs in safe mode: one queue, no offloads")),
    rule("r8169", &[], Need::Optional("without it the NIC works, with the errata of its chip")),
    rule("r8152", &[], Need::Optional("without it the NIC works, with the errata of its chip")),
    // e100_request_firmware() in intel/e100.c: for the 82551 of two revisions it mends receiving and is demanded. The
    // revision is in no modalias, and the older chips of the same ids do without.
    rule(
        "e100",
        &[(0x8086, 0x1209), (0x8086, 0x1229)],
        Need::Optional("an 82551 of PCI revision 0f or 10 does not start without it, the others do"),
    ),
    rule("e100", &[], Need::Optional("without it the NIC works, interrupts are not bundled")),
    rule("myri10ge", &[], Need::Optional("without it the firmware on the board is used")),
    rule(
        "cxgb3",
        &[],
        Need::Optional("without it the firmware on the board is used, if the driver takes it"),
    ),
    rule(
        "cxgb4",
        &[],
        Need::Optional("without it the firmware on the board is used, if the driver takes it"),
    ),
    rule("csiostor", &[], Need::Optional("without it the firmware on the board is used")),
    rule("netxen_nic", &[], Need::Optional("without it the firmware on the board is used")),
    rule("qlcnic", &[], Need::Optional("without it the firmware on the board is used")),
    rule("mlx5_core", &[], Need::Optional("it is only for updates")),
    rule("mlxfw", &[], Need::Optional("it is only for updates")),
    // qla2x00_load_risc() and qla24xx_load_risc() in scsi/qla2xxx/qla_init.c: the first generations have no flash.
    rule("qla2xxx", &[(0x1077, 0x2100)], Need::Each(&["ql2100_fw.bin"])),
    rule("qla2xxx", &[(0x1077, 0x2200)], Need::Each(&["ql2200_fw.bin"])),
    rule("qla2xxx", &[(0x1077, 0x2300), (0x1077, 0x2312), (0x1077, 0x6312)], Need::Each(&["ql2300_fw.bin"])),
    rule("qla2xxx", &[(0x1077, 0x2322), (0x1077, 0x6322)], Need::Each(&["ql2322_fw.bin"])),
    rule("qla2xxx", &[], Need::Optional("without it the firmware in the adapter's flash is used")),
    // bfad_load_fwimg() in scsi/bfa/bfad.c and bnad's cna_fwimg.c: by chip.
    rule("bfa", &[(0x1657, 0x0013), (0x1657, 0x0017)], Need::Each(&["cbfw-*"])),
    rule("bfa", &[(0x1657, 0x0014), (0x1657, 0x0021)], Need::Each(&["ctfw-*"])),
    rule("bfa", &[], Need::Each(&["ct2fw-*"])),
    rule("bna", &[(0x1657, 0x0014)], Need::Each(&["ctfw-*"])),
    rule("bna", &[], Need::Each(&["ct2fw-*"])),
    rule("starfire", &[], Need::Each(&["adaptec/starfire_rx*", "adaptec/starfire_tx*"])),
    rule("wd719x", &[], Need::Each(&["wd719x-risc.bin", "wd719x-wcs.bin"])),
    // isci_request_oprom() in scsi/isci/probe_roms.c: the board's own parameters come first.
    rule("isci", &[], Need::Optional("without it the parameters of the board's option ROM are used")),
    rule("cassini", &[], Need::Optional("without it one PHY (Saturn) keeps its errata")),
    rule("atmel_mxt_ts", &[], Need::Optional("it is only for updates")),
    rule("xhci_pci_renesas", &[], Need::Optional("the controller's own ROM has it on most boards")),
];

/// The need of a driver for one chip.
fn need(driver: &str, chip: Option<(u16, u16)>) -> Option<&'static Need> {
    let rules = || RULES.iter().filter(move |rule| rule.driver == driver);
    let own = rules().find(|rule| chip.is_some_and(|chip| rule.chips.contains(&chip)));
    own.or_else(|| rules().find(|rule| rule.chips.is_empty())).map(|rule| &rule.need)
}

/// Looks after the firmware of a device whose drivers are all there.
pub(super) fn judge(live: &LiveOs, finding: &mut Finding) {
    let chip = pci_id(&finding.modalias).map(|id| (id.vendor, id.device));
    for driver in finding.drivers.clone() {
        let Some(asked) = live.firmware.get(&driver).filter(|list| !list.is_empty()) else { continue };
        // A driver in the initrd asks for its firmware there, the one in the root there.
        let there = match live.place(&driver) {
            Place::Builtin | Place::Initrd => &live.initrd_firmware,
            Place::Root | Place::Absent => &live.root_firmware,
        };
        let lacking = |asked: Vec<&String>| -> Vec<String> {
            let some = asked.iter().any(|file| there.contains(file.as_str()));
            if some { Vec::new() } else { asked.into_iter().cloned().collect() }
        };
        match need(&driver, chip) {
            Some(Need::None) => {}
            Some(Need::Optional(loss)) => {
                let missing = lacking(asked.iter().collect());
                if !missing.is_empty() {
                    finding.remark(&format!("firmware of {driver} is not there: {loss}"));
                    finding.firmware_missing.extend(missing);
                }
            }
            Some(Need::Each(patterns)) => {
                for pattern in *patterns {
                    let files =
                        asked.iter().filter(|file| pattern::matches(pattern.as_bytes(), file.as_bytes()));
                    let files: Vec<&String> = files.collect();
                    // A kernel whose driver names no such file has another list: then one of its list is enough.
                    let files = if files.is_empty() { asked.iter().collect() } else { files };
                    miss(live, finding, lacking(files));
                }
            }
            None => miss(live, finding, lacking(asked.iter().collect())),
        }
    }
}

/// Notes files of which one would have to be there, and the package that has one.
fn miss(live: &LiveOs, finding: &mut Finding, files: Vec<String>) {
    if files.is_empty() {
        return;
    }
    finding.status = Status::FirmwareMissing;
    let index = &live.firmware_index;
    // Whose initrd this is, nobody said: no suite's packages are known for it.
    let is_of_a_suite = live.view.is_whole();
    let package = files.iter().find_map(|file| index.packages_with(file).first().copied());
    match package {
        Some(package) => {
            finding.package = Some(package.to_owned());
            finding.fix = Some(index.fix(package));
        }
        None if !is_of_a_suite => {}
        None if !index.unread.is_empty() => {
            let packages = index.unread.join(", ");
            finding.remark(&format!("no package that was looked into has it; not looked into: {packages}"));
        }
        None if index.packages.is_empty() => {
            finding.remark("which package has it is not known: `bootworks lock` looks");
        }
        None => finding.remark("no package of this suite has it"),
    }
    let new: Vec<String> =
        files.into_iter().filter(|file| !finding.firmware_missing.contains(file)).collect();
    finding.firmware_missing.extend(new);
}
