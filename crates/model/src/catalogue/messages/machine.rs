//! What programs print of the causes in `machine`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const BMC_NO_ACCESS: &[Sign] = &[
    proof("Unable to establish IPMI v2 / RMCP+ session"),
    proof("Error: Unable to establish LAN session"),
    proof("RAKP 2 HMAC is invalid"),
    proof("RAKP 2 message indicates an error : unauthorized name"),
    usual("IPMI Error while attempting '{command:any}"),
    usual("During sync_power_state, could not get power state for node"),
    proof("Could not contact node's BMC"),
    proof("Could not authenticate to node's BMC"),
    proof("Unable to connect to {url}/redfish/v1/"),
    usual("/redfish/v1/{path} returned code 401"),
];

pub(in crate::catalogue) const UEFI_CRASH: &[Sign] = &[
    proof("X64 Exception Type - {type:hex}("),
    proof("Synchronous Exception at 0x{address:hex}"),
    proof("'Synchronous Abort' handler, esr"),
    usual("ASSERT_EFI_ERROR (Status = {status:any})"),
];
