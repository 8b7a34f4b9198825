//! `cargo xtask bench build`: the example's live OS built by us and by the tools of the field, from the same packages,
//! which lie on the disk already, in one run on one machine.
//!
//! The peers get an archive on the disk with exactly the packages of the line's lock, so nobody waits for a network
//! and nobody installs anything else.

use crate::bench;
use crate::programs::{self, Programs};
use crate::setup::{self, Purpose};
use crate::shell::{Result, Stop, as_root, note, say};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// Runs of each; the median is quoted.
const RUNS: usize = 3;

/// Makes an archive `$2` of the packages of the section `live` of the lock `$1` out of the store `$3`.
const ARCHIVE: &str = r#"
rm -rf "$2"; mkdir -p "$2/pool" "$2/dists/bookworm/main/binary-amd64"
sed -n '/^\[live\]/,/^\]/s/.*name = "\([^"]*\)".*sha256 = "\([^"]*\)".*/\1 \2/p' "$1" >"$2/list"
while read -r name sha; do ln "$3/deb/$sha.deb" "$2/pool/$name.deb"; done <"$2/list"
cd "$2"
dpkg-scanpackages --multiversion pool >dists/bookworm/main/binary-amd64/Packages 2>/dev/null
cut -d' ' -f1 list | paste -sd, >names
cd dists/bookworm
size=$(stat -c %s main/binary-amd64/Packages); sha=$(sha256sum main/binary-amd64/Packages | cut -d' ' -f1)
printf 'Origin: Bench\nSuite: bookworm\nCodename: bookworm\nDate: %s\nArchitectures: amd64\nComponents: main\nSHA256:\n %s %s main/binary-amd64/Packages\n' "$(date -Ru)" "$sha" "$size" >Release
"#;
/// An ext4 without a journal passes over what was deleted in the last minute, one file after the other (`recently_deleted`
/// in the kernel's `fs/ext4/ialloc.c`): whoever makes files right after somebody has deleted many waits for that, and
/// it would be whoever comes first. So all is deleted before a round, and the minute is waited for.
const CLEAR: &str = r#"
rm -rf "$@"; sync; sleep 65
"#;
const MMDEBSTRAP: &str = r#"
mmdebstrap --quiet --mode=root --format=directory --variant=custom --include="$(cat "$2/names")" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    bookworm "$1" "deb [trusted=yes] copy:$2 bookworm main"
"#;
const DEBOOTSTRAP: &str = r#"
debootstrap --no-check-gpg --merged-usr --include="$(cat "$2/names")" --variant=minbase bookworm "$1" "file://$2" >"$1.log" 2>&1 ||
    { tail -n 5 "$1.log" "$1/debootstrap/debootstrap.log" >&2; exit 1; }
"#;
const MKINITRAMFS: &str = r#"
release=$(ls "$1/lib/modules")
sed -i 's/^MODULES=.*/MODULES=most/' "$1/etc/initramfs-tools/initramfs.conf"
mount -t proc proc "$1/proc"; trap 'umount "$1/proc"' EXIT
chroot "$1" mkinitramfs -o /peer.initrd "$release"
mv "$1/peer.initrd" "$2"
"#;
const DRACUT: &str = r#"
release=$(ls "$1/lib/modules")
dracut --quiet --force --no-hostonly --no-hostonly-cmdline --kmoddir "$1/lib/modules/$release" --fwdir "$1/lib/firmware" \
    "$2" "$release" 2>/dev/null
"#;

/// Builds the example's live OS cold and warm, and the same root and its initrd with the peers.
pub(crate) fn run() -> Result<()> {
    setup::install(Purpose::BenchBuild)?;
    let programs = programs::build()?;
    let bench = Bench { programs, folder: programs::target().join("bench/build") };
    bench.prepare()?;
    let archive = bench.folder.join("archive");
    let peer = bench.folder.join("peer");
    let initrd = bench.folder.join("peer.initrd");
    let debootstrap = bench.folder.join("debootstrap");
    let dracuts = bench.folder.join("dracut.initrd");

    let mut runs = Runs::default();
    let mut memory = 0;
    for round in 1..=RUNS {
        note(&format!("round {round} of {RUNS}"));
        bench.clear(&[&peer, &debootstrap])?;
        let (seconds, peak) = bench.cold()?;
        memory = memory.max(peak);
        runs.add("cold", seconds);
        runs.time("mmdebstrap", || shell(MMDEBSTRAP, &[&peer, &archive]))?;
        runs.add("initrd", bench.initrd()?);
        runs.time("mkinitramfs", || shell(MKINITRAMFS, &[&peer, &initrd]))?;
        runs.time("dracut", || shell(DRACUT, &[&peer, &dracuts]))?;
        shell("date +%N >\"$1/files/changed\"", &[&bench.line()])?;
        runs.time("a file of the live OS", || bench.build())?;
        shell("echo \"# $(date +%N)\" >>\"$1/files/appliance-ready\"", &[&bench.line()])?;
        runs.time("a file of the appliance", || bench.build())?;
        runs.time("nothing", || bench.build())?;
        runs.time("debootstrap", || shell(DEBOOTSTRAP, &[&debootstrap, &archive]))?;
    }
    let own_size = shell("stat -c %s \"$1\"/.build/initrd-*/initrd", &[&bench.line()])?;
    for package in ADDED {
        bench.add(package)?;
        bench.bootworks(&["lock", &text(&bench.line())])?;
        runs.time("a package", || bench.build())?;
    }
    let (stock_list, own_list) = bench::listing(&bench.programs, &text(&initrd))?;

    let cold = runs.median("cold");
    let against = |name: &str| format!("{:.1} | {:.1}", runs.median(name), runs.median(name) / cold);
    say(&format!("seconds, median of {RUNS}; packages on the disk on all sides"));
    say("| live root of the example, kernel included | seconds | ours is faster by |");
    say("| --- | ---: | ---: |");
    say(&format!("| bootworks, nothing in the store but packages | {cold:.1} | |"));
    say(&format!("| mmdebstrap | {} |", against("mmdebstrap")));
    say(&format!("| debootstrap | {} |", against("debootstrap")));
    say("| bootworks, to all finished outputs, after a change of | seconds |");
    say("| --- | ---: |");
    for what in ["a file of the live OS", "a file of the appliance", "a package", "nothing"] {
        say(&format!("| {what} | {:.2} |", runs.median(what)));
    }
    let own = runs.median("initrd");
    say("| its initrd | seconds | ours is faster by | bytes |");
    say("| --- | ---: | ---: | ---: |");
    say(&format!("| bootworks | {own:.2} | | {} |", own_size.trim()));
    for (name, title, file) in
        [("mkinitramfs", "mkinitramfs, MODULES=most", &initrd), ("dracut", "dracut --no-hostonly", &dracuts)]
    {
        let seconds = runs.median(name);
        say(&format!("| {title} | {seconds:.1} | {:.0} | {} |", seconds / own, size(file)));
    }
    say(&format!(
        "| listing mkinitramfs' initrd ({:.1} MB) | seconds | ours is faster by |",
        size(&initrd) as f64 / 1e6
    ));
    say("| --- | ---: | ---: |");
    say(&format!("| bootworks initrd list | {own_list:.3} | |"));
    say(&format!("| lsinitramfs -l | {stock_list:.3} | {:.1} |", stock_list / own_list));
    say(&format!("memory of a cold build at most: {} MB", memory / 1000));
    Ok(())
}

/// Packages that are added, one after the other.
const ADDED: [&str; RUNS] = ["jq", "tree", "lsof"];

/// Seconds of each run, by what was run.
#[derive(Default)]
struct Runs(BTreeMap<&'static str, Vec<f64>>);

impl Runs {
    fn add(&mut self, name: &'static str, seconds: f64) {
        note(&format!("  {name}: {seconds:.2} s"));
        self.0.entry(name).or_default().push(seconds);
    }

    fn time<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<()> {
        let begin = Instant::now();
        work()?;
        self.add(name, begin.elapsed().as_secs_f64());
        Ok(())
    }

    fn median(&self, name: &str) -> f64 {
        let mut runs = self.0.get(name).cloned().unwrap_or_default();
        runs.sort_by(f64::total_cmp);
        runs.get(runs.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

struct Bench {
    programs: Programs,
    folder: PathBuf,
}

impl Bench {
    fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    fn line(&self) -> PathBuf {
        self.folder.join("line")
    }

    /// Fetches, resolves and indexes everything before the first clock starts. The example's live OS gets a file, to
    /// have one that changes.
    fn prepare(&self) -> Result<()> {
        let line = self.line();
        shell("rm -rf \"$1\"; mkdir -p \"$2\"", &[&line, &self.folder])?;
        self.bootworks(&["new", &text(&line)])?;
        shell("date >\"$1/files/changed\"", &[&line])?;
        // Or mkinitramfs would fall back to gzip, which takes it longer.
        self.add("zstd")?;
        self.edit("kernel ", "files = [{ source = \"files/changed\", path = \"/etc/changed\" }]\nkernel ")?;
        self.bootworks(&["build", &text(&line)])?;
        shell(ARCHIVE, &[&line.join("line.lock"), &self.folder.join("archive"), &self.store()]).map(drop)
    }

    /// Leaves nothing but packages in the store, and nothing of what the peers have made.
    fn clear(&self, peers: &[&Path]) -> Result<()> {
        let store = self.store();
        let made = [store.join("base"), store.join("unpacked"), self.line().join(".build")];
        let all: Vec<&Path> = made.iter().map(PathBuf::as_path).chain(peers.iter().copied()).collect();
        shell(CLEAR, &all).map(drop)
    }

    /// Builds after [`Bench::clear`]; seconds that the live root took, and kB of memory at most.
    fn cold(&self) -> Result<(f64, u64)> {
        let (json, memory) = watched(&mut self.command(&["build", "--json", &text(&self.line())]))?;
        Ok((seconds(&json, &["live OS: unpack", "live OS: configure", "live OS: recipe"])?, memory))
    }

    /// Seconds that the initrd takes, its parts and the kernels' tables being in the store.
    fn initrd(&self) -> Result<f64> {
        shell("rm -rf \"$1\"/.build/initrd-*", &[&self.line()])?;
        let json = self.bootworks(&["build", "--json", &text(&self.line())])?;
        seconds(&json, &["drivers of the suite", "drivers of the kernel", "initrd"])
    }

    fn build(&self) -> Result<String> {
        self.bootworks(&["build", &text(&self.line())])
    }

    fn add(&self, package: &str) -> Result<()> {
        self.edit("\"pciutils\"", &format!("\"pciutils\", \"{package}\""))
    }

    fn edit(&self, from: &str, to: &str) -> Result<()> {
        let path = self.line().join("line.toml");
        let cannot = |error| Stop::new(format!("cannot edit {}: {error}", path.display()));
        let text = std::fs::read_to_string(&path).map_err(cannot)?;
        let changed = text.replacen(from, to, 1);
        if changed == text {
            return Err(Stop::new(format!("the example line has no `{from}` to change")));
        }
        std::fs::write(&path, changed).map_err(cannot)
    }

    fn bootworks(&self, arguments: &[&str]) -> Result<String> {
        output(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = as_root(&self.programs.bootworks.display().to_string(), arguments);
        command.env("BOOTWORKS_STORE", self.store());
        command
    }
}

/// Runs a script as root with these words as `$1` and so on, and gives what it prints.
fn shell(script: &str, words: &[&Path]) -> Result<String> {
    let words: Vec<String> = words.iter().map(|word| text(word)).collect();
    let script = format!("set -e\n{script}");
    let mut arguments = vec!["-c", &script, "sh"];
    arguments.extend(words.iter().map(String::as_str));
    output(&mut as_root("sh", &arguments))
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| Stop::new(format!("cannot start a command: {error}")))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Stop::new(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

/// What a command prints, and how much memory it itself had at most, in kB.
fn watched(command: &mut Command) -> Result<(String, u64)> {
    let cannot = |error| Stop::new(format!("cannot start a command: {error}"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(cannot)?;
    let status = format!("/proc/{}/status", child.id());
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let mut peak = 0;
        while is_done.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Timeout) {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let peak_now = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let peak_now = peak_now.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
            peak = peak.max(peak_now.unwrap_or(0));
        }
        peak
    });
    let output = child.wait_with_output().map_err(cannot)?;
    drop(done);
    let peak = watch.join().unwrap_or_default();
    match output.status.success() {
        true => Ok((String::from_utf8_lossy(&output.stdout).into_owned(), peak)),
        false => Err(Stop::new(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

/// What these phases of a build took together, out of its `--json`.
fn seconds(json: &str, names: &[&str]) -> Result<f64> {
    let of = |name: &&str| {
        let (_, rest) = json.split_once(&format!("\"name\":\"{name}\",\"seconds\":"))?;
        rest.split([',', '}']).next()?.parse::<f64>().ok()
    };
    let missing = |name: &&str| Stop::new(format!("the build had no phase `{name}`"));
    names.iter().map(|name| of(name).ok_or_else(|| missing(name))).sum()
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |kind| kind.len())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
