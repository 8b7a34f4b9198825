//! Goes through an initrd as the kernel does (`unpack_to_rootfs` in `init/initramfs.c`): part by part, entry by
//! entry, without keeping more than one of them. Whoever wants something of an entry is a [`Visit`].
//!
//! Stops with an error where the kernel stops; what came before has been visited by then.

use super::stream::Stream;
use model::failure::{Failure, Result};
use model::hardware::size_text;
use std::io::{self, Read};
use wire::cpio::header::{self, Header};
use wire::cpio::{LONGEST_NAME, TRAILER};
use wire::initrd::{Packing, boot_configuration};

/// How much of what is unpacked is in hand; larger than any name.
const BUFFER: usize = 128 << 10;

/// A name that is longer than what any writer of archives takes; the kernel passes over names of more than 4095.
const LONGEST_NAMES_OF_ALL: usize = 64 << 10;

/// The most that an initrd may unpack to: more than the boxes that must hold it in memory have, and less than a
/// file made to fill disks.
pub(crate) const LIMIT: u64 = 8 << 30;

/// One part of an initrd: an archive that is not packed, or what one packed stream holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Counted from 1.
    pub number: usize,
    /// How it is packed, if it is.
    pub packing: Option<Packing>,
    /// Where it starts in the file.
    pub start: usize,
}

/// One entry as it stands in its archive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    /// The header's fields.
    pub header: Header,
    /// The header's digits as written.
    pub digits: &'a [u8; header::LENGTH],
    /// The name's bytes, with its NULs.
    pub name_field: &'a [u8],
    /// The bytes between name and body; zeros, unless somebody is strange.
    pub name_padding: &'a [u8],
}

impl<'a> Raw<'a> {
    /// The name as the kernel takes it.
    pub(crate) fn name(&self) -> &'a [u8] {
        header::name(self.name_field)
    }

    /// Whether the kernel passes over it because of its name's length.
    pub(crate) fn is_long(&self) -> bool {
        self.name_field.len() > LONGEST_NAME
    }
}

/// What wants to see an initrd go by.
pub(crate) trait Visit {
    /// Zero bytes between parts, or, inside of a packed one, between its archives.
    fn zeros(&mut self, count: u64) -> Result<()> {
        let _ = count;
        Ok(())
    }
    /// A part begins.
    fn begin(&mut self, part: Part) -> Result<()> {
        let _ = part;
        Ok(())
    }
    /// An entry, its body yet to be read; what is left of it is passed over. The end of an archive is one as
    /// well, by its name.
    fn entry(&mut self, raw: Raw<'_>, body: &mut dyn Read) -> Result<()>;
    /// The bytes behind the body up to the next entry.
    fn padding(&mut self, bytes: &[u8]) -> Result<()> {
        let _ = bytes;
        Ok(())
    }
    /// A part is over, and where the next thing starts; how many bytes were packed in it.
    fn end(&mut self, part: Part, end: usize, unpacked_bytes: u64) -> Result<()> {
        let _ = (part, end, unpacked_bytes);
        Ok(())
    }
}

/// Goes through a whole initrd.
pub(crate) fn walk(file: &[u8], limit: u64, visit: &mut dyn Visit) -> Result<()> {
    let file = &file[..file.len() - boot_configuration(file).unwrap_or(0)];
    if file.iter().all(|byte| *byte == 0) {
        return Err(Failure::new("there is no archive in it").because(match file.len() {
            0 => "the file is empty".to_owned(),
            size => format!("its {} are all zero", size_text(size as u64)),
        }));
    }
    let (mut at, mut number, mut left) = (0, 0, limit);
    while at < file.len() {
        let zeros = file[at..].iter().take_while(|byte| **byte == 0).count();
        if zeros > 0 {
            visit.zeros(zeros as u64)?;
            at += zeros;
            continue;
        }
        number += 1;
        let part = Part { number, packing: packing_at(file, at)?, start: at };
        let (end, unpacked) = walk_part(&file[at..], part, left, visit)?;
        at += end;
        left -= unpacked;
    }
    Ok(())
}

/// How what starts here is packed, if at all; the kernel stops where it is neither.
fn packing_at(file: &[u8], at: usize) -> Result<Option<Packing>> {
    let rest = &file[at..];
    if rest.starts_with(b"0") {
        return match at % 4 {
            0 => Ok(None),
            _ => Err(Failure::new(format!("the archive at byte {at} is not read by the kernel"))
                .because("it does not begin at a multiple of four bytes")),
        };
    }
    if let Some(packing) = Packing::of(rest) {
        return Ok(Some(packing));
    }
    let first: Vec<String> = rest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let failure = Failure::new(format!("what begins at byte {at} is nothing that the kernel unpacks"))
        .because(format!("it begins with {}", first.join(" ")));
    Err(match rest {
        // doc/lz4_Frame_format.md: the frames of today.
        [0x04, 0x22, 0x4d, 0x18, ..] => {
            failure.hint("these are lz4's newer frames; `lz4 -l` makes the kernel's")
        }
        _ if at == 0 => failure.hint("an initrd is a cpio archive, plain or packed"),
        _ => failure,
    })
}

/// Gives where the part ends and how much was in it.
fn walk_part(bytes: &[u8], part: Part, limit: u64, visit: &mut dyn Visit) -> Result<(usize, u64)> {
    visit.begin(part)?;
    let stream = Stream::open(part.packing, bytes).map_err(|error| part.broken(&error))?;
    let mut source =
        Source { stream, buffer: vec![0; BUFFER], start: 0, end: 0, position: 0, limit, is_over: false };
    let mut last = Last::Trailer;
    loop {
        let next = source.peek().map_err(|error| part.broken(&error))?;
        match (next, part.packing) {
            // Streams tell their end; archives and lz4's blocks do not.
            (None, None | Some(Packing::Lz4)) if last == Last::Entry => {
                return Err(Failure::new(format!("{} is cut off", part.title()))
                    .because("it ends without the mark that ends an archive (TRAILER!!!)"));
            }
            (None, _) => break,
            (Some(b'0'), _) if source.position.is_multiple_of(4) => {}
            (Some(_), None) => break,
            (Some(0), Some(_)) => {
                let zeros = source.skip_zeros().map_err(|error| part.broken(&error))?;
                visit.zeros(zeros)?;
                continue;
            }
            (Some(_), Some(_)) => {
                return Err(Failure::new(format!("{} is no initrd to the kernel", part.title())).because(
                    format!("at byte {} of what is packed in it no entry begins", source.position),
                ));
            }
        }
        last = source.entry(part, visit)?;
        if last == Last::Trailer && part.packing.is_none() {
            break;
        }
    }
    let end = bytes.len() - source.stream.rest().len() - (source.end - source.start);
    visit.end(part, part.start + end, source.position)?;
    Ok((end, source.position))
}

impl Part {
    /// What a person calls it.
    pub(crate) fn title(&self) -> String {
        let kind = self.packing.map_or("cpio", Packing::name);
        format!("part {} ({kind}, from byte {})", self.number, self.start)
    }

    fn broken(&self, error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Failure::new(format!("{} is cut off", self.title())),
            io::ErrorKind::QuotaExceeded => Failure::new(format!("{} is too large", self.title()))
                .because(error)
                .hint("an initrd must fit into a box's memory; this one is damaged, or made to fill disks"),
            _ => Failure::new(format!("{} cannot be unpacked", self.title())).because(error),
        }
    }
}

/// What was read last of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Entry,
    Trailer,
}

/// The bytes of a part with some of them in hand.
struct Source<'a> {
    stream: Stream<'a>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How many bytes were taken.
    position: u64,
    limit: u64,
    is_over: bool,
}

impl Source<'_> {
    /// Reads an entry or the end of an archive.
    fn entry(&mut self, part: Part, visit: &mut dyn Visit) -> Result<Last> {
        let at = self.position;
        let broken = |error: io::Error| {
            let mut failure = part.broken(&error);
            if error.kind() == io::ErrorKind::UnexpectedEof {
                failure = failure.because(format!("the entry at its byte {at} does not end"));
            }
            failure
        };
        let mut digits = [0; header::LENGTH];
        digits.copy_from_slice(self.take(header::LENGTH).map_err(broken)?);
        let header = Header::read(&digits).map_err(|error| {
            Failure::new(format!("{} is no initrd to the kernel", part.title()))
                .because(format!("at its byte {at} stands {error}"))
        })?;
        let size = header.name_size as usize;
        if size > LONGEST_NAMES_OF_ALL {
            return Err(Failure::new(format!("{} is no initrd to the kernel", part.title()))
                .because(format!("the entry at its byte {at} has a name of {size} bytes")));
        }
        let name = self.take(size).map_err(broken)?.to_vec();
        let name_padding = self.take_some(header.name_padding()).map_err(broken)?.to_vec();
        let raw = Raw { header, digits: &digits, name_field: &name, name_padding: &name_padding };
        let mut body = Body { source: self, left: u64::from(header.size) };
        visit.entry(raw, &mut body).map_err(|failure| match body.source.is_over {
            true if body.left > 0 => broken(io::ErrorKind::UnexpectedEof.into()),
            _ => failure,
        })?;
        let left = body.left;
        self.pass(left).map_err(broken)?;
        // The last padding may be missing at the end of the bytes.
        let padding = self.take_some(header.body_padding()).map_err(broken)?;
        visit.padding(padding)?;
        Ok(if raw.name() == TRAILER { Last::Trailer } else { Last::Entry })
    }

    /// Gets more bytes, up to this many in hand, or all there are.
    fn fill(&mut self, count: usize) -> io::Result<()> {
        if self.end - self.start >= count {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        while self.end < count && !self.is_over {
            match self.stream.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.is_over = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.position + (self.end as u64) > self.limit {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                format!("more than {} are packed in it", size_text(self.limit)),
            ));
        }
        Ok(())
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        self.fill(1)?;
        Ok(self.buffer[self.start..self.end].first().copied())
    }

    /// So many bytes, fewer than the buffer holds.
    fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        self.fill(count)?;
        if self.end - self.start < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.take_some(count)
    }

    /// So many bytes, or fewer at the end.
    fn take_some(&mut self, count: usize) -> io::Result<&[u8]> {
        self.fill(count)?;
        let from = self.start;
        let count = count.min(self.end - from);
        self.start += count;
        self.position += count as u64;
        Ok(&self.buffer[from..from + count])
    }

    fn pass(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            self.fill(1)?;
            let in_hand = self.end - self.start;
            let passed = self.take_some(usize::try_from(count).unwrap_or(in_hand).min(in_hand))?.len();
            if passed == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            count -= passed as u64;
        }
        Ok(())
    }

    fn skip_zeros(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            self.fill(1)?;
            let zeros = self.buffer[self.start..self.end].iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 {
                return Ok(skipped);
            }
            self.take_some(zeros)?;
            skipped += zeros as u64;
        }
    }
}

/// What is left of an entry's body.
struct Body<'s, 'a> {
    source: &'s mut Source<'a>,
    left: u64,
}

impl Read for Body<'_, '_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = usize::try_from(self.left).unwrap_or(to.len()).min(to.len()).min(BUFFER);
        if count == 0 {
            return Ok(0);
        }
        self.source.fill(1)?;
        let in_hand = self.source.end - self.source.start;
        let taken = self.source.take_some(count.min(in_hand))?;
        if taken.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to[..taken.len()].copy_from_slice(taken);
        self.left -= taken.len() as u64;
        Ok(taken.len())
    }
}
