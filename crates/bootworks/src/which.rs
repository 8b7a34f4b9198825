//! `bootworks which`: the package that has a module, the driver of a device or a firmware file, and whether the line
//! has it. The answer is `model::suite`'s.

use crate::build::store::Store;
use crate::build::suite;
use crate::{Ending, line_folder, pci_names, report};
use model::failure::{Explain as _, Result};
use std::path::PathBuf;

/// Arguments of `which`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A kernel module (tg3), a firmware file (tigon/tg3.bin), a PCI id (14e4:165f) or a modalias
    #[arg(value_name = "MODULE|FIRMWARE|PCI-ID|MODALIAS")]
    query: String,
    /// The line's folder: its lock says which packages the suite has
    #[arg(default_value = ".", value_name = "LINE")]
    line: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// `bootworks which`: exit code 1 where no package has it.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    let line = line_folder::open(&arguments.line)?;
    let suite = suite::suite(&line, &Store::open()?)?;
    let answer = suite.answer(&arguments.query);
    if arguments.json {
        report::say(&serde_json::to_string(&answer).or_fail(|| "cannot write JSON".into())?);
    } else {
        let id = arguments.query.parse().ok().or_else(|| model::proof::pci_id(&arguments.query));
        answer.text(id.and_then(pci_names::of).as_deref()).iter().for_each(|line| report::say(line));
    }
    Ok(if answer.is_found() { Ending::Well } else { Ending::No })
}
