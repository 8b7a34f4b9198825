//! Reading a piece of a file: from memory at once where it is there, from the disk in a thread that may wait.
//!
//! What boxes fetch was fetched by another box a moment ago: most pieces are in memory, and handing them to another
//! thread costs more than reading them.

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

/// Appends up to `count` bytes of the file from `offset` on to `buffer`; less only at the file's end or, without
/// patience, where the disk would have to be waited for.
pub(crate) fn read(
    file: &OwnedFd,
    offset: u64,
    count: usize,
    buffer: &mut Vec<u8>,
    patience: Patience,
) -> Result<(), Errno> {
    let flags = match patience {
        Patience::None => ReadWriteFlags::NOWAIT,
        Patience::Disk => ReadWriteFlags::empty(),
    };
    let start = buffer.len();
    buffer.resize(start + count, 0);
    let mut done = 0;
    let ended = loop {
        if done == count {
            break Ok(());
        }
        let Some(room) = buffer.get_mut(start + done..) else { break Ok(()) };
        match rustix::io::preadv2(file, &mut [IoSliceMut::new(room)], offset + done as u64, flags) {
            Ok(0) => break Ok(()),
            Ok(more) => done += more,
            Err(Errno::INTR) => {}
            // Not in memory, or a file system that cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP) if patience == Patience::None => break Ok(()),
            Err(errno) => break Err(errno),
        }
    };
    buffer.truncate(start + done);
    ended
}
