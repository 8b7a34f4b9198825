//! Captures of a network, as tcpdump and Wireshark write them: classic pcap
//! (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), and in their frames ARP, UDP, TCP and ICMP over
//! IPv4. Not what the frames mean; that is the reader's.
//!
//! Octets are taken as they come; what is kept is at most one block, and a block that says it is larger than
//! `LARGEST` ends the reading.

use crate::mac::Mac;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// Octets of one block or frame: tcpdump's largest snapshot (262144) with room for options.
const LARGEST: usize = 1 << 20;

/// Ethernet, and Linux's two forms of what `-i any` captures (<https://www.tcpdump.org/linktypes.html>).
const ETHERNET: u32 = 1;
const LINUX_SLL: u32 = 113;
const LINUX_SLL2: u32 = 276;

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
/// Tags of VLANs (IEEE 802.1Q, 802.1ad).
const TAGS: [u16; 2] = [0x8100, 0x88a8];

/// Why a capture cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCapture {
    /// It begins like neither form.
    #[error("it is no pcap and no pcapng file")]
    Unknown,
    /// A block or frame has an impossible length.
    #[error("a block of it says that it has {0} octets")]
    Length(u32),
}

/// Whether a file that begins so is a capture.
pub fn is_capture(begins_with: &[u8]) -> bool {
    begins_with.first_chunk().is_some_and(|magic| form(*magic).is_some())
}

#[derive(Clone, Copy, Debug)]
struct Form {
    is_ng: bool,
    is_big: bool,
    /// Of the classic form: parts of a second in its time stamps.
    per_second: u64,
}

fn form(magic: [u8; 4]) -> Option<Form> {
    let classic = |is_big, per_second| Some(Form { is_ng: false, is_big, per_second });
    match magic {
        [0xd4, 0xc3, 0xb2, 0xa1] => classic(false, 1_000_000),
        [0xa1, 0xb2, 0xc3, 0xd4] => classic(true, 1_000_000),
        [0x4d, 0x3c, 0xb2, 0xa1] => classic(false, 1_000_000_000),
        [0xa1, 0xb2, 0x3c, 0x4d] => classic(true, 1_000_000_000),
        [0x0a, 0x0d, 0x0d, 0x0a] => Some(Form { is_ng: true, is_big: false, per_second: 1_000_000 }),
        _ => None,
    }
}

/// Reads a capture as it comes.
#[derive(Debug, Default)]
pub struct Reader {
    waiting: Vec<u8>,
    form: Option<Form>,
    /// Link type and parts of a second of each interface of a pcapng section; the only one of a classic file.
    interfaces: Vec<(u32, u64)>,
}

impl Reader {
    /// Before the first octet.
    pub fn new() -> Reader {
        Reader::default()
    }

    /// Takes the next octets; `each` gets the milliseconds since 1970 of every frame, and its packet where it is
    /// one we know.
    ///
    /// Errors: it is no capture, or a length in it is impossible; what comes after cannot be found.
    pub fn take(
        &mut self,
        octets: &[u8],
        mut each: impl FnMut(u64, Option<&Packet<'_>>),
    ) -> Result<(), NotCapture> {
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.extend_from_slice(octets);
        let mut rest = waiting.as_slice();
        while let Some(length) = self.next(rest, &mut each)? {
            rest = &rest[length..];
        }
        self.waiting = rest.to_vec();
        Ok(())
    }

    /// Reads what stands first, and says how long it is; `None` where more octets are needed.
    fn next(
        &mut self,
        rest: &[u8],
        each: &mut impl FnMut(u64, Option<&Packet<'_>>),
    ) -> Result<Option<usize>, NotCapture> {
        let Some(form) = self.form else { return self.begin(rest) };
        if form.is_ng { self.block(form, rest, each) } else { self.record(form, rest, each) }
    }

    fn begin(&mut self, rest: &[u8]) -> Result<Option<usize>, NotCapture> {
        let Some(magic) = rest.first_chunk() else { return Ok(None) };
        let form = form(*magic).ok_or(NotCapture::Unknown)?;
        if form.is_ng {
            self.form = Some(form);
            return Ok(Some(0));
        }
        if rest.len() < 24 {
            return Ok(None);
        }
        // The upper bits of the link type say whether frames carry their check sequence.
        let link = number(rest, 20, form.is_big).unwrap_or_default() & 0x0fff_ffff;
        self.interfaces = [(link, form.per_second)].to_vec();
        self.form = Some(form);
        Ok(Some(24))
    }

    /// A frame of the classic form: seconds, parts of a second, octets kept, octets there were.
    fn record(
        &mut self,
        form: Form,
        rest: &[u8],
        each: &mut impl FnMut(u64, Option<&Packet<'_>>),
    ) -> Result<Option<usize>, NotCapture> {
        let field = |at| number(rest, at, form.is_big);
        let (Some(seconds), Some(parts), Some(kept), Some(_)) = (field(0), field(4), field(8), field(12))
        else {
            return Ok(None);
        };
        let length = bounded(kept)?;
        let Some(frame) = rest.get(16..16 + length) else { return Ok(None) };
        let link = self.interfaces.first().map_or(ETHERNET, |(link, _)| *link);
        let millis = u64::from(seconds) * 1000 + u64::from(parts) * 1000 / form.per_second;
        each(millis, Packet::read(link, frame).as_ref());
        Ok(Some(16 + length))
    }

    /// A block of the newer form: type, length, body, length again.
    fn block(
        &mut self,
        form: Form,
        rest: &[u8],
        each: &mut impl FnMut(u64, Option<&Packet<'_>>),
    ) -> Result<Option<usize>, NotCapture> {
        let Some(kind) = number(rest, 0, form.is_big) else { return Ok(None) };
        let mut is_big = form.is_big;
        if kind == 0x0a0d_0d0a {
            // A section begins, and says in which order its octets are.
            match rest.get(8..12) {
                None => return Ok(None),
                Some([0x1a, 0x2b, 0x3c, 0x4d]) => is_big = true,
                Some([0x4d, 0x3c, 0x2b, 0x1a]) => is_big = false,
                Some(_) => return Err(NotCapture::Unknown),
            }
            self.form = Some(Form { is_big, ..form });
            self.interfaces.clear();
        }
        let Some(told) = number(rest, 4, is_big) else { return Ok(None) };
        let length = bounded(told)?;
        if length < 12 || length % 4 != 0 {
            return Err(NotCapture::Length(told));
        }
        let Some(block) = rest.get(..length) else { return Ok(None) };
        let body = &block[8..length - 4];
        match kind {
            // Interface description: link type, reserved, snapshot length, options.
            1 => {
                let link = half(body, 0, is_big).unwrap_or_default();
                let per_second = resolution(body.get(8..).unwrap_or_default(), is_big);
                self.interfaces.push((u32::from(link), per_second));
            }
            // Enhanced packet: interface, time in two halves, octets kept, octets there were, frame.
            6 => self.enhanced(body, is_big, each),
            _ => {}
        }
        Ok(Some(length))
    }

    fn enhanced(&self, body: &[u8], is_big: bool, each: &mut impl FnMut(u64, Option<&Packet<'_>>)) {
        let field = |at| number(body, at, is_big);
        let (Some(interface), Some(high), Some(low), Some(kept)) = (field(0), field(4), field(8), field(12))
        else {
            return;
        };
        let Some((link, per_second)) = self.interfaces.get(interface as usize) else { return };
        let Some(frame) = body.get(20..).and_then(|frame| frame.get(..kept as usize)) else { return };
        let stamp = u128::from(high) << 32 | u128::from(low);
        let millis = (stamp * 1000 / u128::from(*per_second)) as u64;
        each(millis, Packet::read(*link, frame).as_ref());
    }
}

fn bounded(length: u32) -> Result<usize, NotCapture> {
    usize::try_from(length).ok().filter(|length| *length <= LARGEST).ok_or(NotCapture::Length(length))
}

/// Parts of a second in an interface's time stamps: its option 9, a power of ten or, with the top bit, of two.
fn resolution(mut options: &[u8], is_big: bool) -> u64 {
    while let (Some(code), Some(length)) = (half(options, 0, is_big), half(options, 2, is_big)) {
        let length = usize::from(length);
        if code == 0 {
            break;
        }
        if let (9, Some(power)) = (code, options.get(4)) {
            let parts = match power {
                binary if binary & 0x80 != 0 => 2_u64.checked_pow(u32::from(binary & 0x7f)),
                decimal => 10_u64.checked_pow(u32::from(*decimal)),
            };
            return parts.unwrap_or(1_000_000);
        }
        options = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
    }
    1_000_000
}

fn number(octets: &[u8], at: usize, is_big: bool) -> Option<u32> {
    let four = *octets.get(at..)?.first_chunk::<4>()?;
    Some(if is_big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
}

fn half(octets: &[u8], at: usize, is_big: bool) -> Option<u16> {
    let two = *octets.get(at..)?.first_chunk::<2>()?;
    Some(if is_big { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) })
}

/// What stands in a frame, as far as boots need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'f> {
    /// Who sent the frame; with `-i any` of a loopback nobody.
    pub sender: Mac,
    /// What it carries.
    pub content: Content<'f>,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'f> {
    /// Somebody asks who has `wanted` (RFC 826).
    ArpRequest {
        /// Who asks; 0.0.0.0 where it has no address yet.
        by: Ipv4Addr,
        /// The address asked for.
        wanted: Ipv4Addr,
    },
    /// Somebody has it.
    ArpReply {
        /// The address.
        holder: Ipv4Addr,
    },
    /// A UDP datagram (RFC 768).
    Udp {
        /// From where to where.
        way: Way,
        /// Its content, as far as it was kept.
        payload: &'f [u8],
    },
    /// A TCP segment (RFC 9293 §3.1).
    Tcp {
        /// From where to where.
        way: Way,
        /// CWR, ECE, URG, ACK, PSH, RST, SYN, FIN from the top bit on.
        flags: u8,
        /// Its content, as far as it was kept.
        payload: &'f [u8],
    },
    /// Somebody says that a datagram could not be delivered (RFC 792).
    Unreachable {
        /// Who says it.
        by: Ipv4Addr,
        /// 0 net, 1 host, 2 protocol, 3 port, 4 it is too large.
        code: u8,
        /// Where the datagram came from and was to go.
        way: Way,
    },
}

/// Both ends of a datagram or segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// Address and port of the sender.
    pub from: (Ipv4Addr, u16),
    /// Address and port of the receiver.
    pub to: (Ipv4Addr, u16),
}

impl Way {
    /// The other way round.
    pub fn back(self) -> Way {
        Way { from: self.to, to: self.from }
    }
}

/// The bit of a connection's first segment.
pub const SYN: u8 = 0x02;
/// The bit of a refusal.
pub const RST: u8 = 0x04;
/// The bit of an answer.
pub const ACK: u8 = 0x10;

impl<'f> Packet<'f> {
    /// Takes a frame apart; `None` for what is none of these.
    pub fn read(link: u32, frame: &'f [u8]) -> Option<Packet<'f>> {
        let mac = |at: usize| frame.get(at..)?.first_chunk::<6>().map(|mac| Mac(*mac));
        let (sender, mut kind, mut rest) = match link {
            ETHERNET => (mac(6)?, half(frame, 12, true)?, frame.get(14..)?),
            LINUX_SLL => (mac(6)?, half(frame, 14, true)?, frame.get(16..)?),
            LINUX_SLL2 => (mac(12)?, half(frame, 0, true)?, frame.get(20..)?),
            _ => return None,
        };
        while TAGS.contains(&kind) {
            kind = half(rest, 2, true)?;
            rest = rest.get(4..)?;
        }
        let content = match kind {
            ARP => arp(rest)?,
            IPV4 => ipv4(rest)?,
            _ => return None,
        };
        Some(Packet { sender, content })
    }
}

fn arp<'f>(bytes: &[u8]) -> Option<Content<'f>> {
    let rest = bytes.strip_prefix(&[0, 1, 8, 0, 6, 4])?;
    let address = |at: usize| rest.get(at..)?.first_chunk::<4>().map(|four| Ipv4Addr::from(*four));
    match rest {
        [0, 1, ..] => Some(Content::ArpRequest { by: address(8)?, wanted: address(18)? }),
        [0, 2, ..] => Some(Content::ArpReply { holder: address(8)? }),
        _ => None,
    }
}

/// Head of an IPv4 datagram: protocol, ends, content. Later fragments have no ports and are left out.
fn heads(bytes: &[u8]) -> Option<(u8, Ipv4Addr, Ipv4Addr, &[u8])> {
    let first = *bytes.first()?;
    let head = usize::from(first & 0x0f) * 4;
    let is_fragment = half(bytes, 6, true)? & 0x1fff != 0;
    if first >> 4 != 4 || head < 20 || is_fragment {
        return None;
    }
    let address = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|four| Ipv4Addr::from(*four));
    // Frames are padded to 60 octets; the datagram's own length leaves that out.
    let end = usize::from(half(bytes, 2, true)?).clamp(head, bytes.len().max(head));
    Some((*bytes.get(9)?, address(12)?, address(16)?, bytes.get(head..end)?))
}

fn ends(from: Ipv4Addr, to: Ipv4Addr, body: &[u8]) -> Option<Way> {
    Some(Way { from: (from, half(body, 0, true)?), to: (to, half(body, 2, true)?) })
}

fn ipv4(bytes: &[u8]) -> Option<Content<'_>> {
    let (protocol, from, to, body) = heads(bytes)?;
    match protocol {
        1 if body.first() == Some(&3) => {
            let (_, from_inside, to_inside, inside) = heads(body.get(8..)?)?;
            let way = ends(from_inside, to_inside, inside)?;
            Some(Content::Unreachable { by: from, code: *body.get(1)?, way })
        }
        6 => {
            let way = ends(from, to, body)?;
            let head = usize::from(*body.get(12)? >> 4) * 4;
            Some(Content::Tcp { way, flags: *body.get(13)?, payload: body.get(head..).unwrap_or_default() })
        }
        17 => Some(Content::Udp { way: ends(from, to, body)?, payload: body.get(8..)? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use expect_test::expect;
    use proptest::prelude::*;

    /// A frame as a firmware sends it: who has 10.9.8.1, asked by 10.9.8.30, padded to 60 octets.
    fn who_has() -> Vec<u8> {
        let head = [255, 255, 255, 255, 255, 255, 0x52, 0x54, 0, 0, 0, 9, 8, 6];
        let arp =
            [0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0, 0, 9, 10, 9, 8, 30, 0, 0, 0, 0, 0, 0, 10, 9, 8, 1];
        [&head[..], &arp, &[0; 18]].concat()
    }

    /// TFTP's read request for `x` from port 2000, behind a VLAN's tag.
    fn read_request() -> Vec<u8> {
        let head = [0, 0, 0, 0, 0, 1, 0x52, 0x54, 0, 0, 0, 9, 0x81, 0, 0, 7, 8, 0];
        let ip = [0x45, 0, 0, 38, 0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 8, 30, 10, 9, 8, 1];
        let udp = [7, 208, 0, 69, 0, 18, 0, 0];
        [&head[..], &ip, &udp, b"\0\x01x\0octet\0"].concat()
    }

    fn classic(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut file =
            [&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0][..], &[0; 8], &[0, 0, 4, 0, 1, 0, 0, 0]].concat();
        for (second, frame) in frames.iter().enumerate() {
            let length = (frame.len() as u32).to_le_bytes();
            let head = [(second as u32).to_le_bytes(), 500_000_u32.to_le_bytes(), length, length];
            file.extend(head.concat());
            file.extend(frame);
        }
        file
    }

    fn ng(frames: &[Vec<u8>]) -> Vec<u8> {
        let block = |kind: u32, body: &[u8]| {
            let padded = [body, &[0; 3][..body.len().next_multiple_of(4) - body.len()]].concat();
            let length = (padded.len() as u32 + 12).to_be_bytes();
            [&kind.to_be_bytes()[..], &length, &padded, &length].concat()
        };
        let mut file = block(0x0a0d_0d0a, &[&[0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0][..], &[255; 8]].concat());
        // Time stamps of this interface are in milliseconds.
        file.extend(block(1, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0]));
        for (second, frame) in frames.iter().enumerate() {
            let length = (frame.len() as u32).to_be_bytes();
            let stamp = (second as u32 * 1000 + 500).to_be_bytes();
            file.extend(block(6, &[&[0; 8][..], &stamp, &length, &length, frame].concat()));
        }
        file
    }

    fn read(file: &[u8], portion: usize) -> Result<String, NotCapture> {
        let mut text = String::new();
        let mut reader = Reader::new();
        for octets in file.chunks(portion) {
            let line = |millis, packet: Option<&Packet<'_>>| text += &format!("{millis} {packet:?}\n");
            reader.take(octets, line)?;
        }
        Ok(text)
    }

    /// Both forms hold the same; how the octets arrive makes no difference.
    #[test]
    fn both_forms_give_their_frames() {
        let frames = [who_has(), read_request()];
        let text = read(&classic(&frames), 4096).unwrap();
        expect![[r#"
            500 Some(Packet { sender: 52:54:00:00:00:09, content: ArpRequest { by: 10.9.8.30, wanted: 10.9.8.1 } })
            1500 Some(Packet { sender: 52:54:00:00:00:09, content: Udp { way: Way { from: (10.9.8.30, 2000), to: (10.9.8.1, 69) }, payload: [0, 1, 120, 0, 111, 99, 116, 101, 116, 0] } })
        "#]].assert_eq(&text);
        assert_eq!(read(&ng(&frames), 7).unwrap(), text);
        assert_eq!(read(&classic(&frames), 1).unwrap(), text);
        let cut = classic(&frames);
        assert_eq!(read(&cut[..cut.len() - 1], 4096).unwrap().lines().count(), 1);
    }

    /// A length that nothing can have must neither be waited for nor be kept room for.
    #[test]
    fn lies_about_lengths_end_the_reading() {
        let mut lie = classic(&[who_has()]);
        lie[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(&lie, 4096), Err(NotCapture::Length(u32::MAX)));
        let mut empty_block = ng(&[]);
        empty_block[4..8].copy_from_slice(&[0; 4]);
        assert_eq!(read(&empty_block, 4096), Err(NotCapture::Length(0)));
        assert_eq!(read(b"Linux version 6.1", 4096), Err(NotCapture::Unknown));
        assert!(!is_capture(b"Lin") && is_capture(&ng(&[])));
    }

    proptest! {
        /// Anybody on the wire may send anything, and a file may be anything at all.
        #[test]
        fn reading_never_panics(frame: Vec<u8>, link in prop_oneof![Just(1u32), Just(113), Just(276)], body: Vec<u8>, at in 0usize..200, octet: u8) {
            let _ = Packet::read(link, &frame);
            let _ = Packet::read(ETHERNET, &[&[0; 12][..], &[8, 0], &body].concat());
            for mut file in [classic(&[read_request()]), ng(&[read_request()])] {
                if let Some(place) = file.get_mut(at) {
                    *place = octet;
                }
                let _ = read(&file, 64);
            }
        }
    }
}
