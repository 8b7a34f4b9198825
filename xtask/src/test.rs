//! Rehearsals and tests, after set-up and build.

use crate::programs;
use crate::setup::{self, Purpose};
use crate::shell::{Result, Stop, as_root, cargo, note, root, run, say, typed};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// Takes a virtual box of the example line from power-on to a ready appliance.
pub(crate) fn rehearse(arguments: &[&str]) -> Result<()> {
    setup::install(Purpose::Rehearse)?;
    let programs = programs::build()?;
    let program = programs.bootworks.display().to_string();
    let line = root().join("examples/edge-gateway");
    let line = line.display().to_string();
    let words = [&["rehearse", line.as_str()], arguments].concat();
    run(&mut as_root(&program, &words))
}

fn with_program(mut command: Command, programs: &programs::Programs) -> Command {
    command.env("BOOTWORKS_BIN", &programs.bootworks);
    command
}

/// How many tests ran and how they ended.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
    told: Told,
}

/// Lines of a failed test that are shown again at the end: thousands of other lines may follow them.
const LINES_AGAIN: usize = 60;

/// What failed tests printed.
#[derive(Default)]
struct Told {
    /// Name and lines of each.
    tests: Vec<(String, Vec<String>)>,
    /// Whether the lines that come are such a test's.
    listens: bool,
}

impl Told {
    /// Takes a line of cargo's: what a test printed stands between `---- NAME stdout ----` and its backtrace, the
    /// next such line or the closing list.
    fn take(&mut self, line: &str) {
        let name = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"));
        if let Some(name) = name {
            self.tests.push((name.to_owned(), Vec::new()));
            self.listens = true;
        } else if matches!(line, "stack backtrace:" | "failures:") {
            self.listens = false;
        } else if let (true, Some((_, lines))) = (self.listens, self.tests.last_mut()) {
            lines.push(line.to_owned());
        }
    }

    fn say_again(&self) {
        for (name, lines) in &self.tests {
            say(&format!("failed: {name}"));
            for line in &lines[lines.len().saturating_sub(LINES_AGAIN)..] {
                say(line);
            }
        }
    }
}

/// Runs the tests.
pub(crate) fn run_all(arguments: &[&str]) -> Result<()> {
    let (mut fast, mut rehearsals) = (false, false);
    for argument in arguments {
        match *argument {
            "--fast" => fast = true,
            "--rehearsals" => rehearsals = true,
            other => return Err(Stop::new(format!("`{other}` is no option of `cargo xtask test`"))),
        }
    }
    if !fast {
        setup::install(Purpose::Test)?;
    }
    let programs = programs::build()?;
    let mut count = Count::default();
    note("tests");
    // Compiled by whoever calls, so that no file of root's is left in cargo's folder.
    run(&mut cargo(&["test", "--quiet", "--workspace", "--no-run"]))?;
    let mut well = true;
    if fast {
        note("skipped with --fast: tests that need root or QEMU");
        let tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
        well &= count_tests(&mut with_program(tests, &programs), &mut count)?;
    } else {
        // System tests share ports and loop devices; rehearsals have networks of their own, and one takes
        // about one processor.
        let groups: [&[&str]; 2] = [
            &["--workspace", "--exclude", "tests", "--no-fail-fast", "--", "--test-threads=1"],
            &["--package", "tests", "--no-fail-fast", "--", "--test-threads=2"],
        ];
        for group in groups {
            let mut tests = with_program(privileged(&[&["test"], group].concat()), &programs);
            tests.env("BOOTWORKS_TEST_SYSTEM", "1");
            if rehearsals {
                tests.env("BOOTWORKS_TEST_REHEARSALS", "all");
            }
            well &= count_tests(&mut tests, &mut count)?;
        }
    }
    count.told.say_again();
    say(&format!("{} passed, {} failed, {} skipped", count.passed, count.failed, count.ignored));
    if well && count.failed == 0 && count.passed > 0 {
        Ok(())
    } else {
        Err(Stop { reason: String::new(), code: 1 })
    }
}

fn privileged(arguments: &[&str]) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut command = as_root(&cargo, arguments);
    command.current_dir(root());
    command
}

/// Shows the tests' output as it comes and adds up cargo's closing lines.
fn count_tests(tests: &mut Command, count: &mut Count) -> Result<bool> {
    let line = typed(tests);
    let mut child = tests
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Stop::new(format!("cannot start `{line}`: {error}")))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
            if let Some(result) = line.strip_prefix("test result: ") {
                count.add(result);
            }
            count.told.take(&line);
            say(&line);
        }
    }
    let status = child.wait().map_err(|error| Stop::new(format!("cannot wait for `{line}`: {error}")))?;
    Ok(status.success())
}

impl Count {
    /// Takes `ok. 12 passed; 0 failed; 1 ignored; …` in.
    fn add(&mut self, result: &str) {
        for part in result.split([';', '.']) {
            let mut words = part.split_whitespace();
            if let (Some(Ok(number)), Some(word)) = (words.next().map(str::parse::<u64>), words.next()) {
                match word {
                    "passed" => self.passed += number,
                    "failed" => self.failed += number,
                    "ignored" => self.ignored += number,
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_tests_print_is_kept() {
        let mut told = Told::default();
        let lines = "test a ... ok\n\nfailures:\n\n---- b stdout ----\nrehearsing\n\nthread 'b' panicked\nstack backtrace:\n   0: main\n\
                     ---- c stdout ----\nleft: 1\n\n\nfailures:\n    b\n    c\n\ntest result: FAILED.";
        lines.lines().for_each(|line| told.take(line));
        let kept: Vec<(&str, String)> =
            told.tests.iter().map(|(name, lines)| (name.as_str(), lines.join("|"))).collect();
        assert_eq!(kept, [("b", "rehearsing||thread 'b' panicked".into()), ("c", "left: 1||".into())]);
    }
}
