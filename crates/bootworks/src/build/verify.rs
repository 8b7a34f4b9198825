//! `bootworks build --verify`: builds a line a second time from its packages alone and holds the two against each
//! other.

use super::difference::{self, Difference};
use super::made::{self, Made, Outcome};
use super::phases::Phases;
use super::shelf::Shelf;
use super::store::Store;
use model::failure::{Explain as _, Failure, Result};
use model::line::Line;
use model::lock::Lock;
use model::outputs::OutputFile;
use std::path::Path;

/// Paths that are shown of one output; a build that depends on the clock can differ in thousands.
const SHOWN: usize = 20;

/// What came of a verification.
#[derive(Debug)]
pub(crate) struct Verified {
    /// How long the second build took, for those who want to know what they paid.
    pub phases: Phases,
    /// What differs; empty where the two are the same.
    pub differences: Vec<Difference>,
}

/// Builds the line again in a folder of its own and compares. The folder is gone afterwards, unless the program is
/// killed: then the next build removes it.
pub(crate) fn verify(
    line: &Line,
    folder: &Path,
    lock: &Lock,
    store: &Store,
    agent: &[u8],
    first: &Made,
) -> Result<Verified> {
    let shelf = Shelf::open(folder)?;
    let second = shelf.scratch("verify")?;
    let store = store.with_nothing_made(&second.join("made"))?;
    let again =
        made::make_on(&Shelf::at(&second, folder)?, line, folder, lock, &store, agent, Phases::default())?;
    let Outcome::Made(again) = again else {
        return Err(Failure::new("the second build refuses what the first has built")
            .because("its live OS cannot boot all of the line's hardware")
            .hint("`bootworks check` shows what is missing"));
    };
    let differences = differences(shelf.folder(), &second, first, &again)?;
    let phases = again.into_phases();
    std::fs::remove_dir_all(&second).or_fail(|| format!("cannot remove {}", second.display()))?;
    Ok(Verified { phases, differences })
}

fn differences(one: &Path, two: &Path, first: &Made, second: &Made) -> Result<Vec<Difference>> {
    let mut found = Vec::new();
    for ((name, a), (_, b)) in first.files().into_iter().zip(second.files()) {
        if a.sha256 == b.sha256 {
            continue;
        }
        let (file_a, file_b) = (one.join(&a.path), two.join(&b.path));
        let inside = match name {
            "root" | "fallback root" => {
                let tree = |folder: &Path, file: &OutputFile| folder.join(&file.path).with_file_name("tree");
                difference::of_trees(name, &tree(one, a), &tree(two, b))?
            }
            "image" => difference::of_images(name, &file_a, &file_b)?,
            "initrd" | "fallback initrd" => difference::of_initrds(name, &file_a, &file_b)?,
            _ => Vec::new(),
        };
        // The same things inside: then it is how they are packed.
        found.extend(if inside.is_empty() { difference::of_files(name, &file_a, &file_b)? } else { inside });
    }
    Ok(found)
}

impl Verified {
    /// For people.
    pub(crate) fn text(&self) -> Vec<String> {
        if self.differences.is_empty() {
            let seconds: f64 = self.phases.done().iter().map(|(_, took)| took.as_secs_f64()).sum();
            return vec![format!(
                "built a second time from the packages alone, in {seconds:.0} s: every output is the same"
            )];
        }
        let mut outputs: Vec<&str> = self.differences.iter().map(|difference| difference.output).collect();
        outputs.dedup();
        let mut lines = vec![format!("built a second time: not the same in {}", outputs.join(", "))];
        for output in outputs {
            let of_output: Vec<_> =
                self.differences.iter().filter(|difference| difference.output == output).collect();
            for difference in of_output.iter().take(SHOWN) {
                let path = if difference.path.is_empty() { "as a whole" } else { &difference.path };
                lines.push(format!("  {output}: {path}"));
                lines.extend(difference.what.iter().map(|what| format!("      {what}")));
            }
            if of_output.len() > SHOWN {
                lines.push(format!(
                    "  {output}: … and {} paths more (`--json` lists all)",
                    of_output.len() - SHOWN
                ));
            }
        }
        lines.push(
            "hint: look for what writes these paths; a script of the recipe finds the time to write in \
             $SOURCE_DATE_EPOCH"
                .to_owned(),
        );
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// Exit code 1 alone helps nobody: the file, what is different in it, and what to do.
    #[test]
    fn differences_are_told_in_words() {
        let of = |path: &str, what: &[&str]| Difference {
            output: "root",
            path: path.to_owned(),
            what: what.iter().map(|what| (*what).to_owned()).collect(),
        };
        let text = |differences| Verified { phases: Phases::default(), differences }.text().join("\n");
        expect!["built a second time from the packages alone, in -0 s: every output is the same"]
            .assert_eq(&text(Vec::new()));
        expect![[r#"
            built a second time: not the same in root
              root: etc/stamp
                  content, from line 1:
                  - 1
                  + 2
              root: as a whole
                  content, from byte 9: 00, then 01
            hint: look for what writes these paths; a script of the recipe finds the time to write in $SOURCE_DATE_EPOCH"#]]
        .assert_eq(&text(vec![
            of("etc/stamp", &["content, from line 1:", "- 1", "+ 2"]),
            of("", &["content, from byte 9: 00, then 01"]),
        ]));
    }
}
