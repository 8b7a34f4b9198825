//! The real peer: the Linux kernel's NFS client, and klibc's `nfsmount` as initramfs-tools calls it, in a virtual
//! machine with Debian's kernel.
//!
//! The kernel package comes through the host's apt and is kept below the target folder. The guest is a busybox
//! and a script; it says what it found in lines that start with `GUEST`.

use super::{Server, serve_on};
use linux::process::Child;
use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};

/// Modules of the guest; what they need is looked up.
const MODULES: [&str; 3] = ["virtio_pci", "virtio_net", "nfsv3"];
/// What is said of each file: kind and mode, links, owner, group, size, device, blocks, time.
const STATS: &str = r"find . | sort | tr '\n' '\0' | xargs -0 stat -c '%f %h %u %g %s %t:%T %b %Y %n'";
const LINKS: &str = r"find . -type l | sort | tr '\n' '\0' | xargs -0 -n 1 readlink";
const SUMS: &str = r"find . -type f | sort | tr '\n' '\0' | xargs -0 cat";

/// What `cp -a` keeps of each file beside links and content. Links' times are not among it: busybox leaves them alone.
const KEPT: &str = r"find . ! -type l | sort | tr '\n' '\0' | xargs -0 stat -c '%f %u %g %t:%T %Y %n'";

/// The guest's first process.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /bin /mnt /rw /klibc /etc
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
for module in $(cat /modules.order); do insmod $module || echo "GUEST insmod $module failed"; done
ifconfig lo up; ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
say() { echo "GUEST $*"; }
digest() { sha256sum | cut -c1-64; }
mount -t nfs -o ro,vers=3,proto=tcp,nolock,port=PORT,mountport=PORT,mountproto=tcp,timeo=30,retrans=1,addr=10.0.2.2 10.0.2.2:/live /mnt && say mounted
grep -o ' /mnt .*rsize=[0-9]*' /proc/mounts | sed 's/^/GUEST /'
cd /mnt
say names $(ls many | wc -l) $(ls many | sort -u | wc -l)
say stats $(STATS | digest)
say links $(LINKS | digest)
say sums $(SUMS | digest)
mkdir /copy; mount -t tmpfs -o size=256m copy /copy
cp -a . /copy || echo "GUEST cp -a failed"
cd /copy
say copy $(KEPT | digest)
say copied links $(LINKS | digest)
say copied sums $(SUMS | digest)
cd /mnt; umount /copy
[ $(stat -c %i linked) = $(stat -c %i 'folder with spaces/linked too') ] && say one inode
say null $(head -c 4 < dev/null | wc -c) zero $(head -c 4 < dev/zero | wc -c)
say secret as root: $(cat secret 2>&1)
say secret as nobody: $(su -s /bin/sh nobody -c 'cat /mnt/secret' 2>&1)
say read-only mount: $(touch new 2>&1)
mount -t nfs -o rw,vers=3,proto=tcp,nolock,port=PORT,mountport=PORT,mountproto=udp,addr=10.0.2.2 10.0.2.2:/live/d1 /rw && say mounted over udp
say create: $(touch /rw/new 2>&1)
say mkdir: $(mkdir /rw/new 2>&1)
say remove: $(rm -f /rw/linked 2>&1)
say rename: $(mv /rw/linked /rw/renamed 2>&1)
say write: $(sh -c 'echo x >> /rw/linked' 2>&1)
say nfsmount $(/lib/klibc/nfsmount -o nolock,ro 10.0.2.2:/live /klibc 2>&1) $(cat /klibc/secret)
echo 3 > /proc/sys/vm/drop_caches
exec 3< /mnt/large
dd bs=1M count=24 <&3 2>/dev/null | digest > /half
say half
read go
say whole $( { cat <&3; } | digest) after $(cat /half)
say end
poweroff -f
"#;

/// The whole tree through the kernel's eyes, a copy of it, refused writes, klibc's client, and a server that is killed while a
/// file is being read.
#[tokio::test(flavor = "multi_thread")]
async fn system_the_linux_client_reads_everything_and_survives_a_restart() {
    if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
        eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root)");
        return;
    }
    let parts = fetch();
    let tree = large_tree();
    let server = serve_on(tree.path(), "127.0.0.1:0", "127.0.0.1:111").await;
    let address = server.nfs.to_string();
    let mut guest = Guest::boot(&parts, server.nfs.port());

    guest.expect("mounted").await;
    let options = guest.next().await;
    assert!(options.contains("rsize=1048576"), "{options}");
    guest.expect("names 10000 10000").await;
    for (what, script) in [
        ("stats", STATS),
        ("links", LINKS),
        ("sums", SUMS),
        ("copy", KEPT),
        ("copied links", LINKS),
        ("copied sums", SUMS),
    ] {
        guest.expect(&format!("{what} {}", digest_of(tree.path(), script))).await;
    }
    for line in [
        "one inode",
        "null 0 zero 4",
        "secret as root: only root reads this",
        "secret as nobody: cat: can't open '/mnt/secret': Permission denied",
        "read-only mount: touch: new: Read-only file system",
        "mounted over udp",
        "create: touch: /rw/new: Read-only file system",
        "mkdir: mkdir: can't create directory '/rw/new': Read-only file system",
        "remove: rm: can't remove '/rw/linked': Read-only file system",
        "rename: mv: can't rename '/rw/linked': Read-only file system",
        // Refused by ACCESS when the file is opened: a WRITE would fail only when it is flushed.
        "write: sh: can't create /rw/linked: Permission denied",
        "nfsmount only root reads this",
        "half",
    ] {
        guest.expect(line).await;
    }

    let folder = tree.path().to_owned();
    drop(server);
    guest.type_line("go").await;
    guest.wait_for("not responding").await;
    let _server: Server = serve_on(&folder, &address, "127.0.0.1:111").await;
    let whole = std::fs::read(tree.path().join("large")).unwrap();
    let (head, tail) = whole.split_at(24 << 20);
    guest.expect(&format!("whole {} after {}", sha256(tail), sha256(head))).await;
    guest.expect("end").await;
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a script of the guest says of a folder on the host, by the same busybox.
fn digest_of(folder: &Path, script: &str) -> String {
    // The shell runs its own commands, and what it starts is to be its own as well.
    let script = script.replace("xargs -0 cat", "xargs -0 /bin/busybox cat");
    let script = script.replace("xargs -0 stat", "xargs -0 /bin/busybox stat");
    let script = script.replace("-n 1 readlink", "-n 1 /bin/busybox readlink");
    let shell = Child::at("/bin/busybox").args(["sh", "-c", &script]).in_folder(folder);
    sha256(&shell.env("PATH", "/nowhere").run().unwrap())
}

/// Every kind of file, 10,000 names in a folder, and a file too large to be read before a restart.
fn large_tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["many", "dev", "folder with spaces", "deep/1/2/3/4/5/6/7/8/9"] {
        std::fs::create_dir_all(at(name)).unwrap();
    }
    for number in 0..10_000 {
        let size = if number % 100 == 0 { 70_000 } else { number % 50 };
        std::fs::write(at("many").join(format!("{number:x}-name-Ä")), vec![number as u8; size]).unwrap();
    }
    std::fs::write(at("linked"), "two names").unwrap();
    std::fs::hard_link(at("linked"), at("folder with spaces/linked too")).unwrap();
    std::fs::write(at("secret"), "only root reads this").unwrap();
    for (name, mode) in [("secret", 0o600), ("many/0-name-Ä", 0), ("many/1-name-Ä", 0o6755), ("dev", 0o1777)]
    {
        std::fs::set_permissions(at(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    std::os::unix::fs::chown(at("many/2-name-Ä"), Some(1234), Some(4_000_000_000)).unwrap();
    symlink("../linked", at("deep/relative")).unwrap();
    symlink("/etc/passwd", at("deep/absolute")).unwrap();
    symlink("x".repeat(4000), at("deep/long")).unwrap();
    for arguments in ["dev/null c 1 3", "dev/zero c 1 5", "dev/disk b 259 1048575", "dev/pipe p"] {
        let arguments = arguments.split(' ');
        Child::at("mknod").args(arguments).in_folder(folder.path()).run().unwrap();
    }
    let block: Vec<u8> =
        (0..1 << 20).map(|byte: u32| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let large: Vec<u8> = (0..96u8).flat_map(|number| block.iter().map(move |byte| byte ^ number)).collect();
    std::fs::write(at("large"), large).unwrap();
    folder
}

/// What the guest is made of.
struct Parts {
    kernel: PathBuf,
    initrd: PathBuf,
}

/// Fetches the packages unless they are there. Their names say their versions, so what is there is right.
fn fetch() -> Parts {
    let test = std::env::current_exe().unwrap();
    let cache = test.ancestors().nth(3).unwrap().join("system-cache/nfs-guest");
    std::fs::create_dir_all(&cache).unwrap();
    let depends = Child::at("apt-cache").args(["depends", "linux-image-amd64"]).run().unwrap();
    let depends = String::from_utf8(depends).unwrap();
    let kernel = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: ")).unwrap();
    let release = kernel.strip_prefix("linux-image-").unwrap();
    let at = |name: &str| cache.join(name);
    for package in [kernel, "klibc-utils", "libklibc"] {
        if !at(package).exists() {
            Child::at("apt-get").args(["download", package]).in_folder(&cache).run().unwrap();
            let files = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path());
            let name = format!("{package}_");
            let archive = files
                .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
                .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&name))
                .unwrap();
            let unpacked = at(&format!("{package}.part"));
            Child::at("dpkg-deb").arg("-x").args([&archive, &unpacked]).run().unwrap();
            std::fs::rename(unpacked, at(package)).unwrap();
            std::fs::remove_file(archive).unwrap();
        }
    }
    let root = at(kernel);
    Child::at("depmod").arg("-b").arg(&root).arg(release).run().unwrap();
    let mut files: Vec<String> = Vec::new();
    for module in MODULES {
        let modprobe = Child::at("modprobe").args(["--show-depends", "-C", "/dev/null", "-S", release, "-d"]);
        let needed = String::from_utf8(modprobe.arg(&root).arg(module).run().unwrap()).unwrap();
        for file in needed.lines().filter_map(|line| line.strip_prefix("insmod ")) {
            if !files.iter().any(|known| known == file.trim()) {
                files.push(file.trim().to_owned());
            }
        }
    }
    let kernel = root.join(format!("boot/vmlinuz-{release}"));
    Parts { kernel, initrd: pack(&cache, &files) }
}

/// The initrd without its script, which comes in a second archive behind it.
fn pack(cache: &Path, modules: &[String]) -> PathBuf {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["bin", "lib/klibc", "etc"] {
        std::fs::create_dir_all(at(name)).unwrap();
    }
    let mut order = String::new();
    for file in modules {
        let name = Path::new(file).file_name().unwrap().to_str().unwrap();
        std::fs::copy(file, at(name)).unwrap();
        let _ = writeln!(order, "/{name}");
    }
    std::fs::write(at("modules.order"), order).unwrap();
    std::fs::write(at("etc/passwd"), "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n").unwrap();
    std::fs::copy("/bin/busybox", at("bin/busybox")).unwrap();
    let tool = cache.join("klibc-utils/usr/lib/klibc/bin/nfsmount");
    std::fs::copy(tool, at("lib/klibc/nfsmount")).unwrap();
    for entry in std::fs::read_dir(cache.join("libklibc/lib")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), at("lib").join(entry.file_name())).unwrap();
    }
    let initrd = cache.join("initrd.cpio");
    std::fs::write(&initrd, archive(folder.path())).unwrap();
    initrd
}

fn archive(folder: &Path) -> Vec<u8> {
    let names = Child::at("find").arg(".").in_folder(folder).run().unwrap();
    Child::at("cpio").args(["-o", "-H", "newc", "--quiet"]).input(names).in_folder(folder).run().unwrap()
}

/// A running virtual machine; dropped, it is gone.
struct Guest {
    machine: tokio::process::Child,
    console: Lines<BufReader<tokio::process::ChildStdout>>,
    heard: Vec<String>,
    _initrd: tempfile::NamedTempFile,
}

impl Guest {
    fn boot(parts: &Parts, port: u16) -> Guest {
        let script = tempfile::tempdir().unwrap();
        let init = INIT
            .replace("PORT", &port.to_string())
            .replace("STATS |", &format!("{STATS} |"))
            .replace("LINKS |", &format!("{LINKS} |"))
            .replace("KEPT |", &format!("{KEPT} |"))
            .replace("SUMS |", &format!("{SUMS} |"));
        std::fs::write(script.path().join("init"), init).unwrap();
        std::fs::set_permissions(script.path().join("init"), PermissionsExt::from_mode(0o755)).unwrap();
        let initrd = tempfile::NamedTempFile::new().unwrap();
        let base = std::fs::read(&parts.initrd).unwrap();
        std::fs::write(initrd.path(), [base, archive(script.path())].concat()).unwrap();
        let mut machine = tokio::process::Command::new("qemu-system-x86_64")
            .args(["-accel", "tcg", "-m", "512", "-display", "none", "-serial", "stdio", "-no-reboot"])
            .args(["-monitor", "none", "-nodefaults", "-append", "console=ttyS0 panic=-1"])
            .args(["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="])
            .arg("-kernel")
            .arg(&parts.kernel)
            .arg("-initrd")
            .arg(initrd.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let console = BufReader::new(machine.stdout.take().unwrap()).lines();
        Guest { machine, console, heard: Vec::new(), _initrd: initrd }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(240), self.console.next_line()).await;
        match line {
            Ok(Ok(Some(line))) => {
                self.heard.push(line.clone());
                line
            }
            other => panic!("the console ended with {other:?} after\n{}", self.heard.join("\n")),
        }
    }

    /// The next line that the script says, without its mark.
    async fn next(&mut self) -> String {
        loop {
            let line = self.line().await;
            // The kernel may speak in front of it.
            if let Some((_, said)) = line.split_once("GUEST ") {
                return said.trim_end().to_owned();
            }
        }
    }

    async fn expect(&mut self, expected: &str) {
        let said = self.next().await;
        assert!(said == expected, "said `{said}` and not `{expected}` after\n{}", self.heard.join("\n"));
    }

    /// Anybody's line that contains `text`.
    async fn wait_for(&mut self, text: &str) {
        while !self.line().await.contains(text) {}
    }

    async fn type_line(&mut self, text: &str) {
        let keyboard = self.machine.stdin.as_mut().unwrap();
        keyboard.write_all(format!("{text}\n").as_bytes()).await.unwrap();
    }
}
