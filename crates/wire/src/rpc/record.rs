//! Record marking (RFC 5531 §11): how RPC messages stand in a TCP stream, in fragments of up to 2³¹−1 bytes.
//!
//! Takes bytes as they arrive and gives whole messages; whoever owns the socket drops it on [`TooLarge`],
//! because behind a message that was not taken nothing in the stream can be found any more.

use alloc::vec::Vec;

/// Bytes of a fragment's header.
pub const HEADER: usize = 4;

/// This bit of the header says that the message ends with this fragment.
pub const LAST: u32 = 0x8000_0000;

/// A message is larger than was agreed to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of more than {most} bytes")]
pub struct TooLarge {
    /// What was agreed to take, in bytes.
    pub most: usize,
}

/// Puts messages together from a stream. Holds at most one message of `most` bytes, and allocates as bytes
/// arrive, never by what a header claims.
#[derive(Debug)]
pub struct Assembler {
    most: usize,
    header: [u8; HEADER],
    /// How many bytes of the header have arrived.
    header_length: usize,
    /// How many bytes of the fragment are still to come.
    fragment_left: usize,
    message: Vec<u8>,
}

impl Assembler {
    /// Takes messages of at most `most` bytes.
    pub fn new(most: usize) -> Assembler {
        Assembler { most, header: [0; HEADER], header_length: 0, fragment_left: 0, message: Vec::new() }
    }

    /// Takes bytes off the front of `bytes` until a message is whole (returned) or none are left (`None`).
    pub fn take(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>, TooLarge> {
        loop {
            if self.header_length < HEADER {
                let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
                if let Some(place) = self.header.get_mut(self.header_length) {
                    *place = *first;
                }
                self.header_length += 1;
                *bytes = rest;
                if self.header_length == HEADER {
                    self.fragment_left = (u32::from_be_bytes(self.header) & !LAST) as usize;
                    if self.message.len().saturating_add(self.fragment_left) > self.most {
                        return Err(TooLarge { most: self.most });
                    }
                }
                continue;
            }
            let (here, rest) = bytes.split_at(self.fragment_left.min(bytes.len()));
            self.message.extend_from_slice(here);
            self.fragment_left -= here.len();
            *bytes = rest;
            if self.fragment_left > 0 {
                return Ok(None);
            }
            self.header_length = 0;
            if u32::from_be_bytes(self.header) & LAST != 0 {
                return Ok(Some(core::mem::take(&mut self.message)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    fn all(assembler: &mut Assembler, mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, TooLarge> {
        let mut messages = Vec::new();
        while let Some(message) = assembler.take(&mut bytes)? {
            messages.push(message);
        }
        Ok(messages)
    }

    /// A stream may cut anywhere, fragments may be empty, and messages may come many in one packet.
    #[test]
    fn fragments_and_cuts_do_not_matter() {
        let stream = [
            &[0x80, 0, 0, 2, b'a', b'b'][..],
            &[0, 0, 0, 1, b'c', 0, 0, 0, 0, 0x80, 0, 0, 1, b'd'],
            &[0x80, 0, 0, 0],
        ]
        .concat();
        let expected = vec![b"ab".to_vec(), b"cd".to_vec(), vec![]];
        assert_eq!(all(&mut Assembler::new(8), &stream), Ok(expected.clone()));
        let mut assembler = Assembler::new(8);
        let bytewise: Vec<Vec<u8>> =
            stream.iter().flat_map(|byte| all(&mut assembler, &[*byte]).unwrap()).collect();
        assert_eq!(bytewise, expected);
    }

    /// A header that claims 2 GiB ends the conversation at once instead of being waited for.
    #[test]
    fn a_message_beyond_the_bound_is_refused_by_its_header() {
        assert_eq!(all(&mut Assembler::new(8), &[0xff; 4]), Err(TooLarge { most: 8 }));
        let many = [&[0, 0, 0, 8][..], &[1; 8], &[0, 0, 0, 1]].concat();
        assert_eq!(all(&mut Assembler::new(8), &many), Err(TooLarge { most: 8 }));
    }

    proptest! {
        #[test]
        fn any_stream_is_taken_or_refused(chunks: Vec<Vec<u8>>) {
            let mut assembler = Assembler::new(64);
            for chunk in &chunks {
                match all(&mut assembler, chunk) {
                    Ok(messages) => prop_assert!(messages.iter().all(|message| message.len() <= 64)),
                    Err(_) => break,
                }
            }
        }
    }
}
