//! What a box is told when it boots: the words on the kernel command line and the files it is sent to.
//!
//! Which network boot program fits which firmware is decided here too; the DHCP and TFTP servers only ask.

use crate::line::Dhcp;
use crate::timeline::Client;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use wire::dhcp::ipxe::{Feature, Report};
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
    /// What the box shows the server to get what is nobody else's: answers that are secret.
    pub session: Option<String>,
    /// How the server is known over TLS, where it speaks it.
    pub identity: Option<Identity>,
}

/// How a box knows its server before it tells it what it tells nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// TCP port of the server's HTTPS.
    pub https_port: u16,
    /// SHA-256 of the certificate of the line's authority, which has signed the server's.
    pub authority: [u8; 32],
}

impl Identity {
    /// From the words of a command line; none where one of them is missing or is none.
    fn read(https_port: Option<&str>, authority: Option<&str>) -> Option<Identity> {
        Some(Identity { https_port: https_port?.parse().ok()?, authority: octets(authority?)? })
    }
}

fn octets(hex: &str) -> Option<[u8; 32]> {
    let mut octets = [0; 32];
    if hex.len() != 2 * octets.len() || !hex.is_ascii() {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *octet = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(octets)
}

/// The word before the session on the kernel command line.
const SESSION: &str = "bootworks.session=";
/// What stands in its place where a log is kept.
const HIDDEN: &str = "(hidden)";

/// Default TCP port of the HTTP server.
pub const HTTP_PORT: u16 = 80;
/// Default TCP port of the HTTPS server (IANA: https).
pub const HTTPS_PORT: u16 = 443;
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
        if let Some(session) = &self.session {
            let _ = write!(words, " {SESSION}{session}");
        }
        if let Some(Identity { https_port, authority }) = &self.identity {
            let _ = write!(words, " bootworks.https={https_port} bootworks.authority=");
            for octet in authority {
                let _ = write!(words, "{octet:02x}");
            }
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
            session: word(SESSION.trim_end_matches('=')).map(str::to_owned),
            identity: Identity::read(word("bootworks.https"), word("bootworks.authority")),
        })
    }
}

/// A line of a log as it may be kept: kernels print their command line, and logs are read by everybody.
pub fn hide_session(line: &str) -> String {
    let mut parts = line.split(SESSION);
    let mut hidden = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.find(|character: char| !character.is_ascii_hexdigit()).map(|end| &part[end..]);
        hidden = hidden + SESSION + HIDDEN + rest.unwrap_or_default();
    }
    hidden
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

/// What runs a network boot program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Firmware {
    /// PC BIOS.
    Bios,
    /// UEFI on 32-bit x86.
    Ia32,
    /// UEFI on x86-64.
    X64,
    /// UEFI on 32-bit ARM.
    Arm32,
    /// UEFI on 64-bit ARM.
    Arm64,
    /// UEFI on 64-bit RISC-V.
    RiscV64,
    /// UEFI on 64-bit LoongArch.
    LoongArch64,
}

impl Firmware {
    /// As a line names them.
    pub const IDS: &'static [&'static str] =
        &["bios", "uefi-ia32", "uefi-x64", "uefi-arm32", "uefi-arm64", "uefi-riscv64", "uefi-loongarch64"];

    const ALL: [Firmware; 7] = [
        Firmware::Bios,
        Firmware::Ia32,
        Firmware::X64,
        Firmware::Arm32,
        Firmware::Arm64,
        Firmware::RiscV64,
        Firmware::LoongArch64,
    ];

    /// By its id in a line.
    pub fn from_id(id: &str) -> Option<Firmware> {
        Firmware::IDS.iter().position(|known| *known == id).map(|index| Firmware::ALL[index])
    }

    /// Its id in a line.
    pub fn id(self) -> &'static str {
        Firmware::IDS[self as usize]
    }

    /// By option 93 (IANA, "Processor Architecture Types"); the second number of a kind is its HTTP boot.
    /// 9 is x86-64 in RFC 4578's text and 7 in what firmware sends (errata 4624); 17 is HTTP boot of that 7.
    fn of(architecture: u16) -> Option<Firmware> {
        Some(match architecture {
            0 => Firmware::Bios,
            6 | 15 => Firmware::Ia32,
            7 | 9 | 16 | 17 => Firmware::X64,
            10 | 18 => Firmware::Arm32,
            11 | 19 => Firmware::Arm64,
            27 | 28 => Firmware::RiscV64,
            39 | 40 => Firmware::LoongArch64,
            _ => return None,
        })
    }

    fn words(self) -> &'static str {
        match self {
            Firmware::Bios => "BIOS",
            Firmware::Ia32 => "32-bit x86 UEFI",
            Firmware::X64 => "x86-64 UEFI",
            Firmware::Arm32 => "32-bit ARM UEFI",
            Firmware::Arm64 => "64-bit ARM UEFI",
            Firmware::RiscV64 => "64-bit RISC-V UEFI",
            Firmware::LoongArch64 => "64-bit LoongArch UEFI",
        }
    }
}

/// A network boot program of the line's own, in place of ours or where there is none of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLoader {
    /// Which firmware gets it.
    pub firmware: Firmware,
    /// Path in the line's folder, and its name over TFTP and HTTP.
    pub file: String,
}

/// Points clients to what they boot: the table of firmware against files, as a DHCP server asks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signpost {
    /// The server's address.
    pub server: Ipv4Addr,
    /// TCP port of the HTTP server.
    pub http_port: u16,
    /// Whether another server leases the addresses.
    pub dhcp: Dhcp,
    /// The line's own loaders.
    pub loaders: Vec<OwnLoader>,
}

impl Signpost {
    /// What a client is told to boot; no file where it only wants an address.
    ///
    /// Errors: there is nothing that it could boot; a phrase for the operator.
    pub fn answer(&self, packet: &Packet) -> Result<Boot, String> {
        let client = classify(packet);
        let file = self.file(client, packet)?;
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
            // iPXE takes an offer without an address for a proxy's by this name only (iPXE `net/udp/dhcp.c`,
            // `dhcp_discovery_rx`).
            Client::Ipxe if self.dhcp == Dhcp::Proxy => options.set(option::VENDOR_CLASS, *b"PXEClient"),
            // Without this word iPXE waits for a proxyDHCP server after each offer.
            Client::Ipxe => options.set(option::IPXE, [ipxe::NO_PROXYDHCP, 1, 1]),
            Client::Agent | Client::Ipconfig | Client::Other => {}
        }
        if client == Client::Ipxe {
            // iPXE that was built to speaks syslog to this server; its last words are in the timeline then.
            options.set_address(option::LOG_SERVERS, self.server);
        }
        Ok(Boot { file, options })
    }

    fn file(&self, client: Client, packet: &Packet) -> Result<Option<String>, String> {
        let http = self.http();
        match client {
            Client::Agent | Client::Ipconfig | Client::Other => Ok(None),
            Client::Ipxe if lacks_http(packet) => self.better_ipxe(packet).map(Some),
            Client::Ipxe => Ok(Some(format!("http://{http}{IPXE_SCRIPT}"))),
            Client::Rom => self.loader(packet, Firmware::Bios).map(Some),
            Client::HttpBoot => {
                let name = self.loader(packet, Firmware::X64)?;
                Ok(Some(format!("http://{http}{LOADER_FOLDER}{name}")))
            }
        }
    }

    /// The loader for a firmware. ROMs from before RFC 4578 do not say what they are; they are `silent`.
    fn loader(&self, packet: &Packet, silent: Firmware) -> Result<String, String> {
        let architecture = architecture(packet);
        let firmware = match architecture {
            None => Some(silent),
            Some(architecture) => Firmware::of(architecture),
        };
        let own = self.loaders.iter().find(|loader| Some(loader.firmware) == firmware);
        match (own, firmware) {
            (Some(own), _) => Ok(own.file.clone()),
            (None, Some(Firmware::Bios)) => Ok(BIOS_LOADER.into()),
            (None, Some(Firmware::X64)) => Ok(UEFI_LOADER.into()),
            (None, firmware) => Err(self.no_loader(firmware, architecture)),
        }
    }

    /// An iPXE that cannot fetch our script is sent to ours, which can. Once: a loader of the line's own is
    /// not known to, and two of a kind would send each other on for ever.
    fn better_ipxe(&self, packet: &Packet) -> Result<String, String> {
        let loader = self.loader(packet, Firmware::Bios)?;
        if self.loaders.iter().any(|own| own.file == loader) {
            return Err(format!(
                "its iPXE has no HTTP, and {loader} of line.toml may be the one that it runs"
            ));
        }
        Ok(loader)
    }

    fn no_loader(&self, firmware: Option<Firmware>, architecture: Option<u16>) -> String {
        let number = architecture.map_or("not said".into(), |number| number.to_string());
        let (kind, hint) = match firmware {
            None => ("of a kind not known here".to_owned(), String::new()),
            Some(firmware) => {
                let hint =
                    format!("; name one in line.toml: [[network.loader]] firmware = \"{}\"", firmware.id());
                (firmware.words().to_owned(), hint)
            }
        };
        let known: BTreeSet<Firmware> = [Firmware::Bios, Firmware::X64]
            .into_iter()
            .chain(self.loaders.iter().map(|own| own.firmware))
            .collect();
        let mut known: Vec<&str> = known.into_iter().map(Firmware::words).collect();
        let last = known.pop().unwrap_or_default();
        let known = known.join(", ");
        format!(
            "its firmware is {kind} (architecture {number}), but there are loaders for {known} and {last} only{hint}"
        )
    }

    /// The server's `address[:port]`.
    fn http(&self) -> String {
        match self.http_port {
            80 => self.server.to_string(),
            port => format!("{}:{port}", self.server),
        }
    }
}

fn lacks_http(packet: &Packet) -> bool {
    Report::read(&packet.options).is_some_and(|report| report.lacks(Feature::Http))
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
            session: Some("01ab".into()),
            identity: Some(Identity { https_port: 443, authority: [0xa5; 32] }),
        };
        let line = format!("initrd=initrd console=tty0 {} panic=30", parameters.words());
        assert_eq!(BootParameters::read(&line), Some(parameters.clone()));
        let shouted = line.replace("BOOTIF=01-52-54-00-01-02-ab", "bootif=01:52:54:00:01:02:AB");
        assert_eq!(BootParameters::read(&shouted), Some(parameters));
        assert_eq!(BootParameters::read("root=/dev/sda1 quiet"), None);
        // Half of an identity, or one that is cut short, is none: nobody is trusted by it.
        for cut in [line.replace(" bootworks.https=443", ""), line.replace("=a5a5", "=")] {
            assert_eq!(BootParameters::read(&cut).unwrap().identity, None, "{cut}");
        }
    }

    /// Kernels print their command line, on their console and over netconsole; everybody may read that.
    #[test]
    fn a_session_is_in_no_log() {
        assert_eq!(
            hide_session("Command line: quiet bootworks.session=01ab panic=30; bootworks.session=ff"),
            "Command line: quiet bootworks.session=(hidden) panic=30; bootworks.session=(hidden)"
        );
        assert_eq!(hide_session("Command line: quiet"), "Command line: quiet");
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
            let boot = signpost(Dhcp::Full).answer(packet);
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
            Rom Some(6): its firmware is 32-bit x86 UEFI (architecture 6), but there are loaders for BIOS and x86-64 UEFI only; name one in line.toml: [[network.loader]] firmware = "uefi-ia32"
            Rom Some(11): its firmware is 64-bit ARM UEFI (architecture 11), but there are loaders for BIOS and x86-64 UEFI only; name one in line.toml: [[network.loader]] firmware = "uefi-arm64"
            HttpBoot Some(16): http://10.77.0.1/loader/ipxe.efi,  60 vendor class: "HTTPClient"
            HttpBoot Some(19): its firmware is 64-bit ARM UEFI (architecture 19), but there are loaders for BIOS and x86-64 UEFI only; name one in line.toml: [[network.loader]] firmware = "uefi-arm64"
            Ipxe Some(7): http://10.77.0.1/ipxe, 175 iPXE: 176=01,   7 log servers: 10.77.0.1
            Ipxe Some(0): http://10.77.0.1/ipxe, 175 iPXE: 176=01,   7 log servers: 10.77.0.1
            Agent None: no file
            Ipconfig None: no file
            Other None: no file"#]].assert_eq(&lines.join("\n"));
        let elsewhere = Signpost { http_port: 8080, ..signpost(Dhcp::Full) };
        let boot = elsewhere.answer(&ipxe_by_class).unwrap();
        assert_eq!(boot.file.as_deref(), Some("http://10.77.0.1:8080/ipxe"));
    }

    /// Beside another server an offer is told from a lease by its class; iPXE must not be told that no proxy
    /// will answer, by the proxy.
    #[test]
    fn beside_another_server_every_offer_names_its_class() {
        let mut ipxe = packet("PXEClient:Arch:00007:UNDI:003010", Some(7));
        ipxe.options.set(option::IPXE, [0x13, 1, 1]);
        let lines =
            [packet("PXEClient:Arch:00000:UNDI:002001", Some(0)), packet("HTTPClient", Some(16)), ipxe].map(
                |packet| {
                    let boot = signpost(Dhcp::Proxy).answer(&packet).unwrap();
                    format!("{}{}", boot.file.unwrap_or_default(), boot.options).replace('\n', ",")
                },
            );
        expect_test::expect![[r#"
            undionly.kpxe,  60 vendor class: "PXEClient",  43 vendor options: 6=08
            http://10.77.0.1/loader/ipxe.efi,  60 vendor class: "HTTPClient"
            http://10.77.0.1/ipxe,  60 vendor class: "PXEClient",   7 log servers: 10.77.0.1"#]]
        .assert_eq(&lines.join("\n"));
    }

    /// A line may bring a loader for firmware that we have none for, or another in place of ours; no loader
    /// sends a box round in a circle.
    #[test]
    fn a_line_may_bring_loaders_of_its_own() {
        let own = |firmware, file: &str| OwnLoader { firmware, file: file.into() };
        let loaders =
            vec![own(Firmware::Arm64, "loader/arm64.efi"), own(Firmware::X64, "loader/snponly.efi")];
        let signpost = Signpost { loaders, ..signpost(Dhcp::Full) };
        let old_ipxe = |architecture| {
            let mut packet = packet("PXEClient", Some(architecture));
            packet.options.set(option::IPXE, [0x15, 1, 1]);
            packet
        };
        let lines = [
            packet("PXEClient", Some(11)),
            packet("HTTPClient", Some(19)),
            packet("PXEClient", Some(7)),
            packet("PXEClient", Some(0)),
            packet("PXEClient", Some(6)),
            packet("PXEClient", Some(12)),
            old_ipxe(0),
            old_ipxe(7),
        ]
        .map(|packet| {
            signpost.answer(&packet).map(|boot| boot.file.unwrap_or_default()).unwrap_or_else(|why| why)
        });
        expect_test::expect![[r#"
            loader/arm64.efi
            http://10.77.0.1/loader/loader/arm64.efi
            loader/snponly.efi
            undionly.kpxe
            its firmware is 32-bit x86 UEFI (architecture 6), but there are loaders for BIOS, x86-64 UEFI and 64-bit ARM UEFI only; name one in line.toml: [[network.loader]] firmware = "uefi-ia32"
            its firmware is of a kind not known here (architecture 12), but there are loaders for BIOS, x86-64 UEFI and 64-bit ARM UEFI only
            undionly.kpxe
            its iPXE has no HTTP, and loader/snponly.efi of line.toml may be the one that it runs"#]].assert_eq(&lines.join("\n"));
        for id in Firmware::IDS {
            assert_eq!(Firmware::from_id(id).map(Firmware::id), Some(*id));
        }
    }

    fn signpost(dhcp: Dhcp) -> Signpost {
        Signpost { server: Ipv4Addr::new(10, 77, 0, 1), http_port: 80, dhcp, loaders: Vec::new() }
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
