//! Packs a root as `tar.zst`: sorted, with numeric owners, attributes and hard links, in frames that are
//! compressed many at a time. The same tree gives the same bytes.
//!
//! The agent unpacks it on the box; GNU tar and bsdtar read it too.

pub(crate) mod frames;

use super::scrub::walk;
use frames::{Earlier, Frames, Written};
use model::failure::{Explain as _, Result};
use model::raw::ImageContent;
use std::collections::HashMap;
use std::ffi::CString;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What tar's entries are made of.
const BLOCK: usize = 512;
/// Name of the list of an image's frames, beside it.
pub(crate) const FRAMES: &str = "frames.json";

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
    /// How many frames it has.
    pub frames: usize,
    /// How many of them were taken over from an image of before.
    pub taken_over: usize,
}

/// What an image is packed from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a> {
    /// The tree.
    pub(crate) root: &'a Path,
    /// The tree that it was made on, and what that is made from.
    pub(crate) base: Option<(&'a Path, &'a str)>,
    /// Images of before, whose frames may be the same.
    pub(crate) earlier: &'a [PathBuf],
}

/// Packs a tree into the file `to`, and leaves the list of its frames beside it.
pub(crate) fn pack(sources: &Sources<'_>, to: &Path) -> Result<Packed> {
    let mut stream = Stream { sources, frames: Frames::default(), links: HashMap::new(), unpacked_bytes: 0 };
    for path in walk(sources.root)? {
        let name = path.strip_prefix(sources.root).unwrap_or(&path);
        // The root itself, as `./`: its mode matters.
        let name = if name.as_os_str().is_empty() { Path::new("./") } else { name };
        stream.append(&path, name).map_err(|failure| failure.doing(format!("packing {}", path.display())))?;
    }
    // The end of a tar archive: two blocks of nothing.
    stream.frames.add_bytes(vec![0; 2 * BLOCK]);
    let mut earlier = Earlier::default();
    for image in sources.earlier {
        earlier.add(image, &image.with_file_name(FRAMES));
    }
    let unpacked_bytes = stream.unpacked_bytes;
    let Written { sha256, bytes, frames, taken_over } = stream.frames.write(to, &earlier)?;
    let list = to.with_file_name(FRAMES);
    let writing = || format!("cannot write {}", list.display());
    std::fs::write(&list, serde_json::to_vec(&frames).or_fail(writing)?).or_fail(writing)?;
    let content = ImageContent::Archive;
    Ok(Packed { sha256, bytes, unpacked_bytes, content, frames: frames.len(), taken_over })
}

/// A tree on its way into frames.
struct Stream<'a> {
    sources: &'a Sources<'a>,
    frames: Frames,
    /// Where the first name of a file with several names is.
    links: HashMap<(u64, u64), PathBuf>,
    unpacked_bytes: u64,
}

impl Stream<'_> {
    /// Appends one path.
    fn append(&mut self, path: &Path, name: &Path) -> Result<()> {
        let packing = || "cannot pack it".to_owned();
        let kind = path.symlink_metadata().or_fail(packing)?;
        let file_type = kind.file_type();
        if file_type.is_socket() {
            return Ok(());
        }
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = header(&kind);
        let mut content = 0;
        let first = self.links.get(&(kind.dev(), kind.ino())).filter(|_| !file_type.is_dir());
        if let Some(first) = first {
            header.set_entry_type(tar::EntryType::Link);
            builder.append_link(&mut header, name, first).or_fail(packing)?;
        } else {
            if kind.nlink() > 1 && !file_type.is_dir() {
                self.links.insert((kind.dev(), kind.ino()), name.to_owned());
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
            } else {
                content = set_kind(&mut header, &kind).or_fail(packing)?;
                builder.append_data(&mut header, name, std::io::empty()).or_fail(packing)?;
            }
        }
        self.frames.add_bytes(std::mem::take(builder.get_mut()));
        if content > 0 {
            let identity = frames::identity(path, self.of_base(name, &kind))?;
            self.frames.add_file(path, &identity, content);
            let padding = content.next_multiple_of(BLOCK as u64) - content;
            self.frames.add_bytes(vec![0; usize::try_from(padding).unwrap_or_default()]);
            self.unpacked_bytes += content;
        }
        self.frames.end(name);
        Ok(())
    }

    /// What names the content of a file that is the base's own.
    fn of_base(&self, name: &Path, kind: &Metadata) -> Option<String> {
        let (base, key) = self.sources.base?;
        let known = base.join(name).symlink_metadata().ok()?;
        let is_same = (known.dev(), known.ino()) == (kind.dev(), kind.ino());
        is_same.then(|| format!("{key} {}", name.display()))
    }
}

/// Says in a header what an entry is that is neither a link nor a further name; gives the size of its content.
fn set_kind(header: &mut tar::Header, kind: &Metadata) -> std::io::Result<u64> {
    let file_type = kind.file_type();
    if file_type.is_file() {
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(kind.size());
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
        header.set_device_major(rustix::fs::major(kind.rdev()))?;
        header.set_device_minor(rustix::fs::minor(kind.rdev()))?;
    }
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

#[cfg(test)]
mod tests {
    use super::super::adopt::adopt;
    use super::super::store::digest_file;
    use super::*;
    use std::fs::File;

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
        let (one, two) = (folder.path().join("1"), folder.path().join("other one/2"));
        let sources = Sources { root: &root, base: None, earlier: &[] };
        std::fs::create_dir_all(two.parent().unwrap()).unwrap();
        let packed = pack(&sources, &one).unwrap();
        assert_eq!(packed, pack(&sources, &two).unwrap());
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

        let named = folder.path().join("x.tar.zst");
        std::fs::rename(&one, &named).unwrap();
        let adopted = adopt(&named, &packed.sha256, None, &folder.path().join("3")).unwrap();
        assert_eq!(adopted, Packed { frames: 0, taken_over: 0, ..packed });
    }

    /// A tree of many files, some of them large, on a base that has most of them.
    fn large(folder: &Path) -> (PathBuf, PathBuf) {
        let (base, root) = (folder.join("base"), folder.join("root"));
        for tree in [&base, &root] {
            std::fs::create_dir_all(tree.join("usr/lib")).unwrap();
        }
        let mut noise = 1_u64;
        for number in 0..1200 {
            let size = if number == 600 { 20 << 20 } else { 40_000 };
            let mut content = Vec::with_capacity(size);
            while content.len() < size {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                content.extend((noise >> 24).to_le_bytes());
            }
            let name = format!("usr/lib/file-{number:04}");
            std::fs::write(base.join(&name), content).unwrap();
            std::fs::hard_link(base.join(&name), root.join(&name)).unwrap();
        }
        std::fs::write(root.join("usr/lib/file-0050-own"), "own").unwrap();
        (base, root)
    }

    /// A changed file must cost the frames that it is in, and never more than that what it has changed is not seen.
    #[test]
    fn frames_of_before_are_taken_over_where_they_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (base, root) = large(folder.path());
        let place = |name: &str| {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
            folder.path().join(name).join("image")
        };
        let packed = |name: &str, earlier: &[PathBuf]| {
            super::super::scrub::clamp_times(&root, 1_000_000_000).unwrap();
            pack(&Sources { root: &root, base: Some((&base, "base")), earlier }, &place(name)).unwrap()
        };
        let first = packed("first", &[]);
        assert!(first.frames > 8, "{first:?}");
        let earlier = [place("first")];
        assert_eq!(packed("same", &earlier), Packed { taken_over: first.frames, ..first.clone() });

        std::fs::write(root.join("usr/lib/file-0050-own"), vec![b'x'; 3_000_000]).unwrap();
        let changed = packed("changed", &earlier);
        assert!(changed.taken_over + 3 >= first.frames && changed.taken_over < changed.frames, "{changed:?}");
        let clean = packed("clean", &[]);
        assert_eq!((&clean.sha256, clean.taken_over), (&changed.sha256, 0));
        // Of the same size, in the same place, at the same time: another content all the same.
        std::fs::write(root.join("usr/lib/file-0050-own"), vec![b'y'; 3_000_000]).unwrap();
        let other = packed("other", &[place("changed")]);
        assert_eq!(other.sha256, packed("clean", &[]).sha256);
        assert_ne!(other.sha256, changed.sha256);

        // An image that was damaged since, or cut short, gives none of its damage away.
        let mut bytes = std::fs::read(place("changed")).unwrap();
        bytes[1000] ^= 1;
        bytes.truncate(bytes.len() - 10);
        std::fs::write(place("changed"), bytes).unwrap();
        assert_eq!(packed("mended", &[place("changed")]).sha256, other.sha256);
    }
}
