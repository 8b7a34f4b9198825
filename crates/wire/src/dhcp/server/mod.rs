//! What a DHCP server says and hears (RFC 2131 §4.3), without a socket or a clock.
//!
//! It leases addresses; what a client shall boot it asks from its caller (`model::boot` decides). One client
//! is one MAC: firmware, iPXE and initrd of a box send different client identifiers (option 61) and UUIDs,
//! and must get the same address all the same, so the identifier is ignored against RFC 2131 §4.2.

pub mod leases;
pub mod network;
pub mod outcome;

use super::option::{self, MessageType, Options};
use super::{CLIENT_PORT, Direction, Packet, SERVER_PORT};
use crate::mac::Mac;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;
use leases::{Lease, Leases, State};
use network::{Network, Subnet};
use outcome::{Outcome, Reason, Refusal};

/// How long an offer is kept for the client that has not yet taken it. ROMs wait up to 32 s between their
/// tries (PXE 2.1 §2.2.4).
const OFFER_TIME: Duration = Duration::from_secs(60);

/// What a client shall boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// A name for TFTP or a URL; none where the client only wants an address.
    pub file: Option<String>,
    /// What else it is told, in this order.
    pub options: Options,
}

/// A packet to send from port 67.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The packet.
    pub bytes: Vec<u8>,
    /// The client, its relay, or everybody.
    pub to: SocketAddrV4,
}

/// What came of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The packet as it was read; `None` where it was none.
    pub request: Option<Packet>,
    /// What to send, if anything.
    pub reply: Option<Reply>,
    /// What happened.
    pub outcome: Outcome,
}

/// The server's state: its network and its leases. Times are durations since the Unix epoch, so that leases
/// outlive the process.
#[derive(Clone, Debug)]
pub struct Server {
    network: Network,
    leases: Leases,
}

impl Server {
    /// A server with the leases of an earlier run; those that no longer fit the network are left out.
    pub fn new(network: Network, leases: impl IntoIterator<Item = Lease>) -> Server {
        let mut known = Leases::default();
        for lease in leases {
            let subnet = network.subnet_with(lease.address);
            if subnet.is_some_and(|subnet| subnet.leases_out(lease.address))
                || network.reservations.of(lease.mac) == Some(lease.address)
            {
                known.put(lease);
            }
        }
        Server { network, leases: known }
    }

    /// Every lease, offers and those that ended included, by MAC.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.iter()
    }

    /// A client's lease, be it over.
    pub fn lease(&self, mac: Mac) -> Option<&Lease> {
        self.leases.of(mac)
    }

    /// Who has, or last had, an address.
    pub fn client(&self, address: Ipv4Addr) -> Option<Mac> {
        self.leases.holder(address)
    }

    /// Somebody else was found using the address that was offered to a client: it loses it, and nobody gets it
    /// for a while. Its next DISCOVER, or the same one taken in again, brings another.
    pub fn found_in_use(&mut self, mac: Mac, address: Ipv4Addr, now: Duration) {
        if self.leases.of(mac).is_some_and(|lease| lease.address == address) {
            self.leases.decline(mac, now);
        }
    }

    /// How many addresses of the server's own network are in use, and how many there are.
    pub fn usage(&self, now: Duration) -> (usize, usize) {
        let own = &self.network.own;
        let used = self.leases.iter().filter(|lease| lease.until > now && own.leases_out(lease.address));
        let all = own.last.to_bits().saturating_sub(own.first.to_bits()) as usize + 1;
        (used.count(), all)
    }

    /// Takes in a packet that came to port 67. `boot` says what the client shall boot, or why it cannot.
    pub fn answer(
        &mut self,
        bytes: &[u8],
        now: Duration,
        boot: &dyn Fn(&Packet) -> Result<Boot, String>,
    ) -> Answer {
        let request = match Packet::parse(bytes) {
            Ok(request) => request,
            Err(error) => {
                let outcome = Outcome::Ignored(Reason::NotBootp(error));
                return Answer { request: None, reply: None, outcome };
            }
        };
        let (reply, outcome) = match self.consider(&request, now, boot) {
            Ok((reply, outcome)) => (reply, outcome),
            Err(outcome) => (None, outcome),
        };
        let reply = reply.map(|reply| address_to(&request, &reply));
        Answer { request: Some(request), reply, outcome }
    }

    fn consider(
        &mut self,
        request: &Packet,
        now: Duration,
        boot: &dyn Fn(&Packet) -> Result<Boot, String>,
    ) -> Result<(Option<Packet>, Outcome), Outcome> {
        let (mac, kind) = understand(request).map_err(Outcome::Ignored)?;
        let subnet = self.network.subnet(request).map_err(Outcome::Refused)?.clone();
        let boots = || boot(request).map_err(|why| Outcome::Refused(Refusal::NothingToBoot(why)));
        match kind {
            MessageType::Discover => self.offer(request, mac, &subnet, now, &boots()?),
            MessageType::Request => {
                self.heed_choice(request, mac, now)?;
                self.give(request, mac, &subnet, now, &boots()?)
            }
            MessageType::Inform => self.tell(request, &subnet, &boots()?),
            MessageType::Decline => self.decline(request, mac, now),
            MessageType::Release => self.release(request, mac, now),
            MessageType::Offer | MessageType::Ack | MessageType::Nak => {
                Err(Outcome::Ignored(Reason::ServersMessage(kind)))
            }
        }
    }

    /// DHCPDISCOVER (RFC 2131 §4.3.1).
    fn offer(
        &mut self,
        request: &Packet,
        mac: Mac,
        subnet: &Subnet,
        now: Duration,
        boot: &Boot,
    ) -> Result<(Option<Packet>, Outcome), Outcome> {
        let wanted = request.options.address(option::REQUESTED_ADDRESS);
        let Some(address) = self.leases.choose(subnet, &self.network.reservations, mac, wanted, now) else {
            let Subnet { first, last, .. } = *subnet;
            return Err(Outcome::Refused(Refusal::PoolEmpty { first, last }));
        };
        let held = self.leases.of(mac).filter(|lease| lease.address == address && lease.until > now);
        let fresh = held.is_none();
        match held {
            // An offer repeats what the client has already; its lease is not shortened by asking again.
            Some(lease) if lease.until >= now + OFFER_TIME => {}
            _ => self.leases.put(Lease { mac, address, until: now + OFFER_TIME, state: State::Offered }),
        }
        let reply = self.reply(request, MessageType::Offer, address, subnet, boot);
        Ok((Some(reply), Outcome::Offered { address, file: boot.file.clone(), fresh }))
    }

    /// A DHCPREQUEST that names another server drops our offer (RFC 2131 §4.3.2).
    fn heed_choice(&mut self, request: &Packet, mac: Mac, now: Duration) -> Result<(), Outcome> {
        match request.options.address(option::SERVER_ID) {
            Some(server) if server != self.network.server() => {
                self.leases.end_offer(mac, now);
                Err(Outcome::Refused(Refusal::OtherServer { server }))
            }
            _ => Ok(()),
        }
    }

    /// DHCPREQUEST (RFC 2131 §4.3.2), be it for an offer, after a restart, or to renew. There is one rule for
    /// all: a client gets the address that is its own, or one that is free and ours. We are the only server,
    /// so an unknown client is answered and not met with silence.
    fn give(
        &mut self,
        request: &Packet,
        mac: Mac,
        subnet: &Subnet,
        now: Duration,
        boot: &Boot,
    ) -> Result<(Option<Packet>, Outcome), Outcome> {
        let asked = request.options.address(option::REQUESTED_ADDRESS);
        let asked = asked.or_else(|| Some(request.ciaddr).filter(|address| !address.is_unspecified()));
        let Some(asked) = asked else {
            return Err(Outcome::Ignored(Reason::NoAddress(MessageType::Request)));
        };
        match self.leases.allow(subnet, &self.network.reservations, mac, asked, now) {
            Ok(()) => {
                let until = now + self.network.lease_time;
                self.leases.put(Lease { mac, address: asked, until, state: State::Taken });
                let mut reply = self.reply(request, MessageType::Ack, asked, subnet, boot);
                reply.ciaddr = request.ciaddr;
                Ok((Some(reply), Outcome::Taken { address: asked }))
            }
            Err(refusal) => {
                let mut nak = request.reply();
                nak.yiaddr = Ipv4Addr::UNSPECIFIED;
                nak.options.set(option::MESSAGE_TYPE, [MessageType::Nak.octet()]);
                nak.options.set_address(option::SERVER_ID, self.network.server());
                nak.options.set(option::MESSAGE, refusal.to_string());
                echo_relay(request, &mut nak);
                Ok((Some(nak), Outcome::Refused(refusal)))
            }
        }
    }

    /// DHCPINFORM (RFC 2131 §4.3.5): everything but an address.
    fn tell(
        &self,
        request: &Packet,
        subnet: &Subnet,
        boot: &Boot,
    ) -> Result<(Option<Packet>, Outcome), Outcome> {
        let address = request.ciaddr;
        // Answers go to that address: it must not be a way to make us send to strangers.
        if address.is_unspecified() || !subnet.has(address) {
            return Err(Outcome::Ignored(Reason::NoAddress(MessageType::Inform)));
        }
        let mut reply = self.reply(request, MessageType::Ack, Ipv4Addr::UNSPECIFIED, subnet, boot);
        reply.ciaddr = address;
        for code in [option::LEASE_TIME, option::RENEWAL_TIME, option::REBINDING_TIME] {
            reply.options.remove(code);
        }
        Ok((Some(reply), Outcome::Told { address }))
    }

    /// DHCPDECLINE (RFC 2131 §4.3.3).
    fn decline(
        &mut self,
        request: &Packet,
        mac: Mac,
        now: Duration,
    ) -> Result<(Option<Packet>, Outcome), Outcome> {
        let address = request.options.address(option::REQUESTED_ADDRESS);
        match (address, self.leases.of(mac)) {
            (Some(address), Some(lease)) if lease.address == address => {
                self.leases.decline(mac, now);
                Ok((None, Outcome::Declined { address }))
            }
            _ => Err(Outcome::Ignored(Reason::NotItsAddress(MessageType::Decline))),
        }
    }

    /// DHCPRELEASE (RFC 2131 §4.3.4): the lease ends, the address is kept for the box as long as there are
    /// others.
    fn release(
        &mut self,
        request: &Packet,
        mac: Mac,
        now: Duration,
    ) -> Result<(Option<Packet>, Outcome), Outcome> {
        match self.leases.of(mac) {
            Some(lease) if lease.address == request.ciaddr => {
                self.leases.put(Lease { until: now, ..*lease });
                Ok((None, Outcome::Released { address: request.ciaddr }))
            }
            _ => Err(Outcome::Ignored(Reason::NotItsAddress(MessageType::Release))),
        }
    }

    fn reply(
        &self,
        request: &Packet,
        kind: MessageType,
        address: Ipv4Addr,
        subnet: &Subnet,
        boot: &Boot,
    ) -> Packet {
        let network = &self.network;
        let mut reply = request.reply();
        reply.yiaddr = address;
        reply.siaddr = network.server();
        let options = &mut reply.options;
        options.set(option::MESSAGE_TYPE, [kind.octet()]);
        options.set_address(option::SERVER_ID, network.server());
        options.set_seconds(option::LEASE_TIME, network.lease_time);
        options.set_seconds(option::RENEWAL_TIME, network.lease_time / 2);
        options.set_seconds(option::REBINDING_TIME, network.lease_time / 8 * 7);
        options.set(option::SUBNET_MASK, subnet.mask().to_be_bytes());
        options.set(option::BROADCAST_ADDRESS, (subnet.address.to_bits() | !subnet.mask()).to_be_bytes());
        for (code, addresses) in
            [(option::ROUTERS, &subnet.routers), (option::NAME_SERVERS, &network.name_servers)]
        {
            if !addresses.is_empty() {
                options.set(code, addresses.iter().flat_map(Ipv4Addr::octets).collect::<Vec<u8>>());
            }
        }
        write_boot(request, &mut reply, network.server(), boot);
        echo_relay(request, &mut reply);
        reply
    }
}

/// What to boot, where firmware of each kind looks for it.
pub(super) fn write_boot(request: &Packet, reply: &mut Packet, server: Ipv4Addr, boot: &Boot) {
    for (code, octets) in boot.options.iter() {
        reply.options.set(code, octets);
    }
    if let Some(file) = &boot.file {
        reply.options.set(option::TFTP_SERVER, server.to_string());
        reply.options.set(option::BOOTFILE, file.as_str());
        // BIOS ROMs read the field, UEFI HTTP Boot the option: both are written.
        reply.write_file(file);
    }
    // ROMs drop a reply that does not bear their own UUID (RFC 4578 §2.3).
    if let Some(id @ [_, rest @ ..]) = request.options.octets(option::MACHINE_ID)
        && rest.len() == 16
    {
        reply.options.set(option::MACHINE_ID, id);
    }
}

/// What the relay noted goes back as it came, as the last option (RFC 3046 §2.1).
pub(super) fn echo_relay(request: &Packet, reply: &mut Packet) {
    if request.giaddr.is_unspecified() {
        return;
    }
    if let Some(octets) = request.options.octets(option::RELAY_AGENT).filter(|octets| octets.len() <= 255) {
        reply.options.set(option::RELAY_AGENT, octets);
    }
}

/// Who sent it and what it is.
pub(super) fn understand(request: &Packet) -> Result<(Mac, MessageType), Reason> {
    if request.op != Direction::Request {
        return Err(Reason::Reply);
    }
    let (htype, hlen) = (request.htype, request.hlen);
    let mac = request.mac().ok_or(Reason::NotEthernet { htype, hlen })?;
    // The group bit and all zeros: many spoofed or broken packets have such an address.
    if mac.0[0] & 1 != 0 || mac.0 == [0; 6] {
        return Err(Reason::NoNics(mac));
    }
    match request.message_type() {
        Some(kind) => Ok((mac, kind)),
        None if request.options.has(option::MESSAGE_TYPE) => Err(Reason::UnknownMessage),
        None => Err(Reason::PlainBootp),
    }
}

/// Where a reply goes (RFC 2131 §4.1). A client without an address gets a broadcast even where it would take
/// unicast: the kernel cannot send to an address that nobody answers for yet.
fn address_to(request: &Packet, reply: &Packet) -> Reply {
    let refused = reply.message_type() == Some(MessageType::Nak);
    let mut reply = reply.clone();
    let to = if !request.giaddr.is_unspecified() {
        if refused {
            reply.flags |= super::BROADCAST;
        }
        SocketAddrV4::new(request.giaddr, SERVER_PORT)
    } else if !request.ciaddr.is_unspecified() && !refused {
        SocketAddrV4::new(request.ciaddr, CLIENT_PORT)
    } else {
        SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT)
    };
    Reply { bytes: reply.encode(), to }
}

#[cfg(test)]
mod tests;
