//! Who has an address already: asked over ARP before it is offered (RFC 2131 §4.3.1, RFC 5227).
//!
//! Every host answers ARP, also those whose firewall drops a ping, so one question of a third of a second is
//! enough.

use linux::arp::ArpSocket;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use wire::arp;
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
}

/// Who waits to hear of an address.
struct Waits {
    /// Who may have it.
    besides: Mac,
    sender: oneshot::Sender<Mac>,
}

impl Neighbours {
    /// Begins to listen, in a thread of its own: tokio cannot wait for such a socket without `unsafe`. The thread
    /// ends with the last handle.
    pub(crate) fn listen(socket: ArpSocket) -> Neighbours {
        let question = Arc::new(Question { socket, waiting: Mutex::default() });
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
        let Some(holder) = arp::holder(buffer.get(..length).unwrap_or_default()) else { return };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_another = waiting.get(&holder.address).is_some_and(|waits| waits.besides != holder.mac);
        if is_another && let Some(waits) = waiting.remove(&holder.address) {
            // Whoever waited may have given up in this moment.
            let _ = waits.sender.send(holder.mac);
        }
    }
}
