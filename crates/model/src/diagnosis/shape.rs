//! What a line looks like: text with blanks, as the catalogue writes it, and how it is found in a line.
//!
//! ```text
//! Direct firmware load for {file} failed with error {errno:number}
//! │                        │                        └ digits, with a sign
//! │                        └ letters without a space, as few as possible
//! └ text; a letter at its ends is the beginning or end of a word
//!   ^ at the start: nothing but a time or a program's name stands before it; $ at the end: nothing after it
//!   {code:hex} hexadecimal digits; {text:any} anything, also nothing; {:any} the same, without a name
//! ```
//!
//! Everything is compared folded: without case, and with `O` and `0`, `l`, `I`, `i` and `1`, all quotes taken
//! as one, since a screen is often read by a camera. Finding a shape is linear in the line's length: no way
//! back into a blank, and no more than [`STARTS`] places to begin at.

/// At how many places of one line a shape is tried.
const STARTS: usize = 8;

/// The form in which letters are compared. One octet stays one octet, so that places in the folded line are
/// places in the line.
pub(super) fn fold(octet: u8) -> u8 {
    // One choice after the other, without a branch, which a processor makes for many octets at once; a table it reads
    // one by one.
    let octet = octet.to_ascii_lowercase();
    let to = |from: u8, to: u8| if octet == from { from ^ to } else { 0 };
    octet
        ^ to(b'0', b'o')
        ^ to(b'i', b'l')
        ^ to(b'1', b'l')
        ^ to(b'|', b'l')
        ^ to(b'`', b'\'')
        ^ to(b'"', b'\'')
        ^ to(b'\t', b' ')
}

/// A text in the form in which it is compared.
pub(super) fn fold_into(text: &[u8], folded: &mut Vec<u8>) {
    // Whole blocks, also the last one: a processor folds all octets of one at once.
    const BLOCK: usize = 32;
    folded.clear();
    folded.extend_from_slice(text);
    folded.resize(text.len().next_multiple_of(BLOCK), 0);
    let (blocks, _) = folded.as_chunks_mut::<BLOCK>();
    for octet in blocks.as_flattened_mut() {
        *octet = fold(*octet);
    }
    folded.truncate(text.len());
}

/// A shape, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pieces: Vec<Piece>,
    /// Which of them is the longest text.
    anchor: usize,
    at_start: bool,
    at_end: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Blank(&'static str, Letters),
}

/// What may stand at a blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letters {
    Word,
    Number,
    Hex,
    Any,
}

impl Letters {
    /// Whether this octet of a folded line may stand there.
    fn allow(self, folded: u8) -> bool {
        match self {
            Letters::Word => folded != b' ',
            Letters::Number => folded.is_ascii_digit() || matches!(folded, b'o' | b'l' | b'-'),
            Letters::Hex => folded.is_ascii_hexdigit() || matches!(folded, b'o' | b'l' | b'x'),
            Letters::Any => true,
        }
    }
}

/// Where a shape stands in a line, and its blanks.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) begin: usize,
    pub(super) end: usize,
    spans: Vec<Span>,
}

/// Where a blank stands.
#[derive(Debug)]
struct Span {
    name: &'static str,
    begin: usize,
    end: usize,
    /// Whether anything may stand here, or nothing of the shape follows: a line that goes on there need not be one.
    is_open: bool,
}

impl Found {
    /// Whether this place is within the shape.
    pub(super) fn reaches_over(&self, place: usize) -> bool {
        self.begin < place && place < self.end
    }

    /// Whether this place is within the shape, and not where anything may stand.
    pub(super) fn holds_together(&self, place: usize) -> bool {
        let is_open = |span: &Span| span.is_open && (span.begin..=span.end).contains(&place);
        self.reaches_over(place) && !self.spans.iter().any(is_open)
    }

    /// What stands at its named blanks in the line.
    pub(super) fn captures(&self, line: &str) -> Vec<Capture> {
        let mut captures = Vec::with_capacity(self.spans.len());
        for span in self.spans.iter().filter(|span| !span.name.is_empty()) {
            let value = line.get(span.begin..span.end);
            captures.extend(value.map(|value| Capture { name: span.name, value: value.to_owned() }));
        }
        captures
    }
}

/// Letters of a shape's first text that the edge of a picture may have cut off, where so many are left.
pub(super) const CUT_OFF: usize = 3;
pub(super) const LEFT: usize = 9;

/// What stood at a named blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Capture {
    pub(super) name: &'static str,
    pub(super) value: String,
}

impl Shape {
    /// Takes a shape apart; `None` where it is not written as it should be (the tests hold the catalogue to it).
    pub(super) fn parse(text: &'static str) -> Option<Shape> {
        let (text, at_start) = text.strip_prefix('^').map_or((text, false), |rest| (rest, true));
        let (mut rest, at_end) = text.strip_suffix('$').map_or((text, false), |rest| (rest, true));
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            if let Some(blank) = rest.strip_prefix('{') {
                let (inside, after) = blank.split_once('}')?;
                let (name, letters) = inside.split_once(':').unwrap_or((inside, "word"));
                let letters = match letters {
                    "word" => Letters::Word,
                    "number" => Letters::Number,
                    "hex" => Letters::Hex,
                    "any" => Letters::Any,
                    _ => return None,
                };
                if matches!(pieces.last(), Some(Piece::Blank(..))) {
                    return None;
                }
                pieces.push(Piece::Blank(name, letters));
                rest = after;
            } else {
                let end = rest.find('{').unwrap_or(rest.len());
                pieces.push(Piece::Text(rest.bytes().take(end).map(fold).collect()));
                rest = &rest[end..];
            }
        }
        let begins_well = !matches!(pieces.first(), Some(Piece::Blank(_, Letters::Any)));
        let lengths = pieces.iter().enumerate().filter_map(|(place, piece)| match piece {
            Piece::Text(text) => Some((text.len(), place)),
            Piece::Blank(..) => None,
        });
        let (_, anchor) = lengths.max()?;
        begins_well.then_some(Shape { pieces, anchor, at_start, at_end })
    }

    /// Its texts, in their order.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_slice()),
            Piece::Blank(..) => None,
        })
    }

    /// Whether nothing but a head may stand before it.
    pub(super) fn is_at_start(&self) -> bool {
        self.at_start
    }

    /// Its longest text: a line that does not have it need not be looked at.
    pub(super) fn anchor(&self) -> &[u8] {
        match self.pieces.get(self.anchor) {
            Some(Piece::Text(text)) => text,
            _ => &[],
        }
    }

    /// Where it stands, if it is in the line. `start` is where the line's own text begins, after times and names of
    /// programs; `anchored` is the first place of its longest text.
    pub(super) fn find_from(&self, folded: &[u8], start: usize, anchored: usize) -> Option<Found> {
        let (first, lead) = match self.pieces.as_slice() {
            [Piece::Blank(..), Piece::Text(text), ..] => (1, text),
            [Piece::Text(text), ..] => (0, text),
            _ => return None,
        };
        let mut from = if self.at_start { start.min(folded.len()) } else { 0 };
        if first == self.anchor {
            from = from.max(anchored);
        }
        for _ in 0..STARTS {
            let Some(place) = position(&folded[from..], lead) else { break };
            let at = from + place;
            if let Some(found) = self.from(folded, start, at, lead) {
                return Some(found);
            }
            from = at + 1;
        }
        let edge = folded.get(start..)?;
        let cut = (1..=CUT_OFF).find(|cut| is_cut(lead, *cut) && edge.starts_with(&lead[*cut..]))?;
        self.from(folded, start, start, &lead[cut..])
    }

    /// The blanks' places where the first text stands at `at`.
    fn from(&self, folded: &[u8], start: usize, at: usize, lead: &[u8]) -> Option<Found> {
        let mut spans = Vec::new();
        let mut pieces = self.pieces.as_slice();
        let mut begin = at;
        if let [Piece::Blank(name, letters), rest @ ..] = pieces {
            let before = folded[..at].iter().rev().take_while(|octet| letters.allow(**octet)).count();
            if before == 0 {
                return None;
            }
            begin = at - before;
            spans.push(Span { name, begin, end: at, is_open: false });
            pieces = rest;
        } else if joins(folded, at) {
            return None;
        }
        if self.at_start && begin != start {
            return None;
        }
        let mut position_now = at + lead.len();
        pieces = &pieces[1..];
        while let [piece, rest @ ..] = pieces {
            let Piece::Blank(name, letters) = piece else { return None };
            let from = position_now;
            let (end, after) = match rest {
                [Piece::Text(text), ..] => next_text(folded, from, *letters, text)?,
                _ => {
                    let mut end =
                        from + folded[from..].iter().take_while(|octet| letters.allow(**octet)).count();
                    let line_end = end;
                    while *letters == Letters::Word && end > from && b".,:;)]'>".contains(&folded[end - 1]) {
                        end -= 1;
                    }
                    (end, line_end)
                }
            };
            if end == from && *letters != Letters::Any {
                return None;
            }
            let is_open = *letters == Letters::Any || rest.is_empty();
            spans.push(Span { name, begin: from, end, is_open });
            position_now = after;
            pieces = rest.get(1..).unwrap_or_default();
        }
        let ends_in_text = matches!(self.pieces.last(), Some(Piece::Text(_)));
        if ends_in_text && joins(folded, position_now) {
            return None;
        }
        if self.at_end && folded[position_now..].iter().any(|octet| *octet != b' ') {
            return None;
        }
        Some(Found { begin, end: position_now, spans })
    }
}

/// Whether a text is still itself without so many letters at its beginning: they are of one word with what follows, and
/// were not what denies it.
pub(super) fn is_cut(text: &[u8], cut: usize) -> bool {
    const DENIALS: [&[u8]; 5] = [b"un", b"ln", b"dls", b"non", b"no"];
    text.len() >= cut + LEFT
        && text[..=cut].iter().all(u8::is_ascii_alphanumeric)
        && !DENIALS.contains(&&text[..cut])
}

/// Where a blank that begins at `from` ends, and where the text that follows it ends.
fn next_text(folded: &[u8], from: usize, letters: Letters, text: &[u8]) -> Option<(usize, usize)> {
    let reach = folded[from..].iter().take_while(|octet| letters.allow(**octet)).count();
    let window = folded.len().min(from + reach + text.len());
    let first = if letters == Letters::Any { 0 } else { 1 };
    let at = from + first + position(folded.get(from + first..window)?, text)?;
    (at <= from + reach).then_some((at, at + text.len()))
}

/// Whether the octets on both sides of this place are of one word.
fn joins(folded: &[u8], at: usize) -> bool {
    let is_letter = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_alphanumeric);
    at > 0 && is_letter(folded.get(at - 1)) && is_letter(folded.get(at))
}

/// The first place of `needle`.
pub(super) fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let last = haystack.len().checked_sub(needle.len())?;
    let mut from = 0;
    while from <= last {
        let at = from + haystack[from..=last].iter().position(|octet| *octet == first)?;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Capture, Shape, fold};

    fn found(shape: &'static str, line: &str) -> String {
        let folded: Vec<u8> = line.bytes().map(fold).collect();
        let told = |capture: &Capture| format!("{}={} ", capture.name, capture.value);
        match Shape::parse(shape).unwrap().find_from(&folded, 0, 0) {
            None => "-".into(),
            Some(found) => found.captures(line).iter().map(told).collect(),
        }
    }

    /// A shape that finds too much names a wrong cause; one that finds too little names none.
    #[test]
    fn shapes_find_what_they_say() {
        let check =
            |shape, line, wanted: &str| assert_eq!(found(shape, line).trim(), wanted, "{shape} in {line}");
        check("no devices to configure", "ipconfig: no devices to configure", "");
        check("no devices to configure", "ipconflg: n0 devices t0 conflgure", "");
        check("No Devices", "x no devicesx", "-");
        check("devices", "xdevices, devices", "");
        check(
            "firmware load for {file} failed with error {errno:number}",
            "bnx2 0000:01:00.0: Direct firmware load for bnx2/a.fw failed with error -2",
            "file=bnx2/a.fw errno=-2",
        );
        check("load for {file} failed", "load for a b failed", "-");
        check("load for {file:any} failed", "load for a b failed", "file=a b");
        check("exitcode={exitcode:hex}", "init! exitcode=0x00000200", "exitcode=0x00000200");
        check("exitcode={exitcode:hex}", "init! exitcode=0xOOOOO2OO", "exitcode=0xOOOOO2OO");
        check(
            "server {server} not responding",
            "nfs: server 10.0.0.1 not responding, still",
            "server=10.0.0.1",
        );
        check("not found: {file}", "not found: a/b.efi.", "file=a/b.efi");
        check("{device}: link is down", "igb 0000:01: eth0: Link is Down", "device=eth0");
        check("{device}: link is down", ": link is down", "-");
        check("^grub>", "grub> ls", "");
        check("^grub>", "the grub> prompt", "-");
        check("^grub>$", "grub> ", "");
        check("^grub>$", "grub> ls", "-");
        check("file '{file}' not found", "error: file `/boot/x.mod' not found.", "file=/boot/x.mod");
        check("a {x} b {y} c", "a 1 b 2 d a 3 b 4 c", "x=3 y=4");
        check("no route to host {host}", "route to host a", "-");
        check("unable to mount root from {host}", "able to mount root from a", "-");
        check("firmware load for {file} failed", "rmware load for a failed", "file=a");
        check("^firmware load for {file} failed", "mware load for a failed", "file=a");
        check("firmware load for {file} failed", "x mware load for a failed", "-");
        for wrong in ["", "{a}", "{a", "{a}{b} x", "{a:words} x", "{a:any} x"] {
            assert_eq!(Shape::parse(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        /// Whatever stands in a log, looking for a shape ends, and soon.
        #[test]
        fn finding_never_panics(line in "\\PC{0,200}") {
            for shape in ["a{x}b{y:any}c{z:number}", "^{x:hex} e", "e{x}$", "{a:number} {b:any}"] {
                found(shape, &line);
            }
        }
    }
}
