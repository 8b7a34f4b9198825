//! `[burn-in]`: what a box is tested by before anything is written to it.

use crate::burn_in::{Depth, Test};
use crate::sheet::{At, Section, Sheet};
use std::ops::RangeInclusive;

/// How much of what is free can be tested: the programs of the live OS need the rest.
const PERCENT: RangeInclusive<u32> = 1..=95;
const TIMES: RangeInclusive<u64> = 1..=1000;
/// Up to a week.
const SECONDS: RangeInclusive<u64> = 1..=604_800;
/// Below, no processor stays; above, none works.
const CELSIUS: RangeInclusive<u64> = 30..=150;
/// A disk goes on counting after the life that its maker gave it; its octet ends at 255.
const WEAR: RangeInclusive<u64> = 0..=255;

/// Limits, each with the test that it belongs to.
const LIMITS: [(&str, &str); 6] = [
    ("memory-passes", "memory"),
    ("processor-celsius", "processor"),
    ("disk-errors", "disks"),
    ("disk-wear", "disks"),
    ("disk-rate", "disks"),
    ("network-rate", "network"),
];

/// Reads the table: the tests in the order in which they are done, from what breaks others to what others break.
pub(super) fn read(sheet: &Sheet<'_>, section: &Section<'_>) -> Vec<Test> {
    for (limit, test) in LIMITS.iter().filter(|(limit, test)| section.has(limit) && !section.has(test)) {
        let message = format!("`{limit}` is a limit of a test that is not done");
        sheet.report(section.place_of(limit), message, format!("add `{test}`, or leave it out"));
    }
    let number = |name: &str, range: RangeInclusive<u64>| {
        section.number(name).and_then(|number| within(sheet, name, &number, range))
    };
    let passes = number("memory-passes", TIMES).unwrap_or(1);
    let hottest = number("processor-celsius", CELSIUS);
    let errors = number("disk-errors", 0..=u64::MAX).unwrap_or(0);
    let wear = number("disk-wear", WEAR).unwrap_or(100);
    let (disk_rate, network_rate) = (section.size("disk-rate"), section.size("network-rate"));
    let mut tests = Vec::new();
    if let Some(percent) = section.text("memory").and_then(|text| percent(sheet, &text)) {
        tests.push(Test::Memory { percent, passes: passes as u32 });
    }
    if let Some(seconds) = number("processor", SECONDS) {
        tests.push(Test::Processor { seconds, hottest: hottest.map(|celsius| celsius as u32) });
    }
    if let Some(word) = section.choice("disks") {
        let depth = if word.value == "read" { Depth::Read } else { Depth::Smart };
        if let (Depth::Smart, Some(rate)) = (depth, &disk_rate) {
            let message = "`disk-rate` is a limit of reading, and the disks are not read";
            sheet.report(rate.at.clone(), message, "write `disks = \"read\"`, or leave it out");
        }
        let slowest = disk_rate.map(|rate| rate.value);
        tests.push(Test::Disks { depth, errors, wear: wear as u32, slowest });
    }
    if let Some(times) = number("network", TIMES) {
        let slowest = network_rate.map(|rate| rate.value);
        tests.push(Test::Network { times: times as u32, slowest });
    }
    tests
}

fn within(sheet: &Sheet<'_>, name: &str, number: &At<u64>, range: RangeInclusive<u64>) -> Option<u64> {
    if range.contains(&number.value) {
        return Some(number.value);
    }
    let message = format!("`{name}` cannot be {}", number.value);
    sheet.report(number.at.clone(), message, format!("a number from {} to {}", range.start(), range.end()));
    None
}

/// A share: `90%`.
fn percent(sheet: &Sheet<'_>, text: &At<&str>) -> Option<u32> {
    let number = text.value.strip_suffix('%').map(str::trim).and_then(|digits| digits.parse().ok());
    let percent = number.filter(|percent| PERCENT.contains(percent));
    if percent.is_none() {
        let message = format!("`memory` cannot be `\"{}\"`", text.value.escape_debug());
        sheet.report(text.at.clone(), message, "a share of what is free, from `\"1%\"` to `\"95%\"`");
    }
    percent
}
