//! The tables of kernel modules (`modules.dep` and the like) that a kernel package's `postinst` has depmod make:
//! made beside the other packages' scripts, because they take as long as all of these.
//!
//! They depend on the modules alone. Where a script has changed these meanwhile (it has compiled one), the tables are
//! made again at the end.

use super::configure::child;
use super::database::Unpacked;
use super::scrub::walk;
use model::failure::{Explain as _, Failure, Result};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The kernels' folders in a merged root.
const MODULES: &str = "usr/lib/modules";
/// depmod is one name of kmod, which goes by the name that it is called by.
const KMOD: [&str; 2] = ["/usr/bin/kmod", "/bin/kmod"];
/// A name of it that is not the stand-in's; gone before the end.
const DEPMOD: &str = ".bootworks-run/depmod";

/// The tables of these kernels.
pub(crate) struct ModuleTables<'a> {
    root: &'a Path,
    /// Releases; empty where no package wants tables.
    releases: Vec<String>,
    /// Path, size and time of each module.
    modules: Vec<(PathBuf, u64, i64)>,
}

impl<'a> ModuleTables<'a> {
    /// The tables that scripts of these unpacked packages would have made.
    pub(crate) fn wanted(root: &'a Path, packages: &[Unpacked<'_>]) -> Result<ModuleTables<'a>> {
        let mut tables = ModuleTables { root, releases: Vec::new(), modules: Vec::new() };
        let asks = |unpacked: &Unpacked<'_>| unpacked.text("postinst").contains("depmod");
        let has_kmod = KMOD.iter().any(|kmod| root.join(kmod.trim_start_matches('/')).exists());
        let folder = root.join(MODULES);
        if !has_kmod || !folder.is_dir() || !packages.iter().any(asks) {
            return Ok(tables);
        }
        let reading = || format!("cannot read {}", folder.display());
        for entry in std::fs::read_dir(&folder).or_fail(reading)? {
            let entry = entry.or_fail(reading)?;
            if entry.path().join("kernel").is_dir() {
                tables.releases.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        tables.releases.sort();
        tables.modules = tables.look()?;
        Ok(tables)
    }

    /// Makes the tables while `work` runs, and again where that has changed modules.
    pub(crate) fn beside(&self, epoch: u64, work: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.releases.is_empty() {
            return work();
        }
        let own_name = self.root.join(DEPMOD);
        let naming = || format!("cannot make {}", own_name.display());
        std::fs::create_dir(own_name.parent().unwrap_or(self.root)).or_fail(naming)?;
        let kmod = KMOD.iter().find(|kmod| self.root.join(kmod.trim_start_matches('/')).exists());
        std::os::unix::fs::symlink(kmod.unwrap_or(&KMOD[0]), &own_name).or_fail(naming)?;
        let (worked, made) = std::thread::scope(|scope| {
            let making = scope.spawn(|| self.make(epoch));
            let worked = work();
            (
                worked,
                making.join().unwrap_or_else(|_| Err(Failure::new("making the tables of modules was lost"))),
            )
        });
        worked?;
        made?;
        if self.look()? != self.modules {
            self.make(epoch)?;
        }
        std::fs::remove_dir_all(own_name.parent().unwrap_or(&own_name)).or_fail(naming)
    }

    fn make(&self, epoch: u64) -> Result<()> {
        self.releases.iter().try_for_each(|release| make(self.root, &format!("/{DEPMOD}"), release, epoch))
    }

    fn look(&self) -> Result<Vec<(PathBuf, u64, i64)>> {
        let mut modules = Vec::new();
        for path in self.releases.iter().map(|release| self.root.join(MODULES).join(release)) {
            for path in walk(&path)? {
                let name = path.to_string_lossy();
                if super::drivers::is_module(&name) {
                    let kind = path.symlink_metadata().or_fail(|| format!("cannot read {name}"))?;
                    modules.push((path.clone(), kind.size(), kind.mtime()));
                }
            }
        }
        Ok(modules)
    }
}

/// Lets the root's own depmod make one kernel's tables.
pub(crate) fn make(root: &Path, depmod: &str, release: &str, epoch: u64) -> Result<()> {
    let done = child(depmod, root, epoch).arg(release).run();
    done.map(drop).map_err(|failure| failure.doing(format!("making the tables of the modules of {release}")))
}
