//! Lines to rehearse with, the call of the program, and what is read of a run afterwards.

use super::variant::Variant;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Says aloud that a test does not run where `cargo xtask test` has not prepared the machine.
pub(crate) fn needs_system() -> bool {
    let missing = std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none();
    if missing {
        eprintln!("skipped: needs root and QEMU (BOOTWORKS_TEST_SYSTEM=1, set by `cargo xtask test`)");
    }
    missing
}

/// A line, built.
pub(crate) struct Rig {
    line: PathBuf,
    said: String,
}

pub(crate) fn program() -> PathBuf {
    match std::env::var_os("BOOTWORKS_BIN") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/bootworks"),
    }
}

impl Rig {
    /// The line of that variant, made where it is not there yet, and built.
    pub(crate) fn of(variant: Variant) -> Rig {
        // Tests that run beside each other must not build in one folder at once.
        static BUILDING: Mutex<()> = Mutex::new(());
        let _alone = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        Rig::made(variant)
    }

    fn made(variant: Variant) -> Rig {
        let (name, changes) = variant.changes();
        let line = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rehearsals").join(name);
        // Made anew each time, so that it is today's example; what was built of it stays.
        let made = line.with_extension("new");
        let _ = std::fs::remove_dir_all(&made);
        run(Command::new(program()).arg("new").arg(&made));
        for (file, from, to) in changes {
            let path = made.join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{file} of the example has no `{from}`");
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        }
        for (file, text) in variant.files() {
            let path = made.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::fs::create_dir_all(line.join(".build")).unwrap();
        run(Command::new("cp").arg("-a").arg(made.join(".")).arg(&line));
        if variant != Variant::Plain {
            borrow(&Rig::made(Variant::Plain).line, &line);
        }
        std::fs::remove_dir_all(&made).unwrap();
        let said = run(Command::new(program()).arg("build").arg(&line));
        Rig { line, said }
    }

    /// A line beside this one with the same outputs and another `line.toml`.
    pub(crate) fn changed(&self, name: &str, changes: &[(String, String)]) -> Rig {
        let line = self.line.with_file_name(format!("{name}.changed"));
        let _ = std::fs::remove_dir_all(&line);
        run(Command::new("cp").arg("-al").arg(&self.line).arg(&line));
        let (path, _) = (line.join("line.toml"), std::fs::remove_dir_all(line.join(".rehearsals")));
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "line.toml of the example has no `{from}`");
            text = text.replacen(from, to, 1);
        }
        // A file of its own: this one is a link to the other line's.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        let said = run(Command::new(program()).arg("build").arg(&line));
        Rig { line, said }
    }

    /// Path of one of the live OS's outputs: `kernel`, `initrd`, `tree`.
    pub(crate) fn output(&self, name: &str) -> String {
        self.line.join(".build").join(self.listed(name)).display().to_string()
    }

    /// The archive of the appliance's files.
    pub(crate) fn archive(&self) -> PathBuf {
        self.line.join(".build").join(self.outputs()["image"]["path"].as_str().unwrap())
    }

    fn outputs(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.line.join(".build/outputs.json")).unwrap()).unwrap()
    }

    /// What its build said.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    /// What the list of outputs has of the live OS under a name: a path, or its `digest`.
    fn listed(&self, name: &str) -> String {
        let list = self.outputs();
        let entry = &list["live"][name];
        entry.as_str().or_else(|| entry["path"].as_str()).unwrap().to_owned()
    }

    /// A word of a provoked row, with the line's own in the place of what stands for it.
    pub(crate) fn own(&self, word: &str) -> String {
        match word {
            "KERNEL" => self.output("kernel"),
            "INITRD" => self.output("initrd"),
            STOCK_INITRD => self.stock_initrd(),
            DRACUT_INITRD => self.dracut_initrd(),
            "DISKS" => self.finished_disks(&[]),
            word => word.replace("bootworks.live=LIVE", &format!("bootworks.live={}", self.listed("digest"))),
        }
    }

    /// The folder with the disks of a box that this line has just finished, for boxes of another line.
    pub(crate) fn used_disks(&self, hardware: &str) -> String {
        let folder = self.line.with_extension("used").display().to_string();
        let _ = std::fs::remove_dir_all(&folder);
        self.rehearse(&["--box", hardware, "--keep-disks", &folder]).ended_with(0);
        folder
    }

    /// The folder with the disks of a finished box of this build, for boxes that begin as it ended.
    pub(crate) fn finished_disks(&self, arguments: &[&str]) -> String {
        let list = self.outputs();
        let folder = self.line.with_extension(format!("disks-{}", list["build"].as_str().unwrap()));
        if !folder.exists() {
            // Those of an earlier build serve nobody any more, and are large.
            let entries = std::fs::read_dir(self.line.parent().unwrap()).unwrap().flatten();
            let name = self.line.with_extension("disks-").file_name().unwrap().to_string_lossy().into_owned();
            let is_old = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(&name);
            for old in entries.map(|entry| entry.path()).filter(is_old) {
                std::fs::remove_dir_all(old).unwrap();
            }
            let kept = folder.display().to_string();
            self.rehearse(&[arguments, &["--keep-disks", &kept]].concat()).ended_with(0);
        }
        folder.display().to_string()
    }

    /// What `bootworks check` finds of the devices with these modaliases.
    pub(crate) fn proof(&self, modaliases: &str) -> serde_json::Value {
        let list = self.line.with_extension("modaliases");
        std::fs::write(&list, modaliases).unwrap();
        let output = Command::new(program())
            .arg("check")
            .arg(&self.line)
            .arg("--hardware")
            .arg(&list)
            .arg("--json")
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// The line's own folder.
    pub(crate) fn line(&self) -> &Path {
        &self.line
    }

    /// An answer of the line's `[rehearsal]` table.
    pub(crate) fn answer(&self, id: &str) -> String {
        let text = std::fs::read_to_string(self.line.join("line.toml")).unwrap();
        let line: toml::Table = text.parse().unwrap();
        line["rehearsal"]["answers"][id].as_str().unwrap().to_owned()
    }

    /// The initrd that initramfs-tools makes in the line's root, with its NFS boot.
    pub(crate) fn stock_initrd(&self) -> String {
        self.initrd_made_by(
            r#"sed -i 's/^MODULES=.*/MODULES=netboot/; s/^BOOT=.*/BOOT=nfs/' etc/initramfs-tools/initramfs.conf
chroot . mkinitramfs -o /initrd "$release""#,
        )
    }

    /// The initrd that dracut makes in the line's root, with its NFS boot, for any hardware. Its network by
    /// systemd-networkd, which it prefers, never comes to the root (dracut 059: nothing there calls `netroot`).
    pub(crate) fn dracut_initrd(&self) -> String {
        self.initrd_made_by(
            r#"chroot . dracut --no-hostonly --add "nfs network-legacy" --quiet /initrd "$release""#,
        )
    }

    /// What a distribution's own tool makes in a copy of the line's root: `script` leaves it there as `initrd`.
    fn initrd_made_by(&self, script: &str) -> String {
        let initrd = self.line.join("stock-initrd").display().to_string();
        let script = format!(
            r#"
set -e
copy=$(mktemp -d); trap 'cd /; umount "$copy/proc" || true; rm -rf "$copy"' EXIT
cp -a "$1/." "$copy"
cd "$copy"
release=$(ls lib/modules)
mount -t proc proc proc
chroot . depmod "$release"
{script}
cp initrd "$2"
"#
        );
        run(Command::new("sh").args(["-c", &script, "sh", &self.output("tree"), &initrd]));
        initrd
    }

    /// Runs `bootworks rehearse` on the line.
    pub(crate) fn rehearse(&self, arguments: &[&str]) -> Seen {
        let output = Command::new(program())
            .arg("rehearse")
            .arg(&self.line)
            .args(arguments)
            .args(if arguments.contains(&"--patience") { &[][..] } else { PATIENCE })
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("{stdout}");
        let logs = stdout.lines().rev().find_map(|line| line.strip_prefix("logs: ")).map(PathBuf::from);
        Seen { code: output.status.code(), stdout, logs }
    }
}

/// Where two boxes at once are emulated, the initramfs of a whole system alone has taken ten minutes.
const PATIENCE: &[&str] = &["--patience", "1800"];

/// The variants differ in their live OS only: lock and image of the plain line serve as a beginning, and the
/// build finds out by itself what of them still fits.
fn borrow(plain: &Path, line: &Path) {
    if line.join("line.lock").exists() {
        return;
    }
    std::fs::copy(plain.join("line.lock"), line.join("line.lock")).unwrap();
    for entry in std::fs::read_dir(plain.join(".build")).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("image-") || name.starts_with("loaders-") {
            run(Command::new("cp").arg("-al").arg(entry.path()).arg(line.join(".build")));
        }
    }
}

/// Runs what must end well. Gives what it said.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said =
        [&output.stdout, &output.stderr].map(|octets| String::from_utf8_lossy(octets).into_owned()).concat();
    assert!(output.status.success(), "{command:?} ended with {}:\n{said}", output.status);
    said
}

/// What a rehearsal left to read.
pub(crate) struct Seen {
    code: Option<i32>,
    stdout: String,
    logs: Option<PathBuf>,
}

impl Seen {
    #[track_caller]
    pub(crate) fn ended_with(&self, code: i32) {
        assert_eq!(self.code, Some(code), "exit code; the console's last lines:\n{}", tail(&self.console()));
    }

    /// The timeline has these rungs, by what it proves or what the box told.
    #[track_caller]
    pub(crate) fn climbed(&self, rungs: &[&str]) {
        let labels: BTreeMap<&str, &str> = LABELS.iter().copied().collect();
        for rung in rungs {
            assert!(self.stdout.contains(labels[rung]), "rung {rung} was not reached");
        }
    }

    pub(crate) fn stdout(&self) -> &str {
        &self.stdout
    }

    /// When the output's first line with these words was said, in seconds since power-on.
    pub(crate) fn seconds(&self, words: &str) -> f64 {
        let line = self.stdout.lines().find(|line| line.contains(words));
        let seconds = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        seconds.unwrap_or_else(|| panic!("the output has no time of `{words}`:\n{}", self.stdout))
    }

    pub(crate) fn console(&self) -> String {
        self.read("console.log")
    }

    pub(crate) fn timeline(&self) -> String {
        self.read("timeline.jsonl")
    }

    /// Every file of the rehearsal but the answers that were given to it.
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        let folder = self.logs.as_ref().expect("the rehearsal names its logs");
        let entries = std::fs::read_dir(folder).unwrap().flatten();
        let files = entries.filter(|entry| entry.path().is_file() && entry.file_name() != "answers.json");
        files.map(|entry| (entry.path().display().to_string(), lossy(&entry.path()))).collect()
    }

    /// No process, namespace, tap or mount of a rehearsal is left.
    #[track_caller]
    pub(crate) fn left_nothing_behind(&self) {
        let links = std::fs::read_to_string("/proc/net/dev").unwrap();
        assert!(!links.contains("bootworks0") && !links.contains("bwtap"), "an interface is left:\n{links}");
        let folder = self.logs.as_ref().unwrap().display().to_string();
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        assert!(!mounts.contains(&folder), "a mount is left:\n{mounts}");
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let words = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&words).contains(&folder), "a process is left: {process:?}");
        }
    }

    fn read(&self, name: &str) -> String {
        self.logs.as_ref().map(|folder| lossy(&folder.join(name))).unwrap_or_default()
    }
}

fn lossy(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

/// Rungs as the program shows them.
const LABELS: &[(&str, &str)] = &[
    ("asked-for-address", "asked for an address"),
    ("reported-nic", "reported its NIC"),
    ("fetched-kernel", "fetched the kernel"),
    ("initrd-spoke", "the initrd spoke"),
    ("mounted-root", "mounted the root"),
    ("plan-confirmed", "plan confirmed"),
    ("verified", "verified"),
    ("boot-loader-installed", "boot loader installed"),
    ("powered-off", "powered off"),
];

/// Whether the whole table is asked for.
pub(crate) fn whole_table() -> bool {
    std::env::var("BOOTWORKS_TEST_REHEARSALS").is_ok_and(|which| which == "all")
}

/// Says aloud that a table of hours is not run where neither all of it nor one row by its number is asked for.
pub(crate) fn is_left_out(what: &str) -> bool {
    let left_out = !whole_table() && std::env::var_os("BOOTWORKS_TEST_SEED").is_none();
    if left_out {
        eprintln!("skipped: {what} takes hours, which `cargo xtask test --rehearsals` has");
    }
    left_out
}

/// Something that is broken on purpose, with the cause that must be named.
#[derive(Clone, serde::Deserialize)]
pub(crate) struct Provoked {
    /// For the test's output.
    pub(crate) name: String,
    /// What `bootworks rehearse` is told, with words that stand for the line's own.
    pub(crate) arguments: Vec<String>,
    /// Id of the cause.
    pub(crate) cause: String,
    /// What is replaced by what in the line's `line.toml`.
    #[serde(default)]
    line: Vec<(String, String)>,
}

/// Stands in a row's arguments for an initrd that Debian's own mkinitramfs made.
const STOCK_INITRD: &str = "STOCK-INITRD";
/// The same of dracut.
const DRACUT_INITRD: &str = "DRACUT-INITRD";

impl Provoked {
    /// The line that it is provoked on.
    pub(crate) fn rig(&self) -> Rig {
        let has = |wanted: &str| self.arguments.iter().any(|word| word == wanted);
        let rig = Rig::of(match () {
            () if has(STOCK_INITRD) => Variant::StockRoot,
            () if has(DRACUT_INITRD) => Variant::DracutRoot,
            () => Variant::Plain,
        });
        if self.line.is_empty() { rig } else { rig.changed(&self.name, &self.line) }
    }

    /// With `UPDATE_EXPECT` the table gets today's date and these seconds.
    pub(crate) fn was_green(&self, seconds: u64) {
        if std::env::var_os("UPDATE_EXPECT").is_none() {
            return;
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROVOKED);
        let table = std::fs::read_to_string(&path).unwrap();
        let today = Command::new("date").args(["-u", "+%F"]).output().unwrap();
        let green = format!("green = [\"{}\", {seconds}]", String::from_utf8(today.stdout).unwrap().trim());
        let blocks = table.split("\n\n").map(|block| {
            if !block.lines().any(|line| line == format!("name = \"{}\"", self.name)) {
                return block.to_owned();
            }
            let kept = block.trim_end().lines().filter(|line| !line.starts_with("green = "));
            kept.chain([green.as_str()]).collect::<Vec<_>>().join("\n")
        });
        let text = blocks.collect::<Vec<_>>().join("\n\n");
        std::fs::write(&path, text.trim_end().to_owned() + "\n").unwrap();
    }
}

/// The table of what is provoked, from this package's folder.
const PROVOKED: &str = "../crates/model/testdata/provoked/table.toml";

/// The table from which the guide's page is made.
pub(crate) fn provoked() -> Vec<Provoked> {
    #[derive(serde::Deserialize)]
    struct Table {
        provoked: Vec<Provoked>,
    }
    let table = include_str!("../../crates/model/testdata/provoked/table.toml");
    toml::from_str::<Table>(table).unwrap().provoked
}

/// One row of the table by the day, so that every row has its turn; all with BOOTWORKS_TEST_REHEARSALS=all.
/// BOOTWORKS_TEST_SEED=N picks row N instead of either.
pub(crate) fn picks<T: Clone>(table: &[T]) -> Vec<T> {
    let asked = std::env::var("BOOTWORKS_TEST_SEED").ok().and_then(|text| text.parse().ok());
    if whole_table() && asked.is_none() {
        return table.to_vec();
    }
    let seed: u64 = asked.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_secs() / 86_400
    });
    println!("seed {seed}; BOOTWORKS_TEST_SEED={seed} picks the same again");
    vec![table[usize::try_from(seed).unwrap() % table.len()].clone()]
}
