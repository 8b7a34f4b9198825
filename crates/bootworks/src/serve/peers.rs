//! The DHCP and TFTP servers against real clients and real firmware, in network namespaces.
//!
//! Each test has a thread of its own in a private network; with the thread everything in it vanishes.

use super::board::Board;
use super::dhcp::{Claims, Desk, Keep, Leases, Trade};
use super::file::Transfers;
use super::neighbours::Neighbours;
use super::rivals::{self, Watch};
use super::socket::{bind_shared_udp, bind_udp};
use super::tftp::{self, File, Owner, Ports};
use linux::arp::ArpSocket;
use linux::process::Child;
use linux::tools::Tool;
use model::boot::Signpost;
use model::line::Dhcp;
use model::timeline::{Client, Event, FileRole};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wire::dhcp::proxy::{Door, Proxy};
use wire::dhcp::server::network::{Network, Subnet};
use wire::mac::Mac;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);

fn tool(name: &'static str) -> Child {
    Child::of(Tool { name, package: "?", reason: "the tests" })
}

pub(super) fn ip(words: &str) {
    tool("ip").args(words.split(' ')).run().unwrap();
}

/// Runs a test in a private network of its own; says so where it cannot.
pub(super) fn in_private_network<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
        eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root)");
        return;
    }
    let thread = std::thread::spawn(move || {
        linux::namespace::enter_private_network().unwrap();
        ip("link set lo up");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { test().await });
    });
    thread.join().unwrap();
}

/// The servers on `interface`, with these files, and what they see.
fn serve(interface: &str, files: &[(&str, Arc<[u8]>)]) -> UnboundedReceiver<(Mac, Event)> {
    serve_with(interface, Dhcp::Full, Ports::Many, files).0
}

fn serve_with(
    interface: &str,
    dhcp: Dhcp,
    ports: Ports,
    files: &[(&str, Arc<[u8]>)],
) -> (UnboundedReceiver<(Mac, Event)>, Board, Transfers) {
    ip(&format!("address add {SERVER}/24 dev {interface}"));
    ip(&format!("link set {interface} up"));
    let own = Subnet {
        address: SERVER,
        prefix: 24,
        first: FIRST,
        last: Ipv4Addr::new(10, 77, 0, 60),
        routers: vec![],
    };
    let network = Network {
        own,
        relayed: vec![],
        name_servers: vec![],
        lease_time: Duration::from_secs(3600),
        reservations: Default::default(),
    };
    let (seen, events) = unbounded_channel();
    let (trade, owner): (Trade, Owner) = match dhcp {
        Dhcp::Full => {
            let leases = Leases::new(network, vec![]);
            let socket = ArpSocket::open(interface).unwrap();
            let neighbours = Neighbours::listen(socket, Box::new(|_| None), seen.clone());
            let keep: Keep = Arc::new(|_| Box::pin(async { Ok(()) }));
            let owner = leases.clone();
            let trade = Trade::Full { leases, keep, neighbours: Some(neighbours) };
            (trade, Arc::new(move |address| owner.owner(address)))
        }
        Dhcp::Proxy => {
            let claims = Claims::new(seen.clone());
            let owner = claims.clone();
            let trade = Trade::Proxy { proxy: Proxy { server: SERVER, prefix: 24 }, claims };
            (trade, Arc::new(move |address| owner.owner(address)))
        }
    };
    let board = Board::default();
    let signpost = Signpost { server: SERVER, http_port: 80, dhcp, loaders: vec![] };
    let mac = std::fs::read_to_string(format!("/sys/class/net/{interface}/address")).unwrap();
    let mac: Mac = mac.trim().parse().unwrap();
    let desk = Desk::new(trade, signpost, Some(mac), board.clone(), seen.clone());
    let socket = bind_udp(Ipv4Addr::UNSPECIFIED, 67, Some(interface)).unwrap();
    tokio::spawn(desk.clone().serve(socket, Door::Everybody));
    if dhcp == Dhcp::Proxy {
        let socket = bind_udp(Ipv4Addr::UNSPECIFIED, 4011, Some(interface)).unwrap();
        tokio::spawn(desk.serve(socket, Door::Us));
    }
    let socket = bind_shared_udp(68, interface).unwrap();
    let watch = Watch { server: SERVER, own: mac, dhcp, board: board.clone() };
    tokio::spawn(rivals::watch(socket, watch));
    let socket = bind_udp(SERVER, 69, None).unwrap();
    let file = |content: &Arc<[u8]>| File { content: content.clone(), role: FileRole::Loader };
    let files: BTreeMap<_, _> =
        files.iter().map(|(name, content)| ((*name).to_owned(), file(content))).collect();
    let transfers = Transfers::new(board.clone());
    let told = (seen, board.clone(), transfers.clone());
    tokio::spawn(tftp::serve(socket, ports, Arc::new(files), owner, told));
    (events, board, transfers)
}

/// A cable between `s0` here and `c0` in the namespace `client`.
pub(super) fn lay_cable() {
    // `ip` keeps names of namespaces as files; on a file system of our own they vanish with us.
    tool("mkdir").args(["-p", "/run/netns"]).run().unwrap();
    tool("mount").args(["-t", "tmpfs", "none", "/run/netns"]).run().unwrap();
    ip("netns add client");
    ip("link add s0 type veth peer name c0 netns client");
    ip("-n client link set c0 address 52:54:00:00:00:01");
    ip("-n client link set c0 up");
}

/// Runs a command in the namespace `client` without holding up the servers.
pub(super) async fn on_client(command: &str) -> (bool, String) {
    let output = tokio::process::Command::new("ip")
        .args(["netns", "exec", "client", "sh", "-c", command])
        .output()
        .await
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), text.concat())
}

fn drain(events: &mut UnboundedReceiver<(Mac, Event)>) -> Vec<Event> {
    std::iter::from_fn(|| events.try_recv().ok()).map(|(_, event)| event).collect()
}

/// Clients with client identifiers of their own kinds: one box, one address.
#[test]
fn system_real_dhcp_clients_get_one_address() {
    in_private_network(async || {
        lay_cable();
        let mut events = serve("s0", &[]);
        let scratch = tempfile::tempdir().unwrap();
        let script = scratch.path().join("script");
        std::fs::write(
            &script,
            "#!/bin/sh\n[ \"$1\" = bound ] && echo \"bound $ip/$mask from $serverid\"\nexit 0\n",
        )
        .unwrap();
        tool("chmod").args(["+x"]).arg(&script).run().unwrap();
        let (well, said) = on_client(&format!("udhcpc -f -n -q -i c0 -s {}", script.display())).await;
        assert!(well && said.contains("bound 10.77.0.50/24 from 10.77.0.1"), "{said}");
        let all = drain(&mut events);
        let vendor = |event: &Event| match event {
            Event::AddressAsked { vendor_class, .. } => vendor_class.clone(),
            _ => None,
        };
        assert!(vendor(&all[0]).unwrap().starts_with("udhcp"), "{all:?}");
        assert_eq!(all[1], Event::AddressOffered { address: FIRST, bootfile: None });
        assert_eq!(all[2], Event::AddressTaken { client: Client::Other, address: FIRST });

        let folder = scratch.path().display();
        let command = format!("dhclient -1 -v -sf /bin/true -lf {folder}/leases -pf {folder}/pid c0");
        let (well, said) = on_client(&command).await;
        assert!(well && said.contains("bound to 10.77.0.50"), "{said}");
        let (well, said) =
            on_client(&format!("dhclient -r -v -sf /bin/true -lf {folder}/leases -pf {folder}/pid c0")).await;
        assert!(well, "{said}");
    });
}

/// A second DHCP server on the machine: the operator reads its name, in whatever network it is.
#[test]
fn system_the_holder_of_the_dhcp_port_is_named() {
    in_private_network(async || {
        let held = bind_udp(Ipv4Addr::UNSPECIFIED, 67, Some("lo")).unwrap();
        let report = bind_udp(Ipv4Addr::UNSPECIFIED, 67, Some("lo")).unwrap_err().report();
        assert!(report.contains(&format!("(pid {}) holds it", std::process::id())), "{report}");
        drop(held);
    });
}

/// dnsmasq on `interface` of the namespace `client`, leasing addresses from .100 on; it ends with the test.
fn other_server(interface: &str, more: &[&str]) -> tokio::process::Child {
    ip(&format!("-n client address add 10.77.0.2/24 dev {interface}"));
    let mut command = tokio::process::Command::new("ip");
    command.args(["netns", "exec", "client", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null"]);
    command.args(["--port=0", "--leasefile-ro", "--bind-interfaces", "--dhcp-authoritative", "--no-ping"]);
    command.arg(format!("--interface={interface}"));
    command.arg("--dhcp-range=10.77.0.100,10.77.0.110,1h").args(more);
    command.kill_on_drop(true).spawn().unwrap()
}

/// Waits until the board has it.
async fn shown(board: &Board, what: &str, is_it: impl Fn(&serde_json::Value) -> bool) {
    let mut view = serde_json::Value::Null;
    for _ in 0..600 {
        view = serde_json::to_value(board.view()).unwrap();
        if is_it(&view) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the board never showed {what}: {view:#}");
}

/// A second server that leases addresses is what makes boots fail every other time: it is seen without any box.
#[test]
fn system_a_second_dhcp_server_is_an_alarm() {
    in_private_network(async || {
        lay_cable();
        let _other = other_server("c0", &[]);
        // The other server is up before we ask for the first time; the next time is a minute later.
        while !on_client("ss -lun | grep -q :67").await.0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (_, board, _) = serve_with("s0", Dhcp::Full, Ports::Many, &[]);
        shown(&board, "the alarm", |view| view["alarms"][0]["cause"] == "dhcp-two-servers").await;
        let view = serde_json::to_value(board.view()).unwrap();
        let sentence = view["alarms"][0]["sentence"].as_str().unwrap();
        assert_eq!(sentence, "Besides this server (10.77.0.1), 10.77.0.2 leases addresses here.");
        assert!(view["packets"]["ignored"]["ours"].as_u64() >= Some(1), "{view:#}");
    });
}

/// Somebody sits on the first address without a lease: the box gets the next one, and boots.
#[test]
fn system_an_address_in_use_is_not_offered() {
    in_private_network(async || {
        lay_cable();
        ip("-n client link add squatter link c0 type macvlan mode bridge");
        ip("-n client address add 10.77.0.50/24 dev squatter");
        ip("-n client link set squatter up");
        // Linux answers for an address on every interface; the box itself must not.
        assert!(on_client("echo 1 > /proc/sys/net/ipv4/conf/c0/arp_ignore").await.0);
        let (mut events, board, _) = serve_with("s0", Dhcp::Full, Ports::Many, &[]);
        let (well, said) = on_client("udhcpc -f -n -q -i c0 -s /bin/true").await;
        assert!(well && said.contains("10.77.0.51"), "{said}");
        assert!(
            drain(&mut events).contains(&Event::AddressTaken {
                client: Client::Other,
                address: Ipv4Addr::new(10, 77, 0, 51)
            })
        );
        let view = serde_json::to_value(board.view()).unwrap();
        assert_eq!(view["packets"]["noted"]["address-in-use"], 1, "{view:#}");
    });
}

/// Beside dnsmasq: real firmware takes dnsmasq's address and our loader, and the timeline knows both.
#[test]
fn system_uefi_boots_beside_another_dhcp_server() {
    in_private_network(async || firmware_beside_another_server(Firmware::Uefi).await);
}

/// The same for iPXE in a BIOS ROM: it must come to our script by the proxy's offer alone.
#[test]
fn system_ipxe_boots_beside_another_dhcp_server() {
    in_private_network(async || firmware_beside_another_server(Firmware::Bios).await);
}

async fn firmware_beside_another_server(firmware: Firmware) {
    // A switch between us, the other server and the box.
    lay_cable();
    ip("link add b0 type bridge");
    ip("tuntap add t0 mode tap");
    ip("link set s0 master b0");
    ip("link set t0 master b0");
    ip("link set s0 up");
    ip("link set t0 up");
    ip("-n client link set c0 address 52:54:00:00:00:99");
    let _other = other_server("c0", &[]);
    let content: Arc<[u8]> = vec![7; 300_000].into();
    let (mut events, board, _) =
        serve_with("b0", Dhcp::Proxy, Ports::Many, &[(model::boot::UEFI_LOADER, content)]);
    let http = tokio::net::TcpListener::bind((SERVER, 80)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let _box = power_on(folder.path(), firmware);
    let leased = Ipv4Addr::new(10, 77, 0, 100)..=Ipv4Addr::new(10, 77, 0, 110);
    if firmware == Firmware::Uefi {
        let seen = wait_for(&mut events, "the loader", |event| {
            matches!(event, Event::TransferDone { bytes: 300_000, .. })
        })
        .await;
        let taken = seen.iter().any(|event| {
            matches!(event, Event::AddressTaken { client: Client::Rom, address } if leased.contains(address))
        });
        assert!(taken, "{seen:#?}");
    } else {
        let (mut connection, peer) =
            tokio::time::timeout(Duration::from_secs(120), http.accept()).await.unwrap().unwrap();
        let mut request = [0; 200];
        let length = connection.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        assert!(request.starts_with("GET /ipxe HTTP/1.1"), "{request}");
        assert!(matches!(peer.ip(), std::net::IpAddr::V4(ip) if leased.contains(&ip)), "{peer}");
    }
    let view = serde_json::to_value(board.view()).unwrap();
    assert_eq!(view["alarms"], serde_json::json!([]), "one other server is as it should be");
    assert!(view["packets"]["answered"]["named"].as_u64() >= Some(1), "{view:#}");
}

/// Behind address translation only port 69 comes through; the same clients, the same bytes.
#[test]
fn system_files_go_out_from_one_port_too() {
    in_private_network(async || {
        lay_cable();
        ip("-n client address add 10.77.0.50/24 dev c0");
        let content: Arc<[u8]> = (0..700_000u32).map(|index| (index % 251) as u8).collect();
        let _serving = serve_with("s0", Dhcp::Full, Ports::One, &[("ipxe.efi", content.clone())]);
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("got");
        let got = target.display();
        for command in [
            format!("tftp -m octet {SERVER} -c get ipxe.efi {got}"),
            format!(
                "atftp --option 'blksize 1468' --option 'windowsize 16' --get -r ipxe.efi -l {got} {SERVER}"
            ),
            format!("curl -sS -o {got} tftp://{SERVER}//ipxe.efi"),
        ] {
            let _ = std::fs::remove_file(&target);
            let (well, said) = on_client(&command).await;
            assert!(well, "{command}: {said}");
            assert!(std::fs::read(&target).unwrap() == *content, "{command}: not the same bytes");
        }
        // Another port of the server must not have spoken.
        let (_, said) = on_client("ss -un state connected").await;
        assert!(!said.contains("10.77.0.1"), "{said}");
    });
}

/// A loader that crawls is told from one that stands still: how far each transfer is, for as long as it lasts.
#[test]
fn system_the_progress_of_a_transfer_is_seen() {
    in_private_network(async || {
        lay_cable();
        let content: Arc<[u8]> = vec![7; 3_000_000].into();
        let (_events, _, transfers) = serve_with("s0", Dhcp::Full, Ports::Many, &[("ipxe.efi", content)]);
        let script = "#!/bin/sh\n[ \"$1\" = bound ] && ip address replace $ip/$mask dev c0\nexit 0\n";
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("script");
        std::fs::write(&path, script).unwrap();
        tool("chmod").args(["+x"]).arg(&path).run().unwrap();
        let (well, said) = on_client(&format!("udhcpc -f -n -q -i c0 -s {}", path.display())).await;
        assert!(well, "{said}");
        // A client that takes 1 MB and then nothing more.
        let fetch = format!(
            "curl -sS --tftp-blksize 1400 tftp://{SERVER}//ipxe.efi | (head -c 1000000 >/dev/null; sleep 20)"
        );
        let client = tokio::spawn(async move { on_client(&fetch).await });
        let seen = async {
            loop {
                let view = serde_json::to_value(transfers.under_way()).unwrap();
                if view[0]["sent_bytes"].as_u64() >= Some(256 << 10) {
                    return view;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let view = tokio::time::timeout(Duration::from_secs(60), seen).await.unwrap();
        assert_eq!((&view[0]["box"], &view[0]["file"]), (&"52:54:00:00:00:01".into(), &"ipxe.efi".into()));
        assert_eq!(view[0]["bytes"], 3_000_000);
        client.abort();
    });
}

/// Every client has its own idea of options and endings; all must get the same bytes.
#[test]
fn system_real_tftp_clients_get_the_file() {
    in_private_network(async || {
        lay_cable();
        let content: Arc<[u8]> = (0..1_000_448u32).map(|index| (index % 253) as u8).collect();
        let mut events = serve("s0", &[("boot/ipxe.efi", content.clone())]);
        let scratch = tempfile::tempdir().unwrap();
        let script = scratch.path().join("script");
        let configure = "#!/bin/sh\n[ \"$1\" = bound ] && ip address replace $ip/$mask dev c0\nexit 0\n";
        std::fs::write(&script, configure).unwrap();
        tool("chmod").args(["+x"]).arg(&script).run().unwrap();
        let (well, said) = on_client(&format!("udhcpc -f -n -q -i c0 -s {}", script.display())).await;
        assert!(well, "{said}");
        drain(&mut events);
        let target = scratch.path().join("got");
        let got = target.display();
        for command in [
            format!("tftp -m octet {SERVER} -c get boot/ipxe.efi {got}"),
            format!("atftp --get -r /boot/ipxe.efi -l {got} {SERVER}"),
            format!(
                "atftp --option 'blksize 1468' --option 'windowsize 16' --get -r /boot/ipxe.efi -l {got} {SERVER}"
            ),
            format!("curl -sS --tftp-blksize 1400 -o {got} tftp://{SERVER}//boot/ipxe.efi"),
            format!("curl -sS --tftp-no-options -o {got} tftp://{SERVER}//boot/ipxe.efi"),
            format!("busybox tftp -g -b 1000 -r boot/ipxe.efi -l {got} {SERVER}"),
        ] {
            let _ = std::fs::remove_file(&target);
            let (well, said) = on_client(&command).await;
            assert!(well, "{command}: {said}");
            assert!(std::fs::read(&target).unwrap() == *content, "{command}: not the same bytes");
            wait_for(&mut events, &format!("{command} to end"), |event| {
                matches!(event, Event::TransferDone { role: FileRole::Loader, bytes: 1_000_448, .. })
            })
            .await;
        }
        for (command, words) in [
            (format!("tftp -m octet {SERVER} -c get nothing {got}"), "no such file"),
            (format!("tftp -m octet {SERVER} -c get ../etc/passwd {got}"), "no such file"),
            (format!("tftp -m ascii {SERVER} -c get boot/ipxe.efi {got}"), "mode netascii is not served"),
            (format!("cd /etc && tftp -m octet {SERVER} -c put hostname"), "this server takes no files"),
        ] {
            let (_, said) = on_client(&command).await;
            assert!(said.contains(words), "{command}: {said}");
        }
    });
}

/// Waits until an event is seen. Firmware takes half a minute without KVM, and minutes on a machine that has other
/// things to do.
async fn wait_for(
    events: &mut UnboundedReceiver<(Mac, Event)>,
    what: &str,
    is_it: impl Fn(&Event) -> bool,
) -> Vec<Event> {
    let mut all = Vec::new();
    let found = tokio::time::timeout(Duration::from_secs(400), async {
        while let Some((_, event)) = events.recv().await {
            all.push(event.clone());
            if is_it(&event) {
                return;
            }
        }
    });
    let found = found.await;
    assert!(found.is_ok(), "waited for {what}, but saw only {all:#?}");
    all
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Firmware {
    Bios,
    Uefi,
    /// UEFI with its PXE switched off, so that it comes to HTTP Boot at once.
    UefiHttp,
}

/// Boots firmware on a tap of the private network and gives the process, which dies with the test.
fn power_on(folder: &Path, firmware: Firmware) -> tokio::process::Child {
    let mut command = tokio::process::Command::new("qemu-system-x86_64");
    command.args(["-nodefaults", "-display", "none", "-m", "256", "-accel", "tcg"]);
    command.args(["-netdev", "tap,id=n,ifname=t0,script=no,downscript=no"]);
    // UEFI has a driver of its own for virtio-net; without the NIC's ROM, which is iPXE, it uses it.
    let nic = match firmware {
        Firmware::Bios => "e1000e,netdev=n,mac=52:54:00:00:00:01,bootindex=0",
        Firmware::Uefi | Firmware::UefiHttp => {
            "virtio-net-pci,netdev=n,mac=52:54:00:00:00:01,bootindex=0,romfile="
        }
    };
    command.args(["-device", nic]);
    command.arg("-serial").arg(format!("file:{}", folder.join("console").display()));
    if firmware != Firmware::Bios {
        let variables = folder.join("variables");
        std::fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", &variables).unwrap();
        let code = "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd";
        command.args(["-machine", "q35", "-drive", code, "-drive"]);
        command.arg(format!("if=pflash,format=raw,file={}", variables.display()));
    }
    if firmware == Firmware::UefiHttp {
        for version in ["IPv4", "IPv6"] {
            command.arg("-fw_cfg").arg(format!("name=opt/org.tianocore/{version}PXESupport,string=no"));
        }
    }
    command.kill_on_drop(true).spawn().unwrap()
}

/// UEFI's own PXE stack: probes the size, fetches with a window, and must be seen doing it.
#[test]
fn system_uefi_fetches_its_loader() {
    in_private_network(async || {
        ip("tuntap add t0 mode tap");
        let content: Arc<[u8]> = vec![7; 1_000_000].into();
        let mut events = serve("t0", &[(model::boot::UEFI_LOADER, content)]);
        let folder = tempfile::tempdir().unwrap();
        let _box = power_on(folder.path(), Firmware::Uefi);
        let seen = wait_for(&mut events, "the loader", |event| {
            matches!(event, Event::TransferDone { bytes: 1_000_000, .. })
        })
        .await;
        assert!(
            matches!(seen[0], Event::AddressAsked { client: Client::Rom, architecture: Some(7), .. }),
            "{seen:#?}"
        );
        assert!(!seen.iter().any(|event| matches!(event, Event::TransferFailed { .. })), "{seen:#?}");
    });
}

/// SeaBIOS with iPXE in the NIC's ROM: no loader is fetched, the script's address is given at once.
#[test]
fn system_ipxe_in_a_bios_rom_is_sent_to_its_script() {
    in_private_network(async || {
        ip("tuntap add t0 mode tap");
        let mut events = serve("t0", &[]);
        let folder = tempfile::tempdir().unwrap();
        let _box = power_on(folder.path(), Firmware::Bios);
        let seen = wait_for(&mut events, "iPXE to take its address", |event| {
            matches!(event, Event::AddressTaken { client: Client::Ipxe, .. })
        })
        .await;
        assert!(
            seen.iter().any(|event| matches!(event, Event::AddressOffered { bootfile: Some(url), .. }
                if url == "http://10.77.0.1/ipxe")),
            "{seen:#?}"
        );
    });
}

/// UEFI HTTP Boot: no TFTP at all; the offer must say `HTTPClient` back and carry a URL.
#[test]
fn system_uefi_http_boot_asks_for_the_loader() {
    in_private_network(async || {
        ip("tuntap add t0 mode tap");
        let mut events = serve("t0", &[]);
        let http = tokio::net::TcpListener::bind((SERVER, 80)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let _box = power_on(folder.path(), Firmware::UefiHttp);
        wait_for(&mut events, "HTTP Boot to take its address", |event| {
            matches!(event, Event::AddressTaken { client: Client::HttpBoot, .. })
        })
        .await;
        let (mut connection, _) =
            tokio::time::timeout(Duration::from_secs(60), http.accept()).await.unwrap().unwrap();
        let mut request = [0; 200];
        let length = connection.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        assert!(request.starts_with("HEAD /loader/ipxe.efi HTTP/1.1"), "{request}");
    });
}
