//! Tables of keys: what a file may say, where, and what its absence means.
//!
//! Plain values: the reader refuses by them, the guide's reference is printed from them.

/// The keys of one table.
#[derive(Debug)]
pub struct Table {
    /// As it is written: `[network]`, `[[question]]`, `mirrors = [{ … }]`.
    pub name: &'static str,
    /// What it is for, a sentence.
    pub says: &'static str,
    /// Its keys, in the order in which they are explained; several lists where tables share keys.
    pub keys: &'static [&'static [Key]],
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// Whether it may be absent.
    pub need: Need,
    /// What it says, a sentence.
    pub says: &'static str,
    /// An example, as it is written in TOML after the `=`; empty for tables.
    pub example: &'static str,
}

/// What may stand at a key.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text in quotes.
    Text,
    /// A number, 0 or more.
    Number,
    /// `true` or `false`.
    Flag,
    /// Octets: a number, or text with a unit: `"512MiB"`.
    Size,
    /// A size, or the word `"rest"`.
    SizeOrRest,
    /// Permission bits: `"0644"` or `0o644`.
    Mode,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    List,
    /// A table.
    Table(&'static Table),
    /// A list of tables.
    Tables(&'static Table),
    /// A table whose keys the line itself defines, with texts.
    Map,
}

/// Whether a key may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must be there.
    Must,
    /// It may be absent, which means this.
    May(&'static str),
}

impl Kind {
    /// The kind in words, for messages and the reference.
    pub fn words(self) -> String {
        match self {
            Kind::Text => "text".into(),
            Kind::Number => "a number".into(),
            Kind::Flag => "`true` or `false`".into(),
            Kind::Size => "a size".into(),
            Kind::SizeOrRest => "a size or `\"rest\"`".into(),
            Kind::Mode => "permission bits".into(),
            Kind::Choice(words) => list_words(words, "or"),
            Kind::List => "a list of texts".into(),
            Kind::Table(_) => "a table".into(),
            Kind::Tables(_) => "a list of tables".into(),
            Kind::Map => "a table of texts".into(),
        }
    }
}

/// `"a", "b" or "c"`, each between backticks.
pub fn list_words(words: &[&str], last: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
    match quoted.split_last() {
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
        None => String::new(),
    }
}

impl Table {
    /// Its keys, in the order in which they are explained.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().flat_map(|keys| keys.iter())
    }

    /// Its name in a sentence.
    pub(super) fn place(&self) -> &'static str {
        self.name
    }

    /// The table below this one that has a key of that name.
    pub(super) fn find_owner(&'static self, name: &str) -> Option<&'static Table> {
        if self.keys().any(|key| key.name == name) {
            return Some(self);
        }
        self.keys().find_map(|key| match key.kind {
            Kind::Table(table) | Kind::Tables(table) => table.find_owner(name),
            _ => None,
        })
    }
}
