//! The lock: `line.lock`, which pins every package that a line is built from by name, version and hash.
//!
//! The text is made for `git diff`: sorted, one package a line. How a recipe is resolved into it is the
//! builder's work; what is not in it cannot get into anything that is built.

use crate::failure::{Failure, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use toml::Spanned;

/// Name of the file in the line's folder.
pub const FILE: &str = "line.lock";
/// The format that this program reads and writes.
const FORMAT: u32 = 1;

/// Everything that a line is built from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The archives, as they were when the lock was made.
    pub archives: Vec<Archive>,
    /// The live OS's root, kernel included.
    pub live: Section,
    /// The root of the live OS that boxes boot instead; absent where the line has none.
    pub fallback: Option<Section>,
    /// The appliance's image; absent where it is somebody's file.
    pub appliance: Option<Section>,
    /// Boot programs.
    pub loaders: Section,
    /// What the initrd holds besides what the root has.
    pub initrd: Section,
    /// Kernel packages of the suite that the proof knows of though they are not installed.
    pub index: Section,
    /// Firmware packages of the suite: what is in them is known from the archive's lists, and they are not fetched.
    pub firmware: Section,
}

/// An archive at the time of the lock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Archive {
    /// Base address.
    pub uri: String,
    /// Further addresses of the same archive, in the order in which they are tried.
    pub also: Vec<String>,
    /// Suite.
    pub suite: String,
    /// `Date` of its InRelease file, as it stands there.
    pub date: String,
    /// SHA-256 of its InRelease file, hex.
    pub sha256: String,
}

/// One thing's packages, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// SHA-256 of what was asked for: when the recipe says something else now, the section is out of date.
    pub recipe: String,
    /// When the newest of the archives was made, seconds since 1970: nothing built from the section carries a
    /// later time, so that the day of the build is not in what is built.
    pub epoch: u64,
    /// The packages.
    pub packages: Vec<Package>,
}

/// One package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version, epoch included.
    pub version: String,
    /// `amd64` or `all`.
    pub architecture: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Where it was.
    pub url: String,
}

impl Archive {
    /// Its date as seconds since 1970; `None` where it is not of the form that archives use
    /// (RFC 5322 §3.3, in UTC): `Sat, 21 Nov 2026 00:53:02 UTC`.
    pub fn epoch(&self) -> Option<u64> {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let mut words = self.date.split_once(',')?.1.split_whitespace();
        let day: i64 = words.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
        let month = words.next().and_then(|month| MONTHS.iter().position(|name| *name == month))? as i64 + 1;
        let year: i64 = words.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
        let clock: Vec<i64> = words.next()?.split(':').filter_map(|part| part.parse().ok()).collect();
        let [hour @ 0..24, minute @ 0..60, second @ 0..=60] = clock[..] else { return None };
        // Days of the civil calendar, counted in years that begin in March (the leap day then comes last).
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469;
        u64::try_from(((days * 24 + hour) * 60 + minute) * 60 + second).ok()
    }
}

impl Section {
    /// A package of the section.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// What identifies the content of the section, whatever it was fetched from: names, versions and hashes.
    pub fn identity(&self) -> String {
        self.packages.iter().fold(String::new(), |mut text, package| {
            let _ = writeln!(text, "{} {} {}", package.name, package.version, package.sha256);
            text
        })
    }
}

impl Lock {
    /// The sections with their names, in the order of the file.
    pub fn sections(&self) -> Vec<(&'static str, &Section)> {
        let mut sections = vec![("live", &self.live)];
        sections.extend(self.fallback.as_ref().map(|section| ("fallback", section)));
        sections.extend(self.appliance.as_ref().map(|section| ("appliance", section)));
        sections.extend([("loaders", &self.loaders), ("initrd", &self.initrd), ("index", &self.index)]);
        sections.push(("firmware", &self.firmware));
        sections
    }

    /// Every file that a build needs, once each.
    pub fn files(&self) -> BTreeMap<&str, &Package> {
        let fetched = self.sections().into_iter().filter(|(name, _)| *name != "firmware");
        let packages = fetched.flat_map(|(_, section)| &section.packages);
        packages.map(|package| (package.sha256.as_str(), package)).collect()
    }

    /// Where a package can be had: its own address, and those at its archive's further addresses.
    pub fn addresses(&self, package: &Package) -> Vec<String> {
        let mut addresses = vec![package.url.clone()];
        for archive in &self.archives {
            let below = package.url.strip_prefix(&archive.uri).filter(|rest| rest.starts_with('/'));
            for address in archive.also.iter().flat_map(|uri| below.map(|rest| format!("{uri}{rest}"))) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        addresses
    }

    /// The text of `line.lock`.
    pub fn write(&self) -> String {
        let mut text = format!(
            "# Made by `bootworks lock`: every package this line is built from. Keep it in git.\nversion = {FORMAT}\n"
        );
        for archive in &self.archives {
            let _ = write!(
                text,
                "\n[[archive]]\nuri = {}\nsuite = {}\n",
                quoted(&archive.uri),
                quoted(&archive.suite)
            );
            if !archive.also.is_empty() {
                let also: Vec<String> = archive.also.iter().map(|uri| quoted(uri)).collect();
                let _ = writeln!(text, "also = [{}]", also.join(", "));
            }
            let _ = write!(text, "date = {}\nsha256 = {}\n", quoted(&archive.date), quoted(&archive.sha256));
        }
        for (name, section) in self.sections() {
            let _ = write!(text, "\n[{name}]\nrecipe = {}\n", quoted(&section.recipe));
            let _ = write!(text, "epoch = {}\npackages = [\n", section.epoch);
            for package in &section.packages {
                let _ = writeln!(
                    text,
                    "  {{ name = {}, version = {}, architecture = {}, bytes = {}, sha256 = {}, url = {} }},",
                    quoted(&package.name),
                    quoted(&package.version),
                    quoted(&package.architecture),
                    package.bytes,
                    quoted(&package.sha256),
                    quoted(&package.url)
                );
            }
            text.push_str("]\n");
        }
        text
    }

    /// Reads and checks `line.lock`; `path` is how the file is named in failures. All wrong values are reported
    /// together, each with its line.
    pub fn read(text: &str, path: &str) -> Result<Lock> {
        let hint = "`bootworks lock` writes a new one";
        let file: File = toml::from_str(text).map_err(|error| {
            let place = error.span().map(|span| place(text, span.start)).unwrap_or_default();
            Failure::new(format!("{path}{place} is not a lock file")).because(error.message()).hint(hint)
        })?;
        if *file.version.get_ref() != FORMAT {
            let place = place(text, file.version.span().start);
            return Err(Failure::new(format!("{path}{place} has format {}", file.version.get_ref()))
                .because(format!("this program reads format {FORMAT}"))
                .hint("use the program that wrote it, or lock again with `bootworks lock`"));
        }
        let mut check = Check { text, path, wrong: Vec::new() };
        let lock = check.lock(file);
        if check.wrong.is_empty() {
            return Ok(lock);
        }
        let failure = Failure::new(format!("{path} has {} wrong values", check.wrong.len())).hint(hint);
        Err(check.wrong.into_iter().fold(failure, Failure::because))
    }
}

/// What changed between two locks, a line each: `+` came, `-` went, `~` has another version or content.
pub fn differences(old: &Lock, new: &Lock) -> Vec<String> {
    let mut lines = Vec::new();
    let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (old.sections().into_iter().collect(), new.sections().into_iter().collect());
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    for section in names {
        let by_name = |sections: &BTreeMap<&str, &Section>| -> BTreeMap<String, Package> {
            let packages = sections.get(section).map(|section| section.packages.clone()).unwrap_or_default();
            packages.into_iter().map(|package| (package.name.clone(), package)).collect()
        };
        let (before, after) = (by_name(&old), by_name(&new));
        let packages: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in packages {
            match (before.get(name), after.get(name)) {
                (None, Some(package)) => lines.push(format!("+ {section}: {name} {}", package.version)),
                (Some(package), None) => lines.push(format!("- {section}: {name} {}", package.version)),
                (Some(a), Some(b)) if a.version != b.version => {
                    lines.push(format!("~ {section}: {name} {} → {}", a.version, b.version));
                }
                (Some(a), Some(b)) if a.sha256 != b.sha256 => {
                    lines.push(format!("~ {section}: {name} {}: same version, other content", a.version));
                }
                _ => {}
            }
        }
    }
    lines
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<u32>,
    #[serde(default)]
    archive: Vec<FileArchive>,
    live: FileSection,
    fallback: Option<FileSection>,
    appliance: Option<FileSection>,
    loaders: FileSection,
    initrd: FileSection,
    index: FileSection,
    /// Absent in a lock that was made before firmware was looked for; it is then out of date.
    firmware: Option<FileSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileArchive {
    uri: String,
    #[serde(default)]
    also: Vec<String>,
    suite: String,
    date: String,
    sha256: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSection {
    recipe: Spanned<String>,
    epoch: u64,
    packages: Vec<FilePackage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePackage {
    name: Spanned<String>,
    version: Spanned<String>,
    architecture: Spanned<String>,
    bytes: u64,
    sha256: Spanned<String>,
    url: Spanned<String>,
}

/// Collects what is wrong with the values of a file.
struct Check<'a> {
    text: &'a str,
    path: &'a str,
    wrong: Vec<String>,
}

impl Check<'_> {
    fn lock(&mut self, file: File) -> Lock {
        let mut archives = Vec::new();
        for archive in file.archive {
            let sha256 = self.digest(archive.sha256);
            archives.push(Archive {
                uri: archive.uri,
                also: archive.also,
                suite: archive.suite,
                date: archive.date,
                sha256,
            });
        }
        Lock {
            archives,
            live: self.section(file.live),
            fallback: file.fallback.map(|section| self.section(section)),
            appliance: file.appliance.map(|section| self.section(section)),
            loaders: self.section(file.loaders),
            initrd: self.section(file.initrd),
            index: self.section(file.index),
            firmware: file.firmware.map(|section| self.section(section)).unwrap_or_default(),
        }
    }

    fn section(&mut self, section: FileSection) -> Section {
        let recipe = self.digest(section.recipe);
        let mut names = BTreeSet::new();
        let mut packages = Vec::new();
        for package in section.packages {
            if !names.insert(package.name.get_ref().clone()) {
                self.wrong(&package.name, "is there twice");
            }
            let name = self.value(package.name, is_package_name, "is no package name");
            packages.push(Package {
                name,
                version: self.value(package.version, is_version, "is no version"),
                architecture: self.value(
                    package.architecture,
                    |value| matches!(value, "amd64" | "all"),
                    "is neither `amd64` nor `all`",
                ),
                bytes: package.bytes,
                sha256: self.digest(package.sha256),
                url: self.value(package.url, is_address, "is no http, https, file or line address"),
            });
        }
        packages.sort();
        Section { recipe, epoch: section.epoch, packages }
    }

    fn digest(&mut self, value: Spanned<String>) -> String {
        self.value(value, is_digest, "is no SHA-256: 64 digits 0-9a-f")
    }

    fn value(&mut self, value: Spanned<String>, right: impl Fn(&str) -> bool, what: &str) -> String {
        if !right(value.get_ref()) {
            self.wrong(&value, what);
        }
        value.into_inner()
    }

    fn wrong(&mut self, value: &Spanned<String>, what: &str) {
        let place = place(self.text, value.span().start);
        self.wrong.push(format!("{}{place}: `{}` {what}", self.path, value.get_ref()));
    }
}

/// `:line:column` of a byte.
fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!(":{line}:{column}")
}

/// A string as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Debian policy §5.6.1; it becomes a file name in the package database, so nothing else may pass.
pub fn is_package_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    text.len() >= 2 && text.bytes().all(allowed) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_version(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_address(text: &str) -> bool {
    ["http://", "https://", "file:/", "line:"].iter().any(|scheme| text.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn package(name: &str, version: &str, digit: char) -> Package {
        Package {
            name: name.into(),
            version: version.into(),
            architecture: "amd64".into(),
            bytes: 7,
            sha256: digit.to_string().repeat(64),
            url: format!("http://archive.example.org/pool/{name}.deb"),
        }
    }

    fn lock(packages: Vec<Package>) -> Lock {
        let section = Section { recipe: "0".repeat(64), epoch: 1_795_222_382, packages: Vec::new() };
        Lock {
            archives: vec![Archive {
                uri: "http://archive.example.org/debian".into(),
                also: Vec::new(),
                suite: "bookworm".into(),
                date: "Sat, 21 Nov 2026 00:53:02 UTC".into(),
                sha256: "1".repeat(64),
            }],
            live: Section { packages, ..section.clone() },
            fallback: None,
            appliance: None,
            loaders: section.clone(),
            initrd: section.clone(),
            index: section.clone(),
            firmware: section,
        }
    }

    /// What is kept in git must be the same text for the same content, and give the same content back.
    #[test]
    fn a_lock_is_written_and_read_back() {
        let lock = lock(vec![package("dash", "0.5.12-2", 'a')]);
        let text = lock.write();
        expect![[r##"
            # Made by `bootworks lock`: every package this line is built from. Keep it in git.
            version = 1

            [[archive]]
            uri = "http://archive.example.org/debian"
            suite = "bookworm"
            date = "Sat, 21 Nov 2026 00:53:02 UTC"
            sha256 = "1111111111111111111111111111111111111111111111111111111111111111"

            [live]
            recipe = "0000000000000000000000000000000000000000000000000000000000000000"
            epoch = 1795222382
            packages = [
              { name = "dash", version = "0.5.12-2", architecture = "amd64", bytes = 7, sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", url = "http://archive.example.org/pool/dash.deb" },
            ]

            [loaders]
            recipe = "0000000000000000000000000000000000000000000000000000000000000000"
            epoch = 1795222382
            packages = [
            ]

            [initrd]
            recipe = "0000000000000000000000000000000000000000000000000000000000000000"
            epoch = 1795222382
            packages = [
            ]

            [index]
            recipe = "0000000000000000000000000000000000000000000000000000000000000000"
            epoch = 1795222382
            packages = [
            ]

            [firmware]
            recipe = "0000000000000000000000000000000000000000000000000000000000000000"
            epoch = 1795222382
            packages = [
            ]
        "##]]
        .assert_eq(&text);
        assert_eq!(Lock::read(&text, FILE).unwrap(), lock);
        let with_fallback = Lock { fallback: Some(lock.live.clone()), ..lock };
        assert_eq!(Lock::read(&with_fallback.write(), FILE).unwrap(), with_fallback);
    }

    /// A merge gone wrong, or a hand in the file: every wrong value with its place, before anything is fetched.
    #[test]
    fn a_wrong_lock_says_where() {
        let text = lock(vec![package("dash", "0.5.12-2", 'A'), package("../etc", "1 2", 'b')]).write();
        let text = text.replace("\"amd64\"", "\"armhf\"").replacen(
            "http://archive.example.org/pool",
            "ftp://pool",
            1,
        );
        expect![[r#"
            error: line.lock has 6 wrong values
            because: line.lock:14:57: `armhf` is neither `amd64` nor `all`
            because: line.lock:14:86: `AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA` is no SHA-256: 64 digits 0-9a-f
            because: line.lock:14:160: `ftp://pool/dash.deb` is no http, https, file or line address
            because: line.lock:15:12: `../etc` is no package name
            because: line.lock:15:32: `1 2` is no version
            because: line.lock:15:54: `armhf` is neither `amd64` nor `all`
            hint: `bootworks lock` writes a new one"#]]
        .assert_eq(&Lock::read(&text, FILE).unwrap_err().report());
        let report = |text: &str| Lock::read(text, FILE).unwrap_err().report();
        expect![[r#"
            error: line.lock:2:11 has format 2
            because: this program reads format 1
            hint: use the program that wrote it, or lock again with `bootworks lock`"#]]
        .assert_eq(&report(&lock(vec![]).write().replace("version = 1", "version = 2")));
        expect![[r#"
            error: line.lock:4:6 is not a lock file
            because: unclosed table, expected `]`
            hint: `bootworks lock` writes a new one"#]]
        .assert_eq(&report("\n\n\n[live\n"));
    }

    /// The diff is what a person decides on before taking a new lock.
    #[test]
    fn differences_are_readable() {
        let old = lock(vec![package("dash", "1", 'a'), package("gone", "1", 'b'), package("same", "1", 'c')]);
        let new = lock(vec![package("dash", "2", 'd'), package("came", "3", 'e'), package("same", "1", 'f')]);
        expect![[r#"
            + live: came 3
            ~ live: dash 1 → 2
            - live: gone 1
            ~ live: same 1: same version, other content"#]]
        .assert_eq(&differences(&old, &new).join("\n"));
        assert!(differences(&old, &old).is_empty());
    }

    /// Known pairs, as `date -u -d` gives them; what is no such date is none.
    #[test]
    fn archive_dates_are_times() {
        let epoch = |date: &str| Archive { date: date.into(), ..lock(vec![]).archives[0].clone() }.epoch();
        assert_eq!(epoch("Thu, 01 Jan 1970 00:00:00 UTC"), Some(0));
        assert_eq!(epoch("Tue, 29 Feb 2000 23:59:59 UTC"), Some(951_868_799));
        assert_eq!(epoch("Sat, 21 Nov 2026 00:53:02 UTC"), Some(1_795_222_382));
        assert_eq!(epoch("Wed, 01 Mar 2100 00:00:00 +0000"), Some(4_107_542_400));
        for wrong in
            ["", "Sat, 32 Nov 2026 00:00:00 UTC", "Sat, 1 Foo 2026 00:00:00 UTC", "Sat, 1 Nov 2026 0:0 UTC"]
        {
            assert_eq!(epoch(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        /// Any text is a lock or a failure.
        #[test]
        fn reading_never_panics(text in "(\\[live\\]|version = 1|packages = \\[|\\{ name = \"é|.|\n){0,40}") {
            let _ = Lock::read(&text, FILE);
        }
    }
}
