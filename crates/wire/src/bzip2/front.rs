//! Move to front: a list of octets of which the one that is named comes first.
//!
//! Nearly all that are named stand among the first sixteen. These are kept in one number, in which a move is two shifts
//! and no memory is written.

/// Octets of the number.
const NEAR: usize = 16;

/// The list.
#[derive(Debug)]
pub(super) struct Front {
    /// The first ones, the very first lowest.
    near: u128,
    far: [u8; 256 - NEAR],
}

impl Front {
    /// A list in this order; of more than 256 octets the first.
    pub(super) fn of(octets: &[u8]) -> Front {
        let mut all = [0; 256];
        let count = octets.len().min(256);
        all[..count].copy_from_slice(&octets[..count]);
        let (near, rest) = all.split_at(NEAR);
        let mut front = Front { near: 0, far: [0; 256 - NEAR] };
        front.near = near.iter().rev().fold(0, |number, octet| number << 8 | u128::from(*octet));
        front.far.copy_from_slice(rest);
        front
    }

    /// The first octet.
    #[inline(always)]
    pub(super) fn first(&self) -> u8 {
        self.near as u8
    }

    /// Moves the octet at a place, of which the lowest eight bits count, to the front and gives it.
    #[inline(always)]
    pub(super) fn take(&mut self, place: usize) -> u8 {
        let place = place & 255;
        if place >= NEAR {
            return self.take_far(place - NEAR);
        }
        let shift = 8 * place as u32;
        let octet = (self.near >> shift) as u8;
        // What stood before it and its own place; what stands behind them stays.
        let moved = u128::MAX >> (120 - shift);
        self.near = self.near & !moved | self.near << 8 & moved | u128::from(octet);
        octet
    }

    fn take_far(&mut self, place: usize) -> u8 {
        let octet = self.far[place];
        self.far.copy_within(0..place, 1);
        self.far[0] = (self.near >> 120) as u8;
        self.near = self.near << 8 | u128::from(octet);
        octet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Held against the list as anybody would write it, at every place and over the border of the number.
    #[test]
    fn octets_come_to_the_front() {
        let octets: Vec<u8> = (0..=255).rev().collect();
        let (mut front, mut plain) = (Front::of(&octets), octets.clone());
        for number in 0..5000_usize {
            let place = match number % 3 {
                0 => number % 256,
                1 => number * 7 % 17,
                _ => number * number % 40,
            };
            let octet = plain.remove(place);
            plain.insert(0, octet);
            assert_eq!((front.take(place), front.first()), (octet, octet), "place {place}");
        }
        assert_eq!(Front::of(&[9, 8]).take(1), 8);
    }
}
