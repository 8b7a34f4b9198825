//! `bootworks explain`: the catalogue's page on a cause, or the list of all of them.

use crate::{Ending, report};
use model::catalogue::{self, Cause, Stage, page};
use model::columns::{WIDTH, cut, wrapped};
use model::failure::{Failure, Result};

/// Arguments of `explain`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The cause's id, as `bootworks diagnose` names it; without it all of them are listed
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Print JSON: one object, or one a line
    #[arg(long)]
    json: bool,
}

/// `bootworks explain [ID]`.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    let pages = match &arguments.id {
        Some(id) => vec![find(id)?],
        None => catalogue::all().collect(),
    };
    if arguments.json {
        pages.iter().for_each(|(stage, cause)| report::say(&json(*stage, cause).to_string()));
    } else if arguments.id.is_some() {
        pages.iter().flat_map(|(stage, cause)| text(*stage, cause)).for_each(|line| report::say(&line));
    } else {
        list().iter().for_each(|line| report::say(line));
    }
    Ok(Ending::Well)
}

fn find(id: &str) -> Result<(Stage, &'static Cause)> {
    catalogue::find(id).ok_or_else(|| {
        let shown: String = id.chars().filter(|letter| !letter.is_control()).take(60).collect();
        let failure = Failure::new(format!("no cause is called `{shown}`"));
        match catalogue::nearest(id).as_slice() {
            [] => failure.hint("`bootworks explain` lists all causes"),
            near => failure.hint(format!("did you mean {}", near.join(", "))),
        }
    })
}

fn text(stage: Stage, cause: &Cause) -> Vec<String> {
    let indented = |line: &str| {
        let text = line.trim_start();
        let number = text.find(". ").filter(|at| text[..*at].bytes().all(|octet| octet.is_ascii_digit()));
        let head = number.map_or(0, |at| at + 2) + line.len() - text.len();
        wrapped(&line[..head], &line[head..])
    };
    page::lines(stage, cause).iter().flat_map(|line| indented(line)).collect()
}

/// All ids, by stage, each with the beginning of its sentence.
fn list() -> Vec<String> {
    let mut lines = Vec::new();
    for stage in Stage::ALL.into_iter().filter(|stage| stage.causes().next().is_some()) {
        lines.push(format!("{} ({})", stage.label(), stage.id()));
        let causes = stage.causes();
        lines.extend(causes.map(|cause| cut(&format!("  {:<31} {}", cause.id, cause.sentence), WIDTH)));
        lines.push(String::new());
    }
    lines.push("`bootworks explain ID` shows how to recognise a cause and what to do".into());
    lines
}

fn json(stage: Stage, cause: &Cause) -> serde_json::Value {
    serde_json::json!({
        "id": cause.id,
        "stage": stage.id(),
        "sentence": cause.sentence,
        "signs": cause.signs().map(|sign| sign.line.text()).collect::<Vec<_>>(),
        "fix": cause.fixes.iter().map(catalogue::Fix::words).collect::<Vec<_>>(),
        "hides": cause.hides,
        "decide": cause.decide,
        "sources": cause.sources,
    })
}
