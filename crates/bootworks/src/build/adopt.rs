//! Takes somebody's image as it is, once its digest is what the line says and it is known what it is.
//!
//! What it is its content tells: a partition table that is right in itself, the superblock of a file system, or else
//! a tar archive. Its name tells nothing.

use super::image::Packed;
use super::oci;
use super::raw::{self, Flaw};
use super::store::digest_file;
use linux::compression::Compression;
use model::failure::{Explain as _, Failure, Result};
use model::raw::ImageContent;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use wire::tar::Kind;

/// So much of the beginning is looked at: tables, superblocks and what most disks have before their first partition.
const HEAD_BYTES: u64 = 2 << 20;

/// Disks of virtual machines in their own formats, by their first octets.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"QFI\xfb", "qcow2"),
    (b"KDMV", "vmdk"),
    (b"vhdxfile", "vhdx"),
    (b"conectix", "vpc"),
    (b"<<< Oracle VM VirtualBox Disk Image >>>", "vdi"),
];

/// Takes the image `file`, whose root partition the line may name.
pub(crate) fn adopt(file: &Path, sha256: &str, root: Option<u32>, to: &Path) -> Result<Packed> {
    let name = file.to_string_lossy();
    if file.is_dir() {
        if !file.join(oci::MARK).is_file() {
            return Err(Failure::new(format!("{name} is a folder, but no OCI image layout"))
                .because(format!("it has no file `{}`", oci::MARK))
                .hint(
                    "pack its content with tar, or name the layout that `skopeo copy … oci:FOLDER` makes",
                ));
        }
        return oci::pack(file, Some(sha256), to).map_err(|failure| failure.doing(format!("reading {name}")));
    }
    let (found, bytes) = digest_file(file)?;
    if !found.eq_ignore_ascii_case(sha256) {
        return Err(Failure::new(format!("{name} is not the image that line.toml names"))
            .because(format!("its SHA-256 is {found}, line.toml says {sha256}"))
            .hint("get the right file, or write the new SHA-256 into line.toml"));
    }
    let reading = || format!("cannot read {name}");
    let stream = File::open(file).or_fail(reading)?;
    let read = linux::compression::read_plain(stream, |compression, plain| {
        (compression, recognise(compression, plain, root))
    });
    let (compression, recognised) = read.or_fail(reading)?;
    let recognised = recognised.map_err(|flaw| match flaw {
        Flaw::Unfit(failure) => failure.doing(format!("looking at the image {name}")),
        Flaw::Unreadable(error) => Failure::new(format!("{name} is no image that boxes can unpack"))
            .because(format!("read as a tar archive with {}: {error}", compression.name()))
            .hint(
                "give a tar archive, or an image of a disk, ext4, XFS or btrfs; compressed with gzip, bzip2, xz, zstd, lz4 or not",
            ),
    })?;
    let Recognised::Image(content, unpacked_bytes) = recognised else {
        return pack_layout(file, to).map_err(|failure| failure.doing(format!("reading {name}")));
    };
    // A copy, not a hard link: the line's file may be written over at any time.
    std::fs::copy(file, to).or_fail(|| format!("cannot copy {name} to {}", to.display()))?;
    Ok(Packed { sha256: found, bytes, unpacked_bytes, content, frames: 0, taken_over: 0 })
}

/// What an image is found to be.
enum Recognised {
    /// Something that a box takes as it is, and how large it is there.
    Image(ImageContent, u64),
    /// An OCI image layout in an archive.
    Layout,
}

/// Unpacks an OCI image layout, and packs what its layers are together.
fn pack_layout(file: &Path, to: &Path) -> Result<Packed> {
    let folder = to.with_extension("layout");
    oci::unpack(file, &folder)?;
    let packed = oci::pack(&folder, None, to)?;
    std::fs::remove_dir_all(&folder).or_fail(|| format!("cannot remove {}", folder.display()))?;
    Ok(packed)
}

/// Reads plain octets to their end: what they are, and how large.
fn recognise(compression: Compression, plain: &mut dyn Read, root: Option<u32>) -> Result<Recognised, Flaw> {
    let mut head = Vec::new();
    plain.take(HEAD_BYTES).read_to_end(&mut head)?;
    if let Some((_, format)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
        let failure = Failure::new(format!(
            "the image is a virtual machine's disk in the format {format}, not the disk itself"
        ))
        .hint(format!("`qemu-img convert -f {format} -O raw FROM TO` makes it"));
        return Err(Flaw::Unfit(failure));
    }
    if let Some(kind) = raw::kind(&head) {
        return raw::read(kind, head, plain, root).map(|(content, bytes)| Recognised::Image(content, bytes));
    }
    if let Some(number) = root {
        let failure = Failure::new(format!("the line says `root = {number}`, but the image is no disk"))
            .because(format!("with {}, it has no partition table", compression.name()))
            .hint("leave `root` out");
        return Err(Flaw::Unfit(failure));
    }
    let mut whole = Cursor::new(head).chain(&mut *plain);
    Ok(match size_of_files(&mut whole)? {
        Some(bytes) => Recognised::Image(ImageContent::Archive, bytes),
        None => Recognised::Layout,
    })
}

/// Reads a plain archive to its end; the size of its files together, or nothing where it is an OCI image layout.
fn size_of_files(plain: &mut dyn Read) -> io::Result<Option<u64>> {
    let (mut unpacked_bytes, mut count, mut is_layout) = (0, 0, false);
    let mut archive = linux::archive::Archive::of(&mut *plain);
    while let Some(entry) = archive.advance()? {
        count += 1;
        is_layout |= entry.path == Path::new("/").join(oci::MARK) && entry.kind == Kind::File;
        // What is no hole takes room on a disk.
        unpacked_bytes += match &entry.stretches {
            Some(stretches) => stretches.iter().map(|(_, length)| length).sum(),
            None => entry.size,
        };
    }
    // Checksums stand behind the archive's end.
    io::copy(plain, &mut io::sink())?;
    if count == 0 {
        Err(io::Error::other("there is nothing in it"))
    } else {
        Ok((!is_layout).then_some(unpacked_bytes))
    }
}

#[cfg(test)]
mod tests;
