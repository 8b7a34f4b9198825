//! A log as it is read: line by line, in constant memory, boot by boot. What is kept of a boot is what
//! `judge` needs to name its cause.

use super::Evidence;
use super::clean::Cleaned;
use super::head::kernel_seconds;
use super::likeness::Odd;
use super::milestone::{Begins, OPENINGS, Phase, SYSTEMS, Talk, milestones};
use super::misread::Unread;
use super::shape::Capture;
use super::told;
use super::watch::{Meaning, Scratch, Watch};
use super::wrapped::Piece;
use crate::catalogue::{Stage, System};
use crate::ladder::Rung;
use std::collections::{BTreeMap, BTreeSet};

/// Letters of a line that are kept as evidence.
const KEPT: usize = 240;
/// Below so many seconds a kernel has only just started.
const FIRST: f64 = 2.0;
/// By so many seconds they go back where it is another start.
const JUMP: f64 = 10.0;
/// The same after the system ran: what is printed out of order then is so by less than a second.
const JUMP_WHEN_UP: f64 = 3.0;
/// Clients whose exchanges with a TFTP server are remembered at a time.
const CLIENTS: usize = 256;

/// What UEFI's time-out without an address comes to.
const NO_OFFER: &str = "PXE over IPv4 timed out before it had an address";

/// What was seen of one shape in one boot.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    /// Where it stood first, and in how many lines.
    pub(super) first: Evidence,
    /// Where it stood last.
    pub(super) last_line: u64,
    /// What stood at the shape's blanks there.
    pub(super) captures: Vec<Capture>,
    /// The most times that it came one after the other with the same at its blanks.
    pub(super) repeats: u32,
    last: Vec<Capture>,
    run: u32,
}

/// One boot, as far as it was read.
#[derive(Debug)]
pub(super) struct Boot {
    pub(super) first_line: u64,
    pub(super) last_line: u64,
    /// The clues that were seen, by the number of their shape.
    pub(super) clues: BTreeMap<usize, Sight>,
    /// Signs that no later milestone of the boot has healed: by stage, number of the cause, number of the sign.
    pub(super) open: BTreeMap<(Stage, usize, usize), Sight>,
    /// Highest rung with its line.
    pub(super) rung: Option<(Rung, Evidence)>,
    /// First line after which nothing goes on.
    pub(super) fatal: Option<Evidence>,
    /// First odd line since the last milestone.
    pub(super) odd: Option<Evidence>,
    /// Odd lines that no sign was found in.
    pub(super) strange: Odd,
    /// Stages that the boot has left behind.
    pub(super) healed: BTreeSet<Stage>,
    /// Where the last line with text stands.
    pub(super) last_text: u64,
    /// How often each system's words were seen.
    pub(super) systems: BTreeMap<System, u64>,
    phase: Option<Phase>,
    /// The kernel's seconds where they were seen last.
    seconds: Option<f64>,
    is_report: bool,
    exchanges: Exchanges,
    /// Lines without a sign.
    unread: Unread,
    /// Whether its signs were found only when it was read again.
    pub(super) is_misread: bool,
}

/// What clients of a TFTP server and UEFI's own stack did last, where the next line means something only with it.
#[derive(Debug, Default)]
struct Exchanges {
    /// The file that a client asked for.
    asked: BTreeMap<String, String>,
    /// Clients that asked for shim's list of revocations, which is optional, last: its second stage comes next.
    shims: BTreeSet<String>,
    /// Clients whose last request is that.
    second_stages: BTreeSet<String>,
    /// Clients that ended their transfer themselves.
    aborted: BTreeSet<String>,
    /// Whether UEFI's own stack began to boot and has no address so far.
    lacks_address: bool,
}

impl Exchanges {
    /// Takes in one line's part of an exchange: the line that it makes whole, and whether it says nothing itself.
    fn hear(&mut self, talk: Talk, captures: &[Capture]) -> (Option<String>, bool) {
        match talk {
            Talk::Begins => self.lacks_address = true,
            Talk::HasAddress => self.lacks_address = false,
            Talk::TimeIsOut if self.lacks_address => return (Some(NO_OFFER.to_owned()), true),
            _ => {}
        }
        let value = |name: &str| captures.iter().find(|capture| capture.name == name).map(|it| &it.value);
        let Some(client) = value("client") else { return (None, false) };
        match talk {
            Talk::Asks => {
                if let Some(file) = value("file")
                    && (self.asked.len() < CLIENTS || self.asked.contains_key(client))
                {
                    self.asked.insert(client.clone(), file.clone());
                    self.second_stages.remove(client);
                    if file.ends_with("revocations.efi") {
                        self.shims.insert(client.clone());
                    } else if self.shims.remove(client) {
                        self.second_stages.insert(client.clone());
                    }
                }
                (None, false)
            }
            Talk::Refuses => {
                let is_second_stage = self.second_stages.remove(client);
                let words = |file: String| match is_second_stage {
                    true => format!("second stage {file} of shim on {client} File not found"),
                    false => format!("Client {client} File not found {file}"),
                };
                (self.asked.remove(client).map(words), false)
            }
            Talk::Aborts => {
                if self.aborted.len() < CLIENTS {
                    self.aborted.insert(client.clone());
                }
                (None, false)
            }
            Talk::Fails => (None, self.aborted.remove(client)),
            Talk::Begins | Talk::HasAddress | Talk::TimeIsOut => (None, false),
        }
    }
}

impl Boot {
    pub(super) fn new(first_line: u64) -> Boot {
        Boot {
            first_line,
            last_line: first_line,
            clues: BTreeMap::new(),
            open: BTreeMap::new(),
            rung: None,
            fatal: None,
            odd: None,
            strange: Odd::default(),
            healed: BTreeSet::new(),
            last_text: 0,
            systems: BTreeMap::new(),
            phase: None,
            seconds: None,
            is_report: false,
            exchanges: Exchanges::default(),
            unread: Unread::default(),
            is_misread: false,
        }
    }

    /// Takes in a line, or what parts of one make. One with which the next boot begins gives this one back, whole.
    pub(super) fn read(&mut self, watch: &Watch, scratch: &mut Scratch, piece: &Piece<'_>) -> Option<Boot> {
        let (number, line) = (piece.number, piece.line);
        if line.text.is_empty() {
            self.last_line = number;
            return None;
        }
        let mut sights = std::mem::take(&mut scratch.sights);
        let mut start = 0;
        watch.look(piece, scratch, |place, own_text, captures| {
            start = own_text;
            sights.push((place, captures));
        });
        let goes_back = self.note_seconds(&line.text);
        if sights.is_empty() {
            scratch.sights = sights;
            let ended = goes_back.then(|| self.end(number, &line.text));
            self.unread.keep(number, &line.text);
            self.pass(number, &line.text);
            return ended;
        }
        let mut meanings = std::mem::take(&mut scratch.meanings);
        meanings.clear();
        meanings.extend(sights.iter().flat_map(|(place, _)| watch.watched[*place].meanings.iter().copied()));
        let ended = (goes_back || self.begins_anew(&meanings)).then(|| self.end(number, &line.text));
        self.note_openings(&meanings);
        if !meanings.iter().any(|meaning| matches!(meaning, Meaning::Sign { .. })) {
            self.unread.keep(number, &line.text);
        }
        let (whole, is_explained) = self.hear(watch, &sights);
        if !is_explained {
            let evidence = || Evidence::of(number, &line.text[start..]);
            self.climb(watch, &meanings, piece, &evidence);
            self.note_sights(watch, &sights, piece, &evidence);
            self.note_odd(&meanings, number, &line.text[start..], &evidence);
        }
        match meanings.contains(&Meaning::Clock) {
            true => self.last_line = number,
            false => self.pass(number, &line.text),
        }
        let gaps = match meanings.contains(&Meaning::CommandLine) {
            true => told::gaps(&line.text),
            false => Vec::new(),
        };
        sights.clear();
        (scratch.sights, scratch.meanings) = (sights, meanings);
        for told in whole.into_iter().chain(gaps.into_iter().map(str::to_owned)) {
            self.read(watch, scratch, &Piece::of(number, &Cleaned::of(told)));
        }
        ended
    }

    /// Takes in the kernel's seconds, and says whether they went back to the start of another boot.
    ///
    /// Processors write a little out of order, and people paste a log's pieces as they like: only a jump from far on
    /// to the first seconds is a new start, and one after the system ran already.
    fn note_seconds(&mut self, text: &str) -> bool {
        let Some(now) = kernel_seconds(text) else { return false };
        let before = self.seconds.replace(now);
        let jump = before.map_or(0.0, |before| before - now);
        !self.is_report && ((now < FIRST && jump > JUMP) || (self.is_up() && jump > JUMP_WHEN_UP))
    }

    /// Reads the lines that no sign was found in once more, as a camera may have misread them; whether there is
    /// a sign now.
    pub(super) fn read_again(&mut self) -> bool {
        let signs = self.unread.signs();
        self.unread.forget();
        self.is_misread = !signs.is_empty();
        for (of, sight) in signs {
            self.open.entry(of).or_insert(sight);
        }
        self.is_misread
    }

    /// Whether the system runs.
    pub(super) fn is_up(&self) -> bool {
        self.rung.as_ref().is_some_and(|(rung, _)| *rung >= Rung::ControllerSpoke)
    }

    /// The boot is over: gives it back, and begins the next one with this line.
    fn end(&mut self, number: u64, text: &str) -> Boot {
        let next = Boot { seconds: kernel_seconds(text), ..Boot::new(number) };
        std::mem::replace(self, next)
    }

    /// The line is read.
    fn pass(&mut self, number: u64, text: &str) {
        self.last_line = number;
        if !is_remark(text) {
            self.last_text = number;
        }
    }

    /// What the line says together with those before it.
    fn hear(&mut self, watch: &Watch, sights: &[(usize, Vec<Capture>)]) -> (Option<String>, bool) {
        for (place, captures) in sights {
            for meaning in &watch.watched[*place].meanings {
                if let Meaning::Talk(talk) = *meaning {
                    return self.exchanges.hear(talk, captures);
                }
            }
        }
        (None, false)
    }

    fn note_sights(
        &mut self,
        watch: &Watch,
        sights: &[(usize, Vec<Capture>)],
        piece: &Piece<'_>,
        evidence: &impl Fn() -> Evidence,
    ) {
        for (place, captures) in sights {
            let meanings = &watch.watched[*place].meanings;
            for meaning in meanings {
                if let Meaning::Sign { stage, cause, sign, unless } = *meaning
                    && !watch.is_voided(unless, piece.voids)
                {
                    note(self.open.entry((stage, cause, sign)), piece.last, evidence, captures);
                }
            }
            if meanings.contains(&Meaning::Clue) {
                note(self.clues.entry(*place), piece.last, evidence, captures);
            }
        }
    }

    fn begins_anew(&self, meanings: &[Meaning]) -> bool {
        let has_run = self.phase == Some(Phase::Kernel);
        meanings.iter().any(|meaning| match meaning {
            Meaning::Opening(row) => match OPENINGS[*row].begins {
                Begins::Boot => self.last_text > 0,
                Begins::Part(_) => has_run && !self.is_report,
                Begins::Again => self.is_up() && !self.is_report,
                Begins::Report => false,
            },
            _ => false,
        })
    }

    fn note_openings(&mut self, meanings: &[Meaning]) {
        for meaning in meanings {
            let Meaning::Opening(row) = meaning else { continue };
            match OPENINGS[*row].begins {
                Begins::Part(phase) => self.phase = self.phase.max(Some(phase)),
                Begins::Report => self.is_report = true,
                Begins::Boot | Begins::Again => {}
            }
        }
    }

    /// A milestone raises the rung, and takes back what can no longer have stopped the boot.
    fn climb(
        &mut self,
        watch: &Watch,
        meanings: &[Meaning],
        piece: &Piece<'_>,
        evidence: &impl Fn() -> Evidence,
    ) {
        for meaning in meanings {
            if let Meaning::Over { stage, cause } = *meaning {
                self.open.retain(|(of, number, _), _| (*of, *number) != (stage, cause));
            }
            let Meaning::Milestone { row, unless } = *meaning else { continue };
            let milestone = &milestones()[row];
            if watch.is_voided(unless, piece.voids) {
                continue;
            }
            if self.rung.as_ref().is_none_or(|(rung, _)| *rung <= milestone.rung) {
                self.rung = Some((milestone.rung, evidence()));
            }
            self.odd = None;
            if !milestone.heals.is_empty() {
                self.fatal = None;
                self.unread.forget();
                self.strange.forget();
                self.healed.extend(milestone.heals);
                self.open.retain(|(stage, cause, _), _| {
                    let until = stage.cause(*cause).and_then(|cause| cause.until).unwrap_or(*stage);
                    !milestone.heals.contains(&until)
                });
            }
        }
    }

    fn note_odd(&mut self, meanings: &[Meaning], number: u64, text: &str, evidence: &impl Fn() -> Evidence) {
        for meaning in meanings {
            if let Meaning::System(row) = meaning {
                *self.systems.entry(SYSTEMS[*row].0).or_default() += 1;
            }
        }
        let is_harmless = meanings.contains(&Meaning::Harmless);
        let is_fatal = meanings.contains(&Meaning::Fatal);
        if is_fatal {
            self.fatal.get_or_insert_with(evidence);
        } else if meanings.contains(&Meaning::Odd) && !is_harmless {
            self.odd.get_or_insert_with(evidence);
        }
        let is_known =
            |meaning: &Meaning| matches!(meaning, Meaning::Sign { .. } | Meaning::Milestone { .. });
        if (is_fatal || meanings.contains(&Meaning::Odd)) && !is_harmless && !meanings.iter().any(is_known) {
            self.strange.keep(number, text);
        }
    }
}

/// Whether a person wrote this line below the log: `(nothing more for ten minutes)`, the end of a block, a sentence of
/// his own.
fn is_remark(text: &str) -> bool {
    match text.as_bytes() {
        [b'(', .., b')'] => text.contains(' '),
        [b'[' | b'<', .., b']' | b'>'] => is_mark(text),
        [b'.' | b'-' | b'~', ..] => text.bytes().all(|octet| octet == b'.' || octet == b'-' || octet == b'~'),
        [b'A'..=b'Z' | b'a'..=b'z', .., b'.' | b'!' | b'?'] => is_sentence(text),
        _ => false,
    }
}

/// A mark of a forum or a page: `[/code]`, `[snip]`, `[...]`.
fn is_mark(text: &str) -> bool {
    const MARKS: [&str; 9] = ["code", "/code", "quote", "/quote", "snip", "...", "cut", "/pre", "/details"];
    let inside = &text[1..text.len() - 1];
    MARKS.iter().any(|mark| inside.eq_ignore_ascii_case(mark))
}

/// A sentence of somebody who speaks of himself or to others: no program does.
fn is_sentence(text: &str) -> bool {
    const WORDS: [&str; 12] = [
        "I", "I'm", "I've", "my", "My", "anybody", "Anybody", "anyone", "Anyone", "thanks", "Thanks", "Thank",
    ];
    let is_between = |octet: &u8| matches!(octet, b' ' | b',' | b'.' | b'!' | b'?');
    let is_one = |word: &[u8]| WORDS.iter().any(|known| known.as_bytes() == word);
    text.len() <= 400 && text.as_bytes().split(is_between).any(is_one)
}

fn note<K: Ord>(
    entry: std::collections::btree_map::Entry<'_, K, Sight>,
    number: u64,
    evidence: &impl Fn() -> Evidence,
    captures: &[Capture],
) {
    entry
        .and_modify(|sight| {
            sight.first.times += 1;
            sight.last_line = number;
            sight.run = if sight.last == captures { sight.run + 1 } else { 1 };
            sight.repeats = sight.repeats.max(sight.run);
            if sight.last != captures {
                sight.last = captures.to_vec();
            }
        })
        .or_insert_with(|| Sight {
            first: evidence(),
            last_line: number,
            captures: captures.to_vec(),
            repeats: 1,
            last: captures.to_vec(),
            run: 1,
        });
}

impl Sight {
    /// One that stands in one line only, of which nothing more is known.
    pub(super) fn of(line: u64, first: Evidence) -> Sight {
        Sight { first, last_line: line, captures: Vec::new(), repeats: 1, last: Vec::new(), run: 1 }
    }
}

impl Evidence {
    /// A line of the log, cut where it is longer than a person reads.
    pub(super) fn of(line: u64, text: &str) -> Evidence {
        let end = if text.len() > KEPT { text.char_indices().nth(KEPT) } else { None };
        let kept = match end {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        Evidence { line, text: kept, times: 1, why: None }
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnosis::{Verdict, diagnose};

    /// A line that is the last one stays so where only the kernel's clocks speak behind it.
    #[test]
    fn clocks_are_no_step_of_a_boot() {
        let waits = "[    1.0] Linux version 6.1.0\nBegin: Waiting up to 180 secs for any network device to become available ... ";
        let cause = |behind: &str| match diagnose(format!("{waits}{behind}").as_bytes()).verdict {
            Verdict::Failed(findings) => findings.first().map(|finding| finding.cause.id),
            _ => None,
        };
        let clock = "[   22.1] clocksource: timekeeping watchdog on CPU0: hpet wd-wd read-back delay of 89230ns\n\
                     [   22.2] clocksource: wd-tsc-wd read-back delay of 230380ns, clock-skew test skipped!\n";
        assert_eq!(cause(clock), Some("nic-driver-missing"));
        assert_eq!(
            cause("\n[   22.1] e1000e 0000:00:03.0 eth0: NIC Link is Up 1000 Mbps Full Duplex\n"),
            None
        );
    }
}
