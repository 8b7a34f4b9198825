//! A kernel and modules as small as they get, and what is read of them.

use super::*;

/// An ELF file of these sections: name, address, bytes.
fn file(sections: &[(&str, u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = vec![0_u8; 64];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    let mut names = vec![0_u8];
    let mut headers = vec![[0_u8; 64]];
    let mut add = |file: &mut Vec<u8>, name: &str, address: u64, bytes: &[u8], names: &mut Vec<u8>| {
        let mut header = [0_u8; 64];
        header[..4].copy_from_slice(&(names.len() as u32).to_le_bytes());
        names.extend(name.as_bytes());
        names.push(0);
        header[0x10..0x18].copy_from_slice(&address.to_le_bytes());
        header[0x18..0x20].copy_from_slice(&(file.len() as u64).to_le_bytes());
        let bytes = if name == ".shstrtab" { names.clone() } else { bytes.to_vec() };
        header[0x20..0x28].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        file.extend(bytes);
        headers.push(header);
    };
    for (name, address, bytes) in sections {
        add(&mut file, name, *address, bytes, &mut names);
    }
    add(&mut file, ".shstrtab", 0, &[], &mut names);
    let (table, count) = (file.len() as u64, headers.len() as u16);
    headers.iter().for_each(|header| file.extend(header));
    file[0x28..0x30].copy_from_slice(&table.to_le_bytes());
    file[0x3a..0x3c].copy_from_slice(&64_u16.to_le_bytes());
    file[0x3c..0x3e].copy_from_slice(&count.to_le_bytes());
    file[0x3e..0x40].copy_from_slice(&(count - 1).to_le_bytes());
    file
}

/// A table at this address of symbols whose names lie at these places.
fn entries(address: u64, size: usize, names: &[u64]) -> Vec<u8> {
    let mut table = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let at = address + (number * size + 4) as u64;
        table.extend(7_u32.to_le_bytes());
        table.extend((name.wrapping_sub(at) as u32).to_le_bytes());
        table.resize((number + 1) * size, 0);
    }
    table
}

fn crcs(versions: &[u32]) -> Vec<u8> {
    versions.iter().flat_map(|version| version.to_le_bytes()).collect()
}

/// A kernel whose entries have this size.
fn kernel(size: usize) -> Vec<u8> {
    let base = 0xffff_ffff_8200_0000;
    file(&[
        ("__ksymtab", base, entries(base, size, &[base + 0x500, base + 0x507])),
        ("__ksymtab_gpl", base + 0x100, entries(base + 0x100, size, &[base + 0x50d])),
        ("__kcrctab", base + 0x300, crcs(&[0x11, 0x22])),
        ("__kcrctab_gpl", base + 0x400, crcs(&[0x33])),
        ("__ksymtab_strings", base + 0x500, b"printk\0kfree\0rcu_barrier\0".to_vec()),
    ])
}

fn versions(pairs: &[(&str, u32)]) -> Versions {
    pairs.iter().map(|(symbol, version)| ((*symbol).to_owned(), *version)).collect()
}

/// A driver that the kernel would refuse in front of a rack is refused while it is built, with no headers at hand.
#[test]
fn a_kernels_tables_are_read() {
    let expected = versions(&[("kfree", 0x22), ("printk", 0x11), ("rcu_barrier", 0x33)]);
    assert_eq!(of_kernel(&kernel(12)), Ok(Some(expected.clone())));
    assert_eq!(of_kernel(&kernel(8)), Ok(Some(expected)));
    // Entries of 16 bytes are addresses, which a stripped kernel is without.
    assert_eq!(of_kernel(&kernel(16)), Ok(None));
    assert_eq!(of_kernel(&file(&[])), Ok(None));
    assert_eq!(of_kernel(b"MZ"), Err(NotElf::Magic));
}

/// A symbol of a module: name, section, value.
fn module(symbols: &[(&str, u16, u64)]) -> Vec<u8> {
    let (mut table, mut names) = (vec![0; 24], vec![0]);
    for (name, section, value) in symbols {
        let mut symbol = [0_u8; 24];
        symbol[..4].copy_from_slice(&(names.len() as u32).to_le_bytes());
        symbol[6..8].copy_from_slice(&section.to_le_bytes());
        symbol[8..16].copy_from_slice(&value.to_le_bytes());
        table.extend(symbol);
        names.extend(name.as_bytes());
        names.push(0);
    }
    file(&[
        ("__ksymtab_gpl", 0, vec![0; 24]),
        ("__kcrctab_gpl", 0, crcs(&[0x44, 0x55])),
        (".symtab", 0, table),
        (".strtab", 0, names),
    ])
}

/// Two drivers of one vendor need each other: what the first offers is known, or the second would be refused.
#[test]
fn a_modules_tables_are_read() {
    let new = module(&[
        ("__ksymtab_acme_open", 1, 12),
        ("__ksymtab_acme_close", 1, 0),
        ("acme_open", 2, 0),
        ("__ksymtab_elsewhere", 4, 0),
        ("__ksymtab_between", 1, 5),
        ("__ksymtab_behind", 1, 24),
    ]);
    assert_eq!(of_module(&new), Ok(versions(&[("acme_close", 0x44), ("acme_open", 0x55)])));
    let old = module(&[("__ksymtab_acme_open", 1, 0), ("__crc_acme_open", ABSOLUTE, 0x66)]);
    assert_eq!(of_module(&old), Ok(versions(&[("acme_open", 0x66)])));
    assert_eq!(of_module(&file(&[])), Ok(Versions::new()));
}

/// A misread table must not refuse a driver that works: what the kernel's own modules use is the judge.
#[test]
fn what_is_offered_is_held_against_what_is_used() {
    let offered = || Some(versions(&[("kfree", 1), ("printk", 2), ("unused", 3)]));
    let of_modules = || versions(&[("register_acme", 4)]);
    let used = versions(&[("kfree", 1), ("register_acme", 4)]);
    let all = versions(&[("kfree", 1), ("printk", 2), ("register_acme", 4), ("unused", 3)]);
    assert_eq!(known(offered(), of_modules(), used.clone()), (all, true));
    assert_eq!(known(None, of_modules(), used.clone()), (used.clone(), false));
    let more = versions(&[("kfree", 1), ("from_nowhere", 9)]);
    let (both, is_all) = known(offered(), of_modules(), more);
    assert_eq!((both.get("from_nowhere"), both.get("unused"), is_all), (Some(&9), Some(&3), false));
    let other = versions(&[("kfree", 7), ("printk", 2)]);
    assert_eq!(known(offered(), of_modules(), other.clone()), (other, false));
    assert_eq!(known(offered(), of_modules(), Versions::new()), (Versions::new(), false));
}

proptest::proptest! {
    /// Kernels and modules come from vendors: any bytes give what can be read of them.
    #[test]
    fn damage_gives_less_and_never_a_panic(at in 0_usize..900, with: [u8; 8], end in 0_usize..1200) {
        for mut file in [kernel(12), module(&[("__ksymtab_acme", 1, 0), ("__crc_acme", ABSOLUTE, 1)])] {
            let at = at.min(file.len() - 8);
            file[at..at + 8].copy_from_slice(&with);
            let _ = of_kernel(&file);
            let _ = of_module(&file);
            file.truncate(end);
            let _ = of_kernel(&file);
            let _ = of_module(&file);
        }
    }
}
