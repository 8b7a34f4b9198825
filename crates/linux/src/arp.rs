//! A socket for ARP packets on one interface: to ask whether an address is in use, which no other kind of socket
//! can. What is in the packets is `wire::arp`'s.

use crate::link;
use model::failure::{Explain as _, Failure, Result};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::time::Duration;
use wire::mac::Mac;

/// An open socket; waiting for a packet ends after a second.
#[derive(Debug)]
pub struct ArpSocket {
    socket: Socket,
    everybody: SockAddr,
    mac: Mac,
}

impl ArpSocket {
    /// Opens one on this interface.
    ///
    /// Errors: there is no such interface, it is no Ethernet, or we lack `CAP_NET_RAW`.
    pub fn open(interface: &str) -> Result<ArpSocket> {
        let failed = || format!("cannot look for addresses in use on {interface}");
        let index = link::index(interface)
            .ok_or_else(|| Failure::new(failed()).because("there is no such interface"))?;
        let mac = std::fs::read_to_string(format!("/sys/class/net/{interface}/address")).or_fail(failed)?;
        let mac = mac.trim().parse::<Mac>().or_fail(failed)?;
        let open = || -> io::Result<ArpSocket> {
            let protocol = Protocol::from(i32::from(ETHERTYPE.to_be()));
            let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
            let everybody = everybody_on(index)?;
            socket.bind(&everybody)?;
            socket.set_read_timeout(Some(WAIT))?;
            Ok(ArpSocket { socket, everybody, mac })
        };
        open().or_fail(failed)
    }

    /// The interface's own address.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Sends a packet to everybody.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        self.socket.send_to(packet, &self.everybody).map(|_| ())
    }

    /// Waits for a packet; how long it was. What is longer than `buffer` is cut.
    ///
    /// Errors: none came within a second ([`io::ErrorKind::WouldBlock`]); the interface is down.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        rustix::io::read(&self.socket, buffer).map_err(io::Error::from)
    }
}

/// How long is waited for a packet.
const WAIT: Duration = Duration::from_secs(1);
/// ARP's number among Ethernet's protocols (`include/uapi/linux/if_ether.h`, `ETH_P_ARP`).
const ETHERTYPE: u16 = 0x0806;

/// ARP on an interface, to the broadcast address (packet(7)).
fn everybody_on(index: u32) -> io::Result<SockAddr> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ETHERTYPE.to_be(),
        sll_ifindex: i32::try_from(index).map_err(io::Error::other)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [255, 255, 255, 255, 255, 255, 0, 0],
    };
    // SAFETY: the storage is made for every kind of address and larger than this one; all of it is written, and
    // the length is its own.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            storage.cast::<libc::sockaddr_ll>().write(address);
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })
    }?;
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the reasons it is decides what the operator does.
    #[test]
    fn an_interface_that_is_not_there_is_named() {
        expect_test::expect![[r#"
            error: cannot look for addresses in use on eth99
            because: there is no such interface"#]]
        .assert_eq(&ArpSocket::open("eth99").unwrap_err().report());
    }
}
