//! `[hardware]`: the servers that the line must boot, and the devices that it knows it does without.

use super::Hardware;
use crate::hardware::PciId;
use crate::profile::shipped;
use crate::proof::Exception;
use crate::sheet::{At, Section, Sheet};

/// Reads the table.
pub(super) fn read(sheet: &Sheet<'_>, section: &Section<'_>) -> Hardware {
    let mut hardware = Hardware::default();
    for name in section.list("profiles") {
        if shipped::find(name.value).is_none() {
            let message =
                format!("no profile that comes with bootworks is called `{}`", name.value.escape_debug());
            let hint = match shipped::near(name.value) {
                Some(near) => format!("it is spelt `{near}`"),
                None => {
                    "`bootworks hardware show` lists them; profiles of your own stand in hardware/".to_owned()
                }
            };
            sheet.report(name.at, message, hint);
        }
        hardware.profiles.push(name.value.to_owned());
    }
    hardware.exceptions =
        section.sections("exception").iter().filter_map(|section| exception(sheet, section)).collect();
    hardware
}

fn exception(sheet: &Sheet<'_>, section: &Section<'_>) -> Option<Exception> {
    let device = section.text("device");
    let reason = section.text("reason");
    if let Some(device) = &device
        && device.value.parse::<PciId>().is_err()
        && !is_modalias(device)
    {
        let message = format!("`{}` is no device", device.value.escape_debug());
        let hint = "its id (`\"14e4:165f\"`) or its whole modalias, as `bootworks check --json` has them";
        sheet.report(device.at.clone(), message, hint);
    }
    if let Some(reason) = &reason
        && reason.value.trim().is_empty()
    {
        sheet.report(reason.at.clone(), "an exception needs a reason", "who reads it next year will ask why");
    }
    Some(Exception {
        device: device?.value.to_owned(),
        profile: section.text("profile").map(|name| name.value.to_owned()),
        reason: reason?.value.trim().to_owned(),
    })
}

fn is_modalias(device: &At<&str>) -> bool {
    // A PCI id that is written wrongly has a colon, too; buses of modaliases are words.
    device.value.split_once(':').is_some_and(|(bus, rest)| {
        let is_bus = !bus.is_empty() && bus.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_bus && rest.len() > 4
    })
}
