//! kmod's own index files (`modules.dep.bin`, `modules.alias.bin`, `modules.builtin.bin`, …), for initrds that
//! have no others: a trie of keys with values, numbers big-endian (`libkmod/libkmod-index.c`).
//!
//! ```text
//! header: magic, version 2.1, offset of the root; an offset's upper four bits say what its node has:
//! node:   [prefix, NUL] [first letter, last letter, an offset for each] [count, then each: priority, value, NUL]
//! ```

const MAGIC: u32 = 0xb007_f457;
/// Upper half of the version; the lower one says what may be passed over.
const VERSION: u32 = 2;
const HAS_PREFIX: u32 = 0x8000_0000;
const HAS_VALUES: u32 = 0x4000_0000;
const HAS_CHILDREN: u32 = 0x2000_0000;
const OFFSET: u32 = 0x0fff_ffff;
/// Longest key that is believed; patterns have some hundred letters.
const LONGEST: usize = 4096;

/// The file is not such an index, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnIndex;

impl std::fmt::Display for NotAnIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not an index of kmod's, or a damaged one")
    }
}

impl std::error::Error for NotAnIndex {}

/// Keys and values, in the order of the keys.
pub fn read(file: &[u8]) -> Result<Vec<(String, String)>, NotAnIndex> {
    if word(file, 0)? != MAGIC || word(file, 4)? >> 16 != VERSION {
        return Err(NotAnIndex);
    }
    let mut reading = Reading { file, key: Vec::new(), pairs: Vec::new(), left: file.len() };
    reading.node(word(file, 8)?)?;
    Ok(reading.pairs)
}

struct Reading<'f> {
    file: &'f [u8],
    key: Vec<u8>,
    pairs: Vec<(String, String)>,
    /// How many nodes may still come: a circle of offsets has more than the file has bytes.
    left: usize,
}

impl Reading<'_> {
    fn node(&mut self, node: u32) -> Result<(), NotAnIndex> {
        self.left = self.left.checked_sub(1).ok_or(NotAnIndex)?;
        let mut at = (node & OFFSET) as usize;
        let key_before = self.key.len();
        if node & HAS_PREFIX != 0 {
            let prefix = text(self.file, &mut at)?;
            self.key.extend_from_slice(prefix);
        }
        if self.key.len() > LONGEST {
            return Err(NotAnIndex);
        }
        let mut children = (0, 0, 0);
        if node & HAS_CHILDREN != 0 {
            let &[first, last] = self.file.get(at..at + 2).ok_or(NotAnIndex)? else { return Err(NotAnIndex) };
            children = (first, (usize::from(last) + 1).saturating_sub(usize::from(first)), at + 2);
            at += 2 + children.1 * 4;
        }
        if node & HAS_VALUES != 0 {
            let count = word(self.file, at)?;
            at += 4;
            for _ in 0..count {
                // The priority, the lower the sooner, does not change what there is.
                at += 4;
                let value = text(self.file, &mut at)?;
                let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                self.pairs.push((lossy(&self.key), lossy(value)));
            }
        }
        let (first, count, table) = children;
        for index in 0..count {
            let child = word(self.file, table + index * 4)?;
            if child & OFFSET != 0 {
                self.key.push(first.wrapping_add(u8::try_from(index).map_err(|_| NotAnIndex)?));
                self.node(child)?;
                self.key.pop();
            }
        }
        self.key.truncate(key_before);
        Ok(())
    }
}

fn word(file: &[u8], at: usize) -> Result<u32, NotAnIndex> {
    let bytes = file.get(at..).and_then(<[u8]>::first_chunk).ok_or(NotAnIndex)?;
    Ok(u32::from_be_bytes(*bytes))
}

/// The text up to the next NUL.
fn text<'f>(file: &'f [u8], at: &mut usize) -> Result<&'f [u8], NotAnIndex> {
    let rest = file.get(*at..).ok_or(NotAnIndex)?;
    let length = rest.iter().position(|byte| *byte == 0).ok_or(NotAnIndex)?;
    *at += length + 1;
    Ok(&rest[..length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `ab` with two values and `abc` with one: prefix `ab`, a child `c`.
    fn index() -> Vec<u8> {
        let mut file = Vec::new();
        for field in [MAGIC, 0x0002_0001, 24 | HAS_PREFIX | HAS_CHILDREN | HAS_VALUES, 1, 5] {
            file.extend(u32::to_be_bytes(field));
        }
        // At 12: the child's one value; at 24: the root.
        file.truncate(20);
        file.extend(b"x\0\0\0");
        file.extend(b"ab\0cc");
        file.extend((12 | HAS_VALUES).to_be_bytes());
        file.extend(2u32.to_be_bytes());
        file.extend(b"\0\0\0\x01one\0\0\0\0\x02two\0");
        file
    }

    #[test]
    fn keys_are_put_together_on_the_way() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(read(&index()), Ok(vec![pair("ab", "one"), pair("ab", "two"), pair("abc", "x")]));
        assert_eq!(read(b"# Aliases\n"), Err(NotAnIndex));
        let mut circle = index();
        circle[29..33].copy_from_slice(&(24 | HAS_PREFIX | HAS_CHILDREN).to_be_bytes());
        assert_eq!(read(&circle), Err(NotAnIndex));
    }

    proptest! {
        #[test]
        fn damage_is_an_error_and_never_a_panic(at in 0usize..60, with: [u8; 4], length in 0usize..70) {
            let mut file = index();
            let at = at.min(file.len() - 4);
            file[at..at + 4].copy_from_slice(&with);
            let _ = read(&file);
            file.truncate(length);
            let _ = read(&file);
        }
    }
}
