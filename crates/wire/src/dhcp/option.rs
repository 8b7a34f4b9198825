//! DHCP options: their numbers, their shapes, and the list of them that a packet carries.
//!
//! The list keeps every option, known or not, in the order of its first appearance: ROMs exist that read
//! options by position, and what we do not know we still want to show.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;
use core::time::Duration;

/// Fills the space between options (RFC 2132 §3.1).
pub const PAD: u8 = 0;
/// Ends the options (RFC 2132 §3.2).
pub const END: u8 = 255;

/// How an option's octets are shown.
#[derive(Clone, Copy)]
enum Shape {
    Addresses,
    Text,
    Seconds,
    Number,
    Kind,
    Codes,
    Octets,
    Nested,
}

macro_rules! options {
    ($($(#[$doc:meta])* $constant:ident = $code:literal, $name:literal, $shape:ident;)*) => {
        $($(#[$doc])* pub const $constant: u8 = $code;)*
        const KNOWN: &[(u8, &str, Shape)] = &[$(($code, $name, Shape::$shape)),*];
    };
}

options! {
    /// Subnet mask (RFC 2132 §3.3).
    SUBNET_MASK = 1, "subnet mask", Addresses;
    /// Routers, the best first (RFC 2132 §3.5).
    ROUTERS = 3, "routers", Addresses;
    /// Domain name servers, the best first (RFC 2132 §3.8).
    NAME_SERVERS = 6, "name servers", Addresses;
    /// Syslog servers, the best first (RFC 2132 §3.9).
    LOG_SERVERS = 7, "log servers", Addresses;
    /// Host name (RFC 2132 §3.14).
    HOST_NAME = 12, "host name", Text;
    /// Domain name (RFC 2132 §3.17).
    DOMAIN_NAME = 15, "domain name", Text;
    /// Path of the root file system (RFC 2132 §3.19).
    ROOT_PATH = 17, "root path", Text;
    /// Broadcast address (RFC 2132 §5.3).
    BROADCAST_ADDRESS = 28, "broadcast address", Addresses;
    /// The vendor's own options, PXE's among them (RFC 2132 §8.4, PXE 2.1 table 2-1).
    VENDOR = 43, "vendor options", Nested;
    /// The address that the client would like (RFC 2132 §9.1).
    REQUESTED_ADDRESS = 50, "requested address", Addresses;
    /// Lease time (RFC 2132 §9.2).
    LEASE_TIME = 51, "lease time", Seconds;
    /// `file` and `sname` carry options too (RFC 2132 §9.3).
    OVERLOAD = 52, "option overload", Number;
    /// What kind of message it is (RFC 2132 §9.6).
    MESSAGE_TYPE = 53, "message type", Kind;
    /// Which server is meant, or speaks (RFC 2132 §9.7).
    SERVER_ID = 54, "server id", Addresses;
    /// Which options the client wants (RFC 2132 §9.8).
    PARAMETERS = 55, "parameters", Codes;
    /// Why, as text (RFC 2132 §9.9).
    MESSAGE = 56, "message", Text;
    /// The longest packet that the client takes (RFC 2132 §9.10).
    MAX_SIZE = 57, "maximum size", Number;
    /// When to renew, T1 (RFC 2132 §9.11).
    RENEWAL_TIME = 58, "renewal time", Seconds;
    /// When to rebind, T2 (RFC 2132 §9.12).
    REBINDING_TIME = 59, "rebinding time", Seconds;
    /// Vendor class: `PXEClient:Arch:00007:…` (RFC 2132 §9.13, PXE 2.1).
    VENDOR_CLASS = 60, "vendor class", Text;
    /// Client identifier (RFC 2132 §9.14).
    CLIENT_ID = 61, "client id", Octets;
    /// TFTP server's name, for when `sname` is overloaded (RFC 2132 §9.4).
    TFTP_SERVER = 66, "TFTP server", Text;
    /// Boot file's name, for when `file` is overloaded (RFC 2132 §9.5).
    BOOTFILE = 67, "boot file", Text;
    /// User class: `iPXE` (RFC 3004, which wants lengths that iPXE does not write).
    USER_CLASS = 77, "user class", Text;
    /// What the relay noted (RFC 3046); goes back as it came.
    RELAY_AGENT = 82, "relay agent", Nested;
    /// Client system architecture (RFC 4578 §2.1): see `model::boot`.
    ARCHITECTURE = 93, "architecture", Octets;
    /// Client network interface: UNDI's version (RFC 4578 §2.2).
    INTERFACE = 94, "network interface", Octets;
    /// Client machine: 0 and a UUID (RFC 4578 §2.3).
    MACHINE_ID = 97, "machine id", Octets;
    /// iPXE's own options (iPXE `src/include/ipxe/dhcp.h`, `DHCP_EB_ENCAP`).
    IPXE = 175, "iPXE", Nested;
}

/// Sub-options of [`RELAY_AGENT`].
pub mod relay {
    /// The relay's port that the client hangs on (RFC 3046 §3.1).
    pub const CIRCUIT: u8 = 1;
    /// An address of the network that the client is on, where it is not the relay's (RFC 3527).
    pub const LINK: u8 = 5;
}

/// Sub-options of [`VENDOR`] as PXE 2.1 writes them (table 2-1).
pub mod pxe {
    /// How boot servers are looked for: a bit mask.
    pub const DISCOVERY_CONTROL: u8 = 6;
    /// Value of [`DISCOVERY_CONTROL`]: look for none, take the boot file named in this packet.
    pub const TAKE_BOOTFILE: u8 = 8;
}

/// Sub-options of [`IPXE`] (iPXE `src/include/ipxe/dhcp.h`).
pub mod ipxe {
    /// Server to client: 1 means that no proxyDHCP server will answer, so it need not be waited for.
    pub const NO_PROXYDHCP: u8 = 0xb0;
    /// Client to server: the booting NIC's bus: 01 for PCI, vendor, device, each big-endian.
    pub const BUS_ID: u8 = 0xb1;
    /// Client to server: three octets of version.
    pub const VERSION: u8 = 0xeb;
}

/// Option 53 (RFC 2132 §9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    /// 1: client looks for servers.
    Discover,
    /// 2: server offers an address.
    Offer,
    /// 3: client takes an offer, or asks to keep what it has.
    Request,
    /// 4: client says that somebody else uses the address.
    Decline,
    /// 5: server gives the address.
    Ack,
    /// 6: server refuses it.
    Nak,
    /// 7: client gives the address back.
    Release,
    /// 8: client has an address and wants the options only.
    Inform,
}

impl MessageType {
    const ALL: [(MessageType, &str); 8] = [
        (MessageType::Discover, "DISCOVER"),
        (MessageType::Offer, "OFFER"),
        (MessageType::Request, "REQUEST"),
        (MessageType::Decline, "DECLINE"),
        (MessageType::Ack, "ACK"),
        (MessageType::Nak, "NAK"),
        (MessageType::Release, "RELEASE"),
        (MessageType::Inform, "INFORM"),
    ];

    /// From the option's octet.
    pub fn from_octet(octet: u8) -> Option<MessageType> {
        let index = usize::from(octet).checked_sub(1)?;
        MessageType::ALL.get(index).map(|(kind, _)| *kind)
    }

    /// The option's octet.
    pub fn octet(self) -> u8 {
        self as u8 + 1
    }

    /// The RFC's word without its `DHCP`: `DISCOVER`.
    pub fn name(self) -> &'static str {
        MessageType::ALL[self as usize].1
    }
}

/// A packet's options, or an option's sub-options: each code once, in the order of first appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(Vec<(u8, Vec<u8>)>);

impl Options {
    /// None yet.
    pub fn new() -> Options {
        Options::default()
    }

    /// Reads codes, lengths and octets. What overruns the end is dropped, what came before it is kept.
    pub fn parse(bytes: &[u8]) -> Options {
        let mut options = Options::new();
        options.absorb(bytes);
        options
    }

    /// Adds what `bytes` hold; a code that is there already goes on where it ended (RFC 3396 §7).
    pub(super) fn absorb(&mut self, mut bytes: &[u8]) {
        while let Some((&code, rest)) = bytes.split_first() {
            match code {
                PAD => bytes = rest,
                END => return,
                _ => {
                    let Some((&length, rest)) = rest.split_first() else { return };
                    let Some((octets, rest)) = rest.split_at_checked(usize::from(length)) else { return };
                    match self.0.iter_mut().find(|(known, _)| *known == code) {
                        Some((_, there)) => there.extend_from_slice(octets),
                        None => self.0.push((code, octets.to_vec())),
                    }
                    bytes = rest;
                }
            }
        }
    }

    /// Codes, lengths and octets, without [`END`]. What is longer than 255 octets is split (RFC 3396 §6).
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (code, octets) in &self.0 {
            if octets.is_empty() {
                bytes.extend([*code, 0]);
            }
            for part in octets.chunks(255) {
                // `chunks(255)` gives no part that is longer than an octet counts.
                bytes.extend([*code, part.len() as u8]);
                bytes.extend_from_slice(part);
            }
        }
        bytes
    }

    /// Every option, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.0.iter().map(|(code, octets)| (*code, octets.as_slice()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the option is there, be it empty.
    pub fn has(&self, code: u8) -> bool {
        self.octets(code).is_some()
    }

    /// An option's octets.
    pub fn octets(&self, code: u8) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| *known == code).map(|(_, octets)| octets.as_slice())
    }

    /// The first octet, as a number.
    pub fn byte(&self, code: u8) -> Option<u8> {
        self.octets(code)?.first().copied()
    }

    /// The first two octets, as a number.
    pub fn word(&self, code: u8) -> Option<u16> {
        self.octets(code)?.first_chunk().map(|word| u16::from_be_bytes(*word))
    }

    /// The first four octets, as seconds.
    pub fn seconds(&self, code: u8) -> Option<Duration> {
        let seconds = u32::from_be_bytes(*self.octets(code)?.first_chunk()?);
        Some(Duration::from_secs(seconds.into()))
    }

    /// The first address.
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        self.addresses(code).next()
    }

    /// Every address; a rest that is shorter than one is left out.
    pub fn addresses(&self, code: u8) -> impl Iterator<Item = Ipv4Addr> {
        let octets = self.octets(code).unwrap_or_default();
        octets.chunks_exact(4).map(|four| Ipv4Addr::new(four[0], four[1], four[2], four[3]))
    }

    /// The octets as text, up to the first zero; what is no UTF-8 is replaced. `None` where it is empty.
    pub fn text(&self, code: u8) -> Option<String> {
        text(self.octets(code)?)
    }

    /// The options within this option ([`VENDOR`], [`RELAY_AGENT`], [`IPXE`]); none where it is absent.
    pub fn nested(&self, code: u8) -> Options {
        Options::parse(self.octets(code).unwrap_or_default())
    }

    /// Sets an option: in its place where it is there, else at the end. [`PAD`] and [`END`] are none.
    pub fn set(&mut self, code: u8, octets: impl Into<Vec<u8>>) {
        if code == PAD || code == END {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == code) {
            Some((_, there)) => *there = octets.into(),
            None => self.0.push((code, octets.into())),
        }
    }

    /// Sets an option that is one address.
    pub fn set_address(&mut self, code: u8, address: Ipv4Addr) {
        self.set(code, address.octets());
    }

    /// Sets an option that is a time; what is over 2³² − 1 seconds is for ever (RFC 2131 §3.3).
    pub fn set_seconds(&mut self, code: u8, time: Duration) {
        self.set(code, u32::try_from(time.as_secs()).unwrap_or(u32::MAX).to_be_bytes());
    }

    /// Takes an option out.
    pub fn remove(&mut self, code: u8) {
        self.0.retain(|(known, _)| *known != code);
    }
}

/// Octets as text, up to the first zero; `None` where nothing stands before it.
pub(super) fn text(octets: &[u8]) -> Option<String> {
    let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    let octets = octets.get(..end).unwrap_or_default();
    if octets.is_empty() { None } else { Some(String::from_utf8_lossy(octets).into_owned()) }
}

/// An option a line, each after a line break: `  60 vendor class: "PXEClient:Arch:00000:UNDI:002001"`.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (code, octets) in self.iter() {
            let known = KNOWN.iter().find(|(known, ..)| *known == code);
            let (name, shape) = known.map_or(("?", Shape::Octets), |(_, name, shape)| (*name, *shape));
            write!(f, "\n{code:4} {name}: ")?;
            show(f, shape, octets)?;
        }
        Ok(())
    }
}

fn show(f: &mut fmt::Formatter<'_>, shape: Shape, octets: &[u8]) -> fmt::Result {
    match (shape, octets) {
        (Shape::Addresses, octets) if !octets.is_empty() && octets.len().is_multiple_of(4) => {
            for (index, four) in octets.chunks_exact(4).enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                write!(f, "{comma}{}.{}.{}.{}", four[0], four[1], four[2], four[3])?;
            }
            Ok(())
        }
        (Shape::Text, octets) => write!(f, "\"{}\"", octets.escape_ascii()),
        (Shape::Seconds, [a, b, c, d]) => write!(f, "{} s", u32::from_be_bytes([*a, *b, *c, *d])),
        (Shape::Number, [number]) => write!(f, "{number}"),
        (Shape::Number, [high, low]) => write!(f, "{}", u16::from_be_bytes([*high, *low])),
        (Shape::Kind, [octet]) => match MessageType::from_octet(*octet) {
            Some(kind) => f.write_str(kind.name()),
            None => write!(f, "{octet}"),
        },
        (Shape::Codes, octets) => {
            for (index, code) in octets.iter().enumerate() {
                write!(f, "{}{code}", if index == 0 { "" } else { " " })?;
            }
            Ok(())
        }
        (Shape::Nested, octets) => {
            for (index, (code, octets)) in Options::parse(octets).iter().enumerate() {
                write!(f, "{}{code}=", if index == 0 { "" } else { " " })?;
                hex(f, octets)?;
            }
            Ok(())
        }
        (_, octets) => hex(f, octets),
    }
}

fn hex(f: &mut fmt::Formatter<'_>, octets: &[u8]) -> fmt::Result {
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}
