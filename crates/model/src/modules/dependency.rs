//! Where each module lies in an initrd, and what is loaded before and after it.
//!
//! Written by the build from `depends`, softdeps and the dependencies no module declares; read by PID 1. The
//! table is its text, sorted by module:
//!
//! ```text
//! MODULE PATH BEFORE… [/ AFTER…]
//! mlx4_core kernel/drivers/net/ethernet/mellanox/mlx4/mlx4_core.ko / mlx4_en
//! mlx4_en kernel/drivers/net/ethernet/mellanox/mlx4/mlx4_en.ko ptp mlx4_core
//! ```

use std::collections::BTreeMap;

/// Every module of an initrd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DependencyTable {
    text: String,
}

/// One module and what is loaded around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Path below `/lib/modules/RELEASE/`.
    pub path: String,
    /// Modules loaded before it, all of them, in load order.
    pub before: Vec<String>,
    /// Modules loaded after it, all of them, in load order.
    pub after: Vec<String>,
}

/// One module to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load<'t> {
    /// Its name.
    pub module: &'t str,
    /// Its path below `/lib/modules/RELEASE/`.
    pub path: &'t str,
}

impl DependencyTable {
    /// From modules by name. What is named before or after a module and is not in the table is left out.
    pub fn of(entries: &BTreeMap<String, Entry>) -> DependencyTable {
        let mut text = String::new();
        for (module, entry) in entries {
            text.push_str(module);
            text.push(' ');
            text.push_str(&entry.path);
            let mut list = |start: &str, modules: &[String]| {
                let mut start = start;
                for other in modules.iter().filter(|other| entries.contains_key(*other)) {
                    text.push_str(start);
                    text.push_str(other);
                    start = " ";
                }
            };
            list(" ", &entry.before);
            list(" / ", &entry.after);
            text.push('\n');
        }
        DependencyTable { text }
    }

    /// From the text of a table.
    pub fn read(mut text: String) -> DependencyTable {
        if !text.lines().is_sorted_by_key(first_word) {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_by_key(|line| first_word(line));
            text = lines.join("\n");
        }
        DependencyTable { text }
    }

    /// The table as it is written into an initrd.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the module lies, if it is here. The name may be spelt with dashes.
    pub fn path(&self, module: &str) -> Option<&str> {
        self.line(module).and_then(|line| line.split(' ').nth(1))
    }

    /// Every module, by name.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.text.lines().map(first_word).filter(|name| !name.is_empty())
    }

    /// What to load for a module, itself included, in order. Empty where it is not here.
    pub fn load_order(&self, module: &str) -> Vec<Load<'_>> {
        let Some(line) = self.line(module) else { return Vec::new() };
        let mut words = line.split(' ');
        let (Some(module), Some(path)) = (words.next(), words.next()) else { return Vec::new() };
        let own = Load { module, path };
        let (before, after) = match line.split_once(" / ") {
            Some((_, after)) => (words.take_while(|word| *word != "/").collect::<Vec<_>>(), after),
            None => (words.collect(), ""),
        };
        let find = |name: &str| {
            let line = self.line(name)?;
            let mut words = line.split(' ');
            Some(Load { module: words.next()?, path: words.next()? })
        };
        let mut order: Vec<Load<'_>> = before.into_iter().filter_map(find).collect();
        order.push(own);
        order.extend(after.split(' ').filter_map(find));
        order
    }

    fn line(&self, module: &str) -> Option<&str> {
        let module = super::name(module);
        let text = self.text.as_bytes();
        let (mut low, mut high) = (0, text.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let start =
                text[low..middle].iter().rposition(|byte| *byte == b'\n').map_or(low, |at| low + at + 1);
            let end =
                text[middle..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| middle + at);
            let line = self.text.get(start..end)?;
            match first_word(line).cmp(&module) {
                std::cmp::Ordering::Less => low = (end + 1).min(high),
                std::cmp::Ordering::Equal => return Some(line),
                std::cmp::Ordering::Greater => high = start,
            }
        }
        None
    }
}

fn first_word(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    fn entry(path: &str, before: &[&str], after: &[&str]) -> Entry {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Entry { path: path.into(), before: own(before), after: own(after) }
    }

    fn table() -> DependencyTable {
        DependencyTable::of(&BTreeMap::from([
            ("e1000e".into(), entry("kernel/e1000e.ko", &["pps_core", "ptp"], &[])),
            ("mlx4_core".into(), entry("kernel/mlx4_core.ko", &[], &["ptp", "mlx4_en"])),
            ("mlx4_en".into(), entry("kernel/mlx4_en.ko", &["ptp", "mlx4_core"], &[])),
            ("pps_core".into(), entry("kernel/pps_core.ko", &[], &[])),
            ("ptp".into(), entry("kernel/ptp.ko", &["pps_core", "builtin_one"], &[])),
        ]))
    }

    /// What PID 1 loads, in which order, is this text and nothing else.
    #[test]
    fn modules_load_in_the_order_of_the_line() {
        let table = table();
        expect![[r#"
            e1000e kernel/e1000e.ko pps_core ptp
            mlx4_core kernel/mlx4_core.ko / ptp mlx4_en
            mlx4_en kernel/mlx4_en.ko ptp mlx4_core
            pps_core kernel/pps_core.ko
            ptp kernel/ptp.ko pps_core
        "#]]
        .assert_eq(table.text());
        let order = |module: &str| {
            table.load_order(module).iter().map(|load| load.path.to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order("e1000e"), "kernel/pps_core.ko kernel/ptp.ko kernel/e1000e.ko");
        assert_eq!(order("mlx4-core"), "kernel/mlx4_core.ko kernel/ptp.ko kernel/mlx4_en.ko");
        assert_eq!(order("tg3"), "");
        assert_eq!(table.path("ptp"), Some("kernel/ptp.ko"));
        assert_eq!(table.modules().count(), 5);
    }

    proptest! {
        #[test]
        fn any_text_is_a_table(text: String, module: String) {
            let table = DependencyTable::read(text);
            let _ = table.load_order(&module);
        }

        #[test]
        fn every_module_is_found(names in proptest::collection::btree_set("[a-z]{1,4}", 0..30)) {
            let entries = names.iter().map(|name| (name.clone(), entry("p", &[], &[]))).collect();
            let table = DependencyTable::of(&entries);
            for name in &names {
                prop_assert_eq!(table.load_order(name).len(), 1);
            }
        }
    }
}
