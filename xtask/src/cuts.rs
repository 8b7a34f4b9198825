//! Power that goes at random instants of an installation: each box has to be finished afterwards, and none may start from
//! a disk that is half written.
//!
//! The instants are drawn from a seed, so that a run can be had again. The table is written as it grows, and a run of hours
//! that was stopped goes on where it was.

use crate::shell::{Result, Stop, note, say};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many cuts are made where nobody says.
const USUAL: u32 = 5;
/// What the boxes are, in turn. QEMU has no boot ROM for igb: the rehearsal puts the kernel into the box's memory, and a
/// cut costs half a minute less.
const BOXES: [&str; 2] = ["nic=igb,disk=nvme", "firmware=uefi,nic=igb,disk=virtio-scsi-pci"];
/// Head of the table's columns.
const COLUMNS: &str = "| cut after | box | in step | writes since the last flush | its disk alone | then |\n| --- | --- | --- | --- | --- | --- |\n";

/// Cuts the power `count` times, each time of another installation of the example line.
pub(crate) fn run(count: Option<&str>, seed: Option<&str>) -> Result<()> {
    let number = |text: Option<&str>, usual: u32| -> Result<u32> {
        let parsed = text.map(str::parse).transpose();
        parsed
            .map(|number| number.unwrap_or(usual))
            .map_err(|error| Stop::new(format!("not a number: {error}")))
    };
    let (count, seed) = (number(count, USUAL)?, number(seed, 1)?);
    let programs = crate::programs::build()?;
    let folder = crate::programs::target().join("cuts");
    let line = lay_line(&programs.bootworks, &folder)?;
    let mut run = Run::resume(folder.join(format!("cuts-{seed}.md")), seed)?;
    if run.rows > 0 {
        note(&format!("{} has {} rows already; going on", run.table.display(), run.rows));
    }
    while run.cuts < count {
        let hardware = BOXES[run.rows as usize % BOXES.len()];
        let after = run.next_instant(&programs.bootworks, &line, hardware)?;
        note(&format!(
            "cut {} of {count}: {hardware}, {after:.1} s after the plan was confirmed",
            run.cuts + 1
        ));
        let seen = rehearse(&programs.bootworks, &line, hardware, Some(after))?;
        run.note(after, hardware, &seen)?;
    }
    say(&run.text);
    say(&format!(
        "{} cuts: {} finished and none of these started half-written; the table is {}",
        run.cuts,
        run.cuts - run.failed,
        run.table.display()
    ));
    if run.failed == 0 { Ok(()) } else { Err(Stop::new(format!("{} cuts did not end well", run.failed))) }
}

/// The line of `bootworks new` with a smaller kernel in its appliance, so that hundreds of installations are a matter of
/// hours. It is made anew each time; what was built of it stays.
fn lay_line(bootworks: &Path, folder: &Path) -> Result<PathBuf> {
    let (line, made) = (folder.join("line"), folder.join("line.new"));
    let failed = |error: std::io::Error| Stop::new(format!("cannot lay {}: {error}", line.display()));
    std::fs::create_dir_all(&line).map_err(failed)?;
    let _ = std::fs::remove_dir_all(&made);
    let new = Command::new(bootworks).arg("new").arg(&made).stdout(Stdio::null()).status().map_err(failed)?;
    let recipe = made.join("appliance.toml");
    let text = std::fs::read_to_string(&recipe).map_err(failed)?;
    let smaller = text.replace("\"linux-image-amd64\"", "\"linux-image-cloud-amd64\"");
    if !new.success() || smaller == text {
        return Err(Stop::new(format!("{} is not the example line that is known here", recipe.display())));
    }
    std::fs::write(&recipe, smaller).map_err(failed)?;
    let copied = Command::new("cp").arg("-a").arg(made.join(".")).arg(&line).status().map_err(failed)?;
    if !copied.success() {
        return Err(Stop::new(format!("cannot copy {} to {}", made.display(), line.display())));
    }
    std::fs::remove_dir_all(&made).map_err(failed)?;
    Ok(line)
}

/// A run of cuts, as far as it is.
struct Run {
    table: PathBuf,
    text: String,
    state: u64,
    /// Rows of the table.
    rows: u32,
    /// Rows whose box lost its power before it was finished.
    cuts: u32,
    failed: u32,
    /// How long an installation takes, in seconds, of each kind of box; measured when it is needed.
    seconds: [Option<f64>; BOXES.len()],
}

impl Run {
    /// Takes up a table where it was left, or begins one.
    fn resume(table: PathBuf, seed: u32) -> Result<Run> {
        let begin = format!("seed {seed}\n\n{COLUMNS}");
        let text = std::fs::read_to_string(&table).ok().filter(|text| text.starts_with(&begin));
        let text = text.unwrap_or(begin.clone());
        let mut run = Run {
            table,
            text: begin.clone(),
            state: u64::from(seed),
            rows: 0,
            cuts: 0,
            failed: 0,
            seconds: [None; BOXES.len()],
        };
        for row in text.trim_start_matches(&begin).lines() {
            run.draw();
            run.count(row);
        }
        Ok(run)
    }

    fn count(&mut self, row: &str) {
        self.rows += 1;
        self.cuts += u32::from(!row.contains(BEFORE));
        self.failed += u32::from(row.contains(UNFINISHED) || row.contains(HALF_WRITTEN));
        let _ = writeln!(self.text, "{row}");
    }

    /// The next instant of that kind of box, in seconds after its plan was confirmed.
    fn next_instant(&mut self, bootworks: &Path, line: &Path, hardware: &str) -> Result<f64> {
        let kind = self.rows as usize % BOXES.len();
        let seconds = match self.seconds[kind] {
            Some(seconds) => seconds,
            None => {
                note(&format!("an installation without a cut, to know how long one takes: {hardware}"));
                let whole = rehearse(bootworks, line, hardware, None)?;
                whole
                    .installing()
                    .ok_or_else(|| Stop::new("the box was not finished without a cut either"))?
            }
        };
        self.seconds[kind] = Some(seconds);
        Ok(seconds * self.draw())
    }

    /// The next number between 0 and 1 (Knuth's MMIX generator).
    fn draw(&mut self) -> f64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn note(&mut self, after: f64, hardware: &str, seen: &Seen) -> Result<()> {
        self.count(&format!(
            "| {after:.1} s | `{hardware}` | {} | {} | {} | {} |",
            seen.step,
            seen.lost,
            seen.alone,
            if seen.is_ready { "finished, appliance ready" } else { UNFINISHED }
        ));
        std::fs::write(&self.table, &self.text)
            .map_err(|error| Stop::new(format!("cannot write {}: {error}", self.table.display())))
    }
}

const BEFORE: &str = "finished before";
const UNFINISHED: &str = "NOT FINISHED";
const HALF_WRITTEN: &str = "STARTED HALF-WRITTEN";

/// What a rehearsal showed.
struct Seen {
    step: String,
    lost: String,
    alone: &'static str,
    is_ready: bool,
    text: String,
}

impl Seen {
    /// From the confirmation of the plan to the end, in seconds.
    fn installing(&self) -> Option<f64> {
        let at = |label: &str| -> Option<f64> {
            let line = self.text.lines().find(|line| line.contains(label))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let seconds = at("powered off")? - at("plan confirmed")?;
        self.is_ready.then_some(seconds)
    }
}

fn rehearse(bootworks: &Path, line: &Path, hardware: &str, cut: Option<f64>) -> Result<Seen> {
    let mut command = Command::new(bootworks);
    command.arg("rehearse").arg(line).args(["--box", hardware]);
    if let Some(after) = cut {
        command.arg("--fault").arg(format!("power-cut@{after:.1}s"));
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output =
        output.map_err(|error| Stop::new(format!("cannot start {}: {error}", bootworks.display())))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let cut = text.lines().find_map(|line| line.split_once("lost its power in "));
    let (step, lost) = cut.and_then(|(_, told)| told.split_once("; of ")).unwrap_or(("none", ""));
    let step = step.trim_start_matches("step ");
    let alone = if text.contains("started from its half-written disk") {
        HALF_WRITTEN
    } else if text.contains("its disk started a kernel") {
        "sealed, started"
    } else if text.contains("its disk started nothing") {
        "nothing started"
    } else {
        BEFORE
    };
    let lost = lost
        .replace(" writes since the last flush", ":")
        .replace(" are lost", " lost")
        .replace("0: 0 lost and 0 torn", "none");
    Ok(Seen { step: step.replace('`', ""), lost, alone, is_ready: output.status.success(), text })
}
