//! An initrd whose modules the kernel does not take: unpacked, changed file by file, packed again.

use crate::initrd::{pack, unpack};
use model::failure::{Explain as _, Failure, Result};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What ends a signed module (kernel, include/linux/module_signature.h).
const SIGNED: &[u8] = b"~Module signature appended~\n";
/// Where a module says for which kernel it was built.
const BUILT_FOR: &[u8] = b"vermagic=";

/// The initrd with each of its modules changed. `folder` is used in between.
///
/// Errors: it cannot be unpacked, or has no module that can be changed.
pub(super) fn change(initrd: &[u8], folder: &Path, change: fn(&mut [u8]) -> Option<()>) -> Result<Vec<u8>> {
    unpack::unpack(initrd, folder, unpack::Rights::Root)?;
    let mut changed = 0;
    for path in files(folder)?.iter().filter(|path| path.as_os_str().as_bytes().ends_with(b".ko")) {
        let cannot = || format!("cannot change {}", path.display());
        let mut module = std::fs::read(path).or_fail(cannot)?;
        if change(&mut module).is_some() {
            std::fs::write(path, &module).or_fail(cannot)?;
            changed += 1;
        }
    }
    if changed == 0 {
        return Err(Failure::new("the initrd has no module that can be changed"));
    }
    let packed = pack::pack(folder)?;
    std::fs::remove_dir_all(folder).or_fail(|| format!("cannot remove {}", folder.display()))?;
    Ok(packed.bytes)
}

/// Another byte in its middle, where its code and data are.
pub(super) fn alter(module: &mut [u8]) -> Option<()> {
    let middle = module.len() / 2;
    *module.get_mut(middle)? ^= 0x01;
    Some(())
}

/// Another kernel in what it says that it was built for, and no signature that the kernel would see: somebody else's module.
/// It stays as long as it was, because the box holds its initrd against a list first.
pub(super) fn make_foreign(module: &mut [u8]) -> Option<()> {
    if module.ends_with(SIGNED) {
        let marker = module.len() - SIGNED.len();
        module[marker..].fill(0);
    }
    let begin = module.windows(BUILT_FOR.len()).position(|window| window == BUILT_FOR)? + BUILT_FOR.len();
    let word = module.get(begin..)?.iter().position(|octet| *octet == b' ')? + 1;
    // Behind the release: a kernel with modversions does not look at that (kernel/module/version.c, `same_magic`).
    *module.get_mut(begin + word)? ^= 0x01;
    Some(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read {}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).or_fail(cannot)? {
        let entry = entry.or_fail(cannot)?;
        match entry.file_type().or_fail(cannot)? {
            kind if kind.is_dir() => found.extend(files(&entry.path())?),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With its signature a module of another kernel would be refused for that, and not for its kernel.
    #[test]
    fn a_foreign_module_is_not_signed() {
        let mut module = [&b"code vermagic=6.1.0-56-amd64 SMP\0"[..], SIGNED].concat();
        let length = module.len();
        make_foreign(&mut module).unwrap();
        assert_eq!(module.len(), length);
        assert!(module.starts_with(b"code vermagic=6.1.0-56-amd64 RMP\0"));
        assert!(!module.ends_with(SIGNED));
        assert_eq!(make_foreign(&mut b"no module".to_vec()), None);
        assert_eq!(make_foreign(&mut SIGNED.to_vec()), None);
    }

    #[test]
    fn an_altered_module_is_as_long_as_it_was() {
        let mut module = b"code".to_vec();
        alter(&mut module).unwrap();
        assert_eq!(module, b"coee");
        assert_eq!(alter(&mut []), None);
    }
}
