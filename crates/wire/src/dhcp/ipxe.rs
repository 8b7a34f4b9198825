//! What iPXE tells of itself in option 175: its NIC, its version, what it can do.
//!
//! The server reads it before the first file is fetched; the numbers are those of iPXE's
//! `src/include/ipxe/dhcp.h` (`DHCP_EB_…`) and `src/include/ipxe/features.h`.

use super::option::{self, Options, ipxe};
use alloc::string::String;
use alloc::vec::Vec;

/// What iPXE said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The bus that the booting NIC sits on, and its id there.
    pub nic: Option<BusId>,
    /// `1.21.1`.
    pub version: Option<String>,
    /// What it can do.
    pub features: Vec<Feature>,
    /// Codes that are not known here.
    pub unknown: Vec<u8>,
}

/// A device's id on its bus (iPXE `src/include/ipxe/settings.h`, `struct dhcp_netdev_desc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusId {
    /// 1 is PCI.
    pub bus: u8,
    /// The maker.
    pub vendor: u16,
    /// What it made.
    pub device: u16,
}

impl BusId {
    /// Value of [`BusId::bus`] for PCI.
    pub const PCI: u8 = 1;
}

macro_rules! features {
    ($($(#[$doc:meta])* $feature:ident = $code:literal, $name:literal;)*) => {
        /// Something that an iPXE can do, or was built without.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Feature {
            $($(#[$doc])* $feature = $code,)*
        }

        impl Feature {
            const ALL: &[(Feature, &str)] = &[$((Feature::$feature, $name)),*];
        }
    };
}

features! {
    /// PXE options.
    PxeOptions = 0x10, "PXEEXT";
    /// Booting from iSCSI.
    Iscsi = 0x11, "iSCSI";
    /// Booting from ATA over Ethernet.
    Aoe = 0x12, "AoE";
    /// Fetching over HTTP.
    Http = 0x13, "HTTP";
    /// Fetching over HTTPS.
    Https = 0x14, "HTTPS";
    /// Fetching over TFTP.
    Tftp = 0x15, "TFTP";
    /// Fetching over FTP.
    Ftp = 0x16, "FTP";
    /// Resolving names.
    Dns = 0x17, "DNS";
    /// Linux kernels in bzImage format.
    BzImage = 0x18, "bzImage";
    /// Multiboot kernels.
    Multiboot = 0x19, "MBOOT";
    /// The SLAM multicast protocol.
    Slam = 0x1a, "SLAM";
    /// Booting from SCSI over RDMA.
    Srp = 0x1b, "SRP";
    /// NBI images.
    Nbi = 0x20, "NBI";
    /// PXE network boot programs.
    Pxe = 0x21, "PXE";
    /// ELF images.
    Elf = 0x22, "ELF";
    /// COMBOOT programs.
    Comboot = 0x23, "COMBOOT";
    /// EFI programs.
    Efi = 0x24, "EFI";
    /// Booting from Fibre Channel over Ethernet.
    Fcoe = 0x25, "FCoE";
    /// VLANs.
    Vlan = 0x26, "VLAN";
    /// Menus.
    Menu = 0x27, "Menu";
    /// SDI images.
    Sdi = 0x28, "SDI";
    /// Fetching over NFS.
    Nfs = 0x29, "NFS";
}

impl Feature {
    /// As iPXE writes it on its first line.
    pub fn name(self) -> &'static str {
        Feature::ALL.iter().find(|(feature, _)| *feature == self).map_or("", |(_, name)| name)
    }

    fn from_code(code: u8) -> Option<Feature> {
        Feature::ALL.iter().map(|(feature, _)| *feature).find(|feature| *feature as u8 == code)
    }
}

impl Report {
    /// Reads the option; `None` where there is none.
    pub fn read(options: &Options) -> Option<Report> {
        options.has(option::IPXE).then(|| {
            let mut report = Report::default();
            for (code, octets) in options.nested(option::IPXE).iter() {
                report.take(code, octets);
            }
            report
        })
    }

    fn take(&mut self, code: u8, octets: &[u8]) {
        match (code, octets) {
            (ipxe::BUS_ID, [bus, v, w, d, e]) => {
                let (vendor, device) = (u16::from_be_bytes([*v, *w]), u16::from_be_bytes([*d, *e]));
                self.nic = Some(BusId { bus: *bus, vendor, device });
            }
            (ipxe::VERSION, [major, minor, patch, ..]) => {
                self.version = Some(alloc::format!("{major}.{minor}.{patch}"));
            }
            // A feature's octet is its version; 0 is none of it.
            (code, octets) => match Feature::from_code(code) {
                Some(feature) if octets.first().is_some_and(|version| *version > 0) => {
                    self.features.push(feature);
                }
                Some(_) => {}
                None => self.unknown.push(code),
            },
        }
    }

    /// Whether it says what it can do, and this is not among it.
    pub fn lacks(&self, feature: Feature) -> bool {
        !self.features.is_empty() && !self.features.contains(&feature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use expect_test::expect;
    use proptest::prelude::*;

    fn captured(hex: &str) -> Report {
        let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
        let bytes: Vec<u8> =
            digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect();
        Report::read(&crate::dhcp::Packet::parse(&bytes).unwrap().options).unwrap()
    }

    /// What QEMU's ROMs say: the NIC is known before the kernel is fetched.
    #[test]
    fn what_a_rom_says_is_read_whole() {
        let show = |report: Report| {
            let nic = report.nic.map(|nic| format!("{}:{:04x}:{:04x}", nic.bus, nic.vendor, nic.device));
            let features: Vec<&str> = report.features.iter().map(|feature| feature.name()).collect();
            format!("{nic:?} {:?} {} unknown {:?}", report.version, features.join(" "), report.unknown)
        };
        let lines = [
            show(captured(include_str!("../../testdata/dhcp/ipxe-bios-discover.hex"))),
            show(captured(include_str!("../../testdata/dhcp/ipxe-uefi-discover.hex"))),
        ];
        expect![[r#"
            Some("1:8086:10d3") Some("1.0.0") DNS ELF HTTP iSCSI Menu MBOOT NFS PXEEXT PXE TFTP bzImage AoE unknown []
            Some("1:1af4:1000") Some("1.0.0") DNS EFI HTTP iSCSI Menu NFS TFTP SRP AoE unknown []"#]].assert_eq(&lines.join("\n"));
    }

    /// An iPXE without HTTP cannot take our script; one that says nothing is believed to be able.
    #[test]
    fn what_it_lacks_is_known_only_where_it_says() {
        let report = |octets: &[u8]| {
            let mut options = Options::new();
            options.set(option::IPXE, octets);
            Report::read(&options).unwrap()
        };
        assert!(report(&[0x15, 1, 1]).lacks(Feature::Http));
        assert!(report(&[0x15, 1, 1, 0x13, 1, 0]).lacks(Feature::Http));
        assert!(!report(&[0x15, 1, 1, 0x13, 1, 1]).lacks(Feature::Http));
        assert!(!report(&[0xb1, 5, 1, 0x80, 0x86, 0x10, 0xd3]).lacks(Feature::Http));
        assert_eq!(Report::read(&Options::new()), None);
    }

    proptest! {
        /// The option comes from the network.
        #[test]
        fn any_option_is_read(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut options = Options::new();
            options.set(option::IPXE, octets.clone());
            let report = Report::read(&options).unwrap();
            prop_assert!(report.features.len() + report.unknown.len() <= octets.len());
        }
    }
}
