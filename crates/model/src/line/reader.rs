//! From the text of `line.toml` to a [`Line`], or to every mistake in it.
//!
//! Each function reads one table; what they report is collected by the [`Sheet`].

use super::{Drivers, Folder, Hardware, Line, Live, Rehearsal, burn_in, hardware, keys, network};
use crate::boot::RootRoad;
use crate::mistake::{Mistake, Mistakes, nearest};
use crate::question::{self, Kind, Question, Rule};
use crate::recipe::{self, Recipe};
use crate::sheet::{self, At, Section, Sheet};
use crate::template::{self, Name};
use std::collections::{BTreeMap, BTreeSet};

/// What a template may name where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    /// Shown or printed: no password.
    Kept,
    /// Written into the appliance: a password's hash may be there.
    Written,
    /// Opens an encrypted volume: a passphrase may be there.
    Opening,
}

/// The questions of the line as far as they could be read: ids with their kinds.
pub(super) type Asked<'s> = Vec<(&'s str, Option<Kind>)>;

pub(super) struct Reader<'s> {
    pub(super) sheet: &'s Sheet<'s>,
    pub(super) folder: &'s dyn Folder,
    /// The tables of the questions; they are opened once, as opening reports unknown keys.
    pub(super) sections: Vec<Section<'s>>,
    pub(super) asked: Asked<'s>,
    /// Whether a question's id is missing, misspelt or taken: an unknown id elsewhere may be meant by it.
    pub(super) has_unclear_ids: bool,
}

/// Reads a line.
pub(super) fn read(text: &str, folder: &dyn Folder) -> Result<Line, Mistakes> {
    let document = sheet::parse(text);
    let sheet = Sheet::open(super::FILE, text, &keys::LINE_FILE, &document);
    let mut beside = Vec::new();
    let line = {
        let top = sheet.top(&document);
        let sections = top.sections("question");
        let asked: Asked<'_> = sections.iter().filter_map(asked_in).collect();
        let distinct: BTreeSet<&str> =
            asked.iter().map(|(id, _)| *id).filter(|id| template::is_id(id)).collect();
        let has_unclear_ids = distinct.len() < sections.len();
        let reader = Reader { sheet: &sheet, folder, sections, asked, has_unclear_ids };
        reader.line(&top, &mut beside)
    };
    let mut mistakes = sheet.close();
    mistakes.append(&mut beside);
    match line {
        Some(line) if mistakes.is_empty() => Ok(line),
        _ => Err(Mistakes(mistakes)),
    }
}

/// Id and kind of a question, for those who refer to it. What is wrong with it is reported when it is read.
fn asked_in<'s>(section: &Section<'s>) -> Option<(&'s str, Option<Kind>)> {
    let id = section.peek("id")?;
    // Of most kinds it is enough to know that they are no passwords.
    let kind = match section.peek("type") {
        Some("password") => Some(Kind::Password { min_length: 0 }),
        Some("passphrase") => Some(Kind::Passphrase { min_length: 0 }),
        Some(word) if keys::QUESTION_TYPES.contains(&word) => Some(Kind::Text),
        _ => None,
    };
    Some((id, kind))
}

impl<'s> Reader<'s> {
    /// The whole file. Mistakes in other files of the line go into `beside`.
    fn line(&self, top: &Section<'s>, beside: &mut Vec<Mistake>) -> Option<Line> {
        let name = top.section("line").and_then(|section| self.name(&section));
        let network =
            top.section("network").and_then(|section| network::read(self.sheet, &section, self.folder));
        let live = top.section("live").and_then(|section| self.live(&section));
        let hardware = match top.has("hardware") {
            true => top.section("hardware").map(|section| hardware::read(self.sheet, &section)),
            false => Some(Hardware::default()),
        };
        let questions = self.questions();
        let rules = self.rules(&top.sections("rule"), questions.as_deref());
        let answers = top.section("answers").map(|section| self.answers_file(&section));
        let burn_in = top.section("burn-in").map(|section| burn_in::read(self.sheet, &section));
        let appliance = top.section("appliance").and_then(|section| self.appliance(&section, beside));
        let rehearsal = match top.has("rehearsal") {
            true => {
                let section = top.section("rehearsal");
                section.map(|section| self.rehearsal(&section, questions.as_deref(), rules.as_deref()))
            }
            false => Some(Rehearsal::default()),
        };
        Some(Line {
            name: name?,
            network: network?,
            live: live?,
            hardware: hardware?,
            questions: questions?,
            rules: rules?,
            answers_file: answers.flatten(),
            burn_in: burn_in.unwrap_or_default(),
            appliance: appliance?,
            rehearsal: rehearsal?,
        })
    }

    fn name(&self, section: &Section<'s>) -> Option<String> {
        let name = section.text("name")?;
        // It becomes part of file names and of the network namespace of a rehearsal.
        let fits = name.value.len() <= 40
            && name.value.starts_with(|character: char| character.is_ascii_alphanumeric())
            && name.value.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        if !fits {
            let message = format!("`{}` cannot name a line", name.value.escape_debug());
            self.sheet.report(name.at, message, "at most 40 letters, digits and dashes: `\"edge-gateway\"`");
            return None;
        }
        Some(name.value.to_owned())
    }

    fn live(&self, section: &Section<'s>) -> Option<Live> {
        let recipe = recipe::of(self.sheet, section, self.folder);
        let root = match section.choice("root").map(|word| word.value) {
            Some("ram") => RootRoad::Ram,
            _ => RootRoad::Nfs,
        };
        let kernel_arguments = self.kernel_arguments(section);
        let live = self.kernel(section, recipe, root, kernel_arguments);
        if !section.has("fallback") {
            return live;
        }
        let fallback = section.section("fallback").and_then(|second| self.fallback(&second, live.as_ref()));
        let (live, fallback) = live.zip(fallback)?;
        Some(Live { fallback: Some(Box::new(fallback)), ..live })
    }

    /// A live OS of that recipe, with the kernel and the drivers that the table names.
    fn kernel(
        &self,
        section: &Section<'s>,
        recipe: Option<Recipe>,
        root: RootRoad,
        kernel_arguments: String,
    ) -> Option<Live> {
        let kernel = section.text("kernel").and_then(|text| recipe::package(self.sheet, &text));
        let drivers = match section.choice("drivers").map(|word| word.value) {
            Some("hardware") => Drivers::Hardware,
            _ => Drivers::All,
        };
        let modules = section.list("modules").iter().filter_map(|text| self.module(text)).collect();
        Some(Live {
            recipe: recipe?,
            kernel: kernel?,
            drivers,
            modules,
            root,
            kernel_arguments,
            fallback: None,
        })
    }

    /// What is not said of the fallback is as in `[live]`, but for modules that were compiled for its kernel; nothing
    /// follows of one that could not be read.
    fn fallback(&self, section: &Section<'s>, first: Option<&Live>) -> Option<Live> {
        let listed = section.list("packages");
        let more: Vec<String> = listed.iter().filter_map(|text| recipe::package(self.sheet, text)).collect();
        let own_arguments = section.has("kernel-arguments").then(|| self.kernel_arguments(section));
        let mut recipe = first.map(|first| first.recipe.clone());
        if let Some(recipe) = &mut recipe {
            recipe.packages.extend(more);
            recipe.extra_modules = recipe::extra_modules(self.sheet, section, self.folder);
        }
        let root = first.map_or(RootRoad::Nfs, |first| first.root);
        let kernel_arguments =
            own_arguments.or(first.map(|first| first.kernel_arguments.clone())).unwrap_or_default();
        let second = self.kernel(section, recipe, root, kernel_arguments)?;
        let first = first?;
        let same = Live { kernel_arguments: second.kernel_arguments.clone(), ..first.clone() };
        if second == same {
            let message = "the fallback is the same as [live], and boots no box that [live] does not boot";
            let hint = "name the kernel that has more drivers: `\"linux-image-amd64\"`";
            self.sheet.report(section.text("kernel")?.at, message, hint);
        }
        Some(second)
    }

    /// A module's name, as `modprobe` takes it; with underscores, as the kernel writes it.
    fn module(&self, text: &At<&str>) -> Option<String> {
        let known = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-');
        if text.value.bytes().all(known) {
            return Some(text.value.replace('-', "_"));
        }
        let message = format!("`{}` cannot be a module's name", text.value.escape_debug());
        self.sheet.report(text.at.clone(), message, "without folder and `.ko`: `\"nvme-tcp\"`");
        None
    }

    /// Words for a kernel command line; they end up in a boot loader's configuration.
    pub(super) fn kernel_arguments(&self, section: &Section<'s>) -> String {
        let Some(words) = section.text("kernel-arguments") else { return String::new() };
        let unquotable = |character: char| character.is_control() || "'\"\\$`".contains(character);
        if let Some((start, bad)) = words.value.char_indices().find(|(_, character)| unquotable(*character)) {
            let at = self.sheet.within(&words, start..start + bad.len_utf8());
            let message = format!("`{}` cannot stand on a kernel command line", bad.escape_debug());
            self.sheet.report(at, message, "leave out quotes, `$`, backslashes and control characters");
        }
        words.value.to_owned()
    }

    /// Reads a template and holds its names against the questions.
    pub(super) fn template(&self, text: &At<&str>, secrets: Secrets) -> Option<template::Template> {
        let template = match template::parse(text.value) {
            Ok(template) => template,
            Err(mistakes) => {
                for mistake in mistakes {
                    self.sheet.report(self.sheet.within(text, mistake.at), mistake.message, mistake.hint);
                }
                return None;
            }
        };
        for (name, at) in template.names() {
            if let Some((message, hint)) = self.flaw(name, secrets) {
                self.sheet.report_absence(self.sheet.within(text, at), message, hint);
            }
        }
        Some(template)
    }

    /// What is wrong with a name in a template, and what would be right.
    pub(super) fn flaw(&self, name: &Name, secrets: Secrets) -> Option<(String, String)> {
        let Name::Answer(id) = name else { return None };
        let ids = || self.asked.iter().map(|(id, _)| *id);
        match self.asked.iter().find(|(known, _)| known == id) {
            None if self.has_unclear_ids => None,
            None => Some((format!("no question is called `{id}`"), self.which(id, ids()))),
            Some((_, Some(Kind::Passphrase { .. }))) if secrets != Secrets::Opening => Some((
                format!("`{id}` is a passphrase, and this text is kept"),
                "a passphrase stands in `passphrase` of `[[appliance.encrypted]]` only".into(),
            )),
            Some((_, Some(Kind::Password { .. }))) if secrets == Secrets::Kept => Some((
                format!("`{id}` is a password, and this text is shown"),
                "a password's hash may stand in `password` of a user and in files".into(),
            )),
            Some(_) => None,
        }
    }

    pub(super) fn which<'a>(&self, id: &str, ids: impl Iterator<Item = &'a str> + Clone) -> String {
        if let Some(near) = nearest(id, ids.clone()) {
            return format!("it is spelt `{near}`");
        }
        let known: Vec<String> = ids.map(|id| format!("`{id}`")).collect();
        match known.is_empty() {
            true => "the line asks nothing: add a `[[question]]`".into(),
            false => format!("the questions are {}", known.join(", ")),
        }
    }

    fn rehearsal(
        &self,
        section: &Section<'s>,
        questions: Option<&[Question]>,
        rules: Option<&[Rule]>,
    ) -> Rehearsal {
        let mut answers = BTreeMap::new();
        for (id, typed) in section.map("answers") {
            answers.insert(id.value.to_owned(), typed.value.to_owned());
            if !self.asked.iter().any(|(known, _)| *known == id.value) {
                if self.has_unclear_ids {
                    continue;
                }
                let hint = self.which(id.value, self.asked.iter().map(|(id, _)| *id));
                let message = format!("no question is called `{}`", id.value.escape_debug());
                self.sheet.report_absence(id.at, message, hint);
            } else if let Some(question) =
                questions.and_then(|all| all.iter().find(|question| question.id == id.value))
                && let Err(reason) = question::check(question, typed.value)
            {
                self.sheet.report(typed.at, format!("this is no answer to `{}`", id.value), reason);
            }
        }
        if let (Some(questions), Some(rules)) = (questions, rules) {
            // What a virtual box is made of is not known here: rules about that are left to it.
            let all = question::foreseen(questions, &answers);
            for broken in question::broken(rules, &all, &|_| None) {
                let hint = format!("these do not fit together: {}", broken.about.join(", "));
                self.sheet.report(section.place_of("answers"), broken.say, hint);
            }
        }
        let ready = section.text("ready");
        if let Some(text) = &ready {
            self.template(text, Secrets::Kept);
        }
        Rehearsal { answers, ready: ready.map(|text| text.value.to_owned()) }
    }
}
