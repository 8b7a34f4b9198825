//! Every signature in virtual time: what the server saw, and what it makes of the silence after it.

use super::*;
use crate::hardware::{DeviceClass, Smbios};
use crate::modules::alias::AliasTable;
use crate::proof::LiveOs;
use crate::proof::nic::{Nic, judge_boot_nic};
use crate::timeline::state::BoxView;
use crate::timeline::{Client, Cut, Denial, Event, FileRole, Road};
use expect_test::expect;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

const BOX: &str = "52:54:00:00:00:01";

/// A timeline in words, one event a line, each with its second:
/// `0 rom asks 1` (transaction 1), `0 offers undionly.kpxe`, `1 rom takes`, `2 tftp whole loader undionly.kpxe 70000`,
/// `2 tftp silent undionly.kpxe 0`, `5 nic 8086:10d3`, `30 reaches initrd-spoke`.
fn timeline(text: &str) -> Vec<Entry> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let entry = |(index, line): (usize, &str)| {
        let (second, words) = line.split_once(' ').unwrap();
        let at = Timestamp((second.parse::<f64>().unwrap() * 1000.0) as u64);
        Entry { sequence: index as u64 + 1, at, of: BOX.parse().unwrap(), event: event(words) }
    };
    lines.enumerate().map(entry).collect()
}

fn named<T: serde::de::DeserializeOwned>(word: &str) -> T {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).unwrap()
}

fn event(words: &str) -> Event {
    let words: Vec<&str> = words.split(' ').collect();
    let address =
        |word: Option<&&str>| -> Ipv4Addr { word.copied().unwrap_or("10.77.0.50").parse().unwrap() };
    match words.as_slice() {
        [client, "asks", rest @ ..] => Event::AddressAsked {
            client: named::<Client>(client),
            xid: rest.first().map(|word| word.parse().unwrap()),
            architecture: rest.get(1).map(|word| word.parse().unwrap()),
            vendor_class: None,
        },
        ["offers", rest @ ..] => Event::AddressOffered {
            address: address(None),
            bootfile: rest.first().map(|word| (*word).to_owned()),
        },
        [client, "takes", rest @ ..] => {
            Event::AddressTaken { client: named::<Client>(client), address: address(rest.first()) }
        }
        [client, "denied", why] => Event::AddressRefused {
            client: named::<Client>(client),
            why: named::<Denial>(why),
            reason: format!("words of {why}"),
        },
        [road, "starts", file, bytes] => Event::TransferStarted {
            road: named::<Road>(road),
            file: (*file).to_owned(),
            bytes: bytes.parse().unwrap(),
        },
        [road, "whole", role, file, bytes] => Event::TransferDone {
            road: named::<Road>(road),
            file: (*file).to_owned(),
            role: named::<FileRole>(role),
            bytes: bytes.parse().unwrap(),
            millis: 100,
        },
        [road, cut, file, bytes] => Event::TransferFailed {
            road: named::<Road>(road),
            file: (*file).to_owned(),
            bytes: bytes.parse().unwrap(),
            why: named::<Cut>(cut),
            reason: String::new(),
        },
        ["nic", id] => Event::NicReported {
            nic: Some(id.parse().unwrap()),
            smbios: Smbios { product: "R740".into(), ..Smbios::default() },
            platform: "pcbios".into(),
            memory_bytes: None,
        },
        ["mounts"] => Event::RootMounted { address: address(None), path: "/live".into() },
        ["seeks", service, known] => Event::ServiceSought {
            address: address(None),
            service: (*service).to_owned(),
            known: *known == "known",
        },
        ["who-has", sought, times] => {
            Event::NeighbourSought { address: sought.parse().unwrap(), times: times.parse().unwrap() }
        }
        ["unconfirmed", port, times] => Event::ConnectionUnconfirmed {
            address: address(None),
            port: port.parse().unwrap(),
            repeated: times.parse().unwrap(),
        },
        ["reads", calls, repeated] => Event::RootRead {
            address: address(None),
            calls: calls.parse().unwrap(),
            bytes: 0,
            last: Vec::new(),
            repeated: repeated.parse().unwrap(),
        },
        ["says", line @ ..] => Event::Said { line: line.join(" ") },
        ["to-disk"] => Event::SentToDisk,
        ["wanted"] => Event::InstallationAsked { by: "api".into() },
        ["mount-denied", why] => Event::RootRefused {
            address: address(None),
            path: "/live".into(),
            why: named::<Denial>(why),
            reason: String::new(),
        },
        ["reaches", rung] => Event::Reached { rung: named::<Rung>(rung), detail: String::new() },
        other => panic!("no event: {other:?}"),
    }
}

fn explained(text: &str, now_seconds: u64, around: Surroundings<'_>) -> Option<Explanation> {
    explain(&timeline(text), Timestamp(now_seconds * 1000), around)
}

#[track_caller]
fn check(text: &str, now_seconds: u64, signature: &str, cause: &str) {
    let explanation = explained(text, now_seconds, Surroundings::default());
    let said =
        explanation.as_ref().map(|explanation| (explanation.signature, explanation.trouble.cause.as_str()));
    assert_eq!(said, Some((signature, cause)), "{explanation:#?}");
}

#[track_caller]
fn quiet(text: &str, now_seconds: u64) {
    let explanation = explained(text, now_seconds, Surroundings::default());
    assert_eq!(explanation, None);
}

const ROM: &str = "0 rom asks 1 0\n0.1 offers undionly.kpxe\n2 rom takes\n";
const UEFI: &str = "0 rom asks 1 7\n0.1 offers ipxe.efi\n2 rom takes\n";
const LOADER: &str = "2.1 tftp starts undionly.kpxe 70000\n2.5 tftp whole loader undionly.kpxe 70000\n";
const IPXE: &str = "4 ipxe asks 2 0\n4.1 offers http://10.77.0.1/ipxe\n5 ipxe takes\n";
const SCRIPT: &str = "5.5 http whole script ipxe 300\n6 nic 8086:10d3\n";
const FILES: &str = "7 http whole kernel kernel 8000000\n9 http whole initrd initrd 30000000\n";
const INITRD: &str = "15 reaches initrd-spoke\n16 reaches link-up\n17 agent asks 3\n17.1 offers\n18 agent takes\n18 reaches got-address\n18.5 reaches found-server\n";
const ROOT: &str =
    "19 mounts\n19.2 reaches mounted-root\n20 reaches controller-spoke\n21 reaches hardware-known\n";
const END: &str = "30 reaches questions-answered\n31 reaches plan-confirmed\n32 reaches disks-laid-out\n60 reaches image-written\n70 reaches verified\n75 reaches boot-loader-installed\n76 reaches record-sealed\n77 reaches powered-off\n";

/// A box on its way must never be called stuck, wherever it is within its patience; nor a finished one.
#[test]
fn a_healthy_boot_is_not_explained() {
    let whole = [ROM, LOADER, IPXE, SCRIPT, FILES, INITRD, ROOT, END].concat();
    let lines: Vec<&str> = whole.lines().collect();
    for length in 1..=lines.len() {
        let second: f64 = lines[length - 1].split_once(' ').unwrap().0.parse().unwrap();
        quiet(&lines[..length].join("\n"), second as u64 + 20);
    }
    quiet(&whole, 1_000_000);
    // UEFI asks for the size first and breaks that off.
    quiet(
        &[UEFI, "2.1 tftp by-client ipxe.efi 0\n2.5 tftp whole loader ipxe.efi 900000\n", IPXE].concat(),
        30,
    );
}

#[test]
fn addresses() {
    let asks = "0 rom asks 1 0\n0.1 offers x\n4 rom asks 1 0\n4.1 offers x\n12 rom asks 1 0\n12.1 offers x\n";
    check(asks, 90, "S2", "dhcp-no-offer");
    quiet(asks, 30);
    check("0 rom asks 1 0\n0 rom denied pool-empty\n", 5, "S3", "dhcp-pool-empty");
    check("0 rom asks 1 0\n0 offers x\n1 rom denied other-server\n", 90, "S4", "dhcp-two-servers");
    let ipxe = "4 ipxe asks 2 0\n4.1 offers x\n8 ipxe asks 2 0\n8.1 offers x\n";
    check(&[ROM, LOADER, ipxe].concat(), 40, "S14", "ipxe-dhcp-failed");
    check(
        &[ROM, "2.5 agent denied address-in-use\n"].concat().replace("2 rom takes\n", ""),
        90,
        "S26",
        "duplicate-address",
    );
    let before = [ROM, LOADER, IPXE, SCRIPT, FILES].concat();
    let system = "15 reaches initrd-spoke\n16 reaches link-up\n17 agent asks 3\n";
    check(&[&before, system, "17 agent denied nothing-to-boot\n"].concat(), 200, "S24", "dhcp-server-silent");
    check(
        &[&before, system, "17 offers\n21 agent asks 3\n21 offers\n"].concat(),
        200,
        "S22",
        "vlan-mismatch",
    );
    check(&[&before, "15 reaches initrd-spoke\n16 reaches link-up\n"].concat(), 200, "S23", "stp-delay");
}

#[test]
fn loaders() {
    check(ROM, 90, "S5", "tftp-arp-timeout");
    check(&ROM.replace("offers undionly.kpxe", "offers"), 90, "S5", "dhcp-no-bootfile");
    check(&ROM.replace("offers undionly.kpxe", "offers http://10.77.0.1/x"), 90, "S5", "nbp-filename-is-url");
    check(
        &[ROM, "3 tftp silent undionly.kpxe 0\n9 tftp silent undionly.kpxe 0\n"].concat(),
        30,
        "S7",
        "tftp-reply-path",
    );
    check(&[ROM, "3 tftp not-found pxelinux.0 0\n"].concat(), 30, "S9", "tftp-file-not-found");
    check(&[ROM, "3 tftp refused undionly.kpxe 0\n"].concat(), 30, "S10", "tftp-access-denied");
    check(&[ROM, "9 tftp silent undionly.kpxe 33553920\n"].concat(), 90, "S11", "tftp-size-limit");
    check(&[ROM, LOADER].concat(), 200, "S13", "ipxe-hang-init");
    let uefi = "2.5 tftp whole loader ipxe.efi 900000\n";
    check(&[UEFI, uefi].concat(), 200, "S12", "secureboot-denied");
    check(&[&UEFI.replace("asks 1 7", "asks 1 6"), uefi].concat(), 200, "S12", "nbp-wrong-arch");
    check(&[ROM, LOADER, IPXE].concat(), 200, "S16", "http-timeout");
    let round = |second: u64| {
        format!(
            "{second} ipxe asks {second} 0\n{second} offers x\n{second} ipxe takes\n{second} tftp whole loader x 9\n"
        )
    };
    check(&[ROM, LOADER, &round(4), &round(8), &round(12)].concat(), 14, "S15", "ipxe-chain-loop");
    check(
        "0 http-boot asks 1 16\n0 offers http://10.77.0.1/loader/ipxe.efi\n1 http-boot takes\n",
        90,
        "S40",
        "http-boot-failed",
    );
}

/// A question that comes here and is not answered, or whose answer goes astray, is seen from here.
#[test]
fn answers_that_go_astray() {
    let who = "3 who-has 10.77.0.9 3\n5 who-has 10.77.0.9 4\n";
    check(&[ROM, who].concat(), 90, "S6", "tftp-arp-timeout");
    quiet(&[ROM, who].concat(), 20);
    // Who asks often and goes on all the same was only slow.
    let whole = [ROM, who, LOADER, IPXE, SCRIPT, FILES, INITRD, ROOT].concat();
    quiet(&whole, 30);
    let begun = "6 unconfirmed 80 4\n";
    check(&[ROM, LOADER, IPXE, begun].concat(), 200, "S17", "http-timeout");
    quiet(&[ROM, LOADER, IPXE, begun].concat(), 20);
    quiet(&[ROM, LOADER, IPXE, begun, SCRIPT, FILES, INITRD, ROOT].concat(), 30);
}

#[test]
fn other_peoples_loaders() {
    let pxelinux = "2.5 tftp whole loader pxelinux.0 40000\n";
    check(
        &[ROM, pxelinux, "3 tftp not-found ldlinux.c32 0\n"].concat(),
        9,
        "S45",
        "syslinux-ldlinux-missing",
    );
    check(
        &[ROM, pxelinux, "3 tftp not-found pxelinux.cfg/default 0\n"].concat(),
        9,
        "S44",
        "pxelinux-config-not-found",
    );
    let shim = "2.5 tftp whole loader shimx64.efi 900000\n";
    check(&[UEFI, shim, "3 tftp not-found //grubx64.efi 0\n"].concat(), 9, "S41", "shim-second-stage");
    let grub = "3 tftp whole other grubx64.efi 900000\n";
    check(&[UEFI, shim, grub].concat(), 99, "S42", "grub-prefix-wrong");
    check(
        &[UEFI, shim, grub, "4 tftp not-found /x86_64-efi/command.lst 0\n"].concat(),
        9,
        "S43",
        "grub-prefix-wrong",
    );
}

#[test]
fn kernels_and_initrds() {
    let before = [ROM, LOADER, IPXE, SCRIPT].concat();
    check(&[&before, "7 http not-found kernel 0\n"].concat(), 200, "S18", "http-404");
    let unreadable = [&before, "7 http unreadable kernel 0\n"].concat();
    check(&unreadable, 200, "S18b", "http-server-error");
    // What the server knows at once is told at once; what it could read in the end is no trouble any more.
    check(&unreadable, 8, "S18b", "http-server-error");
    quiet(&[&unreadable, "9 http whole kernel kernel 8000000\n"].concat(), 12);
    let image = "80 http unreadable /image/0 0\n";
    let laid_out: String = END.split_inclusive('\n').take(3).collect();
    check(&[&before, FILES, INITRD, ROOT, &laid_out, image].concat(), 90, "S18b", "http-server-error");
    let kernel = "7 http whole kernel kernel 8000000\n";
    let part = "7.1 http starts initrd 30000000\n9 http by-client initrd 12000000\n";
    check(&[&before, kernel, part].concat(), 300, "S19", "ipxe-stall");
    check(
        &[&before, kernel, part, &part.replace("7.1", "10").replace("9 http", "12 http")].concat(),
        300,
        "S19",
        "ipxe-no-memory",
    );
    check(&[&before, "7 http starts kernel 8000000\n"].concat(), 300, "S19b", "ipxe-stall");
    quiet(&[&before, "7 http starts kernel 8000000\n"].concat(), 20);
    let refused = [&before, kernel, &kernel.replace("7 http", "17 http")].concat();
    check(&refused, 140, "S19c", "ipxe-image-format");
    quiet(&refused, 100);
    check(&[&before, FILES].concat(), 200, "S20", "kernel-lockup");
    quiet(&[&before, FILES].concat(), 60);
    let again: String = [&before, FILES]
        .concat()
        .lines()
        .map(|line| {
            let (second, rest) = line.split_once(' ').unwrap();
            format!("{} {rest}\n", second.parse::<f64>().unwrap() + 100.0)
        })
        .collect();
    check(&[&before, FILES, &again].concat(), 300, "S20", "kernel-image-corrupt");
}

#[test]
fn roots() {
    let before = [ROM, LOADER, IPXE, SCRIPT, FILES].concat();
    let spoke = "15 reaches initrd-spoke\n16 reaches link-up\n";
    check(&[&before, INITRD, "19 mount-denied not-found\n"].concat(), 300, "S29", "nfs-path-missing");
    check(&[&before, INITRD, "19 mount-denied other\n"].concat(), 300, "S29", "nfs-access-denied");
    check(&[&before, INITRD, "19 mount-denied wrong-version\n"].concat(), 300, "S29", "nfs-version-mismatch");
    // A stock initrd tells nothing but what it asks for.
    let stock = "17 ipconfig asks 3\n17.1 offers\n18 ipconfig takes\n";
    let seeks = "19 seeks mount-3-udp known\n";
    check(&[&before, stock, seeks].concat(), 300, "S28", "nfs-server-unreachable");
    check(
        &[&before, stock, seeks, "19 seeks nfs-3-udp unknown\n"].concat(),
        300,
        "S28",
        "nfs-not-registered",
    );
    quiet(&[&before, stock, seeks].concat(), 40);
    quiet(&[&before, stock, seeks, "20 mounts\n"].concat(), 40);
    check(&[&before, stock].concat(), 300, "S27", "route-missing");
    // A slow machine unpacks for a minute and a half; what comes after that is not late.
    let slow = "95 ipconfig asks 3\n95.1 offers\n97 ipconfig takes\n";
    quiet(&[&before, slow].concat(), 130);
    check(&[&before, slow].concat(), 220, "S27", "route-missing");
    quiet(&[&before, slow, "99 seeks mount-3-udp known\n"].concat(), 130);
    quiet(&[before.as_str(), &slow.replace("takes", "takes 10.77.0.99")].concat(), 130);
    check(&[&before, stock, seeks, "20 mounts\n"].concat(), 300, "S30", "nfs-not-in-initrd");
    // It runs, and nobody there tells anything more: as well at its login prompt as hung.
    let runs = [&before, stock, "20 mounts\n40 reads 9 0\n"].concat();
    quiet(&runs, 300);
    let mut state = BoxState::new(BOX.parse().unwrap(), Timestamp(0));
    timeline(&runs).iter().for_each(|entry| state.apply(entry));
    let view = BoxView::of(state, Timestamp(300_000));
    assert_eq!((view.overdue, view.sentence.as_str()), (None, "reads the root; what runs there is not told"));
    check(&[&before, stock, "20 mounts\n40 reads 9 2\n"].concat(), 300, "S31", "mtu-mismatch");
    check(
        &[&before, spoke, "17 agent asks 3\n18 agent takes\n18 reaches got-address\n"].concat(),
        300,
        "S27",
        "route-missing",
    );
    check(
        &[&before, spoke, "17 agent asks 3\n18 agent takes 10.77.0.99\n18 reaches got-address\n"].concat(),
        300,
        "S25",
        "nfs-access-denied",
    );
    check(
        &[
            &before,
            INITRD,
            "20 http starts root.squashfs 200000000\n30 http by-client root.squashfs 99000000\n",
        ]
        .concat(),
        300,
        "S32",
        "ram-too-small-squashfs",
    );
    check(
        &[&before, INITRD, "30 http whole root root.squashfs 200000000\n"].concat(),
        300,
        "S33",
        "squashfs-mount-failed",
    );
    check(&[&before, INITRD, "19 mounts\n"].concat(), 300, "S30", "nfs-hang-after-mount");
    check(&[&before, INITRD, "19 mounts\n29 reads 70 0\n"].concat(), 300, "S30", "nfs-hang-after-mount");
    check(&[&before, INITRD, "19 mounts\n29 reads 70 3\n"].concat(), 300, "S31", "mtu-mismatch");
    quiet(&[&before, INITRD, "19 mounts\n29 reads 70 3\n"].concat(), 40);
    let fetch =
        |second: u64| format!("{second} reaches initrd-spoke\n{second} http whole root root.squashfs 9\n");
    check(&[before, fetch(20), fetch(80), fetch(140)].concat(), 145, "S34", "init-crashed");
}

#[test]
fn controllers_and_afterwards() {
    let before = [ROM, LOADER, IPXE, SCRIPT, FILES, INITRD].concat();
    check(&[&before, "19 mounts\n20 reaches controller-spoke\n"].concat(), 300, "S35", "disk-driver-missing");
    let laid = "30 reaches questions-answered\n31 reaches plan-confirmed\n32 reaches disks-laid-out\n";
    check(
        &[&before, ROOT, laid, "50 http whole image image.tar.zst 9\n"].concat(),
        9000,
        "S36",
        "disk-io-error",
    );
    check(
        &[&before, ROOT, END, "120 rom asks 9 0\n120 offers undionly.kpxe\n"].concat(),
        130,
        "S37",
        "uefi-boot-order",
    );
    // Its disk starts nothing: the firmware asks the network again, each time.
    let back = |second: u64| {
        format!(
            "{second} rom asks {second} 0\n{second} offers undionly.kpxe\n{second} rom takes\n{second} to-disk\n"
        )
    };
    let comes_back = [&before, ROOT, END, &back(1000), &back(1090), &back(1180)].concat();
    check(&comes_back, 1200, "S38", "no-bootable-device");
    quiet(&[&before, ROOT, END, &back(1000), &back(1090)].concat(), 1200);
    quiet(&[&before, ROOT, END, &back(1000), &back(9000), &back(90_000)].concat(), 90_060);
    // Somebody wants it installed again, and it starts from its disk instead.
    let wanted = [&before, ROOT, END, "5000 wanted\n"].concat();
    check(&wanted, 6000, "S39", "uefi-boot-order");
    quiet(&wanted, 5600);
    quiet(&[&wanted, "5100 rom asks 9 0\n5100 offers undionly.kpxe\n"].concat(), 5120);
    // Weeks later it is a new order of the same box, and nobody's mistake.
    quiet(&[&before, ROOT, END, "900000 rom asks 9 0\n900000 offers undionly.kpxe\n"].concat(), 900_010);
}

#[test]
fn a_different_place_each_time_is_the_machine() {
    let climb = |from: u64, rungs: &[&str]| {
        let start =
            format!("{from} rom asks {from} 0\n{from} rom takes\n{from} tftp whole loader undionly.kpxe 9\n");
        start + &rungs.iter().map(|rung| format!("{from} reaches {rung}\n")).collect::<String>()
    };
    let text = [
        climb(0, &["initrd-spoke"]),
        climb(200, &["initrd-spoke", "mounted-root"]),
        climb(400, &["link-up"]),
        climb(600, &["initrd-spoke", "got-address"]),
    ];
    check(&text.concat(), 900, "S48", "image-corrupt");
}

/// The story: the NIC that iPXE told is held against the initrd, and the silence has its name and its fix.
#[test]
fn a_silent_initrd_is_held_against_the_proof() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let live = LiveOs {
        release: "6.1.0-49-cloud-amd64".into(),
        kernel: "linux-image-cloud-amd64".into(),
        aliases: AliasTable::of([("pci:v00008086d000010D3sv*sd*bc*sc*i*", "e1000e")]),
        classes: BTreeMap::from([(DeviceClass::Ethernet, set(&["e1000e"]))]),
        packages: BTreeMap::from([("e1000e".into(), vec!["linux-image-amd64".into()])]),
        ..LiveOs::default()
    };
    let text = [ROM, LOADER, IPXE, SCRIPT, FILES].concat();
    let nic = Nic { id: "8086:10d3".parse().unwrap(), name: "" };
    let verdict = judge_boot_nic(&live, nic);
    let around = Surroundings { boot_nic: Some(&verdict), others: &[] };
    let explanation = explained(&text, 200, around).unwrap();
    expect![[r#"
        S20 nic-driver-missing, or kernel-lockup, ram-too-small-initrd, initrd-corrupt, console-missing, kernel-image-corrupt
        This box's NIC 8086:10d3 needs the driver e1000e, which this live OS does not have.
          the box boots from PCI device 8086:10d3
          the live OS has kernel 6.1.0-49-cloud-amd64 from package linux-image-cloud-amd64
          e1000e is neither in the kernel nor in the initrd
          nothing for 191 s; no address was asked for by the operating system
        set kernel = "linux-image-amd64" in line.toml [live]: that package has e1000e
        then run `bootworks lock` and `bootworks build`"#]]
    .assert_eq(&words(&explanation));
}

fn words(explanation: &Explanation) -> String {
    let Explanation { signature, trouble, others } = explanation;
    let evidence: Vec<String> = trouble.evidence.iter().map(|line| format!("  {line}")).collect();
    format!(
        "{signature} {}, or {}\n{}\n{}\n{}",
        trouble.cause,
        others.join(", "),
        trouble.sentence,
        evidence.join("\n"),
        trouble.fix.join("\n")
    )
}

/// Another port of the same machine asks after the initrd has gone over: it took the wrong NIC.
#[test]
fn the_other_port_and_the_twins_are_heard() {
    let text = [ROM, LOADER, IPXE, SCRIPT, FILES].concat();
    let other = |mac: &str, text: &str| {
        let of = mac.parse().unwrap();
        let mut state = BoxState::new(of, Timestamp(0));
        for entry in timeline(text) {
            state.apply(&Entry { of, ..entry });
        }
        state
    };
    let port = [other("52:54:00:00:00:02", "40 other asks 7\n40 offers\n")];
    let explanation = explained(&text, 200, Surroundings { boot_nic: None, others: &port }).unwrap();
    assert_eq!((explanation.signature, explanation.trouble.cause.as_str()), ("S21", "wrong-nic-chosen"));
    // The same model's other boxes stop at the same place, or do not.
    let twins = [other("52:54:11:00:00:01", &text), other("52:54:12:00:00:01", &text)];
    let explanation = explained(&text, 200, Surroundings { boot_nic: None, others: &twins }).unwrap();
    expect!["all 3 boxes of the model R740 stop here: the model's driver, firmware or set-up"]
        .assert_eq(explanation.trouble.evidence.last().unwrap());
    let passed = [other("52:54:11:00:00:01", &[text.as_str(), INITRD].concat())];
    let explanation = explained(&text, 200, Surroundings { boot_nic: None, others: &passed }).unwrap();
    expect!["1 of the model R740 got further: look at this one's cable, port, memory, parts"]
        .assert_eq(explanation.trouble.evidence.last().unwrap());
}

/// Lines of the box's own that reached the server, by netconsole here, go before what events alone say; a box whose lines
/// are those of any boot is judged by events as ever.
#[test]
fn last_words_go_first() {
    let boot = [ROM, LOADER, IPXE, SCRIPT, FILES].concat();
    let panic = "10 says [    1.201] usbcore: registered new interface driver usbhid\n\
                 10 says [    2.102] RAMDISK: lz4 image found at block 0\n\
                 11 says [    2.213] VFS: Cannot open root device \"sda2\" or unknown-block(0,0): error -6\n\
                 11 says [    2.214] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n";
    let text = [boot.as_str(), panic].concat();
    let explanation = explained(&text, 200, Surroundings::default()).unwrap();
    expect![[r#"
        log initrd-not-loaded, or kernel-lockup, ram-too-small-initrd, initrd-corrupt, console-missing, kernel-image-corrupt
        The kernel started without an initrd: it never was handed one.
          it said: VFS: Cannot open root device "sda2" or unknown-block(0,0): error -6
          nothing for 189 s; no address was asked for by the operating system
        name the initrd to the boot loader: `initrd` line after the kernel's in iPXE, GRUB (`initrd`), pxelinux (`APPEND initrd=…`)
        UEFI and iPXE with an older kernel: `initrd=initrd.img` on its command line as well
        look whether the boot loader got it: its last lines and the server's log say so"#]].assert_eq(&words(&explanation));
    // No patience is needed for that; also a kernel that something else started is heard.
    assert!(explained(&text, 20, Surroundings::default()).is_some());
    assert!(explained(panic, 50, Surroundings::default()).is_some());

    let healthy = "10 says [    1.201] usbcore: registered new interface driver usbhid\n";
    let explanation = explained(&[boot.as_str(), healthy].concat(), 200, Surroundings::default()).unwrap();
    assert_eq!(explanation.signature, "S20");

    // It panics and starts over: the words are those of the climb before.
    let again = boot.lines().map(|line| {
        let (second, words) = line.split_once(' ').unwrap();
        format!("{} {words}\n", 100.0 + second.parse::<f64>().unwrap())
    });
    let again: String = again.collect();
    let explanation = explained(&[text.as_str(), &again].concat(), 300, Surroundings::default()).unwrap();
    assert_eq!(explanation.signature, "log");
    // One that does not come so far again is silent for another reason.
    let short: String =
        again.lines().take_while(|line| !line.contains("kernel")).map(|line| format!("{line}\n")).collect();
    let text = [text.as_str(), &short, "107 http starts kernel 8000000\n"].concat();
    check(&text, 400, "S19b", "ipxe-stall");
}

/// A signature that no test provokes is a guess.
#[test]
fn every_signature_is_provoked() {
    let here = include_str!("tests.rs");
    for signature in signatures() {
        assert!(here.contains(&format!("\"{}\"", signature.id)), "{}", signature.id);
    }
}
