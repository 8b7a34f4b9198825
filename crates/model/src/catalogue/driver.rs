//! Causes of the stage `driver`: kernel modules, their firmware files and network cards. Definitions only; how they are found in a log is `diagnosis`'s.
//!
//! Long because drivers fail in so many ways, and each way has its own remedy.

use super::System::{Debian, Dracut, Line, Ubuntu};
use super::{BLANK, Cause, Kind, absent, against, excludes, fix, fix_on, proof, supports, trace, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[Cause {
    id: "nic-driver-missing",
    sentence: "The live system has no driver for this machine's network card: no interface but lo exists.",
    signs: &[
            usual("no suitable network interface"),
            usual("Failed to find a network device"),
            usual("No Ethernet interface found"),
            usual("Could not find any network interface"),
            usual("No network interface found"),
            usual("No network devices found"),
            usual("No network interfaces found"),
        usual("ipconfig: no devices to configure"),
        usual("IP-Config: No network devices available"),
        usual("Network device did not appear in time").unless(&["MAC address"]),
        proof("No supported network device found, maybe a non-mainline driver is required"),
        usual("No network interfaces detected"),
        proof("None of the network card drivers matched"),
        proof("No Ethernet card was detected"),
            usual("udhcpc: SIOCGIFINDEX: No such device"),
            usual("no ethernet technology"),
            usual("No interfaces found!"),
            proof("No network card detected"),
            proof("Couldn't find any network interface"),
            usual("maybe the ethernet card is not supported by the kernel"),
    ],
    clues: &[
            excludes(":{rest} eth{number:number}:", "an interface is there, and so is its driver"),
        excludes("IP-Config: {interface} hardware address", "an interface is there, and so is its driver"),
        excludes("{interface} NIC Link is Up", "an interface is there, and so is its driver"),
        excludes("{interface}: Link is up", "an interface is there, and so is its driver"),
        against("firmware load for {file} failed", "a driver is there, and asks for its firmware"),
        against(
            "probe of {address} failed with error",
            "a driver is there, and does not get its card to work",
        ),
        excludes("renamed from eth{number:number}", "an interface is there, and so is its driver"),
        absent("version magic '", "no module was refused"),
        supports("can't open '/run/net-", "the script waited for an interface that never came"),
        supports("can't open /run/net-", "the script waited for an interface that never came"),
    ],
    fixes: &[
        fix_on(
            Line,
            "`bootworks check` names the package; set it as `kernel = \"linux-image-amd64\"` under [live] in line.toml, then `bootworks build`",
        ),
        fix_on(
            Debian,
            "install the full kernel and rebuild: `apt install linux-image-amd64` (not -cloud-amd64), MODULES=most in /etc/initramfs-tools/initramfs.conf, `update-initramfs -u -k all`",
        ),
        fix_on(
            Ubuntu,
            "`apt install linux-modules-extra-$(uname -r)` (before 18.04: linux-image-extra-$(uname -r)) in the live system, then `update-initramfs -u -k all`",
        ),
        fix_on(
            Dracut,
            "`dnf install kernel-modules` (kernel-modules-core has no such drivers), then `dracut --force --no-hostonly`",
        ),
        fix("copy the new initrd and kernel to the server together: modules of another release do not load"),
    ],
    hides: &[
        "init-exited",
        "dhcp-no-answer",
        "nfs-server-unreachable",
        "live-medium-not-found",
        "network-not-requested",
        "route-missing",
        "http-unreachable",
    ],
    decide: "In the initrd's shell: `ls /sys/class/net` shows lo only; `lspci -nn` (or iPXE's `show pci/…`) has the card's id, and `grep -i vVENDORdDEVICE /lib/modules/*/modules.alias` its driver",
    sources: &[
        "https://github.com/coreos/bugs/issues/2314",
        "https://github.com/OSInside/kiwi/issues/970",
        "https://github.com/netbootxyz/netboot.xyz/issues/429",
        "https://github.com/grml/grml/issues/153",
        "klibc: usr/kinit/ipconfig/main.c",
        "live-boot: 9990-networking.sh",
        "initramfs-tools: scripts/functions",
    ],
    ..BLANK
},
    Cause {
        id: "nic-absent",
        sentence: "This machine has no network card: none is on its PCI bus.",
        signs: &[proof("this box has no network card")],
        fixes: &[
            fix("switch the network card on in the firmware's setup, or put one in"),
            fix_on(Line, "a virtual box: give it one, `bootworks rehearse --box nic=e1000e`"),
        ],
        hides: &["nic-driver-missing", "dhcp-no-answer", "ipxe-no-device"],
        decide: "`lspci -nn | grep '\\[02'` on the machine: class 02 is network",
        sources: &["bootworks: agent/src/init/verdict.rs"],
        ..BLANK
    },
    Cause {
        id: "nic-driver-unknown",
        sentence: "No kernel of this suite has a driver for the network card.",
        signs: &[proof("No kernel of this suite has a driver for")],
        fixes: &[
            fix_on(Line, "a newer suite, or a kernel from backports, under [live] in line.toml"),
            fix("boot from another network card of the machine"),
            fix_on(Ubuntu, "the HWE kernel: `apt install linux-generic-hwe-24.04`"),
        ],
        hides: &["nic-driver-missing", "dhcp-no-answer"],
        decide: "The card's PCI id (`lspci -nn`) in a current kernel's modules.alias: which release has it first",
        sources: &["bootworks: model/src/proof/nic.rs"],
        ..BLANK
    },
    Cause {
        id: "nic-late",
        sentence: "The network card appears only after the network was set up: the script did not wait for it.",
        signs: &[
            trace("no devices to configure"),
            trace("Network device did not appear in time"),
            trace("No network devices available"),
            trace("udhcpc: SIOCGIFINDEX: No such device"),
        ],
        clues: &[
            supports(":{rest} eth{number:number}:", "a card appears"),
            supports("renamed from eth{number:number}", "a card appears"),
            supports("NIC Link is Up", "a card appears"),
            supports("Link is up", "a card appears"),
            supports("link becomes ready", "a card appears"),
            supports("register '{driver}' at usb", "a card appears on USB, which takes longer"),
        ],
        fixes: &[
            fix_on(Debian, "`rootdelay=10` on the kernel's command line, or put the card's driver into /etc/initramfs-tools/modules so that it loads early"),
            fix_on(Ubuntu, "`rootdelay=10` on the kernel's command line, or put the card's driver into /etc/initramfs-tools/modules so that it loads early"),
            fix_on(Dracut, "`rd.net.timeout.iflink=60 rd.net.timeout.ifup=60` on the kernel's command line; `ifname=` and `ip=` of the right card"),
            fix("load the driver before the network script: `modules-load=DRIVER`"),
        ],
        hides: &["nic-driver-missing", "init-exited", "dhcp-no-answer", "nfs-server-unreachable", "live-medium-not-found", "route-missing", "dns-missing"],
        decide: "The kernel's times: does the line with the interface's name come after the script's last try",
        sources: &["initramfs-tools: scripts/functions", "https://github.com/coreos/bugs/issues/2314"],
        ..BLANK
    },
    Cause {
        id: "firmware-missing",
        sentence: "The network card's driver is there, but not the firmware file that it needs: the card does not work.",
        signs: &[
            usual("firmware load for bnx2/{file} failed with error {errno:number}").says("The card's driver needs the firmware file bnx2/{file}, which is not there."),
            usual("firmware load for bnx2x/{file} failed with error {errno:number}").says("The card's driver needs the firmware file bnx2x/{file}, which is not there."),
            usual("firmware load for qed/{file} failed with error {errno:number}").says("The card's driver needs the firmware file qed/{file}, which is not there."),
            usual("firmware load for netxen/{file} failed with error {errno:number}").says("The card's driver needs the firmware file netxen/{file}, which is not there."),
            usual("firmware load for cxgb3/{file} failed with error {errno:number}").says("The card's driver needs the firmware file cxgb3/{file}, which is not there."),
            usual("firmware load for cxgb4/{file} failed with error {errno:number}").says("The card's driver needs the firmware file cxgb4/{file}, which is not there."),
            usual("firmware load for myri10ge/{file} failed with error {errno:number}").says("The card's driver needs the firmware file myri10ge/{file}, which is not there."),
            usual("firmware load for netronome/{file} failed with error {errno:number}").says("The card's driver needs the firmware file netronome/{file}, which is not there."),
            usual("firmware load for liquidio/{file} failed with error {errno:number}").says("The card's driver needs the firmware file liquidio/{file}, which is not there."),
            usual("firmware load for mellanox/{file} failed with error {errno:number}").says("The card's driver needs the firmware file mellanox/{file}, which is not there."),
            usual("firmware load for slicoss/{file} failed with error {errno:number}").says("The card's driver needs the firmware file slicoss/{file}, which is not there."),
            usual("firmware load for acenic/{file} failed with error {errno:number}").says("The card's driver needs the firmware file acenic/{file}, which is not there."),
            trace("Direct firmware load for {file} failed with error {errno:number}")
                .unless(&["tg3_tso", "regulatory", "iwl", "ath", "brcm", "rtl_bt", "rtlwifi", "mediatek", "intel/ibt", "i915", "amdgpu", "radeon", "nvidia", "ucode", "qat", "rtw8", "mt7", "sof", "cs35", "ast_dp", "ice/ddp", "cxgb4-config", "rtl_nic", "e100/", "xe/", "libertas", "ti-connectivity", "nouveau", "intel/vsc", "intel/ipu"])
                .says("The card's driver needs the firmware file {file}, which is not there."),
            trace("firmware: failed to load {file} ({errno:number})")
                .unless(&["tg3_tso", "regulatory", "iwl", "ath", "brcm", "rtl_bt", "i915", "amdgpu", "radeon", "ucode", "rtw8", "rtl_nic", "ice/ddp"])
                .says("The card's driver needs the firmware file {file}, which is not there."),
            proof("Can't load firmware file '{file}'").says("The card's driver needs the firmware file {file}, which is not there."),
            trace("firmware: requesting {file}").unless(&["tg3_tso", "regulatory"]),
            usual("Failed to load firmware").unless(&["i915", "wifi", "iwl", "regulatory", "bluetooth"]),
            proof("[bnx2x_init_firmware"),
            usual("HW init failed, aborting"),
            proof("Firmware file not found"),
            usual("qed_slowpath_start"),
            trace("missing firmware"),
        ],
        clues: &[
            supports("SIOCSIFFLAGS: No such file or directory", "the interface cannot be brought up"),
            supports("SIOCSIFFLAGS: Invalid argument", "the interface cannot be brought up"),
            supports("HW init failed", "the card does not start"),
            supports("no devices to configure", "no interface is there"),
            supports("probe of {address} failed with error", "the card does not start"),
            excludes("{host} login:", "the system came up"),
        ],
        fixes: &[
            fix_on(Line, "add the package that has it to `packages` under [live] in line.toml (`bootworks check` names it) and `bootworks build`"),
            fix_on(Debian, "`apt install firmware-misc-nonfree` or the one for the card (firmware-bnx2, firmware-bnx2x, firmware-qlogic, firmware-netxen), then `update-initramfs -u -k all`"),
            fix_on(Ubuntu, "`apt install linux-firmware`, then `update-initramfs -u -k all`"),
            fix_on(Dracut, "`dnf install linux-firmware`, then `dracut --force --no-hostonly`; `lsinitrd | grep FILE`"),
            fix("a newer driver wants a newer file: take kernel and firmware package of one release; .zst and .xz files need a kernel that unpacks them"),
        ],
        hides: &["dhcp-no-answer", "no-carrier", "nic-driver-missing", "nic-probe-failed", "init-exited", "nfs-server-unreachable", "live-medium-not-found", "route-missing", "dns-missing", "wrong-nic-chosen"],
        decide: "Is there an interface, and can it be brought up (`ip link set eth0 up`)? `No such file or directory` there is the firmware file",
        sources: &["https://github.com/grml/grml/issues/160", "https://github.com/FOGProject/fos/issues/11", "https://github.com/open-power-host-os/builds/issues/25", "https://github.com/flatcar/Flatcar/issues/359", "https://github.com/rancher/os/issues/2877"],
        ..BLANK
    },
    Cause {
        id: "firmware-degraded",
        kind: Kind::Noise,
        sentence: "A firmware file is missing that the device can do without: it works with less.",
        signs: &[
            usual("Entering Safe Mode"),
            usual("The DDP package file was not found"),
            usual("firmware load for tigon/tg3_tso{version} failed"),
            usual("tg3_tso"),
            usual("regulatory.db failed with error"),
            usual("failed to load regulatory.db"),
            usual("firmware load for rtl_nic/{file} failed"),
            usual("firmware load for ice/ddp/{file} failed"),
        ],
        fixes: &[
            fix("nothing, if link and address follow"),
            fix_on(Debian, "`apt install firmware-misc-nonfree firmware-realtek` for all functions of the card"),
            fix_on(Dracut, "`dnf install linux-firmware` for all functions of the card"),
        ],
        sources: &["https://github.com/rackerlabs/understack/pull/2286", "linux: drivers/net/ethernet/intel/ice"],
        ..BLANK
    },
    Cause {
        id: "sfp-unsupported",
        sentence: "The driver refuses the SFP module or cable in the port.",
        signs: &[
            proof("unsupported SFP"),
            proof("unsupported SFP+ or QSFP module type"),
            proof("Rx/Tx is disabled on this device because an unsupported"),
            proof("module is not qualified"),
            proof("Unqualified SFP+ module detected"),
            proof("PHY: unsupported module"),
            proof("Unsupported SFP+ module type"),
        ],
        fixes: &[
            fix("`ixgbe.allow_unsupported_sfp=1` on the kernel's command line (one 1 for each port: `1,1`); other drivers have no such switch"),
            fix("take a module or cable coded for this card's maker"),
        ],
        hides: &["nic-driver-missing", "no-carrier", "dhcp-no-answer", "nic-probe-failed", "wrong-nic-chosen"],
        decide: "`ethtool -m PORT` shows the module's maker; does a cable of the card's maker work",
        sources: &["https://github.com/intel/ethernet-linux-ixgbe/pull/36", "https://github.com/intel/ethernet-linux-i40e/issues/20", "https://github.com/harvester/docs/pull/407"],
        ..BLANK
    },
    Cause {
        id: "module-kernel-mismatch",
        sentence: "Kernel and modules are of different builds: the modules do not load.",
        signs: &[
            proof("version magic '{have:any}' should be '{want:any}'").says("The modules are of kernel `{have}`, but `{want}` runs: they do not load."),
            proof("disagrees about version of symbol"),
            usual("Invalid module format").unless(&[".ko.xz", ".ko.zst", ".ko.gz"]),
            usual("could not insert '{module}': Exec format error").says("The module {module} is not of the kernel that runs."),
        ],
        clues: &[against("Invalid ELF header magic", "the module is packed, not of another kernel")],
        fixes: &[
            fix("put kernel and initrd of one build on the server, together"),
            fix("build modules of your own anew for the kernel that runs: `dkms autoinstall -k RELEASE`"),
        ],
        hides: &["nic-driver-missing", "init-exited", "dhcp-no-answer", "disk-driver-missing", "initramfs-disk-driver-missing", "live-medium-not-found", "union-missing", "nfs-not-in-initrd"],
        decide: "`uname -r` against `modinfo -F vermagic MODULE`; the kernel's first line against the folder in /lib/modules",
        sources: &["https://github.com/raspberrypi/linux/issues/4558", "https://github.com/OP-TEE/optee_test/issues/55"],
        ..BLANK
    },
    Cause {
        id: "modules-dir-mismatch",
        sentence: "There are no modules for the kernel that runs: /lib/modules has another release, or none.",
        signs: &[
            proof("could not open directory /lib/modules/{release}: No such file or directory").says("There are no modules for the running kernel {release}."),
            proof("could not open moddep file '/lib/modules/{release}/modules.dep.bin'").says("There are no modules for the running kernel {release}."),
            proof("can't change directory to '/lib/modules'"),
            proof("can't change directory to '{release}': No such file or directory").says("There are no modules for the running kernel {release}."),
            proof("can't open 'modules.dep': No such file or directory"),
            proof("failed to load modules.dep"),
            trace("Module {module} not found in directory /lib/modules/{release}").says("The module {module} is not among those of the running kernel {release}."),
            usual("lib/modules/{release} is missing"),
        ],
        clues: &[
            supports("Failed to start systemd-modules-load", "modules that the system wants are not there"),
            supports("Failed to start Load Kernel Modules", "modules that the system wants are not there"),excludes("{host} login:", "the system came up")],
        fixes: &[
            fix("put kernel, initrd and root of one release on the server, together"),
            fix_on(Line, "`bootworks build` makes all three of one release; no file of it may be exchanged by hand"),
            fix("after a kernel update in the root: copy the new /boot/vmlinuz and initrd to the server as well"),
        ],
        hides: &["nic-driver-missing", "init-exited", "dhcp-no-answer", "union-missing", "nfs-not-in-initrd", "disk-driver-missing", "squashfs-mount-failed", "live-medium-not-found", "unit-timeout"],
        decide: "`uname -r` against `ls /lib/modules`, in the initrd and in the root",
        sources: &["kmod: libkmod/libkmod.c", "busybox: modutils/modprobe.c", "initramfs-tools: hook-functions"],
        ..BLANK
    },
    Cause {
        id: "module-compression-unsupported",
        sentence: "The modules are packed in a way that neither this modprobe nor this kernel can read.",
        signs: &[
            usual("Invalid ELF header magic"),
            proof("{module}.ko.xz': invalid module format"),
            proof("{module}.ko.zst': invalid module format"),
            proof("{module}.ko.gz': invalid module format"),
            proof("{module}.ko.xz: Exec format error"),
            proof("{module}.ko.zst: Exec format error"),
            proof("{module}.ko.xz: invalid module format"),
            usual("decompression failed with status"),
            proof("module decompression not supported"),
        ],
        clues: &[
            excludes("version magic '", "the module is of another kernel"),
            against("NIC Link is Up", "a driver works"),
        ],
        fixes: &[
            fix("use kmod's modprobe in the initrd, built with xz and zstd, not an old busybox's"),
            fix("or unpack the modules before the initrd is made: `find lib/modules -name '*.ko.xz' -exec xz -d {} +`, then `depmod`"),
            fix("or a kernel with CONFIG_MODULE_DECOMPRESS"),
        ],
        hides: &["nic-driver-missing", "dhcp-no-answer", "init-exited", "disk-driver-missing", "module-kernel-mismatch", "live-medium-not-found"],
        decide: "Do the driver's own lines follow? Then it loaded in a second try, and this is harmless",
        sources: &["https://github.com/flatcar/Flatcar/issues/1934", "https://github.com/kernelci/kernelci-pipeline/pull/571", "https://github.com/raspberrypi/firmware/issues/1781", "https://github.com/chris-se/tiny-initramfs/issues/11", "https://github.com/go-debos/fakemachine/issues/69"],
        ..BLANK
    },
    Cause {
        id: "module-unknown-symbol",
        sentence: "A module lacks another one that it depends on.",
        signs: &[
            usual("{module}: Unknown symbol {symbol} (err {errno:number})").says("The module {module} lacks the symbol {symbol} of another one that is not there."),
            proof("Unknown symbol in module"),
            proof("could not insert '{module}': Unknown symbol").says("The module {module} lacks another one that it depends on."),
        ],
        clues: &[against("disagrees about version of symbol", "the modules are of different builds")],
        fixes: &[
            fix("load it with modprobe after `depmod -a`, not with insmod"),
            fix("put the module that owns the symbol into the initrd, too: `modinfo -F depends MODULE`"),
        ],
        hides: &["nic-driver-missing", "dhcp-no-answer", "init-exited", "disk-driver-missing"],
        decide: "`grep SYMBOL /lib/modules/RELEASE/modules.symbols` names the module that is missing",
        sources: &["linux: kernel/module/main.c"],
        ..BLANK
    },
    Cause {
        id: "module-signature-rejected",
        sentence: "The kernel refuses a module that is not signed by a key it trusts (Secure Boot, lockdown).",
        signs: &[
            proof("Loading of unsigned module is rejected"),
            proof("Loading of module with unavailable key is rejected"),
            proof("Required key not available"),
            proof("Key was rejected by service"),
            proof("Lockdown: {task}: unsigned module loading is restricted").says("The kernel is locked down, and refuses an unsigned module that {task} loads."),
            proof("PKCS#7 signature not signed with a trusted key"),
            usual("module verification failed: signature and/or required key missing").unless(&["tainting kernel"]),
        ],
        fixes: &[
            fix("use the distribution's own module, of the same build as the kernel"),
            fix("or sign it and enrol the key: `mokutil --import KEY.der`, then confirm on the box's screen"),
            fix("or switch Secure Boot off"),
        ],
        hides: &["nic-driver-missing", "dhcp-no-answer", "disk-driver-missing", "init-exited"],
        decide: "`mokutil --sb-state`; `modinfo -F signer MODULE` against `keyctl list %:.builtin_trusted_keys`",
        sources: &["linux: kernel/module/signing.c", "linux: security/lockdown"],
        ..BLANK
    },
    Cause {
        id: "nic-probe-failed",
        sentence: "The network card's driver found the card, but could not start it.",
        signs: &[
            usual("{driver}: probe of {address} failed with error {errno:number}")
                .unless(&["i915", "nouveau", "snd", "ahci", "nvme", "megaraid", "mpt3sas", "acpi", "i2c", "ipmi", "tpm", "pinctrl", "coretemp", "rtc", "usb", "serial", "lpc", "virtio_blk", "hpsa", "pata", "intel_"])
                .says("The driver {driver} found its card at {address}, but could not start it (error {errno})."),
            usual("{driver} {address}: probe with driver {name} failed with error {errno:number}")
                .unless(&["i915", "nouveau", "snd", "ahci", "nvme", "megaraid", "mpt3sas", "acpi", "i2c", "tpm", "pinctrl", "rtc", "usb"]),
            proof("NVM Checksum Is Not Valid"),
            proof("EEPROM Checksum Is Not Valid"),
            proof("HW Init failed").unless(&["bnx2x"]),
            proof("Hardware Error: {code}: {why:any} initialization failed").unless(&["edac"]),
            proof("wait_fw_init"),
            proof("firmware over {time:number} MS in pre-initializing state"),
            proof("Firmware over {time:number} MS in initializing state"),
            proof("mlx5_load_one: failed"),
            proof("Failed to initialize the NIC"),
            usual("PCIe link lost, device now detached"),
            usual("Problem fetching invariants of chip, aborting"),
        ],
        clues: &[
            supports("no devices to configure", "no interface is there"),
            excludes("Direct firmware load for {file} failed", "its firmware file is missing"),
        ],
        fixes: &[
            fix("power the server off at the plug for half a minute: iPXE or the firmware may have left the card in a bad state"),
            fix("bring the card's firmware up to date (`ethtool -i`, vendor's tool)"),
            fix("`pci=realloc` or `iommu=pt` on the kernel's command line; boot by snponly.efi instead of ipxe.efi"),
        ],
        hides: &["nic-driver-missing", "dhcp-no-answer", "init-exited", "no-carrier", "live-medium-not-found", "wrong-nic-chosen"],
        decide: "Does it start after a cold power cycle? Then the loader left it so; never: firmware or card",
        sources: &["https://github.com/serhepopovych/ixgbe/issues/6", "https://github.com/ipxe/ipxe/issues/877"],
        ..BLANK
    },
    Cause {
        id: "nic-tx-timeout",
        sentence: "The network card stopped sending while it worked.",
        signs: &[
            proof("NETDEV WATCHDOG: {interface} ({driver}): transmit queue {queue:number} timed out").says("{interface} stopped sending; its driver is {driver}."),
            proof("NETDEV WATCHDOG"),
            usual("Detected Tx Unit Hang"),
            usual("Detected Hardware Unit Hang"),
            usual("transmit timed out, resetting"),
        ],
        fixes: &[
            fix("`pcie_aspm=off` on the kernel's command line; `ethtool -K IF tso off gso off`"),
            fix("another driver or kernel release for this card (r8169 against r8168, for one)"),
            fix("`iommu=pt`, and the card's firmware up to date"),
        ],
        hides: &["nfs-hang-after-mount", "unit-timeout", "nfs-server-unreachable", "kernel-lockup"],
        decide: "Did the network work before it, and does the link stay up",
        sources: &["linux: net/sched/sch_generic.c", "https://github.com/omacom/omarchy/pull/7063"],
        ..BLANK
    },
];
