//! One part of an initrd as the stream of bytes that is packed in it, and what follows it in the file.
//!
//! Each decoder stops where the kernel's stops: after one gzip member, one xz stream, one zstd frame. What no
//! crate reads as the kernel does, the frames of lz4 and lzop, is cut into blocks by `wire`.

use std::io::{self, Read};
use wire::initrd::Packing;
use wire::{lz4, lzop};

/// Memory that unpacking may take: `xz -9` needs 65 MiB, the kernel has less to give than this.
const MEMORY_BYTES: u64 = 256 << 20;

/// A part being unpacked.
pub(crate) enum Stream<'a> {
    /// Not packed at all.
    Plain(&'a [u8]),
    Gzip(Box<flate2::bufread::GzDecoder<&'a [u8]>>),
    Bzip2(bzip2::bufread::BzDecoder<&'a [u8]>),
    /// xz and its older form.
    Xz(liblzma::bufread::XzDecoder<&'a [u8]>),
    Blocks(Blocks<'a>),
    Zstd(Box<zstd::stream::read::Decoder<'a, &'a [u8]>>),
}

/// The packed blocks of lz4 or lzop, and the one that is being read.
pub(crate) struct Blocks<'a> {
    kind: Kind<'a>,
    block: Vec<u8>,
    read: usize,
}

enum Kind<'a> {
    Lz4(lz4::Blocks<'a>),
    Lzop(lzop::Blocks<'a>),
}

impl<'a> Stream<'a> {
    /// From the first byte of a part.
    pub(crate) fn open(packing: Option<Packing>, bytes: &'a [u8]) -> io::Result<Stream<'a>> {
        let blocks = |kind| Stream::Blocks(Blocks { kind, block: Vec::new(), read: 0 });
        Ok(match packing {
            None => Stream::Plain(bytes),
            Some(Packing::Gzip) => Stream::Gzip(Box::new(flate2::bufread::GzDecoder::new(bytes))),
            Some(Packing::Bzip2) => Stream::Bzip2(bzip2::bufread::BzDecoder::new(bytes)),
            Some(Packing::Xz) => {
                let decoder = liblzma::stream::Stream::new_stream_decoder(MEMORY_BYTES, 0)?;
                Stream::Xz(liblzma::bufread::XzDecoder::new_stream(bytes, decoder))
            }
            Some(Packing::Lzma) => {
                let decoder = liblzma::stream::Stream::new_lzma_decoder(MEMORY_BYTES)?;
                Stream::Xz(liblzma::bufread::XzDecoder::new_stream(bytes, decoder))
            }
            Some(Packing::Lz4) => blocks(Kind::Lz4(lz4::Blocks::new(bytes))),
            Some(Packing::Lzo) => blocks(Kind::Lzop(lzop::Blocks::new(bytes).map_err(damaged)?)),
            Some(Packing::Zstd) => {
                Stream::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(bytes)?.single_frame()))
            }
        })
    }

    /// What has not been read of the file: after the last byte, what follows the part.
    pub(crate) fn rest(&self) -> &'a [u8] {
        match self {
            Stream::Plain(bytes) => bytes,
            Stream::Gzip(decoder) => decoder.get_ref(),
            Stream::Bzip2(decoder) => decoder.get_ref(),
            Stream::Xz(decoder) => decoder.get_ref(),
            Stream::Zstd(decoder) => decoder.get_ref(),
            Stream::Blocks(blocks) => match &blocks.kind {
                Kind::Lz4(blocks) => blocks.rest(),
                Kind::Lzop(blocks) => blocks.rest(),
            },
        }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(bytes) => bytes.read(to),
            Stream::Gzip(decoder) => decoder.read(to),
            Stream::Bzip2(decoder) => decoder.read(to),
            Stream::Xz(decoder) => decoder.read(to),
            Stream::Zstd(decoder) => decoder.read(to),
            Stream::Blocks(blocks) => blocks.read(to),
        }
    }
}

impl Blocks<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.read == self.block.len() {
            if !self.unpack_next()? {
                return Ok(0);
            }
            self.read = 0;
        }
        let count = (&self.block[self.read..]).read(to)?;
        self.read += count;
        Ok(count)
    }

    /// Whether there was one more block.
    fn unpack_next(&mut self) -> io::Result<bool> {
        match &mut self.kind {
            Kind::Lz4(blocks) => {
                let Some(block) = blocks.next() else { return Ok(false) };
                let block = block.map_err(cut_off)?;
                self.block.resize(lz4::BLOCK, 0);
                let size = lz4_flex::block::decompress_into(block, &mut self.block).map_err(damaged)?;
                self.block.truncate(size);
            }
            Kind::Lzop(blocks) => {
                let Some(block) = blocks.next() else { return Ok(false) };
                let block = block.map_err(|error| match error {
                    lzop::Damaged::CutOff => cut_off(error),
                    other => damaged(other),
                })?;
                if block.bytes.len() == block.plain_size {
                    self.block = block.bytes.to_vec();
                } else {
                    self.block.resize(block.plain_size, 0);
                    let size = lzokay::decompress::decompress(block.bytes, &mut self.block)
                        .map_err(|error| damaged(NotLzo(error)))?;
                    self.block.truncate(size);
                }
            }
        }
        Ok(true)
    }
}

#[derive(Debug)]
struct NotLzo(lzokay::Error);

impl std::fmt::Display for NotLzo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the lzo data is damaged ({:?})", self.0)
    }
}

impl std::error::Error for NotLzo {}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn cut_off(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, error)
}
