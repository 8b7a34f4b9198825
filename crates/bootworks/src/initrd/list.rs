//! `bootworks initrd list`: what a kernel would unpack, entry by entry, over all parts.

use super::catalog::{Catalog, Facts, Item, shown};
use crate::{Ending, report};
use model::failure::{Explain as _, Result};
use model::hardware::size_text;
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;
use wire::cpio::header::{Header, Kind};
use wire::initrd::Packing;

/// Arguments of `initrd list`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The initrd
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Lists an initrd. What could be read of a damaged one is listed before the error is told.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    let path = arguments.file.display();
    let bytes = std::fs::read(&arguments.file).or_fail(|| format!("cannot read {path}"))?;
    let (catalog, failure) = Catalog::read(&bytes, |_| false);
    if arguments.json {
        report::say(&object(&catalog, failure.as_ref().map(ToString::to_string)).to_string());
    } else if failure.is_none() || !catalog.items.is_empty() {
        report::say(text(&catalog).trim_end());
    }
    match failure {
        None => Ok(Ending::Well),
        Some(failure) => Err(failure.doing(format!("reading {path}"))),
    }
}

/// The list for people: a line for each part, below it one for each entry.
fn text(catalog: &Catalog) -> String {
    let mut text = String::with_capacity(catalog.items.len() * 100);
    let first_names = first_names(catalog);
    let mut part = 0;
    for (index, item) in catalog.items.iter().enumerate() {
        if item.part != part {
            part = item.part;
            text.push_str(&title(catalog, part));
        }
        row(catalog, item, first_names[index], &mut text);
    }
    // Parts without any entry are parts as well.
    for facts in catalog.parts.iter().filter(|facts| facts.part.number > part) {
        text.push_str(&title(catalog, facts.part.number));
    }
    let passed_over = catalog.items.iter().filter(|item| item.place.is_err()).count();
    let _ = write!(text, "{} in {}", counted(catalog.items.len(), "entry", "entries"), {
        counted(catalog.parts.len().max(part), "part", "parts")
    });
    if passed_over > 0 {
        let _ = write!(text, "; the kernel passes over {passed_over}");
    }
    text.push('\n');
    text
}

fn title(catalog: &Catalog, number: usize) -> String {
    let Some(Facts { part, packed_bytes, unpacked_bytes, entries }) =
        catalog.parts.iter().find(|facts| facts.part.number == number)
    else {
        return format!("part {number}, which is not whole\n");
    };
    let entries = counted(*entries, "entry", "entries");
    let unpacked = size_text(*unpacked_bytes);
    let start = part.start;
    match part.packing {
        None => format!("part {number}: cpio at byte {start}, {unpacked}, {entries}\n"),
        Some(packing) => format!(
            "part {number}: {} at byte {start}, {} packed, {unpacked} unpacked, {entries}\n",
            packing.name(),
            size_text(*packed_bytes)
        ),
    }
}

/// `-rwxr-xr-x 0 0 1234 2026-11-25 18:53:29 bin/sh -> busybox`.
fn row(catalog: &Catalog, item: &Item, first_name: Option<usize>, text: &mut String) {
    let header = &item.header;
    let size = match header.kind() {
        Some(Kind::Character | Kind::Block) => format!("{},{}", header.device.0, header.device.1),
        _ => item.file.map_or(u64::from(header.size), |file| catalog.sizes[file]).to_string(),
    };
    let _ = write!(
        text,
        "  {} {:>4} {:>4} {size:>10} {} {}",
        mode_text(header),
        header.user,
        header.group,
        time_text(header.modified),
        shown(&item.name)
    );
    if let Some(target) = &item.target {
        let _ = write!(text, " -> {}", shown(target));
    }
    if let Some(first) = first_name {
        let _ = write!(text, " (the same file as {})", shown(&catalog.items[first].name));
    }
    if let Err(why) = &item.place {
        let _ = write!(text, " (not unpacked: {why})");
    }
    text.push('\n');
}

/// For each entry, the first one that is a name of the same file, if that is another.
fn first_names(catalog: &Catalog) -> Vec<Option<usize>> {
    let mut first = vec![None; catalog.sizes.len()];
    let entries = catalog.items.iter().enumerate().map(|(index, item)| {
        let slot: &mut Option<usize> = first.get_mut(item.file?)?;
        let known = *slot;
        slot.get_or_insert(index);
        known
    });
    entries.collect()
}

/// As `ls -l` writes it.
pub(crate) fn mode_text(header: &Header) -> String {
    let mode = header.permissions();
    let mut text = String::with_capacity(10);
    text.push(header.kind().map_or('?', Kind::letter));
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// In UTC: `2026-11-25 18:53:29`.
pub(crate) fn time_text(seconds: u32) -> String {
    let (days, clock) = (i64::from(seconds / 86_400), seconds % 86_400);
    // Days of the civil calendar, counted in years that begin in March (the leap day then comes last).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// The documented object. Names that are not text have U+FFFD in them.
fn object(catalog: &Catalog, error: Option<String>) -> serde_json::Value {
    let plain = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let first_names = first_names(catalog);
    let entries = catalog.items.iter().zip(&first_names).map(|(item, first)| {
        let header = &item.header;
        let has_number = matches!(header.kind(), Some(Kind::Character | Kind::Block));
        json!({
            "part": item.part,
            "name": plain(&item.name),
            "kind": kind_word(header.kind()),
            "mode": format!("{:04o}", header.permissions()),
            "user": header.user,
            "group": header.group,
            "inode": header.inode,
            "links": header.links,
            "modified": header.modified,
            "size": item.file.map_or(u64::from(header.size), |file| catalog.sizes[file]),
            "device": has_number.then_some([header.device.0, header.device.1]),
            "target": item.target.as_deref().map(plain),
            "same_file_as": first.map(|first| plain(&catalog.items[first].name)),
            "not_unpacked": item.place.as_ref().err().map(ToString::to_string),
        })
    });
    let parts = catalog.parts.iter().map(|facts| {
        json!({
            "part": facts.part.number,
            "packing": facts.part.packing.map(Packing::name),
            "start": facts.part.start,
            "packed_bytes": facts.packed_bytes,
            "unpacked_bytes": facts.unpacked_bytes,
            "entries": facts.entries,
        })
    });
    json!({
        "parts": parts.collect::<Vec<_>>(),
        "entries": entries.collect::<Vec<_>>(),
        "error": error,
    })
}

fn kind_word(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::File) => "file",
        Some(Kind::Folder) => "folder",
        Some(Kind::Link) => "link",
        Some(Kind::Character) => "character",
        Some(Kind::Block) => "block",
        Some(Kind::Pipe) => "pipe",
        Some(Kind::Socket) => "socket",
        None => "unknown",
    }
}

#[cfg(test)]
pub(super) mod tests;
