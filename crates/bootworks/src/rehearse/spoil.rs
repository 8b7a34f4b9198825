//! Spoiled outputs: the folder that a rehearsal serves when one of the build's files is to be missing, cut short
//! or wrong.
//!
//! The line's own outputs are never touched: what is served is a folder of links beside the one spoiled copy.

mod modules;

use super::fault::Fault;
use model::failure::{Explain as _, Failure, Result};
use model::outputs::{LIST, Outputs};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A file that the build made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// The boot loader for UEFI.
    Loader,
    /// The live OS's kernel.
    Kernel,
    /// Its initrd.
    Initrd,
    /// Its root, the folder that NFS exports.
    Root,
    /// Its root as squashfs.
    Squashfs,
    /// The appliance's image.
    Image,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// It is not there.
    Missing,
    /// It was built to half its length: the server knows of nothing else.
    Halved,
    /// One byte in its middle is another.
    Flipped,
    /// An initrd whose modules are another kernel's.
    ModulesForeign,
    /// An initrd with another byte in the middle of each of its modules, so that their signatures do not fit.
    ModulesAltered,
}

/// The folder to serve: the outputs themselves, or links to them beside what these faults spoil.
///
/// Errors: a file cannot be linked, copied or spoiled; two faults want to spoil different things.
pub(crate) fn spoil(outputs: &Path, list: &Outputs, folder: &Path, faults: &[Fault]) -> Result<PathBuf> {
    let outputs = std::path::absolute(outputs).or_fail(|| format!("cannot find {}", outputs.display()))?;
    let spoiling: Vec<(Output, Damage)> = faults
        .iter()
        .filter_map(|fault| match fault {
            Fault::Spoiled(output, damage) => Some((*output, *damage)),
            _ => None,
        })
        .collect();
    let (output, damage) = match spoiling.as_slice() {
        [] => return Ok(outputs),
        [one] => *one,
        _ => {
            return Err(Failure::new("cannot spoil two outputs at once")
                .hint("one such `--fault`; others (power-cut, link-lost) may stand beside it"));
        }
    };
    let path = PathBuf::from(match output {
        Output::Loader => &list.loader_efi.path,
        Output::Kernel => &list.live.kernel.path,
        Output::Initrd => &list.live.initrd.path,
        Output::Squashfs => &list.live.squashfs.path,
        Output::Image => &list.image.path,
        Output::Root => &list.live.tree,
    });
    let spoiled = folder.join("outputs");
    let beside = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(spoiled.join(beside)).or_fail(|| format!("cannot make {}", spoiled.display()))?;
    // Links to everything but the spoiled file and the folders it stands in, which are real ones here: a copy
    // through a link would spoil the line's own.
    for level in beside.ancestors() {
        link_entries(&outputs.join(level), &spoiled.join(level), |entry| {
            !outputs.join(&path).starts_with(entry)
        })?;
    }
    let (whole, copy) = (outputs.join(&path), spoiled.join(&path));
    let cannot = || format!("cannot spoil {}", copy.display());
    match damage {
        Damage::Missing => {}
        Damage::Flipped => {
            let bytes = std::fs::copy(&whole, &copy).or_fail(cannot)?;
            flip_byte(&copy, bytes / 2).or_fail(cannot)?;
        }
        Damage::Halved => {
            let bytes = std::fs::copy(&whole, &copy).or_fail(cannot)?;
            let file = std::fs::OpenOptions::new().write(true).open(&copy).or_fail(cannot)?;
            file.set_len(bytes / 2).or_fail(cannot)?;
            rewrite_list(&spoiled, list, output, bytes / 2)?;
        }
        Damage::ModulesForeign | Damage::ModulesAltered => {
            let change: fn(&mut [u8]) -> Option<()> = match damage {
                Damage::ModulesForeign => modules::make_foreign,
                _ => modules::alter,
            };
            let initrd = std::fs::read(&whole).or_fail(|| format!("cannot read {}", whole.display()))?;
            let changed = modules::change(&initrd, &folder.join("initrd"), change)?;
            std::fs::write(&copy, &changed).or_fail(cannot)?;
            rewrite_list(&spoiled, list, output, changed.len() as u64)?;
        }
    }
    Ok(spoiled)
}

/// The list of outputs, in place of its link, with another length of one of them.
fn rewrite_list(spoiled: &Path, list: &Outputs, output: Output, bytes: u64) -> Result<()> {
    let mut list = list.clone();
    let file = match output {
        Output::Loader => &mut list.loader_efi,
        Output::Kernel => &mut list.live.kernel,
        Output::Initrd => &mut list.live.initrd,
        Output::Squashfs => &mut list.live.squashfs,
        Output::Image => &mut list.image,
        // A folder has no length; no fault asks for half of one.
        Output::Root => return Ok(()),
    };
    file.bytes = bytes;
    let path = spoiled.join(LIST);
    let cannot = || format!("cannot write {}", path.display());
    let text = serde_json::to_vec(&list).or_fail(cannot)?;
    std::fs::remove_file(&path).or_fail(cannot)?;
    std::fs::write(&path, text).or_fail(cannot)
}

/// Links in `to` to those entries of `from` that are wanted.
fn link_entries(from: &Path, to: &Path, wanted: impl Fn(&Path) -> bool) -> Result<()> {
    for entry in std::fs::read_dir(from).or_fail(|| format!("cannot read {}", from.display()))?.flatten() {
        if wanted(&entry.path()) {
            std::os::unix::fs::symlink(entry.path(), to.join(entry.file_name()))
                .or_fail(|| format!("cannot make links in {}", to.display()))?;
        }
    }
    Ok(())
}

fn flip_byte(path: &Path, at: u64) -> std::io::Result<()> {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ 0x01], at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::outputs::{LiveOutputs, OutputFile};

    fn built(folder: &Path) -> (PathBuf, Outputs) {
        let outputs = folder.join(".build");
        std::fs::create_dir_all(outputs.join("image-1")).unwrap();
        std::fs::create_dir_all(outputs.join("live-1/tree/etc")).unwrap();
        std::fs::write(outputs.join("live-1/initrd"), [3; 50]).unwrap();
        std::fs::write(outputs.join("image-1/image.tar.zst"), [7; 100]).unwrap();
        std::fs::write(outputs.join("image-1/notes"), "beside").unwrap();
        let file = |path: &str, bytes| OutputFile { path: path.into(), bytes, sha256: String::new() };
        let none = || file("none", 0);
        let list = Outputs {
            line: "l".into(),
            build: "b".into(),
            lock: String::new(),
            fallback: None,
            live: LiveOutputs {
                digest: String::new(),
                release: String::new(),
                kernel: none(),
                initrd: file("live-1/initrd", 50),
                squashfs: none(),
                tree: "live-1/tree".into(),
                drivers: none(),
                memory: Default::default(),
            },
            image: file("image-1/image.tar.zst", 100),
            image_unpacked_bytes: 0,
            image_content: Default::default(),
            image_signature: None,
            loader_bios: none(),
            loader_efi: none(),
            loader_cd: none(),
            boms: std::collections::BTreeMap::new(),
        };
        std::fs::write(outputs.join(LIST), serde_json::to_vec(&list).unwrap()).unwrap();
        (outputs, list)
    }

    /// The fault is for one rehearsal: the line's own image must stay as it was built.
    #[test]
    fn a_spoiled_image_is_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (outputs, list) = built(folder.path());
        let faults = [Fault::Spoiled(Output::Image, Damage::Flipped)];
        let served = spoil(&outputs, &list, folder.path(), &faults).unwrap();
        let (was, is) = (outputs.join(&list.image.path), served.join(&list.image.path));
        assert_eq!(std::fs::read(was).unwrap(), [7; 100]);
        let spoiled = std::fs::read(is).unwrap();
        assert_eq!((spoiled.len(), spoiled[50], spoiled[51]), (100, 6, 7));
        assert_eq!(std::fs::read_to_string(served.join("image-1/notes")).unwrap(), "beside");
        assert!(served.join("live-1").is_symlink() && served.join(LIST).is_symlink());
        assert_eq!(spoil(&outputs, &list, folder.path(), &[]).unwrap(), outputs);
    }

    /// A file built short is whole as far as the server knows; a file that is gone is gone for it only.
    #[test]
    fn a_file_is_short_or_gone_for_the_server_only() {
        let folder = tempfile::tempdir().unwrap();
        let (outputs, list) = built(folder.path());
        let faults = [Fault::Spoiled(Output::Initrd, Damage::Halved)];
        let served = spoil(&outputs, &list, folder.path(), &faults).unwrap();
        let told: Outputs = serde_json::from_slice(&std::fs::read(served.join(LIST)).unwrap()).unwrap();
        assert_eq!(told.live.initrd.bytes, 25);
        assert_eq!(std::fs::read(served.join("live-1/initrd")).unwrap(), [3; 25]);
        assert_eq!(std::fs::read(outputs.join("live-1/initrd")).unwrap(), [3; 50]);
        let folder = tempfile::tempdir().unwrap();
        let (outputs, list) = built(folder.path());
        let faults = [Fault::Spoiled(Output::Root, Damage::Missing)];
        let served = spoil(&outputs, &list, folder.path(), &faults).unwrap();
        assert!(!served.join("live-1/tree").exists() && served.join("live-1/initrd").exists());
        assert!(outputs.join("live-1/tree/etc").is_dir());
        let two = [faults[0].clone(), Fault::Spoiled(Output::Image, Damage::Missing)];
        expect_test::expect![[r#"
            error: cannot spoil two outputs at once
            hint: one such `--fault`; others (power-cut, link-lost) may stand beside it"#]]
        .assert_eq(&spoil(&outputs, &list, folder.path(), &two).unwrap_err().report());
    }
}
