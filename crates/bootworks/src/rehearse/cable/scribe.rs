//! What a DHCP server that nobody set up for booting would answer: ours, with another boot file or none.

use super::frame;
use std::net::Ipv4Addr;
use wire::dhcp::CLIENT_PORT;
use wire::dhcp::option;

/// What the answers name to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bootfile {
    /// Nothing.
    None,
    /// A file by HTTP that the server does not have.
    Absent,
}

/// The server's answer as it reaches the box, where the frame is one.
pub(super) fn rewrite(bootfile: Bootfile, frame: &[u8]) -> Option<Vec<u8>> {
    let mut packet = frame::dhcp_to(CLIENT_PORT, frame)?;
    let server = packet.options.address(option::SERVER_ID)?;
    packet.options.remove(option::BOOTFILE);
    match bootfile {
        Bootfile::None => {
            packet.write_file("");
            packet.siaddr = Ipv4Addr::UNSPECIFIED;
        }
        Bootfile::Absent => packet.write_file(&format!("http://{server}/absent")),
    }
    let from = frame.get(6..12)?.try_into().ok()?;
    Some(frame::dhcp_answer(&packet, (from, server), frame.get(..6)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::dhcp::Packet;
    use wire::mac::Mac;

    /// Only the boot file is another: a box must take the answer for its server's.
    #[test]
    fn an_answer_names_another_file() {
        let server = Ipv4Addr::new(10, 77, 0, 1);
        let mut packet = Packet::request(Mac([2; 6]), 7).reply();
        packet.options.set_address(option::SERVER_ID, server);
        packet.write_file("http://10.77.0.1/ipxe");
        let frame = frame::dhcp_answer(&packet, ([1; 6], server), &[2; 6]);
        let seen = |bootfile| frame::dhcp_to(CLIENT_PORT, &rewrite(bootfile, &frame).unwrap()).unwrap();
        assert_eq!(seen(Bootfile::None).bootfile(), None);
        assert_eq!(seen(Bootfile::Absent).bootfile().as_deref(), Some("http://10.77.0.1/absent"));
        assert_eq!(seen(Bootfile::Absent).xid, 7);
        assert_eq!(rewrite(Bootfile::None, &frame::dhcp_question(&packet, [2; 6])), None);
    }
}
