//! TFTP (RFC 1350) with options (RFC 2347): the packets that a server of files reads and writes.
//!
//! Reading only: nobody writes files to us. How a file goes over the wire is in [`transfer`].

pub mod transfer;

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

/// UDP port on which servers listen for requests.
pub const PORT: u16 = 69;

const RRQ: u16 = 1;
const WRQ: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// More options than all RFCs together know are no request but noise.
const MOST_OPTIONS: usize = 16;
/// The longest file name taken: what a path has on Linux is more than any firmware sends.
const LONGEST_NAME: usize = 512;

/// Error codes (RFC 1350 §5, RFC 2347).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// 0: the message says it.
    Other,
    /// 1: no such file.
    NotFound,
    /// 2: not allowed.
    AccessViolation,
    /// 4: not TFTP.
    IllegalOperation,
}

/// A request to read a file, as asked: nothing is agreed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// The file's name as the client wrote it.
    pub file: String,
    /// Options that we know, as the client wishes them.
    pub wishes: Wishes,
}

/// Options that we know; absent ones were not sent, or not understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Octets in a block (RFC 2348).
    pub block_bytes: Option<u16>,
    /// Blocks between two acknowledgements (RFC 7440).
    pub window: Option<u16>,
    /// Seconds to wait before sending again (RFC 2349).
    pub timeout_seconds: Option<u8>,
    /// Whether the file's size is asked for (RFC 2349).
    pub size: bool,
}

/// Why a first packet is not a request that we serve; each has its answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a request at all; not answered, since the answer could be noise as well.
    #[error("not a TFTP request")]
    NotARequest,
    /// The name is empty, endless, or not text.
    #[error("the file name is empty, too long or not text")]
    BadName,
    /// Somebody wants to write.
    #[error("this server takes no files")]
    Write,
    /// A mode that changes bytes.
    #[error("mode {0} is not served, ask for mode octet (binary)")]
    Mode(String),
}

impl Refusal {
    /// The packet that says so, if one is to be sent.
    pub fn answer(&self) -> Option<Vec<u8>> {
        let code = match self {
            Refusal::NotARequest => return None,
            Refusal::BadName => ErrorCode::IllegalOperation,
            Refusal::Write => ErrorCode::AccessViolation,
            Refusal::Mode(_) => ErrorCode::Other,
        };
        Some(error(code, &self.to_string()))
    }
}

impl ReadRequest {
    /// Reads the packet that came to port 69. Options in either case, in any order, unknown ones passed over;
    /// a last field without its zero and padding behind it are taken as ROMs send them.
    ///
    /// Errors: anything but a request to read in mode `octet`.
    pub fn parse(bytes: &[u8]) -> Result<ReadRequest, Refusal> {
        let (operation, rest) = bytes.split_first_chunk::<2>().ok_or(Refusal::NotARequest)?;
        match u16::from_be_bytes(*operation) {
            RRQ => {}
            WRQ => return Err(Refusal::Write),
            _ => return Err(Refusal::NotARequest),
        }
        let mut fields = rest.split(|octet| *octet == 0);
        let name = fields.next().unwrap_or_default();
        // Firmware reads an unended option 67 past its end and appends what follows it: the END octet.
        let name = name.strip_suffix(b"\xff").unwrap_or(name);
        let file = core::str::from_utf8(name).map_err(|_| Refusal::BadName)?;
        if file.is_empty() || file.len() > LONGEST_NAME || file.chars().any(char::is_control) {
            return Err(Refusal::BadName);
        }
        let mode = fields.next().unwrap_or_default();
        if !mode.eq_ignore_ascii_case(b"octet") {
            let known =
                [&b"netascii"[..], b"mail"].into_iter().find(|known| mode.eq_ignore_ascii_case(known));
            let name = known.map_or_else(|| "?".to_owned(), |known| known.escape_ascii().to_string());
            return Err(Refusal::Mode(name));
        }
        let mut wishes = Wishes::default();
        for _ in 0..MOST_OPTIONS {
            let (Some(name), Some(value)) = (fields.next(), fields.next()) else { break };
            let value = core::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
            let Some(value) = value else { continue };
            // RFC 2348 and RFC 2349 bound the values; what is out of bounds is as if it were not sent.
            match name.to_ascii_lowercase().as_slice() {
                b"blksize" if value >= 8 => {
                    wishes.block_bytes = Some(u16::try_from(value).unwrap_or(u16::MAX));
                }
                b"windowsize" if value >= 1 => {
                    wishes.window = Some(u16::try_from(value).unwrap_or(u16::MAX));
                }
                b"timeout" if value >= 1 => wishes.timeout_seconds = u8::try_from(value).ok(),
                b"tsize" => wishes.size = true,
                _ => {}
            }
        }
        Ok(ReadRequest { file: file.to_owned(), wishes })
    }
}

/// A name as clients write it (`\boot\ipxe.efi`, `/ipxe.efi`, `./ipxe.efi`) as one of ours: parts joined by
/// `/`, none of them empty, `.` or `..`. `None` where it leads outside or nowhere.
pub fn normalise(name: &str) -> Option<String> {
    let mut path = String::new();
    for part in name.split(['/', '\\']) {
        match part {
            "" | "." => continue,
            ".." => return None,
            // The rest would be invisible to whoever hands the name to the kernel.
            part if part.contains('\0') => return None,
            part if !path.is_empty() => {
                path.push('/');
                path.push_str(part);
            }
            part => path.push_str(part),
        }
    }
    (!path.is_empty()).then_some(path)
}

/// An ERROR packet.
pub fn error(code: ErrorCode, message: &str) -> Vec<u8> {
    let number: u16 = match code {
        ErrorCode::Other => 0,
        ErrorCode::NotFound => 1,
        ErrorCode::AccessViolation => 2,
        ErrorCode::IllegalOperation => 4,
    };
    let mut packet = [ERROR.to_be_bytes(), number.to_be_bytes()].concat();
    packet.extend(message.bytes().filter(|octet| *octet != 0));
    packet.push(0);
    packet
}

/// What a client says during a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum FromClient {
    /// Everything up to this block has come.
    Ack(u16),
    /// The client ends it.
    Error { code: u16, message: String },
}

impl FromClient {
    fn parse(bytes: &[u8]) -> Option<FromClient> {
        let (operation, rest) = bytes.split_first_chunk::<2>()?;
        let (number, rest) = rest.split_first_chunk::<2>()?;
        let number = u16::from_be_bytes(*number);
        match u16::from_be_bytes(*operation) {
            ACK => Some(FromClient::Ack(number)),
            ERROR => {
                let text = rest.split(|octet| *octet == 0).next().unwrap_or_default();
                let text = text.get(..text.len().min(200)).unwrap_or_default();
                let message = String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).collect();
                Some(FromClient::Error { code: number, message })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    /// Requests as real clients send them, and as nobody should.
    #[test]
    fn requests_are_read_or_refused_by_name() {
        let read = |bytes: &[u8]| match ReadRequest::parse(bytes) {
            Ok(ReadRequest { file, wishes }) => alloc::format!("{file} {wishes:?}"),
            Err(refusal) => {
                let answer = refusal.answer().map(|packet| packet.escape_ascii().to_string());
                alloc::format!("{refusal}: {}", answer.as_deref().unwrap_or("no answer"))
            }
        };
        let lines = [
            read(b"\0\x01ipxe.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0"),
            read(b"\0\x01ipxe.efi\xff\0OCTET\0BLKSIZE\x0065464\0timeout\x00300\0multicast\0\0tsize\x000"),
            read(b"\0\x01undionly.kpxe\0octet"),
            read(b"\0\x01undionly.kpxe\0octet\0\0\0\0\0\0\0"),
            read(b"\0\x01a\0octet\0blksize\x007\0windowsize\x000\0tsize\0x\0"),
            read(b"\0\x01a\0netascii\0"),
            read(b"\0\x01a\0\x1b[2J\0"),
            read(b"\0\x01a"),
            read(b"\0\x01\0octet\0"),
            read(b"\0\x01\x1b[2J\0octet\0"),
            read(b"\0\x02upload\0octet\0"),
            read(b"\0\x04\0\x01"),
            read(b"\0"),
        ];
        expect![[r#"
            ipxe.efi Wishes { block_bytes: Some(1468), window: Some(4), timeout_seconds: None, size: true }
            ipxe.efi Wishes { block_bytes: Some(65464), window: None, timeout_seconds: None, size: true }
            undionly.kpxe Wishes { block_bytes: None, window: None, timeout_seconds: None, size: false }
            undionly.kpxe Wishes { block_bytes: None, window: None, timeout_seconds: None, size: false }
            a Wishes { block_bytes: None, window: None, timeout_seconds: None, size: false }
            mode netascii is not served, ask for mode octet (binary): \x00\x05\x00\x00mode netascii is not served, ask for mode octet (binary)\x00
            mode ? is not served, ask for mode octet (binary): \x00\x05\x00\x00mode ? is not served, ask for mode octet (binary)\x00
            mode ? is not served, ask for mode octet (binary): \x00\x05\x00\x00mode ? is not served, ask for mode octet (binary)\x00
            the file name is empty, too long or not text: \x00\x05\x00\x04the file name is empty, too long or not text\x00
            the file name is empty, too long or not text: \x00\x05\x00\x04the file name is empty, too long or not text\x00
            this server takes no files: \x00\x05\x00\x02this server takes no files\x00
            not a TFTP request: no answer
            not a TFTP request: no answer"#]].assert_eq(&lines.join("\n"));
    }

    /// Names are looked up in a list and never in a folder; still, none may look as if it led outside.
    #[test]
    fn names_are_normalised() {
        for (name, expected) in [
            ("ipxe.efi", Some("ipxe.efi")),
            ("/ipxe.efi", Some("ipxe.efi")),
            ("\\boot\\\\x64/./ipxe.efi", Some("boot/x64/ipxe.efi")),
            ("a/../../etc/passwd", None),
            ("..", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(normalise(name).as_deref(), expected, "{name}");
        }
    }

    proptest! {
        /// Port 69 is open to everybody.
        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600), operation in 0u8..8) {
            let mut packet = alloc::vec![0, operation];
            packet.extend(bytes);
            let _ = (FromClient::parse(&packet), ReadRequest::parse(&packet).map_err(|refusal| refusal.answer()));
        }
    }
}
