//! A cause's page in words: for the terminal (`bootworks explain`) and for the guide.

use super::{Cause, Look, Speaks, Stage};
use std::fmt::Write as _;

/// The cause's page as plain lines, not wrapped: a heading is a line that ends in a colon, what belongs to it
/// is indented by two.
pub fn lines(stage: Stage, cause: &Cause) -> Vec<String> {
    let mut lines = vec![format!("{} ({})", cause.id, stage.label()), cause.sentence.to_owned()];
    let mut section = |heading: &str, entries: Vec<String>| {
        if !entries.is_empty() {
            lines.push(String::new());
            lines.push(format!("{heading}:"));
            lines.extend(entries.into_iter().map(|entry| format!("  {entry}")));
        }
    };
    section("a log says", signs(cause));
    section("speaks for it", clues(cause, true));
    section("speaks against it", clues(cause, false));
    section("brings about", cause.hides.iter().map(|id| (*id).to_owned()).collect());
    section("where a log does not decide", cause.decide.split_terminator('\n').map(str::to_owned).collect());
    let fixes = cause.fixes.iter().enumerate();
    section("what to do", fixes.map(|(at, fix)| format!("{}. {}", at + 1, fix.words())).collect());
    lines
}

/// The cause's section of the guide.
pub fn markdown(cause: &Cause) -> String {
    let mut page = format!("## `{}`\n\n{}\n", cause.id, cause.sentence);
    let mut list = |heading: &str, entries: Vec<String>, mark: &str| {
        if !entries.is_empty() {
            let _ = write!(page, "\n{heading}\n\n");
            for (at, entry) in entries.iter().enumerate() {
                let mark = if mark.is_empty() { format!("{}.", at + 1) } else { mark.to_owned() };
                let _ = writeln!(page, "{mark} {entry}");
            }
        }
    };
    let quoted = |lines: Vec<String>| lines.iter().map(|line| format!("`` {line} ``")).collect::<Vec<_>>();
    list("A log says:", quoted(signs(cause)), "-");
    list("Speaks for it:", clues(cause, true), "-");
    list("Speaks against it:", clues(cause, false), "-");
    let hides = cause.hides.iter().map(|id| link(id)).collect::<Vec<_>>();
    if !hides.is_empty() {
        list("Brings about:", vec![hides.join(", ")], "-");
    }
    if !cause.decide.is_empty() {
        list("Where a log does not decide:", vec![cause.decide.to_owned()], "-");
    }
    list("What to do:", cause.fixes.iter().map(|fix| escaped(&fix.words())).collect(), "");
    if !cause.sources.is_empty() {
        list("Learned from:", cause.sources.iter().map(|source| linked(source)).collect(), "-");
    }
    page
}

/// A link to another cause's section.
fn link(id: &str) -> String {
    match super::find(id) {
        Some((stage, _)) => format!("[`{id}`]({}.md#{id})", stage.id()),
        None => format!("`{id}`"),
    }
}

fn linked(source: &str) -> String {
    if source.starts_with("https://") { format!("<{source}>") } else { escaped(source) }
}

/// What Markdown would take for a tag.
fn escaped(text: &str) -> String {
    text.replace('<', "&lt;")
}

/// The signs as a person would look for them: blanks as `…`.
fn signs(cause: &Cause) -> Vec<String> {
    let signs = cause.signs().map(|sign| {
        let text = blanked(sign.line.text());
        match sign.line {
            Look::Anywhere(_) => text,
            Look::AtTheEnd(_) => format!("{text} (and nothing more)"),
            Look::Times(times, _) => format!("{text} ({times} times or more)"),
            Look::Ipxe(code) => {
                format!(
                    "ipxe.org/{code}… ({})",
                    crate::diagnosis::ipxe_words(code).unwrap_or("an iPXE error")
                )
            }
        }
    });
    signs.collect()
}

fn clues(cause: &Cause, wanted: bool) -> Vec<String> {
    let clues = cause.clues.iter().filter(|clue| {
        matches!(clue.speaks, Speaks::For | Speaks::ForIfLater | Speaks::ForIfAbsent) == wanted
    });
    clues
        .map(|clue| {
            let line = blanked(clue.line);
            match clue.speaks {
                Speaks::ForIfAbsent | Speaks::ExcludesIfAbsent => format!("no line `{line}`: {}", clue.why),
                Speaks::ForIfLater => format!("`{line}`, only later: {}", clue.why),
                _ => format!("`{line}`: {}", clue.why),
            }
        })
        .collect()
}

/// A shape as a person reads it: `…` for what differs from log to log.
pub(crate) fn blanked(shape: &str) -> String {
    let mut text = String::new();
    let mut rest = shape.trim_start_matches('^').trim_end_matches('$');
    while let Some((before, blank)) = rest.split_once('{') {
        text.push_str(before);
        text.push('…');
        rest = blank.split_once('}').map_or("", |(_, after)| after);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::markdown;
    use crate::catalogue::{Stage, all};
    use expect_test::expect_file;
    use std::fmt::Write as _;

    const HEAD: &str = "# Causes

Why network boots and installations fail, in the order of the way from power-on to the first boot from disk.
`bootworks diagnose FILE` finds them in a log, `bootworks explain ID` shows what stands here. On the pages of the
stages `…` stands for what differs from log to log.

These pages are printed from the catalogue that the program itself reads logs by.
";

    /// A cause that the program names and the guide does not have leaves its reader alone.
    #[test]
    fn the_guide_has_every_cause() {
        let mut index = HEAD.to_owned();
        for stage in Stage::ALL {
            let _ = write!(index, "\n## [{}](causes/{}.md)\n\n", stage.label(), stage.id());
            index.push_str("| id | what is wrong |\n| --- | --- |\n");
            let mut page = format!("# Causes: {}\n", stage.label());
            for (_, cause) in all().filter(|(of, _)| *of == stage) {
                let _ = writeln!(
                    index,
                    "| [`{0}`](causes/{1}.md#{0}) | {2} |",
                    cause.id,
                    stage.id(),
                    cause.sentence
                );
                let _ = write!(page, "\n{}", markdown(cause));
            }
            expect_file![format!("../../../../docs/src/causes/{}.md", stage.id())].assert_eq(&page);
        }
        expect_file!["../../../../docs/src/causes.md"].assert_eq(&index);
    }
}
