//! The boot agrees with the proof: each NIC and each disk adapter of QEMU's that Linux has a driver for, once with the
//! driver where it is needed and once without.
//!
//! What is demanded of a box is not written down here: it is what `bootworks check` says of its hardware. The table
//! only says which of the two it has to say, so that a proof that calls everything covered is found out as well.

use super::rig::{self, Rig};
use super::variant::Variant;
use std::fmt::Write as _;
use std::time::Instant;

/// A device of QEMU's.
#[derive(Clone, Copy)]
struct Device {
    /// QEMU's name of it.
    model: &'static str,
    /// What Linux calls it; subsystems are left out, no driver here asks for one.
    modalias: &'static str,
    /// A part of its driver's name that the box's own screen has to show when the driver is missing.
    driver: &'static str,
}

const fn device(model: &'static str, modalias: &'static str, driver: &'static str) -> Device {
    Device { model, modalias, driver }
}

/// The NIC that the line with the drivers left out can still boot from.
const LEFT: &str = "e1000e";

const NICS: &[Device] = &[
    device(LEFT, "pci:v00008086d000010D3sv*sd*bc02sc00i00", "e1000e"),
    device("e1000", "pci:v00008086d0000100Esv*sd*bc02sc00i00", "e1000"),
    device("igb", "pci:v00008086d000010C9sv*sd*bc02sc00i00", "igb"),
    device("virtio-net-pci", "pci:v00001AF4d00001000sv*sd*bc02sc00i00", "virtio"),
    device("vmxnet3", "pci:v000015ADd000007B0sv*sd*bc02sc00i00", "vmxnet3"),
    device("rtl8139", "pci:v000010ECd00008139sv*sd*bc02sc00i00", "8139"),
    device("tulip", "pci:v00001011d00000019sv*sd*bc02sc00i00", "tulip"),
    device("ne2k_pci", "pci:v000010ECd00008029sv*sd*bc02sc00i00", "ne2k_pci"),
];

const DISKS: &[Device] = &[
    device("nvme", "pci:v00001B36d00000010sv*sd*bc01sc08i02", "nvme"),
    device("virtio-blk-pci", "pci:v00001AF4d00001001sv*sd*bc01sc00i00", "virtio_blk"),
    device("ahci", "pci:v00008086d00002922sv*sd*bc01sc06i01", "ahci"),
    device("megasas", "pci:v00001000d00000060sv*sd*bc01sc04i00", "megaraid_sas"),
    device("megasas-gen2", "pci:v00001000d00000079sv*sd*bc01sc04i00", "megaraid_sas"),
    device("mptsas1068", "pci:v00001000d00000054sv*sd*bc01sc00i00", "mptsas"),
    device("virtio-scsi-pci", "pci:v00001AF4d00001004sv*sd*bc01sc00i00", "virtio_scsi"),
    device("pvscsi", "pci:v000015ADd000007C0sv*sd*bc01sc00i00", "vmw_pvscsi"),
    device("lsi53c895a", "pci:v00001000d00000012sv*sd*bc01sc00i00", "sym53c8xx"),
    device("lsi53c810", "pci:v00001000d00000001sv*sd*bc01sc00i00", "sym53c8xx"),
    device("am53c974", "pci:v00001022d00002020sv*sd*bc01sc00i00", "am53c974"),
];

impl Device {
    /// Its modalias with what is not known of it as the sources of profiles write that.
    fn modalias(&self) -> String {
        self.modalias.replace('*', "????????")
    }
}

/// What is demanded of a device, and how it is shown in the table.
type Demand = (&'static str, fn(Device));

const OF_NICS: &[Demand] = &[("with its driver", drives_the_nic), ("without", lacks_the_nic)];
const OF_DISKS: &[Demand] = &[("with its driver", drives_the_disk), ("without", lacks_the_disk)];

/// Rehearses one NIC and one disk by the day, or all of them. What one device does tells nothing of the next one: all
/// have their turn, and then those that did not agree are named.
pub(crate) fn run() {
    let mut broken = Vec::new();
    for (what, devices, demands) in
        [("nic", rig::picks(NICS), OF_NICS), ("disk", rig::picks(DISKS), OF_DISKS)]
    {
        for device in devices {
            for (how, demand) in demands {
                let began = Instant::now();
                let agrees = std::panic::catch_unwind(|| demand(device)).is_ok();
                let (row, seconds) = (format!("{what}={} {how}", device.model), began.elapsed().as_secs());
                println!("agreement: {row}: {} after {seconds} s", if agrees { "agrees" } else { "DIFFERS" });
                broken.extend((!agrees).then_some(row));
            }
        }
    }
    assert!(broken.is_empty(), "the boot does not do what the proof says:\n  {}", broken.join("\n  "));
}

/// With their drivers in the initrd, NIC and disk have to get the box to a plan that names its disk.
fn reaches_its_plan(rig: &Rig, hardware: &str) {
    let seen = rig.rehearse(&["--box", hardware, "--until", "VD0000"]);
    seen.ended_with(0);
    seen.climbed(&["initrd-spoke", "mounted-root"]);
}

fn drives_the_nic(nic: Device) {
    let rig = Rig::of(Variant::OwnDrivers);
    says(&rig, nic, "covered");
    println!("rehearsing nic={} with its driver", nic.model);
    reaches_its_plan(&rig, &format!("nic={},disk=nvme", nic.model));
}

fn drives_the_disk(disk: Device) {
    let rig = Rig::of(Variant::OwnDrivers);
    says(&rig, disk, "covered");
    println!("rehearsing disk={} with its driver", disk.model);
    reaches_its_plan(&rig, &format!("nic={LEFT},disk={}", disk.model));
}

/// Sent into the boot against the proof, the box stops before it has a link, and PID 1 finds by itself what the
/// proof has said. The one NIC that the other line keeps is rehearsed with the kernel that lacks its driver.
fn lacks_the_nic(nic: Device) {
    let variant = if nic.model == LEFT { Variant::CloudKernel } else { Variant::LeftOut };
    let rig = Rig::of(variant);
    says(&rig, nic, "driver-missing");
    println!("rehearsing nic={} without its driver", nic.model);
    let hardware = format!("nic={},disk=none", nic.model);
    let seen = rig.rehearse(&[
        "--box",
        &hardware,
        "--fault",
        "ignore-proof",
        "--until",
        "cause: nic-driver-missing",
    ]);
    seen.ended_with(0);
    let console = seen.console();
    assert!(!console.contains("Kernel panic"), "the kernel panicked");
    // PID 1's own words, which stand behind the kernel's first.
    let screen = console.split_once("Linux version").map_or("", |(_, after)| after);
    for said in ["nic-driver-missing", nic.driver] {
        assert!(screen.contains(said), "PID 1's screen lacks {said}");
    }
    let labels = seen.stdout();
    assert!(!labels.contains("mounted the root"), "it booted without the driver that it needs");
}

/// Without the disk's driver the box gets as far as its controller, and is asked nothing: the proof's cause is found.
fn lacks_the_disk(disk: Device) {
    let rig = Rig::of(Variant::LeftOut);
    says(&rig, disk, "driver-missing");
    println!("rehearsing disk={} without its driver", disk.model);
    let hardware = format!("nic={LEFT},disk={}", disk.model);
    let seen = rig.rehearse(&["--box", &hardware, "--expect", "disk-driver-missing"]);
    seen.ended_with(0);
    seen.climbed(&["mounted-root"]);
    assert!(!seen.stdout().contains("plan confirmed"), "a plan was made for a disk that is not there");
}

/// The proof's verdict on a device is this one, and names its driver.
#[track_caller]
fn says(rig: &Rig, device: Device, status: &str) {
    let proof = rig.proof(&format!("{}\n", device.modalias()));
    let found = &proof["devices"][0];
    assert_eq!(found["status"], status, "{}: {proof}", device.model);
    assert!(found["drivers"].to_string().contains(device.driver), "{}: {proof}", device.model);
}

/// The profile that the initrd with exactly these drivers is made from.
pub(crate) fn profile_of_all() -> String {
    profile(NICS.iter().chain(DISKS))
}

/// The profile of a line that lacks all drivers but one.
pub(crate) fn profile_of_the_one_left() -> String {
    profile(NICS.iter().filter(|nic| nic.model == LEFT))
}

fn profile<'d>(devices: impl Iterator<Item = &'d Device>) -> String {
    let mut text =
        "name = \"rehearsed\"\nvendor = \"QEMU\"\nproduct = \"rehearsed\"\nsource = \"its models\"\n"
            .to_owned();
    for device in devices {
        let (model, modalias) = (device.model, device.modalias());
        let _ =
            write!(text, "\n[[device]]\nmodalias = \"{modalias}\"\nname = \"{model}\"\nsource = \"QEMU\"\n");
    }
    text
}

/// Takes the disks' drivers out of the live OS's root: those of disks are loaded from there.
pub(crate) fn script_that_leaves_out() -> String {
    let mut text = "#!/bin/sh\nset -e\n".to_owned();
    for disk in DISKS {
        let file = disk.driver.replace('_', "[-_]");
        let _ = writeln!(text, "find -L /lib/modules -name '{file}.ko*' -delete");
    }
    text
}
