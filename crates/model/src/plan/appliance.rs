//! What is written into the appliance after its image: files made of answers, and users.
//!
//! All reasons why something cannot be right are collected: a person can mend them together.

use super::{LayerKind, PlannedFile, PlannedKey, PlannedUser, Refusal, Storage, Uuid, image, stack};
use crate::api::{Job, User};
use crate::hardware::Inventory;
use crate::question;
use crate::storage::{Filesystem, Key};
use crate::template::{self, Fact, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What [`settle`] found out.
pub(super) struct Settled {
    /// Host name of the unit.
    pub(super) hostname: String,
    /// Files, in order; no path twice.
    pub(super) files: Vec<PlannedFile>,
    /// Users.
    pub(super) users: Vec<PlannedUser>,
}

/// What only bootworks can write: nobody else knows the UUIDs.
const FSTAB: &str = "/etc/fstab";
const CRYPTTAB: &str = "/etc/crypttab";
const MDADM_CONF: &str = "/etc/mdadm/mdadm.conf";

/// The keys of the encrypted volumes, by name.
pub(super) fn keys(
    job: &Job,
    inventory: &Inventory,
    answers: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, PlannedKey>, Refusal> {
    let mut reasons = Vec::new();
    let mut keys = BTreeMap::new();
    for (name, key) in stack::wanted_keys(&job.appliance.stack) {
        let planned = match key {
            Key::File(path) => PlannedKey::File(path.clone()),
            Key::Passphrase(text) => {
                let template = template::parse(text).ok();
                let filled = template.and_then(|one| one.render(|name| value(name, inventory, answers)).ok());
                match filled.filter(|text| !text.is_empty() && !text.contains(['\n', '\0'])) {
                    Some(text) => PlannedKey::Passphrase(text),
                    None => {
                        reasons.push(format!("the encrypted volume `{name}` has no passphrase"));
                        continue;
                    }
                }
            }
        };
        keys.insert(name.to_owned(), planned);
    }
    if reasons.is_empty() { Ok(keys) } else { Err(Refusal::Appliance { reasons }) }
}

/// Fills in everything that is written into the appliance after its image.
pub(super) fn settle(
    job: &Job,
    inventory: &Inventory,
    answers: &BTreeMap<String, String>,
    storage: &Storage,
) -> Result<Settled, Refusal> {
    let mut reasons = Vec::new();
    let fact = |name: &Name| value(name, inventory, &BTreeMap::new());
    // What was typed for a question that is not asked after all is not what stands for it.
    let mut together = answers.clone();
    together.extend(question::completed(&job.questions, answers, &fact));
    let answers = &together;
    for question in job.questions.iter().filter(|question| !answers.contains_key(&question.id)) {
        reasons.push(format!("question `{}` has no answer", question.id));
    }
    reasons.extend(question::broken(&job.rules, answers, &fact).into_iter().map(|broken| broken.say));
    let mut fill = |what: &str, text: &str| {
        let reason = match template::parse(text) {
            Ok(template) => match template.render(|name| value(name, inventory, answers)) {
                Ok(text) => return text,
                Err(name) => format!("{what}: nothing is known as `{name}`"),
            },
            Err(mistakes) => {
                let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                format!("{what}: {}", mistakes.join("; "))
            }
        };
        reasons.push(reason);
        String::new()
    };
    let hostname = fill("host name", &job.appliance.hostname);
    let mut files: BTreeMap<String, PlannedFile> = BTreeMap::new();
    let filled: Vec<PlannedFile> = (job.appliance.files.iter())
        .map(|file| PlannedFile {
            path: file.path.clone(),
            contents: fill(&format!("file `{}`", file.path), &file.contents),
            mode: file.mode,
        })
        .collect();
    let mut users = Vec::new();
    for user in &job.appliance.users {
        // Where no password was asked for there is none to log in with; an empty one would let everybody in.
        let hash = user.password.as_ref().map(|t| fill(&format!("password of user `{}`", user.name), t));
        let hash = hash.filter(|hash| !hash.is_empty());
        users.push(PlannedUser { name: user.name.clone(), hash, groups: user.groups.clone() });
    }
    if reasons.is_empty()
        && let Err(why) = question::hostname(&hostname)
    {
        reasons.push(format!("`{hostname}` is not a host name: {why}"));
    }
    reasons.extend(flaws_of_users(&job.appliance.users, &users));
    reasons.extend(filled.iter().filter_map(flaw_of_file));
    let unquotable = |c: char| c.is_control() || "'\"\\$`".contains(c);
    if job.appliance.kernel_arguments.chars().any(unquotable) {
        reasons
            .push("the kernel arguments contain a quote, a `$`, a backslash or a control character".into());
    }
    if !reasons.is_empty() {
        return Err(Refusal::Appliance { reasons });
    }
    let mut ours = vec![
        ("/etc/hostname", format!("{hostname}\n"), 0o644),
        ("/etc/hosts", hosts(&hostname), 0o644),
        // Empty, so that the appliance makes its own at its first boot (machine-id(5)).
        ("/etc/machine-id", String::new(), 0o444),
    ];
    // An image of a whole disk has its own, for the UUIDs and the boot loader that it brings.
    if image::whole_disk(job).is_none() {
        let grub = grub_defaults(&job.line, &job.appliance.kernel_arguments);
        ours.push((FSTAB, fstab(storage), 0o644));
        ours.push(("/etc/default/grub.d/bootworks.cfg", grub, 0o644));
    }
    let of_layers = [(CRYPTTAB, crypttab(storage), 0o600), (MDADM_CONF, mdadm_conf(storage), 0o644)];
    let of_layers = of_layers.into_iter().filter_map(|(path, text, mode)| Some((path, text?, mode)));
    for (path, contents, mode) in ours.into_iter().chain(of_layers) {
        files.insert(path.into(), PlannedFile { path: path.into(), contents, mode });
    }
    // The line's own files come later: who writes /etc/hosts in the line wants that one.
    for file in filled {
        files.insert(file.path.clone(), file);
    }
    Ok(Settled { hostname, files: files.into_values().collect(), users })
}

/// What a name in a template stands for on this box; nothing where its firmware does not tell.
pub fn value(name: &Name, inventory: &Inventory, answers: &BTreeMap<String, String>) -> Option<String> {
    let smbios = &inventory.smbios;
    let told = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    match name {
        Name::Answer(id) => answers.get(id).cloned(),
        Name::Box(Fact::Serial) => told(&smbios.serial),
        Name::Box(Fact::Mac) => inventory.boot_nic.map(|mac| mac.to_string()),
        Name::Box(Fact::Uuid) => told(&smbios.uuid),
        Name::Box(Fact::Product) => told(&smbios.product),
        Name::Box(Fact::Manufacturer) => told(&smbios.manufacturer),
        Name::Box(Fact::Firmware) => told(&inventory.firmware),
        Name::Box(Fact::Processors) => Some(inventory.processors.to_string()),
        Name::Box(Fact::Memory) => Some(inventory.memory_bytes.to_string()),
        Name::Box(Fact::Disks) => {
            Some(inventory.disks.iter().filter(|disk| !disk.removable).count().to_string())
        }
        Name::Box(Fact::Nics) => Some(inventory.interfaces.len().to_string()),
    }
}

/// What scripts find in their environment: answers but passwords, and facts.
pub(super) fn environment(
    job: &Job,
    inventory: &Inventory,
    answers: &BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let fact = |name: &Name| value(name, inventory, &BTreeMap::new());
    let answers = question::completed(&job.questions, answers, &fact);
    let is_plain = |id: &&String| {
        let secret = |question: &question::Question| question.kind.is_secret();
        !job.questions.iter().any(|question| question.id == **id && secret(question))
    };
    // A shell reads only names of letters, digits and underscores.
    let given = answers.keys().filter(is_plain);
    let given = given.map(|id| (format!("ANSWER_{}", id.replace('-', "_")), answers[id].clone()));
    let facts = Fact::ALL.iter().map(|(name, known)| {
        (format!("BOX_{}", name.to_uppercase()), fact(&Name::Box(*known)).unwrap_or_default())
    });
    given.chain(facts).collect()
}

/// What cannot be right about a file.
fn flaw_of_file(file: &PlannedFile) -> Option<String> {
    let path = &file.path;
    let whole = path.starts_with('/')
        && path[1..].split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !path.chars().any(char::is_control);
    if !whole {
        return Some(format!("`{path}` is not the absolute path of a file"));
    }
    if [FSTAB, CRYPTTAB, MDADM_CONF].contains(&path.as_str()) {
        return Some(format!("`{path}` is written from the disk layout: only that knows the UUIDs"));
    }
    (file.mode > 0o7777).then(|| format!("`{path}`: {:o} is not a mode", file.mode))
}

/// What cannot be right about the users, a sentence each.
fn flaws_of_users(wanted: &[User], planned: &[PlannedUser]) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut seen = BTreeSet::new();
    for user in wanted {
        if !seen.insert(&user.name) {
            reasons.push(format!("user `{}` is wanted twice", user.name));
        }
        for name in std::iter::once(&user.name).chain(&user.groups).filter(|name| !is_login(name)) {
            reasons.push(format!("`{name}` is not a name of a user or group"));
        }
    }
    for user in planned {
        // An empty hash comes of a gap that was reported already; empty in shadow(5) would mean no password needed.
        let hash = user.hash.as_deref().filter(|hash| !hash.is_empty());
        if hash.is_some_and(|hash| !hash.starts_with('$') || hash.contains([':', '\n', ' '])) {
            reasons.push(format!(
                "the password of user `{}` does not come from a password question: it is no crypt(5) hash",
                user.name
            ));
        }
    }
    reasons
}

/// As `useradd` takes it: a lower-case letter or `_`, then letters, digits, `_` and `-`; 32 characters at most.
fn is_login(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c))
        && name.len() <= 32
}

fn fstab(storage: &Storage) -> String {
    let Storage { disks, layers } = storage;
    let mut text = String::from("# Written by bootworks at installation; fields as in fstab(5).\n");
    for mount in stack::mounts(disks, layers) {
        let (options, pass) = match (mount.kind, mount.path.as_str()) {
            (Filesystem::Vfat, _) => ("umask=0077", 2),
            (Filesystem::Ext4, "/") => ("errors=remount-ro", 1),
            (Filesystem::Ext4, _) => ("defaults", 2),
            // Neither is checked at boot (fsck.xfs(8), fsck.btrfs(8)).
            (Filesystem::Xfs | Filesystem::Btrfs, _) => ("defaults", 0),
            (Filesystem::Swap, _) => continue,
        };
        let options = match &mount.subvolume {
            Some(name) => format!("subvol=/{name}"),
            None => options.to_owned(),
        };
        let _ = writeln!(text, "UUID={} {} {} {options} 0 {pass}", mount.uuid, mount.path, mount.kind.name());
    }
    for (_, swap) in stack::filesystems(disks, layers).filter(|(_, one)| one.kind == Filesystem::Swap) {
        let _ = writeln!(text, "UUID={} none swap sw 0 0", swap.uuid);
    }
    text
}

/// crypttab(5), where something is encrypted. What holds the root is opened in the initramfs; a key in a file is
/// read from the root.
fn crypttab(storage: &Storage) -> Option<String> {
    let mut text = String::from("# Written by bootworks at installation; fields as in crypttab(5).\n");
    let mut has_any = false;
    for layer in &storage.layers {
        let LayerKind::Vault { uuid, key, .. } = &layer.kind else { continue };
        has_any = true;
        let (key, options) = match key {
            PlannedKey::Passphrase(_) => ("none", "luks,initramfs"),
            PlannedKey::File(path) => (path.as_str(), "luks"),
        };
        let _ = writeln!(text, "{} UUID={uuid} {key} {options}", layer.name);
    }
    has_any.then_some(text)
}

/// mdadm.conf(5), where there is a RAID: the arrays of this box, whatever it is called later.
fn mdadm_conf(storage: &Storage) -> Option<String> {
    let mut text = String::from(
        "# Written by bootworks at installation; see mdadm.conf(5).\nHOMEHOST <ignore>\nMAILADDR root\n",
    );
    let mut has_any = false;
    for layer in &storage.layers {
        let LayerKind::Raid { uuid, is_for_firmware, .. } = &layer.kind else { continue };
        has_any = true;
        let metadata = if *is_for_firmware { "1.0" } else { "1.2" };
        let _ = writeln!(text, "ARRAY /dev/md/{} metadata={metadata} UUID={}", layer.name, md_uuid(*uuid));
    }
    has_any.then_some(text)
}

/// A UUID as mdadm writes it: four groups of eight digits.
fn md_uuid(uuid: Uuid) -> String {
    let hex = format!("{:032x}", uuid.0);
    [&hex[..8], &hex[8..16], &hex[16..24], &hex[24..]].join(":")
}

fn hosts(hostname: &str) -> String {
    let short = hostname.split('.').next().unwrap_or(hostname);
    let names = if short == hostname { hostname.to_owned() } else { format!("{hostname} {short}") };
    format!("127.0.0.1 localhost\n127.0.1.1 {names}\n::1 localhost ip6-localhost ip6-loopback\n")
}

/// Read by `grub-mkconfig` after `/etc/default/grub`, of the image and ever after.
fn grub_defaults(line: &str, kernel_arguments: &str) -> String {
    let mut text = format!(
        "# Written by bootworks at installation.\nGRUB_DISTRIBUTOR='{line}'\nGRUB_TIMEOUT=3\n\
         GRUB_DISABLE_OS_PROBER=true\nGRUB_CMDLINE_LINUX_DEFAULT=''\nGRUB_CMDLINE_LINUX='{kernel_arguments}'\n"
    );
    if let Some((unit, speed)) = serial_console(kernel_arguments) {
        let _ = writeln!(text, "GRUB_TERMINAL='console serial'");
        let _ = writeln!(text, "GRUB_SERIAL_COMMAND='serial --unit={unit} --speed={speed}'");
    }
    text
}

/// The serial port that the kernel is told to use: who watches it wants to see the menu there too.
fn serial_console(kernel_arguments: &str) -> Option<(u8, u32)> {
    kernel_arguments.split_ascii_whitespace().rev().find_map(|word| {
        let port = word.strip_prefix("console=ttyS")?;
        let (unit, options) = port.split_once(',').unwrap_or((port, "9600"));
        let digits = options.find(|c: char| !c.is_ascii_digit()).unwrap_or(options.len());
        Some((unit.parse().ok()?, options[..digits].parse().ok()?))
    })
}
