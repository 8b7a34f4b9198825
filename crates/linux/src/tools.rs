//! Every external program that bootworks runs, with the package that has it and where it is needed.
//!
//! The live OS's recipe is checked against [`LIVE_OS`] and [`for_storage`], so that a missing `mkfs.ext4` is a failed build
//! and not a box that stops half-way.

use model::raw::ImageContent;
use model::storage::{Content, DiskLayout, Filesystem, Stack, VolumeKind};

/// A program and where to get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Its name, looked up in `PATH`.
    pub name: &'static str,
    /// Debian's and Ubuntu's package that has it.
    pub package: &'static str,
    /// What it is needed for, a phrase.
    pub reason: &'static str,
}

macro_rules! tools {
    ($($(#[$doc:meta])* $constant:ident = $name:literal in $package:literal for $reason:literal;)*) => {
        $($(#[$doc])* pub const $constant: Tool = Tool { name: $name, package: $package, reason: $reason };)*
    };
}

tools! {
    /// Resolves recipes.
    APT_GET = "apt-get" in "apt" for "resolving recipes";
    /// Names packages and their versions.
    APT_CACHE = "apt-cache" in "apt" for "resolving recipes";
    /// Configures packages in the root that is built.
    CHROOT = "chroot" in "coreutils" for "running programs of another root in it";
    /// Packs a changed initrd as the tool did that made it.
    GZIP = "gzip" in "gzip" for "packing an initrd as its maker did";
    /// The same, on several processors.
    PIGZ = "pigz" in "pigz" for "packing an initrd as its maker did";
    /// The same for xz and lzma.
    XZ = "xz" in "xz-utils" for "packing an initrd as its maker did";
    /// The same for lz4.
    LZ4 = "lz4" in "lz4" for "packing an initrd as its maker did";
    /// The same for lzo.
    LZOP = "lzop" in "lzop" for "packing an initrd as its maker did";
    /// The same for zstd.
    ZSTD = "zstd" in "zstd" for "packing an initrd as its maker did";
    /// Verifies OpenPGP signatures.
    GPGV = "gpgv" in "gpgv" for "verifying the OpenPGP signature of an image";
    /// Runs virtual boxes.
    QEMU = "qemu-system-x86_64" in "qemu-system-x86" for "rehearsing with virtual boxes";
    /// Makes virtual disks.
    QEMU_IMG = "qemu-img" in "qemu-utils" for "making virtual disks";
    /// Is the TPM of virtual boxes.
    SWTPM = "swtpm" in "swtpm" for "the TPM of a virtual box";
    /// Changes ext4 file systems that are not mounted.
    DEBUGFS = "debugfs" in "e2fsprogs" for "spoiling the disk of a finished virtual box";
    /// Writes ext4.
    MKFS_EXT4 = "mkfs.ext4" in "e2fsprogs" for "making ext4 file systems";
    /// Checks ext4, which growing it demands.
    E2FSCK = "e2fsck" in "e2fsprogs" for "checking the file system of an image";
    /// Grows ext4.
    RESIZE2FS = "resize2fs" in "e2fsprogs" for "growing the file system of an image";
    /// Grows XFS.
    XFS_GROWFS = "xfs_growfs" in "xfsprogs" for "growing the file system of an image";
    /// Writes FAT.
    MKFS_VFAT = "mkfs.vfat" in "dosfstools" for "making EFI system partitions";
    /// Writes swap signatures.
    MKSWAP = "mkswap" in "util-linux" for "making swap space";
    /// Writes XFS.
    MKFS_XFS = "mkfs.xfs" in "xfsprogs" for "making XFS file systems";
    /// Writes btrfs.
    MKFS_BTRFS = "mkfs.btrfs" in "btrfs-progs" for "making btrfs file systems";
    /// Makes subvolumes.
    BTRFS = "btrfs" in "btrfs-progs" for "making subvolumes of btrfs";
    /// Makes and starts software RAIDs.
    MDADM = "mdadm" in "mdadm" for "making software RAIDs";
    /// Makes and opens encrypted volumes.
    CRYPTSETUP = "cryptsetup" in "cryptsetup-bin" for "making encrypted volumes";
    /// Puts what opens encrypted volumes into an initramfs.
    CRYPTROOT = "hooks/cryptroot" in "cryptsetup-initramfs" for "opening encrypted volumes at boot";
    /// Has a TPM open encrypted volumes.
    CLEVIS = "clevis-luks-bind" in "clevis-luks" for "having the TPM open encrypted volumes";
    /// Its part that knows TPM 2.0.
    CLEVIS_TPM2 = "clevis-encrypt-tpm2" in "clevis-tpm2" for "having the TPM open encrypted volumes";
    /// Puts that into an initramfs.
    CLEVIS_HOOK = "hooks/clevis" in "clevis-initramfs" for "having the TPM open encrypted volumes at boot";
    /// Makes and starts volume groups.
    LVM = "lvm" in "lvm2" for "making LVM volume groups";
    /// Checks thin pools, which LVM does before it starts one.
    THIN_CHECK = "thin_check" in "thin-provisioning-tools" for "starting LVM thin pools";
    /// Loads the kernel's part of RAID, LVM and encryption.
    MODPROBE = "modprobe" in "kmod" for "loading the kernel's part of RAID, LVM and encryption";
    /// Writes EFI boot entries.
    EFIBOOTMGR = "efibootmgr" in "efibootmgr" for "writing EFI boot entries";
}

/// Programs that `build` and `lock` run on the server.
pub const BUILD: &[Tool] = &[APT_GET, APT_CACHE, CHROOT];
/// Programs that `rehearse` runs on the server.
pub const REHEARSE: &[Tool] = &[QEMU, QEMU_IMG, DEBUGFS];
/// Programs that the controller runs in every live OS.
pub const LIVE_OS: &[Tool] = &[CHROOT, MKFS_EXT4, MKFS_VFAT, MKSWAP, EFIBOOTMGR];

/// Programs that the controller runs beside those of [`LIVE_OS`] for these disks, each once.
pub fn for_storage(disks: &[DiskLayout], stack: &Stack) -> Vec<Tool> {
    let mut tools = Vec::new();
    let on_partitions = disks.iter().flat_map(|disk| &disk.partitions).map(|partition| &partition.content);
    for content in on_partitions.chain(stack.contents()) {
        let Content::Filesystem(wish) = content else { continue };
        match wish.kind {
            Filesystem::Xfs => tools.push(MKFS_XFS),
            Filesystem::Btrfs => tools.extend([MKFS_BTRFS, BTRFS]),
            Filesystem::Vfat | Filesystem::Ext4 | Filesystem::Swap => {}
        }
    }
    let volumes = || stack.groups.iter().flat_map(|group| &group.volumes);
    let by_tpm = stack.vaults.iter().any(|vault| vault.tpm2);
    let has = [
        (!stack.raids.is_empty(), MDADM),
        (!stack.vaults.is_empty(), CRYPTSETUP),
        (by_tpm, CLEVIS),
        (by_tpm, CLEVIS_TPM2),
        (!stack.groups.is_empty(), LVM),
        (volumes().any(|volume| volume.kind == VolumeKind::Pool), THIN_CHECK),
        (!stack.is_empty(), MODPROBE),
    ];
    tools.extend(has.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, tool)| tool));
    tools.sort_unstable_by_key(|tool| tool.name);
    tools.dedup();
    tools
}

/// Programs that the controller runs beside those of [`LIVE_OS`] for an image that is written as it is.
pub fn for_image(content: &ImageContent) -> Vec<Tool> {
    let of = |kind: Filesystem| match kind {
        Filesystem::Ext4 => vec![E2FSCK, RESIZE2FS],
        Filesystem::Xfs => vec![XFS_GROWFS],
        Filesystem::Btrfs => vec![BTRFS],
        Filesystem::Vfat | Filesystem::Swap => Vec::new(),
    };
    match content {
        ImageContent::Archive => Vec::new(),
        ImageContent::Filesystem(raw) => of(raw.kind),
        // The last one is grown.
        ImageContent::Disk(raw) => {
            let last = raw.partitions.iter().max_by_key(|one| one.last_lba);
            last.and_then(|one| one.filesystem.as_ref()).map(|one| of(one.kind)).unwrap_or_default()
        }
    }
}

/// Programs and initramfs hooks that an appliance with these disks must have itself, each once: it assembles and
/// checks them at every boot.
pub fn of_appliance(disks: &[DiskLayout], stack: &Stack) -> Vec<Tool> {
    let mut tools = for_storage(disks, stack);
    // Only the live OS makes file systems, and kmod is in every appliance.
    tools.retain(|tool| !matches!(*tool, MKFS_XFS | MKFS_BTRFS | MODPROBE));
    for tool in &mut tools {
        match *tool {
            CRYPTSETUP => *tool = CRYPTROOT,
            CLEVIS => *tool = CLEVIS_HOOK,
            _ => {}
        }
    }
    tools
}

impl Tool {
    /// Where `PATH` has it, or `/usr/sbin` and `/sbin`, which a plain user's `PATH` lacks on Debian.
    pub fn find(&self) -> Option<std::path::PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(Into::into))
            .map(|folder| folder.join(self.name))
            .find(|file| file.is_file())
    }
}
