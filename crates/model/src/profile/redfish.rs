//! Redfish (DMTF DSP0268): a server's own inventory, from its BMC. Single resources, collections with expanded
//! members and whole trees of both; PCIe functions have the ids, Ethernet interfaces have MACs only.

use super::{Device, PciWords, is_hex};
use crate::hardware::PciId;
use serde_json::Value;

/// What Redfish says of a server.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) vendor: String,
    pub(super) product: String,
    pub(super) devices: Vec<Device>,
    /// Ethernet interfaces met, by MAC.
    pub(super) macs: Vec<String>,
    /// Links to members that were not expanded.
    pub(super) links: Vec<String>,
}

/// Whether a document is of Redfish.
pub(super) fn is(document: &Value) -> bool {
    let first = document.as_array().and_then(|list| list.first()).unwrap_or(document);
    ["@odata.id", "@odata.type", "@odata.context", "Members", "VendorId", "PCIeDevices", "PCIeFunctions"]
        .iter()
        .any(|key| first.get(key).is_some())
}

/// Reads a document.
pub(super) fn read(document: &Value) -> Found {
    let mut found = Found::default();
    // What is open, with the name of the device above it; serde_json has refused what is nested deeper than 128.
    let mut open: Vec<(&Value, &str)> = vec![(document, "")];
    while let Some((node, above)) = open.pop() {
        match node {
            Value::Array(list) => open.extend(list.iter().rev().map(|node| (node, above))),
            Value::Object(keys) => {
                found.take(node, above);
                let own = device_name(node).unwrap_or(above);
                open.extend(keys.values().rev().map(|node| (node, own)));
            }
            _ => {}
        }
    }
    found.macs.sort();
    found.macs.dedup();
    found.links.sort();
    found.links.dedup();
    found
}

impl Found {
    fn take(&mut self, node: &Value, above: &str) {
        let kind = text(node, "@odata.type");
        if kind.starts_with("#ComputerSystem.") {
            self.vendor = text(node, "Manufacturer").trim().to_owned();
            self.product = text(node, "Model").trim().to_owned();
        } else if kind.starts_with("#EthernetInterface.") {
            let mac = ["PermanentMACAddress", "MACAddress"].map(|key| text(node, key));
            self.macs.extend(mac.into_iter().find(|mac| !mac.is_empty()).map(str::to_ascii_lowercase));
        } else if let Some(id) = pair(node, "VendorId", "DeviceId") {
            let words = PciWords {
                id: Some(id),
                subsystem: pair(node, "SubsystemVendorId", "SubsystemId"),
                class: class(node),
            };
            let own = text(node, "Name").trim();
            let name = if above.is_empty() { own } else { above };
            let modalias = words.modalias().unwrap_or_default();
            self.devices.push(Device {
                name: name.to_owned(),
                address: address(node),
                ..Device::new(modalias)
            });
        } else if node.as_object().is_some_and(|keys| keys.len() == 1) {
            let link = text(node, "@odata.id");
            if link.contains("/PCIeFunctions") || link.contains("/PCIeDevices") {
                self.links.push(link.to_owned());
            }
        }
    }
}

/// A PCIe device's own name, for its functions, which are called `Function 0` by many BMCs.
fn device_name(node: &Value) -> Option<&str> {
    let is_device = text(node, "@odata.type").starts_with("#PCIeDevice.");
    // Dell puts the card's name into `Name`, HPE into `Model`.
    ["Name", "Model"].map(|key| text(node, key).trim()).into_iter().find(|name| is_device && !name.is_empty())
}

/// `ClassCode` (`0x020000`), or what `DeviceClass` tells.
fn class(node: &Value) -> String {
    let code = text(node, "ClassCode");
    let code = code.strip_prefix("0x").or(code.strip_prefix("0X")).unwrap_or(code);
    if is_hex(code, &[6]) && code != "000000" {
        return code.to_owned();
    }
    match text(node, "DeviceClass") {
        "NetworkController" => "02",
        "MassStorageController" => "01",
        "DisplayController" => "03",
        "Bridge" => "06",
        "SerialBusController" => "0C",
        _ => "",
    }
    .to_owned()
}

fn pair(node: &Value, vendor: &str, device: &str) -> Option<PciId> {
    let word = |key: &str| {
        let digits = text(node, key).trim();
        let digits = digits.strip_prefix("0x").or(digits.strip_prefix("0X")).unwrap_or(digits);
        // Some BMCs write a double word.
        let digits = digits.strip_prefix("0000").filter(|rest| rest.len() == 4).unwrap_or(digits);
        is_hex(digits, &[1, 2, 3, 4]).then(|| u16::from_str_radix(digits, 16).ok()).flatten()
    };
    let id = PciId { vendor: word(vendor)?, device: word(device)? };
    // An empty slot, or a BMC that does not know.
    (id.vendor != 0 && id.vendor != 0xffff).then_some(id)
}

/// Segment, bus, device and function, where the BMC tells all of them.
fn address(node: &Value) -> String {
    let number = |key: &str| {
        let text = text(node, key);
        u16::from_str_radix(text.strip_prefix("0x")?, 16).ok()
    };
    let function = node.get("FunctionId").and_then(Value::as_u64);
    match (number("BusNumber"), number("DeviceNumber"), function) {
        (Some(bus), Some(device), Some(function)) => {
            let segment = number("SegmentNumber").unwrap_or_default();
            format!("{segment:04x}:{bus:02x}:{device:02x}.{function:x}")
        }
        _ => String::new(),
    }
}

fn text<'v>(node: &'v Value, key: &str) -> &'v str {
    node.get(key).and_then(Value::as_str).unwrap_or_default()
}
