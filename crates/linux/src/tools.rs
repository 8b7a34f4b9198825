//! Every external program that bootworks runs, with the package that has it and where it is needed.
//!
//! The live OS's recipe is checked against [`LIVE_OS`], so that a missing `mkfs.ext4` is a failed build
//! and not a box that stops half-way.

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
    /// Runs virtual boxes.
    QEMU = "qemu-system-x86_64" in "qemu-system-x86" for "rehearsing with virtual boxes";
    /// Makes virtual disks.
    QEMU_IMG = "qemu-img" in "qemu-utils" for "making virtual disks";
    /// Writes ext4.
    MKFS_EXT4 = "mkfs.ext4" in "e2fsprogs" for "making ext4 file systems";
    /// Writes FAT.
    MKFS_VFAT = "mkfs.vfat" in "dosfstools" for "making EFI system partitions";
    /// Writes swap signatures.
    MKSWAP = "mkswap" in "util-linux" for "making swap space";
    /// Writes EFI boot entries.
    EFIBOOTMGR = "efibootmgr" in "efibootmgr" for "writing EFI boot entries";
}

/// Programs that `build` and `lock` run on the server.
pub const BUILD: &[Tool] = &[APT_GET, APT_CACHE, CHROOT];
/// Programs that `rehearse` runs on the server.
pub const REHEARSE: &[Tool] = &[QEMU, QEMU_IMG];
/// Programs that the controller runs in the live OS.
pub const LIVE_OS: &[Tool] = &[CHROOT, MKFS_EXT4, MKFS_VFAT, MKSWAP, EFIBOOTMGR];

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
