//! What is listed of whole and of damaged initrds, in words.

use super::*;
use crate::initrd::walk;
use expect_test::{Expect, expect};

/// One entry of an archive.
pub(in crate::initrd) fn entry(name: &str, mode: u32, body: &[u8]) -> Vec<u8> {
    entry_with(Header { inode: 7, mode, links: 1, modified: 1_700_000_000, ..Header::default() }, name, body)
}

/// One entry with any header.
pub(in crate::initrd) fn entry_with(mut header: Header, name: &str, body: &[u8]) -> Vec<u8> {
    header.size = body.len() as u32;
    header.name_size = name.len() as u32 + 1;
    let mut bytes = header.text().into_bytes();
    bytes.extend(name.as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An archive with its end.
pub(in crate::initrd) fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.extend(entry("TRAILER!!!", 0, b""));
    bytes
}

fn early() -> Vec<u8> {
    let mut early = archive(&[
        entry("kernel", 0o40755, b""),
        entry("kernel/x86", 0o40755, b""),
        entry("kernel/x86/microcode.bin", 0o100644, b"microcode"),
    ]);
    early.resize(early.len().next_multiple_of(512), 0);
    early
}

fn main_archive() -> Vec<u8> {
    let linked = |size: &[u8], name: &str| {
        let header =
            Header { inode: 9, links: 2, mode: 0o100755, modified: 1_700_000_000, ..Header::default() };
        entry_with(header, name, size)
    };
    let device = Header { mode: 0o20600, links: 1, device: (5, 1), user: 1, group: 5, ..Header::default() };
    archive(&[
        entry(".", 0o40755, b""),
        entry("bin", 0o40755, b""),
        linked(b"", "bin/busybox"),
        linked(b"#!/bin/true\n", "bin/ls"),
        entry("lib", 0o120777, b"usr/lib"),
        entry("lib/lost", 0o100644, b"x"),
        entry_with(device, "dev/console", b""),
        entry("bin/strange\x1b[31m", 0o106755, b"ab"),
    ])
}

fn said(file: &[u8], expected: Expect) {
    let (catalog, failure) = Catalog::read(file, |_| false);
    let mut text = text(&catalog);
    if let Some(failure) = failure {
        text.push_str(&failure.report());
    }
    expected.assert_eq(&text);
}

/// Everything that a kernel would unpack and what it would not, over both parts.
#[test]
fn every_entry_is_a_line() {
    let packed = zstd::bulk::compress(&main_archive(), 3).unwrap();
    let file = [early(), packed].concat();
    said(
        &file,
        expect![[r#"
            part 1: cpio at byte 0, 516 bytes, 3 entries
              drwxr-xr-x    0    0          0 2023-11-14 22:13:20 kernel
              drwxr-xr-x    0    0          0 2023-11-14 22:13:20 kernel/x86
              -rw-r--r--    0    0          9 2023-11-14 22:13:20 kernel/x86/microcode.bin
            part 2: zstd at byte 1024, 239 bytes packed, 1.1 KiB unpacked, 8 entries
              drwxr-xr-x    0    0          0 2023-11-14 22:13:20 .
              drwxr-xr-x    0    0          0 2023-11-14 22:13:20 bin
              -rwxr-xr-x    0    0         12 2023-11-14 22:13:20 bin/busybox
              -rwxr-xr-x    0    0         12 2023-11-14 22:13:20 bin/ls (the same file as bin/busybox)
              lrwxrwxrwx    0    0          7 2023-11-14 22:13:20 lib -> usr/lib
              -rw-r--r--    0    0          0 2023-11-14 22:13:20 lib/lost (not unpacked: its folder is not in the initrd)
              crw-------    1    5        5,1 1970-01-01 00:00:00 dev/console
              -rwsr-sr-x    0    0          2 2023-11-14 22:13:20 bin/strange\u{1b}[31m
            11 entries in 2 parts; the kernel passes over 1
        "#]],
    );
}

/// The same as an object, as scripts read it.
#[test]
fn scripts_read_one_object() {
    let file = archive(&[entry("init", 0o100755, b"#!"), entry("sh", 0o120777, b"init")]);
    let (catalog, failure) = Catalog::read(&file, |_| false);
    assert!(failure.is_none());
    expect![[r#"
        {
          "entries": [
            {
              "device": null,
              "group": 0,
              "inode": 7,
              "kind": "file",
              "links": 1,
              "mode": "0755",
              "modified": 1700000000,
              "name": "init",
              "not_unpacked": null,
              "part": 1,
              "same_file_as": null,
              "size": 2,
              "target": null,
              "user": 0
            },
            {
              "device": null,
              "group": 0,
              "inode": 7,
              "kind": "link",
              "links": 1,
              "mode": "0777",
              "modified": 1700000000,
              "name": "sh",
              "not_unpacked": null,
              "part": 1,
              "same_file_as": null,
              "size": 4,
              "target": "init",
              "user": 0
            }
          ],
          "error": null,
          "parts": [
            {
              "entries": 2,
              "packed_bytes": 364,
              "packing": null,
              "part": 1,
              "start": 0,
              "unpacked_bytes": 364
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&object(&catalog, None)).unwrap());
}

/// A download that broke off, a file that is no initrd, and what looks like one and is nothing to the kernel: each
/// is told with the place and, where there is one, the way out.
#[test]
fn each_damage_has_its_sentence() {
    let whole = archive(&[entry("init", 0o100755, b"#!/bin/sh")]);
    said(
        b"",
        expect![[r#"
        0 entries in 0 parts
        error: there is no archive in it
        because: the file is empty"#]],
    );
    said(
        &[0; 1024],
        expect![[r#"
        0 entries in 0 parts
        error: there is no archive in it
        because: its 1 KiB are all zero"#]],
    );
    said(
        b"#!/bin/sh\n",
        expect![[r#"
        0 entries in 0 parts
        error: what begins at byte 0 is nothing that the kernel unpacks
        because: it begins with 23 21 2f 62 69 6e
        hint: an initrd is a cpio archive, plain or packed"#]],
    );
    said(
        &whole[..140],
        expect![[r#"
        part 1, which is not whole
          -rwxr-xr-x    0    0          9 2023-11-14 22:13:20 init
        1 entry in 1 part
        error: part 1 (cpio, from byte 0) is cut off
        because: the entry at its byte 128 does not end"#]],
    );
    said(
        &whole[..124],
        expect![[r#"
        part 1, which is not whole
          -rwxr-xr-x    0    0          9 2023-11-14 22:13:20 init
        1 entry in 1 part
        error: part 1 (cpio, from byte 0) is cut off
        because: the entry at its byte 0 does not end"#]],
    );
    let packed = zstd::bulk::compress(&whole, 3).unwrap();
    said(
        &packed[..packed.len() - 5],
        expect![[r#"
        0 entries in 0 parts
        error: part 1 (zstd, from byte 0) is cut off"#]],
    );
    let mut packed = early();
    packed.extend(liblzma_with_crc64(&whole));
    said(
        &packed,
        expect![[r#"
        part 1: cpio at byte 0, 516 bytes, 3 entries
          drwxr-xr-x    0    0          0 2023-11-14 22:13:20 kernel
          drwxr-xr-x    0    0          0 2023-11-14 22:13:20 kernel/x86
          -rw-r--r--    0    0          9 2023-11-14 22:13:20 kernel/x86/microcode.bin
        part 2: xz at byte 1024, 140 bytes packed, 252 bytes unpacked, 1 entry
          -rwxr-xr-x    0    0          9 2023-11-14 22:13:20 init
        4 entries in 2 parts
        error: part 2 (xz, from byte 1024) is not unpacked by the kernel
        because: its check is CRC64, and the kernel's xz knows CRC32 only
        hint: `xz --check=crc32` makes what the kernel unpacks"#]],
    );
    said(
        b"\x04\x22\x4d\x18whatever",
        expect![[r#"
        0 entries in 0 parts
        error: what begins at byte 0 is nothing that the kernel unpacks
        because: it begins with 04 22 4d 18 77 68
        hint: these are lz4's newer frames; `lz4 -l` makes the kernel's"#]],
    );
    said(
        &[&whole[..], b"\0\0junk"].concat(),
        expect![[r#"
        part 1: cpio at byte 0, 252 bytes, 1 entry
          -rwxr-xr-x    0    0          9 2023-11-14 22:13:20 init
        1 entry in 1 part
        error: what begins at byte 254 is nothing that the kernel unpacks
        because: it begins with 6a 75 6e 6b"#]],
    );
    said(
        &[&whole[..], b"\0", &whole].concat(),
        expect![[r#"
        part 1: cpio at byte 0, 252 bytes, 1 entry
          -rwxr-xr-x    0    0          9 2023-11-14 22:13:20 init
        1 entry in 1 part
        error: the archive at byte 253 is not read by the kernel
        because: it does not begin at a multiple of four bytes"#]],
    );
    said(
        &zstd::bulk::compress(b"no archive", 3).unwrap(),
        expect![[r#"
        0 entries in 0 parts
        error: part 1 (zstd, from byte 0) is no initrd to the kernel
        because: at byte 0 of what is packed in it no entry begins"#]],
    );
    said(
        format!("070707{}", "0".repeat(104)).as_bytes(),
        expect![[r#"
        0 entries in 0 parts
        error: part 1 (cpio, from byte 0) is no initrd to the kernel
        because: at its byte 0 stands a header of cpio's old form, which the kernel does not read (`cpio -H newc` makes the right one)"#]],
    );
    let mut wrong = whole.clone();
    wrong[20] = b'x';
    said(
        &wrong,
        expect![[r#"
        0 entries in 0 parts
        error: part 1 (cpio, from byte 0) is no initrd to the kernel
        because: at its byte 0 stands a field that is no number in a cpio header"#]],
    );
}

fn liblzma_with_crc64(plain: &[u8]) -> Vec<u8> {
    use std::io::Read as _;
    let mut packed = Vec::new();
    liblzma::read::XzEncoder::new(plain, 1).read_to_end(&mut packed).unwrap();
    packed
}

/// Four gigabytes of zeros in a few kilobytes are refused before they fill anything.
#[test]
fn a_bomb_is_refused() {
    let zeros = archive(&[entry("zeros", 0o100644, &vec![0; 1 << 20])]);
    for packed in [
        zstd::bulk::compress(&zeros, 3).unwrap(),
        liblzma_with_crc64(&zeros),
        [&b"\x1f\x8b"[..], &gzip(&zeros)[2..]].concat(),
    ] {
        struct Nothing;
        impl walk::Visit for Nothing {
            fn entry(&mut self, _: walk::Raw<'_>, _: &mut dyn std::io::Read) -> Result<()> {
                Ok(())
            }
        }
        let failure = walk::walk(&packed, 1 << 19, &mut Nothing).unwrap_err();
        let report = failure.report().replace("zstd", "KIND").replace("xz", "KIND").replace("gzip", "KIND");
        expect![[r#"
            error: part 1 (KIND, from byte 0) is too large
            because: more than 512 KiB are packed in it
            hint: an initrd must fit into a box's memory; this one is damaged, or made to fill disks"#]]
        .assert_eq(&report);
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Read as _;
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(plain, flate2::Compression::new(6)).read_to_end(&mut packed).unwrap();
    packed
}

/// Dates of archives are before and after leap days, and at both ends of what 32 bits hold.
#[test]
fn times_are_those_of_the_calendar() {
    for (seconds, text) in [
        (0, "1970-01-01 00:00:00"),
        (951_782_399, "2000-02-28 23:59:59"),
        (951_868_800, "2000-03-01 00:00:00"),
        (1_764_096_809, "2025-11-25 18:53:29"),
        (u32::MAX, "2106-02-07 06:28:15"),
    ] {
        assert_eq!(time_text(seconds), text);
    }
}

proptest::proptest! {
    /// An initrd is a file from anywhere.
    #[test]
    fn any_bytes_are_listed_or_refused(
        mut bytes: Vec<u8>, magic in 0usize..9, at in 0usize..700, with: [u8; 8],
    ) {
        let magics: [&[u8]; 9] = [
            b"", b"070701", b"\x1f\x8b\x08\0", b"BZh9", b"\x5d\0\0\x80\0", b"\xfd7zXZ\0", b"\x89LZO\0\r\n\x1a\n",
            b"\x02\x21\x4c\x18", b"\x28\xb5\x2f\xfd",
        ];
        bytes.splice(0..0, magics[magic].iter().copied());
        let _ = Catalog::read(&bytes, |_| true);
        let mut whole = main_archive();
        let at = at.min(whole.len() - 8);
        whole[at..at + 8].copy_from_slice(&with);
        let _ = Catalog::read(&whole, |_| true);
        let packed = zstd::bulk::compress(&whole, 1).unwrap();
        let _ = Catalog::read(&packed[..at.min(packed.len())], |_| true);
    }
}
