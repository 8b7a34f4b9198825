//! The dialogue: questions asked on every console at once, and answered there, over the API or beforehand.
//!
//! Whoever answers first wins, and the others read it. Passwords are hashed the moment they are valid; the
//! plain text goes no further than this file.

use super::consoles::{Consoles, Echo, Typed};
use super::password;
use super::witness::Witness;
use model::api::Orders;
use model::hardware::Inventory;
use model::question::{self, Answer, Kind, Question, Rule};
use model::template::Name;
use model::timeline::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often the API is looked at while a question is open.
const TICK: Duration = Duration::from_millis(250);

/// Where answers come from.
pub(crate) struct Dialogue<'a> {
    /// The consoles.
    pub(crate) consoles: &'a Mutex<Consoles>,
    /// Told what is asked and answered.
    pub(crate) witness: &'a dyn Witness,
    /// What the server ordered so far.
    pub(crate) orders: &'a dyn Fn() -> Orders,
    /// What is known of the box, for defaults.
    pub(crate) inventory: &'a Inventory,
}

/// Who gave an answer that stands since an earlier round: it is not told once more.
pub(crate) const KEPT: &str = "kept";
/// What is typed to go back to the question before.
const BACK: &str = "<";

/// Answers known before anything is asked: by question id, with where they are from.
pub(crate) type Known = BTreeMap<String, (String, &'static str)>;

/// What an earlier round, whose plan was not confirmed, has left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// Its answers, taken by Enter.
    pub(crate) answers: BTreeMap<String, String>,
    /// The API's answers of that time, which do not count again.
    pub(crate) orders: BTreeMap<String, String>,
}

/// An answer as it is kept, and who gave it.
struct Given {
    kept: String,
    shown: Option<String>,
    by: &'static str,
}

/// What a person decided about the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Go ahead; who said so.
    Confirmed(String),
    /// Ask everything again.
    Again,
    /// Ask the question of this id again.
    Change(String),
}

/// How a question that is open ends.
enum Reply {
    Given(Given),
    /// Whoever sits there wants to see the question before it again.
    Back,
}

/// What a person wants after a trouble, or of a finished box that stays on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Try again.
    Retry,
    /// Turn the box off.
    PowerOff,
    /// Start the box over.
    Reboot,
}

/// What can be wished for after a trouble.
pub(crate) const AFTER_TROUBLE: &[Wish] = &[Wish::Retry, Wish::PowerOff];
/// What can be wished for when the box is finished.
pub(crate) const AFTERWARDS: &[Wish] = &[Wish::PowerOff, Wish::Reboot];

impl Wish {
    /// What is typed for it.
    fn word(self) -> &'static str {
        match self {
            Wish::Retry => "retry",
            Wish::PowerOff => "off",
            Wish::Reboot => "reboot",
        }
    }
}

impl Dialogue<'_> {
    fn consoles(&self) -> MutexGuard<'_, Consoles> {
        // Whoever panicked while writing left consoles that can be written on.
        self.consoles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets an answer to every question that is asked: from `known`, else from whoever answers first. Answers
    /// that break a rule are asked again. Gives the answers, and for questions that are not asked what stands
    /// for theirs.
    pub(crate) fn settle(
        &self,
        questions: &[Question],
        rules: &[Rule],
        known: &Known,
        before: &Before,
    ) -> BTreeMap<String, String> {
        let fact = |name: &Name| model::plan::value(name, self.inventory, &BTreeMap::new());
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        // To be asked a second time, whoever knows an answer; and the API's answers that led there.
        let mut open: BTreeSet<String> = BTreeSet::new();
        let mut spent = before.orders.clone();
        let mut index = 0;
        loop {
            let answers = question::completed(questions, &given, &fact);
            let Some(question) = questions.get(index) else {
                let broken = question::broken(rules, &answers, &fact);
                if broken.is_empty() {
                    return answers;
                }
                for one in &broken {
                    self.witness.say(&format!("\n{}", one.say));
                    self.witness.tell(Event::Said { line: format!("answers refused: {}", one.say) });
                }
                let asked = |id: &String| given.contains_key(id);
                open.extend(broken.into_iter().flat_map(|one| one.about).filter(asked));
                spent = (self.orders)().answers;
                index = 0;
                continue;
            };
            let value = |name: &Name| model::plan::value(name, self.inventory, &answers);
            let is_open = open.contains(&question.id);
            let is_settled = given.contains_key(&question.id) && !is_open;
            if is_settled || !question::asks(question, &value) {
                index += 1;
                continue;
            }
            let beforehand = if is_open { None } else { self.known(question, known) };
            let reply = beforehand.map(Reply::Given).unwrap_or_else(|| {
                let proposed = question::proposal(question, value);
                let earlier = given.get(&question.id).or(before.answers.get(&question.id));
                let earlier = earlier.filter(|_| !is_secret(question)).cloned();
                let place = format!("{} of {}", index + 1, questions.len());
                self.ask(question, &place, earlier.or(proposed), spent.get(&question.id))
            });
            match reply {
                Reply::Given(one) => {
                    if one.by != KEPT {
                        let (question, by) = (question.id.clone(), one.by.into());
                        self.witness.tell(Event::Answered { question, by, answer: one.shown });
                    }
                    open.remove(&question.id);
                    given.insert(question.id.clone(), one.kept);
                    index += 1;
                }
                Reply::Back => {
                    let earlier = questions[..index].iter().rposition(|one| given.contains_key(&one.id));
                    if let Some(earlier) = earlier {
                        open.insert(questions[earlier].id.clone());
                        spent = (self.orders)().answers;
                        index = earlier;
                    }
                }
            }
        }
    }

    /// The answer that was given beforehand, if it counts.
    fn known(&self, question: &Question, known: &Known) -> Option<Given> {
        let (text, by) = known.get(&question.id)?;
        match judge_sent(question, text, by) {
            Ok(given) => {
                let shown = given.shown.as_deref().unwrap_or("(not shown)");
                if *by != KEPT {
                    self.witness.say(&format!("{}: {shown} (by {by})", question.ask));
                }
                Some(given)
            }
            Err(why) => {
                self.witness
                    .say(&format!("{}: the answer given by {by} does not count: {why}", question.ask));
                None
            }
        }
    }

    /// Asks on every console. `spent` is an answer of the API that was taken in an earlier round.
    fn ask(
        &self,
        question: &Question,
        place: &str,
        default: Option<String>,
        spent: Option<&String>,
    ) -> Reply {
        self.witness.tell(Event::Asked { question: question.id.clone() });
        let (prompt, echo) = prompt(question, default.as_deref());
        let back = if place.starts_with("1 ") { "" } else { "   (`<` goes back)" };
        let mut heading = format!("\nQuestion {place}{back}");
        if let Kind::Choice { choices } | Kind::MultiChoice { choices, .. } = &question.kind {
            for (index, choice) in choices.iter().enumerate() {
                heading.push_str(&format!("\n  {}  {choice}", index + 1));
            }
        }
        self.consoles().say(&heading);
        self.consoles().prompt_all(&prompt, echo);
        let mut round = Round { question, prompt, echo, default, first: BTreeMap::new() };
        let mut refused = spent.cloned();
        loop {
            let typed = self.consoles().wait(TICK);
            if let Some(one) = &typed
                && one.line.trim() == BACK
            {
                let mut consoles = self.consoles();
                consoles.close_question(Some(one.seat));
                let line = format!("back to the question before, as said on {}", consoles.name(one.seat));
                consoles.say_elsewhere(one.seat, &line);
                return Reply::Back;
            }
            if let Some(one) = typed
                && let Some(given) = self.take(&mut round, &one)
            {
                let shown = given.shown.as_deref().unwrap_or("(not shown)");
                let mut consoles = self.consoles();
                consoles.close_question(Some(one.seat));
                if echo == Echo::Scanned {
                    // A trigger held too long sends the code twice; the second is no answer to what comes next.
                    consoles.forget_typed_ahead();
                }
                let line = format!("answered on {}: {shown}", consoles.name(one.seat));
                consoles.say_elsewhere(one.seat, &line);
                return Reply::Given(given);
            }
            if let Some(text) = (self.orders)().answers.get(&question.id)
                && refused.as_ref() != Some(text)
            {
                match judge_sent(question, text, "api") {
                    Ok(given) => {
                        let shown = given.shown.as_deref().unwrap_or("(not shown)");
                        self.consoles().close_question(None);
                        self.consoles().say(&format!("answered over the API: {shown}"));
                        return Reply::Given(given);
                    }
                    Err(why) => {
                        self.witness.tell(Event::Said {
                            line: format!("answer to `{}` refused: {why}", question.id),
                        });
                        refused = Some(text.clone());
                    }
                }
            }
        }
    }

    /// A line typed on a console: an answer, half of one, or a mistake.
    fn take(&self, round: &mut Round<'_>, typed: &Typed) -> Option<Given> {
        if let Some(first) = round.first.remove(&typed.seat) {
            if first == typed.line {
                return self.accept(round, typed, &first);
            }
            return self.refuse(round, typed, "the two are not the same");
        }
        let line = match &round.default {
            Some(default) if typed.line.trim().is_empty() => default.clone(),
            _ => typed.line.clone(),
        };
        if is_secret(round.question) {
            return match question::check(round.question, &line) {
                Ok(_) => {
                    self.consoles().prompt(typed.seat, "The same again: ", round.echo);
                    round.first.insert(typed.seat, line);
                    None
                }
                Err(why) => self.refuse(round, typed, &why),
            };
        }
        self.accept(round, typed, &line)
    }

    fn accept(&self, round: &Round<'_>, typed: &Typed, line: &str) -> Option<Given> {
        match judge(round.question, line, "console") {
            Ok(given) => Some(given),
            Err(why) => self.refuse(round, typed, &why),
        }
    }

    fn refuse(&self, round: &Round<'_>, typed: &Typed, why: &str) -> Option<Given> {
        let mut consoles = self.consoles();
        consoles.say_on(typed.seat, &format!("  {why}"));
        consoles.prompt(typed.seat, &round.prompt, round.echo);
        None
    }

    /// Shows the plan and waits for a person, or the API, to confirm it. `answers` are those that can be changed:
    /// ids of questions, with a line for each.
    pub(crate) fn confirm(&self, plan: &str, answers: &[(String, String)]) -> Decision {
        let prompt = match answers.is_empty() {
            true => "Type `yes` to erase and install, `no` to go back: ",
            false => "Type `yes` to erase and install, a number to change that answer, or `no`: ",
        };
        self.consoles().forget_typed_ahead();
        self.consoles().say(&format!("\n{plan}"));
        for (index, (_, line)) in answers.iter().enumerate() {
            self.consoles().say(&format!("{:>3}  {line}", index + 1));
        }
        self.consoles().prompt_all(prompt, Echo::Shown);
        loop {
            let typed = self.consoles().wait(TICK);
            if let Some(one) = typed {
                let word = one.line.trim().to_lowercase();
                let mut consoles = self.consoles();
                let name = consoles.name(one.seat).to_owned();
                match word.as_str() {
                    "yes" => {
                        consoles.say_elsewhere(one.seat, &format!("confirmed on {name}"));
                        return Decision::Confirmed(name);
                    }
                    "no" => {
                        consoles.say_elsewhere(one.seat, &format!("not confirmed on {name}"));
                        return Decision::Again;
                    }
                    number if number.parse::<usize>().is_ok() => {
                        let chosen = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                        if let Some((id, line)) = chosen.and_then(|chosen| answers.get(chosen)) {
                            consoles.say_elsewhere(one.seat, &format!("changed on {name}: {line}"));
                            return Decision::Change(id.clone());
                        }
                        let most = answers.len();
                        consoles.say_on(one.seat, &format!("  there are {most} answers to change"));
                    }
                    _ => consoles.say_on(one.seat, "  nothing is written before `yes` is typed in full"),
                }
                consoles.prompt(one.seat, prompt, Echo::Shown);
            }
            if (self.orders)().confirmed {
                self.consoles().say("confirmed over the API");
                return Decision::Confirmed("api".into());
            }
        }
    }

    /// Waits for a person to say what to do about a trouble that stands on the screen.
    pub(crate) fn await_wish(&self, wishes: &[Wish]) -> Wish {
        let words: Vec<&str> = wishes.iter().map(|wish| wish.word()).collect();
        let prompt = &format!("Type `{}` or `shell`: ", words.join("`, `"));
        self.consoles().prompt_all(prompt, Echo::Shown);
        loop {
            let typed = self.consoles().wait(TICK);
            let Some(one) = typed else { continue };
            let mut consoles = self.consoles();
            let line = one.line.trim().to_lowercase();
            // What ends the box's work is typed in full.
            let is_meant = |wish: &&Wish| line == wish.word() || (**wish == Wish::Retry && line == "r");
            if let Some(wish) = wishes.iter().find(is_meant) {
                let name = consoles.name(one.seat).to_owned();
                consoles.say_elsewhere(one.seat, &format!("`{}`, as said on {name}", wish.word()));
                return *wish;
            }
            match line.as_str() {
                "shell" | "s" => consoles.run_shell(one.seat),
                _ => consoles.say_on(one.seat, "  that is none of them"),
            }
            consoles.prompt(one.seat, prompt, Echo::Shown);
        }
    }
}

/// A question while it is open.
struct Round<'a> {
    question: &'a Question,
    prompt: String,
    echo: Echo,
    default: Option<String>,
    /// A password typed once, by console.
    first: BTreeMap<usize, String>,
}

fn is_secret(question: &Question) -> bool {
    question.kind.is_secret()
}

/// The answers that were asked for, each in a line as a person corrects it: `Site: lab`.
pub(crate) fn overview(
    questions: &[Question],
    answers: &BTreeMap<String, String>,
    inventory: &Inventory,
) -> Vec<(String, String)> {
    let asked =
        |question: &&Question| question::asks(question, &|name| model::plan::value(name, inventory, answers));
    let line = |question: &Question| {
        let answer = match answers.get(&question.id) {
            _ if is_secret(question) => "(not shown)",
            None => "",
            Some(empty) if empty.is_empty() => "(none)",
            Some(answer) => answer,
        };
        (question.id.clone(), format!("{}: {answer}", question.ask))
    };
    questions.iter().filter(asked).map(line).collect()
}

/// The line that asks.
fn prompt(question: &Question, default: Option<&str>) -> (String, Echo) {
    let ask = &question.ask;
    let default = default.map_or(String::new(), |default| format!(" [{default}]"));
    match &question.kind {
        Kind::Password { .. } | Kind::Passphrase { .. } => (format!("{ask} (not shown): "), Echo::Hidden),
        Kind::YesNo => (format!("{ask} (yes or no){default}: "), Echo::Shown),
        Kind::Choice { .. } => (format!("{ask} (name or number){default}: "), Echo::Shown),
        Kind::MultiChoice { .. } => {
            (format!("{ask} (names or numbers, with commas){default}: "), Echo::Shown)
        }
        Kind::Number { min, max: Some(max) } => (format!("{ask} ({min} to {max}){default}: "), Echo::Shown),
        Kind::Pattern { example: Some(example), .. } if default.is_empty() => {
            (format!("{ask} (such as {example}): "), Echo::Shown)
        }
        Kind::AssetTag { .. } => (format!("{ask} (scan it){default}: "), Echo::Scanned),
        Kind::Text
        | Kind::Hostname
        | Kind::Ip { .. }
        | Kind::Cidr { .. }
        | Kind::Mac
        | Kind::Number { .. }
        | Kind::Pattern { .. } => (format!("{ask}{default}: "), Echo::Shown),
    }
}

/// As [`judge`], for answers that nobody types: a password may come as its hash.
fn judge_sent(question: &Question, text: &str, by: &'static str) -> Result<Given, String> {
    if matches!(question.kind, Kind::Password { .. }) && password::is_hash(text) {
        return Ok(Given { kept: text.to_owned(), shown: None, by });
    }
    judge(question, text, by)
}

/// Holds an answer against its question and makes of it what is kept.
fn judge(question: &Question, text: &str, by: &'static str) -> Result<Given, String> {
    match question::check(question, text)? {
        Answer::Plain(answer) => Ok(Given { kept: answer.clone(), shown: Some(answer), by }),
        // What opens an encrypted volume is needed as it was typed, until the volume is made.
        Answer::Secret(plain) if matches!(question.kind, Kind::Passphrase { .. }) => {
            Ok(Given { kept: plain, shown: None, by })
        }
        Answer::Secret(plain) => {
            let kept = password::hash(&plain).map_err(|failure| failure.to_string())?;
            Ok(Given { kept, shown: None, by })
        }
    }
}

#[cfg(test)]
mod tests;
