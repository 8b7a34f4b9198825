//! All modules of one kernel, built in or not: what each drives, needs and asks for.
//!
//! Made once per kernel package by who reads the package; everything said about a kernel follows from this.

use super::alias::AliasTable;
use super::dependency::{DependencyTable, Entry};
use super::modinfo::Modinfo;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The modules of one kernel release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tree {
    /// Kernel release: `6.1.0-49-amd64`.
    pub release: String,
    /// Modules by name, names with underscores.
    pub modules: BTreeMap<String, Module>,
    /// Drivers built into the kernel.
    pub builtin: BTreeSet<String>,
    /// What little built-in drivers say of their devices: pattern and driver.
    pub builtin_aliases: Vec<(String, String)>,
    /// Firmware that built-in drivers ask for, by driver: of them `modules.builtin.modinfo` tells it.
    pub builtin_firmware: BTreeMap<String, Vec<String>>,
}

/// One module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Path below `/lib/modules/RELEASE/`: `kernel/drivers/net/ethernet/broadcom/tg3.ko`.
    pub path: String,
    /// What it says of itself.
    #[serde(flatten)]
    pub info: Modinfo,
}

/// What a module needs and does not declare, because it asks the kernel to run `modprobe` when it gets there,
/// and an initrd has none.
struct Undeclared {
    module: &'static str,
    before: &'static [&'static str],
    after: &'static [&'static str],
}

const UNDECLARED: &[Undeclared] = &[
    // mlx4_request_modules() in drivers/net/ethernet/mellanox/mlx4/main.c: the Ethernet half is a module of
    // its own that no device alias names.
    Undeclared { module: "mlx4_core", before: &[], after: &["mlx4_en"] },
    // tg3_mdio_init() in drivers/net/ethernet/broadcom/tg3.c ends with -ENODEV on a 5785 whose PHY has no driver.
    Undeclared { module: "tg3", before: &["broadcom"], after: &[] },
    // get_nfs_version() in fs/nfs/client.c asks for `nfsv3` at the mount.
    Undeclared { module: "nfs", before: &[], after: &["nfsv3"] },
    // fat_fill_super() in fs/fat/inode.c: the default code page and character set.
    Undeclared {
        module: "vfat",
        before: &[],
        after: &["nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"],
    },
    // scsi_alloc_sdev() finds disks; the disk's driver comes by the alias scsi:t-0x00 and must be within reach.
    Undeclared { module: "scsi_mod", before: &[], after: &["sd_mod"] },
    // usb_stor and uas share one device list: uas must be there when usb-storage declines a device.
    Undeclared { module: "usb_storage", before: &[], after: &["uas"] },
    // hid_add_device() in drivers/hid/hid-core.c: a plain keyboard is bound by hid-generic only.
    Undeclared { module: "usbhid", before: &[], after: &["hid_generic"] },
];

/// Soft dependencies without which a driver refuses its device, whatever else is known of the kernel:
/// rtl_init_one() in drivers/net/ethernet/realtek/r8169_main.c ends with -EUNATCH where the PHY has no driver.
const HARD_AFTER_ALL: &[(&str, &str)] = &[("r8169", "realtek")];

impl Tree {
    /// Adds a module by its path and what it says of itself.
    pub fn add(&mut self, path: impl Into<String>, info: Modinfo) {
        let path = path.into();
        self.modules.insert(super::name(&path).into_owned(), Module { path, info });
    }

    /// Whether the kernel has the driver, as a module or built in.
    pub fn has(&self, module: &str) -> bool {
        self.modules.contains_key(module) || self.builtin.contains(module)
    }

    /// The firmware files that a driver may ask for, built in or not.
    pub fn firmware_of(&self, driver: &str) -> &[String] {
        let module = self.modules.get(driver).map(|module| &module.info.firmware);
        module.or_else(|| self.builtin_firmware.get(driver)).map_or(&[], Vec::as_slice)
    }

    /// Every firmware file that any driver of the kernel may ask for.
    pub fn firmware(&self) -> impl Iterator<Item = &String> {
        let modules = self.modules.values().map(|module| &module.info.firmware);
        modules.chain(self.builtin_firmware.values()).flatten()
    }

    /// The drivers that may ask for this firmware file, as it stands in their lists.
    pub fn asking_for<'t>(&'t self, file: &'t str) -> impl Iterator<Item = &'t String> {
        let drivers = self.modules.keys().chain(self.builtin_firmware.keys());
        drivers.filter(move |driver| self.firmware_of(driver).iter().any(|asked| asked == file))
    }

    /// Which module fits which device.
    pub fn aliases(&self) -> AliasTable {
        AliasTable::of(self.alias_pairs())
    }

    /// Patterns and drivers, built-in ones as far as they tell.
    pub fn alias_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let modules = self.modules.iter().flat_map(|(name, module)| {
            module.info.aliases.iter().map(move |alias| (alias.as_str(), name.as_str()))
        });
        modules.chain(self.builtin_aliases.iter().map(|(alias, name)| (alias.as_str(), name.as_str())))
    }

    /// These modules and all that they need, asked for or not declared.
    pub fn closure<'w>(&self, wanted: impl IntoIterator<Item = &'w str>) -> BTreeSet<String> {
        let needs = Needs::of(self);
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = wanted.into_iter().filter_map(|name| self.key(name)).collect();
        while let Some(module) = open.pop() {
            if found.insert(module.to_owned()) {
                open.extend(needs.before(module));
                open.extend(needs.after(module));
                open.extend(needs.weak(module));
            }
        }
        found
    }

    /// Where these modules lie, and in what order they load.
    pub fn dependency_table(&self, modules: &BTreeSet<String>) -> DependencyTable {
        let needs = Needs::of(self);
        let entries = modules.iter().filter_map(|name| {
            let module = self.modules.get(name)?;
            let mut order = Vec::new();
            let mut seen = BTreeSet::from([name.as_str()]);
            for needed in needs.before(name) {
                needs.visit(needed, &mut seen, &mut order);
            }
            let before = order.len();
            for wanted in needs.after(name) {
                needs.visit(wanted, &mut seen, &mut order);
            }
            let after = order.split_off(before).into_iter().map(str::to_owned).collect();
            let before = order.into_iter().map(str::to_owned).collect();
            Some((name.clone(), Entry { path: module.path.clone(), before, after }))
        });
        DependencyTable::of(&entries.collect())
    }

    /// What a module needs and what is not among the modules `there`: those whose symbols it uses, over all
    /// steps, and those that it asks for (softdep, weakdep), as far as this kernel has them at all.
    pub fn lacking(&self, module: &str, there: &BTreeSet<String>) -> Vec<String> {
        let needs = Needs::of(self);
        self.lacking_with(&needs, module, there)
    }

    /// The modules among `there` that have all they need, and what the others lack.
    pub fn loadable(&self, there: &BTreeSet<String>) -> (BTreeSet<String>, BTreeMap<String, Vec<String>>) {
        let needs = Needs::of(self);
        let (mut loadable, mut lacking) = (BTreeSet::new(), BTreeMap::new());
        for module in there {
            let missing = self.lacking_with(&needs, module, there);
            if missing.is_empty() {
                loadable.insert(module.clone());
            } else {
                lacking.insert(module.clone(), missing);
            }
        }
        (loadable, lacking)
    }

    fn lacking_with(&self, needs: &Needs<'_>, module: &str, there: &BTreeSet<String>) -> Vec<String> {
        let mut lacking = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![module.to_owned()];
        while let Some(name) = open.pop() {
            if !seen.insert(name.clone()) || self.builtin.contains(&name) {
                continue;
            }
            if !there.contains(&name) {
                lacking.insert(name);
                continue;
            }
            let Some(found) = self.modules.get(&name) else { continue };
            open.extend(found.info.depends.iter().cloned());
            for asked in found.info.before.iter().chain(&found.info.after).chain(&found.info.weak) {
                // Several modules may go by an alias (crc32c): one of them will do.
                let named = needs.named(asked);
                let present = named.iter().find(|name| there.contains(**name));
                open.extend(present.or(named.first()).map(|name| (*name).to_owned()));
            }
            let hard = HARD_AFTER_ALL.iter().filter(|(driver, _)| *driver == name);
            open.extend(hard.map(|(_, needed)| (*needed).to_owned()));
        }
        lacking.into_iter().collect()
    }

    /// Our own spelling of a module's name, where the kernel has it as a module.
    fn key(&self, name: &str) -> Option<&str> {
        self.modules.get_key_value(super::name(name).as_ref()).map(|(key, _)| key.as_str())
    }
}

/// The tree with its plain aliases at hand: soft dependencies name aliases as often as modules.
struct Needs<'t> {
    tree: &'t Tree,
    exact: BTreeMap<&'t str, Vec<&'t str>>,
}

impl<'t> Needs<'t> {
    fn of(tree: &'t Tree) -> Needs<'t> {
        let mut exact: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, module) in &tree.modules {
            for alias in module.info.aliases.iter().filter(|alias| !alias.contains(['*', '?', '['])) {
                exact.entry(alias).or_default().push(name);
            }
        }
        Needs { tree, exact }
    }

    /// What is loaded before the module, one step deep: soft ones first, as kmod does.
    fn before(&self, module: &str) -> Vec<&'t str> {
        let Some(found) = self.tree.modules.get(module) else { return Vec::new() };
        let hidden = undeclared(module).flat_map(|entry| entry.before.iter().copied());
        let soft = found.info.before.iter().map(String::as_str);
        let hard = found.info.depends.iter().map(String::as_str);
        hidden.chain(soft).chain(hard).flat_map(|name| self.named(name)).collect()
    }

    /// What is loaded after the module, one step deep.
    fn after(&self, module: &str) -> Vec<&'t str> {
        let Some(found) = self.tree.modules.get(module) else { return Vec::new() };
        let hidden = undeclared(module).flat_map(|entry| entry.after.iter().copied());
        found.info.after.iter().map(String::as_str).chain(hidden).flat_map(|name| self.named(name)).collect()
    }

    fn weak(&self, module: &str) -> Vec<&'t str> {
        let found = self.tree.modules.get(module);
        found.into_iter().flat_map(|module| &module.info.weak).flat_map(|name| self.named(name)).collect()
    }

    /// The modules meant by a name or an alias; none where it is built in or not there.
    fn named(&self, name: &str) -> Vec<&'t str> {
        match self.tree.key(name) {
            Some(key) => vec![key],
            None => self.exact.get(name).cloned().unwrap_or_default(),
        }
    }

    /// Puts a module after everything that it needs; a circle is cut where it closes.
    fn visit(&self, module: &'t str, seen: &mut BTreeSet<&'t str>, order: &mut Vec<&'t str>) {
        if seen.insert(module) {
            for needed in self.before(module) {
                self.visit(needed, seen, order);
            }
            order.push(module);
            for wanted in self.after(module) {
                self.visit(wanted, seen, order);
            }
        }
    }
}

fn undeclared(module: &str) -> impl Iterator<Item = &'static Undeclared> {
    UNDECLARED.iter().filter(move |entry| entry.module == module)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    /// A tree in one line per module: `path < depends | before > after = alias`.
    fn tree(lines: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for line in lines {
            let mut info = Modinfo::default();
            let mut words = line.split(' ');
            let path = words.next().unwrap().to_owned();
            let mut key = "";
            for word in words {
                match (word, key) {
                    ("<" | "|" | ">" | "=", _) => key = word,
                    (_, "<") => info.take("depends", word),
                    (_, "|") => info.take("softdep", &format!("pre: {word}")),
                    (_, ">") => info.take("softdep", &format!("post: {word}")),
                    _ => info.take("alias", word),
                }
            }
            tree.add(path, info);
        }
        tree.builtin.insert("crc16".into());
        tree
    }

    fn real() -> Tree {
        tree(&[
            "kernel/e1000e.ko < ptp = pci:v00008086d000010D3sv*sd*bc*sc*i*",
            "kernel/ptp.ko < pps_core",
            "kernel/pps_core.ko",
            "kernel/ext4.ko < jbd2 crc16 | crc32c = fs-ext4",
            "kernel/jbd2.ko",
            "kernel/crc32c_generic.ko = crc32c crypto-crc32c",
            "kernel/crc32c-intel.ko = crc32c",
            "kernel/mlx4/mlx4_core.ko < devlink",
            "kernel/mlx4/mlx4_en.ko < mlx4_core ptp",
            "kernel/a.ko < b",
            "kernel/b.ko < a",
        ])
    }

    /// ext4 needs crc32c by an alias, e1000e by symbols, mlx4 by a request at run time: all three are kinds of
    /// "worked on my machine".
    #[test]
    fn everything_needed_comes_along_in_load_order() {
        let tree = real();
        let modules = tree.closure(["ext4", "e1000e", "mlx4-core", "a", "not_there"]);
        expect![[r#"
            a kernel/a.ko b
            b kernel/b.ko a
            crc32c_generic kernel/crc32c_generic.ko
            crc32c_intel kernel/crc32c-intel.ko
            e1000e kernel/e1000e.ko pps_core ptp
            ext4 kernel/ext4.ko crc32c_generic crc32c_intel jbd2
            jbd2 kernel/jbd2.ko
            mlx4_core kernel/mlx4/mlx4_core.ko / pps_core ptp mlx4_en
            mlx4_en kernel/mlx4/mlx4_en.ko mlx4_core pps_core ptp
            pps_core kernel/pps_core.ko
            ptp kernel/ptp.ko pps_core
        "#]]
        .assert_eq(tree.dependency_table(&modules).text());
    }

    /// A module without what it needs is a file and no driver; each is named with what it lacks.
    #[test]
    fn what_is_lacking_is_named() {
        let mut tree = real();
        tree.add("kernel/r8169.ko", Modinfo { before: vec!["realtek".into()], ..Modinfo::default() });
        tree.add("kernel/asks.ko", Modinfo { before: vec!["nowhere".into()], ..Modinfo::default() });
        tree.add("kernel/weak.ko", Modinfo { weak: vec!["pps-core".into()], ..Modinfo::default() });
        let lacking = |module: &str, there: &[&str]| {
            let there = there.iter().map(|name| (*name).to_owned()).collect();
            tree.lacking(module, &there).join(" ")
        };
        for (module, there, lacks) in [
            ("e1000e", &["e1000e", "ptp", "pps_core"][..], ""),
            ("e1000e", &["e1000e", "ptp"], "pps_core"),
            ("e1000e", &["e1000e"], "ptp"),
            ("e1000e", &[], "e1000e"),
            ("ext4", &["ext4", "jbd2", "crc32c_intel"], ""),
            ("ext4", &["ext4", "jbd2"], "crc32c_generic"),
            ("r8169", &["r8169"], "realtek"),
            ("asks", &["asks"], ""),
            ("weak", &["weak"], "pps_core"),
            ("a", &["a", "b"], ""),
        ] {
            assert_eq!(lacking(module, there), lacks, "{module} among {there:?}");
        }
    }

    proptest! {
        /// Whatever subset of the modules is there: a module is loadable if and only if its closure is.
        #[test]
        fn loadable_is_what_has_its_whole_closure(
            edges in proptest::collection::vec((0u8..9, 0u8..9, 0u8..3), 0..25), present: [bool; 9],
        ) {
            let mut tree = Tree::default();
            for module in 0u8..9 {
                let mut info = Modinfo::default();
                for (_, to, kind) in edges.iter().filter(|(from, ..)| *from == module) {
                    match kind {
                        0 => info.take("depends", &format!("m{to}")),
                        1 => info.take("softdep", &format!("pre: m{to}")),
                        _ => info.take("weakdep", &format!("m{to}")),
                    }
                }
                tree.add(format!("kernel/m{module}.ko"), info);
            }
            let there: BTreeSet<String> =
                (0..9).filter(|module| present[*module]).map(|module| format!("m{module}")).collect();
            let (loadable, lacking) = tree.loadable(&there);
            for module in &there {
                let whole = tree.closure([module.as_str()]).is_subset(&there);
                prop_assert_eq!(loadable.contains(module), whole, "{}", module);
                prop_assert_eq!(lacking.contains_key(module), !whole);
            }
        }

        /// In any tree, circles included, everything a module depends on stands before it.
        #[test]
        fn what_is_needed_stands_before(edges in proptest::collection::vec((0u8..9, 0u8..9), 0..25)) {
            let mut tree = Tree::default();
            for module in 0u8..9 {
                let mut info = Modinfo::default();
                // Only downwards: a circle has no right order.
                for (from, to) in &edges {
                    if *from == module && to < from {
                        info.take("depends", &format!("m{to}"));
                    }
                }
                tree.add(format!("kernel/m{module}.ko"), info);
            }
            let all = tree.modules.keys().cloned().collect();
            let table = tree.dependency_table(&all);
            for module in &all {
                let order: Vec<&str> = table.load_order(module).iter().map(|load| load.module).collect();
                for (place, name) in order.iter().enumerate() {
                    for needed in &tree.modules[*name].info.depends {
                        prop_assert!(order[..place].contains(&needed.as_str()), "{needed} before {name}: {order:?}");
                    }
                }
            }
        }
    }
}
