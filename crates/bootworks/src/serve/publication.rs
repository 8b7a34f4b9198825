//! What is served now: the line and what its build made, read again when a build has made something new.
//!
//! A box that asks after a repair gets the repaired line; a box in the middle of a boot keeps the build it
//! began with, as long as its files are there.

use super::file::Served;
use super::nfs::Export;
use super::script;
use model::api::{Deb, Job, JobAppliance, JobImage, Script, TemplateFile};
use model::boot::{LOADER_FOLDER, RootRoad};
use model::failure::{Explain as _, Failure, Result};
use model::hardware::PciId;
use model::line::cloud_init::CloudInit;
use model::line::{Line, Live};
use model::outputs::{LIST, LiveOutputs, OutputFile, Outputs};
use model::proof::LiveOs;
use model::proof::memory::Start;
use model::proof::nic::{BootNic, Nic, judge_boot_nic};
use model::timeline::{FileRole, LASTING_ROOT};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

/// Builds that boxes may still be in the middle of.
const OLD_BUILDS: usize = 8;

/// One build of the line, whole.
pub(crate) struct Publication {
    /// The line as it was then.
    pub(crate) line: Line,
    /// What the build made.
    pub(crate) outputs: Outputs,
    /// What the controller has to do, without answers.
    job: Job,
    folder: PathBuf,
    /// The line's own network boot programs.
    loaders: Vec<Served>,
    packages: Vec<Served>,
    version: Version,
    /// Boot NICs judged already: reading the drivers' table takes a moment and a lot of memory.
    judged: Mutex<HashMap<PciId, Judged>>,
}

/// What is known of a boot NIC.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    /// By the live OS.
    pub(crate) first: BootNic,
    /// Whether the fallback has what the live OS lacks.
    pub(crate) is_in_fallback: bool,
}

/// A live OS that boxes are sent into: what the line says of it and what its build made.
#[derive(Clone, Copy)]
pub(crate) struct Bootable<'p> {
    /// What the line says of it.
    pub(crate) line: &'p Live,
    /// What its build made.
    pub(crate) outputs: &'p LiveOutputs,
}

impl Bootable<'_> {
    /// What a box has to hold to get to its root.
    pub(crate) fn start(&self) -> Start {
        Start {
            memory: self.outputs.memory,
            packed_bytes: self.outputs.initrd.bytes,
            is_tmpfs: !["root=", "rootfstype="].iter().any(|word| self.line.kernel_arguments.contains(word)),
            root_bytes: (self.line.root == RootRoad::Ram).then_some(self.outputs.squashfs.bytes),
        }
    }
}

/// When the list of outputs was written, and its size: another one is another build.
type Version = (Option<SystemTime>, u64);

/// Reads a line from its folder.
pub(crate) type ReadLine = fn(&Path) -> Result<Line>;

/// The current build and a few before it.
pub(crate) struct Publications {
    line: PathBuf,
    outputs: PathBuf,
    read: ReadLine,
    /// The newest first; never empty.
    builds: RwLock<Vec<Arc<Publication>>>,
}

impl Publications {
    /// Reads the line and its outputs.
    ///
    /// Errors: either cannot be read, nothing was built, or the line has words that iPXE cannot pass on.
    pub(crate) fn open(line: &Path, outputs: &Path, read: ReadLine) -> Result<Publications> {
        let first = Publication::read(line, outputs, read)?;
        Ok(Publications {
            line: line.to_owned(),
            outputs: outputs.to_owned(),
            read,
            builds: RwLock::new(vec![Arc::new(first)]),
        })
    }

    /// What is served now. Looks whether there is a newer build; one that cannot be read is told once and
    /// leaves the one before in place.
    pub(crate) fn current(&self) -> Arc<Publication> {
        let newest = self.newest();
        let version = version(&self.outputs);
        if version == newest.version || version.1 == 0 {
            return newest;
        }
        match Publication::read(&self.line, &self.outputs, self.read) {
            Ok(next) => {
                let next = Arc::new(next);
                let live = &next.outputs.live;
                crate::report::note(&format!("new build: live OS {}, kernel {}", live.digest, live.release));
                if next.line.network != newest.line.network {
                    crate::report::note("the line's [network] changed; that needs a new `bootworks serve`");
                }
                let mut builds = self.builds.write().unwrap_or_else(PoisonError::into_inner);
                builds.insert(0, next.clone());
                builds.truncate(OLD_BUILDS);
                next
            }
            Err(failure) => {
                crate::report::note(&format!("the new build is not served\n{}", failure.report()));
                newest
            }
        }
    }

    /// The file of this name of the build of this digest: `kernel`, `initrd`, `root.squashfs`.
    pub(crate) fn live_file(&self, digest: &str, name: &str) -> Option<Served> {
        let current = self.current();
        self.find(&current, |build| {
            let live = build.outputs.live_systems().find(|live| live.digest == digest)?;
            build.live_file(live, name)
        })
    }

    /// The image with this SHA-256.
    pub(crate) fn image(&self, sha256: &str) -> Option<Served> {
        let current = self.current();
        self.find(&current, |build| {
            let image = &build.outputs.image;
            (image.sha256 == sha256).then(|| build.served(image, "image", FileRole::Image))
        })
    }

    /// The package with this SHA-256.
    pub(crate) fn package(&self, sha256: &str) -> Option<Served> {
        self.current().packages.iter().find(|one| one.sha256 == sha256).cloned()
    }

    /// A network boot program, for UEFI HTTP Boot.
    pub(crate) fn loader(&self, name: &str) -> Option<Served> {
        let build = self.current();
        if let Some(own) = build.loaders.iter().find(|own| own.name == format!("{LOADER_FOLDER}{name}")) {
            return Some(own.clone());
        }
        let file = match name {
            model::boot::UEFI_LOADER => &build.outputs.loader_efi,
            model::boot::BIOS_LOADER => &build.outputs.loader_bios,
            _ => return None,
        };
        Some(build.served(file, &format!("{LOADER_FOLDER}{name}"), FileRole::Loader))
    }

    fn newest(&self) -> Arc<Publication> {
        let builds = self.builds.read().unwrap_or_else(PoisonError::into_inner);
        // `open` puts one in and `truncate` leaves it there.
        builds[0].clone()
    }

    fn find<T>(&self, current: &Publication, pick: impl Fn(&Publication) -> Option<T>) -> Option<T> {
        pick(current).or_else(|| {
            let builds = self.builds.read().unwrap_or_else(PoisonError::into_inner);
            builds.iter().find_map(|build| pick(build))
        })
    }
}

fn version(outputs: &Path) -> Version {
    let metadata = std::fs::metadata(outputs.join(LIST));
    metadata.map_or((None, 0), |metadata| (metadata.modified().ok(), metadata.len()))
}

impl Publication {
    fn read(folder: &Path, outputs_folder: &Path, read: ReadLine) -> Result<Publication> {
        let version = version(outputs_folder);
        let line = read(folder)?;
        for (table, live) in
            [("[live]", Some(&line.live)), ("[live.fallback]", line.live.fallback.as_deref())]
        {
            let Some(live) = live else { continue };
            if let Err(why) = script::check_kernel_arguments(&live.kernel_arguments) {
                let what = format!("cannot boot boxes with `kernel-arguments` of line.toml {table}");
                return Err(Failure::new(what).because(why).hint("write them without that"));
            }
        }
        let list = outputs_folder.join(LIST);
        let text = match std::fs::read_to_string(&list) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Failure::new(format!("line `{}` has not been built", line.name))
                    .because(format!("{} is not there", list.display()))
                    .hint(format!("`bootworks build {}`", folder.display())));
            }
            text => text.or_fail(|| format!("cannot read {}", list.display()))?,
        };
        let outputs: Outputs = serde_json::from_str(&text)
            .or_fail(|| format!("cannot understand {}", list.display()))
            .map_err(|failure| failure.hint("`bootworks build` writes it again"))?;
        let packages = packages(folder, &line)?;
        let job = job(folder, &line, &outputs, &packages)?;
        let loaders = own_loaders(folder, &line)?;
        let folder = outputs_folder.to_owned();
        Ok(Publication { line, outputs, job, folder, loaders, packages, version, judged: Mutex::default() })
    }

    /// What the controller has to do on a box that was sent into the live OS of this digest, with these answers known.
    pub(crate) fn job(&self, answers: BTreeMap<String, String>, live: &str) -> Job {
        let sent = self.outputs.live_systems().find(|known| known.digest == live);
        let live = sent.unwrap_or(&self.outputs.live).digest.clone();
        Job { answers, live, ..self.job.clone() }
    }

    /// The live OS that boxes boot.
    pub(crate) fn first(&self) -> Bootable<'_> {
        Bootable { line: &self.line.live, outputs: &self.outputs.live }
    }

    /// The one that they boot instead, where the line says so and it is built.
    pub(crate) fn fallback(&self) -> Option<Bootable<'_>> {
        let (line, outputs) = (self.line.live.fallback.as_deref()?, self.outputs.fallback.as_ref()?);
        Some(Bootable { line, outputs })
    }

    /// The roots as boxes mount them: each under the digest of its build.
    pub(crate) fn exports(&self) -> impl Iterator<Item = Export> {
        self.outputs.live_systems().map(|live| self.export(live))
    }

    fn export(&self, live: &LiveOutputs) -> Export {
        Export { path: format!("/live/{}", live.digest), folder: self.folder.join(&live.tree) }
    }

    /// The root under the name that stays.
    pub(crate) fn lasting_export(&self) -> Export {
        Export { path: LASTING_ROOT.into(), ..self.export(&self.outputs.live) }
    }

    /// Where a file of the build is.
    pub(crate) fn path(&self, file: &OutputFile) -> PathBuf {
        self.folder.join(&file.path)
    }

    /// Whether a box with this boot NIC may be sent into the live OS, and where not, into the fallback. Reads the
    /// drivers' tables the first time a NIC is met, and lets them go again.
    ///
    /// Errors: a table cannot be read; that is no answer about the NIC.
    pub(crate) fn judge(&self, nic: PciId) -> Result<Judged> {
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = judged.get(&nic) {
            return Ok(known.clone());
        }
        let first = self.judge_by(&self.outputs.live, nic)?;
        let is_in_fallback = match (&first, self.fallback()) {
            (BootNic::Missing(_), Some(second)) => self.judge_by(second.outputs, nic)? == BootNic::Covered,
            _ => false,
        };
        let verdict = Judged { first, is_in_fallback };
        judged.insert(nic, verdict.clone());
        Ok(verdict)
    }

    /// The verdict on a box's boot NIC by the live OS of this digest, which it was sent into; by the first where none
    /// of these is known.
    ///
    /// Errors: as [`Publication::judge`].
    pub(crate) fn judge_in(&self, live: &str, nic: PciId) -> Result<BootNic> {
        let judged = self.judge(nic)?;
        let is_second = self.fallback().is_some_and(|second| second.outputs.digest == live);
        Ok(if is_second && judged.is_in_fallback { BootNic::Covered } else { judged.first })
    }

    fn judge_by(&self, live: &LiveOutputs, nic: PciId) -> Result<BootNic> {
        let path = self.path(&live.drivers);
        let text = std::fs::read(&path).or_fail(|| format!("cannot read {}", path.display()))?;
        let live: LiveOs = serde_json::from_slice(&text)
            .or_fail(|| format!("cannot understand {}", path.display()))
            .map_err(|failure| failure.hint("`bootworks build` writes it again"))?;
        let name = pci_ids::Device::from_vid_pid(nic.vendor, nic.device).map_or("", |device| device.name());
        Ok(judge_boot_nic(&live, Nic { id: nic, name }))
    }

    fn live_file(&self, live: &LiveOutputs, name: &str) -> Option<Served> {
        match name {
            "kernel" => Some(self.served(&live.kernel, name, FileRole::Kernel)),
            "initrd" => Some(self.served(&live.initrd, name, FileRole::Initrd)),
            "root.squashfs" => Some(self.served(&live.squashfs, name, FileRole::Root)),
            _ => None,
        }
    }

    fn served(&self, file: &OutputFile, name: &str, role: FileRole) -> Served {
        let (path, name) = (self.path(file), name.to_owned());
        Served { path, name, role, bytes: file.bytes, sha256: file.sha256.clone() }
    }
}

/// The packages of `debs`, measured.
fn packages(folder: &Path, line: &Line) -> Result<Vec<Served>> {
    let measure = |name: &String| {
        let path = folder.join(name);
        let octets =
            std::fs::read(&path).or_fail(|| format!("cannot read the package {}", path.display()))?;
        let sha256 = Sha256::digest(&octets).iter().map(|octet| format!("{octet:02x}")).collect();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Served { path, name, role: FileRole::Other, bytes: octets.len() as u64, sha256 })
    };
    line.appliance.debs.iter().map(measure).collect()
}

/// The loaders of `[[network.loader]]`, measured: they go out by their digest as everything does.
fn own_loaders(folder: &Path, line: &Line) -> Result<Vec<Served>> {
    let mut loaders = Vec::new();
    for own in &line.network.loaders {
        let path = folder.join(&own.file);
        let octets = std::fs::read(&path)
            .or_fail(|| format!("cannot read the network boot program {}", path.display()))?;
        let sha256 = Sha256::digest(&octets).iter().map(|octet| format!("{octet:02x}")).collect();
        let name = format!("{LOADER_FOLDER}{}", own.file);
        loaders.push(Served { path, name, role: FileRole::Loader, bytes: octets.len() as u64, sha256 });
    }
    Ok(loaders)
}

fn deb(served: &Served) -> Deb {
    Deb { name: served.name.clone(), sha256: served.sha256.clone(), bytes: served.bytes }
}

fn job(folder: &Path, line: &Line, outputs: &Outputs, packages: &[Served]) -> Result<Job> {
    let appliance = &line.appliance;
    let mut files = Vec::new();
    let seeded = appliance.cloud_init.iter().flat_map(CloudInit::files);
    for file in appliance.files.iter().cloned().chain(seeded) {
        let template = folder.join(&file.template);
        let contents = std::fs::read_to_string(&template)
            .or_fail(|| format!("cannot read the template {}", template.display()))?;
        files.push(TemplateFile { path: file.path, contents, mode: file.mode });
    }
    let made = appliance.cloud_init.as_ref().and_then(|seed| seed.made_meta_data(&appliance.hostname));
    files.extend(made);
    let mut scripts = Vec::new();
    for script in &appliance.scripts {
        let program = folder.join(&script.path);
        let contents = std::fs::read_to_string(&program)
            .or_fail(|| format!("cannot read the script {}", program.display()))?;
        scripts.push(Script { name: script.path.clone(), contents, seconds: script.seconds });
    }
    Ok(Job {
        line: line.name.clone(),
        questions: line.questions.clone(),
        rules: line.rules.clone(),
        answers: BTreeMap::new(),
        burn_in: line.burn_in.clone(),
        appliance: JobAppliance {
            image: JobImage {
                sha256: outputs.image.sha256.clone(),
                bytes: outputs.image.bytes,
                unpacked_bytes: outputs.image_unpacked_bytes,
                content: outputs.image_content.clone(),
                signature: outputs.image_signature.clone(),
            },
            confirm: appliance.confirm,
            finish: appliance.finish,
            disks: appliance.disks.clone(),
            stack: appliance.stack.clone(),
            hostname: appliance.hostname.clone(),
            users: appliance.users.clone(),
            files,
            debs: packages.iter().map(deb).collect(),
            scripts,
            kernel_arguments: appliance.kernel_arguments.clone(),
        },
        live: outputs.live.digest.clone(),
        lock: outputs.lock.clone(),
    })
}
