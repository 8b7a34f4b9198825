//! Mistakes in files that people write: where each stands, what is wrong, what would be right.
//!
//! Only the words and their shape; what counts as a mistake is decided where the file is read.

use std::fmt::{self, Write as _};
use std::ops::Range;

/// One mistake, with the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as a path in the line's folder.
    pub file: String,
    /// Line, counting from 1.
    pub line: usize,
    /// Column in characters, counting from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
    /// The source line, as it stands in the file.
    source: String,
    /// How many characters of it are meant.
    width: usize,
}

/// Mistakes of a line's files, in the order of the files; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

/// Longest source line that is shown; what is longer is cut around the mistake.
const SHOWN: usize = 100;

impl Mistake {
    /// A mistake at `at`, a range of octets of `text`. A range over several lines is shown by its first.
    pub fn new(file: &str, text: &str, at: Range<usize>, message: String, hint: Option<String>) -> Mistake {
        let start = floor(text, at.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let rest = text.get(line_start..).unwrap_or_default();
        let source = rest.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let end = floor(text, at.end).clamp(start, (line_start + source.len()).max(start));
        Mistake {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: text.get(line_start..start).unwrap_or_default().chars().count() + 1,
            message,
            hint,
            source: source.to_owned(),
            width: text.get(start..end).unwrap_or_default().chars().count().max(1),
        }
    }

    /// `line.toml:6:1`, as editors and terminals make a link of it.
    pub fn place(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.column)
    }

    /// The source line and the marker below it, with the line number in a margin.
    fn excerpt(&self) -> String {
        // A tab would move the marker: it is shown as one space. Control characters could drive the terminal.
        let shown: Vec<char> = self
            .source
            .chars()
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect();
        let skipped = if shown.len() <= SHOWN { 0 } else { (self.column - 1).saturating_sub(SHOWN / 2) };
        let cut: String = shown.iter().skip(skipped).take(SHOWN).collect();
        let indent = self.column - 1 - skipped;
        let width = self.width.min(SHOWN.saturating_sub(indent).max(1));
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let marker = format!("{}{}", " ".repeat(indent), "^".repeat(width));
        format!("  {number} | {}\n  {margin} | {marker}", cut.trim_end())
    }
}

/// The largest character boundary that is not above `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}: {}", self.place(), self.message)?;
        if !self.source.trim().is_empty() {
            write!(f, "\n{}", self.excerpt())?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl Mistakes {
    /// How many, in words: `10 mistakes in line.toml`, `3 mistakes in line.toml and appliance.toml`.
    pub fn count(&self) -> String {
        let mut files: Vec<&str> = Vec::new();
        for mistake in &self.0 {
            if !files.contains(&mistake.file.as_str()) {
                files.push(&mistake.file);
            }
        }
        let noun = if self.0.len() == 1 { "mistake" } else { "mistakes" };
        format!("{} {noun} in {}", self.0.len(), files.join(" and "))
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for (index, mistake) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(text, "{gap}{mistake}")?;
        }
        f.write_str(&text)
    }
}

impl std::error::Error for Mistakes {}

/// The word of `known` that `word` was probably meant to be: at most a third of its letters differ.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('_', "-");
    known
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be put in, taken out, replaced or swapped with their neighbour to make `left`
/// of `right` (optimal string alignment; typing errors are mostly one of these four).
fn distance(left: &str, right: &str) -> usize {
    // Nobody's typing error is longer; the table below grows with the product of the lengths.
    const LONGEST: usize = 64;
    let left: Vec<char> = left.chars().take(LONGEST).collect();
    let right: Vec<char> = right.chars().take(LONGEST).collect();
    let width = right.len() + 1;
    let mut table = vec![0; (left.len() + 1) * width];
    for row in 0..=left.len() {
        for column in 0..width {
            let here = row * width + column;
            table[here] = if row == 0 || column == 0 {
                row + column
            } else {
                let differs = usize::from(left[row - 1] != right[column - 1]);
                let mut best =
                    (table[here - width] + 1).min(table[here - 1] + 1).min(table[here - width - 1] + differs);
                let swapped = row > 1
                    && column > 1
                    && left[row - 1] == right[column - 2]
                    && left[row - 2] == right[column - 1];
                if swapped {
                    best = best.min(table[here - 2 * width - 2] + 1);
                }
                best
            };
        }
    }
    table.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// The marker must stand under what is meant, whatever characters stand before it.
    #[test]
    fn the_marker_stands_under_the_mistake() {
        let text = "[line]\n\tnäme = \"x\"\n";
        let start = text.find("näme").unwrap();
        let at = start..start + "näme".len();
        let mistake = Mistake::new("line.toml", text, at, "unknown key `näme`".into(), Some("`name`".into()));
        expect![[r#"
            error: line.toml:2:2: unknown key `näme`
              2 |  näme = "x"
                |  ^^^^
            hint: `name`"#]]
        .assert_eq(&mistake.to_string());
    }

    /// Swapped letters are one slip, not two; a wholly different word is no typing error.
    #[test]
    fn the_nearest_word_is_a_typing_error_away() {
        let known = ["address", "dhcp", "interface", "range", "kernel-arguments"];
        assert_eq!(nearest("adress", known), Some("address"));
        assert_eq!(nearest("dchp", known), Some("dhcp"));
        assert_eq!(nearest("kernel_arguments", known), Some("kernel-arguments"));
        assert_eq!(nearest("colour", known), None);
    }
}
