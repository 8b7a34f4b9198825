//! Verdicts, one line each: the device, what the live OS has, what is said.

use super::firmware::{FirmwareIndex, FirmwarePackage};
use super::nic::{BootNic, Nic, check_boot_nic, judge_boot_nic};
use super::report::{Checked, Colour, json, markdown, table};
use super::*;
use crate::profile::{Device, Profile};
use expect_test::{Expect, expect};

const E1000E: &str = "pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00";
const TG3: &str = "pci:v000014E4d0000165Fsv00001028sd00001F5Bbc02sc00i00";
const BNX2: &str = "pci:v000014E4d00001639sv00001028sd00000235bc02sc00i00";
const VIRTIO_NET: &str = "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00";
const NVME: &str = "pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02";
const MEGARAID: &str = "pci:v00001000d0000005Dsv00001028sd00001F49bc01sc04i00";
const VGA: &str = "pci:v00001234d00001111sv00001AF4sd00001100bc03sc00i00";
const BNX2_FILES: [&str; 4] = [
    "bnx2/bnx2-mips-06-6.2.3.fw",
    "bnx2/bnx2-mips-09-6.2.1b.fw",
    "bnx2/bnx2-rv2p-06-6.0.15.fw",
    "bnx2/bnx2-rv2p-09-6.0.17.fw",
];
const NOVEL: &str = "pci:v0000FFFEd00000001sv00000000sd00000000bc02sc00i00";

/// What the union of the suite's kernels knows.
fn suite() -> LiveOs {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    LiveOs {
        aliases: AliasTable::of([
            ("pci:v00008086d000010D3sv*sd*bc*sc*i*", "e1000e"),
            ("pci:v000014E4d0000165Fsv*sd*bc*sc*i*", "tg3"),
            ("pci:v000014E4d00001686sv*sd*bc*sc*i*", "tg3"),
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
            ("tg3".into(), vec!["tigon/tg3.bin".into(), "tigon/tg357766.bin".into()]),
            ("bnx2".into(), BNX2_FILES.map(str::to_owned).into()),
        ]),
        firmware_index: FirmwareIndex {
            components: vec!["main".into()],
            packages: BTreeMap::from([(
                "firmware-bnx2".into(),
                FirmwarePackage {
                    component: "non-free-firmware".into(),
                    files: BNX2_FILES.map(str::to_owned).into(),
                },
            )]),
            unread: Vec::new(),
        },
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
            14e4:165f | Ethernet | tg3 | Covered | Initrd
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
    // A 5709 takes two files; one of them, or both of another chip, make no NIC.
    let with = |files: &[&str]| {
        let mut live = full();
        live.initrd_firmware.extend(files.iter().map(|file| (*file).to_owned()));
        check(&live, &[Candidate { modalias: BNX2.into(), name: String::new() }])
    };
    assert!(with(&[BNX2_FILES[1], BNX2_FILES[3]]).covered);
    let half = with(&[BNX2_FILES[1]]);
    assert_eq!(
        (half.covered, half.devices[0].firmware_missing.as_slice()),
        (false, &[BNX2_FILES[3].to_owned()][..])
    );
    assert!(!with(&[BNX2_FILES[0], BNX2_FILES[2]]).covered);
}

/// tg3 names four files; a chip that uses none of them must not be remarked on, one that uses one must.
#[test]
fn optional_firmware_is_remarked_on_where_it_matters() {
    verdicts(
        &full(),
        &["pci:v000014E4d00001686sv00000000sd00000000bc02sc00i00", TG3],
        expect![[r#"
        14e4:1686 | Ethernet | tg3 | Covered | Initrd |  | firmware of tg3 is not there: without it Energy Efficient Ethernet is switched off
        14e4:165f | Ethernet | tg3 | Covered | Initrd
        covered"#]],
    );
}

/// A package that no part of the suite has must not be promised.
#[test]
fn firmware_that_nobody_ships_is_said_so() {
    let mut live = full();
    live.firmware_index.packages = BTreeMap::from([("firmware-other".into(), FirmwarePackage::default())]);
    verdicts(
        &live,
        &[BNX2],
        expect![[r#"
            14e4:1639 | Ethernet | bnx2 | FirmwareMissing | Initrd |  | no package of this suite has it
            not covered"#]],
    );
    live.firmware_index.packages.clear();
    verdicts(
        &live,
        &[BNX2],
        expect![[r#"
            14e4:1639 | Ethernet | bnx2 | FirmwareMissing | Initrd |  | which package has it is not known: `bootworks lock` looks
            not covered"#]],
    );
    let mut enabled = full();
    enabled.firmware_index.components.push("non-free-firmware".into());
    verdicts(
        &enabled,
        &[BNX2],
        expect![[r#"
        14e4:1639 | Ethernet | bnx2 | FirmwareMissing | Initrd | packages = ["firmware-bnx2"]
        not covered"#]],
    );
}

fn checked(live: &LiveOs, name: &str, devices: &[(&str, &str)]) -> Checked {
    let device = |(modalias, name): &(&str, &str)| Device { name: (*name).into(), ..Device::new(*modalias) };
    let profile = Profile {
        name: name.into(),
        vendor: "Dell Inc.".into(),
        devices: devices.iter().map(device).collect(),
        ..Profile::default()
    };
    let proof = check(live, &profile.candidates());
    Checked { profile, proof }
}

fn two_servers() -> Vec<Checked> {
    let old = checked(
        &cloud(),
        "r710",
        &[
            (MEGARAID, "LSI MegaRAID SAS-3 3108 [Invader], the one with a very long name"),
            ("pci:v0000144Dd0000A808sv????????sd????????bc01sc08i??", "Samsung | NVMe"),
            (VGA, "VGA"),
            (NOVEL, "Somebody's newest"),
            (TG3, "Broadcom NetXtreme BCM5720"),
        ],
    );
    vec![old, checked(&cloud(), "virtual", &[(VIRTIO_NET, "virtio")])]
}

/// What the engineer reads the day before the servers arrive: what is missing last, each change once.
#[test]
fn people_read_a_table_with_the_missing_last() {
    expect![[r#"
        live OS: kernel 6.1.0-49-cloud-amd64 from linux-image-cloud-amd64

        virtual (Dell Inc.)
          ok       network 1af4:1000 virtio_pci+virtio_net virtio

        r710 (Dell Inc.)
          1 other device, 0 with a driver
          ok       storage 144d:a808 nvme (kernel)         Samsung | NVMe
          MISSING  storage 1000:005d megaraid_sas          LSI MegaRAID SAS-3 3108 [In…
          MISSING  network 14e4:165f tg3                   Broadcom NetXtreme BCM5720
                   not in linux-image-cloud-amd64; linux-image-amd64 has it
          UNKNOWN  network fffe:0001 -                     Somebody's newest
                   no kernel of this suite has a driver for it

        notes
          matched by what is known of the device, and certain only if the rest fits:
          nvme

        to change in line.toml [live], then `bootworks lock` and `bootworks build`
          kernel = "linux-image-amd64" (for megaraid_sas, tg3)

        not proven here: that the drivers work with the cards' own firmware, cabling,
                         VLANs, settings of switch and BIOS, Secure Boot policy
        NOT covered: 3 of 5 network and storage devices lack something"#]]
    .assert_eq(&table(&cloud(), &two_servers(), Colour::Plain).join("\n"));
    let painted = table(&cloud(), &two_servers(), Colour::Terminal);
    assert_eq!(
        painted.iter().filter(|line| line.starts_with("\u{1b}[31m")).count(),
        4,
        "three devices and the verdict"
    );
    let bnx2 = [checked(&full(), "r710", &[(BNX2, "Broadcom BCM5709"), (E1000E, "Intel 82574L")])];
    expect![[r#"
        live OS: kernel 6.1.0-49-amd64 from linux-image-amd64

        r710 (Dell Inc.)
          ok       network 8086:10d3 e1000e Intel 82574L
          MISSING  network 14e4:1639 bnx2   Broadcom BCM5709
                   the driver is there, its firmware is not:
                   bnx2/bnx2-mips-09-6.2.1b.fw, bnx2/bnx2-rv2p-09-6.0.17.fw; package
                   firmware-bnx2 has it

        to change in line.toml [live], then `bootworks lock` and `bootworks build`
          components = ["main", "non-free-firmware"] (for bnx2)
          packages: add "firmware-bnx2" (for bnx2)

        not proven here: that the drivers work with the cards' own firmware, cabling,
                         VLANs, settings of switch and BIOS, Secure Boot policy
        NOT covered: 1 of 2 network and storage devices lack something"#]]
    .assert_eq(&table(&full(), &bnx2, Colour::Plain).join("\n"));
}

/// What goes into the change request.
#[test]
fn a_change_request_gets_markdown() {
    expect![[r###"
        ## Hardware proof

        The live OS: kernel 6.1.0-49-cloud-amd64 from linux-image-cloud-amd64.

        **NOT covered: 3 of 5 network and storage devices lack something**

        | profile | for | id | device | driver | verdict |
        | --- | --- | --- | --- | --- | --- |
        | r710 | storage | 1000:005d | LSI MegaRAID SAS-3 3108 [Invader], the one with a very long name | megaraid_sas | **MISSING**: not in linux-image-cloud-amd64; linux-image-amd64 has it |
        | r710 | storage | 144d:a808 | Samsung \| NVMe | nvme (kernel) | ok |
        | r710 | network | fffe:0001 | Somebody's newest | - | **UNKNOWN**: no kernel of this suite has a driver for it |
        | r710 | network | 14e4:165f | Broadcom NetXtreme BCM5720 | tg3 | **MISSING**: not in linux-image-cloud-amd64; linux-image-amd64 has it |
        | virtual | network | 1af4:1000 | virtio | virtio_pci+virtio_net | ok |

        Notes:

        - matched by what is known of the device, and certain only if the rest fits: nvme

        To change in `line.toml` [live]:

        - `kernel = "linux-image-amd64" (for megaraid_sas, tg3)`

        Not proven: that the drivers work with the cards' own firmware, cabling, VLANs, settings of switch and BIOS, Secure Boot policy.
    "###]].assert_eq(&markdown(&cloud(), &two_servers()));
}

/// Scripts rely on these names.
#[test]
fn scripts_read_one_object() {
    let json = json(&two_servers());
    assert_eq!(json["covered"], false);
    assert_eq!(json["profiles"][1]["covered"], true);
    expect![[r#"
        {
          "class": "ethernet",
          "drivers": [
            "tg3"
          ],
          "firmware_missing": [],
          "fit": "certain",
          "fix": "kernel = \"linux-image-amd64\"",
          "id": "14e4:165f",
          "modalias": "pci:v000014E4d0000165Fsv00001028sd00001F5Bbc02sc00i00",
          "name": "Broadcom NetXtreme BCM5720",
          "package": "linux-image-amd64",
          "profile": "r710",
          "status": "driver-missing",
          "where": "absent"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&json["devices"][4]).unwrap());
}

/// A device that the line does without stops nothing, in its own profile only, and its reason is in the report.
#[test]
fn an_exception_covers_its_device_and_no_other() {
    let exception = |device: &str, profile: Option<&str>| Exception {
        device: device.into(),
        profile: profile.map(str::to_owned),
        reason: "boots from the X710".into(),
    };
    let excepted = |exceptions: &[Exception]| {
        let mut checked = checked(&cloud(), "r740", &[(TG3, "BCM5720"), (NVME, "Samsung")]);
        checked.proof.except("r740", exceptions);
        checked
    };
    for good in [exception("14E4:165F", None), exception(TG3, Some("r740"))] {
        let checked = excepted(&[good]);
        assert!(checked.proof.covered);
        assert_eq!(checked.proof.devices[0].exception.as_deref(), Some("boots from the X710"));
    }
    let shown = table(&cloud(), &[excepted(&[exception("14e4:165f", None)])], Colour::Plain);
    expect![[r#"
        live OS: kernel 6.1.0-49-cloud-amd64 from linux-image-cloud-amd64

        r740 (Dell Inc.)
          ok       storage 144d:a808 nvme (kernel) Samsung
          excepted network 14e4:165f tg3           BCM5720
                   not in linux-image-cloud-amd64; linux-image-amd64 has it
                   the line does without it: boots from the X710

        not proven here: that the drivers work with the cards' own firmware, cabling,
                         VLANs, settings of switch and BIOS, Secure Boot policy
        covered: 1 network and storage devices have driver and firmware; 1 is excepted by the line"#]]
    .assert_eq(&shown.join("\n"));
    for bad in
        [exception("14e4:165f", Some("r640")), exception("14e4:1657", None), exception("144d:a808", None)]
    {
        let checked = excepted(&[bad]);
        assert!(!checked.proof.covered);
        assert_eq!(checked.proof.devices[1].exception, None);
    }
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
    live.firmware_index = FirmwareIndex::default();
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
