//! The appliance's file systems, mounted below the target while it is written or read back.

use super::{stack, subvolumes};
use linux::mount::{self, Flags, UnmountFlags};
use model::failure::{Explain as _, Failure, Result};
use model::plan::{Mount, Plan};
use model::storage::Filesystem;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a file system may stay busy after its last user ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// How file systems are mounted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// To write the appliance.
    Write,
    /// To read it back.
    Read,
}

/// What is mounted; taken away again when dropped, whatever happened.
#[derive(Debug, Default)]
pub(crate) struct Mounted {
    places: Vec<PathBuf>,
}

impl Mounted {
    /// Mounts the file systems of the plan below `target`, each as `wanted` says or not at all.
    pub(crate) fn mount(
        plan: &Plan,
        target: &Path,
        wanted: impl Fn(&Mount) -> Option<Access>,
    ) -> Result<Mounted> {
        let mut mounted = Mounted::default();
        std::fs::create_dir_all(target).or_fail(|| format!("cannot make {}", target.display()))?;
        let target = target.canonicalize().or_fail(|| format!("cannot find {}", target.display()))?;
        for one in &plan.mounts() {
            if let Some(access) = wanted(one) {
                mounted.mount_one(plan, &target, access, one)?;
                if plan.brings_its_disk() && one.path == "/" && one.kind == Filesystem::Btrfs {
                    mounted.mount_subvolumes(plan, &target, access, one)?;
                }
            }
        }
        Ok(mounted)
    }

    fn mount_one(&mut self, plan: &Plan, target: &Path, access: Access, one: &Mount) -> Result<()> {
        let source = stack::node(plan, one.device);
        let place = target.join(one.path.trim_start_matches('/'));
        let cannot = || format!("cannot mount {} at {}", source.display(), place.display());
        if access == Access::Write {
            std::fs::create_dir_all(&place).or_fail(cannot)?;
        }
        // What stays as it is, is the appliance's to mount, not ours.
        if one.is_kept {
            return Ok(());
        }
        // An image may have made a link of it, which would lead out of the target.
        if !self.places.is_empty() && place.canonicalize().or_fail(cannot)? != place {
            return Err(Failure::new(cannot()).because("the image has a symbolic link there"));
        }
        let options = match one.kind {
            // FAT knows no owners; `quiet` takes an archive's changes of them without an error.
            Filesystem::Vfat => "umask=0077,quiet".to_owned(),
            Filesystem::Btrfs => {
                one.subvolume.as_ref().map_or_else(String::new, |name| format!("subvol=/{name}"))
            }
            Filesystem::Ext4 | Filesystem::Xfs => String::new(),
            Filesystem::Swap => return Ok(()),
        };
        let flags = match access {
            Access::Write => Flags::NOATIME,
            Access::Read => Flags::RDONLY | Flags::NOATIME,
        };
        mount::mount(&source.to_string_lossy(), &place, one.kind.name(), flags, &options)
            .map_err(std::io::Error::from)
            .or_fail(cannot)?;
        self.places.push(place);
        Ok(())
    }

    /// Mounts the subvolumes that the image of a whole disk has its root on, in the place of the one that is mounted now.
    fn mount_subvolumes(&mut self, plan: &Plan, target: &Path, access: Access, top: &Mount) -> Result<()> {
        let Some(name) = subvolumes::root(target)? else { return Ok(()) };
        std::mem::take(self).unmount()?;
        self.mount_one(plan, target, access, &Mount { subvolume: Some(name), ..top.clone() })?;
        for (path, name) in subvolumes::others(target, &top.uuid)? {
            self.mount_one(plan, target, access, &Mount { path, subvolume: Some(name), ..top.clone() })?;
        }
        Ok(())
    }

    /// Shows what programs that run in the target need of the live OS, once.
    pub(crate) fn lend_system(&mut self, target: &Path) -> Result<()> {
        if self.places.iter().any(|place| place.ends_with("proc")) {
            return Ok(());
        }
        ["/dev", "/proc", "/sys"].into_iter().try_for_each(|folder| self.lend(Path::new(folder), target))
    }

    /// Shows a folder of the live OS inside the target, for programs that run there.
    fn lend(&mut self, folder: &Path, target: &Path) -> Result<()> {
        let place = target.join(folder.strip_prefix("/").unwrap_or(folder));
        mount::bind(folder, &place)
            .map_err(std::io::Error::from)
            .or_fail(|| format!("cannot show {} inside the target", folder.display()))?;
        self.places.push(place);
        Ok(())
    }

    /// Unmounts everything, last first; whoever still uses a file system is an error and not passed over.
    pub(crate) fn unmount(mut self) -> Result<()> {
        while let Some(place) = self.places.last() {
            let end = Instant::now() + PATIENCE;
            loop {
                let lent = ["dev", "proc", "sys"].iter().any(|name| place.ends_with(name));
                // What is lent has mounts of its own below it, which go with it.
                let flags = if lent { UnmountFlags::DETACH } else { UnmountFlags::empty() };
                match rustix::mount::unmount(place, flags) {
                    Ok(()) => break,
                    Err(rustix::io::Errno::BUSY) if Instant::now() < end => {
                        std::thread::sleep(Duration::from_millis(200));
                    }
                    Err(error) => {
                        return Err(std::io::Error::from(error))
                            .or_fail(|| format!("cannot unmount {}", place.display()));
                    }
                }
            }
            self.places.pop();
        }
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        while let Some(place) = self.places.pop() {
            // After a failure the disk is cleared again anyway; it only has to be let go.
            let _ = rustix::mount::unmount(&place, UnmountFlags::DETACH);
        }
    }
}
