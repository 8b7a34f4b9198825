//! What a log of an unknown cause comes closest to: its odd lines, word by word, against the messages of the whole
//! catalogue. Nothing here is a cause that was found; `judge` has found none.
//!
//! ```text
//! mount.nfs: error: server denied access while it was mounting    the line
//! mount nfs  error  server deni   access while        mount       its words: the rarer, the heavier
//!                   access deni by server while mount {export}    a message that has the heavy ones
//! ```
//!
//! Programs word a message anew from version to version. The nouns stay, and they tell which message it was.

use super::Evidence;
use super::milestone::{FATAL, ODD};
use super::reading::Boot;
use crate::catalogue::{Cause, Kind, Look, Stage};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::LazyLock;

/// From here on a line is like a message, of at most 1. Chosen with [`AHEAD`]; the numbers are in
/// docs/decisions/0059-likeness.md.
const LIKE: f64 = 0.55;
/// By so much the likest cause must be ahead of the next one.
const AHEAD: f64 = 0.1;
/// How much it counts that all of the line is in the message; the rest is for all of the message being in the line.
const OF_THE_LINE: f64 = 0.6;
/// Words that a line and a message share at least: those that failures of any kind have do not count, and those of a
/// line's first, `dnsmasq-tftp[21]:`, count once.
const SHARED: usize = 2;
/// What a word is worth that failures of any kind have.
const WORN: f64 = 0.5;
/// What a word of the line is worth that no message has.
const UNSEEN: f64 = 0.5;
/// Odd lines of one boot that are kept: so many of the first, and as many of the last.
const KEPT: usize = 100;

/// Words that say nothing of what a line is about.
const EMPTY: &[&str] = &[
    "the", "a", "an", "of", "to", "in", "on", "is", "at", "for", "by", "it", "its", "and", "or", "be", "was",
    "with", "this", "that", "from", "as", "are", "has", "have", "will", "if", "you", "your", "did", "does",
    "do",
];
/// Words that failures of any kind have, beside those of [`ODD`] and [`FATAL`].
const COMMON: &[&str] = &["fail", "warn", "warning", "start", "directory", "file"];
/// Lines that only say that something before them failed.
const CONSEQUENT: &[&str] = &["dependency failed for"];

/// The message that a log comes closest to.
#[derive(Debug)]
pub(super) struct Likest {
    pub(super) stage: Stage,
    pub(super) cause: &'static Cause,
    /// As the catalogue writes it.
    pub(super) message: &'static str,
    /// The line that is like it.
    pub(super) line: Evidence,
}

/// Odd lines that no sign was found in, since the last milestone that took something back.
#[derive(Debug, Default)]
pub(super) struct Odd {
    first: Vec<(u64, String)>,
    last: VecDeque<(u64, String)>,
}

impl Odd {
    /// Keeps a line; of very many the first and the last.
    pub(super) fn keep(&mut self, number: u64, text: &str) {
        if self.last.back().or(self.first.last()).is_some_and(|(_, last)| last == text) {
            return;
        }
        if self.first.len() < KEPT {
            return self.first.push((number, text.to_owned()));
        }
        let mut kept = match self.last.len() {
            KEPT => self.last.pop_front().map(|(_, kept)| kept).unwrap_or_default(),
            _ => String::new(),
        };
        kept.clear();
        kept.push_str(text);
        self.last.push_back((number, kept));
    }

    /// Nothing of what was kept matters any more.
    pub(super) fn forget(&mut self) {
        self.first.clear();
        self.last.clear();
    }
}

/// The cause whose messages the boot's odd lines are like, if there is one, and no other that is nearly as near.
///
/// None of a stage that the boot has left behind, and none of whose signs one was seen: that one was weighed already.
pub(super) fn likest(boot: &Boot) -> Option<Likest> {
    likest_of(boot, |_| true)
}

/// The same, of these messages only.
fn likest_of(boot: &Boot, is_known: impl Fn(&Message) -> bool) -> Option<Likest> {
    let is_out = |stage: Stage, number: usize| {
        stage.cause(number).is_none_or(|cause| {
            cause.kind == Kind::Noise || boot.healed.contains(&cause.until.unwrap_or(stage))
        }) || boot.open.range((stage, number, 0)..=(stage, number, usize::MAX)).next().is_some()
    };
    let mut best: BTreeMap<(Stage, usize), (f64, &Message, Evidence)> = BTreeMap::new();
    for (number, line) in boot.strange.first.iter().chain(&boot.strange.last) {
        for (score, message) in MESSAGES.like(line).into_iter().filter(|(_, message)| is_known(message)) {
            let of = (message.stage, message.cause);
            if best.get(&of).is_none_or(|(most, ..)| score > *most) && !is_out(message.stage, message.cause) {
                best.insert(of, (score, message, Evidence::of(*number, line)));
            }
        }
    }
    let mut ranked: Vec<_> = best.into_values().collect();
    ranked.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
    let next = ranked.get(1).map_or(0.0, |(score, ..)| *score);
    let (score, message, line) = ranked.into_iter().next()?;
    let cause = message.stage.cause(message.cause)?;
    (score >= LIKE && score - next >= AHEAD).then_some(Likest {
        stage: message.stage,
        cause,
        message: message.text,
        line,
    })
}

/// The messages of the catalogue, by their words.
static MESSAGES: LazyLock<Messages> = LazyLock::new(Messages::of_the_catalogue);

struct Messages {
    messages: Vec<Message>,
    words: HashMap<String, Word>,
    /// What a word weighs that no message has, squared.
    unseen: f64,
}

struct Message {
    stage: Stage,
    cause: usize,
    text: &'static str,
    /// What its words weigh together, squared.
    weight: f64,
}

struct Word {
    /// Its weight, squared.
    weight: f64,
    /// Whether failures of any kind have it.
    is_worn: bool,
    /// The messages that have it.
    of: Vec<usize>,
}

/// What a line and a message have in common.
#[derive(Default)]
struct Shared {
    weight: f64,
    /// Words that count.
    telling: usize,
    /// Whether one of them is of the line's first.
    has_first: bool,
}

impl Messages {
    fn of_the_catalogue() -> Messages {
        let mut messages: Vec<(Message, BTreeSet<String>)> = Vec::new();
        let mut causes: f64 = 0.0;
        for stage in Stage::ALL {
            for (cause, definition) in stage.causes().enumerate() {
                causes += 1.0;
                // Not of its `messages`: what one program says of one case stands for no other.
                for sign in definition.signs.iter().filter(|sign| !matches!(sign.line, Look::Ipxe(_))) {
                    let text = sign.line.text();
                    messages.push((
                        Message { stage, cause, text, weight: 0.0 },
                        words(&unblanked(text)).into_iter().map(|(_, word)| word).collect(),
                    ));
                }
            }
        }
        let worn: BTreeSet<String> = ODD
            .iter()
            .chain(FATAL)
            .chain(COMMON)
            .flat_map(|text| words(text))
            .map(|(_, word)| word)
            .collect();
        let mut known: HashMap<String, Word> = HashMap::new();
        for (number, (_, words)) in messages.iter().enumerate() {
            for word in words {
                let is_worn = worn.contains(word);
                let entry = Word { weight: 0.0, is_worn, of: Vec::new() };
                known.entry(word.clone()).or_insert(entry).of.push(number);
            }
        }
        for word in known.values_mut() {
            let of: BTreeSet<_> =
                word.of.iter().map(|number| (messages[*number].0.stage, messages[*number].0.cause)).collect();
            let rarity = ((causes + 1.0) / of.len() as f64).ln() * if word.is_worn { WORN } else { 1.0 };
            word.weight = rarity * rarity;
        }
        for (message, words) in &mut messages {
            message.weight = words.iter().filter_map(|word| known.get(word)).map(|word| word.weight).sum();
        }
        let messages = messages.into_iter().map(|(message, _)| message).collect();
        Messages { messages, words: known, unseen: (causes.ln() * UNSEEN).powi(2) }
    }

    /// The messages that share enough with the line, each with how like it is, from 0 to 1.
    fn like(&self, line: &str) -> Vec<(f64, &Message)> {
        let lower = line.to_ascii_lowercase();
        if CONSEQUENT.iter().any(|text| lower.contains(text)) {
            return Vec::new();
        }
        let mut weight = 0.0;
        let mut shared: BTreeMap<usize, Shared> = BTreeMap::new();
        for (place, word) in words(&lower) {
            let is_first = place == 0;
            let Some(word) = self.words.get(&word) else {
                weight += self.unseen;
                continue;
            };
            weight += word.weight;
            for message in &word.of {
                let shared = shared.entry(*message).or_default();
                shared.weight += word.weight;
                let is_told = is_first && shared.has_first;
                if !word.is_worn && !is_told {
                    shared.has_first |= is_first;
                    shared.telling += 1;
                }
            }
        }
        let near = shared.into_iter().filter(|(_, shared)| shared.telling >= SHARED);
        near.filter_map(|(number, shared)| {
            let message = self.messages.get(number)?;
            let (of_line, of_message) = (shared.weight / weight, shared.weight / message.weight);
            Some((of_line.powf(OF_THE_LINE) * of_message.powf(1.0 - OF_THE_LINE), message))
        })
        .collect()
    }
}

/// A shape without what differs from line to line.
fn unblanked(shape: &str) -> String {
    let mut text = String::new();
    let mut rest = shape;
    while let Some((before, blank)) = rest.split_once('{') {
        text.push_str(before);
        text.push(' ');
        rest = blank.split_once('}').map_or("", |(_, after)| after);
    }
    text + rest
}

/// The words of a text, each once, with the place of what stands between blanks around it: without numbers, addresses and
/// links, in their first form. A small negative number is one: it is what a kernel says instead of the reason.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let mut known = BTreeSet::new();
    let mut add = |place: usize, word: String| {
        if known.insert(word.clone()) {
            words.push((place, word));
        }
    };
    for (place, part) in text.split_ascii_whitespace().enumerate() {
        if part.contains("ipxe.org/") {
            continue;
        }
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '\'';
        let mut end = 0;
        for piece in part.split(|letter: char| !is_letter(letter)) {
            let before = &part[..end];
            end += piece.len();
            end += part[end..].chars().next().map_or(0, char::len_utf8);
            let is_number = matches!(piece.len(), 1..=3) && piece.bytes().all(|octet| octet.is_ascii_digit());
            let is_negative = before.strip_suffix('-').is_some_and(|rest| !rest.ends_with(is_letter));
            if is_number && is_negative {
                add(place, format!("-{piece}"));
            } else if let Some(word) = word(piece) {
                add(place, word);
            }
        }
    }
    words
}

/// A word in its first form; none of what is a number, an address or a part of one, or empty.
fn word(piece: &str) -> Option<String> {
    let mut word = piece.to_ascii_lowercase().replace("n't", "nt").replace('\'', "");
    if let Some(digit) = word.find(|letter: char| letter.is_ascii_digit()) {
        if word.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return None;
        }
        word.truncate(digit);
    }
    // Two letters that are hexadecimal digits are octets of addresses.
    let is_octet = word.len() == 2 && word.bytes().all(|octet| octet.is_ascii_hexdigit());
    if word.len() < 2 || is_octet || EMPTY.contains(&word.as_str()) {
        return None;
    }
    for end in ["ing", "ed", "es", "s"] {
        if let Some(stem) = word.strip_suffix(end).filter(|stem| stem.len() >= 4) {
            return Some(stem.to_owned());
        }
    }
    Some(word)
}

#[cfg(test)]
mod tests;
