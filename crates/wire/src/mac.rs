//! An Ethernet address: what a box is recognised by from its first packet on.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Six octets, most significant first, as on the wire. Shown as `52:54:00:12:34:56`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// As PXELINUX's `BOOTIF` writes it: hardware type 01, then dashes (`01-52-54-00-12-34-56`).
    pub fn bootif(&self) -> String {
        let [a, b, c, d, e, f] = self.0;
        alloc::format!("01-{a:02x}-{b:02x}-{c:02x}-{d:02x}-{e:02x}-{f:02x}")
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The text is not an Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ethernet address (six pairs of hex digits, like 52:54:00:12:34:56)")]
pub struct NotAMac;

impl FromStr for Mac {
    type Err = NotAMac;

    /// Takes colons or dashes, either case, and the leading hardware type of `BOOTIF` (`01-…`).
    fn from_str(text: &str) -> Result<Mac, NotAMac> {
        let text = text.trim();
        let text = match text.len() {
            20 if text.starts_with("01-") || text.starts_with("01:") => &text[3..],
            17 => text,
            _ => return Err(NotAMac),
        };
        let mut octets = [0u8; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().ok_or(NotAMac)?;
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(NotAMac);
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| NotAMac)?;
        }
        if parts.next().is_some() { Err(NotAMac) } else { Ok(Mac(octets)) }
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Mac, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    /// BOOTIF comes in either case and with either separator: all must name the same NIC.
    #[test]
    fn every_spelling_is_the_same_nic() {
        let mac: Mac = "52:54:00:AB:cd:ef".parse().unwrap();
        for spelling in ["52-54-00-ab-cd-ef", "01-52-54-00-AB-CD-EF", " 52:54:00:ab:cd:ef\n"] {
            assert_eq!(spelling.parse::<Mac>(), Ok(mac), "{spelling}");
        }
        assert_eq!(mac.to_string(), "52:54:00:ab:cd:ef");
        assert_eq!(mac.bootif(), "01-52-54-00-ab-cd-ef");
        for wrong in ["", "52:54:00:ab:cd", "52:54:00:ab:cd:eg", "5254.00ab.cdef", "02-52-54-00-ab-cd-ef"] {
            assert_eq!(wrong.parse::<Mac>(), Err(NotAMac), "{wrong}");
        }
    }
}
