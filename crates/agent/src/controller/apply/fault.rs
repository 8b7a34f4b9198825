//! Why a step failed: the failure, and the cause's id in the catalogue.

use model::failure::Failure;

/// A step that failed.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// Id in the catalogue of causes: `image-corrupt`.
    pub(crate) cause: &'static str,
    /// What a person reads.
    pub(crate) failure: Failure,
}

/// The result of a step.
pub(crate) type Outcome<T> = Result<T, Fault>;

/// Says which cause an error belongs to.
pub(crate) trait Blame<T> {
    /// The cause, where the error itself does not tell a better one: a full or a failing disk names itself.
    fn blame(self, cause: &'static str) -> Outcome<T>;
}

impl<T> Blame<T> for Result<T, Failure> {
    fn blame(self, cause: &'static str) -> Outcome<T> {
        self.map_err(|failure| {
            let text = failure.report();
            // The kernel's own words for the numbers, with which every message of a cause ends.
            let told = [
                ("os error 28)", "image-no-space"),
                ("os error 5)", "disk-io-error"),
                ("os error 16)", "disk-in-use"),
                ("os error 121)", "disk-io-error"),
            ];
            let known = told.iter().find(|(number, _)| text.contains(number));
            Fault { cause: known.map_or(cause, |(_, cause)| cause), failure }
        })
    }
}
