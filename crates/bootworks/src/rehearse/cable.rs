//! A cable that loses something: between a virtual NIC and its tap, in place of QEMU's own way into the tap.
//!
//! What firewalls, switches and strangers do to a box on its way to the server is done here, on the frames, so that
//! box and server are the real ones. What is lost is `loss`'s to say; the others are strangers on the cable.

mod crowd;
mod frame;
mod loss;
mod rival;
mod scribe;

pub(crate) use loss::Loss;
pub(crate) use scribe::Bootfile;

use crowd::Crowd;
use linux::bridge;
use loss::{Sieve, Way};
use model::failure::{Explain as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Instant;

/// What is wrong with a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Something does not get through.
    Loses(Loss),
    /// A second DHCP server answers before ours.
    HasRival,
    /// DHCP answers name something else to boot.
    Names(Bootfile),
    /// Others have taken every address before the box asks.
    HasCrowd,
    /// HTTP's connections are cut off after so many octets came of it.
    Resets(u64),
}

/// A frame of QEMU's stream is no longer than this: what its NICs take at most (`NET_BUFSIZE`, net/net.h).
const LONGEST: usize = 4096 + 65536;

/// How long a box may take to make room for a frame.
const TAKES: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

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

/// Who is on the cable besides the box and its server.
#[derive(Debug)]
enum Company {
    Sieve(Sieve),
    Rival,
    Scribe(Bootfile),
    Crowd(Crowd),
    Resetter(Sieve),
}

/// What comes of a frame.
#[derive(Debug, Default)]
struct Meeting {
    /// Whether it gets through.
    passes: bool,
    /// What is sent to the box besides.
    to_box: Option<Vec<u8>>,
    /// What is sent to the server besides.
    to_server: Option<Vec<u8>>,
}

impl Company {
    fn of(fault: Fault) -> Company {
        match fault {
            Fault::Loses(loss) => Company::Sieve(Sieve::new(loss)),
            Fault::HasRival => Company::Rival,
            Fault::Names(bootfile) => Company::Scribe(bootfile),
            Fault::HasCrowd => Company::Crowd(Crowd::default()),
            Fault::Resets(octets) => Company::Resetter(Sieve::new(Loss::HttpAfter(octets))),
        }
    }

    /// What comes of this frame.
    fn meet(&mut self, way: Way, frame: &[u8]) -> Meeting {
        let from_box = way == Way::FromBox;
        let passed = Meeting { passes: true, ..Meeting::default() };
        match self {
            Company::Sieve(sieve) => Meeting { passes: sieve.passes(way, frame), ..passed },
            Company::Rival => Meeting { to_box: rival::answer(frame).filter(|_| from_box), ..passed },
            Company::Scribe(bootfile) => {
                let to_box = scribe::rewrite(*bootfile, frame).filter(|_| !from_box);
                Meeting { passes: to_box.is_none(), to_box, ..passed }
            }
            // The box may not ask before the crowd has everything.
            Company::Crowd(crowd) if from_box => Meeting { passes: crowd.has_all(), ..passed },
            Company::Crowd(crowd) => {
                let to_server = crowd.hear(frame);
                Meeting { passes: to_server.is_none(), to_server, ..passed }
            }
            Company::Resetter(sieve) => {
                let passes = sieve.passes(way, frame);
                let to_box = if passes || !from_box { None } else { frame::reset(frame) };
                Meeting { passes, to_box, ..passed }
            }
        }
    }

    /// What it tells the server by itself; nothing, and it is silent from then on.
    fn speak(&mut self) -> Option<Vec<u8>> {
        match self {
            Company::Crowd(crowd) => crowd.ask(),
            _ => None,
        }
    }
}

fn carry(tap: &File, stream: &UnixStream, fault: Fault) -> std::io::Result<()> {
    let mut company = Company::of(fault);
    let (mut tap, mut stream) = (tap, stream);
    let mut frame = vec![0; LONGEST];
    let mut speaks = Some(Instant::now());
    loop {
        if speaks.is_some_and(|at| at <= Instant::now()) {
            let said = company.speak();
            speaks = said.is_some().then(|| Instant::now() + crowd::EACH);
            deliver(Meeting { to_server: said, ..Meeting::default() }, &mut tap, &mut stream)?;
        }
        let patience = speaks.map(|at| at.saturating_duration_since(Instant::now()));
        let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
        let (from_box, from_tap) = {
            let mut wanted =
                [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN), PollFd::new(&tap, PollFlags::IN)];
            poll(&mut wanted, patience.as_ref())?;
            (!wanted[0].revents().is_empty(), !wanted[1].revents().is_empty())
        };
        if from_box {
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            let length = u32::from_be_bytes(length) as usize;
            let Some(frame) = frame.get_mut(..length) else { return Ok(()) };
            stream.read_exact(frame)?;
            let meeting = company.meet(Way::FromBox, frame);
            if meeting.passes {
                // A tap that is full loses a frame, as a switch does.
                let _ = tap.write(frame);
            }
            deliver(meeting, &mut tap, &mut stream)?;
        }
        if from_tap {
            let length = tap.read(&mut frame)?;
            let frame = frame.get(..length).unwrap_or_default();
            let meeting = company.meet(Way::ToBox, frame);
            if meeting.passes {
                write(&mut stream, frame)?;
            }
            deliver(meeting, &mut tap, &mut stream)?;
        }
    }
}

/// Sends what somebody on the cable says.
fn deliver(said: Meeting, tap: &mut &File, stream: &mut &UnixStream) -> std::io::Result<()> {
    if let Some(frame) = said.to_server {
        let _ = tap.write(&frame);
    }
    said.to_box.map_or(Ok(()), |frame| write(stream, &frame))
}

/// Gives the box a frame, or loses it: a box whose NIC is switched off takes none, and whoever else is on the cable must
/// not wait for it.
fn write(stream: &mut &UnixStream, frame: &[u8]) -> std::io::Result<()> {
    let mut wanted = [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::OUT)];
    // The kernel calls a socket writable when three quarters of its buffer are free (net/unix/af_unix.c,
    // `unix_writable`): more than any frame.
    if poll(&mut wanted, Some(&TAKES))? == 0 {
        return Ok(());
    }
    stream.write_all(&(frame.len() as u32).to_be_bytes())?;
    stream.write_all(frame)
}
