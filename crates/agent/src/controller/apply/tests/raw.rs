//! Images of whole disks and of file systems, onto larger disks.

use super::*;
use linux::partitions::{self, EntryKind, FoundTable};
use linux::signature;
use model::plan::Uuid;
use model::raw::{ImageSignature, RawDisk, RawFilesystem, RawPartition};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

const MINISIGN: Tool = Tool { name: "minisign", package: "minisign", reason: "the tests" };
const SFDISK: Tool = Tool { name: "sfdisk", package: "fdisk", reason: "the tests" };
const SGDISK: Tool = Tool { name: "sgdisk", package: "gdisk", reason: "the tests" };
const MKE2FS: Tool = Tool { name: "mke2fs", package: "e2fsprogs", reason: "the tests" };
const E2FSCK: Tool = Tool { name: "e2fsck", package: "e2fsprogs", reason: "the tests" };
const MKFS_XFS: Tool = Tool { name: "mkfs.xfs", package: "xfsprogs", reason: "the tests" };
const XFS_REPAIR: Tool = Tool { name: "xfs_repair", package: "xfsprogs", reason: "the tests" };
const MKFS_BTRFS: Tool = Tool { name: "mkfs.btrfs", package: "btrfs-progs", reason: "the tests" };
const BTRFS: Tool = Tool { name: "btrfs", package: "btrfs-progs", reason: "the tests" };
const MOUNT: Tool = Tool { name: "mount", package: "mount", reason: "the tests" };
const UMOUNT: Tool = Tool { name: "umount", package: "mount", reason: "the tests" };
const COPY: Tool = Tool { name: "cp", package: "coreutils", reason: "the tests" };

const SECTOR: u64 = 512;
const ROOT_START: u64 = 24 << 20;

/// A root for `mke2fs -d`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in ["etc/skel", "usr/lib", "home"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    std::fs::write(root.join("etc/group"), "root:x:0:\nsudo:x:27:\nshadow:x:42:\n").unwrap();
    std::fs::write(root.join("etc/fstab"), "# the image's own\n").unwrap();
    std::fs::write(root.join("usr/lib/big"), noise(3_000_000)).unwrap();
    folder
}

/// A file system with that root in it: as small as `mkfs.xfs` and `mkfs.btrfs` make them.
fn root_image(kind: Filesystem) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(root_bytes(kind)).unwrap();
    let (folder, node) = (folder(), file.path());
    match kind {
        Filesystem::Xfs => {
            Child::of(MKFS_XFS).args(["-q", "-f", "-L", "cloudimg"]).arg(node).run().unwrap();
            let place = tempfile::tempdir().unwrap();
            Child::of(MOUNT).args(["-o", "loop"]).args([node, place.path()]).run().unwrap();
            let copied = Child::of(COPY).arg("-a").arg(folder.path().join(".")).arg(place.path()).run();
            Child::of(UMOUNT).arg(place.path()).run().unwrap();
            copied.unwrap();
        }
        Filesystem::Btrfs => {
            let arguments = ["-q", "-L", "cloudimg", "--rootdir"];
            Child::of(MKFS_BTRFS).args(arguments).args([folder.path(), node]).run().unwrap();
        }
        _ => {
            let arguments = ["-q", "-t", "ext4", "-L", "cloudimg", "-d"];
            Child::of(MKE2FS).args(arguments).args([folder.path(), node]).run().unwrap();
        }
    }
    std::fs::read(node).unwrap()
}

fn root_bytes(kind: Filesystem) -> u64 {
    match kind {
        Filesystem::Xfs => 320 << 20,
        Filesystem::Btrfs => 128 << 20,
        _ => 70 << 20,
    }
}

/// A disk: boot code, something behind the table, an EFI system partition, a root, and two mebibytes behind it.
fn disk_image(table: Table, filesystem: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes = filesystem.len() as u64;
    file.as_file().set_len(ROOT_START + bytes + (2 << 20)).unwrap();
    let root = bytes / SECTOR;
    let text = match table {
        Table::Gpt => format!(
            "label: gpt\nstart=2048, size=32768, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=ESP\n\
            start=49152, size={root}, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name=system, \
            attrs=LegacyBIOSBootable\n"
        ),
        Table::Mbr => {
            format!(
                "label: dos\nstart=2048, size=32768, type=ef\nstart=49152, size={root}, type=83, bootable\n"
            )
        }
    };
    Child::of(SFDISK).arg("-q").arg(file.path()).input(text).run().unwrap();
    file.as_file().write_all_at(filesystem, ROOT_START).unwrap();
    file.as_file().write_all_at(b"\xebboot code", 0).unwrap();
    file.as_file().write_all_at(b"core image", 100 * SECTOR).unwrap();
    std::fs::read(file.path()).unwrap()
}

/// What the build says of such an image.
fn content_of(image: &[u8]) -> RawDisk {
    let mut cursor = std::io::Cursor::new(image);
    let FoundTable { kind, guid, entries } = partitions::table(&mut cursor, 512).unwrap();
    let partitions = entries.into_iter().map(|one| {
        let start = (one.first_lba * SECTOR) as usize;
        let bytes = (one.last_lba - one.first_lba + 1) * SECTOR;
        let identity = signature::identity(&mut std::io::Cursor::new(&image[start..]));
        RawPartition {
            number: one.number,
            first_lba: one.first_lba,
            last_lba: one.last_lba,
            type_guid: match one.kind {
                EntryKind::Guid(guid) => guid,
                EntryKind::Byte(_) => Uuid(0),
            },
            guid: one.guid,
            attributes: one.attributes,
            name: one.name,
            filesystem: identity.map(|one| RawFilesystem {
                kind: Filesystem::of_name(&one.kind).unwrap(),
                uuid: one.uuid,
                label: one.label,
                bytes,
            }),
            holds: String::new(),
        }
    });
    let (bytes, partitions) = (image.len() as u64, partitions.collect());
    RawDisk { bytes, sector_bytes: 512, table: kind, guid, has_boot_code: true, partitions, root: Some(2) }
}

fn job_image(served: &[u8], plain_bytes: u64, content: ImageContent) -> JobImage {
    let (bytes, sha256) = (served.len() as u64, hex(&digest_of(served)));
    JobImage { sha256, bytes, unpacked_bytes: plain_bytes, content, signature: None }
}

fn rig(disk: LoopDisk, image: &[u8], served: &[u8]) -> Rig {
    let content = ImageContent::Disk(content_of(image));
    let image = job_image(served, image.len() as u64, content);
    Rig::of_image(disk, image, Size::Rest, |layout| layout.partitions.clear())
}

fn read(disk: &LoopDisk, at: u64, length: usize) -> Vec<u8> {
    let mut file = std::fs::File::open(format!("/dev/{}", disk.name)).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes).unwrap();
    bytes
}

/// A cloud image on a disk of another size: until the seal it is nothing, after it all of it is there and grown.
#[test]
fn system_a_whole_disk_is_written_grown_and_sealed() {
    if needs_root() {
        return;
    }
    for table in [Table::Gpt, Table::Mbr] {
        write_grow_and_seal(table, Filesystem::Ext4, 256 << 20);
    }
}

/// The roots of other makers' images. Each grows in a way of its own.
#[test]
fn system_whole_disks_with_xfs_and_btrfs_are_grown() {
    if needs_root() {
        return;
    }
    write_grow_and_seal(Table::Gpt, Filesystem::Xfs, 800 << 20);
    write_grow_and_seal(Table::Gpt, Filesystem::Btrfs, 512 << 20);
}

fn write_grow_and_seal(table: Table, kind: Filesystem, disk_bytes: u64) {
    let image = disk_image(table, &root_image(kind));
    let served = zstd(&image);
    let disk = LoopDisk::of(disk_bytes, 512);
    // Zeros of the image must come out as zeros, whatever was there.
    let dirty = vec![0xa5; 64 << 20];
    linux::block::BlockDevice::open(Path::new(&format!("/dev/{}", disk.name)))
        .unwrap()
        .write_at(0, &dirty)
        .unwrap();
    let mut rig = rig(disk, &image, &served);
    let seal = rig.plan.steps.iter().position(|step| matches!(step, Step::Seal { .. })).unwrap();
    let rest = rig.plan.steps.split_off(seal);
    rig.install(served.clone(), ServerFault::CutEvery(700_000)).unwrap();
    assert!(rig.disk.first_sectors() == [0; 512], "a first sector before the seal");
    let mut device = std::fs::File::open(format!("/dev/{}", rig.disk.name)).unwrap();
    assert_eq!(signature::of_table(&mut device, 512), None, "a table before the seal");
    rig.plan.steps.extend(rest);
    let done = rig.install(served, ServerFault::None).unwrap();
    assert!(done.read_back.bytes > 0 && done.remarks.is_empty(), "{done:?}");
    assert!(read(&rig.disk, 0, 10) == b"\xebboot code" && read(&rig.disk, 100 * SECTOR, 10) == b"core image");
    let mut table_now = partitions::table(&mut device, 512).unwrap();
    let wanted = content_of(&image);
    let end = disk_bytes / SECTOR - if table == Table::Gpt { 33 } else { 0 };
    assert_eq!(table_now.entries[1].last_lba, end - 1, "the last partition ends where the disk does");
    table_now.entries[1].last_lba = wanted.partitions[1].last_lba;
    let of = |one: &partitions::Entry| (one.number, one.first_lba, one.last_lba, one.guid, one.attributes);
    let is = |one: &RawPartition| (one.number, one.first_lba, one.last_lba, one.guid, one.attributes);
    assert_eq!(table_now.guid, wanted.guid);
    assert!(table_now.entries.iter().map(of).eq(wanted.partitions.iter().map(is)));
    if table == Table::Gpt {
        let said = Child::of(SGDISK).arg("-v").arg(format!("/dev/{}", rig.disk.name)).run().unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains("No problems found"), "{said}");
    } else {
        assert_eq!(read(&rig.disk, 446 + 16, 1), [0x80], "the active flag stays");
    }
    rig.look(|root| {
        assert!(std::fs::read(root.join("usr/lib/big")).unwrap() == noise(3_000_000));
        assert_eq!(std::fs::read_to_string(root.join("etc/hostname")).unwrap(), "edge-0001\n");
        assert_eq!(std::fs::read_to_string(root.join("etc/fstab")).unwrap(), "# the image's own\n");
        let room = rustix::fs::statvfs(root).unwrap();
        assert!(room.f_blocks * room.f_frsize > disk_bytes / 5 * 4, "the file system is not grown");
    });
    let node = format!("/dev/{}p2", rig.disk.name);
    match kind {
        Filesystem::Xfs => Child::of(XFS_REPAIR).args(["-n", &node]).run(),
        Filesystem::Btrfs => Child::of(BTRFS).args(["check", &node]).run(),
        _ => Child::of(E2FSCK).args(["-f", "-n", &node]).run(),
    }
    .unwrap();
}

/// Nothing is mounted from the top of such a btrfs: a user whose home was made there would have none. Snapshots of a root
/// name it in their `fstab` as it does itself.
#[test]
fn system_a_root_on_a_subvolume_is_found_by_its_own_fstab() {
    if needs_root() {
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(256 << 20).unwrap();
    Child::of(MKFS_BTRFS).arg("-q").arg(file.path()).run().unwrap();
    let head = &mut std::fs::File::open(file.path()).unwrap();
    let uuid = signature::identity(head).unwrap().uuid;
    let (folder, place) = (folder(), tempfile::tempdir().unwrap());
    let fstab = format!(
        "# The image's own.\nUUID={uuid} / btrfs subvol=/@,compress=zstd 0 0\n\
        UUID={uuid} /home btrfs noatime,subvol=@home 0 0\nUUID=AAAA-BBBB /boot/efi vfat umask=0077 0 2\n"
    );
    std::fs::write(folder.path().join("etc/fstab"), &fstab).unwrap();
    Child::of(MOUNT).args(["-o", "loop"]).args([file.path(), place.path()]).run().unwrap();
    let at = |name: &str| place.path().join(name);
    let filled = ["@", "@home", "old"].iter().try_for_each(|name| {
        Child::of(BTRFS).args(["subvolume", "create"]).arg(at(name)).run()?;
        let is_root = *name != "@home";
        let copied = Child::of(COPY).arg("-a").arg(folder.path().join(".")).arg(at(name));
        if is_root { copied.run().map(drop) } else { Ok(()) }
    });
    Child::of(UMOUNT).arg(place.path()).run().unwrap();
    filled.unwrap();
    let image = disk_image(Table::Gpt, &std::fs::read(file.path()).unwrap());
    let served = zstd(&image);
    let rig = rig(LoopDisk::of(512 << 20, 512), &image, &served);
    rig.install(served, ServerFault::None).unwrap();
    let node = format!("/dev/{}p2", rig.disk.name);
    Child::of(MOUNT).args(["-o", "ro,subvolid=5", &node]).arg(place.path()).run().unwrap();
    let seen = ["@/etc/hostname", "@home/admin", "@/home/admin", "old/etc/hostname", "etc", "home"]
        .map(|name| at(name).exists());
    let fstab_now = std::fs::read_to_string(at("@/etc/fstab"));
    Child::of(UMOUNT).arg(place.path()).run().unwrap();
    assert_eq!(seen, [true, true, false, false, false, false]);
    assert_eq!(fstab_now.unwrap(), fstab);
}

/// A file system is put where the root is, keeps its UUID, is grown, and then is as any other root.
#[test]
fn system_a_file_system_becomes_the_root() {
    if needs_root() {
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let folder = folder();
    Child::of(MKE2FS)
        .args(["-q", "-t", "ext4", "-d"])
        .args([folder.path(), file.path()])
        .arg("40M")
        .run()
        .unwrap();
    let image = std::fs::read(file.path()).unwrap();
    let identity = signature::identity(&mut std::io::Cursor::new(&image)).unwrap();
    let (uuid, bytes) = (identity.uuid.clone(), image.len() as u64);
    let raw = RawFilesystem { kind: Filesystem::Ext4, uuid: identity.uuid, label: String::new(), bytes };
    let served = zstd(&image);
    let image = job_image(&served, bytes, ImageContent::Filesystem(raw));
    let rig = Rig::of_image(LoopDisk::of(256 << 20, 512), image, Size::Rest, |_| {});
    rig.install(served, ServerFault::None).unwrap();
    rig.look(|root| {
        assert!(std::fs::read(root.join("usr/lib/big")).unwrap() == noise(3_000_000));
        let fstab = std::fs::read_to_string(root.join("etc/fstab")).unwrap();
        assert!(fstab.contains(&format!("UUID={uuid} / ext4")), "{fstab}");
        let room = rustix::fs::statvfs(root).unwrap();
        assert!(room.f_blocks * room.f_frsize > 150 << 20, "the file system is not grown");
    });
    assert_boots_nothing(&rig.disk.first_sectors());
}

/// Another byte on the disk than in the image is found, and where; and a damaged image leaves a disk that boots nothing.
#[test]
fn system_a_raw_image_that_is_not_as_written_is_found() {
    if needs_root() {
        return;
    }
    let image = disk_image(Table::Gpt, &root_image(Filesystem::Ext4));
    let served = zstd(&image);
    let mut rig = rig(LoopDisk::of(256 << 20, 512), &image, &served);
    let mut damaged = served.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let stopped = rig.install(damaged, ServerFault::None).unwrap_err();
    assert_eq!(stopped.trouble.cause, "image-corrupt", "{:?}", stopped.trouble);
    assert!(rig.disk.first_sectors() == [0; 512]);
    let verify = rig.plan.steps.iter().position(|step| matches!(step, Step::Verify { .. })).unwrap();
    rig.plan.steps.truncate(verify);
    let server = serve(served, ServerFault::None);
    let target = rig.target.path().to_owned();
    let mut installation = Installation::of(&rig.plan, server, target, &rig.collector);
    installation.run(&mut |_, _| Ok(())).unwrap();
    let written = installation.written.as_ref().unwrap();
    let meter = Meter::start(&rig.collector, 1, 1);
    written.verify(&meter).unwrap();
    let node = format!("/dev/{}", rig.disk.name);
    linux::block::BlockDevice::open(Path::new(&node)).unwrap().write_at(30 << 20, b"x").unwrap();
    let fault = written.verify(&meter).unwrap_err();
    let report = fault.failure.report();
    assert!(report.contains("bytes 29360128 to 33554431 are others than were written"), "{report}");
}

/// An image that the line's key did not sign leaves a disk that boots nothing, though its digest is right.
#[test]
fn system_an_image_signed_by_another_is_refused() {
    if needs_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let served = zstd(&small_root(100_000));
    std::fs::write(at("image"), &served).unwrap();
    for name in ["maker", "other"] {
        let child = Child::of(MINISIGN).args(["-G", "-W", "-f", "-p"]).arg(at(&format!("{name}.pub")));
        child.arg("-s").arg(at(name)).run().unwrap();
    }
    let child = Child::of(MINISIGN).args(["-S", "-H", "-s"]).arg(at("maker")).arg("-x").arg(at("signature"));
    child.arg("-m").arg(at("image")).run().unwrap();
    let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    let install = |key: &str| {
        let mut image = job_image(&served, 0, ImageContent::Archive);
        image.signature = Some(ImageSignature { key: read(key), signature: read("signature") });
        let rig = Rig::of_image(LoopDisk::of(256 << 20, 512), image, Size::Rest, |_| {});
        let done = rig.install(served.clone(), ServerFault::None);
        (done, rig.disk.first_sectors())
    };
    let (done, sector) = install("other.pub");
    let trouble = done.unwrap_err().trouble;
    assert_eq!(trouble.cause, "image-checksum-mismatch");
    assert!(trouble.sentence.ends_with("the image is not signed by the line's key"), "{trouble:?}");
    assert!(trouble.evidence.last().unwrap().ends_with("boots nothing"), "{trouble:?}");
    assert_boots_nothing(&sector);
    install("maker.pub").0.unwrap();
}
