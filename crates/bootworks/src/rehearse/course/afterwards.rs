//! What becomes of a finished box: how its line leaves it, and what it does when it is started again.
//!
//! ```text
//!   power-off  it goes off by itself
//!   reboot     it starts over, the network first; the server sends it to its disk
//!   stay-on    somebody types `off`
//! ```

use super::{Boot, Fault, GLANCE, Machine, News, Run, Start};
use crate::rehearse::memory;
use model::failure::Result;
use model::ladder::Rung;
use model::line::Finish;
use std::time::{Duration, Instant};

/// The end of iPXE's line on the screen of a finished box (`serve::script`), and the key that it asks for.
const INSTALL_AGAIN: (&str, &str) = ("to install it again.", "i");
/// How long a box that is told to go off may take.
const GOING_OFF: Duration = Duration::from_secs(120);
/// How long the server may be silent before it has told everything.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// From the end of the installation on: the appliance's first start, and those that are asked for besides.
    pub(super) fn go_on_from(&mut self, running: Option<Machine>) -> Result<()> {
        if !self.outcome.finished || self.outcome.interrupted {
            return Ok(());
        }
        let chassis = self.course.chassis;
        if let Some(folder) = &self.course.keep {
            chassis.keep(folder)?;
            memory::copy(&chassis.folder, folder)?;
        }
        chassis.suffer()?;
        let from_disk = Boot::Disk { without: None };
        let is_again = |fault: &Fault| matches!(fault, Fault::NetworkFirst | Fault::InstalledAgain);
        let was_kept = matches!(self.course.start, Start::Itself(Boot::Disk { .. }));
        if was_kept && self.course.faults.iter().any(is_again) {
            // It was started from its disk when it was kept, so that this is its second start.
            self.outcome.ready = true;
        } else {
            match running {
                Some(_) => self.await_appliance(running, &Boot::Network)?,
                None => self.boot_appliance(&from_disk)?,
            }
        }
        for fault in &self.course.faults {
            if !self.outcome.ready {
                break;
            }
            match fault {
                Fault::DiskPulled(number) => {
                    self.boot_appliance(&Boot::Disk { without: Some(number - 1) })?;
                }
                Fault::TpmCleared => {
                    chassis.clear_tpm()?;
                    self.tpm_knows = false;
                    self.boot_appliance(&from_disk)?;
                }
                Fault::NetworkFirst => self.boot_appliance(&Boot::Network)?,
                Fault::InstalledAgain => self.install_again()?,
                _ => {}
            }
        }
        Ok(())
    }

    /// How the line leaves its boxes, where this one has come to that and does not go off by itself.
    pub(super) fn left_running(&self) -> Option<Finish> {
        let finish = self.course.line.appliance.finish;
        (finish != Finish::PowerOff && self.has_reached(Rung::PoweredOff)).then_some(finish)
    }

    /// A finished box that is not off yet goes its line's way. Gives it where it has started over by itself.
    pub(super) fn leave(&mut self, left: Finish, mut machine: Machine) -> Result<Option<Machine>> {
        let is_needed_off = self.course.keep.is_some() || self.course.chassis.harm.is_some();
        // A kernel that was put into the box's memory would be started again.
        let boots_by_itself =
            !matches!(self.course.start, Start::Relayed(_) | Start::Itself(Boot::Direct(_)));
        if left == Finish::Reboot && boots_by_itself && !is_needed_off {
            self.conclude_power_off();
            self.say("the box starts over by itself, the network first");
            return Ok(Some(machine));
        }
        if left == Finish::StayOn && !self.course.typed {
            self.say("the box stays on; typing `off`");
            machine.keyboard.type_in(b"off\n");
            let since = Instant::now();
            while machine.runs() && since.elapsed() < GOING_OFF && !self.interrupt.came() {
                if let Ok(News::Entry(entry)) = self.ear.hear(GLANCE) {
                    self.keep(&entry);
                }
            }
            if machine.runs() {
                self.outcome.verdict = "the box stays on although `off` was typed".into();
                return Ok(None);
            }
        }
        machine.cut_power();
        self.conclude_power_off();
        Ok(None)
    }

    /// Power-off is the end of an installation only where the box announced it.
    pub(super) fn conclude_power_off(&mut self) {
        self.drain();
        self.outcome.finished = self.has_reached(Rung::PoweredOff);
        if !self.outcome.finished {
            self.outcome.verdict = "the box went off before it was finished".into();
        } else if !self.course.chassis.stick_is_untouched() {
            self.outcome.finished = false;
            self.outcome.verdict = "the USB stick that was put in is not as it was".into();
        }
    }

    /// Takes in what the server still has to tell.
    pub(super) fn drain(&mut self) {
        let mut since = Instant::now();
        while let Ok(news) = self.ear.hear(LAST_WORDS.saturating_sub(since.elapsed())) {
            if let News::Entry(entry) = news {
                self.take(entry);
                since = Instant::now();
            }
        }
    }

    /// Starts the finished box from the network, presses the key that has it installed again, and installs it.
    fn install_again(&mut self) -> Result<()> {
        self.say("starting the finished box from the network, to press `i`");
        self.outcome.ready = false;
        self.outcome.finished = false;
        self.outcome.rungs.clear();
        self.was_sent_to_disk = false;
        self.key_awaited = Some(INSTALL_AGAIN);
        let running = self.install()?;
        if self.key_awaited.is_some() && self.outcome.finished {
            self.outcome.finished = false;
            self.outcome.verdict =
                "nobody was asked whether the finished box is to be installed again".into();
        }
        if !self.outcome.finished || self.outcome.interrupted {
            return Ok(());
        }
        match running {
            Some(_) => self.await_appliance(running, &Boot::Network),
            None => self.boot_appliance(&Boot::Disk { without: None }),
        }
    }

    /// Presses the key that is waited for where this line asks for it.
    pub(super) fn press_key(&mut self, line: &str, machine: &Machine) {
        if let Some((_, key)) = self.key_awaited.take_if(|(prompt, _)| line.contains(*prompt)) {
            self.say(&format!("pressing `{key}`"));
            machine.keyboard.type_in(key.as_bytes());
        }
    }
}
