//! `cargo xtask bench check`: how long the proof takes, and how much memory: a line's live OS held against many profiles
//! with its index warm, and the index of a suite's kernels made anew.
//!
//! There is nothing to compare with: no other program answers the question. The bounds are what is demanded of ours.

use crate::programs;
use crate::setup::{self, Purpose};
use crate::shell::{Result, Stop, as_root, note, run, say};
use std::path::Path;

/// Runs of each; the median is quoted.
const RUNS: usize = 5;
/// Profiles that the live OS is held against.
const PROFILES: usize = 30;

/// What one run took.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Cost {
    pub(crate) elapsed_seconds: f64,
    pub(crate) processor_seconds: f64,
    pub(crate) memory_kib: f64,
}

/// Measures both.
pub(crate) fn check() -> Result<()> {
    setup::install(Purpose::BenchCheck)?;
    let programs = programs::build()?;
    let bootworks = programs.bootworks.display().to_string();
    let folder = programs::target().join("bench/check");
    let line = folder.join("line");
    std::fs::create_dir_all(&folder).map_err(|error| Stop::new(format!("cannot make the bench: {error}")))?;
    if !line.join("line.toml").exists() {
        run(&mut as_root(&bootworks, &["new", &text(&line)]))?;
    }
    run(&mut as_root(&bootworks, &["build", &text(&line)]))?;

    let list = as_root(&bootworks, &["hardware", "show"]).output();
    let list = list.map_err(|error| Stop::new(format!("cannot list the profiles: {error}")))?;
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let names: Vec<&str> =
        list.lines().filter_map(|line| line.split_whitespace().next()).take(PROFILES).collect();
    if names.len() < PROFILES {
        return Err(Stop::new(format!("only {} profiles come with bootworks", names.len())));
    }
    let line_words = text(&line);
    let mut words = vec![bootworks.as_str(), "check", &line_words];
    words.extend(names.iter().flat_map(|name| ["--hardware", *name]));
    let warm = median(RUNS, || cost(&folder, &words))?;

    // A store with the packages of the other and no index. The program reads and keeps there what it needs.
    let script = r#"
rm -rf "$2"; mkdir -p "$2"; cp -al "$1/deb" "$2/deb""#;
    let (store, empty) = (store()?, text(&folder.join("store")));
    let words = ["BOOTWORKS_STORE", &bootworks, "which", "tg3", &line_words];
    let setting = format!("{}={empty}", words[0]);
    let cold = median(3, || {
        run(&mut as_root("sh", &["-ec", script, "sh", &store, &empty]))?;
        cost(&folder, &[&["env", setting.as_str()], &words[1..]].concat())
    })?;
    run(&mut as_root("rm", &["-rf", &empty]))?;

    say("| what | processor time | elapsed | memory |");
    say("| --- | --- | --- | --- |");
    say(&row(&format!("`check` of a line against {PROFILES} profiles, index warm"), warm));
    say(&row("the index of the suite's kernels made anew (`which`, no index kept)", cold));
    Ok(())
}

fn row(what: &str, cost: Cost) -> String {
    let Cost { elapsed_seconds, processor_seconds, memory_kib } = cost;
    format!(
        "| {what} | {processor_seconds:.2} s | {elapsed_seconds:.2} s | {:.0} MB |",
        memory_kib * 1024.0 / 1e6
    )
}

/// Where packages are kept for this person.
fn store() -> Result<String> {
    let of = |name: &str, below: &str| std::env::var(name).ok().map(|folder| format!("{folder}{below}"));
    of("BOOTWORKS_STORE", "")
        .or_else(|| of("XDG_CACHE_HOME", "/bootworks"))
        .or_else(|| of("HOME", "/.cache/bootworks"))
        .ok_or_else(|| Stop::new("neither BOOTWORKS_STORE nor XDG_CACHE_HOME nor HOME is set"))
}

/// What a command costs, as GNU time counts it. Exit code 1 is an answer as well: no.
pub(crate) fn cost(folder: &Path, words: &[&str]) -> Result<Cost> {
    let file = text(&folder.join("cost"));
    let words = [&["-q", "-f", "%e %U %S %M", "-o", &file], words].concat();
    let output = as_root("/usr/bin/time", &words).output();
    let output = output.map_err(|error| Stop::new(format!("cannot measure: {error}")))?;
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(Stop::new(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let said = std::fs::read_to_string(&file).unwrap_or_default();
    let numbers: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [elapsed_seconds, user, system, memory_kib] = numbers[..] else {
        return Err(Stop::new(format!("`time` says `{}`", said.trim())));
    };
    let cost = Cost { elapsed_seconds, processor_seconds: user + system, memory_kib };
    note(&row("a run", cost));
    Ok(cost)
}

fn median(runs: usize, mut measure: impl FnMut() -> Result<Cost>) -> Result<Cost> {
    let mut costs = (0..runs).map(|_| measure()).collect::<Result<Vec<Cost>>>()?;
    costs.sort_by(|a, b| a.elapsed_seconds.total_cmp(&b.elapsed_seconds));
    Ok(costs[runs / 2])
}

pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}
