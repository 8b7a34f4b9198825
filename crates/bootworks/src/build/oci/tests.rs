//! Layouts as build tools write them, flattened.

use super::super::store::hex;
use super::*;
use sha2::{Digest as _, Sha256};

/// What goes into a layer: kind, path, link or contents.
type Item = (tar::EntryType, &'static str, &'static str);

fn layer(items: &[Item]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (kind, path, text) in items {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.set_mtime(1);
        match kind {
            tar::EntryType::Link | tar::EntryType::Symlink => {
                header.set_size(0);
                archive.append_link(&mut header, path, text).unwrap();
            }
            _ => {
                header.set_size(text.len() as u64);
                archive.append_data(&mut header, path, text.as_bytes()).unwrap();
            }
        }
    }
    archive.into_inner().unwrap()
}

fn put(folder: &Path, bytes: &[u8]) -> String {
    let sha256 = hex(&Sha256::digest(bytes));
    std::fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    std::fs::write(folder.join("blobs/sha256").join(&sha256), bytes).unwrap();
    sha256
}

/// A layout of these layers; gives the digest of its manifest.
fn layout(folder: &Path, layers: &[Vec<u8>]) -> String {
    let digests: Vec<_> = layers
        .iter()
        .map(|one| serde_json::json!({"digest": format!("sha256:{}", put(folder, one))}))
        .collect();
    let manifest = put(folder, serde_json::json!({ "layers": digests }).to_string().as_bytes());
    let named = format!("sha256:{manifest}");
    let other = serde_json::json!({"digest": format!("sha256:{}", "0".repeat(64)), "platform": {"architecture": "arm64"}});
    let ours = serde_json::json!({"digest": named, "platform": {"architecture": "amd64"}});
    let index = put(folder, serde_json::json!({ "manifests": [other, ours] }).to_string().as_bytes());
    let top = serde_json::json!({ "manifests": [{"digest": format!("sha256:{index}")}] });
    std::fs::write(folder.join("index.json"), top.to_string()).unwrap();
    std::fs::write(folder.join(MARK), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    index
}

fn list(packed: &Path) -> String {
    let stream = zstd::stream::read::Decoder::new(File::open(packed).unwrap()).unwrap();
    let mut archive = tar::Archive::new(stream);
    let lines = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let link =
            entry.link_name().unwrap().map(|link| format!(" -> {}", link.display())).unwrap_or_default();
        format!("{:?} {}{link} {text}\n", entry.header().entry_type(), entry.path().unwrap().display())
    });
    lines.collect()
}

/// What is taken away must be gone, what is replaced must be new, and a link must lead to what it did.
#[test]
fn layers_are_put_on_each_other() {
    use tar::EntryType::{Directory as D, Link as L, Regular as F, Symlink as S};
    let folder = tempfile::tempdir().unwrap();
    let lower = layer(&[
        (D, "etc/", ""),
        (F, "etc/kept", "lower"),
        (F, "etc/gone", "lower"),
        (F, "etc/replaced", "lower"),
        (L, "etc/linked", "etc/replaced"),
        (D, "opt/", ""),
        (F, "opt/a", "lower"),
        (D, "var/", ""),
        (F, "var/x", "lower"),
        (D, "srv/", ""),
        (F, "srv/file", "in a folder that becomes a link"),
    ]);
    let upper = layer(&[
        (D, "etc/", ""),
        (F, "etc/.wh.gone", ""),
        (F, "etc/replaced", "upper"),
        (D, "opt/", ""),
        (F, "opt/.wh..wh..opq", ""),
        (F, "opt/b", "upper"),
        (F, ".wh.var", ""),
        (S, "srv", "/opt"),
    ]);
    let upper = zstd::encode_all(&upper[..], 3).unwrap();
    let digest = layout(folder.path(), &[lower, upper]);
    let to = folder.path().join("packed");
    let packed = pack(folder.path(), Some(&digest), &to).unwrap();
    expect_test::expect![[r#"
        Directory etc 
        Directory opt 
        Regular etc/kept lower
        Regular etc/linked lower
        Regular etc/replaced upper
        Regular opt/b upper
        Symlink srv -> /opt 
    "#]]
    .assert_eq(&list(&to));
    assert_eq!(packed.sha256, digest_file(&to).unwrap().0);
    let again = pack(folder.path(), None, &folder.path().join("again")).unwrap();
    assert_eq!(again.sha256, packed.sha256, "the same twice");
    let mut archive = tar::Builder::new(File::create(folder.path().join("saved.tar")).unwrap());
    for name in [MARK, "index.json"] {
        archive.append_path_with_name(folder.path().join(name), name).unwrap();
    }
    archive.append_dir_all("blobs", folder.path().join("blobs")).unwrap();
    archive.finish().unwrap();
    let saved = folder.path().join("saved.tar");
    let sha256 = digest_file(&saved).unwrap().0;
    let adopted = super::super::adopt::adopt(&saved, &sha256, None, &folder.path().join("adopted")).unwrap();
    assert_eq!(adopted, packed, "the same from an archive");
}

/// A layout is somebody's: damaged, of another machine, or not the one that is named.
#[test]
fn a_layout_that_is_not_right_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let digest = layout(path, &[layer(&[(tar::EntryType::Regular, "a", "1")])]);
    let refusal = |wanted: Option<&str>| {
        let failure = pack(path, wanted, &path.join("to")).unwrap_err();
        failure.report().replace(&path.display().to_string(), "LINE")
    };
    expect_test::expect![[r#"
        error: the image layout has not the manifest that line.toml names
        because: it has sha256:dcaad8e1634b1f5dc564e3d2877f864725f024f0b5f06c0e2f3032404d278c7b
        hint: write the SHA-256 of one of them into line.toml"#]]
    .assert_eq(&refusal(Some(&"1".repeat(64))));
    std::fs::write(path.join("blobs/sha256").join(&digest), "{}").unwrap();
    let damaged = refusal(None).replace(&digest, "DIGEST");
    expect_test::expect![[r#"
        error: LINE/blobs/sha256/DIGEST is damaged
        because: its SHA-256 is 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a
        hint: copy the image anew"#]]
    .assert_eq(&damaged);
    std::fs::write(path.join("index.json"), r#"{"manifests":[{"digest":"md5:../../etc/passwd"}]}"#).unwrap();
    expect_test::expect![[r#"
        error: the image layout names something by `md5:../../etc/passwd`
        because: only SHA-256 is read"#]]
    .assert_eq(&refusal(None));
}
