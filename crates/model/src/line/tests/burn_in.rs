//! `[burn-in]`: which tests it makes, and what is wrong.

use super::*;
use crate::burn_in::{Depth, Test};

fn with(table: &str) -> String {
    format!("{GOOD}\n[burn-in]\n{table}")
}

/// Only what is named is tested, by limits that a new box keeps to.
#[test]
fn what_is_named_is_tested() {
    assert_eq!(read(GOOD, &files()).unwrap().burn_in, []);
    assert_eq!(read(&with(""), &files()).unwrap().burn_in, []);
    let line =
        read(&with("network = 2\nmemory = \"90%\"\ndisks = \"smart\"\nprocessor = 60"), &files()).unwrap();
    assert_eq!(
        line.burn_in,
        [
            Test::Memory { percent: 90, passes: 1 },
            Test::Processor { seconds: 60, hottest: None },
            Test::Disks { depth: Depth::Smart, errors: 0, wear: 100, slowest: None },
            Test::Network { times: 2, slowest: None },
        ]
    );
}

/// Each limit reaches the test that it is for.
#[test]
fn limits_are_read() {
    let table = "memory = \"5 %\"\nmemory-passes = 3\nprocessor = 1\nprocessor-celsius = 90\n\
        disks = \"read\"\ndisk-errors = 4\ndisk-wear = 10\ndisk-rate = \"100MiB\"\n\
        network = 1\nnetwork-rate = \"8MiB\"";
    assert_eq!(
        read(&with(table), &files()).unwrap().burn_in,
        [
            Test::Memory { percent: 5, passes: 3 },
            Test::Processor { seconds: 1, hottest: Some(90) },
            Test::Disks { depth: Depth::Read, errors: 4, wear: 10, slowest: Some(100 << 20) },
            Test::Network { times: 1, slowest: Some(8 << 20) },
        ]
    );
}

/// A limit that nothing is held against would look like a test that was done.
#[test]
fn what_does_not_fit_is_refused() {
    let table = "memory = \"100%\"\nprocessor = 0\nprocessor-celsius = 20\ndisks = \"smart\"\n\
        disk-rate = \"1MiB\"\nnetwork-rate = \"8MiB\"";
    expect![[r#"
        error: line.toml:51:10: `memory` cannot be `"100%"`
          51 | memory = "100%"
             |          ^^^^^^
        hint: a share of what is free, from `"1%"` to `"95%"`

        error: line.toml:52:13: `processor` cannot be 0
          52 | processor = 0
             |             ^
        hint: a number from 1 to 604800

        error: line.toml:53:21: `processor-celsius` cannot be 20
          53 | processor-celsius = 20
             |                     ^^
        hint: a number from 30 to 150

        error: line.toml:55:13: `disk-rate` is a limit of reading, and the disks are not read
          55 | disk-rate = "1MiB"
             |             ^^^^^^
        hint: write `disks = "read"`, or leave it out

        error: line.toml:56:1: `network-rate` is a limit of a test that is not done
          56 | network-rate = "8MiB"
             | ^^^^^^^^^^^^
        hint: add `network`, or leave it out"#]]
    .assert_eq(&say(&with(table), &files()));
    expect![[r#"
        error: line.toml:51:10: `memory` is text, not a number
          51 | memory = 90
             |          ^^
        hint: for example `memory = "90%"`

        error: line.toml:52:17: `memory-passes` cannot be 5000
          52 | memory-passes = 5000
             |                 ^^^^
        hint: a number from 1 to 1000

        error: line.toml:53:9: `disks` cannot be `"all"`
          53 | disks = "all"
             |         ^^^^^
        hint: it is `"smart"` or `"read"`"#]]
    .assert_eq(&say(&with("memory = 90\nmemory-passes = 5000\ndisks = \"all\""), &files()));
}
