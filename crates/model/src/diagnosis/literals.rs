//! Many texts sought in one line at once, however they overlap: every four octets of the line are looked up in one
//! table, and only what stands there is compared. Linear in the line.
//!
//! An automaton over all of them does the same, but has megabytes of states, through which each octet of a log
//! jumps. Here a bit for every place of the table says first whether anything is looked up there: those sixteen
//! kilobytes stay in the processor's nearest cache.

use super::shape::{CUT_OFF, LEFT, is_cut};
use std::collections::{BTreeMap, HashMap};

/// Octets that are looked up together; no text is shorter.
pub(super) const LOOKED_UP: usize = 4;
/// Places of a line that are looked up at a time: a bit for each.
const BLOCK: usize = u64::BITS as usize;
/// Digits of a place in the table.
const DIGITS: u32 = 17;
/// Words of a bit for each place.
const WORDS: usize = (1 << DIGITS) / 64;
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
    bits: Box<[u64; WORDS]>,
    /// How many places have one before those of each word of `bits`: with those before it in its word, the number of a
    /// place's row.
    before: Vec<u16>,
    /// For every row where its entries begin; those of the next begin where they end.
    rows: Vec<u32>,
    /// The four octets by which each text of every row is looked up: beside each other, since most that stand at a place
    /// by chance end here.
    octets: Vec<[u8; LOOKED_UP]>,
    /// The texts of every row.
    entries: Vec<Entry>,
}

/// A text at its place in the table.
#[derive(Clone, Copy)]
struct Entry {
    /// The four octets behind those that are looked up, zeros where the text has none: most that are looked up in vain
    /// end here, before the text itself is fetched.
    next: u32,
    /// Which octets of `next` are the text's.
    mask: u32,
    /// Where in the text they stand.
    offset: u32,
    /// The text's number.
    number: u32,
    /// Where the text begins among all, and where it ends.
    text: (u32, u32),
}

impl Literals {
    /// Takes the texts; their numbers are those of the list. `None` where one is too short, or there are too many.
    pub(super) fn new(texts: Vec<Vec<u8>>) -> Option<Literals> {
        let mut rows: BTreeMap<usize, Vec<([u8; LOOKED_UP], Entry)>> = BTreeMap::new();
        let mut shared: HashMap<[u8; LOOKED_UP], usize> = HashMap::new();
        for octets in texts.iter().flat_map(|text| text.windows(LOOKED_UP)) {
            *shared.entry(octets.first_chunk().copied().unwrap_or_default()).or_default() += 1;
        }
        // The short ones first, which have the least to choose from.
        let mut order: Vec<(usize, &Vec<u8>)> = texts.iter().enumerate().collect();
        order.sort_by_key(|(_, text)| text.len());
        for (number, text) in order {
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
            let behind = &text[offset + LOOKED_UP..];
            let entry = Entry {
                next: four(behind),
                mask: four(&[0xff; LOOKED_UP][..behind.len().min(LOOKED_UP)]),
                offset: u32::try_from(offset).ok()?,
                number: u32::try_from(number).ok()?,
                text: (0, 0),
            };
            rows.entry(place(octets)).or_default().push((octets, entry));
        }
        let mut all = Literals {
            texts: Vec::new(),
            bits: Box::new([0; WORDS]),
            before: Vec::new(),
            rows: vec![0],
            octets: Vec::new(),
            entries: Vec::new(),
        };
        for (place, entries) in rows {
            all.bits[place / 64] |= 1 << (place % 64);
            for (octets, entry) in entries {
                let begin = u32::try_from(all.texts.len()).ok()?;
                all.texts.extend_from_slice(&texts[entry.number as usize]);
                let end = u32::try_from(all.texts.len()).ok()?;
                all.octets.push(octets);
                all.entries.push(Entry { text: (begin, end), ..entry });
            }
            all.rows.push(u32::try_from(all.entries.len()).ok()?);
        }
        let mut before = 0;
        for word in all.bits.iter() {
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
            for (at, octets) in block.windows(LOOKED_UP).enumerate() {
                let place = place([octets[0], octets[1], octets[2], octets[3]]);
                hits |= (self.bits[place / 64] >> (place % 64) & 1) << at;
            }
            while hits != 0 {
                self.compare(line, begin + hits.trailing_zeros() as usize, &mut each);
                hits &= hits - 1;
            }
        }
    }

    /// Compares the texts that are looked up by the four octets at this place of the line.
    fn compare(&self, line: &[u8], at: usize, each: &mut impl FnMut(usize, usize)) {
        let Some(octets) = line[at..].first_chunk::<LOOKED_UP>().copied() else { return };
        let next = four(&line[at + LOOKED_UP..]);
        let place = place(octets);
        let before = self.bits[place / 64] & ((1 << (place % 64)) - 1);
        let row = usize::from(self.before[place / 64]) + before.count_ones() as usize;
        for entry in self.rows[row] as usize..self.rows[row + 1] as usize {
            if self.octets[entry] != octets {
                continue;
            }
            let entry = &self.entries[entry];
            if (entry.next ^ next) & entry.mask != 0 {
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

/// The first four octets as a number, with zeros where there are fewer: no text and no line has a zero.
fn four(octets: &[u8]) -> u32 {
    let mut four = [0; LOOKED_UP];
    match octets.first_chunk() {
        Some(first) => four = *first,
        None => four[..octets.len()].copy_from_slice(octets),
    }
    u32::from_le_bytes(four)
}

/// Where four octets are looked up (Knuth's multiplicative hash).
fn place(octets: [u8; LOOKED_UP]) -> usize {
    (u32::from_le_bytes(octets).wrapping_mul(0x9e37_79b1) >> (32 - DIGITS)) as usize
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
