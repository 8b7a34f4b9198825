//! What the server and a box say to each other over HTTP: paths and bodies, in one place for both sides.
//!
//! Both programs come out of one build, so there is no version to negotiate; the build id travels in each
//! [`Report`] and a mismatch is an event.
//!
//! Answers that are secret go to whoever shows the session that stood in the box's boot script ([`SESSION_SCHEME`]).
//!
//! ```text
//! GET  /ipxe                          first script for iPXE: reads its settings, chains to /boot
//! GET  /boot?mac=&nic=&…              script for this box: starts the kernel, or says why not
//! GET  /live/DIGEST/kernel|initrd|root.squashfs
//! GET  /image/SHA256                  the appliance's image
//! GET  /package/SHA256                a package that is installed in it
//! POST /api/report                    Report → Orders                (the beacon)
//! GET  /api/boxes/MAC/job?serial=      Job                            (what the controller has to do)
//! POST /api/boxes/MAC/answers         {"id": "answer", …} → Verdict  (answers from outside the console)
//! POST /api/boxes/MAC/confirm         {} confirms the plan from outside the console
//! POST /api/boxes/MAC/install         {} lets a finished box be installed again when it boots next
//! PUT  /api/boxes/MAC/record          the record, as JSON
//! GET  /api/boxes                     [BoxState…]
//! GET  /api/boxes/MAC                 BoxState
//! GET  /api/boxes/MAC/timeline        [Entry…]
//! GET  /api/boxes/MAC/record          the record
//! ```

use crate::burn_in::Test;
use crate::line::{Confirm, Finish};
use crate::question::{Question, Rule};
use crate::raw::{ImageContent, ImageSignature};
use crate::storage::{DiskLayout, Stack};
use crate::timeline::Event;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::mac::Mac;

/// How a box shows its session, in the header `Authorization` of its reports and of its question for the job.
pub const SESSION_SCHEME: &str = "Bearer ";

/// The beacon: what a box tells, in order. Sent again until it is answered; `(boot, first)` tells repeats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The box, by the MAC of its boot NIC.
    #[serde(rename = "box")]
    pub of: Mac,
    /// The kernel's boot id (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// Number of the first event in this report, counting from 0 since this boot.
    pub first: u64,
    /// Build id of the agent.
    pub build: String,
    /// What happened.
    pub events: Vec<Event>,
}

/// What the server answers to a report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Orders {
    /// Answers given from outside the console since the job was fetched.
    pub answers: BTreeMap<String, String>,
    /// Whether the plan was confirmed from outside the console.
    pub confirmed: bool,
}

/// What the controller has to do on this box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Name of the line.
    pub line: String,
    /// What to ask.
    pub questions: Vec<Question>,
    /// What the answers must be together.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Answers known beforehand (rehearsal, API).
    pub answers: BTreeMap<String, String>,
    /// What to test the box by before anything is written to it, in order.
    #[serde(default)]
    pub burn_in: Vec<Test>,
    /// What to install.
    pub appliance: JobAppliance,
    /// Digests for the record: live OS, lock.
    pub live: String,
    /// SHA-256 of `line.lock`, hex.
    pub lock: String,
}

/// The appliance as the controller needs it: nothing left to look up on the server but the image's bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobAppliance {
    /// The image.
    pub image: JobImage,
    /// Who confirms the plan.
    pub confirm: Confirm,
    /// How the box is left when it is finished.
    #[serde(default)]
    pub finish: Finish,
    /// The disks to lay out.
    pub disks: Vec<DiskLayout>,
    /// What is stacked on their partitions.
    #[serde(default)]
    pub stack: Stack,
    /// Host name, a template over answers and facts.
    pub hostname: String,
    /// Users to create.
    pub users: Vec<User>,
    /// Files to write, contents being templates.
    pub files: Vec<TemplateFile>,
    /// Packages to install in it.
    #[serde(default)]
    pub debs: Vec<Deb>,
    /// Programs to run in it after that.
    #[serde(default)]
    pub scripts: Vec<Script>,
    /// Words for the appliance's kernel command line.
    pub kernel_arguments: String,
}

/// An image on the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobImage {
    /// SHA-256 of the file as served, hex; its path is `/image/SHA256`.
    pub sha256: String,
    /// Size of the file as served.
    pub bytes: u64,
    /// Sum of the sizes of the files in it; size of a raw image.
    pub unpacked_bytes: u64,
    /// What it is.
    #[serde(default)]
    pub content: ImageContent,
    /// Who must have signed it.
    #[serde(default)]
    pub signature: Option<ImageSignature>,
}

/// A user of the appliance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Template that gives a crypt(5) hash: `{{ answer.password }}`; without one the password is locked.
    #[serde(default)]
    pub password: Option<String>,
    /// Groups besides its own.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// A file written into the appliance after the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateFile {
    /// Absolute path in the appliance.
    pub path: String,
    /// Contents, a template over answers and facts.
    pub contents: String,
    /// Permission bits.
    pub mode: u32,
}

/// A Debian package on the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deb {
    /// The file's name.
    pub name: String,
    /// Its SHA-256, hex; its path is `/package/SHA256`.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// A program that is run in the appliance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// Its path in the line's folder, by which it is called.
    pub name: String,
    /// The program, with its `#!`.
    pub contents: String,
    /// How long it may take.
    pub seconds: u64,
}

/// Whether answers from outside were taken; for each one that was not, why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// Ids of the answers taken.
    pub taken: Vec<String>,
    /// Why an answer was not taken, by question id.
    pub refused: BTreeMap<String, String>,
}
