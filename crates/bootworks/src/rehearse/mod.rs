//! `bootworks rehearse`: the whole line with a virtual box, from power-on to a ready appliance.
//!
//! The network is a private one, the server is the real one, the box is QEMU. What is broken on purpose
//! and which diagnosis is demanded are arguments, so this is also how whole boots are tested.

mod accelerator;
mod cable;
mod console;
mod course;
mod fault;
mod harm;
mod machine;
mod memory;
mod models;
mod network;
mod qmp;
mod relay;
mod server;
mod spoil;
mod stick;
mod tpm;
mod virtual_box;
mod write_cache;

use crate::line_folder::{self, LineFolder};
use crate::{Ending, build, report};
use course::{Course, Outcome, Start};
use fault::Fault;
use machine::{Ailment, Boot, Chassis, Direct};
use model::diagnosis::{self, Verdict};
use model::failure::{Explain as _, Failure, Result};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use virtual_box::{BootRoad, VirtualBox};

/// Take a virtual box from power-on to a finished appliance.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The line's folder
    #[arg(default_value = ".")]
    line: PathBuf,
    /// What the box is made of: `firmware=bios|uefi`, `secure-boot=on|off`, `rom=ipxe|none`, `nic=MODEL[:down]|none`, `disk=MODEL|none`,
    /// `disk-size=8G`, `disk-sector=4096`, `memory=1G`, `cpu=MODEL`, `cpus=1`, `tpm=2`, `clock=2001-01-01`; nic and disk may stand
    /// several times, the first NIC boots
    #[arg(long = "box", value_name = "KEY=VALUE,…", default_value = "")]
    hardware: String,
    /// What is broken on purpose; `--fault list` says what there is
    #[arg(long, value_name = "NAME")]
    fault: Vec<String>,
    /// Succeed if, and only if, this cause is diagnosed
    #[arg(long, value_name = "ID")]
    expect: Option<String>,
    /// Answer the questions here, on the box's console, instead of from the line's `[rehearsal]` table
    #[arg(long)]
    console: bool,
    /// Put this kernel into the box's memory instead of booting from the network
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// The initrd to go with --kernel
    #[arg(long, value_name = "FILE", requires = "kernel")]
    initrd: Option<PathBuf>,
    /// The kernel command line to go with --kernel
    #[arg(long, value_name = "WORDS", requires = "kernel", default_value = "console=ttyS0,115200n8")]
    append: String,
    /// Keep the finished box's disks in this folder
    #[arg(long, value_name = "FOLDER")]
    keep_disks: Option<PathBuf>,
    /// Start the box from finished disks that --keep-disks kept in this folder, instead of installing it
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["kernel", "keep_disks"])]
    disks: Option<PathBuf>,
    /// Install the box over disks that --keep-disks kept in this folder, of this line or of another: a server that was used
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["kernel", "disks"])]
    used_disks: Option<PathBuf>,
    /// Succeed as soon as the console shows this text, and stop there
    #[arg(long, value_name = "TEXT")]
    until: Option<String>,
    /// Give up when nothing new was heard of the box for this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    patience: u64,
    /// One JSON object on standard output instead of text
    #[arg(long)]
    json: bool,
}

/// Runs the rehearsal.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    let hardware: VirtualBox = arguments.hardware.parse()?;
    if arguments.fault.iter().any(|name| name == "list") {
        fault::list().iter().for_each(|line| report::say(line));
        return Ok(Ending::Well);
    }
    let faults = arguments.fault.iter().map(|text| text.parse()).collect::<Result<Vec<Fault>>>()?;
    check_pulls(&faults, &hardware)?;
    check_disks(&faults, &hardware)?;
    check_tpm(&faults, &hardware)?;
    check_second_starts(&faults, &hardware, arguments)?;
    let line = line_folder::open(&arguments.line)?;
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new("a rehearsal needs root")
            .because("it makes a private network, and the build configures packages in a root of their own")
            .hint("run the same command with `sudo`"));
    }
    models::check(&hardware)?;
    let outputs = match build::build(line.folder())? {
        build::made::Outcome::Made(made) => made.into_outputs(),
        build::made::Outcome::Uncovered(uncovered) => return Ok(build::refuse(&uncovered, arguments.json)),
    };
    let folder = new_folder(&line.rehearsals())?;
    let chassis = Chassis {
        accelerator: accelerator::probe(
            &line.outputs().join(&outputs.live.kernel.path),
            build::store::Store::open()?.folder(),
        ),
        loader_cd: line.outputs().join(&outputs.loader_cd.path),
        loader_efi: line.outputs().join(&outputs.loader_efi.path),
        cable: faults.iter().find_map(|fault| match fault {
            Fault::Cable(fault) => Some(*fault),
            _ => None,
        }),
        ailment: faults.iter().find_map(|fault| match fault {
            Fault::Disks(ailment) => Some(*ailment),
            _ => None,
        }),
        folder: folder.clone(),
        hardware,
        loses_power: faults.iter().any(Fault::cuts_power),
        before: arguments.disks.clone().or_else(|| arguments.used_disks.clone()),
        harm: faults.iter().find_map(|fault| match fault {
            Fault::Appliance(harm) => Some(*harm),
            _ => None,
        }),
        has_stick: faults.iter().any(|fault| matches!(fault, Fault::StickInserted(_))),
    };
    say(arguments, &format!("box: {}", chassis.hardware.describe()));
    let start = choose_start(arguments, &chassis);
    chassis.furnish()?;
    arguments.disks.as_ref().map_or(Ok(()), |finished| memory::copy(finished, &folder))?;
    let served = spoil::spoil(&line.outputs(), &outputs, &folder, &faults)?;
    let settings = server::Settings {
        line: line.folder().to_owned(),
        folder: folder.clone(),
        outputs: served,
        answers: if arguments.console { None } else { Some(write_answers(&line, &folder)?) },
        proof_ignored: faults.contains(&Fault::IgnoreProof),
    };
    network::lay(&line.line().network, chassis.hardware.nics.len())?;
    let course = Course {
        chassis: &chassis,
        line: line.line(),
        faults,
        expected: arguments.expect.clone(),
        start,
        keep: arguments.keep_disks.clone(),
        until: arguments.until.clone(),
        patience: Duration::from_secs(arguments.patience),
        typed: arguments.console,
        quiet: arguments.json,
    };
    let outcome = course.run(&settings);
    chassis.scrap();
    let _ = std::fs::remove_dir_all(folder.join("outputs"));
    conclude(arguments, &folder, &outcome?)
}

/// A TPM that the box has not cannot be cleared.
fn check_tpm(faults: &[Fault], hardware: &VirtualBox) -> Result<()> {
    if hardware.tpm || !faults.contains(&Fault::TpmCleared) {
        return Ok(());
    }
    Err(Failure::new("the box has no TPM that could be cleared").hint("`--box tpm=2`"))
}

/// A box that never booted from the network does not do so a second time; nor does the server send one to its disk that
/// it does not know.
fn check_second_starts(faults: &[Fault], hardware: &VirtualBox, arguments: &Arguments) -> Result<()> {
    if !faults.iter().any(|fault| matches!(fault, Fault::NetworkFirst | Fault::InstalledAgain)) {
        return Ok(());
    }
    let cannot = || Failure::new("the box cannot be started from the network a second time");
    if arguments.kernel.is_some() {
        return Err(cannot().because("its kernel is put into its memory").hint("leave `--kernel` out"));
    }
    if let Some(folder) = arguments.disks.as_ref().filter(|folder| !memory::is_in(folder)) {
        return Err(cannot()
            .because(format!("{} does not have what the server knew of it", folder.display()))
            .hint("keep its disks once more with `--keep-disks`"));
    }
    match hardware.nics.first() {
        Some(nic) if !matches!(nic.boot_road(), BootRoad::Memory(_)) => Ok(()),
        Some(nic) => Err(cannot()
            .because(format!("over {} the rehearsal puts kernel and initrd into its memory", nic.model))
            .hint("`--box nic=e1000e`")),
        None => Err(cannot().because("it has no NIC").hint("`--box nic=e1000e`")),
    }
}

/// A disk that the box has not cannot be pulled: the rehearsal would show nothing.
fn check_pulls(faults: &[Fault], hardware: &VirtualBox) -> Result<()> {
    let disks = hardware.disks.len();
    let beyond = faults.iter().find_map(|fault| match fault {
        Fault::DiskPulled(number) if *number > disks => Some(number),
        _ => None,
    });
    match beyond {
        None => Ok(()),
        Some(number) => Err(Failure::new(format!("the box has no disk {number} that could be pulled"))
            .because(format!("--box gives it {disks}"))
            .hint("name each disk: `--box disk=nvme,disk=nvme`")),
    }
}

/// Only an NVMe disk of QEMU's says how it is. A disk whose writes are kept for a power cut cannot be ill besides: one of the faults would not be there.
fn check_disks(faults: &[Fault], hardware: &VirtualBox) -> Result<()> {
    let other = hardware.disks.iter().find(|model| *model != "nvme");
    if let (Some(other), true) = (other, faults.contains(&Fault::Disks(Ailment::Failing))) {
        return Err(Failure::new(format!("QEMU's {other} cannot say of itself that it is failing"))
            .hint("`--box disk=nvme`"));
    }
    let is_ill = faults.iter().any(|fault| matches!(fault, Fault::Disks(_)));
    if is_ill && faults.iter().any(Fault::cuts_power) {
        return Err(Failure::new("cannot cut the power of a box whose disks are ill")
            .hint("one of `power-cut` and `disk-…-fail`, `disk-read-only` at a time"));
    }
    Ok(())
}

/// What the box boots from, and a word where that is not its own firmware over the network.
fn choose_start(arguments: &Arguments, chassis: &Chassis) -> Start {
    if let Some(kernel) = &arguments.kernel {
        let (initrd, words) = (arguments.initrd.clone(), arguments.append.clone());
        return Start::Itself(Boot::Direct(Direct { kernel: kernel.clone(), initrd, words }));
    }
    if arguments.disks.is_some() {
        return Start::Itself(Boot::Disk { without: None });
    }
    let model = chassis.hardware.nics.first().map(|nic| nic.model.as_str()).unwrap_or_default();
    match chassis.boot_road() {
        BootRoad::Rom => Start::Itself(Boot::Network),
        BootRoad::Medium => {
            say(arguments, &format!("QEMU has no boot ROM for {model}: iPXE comes from a virtual medium"));
            Start::Itself(Boot::Network)
        }
        BootRoad::Memory(nic) => {
            say(
                arguments,
                &format!("QEMU has no boot ROM for {model}, and its model is deaf to iPXE: the rehearsal"),
            );
            say(
                arguments,
                "asks the server in iPXE's words and puts kernel and initrd into the box's memory",
            );
            Start::Relayed(nic)
        }
    }
}

fn say(arguments: &Arguments, line: &str) {
    if arguments.json { report::note(line) } else { report::say(line) }
}

/// Prints the verdict and turns it into the exit code.
fn conclude(arguments: &Arguments, folder: &Path, outcome: &Outcome) -> Result<Ending> {
    let from_log = log_causes(&folder.join("console.log"))?;
    let well = match (&arguments.expect, &arguments.until) {
        (Some(id), _) => outcome.told(id) || from_log.first() == Some(&id.as_str()),
        (None, Some(_)) => outcome.until_seconds.is_some(),
        (None, None) => outcome.finished && outcome.ready,
    };
    if arguments.json {
        let object = json!({
            "well": well,
            "finished": outcome.finished,
            "ready": outcome.ready,
            "interrupted": outcome.interrupted,
            "rungs": outcome.rungs.iter().map(|(rung, seconds)| json!({ "rung": rung, "seconds": seconds })).collect::<Vec<_>>(),
            "troubles": outcome.troubles,
            "log_causes": from_log,
            "kernel_seconds": outcome.kernel_seconds,
            "until_seconds": outcome.until_seconds,
            "verdict": outcome.verdict,
            "folder": folder,
        });
        report::say(&object.to_string());
    } else {
        for trouble in &outcome.troubles {
            report::say(&format!("\n{}: {}", trouble.cause, trouble.sentence));
            for line in &trouble.evidence {
                report::say(&format!("  {line}"));
            }
            for fix in &trouble.fix {
                report::say(&format!("  fix: {fix}"));
            }
        }
        if let Some(id) = &arguments.expect {
            let told = if outcome.told(id) { "yes" } else { "no" };
            let read = if from_log.first() == Some(&id.as_str()) { "yes" } else { "no" };
            report::say(&format!("\n{id}: on the timeline {told}, from the console's log alone {read}"));
        }
        report::say(&format!("\n{}", outcome.verdict));
        report::say(&format!("logs: {}", folder.display()));
    }
    Ok(match (outcome.interrupted, well) {
        (true, _) => Ending::Interrupted,
        (false, true) => Ending::Well,
        (false, false) => Ending::No,
    })
}

/// What the box's console says of itself, judged as `bootworks diagnose` does: causes, the likeliest first.
fn log_causes(log: &Path) -> Result<Vec<&'static str>> {
    let octets = match std::fs::read(log) {
        Ok(octets) => octets,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).or_fail(|| format!("cannot read {}", log.display())),
    };
    Ok(match diagnosis::diagnose(&octets).verdict {
        Verdict::Failed(findings) => findings.iter().map(|finding| finding.cause.id).collect(),
        // What a line is only like was not found.
        Verdict::Well | Verdict::Alike(_) | Verdict::Unknown(_) | Verdict::Nothing => Vec::new(),
    })
}

/// A folder for this rehearsal's logs, named by a number that goes up.
fn new_folder(parent: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(parent).or_fail(|| format!("cannot make {}", parent.display()))?;
    let numbers = std::fs::read_dir(parent).or_fail(|| format!("cannot read {}", parent.display()))?;
    let last = numbers.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    let mut number = last.unwrap_or(0) + 1;
    loop {
        let folder = parent.join(format!("{number:04}"));
        match std::fs::create_dir(&folder) {
            Ok(()) => {
                return std::path::absolute(&folder).or_fail(|| format!("cannot find {}", folder.display()));
            }
            // Another rehearsal of the line took the number in the meantime.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error).or_fail(|| format!("cannot make {}", folder.display())),
        }
    }
}

fn write_answers(line: &LineFolder, folder: &Path) -> Result<PathBuf> {
    let path = folder.join("answers.json");
    let text = serde_json::to_string(&line.line().rehearsal.answers)
        .or_fail(|| "cannot write the answers".into())?;
    std::fs::write(&path, text).or_fail(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use expect_test::expect;

    /// The arguments as they are typed.
    #[derive(clap::Parser)]
    struct Typed {
        #[command(flatten)]
        arguments: Arguments,
    }

    /// A rehearsal that pulls nothing would pass for one that did.
    #[test]
    fn only_disks_that_are_there_are_pulled() {
        let hardware: VirtualBox = "disk=nvme,disk=nvme".parse().unwrap();
        assert!(check_pulls(&[Fault::DiskPulled(1), Fault::DiskPulled(2)], &hardware).is_ok());
        expect![[r#"
            error: the box has no disk 3 that could be pulled
            because: --box gives it 2
            hint: name each disk: `--box disk=nvme,disk=nvme`"#]]
        .assert_eq(&check_pulls(&[Fault::DiskPulled(3)], &hardware).unwrap_err().report());
    }

    /// A server that does not know the box would install it, and the rehearsal would show nothing of what it is for.
    #[test]
    fn only_what_booted_from_the_network_does_so_again() {
        let refusal = |hardware: &str, arguments: &[&str]| {
            let hardware: VirtualBox = hardware.parse().unwrap();
            let arguments = Typed::parse_from([&["rehearse"], arguments].concat()).arguments;
            let faults = ["network-first", "installed-again"].map(|text| text.parse().unwrap());
            let checked = faults.map(|fault| check_second_starts(&[fault], &hardware, &arguments));
            let reports = checked.map(|checked| checked.map_err(|failure| failure.report()));
            assert_eq!(reports[0], reports[1]);
            reports[0].clone().err().unwrap_or_default()
        };
        assert_eq!(refusal("nic=e1000e", &[]), "");
        expect![[r#"
            error: the box cannot be started from the network a second time
            because: over igb the rehearsal puts kernel and initrd into its memory
            hint: `--box nic=e1000e`"#]]
        .assert_eq(&refusal("nic=igb", &[]));
        expect![[r#"
            error: the box cannot be started from the network a second time
            because: it has no NIC
            hint: `--box nic=e1000e`"#]]
        .assert_eq(&refusal("nic=none", &[]));
        expect![[r#"
            error: the box cannot be started from the network a second time
            because: folder does not have what the server knew of it
            hint: keep its disks once more with `--keep-disks`"#]]
        .assert_eq(&refusal("nic=e1000e", &["--disks", "folder"]));
        expect![[r#"
            error: the box cannot be started from the network a second time
            because: its kernel is put into its memory
            hint: leave `--kernel` out"#]]
        .assert_eq(&refusal("nic=e1000e", &["--kernel", "vmlinuz"]));
    }

    #[test]
    fn ill_disks_keep_their_power() {
        let faults = ["disk-writes-fail", "power-cut@image:50%"].map(|text| text.parse().unwrap());
        let hardware = VirtualBox::default();
        assert!(check_disks(&faults[..1], &hardware).is_ok() && check_disks(&faults[1..], &hardware).is_ok());
        expect![[r#"
            error: cannot cut the power of a box whose disks are ill
            hint: one of `power-cut` and `disk-…-fail`, `disk-read-only` at a time"#]]
        .assert_eq(&check_disks(&faults, &hardware).unwrap_err().report());
        let mute: VirtualBox = "disk=nvme,disk=ahci".parse().unwrap();
        expect![[r#"
            error: QEMU's ahci cannot say of itself that it is failing
            hint: `--box disk=nvme`"#]]
        .assert_eq(&check_disks(&["disk-failing".parse().unwrap()], &mute).unwrap_err().report());
    }
}
