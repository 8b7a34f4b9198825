//! A list of modaliases, one a line, as `cat /sys/bus/*/devices/*/modalias` prints it.

use super::Device;

/// Buses of the kernel that have modaliases and that hardware sits on (`scripts/mod/file2alias.c`).
const BUSES: &[&str] = &[
    "acpi",
    "amba",
    "ccw",
    "dmi",
    "eisa",
    "hdaudio",
    "hid",
    "i2c",
    "ieee1394",
    "input",
    "isa",
    "mdio",
    "mmc",
    "of",
    "pci",
    "pcmcia",
    "platform",
    "pnp",
    "rio",
    "scsi",
    "sdio",
    "serio",
    "spi",
    "ssb",
    "bcma",
    "typec",
    "usb",
    "vio",
    "virtio",
    "vmbus",
    "wmi",
    "x86cpu",
    "xen",
    "nd",
    "auxiliary",
    "mei",
    "sdw",
    "tbsvc",
];

/// The devices of a text; lines that are no modalias are left out.
pub(super) fn read(text: &str) -> Vec<Device> {
    text.lines().filter_map(of_line).collect()
}

/// A modalias at the end of a line; `grep . /sys/bus/*/devices/*/modalias` puts the file's name before it.
fn of_line(line: &str) -> Option<Device> {
    let line = line.trim();
    let (file, word) = line.split_once("/modalias:").unwrap_or(("", line));
    let (bus, rest) = word.split_once(':')?;
    let is_modalias = BUSES.contains(&bus) && !rest.is_empty() && !word.contains(char::is_whitespace);
    let address = file.rsplit('/').next().unwrap_or_default().to_owned();
    is_modalias.then(|| Device { address, ..Device::new(word) })
}
