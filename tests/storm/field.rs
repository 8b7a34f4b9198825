//! The field of a storm: two namespaces with a cable between them, a line with a small build, the real server.
//!
//! The server sits in one namespace, all boxes in the other, which takes every address of the range for its own
//! without being given them one by one. Everything vanishes with the [`Field`].

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The server's address.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The one address that the boxes' namespace really has.
const SWITCH: &str = "10.77.0.2";
/// Sizes of what is fetched, in bytes.
const LOADER: usize = 300_000;
const KERNEL: usize = 1_000_000;
const INITRD: usize = 4_000_000;
/// A file in the root.
pub(crate) const ROOT_FILE: usize = 1_000_000;

/// Namespaces, cable, line.
#[derive(Clone)]
pub(crate) struct Field(Arc<Made>);

struct Made {
    servers: String,
    clients: String,
    folder: TempDir,
}

impl Drop for Made {
    fn drop(&mut self) {
        for name in [&self.servers, &self.clients] {
            let _ = Command::new("ip").args(["netns", "delete", name]).stderr(Stdio::null()).status();
        }
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn ip(words: &str) {
    run(Command::new("ip").args(words.split(' ')));
}

fn program() -> PathBuf {
    match std::env::var_os("BOOTWORKS_BIN") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/bootworks"),
    }
}

impl Field {
    /// Lays the cable and makes the line.
    pub(crate) fn prepare(servers: &str, clients: &str) -> Field {
        let (servers, clients) =
            (format!("{servers}-{}", std::process::id()), format!("{clients}-{}", std::process::id()));
        let made = Made { servers, clients, folder: tempfile::tempdir().unwrap() };
        let Made { servers, clients, .. } = &made;
        ip(&format!("netns add {servers}"));
        ip(&format!("netns add {clients}"));
        ip(&format!("-n {servers} link add s0 type veth peer name c0 netns {clients}"));
        for (name, address, interface) in [(servers, "10.77.0.1/20", "s0"), (clients, "10.77.0.2/20", "c0")] {
            ip(&format!("-n {name} link set lo up"));
            ip(&format!("-n {name} address add {address} dev {interface}"));
            ip(&format!("-n {name} link set {interface} up"));
        }
        // Every address of the range is the boxes' own; the switch alone answers ARP for all of them, so that
        // the server finds none of them in use before it is leased.
        for block in ["10.77.2.0/23", "10.77.4.0/22", "10.77.8.0/21"] {
            ip(&format!("-n {clients} route add local {block} dev c0"));
            ip(&format!("-n {servers} route add {block} via {SWITCH}"));
        }
        let ignore = "echo 1 > /proc/sys/net/ipv4/conf/c0/arp_ignore";
        run(Command::new("ip").args(["netns", "exec", clients, "sh", "-c", ignore]));
        write_line(made.folder.path());
        Field(Arc::new(made))
    }

    /// Moves this thread, and those that it starts, to the boxes.
    pub(crate) fn enter(&self) {
        let file = std::fs::File::open(format!("/run/netns/{}", self.0.clients)).unwrap();
        rustix::thread::move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&file),
            Some(rustix::thread::LinkNameSpaceType::Network),
        )
        .unwrap();
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn serve(&self) -> Server {
        let mut server = Server {
            child: self.spawn(),
            folder: self.0.folder.path().to_owned(),
            clients: self.0.clients.clone(),
        };
        server.wait_until("the server answers", |_| true);
        server
    }

    fn spawn(&self) -> Child {
        let folder = self.0.folder.path();
        let log = std::fs::File::options().create(true).append(true).open(folder.join("server.log")).unwrap();
        Command::new("ip")
            .args(["netns", "exec", &self.0.servers])
            .arg(program())
            .arg("serve")
            .arg(folder.join("line"))
            .args(["--interface", "s0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }
}

/// A line as `bootworks new` makes it, on a larger network, with a build of a few megabytes.
fn write_line(folder: &Path) {
    let line = folder.join("line");
    run(Command::new(program()).arg("new").arg(&line));
    let path = line.join("line.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text
        .replace("10.77.0.1/24", "10.77.0.1/20")
        .replace("10.77.0.50-10.77.0.250", "10.77.2.0-10.77.15.250");
    assert!(text.contains("/20") && text.contains("10.77.15.250"), "the example line has another network");
    std::fs::write(&path, text).unwrap();
    let build = line.join(".build");
    std::fs::create_dir_all(build.join("root/etc")).unwrap();
    std::fs::write(build.join("root/etc/big"), content(ROOT_FILE)).unwrap();
    let file = |name: &str, bytes: Vec<u8>| {
        let sha256 = format!("{:064x}", bytes.len());
        std::fs::write(build.join(name), &bytes).unwrap();
        serde_json::json!({ "path": name, "bytes": bytes.len(), "sha256": sha256 })
    };
    let drivers = serde_json::json!({
        "release": "6.1.0-storm", "kernel": "linux-image-amd64", "initrd": [], "root": [], "packages": {},
    });
    let outputs = serde_json::json!({
        "line": "edge-gateway", "build": "storm", "lock": "00",
        "live": {
            "digest": "storm", "release": "6.1.0-storm", "kernel": file("kernel", content(KERNEL)),
            "initrd": file("initrd", content(INITRD)), "squashfs": file("root.squashfs", content(10)),
            "tree": "root", "drivers": file("drivers.json", drivers.to_string().into_bytes()),
        },
        "image": file("image.tar.zst", content(100)), "image_unpacked_bytes": 1000,
        "loader_bios": file("undionly.kpxe", content(100_000)), "loader_efi": file("ipxe.efi", content(LOADER)),
        "loader_cd": file("ipxe.iso", content(10)),
    });
    std::fs::write(build.join("outputs.json"), outputs.to_string()).unwrap();
}

/// Bytes that show where they were cut or mixed up.
pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 + index / 4099) as u8).collect()
}

/// The server's process.
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    clients: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Kills it without a farewell and starts it again.
    pub(crate) fn kill_and_restart(&mut self, field: &Field) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = field.spawn();
    }

    /// The most memory that it ever had, in MiB (`VmHWM`, proc(5)).
    pub(crate) fn peak_memory_mib(&mut self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// What the API says of every box.
    pub(crate) fn boxes(&mut self) -> Vec<serde_json::Value> {
        self.ask("/api/boxes").as_array().unwrap().clone()
    }

    /// Waits for what the boxes shall have come to.
    pub(crate) fn wait_until(&mut self, what: &str, is_it: impl Fn(&[serde_json::Value]) -> bool) {
        let began = Instant::now();
        loop {
            if let Some(boxes) = self.try_ask("/api/boxes")
                && is_it(boxes.as_array().unwrap())
            {
                return;
            }
            let log = std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
            assert!(self.child.try_wait().unwrap().is_none(), "the server ended:\n{log}");
            assert!(began.elapsed() < Duration::from_secs(120), "waited in vain until {what}:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn ask(&mut self, path: &str) -> serde_json::Value {
        self.try_ask(path).unwrap_or_else(|| panic!("the server does not answer {path}"))
    }

    /// Asked from the boxes' side, in a thread that does not change where this one is.
    fn try_ask(&self, path: &str) -> Option<serde_json::Value> {
        let (clients, path) = (self.clients.clone(), path.to_owned());
        let asking = std::thread::spawn(move || {
            let file = std::fs::File::open(format!("/run/netns/{clients}")).unwrap();
            let kind = rustix::thread::LinkNameSpaceType::Network;
            rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(kind)).unwrap();
            let mut stream = TcpStream::connect_timeout(&(SERVER, 80).into(), Duration::from_secs(5)).ok()?;
            let mut request = String::new();
            let _ = write!(request, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
        });
        asking.join().unwrap()
    }
}
