//! Our server beside the usual ones, one after the other on the same virtual cable, and a rack powered on at once.
//!
//! Each server gets the same clients, files and time. What is quoted is what the clients saw.

mod guest;
mod nfs;

use crate::programs;
use crate::setup::{self, Purpose};
use crate::shell::{Result, Stop, as_root, cargo, run, say};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Network namespaces of the servers and of the clients.
const SERVERS: &str = "bench-servers";
const CLIENTS: &str = "bench-clients";
/// The servers' address.
const SERVER: &str = "10.77.0.1";
/// Runs of each measurement; the median is quoted.
const RUNS: usize = 3;
/// Most clients at one time.
const CROWD: usize = 200;
/// The kernel counts processor time in hundredths of a second for whoever asks, on every architecture (`USER_HZ`).
const MILLIS_OF_A_TICK: u64 = 10;
/// Sizes of the files, in MiB.
const SMALL: usize = 16;
const LARGE: usize = 300;

/// A rack of so many boxes.
pub(crate) fn storm(boxes: &str) -> Result<()> {
    setup::install(Purpose::Test)?;
    let programs = programs::build()?;
    let words = ["test", "--quiet", "--release", "--package", "tests", "--test", "storm", "system_a_rack"];
    // Compiled by whoever calls, so that no file of root's is left in cargo's folder.
    run(cargo(&words).arg("--no-run"))?;
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut storm = as_root(&program, &[&words[..], &["--", "--nocapture"]].concat());
    storm.env("BOOTWORKS_TEST_SYSTEM", "1").env("BOOTWORKS_STORM", boxes);
    run(storm.env("BOOTWORKS_BIN", &programs.bootworks).current_dir(crate::shell::root()))
}

/// What measures one protocol.
type Part = fn(&Servers) -> Result<()>;

/// The comparisons by name.
const PARTS: [(&str, Part); 5] =
    [("dhcp", dhcp), ("tftp", tftp), ("http", http), ("nfs", nfs::nfs), ("guest", guest::guest)];

/// Every comparison, or one of them.
pub(crate) fn side_by_side(only: Option<&str>) -> Result<()> {
    let chosen: Vec<Part> = PARTS
        .iter()
        .filter(|(name, _)| only.is_none_or(|only| only == *name))
        .map(|(_, part)| *part)
        .collect();
    if chosen.is_empty() {
        return Err(Stop::new(format!(
            "there is no such part; there are {}",
            PARTS.map(|(name, _)| name).join(", ")
        )));
    }
    setup::install(Purpose::BenchServe)?;
    let programs = programs::build()?;
    let folder = programs::target().join("bench/serve");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)
        .map_err(|error| Stop::new(format!("cannot make {}: {error}", folder.display())))?;
    let servers = Servers { folder, ours: programs.bootworks };
    servers.prepare()?;
    for part in chosen {
        part(&servers)?;
    }
    Ok(())
}

/// DHCP exchanges a second, as perfdhcp counts those that were completed.
fn dhcp(servers: &Servers) -> Result<()> {
    let _cable = Cable::lay(Length::Short)?;
    say("DHCP, completed exchanges a second (perfdhcp, 8 s, new clients)");
    let rates = in_turn(&["bootworks", "dnsmasq", "kea"], |name| {
        let _server = servers.start(name, Service::Dhcp)?;
        let words = ["-4", "-l", "c0", "-R", "20000", "-p", "8", "-r", "20000", "-W", "2000000"];
        let output = on_clients("perfdhcp", &words).output();
        let output = output.map_err(|error| Stop::new(format!("cannot run perfdhcp: {error}")))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let received = text.rsplit_once("received packets: ").and_then(|(_, rest)| rest.lines().next());
        let received: f64 = received.and_then(|count| count.trim().parse().ok()).ok_or_else(|| {
            let said = String::from_utf8_lossy(&output.stderr);
            Stop::new(format!("perfdhcp said nothing to read:\n{text}{said}"))
        })?;
        Ok(received / 8.0)
    })?;
    table(&rates, "/s");
    Ok(())
}

/// TFTP: one client with the options that each server has, near and at some distance, and 64 at once.
fn tftp(servers: &Servers) -> Result<()> {
    let names = ["bootworks", "dnsmasq", "tftpd-hpa"];
    for length in [Length::Long, Length::Short] {
        let _cable = Cable::lay(length)?;
        for (options, script) in [
            ("blocks of 1468", "curl -s --tftp-blksize 1468 -o /dev/null tftp://10.77.0.1//big"),
            (
                "blocks of 1468 in windows of 16 where the server has them",
                "rm -f /tmp/bench-got; atftp --option 'blksize 1468' --option 'windowsize 16' --get -r big -l /tmp/bench-got 10.77.0.1",
            ),
        ] {
            say(&format!("TFTP of {SMALL} MiB, one client{}, {options}, MiB/s", length.words()));
            let rates = in_turn(&names, |name| {
                let _server = servers.start(name, Service::Tftp)?;
                Ok(SMALL as f64 / timed(script)?)
            })?;
            table(&rates, " MiB/s");
        }
    }
    let _cable = Cable::lay(Length::Short)?;
    say(&format!("TFTP of {SMALL} MiB, 64 clients at once: MiB/s in all, slowest against fastest"));
    crowd(servers, &names, Service::Tftp, 64, "tftp://10.77.0.1//big", SMALL)
}

/// HTTP: one client, and 200 at once.
fn http(servers: &Servers) -> Result<()> {
    let _cable = Cable::lay(Length::Short)?;
    let names = ["bootworks", "nginx"];
    say(&format!("HTTP of {LARGE} MiB, one client, MiB/s"));
    let rates = in_turn(&names, |name| {
        let _server = servers.start(name, Service::Http)?;
        Ok(LARGE as f64 / timed("curl -s -o /dev/null http://10.77.0.1/loader/large")?)
    })?;
    table(&rates, " MiB/s");
    say(&format!("HTTP of {SMALL} MiB, 200 clients at once: MiB/s in all, slowest against fastest"));
    crowd(servers, &names, Service::Http, CROWD, "http://10.77.0.1/loader/big", SMALL)
}

/// One measurement of each server, then the next of each: what else the host does hits all of them alike. Medians.
fn in_turn(
    names: &[&'static str],
    mut measure: impl FnMut(&'static str) -> Result<f64>,
) -> Result<Vec<(&'static str, f64)>> {
    let mut seen: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    for _ in 0..RUNS {
        for (name, seen) in names.iter().zip(&mut seen) {
            seen.push(measure(name)?);
        }
    }
    Ok(names.iter().zip(seen).map(|(name, seen)| (*name, median(seen))).collect())
}

/// Many clients at once.
fn crowd(
    servers: &Servers,
    names: &[&'static str],
    service: Service,
    count: usize,
    url: &str,
    mib: usize,
) -> Result<()> {
    let script = match service {
        // One process with all connections: two hundred that start would be what is measured.
        Service::Http => format!(
            "for i in $(seq {count}); do [ $i = 1 ] || echo next
               printf 'url = {url}\\noutput = /dev/null\\ninterface = 10.77.0.%d\\n' $((i + 9))
               printf '%s\\n' 'write-out = \"%{{time_total}} %{{size_download}}\\n\"'
             done | curl -sZ --parallel-immediate --parallel-max {count} -K -"
        ),
        _ => format!(
            "for i in $(seq {count}); do curl -s --interface 10.77.0.$((i + 9)) --tftp-blksize 1468 -o /dev/null -w '%{{time_total}} %{{size_download}}\\n' {url} & done; wait"
        ),
    };
    let mut fairness: Vec<(&str, Vec<f64>, usize)> =
        names.iter().map(|name| (*name, Vec::new(), 0)).collect();
    let rates = in_turn(names, |name| {
        let _server = servers.start(name, service)?;
        let began = Instant::now();
        let output = on_clients("sh", &["-c", &script]).output();
        let output = output.map_err(|error| Stop::new(format!("cannot run curl: {error}")))?;
        let seconds = began.elapsed().as_secs_f64();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut times: Vec<f64> = Vec::new();
        for line in text.lines() {
            let Some((time, size)) = line.split_once(' ') else { continue };
            if size.parse() == Ok(mib * 1024 * 1024) {
                times.extend(time.parse::<f64>().ok());
            }
        }
        times.sort_by(f64::total_cmp);
        for (_, spread, lost) in fairness.iter_mut().filter(|(other, ..)| *other == name) {
            *lost += count - times.len();
            if let (Some(fastest), Some(slowest)) = (times.first(), times.last()) {
                spread.push(slowest / fastest);
            }
        }
        Ok((times.len() * mib) as f64 / seconds)
    })?;
    table(&rates, " MiB/s");
    for (name, spread, lost) in fairness {
        let spread = if spread.is_empty() { "-".into() } else { format!("{:.2}", median(spread)) };
        say(&format!("  {name:<12} slowest/fastest {spread}, {lost} of {} without the file", count * RUNS));
    }
    Ok(())
}

/// What a server is started for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    Dhcp,
    Tftp,
    Http,
    Nfs,
}

impl Service {
    /// The socket that says that it is there.
    fn socket(self) -> &'static str {
        match self {
            Service::Dhcp => "ss -lunH | grep -q ':67 '",
            Service::Tftp => "ss -lunH | grep -q ':69 '",
            Service::Http => "ss -ltnH | grep -q ':80 '",
            Service::Nfs => "ss -ltnH | grep -q ':2049 '",
        }
    }
}

/// The servers and their files.
struct Servers {
    folder: PathBuf,
    ours: PathBuf,
}

impl Servers {
    /// A line with a build of a few files, and the configuration of the others.
    fn prepare(&self) -> Result<()> {
        let line = self.folder.join("line");
        run(as_root(&self.ours.display().to_string(), &["new", &line.display().to_string()])
            .stdout(Stdio::null()))?;
        let kea = r#"{"Dhcp4":{"interfaces-config":{"interfaces":["s0"]},"lease-database":{"type":"memfile","persist":true,"name":"FOLDER/kea.leases"},"valid-lifetime":3600,"subnet4":[{"id":1,"subnet":"10.77.0.0/16","pools":[{"pool":"10.77.1.0-10.77.255.250"}]}],"loggers":[{"name":"kea-dhcp4","severity":"ERROR","output_options":[{"output":"stderr"}]}]}}"#;
        let nginx = "daemon off; master_process on; worker_processes 2; pid FOLDER/nginx.pid; error_log stderr; \
                     events { worker_connections 1024; } http { access_log off; sendfile on; tcp_nopush on; \
                     client_body_temp_path FOLDER/n1; proxy_temp_path FOLDER/n2; fastcgi_temp_path FOLDER/n3; \
                     uwsgi_temp_path FOLDER/n4; scgi_temp_path FOLDER/n5; \
                     server { listen 10.77.0.1:80; root FOLDER/files; } }";
        let folder = self.folder.display().to_string();
        let ganesha = "NFS_CORE_PARAM { Protocols = 3; NFS_Port = 2049; MNT_Port = 20048; Enable_NLM = false; \
                       Enable_RQUOTA = false; } \
                       EXPORT { Export_Id = 1; Path = FOLDER/line/.build/root; Pseudo = /live; Tag = live; \
                       Protocols = 3; Access_Type = RO; Squash = No_Root_Squash; SecType = sys; \
                       Transports = TCP; FSAL { Name = VFS; } } LOG { Default_Log_Level = WARN; }";
        self.write("ganesha.conf", &ganesha.replace("FOLDER", &folder))?;
        self.write("kea.json", &kea.replace("FOLDER", &folder))?;
        self.write("nginx.conf", &nginx.replace("FOLDER", &folder))?;
        // Files that do not compress, the same for all; the line's own loaders are the way to ours.
        let script = format!(
            "set -e; cd {folder}; mkdir -p files/loader line/.build/root
             head -c {small} /dev/urandom > files/big; head -c {large} /dev/urandom > files/loader/large
             ln files/big files/loader/big; cp files/big line/big; cp files/loader/large line/large
             sed -i 's|10.77.0.1/24|10.77.0.1/16|; s|10.77.0.50-10.77.0.250|10.77.1.0-10.77.255.250|' line/line.toml
             sed -i '/^range /a [[network.loader]]\\nfirmware = \"uefi-arm64\"\\nfile = \"big\"\\n[[network.loader]]\\nfirmware = \"uefi-ia32\"\\nfile = \"large\"' line/line.toml
             {root}
             for f in kernel initrd root.squashfs drivers.json image undionly.kpxe ipxe.efi ipxe.iso; do echo {{}} > line/.build/$f; done",
            small = SMALL * 1024 * 1024,
            large = LARGE * 1024 * 1024,
            root = live_root(),
        );
        run(&mut as_root("sh", &["-c", &script]))?;
        let file = |name: &str| format!(r#"{{"path":"{name}","bytes":3,"sha256":"00"}}"#);
        let outputs = format!(
            r#"{{"line":"edge-gateway","build":"bench","lock":"00","live":{{"digest":"bench","release":"6.1","kernel":{},"initrd":{},"squashfs":{},"tree":"root","drivers":{}}},"image":{},"image_unpacked_bytes":1,"loader_bios":{},"loader_efi":{},"loader_cd":{}}}"#,
            file("kernel"),
            file("initrd"),
            file("root.squashfs"),
            file("drivers.json"),
            file("image"),
            file("undionly.kpxe"),
            file("ipxe.efi"),
            file("ipxe.iso"),
        );
        self.write("line/.build/outputs.json", &outputs)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        std::fs::write(&path, text)
            .map_err(|error| Stop::new(format!("cannot write {}: {error}", path.display())))
    }

    /// Starts a server and waits until it listens and has nothing left to do of its start.
    fn start(&self, name: &'static str, service: Service) -> Result<Running> {
        let folder = self.folder.display().to_string();
        let ours = self.ours.display().to_string();
        for file in ["line/.state", "kea.leases", "dnsmasq.leases"] {
            let path = self.folder.join(file);
            let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
        }
        let script = match (name, service) {
            ("bootworks", _) => format!("exec {ours} serve {folder}/line --interface s0"),
            ("dnsmasq", Service::Dhcp) => format!(
                "exec dnsmasq -k -C /dev/null -p 0 -i s0 --user=root --bind-interfaces --no-ping --dhcp-authoritative \
                 --dhcp-lease-max=65535 --dhcp-range=10.77.1.0,10.77.255.250,1h --dhcp-leasefile={folder}/dnsmasq.leases -q"
            ),
            ("dnsmasq", _) => format!(
                "exec dnsmasq -k -C /dev/null -p 0 -i s0 --user=root --bind-interfaces --enable-tftp --tftp-max=500 --tftp-root={folder}/files"
            ),
            ("kea", _) => format!(
                "exec env KEA_PIDFILE_DIR={folder} KEA_LOCKFILE_DIR=none kea-dhcp4 -c {folder}/kea.json"
            ),
            ("tftpd-hpa", _) => format!("exec in.tftpd -L -s -a 10.77.0.1:69 {folder}/files"),
            ("ganesha", _) => format!(
                "rpcbind -f & mapper=$!; sleep 1; \
                 ganesha.nfsd -F -L {folder}/ganesha.out -f {folder}/ganesha.conf -p {folder}/ganesha.pid & \
                 trap \"kill $! $mapper\" TERM; wait; wait"
            ),
            ("nginx", _) => format!("exec nginx -c {folder}/nginx.conf"),
            _ => return Err(Stop::new(format!("no server `{name}`"))),
        };
        let log = std::fs::File::create(self.folder.join(format!("{name}.log")))
            .map_err(|error| Stop::new(format!("cannot write {name}'s log: {error}")))?;
        let errors =
            log.try_clone().map_err(|error| Stop::new(format!("cannot write {name}'s log: {error}")))?;
        let mut words = as_root("ip", &["netns", "exec", SERVERS, "sh", "-c", &script]);
        let child = words.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        let mut running = Running(child.map_err(|error| Stop::new(format!("cannot start {name}: {error}")))?);
        for _ in 0..200 {
            let there = as_root("ip", &["netns", "exec", SERVERS, "sh", "-c", service.socket()]).status();
            if there.is_ok_and(|status| status.success()) {
                rest()?;
                return Ok(running);
            }
            if let Ok(Some(status)) = running.0.try_wait() {
                let said =
                    std::fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default();
                return Err(Stop::new(format!("{name} ended with {status}:\n{said}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(Stop::new(format!("{name} does not listen after 10 s")))
    }
}

/// Waits until what runs on the servers' side has used no processor for a while: a server may listen long before it is
/// ready, and what is measured is not its start.
fn rest() -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(50);
    const STILL: u32 = 8;
    let (mut last, mut still) = (None, 0);
    for _ in 0..400 {
        let used = servers_ticks()?;
        still = if last.as_ref() == Some(&used) { still + 1 } else { 0 };
        if still == STILL {
            return Ok(());
        }
        last = Some(used);
        std::thread::sleep(PAUSE);
    }
    Err(Stop::new("the server is not at rest after 20 s"))
}

/// The processor time of each process on the servers' side, in the kernel's ticks.
fn servers_ticks() -> Result<Vec<Option<u64>>> {
    let output = as_root("ip", &["netns", "pids", SERVERS]).output();
    let output = output.map_err(|error| Stop::new(format!("cannot list the servers' processes: {error}")))?;
    let ids = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(ids.split_ascii_whitespace().map(processor_ticks).collect())
}

/// What they used all together, in milliseconds.
fn servers_millis() -> Result<f64> {
    Ok((servers_ticks()?.into_iter().flatten().sum::<u64>() * MILLIS_OF_A_TICK) as f64)
}

/// The processor time of a process, in the kernel's ticks: `utime` and `stime` of proc_pid_stat(5), behind a name that
/// ends with the last bracket.
fn processor_ticks(id: &str) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(ticks()? + ticks()?)
}

/// What makes the root that is read over NFS: a copy of the live OS's at `BOOTWORKS_BENCH_ROOT` (a built line's
/// `.build/live-…/tree`), else programs and small files of this host.
fn live_root() -> String {
    match std::env::var("BOOTWORKS_BENCH_ROOT") {
        Ok(tree) => format!("cp -a '{tree}/.' line/.build/root/"),
        Err(_) => "cp -a /usr/bin /usr/share/zoneinfo line/.build/root/".into(),
    }
}

/// A server that runs; it ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // nginx and in.tftpd have children; a polite end takes them along.
        let _ = as_root("kill", &[&self.0.id().to_string()]).status();
        for _ in 0..100 {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = as_root("kill", &["-9", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// How far the clients are from the servers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    /// As near as the kernel's `veth` is.
    Short,
    /// A switch and two cables: 0.3 ms there and back.
    Long,
}

impl Length {
    fn words(self) -> &'static str {
        match self {
            Length::Short => "",
            Length::Long => " at 0.3 ms there and back",
        }
    }
}

/// Two namespaces and a cable; gone when it is dropped.
struct Cable {
    /// Who carries the frames of a long one; it ends with its taps.
    carrier: Option<Child>,
}

impl Cable {
    fn lay(length: Length) -> Result<Cable> {
        drop(Cable { carrier: None });
        let mut cable = Cable { carrier: None };
        ip(&[&format!("netns add {SERVERS}"), &format!("netns add {CLIENTS}")])?;
        match length {
            Length::Short => {
                ip(&[&format!("-n {SERVERS} link add s0 type veth peer name c0 netns {CLIENTS}")])?
            }
            Length::Long => {
                cable.carrier = Some(carrier()?);
                ip(&[&format!("link set s0 netns {SERVERS}"), &format!("link set c0 netns {CLIENTS}")])?;
            }
        }
        ip(&[
            &format!("-n {SERVERS} address add {SERVER}/16 dev s0"),
            &format!("-n {CLIENTS} address add 10.77.0.2/16 dev c0"),
            &format!("-n {SERVERS} link set s0 up"),
            &format!("-n {CLIENTS} link set c0 up"),
            &format!("-n {SERVERS} link set lo up"),
            &format!("-n {CLIENTS} link set lo up"),
        ])?;
        // Many clients are as many addresses: servers are fair to addresses, not to sockets.
        let more = format!("for i in $(seq {CROWD}); do ip address add 10.77.0.$((i + 9))/16 dev c0; done");
        run(&mut on_clients("sh", &["-c", &more]))?;
        Ok(cable)
    }
}

/// Starts the carrier of a long cable, and waits for both of its ends.
fn carrier() -> Result<Child> {
    let words =
        ["test", "--quiet", "--release", "--package", "tests", "--test", "storm", "bench_is_a_long_cable"];
    run(cargo(&words).arg("--no-run"))?;
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut carrier = as_root(&program, &words);
    carrier.env("BOOTWORKS_CABLE", "s0 c0 150").current_dir(crate::shell::root());
    let child = carrier.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let mut child = child.map_err(|error| Stop::new(format!("cannot start the cable's carrier: {error}")))?;
    for _ in 0..200 {
        let there = ["s0", "c0"].map(|end| PathBuf::from("/sys/class/net").join(end).exists());
        if there == [true, true] {
            return Ok(child);
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(Stop::new(format!("the cable's carrier ended with {status}")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    Err(Stop::new("the cable is not there after 10 s"))
}

/// Carries out commands of `ip`.
fn ip(commands: &[&str]) -> Result<()> {
    commands.iter().try_for_each(|words| run(&mut as_root("ip", &words.split(' ').collect::<Vec<_>>())))
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in [SERVERS, CLIENTS] {
            let _ = as_root("ip", &["netns", "delete", name]).stderr(Stdio::null()).status();
        }
        if let Some(carrier) = &mut self.carrier {
            let _ = carrier.wait();
        }
    }
}

fn on_clients(program: &str, words: &[&str]) -> Command {
    as_root("ip", &[&["netns", "exec", CLIENTS, program], words].concat())
}

/// Seconds that a client's command takes.
fn timed(script: &str) -> Result<f64> {
    let began = Instant::now();
    run(on_clients("sh", &["-c", script]).stdout(Stdio::null()))?;
    Ok(began.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A line for each server, and how ours stands to it.
fn table(rates: &[(&str, f64)], unit: &str) {
    let ours = rates.first().map_or(0.0, |(_, rate)| *rate);
    for (name, rate) in rates {
        let ratio = if *rate > 0.0 { format!("{:.2}", ours / rate) } else { "-".into() };
        say(&format!("  {name:<12} {rate:9.1}{unit}  ours is {ratio} of it"));
    }
}
