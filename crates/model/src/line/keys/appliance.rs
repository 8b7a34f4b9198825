//! What is installed, but for the disks.

use super::disk::{DISK, ENCRYPTED, GROUP, RAID};
use super::key;
use crate::sheet::table::Need::{May, Must};
use crate::sheet::table::{Kind, Table};

pub(super) const APPLIANCE: Table = Table {
    name: "[appliance]",
    says: "What is installed on a box.",
    keys: &[&[
        key(
            "image",
            Kind::Table(&IMAGE),
            Must,
            r#"{ recipe = "appliance.toml" }"#,
            "Its content: built from a recipe, or somebody's file.",
        ),
        key(
            "confirm",
            Kind::Choice(&["ask", "auto"]),
            May("`ask`"),
            r#""ask""#,
            "Who confirms the plan before a disk is written: `ask` a person, or `auto` nobody.",
        ),
        key(
            "finish",
            Kind::Choice(&["power-off", "reboot", "stay-on"]),
            May("`power-off`"),
            r#""power-off""#,
            "How a finished box is left: switched off, started over, or on until a person types `off` or `reboot`. A finished box that boots from the network again is sent to its disk. A rehearsal follows: it waits while the box starts over, the network first, and comes to its disk; one that stays on is told `off`.",
        ),
        key(
            "hostname",
            Kind::Text,
            May("`{{ answer.hostname }}`"),
            r#""{{ answer.hostname }}""#,
            "The appliance's host name; a template.",
        ),
        key(
            "kernel-arguments",
            Kind::Text,
            May("none"),
            r#""console=tty0 console=ttyS0,115200n8""#,
            "More words for the appliance's kernel command line.",
        ),
        key("disk", Kind::Tables(&DISK), Must, "", "The disks that are laid out."),
        key("raid", Kind::Tables(&RAID), May("none"), "", "Software RAIDs of what is `part-of` them."),
        key("encrypted", Kind::Tables(&ENCRYPTED), May("none"), "", "Encrypted volumes (LUKS2)."),
        key("volume-group", Kind::Tables(&GROUP), May("none"), "", "Volume groups (LVM)."),
        key(
            "user",
            Kind::Tables(&USER),
            May("none besides root, whose password is locked"),
            "",
            "Users that are made.",
        ),
        key("file", Kind::Tables(&FILE), May("none"), "", "Files that are written after the image."),
        key(
            "cloud-init",
            Kind::Table(&CLOUD_INIT),
            May("cloud-init is given nothing"),
            "",
            "What cloud-init finds in the appliance at its first start.",
        ),
        key(
            "debs",
            Kind::List,
            May("none"),
            r#"["packages/edge-agent_1.2_amd64.deb"]"#,
            "Debian packages of the line that are installed in an image that is a `file`, all at once, after the files; what they depend on must be in the image or among them.",
        ),
        key(
            "script",
            Kind::Tables(&SCRIPT),
            May("none"),
            "",
            "Programs that are run in the appliance after its files.",
        ),
    ]],
};

const IMAGE: Table = Table {
    name: "image = { … }",
    says: "Where the appliance's content comes from: `recipe`, or `file` with its `sha256`.",
    keys: &[&[
        key(
            "recipe",
            Kind::Text,
            May("a `file` is named"),
            r#""appliance.toml""#,
            "A recipe's path in the line's folder.",
        ),
        key(
            "file",
            Kind::Text,
            May("a `recipe` is named"),
            r#""edge-2.4.tar.zst""#,
            "Path in the line's folder of an archive, of an image of a file system or a disk, or of an OCI image layout; told by its content.",
        ),
        key(
            "sha256",
            Kind::Text,
            May("there is no `file`"),
            r#""9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08""#,
            "The SHA-256 of `file`, 64 hex digits; of a folder with an OCI image layout, that of its manifest.",
        ),
        key(
            "signature",
            Kind::Text,
            May("its SHA-256 is all that it must have"),
            r#""edge-2.4.tar.zst.minisig""#,
            "Path in the line's folder of a signature of `file`, by minisign or OpenPGP (detached).",
        ),
        key(
            "key",
            Kind::Text,
            May("there is no `signature`"),
            r#""minisign.pub""#,
            "Path in the line's folder of the public key that the signature must be by; of OpenPGP a keyring, not armored.",
        ),
        key(
            "root",
            Kind::Number,
            May("the partition that is marked as the root, or the largest with a Linux file system"),
            "3",
            "Of an image of a whole disk: the number of the partition that files and users are written into.",
        ),
    ]],
};

const USER: Table = Table {
    name: "[[appliance.user]]",
    says: "One user of the appliance.",
    keys: &[&[
        key("name", Kind::Text, Must, r#""admin""#, "The login name."),
        key(
            "password",
            Kind::Text,
            May("nobody can log in with a password"),
            r#""{{ answer.password }}""#,
            "A template that gives a crypt(5) hash: the answer to a `password` question is one.",
        ),
        key("groups", Kind::List, May("its own"), r#"["sudo"]"#, "Groups besides its own."),
    ]],
};

const FILE: Table = Table {
    name: "[[appliance.file]]",
    says: "A file written into the appliance after the image, with the answers filled in.",
    keys: &[&[
        key("path", Kind::Text, Must, r#""/etc/motd""#, "Where it goes, an absolute path."),
        key("template", Kind::Text, Must, r#""files/motd""#, "The template's path in the line's folder."),
        key("mode", Kind::Mode, May("`0644`"), r#""0644""#, "Its permission bits."),
    ]],
};

const CLOUD_INIT: Table = Table {
    name: "[appliance.cloud-init]",
    says: "Data for cloud-init's data source NoCloud, written into `/var/lib/cloud/seed/nocloud` of the appliance as \
           `[[appliance.file]]` is, readable for root only. An image that is built must have the package `cloud-init`.",
    keys: &[&[
        key(
            "user-data",
            Kind::Text,
            Must,
            r#""files/user-data""#,
            "A template's path in the line's folder. A literal `{{`, as Jinja has it, is written `{{ \"{{\" }}`.",
        ),
        key(
            "meta-data",
            Kind::Text,
            May("an `instance-id` of the box's serial number and the host name, and a `local-hostname`"),
            r#""files/meta-data""#,
            "A template's path in the line's folder.",
        ),
        key(
            "network-config",
            Kind::Text,
            May("cloud-init decides, or the image"),
            r#""files/network-config""#,
            "A template's path in the line's folder.",
        ),
    ]],
};

const SCRIPT: Table = Table {
    name: "[[appliance.script]]",
    says: "A program of the line that is run once in the appliance, as root, after its files and users and before its boot \
           loader; without a network. It finds answers as `ANSWER_hostname` and the box's facts as `BOX_SERIAL` and the like \
           in its environment. What it prints goes into the timeline; if it fails, the installation stops.",
    keys: &[&[
        key(
            "run",
            Kind::Text,
            Must,
            r#""scripts/enrol""#,
            "Its path in the line's folder; it begins with `#!`.",
        ),
        key(
            "timeout",
            Kind::Number,
            May("600"),
            "60",
            "Seconds after which it is ended, which is a failure.",
        ),
    ]],
};
