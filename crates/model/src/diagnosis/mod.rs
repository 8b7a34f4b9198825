//! Diagnosis: a log of a boot or an installation, of whatever system, read for the cause of its end.
//!
//! ```text
//! octets ─clean─▶ lines ─watch─▶ what stands in them ─reading─▶ boots ─judge─▶ Diagnosis
//!         escapes, UTF-16,  one table of            milestones take back     first failing stage,
//!         loggers' heads    all shapes              what they overcome       consequences named so
//! ```
//!
//! The causes themselves are the `catalogue`'s. A log is read as it comes, in constant memory.

mod clean;
mod decode;
mod head;
mod judge;
mod likeness;
mod literals;
mod milestone;
mod misread;
mod reading;
mod shape;
mod told;
mod watch;
mod wrapped;

use crate::catalogue::{self, Cause, Stage};
use crate::ladder::Rung;
use crate::silence::Explanation;
use crate::traffic::Traffic;
use clean::Lines;
use reading::Boot;
use std::collections::VecDeque;
use watch::{Scratch, Watch};
use wire::capture::NotCapture;
use wrapped::Wrapped;

/// Earlier boots of which a summary is kept.
const EARLIER: usize = 20;

/// What came of reading a log.
#[derive(Debug)]
pub struct Diagnosis {
    /// Of the boot that was judged.
    pub verdict: Verdict,
    /// The highest rung of that boot, with the line that proves it.
    pub rung: Option<(Rung, Evidence)>,
    /// First and last line of that boot.
    pub lines: (u64, u64),
    /// How many boots are in the log.
    pub boots: u64,
    /// The boots before it, oldest first; of very many only the last.
    pub earlier: Vec<Earlier>,
    /// Whether the octets are no text.
    pub is_junk: bool,
}

/// How a boot ended.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing is wrong in it.
    Well,
    /// Why it ended: the likeliest cause first.
    Failed(Vec<Finding>),
    /// It failed, and no sign of a cause was found; one of its lines is like a message of the catalogue.
    Alike(Box<Likeness>),
    /// It failed for a reason that the catalogue does not have; the first line that looks like one.
    Unknown(Option<Evidence>),
    /// Nothing in it is known: neither a milestone nor a failure.
    Nothing,
}

/// A cause that was found.
#[derive(Debug)]
pub struct Finding {
    /// Where on the way.
    pub stage: Stage,
    /// The catalogue's page on it.
    pub cause: &'static Cause,
    /// From 0 to 1.
    pub confidence: f64,
    /// What is wrong, with what this log says of it.
    pub sentence: String,
    /// The lines it rests on, in their order.
    pub evidence: Vec<Evidence>,
    /// What follows from it and needs no remedy of its own.
    pub consequences: Vec<Consequence>,
    /// What to do; what fits the system of the log comes first.
    pub fix: Vec<String>,
}

/// A cause that was not found, and that a line of the log comes close to.
#[derive(Debug)]
pub struct Likeness {
    /// The cause, with the line as its evidence.
    pub finding: Finding,
    /// The message that the line is like, with `…` for what differs from log to log.
    pub message: String,
}

/// A later failure that is explained by an earlier one.
#[derive(Debug)]
pub struct Consequence {
    /// Its id in the catalogue.
    pub id: &'static str,
    /// Where it is seen.
    pub evidence: Evidence,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Its number, from 1.
    pub line: u64,
    /// Its text, without what a logger put before it and without anything a terminal obeys.
    pub text: String,
    /// In how many lines the same was seen.
    pub times: u64,
    /// What follows from it, where the line does not say so itself.
    pub why: Option<&'static str>,
}

/// A boot before the one that was judged.
#[derive(Debug)]
pub struct Earlier {
    /// Its first and last line.
    pub lines: (u64, u64),
    /// The highest rung.
    pub rung: Option<Rung>,
    /// The likeliest cause, if it failed.
    pub cause: Option<&'static str>,
}

/// Reads a log as it comes.
pub struct Reader {
    watch: Option<&'static Watch>,
    lines: Lines,
    scratch: Option<Scratch>,
    wrapped: Wrapped,
    boot: Boot,
    /// The boots before, the last of them.
    before: VecDeque<Boot>,
    boots: u64,
}

impl Default for Reader {
    fn default() -> Reader {
        Reader::new()
    }
}

impl Reader {
    /// Before the first octet.
    pub fn new() -> Reader {
        let watch = watch::watch();
        Reader {
            watch,
            lines: Lines::new(),
            scratch: watch.map(Scratch::of),
            wrapped: Wrapped::default(),
            boot: Boot::new(1),
            before: VecDeque::new(),
            boots: 1,
        }
    }

    /// Takes the next octets of the log.
    pub fn take(&mut self, octets: &[u8]) {
        self.read(false, |lines, each| lines.take(octets, each));
    }

    /// The log is over: judges it.
    pub fn finish(self) -> Diagnosis {
        let (mut diagnosis, boot) = self.judge();
        if let Verdict::Unknown(_) = diagnosis.verdict
            && !diagnosis.is_junk
            && let Some(likeness) = judge::likeness(&boot)
        {
            diagnosis.verdict = Verdict::Alike(Box::new(likeness));
        }
        diagnosis
    }

    /// What was found, and the boot that was judged.
    fn judge(mut self) -> (Diagnosis, Boot) {
        self.read(true, |lines, each| {
            lines.finish(each);
        });
        let is_junk = self.lines.is_junk();
        let mut judged = judge::judge(&self.boot);
        let has_ended_before_it_began = matches!(judged, Verdict::Well | Verdict::Nothing)
            && self.boot.rung.as_ref().is_none_or(|(rung, _)| *rung < Rung::FetchedKernel);
        if has_ended_before_it_began && let Some(before) = self.before.back() {
            let verdict = judge::judge(before);
            if matches!(verdict, Verdict::Failed(_) | Verdict::Unknown(_))
                && let Some(before) = self.before.pop_back()
            {
                self.boot = before;
                judged = verdict;
            }
        }
        let may_be_misread = match judged {
            Verdict::Failed(_) | Verdict::Alike(_) => false,
            // A boot that came to its root without a cause went well.
            Verdict::Well => self.boot.rung.as_ref().is_none_or(|(rung, _)| *rung < Rung::MountedRoot),
            Verdict::Unknown(_) | Verdict::Nothing => !self.boot.is_up(),
        };
        if may_be_misread && !is_junk && self.boot.read_again() {
            judged = judge::judge(&self.boot);
        }
        let diagnosis = Diagnosis {
            verdict: judged,
            lines: (self.boot.first_line, self.boot.last_line),
            rung: self.boot.rung.clone(),
            boots: self.boots,
            earlier: self.before.iter().map(summary).collect(),
            is_junk,
        };
        (diagnosis, self.boot)
    }

    fn read(&mut self, is_over: bool, give: impl FnOnce(&mut Lines, &mut dyn FnMut(u64, &clean::Cleaned))) {
        let (Some(watch), Some(scratch)) = (self.watch, &mut self.scratch) else { return };
        let (boot, before, boots) = (&mut self.boot, &mut self.before, &mut self.boots);
        let wrapped = &mut self.wrapped;
        let mut each = |piece: &wrapped::Piece<'_>| {
            if let Some(ended) = boot.read(watch, scratch, piece) {
                *boots += 1;
                if before.len() == EARLIER {
                    before.pop_front();
                }
                before.push_back(ended);
            }
        };
        give(&mut self.lines, &mut |number, line| wrapped.take(number, line, &mut each));
        if is_over {
            wrapped.finish(&mut each);
        }
    }
}

fn summary(boot: &Boot) -> Earlier {
    let cause = match judge::judge(boot) {
        Verdict::Failed(findings) => findings.first().map(|finding| finding.cause.id),
        _ => None,
    };
    let rung = boot.rung.as_ref().map(|(rung, _)| *rung);
    Earlier { lines: (boot.first_line, boot.last_line), rung, cause }
}

/// What an iPXE error code says, by its first six digits.
pub fn ipxe_words(code: &str) -> Option<&'static str> {
    decode::ipxe(code)
}

/// Diagnoses a log that is there as a whole.
pub fn diagnose(octets: &[u8]) -> Diagnosis {
    let mut reader = Reader::new();
    reader.take(octets);
    reader.finish()
}

/// Diagnoses a capture of the network (pcap, pcapng) that is there as a whole.
///
/// Errors: it is no capture, or cannot be read on.
pub fn of_capture(octets: &[u8]) -> Result<Diagnosis, NotCapture> {
    let mut reader = CaptureReader::new();
    reader.take(octets)?;
    Ok(reader.finish())
}

/// Reads a capture as it comes: the number of a frame is the number of its line.
#[derive(Default)]
pub struct CaptureReader {
    frames: wire::capture::Reader,
    traffic: Traffic,
    words: Reader,
}

impl CaptureReader {
    /// Before the first octet.
    pub fn new() -> CaptureReader {
        CaptureReader::default()
    }

    /// Takes the next octets of the capture.
    ///
    /// Errors: it is no capture, or cannot be read on.
    pub fn take(&mut self, octets: &[u8]) -> Result<(), NotCapture> {
        let (traffic, words) = (&mut self.traffic, &mut self.words);
        self.frames.take(octets, |millis, packet| {
            if let Some(line) = packet.and_then(|packet| traffic.hear(millis, packet)) {
                words.take(line.as_bytes());
            }
            words.take(b"\n");
        })
    }

    /// The capture is over: judges what its frames say, and where they say nothing, what the silence after them means.
    pub fn finish(mut self) -> Diagnosis {
        for line in self.traffic.unanswered() {
            self.words.take(line.as_bytes());
            self.words.take(b"\n");
        }
        // Its lines are our own words: one that is no sign is like none either.
        let (mut diagnosis, _) = self.words.judge();
        if !matches!(diagnosis.verdict, Verdict::Failed(_))
            && let Some((_, told)) = self.traffic.silence()
            && let Some(finding) = of_silence(told, diagnosis.lines.1)
        {
            diagnosis.verdict = Verdict::Failed(vec![finding]);
        }
        diagnosis
    }
}

/// What a silence means, told as what stands in a log is.
fn of_silence(told: Explanation, last_line: u64) -> Option<Finding> {
    let (stage, cause) = catalogue::find(&told.trouble.cause)?;
    let evidence = told.trouble.evidence.iter().map(|text| Evidence::of(last_line, text)).collect();
    let known = cause.fixes.iter().map(catalogue::Fix::words);
    Some(Finding {
        stage,
        cause,
        // A silence has several causes, of which this is only the likeliest.
        confidence: 0.6,
        sentence: told.trouble.sentence,
        evidence,
        consequences: Vec::new(),
        fix: told.trouble.fix.into_iter().chain(known).collect(),
    })
}

#[cfg(test)]
mod tests;
