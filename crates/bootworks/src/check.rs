//! `bootworks check`: the proof for a built line, on the console, as Markdown or as JSON.
//!
//! The verdicts and the words are `model::proof`'s; here they are asked for and shown.

use crate::initrd::evidence;
use crate::{Ending, line_folder, profiles, report};
use model::failure::{Explain as _, Failure, Result};
use model::line::Hardware;
use model::outputs::{FOLDER, LIST, LiveOutputs, Outputs};
use model::profile::Profile;
use model::proof::nic::sends_to_fallback;
use model::proof::report::{self as proof_report, Checked, Colour, markdown, table};
use model::proof::{self, LiveOs};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

/// Arguments of `check`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The line's folder
    #[arg(default_value = ".", value_name = "LINE")]
    line: PathBuf,
    /// Profiles that come with bootworks (see `bootworks hardware show`) or files with profiles, lspci -nn output,
    /// modaliases, lshw -json or Redfish, in place of what the line itself must boot
    #[arg(long, value_name = "NAME|FILE", num_args = 1..)]
    hardware: Vec<String>,
    /// Check this initrd, of any distribution, instead of a line's build
    #[arg(long, value_name = "FILE", requires = "hardware")]
    initrd: Option<PathBuf>,
    /// The modules beside the initrd: /lib/modules/RELEASE, a folder of several releases, or a root
    #[arg(long, value_name = "DIR", requires = "initrd")]
    modules: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print Markdown, for a change request
    #[arg(long)]
    markdown: bool,
}

/// `bootworks check`: exit code 1 where anything is missing.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    if let Some(initrd) = &arguments.initrd {
        return run_on_initrd(initrd, arguments);
    }
    let hardware = hardware(&arguments.line)?;
    let profiles = profiles(&arguments.line, &arguments.hardware, &hardware)?;
    let (live, fallback) = live_systems(&arguments.line)?;
    Ok(show(&hold_line(live, fallback, profiles, &hardware), arguments))
}

/// `bootworks check --initrd`: the same for an initrd that no line of ours made.
fn run_on_initrd(initrd: &Path, arguments: &Arguments) -> Result<Ending> {
    let named: Result<Vec<Profile>> = arguments.hardware.iter().map(|name| profiles::open(name)).collect();
    let evidence = evidence::read(initrd, arguments.modules.as_deref())?;
    let mut checked = hold(&evidence.live, named?, &Hardware::default());
    for finding in checked.iter_mut().flat_map(|checked| &mut checked.proof.devices) {
        evidence.fix(finding);
    }
    let title = Some(evidence.title(initrd));
    Ok(show(&[Held { title, live: evidence.live, checked }], arguments))
}

fn show(held: &[Held], arguments: &Arguments) -> Ending {
    if arguments.json {
        report::say(&json(held).to_string());
    } else if arguments.markdown {
        let parts: Vec<String> = held
            .iter()
            .map(|held| {
                let text = markdown(&held.live, &held.checked);
                let title = held.title.as_deref().filter(|_| held.live.view.is_whole());
                title.map_or(text.clone(), |title| format!("{title}\n\n{text}"))
            })
            .collect();
        report::say(parts.join("\n").trim_end());
    } else {
        tables(held, colour()).iter().for_each(|line| report::say(line));
    }
    if held.iter().all(Held::is_covered) { Ending::Well } else { Ending::No }
}

/// A live OS and the profiles whose boxes are sent into it, with their proofs.
#[derive(Debug)]
pub(crate) struct Held {
    /// What stands above its table.
    title: Option<String>,
    /// The live OS.
    pub(crate) live: LiveOs,
    checked: Vec<Checked>,
}

impl Held {
    /// Whether it boots all of them.
    pub(crate) fn is_covered(&self) -> bool {
        self.checked.iter().all(|checked| checked.proof.covered)
    }
}

/// What stands above the table of a fallback.
const OF_FALLBACK: &str = "[live.fallback], for boxes whose boot NIC has no driver in [live]:";

/// Holds each profile against the live OS that its boxes are sent into: the fallback only where the server sends them
/// there whichever NIC they boot from.
pub(crate) fn hold_line(
    live: LiveOs,
    fallback: Option<LiveOs>,
    profiles: Vec<Profile>,
    hardware: &Hardware,
) -> Vec<Held> {
    let Some(fallback) = fallback else {
        let checked = hold(&live, profiles, hardware);
        return vec![Held { title: None, live, checked }];
    };
    // A NIC that the fallback does not cover either is refused by the server, with what [live] lacks.
    let goes =
        |profile: &Profile| sends_to_fallback(&live, profile) && !sends_to_fallback(&fallback, profile);
    let (second, first): (Vec<Profile>, Vec<Profile>) = profiles.into_iter().partition(goes);
    let mut held = Vec::new();
    let title = (!second.is_empty()).then(|| "[live]:".to_owned());
    if !first.is_empty() {
        let checked = hold(&live, first, hardware);
        held.push(Held { title, live, checked });
    }
    if !second.is_empty() {
        let checked = hold(&fallback, second, hardware);
        held.push(Held { title: Some(OF_FALLBACK.to_owned()), live: fallback, checked });
    }
    held
}

/// The tables of all of them, one below the other.
pub(crate) fn tables(held: &[Held], colour: Colour) -> Vec<String> {
    let mut lines = Vec::new();
    for Held { title, live, checked } in held {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(title.clone());
        lines.extend(table(live, checked, colour));
    }
    lines
}

/// One object for all of them; what is said of a profile is said of the live OS that its boxes are sent into.
pub(crate) fn json(held: &[Held]) -> serde_json::Value {
    proof_report::json(held.iter().flat_map(|held| &held.checked))
}

/// Holds a live OS against profiles, with the line's exceptions.
pub(crate) fn hold(live: &LiveOs, profiles: Vec<Profile>, hardware: &Hardware) -> Vec<Checked> {
    let held = profiles.into_iter().map(|profile| {
        let mut proof = proof::check(live, &profile.candidates());
        proof.except(&profile.name, &hardware.exceptions);
        Checked { profile, proof }
    });
    held.collect()
}

/// Red for people at a terminal who have not asked for none (<https://no-color.org>).
pub(crate) fn colour() -> Colour {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted && std::io::stdout().is_terminal() { Colour::Terminal } else { Colour::Plain }
}

/// What the line says of its hardware; nothing where only its outputs are there.
fn hardware(line: &Path) -> Result<Hardware> {
    match line.join(model::line::FILE).exists() || line.is_file() {
        true => Ok(line_folder::open(line)?.line().hardware.clone()),
        false => Ok(Hardware::default()),
    }
}

/// What the last build made, as the proof knows it: the live OS, and its fallback where there is one.
fn live_systems(line: &Path) -> Result<(LiveOs, Option<LiveOs>)> {
    let folder = line.join(FOLDER);
    let list = folder.join(LIST);
    let not_built = || format!("cannot read {}", list.display());
    let text = std::fs::read(&list).or_fail(not_built).map_err(|failure| {
        failure.hint(format!("`bootworks build {}` first: the finished live OS is examined", line.display()))
    })?;
    let outputs: Outputs = serde_json::from_slice(&text).or_fail(not_built)?;
    let read = |live: &LiveOutputs| -> Result<LiveOs> {
        let drivers = folder.join(&live.drivers.path);
        let bytes = std::fs::read(&drivers).or_fail(|| format!("cannot read {}", drivers.display()))?;
        serde_json::from_slice(&bytes)
            .or_fail(|| format!("{} is not of this program's build", drivers.display()))
    };
    Ok((read(&outputs.live)?, outputs.fallback.as_ref().map(read).transpose()?))
}

/// The profiles to check: those named, else what the line itself must boot.
fn profiles(line: &Path, named: &[String], hardware: &Hardware) -> Result<Vec<Profile>> {
    if !named.is_empty() {
        return named.iter().map(|name| profiles::open(name)).collect();
    }
    if !line.exists() {
        return Err(Failure::new(format!("there is no line in `{}`", line.display()))
            .because("there is no such folder")
            .hint("`bootworks new DIR` makes a line"));
    }
    let own = profiles::of_line(line, hardware)?;
    if own.is_empty() {
        let folder = line.join(profiles::FOLDER);
        return Err(Failure::new(format!("there is no hardware to check against in {}", folder.display()))
            .because("the folder has no profiles, and line.toml [hardware] names none")
            .hint("`bootworks check --hardware FILE`, with the output of `lspci -nnk` on the server, or --hardware dell-r740"));
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use model::hardware::DeviceClass;
    use model::modules::alias::AliasTable;
    use std::collections::{BTreeMap, BTreeSet};

    const LSPCI: &str = "00:1f.2 SATA controller [0106]: Intel C610 [AHCI mode] [8086:8d02]\n\
        01:00.0 Ethernet controller [0200]: Broadcom NetXtreme BCM5720 [14e4:165f]\n\
        03:00.0 Non-Volatile memory controller [0108]: Samsung [144d:a808] (rev 01)\n";

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

    /// From what was built and what was sent to the verdict, and a shipped profile beside it.
    #[test]
    fn a_built_line_is_held_against_what_was_sent() {
        let folder = line();
        let named = [folder.path().join("r740.txt").display().to_string(), "dell-r620".to_owned()];
        let profiles = profiles(folder.path(), &named, &Hardware::default()).unwrap();
        assert_eq!(profiles[1].title(), "dell-r620 (Dell Inc. PowerEdge R620)");
        let live = live_systems(folder.path()).unwrap().0;
        let checked = hold(&live, profiles[..1].to_vec(), &Hardware::default());
        expect![[r#"
            live OS: kernel 6.1.0-49-cloud-amd64 from linux-image-cloud-amd64

            r740
              ok       storage 8086:8d02 ahci          Intel C610 [AHCI mode]
              ok       storage 144d:a808 nvme (kernel) Samsung
              MISSING  network 14e4:165f tg3           Broadcom NetXtreme BCM5720
                       not in linux-image-cloud-amd64; linux-image-amd64 has it

            notes
              matched by what is known of the device, and certain only if the rest fits:
              ahci, nvme

            to change in line.toml [live], then `bootworks lock` and `bootworks build`
              kernel = "linux-image-amd64" (for tg3)

            not proven here: that the drivers work with the cards' own firmware, cabling,
                             VLANs, settings of switch and BIOS, Secure Boot policy
            NOT covered: 1 of 3 network and storage devices lack something"#]]
        .assert_eq(&table(&live, &checked, Colour::Plain).join("\n"));
    }

    /// A box with a NIC that only the fallback drives is judged by the fallback; one that boots from a NIC of the first
    /// is not, and lacks what it lacks.
    #[test]
    fn a_profile_is_held_against_the_live_os_that_its_boxes_are_sent_into() {
        let folder = line();
        let live = || live_systems(folder.path()).unwrap().0;
        let mut second =
            LiveOs { kernel: "linux-image-amd64".into(), release: "6.1.0-49-amd64".into(), ..live() };
        second.initrd.insert("tg3".into());
        let profile = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            profiles::open(&path.display().to_string()).unwrap()
        };
        let sent = || {
            let disks = "01:00.0 Non-Volatile memory controller [0108]: Samsung [144d:a808]\n";
            vec![profile("r740.txt", LSPCI), profile("disks.txt", disks)]
        };
        let held = hold_line(live(), Some(second), sent(), &Hardware::default());
        assert!(held.iter().all(Held::is_covered));
        assert_eq!(json(&held)["covered"], true);
        expect![[r#"
            [live]:
            live OS: kernel 6.1.0-49-cloud-amd64 from linux-image-cloud-amd64

            disks
              ok       storage 144d:a808 nvme (kernel) Samsung

            notes
              matched by what is known of the device, and certain only if the rest fits:
              nvme

            not proven here: that the drivers work with the cards' own firmware, cabling,
                             VLANs, settings of switch and BIOS, Secure Boot policy
            covered: 1 network and storage devices have driver and firmware

            [live.fallback], for boxes whose boot NIC has no driver in [live]:
            live OS: kernel 6.1.0-49-amd64 from linux-image-amd64

            r740
              ok       storage 8086:8d02 ahci          Intel C610 [AHCI mode]
              ok       network 14e4:165f tg3           Broadcom NetXtreme BCM5720
              ok       storage 144d:a808 nvme (kernel) Samsung

            notes
              matched by what is known of the device, and certain only if the rest fits:
              ahci, nvme

            not proven here: that the drivers work with the cards' own firmware, cabling,
                             VLANs, settings of switch and BIOS, Secure Boot policy
            covered: 3 network and storage devices have driver and firmware"#]]
        .assert_eq(&tables(&held, Colour::Plain).join("\n"));
        // A fallback that lacks the driver as well sends nobody anywhere.
        let held = hold_line(live(), Some(live()), sent(), &Hardware::default());
        assert_eq!((held.len(), held[0].is_covered()), (1, false));
    }

    /// A line's own profiles are those of its folder and those that it names.
    #[test]
    fn a_line_names_what_it_must_boot() {
        let folder = line();
        std::fs::create_dir(folder.path().join("hardware")).unwrap();
        std::fs::write(folder.path().join("hardware/own.toml"), "[[device]]\nid = \"14e4:165f\"\n").unwrap();
        let hardware = Hardware { profiles: vec!["hpe-dl360-gen10".into()], exceptions: Vec::new() };
        let found = profiles(folder.path(), &[], &hardware).unwrap();
        let names: Vec<&str> = found.iter().map(|profile| profile.name.as_str()).collect();
        assert_eq!(names, ["own", "hpe-dl360-gen10"]);
    }

    /// A check that has nothing to look at must not pass.
    #[test]
    fn nothing_to_check_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let said = |failure: Failure| failure.report().replace(&folder.path().display().to_string(), "LINE");
        expect![[r#"
            error: there is no hardware to check against in LINE/hardware
            because: the folder has no profiles, and line.toml [hardware] names none
            hint: `bootworks check --hardware FILE`, with the output of `lspci -nnk` on the server, or --hardware dell-r740"#]].assert_eq(&said(profiles(folder.path(), &[], &Hardware::default()).unwrap_err()));
        expect![[r#"
            error: cannot read LINE/.build/outputs.json
            because: No such file or directory (os error 2)
            hint: `bootworks build LINE` first: the finished live OS is examined"#]]
        .assert_eq(&said(live_systems(folder.path()).unwrap_err()));
    }
}
