//! What programs print of the causes in `hw`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const IOMMU_FAULT: &[Sign] = &[
    usual("DMAR: [INTR-REMAP] Request device [{device}] fault index"),
    proof("DMAR hardware is malfunctioning"),
    usual("VT-d detected Invalidation {what:any} Error"),
    usual("Event logged [IOTLB_INV_TIMEOUT device="),
    usual("Event logged [INVALID_DEVICE_REQUEST device="),
    usual("Event logged [ILLEGAL_DEV_TABLE_ENTRY device="),
    usual("Failed to initialize IOMMU Hardware (error="),
];

pub(in crate::catalogue) const MCE_ERROR: &[Sign] = &[
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
];

pub(in crate::catalogue) const TSC_UNSTABLE: &[Sign] =
    &[usual("Marking clocksource 'tsc-early' as unstable")];
