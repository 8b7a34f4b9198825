//! The port mapper: PORTMAP version 2 and the look-ups of rpcbind versions 3 and 4 (RFC 1833).
//!
//! Nothing can be registered or called through it: what is served here is known from the start.

use crate::rpc::Reply;
use crate::rpc::xdr::{Malformed, Reader};
use alloc::format;
use alloc::string::String;
use core::net::Ipv4Addr;

/// RPC program number of the port mapper.
pub const PROGRAM: u32 = 100_000;
/// Lowest version.
pub const VERSION_LOW: u32 = 2;
/// Highest version.
pub const VERSION_HIGH: u32 = 4;
/// TCP and UDP port.
pub const PORT: u16 = 111;

/// How a service is reached; the discriminant is the IP protocol (RFC 1833 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Transport {
    /// TCP.
    Tcp = 6,
    /// UDP.
    Udp = 17,
}

impl Transport {
    fn of(protocol: u32) -> Option<Transport> {
        [Transport::Tcp, Transport::Udp].into_iter().find(|transport| *transport as u32 == protocol)
    }

    /// rpcbind's name of it (RFC 5665 §5.2).
    fn netid(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }
}

/// Something that can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// RPC program number.
    pub program: u32,
    /// Version of the program.
    pub version: u32,
    /// How it is reached.
    pub transport: Transport,
    /// Where.
    pub port: u16,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Are you there.
    Null,
    /// SET or UNSET: somebody wants to change the table.
    Change,
    /// GETPORT, GETADDR: where is it. The transport is `None` where we have nothing by that one (IPv6).
    Find {
        /// RPC program number.
        program: u32,
        /// Version of the program.
        version: u32,
        /// How it should be reached.
        transport: Option<Transport>,
    },
    /// Everything there is.
    Dump,
}

impl Call {
    /// Reads the arguments of procedure `number` of `version`; `None` where there is no such procedure. CALLIT
    /// is none of ours: it makes a port mapper a stranger's mouth.
    pub fn parse(version: u32, number: u32, arguments: &[u8]) -> Option<Result<Call, Malformed>> {
        Some(match number {
            0 => Ok(Call::Null),
            1 | 2 => Ok(Call::Change),
            3 if version == 2 => find_port(arguments),
            3 => find_address(arguments),
            4 => Ok(Call::Dump),
            _ => return None,
        })
    }
}

/// `mapping` (§3.1); its port is not used in a question.
fn find_port(arguments: &[u8]) -> Result<Call, Malformed> {
    let mut reader = Reader::new(arguments);
    let (program, version, protocol) = (reader.u32()?, reader.u32()?, reader.u32()?);
    reader.u32()?;
    Ok(Call::Find { program, version, transport: Transport::of(protocol) })
}

/// `rpcb` (§2.1): the address and owner in it are not used in a question.
fn find_address(arguments: &[u8]) -> Result<Call, Malformed> {
    let mut reader = Reader::new(arguments);
    let (program, version) = (reader.u32()?, reader.u32()?);
    let netid = reader.opaque(255)?;
    reader.opaque(255)?;
    reader.opaque(255)?;
    let transport =
        [Transport::Tcp, Transport::Udp].into_iter().find(|transport| transport.netid().as_bytes() == netid);
    Ok(Call::Find { program, version, transport })
}

/// NULL.
pub fn nothing(xid: u32) -> Reply {
    Reply::of(Reply::accepted(xid, 0))
}

/// SET and UNSET: no.
pub fn unchanged(xid: u32) -> Reply {
    let mut writer = Reply::accepted(xid, 4);
    writer.bool(false);
    Reply::of(writer)
}

/// GETPORT's and GETADDR's answer: where the service is, seen from a client that reaches us at `here`; port 0
/// or an empty address where there is none.
pub fn found(xid: u32, version: u32, here: Ipv4Addr, port: Option<u16>) -> Reply {
    let mut writer = Reply::accepted(xid, 40);
    match (version, port) {
        (2, port) => writer.u32(u32::from(port.unwrap_or(0))),
        (_, Some(port)) => writer.opaque(universal(here, port).as_bytes()),
        (_, None) => writer.opaque(b""),
    };
    Reply::of(writer)
}

/// DUMP's answer in the form of `version`.
pub fn services(xid: u32, version: u32, here: Ipv4Addr, services: &[Service]) -> Reply {
    let mut writer = Reply::accepted(xid, 4 + services.len() * 80);
    for service in services {
        writer.bool(true).u32(service.program).u32(service.version);
        if version == 2 {
            writer.u32(service.transport as u32).u32(u32::from(service.port));
        } else {
            writer.opaque(service.transport.netid().as_bytes());
            writer.opaque(universal(here, service.port).as_bytes()).opaque(b"superuser");
        }
    }
    writer.bool(false);
    Reply::of(writer)
}

/// A universal address (RFC 5665 §5.2.3.3): the port's two bytes behind the address's four.
fn universal(address: Ipv4Addr, port: u16) -> String {
    format!("{address}.{}.{}", port >> 8, port & 0xff)
}
