//! The codec against packets as firmware sends them, and against noise.

use super::*;
use alloc::format;
use alloc::string::ToString as _;
use alloc::vec;
use expect_test::expect;
use proptest::prelude::*;

/// The captures: what firmware and clients really send, each a file of hex beside its readable form.
const CAPTURES: [(&str, &str); 9] = [
    ("dhclient-discover", include_str!("../../testdata/dhcp/dhclient-discover.hex")),
    ("ipconfig-discover", include_str!("../../testdata/dhcp/ipconfig-discover.hex")),
    ("ipxe-bios-discover", include_str!("../../testdata/dhcp/ipxe-bios-discover.hex")),
    ("ipxe-bios-request", include_str!("../../testdata/dhcp/ipxe-bios-request.hex")),
    ("ipxe-uefi-discover", include_str!("../../testdata/dhcp/ipxe-uefi-discover.hex")),
    ("udhcpc-discover", include_str!("../../testdata/dhcp/udhcpc-discover.hex")),
    ("uefi-http-discover", include_str!("../../testdata/dhcp/uefi-http-discover.hex")),
    ("uefi-pxe-discover", include_str!("../../testdata/dhcp/uefi-pxe-discover.hex")),
    ("uefi-pxe-request", include_str!("../../testdata/dhcp/uefi-pxe-request.hex")),
];

/// Our idea of the protocol is held against the world: read, shown, and written back byte for byte, as far
/// as the padding behind the last option.
#[test]
fn real_packets_are_read_and_written_back() {
    for (name, hex) in CAPTURES {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let packet = Packet::parse(&bytes).unwrap();
        let path = format!("{}/testdata/dhcp/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        expect_test::expect_file![path].assert_eq(&format!("{packet}\n"));
        let written = packet.encode();
        let end = |bytes: &[u8]| bytes.iter().rposition(|octet| *octet != 0).unwrap();
        assert!(written[..=end(&written)] == bytes[..=end(&bytes)], "{name}");
    }
}

const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

/// What iPXE sends decides what it boots: architecture, user class and the NIC's PCI id are in here.
#[test]
fn a_packet_reads_as_a_person_would_say_it() {
    let mut packet = Packet::request(MAC, 0x7a11_b0b5);
    packet.flags = BROADCAST;
    packet.options.set(option::MESSAGE_TYPE, [MessageType::Discover.octet()]);
    packet.options.set(option::MAX_SIZE, 1472u16.to_be_bytes());
    packet.options.set(option::ARCHITECTURE, [0, 7]);
    packet.options.set(option::VENDOR_CLASS, *b"PXEClient:Arch:00007:UNDI:003010");
    packet.options.set(option::USER_CLASS, *b"iPXE");
    packet.options.set(option::PARAMETERS, [1, 3, 6]);
    packet.options.set(option::IPXE, [0xb1, 5, 1, 0x80, 0x86, 0x10, 0xd3, 0xeb, 3, 1, 21, 1]);
    packet.options.set(221, [1, 2]);
    let bytes = packet.encode();
    assert_eq!(Packet::parse(&bytes), Ok(packet.clone()));
    assert_eq!(packet.mac(), Some(MAC));
    assert_eq!(packet.message_type(), Some(MessageType::Discover));
    assert_eq!(packet.options.word(option::ARCHITECTURE), Some(7));
    let ipxe = packet.options.nested(option::IPXE);
    assert_eq!(ipxe.octets(option::ipxe::BUS_ID), Some([1, 0x80, 0x86, 0x10, 0xd3].as_slice()));
    expect![[r#"
        request xid=7a11b0b5 chaddr=52:54:00:12:34:56 broadcast
          53 message type: DISCOVER
          57 maximum size: 1472
          93 architecture: 0007
          60 vendor class: "PXEClient:Arch:00007:UNDI:003010"
          77 user class: "iPXE"
          55 parameters: 1 3 6
         175 iPXE: 177=01808610d3 235=011501
         221 ?: 0102"#]]
    .assert_eq(&packet.to_string());
}

/// A `hlen` of 20 in one packet must not take the server down, nor make a MAC of what is none.
#[test]
fn a_hardware_address_longer_than_its_field_is_no_mac() {
    let mut packet = Packet::request(MAC, 1);
    for (htype, hlen) in [(1, 20), (1, 0), (1, 16), (32, 6), (255, 255)] {
        (packet.htype, packet.hlen) = (htype, hlen);
        let read = Packet::parse(&packet.encode()).unwrap();
        assert_eq!((read.hlen, read.mac()), (hlen, None));
    }
}

/// Servers put options into `file` and `sname` when they run out of room: the boot file's name hides there.
#[test]
fn overloaded_fields_are_read_as_options() {
    let mut packet = Packet::request(MAC, 1);
    packet.options.set(option::MESSAGE_TYPE, [2]);
    packet.options.set(option::OVERLOAD, [3]);
    packet.options.set(option::ROOT_PATH, *b"/srv");
    packet.file[..10].copy_from_slice(&[67, 8, b'i', b'p', b'x', b'e', b'.', b'e', b'f', b'i']);
    packet.sname[..6].copy_from_slice(&[17, 3, b'/', b'n', b'c', option::END]);
    let read = Packet::parse(&packet.encode()).unwrap();
    assert_eq!(read.bootfile().as_deref(), Some("ipxe.efi"));
    assert_eq!(read.options.text(option::ROOT_PATH).as_deref(), Some("/srv/nc"));
    assert!(!read.options.has(option::OVERLOAD));
    assert_eq!((read.file, read.sname), ([0; 128], [0; 64]));
}

/// One broken option must not cost those before it; firmware that miscounts still gets its address.
#[test]
fn an_option_that_overruns_the_packet_leaves_the_others() {
    let mut bytes = Packet::request(MAC, 1).encode();
    bytes.truncate(HEADER + 4);
    bytes.extend([53, 1, 1, 0, 0, 12, 3, b'b', b'o', b'x', 60, 200, b'P']);
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.message_type(), Some(MessageType::Discover));
    assert_eq!(packet.options.text(option::HOST_NAME).as_deref(), Some("box"));
    assert!(!packet.options.has(option::VENDOR_CLASS));
    // Plain BOOTP has no cookie; a header cut short is nothing at all.
    assert!(Packet::parse(&bytes[..HEADER]).unwrap().options.is_empty());
    assert_eq!(Packet::parse(&bytes[..HEADER - 1]), Err(NotBootp::TooShort(235)));
    bytes[0] = 3;
    assert_eq!(
        Packet::parse(&bytes).unwrap_err().to_string(),
        "operation 3, but BOOTP knows 1 (request) and 2 (reply) only"
    );
}

/// Vendor options over 255 octets travel in pieces and must come together again (RFC 3396).
#[test]
fn a_long_option_is_split_and_put_together() {
    let long: Vec<u8> = (0..600u16).map(|n| n as u8).collect();
    let mut packet = Packet::request(MAC, 1);
    packet.options.set(option::VENDOR, long.clone());
    packet.options.set(option::HOST_NAME, []);
    let read = Packet::parse(&packet.encode()).unwrap();
    assert_eq!(read.options.octets(option::VENDOR), Some(long.as_slice()));
    assert_eq!(read.options.octets(option::HOST_NAME), Some([].as_slice()));
    assert_eq!(read.options.text(option::HOST_NAME), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Anybody on the network can send anything: it is read or refused, and what was read is stable.
    #[test]
    fn noise_never_panics(op in 1u8..3, header in vec![any::<u8>(); 235], cookie in any::<bool>(),
                          options in proptest::collection::vec(any::<u8>(), 0..700)) {
        let mut bytes = vec![op];
        bytes.extend(header);
        if cookie { bytes.extend(MAGIC_COOKIE); }
        bytes.extend(options);
        let packet = Packet::parse(&bytes).unwrap();
        let _ = (packet.mac(), packet.bootfile(), packet.message_type(), packet.reply(), format!("{packet}"));
        for code in 0..=255 {
            let options = &packet.options;
            let _ = (options.byte(code), options.word(code), options.seconds(code), options.text(code));
            let _ = (options.addresses(code).count(), options.nested(code));
        }
        prop_assert_eq!(Packet::parse(&packet.encode()), Ok(packet));
    }

    /// Whatever the length, there is an answer.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Packet::parse(&bytes);
    }
}
