//! Which archives a recipe is resolved from: those it names, else those that the host's own apt configuration
//! names for its suite.
//!
//! No archive's address stands in this program; a host without any must name one in the recipe.

use linux::process::Child;
use linux::tools::Tool;
use model::failure::{Explain as _, Failure, Result};
use model::recipe::{Accepted, Recipe, SNAPSHOT};
use std::path::Path;
use wire::deb::stanzas;

/// Suites by distribution, oldest first: how a suite that the host does not run is known to be of its archive.
const DISTRIBUTIONS: [(&str, &[&str]); 2] = [
    (
        "debian",
        &[
            "buster",
            "bullseye",
            "bookworm",
            "trixie",
            "forky",
            "duke",
            "stable",
            "oldstable",
            "testing",
            "sid",
        ],
    ),
    ("ubuntu", &["focal", "jammy", "noble", "plucky", "questing", "resolute"]),
];

/// Parts of a release that bring fixes; the others (`-backports`, `-proposed`) bring other software.
const POCKETS: [&str; 3] = ["", "-updates", "-security"];

/// One archive of apt's configuration: `deb URI SUITES COMPONENTS`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// Base address, without a slash at the end.
    pub uri: String,
    /// Further addresses of the same archive, in the order in which they are tried.
    pub also: Vec<String>,
    /// What is taken from it although it would be refused elsewhere.
    pub accept: Vec<Accepted>,
    /// Suites.
    pub suites: Vec<String>,
    /// Components.
    pub components: Vec<String>,
    /// `Signed-By`: a keyring's path, or an armoured key as deb822 holds it.
    pub signed_by: Option<String>,
}

impl Source {
    /// As deb822.
    pub(crate) fn write(&self) -> String {
        let mut text = format!(
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\n",
            self.uri,
            self.suites.join(" "),
            self.components.join(" ")
        );
        if let Some(signed_by) = &self.signed_by {
            text.push_str(&format!("Signed-By: {signed_by}\n"));
        }
        for accepted in &self.accept {
            text.push_str(match accepted {
                Accepted::Unsigned => "Trusted: yes\n",
                Accepted::Expired => "Check-Valid-Until: no\n",
            });
        }
        text
    }
}

/// What a host says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Host {
    /// `ID` of os-release: `debian`.
    pub distribution: String,
    /// `VERSION_CODENAME` of os-release: `bookworm`.
    pub suite: String,
    /// Its archives.
    pub sources: Vec<Source>,
}

impl Host {
    /// Reads `/etc/os-release` and `/etc/apt`.
    pub(crate) fn read() -> Result<Host> {
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let field = |name: &str| {
            let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches('"').to_owned()
        };
        let mut sources = Vec::new();
        let mut files = vec![Path::new("/etc/apt/sources.list").to_owned()];
        if let Ok(folder) = std::fs::read_dir("/etc/apt/sources.list.d") {
            let mut more: Vec<_> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
            more.sort();
            files.extend(more);
        }
        for file in files {
            let suffix = file.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
            if !file.is_file() || !matches!(suffix, "list" | "sources") {
                continue;
            }
            let text =
                std::fs::read_to_string(&file).or_fail(|| format!("cannot read {}", file.display()))?;
            sources.extend(if suffix == "list" { read_lines(&text) } else { read_deb822(&text) });
        }
        Ok(Host { distribution: field("ID"), suite: field("VERSION_CODENAME"), sources })
    }
}

/// The archives that a recipe is resolved from.
pub(crate) fn archives(recipe: &Recipe, host: &Host) -> Result<Vec<Source>> {
    let components =
        if recipe.components.is_empty() { vec!["main".to_owned()] } else { recipe.components.clone() };
    if !recipe.mirrors.is_empty() {
        let keyring = keyring(distribution(&recipe.suite).unwrap_or(&host.distribution));
        let address = |uri: &String| {
            let uri = uri.trim_end_matches('/');
            uri.replace(SNAPSHOT, recipe.snapshot.as_deref().unwrap_or(SNAPSHOT))
        };
        let source = |mirror: &model::recipe::Mirror| {
            let mut accept = mirror.accept.clone();
            if recipe.snapshot.is_some() && mirror.uri.contains(SNAPSHOT) {
                // What an archive was on some day was vouched for until some days later.
                accept.push(Accepted::Expired);
            }
            accept.sort();
            accept.dedup();
            Source {
                uri: address(&mirror.uri),
                also: mirror.also.iter().map(address).collect(),
                accept,
                suites: mirror.suites.clone(),
                components: components.clone(),
                signed_by: mirror.signed_by.clone().or_else(|| keyring.clone()),
            }
        };
        return Ok(recipe.mirrors.iter().map(source).collect());
    }
    let found = of_suite(host, &recipe.suite, &recipe.suite, &components);
    if !found.is_empty() {
        return Ok(found);
    }
    let ours = distribution(&recipe.suite);
    if !host.suite.is_empty() && ours.is_some_and(|ours| ours == host.distribution) {
        let derived = of_suite(host, &host.suite, &recipe.suite, &components);
        if !derived.is_empty() {
            return Ok(derived);
        }
    }
    Err(Failure::new(format!("no archive is known for the suite `{}`", recipe.suite))
        .because("the recipe names no mirror")
        .because(match ours {
            Some(ours) if ours != host.distribution => {
                format!(
                    "this host's apt is set up for {}, and `{}` is of {ours}",
                    host.distribution, recipe.suite
                )
            }
            _ => "this host's apt configuration (/etc/apt) has no archive with that suite".to_owned(),
        })
        .hint("name one in the recipe: `mirrors = [{ uri = \"http://…\", suites = [\"…\"] }]`"))
}

/// The host's archives with the suite `has` and its pockets, with `wanted` in its place.
fn of_suite(host: &Host, has: &str, wanted: &str, components: &[String]) -> Vec<Source> {
    let mut found: Vec<Source> = Vec::new();
    for source in &host.sources {
        let pocket = |suite: &String| {
            // `bookworm/updates` was the name of the security pocket until Debian 10.
            let pocket = suite.strip_prefix(has)?;
            POCKETS.contains(&pocket).then(|| format!("{wanted}{pocket}"))
        };
        let suites: Vec<String> = source.suites.iter().filter_map(pocket).collect();
        if suites.is_empty() {
            continue;
        }
        let source = Source {
            uri: source.uri.trim_end_matches('/').to_owned(),
            suites,
            components: components.to_vec(),
            signed_by: source.signed_by.clone().or_else(|| keyring(&host.distribution)),
            ..Source::default()
        };
        // A .list file often has a line per suite, or a line per component, of one archive.
        match found.iter_mut().find(|known| known.uri == source.uri && known.signed_by == source.signed_by) {
            Some(known) => {
                known.suites.extend(source.suites);
                known.suites.dedup();
            }
            None => found.push(source),
        }
    }
    found
}

/// The distribution that has this suite, as far as it is known.
pub(crate) fn distribution(suite: &str) -> Option<&'static str> {
    DISTRIBUTIONS.iter().find(|(_, suites)| suites.contains(&suite)).map(|(name, _)| *name)
}

/// The part of the distribution's archive that has the firmware which is not free; `None` where the suite is not
/// known, or where it has no such part.
pub(crate) fn firmware_component(suite: &str) -> Option<&'static str> {
    match (distribution(suite)?, suite) {
        // Debian 12 has made a component of its own for it.
        ("debian", "buster" | "bullseye") => Some("non-free"),
        ("debian", _) => Some("non-free-firmware"),
        _ => None,
    }
}

/// Where the distributions' keyring packages put theirs.
fn keyring(distribution: &str) -> Option<String> {
    let path = format!("/usr/share/keyrings/{distribution}-archive-keyring.gpg");
    Path::new(&path).is_file().then_some(path)
}

/// Reads a `.sources` file (sources.list(5), deb822 style).
fn read_deb822(text: &str) -> Vec<Source> {
    let words = |text: Option<&str>| -> Vec<String> {
        text.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let mut sources = Vec::new();
    for stanza in stanzas(text) {
        let enabled = !stanza.field("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no"));
        if !enabled || !words(stanza.field("Types")).iter().any(|kind| kind == "deb") {
            continue;
        }
        for uri in words(stanza.field("URIs")) {
            sources.push(Source {
                uri,
                suites: words(stanza.field("Suites")),
                components: words(stanza.field("Components")),
                signed_by: stanza.field("Signed-By").map(str::to_owned),
                ..Source::default()
            });
        }
    }
    sources
}

/// Reads a `.list` file (sources.list(5), one-line style).
fn read_lines(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(mut rest) = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t'])) else {
            continue;
        };
        let mut signed_by = None;
        if let Some((options, after)) =
            rest.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'))
        {
            signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
            rest = after;
        }
        let mut words = rest.split_whitespace().map(str::to_owned);
        let (Some(uri), Some(suite)) = (words.next(), words.next()) else { continue };
        let signed_by = signed_by.map(str::to_owned);
        sources.push(Source {
            uri,
            suites: vec![suite],
            components: words.collect(),
            signed_by,
            ..Source::default()
        });
    }
    sources
}

/// The host's proxies hold for every archive: behind one, nothing else answers.
pub(super) fn host_proxies() -> String {
    const APT_CONFIG: Tool = Tool { name: "apt-config", package: "apt", reason: "reading the host's proxy" };
    let dump = Child::of(APT_CONFIG).args(["dump", "Acquire"]).run().unwrap_or_default();
    let text = String::from_utf8_lossy(&dump);
    let lines = text.lines().filter(|line| line.contains("::Proxy"));
    lines.fold(String::new(), |all, line| all + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn host(text: &str) -> Host {
        let sources = if text.contains("Types:") { read_deb822(text) } else { read_lines(text) };
        Host { distribution: "debian".into(), suite: "bookworm".into(), sources }
    }

    fn check(host: &Host, suite: &str, expected: Expect) {
        let recipe = Recipe { suite: suite.into(), ..empty() };
        let text = match archives(&recipe, host) {
            Ok(sources) => sources.iter().map(Source::write).collect::<Vec<_>>().join("\n"),
            Err(failure) => failure.report(),
        };
        expected.assert_eq(&text);
    }

    fn empty() -> Recipe {
        toml::from_str("suite = \"\"").unwrap()
    }

    const DEB822: &str = "Types: deb deb-src\n# a comment\nURIs: http://a.example.org/debian\nSuites: bookworm bookworm-updates bookworm-backports\nComponents: main\nSigned-By: /k.gpg\n\nTypes: deb\nURIs: http://a.example.org/security/\nSuites: bookworm-security\nComponents: main contrib\nSigned-By:\n -----BEGIN PGP\n .\n\nTypes: deb\nEnabled: no\nURIs: http://off.example.org\nSuites: bookworm\n";
    const LINES: &str = "# old\ndeb [arch=amd64 signed-by=/k.gpg] http://a.example.org/debian bookworm main\ndeb-src http://a.example.org/debian bookworm main\ndeb [signed-by=/k.gpg] http://a.example.org/debian bookworm-updates main # fixes\ndeb http://other.example.org stable main\n";

    /// Whoever runs a line on his own host must not have to name a mirror twice: both styles, fixes included,
    /// other people's software left out, the recipe's components and not the host's.
    #[test]
    fn the_hosts_archives_are_taken() {
        check(
            &host(DEB822),
            "bookworm",
            expect![[r#"
                Types: deb
                URIs: http://a.example.org/debian
                Suites: bookworm bookworm-updates
                Components: main
                Signed-By: /k.gpg

                Types: deb
                URIs: http://a.example.org/security
                Suites: bookworm-security
                Components: main
                Signed-By: -----BEGIN PGP
                 .
            "#]],
        );
        check(
            &host(LINES),
            "bookworm",
            expect![[r#"
                Types: deb
                URIs: http://a.example.org/debian
                Suites: bookworm bookworm-updates
                Components: main
                Signed-By: /k.gpg
            "#]],
        );
    }

    /// Another release of the same distribution is in the same archive; another distribution is not.
    #[test]
    fn another_suite_is_derived_or_refused() {
        check(
            &host(LINES),
            "trixie",
            expect![[r#"
                Types: deb
                URIs: http://a.example.org/debian
                Suites: trixie trixie-updates
                Components: main
                Signed-By: /k.gpg
            "#]],
        );
        check(
            &host(LINES),
            "noble",
            expect![[r#"
                error: no archive is known for the suite `noble`
                because: the recipe names no mirror
                because: this host's apt is set up for debian, and `noble` is of ubuntu
                hint: name one in the recipe: `mirrors = [{ uri = "http://…", suites = ["…"] }]`"#]],
        );
        check(
            &host(""),
            "bookworm",
            expect![[r#"
                error: no archive is known for the suite `bookworm`
                because: the recipe names no mirror
                because: this host's apt configuration (/etc/apt) has no archive with that suite
                hint: name one in the recipe: `mirrors = [{ uri = "http://…", suites = ["…"] }]`"#]],
        );
    }
}
