//! `lspci` in the forms that have ids: `-nn`, `-n`, `-vmm` (with `-nn` or `-n`), `-mm`, with `-k` or `-v` beside any.

use super::{Device, PciWords, is_hex};
use crate::hardware::PciId;

/// A form of lspci's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `01:00.0 Ethernet controller [0200]: Broadcom … [14e4:165f] (rev 02)`.
    Named,
    /// `01:00.0 0200: 14e4:165f (rev 02)`.
    Numbers,
    /// `Slot:` and the other words on lines of their own.
    Records,
    /// `01:00.0 "Ethernet controller [0200]" "Broadcom [14e4]" …`.
    Quoted,
    /// Without any ids: `01:00.0 Ethernet controller: Broadcom …`.
    WithoutIds,
}

/// Which form a text is of; `None` where no line is lspci's.
pub(super) fn form(text: &str) -> Option<Form> {
    text.lines().find_map(|line| {
        if let Some((key, value)) = line.split_once(':')
            && matches!(key, "Slot" | "Device")
            && is_slot(value.trim())
        {
            return Some(Form::Records);
        }
        let (slot, rest) = line.split_once(' ')?;
        if !is_slot(slot) {
            return None;
        }
        if named(line).is_some() {
            Some(Form::Named)
        } else if numbers(line).is_some() {
            Some(Form::Numbers)
        } else if rest.starts_with('"') {
            Some(Form::Quoted)
        } else {
            rest.contains(": ").then_some(Form::WithoutIds)
        }
    })
}

/// The devices of a text, whatever form its lines are of.
pub(super) fn read(text: &str) -> Vec<Device> {
    let mut devices: Vec<(PciWords, Device)> = Vec::new();
    for line in text.lines() {
        if let Some(found) = named(line).or_else(|| numbers(line)).or_else(|| quoted(line)) {
            devices.push(found);
        } else if let Some(subsystem) = subsystem(line)
            && let Some((words, _)) = devices.last_mut()
            && words.subsystem.is_none()
        {
            words.subsystem = Some(subsystem);
        }
    }
    devices.extend(records(text));
    let finished = devices
        .into_iter()
        .filter_map(|(words, device)| Some(Device { modalias: words.modalias()?, ..device }));
    finished.collect()
}

/// `[DDDD:]BB:DD.F`.
fn is_slot(word: &str) -> bool {
    let parts: Vec<&str> = word.split([':', '.']).collect();
    let wanted: &[&[usize]] = match parts.len() {
        3 => &[&[2], &[2], &[1]],
        4 => &[&[4, 5, 6, 8], &[2], &[2], &[1]],
        _ => return false,
    };
    word.matches('.').count() == 1 && parts.iter().zip(wanted).all(|(part, lengths)| is_hex(part, lengths))
}

/// With the domain, as the kernel writes it.
fn address(slot: &str) -> String {
    if slot.matches(':').count() == 1 { format!("0000:{slot}") } else { slot.to_owned() }
}

fn named(line: &str) -> Option<(PciWords, Device)> {
    let (slot, rest) = line.split_once(' ')?;
    let (kind, rest) = rest.split_once("]: ")?;
    let class = kind.rsplit_once('[')?.1;
    if !is_slot(slot) || !is_hex(class, &[4]) {
        return None;
    }
    let (name, id, after) = last_id(rest)?;
    let class = class.to_owned() + &interface(after);
    let device = Device { name: name.to_owned(), address: address(slot), ..Device::new("") };
    Some((PciWords { id: Some(id), subsystem: None, class }, device))
}

/// Class and ids as bare numbers; older lspci writes `Class 0200:`.
fn numbers(line: &str) -> Option<(PciWords, Device)> {
    let (slot, rest) = line.split_once(' ')?;
    let rest = rest.strip_prefix("Class ").unwrap_or(rest);
    let (class, rest) = rest.split_once(": ")?;
    if !is_slot(slot) || !is_hex(class, &[4]) {
        return None;
    }
    let (id, after) = rest.split_at_checked(9)?;
    let class = class.to_owned() + &interface(after);
    let device = Device { address: address(slot), ..Device::new("") };
    Some((PciWords { id: Some(id.parse().ok()?), subsystem: None, class }, device))
}

/// The programming interface behind the id: `(rev 01) (prog-if 02 [NVM Express])`.
fn interface(after: &str) -> String {
    let digits = after.split_once("(prog-if ").and_then(|(_, rest)| rest.get(..2)).unwrap_or_default();
    if is_hex(digits, &[2]) { digits.to_owned() } else { String::new() }
}

/// `Subsystem: Dell NetXtreme BCM5720 [1028:1f5b]`, or with `-n` the numbers alone.
fn subsystem(line: &str) -> Option<PciId> {
    let text = line.trim_start().strip_prefix("Subsystem: ")?.trim();
    text.parse().ok().or_else(|| last_id(text).map(|(_, id, _)| id))
}

/// The last `[vvvv:dddd]` of a text, what stands before and what behind it.
fn last_id(text: &str) -> Option<(&str, PciId, &str)> {
    text.rmatch_indices('[').find_map(|(at, _)| {
        let id = text.get(at + 1..at + 10)?.parse().ok()?;
        let after = text.get(at + 10..)?.strip_prefix(']')?;
        Some((text[..at].trim_end(), id, after))
    })
}

/// `-mm`: fields in quotes, `-rXX` and `-pXX` between them.
fn quoted(line: &str) -> Option<(PciWords, Device)> {
    let (slot, rest) = line.split_once(' ')?;
    if !is_slot(slot) || !rest.starts_with('"') {
        return None;
    }
    // Every second piece stands between quotes; a quote inside is written `\"`.
    let rest = rest.replace("\\\"", "'");
    let pieces: Vec<&str> = rest.split('"').collect();
    let fields: Vec<&str> = pieces.iter().skip(1).step_by(2).copied().collect();
    let [class, vendor, device, more @ ..] = fields.as_slice() else { return None };
    let progif = pieces.iter().step_by(2).flat_map(|piece| piece.split(' '));
    let progif = progif.filter_map(|word| word.strip_prefix("-p")).find(|word| is_hex(word, &[2]));
    let id = pair(vendor, device)?;
    let subsystem = match more {
        [vendor, device, ..] => pair(vendor, device),
        _ => None,
    };
    let class = number(class)?.1.to_owned() + progif.unwrap_or_default();
    let device = Device { name: names(vendor, device), address: address(slot), ..Device::new("") };
    Some((PciWords { id: Some(id), subsystem, class }, device))
}

/// `-vmm`: records of `Key:<tab>value`, divided by empty lines.
fn records(text: &str) -> Vec<(PciWords, Device)> {
    let mut found = Vec::new();
    for record in text.split("\n\n") {
        let value = |key: &str| {
            record.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
        };
        // Before pciutils 3, `Device` stood for the slot, too.
        let slot = value("Slot").or_else(|| value("Device").filter(|value| is_slot(value)));
        let device = record
            .lines()
            .filter_map(|line| line.strip_prefix("Device:"))
            .map(str::trim)
            .find(|value| !is_slot(value));
        let (Some(slot), Some(vendor), Some(device)) = (slot, value("Vendor"), device) else { continue };
        let Some(id) = pair(vendor, device) else { continue };
        let subsystem = value("SVendor").zip(value("SDevice")).and_then(|(v, d)| pair(v, d));
        let class = value("Class").and_then(number).map(|(_, digits)| digits).unwrap_or_default();
        let progif = value("ProgIf").filter(|word| is_hex(word, &[2])).unwrap_or_default();
        let class = if class.is_empty() { String::new() } else { format!("{class}{progif}") };
        let device = Device { name: names(vendor, device), address: address(slot), ..Device::new("") };
        found.push((PciWords { id: Some(id), subsystem, class }, device));
    }
    found
}

/// Name and number of a word: `Intel Corporation [8086]`, or the bare number.
fn number(word: &str) -> Option<(&str, &str)> {
    let word = word.trim();
    if is_hex(word, &[4]) {
        return Some(("", word));
    }
    let (name, rest) = word.rsplit_once('[')?;
    let digits = rest.strip_suffix(']')?;
    is_hex(digits, &[4]).then_some((name.trim_end(), digits))
}

fn pair(vendor: &str, device: &str) -> Option<PciId> {
    format!("{}:{}", number(vendor)?.1, number(device)?.1).parse().ok()
}

fn names(vendor: &str, device: &str) -> String {
    let name = |word| number(word).map(|(name, _)| name).unwrap_or_default();
    format!("{} {}", name(vendor), name(device)).trim().to_owned()
}
