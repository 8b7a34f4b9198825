//! How long each phase of a build took: shown while it runs, and in the report at its end.

use crate::report;
use model::failure::Result;
use std::time::{Duration, Instant};

/// Phases of a build, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phases {
    done: Vec<(String, Duration)>,
}

impl Phases {
    /// Runs one phase.
    pub(crate) fn run<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        report::note(name);
        let begin = Instant::now();
        let result = work();
        self.done.push((name.to_owned(), begin.elapsed()));
        result
    }

    /// Name and duration of each.
    pub(crate) fn done(&self) -> &[(String, Duration)] {
        &self.done
    }
}
