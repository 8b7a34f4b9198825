//! What programs print of the causes in `fetch`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const CLOCK_WRONG: &[Sign] = &[
    usual("163-Time and Date Not Set"),
    usual("163-Time & Date Not Set"),
    usual("Time-of-day not set"),
    usual("CMOS Date/Time Not Set"),
    usual("0271: Check date and time settings"),
    usual("failing validation(s): Host couldn't synchronize with any NTP server"),
    usual("Error syncing system clock"),
];

pub(in crate::catalogue) const DRACUT_MODULE_MISSING: &[Sign] = &[
    proof("/init: .:{:any}can't open '/scripts/{name}'"),
    proof("/init: .: {line:number}: Can't open /scripts/{name}"),
    proof("curl: (1) Protocol {name} not supported"),
];

pub(in crate::catalogue) const HTTP_UNREACHABLE: &[Sign] = &[
    usual("A connection to the deployment share could not be made"),
    usual("Setup was unable to access the location you specified"),
    usual("No FAI server found"),
    usual("GET error: Get {url}: dial tcp {address}: getsockopt: connection refused"),
    usual("nginx.service: Failed with result '{result}'"),
    usual("apache2.service: Failed with result '{result}'"),
    usual("httpd.service: Failed with result '{result}'"),
    usual("[emerg] bind() to {address} failed (98: {why:any}"),
    usual("[emerg] bind() to {address} failed (13: Permission denied)"),
    usual("[emerg] host not found in upstream '{name}'"),
    usual("[emerg] cannot load certificate '{file}'"),
    usual("AH00072: make_sock: could not bind to address"),
    usual("AH02572: Failed to configure at least one certificate and key"),
    usual("can't bind to socket: {address} Address already in use"),
    usual("listen tcp {address} bind: address already in use"),
    usual("_REJECT: IN={:any}PROTO=TCP{:any}DPT=80"),
    usual("error sending heartbeat to {url:any}"),
    usual("Failed to start {unit:any}The Apache HTTP Server"),
    usual("Failed to start {unit:any}The nginx HTTP and reverse proxy server"),
    usual("Failed to start {unit:any}A high performance web server and a reverse proxy server"),
    usual("Timed out, no response from urls"),
    usual("Download of image {image} failed"),
    usual("Error attempting to heartbeat - Possible"),
];

pub(in crate::catalogue) const LIVE_MEDIUM_NOT_FOUND: &[Sign] = &[
    usual("mounting /dev/sr{number:number} on /cdrom failed: Invalid argument"),
    proof("NO GParted LiveCD found"),
    proof("Incorrect installation media detected"),
    proof("contains a CD which cannot be used for installation"),
    proof("Incorrect CD-ROM detected"),
    proof("CD was not found in any of your CDROM drives"),
    proof("disc was not found in any of your drives"),
    usual("A required CD/DVD drive device driver is missing"),
    usual("disc was not found in any of your"),
    usual("ERROR: Backup archive '{file}' not found"),
    usual("Mount command 'mount /dev/disk/by-label/{label} {folder}/outputfs' failed"),
    usual("Mounting from cd9660:{device} failed with error {code:number}"),
    proof("Could not find the ISO {iso}"),
    usual("can't open /dev/sr0: No medium found"),
    usual("ERROR; Failed to mount '/dev/sd{disk}'"),
    usual("Failed to mount live ISO device"),
    usual("Failed to mount install ISO device"),
    proof("Invalid loop location: {image}"),
    proof("not found. Dropping out to initial-ramdisk console"),
    proof("Porteus data not found"),
    usual("You are maybe using an unsupported boot device"),
];

pub(in crate::catalogue) const MACHINE_NOT_ENROLLED: &[Sign] = &[
    usual("Could not find node {uuid} in cache"),
    usual("Cannot validate image information for node"),
    proof("Failed looking up node with addresses"),
    usual("Error getting configuration from Ironic"),
    proof("Could not find a node for attributes {what:any}"),
    proof("unable to find a host that matches the request from"),
    usual("device is not in the database"),
    usual(": no advertisements found"),
    proof("{mac} (unknown/unconfigured node)"),
    usual("No matching profile{rest:any}labels="),
];

pub(in crate::catalogue) const RAM_TOO_SMALL_SQUASHFS: &[Sign] = &[
    usual("MEMORY_SIZE ERROR"),
    usual("the minimum required RAM for any role is"),
    usual("MB of memory is insufficient. At least"),
    proof("You do not have enough RAM to install {system:any} on this machine"),
    usual("curl: (27) Out of memory"),
    usual("Cannot write to '{file}' (No space left on device)"),
    usual("ERROR: while copy '{image}' to '/run/archiso/copytoram/{rest}'"),
    usual("LTSP command failed: cp {image} /run/initramfs/ltsp/images"),
    proof("Failed to cache the loop file! Lack of RAM?"),
    proof("Ramdisk device creation failed due to insufficient memory"),
    proof("enough memory available to create a ramdisk device"),
];

pub(in crate::catalogue) const ROOTFS_WRONG_IMAGE: &[Sign] = &[
    usual("INIT: No inittab file found"),
    usual("devtmpfs: error mounting -2"),
    usual("switch_root: failed to mount moving {what} to"),
    usual("switch_root: failed. Sorry"),
    usual("Failed to start Find NixOS closure"),
    usual("run-init: opening console"),
    usual("Failed to start {unit} - Switch Root"),
    usual("Failed to start Switch Root"),
    usual("found on rootdev (or not mounted)"),
    usual("warewulf: failed to mount {device} at"),
    proof("proc doesn't exist and ltsp.image wasn't specified"),
    proof("proc doesn't exist in initrd-bottom"),
    proof("init binary {init} does not exist in the user's chroot"),
    proof("Can't run the rootfs init ("),
];

pub(in crate::catalogue) const SQUASHFS_CORRUPT: &[Sign] = &[
    usual("Failed to start Media check on"),
    proof("dm-verity device corrupted"),
    proof("device-mapper: verity: {device}: {kind} block {block:number} is corrupted"),
    usual("verity: {device} data block {block:number} is corrupted"),
    usual("verity: {device} metadata block {block:number} is corrupted"),
    usual("FATAL: Failed to verify system integrity"),
    proof("Some checksums failed, press any key to poweroff"),
    proof("media check is complete, the result is: FAIL"),
];

pub(in crate::catalogue) const SQUASHFS_FETCH_FAILED: &[Sign] = &[
    usual("URL using bad/illegal format or missing URL"),
    usual("curl: (3) URL rejected"),
    proof("wget: not an http or ftp url"),
    usual("xcat.genesis.doxcat: Failed to wget {url}"),
    usual("ERROR: Downloading '{url}'"),
    usual("option specified but {file} not found"),
    usual("option specified but GPG signature not found in"),
    usual("Failed to fetch {url}, see /tmp/fetch.info"),
    usual("Unable to load stage: {stage}"),
    usual("LTSP command failed: wget {url}"),
];

pub(in crate::catalogue) const SQUASHFS_MOUNT_FAILED: &[Sign] = &[
    usual("could not find any free loop device"),
    usual("SQUASHFS error: Root inode create failed"),
    usual("squashfs image failed sanity check"),
    usual("Major/Minor mismatch, older Squashfs"),
    usual("unable to read squashfs_super_block"),
    usual("unable to read {what:any} index table"),
    proof("unidentified incompatible feature {bits:hex}, please upgrade kernel"),
    usual("cannot find valid erofs superblock"),
    usual("invalid checksum {have}, {want} expected"),
    usual("erofs: (device {device}): {where:any}blkszbits {bits:number} isn't supported"),
    proof("unknown filesystem type 'erofs'"),
    usual("failed to set up loop device: {why:any}"),
    proof("losetup: unexpected arguments"),
    usual("ERROR; Failed to mount '/dev/loop{number:number}'"),
    proof("Failed to mount live ISO squashfs container"),
    proof("Failed to mount live ISO root filesystem"),
    proof("Failed to mount install image squashfs filesystem"),
    usual("LTSP command failed: mount_img_src"),
];

pub(in crate::catalogue) const SQUASHFS_READ_ERROR: &[Sign] = &[
    usual("loop: Write error at byte offset"),
    usual("isofs_fill_super: bread failed"),
    usual("I/O error, dev loop{number:number}, sector"),
    usual("Buffer I/O error on dev loop{number:number}"),
];

pub(in crate::catalogue) const STAGE2_REPO_MISSING: &[Sign] = &[
    usual("Unable to retrieve the install image"),
    usual("make sure your installation medium is available"),
    usual("by-label/CentOS\\x207\\x20x86_64 does not exist"),
    usual("by-label/Fedora-{edition}-dvd-{label} does not exist"),
    usual("by-label/{label}-x86_64-dvd does not exist"),
    usual("by-label/{label}BaseOS-x86_64 does not exist"),
    usual("since the specified image file [{file}] does not exist"),
    usual("That directory could not be mounted from the server"),
    proof("Main repository not found at the specified location"),
    proof("base installation repository was not found at that location"),
    proof("installer has tried to mount the installation image"),
    usual("Can't get kickstart from {place}"),
    usual("Warning: Couldn't mount nfs{place}"),
    usual("Warning: no suitable images"),
    proof("has no suitable runtime"),
    proof("Invalid value for 'inst.{option}'"),
    proof("unknown network repo URL: {url}"),
    usual("anaconda: this location will be ignored"),
];

pub(in crate::catalogue) const UNION_MISSING: &[Sign] = &[
    usual("mounting aufs on /root failed: No such device"),
    usual("overlayfs: missing 'workdir'"),
    usual("^overlay mount failed"),
    usual("and no support found"),
    proof("LTSP command failed: modprobe_overlay"),
    usual("LTSP command failed: overlay"),
    proof("Unable to find a driver. searched: overlay"),
];
