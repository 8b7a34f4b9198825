//! Which disk of the box a layout means: the line's conditions held against the inventory.
//!
//! Ambiguity is a refusal that lists the candidates; a guess would cost somebody's data.

use super::Refusal;
use crate::hardware::{Disk, size_text};
use crate::storage::{Choose, DiskMatch};
use std::cmp::Reverse;

/// The disks that are meant, as many as are laid out alike. Disks in `taken` (by name) belong to layouts before
/// this one.
pub(super) fn choose<'a>(
    matching: &DiskMatch,
    disks: &'a [Disk],
    taken: &[String],
) -> Result<Vec<&'a Disk>, Refusal> {
    let mut candidates = Vec::new();
    let mut rejected = Vec::new();
    for disk in disks {
        match objection(matching, disk, taken) {
            None => candidates.push(disk),
            Some(why) => rejected.push((disk.clone(), why)),
        }
    }
    let count = matching.count();
    let in_use = |disk: &&&Disk| !disk.holders.is_empty();
    let free = candidates.iter().filter(|disk| !in_use(disk)).count();
    if free < count
        && candidates.len() >= count
        && let Some(disk) = candidates.iter().find(in_use)
    {
        return Err(Refusal::InUse { disk: Box::new((*disk).clone()) });
    }
    if candidates.len() < count && count > 1 && !candidates.is_empty() {
        let candidates = candidates.into_iter().cloned().collect();
        return Err(Refusal::TooFew { wanted: words(matching), count, candidates, rejected });
    }
    // A disk in use still counts as meant: leaving it out would silently turn "smallest" into the next one.
    candidates.sort_by(|a, b| by_path(a).cmp(&by_path(b)));
    match matching.choose {
        Some(Choose::First) => {}
        Some(Choose::Smallest) => candidates.sort_by_key(|disk| disk.size_bytes),
        Some(Choose::Largest) => candidates.sort_by_key(|disk| Reverse(disk.size_bytes)),
        None if candidates.len() > count => {
            let candidates = candidates.into_iter().cloned().collect();
            return Err(Refusal::Ambiguous { wanted: words(matching), count, candidates });
        }
        None => {}
    }
    candidates.truncate(count);
    // Whatever they were chosen by, disks laid out alike stand in the order of their slots.
    candidates.sort_by(|a, b| by_path(a).cmp(&by_path(b)));
    if candidates.is_empty() {
        return Err(Refusal::NoDisk { wanted: words(matching), rejected });
    }
    match candidates.iter().find(in_use) {
        Some(disk) => Err(Refusal::InUse { disk: Box::new((*disk).clone()) }),
        None => Ok(candidates),
    }
}

/// Disks in the order of their slots; numbers within a path count as numbers, so that slot 10 follows 9.
fn by_path(disk: &Disk) -> (Vec<(String, u64)>, &str) {
    let mut parts = Vec::new();
    let mut rest = disk.path.as_str();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        parts.push((word.to_owned(), tail[..end].parse().unwrap_or(u64::MAX)));
        rest = &tail[end..];
    }
    (parts, &disk.name)
}

/// The first condition that the disk does not meet.
fn objection(matching: &DiskMatch, disk: &Disk, taken: &[String]) -> Option<String> {
    if taken.contains(&disk.name) {
        return Some("the line's layout before this one takes it".into());
    }
    if disk.removable {
        return Some("it can be pulled out by hand".into());
    }
    if let Some(least) = matching.min_size.filter(|least| disk.size_bytes < *least) {
        return Some(format!("{} is less than {}", size_text(disk.size_bytes), size_text(least)));
    }
    if let Some(most) = matching.max_size.filter(|most| disk.size_bytes > *most) {
        return Some(format!("{} is more than {}", size_text(disk.size_bytes), size_text(most)));
    }
    if matching.rotational.is_some_and(|turning| turning != disk.rotational) {
        return Some(if disk.rotational { "it turns" } else { "it does not turn" }.into());
    }
    let texts = [
        ("transport", &matching.transport, &disk.transport),
        ("model", &matching.model, &disk.model),
        ("serial", &matching.serial, &disk.serial),
        ("world-wide name", &matching.wwn, &disk.wwn),
        ("path", &matching.path, &disk.path),
    ];
    texts.into_iter().find_map(|(what, wanted, has)| {
        let wanted = wanted.as_ref()?;
        (!is_like(has, wanted)).then(|| format!("its {what} is `{has}`, not `{wanted}`"))
    })
}

/// The conditions as words that continue "no disk of the box is": `at least 4 GiB, not rotational`.
pub(super) fn words(matching: &DiskMatch) -> String {
    let mut words = Vec::new();
    if let Some(least) = matching.min_size {
        words.push(format!("at least {}", size_text(least)));
    }
    if let Some(most) = matching.max_size {
        words.push(format!("at most {}", size_text(most)));
    }
    if let Some(turning) = matching.rotational {
        words.push(if turning { "rotational" } else { "not rotational" }.into());
    }
    let texts = [
        ("transport", &matching.transport),
        ("model", &matching.model),
        ("serial", &matching.serial),
        ("world-wide name", &matching.wwn),
        ("path", &matching.path),
    ];
    for (what, wanted) in texts {
        if let Some(wanted) = wanted {
            words.push(format!("of {what} `{wanted}`"));
        }
    }
    if words.is_empty() { "fit to install to".into() } else { words.join(", ") }
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((head, mut rest)) = pattern.split_once('*') else {
        return text == pattern;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    while let Some((middle, tail)) = rest.split_once('*') {
        let Some(at) = text.find(middle) else {
            return false;
        };
        text = &text[at + middle.len()..];
        rest = tail;
    }
    text.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Model and serial strings are matched by people who saw them on a sticker.
    #[test]
    fn wildcards_stand_for_anything() {
        let yes =
            [("INTEL SSDSC2KB48", "INTEL*"), ("abc", "*"), ("abc", "a*c"), ("aXbXc", "a*b*c"), ("", "*")];
        let no = [("abc", "ab"), ("abc", "a*d"), ("ab", "ab*b"), ("abc", "*b"), ("abc", "")];
        assert!(yes.iter().all(|(text, pattern)| is_like(text, pattern)));
        assert!(!no.iter().any(|(text, pattern)| is_like(text, pattern)));
    }
}
