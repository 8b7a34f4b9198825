//! The proof: a live OS held against hardware: covered, or what is missing and where to get it.
//!
//! Which driver fits a device is known from *all* kernels of the suite, because a kernel that has a driver
//! built in does not say which devices it drives. Whether it is there is known from the finished initrd and
//! root. What the proof does not cover: that the driver works, cabling, VLANs, Secure Boot policy.

pub mod firmware;
pub mod memory;
pub mod nic;
pub mod report;

use crate::hardware::{DeviceClass, PciId};
use crate::modules::alias::AliasTable;
use crate::modules::pattern::{self, Fit};
use firmware::FirmwareIndex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the proof needs to know of a live OS and of the suite it was built from. Module names are written
/// with underscores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveOs {
    /// Kernel release: `6.1.0-49-amd64`.
    pub release: String,
    /// The kernel's package: `linux-image-amd64`.
    pub kernel: String,
    /// Drivers built into the kernel.
    pub builtin: BTreeSet<String>,
    /// Modules in the initrd that can be loaded there: everything they depend on is in it, too.
    pub initrd: BTreeSet<String>,
    /// Modules in the root that can be loaded there.
    pub root: BTreeSet<String>,
    /// Which driver fits which device, over all kernels of the suite.
    pub aliases: AliasTable,
    /// What drivers drive, over all kernels of the suite: those of NICs, disks and USB.
    pub classes: BTreeMap<DeviceClass, BTreeSet<String>>,
    /// Which kernel packages of the suite have a driver that this kernel lacks.
    pub packages: BTreeMap<String, Vec<String>>,
    /// Firmware files that a module of this kernel may ask for; may hold wildcards.
    pub firmware: BTreeMap<String, Vec<String>>,
    /// Which of these are in the initrd, as they are asked for: one with wildcards is if any file fits.
    pub initrd_firmware: BTreeSet<String>,
    /// Which of these are in the root.
    pub root_firmware: BTreeSet<String>,
    /// Which packages of the suite have them.
    pub firmware_index: FirmwareIndex,
    /// Modules that are in the initrd and lack what they need there, and what that is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lacking: BTreeMap<String, Vec<String>>,
    /// How much is known.
    #[serde(skip_serializing_if = "View::is_whole")]
    pub view: View,
}

/// What of a live OS is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// All of what a line's build made: the root comes over the network, and disks may wait for it.
    #[default]
    Whole,
    /// An initrd of anybody's: what it needs must be in it. `root` is the modules' folder beside it.
    Initrd,
    /// The same, and nothing tells what the kernel has built in.
    InitrdAlone,
}

impl View {
    /// Whether it is a line's build.
    pub fn is_whole(&self) -> bool {
        *self == View::Whole
    }
}

/// A device to be held against a live OS, known in whole or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The kernel's modalias; characters that are not known are `?`.
    pub modalias: String,
    /// What it is called, where somebody knows.
    pub name: String,
}

/// What a live OS lacks for a device, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Driver and firmware are where they are needed.
    Covered,
    /// A kernel of the suite has a driver, but it is not where it is needed.
    DriverMissing,
    /// The driver is there and its firmware is not.
    FirmwareMissing,
    /// No kernel of the suite has a driver for it.
    DriverUnknown,
}

/// Where a driver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In neither.
    Absent,
    /// In the live OS's root only.
    Root,
    /// In the initrd.
    Initrd,
    /// In the kernel itself.
    Builtin,
}

/// The verdict on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The modalias it was judged by.
    pub modalias: String,
    /// `14e4:165f`, where it sits on PCI; `0bda:8153` on USB.
    pub id: Option<String>,
    /// What it is called, where known.
    pub name: String,
    /// What it is for.
    pub class: DeviceClass,
    /// The drivers it needs, all of them; of several that fit, the one that is there.
    pub drivers: Vec<String>,
    /// The verdict.
    pub status: Status,
    /// Where the drivers are; of several, the worst.
    #[serde(rename = "where")]
    pub place: Place,
    /// Firmware files that the drivers may ask for and that are not there.
    pub firmware_missing: Vec<String>,
    /// The package that has what is missing.
    pub package: Option<String>,
    /// What to change in `line.toml`.
    pub fix: Option<String>,
    /// How surely the driver fits; absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// What is worth knowing though it is no verdict: missing firmware the driver can do without, a guess.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// Why the line takes it as it is, where it says so: then its verdict does not decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
}

/// A device that a line knows it cannot use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its id as people write it (`14e4:165f`), or its whole modalias.
    pub device: String,
    /// The profile it stands in; absent means any.
    pub profile: Option<String>,
    /// Why the line does without it.
    pub reason: String,
}

/// A live OS held against devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Whether every network and storage device is covered.
    pub covered: bool,
    /// The verdicts, in the order of the devices.
    pub devices: Vec<Finding>,
}

/// Holds a live OS against devices. Devices that are neither network nor storage are judged and do not count.
pub fn check(live: &LiveOs, devices: &[Candidate]) -> Proof {
    let devices: Vec<Finding> = devices.iter().map(|device| judge(live, device)).collect();
    Proof { covered: is_proved(&devices), devices }
}

/// Nothing that counts is nothing proved.
fn is_proved(devices: &[Finding]) -> bool {
    devices.iter().any(Finding::counts) && !devices.iter().any(Finding::lacks)
}

impl Proof {
    /// Takes a line's exceptions for the profile of this name into account.
    pub fn except(&mut self, profile: &str, exceptions: &[Exception]) {
        for finding in self.devices.iter_mut().filter(|finding| finding.lacks()) {
            let of_it = exceptions.iter().find(|exception| exception.is_for(profile, finding));
            finding.exception = of_it.map(|exception| exception.reason.clone());
        }
        self.covered = is_proved(&self.devices);
    }
}

impl Exception {
    fn is_for(&self, profile: &str, finding: &Finding) -> bool {
        self.profile.as_ref().is_none_or(|name| name == profile)
            && (finding.id.as_ref().is_some_and(|id| id.eq_ignore_ascii_case(&self.device))
                || finding.modalias == self.device)
    }
}

impl Finding {
    /// Whether a box cannot do its work without this device: only then its verdict decides.
    pub fn counts(&self) -> bool {
        matches!(self.class, DeviceClass::Ethernet | DeviceClass::Storage)
    }

    /// Whether its verdict decides, and is bad.
    pub fn lacks(&self) -> bool {
        self.counts() && self.status != Status::Covered && self.exception.is_none()
    }

    /// Adds what is worth knowing.
    fn remark(&mut self, text: &str) {
        match &mut self.remark {
            Some(known) if known.contains(text) => {}
            Some(known) => {
                known.push_str("; ");
                known.push_str(text);
            }
            None => self.remark = Some(text.to_owned()),
        }
    }
}

/// The verdict on one device.
fn judge(live: &LiveOs, device: &Candidate) -> Finding {
    let drivers = fitting(live, &device.modalias);
    let class = class_of(live, &device.modalias, &drivers);
    let mut finding = Finding {
        modalias: device.modalias.clone(),
        id: bus_id(&device.modalias),
        name: device.name.clone(),
        class,
        drivers: Vec::new(),
        status: Status::DriverUnknown,
        place: Place::Absent,
        firmware_missing: Vec::new(),
        package: None,
        fix: None,
        fit: None,
        remark: None,
        exception: None,
    };
    // Of several drivers that fit, the best placed one decides; a sure fit comes before a possible one.
    let best = drivers.iter().max_by_key(|(driver, fit)| (**fit, live.place(driver)));
    let Some((driver, fit)) = best else { return finding };
    finding.fit = Some(*fit);
    if *fit == Fit::Possible {
        finding.remark(&format!("{driver} fits if the parts of the id that are not known fit"));
    }
    finding.drivers = chain(live, &device.modalias, driver);
    finding.place = finding.drivers.iter().map(|driver| live.place(driver)).min().unwrap_or(Place::Absent);
    let in_initrd = class == DeviceClass::Ethernet || !live.view.is_whole();
    let needed = if in_initrd { Place::Initrd } else { Place::Root };
    if finding.place < needed {
        finding.status = Status::DriverMissing;
        let lacking = finding.drivers.iter().find(|driver| live.place(driver) < needed).cloned();
        live.say_where_to_get(&lacking.unwrap_or_default(), &mut finding);
        return finding;
    }
    finding.status = Status::Covered;
    firmware::judge(live, &mut finding);
    finding
}

impl LiveOs {
    /// Where a driver is.
    pub fn place(&self, driver: &str) -> Place {
        if self.builtin.contains(driver) {
            Place::Builtin
        } else if self.initrd.contains(driver) {
            Place::Initrd
        } else if self.root.contains(driver) {
            Place::Root
        } else {
            Place::Absent
        }
    }

    /// What a driver drives.
    pub fn class(&self, driver: &str) -> Option<DeviceClass> {
        self.classes.iter().find(|(_, drivers)| drivers.contains(driver)).map(|(class, _)| *class)
    }

    /// The package of the suite to take a driver from: the most general one, which has the shortest name.
    pub fn package_with(&self, driver: &str) -> Option<&str> {
        let packages = self.packages.get(driver)?;
        packages.iter().map(String::as_str).min_by_key(|name| (name.len(), *name))
    }

    fn say_where_to_get(&self, driver: &str, finding: &mut Finding) {
        if !self.view.is_whole() {
            self.say_what_is_lacking(driver, finding);
            return;
        }
        match self.package_with(driver) {
            Some(package) => {
                finding.package = Some(package.to_owned());
                // A package of modules comes beside a kernel, and is none.
                let is_beside = package.starts_with("linux-modules-");
                let fix = if is_beside {
                    format!("packages = [\"{package}\"]")
                } else {
                    format!("kernel = \"{package}\"")
                };
                finding.fix = Some(fix);
            }
            None => {
                finding.package = Some(self.kernel.clone()).filter(|name| !name.is_empty());
                finding.remark(&format!("{driver} is in this kernel's package and was not put in place"));
            }
        }
    }
}

impl LiveOs {
    /// What there is to say of an initrd that nobody's index stands behind.
    fn say_what_is_lacking(&self, driver: &str, finding: &mut Finding) {
        if let Some(lacking) = self.lacking.get(driver) {
            let needed = lacking.join(", ");
            finding.remark =
                Some(format!("{driver} is in the initrd and lacks there what it needs: {needed}"));
        } else if self.view == View::InitrdAlone && self.place(driver) == Place::Absent {
            finding.status = Status::DriverUnknown;
            finding.remark(&format!(
                "{driver} is not in the initrd, and nothing in it tells whether the kernel has it built in \
                 (no modules.builtin)"
            ));
        }
    }
}

/// Devices of drivers that every kernel of a suite may have built in, so that none of them tells: Debian 13 has
/// virtio_pci built into all its kernels. From the drivers' own device tables (drivers/virtio/virtio_pci_common.c,
/// drivers/nvme/host/pci.c, drivers/ata/ahci.c).
const BUILT_IN_EVERYWHERE: &[(&str, &str)] = &[
    ("pci:v00001AF4d*sv*sd*bc*sc*i*", "virtio_pci"),
    ("pci:v*d*sv*sd*bc01sc08i02*", "nvme"),
    ("pci:v*d*sv*sd*bc01sc06i01*", "ahci"),
    ("virtio:d00000001v*", "virtio_net"),
    ("virtio:d00000002v*", "virtio_blk"),
    ("virtio:d00000008v*", "virtio_scsi"),
];

/// The drivers that fit a device. Where one names vendor and device, those that only name a class (`ahci`,
/// `nvme`) are fallbacks and do not count; where one is of the device's class, the others do not.
fn fitting<'l>(live: &'l LiveOs, modalias: &str) -> BTreeMap<&'l str, Fit> {
    let mut drivers = live.aliases.candidates(modalias);
    for (carried, driver) in BUILT_IN_EVERYWHERE.iter().filter(|(_, driver)| live.builtin.contains(*driver)) {
        if let Some(fit) = pattern::fit(carried.as_bytes(), modalias.as_bytes()) {
            drivers.entry(driver).or_insert(fit);
        }
    }
    if drivers.len() > 1 {
        // The same id on a class that no device has: what still fits asks for the id alone.
        if let Some(without_class) = modalias.rfind("bc").filter(|_| modalias.starts_with("pci:")) {
            let named: BTreeSet<&str> = live
                .aliases
                .drivers_for(&format!("{}bcFEscFEiFE", &modalias[..without_class]))
                .into_iter()
                .collect();
            if drivers.keys().any(|driver| named.contains(driver)) {
                drivers.retain(|driver, _| named.contains(driver));
            }
        }
    }
    if let Some(class) = DeviceClass::of(modalias)
        && drivers.keys().any(|driver| live.class(driver) == Some(class))
    {
        drivers.retain(|driver, _| live.class(driver) == Some(class));
    }
    drivers
}

/// What a device is for: by its modalias, else by what its drivers drive.
fn class_of(live: &LiveOs, modalias: &str, drivers: &BTreeMap<&str, Fit>) -> DeviceClass {
    DeviceClass::of(modalias)
        .or_else(|| drivers.keys().find_map(|driver| live.class(driver)))
        .unwrap_or(DeviceClass::Other)
}

/// The driver and those that must follow for the device to be of use: virtio's second half, the disk layer of
/// SCSI. Of several that fit there, the one that is there.
fn chain(live: &LiveOs, modalias: &str, driver: &str) -> Vec<String> {
    let mut chain = vec![driver.to_owned()];
    if driver == "virtio_pci"
        && let Some(modalias) = pci_id(modalias).and_then(pattern::virtio_modalias)
    {
        let next = fitting(live, &modalias).into_keys().max_by_key(|driver| live.place(driver));
        // The bus alone is no NIC: where nobody names the other half, it is named here, and looked for.
        let usual = BUILT_IN_EVERYWHERE
            .iter()
            .find(|(carried, _)| pattern::matches(carried.as_bytes(), modalias.as_bytes()))
            .map(|(_, driver)| *driver);
        chain.extend(next.or(usual).map(str::to_owned));
    }
    if driver == "mlx4_core" && DeviceClass::of(modalias) == Some(DeviceClass::Ethernet) {
        chain.push("mlx4_en".to_owned());
    }
    let last = chain.last().cloned().unwrap_or_default();
    let disks_of_their_own = ["nvme", "virtio_blk", "xen_blkfront", "mtip32xx", "floppy"];
    let brings_scsi_disks = live.class(&last) == Some(DeviceClass::Storage)
        && !disks_of_their_own.contains(&last.as_str())
        && !last.contains("sdhci")
        && !last.contains("mmc")
        && !last.starts_with("nd_");
    if brings_scsi_disks && last != "sd_mod" {
        chain.push("sd_mod".to_owned());
    }
    chain
}

/// The id in a PCI modalias: `pci:v00008086d000010D3…`.
pub fn pci_id(modalias: &str) -> Option<PciId> {
    let rest = modalias.strip_prefix("pci:v")?;
    let (vendor, rest) = (rest.get(..8)?, rest.get(8..)?.strip_prefix('d')?);
    let word = |digits: &str| u16::try_from(u32::from_str_radix(digits, 16).ok()?).ok();
    Some(PciId { vendor: word(vendor)?, device: word(rest.get(..8)?)? })
}

/// The id on the device's bus as people write it: `14e4:165f` on PCI, `0bda:8153` on USB.
pub fn bus_id(modalias: &str) -> Option<String> {
    if let Some(id) = pci_id(modalias) {
        return Some(id.to_string());
    }
    let rest = modalias.strip_prefix("usb:v")?;
    let (vendor, product) = (rest.get(..4)?, rest.get(4..)?.strip_prefix('p')?.get(..4)?);
    Some(format!("{vendor}:{product}").to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
