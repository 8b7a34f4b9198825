//! A virtual box as a running QEMU: its command line, its start, its end.

mod running;

use super::accelerator::Accelerator;
use super::cable::{self, Cable};
use super::console::{self, Keyboard, Line};
use super::harm::Harm;
use super::qmp::Qmp;
use super::stick;
use super::tpm::Tpm;
use super::virtual_box::{BootRoad, DiskBus, Firmware, VirtualBox, disk_bus};
use super::write_cache::{LoggedDisk, Lost};
use linux::leash::leash;
use linux::process::{Child, ending, quote};
use linux::tools;
use model::failure::{Explain as _, Failure, Result};
use serde_json::json;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;
use wire::mac::Mac;

/// What the box boots from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Boot {
    /// Its first NIC; where that has no boot ROM, iPXE from a virtual CD or FAT disk first.
    Network,
    /// Its first disk; no NIC offers a boot.
    Disk {
        /// A disk that was pulled out, counting from 0. What the others are written then is forgotten: they would not fit
        /// together with that disk any more, and the next start is to find the box as it was finished.
        without: Option<usize>,
    },
    /// A kernel and an initrd put into its memory by QEMU; no NIC offers a boot.
    Direct(Direct),
}

/// A kernel put into the box's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Direct {
    /// The kernel's file.
    pub(crate) kernel: PathBuf,
    /// The initrd's file.
    pub(crate) initrd: Option<PathBuf>,
    /// The kernel command line.
    pub(crate) words: String,
}

/// Everything that stays the same over the starts of one box.
#[derive(Debug)]
pub(crate) struct Chassis {
    /// What it is made of.
    pub(crate) hardware: VirtualBox,
    /// How its processors are run.
    pub(crate) accelerator: Accelerator,
    /// Where its disks, firmware variables and logs are.
    pub(crate) folder: PathBuf,
    /// iPXE as a CD image, for BIOS.
    pub(crate) loader_cd: PathBuf,
    /// iPXE as an EFI program.
    pub(crate) loader_efi: PathBuf,
    /// What is wrong with the cable of its first NIC.
    pub(crate) cable: Option<cable::Fault>,
    /// What is wrong with its disks.
    pub(crate) ailment: Option<Ailment>,
    /// Whether its power will be cut: then its disks lose what was not flushed.
    pub(crate) loses_power: bool,
    /// Where the disks of a box are that was finished before; this one begins with what is on them.
    pub(crate) before: Option<PathBuf>,
    /// What is broken on its first disk before it starts from there.
    pub(crate) harm: Option<Harm>,
    /// Whether a USB stick will be put in.
    pub(crate) has_stick: bool,
}

/// What is wrong with disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ailment {
    /// What was written cannot be read.
    ReadsFail,
    /// Nothing can be written.
    WritesFail,
    /// They say that they are write-protected.
    ReadOnly,
    /// They do what they are told, and say of themselves that they are failing.
    Failing,
}

/// A box that runs.
#[derive(Debug)]
pub(crate) struct Machine {
    child: std::process::Child,
    qmp: Qmp,
    cable: Option<Cable>,
    tpm: Option<Tpm>,
    /// Types into its serial console.
    pub(crate) keyboard: Keyboard,
}

/// Serial number in the box's SMBIOS.
pub(crate) const SERIAL: &str = "BW0001";
/// System UUID in the box's SMBIOS.
pub(crate) const UUID: &str = "b0070000-0000-4000-8000-000000000001";
/// Manufacturer in the box's SMBIOS.
pub(crate) const MANUFACTURER: &str = "bootworks";
/// Product name in the box's SMBIOS.
pub(crate) const PRODUCT: &str = "Virtual Box";

impl Chassis {
    /// The address of its first NIC, by which the server knows it.
    pub(crate) fn mac(&self) -> Mac {
        nic_mac(0)
    }

    /// The tap that a NIC is plugged into.
    pub(crate) fn tap(index: usize) -> String {
        format!("bwtap{index}")
    }

    /// What its serial console printed, over all starts.
    pub(crate) fn console_log(&self) -> PathBuf {
        self.folder.join("console.log")
    }

    /// How its disks lie in their files: what is changed from outside is changed in place.
    fn format(&self) -> &'static str {
        if self.loses_power || self.harm.is_some() { "raw" } else { "qcow2" }
    }

    fn disk(&self, index: usize) -> PathBuf {
        self.folder.join(format!("disk{index}.{}", self.format()))
    }

    fn logged_disks(&self) -> impl Iterator<Item = LoggedDisk> {
        (0..self.hardware.disks.len()).map(|index| LoggedDisk::at(&self.disk(index)))
    }

    /// Makes its disks and firmware variables: all empty, or as those of the box that was finished before.
    pub(crate) fn furnish(&self) -> Result<()> {
        for index in 0..self.hardware.disks.len() {
            let disk = self.disk(index);
            match &self.before {
                Some(folder) => {
                    let kept = folder.join(kept_disk(index));
                    if !kept.exists() {
                        let number = index + 1;
                        return Err(Failure::new(format!("{} has no disk {number}", folder.display()))
                            .because(format!("--box gives the box {}", self.hardware.disks.len()))
                            .hint("name as many disks as the kept box had: `--box disk=nvme`"));
                    }
                    convert(&kept, self.format(), &disk)?;
                }
                None => Child::of(tools::QEMU_IMG)
                    .args(["create", "-q", "-f", self.format()])
                    .arg(disk)
                    .arg(self.hardware.disk_bytes.to_string())
                    .run()
                    .map(drop)?,
            }
        }
        let known = self.before.as_ref().map(|folder| folder.join(Tpm::STATE));
        if let Some(known) = known.filter(|known| self.hardware.tpm && known.exists()) {
            let folder = self.tpm_state();
            let copied =
                std::fs::create_dir_all(&folder).and_then(|()| std::fs::copy(known, folder.join(Tpm::STATE)));
            copied.or_fail(|| format!("cannot make {}", folder.display()))?;
        }
        if self.has_stick {
            stick::make(&self.stick())?;
        }
        if self.hardware.firmware == Firmware::Uefi {
            let (_, empty) = self.ovmf()?;
            // A box that was finished under BIOS has none.
            let kept = self.before.as_ref().map(|folder| folder.join(VARIABLES));
            let variables = kept.filter(|variables| variables.exists()).unwrap_or(empty);
            let copy = self.folder.join(VARIABLES);
            std::fs::copy(variables, &copy).or_fail(|| format!("cannot make {}", copy.display()))?;
            if self.boot_road() == BootRoad::Medium {
                let folder = self.folder.join("loader/EFI/BOOT");
                std::fs::create_dir_all(&folder).or_fail(|| format!("cannot make {}", folder.display()))?;
                std::fs::copy(&self.loader_efi, folder.join("BOOTX64.EFI"))
                    .or_fail(|| format!("cannot copy {}", self.loader_efi.display()))?;
            }
        }
        Ok(())
    }

    /// How it gets to its kernel over the first NIC.
    pub(crate) fn boot_road(&self) -> BootRoad {
        match self.hardware.nics.first() {
            Some(nic) if self.hardware.boot_rom => nic.boot_road(),
            _ => BootRoad::Rom,
        }
    }

    /// The file of the USB stick that will be put in.
    pub(crate) fn stick(&self) -> PathBuf {
        self.folder.join("stick.raw")
    }

    /// Whether that stick, where there is one, is as it was made.
    pub(crate) fn stick_is_untouched(&self) -> bool {
        !self.has_stick || stick::is_untouched(&self.stick())
    }

    /// Where its TPM keeps what it knows.
    fn tpm_state(&self) -> PathBuf {
        self.folder.join("tpm")
    }

    /// Has its TPM forget everything, as a new board's. The box is off.
    pub(crate) fn clear_tpm(&self) -> Result<()> {
        let folder = self.tpm_state();
        std::fs::remove_dir_all(&folder).or_fail(|| format!("cannot remove {}", folder.display()))
    }

    /// Puts its disks and firmware variables into a folder, for boxes that begin as this one ended. It is off.
    pub(crate) fn keep(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).or_fail(|| format!("cannot make {}", folder.display()))?;
        for index in 0..self.hardware.disks.len() {
            convert(&self.disk(index), "qcow2", &folder.join(kept_disk(index)))?;
        }
        if self.hardware.firmware == Firmware::Uefi {
            let copy = folder.join(VARIABLES);
            std::fs::copy(self.folder.join(VARIABLES), &copy)
                .or_fail(|| format!("cannot make {}", copy.display()))?;
        }
        if self.hardware.tpm {
            let copy = folder.join(Tpm::STATE);
            std::fs::copy(self.tpm_state().join(Tpm::STATE), &copy)
                .or_fail(|| format!("cannot make {}", copy.display()))?;
        }
        Ok(())
    }

    /// Breaks on its first disk what is to be broken. It is off.
    pub(crate) fn suffer(&self) -> Result<()> {
        self.harm.map_or(Ok(()), |harm| harm.strike(&self.disk(0)))
    }

    /// Deletes its disks: what is kept of a rehearsal are its logs.
    pub(crate) fn scrap(&self) {
        self.logged_disks().for_each(|disk| disk.scrap());
        let _ = std::fs::remove_file(self.stick());
        let _ = std::fs::remove_file(self.folder.join(VARIABLES));
        let _ = std::fs::remove_dir_all(self.tpm_state());
        let _ = std::fs::remove_dir_all(self.folder.join("loader"));
    }

    /// Takes from its disks what they had not flushed when the power went. The box is off.
    pub(crate) fn lose_unflushed(&self, seed: u64) -> Result<Lost> {
        let mut all = Lost::default();
        for (disk, seed) in self.logged_disks().zip(seed..) {
            let lost = disk.lose(u64::from(self.hardware.sector_bytes), seed)?;
            all.unflushed += lost.unflushed;
            all.whole += lost.whole;
            all.torn += lost.torn;
        }
        Ok(all)
    }

    /// Switches the box on. `power_goes` where the power will be cut before it is finished.
    pub(crate) fn start(
        &self,
        boot: &Boot,
        power_goes: bool,
        lines: Sender<Line>,
        shown: Option<fn(&[u8])>,
    ) -> Result<Machine> {
        if power_goes {
            self.logged_disks().try_for_each(|disk| disk.begin())?;
        }
        let qemu = tools::QEMU.find().ok_or_else(|| {
            Failure::new(format!("`{}` is not on this machine", tools::QEMU.name))
                .because(format!("it is needed for {}", tools::QEMU.reason))
                .hint(format!("`apt-get install {}`", tools::QEMU.package))
        })?;
        let (ours, theirs) = UnixStream::pair().or_fail(|| "cannot make QEMU's control line".into())?;
        let theirs = inheritable(&theirs)?;
        let mut command = Command::new(qemu);
        let (cable, end) = match self.cable {
            Some(fault) if !self.hardware.nics.is_empty() => {
                let (cable, end) = Cable::lay(&Chassis::tap(0), fault)?;
                (Some(cable), Some(inheritable(&end)?))
            }
            _ => (None, None),
        };
        command.args(self.arguments(boot, power_goes, end.as_ref())?);
        let (tpm, control) =
            if self.hardware.tpm { Some(Tpm::start(&self.tpm_state())?) } else { None }.unzip();
        if let Some(control) = &control {
            command.arg("-chardev").arg(format!("socket,id=tpm-control,fd={}", control.as_raw_fd()));
            command.args([
                "-tpmdev",
                "emulator,id=tpm0,chardev=tpm-control",
                "-device",
                "tpm-tis,tpmdev=tpm0",
            ]);
        }
        command.arg("-chardev").arg(format!("socket,id=control,fd={}", theirs.as_raw_fd()));
        command.args(["-mon", "chardev=control,mode=control", "-S"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let log = self.folder.join("qemu.log");
        let errors = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .or_fail(|| format!("cannot write {}", log.display()))?;
        command.stderr(errors);
        let mut child = leash(&mut command).spawn().or_fail(|| "cannot start QEMU".into())?;
        drop((theirs, end, control));
        let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
            return Err(Failure::new("QEMU has no serial console"));
        };
        let keyboard = console::watch(output, input, &self.console_log(), lines, shown)?;
        let qmp = Qmp::open(ours).map_err(|failure| explain_start(failure, &mut child, &log, &command))?;
        let mut machine = Machine { child, qmp, cable, tpm, keyboard };
        for (index, nic) in self.hardware.nics.iter().enumerate() {
            if !nic.plugged {
                machine.qmp.execute("set_link", json!({ "name": format!("nic{index}"), "up": false }))?;
            }
        }
        machine.qmp.execute("cont", json!({}))?;
        Ok(machine)
    }

    /// OVMF's code and its variables, where Debian and Ubuntu put them. The variables are empty, or have Microsoft's keys
    /// and Secure Boot switched on.
    fn ovmf(&self) -> Result<(PathBuf, PathBuf)> {
        let folder = Path::new("/usr/share/OVMF");
        let kinds = if self.hardware.secure_boot { ["_4M.ms", ".ms"] } else { ["_4M", ""] };
        let mut pairs = kinds.map(|kind| {
            (folder.join(format!("OVMF_CODE{kind}.fd")), folder.join(format!("OVMF_VARS{kind}.fd")))
        });
        let found = pairs.iter().position(|(code, _)| code.is_file()).ok_or_else(|| {
            Failure::new("this machine has no UEFI firmware for virtual boxes")
                .because(format!("{} is not there", pairs[0].0.display()))
                .hint("`apt-get install ovmf`")
        })?;
        Ok(std::mem::take(&mut pairs[found]))
    }

    /// QEMU's arguments, without the control line. `cable` is the end of a cable of ours for the first NIC.
    fn arguments(&self, boot: &Boot, power_goes: bool, cable: Option<&OwnedFd>) -> Result<Vec<String>> {
        let mut list: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| list.extend(words.iter().map(|word| (*word).to_owned()));
        match self.accelerator {
            Accelerator::Kvm => add(&["-accel", "kvm", "-cpu", self.hardware.processor_or("host")]),
            Accelerator::Tcg => {
                add(&["-accel", "tcg,thread=multi", "-cpu", self.hardware.processor_or("qemu64")])
            }
        }
        // graphics=off has SeaBIOS and its ROMs print to the serial line as well.
        add(&[
            "-machine",
            if self.hardware.secure_boot { "q35,graphics=off,smm=on" } else { "q35,graphics=off" },
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-vga",
            "std",
        ]);
        add(&["-m", &format!("{}M", self.hardware.memory_bytes >> 20)]);
        if let Some(day) = &self.hardware.clock {
            add(&["-rtc", &format!("base={day}T12:00:00")]);
        }
        add(&["-smp", &self.hardware.processors.to_string(), "-device", "virtio-rng-pci"]);
        add(&["-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial"]);
        add(&[
            "-smbios",
            &format!("type=1,manufacturer={MANUFACTURER},product={PRODUCT},serial={SERIAL},uuid={UUID}"),
        ]);
        if self.hardware.firmware == Firmware::Uefi {
            let (code, _) = self.ovmf()?;
            add(&["-drive", &format!("if=pflash,unit=0,format=raw,readonly=on,file={}", escape(&code))]);
            if self.hardware.secure_boot {
                // Only System Management Mode writes the variables, the keys among them (OVMF's README, SMM_REQUIRE).
                add(&["-global", "driver=cfi.pflash01,property=secure,value=on"]);
            }
            let variables = self.folder.join(VARIABLES);
            add(&["-drive", &format!("if=pflash,unit=1,format=raw,file={}", escape(&variables))]);
        }
        let network = *boot == Boot::Network;
        for (index, nic) in self.hardware.nics.iter().enumerate() {
            let tap = Chassis::tap(index);
            match cable {
                Some(end) if index == 0 => add(&[
                    "-netdev",
                    &format!("stream,id=net0,server=off,addr.type=fd,addr.str={}", end.as_raw_fd()),
                ]),
                _ => add(&["-netdev", &format!("tap,id=net{index},ifname={tap},script=no,downscript=no")]),
            }
            let rom = match (network && index == 0, nic.boot_road()) {
                (true, _) if !self.hardware.boot_rom => ",romfile=,bootindex=1".to_owned(),
                (true, BootRoad::Rom) => format!(",bootindex={}", 1),
                // A NIC that does not boot brings no ROM that would ask for an address.
                _ => ",romfile=".to_owned(),
            };
            add(&[
                "-device",
                &format!("{},id=nic{index},netdev=net{index},mac={}{rom}", nic.model, nic_mac(index)),
            ]);
        }
        if let Boot::Direct(direct) = boot {
            list.extend(["-kernel".into(), direct.kernel.display().to_string()]);
            list.extend(["-append".into(), direct.words.clone()]);
            if let Some(initrd) = &direct.initrd {
                list.extend(["-initrd".into(), initrd.display().to_string()]);
            }
        }
        if network && self.boot_road() == BootRoad::Medium {
            self.add_loader_medium(&mut list);
        }
        if self.has_stick {
            list.extend(["-device".to_owned(), format!("qemu-xhci,id={}", stick::CONTROLLER)]);
        }
        for (index, model) in self.hardware.disks.iter().enumerate() {
            if *boot != (Boot::Disk { without: Some(index) }) {
                self.add_disk(&mut list, boot, power_goes, index, model);
            }
        }
        Ok(list)
    }

    /// The medium that iPXE comes from where the NIC has no boot ROM.
    fn add_loader_medium(&self, list: &mut Vec<String>) {
        let words: Vec<String> = match self.hardware.firmware {
            Firmware::Bios => vec![
                "-drive".into(),
                format!(
                    "if=none,id=loader,media=cdrom,readonly=on,format=raw,file={}",
                    escape(&self.loader_cd)
                ),
                "-device".into(),
                "ide-cd,bus=ide.5,drive=loader,bootindex=1".into(),
            ],
            Firmware::Uefi => vec![
                "-drive".into(),
                format!(
                    "if=none,id=loader,readonly=on,format=raw,file=fat:{}",
                    escape(&self.folder.join("loader"))
                ),
                "-device".into(),
                "qemu-xhci,id=loader-usb".into(),
                "-device".into(),
                "usb-storage,bus=loader-usb.0,drive=loader,removable=on,bootindex=1".into(),
            ],
        };
        list.extend(words);
    }

    /// The disk's file as QEMU's option, or what stands before it where it is ill: blkdebug (docs/devel/blkdebug.txt)
    /// between image format and file, so that what fails is data.
    fn file_of(&self, disk: &Path) -> String {
        let file = escape(disk);
        let fails = |event: &str| {
            format!(
                "file.driver=blkdebug,file.image.driver=file,file.image.filename={file},file.inject-error.0.event={event}"
            )
        };
        match self.ailment {
            None | Some(Ailment::Failing) => format!("file={file}"),
            Some(Ailment::ReadOnly) => format!("readonly=on,file={file}"),
            Some(Ailment::ReadsFail) => fails("read_aio"),
            Some(Ailment::WritesFail) => fails("write_aio"),
        }
    }

    fn add_disk(&self, list: &mut Vec<String>, boot: &Boot, power_goes: bool, index: usize, model: &str) {
        let disk = self.disk(index);
        let drive = if power_goes {
            let logged = LoggedDisk::at(&disk);
            format!(
                "if=none,id=disk{index},driver=blklogwrites,discard=unmap,file.driver=raw,file.discard=unmap,\
                 file.file.driver=file,file.file.discard=unmap,file.file.filename={},\
                 log.driver=file,log.filename={}",
                escape(&logged.disk),
                escape(&logged.log)
            )
        } else {
            let format = self.format();
            let file = self.file_of(&disk);
            let is_forgotten = matches!(boot, Boot::Disk { without: Some(_) });
            let snapshot = if is_forgotten { "snapshot=on," } else { "" };
            format!(
                "if=none,id=disk{index},{snapshot}format={format},discard=unmap,detect-zeroes=unmap,{file}"
            )
        };
        list.extend(["-drive".to_owned(), drive]);
        // All disks are flash (rotation_rate=1, SBC-4 §6.6.4): lines for servers mostly ask for that.
        let mut serial = format!("id=drive{index},serial=VD{index:04}");
        if self.hardware.sector_bytes != 512 {
            let bytes = self.hardware.sector_bytes;
            serial += &format!(",logical_block_size={bytes},physical_block_size={bytes}");
        }
        if model == "mptsas1068" {
            // This adapter gives a disk's world wide name out as its SAS address. A disk of QEMU's has none unless it
            // is told one, and Linux makes no port for the address zero (drivers/message/fusion/mptsas.c,
            // mptsas_setup_wide_ports): the adapter works, and no disk is behind it.
            serial += &format!(",wwn={:#x}", 0x5000_c500_b007_0000_u64 + index as u64);
        }
        if self.ailment == Some(Ailment::Failing) {
            // The reliability is degraded (NVMe 1.4, figure 194, bit 2 of the critical warning).
            serial += ",smart_critical_warning=4";
        }
        let order = 10 + index;
        let devices: Vec<String> = match disk_bus(model) {
            DiskBus::Direct => vec![format!("{model},drive=disk{index},{serial},bootindex={order}")],
            DiskBus::Ahci => {
                vec![format!(
                    "ide-hd,bus=ide.{index},drive=disk{index},{serial},rotation_rate=1,bootindex={order}"
                )]
            }
            DiskBus::Scsi => vec![
                format!("{model},id=hba{index}"),
                format!(
                    "scsi-hd,bus=hba{index}.0,drive=disk{index},{serial},rotation_rate=1,bootindex={order}"
                ),
            ],
            DiskBus::Usb => vec![
                format!("qemu-xhci,id=usb{index}"),
                format!("usb-storage,bus=usb{index}.0,drive=disk{index},{serial},bootindex={order}"),
            ],
        };
        list.extend(devices.into_iter().flat_map(|device| ["-device".to_owned(), device]));
    }
}

/// The address of the box's NIC of that number, locally administered as QEMU's own.
pub(crate) fn nic_mac(index: usize) -> Mac {
    Mac([0x52, 0x54, 0x00, 0xb0, 0x07, index as u8])
}

/// File of a box's UEFI variables.
const VARIABLES: &str = "variables.fd";

/// File of a disk in a folder of finished ones.
fn kept_disk(index: usize) -> String {
    format!("disk{index}.qcow2")
}

/// A disk's content in another file, as another format.
fn convert(from: &Path, format: &str, to: &Path) -> Result<()> {
    Child::of(tools::QEMU_IMG).args(["convert", "-O", format]).arg(from).arg(to).run().map(drop)
}

/// A comma in a path would end QEMU's option; doubled it stands for itself.
fn escape(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// A copy of the descriptor that a child inherits.
pub(super) fn inheritable(end: &impl AsFd) -> Result<OwnedFd> {
    rustix::io::dup(end).or_fail(|| "cannot hand QEMU its control line".into())
}

/// QEMU that ends at its start has said why in its log.
fn explain_start(
    failure: Failure,
    child: &mut std::process::Child,
    log: &Path,
    command: &Command,
) -> Failure {
    let _ = child.kill();
    let Ok(status) = child.wait() else { return failure };
    let line: Vec<String> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(quote).collect();
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let mut failure = Failure::new(format!("QEMU {}", ending(status))).doing(line.join(" "));
    for last in said.lines().rev().take(4).collect::<Vec<_>>().into_iter().rev() {
        failure = failure.because(last);
    }
    failure
}
