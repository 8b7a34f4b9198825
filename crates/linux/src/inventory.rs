//! What the box is made of, read from `/sys` and `/proc`: no udev, no library, no program.
//!
//! Everything is read below a folder, `/` on a box, so that a test can bring a box of its own.

mod disks;

use model::hardware::{Device, Disk, Interface, Inventory, Smbios};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wire::mac::Mac;

/// Reads the inventory below `root`. What cannot be read is left empty: half an inventory is better than none.
pub fn read(root: &Path, boot_nic: Option<Mac>) -> Inventory {
    Inventory { disks: disks::read(root), ..read_devices(root, boot_nic) }
}

/// The same without the disks, which have to be read from to say what is on them: that takes its time, and a broken
/// one takes long.
pub fn read_devices(root: &Path, boot_nic: Option<Mac>) -> Inventory {
    let dmi = |name: &str| line(&root.join("sys/class/dmi/id").join(name));
    let cpu = std::fs::read_to_string(root.join("proc/cpuinfo")).unwrap_or_default();
    let memory = std::fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let kibibytes: u64 = value_of(&memory, "MemTotal")
        .and_then(|text| text.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    Inventory {
        smbios: Smbios {
            manufacturer: dmi("sys_vendor"),
            product: dmi("product_name"),
            serial: dmi("product_serial"),
            uuid: dmi("product_uuid"),
        },
        boot_nic,
        firmware: if root.join("sys/firmware/efi").exists() { "uefi" } else { "bios" }.into(),
        processor: value_of(&cpu, "model name").unwrap_or_default().to_owned(),
        processors: cpu.lines().filter(|line| line.starts_with("processor")).count() as u32,
        memory_bytes: kibibytes * 1024,
        interfaces: interfaces(root),
        disks: Vec::new(),
        devices: devices(root),
        // Documentation/ABI/stable/sysfs-class-tpm
        tpm2: line(&root.join("sys/class/tpm/tpm0/tpm_version_major")) == "2",
        parts: parts(root),
    }
}

/// Versions and serial numbers that a box is asked for when it comes back: of its firmware, its board, its disks.
fn parts(root: &Path) -> BTreeMap<String, String> {
    let dmi = |name: &str| line(&root.join("sys/class/dmi/id").join(name));
    let words = |names: &[&str]| {
        let words: Vec<String> = names.iter().map(|name| dmi(name)).filter(|word| !word.is_empty()).collect();
        words.join(" ")
    };
    let mut parts = BTreeMap::from([
        ("BIOS".to_owned(), words(&["bios_vendor", "bios_version", "bios_date"])),
        ("board".to_owned(), words(&["board_vendor", "board_name", "board_version"])),
        ("board serial".to_owned(), dmi("board_serial")),
        ("chassis serial".to_owned(), dmi("chassis_serial")),
    ]);
    for (name, folder) in entries(&root.join("sys/block")) {
        // NVMe calls it one way, SCSI (and so SATA) the other.
        let version = ["device/firmware_rev", "device/rev"].map(|file| line(&folder.join(file)));
        let version = version.into_iter().find(|version| !version.is_empty());
        parts.extend(version.map(|version| (format!("{name} firmware"), version)));
    }
    parts.retain(|_, value| !value.is_empty());
    parts
}

/// One block device by its name, to see whether a disk is still the one it was; `None` where it is gone.
pub fn disk(root: &Path, name: &str) -> Option<Disk> {
    disks::named(root, name)
}

/// The kernel modules that drive a disk, from the disk up to its bus, with underscores.
pub fn disk_modules(root: &Path, name: &str) -> Vec<String> {
    disks::modules(root, name)
}

/// Wired and wireless NICs with hardware behind them, by name.
fn interfaces(root: &Path) -> Vec<Interface> {
    let mut found = Vec::new();
    for (name, folder) in entries(&root.join("sys/class/net")) {
        // ARPHRD_ETHER (include/uapi/linux/if_arp.h); bridges and the loopback have no device.
        if line(&folder.join("type")) != "1" || !folder.join("device").exists() {
            continue;
        }
        let Ok(mac) = line(&folder.join("address")).parse() else { continue };
        // Reading `carrier` of an interface that is down fails with EINVAL.
        let carrier = line(&folder.join("carrier")) == "1";
        let driver = link_name(&folder.join("device/driver")).unwrap_or_default();
        let address = link_name(&folder.join("device")).unwrap_or_default();
        found.push(Interface { name, mac, driver, carrier, address });
    }
    found
}

/// Every device of every bus that has a modalias, but the processors: theirs are long and the same for all.
fn devices(root: &Path) -> Vec<Device> {
    let mut found = BTreeMap::new();
    for (_, bus) in entries(&root.join("sys/bus")) {
        for (address, folder) in entries(&bus.join("devices")) {
            let modalias = line(&folder.join("modalias"));
            if modalias.is_empty() || modalias.starts_with("cpu:") {
                continue;
            }
            let driver = link_name(&folder.join("driver"));
            found.insert((modalias.clone(), address.clone()), Device { modalias, address, driver });
        }
    }
    found.into_values().collect()
}

/// Names and paths in a folder, sorted; none where it cannot be read.
fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let named = |entry: std::fs::DirEntry| Some((entry.file_name().into_string().ok()?, entry.path()));
    let mut found: Vec<(String, PathBuf)> = entries.flatten().filter_map(named).collect();
    found.sort();
    found
}

/// The first line of a file, trimmed; empty where it cannot be read.
fn line(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().next().unwrap_or_default().trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned()
}

/// What a link points to, its last part only.
fn link_name(link: &Path) -> Option<String> {
    std::fs::read_link(link).ok()?.file_name()?.to_str().map(str::to_owned)
}

/// The value of the first `key: value` line.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests;
