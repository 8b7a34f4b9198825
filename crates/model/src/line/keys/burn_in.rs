//! What a box is tested by before anything is written to it.

use super::key;
use crate::sheet::table::Need::May;
use crate::sheet::table::{Kind, Table};

pub(super) const BURN_IN: Table = Table {
    name: "[burn-in]",
    says: "What each box is tested by once its plan is confirmed, before anything is written to it. A limit that is not kept stops the box with what was seen; results stand in the record. Only what is named is tested.",
    keys: &[&[
        key(
            "memory",
            Kind::Text,
            May("it is not tested"),
            r#""90%""#,
            "How much of the memory that is free in the live OS is written with patterns and looked at, up to `\"95%\"`. All processors work on it.",
        ),
        key(
            "memory-passes",
            Kind::Number,
            May("`1`"),
            "2",
            "How often, each time with other numbers among the patterns; up to 1000.",
        ),
        key(
            "processor",
            Kind::Number,
            May("they are not tested"),
            "600",
            "For how many seconds all processors compute what is known beforehand, up to 604800.",
        ),
        key(
            "processor-celsius",
            Kind::Number,
            May("what the sensors themselves call critical"),
            "90",
            "What the processors' own sensors may show meanwhile at most, in degrees Celsius. A box none of whose processors shows any is refused, unless it is a virtual machine.",
        ),
        key(
            "disks",
            Kind::Choice(&["smart", "read"]),
            May("they are not tested"),
            r#""smart""#,
            "The disks that will be written to. `smart`: they are asked what they know of themselves (NVMe, ATA). `read`: every sector of them is read, too.",
        ),
        key(
            "disk-errors",
            Kind::Number,
            May("`0`"),
            "0",
            "How many errors of its data, and sectors replaced, pending or uncorrectable, a disk may have counted.",
        ),
        key(
            "disk-wear",
            Kind::Number,
            May("`100`"),
            "10",
            "How much of its life an NVMe disk may have used, in hundredths.",
        ),
        key(
            "disk-rate",
            Kind::Size,
            May("any"),
            r#""100MiB""#,
            "Octets a second that reading all of a disk must reach, with `disks = \"read\"`.",
        ),
        key(
            "network",
            Kind::Number,
            May("it is not tested"),
            "3",
            "How often the appliance's image is fetched from the server and held against its digest, up to 1000. Errors that the NIC counts meanwhile stop the box.",
        ),
        key(
            "network-rate",
            Kind::Size,
            May("any"),
            r#""80MiB""#,
            "Octets a second that fetching it must reach. Many boxes at once share the server's way.",
        ),
    ]],
};
