//! What programs print of the causes in `liveos`, message by message.

use crate::catalogue::{Sign, usual};

pub(in crate::catalogue) const OVERLAY_UPPER_ON_NFS: &[Sign] = &[
    usual("overlayfs: filesystem on '{path}' not supported"),
    usual("overlayfs: failed to create directory {path} (errno: {errno:number}); mounting read-only"),
    usual("workdir and upperdir must be separate subtrees"),
    usual("overlayfs: failed to clone upperpath"),
    usual("mounting overlay on {folder} failed: Invalid argument"),
];

pub(in crate::catalogue) const READONLY_ROOT: &[Sign] = &[
    usual("Snapshot overflowed: Unable to allocate exception"),
    usual("LTSP command failed: rm -rf /root/usr/share/ltsp"),
];

pub(in crate::catalogue) const NETWORK_WAIT_ONLINE: &[Sign] = &[
    usual("waiting {seconds:number} seconds for network device"),
    usual("gave up waiting for a network device"),
    usual("Failed to wait for network: Unexpected error while running command"),
];

pub(in crate::catalogue) const MACHINE_ID_READONLY: &[Sign] = &[
    usual("UUID file '/etc/machine-id' should contain a hex string of length"),
    usual("D-Bus library appears to be incorrectly set up"),
];
