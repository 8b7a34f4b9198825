//! What a box is told when it boots: the words on the kernel command line and the files it is sent to.
//!
//! Which network boot program fits which firmware is decided here too; the DHCP and TFTP servers only ask.

use crate::timeline::Client;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use wire::dhcp::option::{self, Options, ipxe, pxe};
use wire::dhcp::server::Boot;
use wire::dhcp::{Packet, client};
use wire::mac::Mac;

/// How the live OS's root gets to the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootRoad {
    /// Read-only over NFSv3, files as they are asked for.
    Nfs,
    /// As one verified squashfs, fetched over HTTP into RAM.
    Ram,
}

/// The kernel command line as the agent reads it. Unknown words are the kernel's and stay untouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootParameters {
    /// The server; HTTP, NFS and the beacon are all there.
    pub server: Ipv4Addr,
    /// TCP port of the HTTP server.
    pub http_port: u16,
    /// TCP port of the NFS and MOUNT programs.
    pub nfs_port: u16,
    /// The boot NIC: `BOOTIF=01-52-54-…`, the name under which the server knows the box.
    pub boot_nic: Option<Mac>,
    /// Digest that names this build of the live OS; its files stand under `/live/DIGEST/`.
    pub live: String,
    /// How the root comes.
    pub root: RootRoad,
    /// SHA-256 of `root.squashfs`, hex: what comes over HTTP is held against what came with the kernel.
    pub root_sha256: Option<String>,
}

/// Default TCP port of the HTTP server.
pub const HTTP_PORT: u16 = 80;
/// Default TCP port of the NFS and MOUNT programs (IANA: nfs).
pub const NFS_PORT: u16 = 2049;

impl BootParameters {
    /// The words for the kernel command line, `BOOTIF` included.
    pub fn words(&self) -> String {
        let root = match self.root {
            RootRoad::Nfs => "nfs",
            RootRoad::Ram => "ram",
        };
        let mut words = format!(
            "bootworks.server={} bootworks.http={} bootworks.nfs={} bootworks.live={} bootworks.root={root}",
            self.server, self.http_port, self.nfs_port, self.live
        );
        if let Some(sha256) = &self.root_sha256 {
            let _ = write!(words, " bootworks.root-sha256={sha256}");
        }
        if let Some(mac) = self.boot_nic {
            let _ = write!(words, " BOOTIF={}", mac.bootif());
        }
        words
    }

    /// Reads a kernel command line. `None` where no `bootworks.server=` with an address is on it.
    pub fn read(command_line: &str) -> Option<BootParameters> {
        let word = |key: &str| {
            command_line.split_ascii_whitespace().rev().find_map(|word| {
                let (name, value) = word.split_once('=')?;
                name.eq_ignore_ascii_case(key).then_some(value)
            })
        };
        Some(BootParameters {
            server: word("bootworks.server")?.parse().ok()?,
            http_port: word("bootworks.http").and_then(|text| text.parse().ok()).unwrap_or(HTTP_PORT),
            nfs_port: word("bootworks.nfs").and_then(|text| text.parse().ok()).unwrap_or(NFS_PORT),
            boot_nic: word("BOOTIF").and_then(|text| text.parse().ok()),
            live: word("bootworks.live").unwrap_or_default().to_owned(),
            root: if word("bootworks.root") == Some("ram") { RootRoad::Ram } else { RootRoad::Nfs },
            root_sha256: word("bootworks.root-sha256").map(str::to_ascii_lowercase),
        })
    }
}

/// The network boot program for BIOS: iPXE that uses the NIC through the ROM's own UNDI driver.
pub const BIOS_LOADER: &str = "undionly.kpxe";
/// The network boot program for UEFI on x86-64: iPXE with its own drivers.
pub const UEFI_LOADER: &str = "ipxe.efi";
/// Folder under which HTTP serves the network boot programs, for UEFI HTTP Boot.
pub const LOADER_FOLDER: &str = "/loader/";
/// Path of the first script for iPXE.
pub const IPXE_SCRIPT: &str = "/ipxe";

/// Who sent a DHCP packet.
pub fn classify(packet: &Packet) -> Client {
    let options = &packet.options;
    let vendor = options.text(option::VENDOR_CLASS).unwrap_or_default();
    // iPXE calls itself `PXEClient` too, so it is asked for first. RFC 3004 wants a length before the name
    // of a user class; iPXE writes none, other programs that load us may.
    let user = options.octets(option::USER_CLASS).unwrap_or_default();
    if options.has(option::IPXE) || matches!(user, b"iPXE" | b"\x04iPXE") {
        Client::Ipxe
    } else if vendor.starts_with("PXEClient") {
        Client::Rom
    } else if vendor.starts_with("HTTPClient") {
        Client::HttpBoot
    } else if vendor == client::VENDOR_CLASS {
        Client::Agent
    } else if vendor == "Linux ipconfig" {
        Client::Ipconfig
    } else {
        Client::Other
    }
}

/// Client system architecture, option 93 (RFC 4578 §2.1; the numbers are IANA's processor architecture
/// types). Of several, the first, which is the one that asks.
pub fn architecture(packet: &Packet) -> Option<u16> {
    packet.options.word(option::ARCHITECTURE)
}

/// The file that a client is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loader {
    /// A network boot program, by name, over TFTP.
    Tftp(&'static str),
    /// A network boot program or a script, over HTTP.
    Url(String),
    /// None: the client has an operating system and wants an address.
    None,
}

/// Which loader fits: the table of firmware against files. `http` is the server's `address[:port]`.
///
/// Errors: the firmware is of a kind for which there is no loader; the sentence says which.
pub fn loader(client: Client, architecture: Option<u16>, http: &str) -> Result<Loader, String> {
    match client {
        Client::Ipxe => Ok(Loader::Url(format!("http://{http}{IPXE_SCRIPT}"))),
        Client::Agent | Client::Ipconfig | Client::Other => Ok(Loader::None),
        Client::Rom => match architecture {
            // ROMs from before RFC 4578 do not say; they are all BIOS.
            None | Some(0) => Ok(Loader::Tftp(BIOS_LOADER)),
            // 9 is x86-64 in the RFC's text, 7 in what firmware sends (RFC 4578 errata 4624).
            Some(7 | 9) => Ok(Loader::Tftp(UEFI_LOADER)),
            Some(other) => Err(no_loader(other)),
        },
        Client::HttpBoot => match architecture {
            None | Some(16) => Ok(Loader::Url(format!("http://{http}{LOADER_FOLDER}{UEFI_LOADER}"))),
            Some(other) => Err(no_loader(other)),
        },
    }
}

fn no_loader(architecture: u16) -> String {
    let name = match architecture {
        6 | 15 => "32-bit x86 UEFI",
        10 | 18 => "32-bit ARM UEFI",
        11 | 19 => "64-bit ARM UEFI",
        20 => "HTTP boot from BIOS",
        27 | 28 => "64-bit RISC-V UEFI",
        _ => "of a kind not known here",
    };
    format!(
        "its firmware is {name} (architecture {architecture}), but there are loaders for BIOS and x86-64 UEFI only"
    )
}

/// What a DHCP client is told to boot, as the DHCP server writes it into its reply.
///
/// Errors: as [`loader`].
pub fn answer(packet: &Packet, server: Ipv4Addr, http_port: u16) -> Result<Boot, String> {
    let http = if http_port == 80 { server.to_string() } else { format!("{server}:{http_port}") };
    let client = classify(packet);
    let file = match loader(client, architecture(packet), &http)? {
        Loader::Tftp(name) => Some(name.to_owned()),
        Loader::Url(url) => Some(url),
        Loader::None => None,
    };
    let mut options = Options::new();
    match client {
        Client::Rom => {
            // A ROM takes a reply for a PXE reply by this name, and with this vendor option it boots the file
            // named in it at once, without looking for boot servers (PXE 2.1 §2.2.3, table 2-1 tag 6).
            options.set(option::VENDOR_CLASS, *b"PXEClient");
            options.set(option::VENDOR, [pxe::DISCOVERY_CONTROL, 1, pxe::TAKE_BOOTFILE, option::END]);
        }
        // UEFI drops an offer that does not say it back (UEFI 2.10 §24.7.3.2).
        Client::HttpBoot => options.set(option::VENDOR_CLASS, *b"HTTPClient"),
        // Without this word iPXE waits for a proxyDHCP server after each offer.
        Client::Ipxe => options.set(option::IPXE, [ipxe::NO_PROXYDHCP, 1, 1]),
        Client::Agent | Client::Ipconfig | Client::Other => {}
    }
    Ok(Boot { file, options })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the server writes, the initrd must read, among any words of the kernel's own.
    #[test]
    fn the_command_line_is_read_as_it_was_written() {
        let parameters = BootParameters {
            server: Ipv4Addr::new(10, 77, 0, 1),
            http_port: 8080,
            nfs_port: 2049,
            boot_nic: Some(Mac([0x52, 0x54, 0, 1, 2, 0xab])),
            live: "3f2a".into(),
            root: RootRoad::Ram,
            root_sha256: Some("00ff".into()),
        };
        let line = format!("initrd=initrd console=tty0 {} panic=30", parameters.words());
        assert_eq!(BootParameters::read(&line), Some(parameters.clone()));
        let shouted = line.replace("BOOTIF=01-52-54-00-01-02-ab", "bootif=01:52:54:00:01:02:AB");
        assert_eq!(BootParameters::read(&shouted), Some(parameters));
        assert_eq!(BootParameters::read("root=/dev/sda1 quiet"), None);
    }

    fn packet(vendor: &str, architecture: Option<u16>) -> Packet {
        let mut packet = Packet::request(Mac([2, 0, 0, 0, 0, 1]), 1);
        packet.options.set(option::VENDOR_CLASS, vendor);
        if let Some(architecture) = architecture {
            packet.options.set(option::ARCHITECTURE, architecture.to_be_bytes());
        }
        packet
    }

    /// The wrong loader is the classic "it hangs after NBP downloaded": each firmware against its file.
    #[test]
    fn every_firmware_gets_the_loader_that_it_can_run() {
        let told = |packet: &Packet| {
            let boot = answer(packet, Ipv4Addr::new(10, 77, 0, 1), 80);
            let class = format!("{:?} {:?}", classify(packet), architecture(packet));
            match boot {
                Ok(Boot { file, options }) => {
                    let options = options.to_string().replace('\n', ",");
                    format!("{class}: {}{options}", file.as_deref().unwrap_or("no file"))
                }
                Err(why) => format!("{class}: {why}"),
            }
        };
        let mut ipxe_by_option = packet("PXEClient:Arch:00007:UNDI:003010", Some(7));
        ipxe_by_option.options.set(option::IPXE, [0xb1, 5, 1, 0x80, 0x86, 0x10, 0xd3]);
        let mut ipxe_by_class = packet("PXEClient:Arch:00000:UNDI:002001", Some(0));
        ipxe_by_class.options.set(option::USER_CLASS, *b"iPXE");
        let lines = [
            told(&packet("PXEClient:Arch:00000:UNDI:002001", Some(0))),
            told(&packet("PXEClient", None)),
            told(&packet("PXEClient:Arch:00007:UNDI:003000", Some(7))),
            told(&packet("PXEClient:Arch:00009:UNDI:003000", Some(9))),
            told(&packet("PXEClient:Arch:00006:UNDI:003000", Some(6))),
            told(&packet("PXEClient:Arch:00011:UNDI:003000", Some(11))),
            told(&packet("HTTPClient:Arch:00016:UNDI:003001", Some(16))),
            told(&packet("HTTPClient:Arch:00019:UNDI:003001", Some(19))),
            told(&ipxe_by_option),
            told(&ipxe_by_class),
            told(&packet("bootworks-agent", None)),
            told(&packet("Linux ipconfig", None)),
            told(&packet("udhcp 1.35.0", None)),
        ];
        expect_test::expect![[r#"
            Rom Some(0): undionly.kpxe,  60 vendor class: "PXEClient",  43 vendor options: 6=08
            Rom None: undionly.kpxe,  60 vendor class: "PXEClient",  43 vendor options: 6=08
            Rom Some(7): ipxe.efi,  60 vendor class: "PXEClient",  43 vendor options: 6=08
            Rom Some(9): ipxe.efi,  60 vendor class: "PXEClient",  43 vendor options: 6=08
            Rom Some(6): its firmware is 32-bit x86 UEFI (architecture 6), but there are loaders for BIOS and x86-64 UEFI only
            Rom Some(11): its firmware is 64-bit ARM UEFI (architecture 11), but there are loaders for BIOS and x86-64 UEFI only
            HttpBoot Some(16): http://10.77.0.1/loader/ipxe.efi,  60 vendor class: "HTTPClient"
            HttpBoot Some(19): its firmware is 64-bit ARM UEFI (architecture 19), but there are loaders for BIOS and x86-64 UEFI only
            Ipxe Some(7): http://10.77.0.1/ipxe, 175 iPXE: 176=01
            Ipxe Some(0): http://10.77.0.1/ipxe, 175 iPXE: 176=01
            Agent None: no file
            Ipconfig None: no file
            Other None: no file"#]].assert_eq(&lines.join("\n"));
        let boot = answer(&ipxe_by_class, Ipv4Addr::new(10, 77, 0, 1), 8080).unwrap();
        assert_eq!(boot.file.as_deref(), Some("http://10.77.0.1:8080/ipxe"));
    }

    /// The same question to packets that were caught on the wire.
    #[test]
    fn real_packets_are_told_apart() {
        let class = |hex: &str| {
            let digits: Vec<char> = hex.chars().filter(char::is_ascii_hexdigit).collect();
            let octet =
                |pair: &[char]| pair.iter().fold(0, |sum, digit| sum * 16 + digit.to_digit(16).unwrap());
            let bytes: Vec<u8> = digits.chunks(2).map(|pair| u8::try_from(octet(pair)).unwrap()).collect();
            let packet = Packet::parse(&bytes).unwrap();
            (classify(&packet), architecture(&packet))
        };
        macro_rules! capture {
            ($name:literal) => {
                class(include_str!(concat!("../../wire/testdata/dhcp/", $name, "-discover.hex")))
            };
        }
        assert_eq!(capture!("uefi-pxe"), (Client::Rom, Some(7)));
        assert_eq!(capture!("uefi-http"), (Client::HttpBoot, Some(16)));
        assert_eq!(capture!("ipxe-bios"), (Client::Ipxe, Some(0)));
        assert_eq!(capture!("ipxe-uefi"), (Client::Ipxe, Some(7)));
        assert_eq!(capture!("ipconfig"), (Client::Ipconfig, None));
        assert_eq!(capture!("dhclient"), (Client::Other, None));
        assert_eq!(capture!("udhcpc"), (Client::Other, None));
    }
}
