//! Logs against the catalogue. The stages' logs stand in `testdata/causes/STAGE.txt`, tiny and many:
//!
//! ```text
//! ## nic-driver-missing                            a log of which this is the likeliest cause
//! ## not nic-driver-missing, but dhcp-no-answer    a near miss: the first is not named; the second is the cause
//! ## not nic-driver-missing, but nothing           … nothing is wrong; `unknown` where nobody knows the cause
//! # https://…                                      what it rests on; any number of such lines, then the log
//! ```

use super::{Diagnosis, Verdict, diagnose};
use crate::catalogue::all;
use expect_test::{Expect, expect};
use std::collections::BTreeSet;

/// The files of logs, by name.
const FILES: &[(&str, &str)] = &[
    ("rom", include_str!("../../testdata/causes/rom.txt")),
    ("loader", include_str!("../../testdata/causes/loader.txt")),
    ("console", include_str!("../../testdata/causes/console.txt")),
    ("kernel", include_str!("../../testdata/causes/kernel.txt")),
    ("hw", include_str!("../../testdata/causes/hw.txt")),
    ("driver", include_str!("../../testdata/causes/driver.txt")),
    ("initrd-net", include_str!("../../testdata/causes/initrd-net.txt")),
    ("nfs", include_str!("../../testdata/causes/nfs.txt")),
    ("fetch", include_str!("../../testdata/causes/fetch.txt")),
    ("liveos", include_str!("../../testdata/causes/liveos.txt")),
    ("storage", include_str!("../../testdata/causes/storage.txt")),
    ("image", include_str!("../../testdata/causes/image.txt")),
    ("bootloader", include_str!("../../testdata/causes/bootloader.txt")),
    ("firstboot", include_str!("../../testdata/causes/firstboot.txt")),
    // What programs of initrds and loaders say, message by message.
    ("programs", include_str!("../../testdata/causes/programs.txt")),
    // The same of many programs more.
    ("messages", include_str!("../../testdata/causes/messages.txt")),
];

/// One log of such a file.
struct Case {
    place: String,
    /// The id that must not be named, where it is a near miss.
    not: Option<&'static str>,
    /// The likeliest cause, `nothing` or `unknown`.
    wanted: &'static str,
    log: String,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (name, text) in FILES {
        let mut in_log = false;
        for (at, line) in text.lines().enumerate() {
            if let Some(head) = line.strip_prefix("## ") {
                let (not, wanted) = match head.strip_prefix("not ").and_then(|rest| rest.split_once(", but "))
                {
                    Some((not, wanted)) => (Some(not), wanted),
                    None => (None, head),
                };
                cases.push(Case { place: format!("{name}.txt:{}", at + 1), not, wanted, log: String::new() });
                in_log = false;
            } else if let Some(case) = cases.last_mut() {
                in_log |= !line.starts_with("# ");
                if in_log {
                    case.log += line;
                    case.log.push('\n');
                }
            }
        }
    }
    cases
}

fn named(diagnosis: &Diagnosis) -> Vec<&'static str> {
    match &diagnosis.verdict {
        Verdict::Failed(findings) => findings.iter().map(|finding| finding.cause.id).collect(),
        _ => Vec::new(),
    }
}

/// The cause that a line is only like a message of.
fn alike(diagnosis: &Diagnosis) -> Option<&'static str> {
    match &diagnosis.verdict {
        Verdict::Alike(alike) => Some(alike.finding.cause.id),
        _ => None,
    }
}

/// A wrong cause is worse than none: each log gives its cause, each near miss gives another or none.
#[test]
fn logs_give_their_causes() {
    let mut wrong = Vec::new();
    for case in cases() {
        let diagnosis = diagnose(case.log.trim_end().as_bytes());
        let named = named(&diagnosis);
        let found = match &diagnosis.verdict {
            Verdict::Failed(_) => named[0],
            Verdict::Well => "nothing",
            Verdict::Alike(_) | Verdict::Unknown(_) | Verdict::Nothing => "unknown",
        };
        let alike = alike(&diagnosis);
        if found != case.wanted || case.not.is_some_and(|not| named.contains(&not) || alike == Some(not)) {
            let not = case.not.map(|not| format!(" (and never {not})")).unwrap_or_default();
            wrong
                .push(format!("{}: {}{not}, but found {found} {named:?} {alike:?}", case.place, case.wanted));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A cause without a log of its own may never be found; one without a near miss may be found anywhere.
#[test]
fn every_cause_has_a_log_and_a_near_miss() {
    let cases = cases();
    let found: BTreeSet<&str> =
        cases.iter().filter(|case| case.not.is_none()).map(|case| case.wanted).collect();
    let missed: BTreeSet<&str> = cases.iter().filter_map(|case| case.not).collect();
    let mut lacking = Vec::new();
    for (_, cause) in all().filter(|(_, cause)| cause.signs().next().is_some()) {
        if !found.contains(cause.id) {
            lacking.push(format!("{}: no log", cause.id));
        }
        if !missed.contains(cause.id) {
            lacking.push(format!("{}: no near miss", cause.id));
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}

/// A diagnosis as these tests read it.
fn text(diagnosis: &Diagnosis) -> String {
    let mut text = match &diagnosis.rung {
        Some((rung, proof)) => format!("{} by line {}\n", rung.id(), proof.line),
        None => "no rung\n".to_owned(),
    };
    for earlier in &diagnosis.earlier {
        text += &format!("earlier: {:?} {:?}\n", earlier.lines, earlier.cause);
    }
    match &diagnosis.verdict {
        Verdict::Failed(findings) => {
            for finding in findings {
                text += &format!("{} {:.2}\n{}\n", finding.cause.id, finding.confidence, finding.sentence);
                for evidence in &finding.evidence {
                    text += &format!("  {}: {} ×{}\n", evidence.line, evidence.text, evidence.times);
                }
                for consequence in &finding.consequences {
                    text += &format!("  then {} in line {}\n", consequence.id, consequence.evidence.line);
                }
                finding.fix.iter().take(3).for_each(|fix| text += &format!("  fix: {fix}\n"));
            }
        }
        Verdict::Alike(alike) => {
            text += &format!("like {} {:.2}\n", alike.finding.cause.id, alike.finding.confidence);
            text += &format!("{}\n", alike.finding.sentence);
        }
        Verdict::Well => text += "well\n",
        Verdict::Unknown(odd) => text += &format!("unknown: {odd:?}\n"),
        Verdict::Nothing => text += "nothing known\n",
    }
    text
}

fn check(log: &str, wanted: &Expect) {
    wanted.assert_eq(&text(&diagnose(log.as_bytes())));
}

/// The story that all this serves: the driver is the cause, the panic only follows from it.
#[test]
fn the_story_is_told() {
    let failure = include_str!("../../testdata/story/failure.log");
    check(
        failure,
        &expect![[r#"
            initrd-spoke by line 3
            nic-driver-missing 0.97
            The live system has no driver for this machine's network card: no interface but lo exists.
              11: ipconfig: no devices to configure ×10
              21: /init: .: line 252: can't open '/run/net-*.conf' ×1
              then init-exited in line 22
              fix: Debian: install the full kernel and rebuild: `apt install linux-image-amd64` (not -cloud-amd64), MODULES=most in /etc/initramfs-tools/initramfs.conf, `update-initramfs -u -k all`
              fix: bootworks line: `bootworks check` names the package; set it as `kernel = "linux-image-amd64"` under [live] in line.toml, then `bootworks build`
              fix: Ubuntu: `apt install linux-modules-extra-$(uname -r)` (before 18.04: linux-image-extra-$(uname -r)) in the live system, then `update-initramfs -u -k all`
        "#]],
    );
    let panic = include_str!("../../testdata/story/panic.log");
    check(
        panic,
        &expect![[r#"
            no rung
            init-exited 0.90
            PID 1 ended (exit status 2, the shell could not open or understand a file); the kernel's panic is only its answer.
              1: Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000200 ×1
              fix: read the lines before the panic: on a serial console (`console=tty0 console=ttyS0,115200`) they are kept
              fix: exitcode 0x200 right after `no devices to configure`: the network card has no driver (`bootworks explain nic-driver-missing`)
              fix: `panic=0` keeps the screen; `break=premount` (initramfs-tools) or `rd.break` (dracut) gives a shell before it
        "#]],
    );
    let success = include_str!("../../testdata/story/success.log");
    check(
        success,
        &expect![[r#"
        mounted-root by line 24
        well
    "#]],
    );
}

/// A console that is quiet until the kernel is warm has no first line: its seconds still tell two boots apart, and
/// what stopped the first is no longer what stops the second.
#[test]
fn seconds_that_go_back_begin_a_boot() {
    check(
        "[    4.1] ipconfig: no devices to configure\n\
         [   31.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000200\n\
         [    0.9] sda: sda1 sda2\n\
         [   12.2] Kernel panic - not syncing: Fatal machine check\n",
        &expect![[r#"
            no rung
            earlier: (1, 2) Some("nic-driver-missing")
            mce-error 0.90
            The processor reports a hardware fault (machine check): memory, processor or a bus is broken.
              4: Kernel panic - not syncing: Fatal machine check ×1
              fix: read the server's event log (`ipmitool sel list`): it names the module or slot
              fix: change the DIMM it names, or test: memtest86+ for a night; reseat after transport
              fix: bring firmware and microcode up to date
        "#]],
    );
    // Pieces of one boot, not in their order.
    check(
        "[   14.1] ipconfig: no devices to configure\n[    9.0] igb 0000:03:00.0: added PHC on eth0\n",
        &expect![[r#"
            no rung
            nic-driver-missing 0.85
            The live system has no driver for this machine's network card: no interface but lo exists.
              1: ipconfig: no devices to configure ×1
              fix: bootworks line: `bootworks check` names the package; set it as `kernel = "linux-image-amd64"` under [live] in line.toml, then `bootworks build`
              fix: Debian: install the full kernel and rebuild: `apt install linux-image-amd64` (not -cloud-amd64), MODULES=most in /etc/initramfs-tools/initramfs.conf, `update-initramfs -u -k all`
              fix: Ubuntu: `apt install linux-modules-extra-$(uname -r)` (before 18.04: linux-image-extra-$(uname -r)) in the live system, then `update-initramfs -u -k all`
        "#]],
    );
}

/// shim may ask for its list of revocations, which nobody has: what it asks for next is what it needs.
#[test]
fn the_second_stage_of_shim_is_known_by_what_it_asked_before() {
    let asks = |file: &str| format!("in.tftpd[7]: RRQ from 10.9.8.44 filename {file}\n");
    let refuses = "in.tftpd[7]: sending NAK (1, File not found) to 10.9.8.44\n";
    let log = [asks("shimx64.efi"), asks("revocations.efi"), refuses.into(), asks("?USB"), refuses.into()];
    check(
        &log.concat(),
        &expect![[r#"
            no rung
            shim-second-stage 0.90
            shim on 10.9.8.44 asks for its second stage ?USB, which is not there.
              5: second stage ?USB of shim on 10.9.8.44 File not found ×1
              fix: put the distribution's signed grubx64.efi into the folder of shimx64.efi, under exactly this name
              fix: send next-server in the DHCP answer itself (siaddr), not only option 66: shim reads that
              fix: give shim a path with a folder: from the root it asks for `//grubx64.efi`
        "#]],
    );
}
