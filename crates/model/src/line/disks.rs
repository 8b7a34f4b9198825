//! The disks of `[[appliance.disk]]`: each partition by itself, then what they must be together.

use crate::sheet::{At, Place, Section, Sheet, size};
use crate::storage::{Choose, DiskLayout, DiskMatch, Filesystem, Partition, Size, Table};

/// Fewest octets of an EFI system partition: below 65525 clusters of one 512-octet sector and its tables
/// there is no FAT32 (Microsoft's FAT specification, "FAT type determination"), and firmware may refuse FAT16.
const SMALLEST_ESP: u64 = 34 << 20;

/// Where something is mounted, over all disks.
struct Mounted<'s> {
    /// The mount point; empty where it could not be read, so that nothing is said to be missing.
    mount: &'s str,
    filesystem: Filesystem,
    size: Option<Size>,
    at: Place,
}

/// Reads the disks below `[appliance]`.
pub(super) fn read<'s>(sheet: &Sheet<'_>, appliance: &Section<'s>) -> Option<Vec<DiskLayout>> {
    let mut layouts = Vec::new();
    let mut mounted = Vec::new();
    let sections = appliance.sections("disk");
    for section in &sections {
        layouts.push(disk(sheet, section, &mut mounted));
    }
    if let Some(first) = sections.first() {
        together(sheet, first.at.clone(), &mounted);
    } else if appliance.is_empty_list("disk") {
        sheet.report_absence(appliance.place_of("disk"), "no disk is laid out", "add `[[appliance.disk]]`");
    }
    layouts.into_iter().collect()
}

/// What only all disks together show: `/`, the EFI system partition, one file system at a place.
fn together(sheet: &Sheet<'_>, at: Place, mounted: &[Mounted<'_>]) {
    for (index, here) in mounted.iter().enumerate() {
        if let Some(before) =
            mounted[..index].iter().find(|before| before.mount == here.mount && !here.mount.is_empty())
        {
            let line = sheet.line_of(&before.at);
            let message = format!("`{}` is mounted twice, first in line {line}", here.mount);
            sheet.report(here.at.clone(), message, "each place has one file system");
        }
    }
    let find = |mount: &str| mounted.iter().find(|here| here.mount == mount);
    let all_read = find("").is_none();
    match find("/") {
        None if !all_read => {}
        None => sheet.report_absence(
            at.clone(),
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
    const ESP: &str = "`{ size = \"512MiB\", filesystem = \"vfat\", mount = \"/boot/efi\" }`";
    match find("/boot/efi") {
        None if !all_read => {}
        None => sheet.report_absence(
            at,
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
        Some(_) => {}
    }
}

fn disk<'s>(sheet: &Sheet<'_>, section: &Section<'s>, mounted: &mut Vec<Mounted<'s>>) -> Option<DiskLayout> {
    let matching = match section.has("match") {
        true => section.section("match").map(|section| matching(sheet, &section)),
        false => Some((DiskMatch::default(), None)),
    };
    let (matching, min_size) = matching.unzip();
    section.choice("table");
    let sections = section.sections("partitions");
    if section.is_empty_list("partitions") {
        let hint = "`partitions = [{ size = \"rest\", filesystem = \"ext4\", mount = \"/\" }]`";
        sheet.report_absence(section.place_of("partitions"), "no partition is made", hint);
    }
    let mut partitions = Vec::new();
    let mut rest: Option<Place> = None;
    let mut fixed: u64 = 0;
    for section in &sections {
        let partition = partition(sheet, section, mounted);
        if let Some(before) = &rest {
            let (at, what) = match section.is_word("size", "rest") {
                true => (section.place_of("size"), "two partitions want the rest of the disk"),
                false => {
                    (before.clone(), "`\"rest\"` stands before another partition, which would get nothing")
                }
            };
            sheet.report(at, what, "`size = \"rest\"` stands once, in the last partition");
            rest = None;
        }
        if section.is_word("size", "rest") {
            rest = Some(section.place_of("size"));
        }
        if let Some(Partition { size: Size::Bytes(octets), .. }) = &partition {
            fixed = fixed.saturating_add(*octets);
        }
        partitions.push(partition);
    }
    if let Some(min) = min_size.flatten()
        && fixed > min.value
    {
        let (least, taken) = (size::words(min.value), size::words(fixed));
        let message = format!("a disk of {least} fits, but its partitions take {taken}");
        // The next whole gibibyte leaves room for the partition tables, too.
        let enough = (fixed >> 30) + 1;
        sheet.report(min.at, message, format!("`min-size = \"{enough}GiB\"`, or smaller partitions"));
    }
    let partitions: Option<Vec<Partition>> = partitions.into_iter().collect();
    Some(DiskLayout { matching: matching?, table: Table::Gpt, partitions: partitions? })
}

/// Which disk, and where its `min-size` stands.
fn matching(sheet: &Sheet<'_>, section: &Section<'_>) -> (DiskMatch, Option<At<u64>>) {
    let min_size = section.size("min-size");
    let max_size = section.size("max-size");
    if let (Some(min), Some(max)) = (&min_size, &max_size)
        && min.value > max.value
    {
        let (least, most) = (size::words(min.value), size::words(max.value));
        let message = format!("no disk has at least {least} and at most {most}");
        sheet.report(max.at.clone(), message, "`max-size` is above `min-size`, or not there");
    }
    let text = |name: &str| section.text(name).map(|text| text.value.to_owned());
    let matching = DiskMatch {
        min_size: min_size.as_ref().map(|size| size.value),
        max_size: max_size.map(|size| size.value),
        rotational: section.flag("rotational"),
        transport: section.choice("transport").map(|word| word.value.to_owned()),
        model: text("model"),
        serial: text("serial"),
        path: text("path"),
        choose: section.choice("choose").map(|word| match word.value {
            "smallest" => Choose::Smallest,
            "largest" => Choose::Largest,
            _ => Choose::First,
        }),
    };
    (matching, min_size)
}

fn partition<'s>(
    sheet: &Sheet<'_>,
    section: &Section<'s>,
    mounted: &mut Vec<Mounted<'s>>,
) -> Option<Partition> {
    let size = match section.is_word("size", "rest") {
        true => Some(Size::Rest),
        false => section.size("size").map(|size| Size::Bytes(size.value)),
    };
    let filesystem = section.choice("filesystem").map(|word| match word.value {
        "vfat" => Filesystem::Vfat,
        "ext4" => Filesystem::Ext4,
        _ => Filesystem::Swap,
    });
    let mount = section.text("mount");
    match (filesystem, &mount) {
        (Some(Filesystem::Swap), Some(mount)) => {
            sheet.report(mount.at.clone(), "swap space is not mounted", "leave `mount` out");
            mounted.push(unread(size, section.at.clone()));
        }
        (Some(Filesystem::Vfat | Filesystem::Ext4), None) if !section.has("mount") => {
            let message = "this file system is mounted nowhere";
            sheet.report_absence(section.at.clone(), message, "add `mount`, for example `mount = \"/\"`");
            mounted.push(unread(size, section.at.clone()));
        }
        (_, Some(text)) => {
            let mount = if mount_point(sheet, text) { text.value } else { "" };
            // An unknown file system was reported: it may be any, so none of the rules below is broken.
            let filesystem = filesystem.or((mount == "/boot/efi").then_some(Filesystem::Vfat));
            let filesystem = filesystem.unwrap_or(Filesystem::Ext4);
            mounted.push(Mounted { mount, filesystem, size, at: text.at.clone() });
        }
        (_, None) if section.has("mount") => {
            mounted.push(unread(size, section.at.clone()));
        }
        (_, None) => {}
    }
    let label = section.text("label");
    if let (Some(label), Some(filesystem)) = (&label, filesystem) {
        check_label(sheet, label, filesystem);
    }
    Some(Partition {
        size: size?,
        filesystem: filesystem?,
        mount: mount.map(|text| text.value.to_owned()),
        label: label.map(|text| text.value.to_owned()),
    })
}

/// A partition whose mount point could not be read.
fn unread<'s>(size: Option<Size>, at: Place) -> Mounted<'s> {
    Mounted { mount: "", filesystem: Filesystem::Ext4, size, at }
}

/// Whether a mount point is an absolute path without detours; it goes into fstab(5), whose fields end at a space.
fn mount_point(sheet: &Sheet<'_>, mount: &At<&str>) -> bool {
    let shown = mount.value.escape_debug();
    let message = if !mount.value.starts_with('/') {
        format!("the mount point `{shown}` does not begin with `/`")
    } else if mount.value != "/" && mount.value.split('/').skip(1).any(|part| matches!(part, "" | "." | ".."))
    {
        format!("the mount point `{shown}` has an empty part, a `.` or a `..` in it")
    } else if mount.value.chars().any(|character| character.is_whitespace() || character.is_control()) {
        format!("the mount point `{shown}` has a space in it")
    } else {
        return true;
    };
    sheet.report(mount.at.clone(), message, "an absolute path: `\"/\"`, `\"/data\"`");
    false
}

/// Holds a label against what its file system has room for.
fn check_label(sheet: &Sheet<'_>, label: &At<&str>, filesystem: Filesystem) {
    let (name, most) = match filesystem {
        Filesystem::Vfat => ("vfat", 11),
        Filesystem::Ext4 => ("ext4", 16),
        Filesystem::Swap => ("swap", 15),
    };
    let odd = |octet: u8| !octet.is_ascii_graphic() || matches!(octet, b'"' | b'\'' | b'\\' | b'`' | b'$');
    if label.value.len() > most || label.value.bytes().any(odd) {
        let message = format!("`{}` cannot be the label of this file system", label.value.escape_debug());
        let hint = format!("`{name}` has room for {most} letters, digits, dashes and the like");
        sheet.report(label.at.clone(), message, hint);
    }
}
