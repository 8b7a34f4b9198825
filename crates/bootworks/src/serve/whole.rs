//! The whole server in a private network, with the clients that everybody has: udhcpc and curl.
//!
//! What single parts do is tested beside them; here, that they know of each other.

use super::http::tests::{build, example};
use super::peers::{in_private_network, ip, lay_cable, on_client};
use super::*;
use expect_test::expect;
use std::fmt::Write as _;
use std::time::Duration;

fn setting(folder: &Path) -> Setting {
    let line = example(folder).unwrap();
    let key = crate::record::key::PrivateKey::of_file(&folder.join("record.key")).unwrap();
    Setting {
        counter: Counter {
            authority: script::authority(line.network.address, HTTP_PORT),
            address: line.network.address,
            http_port: HTTP_PORT,
            nfs_port: NFS_PORT,
            identity: None,
            proof: Proof::Heeded,
        },
        interface: "s0".into(),
        network: line.network.clone(),
        publications: Publications::open(folder, folder, example).unwrap(),
        answers: Default::default(),
        credentials: Credentials::of(&key, line.network.address).unwrap(),
        key,
        alarm: None,
        state: folder.join("state"),
        ports: tftp::Ports::Many,
        audience: Audience::Person,
    }
}

/// One line for each entry: what it is, of whom, and the detail that tells it from others.
async fn timeline(store: &Store) -> String {
    store.settle().await.unwrap();
    let mut text = String::new();
    for entry in store.entries(None, 0).await.unwrap() {
        let json = serde_json::to_value(&entry).unwrap();
        let details = ["client", "address", "bootfile", "file", "role", "nic", "release"];
        let details = details.iter().filter_map(|key| json.get(key)?.as_str()).collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "{} {} {details}", entry.of, json["event"].as_str().unwrap_or("?"));
    }
    text
}

/// Waits until the timeline has this: what one task sees is written by another.
async fn written(store: &Store, what: &str) {
    let written = async {
        while !timeline(store).await.contains(what) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), written).await;
    assert!(in_time.is_ok(), "the timeline never had `{what}`:\n{}", timeline(store).await);
}

/// The last words of a kernel come by whatever road is open; each must end on the timeline of the box that has
/// the address, without what a terminal would act on.
#[test]
fn system_log_lines_of_a_box_are_on_its_timeline() {
    in_private_network(async || {
        lay_cable();
        let folder = tempfile::tempdir().unwrap();
        build(folder.path(), &["e1000e"], 100);
        std::fs::create_dir_all(folder.path().join("root/etc")).unwrap();
        let network = setting(folder.path()).network;
        ears::choose_interface(Some("s0"), &network, Missing::Assigned).unwrap();
        let store =
            Store::open(SqliteShelf::open(&folder.path().join("state")).await.unwrap()).await.unwrap().0;
        let of = "52:54:00:00:00:01".parse().unwrap();
        store.note(
            of,
            Event::AddressTaken {
                client: model::timeline::Client::Ipxe,
                address: Ipv4Addr::new(10, 77, 0, 50),
            },
        );
        store.settle().await.unwrap();
        let ears = Ears::bind("s0", &network, (HTTP_PORT, HTTPS_PORT)).unwrap();
        let _servers = start(ears, setting(folder.path()), &store).unwrap();
        ip("-n client address add 10.77.0.50/24 dev c0");
        let said = async |command: &str, line: &str| {
            let (well, output) = on_client(command).await;
            assert!(well, "{command}: {output}");
            let there = async || {
                store.settle().await.unwrap();
                let entries = store.entries(Some(of), 0).await.unwrap();
                entries.iter().any(|entry| matches!(&entry.event, Event::Said { line: said } if said == line))
            };
            for _ in 0..200 {
                if there().await {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            panic!("never on the timeline: {line}");
        };
        said("logger --udp -n 10.77.0.1 -P 514 -t ipxe 'could not boot'", "ipxe: could not boot").await;
        said("logger --tcp -n 10.77.0.1 -P 514 -t dracut 'over tcp'", "dracut: over tcp").await;
        said("logger --tcp --octet-count --rfc3164 -n 10.77.0.1 -P 514 -t old counted", "old: counted").await;
        let panic = "[    3.1] Kernel panic - not syncing: VFS";
        let command = format!("bash -c \"echo '{panic}' > /dev/udp/10.77.0.1/6666\"");
        said(&command, panic).await;
        let board = on_client("curl -sS http://10.77.0.1/api/network").await.1;
        assert!(board.contains("\"log-line\":4"), "{board}");
    });
}

/// A box that boots by hand: address, loader, scripts, kernel. The server knows all along which box it is, also
/// where only its address is seen, and after a restart too.
#[test]
fn system_a_box_goes_through_the_whole_server() {
    in_private_network(async || {
        lay_cable();
        let folder = tempfile::tempdir().unwrap();
        build(folder.path(), &["e1000e"], 100);
        std::fs::create_dir_all(folder.path().join("root/etc")).unwrap();
        let network = setting(folder.path()).network;
        let interface = ears::choose_interface(Some("s0"), &network, Missing::Assigned).unwrap();
        assert_eq!(ears::choose_interface(Some("s0"), &network, Missing::Refused).unwrap(), "s0");
        ip("link set s0 up");
        let open = async || {
            let shelf = SqliteShelf::open(&folder.path().join("state")).await.unwrap();
            Store::open(shelf).await.unwrap().0
        };
        let store = open().await;
        let ears = Ears::bind(&interface, &network, (HTTP_PORT, HTTPS_PORT)).unwrap();
        let mut servers = start(ears, setting(folder.path()), &store).unwrap();

        let script = folder.path().join("script");
        std::fs::write(&script, "#!/bin/sh\n[ \"$1\" = bound ] && ip address add $ip/$mask dev c0\nexit 0\n")
            .unwrap();
        let made = std::process::Command::new("chmod").arg("755").arg(&script).status().unwrap();
        assert!(made.success());
        let lease = format!(
            "udhcpc -i c0 -n -q -f -V PXEClient:Arch:00000:UNDI:002001 -x 93:0000 -s {}",
            script.display()
        );
        let (took, said) = on_client(&lease).await;
        assert!(took, "{said}");
        let fetch = async |url: &str| on_client(&format!("curl -sS -f -m 10 '{url}'")).await;
        assert_eq!(fetch("tftp://10.77.0.1/undionly.kpxe").await, (true, "bios".into()));
        written(&store, "transfer-done undionly.kpxe").await;
        assert!(
            fetch("http://10.77.0.1/ipxe").await.1.starts_with("#!ipxe\nset boot http://10.77.0.1/boot?")
        );
        let boot = "http://10.77.0.1/boot?mac=52-54-00-00-00-01&nic=01808610d3&platform=pcbios";
        assert!(fetch(boot).await.1.contains("kernel http://10.77.0.1/live/live1/kernel"));
        assert_eq!(fetch("http://10.77.0.1/live/live1/kernel").await, (true, "kernel".into()));
        written(&store, "transfer-done kernel").await;
        expect![[r#"
            52:54:00:00:00:01 address-asked rom
            52:54:00:00:00:01 address-offered 10.77.0.50 undionly.kpxe
            52:54:00:00:00:01 address-taken rom 10.77.0.50
            52:54:00:00:00:01 transfer-started undionly.kpxe
            52:54:00:00:00:01 transfer-done undionly.kpxe loader
            52:54:00:00:00:01 transfer-done /ipxe script
            52:54:00:00:00:01 nic-reported 8086:10d3
            52:54:00:00:00:01 boot-offered 6.1.0-test
            52:54:00:00:00:01 transfer-started kernel
            52:54:00:00:00:01 transfer-done kernel kernel
        "#]]
        .assert_eq(&timeline(&store).await);

        servers.shutdown().await;
        let store = open().await;
        assert_eq!(store.leases().len(), 1, "a lease outlives the server");
        let ears = Ears::bind(&interface, &network, (HTTP_PORT, HTTPS_PORT)).unwrap();
        let _servers = start(ears, setting(folder.path()), &store).unwrap();
        assert_eq!(fetch("http://10.77.0.1/live/live1/initrd").await, (true, "the initrd".into()));
        written(&store, "transfer-done initrd").await;
        let last = timeline(&store).await;
        assert!(last.ends_with("52:54:00:00:00:01 transfer-done initrd initrd\n"), "{last}");
    });
}

/// The unit that the guide offers: systemd reads all of it, and finds what runs there well confined.
#[test]
fn system_the_service_is_confined() {
    if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
        eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (systemd-analyze)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bootworks.service");
    let unit = include_str!("../../../../packaging/bootworks.service");
    // What is to be run must be there.
    std::fs::write(&path, unit.replace("/usr/local/bin/bootworks", "/bin/true")).unwrap();
    // Of 100, by systemd's own count, where 100 is an ordinary service of root's.
    for words in [&["verify"][..], &["security", "--offline=true", "--threshold=35"]] {
        let output = std::process::Command::new("systemd-analyze").args(words).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{words:?}: {said}");
        assert!(!said.contains("ignoring"), "{said}");
    }
}
