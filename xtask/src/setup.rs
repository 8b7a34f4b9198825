//! The system packages that building, rehearsing and testing need: found missing, named with their reason,
//! installed by apt.

use crate::shell::{Result, Stop, as_root, command, note, output, run};
use std::path::Path;

/// What the packages are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Building and rehearsing a line.
    Rehearse,
    /// Running all tests as well: their real peers and clients.
    Test,
    /// Measuring the builder beside others.
    BenchBuild,
    /// Measuring the proof.
    BenchCheck,
    /// Running the servers that ours is measured beside.
    BenchServe,
    /// Packing and unpacking images beside us.
    BenchInstall,
}

/// A package, how it is known to be there, and why it is needed.
struct Package {
    name: &'static str,
    /// A file that it brings.
    file: &'static str,
    reason: &'static str,
}

const fn package(name: &'static str, file: &'static str, reason: &'static str) -> Package {
    Package { name, file, reason }
}

const REHEARSE: &[Package] = &[
    package("qemu-system-x86", "/usr/bin/qemu-system-x86_64", "runs virtual boxes"),
    package("qemu-utils", "/usr/bin/qemu-img", "makes virtual disks"),
    package("e2fsprogs", "/usr/sbin/debugfs", "breaks the disks of finished virtual boxes"),
    package("seabios", "/usr/share/seabios/bios-256k.bin", "BIOS of virtual boxes"),
    package("ovmf", "/usr/share/OVMF/OVMF_CODE_4M.fd", "UEFI of virtual boxes"),
    package("ipxe-qemu", "/usr/lib/ipxe/qemu/pxe-e1000e.rom", "boot ROMs of virtual network cards"),
    package("gpgv", "/usr/bin/gpgv", "verifies archives' signatures"),
    package("ca-certificates", "/etc/ssl/certs/ca-certificates.crt", "verifies mirrors that speak HTTPS"),
];

const TEST: &[Package] = &[
    package("swtpm", "/usr/bin/swtpm", "the TPM of virtual boxes"),
    package("udhcpc", "/usr/sbin/udhcpc", "a DHCP client to test the server with"),
    package("isc-dhcp-client", "/usr/sbin/dhclient", "a DHCP client to test the server with"),
    package("tftp-hpa", "/usr/bin/tftp", "a TFTP client to test the server with"),
    package("atftp", "/usr/bin/atftp", "a TFTP client to test the server with"),
    package("dnsmasq-base", "/usr/sbin/dnsmasq", "the other DHCP server in tests of proxyDHCP"),
    package("bsdutils", "/usr/bin/logger", "sends syslog to the server in its tests"),
    package("curl", "/usr/bin/curl", "an HTTP and TFTP client to test the server with"),
    package("busybox-static", "/usr/bin/busybox", "userland of the test guests"),
    package("klibc-utils", "/usr/lib/klibc/bin/nfsmount", "an NFS client to test the server with"),
    package(
        "initramfs-tools-core",
        "/usr/sbin/mkinitramfs",
        "makes the stock initrd that we serve in a test",
    ),
    package("kmod", "/usr/sbin/modprobe", "the oracle of module matching"),
    package("cpio", "/usr/bin/cpio", "the oracle of our initrds"),
    package("dracut-core", "/usr/bin/dracut", "makes initrds that we take apart"),
    package("lz4", "/usr/bin/lz4", "packs initrds in the tests of taking them apart"),
    package("lzop", "/usr/bin/lzop", "packs initrds in the tests of taking them apart"),
    package("bzip2", "/usr/bin/bzip2", "packs initrds in the tests of taking them apart"),
    package("minisign", "/usr/bin/minisign", "signs images in the tests"),
    package("gpg", "/usr/bin/gpg", "signs images in the tests"),
    package("gpg-agent", "/usr/bin/gpg-agent", "makes the keys that images are signed with in the tests"),
    package("fdisk", "/usr/sbin/sfdisk", "makes the disks of images in the tests"),
    package("gdisk", "/usr/sbin/sgdisk", "checks partition tables we write"),
    package("dosfstools", "/usr/sbin/mkfs.vfat", "file systems in the controller's tests"),
    package("e2fsprogs", "/usr/sbin/mkfs.ext4", "file systems in the controller's tests"),
    package("xfsprogs", "/usr/sbin/mkfs.xfs", "file systems in the controller's tests"),
    package("btrfs-progs", "/usr/sbin/mkfs.btrfs", "file systems in the controller's tests"),
    package("iproute2", "/usr/sbin/ip", "networks of the servers' tests"),
    package("zstd", "/usr/bin/zstd", "checks archives we write, packs images to read"),
    package("bzip2", "/usr/bin/bzip2", "packs images to read"),
    package("lbzip2", "/usr/bin/lbzip2", "packs images to read, and is measured beside us"),
    package("pbzip2", "/usr/bin/pbzip2", "packs images to read"),
    package("lz4", "/usr/bin/lz4", "packs images to read"),
    package("tabix", "/usr/bin/bgzip", "packs images to read"),
    package("acl", "/usr/bin/setfacl", "access control lists that images have"),
    package("libcap2-bin", "/usr/sbin/setcap", "capabilities that images have"),
    package("xz-utils", "/usr/bin/xz", "packs packages in the tests of the builder"),
    package("squashfs-tools", "/usr/bin/unsquashfs", "reads the squashfs that the builder writes"),
    package("dpkg-dev", "/usr/bin/dpkg-scanpackages", "makes the archive that the builder is tested with"),
    package("systemd", "/usr/bin/systemd-analyze", "reads the unit of the server as a service"),
];

const BENCH_BUILD: &[Package] = &[
    package("mmdebstrap", "/usr/bin/mmdebstrap", "the builder beside ours in `bench build`"),
    package("debootstrap", "/usr/sbin/debootstrap", "the builder beside ours in `bench build`"),
    package("dracut-core", "/usr/bin/dracut", "the initrd generator beside ours in `bench build`"),
    package("initramfs-tools-core", "/usr/bin/lsinitramfs", "lists initrds beside ours in `bench build`"),
    package("dpkg-dev", "/usr/bin/dpkg-scanpackages", "makes the archive that the builders share"),
];

const BENCH_CHECK: &[Package] = &[package("time", "/usr/bin/time", "measures processor time and memory")];

const BENCH_INSTALL: &[Package] = &[
    package("lbzip2", "/usr/bin/lbzip2", "packs images, and unpacks them beside us"),
    package("pbzip2", "/usr/bin/pbzip2", "packs images, and unpacks them beside us"),
    package("zstd", "/usr/bin/pzstd", "packs images, and unpacks them beside us"),
    package("xz-utils", "/usr/bin/xz", "packs images, and unpacks them beside us"),
];

const BENCH_SERVE: &[Package] = &[
    package("iproute2", "/usr/sbin/ip", "the virtual cable of the bench"),
    package("curl", "/usr/bin/curl", "the client of the bench"),
    package("atftp", "/usr/bin/atftp", "a TFTP client with windows"),
    package("dnsmasq-base", "/usr/sbin/dnsmasq", "a DHCP and TFTP server to compare with"),
    package("kea-admin", "/usr/sbin/perfdhcp", "asks for addresses as fast as can be"),
    package("kea-dhcp4-server", "/usr/sbin/kea-dhcp4", "a DHCP server to compare with"),
    package("tftpd-hpa", "/usr/sbin/in.tftpd", "a TFTP server to compare with"),
    package("nginx-light", "/usr/sbin/nginx", "an HTTP server to compare with"),
    package("nfs-ganesha-vfs", "/usr/bin/ganesha.nfsd", "an NFS server to compare with"),
    package("rpcbind", "/usr/sbin/rpcbind", "the port mapper that it cannot do without"),
    package("user-mode-linux", "/usr/bin/linux.uml", "a guest whose kernel reads over NFS"),
    package("kmod", "/usr/sbin/modprobe", "loads that kernel's modules"),
    package("busybox-static", "/usr/bin/busybox", "switches the guest off"),
];

/// Installs what is missing.
pub(crate) fn install(purpose: Purpose) -> Result<()> {
    let wanted: &[&[Package]] = match purpose {
        Purpose::Rehearse => &[REHEARSE],
        Purpose::Test => &[REHEARSE, TEST],
        Purpose::BenchBuild => &[REHEARSE, BENCH_BUILD],
        Purpose::BenchCheck => &[REHEARSE, BENCH_CHECK],
        Purpose::BenchServe => &[BENCH_SERVE],
        Purpose::BenchInstall => &[BENCH_INSTALL],
    };
    let missing: Vec<&Package> =
        wanted.iter().copied().flatten().filter(|package| !is_there(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        let list: Vec<String> =
            missing.iter().map(|package| format!("  {} ({})", package.file, package.reason)).collect();
        return Err(Stop::new(format!("no apt-get here; these files are needed:\n{}", list.join("\n"))));
    }
    note("installing missing system packages:");
    for package in &missing {
        note(&format!("  {:<22} {}", package.name, package.reason));
    }
    run(&mut quiet(as_root("apt-get", &["update", "-q"])))?;
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    install_packages(&names)?;
    match missing.iter().find(|package| !is_there(package)) {
        None => Ok(()),
        Some(package) => {
            Err(Stop::new(format!("package {} does not bring {} here", package.name, package.file)))
        }
    }
}

/// Whether the package's file is there, merged `/usr` or not.
fn is_there(package: &Package) -> bool {
    let bare = package.file.strip_prefix("/usr").unwrap_or(package.file);
    Path::new(package.file).exists() || Path::new(bare).exists()
}

const OPTIONS: [&str; 4] = ["install", "-y", "-q", "--no-install-recommends"];

/// Installs them as they are; where an installed package from backports stands in the way (a newer
/// qemu-utils forbids the release's own qemu-system-x86), from backports too.
fn install_packages(names: &[&str]) -> Result<()> {
    let simulated = output(command("apt-get", &["-s"]).args(OPTIONS).args(names));
    if simulated.is_some_and(|text| !text.lines().any(|line| line.starts_with("Remv "))) {
        return run(&mut quiet(with(as_root("apt-get", &OPTIONS), names)));
    }
    let backports = format!("{}-backports", codename()?);
    note(&format!("the release's own packages conflict with installed ones: trying {backports}"));
    enable_backports(&backports)?;
    let from_backports = [&["-t", &backports], names].concat();
    if output(command("apt-get", &["-s"]).args(OPTIONS).args(&from_backports)).is_some() {
        return run(&mut quiet(with(as_root("apt-get", &OPTIONS), &from_backports)));
    }
    note("backports do not have them: letting apt replace what conflicts");
    let replacing = [&["--allow-downgrades"], names, &["qemu-utils"]].concat();
    run(&mut quiet(with(as_root("apt-get", &OPTIONS), &replacing)))
}

fn with(mut command: std::process::Command, arguments: &[&str]) -> std::process::Command {
    command.args(arguments);
    command
}

/// No question in the middle of a set-up, and apt's chatter beside the results.
fn quiet(mut command: std::process::Command) -> std::process::Command {
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(std::process::Stdio::null());
    command.stdout(std::io::stderr());
    command
}

fn codename() -> Result<String> {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .ok_or_else(|| Stop::new("/etc/os-release does not name the release"))
}

/// The distributions' own keyrings, where `debian-archive-keyring` and `ubuntu-keyring` put them.
const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/ubuntu-archive-keyring.gpg"];

/// Adds the suite beside the release's own, at the mirror and with the keyring that the host has already.
fn enable_backports(suite: &str) -> Result<()> {
    let known = output(&mut command("apt-get", &["indextargets", "--format", "$(CODENAME) $(SUITE)"]));
    if known.is_some_and(|text| text.contains(suite)) {
        return Ok(());
    }
    let release = codename()?;
    let format = "$(CODENAME)|$(REPO_URI)|$(SIGNED_BY)";
    let targets = output(&mut command("apt-get", &["indextargets", "--format", format])).unwrap_or_default();
    let Some((uri, keyring)) = targets.lines().find_map(|line| {
        let mut fields = line.split('|');
        let (codename, uri, keyring) = (fields.next()?, fields.next()?, fields.next()?);
        (codename == release).then(|| (uri.to_owned(), keyring.to_owned()))
    }) else {
        return Err(Stop::new(format!("apt's configuration names no mirror of {release}")));
    };
    // apt before 2.7 does not know SIGNED_BY and leaves the word as it is.
    let named = Some(keyring).filter(|keyring| !keyring.is_empty() && !keyring.contains('$'));
    let signed = named
        .or_else(|| KEYRINGS.iter().find(|path| Path::new(path).exists()).map(|path| (*path).to_owned()))
        .map_or_else(String::new, |keyring| format!("Signed-By: {keyring}\n"));
    let text = format!("Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\n{signed}");
    let file = "/etc/apt/sources.list.d/bootworks-backports.sources";
    note(&format!("enabling {suite} in {file}"));
    let script = format!("printf '%s' \"$1\" > {file}");
    run(&mut as_root("sh", &["-c", &script, "sh", &text]))?;
    run(&mut quiet(as_root("apt-get", &["update", "-q"]))).inspect_err(|_| {
        // A list that apt refuses would leave the machine without a working apt.
        note(&format!("removing {file} again"));
        let _ = run(&mut as_root("rm", &["-f", file]));
    })
}
