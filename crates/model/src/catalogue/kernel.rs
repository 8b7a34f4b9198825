//! Causes of the stage `kernel`: kernel start, the initrd's unpacking and PID 1. Definitions only; how they are found in a log is `diagnosis`'s.

use super::{BLANK, Cause, Kind, fix, proof};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[Cause {
    id: "init-exited",
    kind: Kind::Symptom,
    sentence: "PID 1 of the initrd ended, which the kernel answers with a panic; the line before says why.",
    signs: &[proof("Attempted to kill init! exitcode=0x0000{exitcode:hex}00")
        .says("PID 1 of the initrd ended, and the kernel panicked.")],
    fixes: &[fix(
        "read the lines before the panic: on a serial console (`console=tty0 console=ttyS0,115200`) they are kept",
    )],
    sources: &[
        "linux: kernel/exit.c",
        "https://github.com/rear/rear/issues/509",
        "initramfs-tools: scripts/functions",
    ],
    ..BLANK
}];
