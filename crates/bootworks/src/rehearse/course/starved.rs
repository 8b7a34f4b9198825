//! A box whose timer did not tick, because this machine had no time for it, and which may start again.

use super::Run;
use crate::rehearse::accelerator::Accelerator;

/// What Linux prints when a virtual box's timer did not tick because the machine under it had no time for it
/// (arch/x86/kernel/apic/io_apic.c, `check_timer`). It says nothing of the line.
const STARVED: &str = "IO-APIC + timer doesn't work";
/// How often a starved box is switched on again.
const STARVED_STARTS: u32 = 3;

impl Run<'_> {
    /// Whether this line tells that the machine was too busy for the box's timer, and the box may start again.
    pub(super) fn is_starved(&mut self, line: &str) -> bool {
        let emulated = self.course.chassis.accelerator == Accelerator::Tcg;
        // The panic prints its sentence once more where it ends: a line of a box that is off already.
        let told = line.contains(STARVED) && !line.contains("---[ end");
        if !emulated || !told || self.starved == STARVED_STARTS {
            return false;
        }
        self.starved += 1;
        self.say("this machine is too busy to run the box's timer; the box is switched on again");
        true
    }
}
