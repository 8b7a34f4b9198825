//! What is stacked on the partitions: in which order, how much it holds, what is mounted from it, what boots it.

use super::layout::{self, ESP_MOUNT};
use super::{
    Device, Firmware, Layer, LayerKind, LoaderTarget, Mount, Needs, Place, PlannedContent, PlannedDisk,
    PlannedFilesystem, PlannedKey, PlannedVolume, PlannedVolumeKind, Program, Refusal, Step, Storage, Uuid,
};
use crate::hardware::size_text;
use crate::storage::{
    Content, DiskLayout, Filesystem, FilesystemWish, Group, Key, Level, LogicalVolume, Size, Stack, Table,
    VolumeKind,
};
use std::collections::BTreeMap;

/// LVM's unit of space (lvm.conf(5), `physical_extent_size`).
const EXTENT_BYTES: u64 = 4 << 20;
/// What a LUKS2 header takes at the beginning (cryptsetup's default data offset).
const VAULT_BYTES: u64 = 16 << 20;

/// The contents of a layer, by its name.
fn contents_of<'a>(stack: &'a Stack, name: &str) -> Vec<&'a Content> {
    let raids = stack.raids.iter().filter(|raid| raid.name == name).map(|raid| &raid.content);
    let vaults = stack.vaults.iter().filter(|vault| vault.name == name).map(|vault| &vault.content);
    let groups = stack.groups.iter().filter(|group| group.name == name);
    let volumes = groups.flat_map(|group| &group.volumes).filter_map(LogicalVolume::content);
    raids.chain(vaults).chain(volumes).collect()
}

/// Whether something mounted at such a place stands on this content.
pub(super) fn holds(content: &Content, stack: &Stack, is_meant: &dyn Fn(&str) -> bool) -> bool {
    let mut open = vec![content];
    let mut seen: Vec<&str> = Vec::new();
    while let Some(content) = open.pop() {
        match content {
            Content::Filesystem(wish) => {
                let subvolumes = wish.subvolumes.iter().map(|one| one.mount.as_str());
                if wish.mount.as_deref().into_iter().chain(subvolumes).any(is_meant) {
                    return true;
                }
            }
            Content::PartOf(name) if !seen.contains(&name.as_str()) => {
                seen.push(name);
                open.extend(contents_of(stack, name));
            }
            Content::PartOf(_) => {}
        }
    }
    false
}

/// The file system on a partition, or on the RAID that the partition is a mirror of.
pub(super) fn filesystem_of<'a>(content: &'a Content, stack: &'a Stack) -> Option<&'a FilesystemWish> {
    match content {
        Content::Filesystem(wish) => Some(wish),
        Content::PartOf(name) => {
            stack.raids.iter().find(|raid| raid.name == *name).and_then(|raid| match &raid.content {
                Content::Filesystem(wish) if raid.level == Level::Raid1 => Some(wish),
                _ => None,
            })
        }
    }
}

/// The names of the layers, each behind what it stands on.
pub(super) fn order<'a>(stack: &'a Stack, layouts: &[DiskLayout]) -> Result<Vec<&'a str>, Refusal> {
    let names = || {
        let raids = stack.raids.iter().map(|raid| raid.name.as_str());
        let vaults = stack.vaults.iter().map(|vault| vault.name.as_str());
        raids.chain(vaults).chain(stack.groups.iter().map(|group| group.name.as_str()))
    };
    let is_below = |below: &str, name: &str| {
        contents_of(stack, below).iter().any(|content| matches!(content, Content::PartOf(of) if of == name))
    };
    let all: Vec<&str> = names().collect();
    let mut reasons = Vec::new();
    let on_partitions = layouts.iter().flat_map(|layout| &layout.partitions).map(|one| &one.content);
    for content in on_partitions.chain(stack.contents()) {
        if let Content::PartOf(name) = content
            && !all.contains(&name.as_str())
        {
            reasons.push(format!("something is part of `{name}`, which is nothing"));
        }
    }
    let mut order: Vec<&str> = Vec::new();
    while let Some(next) = all.iter().find(|name| {
        !order.contains(name) && all.iter().all(|below| !is_below(below, name) || order.contains(below))
    }) {
        order.push(next);
    }
    if order.len() < all.len() {
        reasons.push("RAIDs, encrypted volumes and groups stand on each other in a circle".into());
    }
    if reasons.is_empty() { Ok(order) } else { Err(Refusal::Layout { reasons }) }
}

/// The layers of the plan, in order. `keys` are those of the encrypted volumes, by name.
pub(super) fn layers(
    stack: &Stack,
    disks: &[PlannedDisk],
    keys: &BTreeMap<String, PlannedKey>,
    random: &mut dyn FnMut() -> u128,
) -> Result<Vec<Layer>, Refusal> {
    let order = order(stack, &[])?;
    let mut layers: Vec<Layer> = Vec::new();
    let mut reasons = Vec::new();
    for (index, name) in order.iter().enumerate() {
        let members = members(disks, &layers, index);
        let kind = if let Some(raid) = stack.raids.iter().find(|raid| raid.name == *name) {
            let uuid = Uuid::from_random(random());
            let content = layout::planned_content(&raid.content, &order, random);
            let is_for_firmware = holds(&raid.content, stack, &|mount| mount == ESP_MOUNT);
            if members.len() < raid.level.fewest() {
                let (level, fewest) = (raid.level.number(), raid.level.fewest());
                reasons
                    .push(format!("RAID {level} `{name}` has {} members and needs {fewest}", members.len()));
            }
            LayerKind::Raid { level: raid.level, uuid, is_for_firmware, content }
        } else if let (Some(vault), Some(key)) =
            (stack.vaults.iter().find(|vault| vault.name == *name), keys.get(*name))
        {
            let uuid = Uuid::from_random(random());
            let content = layout::planned_content(&vault.content, &order, random);
            if members.len() != 1 {
                reasons.push(format!("the encrypted volume `{name}` is made of {} things", members.len()));
            }
            LayerKind::Vault { uuid, key: key.clone(), tpm2: vault.tpm2, content }
        } else {
            let group = stack.groups.iter().find(|group| group.name == *name);
            let volumes = group.map(|group| volumes(group, &order, random)).unwrap_or_default();
            if members.is_empty() {
                reasons.push(format!("nothing is part of the volume group `{name}`"));
            }
            LayerKind::Group { volumes }
        };
        layers.push(Layer { name: (*name).to_owned(), members, kind });
    }
    for (index, layer) in layers.iter().enumerate() {
        if let LayerKind::Group { volumes } = &layer.kind {
            let has_bytes = room_of_group(disks, &layers, index);
            let takes = |volume: &PlannedVolume| match volume.kind {
                PlannedVolumeKind::Thin { .. } => 0,
                _ => volume.size_bytes.unwrap_or(EXTENT_BYTES),
            };
            let taken_bytes = volumes.iter().map(takes).fold(0, u64::saturating_add);
            if taken_bytes > has_bytes {
                let (has, takes) = (size_text(has_bytes), size_text(taken_bytes));
                reasons.push(format!(
                    "the volume group `{}` has {has}, but its volumes take {takes}",
                    layer.name
                ));
            }
        }
    }
    if reasons.is_empty() { Ok(layers) } else { Err(Refusal::Layout { reasons }) }
}

fn volumes(group: &Group, order: &[&str], random: &mut dyn FnMut() -> u128) -> Vec<PlannedVolume> {
    let planned = |volume: &LogicalVolume, random: &mut dyn FnMut() -> u128| PlannedVolume {
        name: volume.name.clone(),
        size_bytes: match volume.size {
            Size::Bytes(bytes) => Some(bytes.div_ceil(EXTENT_BYTES).saturating_mul(EXTENT_BYTES)),
            Size::Rest => None,
        },
        kind: match &volume.kind {
            VolumeKind::Plain(content) => {
                PlannedVolumeKind::Plain(layout::planned_content(content, order, random))
            }
            VolumeKind::Pool => PlannedVolumeKind::Pool,
            VolumeKind::Thin { pool, content } => PlannedVolumeKind::Thin {
                pool: pool.clone(),
                content: layout::planned_content(content, order, random),
            },
        },
    };
    // What takes the rest is made after what has a size; thin volumes after their pool.
    let (thin, plain): (Vec<_>, Vec<_>) =
        group.volumes.iter().partition(|volume| matches!(volume.kind, VolumeKind::Thin { .. }));
    plain.into_iter().chain(thin).map(|volume| planned(volume, random)).collect()
}

/// Everything that is a member of the layer at `index`.
fn members(disks: &[PlannedDisk], layers: &[Layer], index: usize) -> Vec<Device> {
    devices(disks, layers)
        .filter(|(_, content)| matches!(content, PlannedContent::Member(of) if *of == index))
        .map(|(device, _)| device)
        .collect()
}

/// Every device with what is made on it: partitions by disk, then what is stacked.
fn devices<'a>(
    disks: &'a [PlannedDisk],
    layers: &'a [Layer],
) -> impl Iterator<Item = (Device, &'a PlannedContent)> {
    let partitions = disks.iter().enumerate().flat_map(|(disk, planned)| {
        planned
            .partitions
            .iter()
            .map(move |one| (Device::Partition(Place { disk, partition: one.number }), &one.content))
    });
    partitions.chain(layers.iter().enumerate().flat_map(|(index, layer)| on_layer(index, layer)))
}

/// The devices that a layer shows, with what is made on them.
fn on_layer(index: usize, layer: &Layer) -> Vec<(Device, &PlannedContent)> {
    match &layer.kind {
        LayerKind::Raid { content, .. } | LayerKind::Vault { content, .. } => {
            vec![(Device::Layer(index), content)]
        }
        LayerKind::Group { volumes } => {
            let shown = volumes.iter().enumerate().filter_map(|(volume, planned)| match &planned.kind {
                PlannedVolumeKind::Plain(content) | PlannedVolumeKind::Thin { content, .. } => {
                    Some((Device::Volume { layer: index, volume }, content))
                }
                PlannedVolumeKind::Pool => None,
            });
            shown.collect()
        }
    }
}

/// What is made on a device.
pub(super) fn content<'a>(
    disks: &'a [PlannedDisk],
    layers: &'a [Layer],
    device: Device,
) -> Option<&'a PlannedContent> {
    devices(disks, layers).find(|(known, _)| *known == device).map(|(_, content)| content)
}

/// The same to change it.
pub(super) fn content_mut<'a>(
    disks: &'a mut [PlannedDisk],
    layers: &'a mut [Layer],
    device: Device,
) -> Option<&'a mut PlannedContent> {
    match device {
        Device::Partition(place) => {
            let partitions = &mut disks.get_mut(place.disk)?.partitions;
            partitions.iter_mut().find(|one| one.number == place.partition).map(|one| &mut one.content)
        }
        Device::Layer(index) => match &mut layers.get_mut(index)?.kind {
            LayerKind::Raid { content, .. } | LayerKind::Vault { content, .. } => Some(content),
            LayerKind::Group { .. } => None,
        },
        Device::Volume { layer, volume } => {
            let LayerKind::Group { volumes } = &mut layers.get_mut(layer)?.kind else { return None };
            match &mut volumes.get_mut(volume)?.kind {
                PlannedVolumeKind::Plain(content) | PlannedVolumeKind::Thin { content, .. } => Some(content),
                PlannedVolumeKind::Pool => None,
            }
        }
    }
}

/// At least how many bytes a device has.
pub(super) fn room_of(disks: &[PlannedDisk], layers: &[Layer], device: Device) -> u64 {
    match device {
        Device::Partition(place) => {
            let Some(planned) = disks.get(place.disk) else { return 0 };
            let partition = planned.partitions.iter().find(|one| one.number == place.partition);
            partition
                .map_or(0, |one| (one.last_lba - one.first_lba + 1) * u64::from(planned.disk.sector_bytes))
        }
        Device::Layer(index) => {
            let Some(layer) = layers.get(index) else { return 0 };
            let members = || layer.members.iter().map(|member| room_of(disks, layers, *member));
            let smallest_bytes = members().min().unwrap_or_default();
            match &layer.kind {
                LayerKind::Raid { level, .. } => {
                    // mdadm leaves up to a thousandth of a member free for a bitmap and for growing (super1.c).
                    let usable_bytes = smallest_bytes.saturating_sub(smallest_bytes / 512 + (2 << 20));
                    level.room_bytes(layer.members.len(), usable_bytes)
                }
                LayerKind::Vault { .. } => smallest_bytes.saturating_sub(VAULT_BYTES),
                LayerKind::Group { .. } => 0,
            }
        }
        Device::Volume { layer, volume } => {
            let Some(Layer { kind: LayerKind::Group { volumes }, .. }) = layers.get(layer) else { return 0 };
            let fixed = |other: &PlannedVolume| match other.kind {
                PlannedVolumeKind::Thin { .. } => 0,
                _ => other.size_bytes.unwrap_or_default(),
            };
            let taken_bytes = volumes.iter().map(fixed).fold(0, u64::saturating_add);
            let size = volumes.get(volume).and_then(|planned| planned.size_bytes);
            size.unwrap_or_else(|| room_of_group(disks, layers, layer).saturating_sub(taken_bytes))
        }
    }
}

/// At least how many bytes a volume group has for its volumes.
fn room_of_group(disks: &[PlannedDisk], layers: &[Layer], group: usize) -> u64 {
    let members = layers.get(group).map_or(&[][..], |layer| &layer.members);
    // Each member loses its label and metadata, and what is no whole extent.
    let usable = |device: &Device| {
        let bytes = room_of(disks, layers, *device).saturating_sub(EXTENT_BYTES);
        bytes / EXTENT_BYTES * EXTENT_BYTES
    };
    members.iter().map(usable).sum()
}

/// Refuses an image that cannot fit into the file systems whatever is in it.
pub(super) fn check_room(storage: &Storage, image_bytes: u64) -> Result<(), Refusal> {
    let Storage { disks, layers } = storage;
    let is_written = |content: &PlannedContent| {
        matches!(content, PlannedContent::Filesystem(one)
            if (one.mount.is_some() || !one.subvolumes.is_empty()) && !one.is_kept)
    };
    let room_bytes = devices(disks, layers)
        .filter(|(_, content)| is_written(content))
        .map(|(device, _)| room_of(disks, layers, device))
        .fold(0, u64::saturating_add);
    if image_bytes > room_bytes { Err(Refusal::ImageTooLarge { image_bytes, room_bytes }) } else { Ok(()) }
}

/// Every file system with its device, in the order in which they are made.
pub(super) fn filesystems<'a>(
    disks: &'a [PlannedDisk],
    layers: &'a [Layer],
) -> impl Iterator<Item = (Device, &'a PlannedFilesystem)> {
    devices(disks, layers).filter_map(|(device, content)| match content {
        PlannedContent::Filesystem(filesystem) => Some((device, filesystem)),
        PlannedContent::BiosBoot | PlannedContent::Member(_) | PlannedContent::Brought(_) => None,
    })
}

/// The steps that make file systems and layers: each behind what it stands on.
pub(super) fn making(storage: &Storage) -> Vec<Step> {
    let Storage { disks, layers } = storage;
    let is_made = |filesystem: &PlannedFilesystem| !filesystem.is_kept;
    let mut steps = Vec::new();
    for (device, filesystem) in filesystems(disks, &[]) {
        if is_made(filesystem) {
            steps.push(Step::Format { device });
        }
    }
    for (index, layer) in layers.iter().enumerate() {
        steps.push(Step::Stack { layer: index });
        for (device, content) in on_layer(index, layer) {
            if matches!(content, PlannedContent::Filesystem(filesystem) if is_made(filesystem)) {
                steps.push(Step::Format { device });
            }
        }
    }
    steps
}

/// What is mounted: parents before what lies below them.
pub(super) fn mounts(disks: &[PlannedDisk], layers: &[Layer]) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for (device, filesystem) in filesystems(disks, layers) {
        let own = filesystem.mount.clone().map(|path| (path, None));
        let subvolumes = filesystem.subvolumes.iter().map(|one| (one.mount.clone(), Some(one.name.clone())));
        for (path, subvolume) in own.into_iter().chain(subvolumes) {
            mounts.push(Mount {
                device,
                path,
                kind: filesystem.kind,
                uuid: filesystem.uuid.clone(),
                subvolume,
                is_kept: filesystem.is_kept,
            });
        }
    }
    mounts.sort_by(|a, b| a.path.cmp(&b.path));
    mounts
}

/// The partitions that a device stands on.
pub(super) fn partitions_below(layers: &[Layer], device: Device) -> Vec<Place> {
    match device {
        Device::Partition(place) => vec![place],
        Device::Layer(index) | Device::Volume { layer: index, .. } => {
            let members = layers.get(index).map_or(&[][..], |layer| &layer.members);
            let mut places: Vec<Place> =
                members.iter().flat_map(|member| partitions_below(layers, *member)).collect();
            places.sort_unstable();
            places.dedup();
            places
        }
    }
}

/// The layers that a device stands on, each once, lowest first.
pub(super) fn layers_below(layers: &[Layer], device: Device) -> Vec<usize> {
    let mut found = match device {
        Device::Partition(_) => Vec::new(),
        Device::Layer(index) | Device::Volume { layer: index, .. } => {
            let members = layers.get(index).map_or(&[][..], |layer| &layer.members);
            let mut below: Vec<usize> =
                members.iter().flat_map(|member| layers_below(layers, *member)).collect();
            below.push(index);
            below
        }
    };
    found.sort_unstable();
    found.dedup();
    found
}

/// For which firmware a loader is installed; the box's own comes last, so that the last write is the one that counts.
pub(super) fn loader_targets(storage: &Storage, firmware: Firmware) -> Vec<LoaderTarget> {
    let Storage { disks, layers } = storage;
    let mounts = mounts(disks, layers);
    let boot = ["/boot", "/"].iter().find_map(|path| mounts.iter().find(|mount| mount.path == *path));
    let below = boot.map(|mount| partitions_below(layers, mount.device)).unwrap_or_default();
    let has_place = |planned: &PlannedDisk| match planned.table {
        Table::Gpt => planned.partitions.iter().any(|one| one.type_guid == layout::TYPE_BIOS_BOOT),
        Table::Mbr => planned.disk.sector_bytes == 512,
    };
    let bios: Vec<LoaderTarget> = (disks.iter().enumerate())
        .filter(|(disk, planned)| has_place(planned) && below.iter().any(|place| place.disk == *disk))
        .map(|(disk, _)| LoaderTarget::Bios { disk })
        .collect();
    let efi: Vec<LoaderTarget> = (mounts.iter())
        .filter(|mount| mount.path == ESP_MOUNT)
        .map(|mount| LoaderTarget::Efi { device: mount.device })
        .collect();
    let order = if firmware == Firmware::Uefi { [bios, efi] } else { [efi, bios] };
    order.into_iter().flatten().collect()
}

/// What the initramfs must have for the root to be mounted.
pub(super) fn needs(storage: &Storage) -> Needs {
    const MDADM: Program = Program { name: "mdadm", package: "mdadm" };
    const LVM: Program = Program { name: "lvm", package: "lvm2" };
    const CRYPTSETUP: Program = Program { name: "cryptsetup", package: "cryptsetup-initramfs" };
    const CLEVIS: Program = Program { name: "clevis-luks-unlock", package: "clevis-initramfs" };
    const CLEVIS_TPM2: Program = Program { name: "clevis-decrypt-tpm2", package: "clevis-tpm2" };
    const BTRFS: Program = Program { name: "btrfs", package: "btrfs-progs" };
    const THIN_CHECK: Program = Program { name: "thin_check", package: "thin-provisioning-tools" };
    let Storage { disks, layers } = storage;
    let mut needs = Needs::default();
    let mut add = |modules: &[&'static str], program: Option<Program>| {
        needs.modules.extend(modules);
        needs.programs.extend(program);
    };
    let mounts = mounts(disks, layers);
    for mount in mounts.iter().filter(|mount| matches!(mount.path.as_str(), "/" | "/usr")) {
        match mount.kind {
            Filesystem::Ext4 => add(&["ext4"], None),
            Filesystem::Xfs => add(&["xfs"], None),
            Filesystem::Btrfs => add(&["btrfs"], Some(BTRFS)),
            Filesystem::Vfat | Filesystem::Swap => {}
        }
        for index in layers_below(layers, mount.device) {
            match layers.get(index).map(|layer| &layer.kind) {
                Some(LayerKind::Raid { level, .. }) => add(&[md_module(*level)], Some(MDADM)),
                Some(LayerKind::Vault { .. }) => add(&["dm_mod", "dm_crypt"], Some(CRYPTSETUP)),
                Some(LayerKind::Group { volumes }) => {
                    add(&["dm_mod"], Some(LVM));
                    if volumes.iter().any(|volume| volume.kind == PlannedVolumeKind::Pool) {
                        add(&["dm_thin_pool"], Some(THIN_CHECK));
                    }
                }
                None => {}
            }
        }
    }
    // What has a passphrase is opened in the initramfs, whatever is mounted from it.
    if layers.iter().any(|layer| matches!(layer.kind, LayerKind::Vault { tpm2: true, .. })) {
        needs.programs.extend([CLEVIS, CLEVIS_TPM2]);
    }
    needs.modules.sort_unstable();
    needs.modules.dedup();
    needs.programs.sort_unstable_by_key(|program| program.name);
    needs.programs.dedup();
    needs
}

/// The module of a RAID level (drivers/md/Makefile).
fn md_module(level: Level) -> &'static str {
    match level {
        Level::Raid0 => "raid0",
        Level::Raid1 => "raid1",
        Level::Raid5 | Level::Raid6 => "raid456",
        Level::Raid10 => "raid10",
    }
}

/// The keys of encrypted volumes are filled in by `appliance`; this names what each is made of.
pub(super) fn wanted_keys(stack: &Stack) -> impl Iterator<Item = (&str, &Key)> {
    stack.vaults.iter().map(|vault| (vault.name.as_str(), &vault.key))
}
