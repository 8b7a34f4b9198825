//! The image: streamed from the server, its digest taken on the way, unpacked into the target.
//!
//! ```text
//!   server -- fetching thread: SHA-256 of what arrives -- 8 pieces -- zstd -- tar -- SHA-256 of each file -- disk
//! ```
//! Nothing is kept: memory is a few pieces, whatever the image's size.

use super::fault::{Blame as _, Fault, Outcome};
use super::ledger::{Digest, Ledger, hex};
use crate::controller::download::Download;
use crate::controller::witness::Meter;
use linux::tree::{self, Attributes, Node, Tree};
use model::api::JobImage;
use model::failure::{Explain as _, Failure, Result};
use sha2::{Digest as _, Sha256};
use std::ffi::OsStr;
use std::io::{self, Read, Write as _};
use std::net::SocketAddrV4;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tar::EntryType;

/// How much is handed from the network to the unpacking at once.
const PIECE_BYTES: usize = 256 * 1024;
/// How many pieces may wait between the two.
const PIECES: usize = 8;
/// A zstd frame begins with this (RFC 8878 §3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A pax record of an extended attribute, as GNU tar and libarchive write it.
const XATTR: &str = "SCHILY.xattr.";

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
    let mut start = [0; 4];
    let mut filled = 0;
    while filled < start.len() {
        match stream.read(&mut start[filled..]).map_err(Stop::Broken)? {
            0 => break,
            count => filled += count,
        }
    }
    let whole = start[..filled].chain(stream);
    if start == ZSTD {
        let mut plain = zstd::stream::read::Decoder::new(whole).map_err(Stop::Broken)?;
        unpack_archive(&mut plain, target, ledger)?;
        // The frame's own checksum stands at its end, behind the archive's.
        io::copy(&mut plain, &mut io::sink()).map_err(Stop::Broken)?;
        return Ok(());
    }
    unpack_archive(whole, target, ledger)
}

fn unpack_archive(archive: impl Read, target: &Path, ledger: &mut Ledger) -> Result<(), Stop> {
    let opened = Tree::open(target).map_err(io::Error::from);
    let tree = opened.or_fail(|| format!("cannot open {}", target.display())).map_err(Stop::Refused)?;
    let mut unpacking = Unpacking { tree, ledger, folders: Vec::new(), buffer: vec![0; PIECE_BYTES] };
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(Stop::Broken)? {
        unpacking.take(entry.map_err(Stop::Broken)?)?;
    }
    unpacking.finish().map_err(Stop::Refused)
}

struct Unpacking<'a> {
    tree: Tree,
    ledger: &'a mut Ledger,
    /// Folders with their times, which making files in them changes.
    folders: Vec<(PathBuf, i64)>,
    buffer: Vec<u8>,
}

impl Unpacking<'_> {
    fn take(&mut self, mut entry: tar::Entry<'_, impl Read>) -> Result<(), Stop> {
        let path = PathBuf::from(OsStr::from_bytes(&entry.path_bytes()));
        let path = Path::new("/").join(path.strip_prefix("/").unwrap_or(&path));
        let path: PathBuf = path.components().filter(|part| part.as_os_str() != ".").collect();
        let header = entry.header().clone();
        let kind = header.entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let attributes = attributes(&header).map_err(Stop::Broken)?;
        let extended = extended_attributes(&mut entry).map_err(Stop::Broken)?;
        let refused = |error: io::Error| {
            let failed =
                Err::<(), _>(error).or_fail(|| format!("cannot write {} into the target", path.display()));
            Stop::Refused(failed.err().unwrap_or_else(|| Failure::new("cannot write")))
        };
        let made = match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                return self.file(&mut entry, &path, attributes, &extended, refused);
            }
            EntryType::Directory => self.folder(&path, attributes, &extended),
            EntryType::Symlink | EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let target = OsStr::from_bytes(&target);
                self.ledger.forget(&path);
                if kind == EntryType::Symlink {
                    self.tree.make_link(&path, target, attributes)
                } else {
                    self.tree.make_hard_link(&path, Path::new(target))
                }
            }
            EntryType::Fifo | EntryType::Char | EntryType::Block => {
                let major = header.device_major().map_err(Stop::Broken)?.unwrap_or_default();
                let minor = header.device_minor().map_err(Stop::Broken)?.unwrap_or_default();
                let node = match kind {
                    EntryType::Fifo => Node::Pipe,
                    EntryType::Char => Node::Character(major, minor),
                    _ => Node::Block(major, minor),
                };
                self.ledger.forget(&path);
                self.tree.make_node(&path, node, attributes)
            }
            other => {
                let text = format!("{} is of kind {:?}, which no root has", path.display(), other);
                return Err(Stop::Broken(io::Error::other(text)));
            }
        };
        made.map_err(io::Error::from).map_err(refused)
    }

    fn file(
        &mut self,
        entry: &mut impl Read,
        path: &Path,
        attributes: Attributes,
        extended: &[(String, Vec<u8>)],
        refused: impl Fn(io::Error) -> Stop,
    ) -> Result<(), Stop> {
        let mut file = self.tree.create(path).map_err(|error| refused(error.into()))?;
        let mut hasher = Sha256::new();
        loop {
            let count = match entry.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Stop::Broken(error)),
            };
            hasher.update(&self.buffer[..count]);
            file.write_all(&self.buffer[..count]).map_err(&refused)?;
        }
        tree::set_attributes(&file, attributes).map_err(|error| refused(error.into()))?;
        for (name, value) in extended {
            tree::set_extended(&file, name, value).map_err(|error| refused(error.into()))?;
        }
        // Setting an attribute changes the time of the inode only, so the file's time stands.
        self.ledger.keep(path, hasher.finalize().into());
        Ok(())
    }

    fn folder(
        &mut self,
        path: &Path,
        attributes: Attributes,
        extended: &[(String, Vec<u8>)],
    ) -> Result<(), rustix::io::Errno> {
        let folder = self.tree.make_folder(path, attributes)?;
        for (name, value) in extended {
            tree::set_extended(&folder, name, value)?;
        }
        self.folders.push((path.to_owned(), attributes.seconds));
        Ok(())
    }

    fn finish(self) -> Result<()> {
        for (path, seconds) in self.folders.iter().rev() {
            self.tree
                .set_folder_time(path, *seconds)
                .map_err(io::Error::from)
                .or_fail(|| format!("cannot set the time of {}", path.display()))?;
        }
        Ok(())
    }
}

fn attributes(header: &tar::Header) -> io::Result<Attributes> {
    // An archive numbers users in 64 bits; the kernel in 32.
    let number = |value: u64| {
        u32::try_from(value).map_err(|_| io::Error::other(format!("{value} is no user or group")))
    };
    Ok(Attributes {
        user: number(header.uid()?)?,
        group: number(header.gid()?)?,
        mode: header.mode()? & 0o7777,
        seconds: i64::try_from(header.mtime()?).unwrap_or_default(),
    })
}

fn extended_attributes(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let Some(records) = entry.pax_extensions()? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for record in records {
        let record = record?;
        if let Ok(key) = record.key()
            && let Some(name) = key.strip_prefix(XATTR)
        {
            found.push((name.to_owned(), record.value_bytes().to_vec()));
        }
    }
    Ok(found)
}
