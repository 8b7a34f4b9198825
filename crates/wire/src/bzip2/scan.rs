//! Finds where blocks may begin: magic numbers at any bit.

use super::{BLOCK, END};
use alloc::boxed::Box;

/// A place where a block or the end of a stream may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its first bit, counted from the beginning of the file.
    pub bit: u64,
    /// Whether it is the magic of an end.
    pub is_end: bool,
}

/// Octets of a window: a magic at any bit of the first, and the rest of its last.
const WINDOW: u64 = 7;
const MASK: u64 = (1 << 48) - 1;

/// Looks for magic numbers in a file that comes piece by piece.
pub struct Scanner {
    window: u64,
    octets: u64,
    /// For the second and third octet of a magic: which of the 16 (8 places in an octet, 2 magics) it may be of.
    /// Two look-ups tell that an octet is of none, for all but 16 of 65536 pairs.
    second: Box<[u16; 256]>,
    third: Box<[u16; 256]>,
}

impl Default for Scanner {
    fn default() -> Scanner {
        let (mut second, mut third) = (Box::new([0_u16; 256]), Box::new([0_u16; 256]));
        for (index, magic) in [BLOCK, END].into_iter().enumerate() {
            for shift in 0..8 {
                let placed = magic << (8 - shift);
                let flag = 1 << (8 * index + shift);
                second[(placed >> 40 & 0xff) as usize] |= flag;
                third[(placed >> 32 & 0xff) as usize] |= flag;
            }
        }
        Scanner { window: 0, octets: 0, second, third }
    }
}

impl Scanner {
    /// Goes on with these octets; tells each candidate, in order. One is told once the octet behind it is there,
    /// which it always is: a checksum follows.
    pub fn scan(&mut self, piece: &[u8], mut found: impl FnMut(Candidate)) {
        for octet in piece {
            self.window = (self.window << 8) | u64::from(*octet);
            self.octets += 1;
            let flags = self.second[(self.window >> 40 & 0xff) as usize]
                & self.third[(self.window >> 32 & 0xff) as usize];
            if flags != 0 && self.octets >= WINDOW {
                self.look(flags, &mut found);
            }
        }
    }

    fn look(&self, flags: u16, found: &mut impl FnMut(Candidate)) {
        for shift in 0..8 {
            for (index, magic) in [BLOCK, END].into_iter().enumerate() {
                if flags & (1 << (8 * index + shift)) != 0 && (self.window >> (8 - shift)) & MASK == magic {
                    let bit = (self.octets - WINDOW) * 8 + shift as u64;
                    found(Candidate { bit, is_end: magic == END });
                }
            }
        }
    }
}
