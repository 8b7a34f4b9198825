//! What programs print of the causes in `burn_in`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const DISK_FAILING: &[Sign] = &[
    proof("SMART Hard Disk Check has detected an imminent failure"),
    usual("S.M.A.R.T Status Bad, Backup and Replace"),
    usual("^Drive Error Occurred:"),
    usual("Hard disk install failure"),
    usual("Hard disk(s) diagnosis fail"),
    usual("Start Unit Request failed"),
    usual("Drive Parameter Tracking Predicts Imminent Failure"),
    usual("Local disk {disk} on server {server} operability: inoperable"),
    usual("Predictive failure: PD"),
    usual("State change on PD {disk:any} to FAILED("),
    usual("has been disabled due to a detected fault"),
    usual("Failure Predicted on {disk:any} for array"),
    usual("Predictive failure reported for Disk"),
    usual("Physical Drive Status Change ({drive:any} status is now failed"),
    usual("Internal Storage Enclosure Device Failure"),
    usual("| Drive Slot{slot:any}| Drive Fault | Asserted"),
    usual("| Drive Slot{slot:any}| Predictive Failure | Asserted"),
    usual("Fault detected on drive {drive:number} in disk drive bay"),
    usual("S.M.A.R.T. Hard Drive(s) Detect Imminent Failure"),
    usual("Hard Drive Detects Imminent Failure"),
];

pub(in crate::catalogue) const MEMORY_FAULTY: &[Sign] = &[
    usual("Unsupported memory in DIMM slot"),
    usual("Memory parity error at"),
    usual("DDR init failed"),
    usual("RAM Read/Write Test Failed"),
    usual("failed test/initialization"),
    usual("DIMM {dimm} on server {server} operability: inoperable"),
    usual("DRAM training failed"),
    usual("Unsupported DIMM Configuration Detected"),
    usual("Uncorrectable Memory Error - The failed memory module"),
    usual("Corrected Memory Error threshold exceeded"),
    usual("DIMM Initialization Error - Processor"),
    usual("Memory address line failure at"),
    usual("Memory {what:any}logic failure at"),
    usual("Memory write/read failure at"),
    proof("Extended RAM Failed at {what:any}"),
    proof("System RAM Failed at offset"),
    usual("Failing DIMM: DIMM location"),
    usual("has failed the POST memory test"),
    usual("Correctable memory error logging disabled for a memory device"),
    usual("Persistent correctable memory error limit reached for"),
    proof("| No system memory installed"),
    usual("| Memory {sensor} | Parity | Asserted"),
    usual("| Memory Scrub Failed | Asserted"),
    usual("| Memory Device Disabled | Asserted"),
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
    usual("CPU {cpu:number} Thermal Trip"),
    usual("temperature is greater than the upper critical threshold"),
    usual("has a thermal trip (over-temperature) event"),
    usual("System Overheating ("),
    usual("Critical Temperature Threshold Exceeded"),
    proof("Network adapter has been stopped because it has over heated"),
    proof("network adapter was stopped because it overheated"),
    proof("| Thermal Trip | Asserted"),
    usual("| Temperature {sensor} | Upper Critical going high | Asserted"),
    proof("CPU Over Temperature Error"),
];

pub(in crate::catalogue) const DISK_SLOW: &[Sign] =
    &[proof("installation disk speed measurement failed or was found to be insufficient")];

pub(in crate::catalogue) const PROCESSOR_FAULTY: &[Sign] = &[usual("FRB1/BIST failure")];
