//! Packs a part as the program did that made it: the parameters are read off its header where it tells them, and
//! the rest is found by trying. A wrong guess ends at its first wrong byte, so that trying is cheap.
//!
//! bzip2, xz and lzma come out of our libraries as their programs write them, zstd as its release 1.5.7 does; gzip,
//! lz4 and lzop have encoders that nobody else has, so the programs themselves are asked.

use liblzma::stream::{Check, Filters, LzmaOptions, MtStreamBuilder};
use linux::process::Child;
use linux::tools::{GZIP, LZ4, LZOP, PIGZ, Tool, XZ, ZSTD};
use model::failure::{Explain as _, Result};
use std::io::{self, Write};
use wire::initrd::Packing;
use wire::{lz4, lzop};

/// So many right bytes are no accident: the way that wrote them is the one that was used.
const EVIDENCE: usize = 1 << 20;
/// What goes into an encoder at once; between two of these a wrong guess is noticed.
const PORTION: usize = 256 << 10;

/// A way to pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Gzip,
    Bzip2 {
        level: u32,
    },
    Xz {
        preset: u32,
        dictionary_bytes: u32,
        check: u8,
        in_blocks: bool,
    },
    Lzma {
        preset: u32,
        dictionary_bytes: u32,
    },
    Lz4,
    Lzo,
    Zstd {
        level: i32,
        has_checksum: bool,
        in_jobs: bool,
    },
    /// The program itself.
    Program {
        tool: Tool,
        arguments: Vec<String>,
    },
}

impl Way {
    /// As a person would type it.
    pub(crate) fn title(&self) -> String {
        match self {
            Way::Gzip => "gzip -9n (our library)".into(),
            Way::Bzip2 { level } => format!("bzip2 -{level}"),
            Way::Xz { preset, dictionary_bytes, check, in_blocks } => {
                let check = ["none", "crc32"].get(usize::from(*check)).copied().unwrap_or("crc64");
                let threads = if *in_blocks { " -T0" } else { " -T1" };
                format!("xz{threads} --check={check} --lzma2={}", lzma_text(*preset, *dictionary_bytes))
            }
            Way::Lzma { preset, dictionary_bytes } => {
                format!("xz --format=lzma --lzma1={}", lzma_text(*preset, *dictionary_bytes))
            }
            Way::Lz4 => "lz4 -l (our library)".into(),
            Way::Lzo => "lzop (our library)".into(),
            Way::Zstd { level, has_checksum, in_jobs } => {
                let threads = if *in_jobs { " -T0" } else { " --single-thread" };
                let sum = if *has_checksum { "" } else { " --no-check" };
                format!("zstd -{level}{threads}{sum} (our library)")
            }
            Way::Program { tool, arguments } => format!("{} {}", tool.name, arguments.join(" ")),
        }
    }

    /// Packs everything.
    pub(crate) fn pack(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let mut packed = Vec::new();
        self.press(plain, &mut packed)?;
        Ok(packed)
    }

    /// Packs into a sink; gives whether the sink took all of it.
    fn press(&self, plain: &[u8], sink: &mut dyn Write) -> Result<bool> {
        if let Way::Program { tool, arguments } = self {
            return Child::of(*tool).args(arguments).filter(plain, sink);
        }
        let mut sink = Watched { sink, refused: false };
        let pressed = self.press_here(plain, &mut sink);
        if sink.refused {
            return Ok(false);
        }
        pressed.or_fail(|| format!("cannot pack with {}", self.title()))?;
        Ok(true)
    }

    fn press_here(&self, plain: &[u8], sink: &mut Watched<'_>) -> io::Result<()> {
        match self {
            Way::Gzip => feed(flate2::write::GzEncoder::new(sink, flate2::Compression::new(9)), plain, |w| {
                w.finish().map(drop)
            }),
            Way::Bzip2 { level } => {
                feed(bzip2::write::BzEncoder::new(sink, bzip2::Compression::new(*level)), plain, |w| {
                    w.finish().map(drop)
                })
            }
            Way::Xz { preset, dictionary_bytes, check, in_blocks } => {
                let mut filters = Filters::new();
                filters.lzma2(&lzma(*preset, *dictionary_bytes)?);
                let check = match check {
                    0 => Check::None,
                    1 => Check::Crc32,
                    10 => Check::Sha256,
                    _ => Check::Crc64,
                };
                let stream = if *in_blocks {
                    let threads = std::thread::available_parallelism().map_or(1, usize::from);
                    MtStreamBuilder::new().threads(threads as u32).filters(filters).check(check).encoder()?
                } else {
                    liblzma::stream::Stream::new_stream_encoder(&filters, check)?
                };
                feed(liblzma::write::XzEncoder::new_stream(sink, stream), plain, |w| w.finish().map(drop))
            }
            Way::Lzma { preset, dictionary_bytes } => {
                let options = lzma(*preset, *dictionary_bytes)?;
                let stream = liblzma::stream::Stream::new_lzma_encoder(&options)?;
                feed(liblzma::write::XzEncoder::new_stream(sink, stream), plain, |w| w.finish().map(drop))
            }
            Way::Lz4 => {
                sink.write_all(&lz4::MAGIC.to_le_bytes())?;
                for block in plain.chunks(lz4::BLOCK) {
                    let packed = lz4_flex::block::compress(block);
                    sink.write_all(&(packed.len() as u32).to_le_bytes())?;
                    sink.write_all(&packed)?;
                }
                Ok(())
            }
            Way::Lzo => sink.write_all(&lzop::write(plain, |block| {
                // Without a packed form the block is written as it is.
                lzokay::compress::compress(block).unwrap_or_else(|_| block.to_vec())
            })),
            Way::Zstd { level, has_checksum, in_jobs } => {
                let mut encoder = zstd::stream::write::Encoder::new(sink, *level)?;
                encoder.include_checksum(*has_checksum)?;
                if *in_jobs {
                    let threads = std::thread::available_parallelism().map_or(1, usize::from);
                    encoder.multithread(threads as u32)?;
                }
                feed(encoder, plain, |encoder| encoder.finish().map(drop))
            }
            Way::Program { .. } => Ok(()),
        }
    }
}

fn feed<W: Write>(mut encoder: W, plain: &[u8], finish: impl FnOnce(W) -> io::Result<()>) -> io::Result<()> {
    for portion in plain.chunks(PORTION) {
        encoder.write_all(portion)?;
    }
    finish(encoder)
}

/// A preset of xz with another dictionary.
fn lzma(preset: u32, dictionary_bytes: u32) -> io::Result<LzmaOptions> {
    let mut options = LzmaOptions::new_preset(preset)?;
    options.dict_size(dictionary_bytes);
    Ok(options)
}

const EXTREME: u32 = 1 << 31;

fn lzma_text(preset: u32, dictionary_bytes: u32) -> String {
    let extreme = if preset & EXTREME != 0 { "e" } else { "" };
    format!("preset={}{extreme},dict={dictionary_bytes}", preset & !EXTREME)
}

/// The way in which a part was packed: of all that we know the one that writes the same bytes.
pub(crate) fn find(packing: Packing, packed: &[u8], plain: &[u8]) -> Result<Option<Way>> {
    for way in ways(packing, packed) {
        let is_there = match &way {
            Way::Program { tool, .. } => tool.find().is_some(),
            _ => true,
        };
        if is_there && writes(&way, packed, plain)? {
            return Ok(Some(way));
        }
    }
    Ok(None)
}

/// How a part is packed whose own way was not found: valid, and about as small.
pub(crate) fn usual(packing: Packing, packed: &[u8]) -> Way {
    match packing {
        Packing::Gzip => Way::Gzip,
        Packing::Bzip2 => Way::Bzip2 { level: 9 },
        Packing::Lz4 => Way::Lz4,
        Packing::Lzo => Way::Lzo,
        Packing::Zstd => Way::Zstd { level: 19, has_checksum: true, in_jobs: true },
        Packing::Xz => {
            let (dictionary_bytes, check) = xz_header(packed).map_or((8 << 20, 1), |(d, c, _)| (d, c));
            Way::Xz { preset: 6, dictionary_bytes, check, in_blocks: true }
        }
        Packing::Lzma => Way::Lzma { preset: 6, dictionary_bytes: 8 << 20 },
    }
}

/// Whether a way writes what stands there.
fn writes(way: &Way, packed: &[u8], plain: &[u8]) -> Result<bool> {
    // The time of packing stands in the headers of gzip and lzop, the latter with a sum behind it.
    let from = match Packing::of(packed) {
        Some(Packing::Gzip) => 10,
        Some(Packing::Lzo) => 38,
        _ => 0,
    };
    let mut compared = Compared { expected: packed, from, seen: 0, is_same: true, is_closed: false };
    let all = way.press(plain, &mut compared)?;
    let enough = compared.seen >= EVIDENCE.min(packed.len());
    Ok(compared.is_same && enough && (!all || compared.seen == packed.len()))
}

/// Ways to try, the likeliest first.
fn ways(packing: Packing, packed: &[u8]) -> Vec<Way> {
    let program = |tool: Tool, words: &[&str], level: u32| {
        let mut arguments: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        arguments.push(format!("-{level}"));
        Way::Program { tool, arguments }
    };
    match packing {
        Packing::Gzip => {
            // RFC 1952 §2.3.1: 2 is the slowest way, 4 the fastest.
            let levels: &[u32] = match packed.get(8) {
                Some(2) => &[9],
                Some(4) => &[1],
                _ => &[6, 5, 7, 8, 4, 3, 2],
            };
            let each = |level: &u32| [program(GZIP, &["-n"], *level), program(PIGZ, &["-n"], *level)];
            levels.iter().flat_map(each).chain([Way::Gzip]).collect()
        }
        Packing::Bzip2 => {
            let level = packed.get(3).and_then(|digit| (*digit as char).to_digit(10)).unwrap_or(9);
            vec![Way::Bzip2 { level: level.clamp(1, 9) }]
        }
        Packing::Xz => xz_ways(packed),
        Packing::Lzma => {
            let dictionary = packed.get(1..5).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
            let dictionary_bytes = dictionary.unwrap_or(8 << 20).clamp(4096, 64 << 20);
            let ours = presets().map(|preset| Way::Lzma { preset, dictionary_bytes });
            ours.chain([program(XZ, &["--format=lzma"], 6)]).collect()
        }
        Packing::Lz4 => {
            let levels = [9, 1, 12, 3, 2, 4, 5, 6, 7, 8, 10, 11];
            levels.iter().map(|level| program(LZ4, &["-l", "-q", "-c"], *level)).chain([Way::Lz4]).collect()
        }
        Packing::Lzo => {
            let levels = [3, 9, 1, 2, 7, 8];
            levels.iter().map(|level| program(LZOP, &["-c"], *level)).chain([Way::Lzo]).collect()
        }
        Packing::Zstd => zstd_ways(packed),
    }
}

fn presets() -> impl Iterator<Item = u32> {
    let plain = [6, 9, 7, 8, 5, 4, 3, 2, 1, 0];
    plain.into_iter().chain([9 | EXTREME, 6 | EXTREME, 8 | EXTREME])
}

fn xz_ways(packed: &[u8]) -> Vec<Way> {
    let Some((dictionary_bytes, check, in_blocks)) = xz_header(packed) else { return Vec::new() };
    let each = presets().map(|preset| Way::Xz { preset, dictionary_bytes, check, in_blocks });
    each.collect()
}

/// Dictionary, check, and whether blocks carry their sizes, as xz on several threads writes them (The .xz File
/// Format §2.1.1.2, §3.1.2, §5.3.1). Nothing where the filters are more than LZMA2.
fn xz_header(packed: &[u8]) -> Option<(u32, u8, bool)> {
    let check = packed.get(7)? & 0x0f;
    let flags = *packed.get(13)?;
    let mut rest = packed.get(14..)?;
    for _ in 0..(flags >> 6).count_ones() {
        // A size of seven bits a byte.
        let length = rest.iter().position(|byte| byte & 0x80 == 0)? + 1;
        rest = rest.get(length..)?;
    }
    let [0x21, 1, bits, ..] = *rest else { return None };
    if flags & 3 != 0 || bits > 37 {
        return None;
    }
    let dictionary = (2 | u32::from(bits & 1)) << (bits / 2 + 11);
    Some((dictionary, check, flags & 0xc0 == 0xc0))
}

/// Windows of zstd's levels for input of unknown length, as a power of two (`ZSTD_defaultCParameters`,
/// lib/compress/clevels.h); the likeliest levels first.
const ZSTD_WINDOWS: [(i32, u8); 22] = [
    (19, 23),
    (9, 22),
    (3, 21),
    (1, 19),
    (15, 22),
    (22, 27),
    (18, 23),
    (10, 22),
    (12, 22),
    (2, 20),
    (4, 21),
    (5, 21),
    (6, 21),
    (7, 21),
    (8, 21),
    (11, 22),
    (13, 22),
    (14, 22),
    (16, 22),
    (17, 23),
    (20, 25),
    (21, 26),
];

fn zstd_ways(packed: &[u8]) -> Vec<Way> {
    // RFC 8878 §3.1.1.1: the descriptor's bit 2 is the checksum's; the window follows it.
    let (Some(descriptor), Some(window)) = (packed.get(4), packed.get(5)) else { return Vec::new() };
    let has_checksum = descriptor & 4 != 0;
    let window = 10 + (window >> 3);
    let mut ways = Vec::new();
    for (level, _) in ZSTD_WINDOWS.iter().filter(|(_, own)| *own == window) {
        let mut words = vec![format!("-{level}"), "-q".to_owned(), "-c".to_owned()];
        if *level > 19 {
            words.push("--ultra".to_owned());
        }
        if !has_checksum {
            words.push("--no-check".to_owned());
        }
        let single = [&words[..], &["--single-thread".to_owned()]].concat();
        words.push("-T0".to_owned());
        ways.push(Way::Program { tool: ZSTD, arguments: words });
        for in_jobs in [true, false] {
            ways.push(Way::Zstd { level: *level, has_checksum, in_jobs });
        }
        ways.push(Way::Program { tool: ZSTD, arguments: single });
    }
    ways
}

/// Notices when the sink below refuses.
struct Watched<'s> {
    sink: &'s mut dyn Write,
    refused: bool,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.sink.write(bytes);
        self.refused |= result.is_err();
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Takes what is expected and refuses the rest.
struct Compared<'e> {
    expected: &'e [u8],
    /// Bytes before this may be others.
    from: usize,
    seen: usize,
    is_same: bool,
    is_closed: bool,
}

impl Write for Compared<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            // An encoder that is dropped tries once more to get rid of its last bytes.
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let expected = self.expected.get(self.seen..self.seen + bytes.len());
        let passed_over = self.from.saturating_sub(self.seen).min(bytes.len());
        self.is_same &= expected.is_some_and(|expected| expected[passed_over..] == bytes[passed_over..]);
        self.seen += bytes.len();
        self.is_closed = !self.is_same || (self.seen >= EVIDENCE && self.seen < self.expected.len());
        if self.is_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
