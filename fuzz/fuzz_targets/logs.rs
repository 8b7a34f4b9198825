//! Log lines: syslog by datagram and by stream, netconsole with its fragments, ARP.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::Ipv4Addr;
use wire::{arp, netconsole, syslog};

fuzz_target!(|bytes: &[u8]| {
    let is_shown = |text: &str| text.chars().all(|c| !c.is_control() || matches!(c, '\t' | '\n'));
    assert!(is_shown(&syslog::Message::read(bytes).line()));
    let mut stream = syslog::Stream::default();
    let mut assembler = netconsole::Assembler::default();
    for piece in bytes.chunks(37) {
        stream.take(piece);
        while let Some(message) = stream.next_message() {
            assert!(is_shown(&message.text));
        }
        for message in assembler.take(Ipv4Addr::new(10, 77, 0, piece[0] % 4), piece) {
            assert!(is_shown(&message.text));
        }
    }
    let _ = arp::holder(bytes);
});
