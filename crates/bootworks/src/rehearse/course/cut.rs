//! Power that goes at an instant of the installation, and what the half-written disk does then.
//!
//! Afterwards the box is started from its disk alone: before the seal nothing may start. Then it is switched on as ever,
//! and has to be finished.

use super::super::write_cache::Lost;
use super::{Boot, Fault, GLANCE, News, Run, Then};
use model::failure::Result;
use model::ladder::Rung;
use std::time::{Duration, Instant};

/// How long the disk is given to start something: firmware looks at it within seconds, a boot loader follows.
const TRIAL: Duration = Duration::from_secs(60);
/// What firmware says that found nothing to start: SeaBIOS (src/boot.c, `do_boot`), OVMF
/// (MdeModulePkg/Universal/BdsDxe/BdsEntry.c), and the shell that OVMF starts when all else failed
/// (ShellPkg/Application/Shell/Shell.c).
const NOTHING: &[&str] =
    &["No bootable device.", "No bootable option or device was found", "UEFI Interactive Shell v"];
/// What only a kernel prints (init/main.c, `linux_banner`).
const KERNEL: &str = "Linux version ";

impl Run<'_> {
    /// Whether it is time for the power to go.
    pub(super) fn is_power_due(&mut self) -> bool {
        let confirmed = self.outcome.rungs.iter().find(|(rung, _)| *rung == Rung::PlanConfirmed);
        let Some((_, confirmed)) = confirmed else { return false };
        let elapsed = self.seconds() - confirmed;
        let is_due =
            |fault: &Fault| matches!(fault, Fault::PowerCutAfter(after) if elapsed >= after.as_secs_f64());
        match self.faults.iter().position(is_due) {
            Some(index) => {
                self.faults.remove(index);
                true
            }
            None => false,
        }
    }

    /// Takes from the disks what they had not flushed. What is lost is drawn anew at each cut of a rehearsal, and the same
    /// each time a rehearsal is repeated.
    pub(super) fn lose_unflushed(&mut self) -> Result<Lost> {
        self.cuts += 1;
        self.course.chassis.lose_unflushed(self.cuts)
    }

    /// Starts the box from its disk alone. Says whether a kernel came although nothing was sealed; then the verdict tells.
    pub(super) fn starts_half_written(&mut self) -> Result<bool> {
        let step = if self.step.is_empty() { "no step".to_owned() } else { format!("step `{}`", self.step) };
        let lost = self.lose_unflushed()?;
        self.say(&format!("the box lost its power in {step}; {lost}"));
        self.say("starting it from its disk alone");
        // What was under way when the power went may have been the seal: then either is right.
        let may_start = self.step == "seal" || self.has_reached(Rung::BootLoaderInstalled);
        let mut machine = self.switch_on(&Boot::Disk { without: None })?;
        let since = Instant::now();
        let (mut came, mut gave_up) = (false, false);
        while since.elapsed() < TRIAL && machine.runs() && !came && !gave_up {
            match self.ear.hear(GLANCE) {
                Ok(News::Line(line)) => {
                    came = line.contains(KERNEL);
                    gave_up = NOTHING.iter().any(|words| line.contains(words));
                }
                Ok(News::Entry(entry)) => {
                    // The last words that were still on their way; nothing strikes a box that is off.
                    let _: Then = self.take(entry);
                }
                Err(_) => {}
            }
        }
        machine.cut_power();
        self.trouble_since = None;
        let may_start = may_start || self.step == "seal" || self.has_reached(Rung::BootLoaderInstalled);
        self.say(if came { "its disk started a kernel" } else { "its disk started nothing" });
        if came && !may_start {
            self.outcome.verdict = format!("the box started from its half-written disk, cut in {step}");
        }
        Ok(came && !may_start)
    }

    /// Whether the box has come to a rung.
    pub(super) fn has_reached(&self, rung: Rung) -> bool {
        self.outcome.rungs.iter().any(|(known, _)| *known == rung)
    }
}
