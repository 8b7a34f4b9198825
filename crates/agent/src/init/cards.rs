//! Looks at the network cards on the PCI bus and at what became of each. What it means is said in `verdict`.

use super::modules::Modules;
use super::verdict::{Card, Driver};
use linux::link::Link;
use model::hardware::PciId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every network card on the PCI bus (class 02), by address.
pub(super) fn all(links: &[Link], modules: &Modules) -> Vec<Card> {
    let mut cards: Vec<Card> = std::fs::read_dir("/sys/bus/pci/devices")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| read_card(&entry.path(), links, modules))
        .collect();
    cards.sort_by(|a, b| a.address.cmp(&b.address));
    cards
}

fn read_card(folder: &Path, links: &[Link], modules: &Modules) -> Option<Card> {
    let attribute = |name: &str| Some(std::fs::read_to_string(folder.join(name)).ok()?.trim().to_owned());
    let hex = |name: &str| u32::from_str_radix(attribute(name)?.trim_start_matches("0x"), 16).ok();
    // PCI class 0x02xxxx: network controllers.
    if hex("class")? >> 16 != 0x02 {
        return None;
    }
    let word = |name: &str| hex(name).and_then(|value| u16::try_from(value).ok());
    let place = std::fs::canonicalize(folder).ok()?;
    let interface = links.iter().find(|link| link.device.starts_with(&place)).map(|link| link.name.clone());
    // A virtio card is driven in two steps: virtio_pci finds a device on the virtio bus, virtio_net drives that.
    let undriven = undriven_below(&place);
    let mut drivers = BTreeMap::new();
    for modalias in &undriven {
        drivers.extend(modules.candidates(modalias));
    }
    let bound = std::fs::read_link(folder.join("driver")).ok();
    Some(Card {
        address: folder.file_name()?.to_str()?.to_owned(),
        id: PciId { vendor: word("vendor")?, device: word("device")? },
        interface,
        bound: bound.and_then(|path| Some(path.file_name()?.to_str()?.to_owned())),
        drivers: drivers
            .into_iter()
            .map(|(name, outcome)| Driver { packages: modules.packages_with(&name), name, outcome })
            .collect(),
    })
}

/// The modaliases of the devices at and below `place` that no driver has taken.
fn undriven_below(place: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders: Vec<PathBuf> = vec![place.to_owned()];
    // Real trees are a few levels deep; the limit is against a loop that sysfs does not have today.
    for _ in 0..256 {
        let Some(folder) = folders.pop() else { break };
        if !folder.join("driver").exists()
            && let Ok(modalias) = std::fs::read_to_string(folder.join("modalias"))
        {
            found.insert(modalias.trim().to_owned());
        }
        let below = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(
            below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()),
        );
    }
    found
}
