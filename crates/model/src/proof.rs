//! The proof: a live OS held against hardware: covered, or what is missing and where to get it.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the proof needs to know of a live OS and of the suite it was built from. Module names are written
/// with underscores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveOs {
    /// Kernel release: `6.1.0-49-amd64`.
    pub release: String,
    /// The kernel's package: `linux-image-amd64`.
    pub kernel: String,
    /// Drivers built into the kernel.
    pub builtin: BTreeSet<String>,
    /// Modules in the initrd, closure included.
    pub initrd: BTreeSet<String>,
    /// Modules in the root.
    pub root: BTreeSet<String>,
    /// Which module fits which modalias pattern, over *all* kernels of the suite: patterns by module.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// Which kernel packages of the suite have a module: packages by module.
    pub packages: BTreeMap<String, Vec<String>>,
    /// Firmware files a module may ask for.
    pub firmware: BTreeMap<String, Vec<String>>,
    /// Firmware files in the initrd.
    pub initrd_firmware: BTreeSet<String>,
    /// Firmware files in the root.
    pub root_firmware: BTreeSet<String>,
}
