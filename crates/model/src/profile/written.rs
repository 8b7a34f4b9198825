//! Profiles as they stand in a line's `hardware/*.toml`: read, and written so that a person can review them.

use super::{Device, PciWords, Profile};
use crate::failure::{Failure, Result};
use crate::hardware::{DeviceClass, PciId};
use crate::mistake::Mistake;
use serde::Deserialize;
use std::fmt::Write as _;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenProfile {
    name: Option<String>,
    #[serde(default)]
    vendor: String,
    #[serde(default)]
    product: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    device: Vec<WrittenDevice>,
    #[serde(default)]
    others: WrittenOthers,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDevice {
    modalias: Option<String>,
    id: Option<PciId>,
    subsystem: Option<PciId>,
    class: Option<WrittenClass>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    address: String,
    count: Option<usize>,
    #[serde(default)]
    boots: bool,
    #[serde(default)]
    source: String,
}

/// What decides nothing: modaliases alone.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOthers {
    #[serde(default)]
    modaliases: Vec<String>,
}

/// The PCI classes that a profile may name where it has the id alone.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenClass {
    Ethernet,
    Storage,
    Raid,
    Sata,
    Sas,
    Nvme,
    Usb,
}

impl WrittenClass {
    /// Hex digits of class, subclass and interface, as far as the word says (PCI Code and ID Assignment §1).
    fn digits(self) -> &'static str {
        match self {
            WrittenClass::Ethernet => "0200",
            // The subclass tells SATA from RAID; which of them, the drivers know by the id.
            WrittenClass::Storage => "01",
            WrittenClass::Raid => "0104",
            WrittenClass::Sata => "010601",
            WrittenClass::Sas => "0107",
            WrittenClass::Nvme => "010802",
            WrittenClass::Usb => "0C03",
        }
    }
}

/// Reads a profile of a line.
///
/// Errors: not what a profile may say, with line and column; no device in it.
pub fn read(file: &str, text: &str) -> Result<Profile> {
    let no_profile = || Failure::new(format!("{file} is no hardware profile"));
    let written: WrittenProfile = toml::from_str(text).map_err(|error| {
        let at = Mistake::new(file, text, error.span().unwrap_or_default(), error.message().to_owned(), None);
        no_profile().because(format!("{}: {}", at.place(), at.message))
    })?;
    let mut profile = Profile {
        name: written.name.unwrap_or_else(|| super::stem(file).to_owned()),
        vendor: written.vendor,
        product: written.product,
        source: written.source,
        devices: Vec::new(),
    };
    for (number, device) in written.device.into_iter().enumerate() {
        let device = device
            .read()
            .map_err(|why| no_profile().because(format!("[[device]] number {} {why}", number + 1)))?;
        profile.add(device);
    }
    for modalias in written.others.modaliases {
        if !modalias.contains(':') {
            return Err(no_profile().because(format!("`{modalias}` in [others] is no modalias")));
        }
        profile.add(Device::new(modalias));
    }
    if profile.devices.is_empty() {
        return Err(Failure::new(format!("no device is recognised in {file}"))
            .because("it has no [[device]] tables")
            .hint("`bootworks hardware import` writes a profile from the output of `lspci -nnk`"));
    }
    Ok(profile)
}

impl WrittenDevice {
    /// The device, or what is wrong with it.
    fn read(self) -> std::result::Result<Device, String> {
        let modalias = match (self.modalias, self.id) {
            (Some(modalias), None) if !modalias.contains(':') => {
                return Err(format!("has `{modalias}`, which is no modalias"));
            }
            (Some(_), None) if self.subsystem.is_some() || self.class.is_some() => {
                return Err("has `subsystem` or `class` beside `modalias`, which says both".to_owned());
            }
            (Some(modalias), None) => Some(modalias),
            (None, id @ Some(_)) => {
                let class = self.class.map(WrittenClass::digits).unwrap_or_default().to_owned();
                PciWords { id, subsystem: self.subsystem, class }.modalias()
            }
            _ => None,
        };
        let modalias = modalias.ok_or("needs either `modalias` or `id`")?;
        if self.count == Some(0) {
            return Err("has `count = 0`".to_owned());
        }
        Ok(Device {
            modalias,
            name: self.name,
            address: self.address,
            count: self.count.unwrap_or(1),
            boots: self.boots,
            source: self.source,
        })
    }
}

/// The profile's text: what decides first, each device under its name; the rest as a list.
pub fn write(profile: &Profile) -> String {
    let mut text = format!("# {}\n", one_line(&profile.title()));
    let put = |text: &mut String, key: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "{key} = {}", quoted(value));
        }
    };
    put(&mut text, "name", &profile.name);
    put(&mut text, "vendor", &profile.vendor);
    put(&mut text, "product", &profile.product);
    put(&mut text, "source", &profile.source);
    let is_listed = |device: &&Device| {
        device.boots
            || !matches!(device.class(), Some(DeviceClass::Other)) && device.modalias.starts_with("pci:")
            || matches!(device.class(), Some(DeviceClass::Ethernet | DeviceClass::Storage))
    };
    let mut listed: Vec<&Device> = profile.devices.iter().filter(is_listed).collect();
    listed.sort_by_key(|device| device.class());
    for device in listed {
        let _ = write!(text, "\n# {}\n[[device]]\n", heading(device));
        put(&mut text, "modalias", &device.modalias);
        put(&mut text, "name", &device.name);
        put(&mut text, "address", &device.address);
        if device.count > 1 {
            let _ = writeln!(text, "count = {}", device.count);
        }
        if device.boots {
            text.push_str("boots = true\n");
        }
        put(&mut text, "source", &device.source);
    }
    let rest: Vec<&Device> = profile.devices.iter().filter(|device| !is_listed(device)).collect();
    if !rest.is_empty() {
        text.push_str("\n# What does not decide whether a box boots.\n[others]\nmodaliases = [\n");
        for device in rest {
            let comment = match device.name.is_empty() {
                true => String::new(),
                false => format!("  # {}", one_line(&device.name)),
            };
            let _ = writeln!(text, "  {},{comment}", quoted(&device.modalias));
        }
        text.push_str("]\n");
    }
    text
}

/// What stands above a device: what it is for, and what it is called.
fn heading(device: &Device) -> String {
    let class = match device.class() {
        Some(DeviceClass::Ethernet) => "network",
        Some(DeviceClass::Storage) => "storage",
        Some(DeviceClass::Usb) => "USB",
        _ => "device",
    };
    let name = if device.name.is_empty() { "without a name" } else { &device.name };
    one_line(&format!("{class}: {name}"))
}

/// A comment ends with its line: what comes from outside may hold anything.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn quoted(text: &str) -> String {
    // One line each: a text with line ends would become a multi-line string.
    toml::Value::String(one_line(text)).to_string()
}
