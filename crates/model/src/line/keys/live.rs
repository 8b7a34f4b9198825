//! The live OS, its fallback, and the hardware that it must boot.

use super::key;
use super::recipe::RECIPE;
use crate::sheet::table::Need::{May, Must};
use crate::sheet::table::{Kind, Table};

pub(super) const LIVE: Table = Table {
    name: "[live]",
    says: "The read-only system that boxes boot over the network: a recipe, its kernel, and how its root gets there.",
    keys: &[
        &[
            key(
                "kernel",
                Kind::Text,
                Must,
                r#""linux-image-amd64""#,
                "The kernel's package; what it lacks for your hardware, `bootworks check` says.",
            ),
            key(
                "drivers",
                Kind::Choice(&["all", "hardware"]),
                May("`all`"),
                r#""all""#,
                "Which drivers the initrd has. `all`: every wired NIC's and every disk controller's. `hardware`: those that `hardware/*.toml` asks for; any other box is not found.",
            ),
            key(
                "modules",
                Kind::List,
                May("none"),
                r#"["nvme-tcp"]"#,
                "Kernel modules that the initrd has besides, with what they need.",
            ),
            key(
                "root",
                Kind::Choice(&["nfs", "ram"]),
                May("`nfs`"),
                r#""nfs""#,
                "`nfs`: files come over the network as they are asked for. `ram`: one verified squashfs is fetched into memory.",
            ),
            key(
                "kernel-arguments",
                Kind::Text,
                May("none"),
                r#""console=ttyS0,115200n8""#,
                "More words for the live OS's kernel command line.",
            ),
            key(
                "fallback",
                Kind::Table(&FALLBACK),
                May("such a box gets a screen that says what is missing"),
                "",
                "A second live OS, for boxes whose boot NIC has no driver in the first.",
            ),
        ],
        RECIPE,
    ],
};

const FALLBACK: Table = Table {
    name: "[live.fallback]",
    says: "A second live OS: the same recipe with another kernel. A box whose boot NIC the proof finds without driver or firmware in the first, and covered in this one, boots this one.",
    keys: &[&[
        key("kernel", Kind::Text, Must, r#""linux-image-amd64""#, "Its kernel's package."),
        key(
            "packages",
            Kind::List,
            May("none"),
            r#"["firmware-bnx2"]"#,
            "Packages besides those of `[live]`.",
        ),
        key(
            "drivers",
            Kind::Choice(&["all", "hardware"]),
            May("`all`"),
            r#""all""#,
            "Which drivers its initrd has, as in `[live]`.",
        ),
        key(
            "modules",
            Kind::List,
            May("none"),
            r#"["nvme-tcp"]"#,
            "Kernel modules that its initrd has besides.",
        ),
        key(
            "extra-modules",
            Kind::List,
            May("none"),
            r#"["modules/acme.ko"]"#,
            "Kernel modules of the line's own, for this kernel. Those of `[live]` were compiled for the other one.",
        ),
        key(
            "kernel-arguments",
            Kind::Text,
            May("those of `[live]`"),
            r#""pci=nomsi""#,
            "More words for its kernel command line.",
        ),
    ]],
};

pub(super) const HARDWARE: Table = Table {
    name: "[hardware]",
    says: "The servers that the live OS must boot, besides the profiles in the line's `hardware/`: a line that cannot is not built.",
    keys: &[&[
        key(
            "profiles",
            Kind::List,
            May("none"),
            r#"["dell-r740"]"#,
            "Profiles that come with bootworks; `bootworks hardware show` lists them.",
        ),
        key(
            "exception",
            Kind::Tables(&EXCEPTION),
            May("every network and storage device counts"),
            "",
            "A device that the line does without.",
        ),
    ]],
};

const EXCEPTION: Table = Table {
    name: "[[hardware.exception]]",
    says: "A device without driver or firmware that does not stop the build, and why.",
    keys: &[&[
        key(
            "device",
            Kind::Text,
            Must,
            r#""14e4:165f""#,
            "Its id, or its whole modalias, as `bootworks check` shows it.",
        ),
        key(
            "profile",
            Kind::Text,
            May("in every profile"),
            r#""dell-r740""#,
            "The profile that it stands in.",
        ),
        key(
            "reason",
            Kind::Text,
            Must,
            r#""these boxes boot from their X710; the ports on board stay unused""#,
            "Why the line does without it; it stands in every report.",
        ),
    ]],
};
