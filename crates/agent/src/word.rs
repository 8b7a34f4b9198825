//! What a worker tells PID 1 over its standard output, one JSON object a line. PID 1 shows it; it decides
//! nothing by it but when to start the controller.

use model::ladder::Rung;
use model::timeline::Trouble;
use serde::{Deserialize, Serialize};

/// One word of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "kebab-case")]
pub(crate) enum Word {
    /// A line for the screen.
    Progress {
        /// The line.
        line: String,
    },
    /// A rung is reached.
    Reached {
        /// Which.
        rung: Rung,
        /// One line more.
        detail: String,
    },
    /// Something is wrong; the worker keeps trying.
    Trouble {
        /// What.
        trouble: Trouble,
    },
    /// A trouble is over.
    TroubleOver {
        /// Id of its cause.
        cause: String,
    },
    /// The live OS's root stands at [`crate::init::root::ROOT`]: the controller can start.
    RootStands,
}
