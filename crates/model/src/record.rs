//! The record: what was done to a finished box, as the server keeps it. Secrets are not in here.

use crate::hardware::Inventory;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::mac::Mac;

/// The birth certificate of one box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// The box, by the MAC of its boot NIC.
    #[serde(rename = "box")]
    pub of: Mac,
    /// Name of the line.
    pub line: String,
    /// Host name of the unit.
    pub hostname: String,
    /// Build id of the agent that did it.
    pub build: String,
    /// Names the build of the live OS.
    pub live: String,
    /// SHA-256 of `line.lock`, hex.
    pub lock: String,
    /// SHA-256 of the image as served, hex.
    pub image: String,
    /// Answers by question id, without those to password questions.
    pub answers: BTreeMap<String, String>,
    /// What the box is made of, serial numbers included.
    pub hardware: Inventory,
    /// The plan as it was confirmed.
    pub plan: String,
    /// Who confirmed it: `ttyS0`, `api`, `auto`.
    pub confirmed_by: String,
    /// The steps as they went.
    pub steps: Vec<StepRecord>,
    /// What was read back from the disks.
    pub read_back: ReadBack,
    /// What went wrong without stopping the work, a sentence each.
    pub remarks: Vec<String>,
}

/// One step as it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its line in the plan.
    pub title: String,
    /// How long it took.
    pub millis: u64,
}

/// What was read back from the disks and found equal to what was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ReadBack {
    /// Files compared.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// SHA-256 over `DIGEST  PATH\n` of all of them in the order of their paths, hex.
    pub sha256: String,
}
