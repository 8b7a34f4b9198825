//! Text in the columns of a console: nobody scrolls sideways in front of a rack.

/// Columns of a console, less one: some terminals turn the line in the last.
pub const WIDTH: usize = 79;

/// Words in lines of at most [`WIDTH`] columns: the first begins with `head`, the others with as many blanks.
pub fn wrapped(head: &str, text: &str) -> Vec<String> {
    let indent = " ".repeat(head.chars().count());
    let mut lines = vec![head.to_owned()];
    let mut is_empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let line = lines.len() - 1;
        let used = lines[line].chars().count();
        if !is_empty && used + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{indent}{word}"));
        } else {
            if !is_empty {
                lines[line].push(' ');
            }
            lines[line].push_str(word);
        }
        is_empty = false;
    }
    lines
}

/// The text in one line of at most so many columns, its end left out where it has more.
pub fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::{cut, wrapped};

    /// A word that is longer than a line is not divided: addresses and commands are copied.
    #[test]
    fn words_stay_whole() {
        let long = "x".repeat(90);
        assert_eq!(wrapped("  ", &format!("a {long} b")), ["  a", &format!("  {long}"), "  b"]);
        assert_eq!(wrapped("1. ", "do this"), ["1. do this"]);
        assert_eq!(wrapped("  ", ""), ["  "]);
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("äöü", 3), "äöü");
    }
}
