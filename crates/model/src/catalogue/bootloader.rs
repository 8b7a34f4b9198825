//! Causes of the stage `bootloader`: installing the boot loader. Definitions only; how they are found in a log is `diagnosis`'s.

use super::System::{Debian, Line, Ubuntu};
use super::messages::bootloader as messages;
use super::{BLANK, Cause, against, fix, fix_on, proof, supports, trace, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "bios-boot-partition-missing",
        sentence: "GRUB for BIOS has no place on this GPT disk: there is no BIOS boot partition.",
        signs: &[
            proof("this GPT partition label contains no BIOS Boot Partition"),
            proof("embedding won't be possible"),
            proof("contains no BIOS Boot Partition"),
            usual("Embedding is not possible"),
            usual("will not proceed with blocklists"),
            proof("you need to create a {:any}BIOS Boot"),
            proof("core.img is unusually large. It won't fit in the embedding area"),
            proof("your embedding area is unusually small"),
            proof("needs a special partition to boot from a GPT disk label"),
            usual("multiple partition labels"),
            usual("doesn't support blocklists"),
            usual("doesn't support embedding"),
            usual("GRUB to a partitionless disk or to a partition"),
        ],
        fixes: &[
            fix("make one of 1 MiB: `sgdisk -n0:0:+1M -t0:ef02 DISK`, then `grub-install DISK` again"),
            fix_on(Line, "boot the box in UEFI mode, or let the layout have a `bios-boot` partition"),
        ],
        hides: &["grub-install-failed", "no-bootable-device"],
        decide: "`sgdisk -p DISK`: is there one of type EF02; `ls /sys/firmware/efi`: BIOS or UEFI",
        sources: &["grub: util/setup.c"],
        ..BLANK
    },
    Cause {
        id: "efi-vars-unavailable",
        sentence: "The installer was not booted in UEFI mode, or cannot get at the firmware's variables.",
        signs: &[
            proof("EFI variables are not supported on this system"),
            usual("efibootmgr: {:any}not supported"),
            usual("EFI variables cannot be set on this system"),
            proof("Fatal: Couldn't open either sysfs or procfs directories for accessing EFI variables"),
            proof("efivarfs{:any}not mounted"),
            usual("Skipping unmounted {:any}efivars"),
            proof("Failed to read EFI variable"),
            proof("/sys/firmware/efi/efivars: No such file or directory"),
            usual("not booted with EFI, skipping EFI variable"),
            usual("not booted in EFI mode"),
            proof("Could not prepare Boot variable: Read-only file system"),
            proof("Could not prepare Boot variable: Function not implemented"),
            proof("Could not prepare Boot variable: No such file or directory"),
            proof("Could not prepare Boot variable: Operation not supported"),
            proof("failed to register the EFI boot entry: Read-only file system"),
        ],
        messages: messages::EFI_VARS_UNAVAILABLE,
        clues: &[against("No space left on device", "there is no room for them")],
        fixes: &[
            fix("boot the installer in UEFI mode, with the boot entry that says UEFI"),
            fix("in a chroot: `mount -t efivarfs efivarfs /sys/firmware/efi/efivars` before grub-install"),
            fix(
                "without them: `grub-install --removable --no-nvram` puts the loader where every firmware looks (EFI/BOOT)",
            ),
        ],
        hides: &["efi-nvram-full", "grub-install-failed", "uefi-boot-order", "no-bootable-device"],
        decide: "`ls /sys/firmware/efi`: not there is BIOS mode",
        sources: &["efibootmgr", "grub: util/grub-install.c"],
        ..BLANK
    },
    Cause {
        id: "efi-nvram-full",
        sentence: "The firmware's memory for variables is full: no boot entry can be written.",
        signs: &[
            proof("Could not prepare Boot variable: No space left on device"),
            usual("Could not prepare Boot variable").unless(&[
                "Read-only",
                "not implemented",
                "No such file",
                "not supported",
                "Invalid argument",
            ]),
            proof("grub-install: {:any}efibootmgr{:any}No space left on device"),
            proof("Failed to write EFI variable: No space left on device"),
            usual("error: efibootmgr failed to register the boot entry: Operation not permitted"),
            usual("failed to register the EFI boot entry: No space left on device"),
            proof("efivarfs{:any}No space left on device"),
            proof("Could not add boot entry"),
            proof("failed to register the boot entry: No space left"),
            proof("set_variable() failed: {:any}No space"),
            proof("EFI variable: No space left on device"),
            proof("Could not set variable {name}: No space left on device"),
            proof("efivarfs_set_variable: {what:any}No space left on device"),
            proof("Failed to create EFI Boot variable entry: No space left"),
            usual("Cannot set EFI variable {name}").says("The firmware does not take the variable {name}."),
            proof("Something has gone seriously wrong: import_mok_state() failed: {why:any}")
                .says("shim cannot keep its variables ({why}), and stops."),
        ],
        messages: messages::EFI_NVRAM_FULL,
        fixes: &[
            fix(
                "delete crash dumps: `rm /sys/firmware/efi/efivars/dump-*` (mount efivarfs first), then old entries: `efibootmgr -b NNNN -B`",
            ),
            fix("some firmwares give the room back only after a restart, or after `load defaults`"),
            fix("or without an entry: `grub-install --removable --no-nvram`"),
        ],
        hides: &[
            "grub-install-failed",
            "uefi-boot-order",
            "no-bootable-device",
            "image-no-space",
            "esp-full",
        ],
        decide: "`ls /sys/firmware/efi/efivars | wc -l`, `df /sys/firmware/efi/efivars`",
        sources: &[
            "efibootmgr: src/efibootmgr.c",
            "grub: grub-core/osdep/unix/platform.c",
            "linux: drivers/firmware/efi/efi-pstore.c",
        ],
        ..BLANK
    },
    Cause {
        id: "efi-dir-missing",
        sentence: "The EFI system partition is not mounted, or is no FAT file system.",
        signs: &[
            proof("cannot find EFI directory"),
            proof("doesn't look like an EFI partition"),
            proof("File system '/boot' is not a FAT EFI System Partition"),
            proof("is not a FAT EFI System Partition (ESP)"),
            proof("Couldn't find EFI system partition"),
            proof("no EFI system partition"),
            proof("No EFI system partition"),
            proof("you have not set up an EFI System partition"),
            proof("mount: {:any}/boot/efi: unknown filesystem type 'vfat'"),
            proof("failed to find the EFI system partition"),
            proof("did not create needed bootloader partition"),
            usual("you must include an EFI System Partition on a GPT-formatted disk"),
            proof("EFI-Verzeichnis kann nicht gefunden werden"),
            proof("impossible de trouver le répertoire EFI"),
            proof("no se puede encontrar el directorio EFI"),
            proof("impossibile trovare la directory EFI"),
            proof("не удалось найти каталог EFI"),
            proof("nie można odnaleźć katalogu EFI"),
            proof("kan EFI-map niet vinden"),
            proof("无法找到 EFI 目录"),
            proof("has wrong type for an EFI System Partition"),
            usual("have not created a bootloader stage1 target device"),
            usual("you must create a bootloader stage1 target device"),
            proof("failed to get canonical path of '{folder:any}/efi'")
                .says("{folder}/efi is not there, or nothing is mounted there."),
            proof("failed to get canonical path of '{folder:any}/esp'")
                .says("{folder}/esp is not there, or nothing is mounted there."),
        ],
        messages: messages::EFI_DIR_MISSING,
        fixes: &[
            fix("mount it in the chroot: `mount /dev/DISK1 /target/boot/efi`, before grub-install"),
            fix("make it FAT: `mkfs.vfat -F32 PARTITION`, with the type EF00"),
            fix("`modprobe vfat nls_cp437 nls_ascii` where the live system does not load them itself"),
        ],
        hides: &["grub-install-failed", "no-bootable-device", "grub-probe-failed"],
        decide: "`findmnt /target/boot/efi`, `blkid`: mounted, and vfat",
        sources: &["grub: util/grub-install.c", "https://github.com/bayasdev/simplyarch/issues/9"],
        ..BLANK
    },
    Cause {
        id: "esp-full",
        sentence: "The EFI system partition, or /boot, is full.",
        signs: &[
            proof("cannot copy '{file}' to '{target}': No space left on device")
                .says("No room for {target}."),
            proof("cannot write to '/boot/{file}': No space left on device")
                .says("No room for /boot/{file}."),
            proof("error writing '/boot/{file}': No space left on device").says("No room for /boot/{file}."),
            proof("update-initramfs: failed for {:any}No space left"),
            proof("gzip: stdout: No space left on device"),
            proof("zstd: error {:any}No space left on device"),
            proof("write error: No space left on device{:any}/boot"),
            proof("needed on the /boot filesystem"),
            usual("Failed to write '/boot/{file}': No space left on device")
                .says("No room for /boot/{file}."),
            proof("copying {:any}/EFI/{:any}: No space left on device"),
            proof("/boot/{file}: No space left on device").says("No room for /boot/{file}."),
            proof("cannot copy extracted data for './boot/{file}'").says("No room for /boot/{file}."),
            proof("[Errno 28] No space left on device: '/boot/{file}'").says("No room for /boot/{file}."),
            proof("space on the /boot filesystem"),
            proof("Installing kernel: {:any}No space left on device"),
            trace("update-initramfs: failed for /boot/{file}").says("No room for /boot/{file}."),
            usual("dracut: {:any}No space left on device"),
        ],
        messages: messages::ESP_FULL,
        clues: &[supports("write error: No space left on device", "a file system is full")],
        fixes: &[
            fix("a larger one: 512 MiB for the ESP, 1 GiB for /boot where kernels stay"),
            fix_on(
                Debian,
                "remove old kernels: `apt autoremove --purge`; `MODULES=dep` makes the initrd smaller",
            ),
            fix_on(Ubuntu, "remove old kernels: `apt autoremove --purge`"),
        ],
        hides: &["grub-install-failed", "image-no-space"],
        decide: "`df -h /boot /boot/efi`",
        sources: &[
            "https://github.com/r-darwish/alma/issues/78",
            "https://github.com/MatMoul/archfi/issues/27",
        ],
        ..BLANK
    },
    Cause {
        id: "grub-probe-failed",
        sentence: "GRUB's tools do not find the device below the root.",
        signs: &[
            proof("failed to get canonical path of '{path}'")
                .says("GRUB's tools do not find the device below {path}: they run outside the target."),
            proof("cannot find a device for {path} (is /dev mounted?)")
                .says("GRUB's tools do not find the device below {path}."),
            proof("cannot find a GRUB drive for {device}").says("GRUB's tools do not know {device}."),
            proof("grub-probe: error: unknown filesystem"),
            proof("grub2-probe: error: {what:any}")
                .says("GRUB's tools do not find the device below the root: {what}."),
            proof("grub-install: error: unknown filesystem"),
            usual("grub-probe: error: {what:any}")
                .says("GRUB's tools do not find the device below the root: {what}."),
            usual("Auto-detection of a filesystem of {device} failed"),
            usual("disk '{disk}' not found").unless(&["rescue"]),
            proof("Kanonischer Pfad von »{path}« konnte nicht ermittelt werden"),
            proof("impossible d'obtenir le chemin canonique de « {path} »"),
            proof("no se pudo obtener la ruta canónica de «{path}»"),
            proof("recupero del percorso canonico di '{path}' non riuscito"),
            proof("не удалось получить канонический путь «{path}»"),
            proof("nie udało się uzyskać znormalizowanej ścieżki '{path}'"),
            proof("kan canoniek pad van '{path}' niet achterhalen"),
            proof("获取'{path}'的正规路径失败"),
        ],
        fixes: &[
            fix(
                "run them in the target: bind /dev, /proc, /sys there (`mount --bind`), `chroot /target grub-install DISK`",
            ),
            fix("delete a stale /boot/grub/device.map"),
            fix(
                "a file system that GRUB does not know (new ext4 or xfs features): a separate /boot without them",
            ),
        ],
        hides: &["grub-install-failed", "no-bootable-device"],
        decide: "`grub-probe --target=device /` inside the chroot",
        sources: &["grub: util/getroot.c"],
        ..BLANK
    },
    Cause {
        id: "grub-install-failed",
        sentence: "GRUB could not be installed on the target's disk.",
        signs: &[
            usual("grub-install: error: {what:any}").says("GRUB could not be installed: {what}."),
            usual("grub2-install: error: {what:any}").says("GRUB could not be installed: {what}."),
            usual("Unable to install GRUB in {device}").says("GRUB could not be installed in {device}."),
            usual("Executing 'grub-install {device}' failed")
                .says("GRUB could not be installed in {device}."),
            usual("GRUB installation failed"),
            usual("cause: grub-install-failed"),
            usual("Failed to install {:any}grub"),
            usual("failed to install bootloader"),
            usual("Boot loader install failed"),
            usual("bootloader installation failed"),
            usual("the bootloader could not be installed"),
            usual("Installing the boot loader failed"),
            usual("Failed to set new efi boot target"),
            usual("GRUB's menu does not name the root by its UUID"),
            usual("The 'grub-{package}' package failed to install into /target")
                .says("The package grub-{package} could not be installed into the target."),
            usual("boot data installation failed"),
            usual("Failed to install a bootloader"),
            usual("Error setting up bootloader"),
            usual("package 'grub-{package}' is not installed and no information is available")
                .says("The target has no package grub-{package}."),
            usual("dpkg-reconfigure: grub-{package} is not installed")
                .says("The target has no package grub-{package}."),
            usual("error: Running 'grub-install {options:any}' failed"),
            usual("failed to write boot loader configuration"),
        ],
        messages: messages::GRUB_INSTALL_FAILED,
        fixes: &[
            fix("read the lines before it: grub-install says what it lacks"),
            fix_on(
                Line,
                "does the appliance have grub-pc or grub-efi-amd64 (and -bin) for the way this box boots",
            ),
            fix("the package for the mode: grub-efi-amd64 for UEFI, grub-pc for BIOS"),
        ],
        hides: &["package-install-failed", "no-bootable-device"],
        decide: "`chroot /target grub-install -v DISK`: its last lines",
        sources: &["grub: util/grub-install.c", "bootworks: agent/src/controller/apply/loader.rs"],
        ..BLANK
    },
];
