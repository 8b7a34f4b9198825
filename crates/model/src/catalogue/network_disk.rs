//! Causes of the stage `storage` where the disk is somewhere on the network. Definitions only; how they are found in a log
//! is `diagnosis`'s.

use super::System::{Debian, Dracut};
use super::messages::network_disk as messages;
use super::{BLANK, Cause, Stage, fix, fix_on, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "iscsi-login-failed",
        sentence: "The iSCSI target that has the root does not let this machine in, or does not answer.",
        signs: &[
            usual("iscsistart: cannot make connection to {address}")
                .says("The iSCSI target {address} does not answer."),
            usual("iscsistart: initiator reported error ({error:any})")
                .says("The iSCSI target was not reached: {error}."),
            usual("iscsiadm: initiator reported error ({error:any})")
                .says("The iSCSI target was not reached: {error}."),
            usual("iscsiadm: Could not login to"),
            usual("iscsiadm: cannot make connection to {address}")
                .says("The iSCSI target {address} does not answer."),
            usual("iscsiadm: connection login retries reached"),
            usual("discovery login to {address} rejected: {why:any}")
                .says("The iSCSI target {address} refuses this machine: {why}."),
            usual("iscsiadm: Could not perform SendTargets discovery"),
            usual("Target discovery to {address} failed with status")
                .says("The iSCSI target {address} does not say what it has."),
            usual("Log-in to iscsi target failed"),
            usual("iSCSI target '{target}' failed"),
            usual("Login failed to authenticate with target"),
            usual("login failed with status {status:any}").unless(&["imap", "ssh", "pam"]),
            usual("can not connect to iSCSI daemon"),
            usual("iscsistart: Could not start boot session"),
            usual("iscsiadm: Could not get list of targets from firmware"),
            usual("iscsistart: cannot make a connection to {target}")
                .says("Nobody answers at the iSCSI target {target}."),
            usual("iscsistart: connect to {target} failed")
                .says("Nobody answers at the iSCSI target {target}."),
            usual("iSCSI login failed due to {why:any}")
                .says("The iSCSI target does not let this machine in: {why}."),
            usual("Login I/O error, failed to receive a PDU"),
            usual("login rejected: {why:any}").says("The iSCSI target does not let this machine in: {why}."),
            usual("Could not open SAN device").unless(&["No such file"]),
        ],
        messages: messages::ISCSI_LOGIN_FAILED,
        fixes: &[
            fix(
                "from another machine on that network: `iscsiadm -m discovery -t st -p TARGET`, then a login with the same initiator name",
            ),
            fix(
                "the target's list of initiators (ACL) and its CHAP name and password; the initiator's name changes with a new initrd (`iscsi_initiator=` on the command line, /etc/iscsi/initiatorname.iscsi)",
            ),
            fix_on(
                Dracut,
                "`rd.iscsi.firmware=1 rd.iscsi.ibft=1` take what iPXE or the card's ROM logged in with; `netroot=iscsi:` names it by hand",
            ),
            fix_on(
                Debian,
                "`touch /etc/iscsi/iscsi.initramfs`, then `update-initramfs -u`: the initrd logs in only then",
            ),
        ],
        hides: &[
            "http-timeout",
            "http-conn-reset",
            "ipxe-image-format",
            "root-spec-wrong",
            "initramfs-disk-driver-missing",
            "disk-stack-failed",
            "init-exited",
            "unit-timeout",
            "dns-missing",
            "disk-io-error",
        ],
        decide: "The target's own log: a login that is refused, or none at all",
        sources: &[
            "open-iscsi: usr/iscsiadm.c, utils/iscsistart.c",
            "dracut: modules.d/95iscsi/iscsiroot.sh",
            "https://github.com/dracutdevs/dracut/issues/2279",
            "https://github.com/dracutdevs/dracut/issues/2612",
            "open-iscsi: usr/iscsistart.c, usr/initiator_common.c",
        ],
        until: Some(Stage::Firstboot),
        ..BLANK
    },
    Cause {
        id: "network-disk-unreachable",
        sentence: "The disk on the network that has the root (NVMe over Fabrics, NBD, AoE, FCoE) does not answer, or does not let this machine in.",
        messages: messages::NETWORK_DISK_UNREACHABLE,
        fixes: &[
            fix(
                "NVMe: allow the host's NQN on the target (`nvmetcli`, allowed_hosts); compare the subsystem's NQN, address and port (4420) with the target's; `nvme discover -t tcp -a TARGET`",
            ),
            fix("NBD: `nbd-client -l SERVER` lists the exports; the module nbd has to be in the initrd"),
            fix("the network has to be up in the initrd before: `ip=dhcp rd.neednet=1`"),
        ],
        hides: &[
            "disk-io-error",
            "root-spec-wrong",
            "initramfs-disk-driver-missing",
            "network-not-requested",
            "disk-stack-failed",
            "init-exited",
            "unit-timeout",
        ],
        decide: "The target's own log: a connection that is refused, or none at all",
        sources: &[
            "linux: drivers/nvme/host/fabrics.c, drivers/nvme/host/tcp.c",
            "nbd: nbd-client.c",
            "dracut: modules.d/95nbd, 95nvmf",
        ],
        until: Some(Stage::Firstboot),
        ..BLANK
    },
];
