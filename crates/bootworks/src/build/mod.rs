//! `bootworks lock` and `bootworks build`: a line's recipes become its lock, and its lock becomes kernel, initrd,
//! root and image.
//!
//! ```text
//! line.toml ─ resolve ─ line.lock ─ fetch ─ store ─ unpack ─ configure ─ apply ─ scrub ─┬─ squashfs, tree
//!                                                                                       └─ image.tar.zst
//! ```

mod adopt;
pub(crate) mod agent;
mod apply;
mod archive;
mod cloud_init;
mod configure;
mod database;
mod difference;
pub(crate) mod drivers;
mod fetch;
mod firmware;
mod image;
pub(crate) mod initrd;
pub(crate) mod keeping;
mod layer;
mod listing;
pub(crate) mod made;
mod module_tables;
mod oci;
mod own;
mod package;
mod packing;
mod phases;
mod raw;
mod relock;
mod resolve;
mod room;
mod scrub;
mod shelf;
mod signing;
mod sources;
mod squashfs;
mod stock_initrd;
pub(crate) mod store;
mod strangers;
pub(crate) mod suite;
mod system;
mod unpack;
mod unpacked;
mod verify;
mod vmlinux;

#[cfg(test)]
mod tests;

use crate::check::Held;
use crate::{Ending, check, line_folder, report};
use made::Outcome;
use model::failure::{Explain as _, Failure, Result};
use model::line::Line;
use model::lock::{self, Lock};
use phases::Phases;
use std::path::{Path, PathBuf};
use store::Store;

/// Arguments of `build`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The line's folder
    #[arg(default_value = ".", value_name = "LINE")]
    line: PathBuf,
    /// Build a second time from the packages alone, and show what differs
    #[arg(long)]
    verify: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `lock`.
#[derive(clap::Args)]
pub(crate) struct LockArguments {
    /// The line's folder
    #[arg(default_value = ".", value_name = "LINE")]
    line: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// `bootworks build`.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    let ready = ready(&arguments.line)?;
    let made = match ready.make()? {
        Outcome::Made(made) => made,
        Outcome::Uncovered(uncovered) => return Ok(refuse(&uncovered, arguments.json)),
    };
    let verified = match arguments.verify {
        true => Some(ready.verify(&made)?),
        false => None,
    };
    if arguments.json {
        report::say(&made.json(verified.as_ref())?);
    } else {
        made.text().iter().for_each(|line| report::say(line));
        verified.iter().flat_map(verify::Verified::text).for_each(|line| report::say(&line));
    }
    let differs = verified.is_some_and(|verified| !verified.differences.is_empty());
    Ok(if differs { Ending::No } else { Ending::Well })
}

/// Says why a line is not built though nothing failed.
pub(crate) fn refuse(uncovered: &[Held], json: bool) -> Ending {
    if json {
        let mut object = check::json(uncovered);
        object["built"] = serde_json::json!(false);
        report::say(&object.to_string());
    } else {
        check::tables(uncovered, check::colour()).iter().for_each(|line| report::say(line));
    }
    let refusal = Failure::new("the line is not built")
        .because("its live OS cannot boot all of its hardware; what was built before is as it was")
        .hint(
            "change line.toml as above, or say in [[hardware.exception]] why the line does without a device",
        );
    report::note(&refusal.report());
    Ending::No
}

/// `bootworks lock`.
pub(crate) fn lock(arguments: &LockArguments) -> Result<Ending> {
    let line = line_folder::open(&arguments.line)?;
    let folder = line.folder();
    let old = read_lock(folder)?;
    let store = Store::open()?;
    let new = resolve::resolve(line.line(), folder, None, &store)?;
    write_lock(folder, &new)?;
    let differences = lock::differences(&old.clone().unwrap_or_default(), &new);
    let drivers = old.as_ref().map(|old| for_drivers(old, &new, folder, &store)).unwrap_or_default();
    let packages: usize = new.sections().iter().map(|(_, section)| section.packages.len()).sum();
    if arguments.json {
        let json = serde_json::json!({
            "lock": folder.join(lock::FILE), "new": old.is_none(), "packages": packages, "differences": differences,
            "drivers": drivers,
        });
        report::say(&json.to_string());
        return Ok(Ending::Well);
    }
    match (&old, differences.is_empty()) {
        (None, _) => report::say(&format!("{} made: {packages} packages", folder.join(lock::FILE).display())),
        (Some(_), true) => report::say("nothing has changed"),
        (Some(_), false) => differences.iter().chain(&drivers).for_each(|line| report::say(line)),
    }
    Ok(Ending::Well)
}

/// Builds what changed of a line, after making the lock where there is none or where it does not fit the recipes.
pub(crate) fn build(folder: &Path) -> Result<Outcome> {
    ready(folder)?.make()
}

/// A line that can be built: it has a lock that fits, and there is a store.
struct Ready {
    opened: line_folder::LineFolder,
    lock: Lock,
    store: Store,
    agent: &'static [u8],
    phases: Phases,
}

fn ready(folder: &Path) -> Result<Ready> {
    let opened = line_folder::open(folder)?;
    let agent = agent::agent()?;
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new("building a line needs root")
            .because("packages are unpacked with their owners and configured in a root of their own")
            .hint("`sudo bootworks build`"));
    }
    let mut phases = Phases::default();
    let store = Store::open()?;
    let lock = fitting_lock(opened.line(), opened.folder(), &store, &mut phases)?;
    if let Some(unknown) = cloud_init::hold(&opened.line().appliance, &lock)? {
        report::note(&unknown);
    }
    Ok(Ready { opened, lock, store, agent, phases })
}

impl Ready {
    fn make(&self) -> Result<Outcome> {
        let (line, folder) = (self.opened.line(), self.opened.folder());
        made::make(line, folder, &self.lock, &self.store, self.agent, self.phases.clone())
            .map_err(|failure| room::explained(failure, &[self.store.folder(), folder]))
    }

    fn verify(&self, first: &made::Made) -> Result<verify::Verified> {
        report::note("building a second time, from the packages alone");
        let (line, folder) = (self.opened.line(), self.opened.folder());
        verify::verify(line, folder, &self.lock, &self.store, self.agent, first)
    }
}

/// The line's lock; made or mended first where it has to be, which is said.
fn fitting_lock(line: &Line, folder: &Path, store: &Store, phases: &mut Phases) -> Result<Lock> {
    let old = read_lock(folder)?;
    if let Some(old) = &old
        && resolve::fits(line, folder, old)?
    {
        return Ok(old.clone());
    }
    report::note(match &old {
        None => "there is no line.lock yet: resolving the recipes",
        Some(_) => "the recipes have changed since line.lock was made: resolving what changed",
    });
    let new = phases.run("lock", || resolve::resolve(line, folder, old.as_ref(), store))?;
    write_lock(folder, &new)?;
    if let Some(old) = &old {
        let drivers = for_drivers(old, &new, folder, store);
        lock::differences(old, &new).iter().chain(&drivers).for_each(|line| report::note(line));
    }
    Ok(new)
}

/// What a new lock means for drivers. The lock is as good without, so where that cannot be told, it is said.
fn for_drivers(old: &Lock, new: &Lock, folder: &Path, store: &Store) -> Vec<String> {
    relock::drivers(old, new, folder, store).unwrap_or_else(|failure| {
        report::note(&format!("what the new lock means for drivers stays unknown\n{}", failure.report()));
        Vec::new()
    })
}

fn read_lock(folder: &Path) -> Result<Option<Lock>> {
    let path = folder.join(lock::FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Lock::read(&text, &path.display().to_string()).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).or_fail(|| format!("cannot read {}", path.display())),
    }
}

fn write_lock(folder: &Path, lock: &Lock) -> Result<()> {
    let path = folder.join(lock::FILE);
    let unfinished = folder.join(format!(".{}.unfinished", lock::FILE));
    let writing = || format!("cannot write {}", path.display());
    std::fs::write(&unfinished, lock.write()).or_fail(writing)?;
    std::fs::rename(&unfinished, &path).or_fail(writing)
}

/// A size for people: `7 B`, `1.4 MB`.
pub(crate) fn amount(bytes: u64) -> String {
    let steps = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1000.0;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < steps.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{size:.1} {}", steps[unit])
}
