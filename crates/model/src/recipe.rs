//! Recipes: suite, mirrors, packages, files, scripts, from which a live OS or an image is built.

use serde::{Deserialize, Serialize};

/// What a system is built from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recipe {
    /// The distribution's name for the release: `bookworm`.
    pub suite: String,
    /// Archives; empty means what the host's apt configuration names for the suite.
    #[serde(default)]
    pub mirrors: Vec<Mirror>,
    /// Parts of the archive; empty means `main`.
    #[serde(default)]
    pub components: Vec<String>,
    /// Packages wanted besides the essential ones; what they depend on comes along.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Files of the line copied in.
    #[serde(default)]
    pub files: Vec<RecipeFile>,
    /// Programs of the line run in the finished root, in order.
    #[serde(default)]
    pub scripts: Vec<String>,
    /// systemd units enabled.
    #[serde(default)]
    pub enable: Vec<String>,
}

/// One archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mirror {
    /// Base address, as after `deb` in apt's sources.
    pub uri: String,
    /// Suites taken from it: `bookworm`, `bookworm-updates`.
    pub suites: Vec<String>,
    /// Keyring file that its InRelease is checked with; absent means the distribution's.
    #[serde(default)]
    pub signed_by: Option<String>,
}

/// A file of the line copied into the root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecipeFile {
    /// Path in the line's folder; a folder is copied whole.
    pub source: String,
    /// Absolute path in the root.
    pub path: String,
    /// Permission bits; absent means 0644, or 0755 where the source is executable.
    #[serde(default)]
    pub mode: Option<u32>,
}
