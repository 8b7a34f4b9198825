//! Who signed an image: minisign is verified here and again on the box, OpenPGP here by gpgv(1).
//!
//! Which of the two it is the signature's own text tells.

use super::store::digest_file;
use linux::process::Child;
use linux::tools::GPGV;
use minisign_verify::{PublicKey, Signature};
use model::failure::{Explain as _, Failure, Result};
use model::line::{ImageSource, Line, Signed};
use model::raw::ImageSignature;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// How a signature of minisign begins.
const MINISIGN: &[u8] = b"untrusted comment:";

/// Names signature and key by their contents.
pub(super) fn identity(folder: &Path, signed: &Signed) -> Result<String> {
    let (signature, _) = digest_file(&folder.join(&signed.signature))?;
    let (key, _) = digest_file(&folder.join(&signed.key))?;
    Ok(format!("{signature} {key}"))
}

/// What boxes hold the image of a line against.
pub(super) fn of_line(line: &Line, folder: &Path) -> Result<Option<ImageSignature>> {
    let ImageSource::File { signed: Some(signed), .. } = &line.appliance.image else { return Ok(None) };
    Ok(minisign(folder, signed)?.map(|(key, signature)| ImageSignature { key, signature }))
}

/// Key and signature, if they are minisign's.
fn minisign(folder: &Path, signed: &Signed) -> Result<Option<(String, String)>> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).or_fail(|| format!("cannot read {}", path.display()))
    };
    let signature = read(&signed.signature)?;
    if !signature.starts_with(MINISIGN) {
        return Ok(None);
    }
    let text =
        |bytes: Vec<u8>, name: &str| String::from_utf8(bytes).or_fail(|| format!("{name} is not text"));
    let key = text(read(&signed.key)?, &signed.key)?;
    Ok(Some((key, text(signature, &signed.signature)?)))
}

/// Holds the image `path` of the line in `folder` against its signature.
pub(super) fn check(folder: &Path, path: &str, signed: &Signed) -> Result<()> {
    let wrong = |why: String| {
        Failure::new(format!("the signature of {path} is not right"))
            .because(why)
            .because(format!("{} was held against {}", signed.signature, signed.key))
            .hint("get image, signature and key from whoever made the image; without a right one nothing is built")
    };
    let Some((key, signature)) = minisign(folder, signed)? else {
        let said =
            Child::of(GPGV).arg("--keyring").arg(folder.join(&signed.key).canonicalize().unwrap_or_default());
        let said = said.arg(folder.join(&signed.signature)).arg(folder.join(path));
        let (status, _, text) = said.spawn_and_wait()?;
        if status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let last = text.lines().filter(|line| line.starts_with("gpgv:"));
        return Err(last.fold(wrong("gpgv does not accept it".into()), |failure, line| failure.because(line)));
    };
    let key = decode_key(&key).map_err(&wrong)?;
    let signature = Signature::decode(&signature).map_err(|error| wrong(error.to_string()))?;
    let mut verifier = key.verify_stream(&signature).map_err(|error| wrong(said(&error)))?;
    let reading = || format!("cannot read {path}");
    let mut file = File::open(folder.join(path)).or_fail(reading)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).or_fail(reading)? {
            0 => break,
            count => verifier.update(&buffer[..count]),
        }
    }
    verifier.finalize().map_err(|error| wrong(said(&error)))
}

/// A key file has a comment in its first line, a key alone has none.
fn decode_key(text: &str) -> Result<PublicKey, String> {
    let decoded = PublicKey::decode(text).or_else(|_| PublicKey::from_base64(text.trim()));
    decoded.map_err(|error| format!("the key: {error}"))
}

/// What the library means, in words that say what to do.
fn said(error: &minisign_verify::Error) -> String {
    match error {
        minisign_verify::Error::UnsupportedLegacyMode => {
            "it is of the old kind, over the whole file at once: sign with `minisign -S -H`".into()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux::tools::Tool;

    const MINISIGN_TOOL: Tool = Tool { name: "minisign", package: "minisign", reason: "the tests" };

    /// Whoever changes one octet of the image, or signs with another key, is found out before anything is built.
    #[test]
    fn system_only_what_the_key_signed_is_taken() {
        if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
            eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (minisign)");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("image"), "an image").unwrap();
        for name in ["one", "other"] {
            let key = Child::of(MINISIGN_TOOL).args(["-G", "-W", "-f", "-p"]).arg(at(&format!("{name}.pub")));
            key.arg("-s").arg(at(&format!("{name}.key"))).run().unwrap();
        }
        let sign = |flag: &str, to: &str| {
            let child = Child::of(MINISIGN_TOOL).args(["-S", flag, "-s"]).arg(at("one.key"));
            child.arg("-x").arg(at(to)).arg("-m").arg(at("image")).run().unwrap();
        };
        sign("-H", "image.minisig");
        sign("-l", "old.minisig");
        let by = |signature: &str, key: &str| Signed { signature: signature.into(), key: key.into() };
        let held =
            |signed: Signed| check(folder.path(), "image", &signed).map_err(|failure| failure.report());
        held(by("image.minisig", "one.pub")).unwrap();
        expect_test::expect![[r#"
            error: the signature of image is not right
            because: The signature was created with a different key than the one provided
            because: image.minisig was held against other.pub
            hint: get image, signature and key from whoever made the image; without a right one nothing is built"#]].assert_eq(&held(by("image.minisig", "other.pub")).unwrap_err());
        expect_test::expect![[r#"
            error: the signature of image is not right
            because: it is of the old kind, over the whole file at once: sign with `minisign -S -H`
            because: old.minisig was held against one.pub
            hint: get image, signature and key from whoever made the image; without a right one nothing is built"#]].assert_eq(&held(by("old.minisig", "one.pub")).unwrap_err());
        std::fs::write(at("image"), "An image").unwrap();
        expect_test::expect![[r#"
            error: the signature of image is not right
            because: The signature verification failed
            because: image.minisig was held against one.pub
            hint: get image, signature and key from whoever made the image; without a right one nothing is built"#]].assert_eq(&held(by("image.minisig", "one.pub")).unwrap_err());
    }

    const GPG: Tool = Tool { name: "gpg", package: "gpg", reason: "the tests" };
    const GPGCONF: Tool = Tool { name: "gpgconf", package: "gpgconf", reason: "the tests" };

    /// The same of OpenPGP, by a real `gpg`.
    #[test]
    fn system_only_what_the_key_of_openpgp_signed_is_taken() {
        if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
            eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (gpg)");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("image"), "an image").unwrap();
        for name in ["one", "other"] {
            let home = at(&format!("{name}.home"));
            std::fs::create_dir(&home).unwrap();
            let gpg = || Child::of(GPG).args(["--batch", "--quiet", "--homedir"]).arg(&home);
            let generate =
                gpg().args(["--passphrase", "", "--quick-gen-key", name, "ed25519", "sign", "never"]);
            generate.run().unwrap();
            std::fs::write(at(&format!("{name}.gpg")), gpg().arg("--export").run().unwrap()).unwrap();
            let sign = gpg().arg("--detach-sign").arg("-o").arg(at(&format!("{name}.sig")));
            sign.arg(at("image")).run().unwrap();
            // The agent that made the key would outlive its folder.
            Child::of(GPGCONF).arg("--homedir").arg(&home).args(["--kill", "all"]).run().unwrap();
        }
        let by = |signature: &str, key: &str| Signed { signature: signature.into(), key: key.into() };
        let held =
            |signed: Signed| check(folder.path(), "image", &signed).map_err(|failure| failure.report());
        held(by("one.sig", "one.gpg")).unwrap();
        let wrong = |why: &str, signature: &str, key: &str| {
            let report = held(by(signature, key)).unwrap_err();
            let held = format!("because: {signature} was held against {key}");
            for said in ["error: the signature of image is not right", why, &held] {
                assert!(report.contains(said), "{report}");
            }
        };
        wrong("because: gpgv: Can't check signature: No public key", "one.sig", "other.gpg");
        std::fs::write(at("image"), "An image").unwrap();
        wrong("because: gpgv: BAD signature from \"one\"", "one.sig", "one.gpg");
    }
}
