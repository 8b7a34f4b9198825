//! `bootworks initrd pack`: the opposite of `initrd unpack`. What was not changed comes out as it was, bit for bit;
//! what was changed is written as its maker would have written it.
//!
//! A folder that was not unpacked by us is packed as one archive with zstd.

use super::manifest::{self, EntryRecord, FOLDER, PartRecord, Record, unescape, unhex};
use super::press::{self, Way};
use super::stream::Stream;
use crate::build::store::digest;
use crate::{Ending, report};
use linux::tree::Tree;
use model::failure::{Explain as _, Failure, Result};
use model::hardware::size_text;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use wire::cpio::header::{self, Header, Kind};
use wire::cpio::{LONGEST_NAME, TRAILER};
use wire::initrd::Packing;

/// Archives of one initrd begin on a block of this size where the writer cared, and at a multiple of four anyway.
const BLOCK: usize = 512;
/// How a folder is packed that no manifest comes with.
const LEVEL: i32 = 9;

/// Arguments of `initrd pack`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A folder made by `initrd unpack`, or any other
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The initrd to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Packs.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    let folder = &arguments.folder;
    let packed = pack(folder).map_err(|failure| failure.doing(format!("packing {}", folder.display())))?;
    write(&arguments.file, &packed.bytes)?;
    if arguments.json {
        report::say(&packed.object().to_string());
    } else {
        packed.lines(&arguments.file).iter().for_each(|line| report::say(line));
    }
    Ok(Ending::Well)
}

/// Under its own name only when it is whole.
fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    let mut part = file.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, file));
    written.or_fail(cannot).inspect_err(|_| {
        let _ = std::fs::remove_file(&part);
    })
}

/// An initrd and what was done.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    /// The file.
    pub bytes: Vec<u8>,
    is_same: bool,
    changed: Vec<String>,
    added: Vec<String>,
    removed: Vec<String>,
    /// How parts were packed whose content is another now.
    repacked: Vec<String>,
}

impl Packed {
    fn lines(&self, file: &Path) -> Vec<String> {
        let size = size_text(self.bytes.len() as u64);
        if self.is_same {
            return vec![format!("{}: {size}, the file that was unpacked, bit for bit", file.display())];
        }
        let mut lines = Vec::new();
        for (word, names) in [("changed", &self.changed), ("added", &self.added), ("removed", &self.removed)]
        {
            lines.extend(names.iter().map(|name| format!("{word}: {name}")));
        }
        lines.extend(self.repacked.iter().cloned());
        lines.push(format!("{}: {size}", file.display()));
        lines
    }

    fn object(&self) -> serde_json::Value {
        serde_json::json!({
            "bytes": self.bytes.len(),
            "same": self.is_same,
            "changed": self.changed,
            "added": self.added,
            "removed": self.removed,
            "repacked": self.repacked,
        })
    }
}

/// Packs a folder.
pub(crate) fn pack(folder: &Path) -> Result<Packed> {
    let cannot = || format!("cannot read {}", folder.display());
    let tree = Tree::open(folder).or_fail(cannot)?;
    let records = manifest::read(folder)?;
    let mut there = BTreeSet::new();
    for entry in tree.walk(Path::new("/")).or_fail(cannot)? {
        let path = entry.path.strip_prefix("/").unwrap_or(&entry.path).to_owned();
        if !path.starts_with(FOLDER) {
            there.insert(path.into_os_string().as_bytes().to_vec());
        }
    }
    match records {
        Some(records) => Assembly::new(folder, &records, there).assemble(&records),
        None => pack_fresh(folder, there),
    }
}

fn pack_fresh(folder: &Path, there: BTreeSet<Vec<u8>>) -> Result<Packed> {
    if there.is_empty() {
        return Err(Failure::new("there is nothing to pack").because("the folder is empty"));
    }
    let mut assembly = Assembly::new(folder, &[], BTreeSet::new());
    let mut plain = Vec::new();
    for place in &there {
        assembly.add_new(place, &mut plain)?;
    }
    put(
        &Header { links: 1, name_size: TRAILER.len() as u32 + 1, ..Header::default() },
        TRAILER,
        &[],
        &mut plain,
    );
    plain.resize(plain.len().next_multiple_of(BLOCK), 0);
    let way = Way::Zstd { level: LEVEL, has_checksum: true, in_jobs: true };
    let mut packed = assembly.packed;
    packed.bytes = way.pack(&plain)?;
    packed.added.clear();
    packed.repacked.push(format!("{} entries in one archive, packed with {}", there.len(), way.title()));
    Ok(packed)
}

/// A file that is being put together.
struct Assembly<'f> {
    folder: &'f Path,
    /// Whether the owners of the files here are those to write.
    owners: bool,
    next_inode: u32,
    /// New places, by the index of the record before which they are written.
    new: HashMap<usize, Vec<Vec<u8>>>,
    /// Places where something stands that could not be made.
    not_made: HashSet<Vec<u8>>,
    packed: Packed,
}

impl<'f> Assembly<'f> {
    fn new(folder: &'f Path, records: &[Record], there: BTreeSet<Vec<u8>>) -> Assembly<'f> {
        let mut known: HashSet<Vec<u8>> = HashSet::new();
        let mut not_made = HashSet::new();
        let mut last_inode = 0;
        for record in records {
            match record {
                Record::Entry(entry) => {
                    if let Some(place) = entry.place.as_deref().filter(|_| entry.is_not_made) {
                        not_made.insert(unescape(place));
                    }
                    known.extend(entry.place.as_deref().map(unescape));
                    last_inode = last_inode.max(header_of(entry).map_or(0, |header| header.inode));
                }
                Record::MadeFolder(place) => {
                    known.insert(unescape(place));
                }
                _ => {}
            }
        }
        let mut new: HashMap<usize, Vec<Vec<u8>>> = HashMap::new();
        for place in there.into_iter().filter(|place| !known.contains(place)) {
            new.entry(end_for(records, &place)).or_default().push(place);
        }
        let owners = match records.first() {
            Some(Record::Initrd { owners, .. }) => *owners,
            _ => rustix::process::geteuid().is_root(),
        };
        Assembly { folder, owners, next_inode: last_inode, new, not_made, packed: Packed::default() }
    }

    fn assemble(mut self, records: &[Record]) -> Result<Packed> {
        let mut out: Vec<u8> = Vec::new();
        // Where the file that was unpacked had what comes next.
        let mut was_at = 0;
        let mut part: Option<(&PartRecord, Vec<u8>)> = None;
        let mut sha256 = "";
        for (index, record) in records.iter().enumerate() {
            if let (Some(places), Some((_, plain))) = (self.new.remove(&index), &mut part) {
                for place in places {
                    self.add_new(&place, plain)?;
                }
            }
            match record {
                Record::Initrd { sha256: whole, .. } => sha256 = whole,
                Record::Zeros(count) => match &mut part {
                    Some((_, plain)) => zeros(plain, *count),
                    None => {
                        let is_where_it_was = out.len() as u64 == was_at;
                        was_at += count;
                        if is_where_it_was {
                            zeros(&mut out, *count);
                        } else {
                            let block = if was_at.is_multiple_of(BLOCK as u64) { BLOCK } else { 4 };
                            out.resize(out.len().next_multiple_of(block), 0);
                        }
                    }
                },
                Record::Part(record) => {
                    if record.packing.is_none() {
                        out.resize(out.len().next_multiple_of(4), 0);
                    }
                    part = Some((record, Vec::new()));
                }
                Record::MadeFolder(_) => {}
                Record::Entry(entry) => {
                    if let Some((_, plain)) = &mut part {
                        self.put_again(entry, plain)?;
                    }
                }
                Record::PartEnd => {
                    if let Some((record, plain)) = part.take() {
                        was_at += record.bytes;
                        self.finish_part(record, &plain, &mut out)?;
                    }
                }
                Record::Tail(digits) => out.extend(unhex(digits).unwrap_or_default()),
            }
        }
        self.packed.is_same = digest(&out) == sha256;
        self.packed.bytes = out;
        Ok(self.packed)
    }

    /// Appends a part as it was, or packed anew where something in it is another now.
    fn finish_part(&mut self, record: &PartRecord, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let Some(packing) = record.packing.as_deref().and_then(Packing::named) else {
            out.extend_from_slice(plain);
            return Ok(());
        };
        let kept = record.kept.as_deref().unwrap_or_default();
        let path = manifest::folder(self.folder).join(kept);
        let was = std::fs::read(&path).or_fail(|| format!("cannot read {}", path.display()))?;
        if digest(plain) == record.sha256 {
            out.extend_from_slice(&was);
            return Ok(());
        }
        let mut was_plain = Vec::new();
        Stream::open(Some(packing), &was)
            .and_then(|mut stream| stream.read_to_end(&mut was_plain))
            .or_fail(|| format!("cannot unpack {}", path.display()))?;
        let number = record.number;
        let way = match press::find(packing, &was, &was_plain)? {
            Some(way) => {
                self.packed.repacked.push(format!("part {number} packed as it was, with {}", way.title()));
                way
            }
            None => {
                let way = press::usual(packing, &was);
                let title = way.title();
                self.packed.repacked.push(format!(
                    "part {number} packed with {title}: no way that is known here packs it as it was"
                ));
                way
            }
        };
        drop(was_plain);
        out.extend(way.pack(plain)?);
        Ok(())
    }

    /// Appends an entry of the manifest as the folder has it now.
    fn put_again(&mut self, record: &EntryRecord, out: &mut Vec<u8>) -> Result<()> {
        let name = unescape(&record.name);
        let was = header_of(record).ok_or_else(|| {
            Failure::new(format!("the manifest has a header that is none: {}", record.header))
        })?;
        let place = record.place.as_deref().map(unescape);
        let path = place.as_deref().map(|place| self.folder.join(OsStr::from_bytes(place)));
        let now = path.as_ref().and_then(|path| path.symlink_metadata().ok());
        let as_it_was = match (&place, &now) {
            (None, _) => true,
            (Some(place), None) => self.not_made.contains(place),
            (Some(_), Some(_)) => record.is_covered,
        };
        let kept = match &record.body {
            Some(file) => {
                let path = manifest::folder(self.folder).join(file);
                Some(std::fs::read(&path).or_fail(|| format!("cannot read {}", path.display()))?)
            }
            None => None,
        };
        if as_it_was {
            let body = kept.filter(|_| was.size > 0).unwrap_or_default();
            put_as_it_was(record, &name, &was, &body, out);
            return Ok(());
        }
        let (Some(path), Some(now)) = (path, now) else {
            self.packed.removed.push(super::catalog::shown(header::name(&name)));
            return Ok(());
        };
        let shares = record.body_at.as_deref().map(unescape);
        let is_shared = shares.as_ref().is_some_and(|holder| {
            let holder = self.folder.join(OsStr::from_bytes(holder)).symlink_metadata();
            holder.is_ok_and(|holder| (holder.dev(), holder.ino()) == (now.dev(), now.ino()))
        });
        let mut body = if is_shared { Vec::new() } else { body_of(&path, &now)? };
        // A target behind whose NUL more follows; a further name of a file whose first name is gone.
        let is_as_kept = match &kept {
            Some(kept) if now.is_symlink() => header::name(kept) == body,
            Some(kept) => shares.is_some() && *kept == body,
            None => false,
        };
        if let Some(kept) = kept.filter(|_| is_as_kept) {
            body = if shares.is_some() { Vec::new() } else { kept };
        }
        let mut is = self.header_now(&was, &now, &body)?;
        if shares.is_some() && !is_shared && !is_as_kept {
            self.next_inode += 1;
            (is.inode, is.links) = (self.next_inode, 1);
        }
        if is == was {
            put_as_it_was(record, &name, &was, &body, out);
        } else {
            self.packed.changed.push(super::catalog::shown(header::name(&name)));
            put(&is, &name, &body, out);
        }
        Ok(())
    }

    /// The header of an entry of the manifest, with what is another now.
    fn header_now(&mut self, was: &Header, now: &Metadata, body: &[u8]) -> Result<Header> {
        let mut is = *was;
        let kind = kind_of(now);
        if was.kind() != Some(kind) {
            self.next_inode += 1;
            is = Header { inode: self.next_inode, name_size: was.name_size, ..Header::default() };
            is.links = if kind == Kind::Folder { 2 } else { 1 };
            is.mode = kind.bits() | (now.mode() & 0o7777);
        } else if kind != Kind::Link && now.mode() & 0o7777 != was.permissions() & 0o7777 {
            is.mode = kind.bits() | (now.mode() & 0o7777);
        }
        if self.owners {
            (is.user, is.group) = (now.uid(), now.gid());
        }
        if now.mtime() != i64::from(was.modified) {
            is.modified = seconds(now);
        }
        is.size = u32::try_from(body.len()).or_fail(|| "a file is larger than 4 GiB".into())?;
        if matches!(kind, Kind::Character | Kind::Block) {
            is.device = device(now);
        }
        if is.is_summed && !body.is_empty() && kind == Kind::File {
            is.checksum = body.iter().fold(0, |sum: u32, byte| sum.wrapping_add(u32::from(*byte)));
        }
        Ok(is)
    }

    /// Appends what the manifest does not know.
    fn add_new(&mut self, place: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let path = self.folder.join(OsStr::from_bytes(place));
        let now = path.symlink_metadata().or_fail(|| format!("cannot read {}", path.display()))?;
        if place.len() >= LONGEST_NAME {
            return Err(Failure::new(format!("cannot pack {}", path.display()))
                .because("the kernel passes over names of more than 4095 bytes"));
        }
        let body = body_of(&path, &now)?;
        let kind = kind_of(&now);
        self.next_inode += 1;
        let header = Header {
            inode: self.next_inode,
            mode: kind.bits() | (now.mode() & 0o7777),
            user: if self.owners { now.uid() } else { 0 },
            group: if self.owners { now.gid() } else { 0 },
            links: if kind == Kind::Folder { 2 } else { 1 },
            modified: seconds(&now),
            size: u32::try_from(body.len())
                .or_fail(|| format!("cannot pack {}, which is larger than 4 GiB", path.display()))?,
            device: if matches!(kind, Kind::Character | Kind::Block) { device(&now) } else { (0, 0) },
            name_size: place.len() as u32 + 1,
            ..Header::default()
        };
        self.packed.added.push(super::catalog::shown(place));
        put(&header, &[place, b"\0"].concat(), &body, out);
        Ok(())
    }
}

/// Before which record a new place is written: at the end of the last archive that has a folder it lies in, the
/// deeper the better; of microcode, that is the early one.
fn end_for(records: &[Record], place: &[u8]) -> usize {
    let mut best = 0;
    let (mut depth, mut end) = (0, 0);
    let mut begins_at = 0;
    for (index, record) in records.iter().enumerate() {
        match record {
            Record::Part(_) => begins_at = index,
            Record::Entry(entry) => {
                let own = entry.place.as_deref().map(unescape);
                let is_above = own.as_ref().is_some_and(|own| {
                    place.strip_prefix(&own[..]).is_some_and(|rest| rest.starts_with(b"/"))
                });
                let own_depth = own.filter(|_| is_above).map_or(0, |own| own.len());
                if own_depth >= depth {
                    (depth, best) = (own_depth, begins_at);
                }
                if begins_at == best && header::name(&unescape(&entry.name)) == TRAILER {
                    end = index;
                }
            }
            Record::PartEnd if begins_at == best && end < best => end = index,
            _ => {}
        }
    }
    end
}

fn header_of(record: &EntryRecord) -> Option<Header> {
    Header::read(record.header.as_bytes().first_chunk()?).ok()
}

fn put_as_it_was(record: &EntryRecord, name: &[u8], header: &Header, body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(record.header.as_bytes());
    out.extend_from_slice(name);
    match unhex(&record.name_padding).filter(|padding| !padding.is_empty()) {
        Some(padding) => out.extend(padding),
        None => zeros(out, header.name_padding() as u64),
    }
    out.extend_from_slice(body);
    match record.padding.as_deref().and_then(unhex) {
        Some(padding) => out.extend(padding),
        None => zeros(out, header.body_padding() as u64),
    }
}

/// Appends an entry; a name that lacks its NUL gets it.
fn put(header: &Header, name: &[u8], body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(header.text().as_bytes());
    out.extend_from_slice(name);
    zeros(out, u64::from(header.name_size).saturating_sub(name.len() as u64) + header.name_padding() as u64);
    out.extend_from_slice(body);
    zeros(out, header.body_padding() as u64);
}

fn zeros(out: &mut Vec<u8>, count: u64) {
    out.resize(out.len() + usize::try_from(count).unwrap_or_default(), 0);
}

fn body_of(path: &Path, now: &Metadata) -> Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    match kind_of(now) {
        Kind::File => std::fs::read(path).or_fail(cannot),
        Kind::Link => Ok(std::fs::read_link(path).or_fail(cannot)?.into_os_string().as_bytes().to_vec()),
        _ => Ok(Vec::new()),
    }
}

fn kind_of(metadata: &Metadata) -> Kind {
    let kind = metadata.file_type();
    if kind.is_dir() {
        Kind::Folder
    } else if kind.is_symlink() {
        Kind::Link
    } else if kind.is_char_device() {
        Kind::Character
    } else if kind.is_block_device() {
        Kind::Block
    } else if kind.is_fifo() {
        Kind::Pipe
    } else if kind.is_socket() {
        Kind::Socket
    } else {
        Kind::File
    }
}

fn device(metadata: &Metadata) -> (u32, u32) {
    (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()))
}

/// The time of last change in the 32 bits that an archive has for it.
fn seconds(metadata: &Metadata) -> u32 {
    u32::try_from(metadata.mtime().max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
