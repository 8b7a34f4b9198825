//! Which questions are asked on a box, and whether the answers fit together.
//!
//! The console, the server and the plan all ask here, so that none of them asks or demands something else.

use super::{Question, Rule};
use crate::condition;
use crate::template::Name;
use std::collections::BTreeMap;

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What is said.
    pub say: String,
    /// Ids of the questions that it is about.
    pub about: Vec<String>,
}

/// Whether a question is asked, by what is known so far. A condition that cannot be read was refused with the
/// line; here it counts as none.
pub fn asks(question: &Question, lookup: &dyn Fn(&Name) -> Option<String>) -> bool {
    let condition = question.when.as_deref().and_then(|text| condition::parse(text).ok());
    condition.is_none_or(|condition| condition.holds(lookup))
}

/// The answers to every question of the line: those given, and where one is not asked what stands for it.
/// Questions that are asked and have no answer are left out.
pub fn completed(
    questions: &[Question],
    given: &BTreeMap<String, String>,
    fact: &dyn Fn(&Name) -> Option<String>,
) -> BTreeMap<String, String> {
    let mut answers = BTreeMap::new();
    for question in questions {
        let asked = asks(question, &|name| known(name, &answers, fact));
        let answer = match asked {
            true => given.get(&question.id).cloned(),
            false => Some(question.otherwise.clone().unwrap_or_default()),
        };
        if let Some(answer) = answer {
            answers.insert(question.id.clone(), answer);
        }
    }
    answers
}

/// The answers that are known without the box: those given, and what stands for questions that are surely not asked.
/// What hangs on the box's own facts, or on an answer that is not there yet, is left out.
pub fn foreseen(questions: &[Question], given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut answers = BTreeMap::new();
    for question in questions {
        let condition = question.when.as_deref().and_then(|text| condition::parse(text).ok());
        let asked = match &condition {
            None => true,
            Some(condition) => {
                let is_known = |name: &Name| matches!(name, Name::Answer(id) if answers.contains_key(id));
                if !condition.names().iter().all(|(name, _)| is_known(name)) {
                    continue;
                }
                condition.holds(&|name| known(name, &answers, &|_| None))
            }
        };
        let answer = match asked {
            true => given.get(&question.id).cloned(),
            false => Some(question.otherwise.clone().unwrap_or_default()),
        };
        answers.extend(answer.map(|answer| (question.id.clone(), answer)));
    }
    answers
}

/// Rules that do not hold. A rule about an answer that is not there yet is not judged.
pub fn broken(
    rules: &[Rule],
    answers: &BTreeMap<String, String>,
    fact: &dyn Fn(&Name) -> Option<String>,
) -> Vec<Broken> {
    let mut found = Vec::new();
    for rule in rules {
        let Ok(condition) = condition::parse(&rule.require) else { continue };
        let mut about: Vec<String> = Vec::new();
        let mut is_judged = true;
        for (name, _) in condition.names() {
            match name {
                Name::Answer(id) if !about.contains(id) => {
                    is_judged &= answers.contains_key(id);
                    about.push(id.clone());
                }
                Name::Box(_) => is_judged &= fact(name).is_some(),
                Name::Answer(_) => {}
            }
        }
        if is_judged && !condition.holds(&|name| known(name, answers, fact)) {
            found.push(Broken { say: rule.say.clone(), about });
        }
    }
    found
}

fn known(
    name: &Name,
    answers: &BTreeMap<String, String>,
    fact: &dyn Fn(&Name) -> Option<String>,
) -> Option<String> {
    match name {
        Name::Answer(id) => answers.get(id).cloned(),
        Name::Box(_) => fact(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(text: &str) -> Question {
        serde_json::from_str(text).unwrap()
    }

    fn questions() -> Vec<Question> {
        vec![
            question(r#"{"id":"static","ask":"Static","type":"yes-no"}"#),
            question(
                r#"{"id":"address","ask":"Address","type":"cidr","when":"answer.static","otherwise":"dhcp"}"#,
            ),
            question(r#"{"id":"gateway","ask":"Gateway","type":"ip","when":"answer.address != \"dhcp\""}"#),
        ]
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(id, answer)| ((*id).to_owned(), (*answer).to_owned())).collect()
    }

    /// An answer to a question that is no longer asked must not reach the appliance.
    #[test]
    fn what_is_not_asked_has_its_stand_in() {
        let given = map(&[("static", "no"), ("address", "10.0.0.5/24")]);
        let wanted = map(&[("static", "no"), ("address", "dhcp"), ("gateway", "")]);
        assert_eq!(completed(&questions(), &given, &|_| None), wanted);
        let given = map(&[("static", "yes"), ("address", "10.0.0.5/24")]);
        assert_eq!(completed(&questions(), &given, &|_| None), given);
    }

    /// A server that does not know the box's disks must not refuse an answer because of them.
    #[test]
    fn what_hangs_on_the_box_is_not_foreseen() {
        let raid = question(r#"{"id":"raid","ask":"RAID","type":"yes-no","when":"box.disks >= 2"}"#);
        let spare = question(r#"{"id":"spare","ask":"Spare","type":"yes-no","when":"answer.raid"}"#);
        let questions = [questions(), vec![raid, spare]].concat();
        let seen = foreseen(&questions, &map(&[("static", "no"), ("raid", "yes"), ("spare", "yes")]));
        assert_eq!(seen, map(&[("static", "no"), ("address", "dhcp"), ("gateway", "")]));
        assert_eq!(foreseen(&questions, &map(&[("raid", "yes")])), map(&[]));
    }

    /// Answers that are each right and wrong together are found before a disk is written.
    #[test]
    fn rules_are_judged_once_their_answers_are_there() {
        let rules = [Rule {
            require: "answer.address == \"dhcp\" or answer.gateway within answer.address".into(),
            say: "the gateway is not in the network of the address".into(),
        }];
        let judge = |answers: &[(&str, &str)]| broken(&rules, &map(answers), &|_| None);
        assert!(judge(&[("address", "10.0.0.5/24")]).is_empty(), "the gateway is not known yet");
        assert!(judge(&[("address", "10.0.0.5/24"), ("gateway", "10.0.0.1")]).is_empty());
        assert!(judge(&[("address", "dhcp"), ("gateway", "")]).is_empty());
        let found = judge(&[("address", "10.0.0.5/24"), ("gateway", "10.1.0.1")]);
        assert_eq!(found[0].about, ["address", "gateway"]);
    }
}
