//! The DHCP server's socket loops: packets in, packets out, events to the timeline.
//!
//! Decides nothing: leases are `wire::dhcp::server`'s, a proxy's words `wire::dhcp::proxy`'s, boot files
//! `model::boot`'s. Two things make an answer wait: a lease is on the disk before it is given (RFC 2131 §4.3.1),
//! and an address is looked for on the wire before it is offered. Neither holds up the packets behind it.

use super::board::Board;
use super::neighbours::Neighbours;
use model::boot::{self, Signpost};
use model::failure::{Explain as _, Result};
use model::rivals::{self, Rivals};
use model::timeline::{Client, Denial, Event, Trouble};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use wire::dhcp::Packet;
use wire::dhcp::option::{self, MessageType};
use wire::dhcp::proxy::{Door, Proxy};
use wire::dhcp::server::leases::{Lease, State};
use wire::dhcp::server::network::Network;
use wire::dhcp::server::outcome::{Outcome, Reason, Refusal};
use wire::dhcp::server::{Answer, Server};
use wire::mac::Mac;

/// The longest packet taken in: an Ethernet frame's worth; what is longer is cut off and read as far.
const LONGEST: usize = 1500;
/// Answers that wait at one time; whoever comes beyond that asks again, as clients do.
const MOST_WAITING: usize = 1024;
/// How many addresses in use are passed over for one packet.
const MOST_IN_USE: usize = 4;
/// Boxes remembered for what they were told; the bound is on memory.
const MOST_TOLD: usize = 65_536;

/// The leases, shared with those who ask whose address it is.
#[derive(Clone, Debug)]
pub(crate) struct Leases(Arc<Mutex<Server>>);

impl Leases {
    /// Those of an earlier run, if any, on this network.
    pub(crate) fn new(network: Network, earlier: Vec<Lease>) -> Leases {
        Leases(Arc::new(Mutex::new(Server::new(network, earlier))))
    }

    /// Whose address it is, or was last.
    pub(crate) fn owner(&self, address: Ipv4Addr) -> Option<Mac> {
        self.lock().client(address)
    }

    /// How many addresses are in use, and how many there are.
    pub(crate) fn usage(&self) -> (usize, usize) {
        self.lock().usage(now())
    }

    /// A poisoned lock is no reason to stop: the server changes its leases in single steps.
    fn lock(&self) -> MutexGuard<'_, Server> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Addresses that boxes chose from another server, as they said to everybody. Whether they got them, their first
/// packet from there says.
#[derive(Clone)]
pub(crate) struct Claims {
    of: Arc<Mutex<HashMap<Ipv4Addr, Claim>>>,
    seen: UnboundedSender<(Mac, Event)>,
}

#[derive(Clone, Copy)]
struct Claim {
    of: Mac,
    client: Client,
    proven: bool,
}

impl Claims {
    pub(crate) fn new(seen: UnboundedSender<(Mac, Event)>) -> Claims {
        Claims { of: Arc::default(), seen }
    }

    fn chose(&self, address: Ipv4Addr, of: Mac, client: Client) {
        let mut claims = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if claims.len() < MOST_TOLD || claims.contains_key(&address) {
            claims.insert(address, Claim { of, client, proven: false });
        }
    }

    /// Whose address it is; called for what comes from there, which proves that the box has it.
    pub(crate) fn owner(&self, address: Ipv4Addr) -> Option<Mac> {
        let mut claims = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let claim = claims.get_mut(&address)?;
        if !std::mem::replace(&mut claim.proven, true) {
            let _ = self.seen.send((claim.of, Event::AddressTaken { client: claim.client, address }));
        }
        Some(claim.of)
    }
}

/// Writes a lease where it outlives the process.
pub(crate) type Keep = Arc<dyn Fn(Lease) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// What the server does with addresses.
#[derive(Clone)]
pub(crate) enum Trade {
    /// It leases them.
    Full {
        /// Who has which.
        leases: Leases,
        /// Where they are kept.
        keep: Keep,
        /// Who looks whether an address is in use; without, nobody does.
        neighbours: Option<Neighbours>,
    },
    /// Another server leases them.
    Proxy {
        /// What is said.
        proxy: Proxy,
        /// Who has which, as far as we hear.
        claims: Claims,
    },
}

/// Everything that answering takes.
#[derive(Clone)]
pub(crate) struct Desk {
    trade: Trade,
    signpost: Arc<Signpost>,
    /// Our own MAC on that network, with which we ask for other servers.
    own: Option<Mac>,
    board: Board,
    seen: UnboundedSender<(Mac, Event)>,
    /// The trouble each box was told of.
    told: Arc<Mutex<HashMap<Mac, String>>>,
    places: Arc<Semaphore>,
}

/// An answer, and whether its client had a lease before.
struct Draft {
    answer: Answer,
    known: bool,
}

/// What an answer has to wait for.
enum Wait {
    /// For neighbours to say whether they have this address.
    Neighbours(Mac, Ipv4Addr),
    /// For the disk.
    Disk(Lease),
}

impl Desk {
    pub(crate) fn new(
        trade: Trade,
        signpost: Signpost,
        own: Option<Mac>,
        board: Board,
        seen: UnboundedSender<(Mac, Event)>,
    ) -> Desk {
        let places = Arc::new(Semaphore::new(MOST_WAITING));
        Desk { trade, signpost: Arc::new(signpost), own, board, seen, told: Arc::default(), places }
    }

    /// Answers until the socket fails. `socket` is bound to the port of this door, with leave to broadcast.
    ///
    /// Errors: the socket is no more: its interface was taken away.
    pub(crate) async fn serve(self, socket: std::net::UdpSocket, door: Door) -> Result<Infallible> {
        let what = || "cannot go on answering DHCP".to_owned();
        let socket = Arc::new(UdpSocket::from_std(socket).or_fail(what)?);
        let mut bytes = [0; LONGEST];
        loop {
            let (length, from) = match socket.recv_from(&mut bytes).await {
                Ok((length, SocketAddr::V4(from))) => (length, from),
                // The socket is one of IPv4: there are no others.
                Ok(_) => continue,
                // The cable was pulled: it comes back.
                Err(error) if error.kind() == std::io::ErrorKind::NetworkDown => continue,
                Err(error) => return Err(error).or_fail(what),
            };
            let packet = bytes.get(..length).unwrap_or_default();
            let draft = self.draft(packet, from, door);
            let Some(wait) = self.wait_of(&draft) else {
                self.finish(draft, &socket).await;
                continue;
            };
            match self.places.clone().try_acquire_owned() {
                Ok(place) => {
                    let (desk, socket, packet) = (self.clone(), socket.clone(), packet.to_vec());
                    tokio::spawn(async move {
                        desk.wait(draft, wait, &packet, from, &socket).await;
                        drop(place);
                    });
                }
                Err(_) => self.board.count("ignored", "busy"),
            }
        }
    }

    fn draft(&self, bytes: &[u8], from: SocketAddrV4, door: Door) -> Draft {
        let boot = |packet: &Packet| self.signpost.answer(packet);
        let read = Packet::parse(bytes).ok();
        let mac = read.as_ref().and_then(Packet::mac);
        if mac.is_some() && mac == self.own {
            let answer = Answer { request: None, reply: None, outcome: Outcome::Ignored(Reason::Ours) };
            return Draft { answer, known: true };
        }
        match &self.trade {
            Trade::Full { leases, .. } => {
                let mut leases = leases.lock();
                let known = mac.is_some_and(|mac| leases.lease(mac).is_some());
                Draft { answer: leases.answer(bytes, now(), &boot), known }
            }
            Trade::Proxy { proxy, claims } => {
                let known = door == Door::Us && claims.owner(*from.ip()).is_some();
                Draft { answer: proxy.answer(bytes, from, door, &boot), known }
            }
        }
    }

    fn wait_of(&self, draft: &Draft) -> Option<Wait> {
        let Trade::Full { leases, neighbours, .. } = &self.trade else { return None };
        let packet = draft.answer.request.as_ref()?;
        let mac = packet.mac()?;
        match draft.answer.outcome {
            // Behind a relay nobody hears our question.
            Outcome::Offered { address, fresh: true, .. } if packet.giaddr.is_unspecified() => {
                neighbours.as_ref().map(|_| Wait::Neighbours(mac, address))
            }
            Outcome::Taken { .. } | Outcome::Released { .. } => {
                leases.lock().lease(mac).copied().map(Wait::Disk)
            }
            // It must not find its old lease after a restart.
            Outcome::Declined { address } => {
                Some(Wait::Disk(Lease { mac, address, until: now(), state: State::Taken }))
            }
            _ => None,
        }
    }

    async fn wait(
        &self,
        mut draft: Draft,
        wait: Wait,
        packet: &[u8],
        from: SocketAddrV4,
        socket: &UdpSocket,
    ) {
        let Trade::Full { leases, keep, neighbours } = &self.trade else { return };
        match wait {
            Wait::Disk(lease) => {
                // Why it cannot be written the store says. A lease that a restart would forget is not given: the
                // client asks again.
                if keep(lease).await.is_err() {
                    self.board.count("refused", "not-kept");
                    return;
                }
            }
            Wait::Neighbours(mac, first) => {
                let mut address = first;
                for _ in 0..MOST_IN_USE {
                    let holder = match neighbours {
                        Some(neighbours) => neighbours.holder(address, mac).await,
                        None => None,
                    };
                    let Some(holder) = holder else { break };
                    self.board.count("noted", "address-in-use");
                    self.board.note(format!(
                        "dhcp: {address} is in use by {holder}, which has no lease of it; it is left alone"
                    ));
                    leases.lock().found_in_use(mac, address, now());
                    draft.answer = self.draft(packet, from, Door::Everybody).answer;
                    match draft.answer.outcome {
                        Outcome::Offered { address: next, fresh: true, .. } => address = next,
                        _ => break,
                    }
                }
            }
        }
        self.finish(draft, socket).await;
    }

    async fn finish(&self, draft: Draft, socket: &UdpSocket) {
        let Draft { answer, known } = draft;
        let (what, why) = answer.outcome.id();
        self.board.count(what, why);
        if let Some(reply) = &answer.reply
            && let Err(error) = socket.send_to(&reply.bytes, reply.to).await
        {
            self.board.note(format!("dhcp: cannot answer to {}: {error}", reply.to));
        }
        if let Outcome::Ignored(reason) = &answer.outcome
            && *reason != Reason::Ours
            && !matches!(reason, Reason::BootsNothing(_) | Reason::OthersLease(_))
        {
            let from = answer.request.as_ref().and_then(Packet::mac);
            let from = from.map_or_else(String::new, |mac| format!(" from {mac}"));
            self.board.note(format!("dhcp: ignored a packet{from}: {reason}"));
        }
        for event in self.events(&answer, known) {
            // Nobody listens any more when the server ends; that is not ours to judge.
            let _ = self.seen.send(event);
        }
    }

    /// What of an answer goes on the box's timeline. `known` is whether the client had an address before.
    fn events(&self, answer: &Answer, known: bool) -> Vec<(Mac, Event)> {
        let Some(packet) = &answer.request else { return Vec::new() };
        let Some(mac) = packet.mac() else { return Vec::new() };
        let client = boot::classify(packet);
        let mut events = Vec::new();
        let asks = match (packet.message_type(), &answer.outcome) {
            (Some(MessageType::Discover), Outcome::Ignored(Reason::BootsNothing(_))) => true,
            (_, Outcome::Ignored(_) | Outcome::Chose { .. }) => false,
            (Some(MessageType::Discover), _) => true,
            (Some(MessageType::Request), _) => !known,
            _ => false,
        };
        if asks {
            events.push(Event::AddressAsked {
                client,
                architecture: boot::architecture(packet),
                vendor_class: packet.options.text(option::VENDOR_CLASS),
                xid: Some(packet.xid),
            });
        }
        events.extend(told(&answer.outcome, client));
        events.extend(self.trouble(mac, &answer.outcome));
        if let (Outcome::Chose { address, .. }, Trade::Proxy { claims, .. }) = (&answer.outcome, &self.trade)
        {
            claims.chose(*address, mac, client);
        }
        events.into_iter().map(|event| (mac, event)).collect()
    }

    /// A box that cannot get its address from us is in trouble, which is told once; with its address it is out.
    fn trouble(&self, mac: Mac, outcome: &Outcome) -> Option<Event> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble: Trouble = match outcome {
            Outcome::Refused(Refusal::PoolEmpty { first, last }) => rivals::pool_empty(*first, *last),
            Outcome::Refused(Refusal::OtherServer { server }) => {
                Rivals::new(self.signpost.server, self.signpost.dhcp).taken_elsewhere(*server)
            }
            Outcome::Taken { .. } => return told.remove(&mac).map(|cause| Event::TroubleOver { cause }),
            _ => return None,
        };
        if told.len() >= MOST_TOLD || told.get(&mac) == Some(&trouble.cause) {
            return None;
        }
        told.insert(mac, trouble.cause.clone());
        Some(Event::TroubleFound { trouble, kernel_log: Vec::new() })
    }
}

/// Time since the Unix epoch: leases are kept over restarts.
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn told(outcome: &Outcome, client: Client) -> Option<Event> {
    match outcome {
        Outcome::Offered { address, file, .. } => {
            Some(Event::AddressOffered { address: *address, bootfile: file.clone() })
        }
        Outcome::Taken { address } => Some(Event::AddressTaken { client, address: *address }),
        Outcome::Refused(refusal) => {
            Some(Event::AddressRefused { client, why: denial(refusal), reason: refusal.to_string() })
        }
        Outcome::Declined { address } => Some(Event::AddressRefused {
            client,
            why: Denial::AddressInUse,
            reason: format!("found somebody else using {address}, which it had been given"),
        }),
        Outcome::Told { .. }
        | Outcome::Named { .. }
        | Outcome::Chose { .. }
        | Outcome::Released { .. }
        | Outcome::Ignored(_) => None,
    }
}

fn denial(refusal: &Refusal) -> Denial {
    match refusal {
        Refusal::PoolEmpty { .. } => Denial::PoolEmpty,
        Refusal::NotOurs { .. } | Refusal::NotFree { .. } => Denial::NotItsAddress,
        Refusal::OtherServer { .. } => Denial::OtherServer,
        Refusal::OtherNetwork { .. } => Denial::OtherNetwork,
        Refusal::NothingToBoot(_) => Denial::NothingToBoot,
    }
}
