//! Running other programs and saying what goes on.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Why a task ended early.
pub(crate) struct Stop {
    /// What to print; empty where all was said already.
    pub(crate) reason: String,
    /// Exit code.
    pub(crate) code: u8,
}

impl Stop {
    /// A reason, with exit code 2: the task could not be done.
    pub(crate) fn new(reason: impl Into<String>) -> Stop {
        Stop { reason: reason.into(), code: 2 }
    }
}

pub(crate) type Result<T> = std::result::Result<T, Stop>;

/// A line of the result.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line of progress.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A command with its arguments.
pub(crate) fn command(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// The command as it would be typed.
pub(crate) fn typed(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs it with our own streams; anything but exit code 0 stops the task with that code.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = typed(command);
    let status = command.status().map_err(|error| Stop::new(format!("cannot start `{line}`: {error}")))?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2);
    Err(Stop { reason: format!("`{line}` ended with {status}"), code })
}

/// What it prints, or nothing where it fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The repository's folder.
pub(crate) fn root() -> std::path::PathBuf {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Cargo, as it called us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments);
    cargo.current_dir(root());
    cargo
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    output(&mut command("id", &["-u"])).is_some_and(|id| id.trim() == "0")
}

/// The command as root: itself, or through sudo.
pub(crate) fn as_root(program: &str, arguments: &[&str]) -> Command {
    if is_root() {
        return command(program, arguments);
    }
    let mut sudo = command(
        "sudo",
        &[
            "--preserve-env=PATH,CARGO_TARGET_DIR,BOOTWORKS_STORE,BOOTWORKS_TEST_SYSTEM,BOOTWORKS_TEST_ALIASES,BOOTWORKS_TEST_INITRDS,BOOTWORKS_TEST_REHEARSALS,BOOTWORKS_BIN",
        ],
    );
    sudo.arg(program).args(arguments);
    sudo
}
