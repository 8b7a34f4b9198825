//! Carries a plan out, step by step. It decides nothing: everything that could be chosen stands in the plan.
//!
//! Until the seal the disk boots nothing, so power that goes at any moment leaves a box that starts over.

mod accounts;
mod disk;
mod fault;
mod image;
mod ledger;
mod loader;
mod mounts;
mod readback;
mod script;
mod seal;
mod settle;

pub(crate) use fault::{Blame, Fault, Outcome};

use super::witness::{Meter, Witness};
use ledger::Ledger;
use loader::Staged;
use model::failure::Failure;
use model::ladder::Rung;
use model::plan::{Plan, Step};
use model::record::{ReadBack, StepRecord};
use model::timeline::{Event, Trouble};
use mounts::{Access, Mounted};
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Instant;

/// A plan being carried out.
pub(crate) struct Installation<'a> {
    plan: &'a Plan,
    server: SocketAddrV4,
    target: PathBuf,
    witness: &'a dyn Witness,
    mounted: Option<Mounted>,
    ledger: Ledger,
    staged: Staged,
    done: Done,
}

/// What there is to tell of the steps so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    /// The steps as they went.
    pub(crate) steps: Vec<StepRecord>,
    /// What was read back.
    pub(crate) read_back: ReadBack,
    /// What went wrong without stopping the work.
    pub(crate) remarks: Vec<String>,
}

/// A step that failed, as a person is told.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// Why and what to do.
    pub(crate) trouble: Trouble,
}

impl<'a> Installation<'a> {
    /// Prepares to carry out a plan. The appliance is mounted at `target` while it is written.
    pub(crate) fn of(
        plan: &'a Plan,
        server: SocketAddrV4,
        target: PathBuf,
        witness: &'a dyn Witness,
    ) -> Installation<'a> {
        Installation {
            plan,
            server,
            target,
            witness,
            mounted: None,
            ledger: Ledger::default(),
            staged: Staged::default(),
            done: Done::default(),
        }
    }

    /// Carries out every step. `conclude` does those that are not about disks: record and power-off.
    pub(crate) fn run(
        &mut self,
        conclude: &mut dyn FnMut(&Step, &Done) -> Outcome<()>,
    ) -> Result<(), Stopped> {
        for (index, step) in self.plan.steps.iter().enumerate() {
            let (number, of, title) = (index + 1, self.plan.steps.len(), self.plan.title(step));
            self.witness.say(&format!("[{number}/{of}] {title}"));
            let name = step.name().to_owned();
            self.witness.tell(Event::StepStarted { step: number, of, name, title: title.clone() });
            let started = Instant::now();
            let outcome = match step {
                Step::Record | Step::PowerOff => conclude(step, &self.done),
                _ => self.carry_out(number, step),
            };
            if let Err(fault) = outcome {
                let trouble = self.trouble(index, step, &fault);
                self.witness.tell(Event::StepFailed { step: number, trouble: trouble.clone() });
                return Err(Stopped { trouble });
            }
            let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.done.steps.push(StepRecord { title, millis });
            self.witness.tell(Event::StepDone { step: number, millis });
            self.tell_rung(index);
        }
        Ok(())
    }

    fn carry_out(&mut self, number: usize, step: &Step) -> Outcome<()> {
        let nowhere = || Fault {
            cause: "layout-invalid",
            failure: Failure::new("the plan names a disk that it has not"),
        };
        match step {
            Step::Clear { disk } => disk::clear(&self.plan.disks.get(*disk).ok_or_else(nowhere)?.disk),
            Step::Partition { disk } => disk::partition(self.plan.disks.get(*disk).ok_or_else(nowhere)?),
            Step::Format { place } => {
                let planned = self.plan.disks.get(place.disk).ok_or_else(nowhere)?;
                disk::format(planned, self.plan.partition(*place).ok_or_else(nowhere)?)
            }
            Step::Unpack { image } => {
                let mounted = Mounted::mount(self.plan, &self.target, |_| Some(Access::Write));
                self.mounted = Some(mounted.blame("disk-io-error")?);
                let meter = Meter::start(self.witness, number, image.bytes);
                image::unpack(self.server, image, &self.target, &mut self.ledger, &meter)
            }
            Step::Settle { files, users } => settle::settle(&self.target, files, users, &mut self.ledger),
            Step::Run { script, environment } => {
                script::run(&self.target, script, environment, self.witness, &mut self.ledger)
            }
            Step::StageLoaders { targets } => {
                let mounted = self.mounted.get_or_insert_default();
                self.staged = loader::stage(self.plan, targets, &self.target, mounted, &mut self.ledger)?;
                Ok(())
            }
            Step::ReadBack => self.read_back(number),
            Step::Seal { targets, boot_entry } => {
                let remarks =
                    seal::seal(self.plan, targets, boot_entry.as_deref(), &self.staged, &self.target)?;
                for remark in &remarks {
                    self.witness.say(remark);
                    self.witness.tell(Event::Said { line: remark.clone() });
                }
                self.done.remarks.extend(remarks);
                Ok(())
            }
            Step::Record | Step::PowerOff => Ok(()),
        }
    }

    fn read_back(&mut self, number: usize) -> Outcome<()> {
        rustix::fs::sync();
        if let Some(mounted) = self.mounted.take() {
            mounted.unmount().blame("disk-in-use")?;
        }
        for planned in &self.plan.disks {
            disk::open(&planned.disk)?.forget_cached().blame("disk-io-error")?;
        }
        let mounted =
            Mounted::mount(self.plan, &self.target, |_| Some(Access::Read)).blame("disk-io-error")?;
        let image_bytes = self.plan.steps.iter().find_map(|step| match step {
            Step::Unpack { image } => Some(image.unpacked_bytes),
            _ => None,
        });
        let meter = Meter::start(self.witness, number, image_bytes.unwrap_or_default());
        self.done.read_back = readback::read_back(&self.target, &self.ledger, &meter)?;
        let ReadBack { files, bytes, .. } = &self.done.read_back;
        self.witness.say(&format!("{files} files with {bytes} bytes are on the disk as written"));
        mounted.unmount().blame("disk-in-use")
    }

    /// Says that a rung is reached when the last step that belongs to it is done.
    fn tell_rung(&self, index: usize) {
        let rung = rung_of(&self.plan.steps[index]);
        if self.plan.steps.get(index + 1).map(rung_of) == Some(rung) {
            return;
        }
        let detail = match rung {
            Rung::DisksLaidOut => {
                let disks: Vec<String> = self.plan.disks.iter().map(|disk| disk.disk.title()).collect();
                disks.join("; ")
            }
            Rung::Verified => {
                format!("{} files, {} bytes", self.done.read_back.files, self.done.read_back.bytes)
            }
            _ => self.plan.hostname.clone(),
        };
        self.witness.tell(Event::Reached { rung, detail });
    }

    fn trouble(&self, index: usize, step: &Step, fault: &Fault) -> Trouble {
        let report = fault.failure.report();
        let mut evidence: Vec<String> = Vec::new();
        let mut fix: Vec<String> = Vec::new();
        for line in report.lines().skip(1) {
            match line.strip_prefix("hint: ") {
                Some(hint) => fix.push(hint.to_owned()),
                None => evidence.push(line.trim_start_matches("because: ").to_owned()),
            }
        }
        let sealed = self.plan.steps[..index].iter().any(|done| matches!(done, Step::Seal { .. }));
        let touched = self.plan.steps[..index].iter().any(|done| matches!(done, Step::Clear { .. }));
        evidence.push(match (sealed, touched || index > 0) {
            (true, _) => "the disk is finished and bootable".into(),
            (false, true) => "the disk was cleared and boots nothing".into(),
            (false, false) => "what is on the disk may be gone; if not, it was not touched".into(),
        });
        fix.push("retry: the installation starts over from its first step".into());
        let sentence = format!("{}: {}", self.plan.title(step), fault.failure.message());
        Trouble { cause: fault.cause.into(), rung: rung_of(step), sentence, evidence, fix }
    }
}

/// The rung that a step belongs to.
fn rung_of(step: &Step) -> Rung {
    match step {
        Step::Clear { .. } | Step::Partition { .. } | Step::Format { .. } => Rung::DisksLaidOut,
        Step::Unpack { .. } => Rung::ImageWritten,
        Step::Settle { .. } | Step::Run { .. } | Step::StageLoaders { .. } | Step::ReadBack => Rung::Verified,
        Step::Seal { .. } => Rung::BootLoaderInstalled,
        Step::Record => Rung::RecordSealed,
        Step::PowerOff => Rung::PoweredOff,
    }
}

#[cfg(test)]
mod tests;
