//! A second DHCP server on the cable, somebody's PXE server: quicker than ours, with a boot file of its own.

use std::net::Ipv4Addr;
use wire::dhcp::option::{self, MessageType};
use wire::dhcp::{CLIENT_PORT, Packet, SERVER_PORT};

/// What it calls itself, in RFC 5737's network for examples.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
/// What it gives to whoever asks.
const LEASE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);
/// What it names to boot.
const BOOTFILE: &str = "pxelinux.0";
/// Its hardware address, locally administered.
const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0xb0, 0x07, 0xfe];
/// The heads before a DHCP packet: Ethernet, IP without options, UDP.
const HEADS: usize = 14 + 20 + 8;

/// The server.
#[derive(Debug)]
pub(super) struct Rival;

impl Rival {
    /// What it answers to a frame of the box: an offer to each question, an acknowledgement where it was chosen.
    pub(super) fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let is_udp = frame.get(12..14)? == [0x08, 0x00] && *frame.get(14)? == 0x45 && *frame.get(23)? == 17;
        let is_question = is_udp && frame.get(36..38)? == SERVER_PORT.to_be_bytes();
        if !is_question {
            return None;
        }
        let asked = Packet::parse(frame.get(HEADS..)?).ok()?;
        let kind = match asked.message_type()? {
            MessageType::Discover => MessageType::Offer,
            MessageType::Request if asked.options.address(option::SERVER_ID) == Some(ADDRESS) => {
                MessageType::Ack
            }
            _ => return None,
        };
        let mut answer = asked.reply();
        answer.yiaddr = LEASE;
        answer.options.set(option::MESSAGE_TYPE, [kind.octet()]);
        answer.siaddr = ADDRESS;
        answer.write_file(BOOTFILE);
        answer.options.set_address(option::SERVER_ID, ADDRESS);
        answer.options.set_address(option::SUBNET_MASK, Ipv4Addr::new(255, 255, 255, 0));
        answer.options.set_seconds(option::LEASE_TIME, std::time::Duration::from_secs(3600));
        Some(framed(&answer.encode(), frame.get(6..12)?))
    }
}

/// To everybody at that hardware address, from the server's port to the clients'.
fn framed(packet: &[u8], to: &[u8]) -> Vec<u8> {
    let length = |heads: usize| ((packet.len() + heads) as u16).to_be_bytes();
    let mut ip = vec![0x45, 0];
    ip.extend(length(28));
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    ip.extend(ADDRESS.octets());
    ip.extend(Ipv4Addr::BROADCAST.octets());
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = [to, &MAC, &[0x08, 0x00]].concat();
    frame.extend(ip);
    frame.extend(SERVER_PORT.to_be_bytes());
    frame.extend(CLIENT_PORT.to_be_bytes());
    frame.extend(length(8));
    // No checksum (RFC 768).
    frame.extend([0, 0]);
    frame.extend(packet);
    frame
}

/// RFC 1071 §1, of an even number of octets.
fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::mac::Mac;

    fn from_box(kind: MessageType, server: Option<Ipv4Addr>) -> Vec<u8> {
        let mut packet = Packet::request(Mac([0x52, 0x54, 0, 0xb0, 7, 0]), 7);
        packet.options.set(option::MESSAGE_TYPE, [kind.octet()]);
        if let Some(server) = server {
            packet.options.set_address(option::SERVER_ID, server);
        }
        let mut frame = framed(&packet.encode(), &[0xff; 6]);
        frame[36..38].copy_from_slice(&SERVER_PORT.to_be_bytes());
        frame
    }

    /// It must be taken for a real one by a box's firmware: heads that fit, the box's own number in the answer.
    #[test]
    fn it_offers_and_acknowledges() {
        let offer = Rival.answer(&from_box(MessageType::Discover, None)).unwrap();
        let packet = Packet::parse(&offer[HEADS..]).unwrap();
        assert_eq!((packet.message_type(), packet.xid, packet.yiaddr), (Some(MessageType::Offer), 7, LEASE));
        assert_eq!(checksum(&offer[14..34]), 0, "the head's checksum does not fit");
        assert_eq!(usize::from(u16::from_be_bytes([offer[16], offer[17]])), offer.len() - 14);
        let chosen = Rival.answer(&from_box(MessageType::Request, Some(ADDRESS))).unwrap();
        assert_eq!(Packet::parse(&chosen[HEADS..]).unwrap().message_type(), Some(MessageType::Ack));
        let other = from_box(MessageType::Request, Some(Ipv4Addr::new(10, 77, 0, 1)));
        assert_eq!(Rival.answer(&other), None);
        assert_eq!(Rival.answer(&[0; 20]), None);
    }
}
