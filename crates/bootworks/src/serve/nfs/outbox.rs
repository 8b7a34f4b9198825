//! Replies on their way to a client: many in one call, and what is read of a large file straight from the kernel's memory
//! of it. To take a file's bytes into ours and to give them back costs more than all else that an answer needs.

use super::memory;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::TcpStream;
use wire::nfs::reply;
use wire::rpc::Reply;

/// Pieces of memory in one call.
const SLICES_MOST: usize = 32;
/// Behind what comes from a file.
const ZEROS: [u8; 3] = [0; 3];

/// A reply as it is sent.
pub(super) struct Parcel {
    reply: Reply,
    enclosed: Option<Enclosed>,
}

/// What follows behind a reply's octets: some of a file, and zeros up to the next unit of XDR.
struct Enclosed {
    file: Arc<OwnedFd>,
    offset: u64,
    bytes: usize,
}

impl From<Reply> for Parcel {
    fn from(reply: Reply) -> Parcel {
        Parcel { reply, enclosed: None }
    }
}

impl Parcel {
    /// A reply to READ up to the file's bytes ([`reply::before_content`]), and where those are.
    pub(super) fn with_file(reply: Reply, file: Arc<OwnedFd>, offset: u64, bytes: usize) -> Parcel {
        Parcel { reply, enclosed: Some(Enclosed { file, offset, bytes }) }
    }

    /// As it goes into a datagram, for which files are too large.
    pub(super) fn datagram(&self) -> &[u8] {
        self.reply.datagram()
    }

    fn length(&self) -> usize {
        let enclosed = self.enclosed.as_ref().map_or(0, |part| part.bytes + reply::padding(part.bytes));
        self.reply.record().len() + enclosed
    }
}

/// Whether the connection takes more at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ability {
    Takes,
    Full,
}

/// What is to be sent.
#[derive(Default)]
pub(super) struct Outbox {
    parcels: VecDeque<Parcel>,
    /// How much of the first one was sent.
    sent: usize,
    /// Bytes that are not sent yet.
    pub(super) ready: usize,
    /// Bytes of replies that are being made or not sent yet.
    pub(super) under_way: usize,
    /// Bytes sent since others had their turn.
    pub(super) turn: usize,
}

impl Outbox {
    pub(super) fn put(&mut self, parcel: Parcel) {
        let length = parcel.length();
        self.under_way += length;
        self.ready += length;
        self.parcels.push_back(parcel);
    }

    pub(super) fn has_any(&self) -> bool {
        !self.parcels.is_empty()
    }

    /// Sends what is ready, as far as the connection takes it now.
    ///
    /// Errors: the connection's, or a file ended before what was promised of it; either way the connection is no more, and
    /// the client asks again over another.
    pub(super) fn send(&mut self, stream: &TcpStream) -> std::io::Result<Ability> {
        while self.has_any() {
            match stream.try_io(Interest::WRITABLE, || Ok(self.send_some(stream)?)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Ability::Full),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Ability::Takes)
    }

    /// One call: memory up to the next file, or that file.
    fn send_some(&self, stream: &TcpStream) -> Result<usize, Errno> {
        let mut slices = [IoSlice::new(&[]); SLICES_MOST];
        let mut free = slices.iter_mut();
        let mut skipped = self.sent;
        let mut flags = SendFlags::NOSIGNAL;
        for parcel in &self.parcels {
            let head = parcel.reply.record();
            let part = match &parcel.enclosed {
                Some(part) if skipped >= head.len() && skipped < head.len() + part.bytes => {
                    let sent = skipped - head.len();
                    let mut offset = part.offset + sent as u64;
                    return rustix::fs::sendfile(
                        stream,
                        part.file.as_fd(),
                        Some(&mut offset),
                        part.bytes - sent,
                    );
                }
                other => other,
            };
            let (Some(slice), Some(behind)) = (free.next(), free.next()) else { break };
            *slice = IoSlice::new(head.get(skipped..).unwrap_or_default());
            match part {
                // What follows goes into the same segment.
                Some(_) if skipped < head.len() => {
                    flags |= SendFlags::MORE;
                    break;
                }
                Some(_) => *behind = IoSlice::new(ZEROS.get(..parcel.length() - skipped).unwrap_or_default()),
                None => {}
            }
            skipped = 0;
        }
        sendmsg(stream, &slices, &mut SendAncillaryBuffer::default(), flags)
    }

    fn advance(&mut self, count: usize) {
        self.sent += count;
        self.turn += count;
        self.ready = self.ready.saturating_sub(count);
        while let Some(length) = self.parcels.front().map(Parcel::length) {
            if self.sent < length {
                return;
            }
            self.sent -= length;
            self.under_way = self.under_way.saturating_sub(length);
            let parcel = self.parcels.pop_front();
            parcel.map(|parcel| parcel.reply.into_memory()).into_iter().for_each(memory::take_back);
        }
    }
}
