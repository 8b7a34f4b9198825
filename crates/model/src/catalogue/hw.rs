//! Causes of the stage `hw`: the machine, its buses and clocks. Definitions only; how they are found in a log is `diagnosis`'s.

use super::messages::hw as messages;
use super::{BLANK, Cause, Kind, fix, proof, supports, trace, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "mce-error",
        sentence: "The processor reports a hardware fault (machine check): memory, processor or a bus is broken.",
        signs: &[
            proof("Fatal machine check"),
            proof("Fatal local machine check"),
            proof("Machine check: Processor context corrupt"),
            proof("Machine Check Exception:{:any} Bank {bank:number}")
                .says("The processor reports a hardware fault in bank {bank}."),
            usual("[Hardware Error]: CPU {cpu:number}: Machine Check")
                .says("CPU {cpu} reports a hardware fault."),
            usual("[Hardware Error]: Machine check events logged"),
            usual("HANDLING MCE MEMORY ERROR"),
            proof("EDAC {controller}: {count:number} UE")
                .says("The memory controller {controller} reports an error that it cannot correct."),
            usual("[Hardware Error]: event severity: fatal"),
            usual("Uncorrected hardware memory error"),
            usual("Hardware error from APEI Generic Hardware Error Source"),
            usual("Not all CPUs entered broadcast exception handler"),
            usual("NMI: PCI system error (SERR)"),
            usual("NMI: IOCK error"),
            usual("An NMI occurred. Depending on your system"),
            proof("not syncing: Fatal hardware error!"),
        ],
        messages: messages::MCE_ERROR,
        fixes: &[
            fix("read the server's event log (`ipmitool sel list`): it names the module or slot"),
            fix("change the DIMM it names, or test: memtest86+ for a night; reseat after transport"),
            fix("bring firmware and microcode up to date"),
        ],
        hides: &[
            "kernel-crashed",
            "init-crashed",
            "initrd-corrupt",
            "image-corrupt",
            "squashfs-read-error",
            "kernel-lockup",
        ],
        decide: "Does a twin of this server boot the same? Then it is this machine: `ipmitool sel list`",
        sources: &[
            "https://github.com/andikleen/mcelog/issues/70",
            "https://github.com/radiasoft/devops/issues/134",
            "linux: arch/x86/kernel/cpu/mce/core.c",
        ],
        ..BLANK
    },
    Cause {
        id: "iommu-fault",
        sentence: "The IOMMU blocks a device's access to memory: disks or network cards fail behind it.",
        signs: &[
            usual("DMAR: [DMA {direction}] Request device [{device}]")
                .says("The IOMMU blocks device {device}."),
            usual("DMAR: [DMA {direction} NO_PASID] Request device [{device}]")
                .says("The IOMMU blocks device {device}."),
            usual("DMAR:[DMA {direction}] Request device [{device}]")
                .says("The IOMMU blocks device {device}."),
            usual("AMD-Vi: Event logged [IO_PAGE_FAULT device={device}")
                .says("The IOMMU blocks device {device}."),
            usual("[IO_PAGE_FAULT device={device}").says("The IOMMU blocks device {device}."),
            usual("{driver} {device}: AMD-Vi: Event logged [IO_PAGE_FAULT")
                .says("The IOMMU blocks device {device}, which {driver} drives."),
            trace("DRHD: handling fault status"),
            usual("Device is ineligible for IOMMU domain attach due to platform RMRR"),
            usual("arm-smmu-v3 {address}: event {kind} received"),
            usual("AMD-Vi: Completion-Wait loop timed out"),
        ],
        messages: messages::IOMMU_FAULT,
        clues: &[
            supports("I/O error, dev", "a disk fails"),
            supports("probe of {address} failed with error", "a device could not be started"),
        ],
        fixes: &[
            fix("`intel_iommu=off` or `iommu=pt` on the kernel's command line (AMD: `amd_iommu=off`)"),
            fix("bring the server's firmware up to date: its tables leave out memory that the device uses"),
            fix("or switch VT-d off in its setup"),
        ],
        hides: &[
            "kernel-crashed",
            "disk-io-error",
            "nic-probe-failed",
            "disk-driver-missing",
            "no-bootable-device",
            "nic-tx-timeout",
        ],
        decide: "The PCI address it names: `lspci -s`; a storage controller or network card matters, a graphics card alone mostly not",
        sources: &[
            "https://github.com/coreos/bugs/issues/970",
            "https://github.com/coreos/bugs/issues/340",
            "https://github.com/siderolabs/talos/issues/12619",
            "https://github.com/yunionio/cloudpods/issues/20242",
        ],
        ..BLANK
    },
    Cause {
        id: "pcie-aer-flood",
        kind: Kind::Noise,
        sentence: "A PCIe link corrects errors all the time: the log is flooded, and a serial console may slow the boot to a crawl.",
        signs: &[
            usual("AER: {:any}Corrected error received").times(5),
            usual("AER: Corrected error received").times(5),
            usual("AER: Multiple Corrected error received").times(5),
            usual("PCIe Bus Error: severity=Corrected").times(5),
        ],
        fixes: &[
            fix("`pci=noaer` on the kernel's command line stops the messages"),
            fix("reseat the card or its riser; `pcie_aspm=off` where power saving does it"),
        ],
        sources: &[
            "https://github.com/endlessm/linux/pull/548",
            "https://github.com/larixer/hid-asus-dkms/issues/33",
            "https://github.com/geerlingguy/raspberry-pi-pcie-devices/issues/64",
        ],
        ..BLANK
    },
    Cause {
        id: "tsc-unstable",
        kind: Kind::Noise,
        sentence: "The kernel took another clock than the processor's own; that is usually harmless.",
        signs: &[
            usual("Marking clocksource 'tsc' as unstable"),
            usual("Marking TSC unstable"),
            usual("TSC calibration failed"),
            usual("clocksource: Watchdog clocksource '{clock}' skewed"),
        ],
        messages: messages::TSC_UNSTABLE,
        fixes: &[fix("nothing; where time jumps, `tsc=reliable` or `clocksource=hpet`")],
        sources: &["linux: kernel/time/clocksource.c"],
        ..BLANK
    },
    Cause {
        id: "acpi-noise",
        kind: Kind::Noise,
        sentence: "The firmware's ACPI tables have mistakes; nearly every server prints this, and boots.",
        signs: &[
            usual("ACPI BIOS Error (bug)"),
            usual("ACPI Error: {what:any}"),
            usual("ACPI BIOS Warning (bug)"),
            usual("ACPI Exception: AE_"),
        ],
        fixes: &[fix("nothing; look at the lines after it for what really stopped the boot")],
        sources: &["https://github.com/linuxmint/mint21-beta/issues/152", "linux: drivers/acpi/acpica"],
        ..BLANK
    },
];
