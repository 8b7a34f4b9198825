//! Whether blocks make whole streams: each as large as its stream allows, all of them there, nothing between.

use super::bits::Bits;
use super::{END, Flaw, Stretch};

/// Streams of a file so far.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// Octets that a block of this stream may have.
    largest: usize,
    checksum: u32,
}

/// What follows the end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Another stream.
    Stream,
    /// Nothing.
    Nothing,
}

impl Chain {
    /// A stream begins: its four octets.
    pub fn begin(&mut self, head: &[u8]) -> Result<(), Flaw> {
        match head {
            [b'B', b'Z', b'h', level @ b'1'..=b'9'] => {
                *self = Chain { largest: usize::from(level - b'0') * 100_000, checksum: 0 };
                Ok(())
            }
            _ => Err(Flaw::NoStream),
        }
    }

    /// A block follows, which has this size before its runs are expanded, and this checksum after.
    pub fn add(&mut self, size: usize, checksum: u32) -> Result<(), Flaw> {
        if size > self.largest {
            return Err(Flaw::Contradiction("it is larger than its stream allows"));
        }
        self.checksum = self.checksum.rotate_left(1) ^ checksum;
        Ok(())
    }

    /// The end of a stream, with everything up to the next block.
    pub fn end(&mut self, stretch: &Stretch) -> Result<Tail, Flaw> {
        let mut bits = Bits::of(stretch);
        if bits.magic()? != END {
            return Err(Flaw::NoStream);
        }
        if bits.take(32)? != self.checksum {
            return Err(Flaw::StreamChecksum);
        }
        // Up to the next whole octet of the file; a stretch begins where its first octet does.
        let padding = (8 - (stretch.skipped + 80) % 8) % 8;
        bits.take(padding)?;
        if bits.left() == 0 {
            return Ok(Tail::Nothing);
        }
        let head = bits.take(32).map_err(|_| Flaw::NoStream)?;
        self.begin(&head.to_be_bytes())?;
        if bits.left() > 0 { Err(Flaw::NoStream) } else { Ok(Tail::Stream) }
    }
}
