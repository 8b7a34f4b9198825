//! The packed kernel in a boot image of amd64 (kernel `Documentation/arch/x86/boot.rst`, from protocol 2.08 on).
//!
//! Unpacking is the caller's; what is packed is an ELF file.

use crate::initrd::Packing;

/// `HdrS`, at 0x202.
const MARK: &[u8] = b"HdrS";
/// The first protocol whose header says where the packed kernel is.
const OLDEST: u16 = 0x208;
/// What the boot sector and each sector of the setup code have.
const SECTOR: usize = 512;

/// A packed kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'f> {
    /// How it is packed.
    pub packing: Packing,
    /// Its bytes.
    pub bytes: &'f [u8],
    /// Its size unpacked, which stands behind it.
    pub size: u32,
}

/// The packed kernel of a boot image; `None` where this is no image of that kind.
pub fn payload(image: &[u8]) -> Option<Payload<'_>> {
    let word = |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?));
    let protocol = u16::from_le_bytes(image.get(0x206..0x208)?.try_into().ok()?);
    if image.get(0x202..0x206)? != MARK || protocol < OLDEST {
        return None;
    }
    // No sectors means four, for the oldest loaders.
    let sectors = match *image.get(0x1f1)? {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let start = ((sectors + 1) * SECTOR).checked_add(usize::try_from(word(0x248)?).ok()?)?;
    let end = start.checked_add(usize::try_from(word(0x24c)?).ok()?)?;
    let bytes = image.get(start..end)?;
    let packing = Packing::of(bytes)?;
    let (before, size) = bytes.split_last_chunk()?;
    // gzip ends with that size by itself; the others get it appended (scripts/Makefile.lib, `size_append`).
    let bytes = if packing == Packing::Gzip { bytes } else { before };
    Some(Payload { packing, bytes, size: u32::from_le_bytes(*size) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    /// An image with two sectors of setup code and this payload, 16 bytes into its protected-mode part.
    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 3 * SECTOR + 16];
        image[0x1f1] = 2;
        image[0x202..0x206].copy_from_slice(MARK);
        image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend_from_slice(payload);
        image.extend_from_slice(b"behind it");
        image
    }

    /// A decoder that gets the size behind an xz stream as well takes it for damage; one that gets a gzip member
    /// without it, too.
    #[test]
    fn the_packed_kernel_is_cut_out_of_its_image() {
        let xz = image(b"\xfd7zXZ\0packed\x01\x02\0\0");
        let found = payload(&xz).unwrap();
        assert_eq!((found.packing, found.bytes, found.size), (Packing::Xz, &b"\xfd7zXZ\0packed"[..], 0x201));
        let gzip = image(b"\x1f\x8bpacked\x03\0\0\0");
        let found = payload(&gzip).unwrap();
        assert_eq!((found.bytes, found.size), (&b"\x1f\x8bpacked\x03\0\0\0"[..], 3));
        assert_eq!(payload(&image(b"MZ no kernel")), None);
        assert_eq!(payload(&xz[..xz.len() - 20]), None, "cut off");
        let mut old = xz.clone();
        old[0x206] = 7;
        old[0x207] = 2;
        assert_eq!(payload(&old), None);
    }

    proptest! {
        #[test]
        fn any_image_is_looked_at(at in 0usize..0x260, with: [u8; 4], end in 0usize..1700) {
            let mut image = image(b"\xfd7zXZ\0packed\0\0\0\0");
            image[at..at + 4].copy_from_slice(&with);
            let _ = payload(&image);
            image.truncate(end);
            let _ = payload(&image);
        }
    }
}
