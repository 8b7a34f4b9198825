//! What programs print of the causes in `link`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const BOOTIF_UNMATCHED: &[Sign] =
    &[proof("Interface with MAC address {mac} not found"), usual("BOOTIF missing, can't detect boot nic")];

pub(in crate::catalogue) const LACP_REQUIRED: &[Sign] = &[
    usual("channel-misconfig {what:any}error detected on {port}"),
    usual("LACPD_TIMEOUT: {port}: lacp current while timer expired"),
    usual("EC-5-CANNOT_BUNDLE2"),
];

pub(in crate::catalogue) const NO_CARRIER: &[Sign] = &[
    usual("Network Adapter Link Down ("),
    usual("The NIC {nic:any}network link is down"),
    usual("NIC Connectivity status changed to Link Failure"),
    usual("Bad cable detected on port {port:number}"),
    usual("mount.nfs: Network is down"),
    usual("read error: Network is down, reopening socket"),
    usual("udhcpc: sendto: Network is down"),
    usual("receive_packet failed on {interface}: Network is down"),
    usual("{interface} {:any}device-not-running"),
    proof("failed; no link present. {:any}Check cable?"),
    usual("psecure-violation error detected on {port}"),
    usual("bpduguard error detected on {port}"),
    usual("with BPDU Guard enabled. Disabling port"),
    usual("link-flap error detected on {port}"),
    usual("dhcp-rate-limit error detected on {port}"),
    usual("is down (Error disabled. Reason:{why:any}"),
];

pub(in crate::catalogue) const VLAN_MISMATCH: &[Sign] =
    &[proof("Received BPDU with inconsistent peer vlan id"), proof("Inconsistent local vlan")];

pub(in crate::catalogue) const MTU_MISMATCH: &[Sign] = &[usual("unreachable - need to frag")];
