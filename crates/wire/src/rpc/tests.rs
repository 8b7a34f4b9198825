//! Calls and replies as they stand on the wire. Bytes were written by hand from RFC 5531.

use super::*;
use expect_test::expect;
use proptest::prelude::*;
use std::format;
use std::string::String;
use std::vec;

fn call(flavour: u32, body: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.u32(7).u32(CALL).u32(2).u32(100_003).u32(3).u32(1).u32(flavour).opaque(body).u32(0).u32(0);
    writer.u32(0xabcd);
    writer.into_bytes()
}

fn units(bytes: &[u8]) -> String {
    let words: Vec<String> =
        bytes.chunks(4).map(|unit| unit.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    words.join(" ")
}

/// The Linux client sends AUTH_SYS with its host name and up to 16 groups: all of it must be skipped rightly.
#[test]
fn a_linux_call_is_taken_apart() {
    let mut body = Writer::default();
    body.u32(1).opaque(b"box").u32(1000).u32(100).u32(2).u32(4).u32(24);
    let message = call(AUTH_SYS, &body.into_bytes());
    let parsed = Call::parse(&message).unwrap();
    assert_eq!((parsed.xid, parsed.program, parsed.version, parsed.procedure), (7, 100_003, 3, 1));
    assert_eq!(parsed.arguments, [0, 0, 0xab, 0xcd]);
    assert!(matches!(parsed.caller, Caller::User { uid: 1000, gid: 100, .. }));
    for (group, is) in [(100, true), (4, true), (24, true), (0, false), (1000, false)] {
        assert_eq!(parsed.caller.is_in_group(group), is, "{group}");
    }
    assert_eq!(Call::parse(&call(AUTH_NONE, b"")).unwrap().caller, Caller::Nobody);
}

/// A client that tries Kerberos or another RPC version must be told, or it waits for its time-out.
#[test]
fn what_cannot_be_looked_at_is_answered_in_kind() {
    let answer = |message: &[u8]| match Call::parse(message) {
        Err(NoCall::Answer(reply)) => units(reply.record()),
        other => format!("{other:?}"),
    };
    expect!["80000014 00000007 00000001 00000001 00000001 00000005"].assert_eq(&answer(&call(6, b"gss ")));
    let too_many_groups = [[0, 0, 0, 0]; 4].concat().into_iter().chain([0, 0, 0, 17]).collect::<Vec<u8>>();
    expect!["80000014 00000007 00000001 00000001 00000001 00000001"]
        .assert_eq(&answer(&call(AUTH_SYS, &too_many_groups)));
    let mut wrong = call(AUTH_NONE, b"");
    wrong[11] = 3;
    expect!["80000018 00000007 00000001 00000001 00000000 00000002 00000002"].assert_eq(&answer(&wrong));
    let mut reply = call(AUTH_NONE, b"");
    reply[7] = 1;
    for rubbish in [&reply[..], &[], &reply[..5], &call(AUTH_NONE, &vec![0; 401])] {
        assert_eq!(Call::parse(rubbish), Err(NoCall::Rubbish));
    }
}

/// Each refusal has its number and, for versions, its range.
#[test]
fn refusals_and_results() {
    let lines: Vec<String> = [
        Refusal::NoSuchProgram,
        Refusal::NoSuchVersion { low: 3, high: 3 },
        Refusal::NoSuchProcedure,
        Refusal::GarbageArguments,
        Refusal::SystemError,
    ]
    .map(|refusal| units(Reply::refused(9, refusal).datagram()))
    .into();
    expect![[r#"
        00000009 00000001 00000000 00000000 00000000 00000001
        00000009 00000001 00000000 00000000 00000000 00000002 00000003 00000003
        00000009 00000001 00000000 00000000 00000000 00000003
        00000009 00000001 00000000 00000000 00000000 00000004
        00000009 00000001 00000000 00000000 00000000 00000005"#]]
    .assert_eq(&lines.join("\n"));
    let mut results = Reply::accepted(9, 8);
    results.opaque(b"yes");
    expect!["80000020 00000009 00000001 00000000 00000000 00000000 00000000 00000003 79657300"]
        .assert_eq(&units(Reply::of(results).record()));
}

proptest! {
    #[test]
    fn no_message_is_too_odd(mut message: Vec<u8>, keep in 0usize..60) {
        let _ = Call::parse(&message);
        let mut call = call(AUTH_SYS, &message);
        call.truncate(keep);
        let _ = Call::parse(&call);
        call.append(&mut message);
        let _ = Call::parse(&call);
    }
}
