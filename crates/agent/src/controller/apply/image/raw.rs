//! Images that are written as they are: a file system, or a whole disk.
//!
//! ```text
//!   plain octets -- pieces of 4 MiB --+-- writing thread: fingerprint of the piece, device
//!                                     +-- writing thread
//!                                         reading thread: what was written long ago, while no piece waits
//! ```
//! A disk that waits for the image is read meanwhile, far behind of where it is written; what is left is read when all
//! is written, and a part of the rest once more (docs/decisions/0063-read-behind.md).
//!
//! What stands before the first partition of a whole disk is kept in memory until the seal: without it no firmware
//! finds anything to start.

use super::Stop;
use crate::controller::apply::fault::{Blame as _, Outcome};
use crate::controller::apply::ledger::{digest_of, hex};
use crate::controller::witness::Meter;
use linux::direct::{Direct, PIECE_BYTES, Piece, Run};
use model::failure::{Failure, Result};
use model::record::ReadBack;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::ScopedJoinHandle;
use twox_hash::xxhash3_128;

/// Threads that write: a disk is kept busy by two requests, and a fingerprint is taken meanwhile.
const WRITERS: usize = 2;
/// Pieces on their way.
const PIECES: usize = 6;

/// So many pieces behind of what is written a disk is read: 512 MiB, more than disks keep in memory of their own.
pub(super) const LAG: usize = (512 << 20) / PIECE_BYTES;
/// Of what was read meanwhile every so manieth piece is read once more at the end. A disk that claims to be larger than it
/// is has written over its beginning then, by gigabytes.
const ONCE_MORE: usize = 32;

/// What was written, to compare it with and to seal it by.
#[derive(Debug)]
pub(crate) struct Written {
    node: PathBuf,
    /// What of the image is on the device.
    extent: Range<u64>,
    /// What stands before that in the image.
    pub(crate) head: Vec<u8>,
    /// Of each piece.
    fingerprints: Vec<Fingerprint>,
    /// So many pieces have been compared already.
    compared: usize,
}

/// A piece on its way to a writer.
struct Load {
    index: usize,
    part: Range<usize>,
    piece: Piece,
}

/// What the threads share that write and read.
struct Writing<'a> {
    device: &'a Direct,
    node: &'a Path,
    extent: &'a Range<u64>,
    /// So many pieces behind of what is written are read.
    lag: usize,
    progress: Mutex<Progress>,
    /// Told whenever a piece is written, and at the end.
    is_written: Condvar,
    refusal: Mutex<Option<Failure>>,
    is_refused: AtomicBool,
}

#[derive(Default)]
struct Progress {
    /// Of each piece that is written.
    fingerprints: Vec<Fingerprint>,
    /// Pieces that were cut and are not written yet.
    waiting: usize,
    /// Pieces that were read and compared.
    compared: usize,
    is_over: bool,
}

/// Writes `extent` of the plain octets to the device at `node`, where the same bytes get the same place. The image must
/// have exactly `bytes`.
pub(super) fn write(
    plain: &mut dyn Read,
    bytes: u64,
    extent: Range<u64>,
    node: &Path,
) -> Result<Written, Stop> {
    write_and_read_behind(plain, bytes, extent, node, LAG)
}

/// The same, and while the disk waits it is read so many pieces behind.
pub(super) fn write_and_read_behind(
    plain: &mut dyn Read,
    bytes: u64,
    extent: Range<u64>,
    node: &Path,
    lag: usize,
) -> Result<Written, Stop> {
    let device = Direct::open(node).map_err(Stop::Refused)?;
    let (loads, to_write) = sync_channel::<Load>(PIECES);
    let (empties, to_fill) = sync_channel::<Piece>(PIECES);
    for _ in 0..PIECES {
        let _ = empties.send(Piece::default());
    }
    let to_write = Mutex::new(to_write);
    let writing = Writing {
        device: &device,
        node,
        extent: &extent,
        lag,
        progress: Mutex::default(),
        is_written: Condvar::new(),
        refusal: Mutex::default(),
        is_refused: AtomicBool::new(false),
    };
    let read = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let empties = empties.clone();
                let (writing, to_write) = (&writing, &to_write);
                scope.spawn(move || writing.write(to_write, &empties))
            })
            .collect();
        scope.spawn(|| writing.read_behind());
        // A writer that ends must be noticed: only the writers may keep this alive.
        drop(empties);
        let read = cut(plain, &writing, &to_fill, &loads);
        // Nothing more comes, so the writers end, and then the reader.
        drop(loads);
        let ends: Vec<_> = writers.into_iter().map(ScopedJoinHandle::join).collect();
        lock(&writing.progress).is_over = true;
        writing.is_written.notify_all();
        if ends.iter().all(std::thread::Result::is_ok) {
            read
        } else {
            Err(io::Error::other("a thread that writes ended unexpectedly"))
        }
    });
    let Writing { progress, refusal, .. } = writing;
    if let Some(failure) = lock(&refusal).take() {
        return Err(Stop::Refused(failure));
    }
    let (head, count) = read.map_err(Stop::Broken)?;
    if count != bytes {
        let text = format!("it has {count} bytes, and had {bytes} when the line was built");
        return Err(Stop::Broken(io::Error::other(text)));
    }
    device.settle().map_err(Stop::Refused)?;
    let Progress { fingerprints, compared, .. } =
        progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Written { node: node.to_owned(), extent, head, fingerprints, compared })
}

impl Writing<'_> {
    /// Writes what comes until nothing more does.
    fn write(&self, loads: &Mutex<Receiver<Load>>, empties: &SyncSender<Piece>) {
        while let Some(Load { index, part, piece }) = next(loads) {
            let fingerprint = fingerprint(&piece, part.clone());
            if let Err(failure) = self.device.write((index * PIECE_BYTES) as u64, &piece, part) {
                self.refuse(failure);
            }
            let mut progress = lock(&self.progress);
            if progress.fingerprints.len() <= index {
                progress.fingerprints.resize(index + 1, Fingerprint::default());
            }
            progress.fingerprints[index] = fingerprint;
            progress.waiting -= 1;
            drop(progress);
            self.is_written.notify_one();
            let _ = empties.send(piece);
        }
    }

    /// Reads what was written long ago while the disk has nothing to write, until the end.
    fn read_behind(&self) {
        let mut piece = Piece::default();
        loop {
            // Where none waits, all pieces that were cut are on the disk.
            let may_wait = |progress: &mut Progress| {
                let is_idle = progress.waiting == 0;
                let is_behind = progress.compared.saturating_add(self.lag) < progress.fingerprints.len();
                !(progress.is_over || (is_idle && is_behind))
            };
            let progress = lock(&self.progress);
            let progress = self.is_written.wait_while(progress, may_wait);
            let progress = progress.unwrap_or_else(PoisonError::into_inner);
            if progress.is_over || self.is_refused.load(Ordering::Relaxed) {
                return;
            }
            let index = progress.compared;
            let wanted = progress.fingerprints[index];
            drop(progress);
            match compare(self.device, self.node, self.extent, index, wanted, &mut piece) {
                Ok(()) => lock(&self.progress).compared += 1,
                Err(failure) => return self.refuse(failure),
            }
        }
    }

    fn refuse(&self, failure: Failure) {
        self.is_refused.store(true, Ordering::Relaxed);
        lock(&self.refusal).get_or_insert(failure);
    }
}

/// Cuts what comes into pieces for the writers. Gives what stands before `extent`, and how much there was.
fn cut(
    plain: &mut dyn Read,
    writing: &Writing<'_>,
    to_fill: &Receiver<Piece>,
    loads: &SyncSender<Load>,
) -> io::Result<(Vec<u8>, u64)> {
    let extent = writing.extent;
    let mut head = Vec::new();
    let mut count = 0;
    let mut unsent = None;
    for index in 0.. {
        let Some(mut piece) = unsent.take().or_else(|| to_fill.recv().ok()) else { break };
        let filled = piece.fill(plain)?;
        let start = (index * PIECE_BYTES) as u64;
        let kept = extent.start.saturating_sub(start).min(filled as u64);
        head.extend_from_slice(&piece.octets()[..usize::try_from(kept).unwrap_or(PIECE_BYTES)]);
        count += filled as u64;
        let part = part(extent, index);
        // A last sector that is not whole is filled up with zeros.
        if filled == 0 || writing.is_refused.load(Ordering::Relaxed) {
            break;
        }
        if part.is_empty() {
            unsent = Some(piece);
            continue;
        }
        lock(&writing.progress).waiting += 1;
        if loads.send(Load { index, part, piece }).is_err() {
            break;
        }
    }
    Ok((head, count))
}

/// Which part of a piece is inside of `extent`.
fn part(extent: &Range<u64>, index: usize) -> Range<usize> {
    let start = (index * PIECE_BYTES) as u64;
    let clip = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX).min(PIECE_BYTES);
    clip(extent.start)..clip(extent.end).max(clip(extent.start))
}

/// What tells a part of a piece from any other: XXH3 of 128 bits (xxHash, `doc/xxhash_spec.md`) of its runs, each with
/// its kind and length before it; of zeros nothing else, since half of many disks is zeros. A disk, a cable or memory
/// does not choose its errors; against those who do stands the image's own SHA-256.
type Fingerprint = u128;

fn fingerprint(piece: &Piece, part: Range<usize>) -> Fingerprint {
    let mut hasher = xxhash3_128::Hasher::new();
    for run in piece.runs(part) {
        let (kind, length, octets) = match run {
            Run::Zeros { length, .. } => (0, length, &[][..]),
            Run::Octets { octets, .. } => (1, octets.len(), octets),
        };
        hasher.write(&[kind]);
        hasher.write(&(length as u64).to_le_bytes());
        hasher.write(octets);
    }
    hasher.finish_128()
}

fn next(loads: &Mutex<Receiver<Load>>) -> Option<Load> {
    lock(loads).recv().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Written {
    /// How much is on the device.
    pub(crate) fn bytes(&self) -> u64 {
        self.extent.end - self.extent.start
    }

    /// How many pieces were read and compared while others were written.
    #[cfg(test)]
    pub(super) fn compared(&self) -> usize {
        self.compared
    }

    /// Reads back and compares what was not read yet, and a part of the rest once more.
    pub(crate) fn verify(&self, meter: &Meter<'_>) -> Outcome<ReadBack> {
        let device = Direct::open(&self.node).blame("disk-io-error")?;
        let is_left = |index: usize| index >= self.compared || index.is_multiple_of(ONCE_MORE);
        let all = self.fingerprints.iter().copied().enumerate();
        let to_read: Vec<(usize, Fingerprint)> = all.filter(|(index, _)| is_left(*index)).collect();
        let (upcoming, trouble) = (AtomicUsize::new(0), Mutex::new(None));
        let compared = (0..self.compared).map(|index| part(&self.extent, index).len() as u64).sum();
        let bytes = AtomicU64::new(compared);
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    let mut piece = Piece::default();
                    while let Some((index, wanted)) = to_read.get(upcoming.fetch_add(1, Ordering::Relaxed)) {
                        let found = compare(&device, &self.node, &self.extent, *index, *wanted, &mut piece);
                        if let Err(failure) = found {
                            lock(&trouble).get_or_insert(failure);
                            return;
                        }
                        if *index >= self.compared {
                            let done = part(&self.extent, *index).len() as u64;
                            meter.at(bytes.fetch_add(done, Ordering::Relaxed) + done);
                        }
                    }
                });
            }
        });
        if let Some(failure) = lock(&trouble).take() {
            return Err(failure).blame("disk-io-error");
        }
        let all: Vec<u8> =
            self.fingerprints.iter().flat_map(|fingerprint| fingerprint.to_be_bytes()).collect();
        let sha256 = hex(&digest_of(&all));
        Ok(ReadBack { files: 0, bytes: bytes.into_inner(), sha256 })
    }
}

/// Reads a piece of the device and compares it.
fn compare(
    device: &Direct,
    node: &Path,
    extent: &Range<u64>,
    index: usize,
    wanted: Fingerprint,
    piece: &mut Piece,
) -> Result<()> {
    let part = part(extent, index);
    if part.is_empty() {
        return Ok(());
    }
    let start = (index * PIECE_BYTES) as u64;
    device.read(start, piece, part.clone())?;
    if fingerprint(piece, part.clone()) == wanted {
        return Ok(());
    }
    let (from, to) = (start + part.start as u64, start + part.end as u64);
    Err(Failure::new(format!("the image is not on {} as written", node.display()))
        .because(format!("bytes {from} to {} are others than were written", to - 1))
        .hint("put in another disk; look at its cable, its controller and the box's memory"))
}
