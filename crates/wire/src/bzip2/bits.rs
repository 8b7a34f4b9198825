//! Bits of a stretch, most significant first, as they stand in the file.

use super::{Flaw, Stretch};

/// Reads bits; none behind the end.
pub(super) struct Bits<'a> {
    octets: &'a [u8],
    at: usize,
    /// The next bits, from the top; zeros below them.
    held: u64,
    /// How many of them there are.
    count: u32,
    /// Bits not read yet, those held included.
    left: u64,
}

impl<'a> Bits<'a> {
    pub(super) fn of(stretch: &'a Stretch) -> Bits<'a> {
        let whole = (stretch.octets.len() as u64 * 8).saturating_sub(u64::from(stretch.skipped));
        let mut bits = Bits {
            octets: &stretch.octets,
            at: 0,
            held: 0,
            count: 0,
            left: whole.min(stretch.bits).saturating_add(u64::from(stretch.skipped)),
        };
        bits.fill();
        bits.drop(stretch.skipped.min(7));
        bits
    }

    /// How many bits are left.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Holds at least 32 bits, or zeros where there are none.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(four) = self.octets.get(self.at..self.at + 4) {
            let word = u32::from_be_bytes([four[0], four[1], four[2], four[3]]);
            self.held |= u64::from(word) << (32 - self.count);
            self.count += 32;
            self.at += 4;
            return;
        }
        while self.count <= 56 {
            let octet = self.octets.get(self.at).copied().unwrap_or(0);
            self.held |= u64::from(octet) << (56 - self.count);
            self.count += 8;
            self.at += 1;
        }
    }

    /// The next bits without taking them; at most as many as are held.
    #[inline(always)]
    pub(super) fn peek(&self, count: u32) -> u32 {
        (self.held >> (64 - count)) as u32
    }

    /// Takes bits that were peeked at. What is taken behind the end shows in [`Bits::check`].
    #[inline(always)]
    pub(super) fn drop(&mut self, count: u32) {
        self.held <<= count;
        self.count -= count;
        // Below zero it stays far above any length: nothing is that long.
        self.left = self.left.wrapping_sub(u64::from(count));
    }

    /// Whether everything taken so far was there.
    #[inline(always)]
    pub(super) fn check(&self) -> Result<(), Flaw> {
        if self.left > u64::MAX / 2 { Err(Flaw::TooShort) } else { Ok(()) }
    }

    /// Takes up to 32 bits.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, Flaw> {
        if count == 0 {
            return Ok(0);
        }
        self.fill();
        let value = self.peek(count);
        self.drop(count);
        self.check()?;
        Ok(value)
    }

    /// Takes one bit.
    pub(super) fn flag(&mut self) -> Result<bool, Flaw> {
        Ok(self.take(1)? == 1)
    }

    /// Takes a magic number.
    pub(super) fn magic(&mut self) -> Result<u64, Flaw> {
        Ok((u64::from(self.take(24)?) << 24) | u64::from(self.take(24)?))
    }
}
