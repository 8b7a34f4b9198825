//! Which device models this machine's QEMU has: asked of QEMU itself before anything is built, so that a typing
//! error costs a second and not the minutes of a build.

use super::virtual_box::VirtualBox;
use linux::process::Child;
use linux::tools;
use model::failure::{Failure, Result};
use model::mistake::nearest;

/// Refuses a box with a model that QEMU does not have.
///
/// Errors: QEMU is not on this machine or does not list its devices; a NIC or disk of no known model.
pub(crate) fn check(hardware: &VirtualBox) -> Result<()> {
    let listed = Child::of(tools::QEMU).args(["-device", "help"]).run()?;
    let known = Models::read(&String::from_utf8_lossy(&listed));
    for nic in &hardware.nics {
        demand(&nic.model, &known.network, "network card")?;
    }
    for disk in &hardware.disks {
        demand(disk, &known.storage, "disk or disk controller")?;
    }
    Ok(())
}

fn demand(model: &str, known: &[String], what: &str) -> Result<()> {
    if known.iter().any(|name| name == model) {
        return Ok(());
    }
    let failure = Failure::new(format!("QEMU has no {what} called `{model}`"));
    Err(match nearest(model, known.iter().map(String::as_str)) {
        Some(near) => failure.hint(format!("it is spelt `{near}`")),
        None => failure.hint("`qemu-system-x86_64 -device help` lists what it has"),
    })
}

/// Names and aliases of what can be put into a box.
#[derive(Default)]
struct Models {
    network: Vec<String>,
    storage: Vec<String>,
}

impl Models {
    /// Reads the output of `-device help`: sections with a headline, in each a line
    /// `name "e1000e", bus PCI, alias "…", desc "…"` per model.
    fn read(text: &str) -> Models {
        let mut models = Models::default();
        let mut section = "";
        for line in text.lines() {
            if let Some(headline) = line.strip_suffix(" devices:") {
                section = headline;
            }
            let list = match section {
                "Network" => &mut models.network,
                "Storage" => &mut models.storage,
                _ => continue,
            };
            // What follows `desc` is prose.
            let line = line.split_once(", desc ").map_or(line, |(line, _)| line);
            for field in line.split(", ") {
                let quoted = field.strip_prefix("name ").or_else(|| field.strip_prefix("alias "));
                list.extend(quoted.map(|name| name.trim_matches('"').to_owned()));
            }
        }
        models
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const HELP: &str = "\
Controller/Bridge/Hub devices:
name \"i82801b11-bridge\", bus PCI

Storage devices:
name \"ich9-ahci\", bus PCI, alias \"ahci\"
name \"nvme\", bus PCI, desc \"Non-Volatile Memory Express, name \\\"x\\\"\"

Network devices:
name \"e1000\", bus PCI, alias \"e1000-82540em\", desc \"Intel Gigabit Ethernet\"
name \"e1000e\", bus PCI, desc \"Intel 82574L GbE Controller\"
name \"virtio-net-pci\", bus PCI, alias \"virtio-net\"
";

    fn refused(model: &str, expected: Expect) {
        let known = Models::read(HELP);
        expected.assert_eq(&demand(model, &known.network, "network card").unwrap_err().report());
    }

    /// A person's typing error must not cost a build first.
    #[test]
    fn an_unknown_model_is_refused_with_the_nearest_name() {
        refused(
            "e1000f",
            expect![[r#"
                error: QEMU has no network card called `e1000f`
                hint: it is spelt `e1000`"#]],
        );
        refused(
            "tg3",
            expect![[r#"
                error: QEMU has no network card called `tg3`
                hint: `qemu-system-x86_64 -device help` lists what it has"#]],
        );
        refused(
            "nvme",
            expect![[r#"
                error: QEMU has no network card called `nvme`
                hint: `qemu-system-x86_64 -device help` lists what it has"#]],
        );
        let known = Models::read(HELP);
        assert_eq!(known.storage, ["ich9-ahci", "ahci", "nvme"]);
        assert!(demand("virtio-net", &known.network, "network card").is_ok());
    }
}
