//! What a new lock means for hardware: the drivers and the firmware that another kernel or firmware package brings or
//! no longer has. Read before a new lock is taken, when going back costs nothing.

use super::fetch::fetch;
use super::store::Store;
use super::{firmware, suite};
use model::failure::Result;
use model::lock::{Lock, Package, Section};
use model::modules::change;
use model::modules::tree::Tree;
use std::collections::BTreeSet;
use std::path::Path;

/// What changes for drivers from one lock to the next, in lines for people; empty where neither a kernel nor firmware
/// has changed. Fetches new kernels, which the next build needs anyway.
pub(super) fn drivers(old: &Lock, new: &Lock, line: &Path, store: &Store) -> Result<Vec<String>> {
    let mut lines = of_section("live", &old.live, &new.live, line, store)?;
    if let (Some(old), Some(new)) = (&old.appliance, &new.appliance) {
        lines.extend(of_section("appliance", old, new, line, store)?);
    }
    Ok(lines)
}

fn of_section(name: &str, old: &Section, new: &Section, line: &Path, store: &Store) -> Result<Vec<String>> {
    let kernels = |section: &Section| packages(section, suite::has_modules);
    let firmwares = |section: &Section| packages(section, firmware::is_firmware);
    let (kernel_before, kernel_after) = (kernels(old), kernels(new));
    let (firmware_before, firmware_after) = (firmwares(old), firmwares(new));
    let is_new_kernel = kernel_before.packages != kernel_after.packages;
    if !is_new_kernel && firmware_before.packages == firmware_after.packages {
        return Ok(Vec::new());
    }
    fetch(&Lock { index: kernel_after.clone(), ..Lock::default() }, line, store)?;
    let Some(after) = suite::kernel_of(&kernel_after, store)? else { return Ok(Vec::new()) };
    let mut lines = Vec::new();
    if is_new_kernel {
        // The old one may be gone from the store, and from the archive.
        let is_known = kernel_before.packages.iter().all(|package| suite::is_known(package, store));
        let before = if is_known { suite::kernel_of(&kernel_before, store)? } else { None };
        lines.extend(of_kernels(name, before.as_ref(), &after, &kernel_before));
    }
    let (had, unread_before) = files(&firmware_before, store);
    let (has, unread_after) = files(&firmware_after, store);
    let unread: BTreeSet<String> = unread_before.into_iter().chain(unread_after).collect();
    if firmware_before.packages != firmware_after.packages {
        let begin = format!("{name}: drivers and firmware: ");
        lines.extend(change::firmware(&had, &has, &after).into_iter().map(|line| format!("{begin}{line}")));
        // What nobody has looked into says nothing, which is not the same as no change.
        lines.extend(unread.iter().map(|package| format!("{begin}what {package} has is not known here")));
    }
    Ok(lines)
}

fn of_kernels(name: &str, before: Option<&Tree>, after: &Tree, old: &Section) -> Vec<String> {
    let begin = format!("{name}: drivers: ");
    let Some(before) = before else {
        let names: Vec<&str> = old.packages.iter().map(|package| package.name.as_str()).collect();
        return match names.is_empty() {
            true => Vec::new(),
            false => vec![format!("{begin}what {} had is not known here any more", names.join(" and "))],
        };
    };
    let changes = change::drivers(before, after);
    let from = format!("{begin}kernel {} → {}", before.release, after.release);
    if changes.is_empty() {
        return vec![format!("{from}: network and disks have the same")];
    }
    std::iter::once(from).chain(changes.into_iter().map(|change| format!("{begin}{change}"))).collect()
}

fn packages(section: &Section, pass: fn(&str) -> bool) -> Section {
    let packages: Vec<Package> =
        section.packages.iter().filter(|package| pass(&package.name)).cloned().collect();
    Section { packages, ..Section::default() }
}

/// The firmware files of these packages, and the packages that were not looked into.
fn files(section: &Section, store: &Store) -> (BTreeSet<String>, Vec<String>) {
    let index = firmware::of_packages(section, store);
    (index.packages.into_values().flat_map(|package| package.files).collect(), index.unread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use model::modules::modinfo::Modinfo;

    fn kernel(release: &str, modules: &[&str]) -> Tree {
        let mut tree = Tree { release: release.to_owned(), ..Tree::default() };
        for name in modules {
            let aliases = vec!["pci:v000014E4d0000165Fsv*sd*bc*sc*i*".to_owned()];
            let path = format!("kernel/drivers/net/ethernet/x/{name}.ko");
            tree.add(path, Modinfo { aliases, ..Modinfo::default() });
        }
        tree
    }

    /// A person decides on a new kernel by what it means for his servers; not to know is said, and is not "the same".
    #[test]
    fn a_new_kernel_is_told() {
        let (old, new) = (kernel("6.1.0-40-amd64", &["tg3"]), kernel("6.1.0-41-amd64", &[]));
        let package = Package {
            name: "linux-image-6.1.0-40-amd64".into(),
            version: "1".into(),
            architecture: "amd64".into(),
            bytes: 1,
            sha256: "0".repeat(64),
            url: "http://archive.example.org/x.deb".into(),
        };
        let section = Section { packages: vec![package], ..Section::default() };
        let told =
            |before: Option<&Tree>, after: &Tree| of_kernels("live", before, after, &section).join("\n");
        expect![[r#"
            live: drivers: kernel 6.1.0-40-amd64 → 6.1.0-41-amd64
            live: drivers: - tg3 (ethernet): no module drives 14e4:165f now"#]]
        .assert_eq(&told(Some(&old), &new));
        expect!["live: drivers: kernel 6.1.0-40-amd64 → 6.1.0-40-amd64: network and disks have the same"]
            .assert_eq(&told(Some(&old), &old));
        expect!["live: drivers: what linux-image-6.1.0-40-amd64 had is not known here any more"]
            .assert_eq(&told(None, &new));
        assert_eq!(of_kernels("live", None, &new, &Section::default()), Vec::<String>::new());
    }
}
