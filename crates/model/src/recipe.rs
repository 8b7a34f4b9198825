//! Recipes: suite, mirrors, packages, files, scripts, from which a live OS or an image is built.

use crate::line::{Folder, keys};
use crate::mistake::Mistake;
use crate::sheet::{self, At, Section, Sheet};
use serde::{Deserialize, Serialize};

/// What a system is built from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recipe {
    /// The distribution's name for the release: `bookworm`.
    pub suite: String,
    /// Archives; empty means what the host's apt configuration names for the suite.
    #[serde(default)]
    pub mirrors: Vec<Mirror>,
    /// The moment that archives of snapshots are read as of, as their addresses have it: `20260101T000000Z`.
    #[serde(default)]
    pub snapshot: Option<String>,
    /// Packages of the line's own, or folders of them; they come before the archives'.
    #[serde(default)]
    pub debs: Vec<String>,
    /// Parts of the archive; empty means `main`.
    #[serde(default)]
    pub components: Vec<String>,
    /// Packages wanted besides the essential ones; what they depend on comes along.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Files of the line copied in.
    #[serde(default)]
    pub files: Vec<RecipeFile>,
    /// Kernel modules of the line's own, as files: paths in the line's folder.
    #[serde(default)]
    pub extra_modules: Vec<String>,
    /// Programs of the line run in the finished root, in order.
    #[serde(default)]
    pub scripts: Vec<String>,
    /// systemd units enabled.
    #[serde(default)]
    pub enable: Vec<String>,
}

/// One archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mirror {
    /// Base address, as after `deb` in apt's sources.
    pub uri: String,
    /// Further addresses of the same archive, in the order in which they are tried.
    #[serde(default)]
    pub also: Vec<String>,
    /// Suites taken from it: `bookworm`, `bookworm-updates`.
    pub suites: Vec<String>,
    /// Keyring file that its InRelease is checked with; absent means the distribution's.
    #[serde(default)]
    pub signed_by: Option<String>,
    /// What is taken from it although it would be refused elsewhere.
    #[serde(default)]
    pub accept: Vec<Accepted>,
}

/// What an archive may be where the recipe says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accepted {
    /// Signed by nobody, or by somebody unknown.
    Unsigned,
    /// Past the date until which its maker vouches for it.
    Expired,
}

/// What stands in a mirror's address for [`Recipe::snapshot`].
pub const SNAPSHOT: &str = "{snapshot}";

/// A file of the line copied into the root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecipeFile {
    /// Path in the line's folder; a folder is copied whole.
    pub source: String,
    /// Absolute path in the root.
    pub path: String,
    /// Permission bits; absent means 0644, or 0755 where the source is executable.
    #[serde(default)]
    pub mode: Option<u32>,
}

/// Reads a recipe from its text; `file` is its path in the line. Mistakes go into `mistakes`.
pub fn read(file: &str, text: &str, folder: &dyn Folder, mistakes: &mut Vec<Mistake>) -> Option<Recipe> {
    let document = sheet::parse(text);
    let sheet = Sheet::open(file, text, &keys::RECIPE_FILE, &document);
    let recipe = of(&sheet, &sheet.top(&document), folder);
    mistakes.append(&mut sheet.close());
    recipe
}

/// The recipe among the keys of a table.
pub fn of(sheet: &Sheet<'_>, section: &Section<'_>, folder: &dyn Folder) -> Option<Recipe> {
    let suite = section.text("suite").and_then(|text| suite(sheet, &text));
    let packages: Vec<_> = section.list("packages").iter().filter_map(|text| package(sheet, text)).collect();
    let components = words(sheet, section, "components", "`\"main\"`");
    let mirrors: Option<Vec<_>> =
        section.sections("mirrors").iter().map(|section| mirror(sheet, section)).collect();
    let snapshot = section.text("snapshot").and_then(|text| snapshot(sheet, &text, mirrors.as_deref()));
    let mut debs = Vec::new();
    for deb in section.list("debs") {
        if let Some(path) = path_in_line(sheet, &deb) {
            exists(sheet, &deb, path, folder);
            debs.push(path.to_owned());
        }
    }
    let files: Option<Vec<_>> =
        section.sections("files").iter().map(|section| file(sheet, section, folder)).collect();
    let extra_modules = extra_modules(sheet, section, folder);
    let mut scripts = Vec::new();
    for script in section.list("scripts") {
        if let Some(path) = path_in_line(sheet, &script) {
            exists(sheet, &script, path, folder);
            scripts.push(path.to_owned());
        }
    }
    let enable = section.list("enable");
    for unit in &enable {
        check_unit(sheet, unit);
    }
    let enable = enable.iter().map(|unit| unit.value.to_owned()).collect();
    Some(Recipe {
        suite: suite?,
        mirrors: mirrors?,
        snapshot,
        debs,
        components,
        packages,
        files: files?,
        extra_modules,
        scripts,
        enable,
    })
}

/// Kernel modules of the line's own among the keys of a table.
pub(crate) fn extra_modules(sheet: &Sheet<'_>, section: &Section<'_>, folder: &dyn Folder) -> Vec<String> {
    section.list("extra-modules").iter().filter_map(|text| extra_module(sheet, text, folder)).collect()
}

fn suite(sheet: &Sheet<'_>, text: &At<&str>) -> Option<String> {
    if is_word(text.value) {
        return Some(text.value.to_owned());
    }
    let message = format!("`{}` cannot be a suite", text.value.escape_debug());
    sheet.report(text.at.clone(), message, "a release's name as in apt's sources: `\"bookworm\"`");
    None
}

/// A moment as archives of snapshots write it. Without an address that it goes into it would change nothing.
fn snapshot(sheet: &Sheet<'_>, text: &At<&str>, mirrors: Option<&[Mirror]>) -> Option<String> {
    let form = "00000000T000000Z";
    let fits = |(octet, form): (u8, u8)| if form == b'0' { octet.is_ascii_digit() } else { octet == form };
    if text.value.len() != form.len() || !text.value.bytes().zip(form.bytes()).all(fits) {
        let message = format!("`{}` is not a moment", text.value.escape_debug());
        sheet.report(
            text.at.clone(),
            message,
            "year, month, day, hour, minute, second in UTC: `\"20260101T000000Z\"`",
        );
        return None;
    }
    if mirrors.is_some_and(|mirrors| !mirrors.iter().any(|mirror| mirror.uri.contains(SNAPSHOT))) {
        let hint = format!("`mirrors = [{{ uri = \"https://snapshot.example.org/debian/{SNAPSHOT}\", … }}]`");
        sheet.report(text.at.clone(), format!("no mirror's address has `{SNAPSHOT}` in it"), hint);
    }
    Some(text.value.to_owned())
}

/// Whether text can stand as one word in apt's sources.
fn is_word(text: &str) -> bool {
    let known =
        |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.' | b'/' | b'+' | b'~');
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(known)
}

fn words(sheet: &Sheet<'_>, section: &Section<'_>, name: &str, example: &str) -> Vec<String> {
    let mut words = Vec::new();
    for text in section.list(name) {
        if is_word(text.value) {
            words.push(text.value.to_owned());
        } else {
            let message = format!("`{}` cannot stand in `{name}`", text.value.escape_debug());
            sheet.report(text.at, message, format!("for example {example}"));
        }
    }
    words
}

/// A package's name (Debian policy §5.6.1).
pub fn package(sheet: &Sheet<'_>, text: &At<&str>) -> Option<String> {
    let name = text.value;
    let known = |octet: u8| {
        octet.is_ascii_lowercase() || octet.is_ascii_digit() || matches!(octet, b'+' | b'-' | b'.')
    };
    let first = |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
    if name.len() >= 2 && name.as_bytes().first().is_some_and(first) && name.bytes().all(known) {
        return Some(name.to_owned());
    }
    let hint = match name.split_whitespace().count() {
        0 | 1 => "lower-case letters, digits, `+`, `-` and `.`; versions are pinned by line.lock".to_owned(),
        _ => {
            let each: Vec<String> = name.split_whitespace().map(|word| format!("\"{word}\"")).collect();
            format!("each package in quotes of its own: `{}`", each.join(", "))
        }
    };
    sheet.report(text.at.clone(), format!("`{}` cannot be a package's name", name.escape_debug()), hint);
    None
}

fn mirror(sheet: &Sheet<'_>, section: &Section<'_>) -> Option<Mirror> {
    let uri = section.text("uri");
    let also = section.list("also");
    for text in uri.iter().chain(&also) {
        let known = ["http://", "https://", "file:/"].iter().any(|scheme| text.value.starts_with(scheme));
        if !known || text.value.chars().any(|character| character.is_whitespace() || character.is_control()) {
            let message = format!("`{}` is not an archive's address", text.value.escape_debug());
            let hint = "it begins with `http://`, `https://` or `file:/` and has no spaces";
            sheet.report(text.at.clone(), message, hint);
        }
    }
    let suites = words(sheet, section, "suites", "`[\"bookworm\"]`");
    if section.is_empty_list("suites") {
        sheet.report(
            section.place_of("suites"),
            "no suite is taken from it",
            "for example `suites = [\"bookworm\"]`",
        );
    }

    let signed_by = section.text("signed-by");
    Some(Mirror {
        uri: uri?.value.to_owned(),
        also: also.iter().map(|text| text.value.to_owned()).collect(),
        suites,
        signed_by: signed_by.map(|text| text.value.to_owned()),
        accept: section.list("accept").iter().filter_map(|text| accepted(sheet, text)).collect(),
    })
}

fn accepted(sheet: &Sheet<'_>, text: &At<&str>) -> Option<Accepted> {
    match text.value {
        "unsigned" => Some(Accepted::Unsigned),
        "expired" => Some(Accepted::Expired),
        other => {
            let message = format!("`{}` cannot stand in `accept`", other.escape_debug());
            sheet.report(text.at.clone(), message, "`\"unsigned\"`, `\"expired\"` or both");
            None
        }
    }
}

fn file(sheet: &Sheet<'_>, section: &Section<'_>, folder: &dyn Folder) -> Option<RecipeFile> {
    let source = section.text("source");
    let path_of_source = source.as_ref().and_then(|text| path_in_line(sheet, text));
    if let (Some(text), Some(path)) = (&source, path_of_source) {
        exists(sheet, text, path, folder);
    }
    let path = section.text("path").filter(|path| is_absolute(sheet, path));
    let mode = section.mode("mode");
    Some(RecipeFile { source: path_of_source?.to_owned(), path: path?.value.to_owned(), mode })
}

/// The path of a kernel module in the line.
fn extra_module(sheet: &Sheet<'_>, text: &At<&str>, folder: &dyn Folder) -> Option<String> {
    let path = path_in_line(sheet, text)?;
    if [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].iter().any(|end| path.ends_with(end)) {
        exists(sheet, text, path, folder);
        return Some(path.to_owned());
    }
    let message = format!("`{}` is not a kernel module's file", path.escape_debug());
    let hint =
        "it ends in `.ko`, `.ko.xz`, `.ko.zst` or `.ko.gz`; the kernel's own modules are named in `modules`";
    sheet.report(text.at.clone(), message, hint);
    None
}

/// Reports a path of the line where nothing is.
fn exists(sheet: &Sheet<'_>, text: &At<&str>, path: &str, folder: &dyn Folder) {
    if !folder.has(path) {
        let hint = "the path is relative to the line's folder";
        sheet.report(text.at.clone(), format!("there is no file `{}`", path.escape_debug()), hint);
    }
}

/// A path inside the line's folder; what leads out of it is reported.
pub fn path_in_line<'t>(sheet: &Sheet<'_>, text: &At<&'t str>) -> Option<&'t str> {
    let odd = |part: &str| matches!(part, "" | "." | "..");
    let path = text.value.strip_prefix("./").unwrap_or(text.value);
    if !path.split('/').any(odd) && !path.chars().any(char::is_control) {
        return Some(path);
    }
    let message = match path.starts_with('/') {
        true => format!("`{}` is not a path in the line's folder", path.escape_debug()),
        false => format!("`{}` has an empty part, a `.` or a `..` in it", path.escape_debug()),
    };
    sheet.report(text.at.clone(), message, "a path relative to the folder of line.toml: `\"files/motd\"`");
    None
}

/// Whether a path in the installed system is absolute and without detours; what is not is reported.
pub fn is_absolute(sheet: &Sheet<'_>, text: &At<&str>) -> bool {
    let odd = |part: &str| matches!(part, "" | "." | "..");
    let shown = text.value.escape_debug();
    let message = match text.value.strip_prefix('/') {
        None => format!("`{shown}` does not begin with `/`"),
        Some(below) if below.split('/').any(odd) => {
            format!("`{shown}` has an empty part, a `.` or a `..` in it")
        }
        Some(below) if below.chars().any(char::is_control) => {
            format!("`{shown}` has a control character in it")
        }
        Some(_) => return true,
    };
    sheet.report(text.at.clone(), message, "an absolute path in the installed system: `\"/etc/motd\"`");
    false
}

fn check_unit(sheet: &Sheet<'_>, unit: &At<&str>) {
    const SUFFIXES: &[&str] = &[".service", ".socket", ".timer", ".path", ".mount", ".target"];
    let known = |octet: u8| {
        octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.' | b'@' | b':' | b'\\')
    };
    let fits = unit.value.bytes().all(known);
    if !fits || !SUFFIXES.iter().any(|suffix| unit.value.len() > suffix.len() && unit.value.ends_with(suffix))
    {
        let shown = unit.value.escape_debug();
        let hint = match fits && !unit.value.contains('.') {
            true => format!("`\"{shown}.service\"`"),
            false => format!("it ends in {}", sheet::table::list_words(SUFFIXES, "or")),
        };
        sheet.report(unit.at.clone(), format!("`{shown}` is not a systemd unit"), hint);
    }
}
