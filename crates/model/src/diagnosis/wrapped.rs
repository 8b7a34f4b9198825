//! Lines that a console, a letter or a page has broken: put together again, so that what was printed as one line is
//! read as one.
//!
//! ```text
//! [    4.120034] bnx2 0000:01:00.0: Direct firmware load for bnx2/bnx2-mips-09-
//! 6.2.1b.fw failed with error -2
//! ```
//!
//! Nothing says for sure that a line goes on in the next one. So both are read as they stand, and of the whole that
//! they would make only what reaches over the break; and what must not stand beside a sign is sought in the whole.

use super::clean::Cleaned;
use super::head::head;

/// Columns of the widest console that breaks lines; a log with longer lines is not broken.
const WIDEST: usize = 140;
/// Columns of the narrowest.
const NARROWEST: usize = 50;
/// Lines after which the widest one before them is forgotten: people write long sentences above a log.
const FORGOTTEN: usize = 40;
/// Letters of the longest word that a line is broken before.
const LONGEST_WORD: usize = 24;
/// Lines into which one line is broken at most.
const PARTS: usize = 8;

/// A part of a line, a line, or what parts make together.
pub(super) struct Piece<'a> {
    /// The line's number, or that of the first part.
    pub(super) number: u64,
    /// The number of the last part.
    pub(super) last: u64,
    pub(super) line: &'a Cleaned,
    /// Where texts are sought that must not stand beside a sign; of a line by itself the line.
    pub(super) voids: &'a [u8],
    /// Places of the breaks; only what reaches over one of them counts. None: everything does.
    pub(super) breaks: &'a [usize],
}

impl<'a> Piece<'a> {
    /// A line by itself.
    pub(super) fn of(number: u64, line: &'a Cleaned) -> Piece<'a> {
        Piece { number, last: number, line, voids: &line.folded, breaks: &[] }
    }
}

/// Holds back lines that may go on.
#[derive(Default)]
pub(super) struct Wrapped {
    parts: Vec<(u64, Cleaned)>,
    /// Columns of the widest line of the lines now, and of those before them.
    widest: (usize, usize),
    lines: usize,
    /// Parts that were given out, to be used again.
    spare: Vec<Cleaned>,
}

impl Wrapped {
    /// Takes the next line; `each` gets what is whole now.
    pub(super) fn take(&mut self, number: u64, line: &Cleaned, each: &mut dyn FnMut(&Piece<'_>)) {
        self.measure(line);
        if self.parts.is_empty() {
            if !self.may_go_on(line) {
                return each(&Piece::of(number, line));
            }
        } else if !self.goes_on(line) {
            self.give(each);
            if !self.may_go_on(line) {
                return each(&Piece::of(number, line));
            }
        }
        let mut part = self.spare.pop().unwrap_or_default();
        part.text.clone_from(&line.text);
        part.folded.clone_from(&line.folded);
        part.columns = line.columns;
        self.parts.push((number, part));
        if self.parts.len() == PARTS || !self.may_go_on(line) {
            self.give(each);
        }
    }

    /// The log is over: gives out what was held back.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(&Piece<'_>)) {
        self.give(each);
    }

    fn measure(&mut self, line: &Cleaned) {
        if self.lines == FORGOTTEN {
            (self.widest, self.lines) = ((0, self.widest.0), 0);
        }
        self.lines += 1;
        self.widest.0 = self.widest.0.max(line.columns);
    }

    fn widest(&self) -> usize {
        self.widest.0.max(self.widest.1)
    }

    /// Whether the next line may be a part of this one.
    fn may_go_on(&self, line: &Cleaned) -> bool {
        let is_near = line.columns + LONGEST_WORD > self.widest();
        (self.widest() <= WIDEST && line.columns >= NARROWEST && is_near) || opens_address(&line.text)
    }

    /// Whether this line may be the next part: it has no head of its own, and its first word had no room.
    fn goes_on(&self, line: &Cleaned) -> bool {
        let Some((_, before)) = self.parts.last() else { return false };
        if line.text.is_empty() {
            return false;
        }
        if opens_address(&before.text) && line.text.contains(')') {
            return true;
        }
        let head = head(&line.text);
        let word = line.text[head.length..].split(' ').next().map_or(0, |word| word.chars().count());
        !head.is_logged
            && !is_program(&line.text)
            && !are_of_one(&before.text, &line.text)
            && before.columns + 1 + word > self.widest()
    }

    fn give(&mut self, each: &mut dyn FnMut(&Piece<'_>)) {
        match self.parts.as_slice() {
            [] => {}
            [(number, line)] => each(&Piece::of(*number, line)),
            parts => give_together(parts, each),
        }
        self.spare.extend(self.parts.drain(..).map(|(_, part)| part));
    }
}

/// Gives out parts that may be of one line: what they make together, and each by itself.
fn give_together(parts: &[(u64, Cleaned)], each: &mut dyn FnMut(&Piece<'_>)) {
    let (Some((number, _)), Some((last, _))) = (parts.first(), parts.last()) else { return };
    // A console breaks anywhere, a letter at blanks, and the blank is gone.
    let wholes = ["", " "].map(|between| joined(parts, between));
    for (whole, breaks) in &wholes {
        each(&Piece { number: *number, last: *last, line: whole, voids: &whole.folded, breaks });
    }
    let (whole, _) = &wholes[1];
    for (number, part) in parts {
        each(&Piece { number: *number, last: *last, line: part, voids: &whole.folded, breaks: &[] });
    }
}

/// Whether a line begins with the name of a program, `dnsmasq-tftp[21]:`, or a frame's number and time.
fn is_program(text: &str) -> bool {
    let mut words = text.split(' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (first.ends_with("]:") && first.contains('[')) || (is_number(first) && is_number(second))
}

/// Whether both lines begin with the same name, `BdsDxe:`: two lines of one program.
fn are_of_one(before: &str, line: &str) -> bool {
    let name = line.split(' ').next().filter(|word| word.len() > 1 && word.ends_with(':'));
    name.is_some_and(|name| before.split(' ').next() == Some(name))
}

/// The parts as one line, and where they meet.
fn joined(parts: &[(u64, Cleaned)], between: &str) -> (Cleaned, Vec<usize>) {
    let (mut whole, mut breaks) = (String::new(), Vec::new());
    for (at, (_, part)) in parts.iter().enumerate() {
        if at == 0 {
            whole += &part.text;
            continue;
        }
        breaks.push(whole.len());
        whole += between;
        whole += &part.text[head(&part.text).length..];
    }
    (Cleaned::of(whole), breaks)
}

/// Columns of a console that wraps what is longer.
const COLUMNS: usize = 80;

/// Whether a line ends within an address, which says which error it was, whatever the width:
///
/// ```text
/// Could not boot: Input/output error (http://i
/// pxe.org/1d0c6539)
/// ```
fn opens_address(text: &str) -> bool {
    if text.len() > COLUMNS {
        return false;
    }
    let text = text.as_bytes();
    let last = memchr::memrchr3(b'(', b')', b' ', text).filter(|at| text[*at] == b'(');
    last.is_some_and(|at| {
        let inside = &text[at + 1..];
        inside.starts_with(b"http") || b"http".starts_with(inside)
    })
}

#[cfg(test)]
mod tests {
    use super::{Cleaned, Wrapped};
    use expect_test::{Expect, expect};

    fn check(lines: &[&str], wanted: &Expect) {
        let mut told = String::new();
        let mut each = |piece: &super::Piece<'_>| {
            told += &format!("{}-{} {:?} {}\n", piece.number, piece.last, piece.breaks, piece.line.text);
        };
        let mut wrapped = Wrapped::default();
        for (number, line) in (1..).zip(lines) {
            wrapped.take(number, &Cleaned::of((*line).to_owned()), &mut each);
        }
        wrapped.finish(&mut each);
        wanted.assert_eq(&told);
    }

    /// A message that is broken is known by none of its parts.
    #[test]
    fn what_was_broken_is_put_together() {
        check(
            &[
                "[    4.120034] bnx2 0000:01:00.0: Direct firmware load for bnx2/bnx2-",
                "mips-09-6.2.1b.fw failed with error -2",
                "[    4.120035] bnx2: next",
            ],
            &expect![[r"
                1-2 [69] [    4.120034] bnx2 0000:01:00.0: Direct firmware load for bnx2/bnx2-mips-09-6.2.1b.fw failed with error -2
                1-2 [69] [    4.120034] bnx2 0000:01:00.0: Direct firmware load for bnx2/bnx2- mips-09-6.2.1b.fw failed with error -2
                1-2 [] [    4.120034] bnx2 0000:01:00.0: Direct firmware load for bnx2/bnx2-
                2-2 [] mips-09-6.2.1b.fw failed with error -2
                3-3 [] [    4.120035] bnx2: next
            "]],
        );
        // The next line begins with a time: it is one of its own. So is one whose first word had room.
        let long = "[    4.120034] bnx2 0000:01:00.0: Direct firmware load for bnx2/x.fw failed with -2";
        check(
            &[long, "[    4.2] x"],
            &expect![[r"
            1-1 [] [    4.120034] bnx2 0000:01:00.0: Direct firmware load for bnx2/x.fw failed with -2
            2-2 [] [    4.2] x
        "]],
        );
        check(
            &[long, &long[..60], "x y"],
            &expect![[r"
            1-1 [] [    4.120034] bnx2 0000:01:00.0: Direct firmware load for bnx2/x.fw failed with -2
            2-2 [] [    4.120034] bnx2 0000:01:00.0: Direct firmware load for b
            3-3 [] x y
        "]],
        );
    }
}
