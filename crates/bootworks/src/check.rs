//! `bootworks check`: the proof for a built line, on the console, as Markdown or as JSON.
//!
//! The verdicts and the words are `model::proof`'s; here they are asked for and shown.

use crate::initrd::evidence;
use crate::{Ending, line_folder, profiles, report};
use model::failure::{Explain as _, Failure, Result};
use model::line::Hardware;
use model::outputs::{FOLDER, LIST, Outputs};
use model::profile::Profile;
use model::proof::report::{Checked, Colour, json, markdown, table};
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
    let live = live_os(&arguments.line)?;
    let checked = hold(&live, profiles, &hardware);
    Ok(show(&live, &checked, None, arguments))
}

/// `bootworks check --initrd`: the same for an initrd that no line of ours made.
fn run_on_initrd(initrd: &Path, arguments: &Arguments) -> Result<Ending> {
    let named: Result<Vec<Profile>> = arguments.hardware.iter().map(|name| profiles::open(name)).collect();
    let evidence = evidence::read(initrd, arguments.modules.as_deref())?;
    let mut checked = hold(&evidence.live, named?, &Hardware::default());
    for finding in checked.iter_mut().flat_map(|checked| &mut checked.proof.devices) {
        evidence.fix(finding);
    }
    Ok(show(&evidence.live, &checked, Some(evidence.title(initrd)), arguments))
}

fn show(live: &LiveOs, checked: &[Checked], title: Option<String>, arguments: &Arguments) -> Ending {
    if arguments.json {
        report::say(&json(checked).to_string());
    } else if arguments.markdown {
        report::say(markdown(live, checked).trim_end());
    } else {
        title.iter().for_each(|title| report::say(title));
        table(live, checked, colour()).iter().for_each(|line| report::say(line));
    }
    if checked.iter().all(|checked| checked.proof.covered) { Ending::Well } else { Ending::No }
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
        let live = live_os(folder.path()).unwrap();
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
        .assert_eq(&said(live_os(folder.path()).unwrap_err()));
    }
}
