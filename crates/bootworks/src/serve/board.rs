//! What the server as a whole has to tell: counters of packets, alarms, whose turn it is to fetch.
//!
//! Boxes have their timelines; this is what belongs to no box. Shown at `/api/network`, and on the operator's
//! screen where it is new.

use super::store::now;
use crate::report;
use model::queue::{Queue, QueueView, Turn};
use model::rivals::Change;
use model::timeline::Trouble;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::mac::Mac;

/// How many different notes are printed before there are no more: a screen is no log.
const MOST_NOTES: usize = 100;

/// A handle; clones are the same board.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    counters: Counters,
    notes: BTreeSet<String>,
    alarm: Option<Trouble>,
    queue: Queue,
}

/// How many packets ended how: by what became of them, then by why.
pub(crate) type Counters = BTreeMap<&'static str, BTreeMap<&'static str, u64>>;

/// The board as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct BoardView {
    /// What became of DHCP packets and log lines.
    packets: Counters,
    /// What is wrong with the network itself.
    alarms: Vec<Trouble>,
    /// Whose turn it is to fetch.
    queue: QueueView,
}

impl Board {
    /// Something came and ended so.
    pub(crate) fn count(&self, what: &'static str, why: &'static str) {
        *self.lock().counters.entry(what).or_default().entry(why).or_default() += 1;
    }

    /// Says something on the operator's screen, once.
    pub(crate) fn note(&self, note: String) {
        let mut noted = self.lock();
        if noted.notes.len() < MOST_NOTES && !noted.notes.contains(&note) {
            report::note(&note);
            noted.notes.insert(note);
        }
    }

    /// The trouble of the network itself is another one now.
    pub(crate) fn alarm(&self, change: Change) {
        let mut noted = self.lock();
        match change {
            Change::Trouble(trouble) => {
                report::note(&alarm_text(&trouble));
                noted.alarm = Some(trouble);
            }
            Change::Over => {
                report::note("ALARM OVER: no other DHCP server is in the way any more");
                noted.alarm = None;
            }
        }
    }

    /// Whether a box may begin to fetch.
    pub(crate) fn ask_turn(&self, of: Mac) -> Turn {
        self.lock().queue.ask(of, now())
    }

    /// A box fetches.
    pub(crate) fn fetches(&self, of: Mac) {
        self.lock().queue.hear(of, now());
    }

    /// A box has fetched all that it boots from.
    pub(crate) fn fetched(&self, of: Mac) {
        self.lock().queue.through(of);
    }

    /// All of it.
    pub(crate) fn view(&self) -> BoardView {
        let mut noted = self.lock();
        BoardView {
            packets: noted.counters.clone(),
            alarms: noted.alarm.iter().cloned().collect(),
            queue: noted.queue.view(now()),
        }
    }

    /// Counters and notes are whole after each step: a panic elsewhere leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn alarm_text(trouble: &Trouble) -> String {
    let mut text = format!("ALARM: {} ({})", trouble.sentence, trouble.cause);
    for line in &trouble.evidence {
        text += &format!("\n  {line}");
    }
    for line in &trouble.fix {
        text += &format!("\n  to do: {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use model::ladder::Rung;

    /// The alarm stands between the boxes' lines: who, how it is known, what to do.
    #[test]
    fn an_alarm_is_read_at_a_glance() {
        let trouble = Trouble {
            cause: "dhcp-two-servers".into(),
            rung: Rung::TookAddress,
            sentence: "Besides this server (10.77.0.1), 10.77.0.254 leases addresses here.".into(),
            evidence: vec!["10.77.0.254 offered the address 10.77.0.99".into()],
            fix: vec!["switch 10.77.0.254 off on this network".into()],
        };
        expect![[r#"
            ALARM: Besides this server (10.77.0.1), 10.77.0.254 leases addresses here. (dhcp-two-servers)
              10.77.0.254 offered the address 10.77.0.99
              to do: switch 10.77.0.254 off on this network"#]]
        .assert_eq(&alarm_text(&trouble));
        let board = Board::default();
        board.count("ignored", "reply");
        board.count("ignored", "reply");
        board.alarm(Change::Trouble(trouble));
        let view = serde_json::to_value(board.view()).unwrap();
        assert_eq!(view["packets"]["ignored"]["reply"], 2);
        assert_eq!(view["alarms"][0]["cause"], "dhcp-two-servers");
        board.alarm(Change::Over);
        assert!(board.view().alarms.is_empty());
    }
}
