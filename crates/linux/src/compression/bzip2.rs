//! Stretches of a bzip2 file, decoded by workers and joined to streams by the reader.
//!
//! The reader holds the chain: only it knows which stretches are real blocks, so it also decodes anew what was
//! cut in two by a magic number that stood there by chance.

use super::lanes::{Lanes, Made, Outlet, Part, Unread, damaged};
use std::io::{self, Read};
use wire::bzip2::{Block, Candidate, Chain, Flaw, Scanner, Stretch, Tail, Workshop, decode};

/// How much of a block a worker expands; what is left of a block of runs the reader does, piece by piece.
const EXPANDED: usize = 4 << 20;
/// Longest stretch: a block of 900000 symbols of 20 bits each, its tables, and some.
const LONGEST: usize = 3 << 20;
/// How much is read from the source at once.
const PIECE: usize = 256 << 10;

/// A stretch as it was found.
pub(super) enum Unit {
    /// What stands before the first candidate.
    Head(Vec<u8>),
    /// A block, or what looks like one.
    Block(Stretch),
    /// The end of a stream and what follows up to the next block, or what looks like it.
    End(Stretch),
}

/// A stretch as a worker leaves it.
pub(super) struct Decoded {
    unit: Unit,
    block: Option<Result<Ready, Flaw>>,
}

/// A block whose first octets are expanded.
struct Ready {
    plain: Vec<u8>,
    block: Block,
    is_whole: bool,
}

impl Unit {
    pub(super) fn decode(self, workshop: &mut Workshop) -> Decoded {
        let block = match &self {
            Unit::Block(stretch) => Some(ready(stretch, workshop)),
            Unit::Head(_) | Unit::End(_) => None,
        };
        Decoded { unit: self, block }
    }
}

fn ready(stretch: &Stretch, workshop: &mut Workshop) -> Result<Ready, Flaw> {
    let mut block = decode(stretch, workshop)?;
    let mut plain = Vec::with_capacity(block.size + block.size / 8);
    let is_whole = block.expansion.expand(&mut plain, EXPANDED);
    Ok(Ready { plain, block, is_whole })
}

/// Cuts a bzip2 file at its candidates.
pub(super) fn feed(source: &mut dyn Read, lanes: &Lanes) -> Result<(), Unread> {
    let mut scanner = Scanner::default();
    let mut cutting = Cutting { held: Vec::new(), base: 0, last: None };
    let mut piece = vec![0; PIECE];
    let mut candidates = Vec::new();
    loop {
        let count = match source.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return lanes.put_made(Made::Broken(error)),
        };
        cutting.held.extend_from_slice(&piece[..count]);
        scanner.scan(&piece[..count], |candidate| candidates.push(candidate));
        for candidate in candidates.drain(..) {
            lanes.put(Part::Bzip2(cutting.cut(candidate)))?;
        }
        if cutting.held.len() > LONGEST {
            return lanes.put_made(Made::Broken(damaged("a block has no end")));
        }
    }
    let end = cutting.end();
    lanes.put(Part::Bzip2(end))
}

struct Cutting {
    held: Vec<u8>,
    /// Octets of the file before those held.
    base: u64,
    last: Option<Candidate>,
}

impl Cutting {
    fn cut(&mut self, next: Candidate) -> Unit {
        let unit = self.unit(next.bit);
        let drained = usize::try_from(next.bit / 8 - self.base).unwrap_or(self.held.len());
        self.held.drain(..drained.min(self.held.len()));
        self.base = next.bit / 8;
        self.last = Some(next);
        unit
    }

    fn end(&mut self) -> Unit {
        self.unit((self.base + self.held.len() as u64) * 8)
    }

    /// From the last candidate to this bit.
    fn unit(&self, to: u64) -> Unit {
        let count = usize::try_from(to.div_ceil(8) - self.base).unwrap_or(self.held.len());
        let octets = self.held[..count.min(self.held.len())].to_vec();
        let Some(last) = self.last else { return Unit::Head(octets) };
        let stretch = Stretch { octets, skipped: (last.bit % 8) as u32, bits: to - last.bit };
        if last.is_end { Unit::End(stretch) } else { Unit::Block(stretch) }
    }
}

/// The streams of a file as one.
pub(super) struct Joined {
    outlet: Outlet,
    chain: Chain,
    /// A stretch that was looked at to see whether it belongs to the one before.
    ahead: Option<Decoded>,
    workshop: Workshop,
    plain: Vec<u8>,
    at: usize,
    /// The block whose octets are given out, and whether all of it is expanded.
    block: Option<(Block, bool)>,
    tail: Tail,
    is_begun: bool,
}

impl Joined {
    pub(super) fn of(outlet: Outlet) -> Joined {
        Joined {
            outlet,
            chain: Chain::default(),
            ahead: None,
            workshop: Workshop::default(),
            plain: Vec::new(),
            at: 0,
            block: None,
            tail: Tail::Stream,
            is_begun: false,
        }
    }

    fn next(&mut self) -> io::Result<Option<Decoded>> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        match self.outlet.next() {
            None => Ok(None),
            Some(Made::Bzip2(decoded)) => Ok(Some(decoded)),
            Some(Made::Broken(error)) => Err(error),
            Some(Made::Plain(_)) => Err(io::Error::other("a part of another format")),
        }
    }

    /// Goes on to where there are octets to give; `false` at the end of the last stream.
    fn advance(&mut self) -> io::Result<bool> {
        self.plain.clear();
        self.at = 0;
        if let Some((block, is_whole)) = &mut self.block {
            if !*is_whole {
                *is_whole = block.expansion.expand(&mut self.plain, EXPANDED);
                return Ok(true);
            }
            if block.expansion.checksum() != block.checksum {
                return Err(damaged(Flaw::BlockChecksum));
            }
            self.chain.add(block.size, block.checksum).map_err(damaged)?;
            self.block = None;
        }
        let Some(decoded) = self.next()? else {
            return match self.tail {
                Tail::Nothing => Ok(false),
                Tail::Stream => Err(cut_off()),
            };
        };
        match decoded.unit {
            Unit::Head(octets) if !self.is_begun => {
                // A file without any candidate ends here, whatever it begins with.
                self.chain
                    .begin(&octets)
                    .map_err(|flaw| if octets.len() < 14 { cut_off() } else { damaged(flaw) })?;
                self.is_begun = true;
                Ok(true)
            }
            Unit::Head(_) => Err(damaged(Flaw::NoStream)),
            Unit::End(stretch) => {
                self.tail = self.chain.end(&stretch).map_err(|flaw| match flaw {
                    Flaw::TooShort => cut_off(),
                    flaw => damaged(flaw),
                })?;
                Ok(true)
            }
            Unit::Block(stretch) => {
                let ready = match decoded.block {
                    Some(Ok(ready)) => ready,
                    Some(Err(Flaw::TooShort)) | None => self.join(stretch)?,
                    Some(Err(flaw)) => return Err(damaged(flaw)),
                };
                self.tail = Tail::Stream;
                self.plain = ready.plain;
                self.block = Some((ready.block, ready.is_whole));
                Ok(true)
            }
        }
    }

    /// Decodes a block together with what follows it, as long as it goes on there.
    fn join(&mut self, mut stretch: Stretch) -> io::Result<Ready> {
        loop {
            let next = match self.next()? {
                Some(Decoded { unit: Unit::Block(next) | Unit::End(next), .. }) => next,
                Some(Decoded { unit: Unit::Head(_), .. }) | None => return Err(cut_off()),
            };
            stretch = stretch.joined(&next);
            if stretch.octets.len() > LONGEST {
                return Err(damaged("a block has no end"));
            }
            match ready(&stretch, &mut self.workshop) {
                Ok(ready) => return Ok(ready),
                Err(Flaw::TooShort) => {}
                Err(flaw) => return Err(damaged(flaw)),
            }
        }
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the bzip2 stream ends too early")
}

impl Read for Joined {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while self.at == self.plain.len() {
            if !self.advance()? {
                return Ok(0);
            }
        }
        let count = into.len().min(self.plain.len() - self.at);
        into[..count].copy_from_slice(&self.plain[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
