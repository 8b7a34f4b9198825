//! The real server as a child process: started, listened to, killed and started again, at once or after a while.

use linux::leash::leash;
use model::failure::{Explain as _, Failure, Result};
use model::timeline::Entry;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// How long a server is away that is not started again at once.
pub(crate) const ABSENCE: Duration = Duration::from_secs(60);

/// How the server of a rehearsal is started.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The line's folder.
    pub(crate) line: PathBuf,
    /// Where the rehearsal's logs go; the server's timeline too, apart from the line's own.
    pub(crate) folder: PathBuf,
    /// Folder of the build's outputs.
    pub(crate) outputs: PathBuf,
    /// Answers given beforehand, where the box is not answered by hand.
    pub(crate) answers: Option<PathBuf>,
    /// Whether boxes are sent into boots known to fail.
    pub(crate) proof_ignored: bool,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    settings: Settings,
    entries: Sender<Entry>,
    /// Until when it is away, where it is.
    returns: Option<Instant>,
}

impl Server {
    /// Starts the server; what it learns of the box arrives at `entries`.
    pub(crate) fn start(settings: &Settings, entries: &Sender<Entry>) -> Result<Server> {
        let log = settings.folder.join("server.log");
        let errors = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .or_fail(|| format!("cannot write {}", log.display()))?;
        let program = std::env::current_exe().or_fail(|| "cannot find this program's own file".into())?;
        let mut command = Command::new(program);
        command.arg("serve").arg(&settings.line).args(["--json", "--interface", super::network::BRIDGE]);
        // A rehearsal's network has no other server that a line could stand beside.
        command.args(["--dhcp", "full"]);
        command.arg("--state").arg(&settings.folder).arg("--outputs").arg(&settings.outputs);
        // A virtual box's record is signed, too, but not with the line's key.
        command.arg("--key").arg(settings.folder.join("record.key"));
        if let Some(answers) = &settings.answers {
            command.arg("--answers").arg(answers);
        }
        if settings.proof_ignored {
            command.arg("--ignore-proof");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = leash(&mut command).spawn().or_fail(|| "cannot start the server".into())?;
        let Some(stdout) = child.stdout.take() else { return Err(Failure::new("the server has no voice")) };
        let sender = entries.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
                // The first line of the stream says what is served; it is no entry.
                if let Ok(entry) = serde_json::from_str::<Entry>(&line)
                    && sender.send(entry).is_err()
                {
                    return;
                }
            }
        });
        Ok(Server { child, settings: settings.clone(), entries: entries.clone(), returns: None })
    }

    /// Kills it without a farewell; [`Server::is_back`] starts it again after `absence`.
    pub(crate) fn leave(&mut self, absence: Duration) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.returns = Some(Instant::now() + absence);
    }

    /// Whether it was killed and not started again.
    pub(crate) fn is_away(&self) -> bool {
        self.returns.is_some()
    }

    /// Starts it again where its absence is over, and says whether it did.
    pub(crate) fn is_back(&mut self) -> Result<bool> {
        let due = self.returns.is_some_and(|at| Instant::now() >= at);
        if due {
            *self = Server::start(&self.settings, &self.entries)?;
        }
        Ok(due)
    }

    /// A failure where it ended by itself, with its last words.
    pub(crate) fn check(&mut self) -> Result<()> {
        if self.is_away() {
            return Ok(());
        }
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                let log = self.settings.folder.join("server.log");
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let mut failure = Failure::new(format!("the server {}", linux::process::ending(status)));
                let lines: Vec<&str> = said.lines().collect();
                for line in &lines[lines.len().saturating_sub(6)..] {
                    failure = failure.because(line);
                }
                Err(failure.hint(format!("all it said is in {}", log.display())))
            }
            Err(error) => Err(error).or_fail(|| "cannot see whether the server runs".into()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
