//! How `init` speaks: to PID 1 over standard output, to the server over the beacon, in one call for both.

use crate::beacon::{Address, Beacon};
use crate::word::Word;
use model::ladder::Rung;
use model::timeline::{Event, Trouble};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many kernel lines go with a trouble to the server.
const KERNEL_LINES: usize = 20;

/// Evidence alone (counters) is not said again more often than this.
const CALM: Duration = Duration::from_secs(5);

/// A handle that every thread of the worker can have.
#[derive(Clone, Debug)]
pub(super) struct Voice {
    beacon: Beacon,
    /// What stands on the screen, with since when.
    troubles: Arc<Mutex<BTreeMap<String, (Trouble, Instant)>>>,
}

impl Voice {
    /// Begins to speak; the server hears it once [`Voice::connect`] said where it is.
    pub(super) fn start() -> Voice {
        Voice { beacon: Beacon::start("init", None), troubles: Arc::default() }
    }

    /// Says where the server is.
    pub(super) fn connect(&self, address: Address) {
        self.beacon.connect(address);
    }

    /// Tells the server only.
    pub(super) fn tell(&self, event: Event) {
        self.beacon.tell(event);
    }

    /// Waits until the server has all that was told, and says whether it does.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        self.beacon.flush(patience)
    }

    /// A line for the screen only.
    pub(super) fn progress(&self, line: &str) {
        say(&Word::Progress { line: line.to_owned() });
    }

    /// A rung is reached.
    pub(super) fn reached(&self, rung: Rung, detail: &str) {
        let detail = detail.to_owned();
        self.beacon.tell(Event::Reached { rung, detail: detail.clone() });
        say(&Word::Reached { rung, detail });
    }

    /// Something is wrong. Said again only when its text has changed.
    pub(super) fn trouble(&self, trouble: Trouble) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let known = troubles.get(&trouble.cause);
        let is_known = known.is_some_and(|(known, _)| known.sentence == trouble.sentence);
        if known.is_some_and(|(known, at)| *known == trouble || is_known && at.elapsed() < CALM) {
            return;
        }
        troubles.insert(trouble.cause.clone(), (trouble.clone(), Instant::now()));
        // New evidence is for the screen; the server hears of a trouble once.
        if !is_known {
            let kernel_log = linux::kmsg::tail(KERNEL_LINES);
            self.beacon.tell(Event::TroubleFound { trouble: trouble.clone(), kernel_log });
        }
        say(&Word::Trouble { trouble });
    }

    /// A trouble is over, if there was one.
    pub(super) fn over(&self, cause: &str) {
        let known = self.troubles.lock().unwrap_or_else(PoisonError::into_inner).remove(cause);
        if known.is_some() {
            self.beacon.tell(Event::TroubleOver { cause: cause.to_owned() });
            say(&Word::TroubleOver { cause: cause.to_owned() });
        }
    }

    /// Makes `now` the one trouble among those of `family`; `None` ends them all.
    pub(super) fn only(&self, now: Option<Trouble>, family: &[&str]) {
        for cause in family {
            if now.as_ref().is_none_or(|trouble| trouble.cause != *cause) {
                self.over(cause);
            }
        }
        if let Some(trouble) = now {
            self.trouble(trouble);
        }
    }

    /// The controller can start.
    pub(super) fn root_stands(&self) {
        say(&Word::RootStands);
    }
}

/// One line on standard output, in one write: PID 1 reads lines.
fn say(word: &Word) {
    let Ok(mut line) = serde_json::to_vec(word) else { return };
    line.push(b'\n');
    // PID 1 does not go away; where it does there is nobody left to tell.
    let _ = std::io::stdout().lock().write_all(&line).and_then(|()| std::io::stdout().flush());
}
