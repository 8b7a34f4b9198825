//! The roads by which boxes send log lines besides the agent's own: syslog over UDP and TCP, and netconsole.
//!
//! A line goes on the timeline of the box that has the sender's address; lines of strangers are counted only.
//! How lines are read is `wire::syslog`'s and `wire::netconsole`'s.

use super::board::Board;
use super::tftp::Owner;
use model::boot::hide_session;
use model::failure::{Explain as _, Result};
use model::timeline::Event;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use wire::mac::Mac;
use wire::{netconsole, syslog};

/// Lines a second that a box may send for long.
const RATE: u32 = 100;
/// Lines that it may send at once: a whole kernel log, and a panic behind it.
const BURST: u32 = 2000;
/// Longest line kept, in characters.
const LONGEST: usize = 2000;
/// TCP connections at one time.
const CONNECTIONS: usize = 256;
/// A connection without a line for so long is ended: the box was switched off.
const QUIET: Duration = Duration::from_secs(600);

/// Writes lines on timelines.
#[derive(Clone)]
pub(crate) struct Scribe {
    owner: Owner,
    board: Board,
    seen: UnboundedSender<(Mac, Event)>,
    shares: Arc<Mutex<HashMap<Mac, Share>>>,
}

/// What a box may still write: a bucket that fills with [`RATE`].
#[derive(Clone, Copy, Debug)]
struct Share {
    left: f64,
    at: Duration,
    /// Lines left out since the last one that was written.
    left_out: u64,
}

impl Share {
    fn new(at: Duration) -> Share {
        Share { left: f64::from(BURST), at, left_out: 0 }
    }

    /// Whether a line may be written, and how many were left out before it.
    fn take(&mut self, now: Duration) -> Option<u64> {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.left = (self.left + passed * f64::from(RATE)).min(f64::from(BURST));
        self.at = now;
        if self.left < 1.0 {
            self.left_out += 1;
            return None;
        }
        self.left -= 1.0;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Scribe {
    pub(crate) fn new(owner: Owner, board: Board, seen: UnboundedSender<(Mac, Event)>) -> Scribe {
        Scribe { owner, board, seen, shares: Arc::default() }
    }

    fn write(&self, from: Ipv4Addr, line: &str) {
        let Some(of) = (self.owner)(from) else {
            self.board.count("ignored", "log-of-stranger");
            return;
        };
        let share = {
            let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
            let now = since_start();
            shares.entry(of).or_insert_with(|| Share::new(now)).take(now)
        };
        let Some(left_out) = share else {
            self.board.count("ignored", "log-too-fast");
            return;
        };
        if left_out > 0 {
            let line = format!("bootworks: {left_out} lines were left out here: more than {RATE} a second");
            self.say(of, line);
        }
        self.board.count("noted", "log-line");
        self.say(of, hide_session(&line.chars().take(LONGEST).collect::<String>()));
    }

    fn say(&self, of: Mac, line: String) {
        // Nobody listens any more when the server ends.
        let _ = self.seen.send((of, Event::Said { line }));
    }

    /// Syslog over UDP, until the socket fails.
    pub(crate) async fn hear_syslog(self, socket: std::net::UdpSocket) -> Result<()> {
        let socket = UdpSocket::from_std(socket).or_fail(|| "cannot listen for syslog".into())?;
        let mut bytes = vec![0; syslog::LONGEST];
        loop {
            let Some((datagram, from)) = receive(&socket, &mut bytes).await else { continue };
            let message = syslog::Message::read(datagram);
            if !message.text.is_empty() {
                self.write(from, &message.line());
            }
        }
    }

    /// Netconsole, until the socket fails.
    pub(crate) async fn hear_kernels(self, socket: std::net::UdpSocket) -> Result<()> {
        let socket = UdpSocket::from_std(socket).or_fail(|| "cannot listen for netconsole".into())?;
        let mut assembler = netconsole::Assembler::default();
        let mut bytes = vec![0; syslog::LONGEST];
        loop {
            let Some((datagram, from)) = receive(&socket, &mut bytes).await else { continue };
            for message in assembler.take(from, datagram) {
                for line in message.text.lines().filter(|line| !line.is_empty()) {
                    self.write(from, line);
                }
            }
        }
    }

    /// Syslog over TCP, until the listener fails.
    pub(crate) async fn accept_syslog(self, listener: std::net::TcpListener) -> Result<()> {
        let listener = TcpListener::from_std(listener).or_fail(|| "cannot listen for syslog".into())?;
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // The semaphore is never closed.
            let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
            let Ok((stream, from)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            };
            let scribe = self.clone();
            tokio::spawn(async move {
                scribe.listen(stream, from).await;
                drop(place);
            });
        }
    }

    async fn listen(&self, mut stream: TcpStream, from: SocketAddr) {
        let IpAddr::V4(from) = from.ip() else { return };
        let mut messages = syslog::Stream::default();
        let mut bytes = vec![0; 4096];
        while let Ok(Ok(length @ 1..)) = tokio::time::timeout(QUIET, stream.read(&mut bytes)).await {
            messages.take(bytes.get(..length).unwrap_or_default());
            while let Some(message) = messages.next_message() {
                self.write(from, &message.line());
            }
        }
    }
}

/// A datagram and who sent it. Errors are those of the wire, which comes back.
async fn receive<'a>(socket: &UdpSocket, bytes: &'a mut [u8]) -> Option<(&'a [u8], Ipv4Addr)> {
    match socket.recv_from(bytes).await {
        Ok((length, SocketAddr::V4(from))) => Some((bytes.get(..length)?, *from.ip())),
        Ok(_) => None,
        Err(_) => {
            tokio::time::sleep(Duration::from_millis(200)).await;
            None
        }
    }
}

/// Time by a clock that never goes back.
fn since_start() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A box that logs in a circle must not fill the disk, nor hide that it was cut off.
    #[test]
    fn a_box_may_write_so_much_and_no_more() {
        let mut share = Share::new(Duration::ZERO);
        let at_once = (0..5000).filter(|_| share.take(Duration::ZERO).is_some()).count();
        assert_eq!(at_once, BURST as usize);
        assert_eq!(share.take(Duration::from_secs(1)), Some(3000), "what was left out is said");
        let after = (0..5000).filter(|_| share.take(Duration::from_secs(1)).is_some()).count();
        assert_eq!(after, RATE as usize - 1);
    }
}
