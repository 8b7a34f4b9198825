//! What is stacked on partitions: `[[appliance.raid]]`, `[[appliance.encrypted]]`, `[[appliance.volume-group]]`;
//! and what all of the storage must be together: a root, an EFI system partition, and a `/boot` that GRUB reads.

use super::ImageSource;
use super::disks::{self, check_rest, content, mount_point, read_size};
use crate::sheet::{At, Place, Section, Sheet, size};
use crate::storage::{
    DiskLayout, Filesystem, Group, Key, Level, LogicalVolume, Raid, Size, Stack, Vault, VolumeKind,
};

/// Fewest octets of an EFI system partition: below 65525 clusters of one 512-octet sector and its tables
/// there is no FAT32 (Microsoft's FAT specification, "FAT type determination"), and firmware may refuse FAT16.
const SMALLEST_ESP: u64 = 34 << 20;

/// What something stands on.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stand<'s> {
    /// A partition, on so many disks.
    Partition { count: usize },
    /// The RAID, encrypted volume or volume group of that name.
    Layer(&'s str),
    /// A thin volume of the volume group of that name.
    Thin(&'s str),
}

/// Where something is mounted, over the whole storage.
struct Mounted<'s> {
    mount: &'s str,
    filesystem: Filesystem,
    size: Option<Size>,
    at: Place,
    on: Stand<'s>,
}

/// One thing that is part of another.
struct Member<'s> {
    of: At<&'s str>,
    on: Stand<'s>,
}

/// What a name stands for.
#[derive(Clone, Copy)]
enum Layer {
    Raid(Option<Level>),
    Vault { keeps_key: bool },
    Group,
}

/// The storage being read.
pub(super) struct Reading<'r, 's> {
    pub(super) sheet: &'r Sheet<'r>,
    mounted: Vec<Mounted<'s>>,
    members: Vec<Member<'s>>,
    layers: Vec<(At<&'s str>, Layer)>,
    /// Whether something could not be read: then nothing is said to be missing.
    pub(super) is_partly_read: bool,
    /// Whether the image may bring its own partitions.
    pub(super) may_be_brought: bool,
}

impl<'s> Reading<'_, 's> {
    pub(super) fn add_member(&mut self, of: &At<&'s str>, on: &Stand<'s>) {
        self.members.push(Member { of: of.clone(), on: on.clone() });
    }

    /// Takes in where a file system is mounted.
    pub(super) fn mount(
        &mut self,
        text: &At<&'s str>,
        kind: Option<Filesystem>,
        size: Option<Size>,
        on: &Stand<'s>,
    ) {
        if !mount_point(self.sheet, text) {
            self.is_partly_read = true;
            return;
        }
        let mount = text.value;
        // An unknown file system was reported: it may be any, so none of the rules below is broken.
        let filesystem = kind.or((mount == "/boot/efi").then_some(Filesystem::Vfat));
        let filesystem = filesystem.unwrap_or(Filesystem::Ext4);
        self.mounted.push(Mounted { mount, filesystem, size, at: text.at.clone(), on: on.clone() });
    }

    fn find(&self, mount: &str) -> Option<&Mounted<'s>> {
        self.mounted.iter().find(|here| here.mount == mount)
    }

    fn layer(&self, name: &str) -> Option<Layer> {
        self.layers.iter().find(|(known, _)| known.value == name).map(|(_, layer)| *layer)
    }

    /// The names of everything below, nearest first; each once, whatever circle there is.
    fn below(&self, on: &Stand<'s>) -> Vec<&'s str> {
        let mut found: Vec<&str> = Vec::new();
        let mut open = vec![on.clone()];
        while let Some(stand) = open.pop() {
            let (Stand::Layer(name) | Stand::Thin(name)) = stand else { continue };
            if !found.contains(&name) {
                found.push(name);
                open.extend(self.members.iter().filter(|one| one.of.value == name).map(|one| one.on.clone()));
            }
        }
        found
    }

    /// Whether a layer stands on itself.
    fn is_circle(&self, name: &str) -> bool {
        let of_it = self.members.iter().filter(|member| member.of.value == name);
        of_it.into_iter().any(|member| self.below(&member.on).contains(&name))
    }

    /// How many devices are part of a layer.
    fn members_of(&self, name: &str) -> usize {
        let of_it = self.members.iter().filter(|member| member.of.value == name);
        of_it
            .map(|member| match member.on {
                Stand::Partition { count } => count,
                Stand::Layer(_) | Stand::Thin(_) => 1,
            })
            .sum()
    }
}

/// Reads disks and what is stacked on them below `[appliance]`. Only an image that is somebody's file may bring its
/// own partitions; whether it does, the build finds out.
pub(super) fn read<'s>(
    sheet: &Sheet<'_>,
    appliance: &Section<'s>,
    image: Option<&ImageSource>,
) -> Option<(Vec<DiskLayout>, Stack)> {
    let mut reading = Reading {
        sheet,
        mounted: Vec::new(),
        members: Vec::new(),
        layers: Vec::new(),
        is_partly_read: false,
        may_be_brought: false,
    };
    reading.may_be_brought = !matches!(image, Some(ImageSource::Recipe { .. }));
    let (layouts, first) = disks::read(&mut reading, appliance);
    let raids: Vec<_> = appliance.sections("raid").iter().map(|one| raid(&mut reading, one)).collect();
    let vaults: Vec<_> = appliance.sections("encrypted").iter().map(|one| vault(&mut reading, one)).collect();
    let groups: Vec<_> =
        appliance.sections("volume-group").iter().map(|one| group(&mut reading, one)).collect();
    if let Some(first) = first {
        together(&reading, first);
    }
    let stack = Stack {
        raids: raids.into_iter().collect::<Option<_>>()?,
        vaults: vaults.into_iter().collect::<Option<_>>()?,
        groups: groups.into_iter().collect::<Option<_>>()?,
    };
    Some((layouts.into_iter().collect::<Option<_>>()?, stack))
}

/// The name of a layer, which goes into device names, and whose kind is `layer`.
fn name<'s>(reading: &mut Reading<'_, 's>, section: &Section<'s>, layer: Layer) -> Option<At<&'s str>> {
    let Some(name) = section.text("name") else {
        reading.is_partly_read = true;
        return None;
    };
    let sheet = reading.sheet;
    check_device_name(sheet, &name);
    if let Some((before, _)) = reading.layers.iter().find(|(known, _)| known.value == name.value) {
        let line = sheet.line_of(&before.at);
        let message = format!("`{}` is the name of another, in line {line}", name.value);
        sheet.report(name.at.clone(), message, "RAIDs, encrypted volumes and groups share one set of names");
    }
    reading.layers.push((name.clone(), layer));
    Some(name)
}

/// Names of devices: what md, device mapper and LVM all take without quoting.
fn check_device_name(sheet: &Sheet<'_>, name: &At<&str>) {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let fits = name.value.len() <= 32
        && name.value.starts_with(|c: char| c.is_ascii_lowercase())
        && name.value.chars().all(plain);
    if !fits {
        let message = format!("`{}` cannot be the name of a device", name.value.escape_debug());
        let hint = "lower-case letters, digits and underscores, a letter first, at most 32";
        sheet.report(name.at.clone(), message, hint);
    }
}

fn raid<'s>(reading: &mut Reading<'_, 's>, section: &Section<'s>) -> Option<Raid> {
    let level = section.number("level").and_then(|number| {
        let level = Level::of_number(number.value);
        if level.is_none() {
            let message = format!("there is no RAID level {}", number.value);
            reading.sheet.report(number.at, message, "it is 0, 1, 5, 6 or 10");
        }
        level
    });
    let name = name(reading, section, Layer::Raid(level));
    let on = Stand::Layer(name.as_ref().map_or("", |name| name.value));
    let content = content(reading, section, &on, None);
    Some(Raid { name: name?.value.to_owned(), level: level?, content: content? })
}

fn vault<'s>(reading: &mut Reading<'_, 's>, section: &Section<'s>) -> Option<Vault> {
    let (passphrase, file) = (section.text("passphrase"), section.text("key-file"));
    let keeps_key = section.has("key-file") && !section.has("passphrase");
    let key = match (passphrase, file) {
        (Some(passphrase), None) => Some(Key::Passphrase(passphrase.value.to_owned())),
        (None, Some(file)) => {
            let fits = mount_point(reading.sheet, &file) && file.value != "/";
            fits.then(|| Key::File(file.value.to_owned()))
        }
        (Some(_), Some(file)) => {
            let message = "there is both a `passphrase` and a `key-file`";
            reading.sheet.report(file.at, message, "leave one of them out");
            None
        }
        (None, None) => {
            if !section.has("passphrase") && !section.has("key-file") {
                let message = "there is neither a `passphrase` nor a `key-file`";
                let hint = "ask for it with a question of type `\"passphrase\"` and write `passphrase = \"{{ answer.ID }}\"`";
                reading.sheet.report_absence(section.at.clone(), message, hint);
            }
            None
        }
    };
    let tpm2 = section.flag("tpm2").unwrap_or_default();
    if tpm2 && section.has("key-file") {
        let message = "there is both a `key-file` and `tpm2`";
        let hint = "a key in a file is read by the appliance itself: leave one of them out";
        reading.sheet.report(section.place_of("tpm2"), message, hint);
    }
    let name = name(reading, section, Layer::Vault { keeps_key });
    let on = Stand::Layer(name.as_ref().map_or("", |name| name.value));
    let content = content(reading, section, &on, None);
    Some(Vault { name: name?.value.to_owned(), key: key?, tpm2, content: content? })
}

fn group<'s>(reading: &mut Reading<'_, 's>, section: &Section<'s>) -> Option<Group> {
    let name = name(reading, section, Layer::Group);
    let on = name.as_ref().map_or("", |name| name.value);
    let sections = section.sections("volumes");
    if section.is_empty_list("volumes") {
        let hint = "`volumes = [{ name = \"root\", size = \"rest\", filesystem = \"ext4\", mount = \"/\" }]`";
        reading.sheet.report_absence(section.place_of("volumes"), "the group has no volume", hint);
    }
    let pools: Vec<&str> =
        (sections.iter()).filter(|one| one.has("thin-pool")).filter_map(|one| one.peek("name")).collect();
    let mut rest = None;
    let mut names: Vec<&str> = Vec::new();
    let mut volumes = Vec::new();
    for section in &sections {
        if let Some(name) = section.peek("name") {
            if names.contains(&name) {
                let message = format!("the volume `{}` stands twice", name.escape_debug());
                reading.sheet.report(section.place_of("name"), message, "each has a name of its own");
            }
            names.push(name);
        }
        if !section.has("thin") {
            check_rest(reading.sheet, section, &mut rest);
        }
        volumes.push(volume(reading, section, on, &pools));
    }
    let volumes: Option<Vec<LogicalVolume>> = volumes.into_iter().collect();
    Some(Group { name: name?.value.to_owned(), volumes: volumes? })
}

fn volume<'s>(
    reading: &mut Reading<'_, 's>,
    section: &Section<'s>,
    group: &'s str,
    pools: &[&str],
) -> Option<LogicalVolume> {
    let sheet = reading.sheet;
    let name = section.text("name");
    if let Some(name) = &name {
        check_device_name(sheet, name);
    }
    let size = read_size(section);
    let thin = section.text("thin");
    let kind = if section.flag("thin-pool").unwrap_or_default() {
        for other in ["filesystem", "part-of", "mount", "label", "subvolumes", "thin"] {
            if section.has(other) {
                let message = format!("a thin pool has no `{other}`");
                sheet.report(section.place_of(other), message, "its thin volumes have");
            }
        }
        Some(VolumeKind::Pool)
    } else if let Some(pool) = thin {
        if !pools.contains(&pool.value) {
            let message =
                format!("no volume of the group is a thin pool called `{}`", pool.value.escape_debug());
            let hint = "add one before it: `{ name = \"pool\", size = \"rest\", thin-pool = true }`";
            sheet.report(pool.at.clone(), message, hint);
        }
        if size == Some(Size::Rest) {
            let message = "a thin volume has a size of its own";
            sheet.report(section.place_of("size"), message, "for example `size = \"20GiB\"`");
        }
        let content = content(reading, section, &Stand::Thin(group), size);
        content.map(|content| VolumeKind::Thin { pool: pool.value.to_owned(), content })
    } else {
        content(reading, section, &Stand::Layer(group), size).map(VolumeKind::Plain)
    };
    Some(LogicalVolume { name: name?.value.to_owned(), size: size?, kind: kind? })
}

/// What only the whole storage shows.
fn together(reading: &Reading<'_, '_>, first: Place) {
    let sheet = reading.sheet;
    for (index, here) in reading.mounted.iter().enumerate() {
        if let Some(before) = reading.mounted[..index].iter().find(|before| before.mount == here.mount) {
            let line = sheet.line_of(&before.at);
            let message = format!("`{}` is mounted twice, first in line {line}", here.mount);
            sheet.report(here.at.clone(), message, "each place has one file system");
        }
    }
    match reading.find("/") {
        None if reading.is_partly_read => {}
        None => sheet.report_absence(
            first.clone(),
            "no partition is mounted at `/`",
            "add `{ size = \"rest\", filesystem = \"ext4\", mount = \"/\" }`",
        ),
        Some(root) if root.filesystem == Filesystem::Vfat => {
            sheet.report(
                root.at.clone(),
                "`vfat` cannot be the root: it has no owners and no links",
                "`filesystem = \"ext4\"`",
            );
        }
        Some(_) => {}
    }
    check_esp(reading, first);
    check_layers(reading);
    check_boot(reading);
}

fn check_esp(reading: &Reading<'_, '_>, first: Place) {
    const ESP: &str = "`{ size = \"512MiB\", filesystem = \"vfat\", mount = \"/boot/efi\" }`";
    let sheet = reading.sheet;
    match reading.find("/boot/efi") {
        None if reading.is_partly_read => {}
        None => sheet.report_absence(
            first,
            "there is no EFI system partition, so no UEFI box could boot",
            format!("add {ESP}"),
        ),
        Some(esp) if esp.filesystem != Filesystem::Vfat => {
            let message = "the EFI system partition must be `vfat`: firmware reads nothing else";
            sheet.report(esp.at.clone(), message, ESP);
        }
        Some(Mounted { size: Some(Size::Bytes(octets)), at, .. }) if *octets < SMALLEST_ESP => {
            let message =
                format!("the EFI system partition has {}, too little for FAT32", size::words(*octets));
            sheet.report(at.clone(), message, "`size = \"512MiB\"`; FAT32 begins at 34MiB");
        }
        Some(Mounted { on: Stand::Partition { .. }, .. }) => {}
        Some(esp) => {
            let below = reading.below(&esp.on);
            let level = below.first().and_then(|name| match reading.layer(name) {
                Some(Layer::Raid(level)) => Some(level),
                _ => None,
            });
            let is_mirror = below.len() == 1 && matches!(level, Some(None | Some(Level::Raid1)));
            if !is_mirror {
                let message =
                    "firmware reads an EFI system partition on a plain partition or a RAID 1 of them only";
                sheet.report(esp.at.clone(), message, "`part-of` an `[[appliance.raid]]` with `level = 1`");
            }
        }
    }
}

/// Every name is known, and every layer has as many members as it needs.
fn check_layers(reading: &Reading<'_, '_>) {
    let sheet = reading.sheet;
    for member in &reading.members {
        if reading.layer(member.of.value).is_none() && !reading.is_partly_read {
            let known: Vec<&str> = reading.layers.iter().map(|(name, _)| name.value).collect();
            let hint = match crate::mistake::nearest(member.of.value, known.iter().copied()) {
                Some(near) => format!("it is spelt `{near}`"),
                None if known.is_empty() => {
                    "add an `[[appliance.raid]]`, `[[appliance.encrypted]]` or `[[appliance.volume-group]]`"
                        .into()
                }
                None => format!("there are `{}`", known.join("`, `")),
            };
            let message = format!("nothing is called `{}`", member.of.value.escape_debug());
            sheet.report_absence(member.of.at.clone(), message, hint);
        }
    }
    // Without its members, or in a circle, nothing else said about a layer would help.
    let is_known = |member: &Member<'_>| reading.layer(member.of.value).is_some();
    let is_unclear = reading.is_partly_read
        || !reading.members.iter().all(is_known)
        || reading.layers.iter().any(|(name, _)| reading.is_circle(name.value));
    for (name, layer) in &reading.layers {
        let count = reading.members_of(name.value);
        if reading.is_circle(name.value) {
            let message = format!("`{}` is part of itself", name.value);
            sheet.report(name.at.clone(), message, "a stack begins with partitions");
            continue;
        }
        if is_unclear {
            continue;
        }
        let flaw = match (count, layer) {
            (0, _) => Some("nothing is part of it".to_owned()),
            (2.., Layer::Vault { .. }) => Some(format!("{count} things are part of it, and it takes one")),
            (_, Layer::Raid(Some(level))) if count < level.fewest() => {
                Some(format!("RAID {} needs {} members, and it has {count}", level.number(), level.fewest()))
            }
            _ => None,
        };
        if let Some(flaw) = flaw {
            let hint =
                format!("partitions with `part-of = \"{}\"`; `count` in `match` multiplies them", name.value);
            sheet.report(name.at.clone(), format!("`{}`: {flaw}", name.value), hint);
        }
    }
}

/// GRUB reads the kernel and its own files before anything is unlocked; the root is opened before its files are
/// there.
fn check_boot(reading: &Reading<'_, '_>) {
    let sheet = reading.sheet;
    let is_vault = |name: &&str| matches!(reading.layer(name), Some(Layer::Vault { .. }));
    if let Some(boot) = reading.find("/boot").or_else(|| reading.find("/")) {
        const OWN: &str = "add `{ size = \"1GiB\", filesystem = \"ext4\", mount = \"/boot\" }` before it";
        if reading.below(&boot.on).iter().any(is_vault) {
            let message = format!("GRUB cannot read the kernel from `{}`: it is encrypted", boot.mount);
            sheet.report(boot.at.clone(), message, OWN);
        } else if matches!(boot.on, Stand::Thin(_)) {
            let message =
                format!("GRUB cannot read the kernel from `{}`: it is on a thin volume", boot.mount);
            sheet.report(boot.at.clone(), message, OWN);
        }
    }
    let Some(root) = reading.find("/") else { return };
    for name in reading.below(&root.on) {
        if let Some((at, Layer::Vault { keeps_key: true })) =
            reading.layers.iter().find(|(known, _)| known.value == name)
        {
            let message = format!("`{name}` holds the root, so its key cannot be a file in the appliance");
            sheet.report(at.at.clone(), message, "`passphrase = \"{{ answer.ID }}\"` instead of `key-file`");
        }
    }
}
