//! Whether a piece of a file is in the kernel's memory: who sends it from there must not wait for a disk.

use std::ffi::c_long;
use std::os::fd::{AsFd, AsRawFd as _};

/// Number of cachestat(2), the same on every architecture; kernels before 6.5 do not have it.
const CACHESTAT: c_long = 451;
/// Bytes of a page where they are fewest. On larger ones a piece counts as absent, and is read in the long way.
const PAGE_BYTES: u64 = 4096;

/// `struct cachestat_range` of include/uapi/linux/mman.h.
#[repr(C)]
struct Range {
    offset: u64,
    length: u64,
}

/// `struct cachestat` there: pages that are cached, dirty, being written, evicted, evicted recently.
#[repr(C)]
#[derive(Default)]
struct Counts {
    cached: u64,
    others: [u64; 4],
}

/// Whether all of a piece is there. No, too, where the kernel cannot tell. A page that is being read from the disk counts
/// as there.
pub fn is_in_memory(file: impl AsFd, offset: u64, length: u64) -> bool {
    let (range, mut counts) = (Range { offset, length }, Counts::default());
    let file = file.as_fd().as_raw_fd();
    // SAFETY: the kernel reads the first structure and writes the second, both of which have the layout of its header
    // and live until it returns.
    let done = unsafe { libc::syscall(CACHESTAT, file, &raw const range, &raw mut counts, 0) };
    let pages = offset.saturating_add(length).div_ceil(PAGE_BYTES) - offset / PAGE_BYTES;
    done == 0 && counts.cached >= pages
}

#[cfg(test)]
mod tests {
    use super::is_in_memory;
    use std::io::Write as _;

    /// What was just written is there; what no file has is not. A kernel that cannot tell says no to both.
    #[test]
    fn what_was_written_is_in_memory() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 10_000]).unwrap();
        let can_tell = is_in_memory(&file, 0, 1);
        assert_eq!(is_in_memory(&file, 0, 10_000), can_tell);
        assert_eq!(is_in_memory(&file, 4095, 2), can_tell);
        assert!(!is_in_memory(&file, 0, 20_000));
        assert!(!is_in_memory(&file, 1 << 40, 1));
    }
}
