//! Dialogues as they look from the other end of a terminal: what is typed, what is read.

use super::*;
use crate::controller::witness::tests::Collector;
use linux::console::Console;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::time::Instant;

/// A terminal and the person in front of it.
struct Person {
    line: File,
    read: String,
}

/// A console and who sits at it.
fn terminal() -> (Console, Person) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let console = Console::open(path.trim_start_matches("/dev/")).unwrap();
    rustix::io::ioctl_fionbio(&master, true).unwrap();
    (console, Person { line: File::from(master), read: String::new() })
}

impl Person {
    /// Waits until this text was read, and forgets everything up to its end.
    #[track_caller]
    fn reads(&mut self, text: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(at) = self.read.find(text) {
                self.read.drain(..at + text.len());
                return;
            }
            assert!(Instant::now() < end, "`{text}` never came; there is:\n{}", self.read);
            let mut bytes = [0; 1024];
            match self.line.read(&mut bytes) {
                Ok(count) => self.read.push_str(&String::from_utf8_lossy(&bytes[..count])),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn types(&mut self, keys: &str) {
        self.line.write_all(keys.as_bytes()).unwrap();
    }
}

fn question(text: &str) -> Question {
    serde_json::from_str(text).unwrap()
}

fn questions() -> Vec<Question> {
    vec![
        question(
            r#"{"id":"hostname","ask":"Host name","type":"hostname","default":"edge-{{ box.serial }}"}"#,
        ),
        question(r#"{"id":"site","ask":"Site","type":"choice","choices":["lab","berlin"]}"#),
        question(r#"{"id":"password","ask":"Password","type":"password","min-length":8}"#),
    ]
}

/// Runs a dialogue on these consoles while `person` does something; gives the answers and the events.
fn run(
    consoles: Vec<Console>,
    orders: &(dyn Fn() -> Orders + Sync),
    known: Known,
    person: impl FnOnce() + Send,
) -> (BTreeMap<String, String>, Vec<Event>) {
    run_with((questions(), Vec::new()), consoles, orders, known, person)
}

/// The same with other questions and rules.
fn run_with(
    (asked, rules): (Vec<Question>, Vec<Rule>),
    consoles: Vec<Console>,
    orders: &(dyn Fn() -> Orders + Sync),
    known: Known,
    person: impl FnOnce() + Send,
) -> (BTreeMap<String, String>, Vec<Event>) {
    let consoles = Mutex::new(Consoles::of(consoles));
    let collector = Collector::default();
    let mut inventory = Inventory::default();
    inventory.smbios.serial = "SN-7".into();
    let dialogue = Dialogue { consoles: &consoles, witness: &collector, orders, inventory: &inventory };
    let answers = std::thread::scope(|scope| {
        scope.spawn(person);
        dialogue.settle(&asked, &rules, &known, &Before::default())
    });
    (answers, collector.events.into_inner().unwrap())
}

/// The story of issue 2: a wrong answer first, everything typed on one serial line.
#[test]
fn questions_are_answered_on_a_terminal() {
    let (console, mut person) = terminal();
    let (answers, events) = run(vec![console], &Orders::default, Known::new(), || {
        person.reads("Question 1 of 3");
        person.reads("Host name [edge-sn-7]: ");
        person.types("not a host name!\r");
        person.reads("letters, digits and dashes");
        person.reads("Host name [edge-sn-7]: ");
        person.types("edgf\x7fe-00\x1b[A01\r");
        person.reads("2  berlin");
        person.reads("Site (name or number): ");
        person.types("paris\r\n");
        person.reads("choose one of lab, berlin");
        person.types("2\r");
        person.reads("Password (not shown): ");
        person.types("short\r");
        person.reads("the fewest is 8");
        person.types("long enough 1\r");
        person.reads("The same again: ");
        person.types("different 2\r");
        person.reads("not the same");
        person.reads("Password (not shown): ");
        person.types("long enough 1\r");
        person.reads("The same again: ");
        person.types("long enough 1\r");
        assert!(!person.read.contains("long enough"), "the password was shown");
    });
    assert_eq!((answers["hostname"].as_str(), answers["site"].as_str()), ("edge-0001", "berlin"));
    assert!(password::is_hash(&answers["password"]), "{answers:?}");
    assert!(!format!("{events:?}").contains("long enough"), "{events:?}");
    assert!(!format!("{events:?}").contains("$6$"), "{events:?}");
}

/// Two people at two consoles, a third at the API: the first answer wins and the others read it.
#[test]
fn the_first_answer_wins_and_is_shown_to_the_others() {
    let ((one, mut serial), (two, mut screen)) = (terminal(), terminal());
    let from_outside = Mutex::new(Orders::default());
    let orders = || from_outside.lock().unwrap().clone();
    let (answers, events) = run(vec![one, two], &orders, Known::new(), || {
        serial.reads("Host name [edge-sn-7]: ");
        screen.reads("Host name [edge-sn-7]: ");
        serial.types("half a li");
        screen.types("\r");
        serial.reads("edge-sn-7");
        serial.reads("Site (name or number): ");
        from_outside.lock().unwrap().answers.insert("site".into(), "nowhere".into());
        screen.reads("Site (name or number): ");
        std::thread::sleep(TICK * 2);
        from_outside.lock().unwrap().answers.insert("site".into(), "lab".into());
        serial.reads("answered over the API: lab");
        serial.reads("Password (not shown): ");
        serial.types("long enough 1\rlong enough 1\r");
        screen.reads(": (not shown)");
    });
    assert_eq!((answers["hostname"].as_str(), answers["site"].as_str()), ("edge-sn-7", "lab"));
    let refused = |event: &&Event| matches!(event, Event::Said { line } if line.contains("choose one of"));
    assert_eq!(events.iter().filter(refused).count(), 1, "{events:?}");
}

/// Answers known beforehand are not asked for, unless they do not count.
#[test]
fn known_answers_are_taken_and_wrong_ones_asked() {
    let (console, mut person) = terminal();
    let known = [("hostname", "-wrong-"), ("site", "2"), ("password", "$6$salt$hash")];
    let known = known.map(|(id, text)| (id.to_owned(), (text.to_owned(), "file"))).into();
    let (answers, events) = run(vec![console], &Orders::default, known, || {
        person.reads("Host name [edge-sn-7]: ");
        person.types("good\r");
    });
    assert_eq!(answers["hostname"], "good");
    assert_eq!((answers["site"].as_str(), answers["password"].as_str()), ("berlin", "$6$salt$hash"));
    let by: Vec<&str> = (events.iter())
        .filter_map(|event| match event {
            Event::Answered { by, .. } => Some(by.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(by, ["console", "file", "file"]);
}

/// Nothing is erased by a stray Enter.
#[test]
fn a_plan_is_confirmed_by_a_whole_word() {
    let (console, mut person) = terminal();
    let (consoles, collector) = (Mutex::new(Consoles::of(vec![console])), Collector::default());
    let inventory = Inventory::default();
    let dialogue = Dialogue {
        consoles: &consoles,
        witness: &collector,
        orders: &Orders::default,
        inventory: &inventory,
    };
    let answers = [("site".to_owned(), "Site: lab".to_owned())];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            person.reads("ERASED: disk");
            person.reads("Type `yes`");
            person.types("\r");
            person.reads("before `yes` is typed in full");
            person.types("y\r");
            person.reads("before `yes` is typed in full");
            person.types("no\r");
            person.reads("ERASED: disk");
            person.reads("1  Site: lab");
            person.types("7\r");
            person.reads("there are 1 answers to change");
            person.types("1\r");
            person.reads("ERASED: disk");
            person.reads("Type `yes`");
            person.types(" YES \r");
            person.reads("`off` or `shell`: ");
            person.types("help\r");
            person.reads("none of them");
            person.types("retry\r");
        });
        assert_eq!(dialogue.confirm("ERASED: disk\n", &answers), Decision::Again);
        assert_eq!(dialogue.confirm("ERASED: disk\n", &answers), Decision::Change("site".into()));
        let Decision::Confirmed(by) = dialogue.confirm("ERASED: disk\n", &answers) else { panic!() };
        assert!(by.starts_with("pts/"), "{by}");
        assert_eq!(dialogue.await_wish(AFTER_TROUBLE), Wish::Retry);
    });
}

fn network_questions() -> (Vec<Question>, Vec<Rule>) {
    let asked = vec![
        question(r#"{"id":"tag","ask":"Asset tag","type":"asset-tag"}"#),
        question(r#"{"id":"static","ask":"Fixed address","type":"yes-no","default":"no"}"#),
        question(r#"{"id":"address","ask":"Address","type":"cidr","when":"answer.static"}"#),
        question(r#"{"id":"gateway","ask":"Gateway","type":"ip","when":"answer.static"}"#),
        question(r#"{"id":"roles","ask":"Roles","type":"multi-choice","choices":["web","db"]}"#),
    ];
    let rule = Rule {
        require: "not answer.static or answer.gateway within answer.address".into(),
        say: "the gateway is not in the network of the address".into(),
    };
    (asked, vec![rule])
}

/// A person who notices a slip one question later goes back; what does not fit together is asked again, and only
/// that. The scanner's second code is no answer to the next question.
#[test]
fn answers_are_corrected_before_anything_is_planned() {
    let (console, mut person) = terminal();
    let (answers, _) = run_with(network_questions(), vec![console], &Orders::default, Known::new(), || {
        person.reads("Asset tag (scan it): ");
        person.types("]C1A0017\tA0017\t");
        person.reads("Fixed address (yes or no) [no]: ");
        person.types("\r");
        person.reads("Question 5 of 5   (`<` goes back)");
        person.reads("Roles (names or numbers, with commas): ");
        person.types("<\r");
        person.reads("Fixed address (yes or no) [no]: ");
        person.types("y\r");
        person.reads("Address: ");
        person.types("10.0.0.5/24\r");
        person.reads("Gateway: ");
        person.types("10.0.1.1\r");
        person.reads("with commas): ");
        person.types("2 1\r");
        person.reads("Fixed address (yes or no) [yes]: ");
        person.types("\r");
        person.reads("Address [10.0.0.5/24]: ");
        person.types("\r");
        person.reads("Gateway [10.0.1.1]: ");
        person.types("10.0.0.1\r");
    });
    let shown: Vec<String> = answers.iter().map(|(id, answer)| format!("{id}={answer}")).collect();
    assert_eq!(shown, ["address=10.0.0.5/24", "gateway=10.0.0.1", "roles=web,db", "static=yes", "tag=A0017"]);
}

/// What is known of a whole batch is not asked, unless its parts contradict each other.
#[test]
fn answers_of_a_file_that_break_a_rule_are_asked_again() {
    let (console, mut person) = terminal();
    let known = [
        ("tag", "A1"),
        ("static", "yes"),
        ("address", "10.0.0.5/24"),
        ("gateway", "10.9.9.9"),
        ("roles", "db"),
    ];
    let known = known.map(|(id, text)| (id.to_owned(), (text.to_owned(), "file"))).into();
    let (answers, events) = run_with(network_questions(), vec![console], &Orders::default, known, || {
        person.reads("Fixed address (yes or no) [yes]: ");
        person.types("no\r");
    });
    assert_eq!((answers["gateway"].as_str(), answers["roles"].as_str()), ("", "db"));
    let said = |event: &&Event| matches!(event, Event::Said { line } if line.starts_with("answers refused"));
    assert_eq!(events.iter().filter(said).count(), 1);
}
