//! Memory for a test of it: locked where it is, with the physical addresses behind it. What is written there is the
//! caller's.

use model::failure::{Explain as _, Failure, Result};
use rustix::mm::{MapFlags, ProtFlags, mlock, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::ptr::null_mut;

/// Words of memory that the kernel neither moves to a disk nor shares.
#[derive(Debug)]
pub struct Locked {
    start: *mut c_void,
    bytes: usize,
}

// SAFETY: the mapping belongs to this value alone and is the same from every thread.
unsafe impl Send for Locked {}

impl Locked {
    /// Takes `bytes`, rounded down to whole words, from what is free. All of it is zeros.
    pub fn of(bytes: usize) -> Result<Locked> {
        let cannot = || format!("cannot lock {bytes} bytes of memory");
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping at a place of the kernel's choice overlaps nothing.
        let start = unsafe { mmap_anonymous(null_mut(), bytes, protection, flags) };
        let start = start.map_err(std::io::Error::from).or_fail(cannot)?;
        let locked = Locked { start, bytes };
        // SAFETY: the mapping is ours and has this length; locking it changes nothing that anybody sees.
        unsafe { mlock(start, bytes) }.map_err(std::io::Error::from).or_fail(cannot)?;
        Ok(locked)
    }

    /// Its words.
    pub fn words(&mut self) -> &mut [u64] {
        // SAFETY: the mapping begins at a page, has room for so many words, each value is one, and it is borrowed from
        // its only owner for as long as the words are.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), self.bytes / size_of::<u64>()) }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: nobody has a reference into it, as that would borrow this value.
        let _ = unsafe { munmap(self.start, self.bytes) };
    }
}

/// The physical address of a word, where the kernel tells it (Documentation/admin-guide/mm/pagemap.rst).
pub fn physical_address(word: &u64) -> Option<u64> {
    let address = std::ptr::from_ref(word) as u64;
    let page_bytes = rustix::param::page_size() as u64;
    let mut entry = [0; 8];
    let pages = File::open("/proc/self/pagemap").ok()?;
    pages.read_exact_at(&mut entry, address / page_bytes * 8).ok()?;
    physical(u64::from_le_bytes(entry), page_bytes).map(|page| page + address % page_bytes)
}

/// Where the page of an entry is: bit 63 says that it is in memory, bits 0 to 54 its number, which is 0 for those who
/// may not know it.
fn physical(entry: u64, page_bytes: u64) -> Option<u64> {
    let number = entry & ((1 << 55) - 1);
    (entry >> 63 == 1 && number != 0).then(|| number.saturating_mul(page_bytes))
}

/// How much can be taken without pushing anything out that is in use, in bytes.
pub fn available_bytes(root: &Path) -> Result<u64> {
    let path = root.join("proc/meminfo");
    let text = std::fs::read_to_string(&path).or_fail(|| format!("cannot read {}", path.display()))?;
    let kibibytes = text.lines().find_map(|line| {
        line.strip_prefix("MemAvailable:")?.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    kibibytes
        .and_then(|kibibytes| kibibytes.checked_mul(1024))
        .ok_or_else(|| Failure::new(format!("{} does not say how much is available", path.display())))
}

/// Errors that the memory controllers have counted, corrected ones included; none where no driver counts them
/// (Documentation/driver-api/edac.rst).
pub fn controller_errors(root: &Path) -> u64 {
    let count = |path: std::path::PathBuf| -> u64 {
        std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default()
    };
    let Ok(controllers) = std::fs::read_dir(root.join("sys/devices/system/edac/mc")) else { return 0 };
    let folders = controllers.flatten().map(|entry| entry.path());
    folders.map(|folder| count(folder.join("ce_count")).saturating_add(count(folder.join("ue_count")))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test of memory that is not there, or that somebody else writes to, proves nothing.
    #[test]
    fn locked_memory_is_ours_and_keeps_what_is_written() {
        let mut locked = Locked::of(1 << 20).unwrap();
        let words = locked.words();
        assert_eq!(words.len(), 1 << 17);
        assert!(words.iter().all(|word| *word == 0));
        words[70_000] = 7;
        assert_eq!(locked.words()[70_000], 7);
        assert!(Locked::of(usize::MAX / 2).unwrap_err().report().contains("cannot lock"));
    }

    /// A wrong address sends somebody to the wrong slot.
    #[test]
    fn pages_are_found_by_their_entries() {
        assert_eq!(physical(1 << 63 | 0x123, 4096), Some(0x12_3000));
        assert_eq!(physical(1 << 63 | 1 << 55 | 0x123, 4096), Some(0x12_3000));
        assert_eq!((physical(1 << 63, 4096), physical(0x123, 4096)), (None, None));
    }

    /// What is free and what was counted is read from where the kernel says it.
    #[test]
    fn counts_are_read() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(controller_errors(root.path()), 0);
        assert!(available_bytes(root.path()).unwrap_err().report().contains("proc/meminfo"));
        std::fs::create_dir_all(root.path().join("proc")).unwrap();
        std::fs::write(root.path().join("proc/meminfo"), "MemTotal: 9 kB\nMemAvailable:     512 kB\n")
            .unwrap();
        assert_eq!(available_bytes(root.path()).unwrap(), 512 << 10);
        for (name, corrected) in [("mc0", "3\n"), ("mc1", "4\n")] {
            let folder = root.path().join("sys/devices/system/edac/mc").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("ce_count"), corrected).unwrap();
        }
        assert_eq!(controller_errors(root.path()), 7);
    }
}
