//! The course of a rehearsal: box on, ladder climbed, faults struck, power off, disk booted, verdict.
//!
//! Waits for what the server and the console say; the only clock is the patience with silence.

mod afterwards;
mod appliance;
mod cut;
mod ear;
mod enough;
mod filled;
mod starved;

use super::console::Keyboard;
use super::fault::{Fault, Moment};
use super::machine::{Boot, Chassis, Machine};
use super::relay;
use super::server::{ABSENCE, Server, Settings};
use crate::report;
use ear::{Ear, News};
use linux::interrupt::Interrupt;
use model::boot::HTTP_PORT;
use model::failure::{Explain as _, Failure, Result};
use model::hardware::PciId;
use model::ladder::Rung;
use model::line::{Confirm, Line as FactoryLine};
use model::timeline::{Entry, Event, Trouble};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// One rehearsal, ready to run.
pub(crate) struct Course<'a> {
    /// The box.
    pub(crate) chassis: &'a Chassis,
    /// The line.
    pub(crate) line: &'a FactoryLine,
    /// What is broken on purpose.
    pub(crate) faults: Vec<Fault>,
    /// The cause that must be diagnosed.
    pub(crate) expected: Option<String>,
    /// How the box is started.
    pub(crate) start: Start,
    /// Where the finished box's disks are to be kept.
    pub(crate) keep: Option<PathBuf>,
    /// What the console must show for the rehearsal to end well there.
    pub(crate) until: Option<String>,
    /// How long nothing new may be heard.
    pub(crate) patience: Duration,
    /// Whether the console is the user's.
    pub(crate) typed: bool,
    /// Whether standard output is kept for JSON.
    pub(crate) quiet: bool,
}

/// How a box gets to its kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// By itself.
    Itself(Boot),
    /// Its NIC, of this PCI id, is one that iPXE cannot drive: the rehearsal asks the server in its stead.
    Relayed(PciId),
}

/// How a rehearsal ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The box was installed and switched itself off.
    pub(crate) finished: bool,
    /// The appliance printed what the line calls ready.
    pub(crate) ready: bool,
    /// Ctrl-C.
    pub(crate) interrupted: bool,
    /// Rungs reached, with seconds since power-on.
    pub(crate) rungs: Vec<(Rung, f64)>,
    /// Causes diagnosed, in order, each once.
    pub(crate) troubles: Vec<Trouble>,
    /// When the kernel printed its first line, in seconds since power-on.
    pub(crate) kernel_seconds: Option<f64>,
    /// When the console showed what was waited for.
    pub(crate) until_seconds: Option<f64>,
    /// In one sentence.
    pub(crate) verdict: String,
}

impl Outcome {
    /// Whether the timeline names this cause: told by the box, or found by the server.
    pub(crate) fn told(&self, id: &str) -> bool {
        self.troubles.iter().any(|trouble| trouble.cause == id)
    }
}

/// Head of the screen that PID 1 shows when a box cannot go on (`agent::screen`).
const SCREEN: &str = "bootworks: this box cannot go on";
/// The verdict where nothing but the console tells.
const NAMED_BY_LOG: &str = "the console's log alone names the expected cause";
/// How long a box may be stuck, in the server's judgement, before it counts: a slow machine's boxes are late.
const STUCK_LASTS: Duration = Duration::from_secs(300);
/// How often the box itself and Ctrl-C are looked at while nothing is heard.
const GLANCE: Duration = Duration::from_millis(200);

impl Course<'_> {
    /// Runs it to its end. Errors are what keeps a rehearsal from taking place; a box that fails is an outcome.
    pub(crate) fn run(&self, settings: &Settings) -> Result<Outcome> {
        let interrupt = Interrupt::catch()?;
        let ear = Ear::open();
        let entries = ear.entries();
        let mut run = Run {
            course: self,
            server: Server::start(settings, &entries)?,
            ear,
            interrupt,
            started: Instant::now(),
            outcome: Outcome::default(),
            faults: self.faults.clone(),
            step: String::new(),
            answers: self.line.rehearsal.answers.clone(),
            trouble_since: None,
            stuck_since: None,
            log_names_since: None,
            log_read: Instant::now(),
            starved: 0,
            cuts: 0,
            tpm_knows: true,
            was_sent_to_disk: false,
            key_awaited: None,
            timeline: timeline_file(settings)?,
        };
        run.wait_for_server()?;
        let running = match self.start {
            Start::Itself(Boot::Disk { .. }) => {
                run.outcome.finished = true;
                None
            }
            _ => run.install()?,
        };
        run.go_on_from(running)?;
        Ok(run.outcome)
    }

    /// Where the console is shown: beside the results where those are for a program.
    fn watch_console(&self) -> Option<fn(&[u8])> {
        match (self.typed, self.quiet) {
            (false, _) => None,
            (true, false) => Some(|bytes| report::pass_on(&mut std::io::stdout().lock(), bytes)),
            (true, true) => Some(|bytes| report::pass_on(&mut std::io::stderr().lock(), bytes)),
        }
    }
}

struct Run<'a> {
    course: &'a Course<'a>,
    server: Server,
    ear: Ear,
    interrupt: Interrupt,
    started: Instant,
    outcome: Outcome,
    faults: Vec<Fault>,
    step: String,
    answers: BTreeMap<String, String>,
    trouble_since: Option<Instant>,
    stuck_since: Option<Instant>,
    log_names_since: Option<Instant>,
    log_read: Instant,
    starved: u32,
    cuts: u64,
    /// Whether the box's TPM still is the one that was there at the installation.
    tpm_knows: bool,
    /// Whether the server said since the last start that the box is finished, and sent it to its disk.
    was_sent_to_disk: bool,
    /// The prompt at which a key is pressed, and the key.
    key_awaited: Option<(&'static str, &'static str)>,
    timeline: std::fs::File,
}

/// What one look at the box led to.
#[derive(PartialEq)]
enum Then {
    GoOn,
    End,
    CutPower,
    PullCable,
    PullDisk,
    CheckMachine,
    InsertStick,
    KillServer(Duration),
}

impl Run<'_> {
    /// The box is switched on when the server listens: firmware asks at once, and gives up after a minute.
    fn wait_for_server(&mut self) -> Result<()> {
        let since = Instant::now();
        let address = (self.course.line.network.address, HTTP_PORT);
        while std::net::TcpStream::connect(address).is_err() {
            self.server.check()?;
            if since.elapsed() > Duration::from_secs(60) {
                return Err(Failure::new("the server does not listen after 60 s"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// From power-on to the end of the installation. Gives the box where it goes on by itself.
    fn install(&mut self) -> Result<Option<Machine>> {
        self.started = Instant::now();
        let Some(mut machine) = self.power_on()? else { return Ok(None) };
        if self.course.typed {
            relay_keys(machine.keyboard.clone());
        }
        let mut heard = Instant::now();
        loop {
            match self.ear.hear(GLANCE) {
                Ok(News::Entry(entry)) => {
                    heard = Instant::now();
                    match self.take(entry) {
                        Then::GoOn => {}
                        Then::End => return Ok(None),
                        Then::CutPower => {
                            machine.cut_power();
                            let lost = self.lose_unflushed()?;
                            self.say(&format!("the box lost its power, {lost}, and is switched on again"));
                            let Some(again) = self.power_on()? else { return Ok(None) };
                            machine = again;
                        }
                        Then::PullCable => {
                            self.say("the cable of the first NIC is pulled out");
                            machine.pull_cable()?;
                        }
                        Then::PullDisk => {
                            self.say("the first disk is pulled out");
                            machine.pull_disk()?;
                        }
                        Then::CheckMachine => {
                            self.say("the processor reports an error");
                            machine.check_processor()?;
                        }
                        Then::InsertStick => {
                            self.say("a USB stick is put in");
                            machine.insert_stick(&self.course.chassis.stick())?;
                        }
                        Then::KillServer(absence) => {
                            let back = match absence.as_secs() {
                                0 => "started again".to_owned(),
                                seconds => format!("started again after {seconds} s"),
                            };
                            self.say(&format!("the server is killed, to be {back}"));
                            self.server.leave(absence);
                        }
                    }
                }
                Ok(News::Line(line)) => {
                    heard = Instant::now();
                    self.press_key(&line, &machine);
                    if self.is_starved(&line) {
                        machine.cut_power();
                        let Some(again) = self.power_on()? else { return Ok(None) };
                        machine = again;
                    } else if self.read(&line) == Then::End {
                        return Ok(None);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new("the rehearsal lost its ears"));
                }
            }
            if self.server.is_back()? {
                self.say("the server is started again");
                heard = Instant::now();
            }
            if self.interrupt.came() {
                self.outcome.interrupted = true;
                self.outcome.verdict = "interrupted".into();
                return Ok(None);
            }
            if self.is_power_due() {
                machine.cut_power();
                if self.starts_half_written()? {
                    return Ok(None);
                }
                self.say("the box is switched on again");
                let Some(again) = self.power_on()? else { return Ok(None) };
                machine = again;
                heard = Instant::now();
            }
            if let Some(left) = self.left_running() {
                return self.leave(left, machine);
            }
            if !machine.runs() {
                self.conclude_power_off();
                return Ok(None);
            }
            if self.trouble_since.is_some_and(|since| since.elapsed() > self.trouble_lasts()) {
                self.outcome.verdict = "the box is in trouble and does not get out of it by itself".into();
                return Ok(None);
            }
            if self.is_named_by_log() {
                self.outcome.verdict = NAMED_BY_LOG.into();
                return Ok(None);
            }
            if self.stuck_since.is_some_and(|since| since.elapsed() > STUCK_LASTS) {
                self.outcome.verdict = "the box is stuck, whatever it tries".into();
                return Ok(None);
            }
            if heard.elapsed() > self.course.patience && !self.server.is_away() {
                let rung = self.outcome.rungs.last().map_or("nothing", |(rung, _)| rung.label());
                self.outcome.verdict = format!(
                    "nothing new for {} s; the last rung was: {rung}",
                    self.course.patience.as_secs()
                );
                return Ok(None);
            }
            self.server.check()?;
        }
    }

    /// Whether the box boots although the proof says that it cannot: what is found then comes from its screen.
    fn is_sent_astray(&self) -> bool {
        self.course.faults.contains(&Fault::IgnoreProof)
    }

    fn awaits_screen(&self) -> bool {
        self.is_sent_astray() && self.outcome.kernel_seconds.is_none()
    }

    /// A line of the console, while the box is installed. Without a network it tells nobody else, again and again.
    fn read(&mut self, line: &str) -> Then {
        if line.contains("Linux version ") && self.outcome.kernel_seconds.is_none() {
            self.outcome.kernel_seconds = Some(self.seconds());
        }
        if self.course.until.as_ref().is_some_and(|until| line.contains(until.as_str())) {
            self.outcome.until_seconds = Some(self.seconds());
            self.outcome.verdict = format!("the console showed `{line}`");
            return Then::End;
        }
        let shown = self.course.expected.as_ref().is_some_and(|id| line.contains(&format!("cause: {id}")));
        if shown || self.is_sent_astray() && line.contains(SCREEN) {
            self.trouble_since.get_or_insert_with(Instant::now);
        }
        Then::GoOn
    }

    /// Switches the box on for its installation. `None`: the server refused it, and the verdict says so.
    fn power_on(&mut self) -> Result<Option<Machine>> {
        let nic = match &self.course.start {
            // One that was kept finished is installed again from where it was first.
            Start::Itself(Boot::Disk { .. }) => return self.switch_on(&Boot::Network).map(Some),
            Start::Itself(boot) => return self.switch_on(boot).map(Some),
            Start::Relayed(nic) => *nic,
        };
        let chassis = self.course.chassis;
        let asker = relay::Asker {
            server: self.course.line.network.address,
            mac: chassis.mac(),
            nic,
            firmware: chassis.hardware.firmware,
            memory_bytes: chassis.hardware.memory_bytes,
            folder: &chassis.folder,
        };
        match asker.ask()? {
            relay::Answer::Boot(direct) => self.switch_on(&Boot::Direct(direct)).map(Some),
            relay::Answer::Refusal => {
                self.outcome.verdict = "the server does not start this box".into();
                self.drain();
                Ok(None)
            }
        }
    }

    fn switch_on(&mut self, boot: &Boot) -> Result<Machine> {
        let lines = self.ear.lines_of_new_start();
        let power_goes = !matches!(boot, Boot::Disk { .. }) && self.faults.iter().any(Fault::cuts_power);
        self.course.chassis.start(boot, power_goes, lines, self.course.watch_console())
    }

    /// Takes an entry of the timeline in: shows it, keeps it, and says what follows from it.
    fn take(&mut self, entry: Entry) -> Then {
        self.keep(&entry);
        if entry.of != self.course.chassis.mac() {
            return Then::GoOn;
        }
        if let Some(rung) = entry.event.rung() {
            self.climb(rung, &entry.event);
        }
        match entry.event {
            Event::Answered { question, answer: Some(answer), .. } => {
                self.answers.insert(question, answer);
                Then::GoOn
            }
            Event::BootRefused { trouble }
            | Event::TroubleFound { trouble, .. }
            | Event::StepFailed { trouble, .. } => {
                // A box that is sent into a boot known to fail is waited for until its own screen says so.
                if !self.awaits_screen() {
                    self.trouble_since.get_or_insert_with(Instant::now);
                }
                self.note_trouble("TROUBLE", trouble)
            }
            // A conclusion of the server's: the box may only be slow, and is not given up for it.
            Event::SilenceExplained { trouble, .. } => {
                self.stuck_since.get_or_insert_with(Instant::now);
                self.note_trouble("STUCK", trouble)
            }
            Event::PlanShown { .. } if !self.course.typed => {
                self.confirm();
                Then::GoOn
            }
            Event::TroubleOver { cause } => {
                self.say(&format!("over: {cause}"));
                self.trouble_since = None;
                Then::GoOn
            }
            Event::StepStarted { step, of, name, title } => {
                self.say(&format!("step {step} of {of}: {title}"));
                self.step = name;
                self.strike(0)
            }
            Event::StepProgress { done_bytes, total_bytes, .. } => {
                self.strike((done_bytes.saturating_mul(100) / total_bytes.max(1)).min(100) as u8)
            }
            _ => Then::GoOn,
        }
    }

    /// Confirms the plan as somebody at the dashboard would. A line with `confirm = "auto"` needs nobody.
    fn confirm(&self) {
        if self.course.line.appliance.confirm == Confirm::Auto {
            return;
        }
        let address = self.course.line.network.address;
        let url = format!("http://{address}:{HTTP_PORT}/api/boxes/{}/confirm", self.course.chassis.mac());
        if let Err(error) = ureq::post(&url).send("{}") {
            self.say(&format!("the plan could not be confirmed over the API: {error}"));
        }
    }

    /// A new rung, with the time it took to get there.
    fn climb(&mut self, rung: Rung, event: &Event) {
        let known = self.outcome.rungs.iter().any(|(known, _)| *known == rung);
        if known {
            return;
        }
        self.stuck_since = None;
        let seconds = self.seconds();
        self.outcome.rungs.push((rung, seconds));
        let detail = match event {
            Event::Reached { detail, .. } if !detail.is_empty() => format!(": {detail}"),
            Event::TransferDone { bytes, millis, .. } => {
                format!(": {:.1} MB in {:.1} s", *bytes as f64 / 1e6, *millis as f64 / 1e3)
            }
            Event::AddressTaken { address, .. } => format!(": {address}"),
            Event::NicReported { nic: Some(id), .. } => format!(": {id}"),
            _ => String::new(),
        };
        self.say(&format!("{}{detail}", rung.label()));
    }

    fn note_trouble(&mut self, mark: &str, trouble: Trouble) -> Then {
        let expected = !self.awaits_screen() && self.course.expected.as_ref() == Some(&trouble.cause);
        if !self.outcome.troubles.iter().any(|known| known.cause == trouble.cause) {
            self.say(&format!("{mark} {}: {}", trouble.cause, trouble.sentence));
            self.outcome.troubles.push(trouble);
        }
        if expected {
            self.outcome.verdict = "the expected cause was diagnosed".into();
            // The box's own screen is drawn in the same moment: its lines are wanted in the log.
            std::thread::sleep(Duration::from_secs(3));
            return Then::End;
        }
        Then::GoOn
    }

    /// Strikes the first fault whose moment has come.
    fn strike(&mut self, percent: u8) -> Then {
        let due = |moment: &Moment| moment.step == self.step && percent >= moment.percent;
        let position = self.faults.iter().position(|fault| match fault {
            Fault::PowerCut(moment)
            | Fault::ServerKilled(moment)
            | Fault::ServerGone(moment)
            | Fault::LinkLost(moment)
            | Fault::DiskLost(moment)
            | Fault::MachineCheck(moment)
            | Fault::StickInserted(moment) => due(moment),
            _ => false,
        });
        match position.map(|index| self.faults.remove(index)) {
            Some(Fault::PowerCut(_)) => Then::CutPower,
            Some(Fault::LinkLost(_)) => Then::PullCable,
            Some(Fault::DiskLost(_)) => Then::PullDisk,
            Some(Fault::MachineCheck(_)) => Then::CheckMachine,
            Some(Fault::StickInserted(_)) => Then::InsertStick,
            Some(Fault::ServerGone(_)) => Then::KillServer(ABSENCE),
            Some(_) => Then::KillServer(Duration::ZERO),
            None => Then::GoOn,
        }
    }

    fn keep(&mut self, entry: &Entry) {
        if let Ok(line) = serde_json::to_string(entry) {
            // The server's own store has it too; a full disk must not end the rehearsal here.
            let _ = writeln!(self.timeline, "{line}");
        }
    }

    fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn say(&self, line: &str) {
        let line = format!("{:7.1} s  {line}", self.seconds());
        if self.course.quiet || self.course.typed { report::note(&line) } else { report::say(&line) }
    }
}

fn timeline_file(settings: &Settings) -> Result<std::fs::File> {
    let path = settings.folder.join("timeline.jsonl");
    std::fs::File::create(&path).or_fail(|| format!("cannot write {}", path.display()))
}

/// What is typed here is typed there. Ends with standard input.
fn relay_keys(keyboard: Keyboard) {
    std::thread::spawn(move || {
        let mut chunk = [0u8; 256];
        let mut stdin = std::io::stdin().lock();
        while let Ok(read @ 1..) = stdin.read(&mut chunk) {
            keyboard.type_in(&chunk[..read]);
        }
    });
}
