//! Profiles that come with the program: common servers with the network adapters and disk controllers that their
//! makers sell with them.
//!
//! A server has one or two of each; a live OS that covers a profile boots it in any of these configurations. Every
//! id is in pci.ids and fits a driver of Debian's kernels, which tests hold them to; each says where it is from.

use super::{Profile, written};
use crate::failure::Result;
use crate::mistake::nearest;

/// A profile that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// What it is called: `dell-r740`.
    pub name: &'static str,
    /// Its text, as a line would have it in `hardware/`.
    pub text: &'static str,
}

macro_rules! shipped {
    ($name:literal) => {
        Shipped { name: $name, text: include_str!(concat!("shipped/", $name, ".toml")) }
    };
}

/// All of them, by name.
pub const ALL: &[Shipped] = &[
    shipped!("cisco-c220-m3"),
    shipped!("cisco-c220-m4"),
    shipped!("cisco-c220-m5"),
    shipped!("cisco-c220-m6"),
    shipped!("cisco-c240-m4"),
    shipped!("cisco-c240-m5"),
    shipped!("dell-r240"),
    shipped!("dell-r410"),
    shipped!("dell-r430"),
    shipped!("dell-r440"),
    shipped!("dell-r610"),
    shipped!("dell-r620"),
    shipped!("dell-r630"),
    shipped!("dell-r640"),
    shipped!("dell-r650"),
    shipped!("dell-r6515"),
    shipped!("dell-r6525"),
    shipped!("dell-r660"),
    shipped!("dell-r710"),
    shipped!("dell-r720"),
    shipped!("dell-r730"),
    shipped!("dell-r740"),
    shipped!("dell-r750"),
    shipped!("dell-r7515"),
    shipped!("dell-r7525"),
    shipped!("dell-r760"),
    shipped!("fujitsu-rx2530-m1"),
    shipped!("fujitsu-rx2530-m4"),
    shipped!("fujitsu-rx2540-m1"),
    shipped!("fujitsu-rx2540-m5"),
    shipped!("fujitsu-rx300-s6"),
    shipped!("fujitsu-rx300-s8"),
    shipped!("hpe-dl325-gen10"),
    shipped!("hpe-dl360-g7"),
    shipped!("hpe-dl360-gen10"),
    shipped!("hpe-dl360-gen9"),
    shipped!("hpe-dl360p-gen8"),
    shipped!("hpe-dl380-g7"),
    shipped!("hpe-dl380-gen10"),
    shipped!("hpe-dl380-gen10-plus"),
    shipped!("hpe-dl380-gen9"),
    shipped!("hpe-dl380p-gen8"),
    shipped!("ibm-x3550-m4"),
    shipped!("ibm-x3650-m4"),
    shipped!("lenovo-sr630"),
    shipped!("lenovo-sr630-v2"),
    shipped!("lenovo-sr650"),
    shipped!("lenovo-sr650-v2"),
    shipped!("lenovo-sr650-v3"),
    shipped!("lenovo-x3650-m5"),
    shipped!("supermicro-h12ssl-i"),
    shipped!("supermicro-x10drw-i"),
    shipped!("supermicro-x11dpi-nt"),
    shipped!("supermicro-x11ssl-f"),
    shipped!("supermicro-x12dpi-nt6"),
    shipped!("supermicro-x9drw"),
    shipped!("supermicro-x9scm-f"),
];

impl Shipped {
    /// Reads it.
    pub fn profile(&self) -> Result<Profile> {
        written::read(&format!("{}.toml", self.name), self.text)
    }
}

/// The one of this name.
pub fn find(name: &str) -> Option<&'static Shipped> {
    ALL.iter().find(|shipped| shipped.name == name)
}

/// The name most like this one, for who mistyped it.
pub fn near(name: &str) -> Option<&'static str> {
    nearest(name, ALL.iter().map(|shipped| shipped.name))
}
