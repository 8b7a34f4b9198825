//! `lshw -json`: a tree of nodes. It has ids with `-numeric` only; without, names stand for them, and are looked up.

use super::import::ByName;
use super::{Device, PciWords, is_hex};
use crate::hardware::PciId;
use serde_json::Value;

/// What lshw says of a server.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) vendor: String,
    pub(super) product: String,
    pub(super) devices: Vec<Device>,
    /// Devices whose ids were looked up by name.
    pub(super) by_name: usize,
    /// PCI devices without an id: what they are called.
    pub(super) nameless: Vec<String>,
}

/// Whether a document is lshw's.
pub(super) fn is(document: &Value) -> bool {
    let first = document.as_array().and_then(|list| list.first()).unwrap_or(document);
    first.get("class").is_some_and(Value::is_string) && first.get("id").is_some_and(Value::is_string)
}

/// Reads a document.
pub(super) fn read(document: &Value, by_name: ByName<'_>) -> Found {
    let mut found = Found::default();
    // Nodes are as deep as buses are; serde_json has refused what is nested deeper than 128.
    let mut open: Vec<&Value> = vec![document];
    while let Some(node) = open.pop() {
        if let Some(list) = node.as_array() {
            open.extend(list.iter().rev());
            continue;
        }
        if text(node, "class") == "system" && found.product.is_empty() {
            // `PowerEdge R740 (SKU=NotProvided;ModelName=PowerEdge R740)`.
            let product = text(node, "product");
            found.product = product.split(" (").next().unwrap_or(product).to_owned();
            found.vendor = text(node, "vendor").to_owned();
        }
        found.take(node, by_name);
        open.extend(node.get("children").and_then(Value::as_array).into_iter().flatten().rev());
    }
    found
}

impl Found {
    fn take(&mut self, node: &Value, by_name: ByName<'_>) {
        // A bridge's `businfo` is `pci@…` like a device's.
        let Some(address) = text(node, "businfo").strip_prefix("pci@") else { return };
        let (vendor, vendor_id) = named(text(node, "vendor"));
        let (product, product_id) = named(text(node, "product"));
        let id = match format!("{vendor_id}:{product_id}").parse::<PciId>() {
            Ok(id) => Some(id),
            Err(_) => by_name(vendor, product).inspect(|_| self.by_name += 1),
        };
        let name = format!("{vendor} {product}").trim().to_owned();
        let words = PciWords { id, subsystem: None, class: class(node).to_owned() };
        match words.modalias() {
            Some(modalias) => {
                self.devices.push(Device { name, address: address.to_owned(), ..Device::new(modalias) });
            }
            None => self.nameless.push(name),
        }
    }
}

/// Class and subclass as far as lshw's words tell (its `pci.cc`).
fn class(node: &Value) -> &'static str {
    match (text(node, "class"), text(node, "description")) {
        ("network", "Wireless interface") => "0280",
        ("network", "Ethernet interface" | "Ethernet controller") => "0200",
        ("network", _) => "02",
        ("storage", "RAID bus controller") => "0104",
        ("storage", "SATA controller") => "0106",
        ("storage", "Serial Attached SCSI controller") => "0107",
        ("storage", "SCSI storage controller") => "0100",
        ("storage", "IDE interface") => "0101",
        // `NVMe device` is what lshw says of a disk it could ask.
        ("storage", "NVMe device" | "NVMe disk") => "010802",
        ("storage", "Non-Volatile memory controller") => "0108",
        ("storage", _) => "01",
        ("bus", "USB controller") => "0C03",
        ("bridge", _) => "06",
        ("display", _) => "03",
        _ => "",
    }
}

/// `NetXtreme BCM5720 [14E4:165F]` and `Broadcom [14E4]`: the name, and the last number in the brackets.
fn named(word: &str) -> (&str, &str) {
    let found = word.rsplit_once('[').and_then(|(name, rest)| {
        let digits = rest.strip_suffix(']')?;
        let digits = digits.rsplit(':').next()?;
        is_hex(digits, &[4]).then_some((name.trim_end(), digits))
    });
    found.unwrap_or((word, ""))
}

fn text<'v>(node: &'v Value, key: &str) -> &'v str {
    node.get(key).and_then(Value::as_str).unwrap_or_default()
}
