//! The last step: runs are expanded, and the checksum is taken of what comes out.
//!
//! Four equal octets are followed by a count of how many more there are. A block of nothing but runs gives fifty
//! times its size, so it is expanded piece by piece.

use alloc::vec::Vec;

/// A block whose runs are not expanded yet, or only in part.
#[derive(Clone, Debug)]
pub struct Expansion {
    packed: Vec<u8>,
    at: usize,
    last: u8,
    /// Equal octets seen in a row, up to four.
    row: u8,
    /// Octets that are still to be repeated.
    due: u32,
    crc: u32,
}

impl Expansion {
    pub(super) fn of(packed: Vec<u8>) -> Expansion {
        Expansion { packed, at: 0, last: 0, row: 0, due: 0, crc: u32::MAX }
    }

    /// Appends up to `most` octets; `true` once all are out.
    pub fn expand(&mut self, into: &mut Vec<u8>, most: usize) -> bool {
        let start = into.len();
        let end = start + most;
        loop {
            if self.due > 0 {
                let count = (self.due as usize).min(end - into.len());
                into.resize(into.len() + count, self.last);
                self.due -= count as u32;
            }
            if into.len() >= end {
                break;
            }
            let rest = &self.packed[self.at..];
            let room = end - into.len();
            let mut taken = 0;
            for octet in &rest[..rest.len().min(room)] {
                taken += 1;
                if self.row == 4 {
                    self.row = 0;
                    self.due = u32::from(*octet);
                    taken |= 1 << 40;
                    break;
                }
                if *octet == self.last {
                    self.row += 1;
                } else {
                    self.row = 1;
                    self.last = *octet;
                }
            }
            let is_count = taken >> 40 == 1;
            let taken = taken & ((1 << 40) - 1);
            into.extend_from_slice(&rest[..taken - usize::from(is_count)]);
            self.at += taken;
            if self.at == self.packed.len() && self.due == 0 {
                break;
            }
        }
        self.crc = crc(self.crc, &into[start..]);
        self.at == self.packed.len() && self.due == 0
    }

    /// The checksum of what came out so far.
    pub fn checksum(&self) -> u32 {
        !self.crc
    }
}

/// CRC-32 with the highest bit first, unlike everybody else's (generator 0x04c11db7), eight octets at a time.
const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut octet = 0;
    while octet < 256 {
        let mut value = (octet as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = (value << 1) ^ if value >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            bit += 1;
        }
        tables[0][octet] = value;
        octet += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut octet = 0;
        while octet < 256 {
            let before = tables[table - 1][octet];
            tables[table][octet] = (before << 8) ^ tables[0][(before >> 24) as usize];
            octet += 1;
        }
        table += 1;
    }
    tables
}

fn crc(mut crc: u32, octets: &[u8]) -> u32 {
    let (eights, rest) = octets.as_chunks::<8>();
    for eight in eights {
        let [a, b, c, d] = (crc ^ u32::from_be_bytes([eight[0], eight[1], eight[2], eight[3]])).to_be_bytes();
        crc = TABLES[7][a as usize]
            ^ TABLES[6][b as usize]
            ^ TABLES[5][c as usize]
            ^ TABLES[4][d as usize]
            ^ TABLES[3][eight[4] as usize]
            ^ TABLES[2][eight[5] as usize]
            ^ TABLES[1][eight[6] as usize]
            ^ TABLES[0][eight[7] as usize];
    }
    for octet in rest {
        crc = (crc << 8) ^ TABLES[0][((crc >> 24) as u8 ^ octet) as usize];
    }
    crc
}
