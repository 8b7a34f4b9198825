//! Timelines as text, and the states they fold to.

use super::*;
use expect_test::{Expect, expect};
use std::fmt::Write as _;

const BOX: &str = "52:54:00:00:00:01";

/// One line of text is one entry: seconds since the start, the event as JSON.
fn fold(timeline: &str) -> BoxState {
    let mut state = BoxState::new(BOX.parse().unwrap(), Timestamp(0));
    for (index, line) in timeline.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let (seconds, event) = line.split_once(' ').unwrap();
        let event: Event = serde_json::from_str(event).unwrap_or_else(|error| panic!("{line}: {error}"));
        let at = Timestamp((seconds.parse::<f64>().unwrap() * 1000.0) as u64);
        state.apply(&Entry { sequence: index as u64 + 1, at, of: state.of, event });
    }
    state
}

fn check(timeline: &str, now_seconds: u64, expected: Expect) {
    let state = fold(timeline);
    let mut text = String::new();
    let address = state.address.map_or("-".into(), |address| address.to_string());
    let _ = writeln!(text, "{} at {address}, climb {}: {:?}", state.label(), state.climbs, state.standing());
    let _ = writeln!(text, "{}", state.sentence());
    for (rung, at) in &state.rungs {
        let _ = writeln!(text, "{:>6.1} {}", at.0 as f64 / 1000.0, rung.label());
    }
    if let Some(overdue) = state.overdue(Timestamp(now_seconds * 1000)) {
        let _ = writeln!(text, "overdue by {} s: {}", overdue.by.as_secs(), overdue.rung.label());
    }
    expected.assert_eq(&text);
    // What goes out as JSON must come back the same, but for where the rate is measured from.
    let json = serde_json::to_string(&state).unwrap();
    let again: BoxState = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), json);
}

const BOOT: &str = r#"
    0 {"event":"address-asked","client":"rom","architecture":0,"vendor_class":null}
    0.1 {"event":"address-offered","address":"10.77.0.50","bootfile":"undionly.kpxe"}
    2 {"event":"address-taken","client":"rom","address":"10.77.0.50"}
    2.1 {"event":"transfer-started","road":"tftp","file":"undionly.kpxe","bytes":70000}
    2.5 {"event":"transfer-done","road":"tftp","file":"undionly.kpxe","role":"loader","bytes":70000,"millis":400}
    4 {"event":"address-asked","client":"ipxe","architecture":0,"vendor_class":null}
    5 {"event":"address-taken","client":"ipxe","address":"10.77.0.50"}
    6 {"event":"nic-reported","nic":"8086:10d3","smbios":{"serial":"SN-7"},"platform":"pcbios"}
"#;
const KERNEL: &str = r#"
    6.1 {"event":"boot-offered","release":"6.1.0-49-amd64","live":"3f2a"}
    7 {"event":"transfer-done","road":"http","file":"kernel","role":"kernel","bytes":8000000,"millis":300}
    9 {"event":"transfer-done","road":"http","file":"initrd","role":"initrd","bytes":30000000,"millis":900}
    15 {"event":"reached","rung":"initrd-spoke","detail":""}
"#;

/// The ROM asks, then iPXE asks again: one climb, not two, and the first times count.
#[test]
fn a_box_climbs_and_its_next_rung_becomes_overdue() {
    check(
        BOOT,
        30,
        expect![[r#"
            SN-7 at 10.77.0.50, climb 1: Climbing
            reported its NIC
               0.0 asked for an address
               2.0 took the address
               2.5 fetched the loader
               6.0 reported its NIC
        "#]],
    );
    check(
        &format!("{BOOT}{KERNEL}"),
        100,
        expect![[r#"
            SN-7 at 10.77.0.50, climb 1: Climbing
            the initrd spoke
               0.0 asked for an address
               2.0 took the address
               2.5 fetched the loader
               6.0 reported its NIC
               7.0 fetched the kernel
               9.0 fetched the initrd
              15.0 the initrd spoke
            overdue by 25 s: link up
        "#]],
    );
}

/// The initrd's first words may be late: the server saw the root mounted before, and that is one climb. Said once more,
/// they are of another.
#[test]
fn a_root_seen_mounted_before_the_initrd_spoke_is_one_climb() {
    let mounted = r#"14 {"event":"root-mounted","address":"10.77.0.50","path":"/live/3f2a"}"#;
    let kernel = KERNEL.replace("    15 ", &format!("    {mounted}\n    15 "));
    check(
        &format!("{BOOT}{kernel}"),
        16,
        expect![[r#"
        SN-7 at 10.77.0.50, climb 1: Climbing
        mounted the root
           0.0 asked for an address
           2.0 took the address
           2.5 fetched the loader
           6.0 reported its NIC
           7.0 fetched the kernel
           9.0 fetched the initrd
          15.0 the initrd spoke
          14.0 mounted the root
    "#]],
    );
    let again = r#"
    40 {"event":"reached","rung":"initrd-spoke","detail":""}
"#;
    assert_eq!(fold(&format!("{BOOT}{kernel}{again}")).climbs, 2);
}

const FINISHED: &str = r#"
    100 {"event":"reached","rung":"plan-confirmed","detail":""}
    500 {"event":"reached","rung":"powered-off","detail":""}
"#;
const SENT_TO_DISK: &str = r#"
    510 {"event":"address-asked","client":"ipxe","architecture":0,"vendor_class":null}
    511 {"event":"nic-reported","nic":"8086:10d3","smbios":{"serial":"SN-7","uuid":"4C4C-01"},"platform":"pcbios"}
    511 {"event":"sent-to-disk"}
"#;

/// A finished box that comes back from the network is no box that hangs, and stays finished until somebody asks for more.
#[test]
fn a_finished_box_that_comes_back_is_finished() {
    check(
        &format!("{BOOT}{KERNEL}{FINISHED}{SENT_TO_DISK}"),
        7200,
        expect![[r#"
        SN-7 at 10.77.0.50, climb 2: Finished
        finished before; it booted from the network and was sent to its disk
         510.0 asked for an address
         511.0 reported its NIC
    "#]],
    );
    let installed = |more: &str| fold(&format!("{BOOT}{KERNEL}{FINISHED}{more}")).installed;
    assert_eq!(installed(""), Some(Timestamp(500_000)));
    assert_eq!(installed(SENT_TO_DISK), Some(Timestamp(500_000)));
    assert_eq!(installed(r#"510 {"event":"installation-asked","by":"api"}"#), None);
    assert_eq!(installed(r#"510 {"event":"reached","rung":"plan-confirmed","detail":""}"#), None);
    assert_eq!(fold(&format!("{BOOT}{KERNEL}")).installed, None);
}

/// A second NIC of a finished box is known by serial number and UUID together; either alone may be a whole batch's.
#[test]
fn a_machine_is_known_by_serial_number_and_uuid() {
    let state = fold(&format!("{BOOT}{SENT_TO_DISK}"));
    let names =
        |serial: &str, uuid: &str| Smbios { serial: serial.into(), uuid: uuid.into(), ..Smbios::default() };
    assert!(state.is_machine(&names("SN-7", "4c4c-01")));
    assert!(!state.is_machine(&names("SN-7", "4c4c-02")));
    assert!(!state.is_machine(&names("SN-8", "4C4C-01")));
    assert!(!fold(BOOT).is_machine(&names("SN-7", "")));
    assert!(!BoxState::new(state.of, Timestamp(0)).is_machine(&Smbios::default()));
}

const REFUSED: &str = r#"
    6.2 {"event":"boot-refused","trouble":{"cause":"nic-driver-missing","rung":"link-up","sentence":"no driver for 8086:10d3","evidence":[],"fix":[]}}
"#;

/// A refused box is in trouble until the refusal is over or it starts from its firmware again.
#[test]
fn a_refusal_lasts_until_it_is_over() {
    let refused = format!("{BOOT}{REFUSED}");
    check(
        &refused,
        3600,
        expect![[r#"
            SN-7 at 10.77.0.50, climb 1: InTrouble
            no driver for 8086:10d3
               0.0 asked for an address
               2.0 took the address
               2.5 fetched the loader
               6.0 reported its NIC
        "#]],
    );
    let over =
        format!("{refused}\n90 {{\"event\":\"trouble-over\",\"cause\":\"nic-driver-missing\"}}\n{KERNEL}");
    assert_eq!(fold(&over).standing(), Standing::Climbing);
    let other = format!("{refused}\n90 {{\"event\":\"trouble-over\",\"cause\":\"no-carrier\"}}");
    assert_eq!(fold(&other).standing(), Standing::InTrouble);
    let again = format!(
        "{refused}\n500 {{\"event\":\"address-asked\",\"client\":\"rom\",\"architecture\":null,\"vendor_class\":null}}"
    );
    check(
        &again,
        530,
        expect![[r#"
            SN-7 at 10.77.0.50, climb 2: Climbing
            asked for an address
             500.0 asked for an address
        "#]],
    );
}

/// A box that keeps trying and gets past the rung it hung at needs no further word to be well.
#[test]
fn reaching_the_rung_ends_its_trouble() {
    let hung = format!(
        "{BOOT}{KERNEL}\n20 {}",
        r#"{"event":"trouble-found","trouble":{"cause":"no-carrier","rung":"link-up","sentence":"no carrier on eth0","evidence":[],"fix":[]},"kernel_log":[]}"#
    );
    assert_eq!(fold(&hung).trouble_since, Some(Timestamp(20_000)));
    let linked = format!("{hung}\n40 {{\"event\":\"reached\",\"rung\":\"link-up\",\"detail\":\"eth0\"}}");
    assert_eq!(fold(&linked).trouble, None);
    assert_eq!(fold(&linked).standing(), Standing::Climbing);
}

const QUESTIONS: &str = r#"
    20 {"event":"reached","rung":"controller-spoke","detail":""}
    21 {"event":"asked","question":"hostname"}
    22 {"event":"asked","question":"password"}
"#;
const PLAN: &str = r#"
    30 {"event":"answered","question":"hostname","by":"console","answer":"edge-1"}
    31 {"event":"answered","question":"password","by":"api","answer":null}
    31 {"event":"reached","rung":"questions-answered","detail":""}
    32 {"event":"plan-shown","text":"1. lay out nvme0n1"}
"#;

/// While a person is waited for, no patience runs out; a secret is answered without being known.
#[test]
fn a_person_is_waited_for() {
    let asked = format!("{BOOT}{KERNEL}{QUESTIONS}");
    let state = fold(&asked);
    assert_eq!(state.standing(), Standing::Waiting);
    assert_eq!(state.sentence(), "waits for an answer: hostname, password");
    assert_eq!(state.overdue(Timestamp(90_000_000)), None);
    let planned = fold(&format!("{asked}{PLAN}"));
    assert_eq!(planned.label(), "edge-1");
    assert_eq!(planned.sentence(), "waits for the plan to be confirmed");
    assert_eq!(planned.answered["password"], AnswerSeen { by: "api".into(), answer: None });
    assert_eq!(planned.overdue(Timestamp(90_000_000)), None);
}

const STEPS: &str = r#"
    40 {"event":"reached","rung":"plan-confirmed","detail":""}
    40 {"event":"step-started","step":3,"of":9,"name":"image","title":"writing the image"}
    41 {"event":"step-progress","step":3,"done_bytes":30000000,"total_bytes":300000000}
    50 {"event":"step-progress","step":3,"done_bytes":200000000,"total_bytes":300000000}
    52 {"event":"step-progress","step":3,"done_bytes":220000000,"total_bytes":300000000}
"#;

/// Rate and time left are of the last seconds, not of the whole step: a disk that slows down shows.
#[test]
fn progress_has_a_rate_and_a_time_left() {
    let installing = format!("{BOOT}{KERNEL}{QUESTIONS}{PLAN}{STEPS}");
    let state = fold(&installing);
    assert_eq!(state.sentence(), "step 3 of 9: writing the image, 73 % at 10 MB/s, 8 s left");
    assert_eq!(state.standing(), Standing::Climbing);
    let failed = format!(
        "{installing}\n53 {}",
        r#"{"event":"step-failed","step":3,"trouble":{"cause":"image-corrupt","rung":"image-written","sentence":"the image is not what the line names","evidence":[],"fix":[]}}"#
    );
    let state = fold(&failed);
    assert_eq!(state.standing(), Standing::InTrouble);
    assert_eq!(state.step.unwrap().standing, StepStanding::Failed);
    let done = fold(&format!("{installing}\n60 {{\"event\":\"step-done\",\"step\":3,\"millis\":20000}}"));
    assert_eq!(done.step.as_ref().and_then(StepState::percent), Some(100));
    let off =
        fold(&format!("{installing}\n90 {{\"event\":\"reached\",\"rung\":\"powered-off\",\"detail\":\"\"}}"));
    assert_eq!((off.standing(), off.sentence().as_str()), (Standing::Finished, "finished and powered off"));
    assert_eq!(off.overdue(Timestamp(u64::MAX)), None);
    let on = fold(&format!(
        "{installing}\n80 {}\n90 {{\"event\":\"reached\",\"rung\":\"powered-off\",\"detail\":\"\"}}",
        r#"{"event":"step-started","step":12,"of":12,"name":"stay-on","title":"Leave the box on"}"#
    ));
    assert_eq!((on.standing(), on.sentence().as_str()), (Standing::Finished, "finished, and left on"));
}

/// Entries are folded once, whatever the reader does: twice the same sequence, or another box's entry.
#[test]
fn an_entry_counts_once() {
    let mut state = fold(BOOT);
    let before = state.clone();
    let event = Event::Said { line: "hello".into() };
    state.apply(&Entry { sequence: 3, at: Timestamp(99_000), of: state.of, event: event.clone() });
    state.apply(&Entry { sequence: 99, at: Timestamp(99_000), of: Mac([2; 6]), event });
    assert_eq!(state, before);
}

/// A memory test takes an hour: what goes on is not stuck, and what stands still is.
#[test]
fn a_step_that_goes_on_is_not_overdue() {
    let of = Mac([0x52, 0x54, 0, 0, 0, 1]);
    let mut state = BoxState::new(of, Timestamp(0));
    let mut tell = |sequence: u64, at: u64, json: &str| {
        let event = serde_json::from_str(json).unwrap();
        state.apply(&Entry { sequence, at: Timestamp(at * 1000), of, event });
        state.clone()
    };
    tell(1, 10, r#"{"event":"reached","rung":"plan-confirmed","detail":""}"#);
    tell(2, 10, r#"{"event":"step-started","step":1,"of":9,"name":"test-memory","title":""}"#);
    tell(3, 3000, r#"{"event":"step-progress","step":1,"done_bytes":5,"total_bytes":9}"#);
    let still = tell(4, 3250, r#"{"event":"step-progress","step":1,"done_bytes":5,"total_bytes":9}"#);
    assert_eq!(still.overdue(Timestamp(3_299_000)), None);
    assert_eq!(still.overdue(Timestamp(3_310_000)).unwrap().by.as_secs(), 10);
    let done = tell(5, 3400, r#"{"event":"step-done","step":1,"millis":9}"#);
    assert_eq!(done.overdue(Timestamp(3_699_000)), None);
}

/// A box that waits its turn is not late, however long it waits; its turn comes with the boot.
#[test]
fn a_box_that_waits_its_turn_is_not_overdue() {
    let of = Mac([0x52, 0x54, 0, 0, 0, 1]);
    let mut state = BoxState::new(of, Timestamp(0));
    let tell = |state: &mut BoxState, sequence: u64, json: &str| {
        let event = serde_json::from_str(json).unwrap();
        state.apply(&Entry { sequence, at: Timestamp(sequence), of, event });
    };
    let nic = r#"{"event":"nic-reported","nic":null,"smbios":{"manufacturer":"","product":"","serial":""},"platform":"efi"}"#;
    tell(&mut state, 1, nic);
    tell(&mut state, 2, r#"{"event":"turn-awaited","before":12}"#);
    assert_eq!(state.sentence(), "waits for its turn: other boxes fetch before it");
    assert_eq!(state.overdue(Timestamp(3_600_000)), None);
    tell(&mut state, 3, r#"{"event":"boot-offered","release":"6.1","live":"1"}"#);
    assert_eq!(state.overdue(Timestamp(3_600_000)).unwrap().rung, Rung::FetchedKernel);
}
