//! The store against a real SQLite file: what is told once is there once, whatever happens to the server.

use super::sqlite::SqliteShelf;
use super::*;
use model::timeline::Trouble;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use wire::dhcp::server::leases::State;

const BOX: Mac = Mac([0x52, 0x54, 0, 0, 0, 1]);

async fn open(folder: &std::path::Path) -> Store {
    Store::open(SqliteShelf::open(folder).await.unwrap()).await.unwrap().0
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(future)
}

fn said(number: u64) -> Event {
    Event::Said { line: format!("line {number}") }
}

fn report(boot: &str, first: u64, count: u64) -> Report {
    Report {
        of: BOX,
        boot: boot.into(),
        first,
        build: "test".into(),
        events: (first..first + count).map(said).collect(),
    }
}

fn lines(entries: &[Entry]) -> Vec<String> {
    let line = |entry: &Entry| match &entry.event {
        Event::Said { line } => line.clone(),
        other => format!("{other:?}"),
    };
    entries.iter().map(line).collect()
}

/// A box sends again until it is answered: repeats and overlaps must not double a line, nor a gap lose one.
#[test]
fn a_report_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let store = open(folder.path()).await;
        store.report(report("a", 0, 3)).await.unwrap();
        store.report(report("a", 0, 3)).await.unwrap();
        let twice = [store.report(report("a", 1, 4)), store.report(report("a", 1, 4))];
        for done in twice {
            done.await.unwrap();
        }
        store.report(report("b", 0, 1)).await.unwrap();
        let entries = store.entries(Some(BOX), 0).await.unwrap();
        assert_eq!(lines(&entries), ["line 0", "line 1", "line 2", "line 3", "line 4", "line 0"]);
        assert_eq!(store.state(BOX).unwrap().sequence, 6);
    });
    // A server that starts again knows the numbers still.
    run(async {
        let store = open(folder.path()).await;
        store.report(report("a", 0, 5)).await.unwrap();
        store.report(report("a", 4, 2)).await.unwrap();
        let entries = store.entries(None, 5).await.unwrap();
        assert_eq!(lines(&entries), ["line 0", "line 5"]);
        assert_eq!(entries.last().unwrap().sequence, 7);
    });
}

/// A confirmation is for the plan on the screen now: the next boot of the same box must ask again.
#[test]
fn a_confirmation_counts_for_one_boot() {
    let folder = tempfile::tempdir().unwrap();
    let shown = |boot: &str| Report {
        events: vec![
            Event::Reached { rung: Rung::InitrdSpoke, detail: String::new() },
            Event::PlanShown { text: "1. lay out nvme0n1".into() },
        ],
        ..report(boot, 0, 0)
    };
    run(async {
        let store = open(folder.path()).await;
        store.report(report("a", 0, 1)).await.unwrap();
        assert!(!store.confirm(BOX).await.unwrap(), "nothing to confirm yet");
        assert!(!store.report(shown("b")).await.unwrap().confirmed);
        assert!(store.confirm(BOX).await.unwrap());
        assert!(store.report(report("b", 2, 1)).await.unwrap().confirmed);
        assert!(!store.report(shown("c")).await.unwrap().confirmed);
    });
}

/// Answers wait for their box, also over a restart of the server, and are gone once the box is finished.
#[test]
fn leases_answers_and_records_outlive_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let address = Ipv4Addr::new(10, 77, 0, 50);
    let lease = Lease { mac: BOX, address, until: Duration::from_millis(77), state: State::Taken };
    let before = Lease { mac: Mac([2, 0, 0, 0, 0, 9]), state: State::Offered, ..lease };
    run(async {
        let store = open(folder.path()).await;
        store.keep_lease(before).await.unwrap();
        store.keep_lease(lease).await.unwrap();
        store.keep_answers(BOX, [("site".into(), "lab".into())].into()).await.unwrap();
        store.seal(BOX, "{\"a\":1}".into()).await.unwrap();
    });
    run(async {
        let store = open(folder.path()).await;
        assert_eq!(store.leases(), [lease]);
        assert_eq!(store.box_at(lease.address), Some(BOX));
        assert_eq!(store.sealed(BOX).await.unwrap().as_deref(), Some("{\"a\":1}"));
        let orders = store.report(report("a", 0, 1)).await.unwrap();
        assert_eq!(orders.answers["site"], "lab");
        let off = vec![Event::Reached { rung: Rung::PoweredOff, detail: String::new() }];
        store.record(BOX, off).await.unwrap();
        assert!(store.answers(BOX).is_empty());
    });
    run(async { assert!(open(folder.path()).await.answers(BOX).is_empty()) });
}

/// `boxes` reads while the server writes, and after it ended; a live reader sees what comes.
#[test]
fn others_read_along() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        assert!(SqliteShelf::read(folder.path()).await.unwrap().is_none());
        let store = open(folder.path()).await;
        let mut live = store.live();
        store.note(BOX, said(1));
        assert_eq!(lines(&[(*live.recv().await.unwrap()).clone()]), ["line 1"]);
        let reader = SqliteShelf::read(folder.path()).await.unwrap().unwrap();
        let mut count = 0;
        reader.entries(None, 0, &mut |_| count += 1).await.unwrap();
        assert_eq!(count, 1);
    });
    run(async {
        let reader = SqliteShelf::read(folder.path()).await.unwrap().unwrap();
        let mut count = 0;
        reader.entries(None, 0, &mut |_| count += 1).await.unwrap();
        assert_eq!(count, 1);
    });
}

/// An entry written by another version must not keep the factory from starting.
#[test]
fn an_unreadable_entry_is_passed_over_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let store = open(folder.path()).await;
        let trouble = Trouble {
            cause: "no-carrier".into(),
            rung: Rung::LinkUp,
            sentence: "no carrier".into(),
            evidence: Vec::new(),
            fix: Vec::new(),
        };
        store.record(BOX, vec![said(1), Event::BootRefused { trouble }, said(3)]).await.unwrap();
    });
    run(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join(sqlite::FILE));
        let mut file = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
        let sql = "UPDATE entry SET event = '{\"event\":\"of-tomorrow\"}' WHERE sequence = 2";
        sqlx::query(sql).execute(&mut file).await.unwrap();
        let (store, unreadable) = Store::open(SqliteShelf::open(folder.path()).await.unwrap()).await.unwrap();
        assert_eq!(unreadable, Unreadable(1));
        assert_eq!(store.state(BOX).unwrap().sequence, 3);
    });
}

/// A thousand boxes that report at once are answered in about a second, each report safely on the disk.
#[test]
fn a_thousand_reports_are_quick() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let store = open(folder.path()).await;
        let start = std::time::Instant::now();
        let tasks: Vec<_> = (0..1000u64)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(
                    async move { store.report(report(&format!("boot-{number}"), 0, 3)).await.unwrap() },
                )
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let took = start.elapsed();
        assert_eq!(store.entries(None, 0).await.unwrap().len(), 3000);
        assert!(took < Duration::from_secs(5), "1,000 reports took {took:?}");
    });
}

/// The child of the next test: reports until it is killed, telling each answer it got.
const CHILD: &str = "BOOTWORKS_TEST_STORE_CHILD";

/// `kill -9` in the middle of reports: what was answered is there, and what is sent again is there once.
#[test]
fn killed_at_any_moment_nothing_is_lost_or_doubled() {
    if let Some(folder) = std::env::var_os(CHILD) {
        run(async {
            let store = open(std::path::Path::new(&folder)).await;
            for number in 0.. {
                store.report(report("a", number * 2, 2)).await.unwrap();
                crate::report::say(&format!("answered {number}"));
            }
        });
    }
    for kill_after in [1usize, 7, 40] {
        let folder = tempfile::tempdir().unwrap();
        let test = "serve::store::tests::killed_at_any_moment_nothing_is_lost_or_doubled";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut answered = 0;
        for line in output.lines().map_while(Result::ok) {
            if line.contains("answered ") {
                answered += 1;
                if answered == kill_after {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        run(async {
            let store = open(folder.path()).await;
            // The box did not see the answer to its last report: it sends it again, with what came since.
            store.report(report("a", (answered as u64 - 1) * 2, 10)).await.unwrap();
            let entries = store.entries(Some(BOX), 0).await.unwrap();
            let expected: Vec<String> = (0..entries.len()).map(|number| format!("line {number}")).collect();
            assert_eq!(lines(&entries), expected);
            assert!(entries.len() >= answered * 2 + 8);
            let sequences: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
            assert_eq!(sequences, (1..=entries.len() as u64).collect::<Vec<_>>());
        });
    }
}
