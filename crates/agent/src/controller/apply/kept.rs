//! What stays as it is on a reinstallation: a digest before the first write, and again before the seal.
//!
//! Nothing writes to it and nothing mounts it; this proves it. Small file systems are read whole, of large ones
//! the ends and pieces spread evenly in between: hours of reading would be left out by whoever waits for a box.

use super::fault::{Blame as _, Fault, Outcome};
use super::ledger::{Digest, hex};
use super::{disk, stack};
use crate::controller::witness::Meter;
use crate::digest::Sha256;
use linux::block::BlockDevice;
use model::failure::{Failure, Result};
use model::hardware::size_text;
use model::plan::{Device, Place, Plan};

/// Up to here all of it is read.
const WHOLE_BYTES: u64 = 4 << 30;
/// At either end so much is read of what is larger.
const END_BYTES: u64 = 64 << 20;
/// Pieces in between.
const PIECES: u64 = 256;
/// What is read at once.
const PIECE_BYTES: u64 = 1 << 20;

/// Digests of what stays, in the order of the plan.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    digests: Vec<(Place, Digest)>,
}

impl Kept {
    /// Takes the digests.
    pub(crate) fn remember(plan: &Plan, meter: &Meter<'_>) -> Outcome<Kept> {
        let digests = places(plan).map(|place| Ok((place, digest(plan, place, meter)?)));
        Ok(Kept { digests: digests.collect::<Outcome<_>>()? })
    }

    /// Compares what is there now. Gives what was compared, a sentence each.
    pub(crate) fn compare(&self, plan: &Plan, meter: &Meter<'_>) -> Outcome<Vec<String>> {
        let mut said = Vec::new();
        for (place, wanted) in &self.digests {
            let name = plan.device_name(Device::Partition(*place));
            let found = digest(plan, *place, meter)?;
            if found != *wanted {
                let failure = Failure::new(format!("{name} was to stay as it is, and is not"))
                    .because(format!("its digest was {}, and is {}", hex(wanted), hex(&found)))
                    .hint(
                        "do not ship this box; look at its disk and cabling, and at what is on the partition",
                    );
                return Err(Fault { cause: "disk-io-error", failure });
            }
            let bytes = bytes_of(plan, *place);
            let read: u64 = extents(bytes).map(|(_, length)| length).sum();
            said.push(match read == bytes {
                true => format!("{name} is unchanged: all of its {} compared", size_text(bytes)),
                false => {
                    format!("{name} is unchanged: {} of its {} compared", size_text(read), size_text(bytes))
                }
            });
        }
        Ok(said)
    }
}

/// How much there is to read.
pub(crate) fn work_bytes(plan: &Plan) -> u64 {
    places(plan).flat_map(|place| extents(bytes_of(plan, place))).map(|(_, length)| length).sum()
}

fn places(plan: &Plan) -> impl Iterator<Item = Place> {
    let partitions = plan.disks.iter().enumerate().flat_map(|(disk, planned)| {
        planned
            .partitions
            .iter()
            .filter(|one| one.is_kept())
            .map(move |one| Place { disk, partition: one.number })
    });
    partitions.collect::<Vec<_>>().into_iter()
}

fn bytes_of(plan: &Plan, place: Place) -> u64 {
    stack::planned_bytes(plan, Device::Partition(place)).unwrap_or_default()
}

/// Which parts are read: start and length in bytes.
fn extents(bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    let pieces = |start: u64, end: u64, step: u64| {
        let count = end.saturating_sub(start).div_ceil(step.max(1));
        (0..count).map(move |index| {
            let at = start + index * step;
            (at, PIECE_BYTES.min(end - at))
        })
    };
    let (head_end, tail_start, step) = if bytes <= WHOLE_BYTES {
        (bytes, bytes, PIECE_BYTES)
    } else {
        (END_BYTES, bytes - END_BYTES, (bytes - 2 * END_BYTES) / PIECES)
    };
    pieces(0, head_end, PIECE_BYTES).chain(pieces(head_end, tail_start, step)).chain(pieces(
        tail_start,
        bytes,
        PIECE_BYTES,
    ))
}

fn digest(plan: &Plan, place: Place, meter: &Meter<'_>) -> Outcome<Digest> {
    let Some(planned) = plan.disks.get(place.disk) else { return Ok(Digest::default()) };
    disk::check(&planned.disk)?;
    let path = disk::partition_node(&planned.disk, place.partition);
    let device = disk::open_alone(&path).blame("disk-in-use")?;
    read(&device, bytes_of(plan, place), meter).blame("disk-io-error")
}

fn read(device: &BlockDevice, planned_bytes: u64, meter: &Meter<'_>) -> Result<Digest> {
    if device.size_bytes() != planned_bytes {
        return Err(Failure::new(format!("{} is not the partition of the plan", device.path().display()))
            .because(format!(
                "it has {}, planned are {}",
                size_text(device.size_bytes()),
                size_text(planned_bytes)
            )));
    }
    device.forget_cached()?;
    let mut hasher = Sha256::new();
    let mut done = 0;
    for (start, length) in extents(planned_bytes) {
        hasher.update(device.read_at(start, usize::try_from(length).unwrap_or_default())?);
        done += length;
        meter.at(done);
    }
    Ok(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A part that is never read is a change that is never found: small file systems whole, both ends always.
    #[test]
    fn what_is_read_covers_what_it_should() {
        let sum = |bytes| extents(bytes).map(|(_, length)| length).sum::<u64>();
        for bytes in [0, 1, 5 << 20, (1 << 30) + 512, WHOLE_BYTES] {
            assert_eq!(sum(bytes), bytes);
        }
        for bytes in [WHOLE_BYTES + 512, 3 << 40, (7 << 40) + 4096 * 3] {
            let all: Vec<(u64, u64)> = extents(bytes).collect();
            assert_eq!((all[0].0, all.last().map(|(at, length)| at + length)), (0, Some(bytes)));
            assert!(all.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "{bytes}");
            assert!(sum(bytes) >= (2 * END_BYTES) + (PIECES - 1) * PIECE_BYTES, "{bytes}");
        }
    }
}
