//! OCI image layouts as roots: layers on each other, with what they take away, packed as one archive.
//!
//! ```text
//!   index.json -> manifest -> layers, lowest first          each file named by its SHA-256 and held against it
//!   first pass    which layer has the last word on a path   whiteouts: `.wh.NAME`, `.wh..wh..opq`
//!   second pass   folders, then what is left of each layer  into the archive that boxes unpack
//! ```
//! As the OCI image specification writes it (image-layout.md, layer.md); what Docker saves is read as well. An image
//! for several machines gives the one for this architecture.

use super::image::Packed;
use super::packing::Packing;
use super::store::digest_file;
use linux::archive::{Archive, Entry};
use model::failure::{Explain as _, Failure, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use wire::tar::Kind;

/// What marks a folder as such a layout.
pub(super) const MARK: &str = "oci-layout";
const ARCHITECTURE: &str = "amd64";
/// An index in an index is usual, more is not.
const DEEPEST: usize = 4;
/// Largest index or manifest; both are lists of some hundred octets an entry.
const LARGEST_LIST: u64 = 8 << 20;
/// Begins the name of what a layer takes away.
const WHITEOUT: &str = ".wh.";
/// Takes away everything that lower layers have in the folder.
const OPAQUE: &str = ".wh..wh..opq";

#[derive(Clone, Debug, Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Clone, Debug, Deserialize)]
struct Platform {
    architecture: String,
}

/// An index (`manifests`) or a manifest (`layers`).
#[derive(Debug, Deserialize)]
struct List {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

/// Packs the layout in `folder` into `to`. With `wanted` it is the manifest of that SHA-256, else the only one.
pub(super) fn pack(folder: &Path, wanted: Option<&str>, to: &Path) -> Result<Packed> {
    let index = read_list(&folder.join("index.json"))?;
    let chosen = choose(&index.manifests, wanted)?;
    let layers = layers(folder, chosen, 0)?;
    let paths: Vec<PathBuf> = layers.iter().map(|layer| blob(folder, layer)).collect::<Result<_>>()?;
    let owners = Owners::of(&paths)?;
    let mut packing = Packing::create(to)?;
    for (path, layer) in paths.iter().zip(0..) {
        owners.pack_folders(path, layer, &mut packing)?;
    }
    for (path, layer) in paths.iter().zip(0..) {
        owners.pack_rest(path, layer, &mut packing)?;
    }
    packing.finish()
}

/// Unpacks what a layout consists of out of an archive: other files in it are nobody's.
pub(super) fn unpack(file: &Path, folder: &Path) -> Result<()> {
    let blobs = Path::new("blobs/sha256");
    let making = || format!("cannot write to {}", folder.display());
    std::fs::create_dir_all(folder.join(blobs)).or_fail(making)?;
    walk(file, |entry, data| {
        let path = entry.path.strip_prefix("/").unwrap_or(&entry.path);
        let name = path.file_name().unwrap_or_default();
        let is_blob = path.parent() == Some(blobs) && name.len() == 64;
        if entry.kind == Kind::File && (is_blob || path == Path::new("index.json") || path == Path::new(MARK))
        {
            io::copy(data, &mut File::create(folder.join(path))?)?;
        }
        Ok(())
    })
}

fn choose<'a>(manifests: &'a [Descriptor], wanted: Option<&str>) -> Result<&'a Descriptor> {
    let of = |descriptor: &&Descriptor| match wanted {
        Some(sha256) => descriptor.digest.strip_prefix("sha256:") == Some(sha256),
        None => true,
    };
    let mut fitting = manifests.iter().filter(of);
    let listed = || manifests.iter().map(|one| one.digest.clone());
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => {
            let failure = Failure::new("the image layout has not the manifest that line.toml names");
            let failure =
                listed().fold(failure, |failure, digest| failure.because(format!("it has {digest}")));
            Err(failure.hint("write the SHA-256 of one of them into line.toml"))
        }
        (Some(_), Some(_)) => {
            let failure = Failure::new("the image layout has several images, and one can be installed");
            let failure =
                listed().fold(failure, |failure, digest| failure.because(format!("it has {digest}")));
            Err(failure.hint("copy one of them out: `skopeo copy oci:ALL:TAG oci:ONE`"))
        }
    }
}

/// The layers of what a descriptor names: of a manifest, or of the one for this architecture in an index.
fn layers(folder: &Path, descriptor: &Descriptor, depth: usize) -> Result<Vec<Descriptor>> {
    let list = read_list(&blob(folder, descriptor)?)?;
    if !list.layers.is_empty() {
        return Ok(list.layers);
    }
    let is_ours = |one: &&Descriptor| {
        one.platform.as_ref().is_some_and(|platform| platform.architecture == ARCHITECTURE)
    };
    match list.manifests.iter().find(is_ours) {
        Some(one) if depth < DEEPEST => layers(folder, one, depth + 1),
        _ => Err(Failure::new(format!("the image layout has no layers for {ARCHITECTURE}"))
            .because(format!("{} has none", descriptor.digest))),
    }
}

fn read_list(path: &Path) -> Result<List> {
    let cannot = || format!("cannot read {} of the image layout", path.display());
    let file = File::open(path).or_fail(cannot)?;
    let mut text = Vec::new();
    file.take(LARGEST_LIST).read_to_end(&mut text).or_fail(cannot)?;
    serde_json::from_slice(&text).or_fail(cannot)
}

/// The file that a descriptor names, whose content has its digest.
fn blob(folder: &Path, descriptor: &Descriptor) -> Result<PathBuf> {
    let is_hex = |text: &&str| text.len() == 64 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    let Some(sha256) = descriptor.digest.strip_prefix("sha256:").filter(is_hex) else {
        return Err(Failure::new(format!("the image layout names something by `{}`", descriptor.digest))
            .because("only SHA-256 is read"));
    };
    let path = folder.join("blobs/sha256").join(sha256);
    let (found, _) = digest_file(&path)?;
    if found == sha256 {
        return Ok(path);
    }
    Err(Failure::new(format!("{} is damaged", path.display()))
        .because(format!("its SHA-256 is {found}"))
        .hint("copy the image anew"))
}

/// Reads one layer, whatever it is compressed with.
fn walk(path: &Path, mut take: impl FnMut(Entry, &mut dyn Read) -> io::Result<()>) -> Result<()> {
    let reading = || format!("cannot read the layer {}", path.display());
    let file = File::open(path).or_fail(reading)?;
    let read = linux::compression::read_plain(file, |_, plain| {
        let mut archive = Archive::of(&mut *plain);
        while let Some(entry) = archive.advance()? {
            take(entry, &mut archive)?;
        }
        io::copy(plain, &mut io::sink()).map(drop)
    });
    read.or_fail(reading)?.or_fail(reading)
}

/// Who has the last word on each path.
#[derive(Debug, Default)]
struct Owners {
    /// The layer, and for hard links what is meant.
    paths: BTreeMap<PathBuf, Owner>,
    /// Files that are gone from their own path but live on at another: layer and path, and where they go.
    moved: HashMap<(usize, PathBuf), PathBuf>,
}

#[derive(Clone, Debug)]
struct Owner {
    layer: usize,
    is_folder: bool,
    /// Of a hard link: the layer and path of the file that it is.
    file: Option<(usize, PathBuf)>,
}

impl Owners {
    fn of(layers: &[PathBuf]) -> Result<Owners> {
        let mut owners = Owners::default();
        for (path, layer) in layers.iter().zip(0..) {
            walk(path, |entry, _| {
                owners.take(&entry, layer);
                Ok(())
            })?;
        }
        owners.move_files();
        Ok(owners)
    }

    fn take(&mut self, entry: &Entry, layer: usize) {
        let name = entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = entry.path.parent().unwrap_or(Path::new("/"));
        if name == OPAQUE {
            return self.drop_below(folder, layer);
        }
        if let Some(gone) = name.strip_prefix(WHITEOUT) {
            let gone = folder.join(gone);
            self.drop_below(&gone, layer);
            if self.paths.get(&gone).is_some_and(|owner| owner.layer < layer) {
                self.paths.remove(&gone);
            }
            return;
        }
        let is_folder = entry.kind == Kind::Folder;
        let file = (entry.kind == Kind::HardLink).then(|| {
            // Paths of entries begin with a slash here, where links lead need not.
            let link = Path::new("/").join(&entry.link);
            let known = self.paths.get(&link);
            let real = known.and_then(|owner| owner.file.clone());
            real.unwrap_or((known.map_or(layer, |owner| owner.layer), link))
        });
        if !is_folder {
            // What was a folder below is one no more.
            self.drop_below(&entry.path, layer);
        }
        self.paths.insert(entry.path.clone(), Owner { layer, is_folder, file });
    }

    /// Forgets what layers below have in a folder.
    fn drop_below(&mut self, folder: &Path, layer: usize) {
        let inside = self.paths.range(folder.to_owned()..).take_while(|(path, _)| path.starts_with(folder));
        let gone = inside.filter(|(path, owner)| path.as_path() != folder && owner.layer < layer);
        let gone: Vec<PathBuf> = gone.map(|(path, _)| path.clone()).collect();
        for path in gone {
            self.paths.remove(&path);
        }
    }

    /// A file whose path another layer has taken, but to which a link is left, goes where the link is.
    fn move_files(&mut self) {
        let links: Vec<(PathBuf, (usize, PathBuf))> =
            self.paths.iter().filter_map(|(path, owner)| Some((path.clone(), owner.file.clone()?))).collect();
        for (path, file) in links {
            let is_there =
                self.paths.get(&file.1).is_some_and(|owner| owner.layer == file.0 && owner.file.is_none());
            if !is_there {
                self.moved.entry(file).or_insert(path);
            }
        }
    }

    fn is_kept(&self, entry: &Entry, layer: usize) -> bool {
        self.paths.get(&entry.path).is_some_and(|owner| owner.layer == layer)
    }

    /// Folders first, since a lower layer may have a file in a folder of a higher one.
    fn pack_folders(&self, path: &Path, layer: usize, packing: &mut Packing) -> Result<()> {
        walk(path, |entry, data| {
            let is_folder = self.paths.get(&entry.path).is_some_and(|owner| owner.is_folder);
            if entry.kind == Kind::Folder && is_folder && self.is_kept(&entry, layer) {
                packing.put(&entry, data)?;
            }
            Ok(())
        })
    }

    /// What is no folder. A file comes before the links to it, in its own layer or in a lower one.
    fn pack_rest(&self, path: &Path, layer: usize, packing: &mut Packing) -> Result<()> {
        walk(path, |mut entry, data| {
            if entry.kind == Kind::Folder {
                return Ok(());
            }
            if let Some(to) = self.moved.get(&(layer, entry.path.clone())) {
                entry.path.clone_from(to);
                return packing.put(&entry, data);
            }
            if !self.is_kept(&entry, layer) {
                return Ok(());
            }
            if let Some(file) = self.paths.get(&entry.path).and_then(|owner| owner.file.clone()) {
                let now = self.moved.get(&file).cloned().unwrap_or(file.1);
                if now == entry.path {
                    return Ok(());
                }
                entry.link = now;
            }
            packing.put(&entry, data)
        })
    }
}

#[cfg(test)]
mod tests;
