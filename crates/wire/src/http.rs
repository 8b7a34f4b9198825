//! The parts of HTTP that are read by hand: ranges (RFC 9110 §14.1.2), queries and percent-encoding (RFC 3986 §2).
//!
//! Not a server: requests as a whole are hyper's. Here so that everything from a hostile wire is read in one crate.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What part of a file is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// First and last octet, both included.
    Part(u64, u64),
    /// No octet of it exists.
    Nothing,
}

/// The value of a `Range` header, held against a file of so many bytes. `None` where it is none that is served:
/// several ranges, and anything that is no range, mean the whole (RFC 9110 §14.2).
pub fn range(text: &str, bytes: u64) -> Option<Wanted> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| match text.bytes().all(|digit| digit.is_ascii_digit()) {
        // Larger than any file is as good as the largest number.
        true => Some(text.parse::<u64>().unwrap_or(u64::MAX)),
        false => None,
    };
    let part = |first: u64, last: u64| {
        if first < bytes { Wanted::Part(first, last.min(bytes - 1)) } else { Wanted::Nothing }
    };
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        // The last so many octets; of an empty suffix there is nothing.
        (true, false) => match number(last)? {
            0 => Some(Wanted::Nothing),
            suffix => Some(part(bytes.saturating_sub(suffix), u64::MAX)),
        },
        (false, true) => Some(part(number(first)?, u64::MAX)),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| part(first, last))
        }
    }
}

/// The value of this key in a query, as it stands there: still encoded.
pub fn value<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

/// Undoes percent-encoding, once: what was encoded twice stays encoded. A `%` before anything but two hex digits
/// stays as it is.
pub fn decode(text: &str) -> Vec<u8> {
    let octets = text.as_bytes();
    let (mut decoded, mut at) = (Vec::new(), 0);
    while let Some(octet) = octets.get(at) {
        let hex = octets.get(at + 1..at + 3).and_then(|hex| core::str::from_utf8(hex).ok());
        let escaped = hex.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match (octet, escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(value)) => {
                decoded.push(value);
                at += 3;
            }
            (other, _) => {
                decoded.push(*other);
                at += 1;
            }
        }
    }
    decoded
}

/// Percent-encodes everything but unreserved characters (RFC 3986 §2.3), so that neither a URL nor iPXE finds
/// anything in it.
pub fn encode(text: &str) -> String {
    let octet = |octet: u8| match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            String::from(char::from(octet))
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A client that resumes must get exactly the octets it lacks, and a client that asks nonsense the whole.
    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (text, expected) in [
            ("bytes=0-0", Some(Wanted::Part(0, 0))),
            ("bytes=5-", Some(Wanted::Part(5, 9))),
            ("bytes=5-99", Some(Wanted::Part(5, 9))),
            ("bytes=-3", Some(Wanted::Part(7, 9))),
            ("bytes=-99", Some(Wanted::Part(0, 9))),
            ("bytes=-0", Some(Wanted::Nothing)),
            ("bytes=10-", Some(Wanted::Nothing)),
            ("bytes=99999999999999999999-", Some(Wanted::Nothing)),
            ("bytes=5-4", None),
            ("bytes=-", None),
            ("bytes=0-1,3-4", None),
            ("bytes=+1-2", None),
            ("items=0-1", None),
            ("bytes=a-b", None),
        ] {
            assert_eq!(range(text, 10), expected, "{text}");
        }
        assert_eq!(range("bytes=0-", 0), Some(Wanted::Nothing), "an empty file has no octet");
        assert_eq!(range("bytes=-1", 0), Some(Wanted::Nothing));
    }

    /// What is decoded twice opens doors that were checked after the first time.
    #[test]
    fn what_was_encoded_twice_is_decoded_once() {
        assert_eq!(decode("%252e%2e/a+b%00%zz%4"), b"%2e./a+b\0%zz%4");
        assert_eq!(value("a=1&serial=x%20y&b=2", "serial"), Some("x%20y"));
        assert_eq!(value("serials=1", "serial"), None);
    }

    proptest! {
        /// Requests come from the network: a range is inside the file, and what is encoded comes back.
        #[test]
        fn anything_is_read(text in any::<String>(), first in any::<u64>(), last in any::<u64>(), bytes in any::<u64>()) {
            for text in [text.clone(), format!("bytes={text}"), format!("bytes={first}-{last}")] {
                if let Some(Wanted::Part(first, last)) = range(&text, bytes) {
                    prop_assert!(first <= last && last < bytes);
                }
            }
            prop_assert!(decode(&text).len() <= text.len());
            prop_assert_eq!(decode(&encode(&text)), text.as_bytes());
        }
    }
}
