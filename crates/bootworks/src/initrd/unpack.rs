//! `bootworks initrd unpack`: makes a folder of an initrd as the kernel makes its first root of it, and writes down
//! what a folder cannot hold, so that `initrd pack` gives the same file back.
//!
//! Nothing is made outside of the folder: paths are resolved by the kernel with the folder as root
//! (`linux::tree`). What cannot be made here is kept beside, not dropped.

use super::catalog::{Catalog, judged, shown};
use super::manifest::{self, EntryRecord, FOLDER, PartRecord, Record, escape};
use super::walk::{self, Part, Raw, Visit};
use crate::build::store::{digest, hex};
use crate::{Ending, report};
use linux::tree::{Attributes, Node as Made, Tree, set_attributes};
use model::failure::{Explain as _, Failure, Result};
use model::unpacked::{Node, NotUnpacked, Unpacked};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use wire::cpio::TRAILER;
use wire::cpio::header::{self, Header, Kind};
use wire::initrd::{Packing, boot_configuration};

/// Arguments of `initrd unpack`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The initrd
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder to make, or an empty one
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Unpacks.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    let path = arguments.file.display();
    let bytes = std::fs::read(&arguments.file).or_fail(|| format!("cannot read {path}"))?;
    let is_root = rustix::process::geteuid().is_root();
    let rights = if is_root { Rights::Root } else { Rights::User };
    let told = unpack(&bytes, &arguments.folder, rights)
        .map_err(|failure| failure.doing(format!("unpacking {path}")))?;
    if arguments.json {
        report::say(
            &serde_json::json!({
                "parts": told.parts,
                "entries": told.entries,
                "not_made": told.not_made,
                "not_unpacked": told.passed_over,
            })
            .to_string(),
        );
    } else {
        told.lines(&arguments.folder).iter().for_each(|line| report::say(line));
    }
    Ok(Ending::Well)
}

/// Who unpacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// May give files away and make devices.
    Root,
    /// May not.
    User,
}

/// What there is to tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    parts: usize,
    entries: usize,
    /// Devices and sockets that are in the manifest only.
    not_made: Vec<String>,
    /// Entries that the kernel passes over, and why.
    passed_over: Vec<String>,
    owners_kept: bool,
}

impl Told {
    pub(super) fn lines(&self, folder: &Path) -> Vec<String> {
        let parts = if self.parts == 1 { "part" } else { "parts" };
        let mut lines =
            vec![format!("{} entries of {} {parts} in {}", self.entries, self.parts, folder.display())];
        for line in &self.passed_over {
            lines.push(format!("note: the kernel passes over {line}; kept in the manifest"));
        }
        if !self.not_made.is_empty() {
            lines.push(format!("note: not made here, kept in the manifest: {}", self.not_made.join(", ")));
        }
        if self.owners_kept {
            lines.push("note: without root's rights, owners are kept in the manifest only".into());
        }
        lines
    }
}

/// Unpacks an initrd into a folder. One that is damaged is refused before anything is written.
pub(crate) fn unpack(file: &[u8], folder: &Path, rights: Rights) -> Result<Told> {
    let (_, failure) = Catalog::read(file, |_| false);
    if let Some(failure) = failure {
        return Err(failure);
    }
    let cannot = || format!("cannot unpack into {}", folder.display());
    std::fs::create_dir_all(folder).or_fail(cannot)?;
    if std::fs::read_dir(folder).or_fail(cannot)?.next().is_some() {
        return Err(Failure::new(cannot())
            .because("it is not empty")
            .hint("an initrd is unpacked into a new folder, so that nothing else gets packed with it"));
    }
    std::fs::create_dir(manifest::folder(folder)).or_fail(cannot)?;
    let tree = Tree::open(folder).or_fail(cannot)?;
    let mut unpacking = Unpacking::new(file, folder, tree, rights);
    walk::walk(file, walk::LIMIT, &mut unpacking)?;
    if let Some(length) = boot_configuration(file) {
        unpacking.records.push(Record::Tail(hex(&file[file.len() - length..])));
    }
    unpacking.finish_folders()?;
    manifest::write(folder, &unpacking.records)?;
    Ok(unpacking.told)
}

struct Unpacking<'a> {
    file: &'a [u8],
    folder: PathBuf,
    tree: Tree,
    rights: Rights,
    names: Unpacked,
    records: Vec<Record>,
    /// Which record has a place, the last one.
    at: HashMap<Vec<u8>, usize>,
    linked: HashMap<(u32, u32, u32), Linked>,
    folders: Vec<(PathBuf, Attributes)>,
    bodies: usize,
    /// Folders that are the kernel's own.
    made: HashSet<Vec<u8>>,
    /// What is in the part that is being read; `None` between parts.
    sum: Option<Sha256>,
    part: usize,
    padding: usize,
    told: Told,
}

/// A file with several names.
#[derive(Default)]
struct Linked {
    /// The name that has the body, and its record.
    holder: Option<(PathBuf, usize)>,
    /// Records of the names before that.
    waiting: Vec<usize>,
}

impl<'a> Unpacking<'a> {
    fn new(file: &'a [u8], folder: &Path, tree: Tree, rights: Rights) -> Unpacking<'a> {
        let owners = rights == Rights::Root;
        Unpacking {
            file,
            folder: folder.to_owned(),
            tree,
            rights,
            names: Unpacked::default(),
            records: vec![manifest::head(digest(file), owners)],
            at: HashMap::new(),
            linked: HashMap::new(),
            folders: Vec::new(),
            bodies: 0,
            made: HashSet::new(),
            sum: None,
            part: 0,
            padding: 0,
            told: Told { owners_kept: !owners, ..Told::default() },
        }
    }

    fn attributes(&self, header: &Header) -> Attributes {
        let owner = |number: u32| if self.rights == Rights::Root { number } else { u32::MAX };
        Attributes {
            user: owner(header.user),
            group: owner(header.group),
            mode: header.permissions(),
            seconds: i64::from(header.modified),
        }
    }

    /// Makes what an entry says, or keeps it.
    fn make(&mut self, raw: &Raw<'_>, record: &mut EntryRecord, body: &mut dyn Read) -> Result<()> {
        let name = raw.name();
        let kind = match judged(raw) {
            Ok(kind) => kind,
            Err(why) => return self.keep_whole(name, record, body, why),
        };
        let mut target = Vec::new();
        let node = match kind {
            Kind::Folder => Node::Folder,
            Kind::File => Node::File(0),
            Kind::Link => {
                body.read_to_end(&mut target).or_fail(|| format!("cannot read {}", shown(name)))?;
                let length = header::name(&target).len();
                if length < target.len() {
                    // The kernel takes a target up to its first NUL; what follows is kept.
                    record.body = Some(keep_body(&self.folder, &mut self.bodies, &mut &target[..])?);
                    target.truncate(length);
                }
                Node::Link(target.clone())
            }
            _ => Node::Special,
        };
        let mut place = self.names.add(name, node.clone());
        if place == Err(NotUnpacked::NoFolder) {
            self.told.passed_over.push(format!("{}: {}", shown(name), NotUnpacked::NoFolder));
            for folder in self.names.make_folders(name) {
                self.records.push(Record::MadeFolder(escape(&folder)));
            }
            place = self.names.add(name, node);
        }
        let place = match place {
            Ok(place) => place,
            Err(why) => return self.keep_whole(name, record, &mut target.as_slice().chain(body), why),
        };
        if place.is_empty() {
            // The root itself, as `.`: the folder stays as its owner made it.
            return Ok(());
        }
        let top = place.split(|byte| *byte == b'/').next().unwrap_or_default();
        if top.len() < place.len() && !self.at.contains_key(top) && self.made.insert(top.to_vec()) {
            // The kernel has /dev and /root of its own; here they are made.
            self.records.push(Record::MadeFolder(escape(top)));
        }
        if place == FOLDER.as_bytes() || place.starts_with(format!("{FOLDER}/").as_bytes()) {
            return Err(Failure::new(format!("the initrd has a folder {FOLDER} of its own"))
                .because("that is where what cannot be unpacked is kept"));
        }
        if kind == Kind::File && self.is_replaced(&raw.header) {
            return self.keep_whole(name, record, body, NotUnpacked::Replaced);
        }
        self.cover(&place, kind)?;
        record.place = Some(escape(&place));
        let path = PathBuf::from(OsStr::from_bytes(&place));
        self.make_at(&path, kind, raw, &target, record, body)?;
        self.at.insert(place, self.records.len());
        Ok(())
    }

    fn make_at(
        &mut self,
        path: &Path,
        kind: Kind,
        raw: &Raw<'_>,
        target: &[u8],
        record: &mut EntryRecord,
        body: &mut dyn Read,
    ) -> Result<()> {
        let cannot = || format!("cannot write {}", self.folder.join(path).display());
        let attributes = self.attributes(&raw.header);
        let (major, minor) = raw.header.device;
        let node = match kind {
            Kind::Folder => {
                // Something is to be made in it; its own mode comes last.
                let open = Attributes { mode: attributes.mode | 0o700, ..attributes };
                self.tree.make_folder(path, open).or_fail(cannot)?;
                self.folders.push((path.to_owned(), attributes));
                return Ok(());
            }
            Kind::File => return self.make_file(path, raw, record, body),
            Kind::Link => {
                return self.tree.make_link(path, OsStr::from_bytes(target), attributes).or_fail(cannot);
            }
            Kind::Character => Some(Made::Character(major, minor)),
            Kind::Block => Some(Made::Block(major, minor)),
            Kind::Pipe => Some(Made::Pipe),
            Kind::Socket => None,
        };
        let made = node.map(|node| self.tree.make_node(path, node, attributes));
        match made {
            Some(Ok(())) => Ok(()),
            None | Some(Err(rustix::io::Errno::PERM)) => {
                record.is_not_made = true;
                self.told.not_made.push(shown(raw.name()));
                Ok(())
            }
            Some(Err(error)) => Err(error).or_fail(cannot),
        }
    }

    fn make_file(
        &mut self,
        path: &Path,
        raw: &Raw<'_>,
        record: &mut EntryRecord,
        body: &mut dyn Read,
    ) -> Result<()> {
        let cannot = || format!("cannot write {}", self.folder.join(path).display());
        let header = &raw.header;
        let key = (header.on.0, header.on.1, header.inode);
        let linked = (header.links > 1).then(|| self.linked.entry(key).or_default());
        if header.size == 0
            && let Some(Linked { holder: Some((holder, _)), .. }) = &linked
        {
            record.body_at = Some(escape(holder.as_os_str().as_bytes()));
            return self.tree.make_hard_link(path, holder).or_fail(cannot);
        }
        let waiting = match linked {
            Some(linked) if header.size == 0 => {
                linked.waiting.push(self.records.len());
                Vec::new()
            }
            Some(linked) => {
                linked.holder = Some((path.to_owned(), self.records.len()));
                std::mem::take(&mut linked.waiting)
            }
            None => Vec::new(),
        };
        let mut file = self.tree.create(path).or_fail(cannot)?;
        io::copy(body, &mut file).or_fail(cannot)?;
        let attributes = self.attributes(header);
        set_attributes(&file, attributes).or_fail(cannot)?;
        // The names before this one are names of this file: GNU cpio puts the body behind the last.
        for index in waiting {
            if let Some(Record::Entry(EntryRecord {
                place: Some(place), body_at, is_covered: false, ..
            })) = self.records.get_mut(index)
            {
                *body_at = Some(escape(path.as_os_str().as_bytes()));
                let place = manifest::unescape(place);
                self.tree.make_hard_link(Path::new(OsStr::from_bytes(&place)), path).or_fail(cannot)?;
            }
        }
        Ok(())
    }

    /// Whether this is a further name of a file whose first name stands for something else by now. (The kernel makes
    /// it a name of that other thing, whatever it is.)
    fn is_replaced(&self, header: &Header) -> bool {
        let key = (header.on.0, header.on.1, header.inode);
        let linked = self.linked.get(&key).filter(|_| header.links > 1 && header.size == 0);
        let holder = linked.and_then(|linked| linked.holder.as_ref());
        holder.is_some_and(|(path, made_by)| self.at.get(path.as_os_str().as_bytes()) != Some(made_by))
    }

    /// Moves what stood at a place into the manifest, because something else comes there.
    fn cover(&mut self, place: &[u8], kind: Kind) -> Result<()> {
        let Some(&earlier) = self.at.get(place) else { return Ok(()) };
        let Some(Record::Entry(record)) = self.records.get_mut(earlier) else { return Ok(()) };
        record.is_covered = true;
        let path = Path::new(OsStr::from_bytes(place));
        let full = self.folder.join(path);
        let cannot = || format!("cannot keep {}", full.display());
        // Nothing stands where a device could not be made.
        let Ok(metadata) = full.symlink_metadata() else { return Ok(()) };
        if metadata.is_dir() {
            if kind != Kind::Folder {
                self.tree.remove_folder(path).or_fail(cannot)?;
                self.folders.retain(|(folder, _)| folder != path);
            }
            return Ok(());
        }
        let bytes = if metadata.is_symlink() {
            std::fs::read_link(&full).or_fail(cannot)?.into_os_string().as_bytes().to_vec()
        } else if metadata.is_file() {
            std::fs::read(&full).or_fail(cannot)?
        } else {
            return Ok(());
        };
        if record.body_at.is_some() {
            return Ok(());
        }
        let body = keep_body(&self.folder, &mut self.bodies, &mut &bytes[..])?;
        record.body = Some(body.clone());
        // Other names of the file lose the one that has its body; those of a file that stood here before did already.
        let place = escape(place);
        for record in &mut self.records {
            if let Record::Entry(record) = record
                && record.body_at.as_ref() == Some(&place)
                && record.body.is_none()
            {
                record.body = Some(body.clone());
            }
        }
        Ok(())
    }

    /// Keeps an entry that cannot be made with its body.
    fn keep_whole(
        &mut self,
        name: &[u8],
        record: &mut EntryRecord,
        body: &mut dyn Read,
        why: NotUnpacked,
    ) -> Result<()> {
        self.told.passed_over.push(format!("{}: {why}", shown(name)));
        record.body = Some(keep_body(&self.folder, &mut self.bodies, body)?);
        Ok(())
    }

    /// Gives folders their modes and times, once nothing is made in them any more.
    fn finish_folders(&mut self) -> Result<()> {
        let folders = std::mem::take(&mut self.folders);
        let cannot = |path: &Path| format!("cannot finish {}", path.display());
        for (path, attributes) in &folders {
            self.tree.make_folder(path, *attributes).or_fail(|| cannot(path))?;
        }
        for (path, attributes) in folders.iter().rev() {
            // Of several that stand for one folder the last one holds.
            let last = folders.iter().rev().find(|(other, _)| other == path);
            let seconds = last.map_or(attributes.seconds, |(_, last)| last.seconds);
            self.tree.set_folder_time(path, seconds).or_fail(|| cannot(path))?;
        }
        Ok(())
    }
}

/// Writes a body into a file of its own; gives its name.
fn keep_body(folder: &Path, count: &mut usize, body: &mut dyn Read) -> Result<String> {
    *count += 1;
    let name = format!("body-{count}");
    let path = manifest::folder(folder).join(&name);
    let cannot = || format!("cannot write {}", path.display());
    let mut file = std::fs::File::create(&path).or_fail(cannot)?;
    io::copy(body, &mut file).or_fail(cannot)?;
    Ok(name)
}

impl Visit for Unpacking<'_> {
    fn zeros(&mut self, count: u64) -> Result<()> {
        if let Some(sum) = &mut self.sum {
            let mut left = count;
            while left > 0 {
                let some = left.min(4096);
                sum.update(&[0; 4096][..some as usize]);
                left -= some;
            }
        }
        self.records.push(Record::Zeros(count));
        Ok(())
    }

    fn begin(&mut self, part: Part) -> Result<()> {
        self.sum = Some(Sha256::new());
        self.part = self.records.len();
        self.told.parts += 1;
        self.records.push(Record::Part(PartRecord {
            number: part.number,
            packing: part.packing.map(|packing: Packing| packing.name().to_owned()),
            sha256: String::new(),
            bytes: 0,
            kept: None,
        }));
        Ok(())
    }

    fn entry(&mut self, raw: Raw<'_>, body: &mut dyn Read) -> Result<()> {
        let mut sum = self.sum.take().unwrap_or_default();
        sum.update(raw.digits);
        sum.update(raw.name_field);
        sum.update(raw.name_padding);
        let mut record = EntryRecord {
            name: escape(raw.name_field),
            header: String::from_utf8_lossy(raw.digits).into_owned(),
            ..EntryRecord::default()
        };
        if raw.name_padding.iter().any(|byte| *byte != 0) {
            record.name_padding = hex(raw.name_padding);
        }
        let mut body = Summed { body, sum };
        if raw.name() == TRAILER {
            self.linked.clear();
            if raw.header.size > 0 {
                record.body = Some(keep_body(&self.folder, &mut self.bodies, &mut body)?);
            }
        } else {
            self.told.entries += 1;
            self.make(&raw, &mut record, &mut body)?;
        }
        // What was not read of the body belongs to the sum as well.
        io::copy(&mut body, &mut io::sink()).or_fail(|| format!("cannot read {}", shown(raw.name())))?;
        self.sum = Some(body.sum);
        self.padding = raw.header.body_padding();
        self.records.push(Record::Entry(record));
        Ok(())
    }

    fn padding(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(sum) = &mut self.sum {
            sum.update(bytes);
        }
        let is_usual = bytes.len() == self.padding && bytes.iter().all(|byte| *byte == 0);
        if let Some(Record::Entry(record)) = self.records.last_mut().filter(|_| !is_usual) {
            record.padding = Some(hex(bytes));
        }
        Ok(())
    }

    fn end(&mut self, part: Part, end: usize, _: u64) -> Result<()> {
        let sum = self.sum.take().unwrap_or_default();
        let bytes = &self.file[part.start..end];
        if let Some(Record::Part(record)) = self.records.get_mut(self.part) {
            record.sha256 = hex(&sum.finalize());
            record.bytes = bytes.len() as u64;
            if part.packing.is_some() {
                let name = format!("part-{}", part.number);
                let path = manifest::folder(&self.folder).join(&name);
                std::fs::write(&path, bytes).or_fail(|| format!("cannot write {}", path.display()))?;
                record.kept = Some(name);
            }
        }
        self.records.push(Record::PartEnd);
        Ok(())
    }
}

/// A body that is summed up while it is read.
struct Summed<'b> {
    body: &'b mut dyn Read,
    sum: Sha256,
}

impl Read for Summed<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(to)?;
        self.sum.update(&to[..count]);
        Ok(count)
    }
}
