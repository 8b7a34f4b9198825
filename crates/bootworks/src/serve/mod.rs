//! `bootworks serve`: everything a box needs from the network, in one process, and what was seen of it.
//!
//! Here the parts are put together: sockets bound, servers started, what they see noted in the store. Each part
//! is a module of its own and knows none of the others but the store.
//!
//! ```text
//! dhcp ─┐                                    ┌─► teller (operator's screen, --json)
//! tftp ─┤                                    │
//! nfs  ─┼─ (box, event) ─► store (SQLite) ───┼─► http: /api/boxes…
//! logs ─┤                     ▲              │
//! http ─┴─────────────────────┘              └─► bootworks boxes
//! neighbours, rivals ─► board (counters, alarms, queue) ─► http: /api/network
//! ```

mod answer;
mod board;
mod boot;
pub(crate) mod boxes;
mod dhcp;
mod ears;
mod entrance;
mod file;
mod http;
mod identity;
mod logs;
mod neighbours;
mod nfs;
#[cfg(test)]
mod peers;
mod pool;
mod publication;
mod reading;
mod rivals;
pub(crate) mod script;
mod session;
mod socket;
mod store;
mod teller;
mod tftp;
mod watch;
#[cfg(test)]
mod whole;

use crate::record::key::PrivateKey;
use crate::{Ending, line_folder, report};
use board::Board;
use boot::{Counter, Proof};
use dhcp::Trade;
use ears::{Ears, Missing};
use http::Service;
use identity::Credentials;
use linux::arp::ArpSocket;
use model::boot::{HTTP_PORT, HTTPS_PORT, Identity, NFS_PORT, Signpost};
use model::failure::{Explain as _, Failure, Result};
use model::line::{Dhcp, Network, Relayed};
use model::timeline::Event;
use neighbours::Neighbours;
use publication::Publications;
use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::Store;
use store::sqlite::SqliteShelf;
use teller::Audience;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use wire::dhcp::proxy::{Door, Proxy};
use wire::dhcp::server::network::Subnet;
use wire::mac::Mac;

/// How long an address is leased. A box keeps its address as long as there are others, however short it is.
const LEASE: Duration = Duration::from_secs(3600);

/// Arguments.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The line's folder
    #[arg(default_value = ".")]
    line: PathBuf,
    /// The interface on the build network, in place of line.toml's
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// The server's address there, in place of line.toml's: 10.77.0.1 or 10.77.0.1/24
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Give the interface the address if it does not have it
    #[arg(long)]
    assign_address: bool,
    /// Who leases addresses, in place of line.toml's
    #[arg(long, value_name = "WHO")]
    dhcp: Option<Lessor>,
    /// Answer TFTP from port 69 alone, for clients behind address translation
    #[arg(long)]
    tftp_single_port: bool,
    /// TCP port of the HTTP server
    #[arg(long, value_name = "PORT", default_value_t = HTTP_PORT)]
    http_port: u16,
    /// TCP port of the HTTPS server, over which boxes get what is secret
    #[arg(long, value_name = "PORT", default_value_t = HTTPS_PORT)]
    https_port: u16,
    /// Answers beforehand: CSV or TOML, for every box or by serial number or MAC (docs/src/line.md)
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Private key that records are signed with, in place of the line's; made where it does not exist
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Send an alarm for each stuck box to this address, a JSON object by HTTP POST
    #[arg(long, value_name = "URL")]
    alarm: Option<String>,
    /// Start boxes also where the proof says that they cannot boot
    #[arg(long)]
    ignore_proof: bool,
    /// Folder of the timeline store, in place of the line's .state
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Folder of the build's outputs, in place of the line's .build
    #[arg(long, value_name = "FOLDER")]
    outputs: Option<PathBuf>,
    /// Print every entry of every timeline as a line of JSON on standard output
    #[arg(long)]
    json: bool,
}

/// Who leases addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Lessor {
    /// This server
    Full,
    /// Another one; this server names the boot file only
    Proxy,
}

/// Serves until it is interrupted: Ctrl-C ends it with exit code 130, SIGTERM (a service manager) with 0.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    let folder = line_folder::open(&arguments.line)?;
    let outputs = arguments.outputs.clone().unwrap_or_else(|| folder.outputs());
    let read = |folder: &Path| line_folder::open(folder).map(|folder| folder.line().clone());
    let publications = Publications::open(folder.folder(), &outputs, read)?;
    let network = override_address(&folder.line().network, arguments.address.as_deref())?;
    let network = override_dhcp(network, arguments.dhcp);
    let mut answers = Vec::new();
    if let Some(file) = &folder.line().answers_file {
        answers.push(answer::read(&folder.folder().join(file), folder.line())?);
    }
    if let Some(file) = &arguments.answers {
        answers.push(answer::read(file, folder.line())?);
    }
    let key = match &arguments.key {
        Some(file) => PrivateKey::of_file(file)?,
        None => PrivateKey::of_line(folder.folder())?,
    };
    let alarm = arguments.alarm.as_deref().map(watch::Alarm::at).transpose()?;
    let missing = if arguments.assign_address { Missing::Assigned } else { Missing::Refused };
    let interface = ears::choose_interface(arguments.interface.as_deref(), &network, missing)?;
    let ears = Ears::bind(&interface, &network, (arguments.http_port, arguments.https_port))?;
    let state = arguments.state.clone().unwrap_or_else(|| folder.state());
    let _held = hold(&state)?;
    entrance::allow_many_files();
    let credentials = Credentials::of(&key, network.address)?;
    credentials.publish(&state)?;
    // Everything that needs more is bound by now, and there is no other thread yet.
    linux::privileges::give_up()?;
    let setting = Setting {
        counter: Counter {
            authority: script::authority(network.address, arguments.http_port),
            address: network.address,
            http_port: arguments.http_port,
            nfs_port: NFS_PORT,
            identity: ears
                .more
                .https
                .is_some()
                .then(|| Identity { https_port: arguments.https_port, authority: credentials.fingerprint() }),
            proof: if arguments.ignore_proof { Proof::Ignored } else { Proof::Heeded },
        },
        interface,
        network,
        publications,
        answers,
        key,
        credentials,
        alarm,
        state,
        ports: if arguments.tftp_single_port { tftp::Ports::One } else { tftp::Ports::Many },
        audience: if arguments.json { Audience::Program } else { Audience::Person },
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // While some fetch, it is looked who else came: otherwise the first of a rack are through before the others
        // are let in.
        .event_interval(8)
        // Reading files and judging NICs: each thread costs memory, and a build network has one disk behind it.
        .max_blocking_threads(16)
        .enable_all()
        .build()
        .or_fail(|| "cannot start the server's threads".into())?;
    runtime.block_on(serve(ears, setting))
}

/// Everything that was decided before the first packet.
struct Setting {
    counter: Counter,
    interface: String,
    network: Network,
    publications: Publications,
    answers: Vec<model::batch::Batch>,
    key: PrivateKey,
    credentials: Credentials,
    alarm: Option<watch::Alarm>,
    state: PathBuf,
    ports: tftp::Ports,
    audience: Audience,
}

async fn serve(ears: Ears, setting: Setting) -> Result<Ending> {
    let mut interrupt = signal(SignalKind::interrupt()).or_fail(|| "cannot listen for Ctrl-C".into())?;
    let mut terminate = signal(SignalKind::terminate()).or_fail(|| "cannot listen for SIGTERM".into())?;
    let (store, unreadable) = Store::open(SqliteShelf::open(&setting.state).await?).await?;
    if unreadable.0 > 0 {
        report::note(&format!("{} timeline entries of another bootworks are passed over", unreadable.0));
    }
    let telling = tokio::spawn(teller::tell(store.clone(), store.live(), setting.audience));
    announce(&setting);
    let mut servers = start(ears, setting, &store)?;
    let ending = tokio::select! {
        _ = interrupt.recv() => Ok(Ending::Interrupted),
        _ = terminate.recv() => Ok(Ending::Well),
        Some(ended) = servers.join_next() => match ended {
            Ok(Err(failure)) => Err(failure),
            Ok(Ok(())) => Err(Failure::new("a part of the server ended by itself")),
            Err(error) => Err(Failure::new("a part of the server broke").because(error)),
        },
    };
    servers.shutdown().await;
    store.settle().await?;
    telling.abort();
    report::note("stopped; the timelines are kept");
    ending
}

/// The first lines: what is served and where. With `--json` one object, before the first entry.
fn announce(setting: &Setting) {
    let build = setting.publications.current();
    let live = &build.outputs.live;
    let (line, interface, address) = (&build.line.name, &setting.interface, setting.network.address);
    report::note(&format!(
        "serving line {line} on {interface} {address}: kernel {}, live OS {}",
        live.release, live.digest
    ));
    if let Some(fallback) = build.fallback() {
        report::note(&format!(
            "boxes whose NIC it has no driver for boot kernel {}, live OS {}",
            fallback.outputs.release, fallback.outputs.digest
        ));
    }
    let addresses = match setting.network.dhcp {
        Dhcp::Full => format!("addresses {}-{}", setting.network.range.0, setting.network.range.1),
        Dhcp::Proxy => "addresses from another server, boot files from this one".into(),
    };
    report::note(&format!(
        "{addresses}, boxes at http://{}/api/boxes, Ctrl-C ends",
        setting.counter.authority
    ));
    let boxes: usize = setting.answers.iter().map(model::batch::Batch::boxes).sum();
    if boxes > 0 {
        report::note(&format!("answers are known beforehand for {boxes} boxes"));
    }
    if setting.counter.proof == Proof::Ignored {
        report::note("the proof is ignored: boxes are started also where their NIC has no driver");
    }
    if setting.audience == Audience::Program {
        let serving = serde_json::json!({ "serving": {
            "line": line, "interface": interface, "address": address, "http_port": setting.counter.http_port,
            "nfs_port": setting.counter.nfs_port, "release": live.release, "live": live.digest,
        }});
        report::say(&serving.to_string());
    }
}

/// Starts every server; each runs until it fails.
fn start(ears: Ears, setting: Setting, store: &Store) -> Result<JoinSet<Result<()>>> {
    let Setting {
        counter, network, publications, answers, key, credentials, alarm, interface, ports, ..
    } = setting;
    let (dhcp, tftp, http, nfs, more) = ears.into_parts()?;
    let (seen, sights) = unbounded_channel();
    let mut servers = JoinSet::new();
    servers.spawn(note(sights, store.clone()));
    let board = Board::default();
    let own = own_mac(&interface);
    let trade = trade(&network, store, more.arp, &seen);
    let owner = owner(&trade, store);
    let signpost = Signpost {
        server: network.address,
        http_port: counter.http_port,
        dhcp: network.dhcp,
        loaders: network.loaders.clone(),
    };
    let usage = match &trade {
        Trade::Full { leases, .. } => Some(leases.clone()),
        Trade::Proxy { .. } => None,
    };
    let desk = dhcp::Desk::new(trade, signpost, own, board.clone(), seen.clone());
    servers.spawn(never(desk.clone().serve(dhcp, Door::Everybody)));
    if let Some(socket) = more.proxy {
        servers.spawn(never(desk.serve(socket, Door::Us)));
    }
    if let (Some(socket), Some(own)) = (more.offers, own) {
        let watch = rivals::Watch { server: network.address, own, dhcp: network.dhcp, board: board.clone() };
        servers.spawn(never(rivals::watch(socket, watch)));
    }
    let scribe = logs::Scribe::new(owner.clone(), board.clone(), seen.clone());
    if let Some(socket) = more.syslog {
        servers.spawn(scribe.clone().hear_syslog(socket));
    }
    if let Some(listener) = more.syslog_tcp {
        servers.spawn(scribe.clone().accept_syslog(listener));
    }
    if let Some(socket) = more.netconsole {
        servers.spawn(scribe.hear_kernels(socket));
    }
    let exports = nfs::exports::Exports::default();
    publications.current().exports().for_each(|export| exports.add(export));
    exports.add(publications.current().lasting_export());
    let service = Arc::new(Service {
        store: store.clone(),
        publications,
        transfers: file::Transfers::new(board.clone()),
        answers,
        sessions: session::Sessions::of(&key),
        key,
        counter,
        owner: owner.clone(),
        exports: exports.clone(),
        strangers: Mutex::default(),
        board: board.clone(),
        leases: usage,
    });
    let loaders = Arc::new(Loaders { service: service.clone(), kept: Mutex::default() });
    let told = (seen.clone(), board, service.transfers.clone());
    servers.spawn(never(tftp::serve(tftp, ports, loaders, owner.clone(), told)));
    servers.spawn(keep(nfs::spawn(exports, nfs, owner, seen)));
    servers.spawn(watch::watch(service.clone(), alarm));
    let https = more.https.map(|listener| (listener, Some(credentials)));
    for (listener, credentials) in std::iter::once((http, None)).chain(https) {
        servers.spawn(http::serve(listener, credentials, service.clone()));
    }
    Ok(servers)
}

/// What is done with addresses on this network, and who looks whether one is in use.
fn trade(
    network: &Network,
    store: &Store,
    arp: Option<ArpSocket>,
    seen: &UnboundedSender<(Mac, Event)>,
) -> Trade {
    if network.dhcp == Dhcp::Proxy {
        let proxy = Proxy { server: network.address, prefix: network.prefix };
        return Trade::Proxy { proxy, claims: dhcp::Claims::new(seen.clone()) };
    }
    let store = store.clone();
    let leases = dhcp::Leases::new(leased(network), store.leases());
    let owner = leases.clone();
    let neighbours = arp.map(|socket| {
        Neighbours::listen(socket, Box::new(move |address| owner.owner(address)), seen.clone())
    });
    let keep: dhcp::Keep = Arc::new(move |lease| {
        let store = store.clone();
        Box::pin(async move { store.keep_lease(lease).await })
    });
    Trade::Full { leases, keep, neighbours }
}

/// The line's network as the DHCP server wants to know it.
fn leased(network: &Network) -> wire::dhcp::server::network::Network {
    let own = Subnet {
        address: network.address,
        prefix: network.prefix,
        first: network.range.0,
        last: network.range.1,
        routers: network.router.into_iter().collect(),
    };
    let behind = |relayed: &Relayed| Subnet {
        address: relayed.address,
        prefix: relayed.prefix,
        first: relayed.range.0,
        last: relayed.range.1,
        routers: vec![relayed.address],
    };
    wire::dhcp::server::network::Network {
        own,
        relayed: network.relayed.iter().map(behind).collect(),
        name_servers: network.name_servers.clone(),
        lease_time: LEASE,
        reservations: network.reservations.iter().copied().collect(),
    }
}

/// Whose address it is: who leased it or claims it, else who was last seen there.
fn owner(trade: &Trade, store: &Store) -> tftp::Owner {
    let (trade, store) = (trade.clone(), store.clone());
    Arc::new(move |address: Ipv4Addr| {
        let known = match &trade {
            Trade::Full { leases, .. } => leases.owner(address),
            Trade::Proxy { claims, .. } => claims.owner(address),
        };
        known.or_else(|| store.box_at(address))
    })
}

fn own_mac(interface: &str) -> Option<Mac> {
    std::fs::read_to_string(format!("/sys/class/net/{interface}/address")).ok()?.trim().parse().ok()
}

async fn never(server: impl Future<Output = Result<std::convert::Infallible>>) -> Result<()> {
    match server.await {
        Err(failure) => Err(failure),
    }
}

/// Keeps the NFS server's tasks alive: they end when their set is dropped.
async fn keep(mut tasks: JoinSet<()>) -> Result<()> {
    while tasks.join_next().await.is_some() {}
    Err(Failure::new("cannot go on serving NFS"))
}

/// Notes what the packet loops see.
async fn note(mut sights: UnboundedReceiver<(Mac, Event)>, store: Store) -> Result<()> {
    while let Some((of, event)) = sights.recv().await {
        store.note(of, event);
    }
    Ok(())
}

/// The network boot programs as TFTP gives them, each read once.
struct Loaders {
    service: Arc<Service>,
    kept: Mutex<HashMap<String, Arc<[u8]>>>,
}

impl tftp::Files for Loaders {
    fn open(&self, name: &str) -> Option<tftp::File> {
        let served = self.service.publications.loader(name)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let content = match kept.get(&served.sha256) {
            Some(content) => content.clone(),
            None => {
                let content: Arc<[u8]> = match std::fs::read(&served.path) {
                    Ok(bytes) => bytes.into(),
                    Err(error) => {
                        report::note(&format!("cannot read {}: {error}", served.path.display()));
                        return None;
                    }
                };
                kept.insert(served.sha256.clone(), content.clone());
                content
            }
        };
        Some(tftp::File { content, role: served.role })
    }
}

/// The line's network with the address of `--address`.
///
/// Errors: it is no address, or the line's range is not on its network.
fn override_address(network: &Network, address: Option<&str>) -> Result<Network> {
    let Some(text) = address else { return Ok(network.clone()) };
    let (ip, prefix) = match text.split_once('/') {
        Some((ip, prefix)) => (ip, prefix.parse().ok().filter(|prefix| (8..=30).contains(prefix))),
        None => (text, Some(network.prefix)),
    };
    let (Ok(ip), Some(prefix)) = (ip.parse::<Ipv4Addr>(), prefix) else {
        return Err(Failure::new(format!("`{text}` is not an address"))
            .hint("`--address 10.77.0.1/24`; the prefix length is 8 to 30"));
    };
    let mask = u32::MAX << (32 - u32::from(prefix));
    let (first, last) = network.range;
    if [first, last].iter().any(|end| (end.to_bits() ^ ip.to_bits()) & mask != 0) {
        return Err(Failure::new(format!("cannot serve as {ip}/{prefix}"))
            .because(format!("line.toml [network] hands out {first}-{last}, which is not on that network"))
            .hint("give both in line.toml [network], or an address on the range's network"));
    }
    Ok(Network { address: ip, prefix, ..network.clone() })
}

/// The line's network with the lessor of `--dhcp`. A line that leaves addresses to others names no range: all of
/// its network is leased then, on the side of the server's address that has more of it.
fn override_dhcp(network: Network, lessor: Option<Lessor>) -> Network {
    let dhcp = match lessor {
        None => network.dhcp,
        Some(Lessor::Full) => Dhcp::Full,
        Some(Lessor::Proxy) => Dhcp::Proxy,
    };
    let named = network.range != (network.address, network.address);
    if dhcp == Dhcp::Proxy || named {
        return Network { dhcp, ..network };
    }
    let mask = u32::MAX << (32 - u32::from(network.prefix));
    let own = network.address.to_bits();
    let (first, last) = ((own & mask) + 1, (own | !mask) - 1);
    let (first, last) = if last - own >= own - first { (own + 1, last) } else { (first, own - 1) };
    Network { dhcp, range: (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last)), ..network }
}

/// Holds the state folder for this server: two that write one timeline would mix their boxes.
fn hold(state: &Path) -> Result<File> {
    let cannot = || format!("cannot hold the state folder {}", state.display());
    std::fs::create_dir_all(state).or_fail(cannot)?;
    let path = state.join("serving");
    let mut file =
        File::options().create(true).read(true).write(true).truncate(false).open(&path).or_fail(cannot)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(&path).unwrap_or_default();
            return Err(Failure::new(cannot())
                .because(format!("another `bootworks serve` has it (pid {})", holder.trim()))
                .hint("stop that one, or give this one another folder with `--state`"));
        }
        Err(TryLockError::Error(error)) => return Err(error).or_fail(cannot),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).or_fail(cannot)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn network() -> Network {
        Network {
            interface: None,
            address: Ipv4Addr::new(10, 77, 0, 1),
            prefix: 24,
            dhcp: Dhcp::Full,
            range: (Ipv4Addr::new(10, 77, 0, 50), Ipv4Addr::new(10, 77, 0, 250)),
            router: None,
            name_servers: Vec::new(),
            reservations: Vec::new(),
            relayed: Vec::new(),
            loaders: Vec::new(),
        }
    }

    /// An address beside the range would be a server that no box can reach.
    #[test]
    fn an_address_must_be_on_the_ranges_network() {
        assert_eq!(override_address(&network(), None).unwrap(), network());
        let other = override_address(&network(), Some("10.77.0.2")).unwrap();
        assert_eq!((other.address, other.prefix), (Ipv4Addr::new(10, 77, 0, 2), 24));
        assert_eq!(override_address(&network(), Some("10.77.9.1/16")).unwrap().prefix, 16);
        expect![[r#"
            error: cannot serve as 192.168.0.3/24
            because: line.toml [network] hands out 10.77.0.50-10.77.0.250, which is not on that network
            hint: give both in line.toml [network], or an address on the range's network"#]]
        .assert_eq(&override_address(&network(), Some("192.168.0.3/24")).unwrap_err().report());
        assert!(override_address(&network(), Some("10.77.0.1/33")).is_err());
        assert!(override_address(&network(), Some("here")).is_err());
    }

    /// A rehearsal of a line that stands beside another server has no other server: it must lease by itself.
    #[test]
    fn a_line_without_a_range_can_be_made_to_lease() {
        let address = network().address;
        let proxy = Network { dhcp: Dhcp::Proxy, range: (address, address), ..network() };
        assert_eq!(override_dhcp(proxy.clone(), None), proxy);
        let full = override_dhcp(proxy, Some(Lessor::Full));
        assert_eq!(full.range, (Ipv4Addr::new(10, 77, 0, 2), Ipv4Addr::new(10, 77, 0, 254)));
        let high = Ipv4Addr::new(10, 77, 0, 254);
        let high = Network { address: high, range: (high, high), ..network() };
        assert_eq!(override_dhcp(high, None).range.1, Ipv4Addr::new(10, 77, 0, 253));
        assert_eq!(override_dhcp(network(), Some(Lessor::Proxy)).dhcp, Dhcp::Proxy);
        assert_eq!(override_dhcp(network(), None), network());
    }

    /// The second server is told which process is the first.
    #[test]
    fn a_state_folder_is_held_once() {
        let folder = tempfile::tempdir().unwrap();
        let held = hold(folder.path()).unwrap();
        let report = hold(folder.path()).unwrap_err().report();
        let report = report
            .replace(&folder.path().display().to_string(), "STATE")
            .replace(&std::process::id().to_string(), "PID");
        expect![[r#"
            error: cannot hold the state folder STATE
            because: another `bootworks serve` has it (pid PID)
            hint: stop that one, or give this one another folder with `--state`"#]]
        .assert_eq(&report);
        drop(held);
        assert!(hold(folder.path()).is_ok());
    }
}
