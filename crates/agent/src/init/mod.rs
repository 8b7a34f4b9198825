//! The worker `init`: brings the box from a started kernel to a mounted root, rung by rung, and then keeps
//! the lease. Everything here may fail; PID 1 shows it and starts it again.
//!
//! ```text
//! listen to uevents ─▶ coldplug (network first) ─▶ every NIC: link, DHCP, server ─▶ root ─▶ controller
//!        └─ goes on loading modules for what appears later          └─ the winner keeps its lease
//! ```

mod cards;
pub(crate) mod coldplug;
mod fetch;
pub(crate) mod modules;
pub(crate) mod network;
mod nic;
pub(crate) mod pstore;
pub(crate) mod root;
mod verdict;
mod voice;

use model::boot::BootParameters;
use model::initrd::{MANIFEST, Manifest};
use model::ladder::Rung;
use model::timeline::{Event, Trouble};
use network::Wish;
use std::net::SocketAddrV4;
use std::process::ExitCode;
use std::sync::Arc;
use voice::Voice;

/// Environment variable with the last words of the worker that crashed before this one.
pub(crate) const LAST_WORDS: &str = "BOOTWORKS_LAST_WORDS";

/// Runs the worker. It ends only by a crash.
pub(crate) fn run() -> ExitCode {
    // PID 1 is protected from the OOM killer; its children are not.
    let _ = std::fs::write("/proc/self/oom_score_adj", "0");
    let voice = Voice::start();
    if let Ok(words) = std::env::var(LAST_WORDS) {
        voice.tell(Event::Said { line: words });
    }
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    voice.reached(Rung::InitrdSpoke, &format!("kernel {release}, bootworks {}", crate::BUILD));
    if linux::mount::is_mounted(root::ROOT.as_ref()) {
        // We are here for the second time: the controller need not wait until the network is found again.
        voice.root_stands();
    }
    let damage = damage();
    let is_initrd_whole = damage.is_none();
    damage.into_iter().for_each(|trouble| voice.trouble(trouble));
    let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let parameters = BootParameters::read(&line);
    let modules = Arc::new(modules::Modules::read());
    let coldplug = coldplug::start(&modules, &voice);
    if let Some(parameters) = &parameters {
        root::prepare(parameters.root, &modules);
    }
    if let Err(failure) = linux::link::loopback_up() {
        voice.progress(&failure.to_string());
    }
    let wish = Wish {
        boot_nic: parameters.as_ref().and_then(|parameters| parameters.boot_nic),
        server: parameters.as_ref().map(|known| SocketAddrV4::new(known.server, known.http_port)),
    };
    let network = network::find_server(wish, &modules, &coldplug, &voice);
    // Now that the server hears it: a box that never gets its root leaves its hardware all the same.
    let boot_nic = parameters.as_ref().and_then(|parameters| parameters.boot_nic);
    pstore::send(&modules, &voice);
    let inventory = linux::inventory::read_devices("/".as_ref(), boot_nic);
    voice.tell(Event::DevicesSeen { inventory: Box::new(inventory) });
    if let Some(parameters) = &parameters {
        root::mount(parameters, &network.found, &modules, &voice, is_initrd_whole);
        voice.root_stands();
    }
    network.watch(&voice)
}

/// Holds the initrd against its manifest: the kernel boots on when it could unpack only a part of it.
fn damage() -> Option<Trouble> {
    let manifest = Manifest::read(&std::fs::read_to_string(MANIFEST).unwrap_or_default());
    let is_damaged = |path: &str, size: u64| {
        let metadata = std::fs::symlink_metadata(std::path::Path::new("/").join(path));
        metadata.map_or(true, |found| found.is_file() && found.len() != size)
    };
    let damaged: Vec<&str> =
        manifest.files().filter(|(path, size)| is_damaged(path, *size)).map(|(path, _)| path).collect();
    let said = linux::kmsg::tail_about(&["Initramfs", "initramfs", "rootfs image"], 3);
    incomplete(&damaged, said)
}

/// The trouble of an initrd that lacks these files, by what the kernel said when it unpacked it.
fn incomplete(damaged: &[&str], said: Vec<String>) -> Option<Trouble> {
    let first = damaged.first()?;
    // The kernel's words for a file system in memory that is full (init/initramfs.c).
    let is_full = said.iter().any(|line| line.contains("write error"));
    let mut evidence = vec![format!("missing or cut off: {first} and {} more", damaged.len() - 1)];
    evidence.extend(said);
    let count = damaged.len();
    let (cause, sentence, fix) = if is_full {
        let sentence =
            format!("the initrd does not fit into this box's memory: {count} of its files are cut off");
        ("ram-too-small-initrd", sentence, "an initrd needs room packed and unpacked: put in more memory")
    } else {
        let sentence = format!("the initrd did not arrive whole: {count} of its files are damaged");
        (
            "initrd-corrupt",
            sentence,
            "restart the box; if it stays so, compare the initrd's size in the server's log",
        )
    };
    Some(Trouble { cause: cause.into(), rung: Rung::InitrdSpoke, sentence, evidence, fix: vec![fix.into()] })
}

#[cfg(test)]
mod tests {
    use super::incomplete;

    /// Who reads `corrupt` copies the initrd anew, and no copy fits into a box that is too small.
    #[test]
    fn a_full_memory_is_no_damaged_initrd() {
        let cause = |said: &str| incomplete(&["lib/a.ko"], vec![said.to_owned()]).unwrap().cause;
        assert_eq!(cause("[    3.233754] Initramfs unpacking failed: write error"), "ram-too-small-initrd");
        assert_eq!(
            cause("[    3.0] Initramfs unpacking failed: ZSTD-compressed data is truncated"),
            "initrd-corrupt"
        );
        assert_eq!(incomplete(&[], Vec::new()), None);
    }
}
