//! What pci.ids calls devices, and which device is called so. For people; nothing is decided by a name that an id
//! could decide.

use model::hardware::PciId;

/// What a device is called, maker first.
pub(crate) fn of(id: PciId) -> Option<String> {
    let device = pci_ids::Device::from_vid_pid(id.vendor, id.device)?;
    let vendor = device.vendor().name();
    // `Intel Corporation` is Intel; a console has 80 columns.
    let vendor = vendor.split_once([',', '(']).map_or(vendor, |(short, _)| short).trim();
    let forms = [" Corporation", " Inc. and subsidiaries", " Inc.", " Inc", " Corp.", " Ltd.", " Co."];
    let vendor = forms.iter().find_map(|form| vendor.strip_suffix(form)).unwrap_or(vendor);
    Some(format!("{vendor} {}", device.name()))
}

/// The one device with these names of maker and device; `None` where there is none, or more than one.
pub(crate) fn find(vendor: &str, device: &str) -> Option<PciId> {
    let vendors = pci_ids::Vendors::iter().filter(|known| known.name() == vendor);
    let mut found = vendors.flat_map(|vendor| vendor.devices()).filter(|known| known.name() == device);
    let (vendor, device) = found.next()?.as_vid_pid();
    found.next().is_none().then_some(PciId { vendor, device })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// lshw prints names where it should print ids: the way back must be the way there, or none.
    #[test]
    fn names_lead_back_to_their_ids() {
        let id = "14e4:165f".parse().unwrap();
        assert_eq!(of(id).unwrap(), "Broadcom NetXtreme BCM5720 Gigabit Ethernet PCIe");
        let vendor = "Broadcom Inc. and subsidiaries";
        assert_eq!(find(vendor, "NetXtreme BCM5720 Gigabit Ethernet PCIe"), Some(id));
        // Intel has two devices of this name.
        assert_eq!(find("Intel Corporation", "Ethernet Connection X722 for 10GbE SFP+"), None);
        assert_eq!(find(vendor, "Abacus"), None);
    }

    /// The shipped profiles name no device that nobody ever made.
    #[test]
    fn shipped_profiles_have_ids_of_pci_ids() {
        for shipped in model::profile::shipped::ALL {
            for device in shipped.profile().unwrap().devices {
                let id = model::proof::pci_id(&device.modalias).unwrap();
                let known = pci_ids::Device::from_vid_pid(id.vendor, id.device);
                let known = known.unwrap_or_else(|| panic!("{}: {id} is not in pci.ids", shipped.name));
                let Some((_, subsystem)) = device.source.split_once(", subsystem ") else { continue };
                let (words, name) = subsystem.split_once(": ").unwrap();
                let subsystem: PciId = words.parse().unwrap();
                assert!(
                    known.subsystems().any(|known| {
                        (known.subvendor(), known.subdevice()) == (subsystem.vendor, subsystem.device)
                            && known.name().replace('"', "'") == name
                    }),
                    "{}: {id} has no subsystem {words} called {name}",
                    shipped.name
                );
                let written = format!("sv{:08X}sd{:08X}", subsystem.vendor, subsystem.device);
                assert!(device.modalias.contains(&written), "{}: {}", shipped.name, device.modalias);
            }
        }
    }
}
