//! One client's TCP connection: calls in, replies out, many under way at once, within a bound of memory.
//!
//! Answers from memory go out from here; those that wait for the disk come back from other tasks when they are
//! ready, so a slow file does not hold up the others. What is said is `answer`'s.

use super::super::socket::watch_for_death;
use super::answer::{Answer, Desk, Road};
use super::ipv4;
use super::outbox::{Ability, Outbox, Parcel};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wire::nfs::portmap::Transport;
use wire::rpc::record::Assembler;

/// A call is at most so large. Only WRITE has large ones, and FSINFO tells clients to stay far below.
const CALL_MOST: usize = 128 << 10;
/// While replies of so many bytes are under way or unsent, no further call is looked at; fewer, where so many clients
/// are connected that all of them together would take too much memory.
const UNDER_WAY_MOST: usize = 4 << 20;
/// So much is sent before the next call is looked at: the client works on one answer while the next is read, and the
/// memory is at hand again. Less than that goes out with what follows it.
const SENT_AT_ONCE: usize = 64 << 10;
/// After so many bytes other clients have their turn.
const TURN: usize = 4 << 20;
/// Calls are short: a buffer for each of some thousand connections.
const HEARD_AT_ONCE: usize = 16 << 10;
/// What a reply weighs beside its content: header, attributes.
const REPLY_WEIGHT: usize = 512;
/// A client that takes nothing for so long is gone: it connects again if it is not.
const STALL_MOST: Duration = Duration::from_secs(60);

/// Talks until the client hangs up, breaks the protocol or stops listening. `share` is how many bytes of replies this
/// client may have under way at the moment; one reply it may always have.
pub(super) async fn hold(mut stream: TcpStream, desk: Arc<Desk>, share: impl Fn() -> usize) {
    let Ok(client) = stream.peer_addr() else { return };
    let road = Road { client, here: ipv4(stream.local_addr().ok()), transport: Transport::Tcp };
    watch_for_death(&stream);
    let (mut reading, writing) = stream.split();
    let mut calls =
        Calls { assembler: Assembler::new(CALL_MOST), buffer: vec![0; HEARD_AT_ONCE], start: 0, end: 0 };
    let mut outbox = Outbox::default();
    let (done, mut finished) = mpsc::unbounded_channel::<(Parcel, usize)>();
    let mut waiting = JoinSet::new();
    let mut hears = true;
    loop {
        let most = share().clamp(1, UNDER_WAY_MOST);
        let mut ability = Ability::Takes;
        loop {
            if outbox.ready >= SENT_AT_ONCE && ability == Ability::Takes {
                let Ok(seen) = outbox.send(writing.as_ref()) else { return };
                ability = seen;
            }
            if outbox.turn >= TURN {
                outbox.turn = 0;
                tokio::task::yield_now().await;
            }
            if outbox.under_way >= most {
                break;
            }
            let message = match calls.next() {
                Ok(Some(message)) => message,
                Ok(None) => break,
                // Behind a message that is too large nothing can be found any more.
                Err(_) => return,
            };
            match desk.answer(&message, road) {
                Answer::Now(parcel) => outbox.put(parcel),
                Answer::Later { weight, reply } => {
                    let weight = weight + REPLY_WEIGHT;
                    outbox.under_way += weight;
                    let done = done.clone();
                    waiting.spawn(async move { drop(done.send((reply.await, weight))) });
                }
                Answer::Never => {}
            }
        }
        if ability == Ability::Takes && outbox.has_any() && outbox.send(writing.as_ref()).is_err() {
            return;
        }
        if !hears && outbox.under_way == 0 {
            return;
        }
        tokio::select! {
            Some((reply, weight)) = finished.recv() => {
                outbox.under_way = outbox.under_way.saturating_sub(weight);
                outbox.put(reply);
                while waiting.try_join_next().is_some() {}
            }
            writable = tokio::time::timeout(STALL_MOST, writing.writable()), if outbox.has_any() => {
                if !matches!(writable, Ok(Ok(()))) {
                    return;
                }
            }
            read = reading.read(&mut calls.buffer), if hears && calls.is_used_up() && outbox.under_way < most => {
                match read {
                    Ok(0) => hears = false,
                    Ok(count) => (calls.start, calls.end) = (0, count),
                    Err(_) => return,
                }
            }
        }
    }
}

/// What was received and not looked at yet.
struct Calls {
    assembler: Assembler,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Calls {
    fn next(&mut self) -> Result<Option<Vec<u8>>, wire::rpc::record::TooLarge> {
        let mut rest = self.buffer.get(self.start..self.end).unwrap_or_default();
        let message = self.assembler.take(&mut rest);
        self.start = self.end - rest.len();
        message
    }

    fn is_used_up(&self) -> bool {
        self.start == self.end
    }
}
