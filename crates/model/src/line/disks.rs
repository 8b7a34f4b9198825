//! The disks of `[[appliance.disk]]`: each partition by itself. What is stacked on them, and what they must be
//! together, is read in `stack`.

use super::stack::{Reading, Stand};
use crate::sheet::{At, Place, Section, Sheet, size};
use crate::storage::{
    Choose, Content, DiskLayout, DiskMatch, Erase, Filesystem, FilesystemWish, Partition, Size, Subvolume,
    Table,
};

/// More disks than any one box laid out alike has.
const MOST_DISKS: u32 = 128;
/// Partitions of the PC's old table; extended ones are not made.
const MOST_OF_MBR: usize = 4;
/// Where the image's own files go: nothing there can be left as it was.
const WRITTEN_BY_IMAGES: &[&str] = &["/", "/boot", "/boot/efi", "/etc", "/usr", "/var"];

/// Reads the disks below `[appliance]`.
pub(super) fn read<'s>(
    reading: &mut Reading<'_, 's>,
    appliance: &Section<'s>,
) -> (Vec<Option<DiskLayout>>, Option<Place>) {
    let sections = appliance.sections("disk");
    let layouts = sections.iter().map(|section| disk(reading, section)).collect();
    if appliance.is_empty_list("disk") {
        let place = appliance.place_of("disk");
        reading.sheet.report_absence(place, "no disk is laid out", "add `[[appliance.disk]]`");
    }
    (layouts, sections.first().map(|section| section.at.clone()))
}

fn disk<'s>(reading: &mut Reading<'_, 's>, section: &Section<'s>) -> Option<DiskLayout> {
    let sheet = reading.sheet;
    let matching = match section.has("match") {
        true => section.section("match").map(|section| matching(sheet, &section)),
        false => Some((DiskMatch::default(), None)),
    };
    let (matching, min_size) = matching.unzip();
    let count = matching.as_ref().map_or(1, DiskMatch::count);
    reading.is_partly_read |= matching.as_ref().is_none_or(|one| one.count == Some(0));
    let table = match section.choice("table").map(|word| word.value) {
        Some("mbr") => Table::Mbr,
        _ => Table::Gpt,
    };
    let erase = section.choice("erase").map(|word| match word.value {
        "discard" => Erase::Discard,
        "zero" => Erase::Zero,
        "nvme-format" => Erase::NvmeFormat,
        "nvme-sanitize" => Erase::NvmeSanitize,
        _ => Erase::AtaSecurityErase,
    });
    let sections = section.sections("partitions");
    if section.is_empty_list("partitions") {
        let hint = "`partitions = [{ size = \"rest\", filesystem = \"ext4\", mount = \"/\" }]`";
        sheet.report_absence(section.place_of("partitions"), "no partition is made", hint);
    }
    if !section.has("partitions") {
        // What is missing on a disk that the image lays out is not missing.
        reading.is_partly_read = true;
        if !reading.may_be_brought {
            let hint = "`partitions = [{ size = \"rest\", filesystem = \"ext4\", mount = \"/\" }]`";
            let message = "[[appliance.disk]] has no `partitions`";
            sheet.report_absence(section.at.clone(), message, hint);
        }
    }
    if let (Table::Mbr, Some(beyond)) = (table, sections.get(MOST_OF_MBR)) {
        let message = format!("{} partitions are more than `mbr` holds", sections.len());
        sheet.report(beyond.at.clone(), message, "`table = \"gpt\"`, or at most four partitions");
    }
    let mut partitions = Vec::new();
    let mut rest: Option<Place> = None;
    let mut fixed: u64 = 0;
    for section in &sections {
        let partition = partition(reading, section, table, erase, count);
        check_rest(sheet, section, &mut rest);
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
    Some(DiskLayout { matching: matching?, table, erase, partitions: partitions? })
}

/// Reports a `"rest"` that is not the last one. `rest` is where one stood before.
pub(super) fn check_rest(sheet: &Sheet<'_>, section: &Section<'_>, rest: &mut Option<Place>) {
    if let Some(before) = rest.take() {
        let (at, what) = match section.is_word("size", "rest") {
            true => (section.place_of("size"), "two partitions want the rest of the disk"),
            false => (before, "`\"rest\"` stands before another partition, which would get nothing"),
        };
        sheet.report(at, what, "`size = \"rest\"` stands once, in the last partition");
    }
    if section.is_word("size", "rest") {
        *rest = Some(section.place_of("size"));
    }
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
    let count = section.number("count").map(|count| match u32::try_from(count.value) {
        Ok(number @ 1..=MOST_DISKS) => number,
        _ => {
            let message = format!("`count` cannot be {}", count.value);
            sheet.report(count.at, message, format!("between 1 and {MOST_DISKS}"));
            // The line is refused; until then this stands for a number that could not be read.
            0
        }
    });
    let text = |name: &str| section.text(name).map(|text| text.value.to_owned());
    let matching = DiskMatch {
        min_size: min_size.as_ref().map(|size| size.value),
        max_size: max_size.map(|size| size.value),
        rotational: section.flag("rotational"),
        transport: section.choice("transport").map(|word| word.value.to_owned()),
        model: text("model"),
        serial: text("serial"),
        wwn: text("wwn"),
        path: text("path"),
        count,
        choose: section.choice("choose").map(|word| match word.value {
            "smallest" => Choose::Smallest,
            "largest" => Choose::Largest,
            _ => Choose::First,
        }),
    };
    (matching, min_size)
}

pub(super) fn read_size(section: &Section<'_>) -> Option<Size> {
    match section.is_word("size", "rest") {
        true => Some(Size::Rest),
        false => section.size("size").map(|size| Size::Bytes(size.value)),
    }
}

fn partition<'s>(
    reading: &mut Reading<'_, 's>,
    section: &Section<'s>,
    table: Table,
    erase: Option<Erase>,
    count: usize,
) -> Option<Partition> {
    let size = read_size(section);
    let content = content(reading, section, &Stand::Partition { count }, size);
    let preserve = section.flag("preserve").unwrap_or_default();
    if preserve {
        let mount = section.peek("mount").unwrap_or_default();
        let flaw = match (&content, table, erase) {
            (Some(Content::PartOf(_)), ..) => {
                Some("only a file system can be preserved, not a part of something".to_owned())
            }
            (Some(Content::Filesystem(wish)), ..) if wish.kind == Filesystem::Swap => {
                Some("swap space holds nothing to preserve".to_owned())
            }
            (_, Table::Mbr, _) => Some("`preserve` needs `table = \"gpt\"`".to_owned()),
            (_, _, Some(_)) => Some("the disk is erased: nothing on it can be preserved".to_owned()),
            _ if WRITTEN_BY_IMAGES.contains(&mount) => {
                Some(format!("the image writes to `{mount}`, so it cannot stay as it is"))
            }
            _ if count > 1 => Some("only one disk's file system can be preserved".to_owned()),
            _ => None,
        };
        if let Some(flaw) = flaw {
            let hint =
                "leave `preserve` out, or put the data on a partition of its own, for example at `/data`";
            reading.sheet.report(section.place_of("preserve"), flaw, hint);
        }
    }
    Some(Partition { size: size?, content: content?, preserve })
}

/// What is made on a partition, a RAID, an encrypted or a logical volume.
pub(super) fn content<'s>(
    reading: &mut Reading<'_, 's>,
    section: &Section<'s>,
    on: &Stand<'s>,
    size: Option<Size>,
) -> Option<Content> {
    let sheet = reading.sheet;
    if let Some(name) = section.text("part-of") {
        for other in ["filesystem", "mount", "label", "subvolumes"] {
            if section.has(other) {
                let message = format!("what is `part-of` something has no `{other}` of its own");
                let hint =
                    format!("leave `{other}` out, or write it where `{}` is", name.value.escape_debug());
                sheet.report(section.place_of(other), message, hint);
            }
        }
        reading.add_member(&name, on);
        return Some(Content::PartOf(name.value.to_owned()));
    }
    if section.has("part-of") {
        reading.is_partly_read = true;
        return None;
    }
    if !section.has("filesystem") {
        reading.is_partly_read = true;
        let message = "there is neither a `filesystem` nor a `part-of`";
        sheet.report_absence(section.at.clone(), message, "for example `filesystem = \"ext4\"`");
    }
    filesystem(reading, section, on, size).map(Content::Filesystem)
}

fn filesystem<'s>(
    reading: &mut Reading<'_, 's>,
    section: &Section<'s>,
    on: &Stand<'s>,
    size: Option<Size>,
) -> Option<FilesystemWish> {
    let sheet = reading.sheet;
    let kind = section.choice("filesystem").map(|word| match word.value {
        "vfat" => Filesystem::Vfat,
        "ext4" => Filesystem::Ext4,
        "xfs" => Filesystem::Xfs,
        "btrfs" => Filesystem::Btrfs,
        _ => Filesystem::Swap,
    });
    let mount = section.text("mount");
    let subvolumes = subvolumes(reading, section, on, kind, size);
    match (kind, &mount) {
        (Some(Filesystem::Swap), Some(mount)) => {
            sheet.report(mount.at.clone(), "swap space is not mounted", "leave `mount` out");
            reading.is_partly_read = true;
        }
        (_, Some(mount)) if section.has("subvolumes") => {
            let message = "a file system with subvolumes is mounted by them";
            sheet.report(mount.at.clone(), message, "give one of `subvolumes` this `mount`");
            reading.is_partly_read = true;
        }
        (Some(Filesystem::Swap) | None, None) => {}
        (Some(_), None) if !section.has("mount") && !section.has("subvolumes") => {
            let message = "this file system is mounted nowhere";
            sheet.report_absence(section.at.clone(), message, "add `mount`, for example `mount = \"/\"`");
            reading.is_partly_read = true;
        }
        (_, Some(text)) => reading.mount(text, kind, size, on),
        (_, None) => {}
    }
    if let (Stand::Partition { count: 2.. }, Some(kind)) = (on, kind)
        && kind != Filesystem::Swap
    {
        let message = "several disks laid out alike cannot each have this file system";
        let hint =
            "make it `part-of` an `[[appliance.raid]]`, an LVM `volume-group` or an `encrypted` volume";
        sheet.report(section.place_of("filesystem"), message, hint);
    }
    reading.is_partly_read |= (section.has("mount") && mount.is_none())
        || (section.has("filesystem") && kind.is_none() && mount.is_none());
    let label = section.text("label");
    if let (Some(label), Some(kind)) = (&label, kind) {
        check_label(sheet, label, kind);
    }
    Some(FilesystemWish {
        kind: kind?,
        mount: mount.map(|text| text.value.to_owned()),
        label: label.map(|text| text.value.to_owned()),
        subvolumes,
    })
}

fn subvolumes<'s>(
    reading: &mut Reading<'_, 's>,
    section: &Section<'s>,
    on: &Stand<'s>,
    kind: Option<Filesystem>,
    size: Option<Size>,
) -> Vec<Subvolume> {
    let sheet = reading.sheet;
    if !section.has("subvolumes") {
        return Vec::new();
    }
    if let Some(kind) = kind
        && kind != Filesystem::Btrfs
    {
        let message = format!("`{}` has no subvolumes", kind.name());
        sheet.report(section.place_of("subvolumes"), message, "`filesystem = \"btrfs\"`, or leave them out");
    }
    let mut names: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for one in section.sections("subvolumes") {
        let (name, mount) = (one.text("name"), one.text("mount"));
        if let Some(name) = &name {
            let plain = |c: char| c.is_ascii_alphanumeric() || "@_-.".contains(c);
            if !name.value.chars().all(plain) || name.value.starts_with(['-', '.']) {
                let message = format!("`{}` cannot name a subvolume", name.value.escape_debug());
                sheet.report(name.at.clone(), message, "letters, digits, `@`, `_`, `-` and `.`: `\"@home\"`");
            } else if names.contains(&name.value) {
                let message = format!("the subvolume `{}` stands twice", name.value);
                sheet.report(name.at.clone(), message, "each has a name of its own");
            }
            names.push(name.value);
        }
        match &mount {
            Some(mount) => reading.mount(mount, kind, size, on),
            None => reading.is_partly_read = true,
        }
        if let (Some(name), Some(mount)) = (name, mount) {
            found.push(Subvolume { name: name.value.to_owned(), mount: mount.value.to_owned() });
        }
    }
    found
}

/// Whether a mount point is an absolute path without detours; it goes into fstab(5), whose fields end at a space.
pub(super) fn mount_point(sheet: &Sheet<'_>, mount: &At<&str>) -> bool {
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
        Filesystem::Xfs => ("xfs", 12),
        Filesystem::Btrfs => ("btrfs", 255),
        Filesystem::Swap => ("swap", 15),
    };
    let odd = |octet: u8| !octet.is_ascii_graphic() || matches!(octet, b'"' | b'\'' | b'\\' | b'`' | b'$');
    if label.value.len() > most || label.value.bytes().any(odd) {
        let message = format!("`{}` cannot be the label of this file system", label.value.escape_debug());
        let hint = format!("`{name}` has room for {most} letters, digits, dashes and the like");
        sheet.report(label.at.clone(), message, hint);
    }
}
