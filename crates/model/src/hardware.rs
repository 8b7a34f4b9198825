//! What a box is made of: PCI and USB ids, modaliases, SMBIOS strings, disks and NICs.
//!
//! A profile is what a kind of server has; an inventory is what one box has.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use wire::mac::Mac;

/// A PCI vendor and device id, shown as `8086:10d3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciId {
    /// Vendor, as in configuration space 0x00.
    pub vendor: u16,
    /// Device, as in configuration space 0x02.
    pub device: u16,
}

impl fmt::Display for PciId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)
    }
}

/// The text is not a PCI id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPciId;

impl fmt::Display for NotAPciId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a PCI id (vendor:device in hex, like 8086:10d3)")
    }
}

impl std::error::Error for NotAPciId {}

impl FromStr for PciId {
    type Err = NotAPciId;

    fn from_str(text: &str) -> Result<PciId, NotAPciId> {
        let (vendor, device) = text.split_once(':').ok_or(NotAPciId)?;
        let word = |digits: &str| {
            let right = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            if right { u16::from_str_radix(digits, 16).map_err(|_| NotAPciId) } else { Err(NotAPciId) }
        };
        Ok(PciId { vendor: word(vendor)?, device: word(device)? })
    }
}

impl PciId {
    /// From iPXE's bus id (DHCP option 175 sub-option 0xb1, setting `busid`): type 01 for PCI, vendor, device,
    /// each big-endian (iPXE `include/ipxe/dhcp.h`, `struct dhcp_netdev_desc`).
    pub fn from_bus_id(octets: &[u8]) -> Option<PciId> {
        match octets {
            [0x01, v1, v0, d1, d0] => {
                Some(PciId { vendor: u16::from_be_bytes([*v1, *v0]), device: u16::from_be_bytes([*d1, *d0]) })
            }
            _ => None,
        }
    }
}

impl Serialize for PciId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PciId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PciId, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The strings by which a server names itself (SMBIOS type 1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Smbios {
    /// System manufacturer.
    pub manufacturer: String,
    /// System product name.
    pub product: String,
    /// System serial number.
    pub serial: String,
    /// System UUID, as the firmware writes it.
    pub uuid: String,
}

/// What a device is for, by its PCI class or bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceClass {
    /// Wired network (PCI class 0x02xx).
    Ethernet,
    /// Mass storage (PCI class 0x01xx, virtio-blk, virtio-scsi).
    Storage,
    /// USB host controllers and what hangs on them.
    Usb,
    /// The rest.
    Other,
}

impl DeviceClass {
    /// What a modalias says of the device's class; `None` where its bus does not say, or it is not known.
    pub fn of(modalias: &str) -> Option<DeviceClass> {
        if modalias.starts_with("pci:") {
            // The class stands behind the last `bc`, the subclass behind `sc`: `…bc02sc00i00`.
            let class = modalias.get(modalias.rfind("bc")? + 2..)?;
            let subclass = class.get(2..)?.strip_prefix("sc")?;
            return Some(match (class.get(..2)?, subclass.get(..2)?) {
                ("02", "80") => DeviceClass::Other,
                ("02", _) => DeviceClass::Ethernet,
                ("01", _) | ("08", "05") => DeviceClass::Storage,
                ("0C", "03") => DeviceClass::Usb,
                (class, _) if class.contains('?') => return None,
                _ => DeviceClass::Other,
            });
        }
        match modalias {
            _ if modalias.starts_with("virtio:d00000001v") => Some(DeviceClass::Ethernet),
            _ if modalias.starts_with("virtio:d00000002v") => Some(DeviceClass::Storage),
            _ if modalias.starts_with("virtio:d00000008v") => Some(DeviceClass::Storage),
            _ if modalias.starts_with("scsi:t-0x00") => Some(DeviceClass::Storage),
            _ => None,
        }
    }
}

/// One device on a bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The kernel's modalias: `pci:v00008086d000010D3sv…`.
    pub modalias: String,
    /// Where it sits: `0000:00:03.0`.
    #[serde(default)]
    pub address: String,
    /// The driver bound to it, where one is.
    #[serde(default)]
    pub driver: Option<String>,
}

/// A network interface of a box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The kernel's name for it.
    pub name: String,
    /// Its address.
    pub mac: Mac,
    /// The driver bound to it.
    pub driver: String,
    /// Whether it has carrier.
    pub carrier: bool,
    /// Where its device sits, as in [`Device::address`].
    #[serde(default)]
    pub address: String,
}

/// A disk of a box, as an operator knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The kernel's name for it, without `/dev/`: `nvme0n1`.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Logical sector size in bytes: 512 or 4096.
    pub sector_bytes: u32,
    /// Model, trimmed.
    pub model: String,
    /// Serial number, trimmed; empty where the disk has none.
    pub serial: String,
    /// World-wide name, where it has one.
    #[serde(default)]
    pub wwn: String,
    /// Whether it turns.
    pub rotational: bool,
    /// Whether it can be pulled out by hand (USB stick, CD).
    pub removable: bool,
    /// `nvme`, `sata`, `sas`, `usb`, `virtio`, `scsi`, `mmc`.
    pub transport: String,
    /// Stable path by slot: `pci-0000:00:04.0-nvme-1`.
    #[serde(default)]
    pub path: String,
    /// What is on it already, in words: partition tables, file systems, RAID members.
    #[serde(default)]
    pub signatures: Vec<String>,
    /// Its partitions, as its table says.
    #[serde(default)]
    pub partitions: Vec<FoundPartition>,
    /// Who holds it or a part of it, in words: `mounted at /srv`, `part of md127`; empty where it is free.
    #[serde(default)]
    pub holders: Vec<String>,
}

/// A partition that is on a disk already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FoundPartition {
    /// Number in the partition table, from 1.
    pub number: u32,
    /// First sector.
    pub first_lba: u64,
    /// Last sector, included.
    pub last_lba: u64,
    /// Its own GUID in a GPT, in lower case with dashes; empty in other tables.
    pub guid: String,
    /// The file system on it, as fstab(5) writes it; empty where none is known.
    pub filesystem: String,
    /// UUID of that file system, as `blkid` prints it; empty where it has none.
    pub uuid: String,
    /// Label of that file system; may be empty.
    pub label: String,
    /// Whether anything at all is recognised on it.
    pub is_used: bool,
}

impl Disk {
    /// As an operator knows it: model, size, serial number.
    pub fn title(&self) -> String {
        let model = if self.model.is_empty() { "disk without a model name" } else { &self.model };
        let serial = if self.serial.is_empty() { "no serial" } else { &self.serial };
        let word = if self.serial.is_empty() { "" } else { "serial " };
        format!("{model}, {}, {word}{serial}", size_text(self.size_bytes))
    }
}

/// A size in bytes as people read it, with binary units: `512 MiB`, `7.5 GiB`.
pub fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let (mut unit, mut scale) = (0, 1024_u64);
    while unit + 1 < UNITS.len() && bytes / scale >= 1024 {
        scale *= 1024;
        unit += 1;
    }
    let tenths = (u128::from(bytes) * 10 + u128::from(scale) / 2) / u128::from(scale);
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[unit]),
        tenth => format!("{}.{tenth} {}", tenths / 10, UNITS[unit]),
    }
}

/// What one box has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// How it names itself.
    pub smbios: Smbios,
    /// The NIC that it booted from, where the boot told.
    pub boot_nic: Option<Mac>,
    /// `bios` or `uefi`.
    pub firmware: String,
    /// Processor's model name.
    pub processor: String,
    /// Number of logical processors.
    pub processors: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// NICs.
    pub interfaces: Vec<Interface>,
    /// Disks.
    pub disks: Vec<Disk>,
    /// Every device with a modalias.
    pub devices: Vec<Device>,
    /// Whether it has a TPM 2.0 that the kernel drives.
    #[serde(default)]
    pub tpm2: bool,
    /// Versions and serial numbers of parts, by what they are of: `BIOS`, `board serial`, `nvme0n1 firmware`.
    pub parts: std::collections::BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole proof at boot time rests on these five octets being read in the right order.
    #[test]
    fn the_bus_id_of_ipxe_names_the_nic() {
        let id = PciId::from_bus_id(&[0x01, 0x80, 0x86, 0x10, 0xd3]).unwrap();
        assert_eq!(id.to_string(), "8086:10d3");
        assert_eq!("8086:10d3".parse(), Ok(id));
        assert_eq!(PciId::from_bus_id(&[0x02, 0x80, 0x86, 0x10, 0xd3]), None, "ISAPnP is not PCI");
        assert_eq!("8086:10d".parse::<PciId>(), Err(NotAPciId));
    }

    /// A disk is told apart by its size on the confirmation screen: rounding must not make two sizes one.
    #[test]
    fn sizes_are_read_as_people_write_them() {
        let shown = [0, 1023, 1024, 536_870_912, 8 << 30, 480_103_981_056, u64::MAX].map(size_text);
        let wanted = ["0 bytes", "1023 bytes", "1 KiB", "512 MiB", "8 GiB", "447.1 GiB", "16384 PiB"];
        assert_eq!(shown, wanted);
    }
}
