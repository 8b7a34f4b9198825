//! What programs print of the causes in `burn_in`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const DISK_FAILING: &[Sign] = &[
    usual("| Drive Slot{slot:any}| Drive Fault | Asserted"),
    usual("| Drive Slot{slot:any}| Predictive Failure | Asserted"),
    usual("Fault detected on drive {drive:number} in disk drive bay"),
    usual("S.M.A.R.T. Hard Drive(s) Detect Imminent Failure"),
    usual("Hard Drive Detects Imminent Failure"),
];

pub(in crate::catalogue) const MEMORY_FAULTY: &[Sign] = &[
    usual("BUG: Bad page state in process {process}"),
    usual("BUG: Bad page map in process {process}"),
    usual("| Uncorrectable ECC | Asserted"),
    usual("Correctable ECC logging limit reached | Asserted"),
    proof("| No usable system memory"),
    proof("Multi-bit memory errors detected on"),
    usual("Correctable memory error rate exceeded for"),
    proof("An uncorrectable Memory Error has occurred because a Dual Inline Memory Module"),
    proof("Uncorrectable Memory Error (Processor {cpu:number}"),
    proof("Uncorrectable memory component found"),
    usual("Memory initialization error on Processor {processor:number} DIMM"),
    proof("memory errors have occurred on memory slot"),
    usual("uncorrectable Memory errors occurred in the previous boot"),
    usual("Memory training failure"),
    usual("uncorrectable memory error has been detected on DIMM"),
];

pub(in crate::catalogue) const TOO_HOT: &[Sign] = &[
    proof("Network adapter has been stopped because it has over heated"),
    proof("network adapter was stopped because it overheated"),
    proof("| Thermal Trip | Asserted"),
    usual("| Temperature {sensor} | Upper Critical going high | Asserted"),
    proof("CPU Over Temperature Error"),
];
