//! The kernel modules of this initrd: which one fits a device, and loading it with all that it needs.

use linux::module;
use model::initrd::{ALIASES, DEPENDENCIES, PACKAGES, PackageTable};
use model::modules::alias::AliasTable;
use model::modules::dependency::DependencyTable;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What became of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is not in this initrd.
    Absent,
    /// The kernel took it.
    Loaded,
    /// The kernel did not take it.
    Refused(Errno),
}

/// The tables, and what was loaded so far.
#[derive(Debug)]
pub(crate) struct Modules {
    aliases: AliasTable,
    here: DependencyTable,
    packages: PackageTable,
    folder: PathBuf,
    /// By module; `None` while one thread loads it and others wait.
    outcomes: Mutex<BTreeMap<String, Option<Outcome>>>,
    changed: Condvar,
}

impl Modules {
    /// Reads the tables of this initrd. A table that is missing is empty: everything built in still works.
    pub(crate) fn read() -> Modules {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        Modules {
            aliases: AliasTable::read(text(ALIASES)),
            here: DependencyTable::read(text(DEPENDENCIES)),
            packages: PackageTable::read(text(PACKAGES)),
            folder: PathBuf::from("/lib/modules").join(release),
            outcomes: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Loads every module that fits a device and is here.
    pub(crate) fn load_for(&self, modalias: &str) {
        for module in self.aliases.drivers_for(modalias) {
            self.load(module);
        }
    }

    /// Loads a module by its name or by an alias of it (`fs-vfat`). Says whether anything was loaded.
    pub(crate) fn load_named(&self, name: &str) -> bool {
        let mut names = vec![name];
        names.extend(self.aliases.drivers_for(name));
        // A file system's module is called like the file system, whether its alias was kept or not.
        names.extend(name.strip_prefix("fs-"));
        // All of them: an alias may stand for a module and its better, built otherwise.
        let loaded = names.into_iter().filter(|module| self.load(module) == Outcome::Loaded);
        loaded.count() > 0
    }

    /// Loads one module after all that it needs.
    pub(crate) fn load(&self, module: &str) -> Outcome {
        let name = model::modules::name(module).into_owned();
        let mut own = Outcome::Absent;
        for load in self.here.load_order(&name) {
            let outcome = self.load_file(load.module, load.path);
            if load.module == name {
                own = outcome;
            }
        }
        own
    }

    /// Hands one file to the kernel, once: a second load of a module that is starting ends in `EBUSY` on some
    /// kernels (`kernel/module/main.c`, `add_unformed_module`), which would read as a refusal.
    fn load_file(&self, module: &str, path: &str) -> Outcome {
        let mut outcomes = self.lock();
        while let Some(known) = outcomes.get(module) {
            match known {
                Some(outcome) => return *outcome,
                None => outcomes = self.changed.wait(outcomes).unwrap_or_else(PoisonError::into_inner),
            }
        }
        outcomes.insert(module.to_owned(), None);
        drop(outcomes);
        let outcome = match module::load(&self.folder.join(path)) {
            Ok(()) => Outcome::Loaded,
            Err(error) => Outcome::Refused(error),
        };
        self.lock().insert(module.to_owned(), Some(outcome));
        self.changed.notify_all();
        outcome
    }

    /// The modules that fit a device, here or not, each with what became of it.
    pub(crate) fn candidates(&self, modalias: &str) -> Vec<(String, Option<Outcome>)> {
        let outcome_of = |module: &str| match self.outcome(module) {
            None if self.here.path(module).is_none() => Some(Outcome::Absent),
            known => known,
        };
        let drivers = self.aliases.drivers_for(modalias);
        drivers.into_iter().map(|module| (module.to_owned(), outcome_of(module))).collect()
    }

    /// The packages that have a module, where the build wrote that down.
    pub(crate) fn packages_with(&self, module: &str) -> Vec<String> {
        self.packages.packages_for(module).into_iter().map(str::to_owned).collect()
    }

    /// Whether there is any table at all.
    pub(crate) fn are_known(&self) -> bool {
        !self.aliases.text().is_empty()
    }

    fn outcome(&self, module: &str) -> Option<Outcome> {
        self.lock().get(module).copied().flatten()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Option<Outcome>>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
