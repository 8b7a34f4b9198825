//! What one box does, from its ROM to its controller: the behaviours of real clients, one function each.
//!
//! Every step has the patience of the program that it stands for, and its ways of asking again; a step that runs
//! out of patience is a boot that failed.

use crate::field::{Field, ROOT_FILE, SERVER, content};
use crate::root;
use socket2::{Domain, Socket, Type};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use wire::dhcp::option::{self, MessageType};
use wire::dhcp::{BROADCAST, CLIENT_PORT, Packet, SERVER_PORT};
use wire::mac::Mac;
use wire::tftp::transfer::acknowledge;

/// Pauses of a ROM between its DISCOVERs, in seconds (PXE 2.1 §2.2.4).
const ROM_PAUSES: [u64; 4] = [4, 8, 16, 32];
/// How long iPXE, a kernel's NFS client and the agent wait for more of a stream before they give it up.
const STREAM_PATIENCE: Duration = Duration::from_secs(60);

/// A box.
pub(crate) struct Machine {
    mac: Mac,
    field: Field,
    post: Arc<Post>,
}

/// How long a box took.
pub(crate) struct Times {
    /// For kernel and initrd, once it was its turn.
    pub(crate) fetching: Duration,
}

/// Which program of the box asks for an address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    Rom,
    Ipxe,
    Agent,
}

impl Machine {
    /// The box of this number.
    pub(crate) fn new(index: usize, field: &Field, post: &Arc<Post>) -> Machine {
        let [.., a, b] = (index as u32 + 1).to_be_bytes();
        Machine { mac: Mac([0x52, 0x54, 0, 0, a, b]), field: field.clone(), post: post.clone() }
    }

    pub(crate) fn mac(&self) -> Mac {
        self.mac
    }

    /// From power-on to the controller.
    pub(crate) fn boot(&self) -> Result<Times, String> {
        self.field.enter();
        let (address, file) = self.lease(Asker::Rom)?;
        let loader = self.tftp(address, &file)?;
        if loader != content(loader.len()) || loader.len() < 100_000 {
            return Err(format!("the loader is not what it was: {} bytes", loader.len()));
        }
        let (again, script) = self.lease(Asker::Ipxe)?;
        if again != address {
            return Err(format!("iPXE got {again}, the ROM {address}"));
        }
        let path = |url: &str| {
            url.strip_prefix(&format!("http://{SERVER}"))
                .map(str::to_owned)
                .ok_or(format!("{url} is not on the server"))
        };
        self.patiently(|| self.http(address, &path(&script)?, 0))?;
        let (kernel, initrd) = self.boot_script(address)?;
        let began = Instant::now();
        for (file, size) in [(kernel, 1_000_000), (initrd, 4_000_000)] {
            // iPXE begins a file again where it was cut off.
            let bytes = self.patiently(|| self.http(address, &path(&file)?, 0))?;
            if bytes != content(size) {
                return Err(format!("{file} is not what it was: {} bytes", bytes.len()));
            }
        }
        let fetching = began.elapsed();
        self.lease(Asker::Agent)?;
        self.report(address, 0, &["initrd-spoke", "link-up", "got-address", "found-server"])?;
        let read =
            self.patiently(|| root::read_file(address, "/live/storm", &["etc", "big"], STREAM_PATIENCE))?;
        if read != content(ROOT_FILE) {
            return Err(format!("the root's file is not what it was: {} bytes", read.len()));
        }
        self.report(address, 4, &["mounted-root", "controller-spoke"])?;
        Ok(Times { fetching })
    }

    /// A server that is away for a moment costs no boot: our script, the kernel's NFS client and the agent all try
    /// again, for far longer than this.
    fn patiently<T>(&self, act: impl Fn() -> Result<T, String>) -> Result<T, String> {
        let mut last = String::new();
        for _ in 0..30 {
            match act() {
                Ok(value) => return Ok(value),
                Err(why) => last = why,
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        Err(last)
    }

    /// Asks for an address; what it got, and the boot file.
    fn lease(&self, asker: Asker) -> Result<(Ipv4Addr, String), String> {
        let failed = |error: std::io::Error| format!("DHCP: {error}");
        let xid = u32::from_be_bytes([self.mac.0[4], self.mac.0[5], asker as u8, 1]);
        let letters = self.post.collect(xid);
        for pause in ROM_PAUSES {
            let deadline = Instant::now() + Duration::from_secs(pause);
            let everybody = SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT);
            let discover = self.question(asker, xid, MessageType::Discover);
            self.post.socket.send_to(&discover.encode(), everybody).map_err(failed)?;
            let Some(offer) = hear(&letters, MessageType::Offer, deadline) else { continue };
            let mut request = self.question(asker, xid, MessageType::Request);
            request.options.set_address(option::REQUESTED_ADDRESS, offer.yiaddr);
            request.options.set_address(option::SERVER_ID, SERVER);
            self.post.socket.send_to(&request.encode(), everybody).map_err(failed)?;
            if let Some(ack) = hear(&letters, MessageType::Ack, deadline) {
                return Ok((ack.yiaddr, ack.bootfile().unwrap_or_default()));
            }
        }
        Err("no DHCP answer within a minute".into())
    }

    fn question(&self, asker: Asker, xid: u32, kind: MessageType) -> Packet {
        let mut packet = Packet::request(self.mac, xid);
        packet.flags = BROADCAST;
        packet.options.set(option::MESSAGE_TYPE, [kind.octet()]);
        packet.options.set(option::MACHINE_ID, [&[0][..], &self.mac.0, &[0; 10]].concat());
        match asker {
            Asker::Rom => packet.options.set(option::VENDOR_CLASS, "PXEClient:Arch:00007:UNDI:003000"),
            Asker::Ipxe => {
                packet.options.set(option::VENDOR_CLASS, "PXEClient:Arch:00007:UNDI:003010");
                packet.options.set(option::USER_CLASS, "iPXE");
                packet.options.set(option::IPXE, [0x13, 1, 1, 0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0x00]);
            }
            Asker::Agent => packet.options.set(option::VENDOR_CLASS, wire::dhcp::client::VENDOR_CLASS),
        }
        if asker != Asker::Agent {
            packet.options.set(option::ARCHITECTURE, [0, 7]);
        }
        packet
    }

    /// Fetches a file as OVMF does: with the size, large blocks and a window of four.
    fn tftp(&self, from: Ipv4Addr, file: &str) -> Result<Vec<u8>, String> {
        let failed = |error: std::io::Error| format!("TFTP: {error}");
        let socket = UdpSocket::bind((from, 0)).map_err(failed)?;
        socket.set_read_timeout(Some(Duration::from_secs(4))).map_err(failed)?;
        let request =
            [b"\0\x01", file.as_bytes(), b"\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0"].concat();
        let mut bytes = [0; 2048];
        let (mut got, mut next, mut since, mut silences) = (Vec::new(), 1u16, 0, 0);
        let mut to = (SERVER, 69).into();
        let mut last: Vec<u8> = request;
        socket.send_to(&last, to).map_err(failed)?;
        loop {
            let (length, peer) = match socket.recv_from(&mut bytes) {
                Ok(received) => received,
                // Six tries, as firmware has.
                Err(_) if silences < 6 => {
                    silences += 1;
                    socket.send_to(&last, to).map_err(failed)?;
                    continue;
                }
                Err(error) => return Err(format!("TFTP gave up after {} bytes: {error}", got.len())),
            };
            to = peer;
            match &bytes[..length] {
                [0, 6, ..] => last = acknowledge(0).to_vec(),
                [0, 3, high, low, block @ ..] if [*high, *low] == next.to_be_bytes() => {
                    (silences, since) = (0, since + 1);
                    got.extend_from_slice(block);
                    last = acknowledge(next).to_vec();
                    next = next.wrapping_add(1);
                    if block.len() < 1468 {
                        socket.send_to(&last, to).map_err(failed)?;
                        return Ok(got);
                    }
                    if since < 4 {
                        continue;
                    }
                    since = 0;
                }
                [0, 3, ..] => since = 0,
                other => return Err(format!("TFTP: {}", String::from_utf8_lossy(&other[4.min(length)..]))),
            }
            socket.send_to(&last, to).map_err(failed)?;
        }
    }

    /// Runs the server's scripts until one of them starts a kernel: its kernel and initrd.
    fn boot_script(&self, address: Ipv4Addr) -> Result<(String, String), String> {
        let mac = self.mac.to_string().replace(':', "-");
        let mut path = format!("/boot?mac={mac}&nic=&platform=efi&serial=S-{mac}");
        for _ in 0..1000 {
            let script = self.patiently(|| self.http(address, &path, 0))?;
            let script = String::from_utf8_lossy(&script).into_owned();
            let after =
                |command: &str| script.lines().find_map(|line| line.strip_prefix(command)).map(str::to_owned);
            if let Some(kernel) = after("kernel ") {
                let url = |words: &str| {
                    words.split(' ').find(|word| word.starts_with("http://")).map(str::to_owned)
                };
                let initrd = after("initrd ").and_then(|words| url(&words));
                return url(&kernel).zip(initrd).ok_or(format!("a script without files: {script}"));
            }
            let sleep = after("sleep ").and_then(|words| words.split(' ').next()?.parse().ok());
            let next = after("chain ").and_then(|words| {
                let url = words.split(' ').find(|word| word.starts_with("http://"))?.to_owned();
                url.strip_prefix(&format!("http://{SERVER}")).map(str::to_owned)
            });
            let (Some(seconds), Some(next)) = (sleep, next) else {
                return Err(format!("not started: {script}"));
            };
            std::thread::sleep(Duration::from_secs(seconds));
            path = next;
        }
        Err("its turn never came".into())
    }

    /// What the agent tells, until the server has it.
    fn report(&self, address: Ipv4Addr, first: usize, rungs: &[&str]) -> Result<(), String> {
        let events: Vec<_> = rungs
            .iter()
            .map(|rung| serde_json::json!({ "event": "reached", "rung": rung, "detail": "" }))
            .collect();
        let boot = format!("boot-of-{}", self.mac);
        let body = serde_json::json!({ "box": self.mac.to_string(), "boot": boot, "first": first, "build": "storm", "events": events });
        self.patiently(|| self.exchange(address, "POST", "/api/report", "", &body.to_string()).map(drop))
    }

    fn http(&self, from: Ipv4Addr, path: &str, first: usize) -> Result<Vec<u8>, String> {
        self.exchange(from, "GET", path, &format!("Range: bytes={first}-\r\n"), "")
    }

    /// One request over a connection of its own; the body, whole.
    fn exchange(
        &self,
        from: Ipv4Addr,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Result<Vec<u8>, String> {
        let failed = |error: std::io::Error| format!("HTTP {path}: {error}");
        let mut stream = connect(from, 80).map_err(failed)?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {SERVER}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).map_err(failed)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(failed)?;
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .ok_or(format!("HTTP {path}: no answer"))?;
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let body = answer.split_off(end + 4);
        let status = head.split(' ').nth(1).unwrap_or_default();
        if !status.starts_with('2') {
            return Err(format!("HTTP {path}: {status} {}", String::from_utf8_lossy(&body)));
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if length.is_some_and(|length: usize| length != body.len()) {
            return Err(format!("HTTP {path}: cut off after {} bytes", body.len()));
        }
        Ok(body)
    }
}

/// A connection to the server from a box's own address.
pub(crate) fn connect(from: Ipv4Addr, port: u16) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddrV4::new(from, 0).into())?;
    socket.connect_timeout(&SocketAddrV4::new(SERVER, port).into(), STREAM_PATIENCE)?;
    socket.set_read_timeout(Some(STREAM_PATIENCE))?;
    Ok(socket.into())
}

/// The server's answer to this question.
fn hear(letters: &Receiver<Vec<u8>>, kind: MessageType, deadline: Instant) -> Option<Packet> {
    loop {
        let left = deadline.checked_duration_since(Instant::now())?;
        let packet = Packet::parse(&letters.recv_timeout(left).ok()?).ok();
        if let Some(packet) = packet.filter(|packet| packet.message_type() == Some(kind)) {
            return Some(packet);
        }
    }
}

/// The clients' DHCP port, for all boxes together: answers are broadcast, and a thousand sockets that each get all
/// of them would keep the kernel busier than a thousand boxes do.
pub(crate) struct Post {
    socket: UdpSocket,
    boxes: Mutex<HashMap<u32, Sender<Vec<u8>>>>,
}

impl Post {
    /// Opens the port and hands answers out, until the last box is done.
    pub(crate) fn open() -> Arc<Post> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        socket.set_broadcast(true).unwrap();
        socket.bind_device(Some(b"c0")).unwrap();
        rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 16 << 20).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT).into()).unwrap();
        let post = Arc::new(Post { socket: socket.into(), boxes: Mutex::default() });
        let office = Arc::downgrade(&post);
        std::thread::spawn(move || {
            let mut bytes = [0; 1500];
            while let Some(post) = office.upgrade() {
                let Ok(length) = post.socket.recv(&mut bytes) else { continue };
                let xid = bytes.get(4..8).map(|octets| u32::from_be_bytes(octets.try_into().unwrap()));
                let boxes = post.boxes.lock().unwrap();
                if let Some(sender) = xid.and_then(|xid| boxes.get(&xid)) {
                    let _ = sender.send(bytes[..length].to_vec());
                }
            }
        });
        post
    }

    fn collect(&self, xid: u32) -> Receiver<Vec<u8>> {
        let (sender, receiver) = channel();
        self.boxes.lock().unwrap().insert(xid, sender);
        receiver
    }
}
