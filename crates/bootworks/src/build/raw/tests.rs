//! Disks and file systems as other programs make them, recognised.

use super::*;
use linux::process::Child;
use linux::tools::Tool;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

const SFDISK: Tool = Tool { name: "sfdisk", package: "fdisk", reason: "the tests" };
const MKE2FS: Tool = Tool { name: "mke2fs", package: "e2fsprogs", reason: "the tests" };

/// A disk of 64 MiB with a table by sfdisk and an ext4 in its second partition.
fn disk(table: &str) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(64 << 20).unwrap();
    Child::of(SFDISK).arg("-q").arg(file.path()).input(table).run().unwrap();
    let uuid = "11111111-2222-4333-8444-555555555555";
    let offset = format!("offset={}", 16 << 20);
    Child::of(MKE2FS)
        .args(["-q", "-t", "ext4", "-U", uuid, "-L", "cloudimg", "-E", &offset])
        .arg(file.path())
        .arg("40M")
        .run()
        .unwrap();
    std::fs::read(file.path()).unwrap()
}

const GPT: &str = "label: gpt\nlabel-id: 0A0B0C0D-0102-4304-8506-0708090A0B0C\n\
    start=2048, size=16384, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=5C68777E-191D-4443-A605-6B49FAB5A5F5, name=ESP\n\
    start=32768, size=81920, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=1D6F35AD-2631-4B46-9210-FB917633319E, name=system, attrs=\"LegacyBIOSBootable\"\n";
const MBR: &str =
    "label: dos\nlabel-id: 0x01020304\nstart=2048, size=16384, type=ef\nstart=32768, size=81920, type=83\n";

fn read_all(image: &[u8], root: Option<u32>) -> Result<ImageContent, Flaw> {
    let (head, mut rest) = image.split_at(image.len().min(2 << 20));
    read(kind(head).unwrap(), head.to_vec(), &mut rest, root).map(|(content, bytes)| {
        assert_eq!(bytes, image.len() as u64);
        content
    })
}

/// What the plan writes into the table of a box is this, number by number.
#[test]
fn system_a_disk_is_read_as_its_maker_wrote_it() {
    if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
        eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (sfdisk, mke2fs)");
        return;
    }
    let ImageContent::Disk(gpt) = read_all(&disk(GPT), None).unwrap() else { panic!() };
    expect_test::expect![[r#"
        RawDisk {
            bytes: 67108864,
            sector_bytes: 512,
            table: Gpt,
            guid: 0a0b0c0d-0102-4304-8506-0708090a0b0c,
            has_boot_code: false,
            partitions: [
                RawPartition {
                    number: 1,
                    first_lba: 2048,
                    last_lba: 18431,
                    type_guid: c12a7328-f81f-11d2-ba4b-00a0c93ec93b,
                    guid: 5c68777e-191d-4443-a605-6b49fab5a5f5,
                    attributes: 0,
                    name: "ESP",
                    filesystem: None,
                    holds: "",
                },
                RawPartition {
                    number: 2,
                    first_lba: 32768,
                    last_lba: 114687,
                    type_guid: 0fc63daf-8483-4772-8e79-3d69d8477de4,
                    guid: 1d6f35ad-2631-4b46-9210-fb917633319e,
                    attributes: 4,
                    name: "system",
                    filesystem: Some(
                        RawFilesystem {
                            kind: Ext4,
                            uuid: "11111111-2222-4333-8444-555555555555",
                            label: "cloudimg",
                            bytes: 41943040,
                        },
                    ),
                    holds: "ext file system `cloudimg`",
                },
            ],
            root: Some(
                2,
            ),
        }"#]]
    .assert_eq(&format!("{gpt:#?}"));
    let ImageContent::Disk(mbr) = read_all(&disk(MBR), None).unwrap() else { panic!() };
    assert_eq!(
        (mbr.table, mbr.root, mbr.guid.gpt_bytes()[..4].to_vec()),
        (Table::Mbr, Some(2), vec![4, 3, 2, 1])
    );
    assert_eq!(mbr.partitions[0].type_guid, TYPE_ESP);
    assert!(!mbr.has_boot_code && gpt.guid != mbr.guid);
}

/// An image that is half there, or a number that is none, is found before a box is.
#[test]
fn system_a_disk_that_is_not_whole_is_refused() {
    if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
        eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (sfdisk, mke2fs)");
        return;
    }
    let gpt = disk(GPT);
    let refusal = |image: &[u8], root: Option<u32>| match read_all(image, root) {
        Err(Flaw::Unfit(failure)) => failure.report(),
        other => panic!("{other:?}"),
    };
    expect_test::expect![[r#"
        error: the image is cut off
        because: its last partition ends at byte 58720256, the image at 41943040"#]]
    .assert_eq(&refusal(&gpt[..40 << 20], None));
    expect_test::expect![[r#"
        error: partition 1 of the image has no file system for a root
        because: partition 1: nothing that is known
        because: partition 2: ext file system `cloudimg`
        hint: change `root` in the line's `image`"#]]
    .assert_eq(&refusal(&gpt, Some(1)));
    let extended = "label: dos\nstart=2048, size=16384, type=5\nstart=32768, size=81920, type=83\n";
    expect_test::expect![[r#"
        error: the image's partition table is none that a box can get
        because: partition 1 is an extended one, with others in it
        hint: make the image with a GPT, or with up to four primary partitions"#]]
    .assert_eq(&refusal(&disk(extended), None));
}

/// A file system is told by its superblock, also on what once was a disk; a FAT is no root.
#[test]
fn system_a_file_system_is_told_from_a_disk() {
    if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
        eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (sfdisk, mke2fs)");
        return;
    }
    let mut image = vec![0; 8 << 20];
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    image[450] = 0x83;
    image[458] = 1;
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().write_all(&image).unwrap();
    Child::of(MKE2FS).args(["-q", "-F", "-t", "ext4"]).arg(file.path()).run().unwrap();
    // mke2fs clears the sector, other makers do not.
    file.as_file().write_all_at(&image[440..512], 440).unwrap();
    let image = std::fs::read(file.path()).unwrap();
    let ImageContent::Filesystem(ext4) = read_all(&image, None).unwrap() else { panic!() };
    assert_eq!((ext4.kind, ext4.bytes), (Filesystem::Ext4, 8 << 20));
    assert!(kind(&[0; 4096]).is_none() && kind(b"").is_none());
}

proptest::proptest! {
    /// Whatever stands there: an answer, and no memory by what it says of itself.
    #[test]
    fn anything_can_stand_there(spots in proptest::collection::vec((0..70_000_usize, proptest::num::u8::ANY), 0..40)) {
        let mut image = vec![0; 70_000];
        image[510..512].copy_from_slice(&[0x55, 0xaa]);
        image[450] = 0x83;
        image[454] = 1;
        image[458] = 9;
        for (at, octet) in spots {
            image[at] = octet;
        }
        if let Some(kind) = kind(&image) {
            let _ = read(kind, image, &mut io::empty(), None);
        }
    }
}
