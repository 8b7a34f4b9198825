//! Parts that are decoded side by side and come out in the order in which they went in.
//!
//! At most a window of them is on its way, so that memory does not grow with the stream.

use super::bzip2::{Decoded, Unit};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;
use wire::bzip2::Workshop;

/// Most parts on their way.
const WINDOW: usize = 20;

/// A part of a compressed stream that can be decoded alone.
pub(super) enum Part {
    /// A stretch of a bzip2 file.
    Bzip2(Unit),
    /// A zstd frame and how much it holds.
    Zstd(Vec<u8>, usize),
    /// Whole gzip members and how much they hold at most.
    Gzip(Vec<u8>, usize),
}

/// What became of a part.
pub(super) enum Made {
    /// Plain octets.
    Plain(Vec<u8>),
    /// A stretch, decoded as far as it could be alone.
    Bzip2(Decoded),
    /// It is damaged, or the source failed.
    Broken(io::Error),
}

/// Where parts go in.
pub(super) struct Lanes {
    parts: SyncSender<(Part, SyncSender<Made>)>,
    order: SyncSender<Receiver<Made>>,
}

/// Nobody reads any more.
pub(super) struct Unread;

/// Where they come out.
pub(super) struct Outlet {
    order: Receiver<Receiver<Made>>,
}

impl Lanes {
    /// Starts the workers; they end when the lanes are closed and empty.
    pub(super) fn open<'scope>(scope: &'scope Scope<'scope, '_>, workers: usize) -> (Lanes, Outlet) {
        let window = (2 * workers + 2).min(WINDOW);
        let (parts, queue) = sync_channel::<(Part, SyncSender<Made>)>(window);
        let (order, outlet) = sync_channel(window);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..workers {
            let queue = queue.clone();
            scope.spawn(move || {
                let mut workshop = Workshop::default();
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((part, made)) = next else { return };
                    // Whoever reads no more has no use for it.
                    let _ = made.send(part.make(&mut workshop));
                }
            });
        }
        (Lanes { parts, order }, Outlet { order: outlet })
    }

    /// Hands in a part; waits while the window is full.
    pub(super) fn put(&self, part: Part) -> Result<(), Unread> {
        let (made, outcome) = sync_channel(1);
        self.order.send(outcome).map_err(|_| Unread)?;
        self.parts.send((part, made)).map_err(|_| Unread)
    }

    /// Hands in what needs no worker.
    pub(super) fn put_made(&self, made: Made) -> Result<(), Unread> {
        let (sender, outcome) = sync_channel(1);
        // There is room for one, so this does not wait.
        let _ = sender.send(made);
        self.order.send(outcome).map_err(|_| Unread)
    }
}

impl Part {
    fn make(self, workshop: &mut Workshop) -> Made {
        match self {
            Part::Bzip2(unit) => Made::Bzip2(unit.decode(workshop)),
            Part::Zstd(octets, size) => match zstd::bulk::decompress(&octets, size) {
                Ok(plain) if plain.len() == size => Made::Plain(plain),
                Ok(_) => Made::Broken(damaged("a zstd frame holds less than it says")),
                Err(error) => Made::Broken(io::Error::new(io::ErrorKind::InvalidData, error)),
            },
            Part::Gzip(octets, size) => {
                let mut plain = Vec::with_capacity(size);
                match flate2::bufread::MultiGzDecoder::new(&octets[..]).read_to_end(&mut plain) {
                    Ok(_) => Made::Plain(plain),
                    Err(error) => Made::Broken(error),
                }
            }
        }
    }
}

/// The error of a stream whose octets cannot be right.
pub(super) fn damaged(why: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

impl Outlet {
    /// What became of the next part; `None` after the last.
    pub(super) fn next(&self) -> Option<Made> {
        let outcome = self.order.recv().ok()?;
        let lost = || Made::Broken(io::Error::other("a decompressing thread ended unexpectedly"));
        Some(outcome.recv().unwrap_or_else(|_| lost()))
    }

    /// As a stream, for formats whose parts stand for themselves.
    pub(super) fn into_reader(self) -> impl Read {
        Plain { outlet: self, octets: Vec::new(), at: 0 }
    }
}

struct Plain {
    outlet: Outlet,
    octets: Vec<u8>,
    at: usize,
}

impl Read for Plain {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.octets.len() {
            match self.outlet.next() {
                None => return Ok(0),
                Some(Made::Plain(octets)) => (self.octets, self.at) = (octets, 0),
                Some(Made::Broken(error)) => return Err(error),
                Some(Made::Bzip2(_)) => return Err(io::Error::other("a part of another format")),
            }
        }
        let count = into.len().min(self.octets.len() - self.at);
        into[..count].copy_from_slice(&self.octets[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
