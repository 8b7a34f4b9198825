//! Cuts streams into parts that can be decoded alone; where a format or a file has none, decodes it here, beside
//! the thread that reads.

use super::Compression;
use super::bzip2;
use super::lanes::{Lanes, Made, Part, Unread, damaged};
use std::io::{self, BufRead as _, BufReader, Read};

/// Largest part, compressed and plain, that is handed to a worker: a frame of 8 MiB that does not compress fits.
const LARGEST: usize = 9 << 20;
/// How much is given on at once.
const PIECE: usize = 512 << 10;
/// Memory that liblzma may use to decode blocks side by side; above it decodes one after the other.
const XZ_THREADED: u64 = 192 << 20;
/// Memory that it may use at all: dictionaries of `xz -9` have 64 MiB.
const XZ_MOST: u64 = 400 << 20;
/// Blocks of BGZF that make one part: each holds at most 64 KiB.
const GATHERED: usize = 1 << 20;

/// Feeds the lanes until the source ends, fails, or nobody reads.
pub(super) fn feed(compression: Compression, source: &mut (dyn Read + Send), workers: usize, lanes: &Lanes) {
    // Nobody left to tell it to is no failure.
    let _ = match compression {
        Compression::Bzip2 => bzip2::feed(source, lanes),
        Compression::Zstd => zstd(source, lanes),
        Compression::Gzip => gzip(source, lanes),
        Compression::Xz => xz(source, workers, lanes),
        Compression::Lz4 => lz4(source, lanes),
        Compression::None => alone(source, lanes),
    };
}

/// One thread decodes; what comes out is given on in pieces. After an error it is as if nobody read any more:
/// nothing follows it.
fn alone(mut plain: impl Read, lanes: &Lanes) -> Result<(), Unread> {
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let outcome = plain.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        let is_end = piece.len() < PIECE;
        if !piece.is_empty() {
            lanes.put_made(Made::Plain(piece))?;
        }
        match outcome {
            Ok(_) if is_end => return Ok(()),
            Ok(_) => {}
            Err(error) => {
                lanes.put_made(Made::Broken(error))?;
                return Err(Unread);
            }
        }
    }
}

fn failed(error: io::Error, lanes: &Lanes) -> Result<(), Unread> {
    lanes.put_made(Made::Broken(error))
}

/// What was found at the beginning of a zstd frame.
enum Frame {
    /// A frame of moderate size: itself, and how much it holds.
    Small(Vec<u8>, usize),
    /// One that is large, or does not say how much it holds; its first octets.
    Large(Vec<u8>),
    /// The source ends before a frame begins.
    End,
}

fn zstd(source: &mut dyn Read, lanes: &Lanes) -> Result<(), Unread> {
    let mut source = BufReader::with_capacity(PIECE, source);
    loop {
        match frame(&mut source) {
            Ok(Frame::End) => return Ok(()),
            Ok(Frame::Small(_, 0)) => {}
            Ok(Frame::Small(octets, size)) => lanes.put(Part::Zstd(octets, size))?,
            Ok(Frame::Large(start)) => {
                // Whoever makes one large frame makes no small ones behind it.
                let whole = io::Cursor::new(start).chain(source);
                return match ::zstd::stream::read::Decoder::new(whole) {
                    Ok(decoder) => alone(decoder, lanes),
                    Err(error) => failed(error, lanes),
                };
            }
            Err(error) => return failed(error, lanes),
        }
    }
}

/// Takes a frame's octets by its blocks' lengths (RFC 8878 §3.1.1), without decoding them.
fn frame(source: &mut impl Read) -> io::Result<Frame> {
    let mut octets = Vec::new();
    if take(source, &mut octets, 4)? == 0 {
        return Ok(Frame::End);
    }
    match octets[..] {
        [0x28, 0xb5, 0x2f, 0xfd] => {}
        [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            need(source, &mut octets, 4)?;
            let length = u64::from(u32::from_le_bytes([octets[4], octets[5], octets[6], octets[7]]));
            let passed = io::copy(&mut source.take(length), &mut io::sink())?;
            return if passed == length { Ok(Frame::Small(Vec::new(), 0)) } else { Err(short()) };
        }
        [_, _, _, _] => return Err(damaged("something that is no zstd frame stands behind one")),
        _ => return Err(short()),
    }
    need(source, &mut octets, 1)?;
    let descriptor = octets[4];
    let is_single = descriptor >> 5 & 1 == 1;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_octets = match descriptor >> 6 {
        0 => usize::from(is_single),
        code => 1 << code,
    };
    let before = usize::from(!is_single) + dictionary;
    need(source, &mut octets, before + size_octets)?;
    let mut field = [0; 8];
    field[..size_octets].copy_from_slice(&octets[5 + before..]);
    // A field of two octets begins at 256 (§3.1.1.1.4).
    let size = u64::from_le_bytes(field) + if size_octets == 2 { 256 } else { 0 };
    if size_octets == 0 || size > LARGEST as u64 {
        return Ok(Frame::Large(octets));
    }
    loop {
        need(source, &mut octets, 3)?;
        let head = octets.len() - 3;
        let head = u32::from_le_bytes([octets[head], octets[head + 1], octets[head + 2], 0]);
        // A block of one repeated octet has that octet only.
        let length = if head >> 1 & 3 == 1 { 1 } else { (head >> 3) as usize };
        if octets.len() + length > LARGEST {
            return Ok(Frame::Large(octets));
        }
        need(source, &mut octets, length)?;
        if head & 1 == 1 {
            break;
        }
    }
    need(source, &mut octets, if descriptor >> 2 & 1 == 1 { 4 } else { 0 })?;
    Ok(Frame::Small(octets, size as usize))
}

/// Appends up to `count` octets; fewer at the end.
fn take(source: &mut impl Read, octets: &mut Vec<u8>, count: usize) -> io::Result<usize> {
    source.by_ref().take(count as u64).read_to_end(octets)
}

/// Appends so many octets.
fn need(source: &mut impl Read, octets: &mut Vec<u8>, count: usize) -> io::Result<()> {
    if take(source, octets, count)? == count { Ok(()) } else { Err(short()) }
}

fn short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the compressed stream ends too early")
}

/// Frame after frame. The decoder takes a head that is cut off for the end, so heads are taken whole here.
fn lz4(source: &mut dyn Read, lanes: &Lanes) -> Result<(), Unread> {
    let mut source = BufReader::with_capacity(PIECE, source);
    loop {
        let mut head = Vec::new();
        match lz4_head(&mut source, &mut head) {
            Ok(true) => {
                let frame = io::Cursor::new(head).chain(Endless(&mut source));
                alone(lz4_flex::frame::FrameDecoder::new(frame), lanes)?;
            }
            Ok(false) => return Ok(()),
            Err(error) => return failed(error, lanes),
        }
    }
}

/// A source whose end is an error, and one of another kind than `UnexpectedEof`: that the decoder takes for the
/// end of the frame where it stands between two blocks.
struct Endless<R>(R);

impl<R: Read> Read for Endless<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 if !into.is_empty() => Err(damaged("the lz4 frame ends too early")),
            count => Ok(count),
        }
    }
}

/// Takes the head of a frame (LZ4 frame format 1.6.2); `false` where the source ends before one.
fn lz4_head(source: &mut impl Read, head: &mut Vec<u8>) -> io::Result<bool> {
    if take(source, head, 4)? == 0 {
        return Ok(false);
    }
    if head[..] != [0x04, 0x22, 0x4d, 0x18] {
        return Err(if head.len() < 4 {
            short()
        } else {
            damaged("something that is no lz4 frame stands behind one")
        });
    }
    need(source, head, 2)?;
    // Flags for a field with the size, for one with a dictionary's number; a checksum of the head.
    let fields = if head[4] >> 3 & 1 == 1 { 8 } else { 0 } + if head[4] & 1 == 1 { 4 } else { 0 };
    need(source, head, fields + 1)?;
    Ok(true)
}

/// BGZF is gzip with the length of each member in its head (SAM specification §4.1); other gzip tells nothing.
fn gzip(source: &mut dyn Read, lanes: &Lanes) -> Result<(), Unread> {
    let mut source = BufReader::with_capacity(PIECE, source);
    let (mut gathered, mut size) = (Vec::new(), 0);
    loop {
        let mut head = Vec::new();
        let count = match take(&mut source, &mut head, 18) {
            Ok(count) => count,
            Err(error) => return failed(error, lanes),
        };
        let length = bgzf_length(&head);
        if !gathered.is_empty() && (length.is_none() || size >= GATHERED) {
            lanes.put(Part::Gzip(std::mem::take(&mut gathered), size))?;
            size = 0;
        }
        if count == 0 {
            return Ok(());
        }
        let Some(length) = length else {
            let whole = io::Cursor::new(head).chain(source);
            return alone(flate2::read::MultiGzDecoder::new(whole), lanes);
        };
        gathered.extend_from_slice(&head);
        if let Err(error) = need(&mut source, &mut gathered, length - 18) {
            return failed(error, lanes);
        }
        size += 64 << 10;
    }
}

/// The length of a member of BGZF, from its first 18 octets.
fn bgzf_length(head: &[u8]) -> Option<usize> {
    match head {
        [0x1f, 0x8b, 8, 4, _, _, _, _, _, _, 6, 0, b'B', b'C', 2, 0, low, high] => {
            let length = usize::from(u16::from_le_bytes([*low, *high])) + 1;
            (length >= 26).then_some(length)
        }
        _ => None,
    }
}

/// liblzma decodes the blocks of a stream side by side, where their heads tell their lengths.
fn xz(source: &mut dyn Read, workers: usize, lanes: &Lanes) -> Result<(), Unread> {
    let mut source = BufReader::with_capacity(PIECE, source);
    loop {
        let mut builder = liblzma::stream::MtStreamBuilder::new();
        builder
            .threads(workers as u32)
            .memlimit_threading(XZ_THREADED)
            .memlimit_stop(XZ_MOST)
            .timeout_ms(300);
        let stream = match builder.decoder() {
            Ok(stream) => stream,
            Err(error) => return failed(io::Error::other(error), lanes),
        };
        alone(liblzma::bufread::XzDecoder::new_stream(&mut source, stream), lanes)?;
        // Another stream may follow, after zeros in fours (xz format §2.2).
        match next_stream(&mut source) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return failed(error, lanes),
        }
    }
}

/// Passes over zeros; whether another stream begins behind them.
fn next_stream(source: &mut BufReader<&mut dyn Read>) -> io::Result<bool> {
    let mut zeros = 0;
    loop {
        let held = source.fill_buf()?;
        let Some(first) = held.first() else {
            return if zeros % 4 == 0 { Ok(false) } else { Err(damaged("the xz stream has odd padding")) };
        };
        match first {
            0 => zeros += 1,
            0xfd if zeros % 4 == 0 => return Ok(true),
            _ => return Err(damaged("something that is no xz stream stands behind one")),
        }
        source.consume(1);
    }
}
