//! The end of a rehearsal: the finished box starts from its own disk. How it got there is `course`'s.

use super::{Boot, GLANCE, Machine, NAMED_BY_LOG, News, Run};
use model::failure::Result;
use model::timeline::{Entry, Event};
use std::time::Instant;

impl Run<'_> {
    /// From power-on to the line's ready pattern, or to the cause that is expected.
    pub(super) fn boot_appliance(&mut self, boot: &Boot) -> Result<()> {
        // Nobody could tell when a box without a pattern is ready, so it is not switched on for that.
        let machine = self.course.line.rehearsal.ready.is_some().then(|| self.switch_on(boot)).transpose()?;
        self.await_appliance(machine, boot)
    }

    /// The same with a box that is on already; `boot` is what it boots from. From the network it has to be sent to its disk.
    pub(super) fn await_appliance(&mut self, machine: Option<Machine>, boot: &Boot) -> Result<()> {
        self.outcome.ready = false;
        self.was_sent_to_disk = false;
        let (Some(pattern), Some(mut machine)) = (&self.course.line.rehearsal.ready, machine) else {
            self.outcome.ready = true;
            self.outcome.verdict = "the box is finished; the line names no ready pattern".into();
            return Ok(());
        };
        let wanted = self.ready_line(pattern)?;
        let way = match boot {
            Boot::Disk { without: Some(index) } => format!("from its disk without disk {}", index + 1),
            Boot::Disk { without: None } | Boot::Direct(_) => "from its disk".to_owned(),
            Boot::Network => "with the network first".to_owned(),
        };
        self.say(&format!("booting the appliance {way}, waiting for `{wanted}`"));
        let mut locked = self.passphrases()?;
        let mut heard = Instant::now();
        loop {
            match self.ear.hear(GLANCE) {
                Ok(News::Line(line)) if line.contains(&wanted) => {
                    if *boot == Boot::Network && !self.was_sent_to_disk {
                        self.outcome.verdict =
                            "the box started from its disk without having asked the network".into();
                        return Ok(());
                    }
                    self.outcome.ready = true;
                    self.outcome.verdict =
                        format!("the box is finished and its appliance is ready, {:.0} s", self.seconds());
                    return Ok(());
                }
                Ok(News::Line(line)) => {
                    heard = Instant::now();
                    // cryptsetup's askpass in the initramfs (cryptsetup-initramfs, scripts/local-top/cryptroot).
                    let asks = |(name, _): &(String, String)| line.contains(&format!("unlock disk {name}"));
                    if self.is_starved(&line) {
                        machine.cut_power();
                        machine = self.switch_on(boot)?;
                        locked = self.passphrases()?;
                    } else if let Some(position) = locked.iter().position(asks) {
                        let (name, passphrase) = locked.remove(position);
                        self.say(&format!("typing the passphrase of `{name}`"));
                        machine.keyboard.type_in(format!("{passphrase}\n").as_bytes());
                    }
                }
                Ok(News::Entry(entry)) => self.hear_of_appliance(&entry),
                Err(_) => {}
            }
            if self.interrupt.came() {
                self.outcome.interrupted = true;
                self.outcome.verdict = "interrupted".into();
                return Ok(());
            }
            if !machine.runs() {
                self.outcome.verdict = "the box was installed, but the appliance switched itself off".into();
                return Ok(());
            }
            if self.is_named_by_log() {
                self.outcome.verdict = NAMED_BY_LOG.into();
                return Ok(());
            }
            if heard.elapsed() > self.course.patience {
                self.outcome.verdict = format!(
                    "the box was installed, but its appliance never said `{wanted}`; silent for {} s",
                    self.course.patience.as_secs()
                );
                return Ok(());
            }
        }
    }

    /// What the server tells of a finished box: whether it was sent to its disk.
    fn hear_of_appliance(&mut self, entry: &Entry) {
        self.keep(entry);
        if entry.of == self.course.chassis.mac() && matches!(entry.event, Event::SentToDisk) {
            self.was_sent_to_disk = true;
            self.say("finished: sent to its disk");
        }
    }
}
