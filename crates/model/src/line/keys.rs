//! Every key of `line.toml` and of a recipe: what may stand there, what it says, what its absence means.
//!
//! The reader refuses what is not in here, and the guide's reference is printed from it.

mod appliance;
mod burn_in;
mod disk;
mod live;
mod network;
mod question;
mod recipe;

pub(super) use question::QUESTION_TYPES;

use crate::sheet::table::Need::{May, Must};
use crate::sheet::table::{Key, Kind, Need, Table};
use appliance::APPLIANCE;
use burn_in::BURN_IN;
use live::{HARDWARE, LIVE};
use network::NETWORK;
use question::{ANSWERS, QUESTION, RULE};
use recipe::RECIPE;

const fn key(name: &'static str, kind: Kind, need: Need, example: &'static str, says: &'static str) -> Key {
    Key { name, kind, need, says, example }
}

/// `line.toml`.
pub const LINE_FILE: Table = Table {
    name: "line.toml",
    says: "A line: the network it is on, the system that boxes boot, what they are asked, what is installed.",
    keys: &[&[
        key("line", Kind::Table(&LINE), Must, "", "What the line is called."),
        key("network", Kind::Table(&NETWORK), Must, "", "The build network."),
        key("live", Kind::Table(&LIVE), Must, "", "The system that boxes boot."),
        key(
            "hardware",
            Kind::Table(&HARDWARE),
            May("the profiles in `hardware/` are what it must boot"),
            "",
            "The servers that the live OS must boot.",
        ),
        key("question", Kind::Tables(&QUESTION), May("nothing is asked"), "", "What is asked, in order."),
        key(
            "rule",
            Kind::Tables(&RULE),
            May("each answer is checked alone"),
            "",
            "What answers must be together.",
        ),
        key(
            "answers",
            Kind::Table(&ANSWERS),
            May("none are known beforehand"),
            "",
            "Answers known beforehand.",
        ),
        key(
            "burn-in",
            Kind::Table(&BURN_IN),
            May("boxes are not tested"),
            "",
            "What a box is tested by before anything is written to it.",
        ),
        key("appliance", Kind::Table(&APPLIANCE), Must, "", "What is installed."),
        key(
            "rehearsal",
            Kind::Table(&REHEARSAL),
            May("answers have to be typed"),
            "",
            "How virtual boxes of this line are answered and judged.",
        ),
    ]],
};

/// `appliance.toml`, or whatever `image = { recipe = … }` names.
pub const RECIPE_FILE: Table =
    Table { name: "the recipe", says: "What an appliance's image is built from.", keys: &[RECIPE] };

const LINE: Table = Table {
    name: "[line]",
    says: "What the line is called.",
    keys: &[&[key(
        "name",
        Kind::Text,
        Must,
        r#""edge-gateway""#,
        "Letters, digits and dashes; it names files and shows on every screen.",
    )]],
};

const REHEARSAL: Table = Table {
    name: "[rehearsal]",
    says: "How virtual boxes of this line are answered and judged. These answers are test values: a password stands here in the clear.",
    keys: &[&[
        key(
            "answers",
            Kind::Map,
            May("answers have to be typed"),
            r#"{ hostname = "edge-0001", site = "lab" }"#,
            "An answer for each question, by its id.",
        ),
        key(
            "ready",
            Kind::Text,
            May("a login prompt"),
            r#""APPLIANCE READY {{ answer.hostname }}""#,
            "What the finished appliance prints on its serial console; a template.",
        ),
    ]],
};
