//! Where hardware profiles come from: a line's `hardware/`, those that come with the program, files that people
//! send. What is in them, `model::profile` says.

use crate::pci_names;
use model::failure::{Explain as _, Failure, Result};
use model::line::Hardware;
use model::profile::import::{self, Imported};
use model::profile::{Profile, read_bytes, shipped, written};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Folder of a line that has its hardware profiles.
pub(crate) const FOLDER: &str = "hardware";
/// The name of standard input.
const STANDARD_INPUT: &str = "-";
/// Longest text taken for an inventory; the largest real one, `lshw -json` of a full rack server, is under 1 MB.
const LONGEST: u64 = 64 << 20;

/// A profile by the name of one that comes with the program, or by a file.
pub(crate) fn open(name: &str) -> Result<Profile> {
    if !Path::new(name).is_file()
        && let Some(shipped) = shipped::find(name)
    {
        return shipped.profile();
    }
    let looks_like_a_path = name.contains(['/', '.']) || name == STANDARD_INPUT;
    if !looks_like_a_path && !Path::new(name).exists() {
        let failure = Failure::new(format!("there is no hardware profile `{name}`"))
            .because("no profile of that name comes with bootworks, and no file is called so here");
        return Err(match shipped::near(name) {
            Some(near) => failure.hint(format!("it is spelt `{near}`")),
            None => failure.hint("`bootworks hardware show` lists them"),
        });
    }
    if name.ends_with(".toml") {
        let bytes = std::fs::read(name).or_fail(|| format!("cannot read {name}"))?;
        return Ok(read_bytes(name, &bytes)?.named(pci_names::of));
    }
    import(name).map(|imported| imported.profile)
}

/// An inventory of any form, from a file or from standard input.
pub(crate) fn import(name: &str) -> Result<Imported> {
    let (shown, text) = text(name)?;
    let mut imported = import::read(&shown, &text, &pci_names::find)?;
    imported.profile = imported.profile.named(pci_names::of);
    Ok(imported)
}

/// A text from a file or from standard input, and what to call it.
pub(crate) fn text(name: &str) -> Result<(String, String)> {
    let shown = if name == STANDARD_INPUT { "standard input" } else { name }.to_owned();
    let reading = || format!("cannot read {shown}");
    let mut bytes = Vec::new();
    match name {
        STANDARD_INPUT => {
            std::io::stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes).or_fail(reading)?
        }
        _ => {
            let file = std::fs::File::open(name).or_fail(reading)?;
            file.take(LONGEST + 1).read_to_end(&mut bytes).or_fail(reading)?
        }
    };
    if bytes.len() as u64 > LONGEST {
        return Err(
            Failure::new(reading()).because("it is larger than 64 MiB, and so no inventory of one server")
        );
    }
    // Model names and serial numbers of disks are in whatever encoding their makers liked.
    Ok((shown, String::from_utf8_lossy(&bytes).into_owned()))
}

/// What a line must boot: the profiles in its folder, and those that it names. None is no failure.
pub(crate) fn of_line(folder: &Path, hardware: &Hardware) -> Result<Vec<Profile>> {
    let mut profiles = Vec::new();
    for file in files(&folder.join(FOLDER)) {
        let bytes = std::fs::read(&file).or_fail(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
        profiles.push(read_bytes(&name, &bytes)?.named(pci_names::of));
    }
    for name in &hardware.profiles {
        profiles.push(open_shipped(name)?);
    }
    Ok(profiles)
}

fn open_shipped(name: &str) -> Result<Profile> {
    let shipped = shipped::find(name);
    shipped.ok_or_else(|| Failure::new(format!("there is no hardware profile `{name}`")))?.profile()
}

/// The profiles in a folder, by name; none where there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    files.sort();
    files
}

/// Writes a profile to a file that is not there yet.
pub(crate) fn write(profile: &Profile, file: &Path) -> Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).or_fail(|| format!("cannot make {}", folder.display()))?;
    }
    let text = written::write(profile);
    let writing = || format!("cannot write {}", file.display());
    let mut open = std::fs::OpenOptions::new();
    match open.write(true).create_new(true).open(file) {
        Ok(mut file) => std::io::Write::write_all(&mut file, text.as_bytes()).or_fail(writing),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Failure::new(writing())
            .because("it is there already, and may have been edited by hand")
            .hint("name another file, or remove it first")),
        Err(error) => Err(error).or_fail(writing),
    }
}
