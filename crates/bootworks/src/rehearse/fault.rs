//! Faults that a rehearsal can be asked for: what is broken on purpose, and when.

use super::cable::{self, Bootfile, Loss};
use super::harm::Harm;
use super::machine::Ailment;
use super::spoil::{Damage, Output};
use model::failure::{Failure, Result};
use model::mistake::nearest;
use std::str::FromStr;
use std::time::Duration;

/// When in the installation a fault strikes: at some percentage of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Name of the step as the plan has it: `image`.
    pub(crate) step: String,
    /// How far the step is, 0 to 100.
    pub(crate) percent: u8,
}

/// What is broken on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The box is sent into its boot although the proof says that it fails.
    IgnoreProof,
    /// The box loses its power and is switched on again.
    PowerCut(Moment),
    /// The box loses its power so long after its plan was confirmed, is started from its disk alone, then as ever.
    PowerCutAfter(Duration),
    /// The server is killed and started again.
    ServerKilled(Moment),
    /// The server is killed, and started again a minute later.
    ServerGone(Moment),
    /// The cable of the first NIC is pulled out, and not put in again.
    LinkLost(Moment),
    /// The first disk is pulled out, and not put in again.
    DiskLost(Moment),
    /// The processor reports a fault of its own that cannot be mended.
    MachineCheck(Moment),
    /// The cable of the first NIC loses something, or has somebody else on it.
    Cable(cable::Fault),
    /// Every disk is ill from the beginning.
    Disks(Ailment),
    /// One of the build's files is missing, cut short or wrong.
    Spoiled(Output, Damage),
    /// The finished appliance is started once more without this disk, counting from 1.
    DiskPulled(usize),
    /// The finished appliance is started once more with a TPM that knows nothing.
    TpmCleared,
    /// The finished box is started once more from the network, and has to come to its appliance.
    NetworkFirst,
    /// The same, but somebody presses the key that has it installed again.
    InstalledAgain,
    /// A USB stick is put in.
    StickInserted(Moment),
    /// Something on the finished appliance's first disk is broken before it starts from there.
    Appliance(Harm),
}

impl Fault {
    /// Whether the box loses its power by it.
    pub(crate) fn cuts_power(&self) -> bool {
        matches!(self, Fault::PowerCut(_) | Fault::PowerCutAfter(_))
    }
}

/// What strikes later: as typed, and what it does.
const MOMENTS: &[(&str, &str)] = &[
    ("disk-lost@STEP:N%", "the first disk is pulled out when N percent of a step are done"),
    ("disk-pulled:N", "the finished appliance is started once more without its Nth disk"),
    ("link-lost@STEP:N%", "the first NIC's cable is pulled out when N percent of a step are done"),
    ("machine-check@STEP:N%", "the processor reports an error of its own when N percent of a step are done"),
    (
        "installed-again",
        "the finished box is started once more from the network, and `i` is pressed to install it again",
    ),
    (
        "network-first",
        "the finished box is started once more from the network, which has to send it to its disk",
    ),
    (
        "power-cut@SECONDSs",
        "the box loses power so long after its plan was confirmed; first its disk is started alone",
    ),
    ("power-cut@STEP:N%", "the box loses power then, and is switched on again"),
    ("server-gone@STEP:N%", "the server is killed then, and started again 60 s later"),
    ("server-killed@STEP:N%", "the server is killed then, and started again"),
    ("stick-inserted@STEP:N%", "a USB stick is put in when N percent of a step are done"),
    ("tpm-cleared", "the finished appliance is started once more with a TPM that knows nothing"),
];

/// Faults that are there from the beginning.
const STANDING: &[(&str, &str, Fault)] = &[
    ("arp-lost", "no ARP answer reaches the box", loses(Loss::ArpAnswers)),
    ("dhcp-lost", "nothing that the box asks over DHCP reaches the server", loses(Loss::DhcpQuestions)),
    ("dhcp-answers-lost", "no DHCP answer reaches the box", loses(Loss::DhcpAnswers)),
    ("dhcp-rival", "a second DHCP server answers before ours", Fault::Cable(cable::Fault::HasRival)),
    ("dhcp-pool-empty", "others have taken every address", Fault::Cable(cable::Fault::HasCrowd)),
    (
        "bootfile-absent",
        "DHCP names a file by HTTP that there is not",
        Fault::Cable(cable::Fault::Names(Bootfile::Absent)),
    ),
    ("bootfile-lost", "DHCP names nothing to boot", Fault::Cable(cable::Fault::Names(Bootfile::None))),
    ("disk-reads-fail", "what was written to the disks cannot be read", Fault::Disks(Ailment::ReadsFail)),
    ("disk-writes-fail", "nothing can be written to the disks", Fault::Disks(Ailment::WritesFail)),
    (
        "disk-failing",
        "the disks say of themselves that they are failing (NVMe)",
        Fault::Disks(Ailment::Failing),
    ),
    ("disk-read-only", "the disks are write-protected", Fault::Disks(Ailment::ReadOnly)),
    ("http-lost", "nothing passes to or from the server's HTTP port", loses(Loss::Http)),
    ("http-cut", "nothing more of HTTP passes after 4 MiB", loses(Loss::HttpAfter(4 << 20))),
    ("http-cut-late", "nothing more of HTTP passes after 16 MiB", loses(Loss::HttpAfter(16 << 20))),
    ("http-reset", "HTTP's connections are cut off after 4 MiB", Fault::Cable(cable::Fault::Resets(4 << 20))),
    ("large-lost", "frames of more than 1000 octets are lost", loses(Loss::LongerThan(1000))),
    ("nfs-lost", "nothing passes to or from the server's NFS port", loses(Loss::Nfs)),
    ("nfs-cut", "nothing more of NFS passes after 64 KiB", loses(Loss::NfsAfter(64 << 10))),
    ("tftp-lost", "nothing that the box asks over TFTP reaches the server", loses(Loss::TftpQuestions)),
    ("tftp-data-lost", "no TFTP data reaches the box", loses(Loss::TftpData)),
    ("loader-missing", "the server has no boot loader", Fault::Spoiled(Output::Loader, Damage::Missing)),
    (
        "loader-truncated",
        "the boot loader ends in its middle",
        Fault::Spoiled(Output::Loader, Damage::Halved),
    ),
    ("ignore-proof", "boot although the proof says that it fails", Fault::IgnoreProof),
    ("kernel-missing", "the server has no kernel", Fault::Spoiled(Output::Kernel, Damage::Missing)),
    ("kernel-truncated", "the kernel ends in its middle", Fault::Spoiled(Output::Kernel, Damage::Halved)),
    ("initrd-missing", "the server has no initrd", Fault::Spoiled(Output::Initrd, Damage::Missing)),
    ("initrd-truncated", "the initrd ends in its middle", Fault::Spoiled(Output::Initrd, Damage::Halved)),
    (
        "modules-altered",
        "one byte of each of the initrd's modules is another",
        Fault::Spoiled(Output::Initrd, Damage::ModulesAltered),
    ),
    (
        "modules-foreign",
        "the initrd's modules are another kernel's",
        Fault::Spoiled(Output::Initrd, Damage::ModulesForeign),
    ),
    ("root-missing", "the server has no root to export", Fault::Spoiled(Output::Root, Damage::Missing)),
    ("squashfs-missing", "the server has no squashfs", Fault::Spoiled(Output::Squashfs, Damage::Missing)),
    (
        "squashfs-truncated",
        "the squashfs ends in its middle",
        Fault::Spoiled(Output::Squashfs, Damage::Halved),
    ),
    (
        "squashfs-corrupt",
        "one byte of the squashfs is another",
        Fault::Spoiled(Output::Squashfs, Damage::Flipped),
    ),
    ("image-missing", "the server has no image", Fault::Spoiled(Output::Image, Damage::Missing)),
    ("image-truncated", "the image ends in its middle", Fault::Spoiled(Output::Image, Damage::Halved)),
    ("image-corrupt", "one byte of the image is another", Fault::Spoiled(Output::Image, Damage::Flipped)),
    (
        "appliance-core-blank",
        "the finished disk's GRUB core is blank (BIOS)",
        Fault::Appliance(Harm::CoreBlank),
    ),
    ("appliance-grub-missing", "GRUB's modules are gone", Fault::Appliance(Harm::GrubMissing)),
    ("appliance-menu-missing", "GRUB's menu is gone", Fault::Appliance(Harm::MenuMissing)),
    ("appliance-root-wrong", "GRUB's menu names a root that is not there", Fault::Appliance(Harm::RootWrong)),
    (
        "appliance-loader-missing",
        "EFI/BOOT/BOOTX64.EFI is gone (UEFI)",
        Fault::Appliance(Harm::LoaderMissing),
    ),
    ("appliance-kernel-missing", "the appliance's kernel is gone", Fault::Appliance(Harm::KernelMissing)),
    ("appliance-kernel-truncated", "it ends in its middle", Fault::Appliance(Harm::KernelHalved)),
    ("appliance-initrd-missing", "the appliance's initrd is gone", Fault::Appliance(Harm::InitrdMissing)),
    ("appliance-initrd-truncated", "it ends in its middle", Fault::Appliance(Harm::InitrdHalved)),
    (
        "appliance-fstab-wrong",
        "/etc/fstab names an EFI system partition that is not there",
        Fault::Appliance(Harm::FstabWrong),
    ),
    ("appliance-init-foreign", "systemd is built for another processor", Fault::Appliance(Harm::InitForeign)),
    ("appliance-init-truncated", "systemd ends in its middle", Fault::Appliance(Harm::InitHalved)),
    ("appliance-init-missing", "systemd is gone", Fault::Appliance(Harm::InitMissing)),
    ("appliance-modules-missing", "the kernel's modules are gone", Fault::Appliance(Harm::ModulesMissing)),
    ("appliance-root-blank", "the root's file system begins with zeros", Fault::Appliance(Harm::RootBlank)),
    (
        "appliance-root-damaged",
        "the root's file system contradicts itself",
        Fault::Appliance(Harm::RootDamaged),
    ),
];

const fn loses(loss: Loss) -> Fault {
    Fault::Cable(cable::Fault::Loses(loss))
}

/// All of them with what they do, a line each.
pub(crate) fn list() -> Vec<String> {
    let standing = STANDING.iter().map(|(name, what, _)| (*name, *what));
    standing.chain(MOMENTS.iter().copied()).map(|(name, what)| format!("{name:<26} {what}")).collect()
}

impl FromStr for Fault {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Fault> {
        let (name, moment) = match text.split_once('@') {
            Some((name, moment)) => (name, Some(moment)),
            None => (text, None),
        };
        if let Some(number) = text.strip_prefix("disk-pulled:") {
            let number = number.parse().ok().filter(|number| *number >= 1);
            return number.map(Fault::DiskPulled).ok_or_else(|| {
                Failure::new(format!("`{text}` pulls no disk")).hint("the first disk is `disk-pulled:1`")
            });
        }
        if let (Some((_, _, fault)), None) = (STANDING.iter().find(|(known, _, _)| *known == name), moment) {
            return Ok(fault.clone());
        }
        match (name, moment) {
            ("disk-lost", Some(at)) => Ok(Fault::DiskLost(moment_of(at)?)),
            ("installed-again", None) => Ok(Fault::InstalledAgain),
            ("network-first", None) => Ok(Fault::NetworkFirst),
            ("stick-inserted", Some(at)) => Ok(Fault::StickInserted(moment_of(at)?)),
            ("link-lost", Some(at)) => Ok(Fault::LinkLost(moment_of(at)?)),
            ("machine-check", Some(at)) => Ok(Fault::MachineCheck(moment_of(at)?)),
            ("power-cut", Some(at)) if at.ends_with('s') && !at.contains(':') => {
                let seconds = at.strip_suffix('s').and_then(|text| text.parse::<f64>().ok());
                let after = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                after.map(Fault::PowerCutAfter).ok_or_else(|| {
                    Failure::new(format!("`{at}` is no time")).hint("a time is SECONDSs, like 37.5s")
                })
            }
            ("power-cut", Some(at)) => Ok(Fault::PowerCut(moment_of(at)?)),
            ("server-gone", Some(at)) => Ok(Fault::ServerGone(moment_of(at)?)),
            ("tpm-cleared", None) => Ok(Fault::TpmCleared),
            ("server-killed", Some(at)) => Ok(Fault::ServerKilled(moment_of(at)?)),
            _ => {
                let known =
                    STANDING.iter().map(|(name, _, _)| *name).chain(MOMENTS.iter().map(|(form, _)| *form));
                let failure = Failure::new(format!("`{text}` is no fault"));
                Err(match nearest(text, known) {
                    Some(near) => failure.hint(format!("it is spelt `{near}`")),
                    None => failure.hint("`--fault list` says what there is"),
                })
            }
        }
    }
}

fn moment_of(text: &str) -> Result<Moment> {
    let parsed = text.split_once(':').and_then(|(step, percent)| {
        let percent = percent.strip_suffix('%')?.parse().ok().filter(|percent| *percent <= 100)?;
        (!step.is_empty()).then(|| Moment { step: step.to_owned(), percent })
    });
    parsed.ok_or_else(|| {
        Failure::new(format!("`{text}` is no moment")).hint("a moment is STEP:N%, like image:50%")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_typed() {
        let moment = Moment { step: "image".into(), percent: 50 };
        assert_eq!("power-cut@image:50%".parse::<Fault>().unwrap(), Fault::PowerCut(moment.clone()));
        assert_eq!("server-gone@image:50%".parse::<Fault>().unwrap(), Fault::ServerGone(moment));
        assert_eq!(
            "power-cut@37.5s".parse::<Fault>().unwrap(),
            Fault::PowerCutAfter(Duration::from_millis(37_500))
        );
        assert_eq!("ignore-proof".parse::<Fault>().unwrap(), Fault::IgnoreProof);
        assert_eq!("network-first".parse::<Fault>().unwrap(), Fault::NetworkFirst);
        assert_eq!("installed-again".parse::<Fault>().unwrap(), Fault::InstalledAgain);
        assert!(matches!("stick-inserted@format:0%".parse::<Fault>().unwrap(), Fault::StickInserted(_)));
        assert_eq!("disk-pulled:2".parse::<Fault>().unwrap(), Fault::DiskPulled(2));
        for wrong in [
            "",
            "disk-pulled:0",
            "disk-pulled:x",
            "power-cut",
            "power-cut@image",
            "power-cut@image:101%",
            "power-cut@-1s",
            "power-cut@s",
            "power-cut@:5%",
            "fire",
        ] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
        assert_eq!("root-missing".parse::<Fault>().unwrap(), Fault::Spoiled(Output::Root, Damage::Missing));
        expect_test::expect![[r#"
            error: `fire` is no fault
            hint: `--fault list` says what there is"#]]
        .assert_eq(&"fire".parse::<Fault>().unwrap_err().report());
        expect_test::expect![[r#"
            error: `image-corupt` is no fault
            hint: it is spelt `image-corrupt`"#]]
        .assert_eq(&"image-corupt".parse::<Fault>().unwrap_err().report());
        assert_eq!(list().len(), STANDING.len() + MOMENTS.len());
    }
}
