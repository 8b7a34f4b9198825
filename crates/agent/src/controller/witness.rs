//! What the work is told to while it is done: events for the server, lines for whoever stands in front.

use model::timeline::Event;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Hears of the work. The controller's own tells the server and writes to every console; a test collects.
pub(crate) trait Witness: Sync {
    /// Something happened that belongs in the timeline.
    fn tell(&self, event: Event);
    /// A line for the consoles.
    fn say(&self, line: &str);
    /// A line that the next one of its kind may overwrite.
    fn show_progress(&self, line: &str);
}

/// Progress goes out this often at most: twice a second.
const PACE: Duration = Duration::from_millis(500);

/// Measures one step: percent, speed, time left.
pub(crate) struct Meter<'a> {
    witness: &'a dyn Witness,
    step: usize,
    total_bytes: u64,
    unit: Unit,
    started: Instant,
    last: Mutex<Option<Instant>>,
}

/// What a step is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Bytes,
    /// A step that lasts so long, whatever it gets done.
    Millis,
}

impl<'a> Meter<'a> {
    /// Starts measuring step number `step` (from 1), which is done after `total_bytes`.
    pub(crate) fn start(witness: &'a dyn Witness, step: usize, total_bytes: u64) -> Meter<'a> {
        let (unit, started, last) = (Unit::Bytes, Instant::now(), Mutex::new(None));
        Meter { witness, step, total_bytes, unit, started, last }
    }

    /// The same for a step that is done after `patience`.
    pub(crate) fn start_timed(witness: &'a dyn Witness, step: usize, patience: Duration) -> Meter<'a> {
        Meter { unit: Unit::Millis, ..Meter::start(witness, step, millis(patience)) }
    }

    /// Says how far such a step is.
    pub(crate) fn at_time(&self, elapsed: Duration) {
        self.at(millis(elapsed));
    }

    /// Says how far the step is, if it is time to.
    pub(crate) fn at(&self, done_bytes: u64) {
        let now = Instant::now();
        // Whoever finds another thread telling has nothing newer to tell.
        let Ok(mut last) = self.last.try_lock() else { return };
        if last.is_some_and(|last| now.duration_since(last) < PACE) {
            return;
        }
        *last = Some(now);
        drop(last);
        let (step, total_bytes) = (self.step, self.total_bytes);
        self.witness.tell(Event::StepProgress { step, done_bytes, total_bytes });
        let elapsed = now.duration_since(self.started);
        self.witness.show_progress(&match self.unit {
            Unit::Bytes => progress_line(done_bytes, total_bytes, elapsed),
            Unit::Millis => timed_line(done_bytes, total_bytes),
        });
    }

    /// A line for the consoles.
    pub(crate) fn say(&self, line: &str) {
        self.witness.say(line);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `  42 %   1:05 left`
fn timed_line(done_millis: u64, total_millis: u64) -> String {
    let done = done_millis.min(total_millis);
    let percent = u128::from(done) * 100 / u128::from(total_millis.max(1));
    let seconds = (total_millis - done).div_ceil(1000);
    format!("{percent:>7} %   {}:{:02} left", seconds / 60, seconds % 60)
}

/// `  42 %   12.3 MB/s   1:05 left`
fn progress_line(done_bytes: u64, total_bytes: u64, elapsed: Duration) -> String {
    let total = total_bytes.max(1);
    let done = done_bytes.min(total);
    let percent = u128::from(done) * 100 / u128::from(total);
    let millis = elapsed.as_millis().max(1);
    let kilobytes_per_second = u128::from(done) / millis;
    let speed = format!("{}.{} MB/s", kilobytes_per_second / 1000, kilobytes_per_second % 1000 / 100);
    let left = match u128::from(done) {
        0 => String::new(),
        so_far => {
            let seconds = millis * u128::from(total - done) / so_far / 1000;
            format!("   {}:{:02} left", seconds / 60, seconds % 60)
        }
    };
    format!("{percent:>7} %   {speed}{left}")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Collects what it hears.
    #[derive(Default)]
    pub(crate) struct Collector {
        pub(crate) events: Mutex<Vec<Event>>,
        pub(crate) lines: Mutex<Vec<String>>,
    }

    impl Witness for Collector {
        fn tell(&self, event: Event) {
            self.events.lock().unwrap().push(event);
        }

        fn say(&self, line: &str) {
            self.lines.lock().unwrap().push(line.to_owned());
        }

        fn show_progress(&self, line: &str) {
            self.lines.lock().unwrap().push(line.to_owned());
        }
    }

    /// Somebody decides by this line whether there is time for a coffee.
    #[test]
    fn progress_says_how_far_how_fast_and_how_long() {
        let second = Duration::from_secs(1);
        assert_eq!(progress_line(0, 100, Duration::ZERO), "      0 %   0.0 MB/s");
        assert_eq!(progress_line(12_340_000, 100_000_000, second), "     12 %   12.3 MB/s   0:07 left");
        assert_eq!(progress_line(1_000_000, 601_000_000, second * 2), "      0 %   0.5 MB/s   20:00 left");
        assert_eq!(timed_line(126_500, 600_000), "     21 %   7:54 left");
        assert_eq!(
            (timed_line(9, 0), timed_line(9, 5)),
            ("      0 %   0:00 left".into(), "    100 %   0:00 left".into())
        );
        assert_eq!(progress_line(7, 5, second), "    100 %   0.0 MB/s   0:00 left");
    }

    /// A fast disk must not flood the server: two events a second are enough for any eye.
    #[test]
    fn progress_is_told_at_a_human_pace() {
        let collector = Collector::default();
        let meter = Meter::start(&collector, 1, 1000);
        (0..1000).for_each(|done| meter.at(done));
        assert_eq!(collector.events.lock().unwrap().len(), 1);
    }
}
