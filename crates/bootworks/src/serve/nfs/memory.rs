//! Memory of large replies, used again when they are sent.

use super::super::pool::Pool;

/// Replies with so many bytes of a file use it; smaller ones cost the allocator nothing.
const LARGE: usize = 64 << 10;
/// Some 1 MiB each.
static REPLIES: Pool = Pool::keeping(16);

/// Memory for a reply with `count` bytes of a file; something of an earlier one may stand in it.
pub(super) fn of(count: usize) -> Vec<u8> {
    if count < LARGE { Vec::new() } else { REPLIES.take().unwrap_or_default() }
}

/// Takes back what a reply was in.
pub(super) fn take_back(memory: Vec<u8>) {
    if memory.capacity() >= LARGE {
        REPLIES.give_back(memory);
    }
}
