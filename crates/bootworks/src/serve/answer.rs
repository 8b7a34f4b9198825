//! Answers from outside the console: held against the line's questions, passwords hashed at once.
//!
//! Used by the API and for `--answers`; the questions themselves are `model::question`'s.

use model::api::Verdict;
use model::batch::{self, Batch};
use model::crypt::crypt;
use model::failure::{Explain as _, Failure, Result};
use model::line::Line;
use model::question::{self, Answer, Question, check};
use model::timeline::state::BoxState;
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

/// Reads a file of answers, for every box or for each by serial number or MAC, and holds them against the
/// questions and rules; passwords are hashed. Mistakes are printed to the last one, each with its place.
///
/// Errors: the file cannot be read, or how many mistakes are in it.
pub(crate) fn read(path: &Path, line: &Line) -> Result<Batch> {
    let text = std::fs::read_to_string(path).or_fail(|| format!("cannot read {}", path.display()))?;
    let unusable = || Failure::new(format!("cannot use the answers in {}", path.display()));
    if text.trim_start().starts_with('{') {
        let given = serde_json::from_str(&text)
            .or_fail(|| format!("cannot understand {}", path.display()))
            .map_err(|failure| failure.hint("one JSON object: `{\"hostname\": \"edge-0001\"}`"))?;
        let (everybody, verdict) = judge(&line.questions, given)?;
        let failure = (verdict.refused.iter())
            .fold(unusable(), |failure, (id, why)| failure.because(format!("{id}: {why}")));
        let batch = Batch { everybody, ..Batch::default() };
        return if verdict.refused.is_empty() { Ok(batch) } else { Err(failure) };
    }
    match batch::read(&path.display().to_string(), &text, &line.questions, &line.rules) {
        Ok(mut batch) => {
            let own = batch.by_serial.values_mut().chain(batch.by_mac.values_mut());
            for answers in own.chain([&mut batch.everybody]) {
                *answers = judge(&line.questions, std::mem::take(answers))?.0;
            }
            Ok(batch)
        }
        Err(mistakes) => {
            crate::report::note(&format!("{mistakes}\n"));
            Err(unusable().because(mistakes.count()).hint("each is shown above, with what would be right"))
        }
    }
}

/// What speaks against answers that are right one by one: the box has one already, or they break a rule.
pub(crate) fn contradictions(
    line: &Line,
    kept: &BTreeMap<String, String>,
    known: &BTreeMap<String, String>,
    state: Option<&BoxState>,
) -> BTreeMap<String, String> {
    let mut refused = BTreeMap::new();
    let mut together = known.clone();
    if let Some(state) = state {
        for (id, seen) in &state.answered {
            let open = state.open.contains(id);
            if kept.contains_key(id) && !open {
                let answer = seen.answer.as_deref().unwrap_or("(not shown)");
                refused.insert(id.clone(), format!("already answered by {}: {answer}", seen.by));
            }
            if let Some(answer) = seen.answer.clone().filter(|_| !open) {
                together.insert(id.clone(), answer);
            }
        }
    }
    together.extend(
        kept.iter().filter(|(id, _)| !refused.contains_key(*id)).map(|(id, a)| (id.clone(), a.clone())),
    );
    let together = question::foreseen(&line.questions, &together);
    for broken in question::broken(&line.rules, &together, &|_| None) {
        for id in broken.about.iter().filter(|id| kept.contains_key(*id)) {
            refused.entry(id.clone()).or_insert_with(|| broken.say.clone());
        }
    }
    refused
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
    use model::timeline::Timestamp;
    use model::timeline::state::AnswerSeen;
    use wire::mac::Mac;

    /// The example, which asks for a host name, a site and a password.
    fn line() -> Line {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/edge-gateway");
        crate::line_folder::open(&example).unwrap().line().clone()
    }

    /// A password must not reach the store, the job or a message as it was typed.
    #[test]
    fn a_password_is_hashed_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers");
        std::fs::write(&path, "hostname = \"edge-1\"\nsite = \"2\"\npassword = \"correct horse\"").unwrap();
        let kept = read(&path, &line()).unwrap().of(Mac([2; 6]), "any");
        assert_eq!((kept["hostname"].as_str(), kept["site"].as_str()), ("edge-1", "berlin"));
        assert!(model::crypt::is_crypted(&kept["password"]), "{}", kept["password"]);
        std::fs::write(&path, r#"{"site": "lab"}"#).unwrap();
        assert_eq!(read(&path, &line()).unwrap().everybody["site"], "lab");
        let path = folder.path().join("boxes.csv");
        std::fs::write(&path, "serial,password\nSN-1,correct horse\n").unwrap();
        let batch = read(&path, &line()).unwrap();
        assert!(model::crypt::is_crypted(&batch.of(Mac([2; 6]), "SN-1")["password"]), "{batch:?}");
    }

    /// All answers that do not count are named, each with its reason.
    #[test]
    fn answers_that_do_not_count_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers");
        let say = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path, &line()).unwrap_err().report().replace(&path.display().to_string(), "FILE")
        };
        expect![[r#"
            error: cannot use the answers in FILE
            because: colour: the line does not ask that; it asks hostname, site, password
            because: hostname: a host name has letters, digits and dashes; a space cannot be in it
            because: password: it has 5 characters; the fewest is 8"#]]
        .assert_eq(&say(r#"{"hostname": "a b", "colour": "red", "password": "short"}"#));
        expect![[r#"
            error: cannot use the answers in FILE
            because: 2 mistakes in FILE
            hint: each is shown above, with what would be right"#]]
        .assert_eq(&say("hostname = \"a b\"\ncolour = \"red\""));
    }

    /// Two people answer one question: the second reads what the first said, and nothing changes behind a back.
    #[test]
    fn the_second_answer_is_told_of_the_first() {
        let mut state = BoxState::new(Mac([2; 6]), Timestamp(0));
        let seen = AnswerSeen { by: "console".into(), answer: Some("lab".into()) };
        state.answered.insert("site".into(), seen);
        let kept = [("site".to_owned(), "oslo".to_owned())].into();
        let said = contradictions(&line(), &kept, &BTreeMap::new(), Some(&state));
        expect!["already answered by console: lab"].assert_eq(&said["site"]);
        state.open.push("site".into());
        assert!(contradictions(&line(), &kept, &BTreeMap::new(), Some(&state)).is_empty());
        let mut strict = line();
        strict.rules.push(model::question::Rule {
            require: "answer.site != \"oslo\" or answer.hostname == \"edge-oslo\"".into(),
            say: "there is one box in oslo".into(),
        });
        let known = [("hostname".to_owned(), "edge-1".to_owned())].into();
        let said = contradictions(&strict, &kept, &known, Some(&state));
        expect!["there is one box in oslo"].assert_eq(&said["site"]);
    }
}
