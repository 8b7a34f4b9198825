//! What a DHCP client says and hears (RFC 2131 §4.4), without a socket, a clock or a random number.
//!
//! Our initrd runs one of these per NIC, all at the same time. It keeps trying for ever; whoever runs it
//! gives up, or says on the screen what it waits for.
//!
//! ```text
//!             offer                    ack                     T1, T2
//! Looking ───────────▶ Requesting ───────────▶ Bound ─────────────────▶ asks again, keeps the address
//!    ▲                     │ four times unheard, or refused │ lease over, or refused
//!    └─────────────────────┴────────────────────────────────┘
//! ```

use super::option::{self, MessageType, Options};
use super::{BROADCAST, Direction, Packet};
use crate::mac::Mac;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

/// Vendor class (option 60) by which the server knows our initrd.
pub const VENDOR_CLASS: &str = "bootworks-agent";

/// The first pause between two packets. RFC 2131 §4.1 says 4 s, for networks of modems; a build network
/// answers within milliseconds, and what is lost is lost while a switch port wakes up.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause: short, for the port that begins to forward after 30 s of spanning tree.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
/// How often an offer is asked for before looking for another.
const REQUESTS: u32 = 4;
/// No asking again earlier than this, however short the lease is (RFC 2131 §4.4.5).
const SHORTEST_RENEWAL: Duration = Duration::from_secs(60);
/// What we ask for, besides what every server sends.
const PARAMETERS: [u8; 9] = [
    option::SUBNET_MASK,
    option::ROUTERS,
    option::NAME_SERVERS,
    option::HOST_NAME,
    option::DOMAIN_NAME,
    option::BROADCAST_ADDRESS,
    option::LEASE_TIME,
    option::RENEWAL_TIME,
    option::REBINDING_TIME,
];

/// An address, and what came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Prefix length of its network; the address's class says it where the server does not.
    pub prefix: u8,
    /// The best router, where there is one.
    pub router: Option<Ipv4Addr>,
    /// Name servers, the best first.
    pub name_servers: Vec<Ipv4Addr>,
    /// The server that gave it.
    pub server: Ipv4Addr,
    /// How long it is valid, from the packet that asked for it; `None` is for ever.
    pub time: Option<Duration>,
    /// Our name, where the server knows one.
    pub host_name: Option<String>,
    /// Everything the server said.
    pub options: Options,
}

/// A packet to send, from port 68 to port 67.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The packet.
    pub bytes: Vec<u8>,
    /// The broadcast address, or the server when it is asked again for what we have.
    pub to: Ipv4Addr,
    /// What kind of message it is, for the screen.
    pub kind: MessageType,
}

/// What a packet meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing for us; why, a phrase.
    Ignored(&'static str),
    /// An address was offered.
    Offered {
        /// The address.
        address: Ipv4Addr,
        /// Who offers it.
        server: Ipv4Addr,
    },
    /// We have an address: a new one, or the old one for longer.
    Bound(Box<Lease>),
    /// The server refuses what we asked for; we look again.
    Refused {
        /// Who refuses.
        server: Ipv4Addr,
        /// Its words, where it has any.
        message: Option<String>,
    },
}

#[derive(Clone, Debug)]
enum State {
    Looking { other: Option<Offer> },
    Requesting { offer: Offer, sent: u32 },
    Bound { lease: Box<Lease>, since: Duration },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offer {
    address: Ipv4Addr,
    server: Ipv4Addr,
}

/// One NIC's conversation. Times are durations since any fixed moment of the caller's choice.
#[derive(Clone, Debug)]
pub struct Client {
    mac: Mac,
    xid: u32,
    jitter: u32,
    preferred: Option<Ipv4Addr>,
    state: State,
    /// When this search began; it fills the field `secs`, by which relays choose.
    began: Option<Duration>,
    /// When the last packet left: a lease counts from the request, not from its answer (RFC 2131 §4.4.1).
    asked: Duration,
    pause: Duration,
    wake: Duration,
}

impl Client {
    /// A client that begins when it is first polled. `random` names the conversation and spreads its
    /// packets: boxes switched on together must not speak together.
    pub fn new(mac: Mac, random: u32) -> Client {
        Client {
            mac,
            xid: random,
            jitter: random | 1,
            preferred: None,
            state: State::Looking { other: None },
            began: None,
            asked: Duration::ZERO,
            pause: FIRST_PAUSE,
            wake: Duration::ZERO,
        }
    }

    /// Offers of other servers are taken only when this one stays silent for a pause.
    pub fn preferring(mut self, server: Ipv4Addr) -> Client {
        self.preferred = Some(server);
        self
    }

    /// When to poll next, if nothing is heard before.
    pub fn wake(&self) -> Duration {
        self.wake
    }

    /// The lease, while there is one.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Bound { lease, .. } => Some(lease),
            _ => None,
        }
    }

    /// The packet that is due, if one is. To be called at [`Client::wake`] and after each packet heard.
    pub fn poll(&mut self, now: Duration) -> Option<Outgoing> {
        if now < self.wake {
            return None;
        }
        match &mut self.state {
            State::Looking { other } => {
                if let Some(offer) = other.take() {
                    self.request(offer, now);
                    return self.poll(now);
                }
                Some(self.discover(now))
            }
            State::Requesting { sent, .. } if *sent >= REQUESTS => {
                self.start_over(now);
                Some(self.discover(now))
            }
            State::Requesting { offer, sent } => {
                *sent += 1;
                let offer = *offer;
                let mut packet = self.packet(MessageType::Request, now);
                packet.options.set_address(option::REQUESTED_ADDRESS, offer.address);
                packet.options.set_address(option::SERVER_ID, offer.server);
                self.back_off(now);
                Some(self.outgoing(&packet, MessageType::Request, Ipv4Addr::BROADCAST, now))
            }
            State::Bound { .. } => self.renew(now),
        }
    }

    /// Takes in a packet that came to port 68.
    pub fn hear(&mut self, bytes: &[u8], now: Duration) -> Heard {
        let Ok(packet) = Packet::parse(bytes) else { return Heard::Ignored("not a BOOTP packet") };
        if packet.op != Direction::Reply {
            return Heard::Ignored("another client's request");
        }
        if packet.xid != self.xid || packet.mac() != Some(self.mac) {
            return Heard::Ignored("the answer to another client");
        }
        let Some(kind) = packet.message_type() else { return Heard::Ignored("no DHCP message") };
        let Some(server) = packet.options.address(option::SERVER_ID) else {
            return Heard::Ignored("a server that does not say who it is");
        };
        match (&self.state, kind) {
            (State::Looking { other }, MessageType::Offer) => {
                let address = packet.yiaddr;
                if !is_usable(address) {
                    return Heard::Ignored("an offer without a usable address");
                }
                let offer = Offer { address, server };
                if self.preferred.is_none_or(|preferred| preferred == server) {
                    self.request(offer, now);
                } else if other.is_none() {
                    self.state = State::Looking { other: Some(offer) };
                }
                Heard::Offered { address, server }
            }
            (State::Requesting { offer, .. }, MessageType::Ack) if offer.server == server => {
                self.bind(&packet, server, now)
            }
            (State::Bound { lease, .. }, MessageType::Ack) if lease.address == packet.yiaddr => {
                self.bind(&packet, server, now)
            }
            (State::Requesting { offer, .. }, MessageType::Nak) if offer.server == server => {
                self.refused(&packet, server, now)
            }
            (State::Bound { .. }, MessageType::Nak) => self.refused(&packet, server, now),
            (_, MessageType::Offer) => Heard::Ignored("an offer that comes too late"),
            _ => Heard::Ignored("nothing that we wait for"),
        }
    }

    fn request(&mut self, offer: Offer, now: Duration) {
        self.state = State::Requesting { offer, sent: 0 };
        (self.pause, self.wake) = (FIRST_PAUSE, now);
    }

    fn bind(&mut self, packet: &Packet, server: Ipv4Addr, now: Duration) -> Heard {
        if !is_usable(packet.yiaddr) {
            return Heard::Ignored("an acknowledgement without a usable address");
        }
        let options = &packet.options;
        // All ones is for ever (RFC 2131 §3.3); a server that leases for no time at all would keep us asking.
        let time = options.seconds(option::LEASE_TIME).filter(|time| time.as_secs() < u64::from(u32::MAX));
        let time = time.map(|time| time.max(SHORTEST_RENEWAL));
        let mask = options.address(option::SUBNET_MASK);
        let lease = Box::new(Lease {
            address: packet.yiaddr,
            prefix: mask.map_or_else(|| class_prefix(packet.yiaddr), prefix_of),
            router: options.address(option::ROUTERS).filter(|router| !router.is_unspecified()),
            name_servers: options.addresses(option::NAME_SERVERS).collect(),
            server,
            time,
            host_name: options.text(option::HOST_NAME),
            options: options.clone(),
        });
        let since = self.asked.min(now);
        self.state = State::Bound { lease: lease.clone(), since };
        self.wake = match time {
            Some(time) => {
                let t1 = options.seconds(option::RENEWAL_TIME).unwrap_or(time / 2).min(time);
                since + t1.max(SHORTEST_RENEWAL.min(time))
            }
            None => Duration::MAX,
        };
        Heard::Bound(lease)
    }

    fn refused(&mut self, packet: &Packet, server: Ipv4Addr, now: Duration) -> Heard {
        self.start_over(now);
        // A server that offers and refuses in turn must not be asked a thousand times a second.
        self.wake = now + FIRST_PAUSE;
        Heard::Refused { server, message: packet.options.text(option::MESSAGE) }
    }

    /// Looks for servers again, under another number, so that late answers are known as such.
    fn start_over(&mut self, now: Duration) {
        self.state = State::Looking { other: None };
        self.xid = self.xid.wrapping_add(1);
        self.began = None;
        (self.pause, self.wake) = (FIRST_PAUSE, now);
    }

    fn discover(&mut self, now: Duration) -> Outgoing {
        let packet = self.packet(MessageType::Discover, now);
        self.back_off(now);
        self.outgoing(&packet, MessageType::Discover, Ipv4Addr::BROADCAST, now)
    }

    /// Asks the lease's server for more time, from T2 on any server (RFC 2131 §4.4.5).
    fn renew(&mut self, now: Duration) -> Option<Outgoing> {
        let State::Bound { lease, since } = &self.state else { return None };
        let Some(time) = lease.time else {
            self.wake = Duration::MAX;
            return None;
        };
        let (address, server, since) = (lease.address, lease.server, *since);
        let end = since + time;
        if now >= end {
            self.start_over(now);
            return Some(self.discover(now));
        }
        let rebind = lease.options.seconds(option::REBINDING_TIME).unwrap_or(time / 8 * 7).min(time);
        let to = if now < since + rebind { server } else { Ipv4Addr::BROADCAST };
        self.xid = self.xid.wrapping_add(1);
        self.began = None;
        let mut packet = self.packet(MessageType::Request, now);
        packet.ciaddr = address;
        packet.flags = 0;
        self.wake = (now + ((end - now) / 2).max(SHORTEST_RENEWAL)).min(end);
        Some(self.outgoing(&packet, MessageType::Request, to, now))
    }

    fn packet(&mut self, kind: MessageType, now: Duration) -> Packet {
        let began = *self.began.get_or_insert(now);
        let mut packet = Packet::request(self.mac, self.xid);
        packet.secs = u16::try_from(now.saturating_sub(began).as_secs()).unwrap_or(u16::MAX);
        // Until we have an address, the kernel hands us nothing but broadcasts.
        packet.flags = BROADCAST;
        let options = &mut packet.options;
        options.set(option::MESSAGE_TYPE, [kind.octet()]);
        let mut client_id = [super::ETHERNET; 7];
        client_id[1..].copy_from_slice(&self.mac.0);
        options.set(option::CLIENT_ID, client_id);
        options.set(option::MAX_SIZE, 1500u16.to_be_bytes());
        options.set(option::VENDOR_CLASS, VENDOR_CLASS.as_bytes());
        options.set(option::PARAMETERS, PARAMETERS);
        packet
    }

    fn outgoing(&mut self, packet: &Packet, kind: MessageType, to: Ipv4Addr, now: Duration) -> Outgoing {
        self.asked = now;
        Outgoing { bytes: packet.encode(), to, kind }
    }

    /// Doubles the pause; an eighth of it, up or down, is chance (RFC 2131 §4.1).
    fn back_off(&mut self, now: Duration) {
        // Marsaglia's xorshift: spreading packets needs no better.
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 17;
        self.jitter ^= self.jitter << 5;
        self.wake = now + self.pause * 7 / 8 + self.pause * (self.jitter % 256) / 1024;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether a host can have the address.
fn is_usable(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || address.is_broadcast())
}

/// Prefix length of a mask; of one with holes, up to the first hole.
fn prefix_of(mask: Ipv4Addr) -> u8 {
    // At most 32.
    mask.to_bits().leading_ones() as u8
}

/// Prefix length by the address's class (RFC 791 §3.2).
fn class_prefix(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString as _;
    use expect_test::expect;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
    const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn answer(to: &Outgoing, kind: MessageType, server: Ipv4Addr) -> Vec<u8> {
        let mut reply = Packet::parse(&to.bytes).unwrap().reply();
        reply.yiaddr = ADDRESS;
        reply.options.set(option::MESSAGE_TYPE, [kind.octet()]);
        reply.options.set_address(option::SERVER_ID, server);
        reply.options.set_address(option::SUBNET_MASK, Ipv4Addr::new(255, 255, 255, 0));
        reply.options.set_seconds(option::LEASE_TIME, seconds(3600));
        reply.encode()
    }

    /// A client that binds at once at time 0.
    fn bound() -> Client {
        let mut client = Client::new(MAC, 1);
        let discover = client.poll(seconds(0)).unwrap();
        client.hear(&answer(&discover, MessageType::Offer, SERVER), seconds(0));
        let request = client.poll(seconds(0)).unwrap();
        let heard = client.hear(&answer(&request, MessageType::Ack, SERVER), seconds(0));
        assert!(matches!(heard, Heard::Bound(_)), "{heard:?}");
        client
    }

    /// The server tells our initrd from firmware by these packets.
    #[test]
    fn the_first_packets_say_who_we_are() {
        let mut client = Client::new(MAC, 0xb007);
        let discover = client.poll(seconds(3)).unwrap();
        let heard = client.hear(&answer(&discover, MessageType::Offer, SERVER), seconds(4));
        assert_eq!(heard, Heard::Offered { address: ADDRESS, server: SERVER });
        let request = client.poll(seconds(4)).unwrap();
        let shown = [discover, request].map(|packet| Packet::parse(&packet.bytes).unwrap().to_string());
        expect![[r#"
            request xid=0000b007 chaddr=52:54:00:12:34:56 broadcast
              53 message type: DISCOVER
              61 client id: 01525400123456
              57 maximum size: 1500
              60 vendor class: "bootworks-agent"
              55 parameters: 1 3 6 12 15 28 51 58 59
            request xid=0000b007 chaddr=52:54:00:12:34:56 secs=1 broadcast
              53 message type: REQUEST
              61 client id: 01525400123456
              57 maximum size: 1500
              60 vendor class: "bootworks-agent"
              55 parameters: 1 3 6 12 15 28 51 58 59
              50 requested address: 10.77.0.50
              54 server id: 10.77.0.1"#]]
        .assert_eq(&shown.join("\n"));
    }

    /// With nobody there, a box asks often at first and never stops.
    #[test]
    fn it_keeps_asking() {
        let mut client = Client::new(MAC, 7);
        let (mut now, mut gaps) = (seconds(0), Vec::new());
        for _ in 0..8 {
            assert_eq!(client.poll(now).unwrap().kind, MessageType::Discover);
            assert_eq!(client.poll(now), None);
            gaps.push(format!("{:.1}", (client.wake() - now).as_secs_f32()));
            now = client.wake();
        }
        expect!["1.1 1.8 3.8 7.5 18.0 16.3 16.9 15.4"].assert_eq(&gaps.join(" "));
    }

    /// A lost acknowledgement costs a second, an address that is never given costs four requests.
    #[test]
    fn an_unheard_request_is_repeated_then_dropped() {
        let mut client = Client::new(MAC, 7);
        let discover = client.poll(seconds(0)).unwrap();
        let offer = answer(&discover, MessageType::Offer, SERVER);
        client.hear(&offer, seconds(0));
        assert_eq!(client.hear(&offer, seconds(0)), Heard::Ignored("an offer that comes too late"));
        for _ in 0..REQUESTS {
            assert_eq!(client.poll(client.wake()).unwrap().kind, MessageType::Request);
        }
        let again = client.poll(client.wake()).unwrap();
        assert_eq!(again.kind, MessageType::Discover);
        assert_eq!(client.hear(&offer, client.wake()), Heard::Ignored("the answer to another client"));
    }

    /// A second DHCP server on the build network must not catch a box whose own server answers too.
    #[test]
    fn the_preferred_server_wins_although_it_is_slower() {
        let mut client = Client::new(MAC, 7).preferring(SERVER);
        let discover = client.poll(seconds(0)).unwrap();
        client.hear(&answer(&discover, MessageType::Offer, OTHER), seconds(0));
        assert_eq!(client.poll(seconds(0)), None);
        client.hear(&answer(&discover, MessageType::Offer, SERVER), seconds(0));
        let request = Packet::parse(&client.poll(seconds(0)).unwrap().bytes).unwrap();
        assert_eq!(request.options.address(option::SERVER_ID), Some(SERVER));

        let mut client = Client::new(MAC, 7).preferring(SERVER);
        let discover = client.poll(seconds(0)).unwrap();
        client.hear(&answer(&discover, MessageType::Offer, OTHER), seconds(0));
        let request = Packet::parse(&client.poll(client.wake()).unwrap().bytes).unwrap();
        assert_eq!(request.options.address(option::SERVER_ID), Some(OTHER));
    }

    /// The address must outlive an installation that takes hours: half-time asks the server, later anybody.
    #[test]
    fn a_lease_is_renewed_before_it_ends() {
        let mut client = bound();
        assert_eq!(client.wake(), seconds(1800));
        let renewal = client.poll(seconds(1800)).unwrap();
        assert_eq!((renewal.to, Packet::parse(&renewal.bytes).unwrap().ciaddr), (SERVER, ADDRESS));
        client.hear(&answer(&renewal, MessageType::Ack, SERVER), seconds(1800));
        assert_eq!(client.wake(), seconds(3600));

        let mut client = bound();
        let mut last = None;
        while client.lease().is_some() {
            let now = client.wake();
            last = client.poll(now).map(|packet| (packet.kind, packet.to, now));
            if now > seconds(3150) && client.lease().is_some() {
                assert_eq!(last.as_ref().unwrap().1, Ipv4Addr::BROADCAST);
            }
        }
        assert_eq!(last, Some((MessageType::Discover, Ipv4Addr::BROADCAST, seconds(3600))));
    }

    /// A refusal starts over, though not in a tight loop; the server's own words are kept for the screen.
    #[test]
    fn a_refusal_starts_over() {
        let mut client = Client::new(MAC, 7);
        let discover = client.poll(seconds(0)).unwrap();
        client.hear(&answer(&discover, MessageType::Offer, SERVER), seconds(0));
        let request = client.poll(seconds(0)).unwrap();
        let mut nak = Packet::parse(&answer(&request, MessageType::Nak, SERVER)).unwrap();
        nak.options.set(option::MESSAGE, *b"in use");
        let heard = client.hear(&nak.encode(), seconds(0));
        assert_eq!(heard, Heard::Refused { server: SERVER, message: Some("in use".into()) });
        assert_eq!(client.poll(seconds(0)), None);
        assert_eq!(client.poll(seconds(1)).unwrap().kind, MessageType::Discover);
    }

    /// What is not for us, or gives nothing usable, changes nothing.
    #[test]
    fn other_packets_are_ignored_by_name() {
        let mut client = Client::new(MAC, 7);
        let discover = client.poll(seconds(0)).unwrap();
        let offer = Packet::parse(&answer(&discover, MessageType::Offer, SERVER)).unwrap();
        let mut heard = |change: &dyn Fn(&mut Packet)| {
            let mut packet = offer.clone();
            change(&mut packet);
            match client.hear(&packet.encode(), seconds(0)) {
                Heard::Ignored(why) => why.to_string(),
                other => panic!("{other:?}"),
            }
        };
        let reasons = [
            heard(&|packet| packet.op = Direction::Request),
            heard(&|packet| packet.xid = 8),
            heard(&|packet| packet.chaddr[5] = 0),
            heard(&|packet| packet.hlen = 20),
            heard(&|packet| packet.options.remove(option::MESSAGE_TYPE)),
            heard(&|packet| packet.options.remove(option::SERVER_ID)),
            heard(&|packet| packet.yiaddr = Ipv4Addr::UNSPECIFIED),
            heard(&|packet| packet.yiaddr = Ipv4Addr::BROADCAST),
            heard(&|packet| packet.options.set(option::MESSAGE_TYPE, [5])),
        ];
        expect![[r#"
            another client's request
            the answer to another client
            the answer to another client
            the answer to another client
            no DHCP message
            a server that does not say who it is
            an offer without a usable address
            an offer without a usable address
            nothing that we wait for"#]]
        .assert_eq(&reasons.join("\n"));
    }
}
