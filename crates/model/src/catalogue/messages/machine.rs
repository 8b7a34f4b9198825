//! What programs print of the causes in `machine`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const BMC_NO_ACCESS: &[Sign] = &[
    usual("Error: BMC Not Responding"),
    usual("Failed to set node power state to"),
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
    usual("BIOS firmware resiliency error"),
    usual("BIOS firmware panic occurred due to"),
    usual("PANIC at PC :"),
    usual("Unhandled Exception in EL3"),
    usual("^PANIC in EL3"),
    usual("SError Exception at 0x{address:hex}"),
    usual("Recursive exception occurred while dumping the CPU state"),
    proof("Unhandled exception: Store/AMO access fault"),
    proof("Unhandled exception: Load access fault"),
    proof("Unhandled exception: Illegal instruction"),
    usual("UEFI image [0x{from:hex}:0x{to:hex}] pc="),
    usual("'Error' handler, esr 0x{esr:hex}"),
    proof("The firmware encountered an unexpected exception"),
    proof("Can't find image information. !!!!"),
    proof("RISCV64 Exception Type -"),
    proof("IA32 Exception Type - {type:hex}("),
    usual("ASSERT [{module}] {file}.c({line:number}):"),
    proof("X64 Exception Type - {type:hex}("),
    proof("Synchronous Exception at 0x{address:hex}"),
    proof("'Synchronous Abort' handler, esr"),
    usual("ASSERT_EFI_ERROR (Status = {status:any})"),
];

pub(in crate::catalogue) const FIRMWARE_WAITS: &[Sign] = &[
    usual("Waiting 5 minutes for system to cool"),
    usual("Keyboard not detected - Keyboard error"),
    usual("Keyboard error or no keyboard present"),
    usual("^CPU {cpu:number} Mismatch."),
    usual("CPU Patch level mismatch"),
    usual("^The amount of {kind:any}memory has changed"),
    usual("Strike the F1 key to continue"),
    usual("Unsupported processor detected"),
    usual("The battery hardware is missing or malfunctioning"),
    usual("Memory/battery problems were detected"),
    usual("Please enter setup to recover BIOS setting"),
    usual("^Press F1 to Resume"),
    usual("^Press F1 to Run SETUP"),
    usual("Press any key to continue{or:any}C{quote:any}to load the configuration utility"),
    usual("Unsupported CPU combination"),
    usual("Insufficient PCI resources detected"),
    usual("CPU {cpu:number} configuration is unsupported"),
];
