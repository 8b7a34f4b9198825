//! Whether the appliance has the cloud-init that the line has data for. What the data is, is not looked at here.

use model::failure::{Failure, Result};
use model::line::{Appliance, ImageSource};
use model::lock::Lock;

/// The packages that bring it: Debian's, and that which Ubuntu's is split into since 25.04.
const PACKAGES: [&str; 2] = ["cloud-init", "cloud-init-base"];

/// Refuses an image that is built without it. Of somebody's image it gives a sentence that says what is not known.
pub(super) fn hold(appliance: &Appliance, lock: &Lock) -> Result<Option<String>> {
    if appliance.cloud_init.is_none() {
        return Ok(None);
    }
    let recipe = match &appliance.image {
        ImageSource::File { path, .. } => {
            return Ok(Some(format!(
                "`{path}` is not searched for cloud-init: without it, `[appliance.cloud-init]` does nothing"
            )));
        }
        ImageSource::Recipe { path, .. } => path,
    };
    let has = |section: &model::lock::Section| PACKAGES.iter().any(|name| section.package(name).is_some());
    if lock.appliance.as_ref().is_some_and(has) {
        return Ok(None);
    }
    Err(Failure::new("line.toml has `[appliance.cloud-init]`, but the image will have no cloud-init")
        .because(format!("line.lock has no package `cloud-init` for {recipe}"))
        .hint(format!("add \"cloud-init\" to `packages` of {recipe}, or leave `[appliance.cloud-init]` out")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use model::line::{Folder, read};
    use model::lock::{Package, Section};

    struct Files;

    impl Folder for Files {
        fn text(&self, path: &str) -> Option<String> {
            let text = if path == "appliance.toml" { "suite = \"bookworm\"\n" } else { "#cloud-config\n" };
            Some(text.into())
        }

        fn has(&self, _: &str) -> bool {
            true
        }
    }

    fn appliance(image: &str) -> Appliance {
        let text = format!(
            "[line]\nname = \"test\"\n[network]\naddress = \"10.77.0.1/24\"\ndhcp = \"full\"\nrange = \"10.77.0.50-10.77.0.60\"\n\
             [live]\nkernel = \"linux-image-amd64\"\nroot = \"nfs\"\nsuite = \"bookworm\"\n\
             [appliance]\nimage = {image}\nhostname = \"edge\"\n\
             [[appliance.disk]]\nmatch = {{ min-size = \"1GiB\", choose = \"smallest\" }}\ntable = \"gpt\"\n\
             partitions = [{{ size = \"512MiB\", filesystem = \"vfat\", mount = \"/boot/efi\" }}, {{ size = \"rest\", filesystem = \"ext4\", mount = \"/\" }}]\n\
             [appliance.cloud-init]\nuser-data = \"files/user-data\"\n"
        );
        read(&text, &Files).map_err(|mistakes| mistakes.to_string()).unwrap().appliance
    }

    fn lock(packages: &[&str]) -> Lock {
        let package = |name: &&str| Package {
            name: (*name).into(),
            version: "1".into(),
            architecture: "all".into(),
            bytes: 1,
            sha256: String::new(),
            url: String::new(),
        };
        let packages = packages.iter().map(package).collect();
        Lock { appliance: Some(Section { packages, ..Section::default() }), ..Lock::default() }
    }

    /// Data that nobody reads looks like an appliance that was never set up.
    #[test]
    fn an_image_without_it_is_refused() {
        let built = appliance("{ recipe = \"appliance.toml\" }");
        assert_eq!(hold(&built, &lock(&["base-files", "cloud-init"])).unwrap(), None);
        let refused = hold(&built, &lock(&["base-files", "cloud-initramfs-growroot"])).unwrap_err();
        expect![[r#"
            error: line.toml has `[appliance.cloud-init]`, but the image will have no cloud-init
            because: line.lock has no package `cloud-init` for appliance.toml
            hint: add "cloud-init" to `packages` of appliance.toml, or leave `[appliance.cloud-init]` out"#]]
        .assert_eq(&refused.report());
        let sha256 = "ab".repeat(32);
        let taken = appliance(&format!("{{ file = \"edge.tar\", sha256 = \"{sha256}\" }}"));
        expect![
            "`edge.tar` is not searched for cloud-init: without it, `[appliance.cloud-init]` does nothing"
        ]
        .assert_eq(&hold(&taken, &Lock { appliance: None, ..lock(&[]) }).unwrap().unwrap());
        let without = Appliance { cloud_init: None, ..built };
        assert_eq!(hold(&without, &lock(&[])).unwrap(), None);
    }
}
