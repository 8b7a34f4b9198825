//! The state of a box: a pure fold over its timeline.
//!
//! Nothing in here is stored. The server folds what it reads back at its start and each new entry after that;
//! `bootworks boxes`, the API and the rehearsal read the result.

use super::{Client, Cut, Entry, Event, LASTING_ROOT, Timestamp, Trouble};
use crate::hardware::{Disk, PciId, Smbios};
use crate::ladder::{LADDER, Rung};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::mac::Mac;

/// How long a stretch of progress the rate is averaged over: shorter flickers, longer hides a stalled disk.
const RATE_WINDOW_MILLIS: u64 = 10_000;

/// What is known of one box now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoxState {
    /// The box, by the MAC of its boot NIC.
    #[serde(rename = "box")]
    pub of: Mac,
    /// The address it took last.
    pub address: Option<Ipv4Addr>,
    /// How it names itself (SMBIOS), where it told.
    pub smbios: Smbios,
    /// PCI id of the NIC that boots, where it told.
    pub nic: Option<PciId>,
    /// Its disks, once the inventory is known.
    pub disks: Vec<Disk>,
    /// How many times it began to climb the ladder.
    pub climbs: u32,
    /// The highest rung of the climb before this one.
    #[serde(default)]
    pub last_end: Option<Rung>,
    /// The rungs of this climb, each with the time it was reached first.
    pub rungs: BTreeMap<Rung, Timestamp>,
    /// What is wrong now.
    pub trouble: Option<Trouble>,
    /// Since when it is wrong.
    pub trouble_since: Option<Timestamp>,
    /// Whether it waits until other boxes have fetched.
    #[serde(default)]
    pub awaits_turn: bool,
    /// When its appliance was finished, until another installation is asked for or begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<Timestamp>,
    /// Whether it was sent to its disk in this climb, being finished.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sent_to_disk: bool,
    /// Digest of the build of the live OS that it was sent into last; empty before that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub live: String,
    /// What the server makes of its silence, until it climbs again.
    #[serde(default)]
    pub silence: Option<Trouble>,
    /// Whether the server could not read a file that it asked for, until it climbs again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
    /// Whether it mounted the root by the name that stays, as an initrd of somebody else does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_lasting_name: bool,
    /// Whether it read that root, and none of its reads came again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reads_well: bool,
    /// The step of the plan that runs.
    pub step: Option<StepState>,
    /// Ids of the questions open on the box, oldest first.
    pub open: Vec<String>,
    /// The questions answered in this climb, by id.
    pub answered: BTreeMap<String, AnswerSeen>,
    /// The plan as shown, from then on.
    pub plan: Option<String>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// Place in the store of the last entry folded in; 0 before the first.
    pub sequence: u64,
}

/// How a question was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerSeen {
    /// `console`, `api`, `file`, `default`.
    pub by: String,
    /// The answer, absent where it is a secret.
    pub answer: Option<String>,
}

/// A step of the plan that runs, or ran last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepState {
    /// Its number, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// Its short name: `image`.
    pub name: String,
    /// Its line in the plan.
    pub title: String,
    /// When it began.
    pub since: Timestamp,
    /// How it stands.
    pub standing: StepStanding,
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes in all; 0 where the step does not count bytes.
    pub total_bytes: u64,
    /// Bytes a second over the last seconds, once known.
    pub bytes_per_second: Option<u64>,
    /// Seconds left at that rate.
    pub seconds_left: Option<u64>,
    /// When it was last seen to go on.
    #[serde(skip)]
    heard: Option<Timestamp>,
    /// Where the rate is measured from: time and bytes.
    #[serde(skip)]
    measured: Option<(Timestamp, u64)>,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStanding {
    /// It runs.
    Running,
    /// It ended well.
    Done,
    /// It failed.
    Failed,
}

/// How a box stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// On its way.
    Climbing,
    /// Waiting for a person: a question or the plan's confirmation is open.
    Waiting,
    /// Something is wrong; it says what.
    InTrouble,
    /// It is silent beyond its patience, and the server says what that means.
    Stuck,
    /// It ended well: powered off with its record sealed.
    Finished,
}

/// A rung whose patience has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The rung that does not come.
    pub rung: Rung,
    /// How long after its patience it is.
    pub by: Duration,
    /// Cause ids to look at first.
    pub suspects: &'static [&'static str],
}

/// A box as it is shown: its state, and what follows from it at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoxView {
    /// All of it.
    #[serde(flatten)]
    pub state: BoxState,
    /// What an operator calls it.
    pub label: String,
    /// How it stands.
    pub standing: Standing,
    /// Where it stands, in one sentence.
    pub sentence: String,
    /// The highest rung of this climb.
    pub highest: Option<Rung>,
    /// The rung that should have been reached.
    pub overdue: Option<Rung>,
    /// Since how many seconds it is overdue.
    pub overdue_seconds: Option<u64>,
    /// Cause ids to look at first.
    pub suspects: Vec<String>,
}

impl BoxView {
    /// How a box is shown at `now`.
    pub fn of(state: BoxState, now: Timestamp) -> BoxView {
        let overdue = state.overdue(now);
        let suspects = overdue.map_or(&[][..], |overdue| overdue.suspects);
        BoxView {
            label: state.label(),
            standing: state.standing(),
            sentence: state.sentence(),
            highest: state.highest().map(|(rung, _)| rung),
            overdue: overdue.map(|overdue| overdue.rung),
            overdue_seconds: overdue.map(|overdue| overdue.by.as_secs()),
            suspects: suspects.iter().map(|cause| (*cause).to_owned()).collect(),
            state,
        }
    }
}

impl BoxState {
    /// A box that nothing was seen of before `at`.
    pub fn new(of: Mac, at: Timestamp) -> BoxState {
        BoxState {
            of,
            address: None,
            smbios: Smbios::default(),
            nic: None,
            disks: Vec::new(),
            climbs: 0,
            last_end: None,
            rungs: BTreeMap::new(),
            trouble: None,
            trouble_since: None,
            awaits_turn: false,
            installed: None,
            sent_to_disk: false,
            live: String::new(),
            silence: None,
            unreadable: false,
            by_lasting_name: false,
            reads_well: false,
            step: None,
            open: Vec::new(),
            answered: BTreeMap::new(),
            plan: None,
            first_seen: at,
            last_seen: at,
            sequence: 0,
        }
    }

    /// Folds one entry in. Entries of other boxes and entries folded in already change nothing.
    pub fn apply(&mut self, entry: &Entry) {
        if entry.of != self.of || (self.sequence != 0 && entry.sequence <= self.sequence) {
            return;
        }
        self.sequence = entry.sequence;
        self.last_seen = self.last_seen.max(entry.at);
        if self.begins_a_climb(&entry.event) {
            self.begin_climb();
        }
        if let Some(rung) = entry.event.rung() {
            self.reach(rung, entry.at);
        }
        self.learn(entry);
    }

    /// The highest rung of this climb and when it was reached.
    pub fn highest(&self) -> Option<(Rung, Timestamp)> {
        self.rungs.last_key_value().map(|(rung, at)| (*rung, *at))
    }

    /// What an operator calls it: its host name once answered, else its serial number, else its MAC.
    pub fn label(&self) -> String {
        let hostname = self.answered.get("hostname").and_then(|seen| seen.answer.clone());
        hostname
            .or_else(|| tells(&self.smbios.serial).then(|| self.smbios.serial.clone()))
            .unwrap_or_else(|| self.of.to_string())
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        if self.trouble.is_some() {
            return Standing::InTrouble;
        }
        match self.highest().map(|(rung, _)| rung) {
            _ if self.sent_to_disk => Standing::Finished,
            Some(Rung::PoweredOff) => Standing::Finished,
            _ if !self.open.is_empty() || self.waits_for_confirmation() => Standing::Waiting,
            _ if self.silence.is_some() => Standing::Stuck,
            _ => Standing::Climbing,
        }
    }

    /// Whether this is the machine that these strings name, whichever of its NICs it booted from. Both must agree:
    /// some board makers give all their boards one UUID, others one serial number.
    pub fn is_machine(&self, smbios: &Smbios) -> bool {
        let same = |one: &str, other: &str| tells(one) && one.trim().eq_ignore_ascii_case(other.trim());
        same(&self.smbios.serial, &smbios.serial) && same(&self.smbios.uuid, &smbios.uuid)
    }

    /// Whether the plan stands on the screen and nobody confirmed it yet.
    pub fn waits_for_confirmation(&self) -> bool {
        self.plan.is_some() && !self.rungs.contains_key(&Rung::PlanConfirmed)
    }

    /// Where it stands, in one sentence without a full stop.
    pub fn sentence(&self) -> String {
        let told = match self.standing() {
            Standing::Stuck => &self.silence,
            _ => &self.trouble,
        };
        match (told, self.highest()) {
            (Some(trouble), _) => trouble.sentence.clone(),
            _ if self.sent_to_disk => {
                "finished before; it booted from the network and was sent to its disk".into()
            }
            (None, Some((Rung::PoweredOff, _))) => match self.step.as_ref().map(|step| step.name.as_str()) {
                Some("reboot") => "finished and started over".into(),
                Some("stay-on") => "finished, and left on".into(),
                _ => "finished and powered off".into(),
            },
            _ if self.awaits_turn => "waits for its turn: other boxes fetch before it".into(),
            _ if self.waits_for_confirmation() => "waits for the plan to be confirmed".into(),
            _ if !self.open.is_empty() => format!("waits for an answer: {}", self.open.join(", ")),
            _ if self.is_beyond_hearing() => "reads the root; what runs there is not told".into(),
            (None, highest) => match (&self.step, highest) {
                (Some(step), _) if step.standing == StepStanding::Running => step.sentence(),
                (_, Some((rung, _))) => rung.label().into(),
                (_, None) => "seen, and it does not boot from here".into(),
            },
        }
    }

    /// Whether it runs from the root by an initrd of somebody else, which tells nothing: a box at its login prompt reads
    /// nothing either, and is as silent as one that hangs.
    fn is_beyond_hearing(&self) -> bool {
        let stands = self.highest().is_some_and(|(highest, _)| highest == Rung::MountedRoot);
        stands && self.by_lasting_name && self.reads_well && !self.rungs.contains_key(&Rung::InitrdSpoke)
    }

    /// The rung that should have been reached by `now`. Nothing is overdue while a trouble is told, a person is
    /// waited for, nobody would tell, or all is done. A step that goes on, as a test of an hour does, is waited for from its last word.
    pub fn overdue(&self, now: Timestamp) -> Option<Overdue> {
        if !matches!(self.standing(), Standing::Climbing | Standing::Stuck)
            || self.awaits_turn
            || self.is_beyond_hearing()
        {
            return None;
        }
        let (highest, since) = self.highest()?;
        let next = LADDER.get(highest as usize + 1)?;
        let heard = self.step.as_ref().and_then(|step| step.heard).unwrap_or(since).max(since);
        let waited = Duration::from_millis(now.0.saturating_sub(heard.0));
        let by = waited.checked_sub(next.patience?)?;
        (!by.is_zero()).then_some(Overdue { rung: next.rung, by, suspects: next.suspects })
    }

    /// A box that was further already and is heard from a lower rung has started over. A ROM asks twice (its
    /// own PXE, then iPXE), so iPXE asking right after the loader belongs to the same climb. The server sees by itself
    /// that a root is fetched or mounted, and may see it before the initrd's own first words have come.
    fn begins_a_climb(&self, event: &Event) -> bool {
        let Some((highest, _)) = self.highest() else { return event.rung().is_some() };
        match event {
            Event::AddressAsked { client: Client::Rom | Client::HttpBoot, .. } => highest > Rung::TookAddress,
            Event::AddressAsked { client: Client::Ipxe, .. } => highest > Rung::FetchedLoader,
            Event::Reached { rung: Rung::InitrdSpoke, .. } => {
                highest > Rung::MountedRoot || self.rungs.contains_key(&Rung::InitrdSpoke)
            }
            _ => false,
        }
    }

    fn begin_climb(&mut self) {
        self.climbs += 1;
        self.last_end = self.highest().map(|(rung, _)| rung);
        self.rungs.clear();
        self.trouble = None;
        self.trouble_since = None;
        self.awaits_turn = false;
        self.sent_to_disk = false;
        self.silence = None;
        self.unreadable = false;
        self.by_lasting_name = false;
        self.reads_well = false;
        self.step = None;
        self.open.clear();
        self.answered.clear();
        self.plan = None;
    }

    fn reach(&mut self, rung: Rung, at: Timestamp) {
        if !self.rungs.contains_key(&rung) {
            self.silence = None;
            self.unreadable = false;
        }
        self.rungs.entry(rung).or_insert(at);
        // A box that keeps trying and gets past the rung it hung at is out of that trouble.
        if self.trouble.as_ref().is_some_and(|trouble| rung >= trouble.rung) {
            self.trouble = None;
            self.trouble_since = None;
        }
    }

    fn learn(&mut self, entry: &Entry) {
        match &entry.event {
            Event::AddressTaken { address, .. } => self.address = Some(*address),
            Event::RootMounted { address, path } => {
                self.address = Some(*address);
                self.by_lasting_name = path == LASTING_ROOT;
            }
            Event::RootRead { calls, repeated, .. } => {
                self.reads_well = *calls > 0 && *repeated == 0;
                if self.is_beyond_hearing() {
                    self.silence = None;
                }
            }
            Event::TurnAwaited { .. } => self.awaits_turn = true,
            Event::TransferFailed { why: Cut::Unreadable, .. } => self.unreadable = true,
            Event::Reached { rung: Rung::PoweredOff, .. } => self.installed = Some(entry.at),
            // From here on its disk is written to, and nothing on it is finished.
            Event::Reached { rung: Rung::PlanConfirmed, .. } => self.installed = None,
            Event::InstallationAsked { .. } => {
                self.installed = None;
                self.sent_to_disk = false;
            }
            Event::SentToDisk => self.sent_to_disk = true,
            Event::BootOffered { live, .. } => {
                self.awaits_turn = false;
                self.live.clone_from(live);
            }
            Event::NicReported { nic, smbios, .. } => {
                self.nic = nic.or(self.nic);
                self.smbios.clone_from(smbios);
            }
            Event::HardwareFound { inventory } => {
                self.smbios.clone_from(&inventory.smbios);
                self.disks.clone_from(&inventory.disks);
            }
            Event::BootRefused { trouble } | Event::TroubleFound { trouble, .. } => {
                self.suffer(trouble, entry.at);
            }
            Event::SilenceExplained { trouble, .. } => self.silence = Some(trouble.clone()),
            Event::TroubleOver { cause } if self.trouble.as_ref().is_some_and(|t| t.cause == *cause) => {
                self.trouble = None;
                self.trouble_since = None;
            }
            Event::Asked { question } if !self.open.contains(question) => {
                self.open.push(question.clone());
            }
            Event::Answered { question, by, answer } => {
                self.open.retain(|open| open != question);
                let seen = AnswerSeen { by: by.clone(), answer: answer.clone() };
                self.answered.insert(question.clone(), seen);
            }
            Event::PlanShown { text } => self.plan = Some(text.clone()),
            Event::StepStarted { step, of, name, title } => {
                self.step = Some(StepState {
                    number: *step,
                    of: *of,
                    name: name.clone(),
                    title: title.clone(),
                    since: entry.at,
                    heard: Some(entry.at),
                    standing: StepStanding::Running,
                    done_bytes: 0,
                    total_bytes: 0,
                    bytes_per_second: None,
                    seconds_left: None,
                    measured: None,
                });
            }
            Event::StepProgress { step, done_bytes, total_bytes } => {
                if let Some(running) = self.step.as_mut().filter(|running| running.number == *step) {
                    running.progress(entry.at, *done_bytes, *total_bytes);
                }
            }
            Event::StepDone { step, .. } => {
                if let Some(running) = self.step.as_mut().filter(|running| running.number == *step) {
                    running.end(StepStanding::Done);
                    running.heard = Some(entry.at);
                }
            }
            Event::StepFailed { step, trouble } => {
                if let Some(running) = self.step.as_mut().filter(|running| running.number == *step) {
                    running.end(StepStanding::Failed);
                }
                self.suffer(trouble, entry.at);
            }
            _ => {}
        }
    }

    fn suffer(&mut self, trouble: &Trouble, at: Timestamp) {
        if self.trouble.as_ref().is_none_or(|known| known.cause != trouble.cause) {
            self.trouble_since = Some(at);
        }
        self.trouble = Some(trouble.clone());
    }
}

impl StepState {
    fn progress(&mut self, at: Timestamp, done_bytes: u64, total_bytes: u64) {
        if done_bytes != self.done_bytes {
            self.heard = Some(at);
        }
        self.done_bytes = done_bytes;
        self.total_bytes = total_bytes;
        let (from, before) = *self.measured.get_or_insert((self.since, 0));
        let millis = at.0.saturating_sub(from.0);
        // A repeat after a power cut starts at zero again: no rate from going backwards.
        let Some(bytes) = done_bytes.checked_sub(before) else {
            self.measured = Some((at, done_bytes));
            return;
        };
        if millis == 0 {
            return;
        }
        let rate = u64::try_from(u128::from(bytes) * 1000 / u128::from(millis)).unwrap_or(u64::MAX);
        self.bytes_per_second = Some(rate);
        let left = total_bytes.saturating_sub(done_bytes);
        self.seconds_left = (rate > 0).then(|| left.div_ceil(rate));
        if millis >= RATE_WINDOW_MILLIS {
            self.measured = Some((at, done_bytes));
        }
    }

    fn end(&mut self, standing: StepStanding) {
        self.standing = standing;
        self.seconds_left = None;
        if standing == StepStanding::Done {
            self.done_bytes = self.total_bytes;
        }
    }

    /// How far it is, 0 to 100; `None` where the step does not count bytes.
    pub fn percent(&self) -> Option<u64> {
        let percent = u128::from(self.done_bytes.min(self.total_bytes)) * 100;
        percent.checked_div(u128::from(self.total_bytes)).and_then(|percent| u64::try_from(percent).ok())
    }

    /// `step 3 of 9: writing the image, 45 % at 38 MB/s, 20 s left`.
    pub fn sentence(&self) -> String {
        let mut sentence = format!("step {} of {}: {}", self.number, self.of, self.title);
        if let Some(percent) = self.percent() {
            sentence += &format!(", {percent} %");
        }
        // A step that lasts for a certain time counts milliseconds.
        if let Some(rate) = self.bytes_per_second.filter(|_| self.name != "test-processor") {
            sentence += &format!(" at {} MB/s", rate / 1_000_000);
        }
        if let Some(seconds) = self.seconds_left {
            sentence += &format!(", {seconds} s left");
        }
        sentence
    }
}

/// Whether an SMBIOS string says anything: board makers leave placeholders in place of a serial number.
fn tells(text: &str) -> bool {
    let text = text.trim();
    let placeholders =
        ["not specified", "none", "default string", "to be filled by o.e.m.", "system serial number", "0"];
    !text.is_empty() && !placeholders.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests;
