//! A compressed stream read as plain octets, decompressed by as many threads as its format allows.
//!
//! What a stream is compressed with is told by its first octets, never by a name. Which parts can be decoded side
//! by side is found in `split`; `lanes` hands them to threads and keeps their order.
//!
//! ```text
//!   source -- feeding thread: cuts into parts --+-- worker --+-- reader: parts in order
//!                                               +-- worker --+
//! ```
//! | format | side by side |
//! | --- | --- |
//! | bzip2 | blocks |
//! | zstd | frames of known and moderate size, as pzstd and `bootworks build` make them |
//! | gzip | blocks of BGZF |
//! | xz | blocks, by liblzma |
//! | lz4, other gzip and zstd | not: one thread, beside the one that reads |

mod bzip2;
mod lanes;
mod split;

use lanes::Lanes;
use std::io::{self, Read};

/// Most threads: memory grows with them, and no disk takes what more would give.
const MOST_WORKERS: usize = 16;

/// What a stream is compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Nothing.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Zstandard (RFC 8878).
    Zstd,
    /// LZ4 frames.
    Lz4,
}

impl Compression {
    /// By the first octets of a stream; six are enough.
    pub fn of(start: &[u8]) -> Compression {
        match start {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Compression::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            // A frame, or one of those that hold no data (RFC 8878 §3.1.2), with which pzstd begins.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            [0x04, 0x22, 0x4d, 0x18, ..] => Compression::Lz4,
            _ => Compression::None,
        }
    }

    /// As it is called: `zstd`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "no compression",
            Compression::Gzip => "gzip",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
        }
    }
}

/// Reads a stream through: `work` gets its plain octets, and what it was compressed with. What `work` leaves
/// unread is not decompressed.
///
/// Errors while reading: those of `source`; `InvalidData` for a stream that is damaged; `UnexpectedEof` for one
/// that ends too early.
pub fn read_plain<T>(
    mut source: impl Read + Send,
    work: impl FnOnce(Compression, &mut dyn Read) -> T,
) -> io::Result<T> {
    let mut start = Vec::new();
    source.by_ref().take(6).read_to_end(&mut start)?;
    let compression = Compression::of(&start);
    let mut whole = io::Cursor::new(start).chain(source);
    if compression == Compression::None {
        return Ok(work(compression, &mut whole));
    }
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    Ok(std::thread::scope(|scope| {
        let (lanes, outlet) = Lanes::open(scope, workers);
        scope.spawn(move || split::feed(compression, &mut whole, workers, &lanes));
        match compression {
            Compression::Bzip2 => work(compression, &mut bzip2::Joined::of(outlet)),
            _ => work(compression, &mut outlet.into_reader()),
        }
    }))
}

#[cfg(test)]
mod tests;
