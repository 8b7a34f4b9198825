//! A crowd on the cable that takes every address the server has before the box may ask.

use super::frame;
use std::time::Duration;
use wire::dhcp::option::{self, MessageType};
use wire::dhcp::{BROADCAST, CLIENT_PORT, Packet};
use wire::mac::Mac;

/// How often the next one asks. A server that looks whether an address is in use needs a while for each answer, so
/// they do not wait for each other.
pub(super) const EACH: Duration = Duration::from_millis(50);
/// So many of them without an offer, one after the other: the server has nothing left.
const UNHEARD: u16 = 60;
/// Beginning of its hardware addresses, locally administered; the number of the client follows.
const MACS: [u8; 4] = [0x52, 0x54, 0x00, 0xb1];

/// The crowd.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// How many have asked.
    asked: u16,
    /// How many had when the last offer came.
    heard: u16,
}

impl Crowd {
    /// Whether there was nothing for the last ones.
    pub(super) fn has_all(&self) -> bool {
        self.asked - self.heard >= UNHEARD
    }

    /// What the next one asks.
    pub(super) fn ask(&mut self) -> Option<Vec<u8>> {
        let number = self.asked;
        self.asked = number.checked_add(1).filter(|_| !self.has_all())?;
        Some(framed(number, MessageType::Discover, |_| {}))
    }

    /// What follows from a frame of the server's: an offer to one of them is taken. `None`: it is for nobody of them.
    pub(super) fn hear(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let packet = frame::dhcp_to(CLIENT_PORT, frame)?;
        let Mac([a, b, c, d, high, low]) = packet.mac()?;
        let is_ours = [a, b, c, d] == MACS && packet.message_type()? == MessageType::Offer;
        let server = packet.options.address(option::SERVER_ID).filter(|_| is_ours)?;
        self.heard = self.asked;
        Some(framed(u16::from_be_bytes([high, low]), MessageType::Request, |request| {
            request.options.set_address(option::SERVER_ID, server);
            request.options.set_address(option::REQUESTED_ADDRESS, packet.yiaddr);
        }))
    }
}

fn framed(number: u16, kind: MessageType, fill_in: impl Fn(&mut Packet)) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    let mac = [MACS[0], MACS[1], MACS[2], MACS[3], high, low];
    let mut packet = Packet::request(Mac(mac), u32::from(number) + 1);
    packet.flags = BROADCAST;
    packet.options.set(option::MESSAGE_TYPE, [kind.octet()]);
    fill_in(&mut packet);
    frame::dhcp_question(&packet, mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use wire::dhcp::SERVER_PORT;

    /// It is a client as any other: it takes what it is offered.
    #[test]
    fn each_takes_what_it_is_offered_until_there_is_nothing() {
        let server = Ipv4Addr::new(10, 77, 0, 1);
        let mut crowd = Crowd::default();
        let asked = frame::dhcp_to(SERVER_PORT, &crowd.ask().unwrap()).unwrap();
        let mut offer = asked.reply();
        offer.yiaddr = Ipv4Addr::new(10, 77, 0, 50);
        offer.options.set(option::MESSAGE_TYPE, [MessageType::Offer.octet()]);
        offer.options.set_address(option::SERVER_ID, server);
        let answer = |packet: &Packet| frame::dhcp_answer(packet, ([1; 6], server), &[0xff; 6]);
        let request = frame::dhcp_to(SERVER_PORT, &crowd.hear(&answer(&offer)).unwrap()).unwrap();
        assert_eq!(request.options.address(option::REQUESTED_ADDRESS), Some(offer.yiaddr));
        assert_eq!(request.mac(), asked.mac());
        let mut others = Packet::request(Mac([2; 6]), 9).reply();
        others.options = offer.options.clone();
        assert_eq!(crowd.hear(&answer(&others)), None, "somebody else's answer was taken");
        let left = std::iter::from_fn(|| crowd.ask()).count();
        assert_eq!((left, crowd.has_all()), (usize::from(UNHEARD), true));
    }
}
