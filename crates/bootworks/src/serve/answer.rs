//! Answers from outside the console: held against the line's questions, passwords hashed at once.
//!
//! Used by the API and for `--answers`; the questions themselves are `model::question`'s.

use model::api::Verdict;
use model::crypt::crypt;
use model::failure::{Explain as _, Failure, Result};
use model::question::{Answer, Kind, Question, check};
use std::collections::BTreeMap;
use std::path::Path;

/// Holds answers against the questions: what is kept, a password as its crypt(5) hash, and what is to be said.
pub(crate) fn judge(
    questions: &[Question],
    given: BTreeMap<String, String>,
) -> Result<(BTreeMap<String, String>, Verdict)> {
    let (mut kept, mut verdict) = (BTreeMap::new(), Verdict::default());
    for (id, typed) in given {
        let Some(question) = questions.iter().find(|question| question.id == id) else {
            let ids: Vec<&str> = questions.iter().map(|question| question.id.as_str()).collect();
            verdict.refused.insert(id, format!("the line does not ask that; it asks {}", ids.join(", ")));
            continue;
        };
        let answer = match check(question, &typed) {
            Ok(Answer::Plain(text)) => text,
            // It opens an encrypted volume, so the box needs it as it was typed; it stays in memory here.
            Ok(Answer::Secret(passphrase)) if matches!(question.kind, Kind::Passphrase { .. }) => passphrase,
            Ok(Answer::Secret(password)) => hash(&password)?,
            Err(why) => {
                verdict.refused.insert(id, why);
                continue;
            }
        };
        verdict.taken.push(id.clone());
        kept.insert(id, answer);
    }
    Ok((kept, verdict))
}

/// As [`judge`], for answers that are stored: a passphrase is not taken, because it would be readable there.
pub(crate) fn judge_stored(
    questions: &[Question],
    mut given: BTreeMap<String, String>,
) -> Result<(BTreeMap<String, String>, Verdict)> {
    let passphrases = questions.iter().filter(|question| matches!(question.kind, Kind::Passphrase { .. }));
    let refused: Vec<String> =
        passphrases.filter_map(|question| given.remove(&question.id).map(|_| question.id.clone())).collect();
    let (kept, mut verdict) = judge(questions, given)?;
    for id in refused {
        let why = "a passphrase is typed on the box, or given by `serve --answers`: here it would be stored";
        verdict.refused.insert(id, why.into());
    }
    Ok((kept, verdict))
}

/// Reads a file of answers, `id = "answer"` as TOML or JSON, and holds them against the questions.
///
/// Errors: the file cannot be read, or an answer does not count; all of those are named.
pub(crate) fn read(path: &Path, questions: &[Question]) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).or_fail(|| format!("cannot read {}", path.display()))?;
    let cannot = || format!("cannot understand {}", path.display());
    let given: BTreeMap<String, String> = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).or_fail(cannot)
    } else {
        toml::from_str(&text).or_fail(cannot)
    }
    .map_err(|failure| {
        failure.hint("a line for each answer: `hostname = \"edge-0001\"`, or one JSON object")
    })?;
    let (kept, verdict) = judge(questions, given)?;
    let mut failure = Failure::new(format!("cannot use the answers in {}", path.display()));
    for (id, why) in &verdict.refused {
        failure = failure.because(format!("{id}: {why}"));
    }
    if verdict.refused.is_empty() { Ok(kept) } else { Err(failure) }
}

fn hash(password: &str) -> Result<String> {
    let mut random = [0; 16];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
        .or_fail(|| "cannot draw a salt for a password".into())?;
    Ok(crypt(password, random))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn questions() -> Vec<Question> {
        let question = |id: &str, kind: Kind| Question { id: id.into(), ask: id.into(), kind, default: None };
        vec![
            question("hostname", Kind::Hostname),
            question("site", Kind::Choice { choices: vec!["lab".into(), "berlin".into()] }),
            question("password", Kind::Password { min_length: 8 }),
        ]
    }

    /// A password must not reach the store, the job or a message as it was typed.
    #[test]
    fn a_password_is_hashed_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers");
        std::fs::write(&path, "hostname = \"edge-1\"\nsite = \"2\"\npassword = \"correct horse\"").unwrap();
        let kept = read(&path, &questions()).unwrap();
        assert_eq!((kept["hostname"].as_str(), kept["site"].as_str()), ("edge-1", "berlin"));
        assert!(model::crypt::is_crypted(&kept["password"]), "{}", kept["password"]);
        std::fs::write(&path, r#"{"site": "lab"}"#).unwrap();
        assert_eq!(read(&path, &questions()).unwrap()["site"], "lab");
    }

    /// All answers that do not count are named, each with its reason.
    #[test]
    fn answers_that_do_not_count_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.toml");
        std::fs::write(&path, "hostname = \"a b\"\ncolour = \"red\"\npassword = \"short\"").unwrap();
        let report =
            read(&path, &questions()).unwrap_err().report().replace(&path.display().to_string(), "FILE");
        expect![[r#"
            error: cannot use the answers in FILE
            because: colour: the line does not ask that; it asks hostname, site, password
            because: hostname: a host name has letters, digits and dashes; a space cannot be in it
            because: password: it has 5 characters; the fewest is 8"#]]
        .assert_eq(&report);
    }
}
