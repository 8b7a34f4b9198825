//! dpkg's database of a root whose packages were unpacked here and not by dpkg: what dpkg would have written
//! after `dpkg --unpack` (lib/dpkg/dbdir.c, infodb-format.c, triglib.c), so that it can go on from there.

use super::package::{ControlFile, Opened};
use linux::process::Child;
use model::failure::{Explain as _, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use wire::deb::stanzas;

/// A package with its control files.
#[derive(Debug)]
pub(crate) struct Unpacked<'a> {
    /// The package.
    pub opened: &'a Opened,
    /// Its control files.
    pub control: BTreeMap<String, ControlFile>,
}

impl Unpacked<'_> {
    /// One of its control files, as text; empty where it has none of that name.
    pub(crate) fn text(&self, name: &str) -> String {
        self.control.get(name).map(|file| file.text().into_owned()).unwrap_or_default()
    }

    /// A field of its control file.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let text = self.text("control");
        stanzas(&text).next().and_then(|stanza| stanza.field(name).map(str::to_owned))
    }

    /// Its name as dpkg's files have it: with the architecture where other architectures' may stand beside it.
    pub(crate) fn qualified(&self) -> String {
        let name = &self.opened.package.name;
        match self.field("Multi-Arch").as_deref() {
            Some("same") => format!("{name}:{}", self.opened.package.architecture),
            _ => name.clone(),
        }
    }

    fn conffiles(&self) -> Vec<String> {
        let text = self.text("conffiles");
        // `remove-on-upgrade /path` (deb-conffiles(5)) names one that is not in the package.
        text.lines().filter(|line| line.starts_with('/')).map(str::to_owned).collect()
    }
}

/// Makes an empty database, which dpkg and the maintainer scripts may use before packages are entered.
pub(crate) fn prepare(root: &Path) -> Result<()> {
    for folder in ["info", "updates", "triggers", "alternatives", "parts"] {
        let folder = root.join("var/lib/dpkg").join(folder);
        std::fs::create_dir_all(&folder).or_fail(|| format!("cannot make {}", folder.display()))?;
    }
    put(root, "info/format", b"1\n", 0o644)?;
    put(root, "status", b"", 0o644)?;
    put(root, "available", b"", 0o644)
}

/// Enters all packages as unpacked.
pub(crate) fn enter(root: &Path, packages: &[Unpacked<'_>], lists: &[Vec<PathBuf>]) -> Result<()> {
    let digests = conffile_digests(root, packages)?;
    let mut status = String::new();
    let mut interests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (unpacked, list) in packages.iter().zip(lists) {
        let name = unpacked.qualified();
        for (file, content) in &unpacked.control {
            if file != "control" {
                let mode = if content.executable { 0o755 } else { 0o644 };
                put(root, &format!("info/{name}.{file}"), &content.content, mode)?;
            }
        }
        put(root, &format!("info/{name}.list"), listing(list).as_bytes(), 0o644)?;
        let _ = writeln!(status, "{}", stanza(unpacked, &digests));
        for (what, options) in interests_of(&unpacked.text("triggers")) {
            interests.entry(what).or_default().push(format!("{name}{options}"));
        }
    }
    let mut files = String::new();
    for (what, who) in interests {
        if what.starts_with('/') {
            who.iter().for_each(|who| files += &format!("{what} {who}\n"));
        } else {
            put(root, &format!("triggers/{what}"), (who.join("\n") + "\n").as_bytes(), 0o644)?;
        }
    }
    put(root, "triggers/File", files.as_bytes(), 0o644)?;
    put(root, "status", status.as_bytes(), 0o644)
}

/// A package's paths as dpkg lists them: absolute, the root first.
fn listing(paths: &[PathBuf]) -> String {
    let mut text = String::new();
    for path in paths {
        match path.as_os_str().is_empty() {
            true => text.push_str("/.\n"),
            false => text += &format!("/{}\n", path.display()),
        }
    }
    text
}

/// The package's paragraph of the status file.
fn stanza(unpacked: &Unpacked<'_>, digests: &BTreeMap<String, String>) -> String {
    let control = unpacked.text("control");
    let mut text = String::new();
    for (name, value) in stanzas(&control).next().iter().flat_map(|stanza| stanza.fields()) {
        let _ = writeln!(text, "{name}: {value}");
        if name == "Package" {
            text.push_str("Status: install ok unpacked\n");
        }
    }
    let conffiles: Vec<String> = unpacked
        .conffiles()
        .into_iter()
        .filter_map(|path| digests.get(&path).map(|digest| format!(" {path} {digest}")))
        .collect();
    if !conffiles.is_empty() {
        text += &format!("Conffiles:\n{}\n", conffiles.join("\n"));
    }
    text
}

/// MD5 of every conffile, by which dpkg later tells whether an administrator changed it. They are the
/// package's own, because nothing has run in the root yet.
fn conffile_digests(root: &Path, packages: &[Unpacked<'_>]) -> Result<BTreeMap<String, String>> {
    let paths: Vec<String> = packages.iter().flat_map(Unpacked::conffiles).collect();
    if paths.is_empty() {
        return Ok(BTreeMap::new());
    }
    // GNU's own form: one line a file, no escapes as long as no name has a newline or a backslash.
    let child = Child::at("/usr/bin/md5sum").arg("--").args(&paths).in_root(root);
    let (_, out, _) = child.spawn_and_wait()?;
    let text = String::from_utf8_lossy(&out);
    Ok(text
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(md5, path)| (path.into(), md5.into()))
        .collect())
}

/// What a package's `triggers` file is interested in, with the suffix that dpkg keeps (deb-triggers(5)).
fn interests_of(text: &str) -> Vec<(String, &'static str)> {
    let lines = text.lines().filter_map(|line| line.split('#').next()?.trim().split_once([' ', '\t']));
    lines
        .filter_map(|(kind, what)| {
            let options = match kind {
                "interest" | "interest-await" => "",
                "interest-noawait" => "/noawait",
                _ => return None,
            };
            Some((what.trim().to_owned(), options))
        })
        .collect()
}

fn put(root: &Path, name: &str, content: &[u8], mode: u32) -> Result<()> {
    let path = root.join("var/lib/dpkg").join(name);
    let writing = || format!("cannot write {}", path.display());
    std::fs::write(&path, content).or_fail(writing)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).or_fail(writing)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// dpkg acts on what other packages do only if the database says who is interested, and how.
    #[test]
    fn triggers_files_are_read() {
        let text = "# comment\ninterest-noawait ldconfig\ninterest /usr/share/man\nactivate-noawait x\n";
        let expected = [("ldconfig".to_owned(), "/noawait"), ("/usr/share/man".to_owned(), "")];
        assert_eq!(interests_of(text), expected);
    }

    /// dpkg wants the root's own line first, as `/.`.
    #[test]
    fn lists_are_dpkgs() {
        assert_eq!(listing(&["".into(), "usr".into(), "usr/bin".into()]), "/.\n/usr\n/usr/bin\n");
    }
}
