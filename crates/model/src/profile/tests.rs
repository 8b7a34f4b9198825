//! What people send, and what it becomes. The files in testdata are cut from real output.

use super::import::{Imported, add_dmidecode};
use super::*;
use crate::modules::alias::AliasTable;
use crate::modules::pattern::{self, Fit};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn imported(file: &str, text: &str) -> Result<Imported> {
    // What pci.ids would say.
    let by_name = |vendor: &str, device: &str| match (vendor, device) {
        ("Broadcom Inc. and subsidiaries", "NetXtreme BCM5720 Gigabit Ethernet PCIe") => {
            "14e4:165f".parse().ok()
        }
        _ => None,
    };
    import::read(file, text, &by_name)
}

fn shown(file: &str, text: &str, expected: Expect) {
    let text = match imported(file, text) {
        Ok(Imported { profile, form, remarks }) => {
            let mut text = format!("{} <- {form}\n", profile.title());
            for device in &profile.devices {
                let words = [&device.address, &device.modalias, &device.name];
                let words: Vec<&str> =
                    words.into_iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
                text += &words.join(" ");
                text += &if device.count > 1 { format!(" x{}\n", device.count) } else { "\n".to_owned() };
            }
            text + &remarks.iter().map(|remark| format!("- {remark}\n")).collect::<String>()
        }
        Err(failure) => failure.report(),
    };
    expected.assert_eq(&text);
}

fn refused(file: &str, text: &str, expected: Expect) {
    expected.assert_eq(&read(file, text).unwrap_err().report());
}

/// The form most people have at hand when a server stands in another building.
#[test]
fn lspci_with_names_and_numbers() {
    shown(
        "r740.txt",
        "# lspci -nnk\n\
         01:00.0 Ethernet controller [0200]: Broadcom Inc. NetXtreme BCM5720 2-port [x] PCIe [14e4:165f] (rev 02)\n\
         \tSubsystem: Dell NetXtreme BCM5720 [1028:1f5b]\n\
         \tKernel driver in use: tg3\n\
         01:00.1 Ethernet controller [0200]: Broadcom Inc. NetXtreme BCM5720 2-port [x] PCIe [14e4:165f] (rev 02)\n\
         \tSubsystem: Dell NetXtreme BCM5720 [1028:1f5b]\n\
         0000:18:00.0 RAID bus controller [0104]: Broadcom / LSI MegaRAID SAS-3 3108 [Invader] [1000:005d] (rev 02)\n\
         d8:00.0 Non-Volatile memory controller [0108]: Samsung NVMe [144d:a822] (rev 01) (prog-if 02 [NVM Express])\n\
         /sys/bus/usb/devices/1-1:1.0/modalias:usb:v0BDAp8153d3000dc00dsc00dp00icFFiscFFip00in00\n\
         virtio:d00000001v00001AF4\n\
         nothing: to see here\n",
        expect![[r#"
            r740 <- lspci -nn
            0000:01:00.0 pci:v000014E4d0000165Fsv00001028sd00001F5Bbc02sc00i?? Broadcom Inc. NetXtreme BCM5720 2-port [x] PCIe x2
            0000:18:00.0 pci:v00001000d0000005Dsv????????sd????????bc01sc04i?? Broadcom / LSI MegaRAID SAS-3 3108 [Invader]
            0000:d8:00.0 pci:v0000144Dd0000A822sv????????sd????????bc01sc08i02 Samsung NVMe
            1-1:1.0 usb:v0BDAp8153d3000dc00dsc00dp00icFFiscFFip00in00
            virtio:d00000001v00001AF4
            - 3 of 5 network and storage devices are known in part (lspci -nn does not say all of subsystem, class and interface): drivers are matched by what is known
        "#]],
    );
}

/// `-n`, `-vmmnn` and `-mmnn` say the same three things in three shapes.
#[test]
fn lspci_in_its_other_forms() {
    shown(
        "n.txt",
        "00:1f.2 0106: 8086:8d02 (rev 05)\n\tSubsystem: 1028:0600\n01:00.0 Class 0200: 14e4:165f\n",
        expect![[r#"
            n <- lspci -n
            0000:00:1f.2 pci:v00008086d00008D02sv00001028sd00000600bc01sc06i??
            0000:01:00.0 pci:v000014E4d0000165Fsv????????sd????????bc02sc00i??
            - 2 of 2 network and storage devices are known in part (lspci -n does not say all of subsystem, class and interface): drivers are matched by what is known
        "#]],
    );
    shown(
        "vmm.txt",
        "Slot:\t00:1f.2\nClass:\tSATA controller [0106]\nVendor:\tIntel Corporation [8086]\n\
         Device:\tC610/X99 series chipset [AHCI mode] [8d02]\nSVendor:\tDell [1028]\nSDevice:\tDevice [0600]\nRev:\t05\nProgIf:\t01\n\n\
         Slot:\t01:00.0\nClass:\tEthernet controller [0200]\nVendor:\tBroadcom [14e4]\nDevice:\tBCM5720 [165f]\nDriver:\ttg3\n",
        expect![[r#"
            vmm <- lspci -vmm
            0000:00:1f.2 pci:v00008086d00008D02sv00001028sd00000600bc01sc06i01 Intel Corporation C610/X99 series chipset [AHCI mode]
            0000:01:00.0 pci:v000014E4d0000165Fsv????????sd????????bc02sc00i?? Broadcom BCM5720
            - 1 of 2 network and storage devices are known in part (lspci -vmm does not say all of subsystem, class and interface): drivers are matched by what is known
        "#]],
    );
    shown(
        "mm.txt",
        "00:1f.2 \"SATA controller [0106]\" \"Intel Corporation [8086]\" \"C610 [8d02]\" -r05 -p01 \"Dell [1028]\" \"Device [0600]\"\n\
         01:00.0 \"0200\" \"14e4\" \"165f\" -r01 \"\" \"\"\n",
        expect![[r#"
            mm <- lspci -mm
            0000:00:1f.2 pci:v00008086d00008D02sv00001028sd00000600bc01sc06i01 Intel Corporation C610
            0000:01:00.0 pci:v000014E4d0000165Fsv????????sd????????bc02sc00i??
            - 1 of 2 network and storage devices are known in part (lspci -mm does not say all of subsystem, class and interface): drivers are matched by what is known
        "#]],
    );
}

const LSHW: &str = r#"{"id":"box","class":"system","product":"PowerEdge R740 (SKU=x)","vendor":"Dell Inc.","children":[
    {"id":"core","class":"bus","children":[{"id":"pci","class":"bridge","businfo":"pci@0000:00:1c.0","vendor":"Intel Corporation","product":"Port","children":[
    {"id":"network:0","class":"network","description":"Ethernet interface","product":"NetXtreme BCM5720 Gigabit Ethernet PCIe","vendor":"Broadcom Inc. and subsidiaries","businfo":"pci@0000:01:00.0"},
    {"id":"raid","class":"storage","description":"RAID bus controller","product":"MegaRAID SAS-3 3108 [Invader] [1000:5D]","vendor":"Broadcom / LSI [1000]","businfo":"pci@0000:18:00.0"},
    {"id":"raid","class":"storage","description":"RAID bus controller","product":"MegaRAID SAS-3 3108 [Invader] [1000:005D]","vendor":"Broadcom / LSI [1000]","businfo":"pci@0000:19:00.0"}
    ]}]}]}"#;

/// lshw has ids only where it was asked for numbers; a name stands for one where nothing else has it.
#[test]
fn lshw_by_number_and_by_name() {
    shown(
        "lshw.json",
        LSHW,
        expect![[r#"
            lshw (Dell Inc. PowerEdge R740) <- lshw -json
            0000:01:00.0 pci:v000014E4d0000165Fsv????????sd????????bc02sc00i?? Broadcom Inc. and subsidiaries NetXtreme BCM5720 Gigabit Ethernet PCIe
            0000:19:00.0 pci:v00001000d0000005Dsv????????sd????????bc01sc04i?? Broadcom / LSI MegaRAID SAS-3 3108 [Invader]
            - 1 id is looked up by the device's name: `lshw -json -numeric` has the ids themselves
            - left out, as no id is known: Intel Corporation Port, Broadcom / LSI MegaRAID SAS-3 3108 [Invader] [1000:5D]
            - 2 of 2 network and storage devices are known in part (lshw -json does not say all of subsystem, class and interface): drivers are matched by what is known
        "#]],
    );
    shown(
        "lshw.json",
        r#"[{"id":"a","class":"network","businfo":"pci@0000:01:00.0","product":"x","vendor":"y"}]"#,
        expect![[r#"
            error: no device is recognised in lshw.json
            because: it is of lshw, but without ids: 1 PCI device
            hint: `lshw -json -numeric > FILE` on the server, as root"#]],
    );
}

/// What a BMC says before the server was ever switched on: a device with its functions expanded, two answers in
/// one file.
#[test]
fn redfish_as_bmcs_answer() {
    shown(
        "bmc.json",
        r##"{"@odata.type":"#ComputerSystem.v1_5.ComputerSystem","Manufacturer":"Dell Inc.","Model":"PowerEdge R740"}
        {"Members":[{"@odata.type":"#PCIeDevice.v1_4.PCIeDevice","Name":"BCM5720","PCIeFunctions":{"Members":[
          {"@odata.type":"#PCIeFunction.v1_2.PCIeFunction","Name":"Function 0","VendorId":"0x14e4","DeviceId":"0x165f","SubsystemVendorId":"0x1028","SubsystemId":"0x1f5b","ClassCode":"0x020000"},
          {"VendorId":"0x14E4","DeviceId":"165F","SubsystemVendorId":"0x1028","SubsystemId":"0x1F5B","ClassCode":"0x020000"}]}},
          {"@odata.type":"#PCIeFunction.v1_2.PCIeFunction","Name":"PERC","VendorId":"0x1000","DeviceId":"0x16","DeviceClass":"MassStorageController"},
          {"@odata.id":"/redfish/v1/Chassis/1/PCIeDevices/216-0"}]}
        {"@odata.type":"#EthernetInterface.v1_4.EthernetInterface","MACAddress":"00:11:22:33:44:55"}"##,
        expect![[r#"
            bmc (Dell Inc. PowerEdge R740) <- Redfish
            pci:v000014E4d0000165Fsv00001028sd00001F5Bbc02sc00i00 BCM5720 x2
            pci:v00001000d00000016sv????????sd????????bc01sc??i?? PERC
            - 1 resource is linked and not in the file (/redfish/v1/Chassis/1/PCIeDevices/216-0): fetch what is missing, or all with `?$expand=*($levels=2)`
            - 1 of 2 network and storage devices are known in part (Redfish does not say all of subsystem, class and interface): drivers are matched by what is known
        "#]],
    );
    shown(
        "nics.json",
        r##"{"Members":[{"@odata.type":"#EthernetInterface.v1_4.EthernetInterface","MACAddress":"00:11:22:33:44:55"}]}"##,
        expect![[r#"
            error: no device is recognised in nics.json
            because: it has 1 Ethernet interface, which tell MACs and no ids: PCIe functions have those
            hint: fetch /redfish/v1/Chassis/ID/PCIeDevices/*/PCIeFunctions/* of the BMC"#]],
    );
}

/// dmidecode tells maker and model beside any of them; alone it is no profile.
#[test]
fn dmidecode_stands_beside() {
    let dmi = "# dmidecode 3.4\nHandle 0x0100, DMI type 1, 27 bytes\nSystem Information\n\tManufacturer: Dell Inc.\n\
        \tProduct Name: PowerEdge R740\n\tSerial Number: ABC\n\nBase Board Information\n\tManufacturer: Other\n";
    let mut profile = Profile { name: "x".into(), ..Profile::default() };
    add_dmidecode(&mut profile, "dmi.txt", dmi).unwrap();
    assert_eq!(profile.title(), "x (Dell Inc. PowerEdge R740)");
    let together = format!("{dmi}01:00.0 0200: 14e4:165f\n");
    assert_eq!(imported("a.txt", &together).unwrap().profile.vendor, "Dell Inc.");
    refused(
        "dmi.txt",
        dmi,
        expect![[r#"
            error: no device is recognised in dmi.txt
            because: it is the output of dmidecode, which knows no PCI ids
            hint: `lspci -nnk > FILE` on the server; dmidecode's output can stand beside it: `--dmidecode FILE`"#]],
    );
    let failure = add_dmidecode(&mut profile, "lspci.txt", "01:00.0 0200: 14e4:165f\n").unwrap_err();
    expect![[r#"
        error: lspci.txt is not the output of dmidecode
        because: it has no `System Information` with a manufacturer or a product name
        hint: `dmidecode > FILE` on the server, as root"#]]
    .assert_eq(&failure.report());
}

/// An inventory nobody can read must never come out as "covered".
#[test]
fn what_is_not_recognised_is_refused() {
    refused(
        "empty.txt",
        "total 0\n",
        expect![[r#"
            error: no device is recognised in empty.txt
            because: it has neither lines of `lspci -nn` nor modaliases nor [[device]] tables, and is no JSON
            hint: `lspci -nnk > FILE` on the server, or `cat /sys/bus/*/devices/*/modalias > FILE`"#]],
    );
    refused(
        "plain.txt",
        "01:00.0 Ethernet controller: Broadcom NetXtreme BCM5720 (rev 02)\n",
        expect![[r#"
            error: no device is recognised in plain.txt
            because: it is the output of lspci without the devices' ids
            hint: `lspci -nnk > FILE` on the server prints them"#]],
    );
    refused(
        "cut.json",
        "{\"id\":\"a\",\"class\":",
        expect![[r#"
            error: cut.json is broken
            because: it begins like JSON and is none: EOF while parsing a value at line 1 column 18
            hint: fetch it again: it may have been cut short"#]],
    );
    refused(
        "other.json",
        "{\"a\":1}",
        expect![[r#"
            error: no device is recognised in other.json
            because: it is JSON, but neither of `lshw -json` nor of Redfish nor an inventory of ours
            hint: `lshw -json -numeric > FILE` on the server, or its BMC's PCIeDevices with their PCIeFunctions"#]],
    );
}

/// A profile is edited by hand: each slip is named with its place.
#[test]
fn mistakes_in_a_written_profile_are_placed() {
    refused(
        "a.toml",
        "[[device]]\nnmae = 1\n",
        expect![[r#"
            error: a.toml is no hardware profile
            because: a.toml:2:1: unknown field `nmae`, expected one of `modalias`, `id`, `subsystem`, `class`, `name`, `address`, `count`, `boots`, `source`"#]],
    );
    refused(
        "a.toml",
        "[[device]]\nid = \"14e4:165\"\n",
        expect![[r#"
            error: a.toml is no hardware profile
            because: a.toml:2:6: not a PCI id (vendor:device in hex, like 8086:10d3)"#]],
    );
    refused(
        "a.toml",
        "[[device]]\nname = \"x\"\n",
        expect![[r#"
            error: a.toml is no hardware profile
            because: [[device]] number 1 needs either `modalias` or `id`"#]],
    );
    refused(
        "a.toml",
        "name = \"x\"\n",
        expect![[r#"
            error: no device is recognised in a.toml
            because: it has no [[device]] tables
            hint: `bootworks hardware import` writes a profile from the output of `lspci -nnk`"#]],
    );
    refused(
        "a.toml",
        "[others]\nmodaliases = [\"tg3\"]\n",
        expect![[r#"
            error: a.toml is no hardware profile
            because: `tg3` in [others] is no modalias"#]],
    );
}

/// What is written for review must be what is read back: nothing is lost between the server and the proof.
#[test]
fn a_profile_is_written_for_people() {
    let text = "01:00.0 Ethernet controller [0200]: Broadcom BCM5720 [14e4:165f]\n\
        01:00.1 Ethernet controller [0200]: Broadcom BCM5720 [14e4:165f]\n\
        00:1f.2 SATA controller [0106]: Intel C610 [8086:8d02]\n00:00.0 Host bridge [0600]: Intel \"Hub\" [8086:2f00]\n\
        usb:v1D6Bp0002d0515dc09dsc00dp01ic09isc00ip00in00\n";
    let mut profile = imported("r740.txt", text).unwrap().profile;
    profile.devices[0].boots = true;
    (profile.vendor, profile.product) = ("Dell Inc.".into(), "PowerEdge R740".into());
    let written = written::write(&profile);
    expect![[r#"
        # r740 (Dell Inc. PowerEdge R740)
        name = "r740"
        vendor = "Dell Inc."
        product = "PowerEdge R740"

        # network: Broadcom BCM5720
        [[device]]
        modalias = "pci:v000014E4d0000165Fsv????????sd????????bc02sc00i??"
        name = "Broadcom BCM5720"
        address = "0000:01:00.0"
        count = 2
        boots = true

        # storage: Intel C610
        [[device]]
        modalias = "pci:v00008086d00008D02sv????????sd????????bc01sc06i??"
        name = "Intel C610"
        address = "0000:00:1f.2"

        # What does not decide whether a box boots.
        [others]
        modaliases = [
          "pci:v00008086d00002F00sv????????sd????????bc06sc00i??",  # Intel "Hub"
          "usb:v1D6Bp0002d0515dc09dsc00dp01ic09isc00ip00in00",
        ]
    "#]]
    .assert_eq(&written);
    let again = written::read("r740.toml", &written).unwrap();
    assert_eq!(again.devices[..2], profile.devices[..2]);
    assert_eq!(
        again.candidates().iter().map(|device| &device.modalias).collect::<BTreeSet<_>>(),
        profile.candidates().iter().map(|device| &device.modalias).collect::<BTreeSet<_>>()
    );
}

/// A box that was here leaves a profile: its devices, and the card that it booted from.
#[test]
fn a_box_that_was_here_leaves_a_profile() {
    let inventory: Inventory = serde_json::from_str(
        r#"{"smbios":{"manufacturer":"Dell Inc. ","product":"PowerEdge R740"},"boot_nic":"00:11:22:33:44:56",
        "interfaces":[{"name":"eno1","mac":"00:11:22:33:44:55","driver":"tg3","carrier":true,"address":"0000:01:00.0"},
                      {"name":"eno2","mac":"00:11:22:33:44:56","driver":"tg3","carrier":true,"address":"0000:01:00.1"}],
        "devices":[{"modalias":"pci:v000014E4d0000165Fsv00001028sd00001F5Bbc02sc00i00","address":"0000:01:00.0"},
                   {"modalias":"pci:v000014E4d0000165Fsv00001028sd00001F5Bbc02sc00i00","address":"0000:01:00.1"}]}"#,
    )
    .unwrap();
    let profile = of_inventory("box", &inventory, None);
    assert_eq!(profile.title(), "box (Dell Inc. PowerEdge R740)");
    let [nic] = profile.devices.as_slice() else { panic!("two ports are one kind of device") };
    assert_eq!((nic.address.as_str(), nic.count, nic.boots), ("0000:01:00.1", 2, true));
    // An older record does not say where its interfaces sit; iPXE said which card it was.
    let mut old = inventory.clone();
    old.interfaces.iter_mut().for_each(|interface| interface.address.clear());
    assert!(of_inventory("box", &old, "14e4:165f".parse().ok()).devices[0].boots);
    assert!(!of_inventory("box", &old, None).devices[0].boots);
    let json = serde_json::to_string(&inventory).unwrap();
    assert_eq!(imported("record.json", &json).unwrap().form, "an inventory of bootworks");
}

/// The shipped profiles are data: each is read, each id has its source, each server a NIC that boots and a disk.
#[test]
fn shipped_profiles_say_what_they_must() {
    assert!(shipped::ALL.len() >= 30);
    assert!(shipped::ALL.is_sorted_by_key(|shipped| shipped.name));
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/profile/shipped");
    let files =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> =
        shipped::ALL.iter().map(|shipped| format!("{}.toml", shipped.name)).collect();
    assert_eq!(files.collect::<BTreeSet<_>>(), names, "every file is in the list, and the other way round");
    for shipped in shipped::ALL {
        let profile = shipped.profile().unwrap();
        assert_eq!(profile.name, shipped.name);
        assert!(!profile.vendor.is_empty() && !profile.product.is_empty() && !profile.source.is_empty());
        assert_eq!(profile.devices.iter().filter(|device| device.boots).count(), 1, "{}", profile.name);
        for class in [DeviceClass::Ethernet, DeviceClass::Storage] {
            assert!(profile.devices.iter().any(|device| device.class() == Some(class)), "{}", profile.name);
        }
        for device in &profile.devices {
            assert!(device.source.starts_with("pci.ids "), "{}: {}", profile.name, device.modalias);
            assert!(!device.name.is_empty(), "{}: {}", profile.name, device.modalias);
        }
    }
    assert_eq!(shipped::near("dell-r7400"), Some("dell-r740"));
    assert!(shipped::find("dell-r740").is_some() && shipped::find("dell").is_none());
}

/// Each device of the shipped profiles has a driver in Debian 12's full kernel. The extract holds those lines of its
/// `modules.alias` that fit one of them: a profile with a new id needs the id's lines there.
#[test]
fn shipped_profiles_have_drivers() {
    let text = include_str!("../../testdata/aliases/debian-12-servers.txt");
    let table = AliasTable::read(text.to_owned());
    for shipped in shipped::ALL {
        for device in shipped.profile().unwrap().devices {
            let drivers = table.candidates(&device.modalias);
            let sure = drivers.values().any(|fit| *fit == Fit::Certain);
            assert!(sure, "{}: {} has {drivers:?}", shipped.name, device.modalias);
        }
    }
}

/// A box that was refused leaves its boot NIC, one that got to PID 1 leaves all it has.
#[test]
fn a_timeline_leaves_a_profile() {
    let event = |json: &str| -> Event { serde_json::from_str(json).unwrap() };
    let asked = event(r#"{"event":"address-asked","client":"ipxe","architecture":0,"vendor_class":null}"#);
    let reported = event(
        r#"{"event":"nic-reported","nic":"14e4:165f","smbios":{"manufacturer":"Dell Inc.","product":"PowerEdge R740"},"platform":"efi"}"#,
    );
    let seen = event(
        r#"{"event":"devices-seen","inventory":{"smbios":{"product":"PowerEdge R740"},"devices":[
        {"modalias":"pci:v000014E4d0000165Fsv00001028sd00001F5Bbc02sc00i00","address":"0000:01:00.0"},
        {"modalias":"pci:v00001000d0000005Dsv00001028sd00001F49bc01sc04i00","address":"0000:18:00.0"}]}}"#,
    );
    assert_eq!(of_timeline("box", [&asked]), None);
    let refused = of_timeline("box", [&asked, &reported]).unwrap();
    assert_eq!(refused.profile.title(), "box (Dell Inc. PowerEdge R740)");
    assert_eq!(refused.profile.devices[0].modalias, "pci:v000014E4d0000165Fsv????????sd????????bc02sc00i??");
    expect!["the box got no further than its boot loader: its boot NIC is known, and nothing else"]
        .assert_eq(&refused.remarks.join("\n"));
    let booted = of_timeline("box", [&asked, &reported, &seen]).unwrap();
    let boots: Vec<bool> = booted.profile.devices.iter().map(|device| device.boots).collect();
    assert_eq!(boots, [true, false]);
}

proptest! {
    /// Whatever somebody sends, it is read or refused.
    #[test]
    fn any_text_is_read_or_refused(text: String, lines in "(01:00.0 |[a-f0-9:. \\[\\]\"-]|\n|Slot:\t|Class:|Vendor:\t|Device:\t){0,60}") {
        for text in [&text, &lines] {
            let _ = read("a.toml", text);
            let _ = imported("a.txt", text);
        }
    }

    /// JSON of any shape under the names that are looked at.
    #[test]
    fn any_json_is_read_or_refused(
        key in "@odata.type|VendorId|DeviceId|class|id|businfo|children|devices|Members|product", value in "[a-z0-9:@#.]{0,12}|0x[0-9a-f]{0,9}",
    ) {
        let _ = imported("a.json", &format!("{{\"{key}\":\"{value}\",\"Members\":[{{\"{key}\":\"{value}\",\"DeviceId\":\"{value}\"}}]}}"));
        let _ = imported("a.json", &format!("[{{\"id\":\"{value}\",\"class\":\"network\",\"{key}\":\"{value}\",\"businfo\":\"pci@{value}\"}}]"));
    }

    /// A name from outside may hold anything; the profile that is written stays one that can be read.
    #[test]
    fn any_name_survives_being_written(name: String, vendor: String, device in ".{0,20}") {
        let device = Device { name: device, ..Device::new("pci:v00008086d000010D3sv*") };
        let profile = Profile { name, vendor, devices: vec![device], ..Profile::default() };
        let again = written::read("a.toml", &written::write(&profile)).unwrap();
        prop_assert_eq!(&again.devices[0].modalias, "pci:v00008086d000010D3sv*");
    }
}

/// Patterns and profiles must mean the same by an unknown character.
#[test]
fn unknown_parts_match_what_they_may_be() {
    let profile = read("a.txt", "01:00.0 0200: 14e4:165f\n").unwrap();
    let modalias = profile.devices[0].modalias.as_bytes();
    assert!(pattern::matches(b"pci:v000014E4d0000165Fsv*sd*bc02sc00i*", modalias));
    assert_eq!(profile.devices[0].known(), Known::InPart);
}
