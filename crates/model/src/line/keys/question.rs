//! What is asked, and answers known beforehand.

use super::key;
use crate::sheet::table::Need::{May, Must};
use crate::sheet::table::{Kind, Table};

pub(super) const QUESTION: Table = Table {
    name: "[[question]]",
    says: "One question, asked on the box's console, in the browser, or answered by file.",
    keys: &[&[
        key(
            "id",
            Kind::Text,
            Must,
            r#""hostname""#,
            "How answers and templates name it: `{{ answer.hostname }}`.",
        ),
        key("ask", Kind::Text, Must, r#""Host name of this unit""#, "What is asked."),
        key(
            "type",
            Kind::Choice(QUESTION_TYPES),
            Must,
            r#""hostname""#,
            "What counts as an answer. A password is typed hidden and twice, and kept as a hash only; a passphrase (for `[[appliance.encrypted]]`) is never kept.",
        ),
        key(
            "choices",
            Kind::List,
            May("no choices"),
            r#"["lab", "berlin"]"#,
            "What can be chosen; of a `choice` and a `multi-choice`.",
        ),
        key(
            "min-length",
            Kind::Number,
            May("1"),
            "8",
            "Fewest characters; of a `password` and a `passphrase`.",
        ),
        key("min", Kind::Number, May("0"), "1", "Smallest `number`; fewest of a `multi-choice`."),
        key("max", Kind::Number, May("no limit"), "4094", "Largest `number`; most of a `multi-choice`."),
        key(
            "within",
            Kind::Text,
            May("any network"),
            r#""10.0.0.0/8""#,
            "The network that an `ip` or a `cidr` lies in.",
        ),
        key(
            "pattern",
            Kind::Text,
            May("only `asset-tag` can do without"),
            r#""[A-Z]{2}[0-9]{4}""#,
            "Regular expression that the whole answer fits; of a `pattern` and an `asset-tag`.",
        ),
        key(
            "example",
            Kind::Text,
            May("the pattern is shown instead"),
            r#""BE0042""#,
            "An answer that fits, shown to whoever types one that does not; of a `pattern`.",
        ),
        key(
            "default",
            Kind::Text,
            May("an answer has to be given"),
            r#""edge-{{ box.serial }}""#,
            "The answer that Enter takes; a template.",
        ),
        key(
            "when",
            Kind::Text,
            May("it is always asked"),
            r#"'answer.site != "lab" and box.disks >= 2'"#,
            "Condition under which it is asked, over the answers before it and the box.",
        ),
        key(
            "otherwise",
            Kind::Text,
            May("empty"),
            r#""none""#,
            "The answer where it is not asked, as templates and rules see it.",
        ),
    ]],
};

/// Every `type` of a question.
pub(in crate::line) const QUESTION_TYPES: &[&str] = &[
    "text",
    "hostname",
    "ip",
    "cidr",
    "mac",
    "number",
    "choice",
    "multi-choice",
    "yes-no",
    "password",
    "passphrase",
    "pattern",
    "asset-tag",
];

pub(super) const RULE: Table = Table {
    name: "[[rule]]",
    says: "What answers must be together, checked once all questions are answered; what does not fit is asked again.",
    keys: &[&[
        key(
            "require",
            Kind::Text,
            Must,
            r#""answer.gateway within answer.address""#,
            "The condition that must hold.",
        ),
        key(
            "say",
            Kind::Text,
            Must,
            r#""the gateway is not in the network of the address""#,
            "What is said where it does not.",
        ),
    ]],
};

pub(super) const ANSWERS: Table = Table {
    name: "[answers]",
    says: "Answers known before a box is there: a file with a row or a table for each, by serial number or MAC.",
    keys: &[&[key(
        "file",
        Kind::Text,
        Must,
        r#""boxes.csv""#,
        "The file's path in the line's folder: CSV where it is called so, else TOML.",
    )]],
};
