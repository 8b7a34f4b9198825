//! Carries a plan out, step by step. It decides nothing: everything that could be chosen stands in the plan.
//!
//! Until the seal the disk boots nothing, so power that goes at any moment leaves a box that starts over.

mod accounts;
mod burn_in;
mod disk;
mod fault;
mod filesystem;
mod grow;
mod image;
mod initramfs;
mod kept;
mod ledger;
mod loader;
mod mounts;
mod packages;
mod readback;
mod script;
mod seal;
mod settle;
mod stack;
mod subvolumes;

pub(crate) use fault::{Blame, Fault, Outcome};

use super::witness::{Meter, Witness};
use image::Written;
use kept::Kept;
use ledger::Ledger;
use loader::Staged;
use model::api::JobImage;
use model::failure::Failure;
use model::hardware::size_text;
use model::ladder::Rung;
use model::line::Finish;
use model::plan::{Onto, Plan, Step};
use model::raw::ImageContent;
use model::record::{ReadBack, StepRecord};
use model::timeline::{Event, Trouble};
use mounts::{Access, Mounted};
use stack::Stacked;
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
    // Behind what is mounted on it: fields are dropped in this order.
    stacked: Stacked<'a>,
    kept: Kept,
    ledger: Ledger,
    written: Option<Written>,
    staged: Staged,
    done: Done,
}

/// What there is to tell of the steps so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    /// The steps as they went.
    pub(crate) steps: Vec<StepRecord>,
    /// What tests found before the installation.
    pub(crate) tests: Vec<String>,
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
            stacked: Stacked::of(plan),
            kept: Kept::default(),
            ledger: Ledger::default(),
            written: None,
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
                Step::Record | Step::Finish(_) => conclude(step, &self.done),
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
        match step {
            Step::Test { test } => {
                let found = burn_in::run(test, self.plan, self.server, number, self.witness)?;
                for line in &found {
                    self.witness.say(line);
                    self.witness.tell(Event::Said { line: line.clone() });
                }
                self.done.tests.extend(found);
                Ok(())
            }
            Step::Remember => {
                let meter = Meter::start(self.witness, number, kept::work_bytes(self.plan));
                self.kept = Kept::remember(self.plan, &meter)?;
                Ok(())
            }
            Step::Erase { disk } => disk::erase(self.plan.disks.get(*disk).ok_or_else(nowhere)?),
            Step::Clear { disk } => disk::clear(self.plan.disks.get(*disk).ok_or_else(nowhere)?),
            Step::Partition { disk } => disk::partition(self.plan.disks.get(*disk).ok_or_else(nowhere)?),
            Step::Stack { layer } => self.stacked.make(*layer),
            Step::Format { device } => filesystem::make(self.plan, *device),
            Step::Unpack { image } => {
                self.mount()?;
                let meter = Meter::start(self.witness, number, image.bytes);
                image::unpack(self.server, image, &self.target, &mut self.ledger, &meter)
            }
            Step::Write { image, onto } => self.write(number, image, *onto),
            Step::Verify { .. } => {
                let written = self.written.as_ref().ok_or_else(|| Fault {
                    cause: "layout-invalid",
                    failure: Failure::new("the plan reads an image back before it writes one"),
                })?;
                let meter = Meter::start(self.witness, number, written.bytes());
                self.done.read_back = written.verify(&meter)?;
                self.witness.say(&format!("{} are on the disk as written", size_text(written.bytes())));
                Ok(())
            }
            Step::Grow { device, kind } => grow::grow(self.plan, *device, *kind),
            Step::Settle { files, users } => {
                if self.mounted.is_none() {
                    self.mount()?;
                }
                settle::settle(&self.target, files, users, &mut self.ledger)?;
                settle::write_keys(&self.target, &self.stacked.key_files(), &mut self.ledger)
            }
            Step::Packages { debs } => {
                packages::install(self.server, debs, &self.target, self.witness, &mut self.ledger)
            }
            Step::Run { script, environment } => {
                script::run(&self.target, script, environment, self.witness, &mut self.ledger)
            }
            Step::Initramfs { needs } => {
                let mounted = self.mounted.get_or_insert_default();
                let remarks = initramfs::settle(self.plan, needs, &self.target, mounted, &mut self.ledger)?;
                self.remark(remarks);
                Ok(())
            }
            Step::StageLoaders { targets } => {
                let mounted = self.mounted.get_or_insert_default();
                self.staged = loader::stage(self.plan, targets, &self.target, mounted, &mut self.ledger)?;
                Ok(())
            }
            Step::ReadBack => self.read_back(number),
            Step::Compare => {
                let meter = Meter::start(self.witness, number, kept::work_bytes(self.plan));
                let remarks = self.kept.compare(self.plan, &meter)?;
                self.remark(remarks);
                Ok(())
            }
            Step::Seal { targets, boot_entry } => {
                let entry = boot_entry.as_deref();
                let stacked = &mut self.stacked;
                let head = self.written.as_ref().map_or(&[][..], |written| &written.head);
                let remarks =
                    seal::seal(self.plan, targets, entry, &self.staged, head, &self.target, stacked)?;
                self.remark(remarks);
                Ok(())
            }
            Step::Record | Step::Finish(_) => Ok(()),
        }
    }

    fn mount(&mut self) -> Outcome<()> {
        let mounted = Mounted::mount(self.plan, &self.target, |_| Some(Access::Write));
        self.mounted = Some(mounted.blame("disk-io-error")?);
        Ok(())
    }

    /// Writes an image that is no archive.
    fn write(&mut self, number: usize, image: &JobImage, onto: Onto) -> Outcome<()> {
        let meter = Meter::start(self.witness, number, image.bytes);
        let written = match onto {
            Onto::Disk(disk) => {
                let planned = self.plan.disks.get(disk).ok_or_else(nowhere)?;
                let ImageContent::Disk(raw) = &image.content else { return Err(nowhere()) };
                disk::check(&planned.disk)?;
                let extent = raw.start_bytes()..raw.end_bytes();
                let node = disk::node(&planned.disk);
                let written = image::write(self.server, image, extent, &node, &meter)?;
                disk::show(planned)?;
                written
            }
            Onto::Device(device) => {
                let node = stack::node(self.plan, device);
                image::write(self.server, image, 0..image.unpacked_bytes, &node, &meter)?
            }
        };
        self.written = Some(written);
        Ok(())
    }

    /// Says what is worth knowing though the work goes on.
    fn remark(&mut self, remarks: Vec<String>) {
        for remark in &remarks {
            self.witness.say(remark);
            self.witness.tell(Event::Said { line: remark.clone() });
        }
        self.done.remarks.extend(remarks);
    }

    fn read_back(&mut self, number: usize) -> Outcome<()> {
        rustix::fs::sync();
        if let Some(mounted) = self.mounted.take() {
            mounted.unmount().blame("disk-in-use")?;
        }
        self.stacked.lower().blame("disk-in-use")?;
        for planned in &self.plan.disks {
            disk::open(&planned.disk)?.forget_cached().blame("disk-io-error")?;
        }
        self.stacked.raise().blame(stack::CAUSE)?;
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
        mounted.unmount().blame("disk-in-use")?;
        let remarks = self.stacked.unfinished();
        self.remark(remarks);
        self.stacked.lower().blame("disk-in-use")
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
            Rung::PoweredOff => match self.plan.steps[index] {
                Step::Finish(Finish::Reboot) => "not switched off but started over".into(),
                Step::Finish(Finish::StayOn) => "not switched off but left on".into(),
                _ => self.plan.hostname.clone(),
            },
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
        let writes = |step: &Step| matches!(step, Step::Erase { .. } | Step::Clear { .. });
        let touched = self.plan.steps[..index].iter().any(writes);
        evidence.push(match (sealed, touched, writes(step)) {
            (true, ..) => "the disk is finished and bootable".into(),
            (false, true, _) => "the disk was cleared and boots nothing".into(),
            (false, false, true) => "what is on the disk may be gone; if not, it was not touched".into(),
            (false, false, false) => "nothing on the disk was touched".into(),
        });
        fix.push("retry: the installation starts over from its first step".into());
        let sentence = format!("{}: {}", self.plan.title(step), fault.failure.message());
        Trouble { cause: fault.cause.into(), rung: rung_of(step), sentence, evidence, fix }
    }
}

fn nowhere() -> Fault {
    Fault { cause: "layout-invalid", failure: Failure::new("the plan names a disk that it has not") }
}

/// The rung that a step belongs to.
fn rung_of(step: &Step) -> Rung {
    match step {
        Step::Test { .. }
        | Step::Remember
        | Step::Erase { .. }
        | Step::Clear { .. }
        | Step::Partition { .. }
        | Step::Stack { .. }
        | Step::Format { .. } => Rung::DisksLaidOut,
        Step::Unpack { .. } | Step::Write { .. } => Rung::ImageWritten,
        Step::Verify { .. }
        | Step::Grow { .. }
        | Step::Settle { .. }
        | Step::Packages { .. }
        | Step::Run { .. }
        | Step::Initramfs { .. }
        | Step::StageLoaders { .. }
        | Step::ReadBack
        | Step::Compare => Rung::Verified,
        Step::Seal { .. } => Rung::BootLoaderInstalled,
        Step::Record => Rung::RecordSealed,
        Step::Finish(_) => Rung::PoweredOff,
    }
}

#[cfg(test)]
mod tests;
