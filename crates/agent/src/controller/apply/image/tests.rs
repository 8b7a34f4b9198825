//! Archives as GNU tar writes them, unpacked into a folder.

use super::*;
use crate::controller::apply::tests::{LoopDisk, needs_root};
use crate::controller::witness::tests::Collector;
use linux::direct;
use linux::process::Child;
use linux::tools::Tool;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

const TAR: Tool = Tool { name: "tar", package: "tar", reason: "the tests" };
const SETFACL: Tool = Tool { name: "setfacl", package: "acl", reason: "the tests" };
const GETFACL: Tool = Tool { name: "getfacl", package: "acl", reason: "the tests" };
const SETCAP: Tool = Tool { name: "setcap", package: "libcap2-bin", reason: "the tests" };
const GETCAP: Tool = Tool { name: "getcap", package: "libcap2-bin", reason: "the tests" };

/// What a root has and copies lose: holes, capabilities, access control lists, attributes, hard links.
#[test]
fn system_everything_that_tar_keeps_is_unpacked() {
    if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
        eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root, tar, acl, libcap2-bin)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (root, target) = (folder.path().join("root"), folder.path().join("target"));
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n").unwrap();
    std::fs::write(root.join("etc/group"), "root:x:0:\ndaemon:x:1:\n").unwrap();
    let holes = std::fs::File::create(root.join("holes")).unwrap();
    use std::os::unix::fs::FileExt as _;
    for at in [0, 5_000_000, 40_000_123] {
        holes.write_all_at(b"data between holes", at).unwrap();
    }
    holes.set_len(50_000_000).unwrap();
    std::fs::write(root.join("zeros"), vec![0; 3_000_000]).unwrap();
    std::fs::write(root.join("ping"), "program").unwrap();
    std::fs::hard_link(root.join("ping"), root.join("ping2")).unwrap();
    std::fs::create_dir(root.join("shared")).unwrap();
    std::fs::write(root.join("shared/file"), "x").unwrap();
    Child::of(SETCAP).arg("cap_net_raw=ep").arg(root.join("ping")).run().unwrap();
    Child::of(SETFACL).args(["-m", "u:daemon:rwx,d:g:daemon:rx"]).arg(root.join("shared")).run().unwrap();
    Child::of(SETFACL).args(["-m", "u:1:r"]).arg(root.join("shared/file")).run().unwrap();
    let formats: [&[&str]; 4] = [
        &["--format=posix", "--sparse"],
        &["--format=posix", "--sparse", "--sparse-version=0.1"],
        &["--format=posix", "--sparse", "--sparse-version=0.0"],
        &["--format=posix"],
    ];
    for format in formats {
        let _ = std::fs::remove_dir_all(&target);
        std::fs::create_dir(&target).unwrap();
        let packing =
            Child::of(TAR).args(format).args(["--xattrs", "--xattrs-include=*", "--acls", "-cf", "-", "-C"]);
        let archive = packing.arg(&root).arg(".").run().unwrap();
        let mut ledger = Ledger::default();
        match unpack_archive(&archive[..], &target, &mut ledger) {
            Ok(()) => {}
            Err(Stop::Broken(error)) => panic!("{format:?}: {error}"),
            Err(Stop::Refused(failure)) => panic!("{format:?}: {}", failure.report()),
        }
        let read = |path: &str| std::fs::read(target.join(path)).unwrap();
        assert!(read("holes") == std::fs::read(root.join("holes")).unwrap(), "{format:?}");
        assert!(read("zeros") == vec![0; 3_000_000], "{format:?}");
        let blocks = |path: &str| std::fs::metadata(target.join(path)).unwrap().blocks();
        assert!(
            blocks("holes") < 200 && blocks("zeros") < 200,
            "{format:?}: {} {}",
            blocks("holes"),
            blocks("zeros")
        );
        assert_eq!(std::fs::metadata(target.join("ping")).unwrap().nlink(), 2);
        let said = |tool: Tool, path: &str, below: &Path| {
            let child = Child::of(tool).args(if tool == GETFACL { &["-cp"][..] } else { &[][..] });
            let said = String::from_utf8(child.arg(below.join(path)).run().unwrap()).unwrap();
            said.replace(&below.display().to_string(), "")
        };
        for path in ["shared", "shared/file"] {
            assert_eq!(said(GETFACL, path, &target), said(GETFACL, path, &root), "{format:?}");
        }
        assert_eq!(said(GETCAP, "ping", &target), "/ping cap_net_raw=ep\n", "{format:?}");
        assert_eq!(ledger.len(), 6);
    }
}

/// Measures for `cargo xtask bench install`, which names the image and says where to; else there is nothing to do.
#[test]
fn bench_an_image_is_unpacked() {
    let Some(image) = std::env::var_os("BOOTWORKS_BENCH_IMAGE") else { return };
    let target = std::env::var_os("BOOTWORKS_BENCH_TARGET").map(std::path::PathBuf::from).unwrap();
    let open = || std::fs::File::open(&image).unwrap();
    let begun = std::time::Instant::now();
    let octets = compression::read_plain(open(), |_, plain| io::copy(plain, &mut io::sink()));
    let plain = begun.elapsed().as_secs_f64();
    assert!(octets.unwrap().unwrap() > 0);
    let begun = std::time::Instant::now();
    let mut hasher = Sha256::new();
    let mut hashed = Hashed(open(), &mut hasher);
    let mut ledger = Ledger::default();
    let unpacked = compression::read_plain(&mut hashed, |_, plain| {
        unpack_archive(&mut *plain, &target, &mut ledger).map_err(|stop| match stop {
            Stop::Broken(error) => error.to_string(),
            Stop::Refused(failure) => failure.report(),
        })?;
        io::copy(plain, &mut io::sink()).map_err(|error| error.to_string())
    });
    unpacked.unwrap().unwrap();
    rustix::fs::syncfs(std::fs::File::open(&target).unwrap()).unwrap();
    let unpack = begun.elapsed().as_secs_f64();
    for (path, _) in ledger.files() {
        let file = std::fs::File::open(target.join(path)).unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
    let collector = Collector::default();
    let meter = crate::controller::witness::Meter::start(&collector, 1, 0);
    let begun = std::time::Instant::now();
    assert!(crate::controller::apply::readback::read_back(&target, &ledger, &meter).is_ok());
    let verify = begun.elapsed().as_secs_f64();
    println!(
        "unpack_seconds={unpack:.3} verify_seconds={verify:.3} plain_seconds={plain:.3} memory_kib={} files={}",
        memory_kib(),
        ledger.len()
    );
}

/// The most memory that this process ever had (`VmHWM` of proc_pid_status(5)).
fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    most.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Measures for `cargo xtask bench install`, which names a raw image, its size unpacked and the device; else there is
/// nothing to do.
#[test]
fn bench_a_raw_image_is_written() {
    let Some(image) = std::env::var_os("BOOTWORKS_BENCH_RAW") else { return };
    let device = std::env::var_os("BOOTWORKS_BENCH_TARGET").map(std::path::PathBuf::from).unwrap();
    let bytes: u64 = std::env::var("BOOTWORKS_BENCH_BYTES").unwrap().parse().unwrap();
    let lag = std::env::var_os("BOOTWORKS_BENCH_WRITES_ONLY").map_or(raw::LAG, |_| usize::MAX);
    let begun = std::time::Instant::now();
    let mut hasher = Sha256::new();
    let mut hashed = Hashed(std::fs::File::open(&image).unwrap(), &mut hasher);
    let written = compression::read_plain(&mut hashed, |_, plain| {
        let written = raw::write_and_read_behind(plain, bytes, 0..bytes, &device, lag).map_err(|_| ())?;
        io::copy(plain, &mut io::sink()).map_err(|_| ())?;
        Ok::<_, ()>(written)
    });
    let written = written.unwrap().unwrap();
    let write = begun.elapsed().as_secs_f64();
    let collector = Collector::default();
    let meter = crate::controller::witness::Meter::start(&collector, 1, bytes);
    let begun = std::time::Instant::now();
    assert!(written.verify(&meter).is_ok());
    println!(
        "write_seconds={write:.3} verify_seconds={:.3} memory_kib={}",
        begun.elapsed().as_secs_f64(),
        memory_kib()
    );
}

/// An image that comes slowly, so that the disk waits; before each piece something happens.
struct Slow<F: FnMut(usize)> {
    pieces: usize,
    index: usize,
    at: usize,
    before: F,
}

impl<F: FnMut(usize)> Read for Slow<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.index == self.pieces {
            return Ok(0);
        }
        if self.at == 0 {
            (self.before)(self.index);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let count = into.len().min(direct::PIECE_BYTES - self.at);
        into[..count].fill(0);
        // Mostly zeros, of which a fingerprint is soon taken.
        into[0] = 1;
        self.at += count;
        if self.at == direct::PIECE_BYTES {
            (self.index, self.at) = (self.index + 1, 0);
        }
        Ok(count)
    }
}

/// Writes 48 pieces, and reads them ten pieces behind.
fn write_slowly(disk: &LoopDisk, before: impl FnMut(usize)) -> Result<Written, Stop> {
    let (pieces, node) = (48, format!("/dev/{}", disk.name));
    let bytes = (pieces * direct::PIECE_BYTES) as u64;
    let mut slow = Slow { pieces, index: 0, at: 0, before };
    raw::write_and_read_behind(&mut slow, bytes, 0..bytes, Path::new(&node), 10)
}

/// What was read meanwhile is not read again, but for a part: a disk that is smaller than it says has written over that.
#[test]
fn system_a_disk_is_read_while_it_waits() {
    if needs_root() {
        return;
    }
    let disk = LoopDisk::of(256 << 20, 512);
    let written = write_slowly(&disk, |_| {}).ok().unwrap();
    assert!(written.compared() > 0, "nothing was read meanwhile");
    let collector = Collector::default();
    let meter = crate::controller::witness::Meter::start(&collector, 1, written.bytes());
    assert_eq!(written.verify(&meter).unwrap().bytes, written.bytes());
    disk.file.as_file().write_all_at(b"x", 1000).unwrap();
    let report = written.verify(&meter).unwrap_err().failure.report();
    assert!(report.contains("bytes 0 to 4194303 are others than were written"), "{report}");
}

/// A disk that does not keep what it was given stops the writing.
#[test]
fn system_what_is_not_as_written_is_found_while_it_is_written() {
    if needs_root() {
        return;
    }
    let disk = LoopDisk::of(256 << 20, 512);
    let stopped = write_slowly(&disk, |index| {
        // The first piece is written now, since no more than six are on their way, and not yet read.
        if index == 8 {
            disk.file.as_file().write_all_at(b"x", 1000).unwrap();
        }
    });
    let Err(Stop::Refused(failure)) = stopped else { panic!("it went on") };
    let report = failure.report();
    assert!(report.contains("bytes 0 to 4194303 are others than were written"), "{report}");
}

/// A file whose digest is taken as it is read, as of what comes over the network.
struct Hashed<'a>(std::fs::File, &'a mut Sha256);

impl Read for Hashed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(into)?;
        self.1.update(&into[..count]);
        Ok(count)
    }
}
