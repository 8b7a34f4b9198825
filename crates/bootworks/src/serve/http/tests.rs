//! The API through real sockets, against a line whose build is a folder of small files.

mod fallback;

use super::super::boot::Proof;
use super::super::store::sqlite::SqliteShelf;
use super::*;
use expect_test::expect;
use model::line::Line;
use model::modules::alias::AliasTable;
use model::proof::LiveOs;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path as FilePath;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

const BOX: &str = "52:54:00:00:00:01";
const NIC: &str = "nic=01808610d3&platform=pcbios&serial=SN-7";

/// The example line, read once: what is tested is the server, not the reader.
pub(in crate::serve) fn example(_: &FilePath) -> model::failure::Result<Line> {
    let folder = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/edge-gateway");
    Ok(crate::line_folder::open(&folder)?.line().clone())
}

/// A server in this process, and its folder.
struct Bench {
    folder: TempDir,
    port: u16,
    https_port: u16,
    runtime: tokio::runtime::Runtime,
    service: Arc<Service>,
    /// Whether the server knows this machine's address for the box's.
    is_box: Arc<AtomicBool>,
}

/// Writes a build: `kernel`, `initrd` and so on are a few octets each, the image is `image` octets long.
pub(in crate::serve) fn build(folder: &FilePath, initrd_modules: &[&str], image: usize) {
    let templates = folder.join("files");
    std::fs::create_dir_all(&templates).unwrap();
    for name in ["index.html", "motd"] {
        std::fs::write(templates.join(name), "{{ answer.hostname }}").unwrap();
    }
    let file = |name: &str, content: &[u8]| {
        std::fs::write(folder.join(name), content).unwrap();
        let sha256 = format!("{:064x}", content.len());
        serde_json::json!({ "path": name, "bytes": content.len(), "sha256": sha256 })
    };
    let modules: BTreeSet<String> = initrd_modules.iter().map(|name| (*name).to_owned()).collect();
    let live = serde_json::to_string(&LiveOs {
        release: "6.1.0-test".into(),
        kernel: "linux-image-cloud-amd64".into(),
        initrd: modules.clone(),
        root: modules,
        aliases: AliasTable::of([("pci:v00008086d000010D3sv*sd*bc*sc*i*", "e1000e")]),
        packages: [("e1000e".to_owned(), vec!["linux-image-amd64".to_owned()])].into(),
        ..LiveOs::default()
    })
    .unwrap();
    let bytes: Vec<u8> = (0..image).map(|index| (index % 251) as u8).collect();
    let outputs = serde_json::json!({
        "line": "edge-gateway", "build": "test", "lock": "00",
        "live": {
            "digest": format!("live{}", initrd_modules.len()), "release": "6.1.0-test",
            "kernel": file("kernel", b"kernel"), "initrd": file("initrd", b"the initrd"),
            "squashfs": file("root.squashfs", b"hsqs"), "tree": "root",
            "drivers": file("drivers.json", live.as_bytes()),
            "memory": { "kernel_bytes": 50 << 20, "initrd_bytes": 70 << 20 },
        },
        "image": file("image.tar.zst", &bytes), "image_unpacked_bytes": 1000,
        "loader_bios": file("undionly.kpxe", b"bios"), "loader_efi": file("ipxe.efi", b"efi"),
        "loader_cd": file("ipxe.iso", b"cd"),
    });
    std::fs::write(folder.join("outputs.json"), outputs.to_string()).unwrap();
}

fn bench_with(proof: Proof, modules: &[&str], image: usize) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), modules, image);
    bench_in(folder, example, proof)
}

fn bench_in(folder: TempDir, read: super::super::publication::ReadLine, proof: Proof) -> Bench {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let is_box = Arc::new(AtomicBool::new(false));
    let (service, port, https_port) = runtime.block_on(async {
        let shelf = SqliteShelf::open(&folder.path().join("state")).await.unwrap();
        let store = Store::open(shelf).await.unwrap().0;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let authority = super::super::script::authority(Ipv4Addr::LOCALHOST, port);
        let key = PrivateKey::of_file(&folder.path().join("record.key")).unwrap();
        let service = Arc::new(Service {
            store,
            publications: Publications::open(folder.path(), folder.path(), read).unwrap(),
            transfers: file::Transfers::new(Board::default()),
            answers: vec![model::batch::Batch {
                everybody: [("site".to_owned(), "lab".to_owned())].into(),
                ..Default::default()
            }],
            sessions: Sessions::of(&key),
            key,
            counter: Counter {
                authority,
                address: Ipv4Addr::LOCALHOST,
                http_port: port,
                nfs_port: 2049,
                identity: None,
                proof,
            },
            owner: {
                let is_box = is_box.clone();
                Arc::new(move |_| is_box.load(Ordering::Relaxed).then(|| BOX.parse().unwrap()))
            },
            exports: Exports::default(),
            strangers: Mutex::default(),
            board: Board::default(),
            leases: None,
        });
        tokio::spawn(serve(listener.into_std().unwrap(), None, service.clone()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let https_port = listener.local_addr().unwrap().port();
        let credentials = Credentials::of(&service.key, Ipv4Addr::LOCALHOST).unwrap();
        credentials.publish(folder.path()).unwrap();
        tokio::spawn(serve(listener.into_std().unwrap(), Some(credentials), service.clone()));
        (service, port, https_port)
    });
    Bench { folder, port, https_port, runtime, service, is_box }
}

fn bench() -> Bench {
    bench_with(Proof::Heeded, &["e1000e"], 1000)
}

/// An answer as it came: status, headers, body.
struct Answered {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answered {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let line = self.headers.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }
}

impl Bench {
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answered {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Content-Length: {}\r\n\r\n{body}", body.len());
        // A server that refuses a large body closes early: what it said is read all the same.
        let _ = stream.write_all(head.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let headers = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
        Answered { status, headers, body: answer[end + 4..].to_vec() }
    }

    /// Asks with curl, which knows the authority's certificate and nothing else; the body, or what curl says.
    fn ask_sealed(&self, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Result<String, String> {
        let url = format!("https://127.0.0.1:{}{path}", self.https_port);
        let authority = self.folder.path().join(crate::serve::identity::FILE).display().to_string();
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sS", "--noproxy", "*", "--cacert", &authority, &url]);
        for (name, value) in headers {
            curl.args(["-H", &format!("{name}: {value}")]);
        }
        if let Some(body) = body {
            curl.args(["-d", body]);
        }
        let output = curl.output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap()),
            false => Err(String::from_utf8(output.stderr).unwrap()),
        }
    }

    fn get(&self, path: &str) -> Answered {
        self.ask("GET", path, &[], "")
    }

    fn post(&self, path: &str, body: &str) -> Answered {
        self.ask("POST", path, &[], body)
    }

    /// The box's timeline once what was told is on the disk, a word or two for each entry.
    fn timeline(&self) -> String {
        self.runtime.block_on(self.service.store.settle()).unwrap();
        let entries = self.get(&format!("/api/boxes/{BOX}/timeline")).json();
        let words = |entry: &serde_json::Value| {
            let detail =
                ["file", "role", "bytes", "reason", "cause", "line", "release", "fallback_because", "nic"]
                    .iter()
                    .filter_map(|key| entry.get(*key).or_else(|| entry.get("trouble")?.get(*key)))
                    .map(|value| value.to_string().replace('"', ""));
            std::iter::once(entry["event"].as_str().unwrap().to_owned())
                .chain(detail)
                .collect::<Vec<_>>()
                .join(" ")
        };
        entries.as_array().unwrap().iter().map(|entry| words(entry) + "\n").collect()
    }
}

/// The road of a covered box through the server, to its timeline.
#[test]
fn a_covered_box_is_told_to_boot() {
    let bench = bench();
    let first = bench.get("/ipxe");
    assert_eq!(first.status, 200);
    assert!(first.text().contains(&format!("set boot http://127.0.0.1:{}/boot?mac=", bench.port)));
    let script = bench.get(&format!("/boot?mac=52-54-00-00-00-01&{NIC}")).text();
    assert!(
        script.contains(" bootworks.live=live1 bootworks.root=nfs BOOTIF=01-52-54-00-00-00-01"),
        "{script}"
    );
    assert_eq!(bench.get(&format!("/live/live1/kernel?box={BOX}")).text(), "kernel");
    assert_eq!(bench.get(&format!("/live/live1/initrd?box={BOX}")).text(), "the initrd");
    assert_eq!(bench.get(&format!("/live/other/initrd?box={BOX}")).status, 404);
    expect![[r#"
        nic-reported 8086:10d3
        boot-offered 6.1.0-test
        transfer-started kernel 6
        transfer-done kernel kernel 6
        transfer-started initrd 10
        transfer-done initrd initrd 10
        transfer-failed initrd 0 there is no such file
    "#]]
    .assert_eq(&bench.timeline());
    let state = bench.get(&format!("/api/boxes/{BOX}")).json();
    assert_eq!((state["label"].as_str(), state["highest"].as_str()), (Some("SN-7"), Some("fetched-initrd")));
    assert_eq!(bench.get("/api/boxes").json().as_array().unwrap().len(), 1);
}

/// A finished box goes to its disk, from whichever NIC it boots, until somebody at it or over the API wants more: a
/// firmware that boots the network first would otherwise have it installed over and over.
#[test]
fn a_finished_box_is_sent_to_its_disk() {
    let bench = bench();
    let names = "nic=01808610d3&platform=pcbios&serial=SN-7&uuid=4c4c-01";
    let ask = format!("/boot?mac=52-54-00-00-00-01&{names}");
    let installs = |path: &str| bench.get(path).text().contains("kernel http");
    let finish = |boot: &str| {
        let off = r#"{"event":"reached","rung":"powered-off","detail":""}"#;
        let report =
            format!(r#"{{"box":"{BOX}","boot":"{boot}","first":0,"build":"test","events":[{off}]}}"#);
        assert_eq!(bench.post("/api/report", &report).status, 200);
    };
    let again = format!("/api/boxes/{BOX}/install");
    assert!(installs(&ask));
    assert_eq!(bench.post(&again, "{}").status, 409);
    finish("b1");
    let screen = bench.get(&ask).text();
    assert!(
        screen.contains("is finished and starts from its disk.") && screen.contains("|| exit 1"),
        "{screen}"
    );
    assert!(!installs(&ask) && !installs(&format!("/boot?mac=52-54-00-00-00-02&{names}")));
    assert!(installs("/boot?mac=52-54-00-00-00-03&platform=pcbios&serial=SN-8&uuid=4c4c-01"));
    assert_eq!(bench.get(&format!("/api/boxes/{BOX}")).json()["standing"], "finished");
    // A person at the box, with the key that the screen names.
    let wish = screen.lines().find_map(|line| line.strip_prefix("chain --replace --autofree ")).unwrap();
    assert!(installs(wish[wish.find("/boot?").unwrap()..].trim_end_matches(" ||")));
    assert!(installs(&ask), "asked once, it counts until the box is finished again");
    finish("b2");
    assert!(!installs(&ask));
    assert_eq!(bench.post(&again, "{}").status, 200);
    assert!(installs(&ask));
    assert_eq!(bench.post(&again, "{}").status, 409);
}

/// The story: a NIC without a driver is refused by name; asked again it says nothing new; once the line is
/// built with the driver, the box boots without being touched.
#[test]
fn a_box_without_a_driver_is_refused_until_the_line_is_repaired() {
    let bench = bench_with(Proof::Heeded, &[], 10);
    let ask = format!("/boot?mac=52-54-00-00-00-01&{NIC}");
    let screen = bench.get(&ask).text();
    for words in ["8086:10d3", "e1000e", "linux-image-amd64", "nic-driver-missing"] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    assert!(!screen.contains("kernel http"), "{screen}");
    let again = screen.lines().find_map(|line| line.strip_prefix("chain --replace --autofree ")).unwrap();
    let again = &again[again.find("/boot?").unwrap()..].trim_end_matches(" ||");
    assert_eq!(bench.get(again).text(), screen);
    build(bench.folder.path(), &["e1000e", "igb"], 10);
    assert!(bench.get(again).text().contains("kernel http"));
    expect![[r#"
        nic-reported 8086:10d3
        boot-refused nic-driver-missing
        trouble-over nic-driver-missing
        boot-offered 6.1.0-test
    "#]]
    .assert_eq(&bench.timeline());
}

/// With `--ignore-proof` the box boots, and its timeline knows what will come.
#[test]
fn an_ignored_proof_is_still_in_the_timeline() {
    let bench = bench_with(Proof::Ignored, &[], 10);
    assert!(bench.get(&format!("/boot?mac=52-54-00-00-00-01&{NIC}")).text().contains("kernel http"));
    bench.get(&format!("/live/live0/kernel?box={BOX}"));
    expect![[r#"
        nic-reported 8086:10d3
        trouble-found nic-driver-missing
        boot-offered 6.1.0-test
        transfer-started kernel 6
        transfer-done kernel kernel 6
    "#]]
    .assert_eq(&bench.timeline());
    assert_eq!(bench.get(&format!("/api/boxes/{BOX}")).json()["trouble"]["cause"], "nic-driver-missing");
}

/// A box that cannot hold what it would start is told before it tries; one that has more, or does not say, boots.
#[test]
fn a_box_with_too_little_memory_is_refused_before_its_kernel() {
    let ask = |bench: &Bench, memory: &str| {
        bench.get(&format!("/boot?mac=52-54-00-00-00-01&{NIC}&memory={memory}")).text()
    };
    let (small, large) = ("00000000ffff0100...", "00000000ffff0300...");
    let bench = bench_with(Proof::Heeded, &["e1000e"], 10);
    let screen = ask(&bench, small);
    for words in ["128 MiB", "190 MiB", "ram-too-small-initrd"] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    assert!(!screen.contains("kernel http"), "{screen}");
    assert!(ask(&bench, large).contains("kernel http"));
    assert!(ask(&bench, "...").contains("kernel http"));
    let ignoring = bench_with(Proof::Ignored, &["e1000e"], 10);
    assert!(ask(&ignoring, small).contains("kernel http"));
    expect![[r#"
        nic-reported 8086:10d3
        trouble-found ram-too-small-initrd
        boot-offered 6.1.0-test
    "#]]
    .assert_eq(&ignoring.timeline());
    let state = ignoring.get(&format!("/api/boxes/{BOX}")).json();
    assert_eq!(state["trouble"]["rung"], "initrd-spoke");
}

/// Ranges, as a download that was cut off asks for them, and the account that comes of it.
#[test]
fn a_cut_download_goes_on_where_it_was() {
    let image = 16_000_000;
    let bench = bench_with(Proof::Heeded, &["e1000e"], image);
    let sha256 = format!("{image:064x}");
    let path = format!("/image/{sha256}?box={BOX}");
    let tag = format!("\"{sha256}\"");
    let head = bench.ask("HEAD", &path, &[], "");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("16000000"), 0));
    assert_eq!((head.header("etag"), head.header("accept-ranges")), (Some(tag.as_str()), Some("bytes")));
    assert_eq!(bench.ask("GET", &path, &[("If-None-Match", &tag)], "").status, 304);

    // Cut: the client goes away after the first octets; the kernel's buffers (`tcp_wmem`: 4 MiB) hold less than the image.
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, bench.port)).unwrap();
    socket2::SockRef::from(&stream).set_recv_buffer_size(4096).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 100]).unwrap();
    drop(stream);
    let failed = || bench.timeline().contains("transfer-failed");
    let start = std::time::Instant::now();
    while !failed() && start.elapsed() < std::time::Duration::from_secs(10) {}

    let part = bench.ask("GET", &path, &[("Range", "bytes=15999990-"), ("If-Range", &tag)], "");
    assert_eq!((part.status, part.header("content-range")), (206, Some("bytes 15999990-15999999/16000000")));
    let expected: Vec<u8> = (15_999_990..16_000_000usize).map(|index| (index % 251) as u8).collect();
    assert_eq!(part.body, expected);
    let timeline = bench.timeline();
    let events: Vec<&str> = timeline.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(events, ["transfer-started", "transfer-failed", "transfer-done"], "{timeline}");

    let other = bench.ask("GET", &path, &[("Range", "bytes=10-"), ("If-Range", "\"another build\"")], "");
    assert_eq!(
        (other.status, other.body.len()),
        (200, image),
        "a resumed download of another build starts over"
    );
    let weak = bench.ask("GET", &path, &[("Range", "bytes=10-"), ("If-Range", &format!("W/{tag}"))], "");
    assert_eq!(weak.status, 200, "a weak tag never allows a range");
    let beyond = bench.ask("GET", &path, &[("Range", "bytes=16000000-")], "");
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */16000000")));
}

/// curl is the client in everybody's scripts: it resumes and gets the file bit for bit.
#[test]
fn curl_resumes() {
    let bench = bench_with(Proof::Heeded, &["e1000e"], 3_000_000);
    let sha256 = format!("{:064x}", 3_000_000);
    let target = bench.folder.path().join("got");
    let whole = std::fs::read(bench.folder.path().join("image.tar.zst")).unwrap();
    std::fs::write(&target, &whole[..1_234_567]).unwrap();
    let url = format!("http://127.0.0.1:{}/image/{sha256}", bench.port);
    let curl = std::process::Command::new("curl")
        .args(["-sS", "-f", "-C", "-", "-o"])
        .arg(&target)
        .arg(url)
        .status();
    match curl {
        Ok(status) => assert!(status.success()),
        Err(_) => return eprintln!("skipped: needs curl"),
    }
    assert!(std::fs::read(&target).unwrap() == whole);
}

/// Reports are answered with what was given meanwhile, and come in once.
#[test]
fn a_report_is_answered_with_orders() {
    let bench = bench();
    let report = |first: u64, events: &str| {
        format!(r#"{{"box":"{BOX}","boot":"b1","first":{first},"build":"test","events":[{events}]}}"#)
    };
    let said = r#"{"event":"said","line":"hello\u001b[2J"}"#;
    let spoke = r#"{"event":"reached","rung":"initrd-spoke","detail":""}"#;
    let orders = bench.post("/api/report", &report(0, &format!("{said},{spoke}")));
    assert_eq!((orders.status, orders.text().as_str()), (200, r#"{"answers":{},"confirmed":false}"#));
    assert_eq!(bench.post("/api/report", &report(0, said)).status, 200);
    assert_eq!(bench.timeline(), "said hello[2J\nreached\n");

    let answers = format!("/api/boxes/{BOX}/answers");
    let verdict = bench.post(&answers, r#"{"hostname":"edge-7","site":"mars","password":"long enough"}"#);
    assert_eq!(verdict.status, 422);
    assert_eq!(verdict.json()["taken"], serde_json::json!(["hostname", "password"]));
    assert_eq!(
        verdict.json()["refused"]["site"],
        "choose one of lab, berlin, oslo, porto, by its name or its number (1 to 4)"
    );
    let orders = bench.post("/api/report", &report(2, "")).json();
    let job = bench.get(&format!("/api/boxes/{BOX}/job")).json();
    for answers in [&job["answers"], &orders["answers"]] {
        assert_eq!(
            (answers["hostname"].as_str(), answers.get("password")),
            (Some("edge-7"), None),
            "a stranger"
        );
    }
    bench.is_box.store(true, Ordering::Relaxed);
    let job = bench.ask_sealed(&format!("/api/boxes/{BOX}/job"), &[], None).unwrap();
    let job: serde_json::Value = serde_json::from_str(&job).unwrap();
    assert_eq!(
        (job["answers"]["hostname"].as_str(), job["answers"]["site"].as_str()),
        (Some("edge-7"), Some("lab"))
    );
    assert!(model::crypt::is_crypted(job["answers"]["password"].as_str().unwrap()));
    assert_eq!(job["appliance"]["image"]["bytes"], 1000);
    assert_eq!(job["appliance"]["files"][0]["contents"], "{{ answer.hostname }}");
    let orders = bench.post("/api/report", &report(2, said)).json();
    assert_eq!(orders["answers"]["hostname"], "edge-7");

    let confirm = format!("/api/boxes/{BOX}/confirm");
    assert_eq!(bench.post(&confirm, "{}").status, 409);
    bench.post("/api/report", &report(3, r#"{"event":"plan-shown","text":"1. lay out nvme0n1"}"#));
    assert_eq!(bench.post(&confirm, "{}").status, 200);
    assert_eq!(bench.post("/api/report", &report(4, said)).json()["confirmed"], true);
}

/// A password's hash goes to the box that booted, over whichever of its NICs it speaks; nobody else talks the server
/// out of it, and no log that the box sends gives its session away.
#[test]
fn secrets_go_to_the_box_that_shows_its_session() {
    let bench = bench();
    let boot = || bench.get(&format!("/boot?mac=52-54-00-00-00-01&{NIC}")).text();
    assert!(!boot().contains("bootworks.session"), "who asks is not the box");
    bench.is_box.store(true, Ordering::Relaxed);
    let script = boot();
    let session = script.split("bootworks.session=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    bench.is_box.store(false, Ordering::Relaxed);
    bench.post(&format!("/api/boxes/{BOX}/answers"), r#"{"password":"long enough"}"#);
    let bearer = |session: &str| format!("Bearer {session}");
    let report = |of: &str| format!(r#"{{"box":"{of}","boot":"b1","first":0,"build":"test","events":[]}}"#);
    let has_password = |of: &str, authorization: Option<String>| {
        let headers: Vec<(&str, &str)> =
            authorization.iter().map(|shown| ("Authorization", shown.as_str())).collect();
        let read = |answer: Result<String, String>| serde_json::from_str(&answer.unwrap()).unwrap();
        let job: serde_json::Value = read(bench.ask_sealed(&format!("/api/boxes/{of}/job"), &headers, None));
        let orders: serde_json::Value = read(bench.ask_sealed("/api/report", &headers, Some(&report(of))));
        let both = [&job, &orders].map(|answered| answered["answers"].get("password").is_some());
        assert_eq!(both[0], both[1], "{job} {orders}");
        both[0]
    };
    assert!(has_password(BOX, Some(bearer(&session))));
    let shown = bearer(&session);
    let job = bench.ask("GET", &format!("/api/boxes/{BOX}/job"), &[("Authorization", &shown)], "").json();
    assert!(job["answers"].get("password").is_none(), "others read what goes without TLS: {job}");
    let orders = bench.ask("POST", "/api/report", &[("Authorization", &shown)], &report(BOX)).json();
    assert!(orders["answers"].get("password").is_none(), "others read what goes without TLS: {orders}");
    assert!(!has_password(BOX, None), "a stranger");
    let other = bench.service.sessions.begin("52:54:00:00:00:02".parse().unwrap(), now());
    assert!(!has_password(BOX, Some(bearer(&other))), "another box");
    assert!(!has_password(BOX, Some(session.clone())), "without the scheme");
    bench.is_box.store(true, Ordering::Relaxed);
    assert!(has_password(BOX, None), "its own address");
    assert!(!has_password(BOX, Some(bearer(&other))), "its own address, with another box's session");
    let line = format!("Command line: quiet bootworks.session={session} panic=30");
    let report = serde_json::json!({
        "box": BOX, "boot": "b1", "first": 0, "build": "test", "events": [{"event": "said", "line": line}],
    });
    bench.post("/api/report", &report.to_string());
    let timeline = bench.timeline();
    assert!(timeline.contains("said Command line: quiet bootworks.session=(hidden) panic=30"), "{timeline}");
}

/// A server that another line's authority vouches for is not ours, whatever its address.
#[test]
fn a_client_of_another_line_does_not_trust_the_server() {
    let bench = bench();
    assert!(bench.ask_sealed("/api/boxes", &[], None).is_ok());
    let other = PrivateKey::of_file(&bench.folder.path().join("other.key")).unwrap();
    Credentials::of(&other, Ipv4Addr::LOCALHOST).unwrap().publish(bench.folder.path()).unwrap();
    let said = bench.ask_sealed("/api/boxes", &[], None).unwrap_err();
    assert!(said.contains("certificate"), "{said}");
    let elsewhere = Credentials::of(&bench.service.key, Ipv4Addr::new(10, 77, 0, 1)).unwrap();
    elsewhere.publish(bench.folder.path()).unwrap();
    assert!(bench.ask_sealed("/api/boxes", &[], None).is_ok(), "the authority is the line's everywhere");
}

/// The record goes in as it comes and out as it went in.
#[test]
fn a_record_is_kept() {
    let bench = bench();
    let path = format!("/api/boxes/{BOX}/record");
    assert_eq!(bench.get(&path).status, 404);
    assert_eq!(bench.ask("PUT", &path, &[], "[1]").status, 400);
    assert_eq!(bench.ask("PUT", &path, &[], r#"{"serial":"SN-7"}"#).status, 200);
    let text = bench.get(&path).text();
    let signed = model::record::Signed::parse(&text).unwrap();
    let record: serde_json::Value = serde_json::from_str(signed.record).unwrap();
    assert!(record["serial"] == "SN-7" && record["sealed-at"].is_u64(), "{record}");
    assert_eq!(signed.key, bench.service.key.public().to_string());
}

/// Whatever comes over the network is answered with a sentence and a hint, and reaches no file.
#[test]
fn nonsense_is_refused_with_a_sentence() {
    let bench = bench();
    let mut answers = String::new();
    let large = "x".repeat(5 * 1024 * 1024);
    for (method, path, body) in [
        ("GET", "/nowhere", ""),
        ("GET", "/boot", ""),
        ("POST", "/ipxe", ""),
        ("GET", "/live/../../etc/passwd", ""),
        ("GET", "/live/live1/..%2f..%2fetc%2fpasswd", ""),
        ("GET", "/image/..%2foutputs.json", ""),
        ("GET", "/loader/..%2foutputs.json", ""),
        ("GET", "/live/live1/%2e%2e%2foutputs.json", ""),
        ("GET", "/live/%2e%2e/outputs.json", ""),
        ("GET", "/live/live1/kernel%00", ""),
        ("GET", "/loader/%252e%252e%252foutputs.json", ""),
        ("GET", "/loader//etc/passwd", ""),
        ("GET", "/api/boxes/nobody", ""),
        ("GET", "/api/boxes/52:54:00:00:00:99", ""),
        ("POST", "/api/report", "{"),
        ("POST", "/api/report", r#"{"box":"x"}"#),
        ("POST", "/api/report", &large),
        ("POST", "/api/boxes/52:54:00:00:00:01/answers", "[]"),
    ] {
        let answered = bench.ask(method, path, &[], body);
        let error = answered.json()["error"].as_str().unwrap_or("?").to_owned();
        let _ = writeln!(answers, "{method} {path}: {} {error}", answered.status);
    }
    expect![[r#"
        GET /nowhere: 404 there is nothing here
        GET /boot: 400 `mac=` is not an Ethernet address (six pairs of hex digits, like 52:54:00:12:34:56)
        POST /ipxe: 405 not that way
        GET /live/../../etc/passwd: 404 there is nothing here
        GET /live/live1/..%2f..%2fetc%2fpasswd: 404 there is no such file
        GET /image/..%2foutputs.json: 404 there is no such file
        GET /loader/..%2foutputs.json: 404 there is no such file
        GET /live/live1/%2e%2e%2foutputs.json: 404 there is no such file
        GET /live/%2e%2e/outputs.json: 404 there is no such file
        GET /live/live1/kernel%00: 404 there is no such file
        GET /loader/%252e%252e%252foutputs.json: 404 there is no such file
        GET /loader//etc/passwd: 404 there is no such file
        GET /api/boxes/nobody: 400 `nobody` is not an Ethernet address (six pairs of hex digits, like 52:54:00:12:34:56)
        GET /api/boxes/52:54:00:00:00:99: 404 nothing was seen of the box 52:54:00:00:00:99
        POST /api/report: 400 the body is not what is expected here: EOF while parsing an object at line 1 column 1
        POST /api/report: 400 the body is not what is expected here: not an Ethernet address (six pairs of hex digits, like 52:54:00:12:34:56) at line 1 column 11
        POST /api/report: 413 Failed to buffer the request body: length limit exceeded
        POST /api/boxes/52:54:00:00:00:01/answers: 400 the body is not what is expected here: invalid type: sequence, expected a map at line 1 column 0
    "#]].assert_eq(&answers);
}
