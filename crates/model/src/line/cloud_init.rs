//! `[appliance.cloud-init]`: what cloud-init's data source NoCloud finds in the appliance.
//!
//! It looks into a folder of the root without asking a network (cloud-init's documentation, "NoCloud"); there
//! `user-data` and `meta-data` must both be, or it takes neither.

use super::ApplianceFile;
use super::reader::Reader;
use crate::api::TemplateFile;
use crate::mistake::Mistake;
use crate::sheet::{At, Section};

/// Data for cloud-init; each a template of the line, by its path in the line's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudInit {
    /// What it carries out.
    pub user_data: String,
    /// Who the instance is; made where it is absent.
    pub meta_data: Option<String>,
    /// The appliance's network.
    pub network_config: Option<String>,
}

/// Where the data source looks.
const SEED: &str = "/var/lib/cloud/seed/nocloud/";
const META_DATA: &str = "meta-data";

/// What is in it concerns root only: passwords' hashes and keys often are.
const MODE: u32 = 0o600;

/// How user data begins that cloud-init does something with, in lower case; other text it leaves aside with a warning
/// (cloud-init's documentation, "User data formats").
const BEGINNINGS: &[&str] = &["#!", "#cloud-", "#include", "#part-handler", "## template: jinja"];
/// A header of MIME, somewhere in the first octets: several parts, each with its type.
const MIME: &str = "mime-version:";
const MIME_WITHIN: usize = 4096;

impl CloudInit {
    /// The files that are templates of the line.
    pub fn files(&self) -> Vec<ApplianceFile> {
        let named = [
            ("user-data", Some(&self.user_data)),
            (META_DATA, self.meta_data.as_ref()),
            ("network-config", self.network_config.as_ref()),
        ];
        let file = |(name, template): (&str, Option<&String>)| {
            Some(ApplianceFile { path: format!("{SEED}{name}"), template: template?.clone(), mode: MODE })
        };
        named.into_iter().filter_map(file).collect()
    }

    /// `meta-data` where the line has none. The host name is a template, and so is this.
    pub fn made_meta_data(&self, hostname: &str) -> Option<TemplateFile> {
        // A block of text: a serial number may have quotes or colons in it, which are nothing special there.
        let contents =
            format!("instance-id: |-\n  {{{{ box.serial }}}}-{hostname}\nlocal-hostname: |-\n  {hostname}\n");
        let made = TemplateFile { path: format!("{SEED}{META_DATA}"), contents, mode: MODE };
        self.meta_data.is_none().then_some(made)
    }
}

impl<'s> Reader<'s> {
    /// Reads the table, which stands in `appliance`.
    pub(super) fn cloud_init(
        &self,
        section: &Section<'s>,
        appliance: &Section<'s>,
        beside: &mut Vec<Mistake>,
    ) -> Option<CloudInit> {
        for path in appliance.texts_below("file", "path").into_iter().filter(|path| is_seed(path.value)) {
            let message = format!("`{}` belongs to `[appliance.cloud-init]`", path.value);
            self.sheet.report(path.at, message, "name the template there, or leave that table out");
        }
        let user_data = section.text("user-data");
        if let Some(text) = &user_data
            && let Some(contents) = self.folder.text(text.value)
            && !is_for_cloud_init(&contents)
        {
            let message = format!("cloud-init leaves `{}` aside: its beginning says no kind", text.value);
            self.sheet.report(text.at.clone(), message, "its first line is `#cloud-config`, for example");
        }
        let mut template = |text: Option<At<&'s str>>| match text {
            Some(text) => self.template_file(&text, beside).map(|source| Some(source.to_owned())),
            None => Some(None),
        };
        let user_data = template(user_data);
        let (meta_data, network_config) =
            (template(section.text(META_DATA)), template(section.text("network-config")));
        Some(CloudInit { user_data: user_data??, meta_data: meta_data?, network_config: network_config? })
    }
}

/// Whether a path is one that this table may write.
fn is_seed(path: &str) -> bool {
    path.strip_prefix(SEED).is_some_and(|name| ["user-data", META_DATA, "network-config"].contains(&name))
}

/// Whether cloud-init does something with such user data.
fn is_for_cloud_init(contents: &str) -> bool {
    let text = contents.trim_start().to_lowercase();
    let head = text.as_bytes().get(..MIME_WITHIN).unwrap_or(text.as_bytes());
    BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
        || head.windows(MIME.len()).any(|window| window == MIME.as_bytes())
}
