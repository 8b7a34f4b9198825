//! What is taken for an image and what is not.

use super::*;

fn digest(path: &Path) -> String {
    digest_file(path).unwrap().0
}

/// Whoever names the wrong file must read so when the line is built, and not in front of a box.
#[test]
fn what_is_no_image_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |bytes: &[u8], root: Option<u32>| {
        let file = folder.path().join("image");
        std::fs::write(&file, bytes).unwrap();
        let failure = adopt(&file, &digest(&file), root, &folder.path().join("to")).unwrap_err();
        failure.report().replace(&folder.path().display().to_string(), "LINE")
    };
    expect_test::expect![[r#"
        error: LINE/image is no image that boxes can unpack
        because: read as a tar archive with no compression: failed to fill whole buffer
        hint: give a tar archive, or an image of a disk, ext4, XFS or btrfs; compressed with gzip, bzip2, xz, zstd, lz4 or not"#]].assert_eq(&refusal(b"no archive", None));
    expect_test::expect![[r#"
        error: the image is a virtual machine's disk in the format qcow2, not the disk itself
        while: looking at the image LINE/image
        hint: `qemu-img convert -f qcow2 -O raw FROM TO` makes it"#]]
    .assert_eq(&refusal(b"QFI\xfb\0\0\0\x03", None));
    expect_test::expect![[r#"
        error: the line says `root = 2`, but the image is no disk
        while: looking at the image LINE/image
        because: with no compression, it has no partition table
        hint: leave `root` out"#]]
    .assert_eq(&refusal(&[0; 4096], Some(2)));
    let file = folder.path().join("image");
    let wrong = adopt(&file, &"0".repeat(64), None, &folder.path().join("to")).unwrap_err().report();
    assert!(wrong.contains("is not the image that line.toml names"), "{wrong}");
}
