//! The inverse of the sorting: a chain through the whole block, walked from several of its places at once.
//!
//! Each step of a chain waits for memory, because the next place is anywhere in 3.6 MB; steps of other chains need not wait
//! for it. Places that lie evenly in the sorted block lie anywhere in the plain one, so they cut the chain into pieces,
//! [`LANES`] of which are walked side by side. A piece ends where another begins; they are put in their order afterwards.
//!
//! ```text
//!   chain     first · · · s3 · · s1 · · · · s2 · · first
//!   lane 0    first · · · | s2 · ·
//!   lane 1    s1 · · · · | s3 · ·
//! ```

use alloc::vec::Vec;

/// Pieces that are walked at once: as many as hide the memory's time, and stay in registers.
const LANES: usize = 8;
/// Pieces of a block: the more there are, the fewer steps are left for one lane alone at the end.
const PIECES: usize = 512;
/// Blocks below this size are in the nearest cache anyway.
const SMALL: usize = 8 * 1024;
/// Marks an entry that a piece begins at. An entry has a place of 20 bits above the octet's 8.
const BEGINS: u32 = 1 << 31;

/// What is kept from one block to the next.
#[derive(Debug, Default)]
pub(super) struct Unsorting {
    /// What all lanes walked, step by step.
    walked: Vec<[u8; LANES]>,
    pieces: Vec<Piece>,
}

/// A piece of the chain.
#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    /// The place of its first entry.
    place: usize,
    /// The lane that walked it, and from which step to which.
    lane: usize,
    begin: usize,
    end: usize,
    /// The piece behind it.
    next: usize,
}

impl Unsorting {
    /// The octets in their own order, from entries of an octet and, above it, the place of the entry that follows; these
    /// places are all different. `origin` is the place of the entry before the first.
    pub(super) fn undo(&mut self, sorted: &mut [u32], origin: usize) -> Vec<u8> {
        let first = place(sorted[origin]);
        if sorted.len() < SMALL {
            return walk(sorted, first);
        }
        let stride = sorted.len().div_ceil(PIECES);
        self.cut(sorted, first, stride);
        self.walk_pieces(sorted, stride);
        self.join(sorted.len())
    }

    /// Chooses where pieces begin: one at the block's own beginning, the others evenly.
    fn cut(&mut self, sorted: &mut [u32], first: usize, stride: usize) {
        let evenly = (0..sorted.len()).step_by(stride).filter(|place| *place != first);
        self.pieces.clear();
        self.pieces
            .extend([first].into_iter().chain(evenly).map(|place| Piece { place, ..Piece::default() }));
        for piece in &self.pieces {
            sorted[piece.place] |= BEGINS;
        }
    }

    /// The piece that begins at this place, where one does.
    fn piece_at(&self, place: usize, stride: usize) -> usize {
        let first = self.pieces[0].place;
        if place == first {
            return 0;
        }
        // Where the first lies evenly, too, it is not among the others.
        1 + place / stride - usize::from(first.is_multiple_of(stride) && first < place)
    }

    fn walk_pieces(&mut self, sorted: &[u32], stride: usize) {
        self.walked.clear();
        let mut lanes: [Option<usize>; LANES] = core::array::from_fn(Some);
        let mut entries: [u32; LANES] = core::array::from_fn(|lane| sorted[self.pieces[lane].place]);
        for lane in 0..LANES {
            self.pieces[lane].lane = lane;
        }
        let mut waiting = LANES;
        while lanes.iter().any(Option::is_some) {
            let ended = walk_lanes(sorted, &mut entries, &mut self.walked);
            for lane in (0..LANES).filter(|lane| ended >> lane & 1 == 1) {
                // A lane for which no piece is left stands still.
                let Some(walked) = lanes[lane] else { continue };
                let (end, next) = (self.walked.len(), self.piece_at(place(entries[lane]), stride));
                (self.pieces[walked].end, self.pieces[walked].next) = (end, next);
                lanes[lane] = (waiting < self.pieces.len()).then_some(waiting);
                if let Some(piece) = self.pieces.get_mut(waiting) {
                    (piece.lane, piece.begin) = (lane, end);
                    entries[lane] = sorted[piece.place];
                    waiting += 1;
                }
            }
        }
    }

    /// Puts the pieces in their order. The chain of a block that repeats itself goes round several times.
    fn join(&self, size: usize) -> Vec<u8> {
        let mut plain = Vec::with_capacity(size);
        let mut at = 0;
        while plain.len() < size {
            let Piece { lane, begin, end, next, .. } = self.pieces[at];
            let steps = &self.walked[begin..end];
            plain.extend(steps.iter().take(size - plain.len()).map(|step| step[lane]));
            at = next;
        }
        plain
    }
}

/// Lets all lanes walk until at least one is at the end of its piece, and gives the bits of those that are. Their entries
/// are the last of their pieces then.
fn walk_lanes(sorted: &[u32], entries: &mut [u32; LANES], walked: &mut Vec<[u8; LANES]>) -> u32 {
    let mut at = *entries;
    loop {
        walked.push(at.map(|entry| entry as u8));
        let next = at.map(|entry| sorted[place(entry)]);
        let ended = next.iter().fold(0, |all, entry| all | entry) & BEGINS;
        if ended != 0 {
            let mut bits = 0;
            for lane in 0..LANES {
                let is_end = next[lane] & BEGINS != 0;
                bits |= u32::from(is_end) << lane;
                entries[lane] = if is_end { at[lane] } else { next[lane] };
            }
            return bits;
        }
        at = next;
    }
}

fn walk(sorted: &[u32], first: usize) -> Vec<u8> {
    let mut entry = sorted[first];
    let mut plain = Vec::with_capacity(sorted.len());
    for _ in 0..sorted.len() {
        plain.push(entry as u8);
        entry = sorted[place(entry)];
    }
    plain
}

fn place(entry: u32) -> usize {
    ((entry & !BEGINS) >> 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Sorts as an encoder does, in the slowest way, and gives what a decoder has: entries and origin.
    fn sort(plain: &[u8]) -> (Vec<u32>, usize) {
        let turned = |by: usize| plain[by..].iter().chain(&plain[..by]);
        let mut rows: Vec<usize> = (0..plain.len()).collect();
        rows.sort_by(|a, b| turned(*a).cmp(turned(*b)));
        let last: Vec<u8> = rows.iter().map(|row| plain[(row + plain.len() - 1) % plain.len()]).collect();
        let mut entries: Vec<u32> = last.iter().map(|octet| u32::from(*octet)).collect();
        let mut order: Vec<usize> = (0..last.len()).collect();
        order.sort_by_key(|index| last[*index]);
        for (at, index) in order.into_iter().enumerate() {
            entries[at] |= (index as u32) << 8;
        }
        (entries, rows.iter().position(|row| *row == 0).unwrap())
    }

    /// Every octet of an image goes through here, by one lane or by many.
    #[test]
    fn what_was_sorted_is_put_in_its_order() {
        let noise = |count: usize| -> Vec<u8> {
            let mut state = 1_u32;
            let next = |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 28) as u8
            };
            (0..count).map(next).collect()
        };
        let mut unsorting = Unsorting::default();
        for size in [1, 2, 500, SMALL - 1, SMALL, SMALL + 1, 2 * SMALL + 17] {
            let plain = noise(size);
            let (mut entries, origin) = sort(&plain);
            assert!(unsorting.undo(&mut entries, origin) == plain, "{size} octets");
        }
    }

    /// Rows of a block that repeats itself are equal: its chain is shorter than the block, and some pieces are in others.
    #[test]
    fn blocks_that_repeat_themselves_go_round() {
        let mut unsorting = Unsorting::default();
        for (period, count) in [(1, 9000), (2, 5000), (7, 2000), (5000, 2)] {
            let round: Vec<u8> = (0..period).map(|n: u32| (n * 7 % 251) as u8).collect();
            let plain = round.repeat(count);
            let size = plain.len() as u32;
            // Equal rows in any order are a sorted block; an encoder may take that of their places.
            let mut places: Vec<u32> = (0..size).collect();
            places.sort_by_key(|place| (round[(*place % period) as usize], place % period));
            let (mut entries, mut rows) = (vec![0; plain.len()], vec![0; plain.len()]);
            places.iter().zip(0_u32..).for_each(|(place, row)| rows[*place as usize] = row);
            for (at, place) in places.iter().enumerate() {
                let octet = u32::from(round[(*place % period) as usize]);
                let behind = (place + 1) % period + place / period * period;
                entries[at] = octet | rows[behind as usize] << 8;
            }
            let origin = entries.iter().position(|entry| entry >> 8 == rows[0]).unwrap();
            assert!(unsorting.undo(&mut entries, origin) == plain, "{count} times {period}");
        }
    }
}
