//! What a person reads who wrote an image of somebody's wrongly, and what is understood of it.

use super::tests::{GOOD, files, say};
use super::*;
use expect_test::{Expect, expect};

const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// The good line with another image, and disks without partitions where there are none.
fn line(image: &str, partitions: bool) -> String {
    let mut text = GOOD.replace("{ recipe = \"appliance.toml\" }", &image.replace("SHA", SHA256));
    if !partitions {
        let start = text.find("partitions = [").unwrap();
        let end = text.find("[[appliance.user]]").unwrap();
        text.replace_range(start..end, "");
    }
    text
}

#[track_caller]
fn check(image: &str, partitions: bool, expected: Expect) {
    expected.assert_eq(&say(&line(image, partitions), &files()));
}

/// A signature without its key, or the other way round, would be checked by nobody.
#[test]
fn signatures_have_keys() {
    check(
        r#"{ file = "files/page", sha256 = "SHA", signature = "files/page" }"#,
        true,
        expect![[r#"
        error: line.toml:30:121: `image` has no `key`
          30 | 015a3bf4f1b2b0b822cd15d6c15b0f00a08", signature = "files/page" }
             |                                                   ^^^^^^^^^^^^
        hint: `key = "minisign.pub"`, the public key that it must be by"#]],
    );
    check(
        r#"{ file = "files/page", sha256 = "SHA", key = "files/page" }"#,
        true,
        expect![[r#"
        error: line.toml:30:115: `image` has no `signature`
          30 | 0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", key = "files/page" }
             |                                                   ^^^^^^^^^^^^
        hint: `signature = "edge-2.4.tar.zst.minisig"`"#]],
    );
    check(
        r#"{ file = "files/page", sha256 = "SHA", signature = "no", key = "../k" }"#,
        true,
        expect![[r#"
        error: line.toml:30:121: there is no file `no`
          30 | 015a3bf4f1b2b0b822cd15d6c15b0f00a08", signature = "no", key = "../k" }
             |                                                   ^^^^
        hint: the path is relative to the line's folder

        error: line.toml:30:133: `../k` has an empty part, a `.` or a `..` in it
          30 | b0b822cd15d6c15b0f00a08", signature = "no", key = "../k" }
             |                                                   ^^^^^^
        hint: a path relative to the folder of line.toml: `"files/motd"`"#]],
    );
    check(
        r#"{ recipe = "appliance.toml", signature = "files/page", key = "files/page", root = 1 }"#,
        true,
        expect![[r#"
            error: line.toml:30:50: a recipe has no `signature`
              30 | image = { recipe = "appliance.toml", signature = "files/page", key = "files/page", root = 1 }
                 |                                                  ^^^^^^^^^^^^
            hint: leave it out: the lock pins what a recipe is built from

            error: line.toml:30:84: a recipe has no `root`
              30 | image = { recipe = "appliance.toml", signature = "files/page", key = "files/page", root = 1 }
                 |                                                                                    ^^^^
            hint: leave it out: the line's disks say where the root is"#]],
    );
    let text = line(
        r#"{ file = "files/page", sha256 = "SHA", signature = "files/page", key = "files/page" }"#,
        true,
    );
    let ImageSource::File { signed: Some(signed), .. } = read(&text, &files()).unwrap().appliance.image
    else {
        panic!()
    };
    assert_eq!((signed.signature.as_str(), signed.key.as_str()), ("files/page", "files/page"));
}

/// Only somebody's image can bring partitions of its own.
#[test]
fn who_brings_the_partitions() {
    check(
        r#"{ recipe = "appliance.toml" }"#,
        false,
        expect![[r#"
        error: line.toml:32:1: [[appliance.disk]] has no `partitions`
          32 | [[appliance.disk]]
             | ^^^^^^^^^^^^^^^^^^
        hint: `partitions = [{ size = "rest", filesystem = "ext4", mount = "/" }]`"#]],
    );
    check(
        r#"{ file = "files/page", sha256 = "SHA", root = 300 }"#,
        false,
        expect![[r#"
        error: line.toml:30:116: there is no partition 300
          30 | c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", root = 300 }
             |                                                   ^^^
        hint: its number in the image's table, between 1 and 128"#]],
    );
    let text = line(r#"{ file = "files/page", sha256 = "SHA", root = 3 }"#, false);
    let appliance = read(&text, &files()).unwrap().appliance;
    assert!(appliance.disks[0].partitions.is_empty());
    assert!(matches!(appliance.image, ImageSource::File { root: Some(3), signed: None, .. }));
}

/// A box that is left otherwise than the line says is shipped on, or does not come up where it stands.
#[test]
fn how_a_box_is_left() {
    let finish = |word: &str| {
        let text = GOOD.replace("confirm = \"ask\"", &format!("confirm = \"ask\"\nfinish = \"{word}\""));
        read(&text, &files()).map(|line| line.appliance.finish)
    };
    assert_eq!(finish("reboot").unwrap(), Finish::Reboot);
    assert_eq!(finish("stay-on").unwrap(), Finish::StayOn);
    assert_eq!(read(GOOD, &files()).unwrap().appliance.finish, Finish::PowerOff);
    expect![[r#"
        error: line.toml:32:10: `finish` cannot be `"halt"`
          32 | finish = "halt"
             |          ^^^^^^
        hint: it is `"power-off"`, `"reboot"` or `"stay-on"`"#]]
    .assert_eq(&finish("halt").unwrap_err().to_string());
}
