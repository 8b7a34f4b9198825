//! What was seen of one box, folded for the rules: who asked how often, what went over the wire, what came back.

use super::Surroundings;
use crate::hardware::PciId;
use crate::ladder::{LADDER, Rung};
use crate::timeline::state::{BoxState, Standing};
use crate::timeline::{Client, Cut, Denial, Entry, Event, FileRole, Road, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// What was seen of a box in this climb, and what earlier climbs came to.
pub(super) struct Seen<'s> {
    pub(super) state: BoxState,
    pub(super) now: Timestamp,
    pub(super) around: Surroundings<'s>,
    pub(super) rom: Dialogue,
    pub(super) http_boot: Dialogue,
    pub(super) ipxe: Dialogue,
    /// The operating system in the initrd, ours or another.
    pub(super) system: Dialogue,
    /// Option 93 of whoever asked first.
    pub(super) architecture: Option<u16>,
    /// Files whole and not whole, in order.
    pub(super) files: Vec<File>,
    /// The file on its way over HTTP: its name and size.
    pub(super) under_way: Option<(String, u64)>,
    pub(super) roots_refused: Vec<RootDenial>,
    /// What the port mapper was asked for since the last mount, and whether it is served.
    pub(super) sought: Vec<(String, bool)>,
    /// Addresses that were asked for over ARP again and again, with how often.
    pub(super) neighbours: BTreeMap<Ipv4Addr, u32>,
    /// Ports to which connections were begun and not confirmed.
    pub(super) unconfirmed: BTreeMap<u16, u32>,
    /// READ calls of the root in all, and those that came again.
    pub(super) reads: (u64, u64),
    /// Times, over all climbs since it was finished, at which it was sent to its own disk.
    pub(super) sent_to_disk: Vec<Timestamp>,
    /// When somebody wanted a finished box to be installed again; nothing was heard of it since.
    pub(super) wanted_since: Option<Timestamp>,
    /// Whether somebody wanted it since it was finished last.
    pub(super) is_wanted: bool,
    /// Times of all rounds, over all climbs, in which the boot program was fetched.
    pub(super) loader_rounds: Vec<Timestamp>,
    /// Times, over all climbs, at which the root's squashfs went over whole.
    pub(super) root_fetches: Vec<Timestamp>,
    /// What each earlier climb came to, and when it was last heard of.
    pub(super) earlier: Vec<(Rung, Timestamp)>,
    /// Lines of the box's own that reached the server in this climb, the last of them, and in the one before.
    pub(super) said: Vec<String>,
    pub(super) said_before: Vec<String>,
}

/// Lines of its own that are kept of a box, at least: what ended a boot stands in its last ones.
const SAID_KEPT: usize = 2000;

/// A root that the box was not given.
pub(super) struct RootDenial {
    pub(super) why: Denial,
    pub(super) path: String,
    pub(super) address: Ipv4Addr,
    pub(super) reason: String,
}

/// The DHCP of one program on the box.
#[derive(Default)]
pub(super) struct Dialogue {
    /// DHCPDISCOVERs.
    pub(super) asked: usize,
    /// Different transaction ids among them: attempts of its own, not repeats.
    pub(super) attempts: BTreeSet<u32>,
    pub(super) first: Option<Timestamp>,
    pub(super) offered: usize,
    /// The boot file of the last offer.
    pub(super) bootfile: Option<String>,
    pub(super) taken: Option<(Ipv4Addr, Timestamp)>,
    pub(super) denials: Vec<(Denial, String)>,
}

/// A file that a box asked for.
pub(super) struct File {
    pub(super) road: Road,
    pub(super) name: String,
    pub(super) role: FileRole,
    /// Size of the whole, where the transfer began.
    pub(super) of_bytes: Option<u64>,
    pub(super) bytes: u64,
    /// How it ended early; `None` where it went over whole.
    pub(super) cut: Option<Cut>,
    /// The same in words.
    pub(super) reason: String,
}

impl Dialogue {
    pub(super) fn denied(&self, why: Denial) -> Option<&str> {
        self.denials.iter().find(|(denial, _)| *denial == why).map(|(_, reason)| reason.as_str())
    }

    /// Asked, was offered an address each time, and never took one.
    pub(super) fn ignores_offers(&self) -> bool {
        self.asked >= 2 && self.offered >= 2 && self.taken.is_none()
    }
}

impl<'s> Seen<'s> {
    /// Folds one box's entries; `None` where there are none, or where nothing needs an explanation.
    pub(super) fn of(entries: &[Entry], now: Timestamp, around: Surroundings<'s>) -> Option<Seen<'s>> {
        let first = entries.first()?;
        let mut seen = Seen {
            state: BoxState::new(first.of, first.at),
            now,
            around,
            rom: Dialogue::default(),
            http_boot: Dialogue::default(),
            ipxe: Dialogue::default(),
            system: Dialogue::default(),
            architecture: None,
            files: Vec::new(),
            under_way: None,
            roots_refused: Vec::new(),
            sought: Vec::new(),
            neighbours: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
            reads: (0, 0),
            sent_to_disk: Vec::new(),
            wanted_since: None,
            is_wanted: false,
            loader_rounds: Vec::new(),
            root_fetches: Vec::new(),
            earlier: Vec::new(),
            said: Vec::new(),
            said_before: Vec::new(),
        };
        let mut announced = BTreeMap::new();
        let mut talking = Client::Rom;
        for entry in entries {
            let (climbs, last) = (seen.state.climbs, seen.state.last_seen);
            let highest = seen.state.highest();
            seen.state.apply(entry);
            if seen.state.climbs != climbs {
                seen.earlier.extend(highest.map(|(rung, _)| (rung, last)));
                seen.forget();
                announced.clear();
            }
            seen.learn(entry, &mut announced, &mut talking);
        }
        let standing = seen.state.standing();
        (!matches!(standing, Standing::InTrouble | Standing::Waiting)).then_some(seen)
    }

    fn forget(&mut self) {
        for dialogue in [&mut self.rom, &mut self.http_boot, &mut self.ipxe, &mut self.system] {
            *dialogue = Dialogue::default();
        }
        self.files.clear();
        self.said_before = std::mem::take(&mut self.said);
        self.under_way = None;
        self.roots_refused.clear();
        self.sought.clear();
        self.neighbours.clear();
        self.unconfirmed.clear();
        self.reads = (0, 0);
        self.architecture = None;
    }

    fn dialogue(&mut self, client: Client) -> &mut Dialogue {
        match client {
            Client::Rom => &mut self.rom,
            Client::HttpBoot => &mut self.http_boot,
            Client::Ipxe => &mut self.ipxe,
            Client::Agent | Client::Ipconfig | Client::Other => &mut self.system,
        }
    }

    fn learn(&mut self, entry: &Entry, announced: &mut BTreeMap<String, u64>, talking: &mut Client) {
        if let Some(rung) = entry.event.rung() {
            self.wanted_since = None;
            self.is_wanted &= rung != Rung::PoweredOff;
        }
        match &entry.event {
            Event::AddressAsked { client, architecture, xid, .. } => {
                *talking = *client;
                self.architecture = self.architecture.or(*architecture);
                let dialogue = self.dialogue(*client);
                dialogue.asked += 1;
                dialogue.attempts.extend(xid);
                dialogue.first.get_or_insert(entry.at);
            }
            Event::AddressOffered { bootfile, .. } => {
                let dialogue = self.dialogue(*talking);
                dialogue.offered += 1;
                dialogue.bootfile.clone_from(bootfile);
            }
            Event::AddressTaken { client, address } => {
                self.dialogue(*client).taken = Some((*address, entry.at));
            }
            Event::AddressRefused { client, why, reason } => {
                self.dialogue(*client).denials.push((*why, reason.clone()));
            }
            Event::TransferStarted { file, bytes, road } => {
                announced.insert(file.clone(), *bytes);
                if *road == Road::Http {
                    self.under_way = Some((file.clone(), *bytes));
                }
            }
            Event::TransferDone { road, file, role, bytes, .. } => {
                self.under_way.take_if(|(under_way, _)| under_way == file);
                match role {
                    FileRole::Loader => self.loader_rounds.push(entry.at),
                    FileRole::Root => self.root_fetches.push(entry.at),
                    _ => {}
                }
                let file = File {
                    road: *road,
                    name: file.clone(),
                    role: *role,
                    of_bytes: Some(*bytes),
                    bytes: *bytes,
                    cut: None,
                    reason: String::new(),
                };
                self.files.push(file);
            }
            Event::TransferFailed { road, file, bytes, why, reason } => {
                self.under_way.take_if(|(under_way, _)| under_way == file);
                self.files.push(File {
                    road: *road,
                    name: file.clone(),
                    role: FileRole::Other,
                    of_bytes: announced.get(file).copied(),
                    bytes: *bytes,
                    cut: Some(*why),
                    reason: reason.clone(),
                });
            }
            Event::RootRefused { why, path, address, reason } => self.roots_refused.push(RootDenial {
                why: *why,
                path: path.clone(),
                address: *address,
                reason: reason.clone(),
            }),
            Event::RootMounted { .. } => self.sought.clear(),
            Event::RootRead { calls, repeated, .. } => self.reads = (*calls, *repeated),
            Event::ServiceSought { service, known, .. } => self.sought.push((service.clone(), *known)),
            Event::NeighbourSought { address, times } => {
                *self.neighbours.entry(*address).or_default() += times;
            }
            Event::ConnectionUnconfirmed { port, repeated, .. } => {
                self.unconfirmed.insert(*port, *repeated);
            }
            Event::Said { line } => {
                if self.said.len() >= 2 * SAID_KEPT {
                    self.said.drain(..SAID_KEPT);
                }
                self.said.push(line.clone());
            }
            Event::SentToDisk => self.sent_to_disk.push(entry.at),
            Event::InstallationAsked { .. } => {
                self.sent_to_disk.clear();
                (self.wanted_since, self.is_wanted) = (Some(entry.at), true);
            }
            _ => {}
        }
    }

    /// The highest rung of this climb.
    pub(super) fn highest(&self) -> Option<Rung> {
        self.state.highest().map(|(rung, _)| rung)
    }

    /// Whether this climb came to just this rung.
    pub(super) fn stands_at(&self, rung: Rung) -> bool {
        self.highest() == Some(rung)
    }

    /// Whether the next rung's patience has run out.
    pub(super) fn is_overdue(&self) -> bool {
        self.state.overdue(self.now).is_some()
    }

    /// Whether the operating system has had its address for longer than it takes to mount a root, and the next rung is
    /// overdue: a stock initrd tells no rung, so what is overdue may be its first word, which a slow machine that
    /// unpacks for minutes says late.
    pub(super) fn has_dawdled(&self) -> bool {
        let patience = LADDER[Rung::MountedRoot as usize].patience.unwrap_or_default().as_millis();
        let told = self.state.rungs.contains_key(&Rung::InitrdSpoke);
        let is_late =
            |(_, at): &(Ipv4Addr, Timestamp)| u128::from(self.now.0.saturating_sub(at.0)) > patience;
        self.is_overdue() && (told || self.system.taken.as_ref().is_none_or(is_late))
    }

    /// Seconds since anything was heard of the box.
    pub(super) fn silent_seconds(&self) -> u64 {
        self.now.0.saturating_sub(self.state.last_seen.0) / 1000
    }

    /// A file of that role that went over whole in this climb.
    pub(super) fn whole(&self, role: FileRole) -> Option<&File> {
        self.files.iter().find(|file| file.role == role && file.cut.is_none())
    }

    /// The last file whose transfer ended so.
    pub(super) fn cut(&self, road: Road, cut: Cut) -> Option<&File> {
        self.files.iter().rev().find(|file| file.road == road && file.cut == Some(cut))
    }

    /// The last file that the server does not have, by a part of its name.
    pub(super) fn not_found(&self, part: &str) -> Option<&File> {
        let has = |file: &&File| file.name.to_ascii_lowercase().contains(part);
        self.files.iter().rev().filter(has).find(|file| file.cut == Some(Cut::NotFound))
    }

    /// The NIC that iPXE told.
    pub(super) fn nic(&self) -> Option<PciId> {
        self.state.nic
    }

    /// Whether its firmware is UEFI, as far as it told (RFC 4578 §2.1: everything but 0 and 1 is EFI).
    pub(super) fn is_uefi(&self) -> Option<bool> {
        self.architecture
            .map(|architecture| architecture > 1)
            .or_else(|| (self.http_boot.asked > 0).then_some(true))
    }
}
