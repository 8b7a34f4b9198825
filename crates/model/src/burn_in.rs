//! Burn-in: what a box is tested by before anything is written to it, and the limits that it must keep to.
//!
//! The tests are done in the agent; here stands what they are called, and how what they found is judged.

use crate::hardware::size_text;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// One test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
// Named outside: a tag inside has serde keep what it reads for a second time, in code that the agent has no room for.
#[serde(rename_all = "kebab-case")]
pub enum Test {
    /// Patterns are written over the memory and looked at again.
    Memory {
        /// How much of what is free, in hundredths.
        percent: u32,
        /// How often.
        passes: u32,
    },
    /// All processors compute what is known beforehand.
    Processor {
        /// How long.
        seconds: u64,
        /// What their own sensors may show at most, in degrees Celsius.
        hottest: Option<u32>,
    },
    /// The disks of the plan are asked what they know of themselves, and read.
    Disks {
        /// Whether all of them is read.
        depth: Depth,
        /// How many errors and spoilt sectors a disk may have counted.
        errors: u64,
        /// How much of its life a disk may have used, in hundredths.
        wear: u32,
        /// Octets a second that reading must reach.
        slowest: Option<u64>,
    },
    /// The image is fetched and held against its digest.
    Network {
        /// How often.
        times: u32,
        /// Octets a second that it must reach.
        slowest: Option<u64>,
    },
}

/// How far disks are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    /// By what they say.
    Smart,
    /// By reading every sector, too.
    Read,
}

impl Test {
    /// Its short name, as the step is called.
    pub fn name(&self) -> &'static str {
        match self {
            Test::Memory { .. } => "test-memory",
            Test::Processor { .. } => "test-processor",
            Test::Disks { .. } => "test-disks",
            Test::Network { .. } => "test-network",
        }
    }
}

/// What a disk says of its own health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// An NVMe disk, by its page of SMART values.
    Nvme {
        /// Bits of Critical Warning.
        warning: u8,
        /// Its temperature in degrees Celsius.
        celsius: i32,
        /// Spare blocks left, in hundredths.
        spare: u8,
        /// Below how many it warns.
        spare_threshold: u8,
        /// Of its life, in hundredths; may be more than 100.
        used: u8,
        /// How long it was on.
        hours: u64,
        /// Data that it could not give back as it was.
        errors: u64,
    },
    /// An ATA disk, by its own judgement and the attributes that most makers count alike.
    Ata {
        /// A value is beyond the maker's threshold.
        is_failing: bool,
        /// Sectors that it has replaced.
        reallocated: u64,
        /// Sectors that it could not read, and will replace when they are written.
        pending: u64,
        /// Sectors that it could not read in its own tests.
        uncorrectable: u64,
        /// How long it was on.
        hours: Option<u64>,
        /// Its temperature in degrees Celsius.
        celsius: Option<u8>,
    },
}

/// What the bits of an NVMe disk's Critical Warning mean (NVM Express Base Specification 2.0 §5.16.1.3).
const WARNINGS: [&str; 6] = [
    "its spare blocks are running out",
    "its temperature is out of its range",
    "it is no longer reliable, by its own judgement",
    "it takes no more data",
    "the backup of its volatile memory has failed",
    "its persistent memory takes no more data",
];

impl Health {
    /// In a line, for the record.
    pub fn sentence(&self) -> String {
        let mut text = String::new();
        match self {
            Health::Nvme { celsius, spare, used, hours, errors, .. } => {
                let _ = write!(
                    text,
                    "{used} % of its life used, {spare} % spare, {errors} errors, {hours} h, {celsius} C"
                );
            }
            Health::Ata { reallocated, pending, uncorrectable, hours, celsius, .. } => {
                let _ = write!(
                    text,
                    "{reallocated} sectors replaced, {pending} pending, {uncorrectable} uncorrectable"
                );
                if let Some(hours) = hours {
                    let _ = write!(text, ", {hours} h");
                }
                if let Some(celsius) = celsius {
                    let _ = write!(text, ", {celsius} C");
                }
            }
        }
        text
    }

    /// What is wrong with such a disk, where it may have counted so many errors and used so much of its life.
    pub fn faults(&self, errors_most: u64, wear_most: u32) -> Vec<String> {
        let mut faults = Vec::new();
        match *self {
            Health::Nvme { warning, spare, spare_threshold, used, errors, .. } => {
                let bits = WARNINGS.iter().enumerate().filter(|(bit, _)| warning & (1 << bit) != 0);
                faults.extend(bits.map(|(_, words)| (*words).to_owned()));
                if spare < spare_threshold && warning & 1 == 0 {
                    faults
                        .push(format!("it has {spare} % spare blocks, and warns below {spare_threshold} %"));
                }
                if u32::from(used) > wear_most {
                    faults.push(format!("{used} % of its life is used, and {wear_most} % may be"));
                }
                if errors > errors_most {
                    faults
                        .push(format!("it counted {errors} errors of its data, and may have {errors_most}"));
                }
            }
            Health::Ata { is_failing, reallocated, pending, uncorrectable, .. } => {
                if is_failing {
                    faults.push("it will fail soon, by its own judgement".into());
                }
                let counted =
                    [("replaced", reallocated), ("pending", pending), ("uncorrectable", uncorrectable)];
                for (what, count) in counted.into_iter().filter(|(_, count)| *count > errors_most) {
                    faults.push(format!("it has {count} sectors {what}, and may have {errors_most}"));
                }
            }
        }
        faults
    }
}

/// A rate as a person reads it: `512 MiB/s`.
pub fn rate_text(bytes: u64, millis: u64) -> String {
    format!("{}/s", size_text(rate(bytes, millis)))
}

/// Octets a second.
pub fn rate(bytes: u64, millis: u64) -> u64 {
    u64::try_from(u128::from(bytes) * 1000 / u128::from(millis.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn nvme(warning: u8, spare: u8, used: u8, errors: u64) -> Health {
        Health::Nvme { warning, celsius: 41, spare, spare_threshold: 10, used, hours: 1203, errors }
    }

    fn ata(is_failing: bool, counts: [u64; 3]) -> Health {
        let [reallocated, pending, uncorrectable] = counts;
        let (hours, celsius) = (Some(9), None);
        Health::Ata { is_failing, reallocated, pending, uncorrectable, hours, celsius }
    }

    #[track_caller]
    fn judge(health: &Health, expected: Expect) {
        let mut text = health.sentence();
        for fault in health.faults(0, 80) {
            text.push_str(&format!("\n- {fault}"));
        }
        expected.assert_eq(&text);
    }

    /// A disk that is on its way out must not be shipped, and a healthy one must not be held up.
    #[test]
    fn disks_are_judged_by_what_they_say() {
        judge(&nvme(0, 100, 3, 0), expect!["3 % of its life used, 100 % spare, 0 errors, 1203 h, 41 C"]);
        judge(
            &nvme(0b100, 4, 81, 2),
            expect![[r#"
                81 % of its life used, 4 % spare, 2 errors, 1203 h, 41 C
                - it is no longer reliable, by its own judgement
                - it has 4 % spare blocks, and warns below 10 %
                - 81 % of its life is used, and 80 % may be
                - it counted 2 errors of its data, and may have 0"#]],
        );
        judge(&nvme(0, 10, 80, 0), expect!["80 % of its life used, 10 % spare, 0 errors, 1203 h, 41 C"]);
        judge(&ata(false, [0; 3]), expect!["0 sectors replaced, 0 pending, 0 uncorrectable, 9 h"]);
        judge(
            &ata(true, [1, 0, 8]),
            expect![[r#"
                1 sectors replaced, 0 pending, 8 uncorrectable, 9 h
                - it will fail soon, by its own judgement
                - it has 1 sectors replaced, and may have 0
                - it has 8 sectors uncorrectable, and may have 0"#]],
        );
    }

    /// A line may allow what would stop another one.
    #[test]
    fn limits_are_the_lines() {
        assert_eq!(ata(false, [5, 2, 0]).faults(5, 100), Vec::<String>::new());
        assert_eq!(nvme(0, 50, 120, 3).faults(3, 150), Vec::<String>::new());
        assert_eq!(ata(false, [6, 2, 0]).faults(5, 100).len(), 1);
    }

    /// A limit is held against this number.
    #[test]
    fn rates() {
        assert_eq!(rate_text(3 << 20, 1500), "2 MiB/s");
        assert_eq!(rate(10, 0), 10_000);
        assert_eq!(rate(u64::MAX, 1), u64::MAX);
    }
}
