//! The line's folder on disk: `line.toml` read and checked, and the paths of everything else in it.
//!
//! Every command that takes a LINE begins here.

use crate::report;
use model::failure::{Explain as _, Failure, Result};
use model::line::{self, Folder, Line};
use model::outputs;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A line whose `line.toml` has no mistakes, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct LineFolder {
    folder: PathBuf,
    line: Line,
}

/// Opens the line in `folder` (or at `folder`, where that is its `line.toml`). Mistakes are printed to the
/// last one, each with its place; the failure then says how many there are.
pub(crate) fn open(folder: &Path) -> Result<LineFolder> {
    let folder = match folder.file_name() {
        Some(name) if name == line::FILE && folder.is_file() => folder.parent().unwrap_or(Path::new("")),
        _ => folder,
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let cannot = || format!("cannot open the line in `{}`", folder.display());
    let file = folder.join(line::FILE);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let reason = match folder.is_dir() {
                true => format!("there is no {} in it", line::FILE),
                false => "there is no such folder".into(),
            };
            return Err(Failure::new(cannot()).because(reason).hint("`bootworks new DIR` makes a line"));
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let reason = format!("{} is not UTF-8 text", line::FILE);
            return Err(Failure::new(cannot()).because(reason).hint("save it as UTF-8"));
        }
        Err(error) => {
            return Err(error).or_fail(cannot).while_doing(|| format!("reading {}", file.display()));
        }
    };
    match line::read(&text, &OnDisk(folder)) {
        Ok(line) => {
            let folder = fs::canonicalize(folder).or_fail(cannot)?;
            Ok(LineFolder { folder, line })
        }
        Err(mistakes) => {
            report::note(&format!("{mistakes}\n"));
            Err(Failure::new(cannot())
                .because(mistakes.count())
                .hint("each is shown above, with what would be right"))
        }
    }
}

/// The folder as `line.toml` refers to it.
struct OnDisk<'a>(&'a Path);

impl Folder for OnDisk<'_> {
    fn text(&self, path: &str) -> Option<String> {
        // Templates may hold Latin-1; what is not UTF-8 in them is no template's name and stays out of this.
        fs::read(self.0.join(path)).ok().map(|octets| String::from_utf8_lossy(&octets).into_owned())
    }

    fn has(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }
}

impl LineFolder {
    /// The folder, an absolute path.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What `line.toml` says.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// What a build leaves behind: `.build`, and `outputs.json` in it.
    pub(crate) fn outputs(&self) -> PathBuf {
        self.folder.join(outputs::FOLDER)
    }

    /// What the server keeps: `.state`.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join(".state")
    }

    /// Console logs and timelines of rehearsals: `.rehearsals`.
    pub(crate) fn rehearsals(&self) -> PathBuf {
        self.folder.join(".rehearsals")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// The example is what `bootworks new` writes and what is rehearsed: it must be a line without mistakes.
    #[test]
    fn the_example_is_a_line() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/edge-gateway");
        let line = open(&example).unwrap();
        assert_eq!(line.line().name, "edge-gateway");
        assert_eq!(line.line().questions.len(), 3);
        assert!(line.rehearsals().is_absolute());
        let by_file = open(&example.join("line.toml")).unwrap();
        assert_eq!(by_file.folder(), line.folder());
    }

    /// What is typed wrongly most often is the folder.
    #[test]
    fn a_folder_without_a_line_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let shown = |path: &Path| {
            open(path).unwrap_err().report().replace(&folder.path().display().to_string(), "DIR")
        };
        expect![[r#"
            error: cannot open the line in `DIR`
            because: there is no line.toml in it
            hint: `bootworks new DIR` makes a line"#]]
        .assert_eq(&shown(folder.path()));
        expect![[r#"
            error: cannot open the line in `DIR/nowhere`
            because: there is no such folder
            hint: `bootworks new DIR` makes a line"#]]
        .assert_eq(&shown(&folder.path().join("nowhere")));
        fs::write(folder.path().join("line.toml"), b"name = \"\xff\"").unwrap();
        expect![[r#"
            error: cannot open the line in `DIR`
            because: line.toml is not UTF-8 text
            hint: save it as UTF-8"#]]
        .assert_eq(&shown(folder.path()));
    }
}
