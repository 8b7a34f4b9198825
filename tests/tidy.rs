//! The rules of the house, as tests: what each floor may know, how files begin, which words are not used.
//! Whoever breaks a rule reads here what to write instead.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders in which nothing is written by hand.
const SKIPPED: &[&str] =
    &[".git", "target", ".build", ".rehearsals", ".state", "book", "corpus", "artifacts"];

/// Files that a line gets when somebody works with it here: its mirror is that machine's.
const MADE_HERE: &[&str] = &["line.lock"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file below the repository that is text, with its path from there.
fn files() -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                let is_target = entry.path().join("CACHEDIR.TAG").exists();
                if !SKIPPED.contains(&name.as_str()) && !is_target {
                    open.push(entry.path());
                }
            } else if kind.is_file()
                && !MADE_HERE.contains(&name.as_str())
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                let path = entry.path().strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    files().into_iter().filter(|(path, _)| path.ends_with(".rs")).collect()
}

/// Sources that go into a program: what only tests or cargo run is left out.
fn program_sources() -> Vec<(String, String)> {
    let sources = sources();
    let mut tests = Vec::new();
    for (path, text) in &sources {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]") {
            if let Some(name) = pair[1].strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                let folder = match path.strip_suffix("/mod.rs").or(path.strip_suffix("/lib.rs")) {
                    Some(folder) => folder,
                    None => path.strip_suffix("/main.rs").or(path.strip_suffix(".rs")).unwrap_or(path),
                };
                tests.push(format!("{folder}/{name}.rs"));
            }
        }
    }
    let is_program = |path: &str| {
        let outside = ["tests/", "fuzz/", "benches/"].iter().any(|folder| path.starts_with(folder));
        !outside
            && !path.contains("/tests/")
            && !path.ends_with("/tests.rs")
            && !path.ends_with("build.rs")
            && !tests.iter().any(|test| test == path)
    };
    sources.into_iter().filter(|(path, _)| is_program(path)).collect()
}

/// The lines of such a source, with their numbers: nothing of what only tests see, no comments, no texts.
fn code(text: &str) -> Vec<(usize, String)> {
    let mut code = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            code.push((at + 1, bare(line)));
            continue;
        }
        // What rustfmt has laid out ends on its first line, or with a brace of the same indentation.
        let indentation = &line[..line.len() - line.trim_start().len()];
        let closing = format!("{indentation}}}");
        let mut is_open = false;
        for (_, line) in lines.by_ref() {
            let is_attribute = line.trim_start().starts_with(['#', '/']);
            if line == closing || (!is_open && !is_attribute && line.ends_with([';', ',', '}'])) {
                break;
            }
            is_open |= !is_attribute;
        }
    }
    code
}

/// A line without its comment and without what stands between quotes.
fn bare(line: &str) -> String {
    let mut bare = String::new();
    let mut characters = line.chars().peekable();
    let mut in_text = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' if in_text => {
                characters.next();
            }
            '"' => in_text = !in_text,
            '\'' if !in_text && characters.peek() == Some(&'"') => {
                characters.next();
            }
            '/' if !in_text && characters.peek() == Some(&'/') => break,
            _ if in_text => {}
            _ => bare.push(character),
        }
    }
    bare
}

/// Fails with everything that breaks a rule, and with what to do instead.
#[track_caller]
fn keep(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}\n  {}\n", broken.join("\n  "));
}

/// The mind must not touch, and the two programs must not know each other: the compiler enforces it as long
/// as the manifests say so.
#[test]
fn arrows_point_down() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("wire", &[][..]),
        ("model", &["wire"]),
        ("linux", &["model", "wire"]),
        ("agent", &["linux", "model", "wire"]),
        ("bootworks", &["linux", "model", "wire"]),
    ]);
    let mut broken = Vec::new();
    for (name, below) in &allowed {
        let path = root().join("crates").join(name).join("Cargo.toml");
        let manifest: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(table).and_then(toml::Value::as_table) else { continue };
            for dependency in dependencies.keys() {
                if allowed.contains_key(dependency.as_str()) && !below.contains(&dependency.as_str()) {
                    broken.push(format!("{name} → {dependency} ({table})"));
                }
            }
        }
    }
    keep("a crate may know only those below it (ARCHITECTURE.md); a new arrow is a design change:", &broken);
}

/// A dependency is a decision: what it saves, and what stood beside it, is written down.
#[test]
fn dependencies_are_explained() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let reasons = fs::read_to_string(root().join("docs/decisions/dependencies.md")).unwrap();
    let rows: Vec<&str> =
        reasons.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).collect();
    for (name, dependency) in manifest["workspace"]["dependencies"].as_table().unwrap() {
        let ours = dependency.get("path").is_some();
        let explained = rows.iter().any(|row| row.split([',', ' ']).any(|word| word == name));
        assert!(ours || explained, "docs/decisions/dependencies.md has no line for {name}");
    }
}

/// A reader opens a file anywhere and must learn in two lines where they are.
#[test]
fn every_source_says_what_it_is() {
    let silent: Vec<String> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    keep("a file opens with `//!`: what it is, and what it is not or who uses it:", &silent);
}

/// Words that say nothing, each with what to write instead.
const BANNED: &[(&str, &str)] = &[
    ("Manager", "what it does to what: `Pool`, `Ledger`, `Scheduler`"),
    ("Handler", "a verb on the thing: `answer`, `take`"),
    ("Context", "the thing itself: `Job`, `Line`, `Network`"),
    ("Info", "what is known: `Inventory`, `Smbios`"),
    ("Data", "what the octets are: `Contents`, `Payload`"),
    ("Helper", "the verb it helps with"),
    ("Util", "the verb it is used for"),
];

/// Module and function names that say nothing.
const BANNED_MODULES: &[&str] = &["utils", "util", "common", "helpers", "helper", "types", "misc"];

#[test]
fn names_say_something() {
    let mut broken = Vec::new();
    for (path, text) in program_sources() {
        for (line, code) in code(&text) {
            let words: Vec<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            for pair in words.windows(2) {
                let (keyword, name) = (pair[0], pair[1]);
                let place = format!("{path}:{line}: `{name}`");
                if matches!(keyword, "struct" | "enum" | "trait" | "type") {
                    let found = BANNED.iter().find(|(word, _)| name.ends_with(word));
                    broken
                        .extend(found.map(|(word, instead)| format!("{place}: not `{word}` but {instead}")));
                }
                if keyword == "fn" && name.starts_with("get_") {
                    broken.push(format!("{place}: without `get_`"));
                }
                if keyword == "mod" && BANNED_MODULES.contains(&name) {
                    broken.push(format!("{place}: the noun for what is in it"));
                }
            }
        }
    }
    keep("a name is a noun of the domain or a verb:", &broken);
}

/// One crate is read with that care; everywhere else the compiler keeps the promise.
#[test]
fn unsafe_lives_in_linux() {
    let broken = lines_with(|path, code| {
        let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        !path.starts_with("crates/linux/") && words.into_iter().any(|word| word == "unsafe")
    });
    keep("`unsafe` lives in crates/linux; put the call there and give it a safe name:", &broken);
}

/// A server, and a PID 1 even more, goes on: what can fail says so.
#[test]
fn nothing_panics_on_purpose() {
    const WORDS: &[&str] = &[".unwrap()", ".expect(", "todo!", "unimplemented!", "panic!("];
    let broken = lines_with(|path, code| {
        path.starts_with("crates/")
            && WORDS.iter().any(|word| code.contains(word))
            && !code.contains("#[expect(")
    });
    keep("outside tests a failure is returned (`model::failure`), not a panic:", &broken);
}

/// Output is an interface: results go to standard output, the rest to standard error, both in one place.
#[test]
fn printing_is_done_in_one_place() {
    const WORDS: &[&str] = &["println!", "eprintln!", "print!", "eprint!", "dbg!"];
    let broken = lines_with(|path, code| {
        let words = |code: &str| WORDS.iter().any(|word| code.contains(word));
        path.starts_with("crates/") && !path.ends_with("/report.rs") && words(code)
    });
    keep("printing goes through `report::say` and `report::note`:", &broken);
}

fn lines_with(breaks: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in program_sources() {
        for (line, code) in code(&text) {
            if breaks(&path, &code) {
                found.push(format!("{path}:{line}: {}", code.trim()));
            }
        }
    }
    found
}

/// How ids of causes stand in the code, where they are said to people.
const BLAMES: &[&str] = &["cause: \"", ".blame(\"", "trouble(\"", "cause == \""];

/// The ids that a program source names as causes: behind one of [`BLAMES`], or in a list called `CAUSES`.
fn causes_named(text: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    let mut in_list = false;
    for (at, line) in text.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]") {
        in_list |= line.contains("const CAUSES: &[&str]");
        let places: Vec<usize> = if in_list {
            line.match_indices('"').step_by(2).map(|(place, _)| place + 1).collect()
        } else {
            BLAMES
                .iter()
                .flat_map(|blame| line.match_indices(blame))
                .map(|(place, it)| place + it.len())
                .collect()
        };
        let is_id = |text: &&str| {
            let is_part = |part: &str| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            };
            text.contains('-') && text.split('-').all(is_part)
        };
        let ids = places.into_iter().filter_map(|place| line[place..].split('"').next()).filter(is_id);
        named.extend(ids.map(|id| (at + 1, id.to_owned())));
        in_list &= !line.trim_end().ends_with("];");
    }
    named
}

/// A cause that a screen names and nobody can look up is a riddle. The pages of the guide are the catalogue's.
#[test]
fn every_cause_that_is_named_has_a_page() {
    let pages: String = files()
        .into_iter()
        .filter(|(path, _)| path.starts_with("docs/src/causes/"))
        .map(|(_, text)| text)
        .collect();
    let mut broken = Vec::new();
    let mut count = 0;
    for (path, text) in program_sources().into_iter().filter(|(path, _)| path.starts_with("crates/")) {
        for (line, id) in causes_named(&text) {
            count += 1;
            if !pages.contains(&format!("## `{id}`\n")) {
                broken.push(format!("{path}:{line}: {id}"));
            }
        }
    }
    assert!(count > 40, "causes are named in another way than this test knows: {count} found");
    keep("a cause has a page in the catalogue (crates/model/src/catalogue):", &broken);
}

/// A page that says which test holds a promise is worth what the test is: each one that is named must be there.
#[test]
fn tests_that_the_guide_names_are_there() {
    let sources: String = sources().into_iter().map(|(_, text)| text).collect();
    let (mut broken, mut count) = (Vec::new(), 0);
    for (path, text) in files().into_iter().filter(|(path, _)| path.starts_with("docs/src/")) {
        for (at, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
            let is_name = |word: &&str| {
                let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
                word.matches('_').count() >= 2 && word.split('_').all(is_part)
            };
            for name in line.split('`').skip(1).step_by(2).filter(is_name) {
                count += 1;
                if !sources.contains(&format!("fn {name}(")) {
                    broken.push(format!("{path}:{}: {name}", at + 1));
                }
            }
        }
    }
    assert!(count > 40, "tests are named in another way than this test knows: {count} found");
    keep("no test has this name; the page promises what nothing holds:", &broken);
}

/// What is longer than a file can be read in one go owes its reader a reason.
#[test]
fn long_files_give_a_reason() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        let gives_reason =
            text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("Long because"));
        if lines > 600 && !gives_reason {
            broken.push(format!("{path}: {lines} lines"));
        }
    }
    keep("over 600 lines: divide it, or say `//! Long because …` in its head:", &broken);
}

/// An open end in a comment is read by nobody.
#[test]
fn comments_are_finished() {
    let open_ends = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let mut broken = Vec::new();
    for (path, text) in sources() {
        for (at, line) in text.lines().enumerate() {
            let comment = line.trim_start().strip_prefix("//").unwrap_or_default();
            if comment.trim_end().ends_with('?') || open_ends.iter().any(|word| comment.contains(word)) {
                broken.push(format!("{path}:{}: {}", at + 1, line.trim()));
            }
        }
    }
    keep("a comment is a sentence; an open end is a decision in docs/decisions or an issue:", &broken);
}

/// A mirror in the code would be everybody's mirror. Packages come from where the host's apt has them.
#[test]
fn no_mirror_is_named() {
    const FIRST_LABELS: &[&str] =
        &["deb", "archive", "security", "snapshot", "ftp", "mirror", "mirrors", "ports"];
    let mut broken = Vec::new();
    for (path, text) in files() {
        for (at, line) in text.lines().enumerate() {
            let is_of_a_host = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.');
            for host in line.split(|c| !is_of_a_host(c)).map(|host| host.trim_matches('.')) {
                let first = host.split('.').next().unwrap_or_default();
                let is_address = line.contains(&format!("://{host}")) && host.contains('.');
                // Without `://` a file's name looks the same: `archive.tar.gz`.
                let is_name = host.split('.').count() > 2
                    && [".org", ".com", ".net"].iter().any(|end| host.ends_with(end));
                let reserved =
                    ["example.org", "example.com", "example.net", ".test", ".invalid", "localhost"];
                if FIRST_LABELS.contains(&first)
                    && (is_address || is_name)
                    && !reserved.iter().any(|end| host.ends_with(end))
                {
                    broken.push(format!("{path}:{}: {host}", at + 1));
                }
            }
        }
    }
    keep("no archive is named (tests use example.org, RFC 2606):", &broken);
}
