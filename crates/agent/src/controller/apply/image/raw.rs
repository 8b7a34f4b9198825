//! Images that are written as they are: a file system, or a whole disk.
//!
//! ```text
//!   plain octets -- pieces of 4 MiB --+-- writing thread: fingerprint of the piece, device
//!                                     +-- writing thread
//! ```
//! What stands before the first partition of a whole disk is kept in memory until the seal: without it no firmware
//! finds anything to start.

use super::Stop;
use crate::controller::apply::fault::{Blame as _, Fault, Outcome};
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
use std::sync::{Mutex, PoisonError};
use twox_hash::xxhash3_128;

/// Threads that write: a disk is kept busy by two requests, and a fingerprint is taken meanwhile.
const WRITERS: usize = 2;
/// Pieces on their way.
const PIECES: usize = 6;

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
}

/// A piece on its way to a writer.
struct Load {
    index: usize,
    part: Range<usize>,
    piece: Piece,
}

/// Writes `extent` of the plain octets to the device at `node`, where the same bytes get the same place. The image must
/// have exactly `bytes`.
pub(super) fn write(
    plain: &mut dyn Read,
    bytes: u64,
    extent: Range<u64>,
    node: &Path,
) -> Result<Written, Stop> {
    let device = Direct::open(node).map_err(Stop::Refused)?;
    let (loads, to_write) = sync_channel::<Load>(PIECES);
    let (empties, to_fill) = sync_channel::<Piece>(PIECES);
    for _ in 0..PIECES {
        let _ = empties.send(Piece::default());
    }
    let to_write = Mutex::new(to_write);
    let (fingerprints, refusal, is_refused) =
        (Mutex::new(Vec::new()), Mutex::new(None), AtomicBool::new(false));
    let read = std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            let empties = empties.clone();
            let (to_write, device, fingerprints) = (&to_write, &device, &fingerprints);
            let (refusal, is_refused) = (&refusal, &is_refused);
            scope.spawn(move || {
                while let Some(load) = next(to_write) {
                    let Load { index, part, piece } = load;
                    let fingerprint = fingerprint(&piece, part.clone());
                    if let Err(failure) = device.write((index * PIECE_BYTES) as u64, &piece, part) {
                        is_refused.store(true, Ordering::Relaxed);
                        lock(refusal).get_or_insert(failure);
                    }
                    let mut fingerprints = lock(fingerprints);
                    if fingerprints.len() <= index {
                        fingerprints.resize(index + 1, Fingerprint::default());
                    }
                    fingerprints[index] = fingerprint;
                    drop(fingerprints);
                    let _ = empties.send(piece);
                }
            });
        }
        // A writer that ends must be noticed: only the writers may keep this alive.
        drop(empties);
        let read = cut(plain, &extent, &to_fill, &loads, &is_refused);
        // Nothing more comes, so the writers end.
        drop(loads);
        read
    });
    if let Some(failure) = lock(&refusal).take() {
        return Err(Stop::Refused(failure));
    }
    let (head, count) = read.map_err(Stop::Broken)?;
    if count != bytes {
        let text = format!("it has {count} bytes, and had {bytes} when the line was built");
        return Err(Stop::Broken(io::Error::other(text)));
    }
    device.settle().map_err(Stop::Refused)?;
    let fingerprints = fingerprints.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Written { node: node.to_owned(), extent, head, fingerprints })
}

/// Cuts what comes into pieces for the writers. Gives what stands before `extent`, and how much there was.
fn cut(
    plain: &mut dyn Read,
    extent: &Range<u64>,
    to_fill: &Receiver<Piece>,
    loads: &SyncSender<Load>,
    is_refused: &AtomicBool,
) -> io::Result<(Vec<u8>, u64)> {
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
        if filled == 0 || is_refused.load(Ordering::Relaxed) {
            break;
        }
        if part.is_empty() {
            unsent = Some(piece);
        } else if loads.send(Load { index, part, piece }).is_err() {
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

    /// Reads everything back and compares.
    pub(crate) fn verify(&self, meter: &Meter<'_>) -> Outcome<ReadBack> {
        let device = Direct::open(&self.node).blame("disk-io-error")?;
        let (upcoming, bytes, trouble) = (AtomicUsize::new(0), AtomicU64::new(0), Mutex::new(None));
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    let mut piece = Piece::default();
                    loop {
                        let index = upcoming.fetch_add(1, Ordering::Relaxed);
                        let Some(wanted) = self.fingerprints.get(index) else { return };
                        if let Err(fault) = self.compare(&device, index, wanted, &mut piece) {
                            lock(&trouble).get_or_insert(fault);
                            return;
                        }
                        let done = part(&self.extent, index).len() as u64;
                        meter.at(bytes.fetch_add(done, Ordering::Relaxed) + done);
                    }
                });
            }
        });
        if let Some(fault) = lock(&trouble).take() {
            return Err(fault);
        }
        let all: Vec<u8> =
            self.fingerprints.iter().flat_map(|fingerprint| fingerprint.to_be_bytes()).collect();
        let sha256 = hex(&digest_of(&all));
        Ok(ReadBack { files: 0, bytes: bytes.into_inner(), sha256 })
    }

    fn compare(&self, device: &Direct, index: usize, wanted: &Fingerprint, piece: &mut Piece) -> Outcome<()> {
        let part = part(&self.extent, index);
        if part.is_empty() {
            return Ok(());
        }
        let start = (index * PIECE_BYTES) as u64;
        device.read(start, piece, part.clone()).blame("disk-io-error")?;
        if fingerprint(piece, part.clone()) == *wanted {
            return Ok(());
        }
        let (from, to) = (start + part.start as u64, start + part.end as u64);
        let failure = Failure::new(format!("the image is not on {} as written", self.node.display()))
            .because(format!("bytes {from} to {} are others than were written", to - 1))
            .hint("put in another disk; look at its cable, its controller and the box's memory");
        Err(Fault { cause: "disk-io-error", failure })
    }
}
