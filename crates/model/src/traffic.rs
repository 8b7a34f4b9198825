//! A capture of a boot in words: what its frames mean to the boxes in it, one line a frame that says something, for
//! `diagnosis` to read like any log, and the same as events of each box, for `silence`. Not how frames are read;
//! that is `wire::capture`'s.
//!
//! What was asked and answered is said at once. What nobody answered is said when the capture ends.

use crate::boot;
use crate::silence::{self, Explanation, Surroundings};
use crate::timeline::{Client, Cut, Entry, Event, FileRole, Road, Timestamp};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use wire::capture::{ACK, Content, Packet, RST, SYN, Way};
use wire::dhcp::option::{self, MessageType};
use wire::dhcp::{self, Direction};
use wire::mac::Mac;
use wire::tftp::ReadRequest;

/// Boxes, conversations and questions that are kept of each kind: a capture of a whole building must not fill memory.
const KEPT: usize = 4096;
/// Questions without an answer that are no accident.
const UNANSWERED: u32 = 3;

const PORTMAP: u16 = 111;
const NFS: u16 = 2049;
const TFTP: u16 = 69;

/// What was seen in a capture so far.
#[derive(Debug, Default)]
pub struct Traffic {
    now: u64,
    boxes: BTreeMap<Mac, Vec<Entry>>,
    /// Which box has which address.
    addresses: BTreeMap<Ipv4Addr, Mac>,
    /// DHCP by transaction.
    dialogues: BTreeMap<u32, Dialogue>,
    arp: BTreeMap<(Ipv4Addr, Ipv4Addr), u32>,
    /// TFTP by the client's end.
    tftp: BTreeMap<(Ipv4Addr, u16), Download>,
    /// TCP by its way from the client.
    connections: BTreeMap<Way, Connection>,
    /// Remote procedure calls over UDP, by server and port.
    calls: BTreeMap<(Ipv4Addr, u16), u32>,
}

#[derive(Debug)]
struct Dialogue {
    mac: Mac,
    client: Client,
    asked: u32,
    servers: Vec<Ipv4Addr>,
    is_told: bool,
}

#[derive(Debug)]
struct Download {
    server: Ipv4Addr,
    file: String,
    asked: u32,
    /// Octets of a block.
    block: usize,
    answers: u32,
    acknowledged: u32,
    bytes: u64,
    is_over: bool,
}

#[derive(Debug, Default)]
struct Connection {
    attempts: u32,
    answers: u32,
    is_open: bool,
    is_refused: bool,
    /// The last file asked for over HTTP.
    file: Option<String>,
}

impl Traffic {
    /// Before the first frame.
    pub fn new() -> Traffic {
        Traffic::default()
    }

    /// Takes in the packet that was seen at this time, in milliseconds since 1970, and says what it means, if it
    /// means something.
    pub fn hear(&mut self, millis: u64, packet: &Packet<'_>) -> Option<String> {
        self.now = self.now.max(millis);
        match packet.content {
            Content::ArpRequest { by, wanted } if by != wanted && !by.is_unspecified() => {
                if self.arp.len() < KEPT {
                    *self.arp.entry((wanted, by)).or_default() += 1;
                }
                None
            }
            Content::ArpRequest { .. } => None,
            Content::ArpReply { holder } => {
                self.arp.retain(|(wanted, _), _| *wanted != holder);
                None
            }
            Content::Udp { way, payload } => self.udp(way, payload),
            Content::Tcp { way, flags, payload } => self.tcp(way, flags, payload),
            Content::Unreachable { by, code, way } => unreachable(by, code, way),
        }
    }

    /// The capture is over: what nobody answered, a line each.
    pub fn unanswered(&self) -> Vec<String> {
        // Where boxes got their addresses in this capture, it is theirs that count: a server asks for boxes that are gone.
        let is_of_a_box = |by: &Ipv4Addr| self.dialogues.is_empty() || self.addresses.contains_key(by);
        let arp = self.arp.iter().filter(|((_, by), times)| **times >= UNANSWERED && is_of_a_box(by));
        let arp = arp.map(|((wanted, by), times)| {
            format!("ARP: who-has {wanted} tell {by}: no answer to {times} requests")
        });
        let dhcp = self.dialogues.values().filter_map(Dialogue::complaint);
        let tftp = self.tftp.iter().filter_map(|((client, _), download)| download.complaint(*client));
        let tcp = self.connections.iter().filter_map(|(way, connection)| connection.complaint(*way));
        let calls =
            self.calls.iter().filter(|(_, times)| **times >= UNANSWERED).map(|((server, port), times)| {
                match *port {
                    PORTMAP => format!("Portmap: server {server} not responding ({times} questions)"),
                    _ => format!("nfs: server {server} not responding ({times} calls)"),
                }
            });
        arp.chain(dhcp).chain(tftp).chain(tcp).chain(calls).collect()
    }

    /// What the silence of a box at the capture's end means, by events alone; of several boxes the first that
    /// needs an explanation.
    pub fn silence(&self) -> Option<(Mac, Explanation)> {
        self.boxes.iter().find_map(|(mac, entries)| {
            let told = silence::explain(entries, Timestamp(self.now), Surroundings::default())?;
            Some((*mac, told))
        })
    }

    /// The boxes that asked for an address.
    pub fn boxes(&self) -> impl Iterator<Item = Mac> {
        self.boxes.keys().copied()
    }

    fn note(&mut self, of: Mac, event: Event) {
        let is_known = self.boxes.contains_key(&of);
        if !is_known && self.boxes.len() >= KEPT {
            return;
        }
        let entries = self.boxes.entry(of).or_default();
        if entries.len() < KEPT {
            let sequence = entries.len() as u64 + 1;
            entries.push(Entry { sequence, at: Timestamp(self.now), of, event });
        }
    }

    fn note_at(&mut self, address: Ipv4Addr, event: Event) {
        if let Some(mac) = self.addresses.get(&address) {
            self.note(*mac, event);
        }
    }

    fn udp(&mut self, way: Way, payload: &[u8]) -> Option<String> {
        match (way.from.1, way.to.1) {
            (67 | 68, 67 | 68) | (4011, _) | (_, 4011) => self.dhcp(payload),
            (_, TFTP) => self.read_request(way, payload),
            (_, port @ (PORTMAP | NFS)) => {
                if self.calls.len() < KEPT {
                    *self.calls.entry((way.to.0, port)).or_default() += 1;
                }
                None
            }
            (port @ (PORTMAP | NFS), _) => {
                self.calls.insert((way.from.0, port), 0);
                None
            }
            _ => self.block(way, payload),
        }
    }

    fn dhcp(&mut self, payload: &[u8]) -> Option<String> {
        let packet = dhcp::Packet::parse(payload).ok()?;
        let (mac, kind) = (packet.mac()?, packet.message_type()?);
        let client = match packet.op {
            Direction::Request => boot::classify(&packet),
            Direction::Reply => self.dialogues.get(&packet.xid).map_or(Client::Other, |known| known.client),
        };
        let server = packet.options.address(option::SERVER_ID).unwrap_or(packet.siaddr);
        let address = packet.yiaddr;
        match kind {
            MessageType::Discover => {
                self.ask(&packet, mac, client);
                Some(format!("DHCP: {mac} asks for an address ({})", who(client)))
            }
            MessageType::Offer => {
                let bootfile = packet.bootfile();
                self.note(mac, Event::AddressOffered { address, bootfile: bootfile.clone() });
                let rival = self.offered(packet.xid, server, address);
                let file = bootfile.map_or(String::new(), |file| format!(", boot file {file}"));
                Some(rival.unwrap_or_else(|| format!("DHCPOFFER on {address} to {mac} from {server}{file}")))
            }
            MessageType::Ack if !address.is_unspecified() => {
                self.addresses.insert(address, mac);
                self.note(mac, Event::AddressTaken { client, address });
                Some(format!("DHCPACK on {address} to {mac} via {server}"))
            }
            MessageType::Nak => Some(format!("DHCPNAK on {address} to {mac} via {server}")),
            MessageType::Decline => {
                let address = packet.options.address(option::REQUESTED_ADDRESS).unwrap_or(packet.ciaddr);
                Some(format!("DHCPDECLINE of {address} from {mac} via the capture"))
            }
            _ => None,
        }
    }

    fn ask(&mut self, packet: &dhcp::Packet, mac: Mac, client: Client) {
        if self.dialogues.len() < KEPT || self.dialogues.contains_key(&packet.xid) {
            let new = || Dialogue { mac, client, asked: 0, servers: Vec::new(), is_told: false };
            self.dialogues.entry(packet.xid).or_insert_with(new).asked += 1;
        }
        let event = Event::AddressAsked {
            client,
            architecture: boot::architecture(packet),
            vendor_class: packet.options.text(option::VENDOR_CLASS),
            xid: Some(packet.xid),
        };
        self.note(mac, event);
    }

    /// Notes an offer, and says so where a second server offers an address, too. A proxy offers none.
    fn offered(&mut self, xid: u32, server: Ipv4Addr, address: Ipv4Addr) -> Option<String> {
        let dialogue = self.dialogues.get_mut(&xid)?;
        if address.is_unspecified() || dialogue.servers.contains(&server) {
            return None;
        }
        dialogue.servers.push(server);
        let rivals = dialogue.servers.first().filter(|first| **first != server && !dialogue.is_told)?;
        let line = format!("DHCP: {} gets offers from two servers: {rivals} and {server}", dialogue.mac);
        dialogue.is_told = true;
        Some(line)
    }

    fn read_request(&mut self, way: Way, payload: &[u8]) -> Option<String> {
        let request = ReadRequest::parse(payload).ok()?;
        if self.tftp.len() >= KEPT && !self.tftp.contains_key(&way.from) {
            return None;
        }
        let server = way.to.0;
        let file = request.file;
        let new = || Download {
            server,
            file: file.clone(),
            asked: 0,
            block: 512,
            answers: 0,
            acknowledged: 0,
            bytes: 0,
            is_over: false,
        };
        let download = self.tftp.entry(way.from).or_insert_with(new);
        if download.file != file {
            *download = new();
        }
        download.asked += 1;
        Some(format!("TFTP: {} asks {server} for {file}", way.from.0))
    }

    /// A datagram of a transfer: data, options taken, an error, or the client's acknowledgement.
    fn block(&mut self, way: Way, payload: &[u8]) -> Option<String> {
        let (operation, rest) = payload.split_first_chunk::<2>()?;
        let operation = u16::from_be_bytes(*operation);
        if let Some(download) = self.tftp.get_mut(&way.from) {
            // Of the client: an acknowledgement, or its own end of it.
            if operation == 4 {
                download.acknowledged += 1;
            } else if operation == 5 {
                download.is_over = true;
            }
            return None;
        }
        let download = self.tftp.get_mut(&way.to)?;
        download.answers += 1;
        match operation {
            3 => {
                let octets = rest.len().saturating_sub(2);
                download.bytes += octets as u64;
                if octets >= download.block {
                    return None;
                }
                download.is_over = true;
                let (file, bytes) = (download.file.clone(), download.bytes);
                let line = format!("TFTP: {} has {file}, {bytes} bytes", way.to.0);
                let event =
                    Event::TransferDone { road: Road::Tftp, file, role: FileRole::Loader, bytes, millis: 0 };
                self.note_at(way.to.0, event);
                Some(line)
            }
            5 => {
                download.is_over = true;
                let code = rest.first_chunk::<2>().map_or(0, |code| u16::from_be_bytes(*code));
                let (server, file) = (download.server, download.file.clone());
                let name = file.trim_start_matches('/');
                let (why, line) = match code {
                    1 => (Cut::NotFound, format!("TFTP: file {server}:/{name} not found")),
                    2 => (Cut::Refused, format!("TFTP: file {server}:/{name}: Access violation")),
                    _ => (Cut::Other, format!("TFTP: error {code} for file {server}:/{name}")),
                };
                let event = Event::TransferFailed {
                    road: Road::Tftp,
                    file,
                    bytes: 0,
                    why,
                    reason: format!("error {code}"),
                };
                self.note_at(way.to.0, event);
                Some(line)
            }
            6 => {
                download.block = block_size(rest).unwrap_or(download.block);
                None
            }
            _ => None,
        }
    }

    fn tcp(&mut self, way: Way, flags: u8, payload: &[u8]) -> Option<String> {
        if flags & (SYN | ACK) == SYN {
            if self.connections.len() < KEPT || self.connections.contains_key(&way) {
                self.connections.entry(way).or_default().attempts += 1;
            }
            return None;
        }
        if let Some(connection) = self.connections.get_mut(&way) {
            connection.is_open |= flags & (ACK | RST) == ACK;
            if let Some(path) = first_line(payload).and_then(|line| asked_path(&line)) {
                connection.file = Some(path);
            }
            return None;
        }
        let client = way.back();
        let connection = self.connections.get_mut(&client)?;
        if flags & SYN != 0 {
            connection.answers += 1;
            return None;
        }
        if flags & RST != 0 && !connection.is_open {
            connection.is_refused = true;
            return None;
        }
        let status = first_line(payload).and_then(|line| status_of(&line))?;
        let path = connection.file.take()?;
        let line = format!("{} - - \"GET {path} HTTP/1.1\" {status} -", client.from.0);
        let event = match status {
            200 | 206 => {
                Event::TransferDone { road: Road::Http, role: role(&path), file: path, bytes: 0, millis: 0 }
            }
            _ => Event::TransferFailed {
                road: Road::Http,
                file: path,
                bytes: 0,
                why: if status == 404 { Cut::NotFound } else { Cut::Other },
                reason: format!("HTTP status {status}"),
            },
        };
        self.note_at(client.from.0, event);
        Some(line)
    }
}

impl Dialogue {
    fn complaint(&self) -> Option<String> {
        (self.asked >= UNANSWERED && self.servers.is_empty()).then(|| {
            format!("DHCP: no offer to {} in {} requests of {}", self.mac, self.asked, who(self.client))
        })
    }
}

impl Download {
    fn complaint(&self, client: Ipv4Addr) -> Option<String> {
        let Download { server, file, asked, .. } = self;
        if *asked < UNANSWERED || self.acknowledged > 0 || self.is_over {
            return None;
        }
        Some(match self.answers {
            0 => format!("TFTP: no answer of {server} to {asked} requests for {file}"),
            _ => {
                format!("TFTP: {client} does not hear the answers of {server} to {asked} requests for {file}")
            }
        })
    }
}

impl Connection {
    fn complaint(&self, way: Way) -> Option<String> {
        let (server, port) = way.to;
        let what = if matches!(port, PORTMAP | NFS) { "NFS" } else { "TCP" };
        if self.is_open {
            None
        } else if self.is_refused {
            Some(format!("{what}: {server} refuses connections to port {port}"))
        } else if self.answers >= 2 {
            Some(format!("{what}: {} does not hear the answers of {server} port {port}", way.from.0))
        } else if self.attempts >= UNANSWERED && self.answers == 0 {
            Some(format!(
                "{what}: no answer of {server} port {port} to {} attempts to connect",
                self.attempts
            ))
        } else {
            None
        }
    }
}

fn who(client: Client) -> &'static str {
    match client {
        Client::Rom | Client::HttpBoot => "the firmware",
        Client::Ipxe => "iPXE",
        Client::Agent | Client::Ipconfig | Client::Other => "an operating system",
    }
}

fn unreachable(by: Ipv4Addr, code: u8, way: Way) -> Option<String> {
    let (address, port) = way.to;
    Some(match (code, port) {
        (3, TFTP) => format!("ICMP: no program listens on UDP port 69 of {address}"),
        (3, _) => format!("ICMP: {address} udp port {port} unreachable"),
        (4, _) => format!("ICMP: {by}: {address} unreachable, frag needed and DF set"),
        (0 | 1 | 9 | 10 | 13, _) => format!("ICMP: {by} says that {address} cannot be reached"),
        _ => return None,
    })
}

/// The block size in a server's acknowledgement of options (RFC 2348): names and values, each ended by a zero.
fn block_size(options: &[u8]) -> Option<usize> {
    let mut words = options.split(|octet| *octet == 0);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        if name.eq_ignore_ascii_case(b"blksize") {
            return std::str::from_utf8(value).ok()?.parse().ok();
        }
    }
    None
}

/// The first line of a message, where it is text.
fn first_line(payload: &[u8]) -> Option<String> {
    let end = payload.iter().take(512).position(|octet| *octet == b'\r' || *octet == b'\n')?;
    let line = std::str::from_utf8(&payload[..end]).ok()?;
    line.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' ').then(|| line.to_owned())
}

fn asked_path(line: &str) -> Option<String> {
    let rest = line.strip_prefix("GET ")?;
    let (path, version) = rest.split_once(' ')?;
    version.starts_with("HTTP/").then(|| path.to_owned())
}

fn status_of(line: &str) -> Option<u16> {
    line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

/// What a file is for, by the names that everybody gives them.
fn role(path: &str) -> FileRole {
    let name = path.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if has(&["initrd", "initramfs"]) {
        FileRole::Initrd
    } else if has(&["vmlinuz", "kernel", "bzimage"]) {
        FileRole::Kernel
    } else if has(&["squashfs", "rootfs"]) {
        FileRole::Root
    } else if has(&[".ipxe", "/ipxe", "/boot"]) {
        FileRole::Script
    } else {
        FileRole::Other
    }
}

#[cfg(test)]
mod tests;
