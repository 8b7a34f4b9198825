//! Questions of the line and what counts as an answer.
//!
//! Nothing is asked here: the console, the browser and `line.toml`'s own check call [`check`].

mod course;
mod kinds;

pub use course::{Broken, asks, broken, completed, foreseen};

use crate::template::{self, Name};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A question, asked on the console, over the API or answered from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// How answers and templates name it: `hostname`.
    pub id: String,
    /// What is asked.
    pub ask: String,
    /// What counts as an answer.
    #[serde(flatten)]
    pub kind: Kind,
    /// Template for the answer that Enter takes: `edge-{{ box.serial }}`.
    #[serde(default)]
    pub default: Option<String>,
    /// Condition under which it is asked; always where absent.
    #[serde(default)]
    pub when: Option<String>,
    /// The answer where it is not asked; empty where absent.
    #[serde(default)]
    pub otherwise: Option<String>,
}

/// What answers must be together; checked once all questions are answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The condition that must hold.
    pub require: String,
    /// What is said where it does not, a sentence.
    pub say: String,
}

/// What counts as an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Kind {
    /// Any line of printable characters.
    Text,
    /// A host name (RFC 1123 §2.1): labels of letters, digits and dashes.
    Hostname,
    /// One of these.
    Choice {
        /// What can be chosen, in the order shown.
        choices: Vec<String>,
    },
    /// Typed hidden and twice; kept as a crypt(5) hash and nowhere else.
    Password {
        /// Fewest characters.
        #[serde(rename = "min-length", default)]
        min_length: usize,
    },
    /// Yes or no; the answer is `yes` or `no`.
    YesNo,
    /// Some of these, kept in the order of the line, with commas between them.
    MultiChoice {
        /// What can be chosen, in the order shown.
        choices: Vec<String>,
        /// Fewest.
        #[serde(default)]
        min: u64,
        /// Most.
        #[serde(default)]
        max: Option<u64>,
    },
    /// A whole number, kept without leading zeros.
    Number {
        /// Smallest.
        #[serde(default)]
        min: u64,
        /// Largest.
        #[serde(default)]
        max: Option<u64>,
    },
    /// An IPv4 or IPv6 address.
    Ip {
        /// The network that it lies in.
        #[serde(default)]
        within: Option<String>,
    },
    /// An address with its prefix length: `10.0.0.5/24`.
    Cidr {
        /// The network that it lies in.
        #[serde(default)]
        within: Option<String>,
    },
    /// An Ethernet address, kept in lower case with colons.
    Mac,
    /// Text that fits a regular expression, whole.
    Pattern {
        /// The regular expression.
        pattern: String,
        /// An answer that fits, shown to whoever types one that does not.
        #[serde(default)]
        example: Option<String>,
    },
    /// What a barcode scanner types: printable ASCII without spaces, ended by Enter or Tab.
    AssetTag {
        /// The regular expression that it fits, whole.
        #[serde(default)]
        pattern: Option<String>,
    },
}

/// An answer that counts.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// As it is kept, shown and filled into templates.
    Plain(String),
    /// A password as it was typed: to be hashed at once, never to be kept, shown or sent on.
    Secret(String),
}

/// A secret is not shown even where somebody prints the value to find a fault.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Plain(text) => f.debug_tuple("Plain").field(text).finish(),
            Answer::Secret(_) => f.write_str("Secret(…)"),
        }
    }
}

/// Longest answer to a [`Kind::Text`], in characters: what fits on a screen.
pub const LONGEST_TEXT: usize = 200;
/// Longest password, in characters; sha512-crypt's work grows with it.
pub const LONGEST_PASSWORD: usize = 128;
/// Longest host name (Linux `__NEW_UTS_LEN`); RFC 1123 would allow 255.
pub const LONGEST_HOSTNAME: usize = 64;
/// Longest label of a host name (RFC 1035 §2.3.4).
const LONGEST_LABEL: usize = 63;

/// Holds what was typed against the question: the answer to keep, or why it does not count, as a sentence
/// for the person who typed it (it never repeats a password).
pub fn check(question: &Question, typed: &str) -> Result<Answer, String> {
    match &question.kind {
        Kind::Text => text(typed).map(Answer::Plain),
        Kind::Hostname => {
            let typed = typed.trim();
            hostname(typed)?;
            Ok(Answer::Plain(typed.to_owned()))
        }
        Kind::Choice { choices } => choice(choices, typed.trim()).map(Answer::Plain),
        Kind::Password { min_length } => password(*min_length, typed).map(Answer::Secret),
        Kind::YesNo => match typed.trim().to_lowercase().as_str() {
            "yes" | "y" => Ok(Answer::Plain("yes".into())),
            "no" | "n" => Ok(Answer::Plain("no".into())),
            _ => Err("this is answered with `yes` or `no`".into()),
        },
        Kind::MultiChoice { choices, min, max } => {
            kinds::several(choices, *min, *max, typed.trim()).map(Answer::Plain)
        }
        Kind::Number { min, max } => kinds::number(*min, *max, typed.trim()).map(Answer::Plain),
        Kind::Ip { within } => kinds::ip(within.as_deref(), typed.trim()).map(Answer::Plain),
        Kind::Cidr { within } => kinds::cidr(within.as_deref(), typed.trim()).map(Answer::Plain),
        Kind::Mac => kinds::mac(typed).map(Answer::Plain),
        Kind::Pattern { pattern, example } => {
            let typed = text(typed)?;
            kinds::fits(pattern, example.as_deref(), &typed)?;
            Ok(Answer::Plain(typed))
        }
        Kind::AssetTag { pattern } => kinds::asset_tag(pattern.as_deref(), typed).map(Answer::Plain),
    }
}

/// Whether a text is a regular expression, or why not.
pub fn pattern(text: &str) -> Result<(), String> {
    kinds::compile(text).map(|_| ())
}

fn text(typed: &str) -> Result<String, String> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Err("an answer is needed".into());
    }
    if let Some(bad) = typed.chars().find(|character| character.is_control()) {
        return Err(format!("there is a control character in it (U+{:04X})", u32::from(bad)));
    }
    let length = typed.chars().count();
    if length > LONGEST_TEXT {
        return Err(format!("it has {length} characters; the most is {LONGEST_TEXT}"));
    }
    Ok(typed.to_owned())
}

/// Whether `name` is a host name, or why not (RFC 952, RFC 1123 §2.1).
pub fn hostname(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("a host name is needed".into());
    }
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.');
    if let Some(bad) = name.chars().find(|character| !allowed(*character)) {
        let shown = match bad {
            ' ' => "a space".to_owned(),
            '_' => "an underscore".to_owned(),
            bad if bad.is_control() => "a control character".to_owned(),
            bad => format!("`{bad}`"),
        };
        return Err(format!("a host name has letters, digits and dashes; {shown} cannot be in it"));
    }
    if name.len() > LONGEST_HOSTNAME {
        return Err(format!(
            "it has {} characters; the most for a host name is {LONGEST_HOSTNAME}",
            name.len()
        ));
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err("there must be letters or digits before and after each dot".into());
        }
        if label.len() > LONGEST_LABEL {
            return Err(format!("a part of it has {} characters; the most is {LONGEST_LABEL}", label.len()));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("it cannot begin or end with a dash, nor have one beside a dot".into());
        }
    }
    // RFC 1123 §2.1: a name must be told from an address; the last label of an address is a number.
    if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit())) {
        return Err("its last part is only digits, so it would be taken for an address".into());
    }
    Ok(())
}

fn choice(choices: &[String], typed: &str) -> Result<String, String> {
    match chosen(choices, typed) {
        Some(choice) => Ok(choice.clone()),
        None => Err(format!(
            "choose one of {}, by its name or its number (1 to {})",
            choices.join(", "),
            choices.len()
        )),
    }
}

/// The choice of that name or number.
fn chosen<'a>(choices: &'a [String], typed: &str) -> Option<&'a String> {
    // The text before the number: somebody's choices may be numbers themselves.
    let exact = choices.iter().find(|choice| *choice == typed);
    let folded = || choices.iter().find(|choice| choice.to_lowercase() == typed.to_lowercase());
    let numbered = || typed.parse::<usize>().ok().and_then(|number| choices.get(number.checked_sub(1)?));
    exact.or_else(folded).or_else(numbered)
}

fn password(min_length: usize, typed: &str) -> Result<String, String> {
    let length = typed.chars().count();
    if length == 0 {
        return Err("a password is needed".into());
    }
    if length < min_length {
        return Err(format!("it has {length} characters; the fewest is {min_length}"));
    }
    if length > LONGEST_PASSWORD {
        return Err(format!("it has {length} characters; the most is {LONGEST_PASSWORD}"));
    }
    if typed.chars().any(char::is_control) {
        return Err("there is a control character in it; nobody could type it at a login".into());
    }
    Ok(typed.to_owned())
}

/// The answer that Enter takes: the question's default with its names filled in by `lookup`, or `None` where
/// there is none, a name is not known, or the result would not count. A host name is made one: what firmware
/// calls a serial number (`ABC 123/4`) becomes `abc-123-4`. A password never has a default.
pub fn proposal(question: &Question, lookup: impl Fn(&Name) -> Option<String>) -> Option<String> {
    let template = template::parse(question.default.as_deref()?).ok()?;
    let rendered = template.render(|name| lookup(name).filter(|value| is_telling(value))).ok()?;
    let proposed = match question.kind {
        Kind::Hostname => to_hostname(&rendered),
        _ => rendered,
    };
    match check(question, &proposed) {
        Ok(Answer::Plain(answer)) => Some(answer),
        Ok(Answer::Secret(_)) | Err(_) => None,
    }
}

/// Whether a fact tells this box from others. Boards leave the factory with these in their SMBIOS tables;
/// two boxes named `edge-to-be-filled-by-o-e-m` would share a host name.
fn is_telling(value: &str) -> bool {
    const PLACEHOLDERS: &[&str] = &[
        "",
        "0",
        "0123456789",
        "123456789",
        "1234567890",
        "chassis serial number",
        "default string",
        "empty",
        "n/a",
        "na",
        "none",
        "not applicable",
        "not available",
        "not specified",
        "o.e.m.",
        "oem",
        "serial number",
        "system manufacturer",
        "system product name",
        "system serial number",
        "system version",
        "to be filled by o.e.m.",
        "undefined",
        "unknown",
    ];
    let value = value.trim().to_lowercase();
    !PLACEHOLDERS.contains(&value.as_str())
        && !value.chars().all(|character| matches!(character, '0' | ' ' | '-' | '.' | 'x'))
}

/// The host name that is nearest to a text: lower case, every run of other characters a dash.
fn to_hostname(text: &str) -> String {
    let mut name = String::new();
    for character in text.chars() {
        let character = if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' };
        if character != '-' || !(name.is_empty() || name.ends_with('-')) {
            name.push(character);
        }
        if name.len() == LONGEST_LABEL {
            break;
        }
    }
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Fact;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn question(kind: Kind, default: Option<&str>) -> Question {
        Question {
            id: "q".into(),
            ask: "Q".into(),
            kind,
            default: default.map(str::to_owned),
            when: None,
            otherwise: None,
        }
    }

    #[track_caller]
    fn answer(kind: Kind, typed: &str, expected: Expect) {
        let text = match check(&question(kind, None), typed) {
            Ok(answer) => format!("{answer:?}"),
            Err(reason) => reason,
        };
        expected.assert_eq(&text);
    }

    /// The operator stands before a rack and reads why what he typed does not count.
    #[test]
    fn host_names_are_refused_in_words() {
        let refuse = |typed: &str, expected: Expect| answer(Kind::Hostname, typed, expected);
        refuse("edge-0001", expect![[r#"Plain("edge-0001")"#]]);
        refuse("  Edge1.example.org ", expect![[r#"Plain("Edge1.example.org")"#]]);
        refuse("", expect!["a host name is needed"]);
        refuse("edge 1", expect!["a host name has letters, digits and dashes; a space cannot be in it"]);
        refuse(
            "edge_1",
            expect!["a host name has letters, digits and dashes; an underscore cannot be in it"],
        );
        refuse("kü", expect!["a host name has letters, digits and dashes; `ü` cannot be in it"]);
        refuse("-edge", expect!["it cannot begin or end with a dash, nor have one beside a dot"]);
        refuse("edge..1", expect!["there must be letters or digits before and after each dot"]);
        refuse(&"e".repeat(64), expect!["a part of it has 64 characters; the most is 63"]);
        refuse(&"e".repeat(70), expect!["it has 70 characters; the most for a host name is 64"]);
        refuse("10.77.0.1", expect!["its last part is only digits, so it would be taken for an address"]);
    }

    /// Numbers are quicker to type on a rack's keyboard; a name wins over a number.
    #[test]
    fn choices_are_taken_by_name_or_number() {
        let sites = || Kind::Choice { choices: vec!["lab".into(), "berlin".into(), "1".into()] };
        answer(sites(), "lab", expect![[r#"Plain("lab")"#]]);
        answer(sites(), "BERLIN", expect![[r#"Plain("berlin")"#]]);
        answer(sites(), "2", expect![[r#"Plain("berlin")"#]]);
        answer(sites(), "1", expect![[r#"Plain("1")"#]]);
        answer(sites(), "0", expect!["choose one of lab, berlin, 1, by its name or its number (1 to 3)"]);
        answer(sites(), "paris", expect!["choose one of lab, berlin, 1, by its name or its number (1 to 3)"]);
    }

    /// A password stays out of every text, that of its refusal included.
    #[test]
    fn passwords_are_checked_and_not_shown() {
        let kind = || Kind::Password { min_length: 8 };
        answer(kind(), "correct horse", expect!["Secret(…)"]);
        answer(kind(), "short", expect!["it has 5 characters; the fewest is 8"]);
        answer(kind(), "", expect!["a password is needed"]);
        answer(
            kind(),
            "tab\there-it-is",
            expect!["there is a control character in it; nobody could type it at a login"],
        );
        answer(kind(), &"x".repeat(200), expect!["it has 200 characters; the most is 128"]);
    }

    /// What is left: yes or no, and any text.
    #[test]
    fn other_answers() {
        answer(Kind::YesNo, "Y", expect![[r#"Plain("yes")"#]]);
        answer(Kind::YesNo, "no", expect![[r#"Plain("no")"#]]);
        answer(Kind::YesNo, "perhaps", expect!["this is answered with `yes` or `no`"]);
        answer(Kind::Text, " Rack 7, unit 3 ", expect![[r#"Plain("Rack 7, unit 3")"#]]);
        answer(Kind::Text, " ", expect!["an answer is needed"]);
        answer(Kind::Text, "a\u{1b}[2J", expect!["there is a control character in it (U+001B)"]);
        answer(Kind::Text, &"ä".repeat(201), expect!["it has 201 characters; the most is 200"]);
    }

    /// Firmware calls all kinds of things a serial number.
    #[test]
    fn proposals_are_valid_or_absent() {
        let propose = |serial: Option<&str>| {
            let question = question(Kind::Hostname, Some("edge-{{ box.serial }}"));
            proposal(&question, |name| match name {
                Name::Box(Fact::Serial) => serial.map(str::to_owned),
                _ => None,
            })
        };
        assert_eq!(propose(Some("ABC123")).as_deref(), Some("edge-abc123"));
        assert_eq!(propose(Some("ABC 123/4 ")).as_deref(), Some("edge-abc-123-4"));
        assert_eq!(propose(Some("To Be Filled By O.E.M.")), None);
        assert_eq!(propose(Some("0000-0000")), None);
        assert_eq!(propose(Some("")), None);
        assert_eq!(propose(None), None);
        let long = propose(Some(&"AB".repeat(150)));
        assert_eq!(long.map(|name| name.len()), Some(LONGEST_LABEL));
        let secret = question(Kind::Password { min_length: 1 }, Some("hunter2"));
        assert_eq!(proposal(&secret, |_| None), None);
    }

    proptest! {
        /// Whatever firmware or a person says: what is proposed is what would be accepted.
        #[test]
        fn a_proposal_always_counts(serial in any::<String>()) {
            let question = question(Kind::Hostname, Some("{{ box.serial }}"));
            if let Some(name) = proposal(&question, |_| Some(serial.clone())) {
                prop_assert_eq!(check(&question, &name), Ok(Answer::Plain(name)));
            }
            for kind in [Kind::Text, Kind::Choice { choices: vec!["a".into()] }, Kind::Password { min_length: 3 }, Kind::YesNo] {
                let _ = check(&super::tests::question(kind, None), &serial);
            }
        }
    }
}
