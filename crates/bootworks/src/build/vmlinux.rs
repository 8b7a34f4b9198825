//! A kernel as it is in memory, out of its boot image.

use crate::initrd::stream::Stream;
use std::io::Read as _;

/// The kernel in a boot image, an ELF file; nothing where it is packed in a way that is not known here, or damaged.
pub(crate) fn unpacked(image: &[u8]) -> Option<Vec<u8>> {
    let payload = wire::vmlinuz::payload(image)?;
    let size = u64::from(payload.size);
    let mut unpacked = Vec::new();
    let stream = Stream::open(Some(payload.packing), payload.bytes).ok()?;
    stream.take(size + 1).read_to_end(&mut unpacked).ok()?;
    (unpacked.len() as u64 == size).then_some(unpacked)
}

/// How much memory it takes, in bytes; 0 where that is not known.
pub(crate) fn memory_bytes(image: &[u8]) -> u64 {
    unpacked(image).and_then(|kernel| wire::elf::loaded_bytes(&kernel).ok()).unwrap_or(0)
}
