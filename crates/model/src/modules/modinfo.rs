//! What a kernel module says of itself in its `.modinfo` section: aliases, dependencies, firmware.
//!
//! Debian's kernel packages ship neither `modules.dep` nor `modules.alias`: depmod makes both from this.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::elf::{self, NotElf};

/// The words of one module. Module names are written with underscores.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Modinfo {
    /// Patterns of the devices it drives, and names it goes by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Modules whose symbols it uses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends: Vec<String>,
    /// Modules or aliases that are to be loaded before it, if they are there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Modules or aliases that are to be loaded after it, if they are there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Modules or aliases that it may ask for itself, and which should be within reach.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weak: Vec<String>,
    /// Firmware files it may ask for; may hold wildcards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub firmware: Vec<String>,
    /// Kernel release and options it was built for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub vermagic: String,
}

impl Modinfo {
    /// From the bytes of a module, decompressed.
    pub fn read(module: &[u8]) -> Result<Modinfo, NotElf> {
        let section = elf::section(module, ".modinfo")?.unwrap_or_default();
        let mut info = Modinfo::default();
        for (key, value) in words(section) {
            info.take(key, value);
        }
        Ok(info)
    }

    /// Takes one `key=value`; what is of no use here (author, parameters) is left.
    pub fn take(&mut self, key: &str, value: &str) {
        match key {
            "alias" => self.aliases.push(value.to_owned()),
            "depends" => self.depends.extend(value.split(',').filter(|word| !word.is_empty()).map(own_name)),
            "softdep" => self.take_softdep(value),
            "weakdep" => self.weak.extend(value.split_ascii_whitespace().map(str::to_owned)),
            "firmware" => self.firmware.push(value.to_owned()),
            "vermagic" => value.clone_into(&mut self.vermagic),
            _ => {}
        }
    }

    /// `pre: a b post: c` (modprobe.d(5)). Words before the first mark mean nothing there.
    pub fn take_softdep(&mut self, value: &str) {
        let mut list = None;
        for word in value.split_ascii_whitespace() {
            match word {
                "pre:" => list = Some(&mut self.before),
                "post:" => list = Some(&mut self.after),
                _ => {
                    if let Some(list) = &mut list {
                        list.push(word.to_owned());
                    }
                }
            }
        }
    }

    /// The kernel release in `vermagic`.
    pub fn release(&self) -> &str {
        self.vermagic.split(' ').next().unwrap_or_default()
    }
}

fn own_name(word: &str) -> String {
    super::name(word).into_owned()
}

/// The `key=value` words of a section, which are separated by NUL; what is not text is left out.
fn words(section: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    section.split(|byte| *byte == 0).filter_map(|word| std::str::from_utf8(word).ok()?.split_once('='))
}

/// What the drivers that are built into the kernel say of themselves (`modules.builtin.modinfo`).
///
/// Device patterns of built-in drivers are *not* in there on Debian 12's and 13's kernels: a driver that is built in
/// is known by name only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Builtin {
    /// Pattern and driver.
    pub aliases: Vec<(String, String)>,
    /// Firmware files that it may ask for, by driver.
    pub firmware: BTreeMap<String, Vec<String>>,
}

impl Builtin {
    /// Reads the file: words `driver.key=value`, separated by NUL.
    pub fn read(file: &[u8]) -> Builtin {
        let mut told = Builtin::default();
        for (key, value) in words(file) {
            match key.split_once('.') {
                Some((driver, "alias")) => told.aliases.push((value.to_owned(), driver.to_owned())),
                Some((driver, "firmware")) => {
                    told.firmware.entry(super::name(driver).into_owned()).or_default().push(value.to_owned());
                }
                _ => {}
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// Built-in drivers tell both in one file, and a driver's name with a dash is the one with an underscore.
    #[test]
    fn built_in_drivers_tell_devices_and_firmware() {
        let file = b"nvme.alias=pci:v*d*sv*sd*bc01sc08i02*\0nvme.license=GPL\0qla-x.firmware=a.bin\0\
            qla-x.firmware=b.bin\0qla-x.file=drivers/qla-x\0junk\0nodot=1\0\xff\xfe=1\0";
        let told = Builtin::read(file);
        assert_eq!(told.aliases, [("pci:v*d*sv*sd*bc01sc08i02*".to_owned(), "nvme".to_owned())]);
        assert_eq!(told.firmware["qla_x"], ["a.bin", "b.bin"]);
        assert_eq!(told.firmware.len(), 1);
    }

    /// Each key has its own grammar; the ones of e1000e and ext4 show them all.
    #[test]
    fn each_word_has_its_grammar() {
        let section = b"firmware=tigon/tg3.bin\0softdep=pre: crc32c crypto-sha512 post: mlx4_en\0\
            alias=pci:v00008086d000010D3sv*sd*bc*sc*i*\0depends=ptp,pps-core\0depends=\0license=GPL\0\
            vermagic=6.1.0-56-amd64 SMP preempt mod_unload modversions \0weakdep=nls_utf8\0junk\0";
        let mut info = Modinfo::default();
        for (key, value) in words(section) {
            info.take(key, value);
        }
        assert_eq!(info.release(), "6.1.0-56-amd64");
        info.vermagic.clear();
        expect![[r#"
            Modinfo {
                aliases: [
                    "pci:v00008086d000010D3sv*sd*bc*sc*i*",
                ],
                depends: [
                    "ptp",
                    "pps_core",
                ],
                before: [
                    "crc32c",
                    "crypto-sha512",
                ],
                after: [
                    "mlx4_en",
                ],
                weak: [
                    "nls_utf8",
                ],
                firmware: [
                    "tigon/tg3.bin",
                ],
                vermagic: "",
            }
        "#]]
        .assert_debug_eq(&info);
    }
}
