//! Reading a piece of a file: from memory at once where it is there, from the disk in a thread that may wait.
//!
//! What boxes fetch was fetched by another box a moment ago: most pieces are in memory, and handing them to another
//! thread costs more than reading them.

use super::pool::Pool;
use rustix::io::{Errno, ReadWriteFlags};
use std::io::IoSliceMut;
use std::os::fd::OwnedFd;

/// What a read may do when the bytes are not in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Give what is in memory.
    None,
    /// Wait for the disk.
    Disk,
}

/// Fills `room` from `offset` on and gives how much there was: less than the room only at the file's end or, without
/// patience, where the disk would have to be waited for.
pub(crate) fn read(file: &OwnedFd, offset: u64, room: &mut [u8], patience: Patience) -> Result<usize, Errno> {
    let flags = match patience {
        Patience::None => ReadWriteFlags::NOWAIT,
        Patience::Disk => ReadWriteFlags::empty(),
    };
    let mut done = 0;
    loop {
        let Some(rest) = room.get_mut(done..).filter(|rest| !rest.is_empty()) else { return Ok(done) };
        match rustix::io::preadv2(file, &mut [IoSliceMut::new(rest)], offset + done as u64, flags) {
            Ok(0) => return Ok(done),
            Ok(more) => done += more,
            Err(Errno::INTR) => {}
            // Not in memory, or a file system that cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP) if patience == Patience::None => return Ok(done),
            Err(errno) => return Err(errno),
        }
    }
}

/// A piece of a file, in memory that was used before.
pub(crate) struct Piece {
    memory: Vec<u8>,
    length: usize,
}

/// Bytes of a piece at most: few system calls, little memory for each box.
pub(crate) const PIECE: usize = 128 * 1024;
static USED: Pool = Pool::keeping(64);

impl Piece {
    /// Reads up to `count` bytes from `offset` on, and [`PIECE`] at most; as [`read`] does.
    pub(crate) fn read(
        file: &OwnedFd,
        offset: u64,
        count: usize,
        patience: Patience,
    ) -> Result<Piece, Errno> {
        let memory = USED.take().unwrap_or_else(|| vec![0; PIECE]);
        let mut piece = Piece { memory, length: 0 };
        let room = piece.memory.get_mut(..count.min(PIECE)).unwrap_or_default();
        piece.length = read(file, offset, room, patience)?;
        Ok(piece)
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        USED.give_back(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// Memory that another file was in must not show through.
    #[test]
    fn a_piece_is_what_the_file_has() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 1000]).unwrap();
        let file = OwnedFd::from(file);
        let piece =
            |offset, count| Piece::read(&file, offset, count, Patience::Disk).unwrap().as_ref().to_vec();
        assert_eq!(piece(0, 1000), [7; 1000]);
        assert_eq!(piece(990, 1000), [7; 10]);
        assert!(piece(1000, 10).is_empty());
        assert_eq!(piece(0, usize::MAX).len(), 1000);
    }
}
