//! What was provoked in rehearsals: the consoles' logs as they were captured, held against what was broken, and the
//! guide's page of it.

#![allow(clippy::disallowed_methods, reason = "a test reads its files")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use expect_test::expect_file;
use model::catalogue;
use model::diagnosis::{Verdict, diagnose};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One row of the table.
#[derive(serde::Deserialize)]
struct Provoked {
    name: String,
    arguments: Vec<String>,
    what: String,
    cause: String,
    seen: Vec<String>,
    /// What is replaced by what in `line.toml`.
    #[serde(default)]
    line: Vec<(String, String)>,
    /// Day and seconds of the rehearsal that was green last, where they were kept.
    green: Option<(String, u32)>,
}

#[derive(serde::Deserialize)]
struct Table {
    provoked: Vec<Provoked>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/provoked")
}

fn table() -> Vec<Provoked> {
    let text = std::fs::read_to_string(folder().join("table.toml")).unwrap();
    toml::from_str::<Table>(&text).unwrap().provoked
}

/// A row that says it is recognised by its log is; one that says otherwise may have been forgotten.
#[test]
fn captured_logs_give_what_was_broken() {
    let mut wrong = Vec::new();
    for row in table() {
        assert!(catalogue::find(&row.cause).is_some(), "{}: {} is no cause", row.name, row.cause);
        let known = ["log", "timeline", "screen"];
        assert!(row.seen.iter().all(|seen| known.contains(&seen.as_str())), "{}: {:?}", row.name, row.seen);
        let log = std::fs::read(folder().join(format!("{}.log", row.name))).unwrap();
        let found: Vec<&str> = match diagnose(&log).verdict {
            Verdict::Failed(findings) => findings.iter().map(|finding| finding.cause.id).collect(),
            _ => Vec::new(),
        };
        let is_read = found.first() == Some(&row.cause.as_str());
        let says_so = row.seen.iter().any(|seen| seen == "log");
        let on_screen = String::from_utf8_lossy(&log).contains(&format!("cause: {}", row.cause));
        if is_read != says_so || on_screen != row.seen.iter().any(|seen| seen == "screen") {
            wrong.push(format!(
                "{}: {}, but the log gives {found:?}; screen: {on_screen}",
                row.name, row.cause
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const HEAD: &str = "# Provoked

What was broken on purpose in rehearsals, and by what its cause was recognised: from the console's log alone, as
`bootworks diagnose` reads it; from the timeline, told by the box or found by the server; on the box's own screen.
`KERNEL`, `INITRD` and the digest `LIVE` are the line's own; `STOCK-INITRD` is one that Debian's mkinitramfs made;
`DRACUT-INITRD` is dracut's; `DISKS` are a finished box's, kept by `--keep-disks`.
`cargo xtask test` runs one of these each day, `--rehearsals` all. Where a rehearsal's day and seconds were kept, the last
column has those of the last one that was green; the machine was QEMU's translator on two shared processors.

| what is broken | `bootworks rehearse …` | cause | log | timeline | screen | green |
| --- | --- | --- | --- | --- | --- | --- |
";

/// The guide says what was seen, and no more.
#[test]
fn the_guide_has_what_was_provoked() {
    let mut page = HEAD.to_owned();
    for Provoked { arguments, what, cause, seen, line, green, .. } in table() {
        let (stage, _) = catalogue::find(&cause).unwrap();
        let by = |road: &str| if seen.iter().any(|seen| seen == road) { "yes" } else { "" };
        let quoted = arguments.iter().map(|word| match word.contains(' ') {
            true => format!("'{word}'"),
            false => word.clone(),
        });
        let arguments: Vec<String> = quoted.collect();
        let changes = line.iter().map(|(from, to)| match to.is_empty() {
            true => format!(", `line.toml` without `{}`", from.trim_matches([',', ' '])),
            false => {
                let new = to.lines().filter(|line| !line.is_empty() && !from.contains(line));
                format!(", `line.toml` with `{}`", new.collect::<Vec<_>>().join("`, `"))
            }
        });
        let _ = writeln!(
            page,
            "| {what} | `{}`{} | [`{cause}`](causes/{}.md#{cause}) | {} | {} | {} | {} |",
            arguments.join(" "),
            changes.collect::<String>(),
            stage.id(),
            by("log"),
            by("timeline"),
            by("screen"),
            green.map(|(day, seconds)| format!("{day}, {seconds} s")).unwrap_or_default()
        );
    }
    expect_file!["../../../docs/src/provoked.md"].assert_eq(&page);
}
