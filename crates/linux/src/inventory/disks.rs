//! The disks of a box: what an operator tells them by, what is on them, who holds them.

use super::{entries, line, link_name};
use crate::{partitions, signature};
use model::hardware::{Disk, FoundPartition};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Block devices that are no disks: made by the kernel out of memory, files or other disks, or no place for an
/// appliance (Documentation/admin-guide/devices.txt).
const NO_DISKS: &[&str] =
    &["loop", "ram", "zram", "sr", "fd", "dm-", "md", "nbd", "zd", "drbd", "rbd", "bcache", "pmem"];

/// Whole disks, by name.
pub(super) fn read(root: &Path) -> Vec<Disk> {
    let block = entries(&root.join("sys/class/block"));
    block
        .iter()
        .filter(|(name, folder)| is_disk(name, folder))
        .filter_map(|(name, _)| named(root, name))
        .collect()
}

/// Whether a block device is a whole disk.
fn is_disk(name: &str, folder: &Path) -> bool {
    let is_made = NO_DISKS.iter().any(|start| {
        name.strip_prefix(start).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    // eMMC shows its boot areas as disks of their own; nvme0c0n1 is one path of a multipath namespace.
    let is_part = folder.join("partition").exists() || name.contains("boot") || name.contains("rpmb");
    !is_made && !is_part && line(&folder.join("hidden")) != "1"
}

/// The block device of that name, whatever it is; `None` where it is gone or has no size.
pub(super) fn named(root: &Path, name: &str) -> Option<Disk> {
    let folder = &root.join("sys/class/block").join(name);
    let size_bytes = line(&folder.join("size")).parse::<u64>().ok()?.checked_mul(512)?;
    if size_bytes == 0 {
        return None;
    }
    let place = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let place = place.to_string_lossy().into_owned();
    let transport = transport(&place);
    let flag = |file: &str| line(&folder.join(file)) == "1";
    let sector_bytes = line(&folder.join("queue/logical_block_size")).parse().unwrap_or(512);
    let partitions = partitions(folder);
    Some(Disk {
        name: name.to_owned(),
        size_bytes,
        sector_bytes,
        model: model(folder, transport),
        serial: serial(folder),
        wwn: [folder.join("wwid"), folder.join("device/wwid")]
            .iter()
            .map(|file| line(file))
            .find(|text| !text.is_empty())
            .unwrap_or_default(),
        // virtio-blk cannot tell, and the kernel then says that it turns (block/blk-sysfs.c); nobody means that.
        rotational: flag("queue/rotational") && transport != "virtio",
        removable: flag("removable") || transport == "usb" || line(&folder.join("device/type")) == "SD",
        transport: transport.into(),
        path: slot(folder, &place, transport),
        partitions: found_partitions(root, name, size_bytes, sector_bytes, &partitions),
        signatures: signatures(root, name, size_bytes, sector_bytes, &partitions),
        holders: holders(root, name, folder, &partitions),
    })
}

/// Name and folder of each partition that the kernel shows.
fn partitions(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> =
        entries(folder).into_iter().filter(|(_, path)| path.join("partition").exists()).collect();
    found.sort_by_key(|(_, path)| line(&path.join("partition")).parse().unwrap_or(u32::MAX));
    found
}

/// How the disk is attached, by its place in the device tree.
fn transport(place: &str) -> &'static str {
    let has = |start: &str| place.split('/').any(|part| part.starts_with(start));
    if has("usb") {
        "usb"
    } else if has("nvme") {
        "nvme"
    } else if has("mmc") {
        "mmc"
    } else if has("ata") {
        "sata"
    } else if has("end_device-") {
        "sas"
    } else if has("virtio") && !has("host") {
        "virtio"
    } else {
        "scsi"
    }
}

fn model(folder: &Path, transport: &str) -> String {
    let device = |file: &str| line(&folder.join("device").join(file));
    let (vendor, model, name) = (device("vendor"), device("model"), device("name"));
    match (transport, model.is_empty()) {
        // The vendor of every disk behind libata is "ATA"; of virtio it is a number.
        ("virtio", true) => "virtio disk".into(),
        (_, true) => name,
        ("nvme" | "sata", false) => model,
        _ => format!("{vendor} {model}").trim().to_owned(),
    }
}

/// NVMe, virtio and eMMC have it in sysfs; SCSI and ATA in the vital product data page 0x80 (SPC-4 §7.8.9).
fn serial(folder: &Path) -> String {
    let plain = [folder.join("serial"), folder.join("device/serial")];
    if let Some(serial) = plain.iter().map(|file| line(file)).find(|text| !text.is_empty()) {
        return serial;
    }
    let page = std::fs::read(folder.join("device/vpd_pg80")).unwrap_or_default();
    let length = page.get(2..4).map_or(0, |two| usize::from(u16::from_be_bytes([two[0], two[1]])));
    let text = page.get(4..).map_or(&[][..], |text| &text[..length.min(text.len())]);
    String::from_utf8_lossy(text).trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned()
}

/// Where the disk sits, as udev's `ID_PATH` writes it (systemd, udev-builtin-path_id.c).
fn slot(folder: &Path, place: &str, transport: &str) -> String {
    let is_pci = |part: &&str| part.len() == 12 && part.as_bytes()[4] == b':' && part.as_bytes()[10] == b'.';
    let of_controller = controller_of_subsystem(place);
    let place = of_controller.as_deref().unwrap_or(place);
    let Some(pci) = place.split('/').rev().find(is_pci) else { return String::new() };
    let scsi = || link_name(&folder.join("device")).unwrap_or_default();
    let tail = match transport {
        "nvme" => {
            let number = line(&folder.join("nsid"));
            format!("-nvme-{}", if number.is_empty() { "1" } else { &number })
        }
        "sata" => {
            let port = place.split('/').find(|part| part.starts_with("ata")).unwrap_or_default();
            let end = place.find(&format!("/{port}/")).unwrap_or_default();
            let file = Path::new(&place[..end]).join(port).join("ata_port").join(port).join("port_no");
            let number = line(&file);
            format!("-ata-{}", if number.is_empty() { &port[3..] } else { &number })
        }
        "virtio" | "mmc" => String::new(),
        // The host's number is the order of probing, which the slot is not.
        _ => match scsi().split_once(':') {
            Some((_, rest)) => format!("-scsi-0:{rest}"),
            None => String::new(),
        },
    };
    format!("pci-{pci}{tail}")
}

/// An NVMe disk that could have several controllers hangs below none of them but below their subsystem, which
/// links to them (drivers/nvme/host/multipath.c); its slot is that of the first.
fn controller_of_subsystem(place: &str) -> Option<String> {
    let folder = Path::new(place).parent()?;
    folder.file_name()?.to_str()?.strip_prefix("nvme-subsys")?;
    let is_controller = |name: &str| {
        name.strip_prefix("nvme")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let (_, link) = entries(folder).into_iter().find(|(name, _)| is_controller(name))?;
    Some(link.canonicalize().ok()?.to_string_lossy().into_owned())
}

/// What is on the disk and on each of its partitions.
fn signatures(
    root: &Path,
    name: &str,
    size_bytes: u64,
    sector_bytes: u32,
    partitions: &[(String, PathBuf)],
) -> Vec<String> {
    let open = |name: &str| File::open(root.join("dev").join(name)).ok();
    let Some(mut device) = open(name) else { return Vec::new() };
    let mut found = Vec::from_iter(signature::of_table(&mut device, sector_bytes));
    found.extend(signature::of_content(&mut device, size_bytes));
    for (name, folder) in partitions {
        let size_bytes = line(&folder.join("size")).parse::<u64>().unwrap_or_default().saturating_mul(512);
        let Some(mut device) = open(name) else { continue };
        let words = signature::of_content(&mut device, size_bytes);
        found.extend(words.into_iter().map(|words| format!("{name}: {words}")));
    }
    found
}

/// The partitions that the disk's own table has, with what is on those that the kernel shows.
fn found_partitions(
    root: &Path,
    name: &str,
    size_bytes: u64,
    sector_bytes: u32,
    shown: &[(String, PathBuf)],
) -> Vec<FoundPartition> {
    let open = |name: &str| File::open(root.join("dev").join(name)).ok();
    let Some(mut device) = open(name) else { return Vec::new() };
    let sectors = size_bytes / u64::from(sector_bytes.max(512));
    let mut found = partitions::read(&mut device, sector_bytes, sectors);
    for partition in &mut found {
        let number = partition.number.to_string();
        let node = shown.iter().find(|(_, folder)| line(&folder.join("partition")) == number);
        let Some(mut device) = node.and_then(|(name, _)| open(name)) else {
            // What cannot be looked into may hold anything.
            partition.is_used = true;
            continue;
        };
        let bytes = partition.last_lba.saturating_sub(partition.first_lba).saturating_add(1);
        let bytes = bytes.saturating_mul(u64::from(sector_bytes));
        partition.is_used = !signature::of_content(&mut device, bytes).is_empty();
        if let Some(known) = signature::identity(&mut device) {
            (partition.filesystem, partition.uuid, partition.label) = (known.kind, known.uuid, known.label);
        }
    }
    found
}

/// The modules that drive a disk, from the disk up to its bus, with underscores; a driver that is built in has none.
pub(super) fn modules(root: &Path, name: &str) -> Vec<String> {
    let folder = root.join("sys/class/block").join(name);
    let Ok(place) = folder.canonicalize() else { return Vec::new() };
    let ends = root.join("sys/devices");
    let mut modules = Vec::new();
    for level in place.ancestors().take_while(|level| **level != ends) {
        if let Some(module) = link_name(&level.join("driver/module"))
            && !modules.contains(&module)
        {
            modules.push(module);
        }
    }
    if let Some(controller) = controller_of_subsystem(&place.to_string_lossy()) {
        for level in Path::new(&controller).ancestors().take_while(|level| **level != ends) {
            if let Some(module) = link_name(&level.join("driver/module"))
                && !modules.contains(&module)
            {
                modules.push(module);
            }
        }
    }
    modules.iter().map(|module| module.replace('-', "_")).collect()
}

/// Who holds the disk or a partition of it: arrays, volumes, mounts, swap.
fn holders(root: &Path, name: &str, folder: &Path, partitions: &[(String, PathBuf)]) -> Vec<String> {
    let mounts = std::fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
    let swaps = std::fs::read_to_string(root.join("proc/swaps")).unwrap_or_default();
    let mut found = Vec::new();
    let whole = (name.to_owned(), folder.to_owned());
    for (name, folder) in std::iter::once(&whole).chain(partitions) {
        for (holder, _) in entries(&folder.join("holders")) {
            let mapped = line(&root.join("sys/class/block").join(&holder).join("dm/name"));
            let holder = if mapped.is_empty() { holder } else { format!("{mapped} ({holder})") };
            found.push(format!("{name} is part of {holder}"));
        }
        let number = line(&folder.join("dev"));
        for mount in mounts.lines() {
            // "36 35 98:0 /mnt1 /mnt2 rw": the third is the device, the fifth the place (proc_pid_mountinfo(5)).
            let mut fields = mount.split(' ').skip(2);
            if let (Some(device), _, Some(place)) = (fields.next(), fields.next(), fields.next())
                && device == number
            {
                found.push(format!("{name} is mounted at {place}"));
            }
        }
        if swaps.lines().any(|line| line.split_ascii_whitespace().next() == Some(&format!("/dev/{name}"))) {
            found.push(format!("{name} is in use as swap"));
        }
    }
    if found.is_empty() && is_claimed(&root.join("dev").join(name)) {
        found.push(format!("{name} is in use by something that does not show itself"));
    }
    found
}

/// Whether the kernel refuses to open a block device for us alone: mounts in another mount table, for example.
fn is_claimed(node: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::open(node, flags, Mode::empty()).err() == Some(Errno::BUSY)
}
