//! From what people can send of a server to a profile: `lspci`, modaliases, `lshw -json`, Redfish, our own
//! inventories, with `dmidecode` in the same file or beside it. What a text is, its content says.

use super::{Device, Known, Profile, dmidecode, lshw, lspci, modaliases, redfish};
use crate::failure::{Failure, Result};
use crate::hardware::{DeviceClass, Inventory, PciId};
use serde_json::Value;

/// Looks a PCI id up by the names of vendor and device; `None` where no id, or more than one, has them.
pub type ByName<'n> = &'n dyn Fn(&str, &str) -> Option<PciId>;

/// A profile, and what its source leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The profile.
    pub profile: Profile,
    /// What the text is: `lspci -nn`, `Redfish`…
    pub form: &'static str,
    /// What a reader should know of it, a sentence each.
    pub remarks: Vec<String>,
}

/// Reads a text of any known form. `file` is its name as the person knows it.
///
/// Errors: no device is recognised, with what the text seems to be and what to send instead.
pub fn read(file: &str, text: &str, by_name: ByName<'_>) -> Result<Imported> {
    let mut imported = match text.trim_start().starts_with(['{', '[']) {
        true => of_json(file, text, by_name)?,
        false => of_lines(file, text)?,
    };
    if imported.profile.name.is_empty() {
        super::stem(file).clone_into(&mut imported.profile.name);
    }
    imported.say_how_sure();
    Ok(imported)
}

/// Adds maker and model from the output of dmidecode.
///
/// Errors: there is no `System Information` in it.
pub fn add_dmidecode(profile: &mut Profile, file: &str, text: &str) -> Result<()> {
    let words = dmidecode::read(text).ok_or_else(|| {
        Failure::new(format!("{file} is not the output of dmidecode"))
            .because("it has no `System Information` with a manufacturer or a product name")
            .hint("`dmidecode > FILE` on the server, as root")
    })?;
    (profile.vendor, profile.product) = (words.vendor, words.product);
    Ok(())
}

fn of_lines(file: &str, text: &str) -> Result<Imported> {
    let form = lspci::form(text);
    let mut profile = Profile::default();
    let devices = lspci::read(text).into_iter().chain(modaliases::read(text));
    devices.for_each(|device| profile.add(device));
    if let Some(words) = dmidecode::read(text) {
        (profile.vendor, profile.product) = (words.vendor, words.product);
    }
    if profile.devices.is_empty() {
        return Err(nothing_in_lines(file, text, form));
    }
    let form = match form {
        Some(lspci::Form::Named) => "lspci -nn",
        Some(lspci::Form::Numbers) => "lspci -n",
        Some(lspci::Form::Records) => "lspci -vmm",
        Some(lspci::Form::Quoted) => "lspci -mm",
        Some(lspci::Form::WithoutIds) | None => "a list of modaliases",
    };
    Ok(Imported { profile, form, remarks: Vec::new() })
}

fn nothing_in_lines(file: &str, text: &str, form: Option<lspci::Form>) -> Failure {
    let failure = Failure::new(format!("no device is recognised in {file}"));
    if form.is_some() {
        return failure
            .because("it is the output of lspci without the devices' ids")
            .hint("`lspci -nnk > FILE` on the server prints them");
    }
    if dmidecode::is(text) {
        return failure.because("it is the output of dmidecode, which knows no PCI ids").hint(
            "`lspci -nnk > FILE` on the server; dmidecode's output can stand beside it: `--dmidecode FILE`",
        );
    }
    failure
        .because("it has neither lines of `lspci -nn` nor modaliases nor [[device]] tables, and is no JSON")
        .hint("`lspci -nnk > FILE` on the server, or `cat /sys/bus/*/devices/*/modalias > FILE`")
}

/// One JSON document, or several one after the other, as when answers of a BMC are put into one file.
fn of_json(file: &str, text: &str, by_name: ByName<'_>) -> Result<Imported> {
    let mut documents = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        documents.push(document.map_err(|error| {
            Failure::new(format!("{file} is broken"))
                .because(format!("it begins like JSON and is none: {error}"))
                .hint("fetch it again: it may have been cut short")
        })?);
    }
    if documents.iter().any(redfish::is) {
        return of_redfish(file, &Value::Array(documents));
    }
    if documents.iter().any(lshw::is) {
        return of_lshw(file, &Value::Array(documents), by_name);
    }
    if let Some(inventory) = documents.iter().find_map(inventory) {
        let profile = super::of_inventory("", &inventory, None);
        return Ok(Imported { profile, form: "an inventory of bootworks", remarks: Vec::new() });
    }
    Err(Failure::new(format!("no device is recognised in {file}"))
        .because("it is JSON, but neither of `lshw -json` nor of Redfish nor an inventory of ours")
        .hint(
            "`lshw -json -numeric > FILE` on the server, or its BMC's PCIeDevices with their PCIeFunctions",
        ))
}

/// A box's record has its inventory under `hardware`, an event under `inventory`.
fn inventory(document: &Value) -> Option<Inventory> {
    let inner = ["hardware", "inventory"].iter().find_map(|key| document.get(key)).unwrap_or(document);
    let inventory: Inventory = serde_json::from_value(inner.clone()).ok()?;
    (!inventory.devices.is_empty()).then_some(inventory)
}

fn of_redfish(file: &str, document: &Value) -> Result<Imported> {
    let found = redfish::read(document);
    let mut profile = Profile { vendor: found.vendor, product: found.product, ..Profile::default() };
    found.devices.into_iter().for_each(|device| profile.add(device));
    let mut remarks = Vec::new();
    if let [first, ..] = found.links.as_slice() {
        remarks.push(format!(
            "{} linked and not in the file ({first}): fetch what is missing, or all with `?$expand=*($levels=2)`",
            counted(found.links.len(), "resource is", "resources are")
        ));
    }
    let nics: usize = profile
        .devices
        .iter()
        .filter(|device| device.class() == Some(DeviceClass::Ethernet))
        .map(|device| device.count)
        .sum();
    if profile.devices.is_empty() {
        let failure = Failure::new(format!("no device is recognised in {file}"));
        let failure = match found.macs.len() {
            0 => failure.because("it is of Redfish, but has no PCIe function with VendorId and DeviceId"),
            count => failure.because(format!(
                "it has {}, which tell MACs and no ids: PCIe functions have those",
                counted(count, "Ethernet interface", "Ethernet interfaces")
            )),
        };
        let failure = remarks.into_iter().fold(failure, Failure::because);
        return Err(failure.hint("fetch /redfish/v1/Chassis/ID/PCIeDevices/*/PCIeFunctions/* of the BMC"));
    }
    if nics == 0 {
        remarks.push("no network function is in the file: it may be of a part of the server only".into());
    }
    Ok(Imported { profile, form: "Redfish", remarks })
}

fn of_lshw(file: &str, document: &Value, by_name: ByName<'_>) -> Result<Imported> {
    let found = lshw::read(document, by_name);
    let mut profile = Profile { vendor: found.vendor, product: found.product, ..Profile::default() };
    found.devices.into_iter().for_each(|device| profile.add(device));
    if profile.devices.is_empty() {
        return Err(Failure::new(format!("no device is recognised in {file}"))
            .because(match found.nameless.len() {
                0 => "it is of lshw, but has no PCI device".to_owned(),
                count => {
                    format!("it is of lshw, but without ids: {}", counted(count, "PCI device", "PCI devices"))
                }
            })
            .hint("`lshw -json -numeric > FILE` on the server, as root"));
    }
    let mut remarks = Vec::new();
    if found.by_name > 0 {
        remarks.push(format!(
            "{} looked up by the device's name: `lshw -json -numeric` has the ids themselves",
            counted(found.by_name, "id is", "ids are")
        ));
    }
    if !found.nameless.is_empty() {
        remarks.push(format!("left out, as no id is known: {}", found.nameless.join(", ")));
    }
    Ok(Imported { profile, form: "lshw -json", remarks })
}

/// A number and its noun.
fn counted(count: usize, one: &str, more: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {more}") }
}

impl Imported {
    /// Says how much of the devices is known: what is not, no driver can be sure about.
    fn say_how_sure(&mut self) {
        let deciding = |device: &&Device| {
            matches!(device.class(), Some(DeviceClass::Ethernet | DeviceClass::Storage) | None)
        };
        let all = self.profile.devices.iter().filter(deciding).count();
        let partly = self.profile.devices.iter().filter(deciding);
        let partly = partly.filter(|device| device.known() == Known::InPart).count();
        if partly > 0 {
            self.remarks.push(format!(
                "{partly} of {all} network and storage devices are known in part ({} does not say all of subsystem, \
                 class and interface): drivers are matched by what is known",
                self.form
            ));
        }
    }
}
