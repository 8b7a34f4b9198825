//! Who has an address already: asked over ARP before it is offered (RFC 2131 §4.3.1, RFC 5227).
//!
//! Every host answers ARP, also those whose firewall drops a ping, so one question of a third of a second is
//! enough.
//!
//! Boxes are heard asking, too: one that asks again and again who has an address is not answered.

use linux::arp::ArpSocket;
use model::timeline::Event;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use wire::arp::{self, Question as Seeks};
use wire::mac::Mac;

/// Between the two times that an address is asked for, and after the second.
const PAUSE: Duration = Duration::from_millis(150);
/// Questions under way at one time. When a whole rack asks at once, further addresses are offered unasked: a
/// client that finds one taken declines it.
const MOST: usize = 64;

/// The socket and those who wait for an answer.
#[derive(Clone)]
pub(crate) struct Neighbours(Arc<Question>);

struct Question {
    socket: ArpSocket,
    waiting: Mutex<HashMap<Ipv4Addr, Waits>>,
    witness: Mutex<Witness>,
}

/// Tells the timelines whom boxes look for in vain.
struct Witness {
    book: Book,
    seen: UnboundedSender<(Mac, Event)>,
    began: Instant,
    seekers: Seekers,
}

/// Finds the box that an address was given to.
pub(crate) type Book = Box<dyn Fn(Ipv4Addr) -> Option<Mac> + Send>;

/// Who asked for which address lately.
#[derive(Default)]
struct Seekers(HashMap<(Mac, Ipv4Addr), Seeker>);

struct Seeker {
    times: u32,
    since: Duration,
    told: Option<Duration>,
}

/// So many questions for one address within this time were not answered: a host that is answered asks once, and then
/// after some tens of seconds.
const IN_VAIN: (u32, Duration) = (3, Duration::from_secs(10));
/// Of a box that goes on asking is told so often.
const TELL_EACH: Duration = Duration::from_secs(60);
/// Pairs remembered; the bound is on memory.
const SEEKERS_MOST: usize = 4096;

/// Who waits to hear of an address.
struct Waits {
    /// Who may have it.
    besides: Mac,
    sender: oneshot::Sender<Mac>,
}

impl Neighbours {
    /// Begins to listen, in a thread of its own: tokio cannot wait for such a socket without `unsafe`. The thread
    /// ends with the last handle.
    pub(crate) fn listen(socket: ArpSocket, book: Book, seen: UnboundedSender<(Mac, Event)>) -> Neighbours {
        let witness = Witness { book, seen, began: Instant::now(), seekers: Seekers::default() };
        let question = Arc::new(Question { socket, waiting: Mutex::default(), witness: Mutex::new(witness) });
        let asked = Arc::downgrade(&question);
        std::thread::spawn(move || {
            while let Some(question) = asked.upgrade() {
                question.hear();
            }
        });
        Neighbours(question)
    }

    /// Who has the address besides the box that is to get it; `None` where nobody says so within a third of a second, or nobody could be asked.
    pub(crate) async fn holder(&self, address: Ipv4Addr, besides: Mac) -> Option<Mac> {
        let (sender, mut answer) = oneshot::channel();
        {
            let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= MOST || waiting.contains_key(&address) {
                return None;
            }
            waiting.insert(address, Waits { besides, sender });
        }
        let probe = arp::probe(self.0.socket.mac(), address);
        for _ in 0..2 {
            // What cannot be sent is as good as lost; nobody answers then.
            let _ = self.0.socket.send(&probe);
            if let Ok(heard) = tokio::time::timeout(PAUSE, &mut answer).await {
                return heard.ok();
            }
        }
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
        None
    }
}

impl Question {
    /// Hands the next answer to whoever waits for it.
    fn hear(&self) {
        let mut buffer = [0; 64];
        let length = match self.socket.receive(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
            // An interface that went down says so at once each time.
            Err(_) => return std::thread::sleep(PAUSE),
        };
        let packet = buffer.get(..length).unwrap_or_default();
        if let Some(seeks) = arp::question(packet) {
            self.witness.lock().unwrap_or_else(PoisonError::into_inner).hear(seeks);
        }
        let Some(holder) = arp::holder(packet) else { return };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_another = waiting.get(&holder.address).is_some_and(|waits| waits.besides != holder.mac);
        if is_another && let Some(waits) = waiting.remove(&holder.address) {
            // Whoever waited may have given up in this moment.
            let _ = waits.sender.send(holder.mac);
        }
    }
}

impl Witness {
    /// Who has no address from us is no box of ours, or has another's address: nobody knows whose timeline it is.
    fn hear(&mut self, seeks: Seeks) {
        if (self.book)(seeks.own) != Some(seeks.by) {
            return;
        }
        if let Some(times) = self.seekers.hear(seeks, self.began.elapsed()) {
            // Nobody listens any more when the server ends.
            let _ = self.seen.send((seeks.by, Event::NeighbourSought { address: seeks.address, times }));
        }
    }
}

impl Seekers {
    /// How often this was asked, where that is worth a word now.
    fn hear(&mut self, seeks: Seeks, now: Duration) -> Option<u32> {
        let (often, within) = IN_VAIN;
        if self.0.len() >= SEEKERS_MOST {
            self.0.retain(|_, seeker| now.saturating_sub(seeker.since) <= TELL_EACH);
        }
        let key = (seeks.by, seeks.address);
        if self.0.len() >= SEEKERS_MOST && !self.0.contains_key(&key) {
            return None;
        }
        let seeker = self.0.entry(key).or_insert(Seeker { times: 0, since: now, told: None });
        if now.saturating_sub(seeker.since) > within {
            (seeker.times, seeker.since) = (0, now);
        }
        seeker.times += 1;
        let is_news = seeker.told.is_none_or(|told| now.saturating_sub(told) >= TELL_EACH);
        if seeker.times < often || !is_news {
            return None;
        }
        seeker.told = Some(now);
        Some(std::mem::take(&mut seeker.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked once a minute is how a host keeps its table; asked thrice in a moment is a box that nobody answers.
    #[test]
    fn only_who_asks_again_and_again_is_told() {
        let by = Mac([0x52, 0x54, 0, 0, 0, 1]);
        let own = Ipv4Addr::new(10, 77, 0, 50);
        let seeks = |last: u8| Seeks { address: Ipv4Addr::new(10, 77, 0, last), by, own };
        let mut seekers = Seekers::default();
        let mut at = |millis: u64, last: u8| seekers.hear(seeks(last), Duration::from_millis(millis));
        let slow: Vec<Option<u32>> = (0..9).map(|minute| at(minute * 60_000, 1)).collect();
        assert_eq!(slow, [None; 9]);
        let (from, other) = (600_000, 9);
        let quick: Vec<Option<u32>> =
            [0, 250, 750, 1750, 3750].map(|millis| at(from + millis, other)).to_vec();
        assert_eq!(quick, [None, None, Some(3), None, None]);
        let later: Vec<Option<u32>> =
            [61_000, 61_250, 61_750].map(|millis| at(from + millis, other)).to_vec();
        assert_eq!(later, [None, None, Some(3)]);
    }
}
