//! The live OS's root over NFSv3, read-only, with MOUNT and a port mapper: one process, no kernel server, no
//! rpcbind.
//!
//! Here are the sockets. From the bottom up: `tree` is the index of a folder, `files` reads what is in it,
//! `shelf` finds trees by handle and keeps them fresh, `answer` turns calls into replies.

mod answer;
mod conversation;
pub(super) mod exports;
mod files;
mod memory;
mod outbox;
mod readers;
mod shelf;
mod tree;

use answer::{Answer, Desk, Road};
use exports::Exports;
use model::timeline::{Denial, Event};
use readers::Summary;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use wire::mac::Mac;
use wire::nfs::portmap::{self, Service, Transport};
use wire::nfs::{self, mount};

/// Connections at once; who comes later waits to be accepted. A box keeps one or two for as long as it runs, so that
/// there must be some for each box of a thousand.
const CONNECTIONS_MOST: usize = 4096;
/// Bytes of replies that all connections together may have under way, beside one reply each.
const TOGETHER_MOST: usize = 128 << 20;
/// Datagrams that wait for the disk at once.
const DATAGRAMS_MOST: usize = 64;
/// How often it is looked who paused reading.
const READERS_EACH: Duration = Duration::from_secs(10);
/// Largest UDP payload.
const DATAGRAM_MOST: usize = 65_507;
/// After a connection could not be accepted (out of file descriptors): time for others to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A folder of the host that boxes can mount.
#[derive(Clone, Debug)]
pub(super) struct Export {
    /// The path that is mounted: `/live`.
    pub(super) path: String,
    /// The folder. It need not exist yet: it is looked for at each mount.
    pub(super) folder: PathBuf,
}

/// The sockets to serve on, bound already.
#[derive(Debug)]
pub(super) struct Ears {
    /// NFS and MOUNT: port 2049 for clients that do not ask the port mapper.
    pub(super) nfs: TcpListener,
    /// MOUNT over UDP, on the same port.
    pub(super) nfs_udp: UdpSocket,
    /// The port mapper on port 111. Our own boxes do without: their kernel is told the ports.
    pub(super) portmap: Option<(TcpListener, UdpSocket)>,
}

/// Finds the box that an address was given to.
pub(super) type Book = Arc<dyn Fn(Ipv4Addr) -> Option<Mac> + Send + Sync>;

/// Serves until the returned set is dropped: that ends the listeners and all conversations. The folders are walked
/// at once, so that the first box does not wait for it.
pub(super) fn spawn(
    exports: impl Into<Exports>,
    ears: Ears,
    book: Book,
    seen: UnboundedSender<(Mac, Event)>,
) -> JoinSet<()> {
    let nfs_port = ears.nfs.local_addr().map_or(nfs::PORT, |address| address.port());
    let mut services = vec![
        service(nfs::PROGRAM, nfs::VERSION, Transport::Tcp, nfs_port),
        service(mount::PROGRAM, mount::VERSION, Transport::Tcp, nfs_port),
        service(mount::PROGRAM, mount::VERSION, Transport::Udp, nfs_port),
    ];
    if let Some((listener, _)) = &ears.portmap {
        let port = listener.local_addr().map_or(portmap::PORT, |address| address.port());
        for version in portmap::VERSION_LOW..=portmap::VERSION_HIGH {
            for transport in [Transport::Tcp, Transport::Udp] {
                services.push(service(portmap::PROGRAM, version, transport, port));
            }
        }
    }
    let desk = Arc::new(Desk::new(exports, services, Witness { book, seen }));
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MOST));
    let mut tasks = JoinSet::new();
    let walker = Arc::clone(&desk);
    tasks.spawn(async move {
        shelf::walk_all(&walker.folders()).await;
    });
    let teller = Arc::clone(&desk);
    tasks.spawn(async move {
        let began = tokio::time::Instant::now();
        let mut clock = tokio::time::interval(READERS_EACH);
        loop {
            clock.tick().await;
            teller.tell_readers(began.elapsed());
        }
    });
    let (mut listeners, mut sockets) = (vec![ears.nfs], vec![ears.nfs_udp]);
    if let Some((listener, socket)) = ears.portmap {
        listeners.push(listener);
        sockets.push(socket);
    }
    for listener in listeners {
        tasks.spawn(listen(listener, Arc::clone(&desk), Arc::clone(&connections)));
    }
    for socket in sockets {
        tasks.spawn(receive(socket, Arc::clone(&desk)));
    }
    tasks
}

fn service(program: u32, version: u32, transport: Transport, port: u16) -> Service {
    Service { program, version, transport, port }
}

/// Accepts connections and holds a conversation on each.
async fn listen(listener: TcpListener, desk: Arc<Desk>, connections: Arc<Semaphore>) {
    let mut conversations = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&connections).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (desk, guests) = (Arc::clone(&desk), Arc::clone(&connections));
                conversations.spawn(async move {
                    let share = || {
                        let guests = CONNECTIONS_MOST.saturating_sub(guests.available_permits());
                        TOGETHER_MOST / guests.max(1)
                    };
                    conversation::hold(stream, desk, share).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
        while conversations.try_join_next().is_some() {}
    }
}

/// Answers datagrams. What cannot be sent is lost, as datagrams are: the client asks again.
async fn receive(socket: UdpSocket, desk: Arc<Desk>) {
    let here = ipv4(socket.local_addr().ok());
    let socket = Arc::new(socket);
    let places = Arc::new(Semaphore::new(DATAGRAMS_MOST));
    let mut waiting = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM_MOST];
    loop {
        // An error here is one of an earlier answer (ICMP unreachable): nothing of ours is broken.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let message = buffer.get(..length).unwrap_or_default();
        match desk.answer(message, Road { client, here, transport: Transport::Udp }) {
            Answer::Now(reply) => drop(socket.send_to(reply.datagram(), client).await),
            Answer::Later { reply, .. } => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                let socket = Arc::clone(&socket);
                waiting.spawn(async move {
                    drop(socket.send_to(reply.await.datagram(), client).await);
                    drop(place);
                });
            }
            Answer::Never => {}
        }
        while waiting.try_join_next().is_some() {}
    }
}

/// Our address as the other side sees it, where there is one.
fn ipv4(address: Option<SocketAddr>) -> Ipv4Addr {
    match address.map(|address| address.ip().to_canonical()) {
        Some(IpAddr::V4(address)) => address,
        _ => Ipv4Addr::UNSPECIFIED,
    }
}

/// Tells the timelines what was mounted by whom.
struct Witness {
    book: Book,
    seen: UnboundedSender<(Mac, Event)>,
}

impl Witness {
    fn mounted(&self, client: IpAddr, path: String) {
        self.tell(client, |address| Event::RootMounted { address, path });
    }

    fn refused(&self, client: IpAddr, path: String, why: Denial, reason: String) {
        self.tell(client, |address| Event::RootRefused { address, path, why, reason });
    }

    fn read(&self, read: Summary) {
        let Summary { address, calls, bytes, last, repeated } = read;
        self.tell(address.into(), |address| Event::RootRead { address, calls, bytes, last, repeated });
    }

    fn sought(&self, client: IpAddr, service: String, known: bool) {
        self.tell(client, |address| Event::ServiceSought { address, service, known });
    }

    /// A client that is no box of ours has no timeline; nobody listens any more when the server ends.
    fn tell(&self, client: IpAddr, event: impl FnOnce(Ipv4Addr) -> Event) {
        let IpAddr::V4(address) = client else { return };
        if let Some(mac) = (self.book)(address) {
            let _ = self.seen.send((mac, event(address)));
        }
    }
}

#[cfg(test)]
mod tests;
