//! Packs a root as `tar.zst`: sorted, with numeric owners, attributes and hard links, in frames that are
//! compressed many at a time. The same tree gives the same bytes.
//!
//! The agent unpacks it on the box; GNU tar and bsdtar read it too.

use super::scrub::walk;
use super::store::hex;
use linux::archive::Entry;
use model::failure::{Explain as _, Result};
use model::raw::ImageContent;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::ffi::CString;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use wire::tar::Kind;

/// What one frame holds uncompressed; small enough for a box's memory, large enough to compress well.
const FRAME: usize = 8 << 20;
/// zstd's level: 9 would take three times as long for a twentieth of the size.
const LEVEL: i32 = 3;

/// A packed root.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packed {
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Sizes of the files in it together; size of a raw image.
    pub unpacked_bytes: u64,
    /// What it is.
    pub content: ImageContent,
}

/// Packs the tree `root` into the file `to`.
pub(crate) fn pack(root: &Path, to: &Path) -> Result<Packed> {
    let writing = || format!("cannot write {}", to.display());
    let frames = Frames::new(File::create(to).or_fail(writing)?);
    let mut builder = tar::Builder::new(frames);
    let mut links: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let mut unpacked_bytes = 0;
    for path in walk(root)? {
        let name = path.strip_prefix(root).unwrap_or(&path);
        // The root itself, as `./`: its mode matters.
        let name = if name.as_os_str().is_empty() { Path::new("./") } else { name };
        unpacked_bytes += append(&mut builder, &path, name, &mut links)
            .map_err(|failure| failure.doing(format!("packing {}", path.display())))?;
    }
    let frames = builder.into_inner().or_fail(writing)?;
    let (sha256, bytes) = frames.finish().or_fail(writing)?;
    Ok(Packed { sha256, bytes, unpacked_bytes, content: ImageContent::Archive })
}

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
        let (sha256, bytes) = self.builder.into_inner().or_fail(writing)?.finish().or_fail(writing)?;
        Ok(Packed { sha256, bytes, unpacked_bytes: self.unpacked_bytes, content: ImageContent::Archive })
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

/// Appends one path; gives the size of its content.
fn append(
    builder: &mut tar::Builder<Frames>,
    path: &Path,
    name: &Path,
    links: &mut HashMap<(u64, u64), PathBuf>,
) -> Result<u64> {
    let packing = || "cannot pack it".to_owned();
    let kind = path.symlink_metadata().or_fail(packing)?;
    let file_type = kind.file_type();
    if file_type.is_socket() {
        return Ok(0);
    }
    let mut header = header(&kind);
    if kind.nlink() > 1 && !file_type.is_dir() {
        if let Some(first) = links.get(&(kind.dev(), kind.ino())) {
            header.set_entry_type(tar::EntryType::Link);
            header.set_size(0);
            builder.append_link(&mut header, name, first).or_fail(packing)?;
            return Ok(0);
        }
        links.insert((kind.dev(), kind.ino()), name.to_owned());
    }
    let attributes = attributes(path).or_fail(packing)?;
    if !attributes.is_empty() {
        let records = attributes.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        builder.append_pax_extensions(records).or_fail(packing)?;
    }
    if file_type.is_symlink() {
        header.set_entry_type(tar::EntryType::Symlink);
        let target = std::fs::read_link(path).or_fail(packing)?;
        builder.append_link(&mut header, name, &target).or_fail(packing)?;
        return Ok(0);
    }
    if file_type.is_file() {
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(kind.size());
        // What grows while it is read must not shift what comes after it; what shrinks is an error.
        let file = File::open(path).or_fail(packing)?.take(kind.size());
        builder.append_data(&mut header, name, file).or_fail(packing)?;
        return Ok(kind.size());
    }
    header.set_entry_type(if file_type.is_dir() {
        tar::EntryType::Directory
    } else if file_type.is_fifo() {
        tar::EntryType::Fifo
    } else if file_type.is_char_device() {
        tar::EntryType::Char
    } else {
        tar::EntryType::Block
    });
    if file_type.is_char_device() || file_type.is_block_device() {
        header.set_device_major(rustix::fs::major(kind.rdev())).or_fail(packing)?;
        header.set_device_minor(rustix::fs::minor(kind.rdev())).or_fail(packing)?;
    }
    builder.append_data(&mut header, name, std::io::empty()).or_fail(packing)?;
    Ok(0)
}

fn header(kind: &Metadata) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(kind.mode() & 0o7777);
    header.set_uid(kind.uid().into());
    header.set_gid(kind.gid().into());
    header.set_mtime(u64::try_from(kind.mtime()).unwrap_or(0));
    header.set_size(0);
    header
}

/// Extended attributes as PAX records, sorted: file capabilities are such.
fn attributes(path: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut names = vec![0; 1 << 16];
    let length = match rustix::fs::llistxattr(path, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut attributes = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 1 << 16];
        let length = rustix::fs::lgetxattr(path, CString::new(name)?, &mut value[..])?;
        value.truncate(length);
        attributes.push((format!("SCHILY.xattr.{}", String::from_utf8_lossy(name)), value));
    }
    attributes.sort();
    Ok(attributes)
}

/// A writer that cuts what it gets into frames, compresses them side by side and keeps the digest.
struct Frames {
    file: File,
    pending: Vec<u8>,
    batch: usize,
    hash: Sha256,
    bytes: u64,
}

impl Frames {
    fn new(file: File) -> Frames {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Frames { file, pending: Vec::new(), batch: FRAME * threads, hash: Sha256::new(), bytes: 0 }
    }

    fn compress(&mut self) -> std::io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        let frames: Vec<std::io::Result<Vec<u8>>> = std::thread::scope(|scope| {
            let jobs: Vec<_> =
                pending.chunks(FRAME).map(|chunk| scope.spawn(|| compress_frame(chunk))).collect();
            let lost = || Err(std::io::Error::other("a compressing thread was lost"));
            jobs.into_iter().map(|job| job.join().unwrap_or_else(|_| lost())).collect()
        });
        for frame in frames {
            let frame = frame?;
            self.hash.update(&frame);
            self.bytes += frame.len() as u64;
            self.file.write_all(&frame)?;
        }
        Ok(())
    }

    fn finish(mut self) -> std::io::Result<(String, u64)> {
        self.compress()?;
        self.file.sync_all()?;
        Ok((hex(&self.hash.finalize()), self.bytes))
    }
}

fn compress_frame(chunk: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(chunk.len() as u64))?;
    encoder.write_all(chunk)?;
    encoder.finish()
}

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        // Whole batches only, so that where frames end does not depend on how the bytes came.
        while self.pending.len() >= self.batch {
            let rest = self.pending.split_off(self.batch);
            self.compress()?;
            self.pending = rest;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::digest_file;
    use super::*;

    /// A box must get what was built: links, modes, odd names; and twice the same bytes, however it was written.
    #[test]
    fn an_image_holds_the_tree_and_is_the_same_twice() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let long = format!("a/{}", "long-".repeat(30));
        std::fs::create_dir_all(root.join("a")).unwrap();
        std::fs::write(root.join("a/file"), "content").unwrap();
        std::fs::hard_link(root.join("a/file"), root.join("b")).unwrap();
        std::fs::write(root.join(&long), vec![7; 20 << 20]).unwrap();
        std::os::unix::fs::symlink("/a/file", root.join("c")).unwrap();
        super::super::scrub::clamp_times(&root, 1_000_000_000).unwrap();
        let (one, two) = (folder.path().join("1"), folder.path().join("2"));
        let packed = pack(&root, &one).unwrap();
        assert_eq!(packed, pack(&root, &two).unwrap());
        assert_eq!(digest_file(&one).unwrap(), (packed.sha256.clone(), packed.bytes));
        assert_eq!(packed.unpacked_bytes, 7 + (20 << 20));

        let stream = zstd::stream::read::Decoder::new(File::open(&one).unwrap()).unwrap();
        let mut text = String::new();
        for entry in tar::Archive::new(stream).entries().unwrap() {
            let entry = entry.unwrap();
            let (path, link) = (
                entry.path().unwrap().into_owned(),
                entry.link_name().unwrap().unwrap_or_default().into_owned(),
            );
            let header = entry.header();
            text += &format!(
                "{:?} {} {} {}\n",
                header.entry_type(),
                header.mtime().unwrap(),
                path.display(),
                link.display()
            );
        }
        expect_test::expect![[r#"
            Directory 1000000000 ./ 
            Directory 1000000000 a 
            Regular 1000000000 a/file 
            Regular 1000000000 a/LONG 
            Link 1000000000 b a/file
            Symlink 1000000000 c /a/file
        "#]]
        .assert_eq(&text.replace(&"long-".repeat(30), "LONG"));
    }
}
