//! Every key of `line.toml` and of a recipe: what may stand there, what it says, what its absence means.
//!
//! The reader refuses what is not in here, and the guide's reference is printed from it.
//!
//! Long because it is one table, in the order of the guide.

use crate::boot::Firmware;
use crate::sheet::table::Need::{May, Must};
use crate::sheet::table::{Key, Kind, Need, Table};

const fn key(name: &'static str, kind: Kind, need: Need, example: &'static str, says: &'static str) -> Key {
    Key { name, kind, need, says, example }
}

/// `line.toml`.
pub const LINE_FILE: Table = Table {
    name: "line.toml",
    says: "A line: the network it is on, the system that boxes boot, what they are asked, what is installed.",
    keys: &[&[
        key("line", Kind::Table(&LINE), Must, "", "What the line is called."),
        key("network", Kind::Table(&NETWORK), Must, "", "The build network."),
        key("live", Kind::Table(&LIVE), Must, "", "The system that boxes boot."),
        key(
            "hardware",
            Kind::Table(&HARDWARE),
            May("the profiles in `hardware/` are what it must boot"),
            "",
            "The servers that the live OS must boot.",
        ),
        key("question", Kind::Tables(&QUESTION), May("nothing is asked"), "", "What is asked, in order."),
        key(
            "rule",
            Kind::Tables(&RULE),
            May("each answer is checked alone"),
            "",
            "What answers must be together.",
        ),
        key(
            "answers",
            Kind::Table(&ANSWERS),
            May("none are known beforehand"),
            "",
            "Answers known beforehand.",
        ),
        key("appliance", Kind::Table(&APPLIANCE), Must, "", "What is installed."),
        key(
            "rehearsal",
            Kind::Table(&REHEARSAL),
            May("answers have to be typed"),
            "",
            "How virtual boxes of this line are answered and judged.",
        ),
    ]],
};

/// `appliance.toml`, or whatever `image = { recipe = … }` names.
pub const RECIPE_FILE: Table =
    Table { name: "the recipe", says: "What an appliance's image is built from.", keys: &[RECIPE] };

const LINE: Table = Table {
    name: "[line]",
    says: "What the line is called.",
    keys: &[&[key(
        "name",
        Kind::Text,
        Must,
        r#""edge-gateway""#,
        "Letters, digits and dashes; it names files and shows on every screen.",
    )]],
};

const NETWORK: Table = Table {
    name: "[network]",
    says: "The network between the server and the boxes, and who leases addresses on it.",
    keys: &[&[
        key(
            "interface",
            Kind::Text,
            May("`serve` has to be told with `--interface`; a rehearsal makes its own"),
            r#""enp3s0""#,
            "The server's interface on the build network.",
        ),
        key(
            "address",
            Kind::Text,
            Must,
            r#""10.77.0.1/24""#,
            "The server's address on it, with the prefix length.",
        ),
        key(
            "dhcp",
            Kind::Choice(&["full", "proxy"]),
            May("`full`"),
            r#""full""#,
            "`full`: the server leases addresses. `proxy`: somebody else's DHCP server does, ours only names the boot file.",
        ),
        key(
            "range",
            Kind::Text,
            May("nothing is leased, which only `dhcp = \"proxy\"` allows"),
            r#""10.77.0.50-10.77.0.250""#,
            "First and last address leased, inside the network and without the server's own.",
        ),
        key(
            "router",
            Kind::Text,
            May("boxes are told none"),
            r#""10.77.0.254""#,
            "The router that boxes are told; a build network seldom has one.",
        ),
        key(
            "name-servers",
            Kind::List,
            May("boxes are told none"),
            r#"["10.77.0.254"]"#,
            "Name servers that boxes are told, the best first.",
        ),
        key(
            "reservation",
            Kind::Tables(&RESERVATION),
            May("every box gets the next free address"),
            "",
            "Addresses that are kept for certain boxes.",
        ),
        key(
            "relay",
            Kind::Tables(&RELAY),
            May("boxes are on the server's own network"),
            "",
            "Networks whose boxes reach the server through a DHCP relay.",
        ),
        key(
            "loader",
            Kind::Tables(&LOADER),
            May("iPXE for BIOS and for x86-64 UEFI"),
            "",
            "Network boot programs for other firmware, or in place of ours.",
        ),
    ]],
};

const RESERVATION: Table = Table {
    name: "[[network.reservation]]",
    says: "An address that one box gets and no other; inside the range or outside of it.",
    keys: &[&[
        key("mac", Kind::Text, Must, r#""52:54:00:12:34:56""#, "The MAC of the NIC that it boots from."),
        key(
            "address",
            Kind::Text,
            Must,
            r#""10.77.0.20""#,
            "The address, on the build network or behind a relay.",
        ),
    ]],
};

const RELAY: Table = Table {
    name: "[[network.relay]]",
    says: "A network behind a DHCP relay (`ip helper-address`, `dhcrelay`). The server must have a route to it.",
    keys: &[&[
        key(
            "address",
            Kind::Text,
            Must,
            r#""10.78.0.1/24""#,
            "The relay's address on it, with the prefix length; boxes get it as their router.",
        ),
        key("range", Kind::Text, Must, r#""10.78.0.50-10.78.0.250""#, "First and last address leased there."),
    ]],
};

const LOADER: Table = Table {
    name: "[[network.loader]]",
    says: "A network boot program for one kind of firmware. It is fetched over TFTP, or over HTTP by UEFI HTTP Boot, and should be an iPXE that speaks HTTP.",
    keys: &[&[
        key(
            "firmware",
            Kind::Choice(Firmware::IDS),
            Must,
            r#""uefi-arm64""#,
            "Which firmware gets it, by what it says of itself (DHCP option 93).",
        ),
        key("file", Kind::Text, Must, r#""loaders/snponly-arm64.efi""#, "Its path in the line's folder."),
    ]],
};

/// What the live OS and an image have in common.
const RECIPE: &[Key] = &[
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

const LIVE: Table = Table {
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

const HARDWARE: Table = Table {
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

const QUESTION: Table = Table {
    name: "[[question]]",
    says: "One question, asked on the box's console, in the browser, or answered by file.",
    keys: &[&[
        key(
            "id",
            Kind::Text,
            Must,
            r#""hostname""#,
            "How answers and templates name it: `{{ answer.hostname }}`.",
        ),
        key("ask", Kind::Text, Must, r#""Host name of this unit""#, "What is asked."),
        key(
            "type",
            Kind::Choice(QUESTION_TYPES),
            Must,
            r#""hostname""#,
            "What counts as an answer. A password is typed hidden and twice, and kept as a hash only; a passphrase (for `[[appliance.encrypted]]`) is never kept.",
        ),
        key(
            "choices",
            Kind::List,
            May("no choices"),
            r#"["lab", "berlin"]"#,
            "What can be chosen; of a `choice` and a `multi-choice`.",
        ),
        key(
            "min-length",
            Kind::Number,
            May("1"),
            "8",
            "Fewest characters; of a `password` and a `passphrase`.",
        ),
        key("min", Kind::Number, May("0"), "1", "Smallest `number`; fewest of a `multi-choice`."),
        key("max", Kind::Number, May("no limit"), "4094", "Largest `number`; most of a `multi-choice`."),
        key(
            "within",
            Kind::Text,
            May("any network"),
            r#""10.0.0.0/8""#,
            "The network that an `ip` or a `cidr` lies in.",
        ),
        key(
            "pattern",
            Kind::Text,
            May("only `asset-tag` can do without"),
            r#""[A-Z]{2}[0-9]{4}""#,
            "Regular expression that the whole answer fits; of a `pattern` and an `asset-tag`.",
        ),
        key(
            "example",
            Kind::Text,
            May("the pattern is shown instead"),
            r#""BE0042""#,
            "An answer that fits, shown to whoever types one that does not; of a `pattern`.",
        ),
        key(
            "default",
            Kind::Text,
            May("an answer has to be given"),
            r#""edge-{{ box.serial }}""#,
            "The answer that Enter takes; a template.",
        ),
        key(
            "when",
            Kind::Text,
            May("it is always asked"),
            r#"'answer.site != "lab" and box.disks >= 2'"#,
            "Condition under which it is asked, over the answers before it and the box.",
        ),
        key(
            "otherwise",
            Kind::Text,
            May("empty"),
            r#""none""#,
            "The answer where it is not asked, as templates and rules see it.",
        ),
    ]],
};

/// Every `type` of a question.
pub(super) const QUESTION_TYPES: &[&str] = &[
    "text",
    "hostname",
    "ip",
    "cidr",
    "mac",
    "number",
    "choice",
    "multi-choice",
    "yes-no",
    "password",
    "passphrase",
    "pattern",
    "asset-tag",
];

const RULE: Table = Table {
    name: "[[rule]]",
    says: "What answers must be together, checked once all questions are answered; what does not fit is asked again.",
    keys: &[&[
        key(
            "require",
            Kind::Text,
            Must,
            r#""answer.gateway within answer.address""#,
            "The condition that must hold.",
        ),
        key(
            "say",
            Kind::Text,
            Must,
            r#""the gateway is not in the network of the address""#,
            "What is said where it does not.",
        ),
    ]],
};

const ANSWERS: Table = Table {
    name: "[answers]",
    says: "Answers known before a box is there: a file with a row or a table for each, by serial number or MAC.",
    keys: &[&[key(
        "file",
        Kind::Text,
        Must,
        r#""boxes.csv""#,
        "The file's path in the line's folder: CSV where it is called so, else TOML.",
    )]],
};

const APPLIANCE: Table = Table {
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
            "How a finished box is left: switched off, started over, or on until a person types `off` or `reboot`. A rehearsal always switches it off.",
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

const DISK: Table = Table {
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
            Kind::Choice(&["discard", "zero", "nvme-format"]),
            May("what was there is forgotten, not destroyed"),
            r#""discard""#,
            "How what was on the disk is destroyed first: by telling it that nothing is needed, by zeros, by NVMe Format.",
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

const RAID: Table = Table {
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

const ENCRYPTED: Table = Table {
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
        ],
        CONTENT,
    ],
};

const GROUP: Table = Table {
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

const REHEARSAL: Table = Table {
    name: "[rehearsal]",
    says: "How virtual boxes of this line are answered and judged. These answers are test values: a password stands here in the clear.",
    keys: &[&[
        key(
            "answers",
            Kind::Map,
            May("answers have to be typed"),
            r#"{ hostname = "edge-0001", site = "lab" }"#,
            "An answer for each question, by its id.",
        ),
        key(
            "ready",
            Kind::Text,
            May("a login prompt"),
            r#""APPLIANCE READY {{ answer.hostname }}""#,
            "What the finished appliance prints on its serial console; a template.",
        ),
    ]],
};
