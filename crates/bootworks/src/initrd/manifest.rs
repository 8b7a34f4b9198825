//! What an unpacked initrd was as a file: written by `initrd unpack` beside what it unpacks, read by `initrd pack`.
//!
//! ```text
//! DIR/.bootworks-initrd/manifest   one JSON object a line, in the order of the file
//! DIR/.bootworks-initrd/part-2     a packed part as it was
//! DIR/.bootworks-initrd/body-7     the body of an entry that is not in the folder
//! ```

use model::failure::{Explain as _, Failure, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The folder below DIR that is ours.
pub(crate) const FOLDER: &str = ".bootworks-initrd";
/// The manifest in it.
pub(crate) const FILE: &str = "manifest";
/// Changes with the form of the lines.
const FORM: u32 = 1;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Record {
    /// The first line.
    Initrd {
        /// Form of the lines.
        form: u32,
        /// SHA-256 of the whole file.
        sha256: String,
        /// Whether owners were set on what was unpacked; else the lines have them.
        owners: bool,
    },
    /// Zero bytes.
    Zeros(u64),
    /// A part begins.
    Part(PartRecord),
    /// A folder that the initrd does not have and that we made because something lies in it.
    MadeFolder(String),
    /// An entry.
    Entry(EntryRecord),
    /// The part is over.
    PartEnd,
    /// What follows the last part, in hex: a boot configuration.
    Tail(String),
}

/// A part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    /// Counted from 1.
    pub number: usize,
    /// The program that packs so; none for a plain archive.
    pub packing: Option<String>,
    /// SHA-256 of what is in it.
    pub sha256: String,
    /// Its length in the file.
    pub bytes: u64,
    /// File that has it as it was, if it is packed.
    pub kept: Option<String>,
}

/// An entry. What is the usual is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EntryRecord {
    /// The name's bytes with their NULs, those that are no text as `%XX`.
    pub name: String,
    /// The header as written.
    pub header: String,
    /// Where it lies below the folder, escaped as the name; none where it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// A later entry took its place: it is written again as it was, as long as something stands there.
    #[serde(skip_serializing_if = "is_false")]
    pub is_covered: bool,
    /// It could not be made here (a device, without root's rights); it is written again as it was.
    #[serde(skip_serializing_if = "is_false")]
    pub is_not_made: bool,
    /// File that has its body as it was, where the folder does not have it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// It is a further name of the file at this place, and its body stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_at: Option<String>,
    /// Bytes between name and body in hex, where they are not zero.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name_padding: String,
    /// Bytes behind the body in hex, where they are not zeros up to a multiple of four.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Our folder below an unpacked initrd.
pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join(FOLDER)
}

/// The first line of a manifest.
pub(crate) fn head(sha256: String, owners: bool) -> Record {
    Record::Initrd { form: FORM, sha256, owners }
}

/// Reads the manifest of an unpacked initrd; `None` where the folder has none.
pub(crate) fn read(root: &Path) -> Result<Option<Vec<Record>>> {
    let path = folder(root).join(FILE);
    let cannot = || format!("cannot read the manifest {}", path.display());
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.or_fail(cannot)?,
    };
    let mut records = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let record: Record = serde_json::from_str(line)
            .map_err(|error| Failure::new(cannot()).because(format!("line {}: {error}", number + 1)))?;
        records.push(record);
    }
    match records.first() {
        Some(Record::Initrd { form: FORM, .. }) => Ok(Some(records)),
        _ => Err(Failure::new(cannot()).because("it is not of this program's `initrd unpack`")),
    }
}

/// Writes the manifest.
pub(crate) fn write(root: &Path, records: &[Record]) -> Result<()> {
    let path = folder(root).join(FILE);
    let cannot = || format!("cannot write {}", path.display());
    let mut text = Vec::new();
    for record in records {
        serde_json::to_writer(&mut text, record).or_fail(cannot)?;
        text.push(b'\n');
    }
    std::fs::write(&path, text).or_fail(cannot)
}

/// Bytes as text that gives the same bytes back.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter == '%' || letter.is_control() {
                let mut room = [0; 4];
                text.extend(letter.encode_utf8(&mut room).bytes().map(|byte| format!("%{byte:02X}")));
            } else {
                text.push(letter);
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02X}")));
    }
    text
}

/// The bytes of [`escape`]'s text; a `%` without two digits stands for itself.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(|digits| unhex(std::str::from_utf8(digits).ok()?)) {
            Some(byte) => {
                plain.extend(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    plain
}

/// Hexadecimal digits as bytes.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A name is bytes; a manifest that loses one of them packs another initrd.
        #[test]
        fn names_come_back(bytes: Vec<u8>, text: String) {
            prop_assert_eq!(unescape(&escape(&bytes)), bytes);
            let _ = unescape(&text);
        }
    }
}
