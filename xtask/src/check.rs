//! What CI looks at besides the tests: format, lints, licences, documentation.

use crate::shell::{Result, Stop, cargo, note, output, run};

/// Runs all of them; the first that fails stops.
pub(crate) fn everything() -> Result<()> {
    note("format");
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    note("lints");
    run(&mut cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    note("documentation");
    run(cargo(&["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"])
        .env("RUSTDOCFLAGS", "-D warnings"))?;
    note("licences and duplicates");
    licences()
}

/// `cargo deny` without its advisory database, which is not in reach of every build machine.
fn licences() -> Result<()> {
    if output(&mut cargo(&["deny", "--version"])).is_none() {
        note("installing cargo-deny (checks the licences of dependencies)");
        run(&mut cargo(&["install", "--quiet", "--locked", "cargo-deny"]))?;
    }
    run(&mut cargo(&["deny", "--log-level", "error", "check", "licenses", "bans", "sources"]))
        .map_err(|stop| Stop { reason: format!("{}; see deny.toml", stop.reason), ..stop })
}
