//! The TFTP server's socket loops: one for requests, one for each transfer on a port of its own
//! (RFC 1350 §4).
//!
//! Files are given by name, there is no folder behind them. How a file goes over the wire is
//! `wire::tftp::transfer`'s.

use model::failure::{Explain as _, Result};
use model::timeline::{Cut, Event, FileRole, Road};
use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc::UnboundedSender;
use wire::mac::Mac;
use wire::tftp::transfer::{Ending, Transfer};
use wire::tftp::{ErrorCode, ReadRequest, error, normalise};

/// Transfers at one time, in all. A request beyond that is not answered: the client asks again, and those
/// that have begun come to their end first.
const MOST_TRANSFERS: usize = 512;
/// Transfers at one time to one address; a box needs one, and a second while the first dies.
const MOST_OF_ONE: usize = 8;
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

/// Serves until the socket fails. `socket` is bound to port 69 of the server's address, non-blocking.
///
/// Errors: the socket is no more.
pub(crate) async fn serve(
    socket: UdpSocket,
    files: Arc<dyn Files>,
    owner: Owner,
    seen: UnboundedSender<(Mac, Event)>,
) -> Result<Infallible> {
    let what = || "cannot go on serving files over TFTP".to_owned();
    let socket = tokio::net::UdpSocket::from_std(socket).or_fail(what)?;
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
        let seen = Timeline { owner: owner.clone(), peer, seen: seen.clone() };
        let packet = bytes.get(..length).unwrap_or_default();
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
        if let Some(place) = peers.admit(peer) {
            tokio::spawn(async move {
                carry(SocketAddr::new(local.ip(), 0), &request, &name, file, seen).await;
                drop(place);
            });
        }
    }
}

fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkDown | NetworkUnreachable)
}

/// One transfer, from its first packet to its end.
async fn carry(local: SocketAddr, request: &ReadRequest, name: &str, file: File, seen: Timeline) {
    let socket = match connect(local, seen.peer).await {
        Ok(socket) => socket,
        Err(error) => return seen.failed(name, 0, Cut::Other, format!("no socket for it: {error}")),
    };
    let began = Instant::now();
    let size = file.content.len() as u64;
    let mut transfer = Transfer::new(file.content, request.wishes, began.elapsed());
    let mut announced = false;
    let mut bytes = [0; LONGEST];
    while transfer.ending().is_none() {
        while let Some(packet) = transfer.poll(began.elapsed()) {
            match socket.send(&packet).await {
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
        match tokio::time::timeout(wake, socket.recv(&mut bytes)).await {
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

async fn connect(local: SocketAddr, peer: SocketAddr) -> std::io::Result<tokio::net::UdpSocket> {
    let socket = tokio::net::UdpSocket::bind(local).await?;
    socket.connect(peer).await?;
    Ok(socket)
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

/// Who is being served.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<HashSet<SocketAddr>>>);

impl Peers {
    /// A place for a transfer to this peer; none where it has one already, or where there are too many.
    fn admit(&self, peer: SocketAddr) -> Option<Place> {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = peers.iter().filter(|other| other.ip() == peer.ip()).count();
        let admitted = peers.len() < MOST_TRANSFERS && of_one < MOST_OF_ONE && peers.insert(peer);
        admitted.then(|| Place { peers: self.clone(), peer })
    }
}

/// A transfer's place, free again when it is dropped.
struct Place {
    peers: Peers,
    peer: SocketAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.peers.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.peer);
    }
}
