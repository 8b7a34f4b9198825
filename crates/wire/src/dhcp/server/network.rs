//! The networks whose addresses are leased: ours, those behind relays, and what is reserved in them.

use super::super::{Packet, option};
use super::outcome::Refusal;
use crate::mac::Mac;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

/// The networks whose addresses are leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The network that the server itself is on.
    pub own: Subnet,
    /// Networks behind relays (RFC 2131 §4.1, `giaddr`).
    pub relayed: Vec<Subnet>,
    /// Name servers, the best first.
    pub name_servers: Vec<Ipv4Addr>,
    /// How long an address is leased.
    pub lease_time: Duration,
    /// Addresses kept for certain clients, within a range or outside of it.
    pub reservations: Reservations,
}

/// One network and the part of it that is leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The server's own address on it, which goes out as server identifier; behind a relay, the relay's.
    pub address: Ipv4Addr,
    /// Prefix length.
    pub prefix: u8,
    /// First address leased.
    pub first: Ipv4Addr,
    /// Last address leased, included.
    pub last: Ipv4Addr,
    /// Routers, the best first; a build network seldom has one.
    pub routers: Vec<Ipv4Addr>,
}

impl Subnet {
    pub(super) fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0)
    }

    pub(super) fn has(&self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.address.to_bits()) & self.mask() == 0
    }

    /// Whether a client may have it at all, leases aside.
    pub(super) fn leases_out(&self, address: Ipv4Addr) -> bool {
        let host = address.to_bits() & !self.mask();
        self.first <= address
            && address <= self.last
            && self.has(address)
            && address != self.address
            && host != 0
            && host != !self.mask()
    }
}

impl Network {
    /// The server's own address: server identifier, and where to boot from.
    pub fn server(&self) -> Ipv4Addr {
        self.own.address
    }

    /// The network that a client is on: what the relay says of it (RFC 3527), the relay's own, that of the
    /// client's address, or ours.
    ///
    /// Errors: a relay on a network that has no range here.
    pub(super) fn subnet(&self, request: &Packet) -> Result<&Subnet, Refusal> {
        if request.giaddr.is_unspecified() {
            // A box behind a relay renews without it (RFC 2131 §4.3.2).
            return Ok(self.subnet_with(request.ciaddr).unwrap_or(&self.own));
        }
        let link = request.options.nested(option::RELAY_AGENT).address(option::relay::LINK);
        // The relay is where the reply goes: whatever link it names, it must be on a network of ours itself,
        // or anybody could have us send anywhere.
        let relay = self.subnet_with(request.giaddr);
        let found = relay.and_then(|relay| link.map_or(Some(relay), |link| self.subnet_with(link)));
        found.ok_or(Refusal::OtherNetwork { relay: request.giaddr })
    }

    pub(super) fn subnet_with(&self, address: Ipv4Addr) -> Option<&Subnet> {
        core::iter::once(&self.own).chain(&self.relayed).find(|subnet| subnet.has(address))
    }
}

/// Which client each reserved address is kept for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservations {
    addresses: BTreeMap<Mac, Ipv4Addr>,
    holders: BTreeMap<Ipv4Addr, Mac>,
}

impl FromIterator<(Mac, Ipv4Addr)> for Reservations {
    /// One address a client, one client an address: a later pair takes the place of those it contradicts.
    fn from_iter<I: IntoIterator<Item = (Mac, Ipv4Addr)>>(pairs: I) -> Reservations {
        let mut reservations = Reservations::default();
        for (mac, address) in pairs {
            if let Some(old) = reservations.addresses.insert(mac, address) {
                reservations.holders.remove(&old);
            }
            if let Some(old) = reservations.holders.insert(address, mac).filter(|old| *old != mac) {
                reservations.addresses.remove(&old);
            }
        }
        reservations
    }
}

impl Reservations {
    pub(super) fn of(&self, mac: Mac) -> Option<Ipv4Addr> {
        self.addresses.get(&mac).copied()
    }

    pub(super) fn is_for_another(&self, address: Ipv4Addr, mac: Mac) -> bool {
        self.holders.get(&address).is_some_and(|holder| *holder != mac)
    }
}
