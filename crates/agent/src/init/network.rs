//! Finds the server: sends every NIC on its way, says what each waits for, and takes the first that reaches
//! the server. What a single NIC does is in `nic`; why there is none is in `verdict`.

use super::coldplug::Coldplug;
use super::modules::Modules;
use super::nic::{Nic, Race, Standing, Step};
use super::voice::Voice;
use super::{cards, verdict};
use crate::beacon::Address;
use linux::link::{self, Link};
use model::ladder::Rung;
use model::timeline::Trouble;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::mac::Mac;

/// Where what was found is written for the controller; `/run` is the same in the live OS.
pub(crate) const FOUND: &str = "/run/bootworks/network.json";
/// A port with spanning tree forwards 30 s after the link came up (IEEE 802.1D: twice the forward delay);
/// some wait 50 s. Within this a silent network is nothing to worry about.
const SPANNING_TREE: Duration = Duration::from_secs(45);
/// How long the NIC that booted is waited for before the others are tried as well.
const BOOT_NIC_FIRST: Duration = Duration::from_secs(60);
/// A NIC on USB is mostly a management controller: it goes last.
const USB_LAST: Duration = Duration::from_secs(20);
/// How often the waiting is told.
const TELL: Duration = Duration::from_secs(5);
/// How often it is judged what is wrong: it reads a few hundred small files.
const JUDGE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);
/// The causes that stand for "no server found".
const CAUSES: &[&str] =
    &["no-carrier", "dhcp-no-answer", "http-unreachable", "route-missing", "boot-parameters-missing"];

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// The NIC that booted, by `BOOTIF`.
    pub(super) boot_nic: Option<Mac>,
    /// The server.
    pub(super) server: Option<SocketAddrV4>,
}

/// The way to the server, for whoever comes after `init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// The interface.
    pub(crate) interface: String,
    /// Its address; the name of this box.
    pub(crate) mac: Mac,
    /// Its driver.
    pub(crate) driver: String,
    /// The box's IP address.
    pub(crate) address: Ipv4Addr,
    /// Prefix length of its network.
    pub(crate) prefix: u8,
    /// The router, where there is one.
    pub(crate) router: Option<Ipv4Addr>,
    /// The HTTP server.
    pub(crate) server: SocketAddrV4,
    /// The name under which the server knows the box: the NIC that booted, or the one that got here.
    #[serde(rename = "box")]
    pub(crate) of: Mac,
}

impl Found {
    /// What `init` found, read by another process.
    pub(crate) fn read() -> Option<Found> {
        serde_json::from_slice(&std::fs::read(FOUND).ok()?).ok()
    }

    /// Where the beacon goes.
    pub(crate) fn beacon_address(&self) -> Address {
        Address { server: self.server, of: self.of }
    }
}

/// The network after the server was found.
pub(super) struct Network {
    /// The way to the server.
    pub(super) found: Found,
    winner: Nic,
}

/// Climbs until the server is reached. Returns only then.
pub(super) fn find_server(wish: Wish, modules: &Modules, coldplug: &Coldplug, voice: &Voice) -> Network {
    let mut search = Search {
        wish,
        race: Arc::default(),
        nics: BTreeMap::new(),
        seen: BTreeMap::new(),
        told: Instant::now(),
        judged: None,
        rung: Rung::InitrdSpoke,
    };
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    loop {
        search.look_for_nics(coldplug.has_settled());
        let standings: Vec<Standing> = search.nics.values().map(Nic::standing).collect();
        search.tell_rungs(&standings, voice);
        if let Some(network) = search.winner(voice) {
            return network;
        }
        if coldplug.has_settled() && search.judged.is_none_or(|at| at.elapsed() >= JUDGE) {
            search.judged = Some(Instant::now());
            let links: Vec<Link> = search.seen.values().map(|(link, _)| link.clone()).collect();
            let without_nic = search.judge_cards(&links, modules, &release);
            voice.only(without_nic, verdict::CAUSES);
            voice.only(trouble_of(&standings, wish.server, Instant::now()), CAUSES);
        }
        search.tell_waiting(&standings, voice);
        std::thread::sleep(TICK);
    }
}

struct Search {
    wish: Wish,
    race: Arc<Race>,
    nics: BTreeMap<String, Nic>,
    /// Every interface, with since when it is known.
    seen: BTreeMap<String, (Link, Instant)>,
    told: Instant,
    judged: Option<Instant>,
    rung: Rung,
}

impl Search {
    /// Takes in what appeared, forgets what went, and sends on its way whose turn it is.
    fn look_for_nics(&mut self, has_settled: bool) {
        let links = link::all();
        self.seen.retain(|name, (known, _)| {
            let stays = links.iter().any(|link| link.name == *name && link.index == known.index);
            if !stays && let Some(nic) = self.nics.remove(name) {
                nic.forget();
            }
            stays
        });
        for link in links {
            self.seen.entry(link.name.clone()).or_insert_with(|| (link, Instant::now()));
        }
        let boot = self.wish.boot_nic.and_then(|mac| self.seen.values().find(|(link, _)| link.mac == mac));
        let boot_since = boot.map(|(_, since)| *since);
        for (link, since) in self.seen.values() {
            let is_boot_nic = self.wish.boot_nic == Some(link.mac);
            let is_its_turn = match (self.wish.boot_nic, boot_since) {
                _ if is_boot_nic => true,
                _ if link.is_usb() && since.elapsed() < USB_LAST => false,
                (Some(_), Some(boot_since)) => boot_since.elapsed() >= BOOT_NIC_FIRST,
                (Some(_), None) => has_settled,
                (None, _) => true,
            };
            if is_its_turn && !self.nics.contains_key(&link.name) {
                let nic = Nic::send(link.clone(), self.wish.server, &self.race);
                self.nics.insert(link.name.clone(), nic);
            }
        }
    }

    /// Why there is no NIC, or not the one that booted.
    fn judge_cards(&self, links: &[Link], modules: &Modules, release: &str) -> Option<Trouble> {
        let unmatched = self.wish.boot_nic.filter(|mac| links.iter().all(|link| link.mac != *mac));
        if !links.is_empty() && unmatched.is_none() {
            return None;
        }
        let cards = cards::all(links, modules);
        let log = |words: &[&str]| linux::kmsg::tail_about(words, 4);
        let judged = if links.is_empty() || cards.iter().any(|card| card.interface.is_none()) {
            verdict::judge(&cards, release, log)
        } else {
            None
        };
        judged.or_else(|| unmatched.map(|mac| bootif_unmatched(mac, links)))
    }

    /// Tells each rung once, when the first NIC stands on it.
    fn tell_rungs(&mut self, standings: &[Standing], voice: &Voice) {
        let Some(best) = standings.iter().max_by_key(|standing| rung_of(&standing.step)) else { return };
        let link = &best.link;
        for rung in [Rung::LinkUp, Rung::GotAddress] {
            if rung > self.rung && rung <= rung_of(&best.step) {
                self.rung = rung;
                let detail = match (&best.step, rung) {
                    (Step::Leased(lease, _) | Step::Reached(lease), Rung::GotAddress) => {
                        format!("{} has {}/{} from {}", link.name, lease.address, lease.prefix, lease.server)
                    }
                    _ => {
                        let speed =
                            link.speed_mbit().map(|mbit| format!(", {mbit} Mb/s")).unwrap_or_default();
                        format!("{} {} ({}{speed})", link.name, link.mac, link.driver)
                    }
                };
                voice.reached(rung, &detail);
            }
        }
    }

    fn winner(&self, voice: &Voice) -> Option<Network> {
        let server = self.wish.server?;
        self.nics.values().find_map(|nic| {
            let standing = nic.standing();
            let Step::Reached(lease) = standing.step else { return None };
            let link = standing.link;
            let found = Found {
                interface: link.name.clone(),
                mac: link.mac,
                driver: link.driver,
                address: lease.address,
                prefix: lease.prefix,
                router: lease.router,
                server,
                of: self.wish.boot_nic.unwrap_or(link.mac),
            };
            write_found(&found, voice);
            voice.connect(found.beacon_address());
            voice.only(None, verdict::CAUSES);
            voice.only(None, CAUSES);
            voice.reached(Rung::FoundServer, &format!("{server} over {}", link.name));
            Some(Network { found, winner: nic.clone() })
        })
    }

    /// Says every few seconds what is waited for, with the time left.
    fn tell_waiting(&mut self, standings: &[Standing], voice: &Voice) {
        if self.told.elapsed() < TELL {
            return;
        }
        self.told = Instant::now();
        for standing in standings {
            if let Some(line) = waiting_line(standing, Instant::now()) {
                voice.progress(&line);
            }
        }
    }
}

fn write_found(found: &Found, voice: &Voice) {
    let written = serde_json::to_vec(found).map_err(std::io::Error::from).and_then(|json| {
        std::fs::create_dir_all("/run/bootworks")?;
        std::fs::write(FOUND, json)
    });
    if let Err(error) = written {
        voice.progress(&format!("cannot write {FOUND}: {error}"));
    }
}

impl Network {
    /// Looks after the link for ever: what goes wrong from here on is told.
    pub(super) fn watch(&self, voice: &Voice) -> ExitCode {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let standing = self.winner.standing();
            let now = match &standing.step {
                Step::Reached(_) | Step::Leased(..) => None,
                _ => trouble_of(std::slice::from_ref(&standing), Some(self.found.server), Instant::now()),
            };
            voice.only(now, CAUSES);
        }
    }
}

fn rung_of(step: &Step) -> Rung {
    match step {
        Step::Dead(_) | Step::NoCarrier | Step::Left => Rung::InitrdSpoke,
        Step::Asking(_) => Rung::LinkUp,
        Step::Leased(..) => Rung::GotAddress,
        Step::Reached(_) => Rung::FoundServer,
    }
}

/// What a NIC waits for, for the screen.
fn waiting_line(standing: &Standing, now: Instant) -> Option<String> {
    let waited = now.saturating_duration_since(standing.since);
    let left = match SPANNING_TREE.saturating_sub(waited).as_secs() {
        0 => format!("for {} s", waited.as_secs()),
        left => format!("{left} s left"),
    };
    let Link { name, driver, .. } = &standing.link;
    match &standing.step {
        Step::Dead(why) => Some(format!("{name} ({driver}): {why}")),
        Step::NoCarrier => Some(format!("{name} ({driver}): no carrier, waiting ({left})")),
        Step::Asking(_) => {
            Some(format!("{name} ({driver}): asking for an address, the switch may still block ({left})"))
        }
        Step::Leased(lease, Some(why)) => Some(format!("{name} ({driver}): {}: {why}", lease.address)),
        Step::Leased(_, None) | Step::Reached(_) | Step::Left => None,
    }
}

/// What the best NIC has waited for too long, if it has. Pure but for the counters of the links.
fn trouble_of(standings: &[Standing], server: Option<SocketAddrV4>, now: Instant) -> Option<Trouble> {
    let best = standings.iter().max_by_key(|standing| rung_of(&standing.step))?;
    let waited = now.saturating_duration_since(best.since);
    let evidence: Vec<String> = standings.iter().map(describe).collect();
    let trouble = |cause: &str, rung, sentence: String, fix: &[&str]| Trouble {
        cause: cause.into(),
        rung,
        sentence,
        evidence: evidence.clone(),
        fix: fix.iter().map(|line| (*line).to_owned()).collect(),
    };
    let name = &best.link.name;
    match &best.step {
        Step::Dead(_) | Step::NoCarrier if waited >= SPANNING_TREE || matches!(best.step, Step::Dead(_)) => {
            let sentence = match standings.len() {
                1 => format!("no carrier: {name} ({}) sees no link partner", best.link.driver),
                count => format!("no carrier: none of {count} network ports sees a link partner"),
            };
            let fix = [
                "plug the cable into the port that booted, and look at the lights at both ends",
                "see that the switch port is enabled; try another cable or SFP module",
            ];
            Some(trouble("no-carrier", Rung::LinkUp, sentence, &fix))
        }
        Step::Asking(_) if waited >= SPANNING_TREE => {
            let sentence = format!("{name} has a link, but no DHCP server answers on it");
            let fix = [
                "see that `bootworks serve` runs and that this port is in the build network's VLAN",
                "switch on edge mode (portfast) for the switch port, if the network uses spanning tree",
            ];
            Some(trouble("dhcp-no-answer", Rung::GotAddress, sentence, &fix))
        }
        Step::Leased(lease, why) => match (server, why) {
            (None, _) => {
                let sentence = "the kernel's command line names no server (bootworks.server=)".to_owned();
                let fix = ["boot this box through `bootworks serve`, which writes the command line"];
                Some(trouble("boot-parameters-missing", Rung::FoundServer, sentence, &fix))
            }
            (Some(server), Some(why)) => {
                let network = u32::MAX.checked_shl(32 - u32::from(lease.prefix)).unwrap_or(0);
                let is_near = (u32::from(lease.address) ^ u32::from(*server.ip())) & network == 0;
                let (cause, fix) = if lease.router.is_none() && !is_near {
                    (
                        "route-missing",
                        "the server is on another network; have DHCP hand out a router (option 3)",
                    )
                } else {
                    (
                        "http-unreachable",
                        "see that `bootworks serve` runs, and that no firewall drops the port",
                    )
                };
                let sentence = format!(
                    "{name} has {}/{}, but {server} does not answer: {why}",
                    lease.address, lease.prefix
                );
                let other =
                    "a second DHCP server may have answered: compare the address with the line's range";
                Some(trouble(cause, Rung::FoundServer, sentence, &[fix, other]))
            }
            (Some(_), None) => None,
        },
        _ => None,
    }
}

/// One NIC for the evidence.
fn describe(standing: &Standing) -> String {
    let link = &standing.link;
    let what = match &standing.step {
        Step::Dead(why) => why.clone(),
        Step::NoCarrier => "no carrier".into(),
        Step::Asking(refusal) => {
            let (received, sent) = link.frames();
            let heard = match received {
                0 => "nothing heard on this port".to_owned(),
                _ => format!("{received} frames heard"),
            };
            let refusal = refusal.as_ref().map(|words| format!("; {words}")).unwrap_or_default();
            format!("link is up, no DHCP answer; {heard}, {sent} sent{refusal}")
        }
        Step::Leased(lease, why) => {
            let why = why.as_deref().unwrap_or("trying the server");
            format!("{}/{} from DHCP server {}; {why}", lease.address, lease.prefix, lease.server)
        }
        Step::Reached(lease) => format!("{} reached the server", lease.address),
        Step::Left => "left to another NIC".into(),
    };
    format!("{} {} ({}): {what}", link.name, link.mac, link.driver)
}

fn bootif_unmatched(mac: Mac, links: &[Link]) -> Trouble {
    let have = links.iter().map(|link| format!("{} is {} ({})", link.mac, link.name, link.driver));
    Trouble {
        cause: "bootif-unmatched".into(),
        rung: Rung::LinkUp,
        sentence: format!("the network card that booted ({mac}) is not among the interfaces of this kernel"),
        evidence: have.collect(),
        fix: vec![
            "the other ports are tried too; plug them into the build network if that is what you want".into(),
            "a port shared with the BMC, or a passthrough card, may be hidden from the kernel".into(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use wire::dhcp::client::Lease;
    use wire::dhcp::option::Options;

    const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 1), 80);

    fn lease(address: [u8; 4], router: Option<Ipv4Addr>) -> Box<Lease> {
        Box::new(Lease {
            address: address.into(),
            prefix: 24,
            router,
            name_servers: Vec::new(),
            server: Ipv4Addr::new(192, 168, 1, 1),
            time: None,
            host_name: None,
            options: Options::default(),
        })
    }

    fn check(steps: Vec<Step>, server: Option<SocketAddrV4>, waited_seconds: u64, text: Expect) {
        let since = Instant::now();
        let standings: Vec<Standing> = steps
            .into_iter()
            .enumerate()
            .map(|(number, step)| {
                let link = Link {
                    name: format!("test{number}"),
                    index: 0,
                    mac: Mac([0x52, 0x54, 0, 0, 0, number as u8]),
                    driver: "e1000e".into(),
                    device: "/sys/devices/pci0000:00/0000:00:02.0".into(),
                };
                Standing { link, step, since }
            })
            .collect();
        let now = since + Duration::from_secs(waited_seconds);
        let shown = match trouble_of(&standings, server, now) {
            Some(trouble) => {
                let evidence = trouble.evidence.join("\n- ");
                format!("{} ({})\n{}\n- {evidence}", trouble.cause, trouble.rung.label(), trouble.sentence)
            }
            None => {
                let lines = standings.iter().filter_map(|standing| waiting_line(standing, now));
                lines.collect::<Vec<_>>().join("\n")
            }
        };
        text.assert_eq(&shown);
    }

    /// A port that is silent for half a minute is not broken: spanning tree. The person sees the time left.
    #[test]
    fn patience_is_shown_and_ends() {
        let dark = || vec![Step::NoCarrier, Step::NoCarrier];
        check(
            dark(),
            Some(SERVER),
            12,
            expect![[r#"
            test0 (e1000e): no carrier, waiting (33 s left)
            test1 (e1000e): no carrier, waiting (33 s left)"#]],
        );
        check(
            dark(),
            Some(SERVER),
            45,
            expect![[r#"
            no-carrier (link up)
            no carrier: none of 2 network ports sees a link partner
            - test0 52:54:00:00:00:00 (e1000e): no carrier
            - test1 52:54:00:00:00:01 (e1000e): no carrier"#]],
        );
        let silent = || vec![Step::NoCarrier, Step::Asking(None)];
        check(
            silent(),
            Some(SERVER),
            30,
            expect![[r#"
            test0 (e1000e): no carrier, waiting (15 s left)
            test1 (e1000e): asking for an address, the switch may still block (15 s left)"#]],
        );
        check(
            silent(),
            Some(SERVER),
            50,
            expect![[r#"
            dhcp-no-answer (got an address)
            test1 has a link, but no DHCP server answers on it
            - test0 52:54:00:00:00:00 (e1000e): no carrier
            - test1 52:54:00:00:00:01 (e1000e): link is up, no DHCP answer; nothing heard on this port, 0 sent"#]],
        );
    }

    /// An address from the wrong server is worse than none: both sides are named.
    #[test]
    fn an_address_without_a_server_is_told_at_once() {
        let wrong = lease([192, 168, 1, 77], None);
        let step = Step::Leased(wrong, Some("there is no route to it".into()));
        check(
            vec![step],
            Some(SERVER),
            1,
            expect![[r#"
            route-missing (found the server)
            test0 has 192.168.1.77/24, but 10.77.0.1:80 does not answer: there is no route to it
            - test0 52:54:00:00:00:00 (e1000e): 192.168.1.77/24 from DHCP server 192.168.1.1; there is no route to it"#]],
        );
        let right = lease([10, 77, 0, 50], None);
        let refused = "the connection is refused: nothing listens on that port";
        check(
            vec![Step::Leased(right, Some(refused.into()))],
            Some(SERVER),
            1,
            expect![[r#"
            http-unreachable (found the server)
            test0 has 10.77.0.50/24, but 10.77.0.1:80 does not answer: the connection is refused: nothing listens on that port
            - test0 52:54:00:00:00:00 (e1000e): 10.77.0.50/24 from DHCP server 192.168.1.1; the connection is refused: nothing listens on that port"#]],
        );
        check(
            vec![Step::Leased(lease([10, 77, 0, 50], None), None)],
            None,
            1,
            expect![[r#"
            boot-parameters-missing (found the server)
            the kernel's command line names no server (bootworks.server=)
            - test0 52:54:00:00:00:00 (e1000e): 10.77.0.50/24 from DHCP server 192.168.1.1; trying the server"#]],
        );
    }
}
