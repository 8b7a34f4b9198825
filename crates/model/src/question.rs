//! Questions of the line and what counts as an answer.

use serde::{Deserialize, Serialize};

/// A question, asked on the console, over the API or answered from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// How answers and templates name it: `hostname`.
    pub id: String,
    /// What is asked.
    pub ask: String,
    /// What counts as an answer.
    #[serde(flatten)]
    pub kind: Kind,
    /// Template for the answer that Enter takes: `edge-{{ box.serial }}`.
    #[serde(default)]
    pub default: Option<String>,
}

/// What counts as an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Kind {
    /// Any line of printable characters.
    Text,
    /// A host name (RFC 1123 §2.1): labels of letters, digits and dashes.
    Hostname,
    /// One of these.
    Choice {
        /// What can be chosen, in the order shown.
        choices: Vec<String>,
    },
    /// Typed hidden and twice; kept as a crypt(5) hash and nowhere else.
    Password {
        /// Fewest characters.
        #[serde(rename = "min-length", default)]
        min_length: usize,
    },
    /// Yes or no; the answer is `yes` or `no`.
    YesNo,
}
