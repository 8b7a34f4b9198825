//! A box's last words: lines of its own that reached the server by syslog, netconsole or its agent before it fell silent.
//!
//! A rule over events knows where a box stopped. Its own lines may say why, and then they come first.

use super::seen::Seen;
use super::{Explanation, LAST_WORDS, missing};
use crate::diagnosis::{self, Evidence, Finding, Verdict};
use crate::timeline::Trouble;

/// What a kernel says last, whoever started it (kernel/panic.c).
const PANIC: &str = "Kernel panic - not syncing";
/// Lines that are quoted.
const QUOTED: usize = 3;

/// What the lines of this climb say of a box that fell silent or whose kernel said that it stops, or those of the climb
/// before of one that came to the same place again; what the events say stands behind it.
pub(super) fn tell(seen: &Seen<'_>, by_events: Option<Explanation>) -> Option<Explanation> {
    let has_stopped = seen.is_overdue() || seen.said.iter().any(|line| line.contains(PANIC));
    let here = has_stopped.then_some(&seen.said);
    let is_here_again = seen.earlier.last().map(|(rung, _)| *rung) == seen.highest();
    let before = (by_events.is_some() && is_here_again).then_some(&seen.said_before);
    let findings = [here, before].into_iter().flatten().find_map(|lines| failures(lines));
    let Some(findings) = findings else { return by_events };
    let first = findings.first()?;
    let quote = |evidence: &Evidence| format!("it said: {}", evidence.text);
    let mut evidence: Vec<String> = first.evidence.iter().take(QUOTED).map(quote).collect();
    let mut others: Vec<String> = findings.iter().skip(1).map(|other| other.cause.id.to_owned()).collect();
    if let Some(events) = by_events {
        evidence.extend(events.trouble.evidence);
        others.push(events.trouble.cause);
        others.extend(events.others);
    }
    let mut known = std::collections::HashSet::from([first.cause.id.to_owned()]);
    others.retain(|cause| known.insert(cause.clone()));
    let trouble = Trouble {
        cause: first.cause.id.to_owned(),
        rung: missing(seen.highest()),
        sentence: first.sentence.clone(),
        evidence,
        fix: first.fix.clone(),
    };
    Some(Explanation { signature: LAST_WORDS, trouble, others })
}

/// What a boot failed of whose lines these are; `diagnosis` names nothing that it is not sure of.
fn failures(lines: &[String]) -> Option<Vec<Finding>> {
    match diagnosis::diagnose(lines.join("\n").as_bytes()).verdict {
        Verdict::Failed(findings) => Some(findings),
        _ => None,
    }
}
