//! The write cache of a virtual disk, and what a power cut takes with it.
//!
//! A killed QEMU loses nothing that its guest wrote: the host's page cache has it. A real disk loses what it was not told
//! to flush. So QEMU logs all writes of a disk (its driver blklogwrites, in the format of drivers/md/dm-log-writes.c), and
//! after a cut the disk is made anew from the log: what was written before the last flush is there; each later write is
//! there wholly, to some sector, or not at all.

use model::failure::{Explain as _, Result};
use rustix::fs::{FallocateFlags, SeekFrom};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Unit of the log, and of the numbers in it: QEMU's default.
const SECTOR: u64 = 512;
/// Flags of an entry (drivers/md/dm-log-writes.c).
const FLUSH: u64 = 1;
const FUA: u64 = 1 << 1;
const DISCARD: u64 = 1 << 2;
const FLAGS: u64 = FLUSH | FUA | DISCARD;
/// How much is copied at once, in bytes.
const PIECE: u64 = 1 << 20;

/// A raw disk whose writes are logged, as three files beside each other.
#[derive(Debug)]
pub(crate) struct LoggedDisk {
    /// The disk itself.
    pub(crate) disk: PathBuf,
    /// The disk as it was when the log began.
    before: PathBuf,
    /// QEMU's log.
    pub(crate) log: PathBuf,
}

/// What a power cut took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Writes since the last flush.
    pub(crate) unflushed: usize,
    /// Of these: gone.
    pub(crate) whole: usize,
    /// Of these: cut off at some sector.
    pub(crate) torn: usize,
}

/// One entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// First sector on the disk.
    sector: u64,
    /// How many.
    sectors: u64,
    flags: u64,
    /// Where the octets are in the log, in bytes.
    data: u64,
}

impl LoggedDisk {
    /// The files of the disk at that path.
    pub(crate) fn at(disk: &Path) -> LoggedDisk {
        LoggedDisk {
            disk: disk.to_owned(),
            before: disk.with_extension("before"),
            log: disk.with_extension("log"),
        }
    }

    /// Keeps the disk as it is and begins an empty log: right before the box is switched on.
    pub(crate) fn begin(&self) -> Result<()> {
        copy_sparse(&self.disk, &self.before).or_fail(|| format!("cannot copy {}", self.disk.display()))?;
        File::create(&self.log).or_fail(|| format!("cannot make {}", self.log.display()))?;
        Ok(())
    }

    /// Makes the disk what a power cut leaves of it. `unit` is the size in bytes that a disk writes wholly or not at all:
    /// its logical sector.
    pub(crate) fn lose(&self, unit: u64, seed: u64) -> Result<Lost> {
        let log = File::open(&self.log).or_fail(|| format!("cannot read {}", self.log.display()))?;
        let size = std::fs::metadata(&self.before).map(|known| known.len());
        let size = size.or_fail(|| format!("cannot look at {}", self.before.display()))?;
        let entries = entries(&log, size).or_fail(|| format!("cannot read {}", self.log.display()))?;
        let (kept, lost) = decide(&entries, unit / SECTOR, seed);
        std::fs::rename(&self.before, &self.disk)
            .or_fail(|| format!("cannot replace {}", self.disk.display()))?;
        let disk = File::options().write(true).open(&self.disk);
        let disk = disk.or_fail(|| format!("cannot write {}", self.disk.display()))?;
        replay(&log, &disk, &kept).or_fail(|| format!("cannot write {}", self.disk.display()))?;
        std::fs::remove_file(&self.log).or_fail(|| format!("cannot remove {}", self.log.display()))?;
        Ok(lost)
    }

    /// Deletes all three.
    pub(crate) fn scrap(&self) {
        for path in [&self.disk, &self.before, &self.log] {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "of {} writes since the last flush {} are lost and {} torn",
            self.unflushed, self.whole, self.torn
        )
    }
}

/// The entries of a log. QEMU's own count of them is of its last flush; so the log is read to its end, and what was
/// being written when QEMU was killed (zeros where an entry should be) is stepped over.
fn entries(log: &File, disk_bytes: u64) -> std::io::Result<Vec<Entry>> {
    let end = log.metadata()?.len();
    let mut found = Vec::new();
    let mut at = SECTOR;
    while at + SECTOR <= end {
        let mut head = [0_u8; SECTOR as usize];
        log.read_exact_at(&mut head, at)?;
        match parse(&head, at + SECTOR, disk_bytes) {
            Some(entry) => {
                at = entry.data + if entry.flags & DISCARD == 0 { entry.sectors * SECTOR } else { 0 };
                if at <= end {
                    found.push(entry);
                }
            }
            None => at += SECTOR,
        }
    }
    Ok(found)
}

/// The entry that a sector of the log begins, if it begins one: four numbers and zeros.
fn parse(head: &[u8; SECTOR as usize], data: u64, disk_bytes: u64) -> Option<Entry> {
    let (numbers, rest) = head.split_at(32);
    let mut fields = numbers
        .chunks_exact(8)
        .map(|chunk| chunk.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    let (sector, sectors, flags, length) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let fits = sector.checked_add(sectors)?.checked_mul(SECTOR)? <= disk_bytes;
    let says_something = if flags & FLUSH == 0 { sectors > 0 } else { sector == 0 && sectors == 0 };
    let is_entry =
        fits && says_something && flags & !FLAGS == 0 && length == 0 && rest.iter().all(|byte| *byte == 0);
    is_entry.then_some(Entry { sector, sectors, flags, data })
}

/// What stays of a log, each entry cut to what reached the disk. `unit` is in sectors.
fn decide(entries: &[Entry], unit: u64, seed: u64) -> (Vec<Entry>, Lost) {
    let flushed = entries.iter().rposition(|entry| entry.flags & FLUSH != 0).map_or(0, |last| last + 1);
    let (safe, open) = entries.split_at(flushed);
    let mut kept = safe.to_vec();
    let mut lost = Lost { unflushed: open.len(), ..Lost::default() };
    let mut state = seed;
    for entry in open {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let draw = mixed(state);
        let units = entry.sectors / unit.max(1);
        match draw % 3 {
            _ if entry.flags & FUA != 0 => kept.push(*entry),
            0 => lost.whole += 1,
            1 if units > 1 && entry.flags & DISCARD == 0 => {
                lost.torn += 1;
                kept.push(Entry { sectors: (1 + (draw / 3) % (units - 1)) * unit.max(1), ..*entry });
            }
            _ => kept.push(*entry),
        }
    }
    (kept, lost)
}

/// SplitMix64's output for a state: consecutive seeds have nothing in common.
fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// Writes entries of a log to a disk.
fn replay(log: &File, disk: &File, entries: &[Entry]) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE as usize];
    for entry in entries.iter().filter(|entry| entry.sectors > 0) {
        let (start, length) = (entry.sector * SECTOR, entry.sectors * SECTOR);
        if entry.flags & DISCARD != 0 {
            rustix::fs::fallocate(
                disk,
                FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
                start,
                length,
            )?;
            continue;
        }
        transfer((log, entry.data), (disk, start), length, &mut piece)?;
    }
    Ok(())
}

/// A copy of a file that has its holes.
fn copy_sparse(from: &Path, to: &Path) -> std::io::Result<()> {
    let (from, to) = (File::open(from)?, File::create(to)?);
    to.set_len(from.metadata()?.len())?;
    let mut piece = vec![0; PIECE as usize];
    let mut at = 0;
    loop {
        let start = match rustix::fs::seek(&from, SeekFrom::Data(at)) {
            Ok(start) => start,
            // No data behind that place.
            Err(rustix::io::Errno::NXIO) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(&from, SeekFrom::Hole(start))?;
        transfer((&from, start), (&to, start), end - start, &mut piece)?;
        at = end;
    }
}

/// Copies `length` bytes from one file's place to another's.
fn transfer(from: (&File, u64), to: (&File, u64), length: u64, piece: &mut [u8]) -> std::io::Result<()> {
    let mut done = 0;
    while done < length {
        let part = (length - done).min(piece.len() as u64) as usize;
        let part = piece.get_mut(..part).unwrap_or_default();
        from.0.read_exact_at(part, from.1 + done)?;
        to.0.write_all_at(part, to.1 + done)?;
        done += part.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DISK: u64 = 64 * SECTOR;

    fn head(sector: u64, sectors: u64, flags: u64) -> Vec<u8> {
        let mut head: Vec<u8> =
            [sector, sectors, flags, 0].iter().flat_map(|number| number.to_le_bytes()).collect();
        head.resize(SECTOR as usize, 0);
        head
    }

    fn write(sector: u64, sectors: u64, octet: u8) -> Vec<u8> {
        let mut entry = head(sector, sectors, 0);
        entry.resize(entry.len() + (sectors * SECTOR) as usize, octet);
        entry
    }

    /// A disk of ones with that log, without QEMU's first sector, behind it.
    fn logged(folder: &Path, log: &[Vec<u8>]) -> LoggedDisk {
        let disk = LoggedDisk::at(&folder.join("disk0.raw"));
        std::fs::write(&disk.disk, vec![1; DISK as usize]).unwrap();
        disk.begin().unwrap();
        std::fs::write(&disk.disk, "what the guest saw").unwrap();
        let whole: Vec<u8> = [vec![7; SECTOR as usize]].iter().chain(log).flatten().copied().collect();
        std::fs::write(&disk.log, whole).unwrap();
        disk
    }

    #[test]
    fn what_was_flushed_is_there_and_what_was_not_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let log = [
            write(0, 2, 2),
            head(4, 4, DISCARD),
            head(0, 0, FLUSH),
            // What QEMU was writing when it was killed.
            vec![0; 3 * SECTOR as usize],
            write(16, 32, 3),
        ];
        let (mut gone, mut torn, mut there) = (0, 0, 0);
        for seed in 0..40 {
            let disk = logged(folder.path(), &log);
            let lost = disk.lose(SECTOR, seed).unwrap();
            assert_eq!(lost.unflushed, 1);
            let octets = std::fs::read(&disk.disk).unwrap();
            let sector = |number: u64| octets[(number * SECTOR) as usize];
            assert_eq!(octets.len() as u64, DISK);
            assert_eq!([0, 1, 2, 4, 7, 8, 15].map(sector), [2, 2, 1, 0, 0, 1, 1]);
            let written = (16..48).filter(|number| sector(*number) == 3).count();
            assert_eq!(octets.iter().filter(|octet| **octet == 3).count(), written * SECTOR as usize);
            match (lost.whole, lost.torn) {
                (1, 0) => gone += usize::from(written == 0),
                (0, 1) => torn += usize::from((1..32).contains(&written)),
                _ => there += usize::from(written == 32),
            }
        }
        assert_eq!(gone + torn + there, 40);
        assert!(gone > 5 && torn > 5 && there > 5, "{gone} {torn} {there}");
    }

    /// What QEMU itself logs is what it wrote: all of it is flushed when it ends.
    #[test]
    fn a_log_of_qemu_gives_the_disk_that_qemu_wrote() {
        if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
            eprintln!("skipped: needs qemu-io (BOOTWORKS_TEST_SYSTEM)");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let disk = LoggedDisk::at(&folder.path().join("disk0.raw"));
        File::create(&disk.disk).unwrap().set_len(64 << 20).unwrap();
        disk.begin().unwrap();
        let image = format!(
            "driver=blklogwrites,discard=unmap,file.driver=raw,file.discard=unmap,file.file.driver=file,\
             file.file.filename={},log.driver=file,log.filename={}",
            disk.disk.display(),
            disk.log.display()
        );
        let mut qemu = std::process::Command::new("qemu-io");
        qemu.args(["--image-opts", &image]);
        for write in [
            "write -P 1 0 1M",
            "write -P 2 4096 512",
            "flush",
            "aio_write -P 3 2M 3M",
            "aio_write -P 4 8M 64k",
            "aio_flush",
            "write -z 2M 64k",
            "discard 3M 1M",
            "write -f -P 5 60M 4k",
        ] {
            qemu.args(["-c", write]);
        }
        let ended = qemu.output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let written = std::fs::read(&disk.disk).unwrap();
        assert_eq!(disk.lose(SECTOR, 1).unwrap(), Lost::default());
        assert!(std::fs::read(&disk.disk).unwrap() == written, "the replayed disk is another");
        assert_eq!([written[0], written[4096], written[8 << 20], written[60 << 20]], [1, 2, 4, 5]);
    }

    #[test]
    fn a_sector_of_the_disk_is_not_torn() {
        let entry = Entry { sector: 0, sectors: 16, flags: 0, data: SECTOR };
        let cuts = (0..200).flat_map(|seed| decide(&[entry], 8, seed).0);
        assert!(cuts.map(|kept| kept.sectors).all(|sectors| sectors == 8 || sectors == 16));
    }

    #[test]
    fn a_write_that_went_past_the_cache_stays() {
        let entry = Entry { sector: 0, sectors: 16, flags: FUA, data: SECTOR };
        assert!((0..50).all(|seed| decide(&[entry], 1, seed).0 == [entry]));
    }

    /// What the property below found: a flush that says that it discards as well has nothing to discard.
    #[test]
    fn a_discard_of_nothing_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let disk = logged(folder.path(), &[head(0, 0, FLUSH | DISCARD)]);
        disk.lose(SECTOR, 1).unwrap();
    }

    #[test]
    fn holes_are_copied_as_holes() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let file = File::create(&from).unwrap();
        file.set_len(1 << 40).unwrap();
        file.write_all_at(b"here", 5 << 30).unwrap();
        copy_sparse(&from, &to).unwrap();
        let copy = File::open(&to).unwrap();
        let mut four = [0; 4];
        copy.read_exact_at(&mut four, 5 << 30).unwrap();
        assert_eq!((&four, copy.metadata().unwrap().len()), (b"here", 1 << 40));
        assert!(copy.metadata().unwrap().blocks() < 1000);
    }

    proptest! {
        /// A log of any octets is read to its end and names nothing beyond the disk or the log.
        #[test]
        fn any_log_is_read(octets in proptest::collection::vec(any::<u8>(), 0..4096), heads in proptest::collection::vec((0..80_u64, 0..80_u64, 0..9_u64), 0..6)) {
            let folder = tempfile::tempdir().unwrap();
            let log: Vec<Vec<u8>> =
                heads.iter().map(|(sector, sectors, flags)| head(*sector, *sectors, *flags)).chain([octets]).collect();
            let disk = logged(folder.path(), &log);
            disk.lose(SECTOR, 1).unwrap();
            prop_assert_eq!(std::fs::metadata(&disk.disk).unwrap().len(), DISK);
        }
    }
}
