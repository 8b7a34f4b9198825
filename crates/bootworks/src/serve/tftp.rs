//! The TFTP server's socket loops: one for requests, one for each transfer on a port of its own
//! (RFC 1350 §4), or all of them on port 69 for clients behind address translation, which lets nothing in from a
//! port that was not asked.
//!
//! Files are given by name, there is no folder behind them. How a file goes over the wire is
//! `wire::tftp::transfer`'s.

use model::failure::{Explain as _, Result};
use model::timeline::{Cut, Event, FileRole, Road};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedSender, channel};
use wire::mac::Mac;
use wire::tftp::transfer::{Ending, Transfer};
use wire::tftp::{ErrorCode, ReadRequest, error, normalise};

/// Transfers at one time, in all. A request beyond that is not answered: the client asks again, and those
/// that have begun come to their end first.
const MOST_TRANSFERS: usize = 512;
/// Transfers at one time to one address; a box needs one, and a second while the first dies.
const MOST_OF_ONE: usize = 8;
/// Packets of one client that wait for its transfer, where all share a port.
const MOST_PASSED_ON: usize = 32;
/// The longest packet taken in; requests have 512 octets at most (RFC 2347 §2).
const LONGEST: usize = 1024;

/// A file as it is served.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// What is in it.
    pub content: Arc<[u8]>,
    /// What it is for the ladder.
    pub role: FileRole,
}

/// Files by name; names have neither `..` nor a leading slash.
pub(crate) trait Files: Send + Sync {
    /// The file of this name.
    fn open(&self, name: &str) -> Option<File>;
}

impl Files for BTreeMap<String, File> {
    fn open(&self, name: &str) -> Option<File> {
        self.get(name).cloned()
    }
}

/// Whose address it is; DHCP knows.
pub(crate) type Owner = Arc<dyn Fn(Ipv4Addr) -> Option<Mac> + Send + Sync>;

/// From which port files are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ports {
    /// One for each transfer.
    Many,
    /// Port 69 for all.
    One,
}

/// Serves until the socket fails. `socket` is bound to port 69 of the server's address, non-blocking.
///
/// Errors: the socket is no more.
pub(crate) async fn serve(
    socket: UdpSocket,
    ports: Ports,
    files: Arc<dyn Files>,
    owner: Owner,
    seen: UnboundedSender<(Mac, Event)>,
) -> Result<Infallible> {
    let what = || "cannot go on serving files over TFTP".to_owned();
    let socket = Arc::new(tokio::net::UdpSocket::from_std(socket).or_fail(what)?);
    let local = socket.local_addr().or_fail(what)?;
    let peers = Peers::default();
    let mut bytes = [0; LONGEST];
    loop {
        let (length, peer) = match socket.recv_from(&mut bytes).await {
            Ok(received) => received,
            // An earlier answer met a closed port (ICMP); the cable was pulled.
            Err(error) if is_passing(&error) => continue,
            Err(error) => return Err(error).or_fail(what),
        };
        let packet = bytes.get(..length).unwrap_or_default();
        if ports == Ports::One && peers.pass_on(peer, packet) {
            continue;
        }
        let seen = Timeline { owner: owner.clone(), peer, seen: seen.clone() };
        let request = match ReadRequest::parse(packet) {
            Ok(request) => request,
            Err(refusal) => {
                if let Some(answer) = refusal.answer() {
                    let _ = socket.send_to(&answer, peer).await;
                    seen.failed("?", 0, Cut::Refused, refusal.to_string());
                }
                continue;
            }
        };
        let Some((name, file)) =
            normalise(&request.file).and_then(|name| Some((name.clone(), files.open(&name)?)))
        else {
            let _ = socket.send_to(&error(ErrorCode::NotFound, "no such file"), peer).await;
            seen.failed(&request.file, 0, Cut::NotFound, "there is no such file".into());
            continue;
        };
        // A request that is repeated while its transfer lives needs nothing: the transfer sends again itself.
        let Some((place, heard)) = peers.admit(peer) else { continue };
        let line = match ports {
            Ports::One => Ok(Line::Shared { socket: socket.clone(), peer, heard }),
            Ports::Many => Line::own(SocketAddr::new(local.ip(), 0), peer).await,
        };
        match line {
            Ok(line) => {
                tokio::spawn(async move {
                    carry(line, &request, &name, file, seen).await;
                    drop(place);
                });
            }
            Err(error) => seen.failed(&name, 0, Cut::Other, format!("no socket for it: {error}")),
        }
    }
}

/// The way to one client and back.
enum Line {
    /// A port for this transfer alone.
    Own(tokio::net::UdpSocket),
    /// The port that everybody asks; what this client says is passed on.
    Shared { socket: Arc<tokio::net::UdpSocket>, peer: SocketAddr, heard: Receiver<Vec<u8>> },
}

impl Line {
    async fn own(local: SocketAddr, peer: SocketAddr) -> std::io::Result<Line> {
        let socket = tokio::net::UdpSocket::bind(local).await?;
        socket.connect(peer).await?;
        Ok(Line::Own(socket))
    }

    async fn send(&self, packet: &[u8]) -> std::io::Result<usize> {
        match self {
            Line::Own(socket) => socket.send(packet).await,
            Line::Shared { socket, peer, .. } => socket.send_to(packet, *peer).await,
        }
    }

    async fn receive(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Line::Own(socket) => socket.recv(bytes).await,
            Line::Shared { heard, .. } => {
                let packet = heard.recv().await.ok_or(std::io::ErrorKind::BrokenPipe)?;
                let length = packet.len().min(bytes.len());
                if let (Some(to), Some(from)) = (bytes.get_mut(..length), packet.get(..length)) {
                    to.copy_from_slice(from);
                }
                Ok(length)
            }
        }
    }
}

fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkDown | NetworkUnreachable)
}

/// One transfer, from its first packet to its end.
async fn carry(mut line: Line, request: &ReadRequest, name: &str, file: File, seen: Timeline) {
    let began = Instant::now();
    let size = file.content.len() as u64;
    let mut transfer = Transfer::new(file.content, request.wishes, began.elapsed());
    let mut announced = false;
    let mut bytes = [0; LONGEST];
    while transfer.ending().is_none() {
        while let Some(packet) = transfer.poll(began.elapsed()) {
            match line.send(&packet).await {
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => transfer.hear_closed(),
                // Other errors are the wire's: what is not sent is lost, and sent again.
                Ok(_) | Err(_) => {}
            }
        }
        if transfer.has_begun() && !announced {
            seen.tell(Event::TransferStarted { road: Road::Tftp, file: name.into(), bytes: size });
            announced = true;
        }
        let wake = transfer.wake().saturating_sub(began.elapsed());
        match tokio::time::timeout(wake, line.receive(&mut bytes)).await {
            Ok(Ok(length)) => transfer.hear(bytes.get(..length).unwrap_or_default(), began.elapsed()),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => transfer.hear_closed(),
            Ok(Err(_)) => tokio::time::sleep(wake).await,
            Err(_) => {}
        }
    }
    let sent = transfer.bytes();
    match transfer.ending() {
        Some(Ending::Done) => seen.tell(Event::TransferDone {
            road: Road::Tftp,
            file: name.into(),
            role: file.role,
            bytes: size,
            millis: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        }),
        Some(Ending::Aborted(words)) => {
            seen.failed(name, sent, Cut::ByClient, format!("the client ended it: {words}"))
        }
        Some(Ending::Silent) => seen.failed(name, sent, Cut::Silent, "the client fell silent".into()),
        Some(Ending::Probed) | None => {}
    }
}

/// Where the events of one peer go.
struct Timeline {
    owner: Owner,
    peer: SocketAddr,
    seen: UnboundedSender<(Mac, Event)>,
}

impl Timeline {
    /// Events of an address that nobody leased have no box to go to.
    fn tell(&self, event: Event) {
        let SocketAddr::V4(peer) = self.peer else { return };
        if let Some(mac) = (self.owner)(*peer.ip()) {
            let _ = self.seen.send((mac, event));
        }
    }

    fn failed(&self, file: &str, bytes: u64, why: Cut, reason: String) {
        self.tell(Event::TransferFailed { road: Road::Tftp, file: file.into(), bytes, why, reason });
    }
}

/// Who is being served, and where what they say is passed on to.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<HashMap<SocketAddr, Sender<Vec<u8>>>>>);

impl Peers {
    /// A place for a transfer to this peer; none where it has one already, or where there are too many.
    fn admit(&self, peer: SocketAddr) -> Option<(Place, Receiver<Vec<u8>>)> {
        let mut peers = self.lock();
        let of_one = peers.keys().filter(|other| other.ip() == peer.ip()).count();
        if peers.len() >= MOST_TRANSFERS || of_one >= MOST_OF_ONE || peers.contains_key(&peer) {
            return None;
        }
        let (sender, receiver) = channel(MOST_PASSED_ON);
        peers.insert(peer, sender);
        Some((Place { peers: self.clone(), peer }, receiver))
    }

    /// Passes a packet on to the peer's transfer; whether there is one. What it cannot take is lost, as packets
    /// are.
    fn pass_on(&self, peer: SocketAddr, packet: &[u8]) -> bool {
        let sender = self.lock().get(&peer).cloned();
        sender.is_some_and(|sender| {
            let _ = sender.try_send(packet.to_vec());
            true
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Sender<Vec<u8>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transfer's place, free again when it is dropped.
struct Place {
    peers: Peers,
    peer: SocketAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.peers.lock().remove(&self.peer);
    }
}
