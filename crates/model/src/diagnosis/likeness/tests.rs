//! Likenesses: of lines worded anew, and of the exam's practice as if it had never been learned.

#![allow(clippy::disallowed_methods, reason = "a test reads its files")]
#![allow(clippy::print_stderr, reason = "the score is what one runs it for")]

use super::{FATAL, MESSAGES, Message, ODD, likest_of, words};
use crate::catalogue::Stage;
use crate::diagnosis::reading::Boot;
use crate::diagnosis::{Reader, Verdict, diagnose, judge};
use proptest::strategy::Strategy as _;
use std::path::Path;

fn like(log: &str) -> String {
    match diagnose(log.as_bytes()).verdict {
        Verdict::Alike(alike) => {
            let line = &alike.finding.evidence[0];
            format!("{} by line {}: {}", alike.finding.cause.id, line.line, alike.message)
        }
        Verdict::Failed(findings) => format!("{} is found", findings[0].cause.id),
        Verdict::Unknown(_) => "unknown".into(),
        Verdict::Well | Verdict::Nothing => "-".into(),
    }
}

#[test]
fn a_message_worded_anew_is_told_by_its_nouns() {
    let check = |log, wanted| assert_eq!(like(log), wanted, "{log}");
    check(
        "mount.nfs: error: server denied access while it was mounting\n",
        "nfs-access-denied by line 1: access denied by server while mounting …",
    );
    check(
        "writer: sda is open\nwriter: error while it was writing sector 1629312 of sda: Input/output error\n",
        "disk-io-error by line 2: error while writing sector …: Input/output error",
    );
    // Two that are as near.
    check("x: mounting a on /mnt failed: No such file or directory\n", "unknown");
    // One noun is in too many messages, and the name of a program is one, too.
    check("error: the certificate\n", "unknown");
    check("dnsmasq-tftp[21]: error 0 Early terminate received from 10.9.8.30\n", "unknown");
    // What failed because of something else says nothing of it.
    check("Dependency failed for offers that DHCP received\n", "unknown");
    // No failure of the network stopped a box whose root is mounted.
    let odd = "dhclient: error: no DHCP offers were ever received\n";
    check(odd, "dhcp-no-offer by line 1: No DHCP offers were received");
    let later = format!("systemd[1]: Switching root.\n{odd}Kernel panic - not syncing: frobnication\n");
    check(&later, "unknown");
    // What comes after it took it back.
    check(&format!("{odd}systemd[1]: Reached target multi-user.target - Multi-User System.\n"), "-");
}

#[test]
fn numbers_and_addresses_are_no_words() {
    let text = "[  3.1] igb 0000:3b:00.0 52:54:00:aa:bb:cc can't open /run/net-*.conf: error -2 (https://ipxe.org/2d0c)";
    let words: Vec<String> = words(text).into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, ["igb", "cant", "open", "run", "net", "conf", "error", "-2"]);
}

#[derive(serde::Deserialize)]
struct Half {
    log: Vec<Log>,
}

#[derive(serde::Deserialize)]
struct Log {
    file: String,
    accept: Vec<String>,
}

/// A sign of the catalogue: stage, number of the cause, number of the sign.
type Sign = (Stage, usize, usize);

/// Makes the boot one of which none of the signs is known that stand in it for these causes, and gives those back.
fn forget(boot: &mut Boot, causes: &[String]) -> Vec<Sign> {
    let is_of = |(stage, number, _): &Sign| {
        stage.cause(*number).is_some_and(|cause| causes.iter().any(|id| id == cause.id))
    };
    let forgotten: Vec<Sign> = boot.open.keys().copied().filter(is_of).collect();
    let mut lines: Vec<_> =
        forgotten.iter().filter_map(|sign| boot.open.remove(sign)).map(|sight| sight.first).collect();
    lines.sort_by_key(|line| line.line);
    lines.dedup_by_key(|line| line.line);
    for line in lines {
        let text = line.text.to_ascii_lowercase();
        let is_odd = ODD.iter().chain(FATAL).any(|word| text.contains(&word.to_ascii_lowercase()));
        if is_odd && boot.open.values().all(|sight| sight.first.line != line.line) {
            boot.strange.keep(line.line, &line.text);
        }
    }
    forgotten
}

/// Every log of the exam's practice is asked as if what stands in it for its cause had never been learned. A likeness
/// that is wrong more often than every third time is worse than none.
#[test]
fn it_is_right_twice_as_often_as_wrong() {
    let (mut right, mut wrong, mut none) = (0, Vec::new(), 0);
    for half in ["practice", "second-practice", "third"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/exam").join(half);
        let list = std::fs::read_to_string(folder.join("exam.toml")).unwrap();
        for Log { file, accept } in toml::from_str::<Half>(&list).unwrap().log {
            let mut reader = Reader::new();
            reader.take(&std::fs::read(folder.join(&file)).unwrap());
            let (_, mut boot) = reader.judge();
            let forgotten = forget(&mut boot, &accept);
            let is_known = |message: &Message| {
                let mut signs = forgotten.iter().filter_map(|(stage, cause, sign)| {
                    let of = (*stage, *cause) == (message.stage, message.cause);
                    stage.cause(*cause)?.sign(*sign).filter(|_| of)
                });
                signs.all(|sign| sign.line.text() != message.text)
            };
            if !matches!(judge::judge(&boot), Verdict::Unknown(_)) {
                continue;
            }
            match likest_of(&boot, is_known) {
                None => none += 1,
                Some(likest) if accept.iter().any(|id| id == likest.cause.id) => right += 1,
                Some(likest) => wrong.push(format!("{file}: {}, like {}", likest.cause.id, likest.message)),
            }
        }
    }
    eprintln!("{right} right, {} wrong, {none} like nothing\n{}", wrong.len(), wrong.join("\n"));
    assert!(right >= 30 && right >= 2 * wrong.len(), "{right} right\n{}", wrong.join("\n"));
}

const LINES: &[&str] = &[
    "mount.nfs: error: server denied access while it was mounting",
    "writer: error while it was writing sector 1629312 of sda: Input/output error",
    "dracut: FATAL: parameter 'ip' has the value 'static', unknown",
    "dhclient: error: no DHCP offers were ever received",
    "error: the flux cannot be calibrated",
    "Dependency failed for offers that DHCP received",
];

proptest::proptest! {
    /// Whatever stands in a log, it is like nothing more than a message is like itself.
    #[test]
    fn likeness_never_panics(line in "\\PC{0,300}") {
        for (score, _) in MESSAGES.like(&line) {
            assert!((0.0..=1.000_001).contains(&score), "{score}");
        }
    }

    /// Two logs of the same odd lines come closest to the same cause, in whatever order a logger wrote them.
    #[test]
    fn the_order_of_lines_does_not_matter(
        lines in proptest::sample::subsequence(LINES, 1..=LINES.len()).prop_shuffle(),
    ) {
        let cause = |lines: &[&str]| like(&lines.join("\n")).split(" by ").next().unwrap().to_owned();
        let mut sorted = lines.clone();
        sorted.sort_unstable();
        assert_eq!(cause(&lines), cause(&sorted));
    }
}
