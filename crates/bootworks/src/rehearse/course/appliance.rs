//! The end of a rehearsal: the finished box starts from its own disk. How it got there is `course`'s.

use super::{GLANCE, NAMED_BY_LOG, News, Run};
use crate::rehearse::machine::Boot;
use model::failure::Result;
use std::time::Instant;

impl Run<'_> {
    /// From power-on to the line's ready pattern, without a network boot, or to the cause that is expected.
    /// `without` is a disk that was pulled out.
    pub(super) fn boot_appliance(&mut self, without: Option<usize>) -> Result<()> {
        let Some(pattern) = &self.course.line.rehearsal.ready else {
            self.outcome.ready = true;
            self.outcome.verdict = "the box is finished; the line names no ready pattern".into();
            return Ok(());
        };
        let wanted = self.ready_line(pattern)?;
        let pulled = without.map_or(String::new(), |index| format!(" without disk {}", index + 1));
        self.say(&format!("booting the appliance from its disk{pulled}, waiting for `{wanted}`"));
        let mut machine = self.switch_on(&Boot::Disk { without })?;
        let mut locked = self.passphrases()?;
        let mut heard = Instant::now();
        loop {
            match self.news.recv_timeout(GLANCE) {
                Ok(News::Line(line)) if line.contains(&wanted) => {
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
                        machine = self.switch_on(&Boot::Disk { without })?;
                        locked = self.passphrases()?;
                    } else if let Some(position) = locked.iter().position(asks) {
                        let (name, passphrase) = locked.remove(position);
                        self.say(&format!("typing the passphrase of `{name}`"));
                        machine.keyboard.type_in(format!("{passphrase}\n").as_bytes());
                    }
                }
                Ok(News::Entry(entry)) => self.keep(&entry),
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
}
