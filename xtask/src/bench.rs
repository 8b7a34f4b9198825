//! Benchmarks: ours beside the stock way, in one run, on the same virtual hardware or the same file.

use crate::programs::{self, Programs};
use crate::setup::{self, Purpose};
use crate::shell::{Result, Stop, as_root, command, note, root, say, typed};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Runs of each side; the median is quoted.
const RUNS: usize = 3;
/// The same where a run takes no minutes.
const LIST_RUNS: usize = 7;

/// Packages that the stock way needs besides those of the line: what makes a Debian root boot by itself over
/// NFS. Ours gets them as well, so that both boot the same root.
const STOCK_PACKAGES: &str = r#""systemd-sysv", "initramfs-tools", "dbus""#;

/// From kernel start: the stock way (initramfs-tools `boot=nfs`, systemd) to its login prompt, ours to the
/// first question.
pub(crate) fn boot() -> Result<()> {
    setup::install(Purpose::Test)?;
    let programs = programs::build()?;
    let line = bench_line(&programs)?;
    run(&programs, &["build", &line.display().to_string()])?;
    let outputs = line.join(".build");
    let list = read(&outputs.join("outputs.json"))?;
    let initrd = stock_initrd(&outputs.join(path_of(&list, "tree")?), &line.join("stock-initrd"))?;
    let kernel = outputs.join(path_of(&list, "kernel")?).display().to_string();
    let initrd = initrd.display().to_string();
    let (mut stock, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=RUNS {
        note(&format!("round {round} of {RUNS}"));
        let words = "console=ttyS0,115200n8 boot=nfs root=/dev/nfs nfsroot=10.77.0.1:/live,ro ip=dhcp ro systemd.volatile=overlay";
        stock.push(time(
            &programs,
            &line,
            &["--kernel", &kernel, "--initrd", &initrd, "--append", words, "--until", "login:"],
        )?);
        ours.push(time(&programs, &line, &["--until", "Host name of this unit"])?);
    }
    let (stock, ours) = (median(stock), median(ours));
    say("from kernel start, seconds, median of 3, same root, same virtual hardware:");
    say(&format!("  stock initramfs-tools and systemd, to the login prompt  {stock:6.1}"));
    say(&format!("  bootworks, to the first question                        {ours:6.1}"));
    say(&format!("  ratio                                                   {:6.2}", ours / stock));
    Ok(())
}

/// Listing an initrd: `lsinitramfs -l` beside `bootworks initrd list`.
pub(crate) fn initrd(file: &str) -> Result<()> {
    setup::install(Purpose::Test)?;
    let programs = programs::build()?;
    let bytes = std::fs::metadata(file).map_err(|error| {
        Stop::new(format!("cannot read {file}: {error}; `mkinitramfs -o FILE` makes an initrd"))
    })?;
    let (stock, own) = listing(&programs, file)?;
    say(&format!("{file}, {} MB, seconds, median of {LIST_RUNS}:", bytes.len() / 1_000_000));
    say(&format!("  lsinitramfs -l         {stock:7.3}"));
    say(&format!("  bootworks initrd list  {own:7.3}"));
    say(&format!("  ratio                  {:7.1}", stock / own));
    Ok(())
}

/// Seconds that lsinitramfs and ours take to list an initrd.
pub(crate) fn listing(programs: &Programs, file: &str) -> Result<(f64, f64)> {
    let ours = programs.bootworks.display().to_string();
    let (mut stock, mut own) = (Vec::new(), Vec::new());
    for _ in 0..LIST_RUNS {
        stock.push(wall(command("lsinitramfs", &["-l", file]))?);
        own.push(wall(command(&ours, &["initrd", "list", file]))?);
    }
    Ok((median(stock), median(own)))
}

/// Seconds that a command takes, its output thrown away.
fn wall(mut command: std::process::Command) -> Result<f64> {
    let line = typed(&command);
    let start = std::time::Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let seconds = start.elapsed().as_secs_f64();
    match status {
        Ok(status) if status.success() => Ok(seconds),
        Ok(status) => Err(Stop::new(format!("`{line}` ended with {status}"))),
        Err(error) => Err(Stop::new(format!("cannot start `{line}`: {error}"))),
    }
}

/// The example line with a root that can boot by itself as well.
fn bench_line(programs: &Programs) -> Result<PathBuf> {
    let line = programs::target().join("bench/line");
    if !line.join("line.toml").exists() {
        run(programs, &["new", &line.display().to_string()])?;
        let path = line.join("line.toml");
        let text = read(&path)?;
        let more = text.replacen("packages = [", &format!("packages = [{STOCK_PACKAGES}, "), 1);
        if more == text {
            return Err(Stop::new("the example line has no `packages = [` to add to"));
        }
        std::fs::write(&path, more)
            .map_err(|error| Stop::new(format!("cannot write {}: {error}", path.display())))?;
    }
    Ok(line)
}

/// The initrd that initramfs-tools makes in the live OS's own root, with its network boot switched on.
fn stock_initrd(tree: &Path, initrd: &Path) -> Result<PathBuf> {
    let script = r#"
set -e
copy=$(mktemp -d); trap 'rm -rf "$copy"' EXIT
cp -a "$1/." "$copy"
sed -i 's/^MODULES=.*/MODULES=netboot/; s/^BOOT=.*/BOOT=nfs/' "$copy/etc/initramfs-tools/initramfs.conf"
release=$(ls "$copy/lib/modules")
mount -t proc proc "$copy/proc"; trap 'umount "$copy/proc"; rm -rf "$copy"' EXIT
chroot "$copy" depmod "$release"
chroot "$copy" mkinitramfs -o /initrd "$release"
cp "$copy/initrd" "$2"
"#;
    let words =
        ["-c", script, "sh", &tree.display().to_string(), &initrd.display().to_string()].map(str::to_owned);
    crate::shell::run(as_root("sh", &words.each_ref().map(String::as_str)).stdout(Stdio::null()))?;
    Ok(initrd.to_owned())
}

/// Seconds from the kernel's first line to the text that the rehearsal waits for.
fn time(programs: &Programs, line: &Path, arguments: &[&str]) -> Result<f64> {
    let line = line.display().to_string();
    let words = [&["rehearse", &line, "--json", "--console"], arguments].concat();
    let output = as_root(&programs.bootworks.display().to_string(), &words)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| Stop::new(format!("cannot rehearse: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default();
    match (number(last, "kernel_seconds"), number(last, "until_seconds")) {
        (Some(kernel), Some(until)) if output.status.success() => Ok(until - kernel),
        _ => Err(Stop::new(format!("the boot did not get there: {last}"))),
    }
}

/// The number of that name in a JSON object.
fn number(json: &str, name: &str) -> Option<f64> {
    let (_, rest) = json.split_once(&format!("\"{name}\":"))?;
    let end = rest.find([',', '}'])?;
    rest[..end].trim().parse().ok()
}

/// Where the build put something, by its name in the list of outputs.
fn path_of(list: &str, name: &str) -> Result<String> {
    let found = list.split_once(&format!("\"{name}\":")).and_then(|(_, rest)| {
        let rest = rest.trim_start();
        let rest = rest
            .strip_prefix('{')
            .map_or(rest, |inner| inner.split_once("\"path\":").map_or(inner, |(_, path)| path));
        rest.trim_start().strip_prefix('"')?.split_once('"')
    });
    found.map(|(path, _)| path.to_owned()).ok_or_else(|| Stop::new(format!("the build lists no `{name}`")))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn run(programs: &Programs, arguments: &[&str]) -> Result<()> {
    crate::shell::run(as_root(&programs.bootworks.display().to_string(), arguments).current_dir(root()))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Stop::new(format!("cannot read {}: {error}", path.display())))
}
