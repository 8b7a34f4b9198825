//! Whether this host's KVM truly runs a Linux guest, found out by booting one.
//!
//! `/dev/kvm` that opens is not enough: inside some virtual machines it opens and the guest never prints a
//! line. So a kernel is started without any root; a KVM that works takes it to its panic within seconds.

use crate::report;
use linux::leash::leash;
use linux::tools;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How virtual processors are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// By the host's processor.
    Kvm,
    /// By QEMU's translator: works everywhere, some ten times slower.
    Tcg,
}

/// How long a kernel may take to its panic under KVM; a working one takes two or three seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// Finds out once a boot of this host (the verdict is kept beside the packages) and says so.
pub(crate) fn probe(kernel: &Path, store: &Path) -> Accelerator {
    if !Path::new("/dev/kvm").exists() {
        return Accelerator::Tcg;
    }
    let host_boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let verdict: PathBuf = store.join("kvm-verdict");
    if let Ok(text) = std::fs::read_to_string(&verdict)
        && let Some((boot, word)) = text.split_once(' ')
        && boot == host_boot.trim()
    {
        return if word.trim() == "works" { Accelerator::Kvm } else { Accelerator::Tcg };
    }
    report::note("trying whether KVM runs a guest here (once after each start of this machine)");
    let works = runs_linux(kernel);
    let word = if works { "works" } else { "fails" };
    // Not kept: asked again next time, nothing worse.
    let _ = std::fs::create_dir_all(store);
    let _ = std::fs::write(&verdict, format!("{} {word}\n", host_boot.trim()));
    if works {
        return Accelerator::Kvm;
    }
    report::note("/dev/kvm is here but runs no guest: using TCG, which is slower");
    Accelerator::Tcg
}

/// Boots the kernel without a root; `panic=-1` with `-no-reboot` ends QEMU as soon as the kernel gives up.
fn runs_linux(kernel: &Path) -> bool {
    let Some(qemu) = tools::QEMU.find() else { return false };
    let mut command = Command::new(qemu);
    command
        .args(["-accel", "kvm", "-cpu", "host", "-machine", "q35", "-m", "256", "-nodefaults", "-no-reboot"])
        .args(["-display", "none", "-serial", "stdio", "-append", "console=ttyS0 panic=-1"])
        .arg("-kernel")
        .arg(kernel)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let Ok(mut child) = leash(&mut command).spawn() else { return false };
    let Some(mut stdout) = child.stdout.take() else { return false };
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = stdout.read_to_end(&mut said);
        String::from_utf8_lossy(&said).contains("Linux version")
    });
    let started = Instant::now();
    while started.elapsed() < PATIENCE && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let ended_by_itself = matches!(child.try_wait(), Ok(Some(_)));
    let _ = child.kill();
    let _ = child.wait();
    reader.join().unwrap_or(false) && ended_by_itself
}
