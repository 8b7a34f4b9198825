//! `bootworks hardware`: profiles are made from this machine, from what people send of theirs, from a box that was
//! here, and shown.

use crate::serve::boxes;
use crate::{Ending, profiles, report};
use model::columns::{WIDTH, cut};
use model::failure::{Failure, Result};
use model::hardware::DeviceClass;
use model::profile::import::{self, Imported};
use model::profile::{Device, Known, Profile, of_inventory, shipped, written};
use std::path::{Path, PathBuf};

/// Arguments of `hardware`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Make a profile of this machine
    Scan(Scan),
    /// Make a profile from what was read of a server elsewhere, or from a box that was here
    Import(Import),
    /// Show a profile, or all that come with bootworks
    Show(Show),
}

#[derive(clap::Args)]
struct Scan {
    /// Read another tree that has sys/ and proc/ in it, as one copied from a server
    #[arg(long, value_name = "DIR", default_value = "/")]
    sysfs: PathBuf,
    #[command(flatten)]
    made: Made,
}

#[derive(clap::Args)]
struct Import {
    /// Output of lspci (-nn, -nnk, -n, -vmmnn), a list of modaliases, lshw -json, Redfish, or - for standard input;
    /// with --box the line's folder
    #[arg(value_name = "FILE|-|LINE")]
    from: Option<PathBuf>,
    /// A box that the line's server has seen, by MAC, host name or serial number
    #[arg(long = "box", value_name = "NAME", conflicts_with = "dmidecode")]
    seen: Option<String>,
    /// Output of dmidecode on the same server: it names maker and model
    #[arg(long, value_name = "FILE")]
    dmidecode: Option<PathBuf>,
    /// The NIC that the server boots from, by its PCI id or its address: 14e4:165f, 01:00.0
    #[arg(long, value_name = "ID|ADDRESS")]
    boots: Option<String>,
    #[command(flatten)]
    made: Made,
}

/// What a profile that was made is called, and where it goes.
#[derive(clap::Args)]
struct Made {
    /// What the profile is called, in place of its source's name
    #[arg(long)]
    name: Option<String>,
    /// Write it to a file, as hardware/NAME.toml of a line, in place of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Show {
    /// A profile that comes with bootworks, or a file
    #[arg(value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// `bootworks hardware`.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    match &arguments.what {
        What::Scan(scan) => hand_over(self::scan(scan)?, &scan.made),
        What::Import(import) => hand_over(self::import(import)?, &import.made),
        What::Show(show) => self::show(show),
    }
}

fn scan(scan: &Scan) -> Result<Imported> {
    let inventory = linux::inventory::read_devices(&scan.sysfs, boot_mac(&scan.sysfs));
    if inventory.devices.is_empty() {
        return Err(Failure::new(format!("no device is recognised below {}", scan.sysfs.display()))
            .because("no file sys/bus/*/devices/*/modalias is there")
            .hint("`--sysfs DIR` is the folder that has `sys` in it; /sys of this machine must be mounted"));
    }
    let name = match inventory.smbios.product.as_str() {
        "" => "this-machine".to_owned(),
        product => slug(product),
    };
    let profile = of_inventory(&name, &inventory, None).named(crate::pci_names::of);
    Ok(Imported { profile, form: "this machine", remarks: Vec::new() })
}

/// The MAC that a network boot left on the kernel's command line (`BOOTIF=01-52-54-…`, pxelinux's form).
fn boot_mac(root: &Path) -> Option<wire::mac::Mac> {
    let text = std::fs::read_to_string(root.join("proc/cmdline")).ok()?;
    let word = text.split_ascii_whitespace().find_map(|word| word.strip_prefix("BOOTIF="))?;
    word.strip_prefix("01-").unwrap_or(word).parse().ok()
}

/// A name for a file: `PowerEdge R740` becomes `poweredge-r740`.
fn slug(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

fn import(arguments: &Import) -> Result<Imported> {
    let from = arguments.from.as_deref();
    let mut imported = match &arguments.seen {
        Some(name) => boxes::profile(from.unwrap_or(Path::new(".")), name)?,
        None => profiles::import(&from.unwrap_or(Path::new("-")).to_string_lossy())?,
    };
    imported.profile = imported.profile.named(crate::pci_names::of);
    if let Some(file) = &arguments.dmidecode {
        let (shown, text) = profiles::text(&file.to_string_lossy())?;
        import::add_dmidecode(&mut imported.profile, &shown, &text)?;
    }
    if let Some(boots) = &arguments.boots {
        mark(&mut imported.profile, boots)?;
    }
    Ok(imported)
}

/// Marks the NIC that a server boots from.
fn mark(profile: &mut Profile, boots: &str) -> Result<()> {
    let is_it = |device: &Device| {
        let id = model::proof::pci_id(&device.modalias);
        boots.parse().is_ok_and(|wanted| id == Some(wanted))
            || device.address == boots
            || device.address.strip_prefix("0000:") == Some(boots)
    };
    match profile.devices.iter().position(is_it) {
        Some(found) => {
            for (number, device) in profile.devices.iter_mut().enumerate() {
                device.boots = number == found;
            }
            Ok(())
        }
        None => {
            let nics = profile.devices.iter().filter(|device| device.class() == Some(DeviceClass::Ethernet));
            let nics: Vec<String> =
                nics.map(|nic| format!("{} {}", nic.address, device_id(nic)).trim().to_owned()).collect();
            Err(Failure::new(format!("no device `{boots}` is in the inventory"))
                .because(format!("its network devices are {}", nics.join(", ")))
                .hint("`--boots` takes one of these ids or addresses"))
        }
    }
}

/// Writes or prints a profile that was made, and says what it leaves open.
fn hand_over(imported: Imported, made: &Made) -> Result<Ending> {
    let Imported { mut profile, form, remarks } = imported;
    if let Some(name) = &made.name {
        profile.name.clone_from(name);
    }
    if let Some(file) = &made.output {
        profiles::write(&profile, file)?;
    }
    if made.json {
        let mut object = json(&profile);
        object["form"] = serde_json::json!(form);
        object["remarks"] = serde_json::json!(remarks);
        report::say(&object.to_string());
        return Ok(Ending::Well);
    }
    match &made.output {
        Some(file) => report::say(&format!("{}: {}", file.display(), counted(&profile, form))),
        None => {
            report::say(written::write(&profile).trim_end());
            report::note(&counted(&profile, form));
        }
    }
    remarks.iter().for_each(|remark| report::note(&format!("note: {remark}")));
    Ok(Ending::Well)
}

/// What is in a profile, in one line.
fn counted(profile: &Profile, form: &str) -> String {
    let of = |class| -> usize {
        profile.devices.iter().filter(|device| device.class() == Some(class)).map(|device| device.count).sum()
    };
    let boots = match profile.devices.iter().find(|device| device.boots) {
        Some(device) => format!("boots from {}", device_id(device)),
        None => "which NIC boots is not known".to_owned(),
    };
    format!(
        "{} from {form}: {} network and {} storage devices; {boots}",
        profile.title(),
        of(DeviceClass::Ethernet),
        of(DeviceClass::Storage)
    )
}

fn show(arguments: &Show) -> Result<Ending> {
    let Some(name) = &arguments.profile else { return list(arguments.json) };
    let profile = profiles::open(name)?;
    match arguments.json {
        true => report::say(&json(&profile).to_string()),
        false => table(&profile).iter().for_each(|line| report::say(line)),
    }
    Ok(Ending::Well)
}

/// All profiles that come with the program.
fn list(as_json: bool) -> Result<Ending> {
    let mut profiles = Vec::new();
    for shipped in shipped::ALL {
        profiles.push(shipped.profile()?);
    }
    if as_json {
        let object = serde_json::json!({ "profiles": profiles.iter().map(json).collect::<Vec<_>>() });
        report::say(&object.to_string());
        return Ok(Ending::Well);
    }
    let width = profiles.iter().map(|profile| profile.name.len()).max().unwrap_or_default();
    for profile in &profiles {
        report::say(&format!("{:<width$}  {} {}", profile.name, profile.vendor, profile.product));
    }
    report::note("each has the network adapters and disk controllers that its maker sells with the server");
    Ok(Ending::Well)
}

/// A profile as a table: what decides first, one line each.
fn table(profile: &Profile) -> Vec<String> {
    let mut lines = vec![profile.title()];
    if !profile.source.is_empty() {
        lines.push(format!("source: {}", profile.source));
    }
    let mut devices: Vec<&Device> = profile.devices.iter().collect();
    devices.sort_by_key(|device| device.class().unwrap_or(DeviceClass::Other));
    let deciding = |device: &&&Device| {
        device.boots || matches!(device.class(), Some(DeviceClass::Ethernet | DeviceClass::Storage) | None)
    };
    for device in devices.iter().filter(deciding) {
        let class = match device.class() {
            Some(DeviceClass::Ethernet) => "network",
            Some(DeviceClass::Storage) => "storage",
            _ => "unknown",
        };
        let times = if device.count > 1 { format!("{}x ", device.count) } else { String::new() };
        let boots = if device.boots { '>' } else { ' ' };
        let known = if device.known() == Known::InPart { "?" } else { " " };
        let line = format!("{boots} {class} {:<9}{known} {times}{}", device_id(device), device.name);
        lines.push(cut(line.trim_end(), WIDTH));
    }
    let rest = devices.iter().filter(|device| !deciding(device)).count();
    if rest > 0 {
        lines.push(format!("  and {rest} that do not decide whether it boots"));
    }
    if devices.iter().any(|device| device.boots) {
        lines.push("> it boots from this one".to_owned());
    }
    if devices.iter().filter(deciding).any(|device| device.known() == Known::InPart) {
        lines.push("? known in part: drivers are matched by what is known of it".to_owned());
    }
    lines
}

fn device_id(device: &Device) -> String {
    model::proof::bus_id(&device.modalias).unwrap_or_else(|| device.modalias.clone())
}

/// A profile as one object.
fn json(profile: &Profile) -> serde_json::Value {
    let device = |device: &Device| {
        serde_json::json!({
            "modalias": device.modalias,
            "id": model::proof::bus_id(&device.modalias),
            "name": device.name,
            "class": device.class(),
            "address": device.address,
            "count": device.count,
            "boots": device.boots,
            "known": if device.known() == Known::Whole { "whole" } else { "in-part" },
            "source": device.source,
        })
    };
    serde_json::json!({
        "name": profile.name,
        "vendor": profile.vendor,
        "product": profile.product,
        "source": profile.source,
        "devices": profile.devices.iter().map(device).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// A tree as one finds it in /sys, with a NIC and its port on another function.
    fn machine() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let tg3 = "pci:v000014E4d0000165Fsv00001028sd00001F5Bbc02sc00i00\n";
        put("sys/bus/pci/devices/0000:01:00.0/modalias", tg3);
        put("sys/bus/pci/devices/0000:01:00.1/modalias", tg3);
        put(
            "sys/bus/pci/devices/0000:18:00.0/modalias",
            "pci:v00001000d0000005Dsv00001028sd00001F49bc01sc04i00\n",
        );
        put(
            "sys/bus/pci/devices/0000:00:00.0/modalias",
            "pci:v00008086d00002F00sv00000000sd00000000bc06sc00i00\n",
        );
        put("sys/class/dmi/id/sys_vendor", "Dell Inc.\n");
        put("sys/class/dmi/id/product_name", "PowerEdge R730\n");
        put("sys/class/net/eno2/type", "1\n");
        put("sys/class/net/eno2/address", "00:11:22:33:44:56\n");
        std::os::unix::fs::symlink(
            "../../../bus/pci/devices/0000:01:00.1",
            root.path().join("sys/class/net/eno2/device"),
        )
        .unwrap();
        put("proc/cmdline", "quiet BOOTIF=01-00-11-22-33-44-56\n");
        root
    }

    /// What stands in front of the engineer must be what stands in the server.
    #[test]
    fn a_machine_is_scanned() {
        let root = machine();
        let made = || Made { name: None, output: None, json: false };
        let scanned = scan(&Scan { sysfs: root.path().to_owned(), made: made() }).unwrap();
        expect![[r#"
            poweredge-r730 (Dell Inc. PowerEdge R730)
            > network 14e4:165f  2x Broadcom NetXtreme BCM5720 Gigabit Ethernet PCIe
              storage 1000:005d  Broadcom / LSI MegaRAID SAS-3 3108 [Invader]
              and 1 that do not decide whether it boots
            > it boots from this one"#]]
        .assert_eq(&table(&scanned.profile).join("\n"));
        expect!["poweredge-r730 (Dell Inc. PowerEdge R730) from this machine: 2 network and 1 storage devices; boots from 14e4:165f"]
            .assert_eq(&counted(&scanned.profile, scanned.form));
        let empty = tempfile::tempdir().unwrap();
        let failure = scan(&Scan { sysfs: empty.path().to_owned(), made: made() }).unwrap_err();
        expect![[r#"
            error: no device is recognised below DIR
            because: no file sys/bus/*/devices/*/modalias is there
            hint: `--sysfs DIR` is the folder that has `sys` in it; /sys of this machine must be mounted"#]]
        .assert_eq(&failure.report().replace(&empty.path().display().to_string(), "DIR"));
    }

    /// A profile that was corrected by hand is not written over; one that is asked for by a wrong name is not guessed.
    #[test]
    fn what_could_be_lost_or_mistaken_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hardware/r730.toml");
        let shown = |failure: Failure| failure.report().replace(&folder.path().display().to_string(), "LINE");
        let profile = shipped::find("dell-r730").unwrap().profile().unwrap();
        profiles::write(&profile, &file).unwrap();
        expect![[r#"
            error: cannot write LINE/hardware/r730.toml
            because: it is there already, and may have been edited by hand
            hint: name another file, or remove it first"#]]
        .assert_eq(&shown(profiles::write(&profile, &file).unwrap_err()));
        assert_eq!(profiles::open(&file.display().to_string()).unwrap().devices.len(), profile.devices.len());
        expect![[r#"
            error: there is no hardware profile `dell-r7300`
            because: no profile of that name comes with bootworks, and no file is called so here
            hint: it is spelt `dell-r730`"#]]
        .assert_eq(&shown(profiles::open("dell-r7300").unwrap_err()));
        expect![[r#"
            error: there is no hardware profile `abacus`
            because: no profile of that name comes with bootworks, and no file is called so here
            hint: `bootworks hardware show` lists them"#]]
        .assert_eq(&shown(profiles::open("abacus").unwrap_err()));
        let mut profile = profile;
        mark(&mut profile, "8086:1521").unwrap();
        assert_eq!(device_id(profile.devices.iter().find(|device| device.boots).unwrap()), "8086:1521");
        expect![[r#"
            error: no device `01:00.0` is in the inventory
            because: its network devices are 14e4:165f, 8086:1521, 8086:1528, 8086:10fb
            hint: `--boots` takes one of these ids or addresses"#]]
        .assert_eq(&shown(mark(&mut profile, "01:00.0").unwrap_err()));
    }

    #[test]
    fn a_profile_is_shown() {
        let profile = shipped::find("dell-r710").unwrap().profile().unwrap();
        expect![[r#"
            dell-r710 (Dell Inc. PowerEdge R710)
            source: put together from pci.ids by the adapters that Dell offers with the PowerEdge R710; not captured from one
            > network 14e4:1639? PowerEdge R710 BCM5709 Gigabit Ethernet (NetXtreme II BCM…
              storage 1000:0060? PERC 6/i Integrated RAID Controller (MegaRAID SAS 1078)
              storage 1000:0072? PERC H200 Integrated (SAS2008 PCI-Express Fusion-MPT SAS-…
              storage 1000:0079? PERC H700 Integrated (MegaRAID SAS 2108 [Liberator])
            > it boots from this one
            ? known in part: drivers are matched by what is known of it"#]].assert_eq(&table(&profile).join("\n"));
        let object = json(&profile);
        assert_eq!(
            (object["devices"][0]["class"].as_str(), object["devices"][0]["boots"].as_bool()),
            (Some("ethernet"), Some(true))
        );
        assert_eq!(slug("PowerEdge R740"), "poweredge-r740");
    }
}
