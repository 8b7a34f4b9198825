//! The record: what was done to a finished box, as the server keeps it. Secrets are not in here.

use crate::hardware::Inventory;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::mac::Mac;

/// The birth certificate of one box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// The box, by the MAC of its boot NIC.
    #[serde(rename = "box")]
    pub of: Mac,
    /// Name of the line.
    pub line: String,
    /// Host name of the unit.
    pub hostname: String,
    /// Build id of the agent that did it.
    pub build: String,
    /// Names the build of the live OS.
    pub live: String,
    /// SHA-256 of `line.lock`, hex.
    pub lock: String,
    /// SHA-256 of the image as served, hex.
    pub image: String,
    /// Answers by question id, without those to password questions.
    pub answers: BTreeMap<String, String>,
    /// What the box is made of, serial numbers included.
    pub hardware: Inventory,
    /// The plan as it was confirmed.
    pub plan: String,
    /// Who confirmed it: `ttyS0`, `api`, `auto`.
    pub confirmed_by: String,
    /// The steps as they went.
    pub steps: Vec<StepRecord>,
    /// What the tests before the installation found, a sentence each.
    #[serde(default)]
    pub tests: Vec<String>,
    /// What was read back from the disks.
    pub read_back: ReadBack,
    /// What went wrong without stopping the work, a sentence each.
    pub remarks: Vec<String>,
    /// When the server took and signed it: milliseconds since 1970, UTC. The box's own clock may be anything.
    #[serde(default)]
    pub sealed_at: Option<u64>,
}

/// A record with the signature of the line's key: one line of JSON that is kept, shown and verified octet by octet.
///
/// ```text
/// {"record":{…},"key":"64 hex digits","signature":"128 hex digits"}
/// ```
/// What is signed is [`DOMAIN`] and the record's own text, as it stands there: nothing is written anew before it is
/// verified, and everything around it is fixed, so that not one octet can change unnoticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// The record's text.
    pub record: &'a str,
    /// The public key, 64 hex digits.
    pub key: &'a str,
    /// The signature (ed25519, RFC 8032), 128 hex digits.
    pub signature: &'a str,
}

/// Stands before a record's text when it is signed: no other text that the key signs can pass for a record.
pub const DOMAIN: &[u8] = b"bootworks record 1\n";

impl<'a> Signed<'a> {
    /// As it is kept; ends with a newline.
    pub fn text(&self) -> String {
        let Signed { record, key, signature } = self;
        format!("{{\"record\":{record},\"key\":\"{key}\",\"signature\":\"{signature}\"}}\n")
    }

    /// Takes a text apart that is written exactly so; `None` for any other.
    pub fn parse(text: &'a str) -> Option<Signed<'a>> {
        let rest = text.strip_suffix("\"}\n")?;
        let (rest, signature) = rest.split_at_checked(rest.len().checked_sub(128)?)?;
        let rest = rest.strip_suffix("\",\"signature\":\"")?;
        let (rest, key) = rest.split_at_checked(rest.len().checked_sub(64)?)?;
        let record = rest.strip_suffix(",\"key\":\"")?.strip_prefix("{\"record\":")?;
        let is_hex = |text: &str| text.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
        (is_hex(key) && is_hex(signature)).then_some(Signed { record, key, signature })
    }
}

/// One step as it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its line in the plan.
    pub title: String,
    /// How long it took.
    pub millis: u64,
}

/// What was read back from the disks and found equal to what was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ReadBack {
    /// Files compared.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// SHA-256 over `DIGEST  PATH\n` of all of them in the order of their paths, hex. Of an image that is no archive:
    /// over the XXH3 of its pieces of 4 MiB.
    pub sha256: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A record is read years later, from wherever it was kept: only what is written exactly so is one.
        #[test]
        fn only_its_own_text_is_taken_apart(record in "\\PC{0,40}", at in 0..400_usize, octet in any::<char>()) {
            let (key, signature) = ("0f".repeat(32), "a5".repeat(64));
            let signed = Signed { record: &record, key: &key, signature: &signature };
            let text = signed.text();
            prop_assert_eq!(Signed::parse(&text), Some(signed));
            let mut changed: Vec<char> = text.chars().collect();
            let at = at % changed.len();
            changed[at] = octet;
            let changed: String = changed.into_iter().collect();
            if let Some(parsed) = Signed::parse(&changed) {
                prop_assert_eq!(parsed.text(), changed);
            }
        }
    }
}
