//! The box's own screen: what a person in front of the rack reads, 25 lines of 80 columns, plain ASCII.
//!
//! The last line is the most useful one: nobody scrolls in front of a rack, and a serial log is read from
//! its end. Nothing here writes; `supervisor` does.

use crate::causes;
use model::timeline::Trouble;

/// One column less than a terminal has: a full line would wrap on some BMC consoles.
const COLUMNS: usize = 79;
/// One line less than a terminal has, for the cursor.
const LINES: usize = 24;
/// At most so many lines of a trouble's evidence.
const EVIDENCE: usize = 7;
/// At most so many lines of its fixes.
const FIXES: usize = 5;

/// The trouble screen: kernel lines, keys, rung, meaning, evidence, fix, cause, in this order; the kernel's lines
/// give way where room is short. What is known of the cause everywhere comes after what is known of this box.
pub(crate) fn trouble(trouble: &Trouble, kernel_log: &[String], keys: &str) -> String {
    let mut below = vec![rule("bootworks: this box cannot go on; it keeps trying")];
    below.push(clean(keys));
    below.extend(wrap("not reached: ", trouble.rung.label()));
    let words = causes::words(&trouble.cause);
    below.extend(words.iter().flat_map(|words| wrap("means: ", words.sentence)));
    below.extend(list("seen:  ", &trouble.evidence, EVIDENCE));
    // What is known of this box comes first; where that is much, the rest would only say it again.
    let mut fixes = trouble.fix.clone();
    if fixes.len() < 2 {
        let general = words.iter().flat_map(|words| words.fixes).map(|fix| (*fix).to_owned());
        fixes.extend(general.filter(|fix| !trouble.fix.contains(fix)));
    }
    below.extend(list("fix:   ", &fixes, FIXES));
    below.push(reminder(trouble));
    let room = LINES.saturating_sub(below.iter().map(|text| text.lines().count()).sum());
    let mut lines: Vec<String> = Vec::new();
    for line in kernel_log.iter().rev().map(|line| cut(&clean(line))).take(room) {
        lines.insert(0, line);
    }
    lines.extend(below);
    lines.join("\n")
}

/// The last lines of the trouble screen: said again when something else was said after them.
pub(crate) fn reminder(trouble: &Trouble) -> String {
    let mut lines = wrap("cause: ", &trouble.cause);
    lines.extend(wrap("", &trouble.sentence));
    lines.join("\n")
}

/// One line of progress: printable ASCII, cut at the terminal's width.
pub(crate) fn line(text: &str) -> String {
    cut(&clean(text))
}

/// Entries one below the other, the first behind `label`, the others under it.
fn list(label: &str, entries: &[String], most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in entries {
        let start = if lines.is_empty() { label } else { "       " };
        lines.extend(wrap(start, entry));
    }
    let too_many = lines.len().saturating_sub(most);
    if too_many > 0 {
        lines.truncate(most.saturating_sub(1));
        lines.push(format!("       (and {} lines more)", too_many + 1));
    }
    lines
}

/// Breaks a text at its spaces; lines after the first are set in as far as the first.
fn wrap(start: &str, text: &str) -> Vec<String> {
    let indent = " ".repeat(start.len());
    let mut lines = Vec::new();
    let mut line = start.to_owned();
    let mut is_empty = true;
    for word in clean(text).split_ascii_whitespace() {
        if !is_empty && line.len() + 1 + word.len() > COLUMNS {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line);
    lines.iter().map(|line| cut(line)).collect()
}

fn rule(title: &str) -> String {
    let mut line = format!("== {title} ");
    while line.len() < COLUMNS {
        line.push('=');
    }
    line
}

fn cut(line: &str) -> String {
    line.chars().take(COLUMNS).collect()
}

/// What comes from a driver, a server or a disk must not move the cursor or change the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use model::ladder::Rung;

    fn driver_missing() -> Trouble {
        Trouble {
            cause: "nic-driver-missing".into(),
            rung: Rung::LinkUp,
            sentence: "network card 8086:10d3 needs the driver e1000e, which is not in this initrd".into(),
            evidence: vec![
                "0000:00:02.0 8086:10d3 has no driver; e1000e fits and is not in this initrd".into(),
            ],
            fix: vec![
                "in line.toml set kernel = \"linux-image-amd64\", then `bootworks build`".into(),
                "`bootworks check` says which package has e1000e".into(),
            ],
        }
    }

    const KEYS: &str = "press: s for a shell, R to restart, P to power off";

    /// What somebody once had to film at 120 frames per second.
    #[test]
    fn the_cause_stands_on_the_last_line() {
        let kernel = ["[    1.112233] pci 0000:00:02.0: [8086:10d3] type 00".to_owned()];
        expect![[r#"
            [    1.112233] pci 0000:00:02.0: [8086:10d3] type 00
            == bootworks: this box cannot go on; it keeps trying ==========================
            press: s for a shell, R to restart, P to power off
            not reached: link up
            means: The live system has no driver for this machine's network card: no
                   interface but lo exists.
            seen:  0000:00:02.0 8086:10d3 has no driver; e1000e fits and is not in this
                   initrd
            fix:   in line.toml set kernel = "linux-image-amd64", then `bootworks build`
                   `bootworks check` says which package has e1000e
            cause: nic-driver-missing
            network card 8086:10d3 needs the driver e1000e, which is not in this initrd"#]]
        .assert_eq(&trouble(&driver_missing(), &kernel, KEYS));
    }

    /// What a box found out for itself may be what the catalogue says of its cause.
    #[test]
    fn no_fix_is_said_twice() {
        let mut unnamed = driver_missing();
        unnamed.cause = "boot-parameters-missing".into();
        unnamed.fix = vec!["boot this box through `bootworks serve`, which writes the command line".into()];
        expect![[r#"
            fix:   boot this box through `bootworks serve`, which writes the command line
                   a boot entry of your own: copy the command line that `bootworks serve`
                   sends, whole"#]]
        .assert_eq(
            trouble(&unnamed, &[], KEYS)
                .split_once("initrd\n")
                .and_then(|(_, fixes)| fixes.split_once("\ncause: "))
                .map_or("", |(fixes, _)| fixes),
        );
    }

    /// Whatever a driver prints, the screen stays one screen and the terminal stays as it is.
    #[test]
    fn a_screen_is_never_larger_than_a_screen() {
        let mut large = driver_missing();
        large.evidence = (0..40).map(|n| format!("card {n} \x1b[2J{}", "wide ".repeat(30))).collect();
        large.fix = large.evidence.clone();
        let kernel: Vec<String> = (0..40).map(|n| format!("[{n}] \u{9b}{}", "x".repeat(200))).collect();
        let screen = trouble(&large, &kernel, KEYS);
        assert!(screen.lines().count() <= LINES, "{screen}");
        assert!(screen.lines().all(|line| line.len() <= COLUMNS), "{screen}");
        assert!(screen.chars().all(|c| c == '\n' || c.is_ascii_graphic() || c == ' '), "{screen}");
        assert!(screen.ends_with("which is not in this initrd"), "{screen}");
    }
}
