//! Conditions over answers and facts: `answer.site == "lab" and box.disks >= 2`.
//!
//! A question's `when` and a rule's `require` are such texts. There is no arithmetic and nothing that could
//! fail on a box: what cannot be compared does not hold.

use crate::address::Network;
use crate::sheet::size;
use crate::template::{self, Name};
use std::net::IpAddr;
use std::ops::Range;

/// Deepest nesting of parentheses and `not`: nobody reads more, and a parser that calls itself must end.
const DEEPEST: usize = 32;

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    root: Node,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Any(Vec<Node>),
    All(Vec<Node>),
    Not(Box<Node>),
    /// A name alone: a question of type `yes-no` that was answered with `yes`.
    Yes(Term),
    Holds(Term, Relation, Vec<Term>),
}

/// How two sides are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// Equal to one of a list.
    In,
    /// The left side, a list, has the right one in it.
    Has,
    /// The left address lies in the right network.
    Within,
}

/// One side of a comparison and its octets in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    what: What,
    at: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Name(Name),
    Literal(String),
}

/// A text that is not a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// Which octets of the text are meant.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: String,
}

/// A literal that a name is compared with for being the same: it has to be a possible answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison<'a> {
    /// The name.
    pub name: &'a Name,
    /// The literal.
    pub literal: &'a str,
    /// Its octets in the text.
    pub at: Range<usize>,
}

/// Reads a condition, or says what is wrong first.
pub fn parse(text: &str) -> Result<Condition, Slip> {
    let words = words(text)?;
    let mut reader = Reader { words: &words, next: 0, end: text.len(), depth: 0 };
    let root = reader.any()?;
    match reader.peek() {
        None => Ok(Condition { root }),
        Some(word) => Err(slip(
            word.at.clone(),
            format!("`{}` is one word too many", word.text),
            "join conditions with `and` or `or`",
        )),
    }
}

impl Condition {
    /// Whether it holds. A name that `lookup` does not know is empty text.
    pub fn holds(&self, lookup: &dyn Fn(&Name) -> Option<String>) -> bool {
        self.root.holds(lookup)
    }

    /// Every name in it with its octets in the text.
    pub fn names(&self) -> Vec<(&Name, Range<usize>)> {
        let mut names = Vec::new();
        self.root.visit(&mut |node| {
            let (left, right) = match node {
                Node::Yes(term) => (Some(term), &[][..]),
                Node::Holds(left, _, right) => (Some(left), right.as_slice()),
                _ => (None, &[][..]),
            };
            for term in left.into_iter().chain(right) {
                if let What::Name(name) = &term.what {
                    names.push((name, term.at.clone()));
                }
            }
        });
        names
    }

    /// Names that stand alone and so must be `yes`.
    pub fn alone(&self) -> Vec<(&Name, Range<usize>)> {
        let mut names = Vec::new();
        self.root.visit(&mut |node| {
            if let Node::Yes(Term { what: What::Name(name), at }) = node {
                names.push((name, at.clone()));
            }
        });
        names
    }

    /// Literals that are held against names for being the same.
    pub fn comparisons(&self) -> Vec<Comparison<'_>> {
        let mut found = Vec::new();
        self.root.visit(&mut |node| {
            let Node::Holds(left, relation, right) = node else { return };
            if !matches!(relation, Relation::Equal | Relation::Unequal | Relation::In | Relation::Has) {
                return;
            }
            for term in right {
                match (&left.what, &term.what) {
                    (What::Name(name), What::Literal(literal)) => {
                        found.push(Comparison { name, literal, at: term.at.clone() });
                    }
                    (What::Literal(literal), What::Name(name)) => {
                        found.push(Comparison { name, literal, at: left.at.clone() });
                    }
                    _ => {}
                }
            }
        });
        found
    }
}

impl Node {
    fn visit<'a>(&'a self, look: &mut dyn FnMut(&'a Node)) {
        look(self);
        match self {
            Node::Any(nodes) | Node::All(nodes) => nodes.iter().for_each(|node| node.visit(look)),
            Node::Not(node) => node.visit(look),
            Node::Yes(_) | Node::Holds(..) => {}
        }
    }

    fn holds(&self, lookup: &dyn Fn(&Name) -> Option<String>) -> bool {
        let value = |term: &Term| match &term.what {
            What::Name(name) => lookup(name).unwrap_or_default(),
            What::Literal(text) => text.clone(),
        };
        match self {
            Node::Any(nodes) => nodes.iter().any(|node| node.holds(lookup)),
            Node::All(nodes) => nodes.iter().all(|node| node.holds(lookup)),
            Node::Not(node) => !node.holds(lookup),
            Node::Yes(term) => value(term) == "yes",
            Node::Holds(left, relation, right) => {
                let left = value(left);
                right.iter().any(|right| relate(&left, *relation, &value(right)))
            }
        }
    }
}

fn relate(left: &str, relation: Relation, right: &str) -> bool {
    use std::cmp::Ordering;
    let ordering = order(left, right);
    let same = left == right || ordering == Some(Ordering::Equal);
    match relation {
        Relation::Equal | Relation::In => same,
        Relation::Unequal => !same,
        Relation::Less => ordering == Some(Ordering::Less),
        Relation::LessOrEqual => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
        Relation::Greater => ordering == Some(Ordering::Greater),
        Relation::GreaterOrEqual => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
        Relation::Has => left.split(',').any(|one| one == right),
        Relation::Within => match (address_of(left), right.parse::<Network>()) {
            (Some(address), Ok(network)) => network.has(address),
            _ => false,
        },
    }
}

/// The address of `10.0.0.5` or `10.0.0.5/24`.
fn address_of(text: &str) -> Option<IpAddr> {
    text.split('/').next()?.parse().ok()
}

/// Numbers and sizes by what they count, addresses of one family by their place; anything else has no order.
fn order(left: &str, right: &str) -> Option<std::cmp::Ordering> {
    if let (Ok(left), Ok(right)) = (size::read(left), size::read(right)) {
        return Some(left.cmp(&right));
    }
    match (left.parse::<IpAddr>().ok()?, right.parse::<IpAddr>().ok()?) {
        (IpAddr::V4(left), IpAddr::V4(right)) => Some(left.cmp(&right)),
        (IpAddr::V6(left), IpAddr::V6(right)) => Some(left.cmp(&right)),
        _ => None,
    }
}

fn slip(at: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Slip {
    Slip { at, message: message.into(), hint: hint.into() }
}

struct Word<'a> {
    text: &'a str,
    /// Between quotes.
    is_quoted: bool,
    at: Range<usize>,
}

/// Signs that stand for themselves, the longer first.
const SIGNS: &[&str] = &["==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ","];

fn words(text: &str) -> Result<Vec<Word<'_>>, Slip> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if matches!(first, '"' | '\'') {
            let Some(length) = rest[1..].find(first) else {
                return Err(slip(at..text.len(), "the quote is not closed", "close it where the text ends"));
            };
            words.push(Word { text: &rest[1..1 + length], is_quoted: true, at: at..at + length + 2 });
            at += length + 2;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            words.push(Word { text: &rest[..sign.len()], is_quoted: false, at: at..at + sign.len() });
            at += sign.len();
        } else {
            let ends = |c: char| c.is_whitespace() || "\"'=!<>()[],".contains(c);
            let length = rest.find(ends).filter(|length| *length > 0).unwrap_or(match rest.find(ends) {
                Some(_) => first.len_utf8(),
                None => rest.len(),
            });
            words.push(Word { text: &rest[..length], is_quoted: false, at: at..at + length });
            at += length;
        }
    }
    Ok(words)
}

struct Reader<'w, 'a> {
    words: &'w [Word<'a>],
    next: usize,
    end: usize,
    depth: usize,
}

impl<'w, 'a> Reader<'w, 'a> {
    fn peek(&self) -> Option<&'w Word<'a>> {
        self.words.get(self.next)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.peek().is_some_and(|word| !word.is_quoted && word.text == text);
        self.next += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Node, Slip> {
        let mut nodes = vec![self.all()?];
        while self.take("or") {
            nodes.push(self.all()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Any(nodes) })
    }

    fn all(&mut self) -> Result<Node, Slip> {
        let mut nodes = vec![self.one()?];
        while self.take("and") {
            nodes.push(self.one()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::All(nodes) })
    }

    fn one(&mut self) -> Result<Node, Slip> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let at = self.peek().map_or(self.end..self.end, |word| word.at.clone());
            return Err(slip(
                at,
                "this is nested too deeply",
                "write two rules, or one condition more simply",
            ));
        }
        let node = if self.take("not") {
            Node::Not(Box::new(self.one()?))
        } else if self.take("(") {
            let inner = self.any()?;
            self.close(")")?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn close(&mut self, sign: &str) -> Result<(), Slip> {
        if self.take(sign) {
            return Ok(());
        }
        let at = self.peek().map_or(self.end..self.end, |word| word.at.clone());
        Err(slip(at, format!("a `{sign}` is missing here"), format!("close it with `{sign}`")))
    }

    fn comparison(&mut self) -> Result<Node, Slip> {
        let left = self.term()?;
        let Some(word) = self.peek() else { return alone(left) };
        let relation = match word.text {
            _ if word.is_quoted => return alone(left),
            "==" => Relation::Equal,
            "!=" => Relation::Unequal,
            "<" => Relation::Less,
            "<=" => Relation::LessOrEqual,
            ">" => Relation::Greater,
            ">=" => Relation::GreaterOrEqual,
            "in" => Relation::In,
            "has" => Relation::Has,
            "within" => Relation::Within,
            "=" => {
                return Err(slip(word.at.clone(), "`=` compares nothing", "`==`"));
            }
            _ => return alone(left),
        };
        self.next += 1;
        if relation != Relation::In {
            return Ok(Node::Holds(left, relation, vec![self.term()?]));
        }
        let at = self.peek().map_or(self.end..self.end, |word| word.at.clone());
        if !self.take("[") {
            return Err(slip(at, "`in` is followed by a list", r#"`answer.site in ["lab", "oslo"]`"#));
        }
        let mut list = vec![self.term()?];
        while self.take(",") {
            list.push(self.term()?);
        }
        self.close("]")?;
        Ok(Node::Holds(left, relation, list))
    }

    fn term(&mut self) -> Result<Term, Slip> {
        let Some(word) = self.peek() else {
            return Err(slip(self.end..self.end, "the condition ends too early", EXAMPLE));
        };
        self.next += 1;
        let at = word.at.clone();
        let what = if word.is_quoted || word.text.starts_with(|c: char| c.is_ascii_digit()) {
            What::Literal(word.text.to_owned())
        } else if word.text.contains('.') {
            match template::name(word.text) {
                Ok(name) => What::Name(name),
                Err((message, hint)) => return Err(slip(at, message, hint)),
            }
        } else {
            let message = format!("`{}` names nothing", word.text);
            let text = word.text.replace(['\\', '`'], "");
            let hint = if text.chars().all(char::is_alphanumeric) {
                format!("text stands in quotes, `\"{text}\"`; an answer is named `answer.{text}`")
            } else {
                EXAMPLE.to_owned()
            };
            return Err(slip(at, message, hint));
        };
        Ok(Term { what, at })
    }
}

const EXAMPLE: &str = r#"for example `answer.site == "lab" and box.disks >= 2`"#;

fn alone(term: Term) -> Result<Node, Slip> {
    match term.what {
        What::Name(_) => Ok(Node::Yes(term)),
        What::Literal(_) => Err(slip(term.at, "this is compared with nothing", EXAMPLE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Fact;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn lookup(name: &Name) -> Option<String> {
        let known = [
            ("site", "lab"),
            ("raid", "yes"),
            ("roles", "web,db"),
            ("first", "10.0.0.9"),
            ("last", "10.0.0.10"),
            ("net", "10.0.0.0/24"),
            ("count", "12"),
        ];
        match name {
            Name::Answer(id) => {
                known.iter().find(|(known, _)| known == id).map(|(_, text)| (*text).to_owned())
            }
            Name::Box(Fact::Disks) => Some("2".into()),
            Name::Box(Fact::Memory) => Some((16_u64 << 30).to_string()),
            Name::Box(_) => None,
        }
    }

    #[track_caller]
    fn holds(text: &str) -> bool {
        parse(text).unwrap().holds(&lookup)
    }

    /// A question that is asked on the wrong boxes, or not on the right ones, is found when they come back.
    #[test]
    fn conditions_hold_or_not() {
        for text in [
            r#"answer.site == "lab""#,
            r#"answer.site in ["oslo", "lab"]"#,
            "answer.raid and box.disks >= 2",
            "box.memory >= 8GiB and box.memory < 17GiB",
            r#"answer.roles has "db" and not answer.roles has "mail""#,
            "answer.first < answer.last",
            "answer.first within answer.net",
            r#"answer.site == "oslo" or answer.count == 012"#,
            r#"(answer.site == "oslo" or answer.raid) and answer.count > 9"#,
            r#"answer.nothing == """#,
        ] {
            assert!(holds(text), "{text}");
        }
        for text in [
            r#"answer.site != "lab""#,
            "answer.nothing",
            "answer.last within 10.1.0.0/16",
            "answer.site < answer.count",
            "answer.first < fe80::1.x",
            r#"answer.site == "oslo" or answer.raid and box.disks > 2"#,
        ] {
            assert!(!parse(text).is_ok_and(|condition| condition.holds(&lookup)), "{text}");
        }
    }

    #[track_caller]
    fn refuse(text: &str, expected: Expect) {
        let slip = parse(text).unwrap_err();
        expected.assert_eq(&format!("{:?} {}\n{}", slip.at, slip.message, slip.hint));
    }

    /// Who writes a line reads what would be right.
    #[test]
    fn slips_are_explained() {
        refuse(
            "answer.site == lab",
            expect![[r#"
                15..18 `lab` names nothing
                text stands in quotes, `"lab"`; an answer is named `answer.lab`"#]],
        );
        refuse(
            r#"answer.site = "lab""#,
            expect![[r#"
                12..13 `=` compares nothing
                `==`"#]],
        );
        refuse(
            "box.disk > 1",
            expect![[r#"
                0..8 a box has no `disk`
                `box.disks`"#]],
        );
        refuse(
            "answer.a and",
            expect![[r#"
                12..12 the condition ends too early
                for example `answer.site == "lab" and box.disks >= 2`"#]],
        );
        refuse(
            "(answer.a",
            expect![[r#"
                9..9 a `)` is missing here
                close it with `)`"#]],
        );
        refuse(
            "answer.a answer.b",
            expect![[r#"
                9..17 `answer.b` is one word too many
                join conditions with `and` or `or`"#]],
        );
        refuse(
            r#"answer.a in "x""#,
            expect![[r#"
                12..15 `in` is followed by a list
                `answer.site in ["lab", "oslo"]`"#]],
        );
        refuse(
            r#""lab""#,
            expect![[r#"
                0..5 this is compared with nothing
                for example `answer.site == "lab" and box.disks >= 2`"#]],
        );
        refuse(
            r#"answer.a == "b"#,
            expect![[r#"
                12..14 the quote is not closed
                close it where the text ends"#]],
        );
    }

    proptest! {
        /// A condition is text that somebody wrote: reading it ends, and its slips lie in it.
        #[test]
        fn any_text_is_read_without_panic(
            text in "([()\\[\\]<>=!,\"' .ä\\PC]|answer\\.a|box\\.disks| and | or |not |in|has|1){0,60}"
        ) {
            match parse(&text) {
                Ok(condition) => { condition.holds(&|_| Some("1".into())); },
                Err(slip) => prop_assert!(text.get(slip.at).is_some()),
            }
        }
    }
}
