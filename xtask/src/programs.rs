//! The two programs out of one build: the static agent first, then bootworks with the agent inside.

use crate::shell::{Result, Stop, cargo, command, note, output, root, run};
use std::path::PathBuf;

/// Where the programs are.
pub(crate) struct Programs {
    /// The program of the engineer, with the agent inside.
    pub(crate) bootworks: PathBuf,
}

/// The agent must not need a C library from the root it mounts. The target is named although it is the
/// host's, or the flag would hit build scripts and procedural macros, which cannot be static.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Static, and at a fixed place: the table for moving it would take 200 kB of each initrd. Functions and the ends of texts
/// that are the same octet for octet are there once (lld, rustc's linker for this target): 34 kB.
const AGENT_FLAGS: &str =
    "-C target-feature=+crt-static -C relocation-model=static -C link-arg=-Wl,--icf=all -C link-arg=-Wl,-O2";

/// Nothing ever unwinds through the C in it, neither zstd nor xz nor ring: no callback of ours runs inside of them. What
/// says how to would be in each initrd.
const AGENT_C_FLAGS: &str = "-fno-asynchronous-unwind-tables -fno-unwind-tables";

/// Builds both.
pub(crate) fn build() -> Result<Programs> {
    let id = build_id();
    note(&format!("building bootworks {id}"));
    run(cargo(&["build", "--quiet", "--package", "agent", "--profile", "agent", "--target", TARGET])
        .env("CARGO_TARGET_DIR", target().join("static"))
        .env("RUSTFLAGS", AGENT_FLAGS)
        .env("CFLAGS_x86_64_unknown_linux_gnu", AGENT_C_FLAGS)
        .env("BOOTWORKS_BUILD_ID", &id))?;
    let agent = target().join("static").join(TARGET).join("agent/agent");
    run(cargo(&["build", "--quiet", "--release", "--package", "bootworks"])
        .env("BOOTWORKS_AGENT", &agent)
        .env("BOOTWORKS_BUILD_ID", &id))?;
    let bootworks = target().join("release/bootworks");
    if bootworks.is_file() { Ok(Programs { bootworks }) } else { Err(Stop::new("cargo built no bootworks")) }
}

/// Cargo's folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Names this build in both programs: the commit, and a digest of what is not committed.
fn build_id() -> String {
    let git = |arguments: &[&str]| output(command("git", arguments).current_dir(root()));
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unversioned".into() };
    let changes = git(&["diff", "HEAD", "--", "crates", "Cargo.lock"]).unwrap_or_default();
    if changes.is_empty() {
        return commit.trim().to_owned();
    }
    // FNV-1a: enough to tell one set of changes from the next.
    let digest = changes
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{}-{digest:016x}", commit.trim())
}
