//! Loads a driver for every device that is there and for every one that appears: the network's first, so
//! that a RAID controller that takes half a minute to start does not hold up the link.

use super::modules::Modules;
use super::voice::Voice;
use linux::uevent::Uevents;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Silence of the kernel after which no further NIC is expected from what is there already.
const QUIET: Duration = Duration::from_millis(400);
/// A box that never falls silent (a flapping USB device) is settled all the same.
const LONGEST: Duration = Duration::from_secs(5);

/// How far the coldplug is.
#[derive(Debug, Default)]
pub(crate) struct Coldplug {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    network_loaded: Option<Instant>,
    last_arrival: Option<Instant>,
}

impl Coldplug {
    /// Whether every NIC that is there has shown itself, if its driver is in this initrd.
    pub(crate) fn has_settled(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(loaded) = state.network_loaded else { return false };
        let quiet = state.last_arrival.is_none_or(|at| at.elapsed() >= QUIET);
        loaded.elapsed() >= LONGEST || (loaded.elapsed() >= QUIET && quiet)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Starts the threads that load drivers. They go on for ever.
pub(super) fn start(modules: &Arc<Modules>, voice: &Voice) -> Arc<Coldplug> {
    let coldplug = Arc::new(Coldplug::default());
    if !modules.are_known() {
        voice.progress("this initrd has no module tables; only built-in drivers work");
    }
    // Listening begins before looking: a device that appears in between is seen by both, never by none.
    let uevents = Uevents::listen();
    let (first, rest): (BTreeSet<String>, BTreeSet<String>) =
        every_modalias().into_iter().partition(|modalias| is_network(modalias));
    let everything = modules.clone();
    let _ = std::thread::Builder::new().name("coldplug".into()).spawn(move || {
        for modalias in rest {
            everything.load_for(&modalias);
        }
    });
    let (network, progress, voice) = (modules.clone(), coldplug.clone(), voice.clone());
    let _ = std::thread::Builder::new().name("hotplug".into()).spawn(move || {
        for modalias in first {
            network.load_for(&modalias);
        }
        progress.change(|state| state.network_loaded = Some(Instant::now()));
        match uevents {
            Ok(uevents) => load_for_what_appears(&uevents, &network, &progress),
            Err(failure) => {
                voice.progress(&format!("{failure}; looking at the devices once a second"));
                load_again_and_again(&network)
            }
        }
    });
    coldplug
}

fn load_for_what_appears(uevents: &Uevents, modules: &Modules, progress: &Coldplug) {
    loop {
        let Some(event) = uevents.next(Duration::from_secs(3600)) else { continue };
        if event.action != "add" {
            continue;
        }
        let is_of_network = event.variables.get("SUBSYSTEM").is_some_and(|subsystem| subsystem == "net");
        if let Some(modalias) = event.modalias() {
            modules.load_for(modalias);
        }
        if is_of_network || event.modalias().is_some_and(is_network) {
            progress.change(|state| state.last_arrival = Some(Instant::now()));
        }
    }
}

fn load_again_and_again(modules: &Modules) {
    loop {
        for modalias in every_modalias() {
            modules.load_for(&modalias);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Whether a device is a NIC or a step on the way to one: PCI class 02 (`bc02`), virtio, and the paravirtual
/// buses of hypervisors.
fn is_network(modalias: &str) -> bool {
    match modalias.split_once(':') {
        Some(("pci", rest)) => rest.contains("bc02sc"),
        Some(("virtio" | "vmbus" | "xen", _)) => true,
        _ => false,
    }
}

/// The modalias of every device on every bus.
fn every_modalias() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let folder = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    for bus in folder(Path::new("/sys/bus")) {
        for device in folder(&bus.path().join("devices")) {
            if let Ok(modalias) = std::fs::read_to_string(device.path().join("modalias")) {
                all.insert(modalias.trim().to_owned());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is loaded first decides how early the box finds its server.
    #[test]
    fn network_devices_are_told_from_the_rest() {
        for (modalias, network) in [
            ("pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00", true),
            ("virtio:d00000001v00001AF4", true),
            ("pci:v00001000d00000060sv00001000sd00001006bc01sc04i00", false),
            ("usb:v0627p0001d0000dc00dsc00dp00ic03isc01ip01in00", false),
            ("", false),
        ] {
            assert_eq!(is_network(modalias), network, "{modalias}");
        }
    }

    /// "No NIC" must be said within seconds, but not before the driver had its moment.
    #[test]
    fn settled_is_loaded_and_quiet() {
        let coldplug = Coldplug::default();
        assert!(!coldplug.has_settled());
        let Some(earlier) = Instant::now().checked_sub(QUIET) else { return };
        coldplug.change(|state| state.network_loaded = Some(earlier));
        assert!(coldplug.has_settled());
        coldplug.change(|state| state.last_arrival = Some(Instant::now()));
        assert!(!coldplug.has_settled());
    }
}
