//! The proof as it is read: a table for the console, Markdown for a change request, one JSON object for scripts.
//!
//! What is missing stands last, where the eye is; what the proof cannot know is said each time.

use super::{Finding, LiveOs, Place, Proof, Status};
use crate::columns::{WIDTH, cut, wrapped};
use crate::hardware::DeviceClass;
use crate::modules::pattern::Fit;
use crate::profile::Profile;
use std::collections::{BTreeMap, BTreeSet};

/// What no proof of this kind knows.
pub const NOT_PROVEN: &str = "that the drivers work with the cards' own firmware, cabling, VLANs, settings of switch and BIOS, Secure Boot policy";

/// What stands before a word on a device, below its line.
const BELOW: &str = "           ";

/// A profile and its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The profile.
    pub profile: Profile,
    /// What was found.
    pub proof: Proof,
}

/// Where the table is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// In a file or a pipe, or somebody wants no colour.
    Plain,
    /// On a terminal: what is missing is red.
    Terminal,
}

/// The table for the console.
pub fn table(live: &LiveOs, checked: &[Checked], colour: Colour) -> Vec<String> {
    let mut lines = Vec::new();
    if live.view.is_whole() {
        lines.push(live_os(live));
    }
    let mut order: Vec<&Checked> = checked.iter().collect();
    order.sort_by_key(|checked| !checked.proof.covered);
    let drivers =
        checked.iter().flat_map(|checked| &checked.proof.devices).filter(|finding| finding.counts());
    let width = drivers.map(|finding| drivers_words(finding).chars().count()).max().unwrap_or(0).clamp(6, 24);
    for Checked { profile, proof } in order {
        lines.push(String::new());
        lines.push(profile.title());
        let (mut counting, rest): (Vec<&Finding>, Vec<&Finding>) =
            proof.devices.iter().partition(|finding| finding.counts());
        counting.sort_by_key(|finding| (finding.lacks(), finding.status));
        if let Some(line) = rest_line(&rest) {
            lines.push(line);
        }
        if counting.is_empty() {
            lines.push("  no network and no storage device is in this profile".into());
        }
        for (at, finding) in counting.iter().enumerate() {
            lines.push(device_line(finding, width, colour));
            // Of several in a row that lack the same, it is said once, below the last.
            let words = below(live, finding);
            if counting.get(at + 1).is_none_or(|next| below(live, next) != words) {
                lines.extend(words.iter().flat_map(|words| wrapped(BELOW, words)));
            }
        }
    }
    let findings: Vec<&Finding> = checked
        .iter()
        .flat_map(|checked| &checked.proof.devices)
        .filter(|finding| finding.counts())
        .collect();
    lines.extend(section("notes", &notes(&findings)));
    let place = match live.view.is_whole() {
        true => "to change in line.toml [live], then `bootworks lock` and `bootworks build`",
        false => "to change",
    };
    lines.extend(section(place, &fixes(&findings)));
    lines.push(String::new());
    lines.extend(wrapped("not proven here: ", NOT_PROVEN));
    lines.push(painted(verdict(&findings), checked.iter().all(|checked| checked.proof.covered), colour));
    lines
}

fn live_os(live: &LiveOs) -> String {
    match live.kernel.as_str() {
        "" => format!("live OS: kernel {}", live.release),
        package => format!("live OS: kernel {} from {package}", live.release),
    }
}

/// The verdict over all, in one line.
fn verdict(findings: &[&Finding]) -> String {
    let missing = findings.iter().filter(|finding| finding.lacks()).count();
    let excepted = findings.iter().filter(|finding| finding.exception.is_some()).count();
    let but = match excepted {
        0 => String::new(),
        1 => "; 1 is excepted by the line".to_owned(),
        more => format!("; {more} are excepted by the line"),
    };
    match missing {
        _ if findings.is_empty() => {
            "NOT covered: there is no network and no storage device to prove".to_owned()
        }
        0 => format!(
            "covered: {} network and storage devices have driver and firmware{but}",
            findings.len() - excepted
        ),
        _ => format!(
            "NOT covered: {missing} of {} network and storage devices lack something{but}",
            findings.len()
        ),
    }
}

fn device_line(finding: &Finding, width: usize, colour: Colour) -> String {
    let class = if finding.class == DeviceClass::Ethernet { "network" } else { "storage" };
    let id = finding.id.as_deref().unwrap_or(&finding.modalias);
    let head = format!(
        "  {:<8} {class} {id:<9} {:<width$} {}",
        status_word(finding),
        drivers_words(finding),
        finding.name
    );
    painted(cut(head.trim_end(), WIDTH), !finding.lacks(), colour)
}

/// What stands below a device that is not covered: why, and why the line takes it.
fn below(live: &LiveOs, finding: &Finding) -> Vec<String> {
    if finding.status == Status::Covered {
        return Vec::new();
    }
    let exception = finding.exception.as_ref();
    let exception = exception.map(|reason| format!("the line does without it: {reason}"));
    std::iter::once(reason(live, finding)).chain(exception).collect()
}

fn status_word(finding: &Finding) -> &'static str {
    match (finding.status, &finding.exception) {
        (Status::Covered, _) => "ok",
        (_, Some(_)) => "excepted",
        (Status::DriverUnknown, None) => "UNKNOWN",
        (Status::DriverMissing | Status::FirmwareMissing, None) => "MISSING",
    }
}

/// The drivers, and where they are unless it is the initrd.
fn drivers_words(finding: &Finding) -> String {
    if finding.drivers.is_empty() {
        return "-".to_owned();
    }
    // The disks' own driver is the same behind every controller.
    let drivers: Vec<&str> =
        finding.drivers.iter().map(String::as_str).filter(|name| *name != "sd_mod").collect();
    let drivers = if drivers.is_empty() { finding.drivers.join("+") } else { drivers.join("+") };
    match (finding.status, finding.place) {
        (Status::Covered, Place::Builtin) => format!("{drivers} (kernel)"),
        (Status::Covered, Place::Root) => format!("{drivers} (root)"),
        _ => drivers,
    }
}

/// Why a device is not covered.
fn reason(live: &LiveOs, finding: &Finding) -> String {
    let kernel = match live.kernel.as_str() {
        "" if live.view.is_whole() => "this live OS",
        "" => "the initrd, and not built in",
        package => package,
    };
    match (finding.status, finding.place) {
        (Status::Covered, _) => String::new(),
        (Status::DriverUnknown, _) => match (live.view.is_whole(), &finding.remark) {
            (true, _) => "no kernel of this suite has a driver for it".to_owned(),
            (false, Some(remark)) => remark.clone(),
            (false, None) => "no driver for it is known, in the initrd or beside it".to_owned(),
        },
        (Status::DriverMissing, _) if finding.drivers.iter().any(|name| live.lacking.contains_key(name)) => {
            finding.remark.clone().unwrap_or_default()
        }
        (Status::DriverMissing, Place::Root) if !live.view.is_whole() => {
            "in the modules beside the initrd, but not in it".to_owned()
        }
        (Status::FirmwareMissing, _) => {
            let files = finding.firmware_missing.join(", ");
            let from = match &finding.package {
                Some(package) => format!("; package {package} has it"),
                None => String::new(),
            };
            let more = finding.remark.as_deref().filter(|_| finding.package.is_none());
            let more = more.map(|more| format!("; {more}")).unwrap_or_default();
            format!("the driver is there, its firmware is not: {files}{from}{more}")
        }
        (Status::DriverMissing, Place::Root) => "in the root, but not in the initrd".to_owned(),
        (Status::DriverMissing, _) => {
            let lacking: Vec<&str> = finding
                .drivers
                .iter()
                .filter(|driver| live.place(driver) == Place::Absent)
                .map(String::as_str)
                .collect();
            // The driver stands in the line above, unless it is one of several.
            let which = if lacking.len() == finding.drivers.len()
                || lacking.first() == finding.drivers.first().map(String::as_str).as_ref()
            {
                String::new()
            } else {
                format!("{}: ", lacking.join(" and "))
            };
            match finding.package.as_ref().filter(|_| finding.fix.is_some()) {
                Some(package) => format!("{which}not in {kernel}; {package} has it"),
                None => format!("{which}not in {kernel}"),
            }
        }
    }
}

/// Devices that decide nothing, in one line.
fn rest_line(rest: &[&Finding]) -> Option<String> {
    let known = rest.iter().filter(|finding| finding.status == Status::Covered).count();
    let noun = if rest.len() == 1 { "device" } else { "devices" };
    (!rest.is_empty()).then(|| format!("  {} other {noun}, {known} with a driver", rest.len()))
}

/// What is worth knowing of devices that are covered, each thing once.
fn notes(findings: &[&Finding]) -> Vec<String> {
    let mut notes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut guesses: BTreeSet<&str> = BTreeSet::new();
    for finding in findings.iter().filter(|finding| finding.status == Status::Covered) {
        let id = finding.id.as_deref().unwrap_or(&finding.modalias);
        for remark in finding.remark.iter().flat_map(|remark| remark.split("; ")) {
            match (finding.fit, finding.drivers.first()) {
                (Some(Fit::Possible), Some(driver)) if remark.starts_with(driver.as_str()) => {
                    guesses.insert(driver);
                }
                _ => {
                    notes.entry(remark).or_default().insert(id);
                }
            }
        }
    }
    let mut lines: Vec<String> = notes
        .into_iter()
        .map(|(remark, ids)| format!("{}: {remark}", ids.into_iter().collect::<Vec<_>>().join(", ")))
        .collect();
    if !guesses.is_empty() {
        let drivers = guesses.into_iter().collect::<Vec<_>>().join(", ");
        lines.push(format!(
            "matched by what is known of the device, and certain only if the rest fits: {drivers}"
        ));
    }
    lines
}

/// What to write into `line.toml`, a key a line, with the drivers that need it.
fn fixes(findings: &[&Finding]) -> Vec<String> {
    let mut fixes: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.lacks()) {
        let Some(fix) = &finding.fix else { continue };
        // `packages` has a list of the line's own: this one is added to it.
        let (before, packages) = match fix.split_once("packages = ") {
            Some((before, packages)) => {
                (before.trim_end_matches(", "), Some(packages.trim_matches(['[', ']'])))
            }
            None => (fix.as_str(), None),
        };
        let added = packages.map(|packages| format!("packages: add {packages}"));
        for key in [Some(before.to_owned()).filter(|key| !key.is_empty()), added].into_iter().flatten() {
            fixes.entry(key).or_default().extend(finding.drivers.first().map(String::as_str));
        }
    }
    let line = |(fix, drivers): (String, BTreeSet<&str>)| {
        format!("{fix} (for {})", drivers.into_iter().collect::<Vec<_>>().join(", "))
    };
    fixes.into_iter().map(line).collect()
}

fn section(title: &str, entries: &[String]) -> Vec<String> {
    if entries.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), title.to_owned()];
    lines.extend(entries.iter().flat_map(|entry| wrapped("  ", entry)));
    lines
}

/// Red where it is bad, on a terminal (ECMA-48 §8.3.117).
fn painted(line: String, well: bool, colour: Colour) -> String {
    match (colour, well) {
        (Colour::Terminal, false) => format!("\u{1b}[31m{line}\u{1b}[0m"),
        _ => line,
    }
}

/// The same as Markdown, for a change request.
pub fn markdown(live: &LiveOs, checked: &[Checked]) -> String {
    let findings: Vec<&Finding> = checked
        .iter()
        .flat_map(|checked| &checked.proof.devices)
        .filter(|finding| finding.counts())
        .collect();
    let mut text = format!("## Hardware proof\n\nThe {}.\n\n**{}**\n\n", live_os(live), verdict(&findings));
    text.push_str(
        "| profile | for | id | device | driver | verdict |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for Checked { profile, proof } in checked {
        for finding in proof.devices.iter().filter(|finding| finding.counts()) {
            let class = if finding.class == DeviceClass::Ethernet { "network" } else { "storage" };
            let mut words = match finding.status {
                Status::Covered => "ok".to_owned(),
                _ => format!("**{}**: {}", status_word(finding), reason(live, finding)),
            };
            if let Some(exception) = &finding.exception {
                words += &format!("; the line does without it: {exception}");
            }
            let id = finding.id.as_deref().unwrap_or(&finding.modalias);
            let cells = [&profile.name, class, id, &finding.name, &drivers_words(finding), &words].map(cell);
            text += &format!("| {} |\n", cells.join(" | "));
        }
    }
    let mut list = |title: &str, entries: Vec<String>| {
        if !entries.is_empty() {
            text += &format!("\n{title}:\n\n");
            text.extend(entries.iter().map(|entry| format!("- {entry}\n")));
        }
    };
    list("Notes", notes(&findings));
    list(
        if live.view.is_whole() { "To change in `line.toml` [live]" } else { "To change" },
        fixes(&findings).iter().map(|fix| format!("`{}`", fix.replace('`', "'"))).collect(),
    );
    text + &format!("\nNot proven: {NOT_PROVEN}.\n")
}

/// A table's cell ends with its bar and its line.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// The documented object: every device of every profile, with the profile it is from.
pub fn json<'c>(checked: impl IntoIterator<Item = &'c Checked>) -> serde_json::Value {
    let checked: Vec<&Checked> = checked.into_iter().collect();
    let devices = checked.iter().flat_map(|Checked { profile, proof }| {
        proof.devices.iter().map(move |finding| {
            let mut device = serde_json::json!(finding);
            device["profile"] = serde_json::json!(profile.name);
            device
        })
    });
    let profiles = checked.iter().map(|Checked { profile, proof }| {
        serde_json::json!({
            "name": profile.name, "vendor": profile.vendor, "product": profile.product, "covered": proof.covered,
        })
    });
    serde_json::json!({
        "covered": checked.iter().all(|checked| checked.proof.covered),
        "devices": devices.collect::<Vec<_>>(),
        "profiles": profiles.collect::<Vec<_>>(),
        "not_proven": NOT_PROVEN,
    })
}
