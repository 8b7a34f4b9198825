//! The server through real sockets: what a client sees of a folder, of a restart, of a lost connection.

mod client;
mod kernel;

use super::{Book, Ears, Export, spawn};
use client::{Client, FILE_HANDLE_ERRORS, Found, call_to};
use model::timeline::Event;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use wire::mac::Mac;
use wire::nfs::{Procedure, mount, portmap};
use wire::rpc::xdr::{Reader, Writer};

/// A server on ports of its own; dropped, it is gone with its connections.
struct Server {
    nfs: SocketAddr,
    portmap: SocketAddr,
    seen: UnboundedReceiver<(Mac, Event)>,
    _tasks: JoinSet<()>,
}

const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

/// Serves `folder` as `/live` and as `/live/d1`, and a folder that is not there as `/gone`.
async fn serve(folder: &Path) -> Server {
    serve_at(folder, "127.0.0.1:0").await
}

async fn serve_at(folder: &Path, address: &str) -> Server {
    serve_on(folder, address, "127.0.0.1:0").await
}

async fn serve_on(folder: &Path, address: &str, portmap: &str) -> Server {
    let nfs = TcpListener::bind(address).await.unwrap();
    let at = nfs.local_addr().unwrap();
    let nfs_udp = UdpSocket::bind(at).await.unwrap();
    let portmap = TcpListener::bind(portmap).await.unwrap();
    let portmap_at = portmap.local_addr().unwrap();
    let portmap_udp = UdpSocket::bind(portmap_at).await.unwrap();
    let ears = Ears { nfs, nfs_udp, portmap: Some((portmap, portmap_udp)) };
    let export = |path: &str, folder: &Path| Export { path: path.into(), folder: folder.into() };
    let exports =
        vec![export("/live", folder), export("/live/d1", folder), export("/gone", &folder.join("no such"))];
    let book: Book = Arc::new(|_| Some(MAC));
    let (told, seen) = unbounded_channel();
    let tasks = spawn(exports, ears, book, told);
    Server { nfs: at, portmap: portmap_at, seen, _tasks: tasks }
}

/// A folder with one of each kind that needs no root.
fn small_tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("usr/lib")).unwrap();
    std::fs::write(at("usr/lib/libc.so"), vec![7; 300_000]).unwrap();
    std::fs::hard_link(at("usr/lib/libc.so"), at("usr/lib/libc.so.6")).unwrap();
    std::fs::write(at("usr/sudo"), "#!").unwrap();
    std::fs::set_permissions(at("usr/sudo"), PermissionsExt::from_mode(0o4755)).unwrap();
    std::fs::write(at("shadow"), "root:*").unwrap();
    std::fs::set_permissions(at("shadow"), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(at("empty"), "").unwrap();
    symlink("usr/lib", at("lib")).unwrap();
    symlink("/etc/passwd", at("outside")).unwrap();
    std::fs::create_dir(at("void")).unwrap();
    std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    folder
}

/// What the client sees is what `stat`, `readlink` and `read` say on the host, file by file.
#[tokio::test]
async fn a_client_sees_the_folder_as_it_is() {
    let folder = small_tree();
    let server = serve(folder.path()).await;
    let mut client = Client::connect(server.nfs).await;
    let root = client.mount("/live").await.unwrap();
    assert_eq!(client.mount("//live/d1/").await, Ok(root.clone()), "one folder is one tree");
    let mut numbers = BTreeMap::new();
    let mut folders = vec![(root.clone(), folder.path().to_owned())];
    while let Some((handle, path)) = folders.pop() {
        let listed = client.list_plus(&handle, 4096, 4096).await;
        let mut names: BTreeSet<String> = listed.iter().map(|found| found.name.clone()).collect();
        assert_eq!(names.len(), listed.len(), "each name once");
        assert!(names.remove(".") && names.remove(".."));
        let on_disk = std::fs::read_dir(&path).unwrap();
        let on_disk = on_disk.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(names, on_disk);
        for found in listed.iter().filter(|found| !found.name.starts_with('.')) {
            let path = path.join(&found.name);
            compare(&mut client, &handle, found, &path).await;
            numbers.insert(path.strip_prefix(folder.path()).unwrap().to_owned(), found.attributes.number);
            if path.symlink_metadata().unwrap().is_dir() {
                folders.push((found.handle.clone(), path));
            }
        }
    }
    assert_eq!(numbers.len(), 11);
    assert_eq!(numbers[Path::new("usr/lib/libc.so")], numbers[Path::new("usr/lib/libc.so.6")]);
    assert_eq!(numbers.values().collect::<BTreeSet<_>>().len(), 10, "only hard links share a number");
}

async fn compare(client: &mut Client, folder: &[u8], found: &Found, path: &Path) {
    let disk = path.symlink_metadata().unwrap();
    let told = found.attributes;
    assert_eq!(told.mode, disk.mode() & 0o7777, "{path:?}");
    assert_eq!(u64::from(told.links), disk.nlink(), "{path:?}");
    assert_eq!((told.uid, told.gid), (disk.uid(), disk.gid()), "{path:?}");
    assert_eq!((told.size, told.used), (disk.size(), disk.blocks() * 512), "{path:?}");
    assert_eq!((told.modified.0 as i64, told.modified.1 as i64), (disk.mtime(), disk.mtime_nsec()));
    assert_eq!(client.look_up(folder, &found.name).await, Ok(found.handle.clone()), "{path:?}");
    assert_eq!(client.attributes(&found.handle).await, Ok(told), "{path:?}");
    if disk.is_symlink() {
        let text = client.read_link(&found.handle).await.unwrap();
        assert_eq!(text, std::fs::read_link(path).unwrap().to_str().unwrap());
    } else if disk.is_file() {
        for count in [1 << 20, 4096, 100_000] {
            let read = client.read_whole(&found.handle, count).await.unwrap();
            assert!(read == std::fs::read(path).unwrap(), "{path:?} in pieces of {count}");
        }
    }
}

/// A directory of 10,000 names comes once each, however small the client's pieces are, by both procedures.
#[tokio::test]
async fn ten_thousand_names_come_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let names: BTreeSet<String> = (0..10_000).map(|number| format!("file-{number:05}")).collect();
    for name in &names {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let server = serve(folder.path()).await;
    let mut client = Client::connect(server.nfs).await;
    let root = client.mount("/live").await.unwrap();
    for (names_most, count) in [(512, 4096), (32 << 10, 128 << 10), (1 << 20, 1 << 20)] {
        let listed = client.list_plus(&root, names_most, count).await;
        assert_eq!(listed.len(), 10_002);
        let listed: BTreeSet<String> = listed.into_iter().map(|found| found.name).collect();
        assert!(listed.is_superset(&names));
    }
    for count in [512, 65_536] {
        let listed = client.list(&root, count).await;
        assert_eq!(listed.len(), 10_002);
        assert!(listed.into_iter().collect::<BTreeSet<String>>().is_superset(&names));
    }
    assert_eq!(client.list_raw(&root, 0, 100).await, Err(10_005), "too small for a single name");
}

/// The server is stopped and started while a box runs: its handles stay good, and a listing goes on where it was.
#[tokio::test]
async fn a_restart_keeps_handles_and_cookies() {
    let folder = small_tree();
    let first = serve(folder.path()).await;
    let address = first.nfs.to_string();
    let mut client = Client::connect(first.nfs).await;
    let root = client.mount("/live").await.unwrap();
    let listed = client.list_plus(&root, 4096, 4096).await;
    let shadow = client.look_up(&root, "shadow").await.unwrap();
    drop(first);
    assert!(client.try_call(100_003, 3, 0, &[]).await.is_err(), "its connections end with it");

    // Names that come and go do not move the others' cookies.
    std::fs::write(folder.path().join("new"), "").unwrap();
    let second = serve_at(folder.path(), &address).await;
    let mut client = Client::connect(second.nfs).await;
    assert_eq!(client.read_whole(&shadow, 4096).await.unwrap(), b"root:*", "without a new mount");
    let half = &listed[listed.len() / 2];
    let rest = client.list_raw(&root, half.cookie, 65_536).await.unwrap().0;
    let rest: Vec<&String> = rest.iter().map(|(name, _)| name).filter(|name| *name != "new").collect();
    let expected: Vec<&String> = listed[listed.len() / 2 + 1..].iter().map(|found| &found.name).collect();
    assert_eq!(rest, expected);
}

/// A handle names one file for ever: what took its name later, or comes from elsewhere, is not it.
#[tokio::test]
async fn handles_lead_to_their_file_or_nowhere() {
    let folder = small_tree();
    let at = |name: &str| folder.path().join(name);
    let server = serve(folder.path()).await;
    let mut client = Client::connect(server.nfs).await;
    let root = client.mount("/live").await.unwrap();
    let (bad, stale) = FILE_HANDLE_ERRORS;
    for strange in [&b""[..], b"x", &[0; 28], &[0xff; 64], &root[..19], &[&root[..], &[0]].concat()] {
        assert_eq!(client.attributes(strange).await, Err(bad), "{strange:02x?}");
    }
    for place in [4, 12, 19] {
        let mut forged = root.clone();
        forged[place] ^= 1;
        assert_eq!(client.attributes(&forged).await, Err(stale));
    }
    // Nothing is above the root, and names with slashes are only names.
    assert_eq!(client.look_up(&root, "..").await, Ok(root.clone()));
    let usr = client.look_up(&root, "usr").await.unwrap();
    assert_eq!(client.look_up(&usr, "..").await, Ok(root.clone()));
    for name in ["usr/lib", "../etc", "/etc", "", "no such"] {
        assert_eq!(client.look_up(&root, name).await, Err(2), "{name}");
    }
    assert_eq!(client.look_up(&root, &"x".repeat(256)).await, Err(63));
    // A link is never followed here: looking into it is looking into something that is no folder.
    let lib = client.look_up(&root, "lib").await.unwrap();
    assert_eq!(client.look_up(&lib, "libc.so").await, Err(20));
    assert_eq!(client.read(&lib, 0, 10).await.unwrap_err(), 22);
    assert_eq!(client.read(&usr, 0, 10).await.unwrap_err(), 21);

    // Files put in the place of those that were walked: by another file, by a link that leads out.
    let (shadow, sudo) =
        (client.look_up(&root, "shadow").await.unwrap(), client.look_up(&usr, "sudo").await.unwrap());
    std::fs::write(at("next"), "another").unwrap();
    std::fs::rename(at("next"), at("shadow")).unwrap();
    std::fs::remove_file(at("usr/sudo")).unwrap();
    symlink("/etc/passwd", at("usr/sudo")).unwrap();
    assert_eq!(client.read(&shadow, 0, 10).await.unwrap_err(), stale);
    assert_eq!(client.read(&sudo, 0, 10).await.unwrap_err(), stale);
    let outside = at("usr");
    let libc = client_path(&mut client, &root, &["usr", "lib", "libc.so"]).await;
    std::fs::rename(&outside, at("usr.old")).unwrap();
    symlink("/usr", &outside).unwrap();
    assert_eq!(client.read(&libc, 0, 10).await.unwrap_err(), stale, "a folder of its path is a link now");
}

async fn client_path(client: &mut Client, root: &[u8], names: &[&str]) -> Vec<u8> {
    let mut at = root.to_vec();
    for name in names {
        at = client.look_up(&at, name).await.unwrap();
    }
    at
}

/// The Linux client sends a call again with the same number on a new connection, from the same port: it is
/// answered like any other. Fragments and hundreds of calls in one piece are nothing special either.
#[tokio::test]
async fn retransmissions_fragments_and_pipelines_are_answered() {
    let folder = small_tree();
    let server = serve(folder.path()).await;
    let mut client = Client::connect(server.nfs).await;
    let root = client.mount("/live").await.unwrap();
    let port = client.local_port();
    let handle = Writer::default().opaque(&root).clone().into_bytes();
    let message = call_to(0x1234, 100_003, 3, Procedure::GetAttr as u32, &handle);
    client.send(&message).await;
    let once = client.receive().await.unwrap();
    client.send(&message).await;
    assert_eq!(client.receive().await.unwrap(), once, "again on the same connection");
    drop(client);
    let mut client = Client::connect_from(port, server.nfs).await;
    client.send(&message).await;
    assert_eq!(client.receive().await.unwrap(), once, "again after connecting anew from the same port");

    let (head, tail) = message.split_at(17);
    client
        .send_raw(
            &[&[0, 0, 0, 17], head, &(0x8000_0000 + tail.len() as u32).to_be_bytes()[..], tail].concat(),
        )
        .await;
    assert_eq!(client.receive().await.unwrap(), once, "in two fragments");

    let libc = client_path(&mut client, &root, &["usr", "lib", "libc.so"]).await;
    let read = Writer::default().opaque(&libc).u64(0).u32(1 << 20).clone().into_bytes();
    let mut calls = Vec::new();
    for xid in 0..200 {
        let message = call_to(xid, 100_003, 3, Procedure::Read as u32, &read);
        calls.extend((0x8000_0000 + message.len() as u32).to_be_bytes());
        calls.extend(message);
    }
    // 60 MB of answers to calls that are sent before any of them is read.
    client.send_raw(&calls).await;
    let mut answered = BTreeSet::new();
    for _ in 0..200 {
        let reply = client.receive().await.unwrap();
        assert!(reply.len() > 300_000);
        answered.insert(u32::from_be_bytes(reply[..4].try_into().unwrap()));
    }
    assert_eq!(answered, (0..200).collect());
    client.send_raw(&[0xff; 8]).await;
    assert!(client.receive().await.is_err(), "a message of 2 GiB ends the conversation");
}

/// Pieces that go out straight from the kernel's memory are the file's, whatever length they have and wherever they begin;
/// a file that became shorter ends where it ends now.
#[tokio::test]
async fn large_pieces_are_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    let content: Vec<u8> = (0..300_003u32).map(|index| (index % 251) as u8).collect();
    std::fs::write(&path, &content).unwrap();
    let server = serve(folder.path()).await;
    let mut client = Client::connect(server.nfs).await;
    let root = client.mount("/live").await.unwrap();
    let large = client.look_up(&root, "large").await.unwrap();
    for count in [4096, 16_385, 65_538, 99_999, 1 << 20] {
        assert!(client.read_whole(&large, count).await.unwrap() == content, "in pieces of {count}");
    }
    let (piece, is_end) = client.read(&large, 7, 100_001).await.unwrap();
    assert!(piece == content[7..100_008] && !is_end);
    std::fs::File::options().write(true).open(&path).unwrap().set_len(30_001).unwrap();
    let (piece, is_end) = client.read(&large, 0, 65_536).await.unwrap();
    assert!(piece == content[..30_001] && is_end, "{} bytes", piece.len());
}

/// Nothing is written, and each procedure says so in its own shape.
#[tokio::test]
async fn writing_is_refused() {
    let folder = small_tree();
    let server = serve(folder.path()).await;
    let mut client = Client::connect(server.nfs).await;
    let root = client.mount("/live").await.unwrap();
    let place = Writer::default().opaque(&root).opaque(b"new").clone().into_bytes();
    for (procedure, rest, body) in [
        (Procedure::Write, None, 92),
        (Procedure::Remove, Some(&[][..]), 92),
        (Procedure::RmDir, Some(&[][..]), 92),
        (Procedure::MkDir, Some(&[0; 24][..]), 92),
        (Procedure::Create, Some(&[0; 28][..]), 92),
        (Procedure::Rename, Some(&place[..]), 184),
    ] {
        let arguments = match rest {
            Some(rest) => [&place, rest].concat(),
            None => Writer::default().opaque(&root).u64(0).u32(3).u32(2).opaque(b"abc").clone().into_bytes(),
        };
        let results = client.call(100_003, 3, procedure as u32, &arguments).await;
        assert_eq!(Reader::new(&results).u32(), Ok(30), "{procedure:?}");
        assert_eq!(results.len(), 4 + body, "{procedure:?}");
    }
    let rubbish = client.try_call(100_003, 3, Procedure::Write as u32, &place).await;
    assert_eq!(rubbish, Err("accepted with status 4".into()));
}

/// Root reads what is only its own; others are told what the mode says; nobody may write but to devices.
#[tokio::test]
async fn access_is_told_by_mode_and_owner() {
    let folder = small_tree();
    std::fs::set_permissions(folder.path().join("empty"), PermissionsExt::from_mode(0o710)).unwrap();
    let server = serve(folder.path()).await;
    let mut client = Client::connect(server.nfs).await;
    let root = client.mount("/live").await.unwrap();
    let owner = folder.path().symlink_metadata().unwrap();
    let [shadow, empty, pipe] = ["shadow", "empty", "pipe"];
    for (name, uid, gid, granted) in [
        (shadow, 0, 0, 0x01),
        (shadow, 4242, 4242, 0),
        (empty, 0, 0, 0x21),
        (empty, 4242, owner.gid(), 0x20),
        (empty, 4242, 4242, 0),
        (pipe, 0, 0, 0x0d),
        (pipe, 4242, 4242, 0x01),
    ] {
        client.caller = (uid, gid);
        let handle = client.look_up(&root, name).await.unwrap();
        assert_eq!(client.access(&handle, 0x3f).await, Ok(granted), "{name} by {uid}:{gid}");
    }
    client.caller = (4242, 4242);
    assert_eq!(client.access(&root, 0x3f).await.unwrap() & 0x1c, 0);
}

/// A mount is an event of the box; a refused one says why and what could be mounted.
#[tokio::test]
async fn mounts_are_seen() {
    let folder = small_tree();
    let mut server = serve(folder.path()).await;
    let mut client = Client::connect(server.nfs).await;
    client.mount("/live/d1").await.unwrap();
    assert_eq!(client.mount("/srv/nfs").await, Err(2));
    assert_eq!(client.mount("/gone").await, Err(5));
    let mut seen = Vec::new();
    while let Ok((mac, event)) = server.seen.try_recv() {
        assert_eq!(mac, MAC);
        let text = serde_json::to_string(&event).unwrap();
        seen.push(text.replace(folder.path().to_str().unwrap(), "FOLDER"));
    }
    expect_test::expect![[r#"
        {"event":"root-mounted","address":"127.0.0.1","path":"/live/d1"}
        {"event":"root-refused","address":"127.0.0.1","path":"/srv/nfs","why":"not-found","reason":"not exported; what is: /live, /live/d1, /gone"}
        {"event":"root-refused","address":"127.0.0.1","path":"/gone","why":"other","reason":"cannot read the exported folder FOLDER/no such: No such file or directory (os error 2)"}"#]].assert_eq(&seen.join("\n"));
    let dump = client.call(mount::PROGRAM, 3, 2, &[]).await;
    assert_eq!(
        dump,
        Writer::default().bool(true).opaque(b"127.0.0.1").opaque(b"/live/d1").u32(0).clone().into_bytes()
    );
    client.call(mount::PROGRAM, 3, 4, &[]).await;
    assert_eq!(client.call(mount::PROGRAM, 3, 2, &[]).await, [0; 4]);
    let exports = client.call(mount::PROGRAM, 3, 5, &[]).await;
    assert_eq!(exports.len(), (12 + 4 + 4) + (4 + 4 + 8 + 4) + (4 + 4 + 8 + 4) + 4);
    for (program, version, procedure, why) in [
        (mount::PROGRAM, 1, 1, "accepted with status 2"),
        (100_003, 4, 1, "accepted with status 2"),
        (100_003, 3, 22, "accepted with status 3"),
        (100_021, 4, 0, "accepted with status 1"),
    ] {
        assert_eq!(client.try_call(program, version, procedure, &[]).await, Err(why.into()));
    }
}

/// klibc's `nfsmount` asks the port mapper and MOUNT over UDP; others over TCP; rpcbind's dialects too.
#[tokio::test]
async fn ports_are_told_and_mount_answers_over_udp() {
    let folder = small_tree();
    let server = serve(folder.path()).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let ask = async |to: SocketAddr, program, version, procedure, arguments: &[u8]| {
        socket.send_to(&call_to(5, program, version, procedure, arguments), to).await.unwrap();
        let mut buffer = [0; 1500];
        let length = socket.recv(&mut buffer).await.unwrap();
        assert_eq!(buffer[..24], [&[0, 0, 0, 5, 0, 0, 0, 1][..], &[0; 16]].concat());
        buffer[24..length].to_vec()
    };
    let question = |program: u32, version: u32, transport: u32| {
        Writer::default().u32(program).u32(version).u32(transport).u32(0).clone().into_bytes()
    };
    let port = u32::from(server.nfs.port()).to_be_bytes();
    for (program, transport, answer) in
        [(100_003, 6, port), (100_003, 17, [0; 4]), (100_005, 17, port), (100_021, 6, [0; 4])]
    {
        let question = question(program, 3, transport);
        assert_eq!(
            ask(server.portmap, portmap::PROGRAM, 2, 3, &question).await,
            answer,
            "{program} {transport}"
        );
        let mut client = Client::connect(server.portmap).await;
        assert_eq!(client.call(portmap::PROGRAM, 2, 3, &question).await, answer);
    }
    let mut question = Writer::default();
    question.u32(100_003).u32(3).opaque(b"tcp").opaque(b"").opaque(b"");
    let answer = ask(server.portmap, portmap::PROGRAM, 4, 3, &question.into_bytes()).await;
    let [high, low] = server.nfs.port().to_be_bytes();
    let address = format!("127.0.0.1.{high}.{low}");
    assert_eq!(Reader::new(&answer).opaque(64), Ok(address.as_bytes()));

    let path = Writer::default().opaque(b"/live").clone().into_bytes();
    let mounted = ask(server.nfs, mount::PROGRAM, 3, 1, &path).await;
    let root = Client::connect(server.nfs).await.mount("/live").await.unwrap();
    let mut reader = Reader::new(&mounted);
    assert_eq!((reader.u32(), reader.opaque(64)), (Ok(0), Ok(&root[..])));
}

proptest! {
    /// Whatever arrives, with a handle that is good or with none, is answered or ignored.
    #[test]
    fn no_call_is_too_odd(procedure in 0u32..23, uses_handle: bool, rest: Vec<u8>) {
        use super::answer::{Desk, Road};
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (seen, _) = unbounded_channel();
            let witness = super::Witness { book: Arc::new(|_| None), seen };
            let export = Export { path: "/".into(), folder: folder.path().into() };
            let desk = Arc::new(Desk::new(vec![export], Vec::new(), witness));
            super::shelf::walk_all(&desk.folders()).await;
            let handle = desk.folders()[0].known().unwrap().handle(super::tree::ROOT);
            let mut arguments = Writer::default();
            if uses_handle {
                arguments.opaque(&handle);
            }
            let arguments = [&arguments.into_bytes()[..], &rest].concat();
            let client = "127.0.0.1:1".parse().unwrap();
            let road = Road { client, here: [127, 0, 0, 1].into(), transport: portmap::Transport::Tcp };
            desk.answer(&rest, road);
            for program in [100_003, 100_005, 100_000] {
                desk.answer(&call_to(1, program, if program == 100_000 { 2 } else { 3 }, procedure, &arguments), road);
            }
        });
    }
}
