//! Sessions: what a box shows to get the answers that are secret, given with its boot script and to nobody else.
//!
//! ```text
//! SECONDS (16 hex digits, since 1970) ‖ HMAC-SHA-256(key, MAC of the box ‖ SECONDS) (64 hex digits)
//! ```
//!
//! Nothing is kept of it: a server that was killed knows its sessions again by the line's key. See
//! docs/decisions/0052-sessions.md.

use crate::record::key::PrivateKey;
use model::timeline::Timestamp;
use sha2::{Digest as _, Sha256};
use wire::mac::Mac;

/// How long a session holds, in seconds: a box that waits for a person over a weekend and a holiday still has it.
const LIFETIME: u64 = 7 * 24 * 3600;
/// What the key of sessions is made with, so that no other use of the line's key makes it too.
const PURPOSE: &[u8] = b"bootworks session key";
/// Hex digits of the seconds.
const SECONDS_DIGITS: usize = 16;
/// Block size of SHA-256 in bytes, as RFC 2104 wants to know it.
const BLOCK: usize = 64;

/// What makes and knows sessions.
pub(crate) struct Sessions {
    key: [u8; 32],
}

impl Sessions {
    /// Those of a line's key.
    pub(crate) fn of(key: &PrivateKey) -> Sessions {
        Sessions { key: key.derive(PURPOSE) }
    }

    /// A session for this box, from now on.
    pub(crate) fn begin(&self, of: Mac, now: Timestamp) -> String {
        let seconds = now.0 / 1000;
        format!("{seconds:0SECONDS_DIGITS$x}{}", hex(&self.seal(of, seconds)))
    }

    /// Whether a session is this box's, and holds.
    pub(crate) fn holds(&self, session: &str, of: Mac, now: Timestamp) -> bool {
        let Some((head, seal)) = session.split_at_checked(SECONDS_DIGITS) else { return false };
        let Ok(begun) = u64::from_str_radix(head, 16) else { return false };
        let age = (now.0 / 1000).checked_sub(begun);
        // A clock that was set back must not end the sessions of a rack: they begin a little later then.
        let holds = age.is_none_or(|age| age < LIFETIME) && begun < now.0 / 1000 + LIFETIME;
        let right = hex(&self.seal(of, begun));
        // Compared to its end, so that the time it takes tells nothing of where it differs.
        let differs = right.bytes().zip(seal.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
        holds && seal.len() == right.len() && differs == 0
    }

    fn seal(&self, of: Mac, seconds: u64) -> [u8; 32] {
        hmac(&self.key, &[&of.0[..], &seconds.to_be_bytes()].concat())
    }
}

/// HMAC-SHA-256 (RFC 2104) with a key that is no longer than a block.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        block.iter_mut().zip(key).for_each(|(octet, key)| *octet ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOX: Mac = Mac([0x52, 0x54, 0, 0, 0, 1]);
    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn sessions() -> Sessions {
        Sessions { key: [7; 32] }
    }

    /// A seal that another program would make differently is a seal of nobody (RFC 4231 §4.3).
    #[test]
    fn the_seal_is_hmac_sha_256() {
        assert_eq!(
            hex(&hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    /// A session opens one box's secrets, for a while, over restarts; nothing else does.
    #[test]
    fn a_session_is_one_boxs_for_a_while() {
        let session = sessions().begin(BOX, NOW);
        let later = |days: u64| Timestamp(NOW.0 + days * 24 * 3600 * 1000);
        assert!(sessions().holds(&session, BOX, NOW) && sessions().holds(&session, BOX, later(6)));
        assert!(!sessions().holds(&session, BOX, later(8)), "too old");
        assert!(!sessions().holds(&session, Mac([0x52, 0x54, 0, 0, 0, 2]), NOW), "another box's");
        assert!(!Sessions { key: [8; 32] }.holds(&session, BOX, NOW), "another line's");
        let younger = format!("{:016x}{}", NOW.0 / 1000 + 1, &session[16..]);
        assert!(!sessions().holds(&younger, BOX, NOW), "its time was changed");
        assert!(!sessions().holds(&session[..session.len() - 1], BOX, NOW), "cut short");
        assert!(!sessions().holds("", BOX, NOW), "none");
    }

    proptest! {
        /// Whatever is shown in its place is no session.
        #[test]
        fn anything_else_is_no_session(text in any::<String>(), digits in "[0-9a-f]{0,90}") {
            prop_assert!(!sessions().holds(&text, BOX, NOW));
            prop_assert!(!sessions().holds(&digits, BOX, NOW));
        }
    }
}
