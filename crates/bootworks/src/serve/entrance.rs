//! The entrances of the HTTP server, open and with TLS: how many may be inside, and who has to leave.
//!
//! What is asked inside is [`super::http`]'s. A rack has some two connections a box; more than that is somebody who
//! does not let go, and must not keep the boxes out.

use super::board::Board;
use super::socket::watch_for_death;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rustls::ServerConfig;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Connections at one time. Whoever comes later waits in the kernel's queue until somebody leaves.
const MOST: usize = 4096;
/// Connections at one time from one address. A box has one or two; a hall behind one router has some hundred.
const MOST_OF_ONE: usize = 1024;
/// A connection over which nothing goes for so long is closed: no box pauses so long between two requests of one
/// connection, nor within one; those that wait for their turn ask again every few seconds.
const IDLE: Duration = Duration::from_secs(300);
/// How long a client may take to agree on TLS.
const AGREEMENT: Duration = Duration::from_secs(10);
/// After a connection could not be accepted (out of file descriptors): time for others to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Files and connections that are open at one time.
const FILES: u64 = 65_536;

/// A connection is a file: with the 1024 that a login may open, the boxes of one hall would wait for each other. What
/// is allowed beyond that needs no rights up to the hard limit; less than wished still serves.
pub(crate) fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wished = maximum.map_or(FILES, |most| most.min(FILES));
    if current.is_some_and(|current| current < wished) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wished), maximum });
    }
}

/// How many may be inside.
#[derive(Clone, Copy, Debug)]
struct Room {
    most: usize,
    most_of_one: usize,
    idle: Duration,
}

/// Where connections come in.
pub(crate) struct Entrance {
    listener: TcpListener,
    room: Room,
    places: Arc<Semaphore>,
    inside: Inside,
    board: Board,
}

impl Entrance {
    /// With room for the boxes of a hall.
    pub(crate) fn new(listener: TcpListener, board: Board) -> Entrance {
        Entrance::with_room(listener, board, Room { most: MOST, most_of_one: MOST_OF_ONE, idle: IDLE })
    }

    fn with_room(listener: TcpListener, board: Board, room: Room) -> Entrance {
        let places = Arc::new(Semaphore::new(room.most));
        Entrance { listener, room, places, inside: Inside::default(), board }
    }

    /// A place, once there is one.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Some(place);
        }
        self.board.count("noted", "http-full");
        self.board.note(format!(
            "http: all {} connections are taken; who comes now waits until one of them ends",
            self.room.most
        ));
        // The semaphore is never closed.
        self.places.clone().acquire_owned().await.ok()
    }
}

impl Listener for Entrance {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        let mut place = self.place().await;
        loop {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(_) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(seat) = self.inside.enter(address.ip(), self.room.most_of_one) else {
                // Dropping the stream closes it: the client sees it at once, and asks again if it is a box.
                self.board.count("refused", "http-too-many-of-one");
                self.board.note(format!(
                    "http: {} has {} connections open; further ones from there are closed",
                    address.ip(),
                    self.room.most_of_one
                ));
                continue;
            };
            watch_for_death(&stream);
            let idle = self.room.idle;
            let guest = Guest {
                stream,
                idle,
                last: Instant::now(),
                alarm: Box::pin(tokio::time::sleep(idle)),
                _place: place.take(),
                _seat: seat,
            };
            return (guest, address);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Whose connection a request came over, and whether others can read it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    /// Its address.
    pub(crate) address: SocketAddr,
    /// Who can read along.
    pub(crate) wire: Wire,
}

/// Who can read what goes over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Whoever listens on the network.
    Open,
    /// The two ends.
    Sealed,
}

impl Connected<IncomingStream<'_, Entrance>> for Visitor {
    fn connect_info(stream: IncomingStream<'_, Entrance>) -> Visitor {
        Visitor { address: *stream.remote_addr(), wire: Wire::Open }
    }
}

impl Connected<IncomingStream<'_, SealedEntrance>> for Visitor {
    fn connect_info(stream: IncomingStream<'_, SealedEntrance>) -> Visitor {
        Visitor { address: *stream.remote_addr(), wire: Wire::Sealed }
    }
}

/// Where connections come in that agree on TLS first.
pub(crate) struct SealedEntrance {
    arrivals: Receiver<(TlsStream<Guest>, SocketAddr)>,
    address: SocketAddr,
    /// Ends with this.
    _porter: JoinSet<()>,
}

impl SealedEntrance {
    /// Behind `entrance`. Nobody waits for a client that is slow to agree.
    ///
    /// Errors: the listener has no address.
    pub(crate) fn new(entrance: Entrance, config: Arc<ServerConfig>) -> io::Result<SealedEntrance> {
        let address = entrance.local_addr()?;
        let (sender, arrivals) = channel(1);
        let mut porter = JoinSet::new();
        porter.spawn(receive(entrance, TlsAcceptor::from(config), sender));
        Ok(SealedEntrance { arrivals, address, _porter: porter })
    }
}

async fn receive(
    mut entrance: Entrance,
    acceptor: TlsAcceptor,
    arrivals: Sender<(TlsStream<Guest>, SocketAddr)>,
) {
    let mut agreeing = JoinSet::new();
    loop {
        let (guest, address) = entrance.accept().await;
        let (acceptor, arrivals, board) = (acceptor.clone(), arrivals.clone(), entrance.board.clone());
        agreeing.spawn(async move {
            let agreed = tokio::time::timeout(AGREEMENT, acceptor.accept(guest)).await;
            match agreed.map_err(|_| io::Error::from(io::ErrorKind::TimedOut)).flatten() {
                Ok(stream) => drop(arrivals.send((stream, address)).await),
                Err(error) => {
                    board.count("refused", "tls");
                    board.note(format!("https: {} could not agree on TLS: {error}", address.ip()));
                }
            }
        });
        while agreeing.try_join_next().is_some() {}
    }
}

impl Listener for SealedEntrance {
    type Io = TlsStream<Guest>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TlsStream<Guest>, SocketAddr) {
        match self.arrivals.recv().await {
            Some(arrival) => arrival,
            // The porter ends with us only.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// How many connections each address has.
#[derive(Clone, Debug, Default)]
struct Inside(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Inside {
    fn enter(&self, address: IpAddr, most: usize) -> Option<Seat> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat { inside: self.clone(), address })
    }
}

/// One connection of an address; given back when it is dropped.
#[derive(Debug)]
struct Seat {
    inside: Inside,
    address: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.inside.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// A connection that is inside; its place is free when it is dropped.
pub(crate) struct Guest {
    stream: TcpStream,
    idle: Duration,
    /// When something went over it last.
    last: Instant,
    /// Looks whether it was idle for too long. Set anew only when it rings, not with each packet.
    alarm: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
    _seat: Seat,
}

impl Guest {
    /// What a read or a write came to; an error where nothing went either way for too long.
    fn settle<T>(&mut self, done: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.last = Instant::now();
            return done;
        }
        loop {
            ready!(self.alarm.as_mut().poll(context));
            let end = self.last + self.idle;
            if Instant::now() >= end {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.alarm.as_mut().reset(end);
        }
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let guest = &mut *self;
        let done = Pin::new(&mut guest.stream).poll_read(context, buffer);
        guest.settle(done, context)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let guest = &mut *self;
        let done = Pin::new(&mut guest.stream).poll_write(context, bytes);
        guest.settle(done, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let guest = &mut *self;
        let done = Pin::new(&mut guest.stream).poll_write_vectored(context, pieces);
        guest.settle(done, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::io::AsyncReadExt as _;

    async fn entrance(most: usize, most_of_one: usize, idle: Duration) -> (Entrance, Board, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (board, address) = (Board::default(), listener.local_addr().unwrap());
        let room = Room { most, most_of_one, idle };
        (Entrance::with_room(listener, board.clone(), room), board, address)
    }

    fn counted(board: &Board, what: &str, why: &str) -> serde_json::Value {
        serde_json::to_value(board.view()).unwrap()["packets"][what][why].clone()
    }

    /// A hall that is full makes newcomers wait and lets them in when somebody leaves; nobody is lost.
    #[tokio::test]
    async fn who_comes_when_it_is_full_waits() {
        let (mut entrance, board, address) = entrance(1, 9, IDLE).await;
        let _first = TcpStream::connect(address).await.unwrap();
        let (inside, _) = entrance.accept().await;
        let second = TcpStream::connect(address).await.unwrap();
        let waiting = tokio::spawn(async move {
            let (_, address) = entrance.accept().await;
            address
        });
        while counted(&board, "noted", "http-full") != 1 {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished());
        drop(inside);
        assert_eq!(waiting.await.unwrap(), second.local_addr().unwrap());
    }

    /// One address that opens connections without end is closed out; another's box comes in.
    #[tokio::test]
    async fn one_address_does_not_take_all_places() {
        let (mut entrance, board, address) = entrance(9, 1, IDLE).await;
        let _first = TcpStream::connect(address).await.unwrap();
        let (inside, _) = entrance.accept().await;
        let mut second = TcpStream::connect(address).await.unwrap();
        let accepting = tokio::spawn(async move { entrance.accept().await.1 });
        let mut bytes = [0; 1];
        assert!(matches!(second.read(&mut bytes).await, Ok(0) | Err(_)), "it is closed");
        assert_eq!(counted(&board, "refused", "http-too-many-of-one"), 1);
        drop(inside);
        let third = TcpStream::connect(address).await.unwrap();
        assert_eq!(accepting.await.unwrap(), third.local_addr().unwrap());
    }

    /// Whoever says nothing for minutes gives up its place.
    #[tokio::test]
    async fn an_idle_connection_ends() {
        let idle = Duration::from_millis(50);
        let (mut entrance, _, address) = entrance(9, 9, idle).await;
        let _silent = TcpStream::connect(address).await.unwrap();
        let (mut inside, _) = entrance.accept().await;
        let began = Instant::now();
        let error = inside.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= idle / 2);
    }
}
