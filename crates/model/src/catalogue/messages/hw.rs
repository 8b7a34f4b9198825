//! What programs print of the causes in `hw`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const IOMMU_FAULT: &[Sign] = &[
    usual("Unhandled context fault: fsr="),
    usual("DMAR: [INTR-REMAP] Request device [{device}] fault index"),
    proof("DMAR hardware is malfunctioning"),
    usual("VT-d detected Invalidation {what:any} Error"),
    usual("Event logged [IOTLB_INV_TIMEOUT device="),
    usual("Event logged [INVALID_DEVICE_REQUEST device="),
    usual("Event logged [ILLEGAL_DEV_TABLE_ENTRY device="),
    usual("Failed to initialize IOMMU Hardware (error="),
    proof("Blocked unknown Stream ID"),
];

pub(in crate::catalogue) const MCE_ERROR: &[Sign] = &[
    usual("EEH: PHB#{number:hex} failure detected"),
    usual("times in the last hour and"),
    usual("^CPU Error Occurred:"),
    usual("PCIe Fatal {what:any}. Bus="),
    usual("BMC Has Detected Fatal Hardware Error"),
    usual("A fatal error has caused system reset"),
    usual("Uncorrectable Bus Error has occurred on"),
    usual("Uncorrected PCIe Error has Occurred at Bus"),
    usual("bus uncorrectable error was detected on a component"),
    usual("A bus fatal error was detected on a component at"),
    usual("bus time-out was detected on a component at"),
    usual("machine check error detected"),
    usual("PCI Bus Error (Slot"),
    usual("Uncorrectable PCI Express Error ("),
    usual("Uncorrectable PCI Express Error Detected"),
    usual("Unrecoverable System Error (NMI) has occurred"),
    usual("Critical Interrupt{sensor:any}| Bus Timeout | Asserted"),
    usual("| PCI PERR | Asserted"),
    usual("| Fatal NMI | Asserted"),
    usual("SM BIOS Uncorrectable CPU-complex Error"),
    usual("| Uncorrectable machine check exception"),
    usual("FRB2/Hang in POST failure"),
    usual("FRB3/Processor startup/init failure"),
    usual("PCIe Bus Error: severity=Uncorrected (Fatal)"),
    usual("AER: device recovery failed"),
    proof("LINT1/NMI (motherboard nonmaskable interrupt), undiagnosed"),
    usual("not syncing: NMI: Not continuing"),
    usual("AER: Uncorrected (Fatal) error"),
    usual("DPC: containment event, status"),
    usual("EDAC PCI: Master Data Parity Error on"),
    usual("due to hardware memory corruption"),
    usual("SError Interrupt on CPU{cpu:any}, code"),
    usual("not syncing: Asynchronous SError Interrupt"),
    usual("| IERR | Asserted"),
    usual("| PCI SERR | Asserted"),
    usual("| Bus Uncorrectable error | Asserted"),
    usual("| Bus Fatal Error | Asserted"),
    proof("CPU {cpu:number} has an internal error (IERR)"),
    usual("A fatal error was detected on a component at bus"),
    usual("Machine Check errors occurred in the previous boot"),
    usual("System fatal error during previous boot"),
    proof("Fatal error caused a system reset"),
    proof("internal error (IERR) on last boot"),
];

pub(in crate::catalogue) const TSC_UNSTABLE: &[Sign] =
    &[usual("Marking clocksource 'tsc-early' as unstable")];
