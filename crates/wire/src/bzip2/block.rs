//! One block: Huffman codes, move to front, the inverse of the sorting.

use super::bits::Bits;
use super::expansion::Expansion;
use super::front::Front;
use super::random::REVEAL;
use super::unsort::Unsorting;
use super::{BLOCK, Flaw, LARGEST_BLOCK, Stretch};
use alloc::vec::Vec;

/// Symbols between two changes of the code table.
const GROUP: usize = 50;
/// Selectors that a block can use; encoders write some more (lbzip2 rounds up), which mean nothing.
const SELECTORS: usize = 2 + LARGEST_BLOCK / GROUP;
/// Symbols: 256 octets, two for runs, one for the end, less the one that stands for the first octet.
const SYMBOLS: usize = 258;
/// Longest code, in bits.
const LONGEST: usize = 20;
/// Codes up to this many bits are looked up in one step.
const QUICK: u32 = 10;

/// A decoded block, its runs not expanded yet.
#[derive(Debug)]
pub struct Block {
    /// Its octets.
    pub expansion: Expansion,
    /// How many there are before the runs are expanded.
    pub size: usize,
    /// The checksum that they must have once they are.
    pub checksum: u32,
}

/// What decoding a block needs and need not be made anew for each: 5 MB.
#[derive(Debug, Default)]
pub struct Workshop {
    sorted: Vec<u32>,
    tables: Vec<Table>,
    selectors: Vec<u8>,
    unsorting: Unsorting,
}

/// Decodes the block that a stretch is, from its first bit to its last.
pub fn decode(stretch: &Stretch, workshop: &mut Workshop) -> Result<Block, Flaw> {
    let mut bits = Bits::of(stretch);
    if bits.magic()? != BLOCK {
        return Err(Flaw::NoStream);
    }
    let checksum = bits.take(32)?;
    let is_random = bits.flag()?;
    let origin = bits.take(24)? as usize;
    let octets = octets_used(&mut bits)?;
    let symbols = octets.len() + 2;
    let count = bits.take(3)? as usize;
    if !(2..=6).contains(&count) {
        return Err(Flaw::Contradiction("it has no or too many code tables"));
    }
    selectors(&mut bits, count, &mut workshop.selectors)?;
    workshop.tables.clear();
    for _ in 0..count {
        workshop.tables.push(Table::of(&lengths(&mut bits, symbols)?)?);
    }
    let mut counts = [0_u32; 256];
    symbols_of(&mut bits, &octets, workshop, &mut counts)?;
    if bits.left() > 0 {
        return Err(Flaw::TooLong);
    }
    let size = workshop.sorted.len();
    if origin >= size {
        return Err(Flaw::Contradiction("its first octet is outside it"));
    }
    link(&mut workshop.sorted, counts);
    let mut packed = workshop.unsorting.undo(&mut workshop.sorted, origin);
    if is_random {
        reveal(&mut packed);
    }
    Ok(Block { expansion: Expansion::of(packed), size, checksum })
}

/// The octets that occur in the block, in their order.
fn octets_used(bits: &mut Bits<'_>) -> Result<Vec<u8>, Flaw> {
    let rows = bits.take(16)?;
    let mut octets = Vec::with_capacity(256);
    for row in 0..16_u8 {
        if rows >> (15 - row) & 1 == 1 {
            let columns = bits.take(16)?;
            octets
                .extend((0..16_u8).filter(|column| columns >> (15 - column) & 1 == 1).map(|c| row * 16 + c));
        }
    }
    if octets.is_empty() { Err(Flaw::Contradiction("no octet occurs in it")) } else { Ok(octets) }
}

/// Which table each group of symbols is coded with: moved to front, in unary.
fn selectors(bits: &mut Bits<'_>, tables: usize, selectors: &mut Vec<u8>) -> Result<(), Flaw> {
    let count = bits.take(15)?;
    if count == 0 {
        return Err(Flaw::Contradiction("it has no selectors"));
    }
    let mut front = [0_u8, 1, 2, 3, 4, 5];
    selectors.clear();
    for _ in 0..count {
        let mut place = 0;
        while bits.flag()? {
            place += 1;
            if place >= tables {
                return Err(Flaw::Contradiction("a selector names no code table"));
            }
        }
        let chosen = front[place];
        front.copy_within(0..place, 1);
        front[0] = chosen;
        if selectors.len() < SELECTORS {
            selectors.push(chosen);
        }
    }
    Ok(())
}

/// The lengths of a table's codes, each told by its difference to the one before.
fn lengths(bits: &mut Bits<'_>, symbols: usize) -> Result<Vec<u8>, Flaw> {
    let mut length = bits.take(5)?;
    let mut lengths = Vec::with_capacity(symbols);
    for _ in 0..symbols {
        loop {
            if !(1..=LONGEST as u32).contains(&length) {
                return Err(Flaw::Contradiction("a code is too long"));
            }
            if !bits.flag()? {
                break;
            }
            length = if bits.flag()? { length - 1 } else { length + 1 };
        }
        lengths.push(length as u8);
    }
    Ok(lengths)
}

/// A code table.
#[derive(Debug)]
struct Table {
    /// By the next [`QUICK`] bits: the symbol, and in the lowest five bits its code's length; 0 for longer ones.
    quick: [u16; 1 << QUICK],
    /// By length: the first code of the next length, shifted to 20 bits; codes below it are of this length.
    limits: [u32; LONGEST + 2],
    /// By length: what is added to a code to give its place in `symbols`.
    places: [i32; LONGEST + 2],
    symbols: [u16; SYMBOLS],
}

impl Table {
    fn of(lengths: &[u8]) -> Result<Table, Flaw> {
        let mut table = Table {
            quick: [0; 1 << QUICK],
            limits: [0; LONGEST + 2],
            places: [0; LONGEST + 2],
            symbols: [0; SYMBOLS],
        };
        let (mut code, mut place) = (0_u32, 0_usize);
        for length in 1..=LONGEST as u32 {
            table.places[length as usize] = place as i32 - code as i32;
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, own)| u32::from(**own) == length) {
                if code >> length != 0 {
                    return Err(Flaw::Contradiction("its codes overlap"));
                }
                if length <= QUICK {
                    let first = (code << (QUICK - length)) as usize;
                    let entry = (symbol as u16) << 5 | length as u16;
                    table.quick[first..first + (1 << (QUICK - length))].fill(entry);
                }
                table.symbols[place] = symbol as u16;
                place += 1;
                code += 1;
            }
            table.limits[length as usize] = code << (LONGEST as u32 - length);
            code <<= 1;
        }
        Ok(table)
    }

    /// A code longer than [`QUICK`]: its symbol and length. An incomplete table has bits that are no code.
    #[cold]
    fn slow(&self, next: u32) -> Result<(usize, u32), Flaw> {
        let length = (QUICK as usize + 1..=LONGEST).find(|length| next < self.limits[*length]);
        let length = length.ok_or(Flaw::Contradiction("a code is of no table"))?;
        let place = (next >> (LONGEST - length)) as i32 + self.places[length];
        let symbol = usize::try_from(place).ok().and_then(|place| self.symbols.get(place));
        Ok((usize::from(*symbol.ok_or(Flaw::Contradiction("a code is of no table"))?), length as u32))
    }
}

/// The symbols of the block: runs of the front octet, places in the list of octets, the end.
fn symbols_of(
    bits: &mut Bits<'_>,
    octets: &[u8],
    workshop: &mut Workshop,
    counts: &mut [u32; 256],
) -> Result<(), Flaw> {
    const OVERFULL: Flaw = Flaw::Contradiction("it is too large");
    let Workshop { sorted, tables, selectors, .. } = workshop;
    let end = octets.len() + 1;
    let mut front = Front::of(octets);
    sorted.clear();
    sorted.reserve_exact(LARGEST_BLOCK);
    // A run's length is written with the digits 1 and 2, the lowest first.
    let (mut run, mut digit) = (0_usize, 1_usize);
    for selector in selectors.iter() {
        let table = &tables[usize::from(*selector)];
        for _ in 0..GROUP {
            bits.fill();
            let entry = table.quick[bits.peek(QUICK) as usize];
            let (symbol, length) = match entry {
                0 => table.slow(bits.peek(LONGEST as u32))?,
                entry => (usize::from(entry >> 5), u32::from(entry & 31)),
            };
            bits.drop(length);
            if symbol < 2 {
                if digit > LARGEST_BLOCK {
                    return Err(OVERFULL);
                }
                run += digit << symbol;
                digit <<= 1;
                continue;
            }
            if run > 0 {
                if sorted.len() + run > LARGEST_BLOCK {
                    return Err(OVERFULL);
                }
                counts[usize::from(front.first())] += run as u32;
                sorted.resize(sorted.len() + run, u32::from(front.first()));
                (run, digit) = (0, 1);
            }
            if symbol == end {
                return bits.check();
            }
            let octet = front.take(symbol - 1);
            counts[usize::from(octet)] += 1;
            if sorted.len() >= LARGEST_BLOCK {
                return Err(OVERFULL);
            }
            sorted.push(u32::from(octet));
        }
        bits.check()?;
    }
    bits.check()?;
    Err(Flaw::Contradiction("it has no end"))
}

/// Gives each entry the place of the one that follows it in the plain block.
fn link(sorted: &mut [u32], counts: [u32; 256]) {
    let mut next = [0_u32; 256];
    let mut sum = 0;
    for (place, count) in next.iter_mut().zip(counts) {
        *place = sum;
        sum += count;
    }
    for index in 0..sorted.len() {
        let place = &mut next[(sorted[index] & 0xff) as usize];
        let at = *place as usize;
        *place += 1;
        if let Some(entry) = sorted.get_mut(at) {
            *entry |= (index as u32) << 8;
        }
    }
}

/// Undoes what bzip2 before 0.9.5 did to repetitive blocks: at places of a fixed list the lowest bit was turned.
fn reveal(packed: &mut [u8]) {
    let mut at = usize::from(REVEAL[0]) - 2;
    let mut next = 1;
    while at < packed.len() {
        packed[at] ^= 1;
        at += usize::from(REVEAL[next % REVEAL.len()]);
        next += 1;
    }
}
