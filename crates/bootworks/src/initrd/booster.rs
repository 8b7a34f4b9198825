//! What booster's images have in place of kmod's indexes: a flat folder of modules, a list of aliases of its own, and
//! a configuration that names the kernel and what is built into it.
//!
//! `evidence` reads them. Names and keys are from booster's generator (`kmod.go`, `image.go`, `init_config.go`) and
//! its init (`module.go`).

/// Path of the configuration in the image.
pub(super) const CONFIGURATION: &str = "etc/booster.init.yaml";
/// The aliases, beside the modules: pattern and module, one pair a line.
pub(super) const ALIASES: &str = "booster.alias";

/// What matters of the configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Configuration {
    /// The kernel release that the image is for; empty where images of old versions do not name it.
    pub(super) release: String,
    /// Names of what the kernel has built in.
    pub(super) builtin: Vec<String>,
}

impl Configuration {
    /// Reads it as booster writes it: keys of the top are not indented, and a set is a pair `NAME: true` a line.
    pub(super) fn read(text: &str) -> Configuration {
        let bare = |word: &str| word.trim().trim_matches(['"', '\'']).to_owned();
        let mut configuration = Configuration::default();
        let mut in_builtin = false;
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value, is_top) = (bare(key), bare(value), !line.starts_with([' ', '-']));
            match key.as_str() {
                "kernel" if is_top => configuration.release = value,
                _ if is_top => in_builtin = key == "builtinmodules",
                _ if in_builtin && value == "true" => configuration.builtin.push(key),
                _ => {}
            }
        }
        configuration
    }

    /// What is built in, as `modules.builtin` would list it.
    pub(super) fn builtin_list(&self) -> String {
        self.builtin.iter().map(|name| format!("{name}.ko\n")).collect()
    }
}

/// The aliases as `modules.alias` would have them.
pub(super) fn alias_list(text: &str) -> String {
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("alias {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Keys of the same name further in are not the image's own.
    #[test]
    fn the_configuration_names_kernel_and_built_in_drivers() {
        let text = "network:\n    dhcp: true\nmoduledependencies:\n    nic:\n        - bus\n    kernel:\n        - x\n\
            builtinmodules:\n    ahci: true\n    nvme: true\nkernel: \"6.1.0-1-amd64\"\nmounttimeout: 180\n";
        let read = Configuration::read(text);
        assert_eq!(read.release, "6.1.0-1-amd64");
        assert_eq!(read.builtin_list(), "ahci.ko\nnvme.ko\n");
        assert_eq!(alias_list("pci:v1* nic\n\n"), "alias pci:v1* nic\n");
    }

    proptest! {
        /// An image is somebody's bytes.
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            let read = Configuration::read(&text);
            prop_assert!(read.builtin.len() <= text.lines().count());
        }
    }
}
