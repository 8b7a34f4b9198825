//! The file format of lzop, as far as the kernel reads it (`lib/decompress_unlzo.c`): a header, then blocks of at
//! most 256 KiB with their lengths before them.
//!
//! Unpacking and packing a block is the caller's.

use alloc::vec::Vec;

const MAGIC: [u8; 9] = [0x89, b'L', b'Z', b'O', 0, b'\r', b'\n', 0x1a, b'\n'];
/// What a block holds unpacked; the kernel refuses larger ones.
pub const BLOCK: usize = 256 << 10;

/// Bits of the header's flags that say which sums stand before a block.
const SUM_OF_PLAIN: [u32; 2] = [0x0001, 0x0100];
const SUM_OF_PACKED: [u32; 2] = [0x0002, 0x0200];
const EXTRA_FIELD: u32 = 0x0040;
const FILTER: u32 = 0x0800;
/// The first version whose header has a level and a second half of the time.
const WITH_LEVEL: u16 = 0x0940;

/// Why it cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// The bytes end early.
    #[error("the lzo data is cut off")]
    CutOff,
    /// Not the magic of lzop.
    #[error("no header of lzop")]
    Magic,
    /// A length that lzop does not write or the kernel does not take.
    #[error("an lzo block of a length that the kernel does not take")]
    Length,
}

/// A block as it lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Its bytes; packed, unless they are as many as `plain_size`.
    pub bytes: &'a [u8],
    /// What it holds unpacked, in bytes; at most [`BLOCK`].
    pub plain_size: usize,
}

/// The blocks of a file.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    rest: &'a [u8],
    flags: u32,
    is_over: bool,
}

impl<'a> Blocks<'a> {
    /// Reads the header.
    pub fn new(bytes: &'a [u8]) -> Result<Blocks<'a>, Damaged> {
        let mut rest = bytes.strip_prefix(&MAGIC).ok_or(Damaged::Magic)?;
        let version = short(&mut rest)?;
        let has_level = version >= WITH_LEVEL;
        // Version of the library, version needed, method, level.
        take(&mut rest, if has_level { 2 + 2 + 1 + 1 } else { 2 + 1 })?;
        let flags = word(&mut rest)?;
        // Filter, mode, time.
        let filter = if flags & FILTER != 0 { 4 } else { 0 };
        take(&mut rest, filter + 4 + if has_level { 8 } else { 4 })?;
        let name = take(&mut rest, 1)?.first().copied().unwrap_or_default();
        take(&mut rest, usize::from(name) + 4)?;
        if flags & EXTRA_FIELD != 0 {
            let length = word(&mut rest)? as usize;
            take(&mut rest, length)?;
            take(&mut rest, 4)?;
        }
        Ok(Blocks { rest, flags, is_over: false })
    }

    /// What has not been read: after the last block, what follows the file.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn read(&mut self) -> Result<Option<Block<'a>>, Damaged> {
        let plain_size = word(&mut self.rest)? as usize;
        if plain_size == 0 {
            return Ok(None);
        }
        let size = word(&mut self.rest)? as usize;
        if plain_size > BLOCK || size > plain_size || size == 0 {
            return Err(Damaged::Length);
        }
        let sums = |bits: [u32; 2]| bits.iter().filter(|bit| self.flags & *bit != 0).count() * 4;
        // A block that could not be packed has no second sum.
        let sums = sums(SUM_OF_PLAIN) + if size < plain_size { sums(SUM_OF_PACKED) } else { 0 };
        take(&mut self.rest, sums)?;
        Ok(Some(Block { bytes: take(&mut self.rest, size)?, plain_size }))
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<Block<'a>, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let block = self.read();
        self.is_over = !matches!(block, Ok(Some(_)));
        block.transpose()
    }
}

/// Writes a file whose blocks are packed by `pack`; what does not get smaller is kept as it is.
pub fn write(plain: &[u8], mut pack: impl FnMut(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    let mut header = Vec::new();
    // Version 1.03 of lzop with library 2.0a, readable from 0.94 on; LZO1X-1, level 5, a sum for each plain block;
    // no mode, no time, no name.
    for field in [0x1030_u16, 0x20a0, WITH_LEVEL] {
        header.extend(field.to_be_bytes());
    }
    header.extend([1, 5]);
    header.extend(SUM_OF_PLAIN[0].to_be_bytes());
    header.extend([0; 4 + 8 + 1]);
    out.extend(&header);
    out.extend(adler32(&header).to_be_bytes());
    for block in plain.chunks(BLOCK) {
        let packed = pack(block);
        let bytes = if packed.len() < block.len() { &packed[..] } else { block };
        for field in [block.len() as u32, bytes.len() as u32, adler32(block)] {
            out.extend(field.to_be_bytes());
        }
        out.extend(bytes);
    }
    out.extend([0; 4]);
    out
}

/// RFC 1950 §9.
fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1u32, 0u32);
    // After 5552 bytes the sums could overflow.
    for part in bytes.chunks(5552) {
        for byte in part {
            low += u32::from(*byte);
            high += low;
        }
        low %= 65_521;
        high %= 65_521;
    }
    high << 16 | low
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Damaged> {
    let (taken, after) = rest.split_at_checked(length).ok_or(Damaged::CutOff)?;
    *rest = after;
    Ok(taken)
}

fn short(rest: &mut &[u8]) -> Result<u16, Damaged> {
    let (word, after) = rest.split_first_chunk().ok_or(Damaged::CutOff)?;
    *rest = after;
    Ok(u16::from_be_bytes(*word))
}

fn word(rest: &mut &[u8]) -> Result<u32, Damaged> {
    let (word, after) = rest.split_first_chunk().ok_or(Damaged::CutOff)?;
    *rest = after;
    Ok(u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Blocks that get smaller and blocks that do not; then something else follows.
    #[test]
    fn what_is_written_is_read() {
        let plain: Vec<u8> = (0..BLOCK + 10).map(|at| at as u8).collect();
        let mut bytes = write(&plain, |block| block.iter().take(1000).copied().collect());
        bytes.extend(b"after");
        let mut blocks = Blocks::new(&bytes).unwrap();
        let read: Vec<_> =
            blocks.by_ref().map(|block| block.map(|block| (block.bytes.len(), block.plain_size))).collect();
        assert_eq!(read, [Ok((1000, BLOCK)), Ok((10, 10))]);
        assert_eq!(blocks.rest(), b"after");
        assert_eq!(Blocks::new(b"LZO").err(), Some(Damaged::Magic));
        assert_eq!(Blocks::new(&bytes).unwrap().rest().len(), bytes.len() - 38);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    proptest! {
        #[test]
        fn damage_is_an_error_and_never_a_panic(at in 0usize..80, with: [u8; 4], length in 0usize..80) {
            let mut bytes = write(b"abcabcabc", |_| b"xyz".to_vec());
            let at = at.min(bytes.len() - 4);
            bytes[at..at + 4].copy_from_slice(&with);
            bytes.truncate(length.max(1));
            if let Ok(blocks) = Blocks::new(&bytes) {
                let _ = blocks.count();
            }
        }
    }
}
