//! The live OS's root: read-only over NFS or as a squashfs in RAM, with a tmpfs over it for writes.
//!
//! ```text
//! /live/read     NFS or squashfs, read-only  ─┐
//! /live/writes   tmpfs                       ─┴─ overlay ─▶ /live/root ─▶ the controller's `/`
//! ```

use super::fetch;
use super::modules::{Modules, Outcome};
use super::network::Found;
use super::voice::Voice;
use linux::mount;
use model::boot::{BootParameters, RootRoad};
use model::failure::Result;
use model::ladder::Rung;
use model::timeline::Trouble;
use rustix::io::Errno;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the live OS's root stands, seen from the initramfs.
pub(crate) const ROOT: &str = "/live/root";
const READ: &str = "/live/read";
const WRITES: &str = "/live/writes";
const MEMORY: &str = "/live/memory";
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How long the server's NFS port may leave a connection unanswered.
const NFS_ANSWERS: Duration = Duration::from_secs(10);
/// The causes that stand for "no root".
const CAUSES: &[&str] = &[
    "nfs-server-unreachable",
    "nfs-access-denied",
    "nfs-path-missing",
    "nfs-version-mismatch",
    "nfs-not-in-initrd",
    "http-404",
    "http-unreachable",
    "squashfs-fetch-failed",
    "squashfs-corrupt",
    "squashfs-mount-failed",
    "ram-too-small-squashfs",
    "union-missing",
    "rootfs-wrong-image",
];

/// Those of them that follow where the initrd itself was cut off, which was told already.
const OF_A_CUT_INITRD: &[&str] = &["nfs-not-in-initrd", "squashfs-mount-failed", "union-missing"];

/// Loads what mounting this root takes. A second's work that is done while the link comes up.
pub(super) fn prepare(road: RootRoad, modules: &Arc<Modules>) {
    let modules = modules.clone();
    let load = move || {
        modules_for(road).iter().for_each(|name| {
            modules.load(name);
        })
    };
    // Without a thread `mount` loads them when it needs them.
    let _ = std::thread::Builder::new().name("root-modules".into()).spawn(load);
}

/// Mounts the root. Tries for ever, and says what is wrong as long as it is.
pub(super) fn mount(
    parameters: &BootParameters,
    found: &Found,
    modules: &Modules,
    voice: &Voice,
    is_initrd_whole: bool,
) {
    if mount::is_mounted(ROOT.as_ref()) {
        return;
    }
    let mut pause = Duration::from_secs(1);
    let begun = Instant::now();
    loop {
        match attempt(parameters, found, modules, voice) {
            Ok(what) => {
                voice.only(None, CAUSES);
                voice.reached(Rung::MountedRoot, &format!("{what}, {:.1} s", begun.elapsed().as_secs_f32()));
                // Drivers that start from now on find the root's firmware too
                // (Documentation/driver-api/firmware/fw_search_path.rst).
                let path = format!("{ROOT}/usr/lib/firmware");
                let _ = std::fs::write("/sys/module/firmware_class/parameters/path", path);
                return;
            }
            Err(trouble) if !is_initrd_whole && OF_A_CUT_INITRD.contains(&trouble.cause.as_str()) => {
                voice.progress(&trouble.sentence);
            }
            Err(trouble) => voice.only(Some(*trouble), CAUSES),
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn modules_for(road: RootRoad) -> &'static [&'static str] {
    match road {
        RootRoad::Nfs => &["nfs", "nfsv3", "overlay"],
        RootRoad::Ram => &["loop", "squashfs", "overlay"],
    }
}

fn attempt(
    parameters: &BootParameters,
    found: &Found,
    modules: &Modules,
    voice: &Voice,
) -> Result<String, Box<Trouble>> {
    let what = if mount::is_mounted(READ.as_ref()) {
        "the root that was mounted before".to_owned()
    } else {
        for module in modules_for(parameters.root) {
            modules.load(module);
        }
        match parameters.root {
            RootRoad::Nfs => mount_nfs(parameters, found, modules, voice)?,
            RootRoad::Ram => mount_squashfs(parameters, found, voice)?,
        }
    };
    put_overlay()?;
    Ok(what)
}

fn mount_nfs(
    parameters: &BootParameters,
    found: &Found,
    modules: &Modules,
    voice: &Voice,
) -> Result<String, Box<Trouble>> {
    let (server, port) = (parameters.server, parameters.nfs_port);
    let path = format!("/live/{}", parameters.live);
    // nolock: the root is read-only and there is no statd. Reads of a file that was opened never fail while
    // the server is away; they wait (hard, the default).
    let options = format!(
        "vers=3,proto=tcp,nolock,port={port},mountport={port},mountproto=tcp,mountvers=3,addr={server}"
    );
    voice.progress(&format!("mounting {server}:{path} over NFS"));
    let source = format!("{server}:{path}");
    // mount(2) would wait for minutes where packets to the port vanish, and tell nobody (`xs_connect`'s timeouts,
    // net/sunrpc/xprtsock.c).
    let answer = TcpStream::connect_timeout(&(server, port).into(), NFS_ANSWERS);
    if answer.is_err_and(|error| error.kind() == std::io::ErrorKind::TimedOut) {
        return Err(Box::new(nfs_trouble(Errno::TIMEDOUT, &source, port, found, true)));
    }
    let flags = mount::Flags::RDONLY | mount::Flags::NOATIME;
    match mount::mount(&source, Path::new(READ), "nfs", flags, &options) {
        Ok(()) => Ok(format!("NFS {source}")),
        Err(error) => {
            let is_client_here = modules.load("nfsv3") != Outcome::Absent || knows_file_system("nfs");
            Err(Box::new(nfs_trouble(error, &source, port, found, is_client_here)))
        }
    }
}

/// What an error of mount(2) means for NFS (`fs/nfs/mount_clnt.c`, `mnt_errtbl` and `mnt3_errtbl`).
fn nfs_trouble(error: Errno, source: &str, port: u16, found: &Found, is_client_here: bool) -> Trouble {
    let fix_server = "see that `bootworks serve` runs and that no firewall drops the NFS port";
    let (cause, why, fix) = match error {
        // A file system that the kernel does not know, whatever the initrd's list of modules says.
        error if !is_client_here || error == Errno::NODEV => (
            "nfs-not-in-initrd",
            "this initrd has no NFS client".to_owned(),
            "`bootworks build` again: it puts nfs and nfsv3 into the initrd",
        ),
        Errno::ACCESS | Errno::PERM => (
            "nfs-access-denied",
            format!("the server refuses {}", found.address),
            "only boxes of the line's own network may mount; see the address the server saw in its log",
        ),
        Errno::NOENT | Errno::NOTDIR | Errno::STALE => (
            "nfs-path-missing",
            "the server does not have this live OS (any more)".to_owned(),
            "restart the box: it was booted from an older build than the server has now",
        ),
        // The server has this live OS on its list, and no folder behind it that it can read (`MNT3ERR_IO`).
        Errno::IO => (
            "nfs-path-missing",
            "the server cannot read the live OS that it exports".to_owned(),
            "`bootworks build` again, and look at the server's disk",
        ),
        Errno::PROTONOSUPPORT | Errno::OPNOTSUPP => (
            "nfs-version-mismatch",
            "the server does not speak NFS version 3 over TCP there".to_owned(),
            "another program listens on that port; `bootworks serve` says which ports it has",
        ),
        Errno::CONNREFUSED => {
            ("nfs-server-unreachable", format!("nothing listens on port {port}"), fix_server)
        }
        Errno::TIMEDOUT => ("nfs-server-unreachable", format!("port {port} does not answer"), fix_server),
        other => ("nfs-server-unreachable", other.to_string(), fix_server),
    };
    Trouble {
        cause: cause.into(),
        rung: Rung::MountedRoot,
        sentence: format!("the root {source} cannot be mounted over NFS: {why}"),
        evidence: vec![
            format!("mount: {error}"),
            format!("HTTP on {} answers from the same server, over {}", found.server, found.interface),
        ],
        fix: vec![fix.into()],
    }
}

fn mount_squashfs(parameters: &BootParameters, found: &Found, voice: &Voice) -> Result<String, Box<Trouble>> {
    let file = fetch::squashfs(parameters, found, Path::new(MEMORY), voice)?;
    let failed = |evidence: String| {
        Box::new(Trouble {
            cause: "squashfs-mount-failed".into(),
            rung: Rung::MountedRoot,
            sentence: "the root was fetched and is what the server has, but the kernel cannot mount it"
                .into(),
            evidence: [vec![evidence], linux::kmsg::tail_about(&["SQUASHFS", "squashfs", "loop"], 3)]
                .concat(),
            fix: vec![
                "`bootworks build` again: the kernel must have loop, squashfs and its compression".into(),
            ],
        })
    };
    let device =
        linux::block_loop::LoopDevice::attach(&file).map_err(|failure| failed(failure.to_string()))?;
    let source = device.path().to_string_lossy().into_owned();
    let flags = mount::Flags::RDONLY | mount::Flags::NOATIME;
    if let Err(error) = mount::mount(&source, Path::new(READ), "squashfs", flags, "") {
        // The next attempt takes a new one.
        let _ = device.detach();
        return Err(failed(format!("mount: {error}")));
    }
    Ok("squashfs in RAM".into())
}

fn put_overlay() -> Result<(), Box<Trouble>> {
    let failed = |error: Errno| {
        Box::new(Trouble {
            cause: "union-missing".into(),
            rung: Rung::MountedRoot,
            sentence: "the root is there, but no writable layer can be put over it".into(),
            evidence: [vec![format!("overlay: {error}")], linux::kmsg::tail_about(&["overlay"], 3)].concat(),
            fix: vec!["`bootworks build` again: it puts the module overlay into the initrd".into()],
        })
    };
    if !Path::new(READ).join("usr").is_dir() {
        return Err(Box::new(Trouble {
            cause: "rootfs-wrong-image".into(),
            rung: Rung::MountedRoot,
            sentence: "what was mounted as root is no root of a live OS: it has no /usr".into(),
            evidence: std::fs::read_dir(READ)
                .map(|folder| folder.flatten().take(5).map(|entry| format!("it has {:?}", entry.file_name())))
                .map(Iterator::collect)
                .unwrap_or_default(),
            fix: vec!["`bootworks build` again".into()],
        }));
    }
    if !mount::is_mounted(WRITES.as_ref()) {
        let flags = mount::Flags::NOSUID | mount::Flags::NODEV;
        mount::mount("tmpfs", Path::new(WRITES), "tmpfs", flags, "mode=0755,size=50%").map_err(failed)?;
    }
    let (upper, work) = (format!("{WRITES}/upper"), format!("{WRITES}/work"));
    for folder in [&upper, &work] {
        let _ = std::fs::create_dir_all(folder);
    }
    let options = format!("lowerdir={READ},upperdir={upper},workdir={work}");
    mount::mount("overlay", Path::new(ROOT), "overlay", mount::Flags::NOATIME, &options).map_err(failed)
}

fn knows_file_system(name: &str) -> bool {
    let text = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    text.lines().any(|line| line.split_ascii_whitespace().last() == Some(name))
}

/// Makes the live OS's root this process's `/`, with `/dev`, `/proc`, `/sys` and `/run` in it.
pub(crate) fn enter() -> Result<()> {
    let _ = std::fs::write("/proc/self/oom_score_adj", "0");
    for shared in ["dev", "proc", "sys", "run"] {
        let target = Path::new(ROOT).join(shared);
        // The second controller finds the first one's mounts.
        if !mount::is_mounted(&target) {
            mount::bind(&Path::new("/").join(shared), &target).map_err(|error| {
                model::failure::Failure::new(format!("cannot show /{shared} in the live OS"))
                    .because(std::io::Error::from(error))
            })?;
        }
    }
    if Path::new("/sys/firmware/efi").is_dir() {
        let efi = Path::new(ROOT).join("sys/firmware/efi/efivars");
        if !mount::is_mounted(&efi) {
            // Without it the box still boots from the removable path; the step that writes the boot entry
            // says what it misses.
            let _ = mount::mount("efivarfs", &efi, "efivarfs", mount::plain(), "");
        }
    }
    mount::enter(ROOT.as_ref())
}
