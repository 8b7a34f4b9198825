//! Whole installations on loop devices: real partitions, real file systems, a real server, every byte read back.

use super::*;
use crate::controller::download::tests::{Fault as ServerFault, serve};
use crate::controller::witness::tests::Collector;
use ledger::{digest_of, hex};
use linux::process::Child;
use linux::tools::Tool;
use model::api::{Job, JobAppliance, JobImage, User};
use model::hardware::Inventory;
use model::line::Confirm;
use model::plan::{LoaderTarget, PlannedContent};
use model::storage::{
    Content, DiskLayout, DiskMatch, Erase, Filesystem, FilesystemWish, Partition, Size, Stack, Subvolume,
    Table,
};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

mod raw;

const LOSETUP: Tool = Tool { name: "losetup", package: "mount", reason: "the tests" };

pub(super) fn needs_root() -> bool {
    let skipped = std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none();
    if skipped {
        eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root)");
    }
    skipped
}

/// A sparse file as a disk, let go when dropped.
pub(super) struct LoopDisk {
    /// What stands behind it.
    pub(super) file: tempfile::NamedTempFile,
    pub(super) name: String,
}

impl LoopDisk {
    pub(super) fn of(size_bytes: u64, sector_bytes: u32) -> LoopDisk {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(size_bytes).unwrap();
        let sector = sector_bytes.to_string();
        let said =
            Child::of(LOSETUP).args(["--find", "--show", "-b", &sector]).arg(file.path()).run().unwrap();
        let name = String::from_utf8(said).unwrap().trim().trim_start_matches("/dev/").to_owned();
        LoopDisk { file, name }
    }

    fn first_sectors(&self) -> Vec<u8> {
        use std::io::Read as _;
        let mut bytes = vec![0; 512];
        std::fs::File::open(format!("/dev/{}", self.name)).unwrap().read_exact(&mut bytes).unwrap();
        bytes
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        let device = linux::block::BlockDevice::open(Path::new(&format!("/dev/{}", self.name)));
        let _ = device.and_then(|device| device.show_partitions(&[]));
        let _ = Child::of(LOSETUP).args(["-d", &format!("/dev/{}", self.name)]).run();
    }
}

/// A small root as a tar archive: everything that an archive can hold and a root has.
fn small_root(big_bytes: usize) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |kind: EntryType, path: &str, mode: u32, owner: u64, link: &str, contents: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(1_700_000_000);
        header.set_size(contents.len() as u64);
        if link.is_empty() {
            archive.append_data(&mut header, path, contents).unwrap();
        } else {
            archive.append_link(&mut header, path, link).unwrap();
        }
    };
    use tar::EntryType;
    add(EntryType::Directory, "./", 0o755, 0, "", b"");
    for folder in ["etc", "etc/skel", "usr", "usr/bin", "usr/lib", "root", "tmp"] {
        let mode = if folder == "tmp" { 0o1777 } else { 0o755 };
        add(EntryType::Directory, folder, mode, 0, "", b"");
    }
    add(EntryType::Symlink, "bin", 0o777, 0, "usr/bin", b"");
    add(EntryType::Regular, "bin/bash", 0o755, 0, "", b"#!shell");
    add(EntryType::Regular, "usr/bin/passwd", 0o4755, 0, "", b"set-id program");
    add(EntryType::Link, "usr/bin/passwd2", 0o4755, 0, "usr/bin/passwd", b"");
    add(EntryType::Regular, "etc/passwd", 0o644, 0, "", b"root:x:0:0:root:/root:/bin/bash\n");
    add(EntryType::Regular, "etc/shadow", 0o640, 0, "", b"root:*:19000:0:99999:7:::\n");
    add(EntryType::Regular, "etc/group", 0o644, 0, "", b"root:x:0:\nsudo:x:27:\nshadow:x:42:\n");
    add(EntryType::Regular, "etc/skel/.profile", 0o644, 0, "", b"# profile\n");
    add(EntryType::Symlink, "etc/hostname", 0o777, 0, "/run/bootworks-test-hostname", b"");
    add(EntryType::Regular, "usr/lib/big", 0o644, 1000, "", &noise(big_bytes));
    archive.into_inner().unwrap()
}

/// Bytes that do not compress.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    (0..count).map(|_| next()).collect()
}

struct Rig {
    disk: LoopDisk,
    target: tempfile::TempDir,
    collector: Collector,
    plan: Plan,
}

impl Rig {
    /// A plan for a loop device, as a BIOS box would get it, but without GRUB, which the small root has not.
    fn of(disk: LoopDisk, served: &[u8], root: Size) -> Rig {
        Rig::with(disk, served, root, |_| {})
    }

    /// The same with another layout.
    fn with(disk: LoopDisk, served: &[u8], root: Size, change: impl FnOnce(&mut DiskLayout)) -> Rig {
        let (bytes, sha256) = (served.len() as u64, hex(&digest_of(served)));
        let image =
            JobImage { sha256, bytes, unpacked_bytes: 0, content: ImageContent::Archive, signature: None };
        Rig::of_image(disk, image, root, change)
    }

    /// The same with another kind of image.
    fn of_image(disk: LoopDisk, image: JobImage, root: Size, change: impl FnOnce(&mut DiskLayout)) -> Rig {
        let found = linux::inventory::disk(Path::new("/"), &disk.name).unwrap();
        // BIOS cannot boot from large sectors, so that box is a UEFI one.
        let large = found.sector_bytes != 512;
        let firmware = if large { "uefi" } else { "bios" };
        let inventory = Inventory { firmware: firmware.into(), disks: vec![found], ..Inventory::default() };
        let partition = |size, kind, mount: Option<&str>| {
            let mount = mount.map(str::to_owned);
            let wish = FilesystemWish { kind, mount, label: None, subvolumes: Vec::new() };
            Partition { size, content: Content::Filesystem(wish), preserve: false }
        };
        let mut partitions = vec![
            partition(root, Filesystem::Ext4, Some("/")),
            partition(Size::Bytes(16 << 20), Filesystem::Swap, None),
            partition(Size::Bytes(32 << 20), Filesystem::Ext4, Some("/var/log")),
        ];
        if large {
            partitions.push(partition(Size::Bytes(300 << 20), Filesystem::Vfat, Some("/boot/efi")));
        }
        let matching = DiskMatch::default();
        let mut layout = DiskLayout { matching, table: Table::Gpt, erase: None, partitions };
        change(&mut layout);
        let user = User {
            name: "admin".into(),
            password: Some("{{ answer.password }}".into()),
            groups: vec!["sudo".into()],
        };
        let appliance = JobAppliance {
            image,
            confirm: Confirm::Auto,
            finish: Finish::PowerOff,
            disks: vec![layout],
            stack: Stack::default(),
            hostname: "edge-0001".into(),
            users: vec![user],
            files: Vec::new(),
            debs: Vec::new(),
            scripts: Vec::new(),
            kernel_arguments: String::new(),
        };
        let job = Job {
            line: "test".into(),
            questions: Vec::new(),
            rules: Vec::new(),
            answers: Default::default(),
            burn_in: Vec::new(),
            appliance,
            live: String::new(),
            lock: String::new(),
        };
        let answers = [("password".to_owned(), "$6$salt$hash".to_owned())].into();
        let mut bits = 1;
        let mut random = || {
            bits = u128::wrapping_mul(bits, 0x2545_f491_4f6c_dd1d_9e37_79b9_7f4a_7c15);
            bits
        };
        let mut plan = model::plan::plan(&job, &inventory, &answers, &mut random).unwrap();
        plan.steps.retain(|step| {
            let needs_grub = |one: &LoaderTarget| !matches!(one, LoaderTarget::Image { .. });
            match step {
                Step::Initramfs { .. } | Step::StageLoaders { .. } => false,
                Step::Seal { targets, .. } => !targets.iter().any(needs_grub),
                _ => true,
            }
        });
        // The kernel of a machine that builds may not know FAT; making the file system needs no kernel.
        let filesystems = plan.disks[0].partitions.iter_mut().filter_map(|one| match &mut one.content {
            PlannedContent::Filesystem(filesystem) => Some(filesystem),
            PlannedContent::BiosBoot | PlannedContent::Member(_) | PlannedContent::Brought(_) => None,
        });
        for esp in filesystems.filter(|filesystem| filesystem.kind == Filesystem::Vfat) {
            esp.mount = None;
        }
        Rig { disk, target: tempfile::tempdir().unwrap(), collector: Collector::default(), plan }
    }

    fn install(&self, served: Vec<u8>, fault: ServerFault) -> Result<Done, Stopped> {
        let server = serve(served, fault);
        let target = self.target.path().to_owned();
        let mut installation = Installation::of(&self.plan, server, target, &self.collector);
        installation.run(&mut |_, _| Ok(())).map(|()| installation.done)
    }

    /// Looks at the finished root.
    fn look<T>(&self, at: impl FnOnce(&Path) -> T) -> T {
        let mounted = Mounted::mount(&self.plan, self.target.path(), |_| Some(Access::Read)).unwrap();
        let seen = at(self.target.path());
        mounted.unmount().unwrap();
        seen
    }
}

/// Before the seal a BIOS finds nothing but the word to go on to its next boot device.
#[track_caller]
fn assert_boots_nothing(sector: &[u8]) {
    let code = sector[..440].strip_prefix(disk::GO_ON).unwrap();
    assert!(code.iter().all(|byte| *byte == 0), "boot code before the seal");
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).unwrap()
}

/// The main job: everything that was promised is on the disk, with the owners and modes it should have.
#[test]
fn system_an_image_is_installed_and_read_back() {
    if needs_root() {
        return;
    }
    for sector_bytes in [512, 4096] {
        let served = zstd(&small_root(3_000_000));
        let rig = Rig::of(LoopDisk::of(640 << 20, sector_bytes), &served, Size::Rest);
        let done = rig.install(served, ServerFault::CutEvery(1_000_000)).unwrap();
        assert_eq!(done.read_back.files, 13, "{done:?}");
        rig.look(|root| {
            let stat = |path: &str| std::fs::symlink_metadata(root.join(path)).unwrap();
            assert_eq!(std::fs::read(root.join("usr/lib/big")).unwrap(), noise(3_000_000));
            assert_eq!((stat("usr/lib/big").uid(), stat("usr/lib/big").mtime()), (1000, 1_700_000_000));
            assert_eq!((stat("usr/bin/passwd").mode() & 0o7777, stat("usr/bin/passwd").nlink()), (0o4755, 2));
            assert_eq!((stat("tmp").mode() & 0o7777, stat("usr/lib").mtime()), (0o1777, 1_700_000_000));
            assert_eq!(std::fs::read_to_string(root.join("etc/hostname")).unwrap(), "edge-0001\n");
            assert!(
                std::fs::read_to_string(root.join("etc/shadow")).unwrap().contains("admin:$6$salt$hash:")
            );
            assert_eq!((stat("etc/shadow").gid(), stat("etc/shadow").mode() & 0o777), (42, 0o640));
            assert_eq!((stat("home/admin/.profile").uid(), stat("home/admin").mode() & 0o777), (1000, 0o700));
            let fstab = std::fs::read_to_string(root.join("etc/fstab")).unwrap();
            assert_eq!(fstab.matches("UUID=").count(), if sector_bytes == 512 { 3 } else { 4 }, "{fstab}");
        });
        assert!(!Path::new("/run/bootworks-test-hostname").exists(), "a link of the image led out of it");
        let node =
            |number: u32| std::fs::File::open(disk::partition_node(&rig.plan.disks[0].disk, number)).unwrap();
        let swap = rig.plan.disks[0].partitions.iter().find(|p| p.name == "swap").unwrap().number;
        assert_eq!(linux::signature::of_content(&mut node(swap), 16 << 20), ["swap"]);
        assert_boots_nothing(&rig.disk.first_sectors());
        let table = linux::signature::of_table(
            &mut std::fs::File::open(format!("/dev/{}", rig.disk.name)).unwrap(),
            sector_bytes,
        );
        assert_eq!(table.as_deref(), Some("GPT with 4 partitions"));
        let events = rig.collector.events.lock().unwrap();
        let rungs: Vec<Rung> = events.iter().filter_map(Event::rung).collect();
        let wanted =
            [Rung::DisksLaidOut, Rung::ImageWritten, Rung::Verified, Rung::RecordSealed, Rung::PoweredOff];
        assert_eq!(rungs, wanted);
        // A second run starts over on what the first left.
        drop(events);
        rig.install(zstd(&small_root(3_000_000)), ServerFault::None).unwrap();
    }
}

/// A plain archive is taken too, and a damaged one is refused with both digests; the disk boots nothing.
#[test]
fn system_a_corrupt_image_is_refused() {
    if needs_root() {
        return;
    }
    let plain = small_root(500_000);
    for (served, at) in [(plain.clone(), 300_000), (zstd(&plain), 200_000)] {
        let rig = Rig::of(LoopDisk::of(256 << 20, 512), &served, Size::Rest);
        let mut damaged = served.clone();
        damaged[at] ^= 1;
        let stopped = rig.install(damaged, ServerFault::None).unwrap_err();
        assert_eq!(stopped.trouble.cause, "image-corrupt");
        let evidence = stopped.trouble.evidence.join("\n");
        assert!(evidence.contains(&hex(&digest_of(&served))), "{evidence}");
        assert!(evidence.ends_with("the disk was cleared and boots nothing"), "{evidence}");
        assert_boots_nothing(&rig.disk.first_sectors());
        let events = rig.collector.events.lock().unwrap();
        assert!(!events.iter().any(|event| event.rung() == Some(Rung::ImageWritten)));
        drop(events);
        rig.install(served, ServerFault::None).unwrap();
    }
}

/// A root that is too small for what the image really holds is a full disk, not a corrupt image.
#[test]
fn system_a_full_disk_is_named() {
    if needs_root() {
        return;
    }
    let served = zstd(&small_root(40_000_000));
    let rig = Rig::of(LoopDisk::of(256 << 20, 512), &served, Size::Bytes(20 << 20));
    let stopped = rig.install(served, ServerFault::None).unwrap_err();
    assert_eq!(stopped.trouble.cause, "image-no-space", "{:?}", stopped.trouble);
    assert!(stopped.trouble.evidence[0].contains("No space left on device"), "{:?}", stopped.trouble);
}

/// Between plan and first write somebody may have swapped the disk: the wrong one must stay as it is.
#[test]
fn system_another_disk_is_not_touched() {
    if needs_root() {
        return;
    }
    let served = zstd(&small_root(10));
    let mut rig = Rig::of(LoopDisk::of(256 << 20, 512), &served, Size::Rest);
    std::fs::write(format!("/dev/{}", rig.disk.name), b"precious").unwrap();
    rig.plan.disks[0].disk.serial = "another".into();
    let stopped = rig.install(served, ServerFault::None).unwrap_err();
    assert_eq!(stopped.trouble.cause, "disk-wrong-selected");
    assert!(rig.disk.first_sectors().starts_with(b"precious"));
}

/// What the disk does not give back as written is found, and named by its path.
#[test]
fn system_a_lying_disk_is_found() {
    if needs_root() {
        return;
    }
    let served = zstd(&small_root(100_000));
    let rig = Rig::of(LoopDisk::of(256 << 20, 512), &served, Size::Rest);
    rig.install(served, ServerFault::None).unwrap();
    let mut ledger = Ledger::default();
    ledger.keep(Path::new("/usr/lib/big"), digest_of(b"what was meant"));
    ledger.keep(Path::new("/usr/lib/gone"), digest_of(b""));
    let meter = Meter::start(&rig.collector, 1, 1);
    let fault = rig.look(|root| readback::read_back(root, &ledger, &meter).unwrap_err());
    let report = fault.failure.report();
    assert!(report.contains("2 of 2 files are not on the disk as written"), "{report}");
    assert!(report.contains("/usr/lib/big: other bytes than were written"), "{report}");
    assert!(report.contains("/usr/lib/gone: No such file"), "{report}");
}

/// The other file systems and the old table: what was written is there under the UUIDs of the plan.
#[test]
fn system_other_file_systems_and_the_old_table() {
    if needs_root() {
        return;
    }
    let served = zstd(&small_root(100_000));
    let rig = Rig::with(LoopDisk::of(1536 << 20, 512), &served, Size::Bytes(512 << 20), |layout| {
        layout.table = Table::Mbr;
        layout.erase = Some(Erase::Zero);
        let kinds = [Filesystem::Xfs, Filesystem::Swap, Filesystem::Btrfs];
        for (partition, kind) in layout.partitions.iter_mut().zip(kinds) {
            if let Content::Filesystem(wish) = &mut partition.content {
                wish.kind = kind;
                wish.label = Some(format!("{}-label", kind.name()));
            }
        }
        let btrfs = &mut layout.partitions[2];
        btrfs.size = Size::Rest;
        if let Content::Filesystem(wish) = &mut btrfs.content {
            wish.mount = None;
            wish.subvolumes = [("@log", "/var/log"), ("@home", "/home")]
                .map(|(name, mount)| Subvolume { name: name.into(), mount: mount.into() })
                .into();
        }
    });
    rig.install(served, ServerFault::None).unwrap();
    rig.look(|root| {
        assert_eq!(std::fs::read(root.join("usr/lib/big")).unwrap(), noise(100_000));
        // The image has no /home: it is made for the mount, and the user's home is on the subvolume.
        assert!(root.join("home/admin/.profile").exists());
    });
    let found = linux::inventory::disk(Path::new("/"), &rig.disk.name).unwrap();
    let kinds: Vec<&str> = found.partitions.iter().map(|one| one.filesystem.as_str()).collect();
    assert_eq!(kinds, ["xfs", "", "btrfs"], "{found:?}");
    let planned: Vec<String> = rig.plan.mounts().into_iter().map(|mount| mount.uuid).collect();
    assert!(planned.contains(&found.partitions[0].uuid) && planned.contains(&found.partitions[2].uuid));
    assert_boots_nothing(&rig.disk.first_sectors());
}

/// A box that is installed a second time keeps its data bit for bit, also when the power went in the middle.
#[test]
fn system_data_stays_over_a_reinstallation() {
    if needs_root() {
        return;
    }
    let served = zstd(&small_root(100_000));
    let preserve = |layout: &mut DiskLayout| layout.partitions[2].preserve = true;
    let set_up = |disk| Rig::with(disk, &served, Size::Bytes(128 << 20), preserve);
    let first = set_up(LoopDisk::of(256 << 20, 512));
    first.plan.steps.iter().for_each(|step| assert!(!matches!(step, Step::Remember)));
    first.install(served.clone(), ServerFault::None).unwrap();
    let node = format!("/dev/{}p4", first.disk.name);
    let write = |at: u64, bytes: &[u8]| {
        let device = linux::block::BlockDevice::open(Path::new(&node)).unwrap();
        device.write_at(at, bytes).unwrap();
    };
    write(20 << 20, b"precious");
    let before = std::fs::read(&node).unwrap();
    let uuid = |rig: &Rig| rig.plan.mounts().into_iter().find(|one| one.path == "/var/log").unwrap().uuid;
    let wanted = uuid(&first);
    let Rig { disk, .. } = first;
    let second = set_up(disk);
    assert_eq!(uuid(&second), wanted, "the plan keeps what is there");
    assert!(second.plan.text().contains("STAYS: ext4 at /var/log"), "{}", second.plan.text());
    // The power goes when the disk was cleared, before its table is written again.
    for step in &second.plan.steps {
        if let Step::Clear { disk } = step {
            disk::clear(&second.plan.disks[*disk]).unwrap();
        }
    }
    assert_boots_nothing(&second.disk.first_sectors());
    let Rig { disk, .. } = second;
    let third = set_up(disk);
    assert_eq!(uuid(&third), wanted, "what stays is found after the power went");
    let done = third.install(served.clone(), ServerFault::None).unwrap();
    assert!(std::fs::read(&node).unwrap() == before, "a byte of what stays is another");
    let said = done.remarks.join("\n");
    assert!(said.contains("p4 is unchanged: all of its 32 MiB compared"), "{said}");
}

/// The comparison is one that can fail.
#[test]
fn system_a_change_of_what_stays_is_found() {
    if needs_root() {
        return;
    }
    let served = zstd(&small_root(10));
    let preserve = |layout: &mut DiskLayout| layout.partitions[2].preserve = true;
    let set_up = |disk| Rig::with(disk, &served, Size::Bytes(128 << 20), preserve);
    let first = set_up(LoopDisk::of(256 << 20, 512));
    first.install(served.clone(), ServerFault::None).unwrap();
    let Rig { disk, .. } = first;
    let second = set_up(disk);
    let meter = Meter::start(&second.collector, 1, 1);
    let kept = kept::Kept::remember(&second.plan, &meter).unwrap();
    let node = format!("/dev/{}p4", second.disk.name);
    linux::block::BlockDevice::open(Path::new(&node)).unwrap().write_at(5 << 20, b"x").unwrap();
    let fault = kept.compare(&second.plan, &meter).unwrap_err();
    assert!(fault.failure.report().contains("was to stay as it is, and is not"), "{:?}", fault.failure);
}

/// A box that was a member of somebody's arrays and volumes must not be one afterwards.
#[test]
fn system_old_superblocks_in_the_middle_of_a_disk_are_gone() {
    if needs_root() {
        return;
    }
    let served = zstd(&small_root(10));
    let rig = Rig::of(LoopDisk::of(256 << 20, 512), &served, Size::Rest);
    rig.install(served.clone(), ServerFault::None).unwrap();
    let node = format!("/dev/{}p2", rig.disk.name);
    let extent = linux::block::BlockDevice::open(Path::new(&node)).unwrap().size_bytes();
    let md = extent - 8192;
    linux::block::BlockDevice::open(Path::new(&node)).unwrap().write_at(md, b"\xfc\x4e\x2b\xa9").unwrap();
    let start = rig.plan.disks[0].partitions[1].first_lba * 512;
    disk::clear(&rig.plan.disks[0]).unwrap();
    let device = linux::block::BlockDevice::open(Path::new(&format!("/dev/{}", rig.disk.name))).unwrap();
    assert_eq!(device.read_at(start + md, 4).unwrap(), [0; 4]);
}
