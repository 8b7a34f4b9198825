//! `cargo xtask bench diagnose [WORD]`: how fast a log is read, beside `grep` with the catalogue's words, in one run: a gigabyte of
//! consoles of the boxes that the machine's last tests rehearsed, a gigabyte of consoles of boxes that were stopped by
//! something that was broken on purpose, 200 MB of nothing but the lines of other systems' boots that say most, a new boot every
//! dozen lines, and 200 MB of lines that the catalogue knows, which are the worst there are.
//!
//! `grep` only counts the lines that have a word; whoever reads them then knows no cause. It is what one has without us.

use crate::bench_check::{Cost, cost, text};
use crate::programs;
use crate::setup::{self, Purpose};
use crate::shell::{Result, Stop, note, root, say};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Runs of each; the median is quoted.
const RUNS: usize = 3;
/// Letters of the shortest word that `grep` looks for.
const WORD: usize = 6;

/// A log that is read.
struct Log {
    name: &'static str,
    bytes: usize,
    /// What it is made of, over and over.
    parts: fn() -> Result<Vec<String>>,
    /// Whether these are lines that need times, and not whole consoles.
    needs_times: bool,
}

const LOGS: [Log; 4] = [
    Log { name: "consoles of rehearsed boxes", bytes: 1_000_000_000, parts: rehearsed, needs_times: false },
    Log {
        name: "consoles of boxes that were stopped",
        bytes: 1_000_000_000,
        parts: stopped,
        needs_times: false,
    },
    Log { name: "telling lines of boots", bytes: 200_000_000, parts: telling, needs_times: true },
    Log { name: "lines of the catalogue", bytes: 200_000_000, parts: known, needs_times: true },
];

/// Measures the logs whose names have the word, and prints a table.
pub(crate) fn diagnose(word: &str) -> Result<()> {
    setup::install(Purpose::BenchCheck)?;
    let programs = programs::build()?;
    let bootworks = programs.bootworks.display().to_string();
    let folder = programs::target().join("bench/diagnose");
    std::fs::create_dir_all(&folder).map_err(|error| Stop::new(format!("cannot make the bench: {error}")))?;
    let words = words(&folder)?;
    let file = folder.join("log");
    let mut rows = Vec::new();
    for Log { name: what, bytes, parts, needs_times } in LOGS.iter().filter(|log| log.name.contains(word)) {
        let parts = parts()?;
        if parts.is_empty() {
            note(&format!("no {what}: `cargo xtask test` leaves them"));
            continue;
        }
        if *needs_times {
            log(&file, *bytes, timed(parts))?;
        } else {
            log(&file, *bytes, parts.into_iter().cycle())?;
        }
        let log = text(&file);
        let grep = |program: &str, options: &[&str]| -> Vec<String> {
            let words = [&[program][..], options, &["-f", &words, &log]].concat();
            words.into_iter().map(str::to_owned).collect()
        };
        let mut sides = vec![
            ("`bootworks diagnose`", vec![bootworks.clone(), "diagnose".to_owned(), log.clone()]),
            ("`grep -c -F -f WORDS`", grep("env", &["LC_ALL=C", "grep", "-c", "-F"])),
            ("`grep -c -i -F -f WORDS`", grep("env", &["LC_ALL=C", "grep", "-c", "-i", "-F"])),
        ];
        if Path::new("/usr/bin/rg").exists() {
            sides.push(("`rg -c -i -F -f WORDS`", grep("rg", &["-c", "-i", "-F"])));
        }
        for (name, command) in sides {
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let cost = median(|| cost(&folder, &command))?;
            let mega = *bytes as f64 / 1e6;
            rows.push(format!(
                "| {what}, {mega:.0} MB | {name} | {:.0} MB/s | {:.0} MB/s | {:.0} MB |",
                mega / cost.processor_seconds.max(0.01),
                mega / cost.elapsed_seconds.max(0.01),
                cost.memory_kib * 1024.0 / 1e6
            ));
        }
    }
    say("| log | read by | by processor time | by the clock | memory |");
    say("| --- | --- | --- | --- | --- |");
    rows.iter().for_each(|row| say(row));
    std::fs::remove_file(&file)
        .map_err(|error| Stop::new(format!("cannot delete {}: {error}", file.display())))
}

/// The catalogue's words, one a line, as its pages in the guide have them: what stands between their blanks.
fn words(folder: &Path) -> Result<String> {
    let mut words: Vec<String> = Vec::new();
    for page in texts(&root().join("docs/src/causes"), "md")? {
        let shapes = page.lines().filter_map(|line| line.strip_prefix("- `` ")?.strip_suffix(" ``"));
        let parts = shapes.flat_map(|shape| shape.split('…')).map(str::trim);
        words.extend(parts.filter(|part| part.len() >= WORD).map(str::to_owned));
    }
    words.sort();
    words.dedup();
    note(&format!("{} words", words.len()));
    let file = folder.join("words");
    std::fs::write(&file, words.join("\n") + "\n")
        .map_err(|error| Stop::new(format!("cannot write {}: {error}", file.display())))?;
    Ok(text(&file))
}

/// What the consoles of the boxes held that the tests of this machine rehearsed last, each as it was written: firmware,
/// loader, kernel and system to the end, with all that a terminal obeys.
fn rehearsed() -> Result<Vec<String>> {
    let lines = programs::target().join("tmp/rehearsals");
    let folders = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path())
    };
    let runs = folders(lines).flat_map(|line| folders(line.join(".rehearsals")));
    let mut consoles: Vec<PathBuf> =
        runs.map(|run| run.join("console.log")).filter(|console| console.exists()).collect();
    consoles.sort();
    let read = |console: &PathBuf| {
        let wrong = |error| Stop::new(format!("cannot read {}: {error}", console.display()));
        Ok(String::from_utf8_lossy(&std::fs::read(console).map_err(wrong)?).into_owned())
    };
    consoles.iter().map(read).collect()
}

/// The same of boxes that something stopped, which a test provoked.
fn stopped() -> Result<Vec<String>> {
    texts(&root().join("crates/model/testdata/provoked"), "log")
}

/// Kernel lines of boots that went well, those that say something of the way.
fn telling() -> Result<Vec<String>> {
    let healthy = texts(&root().join("crates/model/testdata/healthy"), "log")?;
    Ok(healthy.iter().flat_map(|log| log.lines()).filter(|line| line.starts_with('[')).map(bare).collect())
}

/// Lines of the catalogue's own tests.
fn known() -> Result<Vec<String>> {
    let causes = texts(&root().join("crates/model/testdata/causes"), "txt")?;
    let lines = causes.iter().flat_map(|log| log.lines());
    Ok(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(bare).collect())
}

/// A line without the kernel's time.
fn bare(line: &str) -> String {
    let own = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    own.map_or(line, |(_, own)| own).to_owned()
}

/// The lines over and over, with times that go on.
fn timed(lines: Vec<String>) -> impl Iterator<Item = String> {
    let lines = lines.into_iter().cycle().enumerate();
    lines.map(|(number, line)| format!("[{:5}.{:06}] {line}\n", number / 1000, number % 1000 * 1000))
}

/// Writes a log of so many octets, made of these parts.
fn log(file: &Path, bytes: usize, parts: impl Iterator<Item = String>) -> Result<()> {
    let wrong = |error| Stop::new(format!("cannot write {}: {error}", file.display()));
    let mut log = BufWriter::new(std::fs::File::create(file).map_err(wrong)?);
    let mut written = 0;
    for part in parts {
        if written >= bytes {
            break;
        }
        log.write_all(part.as_bytes()).map_err(wrong)?;
        written += part.len();
    }
    log.flush().map_err(wrong)
}

/// All files of a folder with this ending, in the order of their names.
fn texts(folder: &Path, ending: &str) -> Result<Vec<String>> {
    let wrong = |error| Stop::new(format!("cannot read {}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(wrong)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).map_err(wrong)).collect()
}

fn median(mut measure: impl FnMut() -> Result<Cost>) -> Result<Cost> {
    let mut costs = (0..RUNS).map(|_| measure()).collect::<Result<Vec<Cost>>>()?;
    costs.sort_by(|a, b| a.processor_seconds.total_cmp(&b.processor_seconds));
    Ok(costs[RUNS / 2])
}
