//! Images that bring more than files: one file system for `/`, or a whole disk with table and boot loader.
//!
//! ```text
//!   whole disk    sector 0 … first partition   kept back: written by the seal, with the table made for this disk
//!                 partitions                   written and read back at once
//!                 last partition               made to end where the disk ends, then its file system grown
//!                 behind it                    the copy of the table, written anew at the end of this disk
//! ```

use super::layout::{TYPE_BIOS_BOOT, TYPE_ESP, end_bytes};
use super::{
    Device, Firmware, Onto, Place, PlannedContent, PlannedDisk, PlannedFilesystem, PlannedPartition, Refusal,
    Step, Storage, Uuid, selection, stack,
};
use crate::api::{Job, JobAppliance, JobImage};
use crate::hardware::{Disk, Inventory, size_text};
use crate::raw::{ImageContent, RawDisk, RawFilesystem, RawPartition};
use crate::storage::{Content, DiskLayout, Filesystem, FilesystemWish, Partition, Stack, Table};

/// What a line's layout and its image cannot be together, whatever the box: a sentence each.
pub fn contradictions(content: &ImageContent, disks: &[DiskLayout], stack: &Stack) -> Vec<String> {
    let without = disks.iter().filter(|layout| layout.partitions.is_empty()).count();
    match content {
        ImageContent::Disk(_) if disks.len() == 1 && without == 1 && stack.is_empty() => Vec::new(),
        ImageContent::Disk(_) => vec![
            "the image is a whole disk and brings its own partitions: the line names one `[[appliance.disk]]` \
             without `partitions`, and nothing stacked"
                .into(),
        ],
        ImageContent::Archive | ImageContent::Filesystem(_) if without > 0 => {
            let is = if *content == ImageContent::Archive { "an archive of files" } else { "one file system" };
            vec![format!("the image is {is}, but `[[appliance.disk]]` has no `partitions` to put it on")]
        }
        ImageContent::Archive => Vec::new(),
        ImageContent::Filesystem(raw) => {
            let Some(wish) = root_wish(disks, stack) else { return Vec::new() };
            let mut reasons = Vec::new();
            if wish.kind != raw.kind {
                let (is, wanted) = (raw.kind.name(), wish.kind.name());
                reasons.push(format!("the image is {is}, but `/` is to be {wanted}: write `filesystem = \"{is}\"` there"));
            }
            if !wish.subvolumes.is_empty() {
                reasons.push("the image is one file system, so its subvolumes cannot be made by the line".into());
            }
            reasons
        }
    }
}

/// The file system that is mounted at `/`.
fn root_wish<'a>(disks: &'a [DiskLayout], stack: &'a Stack) -> Option<&'a FilesystemWish> {
    let on_partitions = disks.iter().flat_map(|disk| &disk.partitions).map(|one: &Partition| &one.content);
    on_partitions.chain(stack.contents()).find_map(|content| match content {
        Content::Filesystem(wish)
            if wish.mount.as_deref() == Some("/") || wish.subvolumes.iter().any(|one| one.mount == "/") =>
        {
            Some(wish)
        }
        Content::Filesystem(_) | Content::PartOf(_) => None,
    })
}

/// Puts the identity of an image's file system in the place of the one that was drawn for `/`; gives its device.
pub(super) fn adopt(storage: &mut Storage, raw: &RawFilesystem) -> Result<Device, Refusal> {
    let mounts = stack::mounts(&storage.disks, &storage.layers);
    let Some(root) = mounts.iter().find(|mount| mount.path == "/") else {
        return Err(Refusal::Layout { reasons: vec!["no partition is mounted at `/`".into()] });
    };
    let device = root.device;
    let room_bytes = stack::room_of(&storage.disks, &storage.layers, device);
    if raw.bytes > room_bytes {
        return Err(Refusal::ImageTooLarge { image_bytes: raw.bytes, room_bytes });
    }
    if let Some(PlannedContent::Filesystem(filesystem)) =
        stack::content_mut(&mut storage.disks, &mut storage.layers, device)
    {
        filesystem.uuid.clone_from(&raw.uuid);
        filesystem.label.clone_from(&raw.label);
    }
    Ok(device)
}

/// The disk of the box that a whole disk is written to, with the partitions that it then has.
pub(super) fn lay_out(
    raw: &RawDisk,
    appliance: &JobAppliance,
    inventory: &Inventory,
    firmware: Firmware,
) -> Result<PlannedDisk, Refusal> {
    let mut reasons = contradictions(&appliance.image.content, &appliance.disks, &appliance.stack);
    let Some(layout) = appliance.disks.first().filter(|_| reasons.is_empty()) else {
        return Err(Refusal::Layout { reasons });
    };
    let disks = selection::choose(&layout.matching, &inventory.disks, &[])?;
    let [disk] = disks[..] else {
        let reasons = vec!["an image of a whole disk is written to one disk, not to several".into()];
        return Err(Refusal::Layout { reasons });
    };
    if disk.sector_bytes != raw.sector_bytes {
        reasons.push(format!(
            "the image was made for {}-byte sectors, and {} has {}-byte ones: its table would be misread",
            raw.sector_bytes, disk.name, disk.sector_bytes
        ));
    }
    let has_esp = raw.partitions.iter().any(|one| one.type_guid == TYPE_ESP);
    match firmware {
        Firmware::Bios if !raw.has_boot_code => {
            reasons.push("the box boots by BIOS, and the image has no boot code in its first sector".into());
        }
        Firmware::Uefi if !has_esp => {
            reasons.push("the box boots by UEFI, and the image has no EFI system partition".into());
        }
        Firmware::Bios | Firmware::Uefi => {}
    }
    if raw.root.is_none() {
        let wanted = [
            (!appliance.files.is_empty(), "files"),
            (!appliance.users.is_empty(), "users"),
            (!appliance.debs.is_empty(), "packages"),
            (!appliance.scripts.is_empty(), "scripts"),
        ];
        let wanted: Vec<&str> = wanted.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
        if !wanted.is_empty() {
            let what = wanted.join(" and ");
            reasons.push(format!("the line has {what} for the image, in which no root file system is known"));
        }
    }
    if !appliance.kernel_arguments.is_empty() {
        reasons.push("the line has kernel arguments, but the boot loader is the image's own".into());
    }
    if !reasons.is_empty() {
        return Err(Refusal::Layout { reasons });
    }
    let tail_bytes = if raw.table == Table::Gpt { disk.size_bytes - end_bytes(disk, raw.table) } else { 0 };
    let needs_bytes = raw.end_bytes().saturating_add(tail_bytes);
    if disk.size_bytes < needs_bytes {
        return Err(Refusal::DiskTooSmall { disk: Box::new(disk.clone()), needs_bytes });
    }
    Ok(planned(raw, layout, disk))
}

fn planned(raw: &RawDisk, layout: &DiskLayout, disk: &Disk) -> PlannedDisk {
    let sector = u64::from(raw.sector_bytes.max(512));
    let last = raw.partitions.iter().map(|one| one.last_lba).max().unwrap_or_default();
    let grown = (end_bytes(disk, raw.table) / sector).saturating_sub(1);
    let partition = |one: &RawPartition| PlannedPartition {
        number: one.number,
        first_lba: one.first_lba,
        last_lba: if one.last_lba == last && one.filesystem.is_some() {
            grown.max(last)
        } else {
            one.last_lba
        },
        type_guid: one.type_guid,
        guid: one.guid,
        name: one.name.clone(),
        attributes: one.attributes,
        content: content(one, raw.root),
    };
    PlannedDisk {
        disk: disk.clone(),
        table: raw.table,
        guid: raw.guid,
        erase: layout.erase,
        partitions: raw.partitions.iter().map(partition).collect(),
    }
}

fn content(one: &RawPartition, root: Option<u32>) -> PlannedContent {
    match &one.filesystem {
        Some(raw) if root == Some(one.number) => PlannedContent::Filesystem(PlannedFilesystem {
            kind: raw.kind,
            uuid: raw.uuid.clone(),
            label: raw.label.clone(),
            mount: Some("/".into()),
            subvolumes: Vec::new(),
            hash_seed: Uuid(0),
            is_kept: false,
        }),
        _ if one.type_guid == TYPE_BIOS_BOOT => PlannedContent::BiosBoot,
        _ => PlannedContent::Brought(one.holds.clone()),
    }
}

/// The steps that bring the image of a whole disk onto it.
pub(super) fn writing_disk(raw: &RawDisk, image: &JobImage, planned: &PlannedDisk) -> Vec<Step> {
    let onto = Onto::Disk(0);
    let mut steps = vec![Step::Write { image: image.clone(), onto }, Step::Verify { onto }];
    let grown = raw.partitions.iter().zip(&planned.partitions).find(|(was, is)| was.last_lba != is.last_lba);
    if let Some((was, is)) = grown
        && let Some(filesystem) = &was.filesystem
        && filesystem.kind != Filesystem::Vfat
    {
        let device = Device::Partition(Place { disk: 0, partition: is.number });
        steps.push(Step::Grow { device, kind: filesystem.kind });
    }
    steps
}

/// The steps that make file systems and what is stacked, and bring the image of one file system onto `/`.
pub(super) fn writing_filesystem(
    raw: &RawFilesystem,
    image: &JobImage,
    storage: &Storage,
    root: Device,
) -> Vec<Step> {
    let mut steps = stack::making(storage);
    steps.retain(|step| *step != Step::Format { device: root });
    let onto = Onto::Device(root);
    steps.push(Step::Write { image: image.clone(), onto });
    steps.push(Step::Verify { onto });
    if raw.bytes < stack::room_of(&storage.disks, &storage.layers, root) {
        steps.push(Step::Grow { device: root, kind: raw.kind });
    }
    steps
}

/// A job whose image is a whole disk, if it is one.
pub(super) fn whole_disk(job: &Job) -> Option<&RawDisk> {
    match &job.appliance.image.content {
        ImageContent::Disk(raw) => Some(raw),
        ImageContent::Archive | ImageContent::Filesystem(_) => None,
    }
}

/// How an image is called in the plan.
pub(super) fn words(image: &JobImage) -> String {
    let size = size_text(image.unpacked_bytes);
    match &image.content {
        ImageContent::Archive => size,
        ImageContent::Filesystem(raw) => format!("{} of {size}", raw.kind.name()),
        ImageContent::Disk(raw) => {
            let count = raw.partitions.len();
            let partitions = if count == 1 { "1 partition".into() } else { format!("{count} partitions") };
            format!("a whole disk of {size} with {partitions}")
        }
    }
}
