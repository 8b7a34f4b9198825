//! What programs print of the causes in `bootloader`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const EFI_DIR_MISSING: &[Sign] = &[
    usual("Couldn't find the block device for /boot/efi"),
    proof("No EFI partition was found"),
    usual("unable to initialize EFI ESP on device"),
    usual("File system \"{device:any}\" is not located on a partitioned block device"),
    proof("efiSysMountPoint = '{dir:any}' is not a mounted partition"),
    usual("Failure when attempting to copy boot files"),
];

pub(in crate::catalogue) const EFI_NVRAM_FULL: &[Sign] = &[
    proof("Could not create MokList{name}: Volume Full"),
    usual("Could not create MokList{name}: Out of Resources"),
    proof("failed to add new efi boot entry, No space left on device"),
];

pub(in crate::catalogue) const ESP_FULL: &[Sign] = &[
    usual("mkinitramfs failure zstd 70"),
    usual("mkinitramfs failure cpio 141"),
    usual("Creation of /boot/{file} failed"),
    proof("error writing '/efi/{file}': No space left on device"),
    proof("Failed to write '/efi/{file}': No space left on device"),
    proof("Partition /boot{path:any} too full: {needed:number} blocks needed"),
];

pub(in crate::catalogue) const GRUB_INSTALL_FAILED: &[Sign] = &[
    usual("there is no code to install a boot loader on the"),
    usual("Verify BCDBootEx"),
    usual("Menu item 'grub-installer' failed"),
    usual("Configuring 'grub-installer' failed with error code"),
    usual("failing step is: Install the GRUB boot loader"),
    usual("Executing 'update-grub' failed"),
    usual("Unable to configure GRUB"),
    usual("dpkg: error processing package grub-{package} (--configure)"),
    usual("/etc/kernel/postinst.d/zz-update-grub exited with return code"),
    usual("error occurred while installing the boot loader. The system will not be bootable"),
    usual("stopped due to an error installing the boot loader"),
    usual("install-grub: FAIL: installing grub"),
    usual("unable to install the {kind} boot loader on"),
    usual("unable to update boot loader config"),
    usual("bootloader setup errors"),
    usual("Syntax errors are detected in generated GRUB config file"),
    usual("cannot create /boot/grub/grub.cfg.new: Directory nonexistent"),
    usual("installation of GRUB on {disk} failed"),
    usual("failed to run command 'grub-install': No such file or directory"),
    proof("Installing GRUB2 boot loader to device {disk:any} failed with {why:any}"),
    proof("Grub is not supported on arch={arch:any} machine={machine:any}"),
    usual("Died at /nix/store/{path:any}install-grub.pl line {line:number}"),
    usual("grubby fatal error: unable to find a suitable template"),
    proof("grub-editenv: error: environment block too small"),
    proof("error: flash-kernel failed"),
    usual("configuring bootloader error: bootctl failed with status"),
];

pub(in crate::catalogue) const EFI_VARS_UNAVAILABLE: &[Sign] = &[
    usual("The selected disk is of the GPT partition style"),
    usual("Could not verify uefi on device {disk:any}"),
    usual("Failed to remove old efi boot entry. This is most likely a kernel or firmware bug"),
    usual("Windows could not update the computer's boot configuration. Installation cannot proceed"),
    usual("Failed to create EFI Boot variable entry").unless(&["No space left on device"]),
];
