//! Hardware profiles: what a kind of server has, from a line's `hardware/*.toml`, from `lspci -nn`, or from a
//! list of modaliases.
//!
//! A source may know a device in part only; what it does not know stays unknown in the modalias.

use crate::failure::{Explain as _, Failure, Result};
use crate::hardware::PciId;
use crate::mistake::Mistake;
use crate::modules::pattern;
use crate::proof::Candidate;
use serde::Deserialize;

/// A kind of server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What it is called.
    pub name: String,
    /// Its devices.
    pub devices: Vec<Candidate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenProfile {
    name: Option<String>,
    #[serde(default)]
    device: Vec<WrittenDevice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDevice {
    modalias: Option<String>,
    id: Option<PciId>,
    class: Option<WrittenClass>,
    #[serde(default)]
    name: String,
}

/// The PCI classes that a profile may name where it has the id alone.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenClass {
    Ethernet,
    Storage,
    Usb,
}

/// Reads a profile from a file's text. `file` is its name as the person knows it; its stem names the profile
/// that has no name of its own.
///
/// Errors: not what a profile may say; no device recognised, which is never a pass.
pub fn read(file: &str, text: &str) -> Result<Profile> {
    let stem = file.rsplit('/').next().unwrap_or(file);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    let profile = if file.ends_with(".toml") {
        read_toml(file, stem, text)?
    } else {
        Profile { name: stem.to_owned(), devices: read_lines(text) }
    };
    if profile.devices.is_empty() {
        return Err(Failure::new(format!("no device is recognised in {file}"))
            .because("it has neither lines of `lspci -nn` nor modaliases nor [[device]] tables")
            .hint("`lspci -nnk > FILE` on the server, or `cat /sys/bus/*/devices/*/modalias > FILE`"));
    }
    Ok(profile)
}

fn read_toml(file: &str, stem: &str, text: &str) -> Result<Profile> {
    let written: WrittenProfile = toml::from_str(text).map_err(|error| {
        let at = Mistake::new(file, text, error.span().unwrap_or_default(), error.message().to_owned(), None);
        Failure::new(format!("{file} is no hardware profile")).because(format!(
            "{}: {}",
            at.place(),
            at.message
        ))
    })?;
    let mut devices = Vec::new();
    for (number, device) in written.device.into_iter().enumerate() {
        let modalias = match (device.modalias, device.id) {
            (Some(modalias), None) => modalias,
            (None, Some(id)) => match device.class {
                Some(class) => pci_modalias(id, None, Some(class_words(class))),
                None => pattern::pci_modalias(id),
            },
            _ => {
                return Err(Failure::new(format!("{file} is no hardware profile"))
                    .because(format!("[[device]] number {} needs either `modalias` or `id`", number + 1)));
            }
        };
        devices.push(Candidate { modalias, name: device.name });
    }
    Ok(Profile { name: written.name.unwrap_or_else(|| stem.to_owned()), devices })
}

/// Class and subclass in hex.
fn class_words(class: WrittenClass) -> (&'static str, &'static str) {
    match class {
        WrittenClass::Ethernet => ("02", "00"),
        // The subclass tells SATA from RAID; which of them, the drivers know by the id.
        WrittenClass::Storage => ("01", "??"),
        WrittenClass::Usb => ("0C", "03"),
    }
}

/// The modalias of a PCI device as far as it is known.
fn pci_modalias(id: PciId, subsystem: Option<PciId>, class: Option<(&str, &str)>) -> String {
    let (class, subclass) = class.unwrap_or(("??", "??"));
    let subsystem = match subsystem {
        Some(id) => format!("sv{:08X}sd{:08X}", id.vendor, id.device),
        None => "sv????????sd????????".to_owned(),
    };
    format!(
        "pci:v{:08X}d{:08X}{subsystem}bc{}sc{}i??",
        id.vendor,
        id.device,
        class.to_ascii_uppercase(),
        subclass.to_ascii_uppercase()
    )
}

/// Reads lines of `lspci -nn` (with `-k`, `-v`: subsystems are taken) and modaliases, mixed as they come.
fn read_lines(text: &str) -> Vec<Candidate> {
    let mut devices: Vec<Candidate> = Vec::new();
    let mut open: Option<(PciId, String)> = None;
    for line in text.lines() {
        if let Some((id, class, name)) = lspci_line(line) {
            open = Some((id, class.to_owned()));
            let modalias = pci_modalias(id, None, class.get(..2).zip(class.get(2..)));
            devices.push(Candidate { modalias, name: name.to_owned() });
        } else if let Some(subsystem) = subsystem_line(line) {
            if let (Some((id, class)), Some(last)) = (open.take(), devices.last_mut()) {
                last.modalias = pci_modalias(id, Some(subsystem), class.get(..2).zip(class.get(2..)));
            }
        } else if let Some(modalias) = modalias_line(line) {
            open = None;
            devices.push(Candidate { modalias: modalias.to_owned(), name: String::new() });
        }
    }
    devices
}

/// `01:00.0 Ethernet controller [0200]: Broadcom … BCM5720 [14e4:165f] (rev 02)`: id, class, name.
fn lspci_line(line: &str) -> Option<(PciId, &str, &str)> {
    let (slot, rest) = line.split_once(' ')?;
    let is_slot = slot.len() >= 7
        && slot.as_bytes().get(slot.len() - 2) == Some(&b'.')
        && slot.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.');
    let (kind, rest) = rest.split_once("]: ")?;
    let class = kind.rsplit_once('[')?.1;
    if !is_slot || class.len() != 4 || !class.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (name, id) = last_id(rest)?;
    Some((id, class, name))
}

/// `Subsystem: Dell NetXtreme BCM5720 [1028:1f5b]`.
fn subsystem_line(line: &str) -> Option<PciId> {
    last_id(line.trim_start().strip_prefix("Subsystem: ")?).map(|(_, id)| id)
}

/// The last `[vvvv:dddd]` of a text, and what stands before it.
fn last_id(text: &str) -> Option<(&str, PciId)> {
    text.rmatch_indices('[').find_map(|(at, _)| {
        let id = text.get(at + 1..at + 10)?.parse().ok()?;
        text[at + 10..].starts_with(']').then(|| (text[..at].trim_end(), id))
    })
}

/// A modalias at the end of a line; `grep . /sys/bus/*/devices/*/modalias` puts the file's name before it.
fn modalias_line(line: &str) -> Option<&str> {
    let line = line.trim();
    let word = line.split_once("/modalias:").map_or(line, |(_, word)| word);
    let (bus, rest) = word.split_once(':')?;
    let is_bus = !bus.is_empty() && bus.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (is_bus && !rest.is_empty() && !word.contains(char::is_whitespace)).then_some(word)
}

impl Profile {
    /// Gives names to devices that have none.
    pub fn named(mut self, name: impl Fn(PciId) -> Option<String>) -> Profile {
        for device in self.devices.iter_mut().filter(|device| device.name.is_empty()) {
            let known = crate::proof::pci_id(&device.modalias).and_then(&name);
            device.name = known.unwrap_or_default();
        }
        self
    }
}

/// Reads a profile out of a file's bytes; what is not text is no profile.
pub fn read_bytes(file: &str, bytes: &[u8]) -> Result<Profile> {
    let text = std::str::from_utf8(bytes).or_fail(|| format!("{file} is not text"))?;
    read(file, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn shown(file: &str, text: &str, expected: Expect) {
        let text = match read(file, text) {
            Ok(profile) => {
                let lines =
                    profile.devices.iter().map(|device| format!("\n{} {}", device.modalias, device.name));
                profile.name.clone() + &lines.collect::<String>()
            }
            Err(failure) => failure.report(),
        };
        expected.assert_eq(&text);
    }

    /// The forms people have at hand when a server stands in another building.
    #[test]
    fn each_form_gives_devices() {
        shown(
            "r740.txt",
            "# lspci -nnk\n\
             01:00.0 Ethernet controller [0200]: Broadcom Inc. NetXtreme BCM5720 2-port [x] PCIe [14e4:165f] (rev 02)\n\
             \tSubsystem: Dell NetXtreme BCM5720 [1028:1f5b]\n\
             \tKernel driver in use: tg3\n\
             0000:18:00.0 RAID bus controller [0104]: Broadcom / LSI MegaRAID SAS-3 3108 [Invader] [1000:005d] (rev 02)\n\
             /sys/bus/usb/devices/1-1:1.0/modalias:usb:v0BDAp8153d3000dc00dsc00dp00icFFiscFFip00in00\n\
             virtio:d00000001v00001AF4\n\
             nothing: to see here\n",
            expect![[r#"
                r740
                pci:v000014E4d0000165Fsv00001028sd00001F5Bbc02sc00i?? Broadcom Inc. NetXtreme BCM5720 2-port [x] PCIe
                pci:v00001000d0000005Dsv????????sd????????bc01sc04i?? Broadcom / LSI MegaRAID SAS-3 3108 [Invader]
                usb:v0BDAp8153d3000dc00dsc00dp00icFFiscFFip00in00 
                virtio:d00000001v00001AF4 "#]],
        );
        shown(
            "hardware/r740.toml",
            "name = \"Dell R740\"\n[[device]]\nid = \"14e4:165f\"\nclass = \"ethernet\"\n\
             [[device]]\nmodalias = \"virtio:d00000001v00001AF4\"\nname = \"NIC\"\n[[device]]\nid = \"1000:005d\"\n",
            expect![[r#"
                Dell R740
                pci:v000014E4d0000165Fsv????????sd????????bc02sc00i?? 
                virtio:d00000001v00001AF4 NIC
                pci:v00001000d0000005Dsv????????sd????????bc??sc??i?? "#]],
        );
    }

    /// An inventory nobody can read must never come out as "covered".
    #[test]
    fn what_is_not_recognised_is_refused() {
        shown(
            "empty.txt",
            "total 0\n",
            expect![[r#"
                error: no device is recognised in empty.txt
                because: it has neither lines of `lspci -nn` nor modaliases nor [[device]] tables
                hint: `lspci -nnk > FILE` on the server, or `cat /sys/bus/*/devices/*/modalias > FILE`"#]],
        );
        shown(
            "a.toml",
            "[[device]]\nnmae = 1\n",
            expect![[r#"
                error: a.toml is no hardware profile
                because: a.toml:2:1: unknown field `nmae`, expected one of `modalias`, `id`, `class`, `name`"#]],
        );
        shown(
            "a.toml",
            "[[device]]\nid = \"14e4:165\"\n",
            expect![[r#"
                error: a.toml is no hardware profile
                because: a.toml:2:6: not a PCI id (vendor:device in hex, like 8086:10d3)"#]],
        );
        shown(
            "a.toml",
            "[[device]]\nname = \"x\"\n",
            expect![[r#"
            error: a.toml is no hardware profile
            because: [[device]] number 1 needs either `modalias` or `id`"#]],
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String, lines in "(01:00.0 |[a-f0-9:. \\[\\]]|\n){0,40}") {
            let _ = read("a.toml", &text);
            let _ = read("a.txt", &text);
            let _ = read("a.txt", &lines);
        }
    }
}
