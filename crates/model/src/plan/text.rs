//! The plan as text: confirmation screen, dry run and golden test; 80 columns, plain ASCII for any console.

use super::{Firmware, LoaderTarget, Plan, PlannedDisk, PlannedPartition, Step};
use crate::hardware::size_text;
use crate::storage::Filesystem;
use std::fmt::Write as _;

/// Columns of a serial console that nobody told its size.
const WIDTH: usize = 80;

impl Plan {
    /// The whole plan as a person confirms it; ends with a newline.
    pub fn text(&self) -> String {
        let firmware = match self.firmware {
            Firmware::Bios => "BIOS",
            Firmware::Uefi => "UEFI",
        };
        let mut text = String::new();
        fold(&mut text, "", &format!("Plan for {} of line {}", self.hostname, self.line));
        fold(&mut text, "", &format!("Box: {}, boots by {firmware}", self.unit));
        for disk in &self.disks {
            show_disk(&mut text, disk);
        }
        text.push('\n');
        for (index, step) in self.steps.iter().enumerate() {
            fold(&mut text, &format!("{:>3}. ", index + 1), &self.title(step));
            for detail in self.details(step) {
                fold(&mut text, "       ", &detail);
            }
        }
        text
    }

    /// The step's line: in the plan, in the progress list and in the timeline.
    pub fn title(&self, step: &Step) -> String {
        let name = |disk: &usize| self.disks.get(*disk).map_or("", |planned| planned.disk.name.as_str());
        match step {
            Step::Clear { disk } => format!("Clear {}: from here on it boots nothing", name(disk)),
            Step::Partition { disk } => format!("Write the partition table of {}", name(disk)),
            Step::Format { place } => {
                let what = self.partition(*place).map_or(String::new(), contents);
                format!("Make partition {} of {}: {what}", place.partition, name(&place.disk))
            }
            Step::Unpack { image } => format!(
                "Unpack the image: {}, {} over the network",
                size_text(image.unpacked_bytes),
                size_text(image.bytes)
            ),
            Step::Settle { files, users } => {
                format!("Write {} and {}", counted(files.len(), "file"), counted(users.len(), "user"))
            }
            Step::Run { script, .. } => {
                format!("Run `{}` in the appliance, at most {} s", script.name, script.seconds)
            }
            Step::StageLoaders { targets } => {
                format!("Install GRUB, not startable yet, for {}", firmwares(targets))
            }
            Step::ReadBack => "Read everything back from the disk and compare".into(),
            Step::Seal { targets, .. } => format!("Seal: make it bootable by {}", firmwares(targets)),
            Step::Record => "Send the record to the server".into(),
            Step::PowerOff => "Power off".into(),
        }
    }

    fn details(&self, step: &Step) -> Vec<String> {
        match step {
            Step::Unpack { image } => vec![format!("sha256 {}", image.sha256)],
            Step::Settle { files, users } => {
                let mut lines: Vec<String> = (files.iter())
                    .map(|file| match file.mode {
                        0o644 => file.path.clone(),
                        mode => format!("{}, mode {mode:04o}", file.path),
                    })
                    .collect();
                for user in users {
                    let password = if user.hash.is_some() { "with its password" } else { "locked" };
                    let groups = match user.groups.as_slice() {
                        [] => String::new(),
                        groups => format!(", in {}", groups.join(", ")),
                    };
                    lines.push(format!("user {}, {password}{groups}", user.name));
                }
                lines
            }
            Step::Seal { boot_entry: Some(label), .. } => vec![format!("EFI boot entry `{label}`")],
            _ => Vec::new(),
        }
    }
}

fn show_disk(text: &mut String, planned: &PlannedDisk) {
    let disk = &planned.disk;
    text.push('\n');
    fold(text, "", &format!("ERASED: {}", disk.title()));
    let path = if disk.path.is_empty() { String::new() } else { format!(" at {}", disk.path) };
    let turning = if disk.rotational { ", rotational" } else { "" };
    fold(
        text,
        "  ",
        &format!("{}{path}, {}{turning}, {}-byte sectors", disk.name, disk.transport, disk.sector_bytes),
    );
    let now = match disk.signatures.as_slice() {
        [] => "nothing that is known".to_owned(),
        signatures => signatures.join("; "),
    };
    fold(text, "  ", &format!("on it now, and lost: {now}"));
    let _ = writeln!(text, "  no  first sector   last sector        size  what");
    for partition in &planned.partitions {
        let sectors = partition.last_lba - partition.first_lba + 1;
        let _ = writeln!(
            text,
            "  {:>2}  {:>12}  {:>12}  {:>10}  {}",
            partition.number,
            partition.first_lba,
            partition.last_lba,
            size_text(sectors * u64::from(disk.sector_bytes)),
            contents(partition)
        );
        if let Some(filesystem) = &partition.filesystem {
            let _ = writeln!(text, "      UUID {}", filesystem.uuid);
        }
    }
}

/// What a partition holds: `ext4 at / ("root")`.
fn contents(partition: &PlannedPartition) -> String {
    let Some(filesystem) = &partition.filesystem else {
        return "BIOS boot partition".into();
    };
    let kind = match filesystem.kind {
        Filesystem::Vfat => "vfat",
        Filesystem::Ext4 => "ext4",
        Filesystem::Swap => "swap",
    };
    let mount = filesystem.mount.as_ref().map_or(String::new(), |mount| format!(" at {mount}"));
    let label = if filesystem.label.is_empty() { String::new() } else { format!(", `{}`", filesystem.label) };
    format!("{kind}{mount}{label}")
}

fn firmwares(targets: &[LoaderTarget]) -> String {
    let names: Vec<&str> = (targets.iter())
        .map(|target| match target {
            LoaderTarget::Bios { .. } => "BIOS",
            LoaderTarget::Efi { .. } => "UEFI",
        })
        .collect();
    names.join(" and ")
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Writes one paragraph, folded at spaces; lines after the first are indented by two more than `first`.
/// What is not printable ASCII is shown as `?`: disks have such model names, and serial consoles show them badly.
fn fold(text: &mut String, first: &str, words: &str) {
    let indent = " ".repeat(first.len() + 2);
    let mut line = first.to_owned();
    let mut empty = true;
    for word in words.split(' ') {
        let word: String = word.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
        if !empty && line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line.clone_from(&indent);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(&word);
        empty = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}
