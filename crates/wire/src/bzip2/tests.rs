//! Files made by bzip2 1.0.8, lbzip2 2.5 and pbzip2 1.1.13, and one with a randomised block, which no program
//! makes any more: written for this test, and read by bzip2 1.0.8.

use super::*;
use alloc::format;
use alloc::vec;
use proptest::prelude::*;

const BZIP2: &[u8] = include_bytes!("../../testdata/bzip2/bzip2-1.bz2");
const LBZIP2: &[u8] = include_bytes!("../../testdata/bzip2/lbzip2-1.bz2");
const PBZIP2: &[u8] = include_bytes!("../../testdata/bzip2/pbzip2-1.bz2");
const EMPTY: &[u8] = include_bytes!("../../testdata/bzip2/empty.bz2");
const RANDOMISED: &[u8] = include_bytes!("../../testdata/bzip2/randomised.bz2");
const RUNS: &[u8] = include_bytes!("../../testdata/bzip2/runs.bz2");

/// Decodes a whole file, one stretch after the other.
fn plain(file: &[u8]) -> Result<Vec<u8>, Flaw> {
    let mut candidates = Vec::new();
    let mut scanner = Scanner::default();
    // In pieces, so that a magic on a border is found, too.
    file.chunks(1000).for_each(|piece| scanner.scan(piece, |candidate| candidates.push(candidate)));
    let mut chain = Chain::default();
    let Some(first) = candidates.first() else { return Err(Flaw::NoStream) };
    if first.bit != 32 {
        return Err(Flaw::NoStream);
    }
    chain.begin(&file[..4])?;
    let (mut all, mut workshop, mut tail) = (Vec::new(), Workshop::default(), Tail::Stream);
    for (index, candidate) in candidates.iter().enumerate() {
        let end = candidates.get(index + 1).map_or(file.len() as u64 * 8, |next| next.bit);
        let (from, to) = ((candidate.bit / 8) as usize, end.div_ceil(8) as usize);
        let stretch = Stretch {
            octets: file[from..to].to_vec(),
            skipped: (candidate.bit % 8) as u32,
            bits: end - candidate.bit,
        };
        if candidate.is_end {
            tail = chain.end(&stretch)?;
            continue;
        }
        let mut block = decode(&stretch, &mut workshop)?;
        while !block.expansion.expand(&mut all, 4096) {}
        if block.expansion.checksum() != block.checksum {
            return Err(Flaw::BlockChecksum);
        }
        chain.add(block.size, block.checksum)?;
        tail = Tail::Stream;
    }
    if tail == Tail::Nothing { Ok(all) } else { Err(Flaw::TooShort) }
}

fn bottles() -> Vec<u8> {
    (0..20_000).flat_map(|n| format!("{n} bottles of beer on the wall\n").into_bytes()).collect()
}

/// An image is what somebody packed with whatever program they had.
#[test]
fn files_of_every_program_are_read() {
    for (name, file) in [("bzip2", BZIP2), ("lbzip2", LBZIP2), ("pbzip2", PBZIP2)] {
        assert!(plain(file) == Ok(bottles()), "{name}");
    }
    assert_eq!(plain(EMPTY), Ok(Vec::new()));
    assert!(plain(&[EMPTY, BZIP2, EMPTY, EMPTY, LBZIP2].concat()) == Ok([bottles(), bottles()].concat()));
    assert!(plain(RUNS) == Ok(vec![0; 5_000_000]));
    let dog = "the quick brown fox jumps over the lazy dog\n".repeat(60) + &"\0".repeat(1000);
    assert!(plain(RANDOMISED) == Ok(dog.into_bytes()));
}

/// Half an image must never pass for a whole one.
#[test]
fn every_truncation_is_an_error() {
    for end in 0..RANDOMISED.len() {
        assert!(plain(&RANDOMISED[..end]).is_err(), "{end} octets passed for the whole");
    }
    let step = 4001;
    for end in (0..BZIP2.len()).step_by(step).chain([BZIP2.len() - 1]) {
        assert!(plain(&BZIP2[..end]).is_err(), "{end} octets passed for the whole");
    }
    assert_eq!(plain(&[BZIP2, b"x"].concat()), Err(Flaw::NoStream));
    assert_eq!(plain(&[BZIP2, b"BZh9"].concat()), Err(Flaw::TooShort));
}

/// A block that looks cut in two by chance is whole again once both stretches are joined.
#[test]
fn stretches_are_joined_at_any_bit() {
    for bit in 33..200_u64 {
        let (from, end) = (4, RANDOMISED.len() as u64 * 8);
        let cut = |from: u64, to: u64| Stretch {
            octets: RANDOMISED[(from / 8) as usize..to.div_ceil(8) as usize].to_vec(),
            skipped: (from % 8) as u32,
            bits: to - from,
        };
        assert_eq!(cut(32, bit).joined(&cut(bit, end)), cut(from * 8, end), "cut at {bit}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// One bit turned anywhere is found: it changes no octet unnoticed.
    #[test]
    fn a_turned_bit_is_found(at in 0..RANDOMISED.len(), bit in 0..8_u32) {
        let mut file = RANDOMISED.to_vec();
        file[at] ^= 1_u8 << bit;
        // The bits that fill the last octet mean nothing.
        if let Ok(read) = plain(&file) {
            prop_assert!(at + 1 == RANDOMISED.len() || at == 3, "octet {}, bit {}", at, bit);
            prop_assert!(read == plain(RANDOMISED).unwrap());
        }
    }

    /// An image comes from outside: whatever is in it, decoding ends and takes no more memory than a block.
    #[test]
    fn any_octets_are_decoded_without_panic(
        octets in proptest::collection::vec(any::<u8>(), 0..2000), skipped in 0..16_u32, bits in any::<u64>()
    ) {
        let mut with_magic = alloc::vec![0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
        with_magic.extend_from_slice(&octets);
        let mut workshop = Workshop::default();
        for octets in [octets.clone(), with_magic] {
            let _ = decode(&Stretch { octets: octets.clone(), skipped, bits }, &mut workshop);
            let _ = decode(&Stretch { octets: octets.clone(), skipped: 0, bits: u64::MAX }, &mut workshop);
            let _ = Chain::default().end(&Stretch { octets, skipped, bits });
        }
    }

    /// The same for a real block with some octets changed, which gets further in.
    #[test]
    fn a_damaged_block_is_decoded_without_panic(
        changes in proptest::collection::vec((10..1500_usize, any::<u8>()), 1..6)
    ) {
        let mut octets = BZIP2[4..].to_vec();
        for (at, octet) in changes {
            octets[at] = octet;
        }
        let bits = octets.len() as u64 * 8;
        let _ = decode(&Stretch { octets, skipped: 0, bits }, &mut Workshop::default());
    }
}
