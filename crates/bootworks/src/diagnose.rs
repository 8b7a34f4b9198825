//! `bootworks diagnose`: reads a log of a boot or an installation, of any system, and says why it failed. The
//! reading and judging are `model::diagnosis`'s; here the octets are fetched and the words are laid out.

use crate::{Ending, report};
use model::columns::{WIDTH, cut, wrapped};
use model::diagnosis::{CaptureReader, Diagnosis, Evidence, Finding, Reader, Verdict};
use model::failure::{Explain as _, Failure, Result};
use model::ladder::Rung;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Lines of the console that one line of a log may take.
const QUOTED: usize = 3;
/// Octets that are read at once.
const PORTION: usize = 256 * 1024;

/// Arguments of `diagnose`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The log: a console, dmesg, journal, installer or server log of any distribution, or a capture of the network
    /// (pcap, pcapng); `-` is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// `bootworks diagnose`: exit code 0 where nothing is wrong, 1 where a boot failed, known why or not.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    let name = if arguments.file == Path::new("-") {
        "standard input".to_owned()
    } else {
        arguments.file.display().to_string()
    };
    let diagnosis = match name.as_str() {
        "standard input" => read(&name, io::stdin().lock())?,
        _ => read(&name, File::open(&arguments.file).or_fail(|| format!("cannot read {name}"))?)?,
    };
    if arguments.json {
        report::say(&json(&diagnosis).to_string());
    } else {
        text(&diagnosis).iter().for_each(|line| report::say(line));
    }
    Ok(match diagnosis.verdict {
        Verdict::Well => Ending::Well,
        Verdict::Failed(_) | Verdict::Alike(_) | Verdict::Unknown(_) | Verdict::Nothing => Ending::No,
    })
}

/// What a file is, by its first octets.
enum Reading {
    Log(Box<Reader>),
    Capture(Box<CaptureReader>),
}

fn read(name: &str, mut from: impl Read) -> Result<Diagnosis> {
    let mut reader = None;
    let mut octets = vec![0; PORTION];
    let mut begins_with = Vec::new();
    loop {
        let read = match from.read(&mut octets) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.or_fail(|| format!("cannot read {name}"))?,
        };
        if read == 0 {
            break;
        }
        if begins_with.len() < 6 {
            begins_with.extend_from_slice(&octets[..read.min(6)]);
        }
        let reading = reader.get_or_insert_with(|| match wire::capture::is_capture(&octets[..read]) {
            true => Reading::Capture(Box::new(CaptureReader::new())),
            false => Reading::Log(Box::new(Reader::new())),
        });
        match reading {
            Reading::Log(reader) => reader.take(&octets[..read]),
            Reading::Capture(reader) => {
                reader.take(&octets[..read]).or_fail(|| format!("cannot read the capture {name}"))?;
            }
        }
    }
    let diagnosis = match reader.unwrap_or_else(|| Reading::Log(Box::new(Reader::new()))) {
        Reading::Log(reader) => reader.finish(),
        Reading::Capture(reader) => return Ok(reader.finish()),
    };
    if begins_with.is_empty() {
        return Err(Failure::new(format!("nothing to diagnose: {name} is empty"))
            .hint("record a boot: `console=tty0 console=ttyS0,115200` and a serial log, or `dmesg`"));
    }
    if diagnosis.is_junk && matches!(diagnosis.verdict, Verdict::Nothing | Verdict::Unknown(_)) {
        return Err(Failure::new(format!("{name} is no text")).hint(unpacking(&begins_with)));
    }
    Ok(diagnosis)
}

/// How to get at the text of what begins like this.
fn unpacking(begins_with: &[u8]) -> &'static str {
    match begins_with {
        [0x1f, 0x8b, ..] => "unpack it first: `zcat FILE | bootworks diagnose`",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "unpack it first: `xzcat FILE | bootworks diagnose`",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "unpack it first: `zstdcat FILE | bootworks diagnose`",
        [b'B', b'Z', b'h', ..] => "unpack it first: `bzcat FILE | bootworks diagnose`",
        [b'L', b'P', b'K', b'S', ..] => "a journal: `journalctl --file FILE | bootworks diagnose`",
        _ => "a log is lines of text: what a console, dmesg, a journal or a server printed",
    }
}

/// The documented object.
fn json(diagnosis: &Diagnosis) -> serde_json::Value {
    let line = |evidence: &Evidence| serde_json::json!({"line": evidence.line, "text": evidence.text});
    let findings: &[Finding] = match &diagnosis.verdict {
        Verdict::Failed(findings) => findings,
        Verdict::Alike(alike) => std::slice::from_ref(&alike.finding),
        _ => &[],
    };
    let causes = findings.iter().map(|finding| {
        let consequences = finding
            .consequences
            .iter()
            .map(|it| serde_json::json!({"id": it.id, "line": it.evidence.line, "text": it.evidence.text}));
        serde_json::json!({
            "id": finding.cause.id,
            "stage": finding.stage.id(),
            "confidence": (finding.confidence * 100.0).round() / 100.0,
            "sentence": finding.sentence,
            "evidence": finding.evidence.iter().map(line).collect::<Vec<_>>(),
            "consequences": consequences.collect::<Vec<_>>(),
            "fix": finding.fix,
        })
    });
    let mut object = serde_json::json!({
        "causes": causes.collect::<Vec<_>>(),
        "rung": diagnosis.rung.as_ref().map(|(rung, _)| rung.id()),
    });
    match &diagnosis.verdict {
        Verdict::Alike(alike) => object["causes"][0]["like"] = alike.message.as_str().into(),
        Verdict::Unknown(Some(odd)) => object["unknown"] = line(odd),
        _ => {}
    }
    object
}

/// The report for people; what to do comes last, where the eye is.
fn text(diagnosis: &Diagnosis) -> Vec<String> {
    let mut lines = head(diagnosis);
    match &diagnosis.verdict {
        Verdict::Failed(findings) => lines.extend(failed(findings)),
        Verdict::Alike(alike) => lines.extend(failed(std::slice::from_ref(&alike.finding))),
        Verdict::Well => {
            let reached = diagnosis.rung.as_ref().map_or("nothing", |(rung, _)| milestone(*rung));
            lines.push(format!("nothing wrong: reached `{reached}`"));
        }
        Verdict::Unknown(odd) => lines.extend(unknown(odd.as_ref())),
        Verdict::Nothing => {
            lines.extend(wrapped("", "not known: no line of this log is one that bootworks knows, neither of a boot that gets on nor of one that fails"));
        }
    }
    lines
}

/// How many boots there are, and how far the judged one came.
fn head(diagnosis: &Diagnosis) -> Vec<String> {
    let mut lines = Vec::new();
    if diagnosis.boots > 1 {
        let left_out = diagnosis.boots - 1 - diagnosis.earlier.len().min(diagnosis.boots as usize - 1) as u64;
        lines.push(format!(
            "{} boots in this log; judged is the one in lines {}-{}",
            diagnosis.boots, diagnosis.lines.0, diagnosis.lines.1
        ));
        if left_out > 0 {
            lines.push(format!("  {left_out} more before these"));
        }
        for earlier in &diagnosis.earlier {
            let reached = earlier.rung.map_or("nothing known", milestone);
            let ended = earlier.cause.map_or(String::new(), |cause| format!(", then {cause}"));
            lines.push(cut(
                &format!("  lines {}-{}: {reached}{ended}", earlier.lines.0, earlier.lines.1),
                WIDTH,
            ));
        }
        lines.push(String::new());
    }
    if let (Some((rung, proof)), false) = (&diagnosis.rung, matches!(diagnosis.verdict, Verdict::Well)) {
        lines.push("how far it came".into());
        lines.extend(quoted(proof, &format!(" ({})", milestone(*rung))));
        lines.push(String::new());
    }
    lines
}

/// A rung in words that fit any system: only ours has a controller.
fn milestone(rung: Rung) -> &'static str {
    if rung == Rung::ControllerSpoke { "the system runs" } else { rung.label() }
}

fn failed(findings: &[Finding]) -> Vec<String> {
    let Some((first, others)) = findings.split_first() else { return Vec::new() };
    let mut lines = vec!["what the log says".to_owned()];
    for evidence in &first.evidence {
        let times = if evidence.times > 1 { format!(" ({} times)", evidence.times) } else { String::new() };
        lines.extend(quoted(evidence, &times));
        lines.extend(evidence.why.into_iter().flat_map(|why| wrapped("              ", why)));
    }
    if !first.consequences.is_empty() {
        lines.extend([String::new(), "what only follows from it".into()]);
        for consequence in &first.consequences {
            lines.extend(quoted(&consequence.evidence, &format!(" ({})", consequence.id)));
        }
    }
    if !others.is_empty() {
        lines.extend([String::new(), "what else it may be".into()]);
        for other in others {
            let line = other.evidence.first().map_or(0, |evidence| evidence.line);
            let head = format!("  {} ({}, line {line}): ", other.cause.id, percent(other.confidence));
            lines.extend(wrapped("  ", &format!("{}{}", head.trim_start(), other.sentence)));
        }
    }
    if !first.cause.decide.is_empty() {
        lines.extend([String::new(), "to be sure".into()]);
        lines.extend(wrapped("  ", first.cause.decide));
    }
    let (likeliest, ways) = first.fix.split_first().map_or((None, &[][..]), |(one, more)| (Some(one), more));
    if !ways.is_empty() {
        lines.extend([String::new(), "other ways out".into()]);
        lines.extend(ways.iter().flat_map(|way| wrapped("  - ", way)));
    }
    lines.push(String::new());
    lines.push(format!("{} ({}; {})", first.cause.id, percent(first.confidence), first.stage.label()));
    lines.extend(wrapped("", &first.sentence));
    lines.extend(likeliest.into_iter().flat_map(|fix| wrapped("fix: ", fix)));
    lines
}

fn unknown(odd: Option<&Evidence>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(odd) = odd {
        lines.push("first odd line after that".into());
        lines.extend(quoted(odd, ""));
        lines.push(String::new());
    }
    lines.extend(wrapped("", "not known: it failed, but no line of it is a cause that bootworks knows; look at the lines named here and at those before them"));
    lines
}

/// A line of the log with its number; of a very long one the beginning.
fn quoted(evidence: &Evidence, remark: &str) -> Vec<String> {
    let head = format!("  {:>10}  ", format!("line {}", evidence.line));
    let mut lines = wrapped(&head, &format!("{}{remark}", evidence.text));
    if lines.len() > QUOTED {
        lines.truncate(QUOTED);
        if let Some(last) = lines.last_mut() {
            last.push_str(" …");
        }
    }
    lines.iter().map(|line| cut(line, WIDTH)).collect()
}

fn percent(confidence: f64) -> String {
    format!("{:.0} %", confidence * 100.0)
}
