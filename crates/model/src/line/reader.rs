//! From the text of `line.toml` to a [`Line`], or to every mistake in it.
//!
//! Each function reads one table; what they report is collected by the [`Sheet`]. Disks are read in `disks`,
//! recipes in `recipe`.

use super::{Appliance, ApplianceFile, Confirm, Dhcp, Folder, ImageSource, Line, Live, Network, Rehearsal};
use super::{disks, keys};
use crate::api::User;
use crate::boot::RootRoad;
use crate::mistake::{Mistake, Mistakes, nearest};
use crate::question::{self, Kind, Question};
use crate::recipe;
use crate::sheet::{self, At, Place, Section, Sheet};
use crate::template::{self, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// What a template may name where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrets {
    /// Shown or printed: no password.
    Kept,
    /// Written into the appliance: a password's hash may be there.
    Written,
}

/// The questions of the line as far as they could be read: ids with their kinds.
type Asked<'s> = Vec<(&'s str, Option<Kind>)>;

struct Reader<'s> {
    sheet: &'s Sheet<'s>,
    folder: &'s dyn Folder,
    /// The tables of the questions; they are opened once, as opening reports unknown keys.
    sections: Vec<Section<'s>>,
    asked: Asked<'s>,
    /// Whether a question's id is missing, misspelt or taken: an unknown id elsewhere may be meant by it.
    has_unclear_ids: bool,
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
    let kind = match section.peek("type") {
        Some("text") => Some(Kind::Text),
        Some("hostname") => Some(Kind::Hostname),
        Some("password") => Some(Kind::Password { min_length: 0 }),
        Some("yes-no") => Some(Kind::YesNo),
        Some("choice") => Some(Kind::Choice { choices: Vec::new() }),
        _ => None,
    };
    Some((id, kind))
}

impl<'s> Reader<'s> {
    /// The whole file. Mistakes in other files of the line go into `beside`.
    fn line(&self, top: &Section<'s>, beside: &mut Vec<Mistake>) -> Option<Line> {
        let name = top.section("line").and_then(|section| self.name(&section));
        let network = top.section("network").and_then(|section| self.network(&section));
        let live = top.section("live").and_then(|section| self.live(&section));
        let questions = self.questions();
        let appliance = top.section("appliance").and_then(|section| self.appliance(&section, beside));
        let rehearsal = match top.has("rehearsal") {
            true => top.section("rehearsal").map(|section| self.rehearsal(&section, questions.as_deref())),
            false => Some(Rehearsal::default()),
        };
        Some(Line {
            name: name?,
            network: network?,
            live: live?,
            questions: questions?,
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

    fn network(&self, section: &Section<'s>) -> Option<Network> {
        let interface = section.text("interface");
        if let Some(interface) = &interface {
            let odd = |octet: u8| octet == b'/' || octet.is_ascii_whitespace() || octet.is_ascii_control();
            // Linux IFNAMSIZ is 16 with the closing zero.
            if interface.value.len() > 15 || interface.value.bytes().any(odd) {
                let message = format!("`{}` cannot be an interface's name", interface.value.escape_debug());
                self.sheet.report(
                    interface.at.clone(),
                    message,
                    "`ip link` lists the interfaces: `\"enp3s0\"`",
                );
            }
        }
        let address = section.text("address").and_then(|text| self.network_address(&text));
        let dhcp = match section.choice("dhcp").map(|word| word.value) {
            Some("proxy") => Dhcp::Proxy,
            _ => Dhcp::Full,
        };
        if dhcp == Dhcp::Full && !section.has("range") {
            self.sheet.report_absence(
                section.at.clone(),
                "[network] has no `range`, but with `dhcp = \"full\"` the server leases addresses",
                "for example `range = \"10.77.0.50-10.77.0.250\"`, or `dhcp = \"proxy\"` beside another DHCP server",
            );
        }
        let range = section.text("range").and_then(|text| self.range(&text, address));
        let (address, prefix) = address?;
        Some(Network {
            interface: interface.map(|text| text.value.to_owned()),
            address,
            prefix,
            dhcp,
            range: range.unwrap_or((address, address)),
        })
    }

    /// `10.77.0.1/24`: an address that a server can have in its network.
    fn network_address(&self, text: &At<&str>) -> Option<(Ipv4Addr, u8)> {
        const HINT: &str = "an IPv4 address and a prefix length: `\"10.77.0.1/24\"`";
        let refuse = |message: String, hint: &str| {
            self.sheet.report(text.at.clone(), message, hint);
            None
        };
        let shown = text.value.escape_debug();
        let Some((address, prefix)) = text.value.split_once('/') else {
            let hint = match text.value.parse::<Ipv4Addr>() {
                Ok(address) => format!("with its prefix length: `\"{address}/24\"`"),
                Err(_) => HINT.to_owned(),
            };
            return refuse(format!("`{shown}` has no prefix length"), &hint);
        };
        let Ok(address) = address.parse::<Ipv4Addr>() else {
            return refuse(format!("`{}` is not an IPv4 address", address.escape_debug()), HINT);
        };
        let Some(prefix) = prefix.parse::<u8>().ok().filter(|prefix| (8..=30).contains(prefix)) else {
            return refuse(
                format!("`/{}` is not the prefix length of a build network", prefix.escape_debug()),
                "between `/8` and `/30`, for example `/24` for 254 addresses",
            );
        };
        if address.is_loopback()
            || address.is_multicast()
            || address.is_unspecified()
            || address.is_broadcast()
        {
            return refuse(format!("`{address}` cannot be a server's address"), HINT);
        }
        let (network, broadcast) = bounds(address, prefix);
        if address == network || address == broadcast {
            let what = if address == network { "the network itself" } else { "everybody on it" };
            return refuse(
                format!("{address} is the address of {what}, not of a server"),
                &format!("one of {} to {}", after(network), before(broadcast)),
            );
        }
        Some((address, prefix))
    }

    /// `10.77.0.50-10.77.0.250`, held against the server's own address.
    fn range(&self, text: &At<&str>, server: Option<(Ipv4Addr, u8)>) -> Option<(Ipv4Addr, Ipv4Addr)> {
        const HINT: &str = "first and last address with a dash between: `\"10.77.0.50-10.77.0.250\"`";
        let Some((first, last)) = text.value.split_once('-').map(|(first, last)| (first.trim(), last.trim()))
        else {
            self.sheet.report(
                text.at.clone(),
                format!("`{}` is not a range", text.value.escape_debug()),
                HINT,
            );
            return None;
        };
        let mut ends = Vec::new();
        for end in [first, last] {
            match end.parse::<Ipv4Addr>() {
                Ok(address) => ends.push(address),
                Err(_) => {
                    let message = format!("`{}` is not an IPv4 address", end.escape_debug());
                    let inside = text.value.find(end).unwrap_or_default();
                    self.sheet.report(self.sheet.within(text, inside..inside + end.len()), message, HINT);
                }
            }
        }
        let [first, last] = ends[..] else { return None };
        let refuse = |message: String, hint: String| {
            self.sheet.report(text.at.clone(), message, hint);
            None
        };
        if first > last {
            return refuse(
                format!("the range ends at {last}, before it begins at {first}"),
                format!("`\"{last}-{first}\"`"),
            );
        }
        let Some((server, prefix)) = server else { return Some((first, last)) };
        let (network, broadcast) = bounds(server, prefix);
        if first <= network || last >= broadcast {
            return refuse(
                format!("the range {first}-{last} is not inside the network of {server}/{prefix}"),
                format!("that network has {} to {}", after(network), before(broadcast)),
            );
        }
        if (first..=last).contains(&server) {
            return refuse(
                format!("the range {first}-{last} has the server's own address {server} in it"),
                "begin the range after it, or end it before".into(),
            );
        }
        Some((first, last))
    }

    fn live(&self, section: &Section<'s>) -> Option<Live> {
        let recipe = recipe::of(self.sheet, section, self.folder);
        let kernel = section.text("kernel").and_then(|text| recipe::package(self.sheet, &text));
        let root = match section.choice("root").map(|word| word.value) {
            Some("ram") => RootRoad::Ram,
            _ => RootRoad::Nfs,
        };
        let kernel_arguments = self.kernel_arguments(section);
        Some(Live { recipe: recipe?, kernel: kernel?, root, kernel_arguments })
    }

    /// Words for a kernel command line; they end up in a boot loader's configuration.
    fn kernel_arguments(&self, section: &Section<'s>) -> String {
        let Some(words) = section.text("kernel-arguments") else { return String::new() };
        let unquotable = |character: char| character.is_control() || "'\"\\$`".contains(character);
        if let Some((start, bad)) = words.value.char_indices().find(|(_, character)| unquotable(*character)) {
            let at = self.sheet.within(&words, start..start + bad.len_utf8());
            let message = format!("`{}` cannot stand on a kernel command line", bad.escape_debug());
            self.sheet.report(at, message, "leave out quotes, `$`, backslashes and control characters");
        }
        words.value.to_owned()
    }

    fn questions(&self) -> Option<Vec<Question>> {
        let mut questions = Vec::new();
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
        }
        questions.into_iter().collect()
    }

    /// One question, the `number`th.
    fn question(&self, section: &Section<'s>, number: usize) -> Option<Question> {
        let id = section.peek("id");
        let ask = section.text("ask");
        let kind = section.choice("type");
        let word = kind.as_ref().map(|kind| kind.value);
        self.only_for(section, "choices", "choice", word);
        self.only_for(section, "min-length", "password", word);
        let kind = match word? {
            "text" => Kind::Text,
            "hostname" => Kind::Hostname,
            "yes-no" => Kind::YesNo,
            "password" => Kind::Password { min_length: self.min_length(section) },
            _ => Kind::Choice { choices: self.choices(section)? },
        };
        let default = section.text("default");
        let question = Question {
            id: id.unwrap_or_default().to_owned(),
            ask: ask?.value.to_owned(),
            kind,
            default: default.as_ref().map(|text| text.value.to_owned()),
        };
        if let Some(text) = default {
            self.default(&question, &text, number);
        }
        id.map(|_| question)
    }

    /// Reports a key that another type of question has.
    fn only_for(&self, section: &Section<'s>, key: &str, owner: &str, word: Option<&str>) {
        if let Some(word) = word
            && word != owner
            && section.has(key)
        {
            self.sheet.report(
                section.place_of(key),
                format!("a question of type `\"{word}\"` has no `{key}`"),
                format!("leave it out, or write `type = \"{owner}\"`"),
            );
        }
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
        if matches!(question.kind, Kind::Password { .. }) {
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

    /// Reads a template and holds its names against the questions.
    fn template(&self, text: &At<&str>, secrets: Secrets) -> Option<template::Template> {
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
    fn flaw(&self, name: &Name, secrets: Secrets) -> Option<(String, String)> {
        let Name::Answer(id) = name else { return None };
        let ids = || self.asked.iter().map(|(id, _)| *id);
        match self.asked.iter().find(|(known, _)| known == id) {
            None if self.has_unclear_ids => None,
            None => Some((format!("no question is called `{id}`"), self.which(id, ids()))),
            Some((_, Some(Kind::Password { .. }))) if secrets == Secrets::Kept => Some((
                format!("`{id}` is a password, and this text is shown"),
                "a password's hash may stand in `password` of a user and in files".into(),
            )),
            Some(_) => None,
        }
    }

    fn which<'a>(&self, id: &str, ids: impl Iterator<Item = &'a str> + Clone) -> String {
        if let Some(near) = nearest(id, ids.clone()) {
            return format!("it is spelt `{near}`");
        }
        let known: Vec<String> = ids.map(|id| format!("`{id}`")).collect();
        match known.is_empty() {
            true => "the line asks nothing: add a `[[question]]`".into(),
            false => format!("the questions are {}", known.join(", ")),
        }
    }

    fn appliance(&self, section: &Section<'s>, beside: &mut Vec<Mistake>) -> Option<Appliance> {
        let image = section.section("image").and_then(|image| self.image(&image, beside));
        let confirm = match section.choice("confirm").map(|word| word.value) {
            Some("auto") => Confirm::Auto,
            _ => Confirm::Ask,
        };
        let hostname = self.hostname(section);
        let kernel_arguments = self.kernel_arguments(section);
        let disks = disks::read(self.sheet, section);
        let users = self.users(section);
        let files = self.files(section, beside);
        Some(Appliance {
            image: image?,
            confirm,
            disks: disks?,
            hostname,
            users: users?,
            files: files?,
            kernel_arguments,
        })
    }

    fn hostname(&self, section: &Section<'s>) -> String {
        let Some(text) = section.text("hostname") else {
            if !section.has("hostname") && !self.asked.iter().any(|(id, _)| *id == "hostname") {
                self.sheet.report_absence(
                    section.at.clone(),
                    "[appliance] has no `hostname`, and no question is called `hostname`",
                    "ask for it, or write `hostname = \"edge-{{ box.serial }}\"`",
                );
            }
            return "{{ answer.hostname }}".into();
        };
        if let Some(template) = self.template(&text, Secrets::Kept)
            && template.names().next().is_none()
            && let Err(reason) = question::hostname(text.value)
        {
            let message = format!("`{}` is not a host name", text.value.escape_debug());
            self.sheet.report(text.at.clone(), message, reason);
        }
        text.value.to_owned()
    }

    fn image(&self, section: &Section<'s>, beside: &mut Vec<Mistake>) -> Option<ImageSource> {
        let recipe = section.text("recipe");
        let file = section.text("file");
        let sha256 = section.text("sha256");
        if let Some(sha256) = &sha256 {
            let fits =
                sha256.value.len() == 64 && sha256.value.bytes().all(|octet| octet.is_ascii_hexdigit());
            if !fits {
                let length = sha256.value.chars().count();
                let message = format!("this is not a SHA-256: it has {length} characters");
                let message =
                    if length == 64 { "this is not a SHA-256: not all of it is hex".into() } else { message };
                self.sheet.report(sha256.at.clone(), message, "64 hex digits, as `sha256sum` prints them");
            }
        }
        match (recipe, file) {
            (Some(recipe), None) => {
                if sha256.is_some() {
                    let hint = "leave it out: the lock pins what a recipe is built from";
                    self.sheet.report(section.place_of("sha256"), "a recipe has no `sha256`", hint);
                }
                let path = recipe::path_in_line(self.sheet, &recipe)?;
                let Some(text) = self.folder.text(path) else {
                    let hint = "the path is relative to the line's folder";
                    self.sheet.report(recipe.at, format!("there is no file `{path}`"), hint);
                    return None;
                };
                let recipe = recipe::read(path, &text, self.folder, beside)?;
                Some(ImageSource::Recipe { path: path.to_owned(), recipe })
            }
            (None, Some(file)) => {
                if !section.has("sha256") {
                    let message = "`file` has no `sha256`";
                    self.sheet.report(
                        file.at.clone(),
                        message,
                        "add the 64 hex digits that `sha256sum` prints",
                    );
                }
                let path = recipe::path_in_line(self.sheet, &file)?.to_owned();
                Some(ImageSource::File { path, sha256: sha256?.value.to_ascii_lowercase() })
            }
            (Some(_), Some(_)) => {
                let message = "`image` has both a `recipe` and a `file`";
                self.sheet.report(section.at.clone(), message, "leave one of them out");
                None
            }
            (None, None) => {
                if !section.has("recipe") && !section.has("file") {
                    let message = "`image` has neither a `recipe` nor a `file`";
                    self.sheet.report_absence(
                        section.at.clone(),
                        message,
                        "`image = { recipe = \"appliance.toml\" }`",
                    );
                }
                None
            }
        }
    }

    fn users(&self, section: &Section<'s>) -> Option<Vec<User>> {
        let mut users: Vec<Option<User>> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for section in section.sections("user") {
            let name = section.text("name");
            if let Some(name) = &name {
                if !is_login(name.value) {
                    let message = format!("`{}` cannot be a login name", name.value.escape_debug());
                    let hint =
                        "lower-case letters, digits, dashes and underscores, a letter first, at most 32";
                    self.sheet.report(name.at.clone(), message, hint);
                } else if names.contains(&name.value) {
                    let hint = "one `[[appliance.user]]` for each user";
                    self.sheet.report(
                        name.at.clone(),
                        format!("the user `{}` stands twice", name.value),
                        hint,
                    );
                }
                names.push(name.value);
            }
            let password = section.text("password");
            if let Some(text) = &password {
                self.password(text);
            }
            let groups = section.list("groups");
            for group in groups.iter().filter(|group| !is_login(group.value)) {
                let message = format!("`{}` cannot be a group's name", group.value.escape_debug());
                self.sheet.report(group.at.clone(), message, "for example `\"sudo\"`");
            }
            users.push(name.map(|name| User {
                name: name.value.to_owned(),
                password: password.map(|text| text.value.to_owned()),
                groups: groups.iter().map(|group| group.value.to_owned()).collect(),
            }));
        }
        users.into_iter().collect()
    }

    /// What gives a user's password must give a crypt(5) hash: anything else would lock the user out, or
    /// stand in the clear in the line's history.
    fn password(&self, text: &At<&str>) {
        let Some(template) = self.template(text, Secrets::Written) else { return };
        const HINT: &str = "ask for it with a question of type `\"password\"` and write `{{ answer.ID }}`";
        let mut names = template.names().peekable();
        if names.peek().is_none() && !text.value.starts_with('$') {
            return self.sheet.report(text.at.clone(), "this is not a crypt(5) hash", HINT);
        }
        for (name, at) in names {
            let kind = match name {
                Name::Answer(id) => {
                    self.asked.iter().find(|(known, _)| known == id).and_then(|(_, kind)| kind.clone())
                }
                Name::Box(_) => Some(Kind::Text),
            };
            if kind.is_some_and(|kind| !matches!(kind, Kind::Password { .. })) {
                let message = format!("`{name}` is not a password's hash");
                self.sheet.report(self.sheet.within(text, at), message, HINT);
            }
        }
    }

    fn files(&self, section: &Section<'s>, beside: &mut Vec<Mistake>) -> Option<Vec<ApplianceFile>> {
        let mut files: Vec<Option<ApplianceFile>> = Vec::new();
        let mut paths: Vec<&str> = Vec::new();
        for section in section.sections("file") {
            let path = section.text("path").filter(|path| recipe::is_absolute(self.sheet, path));
            if let Some(path) = &path {
                if paths.contains(&path.value) {
                    let hint = "one `[[appliance.file]]` for each path";
                    self.sheet.report(path.at.clone(), format!("`{}` is written twice", path.value), hint);
                }
                paths.push(path.value);
            }
            let template = section.text("template");
            let source = template.as_ref().and_then(|text| recipe::path_in_line(self.sheet, text));
            if let (Some(text), Some(source)) = (&template, source) {
                match self.folder.text(source) {
                    Some(contents) => self.contents(source, &contents, beside),
                    None => {
                        let hint = "the path is relative to the line's folder";
                        self.sheet.report(text.at.clone(), format!("there is no file `{source}`"), hint);
                    }
                }
            }
            let mode = section.mode("mode").unwrap_or(0o644);
            files.push((|| {
                Some(ApplianceFile { path: path?.value.to_owned(), template: source?.to_owned(), mode })
            })());
        }
        files.into_iter().collect()
    }

    /// Checks a template that is a file of the line.
    fn contents(&self, path: &str, contents: &str, beside: &mut Vec<Mistake>) {
        let mut report = |at: Place, message: String, hint: String| {
            beside.push(Mistake::new(path, contents, at, message, Some(hint)));
        };
        match template::parse(contents) {
            Ok(template) => {
                for (name, at) in template.names() {
                    if let Some((message, hint)) = self.flaw(name, Secrets::Written) {
                        report(at, message, hint);
                    }
                }
            }
            Err(mistakes) => {
                mistakes.into_iter().for_each(|mistake| report(mistake.at, mistake.message, mistake.hint))
            }
        }
    }

    fn rehearsal(&self, section: &Section<'s>, questions: Option<&[Question]>) -> Rehearsal {
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
        let ready = section.text("ready");
        if let Some(text) = &ready {
            self.template(text, Secrets::Kept);
        }
        Rehearsal { answers, ready: ready.map(|text| text.value.to_owned()) }
    }
}

/// The network's own address and its broadcast address. `prefix` is 8 to 30.
fn bounds(address: Ipv4Addr, prefix: u8) -> (Ipv4Addr, Ipv4Addr) {
    let mask = u32::MAX << (32 - u32::from(prefix));
    (Ipv4Addr::from(u32::from(address) & mask), Ipv4Addr::from(u32::from(address) | !mask))
}

/// The first address of a network, after its own.
fn after(network: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(network).saturating_add(1))
}

/// The last address of a network, before its broadcast address.
fn before(broadcast: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(broadcast).saturating_sub(1))
}

/// Whether useradd(8) takes it on Debian.
fn is_login(name: &str) -> bool {
    let follows =
        |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || matches!(octet, b'-' | b'_');
    name.len() <= 32
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.bytes().all(follows)
}
