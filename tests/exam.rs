//! Whether the lists of the exam of `bootworks diagnose` agree with its logs; scoring a diagnosis is a test of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The last one is there only while one is held out.
const HALVES: [&str; 4] = ["practice", "second-practice", "third", "held-out"];

fn halves() -> impl Iterator<Item = &'static str> {
    HALVES.into_iter().filter(|half| folder(half).exists())
}

/// One entry of an `exam.toml`.
struct Log {
    file: String,
    accept: Vec<String>,
    source: String,
    why: String,
}

fn folder(half: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/model/testdata/exam").join(half)
}

fn exam(half: &str) -> Vec<Log> {
    let list: toml::Table = fs::read_to_string(folder(half).join("exam.toml")).unwrap().parse().unwrap();
    let logs = list["log"].as_array().unwrap();
    logs.iter()
        .map(|log| {
            let text = |key: &str| log[key].as_str().unwrap().to_owned();
            let accept = log["accept"].as_array().unwrap();
            let accept = accept.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
            Log { file: text("file"), accept, source: text("source"), why: text("why") }
        })
        .collect()
}

/// A log that no list names is never asked, and a name without a log asks nothing.
#[test]
fn each_log_is_listed_once() {
    for half in halves() {
        let logs: BTreeSet<String> = fs::read_dir(folder(half))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "exam.toml")
            .collect();
        let listed: Vec<String> = exam(half).into_iter().map(|log| log.file).collect();
        let once: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(listed.len(), once.len(), "a log stands twice in {half}/exam.toml");
        assert_eq!(logs, once, "{half}/exam.toml and the logs beside it differ");
    }
}

/// An answer nobody can check is no answer: each failure has its thread and how that established the cause.
#[test]
fn each_answer_has_its_reason() {
    for half in halves() {
        for Log { file, accept, source, why } in exam(half) {
            assert!(why.ends_with('.'), "{half}/{file}: `why` is a sentence");
            assert!(
                accept.is_empty() || source.starts_with("http"),
                "{half}/{file}: a failure has its thread"
            );
            let distinct: BTreeSet<&String> = accept.iter().collect();
            assert_eq!(distinct.len(), accept.len(), "{half}/{file}: an id is accepted twice");
        }
    }
}

/// The score of one half says something of the other only while they share no thread.
#[test]
fn the_halves_share_no_thread() {
    let mut threads: BTreeSet<String> = BTreeSet::new();
    for half in halves() {
        let failures: Vec<Log> = exam(half).into_iter().filter(|log| !log.accept.is_empty()).collect();
        for log in &failures {
            assert!(!threads.contains(&log.source), "{half}/{}: its thread is in another half too", log.file);
        }
        threads.extend(failures.into_iter().map(|log| log.source));
    }
}

/// Both practice halves were dealt from the same cards.
#[test]
fn the_practice_halves_are_alike() {
    let [practice, second] = ["practice", "second-practice"].map(exam);
    let healthy = |logs: &[Log]| logs.iter().filter(|log| log.accept.is_empty()).count();
    assert!(practice.len().abs_diff(second.len()) <= 1);
    assert!(healthy(&practice).abs_diff(healthy(&second)) <= 1);
}
