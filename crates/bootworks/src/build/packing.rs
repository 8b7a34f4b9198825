//! An archive of entries that come from other archives, packed as `tar.zst` in frames of one size.
//!
//! Images that are built are packed in `image`, which knows files and takes frames over.

use super::image::Packed;
use super::image::frames::{LARGEST, begin};
use super::store::hex;
use linux::archive::Entry;
use model::failure::{Explain as _, Result};
use model::raw::ImageContent;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use wire::tar::Kind;

/// What each frame holds uncompressed.
const FRAME: usize = LARGEST as usize;

/// An archive of entries that come from other archives.
pub(crate) struct Packing {
    builder: tar::Builder<Frames>,
    unpacked_bytes: u64,
}

impl Packing {
    /// Begins the file `to`.
    pub(crate) fn create(to: &Path) -> Result<Packing> {
        let file = File::create(to).or_fail(|| format!("cannot write {}", to.display()))?;
        Ok(Packing { builder: tar::Builder::new(Frames::new(file)), unpacked_bytes: 0 })
    }

    /// Appends an entry; `data` is what it has that is no hole.
    pub(crate) fn put(&mut self, entry: &Entry, data: &mut dyn Read) -> io::Result<()> {
        let path = entry.path.strip_prefix("/").unwrap_or(&entry.path);
        let path = if path.as_os_str().is_empty() { Path::new("./") } else { path };
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode & 0o7777);
        header.set_uid(entry.user.into());
        header.set_gid(entry.group.into());
        header.set_mtime(u64::try_from(entry.seconds).unwrap_or(0));
        header.set_size(0);
        let extended =
            entry.extended.iter().map(|(name, value)| (format!("SCHILY.xattr.{name}"), &value[..]));
        let named = |attribute: &str| match attribute {
            "system.posix_acl_default" => "SCHILY.acl.default",
            _ => "SCHILY.acl.access",
        };
        let acls = entry.acls.iter().map(|(name, text)| (named(name).to_owned(), text.as_bytes()));
        let records: Vec<(String, &[u8])> = extended.chain(acls).collect();
        if !records.is_empty() {
            let records = records.iter().map(|(name, value)| (name.as_str(), *value));
            self.builder.append_pax_extensions(records)?;
        }
        let kind = match entry.kind {
            Kind::File => {
                header.set_size(entry.size);
                self.unpacked_bytes += entry.size;
                let whole = WithHoles { entry, data, at: 0 };
                return self.builder.append_data(&mut header, path, whole);
            }
            Kind::Link | Kind::HardLink => {
                let is_hard = entry.kind == Kind::HardLink;
                let kind = if is_hard { tar::EntryType::Link } else { tar::EntryType::Symlink };
                header.set_entry_type(kind);
                let link =
                    if is_hard { entry.link.strip_prefix("/").unwrap_or(&entry.link) } else { &entry.link };
                return self.builder.append_link(&mut header, path, link);
            }
            Kind::Folder => tar::EntryType::Directory,
            Kind::Pipe => tar::EntryType::Fifo,
            Kind::Character(..) => tar::EntryType::Char,
            Kind::Block(..) => tar::EntryType::Block,
            other => return Err(io::Error::other(format!("{} is of kind {other:?}", path.display()))),
        };
        header.set_entry_type(kind);
        if let Kind::Character(major, minor) | Kind::Block(major, minor) = entry.kind {
            header.set_device_major(major)?;
            header.set_device_minor(minor)?;
        }
        self.builder.append_data(&mut header, path, io::empty())
    }

    /// Ends the archive.
    pub(crate) fn finish(self) -> Result<Packed> {
        let writing = || "cannot write the image".to_owned();
        let (sha256, bytes, frames) =
            self.builder.into_inner().or_fail(writing)?.finish().or_fail(writing)?;
        let (unpacked_bytes, content) = (self.unpacked_bytes, ImageContent::Archive);
        Ok(Packed { sha256, bytes, unpacked_bytes, content, frames, taken_over: 0 })
    }
}

/// The whole content of an entry, its holes as zeros.
struct WithHoles<'a> {
    entry: &'a Entry,
    data: &'a mut dyn Read,
    at: u64,
}

impl Read for WithHoles<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(stretches) = &self.entry.stretches else { return self.data.read(into) };
        let at = self.at;
        let next = stretches.iter().find(|(start, length)| start + length > at);
        let (is_data, end) = match next {
            Some((start, length)) if *start <= at => (true, start + length),
            Some((start, _)) => (false, *start),
            None => (false, self.entry.size),
        };
        let most = into.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let count = if is_data { self.data.read(&mut into[..most])? } else { most };
        if !is_data {
            into[..count].fill(0);
        }
        self.at += count as u64;
        Ok(count)
    }
}

/// A writer that cuts what it gets into frames, compresses them side by side and keeps the digest.
struct Frames {
    file: File,
    pending: Vec<u8>,
    batch: usize,
    hash: Sha256,
    bytes: u64,
    count: usize,
}

impl Frames {
    fn new(file: File) -> Frames {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Frames { file, pending: Vec::new(), batch: FRAME * threads, hash: Sha256::new(), bytes: 0, count: 0 }
    }

    fn compress(&mut self) -> io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        let frames: Vec<io::Result<Vec<u8>>> = std::thread::scope(|scope| {
            let jobs: Vec<_> =
                pending.chunks(FRAME).map(|chunk| scope.spawn(|| compress_frame(chunk))).collect();
            let lost = || Err(io::Error::other("a compressing thread was lost"));
            jobs.into_iter().map(|job| job.join().unwrap_or_else(|_| lost())).collect()
        });
        for frame in frames {
            let frame = frame?;
            self.hash.update(&frame);
            self.bytes += frame.len() as u64;
            self.count += 1;
            self.file.write_all(&frame)?;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<(String, u64, usize)> {
        self.compress()?;
        self.file.sync_all()?;
        Ok((hex(&self.hash.finalize()), self.bytes, self.count))
    }
}

fn compress_frame(chunk: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = begin(chunk.len() as u64)?;
    encoder.write_all(chunk)?;
    encoder.finish()
}

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        // Whole batches only, so that where frames end does not depend on how the bytes came.
        while self.pending.len() >= self.batch {
            let rest = self.pending.split_off(self.batch);
            self.compress()?;
            self.pending = rest;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
