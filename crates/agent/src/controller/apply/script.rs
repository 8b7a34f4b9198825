//! A program of the line, run in the appliance before its boot loader is installed.
//!
//! It has the appliance as its root and nothing of the live OS but `/dev`, `/proc` and `/sys` of its own; no network. What it
//! changes is read back like everything else, so its changes are looked for afterwards.

use super::fault::{Blame as _, Fault, Outcome};
use super::ledger::{Ledger, digest_of_all};
use crate::controller::witness::Witness;
use linux::process::Child;
use linux::tree::{Attributes, Tree};
use model::api::Script;
use model::failure::{Explain as _, Result};
use model::timeline::Event;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the program stands while it runs; `/run` and `/tmp` are not the appliance's own then.
const PLACE: &str = "/var/lib/bootworks-script";

/// Runs one program in the tree at `target`.
pub(crate) fn run(
    target: &Path,
    script: &Script,
    environment: &[(String, String)],
    witness: &dyn Witness,
    ledger: &mut Ledger,
) -> Outcome<()> {
    let attributes = Attributes { user: 0, group: 0, mode: 0o700, seconds: 0 };
    let opened = Tree::open(target).map_err(std::io::Error::from);
    let mut tree = opened.or_fail(|| "cannot open the target".into()).blame("disk-io-error")?;
    let written = tree.write(Path::new(PLACE), script.contents.as_bytes(), attributes);
    written.or_fail(|| format!("cannot write {PLACE} into the target")).blame("disk-io-error")?;
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut child = Child::at(PLACE).without_environment().in_folder("/");
    child = child
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root");
    for (name, value) in environment {
        child = child.env(name, value);
    }
    let tell = |line: &str| {
        let line = format!("{}: {line}", script.name);
        witness.say(&line);
        witness.tell(Event::Said { line });
    };
    let ran = child.in_root(target).run_telling(Duration::from_secs(script.seconds), &tell);
    // It is ours and not the appliance's, whatever became of it.
    let removed = tree.remove(Path::new(PLACE)).map_err(std::io::Error::from);
    if let Err(failure) = ran {
        let failure = failure.doing(format!("running {} in the appliance", script.name));
        let hint = format!("change `{}` in the line's folder, then retry", script.name);
        return Err(Fault { cause: "appliance-invalid", failure: failure.hint(hint) });
    }
    removed.or_fail(|| format!("cannot remove {PLACE} from the target")).blame("disk-io-error")?;
    note_changes(&tree, begun, ledger).blame("disk-io-error")
}

/// Keeps what the program has made and changed, and forgets what it took away.
pub(super) fn note_changes(tree: &Tree, begun: u64, ledger: &mut Ledger) -> Result<()> {
    let mut gone: std::collections::BTreeSet<_> = ledger.files().map(|(path, _)| path.to_owned()).collect();
    let entries = tree.walk(Path::new("/")).or_fail(|| "cannot look through the target".into())?;
    for entry in entries.into_iter().filter(|entry| entry.is_file) {
        gone.remove(&entry.path);
        let cannot = || format!("cannot read {} of the target", entry.path.display());
        let mut file = tree.read(&entry.path).map_err(std::io::Error::from).or_fail(cannot)?;
        // The change time is the kernel's own: nothing can turn it back, as touch(1) does the modification time. A
        // second more, since the clocks of files tick coarsely.
        let changed = file.metadata().or_fail(cannot)?.ctime();
        if u64::try_from(changed).unwrap_or_default() + 1 >= begun {
            ledger.keep(&entry.path, digest_of_all(&mut file).or_fail(cannot)?);
        }
    }
    gone.iter().for_each(|path| ledger.forget(path));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::witness::tests::Collector;
    use expect_test::expect;

    /// Answers reach the program, its output the timeline, its changes the ledger; one that hangs or fails stops the
    /// installation, with its last words.
    #[test]
    fn system_a_script_runs_in_the_appliance() {
        if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
            eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root, busybox-static)");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        for name in ["proc", "sys", "dev", "run", "tmp", "bin", "etc"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::copy("/bin/busybox", folder.path().join("bin/busybox")).unwrap();
        std::os::unix::fs::symlink("busybox", folder.path().join("bin/sh")).unwrap();
        std::fs::write(folder.path().join("etc/gone"), "x").unwrap();
        let mut ledger = Ledger::default();
        ledger.keep(Path::new("/etc/gone"), [0; 32]);
        let collector = Collector::default();
        let environment = [("ANSWER_site".to_owned(), "lab".to_owned())];
        let mut play = |contents: &str, seconds: u64| {
            let script = Script { name: "scripts/enrol".into(), contents: contents.into(), seconds };
            run(folder.path(), &script, &environment, &collector, &mut ledger)
                .map_err(|fault| fault.failure.report())
        };
        play(
            "#!/bin/sh\necho at $ANSWER_site\n/bin/busybox rm /etc/gone\necho $ANSWER_site > /etc/site\n",
            20,
        )
        .unwrap();
        expect![[r#"
            error: `/var/lib/bootworks-script` ended with exit code 3
            while: running scripts/enrol in the appliance
            because: no licence
            hint: change `scripts/enrol` in the line's folder, then retry"#]]
        .assert_eq(&play("#!/bin/sh\necho no licence >&2\nexit 3\n", 20).unwrap_err());
        expect![[r#"
            error: `/var/lib/bootworks-script` was still running after 1 s and was ended
            while: running scripts/enrol in the appliance
            hint: change `scripts/enrol` in the line's folder, then retry"#]]
        .assert_eq(&play("#!/bin/sh\nwhile :; do /bin/busybox sleep 1; done\n", 1).unwrap_err());
        let paths: Vec<String> = ledger.files().map(|(path, _)| path.display().to_string()).collect();
        assert!(
            paths.contains(&"/etc/site".to_owned()) && !paths.contains(&"/etc/gone".to_owned()),
            "{paths:?}"
        );
        assert!(!folder.path().join("var/lib/bootworks-script").exists());
        assert_eq!(collector.lines.lock().unwrap()[0], "scripts/enrol: at lab");
    }
}
