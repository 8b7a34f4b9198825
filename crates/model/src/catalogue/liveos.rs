//! Causes of the stage `liveos`: the live OS once it runs. Definitions only; how they are found in a log is `diagnosis`'s.

use super::System::{Dracut, Line, Ubuntu};
use super::messages::liveos as messages;
use super::{BLANK, Cause, Kind, Stage, excludes, fix, fix_on, proof, supports, trace, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "overlay-upper-on-nfs",
        sentence: "The overlay's writable layer is on a file system that cannot be one, such as NFS.",
        signs: &[
            proof("filesystem on '{path}' not supported as upperdir")
                .says("The file system at {path} cannot be the overlay's writable layer."),
            proof("not supported as upperdir"),
            proof("upper fs does not support xattr"),
            proof("upper fs does not support RENAME_WHITEOUT"),
            usual("overlayfs: failed to set xattr on upper"),
            usual("upper fs missing required features"),
            usual("overlayfs: {:any}upper fs does not support").unless(&["tmpfile"]),
            proof("workdir and upperdir must reside under the same mount"),
            proof("maximum fs stacking depth exceeded"),
            proof("upper fs needs to support d_type"),
            proof("overlayfs: failed to resolve '{folder}'")
                .says("The overlay cannot be mounted: its folder {folder} is not there."),
        ],
        messages: messages::OVERLAY_UPPER_ON_NFS,
        fixes: &[
            fix(
                "put the writable layer into memory: a tmpfs for upperdir and workdir, the NFS root below it",
            ),
            fix("upperdir and workdir on one local file system (ext4, xfs with ftype=1, tmpfs)"),
        ],
        hides: &["rootfs-wrong-image", "readonly-root", "unit-timeout", "union-missing", "init-exited"],
        decide: "`findmnt -T UPPERDIR`: which file system is it",
        sources: &["linux: fs/overlayfs/super.c", "linux: Documentation/filesystems/overlayfs.rst"],
        ..BLANK
    },
    Cause {
        id: "machine-id-readonly",
        sentence: "The read-only root has no /etc/machine-id, and none can be written.",
        signs: &[
            proof("System cannot boot: Missing /etc/machine-id and /etc is mounted read-only"),
            proof("Missing /etc/machine-id and /etc"),
            proof("/etc/machine-id is missing"),
            proof("Failed to initialize machine ID from"),
            usual("Failed to mount {:any}/etc/machine-id"),
            usual("Cannot open /etc/machine-id"),
            usual("Failed to set up machine id"),
            proof("Booting up is supported only when: 1) /etc/machine-id exists and is populated"),
        ],
        messages: messages::MACHINE_ID_READONLY,
        fixes: &[
            fix(
                "put an empty file there when the root is made: `: > /etc/machine-id`; systemd then mounts one over it",
            ),
            fix("or give the root a writable layer (overlay), or `systemd.machine_id=…` on the command line"),
        ],
        hides: &["readonly-root", "unit-timeout", "init-crashed"],
        decide: "`ls -l ROOT/etc/machine-id` on the server: is it there",
        sources: &["systemd: src/shared/machine-id-setup.c"],
        ..BLANK
    },
    Cause {
        id: "readonly-root",
        sentence: "The root is read-only and nothing writable is above it: services fail.",
        signs: &[
            proof("snapshots: Invalidating snapshot")
                .says("The live root's writable layer in memory is used up, and the root became read-only."),
            usual("{file}: Read-only file system")
                .unless(&[
                    "/dev/sd",
                    "/dev/nvme",
                    "/dev/vd",
                    "variable",
                    "probing initialization",
                    "Boot variable",
                    "boot entry",
                    "/var/cache",
                ])
                .says("The root is read-only: {file} cannot be written."),
            usual("Read-only file system").unless(&[
                "Boot variable",
                "boot entry",
                "/var/cache",
                "probing initialization",
            ]),
            trace("Failed to start Create Volatile Files"),
            trace("Failed to start systemd-tmpfiles-setup"),
        ],
        messages: messages::READONLY_ROOT,
        clues: &[
            excludes("EXT4-fs error (device sd{disk})", "the disk has errors, and was made read-only for it"),
            excludes(
                "EXT4-fs error (device nvme{disk})",
                "the disk has errors, and was made read-only for it",
            ),
            excludes("I/O error, dev", "the disk has errors, and was made read-only for it"),
            excludes("{file}: write-protected", "the medium is write-protected"),
            supports("[FAILED] Failed to start", "services fail"),
        ],
        fixes: &[
            fix(
                "give it a writable layer: overlay with a tmpfs above (`overlayroot=tmpfs`, live-boot, dracut `rd.overlay`)",
            ),
            fix_on(
                Dracut,
                "`rw` on the command line where the root may be written; `systemd.volatile=overlay`",
            ),
            fix("tmpfs on /tmp and /var at the least (fstab, `systemd.volatile=state`)"),
        ],
        hides: &["unit-timeout", "disk-io-error"],
        decide: "`findmnt /`: ro or rw, overlay or not",
        sources: &["https://github.com/systemd/systemd/issues/5562"],
        ..BLANK
    },
    Cause {
        id: "network-wait-online",
        sentence: "The system waits for a network that will not come: for a port without a cable, or one of another name.",
        signs: &[
            usual("A start job is running for Wait for Network to be Configured"),
            usual("Failed to start Wait for Network to be Configured"),
            usual("Failed to start systemd-networkd-wait-online"),
            usual("Failed to start Network Manager Wait Online"),
            usual("A start job is running for Network Manager Wait Online"),
            usual(
                "systemd-networkd-wait-online{:any}: Timeout occurred while waiting for network connectivity",
            ),
            usual("Timeout occurred while waiting for network connectivity"),
            usual("A start job is running for Wait for Network"),
            usual("Event loop failed: Connection timed out"),
            usual("Booting system without full network configuration"),
            usual("Waiting up to {seconds:number} more seconds for network configuration"),
            usual("A start job is running for Raise network interfaces"),
            usual("Failed to start Raise network interfaces"),
            usual("Failed to start {unit} - Network Manager Wait Online"),
            usual("Job systemd-networkd-wait-online.service/start running"),
            usual("Job NetworkManager-wait-online.service/start running"),
            usual("Failed to start {unit} - Raise network interfaces"),
        ],
        messages: messages::NETWORK_WAIT_ONLINE,
        clues: &[
            excludes("Cannot find device", "an interface has another name"),
            excludes("{host} login:", "the system came up all the same"),
        ],
        until: Some(Stage::Firstboot),
        fixes: &[
            fix_on(Ubuntu, "netplan: `optional: true` for every port without a cable"),
            fix("or wait for one only: `systemd-networkd-wait-online --any`, by a drop-in"),
            fix("or not at all: `systemctl mask systemd-networkd-wait-online.service`"),
        ],
        hides: &["unit-timeout"],
        decide: "`networkctl`: which port is `configuring` for ever",
        sources: &["https://github.com/canonical/cloud-init/issues/5638"],
        ..BLANK
    },
    Cause {
        id: "controller-crashed",
        sentence: "The controller of the live OS crashed; PID 1 starts it again.",
        signs: &[proof("the controller {:any} crashed"), usual("cause: controller-crashed")],
        fixes: &[
            fix_on(Line, "`bootworks boxes NAME logs` has its last words; report them"),
            fix("a box with too little memory kills it, too: see the kernel's lines"),
        ],
        decide: "The kernel's last lines on the box's screen: was it killed for memory, or did it end by itself",
        sources: &["bootworks: agent/src/supervisor/worker.rs"],
        ..BLANK
    },
    Cause {
        id: "unit-timeout",
        kind: Kind::Symptom,
        sentence: "The boot waited for a unit that never started; its name says what is missing.",
        signs: &[
            usual("A start job is running for {unit:any} (")
                .at_the_end()
                .says("The boot waits for `{unit}`, which does not come."),
            usual("Timed out waiting for device {device}")
                .says("The boot waited for {device}, which never came."),
            usual("Timed out waiting for {what:any}")
                .unless(&["network", "udev", "dhcp", "response", "reply", "tftp"])
                .says("The boot waited for {what}, which never came."),
            usual("A start job is running for {unit:any} (")
                .times(3)
                .says("The boot waits for `{unit}`, which does not come."),
            usual("Job {unit}.service/start timed out").says("{unit}.service never started."),
            usual("Job {unit}.device/start timed out").says("The boot waited for {unit}, which never came."),
            usual("{unit}: start operation timed out. Terminating").says("{unit} never started."),
            usual("Job {unit}/start running (")
                .at_the_end()
                .says("The boot waits for `{unit}`, which does not come."),
            usual("Job {unit}/start running (")
                .times(3)
                .says("The boot waits for `{unit}`, which does not come."),
        ],
        clues: &[excludes("{host} login:", "the system came up all the same")],
        until: Some(Stage::Firstboot),
        fixes: &[
            fix(
                "a .device: the disk or label is not there; a mount: its server or disk; network-online: a port without a cable",
            ),
            fix("`systemctl list-jobs` on a console (`systemd.debug-shell=1`, then Alt-F9)"),
        ],
        sources: &["https://github.com/netbootxyz/netboot.xyz/issues/1070", "systemd: src/core/job.c"],
        ..BLANK
    },
];
