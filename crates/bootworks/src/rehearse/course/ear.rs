//! What a rehearsal hears: the timeline's entries, and the console of the box as it was switched on last.

use super::super::console::Line;
use model::timeline::Entry;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Anything that happens.
pub(super) enum News {
    Entry(Entry),
    Line(String),
}

/// Hears all of it in the order in which it comes.
pub(super) struct Ear {
    sender: Sender<Heard>,
    heard: Receiver<Heard>,
    /// How often the box was switched on.
    starts: u64,
}

enum Heard {
    Entry(Entry),
    /// What the console said of the start of that number.
    Line(u64, String),
}

impl Ear {
    pub(super) fn open() -> Ear {
        let (sender, heard) = channel();
        Ear { sender, heard, starts: 0 }
    }

    /// Where the server's entries go.
    pub(super) fn entries(&self) -> Sender<Entry> {
        adapter(&self.sender, Heard::Entry)
    }

    /// Where the console's lines go from now on, because the box is switched on. What still comes of an earlier start is no
    /// word of this one: a box that was ready once would be ready again before it began.
    pub(super) fn lines_of_new_start(&mut self) -> Sender<Line> {
        self.starts += 1;
        let start = self.starts;
        adapter(&self.sender, move |Line(text)| Heard::Line(start, text))
    }

    /// The next thing that happens.
    ///
    /// Errors: nothing came in time.
    pub(super) fn hear(&self, patience: Duration) -> Result<News, RecvTimeoutError> {
        let since = Instant::now();
        loop {
            match self.heard.recv_timeout(patience.saturating_sub(since.elapsed()))? {
                Heard::Entry(entry) => return Ok(News::Entry(entry)),
                Heard::Line(start, line) if start == self.starts => return Ok(News::Line(line)),
                Heard::Line(..) => {}
            }
        }
    }
}

/// Hands on what comes, in another form.
fn adapter<T: Send + 'static>(to: &Sender<Heard>, wrap: impl Fn(T) -> Heard + Send + 'static) -> Sender<T> {
    let (sender, receiver) = channel();
    let to = to.clone();
    std::thread::spawn(move || {
        for item in receiver {
            if to.send(wrap(item)).is_err() {
                return;
            }
        }
    });
    sender
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The appliance's ready line of the start before must not make the next start ready.
    #[test]
    fn an_earlier_start_is_not_heard() {
        let mut ear = Ear::open();
        let first = ear.lines_of_new_start();
        first.send(Line("APPLIANCE READY".into())).unwrap();
        let second = ear.lines_of_new_start();
        first.send(Line("APPLIANCE READY".into())).unwrap();
        assert!(ear.hear(Duration::from_millis(50)).is_err());
        second.send(Line("Linux version".into())).unwrap();
        let heard = ear.hear(Duration::from_secs(10));
        assert!(matches!(heard, Ok(News::Line(line)) if line == "Linux version"));
    }
}
