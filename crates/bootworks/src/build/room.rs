//! Room on disks: asked for before it is used, and named where a build has run out of it.

use super::amount;
use model::failure::{Explain as _, Failure, Result};
use std::path::Path;

/// Less than this is as good as nothing: a journal and a temporary file take as much.
const NEXT_TO_NOTHING: u64 = 32 << 20;

/// Refuses to go on where the disk of `place` has less than `bytes` left.
pub(crate) fn need(place: &Path, bytes: u64, what: &str) -> Result<()> {
    let free = free(place)?;
    if free >= bytes {
        return Ok(());
    }
    Err(no_room(place, free, bytes, what))
}

fn no_room(place: &Path, free: u64, bytes: u64, what: &str) -> Failure {
    Failure::new(format!("there is no room for {what}"))
        .because(format!(
            "it takes about {}, and the disk of {} has {} left",
            amount(bytes),
            place.display(),
            amount(free)
        ))
        .hint(format!(
            "free {} there (`bootworks store gc --days 1` removes what older builds have left), or name another \
             folder in BOOTWORKS_STORE",
            amount(bytes - free)
        ))
}

/// A failure with the reason that its own words may not have: that a disk is full.
pub(crate) fn explained(failure: Failure, places: &[&Path]) -> Failure {
    let full = places
        .iter()
        .find_map(|place| Some((place, free(place).ok()?)).filter(|(_, free)| *free < NEXT_TO_NOTHING));
    match full {
        Some((place, free)) => failure
            .because(format!("the disk of {} is full: {} left", place.display(), amount(free)))
            .hint("make room there and build again: what is finished is kept, what is half-made is not used"),
        None => failure,
    }
}

fn free(place: &Path) -> Result<u64> {
    let kind =
        rustix::fs::statvfs(place).or_fail(|| format!("cannot look at the disk of {}", place.display()))?;
    Ok(kind.f_bavail.saturating_mul(kind.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// A number to free is what the person needs; the rest of a build's output is noise then.
    #[test]
    fn the_missing_amount_is_named() {
        let failure =
            no_room(Path::new("/store"), 1_200_000_000, 2_900_000_000, "the packages of the live OS");
        expect![[r#"
            error: there is no room for the packages of the live OS
            because: it takes about 2.9 GB, and the disk of /store has 1.2 GB left
            hint: free 1.7 GB there (`bootworks store gc --days 1` removes what older builds have left), or name another folder in BOOTWORKS_STORE"#]]
        .assert_eq(&failure.report());
        let here = std::env::temp_dir();
        need(&here, 1, "a byte").unwrap();
        assert!(need(&here, u64::MAX, "everything").is_err());
        let same = explained(Failure::new("something else"), &[&here]);
        assert_eq!(same.report(), "error: something else");
    }
}
