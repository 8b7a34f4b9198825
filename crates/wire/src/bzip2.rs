//! bzip2, decoded block by block: where blocks begin, what is in one, and whether a chain of them is whole.
//!
//! Blocks do not depend on each other but begin at any bit, so they are found by their magic numbers and can be
//! decoded side by side; which thread does what is `linux::compression`'s. The format has no specification but
//! its programs; names are those of bzip2 1.0's sources where there is one.
//!
//! ```text
//!  "BZh9" | magic, block | magic, block | … | end magic, CRC of all | to a whole octet | "BZh9" …
//!         ^ candidate    ^ candidate        ^ candidate
//! ```
//! 48 bits can stand in a block by chance as well: a block that goes on behind a candidate is decoded again
//! together with what follows it ([`Flaw::TooShort`]).

mod bits;
mod block;
mod chain;
mod expansion;
mod front;
mod random;
mod scan;
mod unsort;

pub use block::{Block, Workshop, decode};
pub use chain::{Chain, Tail};
pub use expansion::Expansion;
pub use scan::{Candidate, Scanner};

use alloc::vec::Vec;

/// Begins a block: the digits of π.
const BLOCK: u64 = 0x3141_5926_5359;
/// Begins the end of a stream: the digits of √π.
const END: u64 = 0x1772_4538_5090;
/// Most octets in a block before its runs are expanded, at level 9.
pub const LARGEST_BLOCK: usize = 900_000;

/// A stretch of a file from one candidate to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// The octets it touches.
    pub octets: Vec<u8>,
    /// Bits of the first octet that belong to the stretch before.
    pub skipped: u32,
    /// How many bits it has.
    pub bits: u64,
}

impl Stretch {
    /// This stretch and the one behind it as one.
    pub fn joined(&self, next: &Stretch) -> Stretch {
        let mut octets = self.octets.clone();
        // Where the border lies inside an octet, both have that octet.
        if next.skipped > 0 {
            octets.pop();
        }
        octets.extend_from_slice(&next.octets);
        Stretch { octets, skipped: self.skipped, bits: self.bits + next.bits }
    }
}

/// Why a file cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The block goes on behind the end of the stretch.
    #[error("it ends in the middle of a block")]
    TooShort,
    /// The block ends before its stretch does.
    #[error("something stands between two blocks")]
    TooLong,
    /// No stream begins where one has to.
    #[error("no bzip2 stream begins here")]
    NoStream,
    /// What a block says of itself cannot be.
    #[error("a block contradicts itself: {0}")]
    Contradiction(&'static str),
    /// The checksum of a block.
    #[error("the checksum of a block does not fit")]
    BlockChecksum,
    /// The checksum of a stream.
    #[error("the checksum of all blocks together does not fit")]
    StreamChecksum,
}

#[cfg(test)]
mod tests;
