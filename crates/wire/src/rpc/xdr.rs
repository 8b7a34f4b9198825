//! XDR (RFC 4506): four-byte units, most significant byte first, read from a slice and written to a `Vec`.
//!
//! Not a derive framework: NFSv3 has few types, and reading them by hand borrows names and file handles
//! from the packet instead of allocating what a length field claims.

use alloc::vec::Vec;

/// The bytes are not what the type asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end inside a value.
    #[error("the bytes end inside a value")]
    Short,
    /// A length is larger than the type allows.
    #[error("a length of {length} where at most {most} is allowed")]
    TooLong {
        /// What the length field says.
        length: u32,
        /// What the type allows.
        most: u32,
    },
    /// A number that the enumeration or union does not have.
    #[error("{0} is not a value of its enumeration")]
    NoSuchValue(u32),
    /// Bytes are left over behind the last value.
    #[error("{0} bytes are left over")]
    LeftOver(usize),
}

/// Reads values off the front of a slice. Never allocates.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    /// An unsigned integer (§4.2).
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        let (head, rest) = self.bytes.split_first_chunk::<4>().ok_or(Malformed::Short)?;
        self.bytes = rest;
        Ok(u32::from_be_bytes(*head))
    }

    /// An unsigned hyper integer (§4.5).
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        let (head, rest) = self.bytes.split_first_chunk::<8>().ok_or(Malformed::Short)?;
        self.bytes = rest;
        Ok(u64::from_be_bytes(*head))
    }

    /// A boolean (§4.4): 0 or 1, nothing else.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u32()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Malformed::NoSuchValue(other)),
        }
    }

    /// Opaque data of a known length (§4.9), with its padding.
    pub fn fixed(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let padded = length.checked_next_multiple_of(4).ok_or(Malformed::Short)?;
        if self.bytes.len() < padded {
            return Err(Malformed::Short);
        }
        let (value, rest) = self.bytes.split_at(padded);
        self.bytes = rest;
        // What the padding holds is not looked at: RFC 4506 §3 wants zeros, old clients leave rubbish there.
        value.get(..length).ok_or(Malformed::Short)
    }

    /// Opaque data or a string of at most `most` bytes (§4.10, §4.11).
    pub fn opaque(&mut self, most: u32) -> Result<&'a [u8], Malformed> {
        let length = self.u32()?;
        if length > most {
            return Err(Malformed::TooLong { length, most });
        }
        self.fixed(length as usize)
    }

    /// Everything that was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), Malformed> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(Malformed::LeftOver(left)),
        }
    }
}

/// Appends values to a buffer.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    /// An empty buffer with room for `room` bytes.
    pub fn with_room(room: usize) -> Writer {
        Writer { bytes: Vec::with_capacity(room) }
    }

    /// An unsigned integer.
    pub fn u32(&mut self, value: u32) -> &mut Writer {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// An unsigned hyper integer.
    pub fn u64(&mut self, value: u64) -> &mut Writer {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) -> &mut Writer {
        self.u32(u32::from(value))
    }

    /// Opaque data of a length both sides know, with its padding.
    pub fn fixed(&mut self, value: &[u8]) -> &mut Writer {
        self.bytes.extend_from_slice(value);
        self.pad(value.len())
    }

    /// Opaque data or a string with its length.
    pub fn opaque(&mut self, value: &[u8]) -> &mut Writer {
        // No caller has 4 GiB in hand: the largest value is a READ's answer.
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.fixed(value)
    }

    /// The zeros that follow `length` bytes up to the next unit.
    pub fn pad(&mut self, length: usize) -> &mut Writer {
        self.bytes.extend_from_slice(&[0u8; 3][..length.wrapping_neg() % 4]);
        self
    }

    /// How many bytes stand in the buffer.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Writes a number over the one at `at`: for lengths that are known late. Outside the buffer: nothing.
    pub fn set_u32(&mut self, at: usize, value: u32) {
        if let Some(place) = self.bytes.get_mut(at..at.saturating_add(4)) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// The buffer.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A length field alone must not make anything of that size, nor reach outside the packet.
    #[test]
    fn lengths_are_held_against_the_bytes_that_are_there() {
        let claim = [0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4];
        assert_eq!(Reader::new(&claim).opaque(u32::MAX), Err(Malformed::Short));
        assert_eq!(Reader::new(&claim).opaque(64), Err(Malformed::TooLong { length: u32::MAX, most: 64 }));
        assert_eq!(Reader::new(&[0, 0, 0, 1, b'x']).opaque(64), Err(Malformed::Short), "padding is missing");
        assert_eq!(Reader::new(&[0, 0, 0, 2]).bool(), Err(Malformed::NoSuchValue(2)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in any::<u32>(), long in any::<u64>(), bytes: Vec<u8>, flag: bool) {
            let mut writer = Writer::default();
            writer.u32(number).opaque(&bytes).bool(flag).u64(long).fixed(&bytes);
            let written = writer.into_bytes();
            let mut reader = Reader::new(&written);
            prop_assert_eq!(reader.u32(), Ok(number));
            prop_assert_eq!(reader.opaque(u32::MAX), Ok(&bytes[..]));
            prop_assert_eq!(reader.bool(), Ok(flag));
            prop_assert_eq!(reader.u64(), Ok(long));
            prop_assert_eq!(reader.fixed(bytes.len()), Ok(&bytes[..]));
            prop_assert_eq!(reader.end(), Ok(()));
        }
    }
}
