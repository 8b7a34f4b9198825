//! `bootworks check`: holds what a line's build made against hardware and says what is missing and where to
//! get it. The verdicts are `model::proof`'s; here they are asked for and shown.

use crate::initrd::evidence;
use crate::{Ending, report};
use model::failure::{Explain as _, Failure, Result};
use model::hardware::{DeviceClass, PciId};
use model::outputs::{FOLDER, LIST, Outputs};
use model::profile::{self, Profile};
use model::proof::{self, Finding, LiveOs, Place, Proof, Status};
use std::path::{Path, PathBuf};

/// Folder of a line that has its hardware profiles.
const PROFILES: &str = "hardware";
/// Columns of a console.
const WIDTH: usize = 79;

/// Arguments of `check`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The line's folder
    #[arg(default_value = ".", value_name = "LINE")]
    line: PathBuf,
    /// Hardware profiles, `lspci -nn` output or lists of modaliases, instead of the line's hardware/*.toml
    #[arg(long, value_name = "FILE", num_args = 1..)]
    hardware: Vec<PathBuf>,
    /// Check this initrd, of any distribution, instead of a line's build
    #[arg(long, value_name = "FILE", requires = "hardware")]
    initrd: Option<PathBuf>,
    /// The modules beside the initrd: /lib/modules/RELEASE, a folder of several releases, or a root
    #[arg(long, value_name = "DIR", requires = "initrd")]
    modules: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// `bootworks check`: exit code 1 where anything is missing.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    let profiles = profiles(&arguments.line, &arguments.hardware)?;
    let (live, evidence) = match &arguments.initrd {
        None => (live_os(&arguments.line)?, None),
        Some(initrd) => {
            let evidence = evidence::read(initrd, arguments.modules.as_deref())?;
            (evidence.live.clone(), Some((initrd, evidence)))
        }
    };
    let checked: Vec<(Profile, Proof)> = profiles
        .into_iter()
        .map(|profile| {
            let mut proof = proof::check(&live, &profile.devices);
            if let Some((_, evidence)) = &evidence {
                proof.devices.iter_mut().for_each(|finding| evidence.fix(finding));
            }
            (profile, proof)
        })
        .collect();
    if arguments.json {
        report::say(&json(&checked).to_string());
    } else {
        if let Some((initrd, evidence)) = &evidence {
            report::say(&evidence.title(initrd));
        }
        text(&live, &checked).iter().for_each(|line| report::say(line));
    }
    Ok(if checked.iter().all(|(_, proof)| proof.covered) { Ending::Well } else { Ending::No })
}

/// What the last build made, as the proof knows it.
fn live_os(line: &Path) -> Result<LiveOs> {
    let folder = line.join(FOLDER);
    let list = folder.join(LIST);
    let not_built = || format!("cannot read {}", list.display());
    let text = std::fs::read(&list).or_fail(not_built).map_err(|failure| {
        failure.hint(format!("`bootworks build {}` first: the finished live OS is examined", line.display()))
    })?;
    let outputs: Outputs = serde_json::from_slice(&text).or_fail(not_built)?;
    let drivers = folder.join(&outputs.live.drivers.path);
    let bytes = std::fs::read(&drivers).or_fail(|| format!("cannot read {}", drivers.display()))?;
    serde_json::from_slice(&bytes).or_fail(|| format!("{} is not of this program's build", drivers.display()))
}

/// The profiles to check: those named, else the line's own.
fn profiles(line: &Path, named: &[PathBuf]) -> Result<Vec<Profile>> {
    let files = if named.is_empty() { own_profiles(line)? } else { named.to_vec() };
    files
        .iter()
        .map(|file| {
            let bytes = std::fs::read(file).or_fail(|| format!("cannot read {}", file.display()))?;
            Ok(profile::read_bytes(&file.display().to_string(), &bytes)?.named(pci_name))
        })
        .collect()
}

fn own_profiles(line: &Path) -> Result<Vec<PathBuf>> {
    let folder = line.join(PROFILES);
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    files.sort();
    if files.is_empty() {
        return Err(Failure::new(format!("there is no hardware to check against in {}", folder.display()))
            .hint("`bootworks check --hardware FILE`, with the output of `lspci -nnk` on the server"));
    }
    Ok(files)
}

/// What pci.ids calls a device.
pub(crate) fn pci_name(id: PciId) -> Option<String> {
    let device = pci_ids::Device::from_vid_pid(id.vendor, id.device)?;
    let vendor = device.vendor().name();
    // `Intel Corporation` is Intel; a console has 80 columns.
    let vendor = vendor.split_once([',', '(']).map_or(vendor, |(short, _)| short).trim();
    let forms = [" Corporation", " Inc. and subsidiaries", " Inc.", " Inc", " Corp.", " Ltd.", " Co."];
    let vendor = forms.iter().find_map(|form| vendor.strip_suffix(form)).unwrap_or(vendor);
    Some(format!("{vendor} {}", device.name()))
}

/// The documented object: every device of every profile, with the profile it is from.
fn json(checked: &[(Profile, Proof)]) -> serde_json::Value {
    let devices = checked.iter().flat_map(|(profile, proof)| {
        proof.devices.iter().map(move |finding| {
            let mut device = serde_json::json!(finding);
            device["profile"] = serde_json::json!(profile.name);
            device
        })
    });
    serde_json::json!({
        "covered": checked.iter().all(|(_, proof)| proof.covered),
        "devices": devices.collect::<Vec<_>>(),
    })
}

/// The report for people: what is missing comes last, where the eye is.
fn text(live: &LiveOs, checked: &[(Profile, Proof)]) -> Vec<String> {
    let mut lines = Vec::new();
    if live.view.is_whole() {
        lines.push(format!("live OS: kernel {} from {}", live.release, live.kernel));
    }
    for (profile, proof) in checked {
        let (mut counting, rest): (Vec<&Finding>, Vec<&Finding>) =
            proof.devices.iter().partition(|finding| finding.counts());
        counting.sort_by_key(|finding| finding.status != Status::Covered);
        lines.push(String::new());
        lines.push(profile.name.clone());
        counting.iter().for_each(|finding| lines.extend(device_lines(live, finding)));
        lines.extend(rest_line(&rest));
        if counting.is_empty() {
            lines.push("  no network and no storage device is in this profile".into());
        }
    }
    let all: Vec<&Finding> =
        checked.iter().flat_map(|(_, proof)| &proof.devices).filter(|finding| finding.counts()).collect();
    let missing = all.iter().filter(|finding| finding.status != Status::Covered).count();
    lines.push(String::new());
    lines.push(match missing {
        _ if all.is_empty() => "NOT covered: there is no network and no storage device to prove".to_owned(),
        0 => format!("covered: {} network and storage devices have driver and firmware", all.len()),
        _ => format!("NOT covered: {missing} of {} network and storage devices lack something", all.len()),
    });
    lines
}

fn device_lines(live: &LiveOs, finding: &Finding) -> Vec<String> {
    let verdict = if finding.status == Status::Covered { "ok     " } else { "MISSING" };
    let class = if finding.class == DeviceClass::Ethernet { "network" } else { "storage" };
    let id = finding.id.as_deref().unwrap_or(&finding.modalias);
    let mut head = format!("  {verdict} {class} {id} {}", finding.name);
    if head.chars().count() > WIDTH {
        head = head.chars().take(WIDTH - 1).chain(['…']).collect();
    }
    let mut lines = vec![head.trim_end().to_owned()];
    let mut below = |text: String| lines.extend(wrapped(&text, 10));
    below(verdict_words(live, finding));
    if let Some(fix) = finding.fix.as_ref().filter(|_| finding.status != Status::Covered) {
        below(match live.view.is_whole() {
            true => format!("fix: {fix} in line.toml [live]"),
            false => format!("fix: {fix}"),
        });
    }
    if let Some(remark) = &finding.remark {
        below(format!("note: {remark}"));
    }
    lines
}

fn verdict_words(live: &LiveOs, finding: &Finding) -> String {
    let drivers = finding.drivers.join(", ");
    if !live.view.is_whole()
        && let Some(words) = initrd_words(&drivers, finding)
    {
        return words;
    }
    match (finding.status, finding.place) {
        (Status::Covered, Place::Builtin) => format!("{drivers}: built into the kernel"),
        (Status::Covered, Place::Root) => format!("{drivers}: in the root"),
        (Status::Covered, _) => format!("{drivers}: in the initrd"),
        (Status::DriverUnknown, _) => "no kernel of this suite has a driver for it".to_owned(),
        (Status::FirmwareMissing, _) => {
            format!("{drivers}: driver there, firmware not: {}", finding.firmware_missing.join(", "))
        }
        (Status::DriverMissing, Place::Root) => format!("{drivers}: in the root, but not in the initrd"),
        (Status::DriverMissing, _) => match &finding.package {
            Some(package) => format!("{drivers}: not in {}; package {package} has it", live.kernel),
            None => format!("{drivers}: not in {}", live.kernel),
        },
    }
}

/// What is said of an initrd otherwise than of a line's build.
fn initrd_words(drivers: &str, finding: &Finding) -> Option<String> {
    match (finding.status, finding.place) {
        (Status::DriverUnknown, _) if drivers.is_empty() => {
            Some("no driver for it is known, in the initrd or beside it".to_owned())
        }
        (Status::DriverUnknown, _) => Some(format!("{drivers}: whether it is there is not known")),
        (Status::DriverMissing, Place::Root) => {
            Some(format!("{drivers}: in the modules beside the initrd, but not in it"))
        }
        (Status::DriverMissing, _) => Some(format!("{drivers}: not in the initrd, and not built in")),
        _ => None,
    }
}

/// Devices that decide nothing, in one line.
fn rest_line(rest: &[&Finding]) -> Option<String> {
    let known = rest.iter().filter(|finding| finding.status == Status::Covered).count();
    let noun = if rest.len() == 1 { "device" } else { "devices" };
    (!rest.is_empty()).then(|| format!("  {} other {noun}, {known} with a driver", rest.len()))
}

/// Words in lines of at most [`WIDTH`] columns, indented.
fn wrapped(text: &str, indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= WIDTH) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(format!("{}{word}", " ".repeat(indent))),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use model::modules::alias::AliasTable;
    use std::collections::{BTreeMap, BTreeSet};

    const LSPCI: &str = "00:1f.2 SATA controller [0106]: Intel C610 [AHCI mode] [8086:8d02]\n\
        01:00.0 Ethernet controller [0200]: Broadcom NetXtreme BCM5720 2-port Gigabit Ethernet PCIe with a very long name [14e4:165f]\n\
        02:00.0 Ethernet controller [0200]: Somebody's newest [fffe:0001]\n\
        03:00.0 Non-Volatile memory controller [0108]: Samsung [144d:a808] (rev 01)\n\
        04:00.0 VGA compatible controller [0300]: Matrox G200eR2 [102b:0534]\n";

    /// A line whose live OS is the cloud kernel's, as a build leaves it.
    fn line() -> tempfile::TempDir {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let live = LiveOs {
            release: "6.1.0-49-cloud-amd64".into(),
            kernel: "linux-image-cloud-amd64".into(),
            builtin: set(&["nvme"]),
            initrd: set(&["ahci", "sd_mod"]),
            aliases: AliasTable::of([
                ("pci:v000014E4d0000165Fsv*sd*bc*sc*i*", "tg3"),
                ("pci:v*d*sv*sd*bc01sc06i01*", "ahci"),
                ("pci:v*d*sv*sd*bc01sc08i02*", "nvme"),
                ("scsi:t-0x00*", "sd_mod"),
            ]),
            classes: BTreeMap::from([
                (DeviceClass::Ethernet, set(&["tg3"])),
                (DeviceClass::Storage, set(&["ahci", "nvme", "sd_mod"])),
            ]),
            packages: BTreeMap::from([("tg3".into(), vec!["linux-image-amd64".into()])]),
            ..LiveOs::default()
        };
        let file = |path: &str| serde_json::json!({"path": path, "bytes": 1, "sha256": ""});
        let outputs = serde_json::json!({
            "line": "edge", "build": "", "lock": "",
            "live": {
                "digest": "", "release": "", "kernel": file("kernel"), "initrd": file("initrd"),
                "squashfs": file("root.squashfs"), "tree": "tree", "drivers": file("drivers.json"),
            },
            "image": file("image"), "image_unpacked_bytes": 1,
            "loader_bios": file("bios"), "loader_efi": file("efi"), "loader_cd": file("cd"),
        });
        let folder = tempfile::tempdir().unwrap();
        let built = folder.path().join(FOLDER);
        std::fs::create_dir(&built).unwrap();
        std::fs::write(built.join(LIST), outputs.to_string()).unwrap();
        std::fs::write(built.join("drivers.json"), serde_json::to_vec(&live).unwrap()).unwrap();
        std::fs::write(folder.path().join("r740.txt"), LSPCI).unwrap();
        folder
    }

    fn checked(folder: &Path) -> (LiveOs, Vec<(Profile, Proof)>) {
        let live = live_os(folder).unwrap();
        let profiles = profiles(folder, &[folder.join("r740.txt")]).unwrap();
        let checked = profiles.into_iter().map(|profile| {
            let proof = proof::check(&live, &profile.devices);
            (profile, proof)
        });
        (live.clone(), checked.collect())
    }

    /// What the engineer reads the day before the servers arrive.
    #[test]
    fn people_read_a_table_with_the_missing_last() {
        let folder = line();
        let (live, checked) = checked(folder.path());
        expect![[r#"
            live OS: kernel 6.1.0-49-cloud-amd64 from linux-image-cloud-amd64

            r740
              ok      storage 8086:8d02 Intel C610 [AHCI mode]
                      ahci, sd_mod: in the initrd
                      note: ahci fits if the parts of the id that are not known fit
              ok      storage 144d:a808 Samsung
                      nvme: built into the kernel
                      note: nvme fits if the parts of the id that are not known fit
              MISSING network 14e4:165f Broadcom NetXtreme BCM5720 2-port Gigabit Ethernet…
                      tg3: not in linux-image-cloud-amd64; package linux-image-amd64 has it
                      fix: kernel = "linux-image-amd64" in line.toml [live]
              MISSING network fffe:0001 Somebody's newest
                      no kernel of this suite has a driver for it
              1 other device, 0 with a driver

            NOT covered: 2 of 4 network and storage devices lack something"#]]
        .assert_eq(&text(&live, &checked).join("\n"));
    }

    /// Scripts rely on these names.
    #[test]
    fn scripts_read_one_object() {
        let folder = line();
        let (_, checked) = checked(folder.path());
        let json = json(&checked);
        assert_eq!(json["covered"], false);
        expect![[r#"
            {
              "class": "ethernet",
              "drivers": [
                "tg3"
              ],
              "firmware_missing": [],
              "fix": "kernel = \"linux-image-amd64\"",
              "id": "14e4:165f",
              "modalias": "pci:v000014E4d0000165Fsv????????sd????????bc02sc00i??",
              "name": "Broadcom NetXtreme BCM5720 2-port Gigabit Ethernet PCIe with a very long name",
              "package": "linux-image-amd64",
              "profile": "r740",
              "status": "driver-missing",
              "where": "absent"
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&json["devices"][1]).unwrap());
    }

    /// A check that has nothing to look at must not pass.
    #[test]
    fn nothing_to_check_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let said = |failure: Failure| failure.report().replace(&folder.path().display().to_string(), "LINE");
        expect![[r#"
            error: there is no hardware to check against in LINE/hardware
            hint: `bootworks check --hardware FILE`, with the output of `lspci -nnk` on the server"#]]
        .assert_eq(&said(profiles(folder.path(), &[]).unwrap_err()));
        expect![[r#"
            error: cannot read LINE/.build/outputs.json
            because: No such file or directory (os error 2)
            hint: `bootworks build LINE` first: the finished live OS is examined"#]]
        .assert_eq(&said(live_os(folder.path()).unwrap_err()));
    }
}
