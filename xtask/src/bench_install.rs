//! How fast an image comes onto a disk: ours beside the programs that people use, in one run, turn by turn.
//!
//! Ours is the agent's own code, with its digests of every file and of the whole, which the others do not take.

use crate::shell::{Result, Stop, cargo, note, output, root, run, say};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Rounds; the median is quoted.
const ROUNDS: usize = 3;

/// One way to pack, the peer that unpacks it, and the peer that only decompresses.
struct Way {
    name: &'static str,
    pack: &'static str,
    suffix: &'static str,
    peer: &'static str,
}

const WAYS: &[Way] = &[
    Way { name: "tar.bz2 (lbzip2)", pack: "lbzip2 -c", suffix: "l.bz2", peer: "lbzip2 -dc" },
    Way { name: "tar.bz2 (bzip2, one stream)", pack: "bzip2 -9c", suffix: "b.bz2", peer: "lbzip2 -dc" },
    Way { name: "tar.zst (frames, as ours)", pack: "pzstd -q -3 -c -p 4", suffix: "f.zst", peer: "zstd -dc" },
    Way { name: "tar.zst (one frame)", pack: "zstd -q -3 -c", suffix: "zst", peer: "zstd -dc" },
    Way {
        name: "tar.xz (blocks)",
        pack: "xz -1 -T0 --block-size=16MiB -c",
        suffix: "xz",
        peer: "xz -T0 -dc",
    },
    Way { name: "tar.gz", pack: "gzip -1 -c", suffix: "gz", peer: "gzip -dc" },
    Way { name: "tar", pack: "cat", suffix: "tar", peer: "cat" },
];

/// Measures all of them and prints a table.
pub(crate) fn install() -> Result<()> {
    let folder = crate::programs::target().join("bench/install");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Stop::new(format!("cannot make {}: {error}", folder.display())))?;
    let archive = folder.join("image");
    if !archive.exists() {
        note("packing programs and texts of the host");
        let text = format!(
            "cd / && find usr/bin usr/include usr/share -xdev -type f -size -40M -print0 | tar --null -T - -cf {0}.all 2>/dev/null; \
             tar -tf {0}.all > /dev/null; mv {0}.all {0}",
            archive.display()
        );
        shell(&text)?;
    }
    say(
        "seconds from the packed image to files on the disk, median of 3, in turns; below 1.00 ours is faster:",
    );
    say("| image | ours | peer to tar | ratio | ours, decompressing only | peer | ratio |");
    say("| --- | --- | --- | --- | --- | --- | --- |");
    for way in WAYS {
        let packed = folder.join(format!("image.{}", way.suffix));
        if !packed.exists() {
            let (from, to) = (archive.display(), packed.display());
            shell(&format!("{} < {from} > {to}.part && mv {to}.part {to}", way.pack))?;
        }
        let target = folder.join("target");
        let (from, to) = (packed.display(), target.display());
        let peer = format!("{} < {from} | tar -xf - -C {to} && sync -f {to}", way.peer);
        let peer_only = format!("{} < {from} > /dev/null", way.peer);
        let mut times = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            fresh(&target)?;
            let (unpack, plain) = ours(&packed, &target)?;
            fresh(&target)?;
            for (all, one) in times.iter_mut().zip([unpack, time(&peer)?, plain, time(&peer_only)?]) {
                all.push(one);
            }
        }
        let [ours, peer, ours_only, peer_only] = times.map(median);
        say(&format!(
            "| {} | {ours:.2} | {peer:.2} | {:.2} | {ours_only:.2} | {peer_only:.2} | {:.2} |",
            way.name,
            ours / peer,
            ours_only / peer_only
        ));
    }
    let _ = std::fs::remove_dir_all(folder.join("target"));
    raw(&folder, &archive)
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
    let [write, verify, peer] = measured?.map(median);
    say("");
    say("| raw image | ours | `zstd -dc` to `dd oflag=direct` | ratio | read back and compared | more |");
    say("| --- | --- | --- | --- | --- | --- |");
    say(&format!(
        "| raw.zst, half of it zeros | {write:.2} | {peer:.2} | {:.2} | {verify:.2} | {:.0} % |",
        write / peer,
        100.0 * verify / write
    ));
    Ok(())
}

fn raw_rounds(packed: &Path, node: &str, bytes: u64) -> Result<[Vec<f64>; 3]> {
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let mut command = agent_test("bench_a_raw_image");
        command
            .env("BOOTWORKS_BENCH_RAW", packed)
            .env("BOOTWORKS_BENCH_TARGET", node)
            .env("BOOTWORKS_BENCH_BYTES", bytes.to_string());
        let text = output(&mut command).ok_or_else(|| Stop::new("the agent could not write the image"))?;
        let (write, verify) = (seconds(&text, "write_seconds=")?, seconds(&text, "verify_seconds=")?);
        let peer = format!(
            "zstd -dc < {} | dd of={node} bs=4M iflag=fullblock oflag=direct conv=fsync 2>/dev/null",
            packed.display()
        );
        for (all, one) in times.iter_mut().zip([write, verify, time(&peer)?]) {
            all.push(one);
        }
    }
    Ok(times)
}

/// The agent's test program, which has its own code in it.
fn agent_test(name: &str) -> Command {
    let mut command = cargo(&["test", "--quiet", "--release", "--package", "agent", "--bin", "agent", name]);
    command.args(["--", "--nocapture"]).current_dir(root());
    command
}

/// A number of seconds that a program printed by this name.
fn seconds(text: &str, name: &str) -> Result<f64> {
    let number = text.split_once(name).and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| Stop::new(format!("the agent measured nothing: {text}")))
}

/// Unpacks with the agent's own code, in its test program; seconds to the disk, and for decompressing only.
fn ours(image: &Path, target: &Path) -> Result<(f64, f64)> {
    let mut command = agent_test("bench_an_image");
    command.env("BOOTWORKS_BENCH_IMAGE", image).env("BOOTWORKS_BENCH_TARGET", target);
    let text = output(&mut command).ok_or_else(|| Stop::new("the agent could not unpack the image"))?;
    Ok((seconds(&text, "unpack_seconds=")?, seconds(&text, "plain_seconds=")?))
}

fn fresh(target: &Path) -> Result<()> {
    let _ = std::fs::remove_dir_all(target);
    std::fs::create_dir_all(target)
        .map_err(|error| Stop::new(format!("cannot make {}: {error}", target.display())))
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
