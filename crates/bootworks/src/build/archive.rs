//! apt in isolation: a package database of its own that knows only the recipe's archives, has nothing installed
//! and shares nothing with the host's configuration, state or preferences.
//!
//! It verifies the archives' signatures and chooses packages exactly as an installation would; names, versions
//! and hashes are then read from the verified indexes.

use super::own::{self, OwnPackage};
use super::sources::{Source, host_proxies};
use super::store::{Store, digest, digest_file};
use linux::process::Child;
use linux::tools::APT_GET;
use model::failure::{Explain as _, Failure, Result};
use model::lock::{Archive, Package};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use wire::deb::{Stanza, compare_versions, dependency_names, percent_decoded, stanzas};

/// The only architecture that boxes have.
pub(crate) const ARCHITECTURE: &str = "amd64";

/// Folder of the line's own packages beside apt's state.
const OWN: &str = "own";

/// Archives as apt sees them.
#[derive(Debug)]
pub(crate) struct Apt {
    settings: PathBuf,
    folder: PathBuf,
    /// Each archive with the address that the recipe names first, whatever address it answered at.
    sources: Vec<(String, Source)>,
    own: Vec<OwnPackage>,
    lists: Lists,
}

/// Which of an archive's lists apt fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lists {
    /// The packages.
    Packages,
    /// The packages, and which file is in which: the lists of contents, which are large but for small components.
    WithContents,
}

/// How apt is told of the lists of contents (`Acquire::IndexTargets` in apt.conf(5)); newer archives have one per
/// component, older ones one for all.
const CONTENTS: &str = "Acquire::IndexTargets::deb::Contents-deb {\n\
    MetaKey \"$(COMPONENT)/Contents-$(ARCHITECTURE)\";\n\
    flatMetaKey \"Contents-$(ARCHITECTURE)\";\n\
    ShortDescription \"Contents-$(ARCHITECTURE)\";\n\
    Description \"$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents\";\n\
    KeepCompressed \"false\"; PDiffs \"false\"; Optional \"true\"; Identifier \"Contents-deb\";\n};\n";

impl Lists {
    fn settings(self) -> &'static str {
        match self {
            Lists::Packages => "",
            Lists::WithContents => CONTENTS,
        }
    }
}

impl Apt {
    /// Sets apt up for these archives, and for the line's own packages, and has it fetch and verify the indexes.
    /// Where an archive does not answer, or is not what it should be, its next address is tried.
    pub(crate) fn update(
        sources: Vec<Source>,
        own: Vec<OwnPackage>,
        line: &Path,
        store: &Store,
    ) -> Result<Apt> {
        Apt::update_with(sources, own, line, Lists::Packages, store)
    }

    /// The same with a choice of lists.
    pub(crate) fn update_with(
        sources: Vec<Source>,
        own: Vec<OwnPackage>,
        line: &Path,
        lists: Lists,
        store: &Store,
    ) -> Result<Apt> {
        let text = sources.iter().map(Source::write).collect::<Vec<_>>().join("\n");
        let own_text: String =
            own.iter().map(|package| format!("{} {}\n", package.path, package.sha256)).collect();
        let folder = store.apt(&digest(text + &own_text + lists.settings()));
        let sources = sources.into_iter().map(|source| (source.uri.clone(), source)).collect();
        let mut apt = Apt { settings: folder.join("apt.conf"), folder, sources, own, lists };
        // apt refuses lists that another apt fetches; two lines of one suite are locked at once in any workshop.
        let holding = apt.folder.join("held");
        let held = || format!("cannot hold {}", holding.display());
        std::fs::create_dir_all(&apt.folder).or_fail(held)?;
        let one_at_a_time = File::create(&holding).or_fail(held)?;
        rustix::fs::flock(&one_at_a_time, rustix::fs::FlockOperation::LockExclusive).or_fail(held)?;
        if !apt.own.is_empty() {
            own::publish(&apt.own, line, &apt.folder.join(OWN))?;
        }
        let mut tried = BTreeSet::new();
        loop {
            apt.write()?;
            // Without it apt-get ends with exit code 0 where an archive did not answer.
            let child = apt.get().args(["update", "-o", "APT::Update::Error-Mode=any"]);
            let (status, out, err) = child.spawn_and_wait()?;
            if status.success() {
                return Ok(apt);
            }
            let (out, said) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
            let errors = out.lines().filter(|line| line.starts_with("Err:"));
            let lines = errors.chain(said.lines().filter_map(complaint));
            tried.extend(lines.map(str::to_owned));
            if !apt.try_next(&out, &said) {
                return Err(apt.unanswered(tried));
            }
        }
    }

    /// Takes the next address of the archives that apt complained of; says whether there was any.
    fn try_next(&mut self, out: &str, said: &str) -> bool {
        let mut is_changed = false;
        for (_, source) in &mut self.sources {
            let is_meant = out.lines().filter(|line| line.starts_with("Err:")).chain(said.lines());
            let is_meant = is_meant.into_iter().any(|line| line.contains(&source.uri));
            if is_meant && !source.also.is_empty() {
                source.uri = source.also.remove(0).trim_end_matches('/').to_owned();
                is_changed = true;
            }
        }
        is_changed
    }

    fn unanswered(&self, tried: BTreeSet<String>) -> Failure {
        let of = |(named, source): &(String, Source)| format!("{named} ({})", source.suites.join(", "));
        let failure = Failure::new(format!(
            "cannot take the package indexes from {}",
            list(self.sources.iter().map(of))
        ));
        let has = |words: &[&str]| tried.iter().any(|line| words.iter().any(|word| line.contains(word)));
        let hint = if has(&["is expired", "not valid yet"]) {
            "take another address of it, or take it as it is: `accept = [\"expired\"]` in the recipe's mirror"
        } else if has(&["NO_PUBKEY", "signature", "not signed", "signed-by"]) {
            "name the archive's keyring in the recipe's mirror: `signed-by = \"/path/to/keyring.gpg\"`"
        } else {
            "see whether the archive answers from here; further addresses of it stand in the recipe's mirror: \
             `also = [\"https://…\"]`"
        };
        tried.into_iter().fold(failure, Failure::because).hint(hint)
    }

    fn write(&self) -> Result<()> {
        for part in ["lists/partial", "archives/partial", "sources"] {
            let part = self.folder.join(part);
            std::fs::create_dir_all(&part).or_fail(|| format!("cannot make {}", part.display()))?;
        }
        let put = |name: &str, text: &str| {
            let path = self.folder.join(name);
            // Another lock may be reading it.
            if std::fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
                return Ok(());
            }
            std::fs::write(&path, text).or_fail(|| format!("cannot write {}", path.display()))
        };
        let mut sources: Vec<String> = self.sources.iter().map(|(_, source)| source.write()).collect();
        if !self.own.is_empty() {
            sources.push(format!("Types: deb\nURIs: {}\nSuites: ./\nTrusted: yes\n", self.own_address()));
        }
        put("sources/line.sources", &sources.join("\n"))?;
        put("preferences", &format!("Package: *\nPin: release o={}\nPin-Priority: 1001\n", own::ORIGIN))?;
        put("status", "")?;
        let more = self.lists.settings();
        let folder = self.folder.display();
        put(
            "apt.conf",
            &format!(
                "Dir::Etc::main \"/dev/null\";\nDir::Etc::parts \"/dev/null\";\n\
                 Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"{folder}/sources\";\n\
                 Dir::Etc::preferences \"{folder}/preferences\";\nDir::Etc::preferencesparts \"/dev/null\";\n\
                 Dir::State \"{folder}\";\nDir::State::lists \"{folder}/lists\";\n\
                 Dir::State::status \"{folder}/status\";\nDir::State::extended_states \"{folder}/extended\";\n\
                 Dir::Cache \"{folder}\";\nDir::Cache::archives \"{folder}/archives\";\n\
                 APT::Architecture \"{ARCHITECTURE}\";\nAPT::Architectures {{ \"{ARCHITECTURE}\"; }};\n\
                 APT::Install-Recommends \"false\";\nAPT::Install-Suggests \"false\";\n\
                 APT::Get::AllowUnauthenticated \"false\";\nAPT::Sandbox::User \"root\";\n\
                 Acquire::Languages \"none\";\nAcquire::AllowInsecureRepositories \"false\";\n\
                 Acquire::Retries \"2\";\n{more}{}",
                host_proxies()
            ),
        )
    }

    fn get(&self) -> Child {
        // An apt that outlives a killed build would hold its lock against the next.
        let child = Child::of(APT_GET).env("APT_CONFIG", &self.settings).env("LC_ALL", "C.UTF-8");
        child.leashed().arg("-q")
    }

    /// The line's own packages as an archive.
    fn own_address(&self) -> String {
        format!("file:{}", self.folder.join(OWN).display())
    }

    /// The archive at this address: the address that the recipe names first, and the others.
    fn named(&self, uri: &str) -> (String, Vec<String>) {
        match self.sources.iter().find(|(_, source)| source.uri == uri) {
            Some((named, source)) => {
                let others = std::iter::once(&source.uri).chain(&source.also);
                (named.clone(), others.filter(|other| *other != named).cloned().collect())
            }
            None => (uri.to_owned(), Vec::new()),
        }
    }

    /// Reads the verified indexes.
    pub(crate) fn index(&self) -> Result<Index> {
        let format = "$(FILENAME)\t$(REPO_URI)\t$(RELEASE)";
        let out = self.get().args(["indextargets", "--format", format, "Created-By: Packages"]).run()?;
        let mut texts = Vec::new();
        let mut archives = BTreeSet::new();
        for line in String::from_utf8_lossy(&out).lines() {
            let mut fields = line.split('\t');
            let (Some(file), Some(uri), Some(suite)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            // An empty component has no index file.
            if let Ok(text) = std::fs::read_to_string(file) {
                texts.push((uri.trim_end_matches('/').to_owned(), text));
            }
            if uri.trim_end_matches('/') != self.own_address() {
                archives.insert(self.release(Path::new(file), uri.trim_end_matches('/'), suite)?);
            }
        }
        let mut addresses: Vec<(String, String)> = Vec::new();
        for package in &self.own {
            let address = format!("{}/{}", self.own_address(), own::name(package));
            addresses.push((address, format!("{}{}", own::SCHEME, package.path)));
        }
        for (named, source) in self.sources.iter().filter(|(named, source)| *named != source.uri) {
            addresses.push((format!("{}/", source.uri), format!("{named}/")));
        }
        Ok(Index { texts, archives: archives.into_iter().collect(), addresses })
    }

    /// The lists of contents, as far as the archives have them.
    pub(crate) fn contents(&self) -> Result<Vec<String>> {
        let out =
            self.get().args(["indextargets", "--format", "$(FILENAME)", "Created-By: Contents-deb"]).run()?;
        let files = String::from_utf8_lossy(&out).into_owned();
        Ok(files.lines().filter_map(|file| std::fs::read_to_string(file).ok()).collect())
    }

    /// The InRelease file beside an index, as the lock keeps it.
    fn release(&self, index: &Path, uri: &str, suite: &str) -> Result<Archive> {
        let name = index.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let lists = self.folder.join("lists");
        let files = std::fs::read_dir(&lists).or_fail(|| format!("cannot read {}", lists.display()))?;
        let release = files
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|file| {
                file.strip_suffix("InRelease")
                    .or(file.strip_suffix("Release"))
                    .is_some_and(|stem| name.starts_with(stem))
            })
            .max()
            .ok_or_else(|| Failure::new(format!("apt kept no Release file of {uri} {suite}")))?;
        let path = lists.join(release);
        let text = std::fs::read_to_string(&path).or_fail(|| format!("cannot read {}", path.display()))?;
        let date =
            text.lines().find_map(|line| line.strip_prefix("Date:")).unwrap_or_default().trim().to_owned();
        let (uri, also) = self.named(uri);
        Ok(Archive { uri, also, suite: suite.to_owned(), date, sha256: digest_file(&path)?.0 })
    }

    /// The packages that an installation of `wanted` on an empty disk would bring, with what they depend on.
    pub(crate) fn resolve(
        &self,
        wanted: &BTreeSet<String>,
        index: &Index,
        what: &str,
    ) -> Result<Vec<Package>> {
        index.know(wanted, what)?;
        let child = self.get().args(["install", "--yes", "--print-uris", "--"]).args(wanted);
        let (status, out, err) = child.spawn_and_wait()?;
        let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
        if !status.success() {
            let failure = Failure::new(format!("the packages of {what} do not go together"));
            let reasons = reasons(&out);
            // apt's own last words say no more than that it is so.
            let said = err.lines().filter_map(complaint).filter(|_| reasons.is_empty()).map(str::to_owned);
            let failure = reasons.iter().cloned().chain(said).fold(failure, Failure::because);
            return Err(failure.hint("take one of them out of the recipe, or the archive that it comes from"));
        }
        index.packages(&out)
    }

    /// The packages of these names that an installation would choose, without what they depend on.
    pub(crate) fn candidates(
        &self,
        names: &BTreeSet<String>,
        index: &Index,
        what: &str,
    ) -> Result<Vec<Package>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        index.know(names, what)?;
        let out = self.get().args(["download", "-qq", "--print-uris", "--"]).args(names).run()?;
        index.packages(&String::from_utf8_lossy(&out))
    }
}

/// Why packages do not go together, out of what apt lists as unmet dependencies:
/// ` NAME : Depends: OTHER (>= 2) but 1 is to be installed`, with further lines of the same package below it.
fn reasons(out: &str) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut package = String::new();
    for line in out.lines() {
        let Some((kind, rest)) = ["PreDepends: ", "Depends: ", "Conflicts: ", "Breaks: "]
            .iter()
            .find_map(|kind| Some((*kind, line.split_once(*kind)?)))
            .map(|(kind, (before, rest))| {
                if let Some(name) =
                    before.trim().strip_suffix(':').map(str::trim).filter(|name| !name.is_empty())
                {
                    package = name.trim_end_matches(" PreDepends").to_owned();
                }
                (kind, rest.trim())
            })
        else {
            continue;
        };
        let (other, but) = rest.split_once(" but ").unwrap_or((rest, ""));
        let other = other.trim();
        reasons.push(match (kind, but.trim()) {
            ("Conflicts: ", _) => format!("{package} and {other} exclude each other"),
            ("Breaks: ", but) => match but.strip_suffix(" is to be installed") {
                Some(version) => {
                    format!("{package} does not work beside {other}, and {version} would be installed")
                }
                None => format!("{package} does not work beside {other}"),
            },
            (_, "it is not installable") => format!("{package} needs {other}, which no archive has"),
            (_, "it is not going to be installed") => {
                format!("{package} needs {other}, which does not go with the others")
            }
            (_, but) => match but.strip_suffix(" is to be installed") {
                Some(version) => format!("{package} needs {other}, but {version} would be installed"),
                None => format!("{package} needs {other}"),
            },
        });
    }
    reasons
}

fn complaint(line: &str) -> Option<&str> {
    line.strip_prefix("E: ").or_else(|| line.strip_prefix("W: "))
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// The verified indexes of the archives.
#[derive(Debug)]
pub(crate) struct Index {
    texts: Vec<(String, String)>,
    /// The archives they are from.
    pub archives: Vec<Archive>,
    /// How addresses begin that stand in the lock under another name, and that.
    addresses: Vec<(String, String)>,
}

impl Index {
    fn stanzas(&self) -> impl Iterator<Item = (&str, Stanza<'_>)> {
        self.texts.iter().flat_map(|(uri, text)| stanzas(text).map(|stanza| (uri.as_str(), stanza)))
    }

    /// Names of the packages without which no Debian system works: essential, or of priority `required`.
    pub(crate) fn base(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (_, stanza) in self.stanzas() {
            let essential = stanza.field("Essential").is_some_and(|value| value == "yes");
            let required = stanza.field("Priority").is_some_and(|value| value == "required");
            if let Some(name) = stanza.field("Package").filter(|_| essential || required) {
                names.insert(name.to_owned());
            }
            // Without it apt takes the other choice, `usrmerge`, which would convert what is merged already.
            if stanza.text().starts_with("Package: usr-is-merged\n") {
                names.insert("usr-is-merged".to_owned());
            }
        }
        names
    }

    /// The newest stanza of each package whose name passes.
    pub(crate) fn newest(&self, pass: impl Fn(&str) -> bool) -> BTreeMap<&str, Stanza<'_>> {
        let mut newest: BTreeMap<&str, Stanza<'_>> = BTreeMap::new();
        let version = |stanza: &Stanza<'_>| stanza.field("Version").unwrap_or_default().to_owned();
        for (_, stanza) in self.stanzas() {
            // The first line of a stanza is the name, everywhere; that is quicker than looking.
            let first = stanza.text().strip_prefix("Package: ").and_then(|rest| rest.lines().next());
            let Some(name) = first.or_else(|| stanza.field("Package")).filter(|name| pass(name)) else {
                continue;
            };
            let older = newest
                .get(name)
                .is_none_or(|known| compare_versions(&version(known), &version(&stanza)).is_lt());
            if older {
                newest.insert(name, stanza);
            }
        }
        newest
    }

    /// Refuses names that no archive has, with the nearest that it has.
    fn know(&self, wanted: &BTreeSet<String>, what: &str) -> Result<()> {
        let mut unknown: BTreeSet<&str> = wanted.iter().map(|name| bare(name)).collect();
        let mut names = BTreeSet::new();
        for (_, stanza) in self.stanzas() {
            for (field, value) in stanza.fields() {
                match field {
                    "Package" => {
                        unknown.remove(value);
                        names.insert(value);
                    }
                    "Provides" => dependency_names(value).for_each(|name| {
                        unknown.remove(name);
                    }),
                    _ => {}
                }
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let archives = list(self.archives.iter().map(|archive| format!("{} {}", archive.uri, archive.suite)));
        let mut failure = match unknown.len() {
            1 => Failure::new(format!("no archive has a package of {what}")),
            count => Failure::new(format!("no archive has {count} packages of {what}")),
        };
        for name in unknown {
            let near = nearest(name, &names);
            failure = failure.because(if near.is_empty() {
                format!("`{name}` is not there")
            } else {
                format!("`{name}` is not there; near it are {}", near.join(", "))
            });
        }
        Err(failure.because(format!("looked in {archives}")).hint(
            "correct the name, or add the component that has it: `components = [\"main\", \"non-free-firmware\"]`",
        ))
    }

    /// What apt printed as `'URL' file size hash` lines, as packages with their SHA-256 from the indexes.
    fn packages(&self, printed: &str) -> Result<Vec<Package>> {
        let urls: Vec<&str> =
            printed.lines().filter_map(|line| line.strip_prefix('\'')?.split('\'').next()).collect();
        let mut wanted: HashMap<String, Option<Package>> =
            urls.iter().map(|url| (percent_decoded(url).into_owned(), None)).collect();
        for (uri, stanza) in self.stanzas() {
            let Some(file) = stanza.field("Filename") else { continue };
            let address = format!("{uri}/{}", file.trim_start_matches("./"));
            if let Some(slot) = wanted.get_mut(&address).filter(|slot| slot.is_none()) {
                *slot = package(&address, stanza);
            }
        }
        let mut packages = Vec::new();
        for url in urls {
            match wanted.get(&*percent_decoded(url)).cloned().flatten() {
                Some(package) => packages.push(Package { url: self.address(url), ..package }),
                None => {
                    return Err(Failure::new(format!("the index has no SHA-256 for {url}")).hint(
                        "the archive is too old or broken; name another one under `mirrors` in the recipe",
                    ));
                }
            }
        }
        packages.sort();
        packages.dedup();
        Ok(packages)
    }
}

impl Index {
    /// A package's address as the lock has it.
    fn address(&self, url: &str) -> String {
        let plain = percent_decoded(&url.replace("/./", "/")).into_owned();
        let known = self.addresses.iter();
        let mut found = known.filter_map(|(from, to)| match plain.strip_prefix(from.as_str()) {
            // The line's own package: its whole address is another.
            Some("") => Some(to.clone()),
            Some(_) => Some(format!("{to}{}", url.strip_prefix(from.as_str())?)),
            None => None,
        });
        found.next().unwrap_or_else(|| url.to_owned())
    }
}

fn package(url: &str, stanza: Stanza<'_>) -> Option<Package> {
    Some(Package {
        name: stanza.field("Package")?.to_owned(),
        version: stanza.field("Version")?.to_owned(),
        architecture: stanza.field("Architecture")?.to_owned(),
        bytes: stanza.field("Size")?.parse().ok()?,
        sha256: stanza.field("SHA256")?.to_owned(),
        url: url.to_owned(),
    })
}

/// A wish without what apt allows after the name: `:arch`, `=version`, `/suite`.
fn bare(wish: &str) -> &str {
    wish.split([':', '=', '/']).next().unwrap_or(wish)
}

/// Up to three names most like this one.
pub(crate) fn nearest<'a>(name: &str, names: &BTreeSet<&'a str>) -> Vec<&'a str> {
    let allowed = (name.len() / 3).clamp(1, 4);
    let mut near: Vec<(usize, &str)> = names
        .iter()
        .filter(|other| other.len().abs_diff(name.len()) <= allowed)
        .map(|other| (distance(name.as_bytes(), other.as_bytes()), *other))
        .filter(|(distance, _)| *distance <= allowed)
        .collect();
    near.sort_unstable();
    near.into_iter().map(|(_, name)| name).take(3).collect()
}

/// How many letters must be put in, left out or changed to make one of the other (Levenshtein).
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, a) in left.iter().enumerate() {
        let mut corner = row[0];
        row[0] = at + 1;
        for (column, b) in right.iter().enumerate() {
            let change = corner + usize::from(a != b);
            corner = row[column + 1];
            row[column + 1] = change.min(corner + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(text: &str) -> Index {
        let texts = vec![("http://a.example.org/debian".into(), text.into())];
        Index { texts, archives: Vec::new(), addresses: Vec::new() }
    }

    /// A slip of the finger should cost one look, not a search.
    #[test]
    fn an_unknown_package_names_its_neighbours() {
        let index =
            index("Package: xfsprogs\n\nPackage: xfsdump\n\nPackage: lvm2\nProvides: lvm (= 2), volumes\n");
        let wanted = ["xfsprog", "lvm2", "volumes", "frobnicate"].map(str::to_owned).into();
        expect_test::expect![[r#"
            error: no archive has 2 packages of the live OS
            because: `frobnicate` is not there
            because: `xfsprog` is not there; near it are xfsprogs
            because: looked in 
            hint: correct the name, or add the component that has it: `components = ["main", "non-free-firmware"]`"#]]
        .assert_eq(&index.know(&wanted, "the live OS").unwrap_err().report());
    }

    /// apt's list is for people who know apt; each line of it is one sentence here.
    #[test]
    fn conflicts_are_told_in_words() {
        let out = "The following packages have unmet dependencies:\n \
            a : Depends: b (>= 2) but 1 is to be installed\n     \
                Depends: c but it is not installable\n \
            d : PreDepends: e but it is not going to be installed\n \
            other : Conflicts: tool\n f : Breaks: g (< 3) but 2 is to be installed\n";
        expect_test::expect![[r#"
            a needs b (>= 2), but 1 would be installed
            a needs c, which no archive has
            d needs e, which does not go with the others
            other and tool exclude each other
            f does not work beside g (< 3), and 2 would be installed"#]]
        .assert_eq(&reasons(out).join("\n"));
    }

    /// apt prints addresses percent-encoded and an MD5 only; name, version and SHA-256 come from the index.
    #[test]
    fn printed_addresses_meet_the_index() {
        let digest = "a".repeat(64);
        let index = index(&format!(
            "Package: a\nVersion: 1+b\nArchitecture: amd64\nSize: 5\nFilename: pool/a_1+b.deb\nSHA256: {digest}\n"
        ));
        let packages = index
            .packages("NOTE\n'http://a.example.org/debian/pool/a_1%2bb.deb' a_1+b.deb 5 MD5Sum:0\n")
            .unwrap();
        assert_eq!(packages.len(), 1);
        assert_eq!((packages[0].version.as_str(), packages[0].sha256.as_str()), ("1+b", digest.as_str()));
        assert!(index.packages("'http://a.example.org/debian/pool/b.deb' b 5\n").is_err());
    }
}
