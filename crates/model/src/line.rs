//! The line: the folder that defines a factory line, as `line.toml` says it.

pub mod cloud_init;
pub mod keys;

mod appliance;
mod burn_in;
mod disks;
mod hardware;
mod network;
mod questions;
mod reader;
mod stack;

use crate::api::User;
use crate::boot::{OwnLoader, RootRoad};
use crate::burn_in::Test;
use crate::mistake::Mistakes;
use crate::proof::Exception;
use crate::question::{Question, Rule};
use crate::recipe::Recipe;
use crate::storage::{DiskLayout, Stack};
use cloud_init::CloudInit;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use wire::mac::Mac;

/// Name of the file that defines a line, in its folder.
pub const FILE: &str = "line.toml";

/// The line's folder, as far as `line.toml` refers to it. Paths are relative to it and have no `..`.
pub trait Folder {
    /// The text of a file; `None` where there is no such file.
    fn text(&self, path: &str) -> Option<String>;
    /// Whether there is a file or a folder of that name.
    fn has(&self, path: &str) -> bool;
}

/// Reads `line.toml` from its text, and from `folder` the recipes and templates that it names: the line, or
/// every mistake in all of them.
pub fn read(text: &str, folder: &dyn Folder) -> Result<Line, Mistakes> {
    reader::read(text, folder)
}

/// A line, checked: everything in it fits together.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name: letters, digits and dashes.
    pub name: String,
    /// The build network.
    pub network: Network,
    /// The system that boxes boot.
    pub live: Live,
    /// The servers that it must boot.
    pub hardware: Hardware,
    /// What is asked, in order.
    pub questions: Vec<Question>,
    /// What the answers must be together.
    pub rules: Vec<Rule>,
    /// Path, in the line's folder, of a file with answers for boxes.
    pub answers_file: Option<String>,
    /// What a box is tested by before that, in order.
    pub burn_in: Vec<Test>,
    /// What is installed.
    pub appliance: Appliance,
    /// How virtual boxes are answered and judged.
    pub rehearsal: Rehearsal,
}

/// The build network.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The server's interface on it; a rehearsal brings its own.
    pub interface: Option<String>,
    /// The server's address.
    pub address: Ipv4Addr,
    /// Prefix length of the network, 8 to 30.
    pub prefix: u8,
    /// Who leases addresses.
    pub dhcp: Dhcp,
    /// First and last address leased, both included; without meaning with [`Dhcp::Proxy`].
    pub range: (Ipv4Addr, Ipv4Addr),
    /// The router that boxes are told, if any.
    pub router: Option<Ipv4Addr>,
    /// Name servers that boxes are told, the best first.
    pub name_servers: Vec<Ipv4Addr>,
    /// Addresses kept for certain boxes.
    pub reservations: Vec<(Mac, Ipv4Addr)>,
    /// Networks behind relays.
    pub relayed: Vec<Relayed>,
    /// Network boot programs of the line's own.
    pub loaders: Vec<OwnLoader>,
}

/// A network behind a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// The relay's address on it, which is its router as well.
    pub address: Ipv4Addr,
    /// Prefix length.
    pub prefix: u8,
    /// First and last address leased there, both included.
    pub range: (Ipv4Addr, Ipv4Addr),
}

/// Who leases addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dhcp {
    /// We do.
    Full,
    /// Somebody else does; we only name the boot file.
    Proxy,
}

/// The system that boxes boot.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// What it is built from, without the kernel.
    pub recipe: Recipe,
    /// The kernel's package: `linux-image-amd64`.
    pub kernel: String,
    /// Which drivers its initrd has.
    pub drivers: Drivers,
    /// Modules that its initrd has besides.
    pub modules: Vec<String>,
    /// How its root gets to the box.
    pub root: RootRoad,
    /// More words for the kernel command line.
    pub kernel_arguments: String,
    /// What boxes boot instead whose boot NIC has no driver in this one; it has no fallback of its own.
    pub fallback: Option<Box<Live>>,
}

impl Live {
    /// What it is built from, kernel included.
    pub fn whole_recipe(&self) -> Recipe {
        let mut recipe = self.recipe.clone();
        recipe.packages.push(self.kernel.clone());
        recipe
    }
}

/// Which drivers an initrd has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drivers {
    /// Every wired NIC's and every disk controller's.
    All,
    /// Those that the line's hardware profiles ask for.
    Hardware,
}

/// The servers that the live OS must boot, besides the profiles in the line's `hardware/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// Names of profiles that come with the program.
    pub profiles: Vec<String>,
    /// Devices that the line does without.
    pub exceptions: Vec<Exception>,
}

/// What is installed.
#[derive(Clone, Debug, PartialEq)]
pub struct Appliance {
    /// Its content.
    pub image: ImageSource,
    /// Who confirms the plan.
    pub confirm: Confirm,
    /// How a finished box is left.
    pub finish: Finish,
    /// The disks to lay out.
    pub disks: Vec<DiskLayout>,
    /// What is stacked on their partitions.
    pub stack: Stack,
    /// Host name, a template; absent means `{{ answer.hostname }}`.
    pub hostname: String,
    /// Users to create.
    pub users: Vec<User>,
    /// Files written after the image; their contents are templates.
    pub files: Vec<ApplianceFile>,
    /// What cloud-init finds at the appliance's first start.
    pub cloud_init: Option<CloudInit>,
    /// Debian packages of the line installed in it, by their paths in the line's folder.
    pub debs: Vec<String>,
    /// Programs run in it after that, in order.
    pub scripts: Vec<ApplianceScript>,
    /// Words for the appliance's kernel command line.
    pub kernel_arguments: String,
}

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageSource {
    /// Built from this recipe (its file's path in the line, and what it says).
    Recipe {
        /// Path in the line's folder.
        path: String,
        /// What it says.
        recipe: Box<Recipe>,
    },
    /// Somebody's archive, image of a file system or a disk, or OCI image layout.
    File {
        /// Path in the line's folder.
        path: String,
        /// Its SHA-256, hex.
        sha256: String,
        /// Of an image of a whole disk: the number of the partition with the root, where that is not told by itself.
        root: Option<u32>,
        /// Who must have signed it.
        signed: Option<Signed>,
    },
}

/// A signature of an image, and the key that it must be by.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed {
    /// Path of the signature in the line's folder.
    pub signature: String,
    /// Path of the public key in the line's folder.
    pub key: String,
}

/// A template of the line and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplianceFile {
    /// Absolute path in the appliance.
    pub path: String,
    /// Path of the template in the line's folder.
    pub template: String,
    /// Permission bits.
    pub mode: u32,
}

/// A program of the line that is run in the appliance.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplianceScript {
    /// Its path in the line's folder.
    pub path: String,
    /// How long it may take.
    pub seconds: u64,
}

/// Who confirms the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confirm {
    /// A person, on the console or over the API.
    Ask,
    /// Nobody: the plan is shown and carried out.
    Auto,
}

/// How a finished box is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// Switched off, ready to be packed.
    #[default]
    PowerOff,
    /// Started over, from its disk where the firmware has that first.
    Reboot,
    /// Left on, until a person types what to do.
    StayOn,
}

/// How virtual boxes of the line are answered and judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rehearsal {
    /// Answers by question id.
    pub answers: BTreeMap<String, String>,
    /// What the finished appliance prints on its console; a template.
    pub ready: Option<String>,
}

#[cfg(test)]
mod image_tests;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod stack_tests;
#[cfg(test)]
mod tests;
