//! Lets the real dpkg configure a root whose packages were unpacked: maintainer scripts run inside of it, no
//! service starts, nothing reaches the network, and no initrd is made in between.

use super::database::{Unpacked, enter};
use super::module_tables::ModuleTables;
use super::package::Opened;
use super::unpack::Root;
use linux::process::Child;
use model::failure::{Explain as _, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use wire::deb::dependency_names;

/// Folders that are links into `/usr` since Debian 11 and Ubuntu 20.04.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// Programs that do nothing while packages are configured, and say that it went well. `update-initramfs` alone would
/// take longer than everything else together, and runs twice; depmod runs beside ([`super::module_tables`]).
/// `ischroot` cannot tell without `/proc`, and libc6 then asks an init for a restart and waits for it.
const STILL: [&str; 4] =
    ["usr/sbin/start-stop-daemon", "usr/sbin/update-initramfs", "usr/sbin/depmod", "usr/bin/ischroot"];
/// invoke-rc.d asks it whether a service may start; 101 is no (README.policy-rc.d).
const POLICY: &str = "usr/sbin/policy-rc.d";
/// Suffix under which the real programs wait.
const ASIDE: &str = ".bootworks-aside";
/// Folder in the root for what is passed in; gone before the end.
const PASSED: &str = ".bootworks";

/// A child with the environment that maintainer scripts and a recipe's scripts get. `epoch` is the time,
/// seconds since 1970, that takes the place of now in what they write.
pub(crate) fn child(program: &str, root: &Path, epoch: u64) -> Child {
    Child::at(program)
        .without_environment()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("SHELL", "/bin/sh")
        .env("TERM", "dumb")
        .env("TZ", "UTC")
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("DEBCONF_NONINTERACTIVE_SEEN", "true")
        .env("DEBCONF_NOWARNINGS", "yes")
        .env("SYSTEMD_OFFLINE", "1")
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .in_root(root)
}

/// What must be there before the first package is unpacked.
pub(crate) fn lay_out(root: &Path) -> Result<()> {
    let open = Root::open(root)?;
    for name in MERGED {
        let folder = root.join("usr").join(name);
        std::fs::create_dir_all(&folder).or_fail(|| format!("cannot make {}", folder.display()))?;
        open.link(Path::new(name), &Path::new("usr").join(name))?;
    }
    for name in ["proc", "sys", "dev", "run", "tmp", "etc", "root"] {
        let folder = root.join(name);
        std::fs::create_dir_all(&folder).or_fail(|| format!("cannot make {}", folder.display()))?;
    }
    Ok(())
}

/// The packages that dpkg itself must unpack, by name: one whose `preinst` moves other packages' files out of the
/// way has to run before its own files are there.
///
/// Not those without which dpkg cannot run: essential ones and what they need (Debian 13's libc6 diverts, for
/// upgrades from a root whose `/lib` was no link yet). debootstrap unpacks these without their `preinst` as well.
pub(crate) fn left_to_dpkg(packages: &[Unpacked<'_>]) -> BTreeSet<String> {
    let name = |unpacked: &Unpacked<'_>| unpacked.opened.package.name.clone();
    let mut needed = BTreeSet::new();
    let is_essential =
        |unpacked: &&Unpacked<'_>| unpacked.field("Essential").is_some_and(|value| value == "yes");
    let mut open: Vec<String> = packages.iter().filter(is_essential).map(name).collect();
    while let Some(next) = open.pop() {
        let Some(unpacked) = packages.iter().find(|unpacked| unpacked.opened.package.name == next) else {
            continue;
        };
        if needed.insert(next) {
            for field in ["Pre-Depends", "Depends"] {
                let value = unpacked.field(field).unwrap_or_default();
                open.extend(dependency_names(&value).map(str::to_owned));
            }
        }
    }
    let diverts = |unpacked: &&Unpacked<'_>| unpacked.text("preinst").contains("dpkg-divert");
    packages.iter().filter(diverts).map(name).filter(|name| !needed.contains(name)).collect()
}

/// Configures the unpacked packages, and unpacks and configures those that were left to dpkg.
pub(crate) fn configure(
    root: &Path,
    packages: &[Unpacked<'_>],
    lists: &[Vec<PathBuf>],
    left: &[&Opened],
    epoch: u64,
) -> Result<()> {
    furnish(root)?;
    enter(root, packages, lists)?;
    let tables = ModuleTables::wanted(root, packages)?;
    still(root)?;
    tables.beside(epoch, || configure_all(root, packages, left, epoch))?;
    unstill(root)
}

/// Runs the packages' scripts, with the stand-ins in place.
fn configure_all(root: &Path, packages: &[Unpacked<'_>], left: &[&Opened], epoch: u64) -> Result<()> {
    preinst(root, packages, epoch)?;
    if !left.is_empty() {
        unpack_by_dpkg(root, left, epoch)?;
    }
    let dpkg = |arguments: &[&str]| {
        child("/usr/bin/dpkg", root, epoch)
            .args(["--force-unsafe-io", "--force-confold", "--no-pager"])
            .args(arguments)
            .run()
            .map_err(|failure| failure.doing("configuring the packages".to_owned()))
    };
    // Nearly every script names users, and nothing says that it needs the package that makes them.
    if packages.iter().any(|unpacked| unpacked.opened.package.name == "base-passwd") {
        dpkg(&["--force-depends", "--configure", "base-passwd"])?;
    }
    dpkg(&["--configure", "--pending"]).map(drop)
}

/// What essential packages expect of each other before they are configured (debootstrap's functions do the same).
fn furnish(root: &Path) -> Result<()> {
    let open = Root::open(root)?;
    for (name, master) in [("etc/passwd", "passwd.master"), ("etc/group", "group.master")] {
        let master = root.join("usr/share/base-passwd").join(master);
        if let (false, Ok(content)) = (root.join(name).exists(), std::fs::read(&master)) {
            open.write(Path::new(name), &content, 0o644)?;
        }
    }
    for (name, target) in [("usr/bin/awk", "mawk"), ("usr/bin/sh", "dash")] {
        let there = root.join("usr/bin").join(target).exists();
        if there && root.join(name).symlink_metadata().is_err() {
            open.link(Path::new(name), Path::new(target))?;
        }
    }
    // Time zone and host name are read by scripts; Debian's own defaults.
    for (name, content) in [
        ("etc/hostname", "localhost\n"),
        ("etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"),
    ] {
        if !root.join(name).exists() {
            open.write(Path::new(name), content.as_bytes(), 0o644)?;
        }
    }
    Ok(())
}

/// Puts stand-ins that do nothing in place of what must not run now.
fn still(root: &Path) -> Result<()> {
    let open = Root::open(root)?;
    for name in STILL {
        let path = root.join(name);
        if path.symlink_metadata().is_ok() {
            std::fs::rename(&path, aside(&path))
                .or_fail(|| format!("cannot set {} aside", path.display()))?;
            open.write(Path::new(name), b"#!/bin/sh\nexit 0\n", 0o755)?;
        }
    }
    open.write(Path::new(POLICY), b"#!/bin/sh\nexit 101\n", 0o755)
}

/// Takes the stand-ins away again.
fn unstill(root: &Path) -> Result<()> {
    for name in STILL {
        let path = root.join(name);
        if aside(&path).symlink_metadata().is_ok() {
            std::fs::rename(aside(&path), &path).or_fail(|| format!("cannot put {} back", path.display()))?;
        }
    }
    let policy = root.join(POLICY);
    std::fs::remove_file(&policy).or_fail(|| format!("cannot remove {}", policy.display()))
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ASIDE);
    name.into()
}

/// Runs the `preinst` scripts, in one shell.
fn preinst(root: &Path, packages: &[Unpacked<'_>], epoch: u64) -> Result<()> {
    let mut script =
        String::from("set -e\nexport DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1\n");
    script += "export DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT= DPKG_FORCE=\n";
    for unpacked in packages.iter().filter(|unpacked| unpacked.control.contains_key("preinst")) {
        let package = &unpacked.opened.package;
        script += &format!(
            "export DPKG_MAINTSCRIPT_PACKAGE={} DPKG_MAINTSCRIPT_ARCH={}\n",
            package.name, package.architecture
        );
        let file = format!("/var/lib/dpkg/info/{}.preinst", unpacked.qualified());
        script += &format!(
            "{file} install || {{ echo \"the preinst of {} failed\" >&2; exit 1; }}\n",
            package.name
        );
    }
    let version = child("/usr/bin/dpkg-query", root, epoch).args(["-W", "-f", "${Version}", "dpkg"]).run()?;
    child("/bin/sh", root, epoch)
        .env("DPKG_RUNNING_VERSION", String::from_utf8_lossy(&version).trim())
        .arg("-s")
        .input(script)
        .run()
        .map(drop)
        .map_err(|failure| failure.doing("running the packages' preinst scripts".to_owned()))
}

fn unpack_by_dpkg(root: &Path, left: &[&Opened], epoch: u64) -> Result<()> {
    let folder = root.join(PASSED);
    std::fs::create_dir_all(&folder).or_fail(|| format!("cannot make {}", folder.display()))?;
    let mut files = Vec::new();
    for opened in left {
        let name = format!("{}.deb", opened.package.name);
        std::fs::copy(opened.path(), folder.join(&name))
            .or_fail(|| format!("cannot copy {name} into the root"))?;
        files.push(format!("/{PASSED}/{name}"));
    }
    let done = child("/usr/bin/dpkg", root, epoch)
        .args(["--force-unsafe-io", "--force-depends", "--no-pager", "--unpack"])
        .args(files)
        .run();
    std::fs::remove_dir_all(&folder).or_fail(|| format!("cannot remove {}", folder.display()))?;
    done.map(drop).map_err(|failure| failure.doing("unpacking packages that divert others' files".to_owned()))
}

/// Runs a program of the line inside the root, under its own name.
pub(crate) fn run_script(root: &Path, script: &Path, name: &str, epoch: u64) -> Result<()> {
    let content = std::fs::read(script).or_fail(|| format!("cannot read {}", script.display()))?;
    let inside = Path::new(PASSED).join(script.file_name().unwrap_or_default());
    Root::open(root)?.write(&inside, &content, 0o755)?;
    let done = child(&format!("/{}", inside.display()), root, epoch).run();
    let folder = root.join(PASSED);
    std::fs::remove_dir_all(&folder).or_fail(|| format!("cannot remove {}", folder.display()))?;
    done.map(drop).map_err(|failure| failure.doing(format!("running {name}")))
}
