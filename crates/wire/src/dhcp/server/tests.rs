//! Dialogues with the server: by hand, with our own client in virtual time, and with noise.

use super::super::client::{Client, Heard};
use super::network::Reservations;
use super::*;
use alloc::format;
use alloc::vec;
use expect_test::{Expect, expect};
use proptest::prelude::*;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

fn mac(last: u8) -> Mac {
    Mac([0x52, 0x54, 0, 0, 0, last])
}

fn host(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, last)
}

fn network(first: u8, last: u8) -> Network {
    Network {
        own: Subnet { address: SERVER, prefix: 24, first: host(first), last: host(last), routers: vec![] },
        relayed: vec![],
        name_servers: vec![],
        lease_time: Duration::from_secs(3600),
        reservations: Reservations::default(),
    }
}

fn message(kind: MessageType, last: u8) -> Packet {
    let mut packet = Packet::request(mac(last), 0x1234);
    packet.options.set(option::MESSAGE_TYPE, [kind.octet()]);
    packet
}

/// A server and its clock.
struct Room {
    server: Server,
    now: u64,
}

impl Room {
    fn new(network: Network) -> Room {
        Room { server: Server::new(network, []), now: 1_000_000 }
    }

    fn send(&mut self, packet: &Packet) -> Answer {
        let boot = |_: &Packet| Ok(Boot { file: Some("ipxe.efi".into()), options: Options::new() });
        self.server.answer(&packet.encode(), Duration::from_secs(self.now), &boot)
    }

    fn says(&mut self, kind: MessageType, last: u8) -> String {
        self.asks(kind, last, |_| {})
    }

    /// What comes of a message that was changed a little: its outcome, the kind of the reply and its way.
    fn asks(&mut self, kind: MessageType, last: u8, change: impl FnOnce(&mut Packet)) -> String {
        let mut packet = message(kind, last);
        change(&mut packet);
        let answer = self.send(&packet);
        let outcome = answer.outcome;
        match answer.reply {
            Some(Reply { bytes, to }) => {
                let kind = Packet::parse(&bytes).unwrap().message_type().unwrap().name();
                format!("{outcome} → {kind} to {to}")
            }
            None => format!("{outcome}"),
        }
    }
}

fn wants(address: Ipv4Addr) -> impl Fn(&mut Packet) {
    move |packet| packet.options.set_address(option::REQUESTED_ADDRESS, address)
}

fn has(address: Ipv4Addr) -> impl Fn(&mut Packet) {
    move |packet| packet.ciaddr = address
}

fn check(lines: &[String], expected: Expect) {
    expected.assert_eq(&lines.join("\n"));
}

/// Firmware, iPXE and initrd of one box differ in everything but the MAC, and must get the same address:
/// the timeline and the NFS mount hang on it.
#[test]
fn one_box_has_one_address_whatever_it_calls_itself() {
    let mut room = Room::new(network(50, 60));
    let uuid = |first: u8| {
        move |packet: &mut Packet| {
            packet.options.set(option::CLIENT_ID, vec![first; 17]);
            packet.options.set(option::MACHINE_ID, vec![first; 17]);
        }
    };
    let lines = [
        room.asks(MessageType::Discover, 1, uuid(0)),
        room.asks(MessageType::Request, 1, wants(host(50))),
        room.asks(MessageType::Discover, 1, uuid(1)),
        room.says(MessageType::Discover, 2),
        room.asks(MessageType::Discover, 1, wants(host(55))),
    ];
    check(
        &lines,
        expect![[r#"
        offered 10.77.0.50 with ipxe.efi → OFFER to 255.255.255.255:68
        took 10.77.0.50 → ACK to 255.255.255.255:68
        offered 10.77.0.50 with ipxe.efi → OFFER to 255.255.255.255:68
        offered 10.77.0.51 with ipxe.efi → OFFER to 255.255.255.255:68
        offered 10.77.0.50 with ipxe.efi → OFFER to 255.255.255.255:68"#]],
    );
    assert_eq!(room.server.client(host(50)), Some(mac(1)));
}

/// What a ROM reads, in full: a missing UUID or address to boot from and it drops the offer in silence.
#[test]
fn an_offer_has_what_a_rom_needs() {
    let mut room = Room::new(network(50, 60));
    let mut discover = message(MessageType::Discover, 1);
    discover.options.set(option::MACHINE_ID, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    let reply = room.send(&discover).reply.unwrap();
    assert!(reply.bytes.len() >= 300);
    let shown = Packet::parse(&reply.bytes).unwrap().to_string();
    expect![[r#"
        reply xid=00001234 chaddr=52:54:00:00:00:01 yiaddr=10.77.0.50 siaddr=10.77.0.1 file="ipxe.efi"
          53 message type: OFFER
          54 server id: 10.77.0.1
          51 lease time: 3600 s
          58 renewal time: 1800 s
          59 rebinding time: 3150 s
           1 subnet mask: 255.255.255.0
          28 broadcast address: 10.77.0.255
          66 TFTP server: "10.77.0.1"
          67 boot file: "ipxe.efi"
          97 machine id: 000102030405060708090a0b0c0d0e0f10"#]]
    .assert_eq(&shown);
}

/// A pool that is empty must be seen as such, and a box that comes back must find its place.
#[test]
fn an_empty_pool_is_refused_by_name() {
    let mut room = Room::new(network(50, 51));
    let mut lines = vec![
        room.says(MessageType::Discover, 1),
        room.asks(MessageType::Request, 1, wants(host(50))),
        room.says(MessageType::Discover, 2),
        room.says(MessageType::Discover, 3),
    ];
    room.now += 61;
    lines.push(format!("a minute later: {}", room.says(MessageType::Discover, 3)));
    lines.push(room.says(MessageType::Discover, 2));
    lines.push(room.says(MessageType::Discover, 1));
    room.now += 3600;
    lines.push(format!("an hour later: {}", room.says(MessageType::Discover, 2)));
    check(
        &lines,
        expect![[r#"
        offered 10.77.0.50 with ipxe.efi → OFFER to 255.255.255.255:68
        took 10.77.0.50 → ACK to 255.255.255.255:68
        offered 10.77.0.51 with ipxe.efi → OFFER to 255.255.255.255:68
        refused: the pool is empty: all of 10.77.0.50–10.77.0.51 is leased
        a minute later: offered 10.77.0.51 with ipxe.efi → OFFER to 255.255.255.255:68
        refused: the pool is empty: all of 10.77.0.50–10.77.0.51 is leased
        offered 10.77.0.50 with ipxe.efi → OFFER to 255.255.255.255:68
        an hour later: offered 10.77.0.51 with ipxe.efi → OFFER to 255.255.255.255:68"#]],
    );
}

/// Every kind of request that RFC 2131 §4.3.2 knows, and the answers to those that cannot be.
#[test]
fn requests_are_given_or_refused() {
    let mut room = Room::new(network(50, 60));
    let lines = [
        room.says(MessageType::Discover, 1),
        room.asks(MessageType::Request, 1, |packet| {
            wants(host(50))(packet);
            packet.options.set_address(option::SERVER_ID, SERVER);
        }),
        room.asks(MessageType::Request, 1, has(host(50))),
        room.asks(MessageType::Request, 1, wants(host(51))),
        room.asks(MessageType::Request, 2, wants(host(50))),
        room.asks(MessageType::Request, 2, wants(host(1))),
        room.asks(MessageType::Request, 2, wants(Ipv4Addr::new(192, 168, 0, 9))),
        room.asks(MessageType::Request, 2, has(Ipv4Addr::new(192, 168, 0, 9))),
        room.asks(MessageType::Request, 2, wants(host(53))),
        room.says(MessageType::Request, 3),
        room.says(MessageType::Discover, 3),
        room.asks(MessageType::Request, 3, |packet| {
            packet.options.set_address(option::SERVER_ID, host(9));
        }),
        room.says(MessageType::Discover, 4),
    ];
    check(
        &lines,
        expect![[r#"
            offered 10.77.0.50 with ipxe.efi → OFFER to 255.255.255.255:68
            took 10.77.0.50 → ACK to 255.255.255.255:68
            took 10.77.0.50 → ACK to 10.77.0.50:68
            refused: asked for 10.77.0.51, but another address is leased to it → NAK to 255.255.255.255:68
            refused: asked for 10.77.0.50, but it is leased to another client → NAK to 255.255.255.255:68
            refused: asked for 10.77.0.1, which is not an address that we lease → NAK to 255.255.255.255:68
            refused: asked for 192.168.0.9, which is not an address that we lease → NAK to 255.255.255.255:68
            refused: asked for 192.168.0.9, which is not an address that we lease → NAK to 255.255.255.255:68
            took 10.77.0.53 → ACK to 255.255.255.255:68
            ignored: REQUEST that names no address
            offered 10.77.0.51 with ipxe.efi → OFFER to 255.255.255.255:68
            refused: took the offer of another DHCP server, 10.77.0.9
            offered 10.77.0.52 with ipxe.efi → OFFER to 255.255.255.255:68"#]],
    );
}

/// DECLINE, RELEASE and INFORM: rare, and wrong in most small servers.
#[test]
fn addresses_are_given_back_and_complained_about() {
    let mut room = Room::new(network(50, 60));
    let mut lines = vec![
        room.asks(MessageType::Request, 1, wants(host(50))),
        room.asks(MessageType::Decline, 2, wants(host(50))),
        room.asks(MessageType::Decline, 1, wants(host(50))),
        room.says(MessageType::Discover, 1),
        room.asks(MessageType::Request, 2, wants(host(50))),
        room.asks(MessageType::Release, 1, has(host(51))),
        room.asks(MessageType::Release, 1, has(host(51))),
        room.asks(MessageType::Release, 2, has(host(51))),
        room.asks(MessageType::Inform, 3, has(host(9))),
        room.asks(MessageType::Inform, 3, has(Ipv4Addr::new(8, 8, 8, 8))),
    ];
    room.now += 601;
    lines.push(format!("ten minutes later: {}", room.asks(MessageType::Request, 2, wants(host(50)))));
    check(
        &lines,
        expect![[r#"
            took 10.77.0.50 → ACK to 255.255.255.255:68
            ignored: DECLINE of an address that it does not have
            declined 10.77.0.50, somebody else uses it
            offered 10.77.0.51 with ipxe.efi → OFFER to 255.255.255.255:68
            refused: asked for 10.77.0.50, but somebody else was found using it → NAK to 255.255.255.255:68
            released 10.77.0.51
            released 10.77.0.51
            ignored: RELEASE of an address that it does not have
            told 10.77.0.9 → ACK to 10.77.0.9:68
            ignored: INFORM that names no address
            ten minutes later: took 10.77.0.50 → ACK to 255.255.255.255:68"#]],
    );
}

/// A relay of our own network is answered at its port 67 with its notes; that of a strange one is not.
#[test]
fn relays_get_their_notes_back() {
    let mut room = Room::new(network(50, 60));
    let relayed = |relay: Ipv4Addr| {
        move |packet: &mut Packet| {
            packet.giaddr = relay;
            packet.options.set(option::RELAY_AGENT, [1, 2, 7, 7]);
        }
    };
    let lines = [
        room.asks(MessageType::Discover, 1, relayed(host(254))),
        room.asks(MessageType::Request, 1, |packet| {
            relayed(host(254))(packet);
            wants(host(99))(packet);
        }),
        room.asks(MessageType::Discover, 1, relayed(Ipv4Addr::new(192, 168, 5, 1))),
    ];
    check(
        &lines,
        expect![[r#"
        offered 10.77.0.50 with ipxe.efi → OFFER to 10.77.0.254:67
        refused: asked for 10.77.0.99, which is not an address that we lease → NAK to 10.77.0.254:67
        refused: relayed from 192.168.5.1, whose network has no range here"#]],
    );
    let mut packet = message(MessageType::Discover, 1);
    relayed(host(254))(&mut packet);
    let reply = Packet::parse(&room.send(&packet).reply.unwrap().bytes).unwrap();
    assert_eq!(reply.options.octets(option::RELAY_AGENT), Some([1, 2, 7, 7].as_slice()));
    assert_eq!(reply.options.iter().last().unwrap().0, option::RELAY_AGENT);
}

/// A rack behind a relay has addresses of its own, by the relay's address or by the link that it names; a box
/// that is carried from one network to the other gets one there.
#[test]
fn networks_behind_relays_have_ranges_of_their_own() {
    let far = |last: u8| Ipv4Addr::new(10, 78, 0, last);
    let mut network = network(50, 60);
    let router = far(1);
    network.relayed =
        vec![Subnet { address: router, prefix: 24, first: far(10), last: far(10), routers: vec![router] }];
    let mut room = Room::new(network);
    let relayed = |packet: &mut Packet| packet.giaddr = router;
    let linked = |packet: &mut Packet| {
        packet.giaddr = host(254);
        packet.options.set(option::RELAY_AGENT, [1, 1, 9, 5, 4, 10, 78, 0, 0]);
    };
    let lines = [
        room.asks(MessageType::Discover, 1, relayed),
        room.asks(MessageType::Request, 1, |packet| {
            linked(packet);
            wants(far(10))(packet);
        }),
        room.asks(MessageType::Request, 1, has(far(10))),
        room.asks(MessageType::Discover, 2, linked),
        room.says(MessageType::Discover, 2),
        room.asks(MessageType::Request, 1, wants(host(51))),
        room.asks(MessageType::Discover, 2, relayed),
        room.asks(MessageType::Discover, 3, |packet| {
            linked(packet);
            packet.giaddr = Ipv4Addr::new(192, 0, 2, 1);
        }),
    ];
    check(
        &lines,
        expect![[r#"
            offered 10.78.0.10 with ipxe.efi → OFFER to 10.78.0.1:67
            took 10.78.0.10 → ACK to 10.77.0.254:67
            took 10.78.0.10 → ACK to 10.78.0.10:68
            refused: the pool is empty: all of 10.78.0.10–10.78.0.10 is leased
            offered 10.77.0.50 with ipxe.efi → OFFER to 255.255.255.255:68
            took 10.77.0.51 → ACK to 255.255.255.255:68
            offered 10.78.0.10 with ipxe.efi → OFFER to 10.78.0.1:67
            refused: relayed from 192.0.2.1, whose network has no range here"#]],
    );
    let mut packet = message(MessageType::Discover, 2);
    relayed(&mut packet);
    let reply = Packet::parse(&room.send(&packet).reply.unwrap().bytes).unwrap();
    assert_eq!(reply.options.address(option::ROUTERS), Some(router));
    assert_eq!(reply.siaddr, SERVER, "it boots from us all the same");
}

/// Somebody who sits on an address without having asked for it must not cost a box its boot.
#[test]
fn an_address_that_is_found_in_use_is_left_alone() {
    let mut room = Room::new(network(50, 52));
    let is_fresh = |room: &mut Room| match room.send(&message(MessageType::Discover, 1)).outcome {
        Outcome::Offered { address, fresh, .. } => (address, fresh),
        other => panic!("{other}"),
    };
    assert_eq!(is_fresh(&mut room), (host(50), true));
    assert_eq!(is_fresh(&mut room), (host(50), false), "it was looked for once");
    room.server.found_in_use(mac(1), host(50), Duration::from_secs(room.now));
    assert_eq!(is_fresh(&mut room), (host(51), true));
    room.says(MessageType::Discover, 2);
    assert_eq!(room.server.usage(Duration::from_secs(room.now)), (2, 3));
    assert!(room.says(MessageType::Discover, 3).starts_with("refused: the pool is empty"));
    room.now += 601;
    assert_eq!(is_fresh(&mut room), (host(51), true), "what was offered ten minutes ago may be taken since");
}

/// Each packet that is not answered has its reason, for the operator who looks for it.
#[test]
fn ignored_packets_have_a_name() {
    let mut room = Room::new(network(50, 60));
    let lines = [
        room.server.answer(&[1, 2, 3], Duration::ZERO, &|_| Ok(Boot::default())).outcome.to_string(),
        room.asks(MessageType::Discover, 1, |packet| packet.op = Direction::Reply),
        room.asks(MessageType::Discover, 1, |packet| packet.hlen = 20),
        room.asks(MessageType::Discover, 1, |packet| packet.chaddr = [0; 16]),
        room.asks(MessageType::Discover, 1, |packet| packet.chaddr[0] = 1),
        room.asks(MessageType::Discover, 1, |packet| packet.options.remove(option::MESSAGE_TYPE)),
        room.asks(MessageType::Discover, 1, |packet| packet.options.set(option::MESSAGE_TYPE, [77])),
        room.says(MessageType::Ack, 1),
    ];
    check(
        &lines,
        expect![[r#"
            ignored: 3 octets, but a BOOTP packet has at least 236
            ignored: another server's reply
            ignored: no Ethernet client (hardware type 1, address length 20)
            ignored: a client with 00:00:00:00:00:00, which is the address of no NIC
            ignored: a client with 01:54:00:00:00:01, which is the address of no NIC
            ignored: plain BOOTP without a DHCP message type
            ignored: a DHCP message of an unknown type
            ignored: ACK from a client"#]],
    );
    let answer = room
        .server
        .answer(&message(MessageType::Discover, 1).encode(), Duration::ZERO, &|_| Err("32-bit UEFI".into()));
    assert_eq!(answer.outcome.to_string(), "refused: 32-bit UEFI");
    assert_eq!(room.server.leases().count(), 0, "a client that cannot boot uses up no address");
}

/// Reserved addresses go to their client only, in or out of the range, and leases survive a restart.
#[test]
fn reservations_and_old_leases_hold() {
    let mut network = network(50, 60);
    network.reservations = [(mac(1), host(200)), (mac(2), host(50))].into_iter().collect();
    let mut room = Room::new(network.clone());
    let lines = [
        room.says(MessageType::Discover, 3),
        room.asks(MessageType::Request, 3, wants(host(51))),
        room.asks(MessageType::Request, 4, wants(host(50))),
        room.says(MessageType::Discover, 1),
        room.asks(MessageType::Request, 1, wants(host(200))),
        room.asks(MessageType::Request, 1, wants(host(55))),
        room.says(MessageType::Discover, 2),
    ];
    check(
        &lines,
        expect![[r#"
        offered 10.77.0.51 with ipxe.efi → OFFER to 255.255.255.255:68
        took 10.77.0.51 → ACK to 255.255.255.255:68
        refused: asked for 10.77.0.50, but it is reserved for another client → NAK to 255.255.255.255:68
        offered 10.77.0.200 with ipxe.efi → OFFER to 255.255.255.255:68
        took 10.77.0.200 → ACK to 255.255.255.255:68
        refused: asked for 10.77.0.55, but another address is reserved for it → NAK to 255.255.255.255:68
        offered 10.77.0.50 with ipxe.efi → OFFER to 255.255.255.255:68"#]],
    );
    let kept: Vec<Lease> = room.server.leases().copied().collect();
    let again = Server::new(Network { own: Subnet { first: host(52), ..network.own }, ..network }, kept);
    let addresses: Vec<_> = again.leases().map(|lease| lease.address).collect();
    assert_eq!(addresses, [host(200), host(50)], "51 is no longer in the range");
}

/// Our client against our server over a wire that loses and doubles packets: always the same address, and
/// never two boxes with one.
#[test]
fn twenty_boxes_come_through_a_bad_wire() {
    let mut server = Server::new(network(50, 69), []);
    let mut noise: u32 = 0x9e37_79b9;
    let mut chance = move || {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        noise % 100
    };
    let mut clients: Vec<Client> =
        (1..=20).map(|last| Client::new(mac(last), u32::from(last) * 7919)).collect();
    let mut now = Duration::ZERO;
    while clients.iter().any(|client| client.lease().is_none()) {
        assert!(now < Duration::from_secs(300), "not bound after five minutes");
        for client in &mut clients {
            while let Some(packet) = client.poll(now) {
                for _ in 0..[0, 1, 1, 2][chance() as usize % 4] {
                    let answer = server.answer(&packet.bytes, now, &|_| Ok(Boot::default()));
                    let Some(reply) = answer.reply else { continue };
                    for _ in 0..[0, 1, 1, 2][chance() as usize % 4] {
                        if let Heard::Refused { message, .. } = client.hear(&reply.bytes, now) {
                            panic!("{message:?}");
                        }
                    }
                }
            }
        }
        now = clients.iter().map(Client::wake).min().unwrap().max(now + Duration::from_millis(1));
    }
    let mut addresses: Vec<_> = clients.iter().map(|client| client.lease().unwrap().address).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 20);
    for (last, client) in (1..).zip(&clients) {
        assert_eq!(server.client(client.lease().unwrap().address), Some(mac(last)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever comes in whatever order, no address has two holders and replies go to our network only.
    #[test]
    fn hostile_clients_break_nothing(packets in proptest::collection::vec(
        (1u8..9, 1u8..6, any::<u8>(), any::<u8>(), any::<bool>(), 0u64..2000, any::<u8>()), 1..60)) {
        let mut room = Room::new(network(50, 53));
        for (kind, last, asked, current, server, pause, noise) in packets {
            room.now += pause;
            let mut packet = message(MessageType::from_octet(kind).unwrap(), last);
            if asked > 40 { packet.options.set_address(option::REQUESTED_ADDRESS, host(asked % 60)); }
            if current > 200 { packet.ciaddr = host(current % 60); }
            if server { packet.options.set_address(option::SERVER_ID, host(noise % 2)); }
            if noise > 250 { packet.giaddr = Ipv4Addr::from([noise, asked, current, 1]); }
            let answer = room.send(&packet);
            if let Some(reply) = answer.reply {
                prop_assert!(reply.to.ip().is_broadcast() || room.server.network.own.has(*reply.to.ip()));
            }
            let mut addresses: Vec<_> = room.server.leases().map(|lease| lease.address).collect();
            let count = addresses.len();
            addresses.sort();
            addresses.dedup();
            prop_assert_eq!(addresses.len(), count);
            prop_assert!(addresses.iter().all(|address| room.server.network.own.leases_out(*address)));
        }
    }
}
