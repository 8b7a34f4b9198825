//! What a root is built from: of the live OS and of an image.

use super::key;
use crate::sheet::table::Need::{May, Must};
use crate::sheet::table::{Key, Kind, Table};

/// What the live OS and an image have in common.
pub(super) const RECIPE: &[Key] = &[
    key("suite", Kind::Text, Must, r#""bookworm""#, "The distribution's name for the release."),
    key(
        "packages",
        Kind::List,
        May("the essential packages only"),
        r#"["lvm2", "mdadm"]"#,
        "Packages wanted besides the essential ones; what they depend on comes along.",
    ),
    key("components", Kind::List, May("`main`"), r#"["main", "non-free-firmware"]"#, "Parts of the archive."),
    key(
        "mirrors",
        Kind::Tables(&MIRROR),
        May("what the host's apt configuration names for the suite"),
        r#"[{ uri = "https://archive.example.org/debian", suites = ["bookworm"] }]"#,
        "Archives that packages are taken from.",
    ),
    key(
        "snapshot",
        Kind::Text,
        May("the archives as they are when the line is locked"),
        r#""20260101T000000Z""#,
        "The moment that archives of snapshots are read as of; it takes the place of `{snapshot}` in the mirrors' addresses. Dates until which such archives were vouched for do not count.",
    ),
    key(
        "debs",
        Kind::List,
        May("none"),
        r#"["packages"]"#,
        "Packages of the line's own: `.deb` files, or folders of them. They can be named in `packages`, and come before an archive's of the same name.",
    ),
    key(
        "files",
        Kind::Tables(&RECIPE_FILES),
        May("none"),
        r#"[{ source = "files/motd", path = "/etc/motd" }]"#,
        "Files of the line that are copied in.",
    ),
    key(
        "extra-modules",
        Kind::List,
        May("none"),
        r#"["modules/acme.ko"]"#,
        "Kernel modules of the line's own. They are put into the kernel's `updates` folder and, of the live OS, into the initrd; a build refuses one that the locked kernel would not load.",
    ),
    key(
        "scripts",
        Kind::List,
        May("none"),
        r#"["scripts/tidy"]"#,
        "Programs of the line that are run in the finished root, in order.",
    ),
    key(
        "enable",
        Kind::List,
        May("what the packages enable"),
        r#"["nginx.service"]"#,
        "systemd units that are enabled.",
    ),
];

const MIRROR: Table = Table {
    name: "mirrors = [{ … }]",
    says: "One archive that packages are taken from.",
    keys: &[&[
        key(
            "uri",
            Kind::Text,
            Must,
            r#""https://archive.example.org/debian""#,
            "Its base address, as after `deb` in apt's sources.",
        ),
        key(
            "also",
            Kind::List,
            May("it has no other address"),
            r#"["https://mirror.example.org/debian"]"#,
            "Further addresses of the same archive; they are tried in this order when one does not answer.",
        ),
        key("suites", Kind::List, Must, r#"["bookworm", "bookworm-updates"]"#, "The suites taken from it."),
        key(
            "signed-by",
            Kind::Text,
            May("the distribution's keyring"),
            r#""/usr/share/keyrings/debian-archive-keyring.gpg""#,
            "The keyring that its signature is checked with.",
        ),
        key(
            "accept",
            Kind::List,
            May("it has to be signed and in date"),
            r#"["expired"]"#,
            "What is taken from it all the same: `unsigned`, `expired`. Whoever can write to an unsigned archive decides what your boxes run.",
        ),
    ]],
};

const RECIPE_FILES: Table = Table {
    name: "files = [{ … }]",
    says: "A file or folder of the line that is copied into the root.",
    keys: &[&[
        key(
            "source",
            Kind::Text,
            Must,
            r#""files/motd""#,
            "Its path in the line's folder; a folder is copied whole.",
        ),
        key("path", Kind::Text, Must, r#""/etc/motd""#, "Where it goes, an absolute path."),
        key(
            "mode",
            Kind::Mode,
            May("`0644`, or `0755` where the source is executable"),
            r#""0644""#,
            "Its permission bits.",
        ),
    ]],
};
