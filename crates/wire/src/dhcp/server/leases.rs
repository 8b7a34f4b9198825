//! Who has which address until when.
//!
//! A lease that ended is kept until its address is needed: a box that comes back gets its old address
//! (RFC 2131 §4.3.1), and its old timeline is found by it.

use super::network::{Reservations, Subnet};
use super::outcome::Refusal;
use crate::mac::Mac;
use alloc::collections::BTreeMap;
use core::net::Ipv4Addr;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// How long an address that somebody else uses is left alone.
const DECLINED_TIME: Duration = Duration::from_secs(600);
/// More clients than this are no build network but somebody making up addresses; the bound is on memory.
const MOST: usize = 65_536;

/// One client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The client.
    pub mac: Mac,
    /// Its address.
    pub address: Ipv4Addr,
    /// Until when, since the Unix epoch.
    pub until: Duration,
    /// Whether it took the address.
    pub state: State,
}

/// How far a lease is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Offered only.
    Offered,
    /// Taken by the client.
    Taken,
}

/// All of them; no address twice, no client twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases {
    of: BTreeMap<Mac, Lease>,
    holders: BTreeMap<Ipv4Addr, Mac>,
    declined: BTreeMap<Ipv4Addr, Duration>,
    /// By the first address of a range: all before this one had a holder when it was looked for last.
    looked: BTreeMap<Ipv4Addr, u32>,
}

impl Leases {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.of.values()
    }

    pub(super) fn of(&self, mac: Mac) -> Option<&Lease> {
        self.of.get(&mac)
    }

    pub(super) fn holder(&self, address: Ipv4Addr) -> Option<Mac> {
        self.holders.get(&address).copied()
    }

    /// Notes a lease in place of the client's old one and of the address's old holder.
    pub(super) fn put(&mut self, lease: Lease) {
        if let Some(old) = self.of.insert(lease.mac, lease)
            && old.address != lease.address
        {
            self.forget(old.address);
        }
        if let Some(mac) = self.holders.insert(lease.address, lease.mac)
            && mac != lease.mac
        {
            self.of.remove(&mac);
        }
    }

    /// The client took another offer: ours ends, a lease that it had taken stays.
    pub(super) fn end_offer(&mut self, mac: Mac, now: Duration) {
        if let Some(lease) = self.of.get_mut(&mac)
            && lease.state == State::Offered
        {
            lease.until = now;
        }
    }

    /// The client's address is somebody else's: it loses it, and nobody gets it for a while.
    pub(super) fn decline(&mut self, mac: Mac, now: Duration) {
        self.declined.retain(|_, until| *until > now);
        if let Some(lease) = self.of.remove(&mac) {
            self.forget(lease.address);
            self.declined.insert(lease.address, now + DECLINED_TIME);
        }
    }

    /// An address has no holder any more.
    fn forget(&mut self, address: Ipv4Addr) {
        self.holders.remove(&address);
        self.looked.clear();
    }

    /// The address to offer: reserved, its own from before, the one it wants, any that nobody ever had, the
    /// one that was given up longest ago. `None` where all are in use.
    pub(super) fn choose(
        &mut self,
        subnet: &Subnet,
        reservations: &Reservations,
        mac: Mac,
        wanted: Option<Ipv4Addr>,
        now: Duration,
    ) -> Option<Ipv4Addr> {
        if let Some(reserved) = reservations.of(mac)
            && subnet.has(reserved)
            && self.in_use_by_another(reserved, mac, now).is_none()
        {
            return Some(reserved);
        }
        if let Some(lease) = self.of.get(&mac)
            && self.may_have(subnet, reservations, mac, lease.address, now)
        {
            return Some(lease.address);
        }
        if let Some(wanted) = wanted
            && self.may_have(subnet, reservations, mac, wanted, now)
        {
            return Some(wanted);
        }
        if self.of.len() < MOST
            && let Some(address) = self.untouched(subnet, reservations, mac, now)
        {
            return Some(address);
        }
        let over = self.of.values().filter(|lease| {
            lease.until <= now && self.may_have(subnet, reservations, mac, lease.address, now)
        });
        over.min_by_key(|lease| lease.until).map(|lease| lease.address)
    }

    /// The first address of the range that has no holder.
    fn untouched(
        &mut self,
        subnet: &Subnet,
        reservations: &Reservations,
        mac: Mac,
        now: Duration,
    ) -> Option<Ipv4Addr> {
        let mut next = self.looked.get(&subnet.first).copied().unwrap_or(subnet.first.to_bits());
        let mut has_gap = false;
        while next <= subnet.last.to_bits() {
            let address = Ipv4Addr::from_bits(next);
            if !self.holders.contains_key(&address) {
                if self.may_have(subnet, reservations, mac, address, now) {
                    return Some(address);
                }
                // Declined, or reserved for another: free for somebody, some day.
                has_gap = true;
            }
            next = next.checked_add(1)?;
            if !has_gap {
                self.looked.insert(subnet.first, next);
            }
        }
        None
    }

    /// Whether the client may have this address now, and if not, why.
    pub(super) fn allow(
        &self,
        subnet: &Subnet,
        reservations: &Reservations,
        mac: Mac,
        asked: Ipv4Addr,
        now: Duration,
    ) -> Result<(), Refusal> {
        let refused = |why| Err(Refusal::NotFree { asked, why });
        if let Some(why) = self.in_use_by_another(asked, mac, now) {
            return refused(why);
        }
        if let Some(reserved) = reservations.of(mac).filter(|reserved| subnet.has(*reserved)) {
            // Where somebody else still sits on the reserved address, the client has one from the range.
            if reserved == asked {
                return Ok(());
            }
            if self.in_use_by_another(reserved, mac, now).is_none() {
                return refused("another address is reserved for it");
            }
        }
        if !subnet.leases_out(asked) {
            return Err(Refusal::NotOurs { asked });
        }
        if reservations.is_for_another(asked, mac) {
            return refused("it is reserved for another client");
        }
        match self.of.get(&mac) {
            // A box that was carried to another network has no use for its address there.
            Some(lease) if lease.address != asked && lease.until > now && subnet.has(lease.address) => {
                refused("another address is leased to it")
            }
            None if self.of.len() >= MOST => refused("there are too many clients"),
            _ => Ok(()),
        }
    }

    /// Whether an address of the range is free for this client.
    fn may_have(
        &self,
        subnet: &Subnet,
        reservations: &Reservations,
        mac: Mac,
        address: Ipv4Addr,
        now: Duration,
    ) -> bool {
        subnet.leases_out(address)
            && self.in_use_by_another(address, mac, now).is_none()
            && !reservations.is_for_another(address, mac)
    }

    fn in_use_by_another(&self, address: Ipv4Addr, mac: Mac, now: Duration) -> Option<&'static str> {
        if self.declined.get(&address).is_some_and(|until| *until > now) {
            return Some("somebody else was found using it");
        }
        let holder = self.holders.get(&address).filter(|holder| **holder != mac)?;
        let lease = self.of.get(holder)?;
        (lease.until > now).then_some("it is leased to another client")
    }
}
