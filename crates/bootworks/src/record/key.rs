//! The line's key, with which records are signed: made once, kept out of git, its public half beside `line.toml`.
//!
//! ```text
//! LINE/.key/record.key   the private key, readable by its owner only; .key/.gitignore leaves the folder out of git
//! LINE/record.pub        the public key, kept in git with the line
//! ```

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use model::failure::{Explain as _, Failure, Result};
use model::record::DOMAIN;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Name of the public key in the line's folder.
pub(crate) const PUBLIC: &str = "record.pub";
/// Name of the folder with the private key.
const FOLDER: &str = ".key";
/// Name of the private key in it.
const PRIVATE: &str = "record.key";

/// A private key. It is shown nowhere.
pub(crate) struct PrivateKey(SigningKey);

/// A public key, shown as 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey(VerifyingKey);

impl PrivateKey {
    /// The key of the line in `folder`; made, with its public half, where there is neither.
    ///
    /// Errors: one of the halves is missing, or they do not belong together.
    pub(crate) fn of_line(folder: &Path) -> Result<PrivateKey> {
        let (path, public) = (private_path(folder), folder.join(PUBLIC));
        match (path.is_file(), public.is_file()) {
            (false, false) => {
                let key = PrivateKey::of_file(&path)?;
                let text = format!("# Records of this line are signed with this key.\n{}\n", key.public());
                fs::write(&public, text).or_fail(|| format!("cannot write {}", public.display()))?;
                Ok(key)
            }
            (false, true) => Err(Failure::new("cannot sign records with the line's key")
                .because(format!("{} is there, but not {}", public.display(), path.display()))
                .hint(format!(
                    "copy `{FOLDER}` from where the line was made; or remove `{PUBLIC}`, and records get a new key"
                ))),
            (true, there) => {
                let key = PrivateKey::of_file(&path)?;
                if there && PublicKey::of_file(&public)? != key.public() {
                    return Err(Failure::new("cannot sign records with the line's key")
                        .because(format!("{} is not of {}", public.display(), path.display()))
                        .hint(format!("get the right `{FOLDER}`, or write {} into `{PUBLIC}`", key.public())));
                }
                Ok(key)
            }
        }
    }

    /// The key in a file; made where there is none.
    pub(crate) fn of_file(path: &Path) -> Result<PrivateKey> {
        match fs::read_to_string(path) {
            Ok(text) => {
                let seed = octets::<32>(last_line(&text));
                let seed =
                    seed.ok_or_else(|| Failure::new(format!("{} is no private key", path.display())))?;
                Ok(PrivateKey(SigningKey::from_bytes(&seed)))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => PrivateKey::make(path),
            Err(error) => Err(error).or_fail(|| format!("cannot read {}", path.display())),
        }
    }

    fn make(path: &Path) -> Result<PrivateKey> {
        let mut seed = [0; 32];
        rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())
            .or_fail(|| "cannot draw a private key".into())?;
        let cannot = || format!("cannot write {}", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).or_fail(cannot)?;
            if folder.file_name().is_some_and(|name| name == FOLDER) {
                // Git leaves out everything in the folder, this file too, whatever the line's own list says.
                fs::write(folder.join(".gitignore"), "*\n").or_fail(cannot)?;
            }
        }
        let text = format!("# Private: whoever has this can sign records of this line.\n{}\n", hex(&seed));
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).or_fail(cannot)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).or_fail(cannot)?;
        Ok(PrivateKey(SigningKey::from_bytes(&seed)))
    }

    /// Its public half.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Another key that follows from this one and a purpose, and from which neither follows.
    pub(crate) fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(purpose).chain_update(self.0.to_bytes()).finalize().into()
    }

    /// The signature of a record's text, 128 hex digits.
    pub(crate) fn sign(&self, record: &str) -> String {
        hex(&self.0.sign(&[DOMAIN, record.as_bytes()].concat()).to_bytes())
    }
}

fn private_path(line: &Path) -> PathBuf {
    line.join(FOLDER).join(PRIVATE)
}

impl PublicKey {
    /// From what was given on a command line: a file, or the key itself.
    pub(crate) fn given(text: &str) -> Result<PublicKey> {
        match octets::<32>(text) {
            Some(_) => PublicKey::of_hex(text),
            None => PublicKey::of_file(Path::new(text)),
        }
    }

    fn of_file(path: &Path) -> Result<PublicKey> {
        let text = fs::read_to_string(path).or_fail(|| format!("cannot read the key {}", path.display()))?;
        PublicKey::of_hex(last_line(&text))
            .map_err(|failure| failure.doing(format!("reading {}", path.display())))
    }

    /// From 64 hex digits.
    pub(crate) fn of_hex(text: &str) -> Result<PublicKey> {
        let no_key = || Failure::new(format!("`{}` is no public key", text.escape_debug()));
        let octets = octets::<32>(text).ok_or_else(no_key)?;
        VerifyingKey::from_bytes(&octets).map(PublicKey).map_err(|_| no_key())
    }

    /// Whether it has signed this record's text.
    pub(crate) fn has_signed(&self, record: &str, signature: &str) -> bool {
        let Some(octets) = octets::<64>(signature) else { return false };
        let signature = Signature::from_bytes(&octets);
        self.0.verify_strict(&[DOMAIN, record.as_bytes()].concat(), &signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0.as_bytes()))
    }
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().next_back().unwrap_or_default().trim()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    if hex.len() != 2 * N || !hex.is_ascii() {
        return None;
    }
    for (index, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// A private key that git takes along, or that anybody can read, signs everybody's records.
    #[test]
    fn a_key_is_made_once_and_kept_to_oneself() {
        let line = tempfile::tempdir().unwrap();
        let key = PrivateKey::of_line(line.path()).unwrap();
        assert_eq!(PrivateKey::of_line(line.path()).unwrap().public(), key.public());
        let mode = fs::metadata(private_path(line.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_to_string(line.path().join(".key/.gitignore")).unwrap(), "*\n");
        let public = fs::read_to_string(line.path().join(PUBLIC)).unwrap();
        assert!(public.ends_with(&format!("\n{}\n", key.public())), "{public}");
        fs::remove_dir_all(line.path().join(FOLDER)).unwrap();
        let report = PrivateKey::of_line(line.path()).err().unwrap().report();
        let report = report.replace(&line.path().display().to_string(), "LINE");
        expect_test::expect![[r#"
            error: cannot sign records with the line's key
            because: LINE/record.pub is there, but not LINE/.key/record.key
            hint: copy `.key` from where the line was made; or remove `record.pub`, and records get a new key"#]]
        .assert_eq(&report);
        PrivateKey::make(&private_path(line.path())).unwrap();
        assert!(PrivateKey::of_line(line.path()).is_err(), "another key was taken for the line's");
    }
}
