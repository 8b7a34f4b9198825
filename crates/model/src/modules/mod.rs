//! Kernel modules: which driver fits a device, where it lies, what has to be loaded before it.
//!
//! ```text
//! modalias ──pattern──▶ alias ──▶ module ──dependency──▶ paths in load order
//!                         ▲                    ▲
//!                         └──── tree ◀── modinfo (the modules themselves), index (modules.builtin …)
//! ```
//!
//! `alias` and `dependency` are all that PID 1 needs; `tree` and below are for who builds and proves.

pub mod alias;
pub mod dependency;

pub mod change;
pub mod choice;
pub mod exports;
pub mod fit;
pub mod index;
pub mod modinfo;
pub mod tree;
pub mod trie;

pub mod pattern;

use std::borrow::Cow;

/// A module's name as the kernel writes it: dashes are underscores, no folder, no `.ko`, no compression.
pub fn name(text: &str) -> Cow<'_, str> {
    let text = text.rsplit('/').next().unwrap_or(text);
    let text = match text.find(".ko") {
        Some(at) if [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].contains(&&text[at..]) => &text[..at],
        _ => text,
    };
    if text.contains('-') { Cow::Owned(text.replace('-', "_")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `nvme-core.ko`, `nvme_core` and `nvme-core` are one module: compared by bytes they would be three.
    #[test]
    fn every_spelling_is_the_same_module() {
        for (text, module) in [
            ("kernel/drivers/nvme/host/nvme-core.ko", "nvme_core"),
            ("kernel/drivers/nvme/host/nvme-core.ko.xz", "nvme_core"),
            ("snd-hda-intel", "snd_hda_intel"),
            ("tg3", "tg3"),
            ("a.kodak", "a.kodak"),
        ] {
            assert_eq!(name(text), module, "{text}");
        }
    }
}
