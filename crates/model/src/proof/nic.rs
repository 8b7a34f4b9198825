//! The NIC a box boots from, held against the live OS before any kernel is started: iPXE tells its PCI id.
//!
//! The words are here once, for the server's screen, the timeline and PID 1.

use super::{Candidate, Finding, LiveOs, Place, Status, judge};
use crate::hardware::{DeviceClass, PciId};
use crate::ladder::Rung;
use crate::modules::pattern;
use crate::profile::{Device, Profile};
use crate::timeline::Trouble;

/// What is known of a NIC without a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nic<'n> {
    /// Its PCI id.
    pub id: PciId,
    /// What it is called; empty where nobody knows.
    pub name: &'n str,
}

/// Whether a box may be sent into this live OS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootNic {
    /// Its driver is in the initrd or in the kernel.
    Covered,
    /// No kernel of the suite knows it. The boot is not stopped for that: a driver may come from elsewhere.
    Unknown(Trouble),
    /// The boot would end without a network, and this is why.
    Missing(Trouble),
}

/// Holds the NIC that a box boots from against a live OS; vendor and device are enough.
///
/// Errors: the boot is known to fail, and why. A NIC that no kernel of the suite knows is no error; see
/// [`judge_boot_nic`] for it.
pub fn check_boot_nic(live: &LiveOs, nic: Nic<'_>) -> Result<(), Trouble> {
    match judge_boot_nic(live, nic) {
        BootNic::Missing(trouble) => Err(trouble),
        BootNic::Covered | BootNic::Unknown(_) => Ok(()),
    }
}

/// The same with its three answers.
pub fn judge_boot_nic(live: &LiveOs, nic: Nic<'_>) -> BootNic {
    let modalias = pattern::ethernet_modalias(nic.id);
    let finding = judge(live, &Candidate { modalias, name: nic.name.to_owned() });
    match finding.status {
        Status::Covered => BootNic::Covered,
        Status::DriverUnknown => BootNic::Unknown(driver_unknown(nic, Rung::FetchedKernel)),
        Status::DriverMissing => BootNic::Missing(refused(live, nic, &finding)),
        Status::FirmwareMissing => BootNic::Missing(firmware_missing(live, nic, &finding)),
    }
}

/// Whether a box of this kind is sent into the line's fallback, whichever of its NICs it boots from: those that it is
/// known to boot from, else all of them. A NIC that is not on PCI is not told of by iPXE, and sends nobody there.
pub fn sends_to_fallback(live: &LiveOs, profile: &Profile) -> bool {
    let proof = super::check(live, &profile.candidates());
    let nics = || {
        let found = profile.devices.iter().zip(&proof.devices);
        found.filter(|(_, finding)| finding.class == DeviceClass::Ethernet).map(|(device, _)| device)
    };
    let is_known = nics().any(|device| device.boots);
    let mut booting = nics().filter(|device| device.boots || !is_known).peekable();
    let is_missing = |device: &Device| {
        super::pci_id(&device.modalias)
            .is_some_and(|id| matches!(judge_boot_nic(live, Nic { id, name: "" }), BootNic::Missing(_)))
    };
    booting.peek().is_some() && booting.all(is_missing)
}

fn refused(live: &LiveOs, nic: Nic<'_>, finding: &Finding) -> Trouble {
    let lacking = finding.drivers.iter().find(|driver| live.place(driver) < Place::Initrd);
    let driver = lacking.map(String::as_str).unwrap_or_default();
    let packages: Vec<&str> = live.package_with(driver).into_iter().collect();
    let mut trouble = driver_missing(nic, driver, &packages, Rung::FetchedKernel);
    trouble.evidence.push(format!("the live OS has kernel {} from package {}", live.release, live.kernel));
    match live.place(driver) {
        Place::Root => trouble.evidence.push(format!("{driver} is in the root but not in the initrd")),
        _ => trouble.evidence.push(format!("{driver} is neither in the kernel nor in the initrd")),
    }
    trouble
}

/// The trouble of a NIC whose driver this live OS lacks. `packages` have the driver, the best first.
pub fn driver_missing(nic: Nic<'_>, driver: &str, packages: &[&str], rung: Rung) -> Trouble {
    let fix = match packages.first() {
        Some(package) => vec![
            format!("set kernel = \"{package}\" in line.toml [live]: that package has {driver}"),
            "then run `bootworks lock` and `bootworks build`".to_owned(),
        ],
        None => vec![format!("put {driver} into the initrd: run `bootworks build` again")],
    };
    Trouble {
        cause: "nic-driver-missing".to_owned(),
        rung,
        sentence: format!(
            "This box's NIC {} needs the driver {driver}, which this live OS does not have.",
            called(nic)
        ),
        evidence: vec![format!("the box boots from PCI device {}", nic.id)],
        fix,
    }
}

/// The trouble of a NIC that no kernel of the suite has a driver for.
pub fn driver_unknown(nic: Nic<'_>, rung: Rung) -> Trouble {
    Trouble {
        cause: "nic-driver-unknown".to_owned(),
        rung,
        sentence: format!("No kernel of this suite has a driver for this box's NIC {}.", called(nic)),
        evidence: vec![format!("the box boots from PCI device {}, which no module's patterns fit", nic.id)],
        fix: vec![
            "use a newer suite in line.toml [live], or a kernel from backports".to_owned(),
            "or boot the box from another of its NICs".to_owned(),
        ],
    }
}

fn firmware_missing(live: &LiveOs, nic: Nic<'_>, finding: &Finding) -> Trouble {
    let driver = finding.drivers.last().map(String::as_str).unwrap_or_default();
    let first = finding.firmware_missing.first().map(String::as_str).unwrap_or_default();
    let fix = match &finding.fix {
        Some(fix) => {
            format!("set {fix} in line.toml [live], then run `bootworks lock` and `bootworks build`")
        }
        None => format!("put {first} into /lib/firmware of the live OS, then run `bootworks build`"),
    };
    Trouble {
        cause: "firmware-missing".to_owned(),
        rung: Rung::FetchedKernel,
        sentence: format!(
            "This box's NIC {} needs firmware for its driver {driver}, which this live OS does not have.",
            called(nic)
        ),
        evidence: vec![
            format!("the box boots from PCI device {}", nic.id),
            format!(
                "none of the firmware of {driver} is in the initrd: {}",
                finding.firmware_missing.join(", ")
            ),
            format!("the live OS has kernel {} from package {}", live.release, live.kernel),
        ],
        fix: vec![fix],
    }
}

/// `8086:10d3 (Intel 82574L)`.
fn called(nic: Nic<'_>) -> String {
    if nic.name.is_empty() { nic.id.to_string() } else { format!("{} ({})", nic.id, nic.name) }
}
