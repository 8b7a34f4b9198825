//! Templates: text with `{{ answer.ID }}` and `{{ box.serial }}` in it.
//!
//! Only names are looked up; there are no conditions and no loops. A literal `{{` is written `{{ "{{" }}`.

use crate::mistake::nearest;
use std::fmt;
use std::ops::Range;

/// A text with names to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(Name, Range<usize>),
}

/// What can stand in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// `answer.ID`: the answer to the question with that id; a password's is its crypt(5) hash.
    Answer(String),
    /// `box.FACT`.
    Box(Fact),
}

/// What is known of a box before anybody answers anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// SMBIOS system serial number.
    Serial,
    /// MAC of the boot NIC, lower case with colons.
    Mac,
    /// SMBIOS system UUID.
    Uuid,
    /// SMBIOS product name.
    Product,
    /// SMBIOS manufacturer.
    Manufacturer,
    /// `bios` or `uefi`.
    Firmware,
    /// Number of logical processors.
    Processors,
    /// Memory in octets.
    Memory,
    /// Number of disks that cannot be pulled out by hand.
    Disks,
    /// Number of network interfaces.
    Nics,
}

impl Fact {
    /// Every fact, with its name in templates.
    pub const ALL: &[(&str, Fact)] = &[
        ("serial", Fact::Serial),
        ("mac", Fact::Mac),
        ("uuid", Fact::Uuid),
        ("product", Fact::Product),
        ("manufacturer", Fact::Manufacturer),
        ("firmware", Fact::Firmware),
        ("processors", Fact::Processors),
        ("memory", Fact::Memory),
        ("disks", Fact::Disks),
        ("nics", Fact::Nics),
    ];
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Answer(id) => write!(f, "answer.{id}"),
            Name::Box(fact) => {
                let name = Fact::ALL.iter().find(|(_, known)| known == fact).map_or("", |(name, _)| name);
                write!(f, "box.{name}")
            }
        }
    }
}

/// A text that is not a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateMistake {
    /// Which octets of the text are meant.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: String,
}

impl fmt::Display for TemplateMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateMistake {}

/// Reads a template; every mistake in it is reported.
pub fn parse(text: &str) -> Result<Template, Vec<TemplateMistake>> {
    let mut parts = Vec::new();
    let mut mistakes = Vec::new();
    let mut start = 0;
    while let Some(open) = text[start..].find("{{").map(|found| start + found) {
        push_text(&mut parts, &text[start..open]);
        let inside = open + 2;
        // A name never spans lines, so a forgotten `}}` is found where it was forgotten.
        let line_end = text[inside..].find('\n').map_or(text.len(), |found| inside + found);
        let Some(close) = text[inside..line_end].find("}}").map(|found| inside + found) else {
            mistakes.push(TemplateMistake {
                at: open..line_end,
                message: "`{{` is not closed on its line".into(),
                hint: r#"close it with `}}`, or write a literal `{{` as `{{ "{{" }}`"#.into(),
            });
            start = line_end;
            continue;
        };
        let word = text[inside..close].trim();
        if word == r#""{{""# {
            push_text(&mut parts, "{{");
        } else {
            let at = inside + text[inside..close].find(word).unwrap_or_default();
            let at = if word.is_empty() { open..close + 2 } else { at..at + word.len() };
            match name(word) {
                Ok(name) => parts.push(Part::Name(name, at)),
                Err((message, hint)) => mistakes.push(TemplateMistake { at, message, hint }),
            }
        }
        start = close + 2;
    }
    push_text(&mut parts, &text[start..]);
    if mistakes.is_empty() { Ok(Template { parts }) } else { Err(mistakes) }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if let Some(Part::Text(before)) = parts.last_mut() {
        before.push_str(text);
    } else if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// What a word between braces names, or what is wrong with it and what would be right.
pub(crate) fn name(word: &str) -> Result<Name, (String, String)> {
    let facts = || Fact::ALL.iter().map(|(name, _)| *name);
    let listed = || facts().map(|name| format!("`box.{name}`")).collect::<Vec<_>>().join(", ");
    match word.split_once('.').map(|(left, right)| (left.trim(), right.trim())) {
        Some(("answer", id)) if is_id(id) => Ok(Name::Answer(id.to_owned())),
        Some(("box", name)) => match Fact::ALL.iter().find(|(known, _)| *known == name) {
            Some((_, fact)) => Ok(Name::Box(*fact)),
            None => {
                let hint = match nearest(name, facts()) {
                    Some(near) => format!("`box.{near}`"),
                    None => format!("a box has {}", listed()),
                };
                Err((format!("a box has no `{name}`"), hint))
            }
        },
        _ => Err((
            format!("`{{{{ {word} }}}}` names nothing"),
            format!("a template knows `answer.ID` with a question's id, {}", listed()),
        )),
    }
}

/// Whether `text` can be the id of a question: letters, digits, dashes and underscores.
pub fn is_id(text: &str) -> bool {
    let known = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    !text.is_empty() && text.len() <= 64 && text.bytes().all(known)
}

impl Template {
    /// Every name in it with its octets in the text, in order, repeats included.
    pub fn names(&self) -> impl Iterator<Item = (&Name, Range<usize>)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Name(name, at) => Some((name, at.clone())),
        })
    }

    /// The text with every name filled in, or the first name that `lookup` does not know.
    pub fn render(&self, lookup: impl Fn(&Name) -> Option<String>) -> Result<String, Name> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Name(name, _) => text.push_str(&lookup(name).ok_or_else(|| name.clone())?),
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn render(text: &str) -> String {
        let lookup = |name: &Name| match name {
            Name::Answer(id) if id == "hostname" => Some("edge-0001".to_owned()),
            Name::Box(Fact::Serial) => Some("ABC123".to_owned()),
            _ => None,
        };
        match parse(text) {
            Ok(template) => match template.render(lookup) {
                Ok(text) => text,
                Err(name) => format!("unknown: {name}"),
            },
            Err(mistakes) => mistakes
                .iter()
                .map(|mistake| format!("{:?}: {}\nhint: {}", mistake.at, mistake.message, mistake.hint))
                .collect::<Vec<_>>()
                .join("\n"),
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&render(text));
    }

    /// What a template becomes is what is written to the appliance's disk.
    #[test]
    fn names_are_filled_in() {
        check("", expect![[""]]);
        check("APPLIANCE READY {{ answer.hostname }}", expect!["APPLIANCE READY edge-0001"]);
        check("{{answer.hostname}}-{{  box.serial  }}", expect!["edge-0001-ABC123"]);
        check(r#"go: {{ "{{" }} .Name }}"#, expect!["go: {{ .Name }}"]);
        check("}} { } {", expect!["}} { } {"]);
        check("{{ answer.site }}", expect!["unknown: answer.site"]);
    }

    /// Each mistake says what would be right.
    #[test]
    fn mistakes_are_explained() {
        check(
            "{{ box.seral }}",
            expect![[r#"
                3..12: a box has no `seral`
                hint: `box.serial`"#]],
        );
        check(
            "{{ hostname }} and {{ box.colour }}",
            expect![[r#"
                3..11: `{{ hostname }}` names nothing
                hint: a template knows `answer.ID` with a question's id, `box.serial`, `box.mac`, `box.uuid`, `box.product`, `box.manufacturer`, `box.firmware`, `box.processors`, `box.memory`, `box.disks`, `box.nics`
                22..32: a box has no `colour`
                hint: a box has `box.serial`, `box.mac`, `box.uuid`, `box.product`, `box.manufacturer`, `box.firmware`, `box.processors`, `box.memory`, `box.disks`, `box.nics`"#]],
        );
        check(
            "a {{ answer.x\nb }}",
            expect![[r#"
                2..13: `{{` is not closed on its line
                hint: close it with `}}`, or write a literal `{{` as `{{ "{{" }}`"#]],
        );
        check(
            "{{ }}",
            expect![[r#"
                0..5: `{{  }}` names nothing
                hint: a template knows `answer.ID` with a question's id, `box.serial`, `box.mac`, `box.uuid`, `box.product`, `box.manufacturer`, `box.firmware`, `box.processors`, `box.memory`, `box.disks`, `box.nics`"#]],
        );
    }

    proptest! {
        /// A template is a file somebody wrote: whatever is in it, reading it ends with an answer, and the
        /// places it reports lie in the text.
        #[test]
        fn any_text_is_read_without_panic(text in "([{}\" .\na-zä]|answer|box|serial|\\{\\{|\\}\\}){0,40}") {
            match parse(&text) {
                Ok(template) => for (_, at) in template.names() {
                    prop_assert!(text.get(at).is_some());
                },
                Err(mistakes) => for mistake in mistakes {
                    prop_assert!(text.get(mistake.at).is_some());
                },
            }
        }
    }
}
