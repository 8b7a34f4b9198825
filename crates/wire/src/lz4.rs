//! The legacy frames of lz4 (`lz4 -l`; doc/lz4_Frame_format.md, "Legacy frame"), the only ones that the kernel
//! unpacks: a magic, then blocks, each with its packed length before it and of 8 MiB unpacked.
//!
//! Unpacking a block is the caller's.

/// The magic, little-endian.
pub const MAGIC: u32 = 0x184c_2102;
/// What a block holds unpacked; the last one less.
pub const BLOCK: usize = 8 << 20;
/// What a block may take packed, where nothing in it could be packed (`LZ4_COMPRESSBOUND`).
const LARGEST: usize = BLOCK + BLOCK / 255 + 16;

/// The bytes end inside of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lz4 block is cut off")]
pub struct CutOff;

/// The blocks of a frame, packed.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    rest: &'a [u8],
}

impl<'a> Blocks<'a> {
    /// From the first byte of the magic.
    pub fn new(bytes: &'a [u8]) -> Blocks<'a> {
        Blocks { rest: bytes }
    }

    /// What has not been read: after the last block, what follows the frame.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<&'a [u8], CutOff>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (word, rest) = self.rest.split_first_chunk()?;
            let word = u32::from_le_bytes(*word);
            if word == MAGIC {
                // Frames that follow each other are one to the kernel.
                self.rest = rest;
                continue;
            }
            let length = word as usize;
            // Nothing marks the end: it is where no length of a block stands.
            if length == 0 || length > LARGEST {
                return None;
            }
            let Some((block, rest)) = rest.split_at_checked(length) else {
                self.rest = &[];
                return Some(Err(CutOff));
            };
            self.rest = rest;
            return Some(Ok(block));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// Zeros, an archive or another compression may follow; none of them is a block.
    #[test]
    fn blocks_end_where_no_length_stands() {
        for after in [&b""[..], b"\0\0\0\0", b"070701", b"\x28\xb5\x2f\xfd"] {
            let mut bytes = MAGIC.to_le_bytes().to_vec();
            bytes.extend(b"\x03\0\0\0abc\x01\0\0\0d");
            bytes.extend(after);
            let mut blocks = Blocks::new(&bytes);
            let read: Vec<_> = blocks.by_ref().collect();
            assert_eq!(read, [Ok(&b"abc"[..]), Ok(b"d")]);
            assert_eq!(blocks.rest(), after);
        }
        let read: Vec<_> = Blocks::new(b"\x02\x21\x4c\x18\x05\0\0\0abc").collect();
        assert_eq!(read, [Err(CutOff)]);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            let _ = Blocks::new(&bytes).count();
        }
    }
}
