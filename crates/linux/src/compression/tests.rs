//! Streams of every format; and those of the programs that make them, where they are there.

use super::*;
use crate::process::Child;
use crate::tools::Tool;
use std::io::Write as _;

fn read(octets: &[u8]) -> io::Result<(Compression, Vec<u8>)> {
    let mut all = Vec::new();
    let (compression, outcome) =
        read_plain(octets, |compression, plain| (compression, plain.read_to_end(&mut all)))?;
    outcome.map(|_| (compression, all))
}

/// Text that compresses, and does not repeat within a block.
fn text(count: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut words = Vec::new();
    while words.len() < count {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        words.extend_from_slice(format!("{:x} ", state >> 44).as_bytes());
    }
    words.truncate(count);
    words
}

fn zstd_frames(plain: &[u8], frame: usize) -> Vec<u8> {
    plain.chunks(frame).flat_map(|chunk| zstd::bulk::compress(chunk, 1).unwrap()).collect()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn bgzf(plain: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for chunk in plain.chunks(65_000) {
        let builder = flate2::GzBuilder::new().extra(*b"BC\x02\x00\x00\x00");
        let mut encoder = builder.write(Vec::new(), flate2::Compression::fast());
        encoder.write_all(chunk).unwrap();
        let mut member = encoder.finish().unwrap();
        let length = (member.len() - 1) as u16;
        member[16..18].copy_from_slice(&length.to_le_bytes());
        all.extend(member);
    }
    all
}

fn xz(plain: &[u8]) -> Vec<u8> {
    let mut builder = liblzma::stream::MtStreamBuilder::new();
    let stream = builder.threads(2).preset(0).block_size(200_000).encoder().unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn lz4(plain: &[u8]) -> Vec<u8> {
    let mut frame = lz4_flex::frame::FrameInfo::new();
    frame.content_checksum = true;
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Every format, cut into parts and in one.
fn streams(plain: &[u8]) -> Vec<(&'static str, Compression, Vec<u8>)> {
    vec![
        ("plain", Compression::None, plain.to_vec()),
        ("zstd, frames", Compression::Zstd, zstd_frames(plain, 100_000)),
        ("zstd, one frame", Compression::Zstd, zstd::stream::encode_all(plain, 1).unwrap()),
        ("gzip", Compression::Gzip, gzip(plain)),
        ("bgzf", Compression::Gzip, bgzf(plain)),
        ("xz", Compression::Xz, xz(plain)),
        ("lz4", Compression::Lz4, lz4(plain)),
    ]
}

/// An image is what somebody packed; it is read by what it is, not by what it is called.
#[test]
fn every_format_is_read_by_its_content() {
    let plain = text(600_000);
    for (name, compression, octets) in streams(&plain) {
        let (found, read) = read(&octets).unwrap();
        assert!(found == compression && read == plain, "{name}");
        let twice = [&octets[..], &octets[..]].concat();
        assert!(self::read(&twice).unwrap().1 == [&plain[..], &plain[..]].concat(), "{name}, twice");
    }
    let skippable = [&b"\x50\x2a\x4d\x18\x03\0\0\0abc"[..], &zstd_frames(&plain, 500_000)].concat();
    assert!(read(&skippable).unwrap().1 == plain);
    assert_eq!(read(b"").unwrap(), (Compression::None, Vec::new()));
}

/// Half an image must not pass for a whole one, nor a changed one for the one that was packed.
#[test]
fn what_is_cut_or_damaged_is_an_error() {
    let plain = text(400_000);
    for (name, _, octets) in streams(&plain).into_iter().skip(1) {
        for cut in [octets.len() - 1, octets.len() / 2, octets.len() / 3, 8] {
            let whole_frames = name == "zstd, frames" || name == "bgzf";
            match read(&octets[..cut]) {
                Err(_) => {}
                // Between two frames a file looks whole; the digest tells.
                Ok((_, read)) => assert!(whole_frames && read.len() % 5_000 == 0, "{name}, cut at {cut}"),
            }
        }
        let garbage = read(&[&octets[..], b"garbage"].concat());
        assert!(garbage.is_err(), "{name}, garbage behind it");
    }
    let mut damaged = zstd_frames(&plain, 100_000);
    let middle = damaged.len() / 2;
    damaged[middle..middle + 40].fill(0x5a);
    assert!(read(&damaged).is_err());
}

/// Whoever stops reading, because the disk is full, does not wait for the rest.
#[test]
fn a_reader_may_stop() {
    let octets = zstd_frames(&text(3_000_000), 50_000);
    let first = read_plain(&octets[..], |_, plain| {
        let mut first = [0; 10];
        plain.read_exact(&mut first).map(|()| first)
    });
    assert_eq!(first.unwrap().unwrap(), text(10)[..]);
}

/// The programs that make such files, several threads each. Needs them, so it is one of the system tests.
#[test]
fn system_files_of_other_programs_are_read() {
    if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
        eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (bzip2, lbzip2, pbzip2, xz, zstd, lz4, bgzip)");
        return;
    }
    let plain = [text(2_500_000), vec![0; 3_000_000], text(9)].concat();
    let commands: [(&str, &[&str]); 11] = [
        ("bzip2", &["-9c"]),
        ("bzip2", &["-1c"]),
        ("lbzip2", &["-9c"]),
        ("lbzip2", &["-1c", "-n3"]),
        ("pbzip2", &["-9c"]),
        ("xz", &["-1", "-T2", "--block-size=500000", "-c"]),
        ("xz", &["-1", "-c"]),
        ("zstd", &["-1", "-c"]),
        ("pzstd", &["-1", "-p3", "-c"]),
        ("lz4", &["-1", "-c"]),
        ("bgzip", &["-c"]),
    ];
    for (name, arguments) in commands {
        let tool = Tool { name, package: name, reason: "the tests" };
        let octets = Child::of(tool).args(arguments).input(plain.clone()).run().unwrap();
        assert!(read(&octets).unwrap().1 == plain, "{name} {arguments:?}");
        assert!(read(&octets[..octets.len() - 3]).is_err(), "{name} {arguments:?}, cut");
        assert!(
            read(&[&octets[..], &octets[..]].concat()).unwrap().1.len() == 2 * plain.len(),
            "{name}, twice"
        );
    }
}
