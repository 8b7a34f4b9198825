//! Power that goes at random instants of an installation: each box has to be finished afterwards, and none may start from
//! a disk that is half written.
//!
//! The instants are drawn from a seed, so that a run can be had again. The table is written as it grows: a run of hours
//! that is stopped keeps what it has seen.

use crate::shell::{Result, Stop, note, root, say};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many cuts are made where nobody says.
const USUAL: u32 = 5;

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
    let line = root().join("examples/edge-gateway");
    let table = crate::programs::target().join("cuts.md");
    note("an installation without a cut, to know how long one takes");
    let whole = rehearse(&programs.bootworks, &line, None)?;
    let seconds =
        whole.installing().ok_or_else(|| Stop::new("the box was not finished without a cut either"))?;
    let mut text = format!(
        "{count} cuts of installations of {seconds:.0} s, seed {seed}\n\n| cut after | in step | its disk alone | then |\n| --- | --- | --- | --- |\n"
    );
    let mut state = u64::from(seed);
    let mut failed = 0;
    for index in 1..=count {
        let after = seconds * fraction(&mut state);
        note(&format!("cut {index} of {count}, {after:.1} s after the plan was confirmed"));
        let seen = rehearse(&programs.bootworks, &line, Some(after))?;
        failed += u32::from(!seen.is_well());
        let _ = writeln!(text, "| {after:.1} s | {} | {} | {} |", seen.step, seen.alone, seen.end());
        std::fs::write(&table, &text)
            .map_err(|error| Stop::new(format!("cannot write {}: {error}", table.display())))?;
    }
    say(&text);
    say(&format!(
        "{} of {count} finished, and none started half-written; the table is {}",
        count - failed,
        table.display()
    ));
    if failed == 0 { Ok(()) } else { Err(Stop::new(format!("{failed} cuts did not end well"))) }
}

/// The next number between 0 and 1 (Knuth's MMIX generator).
fn fraction(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 11) as f64 / (1_u64 << 53) as f64
}

/// What a rehearsal showed.
struct Seen {
    step: String,
    alone: String,
    is_ready: bool,
    text: String,
}

impl Seen {
    /// A box that came back, was finished and started as the appliance, and did not start in between.
    fn is_well(&self) -> bool {
        self.is_ready && self.alone != "started"
    }

    fn end(&self) -> &'static str {
        if self.is_ready { "finished, appliance ready" } else { "NOT FINISHED" }
    }

    /// From the confirmation of the plan to the end, in seconds.
    fn installing(&self) -> Option<f64> {
        let at = |label: &str| -> Option<f64> {
            let line = self.text.lines().find(|line| line.contains(label))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(at("plan confirmed")?.max(0.0)).and_then(|from| Some(at("powered off")? - from))
    }
}

fn rehearse(bootworks: &Path, line: &PathBuf, cut: Option<f64>) -> Result<Seen> {
    let mut command = Command::new(bootworks);
    command.arg("rehearse").arg(line);
    if let Some(after) = cut {
        command.arg("--fault").arg(format!("power-cut@{after:.1}s"));
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output =
        output.map_err(|error| Stop::new(format!("cannot start {}: {error}", bootworks.display())))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let step = text.lines().find_map(|line| line.split_once("lost its power in ")?.1.split(';').next());
    let alone = if text.contains("its disk started a kernel") {
        if text.contains("started from its half-written disk") { "started" } else { "sealed, started" }
    } else if text.contains("its disk started nothing") {
        "nothing started"
    } else {
        "not tried: finished before"
    };
    let step = step.unwrap_or("none").replace('`', "");
    Ok(Seen { step, alone: alone.into(), is_ready: output.status.success(), text })
}
