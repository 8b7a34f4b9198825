//! Other DHCP servers on the build network: which there are, and whether they stand in the way.
//!
//! Two servers that both lease addresses is the boot that works every other time. Beside one server that leases,
//! a line with `dhcp = "proxy"` is as it should be.

use crate::ladder::Rung;
use crate::line::Dhcp;
use crate::timeline::{Timestamp, Trouble};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use wire::dhcp::option::{self, MessageType};
use wire::dhcp::{Direction, Packet};
use wire::mac::Mac;

/// Id of the cause: more servers than there may be.
pub const TWO_SERVERS: &str = "dhcp-two-servers";
/// Id of the cause: every address of the range is leased.
pub const POOL_EMPTY: &str = "dhcp-pool-empty";

/// After how long without an answer a server counts as gone. It is asked each minute.
const GONE_MILLIS: u64 = 5 * 60 * 1000;
/// Servers remembered; a network with more has other troubles, and somebody may make them up.
const MOST: usize = 16;

/// What one server was heard to offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Who offers: its server identifier (RFC 2132 §9.7).
    pub server: Ipv4Addr,
    /// The address, absent where only a boot file is named (a proxyDHCP server).
    pub address: Option<Ipv4Addr>,
    /// The boot file.
    pub bootfile: Option<String>,
    /// For whom.
    pub client: Option<Mac>,
}

impl Offer {
    /// Reads a server's packet; `None` where it is none, or nobody's.
    pub fn read(packet: &Packet) -> Option<Offer> {
        let kind = packet.message_type()?;
        if packet.op != Direction::Reply || !matches!(kind, MessageType::Offer | MessageType::Ack) {
            return None;
        }
        Some(Offer {
            server: packet.options.address(option::SERVER_ID)?,
            address: Some(packet.yiaddr).filter(|address| !address.is_unspecified()),
            bootfile: packet.bootfile(),
            client: packet.mac(),
        })
    }
}

/// The other servers, and whether the alarm was given.
#[derive(Clone, Debug)]
pub struct Rivals {
    ours: Ipv4Addr,
    dhcp: Dhcp,
    seen: BTreeMap<Ipv4Addr, (Offer, Timestamp)>,
    told: Option<Trouble>,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is a trouble, or it is another one than before.
    Trouble(Trouble),
    /// The trouble is over.
    Over,
}

impl Rivals {
    /// None seen yet; `ours` is the address of our own server.
    pub fn new(ours: Ipv4Addr, dhcp: Dhcp) -> Rivals {
        Rivals { ours, dhcp, seen: BTreeMap::new(), told: None }
    }

    /// A server was heard. Our own is no rival.
    pub fn heard(&mut self, offer: Offer, at: Timestamp) -> Option<Change> {
        let known = self.seen.len() < MOST || self.seen.contains_key(&offer.server);
        if offer.server != self.ours && known {
            self.seen.insert(offer.server, (offer, at));
        }
        self.judge(at)
    }

    /// Time passed.
    pub fn judge(&mut self, now: Timestamp) -> Option<Change> {
        self.seen.retain(|_, (_, last)| now.0.saturating_sub(last.0) < GONE_MILLIS);
        let trouble = self.trouble();
        // Which address was offered last is no news.
        let cause = |trouble: &Option<Trouble>| trouble.as_ref().map(|trouble| trouble.sentence.clone());
        if cause(&trouble) == cause(&self.told) {
            return None;
        }
        self.told.clone_from(&trouble);
        Some(trouble.map_or(Change::Over, Change::Trouble))
    }

    /// The servers that lease addresses, ours aside.
    pub fn lessors(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.seen.values().filter(|(offer, _)| offer.address.is_some()).map(|(offer, _)| offer.server)
    }

    /// What is wrong now.
    pub fn trouble(&self) -> Option<Trouble> {
        let offers: Vec<&Offer> = self.seen.values().map(|(offer, _)| offer).collect();
        let in_the_way: Vec<&Offer> = match self.dhcp {
            Dhcp::Full => offers,
            // Others lease here, two of them in turns perhaps: only a second boot file is in the way.
            Dhcp::Proxy => offers.into_iter().filter(|offer| offer.bootfile.is_some()).collect(),
        };
        let first = in_the_way.first()?;
        let names: Vec<String> = in_the_way.iter().map(|offer| offer.server.to_string()).collect();
        let names = names.join(" and ");
        let does = match (self.dhcp, first.address) {
            (Dhcp::Full, Some(_)) => "leases addresses",
            (Dhcp::Full, None) | (Dhcp::Proxy, _) => "names boot files",
        };
        let sentence = format!("Besides this server ({}), {names} {does} here.", self.ours);
        Some(Trouble {
            cause: TWO_SERVERS.into(),
            rung: Rung::TookAddress,
            sentence,
            evidence: in_the_way.iter().map(|offer| evidence(offer)).collect(),
            fix: fix(self.dhcp, first.server),
        })
    }

    /// The trouble of one box that took another server's offer.
    pub fn taken_elsewhere(&self, server: Ipv4Addr) -> Trouble {
        Trouble {
            cause: TWO_SERVERS.into(),
            rung: Rung::TookAddress,
            sentence: format!("This box took the offer of another DHCP server, {server}."),
            evidence: vec![format!("its REQUEST names the server {server}, ours is {}", self.ours)],
            fix: fix(self.dhcp, server),
        }
    }
}

fn evidence(offer: &Offer) -> String {
    let mut things = Vec::new();
    things.extend(offer.address.map(|address| format!("the address {address}")));
    things.extend(offer.bootfile.as_ref().map(|file| {
        let file: String = file.chars().filter(|character| !character.is_control()).take(100).collect();
        format!("the boot file {file}")
    }));
    let to = offer.client.map(|client| format!(" to {client}")).unwrap_or_default();
    format!("{} offered {}{to}", offer.server, things.join(" and "))
}

fn fix(dhcp: Dhcp, server: Ipv4Addr) -> Vec<String> {
    let off = format!("switch {server} off on this network, or take it off the switch");
    match dhcp {
        Dhcp::Full => vec![
            off,
            "or leave the addresses to it: `dhcp = \"proxy\"` in line.toml [network], and no boot file there"
                .into(),
        ],
        Dhcp::Proxy => {
            vec![format!("take the boot file (options 66 and 67, `filename`) out of {server}"), off]
        }
    }
}

/// The trouble of a box that finds the range used up.
pub fn pool_empty(first: Ipv4Addr, last: Ipv4Addr) -> Trouble {
    Trouble {
        cause: POOL_EMPTY.into(),
        rung: Rung::TookAddress,
        sentence: format!("There is no address left for this box: all of {first}-{last} is leased."),
        evidence: vec![format!("its DISCOVER found no free address in {first}-{last}")],
        fix: vec![
            "make `range` in line.toml [network] larger and start `bootworks serve` again".into(),
            "or wait: an address is free again an hour after its box was last heard of".into(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::fmt::Write as _;

    const OURS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

    fn offer(last: u8, address: bool, file: Option<&str>) -> Offer {
        Offer {
            server: Ipv4Addr::new(10, 77, 0, last),
            address: address.then_some(Ipv4Addr::new(10, 77, 0, 99)),
            bootfile: file.map(str::to_owned),
            client: Some(Mac([0x52, 0x54, 0, 0, 0, 1])),
        }
    }

    fn show(change: Option<Change>) -> String {
        let mut text = String::new();
        match change {
            None => text += "nothing new\n",
            Some(Change::Over) => text += "over\n",
            Some(Change::Trouble(trouble)) => {
                let _ = writeln!(text, "{}: {}", trouble.cause, trouble.sentence);
                for line in trouble.evidence.iter().chain(&trouble.fix) {
                    let _ = writeln!(text, "  {line}");
                }
            }
        }
        text
    }

    /// The router that somebody forgot on the build network is named, once, and its going too.
    #[test]
    fn a_second_server_is_an_alarm_until_it_is_gone() {
        let mut rivals = Rivals::new(OURS, Dhcp::Full);
        let text = [
            show(rivals.heard(offer(1, true, Some("ipxe.efi")), Timestamp(0))),
            show(rivals.heard(offer(254, true, None), Timestamp(1000))),
            show(rivals.heard(offer(254, true, None), Timestamp(61_000))),
            show(rivals.judge(Timestamp(300_000))),
            show(rivals.judge(Timestamp(361_000))),
            show(rivals.heard(offer(7, false, Some("pxelinux.0\u{1b}")), Timestamp(400_000))),
        ];
        expect![[r#"
            nothing new
            dhcp-two-servers: Besides this server (10.77.0.1), 10.77.0.254 leases addresses here.
              10.77.0.254 offered the address 10.77.0.99 to 52:54:00:00:00:01
              switch 10.77.0.254 off on this network, or take it off the switch
              or leave the addresses to it: `dhcp = "proxy"` in line.toml [network], and no boot file there
            nothing new
            nothing new
            over
            dhcp-two-servers: Besides this server (10.77.0.1), 10.77.0.7 names boot files here.
              10.77.0.7 offered the boot file pxelinux.0 to 52:54:00:00:00:01
              switch 10.77.0.7 off on this network, or take it off the switch
              or leave the addresses to it: `dhcp = "proxy"` in line.toml [network], and no boot file there
        "#]]
        .assert_eq(&text.concat());
        expect![[r#"
            dhcp-two-servers: This box took the offer of another DHCP server, 10.77.0.254.
              its REQUEST names the server 10.77.0.254, ours is 10.77.0.1
              switch 10.77.0.254 off on this network, or take it off the switch
              or leave the addresses to it: `dhcp = "proxy"` in line.toml [network], and no boot file there
        "#]]
        .assert_eq(&show(Some(Change::Trouble(rivals.taken_elsewhere(Ipv4Addr::new(10, 77, 0, 254))))));
    }

    /// Beside servers that lease, proxy is right; beside one that names a boot file it is not.
    #[test]
    fn beside_other_servers_only_boot_files_matter() {
        let mut rivals = Rivals::new(OURS, Dhcp::Proxy);
        let text = [
            show(rivals.heard(offer(2, true, None), Timestamp(0))),
            show(rivals.heard(offer(3, true, None), Timestamp(1))),
            show(rivals.judge(Timestamp(GONE_MILLIS + 1))),
            show(rivals.heard(offer(2, true, Some("pxelinux.0")), Timestamp(GONE_MILLIS + 2))),
        ];
        expect![[r#"
            nothing new
            nothing new
            nothing new
            dhcp-two-servers: Besides this server (10.77.0.1), 10.77.0.2 names boot files here.
              10.77.0.2 offered the address 10.77.0.99 and the boot file pxelinux.0 to 52:54:00:00:00:01
              take the boot file (options 66 and 67, `filename`) out of 10.77.0.2
              switch 10.77.0.2 off on this network, or take it off the switch
        "#]]
        .assert_eq(&text.concat());
        assert_eq!(rivals.lessors().count(), 1);
    }

    /// A pool that is used up is said to the person, not to the ROM only.
    #[test]
    fn an_empty_pool_says_what_to_do() {
        let trouble = pool_empty(Ipv4Addr::new(10, 77, 0, 50), Ipv4Addr::new(10, 77, 0, 59));
        expect![[r#"
            dhcp-pool-empty: There is no address left for this box: all of 10.77.0.50-10.77.0.59 is leased.
              its DISCOVER found no free address in 10.77.0.50-10.77.0.59
              make `range` in line.toml [network] larger and start `bootworks serve` again
              or wait: an address is free again an hour after its box was last heard of
        "#]]
        .assert_eq(&show(Some(Change::Trouble(trouble))));
    }

    /// Only what servers send is an offer.
    #[test]
    fn offers_are_read_from_replies() {
        let mut packet = Packet::request(Mac([0x52, 0x54, 0, 0, 0, 1]), 1).reply();
        packet.yiaddr = Ipv4Addr::new(10, 77, 0, 99);
        packet.options.set(option::MESSAGE_TYPE, [MessageType::Offer.octet()]);
        assert_eq!(Offer::read(&packet), None, "it does not say who it is");
        packet.options.set_address(option::SERVER_ID, Ipv4Addr::new(10, 77, 0, 254));
        assert_eq!(Offer::read(&packet), Some(offer(254, true, None)));
        packet.op = Direction::Request;
        assert_eq!(Offer::read(&packet), None);
    }
}
