//! What a proxyDHCP server says (PXE 2.1 §2.2): beside somebody else's DHCP server it names the boot file only.
//!
//! It leases nothing and remembers nothing. What a client shall boot it asks from its caller, as the full
//! server in [`super::server`] does; a client that boots nothing from the network is left to the other server.
//!
//! ```text
//! box  ── DISCOVER ─▶ everybody            the other server offers an address, we a boot file (yiaddr 0)
//! box  ── REQUEST ──▶ everybody            chooses the other server's address: heard, not answered
//! box  ── REQUEST ──▶ us, port 4011        firmware that asks again instead of taking the offer's word
//! ```

use super::option::{self, MessageType};
use super::server::outcome::{Outcome, Reason, Refusal};
use super::server::{Answer, Boot, Reply, echo_relay, understand, write_boot};
use super::{CLIENT_PORT, Packet, SERVER_PORT};
use alloc::string::String;
use core::net::{Ipv4Addr, SocketAddrV4};

/// UDP port on which firmware asks a proxyDHCP server again (PXE 2.1 §2.2.2).
pub const PORT: u16 = 4011;

/// At which port of ours a packet came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Port 67: broadcasts, meant for every server.
    Everybody,
    /// Port 4011: meant for us.
    Us,
}

/// A proxyDHCP server: its address, and how many bits of it are the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Server identifier, and where to boot from.
    pub server: Ipv4Addr,
    /// Prefix length.
    pub prefix: u8,
}

impl Proxy {
    /// Takes in a packet. `from` is who sent it; `boot` says what the client shall boot, or why it cannot.
    pub fn answer(
        &self,
        bytes: &[u8],
        from: SocketAddrV4,
        door: Door,
        boot: &dyn Fn(&Packet) -> Result<Boot, String>,
    ) -> Answer {
        let request = match Packet::parse(bytes) {
            Ok(request) => request,
            Err(error) => {
                let outcome = Outcome::Ignored(Reason::NotBootp(error));
                return Answer { request: None, reply: None, outcome };
            }
        };
        let (reply, outcome) = match self.consider(&request, from, door, boot) {
            Ok((reply, outcome)) => (Some(reply), outcome),
            Err(outcome) => (None, outcome),
        };
        Answer { request: Some(request), reply, outcome }
    }

    fn consider(
        &self,
        request: &Packet,
        from: SocketAddrV4,
        door: Door,
        boot: &dyn Fn(&Packet) -> Result<Boot, String>,
    ) -> Result<(Reply, Outcome), Outcome> {
        let (_, kind) = understand(request).map_err(Outcome::Ignored)?;
        let to = self.address_to(request, from, door)?;
        let says = match (door, kind) {
            (Door::Everybody, MessageType::Discover) => MessageType::Offer,
            (Door::Us, MessageType::Request | MessageType::Inform) => MessageType::Ack,
            (Door::Everybody, MessageType::Request) => return Err(choice(request, self.server)),
            (_, MessageType::Offer | MessageType::Ack | MessageType::Nak) => {
                return Err(Outcome::Ignored(Reason::ServersMessage(kind)));
            }
            _ => return Err(Outcome::Ignored(Reason::OthersLease(kind))),
        };
        let boot = boot(request).map_err(|why| Outcome::Refused(Refusal::NothingToBoot(why)))?;
        let Some(file) = boot.file.clone() else {
            return Err(Outcome::Ignored(Reason::BootsNothing(kind)));
        };
        let mut reply = request.reply();
        // The address is the other server's to give: ROMs tell the two kinds of offer apart by this field.
        reply.yiaddr = Ipv4Addr::UNSPECIFIED;
        reply.siaddr = self.server;
        if door == Door::Us {
            reply.ciaddr = request.ciaddr;
        }
        reply.options.set(option::MESSAGE_TYPE, [says.octet()]);
        reply.options.set_address(option::SERVER_ID, self.server);
        write_boot(request, &mut reply, self.server, &boot);
        echo_relay(request, &mut reply);
        Ok((Reply { bytes: reply.encode(), to }, Outcome::Named { file }))
    }

    /// Where the reply goes: never off our own network, or anybody could have us send anywhere.
    fn address_to(&self, request: &Packet, from: SocketAddrV4, door: Door) -> Result<SocketAddrV4, Outcome> {
        let shift = 32 - u32::from(self.prefix.min(32));
        let has = |address: Ipv4Addr| {
            (address.to_bits() ^ self.server.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        };
        match door {
            // A client with an address is answered where it asked from: it listens there and nowhere else.
            Door::Us if has(*from.ip()) => Ok(from),
            Door::Us => Err(Outcome::Ignored(Reason::Stranger(*from.ip()))),
            Door::Everybody if request.giaddr.is_unspecified() => {
                Ok(SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT))
            }
            Door::Everybody if has(request.giaddr) => Ok(SocketAddrV4::new(request.giaddr, SERVER_PORT)),
            Door::Everybody => Err(Outcome::Ignored(Reason::Stranger(request.giaddr))),
        }
    }
}

/// A REQUEST to everybody says which server's address the client takes (RFC 2131 §4.3.2).
fn choice(request: &Packet, ours: Ipv4Addr) -> Outcome {
    let server = request.options.address(option::SERVER_ID);
    let asked = request.options.address(option::REQUESTED_ADDRESS);
    match (server, asked) {
        (Some(server), Some(address)) if server != ours => Outcome::Chose { server, address },
        (Some(server), _) if server == ours => Outcome::Ignored(Reason::NotItsAddress(MessageType::Request)),
        _ => Outcome::Ignored(Reason::OthersLease(MessageType::Request)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::option::Options;
    use crate::mac::Mac;
    use alloc::format;
    use expect_test::expect;
    use proptest::prelude::*;

    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
    const PROXY: Proxy = Proxy { server: SERVER, prefix: 24 };
    const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 50), 4011);

    fn boot(packet: &Packet) -> Result<Boot, String> {
        let vendor = packet.options.text(option::VENDOR_CLASS).unwrap_or_default();
        let mut options = Options::new();
        options.set(option::VENDOR_CLASS, *b"PXEClient");
        match vendor.as_str() {
            "PXEClient" => Ok(Boot { file: Some("ipxe.efi".into()), options }),
            "PXEClient:odd" => Err("its firmware is odd".into()),
            _ => Ok(Boot::default()),
        }
    }

    fn says(kind: MessageType, door: Door, change: impl Fn(&mut Packet)) -> String {
        let mut packet = Packet::request(Mac([0x52, 0x54, 0, 0, 0, 1]), 7);
        packet.options.set(option::MESSAGE_TYPE, [kind.octet()]);
        packet.options.set(option::VENDOR_CLASS, *b"PXEClient");
        change(&mut packet);
        let answer = PROXY.answer(&packet.encode(), CLIENT, door, &boot);
        match answer.reply {
            None => format!("{}", answer.outcome),
            Some(Reply { bytes, to }) => {
                let kind = Packet::parse(&bytes).unwrap().message_type().unwrap().name();
                format!("{} → {kind} to {to}", answer.outcome)
            }
        }
    }

    /// Beside another server each word too many is a fault: a lease that we never gave, an answer to a client
    /// that only wants an address.
    #[test]
    fn only_boot_files_are_named() {
        let vendor =
            |class: &'static str| move |packet: &mut Packet| packet.options.set(option::VENDOR_CLASS, class);
        let chose = |server: Ipv4Addr| {
            move |packet: &mut Packet| {
                packet.options.set_address(option::SERVER_ID, server);
                packet.options.set_address(option::REQUESTED_ADDRESS, *CLIENT.ip());
            }
        };
        let lines = [
            says(MessageType::Discover, Door::Everybody, |_| {}),
            says(MessageType::Discover, Door::Everybody, |packet| {
                packet.giaddr = Ipv4Addr::new(10, 77, 0, 254)
            }),
            says(MessageType::Discover, Door::Everybody, |packet| {
                packet.giaddr = Ipv4Addr::new(192, 0, 2, 1)
            }),
            says(MessageType::Discover, Door::Everybody, vendor("udhcp 1.35.0")),
            says(MessageType::Discover, Door::Everybody, vendor("PXEClient:odd")),
            says(MessageType::Request, Door::Everybody, chose(Ipv4Addr::new(10, 77, 0, 2))),
            says(MessageType::Request, Door::Everybody, chose(SERVER)),
            says(MessageType::Request, Door::Everybody, |_| {}),
            says(MessageType::Request, Door::Us, |packet| packet.ciaddr = *CLIENT.ip()),
            says(MessageType::Inform, Door::Us, |packet| packet.ciaddr = *CLIENT.ip()),
            says(MessageType::Discover, Door::Us, |_| {}),
            says(MessageType::Release, Door::Everybody, |_| {}),
            says(MessageType::Offer, Door::Everybody, |_| {}),
            format!("{}", PROXY.answer(&[1; 9], CLIENT, Door::Everybody, &boot).outcome),
        ];
        expect![[r#"
            told to boot ipxe.efi → OFFER to 255.255.255.255:68
            told to boot ipxe.efi → OFFER to 10.77.0.254:67
            ignored: from 192.0.2.1, which is not on this network
            ignored: DISCOVER of a client that boots nothing from the network
            refused: its firmware is odd
            chose 10.77.0.50 of 10.77.0.2
            ignored: REQUEST of an address that it does not have
            ignored: REQUEST about another server's lease
            told to boot ipxe.efi → ACK to 10.77.0.50:4011
            told to boot ipxe.efi → ACK to 10.77.0.50:4011
            ignored: DISCOVER about another server's lease
            ignored: RELEASE about another server's lease
            ignored: OFFER from a client
            ignored: 9 octets, but a BOOTP packet has at least 236"#]]
        .assert_eq(&lines.join("\n"));
    }

    /// An offer with an address in it would be a lease: ROMs tell the two apart by that field alone.
    #[test]
    fn an_offer_names_no_address() {
        let mut packet = Packet::request(Mac([0x52, 0x54, 0, 0, 0, 1]), 7);
        packet.options.set(option::MESSAGE_TYPE, [MessageType::Discover.octet()]);
        packet.options.set(option::VENDOR_CLASS, *b"PXEClient");
        packet.options.set(option::MACHINE_ID, [0; 17]);
        let reply = PROXY.answer(&packet.encode(), CLIENT, Door::Everybody, &boot).reply.unwrap();
        expect![[r#"
            reply xid=00000007 chaddr=52:54:00:00:00:01 siaddr=10.77.0.1 file="ipxe.efi"
              53 message type: OFFER
              54 server id: 10.77.0.1
              60 vendor class: "PXEClient"
              66 TFTP server: "10.77.0.1"
              67 boot file: "ipxe.efi"
              97 machine id: 0000000000000000000000000000000000"#]]
        .assert_eq(&format!("{}", Packet::parse(&reply.bytes).unwrap()));
    }

    proptest! {
        /// Both doors are open to everybody; no reply says more than it was asked.
        #[test]
        fn noise_is_not_amplified(bytes in proptest::collection::vec(any::<u8>(), 0..700), tail in any::<bool>()) {
            let mut packet = Packet::request(Mac([2, 0, 0, 0, 0, 1]), 7).encode();
            if tail {
                packet.truncate(240);
                packet.extend(&bytes);
            } else {
                packet = bytes;
            }
            for door in [Door::Everybody, Door::Us] {
                if let Some(reply) = PROXY.answer(&packet, CLIENT, door, &boot).reply {
                    prop_assert!(reply.bytes.len() <= 200 + packet.len());
                }
            }
        }
    }
}
