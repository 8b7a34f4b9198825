//! Calls and answers of NFSv3, MOUNT and the port mapper as they stand on the wire. Bytes were written by hand
//! from RFC 1813 and RFC 1833.

use super::call::{Call, Place};
use super::reply::{Content, Entry, IsEnd, Listing, Sizes};
use super::*;
use crate::rpc::Reply;
use crate::rpc::xdr::{Malformed, Writer};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::format;
use std::string::String;
use std::vec::Vec;

const FILE: Attributes = Attributes {
    kind: Kind::File,
    mode: 0o4755,
    links: 2,
    uid: 0,
    gid: 7,
    size_bytes: 0x1_0000_0005,
    used_bytes: 4096,
    device: (0, 0),
    file_system: 0xf5,
    number: 0x1d,
    accessed: Time { seconds: 1, nanoseconds: 2 },
    modified: Time { seconds: 3, nanoseconds: 4 },
    changed: Time { seconds: 5, nanoseconds: 6 },
};
/// Stands in goldens for the 21 units of [`FILE`].
const FILE_UNITS: &str = "00000001 000009ed 00000002 00000000 00000007 00000001 00000005 00000000 00001000 \
    00000000 00000000 00000000 000000f5 00000000 0000001d 00000001 00000002 00000003 00000004 00000005 00000006";

/// A reply's results behind the RPC header, in units, with the attributes of [`FILE`] as `FILE`.
fn shows(reply: &Reply, expected: Expect) {
    let words: Vec<String> = reply.datagram()[24..]
        .chunks(4)
        .map(|unit| unit.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    expected.assert_eq(&words.join(" ").replace(FILE_UNITS, "FILE"));
    let mark = u32::from_be_bytes(reply.record()[..4].try_into().unwrap());
    assert_eq!(mark as usize, 0x8000_0000 + reply.datagram().len(), "the record mark");
}

fn arguments(fill: impl FnOnce(&mut Writer) -> &mut Writer) -> Vec<u8> {
    let mut writer = Writer::default();
    fill(&mut writer);
    writer.into_bytes()
}

/// A handle, and behind it these units.
fn handle_and(units: &[u32]) -> Vec<u8> {
    arguments(|w| units.iter().fold(w.opaque(b"H"), |w, unit| w.u32(*unit)))
}

/// A handle and a name, and behind them these units.
fn place_and(units: &[u32]) -> Vec<u8> {
    arguments(|w| units.iter().fold(w.opaque(b"H").opaque(b"name"), |w, unit| w.u32(*unit)))
}

/// The reading procedures: each field at its place, nothing may follow.
#[test]
fn reading_calls() {
    let place = Place { folder: b"H", name: b"name" };
    let cases = [
        (Procedure::Null, Vec::new(), Call::Null),
        (Procedure::GetAttr, handle_and(&[]), Call::GetAttr(b"H")),
        (Procedure::Lookup, place_and(&[]), Call::Lookup(place)),
        (Procedure::Access, handle_and(&[0x1f]), Call::Access(b"H", 0x1f)),
        (Procedure::ReadLink, handle_and(&[]), Call::ReadLink(b"H")),
        (Procedure::Read, handle_and(&[2, 1, 9]), Call::Read { file: b"H", offset: 0x2_0000_0001, count: 9 }),
        (
            Procedure::ReadDir,
            handle_and(&[0, 7, 0xee, 0xee, 512]),
            Call::ReadDir { folder: b"H", cookie: 7, count: 512 },
        ),
        (
            Procedure::ReadDirPlus,
            handle_and(&[0, 7, 0xee, 0xee, 512, 8192]),
            Call::ReadDirPlus { folder: b"H", cookie: 7, names: 512, count: 8192 },
        ),
        (Procedure::FsStat, handle_and(&[]), Call::FsStat(b"H")),
        (Procedure::FsInfo, handle_and(&[]), Call::FsInfo(b"H")),
        (Procedure::PathConf, handle_and(&[]), Call::PathConf(b"H")),
    ];
    for (procedure, bytes, call) in cases {
        assert_eq!(Call::parse(procedure, &bytes), Ok(call));
        let more = [&bytes[..], &[0; 4]].concat();
        assert_eq!(Call::parse(procedure, &more), Err(Malformed::LeftOver(4)), "{procedure:?}");
    }
    let long = arguments(|w| w.opaque(&[0; 65]));
    assert_eq!(Call::parse(Procedure::GetAttr, &long), Err(Malformed::TooLong { length: 65, most: 64 }));
}

/// A wish to write is told from rubbish, whatever optional parts it has.
#[test]
fn writing_calls() {
    const NONE: [u32; 6] = [0; 6];
    const ALL: [u32; 15] = [1, 0o644, 1, 0, 1, 0, 1, 0, 5, 2, 8, 9, 2, 8, 9];
    let cases = [
        (Procedure::SetAttr, handle_and(&[&NONE[..], &[0]].concat())),
        (Procedure::SetAttr, handle_and(&[&ALL[..], &[1, 7, 7]].concat())),
        (Procedure::Write, handle_and(&[0, 0, 3, 2, 3, 0x6162_6300])),
        (Procedure::Create, place_and(&[&[1][..], &ALL].concat())),
        (Procedure::Create, place_and(&[2, 0xfe, 0xfe])),
        (Procedure::MkDir, place_and(&NONE)),
        (Procedure::SymLink, place_and(&[&NONE[..], &[1, 0x6100_0000]].concat())),
        (Procedure::MkNod, place_and(&[&[3][..], &NONE, &[1, 3]].concat())),
        (Procedure::MkNod, place_and(&[&[7][..], &ALL].concat())),
        (Procedure::Remove, place_and(&[])),
        (Procedure::RmDir, place_and(&[])),
        (Procedure::Commit, handle_and(&[0, 0, 0])),
    ];
    for (procedure, bytes) in cases {
        let expected = Call::Write { procedure, object: b"H", into: None };
        assert_eq!(Call::parse(procedure, &bytes), Ok(expected), "{procedure:?}");
        assert!(Call::parse(procedure, &bytes[..bytes.len() - 4]).is_err(), "{procedure:?} cut");
    }
    let rename = arguments(|w| w.opaque(b"H").opaque(b"a").opaque(b"I").opaque(b"b"));
    let link = arguments(|w| w.opaque(b"H").opaque(b"I").opaque(b"b"));
    for (procedure, bytes) in [(Procedure::Rename, rename), (Procedure::Link, link)] {
        let expected = Call::Write { procedure, object: b"H", into: Some(b"I") };
        assert_eq!(Call::parse(procedure, &bytes), Ok(expected));
    }
    assert_eq!(Call::parse(Procedure::Create, &place_and(&[3])), Err(Malformed::NoSuchValue(3)));
}

/// Every procedure's failure has its own body: one attribute too few and the client reads rubbish.
#[test]
fn failures_have_the_body_of_their_procedure() {
    let bodies: Vec<String> = Procedure::ALL
        .iter()
        .map(|procedure| {
            let reply = reply::failed(1, *procedure, Status::ReadOnly, Some(&FILE), None);
            let words: Vec<String> = reply.datagram()[28..]
                .chunks(4)
                .map(|unit| unit.iter().map(|byte| format!("{byte:02x}")).collect())
                .collect();
            let body = words.join(" ").replace(FILE_UNITS, "FILE").replace("0000000", "");
            format!("{procedure:?}: {body}")
        })
        .collect();
    expect![[r#"
        Null: 
        GetAttr: 
        SetAttr: 0 1 FILE
        Lookup: 1 FILE
        Access: 1 FILE
        ReadLink: 1 FILE
        Read: 1 FILE
        Write: 0 1 FILE
        Create: 0 1 FILE
        MkDir: 0 1 FILE
        SymLink: 0 1 FILE
        MkNod: 0 1 FILE
        Remove: 0 1 FILE
        RmDir: 0 1 FILE
        Rename: 0 1 FILE 0 0
        Link: 1 FILE 0 0
        ReadDir: 1 FILE
        ReadDirPlus: 1 FILE
        FsStat: 1 FILE
        FsInfo: 1 FILE
        PathConf: 1 FILE
        Commit: 0 1 FILE"#]]
    .assert_eq(&bodies.join("\n"));
}

/// What a read-only server finds.
#[test]
fn answers() {
    shows(&reply::nothing(1), expect![[""]]);
    shows(&reply::attributes(1, &FILE), expect!["00000000 FILE"]);
    shows(
        &reply::found(1, b"HANDLE", &FILE, &FILE),
        expect!["00000000 00000006 48414e44 4c450000 00000001 FILE 00000001 FILE"],
    );
    shows(
        &reply::access(1, &FILE, access::READ | access::EXECUTE),
        expect!["00000000 00000001 FILE 00000021"],
    );
    shows(&reply::target(1, &FILE, b"../lib"), expect!["00000000 00000001 FILE 00000006 2e2e2f6c 69620000"]);
    shows(
        &reply::fullness(1, &FILE, 1 << 32, 30_000),
        expect![
            "00000000 00000001 FILE 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00007530 00000000 00000000 00000000 00000000 00000000"
        ],
    );
    let sizes = Sizes { read: 0x10_0000, write: 0x8000, listing: 0x1_0000 };
    shows(
        &reply::sizes(1, &FILE, &sizes),
        expect![
            "00000000 00000001 FILE 00100000 00100000 00001000 00008000 00008000 00001000 00010000 7fffffff ffffffff 00000000 00000001 0000000b"
        ],
    );
    shows(
        &reply::limits(1, &FILE),
        expect!["00000000 00000001 FILE 0000fde8 000000ff 00000001 00000001 00000000 00000001"],
    );

    // Memory of a longer reply and of a shorter one: nothing of them shows.
    for before in [[0xaa; 500].to_vec(), [0xaa; 3].to_vec()] {
        let mut content = Content::begin(before, 1, &FILE, 8);
        content.rest()[..2].copy_from_slice(b"he");
        content.add(2);
        assert_eq!(content.rest().len(), 6);
        content.rest()[..3].copy_from_slice(b"llo");
        content.add(3);
        assert_eq!(content.length(), 5);
        shows(
            &content.finish(IsEnd::Yes),
            expect!["00000000 00000001 FILE 00000005 00000001 00000005 68656c6c 6f000000"],
        );
    }

    // A reply whose bytes are sent from the file is the same octets, its record's length among them.
    for count in 1..=8 {
        let mut content = Content::begin(Vec::new(), 1, &FILE, count);
        content.rest().fill(7);
        content.add(count);
        let whole = content.finish(IsEnd::No);
        let before = reply::before_content(1, &FILE, count as u32, IsEnd::No);
        let rest = [&[7; 8][..count], &[0; 3][..reply::padding(count)]].concat();
        assert_eq!([before.record(), &rest].concat(), whole.record(), "{count}");
    }

    let mut listing = Listing::with_attributes(1, &FILE, 4096, 4096);
    assert!(listing.add(&Entry { number: 0x1d, name: b"passwd", cookie: 0xc0 }, Some((&FILE, b"HANDLE"))));
    shows(
        &listing.finish(IsEnd::No),
        expect![
            "00000000 00000001 FILE 00000000 00000000 00000001 00000000 0000001d 00000006 70617373 77640000 00000000 000000c0 00000001 FILE 00000001 00000006 48414e44 4c450000 00000000 00000000"
        ],
    );
    let mut listing = Listing::names(1, &FILE, 4096);
    assert!(listing.add(&Entry { number: 0x1d, name: b"passwd", cookie: 0xc0 }, None));
    shows(
        &listing.finish(IsEnd::Yes),
        expect![
            "00000000 00000001 FILE 00000000 00000000 00000001 00000000 0000001d 00000006 70617373 77640000 00000000 000000c0 00000000 00000001"
        ],
    );
}

/// A listing never exceeds what the client has room for, and one entry is not kept back for a small hint.
#[test]
fn listings_keep_to_the_room_of_the_client() {
    for count in 100..1500 {
        let mut listing = Listing::with_attributes(1, &FILE, 64, count);
        while listing.add(&Entry { number: 1, name: b"name", cookie: 2 }, Some((&FILE, &[7; 24]))) {}
        let fits = count >= 88 + 8 + 8 + 4 + 24 + 88 + 32;
        assert_eq!(!listing.is_empty(), fits, "{count}");
        let length = listing.finish(IsEnd::No).datagram().len() - 28;
        assert!(length <= count || !fits, "{length} of {count}");
    }
    let mut listing = Listing::with_attributes(1, &FILE, 1, 4096);
    assert!(listing.add(&Entry { number: 1, name: b"name", cookie: 2 }, None));
    assert!(!listing.add(&Entry { number: 1, name: b"name", cookie: 2 }, None));
}

/// From a path to a handle, and what else MOUNT can say.
#[test]
fn mounting() {
    let path = arguments(|w| w.opaque(b"/live"));
    assert_eq!(mount::Call::parse(1, &path), Some(Ok(mount::Call::Mount(b"/live"))));
    assert_eq!(mount::Call::parse(3, &path), Some(Ok(mount::Call::Unmount(b"/live"))));
    assert_eq!(mount::Call::parse(5, &[]), Some(Ok(mount::Call::Exports)));
    assert_eq!(mount::Call::parse(6, &[]), None);
    let long = arguments(|w| w.opaque(&[b'/'; 1025]));
    assert!(matches!(mount::Call::parse(1, &long), Some(Err(Malformed::TooLong { .. }))));
    shows(
        &mount::mounted(1, b"HANDLE"),
        expect!["00000000 00000006 48414e44 4c450000 00000002 00000001 00000000"],
    );
    shows(&mount::refused(1, mount::Refusal::NoEntry), expect!["00000002"]);
    shows(
        &mount::mounts(1, [(&b"10.0.0.9"[..], &b"/live"[..])]),
        expect!["00000001 00000008 31302e30 2e302e39 00000005 2f6c6976 65000000 00000000"],
    );
    shows(
        &mount::exports(1, [&b"/live"[..]]),
        expect!["00000001 00000005 2f6c6976 65000000 00000000 00000000"],
    );
}

/// Where NFS is, in the three dialects.
#[test]
fn looking_up_ports() {
    use portmap::{Call, Service, Transport};
    let here = core::net::Ipv4Addr::new(10, 0, 0, 1);
    let by_port = arguments(|w| w.u32(PROGRAM).u32(3).u32(6).u32(0));
    let by_name = arguments(|w| w.u32(PROGRAM).u32(3).opaque(b"udp").opaque(b"").opaque(b"rpcb"));
    let find = |transport| Some(Ok(Call::Find { program: PROGRAM, version: 3, transport: Some(transport) }));
    assert_eq!(Call::parse(2, 3, &by_port), find(Transport::Tcp));
    assert_eq!(Call::parse(4, 3, &by_name), find(Transport::Udp));
    assert_eq!(Call::parse(2, 5, &by_port), None, "CALLIT");
    shows(&portmap::found(1, 2, here, Some(PORT)), expect!["00000801"]);
    shows(&portmap::found(1, 2, here, None), expect!["00000000"]);
    shows(&portmap::found(1, 4, here, Some(PORT)), expect!["0000000c 31302e30 2e302e31 2e382e31"]);
    shows(&portmap::found(1, 3, here, None), expect!["00000000"]);
    let nfs = Service { program: PROGRAM, version: 3, transport: Transport::Tcp, port: PORT };
    shows(
        &portmap::services(1, 2, here, &[nfs]),
        expect!["00000001 000186a3 00000003 00000006 00000801 00000000"],
    );
    shows(
        &portmap::services(1, 4, here, &[nfs]),
        expect![
            "00000001 000186a3 00000003 00000003 74637000 0000000c 31302e30 2e302e31 2e382e31 00000009 73757065 72757365 72000000 00000000"
        ],
    );
}

proptest! {
    #[test]
    fn no_arguments_are_too_odd(number in 0u32..24, version in 2u32..5, bytes: Vec<u8>, lead in 0u32..70) {
        let mut framed = arguments(|w| w.u32(lead));
        framed.extend_from_slice(&bytes);
        for arguments in [&bytes, &framed] {
            if let Some(procedure) = Procedure::of(number) {
                let _ = Call::parse(procedure, arguments);
            }
            let _ = mount::Call::parse(number, arguments);
            let _ = portmap::Call::parse(version, number, arguments);
        }
    }
}
