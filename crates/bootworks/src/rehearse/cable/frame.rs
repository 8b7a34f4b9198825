//! Frames that somebody on the cable makes up: Ethernet, IP without options, and UDP or TCP in it.

use std::net::Ipv4Addr;
use wire::dhcp::{CLIENT_PORT, Packet, SERVER_PORT};

/// The heads before a DHCP packet: Ethernet, IP without options, UDP.
const DHCP: usize = 14 + 20 + 8;

/// The DHCP packet in a frame that goes to this port.
pub(super) fn dhcp_to(port: u16, frame: &[u8]) -> Option<Packet> {
    let is_udp = frame.get(12..14)? == [0x08, 0x00] && *frame.get(14)? == 0x45 && *frame.get(23)? == 17;
    let is_there = is_udp && frame.get(36..38)? == port.to_be_bytes();
    is_there.then(|| Packet::parse(frame.get(DHCP..)?).ok())?
}

/// A DHCP answer, to everybody at that hardware address.
pub(super) fn dhcp_answer(packet: &Packet, from: ([u8; 6], Ipv4Addr), to: &[u8]) -> Vec<u8> {
    let addresses = (from.1, Ipv4Addr::BROADCAST);
    udp(&packet.encode(), (&from.0, to), addresses, (SERVER_PORT, CLIENT_PORT))
}

/// A DHCP question, to everybody.
pub(super) fn dhcp_question(packet: &Packet, from: [u8; 6]) -> Vec<u8> {
    let addresses = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
    udp(&packet.encode(), (&from, &[0xff; 6]), addresses, (CLIENT_PORT, SERVER_PORT))
}

fn udp(content: &[u8], macs: (&[u8], &[u8]), addresses: (Ipv4Addr, Ipv4Addr), ports: (u16, u16)) -> Vec<u8> {
    let mut frame = ip(17, content.len() + 8, macs, addresses);
    frame.extend(ports.0.to_be_bytes());
    frame.extend(ports.1.to_be_bytes());
    frame.extend(((content.len() + 8) as u16).to_be_bytes());
    // No checksum (RFC 768).
    frame.extend([0, 0]);
    frame.extend(content);
    frame
}

/// The answer to a TCP segment that ends its connection (RFC 9293 §3.5.2): as its receiver would send it that knows
/// nothing of the connection. None to one that ends it already.
pub(super) fn reset(segment: &[u8]) -> Option<Vec<u8>> {
    let word = |at: usize| Some(u32::from_be_bytes(segment.get(at..at + 4)?.try_into().ok()?));
    if segment.get(12..14)? != [0x08, 0x00] || *segment.get(14)? != 0x45 || *segment.get(23)? != 6 {
        return None;
    }
    let (from, to) = (Ipv4Addr::from(word(30)?), Ipv4Addr::from(word(26)?));
    let (sequence, flags) = (word(38)?, *segment.get(47)?);
    if flags & RST != 0 {
        return None;
    }
    let content = u32::from(u16::from_be_bytes([*segment.get(16)?, *segment.get(17)?]))
        .checked_sub(20 + u32::from(*segment.get(46)? >> 4) * 4)?;
    let length = content + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
    let mut tcp = segment.get(36..38)?.to_vec();
    tcp.extend(segment.get(34..36)?);
    tcp.extend(if flags & ACK != 0 { word(42)? } else { 0 }.to_be_bytes());
    tcp.extend(sequence.wrapping_add(length).to_be_bytes());
    tcp.extend([0x50, RST | ACK, 0, 0, 0, 0, 0, 0]);
    let mut summed = [from.octets(), to.octets()].concat();
    summed.extend([0, 6, 0, tcp.len() as u8]);
    summed.extend(&tcp);
    tcp[16..18].copy_from_slice(&checksum(&summed));
    let mut frame = ip(6, tcp.len(), (segment.get(..6)?, segment.get(6..12)?), (from, to));
    frame.extend(tcp);
    Some(frame)
}

/// Flags of a TCP segment.
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// The heads up to what IP carries.
fn ip(protocol: u8, length: usize, macs: (&[u8], &[u8]), addresses: (Ipv4Addr, Ipv4Addr)) -> Vec<u8> {
    let mut head = vec![0x45, 0];
    head.extend(((length + 20) as u16).to_be_bytes());
    head.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    head.extend(addresses.0.octets());
    head.extend(addresses.1.octets());
    let sum = checksum(&head);
    head[10..12].copy_from_slice(&sum);
    let mut frame = [macs.1, macs.0, &[0x08, 0x00]].concat();
    frame.extend(head);
    frame
}

/// RFC 1071 §1, of an even number of octets.
fn checksum(octets: &[u8]) -> [u8; 2] {
    let words = octets.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    (!((folded & 0xffff) + (folded >> 16)) as u16).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::mac::Mac;

    /// A box's firmware drops what does not add up.
    #[test]
    fn heads_fit_what_they_stand_before() {
        let packet = Packet::request(Mac([2; 6]), 7);
        let frame = dhcp_question(&packet, [2; 6]);
        assert_eq!(checksum(&frame[14..34]), [0, 0], "the head's checksum does not fit");
        assert_eq!(usize::from(u16::from_be_bytes([frame[16], frame[17]])), frame.len() - 14);
        assert_eq!(dhcp_to(SERVER_PORT, &frame).unwrap().xid, 7);
        assert_eq!(dhcp_to(CLIENT_PORT, &frame), None);
    }

    /// The client takes a reset only where it expects the next octet.
    #[test]
    fn a_reset_answers_its_segment() {
        let mut segment =
            ip(6, 20, (&[1; 6], &[2; 6]), (Ipv4Addr::new(10, 0, 0, 5), Ipv4Addr::new(10, 0, 0, 1)));
        segment.extend([0x10, 0x00, 0, 80, 0, 0, 0, 9, 0, 0, 1, 0, 0x50, ACK, 1, 0, 0, 0, 0, 0]);
        let frame = reset(&segment).unwrap();
        assert_eq!((&frame[..6], &frame[6..12]), (&[1; 6][..], &[2; 6][..]));
        assert_eq!(frame[26..34], [10, 0, 0, 1, 10, 0, 0, 5]);
        assert_eq!(frame[34..48], [0, 80, 0x10, 0x00, 0, 0, 1, 0, 0, 0, 0, 9, 0x50, RST | ACK]);
        let mut summed = frame[26..34].to_vec();
        summed.extend([0, 6, 0, 20]);
        summed.extend(&frame[34..]);
        assert_eq!(checksum(&summed), [0, 0]);
        assert_eq!((reset(&frame), reset(&[0; 20])), (None, None));
    }

    proptest::proptest! {
        /// Whatever a guest sends, it is answered or not.
        #[test]
        fn any_frame_is_read(mut frame in proptest::collection::vec(proptest::num::u8::ANY, 0..120)) {
            if let Some(head) = frame.get_mut(12..15) {
                head.copy_from_slice(&[0x08, 0x00, 0x45]);
            }
            let _ = (reset(&frame), dhcp_to(SERVER_PORT, &frame));
        }
    }
}
