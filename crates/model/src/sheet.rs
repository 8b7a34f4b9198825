//! A TOML file held against a table of the keys it may have. Every mistake is collected with its place;
//! nothing stops at the first.
//!
//! What the keys mean together is said where the file is read (`line`, `recipe`); the table itself is also
//! what the guide's reference is printed from.

pub mod size;
pub mod table;

use self::table::{Key, Kind, Need, Table, list_words};
use crate::mistake::{Mistake, nearest};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// Where something stands: octets of the file.
pub type Place = Range<usize>;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub at: Place,
}

/// A file being read.
pub struct Sheet<'a> {
    file: &'a str,
    text: &'a str,
    root: &'static Table,
    mistakes: RefCell<Vec<Mistake>>,
    /// Lines with a syntax error: what else is wrong with them is a consequence.
    broken: BTreeSet<usize>,
}

/// A file as the TOML parser sees it; it must outlive its [`Sheet`]'s sections.
pub struct Document<'a> {
    table: Spanned<DeTable<'a>>,
    errors: Vec<toml::de::Error>,
}

/// Parses `text`; syntax errors are reported once it becomes a sheet.
pub fn parse(text: &str) -> Document<'_> {
    let (table, errors) = DeTable::parse_recoverable(text);
    Document { table, errors }
}

impl<'a> Sheet<'a> {
    /// A sheet for `text`, which stands in `file`, and the section of its top-level keys. Syntax errors are
    /// reported here.
    pub fn open(file: &'a str, text: &'a str, root: &'static Table, document: &Document<'_>) -> Sheet<'a> {
        let mut sheet = Sheet { file, text, root, mistakes: RefCell::default(), broken: BTreeSet::new() };
        for error in &document.errors {
            let (at, message, hint) = syntax(text, error);
            let mistake = Mistake::new(file, text, at, message, hint);
            // The parser goes on after an error; what it finds on the same line is mostly the same slip.
            if sheet.broken.insert(mistake.line) {
                sheet.mistakes.borrow_mut().push(mistake);
            }
        }
        sheet
    }

    /// The section of the top-level keys.
    pub fn top<'s>(&'s self, document: &'s Document<'_>) -> Section<'s> {
        Section::open(self, self.root, document.table.get_ref(), 0..0)
    }

    /// Reports a mistake.
    pub fn report(&self, at: Place, message: impl Into<String>, hint: impl Into<String>) {
        let hint = hint.into();
        let hint = (!hint.is_empty()).then_some(hint);
        let mistake = Mistake::new(self.file, self.text, at, message.into(), hint);
        if !self.broken.contains(&mistake.line) {
            self.mistakes.borrow_mut().push(mistake);
        }
    }

    /// Reports what may only be wrong because something else could not be read: a key that is missing, a
    /// question that is unknown. Nothing is reported where the file has syntax errors.
    pub fn report_absence(&self, at: Place, message: impl Into<String>, hint: impl Into<String>) {
        if self.broken.is_empty() {
            self.report(at, message, hint);
        }
    }

    /// Where the octets `inside` of a text stand in the file: exact where the text is written without
    /// escapes, else the whole text.
    pub fn within(&self, text: &At<&str>, inside: Place) -> Place {
        let raw = self.text.get(text.at.clone()).unwrap_or_default();
        for quote in ["\"\"\"\n", "'''\n", "\"\"\"", "'''", "\"", "'"] {
            let bare = raw.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote.trim_end()));
            if bare == Some(text.value) {
                let start = text.at.start + quote.len();
                return start + inside.start..start + inside.end;
            }
        }
        text.at.clone()
    }

    /// The line on which something stands, counting from 1.
    pub fn line_of(&self, at: &Place) -> usize {
        1 + self.text.get(..at.start).unwrap_or_default().matches('\n').count()
    }

    /// The mistakes found, in the order of the file.
    pub fn close(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        mistakes
    }
}

/// A syntax error in our words: where it is, what is wrong, what would be right.
fn syntax(text: &str, error: &toml::de::Error) -> (Place, String, Option<String>) {
    let at = error.span().unwrap_or(0..0);
    let said = error.message().trim_end_matches(", expected nothing");
    let line_start =
        text.get(..at.start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let bare = line.split_once('=').map(|(_, value)| value.trim()).unwrap_or_default();
    if said == "duplicate key" {
        let message = format!("`{}` stands twice", text.get(at.clone()).unwrap_or_default().escape_debug());
        return (at, message, Some("keep one of them".into()));
    }
    if said.starts_with("string values must be quoted")
        || said.starts_with("invalid float")
        || said.starts_with("invalid integer")
    {
        let quoted = bare.split(" #").next().unwrap_or_default().trim();
        let simple = !quoted.is_empty() && !quoted.contains(['"', '\'', '[', '{', ',']);
        let hint = simple.then(|| format!("`\"{quoted}\"`"));
        let at = match line.find(quoted) {
            Some(found) if simple => line_start + found..line_start + found + quoted.len(),
            _ => at,
        };
        return (at, "text stands in quotes".into(), hint.or(Some("put quotes around it".into())));
    }
    let hint = said.contains("string").then(|| "close the quote on the line where it is opened".to_owned());
    (at, format!("this is not TOML: {said}"), hint)
}

/// One table of a file: its values by key, with every slip reported on the way.
///
/// A method answers `None` where there is nothing to go on with; why is reported by then.
pub struct Section<'s> {
    sheet: &'s Sheet<'s>,
    of: &'static Table,
    table: &'s DeTable<'s>,
    /// Keys that an unknown key was probably meant to be: they are not missing, too.
    misspelt: Vec<&'static str>,
    /// Where the table stands: its header, or its braces.
    pub at: Place,
}

impl<'s> Section<'s> {
    /// Holds a table against its keys; keys that it does not have are reported.
    fn open(sheet: &'s Sheet<'s>, of: &'static Table, table: &'s DeTable<'s>, at: Place) -> Section<'s> {
        let mut section = Section { sheet, of, table, misspelt: Vec::new(), at };
        for key in table.keys() {
            if section.key(key.get_ref()).is_none() {
                sheet.report(
                    key.span(),
                    format!("{} has no key `{}`", of.place(), key.get_ref().escape_debug()),
                    section.suggestion(key.get_ref()),
                );
                let names = of.keys().map(|key| key.name);
                section.misspelt.extend(nearest(key.get_ref(), names));
            }
        }
        section
    }

    fn key(&self, name: &str) -> Option<&'static Key> {
        self.of.keys().find(|key| key.name == name)
    }

    /// What an unknown key was probably meant to be: a typing error, else a key of another table.
    fn suggestion(&self, unknown: &str) -> String {
        let names = || self.of.keys().map(|key| key.name);
        if let Some(near) = nearest(unknown, names()) {
            return format!("it is spelt `{near}`");
        }
        if let Some(owner) = self.sheet.root.find_owner(unknown) {
            return format!("`{unknown}` stands in {}", owner.place());
        }
        let known: Vec<String> = names().map(|name| format!("`{name}`")).collect();
        format!("its keys are {}", known.join(", "))
    }

    /// The value at a key of this table. A missing one is reported where the key must be there.
    fn value(&self, name: &str) -> Option<(&'static Key, &'s Spanned<DeValue<'s>>)> {
        let key = self.key(name)?;
        if let Some(value) = self.table.get(name) {
            return Some((key, value));
        }
        if key.need == Need::Must && !self.misspelt.contains(&name) {
            let hint = match key.kind {
                Kind::Table(table) | Kind::Tables(table) if key.example.is_empty() => {
                    format!("add `{}`", table.place())
                }
                _ => format!("for example `{} = {}`", key.name, key.example),
            };
            let missing = match key.kind {
                Kind::Table(table) | Kind::Tables(table) if key.example.is_empty() => table.place(),
                _ => name,
            };
            self.sheet.report_absence(
                self.at.clone(),
                format!("{} has no `{missing}`", self.of.place()),
                hint,
            );
        }
        None
    }

    /// Reports that a value is of another kind than its key's.
    fn mismatch(&self, key: &Key, value: &Spanned<DeValue<'_>>) {
        let found = match value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "`true` or `false`",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let hint = match key.kind {
            Kind::Table(table) if key.example.is_empty() => {
                format!("write `{}` with its keys below it", table.place())
            }
            Kind::Tables(table) if key.example.is_empty() => {
                format!("write `{}` with its keys below it, once for each", table.place())
            }
            _ => format!("for example `{} = {}`", key.name, key.example),
        };
        let hint = match (key.kind, value.get_ref().as_str()) {
            (Kind::List, Some(text)) if !text.contains(['"', '\\']) => {
                format!("`{} = [\"{}\"]`", key.name, text.escape_debug())
            }
            _ => hint,
        };
        let message = format!("`{}` is {}, not {found}", key.name, key.kind.words());
        self.sheet.report(value.span(), message, hint);
    }

    /// The text at a key, if there is any: for those who look ahead; nothing is reported.
    pub fn peek(&self, name: &str) -> Option<&'s str> {
        self.table.get(name)?.get_ref().as_str()
    }

    /// Text. Empty text is reported: no key of a line means anything by it.
    pub fn text(&self, name: &str) -> Option<At<&'s str>> {
        let (key, value) = self.value(name)?;
        let Some(text) = value.get_ref().as_str() else {
            self.mismatch(key, value);
            return None;
        };
        if text.trim().is_empty() {
            let hint = match key.need {
                Need::Must => format!("for example `{} = {}`", key.name, key.example),
                Need::May(_) => "leave the key out".into(),
            };
            self.sheet.report(value.span(), format!("`{name}` is empty"), hint);
            return None;
        }
        Some(At { value: text, at: value.span() })
    }

    /// A number, 0 or more.
    pub fn number(&self, name: &str) -> Option<At<u64>> {
        let (key, value) = self.value(name)?;
        match value.get_ref().as_integer().and_then(whole) {
            Some(number) => Some(At { value: number, at: value.span() }),
            None => {
                self.mismatch_number(key, value);
                None
            }
        }
    }

    fn mismatch_number(&self, key: &Key, value: &Spanned<DeValue<'_>>) {
        if value.get_ref().is_integer() {
            let message = format!("`{}` is out of range", key.name);
            self.sheet.report(value.span(), message, format!("for example `{} = {}`", key.name, key.example));
        } else {
            self.mismatch(key, value);
        }
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str) -> Option<bool> {
        let (key, value) = self.value(name)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.mismatch(key, value);
        }
        flag
    }

    /// Octets.
    pub fn size(&self, name: &str) -> Option<At<u64>> {
        let (key, value) = self.value(name)?;
        let read = match value.get_ref() {
            DeValue::Integer(number) => whole(number).ok_or("out of range"),
            DeValue::String(text) => size::read(text),
            _ => {
                self.mismatch(key, value);
                return None;
            }
        };
        match read {
            Ok(0) => self.sheet.report(value.span(), format!("`{name}` is zero"), "for example `\"4GiB\"`"),
            Ok(octets) => return Some(At { value: octets, at: value.span() }),
            Err(reason) => self.sheet.report(
                value.span(),
                format!("`{name}` is not a size: {reason}"),
                "a number and a unit: `\"512MiB\"`, `\"4GiB\"`; `8G` is 8GiB; without a unit it is octets",
            ),
        }
        None
    }

    /// The word, where the value is just that word: `"rest"`.
    pub fn is_word(&self, name: &str, word: &str) -> bool {
        self.table.get(name).and_then(|value| value.get_ref().as_str()) == Some(word)
    }

    /// Permission bits.
    pub fn mode(&self, name: &str) -> Option<u32> {
        let (key, value) = self.value(name)?;
        let bits = match value.get_ref() {
            DeValue::String(text) => u32::from_str_radix(text, 8).ok(),
            // `mode = 644` would be octal 1204; TOML writes octal numbers with `0o`.
            DeValue::Integer(number) if number.radix() == 8 => {
                whole(number).and_then(|bits| bits.try_into().ok())
            }
            DeValue::Integer(_) => None,
            _ => {
                self.mismatch(key, value);
                return None;
            }
        };
        let bits = bits.filter(|bits| *bits <= 0o7777);
        if bits.is_none() {
            self.sheet.report(
                value.span(),
                format!("`{name}` is not permission bits in octal"),
                "`\"0644\"`, or `\"0755\"` for a program",
            );
        }
        bits
    }

    /// One of the words that the key knows.
    pub fn choice(&self, name: &str) -> Option<At<&'static str>> {
        let (key, value) = self.value(name)?;
        let Kind::Choice(words) = key.kind else { return None };
        let Some(text) = value.get_ref().as_str() else {
            self.mismatch(key, value);
            return None;
        };
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Some(At { value: word, at: value.span() });
        }
        let hint = match nearest(text, words.iter().copied()) {
            Some(near) => format!("it is spelt `\"{near}\"`"),
            None => format!("it is {}", list_words(words, "or")),
        };
        self.sheet.report(value.span(), format!("`{name}` cannot be `\"{}\"`", text.escape_debug()), hint);
        None
    }

    /// A list of texts; what is not text in it is reported and left out, as is what stands there twice.
    pub fn list(&self, name: &str) -> Vec<At<&'s str>> {
        let Some((key, value)) = self.value(name) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.mismatch(key, value);
            return Vec::new();
        };
        let mut texts: Vec<At<&str>> = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_str() {
                None => self.sheet.report(
                    item.span(),
                    format!("`{name}` is a list of texts, and this is none"),
                    format!("for example `{name} = {}`", key.example),
                ),
                Some(text) if text.trim().is_empty() => {
                    self.sheet.report(item.span(), format!("an empty text in `{name}`"), "leave it out");
                }
                Some(text) if texts.iter().any(|known| known.value == text) => {
                    let message = format!("`{}` stands twice in `{name}`", text.escape_debug());
                    self.sheet.report(item.span(), message, "leave it out");
                }
                Some(text) => texts.push(At { value: text, at: item.span() }),
            }
        }
        texts
    }

    /// A table below this one.
    pub fn section(&self, name: &str) -> Option<Section<'s>> {
        let (key, value) = self.value(name)?;
        let Kind::Table(of) = key.kind else { return None };
        match value.get_ref().as_table() {
            Some(table) => Some(Section::open(self.sheet, of, table, value.span())),
            None => {
                self.mismatch(key, value);
                None
            }
        }
    }

    /// The texts at `key` of the tables of a list below this one, where they are texts: for those who look
    /// again; nothing is reported.
    pub fn texts_below(&self, name: &str, key: &str) -> Vec<At<&'s str>> {
        let tables = self.table.get(name).and_then(|value| value.get_ref().as_array());
        let values = tables
            .into_iter()
            .flat_map(|array| array.iter())
            .filter_map(|item| item.get_ref().as_table()?.get(key));
        values.filter_map(|value| Some(At { value: value.get_ref().as_str()?, at: value.span() })).collect()
    }

    /// The tables of a list below this one.
    pub fn sections(&self, name: &str) -> Vec<Section<'s>> {
        let Some((key, value)) = self.value(name) else { return Vec::new() };
        let (Kind::Tables(of), Some(array)) = (key.kind, value.get_ref().as_array()) else {
            self.mismatch(key, value);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_table() {
                Some(table) => sections.push(Section::open(self.sheet, of, table, item.span())),
                None => self.mismatch(key, item),
            }
        }
        sections
    }

    /// A table whose keys the line itself defines: each key with its text.
    pub fn map(&self, name: &str) -> Vec<(At<&'s str>, At<&'s str>)> {
        let Some((key, value)) = self.value(name) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            self.mismatch(key, value);
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (key, value) in table {
            match value.get_ref().as_str() {
                Some(text) => pairs.push((
                    At { value: key.get_ref().as_ref(), at: key.span() },
                    At { value: text, at: value.span() },
                )),
                None => self.sheet.report(
                    value.span(),
                    format!("`{}` in `{name}` is text, in quotes", key.get_ref().escape_debug()),
                    "",
                ),
            }
        }
        pairs
    }

    /// Whether the key is there, whatever it says and however it is spelt.
    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name) || self.misspelt.contains(&name)
    }

    /// Whether the key is there with a list that has nothing in it.
    pub fn is_empty_list(&self, name: &str) -> bool {
        let array = self.table.get(name).and_then(|value| value.get_ref().as_array());
        array.is_some_and(|array| array.is_empty())
    }

    /// Where the key itself stands; the table where it is absent.
    pub fn place_of(&self, name: &str) -> Place {
        self.table.get_key_value(name).map_or(self.at.clone(), |(key, _)| key.span())
    }
}

/// The number, unless it is below zero or beyond 64 bits.
fn whole(number: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(number.as_str().strip_prefix('+').unwrap_or(number.as_str()), number.radix()).ok()
}
