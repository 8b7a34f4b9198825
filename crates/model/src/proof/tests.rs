//! Verdicts, one line each: the device, what the live OS has, what is said.

use super::nic::{BootNic, Nic, check_boot_nic, judge_boot_nic};
use super::*;
use expect_test::{Expect, expect};

const E1000E: &str = "pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00";
const TG3: &str = "pci:v000014E4d0000165Fsv00001028sd00001F5Bbc02sc00i00";
const BNX2: &str = "pci:v000014E4d00001639sv00001028sd00000235bc02sc00i00";
const VIRTIO_NET: &str = "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00";
const NVME: &str = "pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02";
const MEGARAID: &str = "pci:v00001000d0000005Dsv00001028sd00001F49bc01sc04i00";
const VGA: &str = "pci:v00001234d00001111sv00001AF4sd00001100bc03sc00i00";
const NOVEL: &str = "pci:v0000FFFEd00000001sv00000000sd00000000bc02sc00i00";

/// What the union of the suite's kernels knows.
fn suite() -> LiveOs {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    LiveOs {
        aliases: AliasTable::of([
            ("pci:v00008086d000010D3sv*sd*bc*sc*i*", "e1000e"),
            ("pci:v000014E4d0000165Fsv*sd*bc*sc*i*", "tg3"),
            ("pci:v000014E4d00001639sv*sd*bc*sc*i*", "bnx2"),
            ("pci:v00001AF4d*sv*sd*bc*sc*i*", "virtio_pci"),
            ("pci:v*d*sv*sd*bc01sc08i02*", "nvme"),
            ("pci:v00001000d0000005Dsv*sd*bc*sc*i*", "megaraid_sas"),
            ("pci:v00001234d00001111sv*sd*bc*sc*i*", "bochs"),
            ("virtio:d00000001v*", "virtio_net"),
            ("scsi:t-0x00*", "sd_mod"),
        ]),
        classes: BTreeMap::from([
            (DeviceClass::Ethernet, set(&["e1000e", "tg3", "bnx2", "virtio_net"])),
            (DeviceClass::Storage, set(&["nvme", "megaraid_sas", "sd_mod"])),
        ]),
        firmware: BTreeMap::from([
            ("tg3".into(), vec!["tigon/tg3.bin".into()]),
            ("bnx2".into(), vec!["bnx2/bnx2-mips-06.fw".into(), "bnx2/bnx2-mips-09.fw".into()]),
        ]),
        ..LiveOs::default()
    }
}

/// The full kernel: everything is a module, and in the initrd.
fn full() -> LiveOs {
    let modules = ["e1000e", "tg3", "bnx2", "virtio_pci", "virtio_net", "nvme", "megaraid_sas", "sd_mod"];
    LiveOs {
        release: "6.1.0-49-amd64".into(),
        kernel: "linux-image-amd64".into(),
        initrd: modules.map(str::to_owned).into(),
        root: modules.map(str::to_owned).into(),
        ..suite()
    }
}

/// The cloud kernel: virtio, NVMe built in, and no real NIC.
fn cloud() -> LiveOs {
    let elsewhere = |driver: &str| {
        (driver.to_owned(), vec!["linux-image-rt-amd64".to_owned(), "linux-image-amd64".to_owned()])
    };
    LiveOs {
        release: "6.1.0-49-cloud-amd64".into(),
        kernel: "linux-image-cloud-amd64".into(),
        builtin: ["nvme", "virtio_pci"].map(str::to_owned).into(),
        initrd: ["virtio_net", "sd_mod"].map(str::to_owned).into(),
        packages: ["e1000e", "tg3", "bnx2", "megaraid_sas", "bochs"].map(elsewhere).into(),
        ..suite()
    }
}

fn verdicts(live: &LiveOs, modaliases: &[&str], expected: Expect) {
    let devices: Vec<Candidate> = modaliases
        .iter()
        .map(|modalias| Candidate { modalias: (*modalias).to_owned(), name: String::new() })
        .collect();
    let proof = check(live, &devices);
    let mut text = String::new();
    for device in &proof.devices {
        let words = [
            device.id.clone().unwrap_or_default(),
            format!("{:?}", device.class),
            device.drivers.join("+"),
            format!("{:?}", device.status),
            format!("{:?}", device.place),
            device.fix.clone().unwrap_or_default(),
            device.remark.clone().unwrap_or_default(),
        ];
        text.push_str(words.join(" | ").trim_end_matches([' ', '|']));
        text.push('\n');
    }
    text.push_str(if proof.covered { "covered" } else { "not covered" });
    expected.assert_eq(&text);
}

/// The story itself: in virtual machines it booted, on the real servers it did not.
#[test]
fn the_cloud_kernel_boots_virtual_boxes_only() {
    verdicts(
        &cloud(),
        &[VIRTIO_NET, NVME, E1000E, TG3, MEGARAID, VGA, NOVEL],
        expect![[r#"
            1af4:1000 | Ethernet | virtio_pci+virtio_net | Covered | Initrd
            144d:a808 | Storage | nvme | Covered | Builtin
            8086:10d3 | Ethernet | e1000e | DriverMissing | Absent | kernel = "linux-image-amd64"
            14e4:165f | Ethernet | tg3 | DriverMissing | Absent | kernel = "linux-image-amd64"
            1000:005d | Storage | megaraid_sas+sd_mod | DriverMissing | Absent | kernel = "linux-image-amd64"
            1234:1111 | Other | bochs | DriverMissing | Absent | kernel = "linux-image-amd64"
            fffe:0001 | Ethernet |  | DriverUnknown | Absent
            not covered"#]],
    );
}

/// The full kernel has them all; firmware is judged by what its absence means.
#[test]
fn the_full_kernel_covers_and_firmware_is_weighed() {
    verdicts(
        &full(),
        &[VIRTIO_NET, NVME, E1000E, TG3, MEGARAID, VGA],
        expect![[r#"
            1af4:1000 | Ethernet | virtio_pci+virtio_net | Covered | Initrd
            144d:a808 | Storage | nvme | Covered | Initrd
            8086:10d3 | Ethernet | e1000e | Covered | Initrd
            14e4:165f | Ethernet | tg3 | Covered | Initrd |  | firmware of tg3 is not there: only the BCM57766 and the TSO of the oldest chips (BCM5701, BCM5703-5705) use it
            1000:005d | Storage | megaraid_sas+sd_mod | Covered | Initrd
            1234:1111 | Other | bochs | DriverMissing | Absent |  | bochs is in this kernel's package and was not put in place
            covered"#]],
    );
    verdicts(
        &full(),
        &[BNX2],
        expect![[r#"
            14e4:1639 | Ethernet | bnx2 | FirmwareMissing | Initrd | components = ["main", "non-free-firmware"], packages = ["firmware-bnx2"]
            not covered"#]],
    );
    let mut with_firmware = full();
    with_firmware.initrd_firmware.insert("bnx2/bnx2-mips-09.fw".into());
    verdicts(
        &with_firmware,
        &[BNX2],
        expect![[r#"
        14e4:1639 | Ethernet | bnx2 | Covered | Initrd
        covered"#]],
    );
}

/// Debian 13 has virtio_pci built into every kernel: no index knows its devices, and they work.
#[test]
fn what_every_kernel_has_built_in_is_known_all_the_same() {
    let mut live = cloud();
    live.aliases = AliasTable::of([("virtio:d00000001v*", "virtio_net")]);
    verdicts(
        &live,
        &[VIRTIO_NET, NVME],
        expect![[r#"
        1af4:1000 | Ethernet | virtio_pci+virtio_net | Covered | Initrd
        144d:a808 | Storage | nvme | Covered | Builtin
        covered"#]],
    );
}

/// An initrd with the bus of virtio and without its NIC boots no virtual box, even where nothing names the NIC's
/// driver; a controller without the disk layer shows no disk.
#[test]
fn half_a_chain_is_not_covered() {
    let mut live = full();
    live.view = View::Initrd;
    live.aliases = AliasTable::of([
        ("pci:v00001AF4d*sv*sd*bc*sc*i*", "virtio_pci"),
        ("pci:v00001000d0000005Dsv*sd*bc*sc*i*", "megaraid_sas"),
    ]);
    live.initrd = ["virtio_pci", "megaraid_sas"].map(str::to_owned).into();
    live.root = ["virtio_net"].map(str::to_owned).into();
    verdicts(
        &live,
        &[VIRTIO_NET, MEGARAID],
        expect![[r#"
            1af4:1000 | Ethernet | virtio_pci+virtio_net | DriverMissing | Root
            1000:005d | Storage | megaraid_sas+sd_mod | DriverMissing | Absent
            not covered"#]],
    );
}

/// What stands in the initrd and lacks a module there is a file and no driver; where nothing tells what is built in,
/// nothing is claimed; and nothing at all is no pass.
#[test]
fn an_initrd_is_judged_by_what_is_in_it() {
    let mut live = full();
    live.view = View::Initrd;
    live.initrd.remove("e1000e");
    live.initrd.remove("megaraid_sas");
    live.root.remove("e1000e");
    live.lacking.insert("e1000e".into(), vec!["ptp".into(), "pps_core".into()]);
    verdicts(
        &live,
        &[E1000E, MEGARAID],
        expect![[r#"
            8086:10d3 | Ethernet | e1000e | DriverMissing | Absent |  | e1000e is in the initrd and lacks there what it needs: ptp, pps_core
            1000:005d | Storage | megaraid_sas+sd_mod | DriverMissing | Root
            not covered"#]],
    );
    live.view = View::InitrdAlone;
    live.initrd.remove("nvme");
    live.root.clear();
    verdicts(
        &live,
        &[NVME, BNX2],
        expect![[r#"
            144d:a808 | Storage | nvme | DriverUnknown | Absent |  | nvme is not in the initrd, and nothing in it tells whether the kernel has it built in (no modules.builtin)
            14e4:1639 | Ethernet | bnx2 | FirmwareMissing | Initrd
            not covered"#]],
    );
    verdicts(&live, &[], expect!["not covered"]);
}

/// A NIC's driver in the root is of no use: the root comes through the NIC. A disk's is.
#[test]
fn a_nic_needs_its_driver_in_the_initrd() {
    let mut live = full();
    for driver in ["e1000e", "megaraid_sas"] {
        live.initrd.remove(driver);
    }
    verdicts(
        &live,
        &[E1000E, MEGARAID],
        expect![[r#"
        8086:10d3 | Ethernet | e1000e | DriverMissing | Root |  | e1000e is in this kernel's package and was not put in place
        1000:005d | Storage | megaraid_sas+sd_mod | Covered | Root
        not covered"#]],
    );
}

/// What stands on the box's own screen before any kernel is started.
#[test]
fn the_boot_nic_is_refused_with_the_reason() {
    let nic = Nic { id: "8086:10d3".parse().unwrap(), name: "Intel 82574L" };
    assert_eq!(check_boot_nic(&full(), nic), Ok(()));
    let trouble = check_boot_nic(&cloud(), nic).unwrap_err();
    let text =
        format!("{}\n- {}\n> {}", trouble.sentence, trouble.evidence.join("\n- "), trouble.fix.join("\n> "));
    expect![[r#"
        This box's NIC 8086:10d3 (Intel 82574L) needs the driver e1000e, which this live OS does not have.
        - the box boots from PCI device 8086:10d3
        - the live OS has kernel 6.1.0-49-cloud-amd64 from package linux-image-cloud-amd64
        - e1000e is neither in the kernel nor in the initrd
        > set kernel = "linux-image-amd64" in line.toml [live]: that package has e1000e
        > then run `bootworks lock` and `bootworks build`"#]]
    .assert_eq(&text);

    let unnamed = Nic { id: "1af4:1000".parse().unwrap(), name: "" };
    assert_eq!(check_boot_nic(&cloud(), unnamed), Ok(()));
    let firmware = Nic { id: "14e4:1639".parse().unwrap(), name: "" };
    assert_eq!(check_boot_nic(&full(), firmware).unwrap_err().cause, "firmware-missing");
}

/// A NIC newer than every kernel is said aloud, and the boot goes on: it is not known to fail.
#[test]
fn an_unknown_nic_is_not_stopped_in_silence() {
    let nic = Nic { id: "fffe:0001".parse().unwrap(), name: "" };
    assert_eq!(check_boot_nic(&cloud(), nic), Ok(()));
    let BootNic::Unknown(trouble) = judge_boot_nic(&cloud(), nic) else { panic!("it is unknown") };
    expect!["No kernel of this suite has a driver for this box's NIC fffe:0001."]
        .assert_eq(&trouble.sentence);
}
