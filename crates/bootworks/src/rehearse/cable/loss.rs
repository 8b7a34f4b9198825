//! What a cable loses: told from each frame's own head, as a filter on a switch does it.

use model::boot::{HTTP_PORT, NFS_PORT};
use wire::{dhcp, tftp};

/// What does not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// What the box asks over DHCP.
    DhcpQuestions,
    /// What it is answered.
    DhcpAnswers,
    /// What it asks over TFTP.
    TftpQuestions,
    /// The data: it comes from another port than was asked (RFC 1350 §4), and a filter that knows nothing of that
    /// takes it for strangers'.
    TftpData,
    /// Everything to the server's HTTP port.
    Http,
    /// HTTP, after so many octets came of it.
    HttpAfter(u64),
    /// Everything to the server's NFS port.
    Nfs,
    /// NFS, after so many octets came of it.
    NfsAfter(u64),
    /// Frames longer than so many octets, with their heads.
    LongerThan(usize),
    /// What the box is answered over ARP.
    ArpAnswers,
}

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the box to the server.
    FromBox,
    /// From the server to the box.
    ToBox,
}

/// Frames go through it, or not.
#[derive(Debug)]
pub(crate) struct Sieve {
    loss: Loss,
    /// Octets to the box that passed, of what is cut off after some.
    passed: u64,
}

/// What the head of a frame says.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    ArpAnswer,
    Udp { from: u16, to: u16 },
    Tcp { from: u16, to: u16 },
    Other,
}

impl Sieve {
    /// One through which nothing went yet.
    pub(crate) fn new(loss: Loss) -> Sieve {
        Sieve { loss, passed: 0 }
    }

    /// Whether this frame gets through.
    pub(crate) fn passes(&mut self, way: Way, frame: &[u8]) -> bool {
        let (from, head) = (way == Way::FromBox, Head::of(frame));
        let is_udp = matches!(head, Head::Udp { .. });
        !match self.loss {
            Loss::DhcpQuestions => from && is_udp && head.is_of(dhcp::SERVER_PORT),
            Loss::DhcpAnswers => !from && is_udp && head.is_of(dhcp::SERVER_PORT),
            Loss::TftpQuestions => from && is_udp && head.is_of(tftp::PORT),
            Loss::TftpData => !from && is_udp && !head.is_of(dhcp::SERVER_PORT),
            Loss::Http => head.is_tcp_of(HTTP_PORT),
            Loss::Nfs => head.is_tcp_of(NFS_PORT),
            Loss::HttpAfter(octets) => head.is_tcp_of(HTTP_PORT) && self.is_spent(way, frame, octets),
            Loss::NfsAfter(octets) => head.is_tcp_of(NFS_PORT) && self.is_spent(way, frame, octets),
            Loss::LongerThan(octets) => frame.len() > octets,
            Loss::ArpAnswers => !from && head == Head::ArpAnswer,
        }
    }

    fn is_spent(&mut self, way: Way, frame: &[u8], octets: u64) -> bool {
        if way == Way::ToBox && self.passed < octets {
            self.passed += frame.len() as u64;
            return false;
        }
        self.passed >= octets
    }
}

impl Head {
    fn of(frame: &[u8]) -> Head {
        let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
        let read = || match word(12)? {
            // RFC 826: the operation; 2 is an answer.
            0x0806 => (word(20)? == 2).then_some(Head::ArpAnswer),
            0x0800 => {
                // RFC 791 §3.1: only the first fragment has the ports.
                if word(20)? & 0x1fff != 0 {
                    return None;
                }
                let ports = 14 + usize::from(frame.get(14)? & 0x0f) * 4;
                let (from, to) = (word(ports)?, word(ports + 2)?);
                match frame.get(23)? {
                    17 => Some(Head::Udp { from, to }),
                    6 => Some(Head::Tcp { from, to }),
                    _ => None,
                }
            }
            _ => None,
        };
        read().unwrap_or(Head::Other)
    }

    fn is_of(&self, port: u16) -> bool {
        match self {
            Head::Udp { from, to } | Head::Tcp { from, to } => *from == port || *to == port,
            Head::ArpAnswer | Head::Other => false,
        }
    }

    fn is_tcp_of(&self, port: u16) -> bool {
        matches!(self, Head::Tcp { .. }) && self.is_of(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(protocol: u8, from: u16, to: u16, length: usize) -> Vec<u8> {
        let mut frame = vec![0; length.max(42)];
        frame[12] = 0x08;
        (frame[14], frame[23]) = (0x45, protocol);
        frame[34..36].copy_from_slice(&from.to_be_bytes());
        frame[36..38].copy_from_slice(&to.to_be_bytes());
        frame
    }

    fn arp(operation: u8) -> Vec<u8> {
        let mut frame = vec![0; 42];
        frame[12..14].copy_from_slice(&[0x08, 0x06]);
        frame[21] = operation;
        frame
    }

    /// A filter that takes more than it says would have its row blamed on the wrong thing.
    #[test]
    fn only_what_is_to_be_lost_is_lost() {
        let frames = [
            ("DHCP question", Way::FromBox, ip(17, 68, 67, 300)),
            ("DHCP answer", Way::ToBox, ip(17, 67, 68, 300)),
            ("TFTP question", Way::FromBox, ip(17, 2070, 69, 60)),
            ("TFTP data", Way::ToBox, ip(17, 40000, 2070, 1474)),
            ("HTTP SYN", Way::FromBox, ip(6, 5000, 80, 60)),
            ("HTTP data", Way::ToBox, ip(6, 80, 5000, 1514)),
            ("NFS data", Way::ToBox, ip(6, 2049, 700, 1514)),
            ("ARP question", Way::ToBox, arp(1)),
            ("ARP answer", Way::ToBox, arp(2)),
            ("rubbish", Way::FromBox, vec![8; 13]),
        ];
        let lost = |loss: Loss| -> Vec<&str> {
            let mut sieve = Sieve::new(loss);
            frames
                .iter()
                .filter(|(_, way, frame)| !sieve.passes(*way, frame))
                .map(|(name, ..)| *name)
                .collect()
        };
        assert_eq!(lost(Loss::DhcpQuestions), ["DHCP question"]);
        assert_eq!(lost(Loss::DhcpAnswers), ["DHCP answer"]);
        assert_eq!(lost(Loss::TftpQuestions), ["TFTP question"]);
        assert_eq!(lost(Loss::TftpData), ["TFTP data"]);
        assert_eq!(lost(Loss::Http), ["HTTP SYN", "HTTP data"]);
        assert_eq!(lost(Loss::HttpAfter(0)), ["HTTP SYN", "HTTP data"]);
        assert_eq!(lost(Loss::Nfs), ["NFS data"]);
        assert_eq!(lost(Loss::LongerThan(1500)), ["HTTP data", "NFS data"]);
        assert_eq!(lost(Loss::ArpAnswers), ["ARP answer"]);
    }

    /// What is cut off was under way before, and afterwards no word of it comes or goes.
    #[test]
    fn what_is_cut_off_had_begun() {
        let mut sieve = Sieve::new(Loss::NfsAfter(3000));
        let (there, back) = (ip(6, 700, 2049, 100), ip(6, 2049, 700, 1514));
        let passed: Vec<bool> = (0..3)
            .flat_map(|_| [sieve.passes(Way::FromBox, &there), sieve.passes(Way::ToBox, &back)])
            .collect();
        assert_eq!(passed, [true, true, true, true, false, false]);
    }

    proptest::proptest! {
        /// Whatever a guest sends, a cable only carries it or does not.
        #[test]
        fn any_frame_is_carried_or_not(frame in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for loss in [Loss::TftpData, Loss::HttpAfter(9), Loss::ArpAnswers] {
                let _ = Sieve::new(loss).passes(Way::ToBox, &frame);
            }
        }
    }
}
