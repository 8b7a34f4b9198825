//! ARP over Ethernet (RFC 826): the question whether an address is in use (RFC 5227), and its answers.
//!
//! Only what stands in the frame's payload; the frame's own head is the kernel's.

use crate::mac::Mac;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// Hardware Ethernet, protocol IPv4, and how long their addresses are.
const HEAD: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// Somebody who says that an address is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The address.
    pub address: Ipv4Addr,
    /// Whose it is.
    pub mac: Mac,
}

/// Asks who has `address`. The sender's own protocol address is left out, so that nobody learns a wrong one
/// from the question (RFC 5227 §2.1.1).
pub fn probe(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    [&HEAD[..], &[0, REQUEST], &mac.0, &[0; 4], &[0; 6], &address.octets()].concat()
}

/// Who has which address, as a packet says by its sender fields: replies say it, and requests of those who have
/// one. `None` for probes and for what is no ARP.
pub fn holder(bytes: &[u8]) -> Option<Holder> {
    let rest = bytes.strip_prefix(&HEAD)?;
    let (operation, rest) = rest.split_first_chunk::<2>()?;
    if !matches!(operation, [0, REQUEST | REPLY]) {
        return None;
    }
    let (mac, rest) = rest.split_first_chunk::<6>()?;
    let address = Ipv4Addr::from(*rest.first_chunk::<4>()?);
    (!address.is_unspecified()).then_some(Holder { address, mac: Mac(*mac) })
}

/// Somebody who asks who has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The address that is asked for.
    pub address: Ipv4Addr,
    /// Who asks.
    pub by: Mac,
    /// The address of who asks.
    pub own: Ipv4Addr,
}

/// Who asks for which address; `None` for answers, for who announces an address of its own (RFC 5227 §1.1) or probes
/// whether it is free, and for what is no ARP.
pub fn question(bytes: &[u8]) -> Option<Question> {
    let asker = holder(bytes)?;
    let rest = bytes.strip_prefix(&HEAD)?.strip_prefix(&[0, REQUEST])?;
    let address = Ipv4Addr::from(*rest.get(16..)?.first_chunk::<4>()?);
    (address != asker.address).then_some(Question { address, by: asker.mac, own: asker.address })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reply as `arping` shows it on the wire (RFC 826): sender first, then whom it is for.
    #[test]
    fn a_reply_names_the_holder() {
        let reply = [
            0, 1, 8, 0, 6, 4, 0, 2, 0x52, 0x54, 0, 0, 0, 9, 10, 77, 0, 50, 0x52, 0x54, 0, 0, 0, 1, 0, 0, 0, 0,
        ];
        let address = Ipv4Addr::new(10, 77, 0, 50);
        assert_eq!(holder(&reply), Some(Holder { address, mac: Mac([0x52, 0x54, 0, 0, 0, 9]) }));
        let question = probe(Mac([2, 0, 0, 0, 0, 1]), address);
        assert_eq!((question.len(), holder(&question)), (28, None), "a probe claims nothing");
    }

    /// Only who has an address of its own and looks for another's asks: a probe and an announcement are about its own.
    #[test]
    fn a_question_is_for_another_address() {
        let by = Mac([0x52, 0x54, 0, 0, 0, 9]);
        let asks = |operation: u8, own: [u8; 4], of: [u8; 4]| {
            [&HEAD[..], &[0, operation], &by.0, &own, &[0; 6], &of].concat()
        };
        let of = Ipv4Addr::new(10, 77, 0, 1);
        assert_eq!(
            question(&asks(REQUEST, [10, 77, 0, 50], of.octets())),
            Some(Question { address: of, by, own: Ipv4Addr::new(10, 77, 0, 50) })
        );
        assert_eq!(question(&asks(REPLY, [10, 77, 0, 50], of.octets())), None);
        assert_eq!(question(&asks(REQUEST, [10, 77, 0, 1], of.octets())), None, "an announcement");
        assert_eq!(question(&probe(by, of)), None);
    }

    proptest! {
        /// Anybody on the wire may send anything.
        #[test]
        fn noise_is_read_or_not(mut bytes in proptest::collection::vec(any::<u8>(), 0..60), arp in any::<bool>()) {
            if arp && bytes.len() >= 6 {
                bytes[..6].copy_from_slice(&HEAD);
            }
            let _ = (holder(&bytes), question(&bytes));
        }
    }
}
