//! What happened to a packet, and why it was refused or ignored: each with a name to count it by.

use super::super::NotBootp;
use super::super::option::MessageType;
use crate::mac::Mac;
use alloc::string::String;
use core::fmt;
use core::net::Ipv4Addr;

/// What happened to a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An address was offered.
    Offered {
        /// The address.
        address: Ipv4Addr,
        /// The boot file in the offer.
        file: Option<String>,
        /// Whether the client does not hold it already: then it is worth a look whether somebody else
        /// sits on it (RFC 2131 §4.3.1).
        fresh: bool,
    },
    /// An address was given, or left to the client for longer.
    Taken {
        /// The address.
        address: Ipv4Addr,
    },
    /// The client has an address of its own and was told the rest.
    Told {
        /// Its address.
        address: Ipv4Addr,
    },
    /// The client found somebody else using the address; it is not leased for a while.
    Declined {
        /// The address.
        address: Ipv4Addr,
    },
    /// The client gave its address back.
    Released {
        /// The address.
        address: Ipv4Addr,
    },
    /// The client gets its address from another server and was told by us what to boot.
    Named {
        /// The boot file.
        file: String,
    },
    /// The client chose the offer of another server, beside which we stand.
    Chose {
        /// That server.
        server: Ipv4Addr,
        /// The address it was offered.
        address: Ipv4Addr,
    },
    /// The client got no address from us.
    Refused(Refusal),
    /// The packet was nothing for us.
    Ignored(Reason),
}

/// Why a client got no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Every address is in use.
    #[error("the pool is empty: all of {first}–{last} is leased")]
    PoolEmpty {
        /// First address of the range.
        first: Ipv4Addr,
        /// Last address of the range.
        last: Ipv4Addr,
    },
    /// It wants an address that is not of this network.
    #[error("asked for {asked}, which is not an address that we lease")]
    NotOurs {
        /// What it wants.
        asked: Ipv4Addr,
    },
    /// It wants an address that it cannot have.
    #[error("asked for {asked}, but {why}")]
    NotFree {
        /// What it wants.
        asked: Ipv4Addr,
        /// Why not.
        why: &'static str,
    },
    /// It chose another server's offer: there is a second DHCP server on the network.
    #[error("took the offer of another DHCP server, {server}")]
    OtherServer {
        /// Whose offer it took.
        server: Ipv4Addr,
    },
    /// It came over a relay from a network that has no range.
    #[error("relayed from {relay}, whose network has no range here")]
    OtherNetwork {
        /// The relay.
        relay: Ipv4Addr,
    },
    /// There is nothing that it could boot; the caller's words.
    #[error("{0}")]
    NothingToBoot(String),
}

/// Why a packet was nothing for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// No BOOTP.
    #[error(transparent)]
    NotBootp(NotBootp),
    /// Another server's reply.
    #[error("another server's reply")]
    Reply,
    /// It has no Ethernet address.
    #[error("no Ethernet client (hardware type {htype}, address length {hlen})")]
    NotEthernet {
        /// Hardware type.
        htype: u8,
        /// Address length.
        hlen: u8,
    },
    /// An Ethernet address that no NIC can have.
    #[error("a client with {0}, which is the address of no NIC")]
    NoNics(Mac),
    /// BOOTP without DHCP.
    #[error("plain BOOTP without a DHCP message type")]
    PlainBootp,
    /// A kind of message that DHCP does not have, or none that is one octet.
    #[error("a DHCP message of an unknown type")]
    UnknownMessage,
    /// A kind of message that servers send.
    #[error("{} from a client", .0.name())]
    ServersMessage(MessageType),
    /// It asks for no address, and has none.
    #[error("{} that names no address", .0.name())]
    NoAddress(MessageType),
    /// It speaks of an address that it does not have.
    #[error("{} of an address that it does not have", .0.name())]
    NotItsAddress(MessageType),
    /// A client that needs no boot file, beside another server: that one is asked, not we.
    #[error("{} of a client that boots nothing from the network", .0.name())]
    BootsNothing(MessageType),
    /// It is about a lease, and leases are another server's here.
    #[error("{} about another server's lease", .0.name())]
    OthersLease(MessageType),
    /// Its answer would leave the network.
    #[error("from {0}, which is not on this network")]
    Stranger(Ipv4Addr),
    /// Our own question, asked to find other servers.
    #[error("our own question for other servers")]
    Ours,
}

impl Reason {
    /// Its name among the server's counters.
    pub fn id(&self) -> &'static str {
        match self {
            Reason::NotBootp(_) => "not-bootp",
            Reason::Reply => "reply",
            Reason::NotEthernet { .. } => "not-ethernet",
            Reason::NoNics(_) => "no-nics-address",
            Reason::PlainBootp => "plain-bootp",
            Reason::UnknownMessage => "unknown-message",
            Reason::ServersMessage(_) => "servers-message",
            Reason::NoAddress(_) => "no-address",
            Reason::NotItsAddress(_) => "not-its-address",
            Reason::BootsNothing(_) => "boots-nothing",
            Reason::OthersLease(_) => "others-lease",
            Reason::Stranger(_) => "stranger",
            Reason::Ours => "ours",
        }
    }
}

impl Refusal {
    /// Its name among the server's counters.
    pub fn id(&self) -> &'static str {
        match self {
            Refusal::PoolEmpty { .. } => "pool-empty",
            Refusal::NotOurs { .. } => "not-ours",
            Refusal::NotFree { .. } => "not-free",
            Refusal::OtherServer { .. } => "other-server",
            Refusal::OtherNetwork { .. } => "other-network",
            Refusal::NothingToBoot(_) => "nothing-to-boot",
        }
    }
}

impl Outcome {
    /// Its name among the server's counters: what became of the packet, and why where it got nothing.
    pub fn id(&self) -> (&'static str, &'static str) {
        match self {
            Outcome::Offered { .. } => ("answered", "offered"),
            Outcome::Taken { .. } => ("answered", "taken"),
            Outcome::Told { .. } => ("answered", "told"),
            Outcome::Named { .. } => ("answered", "named"),
            Outcome::Declined { .. } => ("noted", "declined"),
            Outcome::Released { .. } => ("noted", "released"),
            Outcome::Chose { .. } => ("noted", "chose-other"),
            Outcome::Refused(refusal) => ("refused", refusal.id()),
            Outcome::Ignored(reason) => ("ignored", reason.id()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Offered { address, file: Some(file), .. } => write!(f, "offered {address} with {file}"),
            Outcome::Offered { address, file: None, .. } => write!(f, "offered {address}"),
            Outcome::Taken { address } => write!(f, "took {address}"),
            Outcome::Told { address } => write!(f, "told {address}"),
            Outcome::Declined { address } => write!(f, "declined {address}, somebody else uses it"),
            Outcome::Released { address } => write!(f, "released {address}"),
            Outcome::Named { file } => write!(f, "told to boot {file}"),
            Outcome::Chose { server, address } => write!(f, "chose {address} of {server}"),
            Outcome::Refused(refusal) => write!(f, "refused: {refusal}"),
            Outcome::Ignored(reason) => write!(f, "ignored: {reason}"),
        }
    }
}
