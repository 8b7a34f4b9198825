//! Disks: what they know of themselves, and every sector read where the line says so, all disks at once.

use super::together;
use crate::controller::apply::disk;
use crate::controller::apply::fault::{Blame as _, Fault, Outcome};
use crate::controller::witness::{Meter, Witness};
use linux::direct::{Direct, PIECE_BYTES, Piece};
use model::burn_in::{Depth, Health, rate, rate_text};
use model::failure::{Failure, Result};
use model::hardware::{Disk, size_text};
use model::plan::Plan;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What a disk may have, and must reach.
pub(super) struct Limits {
    pub(super) errors: u64,
    pub(super) wear: u32,
    pub(super) slowest: Option<u64>,
}

/// Tests the disks of the plan.
pub(super) fn test(
    plan: &Plan,
    depth: Depth,
    limits: &Limits,
    step: usize,
    witness: &dyn Witness,
) -> Outcome<Vec<String>> {
    let disks: Vec<&Disk> = plan.disks.iter().map(|planned| &planned.disk).collect();
    let mut found = Vec::new();
    if depth == Depth::Read {
        // A disk that says that it is failing need not be read for hours.
        judge(&disks, limits)?;
        let meter = Meter::start(witness, step, disks.iter().map(|disk| disk.size_bytes).sum());
        let done = AtomicU64::new(0);
        let results = Mutex::new(Vec::new());
        let is_well = together(disks.len(), &|number| {
            let result = read(disks[number], limits.slowest, &done, &meter);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
        });
        if !is_well {
            return Err(Failure::new("a thread that reads a disk ended unexpectedly")).blame("disk-io-error");
        }
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(number, _)| *number);
        for (_, result) in results {
            found.push(result?);
        }
    }
    // After the reading, which makes a disk count what it cannot read.
    found.extend(judge(&disks, limits)?);
    Ok(found)
}

/// What the disks say of themselves, each a sentence; a fault with all that is wrong.
fn judge(disks: &[&Disk], limits: &Limits) -> Outcome<Vec<String>> {
    let mut told = Vec::new();
    for disk in disks {
        told.push((*disk, health(disk)?));
    }
    weigh(&told, limits)
}

/// What a disk says of itself; where it says nothing, why.
fn health(planned: &Disk) -> Outcome<Result<Health>> {
    let device = disk::open(planned)?;
    Ok(match planned.transport.as_str() {
        "nvme" => device.nvme_health(),
        "virtio" | "mmc" => Err(Failure::new(format!("a {} disk has no SMART", planned.transport))),
        _ => device.ata_health(),
    })
}

fn weigh(told: &[(&Disk, Result<Health>)], limits: &Limits) -> Outcome<Vec<String>> {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for (disk, health) in told {
        match health {
            Ok(health) => {
                let reasons = health.faults(limits.errors, limits.wear);
                let name = |reason| format!("{}, {}: {reason}", disk.name, disk.title());
                faults.extend(reasons.into_iter().map(name));
                found.push(format!("{}: SMART well, {}", disk.name, health.sentence()));
            }
            Err(why) => found.push(format!("{}: not judged by SMART, as it tells none ({why})", disk.name)),
        }
    }
    if faults.is_empty() {
        return Ok(found);
    }
    let failure = Failure::new("a disk is not fit to be shipped");
    let failure = faults.iter().fold(failure, Failure::because);
    Err(Fault {
        cause: "disk-failing",
        failure: failure.hint("change the disk, then retry: a new plan is made"),
    })
}

/// Reads every sector of a disk.
fn read(planned: &Disk, slowest: Option<u64>, done: &AtomicU64, meter: &Meter<'_>) -> Outcome<String> {
    disk::check(planned)?;
    let device = Direct::open(&disk::node(planned)).blame("disk-in-use")?;
    let (begun, size_bytes) = (Instant::now(), planned.size_bytes);
    let mut piece = Piece::default();
    let mut at = 0;
    while at < size_bytes {
        let length = (size_bytes - at).min(PIECE_BYTES as u64);
        let part = 0..usize::try_from(length).unwrap_or(PIECE_BYTES);
        let cannot = |failure: Failure| {
            failure.because(format!("within {} from byte {at} on", size_text(length))).hint(
                "`smartctl -a` and the kernel's lines say more: change the disk, or its cable where others fail too",
            )
        };
        device.read(at, &mut piece, part).map_err(cannot).blame("disk-io-error")?;
        at += length;
        meter.at(done.fetch_add(length, Ordering::Relaxed) + length);
    }
    let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    hold_rate(planned, millis, slowest)?;
    Ok(format!("{}: all of {} read, {}", planned.name, size_text(size_bytes), rate_text(size_bytes, millis)))
}

fn hold_rate(planned: &Disk, millis: u64, slowest: Option<u64>) -> Outcome<()> {
    let (bytes, name) = (planned.size_bytes, &planned.name);
    let Some(slowest) = slowest.filter(|slowest| rate(bytes, millis) < *slowest) else { return Ok(()) };
    let failure = Failure::new(format!("{name} is too slow"))
        .because(format!("{} was read at {}", planned.title(), rate_text(bytes, millis)))
        .because(format!("the line demands {}/s at least", size_text(slowest)))
        .hint("look at its cable and slot: a link that was slowed down stands in the kernel's lines");
    Err(Fault { cause: "disk-slow", failure })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn planned() -> Disk {
        serde_json::from_value(serde_json::json!({
            "name": "sda", "size_bytes": 1_u64 << 30, "sector_bytes": 512, "model": "WDC WD10", "serial": "W-1",
            "rotational": true, "removable": false, "transport": "sata",
        }))
        .unwrap()
    }

    /// The disk to be pulled is named as it is labelled, with all that is wrong with it.
    #[test]
    fn a_failing_disk_is_named() {
        let disk = planned();
        let health = |reallocated, is_failing| Health::Ata {
            is_failing,
            reallocated,
            pending: 0,
            uncorrectable: 0,
            hours: None,
            celsius: None,
        };
        let limits = Limits { errors: 0, wear: 100, slowest: None };
        let fault =
            weigh(&[(&disk, Ok(health(0, false))), (&disk, Ok(health(7, true)))], &limits).unwrap_err();
        assert_eq!(fault.cause, "disk-failing");
        expect![[r#"
            error: a disk is not fit to be shipped
            because: sda, WDC WD10, 1 GiB, serial W-1: it will fail soon, by its own judgement
            because: sda, WDC WD10, 1 GiB, serial W-1: it has 7 sectors replaced, and may have 0
            hint: change the disk, then retry: a new plan is made"#]]
        .assert_eq(&fault.failure.report());
        let told = [(&disk, Ok(health(0, false))), (&disk, Err(Failure::new("a virtio disk has no SMART")))];
        expect![[r#"
            sda: SMART well, 0 sectors replaced, 0 pending, 0 uncorrectable
            sda: not judged by SMART, as it tells none (a virtio disk has no SMART)"#]]
        .assert_eq(&weigh(&told, &limits).unwrap().join("\n"));
    }

    /// A limit of speed says both numbers.
    #[test]
    fn a_slow_disk_is_told() {
        let disk = planned();
        assert!(hold_rate(&disk, 1000, Some(1 << 30)).is_ok() && hold_rate(&disk, u64::MAX, None).is_ok());
        let fault = hold_rate(&disk, 20_000, Some(100 << 20)).unwrap_err();
        assert_eq!(fault.cause, "disk-slow");
        expect![[r#"
            error: sda is too slow
            because: WDC WD10, 1 GiB, serial W-1 was read at 51.2 MiB/s
            because: the line demands 100 MiB/s at least
            hint: look at its cable and slot: a link that was slowed down stands in the kernel's lines"#]]
        .assert_eq(&fault.failure.report());
    }
}
