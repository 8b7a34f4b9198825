//! What programs print of the causes in `ipxe`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const IPXE_EFI_REFUSED: &[Sign] =
    &[usual("ipxe.org/7f4ae0{code:hex}"), usual("Error registering initrd: Already started")];

pub(in crate::catalogue) const IPXE_IMAGE_FORMAT: &[Sign] =
    &[proof("ipxe.org/460220{code:hex}"), proof("imgverify: command not found")];

pub(in crate::catalogue) const IPXE_NO_DEVICE: &[Sign] =
    &[usual("Could not open net{number:number}: Input/output error")];

pub(in crate::catalogue) const IPXE_NO_MEMORY: &[Sign] = &[proof("ipxe.org/341820{code:hex}")];

pub(in crate::catalogue) const WINDOWS_BOOT_FILES: &[Sign] = &[
    usual("BOOTMGR est manquant"),
    usual("FATAL: could not extract initrd files"),
    usual("Status: 0xc000000e"),
    usual("Windows Boot Manager has experienced a problem"),
    usual("Windows could not start because the following file is missing or corrupt"),
    usual("Windows failed to load because the kernel is missing, or corrupt"),
    usual("^BOOTMGR is compressed"),
    usual("^BOOTMGR komprimiert"),
    usual("^BOOTMGR fehlt"),
    proof("FATAL: no bootmgr.exe"),
    proof("FATAL: no bootmgfw.efi"),
    usual("Could not load \\bootmgfw.efi: 0x{status:hex}"),
    usual("File: \\Boot\\BCD"),
    proof("while attempting to read the boot configuration data"),
    proof("Boot Configuration Data for your PC is missing or contains errors"),
    proof("boot selection failed because a required device is inaccessible"),
    proof("required device isn't connected or can't be accessed"),
    proof("because a critical system driver is missing or contains errors"),
    usual("Your PC/Device needs to be repaired"),
    usual("Windows failed to start. A recent hardware or software change"),
    proof("BOOTMGR image is corrupt"),
    proof("(BCD) file from the PXE Server does not contain"),
    proof("Error code: 0xc0000098"),
    usual("Error code: 0xc0000225"),
    usual("Could not find an available image BootImageID={image:any}"),
    usual("Matching Processor Architecture Boot Image ({arch:number}) not found"),
    usual("Windows Deployment Services encountered an error"),
    usual("Status: 0xc0000225"),
];

pub(in crate::catalogue) const IPXE_DNS_NXDOMAIN: &[Sign] =
    &[usual("unresolvable address {name:any}").unless(&["SCTP", "Undefined variable"])];
