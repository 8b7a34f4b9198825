//! A tar archive read as a stream: one entry after the other, with everything that stands beside its head.
//!
//! Where entries go is decided by who reads; formats are [`wire::tar`]'s.

use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use wire::tar::{self, BLOCK, Kind};

/// Most octets of names and records beside one entry; the kernel takes attributes of 64 KiB at most.
const BESIDE: u64 = 4 << 20;
/// Most stretches of data in a file with holes.
const STRETCHES: usize = 1 << 20;
/// A record of an extended attribute, as GNU tar and libarchive write it.
const EXTENDED: &[u8] = b"SCHILY.xattr.";
/// Records of access control lists, as text, with the attributes that the kernel keeps them in.
const ACLS: [(&[u8], &str); 2] =
    [(b"SCHILY.acl.access", "system.posix_acl_access"), (b"SCHILY.acl.default", "system.posix_acl_default")];

/// An archive being read.
#[derive(Debug)]
pub struct Archive<R> {
    source: R,
    /// Octets of the entry's data that are not read.
    left: u64,
    /// Octets that fill its last block.
    padding: u64,
}

/// One entry.
#[derive(Debug)]
pub struct Entry {
    /// Its path, beginning with `/`, without `.` in it.
    pub path: PathBuf,
    /// Where it leads, for links.
    pub link: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Its owner.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// Time of last change, seconds since 1970.
    pub seconds: i64,
    /// Size of a file, holes included.
    pub size: u64,
    /// Offsets and lengths of data in a file with holes; the archive holds only that.
    pub stretches: Option<Vec<(u64, u64)>>,
    /// Extended attributes.
    pub extended: Vec<(String, Vec<u8>)>,
    /// Access control lists: the attribute and the text.
    pub acls: Vec<(&'static str, String)>,
}

/// What stands before a head and is of it.
#[derive(Default)]
struct Beside {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    user: Option<u64>,
    group: Option<u64>,
    seconds: Option<i64>,
    extended: Vec<(String, Vec<u8>)>,
    acls: Vec<(&'static str, String)>,
    holes: Option<Holes>,
}

/// What records say of a file with holes.
#[derive(Default)]
struct Holes {
    size: u64,
    /// Absent where the map stands before the data (version 1.0).
    map: Option<Vec<(u64, u64)>>,
    offset: u64,
}

fn broken(why: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

impl<R: Read> Archive<R> {
    /// An archive from its beginning.
    pub fn of(source: R) -> Archive<R> {
        Archive { source, left: 0, padding: 0 }
    }

    /// Goes on to the next entry; `None` at the end. Data of the one before that was not read is passed over.
    ///
    /// Errors: `InvalidData` where the archive contradicts itself, `UnexpectedEof` where it is cut off, those of
    /// the source.
    pub fn advance(&mut self) -> io::Result<Option<Entry>> {
        let mut beside = Beside::default();
        loop {
            self.pass_over()?;
            let mut block = [0; BLOCK];
            self.source.read_exact(&mut block)?;
            let Some(head) = tar::head(&block).map_err(broken)? else { return Ok(None) };
            self.begin(head.size)?;
            match head.kind {
                Kind::LongName => beside.path = Some(until_nul(self.all()?)),
                Kind::LongLink => beside.link = Some(until_nul(self.all()?)),
                Kind::Records => beside.take(&self.all()?)?,
                // Nothing that GNU tar or libarchive write there is of a root's files.
                Kind::GlobalRecords => {}
                _ => return self.entry(head, &block, beside).map(Some),
            }
        }
    }

    fn entry(&mut self, head: tar::Head, block: &[u8; BLOCK], beside: Beside) -> io::Result<Entry> {
        let size = beside.size.unwrap_or(head.size);
        let path = beside.path.unwrap_or(head.path);
        let kind = if head.kind == Kind::File && path.ends_with(b"/") { Kind::Folder } else { head.kind };
        let has_data = matches!(kind, Kind::File | Kind::Sparse);
        if !has_data {
            // Some writers give links the size of what they lead to, without its data.
            self.begin(if matches!(kind, Kind::Other(_)) { size } else { 0 })?;
        }
        let mut entry = Entry {
            path: rooted(path),
            link: PathBuf::from(std::ffi::OsString::from_vec(beside.link.unwrap_or(head.link))),
            kind,
            mode: head.mode,
            user: id(beside.user.unwrap_or(head.user))?,
            group: id(beside.group.unwrap_or(head.group))?,
            seconds: beside.seconds.unwrap_or(i64::try_from(head.seconds).unwrap_or_default()),
            size: if has_data { size } else { 0 },
            stretches: None,
            extended: beside.extended,
            acls: beside.acls,
        };
        if kind == Kind::Sparse {
            let (mut part, real) = tar::map_in_head(block).map_err(broken)?;
            let mut map = std::mem::take(&mut part.stretches);
            while part.goes_on {
                let mut more = [0; BLOCK];
                self.source.read_exact(&mut more)?;
                part = tar::map_in_block(&more).map_err(broken)?;
                map.append(&mut part.stretches);
                if map.len() > STRETCHES {
                    return Err(broken("a file has too many holes"));
                }
            }
            self.begin(size)?;
            entry.kind = Kind::File;
            entry.size = real;
            entry.stretches = Some(map);
        } else if has_data {
            self.begin(size)?;
            if let Some(holes) = beside.holes {
                let map = match holes.map {
                    Some(map) => map,
                    None => self.map_before_data()?,
                };
                entry.size = holes.size;
                entry.stretches = Some(map);
            }
        }
        if let Some(map) = &entry.stretches {
            check_map(map, entry.size, self.left)?;
        }
        Ok(entry)
    }

    fn begin(&mut self, size: u64) -> io::Result<()> {
        let block = BLOCK as u64;
        self.left = size;
        self.padding = (block - size % block) % block;
        size.checked_add(block).map(|_| ()).ok_or_else(|| broken("an entry is larger than any file"))
    }

    fn pass_over(&mut self) -> io::Result<()> {
        let rest = self.left + self.padding;
        let passed = io::copy(&mut self.source.by_ref().take(rest), &mut io::sink())?;
        (self.left, self.padding) = (0, 0);
        if passed == rest { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// All of the data of a small entry.
    fn all(&mut self) -> io::Result<Vec<u8>> {
        if self.left > BESIDE {
            return Err(broken("an entry has too much beside it"));
        }
        let mut all = Vec::new();
        self.read_to_end(&mut all)?;
        Ok(all)
    }

    /// The map that stands before the data of a file with holes: decimal numbers in lines, filled up to a block.
    fn map_before_data(&mut self) -> io::Result<Vec<(u64, u64)>> {
        let (mut block, mut at) = ([0; BLOCK], BLOCK);
        let mut number = || -> io::Result<u64> {
            let mut digits = Vec::new();
            loop {
                if at == BLOCK {
                    self.read_exact(&mut block)?;
                    at = 0;
                }
                let octet = block[at];
                at += 1;
                if octet == b'\n' || digits.len() > 20 {
                    let number = tar::decimal(&digits);
                    return number
                        .ok_or_else(|| broken("the map of a file with holes is no list of numbers"));
                }
                digits.push(octet);
            }
        };
        let count = number()?;
        if count > STRETCHES as u64 {
            return Err(broken("a file has too many holes"));
        }
        let mut map = Vec::new();
        for _ in 0..count {
            map.push((number()?, number()?));
        }
        Ok(map)
    }
}

/// The data of the entry that was given last. An archive that is cut off is an error, not an end.
impl<R: Read> Read for Archive<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let wanted = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        match self.source.read(&mut into[..wanted])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }
}

impl Beside {
    fn take(&mut self, octets: &[u8]) -> io::Result<()> {
        for (key, value) in tar::records(octets).map_err(broken)? {
            let number = || {
                tar::decimal(value)
                    .ok_or_else(|| broken(format!("`{}` is no number", String::from_utf8_lossy(key))))
            };
            match key {
                b"path" => {
                    self.path = self.path.take().filter(|_| self.holes.is_some()).or(Some(value.to_vec()))
                }
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(number()?),
                b"uid" => self.user = Some(number()?),
                b"gid" => self.group = Some(number()?),
                // Seconds, perhaps with a fraction, perhaps before 1970.
                b"mtime" => {
                    let whole = value.split(|octet| *octet == b'.').next().unwrap_or_default();
                    let text = std::str::from_utf8(whole).ok();
                    self.seconds = text.and_then(|text| text.parse().ok());
                }
                b"GNU.sparse.name" => {
                    self.holes.get_or_insert_default();
                    self.path = Some(value.to_vec());
                }
                b"GNU.sparse.size" | b"GNU.sparse.realsize" => {
                    self.holes.get_or_insert_default().size = number()?;
                }
                b"GNU.sparse.offset" => self.holes.get_or_insert_default().offset = number()?,
                b"GNU.sparse.numbytes" => {
                    let holes = self.holes.get_or_insert_default();
                    holes.map.get_or_insert_default().push((holes.offset, number()?));
                }
                b"GNU.sparse.map" => {
                    let numbers = value.split(|octet| *octet == b',').map(tar::decimal);
                    let numbers: Option<Vec<u64>> = numbers.collect();
                    let numbers = numbers.ok_or_else(|| broken("a map of holes is no list of numbers"))?;
                    let map = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
                    self.holes.get_or_insert_default().map = Some(map);
                }
                key => {
                    let acl = ACLS.iter().find(|(known, _)| *known == key);
                    if let Some(name) = key.strip_prefix(EXTENDED) {
                        self.extended.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
                    } else if let Some((_, attribute)) = acl {
                        self.acls.push((attribute, String::from_utf8_lossy(value).into_owned()));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Data must go forward, fit into the file, and be there.
fn check_map(map: &[(u64, u64)], size: u64, data: u64) -> io::Result<()> {
    let (mut end, mut sum) = (0, 0_u64);
    for (offset, length) in map {
        let next = offset.checked_add(*length).filter(|next| *offset >= end && *next <= size);
        end = next.ok_or_else(|| broken("the map of a file with holes contradicts itself"))?;
        sum = sum.saturating_add(*length);
    }
    if sum == data { Ok(()) } else { Err(broken("a file with holes has not the data that its map says")) }
}

fn until_nul(mut octets: Vec<u8>) -> Vec<u8> {
    octets.truncate(octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len()));
    octets
}

fn id(number: u64) -> io::Result<u32> {
    u32::try_from(number).map_err(|_| broken(format!("{number} is no user or group")))
}

fn rooted(path: Vec<u8>) -> PathBuf {
    let path = PathBuf::from(std::ffi::OsString::from_vec(path));
    let inside = path.strip_prefix("/").unwrap_or(&path);
    Path::new("/").join(inside).components().filter(|part| part.as_os_str() != ".").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry as GNU tar writes it.
    fn entry(path: &str, kind: u8, data: &[u8]) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..path.len()].copy_from_slice(path.as_bytes());
        for (at, number) in [(100, "0000644"), (108, "0000000"), (116, "0000000"), (136, "00000000000")] {
            block[at..at + number.len()].copy_from_slice(number.as_bytes());
        }
        block[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        block[148..156].fill(b' ');
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar  \0");
        let sum: u32 = block.iter().map(|octet| u32::from(*octet)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block.extend_from_slice(data);
        block.resize(block.len().next_multiple_of(BLOCK), 0);
        block
    }

    /// The head of a long path is cut off, and may be so behind a `/`: the whole path says what it is.
    #[test]
    fn a_file_is_none_the_less_one_where_its_head_ends_with_a_slash() {
        let folder = format!("{}/", "a".repeat(99));
        let path = format!("{folder}file");
        let mut archive = entry("././@LongLink", b'L', format!("{path}\0").as_bytes());
        archive.extend(entry(&folder, b'0', b"text"));
        archive.extend(entry("old/", 0, b""));
        archive.extend(entry("behind", b'0', b"more"));
        archive.resize(archive.len() + 2 * BLOCK, 0);
        let mut archive = Archive::of(&archive[..]);
        let mut seen = Vec::new();
        while let Some(entry) = archive.advance().unwrap() {
            let mut data = String::new();
            archive.read_to_string(&mut data).unwrap();
            seen.push((entry.path.display().to_string(), entry.kind, data));
        }
        let expected = [
            (format!("/{path}"), Kind::File, "text"),
            ("/old".into(), Kind::Folder, ""),
            ("/behind".into(), Kind::File, "more"),
        ];
        assert_eq!(seen, expected.map(|(path, kind, data)| (path, kind, data.to_owned())));
    }
}
