//! What is typed and what is read: each file of `tests/commands/` is a dialogue with the program, held
//! against what it prints today. `UPDATE_EXPECT=1` writes the files anew.
//!
//! ```text
//! Prose, up to the first line that begins with one of the marks below.
//! + line.toml                writes a file: the indented lines that follow
//!     [line]
//! $ bootworks build          a command; its standard output follows as it is,
//! ! error: …                 its standard error with this mark,
//! [exit 2]                   its exit code, where it is not 0
//! ```
//!
//! Commands run in an empty folder of their own, with no environment but `PATH`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program: `BOOTWORKS_BIN`, else the one built from this source.
fn program() -> PathBuf {
    if let Some(path) = env::var_os("BOOTWORKS_BIN") {
        return path.into();
    }
    // target/debug/deps/commands-HASH stands two folders below the programs.
    let own = env::current_exe().unwrap();
    let folder = own.ancestors().nth(2).unwrap();
    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--package", "bootworks"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if folder.ends_with("release") {
        build.arg("--release");
    }
    build.env("CARGO_TARGET_DIR", folder.parent().unwrap());
    assert!(build.status().unwrap().success(), "cannot build bootworks");
    folder.join("bootworks")
}

/// One line of a dialogue that is done, and what belongs to it.
enum Turn {
    /// Prose.
    Prose(String),
    /// A file to write.
    Write { path: String, lines: Vec<String> },
    /// A command.
    Run(String),
}

fn parse(text: &str) -> Vec<Turn> {
    let mut turns = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            turns.push(Turn::Run(command.to_owned()));
        } else if let Some(path) = line.strip_prefix("+ ") {
            turns.push(Turn::Write { path: path.to_owned(), lines: Vec::new() });
        } else {
            match turns.last_mut() {
                Some(Turn::Write { lines, .. }) => lines.push(line.to_owned()),
                // What was printed last time.
                Some(Turn::Run(_)) => {}
                _ => turns.push(Turn::Prose(line.to_owned())),
            }
        }
    }
    turns
}

/// Has the dialogue, and gives it as it went.
fn perform(program: &Path, turns: &[Turn]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut spoken = String::new();
    for turn in turns {
        match turn {
            Turn::Prose(line) => spoken += &format!("{line}\n"),
            Turn::Write { path, lines } => {
                let file = folder.path().join(path);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                let text: String = lines
                    .iter()
                    .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)))
                    .collect();
                fs::write(file, format!("{}\n", text.trim_end())).unwrap();
                spoken += &format!("+ {path}\n");
                spoken.extend(lines.iter().map(|line| format!("{line}\n")));
            }
            Turn::Run(line) => {
                spoken += &format!("$ {line}\n");
                spoken += &run(program, folder.path(), line);
            }
        }
    }
    spoken
}

fn run(program: &Path, folder: &Path, line: &str) -> String {
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some("bootworks"), "only bootworks is run here: {line}");
    let output = Command::new(program)
        .args(words)
        .current_dir(folder)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap();
    let here = fs::canonicalize(folder).unwrap().display().to_string();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).replace(&here, "HERE");
    let mut said = text(&output.stdout);
    said.extend(text(&output.stderr).lines().map(|line| format!("! {line}").trim_end().to_owned() + "\n"));
    match output.status.code() {
        Some(0) => {}
        Some(code) => said += &format!("[exit {code}]\n"),
        None => said += "[killed]\n",
    }
    said
}

/// Scripts and people rely on every word and every exit code in these dialogues.
#[test]
fn dialogues() {
    let program = program();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("commands");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let turns = parse(&fs::read_to_string(&file).unwrap());
        expect_test::expect_file![file].assert_eq(&perform(&program, &turns));
    }
}
