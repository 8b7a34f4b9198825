//! The TFTP server's socket loops: one for requests, one for each transfer on a port of its own
//! (RFC 1350 §4), or all of them on port 69 for clients behind address translation, which lets nothing in from a
//! port that was not asked.
//!
//! Each transfer is a thread: block and acknowledgement follow each other by the thousand, and a thread that waits for
//! its socket takes half of the system calls that a task does.
//!
//! Files are given by name, there is no folder behind them. How a file goes over the wire is
//! `wire::tftp::transfer`'s.

use super::board::Board;
use super::file::{Followed, Transfers};
use model::failure::{Explain as _, Result};
use model::timeline::{Cut, Event, FileRole, Road};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use wire::mac::Mac;
use wire::tftp::transfer::{Ending, Transfer};
use wire::tftp::{ErrorCode, ReadRequest, Refusal, error, normalise};

/// Transfers at one time, in all. A request beyond that is not answered: the client asks again, and those
/// that have begun come to their end first.
const MOST_TRANSFERS: usize = 512;
/// Transfers at one time to one address; a box needs one, and a second while the first dies.
const MOST_OF_ONE: usize = 8;
/// Packets of one client that wait for its transfer, where all share a port.
const MOST_PASSED_ON: usize = 32;
/// Stack of a transfer's thread, in bytes.
const STACK: usize = 128 << 10;
/// How much later than it should a transfer may wake up: less system calls that move the alarm by nothing.
const LATENESS: Duration = Duration::from_millis(50);
/// A transfer's progress is noted each time that so many bytes more have arrived: the shortest takes part of a second.
const NOTED_EACH: u64 = 256 << 10;
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

/// Serves until the socket fails. `socket` is bound to port 69 of the server's address, non-blocking. What is seen
/// of a box goes to the first of `told`; the second counts requests, those without an answer by their reason; the third
/// shows what is under way.
///
/// Errors: the socket is no more.
pub(crate) async fn serve(
    socket: UdpSocket,
    ports: Ports,
    files: Arc<dyn Files>,
    owner: Owner,
    (seen, board, transfers): (UnboundedSender<(Mac, Event)>, Board, Transfers),
) -> Result<Infallible> {
    let what = || "cannot go on serving files over TFTP".to_owned();
    let shared = Arc::new(socket.try_clone().or_fail(what)?);
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
        let packet = bytes.get(..length).unwrap_or_default();
        if ports == Ports::One && peers.pass_on(peer, packet) {
            continue;
        }
        let (owner, seen, transfers) = (owner.clone(), seen.clone(), transfers.clone());
        let seen = Timeline { owner, peer, seen, transfers };
        let request = match ReadRequest::parse(packet) {
            Ok(request) => request,
            Err(refusal) => {
                let (what, why) = refused(&refusal);
                board.count(what, why);
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
            board.count("refused", "tftp-no-file");
            let _ = socket.send_to(&error(ErrorCode::NotFound, "no such file"), peer).await;
            seen.failed(&request.file, 0, Cut::NotFound, "there is no such file".into());
            continue;
        };
        let (place, heard) = match peers.admit(peer) {
            Ok(admitted) => admitted,
            Err(unanswered) => {
                board.count("ignored", unanswered.id());
                if let Some(note) = unanswered.note(peer) {
                    board.note(note);
                }
                continue;
            }
        };
        board.count("answered", "tftp");
        let line = match ports {
            Ports::One => Ok(Line::Shared { socket: shared.clone(), peer, heard }),
            Ports::Many => Line::own(SocketAddr::new(local.ip(), 0), peer),
        };
        let began = line.and_then(|line| {
            let (name, seen) = (name.clone(), seen.clone());
            let body = move || {
                carry(line, &request, &name, file, &seen);
                drop(place);
            };
            std::thread::Builder::new().name("tftp".into()).stack_size(STACK).spawn(body)
        });
        if let Err(error) = began {
            seen.failed(&name, 0, Cut::Other, format!("no socket or no thread for it: {error}"));
        }
    }
}

/// How a packet that is no request that we serve is counted.
fn refused(refusal: &Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::NotARequest => ("ignored", "tftp-not-a-request"),
        Refusal::BadName => ("refused", "tftp-name"),
        Refusal::Write => ("refused", "tftp-write"),
        Refusal::Mode(_) => ("refused", "tftp-mode"),
    }
}

/// Why a request gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unanswered {
    /// It is repeated while its transfer lives, which sends again by itself.
    Repeated,
    /// There are too many transfers.
    Full,
    /// There are too many to this address.
    FullForOne,
}

impl Unanswered {
    fn id(self) -> &'static str {
        match self {
            Unanswered::Repeated => "tftp-repeated",
            Unanswered::Full => "tftp-full",
            Unanswered::FullForOne => "tftp-full-for-one",
        }
    }

    /// What the operator is told of it; nothing of what happens every day.
    fn note(self, peer: SocketAddr) -> Option<String> {
        match self {
            Unanswered::Repeated => None,
            Unanswered::Full => Some(format!(
                "tftp: {MOST_TRANSFERS} transfers are under way; who asks now is heard when one of them ends"
            )),
            Unanswered::FullForOne => Some(format!(
                "tftp: {} has {MOST_OF_ONE} transfers under way; it is heard again when one of them ends",
                peer.ip()
            )),
        }
    }
}

/// The way to one client and back.
enum Line {
    /// A port for this transfer alone, and how long is waited there.
    Own { socket: UdpSocket, patience: Option<Duration> },
    /// The port that everybody asks; what this client says is passed on.
    Shared { socket: Arc<UdpSocket>, peer: SocketAddr, heard: Receiver<Vec<u8>> },
}

impl Line {
    fn own(local: SocketAddr, peer: SocketAddr) -> std::io::Result<Line> {
        let socket = UdpSocket::bind(local)?;
        socket.connect(peer)?;
        Ok(Line::Own { socket, patience: None })
    }

    fn send(&self, packet: &[u8]) -> std::io::Result<usize> {
        match self {
            Line::Own { socket, .. } => socket.send(packet),
            Line::Shared { socket, peer, .. } => socket.send_to(packet, *peer),
        }
    }

    /// The next packet; none where it does not come in time, or a little before or after.
    fn receive(&mut self, bytes: &mut [u8], wait: Duration) -> std::io::Result<Option<usize>> {
        use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
        match self {
            Line::Own { socket, patience } => {
                let wait = wait.max(Duration::from_millis(1));
                if patience.is_none_or(|set| set.abs_diff(wait) > LATENESS.min(wait)) {
                    socket.set_read_timeout(Some(wait))?;
                    *patience = Some(wait);
                }
                match socket.recv(bytes) {
                    Ok(length) => Ok(Some(length)),
                    Err(error) if matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => Ok(None),
                    Err(error) => Err(error),
                }
            }
            Line::Shared { heard, .. } => match heard.recv_timeout(wait) {
                Ok(packet) => {
                    let length = packet.len().min(bytes.len());
                    if let (Some(to), Some(from)) = (bytes.get_mut(..length), packet.get(..length)) {
                        to.copy_from_slice(from);
                    }
                    Ok(Some(length))
                }
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => Err(std::io::ErrorKind::BrokenPipe.into()),
            },
        }
    }
}

fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkDown | NetworkUnreachable)
}

/// One transfer, from its first packet to its end.
fn carry(mut line: Line, request: &ReadRequest, name: &str, file: File, seen: &Timeline) {
    let began = Instant::now();
    let size = file.content.len() as u64;
    let mut transfer = Transfer::new(file.content, request.wishes, began.elapsed());
    let mut announced = false;
    let (mut followed, mut noted) = (None, 0);
    let mut bytes = [0; LONGEST];
    while transfer.ending().is_none() {
        while let Some(packet) = transfer.poll(began.elapsed()) {
            match line.send(&packet) {
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => transfer.hear_closed(),
                // Other errors are the wire's: what is not sent is lost, and sent again.
                Ok(_) | Err(_) => {}
            }
        }
        if transfer.has_begun() && !announced {
            seen.tell(Event::TransferStarted { road: Road::Tftp, file: name.into(), bytes: size });
            announced = true;
            followed = seen.follow(name, size);
        }
        if let Some(followed) = followed.as_ref().filter(|_| transfer.bytes() >= noted + NOTED_EACH) {
            noted = transfer.bytes();
            followed.arrived(noted);
        }
        let wait = transfer.wake().saturating_sub(began.elapsed());
        match line.receive(&mut bytes, wait) {
            Ok(Some(length)) => transfer.hear(bytes.get(..length).unwrap_or_default(), began.elapsed()),
            Ok(None) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => transfer.hear_closed(),
            Err(_) => std::thread::sleep(wait),
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
#[derive(Clone)]
struct Timeline {
    owner: Owner,
    peer: SocketAddr,
    seen: UnboundedSender<(Mac, Event)>,
    transfers: Transfers,
}

impl Timeline {
    /// Events of an address that nobody leased have no box to go to.
    fn tell(&self, event: Event) {
        if let Some(mac) = self.of() {
            let _ = self.seen.send((mac, event));
        }
    }

    fn follow(&self, name: &str, bytes: u64) -> Option<Followed> {
        self.of().map(|mac| self.transfers.follow(mac, self.peer.to_string(), name, bytes))
    }

    fn of(&self) -> Option<Mac> {
        let SocketAddr::V4(peer) = self.peer else { return None };
        (self.owner)(*peer.ip())
    }

    fn failed(&self, file: &str, bytes: u64, why: Cut, reason: String) {
        self.tell(Event::TransferFailed { road: Road::Tftp, file: file.into(), bytes, why, reason });
    }
}

/// Who is being served, and where what they say is passed on to.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<HashMap<SocketAddr, SyncSender<Vec<u8>>>>>);

impl Peers {
    /// A place for a transfer to this peer; none where it has one already, or where there are too many.
    fn admit(&self, peer: SocketAddr) -> std::result::Result<(Place, Receiver<Vec<u8>>), Unanswered> {
        let mut peers = self.lock();
        if peers.contains_key(&peer) {
            return Err(Unanswered::Repeated);
        }
        if peers.len() >= MOST_TRANSFERS {
            return Err(Unanswered::Full);
        }
        if peers.keys().filter(|other| other.ip() == peer.ip()).count() >= MOST_OF_ONE {
            return Err(Unanswered::FullForOne);
        }
        let (sender, receiver) = sync_channel(MOST_PASSED_ON);
        peers.insert(peer, sender);
        Ok((Place { peers: self.clone(), peer }, receiver))
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

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, SyncSender<Vec<u8>>>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// A request that is not answered is a hung loader: each has its reason, and the rare ones a sentence.
    #[test]
    fn what_is_not_answered_has_a_reason() {
        let peers = Peers::default();
        let peer = |index: u16, port| {
            let [high, low] = index.to_be_bytes();
            SocketAddr::from(([10, 77, high, low], port))
        };
        let mut places = Vec::new();
        let mut admit = |peer| match peers.admit(peer) {
            Ok((place, _)) => {
                places.push(place);
                "admitted".to_owned()
            }
            Err(why) => format!("{}: {}", why.id(), why.note(peer).unwrap_or_default()),
        };
        let mut lines = vec![admit(peer(0, 1)), admit(peer(0, 1))];
        for port in 2..=8 {
            assert_eq!(admit(peer(0, port)), "admitted");
        }
        lines.push(admit(peer(0, 9)));
        for index in 8..MOST_TRANSFERS {
            assert_eq!(admit(peer(index as u16, 1)), "admitted");
        }
        lines.push(admit(peer(600, 1)));
        for refusal in
            [Refusal::NotARequest, Refusal::BadName, Refusal::Write, Refusal::Mode("netascii".into())]
        {
            lines.push(format!("{:?}", refused(&refusal)));
        }
        expect![[r#"
            admitted
            tftp-repeated: 
            tftp-full-for-one: tftp: 10.77.0.0 has 8 transfers under way; it is heard again when one of them ends
            tftp-full: tftp: 512 transfers are under way; who asks now is heard when one of them ends
            ("ignored", "tftp-not-a-request")
            ("refused", "tftp-name")
            ("refused", "tftp-write")
            ("refused", "tftp-mode")"#]]
        .assert_eq(&lines.join("\n"));
        drop(places);
        assert!(peers.admit(peer(600, 1)).is_ok(), "places are free again");
    }
}
