//! A virtual box as it is asked for on the command line: firmware, NICs, disks, memory.
//!
//! Reads `--box KEY=VALUE,…` and knows which models QEMU attaches how; it starts nothing.

use model::failure::{Failure, Result};
use model::hardware::PciId;
use std::str::FromStr;

/// What starts the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF.
    Uefi,
}

/// One network card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nic {
    /// QEMU's name of the device: `e1000e`.
    pub(crate) model: String,
    /// Whether its cable is plugged in.
    pub(crate) plugged: bool,
}

/// How a box gets to its kernel over a NIC of some model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BootRoad {
    /// QEMU brings a boot ROM for it: the firmware boots from it.
    Rom,
    /// iPXE comes from a virtual CD or FAT disk and drives it.
    Medium,
    /// iPXE cannot drive QEMU's model, which has this PCI id: kernel and initrd are put into the box's memory.
    Memory(PciId),
}

/// How QEMU attaches a disk of some model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskBus {
    /// The model is the disk itself (`nvme`, `virtio-blk-pci`).
    Direct,
    /// The machine's own AHCI controller has it.
    Ahci,
    /// The model is a SCSI host adapter with the disk behind it.
    Scsi,
    /// The model is a USB disk behind a controller of ours.
    Usb,
}

/// A virtual box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VirtualBox {
    /// What starts it.
    pub(crate) firmware: Firmware,
    /// Whether it starts only what Microsoft's keys have signed, as real machines do from the shop.
    pub(crate) secure_boot: bool,
    /// Its network cards, the first boots.
    pub(crate) nics: Vec<Nic>,
    /// Whether the first brings a boot ROM; without one, the firmware's own network stack boots.
    pub(crate) boot_rom: bool,
    /// QEMU's name of its processor; that of the accelerator where none is asked for.
    pub(crate) processor: Option<String>,
    /// QEMU's names of its disks or disk controllers.
    pub(crate) disks: Vec<String>,
    /// Size of each disk in bytes.
    pub(crate) disk_bytes: u64,
    /// Size of their sectors in bytes: 512 or 4096.
    pub(crate) sector_bytes: u32,
    /// Memory in bytes.
    pub(crate) memory_bytes: u64,
    /// Number of processors.
    pub(crate) processors: u32,
    /// Whether it has a TPM 2.0.
    pub(crate) tpm: bool,
    /// The day that its clock is at when it is switched on, where that is not today.
    pub(crate) clock: Option<String>,
}

impl Default for VirtualBox {
    fn default() -> VirtualBox {
        VirtualBox {
            firmware: Firmware::Bios,
            secure_boot: false,
            nics: vec![Nic { model: "e1000e".into(), plugged: true }],
            boot_rom: true,
            processor: None,
            disks: vec!["nvme".into()],
            disk_bytes: 8 << 30,
            sector_bytes: 512,
            memory_bytes: 1 << 30,
            processors: 1,
            tpm: false,
            clock: None,
        }
    }
}

/// Network cards for which QEMU brings a boot ROM.
const WITH_BOOT_ROM: &[&str] =
    &["e1000", "e1000e", "virtio-net-pci", "vmxnet3", "rtl8139", "ne2k_pci", "pcnet"];
/// Network cards whose QEMU model iPXE cannot drive. igb: iPXE uses legacy receive descriptors, the model has
/// advanced ones only (hw/net/igb_core.c, `igb_rx_use_legacy_descriptor`), so that iPXE asks and never hears.
/// With the id that the model answers with (hw/net/igb.c, `E1000_DEV_ID_82576`).
const DEAF_TO_IPXE: &[(&str, PciId)] = &[("igb", PciId { vendor: 0x8086, device: 0x10c9 })];
/// SCSI host adapters of QEMU.
const SCSI_ADAPTERS: &[&str] = &[
    "megasas",
    "megasas-gen2",
    "mptsas1068",
    "virtio-scsi-pci",
    "pvscsi",
    "lsi53c895a",
    "lsi53c810",
    "am53c974",
    "dc390",
];

impl Nic {
    /// How a box gets to its kernel over it.
    pub(crate) fn boot_road(&self) -> BootRoad {
        let deaf = DEAF_TO_IPXE.iter().find(|(model, _)| *model == self.model);
        match deaf {
            Some((_, id)) => BootRoad::Memory(*id),
            None if WITH_BOOT_ROM.contains(&self.model.as_str()) => BootRoad::Rom,
            None => BootRoad::Medium,
        }
    }
}

/// How a disk of this model is attached.
pub(crate) fn disk_bus(model: &str) -> DiskBus {
    match model {
        "ahci" => DiskBus::Ahci,
        "usb-storage" => DiskBus::Usb,
        model if SCSI_ADAPTERS.contains(&model) => DiskBus::Scsi,
        _ => DiskBus::Direct,
    }
}

impl VirtualBox {
    /// QEMU's name of its processor, or this one where none was asked for.
    pub(crate) fn processor_or<'a>(&'a self, usual: &'a str) -> &'a str {
        self.processor.as_deref().unwrap_or(usual)
    }

    /// As one line for people and as the title of its console log.
    pub(crate) fn describe(&self) -> String {
        let firmware = match self.firmware {
            Firmware::Bios => "BIOS",
            Firmware::Uefi if self.secure_boot => "UEFI with Secure Boot",
            Firmware::Uefi => "UEFI",
        };
        let nics: Vec<String> = self
            .nics
            .iter()
            .map(|nic| if nic.plugged { nic.model.clone() } else { format!("{} (unplugged)", nic.model) })
            .collect();
        format!(
            "{firmware}, {}{}, {} of {} GiB{}, {} MiB memory, {} processor{}{}{}{}",
            if nics.is_empty() { "no NIC".into() } else { nics.join(" + ") },
            if self.boot_rom { "" } else { " without a boot ROM" },
            if self.disks.is_empty() { "no disk".into() } else { self.disks.join(" + ") },
            self.disk_bytes >> 30,
            if self.sector_bytes == 512 { "" } else { " in 4096-byte sectors" },
            self.memory_bytes >> 20,
            self.processors,
            if self.processors == 1 { "" } else { "s" },
            self.processor.as_ref().map(|model| format!(" of type {model}")).unwrap_or_default(),
            if self.tpm { ", TPM 2.0" } else { "" },
            self.clock.as_ref().map(|day| format!(", its clock at {day}")).unwrap_or_default(),
        )
    }
}

const KEYS: &str =
    "firmware, secure-boot, rom, nic, disk, disk-size, disk-sector, memory, cpu, cpus, tpm, clock";

impl FromStr for VirtualBox {
    type Err = Failure;

    /// Reads `firmware=uefi,nic=e1000e,nic=igb:down,disk=nvme,disk-size=8G,memory=1G,cpus=2`; what is not
    /// said keeps its default, and the first `nic` or `disk` replaces the default one.
    fn from_str(text: &str) -> Result<VirtualBox> {
        let mut result = VirtualBox::default();
        let (mut nics, mut disks) = (None, None);
        for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
            let Some((key, value)) = pair.trim().split_once('=') else {
                return Err(Failure::new(format!("`{pair}` of --box is not KEY=VALUE"))
                    .hint(format!("keys are {KEYS}")));
            };
            match key {
                "firmware" => {
                    result.firmware = match value {
                        "bios" => Firmware::Bios,
                        "uefi" => Firmware::Uefi,
                        _ => return Err(wrong(key, value, "bios or uefi")),
                    }
                }
                "secure-boot" => {
                    result.secure_boot = match value {
                        "on" => true,
                        "off" => false,
                        _ => return Err(wrong(key, value, "on or off")),
                    }
                }
                "rom" => {
                    result.boot_rom = match value {
                        "ipxe" => true,
                        "none" => false,
                        _ => {
                            return Err(wrong(
                                key,
                                value,
                                "ipxe, or none: the firmware's own network stack boots",
                            ));
                        }
                    }
                }
                "cpu" if is_model(value) => result.processor = Some(value.into()),
                "cpu" => return Err(wrong(key, value, "QEMU's name of a processor, like qemu32")),
                "nic" => add_nic(nics.get_or_insert_with(Vec::new), value)?,
                "disk" => {
                    let disks: &mut Vec<String> = disks.get_or_insert_with(Vec::new);
                    match value {
                        "none" => disks.clear(),
                        model if is_model(model) => disks.push(model.into()),
                        _ => return Err(wrong(key, value, "QEMU's name of a disk or controller, like nvme")),
                    }
                }
                "disk-size" => result.disk_bytes = size(key, value)?,
                "disk-sector" => {
                    result.sector_bytes = match value {
                        "512" => 512,
                        "4096" => 4096,
                        _ => return Err(wrong(key, value, "512 or 4096")),
                    }
                }
                "memory" => result.memory_bytes = size(key, value)?,
                "tpm" => {
                    result.tpm = match value {
                        "2" => true,
                        "none" => false,
                        _ => return Err(wrong(key, value, "2, or none")),
                    }
                }
                "clock" if is_day(value) => result.clock = Some(value.into()),
                "clock" => return Err(wrong(key, value, "a day that its clock is at, like 2001-01-01")),
                "cpus" => {
                    result.processors = value
                        .parse()
                        .ok()
                        .filter(|count| (1..=64).contains(count))
                        .ok_or_else(|| wrong(key, value, "a number from 1 to 64"))?;
                }
                _ => {
                    return Err(
                        Failure::new(format!("--box has no key `{key}`")).hint(format!("keys are {KEYS}"))
                    );
                }
            }
        }
        result.nics = nics.unwrap_or(result.nics);
        result.disks = disks.unwrap_or(result.disks);
        if !result.boot_rom && result.firmware == Firmware::Bios {
            return Err(Failure::new("a BIOS box boots from the network with a boot ROM only")
                .because("SeaBIOS has no network stack of its own, as OVMF has")
                .hint("`--box firmware=uefi,rom=none`"));
        }
        if result.secure_boot && result.firmware == Firmware::Bios {
            return Err(Failure::new("a BIOS box has no Secure Boot")
                .because("it is UEFI that holds what it starts against keys")
                .hint("`--box firmware=uefi,secure-boot=on`"));
        }
        Ok(result)
    }
}

fn add_nic(nics: &mut Vec<Nic>, value: &str) -> Result<()> {
    let (model, plugged) = match value.split_once(':') {
        None => (value, true),
        Some((model, "down")) => (model, false),
        Some(_) => return Err(wrong("nic", value, "MODEL or MODEL:down")),
    };
    match model {
        "none" => nics.clear(),
        model if is_model(model) => nics.push(Nic { model: model.into(), plugged }),
        _ => return Err(wrong("nic", value, "QEMU's name of a network card, like e1000e, or none")),
    }
    Ok(())
}

/// A name that can stand in a QEMU option without being taken for more.
fn is_model(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// A day as ISO 8601 writes it; whether there is such a day QEMU finds out.
fn is_day(text: &str) -> bool {
    let fits = |(place, octet): (usize, u8)| match place {
        4 | 7 => octet == b'-',
        _ => octet.is_ascii_digit(),
    };
    text.len() == 10 && text.bytes().enumerate().all(fits)
}

/// Bytes from `8G`, `512M` or a plain number.
fn size(key: &str, value: &str) -> Result<u64> {
    let (digits, shift) = match value
        .trim_end_matches("iB")
        .split_at_checked(value.trim_end_matches("iB").len().saturating_sub(1))
    {
        Some((digits, "G")) => (digits, 30),
        Some((digits, "M")) => (digits, 20),
        Some((digits, "T")) => (digits, 40),
        _ => (value, 0),
    };
    let number: Option<u64> = digits.parse().ok();
    let bytes = number.and_then(|number| number.checked_mul(1 << shift));
    bytes
        .filter(|bytes| *bytes >= 1 << 20)
        .ok_or_else(|| wrong(key, value, "a size like 8G or 512M, at least 1M"))
}

fn wrong(key: &str, value: &str, right: &str) -> Failure {
    Failure::new(format!("`{value}` is no {key} for --box")).hint(format!("{key} is {right}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expect: Expect) {
        expect.assert_eq(&match text.parse::<VirtualBox>() {
            Ok(parsed) => parsed.describe(),
            Err(failure) => failure.report(),
        });
    }

    /// What is typed after `--box` is what is built: a key misread would rehearse another machine.
    #[test]
    fn boxes_are_read_as_typed() {
        check("", expect!["BIOS, e1000e, nvme of 8 GiB, 1024 MiB memory, 1 processor"]);
        check(
            "firmware=uefi,nic=virtio-net-pci,nic=e1000e:down,disk=megasas,disk-size=16G,memory=768M,cpus=2",
            expect![
                "UEFI, virtio-net-pci + e1000e (unplugged), megasas of 16 GiB, 768 MiB memory, 2 processors"
            ],
        );
        check(
            "disk=nvme,disk-sector=4096",
            expect!["BIOS, e1000e, nvme of 8 GiB in 4096-byte sectors, 1024 MiB memory, 1 processor"],
        );
        check(
            "firmware=uefi,rom=none,nic=virtio-net-pci,cpu=qemu32",
            expect![
                "UEFI, virtio-net-pci without a boot ROM, nvme of 8 GiB, 1024 MiB memory, 1 processor of type qemu32"
            ],
        );
        check(
            "firmware=uefi,secure-boot=on",
            expect!["UEFI with Secure Boot, e1000e, nvme of 8 GiB, 1024 MiB memory, 1 processor"],
        );
        check("nic=none", expect!["BIOS, no NIC, nvme of 8 GiB, 1024 MiB memory, 1 processor"]);
        check(
            "clock=2001-01-01",
            expect!["BIOS, e1000e, nvme of 8 GiB, 1024 MiB memory, 1 processor, its clock at 2001-01-01"],
        );
        check("tpm=2", expect!["BIOS, e1000e, nvme of 8 GiB, 1024 MiB memory, 1 processor, TPM 2.0"]);
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        check(
            "firmware=efi",
            expect![[r#"
            error: `efi` is no firmware for --box
            hint: firmware is bios or uefi"#]],
        );
        check(
            "ram=1G",
            expect![[r#"
            error: --box has no key `ram`
            hint: keys are firmware, secure-boot, rom, nic, disk, disk-size, disk-sector, memory, cpu, cpus, tpm, clock"#]],
        );
        check(
            "disk-sector=520",
            expect![[r#"
            error: `520` is no disk-sector for --box
            hint: disk-sector is 512 or 4096"#]],
        );
        check(
            "nic=e1000e:up",
            expect![[r#"
            error: `e1000e:up` is no nic for --box
            hint: nic is MODEL or MODEL:down"#]],
        );
        check(
            "nic=e1000e;id=x",
            expect![[r#"
            error: `e1000e;id=x` is no nic for --box
            hint: nic is QEMU's name of a network card, like e1000e, or none"#]],
        );
        check(
            "rom=none",
            expect![[r#"
            error: a BIOS box boots from the network with a boot ROM only
            because: SeaBIOS has no network stack of its own, as OVMF has
            hint: `--box firmware=uefi,rom=none`"#]],
        );
        check(
            "secure-boot=on",
            expect![[r#"
            error: a BIOS box has no Secure Boot
            because: it is UEFI that holds what it starts against keys
            hint: `--box firmware=uefi,secure-boot=on`"#]],
        );
        check(
            "rom=pxe,firmware=uefi",
            expect![[r#"
            error: `pxe` is no rom for --box
            hint: rom is ipxe, or none: the firmware's own network stack boots"#]],
        );
        check(
            "clock=yesterday",
            expect![[r#"
            error: `yesterday` is no clock for --box
            hint: clock is a day that its clock is at, like 2001-01-01"#]],
        );
        check(
            "memory=lots",
            expect![[r#"
            error: `lots` is no memory for --box
            hint: memory is a size like 8G or 512M, at least 1M"#]],
        );
        check(
            "uefi",
            expect![[r#"
            error: `uefi` of --box is not KEY=VALUE
            hint: keys are firmware, secure-boot, rom, nic, disk, disk-size, disk-sector, memory, cpu, cpus, tpm, clock"#]],
        );
    }
}
