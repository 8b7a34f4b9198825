//! Puts the agent's binary, which `cargo xtask build` makes first, and the build id into the program.

use std::path::PathBuf;

/// The agent travels in every initrd and stays in every box's memory.
const AGENT_MOST: u64 = 4 << 20;

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-env-changed=BOOTWORKS_AGENT");
    println!("cargo::rerun-if-env-changed=BOOTWORKS_BUILD_ID");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("agent");
    match std::env::var_os("BOOTWORKS_AGENT").filter(|path| !path.is_empty()) {
        Some(agent) => {
            println!("cargo::rerun-if-changed={}", PathBuf::from(&agent).display());
            let bytes = std::fs::copy(agent, out)?;
            if bytes > AGENT_MOST {
                println!("cargo::error=the agent has {bytes} bytes, and may have {AGENT_MOST} at most");
            }
        }
        // Checks and tests need no agent; a build of a line says that it is missing.
        None => std::fs::write(out, [])?,
    }
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let id = std::env::var("BOOTWORKS_BUILD_ID").ok().filter(|id| !id.is_empty());
    println!("cargo::rustc-env=BOOTWORKS_BUILD={}", id.unwrap_or_else(|| format!("{version}-dev")));
    Ok(())
}
