//! DHCP: any packet at the full server, at both doors of a proxy, and read back where it is answered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use wire::dhcp::Packet;
use wire::dhcp::ipxe::Report;
use wire::dhcp::proxy::{Door, Proxy};
use wire::dhcp::server::network::{Network, Reservations, Subnet};
use wire::dhcp::server::{Boot, Server};

fuzz_target!(|bytes: &[u8]| {
    let address = Ipv4Addr::new(10, 77, 0, 1);
    let boot = |packet: &Packet| {
        let _ = Report::read(&packet.options);
        Ok(Boot { file: Some("ipxe.efi".into()), options: Default::default() })
    };
    let own = Subnet {
        address,
        prefix: 24,
        first: Ipv4Addr::new(10, 77, 0, 50),
        last: Ipv4Addr::new(10, 77, 0, 60),
        routers: vec![],
    };
    let network = Network {
        own,
        relayed: vec![],
        name_servers: vec![],
        lease_time: Duration::from_secs(60),
        reservations: Reservations::default(),
    };
    let mut server = Server::new(network, []);
    // Several packets in a row, each with its length in front.
    let mut rest = bytes;
    let mut now = Duration::ZERO;
    while let Some((head, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*head)).min(after.len());
        let (packet, after) = after.split_at(length);
        rest = after;
        now += Duration::from_secs(7);
        if let Ok(read) = Packet::parse(packet) {
            let again = Packet::parse(&read.encode()).unwrap();
            assert_eq!(read, again, "read, written, read");
        }
        for reply in [
            server.answer(packet, now, &boot).reply,
            Proxy { server: address, prefix: 24 }
                .answer(packet, SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 9), 68), Door::Everybody, &boot)
                .reply,
            Proxy { server: address, prefix: 24 }
                .answer(packet, SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 9), 4011), Door::Us, &boot)
                .reply,
        ]
        .into_iter()
        .flatten()
        {
            let to = reply.to.ip().octets();
            assert!(reply.to.ip().is_broadcast() || to[..3] == [10, 77, 0], "a reply leaves the network");
            assert!(reply.bytes.len() <= packet.len() + 400, "a reply is amplified");
        }
    }
});
