//! One file on its way to one client: a sans-I/O core, with windows (RFC 7440) and its own clock's patience.
//!
//! ```text
//! RRQ ─▶ OACK ─▶ ACK 0 ─▶ DATA 1…w ─▶ ACK w ─▶ … ─▶ DATA n (short) ─▶ ACK n
//! RRQ (no option that we know) ─▶ DATA 1 ─▶ ACK 1 ─▶ …
//! ```
//!
//! Whatever is acknowledged in the middle of a window, the next window begins behind it (go back N).

use super::{ACK, DATA, FromClient, OACK, Wishes};
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// RFC 1350's block.
const PLAIN_BLOCK: u16 = 512;
/// The largest block agreed to: what fits into an Ethernet frame. ROMs do not put fragments together.
const LARGEST_BLOCK: u16 = 1468;
/// The largest window agreed to: some 94 kB on the wire at once, a ROM's buffer holds fewer.
const LARGEST_WINDOW: u16 = 64;
/// The first pause before a packet is sent again, unless the client says how long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How often the same packets are sent again before the client is given up: after some 30 s.
const PATIENCE: u32 = 6;

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client has it all.
    Done,
    /// The client only wanted to know the size: it went away before the first block, as UEFI does before
    /// each real transfer.
    Probed,
    /// The client ended it; its words.
    Aborted(String),
    /// The client fell silent.
    Silent,
}

/// One file on its way to one client. Times are durations since any fixed moment of the caller's choice.
#[derive(Clone, Debug)]
pub struct Transfer {
    content: Arc<[u8]>,
    block_bytes: u16,
    window: u16,
    /// The options that we agree to, until the client has acknowledged them.
    agreed: Option<Vec<u8>>,
    /// How many blocks the client has.
    acknowledged: u64,
    /// How many blocks were sent since; the next to send is the one behind them.
    ahead: u16,
    /// Whether a repeated acknowledgement has already made us go back in this window.
    went_back: bool,
    began: bool,
    /// Whether the client asked for the size: going away before the first block is then no failure.
    probes: bool,
    first_pause: Duration,
    pause: Duration,
    repeats: u32,
    /// When the packets in flight are sent again.
    wake: Duration,
    ending: Option<Ending>,
}

impl Transfer {
    /// Agrees to what it can of the client's wishes.
    pub fn new(content: Arc<[u8]>, wishes: Wishes, now: Duration) -> Transfer {
        let block_bytes = wishes.block_bytes.map(|wish| wish.min(LARGEST_BLOCK));
        let window = wishes.window.map(|wish| wish.min(LARGEST_WINDOW));
        let mut agreed = Vec::new();
        for (name, value) in [
            ("tsize", wishes.size.then_some(content.len() as u64)),
            ("blksize", block_bytes.map(u64::from)),
            ("timeout", wishes.timeout_seconds.map(u64::from)),
            ("windowsize", window.map(u64::from)),
        ] {
            if let Some(value) = value {
                agreed.extend_from_slice(name.as_bytes());
                agreed.push(0);
                agreed.extend_from_slice(value.to_string().as_bytes());
                agreed.push(0);
            }
        }
        let pause = wishes.timeout_seconds.map_or(FIRST_PAUSE, |wish| Duration::from_secs(wish.into()));
        Transfer {
            content,
            block_bytes: block_bytes.unwrap_or(PLAIN_BLOCK),
            window: window.unwrap_or(1),
            agreed: (!agreed.is_empty()).then(|| [OACK.to_be_bytes().to_vec(), agreed].concat()),
            acknowledged: 0,
            ahead: 0,
            went_back: false,
            began: false,
            probes: wishes.size,
            first_pause: pause,
            pause,
            repeats: 0,
            wake: now,
            ending: None,
        }
    }

    /// How it ended, once it has.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Whether the client wants the file, and not only its size.
    pub fn has_begun(&self) -> bool {
        self.began
    }

    /// Octets that the client has acknowledged.
    pub fn bytes(&self) -> u64 {
        (self.acknowledged * u64::from(self.block_bytes)).min(self.content.len() as u64)
    }

    /// When to poll next, if nothing is heard before.
    pub fn wake(&self) -> Duration {
        self.wake
    }

    /// The next packet to send, until there is none. To be called after [`Transfer::new`], at
    /// [`Transfer::wake`], and after each packet heard.
    pub fn poll(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.ending.is_some() {
            return None;
        }
        let waiting = self.is_window_out();
        if waiting && now >= self.wake {
            if self.repeats == PATIENCE {
                self.ending = Some(Ending::Silent);
                return None;
            }
            self.repeats += 1;
            self.pause = (self.pause * 2).min(self.first_pause.max(LONGEST_PAUSE));
            (self.ahead, self.went_back) = (0, false);
        } else if waiting {
            return None;
        }
        let packet = match &self.agreed {
            Some(agreed) => agreed.clone(),
            None => self.data(),
        };
        self.ahead += 1;
        self.wake = now + self.pause;
        Some(packet)
    }

    /// Takes in a packet from the client's port. What is neither an acknowledgement nor an error is nothing.
    pub fn hear(&mut self, bytes: &[u8], now: Duration) {
        if self.ending.is_some() {
            return;
        }
        match FromClient::parse(bytes) {
            None => {}
            Some(FromClient::Error { code, message }) => {
                let words = if message.is_empty() { alloc::format!("error {code}") } else { message };
                self.abort(words);
            }
            Some(FromClient::Ack(number)) => self.advance(number, now),
        }
    }

    /// The client's port is closed: the network says so.
    pub fn hear_closed(&mut self) {
        if self.ending.is_none() {
            self.abort("the client closed its port".into());
        }
    }

    fn abort(&mut self, words: String) {
        let probed = self.probes && !self.began;
        self.ending = Some(if probed { Ending::Probed } else { Ending::Aborted(words) });
    }

    fn advance(&mut self, number: u16, now: Duration) {
        if self.agreed.is_some() {
            // Before the first packet was polled nothing can be acknowledged.
            if number == 0 && self.ahead > 0 {
                self.agreed = None;
                self.go_on(now);
            }
            return;
        }
        // Block numbers roll over at 65535 (there is no RFC for it; every server and ROM rolls to 0): the
        // distance is what counts.
        let behind = number.wrapping_sub(self.acknowledged as u16);
        if behind == 0 {
            // The first block of the window was lost. Answered once only: to answer each repeated
            // acknowledgement doubles every packet to the end (RFC 1123 §4.2.3.1).
            if self.window > 1 && self.is_window_out() && !self.went_back {
                (self.ahead, self.went_back, self.wake) = (0, true, now);
            }
        } else if behind <= self.ahead {
            self.acknowledged += u64::from(behind);
            if self.acknowledged == self.blocks() {
                self.ending = Some(Ending::Done);
            }
            self.go_on(now);
        }
    }

    /// Progress: the next packets are due at once, and patience is as it was at first.
    fn go_on(&mut self, now: Duration) {
        self.pause = self.first_pause;
        (self.ahead, self.went_back, self.repeats, self.wake) = (0, false, 0, now);
    }

    /// Whether everything is sent that may be sent without hearing from the client.
    fn is_window_out(&self) -> bool {
        if self.agreed.is_some() {
            return self.ahead > 0;
        }
        self.ahead >= self.window || self.acknowledged + u64::from(self.ahead) >= self.blocks()
    }

    /// How many blocks there are: the last is shorter than the others, and empty where it must be.
    fn blocks(&self) -> u64 {
        self.content.len() as u64 / u64::from(self.block_bytes) + 1
    }

    fn data(&mut self) -> Vec<u8> {
        self.began = true;
        let index = self.acknowledged + u64::from(self.ahead);
        let size = usize::from(self.block_bytes);
        let start = usize::try_from(index).map_or(usize::MAX, |index| index.saturating_mul(size));
        let rest = self.content.get(start..).unwrap_or_default();
        let block = rest.get(..size).unwrap_or(rest);
        // The number is cut to 16 bits: it rolls over.
        let mut packet =
            [DATA.to_be_bytes(), (index + 1).to_be_bytes()[6..].try_into().unwrap_or_default()].concat();
        packet.extend_from_slice(block);
        packet
    }
}

/// An ACK packet, as clients send it; for whoever plays one.
pub fn acknowledge(block: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (ACK.to_be_bytes(), block.to_be_bytes());
    [a, b, c, d]
}

#[cfg(test)]
mod tests;
