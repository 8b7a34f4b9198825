//! Packs the live OS's root as squashfs: many blocks at a time, and what the configured base has only once.
//!
//! The blocks of the base's files are packed when the base is first needed and kept with it; a squashfs is those
//! blocks as they are, then the blocks of what the recipe has added or changed, then the tables. So a changed file
//! costs its own blocks, and the same base and recipe give the same bytes, packed at once or in two goes.
//!
//! ```text
//! superblock │ blocks of the base (kept) │ blocks of the rest │ tables
//! ```

use super::layer::own_files;
use super::scrub::walk;
use super::store::{Store, digest};
use linux::overlay;
use model::failure::{Explain as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Metadata};
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use wire::squashfs::{BLOCK_PLAIN, Image, Inode, Node, Place, SUPERBLOCK, Tails};

/// Changes with how blocks are cut or packed, so that blocks of an older form are not used.
const FORM: &str = "squashfs-1";
/// What a block holds unpacked: large ones pack better, small ones cost a box less memory for one page.
const BLOCK: usize = 256 << 10;
/// zstd's level: 15, which mksquashfs takes by itself, needs ten times as long for an eighth of the size.
const LEVEL: i32 = 3;
/// Blocks packed in one go: keeps every processor busy and takes 16 MB.
const BATCH: usize = 64;
/// Names of the files that keep a base's blocks.
const KEPT_BLOCKS: &str = "blocks";
const KEPT_PLACES: &str = "places.json";

/// Where the blocks of some files are.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Blocks {
    places: BTreeMap<PathBuf, Kept>,
    tails: Vec<(u64, u32)>,
    end: u64,
}

/// [`Place`], as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    bytes: u64,
    start: u64,
    blocks: Vec<u32>,
    tail: Option<(u32, u32)>,
}

/// Packs the tree `root`, made on top of the tree `base`, into the file `to`. `key` names the base; nothing in the
/// squashfs is later than `epoch`, seconds since 1970.
pub(crate) fn pack(root: &Path, base: &Path, key: &str, store: &Store, epoch: u64, to: &Path) -> Result<()> {
    let kept = store.base(&digest(format!("{FORM} {BLOCK} {LEVEL} {key}")), |folder| keep(base, folder))?;
    let reading = || format!("cannot read {}", kept.display());
    let places = std::fs::read(kept.join(KEPT_PLACES)).or_fail(reading)?;
    let mut blocks: Blocks = serde_json::from_slice(&places).or_fail(reading)?;

    let writing = || format!("cannot write {}", to.display());
    let mut file = File::create(to).or_fail(writing)?;
    file.write_all(&[0; SUPERBLOCK as usize]).or_fail(writing)?;
    let mut source = File::open(kept.join(KEPT_BLOCKS)).or_fail(reading)?;
    std::io::copy(&mut source, &mut file).or_fail(writing)?;
    let own = own_files(base, root)?;
    let mut packing = Packing::new(&mut blocks, &file);
    for name in &own {
        packing.add(root, name)?;
    }
    packing.finish()?;

    let image = image(root, &blocks, epoch)?;
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).or_fail(|| "cannot set zstd up".into())?;
    let (superblock, tables) =
        wire::squashfs::write(&image, &mut |bytes| compressor.compress(bytes).ok()).or_fail(writing)?;
    file.seek(SeekFrom::Start(blocks.end)).or_fail(writing)?;
    file.write_all(&tables).or_fail(writing)?;
    // A loop device has no half sectors; mksquashfs rounds to 4 KiB as well.
    let end = blocks.end + tables.len() as u64;
    file.set_len(end.next_multiple_of(4096)).or_fail(writing)?;
    file.write_all_at(&superblock, 0).or_fail(writing)?;
    file.sync_all().or_fail(writing)
}

/// Packs the blocks of a base's files and keeps them in `folder`.
fn keep(base: &Path, folder: &Path) -> Result<()> {
    let path = folder.join(KEPT_BLOCKS);
    let writing = || format!("cannot write {}", path.display());
    let file = File::create(&path).or_fail(writing)?;
    let mut blocks = Blocks { end: SUPERBLOCK, ..Blocks::default() };
    let mut packing = Packing::new(&mut blocks, &file);
    let mut first_names: HashMap<u64, PathBuf> = HashMap::new();
    let mut further_names: Vec<(PathBuf, PathBuf)> = Vec::new();
    for path in walk(base)? {
        let kind = path.symlink_metadata().or_fail(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(base).unwrap_or(&path).to_owned();
        if !kind.is_file() {
            continue;
        }
        match first_names.get(&kind.ino()) {
            Some(first) => further_names.push((name, first.clone())),
            None => {
                packing.add(base, &name)?;
                first_names.insert(kind.ino(), name);
            }
        }
    }
    packing.finish()?;
    // The names of a file share its blocks, and each finds them when a recipe has changed what the others name.
    for (name, first) in further_names {
        let place = blocks.places.get(&first).cloned();
        blocks.places.extend(place.map(|place| (name, place)));
    }
    let json = serde_json::to_vec(&blocks).or_fail(writing)?;
    std::fs::write(folder.join(KEPT_PLACES), json).or_fail(writing)
}

/// Reads files, cuts them into blocks, and packs these a batch at a time.
struct Packing<'a> {
    blocks: &'a mut Blocks,
    out: BufWriter<&'a File>,
    batch: Vec<(Piece, Vec<u8>)>,
    tails: Vec<u8>,
    /// Number that the open block of tails will have.
    tails_number: u32,
}

/// What a block of the batch is of.
enum Piece {
    File(PathBuf),
    Tails,
}

impl<'a> Packing<'a> {
    fn new(blocks: &'a mut Blocks, out: &'a File) -> Packing<'a> {
        let tails_number = blocks.tails.len() as u32;
        Packing { blocks, out: BufWriter::new(out), batch: Vec::new(), tails: Vec::new(), tails_number }
    }

    /// Adds a file of a tree.
    fn add(&mut self, root: &Path, name: &Path) -> Result<()> {
        let path = root.join(name);
        let reading = || format!("cannot read {}", path.display());
        let mut file = File::open(&path).or_fail(reading)?;
        let mut place = Kept { bytes: 0, start: 0, blocks: Vec::new(), tail: None };
        loop {
            let mut block = Vec::new();
            (&mut file).take(BLOCK as u64).read_to_end(&mut block).or_fail(reading)?;
            place.bytes += block.len() as u64;
            if block.len() == BLOCK {
                self.batch.push((Piece::File(name.to_owned()), block));
                continue;
            }
            if !block.is_empty() {
                if self.tails.len() + block.len() > BLOCK {
                    self.close_tails();
                }
                place.tail = Some((self.tails_number, self.tails.len() as u32));
                self.tails.append(&mut block);
            }
            break;
        }
        self.blocks.places.insert(name.to_owned(), place);
        if self.batch.len() >= BATCH { self.write() } else { Ok(()) }
    }

    fn close_tails(&mut self) {
        if !self.tails.is_empty() {
            self.batch.push((Piece::Tails, std::mem::take(&mut self.tails)));
            self.tails_number += 1;
        }
    }

    fn finish(mut self) -> Result<()> {
        self.close_tails();
        self.write()?;
        self.out.flush().or_fail(|| "cannot write a squashfs".into())
    }

    /// Packs the batch on all processors and writes it in its order.
    fn write(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let contents: Vec<&[u8]> = batch.iter().map(|(_, bytes)| &bytes[..]).collect();
        for ((piece, bytes), packed) in batch.iter().zip(packed(&contents)?) {
            let (content, length) = match &packed {
                Some(packed) => (&packed[..], packed.len() as u32),
                None => (&bytes[..], bytes.len() as u32 | BLOCK_PLAIN),
            };
            let start = self.blocks.end;
            self.out.write_all(content).or_fail(|| "cannot write a squashfs".into())?;
            self.blocks.end += content.len() as u64;
            match piece {
                Piece::Tails => self.blocks.tails.push((start, length)),
                Piece::File(name) => {
                    if let Some(place) = self.blocks.places.get_mut(name) {
                        if place.blocks.is_empty() {
                            place.start = start;
                        }
                        place.blocks.push(length);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Each block packed, or nothing where that does not make it smaller.
fn packed(contents: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
    let next = AtomicUsize::new(0);
    type Packed = std::io::Result<Option<Vec<u8>>>;
    let done: Mutex<Vec<(usize, Packed)>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut compressor = zstd::bulk::Compressor::new(LEVEL);
                while let Some((at, content)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, contents.get(at)?)))
                {
                    let packed = match &mut compressor {
                        Ok(compressor) => compressor.compress(content),
                        Err(error) => Err(std::io::Error::other(error.to_string())),
                    };
                    let packed =
                        packed.map(|packed| Some(packed).filter(|packed| packed.len() < content.len()));
                    if let Ok(mut done) = done.lock() {
                        done.push((at, packed));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, packed)| packed.or_fail(|| "cannot compress a block".into())).collect()
}

/// The tree as the tables have it.
fn image(root: &Path, blocks: &Blocks, epoch: u64) -> Result<Image> {
    let mut inodes: Vec<Inode> = Vec::new();
    let mut folders: HashMap<PathBuf, usize> = HashMap::new();
    let mut files: HashMap<(u64, u64), usize> = HashMap::new();
    for path in walk(root)? {
        let reading = || format!("cannot read {}", path.display());
        let kind = path.symlink_metadata().or_fail(reading)?;
        if kind.file_type().is_socket() {
            continue;
        }
        let name = path.strip_prefix(root).unwrap_or(&path);
        let identity = (kind.dev(), kind.ino());
        let known = files.get(&identity).copied().filter(|_| !kind.is_dir());
        let number = match known {
            Some(number) => number,
            None => {
                let place = || blocks.place(name, &kind);
                inodes.push(inode(&path, &kind, place).or_fail(reading)?);
                inodes.len() - 1
            }
        };
        if kind.is_dir() {
            folders.insert(name.to_owned(), number);
        } else {
            files.insert(identity, number);
        }
        let (Some(parent), Some(last)) = (name.parent(), name.file_name()) else { continue };
        let parent = folders.get(parent).and_then(|parent| inodes.get_mut(*parent));
        if let Some(Inode { node: Node::Folder(names), .. }) = parent {
            names.insert(last.as_bytes().to_vec(), number);
        }
    }
    Ok(Image {
        inodes,
        tails: blocks.tails.iter().map(|(start, length)| Tails { start: *start, length: *length }).collect(),
        block_bytes: BLOCK as u32,
        modified: u32::try_from(epoch).unwrap_or(u32::MAX),
        blocks_end: blocks.end,
    })
}

impl Blocks {
    /// Where the content of a file is, if it was packed and still has that size.
    fn place(&self, name: &Path, kind: &Metadata) -> Option<Place> {
        let kept = self.places.get(name).filter(|kept| kept.bytes == kind.len())?;
        Some(Place { bytes: kept.bytes, start: kept.start, blocks: kept.blocks.clone(), tail: kept.tail })
    }
}

fn inode(path: &Path, kind: &Metadata, place: impl FnOnce() -> Option<Place>) -> std::io::Result<Inode> {
    let file_type = kind.file_type();
    let device = (rustix::fs::major(kind.rdev()), rustix::fs::minor(kind.rdev()));
    let node = if file_type.is_dir() {
        Node::Folder(BTreeMap::new())
    } else if file_type.is_file() {
        Node::File(place().ok_or_else(|| std::io::Error::other("its blocks were not packed"))?)
    } else if file_type.is_symlink() {
        Node::Link(std::fs::read_link(path)?.as_os_str().as_bytes().to_vec())
    } else if file_type.is_char_device() {
        Node::Character(device.0, device.1)
    } else if file_type.is_block_device() {
        Node::Block(device.0, device.1)
    } else {
        Node::Pipe
    };
    let mut attributes = Vec::new();
    for name in overlay::attributes(path)? {
        let mut value = vec![0; 1 << 16];
        let length = rustix::fs::lgetxattr(path, &name, &mut value[..])?;
        value.truncate(length);
        attributes.push((name.into_bytes(), value));
    }
    attributes.sort();
    Ok(Inode {
        permissions: (kind.mode() & 0o7777) as u16,
        user: kind.uid(),
        group: kind.gid(),
        modified: u32::try_from(kind.mtime()).unwrap_or_default(),
        attributes,
        node,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux::process::Child;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    /// A tree with one of everything: empty, small, whole blocks, a block and a tail, what cannot be compressed, hard
    /// links, deep and large folders, odd names.
    fn tree(folder: &Path) -> PathBuf {
        let base = folder.join("base");
        std::fs::create_dir_all(base.join("a/b/c")).unwrap();
        std::fs::create_dir_all(base.join("many")).unwrap();
        let mut noise = 1_u64;
        let noise: Vec<u8> = (0..BLOCK + 1000)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (noise >> 56) as u8
            })
            .collect();
        let files: [(&str, &[u8]); 6] = [
            ("a/empty", b""),
            ("a/small", b"small"),
            ("a/whole", &vec![7; 2 * BLOCK]),
            ("a/b/tail", &vec![8; BLOCK + 17]),
            ("a/b/noise", &noise),
            ("a/b/c/-odd \n name", b"odd"),
        ];
        for (name, content) in files {
            std::fs::write(base.join(name), content).unwrap();
        }
        for number in 0..3000 {
            std::fs::write(base.join(format!("many/file-{number}")), number.to_string()).unwrap();
        }
        std::fs::hard_link(base.join("a/whole"), base.join("z-whole")).unwrap();
        symlink("a/small", base.join("link")).unwrap();
        std::fs::set_permissions(base.join("a/small"), std::fs::Permissions::from_mode(0o4755)).unwrap();
        super::super::scrub::clamp_times(&base, 1_000_000_000).unwrap();
        base
    }

    /// Kind, mode, time, names, size and path of everything, and the digest of every content.
    fn listing(root: &Path) -> BTreeMap<String, String> {
        let entry = |path: &PathBuf| {
            let kind = path.symlink_metadata().unwrap();
            let content = match std::fs::read_link(path) {
                Ok(target) => target.display().to_string(),
                Err(_) if kind.is_file() => digest(std::fs::read(path).unwrap()),
                Err(_) => String::new(),
            };
            let names = if kind.is_dir() { 0 } else { kind.nlink() };
            let name = path.strip_prefix(root).unwrap().display().to_string();
            (name, format!("{:o} {} {} {} {content}", kind.mode(), kind.uid(), kind.mtime(), names))
        };
        walk(root).unwrap().iter().map(entry).collect()
    }

    /// What unsquashfs reads back must be what was there; and a tree that was changed on top of its base must be
    /// written as it is, the same twice.
    #[test]
    fn what_is_packed_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("store")).unwrap();
        let base = tree(folder.path());
        let changed = folder.path().join("changed");
        Child::at("cp").args(["-a"]).args([&base, &changed]).run().unwrap();
        std::fs::write(changed.join("a/small"), "another").unwrap();
        std::fs::remove_file(changed.join("a/b/noise")).unwrap();
        std::fs::write(changed.join("new"), vec![9; BLOCK + 3]).unwrap();
        super::super::scrub::clamp_times(&changed, 1_000_000_000).unwrap();
        for root in [&base, &changed] {
            let packed = ["one", "two"].map(|name| {
                let to = folder.path().join(name);
                pack(root, &base, "key", &store, 1_000_000_000, &to).unwrap();
                std::fs::read(to).unwrap()
            });
            assert!(packed[0] == packed[1]);
            let there = folder.path().join("there");
            Child::at("unsquashfs")
                .args(["-no-progress", "-no-xattrs", "-d"])
                .args([&there, &folder.path().join("one")])
                .run()
                .unwrap();
            assert_eq!(listing(&there), listing(root));
            std::fs::remove_dir_all(&there).unwrap();
        }
    }

    /// The kernel is the reader that counts: all of the tree through its own squashfs, attributes included.
    #[test]
    fn system_the_kernel_reads_it() {
        if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
            eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root)");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("store")).unwrap();
        let base = tree(folder.path());
        let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let with = base.join("a/small");
        rustix::fs::setxattr(&with, "security.capability", &capability, rustix::fs::XattrFlags::empty())
            .unwrap();
        std::os::unix::fs::chown(base.join("a/whole"), Some(1000), Some(70000)).unwrap();
        let device = rustix::fs::makedev(8, 300);
        let mode = rustix::fs::Mode::from_raw_mode(0o640);
        let kind = rustix::fs::FileType::BlockDevice;
        rustix::fs::mknodat(rustix::fs::CWD, base.join("device"), kind, mode, device).unwrap();
        super::super::scrub::clamp_times(&base, 1_000_000_000).unwrap();
        let to = folder.path().join("packed");
        pack(&base, &base, "key", &store, 1_000_000_000, &to).unwrap();

        let at = folder.path().join("at");
        std::fs::create_dir(&at).unwrap();
        Child::at("mount").args(["-o", "loop,ro", "-t", "squashfs"]).args([&to, &at]).run().unwrap();
        let seen = std::panic::catch_unwind(|| {
            let mut value = [0; 64];
            let length =
                rustix::fs::getxattr(at.join("a/small"), "security.capability", &mut value[..]).unwrap();
            let device = at.join("device").symlink_metadata().unwrap().rdev();
            (listing(&at), value[..length].to_vec(), device)
        });
        Child::at("umount").arg(&at).run().unwrap();
        let (seen, value, there) = seen.unwrap();
        assert_eq!(seen, listing(&base));
        assert_eq!(value, capability);
        assert_eq!(there, device);
    }
}
