//! The frames of an image: what is compressed by itself, many at a time, and taken over from an earlier image that
//! has the same.
//!
//! Where a frame ends is decided by sizes and names near its end alone, so that a file that grows moves the ends of the
//! few frames after it and no others. What a frame holds is known without reading files that the configured base has:
//! these are named by the base and their path.

use super::super::store::{digest_file, hex};
use model::failure::{Explain as _, Failure, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use zstd::stream::write::Encoder;

/// What a frame holds uncompressed at most; small enough for a box's memory, large enough to compress well.
pub(crate) const LARGEST: u64 = 8 << 20;
/// What it holds at least before it may end between two files.
const SMALLEST: u64 = 1 << 20;
/// One of so many names may be a frame's last: frames then have some megabytes, and two ways of cutting soon meet.
const LAST_NAMES: u64 = 64;
/// A file of this size begins a frame.
const LARGE: u64 = 4 << 20;
/// zstd's level: 9 would take three times as long for a twentieth of the size.
const LEVEL: i32 = 3;
/// Changes with how frames are compressed, so that frames of an older form are not taken over.
const FORM: &str = "frames-1";

/// A stream that is being cut into frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    done: Vec<Frame>,
    open: Frame,
}

#[derive(Debug, Default)]
struct Frame {
    pieces: Vec<Piece>,
    bytes: u64,
}

#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    /// `bytes` of a file from `from` on; `identity` says which content it has.
    File {
        path: PathBuf,
        identity: String,
        from: u64,
        bytes: u64,
    },
}

/// A frame of a finished image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Digest of what it holds.
    key: String,
    /// Where it begins in the image.
    at: u64,
    /// Its size there.
    bytes: u64,
    /// Its SHA-256.
    sha256: String,
}

/// A frame as it is written.
#[derive(Debug)]
struct Packed {
    key: String,
    bytes: Vec<u8>,
    sha256: String,
    /// Whether an earlier image had it.
    was_there: bool,
}

/// Frames of images that are there already.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    frames: HashMap<String, (usize, Kept)>,
    images: Vec<File>,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    /// SHA-256 of the file, hex.
    pub(super) sha256: String,
    /// Its size.
    pub(super) bytes: u64,
    /// Its frames, for the next image.
    pub(super) frames: Vec<Kept>,
    /// How many of them an earlier image had.
    pub(super) taken_over: usize,
}

impl Frames {
    /// Adds bytes of the stream.
    pub(super) fn add_bytes(&mut self, bytes: Vec<u8>) {
        self.open.bytes += bytes.len() as u64;
        self.open.pieces.push(Piece::Bytes(bytes));
    }

    /// Adds a file of this size. A large one begins a frame: from there on all is as it was, whatever has changed
    /// before.
    pub(super) fn add_file(&mut self, path: &Path, identity: &str, bytes: u64) {
        if bytes >= LARGE || self.open.bytes + bytes > LARGEST {
            self.cut();
        }
        let mut from = 0;
        while from < bytes {
            let part = (bytes - from).min(LARGEST.saturating_sub(self.open.bytes));
            if part == 0 {
                self.cut();
                continue;
            }
            self.open.bytes += part;
            let (path, identity) = (path.to_owned(), identity.to_owned());
            self.open.pieces.push(Piece::File { path, identity, from, bytes: part });
            from += part;
        }
    }

    /// Ends the entry of this name, and the frame where it may end here.
    pub(super) fn end(&mut self, name: &Path) {
        // FNV-1a; its high digits are the better ones.
        let sum = name.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let may_be_last = (sum >> 32).is_multiple_of(LAST_NAMES);
        if self.open.bytes >= LARGEST || (self.open.bytes >= SMALLEST && may_be_last) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.open.bytes > 0 {
            self.done.push(std::mem::take(&mut self.open));
        }
    }

    /// Compresses the frames into a file, but for those that `earlier` has.
    pub(super) fn write(mut self, to: &Path, earlier: &Earlier) -> Result<Written> {
        self.cut();
        let writing = || format!("cannot write {}", to.display());
        let mut file = File::create(to).or_fail(writing)?;
        let mut written = Written { sha256: String::new(), bytes: 0, frames: Vec::new(), taken_over: 0 };
        let mut hash = Sha256::new();
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        for frames in self.done.chunks(threads) {
            let packed: Vec<Result<Packed>> = std::thread::scope(|scope| {
                let jobs: Vec<_> = frames.iter().map(|frame| scope.spawn(|| frame.packed(earlier))).collect();
                let lost = || Err(Failure::new("a compressing thread was lost"));
                jobs.into_iter().map(|job| job.join().unwrap_or_else(|_| lost())).collect()
            });
            for packed in packed {
                let Packed { key, bytes, sha256, was_there } = packed?;
                hash.update(&bytes);
                file.write_all(&bytes).or_fail(writing)?;
                let (at, size) = (written.bytes, bytes.len() as u64);
                written.frames.push(Kept { key, at, bytes: size, sha256 });
                written.bytes += size;
                written.taken_over += usize::from(was_there);
            }
        }
        file.sync_all().or_fail(writing)?;
        written.sha256 = hex(&hash.finalize());
        Ok(written)
    }
}

impl Frame {
    /// Compressed, unless an earlier image has it.
    fn packed(&self, earlier: &Earlier) -> Result<Packed> {
        let key = self.key();
        if let Some((bytes, sha256)) = earlier.take(&key) {
            return Ok(Packed { key, bytes, sha256, was_there: true });
        }
        let bytes = self.compressed()?;
        let sha256 = hex(&Sha256::digest(&bytes));
        Ok(Packed { key, bytes, sha256, was_there: false })
    }

    fn key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{FORM} {LEVEL}"));
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => {
                    hash.update((bytes.len() as u64).to_le_bytes());
                    hash.update(bytes);
                }
                Piece::File { identity, from, bytes, .. } => {
                    hash.update(format!("file {} {identity} {from} {bytes}", identity.len()));
                }
            }
        }
        hex(&hash.finalize())
    }

    fn compressed(&self) -> Result<Vec<u8>> {
        let packing = || "cannot compress a frame of the image".to_owned();
        let mut encoder = begin(self.bytes).or_fail(packing)?;
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => encoder.write_all(bytes).or_fail(packing)?,
                Piece::File { path, from, bytes, .. } => {
                    let reading = || format!("cannot read {}", path.display());
                    let mut file = File::open(path).or_fail(reading)?;
                    file.seek(SeekFrom::Start(*from)).or_fail(reading)?;
                    // What grows while it is read must not shift what comes after it.
                    let copied = std::io::copy(&mut file.take(*bytes), &mut encoder).or_fail(reading)?;
                    if copied < *bytes {
                        return Err(Failure::new(reading()).because("it became shorter meanwhile"));
                    }
                }
            }
        }
        encoder.finish().or_fail(packing)
    }
}

/// Begins a frame that so many bytes go into.
pub(crate) fn begin(bytes: u64) -> std::io::Result<Encoder<'static, Vec<u8>>> {
    let mut encoder = Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(bytes))?;
    Ok(encoder)
}

impl Earlier {
    /// The frames of an image, by the list that was kept beside it. What cannot be read is made again.
    pub(super) fn add(&mut self, image: &Path, list: &Path) {
        let Ok(text) = std::fs::read(list) else { return };
        let (Ok(frames), Ok(file)) = (serde_json::from_slice::<Vec<Kept>>(&text), File::open(image)) else {
            return;
        };
        let number = self.images.len();
        self.images.push(file);
        self.frames.extend(frames.into_iter().map(|frame| (frame.key.clone(), (number, frame))));
    }

    /// The frame with this key and its SHA-256, if it is as it was written.
    fn take(&self, key: &str) -> Option<(Vec<u8>, String)> {
        let (image, kept) = self.frames.get(key)?;
        let file = self.images.get(*image)?;
        // The size stands in a file that anybody may have changed.
        if kept.at.checked_add(kept.bytes)? > file.metadata().ok()?.len() {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(kept.bytes).ok()?];
        file.read_exact_at(&mut bytes, kept.at).ok()?;
        let sha256 = hex(&Sha256::digest(&bytes));
        (sha256 == kept.sha256).then_some((bytes, sha256))
    }
}

/// Names the content of a file: by its base where it is that one's, else by its digest.
pub(super) fn identity(path: &Path, of_base: Option<String>) -> Result<String> {
    match of_base {
        Some(identity) => Ok(format!("base {identity}")),
        None => digest_file(path).map(|(sha256, _)| format!("sha256 {sha256}")),
    }
}
