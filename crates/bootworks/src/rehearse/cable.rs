//! A cable that loses something: between a virtual NIC and its tap, in place of QEMU's own way into the tap.
//!
//! What firewalls, switches and strangers do to a box on its way to the server is done here, on the frames, so that
//! box and server are the real ones. What is lost is `loss`'s to say; a second DHCP server is `rival`'s.

mod loss;
mod rival;

pub(crate) use loss::Loss;

use linux::bridge;
use loss::{Sieve, Way};
use model::failure::{Explain as _, Result};
use rival::Rival;
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

/// What is wrong with a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Something does not get through.
    Loses(Loss),
    /// A second DHCP server answers before ours.
    HasRival,
}

/// A frame of QEMU's stream is no longer than this: what its NICs take at most (`NET_BUFSIZE`, net/net.h).
const LONGEST: usize = 4096 + 65536;

/// A cable that is plugged in; it ends when its box does.
#[derive(Debug)]
pub(crate) struct Cable(Option<JoinHandle<()>>);

impl Cable {
    /// Lays it from the tap of that name, and gives the end that QEMU takes (`-netdev stream` of a descriptor: each
    /// frame behind its length in four octets, net/stream.c).
    pub(crate) fn lay(tap: &str, fault: Fault) -> Result<(Cable, OwnedFd)> {
        let tap = File::from(bridge::open_tap(tap)?);
        let (ours, theirs) = UnixStream::pair().or_fail(|| "cannot lay a cable".into())?;
        let thread = std::thread::spawn(move || {
            // It ends with its box: QEMU closes its end.
            let _ = carry(&tap, &ours, fault);
        });
        Ok((Cable(Some(thread)), theirs.into()))
    }

    /// Waits until the tap is free again: the next start of the box takes it. Its box must be off.
    pub(crate) fn unplug(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

fn carry(tap: &File, stream: &UnixStream, fault: Fault) -> std::io::Result<()> {
    let (mut sieve, rival) = match fault {
        Fault::Loses(loss) => (Some(Sieve::new(loss)), None),
        Fault::HasRival => (None, Some(Rival)),
    };
    let mut passes = |way, frame: &[u8]| sieve.as_mut().is_none_or(|sieve| sieve.passes(way, frame));
    let (mut tap, mut stream) = (tap, stream);
    let mut frame = vec![0; LONGEST];
    loop {
        let (from_box, from_tap) = {
            let mut wanted =
                [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN), PollFd::new(&tap, PollFlags::IN)];
            poll(&mut wanted, None)?;
            (!wanted[0].revents().is_empty(), !wanted[1].revents().is_empty())
        };
        if from_box {
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            let length = u32::from_be_bytes(length) as usize;
            let Some(frame) = frame.get_mut(..length) else { return Ok(()) };
            stream.read_exact(frame)?;
            if let Some(answer) = rival.as_ref().and_then(|rival| rival.answer(frame)) {
                write(&mut stream, &answer)?;
            }
            if passes(Way::FromBox, frame) {
                // A tap that is full loses a frame, as a switch does.
                let _ = tap.write(frame);
            }
        }
        if from_tap {
            let length = tap.read(&mut frame)?;
            let frame = frame.get(..length).unwrap_or_default();
            if passes(Way::ToBox, frame) {
                write(&mut stream, frame)?;
            }
        }
    }
}

fn write(stream: &mut &UnixStream, frame: &[u8]) -> std::io::Result<()> {
    stream.write_all(&(frame.len() as u32).to_be_bytes())?;
    stream.write_all(frame)
}
