//! Many texts sought in one line at once, however they overlap: every four octets of the line are looked up in one
//! table, and only what stands there is compared. Linear in the line.
//!
//! An automaton over all of them does the same, but has megabytes of states, through which each octet of a log
//! jumps. Here a bit for every place of the table says first whether anything is looked up there: those sixteen
//! kilobytes stay in the processor's nearest cache. Then one says so for eight octets, before anything is compared.

use super::shape::{CUT_OFF, LEFT, is_cut};
use std::collections::{BTreeMap, HashMap};

/// Octets that are looked up together; no text is shorter.
pub(super) const LOOKED_UP: usize = 4;
/// Octets that are compared together with those, where a text has so many.
const COMPARED: usize = 8;
/// Places of a line that are looked up at a time: a bit for each.
const BLOCK: usize = u64::BITS as usize;
/// Folded letters from the most to the least frequent in logs: the rarer a text's octets, the seldomer it is compared.
const FREQUENT: &[u8] = b"el otnsradcmpuh";

/// What a text more that has the same four octets counts against them, in letters' ranks: the words that many texts
/// have are those that logs are full of.
const COMMON: usize = 6;
/// What a text more that is looked up at the same place counts.
const CROWD: usize = 4;

/// The texts, and where each is looked up.
pub(super) struct Literals {
    /// All texts, one behind the other.
    texts: Vec<u8>,
    /// For every place whether a text is looked up.
    looked_up: Bits<2048>,
    /// The same for the eight octets that are compared then.
    compared: Bits<512>,
    /// The same for those that are looked up, where fewer than eight are compared.
    short: Bits<64>,
    /// How many places have one before those of each word of `looked_up`: with those before it in its word, the number of
    /// a place's row.
    before: Vec<u16>,
    /// For every row where its entries begin; those of the next begin where they end.
    rows: Vec<u32>,
    /// The texts of every row.
    entries: Vec<Entry>,
}

/// A text at its place in the table.
#[derive(Clone, Copy)]
struct Entry {
    /// The octets by which it is looked up and those behind them, zeros where the text has none: most that are looked
    /// up in vain end here, before the text itself is fetched.
    octets: u64,
    /// Which of them are the text's.
    mask: u64,
    /// Where in the text they stand.
    offset: u32,
    /// The text's number.
    number: u32,
    /// Where the text begins among all, and where it ends.
    text: (u32, u32),
}

/// A bit for every place at which octets may be looked up, in so many words.
struct Bits<const WORDS: usize>(Box<[u64; WORDS]>);

impl<const WORDS: usize> Bits<WORDS> {
    fn new() -> Bits<WORDS> {
        Bits(Box::new([0; WORDS]))
    }

    /// Where these octets are looked up (Knuth's multiplicative hash).
    fn place(&self, octets: u64) -> usize {
        let digits = (WORDS * 64).ilog2();
        (octets.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - digits)) as usize
    }

    /// 1 where something is looked up there, or else 0.
    fn bit(&self, octets: u64) -> u64 {
        let place = self.place(octets);
        self.0[place / 64] >> (place % 64) & 1
    }

    fn set(&mut self, octets: u64) {
        let place = self.place(octets);
        self.0[place / 64] |= 1 << (place % 64);
    }
}

impl Literals {
    /// Takes the texts; their numbers are those of the list. `None` where one is too short, or there are too many.
    pub(super) fn new(texts: Vec<Vec<u8>>) -> Option<Literals> {
        let mut all = Literals {
            texts: Vec::new(),
            looked_up: Bits::new(),
            compared: Bits::new(),
            short: Bits::new(),
            before: Vec::new(),
            rows: vec![0],
            entries: Vec::new(),
        };
        let mut rows: BTreeMap<usize, Vec<Entry>> = BTreeMap::new();
        let mut shared: HashMap<[u8; LOOKED_UP], usize> = HashMap::new();
        for octets in texts.iter().flat_map(|text| text.windows(LOOKED_UP)) {
            *shared.entry(octets.first_chunk().copied().unwrap_or_default()).or_default() += 1;
        }
        // The short ones first, which have the least to choose from.
        let mut order: Vec<(usize, &Vec<u8>)> = texts.iter().enumerate().collect();
        order.sort_by_key(|(_, text)| text.len());
        for (number, text) in order {
            let place = |octets: [u8; LOOKED_UP]| all.looked_up.place(u32::from_le_bytes(octets).into());
            let crowd = |place: usize| rows.get(&place).map_or(0, Vec::len);
            // Behind what the edge of a picture may have cut off.
            let first = if text.len() >= CUT_OFF + LEFT { CUT_OFF } else { 0 };
            let (offset, octets) = text
                .windows(LOOKED_UP)
                .map(|octets| octets.first_chunk::<LOOKED_UP>().copied().unwrap_or_default())
                .enumerate()
                .skip(first)
                .min_by_key(|(_, octets)| {
                    let letters: usize = octets.iter().map(|octet| frequency(*octet)).sum();
                    let others = shared.get(octets).copied().unwrap_or_default();
                    letters + crowd(place(*octets)) * CROWD + others * COMMON
                })?;
            let behind = &text[offset..];
            let entry = Entry {
                octets: eight(behind),
                mask: eight(&[0xff; COMPARED][..behind.len().min(COMPARED)]),
                offset: u32::try_from(offset).ok()?,
                number: u32::try_from(number).ok()?,
                text: (0, 0),
            };
            rows.entry(place(octets)).or_default().push(entry);
        }
        for entries in rows.into_values() {
            for entry in entries {
                all.looked_up.set(first(entry.octets));
                match entry.mask {
                    u64::MAX => all.compared.set(entry.octets),
                    _ => all.short.set(first(entry.octets)),
                }
                let begin = u32::try_from(all.texts.len()).ok()?;
                all.texts.extend_from_slice(&texts[entry.number as usize]);
                let end = u32::try_from(all.texts.len()).ok()?;
                all.entries.push(Entry { text: (begin, end), ..entry });
            }
            all.rows.push(u32::try_from(all.entries.len()).ok()?);
        }
        let mut before = 0;
        for word in all.looked_up.0.iter() {
            all.before.push(u16::try_from(before).ok()?);
            before += word.count_ones();
        }
        Some(all)
    }

    /// Calls `each` with the number of every text that stands in the line and its place, for each place where it does,
    /// from left to right; also where the line's beginning is the text without its first letters.
    pub(super) fn find(&self, line: &[u8], mut each: impl FnMut(usize, usize)) {
        let places = line.len().saturating_sub(LOOKED_UP - 1);
        for begin in (0..places).step_by(BLOCK) {
            // All places of a block first, and then those of them where something may stand: nearly nowhere does it, and
            // a processor that has to guess for each place guesses wrongly most where it costs most.
            let block = &line[begin..line.len().min(begin + BLOCK + LOOKED_UP - 1)];
            let mut hits = 0_u64;
            for octets in block.windows(LOOKED_UP).rev() {
                let octets = u32::from_le_bytes([octets[0], octets[1], octets[2], octets[3]]);
                hits = hits << 1 | self.looked_up.bit(octets.into());
            }
            let mut likely = 0_u64;
            while hits != 0 {
                let at = hits.trailing_zeros();
                let octets = eight(&line[begin + at as usize..]);
                likely |= (self.compared.bit(octets) | self.short.bit(first(octets))) << at;
                hits &= hits - 1;
            }
            while likely != 0 {
                self.compare(line, begin + likely.trailing_zeros() as usize, &mut each);
                likely &= likely - 1;
            }
        }
    }

    /// Compares the texts that are looked up by the four octets at this place of the line.
    fn compare(&self, line: &[u8], at: usize, each: &mut impl FnMut(usize, usize)) {
        let octets = eight(&line[at..]);
        let place = self.looked_up.place(first(octets));
        let before = self.looked_up.0[place / 64] & ((1 << (place % 64)) - 1);
        let row = usize::from(self.before[place / 64]) + before.count_ones() as usize;
        for entry in &self.entries[self.rows[row] as usize..self.rows[row + 1] as usize] {
            if (entry.octets ^ octets) & entry.mask != 0 {
                continue;
            }
            let (number, offset) = (entry.number as usize, entry.offset as usize);
            let text = &self.texts[entry.text.0 as usize..entry.text.1 as usize];
            let Some(begin) = at.checked_sub(offset) else {
                let cut = offset - at;
                if is_cut(text, cut) && line.starts_with(&text[cut..]) {
                    each(number, 0);
                }
                continue;
            };
            if line[begin..].starts_with(text) {
                each(number, begin);
            }
        }
    }
}

/// The first eight octets as a number, with zeros where there are fewer: no text and no line has a zero.
fn eight(octets: &[u8]) -> u64 {
    let mut eight = [0; COMPARED];
    match octets.first_chunk() {
        Some(first) => eight = *first,
        None => eight[..octets.len()].copy_from_slice(octets),
    }
    u64::from_le_bytes(eight)
}

/// Of eight octets those that are looked up.
fn first(octets: u64) -> u64 {
    octets & u64::from(u32::MAX)
}

/// The most frequent letter's is the highest; 0 is that of all that are rare.
fn frequency(octet: u8) -> usize {
    FREQUENT.iter().rev().position(|frequent| *frequent == octet).map_or(0, |rank| rank + 1)
}

#[cfg(test)]
mod tests {
    use super::Literals;

    fn found(texts: &[&str], line: &str) -> Vec<usize> {
        let literals = Literals::new(texts.iter().map(|text| text.as_bytes().to_vec()).collect()).unwrap();
        let mut found = Vec::new();
        literals.find(line.as_bytes(), |number, _| found.push(number));
        found.sort_unstable();
        found
    }

    /// A text that is not found is a sign that is never seen.
    #[test]
    fn every_text_is_found_wherever_it_stands() {
        let texts = ["not found", "found", "file", "files not found: 3"];
        assert_eq!(found(&texts, "file not found"), [0, 1, 2]);
        assert_eq!(found(&texts, "files not found: 3"), [0, 1, 2, 3]);
        assert_eq!(found(&texts, "found, found"), [1, 1]);
        assert_eq!(found(&texts, "fil"), [0_usize; 0]);
        assert_eq!(found(&texts, "les not found: 3"), [0, 1, 3]);
        assert_eq!(found(&texts, ""), [0_usize; 0]);
        assert!(Literals::new(vec![b"abc".to_vec()]).is_none(), "too short to be looked up");
    }

    proptest::proptest! {
        /// The table finds what looking for one after the other finds.
        #[test]
        fn it_finds_what_a_search_finds(line in "[ab]{0,60}", texts in proptest::collection::vec("[ab]{4,9}", 1..12)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut wanted = Vec::new();
            for (number, text) in texts.iter().enumerate() {
                let places = (0..line.len()).filter(|at| line[*at..].starts_with(text));
                wanted.extend(places.map(|_| number));
            }
            assert_eq!(found(&texts, &line), wanted);
        }
    }
}
