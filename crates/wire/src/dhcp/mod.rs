//! BOOTP and DHCPv4 (RFC 951, 2131, 2132): one packet, from bytes and back.
//!
//! The conversations stand beside it: what a client does in [`client`], what a server does in [`server`],
//! and beside another server in [`proxy`].
//! Reading is total: whatever firmware sends is kept as far as it can be understood, and nothing panics.

pub mod client;
pub mod ipxe;
pub mod option;
pub mod proxy;
pub mod server;

use crate::mac::Mac;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;
use option::{MessageType, Options};

/// UDP port on which servers and relays listen.
pub const SERVER_PORT: u16 = 67;
/// UDP port on which clients listen.
pub const CLIENT_PORT: u16 = 68;
/// Bit in [`Packet::flags`]: answer by broadcast, unicast does not reach me yet (RFC 2131 §2, figure 2).
pub const BROADCAST: u16 = 0x8000;
/// Hardware type of Ethernet (RFC 1700), in [`Packet::htype`].
pub const ETHERNET: u8 = 1;

/// Octets before the options: RFC 951's packet without its vendor field.
const HEADER: usize = 236;
/// What says that options follow (RFC 2131 §3).
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
/// RFC 951's packet: PXE ROMs and relays exist that drop anything shorter (RFC 1542 §2.1).
const SHORTEST: usize = 300;

/// Which way a packet goes (field `op`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// BOOTREQUEST, 1: from a client.
    Request,
    /// BOOTREPLY, 2: from a server.
    Reply,
}

/// One packet; the fields bear their names in RFC 2131 §2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Request or reply.
    pub op: Direction,
    /// Hardware type of the client, [`ETHERNET`] for us.
    pub htype: u8,
    /// Length of the hardware address as the client says; may exceed the 16 octets there are.
    pub hlen: u8,
    /// How many relays it passed.
    pub hops: u8,
    /// The client's number for this conversation.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// [`BROADCAST`] or nothing.
    pub flags: u16,
    /// The address that the client has and answers to.
    pub ciaddr: Ipv4Addr,
    /// "Your" address: the one given to the client.
    pub yiaddr: Ipv4Addr,
    /// The server to fetch the boot file from.
    pub siaddr: Ipv4Addr,
    /// The relay that brought it, 0.0.0.0 where none did.
    pub giaddr: Ipv4Addr,
    /// The client's hardware address, padded with zeros.
    pub chaddr: [u8; 16],
    /// The server's name, ended by a zero; options overload it at times (option 52).
    pub sname: [u8; 64],
    /// The boot file, ended by a zero; options overload it at times (option 52).
    pub file: [u8; 128],
    /// The options, overloaded fields and split ones put together.
    pub options: Options,
}

/// The bytes are no BOOTP packet at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBootp {
    /// Less than the fixed header.
    #[error("{0} octets, but a BOOTP packet has at least 236")]
    TooShort(usize),
    /// Field `op` is neither 1 nor 2.
    #[error("operation {0}, but BOOTP knows 1 (request) and 2 (reply) only")]
    UnknownOperation(u8),
}

impl Packet {
    /// An empty request of an Ethernet client.
    pub fn request(mac: Mac, xid: u32) -> Packet {
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&mac.0);
        Packet {
            op: Direction::Request,
            htype: ETHERNET,
            hlen: 6,
            hops: 0,
            xid,
            secs: 0,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr,
            sname: [0; 64],
            file: [0; 128],
            options: Options::new(),
        }
    }

    /// An empty reply to this packet, with the fields that a reply copies (RFC 2131 §4.3.1, table 3).
    pub fn reply(&self) -> Packet {
        Packet {
            op: Direction::Reply,
            hops: 0,
            secs: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            sname: [0; 64],
            file: [0; 128],
            options: Options::new(),
            ..self.clone()
        }
    }

    /// Reads a packet. Options that overrun the packet are dropped, those before them are kept; a packet
    /// without the magic cookie is plain BOOTP and has no options.
    ///
    /// Errors: shorter than the fixed header; neither a request nor a reply.
    pub fn parse(bytes: &[u8]) -> Result<Packet, NotBootp> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(NotBootp::TooShort(bytes.len()))?;
        let op = match header[0] {
            1 => Direction::Request,
            2 => Direction::Reply,
            other => return Err(NotBootp::UnknownOperation(other)),
        };
        let address = |at: usize| Ipv4Addr::from(octets::<4>(header, at));
        let mut packet = Packet {
            op,
            htype: header[1],
            hlen: header[2],
            hops: header[3],
            xid: u32::from_be_bytes(octets(header, 4)),
            secs: u16::from_be_bytes(octets(header, 8)),
            flags: u16::from_be_bytes(octets(header, 10)),
            ciaddr: address(12),
            yiaddr: address(16),
            siaddr: address(20),
            giaddr: address(24),
            chaddr: octets(header, 28),
            sname: octets(header, 44),
            file: octets(header, 108),
            options: Options::new(),
        };
        if let Some(options) = rest.strip_prefix(&MAGIC_COOKIE) {
            packet.options.absorb(options);
            packet.absorb_overloaded();
        }
        Ok(packet)
    }

    /// Options may go on in `file` and then in `sname` (RFC 2132 §9.3; the order is RFC 3396 §5's).
    fn absorb_overloaded(&mut self) {
        let Some(overload) = self.options.byte(option::OVERLOAD) else { return };
        self.options.remove(option::OVERLOAD);
        if overload & 1 != 0 {
            self.options.absorb(&self.file);
            self.file = [0; 128];
        }
        if overload & 2 != 0 {
            self.options.absorb(&self.sname);
            self.sname = [0; 64];
        }
        // An overload option within an overloaded field means nothing.
        self.options.remove(option::OVERLOAD);
    }

    /// The packet's bytes: options in their order, long ones split (RFC 3396), padded to RFC 951's length.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SHORTEST);
        bytes.push(match self.op {
            Direction::Request => 1,
            Direction::Reply => 2,
        });
        bytes.extend([self.htype, self.hlen, self.hops]);
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend(self.secs.to_be_bytes());
        bytes.extend(self.flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            bytes.extend(address.octets());
        }
        bytes.extend(self.chaddr);
        bytes.extend(self.sname);
        bytes.extend(self.file);
        bytes.extend(MAGIC_COOKIE);
        bytes.extend(self.options.encode());
        bytes.push(option::END);
        if bytes.len() < SHORTEST {
            bytes.resize(SHORTEST, option::PAD);
        }
        bytes
    }

    /// Option 53; `None` for plain BOOTP and for kinds that RFC 2131 does not know.
    pub fn message_type(&self) -> Option<MessageType> {
        self.options.byte(option::MESSAGE_TYPE).and_then(MessageType::from_octet)
    }

    /// The client's Ethernet address; `None` where `htype` and `hlen` say that it has none.
    pub fn mac(&self) -> Option<Mac> {
        if self.htype != ETHERNET || self.hlen != 6 {
            return None;
        }
        self.chaddr.first_chunk::<6>().copied().map(Mac)
    }

    /// Whether the client asks for broadcast replies.
    pub fn wants_broadcast(&self) -> bool {
        self.flags & BROADCAST != 0
    }

    /// The boot file: option 67, or the field `file`.
    pub fn bootfile(&self) -> Option<String> {
        self.options.text(option::BOOTFILE).or_else(|| option::text(&self.file))
    }

    /// Writes `name` into the field `file`. A name that does not fit with its zero is not written: cut
    /// short it would name another file.
    pub fn write_file(&mut self, name: &str) {
        self.file = [0; 128];
        if name.len() < self.file.len() {
            self.file[..name.len()].copy_from_slice(name.as_bytes());
        }
    }
}

/// `N` octets of a header whose layout is fixed.
fn octets<const N: usize>(header: &[u8; HEADER], at: usize) -> [u8; N] {
    core::array::from_fn(|index| header.get(at + index).copied().unwrap_or_default())
}

/// The packet as a person reads it: the header's meaning on one line, then an option a line.
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.op {
            Direction::Request => "request",
            Direction::Reply => "reply",
        })?;
        write!(f, " xid={:08x}", self.xid)?;
        match self.mac() {
            Some(mac) => write!(f, " chaddr={mac}")?,
            None => write!(f, " htype={} hlen={}", self.htype, self.hlen)?,
        }
        if self.secs != 0 {
            write!(f, " secs={}", self.secs)?;
        }
        if self.hops != 0 {
            write!(f, " hops={}", self.hops)?;
        }
        if self.wants_broadcast() {
            f.write_str(" broadcast")?;
        }
        let addresses = [
            ("ciaddr", self.ciaddr),
            ("yiaddr", self.yiaddr),
            ("siaddr", self.siaddr),
            ("giaddr", self.giaddr),
        ];
        for (name, address) in addresses {
            if !address.is_unspecified() {
                write!(f, " {name}={address}")?;
            }
        }
        for (name, field) in [("sname", option::text(&self.sname)), ("file", option::text(&self.file))] {
            if let Some(text) = field {
                write!(f, " {name}={text:?}")?;
            }
        }
        write!(f, "{}", self.options)
    }
}

#[cfg(test)]
mod tests;
