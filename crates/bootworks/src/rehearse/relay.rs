//! The way to the kernel of a box whose NIC iPXE cannot drive in QEMU: the rehearsal asks the server in iPXE's
//! words, fetches what it is sent to, and puts it into the box's memory.
//!
//! The proof, the script, the transfers and the timeline are the real ones; only who speaks is not the box.

use super::machine::{self, Direct};
use super::virtual_box::Firmware;
use model::boot::HTTP_PORT;
use model::failure::{Explain as _, Failure, Result};
use model::hardware::PciId;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use wire::mac::Mac;

/// How a script writes a `#` that leads a word (`serve::script`).
const HASH: &str = "${hash:string}";

/// What the server answers.
pub(crate) enum Answer {
    /// A boot, fetched.
    Boot(Direct),
    /// No boot: the box's own screen would say why, and the timeline does.
    Refusal,
}

/// Who asks.
pub(crate) struct Asker<'a> {
    /// The server.
    pub(crate) server: Ipv4Addr,
    /// The box's first NIC.
    pub(crate) mac: Mac,
    /// Its PCI id.
    pub(crate) nic: PciId,
    /// What starts the box.
    pub(crate) firmware: Firmware,
    /// Its memory in bytes.
    pub(crate) memory_bytes: u64,
    /// Where kernel and initrd are put.
    pub(crate) folder: &'a Path,
}

impl Asker<'_> {
    /// Asks what to boot and fetches it.
    ///
    /// Errors: the server does not answer, or answers with a script that is not one of a boot.
    pub(crate) fn ask(&self) -> Result<Answer> {
        let script = String::from_utf8_lossy(&get(&self.question())?).into_owned();
        match read(&script) {
            Script::Refusal => Ok(Answer::Refusal),
            Script::Boot { kernel, initrd, words } => Ok(Answer::Boot(Direct {
                kernel: self.fetch(kernel, "kernel")?,
                initrd: Some(self.fetch(initrd, "initrd")?),
                words: words.replace(HASH, "#"),
            })),
            Script::Other => Err(Failure::new("the server's script neither boots the box nor refuses it")
                .because(script.lines().take(3).collect::<Vec<_>>().join("; "))),
        }
    }

    /// What the first script has iPXE ask (`serve::script::first`).
    fn question(&self) -> String {
        let Asker { server, mac, nic, firmware, memory_bytes, .. } = self;
        let platform = match firmware {
            Firmware::Bios => "pcbios",
            Firmware::Uefi => "efi",
        };
        let hex = |text: &str| text.bytes().map(|octet| format!("{octet:02x}")).collect::<String>();
        // One range of SMBIOS from 0 on, in KiB; 32 bits are 4 TiB.
        let last = u32::try_from((memory_bytes >> 10).saturating_sub(1)).unwrap_or(u32::MAX);
        let last = last.to_le_bytes().map(|octet| format!("{octet:02x}")).concat();
        format!(
            "http://{server}:{HTTP_PORT}/boot?mac={}&nic=01{:04x}{:04x}&platform={platform}&uuid={}\
             &serial.hex={}&manufacturer.hex={}&product.hex={}&memory=00000000{}...",
            mac.to_string().replace(':', "-"),
            nic.vendor,
            nic.device,
            machine::UUID,
            hex(machine::SERIAL),
            hex(machine::MANUFACTURER),
            hex(machine::PRODUCT),
            last,
        )
    }

    fn fetch(&self, url: &str, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::write(&path, get(url)?).or_fail(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// A script, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
enum Script<'a> {
    Boot { kernel: &'a str, initrd: &'a str, words: &'a str },
    Refusal,
    Other,
}

/// Reads the server's script (`serve::script::boot`, `serve::script::refusal`).
fn read(script: &str) -> Script<'_> {
    let command = |name: &str| {
        let rest = script.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        Some(rest.split_once(" || ").map_or(rest, |(command, _)| command))
    };
    let boot = command("kernel").and_then(|kernel| kernel.split_once(' ')).zip(command("initrd"));
    match boot {
        Some(((kernel, words), initrd)) => {
            let initrd = initrd.rsplit(' ').next().unwrap_or_default();
            Script::Boot { kernel, initrd, words }
        }
        None if script.contains("\necho Cause: ") => Script::Refusal,
        None => Script::Other,
    }
}

fn get(url: &str) -> Result<Vec<u8>> {
    let fail = || format!("the server did not give {url}");
    let mut response = ureq::get(url).call().or_fail(fail)?;
    response.body_mut().with_config().limit(u64::MAX).read_to_vec().or_fail(fail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::script;
    use model::boot::{BootParameters, RootRoad};
    use model::timeline::Trouble;

    const MAC: &str = "52:54:00:b0:07:00";

    #[test]
    fn the_servers_own_scripts_are_understood() {
        let boot = script::boot(&script::Boot {
            authority: "10.77.0.1",
            parameters: BootParameters {
                server: Ipv4Addr::new(10, 77, 0, 1),
                http_port: HTTP_PORT,
                nfs_port: 2049,
                boot_nic: None,
                live: "abc".into(),
                root: RootRoad::Nfs,
                root_sha256: None,
                session: None,
                identity: None,
            },
            kernel_arguments: "#1 quiet",
            more_arguments: "",
            release: "6.1.0",
            fallback_because: None,
            line: "edge",
            of: MAC.parse().unwrap(),
        });
        let Script::Boot { kernel, initrd, words } = read(&boot) else { panic!("{boot}") };
        assert_eq!(kernel, format!("http://10.77.0.1/live/abc/kernel?box={MAC}"));
        assert_eq!(initrd, format!("http://10.77.0.1/live/abc/initrd?box={MAC}"));
        assert!(
            words.starts_with("initrd=initrd console=tty0") && words.ends_with("${hash:string}1 quiet"),
            "{words}"
        );

        let trouble = Trouble {
            rung: model::ladder::Rung::FetchedKernel,
            cause: "nic-driver-missing".into(),
            sentence: "This box's NIC needs igb.".into(),
            evidence: Vec::new(),
            fix: Vec::new(),
        };
        let refusal = script::refusal("10.77.0.1", MAC.parse().unwrap(), "mac=x", &trouble);
        assert_eq!(read(&refusal), Script::Refusal);
        let turn = script::turn("10.77.0.1", MAC.parse().unwrap(), "mac=x", 3);
        assert_eq!(read(&turn), Script::Other);
    }
}
