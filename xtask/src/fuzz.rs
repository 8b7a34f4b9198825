//! The fuzz targets, each for a while: libFuzzer over what comes from the wire.
//!
//! Built with the toolchain of everything else. The counters that libFuzzer steers by are an LLVM pass, which stable
//! rustc runs when it is asked to; only the sanitisers behind `cargo fuzz` need nightly, and there is no `unsafe` in
//! `wire` that they could watch.

use crate::programs;
use crate::setup::{self, Purpose};
use crate::shell::{Result, Stop, cargo, command, root, run, say};
use std::time::Instant;

/// The targets, as `fuzz/Cargo.toml` has them.
const TARGETS: [&str; 5] = ["dhcp", "tftp", "rpc", "logs", "http"];

/// What makes rustc count edges and compare values for libFuzzer, as `cargo fuzz` asks it to.
const FLAGS: &str = "--cfg fuzzing -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
                     -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
                     -C llvm-args=-sanitizer-coverage-pc-table \
                     -C llvm-args=-sanitizer-coverage-trace-compares";

/// Longest input, in bytes: more than a frame of a build network, and several packets in a row.
const LONGEST: usize = 8192;

/// Runs one target, or all, each for so many seconds. The first finding stops it; its input is kept.
pub(crate) fn run_for(seconds: &str, only: Option<&str>) -> Result<()> {
    let _: u32 = seconds.parse().map_err(|_| Stop::new(format!("`{seconds}` is no number of seconds")))?;
    let chosen: Vec<&str> =
        TARGETS.into_iter().filter(|target| only.is_none_or(|only| only == *target)).collect();
    if chosen.is_empty() {
        return Err(Stop::new(format!("there is no such target; there are {}", TARGETS.join(", "))));
    }
    setup::install(Purpose::Test)?;
    // Apart, since the flags would have everything else compiled again.
    let target = programs::target().join("fuzz");
    // The target is named although it is the host's, or build scripts would be linked with the counters too.
    let words = ["build", "--quiet", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", HOST];
    run(cargo(&words).env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &target))?;
    for name in chosen {
        let corpus = root().join("fuzz/corpus").join(name);
        let artifacts = root().join("fuzz/artifacts").join(name);
        for folder in [&corpus, &artifacts] {
            std::fs::create_dir_all(folder)
                .map_err(|error| Stop::new(format!("cannot make {}: {error}", folder.display())))?;
        }
        let program = target.join(HOST).join("release").join(name);
        let began = Instant::now();
        let mut fuzzer = command(
            &program,
            &[
                &format!("-max_total_time={seconds}"),
                &format!("-max_len={LONGEST}"),
                &format!("-artifact_prefix={}/", artifacts.display()),
                // One input must not take long, nor much memory: both are findings.
                "-timeout=5",
                "-rss_limit_mb=1024",
                "-print_final_stats=1",
                "-verbosity=0",
            ],
        );
        run(fuzzer.arg(&corpus)).map_err(|stop| {
            let hint = format!("\nthe input that did it is in {}", artifacts.display());
            Stop { reason: stop.reason + &hint, code: 1 }
        })?;
        say(&format!("{name}: nothing found in {} s", began.elapsed().as_secs()));
    }
    Ok(())
}

/// The host's target.
const HOST: &str = "x86_64-unknown-linux-gnu";
