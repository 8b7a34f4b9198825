//! Whose turn it is: when a whole rack is powered on, boxes begin their downloads one after the other.
//!
//! A box that has begun gets its share of the wire until it is through; the others wait on their own screen,
//! in the order in which they came. So every transfer that begins also ends, where a thousand at once would
//! all run into somebody's patience. Pure: who asks and who is through is told from outside.

use crate::timeline::Timestamp;
use serde::Serialize;
use std::collections::VecDeque;
use wire::mac::Mac;

/// Boxes that fetch at one time. On a gigabit wire each of them has 4 MB/s, and its kernel and initrd in
/// some 15 s; more at once are not faster together.
pub const MOST_AT_ONCE: usize = 30;
/// A box that was not heard of for so long holds its place no longer: it was switched off.
const PATIENCE_MILLIS: u64 = 90_000;
/// A box that waits asks every few seconds; one that stopped asking is not waited for.
const WAITING_MILLIS: u64 = 30_000;

/// The boxes that fetch and those that wait.
#[derive(Clone, Debug)]
pub struct Queue {
    most: usize,
    fetching: Vec<Place>,
    waiting: VecDeque<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    of: Mac,
    last: Timestamp,
}

/// Whether a box may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It may.
    Now,
    /// So many boxes are before it.
    Later {
        /// How many wait before it.
        before: usize,
    },
}

/// The queue as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueView {
    /// How many may fetch at one time.
    pub most: usize,
    /// The boxes that fetch.
    pub fetching: Vec<Mac>,
    /// The boxes that wait, the next one first.
    pub waiting: Vec<Mac>,
}

impl Default for Queue {
    fn default() -> Queue {
        Queue::new(MOST_AT_ONCE)
    }
}

impl Queue {
    /// Nobody in it. `most` is how many may fetch at one time, at least one.
    pub fn new(most: usize) -> Queue {
        Queue { most: most.max(1), fetching: Vec::new(), waiting: VecDeque::new() }
    }

    /// A box asks whether it may begin. One that asks again after it began starts over, in its old place.
    pub fn ask(&mut self, of: Mac, now: Timestamp) -> Turn {
        self.expire(now);
        if self.hear(of, now) {
            return Turn::Now;
        }
        let place = match self.waiting.iter().position(|place| place.of == of) {
            Some(index) => index,
            None => {
                self.waiting.push_back(Place { of, last: now });
                self.waiting.len() - 1
            }
        };
        self.waiting[place].last = now;
        // Those before it come first, even where they do not ask in this moment.
        if place < self.most.saturating_sub(self.fetching.len()) {
            self.waiting.remove(place);
            self.fetching.push(Place { of, last: now });
            return Turn::Now;
        }
        Turn::Later { before: place }
    }

    /// A box that fetches was heard of: it is alive. Whether it is one.
    pub fn hear(&mut self, of: Mac, now: Timestamp) -> bool {
        let place = self.fetching.iter_mut().find(|place| place.of == of);
        if let Some(place) = place {
            place.last = now;
            return true;
        }
        false
    }

    /// A box has all that it had to fetch.
    pub fn through(&mut self, of: Mac) {
        self.fetching.retain(|place| place.of != of);
    }

    /// Who is where.
    pub fn view(&mut self, now: Timestamp) -> QueueView {
        self.expire(now);
        QueueView {
            most: self.most,
            fetching: self.fetching.iter().map(|place| place.of).collect(),
            waiting: self.waiting.iter().map(|place| place.of).collect(),
        }
    }

    fn expire(&mut self, now: Timestamp) {
        let quiet = |place: &Place| now.0.saturating_sub(place.last.0);
        self.fetching.retain(|place| quiet(place) < PATIENCE_MILLIS);
        self.waiting.retain(|place| quiet(place) < WAITING_MILLIS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mac(last: u8) -> Mac {
        Mac([0x52, 0x54, 0, 0, 0, last])
    }

    /// First come, first served: a box that asks often is not before one that asks seldom.
    #[test]
    fn boxes_begin_in_the_order_in_which_they_came() {
        let mut queue = Queue::new(2);
        let at = Timestamp;
        assert_eq!(queue.ask(mac(1), at(0)), Turn::Now);
        assert_eq!(queue.ask(mac(2), at(0)), Turn::Now);
        assert_eq!(queue.ask(mac(3), at(1)), Turn::Later { before: 0 });
        assert_eq!(queue.ask(mac(4), at(1)), Turn::Later { before: 1 });
        assert_eq!(queue.ask(mac(1), at(2)), Turn::Now, "it started over");
        queue.through(mac(1));
        assert_eq!(queue.ask(mac(4), at(3)), Turn::Later { before: 1 }, "3 is before it");
        assert_eq!(queue.ask(mac(3), at(4)), Turn::Now);
        assert_eq!(queue.ask(mac(4), at(4)), Turn::Later { before: 0 });
    }

    /// A box that was switched off must not keep the others waiting for ever, fetching or waiting.
    #[test]
    fn the_dead_are_not_waited_for() {
        let mut queue = Queue::new(1);
        assert_eq!(queue.ask(mac(1), Timestamp(0)), Turn::Now);
        assert_eq!(queue.ask(mac(2), Timestamp(0)), Turn::Later { before: 0 });
        assert_eq!(queue.ask(mac(3), Timestamp(20_000)), Turn::Later { before: 1 });
        assert_eq!(queue.ask(mac(3), Timestamp(40_000)), Turn::Later { before: 0 }, "2 stopped asking");
        assert!(queue.hear(mac(1), Timestamp(60_000)));
        assert_eq!(queue.ask(mac(3), Timestamp(65_000)), Turn::Later { before: 0 });
        assert_eq!(queue.ask(mac(3), Timestamp(90_000)), Turn::Later { before: 0 });
        assert_eq!(queue.ask(mac(3), Timestamp(115_000)), Turn::Later { before: 0 });
        assert_eq!(queue.ask(mac(3), Timestamp(140_000)), Turn::Later { before: 0 });
        assert_eq!(queue.ask(mac(3), Timestamp(150_000)), Turn::Now, "1 was silent for 90 s");
        assert_eq!(queue.view(Timestamp(150_000)).fetching, [mac(3)]);
    }

    proptest! {
        /// Whatever happens, no more than that many fetch, nobody is twice in it, and whoever keeps asking gets
        /// in.
        #[test]
        fn everybody_gets_a_turn(steps in proptest::collection::vec((0u8..12, 0u8..4, 0u64..5000), 1..300)) {
            let mut queue = Queue::new(3);
            let mut now = 0;
            for (of, what, pause) in steps {
                now += pause;
                match what {
                    0 | 1 => { queue.ask(mac(of), Timestamp(now)); }
                    2 => { queue.hear(mac(of), Timestamp(now)); }
                    _ => queue.through(mac(of)),
                }
                let view = queue.view(Timestamp(now));
                prop_assert!(view.fetching.len() <= 3);
                let mut all = [view.fetching, view.waiting].concat();
                let count = all.len();
                all.sort();
                all.dedup();
                prop_assert_eq!(all.len(), count);
            }
            let mut rounds = 0;
            while queue.ask(mac(99), Timestamp(now)) != Turn::Now {
                now += 5000;
                rounds += 1;
                prop_assert!(rounds < 60);
            }
        }
    }
}
