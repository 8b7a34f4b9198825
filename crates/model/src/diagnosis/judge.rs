//! The verdict on one boot: which causes its lines speak for, and which of them came first.
//!
//! What fails first is the cause; what a cause is known to bring about, and every symptom after it, is its
//! consequence. A line that says a little less comes after one that nothing else prints, even where it came
//! before: warnings are printed all the time.

use super::decode;
use super::likeness::likest;
use super::reading::{Boot, Sight};
use super::watch::{OWN, watch};
use super::{Consequence, Evidence, Finding, Likeness, Verdict};
use crate::catalogue::page::blanked;
use crate::catalogue::{Cause, Kind, Look, Sign, Speaks, Stage, System, Weight};
use crate::ladder::Rung;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Below this a cause is not named.
const NAMED: f64 = 0.5;
/// What a cause is worth that a line is only like a message of.
const ALIKE: f64 = 0.4;
/// From here on a cause stands before weaker ones that were seen earlier.
const STRONG: f64 = 0.75;
/// The most that a log can prove.
const MOST: f64 = 0.97;
/// What a sign is worth less that was found only when misread letters counted as one.
const MISREAD: f64 = 0.1;
/// Lines that are said in one breath: systemd reports a job's end and its reason one after the other.
const BREATH: u64 = 3;
/// Lines of evidence that are shown of a cause.
const SHOWN: usize = 5;
/// Causes that are named of one boot.
const CAUSES: usize = 4;

/// Judges a boot.
pub(super) fn judge(boot: &Boot) -> Verdict {
    let mut candidates = candidates(boot);
    candidates.sort_by(|a, b| a.rank().cmp(&b.rank()).then(b.confidence.total_cmp(&a.confidence)));
    let has_noise_only = candidates.iter().all(|it| it.cause.kind == Kind::Noise);
    if !has_noise_only || (boot.rung.is_some() && boot.fatal.is_none()) {
        candidates.retain(|it| it.cause.kind != Kind::Noise);
    }
    if !candidates.is_empty() {
        return Verdict::Failed(findings(boot, candidates));
    }
    match (&boot.fatal, &boot.odd, &boot.rung) {
        (Some(fatal), odd, _) => Verdict::Unknown(Some(earlier(odd.as_ref(), fatal).clone())),
        (None, Some(odd), rung) if !rung.as_ref().is_some_and(|(rung, _)| is_far(*rung)) => {
            Verdict::Unknown(Some(odd.clone()))
        }
        (None, _, Some(_)) => Verdict::Well,
        (None, _, None) => Verdict::Nothing,
    }
}

/// The cause that an unknown failure's lines come closest to, in words of its own.
pub(super) fn likeness(boot: &Boot) -> Option<Likeness> {
    let likest = likest(boot)?;
    let message = blanked(likest.message);
    let sentence = format!(
        "No known message of a cause stands in this log; line {} is like `{message}`, with which the cause would be: {}",
        likest.line.line, likest.cause.sentence
    );
    let finding = Finding {
        stage: likest.stage,
        cause: likest.cause,
        confidence: ALIKE,
        sentence,
        evidence: vec![likest.line],
        consequences: Vec::new(),
        fix: fixes(likest.cause, system(boot)),
    };
    Some(Likeness { finding, message })
}

/// The system whose words were seen most often.
fn system(boot: &Boot) -> Option<System> {
    boot.systems.iter().max_by_key(|(_, times)| **times).map(|(system, _)| *system)
}

/// What to do; what fits the system comes first.
fn fixes(cause: &Cause, system: Option<System>) -> Vec<String> {
    let mut fixes: Vec<_> = cause.fixes.iter().collect();
    fixes.sort_by_key(|fix| Some(fix.on) != system);
    fixes.into_iter().map(|fix| fix.words()).collect()
}

/// Rungs after which an odd line is no sign that the boot failed.
fn is_far(rung: Rung) -> bool {
    rung >= Rung::MountedRoot
}

fn earlier<'a>(odd: Option<&'a Evidence>, fatal: &'a Evidence) -> &'a Evidence {
    odd.filter(|odd| odd.line < fatal.line).unwrap_or(fatal)
}

/// A cause that some line speaks for.
struct Candidate<'a> {
    stage: Stage,
    cause: &'static Cause,
    confidence: f64,
    /// The strongest sign, and the rest.
    signs: Vec<(&'static Sign, &'a Sight)>,
    clues: Vec<Evidence>,
}

impl Candidate<'_> {
    /// Where it was seen first.
    fn line(&self) -> u64 {
        self.signs.iter().map(|(_, sight)| sight.first.line).min().unwrap_or_default()
    }

    /// Roots before symptoms, strong before weak, early before late.
    fn rank(&self) -> (bool, u64, Stage, Reverse<Weight>) {
        let weight = self.signs.first().map_or(Weight::Trace, |(sign, _)| sign.weight);
        (self.confidence < STRONG, self.line(), self.stage, Reverse(weight))
    }
}

fn candidates(boot: &Boot) -> Vec<Candidate<'_>> {
    let mut by_cause: BTreeMap<(Stage, usize), Vec<(&'static Sign, &Sight)>> = BTreeMap::new();
    for ((stage, cause, sign), sight) in &boot.open {
        let Some(known) = stage.cause(*cause) else { continue };
        let sign = known.sign(*sign).unwrap_or(&OWN);
        if holds(sign, sight, boot) {
            by_cause.entry((*stage, *cause)).or_default().push((sign, sight));
        }
    }
    let candidates = by_cause.into_iter().filter_map(|((stage, number), mut signs)| {
        let cause = stage.cause(number)?;
        signs.sort_by_key(|(sign, sight)| (Reverse(sign.weight), sight.first.line));
        let (confidence, clues) = weigh(boot, cause, &signs)?;
        (confidence >= NAMED).then_some(Candidate { stage, cause, confidence, signs, clues })
    });
    candidates.collect()
}

/// Whether a sign says anything: some only at the log's end, some only when repeated.
fn holds(sign: &Sign, sight: &Sight, boot: &Boot) -> bool {
    match sign.line {
        Look::Anywhere(_) | Look::Ipxe(_) => true,
        // A sign in a line that may go on is noted with the last line of what it may be a part of.
        Look::AtTheEnd(_) => sight.last_line >= boot.last_text,
        Look::Times(times, _) => sight.repeats >= times,
    }
}

/// How sure a cause is, and the clues that speak for it; `None` where it cannot be.
fn weigh(boot: &Boot, cause: &Cause, signs: &[(&'static Sign, &Sight)]) -> Option<(f64, Vec<Evidence>)> {
    let strongest = signs.first()?.0.weight;
    let mut confidence: f64 = match strongest {
        Weight::Proof => 0.9,
        Weight::Usual => 0.65,
        Weight::Trace => 0.35,
    };
    if signs.len() > 1 {
        confidence += 0.05;
    }
    if boot.is_misread {
        confidence -= MISREAD;
    }
    let first_line = signs.iter().map(|(_, sight)| sight.first.line).min().unwrap_or_default();
    let mut clues = Vec::new();
    for clue in cause.clues {
        let sight = watch().and_then(|watch| watch.place(clue.line)).and_then(|place| boot.clues.get(&place));
        match (clue.speaks, sight) {
            (Speaks::ForIfLater, Some(sight)) if sight.first.line <= first_line => {}
            (Speaks::For | Speaks::ForIfLater, Some(sight)) => {
                confidence += 0.2;
                clues.push(Evidence { why: Some(clue.why), ..sight.first.clone() });
            }
            (Speaks::Against, Some(_)) => confidence -= 0.3,
            (Speaks::Excludes, Some(_)) | (Speaks::ExcludesIfAbsent, None) => return None,
            (Speaks::ForIfAbsent, None) => confidence += 0.2,
            _ => {}
        }
    }
    Some((confidence.clamp(0.05, MOST), clues))
}

/// Puts consequences to their causes and says it all.
fn findings(boot: &Boot, candidates: Vec<Candidate<'_>>) -> Vec<Finding> {
    let is_explained =
        |one: &Candidate<'_>| candidates.iter().any(|other| other.explains(one) && !one.explains(other));
    let explained: Vec<bool> = candidates.iter().map(is_explained).collect();
    let (mut roots, mut rest) = (Vec::new(), Vec::new());
    for (candidate, is_explained) in candidates.into_iter().zip(explained) {
        if is_explained { rest.push(candidate) } else { roots.push((candidate, Vec::new())) }
    }
    rest.sort_by_key(Candidate::line);
    for candidate in rest {
        let parent = roots.iter().position(|(root, _)| root.explains(&candidate)).unwrap_or(0);
        let consequence = candidate.as_consequence();
        if let Some((_, consequences)) = roots.get_mut(parent)
            && consequences.iter().all(|other: &Consequence| other.evidence.line != consequence.evidence.line)
        {
            consequences.push(consequence);
        }
    }
    let system = system(boot);
    let named = roots.into_iter().take(CAUSES).enumerate();
    named.map(|(place, (candidate, consequences))| candidate.finding(place, consequences, system)).collect()
}

impl Candidate<'_> {
    /// Whether the other one is only what follows from this one.
    fn explains(&self, other: &Candidate<'_>) -> bool {
        let is_before = self.line() <= other.line();
        // What a symptom itself brings about does not explain it.
        let is_symptom = other.cause.kind == Kind::Symptom
            && !other.cause.hides.contains(&self.cause.id)
            && (self.cause.kind == Kind::Root || self.line() < other.line());
        let is_said_with = other.cause.kind == Kind::Symptom && self.line() <= other.line() + BREATH;
        // What proves itself may do so late, when somebody looked: `arping` after the transfers that failed.
        let is_proven = self.confidence >= STRONG
            && self.signs.first().is_some_and(|(sign, _)| sign.weight == Weight::Proof);
        let hides = self.cause.hides.contains(&other.cause.id);
        (hides && (is_before || is_said_with || is_proven)) || (is_before && is_symptom)
    }

    fn as_consequence(&self) -> Consequence {
        let first = self.signs.iter().map(|(_, sight)| &sight.first).min_by_key(|evidence| evidence.line);
        let evidence = first.cloned().unwrap_or_else(|| Evidence::of(0, ""));
        Consequence { id: self.cause.id, evidence }
    }

    fn finding(self, place: usize, consequences: Vec<Consequence>, system: Option<System>) -> Finding {
        let mut evidence: Vec<Evidence> = self.signs.iter().map(|(_, sight)| sight.first.clone()).collect();
        evidence.extend(self.clues);
        evidence.sort_by_key(|evidence| (evidence.line, evidence.why.is_none()));
        evidence.dedup_by_key(|evidence| evidence.line);
        evidence.truncate(SHOWN);
        let told = self.signs.iter().find_map(|(sign, sight)| fill(sign.says?, sight));
        Finding {
            stage: self.stage,
            cause: self.cause,
            confidence: self.confidence * [1.0, 0.6, 0.4, 0.3][place.min(3)],
            sentence: told.unwrap_or_else(|| self.cause.sentence.to_owned()),
            evidence,
            consequences,
            fix: fixes(self.cause, system),
        }
    }
}

/// A sentence with what stood at the sign's blanks; `None` where one of them has no words.
fn fill(sentence: &str, sight: &Sight) -> Option<String> {
    let mut told = String::new();
    let mut rest = sentence;
    while let Some((before, blank)) = rest.split_once('{') {
        let (name, after) = blank.split_once('}')?;
        let (name, in_words) = name.strip_suffix(":words").map_or((name, false), |name| (name, true));
        let capture = sight.captures.iter().find(|capture| capture.name == name)?;
        told.push_str(before);
        match in_words {
            true => told.push_str(&decode::words(name, &capture.value)?),
            false => told.push_str(&capture.value),
        }
        rest = after;
    }
    told.push_str(rest);
    Some(told)
}
