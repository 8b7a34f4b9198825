//! The catalogue of causes: why network boots and installations fail, one definition a cause, one file a
//! stage of the way, or several where a stage has many. What is said on screens, in `bootworks explain` and in the guide is printed from it.
//!
//! How a log is read for them is `diagnosis`'s; there the words `{…}` of a sign are explained too.

pub mod machine;
pub mod rom;

pub mod grub;
pub mod ipxe;
pub mod web;

pub mod console;
pub mod hw;
pub mod kernel;

pub mod address;
pub mod driver;
pub mod link;

pub mod fetch;
pub mod nfs;

pub mod liveos;

pub mod bootloader;
pub mod image;
pub mod installer;
pub mod network_disk;
pub mod storage;

pub mod burn_in;

pub mod firstboot;

mod messages;
pub mod page;

use serde::Serialize;

/// Where on the way from power-on to the first boot from disk a cause stops a box, in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The firmware's PXE ROM or UEFI network stack.
    Rom,
    /// iPXE, syslinux, GRUB, shim.
    Loader,
    /// Screen and serial console.
    Console,
    /// Kernel start, unpacking the initrd, PID 1.
    Kernel,
    /// Machine, buses, clocks.
    Hw,
    /// Kernel modules, their firmware, network cards.
    Driver,
    /// Network in the initrd.
    InitrdNet,
    /// Root over NFS.
    Nfs,
    /// Root or installer over HTTP.
    Fetch,
    /// The live OS once it runs.
    Liveos,
    /// Disks and partitions.
    Storage,
    /// Image and packages.
    Image,
    /// Installing the boot loader.
    Bootloader,
    /// First boot from the disk.
    Firstboot,
}

impl Stage {
    /// All of them, in the order of the way.
    pub const ALL: [Stage; 14] = [
        Stage::Rom,
        Stage::Loader,
        Stage::Console,
        Stage::Kernel,
        Stage::Hw,
        Stage::Driver,
        Stage::InitrdNet,
        Stage::Nfs,
        Stage::Fetch,
        Stage::Liveos,
        Stage::Storage,
        Stage::Image,
        Stage::Bootloader,
        Stage::Firstboot,
    ];

    /// The id used in JSON: `initrd-net`.
    pub fn id(self) -> &'static str {
        self.words().0
    }

    /// As a heading: `network in the initrd`.
    pub fn label(self) -> &'static str {
        self.words().1
    }

    /// The causes of this stage.
    pub fn causes(self) -> impl Iterator<Item = &'static Cause> {
        self.words().2.iter().copied().flatten()
    }

    /// The cause of this number among them.
    pub(crate) fn cause(self, number: usize) -> Option<&'static Cause> {
        self.causes().nth(number)
    }

    fn words(self) -> (&'static str, &'static str, &'static [&'static [Cause]]) {
        match self {
            Stage::Rom => ("rom", "firmware: PXE ROM, UEFI network stack", &[rom::CAUSES, machine::CAUSES]),
            Stage::Loader => (
                "loader",
                "boot loader: iPXE, syslinux, GRUB, shim",
                &[ipxe::CAUSES, web::CAUSES, grub::CAUSES],
            ),
            Stage::Console => ("console", "screen and serial console", &[console::CAUSES]),
            Stage::Kernel => ("kernel", "kernel start, initrd, PID 1", &[kernel::CAUSES]),
            Stage::Hw => ("hw", "machine, buses, clocks", &[hw::CAUSES, burn_in::MACHINE]),
            Stage::Driver => ("driver", "drivers, firmware files, network cards", &[driver::CAUSES]),
            Stage::InitrdNet => ("initrd-net", "network in the initrd", &[address::CAUSES, link::CAUSES]),
            Stage::Nfs => ("nfs", "root over NFS", &[nfs::CAUSES]),
            Stage::Fetch => ("fetch", "root or installer over HTTP", &[fetch::CAUSES]),
            Stage::Liveos => ("liveos", "the live OS", &[liveos::CAUSES, burn_in::NETWORK]),
            Stage::Storage => {
                ("storage", "disks and partitions", &[storage::CAUSES, network_disk::CAUSES, burn_in::DISKS])
            }
            Stage::Image => ("image", "image and packages", &[image::CAUSES, installer::CAUSES]),
            Stage::Bootloader => ("bootloader", "installing the boot loader", &[bootloader::CAUSES]),
            Stage::Firstboot => ("firstboot", "first boot from the disk", &[firstboot::CAUSES]),
        }
    }
}

/// One cause: everything that is known of it.
#[derive(Debug)]
pub struct Cause {
    /// Its name: `nic-driver-missing`.
    pub id: &'static str,
    /// What is wrong, in one sentence that somebody at a rack understands.
    pub sentence: &'static str,
    /// What a log line of it means for the ladder of causes.
    pub kind: Kind,
    /// Lines that betray it, the clearest first.
    pub signs: &'static [Sign],
    /// Further ones: what one program after the other prints of it, in `messages`.
    pub messages: &'static [Sign],
    /// Lines that speak for or against it without being it.
    pub clues: &'static [Clue],
    /// What to do, the likeliest first.
    pub fixes: &'static [Fix],
    /// The stage whose milestones take it back, where that is not its own: a boot loader's failure that shows only
    /// in the kernel, a disk that does not boot before the network does.
    pub until: Option<Stage>,
    /// Ids of causes that are only its consequences where they come after it.
    pub hides: &'static [&'static str],
    /// The question or command that decides where a log cannot.
    pub decide: &'static str,
    /// What it was learned from: addresses, or files of the programs that print the lines.
    pub sources: &'static [&'static str],
}

/// What a definition leaves out.
pub const BLANK: Cause = Cause {
    id: "",
    sentence: "",
    kind: Kind::Root,
    signs: &[],
    messages: &[],
    clues: &[],
    fixes: &[],
    until: None,
    hides: &[],
    decide: "",
    sources: &[],
};

impl Cause {
    /// All lines that betray it, the clearest first.
    pub fn signs(&self) -> impl Iterator<Item = &'static Sign> {
        self.signs.iter().chain(self.messages)
    }

    /// The sign of this number among them.
    pub(crate) fn sign(&self, number: usize) -> Option<&'static Sign> {
        self.signs().nth(number)
    }
}

/// How a cause stands to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It stops a boot by itself.
    Root,
    /// It is nearly always the result of something before it, and named itself only where nothing is.
    Symptom,
    /// Most healthy machines show it; it is named only where nothing else is found.
    Noise,
}

/// A line that betrays a cause.
#[derive(Debug)]
pub struct Sign {
    /// What the line looks like.
    pub line: Look,
    /// How much it says.
    pub weight: Weight,
    /// Texts that must not stand in the same line.
    pub unless: &'static [&'static str],
    /// The sentence to say instead of the cause's own, with what the line has at its blanks.
    pub says: Option<&'static str>,
}

/// How a line is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A shape that stands somewhere in it.
    Anywhere(&'static str),
    /// The same, and nothing comes after this line.
    AtTheEnd(&'static str),
    /// The same, at least so many times one after the other in one boot, with the same at its blanks.
    Times(u32, &'static str),
    /// An iPXE error by the first six digits of its code; the last two depend on the platform.
    Ipxe(&'static str),
}

/// How much a sign says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It fits, but is not enough: the cause is named only with clues for it.
    Trace,
    /// The usual face of the cause; others may show it too.
    Usual,
    /// Nothing else prints this.
    Proof,
}

/// A line that speaks for or against a cause.
#[derive(Debug)]
pub struct Clue {
    /// What the line looks like.
    pub line: &'static str,
    /// Which way it speaks.
    pub speaks: Speaks,
    /// What follows from it, said among the evidence: `an interface is there, so its driver is too`.
    pub why: &'static str,
}

/// Which way a clue speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// For the cause.
    For,
    /// Against it.
    Against,
    /// It cannot be this cause.
    Excludes,
    /// For the cause where the line comes only after its first sign.
    ForIfLater,
    /// For the cause where no such line is in the boot.
    ForIfAbsent,
    /// It cannot be this cause where no such line is in the boot.
    ExcludesIfAbsent,
}

/// One thing to do.
#[derive(Debug)]
pub struct Fix {
    /// On which systems.
    pub on: System,
    /// The exact command, setting or action.
    pub text: &'static str,
}

/// The systems whose remedies differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum System {
    /// Everywhere.
    Any,
    /// A bootworks line.
    Line,
    /// Debian.
    Debian,
    /// Ubuntu.
    Ubuntu,
    /// Fedora, RHEL and its rebuilds, SUSE: what has dracut.
    Dracut,
}

impl System {
    /// As it stands before a fix; empty for [`System::Any`].
    pub fn label(self) -> &'static str {
        match self {
            System::Any => "",
            System::Line => "bootworks line",
            System::Debian => "Debian",
            System::Ubuntu => "Ubuntu",
            System::Dracut => "RHEL, Fedora, SUSE",
        }
    }
}

impl Fix {
    /// With the system it is for: `Ubuntu: apt install linux-modules-extra-$(uname -r)`.
    pub fn words(&self) -> String {
        match self.on.label() {
            "" => self.text.to_owned(),
            label => format!("{label}: {}", self.text),
        }
    }
}

/// A line that nothing but the cause prints.
pub const fn proof(line: &'static str) -> Sign {
    Sign { line: Look::Anywhere(line), weight: Weight::Proof, unless: &[], says: None }
}

/// A line that is the usual face of the cause.
pub const fn usual(line: &'static str) -> Sign {
    Sign { line: Look::Anywhere(line), weight: Weight::Usual, unless: &[], says: None }
}

/// A line that fits with the cause, but names it only together with clues.
pub const fn trace(line: &'static str) -> Sign {
    Sign { line: Look::Anywhere(line), weight: Weight::Trace, unless: &[], says: None }
}

/// An iPXE error code, its first six digits.
pub const fn ipxe(code: &'static str) -> Sign {
    Sign { line: Look::Ipxe(code), weight: Weight::Proof, unless: &[], says: None }
}

impl Sign {
    /// Only where nothing comes after the line.
    pub const fn at_the_end(mut self) -> Sign {
        self.line = Look::AtTheEnd(self.line.text());
        self
    }

    /// Only where the line comes at least so many times in one boot.
    pub const fn times(mut self, times: u32) -> Sign {
        self.line = Look::Times(times, self.line.text());
        self
    }

    /// Not where one of these texts is in the same line.
    pub const fn unless(mut self, texts: &'static [&'static str]) -> Sign {
        self.unless = texts;
        self
    }

    /// Says more than the cause's own sentence, with what stands at the blanks.
    pub const fn says(mut self, sentence: &'static str) -> Sign {
        self.says = Some(sentence);
        self
    }
}

impl Look {
    /// The shape, or the code.
    pub const fn text(self) -> &'static str {
        match self {
            Look::Anywhere(text) | Look::AtTheEnd(text) | Look::Times(_, text) | Look::Ipxe(text) => text,
        }
    }
}

/// A line that speaks for the cause.
pub const fn supports(line: &'static str, why: &'static str) -> Clue {
    Clue { line, speaks: Speaks::For, why }
}

/// A line that speaks for the cause where it comes only after the cause's first sign.
pub const fn later(line: &'static str, why: &'static str) -> Clue {
    Clue { line, speaks: Speaks::ForIfLater, why }
}

/// A line that speaks against the cause.
pub const fn against(line: &'static str, why: &'static str) -> Clue {
    Clue { line, speaks: Speaks::Against, why }
}

/// A line with which it cannot be this cause.
pub const fn excludes(line: &'static str, why: &'static str) -> Clue {
    Clue { line, speaks: Speaks::Excludes, why }
}

/// A line whose absence speaks for the cause.
pub const fn absent(line: &'static str, why: &'static str) -> Clue {
    Clue { line, speaks: Speaks::ForIfAbsent, why }
}

/// A line without which it cannot be this cause.
pub const fn needs(line: &'static str, why: &'static str) -> Clue {
    Clue { line, speaks: Speaks::ExcludesIfAbsent, why }
}

/// What to do on any system.
pub const fn fix(text: &'static str) -> Fix {
    Fix { on: System::Any, text }
}

/// What to do on one kind of system.
pub const fn fix_on(on: System, text: &'static str) -> Fix {
    Fix { on, text }
}

/// Every cause with its stage, in the order of the way.
pub fn all() -> impl Iterator<Item = (Stage, &'static Cause)> {
    Stage::ALL.into_iter().flat_map(|stage| stage.causes().map(move |cause| (stage, cause)))
}

/// The cause of this id.
pub fn find(id: &str) -> Option<(Stage, &'static Cause)> {
    all().find(|(_, cause)| cause.id == id)
}

/// The ids that somebody who typed `id` most likely meant, nearest first; at most five.
pub fn nearest(id: &str) -> Vec<&'static str> {
    let typed = id.to_ascii_lowercase();
    let words: Vec<&str> = typed.split(['-', '_', ' ']).filter(|word| word.len() > 2).collect();
    let mut near: Vec<(i64, &'static str)> = all()
        .filter_map(|(_, cause)| {
            let distance = distance(&typed, cause.id);
            let shared = cause.id.split('-').filter(|part| words.contains(part)).count();
            let is_near = distance <= typed.len() / 3 + 1 || shared > 0 || cause.id.contains(&typed);
            is_near.then(|| (distance as i64 - 6 * shared as i64, cause.id))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(5).map(|(_, id)| id).collect()
}

/// Levenshtein's distance: how many letters to change, add or leave out.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
