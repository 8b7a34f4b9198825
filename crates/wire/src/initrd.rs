//! What an initrd is made of, told by its first bytes as the kernel tells it (`init/initramfs.c`,
//! `lib/decompress.c`): cpio archives, compressed or not, one after the other, with zero bytes between.
//!
//! ```text
//! [cpio: microcode] [zeros] [cpio: modules] [zeros] [zstd: cpio [zeros] cpio …] [zeros] … [boot configuration]
//! ```
//!
//! Decompression is the caller's.

/// How a part of an initrd is compressed: what the kernel can unpack, in the order of its own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Packing {
    /// RFC 1952.
    Gzip,
    /// bzip2.
    Bzip2,
    /// The older form of what xz packs, without a checksum.
    Lzma,
    /// xz.
    Xz,
    /// The format of lzop.
    Lzo,
    /// The legacy frames of lz4; the kernel reads no others.
    Lz4,
    /// RFC 8878.
    Zstd,
}

/// The first two bytes of each, as the kernel compares them.
const MAGICS: [([u8; 2], Packing); 8] = [
    ([0x1f, 0x8b], Packing::Gzip),
    ([0x1f, 0x9e], Packing::Gzip),
    ([0x42, 0x5a], Packing::Bzip2),
    ([0x5d, 0x00], Packing::Lzma),
    ([0xfd, 0x37], Packing::Xz),
    ([0x89, 0x4c], Packing::Lzo),
    ([0x02, 0x21], Packing::Lz4),
    ([0x28, 0xb5], Packing::Zstd),
];

/// The mark of a boot configuration at the very end (kernel `Documentation/admin-guide/bootconfig.rst`).
const BOOT_CONFIGURATION: &[u8] = b"#BOOTCONFIG\n";

impl Packing {
    /// By the first bytes.
    pub fn of(bytes: &[u8]) -> Option<Packing> {
        MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, packing)| *packing)
    }

    /// The name of the program that packs so.
    pub fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "gzip",
            Packing::Bzip2 => "bzip2",
            Packing::Lzma => "lzma",
            Packing::Xz => "xz",
            Packing::Lzo => "lzo",
            Packing::Lz4 => "lz4",
            Packing::Zstd => "zstd",
        }
    }

    /// By that name.
    pub fn named(name: &str) -> Option<Packing> {
        MAGICS.iter().map(|(_, packing)| *packing).find(|packing| packing.name() == name)
    }
}

/// How many bytes at the end of an initrd are a boot configuration: its text, its length and sum (32 bits each,
/// little-endian), its mark.
pub fn boot_configuration(initrd: &[u8]) -> Option<usize> {
    let before = initrd.strip_suffix(BOOT_CONFIGURATION)?;
    let (before, sum) = before.split_last_chunk()?;
    let (before, length) = before.split_last_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let text = before.get(before.len().checked_sub(length)?..)?;
    let real = text.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    (real == u32::from_le_bytes(*sum)).then_some(length + 8 + BOOT_CONFIGURATION.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// The kernel looks at two bytes and believes them.
    #[test]
    fn each_packing_is_told_by_its_first_bytes() {
        for (bytes, packing) in [
            (&b"\x1f\x8b\x08"[..], Some(Packing::Gzip)),
            (b"\xfd7zXZ\0", Some(Packing::Xz)),
            (b"\x02\x21\x4c\x18", Some(Packing::Lz4)),
            (b"\x04\x22\x4d\x18", None),
            (b"070701", None),
            (b"\x28", None),
        ] {
            assert_eq!(Packing::of(bytes), packing, "{bytes:x?}");
        }
        for (_, packing) in MAGICS {
            assert_eq!(Packing::named(packing.name()), Some(packing));
        }
    }

    /// A boot configuration with a wrong sum is no boot configuration to the kernel either.
    #[test]
    fn a_boot_configuration_is_known_by_its_sum() {
        let mut initrd = b"initrda=b\0".to_vec();
        initrd.extend(4u32.to_le_bytes());
        initrd.extend((u32::from(b'a') + u32::from(b'=') + u32::from(b'b')).to_le_bytes());
        initrd.extend(BOOT_CONFIGURATION);
        assert_eq!(boot_configuration(&initrd), Some(4 + 8 + 12));
        initrd[6] = b'c';
        assert_eq!(boot_configuration(&initrd), None);
    }

    proptest! {
        #[test]
        fn any_end_is_looked_at(mut bytes: Vec<u8>) {
            bytes.extend(BOOT_CONFIGURATION);
            let _ = boot_configuration(&bytes);
        }
    }
}
