//! Causes of the stage `image`: images and packages. Definitions only; how they are found in a log is `diagnosis`'s.

use super::System::{Debian, Dracut, Line, Ubuntu};
use super::{BLANK, Cause, against, excludes, fix, fix_on, proof, supports, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "installer-kernel-mismatch",
        sentence: "The installer's kernel and the mirror's packages are of different releases.",
        signs: &[
            proof("No kernel modules were found"),
            proof("kernel modules were found. This probably is due to a mismatch"),
            proof("mismatch between the kernel used by this version of the installer"),
            usual("no kernel modules available for"),
            proof("Failed to fetch {:any}linux-modules-{release}"),
            usual("anna{:any}: WARNING **: no packages matching running kernel {release}")
                .says("The mirror has no modules for the installer's kernel {release}."),
            usual("no packages matching running kernel"),
            usual("vmlinuz and modloop do not match"),
        ],
        fixes: &[
            fix_on(
                Debian,
                "fetch netboot's linux and initrd.gz anew from the same mirror and suite; each point release changes the kernel",
            ),
            fix_on(Ubuntu, "kernel and initrd from the ISO that is served, of one point release"),
            fix("a partial mirror must have section main/debian-installer (udebs) of the same day"),
        ],
        hides: &["archive-mirror-bad", "disk-driver-missing", "nic-driver-missing"],
        decide: "`uname -r` in the installer's shell against the linux-image udebs on the mirror",
        sources: &["debian-installer: anna", "https://github.com/Stifler6996/apt-mirror/pull/29"],
        ..BLANK
    },
    Cause {
        id: "archive-mirror-bad",
        sentence: "The installer cannot use the package mirror it was given.",
        signs: &[
            usual("Bad archive mirror"),
            usual("does not have a Release file"),
            usual("no longer has a Release file"),
            usual("Error downloading package metadata"),
            usual("Failed to download metadata for repo '{repo}'")
                .says("The metadata of the repository {repo} cannot be fetched."),
            usual("Cannot find a valid baseurl for repo"),
            usual("Release signed by unknown key"),
            usual("Invalid Release file"),
            usual("Unable to locate package"),
            usual("Failed getting release file {url}").says("{url} is not on the mirror."),
            usual("E: Failed to fetch {url} 404 Not Found").says("{url} is not on the mirror."),
            usual("404 Not Found [IP:"),
            usual("Couldn't find these debs"),
            usual("The following signatures couldn't be verified because the public key is not available"),
            usual("is not signed."),
            usual("Release file for {url} is expired"),
            usual("choose-mirror{:any}: WARNING"),
            usual("Hash Sum mismatch"),
            usual("The mirror does not have a valid Release file"),
            usual("The specified Debian archive mirror is either not available"),
            usual("repomd.xml: Cannot download"),
            usual("File '/content' not found on medium"),
        ],
        clues: &[
            against("not yet valid", "the clock is wrong"),
            against("Temporary failure resolving", "names do not resolve"),
            against("Could not resolve host", "names do not resolve"),
        ],
        fixes: &[
            fix("an old release has moved: archive hosts keep what the mirrors have dropped"),
            fix("check host, folder and suite: `curl -I MIRROR/dists/SUITE/Release`"),
            fix(
                "a proxy on the way: give it to the installer, or take it out; a partial mirror: with section main/debian-installer",
            ),
            fix_on(Dracut, "`inst.repo=` of the same release; `.treeinfo` and repodata/ below it"),
        ],
        hides: &["installer-kernel-mismatch", "grub-install-failed", "http-404"],
        decide: "The mirror's web log: which address was asked for, with which answer",
        sources: &[
            "https://github.com/Stifler6996/apt-mirror/pull/29",
            "https://github.com/pykickstart/pykickstart/issues/195",
        ],
        ..BLANK
    },
    Cause {
        id: "image-checksum-mismatch",
        sentence: "The checksum that is published does not fit the image.",
        signs: &[
            proof("Checksum mismatch"),
            proof("computed checksum did NOT match"),
            proof("Checksum file does not contain"),
            proof("sha256sum mismatch"),
            proof("SHA256 mismatch"),
            proof("checksum verification failed"),
            proof("does not match expected checksum"),
            proof("Image failed to verify against checksum"),
            proof("hash mismatch"),
            proof("checksum did not match"),
            proof("CHECKSUM DOES NOT MATCH"),
        ],
        clues: &[
            against("Hash Sum mismatch", "it is a package list"),
            against("crc error", "the image itself says that it is damaged"),
        ],
        fixes: &[
            fix("was the image built anew after the sums? Make them again, both at once"),
            fix("else fetch the image again, and compare its length with the server's"),
            fix("the sums' file names the image without its path"),
        ],
        hides: &["image-corrupt", "image-truncated"],
        decide: "`sha256sum` of the file on the server, and the dates of both files",
        sources: &[
            "https://github.com/openshift-metal3/dev-scripts/pull/1245",
            "https://github.com/osism/k8s-capi-images/pull/244",
        ],
        ..BLANK
    },
    Cause {
        id: "image-decompress-memory",
        sentence: "The unpacker does not get the memory that the image was packed for.",
        signs: &[
            proof("Memory usage limit reached"),
            proof("xz: {:any}Cannot allocate memory"),
            proof("Frame requires too much memory for decoding"),
            proof("Use --long="),
            proof("Window size larger than maximum"),
            proof("zstd: {:any}Allocation error"),
            proof("Not enough memory for decompression"),
            proof("can't allocate {size} bytes to decompress"),
        ],
        fixes: &[
            fix("pack it with less: `xz -6` instead of -9, `zstd -19` without --ultra and --long"),
            fix("or unpack with the same: `zstd -d --long=31`; more memory, less in RAM disks"),
        ],
        hides: &["image-truncated", "image-corrupt"],
        decide: "`xz -lvv FILE` says what it needs, against MemAvailable",
        sources: &["https://github.com/boot2docker/boot2docker/issues/44", "xz: xz(1)"],
        ..BLANK
    },
    Cause {
        id: "decompressor-missing",
        sentence: "The live system does not have the program that unpacks the image.",
        signs: &[
            proof("tar (child): {tool}: Cannot exec")
                .says("The live system has no {tool}, which the image is packed with."),
            proof("Cannot exec: No such file or directory"),
            proof("sh: {tool}: not found")
                .unless(&["modprobe", "systemctl", "udevadm"])
                .says("The live system has no {tool}."),
            usual("{tool}: command not found").says("The live system has no {tool}."),
            usual("/bin/sh: {tool}: not found").says("The live system has no {tool}."),
            proof("unrecognized option '--zstd'"),
            proof("unrecognized option: zstd"),
            proof("tar: invalid option -- J"),
            proof("tar: unrecognized option: J"),
            usual("exec: '{tool}': executable file not found in $PATH")
                .says("The live system has no {tool}."),
        ],
        clues: &[
            excludes("{host} login:", "the system came up"),
            supports("tar: Child returned status", "tar waited for it"),
        ],
        fixes: &[
            fix_on(
                Line,
                "add its package (xz-utils, zstd, pigz, lbzip2) to `packages` under [live] in line.toml",
            ),
            fix("or pack the image with what the live system has: `gzip` is always there"),
        ],
        hides: &["image-truncated", "image-corrupt", "image-wrong-compression"],
        decide: "`command -v TOOL` in the live system",
        sources: &["https://github.com/nxp-imx/mfgtools/issues/191"],
        ..BLANK
    },
    Cause {
        id: "image-wrong-compression",
        sentence: "The image is packed otherwise than it is unpacked, or is no image at all.",
        signs: &[
            proof("not in gzip format"),
            proof("is not a bzip2 file"),
            proof("File format not recognized"),
            usual("does not look like a tar archive"),
            proof("bunzip2: bad magic number"),
            proof("zstd: {:any}unsupported format"),
            proof("gunzip: invalid magic"),
            proof("gzip: invalid magic"),
            proof("xz: invalid magic"),
            proof("unxz: invalid magic"),
            proof("invalid compressed data--format violated"),
            usual("lzma: unsupported"),
            proof("bzip2: invalid magic"),
            proof("tar: invalid magic"),
            proof("tar: invalid tar magic"),
            proof("tar: bad header checksum"),
        ],
        clues: &[against("Cannot exec", "the program is missing")],
        fixes: &[
            fix("`file IMAGE` says what it is: unpack with that, or pack it anew"),
            fix("`HTML document`: the address gives an error page; `curl -f` fails there instead"),
            fix("the name's ending decides with many programs: correct it"),
        ],
        hides: &["image-truncated", "image-corrupt", "http-404"],
        decide: "`head -c6 IMAGE | xxd` : 1f8b gzip, 425a68 bzip2, fd377a585a00 xz, 28b52ffd zstd",
        sources: &["https://github.com/loomchild/volume-backup/issues/48"],
        ..BLANK
    },
    Cause {
        id: "image-truncated",
        sentence: "The image ends too early: a part of it is missing.",
        signs: &[
            usual("Unexpected end of input"),
            usual("unexpected end of file").unless(&["syntax error"]),
            usual("Compressed file ends unexpectedly"),
            usual("Unexpected EOF in archive"),
            usual("unexpected EOF").unless(&["syntax", "http", "tls"]),
            usual("tar: short read"),
            usual("zstd: {:any}premature end"),
            usual("premature end of input"),
            usual("Premature end of file"),
            usual("Read error (39) : premature end"),
            proof("transfer closed with {count:number} bytes remaining to read")
                .says("The download was cut off: {count} octets are missing."),
            usual("curl: (18)"),
            usual("image is truncated"),
        ],
        clues: &[
            against("No space left on device", "there was no room for it"),
            supports("curl:", "the download itself failed"),
        ],
        fixes: &[
            fix(
                "compare its length with the server's (`curl -sI`), and fetch it again; `curl -f --retry` and look at its exit code",
            ),
            fix("look for a full disk on the image server, and a build that was stopped"),
        ],
        hides: &["image-corrupt"],
        decide: "`ls -l` on both sides: the same length",
        sources: &["https://github.com/minershive/hiveos-pxe-diskless/issues/8"],
        ..BLANK
    },
    Cause {
        id: "image-corrupt",
        sentence: "The image is damaged: its data does not unpack.",
        signs: &[
            proof("invalid compressed data--crc error"),
            proof("gzip: {:any}crc error"),
            proof("bzip2: Data integrity error when decompressing"),
            proof("Data integrity error"),
            proof("xz: {:any}Compressed data is corrupt"),
            proof("Compressed data is corrupt"),
            proof("zstd: {:any}Data corruption detected"),
            proof("Data corruption detected"),
            proof("Restored data doesn't match checksum"),
            proof("zstd: {:any}checksum"),
            proof("tar: Skipping to next header"),
            proof("bunzip2: crc error"),
            proof("gunzip: crc error"),
            proof("bad CRC"),
            proof("the image is not what the line names"),
            usual("corrupted data"),
            usual("crc error").unless(&["initramfs", "kernel", "system halted", "usb"]),
            usual("Archive is corrupt"),
        ],
        clues: &[
            excludes("I/O error, dev", "the disk has errors"),
            against("cannot exec", "the program is missing"),
        ],
        fixes: &[
            fix("compare its SHA-256 with the source; fetch or build it anew"),
            fix(
                "another place each time: test the machine's memory (memtest86+), network card and switch port",
            ),
            fix("no FTP in text mode, no tool that changes line ends"),
        ],
        hides: &["image-truncated"],
        decide: "`xz -t`, `gzip -t`, `zstd -t` on the server: whole there means that it is the way or the machine",
        sources: &["gzip: inflate.c", "xz: src/xz/message.c"],
        ..BLANK
    },
    Cause {
        id: "image-no-space",
        sentence: "The target's file system is full: it is too small, or is not the one that is meant.",
        signs: &[
            usual("Cannot write: No space left on device"),
            usual("No space left on device (28)"),
            usual("Cannot mkdir: No space left on device"),
            usual("Cannot create symlink to {:any}: No space left on device"),
            usual("dpkg: error processing {:any}: No space left on device"),
            usual("cannot copy extracted data for {:any}: failed to write (No space left on device)"),
            usual("You don't have enough free space in"),
            usual("At least {size} more space needed on the / filesystem").says("The target lacks {size}."),
            usual("rsync: write failed on '{file}': No space left on device")
                .says("No room for {file} on the target."),
            usual("unsquashfs: {:any}No space left on device"),
            usual("Write on output file failed because No space left on device"),
            usual("mkfs{:any}: No space left"),
            usual("failed to write {:any}: No space left on device"),
            usual("write error: No space left on device").unless(&[
                "/run",
                "/dev/shm",
                "initramfs",
                "wget",
                "cp:",
            ]),
            usual("disk full").unless(&["raid"]),
        ],
        clues: &[against("Failed writing body", "the download did not fit")],
        fixes: &[
            fix("is the target mounted? `findmnt /target`: else everything goes into memory"),
            fix_on(Line, "a larger `size` for that partition under [[appliance.disk]] in line.toml"),
            fix("`df -h` and `df -i` of the target: octets or inodes"),
        ],
        hides: &["image-truncated", "image-corrupt", "grub-install-failed"],
        decide: "`df -h /target` at the moment it fails",
        sources: &["https://github.com/nxp-imx/mfgtools/issues/228"],
        ..BLANK
    },
    Cause {
        id: "disk-too-small",
        sentence: "The disk is smaller than the image or the layout.",
        signs: &[
            proof("The last usable GPT sector is {last:number}, but {wanted:number} is requested")
                .says("The disk ends at sector {last}, but the layout goes to {wanted}."),
            proof("is smaller than source"),
            usual("dd: error writing '{disk}': No space left on device")
                .says("{disk} is smaller than the image."),
            usual("error writing '/dev/{disk}': No space left on device")
                .says("/dev/{disk} is smaller than the image."),
            proof("not enough free space on disk"),
            proof("Not enough free space on disks"),
            proof("not enough free space in disks"),
            proof("Unable to allocate requested partition scheme"),
            proof("Could not allocate requested partitions"),
            proof("Failed to partition the selected disk"),
            proof("This disk is too small"),
            proof("is too small for"),
            proof("requires at least {size} of disk space"),
            proof("beyond the end of the disk"),
            proof("location {place} is outside of the device {disk}")
                .says("The layout goes beyond the end of {disk}."),
            proof("is outside of the device"),
            usual("cause: disk-too-small"),
            usual("Value out of range."),
        ],
        fixes: &[
            fix("a smaller layout: swap that grows with memory is what is often forgotten"),
            fix_on(
                Line,
                "`size = \"rest\"` for one partition, `min-size` in match, under [[appliance.disk]] in line.toml",
            ),
            fix("or another disk: is this the one that is meant"),
        ],
        hides: &["image-no-space", "image-truncated"],
        decide: "`lsblk -b DISK` against the sum of the partitions or the image's length",
        sources: &[
            "https://github.com/rescuezilla/rescuezilla/issues/504",
            "https://github.com/stevenshiau/clonezilla/issues/109",
        ],
        ..BLANK
    },
    Cause {
        id: "appliance-invalid",
        sentence: "What the line says of its appliance cannot be done on this machine.",
        signs: &[usual("cause: appliance-invalid")],
        fixes: &[fix_on(Line, "correct [appliance] in line.toml as the refusal says")],
        decide: "The refusal's own words",
        sources: &["bootworks: model/src/plan/refusal.rs"],
        ..BLANK
    },
];
