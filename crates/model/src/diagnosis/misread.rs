//! The second reading of a log in which no cause was found: letters that programs which read pictures take for each other
//! count as one, and blanks do not count. What is found so is worth less, and a boot that went well is not read again.
//!
//! ```text
//! firmware load     what was printed
//! tirrnwarc1aad     what a picture was read as
//! tlrmworclood      what both are compared as
//! ```
//!
//! Only signs of many letters are sought: a short one is found in anything once so much is folded.

use super::Evidence;
use super::head::head;
use super::literals::{LOOKED_UP, Literals};
use super::reading::Sight;
use super::shape::{Shape, position};
use crate::catalogue::{Look, Stage, Weight};
use std::sync::LazyLock;

/// Lines that are read again; the last of a boot.
const LINES: usize = 300;
/// Octets of the shortest and the longest of them: shorter ones have no sign of many letters, longer ones are no screen's.
const KEPT: std::ops::RangeInclusive<usize> = 16..=400;
/// Letters of all texts of a sign, folded, and of its longest text.
const LETTERS: (usize, usize) = (18, 12);

/// Lines that no sign was found in, since the last milestone that took something back.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// The last of them: [`LINES`] at most.
    now: Kept,
    /// As many before those, where there were more.
    before: Kept,
}

/// Lines one behind the other: a boot has thousands, and a text of its own for each would cost more than reading it.
#[derive(Debug, Default)]
struct Kept {
    text: String,
    /// Of each its number in the log, and where it ends in the text.
    lines: Vec<(u64, usize)>,
}

impl Unread {
    /// Keeps a line; of very many only the last.
    pub(super) fn keep(&mut self, number: u64, text: &str) {
        if !KEPT.contains(&text.len()) {
            return;
        }
        if self.now.lines.len() == LINES {
            std::mem::swap(&mut self.now, &mut self.before);
            self.now.clear();
        }
        self.now.text.push_str(text);
        self.now.lines.push((number, self.now.text.len()));
    }

    /// Nothing of what was kept matters any more.
    pub(super) fn forget(&mut self) {
        self.now.clear();
        self.before.clear();
    }

    /// The signs that stand in the kept lines once they are folded: stage, number of the cause, number of the sign.
    pub(super) fn signs(&self) -> Vec<((Stage, usize, usize), Sight)> {
        let Some(signs) = LazyLock::force(&SIGNS) else { return Vec::new() };
        let mut found = Vec::new();
        let older = (self.before.lines.len() + self.now.lines.len()).saturating_sub(LINES);
        for (number, text) in self.before.iter().chain(self.now.iter()).skip(older) {
            let own = text.get(head(text).length..).unwrap_or_default();
            let folded = fold(own.bytes());
            signs.find(&folded, |of| found.push((of, Sight::of(number, Evidence::of(number, own)))));
        }
        found
    }
}

impl Kept {
    fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
    }

    /// The lines with their numbers.
    fn iter(&self) -> impl Iterator<Item = (u64, &str)> {
        let begins = std::iter::once(0).chain(self.lines.iter().map(|(_, end)| *end));
        self.lines
            .iter()
            .zip(begins)
            .filter_map(|((number, end), begin)| Some((*number, self.text.get(begin..*end)?)))
    }
}

/// Signs of many letters, folded.
struct Signs {
    literals: Literals,
    signs: Vec<Rough>,
}

struct Rough {
    of: (Stage, usize, usize),
    /// Its texts, in their order.
    texts: Vec<Vec<u8>>,
    /// What must not stand beside them.
    unless: Vec<Vec<u8>>,
    at_start: bool,
}

static SIGNS: LazyLock<Option<Signs>> = LazyLock::new(Signs::of_the_catalogue);

impl Signs {
    fn of_the_catalogue() -> Option<Signs> {
        let mut signs = Vec::new();
        for stage in Stage::ALL {
            for (cause, definition) in stage.causes().enumerate() {
                for (number, sign) in definition.signs().enumerate() {
                    let Look::Anywhere(line) = sign.line else { continue };
                    let Some(shape) = Shape::parse(line) else { continue };
                    let texts: Vec<Vec<u8>> = shape.texts().map(|text| fold(text.iter().copied())).collect();
                    let letters = texts.iter().map(Vec::len).sum::<usize>();
                    let longest = texts.iter().map(Vec::len).max().unwrap_or_default();
                    if sign.weight == Weight::Trace || letters < LETTERS.0 || longest < LETTERS.1 {
                        continue;
                    }
                    let unless = sign.unless.iter().map(|text| fold(text.bytes())).collect();
                    let of = (stage, cause, number);
                    signs.push(Rough { of, texts, unless, at_start: shape.is_at_start() });
                }
            }
        }
        let longest = |rough: &Rough| rough.texts.iter().max_by_key(|text| text.len()).cloned();
        let literals = Literals::new(signs.iter().filter_map(longest).collect())?;
        Some(Signs { literals, signs })
    }

    /// Calls `each` with every sign that is in the folded line.
    fn find(&self, line: &[u8], mut each: impl FnMut((Stage, usize, usize))) {
        if line.len() < LOOKED_UP {
            return;
        }
        let mut last = None;
        self.literals.find(line, |number, _| {
            let Some(rough) = self.signs.get(number).filter(|_| last != Some(number)) else { return };
            if rough.is_in(line) {
                last = Some(number);
                each(rough.of);
            }
        });
    }
}

impl Rough {
    fn is_in(&self, line: &[u8]) -> bool {
        let mut from = 0;
        for (place, text) in self.texts.iter().enumerate() {
            let Some(at) = line.get(from..).and_then(|rest| position(rest, text)) else { return false };
            if place == 0 && self.at_start && at > 0 {
                return false;
            }
            from += at + text.len();
        }
        !self.unless.iter().any(|text| position(line, text).is_some())
    }
}

/// The form in which letters are compared that a program takes for each other.
fn fold(octets: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut folded: Vec<u8> = Vec::new();
    for octet in octets {
        let octet = match octet.to_ascii_lowercase() {
            b' ' | b'\t' | b'.' | b',' | b':' | b';' | b'\'' | b'`' | b'"' | b'-' | b'_' => continue,
            b'0' | b'a' => b'o',
            b'1' | b'i' | b'|' | b'!' => b'l',
            b'5' => b's',
            b'8' | b'h' | b'6' => b'b',
            b'e' => b'c',
            b'g' | b'9' => b'q',
            b'f' => b't',
            other => other,
        };
        match folded.last_mut() {
            Some(last) if *last == b'r' && octet == b'n' => *last = b'm',
            _ => folded.push(octet),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::{Unread, fold};

    fn causes(line: &str) -> Vec<&'static str> {
        let mut unread = Unread::default();
        unread.keep(1, line);
        let named =
            |(stage, cause, _): (crate::catalogue::Stage, usize, usize)| stage.cause(cause).unwrap().id;
        unread.signs().into_iter().map(|(of, _)| named(of)).collect()
    }

    #[test]
    fn what_a_camera_misread_is_read() {
        assert_eq!(fold("firmware load".bytes()), fold("tlrrnworc 1oad".bytes()));
        let line = "[    3.1] bnx2 0000:01: Oirect firrnware 1oad for bnx2/x.fw tailed wifh crror -2";
        assert!(causes(line).contains(&"firmware-missing"), "{:?}", causes(line));
    }

    proptest::proptest! {
        /// Whatever stands in a log, reading it again ends.
        #[test]
        fn reading_again_never_panics(line in "\\PC{0,200}") {
            causes(&line);
        }
    }
}
