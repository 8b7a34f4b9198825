//! `[appliance]`: what is installed. Its disks are read in `disks` and `stack`.

use super::reader::{Reader, Secrets};
use super::{Appliance, ApplianceFile, ApplianceScript, Confirm, Finish, ImageSource, Signed, stack};
use crate::api::User;
use crate::mistake::Mistake;
use crate::question::{self, Kind};
use crate::recipe;
use crate::sheet::{At, Place, Section};
use crate::template::{self, Name};

impl<'s> Reader<'s> {
    /// What is installed. Mistakes in other files of the line go into `beside`.
    pub(super) fn appliance(&self, section: &Section<'s>, beside: &mut Vec<Mistake>) -> Option<Appliance> {
        let image = section.section("image").and_then(|image| self.image(&image, beside));
        let confirm = match section.choice("confirm").map(|word| word.value) {
            Some("auto") => Confirm::Auto,
            _ => Confirm::Ask,
        };
        let finish = match section.choice("finish").map(|word| word.value) {
            Some("reboot") => Finish::Reboot,
            Some("stay-on") => Finish::StayOn,
            _ => Finish::PowerOff,
        };
        let hostname = self.hostname(section);
        let kernel_arguments = self.kernel_arguments(section);
        let storage = stack::read(self.sheet, section, image.as_ref());
        self.passphrases(section);
        let users = self.users(section);
        let files = self.files(section, beside);
        let cloud_init = section.section("cloud-init").map(|seed| self.cloud_init(&seed, section, beside));
        let debs = self.debs(section, image.as_ref());
        let scripts = self.scripts(section);
        let (disks, stack) = storage?;
        Some(Appliance {
            image: image?,
            confirm,
            finish,
            disks,
            stack,
            hostname,
            users: users?,
            files: files?,
            cloud_init: cloud_init.map_or(Some(None), |seed| seed.map(Some))?,
            debs,
            scripts: scripts?,
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
        let root = self.root_partition(section, recipe.as_ref());
        let signed = self.signed(section, recipe.as_ref());
        if let (Some(sha256), None) = (&sha256, &recipe) {
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
                Some(ImageSource::Recipe { path: path.to_owned(), recipe: Box::new(recipe) })
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
                Some(ImageSource::File { path, sha256: sha256?.value.to_ascii_lowercase(), root, signed })
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

    /// Who must have signed the image.
    fn signed(&self, section: &Section<'s>, recipe: Option<&At<&str>>) -> Option<Signed> {
        let (signature, key) = (section.text("signature"), section.text("key"));
        let (there, missing, hint) = match (&signature, &key) {
            (Some(one), _) if recipe.is_some() => (one, "recipe", ""),
            (_, Some(one)) if recipe.is_some() => (one, "recipe", ""),
            (Some(one), None) => (one, "key", "`key = \"minisign.pub\"`, the public key that it must be by"),
            (None, Some(one)) => (one, "signature", "`signature = \"edge-2.4.tar.zst.minisig\"`"),
            (Some(signature), Some(key)) => {
                let path = |text: &At<&'s str>| {
                    let path = recipe::path_in_line(self.sheet, text)?;
                    if !self.folder.has(path) {
                        let hint = "the path is relative to the line's folder";
                        self.sheet.report(text.at.clone(), format!("there is no file `{path}`"), hint);
                    }
                    Some(path.to_owned())
                };
                let (signature, key) = (path(signature), path(key));
                return Some(Signed { signature: signature?, key: key? });
            }
            (None, None) => return None,
        };
        match missing {
            "recipe" => {
                let hint = "leave it out: the lock pins what a recipe is built from";
                self.sheet.report(there.at.clone(), "a recipe has no `signature`", hint);
            }
            missing if !section.has(missing) => {
                self.sheet.report_absence(there.at.clone(), format!("`image` has no `{missing}`"), hint);
            }
            _ => {}
        }
        None
    }

    /// The partition with the root in an image of a whole disk.
    fn root_partition(&self, section: &Section<'s>, recipe: Option<&At<&str>>) -> Option<u32> {
        let root = section.number("root")?;
        if recipe.is_some() {
            let hint = "leave it out: the line's disks say where the root is";
            self.sheet.report(section.place_of("root"), "a recipe has no `root`", hint);
        }
        match u32::try_from(root.value) {
            Ok(number @ 1..=128) => Some(number),
            _ => {
                let message = format!("there is no partition {}", root.value);
                self.sheet.report(root.at, message, "its number in the image's table, between 1 and 128");
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

    /// What opens an encrypted volume must be the answer to a `passphrase` question: a `password` is a hash by
    /// then, and text written here would stand in the line's history.
    fn passphrases(&self, section: &Section<'s>) {
        const HINT: &str = "ask for it with a question of type `\"passphrase\"` and write `{{ answer.ID }}`";
        for text in section.texts_below("encrypted", "passphrase") {
            let Some(template) = self.template(&text, Secrets::Opening) else { continue };
            let mut names = template.names().peekable();
            if names.peek().is_none() {
                self.sheet.report(
                    text.at.clone(),
                    "this passphrase would be known to who reads the line",
                    HINT,
                );
            }
            for (name, at) in names {
                let kind = match name {
                    Name::Answer(id) => {
                        self.asked.iter().find(|(known, _)| known == id).and_then(|(_, kind)| kind.clone())
                    }
                    Name::Box(_) => Some(Kind::Text),
                };
                if kind.is_some_and(|kind| !matches!(kind, Kind::Passphrase { .. })) {
                    let message = format!("`{name}` is not a passphrase");
                    self.sheet.report(self.sheet.within(&text, at), message, HINT);
                }
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
            let source = section.text("template").and_then(|text| self.template_file(&text, beside));
            let mode = section.mode("mode").unwrap_or(0o644);
            files.push((|| {
                Some(ApplianceFile { path: path?.value.to_owned(), template: source?.to_owned(), mode })
            })());
        }
        files.into_iter().collect()
    }

    /// The path of a template that is a file of the line, which is checked.
    pub(super) fn template_file(&self, text: &At<&'s str>, beside: &mut Vec<Mistake>) -> Option<&'s str> {
        let source = recipe::path_in_line(self.sheet, text)?;
        match self.folder.text(source) {
            Some(contents) => self.contents(source, &contents, beside),
            None => {
                let hint = "the path is relative to the line's folder";
                self.sheet.report(text.at.clone(), format!("there is no file `{source}`"), hint);
            }
        }
        Some(source)
    }

    /// Packages for an image that is somebody's; one that is built has its own in its recipe.
    fn debs(&self, section: &Section<'s>, image: Option<&ImageSource>) -> Vec<String> {
        let mut debs = Vec::new();
        if section.has("debs") && matches!(image, Some(ImageSource::Recipe { .. })) {
            let hint = "write them as `debs` into the recipe: they are then part of the image, and the lock pins them";
            self.sheet.report(
                section.place_of("debs"),
                "this image is built, and [appliance] has `debs`",
                hint,
            );
        }
        for deb in section.list("debs") {
            let Some(path) = recipe::path_in_line(self.sheet, &deb) else { continue };
            if !path.ends_with(".deb") {
                let message = format!("`{path}` is not a Debian package");
                self.sheet.report(deb.at, message, "files that end in `.deb`");
            } else if !self.folder.has(path) {
                let hint = "the path is relative to the line's folder";
                self.sheet.report(deb.at, format!("there is no file `{path}`"), hint);
            }
            debs.push(path.to_owned());
        }
        debs
    }

    fn scripts(&self, section: &Section<'s>) -> Option<Vec<ApplianceScript>> {
        /// Longest that anybody waits in front of a box: a day.
        const LONGEST: u64 = 86_400;
        let mut scripts = Vec::new();
        for section in section.sections("script") {
            let text = section.text("run");
            let path = text.as_ref().and_then(|text| recipe::path_in_line(self.sheet, text));
            if let (Some(text), Some(path)) = (&text, path) {
                match self.folder.text(path) {
                    Some(contents) if !contents.starts_with("#!") => {
                        let message = format!("`{path}` does not begin with `#!`, so nothing can run it");
                        self.sheet.report(
                            text.at.clone(),
                            message,
                            "its first line is `#!/bin/sh`, for example",
                        );
                    }
                    Some(_) => {}
                    None => {
                        let hint = "the path is relative to the line's folder";
                        self.sheet.report(text.at.clone(), format!("there is no file `{path}`"), hint);
                    }
                }
            }
            let timeout = section.number("timeout");
            if let Some(timeout) = timeout.as_ref().filter(|timeout| !(1..=LONGEST).contains(&timeout.value))
            {
                let message = format!("`timeout` cannot be {}", timeout.value);
                self.sheet.report(timeout.at.clone(), message, format!("seconds, between 1 and {LONGEST}"));
            }
            let seconds = timeout.map_or(600, |timeout| timeout.value);
            scripts.push(path.map(|path| ApplianceScript { path: path.to_owned(), seconds }));
        }
        scripts.into_iter().collect()
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
}

/// Whether useradd(8) takes it on Debian.
fn is_login(name: &str) -> bool {
    let follows =
        |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || matches!(octet, b'-' | b'_');
    name.len() <= 32
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.bytes().all(follows)
}
