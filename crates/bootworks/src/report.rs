//! The two mouths of the program: results for people and scripts on standard output, progress and logs on
//! standard error. Nothing else prints.

use std::io::Write as _;

/// A line of the result. A reader that went away (`| head`) is no reason to fail.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line of progress, a warning or a failure.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Bytes of a console as they are: what a box prints, for whoever watches it here.
pub(crate) fn pass_on(mouth: &mut impl std::io::Write, bytes: &[u8]) {
    let _ = mouth.write_all(bytes).and_then(|()| mouth.flush());
}
