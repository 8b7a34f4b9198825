//! The plan as text: confirmation screen, dry run and golden test; 80 columns, plain ASCII for any console.

use super::{
    Device, Firmware, Layer, LayerKind, LoaderTarget, Onto, Plan, PlannedContent, PlannedDisk,
    PlannedFilesystem, PlannedKey, PlannedVolumeKind, Step, image,
};
use crate::burn_in::{Depth, Test};
use crate::hardware::size_text;
use crate::line::Finish;
use crate::storage::Erase;
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
            self.show_disk(&mut text, disk);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            self.show_layer(&mut text, index, layer);
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
            Step::Test { test } => self.test(test),
            Step::Remember => format!("Take a digest of what stays: {}", self.kept().join(", ")),
            Step::Erase { disk } => {
                let how = match self.disks.get(*disk).and_then(|planned| planned.erase) {
                    Some(Erase::Zero) => "write zeros over all of it",
                    Some(Erase::NvmeFormat) => "NVMe Format with user data erase",
                    Some(Erase::NvmeSanitize) => "NVMe Sanitize of its whole controller",
                    Some(Erase::AtaSecurityErase) => "ATA Security Erase Unit",
                    Some(Erase::Discard) | None => "tell it that nothing on it is needed",
                };
                format!("Erase {}: {how}", name(disk))
            }
            Step::Clear { disk } => format!("Clear {}: from here on it boots nothing", name(disk)),
            Step::Partition { disk } => format!("Write the partition table of {}", name(disk)),
            Step::Stack { layer } => {
                let Some(stacked) = self.layers.get(*layer) else { return String::new() };
                let volumes = match &stacked.kind {
                    LayerKind::Group { volumes } => format!(", {}", counted(volumes.len(), "volume")),
                    LayerKind::Raid { .. } | LayerKind::Vault { .. } => String::new(),
                };
                format!("Make the {}{volumes}", heading(stacked))
            }
            Step::Format { device: Device::Partition(place) } => {
                let what = self.filesystem(Device::Partition(*place)).map_or(String::new(), filesystem);
                format!("Make partition {} of {}: {what}", place.partition, name(&place.disk))
            }
            Step::Format { device } => {
                let what = self.filesystem(*device).map_or(String::new(), filesystem);
                format!("Make `{}`: {what}", self.device_name(*device))
            }
            Step::Unpack { image } => format!(
                "Unpack the image: {}, {} over the network",
                size_text(image.unpacked_bytes),
                size_text(image.bytes)
            ),
            Step::Write { image, onto } => format!(
                "Write the image to {}: {}, {} over the network",
                self.onto(*onto),
                image::words(image),
                size_text(image.bytes)
            ),
            Step::Verify { onto } => format!("Read the image back from {} and compare", self.onto(*onto)),
            Step::Grow { device, kind } => {
                format!("Grow the {} of {} to all of it", kind.name(), self.device_name(*device))
            }
            Step::Settle { files, users } => {
                format!("Write {} and {}", counted(files.len(), "file"), counted(users.len(), "user"))
            }
            Step::Packages { debs } => {
                format!("Install {} in the appliance", counted(debs.len(), "package"))
            }
            Step::Run { script, .. } => {
                format!("Run `{}` in the appliance, at most {} s", script.name, script.seconds)
            }
            Step::Initramfs { needs } if needs.programs.is_empty() => {
                "Check that the appliance's initramfs has this box's disks".into()
            }
            Step::Initramfs { .. } => {
                "Make the appliance's initramfs for this box's disks, and check it".into()
            }
            Step::StageLoaders { targets } => {
                format!("Install GRUB, not startable yet, for {}", firmwares(targets))
            }
            Step::ReadBack => "Read everything back from the disk and compare".into(),
            Step::Compare => "Compare what stays with its digest".into(),
            Step::Seal { targets, .. } => format!("Seal: make it bootable by {}", firmwares(targets)),
            Step::Record => "Send the record to the server".into(),
            Step::Finish(Finish::PowerOff) => "Power off".into(),
            Step::Finish(Finish::Reboot) => "Start the box over".into(),
            Step::Finish(Finish::StayOn) => "Leave the box on".into(),
        }
    }

    /// The line of a test, with its limits.
    fn test(&self, test: &Test) -> String {
        let at_least = |slowest: &Option<u64>| {
            slowest.map_or(String::new(), |slowest| format!(", at least {}/s", size_text(slowest)))
        };
        match test {
            Test::Memory { percent, passes } => {
                format!("Test the memory: {percent} % of what is free, {}", times(*passes))
            }
            Test::Processor { seconds, hottest } => {
                let most = hottest.map_or(String::new(), |celsius| format!(", at most {celsius} C"));
                format!("Test the processors: all of them for {seconds} s{most}")
            }
            Test::Disks { depth, errors, wear, slowest } => {
                let names: Vec<&str> = self.disks.iter().map(|planned| planned.disk.name.as_str()).collect();
                let read = match depth {
                    Depth::Smart => String::new(),
                    Depth::Read => format!(", read all of it{}", at_least(slowest)),
                };
                format!("Test {}: SMART, at most {errors} errors and {wear} % wear{read}", names.join(", "))
            }
            Test::Network { times: count, slowest } => {
                let bytes = self.image().map_or(0, |image| image.bytes);
                let (count, size, at_least) = (times(*count), size_text(bytes), at_least(slowest));
                format!("Test the network: fetch the image {count}, {size} each{at_least}")
            }
        }
    }

    fn details(&self, step: &Step) -> Vec<String> {
        match step {
            Step::Unpack { image } | Step::Write { image, .. } => {
                let mut lines = vec![format!("sha256 {}", image.sha256)];
                if let Some(signature) = &image.signature {
                    let key = signature.key.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                    lines.push(format!("signed by minisign key {}", key.trim()));
                }
                lines
            }
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
            Step::Packages { debs } => debs.iter().map(|deb| deb.name.clone()).collect(),
            Step::Initramfs { needs } if !needs.programs.is_empty() => {
                let programs: Vec<&str> = needs.programs.iter().map(|program| program.name).collect();
                vec![format!("with {}", programs.join(", "))]
            }
            Step::Seal { boot_entry: Some(label), .. } => vec![format!("EFI boot entry `{label}`")],
            _ => Vec::new(),
        }
    }
}

impl Plan {
    fn show_disk(&self, text: &mut String, planned: &PlannedDisk) {
        let disk = &planned.disk;
        text.push('\n');
        let kept: Vec<String> = (planned.partitions.iter())
            .filter(|partition| partition.is_kept())
            .map(|partition| partition.number.to_string())
            .collect();
        let erased = match kept.as_slice() {
            [] => "ERASED".to_owned(),
            kept => format!("ERASED but for partition {}", kept.join(" and ")),
        };
        fold(text, "", &format!("{erased}: {}", disk.title()));
        let path = if disk.path.is_empty() { String::new() } else { format!(" at {}", disk.path) };
        let turning = if disk.rotational { ", rotational" } else { "" };
        fold(
            text,
            "  ",
            &format!("{}{path}, {}{turning}, {}-byte sectors", disk.name, disk.transport, disk.sector_bytes),
        );
        let lost = if kept.is_empty() { "on it now, and lost" } else { "on it now" };
        let now = match disk.signatures.as_slice() {
            [] => "nothing that is known".to_owned(),
            signatures => signatures.join("; "),
        };
        fold(text, "  ", &format!("{lost}: {now}"));
        let _ = writeln!(text, "  no  first sector   last sector        size  what");
        for partition in &planned.partitions {
            let sectors = partition.last_lba - partition.first_lba + 1;
            let row = format!(
                "  {:>2}  {:>12}  {:>12}  {:>10}",
                partition.number,
                partition.first_lba,
                partition.last_lba,
                size_text(sectors * u64::from(disk.sector_bytes)),
            );
            let what = self.contents(&partition.content);
            let stays = if partition.is_kept() { "STAYS: " } else { "" };
            fold(text, &format!("{row}  "), &format!("{stays}{what}"));
            show_uuid(text, "      ", &partition.content);
        }
    }

    fn show_layer(&self, text: &mut String, index: usize, layer: &Layer) {
        text.push('\n');
        let members: Vec<String> = layer.members.iter().map(|member| self.device_name(*member)).collect();
        let head = format!("{} of {}", heading(layer), members.join(", "));
        match &layer.kind {
            LayerKind::Raid { content, .. } => {
                fold(text, "", &format!("{head}: {}", self.contents(content)));
                show_uuid(text, "  ", content);
            }
            LayerKind::Vault { key, tpm2, content, .. } => {
                let opened = match key {
                    PlannedKey::Passphrase(_) if *tpm2 => "this box's TPM, or a passphrase".to_owned(),
                    PlannedKey::Passphrase(_) => "a passphrase".to_owned(),
                    PlannedKey::File(path) => format!("the key in {path}"),
                };
                fold(text, "", &format!("{head}, opened by {opened}: {}", self.contents(content)));
                show_uuid(text, "  ", content);
            }
            LayerKind::Group { volumes } => {
                fold(text, "", &head);
                for (volume, planned) in volumes.iter().enumerate() {
                    let name = self.device_name(Device::Volume { layer: index, volume });
                    let size = planned.size_bytes.map_or("the rest".to_owned(), size_text);
                    let what = match &planned.kind {
                        PlannedVolumeKind::Plain(content) => self.contents(content),
                        PlannedVolumeKind::Pool => "pool of thin volumes".into(),
                        PlannedVolumeKind::Thin { pool, content } => {
                            format!("thin in `{pool}`, {}", self.contents(content))
                        }
                    };
                    fold(text, "  ", &format!("{name}, {size}: {what}"));
                    if let PlannedVolumeKind::Plain(content) | PlannedVolumeKind::Thin { content, .. } =
                        &planned.kind
                    {
                        show_uuid(text, "      ", content);
                    }
                }
            }
        }
    }

    /// What a device holds: `ext4 at /, `root``.
    fn contents(&self, content: &PlannedContent) -> String {
        match content {
            PlannedContent::BiosBoot => "BIOS boot partition".into(),
            PlannedContent::Filesystem(one) => filesystem(one),
            PlannedContent::Brought(holds) if holds.is_empty() => "as the image has it".into(),
            PlannedContent::Brought(holds) => format!("{holds}, as the image has it"),
            PlannedContent::Member(layer) => {
                format!("part of `{}`", self.layers.get(*layer).map_or("", |layer| layer.name.as_str()))
            }
        }
    }

    /// A device as its node is called: `nvme0n1p2`, `system`, `vg0/root`.
    pub fn device_name(&self, device: Device) -> String {
        match device {
            Device::Partition(place) => {
                let disk = self.disks.get(place.disk).map_or("", |planned| planned.disk.name.as_str());
                let separator = if disk.ends_with(|c: char| c.is_ascii_digit()) { "p" } else { "" };
                format!("{disk}{separator}{}", place.partition)
            }
            Device::Layer(index) => self.layers.get(index).map_or(String::new(), |layer| layer.name.clone()),
            Device::Volume { layer, volume } => match self.layers.get(layer) {
                Some(Layer { name, kind: LayerKind::Group { volumes }, .. }) => {
                    format!("{name}/{}", volumes.get(volume).map_or("", |volume| volume.name.as_str()))
                }
                _ => String::new(),
            },
        }
    }

    fn onto(&self, onto: Onto) -> String {
        match onto {
            Onto::Disk(disk) => {
                self.disks.get(disk).map_or(String::new(), |planned| planned.disk.name.clone())
            }
            Onto::Device(device) => self.device_name(device),
        }
    }

    /// The file systems that stay as they are, in words.
    fn kept(&self) -> Vec<String> {
        let kept = super::stack::filesystems(&self.disks, &self.layers).filter(|(_, one)| one.is_kept);
        kept.map(|(device, one)| format!("{}, {}", self.device_name(device), filesystem(one))).collect()
    }
}

/// A layer by kind and name: `RAID 1 `system``.
fn heading(layer: &Layer) -> String {
    let kind = match &layer.kind {
        LayerKind::Raid { level, .. } => format!("RAID {}", level.number()),
        LayerKind::Vault { .. } => "encrypted volume".into(),
        LayerKind::Group { .. } => "volume group".into(),
    };
    format!("{kind} `{}`", layer.name)
}

fn show_uuid(text: &mut String, indent: &str, content: &PlannedContent) {
    if let PlannedContent::Filesystem(filesystem) = content {
        let _ = writeln!(text, "{indent}UUID {}", filesystem.uuid);
    }
}

/// A file system: `ext4 at /, `root``.
fn filesystem(filesystem: &PlannedFilesystem) -> String {
    let kind = filesystem.kind.name();
    let subvolumes: Vec<String> =
        filesystem.subvolumes.iter().map(|one| format!("{} at {}", one.name, one.mount)).collect();
    let mount = filesystem.mount.as_ref().map_or(String::new(), |mount| format!(" at {mount}"));
    let label = if filesystem.label.is_empty() { String::new() } else { format!(", `{}`", filesystem.label) };
    let subvolumes =
        if subvolumes.is_empty() { String::new() } else { format!(" with {}", subvolumes.join(", ")) };
    format!("{kind}{mount}{subvolumes}{label}")
}

fn firmwares(targets: &[LoaderTarget]) -> String {
    let mut names: Vec<&str> = (targets.iter())
        .map(|target| match target {
            LoaderTarget::Bios { .. } => "BIOS",
            LoaderTarget::Efi { .. } => "UEFI",
            LoaderTarget::Image { .. } => "what the image brings",
        })
        .collect();
    // Several disks of a mirror boot by the same firmware; they stand beside each other.
    names.dedup();
    names.join(" and ")
}

fn times(count: u32) -> String {
    if count == 1 { "once".into() } else { format!("{count} times") }
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
