//! How fast an image comes onto a disk: ours beside the programs that people use, in one run, turn by turn.
//!
//! Ours is the agent's own code, with its digests of every file and of the whole, which the others do not take. The disk is
//! one in memory: a slow one would wait for everybody alike. Needs root.

use crate::setup::{self, Purpose};
use crate::shell::{Result, Stop, cargo, note, output, root, run, say};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Rounds; the median is quoted.
const ROUNDS: usize = 3;
/// Octets of the files that are packed.
const IMAGE_BYTES: u64 = 2_000_000_000;
/// A folder in memory.
const MEMORY: &str = "/dev/shm";
/// The disk that is unpacked to.
const DISK_BYTES: u64 = 3 * IMAGE_BYTES;

/// One way to pack, and the peers that decompress it.
struct Way {
    name: &'static str,
    pack: &'static str,
    suffix: &'static str,
    peers: &'static [&'static str],
}

/// The image of a disk.
const RAW: &str = "raw.zst, half of it zeros";
const WAYS: &[Way] = &[
    Way { name: "tar.bz2, one stream (lbzip2)", pack: "lbzip2 -c", suffix: "l.bz2", peers: &["lbzip2 -dc"] },
    Way {
        name: "tar.bz2, many streams (pbzip2)",
        pack: "pbzip2 -c",
        suffix: "p.bz2",
        peers: &["lbzip2 -dc", "pbzip2 -dc"],
    },
    Way {
        name: "tar.zst, frames as ours (pzstd)",
        pack: "pzstd -q -3 -c -p 4",
        suffix: "f.zst",
        peers: &["zstd -dc"],
    },
    Way { name: "tar.zst, one frame", pack: "zstd -q -3 -c", suffix: "zst", peers: &["zstd -dc"] },
    Way {
        name: "tar.xz, blocks",
        pack: "xz -1 -T0 --block-size=16MiB -c",
        suffix: "xz",
        peers: &["xz -T0 -dc"],
    },
    Way { name: "tar.gz", pack: "gzip -1 -c", suffix: "gz", peers: &["gzip -dc"] },
    Way { name: "tar, not packed", pack: "cat", suffix: "tar", peers: &["cat"] },
];

/// Measures all of them, or those whose names have that word, and prints a table.
pub(crate) fn install(word: &str) -> Result<()> {
    let names = || WAYS.iter().map(|way| way.name).chain([RAW]);
    if !names().any(|name| name.contains(word)) {
        return Err(Stop::new(format!(
            "no row has `{word}`; they are: {}",
            names().collect::<Vec<_>>().join("; ")
        )));
    }
    setup::install(Purpose::BenchInstall)?;
    let folder = crate::programs::target().join("bench/install");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Stop::new(format!("cannot make {}: {error}", folder.display())))?;
    let archive = folder.join("image");
    if !archive.exists() {
        note("packing programs and texts of the host");
        shell(&format!(
            "cd / && find usr/bin usr/include usr/share usr/lib -xdev -type f -size -40M -printf '%s %p\n' \
             | awk '{{ all += $1; if (all > {IMAGE_BYTES}) exit; sub(/^[0-9]+ /, \"\"); print }}' \
             | tar --verbatim-files-from -T - -cf {0}.all && mv {0}.all {0}",
            archive.display()
        ))?;
    }
    let memory = InMemory::new()?;
    shell(&format!("tar -xf {} -C {}", archive.display(), memory.tree().display()))?;
    let disk = Disk::attach(&memory)?;
    say(
        "seconds from the packed image to files on the disk, median of 3, in turns; below 1.00 ours is faster:",
    );
    say(
        "| image | ours | peer | peer to tar | ratio | files copied from memory | ratio | decompressing only: ours | peer | ratio | read back | more | memory |",
    );
    say("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for way in WAYS.iter().filter(|way| way.name.contains(word)) {
        measure(way, &folder, &archive, &memory, &disk)?.iter().for_each(|row| say(row));
    }
    drop(disk);
    drop(memory);
    if RAW.contains(word) { raw(&folder, &archive) } else { Ok(()) }
}

/// A row of the table for each of the way's peers.
fn measure(way: &Way, folder: &Path, archive: &Path, memory: &InMemory, disk: &Disk) -> Result<Vec<String>> {
    let packed = folder.join(format!("image.{}", way.suffix));
    if !packed.exists() {
        let (from, to) = (archive.display(), packed.display());
        shell(&format!("{} < {from} > {to}.part && mv {to}.part {to}", way.pack))?;
    }
    let target = disk.target.as_path();
    let (from, to) = (packed.display(), target.display());
    let copy = format!("cp -a {}/. {to} && sync -f {to}", memory.tree().display());
    let mut own = [const { Vec::new() }; 4];
    let mut peers = vec![[const { Vec::new() }; 2]; way.peers.len()];
    let mut memory_kib = 0.0_f64;
    for _ in 0..ROUNDS {
        disk.format()?;
        let ours = ours(&packed, target)?;
        memory_kib = memory_kib.max(ours.memory_kib);
        disk.format()?;
        let round = [ours.unpack, ours.read_back, ours.decompress, time(&copy)?];
        own.iter_mut().zip(round).for_each(|(all, one)| all.push(one));
        for (name, times) in way.peers.iter().zip(&mut peers) {
            disk.format()?;
            times[0].push(time(&format!("{name} < {from} | tar -xf - -C {to} && sync -f {to}"))?);
            times[1].push(time(&format!("{name} < {from} > /dev/null"))?);
        }
    }
    let [ours, read_back, ours_only, copied] = own.map(median);
    let row = |(name, times): (&&str, [Vec<f64>; 2])| {
        let [peer, peer_only] = times.map(median);
        format!(
            "| {} | {ours:.2} | `{name}` | {peer:.2} | {:.2} | {copied:.2} | {:.2} | {ours_only:.2} | {peer_only:.2} | {:.2} | {read_back:.2} | {:.0} % | {:.0} MB |",
            way.name,
            ours / peer,
            ours / copied,
            ours_only / peer_only,
            100.0 * read_back / ours,
            memory_kib * 1024.0 / 1e6
        )
    };
    Ok(way.peers.iter().zip(peers).map(row).collect())
}

/// A folder in memory, as long as this lives.
struct InMemory(PathBuf);

impl InMemory {
    fn new() -> Result<InMemory> {
        let memory = InMemory(Path::new(MEMORY).join(format!("bootworks-bench-{}", std::process::id())));
        for folder in [memory.tree(), memory.target()] {
            std::fs::create_dir_all(&folder)
                .map_err(|error| Stop::new(format!("cannot make {}: {error}", folder.display())))?;
        }
        Ok(memory)
    }

    /// The image's files.
    fn tree(&self) -> PathBuf {
        self.0.join("tree")
    }

    /// Where the disk is mounted.
    fn target(&self) -> PathBuf {
        self.0.join("target")
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A disk in memory, as long as this lives.
struct Disk {
    node: String,
    target: PathBuf,
}

impl Disk {
    fn attach(memory: &InMemory) -> Result<Disk> {
        let file = memory.0.join("disk");
        shell(&format!("truncate -s {DISK_BYTES} {}", file.display()))?;
        let attached = output(Command::new("losetup").args(["--find", "--show"]).arg(&file));
        let node = attached.ok_or_else(|| Stop::new("no loop device is to be had"))?.trim().to_owned();
        Ok(Disk { node, target: memory.target() })
    }

    /// Makes an empty file system on it, and mounts that.
    fn format(&self) -> Result<()> {
        self.unmount();
        let options = "lazy_itable_init=0,lazy_journal_init=0";
        let (node, target) = (&self.node, self.target.display());
        shell(&format!("mkfs.ext4 -q -E {options} {node} && mount {node} {target}"))
    }

    fn unmount(&self) {
        let _ = output(Command::new("umount").arg(&self.target));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
        let _ = output(Command::new("losetup").args(["--detach", &self.node]));
    }
}

/// A raw image onto a block device: ours beside decompressing it into `dd` with direct I/O.
fn raw(folder: &Path, archive: &Path) -> Result<()> {
    let (packed, disk) = (folder.join("raw.zst"), folder.join("disk"));
    let (from, to, device) = (archive.display(), packed.display(), disk.display());
    let bytes = archive.metadata().map_or(0, |metadata| metadata.len()).next_multiple_of(4 << 20);
    if !packed.exists() {
        // As large as the archive, with as much of nothing behind it, as disks have.
        shell(&format!(
            "(cat {from}; head -c {} /dev/zero) | zstd -q -3 -T0 -c > {to}.part && mv {to}.part {to}",
            2 * bytes - archive.metadata().map_or(0, |metadata| metadata.len())
        ))?;
    }
    shell(&format!("rm -f {device}; truncate -s {} {device}", 2 * bytes))?;
    let attached = output(Command::new("losetup").args(["--find", "--show", "--direct-io=on"]).arg(&disk));
    let node = attached.ok_or_else(|| Stop::new("no loop device is to be had"))?.trim().to_owned();
    let measured = raw_rounds(&packed, &node, 2 * bytes);
    shell(&format!("losetup -d {node}; rm -f {device}"))?;
    let (times, memory_kib) = measured?;
    let [alone, write, verify, peer] = times.map(median);
    say("");
    say(
        "| raw image | written only | ours | `zstd -dc` to `dd oflag=direct` | ratio | what is read at the end | both more than written only | memory |",
    );
    say("| --- | --- | --- | --- | --- | --- | --- | --- |");
    say(&format!(
        "| {RAW} | {alone:.2} | {write:.2} | {peer:.2} | {:.2} | {verify:.2} | {:.0} % | {:.0} MB |",
        write / peer,
        100.0 * ((write + verify) / alone - 1.0),
        memory_kib * 1024.0 / 1e6
    ));
    Ok(())
}

/// Seconds of writing only, of writing while what is written is read, of what is left to read then, and of the peer; and
/// memory at the most, in KiB.
fn raw_rounds(packed: &Path, node: &str, bytes: u64) -> Result<([Vec<f64>; 4], f64)> {
    let mut times = [const { Vec::new() }; 4];
    let mut memory_kib = 0.0_f64;
    for _ in 0..ROUNDS {
        let mut ours = |writes_only: bool| -> Result<(f64, f64)> {
            let mut command = agent_test("bench_a_raw_image");
            command
                .env("BOOTWORKS_BENCH_RAW", packed)
                .env("BOOTWORKS_BENCH_TARGET", node)
                .env("BOOTWORKS_BENCH_BYTES", bytes.to_string());
            if writes_only {
                command.env("BOOTWORKS_BENCH_WRITES_ONLY", "1");
            }
            let text =
                output(&mut command).ok_or_else(|| Stop::new("the agent could not write the image"))?;
            memory_kib = memory_kib.max(number(&text, "memory_kib=")?);
            Ok((number(&text, "write_seconds=")?, number(&text, "verify_seconds=")?))
        };
        let ((alone, _), (write, verify)) = (ours(true)?, ours(false)?);
        let peer = format!(
            "zstd -dc < {} | dd of={node} bs=4M iflag=fullblock oflag=direct conv=fsync 2>/dev/null",
            packed.display()
        );
        for (all, one) in times.iter_mut().zip([alone, write, verify, time(&peer)?]) {
            all.push(one);
        }
    }
    Ok((times, memory_kib))
}

/// The agent's test program, which has its own code in it.
fn agent_test(name: &str) -> Command {
    let mut command = cargo(&["test", "--quiet", "--release", "--package", "agent", "--bin", "agent", name]);
    command.args(["--", "--nocapture"]).current_dir(root());
    command
}

/// A number that a program printed by this name.
fn number(text: &str, name: &str) -> Result<f64> {
    let number = text.split_once(name).and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| Stop::new(format!("the agent measured nothing: {text}")))
}

/// What the agent's own code took of an image, in seconds, and its memory at the most.
struct Ours {
    unpack: f64,
    read_back: f64,
    decompress: f64,
    memory_kib: f64,
}

/// Unpacks with the agent's own code, in its test program.
fn ours(image: &Path, target: &Path) -> Result<Ours> {
    let mut command = agent_test("bench_an_image");
    command.env("BOOTWORKS_BENCH_IMAGE", image).env("BOOTWORKS_BENCH_TARGET", target);
    let text = output(&mut command).ok_or_else(|| Stop::new("the agent could not unpack the image"))?;
    Ok(Ours {
        unpack: number(&text, "unpack_seconds=")?,
        read_back: number(&text, "verify_seconds=")?,
        decompress: number(&text, "plain_seconds=")?,
        memory_kib: number(&text, "memory_kib=")?,
    })
}

fn time(command: &str) -> Result<f64> {
    let begun = Instant::now();
    shell(command)?;
    Ok(begun.elapsed().as_secs_f64())
}

fn shell(text: &str) -> Result<()> {
    run(Command::new("sh").args(["-c", text]).stdout(Stdio::null()))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
