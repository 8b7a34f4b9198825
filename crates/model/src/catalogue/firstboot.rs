//! Causes of the stage `firstboot`: the first boot from the disk. Definitions only; how they are found in a log is `diagnosis`'s.

use super::System::{Debian, Dracut, Line, Ubuntu};
use super::messages::firstboot as messages;
use super::{BLANK, Cause, Kind, Stage, against, excludes, fix, fix_on, proof, supports, trace, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "uefi-boot-order",
        sentence: "The firmware boots another entry than the one that is wanted.",
        signs: &[
            trace("BootOrder: {order}"),
            usual("UEFI Interactive Shell"),
            usual("^Shell>"),
            usual("Boot entry not found"),
            trace(">>Start PXE over IPv4"),
            usual("Installation complete").times(2),
            usual("Could not set BootOrder"),
            usual("to skip startup.nsh"),
            usual("Cannot find required map name"),
        ],
        messages: messages::UEFI_BOOT_ORDER,
        clues: &[
            supports("Installation complete", "the installation was done"),
            supports("Installation finished", "the installation was done"),
            supports("Shell>", "the firmware's own shell came first"),
            excludes("PXE-E{code:hex}:", "the network boot itself fails"),
            excludes("BdsDxe: failed to load Boot{entry:hex} '{name:any}' from {path:any}: Not Found", "an entry was tried, and is not there any more"),
            excludes("Kernel panic", "a system was started"),
            against("Station IP address is", "the network boot was tried, and failed"),
        ],
        fixes: &[
            fix("`efibootmgr -o NNNN,MMMM` sets the order, `-n NNNN` the next boot only"),
            fix("network first: let the server answer `boot from disk` once a box is finished"),
            fix_on(Line, "`bootworks serve` sends a finished box to its disk by itself"),
            fix(
                "put the loader where every firmware looks: `grub-install --removable` (EFI/BOOT/BOOTX64.EFI)",
            ),
        ],
        hides: &["no-bootable-device"],
        decide: "`efibootmgr -v`: order and entries; does the server see the same MAC again right after `finished`",
        sources: &[
            "https://github.com/dsx-ai-factory/infra-controller/issues/4289",
            "https://github.com/danderson/netboot/issues/134",
            "https://github.com/theforeman/foreman-documentation/issues/61",
        ],
        ..BLANK
    },
    Cause {
        id: "no-bootable-device",
        sentence: "The firmware finds nothing to boot from.",
        signs: &[
            usual("No bootable device"),
            usual("No bootable option or device was found"),
            usual("Could not read from the boot medium"),
            usual("Reboot and Select proper Boot device"),
            usual("No boot device available"),
            usual("No boot device found"),
            usual("Boot device not found"),
            usual("Operating System not found"),
            usual("Missing operating system"),
            usual("Non-System disk or disk error"),
            usual("Boot Failed. EFI {what:any}").unless(&["network", "pxe"]),
            usual("Selected boot device failed"),
            usual("Boot failed: not a bootable disk"),
            usual("An operating system wasn't found"),
            usual("No bootable medium").unless(&["Waiting for new devices"]),
            usual("did not load an operating system"),
            usual("No operating system was loaded"),
            usual("DISK BOOT FAILURE"),
            usual("Default Boot Device Missing or Boot Failed"),
            usual("No boot device is available"),
            usual("No bootable devices found"),
            usual("EFI {device:any} unsuccessful."),
            usual("No compatible bootloader found"),
            usual("No operating system found"),
            usual("No boot disk has been detected"),
            usual("A bootable device has not been detected"),
            usual("No operating system was found"),
            usual("Could not boot from SAN device"),
            usual("INT18: BOOT FAILURE"),
            usual("Booting from Hard Disk...").at_the_end().says("The BIOS starts the boot sector of the disk, and nothing more is seen: there is no boot loader in it, or one for another firmware."),
            usual("Boot failed: could not read the boot disk"),
            // edk2, MdeModulePkg/Universal/BdsDxe/BdsEntry.c. A network card's entry has its MAC address in its path.
            usual("BdsDxe: failed to load Boot{entry:hex} '{name:any}' from {path:any}: Not Found")
                .unless(&["MAC(", "IPv4", "IPv6", "PXE", "HTTP", "URI(", "Fv(", "FvFile", "DVD", "CD-ROM", "CDROM"])
                .says("The firmware finds no boot loader on {name}."),
            // GRUB, grub-core/boot/i386/pc/boot.S prints this and jumps behind itself; diskboot.S would go on with `loading`.
            usual("^GRUB$").at_the_end().says("The boot sector of the disk says `GRUB`, and nothing more is seen: what it loads next, GRUB's core, is gone or damaged."),
        ],
        messages: messages::NO_BOOTABLE_DEVICE,
        clues: &[
            against("PXE-E{code:hex}:", "the network boot failed before it"),
            against("remapped NVMe", "the firmware hides the disk"),
        ],
        until: Some(Stage::Rom),
        fixes: &[
            fix("the mode it was installed in: UEFI or BIOS (CSM) in the firmware's setup"),
            fix(
                "UEFI: put the loader at EFI/BOOT/BOOTX64.EFI (`grub-install --removable`), or make an entry with `efibootmgr -c`",
            ),
            fix("BIOS: `grub-install DISK` on the disk that the firmware boots first"),
        ],
        decide: "Boot a live system: `lsblk -f`, `efibootmgr -v`, `file -s DISK`: is a loader there, for which mode",
        sources: &["https://github.com/netbootxyz/netboot.xyz/issues/1633"],
        ..BLANK
    },
    Cause {
        id: "grub-rescue-no-device",
        sentence: "GRUB on the disk looks for a file system that is not there.",
        signs: &[
            proof("no such device: {uuid}")
                .says("GRUB looks for the file system {uuid}, which is not there."),
            proof("disk 'mduuid/{uuid}' not found")
                .unless(&["grub-install", "grub-probe", "grub2-install", "grub2-probe"])
                .says("GRUB looks for the RAID {uuid}, which it does not see."),
            proof("disk 'lvmid/{uuid}' not found")
                .unless(&["grub-install", "grub-probe", "grub2-install", "grub2-probe"])
                .says("GRUB looks for the volume {uuid}, which it does not see."),
            usual("disk '{disk}' not found")
                .unless(&["grub-install", "grub-probe", "grub2-install", "grub2-probe"])
                .says("GRUB looks for {disk}, which it does not see."),
            usual("error: no such partition"),
            usual("error: unknown filesystem"),
            usual("no such cryptodisk found"),
            usual("Keine solche Partition"),
            usual("Unbekanntes Dateisystem").unless(&["grub-install", "grub-probe", "mount:"]),
            usual("Laufwerk »{disk}« wurde nicht gefunden").unless(&["grub-install", "grub-probe"]),
            usual("cette partition n'existe pas"),
            usual("système de fichiers inconnu").unless(&["grub-install", "grub-probe", "mount:"]),
            usual("disque « {disk} » non disponible").unless(&["grub-install", "grub-probe"]),
            usual("no existe tal partición"),
            usual("sistema de ficheros desconocido").unless(&["grub-install", "grub-probe", "mount:"]),
            usual("disco «{disk}» no encontrado").unless(&["grub-install", "grub-probe"]),
            usual("partizione inesistente"),
            usual("file system sconosciuto").unless(&["grub-install", "grub-probe", "mount:"]),
            usual("disco '{disk}' non trovato").unless(&["grub-install", "grub-probe"]),
            usual("erro: nenhuma partição"),
            usual("sistema de arquivos desconhecido").unless(&["grub-install", "grub-probe", "mount:"]),
            usual("disco '{disk}' não encontrado").unless(&["grub-install", "grub-probe"]),
            usual("нет такого раздела"),
            usual("неизвестная файловая система").unless(&["grub-install", "grub-probe", "mount:"]),
            usual("диск «{disk}» не найден").unless(&["grub-install", "grub-probe"]),
            usual("partycja nie istnieje"),
            usual("nieznany system plików").unless(&["grub-install", "grub-probe", "mount:"]),
            usual("nie znaleziono dysku '{disk}'").unless(&["grub-install", "grub-probe"]),
            usual("die partitie bestaat niet"),
            usual("onbekend bestandssysteem").unless(&["grub-install", "grub-probe", "mount:"]),
            usual("schijf '{disk}' is niet gevonden").unless(&["grub-install", "grub-probe"]),
            usual("没有这样的分区"),
            usual("未知文件系统").unless(&["grub-install", "grub-probe", "mount:"]),
            usual("磁盘'{disk}'未找到").unless(&["grub-install", "grub-probe"]),
        ],
        messages: messages::GRUB_RESCUE_NO_DEVICE,
        clues: &[
            supports("grub rescue>", "GRUB waits at its rescue prompt"),
            supports("Entering rescue mode", "GRUB waits at its rescue prompt"),
            against("grub-install:", "GRUB is only being installed"),
            against("grub-probe:", "GRUB is only being installed"),
        ],
        fixes: &[
            fix(
                "on the target: `grub-install DISK && update-grub` after the file systems have their last UUIDs",
            ),
            fix("the modules for md or LVM in the core: `grub-install --modules='mdraid1x lvm' DISK`"),
            fix("to get on once: `ls`, `set prefix=(hd0,gpt2)/boot/grub`, `insmod normal`, `normal`"),
        ],
        hides: &["grub-prefix-wrong", "kernel-file-not-found", "no-bootable-device", "root-spec-wrong"],
        decide: "`ls` at its prompt shows the disks it sees; `blkid` in a live system the UUIDs",
        sources: &[
            "https://github.com/xcp-ng/xcp/issues/312",
            "https://github.com/UbuntuAsahi/ubuntu-asahi/issues/41",
            "https://github.com/go-debos/debos/issues/525",
        ],
        ..BLANK
    },
    Cause {
        id: "root-spec-wrong",
        sentence: "root= names a device that does not exist on this machine.",
        signs: &[
            usual("ALERT! {device} does not exist")
                .says("root= names {device}, which does not exist on this machine."),
            usual("ERROR: device '{device}' not found. Skipping fsck")
                .says("root= names {device}, which does not exist on this machine."),
            usual("ERROR: Unable to find root device '{device}'")
                .says("root= names {device}, which does not exist on this machine."),
            usual("mount: /new_root: can't find {device}")
                .says("root= names {device}, which does not exist on this machine."),
            usual("Cannot open root device '{device}' or unknown-block")
                .unless(&["unknown-block(0,0)"])
                .says("root= names {device}, which does not exist on this machine."),
            usual("Warning: {device} does not exist")
                .unless(&["live-rw", "/etc", "ifname", "/dev/root"])
                .says("root= names {device}, which does not exist on this machine."),
            usual("/dev/disk/by-uuid/{uuid} does not exist")
                .says("root= names the UUID {uuid}, which no file system here has."),
            proof("Timed out waiting for device /dev/gpt-auto-root").says(
                "No root= is given: systemd waits for a partition of the type of a root, which this machine does not have.",
            ),
            usual("Timed out waiting for device /dev/disk/by-uuid/{uuid}")
                .says("root= names the UUID {uuid}, which no file system here has."),
            usual("unknown-block({major:number},{minor:number})").unless(&[
                "unknown-block(0,0)",
                "unknown-block(0,255)",
                "unknown-block(1,0)",
                "unknown-block(2,0)",
            ]),
            usual("can't find device '{device}'").unless(&["ip:"]),
            trace("Gave up waiting for root"),
            usual("Could not find the root block device in"),
            usual("is not a valid root device"),
            usual("ERROR: Failed to mount '{device}' on real root"),
            usual("Timed out waiting for device {device}, trying to mount anyway"),
            usual("mount: mounting UUID={uuid} on {folder} failed: No such file or directory")
                .unless(&["on /boot"]),
            usual("Waiting for root device {device}")
                .at_the_end()
                .says("The kernel waits for its root {device}, which does not come."),
            usual("mount: mounting /dev/{device} on /root failed: No such file or directory")
                .says("root= names /dev/{device}, which does not exist on this machine."),
            usual("mount: mounting {device} on /sysroot failed: No such file or directory")
                .says("root= names {device}, which does not exist on this machine."),
            usual("mount: /sysroot: special device {device} does not exist")
                .unless(&["LiveOS_rootfs"])
                .says("root= names {device}, which does not exist on this machine."),
            usual("Timeout waiting for root filesystem"),
            usual("Want me to fall back to {device}").says(
                "The initrd does not find the root that its command line names, and offers {device} instead.",
            ),
            usual("kinit: Cannot open root device {device}").says("root= names {device}, which does not exist on this machine."),
            trace("Cannot open root device '{device}' or unknown-block(0,0)").unless(&["(null)", "UUID", "LABEL", "mapper", "nfs", "live:", "device ''", "/dev/ram", "/dev/root"]).says("root= names {device}, which does not exist on this machine; other disks are there."),
            usual("Timed out waiting for device /dev/disk/by-label/{label}").says("root= names the label {label}, which no file system here has."),
            usual("Timed out waiting for device /dev/disk/by-partuuid/{uuid}").says("root= names the partition {uuid}, which is not on the disks here."),
            usual("Timed out waiting for device /dev/disk/by-partlabel/{label}").says("root= names the partition {label}, which is not on the disks here."),
            usual("Failed to mount {device} as root file system").says("{device}, which root= names, cannot be mounted."),
            usual("Warning: Failed to mount -t {type} -o {options} {device} /sysroot").says("{device}, which root= names, cannot be mounted."),
            usual("encrypted source device {device} does not exist").says("/etc/crypttab in the initrd names {device}, which does not exist on this machine."),
            usual("Waiting for encrypted source device {device}").at_the_end().says("The initrd waits for {device}, which /etc/crypttab in it names and this machine does not have."),
        ],
        messages: messages::ROOT_SPEC_WRONG,
        clues: &[
            supports("Attached SCSI disk", "the disk is there, under another name"),
            supports("nvme0n1: p1", "the disk is there, under another name"),
            supports("sda: sda1", "the disk is there, under another name"),
            supports("vda: vda1", "the disk is there, under another name"),
            supports("TYPE='ext4'", "the disk is there, under another name"),
            supports("TYPE='xfs'", "the disk is there, under another name"),
            supports("TYPE='btrfs'", "the disk is there, under another name"),
            supports("blkid", "somebody looked at the UUIDs"),
            against("Missing modules (cat /proc/modules; ls /dev)", "the driver may be missing as well"),
            against("/dev/mapper/{device} does not exist", "the device is a volume that nobody activated"),
        ],
        fixes: &[
            fix(
                "`blkid` in its shell: put the UUID that is there into the boot loader's configuration (`update-grub` in the target)",
            ),
            fix("a name like /dev/sda2 changes with the machine: use UUID= or PARTUUID="),
            fix(
                "initramfs-tools and dracut have it in the initrd, too (RESUME, hostonly): build it anew in the target",
            ),
        ],
        hides: &[
            "init-exited",
            "unit-timeout",
            "root-param-missing",
            "initrd-not-loaded",
            "rootfs-wrong-image",
        ],
        decide: "`blkid; cat /proc/cmdline` in the initrd's shell: is the UUID of root= among them",
        sources: &["initramfs-tools: scripts/local", "mkinitcpio: init_functions", "linux: init/do_mounts.c"],
        ..BLANK
    },
    Cause {
        id: "initramfs-disk-driver-missing",
        kind: Kind::Symptom,
        sentence: "The installed system's initrd lacks the driver of the disk controller: it never sees its root.",
        signs: &[
            usual("Gave up waiting for root"),
            trace("ALERT! {device} does not exist"),
            usual(
                "dracut-initqueue{:any}: Warning: dracut-initqueue: timeout, still waiting for following initqueue hooks",
            ),
            trace("Warning: /dev/{device} does not exist"),
            trace("Timed out waiting for device"),
            usual("Missing modules (cat /proc/modules; ls /dev)"),
            usual("mount: could not find filesystem '/dev/root'"),
            usual("mount: /new_root: unknown filesystem type '{type}'").says("The initrd lacks the driver of the root's file system {type}."),
            usual("Begin: Waiting for root file system").at_the_end(),
        ],
        messages: messages::INITRAMFS_DISK_DRIVER_MISSING,
        clues: &[excludes("Anaconda installer errors begin", "an installer looks for its own files"), 
            against("Attached SCSI disk", "the disk is there"),
            against("TYPE='ext4'", "the disk is there"),
            against("TYPE='xfs'", "the disk is there"),
            against("TYPE='btrfs'", "the disk is there"),
            against("nvme0n1: p1", "the disk is there"),
            against("sda: sda1", "the disk is there"),
            against("vda: vda1", "the disk is there"),
            supports("linux_raid_member", "the root is on a RAID that is not assembled"),
            supports("Module raid1 not found", "the root is on a RAID that is not assembled"),
            supports("crypto_LUKS", "the root is encrypted, and not opened"),
            supports("LVM2_member", "the root is on LVM that is not active"),
            against("http", "the root is on the network"),
            against("No root device specified", "no root is named"),
            against("remapped NVMe", "the firmware hides the disk"),
            supports("/dev/mapper/{device} does not exist", "the root is a volume that was not activated"),
            supports(
                "Timed out waiting for device /dev/mapper/{device}",
                "the root is a volume that was not activated",
            ),
            supports("Dependency failed for Initrd Root", "the initrd waited for it"),
            supports("Volume group '{group}' not found", "the root is on LVM that is not active"),
            excludes("Dependency failed for Local File Systems", "the root was mounted"),
            excludes("gpt-auto-root", "no root is named"),
            excludes("/dev/mapper/live-rw", "the root is a live image"),
            excludes("Dependency failed for local-fs.target", "the root was mounted"),
            supports("Dependency failed for initrd-root", "the initrd waited for it"),
            excludes("root=live:", "the root is a live image"),
            excludes("rd.live.image", "the root is a live image"),
            excludes("boot=live", "the root is a live image"),
            excludes("boot=casper", "the root is a live image"),
        ],
        fixes: &[
            fix_on(
                Debian,
                "`MODULES=most` in /etc/initramfs-tools/initramfs.conf, `update-initramfs -u -k all` in the target",
            ),
            fix_on(
                Ubuntu,
                "`MODULES=most` in /etc/initramfs-tools/initramfs.conf, `update-initramfs -u -k all` in the target",
            ),
            fix_on(
                Dracut,
                "`dracut -N --force --regenerate-all` (--no-hostonly) in the target, or boot the rescue entry",
            ),
            fix(
                "a slow controller: `rootdelay=30` or `rd.retry=60`; RAID, LVM, LUKS: their tools in the initrd",
            ),
        ],
        hides: &["init-exited", "unit-timeout", "root-spec-wrong"],
        decide: "`ls /dev/sd* /dev/nvme*` and `cat /proc/modules` in its shell: no disk is the driver, a disk is the name",
        sources: &[
            "initramfs-tools: scripts/local",
            "https://github.com/linux-surface/linux-surface/issues/1464",
            "https://github.com/thopiekar/rcraid-dkms/issues/33",
            "https://github.com/NixOS/nixpkgs/issues/199551",
        ],
        ..BLANK
    },
    Cause {
        id: "fsck-required",
        sentence: "The file system check found what it may not mend by itself, and stops the boot.",
        signs: &[
            proof("RUN fsck MANUALLY"),
            proof("requires a manual fsck"),
            proof("UNEXPECTED INCONSISTENCY"),
            proof("fsck exited with status code 4"),
            usual("fsck failed with exit status 4"),
            usual("Failed to start File System Check on"),
            usual("Failed to start Filesystem Check"),
            usual("xfs_repair"),
            usual("Structure needs cleaning"),
            usual("parent transid verify failed"),
            usual("open_ctree failed"),
            usual("Failed to start {unit:any} - File System Check on"),
            // systemd shortens what is too long for the console's line.
            usual("Failed to start {unit:any}... File System Check on"),
            usual("Bad magic number in super-block"),
            usual("Corruption of in-memory data"),
            usual("Failed to recover log tree"),
            usual("deleted inode referenced"),
            usual("log mount/recovery failed: error {errno:number}"),
            usual("Metadata corruption detected at"),
            usual("Please unmount the filesystem and rectify the problem"),
            trace("VFS: Can't find {type} filesystem"),
            usual("no journal found"),
            usual("JBD2: recovery failed"),
            usual("EXT4-fs ({device}): error loading journal"),
            usual("Failed to get valid F2FS checkpoint"),
            usual("File system check of the {name} filesystem failed").says("The file system check of {name} failed."),
            usual("An error occurred during the file system check"),
            usual("super_total_bytes {have:number} mismatch with fs_devices total_rw_bytes {want:number}"),
            proof("Error in check_disks"),
        ],
        messages: messages::FSCK_REQUIRED,
        clues: &[
            excludes("Superblock last mount time is in the future", "the clock is wrong"),
            against("I/O error, dev", "the disk has errors"),
        ],
        fixes: &[
            fix("`fsck -y DEVICE` in its shell, then boot on"),
            fix("right after an installation: the image was cut off or written over; install again"),
            fix("XFS: `xfs_repair DEVICE` (`-L` only as the last resort)"),
        ],
        hides: &["init-exited", "unit-timeout", "readonly-root"],
        decide: "`fsck -n DEVICE`: what it finds, without a change",
        sources: &["initramfs-tools: scripts/functions", "e2fsprogs: e2fsck", "LibreELEC: packages/sysutils/busybox/scripts/init"],
        ..BLANK
    },
    Cause {
        id: "fstab-device-missing",
        sentence: "/etc/fstab names a device that is not there: the boot ends in emergency mode.",
        signs: &[
            usual("Dependency failed for /{mount}")
                .unless(&["for /sysusr"])
                .says("/etc/fstab wants /{mount}, whose device is not there."),
            usual("Dependency failed for {unit}.mount")
                .unless(&["sysroot"])
                .says("/etc/fstab wants {unit}, whose device is not there."),
            usual("Dependency failed for Local File Systems"),
            usual("mount: {folder}: can't find UUID={uuid}")
                .unless(&["/new_root"])
                .says("/etc/fstab mounts UUID {uuid} at {folder}, and it is not there."),
            usual("mount: {folder}: special device {device} does not exist")
                .unless(&["/target", "/mnt/sys", "/sysroot"])
                .says("/etc/fstab mounts {device} at {folder}, and it is not there."),
            usual("mount: can't find {what} in /etc/fstab"),
            usual("special device UUID={uuid} does not exist")
                .says("/etc/fstab names the UUID {uuid}, and it is not there."),
            usual("The disk drive for {mount} is not ready yet or not present")
                .says("/etc/fstab wants {mount}, whose device is not there."),
            usual("mount: mounting UUID={uuid} on /boot failed: No such file or directory")
                .says("/etc/fstab mounts UUID {uuid} at /boot, and it is not there."),
            usual("Dependency failed for local-fs.target"),
            trace("Timed out waiting for device /dev/disk/by-uuid/{uuid}")
                .says("/etc/fstab names the UUID {uuid}, and it is not there."),
            trace("Timed out waiting for device /dev/disk/by-label/{label}").says("/etc/fstab names the label {label}, and it is not there."),
            trace("Timed out waiting for device /dev/disk/by-partuuid/{uuid}").says("/etc/fstab names the partition {uuid}, and it is not there."),
        ],
        messages: messages::FSTAB_DEVICE_MISSING,
        clues: &[excludes("/sysusr/usr", "it is the initrd that stops"), 
            supports("Timed out waiting for device", "the device never came"),
            supports("emergency mode", "the boot ends there"),
            excludes("dracut", "it is the initrd that stops"),
            excludes("Initrd Root", "it is the initrd that stops"),
            excludes("requires a manual fsck", "a file system is damaged"),
            excludes("RUN fsck MANUALLY", "a file system is damaged"),
            excludes("Failed to start File System Check", "a file system is damaged"),
            excludes("Failed to start {unit:any} - File System Check on", "a file system is damaged"),
        ],
        fixes: &[
            fix("`blkid` in its shell: put the UUID that is there into /etc/fstab"),
            fix("what may be absent: `nofail,x-systemd.device-timeout=10` among its options"),
        ],
        hides: &["unit-timeout", "readonly-root"],
        decide: "`systemctl --failed`, `findmnt --verify`",
        sources: &["systemd: systemd.mount(5), systemd-fstab-generator(8)"],
        ..BLANK
    },
    Cause {
        id: "nic-name-changed",
        sentence: "The network configuration names an interface that is called otherwise in this system.",
        signs: &[
            usual("Cannot find device '{interface}'")
                .says("The configuration names {interface}, which is called otherwise here."),
            usual("Failed to rename network interface {number:number} from '{old}' to '{new}'")
                .says("{old} cannot be called {new}: another interface has that name."),
            usual("Failed to bring up {interface}")
                .says("The configuration names {interface}, which does not come up."),
            usual("SIOCGIFFLAGS: No such device"),
            usual("{interface}: ERROR while getting interface flags: No such device")
                .says("The configuration names {interface}, which is called otherwise here."),
            usual("Device {interface} does not seem to be present")
                .says("The configuration names {interface}, which is called otherwise here."),
            usual("Device '{interface}' does not exist")
                .says("The configuration names {interface}, which is called otherwise here."),
            usual("Bringing up interface {interface}: {:any}FAILED"),
            proof("Not all expected physical devices present"),
            usual("Ignoring unknown interface {interface}")
                .says("The configuration names {interface}, which is called otherwise here."),
            usual("ifup: unknown interface {interface}")
                .says("The configuration names {interface}, which is called otherwise here."),
            usual("Error changing net interface name {old} to {new}: {why:any}")
                .says("{old} cannot be called {new}: {why}."),
            usual("could not rename interface '{number:number}' from '{old}' to '{new}'")
                .says("{old} cannot be called {new}: another interface has that name."),
            usual("[busy] Error renaming"),
            usual("ip: can't find device '{interface}'").says("The configuration names {interface}, which is not there."),
            usual("{interface}: interface not found").says("The configuration names {interface}, which is called otherwise here."),
            usual("Failed to get interface index: No such device"),
            usual("Error getting hardware address for '{interface}': No such device").says("The configuration names {interface}, which is called otherwise here."),
            usual("IP-Config: Device '{interface}' not found").says("The configuration names {interface}, which is called otherwise here."),
        ],
        messages: messages::NIC_NAME_CHANGED,
        clues: &[
            supports("renamed from eth{number:number}", "an interface was given another name"),
            against("no devices to configure", "there is no interface"),
        ],
        fixes: &[
            fix(
                "name it by its MAC: netplan `match: {macaddress: …}`, networkd `[Match] MACAddress=`, NetworkManager without interface-name",
            ),
            fix(
                "or the old names on both sides: `net.ifnames=0 biosdevname=0` on the installed system's command line, too",
            ),
        ],
        hides: &["network-wait-online", "unit-timeout", "dns-missing", "route-missing"],
        decide: "`ip -br link` against /etc/netplan, /etc/network/interfaces or /etc/sysconfig/network-scripts",
        sources: &[
            "https://github.com/systemd/systemd/issues/24102",
            "https://github.com/xcat2/xcat-core/issues/3077",
            "https://github.com/grml/grml-debootstrap/issues/135",
        ],
        ..BLANK
    },
    Cause {
        id: "fs-feature-unsupported",
        sentence: "The file system was made with features that this kernel does not know.",
        messages: messages::FS_FEATURE_UNSUPPORTED,
        fixes: &[
            fix("boot a newer kernel, or make the file system with the tools of the kernel's own release"),
            fix("ext4: `mke2fs -O ^metadata_csum_seed,^orphan_file`; XFS: `mkfs.xfs -i nrext64=0,exchange=0`; ZFS: `zpool create -o compatibility=FILE`"),
        ],
        hides: &["fsck-required", "root-spec-wrong", "initramfs-disk-driver-missing", "init-exited", "unit-timeout", "fstab-device-missing"],
        decide: "`dumpe2fs -h`, `xfs_info` or `btrfs inspect-internal dump-super`: which features; the kernel's log has the bits it does not know",
        sources: &["linux: fs/ext4/super.c, fs/xfs/libxfs/xfs_sb.c, fs/btrfs/disk-io.c", "e2fsprogs: misc/mke2fs.conf.in"],
        ..BLANK
    },
];
