//! A cable with a length: two taps, and every frame arrives at the other one a given time after it was sent.
//!
//! A stand-in for `netem`, which not every kernel has. The benches of the servers use it; no test does.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// The longest frame: Ethernet's, with a tag.
const LONGEST: usize = 1518;
/// Frames that are on the cable in each direction at most; what comes then is lost, as at a switch.
const MOST: usize = 10_000;

/// Frames on their way in one direction, each with the moment at which it arrives.
#[derive(Default)]
struct Way(VecDeque<(Instant, Vec<u8>)>);

impl Way {
    /// Takes in what was sent at `from`.
    ///
    /// Errors: the tap is gone.
    fn take(&mut self, from: &OwnedFd, delay: Duration) -> Result<(), Errno> {
        let mut frame = [0; LONGEST];
        loop {
            match rustix::io::read(from, &mut frame) {
                Ok(length) if self.0.len() < MOST => {
                    self.0.push_back((Instant::now() + delay, frame[..length].to_vec()));
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Hands out what has arrived. What a tap does not take, since it is down, is lost.
    fn give(&mut self, to: &OwnedFd) {
        while self.0.front().is_some_and(|(arrival, _)| *arrival <= Instant::now()) {
            if let Some((_, frame)) = self.0.pop_front() {
                let _ = rustix::io::write(to, &frame);
            }
        }
    }
}

/// Carries frames between taps of these names until one of them is gone. A timer of the kernel's is late by as much as
/// the delay itself: while something is on its way, the clock is looked at without a pause.
pub(crate) fn carry(left: &str, right: &str, delay: Duration) {
    let open = |name| {
        let tap = linux::bridge::open_tap(name).unwrap_or_else(|failure| panic!("{}", failure.report()));
        rustix::io::ioctl_fionbio(&tap, true).unwrap();
        tap
    };
    let (left, right) = (open(left), open(right));
    let (mut there, mut back) = (Way::default(), Way::default());
    loop {
        if there.0.is_empty() && back.0.is_empty() {
            let mut ends = [PollFd::new(&left, PollFlags::IN), PollFd::new(&right, PollFlags::IN)];
            match poll(&mut ends, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => panic!("waiting for frames: {errno}"),
            }
        }
        if there.take(&left, delay).is_err() || back.take(&right, delay).is_err() {
            return;
        }
        there.give(&right);
        back.give(&left);
    }
}
