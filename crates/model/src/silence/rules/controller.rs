//! The controller, and the image that it writes.

use super::name;
use crate::ladder::Rung;
use crate::silence::Signature;
use crate::silence::finding::{Rule, found};
use crate::timeline::FileRole;

pub(super) const RULES: &[Rule] = &[
    rule!(
        "S35",
        "The controller runs, and no step was begun",
        ["disk-driver-missing", "disk-in-use", "unit-timeout"],
        "see the box's console: it names the disks that it found",
        |seen| {
            let stands =
                matches!(seen.highest()?, Rung::ControllerSpoke | Rung::HardwareKnown | Rung::PlanConfirmed);
            (stands && seen.state.step.is_none() && seen.is_overdue()).then_some(())?;
            let disks = seen.state.disks.len();
            found([format!("{disks} disks are known of it")])
        }
    ),
    rule!(
        "S36",
        "The image went over whole, and was never told to be written",
        ["disk-io-error", "image-corrupt", "image-no-space"],
        "see the box's console for errors of its disk",
        |seen| {
            let file = seen.whole(FileRole::Image)?;
            (seen.highest() < Some(Rung::ImageWritten) && seen.is_overdue()).then_some(())?;
            name(file)
        }
    ),
];
