//! Raw images on a block device: large pieces past the page cache, and zeros without writing them where the device
//! can do that by itself.
//!
//! Past the cache, since an image larger than memory would only push everything else out of it.

use model::failure::{Explain as _, Result};
use rustix::fs::OFlags;
use rustix::ioctl::{Opcode, Setter, ioctl, opcode};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

// include/uapi/linux/fs.h
const BLKZEROOUT: Opcode = opcode::none(0x12, 127);

/// How much is written and read at once.
pub const PIECE_BYTES: usize = 4 << 20;
/// What `O_DIRECT` demands of memory at most: a sector of 4096 bytes (open(2)).
const ALIGNMENT: usize = 4096;
/// Runs of zeros are looked for in grains of this size; smaller ones cost more calls than they save writing.
const GRAIN: usize = 64 << 10;

/// A piece of memory that devices take and give without copying.
#[derive(Debug)]
pub struct Piece {
    memory: Vec<u8>,
    start: usize,
}

impl Default for Piece {
    fn default() -> Piece {
        let memory = vec![0; PIECE_BYTES + ALIGNMENT];
        // Where a vector has its memory stays when it is moved.
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Piece { memory, start }
    }
}

impl Piece {
    /// All of it.
    pub fn octets(&self) -> &[u8] {
        &self.memory[self.start..self.start + PIECE_BYTES]
    }

    fn octets_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + PIECE_BYTES]
    }

    /// Its runs within a part, in order, cut at whole grains of 64 KiB from the part's beginning.
    pub fn runs(&self, part: Range<usize>) -> impl Iterator<Item = Run<'_>> {
        let octets = &self.octets()[part.clone()];
        let mut upcoming = 0;
        std::iter::from_fn(move || {
            let begun = upcoming;
            let mut grains = octets[begun..].chunks(GRAIN);
            let first = grains.next()?;
            let zeros = is_zero(first);
            let more = grains.take_while(|grain| is_zero(grain) == zeros).map(<[u8]>::len);
            upcoming += first.len() + more.sum::<usize>();
            let start = part.start + begun;
            Some(match zeros {
                true => Run::Zeros { start, length: upcoming - begun },
                false => Run::Octets { start, octets: &octets[begun..upcoming] },
            })
        })
    }

    /// Fills it from a source; gives how much came, which is less than all only at the end. The rest is zeros.
    pub fn fill(&mut self, source: &mut dyn Read) -> io::Result<usize> {
        let octets = self.octets_mut();
        let mut filled = 0;
        while filled < octets.len() {
            match source.read(&mut octets[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        octets[filled..].fill(0);
        Ok(filled)
    }
}

/// What a piece is made of: as much of one kind as there is.
#[derive(Debug, PartialEq, Eq)]
pub enum Run<'a> {
    /// Nothing but zeros.
    Zeros {
        /// Where it begins in the piece.
        start: usize,
        /// How long it is, in octets.
        length: usize,
    },
    /// Something else.
    Octets {
        /// Where it begins in the piece.
        start: usize,
        /// What stands there.
        octets: &'a [u8],
    },
}

/// Whether there is nothing but zeros in it: the first octet is one, and each other is as the one before it. No grain
/// of zeros to compare with would have to travel in each initrd.
fn is_zero(grain: &[u8]) -> bool {
    let Some((first, rest)) = grain.split_first() else { return true };
    *first == 0 && *rest == grain[..rest.len()]
}

/// A device that is written and read past the page cache.
#[derive(Debug)]
pub struct Direct {
    path: PathBuf,
    file: File,
}

impl Direct {
    /// Opens a device.
    pub fn open(path: &Path) -> Result<Direct> {
        let mut options = OpenOptions::new();
        let flags = (OFlags::DIRECT | OFlags::EXCL).bits() as i32;
        let opened = options.read(true).write(true).custom_flags(flags).open(path);
        let file = opened.or_fail(|| format!("cannot open {} for writing", path.display()))?;
        Ok(Direct { path: path.to_owned(), file })
    }

    /// Writes a part of a piece; `at` is where the piece's first octet would go. Both ends of the part are at whole
    /// sectors.
    pub fn write(&self, at: u64, piece: &Piece, part: Range<usize>) -> Result<()> {
        let put = |run: Run<'_>| match run {
            Run::Zeros { start, length } => self.zero(at + start as u64, length as u64),
            Run::Octets { start, octets } => self.file.write_all_at(octets, at + start as u64),
        };
        piece.runs(part).try_for_each(put).or_fail(|| format!("cannot write to {}", self.path.display()))
    }

    /// Zeros: the device makes them by itself, or the kernel writes them (block/ioctl.c).
    fn zero(&self, start_bytes: u64, length_bytes: u64) -> io::Result<()> {
        let range = [start_bytes, length_bytes];
        // SAFETY: the call reads two u64, start and length in bytes, which outlive it.
        unsafe { ioctl(&self.file, Setter::<BLKZEROOUT, [u64; 2]>::new(range)) }.map_err(io::Error::from)
    }

    /// Reads a part of a piece; `at` is where the piece's first octet stands.
    pub fn read(&self, at: u64, piece: &mut Piece, part: Range<usize>) -> Result<()> {
        let from = at + part.start as u64;
        self.file
            .read_exact_at(&mut piece.octets_mut()[part], from)
            .or_fail(|| format!("cannot read {}", self.path.display()))
    }

    /// Waits until everything is on the device.
    pub fn settle(&self) -> Result<()> {
        self.file.sync_all().or_fail(|| format!("cannot flush {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(octets: &[(Range<usize>, u8)]) -> Piece {
        let mut piece = Piece::default();
        for (range, octet) in octets {
            piece.octets_mut()[range.clone()].fill(*octet);
        }
        piece
    }

    /// Kind, start and length of each run.
    fn told(piece: &Piece, part: Range<usize>) -> Vec<(bool, usize, usize)> {
        let told = |run| match run {
            Run::Zeros { start, length } => (true, start, length),
            Run::Octets { start, octets } => {
                assert_eq!(octets, &piece.octets()[start..start + octets.len()]);
                (false, start, octets.len())
            }
        };
        piece.runs(part).map(told).collect()
    }

    #[test]
    fn a_piece_is_cut_where_zeros_begin_and_end() {
        let some = piece(&[(3 * GRAIN..3 * GRAIN + 1, 1), (5 * GRAIN - 1..5 * GRAIN, 2)]);
        let wanted =
            [(true, 0, 3 * GRAIN), (false, 3 * GRAIN, 2 * GRAIN), (true, 5 * GRAIN, PIECE_BYTES - 5 * GRAIN)];
        assert_eq!(told(&some, 0..PIECE_BYTES), wanted);
        assert_eq!(told(&piece(&[]), 0..PIECE_BYTES), [(true, 0, PIECE_BYTES)]);
        assert_eq!(told(&piece(&[(0..PIECE_BYTES, 7)]), 0..PIECE_BYTES), [(false, 0, PIECE_BYTES)]);
        assert_eq!(told(&some, 100..100), []);
    }

    #[test]
    fn a_part_has_its_own_grains_and_a_shorter_last_one() {
        let some = piece(&[(512 + GRAIN..512 + GRAIN + 1, 1)]);
        let wanted = [(true, 512, GRAIN), (false, 512 + GRAIN, GRAIN), (true, 512 + 2 * GRAIN, 10)];
        assert_eq!(told(&some, 512..522 + 2 * GRAIN), wanted);
    }
}
