//! One NIC on its way: link, address, server; then, if it was the first, keeping the lease. A thread each,
//! all at the same time. What the steps mean for the box is decided in `network`.

use linux::link::{self, Link};
use std::io::ErrorKind;
use std::net::{SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wire::dhcp::client::{Client, Heard, Lease};

/// How often carrier is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long the server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Pause between two attempts to reach the server.
const AGAIN: Duration = Duration::from_secs(2);

/// Where a NIC stands, with since when.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Standing {
    /// The NIC.
    pub(super) link: Link,
    /// Its step.
    pub(super) step: Step,
    /// Since when it stands there.
    pub(super) since: Instant,
}

/// The steps of a NIC, in the order in which they are climbed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// It could not be switched on; the kernel's words.
    Dead(String),
    /// It has no carrier.
    NoCarrier,
    /// It asks for an address and gets none; the last refusal, if there was one.
    Asking(Option<String>),
    /// It has an address and tries the server; what came of it last.
    Leased(Box<Lease>, Option<String>),
    /// The server answered.
    Reached(Box<Lease>),
    /// Another NIC was first.
    Left,
}

/// What the threads share.
#[derive(Debug, Default)]
pub(super) struct Race {
    /// The interface that reached the server first.
    winner: Mutex<Option<String>>,
}

impl Race {
    /// Whether this NIC is the one: the first to ask is.
    fn is_won_by(&self, name: &str) -> bool {
        let mut winner = self.winner.lock().unwrap_or_else(PoisonError::into_inner);
        winner.get_or_insert_with(|| name.to_owned()) == name
    }

    fn is_lost_by(&self, name: &str) -> bool {
        let winner = self.winner.lock().unwrap_or_else(PoisonError::into_inner);
        winner.as_ref().is_some_and(|winner| winner != name)
    }
}

/// A NIC that was sent on its way.
#[derive(Clone, Debug)]
pub(super) struct Nic {
    standing: Arc<Mutex<Standing>>,
    gone: Arc<AtomicBool>,
}

impl Nic {
    /// Sends a NIC on its way to `server`; without a server it stops at the address.
    pub(super) fn send(link: Link, server: Option<SocketAddrV4>, race: &Arc<Race>) -> Nic {
        let standing = Standing { link: link.clone(), step: Step::NoCarrier, since: Instant::now() };
        let nic = Nic { standing: Arc::new(Mutex::new(standing)), gone: Arc::default() };
        let (own, race) = (nic.clone(), race.clone());
        let climb = move || own.climb(&link, server, &race);
        if let Err(error) = std::thread::Builder::new().name("nic".into()).spawn(climb) {
            nic.stand(Step::Dead(error.to_string()));
        }
        nic
    }

    /// Where it stands.
    pub(super) fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The interface is gone; its thread ends.
    pub(super) fn forget(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    fn stand(&self, step: Step) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::discriminant(&standing.step) != std::mem::discriminant(&step) {
            standing.since = Instant::now();
        }
        standing.step = step;
    }

    fn climb(&self, link: &Link, server: Option<SocketAddrV4>, race: &Race) {
        // Both the clock's start and the number are only for this conversation.
        let start = Instant::now();
        let mut client = Client::new(link.mac, random());
        if let Some(server) = server {
            client = client.preferring(*server.ip());
        }
        while !self.gone.load(Ordering::Relaxed) {
            if let Err(failure) = link::up(link.index) {
                self.stand(Step::Dead(failure.to_string()));
                std::thread::sleep(AGAIN);
                continue;
            }
            if !link.has_carrier() {
                self.stand(Step::NoCarrier);
                std::thread::sleep(LOOK);
                continue;
            }
            match link::dhcp_socket(link) {
                Ok(socket) => self.converse(link, &socket, &mut client, start, server, race),
                Err(failure) => {
                    self.stand(Step::Dead(failure.to_string()));
                    std::thread::sleep(AGAIN);
                }
            }
            if matches!(self.standing().step, Step::Left) {
                return;
            }
        }
    }

    /// Asks for an address, tries the server, renews the lease: until the link is lost or another NIC won.
    fn converse(
        &self,
        link: &Link,
        socket: &UdpSocket,
        client: &mut Client,
        start: Instant,
        server: Option<SocketAddrV4>,
        race: &Race,
    ) {
        let mut lease = client.lease().cloned();
        let mut try_server = Instant::now();
        match &lease {
            Some(lease) => self.stand(Step::Leased(Box::new(lease.clone()), None)),
            None => self.stand(Step::Asking(None)),
        }
        while link.has_carrier() && !self.gone.load(Ordering::Relaxed) {
            if let Some(packet) = client.poll(start.elapsed()) {
                // What does not leave is sent again; the port's state is seen by its carrier.
                let _ = socket.send_to(&packet.bytes, (packet.to, 67));
            }
            match self.hear(socket, client, start) {
                // The route of a NIC that lost would take the place of the winner's.
                Some(Heard::Bound(_)) if race.is_lost_by(&link.name) => {}
                Some(Heard::Bound(new)) => {
                    if let Err(reason) = configure(link, lease.as_ref(), &new) {
                        self.stand(Step::Asking(Some(reason)));
                    } else if !matches!(self.standing().step, Step::Reached(_)) {
                        self.stand(Step::Leased(new.clone(), None));
                    }
                    lease = Some(*new);
                    try_server = Instant::now();
                }
                Some(Heard::Refused { server, message }) => {
                    let words = message.unwrap_or_else(|| "without a reason".into());
                    self.stand(Step::Asking(Some(format!("refused by {server}: {words}"))));
                    lease = drop_lease(link, lease);
                }
                _ => {}
            }
            if client.lease().is_none() && lease.is_some() {
                lease = drop_lease(link, lease);
                self.stand(Step::Asking(Some("the lease is over".into())));
            }
            if race.is_lost_by(&link.name) {
                drop_lease(link, lease);
                self.stand(Step::Left);
                return;
            }
            let has_reached = matches!(self.standing().step, Step::Reached(_));
            if let (Some(lease), Some(server), false) = (&lease, server, has_reached)
                && Instant::now() >= try_server
            {
                let step = self.try_server(link, lease, server, race);
                self.stand(step);
                try_server = Instant::now() + AGAIN;
            }
        }
    }

    fn hear(&self, socket: &UdpSocket, client: &mut Client, start: Instant) -> Option<Heard> {
        let until = client.wake().saturating_sub(start.elapsed()).clamp(Duration::from_millis(1), 2 * LOOK);
        let _ = socket.set_read_timeout(Some(until));
        let mut buffer = [0u8; 2048];
        match socket.recv_from(&mut buffer) {
            // RFC 2131 §4.1: servers speak from port 67.
            Ok((length, from)) if from.port() == 67 => {
                Some(client.hear(buffer.get(..length).unwrap_or_default(), start.elapsed()))
            }
            Ok(_) => None,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(_) => {
                std::thread::sleep(LOOK);
                None
            }
        }
    }

    fn try_server(&self, link: &Link, lease: &Lease, server: SocketAddrV4, race: &Race) -> Step {
        match link::connect(link, server, CONNECT) {
            Ok(_) if race.is_won_by(&link.name) => {
                if let Some(router) = lease.router {
                    let _ = link::add_default_route(link.index, router);
                }
                Step::Reached(Box::new(lease.clone()))
            }
            Ok(_) => Step::Leased(Box::new(lease.clone()), Some("another NIC was first".into())),
            Err(error) => Step::Leased(Box::new(lease.clone()), Some(reason(&error))),
        }
    }
}

/// Why the server was not reached, as a person understands it.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut => "no answer to a connection".into(),
        ErrorKind::ConnectionRefused => "the connection is refused: nothing listens on that port".into(),
        ErrorKind::HostUnreachable => "nobody answers for that address (ARP)".into(),
        ErrorKind::NetworkUnreachable => "there is no route to it".into(),
        _ => error.to_string(),
    }
}

fn configure(link: &Link, old: Option<&Lease>, new: &Lease) -> Result<(), String> {
    if let Some(old) = old
        && (old.address, old.prefix) != (new.address, new.prefix)
    {
        let _ = link::remove_address(link.index, old.address, old.prefix);
    }
    link::add_address(link.index, new.address, new.prefix).map_err(|failure| failure.to_string())?;
    match new.router {
        // A box whose server is on its own network works without the router.
        Some(router) => link::add_default_route(link.index, router).or(Ok(())),
        None => Ok(()),
    }
}

/// Takes the address away again.
fn drop_lease(link: &Link, lease: Option<Lease>) -> Option<Lease> {
    if let Some(lease) = lease {
        let _ = link::remove_address(link.index, lease.address, lease.prefix);
    }
    None
}

/// Names a conversation; boxes switched on together must not choose the same.
fn random() -> u32 {
    let mut octets = [0u8; 4];
    // The kernel may have no randomness yet, and waiting for it takes minutes on some boxes; the time
    // since its start in nanoseconds differs enough.
    let flags = rustix::rand::GetRandomFlags::NONBLOCK;
    if !matches!(rustix::rand::getrandom(&mut octets, flags), Ok(4)) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        return (now.tv_nsec as u32).rotate_left(7) ^ std::process::id();
    }
    u32::from_ne_bytes(octets)
}
