//! The initrd of an appliance, made by the appliance's own initramfs-tools: half a minute for what is nearly always
//! the same as last time. It is kept by what it can depend on.
//!
//! That is everything in the root but a few places ([`ASIDE`]) that no hook of the root mentions. `build --verify`
//! makes it anew from the whole root and would show where that is wrong.

use super::apply;
use super::layer;
use super::scrub::{clamp_times, walk};
use super::store::{Store, digest};
use super::system::Base;
use super::unpack::Root;
use model::failure::{Explain as _, Result};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Changes with what is kept.
const FORM: &str = "stock-initrd-2";
/// The folder of what was made, in the folder that is kept.
const FILES: &str = "files";
/// Where initramfs-tools puts what it makes: the initrd, and a note of it.
const MADE: [&str; 2] = ["boot", "var/lib/initramfs-tools"];
/// What initramfs-tools runs and reads as programs.
const HOOKS: [&str; 2] = ["etc/initramfs-tools", "usr/share/initramfs-tools"];
/// Places that initramfs-tools and the hooks of Debian's packages take nothing from. Programs of `/usr/local` come
/// before others of their name, so a name that `/usr` has as well is no such place.
const ASIDE: [&str; 11] = [
    "usr/local/bin/",
    "usr/local/sbin/",
    "usr/local/share/",
    "opt/",
    "srv/",
    "home/",
    "var/www/",
    "etc/systemd/system/",
    "etc/nginx/",
    "etc/motd",
    "etc/issue",
];

/// Puts the initrd of every kernel into `root`, which is finished otherwise and was made on `base`.
pub(crate) fn put(root: &Path, base: &Base, store: &Store, epoch: u64) -> Result<()> {
    if !root.join("usr/sbin/update-initramfs").exists() {
        return Ok(());
    }
    let mentioned = mentioned(root)?;
    let counts = |name: &Path| !is_aside(name, root, &mentioned);
    let changes = layer::digest_of_changes(&base.tree, root, &[""], counts)?;
    let kept =
        store.base(&digest(format!("{FORM} {} {changes}", base.key)), |folder| make(root, folder, epoch))?;
    let kept = kept.join(FILES);
    let open = Root::open(root)?;
    for path in walk(&kept)? {
        let reading = || format!("cannot read {}", path.display());
        let kind = path.symlink_metadata().or_fail(reading)?;
        if kind.is_file() {
            let name = path.strip_prefix(&kept).unwrap_or(&path);
            open.write(name, &std::fs::read(&path).or_fail(reading)?, kind.permissions().mode())?;
        }
    }
    clamp_times(root, epoch)
}

/// Lets initramfs-tools run on the root and keeps in `folder` what it has made.
fn make(root: &Path, folder: &Path, epoch: u64) -> Result<()> {
    let (tree, files) = (folder.join("tree"), folder.join(FILES));
    std::fs::create_dir(&files).or_fail(|| format!("cannot make {}", files.display()))?;
    layer::changed(root, &tree, |tree| apply::make_initrd(tree, epoch))?;
    for name in layer::own_files(root, &tree)? {
        if !MADE.iter().any(|made| name.starts_with(made)) {
            continue;
        }
        let keeping = || format!("cannot keep /{}", name.display());
        let to = files.join(&name);
        std::fs::create_dir_all(to.parent().unwrap_or(&files)).or_fail(keeping)?;
        std::fs::rename(tree.join(&name), &to).or_fail(keeping)?;
    }
    std::fs::remove_dir_all(&tree).or_fail(|| format!("cannot remove {}", tree.display()))
}

/// Those of [`ASIDE`] that some hook of the root names.
fn mentioned(root: &Path) -> Result<Vec<&'static str>> {
    let mut texts = Vec::new();
    for folder in HOOKS.map(|folder| root.join(folder)).iter().filter(|folder| folder.is_dir()) {
        for path in walk(folder)?.iter().filter(|path| path.is_file()) {
            let bytes = std::fs::read(path).or_fail(|| format!("cannot read {}", path.display()))?;
            texts.push(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    let is_mentioned = |aside: &&str| {
        let name = format!("/{}", aside.trim_end_matches('/'));
        texts.iter().any(|text| text.contains(&name))
    };
    Ok(ASIDE.into_iter().filter(is_mentioned).collect())
}

fn is_aside(name: &Path, root: &Path, mentioned: &[&str]) -> bool {
    let text = name.to_string_lossy();
    let Some(aside) = ASIDE.iter().find(|aside| text.starts_with(**aside)) else { return false };
    let last: PathBuf = name.file_name().unwrap_or_default().into();
    let shadows =
        ["usr/bin", "usr/sbin"].iter().any(|folder| root.join(folder).join(&last).symlink_metadata().is_ok());
    !mentioned.contains(aside) && !shadows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An initrd that is older than what is in it boots the wrong thing: only what no hook can take may be passed
    /// over.
    #[test]
    fn only_what_no_hook_takes_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (name, text) in [
            ("usr/sbin/modprobe", ""),
            ("usr/share/initramfs-tools/hooks/udev", "copy_file /etc/systemd/network\n"),
            ("etc/initramfs-tools/hooks/own", "copy_exec /opt/raid/tool\n"),
        ] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), text).unwrap();
        }
        let mentioned = mentioned(root).unwrap();
        assert_eq!(mentioned, ["opt/"]);
        let aside = |name: &str| is_aside(Path::new(name), root, &mentioned);
        for name in ["usr/local/sbin/ready", "etc/systemd/system/ready.service", "etc/motd", "srv/x"] {
            assert!(aside(name), "{name}");
        }
        for name in [
            "usr/local/sbin/modprobe",
            "etc/systemd/network/10.link",
            "opt/raid/tool",
            "etc/modules",
            "usr/lib/modules/x",
            "etc/initramfs-tools/hooks/own",
        ] {
            assert!(!aside(name), "{name}");
        }
    }
}
