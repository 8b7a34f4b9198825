//! What the kernel of an earlier start left when it died, read from Linux's pstore and sent to the server: the only
//! way by which the text of a panic arrives where neither screen nor serial console was watched.
//!
//! The kernel cuts its log into parts that fit its store (`fs/pstore/platform.c`): one file a part,
//! `dmesg-erst-7301112536410587137`, which begins with `Panic#1 Part2`. Part 1 is the log's end.

use super::modules::Modules;
use super::voice::Voice;
use model::timeline::Event;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the kernel shows them.
pub(crate) const FOLDER: &str = "/sys/fs/pstore";
/// Octets of one file that are read; a kernel's part has some thousands.
const LARGEST: usize = 1 << 16;
/// Lines of one death that are sent: what led to it is among the last.
const LINES: usize = 400;
/// How long the server may take to answer before the box goes on; what it did not take stays for the next start.
const PATIENCE: Duration = Duration::from_secs(10);

/// One death of a kernel.
#[derive(Debug, PartialEq, Eq)]
struct Death {
    origin: String,
    lines: Vec<String>,
    files: Vec<PathBuf>,
}

/// Sends what there is, and removes it once the server has it: the store is small, and full it keeps nothing new.
pub(super) fn send(modules: &Modules, voice: &Voice) {
    // Firmware variables are a store only with this module; ERST is built in.
    modules.load("efi_pstore");
    let deaths = deaths(Path::new(FOLDER));
    if deaths.is_empty() {
        return;
    }
    for Death { origin, lines, .. } in &deaths {
        let count = lines.len();
        voice.progress(&format!("the kernel of an earlier start left {count} lines ({origin})"));
        voice.tell(Event::KernelLeft { origin: origin.clone(), lines: lines.clone() });
    }
    if !voice.flush(PATIENCE) {
        return;
    }
    for file in deaths.iter().flat_map(|death| &death.files) {
        if let Err(error) = std::fs::remove_file(file) {
            voice.progress(&format!("{} stays: {error}", file.display()));
        }
    }
}

/// The parts of one death with their files, the highest number first: that is the log's order.
type Parts = BTreeMap<Reverse<u64>, (PathBuf, String)>;

/// The deaths in this folder, in the order of their numbers; no folder is none.
fn deaths(folder: &Path) -> Vec<Death> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    // By origin and heading (`Panic#1`).
    let mut parts: BTreeMap<(String, String), Parts> = BTreeMap::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(origin) = origin(&name).map(str::to_owned) else { continue };
        let Ok(octets) = std::fs::read(&path) else { continue };
        let text = String::from_utf8_lossy(&octets[..octets.len().min(LARGEST)]).into_owned();
        let (head, rest) = text.split_once('\n').unwrap_or((text.as_str(), ""));
        let (death, part, rest) = match head.split_once(" Part") {
            Some((death, part)) => (death.to_owned(), part.trim().parse().unwrap_or(0), rest),
            // An older kernel's, or one that is not of a panic: a death of its own.
            None => (name, 0, text.as_str()),
        };
        let parts = parts.entry((origin, death)).or_default();
        parts.insert(Reverse(part), (path, rest.to_owned()));
    }
    let deaths = parts.into_iter().map(|((origin, _), parts)| {
        let (files, texts): (Vec<PathBuf>, Vec<String>) = parts.into_values().unzip();
        let text = texts.concat();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let lines = lines[lines.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned());
        Death { origin, lines: lines.collect(), files }
    });
    deaths.collect()
}

/// Where a file of this name was kept: `dmesg-efi_pstore-169…` is `efi_pstore`'s. `None` for other programs' records,
/// and for those that the kernel could not unpack.
fn origin(name: &str) -> Option<&str> {
    let (origin, number) = name.strip_prefix("dmesg-")?.rsplit_once('-')?;
    number.bytes().all(|octet| octet.is_ascii_digit()).then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::{Death, LINES, deaths};

    fn write(folder: &std::path::Path, name: &str, text: &str) {
        std::fs::write(folder.join(name), text).unwrap();
    }

    /// A panic read backwards names its consequence as its cause.
    #[test]
    fn parts_are_put_in_the_logs_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        write(at, "dmesg-erst-7301112536410587138", "Panic#1 Part2\n<6>[    4.1] Run /init\n");
        write(
            at,
            "dmesg-erst-7301112536410587137",
            "Panic#1 Part1\n<0>[    4.2] Kernel panic - not syncing\n",
        );
        write(at, "dmesg-efi_pstore-169", "Oops#2 Part1\n<1>[    9.9] BUG: kernel NULL pointer\n");
        write(at, "dmesg-erst-12.enc.z", "\u{1}\u{2}");
        write(at, "console-ramoops-0", "not of a panic");
        let found = deaths(at);
        let told: Vec<(&str, String)> =
            found.iter().map(|Death { origin, lines, .. }| (origin.as_str(), lines.join("|"))).collect();
        assert_eq!(
            told,
            [
                ("efi_pstore", "<1>[    9.9] BUG: kernel NULL pointer".to_owned()),
                ("erst", "<6>[    4.1] Run /init|<0>[    4.2] Kernel panic - not syncing".to_owned()),
            ]
        );
        assert_eq!(found[1].files.len(), 2);
        assert!(deaths(&at.join("absent")).is_empty());
    }

    /// What a store holds is somebody's memory of long ago: anything may stand in it, and much.
    #[test]
    fn a_large_record_is_cut_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let text: String = (0..1000).map(|line| format!("line {line}\n")).collect();
        write(folder.path(), "dmesg-ramoops-0", &text);
        let found = deaths(folder.path());
        assert_eq!((found[0].lines.len(), found[0].lines[LINES - 1].as_str()), (LINES, "line 999"));
    }
}
