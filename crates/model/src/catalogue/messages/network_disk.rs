//! What programs print of the causes in `network_disk`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const ISCSI_LOGIN_FAILED: &[Sign] = &[
    usual("session recovery timed out after {seconds:number} secs"),
    usual("Getting Boot Target Info Failed"),
    proof("iscsiadm: connect to {address} timed out"),
    usual("iscsid: cannot make a connection to {target}"),
    usual("iscsiadm: No portals found"),
    proof("iSCSI driver {name} is not loaded"),
    usual("ping timeout of {seconds:number} secs expired, recv timeout"),
    proof("iSCSI target {target} not found on portal {portal}"),
    proof("Activation of iSCSI via {way} failed"),
    proof("Unable to locate Target IQN: {target} in Storage Node"),
    proof("is not authorized to access iSCSI target portal group"),
    proof("the Target is enforcing iSCSI Authentication, login failed"),
    proof("CHAP user or password not set for Initiator ACL"),
    usual("[UFW BLOCK]{:any}PROTO=TCP{:any}DPT=3260"),
    usual("Failed to start {unit:any}Restore LIO kernel target configuration"),
    proof("Could not open SAN device: Connection timed out"),
    proof("Could not open SAN device: Connection reset"),
    proof("ipxe.org/410d61{code:hex}"),
    usual("Could not describe SAN device"),
    proof("TCP/IP connection with iSCSI target system"),
    proof("CHAP authentication with target failed"),
    proof("Login request rejected by iSCSI target"),
    proof("ipxe.org/410d62{code:hex}"),
];

pub(in crate::catalogue) const NETWORK_DISK_UNREACHABLE: &[Sign] = &[
    usual("failed to connect queue: {queue:number} ret="),
    usual("^Error: Socket failed: {why:any}"),
    proof("Please ensure the 'nbd' module is loaded"),
    proof("Error: Cannot open NBD: {why:any}"),
    proof("Negotiation: {:any}Error: {why:any}"),
    usual("Failed to write to /dev/nvme-fabrics: {why:any}"),
    usual("failed to write to nvme-fabrics device"),
    usual("rdma connection establishment failed ("),
    usual("Connect Invalid SQE Parameter"),
    proof("is not allowed, hostnqn:"),
    usual("I/O error, dev nbd{number:number}, sector"),
    usual("traddr is mandatory for"),
    proof("nvmet: connect by host {host} for subsystem {name} not allowed"),
    proof("nvmet: connect request for invalid subsystem"),
    usual("nvme{n}: failed to connect socket: {errno:number}"),
    usual("Connect Invalid Data Parameter, subsysnqn"),
];
