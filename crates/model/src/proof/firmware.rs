//! Firmware: a driver's list holds alternatives, old names and files for single chips, so that "all of it must
//! be there" would fail on every server there is. One file of the list is enough unless a rule says otherwise.

use super::{Finding, LiveOs, Place, Status};

/// Drivers that work without their firmware, and what is lost.
const OPTIONAL: &[(&str, &str)] = &[
    ("tg3", "only the BCM57766 and the TSO of the oldest chips (BCM5701, BCM5703-5705) use it"),
    ("ice", "without its package the NIC runs in safe mode: one queue, no offloads"),
    ("r8169", "without it the NIC works, with the errata of its chip"),
    ("e100", "without it the NIC works, interrupts are not bundled"),
    ("myri10ge", "without it the firmware on the board is used"),
    ("cxgb4", "without it the firmware on the board is used, if the driver takes it"),
    ("csiostor", "without it the firmware on the board is used"),
    ("qla2xxx", "from the 24xx on, the firmware in the adapter's flash is used"),
    ("mlx5_core", "it is only for updates"),
    ("mlxfw", "it is only for updates"),
    ("atmel_mxt_ts", "it is only for updates"),
    ("xhci_pci_renesas", "the controller's own ROM has it on most boards"),
];

/// Which package of Debian has a firmware file, by the start of its name; `non-free-firmware` all of them.
const PACKAGES: &[(&str, &str)] = &[
    ("bnx2/", "firmware-bnx2"),
    ("bnx2x", "firmware-bnx2x"),
    ("cavium/", "firmware-cavium"),
    ("liquidio/", "firmware-cavium"),
    ("netronome/", "firmware-netronome"),
    ("phanfw", "firmware-netxen"),
    ("nx3fwct", "firmware-netxen"),
    ("nx3fwmn", "firmware-netxen"),
    ("nxromimg", "firmware-netxen"),
    ("myri10ge", "firmware-myricom"),
    ("qed/", "firmware-qlogic"),
    ("ql2", "firmware-qlogic"),
    ("ql8", "firmware-qlogic"),
    ("1040.bin", "firmware-qlogic"),
    ("1280.bin", "firmware-qlogic"),
    ("12160.bin", "firmware-qlogic"),
    ("rtl_nic/", "firmware-realtek"),
    ("tigon/", "firmware-misc-nonfree"),
    ("cxgb3/", "firmware-misc-nonfree"),
    ("cxgb4/", "firmware-misc-nonfree"),
    ("intel/ice/", "firmware-misc-nonfree"),
    ("e100/", "firmware-misc-nonfree"),
    ("cbfw", "firmware-misc-nonfree"),
    ("ctfw", "firmware-misc-nonfree"),
    ("ct2fw", "firmware-misc-nonfree"),
    ("3com/", "firmware-misc-nonfree"),
    ("tehuti/", "firmware-misc-nonfree"),
    ("isci/", "firmware-linux-free"),
];

/// Looks after the firmware of a device whose drivers are all there.
pub(super) fn judge(live: &LiveOs, finding: &mut Finding) {
    for driver in finding.drivers.clone() {
        let Some(asked) = live.firmware.get(&driver).filter(|list| !list.is_empty()) else { continue };
        // A driver in the initrd asks for its firmware there, the one in the root there.
        let there = match live.place(&driver) {
            Place::Builtin | Place::Initrd => &live.initrd_firmware,
            Place::Root | Place::Absent => &live.root_firmware,
        };
        let (present, missing): (Vec<&String>, Vec<&String>) =
            asked.iter().partition(|file| there.contains(file.as_str()));
        let optional = OPTIONAL.iter().find(|(name, _)| *name == driver);
        if missing.is_empty() || (optional.is_none() && !present.is_empty()) {
            continue;
        }
        finding.firmware_missing.extend(missing.iter().map(|file| (*file).clone()));
        match optional {
            Some((_, consequence)) => {
                finding.remark = Some(format!("firmware of {driver} is not there: {consequence}"));
            }
            None => {
                finding.status = Status::FirmwareMissing;
                // The packages are Debian's; whose initrd this is, nobody said.
                let package = missing.iter().find_map(|file| package_of(file));
                if let Some(package) = package.filter(|_| live.view.is_whole()) {
                    finding.package = Some(package.to_owned());
                    finding.fix = Some(match package {
                        "firmware-linux-free" => format!("packages = [\"{package}\"]"),
                        _ => format!(
                            "components = [\"main\", \"non-free-firmware\"], packages = [\"{package}\"]"
                        ),
                    });
                }
            }
        }
    }
}

/// The package that has a firmware file.
fn package_of(file: &str) -> Option<&'static str> {
    PACKAGES.iter().find(|(start, _)| file.starts_with(start)).map(|(_, package)| *package)
}
