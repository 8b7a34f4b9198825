//! The image: streamed from the server, its digest taken on the way, unpacked into the target.
//!
//! ```text
//!   server -- fetching thread: SHA-256 of what arrives -- 8 pieces -- decompressing threads -- tar -- disk
//!                                                                                           SHA-256 of each file
//! ```
//! Nothing is kept: memory is a few pieces, whatever the image's size. What it is compressed with its first octets
//! tell; entries are written in `entry`, images that are no archives in `raw`.

mod entry;
mod raw;

pub(crate) use raw::Written;

use super::fault::{Blame as _, Fault, Outcome};
use super::ledger::{Digest, Ledger, hex};
use crate::controller::download::Download;
use crate::controller::witness::Meter;
use crate::digest::Sha256;
use entry::Unpacking;
use linux::archive::Archive;
use linux::compression;
use linux::tree::Tree;
use minisign_verify::{PublicKey, Signature};
use model::api::JobImage;
use model::failure::{Explain as _, Failure, Result};
use model::raw::{ImageContent, ImageSignature};
use std::io::{self, Read};
use std::net::SocketAddrV4;
use std::ops::Range;
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
    stream(server, image, meter, |plain| unpack_archive(plain, target, ledger))?;
    rustix::fs::sync();
    Ok(())
}

/// Fetches an image and writes it to the device at `node` as it is.
pub(crate) fn write(
    server: SocketAddrV4,
    image: &JobImage,
    extent: Range<u64>,
    node: &Path,
    meter: &Meter<'_>,
) -> Outcome<Written> {
    stream(server, image, meter, |plain| raw::write(plain, image.unpacked_bytes, extent, node))
}

/// Fetches an image; `work` gets its plain octets.
fn stream<T>(
    server: SocketAddrV4,
    image: &JobImage,
    meter: &Meter<'_>,
    work: impl FnOnce(&mut dyn Read) -> Result<T, Stop>,
) -> Outcome<T> {
    let say = |line: &str| meter.say(line);
    let (sender, pieces) = sync_channel(PIECES);
    let (fetched, worked) = std::thread::scope(|scope| {
        let fetching = scope.spawn(move || {
            let path = format!("/image/{}", image.sha256);
            let seal = image.signature.as_ref();
            fetch(Download::new(server, path, image.bytes, &say), seal, &sender)
        });
        let mut stream = Stream { pieces, piece: Vec::new(), at: 0, done_bytes: 0, meter };
        let worked = compression::read_plain(&mut stream, |_, plain| {
            let worked = work(&mut *plain)?;
            // Checksums of the whole stand at its end, behind an archive's.
            io::copy(plain, &mut io::sink()).map_err(Stop::Broken)?;
            Ok(worked)
        });
        let worked = worked.map_err(Stop::Broken).flatten();
        // The digest decides whether the image or its way here is to blame, so the rest is fetched all the
        // same; where the target is to blame, there is no need to.
        if !matches!(worked, Err(Stop::Refused(_))) {
            let _ = io::copy(&mut stream, &mut io::sink());
        }
        drop(stream);
        let panicked = |_| Err(Failure::new("the thread that fetches the image ended unexpectedly"));
        (fetching.join().unwrap_or_else(panicked), worked)
    });
    if let Err(Stop::Refused(failure)) = worked {
        return Err(failure).blame("disk-io-error");
    }
    let (digest, signed) = fetched.blame("http-unreachable")?;
    let digest = hex(&digest);
    if digest != image.sha256 {
        let mut failure = Failure::new("the image that arrived is not the one that was promised")
            .because(format!("its SHA-256 is {digest}"))
            .because(format!("it should be   {}", image.sha256));
        if let Err(Stop::Broken(error)) = worked {
            failure = failure.because(format!("the image could not be read on: {error}"));
        }
        let hint = "look at the server's disk and memory, then `bootworks build` the image anew";
        return Err(Fault { cause: "image-corrupt", failure: failure.hint(hint) });
    }
    signed.map_err(|why| {
        let failure = Failure::new("the image is not signed by the line's key")
            .because(why)
            .hint("get image and signature from whoever made them, then `bootworks build`");
        Fault { cause: "image-checksum-mismatch", failure }
    })?;
    worked.map_err(|stop| {
        let why = match stop {
            Stop::Broken(error) => error.to_string(),
            Stop::Refused(failure) => failure.to_string(),
        };
        let what = match image.content {
            ImageContent::Archive => "is no tar archive that can be unpacked",
            ImageContent::Filesystem(_) | ImageContent::Disk(_) => "cannot be read to its end",
        };
        let failure = Failure::new(format!("the image {what}"))
            .because(why)
            .hint("it arrived as promised; look at how it was made");
        Fault { cause: "image-wrong-compression", failure }
    })
}

/// Fetches everything, hands it over piece by piece, and gives its digest and what is wrong with its signature.
fn fetch(
    mut download: Download<'_>,
    signature: Option<&ImageSignature>,
    pieces: &SyncSender<Vec<u8>>,
) -> Result<(Digest, Result<(), String>)> {
    let mut hasher = Sha256::new();
    let keys = signature.map(keys).transpose();
    let mut verifier = match &keys {
        Err(why) => Err(why.clone()),
        Ok(None) => Ok(None),
        Ok(Some((key, signature))) => {
            key.verify_stream(signature).map(Some).map_err(|error| error.to_string())
        }
    };
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
        if let Ok(Some(verifier)) = &mut verifier {
            verifier.update(&piece);
        }
        // Nobody listens any more where the target refused; why is known there.
        if filled == 0 || pieces.send(piece).is_err() {
            let signed = verifier.and_then(|verifier| match verifier {
                Some(mut verifier) => verifier.finalize().map_err(|error| error.to_string()),
                None => Ok(()),
            });
            return Ok((hasher.finalize(), signed));
        }
    }
}

/// Key and signature, read; a key may stand without its comment.
fn keys(signed: &ImageSignature) -> Result<(PublicKey, Signature), String> {
    let key = PublicKey::decode(&signed.key).or_else(|_| PublicKey::from_base64(signed.key.trim()));
    let key = key.map_err(|error| format!("the key: {error}"))?;
    Ok((key, Signature::decode(&signed.signature).map_err(|error| error.to_string())?))
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
