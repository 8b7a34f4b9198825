//! What a build leaves behind: `LINE/.build/outputs.json` names every file that serving a line needs.

use crate::proof::memory::StartMemory;
use crate::raw::{ImageContent, ImageSignature};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Folder of the outputs in the line.
pub const FOLDER: &str = ".build";
/// Name of the list in that folder.
pub const LIST: &str = "outputs.json";

/// Everything a build made; paths are relative to the folder of the outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outputs {
    /// Name of the line.
    pub line: String,
    /// Build id of the program that made it.
    pub build: String,
    /// SHA-256 of `line.lock`, hex.
    pub lock: String,
    /// The live OS.
    pub live: LiveOutputs,
    /// The live OS that boxes boot instead whose boot NIC has no driver in `live`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<LiveOutputs>,
    /// The appliance's image.
    pub image: OutputFile,
    /// Sum of the sizes of the files in the image; size of a raw image.
    pub image_unpacked_bytes: u64,
    /// What the image is.
    #[serde(default)]
    pub image_content: ImageContent,
    /// The image's signature, where boxes check it.
    #[serde(default)]
    pub image_signature: Option<ImageSignature>,
    /// iPXE for BIOS (`undionly.kpxe`).
    pub loader_bios: OutputFile,
    /// iPXE for UEFI x64 (`ipxe.efi`).
    pub loader_efi: OutputFile,
    /// iPXE as a CD image (`ipxe.iso`), for boxes whose NIC has no boot ROM.
    pub loader_cd: OutputFile,
    /// Bills of materials (CycloneDX), by what they are of: `root`, `initrd`, `image`, `loaders`.
    #[serde(default)]
    pub boms: BTreeMap<String, OutputFile>,
}

impl Outputs {
    /// The live OS and its fallback.
    pub fn live_systems(&self) -> impl Iterator<Item = &LiveOutputs> {
        std::iter::once(&self.live).chain(&self.fallback)
    }
}

/// A live OS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveOutputs {
    /// Names this build of the live OS: SHA-256 over kernel, initrd and root, hex, first 16 digits.
    pub digest: String,
    /// Kernel release: `6.1.0-49-amd64`.
    pub release: String,
    /// The kernel.
    pub kernel: OutputFile,
    /// The initrd.
    pub initrd: OutputFile,
    /// The root as squashfs.
    pub squashfs: OutputFile,
    /// The root as a tree of files.
    pub tree: String,
    /// What the proof needs to know of it: `proof::LiveOs` as JSON.
    pub drivers: OutputFile,
    /// What of it is in memory when it starts.
    #[serde(default)]
    pub memory: StartMemory,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    /// Path relative to the folder of the outputs.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
}
