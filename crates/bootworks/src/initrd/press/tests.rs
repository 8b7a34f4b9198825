//! Ways of packing are found again by what they wrote; those of the programs where the programs are.

use super::*;
use crate::build::drivers::tests::system_is_allowed;

/// Some megabytes that can be packed and are not all alike.
pub(in crate::initrd) fn plain() -> Vec<u8> {
    let mut seed = 1u32;
    let mut plain = Vec::new();
    while plain.len() < 3 << 20 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        plain.extend(format!("{} {:x} ", seed >> 20, plain.len() / 64).bytes());
    }
    plain
}

/// What our own libraries write is known again, with every parameter that a header tells.
#[test]
fn a_way_is_known_by_what_it_wrote() {
    let plain = plain();
    for way in [
        Way::Bzip2 { level: 4 },
        Way::Xz { preset: 6, dictionary_bytes: 1 << 20, check: 1, in_blocks: true },
        Way::Xz { preset: 2, dictionary_bytes: 2 << 20, check: 1, in_blocks: false },
        Way::Lzma { preset: 1, dictionary_bytes: 1 << 20 },
        Way::Lz4,
        Way::Lzo,
    ] {
        let packed = way.pack(&plain).unwrap();
        let packing = Packing::of(&packed).unwrap();
        // Programs that are not there are passed over: what is found depends on no host.
        let ours = ways(packing, &packed).into_iter().filter(|way| !matches!(way, Way::Program { .. }));
        let found: Vec<Way> = ours.filter(|way| writes(way, &packed, &plain).unwrap()).take(1).collect();
        assert_eq!(found, [way]);
    }
}

/// Something else than was packed is never taken for it.
#[test]
fn a_wrong_way_is_not_taken() {
    let plain = plain();
    let mut packed = Way::Bzip2 { level: 9 }.pack(&plain).unwrap();
    packed[1000] ^= 1;
    assert_eq!(find(Packing::Bzip2, &packed, &plain).unwrap(), None);
    assert_eq!(find(Packing::Xz, b"\xfd7zXZ\0\0", &plain).unwrap(), None);
    assert_eq!(find(Packing::Zstd, b"\x28\xb5\x2f\xfd", &plain).unwrap(), None);
}

/// The command lines of mkinitramfs, dracut and the kernel's own build: each is found again.
#[test]
fn system_the_ways_of_other_makers_are_found() {
    if !system_is_allowed() {
        return;
    }
    let plain = plain();
    for line in [
        "gzip -n -9",
        "gzip -n",
        "bzip2",
        "lzma",
        "xz --check=crc32 --threads=0",
        "xz --check=crc32 --lzma2=dict=1MiB -T2",
        "lz4 -9 -l",
        "lzop",
        "lzop -9",
        "zstd -q -9 -T0",
        "zstd -q -15 -T0",
        "zstd -q -1 --no-check",
    ] {
        let (program, words) = line.split_once(' ').unwrap_or((line, ""));
        let mut packed = Vec::new();
        let child = Child::at(program).args(words.split_whitespace());
        assert!(child.filter(&plain, &mut packed).unwrap());
        let packing = Packing::of(&packed).unwrap();
        let found = find(packing, &packed, &plain).unwrap();
        eprintln!("{line}: {}", found.as_ref().map_or("not found".to_owned(), Way::title));
        assert!(found.is_some(), "{line}");
    }
}
