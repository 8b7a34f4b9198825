//! Temperatures, as the kernel's drivers of sensors show them (Documentation/hwmon/sysfs-interface.rst).

use std::path::Path;

/// Drivers of sensors inside of processors.
const PROCESSORS: [&str; 4] = ["coretemp", "k10temp", "zenpower", "cpu_thermal"];
/// What no part survives, or a sensor that nothing is connected to.
const CREDIBLE: std::ops::Range<i64> = 1_000..150_000;

/// One temperature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensor {
    /// Driver and label: `coretemp Package id 0`.
    pub name: String,
    /// Whether it is inside of a processor.
    pub is_processor: bool,
    /// What it shows, in degrees Celsius.
    pub celsius: u32,
    /// What its maker calls critical.
    pub critical: Option<u32>,
}

/// All temperatures below `root`, in the order of their folders.
pub fn temperatures(root: &Path) -> Vec<Sensor> {
    let mut found = Vec::new();
    let mut chips: Vec<_> = folder(&root.join("sys/class/hwmon"));
    chips.sort();
    for chip in chips {
        let word =
            |name: &str| std::fs::read_to_string(chip.join(name)).ok().map(|text| text.trim().to_owned());
        let driver = word("name").unwrap_or_default();
        let celsius = |name: &str| {
            let millis: i64 = word(name)?.parse().ok()?;
            CREDIBLE.contains(&millis).then_some((millis / 1000) as u32)
        };
        let mut names: Vec<String> = folder(&chip)
            .iter()
            .filter_map(|path| Some(path.file_name()?.to_str()?.strip_suffix("_input")?.to_owned()))
            .filter(|name| name.starts_with("temp"))
            .collect();
        names.sort();
        for name in names {
            let Some(shown) = celsius(&format!("{name}_input")) else { continue };
            let label = word(&format!("{name}_label")).unwrap_or(name.clone());
            found.push(Sensor {
                name: format!("{driver} {label}"),
                is_processor: PROCESSORS.contains(&driver.as_str()),
                celsius: shown,
                critical: celsius(&format!("{name}_crit")),
            });
        }
    }
    found
}

/// Whether the processors below `root` are a virtual machine's, which shows no temperature of the real ones: their
/// hypervisor says so by a bit of CPUID, which the kernel shows among their flags.
pub fn is_virtual(root: &Path) -> bool {
    let text = std::fs::read_to_string(root.join("proc/cpuinfo")).unwrap_or_default();
    let flags = text.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|line| line.split_whitespace().any(|flag| flag == "hypervisor"))
}

fn folder(path: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sensor that is not connected must not stop a box, and one that is must be read.
    #[test]
    fn temperatures_are_read_with_their_limits() {
        let root = tempfile::tempdir().unwrap();
        let chip = root.path().join("sys/class/hwmon/hwmon0");
        std::fs::create_dir_all(&chip).unwrap();
        let write = |name: &str, text: &str| std::fs::write(chip.join(name), text).unwrap();
        write("name", "coretemp\n");
        write("temp1_input", "71500\n");
        write("temp1_label", "Package id 0\n");
        write("temp1_crit", "100000\n");
        write("temp2_input", "-128000\n");
        write("temp3_input", "30000\n");
        write("temp3_crit", "0\n");
        write("fan1_input", "900\n");
        let sensor = |name: &str, celsius, critical| Sensor {
            name: name.into(),
            is_processor: true,
            celsius,
            critical,
        };
        assert_eq!(
            temperatures(root.path()),
            [sensor("coretemp Package id 0", 71, Some(100)), sensor("coretemp temp3", 30, None)]
        );
        assert_eq!(temperatures(&root.path().join("no")), []);
    }

    /// A virtual box shows no temperature, and is not to be sent back for it; a real one is.
    #[test]
    fn virtual_machines_are_known_by_their_flags() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("proc")).unwrap();
        let has = |flags: &str| {
            let text = format!("processor\t: 0\nflags\t\t: fpu sse2 {flags}\nbugs\t\t: hypervisor\n");
            std::fs::write(root.path().join("proc/cpuinfo"), text).unwrap();
            is_virtual(root.path())
        };
        assert!(has("hypervisor lahf_lm") && !has("lahf_lm") && !is_virtual(&root.path().join("no")));
    }
}
