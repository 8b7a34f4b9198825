//! Everything that is looked for in a line, in one pass: the shapes of the catalogue and of `milestone`,
//! each with what its sight means.
//!
//! One pass over the folded line finds the longest text of every shape at once ([`Literals`], linear in the
//! line); only shapes whose text is there are looked at closer.

use super::head::head;
use super::literals::{LOOKED_UP, Literals};
use super::milestone::{CLOCKS, FATAL, HARMLESS, ODD, OPENINGS, SYSTEMS, TALK, Talk, milestones};
use super::shape::{Capture, Shape, fold, position};
use super::told;
use super::wrapped::Piece;
use crate::catalogue::{self, Look, Sign, Stage, Weight};
use std::collections::HashMap;
use std::sync::LazyLock;

/// What the sight of a shape means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Sign number `sign` of cause number `cause` of the stage.
    Sign { stage: Stage, cause: usize, sign: usize, unless: usize },
    /// A clue of some cause.
    Clue,
    /// A bootworks box says that this cause of the stage is over.
    Over { stage: Stage, cause: usize },
    /// Row of [`milestones`].
    Milestone { row: usize, unless: usize },
    /// Row of [`OPENINGS`].
    Opening(usize),
    /// Row of [`SYSTEMS`].
    System(usize),
    /// A part of what a TFTP server says of one exchange.
    Talk(Talk),
    /// Nothing goes on after it.
    Fatal,
    /// It may say what went wrong.
    Odd,
    /// It looks worse than it is.
    Harmless,
    /// The kernel's command line is printed.
    CommandLine,
    /// The kernel speaks of its clocks.
    Clock,
}

/// One shape and all that its sight means.
pub(super) struct Watched {
    shape: Shape,
    pub(super) meanings: Vec<Meaning>,
}

impl Watched {
    /// Whether it only says what one exchange of several lines is about.
    fn is_talk(&self) -> bool {
        self.meanings.iter().all(|meaning| matches!(meaning, Meaning::Talk(_)))
    }
}

/// All shapes, compiled.
pub(super) struct Watch {
    literals: Literals,
    /// For each literal the shapes it is the longest text of.
    behind: Vec<Vec<usize>>,
    pub(super) watched: Vec<Watched>,
    places: HashMap<&'static str, usize>,
    /// Lists of folded texts that must not stand in the same line.
    unless: Vec<Vec<Vec<u8>>>,
}

/// The one of this program.
pub(super) fn watch() -> Option<&'static Watch> {
    static WATCH: LazyLock<Option<Watch>> = LazyLock::new(Watch::new);
    WATCH.as_ref()
}

impl Watch {
    fn new() -> Option<Watch> {
        let mut unless = vec![Vec::new()];
        let mut watched: Vec<Watched> = Vec::new();
        let mut places: HashMap<&'static str, usize> = HashMap::new();
        for (line, meaning) in looked_for(&mut unless) {
            let place = match places.get(line) {
                Some(place) => *place,
                None => {
                    // One that is written wrongly is not looked for, and the tests say so; the others are.
                    let shape = Shape::parse(line).filter(|shape| shape.anchor().len() >= LOOKED_UP);
                    let Some(shape) = shape else { continue };
                    watched.push(Watched { shape, meanings: Vec::new() });
                    places.insert(line, watched.len() - 1);
                    watched.len() - 1
                }
            };
            watched[place].meanings.push(meaning);
        }
        let mut literals: Vec<&[u8]> = watched.iter().map(|watched| watched.shape.anchor()).collect();
        literals.sort_unstable();
        literals.dedup();
        let mut behind = vec![Vec::new(); literals.len()];
        for (place, watched) in watched.iter().enumerate() {
            behind[literals.binary_search(&watched.shape.anchor()).ok()?].push(place);
        }
        let literals = Literals::new(literals.into_iter().map(<[u8]>::to_vec).collect())?;
        Some(Watch { literals, behind, watched, places, unless })
    }

    /// Whether one of the texts of this list stands in the folded line.
    pub(super) fn is_voided(&self, list: usize, folded: &[u8]) -> bool {
        self.unless.get(list).is_some_and(|texts| texts.iter().any(|text| position(folded, text).is_some()))
    }

    /// The number of a shape.
    pub(super) fn place(&self, line: &str) -> Option<usize> {
        self.places.get(line).copied()
    }

    /// Calls `each` for every shape in the piece, once, with where the line's own text begins and what stands at the
    /// shape's blanks.
    pub(super) fn look(
        &self,
        piece: &Piece<'_>,
        scratch: &mut Scratch,
        mut each: impl FnMut(usize, usize, Vec<Capture>),
    ) {
        scratch.now += 1;
        let cleaned = piece.line;
        let mut start = None;
        self.literals.find(&cleaned.folded, |literal, at| {
            let start = *start.get_or_insert_with(|| head(&cleaned.text).length);
            for place in &self.behind[literal] {
                if std::mem::replace(&mut scratch.seen[*place], scratch.now) == scratch.now {
                    continue;
                }
                let shape = &self.watched[*place].shape;
                let Some(found) = shape.find_from(&cleaned.folded, start, at) else {
                    continue;
                };
                let is_one = |at: &usize| match self.watched[*place].is_talk() {
                    true => found.reaches_over(*at),
                    false => found.holds_together(*at),
                };
                if piece.breaks.is_empty() || piece.breaks.iter().any(is_one) {
                    each(*place, start, found.captures(&cleaned.text));
                }
            }
        });
    }
}

/// What reading a line takes, kept from one line to the next.
pub(super) struct Scratch {
    now: u64,
    /// At which line each shape was looked at last, so that a line with a text many times costs it once.
    seen: Vec<u64>,
    /// The shapes in the line, with what stands at their blanks.
    pub(super) sights: Vec<(usize, Vec<Capture>)>,
    /// All that their sights mean.
    pub(super) meanings: Vec<Meaning>,
}

impl Scratch {
    pub(super) fn of(watch: &Watch) -> Scratch {
        Scratch { now: 0, seen: vec![0; watch.watched.len()], sights: Vec::new(), meanings: Vec::new() }
    }
}

/// The shapes by which a sign is recognised: an iPXE code stands in two forms of address.
pub(super) fn shapes(look: Look) -> Vec<&'static str> {
    match look {
        Look::Anywhere(line) | Look::AtTheEnd(line) | Look::Times(_, line) => vec![line],
        Look::Ipxe(code) => {
            ipxe_shapes().iter().filter(|(of, _)| *of == code).map(|(_, shape)| *shape).collect()
        }
    }
}

/// `ipxe.org/2d0c61{rest}` and `ipxe.org/err/2d0c61{rest}` for every code of the catalogue.
fn ipxe_shapes() -> &'static [(&'static str, &'static str)] {
    static SHAPES: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
        let codes =
            catalogue::all().flat_map(|(_, cause)| cause.signs()).filter_map(|sign| match sign.line {
                Look::Ipxe(code) => Some(code),
                _ => None,
            });
        let mut shapes = Vec::new();
        for code in codes.collect::<std::collections::BTreeSet<_>>() {
            for form in ["ipxe.org/", "ipxe.org/err/"] {
                // Made once for the whole run, like the texts of the catalogue themselves.
                let shape: &'static str = String::leak(format!("{form}{code}{{ipxe:hex}}"));
                shapes.push((code, shape));
            }
        }
        shapes
    });
    &SHAPES
}

/// The last line but one of a box's own screen, `cause: no-carrier`: what PID 1 or the controller has found out
/// needs no other sign. It stands behind the signs that the catalogue has of the cause.
pub(super) static OWN: Sign =
    Sign { line: Look::Anywhere("cause: {id}"), weight: Weight::Proof, unless: &[], says: None };

/// For each cause the lines of a bootworks box that name it, and that say it is over.
fn own_shapes() -> &'static HashMap<&'static str, (&'static str, &'static str)> {
    static SHAPES: LazyLock<HashMap<&'static str, (&'static str, &'static str)>> = LazyLock::new(|| {
        // Made once for the whole run, like those of iPXE.
        let shapes = catalogue::all().map(|(_, cause)| {
            let told: &'static str = String::leak(format!("^cause: {}$", cause.id));
            let over: &'static str = String::leak(format!("^{} is over$", cause.id));
            (cause.id, (told, over))
        });
        shapes.collect()
    });
    &SHAPES
}

fn looked_for(lists: &mut Vec<Vec<Vec<u8>>>) -> Vec<(&'static str, Meaning)> {
    let mut list = |texts: &[&str]| {
        if texts.is_empty() {
            return 0;
        }
        lists.push(texts.iter().map(|text| text.bytes().map(fold).collect()).collect());
        lists.len() - 1
    };
    let mut all = Vec::new();
    for stage in Stage::ALL {
        for (number, cause) in stage.causes().enumerate() {
            for (sign, definition) in cause.signs().enumerate() {
                let unless = list(definition.unless);
                let meaning = Meaning::Sign { stage, cause: number, sign, unless };
                all.extend(shapes(definition.line).into_iter().map(|shape| (shape, meaning)));
            }
            all.extend(cause.clues.iter().map(|clue| (clue.line, Meaning::Clue)));
            let (told, over) = own_shapes()[&cause.id];
            all.push((told, Meaning::Sign { stage, cause: number, sign: cause.signs().count(), unless: 0 }));
            all.push((over, Meaning::Over { stage, cause: number }));
        }
    }
    for (row, milestone) in milestones().iter().enumerate() {
        all.push((milestone.line, Meaning::Milestone { row, unless: list(milestone.unless) }));
    }
    all.extend(OPENINGS.iter().enumerate().map(|(row, it)| (it.line, Meaning::Opening(row))));
    all.extend(SYSTEMS.iter().enumerate().map(|(row, (_, line))| (*line, Meaning::System(row))));
    all.extend(TALK.iter().map(|(talk, line)| (*line, Meaning::Talk(*talk))));
    all.extend(FATAL.iter().map(|line| (*line, Meaning::Fatal)));
    all.extend(ODD.iter().map(|line| (*line, Meaning::Odd)));
    all.extend(HARMLESS.iter().map(|line| (*line, Meaning::Harmless)));
    all.extend(told::HEADS.iter().map(|line| (*line, Meaning::CommandLine)));
    all.extend(CLOCKS.iter().map(|line| (*line, Meaning::Clock)));
    all
}

#[cfg(test)]
mod tests {
    use super::{looked_for, watch};
    use crate::diagnosis::shape::Shape;

    /// A shape that is written wrongly, or without a text to find it by, would silently find nothing.
    #[test]
    fn every_shape_is_well_written() {
        let broken: Vec<&str> = looked_for(&mut Vec::new())
            .into_iter()
            .map(|(line, _)| line)
            .filter(|line| Shape::parse(line).is_none_or(|shape| shape.anchor().len() < 4))
            .collect();
        assert!(broken.is_empty(), "shapes need a text of four letters at least: {broken:?}");
        assert!(watch().is_some());
    }
}
