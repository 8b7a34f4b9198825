//! Power that goes at random instants of an installation: each box has to be finished afterwards, and none may start from
//! a disk that is half written.
//!
//! The instants are drawn from a seed, so that a run can be had again. The table is written as it grows, and a run of hours
//! that was stopped goes on where it was.

mod line;

use crate::shell::{Result, Stop, note, say};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many cuts are made where nobody says.
const USUAL: u32 = 5;
/// What the boxes are, in turn. QEMU has no boot ROM for igb: the rehearsal puts the kernel into the box's memory, and a
/// cut costs half a minute less.
const BOXES: [&str; 2] = ["nic=igb,disk=nvme", "firmware=uefi,nic=igb,disk=virtio-scsi-pci"];
/// Head of the table's columns.
const COLUMNS: &str = "| cut after | box | in step | writes since the last flush | its disk alone | then |\n| --- | --- | --- | --- | --- | --- |\n";

/// Cuts the power so many times, each time of another installation of the example line: a count, a seed and how many
/// boxes at a time, as far as somebody says.
pub(crate) fn run(numbers: &[&str]) -> Result<()> {
    let number = |index: usize, usual: u32| -> Result<u32> {
        let Some(text) = numbers.get(index) else { return Ok(usual) };
        text.parse().map_err(|error| Stop::new(format!("`{text}` is not a number: {error}")))
    };
    let (count, seed, boxes) = (number(0, USUAL)?, number(1, 1)?, number(2, 1)?.max(1));
    let programs = crate::programs::build()?;
    let folder = crate::programs::target().join("cuts");
    let line = line::lay(&programs.bootworks, &folder)?;
    let mut run = Run::resume(folder.join(format!("cuts-{seed}.md")), seed)?;
    if run.rows > 0 {
        note(&format!("{} has {} rows already; going on", run.table.display(), run.rows));
    }
    if run.cuts < count {
        run.seconds = whole_installations(&programs.bootworks, &line, boxes)?;
    }
    let run = Mutex::new(run);
    // A lock of its own: held while the loop runs, it would have a box wait for itself.
    let next = || lock(&run).next(count);
    let one_after_the_other = || -> Result<()> {
        while let Some(cut) = next() {
            note(&format!(
                "row {} of the table: {}, {:.1} s after the plan was confirmed",
                cut.row + 1,
                cut.hardware,
                cut.after
            ));
            let seen = rehearse(&programs.bootworks, &line, cut.hardware, Some(cut.after))?;
            lock(&run).note(&cut, &seen)?;
        }
        Ok(())
    };
    all_of(boxes as usize, |_| one_after_the_other())?;
    let run = run.into_inner().unwrap_or_else(PoisonError::into_inner);
    say(&run.text);
    say(&format!(
        "{} cuts: {} finished and none of these started half-written; the table is {}",
        run.cuts,
        run.cuts - run.failed,
        run.table.display()
    ));
    if run.failed == 0 { Ok(()) } else { Err(Stop::new(format!("{} cuts did not end well", run.failed))) }
}

/// How long an installation takes of each kind of box, in seconds; as many at a time as there will be.
fn whole_installations(bootworks: &Path, line: &Path, boxes: u32) -> Result<[f64; BOXES.len()]> {
    note("an installation of each kind of box without a cut, to know how long one takes");
    let whole = |index: usize| {
        let seen = rehearse(bootworks, line, BOXES[index], None)?;
        seen.installing().ok_or_else(|| Stop::new("a box was not finished without a cut either"))
    };
    // Once, before two of them would.
    let built = Command::new(bootworks).arg("build").arg(line).stdout(Stdio::null()).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err(Stop::new(format!("{} could not be built", line.display())));
    }
    let measured =
        if boxes == 1 { (0..BOXES.len()).map(whole).collect() } else { all_of(BOXES.len(), whole) };
    let mut seconds = [0.0; BOXES.len()];
    seconds.copy_from_slice(&measured?);
    Ok(seconds)
}

/// Does something several times at once, and gives all that came of it, or the first refusal.
fn all_of<T: Send>(count: usize, what: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let what = &what;
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..count).map(|index| scope.spawn(move || what(index))).collect();
        let lost = |_| Err(Stop::new("a rehearsal's thread is lost"));
        running.into_iter().map(|thread| thread.join().unwrap_or_else(lost)).collect()
    })
}

fn lock(run: &Mutex<Run>) -> MutexGuard<'_, Run> {
    run.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A cut that is to be made.
struct Cut {
    /// The row of the table that it will be, counted from 0.
    row: u32,
    /// Seconds from the plan's confirmation.
    after: f64,
    /// What the box is.
    hardware: &'static str,
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
    /// Cuts that were begun, those of the table among them.
    begun: u32,
    /// Rows that wait for one before them: a run that goes on later draws as many instants as there are rows.
    waiting: BTreeMap<u32, String>,
    /// How long an installation takes, in seconds, of each kind of box.
    seconds: [f64; BOXES.len()],
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
            begun: 0,
            waiting: BTreeMap::new(),
            seconds: [0.0; BOXES.len()],
        };
        for row in text.trim_start_matches(&begin).lines() {
            run.draw();
            run.count(row);
        }
        run.begun = run.rows;
        Ok(run)
    }

    fn count(&mut self, row: &str) {
        self.rows += 1;
        self.cuts += u32::from(!row.contains(BEFORE));
        self.failed += u32::from(row.contains(UNFINISHED) || row.contains(HALF_WRITTEN));
        let _ = writeln!(self.text, "{row}");
    }

    /// The next cut, where there may be too few with those that are under way.
    fn next(&mut self, count: u32) -> Option<Cut> {
        let row = self.begun;
        (self.cuts + row - self.rows < count).then(|| {
            self.begun += 1;
            let kind = row as usize % BOXES.len();
            Cut { row, after: self.seconds[kind] * self.draw(), hardware: BOXES[kind] }
        })
    }

    /// The next number between 0 and 1 (Knuth's MMIX generator).
    fn draw(&mut self) -> f64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Takes what a cut came to into the table, once all before it are there.
    fn note(&mut self, cut: &Cut, seen: &Seen) -> Result<()> {
        let row = format!(
            "| {:.1} s | `{}` | {} | {} | {} | {} |",
            cut.after,
            cut.hardware,
            seen.step,
            seen.lost,
            seen.alone,
            if seen.is_ready { "finished, appliance ready" } else { UNFINISHED }
        );
        self.waiting.insert(cut.row, row);
        while let Some(row) = self.waiting.remove(&self.rows) {
            self.count(&row);
        }
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
