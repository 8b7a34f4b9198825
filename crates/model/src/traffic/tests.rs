//! Captures of boots that fail, frame by frame in virtual time, and what is found in them.

use super::Traffic;
use crate::diagnosis::{Verdict, of_capture};
use std::net::Ipv4Addr;
use wire::dhcp::option::{self, MessageType};
use wire::dhcp::{Direction, Packet};
use wire::mac::Mac;

const BOX: Mac = Mac([0x52, 0x54, 0, 0, 0, 9]);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 30);

/// A capture in the classic form, as it is written.
struct Capture {
    file: Vec<u8>,
    second: u32,
}

impl Capture {
    fn new() -> Capture {
        let head = [&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0][..], &[0; 8], &[0, 0, 4, 0, 1, 0, 0, 0]].concat();
        Capture { file: head, second: 1_000_000 }
    }

    fn frame(mut self, kind: u16, body: &[u8]) -> Capture {
        let frame = [&[255; 6][..], &BOX.0, &kind.to_be_bytes(), body].concat();
        let length = (frame.len() as u32).to_le_bytes();
        self.file.extend([self.second.to_le_bytes(), [0; 4], length, length].concat());
        self.file.extend(frame);
        self.second += 1;
        self
    }

    fn ip(self, protocol: u8, from: Ipv4Addr, to: Ipv4Addr, body: &[u8]) -> Capture {
        self.frame(0x0800, &datagram(protocol, from, to, body))
    }

    fn udp(self, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Capture {
        self.ip(17, from.0, to.0, &udp(from.1, to.1, payload))
    }

    fn tcp(self, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), flags: u8, payload: &[u8]) -> Capture {
        let head =
            [&from.1.to_be_bytes()[..], &to.1.to_be_bytes(), &[0; 8], &[0x50, flags], &[0; 6]].concat();
        self.ip(6, from.0, to.0, &[&head, payload].concat())
    }

    fn asks(self, xid: u32) -> Capture {
        let mut packet = Packet::request(BOX, xid);
        packet.options.set(option::MESSAGE_TYPE, [MessageType::Discover.octet()]);
        packet.options.set(option::VENDOR_CLASS, *b"PXEClient:Arch:00000:UNDI:002001");
        self.udp((Ipv4Addr::UNSPECIFIED, 68), (Ipv4Addr::BROADCAST, 67), &packet.encode())
    }

    fn answers(self, xid: u32, kind: MessageType, server: Ipv4Addr) -> Capture {
        let mut packet = Packet::request(BOX, xid);
        packet.op = Direction::Reply;
        packet.yiaddr = CLIENT;
        packet.options.set(option::MESSAGE_TYPE, [kind.octet()]);
        packet.options.set_address(option::SERVER_ID, server);
        packet.write_file("undionly.kpxe");
        self.udp((server, 67), (Ipv4Addr::BROADCAST, 68), &packet.encode())
    }

    fn leased() -> Capture {
        let capture = Capture::new().asks(7).answers(7, MessageType::Offer, SERVER);
        capture.answers(7, MessageType::Ack, SERVER)
    }

    fn times(self, times: usize, add: impl Fn(Capture) -> Capture) -> Capture {
        (0..times).fold(self, |capture, _| add(capture))
    }

    /// What is found in it: the likeliest cause, and where it is seen.
    fn found(&self) -> String {
        match of_capture(&self.file).unwrap().verdict {
            Verdict::Failed(findings) => {
                let evidence = findings[0].evidence.first();
                format!("{}: {}", findings[0].cause.id, evidence.map_or("", |line| line.text.as_str()))
            }
            Verdict::Well => "well".into(),
            other => format!("{other:?}"),
        }
    }
}

fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16 + 8).to_be_bytes();
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &length, &[0, 0], payload].concat()
}

fn datagram(protocol: u8, from: Ipv4Addr, to: Ipv4Addr, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16 + 20).to_be_bytes();
    let head = [0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0];
    [&head[..], &from.octets(), &to.octets(), body].concat()
}

fn read_request(capture: Capture) -> Capture {
    capture.udp((CLIENT, 2070), (SERVER, 69), b"\0\x01undionly.kpxe\0octet\0")
}

fn arp(capture: Capture) -> Capture {
    let body = [0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0, 0, 9, 10, 9, 8, 30, 0, 0, 0, 0, 0, 0, 10, 9, 9, 1];
    capture.frame(0x0806, &body)
}

#[track_caller]
fn check(capture: &Capture, wanted: &str) {
    assert_eq!(capture.found(), wanted);
}

/// Who asks and is not answered needs another remedy than who is answered by two.
#[test]
fn addresses() {
    check(
        &Capture::new().times(4, |capture| capture.asks(7)),
        "dhcp-no-offer: DHCP: no offer to 52:54:00:00:00:09 in 4 requests of the firmware",
    );
    // A server looks for a box of an hour ago; that hinders nobody.
    let looks = |capture: Capture| {
        let body =
            [0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0, 0, 1, 10, 9, 8, 1, 0, 0, 0, 0, 0, 0, 10, 9, 8, 77];
        capture.frame(0x0806, &body)
    };
    check(
        &Capture::new().times(4, looks).times(4, |capture| capture.asks(7)),
        "dhcp-no-offer: DHCP: no offer to 52:54:00:00:00:09 in 4 requests of the firmware",
    );
    check(&Capture::leased().times(4, looks), "well");
    let rival = Ipv4Addr::new(10, 9, 8, 254);
    let two = Capture::new().asks(7).answers(7, MessageType::Offer, SERVER);
    check(
        &two.answers(7, MessageType::Offer, rival),
        "dhcp-two-servers: DHCP: 52:54:00:00:00:09 gets offers from two servers: 10.9.8.1 and 10.9.8.254",
    );
    check(&Capture::leased(), "well");
}

/// S6, S7 and their neighbours: a boot file that does not come, for five reasons.
#[test]
fn boot_files() {
    check(
        &Capture::leased().times(4, arp),
        "tftp-arp-timeout: ARP: who-has 10.9.9.1 tell 10.9.8.30: no answer to 4 requests",
    );
    let asked = Capture::leased().times(4, read_request);
    check(&asked, "tftp-timeout: TFTP: no answer of 10.9.8.1 to 4 requests for undionly.kpxe");
    let heard = Capture::leased().times(4, |capture| {
        read_request(capture).udp((SERVER, 40000), (CLIENT, 2070), &[&[0, 3, 0, 1][..], &[0; 512]].concat())
    });
    check(
        &heard,
        "tftp-reply-path: TFTP: 10.9.8.30 does not hear the answers of 10.9.8.1 to 4 requests for undionly.kpxe",
    );
    let refused = read_request(Capture::leased());
    check(
        &refused.udp((SERVER, 40000), (CLIENT, 2070), b"\0\x05\0\x01not here\0"),
        "tftp-file-not-found: TFTP: file 10.9.8.1:/undionly.kpxe not found",
    );
    let quoted = datagram(17, CLIENT, SERVER, &udp(2070, 69, b"\0\x01x\0octet\0"));
    let closed = read_request(Capture::leased()).ip(
        1,
        SERVER,
        CLIENT,
        &[&[3, 3, 0, 0, 0, 0, 0, 0][..], &quoted].concat(),
    );
    check(&closed, "tftp-timeout: ICMP: no program listens on UDP port 69 of 10.9.8.1");
    let whole = read_request(Capture::leased()).udp((SERVER, 40000), (CLIENT, 2070), b"\0\x03\0\x01short");
    check(&whole, "well");
}

/// S17 and S28: what comes after the loader.
#[test]
fn servers() {
    let (client, server) = ((CLIENT, 40001), (SERVER, 80));
    check(
        &Capture::leased().times(4, |capture| capture.tcp(client, server, 0x02, b"")),
        "http-timeout: TCP: no answer of 10.9.8.1 port 80 to 4 attempts to connect",
    );
    let unheard = Capture::leased().tcp(client, server, 0x02, b"");
    check(
        &unheard.times(3, |capture| capture.tcp(server, client, 0x12, b"")),
        "route-missing: TCP: 10.9.8.30 does not hear the answers of 10.9.8.1 port 80",
    );
    check(
        &Capture::leased().tcp(client, server, 0x02, b"").tcp(server, client, 0x14, b""),
        "http-unreachable: TCP: 10.9.8.1 refuses connections to port 80",
    );
    let open = || {
        Capture::leased()
            .tcp(client, server, 0x02, b"")
            .tcp(server, client, 0x12, b"")
            .tcp(client, server, 0x10, b"")
    };
    let get = b"GET /live/initrd.img HTTP/1.1\r\nHost: x\r\n\r\n";
    check(
        &open().tcp(client, server, 0x18, get).tcp(server, client, 0x18, b"HTTP/1.1 404 Not Found\r\n\r\n"),
        "http-404: 10.9.8.30 - - \"GET /live/initrd.img HTTP/1.1\" 404 -",
    );
    check(
        &open().tcp(client, server, 0x18, get).tcp(server, client, 0x18, b"HTTP/1.1 200 OK\r\n\r\n"),
        "well",
    );
    check(
        &Capture::leased().times(4, |capture| capture.udp((CLIENT, 700), (SERVER, 111), &[0; 40])),
        "nfs-server-unreachable: Portmap: server 10.9.8.1 not responding (4 questions)",
    );
}

/// What frames do not say in words, the silence after them does: the firmware takes no offer (S2).
#[test]
fn silence_is_heard_in_a_capture() {
    let mut traffic = Traffic::new();
    let capture =
        (0..4).fold(Capture::new(), |capture, _| capture.asks(7).answers(7, MessageType::Offer, SERVER));
    let mut reader = wire::capture::Reader::new();
    reader
        .take(&capture.file, |millis, packet| {
            packet.and_then(|packet| traffic.hear(millis, packet));
        })
        .unwrap();
    assert!(traffic.silence().is_none(), "its patience has not run out");
    let late = Capture { second: capture.second + 300, ..capture };
    check(&arp(late), "dhcp-no-offer: the firmware asked 4 times and was offered an address 4 times");
}
