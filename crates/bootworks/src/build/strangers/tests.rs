//! Real kernels, and what is known of their symbols without headers.

use super::super::drivers::tests::{real_kernel_of, system_is_allowed};
use super::*;

/// A vendor's driver that asks for a symbol which the kernel has no more is told at the build, and one that asks for any
/// that it has is not refused: all symbols of a real kernel have to be known, and each as its modules use it.
#[test]
fn system_a_real_kernel_tells_all_of_its_symbols() {
    if !system_is_allowed() {
        return;
    }
    for suite in ["bookworm", "trixie"] {
        let (_, root) = real_kernel_of(suite, "linux-image-amd64");
        let (release, _) = release_in(&root).unwrap();
        let folders = [MODULES, "lib/modules"].map(|folder| root.join(folder).join(&release));
        let folder = folders.into_iter().find(|folder| folder.is_dir()).unwrap();
        let vmlinuz = root.join(format!("boot/vmlinuz-{release}"));
        let kernel = of_itself(&folder, &release, &[], &vmlinuz).unwrap();
        assert!(kernel.is_complete, "{release}");
        assert!(kernel.versions.len() > 15_000, "{release}: {}", kernel.versions.len());

        let paths = walk(&folder).unwrap();
        let path = paths.iter().find(|path| path.to_string_lossy().contains("/dummy.ko")).unwrap();
        let path = path.strip_prefix(&folder).unwrap().to_string_lossy();
        let mut driver = read(&folder, &path).unwrap();
        assert_eq!(kernel.fit(&driver), Fit::Fits { unknown: 0 }, "{release}");
        // No module of the kernel's uses it: it is there for drivers from elsewhere.
        let modules = of_itself(&folder, &release, &[], Path::new("/nonexistent")).unwrap();
        let is_unused = |(symbol, _): &(&String, &u32)| !modules.versions.contains_key(*symbol);
        let unused = kernel.versions.iter().find(is_unused).unwrap();
        driver.used.insert(unused.0.clone(), *unused.1);
        assert_eq!(kernel.fit(&driver), Fit::Fits { unknown: 0 }, "{release}");
        driver.used.insert("acme_is_nowhere".into(), 1);
        let why = format!(
            "the kernel does not have 1 of the {} symbols that it uses: acme_is_nowhere",
            driver.used.len()
        );
        assert_eq!(kernel.fit(&driver), Fit::Misfit(vec![why]), "{release}");
        assert_eq!(modules.fit(&driver), Fit::Fits { unknown: 2 }, "{release}");
    }
}
