//! What our initrd brings along besides drivers: where its files stand, for the build that writes them and for
//! PID 1 that reads them.
//!
//! ```text
//! /init                      the agent
//! /bin/busybox, /bin/sh      the shell on request
//! /lib/modules/RELEASE/…     drivers          /lib/firmware/…   what they ask for
//! /bootworks/…               the tables named here
//! ```

use std::collections::BTreeMap;

/// `modules::alias::AliasTable` over *all* kernels of the suite, also of drivers that are not in this initrd.
pub const ALIASES: &str = "/bootworks/aliases";
/// `modules::dependency::DependencyTable` of the modules in this initrd.
pub const DEPENDENCIES: &str = "/bootworks/dependencies";
/// [`PackageTable`]: which package has a driver that this live OS lacks.
pub const PACKAGES: &str = "/bootworks/packages";
/// [`Manifest`]: what must be there once everything was unpacked.
pub const MANIFEST: &str = "/bootworks/manifest";
/// The build id of the program that made the initrd, one line.
pub const BUILD: &str = "/bootworks/build";
/// The kernel's package as `line.toml` names it, one line.
pub const KERNEL: &str = "/bootworks/kernel";

/// Every file of an initrd with its size. The kernel goes on booting when it could not unpack all of one; PID 1
/// holds what is there against this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    sizes: BTreeMap<String, u64>,
}

impl Manifest {
    /// From paths without a leading slash and sizes in bytes.
    pub fn of<P: Into<String>>(files: impl IntoIterator<Item = (P, u64)>) -> Manifest {
        Manifest { sizes: files.into_iter().map(|(path, size)| (path.into(), size)).collect() }
    }

    /// From its text; lines of another form are passed over.
    pub fn read(text: &str) -> Manifest {
        Manifest::of(text.lines().filter_map(|line| {
            let (size, path) = line.split_once(' ')?;
            Some((path, size.parse().ok()?))
        }))
    }

    /// As it is written into the initrd: `SIZE PATH`, a line each, by path.
    pub fn text(&self) -> String {
        self.sizes.iter().map(|(path, size)| format!("{size} {path}\n")).collect()
    }

    /// Paths and sizes.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.sizes.iter().map(|(path, size)| (path.as_str(), *size))
    }
}

/// Which kernel packages of the suite have a driver, for the drivers that the live OS lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageTable {
    text: String,
}

impl PackageTable {
    /// From drivers and packages.
    pub fn of(packages: &BTreeMap<String, Vec<String>>) -> PackageTable {
        let text = packages.iter().map(|(driver, packages)| format!("{driver} {}\n", packages.join(" ")));
        PackageTable { text: text.collect() }
    }

    /// From its text: `DRIVER PACKAGE…`, a line each.
    pub fn read(text: String) -> PackageTable {
        PackageTable { text }
    }

    /// As it is written into the initrd.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The packages that have the driver.
    pub fn packages_for(&self, driver: &str) -> Vec<&str> {
        let line = self.text.lines().find_map(|line| line.strip_prefix(driver)?.strip_prefix(' '));
        line.map(|packages| packages.split(' ').collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the build writes, PID 1 reads.
    #[test]
    fn both_tables_survive_their_text() {
        let manifest = Manifest::of([("init", 4_000_000), ("lib/firmware/a b", 7)]);
        assert_eq!(manifest.text(), "4000000 init\n7 lib/firmware/a b\n");
        assert_eq!(Manifest::read(&manifest.text()), manifest);

        let packages =
            BTreeMap::from([("tg3".into(), vec!["linux-image-amd64".into(), "linux-image-rt".into()])]);
        let table = PackageTable::read(PackageTable::of(&packages).text().to_owned());
        assert_eq!(table.packages_for("tg3"), ["linux-image-amd64", "linux-image-rt"]);
        assert_eq!(table.packages_for("tg"), Vec::<&str>::new());
    }
}
