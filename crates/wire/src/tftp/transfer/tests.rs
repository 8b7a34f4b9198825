//! Dialogues in virtual time with a client that is written here, over wires good and bad.

use super::super::ReadRequest;
use super::*;
use alloc::format;
use alloc::vec;
use expect_test::expect;
use proptest::prelude::*;

fn content(length: usize) -> Arc<[u8]> {
    (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
}

fn begin(length: usize, options: &str) -> Transfer {
    let request = [b"\0\x01f\0octet\0", options.replace(' ', "\0").as_bytes(), b"\0"].concat();
    Transfer::new(content(length), ReadRequest::parse(&request).unwrap().wishes, Duration::ZERO)
}

/// A packet in short: `DATA 3 (512)`, `OACK tsize=5`.
fn show(packet: &[u8]) -> String {
    match packet {
        [0, 3, high, low, block @ ..] => {
            format!("DATA {} ({})", u16::from_be_bytes([*high, *low]), block.len())
        }
        [0, 6, options @ ..] => {
            let text = String::from_utf8_lossy(options);
            let mut words = text.split_terminator('\0');
            let mut shown = String::from("OACK");
            while let (Some(name), Some(value)) = (words.next(), words.next()) {
                shown += &format!(" {name}={value}");
            }
            shown
        }
        other => format!("{other:02x?}"),
    }
}

/// Everything that is sent now, in short.
fn sent(transfer: &mut Transfer, now: u64) -> String {
    let now = Duration::from_millis(now);
    let mut packets = vec![];
    while let Some(packet) = transfer.poll(now) {
        packets.push(show(&packet));
    }
    packets.join(", ")
}

fn ack(transfer: &mut Transfer, block: u16, now: u64) -> String {
    transfer.hear(&acknowledge(block), Duration::from_millis(now));
    sent(transfer, now)
}

/// A ROM's packets as they were captured, held against ours in turn: each line what it said and what we say to it.
fn replayed(capture: &str, length: usize) -> String {
    let mut lines = vec![];
    let mut transfer: Option<Transfer> = None;
    for line in capture.lines().filter(|line| !line.starts_with('#')) {
        let pairs = line.as_bytes().chunks(2).map(|pair| core::str::from_utf8(pair).unwrap());
        let packet: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        let said = match ReadRequest::parse(&packet) {
            Ok(request) => {
                let words = String::from_utf8_lossy(&packet[2..]).replace('\0', " ");
                transfer = Some(Transfer::new(content(length), request.wishes, Duration::ZERO));
                format!("RRQ {}", words.trim_end())
            }
            Err(_) => {
                transfer.as_mut().expect("a request comes first").hear(&packet, Duration::ZERO);
                match FromClient::parse(&packet).expect("a ROM sends nothing else") {
                    FromClient::Ack(number) => format!("ACK {number}"),
                    FromClient::Error { code, message } => format!("ERROR {code} {message}"),
                }
            }
        };
        let transfer = transfer.as_mut().expect("a request comes first");
        let answer = sent(transfer, 0);
        let ending = transfer.ending().map(|ending| format!("{ending:?}")).unwrap_or_default();
        lines.push(format!("{said} -> {answer}{ending}"));
    }
    // The middle is like its ends.
    let middle = lines.len().saturating_sub(9);
    if middle > 0 {
        lines.splice(7..7 + middle, [format!("({middle} more)")]);
    }
    lines.join("\n")
}

/// What the firmwares of the world send, and nothing that was invented: OVMF asks for the size, goes away, and comes
/// back for the file; iPXE asks once. Both get the whole file.
#[test]
fn roms_load_the_whole_file() {
    expect![[r#"
        RRQ ipxe.efi octet tsize 0 blksize 1468 windowsize 4 -> OACK tsize=850528 blksize=1468 windowsize=4
        ERROR 8 User aborted the transfer -> Probed
        RRQ ipxe.efi octet blksize 1468 windowsize 4 -> OACK blksize=1468 windowsize=4
        ACK 0 -> DATA 1 (1468), DATA 2 (1468), DATA 3 (1468), DATA 4 (1468)
        ACK 4 -> DATA 5 (1468), DATA 6 (1468), DATA 7 (1468), DATA 8 (1468)
        ACK 8 -> DATA 9 (1468), DATA 10 (1468), DATA 11 (1468), DATA 12 (1468)
        ACK 12 -> DATA 13 (1468), DATA 14 (1468), DATA 15 (1468), DATA 16 (1468)
        (140 more)
        ACK 576 -> DATA 577 (1468), DATA 578 (1468), DATA 579 (1468), DATA 580 (556)
        ACK 580 -> Done"#]]
    .assert_eq(&replayed(include_str!("../../../testdata/tftp/uefi-pxe.hex"), 850_528));
    expect![[r#"
        RRQ undionly.kpxe octet blksize 1432 tsize 0 -> OACK tsize=21479 blksize=1432
        ACK 0 -> DATA 1 (1432)
        ACK 1 -> DATA 2 (1432)
        ACK 2 -> DATA 3 (1432)
        ACK 3 -> DATA 4 (1432)
        ACK 4 -> DATA 5 (1432)
        ACK 5 -> DATA 6 (1432)
        (8 more)
        ACK 14 -> DATA 15 (1431)
        ACK 15 -> Done"#]]
    .assert_eq(&replayed(include_str!("../../../testdata/tftp/ipxe-bios.hex"), 15 * 1432 - 1));
}

/// OVMF asks for the size, goes away, and comes back for the file: the first is no failure.
#[test]
fn a_size_probe_is_no_failure() {
    let options = "tsize 0 blksize 1468 windowsize 4";
    let mut probe = begin(3000, options);
    assert_eq!(sent(&mut probe, 0), "OACK tsize=3000 blksize=1468 windowsize=4");
    probe.hear(b"\0\x05\0\x08User aborted the transfer\0", Duration::ZERO);
    assert_eq!((probe.ending(), probe.has_begun()), (Some(&Ending::Probed), false));
    assert_eq!(sent(&mut probe, 10_000), "");

    let mut transfer = begin(3000, options);
    sent(&mut transfer, 0);
    assert_eq!(ack(&mut transfer, 0, 1), "DATA 1 (1468), DATA 2 (1468), DATA 3 (64)");
    assert_eq!(ack(&mut transfer, 3, 2), "");
    assert_eq!((transfer.ending(), transfer.bytes()), (Some(&Ending::Done), 3000));
}

/// What is agreed to, by what was wished: never a block that needs fragments.
#[test]
fn wishes_are_met_as_far_as_the_wire_goes() {
    let lines = [
        sent(&mut begin(5, "blksize 65464 windowsize 65535 timeout 3"), 0),
        sent(&mut begin(5, "blksize 8"), 0),
        sent(&mut begin(5, "multicast 1"), 0),
        sent(&mut begin(0, "x"), 0),
        sent(&mut begin(512, "x"), 0),
    ];
    expect![[r#"
        OACK blksize=1468 timeout=3 windowsize=64
        OACK blksize=8
        DATA 1 (5)
        DATA 1 (0)
        DATA 1 (512)"#]]
    .assert_eq(&lines.join("\n"));
}

/// A file whose size is a multiple of the block ends with an empty block: without it the ROM waits for ever.
#[test]
fn an_even_file_ends_with_an_empty_block() {
    let mut transfer = begin(1024, "x");
    let said = [sent(&mut transfer, 0), ack(&mut transfer, 1, 1), ack(&mut transfer, 2, 2)];
    assert_eq!(said.join(", "), "DATA 1 (512), DATA 2 (512), DATA 3 (0)");
    assert_eq!(transfer.ending(), None);
    ack(&mut transfer, 3, 3);
    assert_eq!(transfer.ending(), Some(&Ending::Done));
}

/// A client that went away is given up after a while, not at once and not never.
#[test]
fn silence_is_met_with_patience() {
    let mut transfer = begin(5000, "x");
    let mut times = vec![];
    let mut now = Duration::ZERO;
    while transfer.ending().is_none() {
        if transfer.poll(now).is_some() {
            times.push(format!("{:.1}", now.as_secs_f32()));
        }
        now = transfer.wake();
    }
    expect!["0.0 0.5 1.5 3.5 7.5 15.5 23.5 silent at 31.5"].assert_eq(&format!(
        "{} silent at {:.1}",
        times.join(" "),
        now.as_secs_f32()
    ));
    assert_eq!(transfer.ending(), Some(&Ending::Silent));
}

/// Repeated acknowledgements must not double the traffic (the Sorcerer's Apprentice), lost blocks must not
/// cost a time-out where the client tells of them.
#[test]
fn acknowledgements_out_of_turn() {
    let mut plain = begin(5000, "x");
    let mut windowed = begin(50_000, "windowsize 4");
    let lines = [
        sent(&mut plain, 0),
        ack(&mut plain, 1, 1),
        format!("again: {}", ack(&mut plain, 1, 2)),
        format!("future: {}", ack(&mut plain, 9, 2)),
        ack(&mut plain, 2, 3),
        sent(&mut windowed, 0),
        ack(&mut windowed, 0, 1),
        format!("middle: {}", ack(&mut windowed, 2, 2)),
        format!("first lost: {}", ack(&mut windowed, 2, 3)),
        format!("said twice: {}", ack(&mut windowed, 2, 4)),
        ack(&mut windowed, 6, 5),
    ];
    expect![[r#"
        DATA 1 (512)
        DATA 2 (512)
        again: 
        future: 
        DATA 3 (512)
        OACK windowsize=4
        DATA 1 (512), DATA 2 (512), DATA 3 (512), DATA 4 (512)
        middle: DATA 3 (512), DATA 4 (512), DATA 5 (512), DATA 6 (512)
        first lost: DATA 3 (512), DATA 4 (512), DATA 5 (512), DATA 6 (512)
        said twice: 
        DATA 7 (512), DATA 8 (512), DATA 9 (512), DATA 10 (512)"#]]
    .assert_eq(&lines.join("\n"));
}

/// A client's error ends the transfer and its words are kept; control characters in them are not.
#[test]
fn a_client_that_gives_up_is_believed() {
    let mut transfer = begin(5000, "x");
    sent(&mut transfer, 0);
    transfer.hear(b"\0\x05\0\x03disk \x1bfull\0", Duration::ZERO);
    assert_eq!(transfer.ending(), Some(&Ending::Aborted("disk full".into())));
    let mut transfer = begin(5000, "x");
    sent(&mut transfer, 0);
    transfer.hear(b"\0\x05\0\x03", Duration::ZERO);
    assert_eq!(transfer.ending(), Some(&Ending::Aborted("error 3".into())));
}

/// Fetches a file as a client does (RFC 7440 §3), over a wire that treats packets as `fate` says:
/// 0 loses, 2 doubles.
fn fetch(transfer: &mut Transfer, block: usize, window: usize, mut fate: impl FnMut() -> usize) -> Vec<u8> {
    let (mut now, mut got, mut next, mut since) = (Duration::ZERO, vec![], 1u16, 0);
    while transfer.ending().is_none() {
        let mut answers = vec![];
        while let Some(packet) = transfer.poll(now) {
            for _ in 0..fate() {
                match &packet[..] {
                    [0, 6, ..] => answers.push(0),
                    [0, 3, high, low, data @ ..] if [*high, *low] == next.to_be_bytes() => {
                        got.extend_from_slice(data);
                        since += 1;
                        if since == window || data.len() < block {
                            answers.push(next);
                            since = 0;
                        }
                        next = next.wrapping_add(1);
                    }
                    _ => {
                        answers.push(next.wrapping_sub(1));
                        since = 0;
                    }
                }
            }
        }
        for answer in answers {
            for _ in 0..fate() {
                transfer.hear(&acknowledge(answer), now);
            }
        }
        now = transfer.wake().max(now + Duration::from_millis(1));
    }
    got
}

/// Files over 65535 blocks need block numbers that roll over: a 40 MB initrd over TFTP does.
#[test]
fn block_numbers_roll_over() {
    for options in ["blksize 8", "blksize 8 windowsize 64"] {
        let mut transfer = begin(8 * 65_536 * 2 + 3, options);
        let window = if options.contains("window") { 64 } else { 1 };
        let got = fetch(&mut transfer, 8, window, || 1);
        assert!(got == *transfer.content, "{options}");
        assert_eq!(transfer.ending(), Some(&Ending::Done));
    }
}

proptest! {
    /// Whatever is lost or doubled: what a client has in the end is the file, or the transfer says that it
    /// is not done.
    #[test]
    fn what_arrives_is_the_file(length in 0usize..20_000, block in 8u16..1469, window in 1u16..20,
                                fates in proptest::collection::vec(0usize..12, 1..200)) {
        let mut transfer = begin(length, &format!("blksize {block} windowsize {window}"));
        let mut at = 0;
        let fate = || { at += 1; match fates[at % fates.len()] { 0 => 0, 1 => 2, _ => 1 } };
        let got = fetch(&mut transfer, block.into(), window.into(), fate);
        match transfer.ending() {
            Some(Ending::Done) => prop_assert!(got == *transfer.content),
            // The last acknowledgement may be the one that is lost every time.
            Some(Ending::Silent) => prop_assert!(transfer.content.starts_with(&got)),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    /// Acknowledgements of anything at any time move nothing beyond what was sent.
    #[test]
    fn wild_acknowledgements_are_harmless(blocks in proptest::collection::vec(any::<(u16, bool)>(), 1..100)) {
        let mut transfer = begin(3000, "windowsize 3");
        for (now, (block, poll)) in blocks.into_iter().enumerate() {
            transfer.hear(&acknowledge(block % 9), Duration::from_millis(now as u64));
            if poll { let _ = transfer.poll(Duration::from_millis(now as u64)); }
            prop_assert!(transfer.bytes() <= 3000);
        }
    }
}
