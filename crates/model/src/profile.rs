//! Hardware profiles: what a kind of server has, from a line's `hardware/*.toml`, from what people can send of a
//! server (see [`import`]), or from a box that was here.
//!
//! A source may know a device in part only; what it does not know stays unknown in the modalias.

pub mod import;
pub mod shipped;
pub mod written;

mod dmidecode;
mod lshw;
mod lspci;
mod modaliases;
mod redfish;

use crate::failure::{Explain as _, Result};
use crate::hardware::{DeviceClass, Inventory, PciId};
use crate::modules::pattern::{UNKNOWN, ethernet_modalias};
use crate::proof::{self, Candidate};
use crate::timeline::Event;
use import::Imported;

/// A kind of server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// What it is called: letters, digits, dashes and dots, or a title.
    pub name: String,
    /// Who makes it, as its firmware says (SMBIOS); empty where nobody knows.
    pub vendor: String,
    /// What its maker calls it, as its firmware says (SMBIOS).
    pub product: String,
    /// Where all this is from; empty where nobody says.
    pub source: String,
    /// Its devices, in the order of their source, equal ones once.
    pub devices: Vec<Device>,
}

/// A device of a kind of server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The kernel's modalias; characters that are not known are `?`.
    pub modalias: String,
    /// What it is called; empty where nobody knows.
    pub name: String,
    /// Where the first of them sits: `0000:01:00.0`; empty where nobody knows.
    pub address: String,
    /// How many of them there are.
    pub count: usize,
    /// Whether a box of this kind boots from it.
    pub boots: bool,
    /// Where it is known from, where that is another place than the profile's.
    pub source: String,
}

/// How much of a device is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// All that a driver may ask for.
    Whole,
    /// Subsystem, class or programming interface are not.
    InPart,
}

impl Device {
    /// A device of which only the modalias is known.
    pub fn new(modalias: impl Into<String>) -> Device {
        Device { modalias: modalias.into(), count: 1, ..Device::default() }
    }

    /// How much is known of it.
    pub fn known(&self) -> Known {
        if self.modalias.bytes().any(|byte| byte == UNKNOWN) { Known::InPart } else { Known::Whole }
    }

    /// What it is for, as far as its modalias says.
    pub fn class(&self) -> Option<DeviceClass> {
        DeviceClass::of(&self.modalias)
    }
}

impl Profile {
    /// The devices as the proof takes them.
    pub fn candidates(&self) -> Vec<Candidate> {
        let candidate =
            |device: &Device| Candidate { modalias: device.modalias.clone(), name: device.name.clone() };
        self.devices.iter().map(candidate).collect()
    }

    /// Gives names to devices that have none.
    pub fn named(mut self, name: impl Fn(PciId) -> Option<String>) -> Profile {
        for device in self.devices.iter_mut().filter(|device| device.name.is_empty()) {
            let known = proof::pci_id(&device.modalias).and_then(&name);
            device.name = known.unwrap_or_default();
        }
        self
    }

    /// Adds a device, or counts it where there is one like it.
    fn add(&mut self, device: Device) {
        let same = |known: &&mut Device| known.modalias == device.modalias && known.name == device.name;
        match self.devices.iter_mut().find(same) {
            Some(known) => {
                known.count += device.count;
                if device.boots && !known.boots {
                    known.boots = true;
                    known.address = device.address;
                }
            }
            None => self.devices.push(device),
        }
    }

    /// Vendor and product, else the name.
    pub fn title(&self) -> String {
        let words = format!("{} {}", self.vendor, self.product);
        match words.trim() {
            "" => self.name.clone(),
            words => format!("{} ({words})", self.name),
        }
    }
}

/// What a box that was here leaves behind. `boot_nic` is what iPXE reported, where the box booted from PCI.
pub fn of_inventory(name: &str, inventory: &Inventory, boot_nic: Option<PciId>) -> Profile {
    let smbios = &inventory.smbios;
    let mut profile = Profile {
        name: name.to_owned(),
        vendor: smbios.manufacturer.trim().to_owned(),
        product: smbios.product.trim().to_owned(),
        ..Profile::default()
    };
    let interface = inventory.interfaces.iter().find(|interface| Some(interface.mac) == inventory.boot_nic);
    let address = interface.map(|interface| interface.address.as_str()).unwrap_or_default();
    // Where its place is known the box booted from that one card, else from one of those with its id.
    let is_there = !address.is_empty() && inventory.devices.iter().any(|device| device.address == address);
    for device in &inventory.devices {
        let boots = match is_there {
            true => device.address == address,
            false => boot_nic.is_some() && proof::pci_id(&device.modalias) == boot_nic,
        };
        profile.add(Device {
            address: device.address.clone(),
            boots,
            ..Device::new(device.modalias.clone())
        });
    }
    profile
}

/// What a box has left on its timeline: all of it where its live OS has reported, else the NIC that its boot
/// loader told of, which is enough to find that NIC's driver. `None` where nothing was reported.
pub fn of_timeline<'e>(name: &str, events: impl IntoIterator<Item = &'e Event>) -> Option<Imported> {
    let (mut inventory, mut reported) = (None, None);
    for event in events {
        match event {
            Event::HardwareFound { inventory: found } | Event::DevicesSeen { inventory: found } => {
                inventory = Some(found);
            }
            Event::NicReported { nic, smbios, .. } => reported = Some((*nic, smbios)),
            _ => {}
        }
    }
    let nic = reported.and_then(|(nic, _)| nic);
    if let Some(inventory) = inventory {
        let profile = of_inventory(name, inventory, nic);
        return Some(Imported { profile, form: "the box's timeline", remarks: Vec::new() });
    }
    let (Some(nic), Some((_, smbios))) = (nic, reported) else { return None };
    let profile = Profile {
        name: name.to_owned(),
        vendor: smbios.manufacturer.trim().to_owned(),
        product: smbios.product.trim().to_owned(),
        devices: vec![Device { boots: true, ..Device::new(ethernet_modalias(nic)) }],
        ..Profile::default()
    };
    let remark = "the box got no further than its boot loader: its boot NIC is known, and nothing else";
    Some(Imported { profile, form: "the box's timeline", remarks: vec![remark.to_owned()] })
}

/// Reads a profile from a file's text. `file` is its name as the person knows it; its stem names the profile
/// that has no name of its own.
///
/// Errors: not what a profile may say; no device recognised, which is never a pass.
pub fn read(file: &str, text: &str) -> Result<Profile> {
    match file.ends_with(".toml") {
        true => written::read(file, text),
        false => import::read(file, text, &|_, _| None).map(|imported| imported.profile),
    }
}

/// Reads a profile out of a file's bytes; what is not text is no profile.
pub fn read_bytes(file: &str, bytes: &[u8]) -> Result<Profile> {
    let text = std::str::from_utf8(bytes).or_fail(|| format!("{file} is not text"))?;
    read(file, text)
}

/// A file's name without folder and ending.
fn stem(file: &str) -> &str {
    let stem = file.rsplit('/').next().unwrap_or(file);
    match stem.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => stem,
    }
}

/// What is known of a PCI device; hex digits of class, subclass and programming interface as far as known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct PciWords {
    id: Option<PciId>,
    subsystem: Option<PciId>,
    /// Two, four or six hex digits.
    class: String,
}

impl PciWords {
    /// The modalias of the device as far as it is known (`file2alias.c` of the kernel: upper-case hex).
    fn modalias(&self) -> Option<String> {
        let id = self.id?;
        let subsystem = match self.subsystem {
            Some(id) => format!("sv{:08X}sd{:08X}", id.vendor, id.device),
            None => "sv????????sd????????".to_owned(),
        };
        let digits = self.class.to_ascii_uppercase();
        let part = |at: usize| digits.get(at..at + 2).unwrap_or("??");
        Some(format!(
            "pci:v{:08X}d{:08X}{subsystem}bc{}sc{}i{}",
            id.vendor,
            id.device,
            part(0),
            part(2),
            part(4)
        ))
    }
}

/// Hex digits of one length, as class codes and ids are written.
fn is_hex(text: &str, lengths: &[usize]) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
