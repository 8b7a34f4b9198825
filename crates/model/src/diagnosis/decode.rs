//! Numbers of boot logs in words: exit codes of PID 1, errno, EFI status, iPXE error codes, HTTP status.
//!
//! A sentence of the catalogue asks for them with `{NAME:words}`, where NAME is the blank's name in the sign.

/// The words for what stood at a blank of this name: `errno`, `exitcode`, `exitstatus`, `ipxe`, `efi`, `status`.
pub(super) fn words(name: &str, value: &str) -> Option<String> {
    match name {
        "errno" => errno(number(value)?.unsigned_abs()).map(str::to_owned),
        "exitcode" => Some(exit_code(hex(value)?)),
        "exitstatus" => Some(exit_code(hex(value)? << 8)),
        "ipxe" => ipxe(value).map(str::to_owned),
        "efi" => efi_status(hex(value)? as u8).map(str::to_owned),
        "status" => http_status(number(value)?).map(str::to_owned),
        _ => None,
    }
}

/// A number as OCR reads it, too: `O` is 0, `l` and `I` are 1.
fn number(value: &str) -> Option<i64> {
    plain(value).parse().ok()
}

fn hex(value: &str) -> Option<u32> {
    let plain = plain(value);
    u32::from_str_radix(plain.strip_prefix("0x").unwrap_or(&plain), 16).ok()
}

fn plain(value: &str) -> String {
    let letters = value.chars().map(|letter| match letter {
        'O' | 'o' => '0',
        'l' | 'I' | 'i' | '|' => '1',
        letter => letter.to_ascii_lowercase(),
    });
    letters.collect()
}

/// `exitcode=` of `Attempted to kill init!`, which is wait(2)'s status: signal below, exit status above.
fn exit_code(code: u32) -> String {
    let signal = code & 0x7f;
    if signal != 0 {
        let name = match signal {
            4 => "SIGILL, an instruction that this CPU does not have",
            6 => "SIGABRT, it gave up itself",
            7 => "SIGBUS, a file that ends too early",
            8 => "SIGFPE, an impossible calculation",
            9 => "SIGKILL",
            11 => "SIGSEGV, a broken program, library or memory",
            13 => "SIGPIPE",
            _ => "",
        };
        let comma = if name.is_empty() { "" } else { ", " };
        return format!("signal {signal}{comma}{name}");
    }
    let status = (code >> 8) & 0xff;
    let meaning = match status {
        0 => "it simply returned",
        1 => "a script gave up",
        2 => "the shell could not open or understand a file",
        0x7e => "a command that may not be executed",
        0x7f => "a command that was not found",
        _ => "",
    };
    let comma = if meaning.is_empty() { "" } else { ", " };
    format!("exit status {status}{comma}{meaning}")
}

/// Linux's numbers, as far as boot logs have them (include/uapi/asm-generic/errno*.h).
fn errno(number: u64) -> Option<&'static str> {
    Some(match number {
        1 => "not permitted",
        2 => "no such file",
        5 => "input/output error",
        6 => "no such device or address",
        8 => "not in a format that can be executed",
        11 => "not now",
        12 => "out of memory",
        13 => "permission denied",
        16 => "busy",
        17 => "it exists already",
        19 => "no such device",
        22 => "invalid argument",
        26 => "the file is being written",
        28 => "no space left",
        30 => "read-only",
        40 => "too many symbolic links",
        62 => "it took too long",
        71 => "protocol error",
        93 => "protocol not supported",
        95 => "not supported",
        98 => "address already in use",
        99 => "address not available",
        101 => "network unreachable",
        104 => "connection reset",
        110 => "timed out",
        111 => "connection refused",
        113 => "no route to host",
        116 => "stale file handle",
        121 => "remote input/output error",
        126 => "a required key is not available",
        129 => "the key was rejected",
        _ => return None,
    })
}

/// Error codes of the UEFI specification, appendix D; iPXE sets the top bit of the byte.
fn efi_status(byte: u8) -> Option<&'static str> {
    Some(match byte & 0x7f {
        0x01 => "load error",
        0x02 => "invalid parameter",
        0x03 => "unsupported",
        0x04 => "bad buffer size",
        0x05 => "buffer too small",
        0x06 => "not ready",
        0x07 => "device error",
        0x08 => "write protected",
        0x09 => "out of resources",
        0x0e => "not found",
        0x0f => "access denied",
        0x10 => "no response",
        0x12 => "timeout",
        0x13 => "not started",
        0x15 => "aborted",
        0x1a => "security violation",
        _ => return None,
    })
}

fn http_status(number: i64) -> Option<&'static str> {
    Some(match number {
        400 => "bad request",
        401 => "it wants a password",
        403 => "forbidden",
        404 => "not found",
        405 => "method not allowed",
        407 => "a proxy wants a password",
        408 => "the request took too long",
        410 => "gone",
        416 => "range not satisfiable",
        500 => "the server's own error",
        502 => "what is behind the web server gave no sense",
        503 => "the server cannot serve now",
        504 => "what is behind the web server is silent",
        _ => return None,
    })
}

/// iPXE's error codes, as printed after `ipxe.org/`. The first six digits say file and fault; the last two are
/// the platform's own code and differ between BIOS and EFI builds (ipxe: include/errno.h, `make bin/errors`).
pub(super) fn ipxe(code: &str) -> Option<&'static str> {
    let plain = plain(code);
    let six = plain.get(..6)?;
    IPXE.iter().find(|(code, _)| *code == six).map(|(_, words)| *words)
}

/// Sorted as their six digits are.
const IPXE: &[(&str, &str)] = &[
    ("020081", "the image is not trusted"),
    ("020c61", "HTTP 401: the server wants a password"),
    ("021260", "TFTP: access denied"),
    ("0216e1", "certificate: issued by somebody else"),
    ("0216e4", "certificate: expired or not valid yet"),
    ("0216e6", "certificate: its root is not trusted"),
    ("0216e9", "certificate: its validity must be asked for (OCSP)"),
    ("0216ea", "certificate: made for another name"),
    ("0216eb", "certificate: none that can be used"),
    ("023360", "NFS: permission denied"),
    ("023560", "NFS mount: permission denied"),
    ("040ee1", "no way of configuring the network succeeded"),
    ("0b0720", "cancelled with a key"),
    ("0f0a60", "TCP: connection reset"),
    ("1a0861", "link status unknown"),
    ("1c0160", "ARP: invalid answer"),
    ("1c0c61", "HTTP: the answer's first line makes no sense"),
    ("1c0c63", "HTTP: the answer's length makes no sense"),
    ("1d0c62", "HTTP: the answer was shorter or longer than announced"),
    ("1d0c64", "HTTP 4xx: the server refuses the request"),
    ("1d0c65", "HTTP 5xx: the server's own error"),
    ("202a60", "the switch port wants link aggregation (LACP)"),
    ("280560", "IPv4: no route"),
    ("280860", "network unreachable"),
    ("280a60", "TCP: network unreachable"),
    ("2a2c40", "the card's driver ran out of buffers"),
    ("2c0440", "PCI: no such device"),
    ("2c1620", "no such device"),
    ("2c1640", "no such serial port"),
    ("2d03e1", "neither a boot file nor a SAN disk was named"),
    ("2d0c61", "HTTP 404: not found"),
    ("2d0de1", "TLS: the server sent no certificate"),
    ("2d1261", "TFTP: file not found"),
    ("2d54e0", "autoexec.ipxe is not there"),
    ("2e0080", "not an image that this iPXE can run"),
    ("2e0480", "not an EFI image for this CPU"),
    ("310120", "not enough memory for the file"),
    ("310c60", "not enough memory for the answer"),
    ("340f80", "no memory left for the initrd"),
    ("380861", "link down"),
    ("380a60", "TCP: not connected"),
    ("3c0460", "IPv6: not supported"),
    ("3c0920", "this iPXE has no such protocol"),
    ("3c0c62", "HTTP: an encoding that this iPXE does not have"),
    ("3c0de1", "TLS: no cipher in common"),
    ("3c0de3", "TLS: no signature algorithm in common"),
    ("3c0de4", "TLS: no version in common"),
    ("3c1260", "TFTP: not supported"),
    ("3d1260", "TFTP: an answer that makes no sense"),
    ("3e1161", "DNS: the name does not exist"),
    ("3e1162", "DNS: no server is known"),
    ("410c61", "HTTP 403: forbidden"),
    ("410de1", "TLS: the server broke off"),
    ("410de2", "TLS: the handshake could not be verified"),
    ("410de4", "TLS: the server cannot renegotiate securely"),
    ("430de1", "TLS: the version was changed on the way"),
    ("460381", "the memory asked for is not available"),
    ("4a3360", "NFS: stale file handle"),
    ("4c0720", "it took too long"),
    ("4c0a60", "TCP: no answer"),
    ("4c0c60", "HTTP: no answer"),
    ("4c1060", "DHCP: no answer"),
    ("4c1160", "DNS: no answer"),
    ("4c1168", "DNS: no answer"),
    ("4c1260", "TFTP: no answer"),
    ("4c3760", "ARP: no answer"),
    ("7f0480", "the EFI firmware refuses the image"),
    ("7f0481", "the EFI firmware cannot load the image"),
    ("7f0482", "the image ended with an EFI error"),
    ("7f2b20", "the EFI firmware knows no such path"),
    ("7f8261", "the PXE ROM reports an error"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A code read as another one sends the reader to the wrong machine.
    #[test]
    fn numbers_become_words() {
        let check = |name: &str, value: &str, wanted: &str| {
            assert_eq!(words(name, value).as_deref(), Some(wanted), "{name} {value}");
        };
        check("exitcode", "0x00000200", "exit status 2, the shell could not open or understand a file");
        check("exitcode", "0xOOOOO2OO", "exit status 2, the shell could not open or understand a file");
        check("exitcode", "0x0000000b", "signal 11, SIGSEGV, a broken program, library or memory");
        check("exitcode", "0x0000008b", "signal 11, SIGSEGV, a broken program, library or memory");
        check("exitcode", "0x00007f00", "exit status 127, a command that was not found");
        check("exitcode", "0x00001700", "exit status 23");
        check("exitstatus", "02", "exit status 2, the shell could not open or understand a file");
        check("errno", "-2", "no such file");
        check("errno", "111", "connection refused");
        check("efi", "0x8e", "not found");
        check("efi", "1a", "security violation");
        check("ipxe", "2d0c618e", "HTTP 404: not found");
        check("ipxe", "2d0c613b", "HTTP 404: not found");
        check("ipxe", "2dOc6l3b", "HTTP 404: not found");
        check("status", "403", "forbidden");
        assert_eq!(words("errno", "4711"), None);
        assert_eq!(words("exitcode", "0xzz"), None);
        assert_eq!(words("file", "2"), None);
    }

    /// A table in order shows at a glance that no code stands in it twice.
    #[test]
    fn the_ipxe_table_is_sorted() {
        assert!(IPXE.is_sorted_by(|a, b| a.0 < b.0));
    }
}
