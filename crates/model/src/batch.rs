//! Answers for a batch of boxes, by serial number or MAC: a spreadsheet as CSV, or TOML.
//!
//! CSV is read here because each mistake is shown where it stands; what is read is only quotes and separators
//! (RFC 4180).

use crate::mistake::{Mistake, Mistakes, nearest};
use crate::question::{self, Question, Rule};
use crate::sheet::Place;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use wire::mac::Mac;

/// Answers as they were written; of passwords the plain text, to be hashed at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Answers for every box.
    pub everybody: BTreeMap<String, String>,
    /// Answers for boxes by their serial numbers, in lower case.
    pub by_serial: BTreeMap<String, BTreeMap<String, String>>,
    /// Answers for boxes by their MACs.
    pub by_mac: BTreeMap<Mac, BTreeMap<String, String>>,
}

impl Batch {
    /// The answers for one box: by its MAC before its serial number, by either before those for every box.
    pub fn of(&self, mac: Mac, serial: &str) -> BTreeMap<String, String> {
        let mut answers = self.everybody.clone();
        let by_serial = self.by_serial.get(&serial.trim().to_lowercase());
        for own in by_serial.into_iter().chain(self.by_mac.get(&mac)) {
            answers.extend(own.clone());
        }
        answers
    }

    /// How many boxes have answers of their own.
    pub fn boxes(&self) -> usize {
        self.by_serial.len() + self.by_mac.len()
    }
}

/// Whom an answer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whose {
    Everybody,
    Serial(String),
    Mac(Mac),
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    questions: &'a [Question],
    batch: Batch,
    /// Where each box stood first.
    seen: Vec<(Whose, Place)>,
    mistakes: Vec<Mistake>,
}

/// Reads a file of answers, called `file` in messages, and holds each against its question and the rules:
/// the batch, or every mistake in it.
pub fn read(file: &str, text: &str, questions: &[Question], rules: &[Rule]) -> Result<Batch, Mistakes> {
    let batch = Batch::default();
    let mut reader = Reader { file, text, questions, batch, seen: Vec::new(), mistakes: Vec::new() };
    match file.to_lowercase().ends_with(".csv") {
        true => reader.csv(),
        false => reader.toml(),
    }
    if reader.mistakes.is_empty() {
        reader.rules(rules);
    }
    reader.mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    if reader.mistakes.is_empty() { Ok(reader.batch) } else { Err(Mistakes(reader.mistakes)) }
}

impl Reader<'_> {
    fn report(&mut self, at: Place, message: impl Into<String>, hint: impl Into<String>) {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        self.mistakes.push(Mistake::new(self.file, self.text, at, message.into(), hint));
    }

    /// A box begins; `false` where it stands twice.
    fn begin(&mut self, whose: &Whose, at: &Place) -> bool {
        if let Some((_, first)) = self.seen.iter().find(|(known, _)| known == whose) {
            let line = 1 + self.text.get(..first.start).unwrap_or_default().matches('\n').count();
            self.report(
                at.clone(),
                format!("this box stands on line {line} already"),
                "leave one of them out",
            );
            return false;
        }
        self.seen.push((whose.clone(), at.clone()));
        true
    }

    fn take(&mut self, whose: &Whose, (id, id_at): (&str, Place), (typed, at): (&str, Place)) {
        let Some(question) = self.questions.iter().find(|question| question.id == id) else {
            let hint = self.which(id);
            return self.report(id_at, format!("no question is called `{}`", id.escape_debug()), hint);
        };
        if let Err(reason) = question::check(question, typed) {
            return self.report(at, format!("this is no answer to `{id}`"), reason);
        }
        let answers = match whose {
            Whose::Everybody => &mut self.batch.everybody,
            Whose::Serial(serial) => self.batch.by_serial.entry(serial.to_lowercase()).or_default(),
            Whose::Mac(mac) => self.batch.by_mac.entry(*mac).or_default(),
        };
        answers.insert(id.to_owned(), typed.to_owned());
    }

    fn which(&self, id: &str) -> String {
        let ids = || self.questions.iter().map(|question| question.id.as_str());
        match nearest(id, ids()) {
            Some(near) => format!("it is spelt `{near}`"),
            None => format!("the questions are {}", ids().collect::<Vec<_>>().join(", ")),
        }
    }

    /// Holds what is known of each box against the rules, as far as they are about answers.
    fn rules(&mut self, rules: &[Rule]) {
        let mut found = Vec::new();
        for (whose, at) in &self.seen {
            let mut answers = self.batch.everybody.clone();
            let own = match whose {
                Whose::Everybody => None,
                Whose::Serial(serial) => self.batch.by_serial.get(&serial.to_lowercase()),
                Whose::Mac(mac) => self.batch.by_mac.get(mac),
            };
            answers.extend(own.cloned().unwrap_or_default());
            let answers = question::foreseen(self.questions, &answers);
            for broken in question::broken(rules, &answers, &|_| None) {
                found.push((at.clone(), broken));
            }
        }
        for (at, broken) in found {
            let hint = format!("these do not fit together: {}", broken.about.join(", "));
            self.report(at, broken.say, hint);
        }
    }

    fn toml(&mut self) {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        if let Some(error) = errors.first() {
            let said = error.message().to_owned();
            let hint = "a line for each answer, `hostname = \"edge-0001\"`, below `[box.\"SERIAL\"]`";
            return self.report(error.span().unwrap_or(0..0), format!("this is not TOML: {said}"), hint);
        }
        for (key, value) in table.get_ref() {
            if key.get_ref() == "box"
                && let Some(boxes) = value.get_ref().as_table()
            {
                for (name, answers) in boxes {
                    self.one_box(name, answers);
                }
            } else {
                self.answer(&Whose::Everybody, key, value);
            }
        }
    }

    fn one_box(&mut self, name: &Spanned<std::borrow::Cow<'_, str>>, answers: &Spanned<DeValue<'_>>) {
        let whose = match name.get_ref().parse::<Mac>() {
            Ok(mac) => Whose::Mac(mac),
            Err(_) => Whose::Serial(name.get_ref().trim().to_owned()),
        };
        let Some(table) = answers.get_ref().as_table() else {
            let hint = "`[box.\"SERIAL\"]` and a line for each answer below it";
            return self.report(answers.span(), "a box is a table of answers", hint);
        };
        if self.begin(&whose, &name.span()) {
            for (key, value) in table {
                self.answer(&whose, key, value);
            }
        }
    }

    fn answer(
        &mut self,
        whose: &Whose,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let typed = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            DeValue::Boolean(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            DeValue::Array(array) => {
                let words: Option<Vec<&str>> = array.iter().map(|one| one.get_ref().as_str()).collect();
                words.unwrap_or_default().join(",")
            }
            _ => {
                return self.report(
                    value.span(),
                    "an answer is text in quotes",
                    "`hostname = \"edge-0001\"`",
                );
            }
        };
        self.take(whose, (key.get_ref(), key.span()), (&typed, value.span()));
    }

    fn csv(&mut self) {
        let (rows, open) = rows(self.text);
        if let Some(at) = open {
            return self.report(
                at,
                "the quote is not closed",
                "close it, and write `\"\"` for a quote inside",
            );
        }
        let Some((head, rows)) = rows.split_first() else {
            return self.report(
                0..0,
                "there is nothing in it",
                "the first row names the columns: `serial,hostname`",
            );
        };
        let column = |name: &str| head.iter().position(|field| field.text.trim().eq_ignore_ascii_case(name));
        let (serial, mac) = (column("serial"), column("mac"));
        if serial.is_none() && mac.is_none() {
            let hint = "one column is called `serial` or `mac`, the others as the questions";
            let at = head.first().map_or(0..0, |field| field.at.clone());
            return self.report(at, "no column says which box a row is for", hint);
        }
        for (index, field) in head.iter().enumerate() {
            let id = field.text.trim();
            if [serial, mac].contains(&Some(index)) {
                continue;
            }
            if head[..index].iter().any(|before| before.text.trim() == id) {
                self.report(
                    field.at.clone(),
                    format!("two columns are called `{id}`"),
                    "leave one of them out",
                );
            } else if !self.questions.iter().any(|question| question.id == id) {
                let hint = self.which(id);
                self.report(field.at.clone(), format!("no question is called `{}`", id.escape_debug()), hint);
            }
        }
        if self.mistakes.is_empty() {
            rows.iter().for_each(|row| self.row(head, row, serial, mac));
        }
    }

    fn row(&mut self, head: &[Field], row: &[Field], serial: Option<usize>, mac: Option<usize>) {
        let Some(first) = row.first() else { return };
        if row.len() != head.len() {
            let message = format!("this row has {} fields, the first row {}", row.len(), head.len());
            let hint = "a field with a separator in it stands in quotes";
            return self.report(first.at.clone(), message, hint);
        }
        let cell = |column: Option<usize>| {
            column.and_then(|column| row.get(column)).filter(|field| !field.text.trim().is_empty())
        };
        let (whose, at) = match (cell(mac), cell(serial)) {
            (Some(field), _) => match field.text.parse::<Mac>() {
                Ok(mac) => (Whose::Mac(mac), field.at.clone()),
                Err(error) => {
                    let message = format!("`{}` is {error}", field.text.escape_debug());
                    return self.report(field.at.clone(), message, "");
                }
            },
            (None, Some(field)) => (Whose::Serial(field.text.trim().to_owned()), field.at.clone()),
            (None, None) => {
                return self.report(
                    first.at.clone(),
                    "this row is for no box",
                    "give its serial number or MAC",
                );
            }
        };
        if !self.begin(&whose, &at) {
            return;
        }
        for (index, (name, field)) in head.iter().zip(row).enumerate() {
            if ![serial, mac].contains(&Some(index)) && !field.text.is_empty() {
                self.take(&whose, (name.text.trim(), name.at.clone()), (&field.text, field.at.clone()));
            }
        }
    }
}

/// A field of a table and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    text: String,
    at: Place,
}

/// The rows of a CSV text without empty ones, and where a quote is left open.
fn rows(text: &str) -> (Vec<Vec<Field>>, Option<Place>) {
    // Spreadsheets mark their UTF-8 with a byte order mark, and divide with what the country does not write
    // decimals with.
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let first = text[start..].lines().next().unwrap_or_default();
    let count = |separator: &char| first.matches(*separator).count();
    let separator = [',', ';', '\t'].into_iter().rev().max_by_key(count).unwrap_or(',');
    let (mut rows, mut row) = (Vec::new(), Vec::new());
    let mut at = start;
    loop {
        let (field, end, is_open) = field(text, at, separator);
        if is_open {
            return (rows, Some(at..text.len()));
        }
        row.push(field);
        at = end;
        if text[at..].starts_with(separator) {
            at += separator.len_utf8();
            continue;
        }
        at += text[at..].chars().next().map_or(0, char::len_utf8);
        let is_blank = row.iter().all(|field: &Field| field.text.trim().is_empty());
        let done = std::mem::take(&mut row);
        if !is_blank {
            rows.push(done);
        }
        if at >= text.len() {
            return (rows, None);
        }
    }
}

/// One field from `at` on, where it ends, and whether its quote is left open.
fn field(text: &str, at: usize, separator: char) -> (Field, usize, bool) {
    let ends = |c: char| c == separator || c == '\n';
    let Some(inside) = text[at..].strip_prefix('"') else {
        let length = text[at..].find(ends).unwrap_or(text.len() - at);
        let bare = text[at..at + length].trim_end_matches('\r');
        return (Field { text: bare.to_owned(), at: at..at + bare.len() }, at + length, false);
    };
    let mut found = String::new();
    let mut rest = inside;
    loop {
        let Some(quote) = rest.find('"') else {
            return (Field { text: found, at: at..text.len() }, text.len(), true);
        };
        found.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        let Some(after) = rest.strip_prefix('"') else { break };
        found.push('"');
        rest = after;
    }
    let closed = text.len() - rest.len();
    let end = closed + rest.find(ends).unwrap_or(rest.len());
    (Field { text: found, at: at..closed }, end, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn questions() -> Vec<Question> {
        let questions = r#"[
            {"id":"hostname","ask":"Host name","type":"hostname"},
            {"id":"site","ask":"Site","type":"choice","choices":["lab","oslo"]},
            {"id":"unit","ask":"Rack unit","type":"number","min":1,"max":42}
        ]"#;
        serde_json::from_str(questions).unwrap()
    }

    fn rules() -> Vec<Rule> {
        vec![Rule {
            require: "answer.site != \"lab\" or answer.unit <= 10".into(),
            say: "the rack in the lab has ten units".into(),
        }]
    }

    fn say(file: &str, text: &str) -> String {
        match read(file, text, &questions(), &rules()) {
            Ok(batch) => format!("{batch:#?}"),
            Err(mistakes) => mistakes.to_string(),
        }
    }

    #[track_caller]
    fn check(file: &str, text: &str, expected: Expect) {
        expected.assert_eq(&say(file, text));
    }

    /// Forty boxes are answered by one spreadsheet; a row too far is forty wrong boxes.
    #[test]
    fn a_spreadsheet_is_read() {
        let csv = "\u{feff}serial;hostname;site;unit\r\nSN-1;\"edge-1\";oslo;\r\n\r\nsn-2;edge-2;lab;10";
        let batch = read("boxes.CSV", csv, &questions(), &rules()).unwrap();
        assert_eq!(batch.boxes(), 2);
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        assert_eq!(batch.of(mac, "SN-2 ")["unit"], "10");
        assert_eq!(batch.of(mac, "sn-1").get("unit"), None);
        assert!(batch.of(mac, "SN-3").is_empty());
        let toml =
            "site = \"oslo\"\n[box.SN-1]\nunit = 3\n[box.\"02:00:00:00:00:01\"]\nsite = \"lab\"\nunit=1";
        let batch = read("boxes.toml", toml, &questions(), &rules()).unwrap();
        let of = batch.of(mac, "SN-1");
        assert_eq!((of["site"].as_str(), of["unit"].as_str()), ("lab", "1"));
        assert_eq!(batch.of(Mac([0; 6]), "other")["site"], "oslo");
    }

    /// All mistakes of a spreadsheet come at once, each with its row and column.
    #[test]
    fn mistakes_are_shown_where_they_stand() {
        check(
            "boxes.csv",
            "serial,hostname,site,unit\nSN-1,edge_1,lab,4\nSN-1,edge-2,lab,4\n,edge-3,oslo,1\nSN-4,edge-4,osl,99\nSN-5,x\n",
            expect![[r#"
                error: boxes.csv:2:6: this is no answer to `hostname`
                  2 | SN-1,edge_1,lab,4
                    |      ^^^^^^
                hint: a host name has letters, digits and dashes; an underscore cannot be in it

                error: boxes.csv:3:1: this box stands on line 2 already
                  3 | SN-1,edge-2,lab,4
                    | ^^^^
                hint: leave one of them out

                error: boxes.csv:4:1: this row is for no box
                  4 | ,edge-3,oslo,1
                    | ^
                hint: give its serial number or MAC

                error: boxes.csv:5:13: this is no answer to `site`
                  5 | SN-4,edge-4,osl,99
                    |             ^^^
                hint: choose one of lab, oslo, by its name or its number (1 to 2)

                error: boxes.csv:5:17: this is no answer to `unit`
                  5 | SN-4,edge-4,osl,99
                    |                 ^^
                hint: 99 is out of range; it has to be between 1 and 42

                error: boxes.csv:6:1: this row has 2 fields, the first row 4
                  6 | SN-5,x
                    | ^^^^
                hint: a field with a separator in it stands in quotes"#]],
        );
        check(
            "boxes.csv",
            "serial,hostnam\nSN-1,a",
            expect![[r#"
                error: boxes.csv:1:8: no question is called `hostnam`
                  1 | serial,hostnam
                    |        ^^^^^^^
                hint: it is spelt `hostname`"#]],
        );
        check(
            "boxes.csv",
            "serial,site,unit\nSN-7,lab,11",
            expect![[r#"
                error: boxes.csv:2:1: the rack in the lab has ten units
                  2 | SN-7,lab,11
                    | ^^^^
                hint: these do not fit together: site, unit"#]],
        );
        check(
            "boxes.toml",
            "[box.SN-1]\nhostname = \"a b\"\n[box.sn-2]\nunit = 1.5\n",
            expect![[r#"
                error: boxes.toml:2:12: this is no answer to `hostname`
                  2 | hostname = "a b"
                    |            ^^^^^
                hint: a host name has letters, digits and dashes; a space cannot be in it

                error: boxes.toml:4:8: an answer is text in quotes
                  4 | unit = 1.5
                    |        ^^^
                hint: `hostname = "edge-0001"`"#]],
        );
        check(
            "boxes.csv",
            "serial,site\nSN-1,\"lab",
            expect![[r#"
                error: boxes.csv:2:6: the quote is not closed
                  2 | SN-1,"lab
                    |      ^^^^
                hint: close it, and write `""` for a quote inside"#]],
        );
    }

    proptest! {
        /// A file of answers comes from anywhere: whatever is in it, reading it ends.
        #[test]
        fn any_text_is_read_without_panic(text in "([\",;\t\r\nä1=\\[\\]]|serial|mac|site|unit|lab){0,60}") {
            let _ = say("a.csv", &text);
            let _ = say("a.toml", &text);
        }
    }
}
