//! Child processes: run one, wait for it, and when it fails say which, how it ended and what it said last.

use crate::tools::Tool;
use model::failure::{Explain as _, Failure, Result};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many of the last lines a failed child said go into the failure.
const LAST_LINES: usize = 8;

/// A child process to run to its end. Its output is captured; its input is empty unless given.
#[derive(Debug)]
pub struct Child {
    tool: Option<Tool>,
    command: Command,
    input: Vec<u8>,
}

impl Child {
    /// One of the programs of [`crate::tools`].
    pub fn of(tool: Tool) -> Child {
        let program = tool.find().unwrap_or_else(|| tool.name.into());
        Child { tool: Some(tool), command: Command::new(program), input: Vec::new() }
    }

    /// A program by its path: one that a line brings along.
    pub fn at(program: impl AsRef<OsStr>) -> Child {
        Child { tool: None, command: Command::new(program), input: Vec::new() }
    }

    /// One argument more.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Child {
        self.command.arg(argument);
        self
    }

    /// More arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Child {
        self.command.args(arguments);
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Child {
        self.command.env(key, value);
        self
    }

    /// Nothing of our own environment reaches it.
    pub fn without_environment(mut self) -> Child {
        self.command.env_clear();
        self
    }

    /// The folder it runs in.
    pub fn in_folder(mut self, folder: impl AsRef<Path>) -> Child {
        self.command.current_dir(folder);
        self
    }

    /// It is killed when this program ends, however that ends ([`crate::leash`]): what it holds is free then.
    pub fn leashed(mut self) -> Child {
        crate::leash::leash(&mut self.command);
        self
    }

    /// What it reads on its standard input.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Child {
        self.input = bytes.into();
        self
    }

    /// The command itself, for what else this crate does to children before they start.
    pub(crate) fn command_mut(&mut self) -> &mut Command {
        &mut self.command
    }

    /// The command line as a person would type it.
    pub fn command_line(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words.map(quote).collect::<Vec<_>>().join(" ")
    }

    /// Runs it to its end and gives what it wrote to standard output.
    ///
    /// Errors: not found (with the package that has it), not started, ended with a code other than 0 or by a
    /// signal (with the last lines it said on either stream).
    pub fn run(self) -> Result<Vec<u8>> {
        let line = self.command_line();
        let (status, stdout, stderr) = self.spawn_and_wait()?;
        if status.success() {
            return Ok(stdout);
        }
        let said = if stderr.iter().all(u8::is_ascii_whitespace) { &stdout } else { &stderr };
        let mut failure = Failure::new(format!("`{line}` {}", ending(status)));
        for last in last_lines(said) {
            failure = failure.because(last);
        }
        Err(failure)
    }

    /// Runs it as a filter: what it writes goes to `sink` as it comes. Gives whether all of it did: a sink that
    /// refuses ends the child.
    ///
    /// Errors: not found, not started, or it ended badly by itself.
    pub fn filter(mut self, input: &[u8], sink: &mut dyn std::io::Write) -> Result<bool> {
        let line = self.command_line();
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.start(&line)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (passed, said) = std::thread::scope(|scope| {
            scope.spawn(move || {
                if let Some(mut stdin) = stdin {
                    let _ = stdin.write_all(input);
                }
            });
            let errors = scope.spawn(move || drain(stderr));
            let mut stdout = stdout;
            let passed = stdout.as_mut().map(|stdout| std::io::copy(stdout, sink));
            let passed = matches!(passed, Some(Ok(_)));
            if !passed {
                // It may be about to write for minutes what nobody wants.
                let _ = child.kill();
            }
            drop(stdout);
            (passed, errors.join().unwrap_or_default())
        });
        let status = child.wait().or_fail(|| format!("cannot wait for `{line}`"))?;
        if !passed || status.success() {
            return Ok(passed);
        }
        let mut failure = Failure::new(format!("`{line}` {}", ending(status)));
        for last in last_lines(&said) {
            failure = failure.because(last);
        }
        Err(failure)
    }

    /// Runs it to its end and gives how it ended and what it wrote to standard output and standard error.
    pub fn spawn_and_wait(mut self) -> Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let line = self.command_line();
        self.command.stdin(if self.input.is_empty() { Stdio::null() } else { Stdio::piped() });
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.start(&line)?;
        let input = std::mem::take(&mut self.input);
        let stdin = child.stdin.take();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // Three pipes at once: a child that fills one while we wait on another would hang both.
        let (out, err) = std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                if let Some(mut stdin) = stdin {
                    // A child that does not read its input says so by its own ending.
                    let _ = stdin.write_all(&input);
                }
            });
            let errors = scope.spawn(move || drain(stderr));
            let out = drain(stdout);
            let _ = writer.join();
            (out, errors.join().unwrap_or_default())
        });
        let status = child.wait().or_fail(|| format!("cannot wait for `{line}`"))?;
        Ok((status, out, err))
    }

    /// Runs it to its end and tells each line it writes, on either stream, as it comes. After `patience` it is ended.
    ///
    /// Errors: as of [`Child::run`], and that it was still running.
    pub fn run_telling(mut self, patience: Duration, tell: &(dyn Fn(&str) + Sync)) -> Result<()> {
        let line = self.command_line();
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().or_fail(|| format!("cannot start `{line}`"))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let said = Mutex::new(Vec::new());
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let id = child.id();
        let (status, was_ended) = std::thread::scope(|scope| {
            scope.spawn(|| tell_lines(stdout, tell, &said));
            scope.spawn(|| tell_lines(stderr, tell, &said));
            let watch = scope.spawn(move || {
                let is_late =
                    is_done.recv_timeout(patience) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
                // It is not waited for yet, so the number is still its own.
                if is_late && let Some(pid) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw)
                {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
                is_late
            });
            let ended = await_end(id);
            drop(done);
            let was_ended = watch.join().unwrap_or_default();
            (ended.and_then(|()| child.wait()), was_ended)
        });
        let status = status.or_fail(|| format!("cannot wait for `{line}`"))?;
        if status.success() {
            return Ok(());
        }
        let failure = match was_ended {
            true => format!("`{line}` was still running after {} s and was ended", patience.as_secs()),
            false => format!("`{line}` {}", ending(status)),
        };
        let said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
        let last = &said[said.len().saturating_sub(LAST_LINES)..];
        Err(last.iter().fold(Failure::new(failure), |failure, line: &String| failure.because(line)))
    }

    fn start(&mut self, line: &str) -> Result<std::process::Child> {
        match self.command.spawn() {
            Ok(child) => Ok(child),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let failure = Failure::new(format!("`{}` is not on this machine", self.program_name()));
                Err(match self.tool {
                    Some(tool) => failure
                        .because(format!("it is needed for {}", tool.reason))
                        .hint(format!("`apt-get install {}`", tool.package)),
                    None => failure,
                })
            }
            Err(error) => Err(error).or_fail(|| format!("cannot start `{line}`")),
        }
    }

    fn program_name(&self) -> String {
        self.tool.map_or_else(
            || self.command.get_program().to_string_lossy().into_owned(),
            |tool| tool.name.into(),
        )
    }
}

/// Waits until a child has ended, without taking its ending: its number stays its own until that is taken.
fn await_end(id: u32) -> std::io::Result<()> {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    loop {
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other.map(|_| ())?),
        }
    }
}

/// Tells and keeps the lines of a pipe, without control characters and empty ones.
fn tell_lines(pipe: Option<impl std::io::Read>, tell: &(dyn Fn(&str) + Sync), said: &Mutex<Vec<String>>) {
    let Some(pipe) = pipe else { return };
    for line in std::io::BufReader::new(pipe).split(b'\n').map_while(std::result::Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let line: String =
            line.trim_end().chars().filter(|c| !c.is_control() || *c == '\t').take(1000).collect();
        if !line.is_empty() {
            tell(&line);
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push(line);
            let spare = said.len().saturating_sub(4 * LAST_LINES);
            said.drain(..spare);
        }
    }
}

fn drain(pipe: Option<impl std::io::Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

/// How a child ended, as a phrase: `ended with exit code 2`, `was killed by signal 9`.
pub fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended in a way that the kernel does not tell".into(),
    }
}

/// The last lines of what a child said, without empty ones.
fn last_lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

/// A word as a shell needs it.
pub fn quote(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%^".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Turns words into arguments: for lists of mixed kinds.
pub fn words<const N: usize>(words: [&str; N]) -> [OsString; N] {
    words.map(OsString::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const SH: Tool = Tool { name: "sh", package: "dash", reason: "the tests" };
    const NOWHERE: Tool = Tool { name: "mkfs.nowhere", package: "nowhere-tools", reason: "the tests" };

    /// The three ways a child ends are three different sentences: the operator's next step differs.
    #[test]
    fn a_failed_child_says_which_how_and_what_it_said() {
        let child = Child::of(SH).args(["-c", "echo one; echo \"it's bad\" >&2; exit 3"]);
        let report = child.run().unwrap_err().report().replace("/usr/bin/sh", "sh").replace("/bin/sh", "sh");
        expect![[r#"
            error: `sh -c 'echo one; echo "it'\''s bad" >&2; exit 3'` ended with exit code 3
            because: it's bad"#]]
        .assert_eq(&report);

        let report = Child::of(SH).args(["-c", "kill -9 $$"]).run().unwrap_err().report();
        assert!(report.ends_with("was killed by signal 9"), "{report}");

        expect![[r#"
            error: `mkfs.nowhere` is not on this machine
            because: it is needed for the tests
            hint: `apt-get install nowhere-tools`"#]]
        .assert_eq(&Child::of(NOWHERE).run().unwrap_err().report());
    }

    /// A search for the right parameters ends a compressor at the first wrong byte; one that fails is heard.
    #[test]
    fn a_filter_ends_with_its_sink() {
        let mut all = Vec::new();
        let input = vec![b'x'; 1 << 20];
        assert!(Child::of(Tool { name: "cat", ..SH }).filter(&input, &mut all).unwrap());
        assert_eq!(all.len(), input.len());
        let mut room = [0; 100];
        assert!(
            !Child::of(SH).args(["-c", "while :; do echo y; done"]).filter(b"", &mut &mut room[..]).unwrap()
        );
        let failed = Child::of(SH).args(["-c", "echo half; echo bad >&2; exit 3"]).filter(b"", &mut all);
        assert!(failed.unwrap_err().report().contains("because: bad"));
    }

    /// Input and output larger than a pipe's buffer must not hang parent and child on each other.
    #[test]
    fn large_input_and_output_pass_at_once() {
        let input = vec![b'x'; 1 << 20];
        let output = Child::of(Tool { name: "cat", ..SH }).input(input.clone()).run().unwrap();
        assert_eq!(output.len(), input.len());
    }
}
