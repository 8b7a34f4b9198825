//! Which modules fit a device: the whole `modules.alias` of a kernel, or of all kernels of a suite.
//!
//! The table *is* its text, one line per pattern, `PATTERN MODULE`, sorted by bytes; it is searched where it
//! lies, so that PID 1 pays for 27,000 patterns with one read of 1.6 MB and nothing else.

use super::pattern::{self, Fit, UNKNOWN};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// Patterns and the modules that carry them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AliasTable {
    text: String,
}

impl AliasTable {
    /// From pairs of pattern and module, in any order, repeats allowed. Patterns that kmod would refuse
    /// (unpaired brackets) are left out, as depmod does.
    pub fn of<P: AsRef<str>, M: AsRef<str>>(pairs: impl IntoIterator<Item = (P, M)>) -> AliasTable {
        let mut lines = BTreeSet::new();
        for (pattern, module) in pairs {
            if let Some(pattern) = pattern::normalize(pattern.as_ref()) {
                lines.insert(format!("{pattern} {}\n", super::name(module.as_ref())));
            }
        }
        AliasTable { text: lines.into_iter().collect() }
    }

    /// From the text of a table. Lines out of order are put into it: a search in an unsorted table would
    /// say "no driver" where there is one.
    pub fn read(mut text: String) -> AliasTable {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        if text.lines().is_sorted() {
            return AliasTable { text };
        }
        AliasTable::of(text.lines().filter_map(|line| line.rsplit_once(' ')))
    }

    /// The table as it is written into an initrd.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The modules that fit a device, each once, in the order of their names.
    pub fn drivers_for(&self, modalias: &str) -> Vec<&str> {
        self.candidates(modalias).into_keys().collect()
    }

    /// The modules that fit or may fit a device of which parts are [`UNKNOWN`], by name, with how surely.
    pub fn candidates(&self, modalias: &str) -> BTreeMap<&str, Fit> {
        let mut found: BTreeMap<&str, Fit> = BTreeMap::new();
        let Some(modalias) = pattern::normalize(modalias) else { return found };
        let modalias = modalias.as_bytes();
        let known = modalias.iter().position(|byte| *byte == UNKNOWN).unwrap_or(modalias.len());
        let look_at = |line: &'_ str| {
            // The module's name has no spaces; a pattern, written by hand, might.
            let (carried, start) = match line.rfind(' ') {
                Some(at) => (&line[..at], at + 1),
                None => return None,
            };
            pattern::fit(carried.as_bytes(), modalias).map(|fit| (start, fit))
        };
        // A pattern that fits starts with a piece of the modalias, and then has a wildcard or ends.
        let mut key = Vec::with_capacity(modalias.len() + 1);
        for length in 0..=known {
            let whole = length == known;
            for wild in if whole { &[0][..] } else { &b"*?[\\"[..] } {
                key.clear();
                key.extend_from_slice(&modalias[..length]);
                if !whole {
                    key.push(*wild);
                }
                for line in self.lines_with(&key) {
                    if let Some((start, fit)) = look_at(line) {
                        let best = found.entry(&line[start..]).or_insert(fit);
                        *best = (*best).max(fit);
                    }
                }
            }
        }
        found
    }

    /// Every pattern with its module, in the order of the patterns.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.lines().filter_map(|line| line.rsplit_once(' '))
    }

    /// The lines that start with these bytes.
    fn lines_with<'t>(&'t self, prefix: &[u8]) -> impl Iterator<Item = &'t str> {
        let rest = self.text.get(self.first_not_below(prefix)..).unwrap_or_default();
        let prefix = prefix.to_vec();
        rest.lines().take_while(move |line| line.as_bytes().starts_with(&prefix))
    }

    /// Where the first line starts that is not below these bytes: a binary search over the text itself.
    fn first_not_below(&self, key: &[u8]) -> usize {
        let text = self.text.as_bytes();
        let (mut low, mut high) = (0, text.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let start =
                text[low..middle].iter().rposition(|byte| *byte == b'\n').map_or(low, |at| low + at + 1);
            let end =
                text[middle..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| middle + at);
            if &text[start..end.max(start)] < key {
                low = (end + 1).min(high);
            } else {
                high = start;
            }
        }
        low
    }
}

impl Serialize for AliasTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for AliasTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AliasTable, D::Error> {
        String::deserialize(deserializer).map(AliasTable::read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> AliasTable {
        AliasTable::of([
            ("pci:v00008086d000010D3sv*sd*bc*sc*i*", "e1000e"),
            ("pci:v00008086d00001533sv*sd*bc*sc*i*", "igb"),
            ("pci:v*d*sv*sd*bc01sc08i02*", "nvme"),
            ("pci:v0000144Dd0000A808sv*sd*bc*sc*i*", "nvme"),
            ("pci:v0000144Dd*sv*sd*bc01sc08i02*", "nvme-quirks"),
            ("virtio:d00000001v*", "virtio_net"),
            ("scsi:t-0x00*", "sd_mod"),
            ("usb:v0BDBp190[0-9A-F]d*dc*", "cdc_acm"),
            ("platform:i2c_designware", "i2c-designware-platform"),
        ])
    }

    /// Exact names, wildcards at any depth, brackets and dashes: each is found by another of the searches.
    #[test]
    fn drivers_are_found_where_the_table_lies() {
        let table = table();
        for (modalias, drivers) in [
            ("pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00", &["e1000e"][..]),
            ("pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02", &["nvme", "nvme_quirks"]),
            ("pci:v0000144Dd0000A808sv0000144Dsd0000A801bc02sc00i00", &["nvme"]),
            ("pci:v00001234d00001111sv00001AF4sd00001100bc03sc00i00", &[]),
            ("virtio:d00000001v00001AF4", &["virtio_net"]),
            ("scsi:t-0x00", &["sd_mod"]),
            ("usb:v0BDBp190Ad0000dc02", &["cdc_acm"]),
            ("platform:i2c-designware", &["i2c_designware_platform"]),
            ("", &[]),
        ] {
            assert_eq!(table.drivers_for(modalias), drivers, "{modalias}");
        }
    }

    /// A table whose lines are out of order still finds: it is sorted on reading.
    #[test]
    fn an_unsorted_table_is_sorted() {
        let table = table();
        let backwards: Vec<&str> = table.text().lines().rev().collect();
        assert_eq!(AliasTable::read(backwards.join("\n")), table);
        assert_eq!(AliasTable::read(String::new()).drivers_for("pci:"), Vec::<&str>::new());
    }

    proptest! {
        /// The search by halves must find what a look at every line finds.
        #[test]
        fn the_search_equals_a_full_scan(
            pairs in proptest::collection::vec(("[ab*?]{0,5}", "[m-o]"), 0..40), modalias in "[ab?]{0,6}",
        ) {
            let table = AliasTable::of(pairs.iter().map(|(p, m)| (p.as_str(), m.as_str())));
            let mut scan: BTreeMap<&str, Fit> = BTreeMap::new();
            for (carried, module) in &pairs {
                if let Some(fit) = pattern::fit(carried.as_bytes(), modalias.as_bytes()) {
                    let best = scan.entry(module).or_insert(fit);
                    *best = (*best).max(fit);
                }
            }
            prop_assert_eq!(table.candidates(&modalias), scan);
        }

        #[test]
        fn any_text_is_a_table(text: String, modalias: String) {
            let table = AliasTable::read(text);
            let _ = table.candidates(&modalias);
        }
    }
}
