//! What programs print of the causes in `grub`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const GRUB_OOM_INITRD: &[Sign] = &[
    usual("Failed to claim memory for the executable"),
    proof("Not enough space for loading the initrd!"),
    proof("Error 28: Selected item cannot fit into memory"),
    usual("EFI stub: ERROR: efi_relocate_kernel() failed"),
    usual("EFI stub: ERROR: Failed to relocate kernel"),
    proof("Reading file would overwrite reserved memory"),
    proof("Fatal error: 10 (Out of resources)"),
    proof("ramdisk - allocation error"),
    usual("device tree - allocation error"),
    usual("ERROR: Failed to allocate {size:any} bytes below").unless(&["panic", "memblock"]),
    proof("RD image overlaps OS image"),
    proof("cannot allocate real mode pages"),
];

pub(in crate::catalogue) const GRUB_PREFIX_WRONG: &[Sign] = &[
    usual("no module name found"),
    usual("Unknown command 'normal'"),
    usual("can't find command 'normal'"),
    proof("please wait...{:any}Error 15"),
    usual("can't find command 'menuentry'"),
    usual("can't find command 'search'"),
    usual("can't find command 'initrd{rest:any}"),
    usual("error: {place:any}incompatible license"),
    usual("relocation 0x{type:hex} is not implemented yet"),
    proof("unknown command `linux{kind:any}'"),
];

pub(in crate::catalogue) const GRUB_TPM_ERROR: &[Sign] = &[usual("unknown TPM error")];

pub(in crate::catalogue) const KERNEL_FILE_NOT_FOUND: &[Sign] = &[
    usual("Boot loader didn't return any data"),
    usual("Device-tree file '{file}' not found"),
    usual("error: invalid file name '"),
    usual("No initrd file found in boot option"),
    usual("Failed to parse any boot options"),
    usual("Couldn't load initrd from"),
    usual("bootloader failed - consult logfile"),
    proof("Unable to find partition containing kernel"),
    proof("qemu: error reading initrd {file}"),
    proof("qemu: could not open kernel file '{file}'"),
    proof("qemu: could not load kernel '{file}'"),
    usual("Failed to find bootable partition"),
    usual("^can't load 'kernel'"),
    proof("Marking node failed: Missing boot image {image}"),
    usual("No kernel found for container {name}"),
    proof("Fatal error: 15 (Not found)"),
    proof("Error 15: File not found"),
    usual("Failed to execute {entry:any}: Not found"),
    usual("Error: Not Found while loading {file}"),
    proof("Did not find a cmdline Flattened Device Tree"),
    proof("FDT and ATAGS support not compiled in"),
    proof("No ramdisk image specified"),
    usual("ipxe.org/2d3360{code:hex}"),
    proof("Skipping {label:any} for failure retrieving kernel"),
    proof("Skipping {label:any} for failure retrieving initrd"),
    proof("Skipping {label:any} for failure retrieving FDT"),
    proof("kernel cannot be found at {path:any}"),
    proof("No initramfs found for container {image:any}"),
    proof("Failed to open module with path `{path:any}`. Is the path correct"),
    proof("dom0 kernel not specified"),
    usual("No UEFI binary known at"),
    proof("*** ERROR: File lookup fail"),
    usual("is not recognized as an internal or external command, operable program, or script file"),
    usual("invalid dtb and unrecognized/unsupported machine ID"),
    proof("/boot/.vmlinuz-{kernel}.hmac does not exist"),
];

pub(in crate::catalogue) const KERNEL_IMAGE_CORRUPT: &[Sign] = &[
    usual("Fatal error: 6 (Buffer too small)"),
    usual("kernel doesn't support EFI handover"),
    usual("Failed to boot w/ options:"),
    proof("FATAL: Kernel is zeros, can't execute!"),
    proof("xc_dom_find_loader: no loader found"),
    usual("FDT creation failed!"),
    usual("image is not a fdt - must RESET the board"),
    proof("Error loading uncompressed kernel without PVH ELF Note"),
    proof("Kernel is not a valid ELF file"),
    proof("Input is not in the XZ format (wrong magic bytes)"),
    usual("^XZ-compressed data is corrupt$"),
    proof("No setup signature found..."),
    usual("32-bit relocation outside of kernel!"),
    usual("Cannot determine the file type of {file}"),
    usual("Error loading /{module}.v0{number}"),
    proof("Fatal error: 33 (Inconsistent data)"),
    proof("Error 13: Invalid or unsupported executable format"),
    usual("cannot read the Linux header"),
    usual("Bad kernel image: {why:any}"),
    usual("ERROR: can't get kernel image"),
    proof("Bad Header Checksum"),
    usual("Error: inflate() returned -{code:number}"),
    usual("uncompress, out-of-mem or overwrite error"),
    proof("Cannot load a ramdisk with an old kernel image"),
    usual("Invalid image type for this media type"),
    usual("kernel doesn't support 64-bit CPUs"),
    usual("error: no multiboot header found"),
    proof("zimage: Bad magic!"),
    proof("Bad FIT kernel image format!"),
    usual("Could not find configuration node").unless(&["databases"]),
    proof("Bad hash value for '{hash:any}' hash node in"),
    usual("Malformed security header"),
    proof("Relocations have been stripped"),
    usual("Failed to read header: {status}"),
    proof("Unable to locate embedded .linux section"),
    proof("Load Error while loading {file}"),
    usual("Error: Invalid Parameter returned from {file}"),
    usual("Could not set up DOM0 guest OS"),
    proof("Error: Bad gzipped data"),
    proof("uncompress or overwrite error"),
    proof("Unimplemented compression type {type:number}"),
    proof("Bad Data Hash"),
    usual("Could not find subimage node type 'kernel'"),
    usual("fdt fixup failed"),
    usual("ERROR: /chosen node create failed"),
    proof("Destination physical address inappropriately aligned"),
    usual("FATAL: FIPS integrity test failed"),
];

pub(in crate::catalogue) const SHIM_SECOND_STAGE: &[Sign] = &[
    usual("Failed to open \\EFI\\{folder}\\mmx64.efi"),
    proof("Failed to start MokManager: Not Found"),
    proof("^failed to load grub$"),
    usual("No grub found for container {image:any}"),
];

pub(in crate::catalogue) const SYSLINUX_NO_DEFAULT: &[Sign] =
    &[usual("No valid entries in pxelinux config file"), proof("Initial menu has no LABEL entries")];

pub(in crate::catalogue) const SYSLINUX_VERSION_MIX: &[Sign] = &[
    usual("Failed to load libutil.c32"),
    usual("Failed to load lib{library}.c32"),
    usual("attempted DOS system call INT"),
];

pub(in crate::catalogue) const GRUB_SECUREBOOT_SIGNATURE: &[Sign] =
    &[usual("grub_arch_efi_linux_boot_image:{line:number}: cannot load image")];
