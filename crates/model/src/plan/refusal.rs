//! Why there is no plan for a box: what is wanted, what is there, and what to change.
//!
//! A refusal is the answer "no" and not a failure; nothing on the box was touched.

use crate::failure::Failure;
use crate::hardware::{Disk, size_text};
use crate::ladder::Rung;
use crate::timeline::Trouble;

/// Why there is no plan for this box.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// No disk meets the line's conditions.
    NoDisk {
        /// The conditions, in words.
        wanted: String,
        /// Each disk of the box and the first condition that it does not meet.
        rejected: Vec<(Disk, String)>,
    },
    /// More than one disk meets them and the line does not say which to take.
    Ambiguous {
        /// The conditions, in words.
        wanted: String,
        /// How many are laid out.
        count: usize,
        /// The disks that meet them.
        candidates: Vec<Disk>,
    },
    /// Fewer disks meet them than are laid out alike.
    TooFew {
        /// The conditions, in words.
        wanted: String,
        /// How many are laid out.
        count: usize,
        /// The disks that meet them.
        candidates: Vec<Disk>,
        /// The other disks of the box and the first condition that each does not meet.
        rejected: Vec<(Disk, String)>,
    },
    /// What the line wants preserved cannot be told from what would be overwritten.
    Preserve {
        /// The disk.
        disk: Box<Disk>,
        /// Where the appliance mounts it.
        mount: String,
        /// Why, a sentence without a full stop.
        why: String,
    },
    /// The disk is mounted or part of something that is in use.
    InUse {
        /// The disk.
        disk: Box<Disk>,
    },
    /// The disk cannot hold the layout.
    DiskTooSmall {
        /// The disk.
        disk: Box<Disk>,
        /// What the layout needs, in bytes.
        needs_bytes: u64,
    },
    /// The layout cannot hold the image.
    ImageTooLarge {
        /// Sum of the sizes of the files in the image.
        image_bytes: u64,
        /// Sum of the sizes of the mounted file systems.
        room_bytes: u64,
    },
    /// The layout contradicts itself, the firmware or the disk: every reason found.
    Layout {
        /// The reasons, a sentence each, without a full stop.
        reasons: Vec<String>,
    },
    /// Something to write into the appliance cannot be right: every reason found.
    Appliance {
        /// The reasons, a sentence each, without a full stop.
        reasons: Vec<String>,
    },
}

fn objected((disk, why): &(Disk, String)) -> String {
    format!("{} ({}): {why}", disk.title(), disk.name)
}

impl Refusal {
    /// Id in the catalogue of causes.
    pub fn cause(&self) -> &'static str {
        match self {
            Refusal::NoDisk { rejected, .. } if rejected.is_empty() => "disk-driver-missing",
            Refusal::NoDisk { .. } | Refusal::TooFew { .. } => "disk-not-found",
            Refusal::Ambiguous { .. } => "disk-ambiguous",
            Refusal::InUse { .. } => "disk-in-use",
            Refusal::DiskTooSmall { .. } | Refusal::ImageTooLarge { .. } => "disk-too-small",
            Refusal::Layout { .. } | Refusal::Preserve { .. } => "layout-invalid",
            Refusal::Appliance { .. } => "appliance-invalid",
        }
    }

    /// The refusal in one sentence, without a full stop.
    pub fn sentence(&self) -> String {
        match self {
            Refusal::NoDisk { rejected, .. } if rejected.is_empty() => "the box has no disk at all".into(),
            Refusal::NoDisk { wanted, .. } => format!("no disk of the box is {wanted}"),
            Refusal::Ambiguous { wanted, count, candidates } => {
                let take =
                    if *count == 1 { "which to take".into() } else { format!("which {count} to take") };
                format!("{} disks are {wanted}, and the line does not say {take}", candidates.len())
            }
            Refusal::TooFew { wanted, count, candidates, .. } => {
                format!(
                    "the line lays {count} disks out alike, but only {} of the box's disks are {wanted}",
                    candidates.len()
                )
            }
            Refusal::Preserve { disk, mount, .. } => {
                format!("`{mount}` is to be preserved, but is not on the disk {}", disk.title())
            }
            Refusal::InUse { disk } => format!("the disk {} is in use", disk.title()),
            Refusal::DiskTooSmall { disk, needs_bytes } => format!(
                "the disk {} is too small: it has {} bytes, but the layout needs {needs_bytes}",
                disk.title(),
                disk.size_bytes
            ),
            Refusal::ImageTooLarge { image_bytes, room_bytes } => format!(
                "the image unpacks to {}, but the file systems of the layout have {}",
                size_text(*image_bytes),
                size_text(*room_bytes)
            ),
            Refusal::Layout { .. } => "the disk layout of the line does not fit this box".into(),
            Refusal::Appliance { .. } => "what the line writes into the appliance cannot be right".into(),
        }
    }

    /// What it rests on, a line each.
    pub fn evidence(&self) -> Vec<String> {
        match self {
            Refusal::NoDisk { rejected, .. } => rejected.iter().map(objected).collect(),
            Refusal::TooFew { candidates, rejected, .. } => {
                let fit = candidates.iter().map(|disk| format!("{} ({}): fits", disk.title(), disk.name));
                fit.chain(rejected.iter().map(objected)).collect()
            }
            Refusal::Preserve { disk, why, .. } => {
                let there = disk.signatures.iter().map(|words| format!("on {} now: {words}", disk.name));
                std::iter::once(why.clone()).chain(there).collect()
            }
            Refusal::Ambiguous { candidates, .. } => candidates
                .iter()
                .map(|disk| format!("{} ({}, path {})", disk.title(), disk.name, disk.path))
                .collect(),
            Refusal::InUse { disk } => {
                disk.holders.iter().map(|holder| format!("{}: {holder}", disk.name)).collect()
            }
            Refusal::DiskTooSmall { .. } | Refusal::ImageTooLarge { .. } => Vec::new(),
            Refusal::Layout { reasons } | Refusal::Appliance { reasons } => reasons.clone(),
        }
    }

    /// What to do, the likeliest first.
    pub fn fix(&self) -> Vec<String> {
        let words: &[&str] = match self {
            Refusal::NoDisk { rejected, .. } if rejected.is_empty() => &[
                "look at the disk controller: does `bootworks check` prove its driver",
                "on a RAID controller, create a virtual drive or switch it to pass-through",
            ],
            Refusal::NoDisk { .. } => &["change `match` of the line's `[[appliance.disk]]`, or the disk"],
            Refusal::Ambiguous { .. } => {
                &["narrow `match` (serial, path, model, size) or add `choose = \"smallest\"`"]
            }
            Refusal::TooFew { .. } => {
                &["put in the disks that are missing, or change `match` of the line's `[[appliance.disk]]`"]
            }
            Refusal::Preserve { .. } => &[
                "if nothing on the disk is wanted, clear it from a shell on this box (`wipefs --all`), then retry",
                "if something is, the line's `partitions` must be those that the disk was laid out by",
            ],
            Refusal::InUse { .. } => &["stop what holds it from a shell on this box, then retry"],
            Refusal::DiskTooSmall { .. } => &["put in a larger disk, or make the partitions smaller"],
            Refusal::ImageTooLarge { .. } => &["make the partitions larger, or the image smaller"],
            Refusal::Layout { .. } => &["change `[[appliance.disk]]` in the line"],
            Refusal::Appliance { .. } => &["change `[appliance]` in the line, or the answer it is made from"],
        };
        words.iter().map(|&word| word.to_owned()).collect()
    }

    /// As it is told on the box's screen and in the timeline.
    pub fn trouble(&self) -> Trouble {
        Trouble {
            cause: self.cause().into(),
            rung: Rung::PlanConfirmed,
            sentence: self.sentence(),
            evidence: self.evidence(),
            fix: self.fix(),
        }
    }

    /// As a failure, for programs that end with it.
    pub fn failure(&self) -> Failure {
        let failure = self.evidence().into_iter().fold(Failure::new(self.sentence()), Failure::because);
        self.fix().into_iter().next().map_or(failure.clone(), |fix| failure.hint(fix))
    }
}
