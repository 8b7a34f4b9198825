//! What a box's silence means: rules over its timeline alone, for the hour when nothing more is heard of it.
//!
//! Each rule is a signature: what the server saw, and then nothing. The rules read events, never their words; what the
//! box's own lines say, where some reached the server, is `diagnosis`'s, and goes first. The server asks when a box's patience has run out (`timeline::state::BoxState::overdue`)
//! or when it goes in circles, and puts the answer on the timeline.

mod finding;
mod rules;
mod seen;
mod words;

#[cfg(test)]
mod tests;

use crate::ladder::{LADDER, Rung};
use crate::proof::nic::BootNic;
use crate::timeline::state::BoxState;
use crate::timeline::{Entry, Timestamp, Trouble};
use seen::Seen;

/// What a silence means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Which signature it is: `S12`, as in the table of [`signatures`], or [`LAST_WORDS`].
    pub signature: &'static str,
    /// The likeliest cause, with what was seen and what tells it apart from the others.
    pub trouble: Trouble,
    /// Other causes of the same silence, the likelier first.
    pub others: Vec<String>,
}

/// Instead of a signature: lines of the box's own say it.
pub const LAST_WORDS: &str = "log";

/// What is known besides the box's own timeline.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'s> {
    /// The proof's verdict on the NIC that the box told, held against the live OS that is served.
    pub boot_nic: Option<&'s BootNic>,
    /// The other boxes of the line.
    pub others: &'s [BoxState],
}

/// One signature: for the guide, and for tests that hold the rules against it.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// Its name: `S12`.
    pub id: &'static str,
    /// What the server saw, then nothing.
    pub seen: &'static str,
    /// Causes, the likeliest first.
    pub causes: &'static [&'static str],
    /// What tells them apart, or the next step.
    pub next: &'static str,
}

/// Every signature that the server can recognise.
pub fn signatures() -> impl Iterator<Item = &'static Signature> {
    rules::all().map(|rule| &rule.signature)
}

/// Explains the silence of the box whose entries these are, oldest first, as of `now`. `None` where nothing
/// speaks for any cause: the box is on its way, waits for a person, or told its trouble itself.
pub fn explain(entries: &[Entry], now: Timestamp, around: Surroundings<'_>) -> Option<Explanation> {
    let seen = Seen::of(entries, now, around)?;
    let by_events = rules::all().find_map(|rule| {
        let finding = (rule.applies)(&seen)?;
        Some(finding::tell(&rule.signature, finding, &seen))
    });
    words::tell(&seen, by_events)
}

/// Words for the kernel of a box whose last start ended when its kernel had been fetched: everything on every
/// console, from the first line on (Documentation/admin-guide/kernel-parameters.txt).
pub const VERBOSE_WORDS: &str = "ignore_loglevel earlyprintk=serial,ttyS0,115200 keep_bootcon";

/// Whether a box's next start is worth those words: the one before fell silent between loader and initrd.
pub fn wants_words(state: &BoxState) -> bool {
    state.last_end == Some(Rung::FetchedInitrd)
}

/// The rung after the highest one: the one that does not come.
fn missing(highest: Option<Rung>) -> Rung {
    let next = highest.map_or(0, |rung| rung as usize + 1);
    LADDER.get(next).map_or(Rung::PoweredOff, |definition| definition.rung)
}
