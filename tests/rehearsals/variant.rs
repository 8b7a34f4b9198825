//! The lines that are rehearsed with.

use super::agreement;

/// A line as `bootworks new` makes it, with something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Nothing changed.
    Plain,
    /// The root as a squashfs in RAM.
    RamRoot,
    /// The kernel that lacks the drivers of real servers.
    CloudKernel,
    /// The same, with the full kernel for the boxes that it cannot drive.
    CloudKernelWithFallback,
    /// A root that can also boot by itself, as a stock Debian over NFS.
    StockRoot,
    /// The same with dracut, which excludes initramfs-tools.
    DracutRoot,
    /// Everything on mirrors of two disks, the EFI system partition too.
    Mirrored,
    /// The root on LVM in an encrypted volume, with a thin volume beside it.
    Encrypted,
    /// The root and others as subvolumes of btrfs.
    Subvolumes,
    /// The root on XFS, and a file system that stays as it is.
    Preserved,
    /// The PC's old partition table.
    OldTable,
    /// The disk formatted by its own NVMe command first.
    Formatted,
    /// LVM on a RAID 5 of three disks.
    Parity,
    /// btrfs on a RAID 6 of four.
    DoubleParity,
    /// The root on a RAID 10 of four disks.
    StripedMirrors,
    /// An encrypted root on a RAID 1.
    EncryptedMirror,
    /// An encrypted root that the box's TPM opens.
    TpmOpened,
    /// The system on a disk of its own, and data that stays on another.
    TwoDisks,
    /// Finished boxes start over.
    StartedOver,
    /// Finished boxes stay on.
    LeftOn,
    /// An initrd with the drivers of exactly the hardware that [`super::agreement`] rehearses.
    OwnDrivers,
    /// The same for one NIC alone, and a root without the drivers of those disks.
    LeftOut,
    /// A small appliance whose root is the disk's last partition, XFS.
    SmallXfs,
    /// The same on subvolumes of btrfs.
    SmallSubvolumes,
    /// The same on one btrfs, with cloud-init.
    SmallCloudInit,
}

/// Where something is replaced, by what.
type Change = (&'static str, &'static str, &'static str);

const LINE: &str = "line.toml";
const RECIPE: &str = "appliance.toml";
/// What stands for the partitions in the example.
const PARTITIONS: &str = include_str!("layouts/plain.toml");
const SUBVOLUMES: &str = include_str!("layouts/subvolumes.toml");
const XFS_ROOT: &str = include_str!("layouts/xfs-root.toml");
const BTRFS_ROOT: &str = include_str!("layouts/btrfs-root.toml");
/// The question for what opens an encrypted disk, and the virtual box's answer.
const UNLOCK: [Change; 2] = [
    (
        LINE,
        "[appliance]\n",
        "[[question]]\nid = \"unlock\"\nask = \"Passphrase\"\ntype = \"passphrase\"\n\n[appliance]\n",
    ),
    (LINE, "answers = { ", "answers = { unlock = \"open sesame\", "),
];

/// Debian alone, which says that it is ready without a page of its own: images are written, not installed, so that
/// their size is what a box's time goes into.
const SMALL: [Change; 3] = [
    (RECIPE, "\"nginx-light\", \"openssh-server\", \"sudo\",", "\"xfsprogs\", \"btrfs-progs\","),
    (RECIPE, "\"systemd-resolved.service\", \"nginx.service\", \"ssh.service\",", ""),
    (RECIPE, "\"iproute2\", \"systemd-resolved\",", ""),
];

impl Variant {
    /// The line's folder name, and what is replaced by what in its files.
    pub(crate) fn changes(self) -> (&'static str, Vec<Change>) {
        let layout = |text| (LINE, PARTITIONS, text);
        let live = |packages| (LINE, "\"lvm2\", \"mdadm\",", packages);
        let image = |packages| (RECIPE, "\"nginx-light\",", packages);
        match self {
            Variant::Plain => ("plain", vec![]),
            Variant::RamRoot => ("ram-root", vec![(LINE, "root     = \"nfs\"", "root     = \"ram\"")]),
            Variant::CloudKernel => {
                ("cloud-kernel", vec![(LINE, "\"linux-image-amd64\"", "\"linux-image-cloud-amd64\"")])
            }
            Variant::CloudKernelWithFallback => (
                "cloud-kernel-with-fallback",
                vec![
                    (LINE, "\"linux-image-amd64\"", "\"linux-image-cloud-amd64\""),
                    (LINE, "[[question]]", "[live.fallback]\nkernel = \"linux-image-amd64\"\n\n[[question]]"),
                ],
            ),
            Variant::StockRoot => (
                "stock-root",
                vec![(LINE, "packages = [", "packages = [\"systemd-sysv\", \"initramfs-tools\", \"dbus\", ")],
            ),
            // `mount.nfs` knows TCP by `/etc/protocols` (netbase), and dracut's own network wants `pgrep` (procps).
            Variant::DracutRoot => (
                "dracut-root",
                vec![(
                    LINE,
                    "packages = [",
                    "packages = [\"systemd-sysv\", \"dracut\", \"dracut-network\", \"nfs-common\", \"rpcbind\", \"netbase\", \"procps\", \"dbus\", ",
                )],
            ),
            Variant::Mirrored => {
                let layout = layout(include_str!("layouts/mirrored.toml"));
                ("mirrored", vec![layout, image("\"nginx-light\", \"mdadm\",")])
            }
            Variant::Encrypted => {
                let mut changes = vec![
                    layout(include_str!("layouts/encrypted.toml")),
                    live(r#""lvm2", "cryptsetup-bin", "xfsprogs", "thin-provisioning-tools","#),
                    image(r#""nginx-light", "lvm2", "cryptsetup-initramfs", "thin-provisioning-tools","#),
                ];
                changes.extend(UNLOCK);
                ("encrypted", changes)
            }
            Variant::Subvolumes => (
                "subvolumes",
                vec![
                    layout(SUBVOLUMES),
                    live("\"btrfs-progs\","),
                    image("\"nginx-light\", \"btrfs-progs\","),
                ],
            ),
            Variant::Preserved => {
                let layout = layout(include_str!("layouts/preserved.toml"));
                ("preserved", vec![layout, live("\"xfsprogs\",")])
            }
            Variant::OldTable => ("old-table", vec![layout(include_str!("layouts/old-table.toml"))]),
            Variant::Formatted => {
                ("formatted", vec![(LINE, "table = \"gpt\"\n", "table = \"gpt\"\nerase = \"nvme-format\"\n")])
            }
            Variant::Parity => (
                "parity",
                vec![
                    layout(include_str!("layouts/parity.toml")),
                    live("\"lvm2\", \"mdadm\", \"xfsprogs\","),
                    image("\"nginx-light\", \"mdadm\", \"lvm2\","),
                ],
            ),
            Variant::DoubleParity => (
                "double-parity",
                vec![
                    layout(include_str!("layouts/double-parity.toml")),
                    live("\"mdadm\", \"btrfs-progs\","),
                    image("\"nginx-light\", \"mdadm\", \"btrfs-progs\","),
                ],
            ),
            Variant::StripedMirrors => {
                let layout = layout(include_str!("layouts/striped-mirrors.toml"));
                ("striped-mirrors", vec![layout, image("\"nginx-light\", \"mdadm\",")])
            }
            Variant::EncryptedMirror => {
                let mut changes = vec![
                    layout(include_str!("layouts/encrypted-mirror.toml")),
                    live("\"mdadm\", \"cryptsetup-bin\","),
                    image("\"nginx-light\", \"mdadm\", \"cryptsetup-initramfs\","),
                ];
                changes.extend(UNLOCK);
                ("encrypted-mirror", changes)
            }
            Variant::TpmOpened => {
                let mut changes = vec![
                    layout(include_str!("layouts/tpm-opened.toml")),
                    live("\"cryptsetup-bin\", \"clevis-luks\", \"clevis-tpm2\","),
                    image(
                        "\"nginx-light\", \"cryptsetup-initramfs\", \"clevis-initramfs\", \"clevis-tpm2\",",
                    ),
                ];
                changes.extend(UNLOCK);
                ("tpm-opened", changes)
            }
            Variant::TwoDisks => {
                let layout = layout(include_str!("layouts/two-disks.toml"));
                ("two-disks", vec![layout, live("\"xfsprogs\",")])
            }
            Variant::StartedOver => {
                ("started-over", vec![(LINE, "[appliance]\n", "[appliance]\nfinish = \"reboot\"\n")])
            }
            Variant::LeftOn => {
                ("left-on", vec![(LINE, "[appliance]\n", "[appliance]\nfinish = \"stay-on\"\n")])
            }
            Variant::OwnDrivers => {
                ("own-drivers", vec![(LINE, "root     = \"nfs\"", "root = \"nfs\"\ndrivers = \"hardware\"")])
            }
            Variant::LeftOut => (
                "left-out",
                vec![(
                    LINE,
                    "root     = \"nfs\"",
                    "root = \"nfs\"\ndrivers = \"hardware\"\nscripts = [\"scripts/leave-out\"]",
                )],
            ),
            Variant::SmallXfs => {
                let mut changes = vec![layout(XFS_ROOT), live("\"xfsprogs\",")];
                changes.extend(SMALL);
                ("small-xfs", changes)
            }
            Variant::SmallSubvolumes => {
                let mut changes = vec![layout(SUBVOLUMES), live("\"btrfs-progs\",")];
                changes.extend(SMALL);
                ("small-subvolumes", changes)
            }
            Variant::SmallCloudInit => {
                let mut changes = vec![
                    layout(BTRFS_ROOT),
                    live("\"btrfs-progs\","),
                    (
                        LINE,
                        "[[appliance.user]]",
                        "[appliance.cloud-init]\nuser-data = \"files/user-data\"\n\n[[appliance.user]]",
                    ),
                    (LINE, "APPLIANCE READY {{", "CLOUD-INIT DONE {{"),
                ];
                changes.extend(SMALL);
                changes.push((RECIPE, "\"btrfs-progs\",", "\"btrfs-progs\", \"cloud-init\","));
                ("small-cloud-init", changes)
            }
        }
    }

    /// Files of the line besides the example's.
    pub(crate) fn files(self) -> Vec<(&'static str, String)> {
        match self {
            Variant::OwnDrivers => vec![("hardware/rehearsed.toml", agreement::profile_of_all())],
            Variant::LeftOut => vec![
                ("hardware/rehearsed.toml", agreement::profile_of_the_one_left()),
                ("scripts/leave-out", agreement::script_that_leaves_out()),
            ],
            Variant::SmallXfs | Variant::SmallSubvolumes => vec![ready()],
            Variant::SmallCloudInit => {
                vec![ready(), ("files/user-data", include_str!("images/user-data").to_owned())]
            }
            _ => Vec::new(),
        }
    }

    /// What of its `line.toml` lays out its disks.
    pub(crate) fn layout(self) -> &'static str {
        match self {
            Variant::SmallXfs => XFS_ROOT,
            Variant::SmallSubvolumes => SUBVOLUMES,
            Variant::SmallCloudInit => BTRFS_ROOT,
            _ => PARTITIONS,
        }
    }
}

fn ready() -> (&'static str, String) {
    ("files/appliance-ready", include_str!("images/appliance-ready").to_owned())
}
