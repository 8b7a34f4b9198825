//! RAIDs, encrypted volumes and volume groups: made, taken down, started again.
//!
//! There is no udev in the live OS, so that nothing is started by itself and every tool makes its own nodes.

use super::disk;
use super::fault::{Blame as _, Outcome};
use linux::process::Child;
use linux::tools::{CLEVIS, CRYPTSETUP, LVM, MDADM, MODPROBE, Tool};
use model::failure::{Explain as _, Failure, Result};
use model::plan::{Device, Layer, LayerKind, Plan, PlannedKey, PlannedVolume, PlannedVolumeKind, Uuid};
use model::storage::Level;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A RAID, an encrypted volume or a volume group could not be made, and the kernel did not say that a disk is why.
pub(crate) const CAUSE: &str = "disk-stack-failed";
/// How long a layer may stay busy after its last user ended.
const LETTING_GO: Duration = Duration::from_secs(10);
/// Length of a key that is made on the box.
const KEY_BYTES: usize = 64;
/// Memory that opening an encrypted volume takes, in KiB: enough to slow a guesser down, and there on the smallest
/// box (cryptsetup's own choice is half of the memory, of the box that it is made on).
const KEY_MEMORY_KIB: &str = "262144";
/// How fast a new RAID may synchronise its members while the box is installed, in KiB/s of each: else it takes disks and
/// processor from the installation. The appliance's kernel goes on at full speed (Documentation/admin-guide/md.rst).
const SYNCHRONISES_KIB: &str = "1000";
const SYNCHRONISES: &str = "/proc/sys/dev/raid/speed_limit_max";

/// The layers of a plan that are up; taken down when dropped, whatever happened.
pub(crate) struct Stacked<'a> {
    plan: &'a Plan,
    up: Vec<usize>,
    /// Keys made on the box, by the place of their layer.
    keys: BTreeMap<usize, Vec<u8>>,
}

impl<'a> Stacked<'a> {
    /// Nothing is up yet.
    pub(crate) fn of(plan: &'a Plan) -> Stacked<'a> {
        Stacked { plan, up: Vec::new(), keys: BTreeMap::new() }
    }

    /// Makes a layer; what it stands on is up.
    pub(crate) fn make(&mut self, index: usize) -> Outcome<()> {
        let nowhere = || Failure::new("the plan names a layer that it has not");
        let plan = self.plan;
        let layer = plan.layers.get(index).ok_or_else(nowhere).blame("layout-invalid")?;
        for place in plan.partitions_below(Device::Layer(index)) {
            if let Some(planned) = plan.disks.get(place.disk) {
                disk::check(&planned.disk)?;
            }
        }
        load_modules(layer);
        for member in &layer.members {
            disk::clear_ends(&node(plan, *member), planned_bytes(plan, *member)).blame("disk-io-error")?;
        }
        if let LayerKind::Vault { key: PlannedKey::File(_), .. } = &layer.kind {
            self.keys.insert(index, random_key().blame("disk-io-error")?);
        }
        self.make_layer(index, layer).blame(CAUSE)
    }

    fn make_layer(&mut self, index: usize, layer: &Layer) -> Result<()> {
        let members: Vec<PathBuf> = layer.members.iter().map(|member| node(self.plan, *member)).collect();
        match &layer.kind {
            LayerKind::Raid { level, uuid, is_for_firmware, .. } => {
                // A kernel without the limit only takes longer.
                let _ = std::fs::write(SYNCHRONISES, SYNCHRONISES_KIB);
                // A bitmap makes a mirror whole again in seconds after a power cut; striping alone has nothing to do.
                let bitmap = if *level == Level::Raid0 { "none" } else { "internal" };
                mdadm()
                    .args(["--create", &md_node(&layer.name), "--run", "--quiet"])
                    .arg(format!("--level={}", level.number()))
                    .arg(format!("--raid-devices={}", members.len()))
                    .arg(format!("--metadata={}", if *is_for_firmware { "1.0" } else { "1.2" }))
                    .arg(format!("--uuid={}", md_uuid(*uuid)))
                    .arg(format!("--name={}", layer.name))
                    .arg("--homehost=any")
                    .arg(format!("--bitmap={bitmap}"))
                    .args(&members)
                    .run()?;
                self.up.push(index);
            }
            LayerKind::Vault { uuid, key, tpm2, .. } => {
                let secret = self.secret(index, key);
                cryptsetup()
                    .args(["luksFormat", "--batch-mode", "--type=luks2", "--key-file=-"])
                    .args(["--pbkdf-memory", KEY_MEMORY_KIB, "--uuid", &uuid.to_string()])
                    .args(&members)
                    .input(secret.clone())
                    .run()?;
                if *tpm2 {
                    // To the TPM itself and to no register of it: those of this boot are not those of the disk's.
                    Child::of(CLEVIS)
                        .args(["-y", "-k", "-", "-d"])
                        .args(&members)
                        .args(["tpm2", "{}"])
                        .input(secret)
                        .run()?;
                }
                self.raise_one(index, layer)?;
            }
            LayerKind::Group { volumes } => {
                lvm(&members, "pvcreate").args(["--yes", "-ff", "--zero", "y"]).args(&members).run()?;
                lvm(&members, "vgcreate").args(["--yes", &layer.name]).args(&members).run()?;
                self.up.push(index);
                for volume in volumes {
                    make_volume(&members, &layer.name, volume)?;
                }
            }
        }
        Ok(())
    }

    /// Starts every layer that was made, as a box does at its boot.
    pub(crate) fn raise(&mut self) -> Result<()> {
        for (index, layer) in self.plan.layers.iter().enumerate() {
            if !self.up.contains(&index) {
                self.raise_one(index, layer)?;
            }
        }
        Ok(())
    }

    fn raise_one(&mut self, index: usize, layer: &Layer) -> Result<()> {
        let members: Vec<PathBuf> = layer.members.iter().map(|member| node(self.plan, *member)).collect();
        match &layer.kind {
            LayerKind::Raid { uuid, .. } => mdadm()
                .args(["--assemble", &md_node(&layer.name), "--run", "--quiet"])
                .arg(format!("--uuid={}", md_uuid(*uuid)))
                .args(&members)
                .run()?,
            LayerKind::Vault { key, .. } => cryptsetup()
                .args(["open", "--type=luks2", "--key-file=-"])
                .args(&members)
                .arg(&layer.name)
                .input(self.secret(index, key))
                .run()?,
            LayerKind::Group { .. } => lvm(&members, "vgchange").args(["-ay", &layer.name]).run()?,
        };
        self.up.push(index);
        Ok(())
    }

    /// Stops every layer, uppermost first: then their disks are free.
    pub(crate) fn lower(&mut self) -> Result<()> {
        while let Some(index) = self.up.last().copied() {
            let end = Instant::now() + LETTING_GO;
            while let Some(layer) = self.plan.layers.get(index) {
                match self.lower_one(layer) {
                    Ok(()) => break,
                    // Who held it until just now, a file system that was unmounted, may need a moment.
                    Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(300)),
                    Err(failure) => return Err(failure),
                }
            }
            self.up.pop();
        }
        Ok(())
    }

    fn lower_one(&self, layer: &Layer) -> Result<()> {
        let members: Vec<PathBuf> = layer.members.iter().map(|member| node(self.plan, *member)).collect();
        match &layer.kind {
            LayerKind::Raid { .. } => mdadm().args(["--stop", "--quiet", &md_node(&layer.name)]).run(),
            LayerKind::Vault { .. } => cryptsetup().args(["close", &layer.name]).run(),
            LayerKind::Group { .. } => lvm(&members, "vgchange").args(["-an", &layer.name]).run(),
        }
        .map(drop)
    }

    fn secret(&self, index: usize, key: &PlannedKey) -> Vec<u8> {
        match key {
            PlannedKey::Passphrase(text) => text.clone().into_bytes(),
            PlannedKey::File(_) => self.keys.get(&index).cloned().unwrap_or_default(),
        }
    }

    /// Keys made on the box, each with the path that the appliance keeps it at.
    pub(crate) fn key_files(&self) -> Vec<(&str, &[u8])> {
        let mut files = Vec::new();
        for (index, bytes) in &self.keys {
            if let Some(LayerKind::Vault { key: PlannedKey::File(path), .. }) =
                self.plan.layers.get(*index).map(|layer| &layer.kind)
            {
                files.push((path.as_str(), bytes.as_slice()));
            }
        }
        files
    }

    /// How far the RAIDs have come in synchronising their members: what goes on at the appliance's next boot.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let raids = self.up.iter().filter_map(|index| self.plan.layers.get(*index));
        let of = |layer: &Layer| {
            let LayerKind::Raid { level, .. } = &layer.kind else { return None };
            let real = Path::new(&md_node(&layer.name)).canonicalize().ok()?;
            let folder = Path::new("/sys/class/block").join(real.file_name()?).join("md");
            let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            let (number, name) = (level.number(), &layer.name);
            let how_far = how_far(&read("sync_completed"), &read("resync_start"), &read("degraded"))?;
            Some(format!("RAID {number} `{name}` is {how_far}, and goes on when the appliance starts"))
        };
        raids.filter_map(of).collect()
    }
}

impl Drop for Stacked<'_> {
    fn drop(&mut self) {
        while let Some(index) = self.up.pop() {
            if let Some(layer) = self.plan.layers.get(index) {
                // After a failure the disks are cleared again anyway; they only have to be let go.
                let _ = self.lower_one(layer);
            }
        }
    }
}

/// Path of a device's node.
pub(crate) fn node(plan: &Plan, device: Device) -> PathBuf {
    match device {
        Device::Partition(place) => {
            let disk = plan.disks.get(place.disk).map(|planned| &planned.disk);
            disk.map_or_else(PathBuf::new, |disk| disk::partition_node(disk, place.partition))
        }
        Device::Layer(index) => match plan.layers.get(index) {
            Some(Layer { name, kind: LayerKind::Raid { .. }, .. }) => md_node(name).into(),
            Some(layer) => Path::new("/dev/mapper").join(&layer.name),
            None => PathBuf::new(),
        },
        // Names of groups and volumes have no dashes, which device mapper would double.
        Device::Volume { .. } => Path::new("/dev/mapper").join(plan.device_name(device).replace('/', "-")),
    }
}

/// How large a partition is planned; what is stacked has the size that it gets.
pub(crate) fn planned_bytes(plan: &Plan, device: Device) -> Option<u64> {
    let Device::Partition(place) = device else { return None };
    let (planned, partition) = (plan.disks.get(place.disk)?, plan.partition(place)?);
    Some((partition.last_lba - partition.first_lba + 1) * u64::from(planned.disk.sector_bytes))
}

fn make_volume(members: &[PathBuf], group: &str, volume: &PlannedVolume) -> Result<()> {
    let child = lvm(members, "lvcreate").args(["--yes", "--name", &volume.name]);
    let child = match (&volume.kind, volume.size_bytes) {
        (PlannedVolumeKind::Thin { pool, .. }, Some(bytes)) => child
            .args(["--type", "thin", "--virtualsize", &format!("{bytes}b")])
            .args(["--thinpool", &format!("{group}/{pool}")]),
        (PlannedVolumeKind::Thin { .. }, None) => {
            return Err(Failure::new(format!("the thin volume `{}` has no size", volume.name)));
        }
        (PlannedVolumeKind::Pool, _) => child.args(["--type", "thin-pool"]),
        (PlannedVolumeKind::Plain(_), _) => child.args(["--wipesignatures", "y"]),
    };
    let child = match (&volume.kind, volume.size_bytes) {
        (PlannedVolumeKind::Thin { .. }, _) => child,
        (_, Some(bytes)) => child.args(["--size", &format!("{bytes}b"), group]),
        (_, None) => child.args(["--extents", "100%FREE", group]),
    };
    child.run().map(drop)
}

fn mdadm() -> Child {
    Child::of(MDADM).env("MDADM_NO_UDEV", "1")
}

fn cryptsetup() -> Child {
    Child::of(CRYPTSETUP).env("DM_DISABLE_UDEV", "1")
}

/// An LVM command that sees the members of its group and nothing else: disks that arrive with somebody's volumes
/// may have groups of the same name.
fn lvm(members: &[PathBuf], command: &str) -> Child {
    let seen: Vec<String> = members.iter().map(|path| format!("\"a|^{}$|\"", path.display())).collect();
    let config = format!(
        "devices {{ use_devicesfile=0 obtain_device_list_from_udev=0 global_filter=[{}, \"r|.*|\"] }} \
         activation {{ udev_sync=0 udev_rules=0 monitoring=0 }} backup {{ backup=0 archive=0 }}",
        seen.join(", ")
    );
    Child::of(LVM).env("DM_DISABLE_UDEV", "1").args([command, "--config", &config])
}

fn md_node(name: &str) -> String {
    format!("/dev/md/{name}")
}

/// A UUID as mdadm takes it.
fn md_uuid(uuid: Uuid) -> String {
    let hex = format!("{:032x}", uuid.0);
    [&hex[..8], &hex[8..16], &hex[16..24], &hex[24..]].join(":")
}

/// How far a RAID is that is not synchronised, by files of its folder in sysfs (Documentation/admin-guide/md.rst). One that
/// nobody wrote to since it was started waits with it, and shows no progress.
fn how_far(sync_completed: &str, resync_start: &str, degraded: &str) -> Option<String> {
    let progress = sync_completed.trim().split_once(" / ").and_then(|(done, all)| {
        let (done, all): (u64, u64) = (done.parse().ok()?, all.parse().ok()?);
        Some(format!("{} % synchronised", done * 100 / all.max(1)))
    });
    let is_whole = matches!(resync_start.trim(), "" | "none") && matches!(degraded.trim(), "" | "0");
    progress.or_else(|| (!is_whole).then(|| "not synchronised yet".to_owned()))
}

/// The kernel loads most of this by itself when it is asked for; nodes of what is not loaded are not there.
fn load_modules(layer: &Layer) {
    let modules: &[&str] = match &layer.kind {
        LayerKind::Raid { level: Level::Raid0, .. } => &["md_mod", "raid0"],
        LayerKind::Raid { level: Level::Raid1, .. } => &["md_mod", "raid1"],
        LayerKind::Raid { level: Level::Raid5 | Level::Raid6, .. } => &["md_mod", "raid456"],
        LayerKind::Raid { level: Level::Raid10, .. } => &["md_mod", "raid10"],
        LayerKind::Vault { .. } => &["dm_mod", "dm_crypt"],
        LayerKind::Group { .. } => &["dm_mod"],
    };
    for module in modules {
        let tool: Tool = MODPROBE;
        // Built in, or missing: the tool that needs it then says so in its own words.
        let _ = Child::of(tool).args(["-q", module]).run();
    }
}

fn random_key() -> Result<Vec<u8>> {
    let mut bytes = vec![0; KEY_BYTES];
    let cannot = || "cannot get random numbers for a key".to_owned();
    let count = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())
        .map_err(std::io::Error::from)
        .or_fail(cannot)?;
    if count == KEY_BYTES { Ok(bytes) } else { Err(Failure::new(cannot())) }
}

#[cfg(test)]
mod tests {
    use super::how_far;

    /// Who ships a RAID that is not whole yet should read so in its record.
    #[test]
    fn what_is_not_synchronised_is_said() {
        let told = |completed, start, degraded| how_far(completed, start, degraded).unwrap_or_default();
        assert_eq!(told("524288 / 1048576\n", "524288\n", "0\n"), "50 % synchronised");
        assert_eq!(told("none\n", "0\n", "0\n"), "not synchronised yet", "started, and nobody wrote to it");
        assert_eq!(
            told("none\n", "none\n", "1\n"),
            "not synchronised yet",
            "the last member is made from the others"
        );
        assert_eq!(told("none\n", "none\n", "0\n"), "");
        assert_eq!(told("", "", ""), "", "RAID 0 has none of it");
        assert_eq!(told("1 / 0\n", "0\n", ""), "100 % synchronised");
    }
}
