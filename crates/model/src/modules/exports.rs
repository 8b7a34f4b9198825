//! The symbols that a kernel and its modules offer to others, with their versions, out of their own tables.
//!
//! The kernel's tables (include/linux/export-internal.h, kernel/module/internal.h) are for the kernel itself and have had
//! several forms: what does not read as one of those known here gives nothing. A form that
//! only looks like one of them is found out by what the kernel's modules use ([`known`]).

use super::fit::Versions;
use std::collections::BTreeMap;
use wire::elf::{self, ABSOLUTE, NotElf, Section};

/// The tables of symbols, and of those that only modules under the GPL may use, each with its table of versions.
const TABLES: [(&str, &str); 2] = [("__ksymtab", "__kcrctab"), ("__ksymtab_gpl", "__kcrctab_gpl")];
/// The names.
const NAMES: &str = "__ksymtab_strings";
/// What the symbols of an entry in a table, and of a version, begin with in a module.
const ENTRY: &[u8] = b"__ksymtab_";
const VERSION: &[u8] = b"__crc_";
/// Size of a version.
const CRC: usize = 4;
/// Sizes of an entry: value and name, and from Linux 5.4 on the name space, each as a distance from itself
/// (`CONFIG_HAVE_ARCH_PREL32_RELOCATIONS`, Linux 4.19).
const ENTRIES: [usize; 2] = [12, 8];

/// What an unpacked kernel offers; `None` where its tables are of no form known here.
pub fn of_kernel(vmlinux: &[u8]) -> Result<Option<Versions>, NotElf> {
    let mut versions = Versions::new();
    let Some(names) = elf::find(vmlinux, NAMES)? else { return Ok(None) };
    for (symbols, crcs) in TABLES {
        let (Some(symbols), Some(crcs)) = (elf::find(vmlinux, symbols)?, elf::find(vmlinux, crcs)?) else {
            return Ok(None);
        };
        match table(symbols, crcs.bytes, names) {
            Some(table) => versions.extend(table),
            None => return Ok(None),
        }
    }
    Ok((!versions.is_empty()).then_some(versions))
}

/// One table of a kernel.
fn table(symbols: Section<'_>, crcs: &[u8], names: Section<'_>) -> Option<Versions> {
    let count = crcs.len() / CRC;
    let size = ENTRIES.into_iter().find(|size| symbols.bytes.len() == size * count)?;
    let mut versions = Versions::new();
    for (number, (entry, crc)) in symbols.bytes.chunks_exact(size).zip(crcs.chunks_exact(CRC)).enumerate() {
        let at = symbols.address.checked_add((number * size + 4) as u64)?;
        let distance = i32::from_le_bytes(entry.get(4..8)?.try_into().ok()?);
        let place = at.checked_add_signed(distance.into())?.checked_sub(names.address)?;
        let name = names.bytes.get(usize::try_from(place).ok()?..)?.split(|byte| *byte == 0).next()?;
        versions.insert(symbol_name(name)?, u32::from_le_bytes(crc.try_into().ok()?));
    }
    Some(versions)
}

/// What a module offers: nothing, for most. A symbol whose version cannot be read is left out.
pub fn of_module(module: &[u8]) -> Result<Versions, NotElf> {
    let mut tables: BTreeMap<u16, (usize, &[u8])> = BTreeMap::new();
    for (symbols, crcs) in TABLES {
        let (Some(symbols), Some(crcs)) = (elf::find(module, symbols)?, elf::find(module, crcs)?) else {
            continue;
        };
        let count = crcs.bytes.len() / CRC;
        let size = ENTRIES.into_iter().find(|size| symbols.bytes.len() == size * count);
        tables.extend(size.map(|size| (symbols.number, (size, crcs.bytes))));
    }
    let mut versions = Versions::new();
    if tables.is_empty() {
        return Ok(versions);
    }
    // Up to Linux 5.18 a version is a symbol's value, and its table is filled when the module is loaded.
    let mut values = Versions::new();
    for symbol in elf::symbols(module)? {
        if let (Some(name), ABSOLUTE) = (symbol.name.strip_prefix(VERSION), symbol.section) {
            values.extend(symbol_name(name).zip(u32::try_from(symbol.value).ok()));
        } else if let (Some(name), Some((size, crcs))) =
            (symbol.name.strip_prefix(ENTRY), tables.get(&symbol.section))
            && let Some(name) = symbol_name(name)
            && let Ok(place) = usize::try_from(symbol.value)
            && place % size == 0
            && let Some(crc) = crcs.chunks_exact(CRC).nth(place / size)
            && let Ok(crc) = crc.try_into()
        {
            versions.insert(name, u32::from_le_bytes(crc));
        }
    }
    versions.extend(values);
    Ok(versions)
}

/// What is known of a kernel's symbols, and whether that is all: from what the kernel and its modules offer, held
/// against what these modules use, all of which the kernel takes. Where the two contradict each other, a table was
/// misread, and only what is used is believed.
pub fn known(of_kernel: Option<Versions>, of_modules: Versions, used: Versions) -> (Versions, bool) {
    let mut offered = of_modules;
    let has_kernel = of_kernel.is_some();
    offered.extend(of_kernel.unwrap_or_default());
    let contradicts =
        |(symbol, version): (&String, &u32)| offered.get(symbol).is_some_and(|of| of != version);
    if used.is_empty() || used.iter().any(contradicts) {
        return (used, false);
    }
    let is_all = has_kernel && used.keys().all(|symbol| offered.contains_key(symbol));
    offered.extend(used);
    (offered, is_all)
}

/// A name as C has it.
fn symbol_name(name: &[u8]) -> Option<String> {
    let is_plain = !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$'));
    is_plain.then(|| String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests;
