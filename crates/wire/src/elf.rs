//! Sections and symbols of an ELF file (System V ABI, "Sections", "Symbol Table"; 64-bit little-endian, as on amd64 and
//! arm64).
//!
//! Enough to read what a kernel and its modules say of themselves; no relocation, no other word size.

/// Why a file's sections cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotElf {
    /// No ELF header.
    #[error("not an ELF file")]
    Magic,
    /// A word size or byte order that kernel modules of amd64 and arm64 do not have.
    #[error("not a 64-bit little-endian ELF file")]
    Class,
    /// A header points outside the file.
    #[error("a truncated or damaged ELF file")]
    Truncated,
}

/// A section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'f> {
    /// Its number: what symbols name it by.
    pub number: u16,
    /// Where it lies in memory; 0 in a module, which has no place yet.
    pub address: u64,
    /// Its bytes.
    pub bytes: &'f [u8],
}

/// A name of a place in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'f> {
    /// The name.
    pub name: &'f [u8],
    /// Number of the section.
    pub section: u16,
    /// The place in a module's section; the value itself where the section is [`ABSOLUTE`].
    pub value: u64,
}

/// The section of a symbol that is a number and no place (`SHN_ABS`).
pub const ABSOLUTE: u16 = 0xfff1;
/// Length of a symbol in its table.
const SYMBOL: usize = 24;

/// Bytes of the section with this name; `None` where the file has none of it.
pub fn section<'f>(file: &'f [u8], name: &str) -> Result<Option<&'f [u8]>, NotElf> {
    Ok(find(file, name)?.map(|section| section.bytes))
}

/// The section with this name; `None` where the file has none of it.
pub fn find<'f>(file: &'f [u8], name: &str) -> Result<Option<Section<'f>>, NotElf> {
    identify(file)?;
    let table = long(file, 0x28)?;
    let size = u64::from(short(file, 0x3a)?);
    let count = short(file, 0x3c)?;
    let names = section_bytes(file, header(table, size, u64::from(short(file, 0x3e)?))?)?;
    for number in 0..count {
        let at = header(table, size, u64::from(number))?;
        let start = usize::try_from(word(file, at)?).map_err(|_| NotElf::Truncated)?;
        if text(names, start)? == name.as_bytes() {
            let address = long(file, at.checked_add(0x10).ok_or(NotElf::Truncated)?)?;
            return Ok(Some(Section { number, address, bytes: section_bytes(file, at)? }));
        }
    }
    Ok(None)
}

/// Whether it is a file of the one kind that is read here.
fn identify(file: &[u8]) -> Result<(), NotElf> {
    if !file.starts_with(b"\x7fELF") {
        return Err(NotElf::Magic);
    }
    // e_ident: class 2 is 64 bits, data 1 is little-endian.
    if file.get(4..6) != Some(&[2, 1]) {
        return Err(NotElf::Class);
    }
    Ok(())
}

/// How much memory a program takes once it is loaded, in bytes: its segments of type `PT_LOAD` (System V ABI, "Program
/// Header").
pub fn loaded_bytes(file: &[u8]) -> Result<u64, NotElf> {
    const LOAD: u32 = 1;
    identify(file)?;
    let table = long(file, 0x20)?;
    let size = u64::from(short(file, 0x36)?);
    let mut bytes = 0_u64;
    for number in 0..short(file, 0x38)? {
        let at = header(table, size, u64::from(number))?;
        if word(file, at)? == LOAD {
            let taken = long(file, at.checked_add(0x28).ok_or(NotElf::Truncated)?)?;
            bytes = bytes.checked_add(taken).ok_or(NotElf::Truncated)?;
        }
    }
    Ok(bytes)
}

/// The symbols of a file; none where it has no table of them. Those whose names are damaged are left out.
pub fn symbols(file: &[u8]) -> Result<impl Iterator<Item = Symbol<'_>>, NotElf> {
    let table = section(file, ".symtab")?.unwrap_or_default();
    let names = section(file, ".strtab")?.unwrap_or_default();
    Ok(table.chunks_exact(SYMBOL).filter_map(move |symbol| {
        let name = text(names, usize::try_from(word(symbol, 0).ok()?).ok()?).ok()?;
        Some(Symbol { name, section: short(symbol, 6).ok()?, value: long(symbol, 8).ok()? })
    }))
}

/// Where the header of a section stands.
fn header(table: u64, size: u64, index: u64) -> Result<usize, NotElf> {
    let at = index.checked_mul(size).and_then(|offset| table.checked_add(offset));
    at.and_then(|at| usize::try_from(at).ok()).ok_or(NotElf::Truncated)
}

/// The bytes that a section header points at: sh_offset at 0x18, sh_size at 0x20.
fn section_bytes(file: &[u8], header: usize) -> Result<&[u8], NotElf> {
    let start = long(file, header.checked_add(0x18).ok_or(NotElf::Truncated)?)?;
    let size = long(file, header.checked_add(0x20).ok_or(NotElf::Truncated)?)?;
    let end = start.checked_add(size).ok_or(NotElf::Truncated)?;
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok()).ok_or(NotElf::Truncated)?;
    file.get(range.0..range.1).ok_or(NotElf::Truncated)
}

/// The text that begins there, up to its NUL.
fn text(texts: &[u8], start: usize) -> Result<&[u8], NotElf> {
    let rest = texts.get(start..).ok_or(NotElf::Truncated)?;
    Ok(rest.split(|byte| *byte == 0).next().unwrap_or_default())
}

fn octets<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N], NotElf> {
    let end = at.checked_add(N).ok_or(NotElf::Truncated)?;
    file.get(at..end).and_then(|bytes| bytes.try_into().ok()).ok_or(NotElf::Truncated)
}

fn short(file: &[u8], at: usize) -> Result<u16, NotElf> {
    octets(file, at).map(u16::from_le_bytes)
}

fn word(file: &[u8], at: usize) -> Result<u32, NotElf> {
    octets(file, at).map(u32::from_le_bytes)
}

fn long(file: &[u8], at: usize) -> Result<u64, NotElf> {
    octets(file, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    /// A kernel of 46 MB has a segment of zeros that is not in the file.
    #[test]
    fn what_is_loaded_is_counted_in_memory() {
        let mut file = vec![0u8; 64 + 3 * 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[0x20..0x28].copy_from_slice(&64u64.to_le_bytes());
        file[0x36..0x38].copy_from_slice(&56u16.to_le_bytes());
        file[0x38..0x3a].copy_from_slice(&3u16.to_le_bytes());
        for (number, (kind, bytes)) in [(1u32, 1000u64), (4, 77), (1, 2000)].into_iter().enumerate() {
            let at = 64 + 56 * number;
            file[at..at + 4].copy_from_slice(&kind.to_le_bytes());
            file[at + 0x28..at + 0x30].copy_from_slice(&bytes.to_le_bytes());
        }
        assert_eq!(loaded_bytes(&file), Ok(3000));
        assert_eq!(loaded_bytes(&file[..150]), Err(NotElf::Truncated));
        assert_eq!(loaded_bytes(b"MZ"), Err(NotElf::Magic));
        file[64 + 0x28..64 + 0x30].fill(0xff);
        assert_eq!(loaded_bytes(&file), Err(NotElf::Truncated));
    }

    /// Header, `.modinfo`, the names, then three section headers of 64 bytes.
    fn module() -> Vec<u8> {
        let mut file = vec![0u8; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let modinfo = b"alias=pci:v1d2\0depends=a,b\0";
        let names = b"\0.modinfo\0.shstrtab\0";
        file.extend_from_slice(modinfo);
        file.extend_from_slice(names);
        let table = file.len() as u64;
        let mut section = |name: u32, start: u64, size: u64| {
            let mut header = [0u8; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[0x18..0x20].copy_from_slice(&start.to_le_bytes());
            header[0x20..0x28].copy_from_slice(&size.to_le_bytes());
            file.extend_from_slice(&header);
        };
        section(0, 0, 0);
        section(1, 64, modinfo.len() as u64);
        section(10, 64 + modinfo.len() as u64, names.len() as u64);
        file[0x28..0x30].copy_from_slice(&table.to_le_bytes());
        file[0x3a..0x3c].copy_from_slice(&64u16.to_le_bytes());
        file[0x3c..0x3e].copy_from_slice(&3u16.to_le_bytes());
        file[0x3e..0x40].copy_from_slice(&2u16.to_le_bytes());
        file
    }

    /// A module's own words are the only index Debian ships: they must be found, and damage must be said.
    #[test]
    fn a_section_is_found_by_its_name() {
        let file = module();
        assert_eq!(section(&file, ".modinfo"), Ok(Some(&b"alias=pci:v1d2\0depends=a,b\0"[..])));
        assert_eq!(section(&file, ".text"), Ok(None));
        assert_eq!(section(b"#!/bin/sh", ".modinfo"), Err(NotElf::Magic));
        assert_eq!(section(b"\x7fELF\x01\x01", ".modinfo"), Err(NotElf::Class));
        assert_eq!(section(&file[..200], ".modinfo"), Err(NotElf::Truncated));
    }

    proptest! {
        #[test]
        fn damage_is_an_error_and_never_a_panic(at in 0usize..300, with: [u8; 8]) {
            let mut file = module();
            let at = at.min(file.len() - 8);
            file[at..at + 8].copy_from_slice(&with);
            let _ = section(&file, ".modinfo");
            let _ = section(&file[..at], ".modinfo");
            let _ = symbols(&file).map(Iterator::count);
        }
    }
}
