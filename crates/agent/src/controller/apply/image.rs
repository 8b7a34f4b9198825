//! The image: streamed from the server, its digest taken on the way, unpacked into the target.
//!
//! ```text
//!   server -- fetching thread: SHA-256 of what arrives -- 8 pieces -- decompressing threads -- tar -- disk
//!                                                                                           SHA-256 of each file
//! ```
//! Nothing is kept: memory is a few pieces, whatever the image's size. What it is compressed with its first octets
//! tell; entries are written in `entry`.

mod entry;

use super::fault::{Blame as _, Fault, Outcome};
use super::ledger::{Digest, Ledger, hex};
use crate::controller::download::Download;
use crate::controller::witness::Meter;
use entry::Unpacking;
use linux::archive::Archive;
use linux::compression;
use linux::tree::Tree;
use model::api::JobImage;
use model::failure::{Explain as _, Failure, Result};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::net::SocketAddrV4;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How much is handed from the network to the unpacking at once.
const PIECE_BYTES: usize = 256 * 1024;
/// How many pieces may wait between the two.
const PIECES: usize = 8;

/// Why unpacking stopped.
enum Stop {
    /// The archive cannot be read on.
    Broken(io::Error),
    /// The target does not take it.
    Refused(Failure),
}

/// Fetches an image and unpacks it into the tree at `target`.
pub(crate) fn unpack(
    server: SocketAddrV4,
    image: &JobImage,
    target: &Path,
    ledger: &mut Ledger,
    meter: &Meter<'_>,
) -> Outcome<()> {
    let say = |line: &str| meter.say(line);
    let (sender, pieces) = sync_channel(PIECES);
    let (fetched, unpacked) = std::thread::scope(|scope| {
        let fetching = scope.spawn(move || {
            let path = format!("/image/{}", image.sha256);
            fetch(Download::new(server, path, image.bytes, &say), &sender)
        });
        let mut stream = Stream { pieces, piece: Vec::new(), at: 0, done_bytes: 0, meter };
        let unpacked = unpack_stream(&mut stream, target, ledger);
        // The digest decides whether the archive or its way here is to blame, so the rest is fetched all the
        // same; where the target is to blame, there is no need to.
        if !matches!(unpacked, Err(Stop::Refused(_))) {
            let _ = io::copy(&mut stream, &mut io::sink());
        }
        drop(stream);
        let panicked = |_| Err(Failure::new("the thread that fetches the image ended unexpectedly"));
        (fetching.join().unwrap_or_else(panicked), unpacked)
    });
    if let Err(Stop::Refused(failure)) = unpacked {
        return Err(failure).blame("disk-io-error");
    }
    let digest = hex(&fetched.blame("http-unreachable")?);
    if digest != image.sha256 {
        let mut failure = Failure::new("the image that arrived is not the one that was promised")
            .because(format!("its SHA-256 is {digest}"))
            .because(format!("it should be   {}", image.sha256));
        if let Err(Stop::Broken(error)) = unpacked {
            failure = failure.because(format!("the archive could not be read on: {error}"));
        }
        let hint = "look at the server's disk and memory, then `bootworks build` the image anew";
        return Err(Fault { cause: "image-corrupt", failure: failure.hint(hint) });
    }
    match unpacked {
        Err(Stop::Broken(error)) => {
            let failure = Failure::new("the image is no tar archive that can be unpacked")
                .because(error)
                .hint("it arrived as promised; look at how it was made");
            Err(Fault { cause: "image-wrong-compression", failure })
        }
        _ => {
            rustix::fs::sync();
            Ok(())
        }
    }
}

/// Fetches everything, hands it over piece by piece and gives its digest.
fn fetch(mut download: Download<'_>, pieces: &SyncSender<Vec<u8>>) -> Result<Digest> {
    let mut hasher = Sha256::new();
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let mut filled = 0;
        while filled < PIECE_BYTES {
            match download.next(&mut piece[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        piece.truncate(filled);
        hasher.update(&piece);
        // Nobody listens any more where the target refused; why is known there.
        if filled == 0 || pieces.send(piece).is_err() {
            return Ok(hasher.finalize().into());
        }
    }
}

/// The pieces as one stream.
struct Stream<'a> {
    pieces: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    done_bytes: u64,
    meter: &'a Meter<'a>,
}

impl Read for Stream<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            match self.pieces.recv() {
                Ok(piece) => (self.piece, self.at) = (piece, 0),
                // The end, or a fetch that failed and says so itself.
                Err(_) => return Ok(0),
            }
            self.done_bytes += self.piece.len() as u64;
            self.meter.at(self.done_bytes);
        }
        let count = into.len().min(self.piece.len() - self.at);
        into[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn unpack_stream(stream: &mut Stream<'_>, target: &Path, ledger: &mut Ledger) -> Result<(), Stop> {
    let unpacked = compression::read_plain(stream, |_, plain| {
        unpack_archive(&mut *plain, target, ledger)?;
        // Checksums of the whole stand at its end, behind the archive's.
        io::copy(plain, &mut io::sink()).map_err(Stop::Broken)?;
        Ok(())
    });
    unpacked.map_err(Stop::Broken)?
}

/// Unpacks a plain archive; what stands behind its end is left unread.
fn unpack_archive(archive: impl Read, target: &Path, ledger: &mut Ledger) -> Result<(), Stop> {
    let opened = Tree::open(target).map_err(io::Error::from);
    let tree = opened.or_fail(|| format!("cannot open {}", target.display())).map_err(Stop::Refused)?;
    let mut unpacking = Unpacking::into(tree, ledger);
    let mut archive = Archive::of(archive);
    while let Some(entry) = archive.advance().map_err(Stop::Broken)? {
        unpacking.take(entry, &mut archive)?;
    }
    unpacking.finish()
}

#[cfg(test)]
mod tests;
