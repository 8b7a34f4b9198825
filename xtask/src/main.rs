//! `cargo xtask`: everything that is done with the repository as a whole: set-up, build, rehearsal, tests.
//!
//! Needs cargo and nothing else: what is missing of the system it installs itself, saying which and why.

mod bench;
mod bench_build;
mod bench_check;
mod bench_diagnose;
mod bench_install;
mod bench_serve;
mod check;
mod cuts;
mod fuzz;
mod programs;
mod setup;
mod shell;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  rehearse [ARGUMENTS]   set up, build, and take a virtual box of examples/edge-gateway from power-on to a
                         finished appliance; arguments go to `bootworks rehearse`
  test [--fast]          set up, build, and run all tests; --fast leaves out those that need root or QEMU
       [--rehearsals]    and the whole table of rehearsals, which takes hours
  build                  build the agent and bootworks; prints where they are
  check                  format, lints, licences, documentation: what CI looks at besides the tests
  fuzz [SECONDS]         read what comes from the wire until something breaks, 600 s for each target unless told
       [TARGET]          otherwise: dhcp, tftp, rpc, logs, http
  cuts [COUNT] [SEED]    cut the power at random instants of installations, 5 unless told otherwise; each box has
       [BOXES]           to be finished afterwards, and none may start from a half-written disk; so many boxes
                         at a time, one unless told otherwise
  setup                  install the system packages that building and testing need
  bench boot             side by side: the stock way to a login prompt, ours to the first question
  bench initrd FILE      side by side: lsinitramfs and `bootworks initrd list` on an initrd
  bench build            side by side: mmdebstrap, debootstrap, mkinitramfs, dracut, and ours
  bench check            the proof's time and memory: 30 profiles with the index warm, the index made anew
  bench diagnose [ROW]   side by side: our reading of logs, and grep with the catalogue's words
  bench install [WORD]   side by side: an image unpacked by us, and by lbzip2, zstd and tar; all rows, or those that
                         have that word: bz2, zst, xz, gz, raw
  bench serve [PART]     side by side: our server and dnsmasq, Kea, tftpd-hpa, nginx, ganesha on a virtual cable;
                         all parts, or one: dhcp, tftp, http, nfs, guest (NFS by a guest's kernel)
  bench storm [BOXES]    a rack powered on at once, 1000 boxes unless told otherwise";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["rehearse", rest @ ..] => test::rehearse(rest),
        ["test", rest @ ..] => test::run_all(rest),
        ["build"] => programs::build().map(|programs| shell::say(&programs.bootworks.display().to_string())),
        ["check"] => check::everything(),
        ["setup"] => setup::install(setup::Purpose::Test),
        ["cuts", numbers @ ..] if numbers.len() <= 3 => cuts::run(numbers),
        ["bench", "boot"] => bench::boot(),
        ["bench", "initrd", file] => bench::initrd(file),
        ["bench", "build"] => bench_build::run(),
        ["bench", "check"] => bench_check::check(),
        ["bench", "diagnose"] => bench_diagnose::diagnose(""),
        ["bench", "diagnose", word] => bench_diagnose::diagnose(word),
        ["bench", "install"] => bench_install::install(""),
        ["bench", "install", word] => bench_install::install(word),
        ["bench", "serve"] => bench_serve::side_by_side(None),
        ["bench", "serve", part] => bench_serve::side_by_side(Some(part)),
        ["bench", "storm"] => bench_serve::storm("1000"),
        ["bench", "storm", boxes] => bench_serve::storm(boxes),
        ["fuzz"] => fuzz::run_for("600", None),
        ["fuzz", seconds] => fuzz::run_for(seconds, None),
        ["fuzz", seconds, target] => fuzz::run_for(seconds, Some(target)),
        ["help" | "--help" | "-h"] | [] => {
            shell::say(HELP);
            Ok(())
        }
        _ => Err(shell::Stop::new(format!("`cargo xtask {}` is no command\n\n{HELP}", words.join(" ")))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            if !stop.reason.is_empty() {
                shell::note(&format!("error: {}", stop.reason));
            }
            ExitCode::from(stop.code)
        }
    }
}
