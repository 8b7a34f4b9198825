//! Which modules an initrd of ours carries: every wired NIC's, every disk controller's, and what the root needs.
//!
//! Decided by where a module lies in the kernel's tree, so that a driver that the next kernel brings is in
//! without anybody adding its name. Which of them are loaded, the hardware decides at boot.

use super::alias::AliasTable;
use super::pattern;
use super::tree::Tree;
use crate::hardware::DeviceClass;
use crate::proof::pci_id;
use std::collections::BTreeSet;

/// Folders below `kernel/` whose modules drive wired network interfaces.
const ETHERNET: &[&str] = &[
    "drivers/net/ethernet/",
    "drivers/net/hyperv/",
    "drivers/net/vmxnet3/",
    "drivers/net/fjes/",
    "drivers/net/usb/",
    "drivers/net/virtio_net.ko",
    "drivers/net/xen-netfront.ko",
];

/// Folders below `kernel/` whose modules drive disks and what disks hang on.
const STORAGE: &[&str] = &[
    "drivers/ata/",
    "drivers/scsi/",
    "drivers/message/fusion/",
    "drivers/nvme/host/nvme.ko",
    "drivers/nvme/host/nvme-core.ko",
    "drivers/block/virtio_blk.ko",
    "drivers/block/xen-blkfront.ko",
    "drivers/block/mtip32xx/",
    "drivers/mmc/",
    "drivers/nvdimm/",
    "drivers/pci/controller/vmd.ko",
    "drivers/usb/storage/",
];

/// Folders below `kernel/` whose modules stand between a device and its driver: buses, PHYs, keyboards.
const BETWEEN: &[&str] = &[
    "drivers/net/phy/",
    "drivers/net/mdio/",
    "drivers/net/pcs/",
    "drivers/pci/controller/",
    "drivers/usb/host/",
    "drivers/hid/hid.ko",
    "drivers/hid/hid-generic.ko",
    "drivers/hid/hid-hyperv.ko",
    "drivers/hid/usbhid/",
    "drivers/input/serio/",
    "drivers/virtio/virtio",
    "drivers/hv/hv_vmbus.ko",
    "arch/x86/crypto/crc",
];

/// Modules that no disk behind a bus of ours needs: network storage, targets, test devices, tapes.
const LEFT_OUT: &[&str] = &[
    "drivers/scsi/scsi_debug.ko",
    "drivers/scsi/iscsi_tcp.ko",
    "drivers/scsi/qla2xxx/tcm_qla2xxx.ko",
    "drivers/scsi/elx/",
    "drivers/scsi/st.ko",
    "drivers/scsi/ch.ko",
    "drivers/scsi/pcmcia/",
    "drivers/ata/pata_pcmcia.ko",
    "drivers/net/ethernet/8390/pcnet_cs.ko",
    "drivers/net/ethernet/8390/axnet_cs.ko",
    "drivers/net/usb/cdc-phonet.ko",
    "drivers/net/usb/hso.ko",
    "drivers/net/usb/ipheth.ko",
    "drivers/net/usb/sierra_net.ko",
    "drivers/net/usb/qmi_wwan.ko",
    "drivers/net/usb/cdc_mbim.ko",
    "drivers/net/usb/huawei_cdc_ncm.ko",
];

/// What mounting the root takes, over NFS or out of RAM, and what PID 1 itself needs.
pub const ROOT: &[&str] = &[
    "nfs",
    "nfsv3",
    "af_packet",
    "overlay",
    "squashfs",
    "loop",
    "crc32c_generic",
    "libcrc32c",
    "efivarfs",
    "efi_pstore",
    "vfat",
    "sd_mod",
    "sr_mod",
    "qemu_fw_cfg",
];

/// What a module drives, by where it lies; `None` where it is no driver of a device class that boots.
pub fn class(path: &str) -> Option<DeviceClass> {
    if lies_in(path, ETHERNET) {
        Some(DeviceClass::Ethernet)
    } else if lies_in(path, STORAGE) {
        Some(DeviceClass::Storage)
    } else if lies_in(path, &["drivers/usb/"]) {
        Some(DeviceClass::Usb)
    } else {
        None
    }
}

/// The modules of an initrd that boots any box, everything that they need included.
pub fn for_any_hardware(tree: &Tree) -> BTreeSet<String> {
    let chosen = tree.modules.iter().filter(|(_, module)| {
        let path = module.path.as_str();
        !lies_in(path, LEFT_OUT) && [ETHERNET, STORAGE, BETWEEN].iter().any(|list| lies_in(path, list))
    });
    tree.closure(chosen.map(|(name, _)| name.as_str()).chain(ROOT.iter().copied()))
}

/// The modules of an initrd that boots the boxes with these devices: their drivers, and what lies between any
/// device and its driver, which no profile lists. `aliases` tells which driver fits, `devices` are modaliases of
/// which parts may be unknown; where several drivers may fit, all are in.
pub fn for_devices<'d>(
    tree: &Tree,
    aliases: &AliasTable,
    devices: impl IntoIterator<Item = &'d str>,
) -> BTreeSet<String> {
    let any = for_any_hardware(tree);
    // A profile from `lspci` knows virtio's PCI half alone; what drives the NIC fits the other one.
    let behind = |device: &str| pci_id(device).and_then(pattern::virtio_modalias);
    let devices: BTreeSet<String> =
        devices.into_iter().flat_map(|device| [Some(device.to_owned()), behind(device)]).flatten().collect();
    let drivers = devices.iter().flat_map(|device| aliases.candidates(device).into_keys());
    let drivers = drivers.filter(|driver| any.contains(*driver));
    let between = tree.modules.iter().filter(|(_, module)| lies_in(&module.path, BETWEEN));
    let between = between.map(|(name, _)| name.as_str()).filter(|name| any.contains(*name));
    tree.closure(drivers.chain(between).chain(ROOT.iter().copied()))
}

/// Modules of [`ROOT`] that the kernel has neither as a module nor built in; each keeps some root from mounting.
pub fn missing_for_root(tree: &Tree) -> Vec<&'static str> {
    // A kernel may have these built into another of its parts under another name.
    let essential = ["nfs", "nfsv3", "af_packet", "overlay", "squashfs", "loop"];
    essential.into_iter().filter(|name| !tree.has(name)).collect()
}

fn lies_in(path: &str, list: &[&str]) -> bool {
    let path = path.strip_prefix("kernel/").unwrap_or(path);
    list.iter().any(|start| path.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::modinfo::Modinfo;

    /// A small initrd must still have everything for its own boxes: driver, what it depends on, what is between.
    #[test]
    fn the_drivers_of_devices_are_chosen_with_what_they_need() {
        let mut tree = Tree::default();
        let mut add = |path: &str, alias: &str, depends: &str| {
            let some = |text: &str| Vec::from_iter(Some(text.to_owned()).filter(|text| !text.is_empty()));
            let info = Modinfo { aliases: some(alias), depends: some(depends), ..Modinfo::default() };
            tree.add(path, info);
        };
        add("kernel/drivers/net/ethernet/a/anic.ko", "pci:v000014E4d0000165Fsv*sd*bc*sc*i*", "ptp");
        add("kernel/drivers/net/ethernet/b/bnic.ko", "pci:v00008086d000010D3sv*sd*bc*sc*i*", "");
        add("kernel/drivers/net/virtio_net.ko", "virtio:d00000001v*", "");
        add("kernel/drivers/ptp/ptp.ko", "", "");
        add("kernel/drivers/net/phy/phy.ko", "", "");
        add("kernel/drivers/gpu/big.ko", "pci:v000010DEd*sv*sd*bc*sc*i*", "");
        add("kernel/fs/overlayfs/overlay.ko", "", "");
        let aliases = tree.aliases();
        let devices = [
            "pci:v000014E4d0000165Fsv00001028sd000008FFbc02sc00i00",
            "pci:v000010DEd00001234sv00000000sd00000000bc03sc00i00",
            "pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00",
        ];
        let chosen: Vec<String> = for_devices(&tree, &aliases, devices).into_iter().collect();
        assert_eq!(chosen, ["anic", "overlay", "phy", "ptp", "virtio_net"]);
    }

    /// A driver in the right folder is in, whatever it is called; one that needs another brings it along.
    #[test]
    fn drivers_are_chosen_by_where_they_lie() {
        let mut tree = Tree::default();
        let mut add = |path: &str, depends: &str| {
            tree.add(path, Modinfo { depends: vec![depends.into()], ..Modinfo::default() });
        };
        add("kernel/drivers/net/ethernet/newcorp/newnic.ko.xz", "auxiliary");
        add("kernel/drivers/base/auxiliary.ko.xz", "");
        add("kernel/drivers/net/wireless/newcorp/newwifi.ko.xz", "");
        add("kernel/drivers/scsi/megaraid/megaraid_sas.ko.xz", "");
        add("kernel/drivers/scsi/scsi_debug.ko.xz", "");
        add("kernel/drivers/nvme/host/nvme-fabrics.ko", "");
        add("kernel/fs/overlayfs/overlay.ko", "");
        tree.builtin.extend(["nfs", "nfsv3", "af_packet", "loop"].map(str::to_owned));
        let chosen: Vec<String> = for_any_hardware(&tree).into_iter().collect();
        assert_eq!(chosen, ["auxiliary", "megaraid_sas", "newnic", "overlay"]);
        assert_eq!(missing_for_root(&tree), ["squashfs"]);
        assert_eq!(class("kernel/drivers/net/ethernet/newcorp/newnic.ko.xz"), Some(DeviceClass::Ethernet));
        assert_eq!(class("kernel/drivers/net/wireless/newcorp/newwifi.ko.xz"), None);
    }
}
