//! Disks, partitions, and what stands on them.

use super::key;
use crate::sheet::table::Need::{May, Must};
use crate::sheet::table::{Key, Kind, Table};

pub(super) const DISK: Table = Table {
    name: "[[appliance.disk]]",
    says: "One disk: which one, and what is put on it.",
    keys: &[&[
        key(
            "match",
            Kind::Table(&MATCH),
            May("any disk, where a box has only one"),
            r#"{ min-size = "4GiB" }"#,
            "Which disk.",
        ),
        key(
            "table",
            Kind::Choice(&["gpt", "mbr"]),
            May("`gpt`"),
            r#""gpt""#,
            "The kind of partition table. `mbr` has four partitions and ends at 2 TiB.",
        ),
        key(
            "erase",
            Kind::Choice(&["discard", "zero", "nvme-format", "nvme-sanitize", "ata-security-erase"]),
            May("what was there is forgotten, not destroyed"),
            r#""discard""#,
            "How what was on the disk is destroyed first: by telling it that nothing is needed, by zeros, by NVMe Format or Sanitize, by ATA Security Erase.",
        ),
        key(
            "partitions",
            Kind::Tables(&PARTITION),
            May("the image is a whole disk and brings its own"),
            r#"[{ size = "rest", filesystem = "ext4", mount = "/" }]"#,
            "Its partitions in order. A BIOS boot partition is added, so that either firmware boots.",
        ),
    ]],
};

const MATCH: Table = Table {
    name: "match = { … }",
    says: "Which disk: all conditions must hold. Several that fit without `choose` are a refusal that lists them.",
    keys: &[&[
        key("min-size", Kind::Size, May("any"), r#""4GiB""#, "At least this large."),
        key("max-size", Kind::Size, May("any"), r#""2TiB""#, "At most this large."),
        key("rotational", Kind::Flag, May("either"), "false", "Turning or not."),
        key(
            "transport",
            Kind::Choice(&["nvme", "sata", "sas", "virtio", "scsi", "mmc"]),
            May("any"),
            r#""nvme""#,
            "How it is attached. What can be pulled out by hand (USB, SD) is never installed to.",
        ),
        key("model", Kind::Text, May("any"), r#""SAMSUNG MZ*""#, "Its model, with `*` as wildcard."),
        key("serial", Kind::Text, May("any"), r#""S4EV*""#, "Its serial number, with `*` as wildcard."),
        key(
            "path",
            Kind::Text,
            May("any"),
            r#""pci-0000:00:04.0-nvme-1""#,
            "Its slot, with `*` as wildcard.",
        ),
        key(
            "wwn",
            Kind::Text,
            May("any"),
            r#""naa.5000c500*""#,
            "Its world-wide name, with `*` as wildcard.",
        ),
        key(
            "count",
            Kind::Number,
            May("1"),
            "2",
            "How many disks are laid out alike; their partitions are `part-of` something.",
        ),
        key(
            "choose",
            Kind::Choice(&["smallest", "largest", "first"]),
            May("no more may fit than are laid out"),
            r#""smallest""#,
            "Which of several that fit.",
        ),
    ]],
};

const PARTITION: Table = Table {
    name: "partitions = [{ … }]",
    says: "One partition, and the file system on it or what it is part of.",
    keys: &[
        &[
            key(
                "size",
                Kind::SizeOrRest,
                Must,
                r#""512MiB""#,
                "How large; `\"rest\"` is what is left, for the last partition.",
            ),
            key(
                "preserve",
                Kind::Flag,
                May("`false`"),
                "true",
                "Whether its file system stays as it is when a box that has it is installed again. GPT only.",
            ),
        ],
        CONTENT,
    ],
};

/// What is made on a partition, a RAID, an encrypted or a logical volume.
const CONTENT: &[Key] = &[
    key(
        "filesystem",
        Kind::Choice(&["vfat", "ext4", "xfs", "btrfs", "swap"]),
        May("it is `part-of` something"),
        r#""ext4""#,
        "What is made on it. `vfat` at `/boot/efi` is the EFI system partition.",
    ),
    key(
        "part-of",
        Kind::Text,
        May("it has a `filesystem`"),
        r#""system""#,
        "The name of the RAID, encrypted volume or volume group that it is part of.",
    ),
    key(
        "mount",
        Kind::Text,
        May("not mounted, which only swap and btrfs with subvolumes may be"),
        r#""/""#,
        "Where the appliance mounts it.",
    ),
    key("label", Kind::Text, May("none"), r#""ESP""#, "The file system's label."),
    key(
        "subvolumes",
        Kind::Tables(&SUBVOLUME),
        May("none"),
        r#"[{ name = "@", mount = "/" }, { name = "@home", mount = "/home" }]"#,
        "Subvolumes of btrfs, each mounted at its place.",
    ),
];

const SUBVOLUME: Table = Table {
    name: "subvolumes = [{ … }]",
    says: "One subvolume of btrfs.",
    keys: &[&[
        key("name", Kind::Text, Must, r#""@home""#, "Its name at the top of the file system."),
        key("mount", Kind::Text, Must, r#""/home""#, "Where the appliance mounts it."),
    ]],
};

pub(super) const RAID: Table = Table {
    name: "[[appliance.raid]]",
    says: "A software RAID (md) of everything that is `part-of` it. At `/boot/efi` it is one that firmware can read.",
    keys: &[
        &[
            key("name", Kind::Text, Must, r#""system""#, "What is `part-of` it names it so."),
            key("level", Kind::Number, Must, "1", "0, 1, 5, 6 or 10."),
        ],
        CONTENT,
    ],
};

pub(super) const ENCRYPTED: Table = Table {
    name: "[[appliance.encrypted]]",
    says: "An encrypted volume (LUKS2) on the one thing that is `part-of` it.",
    keys: &[
        &[
            key("name", Kind::Text, Must, r#""vault""#, "What is `part-of` it names it so."),
            key(
                "passphrase",
                Kind::Text,
                May("a `key-file` is named"),
                r#""{{ answer.passphrase }}""#,
                "The answer to a `passphrase` question; the appliance asks for it at each boot.",
            ),
            key(
                "key-file",
                Kind::Text,
                May("a `passphrase` is asked for"),
                r#""/etc/keys/data.key""#,
                "Where a random key is kept that is made on the box; not for what holds the root itself.",
            ),
            key(
                "tpm2",
                Kind::Flag,
                May("`false`"),
                "true",
                "Whether the box's own TPM 2.0 opens it at each boot. The `passphrase` stays, and is asked for where the TPM cannot.",
            ),
        ],
        CONTENT,
    ],
};

pub(super) const GROUP: Table = Table {
    name: "[[appliance.volume-group]]",
    says: "A volume group (LVM) of everything that is `part-of` it.",
    keys: &[&[
        key("name", Kind::Text, Must, r#""vg0""#, "What is `part-of` it names it so."),
        key(
            "volumes",
            Kind::Tables(&VOLUME),
            Must,
            r#"[{ name = "root", size = "rest", filesystem = "ext4", mount = "/" }]"#,
            "Its logical volumes in order.",
        ),
    ]],
};

const VOLUME: Table = Table {
    name: "volumes = [{ … }]",
    says: "One logical volume: plain, a thin pool, or thin out of a pool.",
    keys: &[
        &[
            key("name", Kind::Text, Must, r#""root""#, "Its name in the group."),
            key(
                "size",
                Kind::SizeOrRest,
                Must,
                r#""8GiB""#,
                "How large; `\"rest\"` is what is left, for the last volume that is not thin.",
            ),
            key("thin-pool", Kind::Flag, May("`false`"), "true", "Whether it is a pool for thin volumes."),
            key(
                "thin",
                Kind::Text,
                May("it takes its space from the group"),
                r#""pool""#,
                "The pool that it takes its space from as it is written.",
            ),
        ],
        CONTENT,
    ],
};
