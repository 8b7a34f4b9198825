//! Debian packages of the line, installed in the appliance by its own dpkg(1).
//!
//! All at once, so that they may depend on each other. Their services are not started: the appliance does not run yet.

use super::fault::{Blame as _, Fault, Outcome};
use super::ledger::{Ledger, digest_of, hex};
use super::script::note_changes;
use crate::controller::download::Download;
use crate::controller::witness::Witness;
use linux::process::Child;
use linux::tree::{Attributes, Tree};
use model::api::Deb;
use model::failure::{Explain as _, Failure, Result};
use model::timeline::Event;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the packages stand while they are installed; `/run` and `/tmp` are not the appliance's own then.
const FOLDER: &str = "/var/cache/bootworks-packages";
/// What asks before a service is started, and answers no (invoke-rc.d(8), `policy-rc.d`).
const POLICY: &str = "/usr/sbin/policy-rc.d";
const NO: &[u8] = b"#!/bin/sh\nexit 101\n";
/// Packages that build something on installation take minutes.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Largest package; it is held in memory while its digest is taken.
const LARGEST_BYTES: u64 = 256 << 20;

/// Installs packages in the tree at `target`.
pub(crate) fn install(
    server: SocketAddrV4,
    debs: &[Deb],
    target: &Path,
    witness: &dyn Witness,
    ledger: &mut Ledger,
) -> Outcome<()> {
    let opened = Tree::open(target).map_err(std::io::Error::from);
    let mut tree = opened.or_fail(|| "cannot open the target".into()).blame("disk-io-error")?;
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let attributes = Attributes { user: 0, group: 0, mode: 0o700, seconds: 0 };
    let mut put = |path: &Path, bytes: &[u8]| {
        tree.write(path, bytes, attributes)
            .or_fail(|| format!("cannot write {} into the target", path.display()))
    };
    let mut places = Vec::new();
    for deb in debs {
        let bytes = fetch(server, deb, witness)?;
        let place = Path::new(FOLDER).join(&deb.name);
        put(&place, &bytes).blame("disk-io-error")?;
        places.push(place);
    }
    // An image that forbids services to start by itself keeps what it has.
    let is_ours = tree.read(Path::new(POLICY)).is_err();
    if is_ours {
        let said = tree.write(Path::new(POLICY), NO, Attributes { mode: 0o755, ..attributes });
        said.or_fail(|| format!("cannot write {POLICY} into the target")).blame("disk-io-error")?;
    }
    let ran = dpkg(target, &places, witness);
    let mut gone: Vec<PathBuf> = places;
    gone.extend(is_ours.then(|| POLICY.into()));
    for path in &gone {
        let removed = tree.remove(path).map_err(std::io::Error::from);
        removed
            .or_fail(|| format!("cannot remove {} of the target", path.display()))
            .blame("disk-io-error")?;
    }
    // Tidiness only.
    let _ = tree.remove_folder(Path::new(FOLDER));
    ran.map_err(|failure| {
        let hint = "what they depend on must be in the image, or among `debs` of the line's [appliance]";
        Fault { cause: "appliance-invalid", failure: failure.hint(hint) }
    })?;
    note_changes(&tree, begun, ledger).blame("disk-io-error")
}

fn dpkg(target: &Path, places: &[PathBuf], witness: &dyn Witness) -> Result<()> {
    let tell = |line: &str| {
        let line = format!("dpkg: {line}");
        witness.say(&line);
        witness.tell(Event::Said { line });
    };
    Child::at("/usr/bin/dpkg")
        .args(["--install", "--force-confdef", "--force-confold"])
        .args(places)
        .without_environment()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .in_folder("/")
        .in_root(target)
        .run_telling(PATIENCE, &tell)
        .map_err(|failure| failure.doing("installing packages in the appliance"))
}

fn fetch(server: SocketAddrV4, deb: &Deb, witness: &dyn Witness) -> Outcome<Vec<u8>> {
    let say = |line: &str| witness.say(line);
    if deb.bytes > LARGEST_BYTES {
        let failure = Failure::new(format!("{} is larger than any package should be", deb.name));
        return Err(Fault { cause: "appliance-invalid", failure });
    }
    let mut download = Download::new(server, format!("/package/{}", deb.sha256), deb.bytes, &say);
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 256 * 1024]);
    loop {
        match download.next(&mut piece).blame("http-unreachable")? {
            0 => break,
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
    let found = hex(&digest_of(&bytes));
    if found == deb.sha256 {
        return Ok(bytes);
    }
    let failure = Failure::new(format!("{} that arrived is not the one that was promised", deb.name))
        .because(format!("its SHA-256 is {found}"))
        .because(format!("it should be   {}", deb.sha256));
    Err(Fault { cause: "image-corrupt", failure })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::download::tests::{Fault as ServerFault, serve};
    use crate::controller::witness::tests::Collector;
    use linux::tools::Tool;

    const DPKG_DEB: Tool = Tool { name: "dpkg-deb", package: "dpkg", reason: "the tests" };

    /// What the package brings is there and compared later, its output is in the timeline, its service is not started,
    /// and nothing of ours stays.
    #[test]
    fn system_a_package_is_installed() {
        if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
            eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root, dpkg, busybox-static)");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("package");
        std::fs::create_dir_all(package.join("DEBIAN")).unwrap();
        std::fs::create_dir_all(package.join("opt")).unwrap();
        std::fs::write(package.join("opt/edge"), "edge").unwrap();
        let control = "Package: edge\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: edge\n";
        std::fs::write(package.join("DEBIAN/control"), control).unwrap();
        let deb = folder.path().join("edge_1_all.deb");
        Child::of(DPKG_DEB).args(["--build", "--root-owner-group"]).arg(&package).arg(&deb).run().unwrap();
        let bytes = std::fs::read(&deb).unwrap();
        // A root whose dpkg is a script that shows what it is called with: a whole one would be a Debian.
        let target = folder.path().join("target");
        for name in ["proc", "sys", "dev", "run", "tmp", "bin", "usr/bin", "usr/sbin", "var/cache"] {
            std::fs::create_dir_all(target.join(name)).unwrap();
        }
        std::fs::copy("/bin/busybox", target.join("bin/busybox")).unwrap();
        std::os::unix::fs::symlink("busybox", target.join("bin/sh")).unwrap();
        let script = "#!/bin/sh\necho \"$@\"\n/usr/sbin/policy-rc.d; echo policy $?\n/bin/busybox dpkg-deb -x \"$4\" /\n";
        std::fs::write(target.join("usr/bin/dpkg"), script).unwrap();
        std::fs::set_permissions(
            target.join("usr/bin/dpkg"),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let wanted =
            Deb { name: "edge_1_all.deb".into(), sha256: hex(&digest_of(&bytes)), bytes: bytes.len() as u64 };
        let (mut ledger, collector) = (Ledger::default(), Collector::default());
        let server = serve(bytes.clone(), ServerFault::None);
        install(server, std::slice::from_ref(&wanted), &target, &collector, &mut ledger).unwrap();
        let said = collector.lines.lock().unwrap().join("\n");
        expect_test::expect![[r#"
            dpkg: --install --force-confdef --force-confold /var/cache/bootworks-packages/edge_1_all.deb
            dpkg: policy 101"#]]
        .assert_eq(&said);
        assert_eq!(std::fs::read_to_string(target.join("opt/edge")).unwrap(), "edge");
        assert!(ledger.files().any(|(path, _)| path == Path::new("/opt/edge")));
        assert!(
            !target.join("var/cache/bootworks-packages").exists()
                && !target.join("usr/sbin/policy-rc.d").exists()
        );
        let mut other = bytes;
        other[100] ^= 1;
        let server = serve(other, ServerFault::None);
        let fault = install(server, &[wanted], &target, &collector, &mut ledger).unwrap_err();
        assert_eq!(fault.cause, "image-corrupt");
    }
}
