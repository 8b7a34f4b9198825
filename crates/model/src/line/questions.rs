//! `[[question]]` and `[[rule]]`: what is asked, when, and what the answers must be together.

use super::reader::{Reader, Secrets};
use crate::address::Network;
use crate::condition::{self, Condition};
use crate::mistake::nearest;
use crate::question::{self, Answer, Kind, Question, Rule};
use crate::recipe;
use crate::sheet::{At, Place, Section};
use crate::template::{self, Name};
use std::collections::BTreeMap;

/// Keys that only some types of question have, with those types.
const OWNERS: &[(&str, &[&str])] = &[
    ("choices", &["choice", "multi-choice"]),
    ("min-length", &["password", "passphrase"]),
    ("min", &["number", "multi-choice"]),
    ("max", &["number", "multi-choice"]),
    ("within", &["ip", "cidr"]),
    ("pattern", &["pattern", "asset-tag"]),
    ("example", &["pattern"]),
];

impl<'s> Reader<'s> {
    /// Every question; conditions are held against all of them once they are read.
    pub(super) fn questions(&self) -> Option<Vec<Question>> {
        let mut questions = Vec::new();
        let mut conditions = Vec::new();
        let mut places: BTreeMap<&str, Place> = BTreeMap::new();
        for (number, section) in self.sections.iter().enumerate() {
            if let Some(id) = section.text("id") {
                if !template::is_id(id.value) {
                    let message = format!("`{}` cannot be a question's id", id.value.escape_debug());
                    self.sheet.report(
                        id.at.clone(),
                        message,
                        "letters, digits, dashes and underscores: `\"hostname\"`",
                    );
                } else if let Some(first) = places.get(id.value) {
                    let line = self.sheet.line_of(first);
                    let message = format!("the question of line {line} is called `{}` too", id.value);
                    self.sheet.report(id.at.clone(), message, "each question has an id of its own");
                }
                places.entry(id.value).or_insert(id.at);
            }
            questions.push(self.question(section, number));
            if let Some(text) = section.text("when") {
                conditions.extend(self.condition(&text, Some(number)).map(|condition| (text, condition)));
            }
        }
        let questions: Option<Vec<Question>> = questions.into_iter().collect();
        for (text, condition) in &conditions {
            self.literals(text, condition, questions.as_deref().unwrap_or_default());
        }
        questions
    }

    /// One question, the `number`th.
    fn question(&self, section: &Section<'s>, number: usize) -> Option<Question> {
        let id = section.peek("id");
        let ask = section.text("ask");
        let word = section.choice("type").map(|kind| kind.value);
        for (key, owners) in OWNERS {
            self.only_for(section, key, owners, word);
        }
        let kind = self.kind(section, word);
        let default = section.text("default");
        let otherwise = self.otherwise(section, word);
        let question = Question {
            id: id.unwrap_or_default().to_owned(),
            ask: ask?.value.to_owned(),
            kind: kind?,
            default: default.as_ref().map(|text| text.value.to_owned()),
            when: section.peek("when").map(str::to_owned),
            otherwise,
        };
        if let Some(text) = default {
            self.default(&question, &text, number);
        }
        id.map(|_| question)
    }

    fn kind(&self, section: &Section<'s>, word: Option<&str>) -> Option<Kind> {
        Some(match word? {
            "text" => Kind::Text,
            "hostname" => Kind::Hostname,
            "yes-no" => Kind::YesNo,
            "mac" => Kind::Mac,
            "ip" => Kind::Ip { within: self.within(section) },
            "cidr" => Kind::Cidr { within: self.within(section) },
            "password" => Kind::Password { min_length: self.min_length(section) },
            "passphrase" => Kind::Passphrase { min_length: self.min_length(section) },
            "number" => {
                let (min, max) = self.range(section, None);
                Kind::Number { min, max }
            }
            "multi-choice" => {
                let choices = self.choices(section)?;
                for choice in section.list("choices").iter().filter(|choice| choice.value.contains(',')) {
                    let message =
                        format!("`{}` cannot be one of several: it has a comma in it", choice.value);
                    self.sheet.report(
                        choice.at.clone(),
                        message,
                        "commas stand between the choices that are made",
                    );
                }
                let (min, max) = self.range(section, Some(choices.len() as u64));
                Kind::MultiChoice { choices, min, max }
            }
            "pattern" => self.pattern(section)?,
            "asset-tag" => Kind::AssetTag { pattern: self.regex(section).map(|text| text.value.to_owned()) },
            _ => Kind::Choice { choices: self.choices(section)? },
        })
    }

    /// Reports a key that other types of question have.
    fn only_for(&self, section: &Section<'s>, key: &str, owners: &[&str], word: Option<&str>) {
        if let Some(word) = word
            && !owners.contains(&word)
            && section.has(key)
        {
            let owner = owners.first().copied().unwrap_or_default();
            self.sheet.report(
                section.place_of(key),
                format!("a question of type `\"{word}\"` has no `{key}`"),
                format!("leave it out, or write `type = \"{owner}\"`"),
            );
        }
    }

    /// The answer where a question is not asked.
    fn otherwise(&self, section: &Section<'s>, word: Option<&str>) -> Option<String> {
        let text = section.text("otherwise")?;
        if word == Some("password") {
            let hint = "leave it out: where no password is asked for, it stays locked";
            self.sheet.report(text.at, "a password has no `otherwise`", hint);
            return None;
        }
        if word == Some("passphrase") {
            let hint = "leave it out: a passphrase is typed";
            self.sheet.report(text.at, "a passphrase has no `otherwise`", hint);
            return None;
        }
        if !section.has("when") {
            let hint = "add `when`, or write `default` for the answer that Enter takes";
            self.sheet.report_absence(text.at, "this question is always asked", hint);
        }
        Some(text.value.to_owned())
    }

    fn within(&self, section: &Section<'s>) -> Option<String> {
        let text = section.text("within")?;
        if let Err(reason) = text.value.parse::<Network>() {
            let message = format!("`{}` is not a network", text.value.escape_debug());
            self.sheet.report(text.at, message, reason);
            return None;
        }
        Some(text.value.to_owned())
    }

    /// `min` and `max`; `count` is how many there are to choose from.
    fn range(&self, section: &Section<'s>, count: Option<u64>) -> (u64, Option<u64>) {
        let min = section.number("min").map_or(0, |min| min.value);
        let max = section.number("max");
        if let Some(max) = &max
            && max.value < min
        {
            let message = format!("nothing is at least {min} and at most {}", max.value);
            self.sheet.report(max.at.clone(), message, "`max` is not below `min`");
        }
        if let Some(count) = count.filter(|count| min > *count) {
            let message = format!("{min} have to be chosen, but there are {count}");
            self.sheet.report(section.place_of("min"), message, "a smaller `min`, or more `choices`");
        }
        (min, max.map(|max| max.value))
    }

    fn regex(&self, section: &Section<'s>) -> Option<At<&'s str>> {
        let text = section.text("pattern")?;
        if let Err(reason) = question::pattern(text.value) {
            let hint = "for example `\"[A-Z]{2}[0-9]{4}\"`; it has to fit the whole answer";
            self.sheet.report(text.at, reason, hint);
            return None;
        }
        Some(text)
    }

    fn pattern(&self, section: &Section<'s>) -> Option<Kind> {
        if !section.has("pattern") {
            let message = "a question of type `\"pattern\"` needs `pattern`";
            let hint = "for example `pattern = \"[A-Z]{2}[0-9]{4}\"`";
            self.sheet.report_absence(section.at.clone(), message, hint);
            return None;
        }
        let pattern = self.regex(section)?.value.to_owned();
        let example = section.text("example");
        let shown = example.as_ref().map(|text| text.value.to_owned());
        let bare = Kind::Pattern { pattern: pattern.clone(), example: None };
        if let Some(text) = example
            && let Err(reason) = question::check(&asked_as("example", bare), text.value)
        {
            let message = format!("the example `{}` is no answer itself", text.value.escape_debug());
            self.sheet.report(text.at, message, reason);
        }
        Some(Kind::Pattern { pattern, example: shown })
    }

    fn min_length(&self, section: &Section<'s>) -> usize {
        let Some(length) = section.number("min-length") else { return 1 };
        let most = question::LONGEST_PASSWORD;
        match usize::try_from(length.value) {
            Ok(length) if (1..=most).contains(&length) => length,
            _ => {
                let message = format!("`min-length` cannot be {}", length.value);
                self.sheet.report(length.at, message, format!("between 1 and {most}"));
                1
            }
        }
    }

    fn choices(&self, section: &Section<'s>) -> Option<Vec<String>> {
        let choices = section.list("choices");
        if !section.has("choices") {
            self.sheet.report_absence(
                section.at.clone(),
                "a question of type `\"choice\"` needs `choices`",
                "for example `choices = [\"lab\", \"berlin\"]`",
            );
            return None;
        }
        if section.is_empty_list("choices") {
            self.sheet.report(
                section.place_of("choices"),
                "there is nothing to choose",
                "`choices = [\"lab\", \"berlin\"]`",
            );
            return None;
        }
        for choice in &choices {
            if choice.value.trim() != choice.value || choice.value.chars().any(char::is_control) {
                let message = format!("`{}` cannot be typed", choice.value.escape_debug());
                self.sheet.report(
                    choice.at.clone(),
                    message,
                    "no control characters, and no space around it",
                );
            }
        }
        (!choices.is_empty()).then(|| choices.iter().map(|choice| choice.value.to_owned()).collect())
    }

    /// Holds a default against its own question: one without names must be an answer.
    fn default(&self, question: &Question, text: &At<&str>, number: usize) {
        if question.kind.is_secret() {
            let hint = "leave it out: a password is typed";
            return self.sheet.report(text.at.clone(), "a password has no default", hint);
        }
        let Some(template) = self.template(text, Secrets::Kept) else { return };
        let mut has_names = false;
        for (name, at) in template.names() {
            has_names = true;
            let position = |id: &str| self.asked.iter().position(|(known, _)| *known == id);
            if let Name::Answer(id) = name
                && position(id).is_some_and(|position| position >= number)
            {
                let message = format!("`{{{{ {name} }}}}` is not known yet when this is asked");
                self.sheet.report(
                    self.sheet.within(text, at),
                    message,
                    "a default can name the answers to questions before it",
                );
            }
        }
        if !has_names && let Err(reason) = question::check(question, text.value) {
            let message =
                format!("the default `{}` is no answer to its own question", text.value.escape_debug());
            self.sheet.report(text.at.clone(), message, reason);
        }
    }

    /// Reads a condition and holds its names against the questions; one of the `number`th question may name only
    /// those before it.
    fn condition(&self, text: &At<&str>, number: Option<usize>) -> Option<Condition> {
        let condition = match condition::parse(text.value) {
            Ok(condition) => condition,
            Err(slip) => {
                self.sheet.report(self.sheet.within(text, slip.at), slip.message, slip.hint);
                return None;
            }
        };
        let mut has_flaw = false;
        for (name, at) in condition.names() {
            let place = self.sheet.within(text, at);
            let secret = |(id, kind): &(&str, Option<Kind>)| {
                matches!(name, Name::Answer(known) if known == id)
                    && kind.as_ref().is_some_and(Kind::is_secret)
            };
            let flaw = match self.asked.iter().any(secret) {
                true => Some((
                    "a password is kept as its hash, and compares with nothing".into(),
                    "ask another question for what shall be compared".into(),
                )),
                false => self.flaw(name, Secrets::Kept),
            };
            if let Some((message, hint)) = flaw {
                self.sheet.report_absence(place, message, hint);
                has_flaw = true;
                continue;
            }
            let position = |id: &str| self.asked.iter().position(|(known, _)| *known == id);
            if let (Name::Answer(id), Some(number)) = (name, number)
                && position(id).is_some_and(|position| position >= number)
            {
                let message = format!("`{name}` is not known yet when this is decided");
                self.sheet.report(place, message, "`when` can name the answers to questions before it");
                has_flaw = true;
            }
        }
        (!has_flaw).then_some(condition)
    }

    /// What an answer is compared with must be a possible answer: `answer.site == "lob"` would never hold, and
    /// nobody would notice.
    fn literals(&self, text: &At<&str>, condition: &Condition, questions: &[Question]) {
        for (name, at) in condition.alone() {
            let asked = |id: &String| questions.iter().find(|question| question.id == *id);
            let is_yes_no = match name {
                Name::Answer(id) => asked(id).is_none_or(|question| question.kind == Kind::YesNo),
                Name::Box(_) => false,
            };
            if !is_yes_no {
                let message = format!("`{name}` is never `yes`");
                let hint = format!("compare it with something, as in `{name} == \"…\"`");
                self.sheet.report(self.sheet.within(text, at), message, hint);
            }
        }
        for comparison in condition.comparisons() {
            let Name::Answer(id) = comparison.name else { continue };
            let Some(question) = questions.iter().find(|question| question.id == *id) else { continue };
            let literal = comparison.literal;
            let stands_in =
                question.when.is_some() && question.otherwise.as_deref().unwrap_or_default() == literal;
            let (choices, reason) = match &question.kind {
                Kind::MultiChoice { choices, .. } if choices.iter().any(|choice| choice == literal) => {
                    continue;
                }
                Kind::MultiChoice { choices, .. } | Kind::Choice { choices } => (choices.as_slice(), None),
                _ => (&[][..], question::check(question, literal).err()),
            };
            let is_answer = matches!(
                question::check(question, literal), Ok(Answer::Plain(kept)) if kept == literal
            );
            if stands_in || is_answer {
                continue;
            }
            let hint = match nearest(literal, choices.iter().map(String::as_str)) {
                Some(near) => format!("it is spelt `\"{near}\"`"),
                None if choices.is_empty() => {
                    reason.unwrap_or_else(|| "answers are kept in another spelling".into())
                }
                None => format!("it is one of {}", choices.join(", ")),
            };
            let message = format!("`{}` is never the answer to `{id}`", literal.escape_debug());
            self.sheet.report(self.sheet.within(text, comparison.at), message, hint);
        }
    }

    /// What the answers must be together.
    pub(super) fn rules(
        &self,
        sections: &[Section<'s>],
        questions: Option<&[Question]>,
    ) -> Option<Vec<Rule>> {
        let mut rules = Vec::new();
        for section in sections {
            let (require, say) = (section.text("require"), section.text("say"));
            if let Some(text) = &require
                && let Some(condition) = self.condition(text, None)
            {
                self.literals(text, &condition, questions.unwrap_or_default());
            }
            rules.push((|| Some(Rule { require: require?.value.to_owned(), say: say?.value.to_owned() }))());
        }
        rules.into_iter().collect()
    }

    /// The file with answers for boxes, where it is there.
    pub(super) fn answers_file(&self, section: &Section<'s>) -> Option<String> {
        let text = section.text("file")?;
        let path = recipe::path_in_line(self.sheet, &text)?;
        if !self.folder.has(path) {
            let hint = "the path is relative to the line's folder";
            self.sheet.report(text.at.clone(), format!("there is no file `{path}`"), hint);
            return None;
        }
        Some(path.to_owned())
    }
}

/// A question that is there only to hold an answer against its kind.
fn asked_as(id: &str, kind: Kind) -> Question {
    Question { id: id.to_owned(), ask: String::new(), kind, default: None, when: None, otherwise: None }
}
