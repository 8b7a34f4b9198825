//! Causes that a burn-in finds, by the stages that they belong to. The tests themselves are the agent's.

use super::System::Line;
use super::messages::burn_in as messages;
use super::{BLANK, Cause, fix, fix_on, proof, usual};

const SOURCE: &str = "bootworks: agent/src/controller/apply/burn_in";

/// Of the machine.
pub const MACHINE: &[Cause] = &[
    Cause {
        id: "memory-faulty",
        sentence: "The memory does not keep what is written to it.",
        signs: &[
            usual("cause: memory-faulty"),
            proof("bad mem addr {from} - {to} reserved")
                .says("The kernel's own test found bad memory at {from}."),
        ],
        messages: messages::MEMORY_FAULTY,
        fixes: &[
            fix(
                "change the module: `dmidecode -t memory` and the server's event log (`ipmitool sel list`) name the slots",
            ),
            fix("reseat it first where the server was transported; then test again"),
            fix(
                "faults in all modules: the memory's speed and voltage in the firmware's setup, then the board",
            ),
        ],
        hides: &["kernel-crashed", "init-crashed", "image-corrupt", "kernel-lockup"],
        decide: "Does the fault go with the module when it is put into another slot",
        sources: &[SOURCE, "linux: mm/memtest.c"],
        ..BLANK
    },
    Cause {
        id: "processor-faulty",
        sentence: "A processor computed something that is not so.",
        signs: &[usual("cause: processor-faulty")],
        messages: messages::PROCESSOR_FAULTY,
        fixes: &[
            fix("look at its cooler and at the server's event log (`ipmitool sel list`), then test again"),
            fix(
                "set overclocking and undervolting in the firmware's setup to the maker's values; bring firmware and microcode up to date",
            ),
            fix("the same processor again: change it"),
        ],
        hides: &["init-crashed", "kernel-lockup"],
        decide: "Is it the same processor at each test: then it is that one, else power or cooling",
        sources: &[SOURCE],
        ..BLANK
    },
    Cause {
        id: "temperature-unknown",
        sentence: "The line limits the processors' temperature, and no sensor of this machine shows it.",
        signs: &[usual("cause: temperature-unknown")],
        fixes: &[
            fix(
                "`sensors` (lm-sensors) in the live OS: it shows what the kernel's drivers see, coretemp or k10temp in processors",
            ),
            fix_on(
                Line,
                "leave `processor-celsius` out under [burn-in] in line.toml, where these servers show none",
            ),
            fix_on(
                Line,
                "a newer `kernel` under [live] in line.toml, where the processor is newer than its drivers",
            ),
        ],
        decide: "`lsmod` in the live OS's shell: is coretemp (Intel) or k10temp (AMD) loaded",
        sources: &[SOURCE, "linux: drivers/hwmon/coretemp.c, drivers/hwmon/k10temp.c"],
        ..BLANK
    },
    Cause {
        id: "too-hot",
        sentence: "A part of the machine gets hotter under load than it may.",
        signs: &[
            usual("cause: too-hot"),
            proof("critical temperature reached"),
            proof("Critical temperature reached"),
        ],
        messages: messages::TOO_HOT,
        fixes: &[
            fix(
                "look at fans, air shrouds and the paste under the cooler: a shroud left out is the usual one",
            ),
            fix_on(
                Line,
                "`processor-celsius` under [burn-in] in line.toml, where it is below what the maker allows",
            ),
        ],
        hides: &["kernel-lockup"],
        decide: "Does a twin of this server stay cooler at the same place",
        sources: &[SOURCE, "linux: drivers/thermal/thermal_core.c"],
        ..BLANK
    },
];

/// Of the disks.
pub const DISKS: &[Cause] = &[
    Cause {
        id: "disk-failing",
        sentence: "The disk itself says that it is failing, or has more errors or wear than the line allows.",
        signs: &[
            usual("cause: disk-failing"),
            usual("FAILURE PREDICTION THRESHOLD EXCEEDED"),
            usual("Failure prediction threshold exceeded"),
            usual("SMART overall-health self-assessment test result: FAILED"),
            proof("FAILED SMART self-check. BACK UP DATA NOW"),
            proof("SMART Failure Predicted"),
            usual("S.M.A.R.T. Status Bad"),
            // smartd(8)
            usual("{count:number} Currently unreadable (pending) sectors"),
            usual("{count:number} Offline uncorrectable sectors"),
        ],
        messages: messages::DISK_FAILING,
        fixes: &[
            fix("change the disk: `smartctl -a DISK` or `nvme smart-log DISK` has what it counted"),
            fix_on(
                Line,
                "`disk-errors` and `disk-wear` under [burn-in] in line.toml, where used disks are meant",
            ),
        ],
        hides: &["no-bootable-device", "disk-io-error"],
        decide: "`smartctl -a DISK`: the values that the trouble names",
        sources: &[SOURCE],
        ..BLANK
    },
    Cause {
        id: "disk-slow",
        sentence: "The disk reads more slowly than the line demands.",
        signs: &[usual("cause: disk-slow")],
        messages: messages::DISK_SLOW,
        fixes: &[
            fix(
                "read the kernel's lines: a link that was slowed down (`SATA link up 1.5 Gbps`, a PCIe link of fewer lanes) is a cable, a slot or a backplane",
            ),
            fix("a disk that rereads weak sectors is slow before it fails: change it"),
            fix_on(Line, "`disk-rate` under [burn-in] in line.toml, where this kind of disk is no faster"),
        ],
        decide: "Is a disk of the same kind in the same slot as slow",
        sources: &[SOURCE],
        ..BLANK
    },
];

/// Of the way to the server.
pub const NETWORK: &[Cause] = &[
    Cause {
        id: "network-errors",
        sentence: "The network card counts errors while data is fetched.",
        signs: &[usual("cause: network-errors")],
        fixes: &[
            fix("another cable, then another port of the switch: `rx_crc_errors` are made on the wire"),
            fix("fibre: clean the connectors, change the module (`ethtool -m IF` shows its light)"),
            fix("the same with both changed: the network card"),
        ],
        decide: "`ethtool -S IF`: which counter grows, and does it with another cable",
        sources: &[SOURCE],
        ..BLANK
    },
    Cause {
        id: "network-slow",
        sentence: "Data comes from the server more slowly than the line demands.",
        signs: &[usual("cause: network-slow")],
        fixes: &[
            fix("`ethtool IF`: a link of 100 Mb/s where 1000 are meant is a broken pair in the cable"),
            fix_on(
                Line,
                "`network-rate` under [burn-in] in line.toml: many boxes at once share the server's way",
            ),
        ],
        decide: "Is one box alone as slow",
        sources: &[SOURCE],
        ..BLANK
    },
];
