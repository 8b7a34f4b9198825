//! A package of the store: its control files, and its files as a stream.
//!
//! Where the files go is the unpacker's affair; what the control files mean is the database's.

use super::store::Store;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{MtStreamBuilder, Stream};
use model::failure::{Explain as _, Failure, Result};
use model::lock::Package;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use wire::deb::{Compression, Deb, Part};

/// The control files together may not be larger: the largest in Debian is under 2 MB.
const CONTROL_LIMIT: u64 = 64 << 20;

/// From this size on a package has more than one xz block: dpkg-deb cuts at 24 MiB, of which xz leaves a sixth.
const SEVERAL_BLOCKS: usize = 4 << 20;
/// Memory that xz may take for unpacking blocks side by side; where more is needed, it takes them one by one.
const XZ_MEMORY: u64 = 512 << 20;

/// A package in the store.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    /// What the lock says of it.
    pub package: Package,
    path: PathBuf,
}

impl Opened {
    /// The package as the store has it.
    pub(crate) fn of(package: &Package, store: &Store) -> Opened {
        Opened { package: package.clone(), path: store.package(&package.sha256) }
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's bytes, for [`Opened::files`].
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        std::fs::read(&self.path).or_fail(|| format!("cannot read {}", self.path.display()))
    }

    fn deb<'a>(&self, bytes: &'a [u8]) -> Result<Deb<'a>> {
        Deb::read(bytes).or_fail(|| format!("the package {} is broken", self.package.name))
    }

    /// Its control files by name: `control`, `postinst`, `conffiles`…
    pub(crate) fn control(&self) -> Result<BTreeMap<String, ControlFile>> {
        let broken = || format!("the control files of {} cannot be read", self.package.name);
        let bytes = self.bytes()?;
        let mut archive = tar::Archive::new(stream(self.deb(&bytes)?.control)?.take(CONTROL_LIMIT));
        let mut files = BTreeMap::new();
        for entry in archive.entries().or_fail(broken)? {
            let mut entry = entry.or_fail(broken)?;
            let name = entry.path().or_fail(broken)?.to_string_lossy().trim_start_matches("./").to_owned();
            // These become file names in the package database.
            if !entry.header().entry_type().is_file() || name.is_empty() || name.contains('/') {
                continue;
            }
            let mut content = Vec::new();
            let executable = entry.header().mode().or_fail(broken)? & 0o111 != 0;
            entry.read_to_end(&mut content).or_fail(broken)?;
            files.insert(name, ControlFile { content, executable });
        }
        if files.contains_key("control") {
            return Ok(files);
        }
        Err(Failure::new(broken()).because("it has no file `control`"))
    }

    /// Its files, out of its bytes.
    pub(crate) fn files<'a>(&self, bytes: &'a [u8]) -> Result<tar::Archive<Box<dyn Read + 'a>>> {
        Ok(tar::Archive::new(stream(self.deb(bytes)?.data)?))
    }

    /// The content of one file, the first of these names that it has; links are not followed.
    pub(crate) fn file(&self, names: &[&str]) -> Result<Vec<u8>> {
        let broken = || format!("the files of {} cannot be read", self.package.name);
        let bytes = self.bytes()?;
        let mut found: Vec<Option<Vec<u8>>> = vec![None; names.len()];
        for entry in self.files(&bytes)?.entries().or_fail(broken)? {
            let mut entry = entry.or_fail(broken)?;
            let path = entry.path().or_fail(broken)?.to_string_lossy().trim_start_matches("./").to_owned();
            let at = names.iter().position(|name| *name == path);
            if let Some(slot) =
                at.and_then(|at| found.get_mut(at)).filter(|_| entry.header().entry_type().is_file())
            {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).or_fail(broken)?;
                *slot = Some(content);
            }
        }
        found.into_iter().flatten().next().ok_or_else(|| {
            Failure::new(format!(
                "the package {} {} has no {}",
                self.package.name,
                self.package.version,
                names.join(" or ")
            ))
        })
    }
}

/// The `control` file of a package that is not in the store.
pub(crate) fn control_text(file: &Path) -> Result<String> {
    let broken = || format!("{} is no Debian package", file.display());
    let bytes = std::fs::read(file).or_fail(|| format!("cannot read {}", file.display()))?;
    let deb = Deb::read(&bytes).or_fail(broken)?;
    let mut archive = tar::Archive::new(stream(deb.control)?.take(CONTROL_LIMIT));
    for entry in archive.entries().or_fail(broken)? {
        let mut entry = entry.or_fail(broken)?;
        if entry.path().or_fail(broken)?.to_string_lossy().trim_start_matches("./") == "control" {
            let mut text = String::new();
            entry.read_to_string(&mut text).or_fail(broken)?;
            return Ok(text);
        }
    }
    Err(Failure::new(broken()).because("it has no file `control`"))
}

/// One of a package's control files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ControlFile {
    /// Content.
    pub content: Vec<u8>,
    /// Whether it is a script.
    pub executable: bool,
}

impl ControlFile {
    /// Its content as text.
    pub(crate) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.content)
    }
}

/// One xz stream after the other, the blocks of a large one on all processors: a kernel's package is more than half of
/// what a live OS has to unpack, and would be waited for by processors that have nothing else to do.
struct XzStreams<'a>(XzDecoder<&'a [u8]>);

impl<'a> XzStreams<'a> {
    fn open(bytes: &'a [u8]) -> Result<XzStreams<'a>> {
        let starting = || "cannot set xz up".to_owned();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let decoder = match bytes.len() < SEVERAL_BLOCKS {
            true => Stream::new_stream_decoder(u64::MAX, 0).or_fail(starting)?,
            false => MtStreamBuilder::new()
                .threads(u32::try_from(threads).unwrap_or(1))
                .memlimit_threading(XZ_MEMORY)
                .memlimit_stop(u64::MAX)
                .decoder()
                .or_fail(starting)?,
        };
        Ok(XzStreams(XzDecoder::new_stream(bytes, decoder)))
    }
}

impl Read for XzStreams<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.0.read(to)?;
            let rest = *self.0.get_ref();
            if count > 0 || to.is_empty() || rest.is_empty() {
                return Ok(count);
            }
            *self = XzStreams::open(rest).map_err(|failure| io::Error::other(failure.to_string()))?;
        }
    }
}

fn stream(part: Part<'_>) -> Result<Box<dyn Read + '_>> {
    Ok(match part.compression {
        Compression::None => Box::new(part.bytes),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(part.bytes)),
        Compression::Xz => Box::new(XzStreams::open(part.bytes)?),
        Compression::Zstd => Box::new(
            zstd::stream::read::Decoder::new(Cursor::new(part.bytes))
                .or_fail(|| "cannot set zstd up".into())?,
        ),
    })
}
