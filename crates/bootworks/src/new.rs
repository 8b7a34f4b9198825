//! `bootworks new DIR`: a line that can be rehearsed as it is. What is written is `examples/edge-gateway`,
//! which is rehearsed on every change of the program.

use crate::{Ending, report};
use model::failure::{Explain as _, Failure, Result};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Make a new line, ready to rehearse.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder to make; its name becomes the line's
    folder: PathBuf,
    /// One JSON object on standard output instead of text
    #[arg(long)]
    json: bool,
}

/// One file of a new line.
struct NewFile {
    path: &'static str,
    mode: u32,
    text: &'static str,
}

macro_rules! files {
    ($($mode:literal $path:literal)*) => {
        &[$(NewFile {
            path: $path,
            mode: $mode,
            text: include_str!(concat!("../../../examples/edge-gateway/", $path)),
        }),*]
    };
}

/// Every file of a new line.
const FILES: &[NewFile] = files! {
    0o644 ".gitignore"
    0o644 "README.md"
    0o644 "appliance.toml"
    0o755 "files/appliance-ready"
    0o644 "files/appliance-ready.service"
    0o644 "files/index.html"
    0o644 "files/motd"
    0o644 "files/wired.network"
    0o644 "line.toml"
    0o755 "scripts/settle"
};

/// What the example is called, where a new line has its own name.
const EXAMPLE: &str = "edge-gateway";

/// Makes the line.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    let folder = &arguments.folder;
    let name = name_of(folder)?;
    if let Some(found) = found_in(folder).or_fail(|| format!("cannot look into `{}`", folder.display()))? {
        return Err(Failure::new(format!("cannot make a line in `{}`", folder.display()))
            .because(format!("`{found}` is there already"))
            .hint("name a folder that is empty or does not exist"));
    }
    write(folder, &name)?;
    crate::record::key::PrivateKey::of_line(folder)?;
    if arguments.json {
        let paths: Vec<&str> = FILES.iter().map(|file| file.path).collect();
        report::say(&serde_json::json!({ "line": name, "folder": folder, "files": paths }).to_string());
    } else {
        report::say(&format!("the line `{name}` is in `{}`: {} files", folder.display(), FILES.len()));
        report::say(
            "its boxes' records are signed with the key in `.key`, which git leaves out: keep a copy of it",
        );
        report::say(&format!("next: `bootworks rehearse {}`", linux::process::quote(folder.as_os_str())));
    }
    Ok(Ending::Well)
}

/// The line's name: the folder's last part, as far as its characters can be in a name.
fn name_of(folder: &Path) -> Result<String> {
    let last = match folder.file_name() {
        Some(last) => last.to_owned(),
        // `.` and `..` have no last part of their own.
        None => fs::canonicalize(folder)
            .or_fail(|| format!("cannot make a line in `{}`", folder.display()))?
            .file_name()
            .unwrap_or_default()
            .to_owned(),
    };
    let mut name = String::new();
    for character in last.to_string_lossy().chars() {
        let character = if character.is_ascii_alphanumeric() { character } else { '-' };
        if character != '-' || !(name.is_empty() || name.ends_with('-')) {
            name.push(character);
        }
    }
    name.truncate(40);
    let name = name.trim_end_matches('-');
    Ok(if name.is_empty() { EXAMPLE.to_owned() } else { name.to_owned() })
}

/// Something that is in the folder already; a fresh git repository counts as empty.
fn found_in(folder: &Path) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if name != ".git" {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(names.into_iter().min())
}

fn write(folder: &Path, name: &str) -> Result<()> {
    for file in FILES {
        let path = folder.join(file.path);
        let cannot = || format!("cannot write `{}`", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).or_fail(cannot)?;
        }
        let text = match file.path {
            "line.toml" => file.text.replace(&format!("\"{EXAMPLE}\""), &format!("\"{name}\"")),
            "README.md" => file.text.replace(&format!("`{EXAMPLE}`"), &format!("`{name}`")),
            _ => file.text.to_owned(),
        };
        let written = OpenOptions::new().write(true).create_new(true).mode(file.mode).open(&path);
        written.and_then(|mut written| written.write_all(text.as_bytes())).or_fail(cannot)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt as _;

    /// A file added to the example and forgotten here would be missing in everybody's new line.
    #[test]
    fn a_new_line_is_the_example() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/edge-gateway");
        let mut found = BTreeSet::new();
        let mut open = vec![example.clone()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let below = path.strip_prefix(&example).unwrap().to_str().unwrap().to_owned();
                match below.as_str() {
                    ".build" | ".key" | ".rehearsals" | ".state" | "line.lock" | "record.pub"
                    | "hardware" => {}
                    _ if path.is_dir() => open.push(path),
                    _ => {
                        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o100;
                        found.insert((below, mode != 0));
                    }
                }
            }
        }
        let written: BTreeSet<_> =
            FILES.iter().map(|file| (file.path.to_owned(), file.mode == 0o755)).collect();
        assert_eq!(written, found);
    }

    /// What is made must open as a line, under its own name.
    #[test]
    fn a_new_line_opens_under_its_own_name() {
        let beside = tempfile::tempdir().unwrap();
        let folder = beside.path().join("Shop floor #3");
        run(&Arguments { folder: folder.clone(), json: false }).unwrap();
        let line = crate::line_folder::open(&folder).unwrap();
        assert_eq!(line.line().name, "Shop-floor-3");
        let again = run(&Arguments { folder, json: false }).unwrap_err();
        assert!(again.report().contains("is there already"), "{}", again.report());
    }

    /// A line is begun in a fresh repository as often as in no folder at all.
    #[test]
    fn a_fresh_repository_counts_as_empty() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".git")).unwrap();
        run(&Arguments { folder: folder.path().to_owned(), json: false }).unwrap();
        assert!(folder.path().join("scripts/settle").metadata().unwrap().permissions().mode() & 0o111 != 0);
    }
}
