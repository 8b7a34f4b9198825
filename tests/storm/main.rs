//! A rack that is powered on at once: boxes that speak the real protocols over real sockets to the real server.
//!
//! Each box is a thread that does what firmware, iPXE, initrd and kernel do, in their order and with their
//! patience; see [`machine`]. `BOOTWORKS_STORM=1000` makes the rack larger; `cargo xtask bench storm` does.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on says so by panicking, and what it measured on its output"
)]

mod cable;
mod field;
mod machine;
mod root;

use field::Field;
use machine::{Machine, Post, Times};
use std::time::{Duration, Instant};

/// Boxes in the ordinary run.
const FEW: usize = 40;
/// Memory that the server may take for a thousand of them.
const MEMORY_MIB: u64 = 512;

fn skipped() -> bool {
    let missing = std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none();
    if missing {
        eprintln!("skipped: needs root (BOOTWORKS_TEST_SYSTEM=1, set by `cargo xtask test`)");
    }
    missing
}

fn boxes() -> usize {
    std::env::var("BOOTWORKS_STORM").ok().and_then(|text| text.parse().ok()).unwrap_or(FEW)
}

/// Powers `count` boxes on within a second and waits until each of them has ended.
fn power_on(field: &Field, count: usize) -> Vec<Result<Times, String>> {
    field.enter();
    let post = Post::open();
    let start = Instant::now();
    let threads: Vec<_> = (0..count)
        .map(|index| {
            let machine = Machine::new(index, field, &post);
            let late = Duration::from_millis((index * 997 % 1000) as u64);
            let body = move || {
                std::thread::sleep(late.saturating_sub(start.elapsed()));
                machine.boot().map_err(|why| format!("{}: {why}", machine.mac()))
            };
            // A thousand of them: small stacks.
            std::thread::Builder::new().stack_size(256 * 1024).spawn(body).unwrap()
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// Every box of a rack that is powered on at once reaches the controller, none of them starves, and the server
/// stays small.
#[test]
fn system_a_rack_powered_on_at_once_boots() {
    if skipped() {
        return;
    }
    let field = Field::prepare("storm-s", "storm-c");
    let mut server = field.serve();
    field.enter();
    let began = Instant::now();
    let ended = power_on(&field, boxes());
    let took = began.elapsed();
    let failed: Vec<&String> = ended.iter().filter_map(|end| end.as_ref().err()).collect();
    assert!(
        failed.is_empty(),
        "{} of {} boxes failed: {:#?}",
        failed.len(),
        ended.len(),
        &failed[..failed.len().min(5)]
    );
    let mut fetching: Vec<Duration> = ended.iter().flatten().map(|times| times.fetching).collect();
    fetching.sort();
    let (fastest, slowest) = (fetching[0], fetching[fetching.len() - 1]);
    let memory = server.peak_memory_mib();
    println!(
        "{} boxes in {:.1} s ({:.0} a minute); kernel and initrd in {:.2} to {:.2} s, median {:.2} s; server {memory} MiB",
        ended.len(),
        took.as_secs_f64(),
        ended.len() as f64 * 60.0 / took.as_secs_f64(),
        fastest.as_secs_f64(),
        slowest.as_secs_f64(),
        fetching[fetching.len() / 2].as_secs_f64(),
    );
    assert!(memory < MEMORY_MIB, "the server took {memory} MiB");
    // On the timelines: every box at the controller, each on its own address.
    let boxes = server.boxes();
    let mut addresses = std::collections::BTreeSet::new();
    for state in &boxes {
        assert_eq!(state["highest"], "controller-spoke", "{state:#}");
        addresses.insert(state["address"].as_str().unwrap().to_owned());
    }
    assert_eq!((boxes.len(), addresses.len()), (ended.len(), ended.len()));
}

/// Reads a whole tree from whatever NFS server `BOOTWORKS_NFS` names, `ADDRESS MOUNT-PORT EXPORT`, and prints what it
/// came to; `cargo xtask bench serve` asks our server and another one so.
#[test]
fn bench_reads_a_tree() {
    let Ok(server) = std::env::var("BOOTWORKS_NFS") else {
        return eprintln!(
            "skipped: needs a server to read from (BOOTWORKS_NFS, set by `cargo xtask bench serve`)"
        );
    };
    let words: Vec<&str> = server.split(' ').collect();
    let tree = root::read_tree(words[0].parse().unwrap(), words[1].parse().unwrap(), words[2]).unwrap();
    println!(
        "read-tree folders={} files={} bytes={} walking-ms={} reading-ms={} copying-ms={}",
        tree.folders,
        tree.files,
        tree.bytes,
        tree.walking.as_millis(),
        tree.reading.as_millis(),
        tree.copying.as_millis()
    );
}

/// Lays the cable that `BOOTWORKS_CABLE` describes, `TAP TAP MICROSECONDS`, and is it until a tap is gone; `cargo xtask
/// bench serve` plugs its servers and clients into it.
#[test]
fn bench_is_a_long_cable() {
    let Ok(words) = std::env::var("BOOTWORKS_CABLE") else {
        return eprintln!(
            "skipped: needs to know which cable (BOOTWORKS_CABLE, set by `cargo xtask bench serve`)"
        );
    };
    let words: Vec<&str> = words.split(' ').collect();
    cable::carry(words[0], words[1], Duration::from_micros(words[2].parse().unwrap()));
}

/// The server is killed in the middle of ten boots and comes back: all ten finish, and nothing that a box told is
/// lost or there twice.
#[test]
fn system_a_killed_server_costs_no_box_its_boot() {
    if skipped() {
        return;
    }
    let field = Field::prepare("killed-s", "killed-c");
    let mut server = field.serve();
    field.enter();
    let rack = {
        let field = field.clone();
        std::thread::spawn(move || power_on(&field, 10))
    };
    // Some are at the kernel by now, some further; the level is what is waited for, not a time.
    server.wait_until("half of the rack has asked for its script", |boxes| {
        boxes.iter().filter(|state| state["rungs"]["reported-nic"].is_number()).count() >= 5
    });
    server.kill_and_restart(&field);
    let ended = rack.join().unwrap();
    let failed: Vec<&String> = ended.iter().filter_map(|end| end.as_ref().err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    for state in server.boxes() {
        let mac = state["box"].as_str().unwrap();
        let timeline = server.ask(&format!("/api/boxes/{mac}/timeline"));
        let entries = timeline.as_array().unwrap();
        let told = |rung: &str| {
            entries.iter().filter(|entry| entry["event"] == "reached" && entry["rung"] == rung).count()
        };
        let counts = ["initrd-spoke", "link-up", "got-address", "found-server", "controller-spoke"].map(told);
        assert_eq!(counts, [1; 5], "{mac}: {timeline:#}");
    }
}
