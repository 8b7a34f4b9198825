//! IP networks as people write them: `10.77.0.0/24`, `fd00::/8`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address with a prefix length; the address may be one of a host in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The address as it was written.
    pub address: IpAddr,
    /// Length of the prefix in bits.
    pub prefix: u8,
}

impl Network {
    /// Whether an address lies in it.
    pub fn has(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let ((own, own_width), (other, width)) = (bits(self.address), bits(address));
        let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
        own_width == width && (own ^ other) & mask == 0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Network, &'static str> {
        let Some((address, prefix)) = text.split_once('/') else {
            return Err("the prefix length is missing: `10.0.0.5/24`");
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| "an address is four numbers from 0 to 255, or IPv6: `10.0.0.5/24`")?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.parse::<u8>().ok().filter(|prefix| *prefix <= most);
        let prefix = prefix.ok_or(match most {
            32 => "the prefix length is a number from 0 to 32",
            _ => "the prefix length is a number from 0 to 128",
        })?;
        Ok(Network { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gateway outside its network is a box that nobody reaches.
    #[test]
    fn addresses_lie_in_networks() {
        let has =
            |network: &str, address: &str| network.parse::<Network>().unwrap().has(address.parse().unwrap());
        assert!(has("10.0.0.5/24", "10.0.0.254") && !has("10.0.0.5/24", "10.0.1.1"));
        assert!(has("0.0.0.0/0", "255.1.2.3") && !has("0.0.0.0/0", "::1"));
        assert!(has("10.0.0.1/32", "10.0.0.1") && !has("10.0.0.1/32", "10.0.0.2"));
        assert!(has("fd00::/8", "fdff::1") && !has("fd00::/8", "fe80::1"));
        for text in ["10.0.0.5", "10.0.0.5/33", "10.0.0/8", "::/129", "a/8", "1.2.3.4/-1", "/", ""] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
