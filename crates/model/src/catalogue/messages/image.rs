//! What programs print of the causes in `image`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const ARCHIVE_MIRROR_BAD: &[Sign] = &[
    usual("really trust your repository, you may continue in an insecure"),
    proof("Unable to read group information from repositories"),
    proof("may be due to a missing repodata directory"),
    proof("Unable to read package metadata. This may be due to a missing repodata"),
    usual("exiting on error base-installer/kernel/no-kernels-found"),
    usual("No installable kernel was found in the defined APT sources"),
    usual("installer cannot find a suitable kernel package"),
    usual("exiting on error base-installer/cannot_install"),
    proof("installer cannot figure out how to install the base system"),
    usual("base system installation into /target/ failed"),
    usual("debootstrap program exited with an error (return value {code:number}"),
    usual("debootstrap program exited abnormally"),
    usual("Failed getting Release signature file {url}"),
    proof("Release file signed by unknown key"),
    usual("Couldn't retrieve {file} This may be due to a network problem"),
    proof("archive mirror does not seem to support your architecture"),
    proof("is not available on the selected mirror"),
    usual("Failed to load installer component"),
    usual("installer failed to download a file from the mirror"),
    usual("installer failed to access the mirror"),
    usual("failing step is: Install the base system"),
    usual("failing step is: Download installer components"),
    usual("failing step is: Configure the package manager"),
    usual("E: Failed getting release signature file"),
    proof("E: Couldn't download {file}"),
    usual("Packages.{kind} was corrupt"),
    usual("gpgv: Can't check signature: No public key"),
    proof("dpkg-deb: error: {file} is not a Debian format archive"),
    proof("decompressing archive '{file}' (size={size:number}) member"),
    usual("Unable to correct problems, you have held broken packages"),
    usual("following packages have unmet dependencies"),
    proof("E: Version '{version}' for '{package}' was not found"),
    proof("The method driver {file} could not be found"),
    usual("Malformed entry {number:number} in list file"),
    usual("is not known on line {number:number} in source list"),
    usual("E: The list of sources could not be read"),
    proof("Splitting up {file} into data and signature failed"),
    proof("Encountered a section with no Package: header"),
    usual("E: Problem with MergeList {file}"),
    proof("There are problems and -y was used without --force-yes"),
    proof("There were unauthenticated packages and -y was used without"),
    usual("WARNING: The following packages cannot be authenticated"),
    usual("unpacking of archive failed: cpio: {why:any}"),
    proof("There are no enabled repositories in"),
    usual("but none of the providers can be installed"),
    usual("Failed to provide Package {package}"),
    usual("Failed to mount cd:///{path:any} on"),
    usual("Download (curl) error for"),
    proof("is required for this installation. This group does not exist"),
    usual("You have specified that the group {group} should be"),
    usual("You have specified that the package {package} should be installed"),
    usual("software marked for installation has errors"),
    usual("packages, groups or modules are broken"),
    usual("Failed to install packages to new root"),
    proof("signature from {who:any} is marginal trust"),
    proof("error: key {key} could not be imported"),
];

pub(in crate::catalogue) const DISK_TOO_SMALL: &[Sign] = &[
    proof("is too small - at least {size:number} bytes are required"),
    proof("Insufficient space available for partition"),
    proof("Disk is not large enough for System and"),
    usual("insufficient space is available on {drive} An additional"),
    proof("device size too small. At least"),
    proof("requires {need:any} MB, but available space was estimated to be"),
    proof("Sorry, can't create a partition of {size:number} B on a disk of"),
    usual(
        "no disks matched for volume ({n:number} matched selector): {m:number} have not enough space, 0 have wrong format",
    ),
    proof("no disk found large enough for install"),
    proof("Can't fit requested partitions into available free space"),
    usual("Error trying to restore GPT partition tables"),
    proof("Not enough space available for this image"),
    proof("disk or free space is too small to be automatically partitioned"),
    usual("Fatal Error: Could not resize partitions"),
    proof("root disk {disk} too small"),
    proof("of data subvolume is too small, minimum"),
    proof("is too small to make a usable filesystem"),
    proof("has insufficient free space ({extents:number} extents): {needed:number} required"),
    proof("is less than the minimum size (64M)"),
    proof("requested partition size {want:number}, available is"),
];

pub(in crate::catalogue) const IMAGE_CHECKSUM_MISMATCH: &[Sign] = &[
    proof("Integrity check failed. Restore aborted because"),
    proof("The checksum for {file} does not match. It may have become corrupted"),
    proof("^Image checksum test failed"),
    usual("GPG signature verification failed for"),
];

pub(in crate::catalogue) const IMAGE_CORRUPT: &[Sign] = &[
    usual("Windows cannot open the required file"),
    usual("Decompression error, abort"),
    usual("Failed to install the file. The file is probably corrupted"),
    usual("Invalid ONIE update image format"),
    usual("Windows cannot install required files. The file"),
    usual("Some packages appeared damaged"),
    usual("Failed to restore partition image file {file} to"),
    proof("isolinux: Image checksum error"),
    proof("isolinux.bin missing or corrupt"),
];

pub(in crate::catalogue) const IMAGE_NO_SPACE: &[Sign] = &[
    usual("is located doesn't have enough disk space. Required"),
    usual("switching pool to out-of-data-space"),
    proof("failed to commit transaction (not enough free disk space)"),
];

pub(in crate::catalogue) const IMAGE_TRUNCATED: &[Sign] = &[
    usual("bad geometry: block count {want:number} exceeds size of device ({have:number} blocks)"),
    usual("last sector read failed"),
    proof("has a size which is not a multiple of 2048 bytes"),
    usual("Image store corrupt, unable to locate MBR"),
    usual("Image Store Corrupt: Unable to locate MBR"),
    usual("No image file(s) found that would match the partition"),
];

pub(in crate::catalogue) const IMAGE_WRONG_COMPRESSION: &[Sign] =
    &[usual("provided image is not valid for use"), usual("couldn't find any partitions on device")];

pub(in crate::catalogue) const INSTALLER_KERNEL_MISMATCH: &[Sign] = &[
    proof("installation tree in that directory does not seem to match your boot media"),
    usual("contains packages designed for a different version of"),
    usual("current kernel doesn't seem to support the Logical Volume Manager"),
    usual("current kernel doesn't seem to support software RAID"),
    usual("kernel module package {package} could not be found or an error occurred during its"),
];
