//! When a box was heard long enough: a trouble that lasts, and a console's log that keeps naming the expected cause.
//! What it says is `course`'s to hear.

use super::Run;
use crate::rehearse::accelerator::Accelerator;
use crate::rehearse::log_causes;
use std::time::{Duration, Instant};

/// How long a trouble may last before it counts: some go by themselves, and its screen must be drawn.
const TROUBLE_LASTS: Duration = Duration::from_secs(20);
/// The same for a box whose processor is QEMU's translator, which several such boxes may share.
const TROUBLE_LASTS_TRANSLATED: Duration = Duration::from_secs(60);
/// How long the console's log must name the expected cause, and how often it is read: a later line may say otherwise.
const LOG_LASTS: Duration = Duration::from_secs(20);
const LOG_EACH: Duration = Duration::from_secs(4);

impl Run<'_> {
    /// How long a trouble may last on this box.
    pub(super) fn trouble_lasts(&self) -> Duration {
        match self.course.chassis.accelerator {
            Accelerator::Tcg => TROUBLE_LASTS_TRANSLATED,
            Accelerator::Kvm => TROUBLE_LASTS,
        }
    }

    /// Whether the console's log has been naming the expected cause for a while. A loader that tries again for ever
    /// is never silent, and tells nobody else.
    pub(super) fn is_named_by_log(&mut self) -> bool {
        let Some(expected) = &self.course.expected else { return false };
        if self.awaits_screen() || self.log_read.elapsed() < LOG_EACH {
            return false;
        }
        self.log_read = Instant::now();
        // What cannot be read names nothing; at the end it is an error.
        let causes = log_causes(&self.course.chassis.console_log()).unwrap_or_default();
        match causes.first() == Some(&expected.as_str()) {
            true => self.log_names_since.get_or_insert(self.log_read).elapsed() > LOG_LASTS,
            false => {
                self.log_names_since = None;
                false
            }
        }
    }
}
