//! Memory of large replies, used again when they are sent: new memory of this size comes from the kernel each time, a
//! page fault and a cleared page for every 4 kB, which costs as much as reading the file.

use std::sync::{Mutex, PoisonError};

/// Replies with so many bytes of a file use it; smaller ones cost the allocator nothing.
const LARGE: usize = 64 << 10;
/// How many stay for the next reply, some 1 MiB each.
const KEPT: usize = 16;
/// The last one that came back is the first to go out: the processor still has it at hand.
static KEPT_FOR_THE_NEXT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Memory for a reply with `count` bytes of a file; something of an earlier one may stand in it.
pub(super) fn of(count: usize) -> Vec<u8> {
    if count < LARGE {
        return Vec::new();
    }
    KEPT_FOR_THE_NEXT.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
}

/// Takes back what a reply was in.
pub(super) fn take_back(memory: Vec<u8>) {
    if memory.capacity() < LARGE {
        return;
    }
    let mut kept = KEPT_FOR_THE_NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < KEPT {
        kept.push(memory);
    }
}
