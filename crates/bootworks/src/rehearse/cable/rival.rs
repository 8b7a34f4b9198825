//! A second DHCP server on the cable, somebody's PXE server: quicker than ours, with a boot file of its own.

use super::frame;
use std::net::Ipv4Addr;
use wire::dhcp::SERVER_PORT;
use wire::dhcp::option::{self, MessageType};

/// What it calls itself, in RFC 5737's network for examples.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
/// What it gives to whoever asks.
const LEASE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);
/// What it names to boot.
const BOOTFILE: &str = "pxelinux.0";
/// Its hardware address, locally administered.
const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0xb0, 0x07, 0xfe];

/// What it answers to a frame of the box: an offer to each question, an acknowledgement where it was chosen.
pub(super) fn answer(frame: &[u8]) -> Option<Vec<u8>> {
    let asked = frame::dhcp_to(SERVER_PORT, frame)?;
    let kind = match asked.message_type()? {
        MessageType::Discover => MessageType::Offer,
        MessageType::Request if asked.options.address(option::SERVER_ID) == Some(ADDRESS) => MessageType::Ack,
        _ => return None,
    };
    let mut answer = asked.reply();
    answer.yiaddr = LEASE;
    answer.options.set(option::MESSAGE_TYPE, [kind.octet()]);
    answer.siaddr = ADDRESS;
    answer.write_file(BOOTFILE);
    // Firmware prefers the offers of servers for booting to others (UEFI, PXE 2.1 §2.4.3).
    answer.options.set(option::VENDOR_CLASS, *b"PXEClient");
    answer.options.set_address(option::SERVER_ID, ADDRESS);
    answer.options.set_address(option::SUBNET_MASK, Ipv4Addr::new(255, 255, 255, 0));
    answer.options.set_seconds(option::LEASE_TIME, std::time::Duration::from_secs(3600));
    Some(frame::dhcp_answer(&answer, (MAC, ADDRESS), frame.get(6..12)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::dhcp::{CLIENT_PORT, Packet};
    use wire::mac::Mac;

    fn from_box(kind: MessageType, server: Option<Ipv4Addr>) -> Vec<u8> {
        let mut packet = Packet::request(Mac([0x52, 0x54, 0, 0xb0, 7, 0]), 7);
        packet.options.set(option::MESSAGE_TYPE, [kind.octet()]);
        if let Some(server) = server {
            packet.options.set_address(option::SERVER_ID, server);
        }
        frame::dhcp_question(&packet, [0x52, 0x54, 0, 0xb0, 7, 0])
    }

    /// It must be taken for a real one by a box's firmware: the box's own number in the answer.
    #[test]
    fn it_offers_and_acknowledges() {
        let offer = answer(&from_box(MessageType::Discover, None)).unwrap();
        let packet = frame::dhcp_to(CLIENT_PORT, &offer).unwrap();
        assert_eq!((packet.message_type(), packet.xid, packet.yiaddr), (Some(MessageType::Offer), 7, LEASE));
        let chosen = answer(&from_box(MessageType::Request, Some(ADDRESS))).unwrap();
        assert_eq!(frame::dhcp_to(CLIENT_PORT, &chosen).unwrap().message_type(), Some(MessageType::Ack));
        let other = from_box(MessageType::Request, Some(Ipv4Addr::new(10, 77, 0, 1)));
        assert_eq!(answer(&other), None);
        assert_eq!(answer(&[0; 20]), None);
    }
}
