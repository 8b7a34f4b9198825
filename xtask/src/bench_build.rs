//! `cargo xtask bench build`: the example's live OS built by us and by the tools of the field, from the same packages,
//! which lie on the disk already, in one run on one machine.
//!
//! The peers get an archive on the disk with exactly the packages of the line's lock, so nobody waits for a network
//! and nobody installs anything else.

use crate::programs::{self, Programs};
use crate::setup::{self, Purpose};
use crate::shell::{Result, Stop, as_root, note, say};
use std::path::{Path, PathBuf};
use std::time::Instant;

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
const MMDEBSTRAP: &str = r#"
rm -rf "$1"
mmdebstrap --quiet --mode=root --format=directory --variant=custom --include="$(cat "$2/names")" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    bookworm "$1" "deb [trusted=yes] copy:$2 bookworm main"
"#;
const DEBOOTSTRAP: &str = r#"
rm -rf "$1"
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

    let cold = median_of("bootworks, cold", || {
        shell("rm -rf \"$1/base\" \"$2/.build\"", &[&bench.store(), &bench.line()])?;
        let json = bench.bootworks(&["build", "--json", &text(&bench.line())])?;
        Ok(seconds(&json, &["live OS: unpack", "live OS: configure", "live OS: scrub", "live OS: recipe"]))
    })?;
    let build = || bench.bootworks(&["build", &text(&bench.line())]).map(drop);
    let nothing = median_of("bootworks, nothing changed", || timed(build))?;
    let file = median_of("bootworks, a file changed", || {
        shell("date +%N >\"$1/files/changed\"", &[&bench.line()])?;
        timed(build)
    })?;
    let own = median_of("bootworks' initrd", || {
        shell("rm -rf \"$1\"/.build/initrd-*", &[&bench.line()])?;
        let json = bench.bootworks(&["build", "--json", &text(&bench.line())])?;
        Ok(seconds(&json, &["drivers of the suite", "drivers of the kernel", "initrd"]))
    })?;
    let own_size = shell("stat -c %s \"$1\"/.build/initrd-*/initrd", &[&bench.line()])?;
    let mut more = ["jq", "tree", "lsof"].iter();
    let package = median_of("bootworks, a package added", || {
        bench.add(more.next().copied().unwrap_or_default())?;
        bench.bootworks(&["lock", &text(&bench.line())])?;
        timed(build)
    })?;

    let mmdebstrap = median_of("mmdebstrap", || timed(|| shell(MMDEBSTRAP, &[&peer, &archive]).map(drop)))?;
    let mkinitramfs = median_of("mkinitramfs", || timed(|| shell(MKINITRAMFS, &[&peer, &initrd]).map(drop)))?;
    let mkinitramfs_size = size(&initrd);
    let dracut = median_of("dracut", || timed(|| shell(DRACUT, &[&peer, &initrd]).map(drop)))?;
    let dracut_size = size(&initrd);
    let debootstrap =
        median_of("debootstrap", || timed(|| shell(DEBOOTSTRAP, &[&peer, &archive]).map(drop)))?;

    say(&format!("seconds, median of {RUNS}; packages on the disk on all sides"));
    say("| live root of the example, kernel included | seconds | ours is faster by |");
    say("| --- | ---: | ---: |");
    say(&format!("| bootworks, nothing in the store but packages | {cold:.1} | |"));
    say(&format!("| mmdebstrap | {mmdebstrap:.1} | {:.1} |", mmdebstrap / cold));
    say(&format!("| debootstrap | {debootstrap:.1} | {:.1} |", debootstrap / cold));
    say(&format!("| bootworks, to all finished outputs: a file changed | {file:.1} | |"));
    say(&format!("| bootworks, to all finished outputs: a package added | {package:.1} | |"));
    say(&format!("| bootworks, to all finished outputs: nothing changed | {nothing:.2} | |"));
    say("| its initrd | seconds | ours is faster by | bytes |");
    say("| --- | ---: | ---: | ---: |");
    say(&format!("| bootworks | {own:.2} | | {} |", own_size.trim()));
    say(&format!(
        "| mkinitramfs, MODULES=most | {mkinitramfs:.1} | {:.0} | {mkinitramfs_size} |",
        mkinitramfs / own
    ));
    say(&format!("| dracut --no-hostonly | {dracut:.1} | {:.0} | {dracut_size} |", dracut / own));
    Ok(())
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
        self.edit("kernel ", "files = [{ source = \"files/changed\", path = \"/etc/changed\" }]\nkernel ")?;
        self.bootworks(&["build", &text(&line)])?;
        shell(ARCHIVE, &[&line.join("line.lock"), &self.folder.join("archive"), &self.store()]).map(drop)
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
        let mut command = as_root(&self.programs.bootworks.display().to_string(), arguments);
        output(command.env("BOOTWORKS_STORE", self.store()))
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

fn output(command: &mut std::process::Command) -> Result<String> {
    let output = command.output().map_err(|error| Stop::new(format!("cannot start a command: {error}")))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Stop::new(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed().as_secs_f64())
}

fn median_of(name: &str, mut run: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(run()?);
    }
    let shown: Vec<String> = runs.iter().map(|seconds| format!("{seconds:.2}")).collect();
    note(&format!("{name}: {} s", shown.join(", ")));
    runs.sort_by(f64::total_cmp);
    Ok(runs[RUNS / 2])
}

/// What these phases of a build took together, out of its `--json`.
fn seconds(json: &str, names: &[&str]) -> f64 {
    let of = |name: &&str| {
        let (_, rest) = json.split_once(&format!("\"name\":\"{name}\",\"seconds\":"))?;
        rest.split([',', '}']).next()?.parse::<f64>().ok()
    };
    names.iter().filter_map(of).sum()
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |kind| kind.len())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
