//! The DHCP server's socket loop: packets in, packets out, events to the timeline.
//!
//! Decides nothing: leases are `wire::dhcp::server`'s, boot files are `model::boot`'s.

use crate::report;
use model::boot;
use model::failure::{Explain as _, Result};
use model::timeline::{Client, Denial, Event};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc::UnboundedSender;
use wire::dhcp::Packet;
use wire::dhcp::option::{self, MessageType};
use wire::dhcp::server::leases::Lease;
use wire::dhcp::server::{Answer, Network, Outcome, Refusal, Server};
use wire::mac::Mac;

/// How many different notes on ignored packets are printed before there are no more: a screen is no log.
const MOST_NOTES: usize = 100;
/// The longest packet taken in: an Ethernet frame's worth; what is longer is cut off and read as far.
const LONGEST: usize = 1500;

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

    /// All of them, to be kept over a restart.
    pub(crate) fn all(&self) -> Vec<Lease> {
        self.lock().leases().copied().collect()
    }

    /// A poisoned lock is no reason to stop: the server changes its leases in single steps.
    fn lock(&self) -> MutexGuard<'_, Server> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers until the socket fails. `socket` is bound to port 67, non-blocking, with leave to broadcast;
/// `server` and `http_port` are where boot files are.
///
/// Errors: the socket is no more: its interface was taken away.
pub(crate) async fn serve(
    socket: UdpSocket,
    leases: Leases,
    server: Ipv4Addr,
    http_port: u16,
    seen: UnboundedSender<(Mac, Event)>,
) -> Result<Infallible> {
    let what = || "cannot go on leasing addresses".to_owned();
    let socket = tokio::net::UdpSocket::from_std(socket).or_fail(what)?;
    let mut notes = Notes::default();
    let mut bytes = [0; LONGEST];
    loop {
        let length = match socket.recv_from(&mut bytes).await {
            Ok((length, _)) => length,
            // The cable was pulled: it comes back.
            Err(error) if error.kind() == std::io::ErrorKind::NetworkDown => continue,
            Err(error) => return Err(error).or_fail(what),
        };
        let packet = bytes.get(..length).unwrap_or_default();
        let boot = |packet: &Packet| boot::answer(packet, server, http_port);
        let (answer, known) = {
            let mut leases = leases.lock();
            let mac = Packet::parse(packet).ok().and_then(|packet| packet.mac());
            let known = mac.is_some_and(|mac| leases.lease(mac).is_some());
            (leases.answer(packet, now(), &boot), known)
        };
        if let Some(reply) = &answer.reply
            && let Err(error) = socket.send_to(&reply.bytes, reply.to).await
        {
            notes.say(format!("dhcp: cannot answer to {}: {error}", reply.to));
        }
        if let Outcome::Ignored(reason) = &answer.outcome {
            let from = answer.request.as_ref().and_then(Packet::mac);
            let from = from.map_or_else(String::new, |mac| format!(" from {mac}"));
            notes.say(format!("dhcp: ignored a packet{from}: {reason}"));
        }
        for event in events(&answer, known) {
            // Nobody listens any more when the server ends; that is not ours to judge.
            let _ = seen.send(event);
        }
    }
}

/// Time since the Unix epoch: leases are kept over restarts.
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// What of an answer goes on the box's timeline. `known` is whether the client had a lease before.
fn events(answer: &Answer, known: bool) -> Vec<(Mac, Event)> {
    let Some(packet) = &answer.request else { return Vec::new() };
    let Some(mac) = packet.mac() else { return Vec::new() };
    let client = boot::classify(packet);
    let mut events = Vec::new();
    let first_word = match packet.message_type() {
        Some(MessageType::Discover) => true,
        Some(MessageType::Request) => !known,
        _ => false,
    };
    if first_word && !matches!(answer.outcome, Outcome::Ignored(_)) {
        events.push(Event::AddressAsked {
            client,
            architecture: boot::architecture(packet),
            vendor_class: packet.options.text(option::VENDOR_CLASS),
            xid: Some(packet.xid),
        });
    }
    events.extend(told(&answer.outcome, client));
    events.into_iter().map(|event| (mac, event)).collect()
}

fn told(outcome: &Outcome, client: Client) -> Option<Event> {
    match outcome {
        Outcome::Offered { address, file } => {
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
        Outcome::Told { .. } | Outcome::Released { .. } | Outcome::Ignored(_) => None,
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

/// Notes on the screen, each once.
#[derive(Default)]
struct Notes(BTreeSet<String>);

impl Notes {
    fn say(&mut self, note: String) {
        if self.0.len() < MOST_NOTES && !self.0.contains(&note) {
            report::note(&note);
            self.0.insert(note);
        }
    }
}
