//! `bootworks record`: verifies a finished box's record, anywhere and without the server, and prints its page.

pub(crate) mod key;
mod page;

use crate::{Ending, report};
use key::PublicKey;
use model::failure::{Explain as _, Failure, Result};
use model::record::{Record, Signed};
use std::path::{Path, PathBuf};

/// Arguments.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Say whether a record is as it was signed, and by whom; exit 1 if it is not
    Verify(Verify),
    /// Write a record as a page to print, with a QR code, once it is verified
    Page(Page),
}

#[derive(clap::Args)]
struct Verify {
    /// The record, as `bootworks boxes record NAME` prints it
    file: PathBuf,
    /// The line's public key: its file or its 64 hex digits; else `record.pub` of this folder
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// One JSON object on standard output instead of text
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Page {
    /// The record, as `bootworks boxes record NAME` prints it
    file: PathBuf,
    /// Where the page goes, HTML that any browser prints
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// The line's public key: its file or its 64 hex digits; else `record.pub` of this folder
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// Whether a record can be believed.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// It is as it was signed.
    Genuine(Box<Record>),
    /// It is not; why, a phrase.
    Refused(String),
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    match &arguments.what {
        What::Verify(verify) => run_verify(verify),
        What::Page(page) => run_page(page),
    }
}

fn run_verify(arguments: &Verify) -> Result<Ending> {
    let text = read(&arguments.file)?;
    let key = known_key(arguments.key.as_deref())?;
    let verdict = judge(&text, key.as_ref());
    let signer = Signed::parse(&text).map(|signed| signed.key.to_owned());
    if arguments.json {
        let why = match &verdict {
            Verdict::Genuine(_) => None,
            Verdict::Refused(why) => Some(why),
        };
        let json = serde_json::json!({
            "genuine": why.is_none(), "reason": why, "key": signer, "key_known": key.is_some(),
        });
        report::say(&json.to_string());
    }
    match verdict {
        Verdict::Genuine(record) => {
            if !arguments.json {
                report::say(&sentence(&record));
                let signer = signer.unwrap_or_default();
                report::say(&match key {
                    Some(_) => format!("signed by the line's key {signer}"),
                    None => format!(
                        "signed by the key {signer}, which is in the record itself: whether it is the line's, \
                         `--key record.pub` says"
                    ),
                });
            }
            Ok(Ending::Well)
        }
        Verdict::Refused(why) => {
            if !arguments.json {
                report::say(&format!("NOT GENUINE: {why}"));
            }
            Ok(Ending::No)
        }
    }
}

fn run_page(arguments: &Page) -> Result<Ending> {
    let text = read(&arguments.file)?;
    match judge(&text, known_key(arguments.key.as_deref())?.as_ref()) {
        Verdict::Genuine(record) => {
            let page = page::of(&record, &text)?;
            std::fs::write(&arguments.output, page)
                .or_fail(|| format!("cannot write {}", arguments.output.display()))?;
            report::say(&format!("{} is the page of {}", arguments.output.display(), record.hostname));
            Ok(Ending::Well)
        }
        Verdict::Refused(why) => {
            report::say(&format!("NOT GENUINE, so there is no page: {why}"));
            Ok(Ending::No)
        }
    }
}

fn read(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).or_fail(|| format!("cannot read {}", file.display()))?;
    // What is not UTF-8 is no record either; it is for the verdict to say so.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The key to hold a record against: the one given, else that of the folder one stands in.
fn known_key(given: Option<&str>) -> Result<Option<PublicKey>> {
    match given {
        Some(text) => PublicKey::given(text).map(Some),
        None if Path::new(key::PUBLIC).is_file() => PublicKey::given(key::PUBLIC).map(Some),
        None => Ok(None),
    }
}

/// Holds a record's text against a key; without one, against the key that it names itself.
fn judge(text: &str, key: Option<&PublicKey>) -> Verdict {
    let Some(signed) = Signed::parse(text) else {
        return Verdict::Refused("it is not written as a signed record is, octet by octet".into());
    };
    let own = match PublicKey::of_hex(signed.key) {
        Ok(own) => own,
        Err(failure) => return Verdict::Refused(failure.to_string()),
    };
    if let Some(key) = key.filter(|key| **key != own) {
        return Verdict::Refused(format!("it is signed by {}, and the line's key is {key}", signed.key));
    }
    if !own.has_signed(signed.record, signed.signature) {
        return Verdict::Refused(
            "the signature does not fit the record: it was changed after it was signed".into(),
        );
    }
    match serde_json::from_str(signed.record) {
        Ok(record) => Verdict::Genuine(Box::new(record)),
        Err(error) => Verdict::Refused(format!("it is signed, but no record: {error}")),
    }
}

/// What a record is of, in one line.
fn sentence(record: &Record) -> String {
    let smbios = &record.hardware.smbios;
    let serial = if smbios.serial.is_empty() { "without a serial number" } else { &smbios.serial };
    format!(
        "genuine: {} of line {}, {} {} {serial}, {} files read back",
        record.hostname, record.line, smbios.manufacturer, smbios.product, record.read_back.files
    )
}

/// Signs the record of a box, as the server does when it is sent.
pub(crate) fn sign(record: &str, key: &key::PrivateKey) -> Result<String> {
    if Signed::parse(record).is_some() {
        return Err(Failure::new("cannot sign a record that is signed"));
    }
    let (public, signature) = (key.public().to_string(), key.sign(record));
    Ok(Signed { record, key: &public, signature: &signature }.text())
}

#[cfg(test)]
mod tests;
