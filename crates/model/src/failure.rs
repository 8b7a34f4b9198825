//! What a person reads when something could not be done, in one shape everywhere:
//! `error:` what, `while:` doing what, `because:` of what, `hint:` what to do.
//!
//! Used by every floor above `wire`; a refusal with many reasons is a list of its own, not this.

use std::error::Error;
use std::fmt::{self, Write as _};

/// Something could not be done. Messages start in lower case and end without a full stop.
#[derive(Clone, Debug)]
pub struct Failure {
    message: String,
    doing: Vec<String>,
    because: Vec<String>,
    hint: Option<String>,
}

/// The result of anything that may end in a [`Failure`].
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// What could not be done, to what: `cannot listen on 10.77.0.1:67/udp`.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), doing: Vec::new(), because: Vec::new(), hint: None }
    }

    /// The cause, with its own causes below it; none of them repeats the text of the next.
    pub fn because(mut self, cause: impl fmt::Display) -> Failure {
        self.because.push(cause.to_string());
        self
    }

    /// What was going on, a gerund with its object: `writing the partition table of /dev/sda`.
    pub fn doing(mut self, what: impl Into<String>) -> Failure {
        self.doing.push(what.into());
        self
    }

    /// What the reader can do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// What could not be done, without the chain.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The whole text as a person reads it, several lines, no trailing newline.
    pub fn report(&self) -> String {
        let mut text = format!("error: {}", self.message);
        for doing in &self.doing {
            let _ = write!(text, "\nwhile: {doing}");
        }
        for cause in &self.because {
            let _ = write!(text, "\nbecause: {cause}");
        }
        if let Some(hint) = &self.hint {
            let _ = write!(text, "\nhint: {hint}");
        }
        text
    }
}

/// The chain on one line, for logs and events.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        for cause in &self.because {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl Error for Failure {}

/// Adds what was being done, or what could not be done, to any error.
pub trait Explain<T> {
    /// `message` is what could not be done; the error and its sources become the `because` lines.
    fn or_fail(self, message: impl FnOnce() -> String) -> Result<T>;
    /// `what` is a gerund with its object; it stands on a `while` line of the failure.
    fn while_doing(self, what: impl FnOnce() -> String) -> Result<T>
    where
        Self: Sized;
}

impl<T, E: Error + 'static> Explain<T> for std::result::Result<T, E> {
    fn or_fail(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| chain(Failure::new(message()), &error))
    }

    fn while_doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| {
            let any: Box<dyn Error> = Box::new(error);
            match any.downcast::<Failure>() {
                Ok(failure) => failure.doing(what()),
                Err(error) => {
                    let failure = Failure::new(error.to_string()).doing(what());
                    match error.source() {
                        Some(source) => chain(failure, source),
                        None => failure,
                    }
                }
            }
        })
    }
}

fn chain(mut failure: Failure, error: &(dyn Error + 'static)) -> Failure {
    if let Some(inner) = error.downcast_ref::<Failure>() {
        failure.because.push(inner.message.clone());
        failure.because.extend(inner.because.iter().cloned());
        failure.doing.extend(inner.doing.iter().cloned());
        failure.hint = failure.hint.or_else(|| inner.hint.clone());
        return failure;
    }
    failure.because.push(error.to_string());
    let mut source = error.source();
    while let Some(next) = source {
        failure.because.push(next.to_string());
        source = next.source();
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The operator reads what failed first, then why, then what to do: in that order, each on its line.
    #[test]
    fn the_chain_is_printed_in_reading_order() {
        let io = std::io::Error::from_raw_os_error(98);
        let failure = Err::<(), _>(io)
            .or_fail(|| "cannot listen on 10.77.0.1:67/udp".into())
            .while_doing(|| "starting the DHCP server".into())
            .unwrap_err()
            .hint("`dnsmasq` (pid 812) holds it");
        expect_test::expect![[r#"
            error: cannot listen on 10.77.0.1:67/udp
            while: starting the DHCP server
            because: Address already in use (os error 98)
            hint: `dnsmasq` (pid 812) holds it"#]]
        .assert_eq(&failure.report());
    }
}
