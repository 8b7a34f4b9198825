//! Goldens of plans whose disks are stacked, laid out alike, or left as they are.

use super::case::{Case, GIB, MIB, case, disk, filesystem_at, layout, partition, question};
use super::*;
use crate::hardware::FoundPartition;
use crate::question::Kind;
use crate::storage::{
    Content, DiskMatch, Group, Key, LogicalVolume, Partition, Raid, Size, Stack, Vault, VolumeKind,
};
use expect_test::{Expect, expect};

fn part_of(size: Size, name: &str) -> Partition {
    Partition { size, content: Content::PartOf(name.into()), preserve: false }
}

fn raid(name: &str, level: Level, content: Content) -> Raid {
    Raid { name: name.into(), level, content }
}

fn volume(name: &str, size: Size, kind: VolumeKind) -> LogicalVolume {
    LogicalVolume { name: name.into(), size, kind }
}

/// Disks alike: an ESP and a system on RAIDs of all of them.
fn mirrored(level: Level, count: u32) -> Case {
    case().with(|case| {
        case.inventory.disks = (0..count).map(|number| disk(&format!("nvme{number}n1"), 8 * GIB)).collect();
        let matching = DiskMatch { count: Some(count), ..DiskMatch::default() };
        let partitions = vec![part_of(Size::Bytes(512 * MIB), "esp"), part_of(Size::Rest, "system")];
        case.job.appliance.disks = vec![layout(matching, partitions)];
        let esp = raid("esp", Level::Raid1, filesystem_at(Filesystem::Vfat, "/boot/efi"));
        let system = raid("system", level, filesystem_at(Filesystem::Ext4, "/"));
        case.job.appliance.stack = Stack { raids: vec![esp, system], ..Stack::default() };
    })
}

/// Everything at once: encrypted, with plain and thin volumes.
fn encrypted() -> Case {
    case().with(|case| {
        let mut boot = partition(Size::Bytes(GIB), Filesystem::Ext4, "/boot");
        boot.preserve = false;
        let esp = partition(Size::Bytes(512 * MIB), Filesystem::Vfat, "/boot/efi");
        case.layout().partitions = vec![esp, boot, part_of(Size::Rest, "vault")];
        let key = Key::Passphrase("{{ answer.unlock }}".into());
        let vault = Vault { name: "vault".into(), key, tpm2: false, content: Content::PartOf("vg0".into()) };
        let plain = |kind, mount| VolumeKind::Plain(filesystem_at(kind, mount));
        let thin = VolumeKind::Thin { pool: "pool".into(), content: filesystem_at(Filesystem::Xfs, "/data") };
        let volumes = vec![
            volume("root", Size::Bytes(4 * GIB), plain(Filesystem::Ext4, "/")),
            volume("swap", Size::Bytes(GIB), plain(Filesystem::Swap, "")),
            volume("data", Size::Bytes(100 * GIB), thin),
            volume("pool", Size::Rest, VolumeKind::Pool),
        ];
        let groups = vec![Group { name: "vg0".into(), volumes }];
        case.job.appliance.stack = Stack { vaults: vec![vault], groups, ..Stack::default() };
        case.job.questions.push(question("unlock", Kind::Passphrase { min_length: 8 }));
        case.answers.insert("unlock".into(), "open sesame".into());
    })
}

/// A disk that was laid out by the same line before, with a file system of data that is to stay.
fn preserved(change: impl FnOnce(&mut Vec<FoundPartition>)) -> Case {
    case().with(|case| {
        let mut data = partition(Size::Rest, Filesystem::Ext4, "/data");
        data.preserve = true;
        case.layout().partitions[1].size = Size::Bytes(4 * GIB);
        case.layout().partitions.push(data);
        let found = |number, first_lba, last_lba, filesystem: &str| FoundPartition {
            number,
            first_lba,
            last_lba,
            guid: Uuid(7).to_string(),
            filesystem: filesystem.into(),
            uuid: "0f5c1f60-8dd7-4bb9-9b4a-2e44a37a9c0e".into(),
            label: "precious".into(),
            is_used: !filesystem.is_empty(),
        };
        let mut partitions = vec![
            found(1, 2048, 4095, ""),
            found(2, 4096, 1_052_671, "vfat"),
            found(3, 1_052_672, 9_441_279, "ext4"),
            found(4, 9_441_280, 16_775_167, "ext4"),
        ];
        change(&mut partitions);
        case.inventory.disks[0].partitions = partitions;
    })
}

fn settled(case: &Case, paths: &[&str], wanted: Expect) {
    let plan = case.plan().unwrap();
    let files = plan.steps.iter().find_map(|step| match step {
        Step::Settle { files, .. } => Some(files),
        _ => None,
    });
    let mut text = String::new();
    for file in files.unwrap().iter().filter(|file| paths.contains(&file.path.as_str())) {
        text.push_str(&format!("--- {}\n{}", file.path, file.contents));
    }
    wanted.assert_eq(&text);
}

/// Either disk must start the box alone: both have a boot loader, and the EFI partition's superblock is at its end.
#[test]
fn a_mirror_of_two_disks() {
    let mirrored = mirrored(Level::Raid1, 2);
    mirrored.shows(expect![[r#"
        Plan for edge-0001 of line edge-gateway
        Box: QEMU Standard PC (Q35 + ICH9, 2009), serial SN-1, boots by UEFI

        ERASED: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1
          nvme0n1 at pci-0000:00:04.0-nvme0n1, nvme, 512-byte sectors
          on it now, and lost: nothing that is known
          no  first sector   last sector        size  what
           1          2048          4095       1 MiB  BIOS boot partition
           2          4096       1052671     512 MiB  part of `esp`
           3       1052672      16775167     7.5 GiB  part of `system`

        ERASED: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme1n1
          nvme1n1 at pci-0000:00:04.0-nvme1n1, nvme, 512-byte sectors
          on it now, and lost: nothing that is known
          no  first sector   last sector        size  what
           1          2048          4095       1 MiB  BIOS boot partition
           2          4096       1052671     512 MiB  part of `esp`
           3       1052672      16775167     7.5 GiB  part of `system`

        RAID 1 `esp` of nvme0n1p2, nvme1n1p2: vfat at /boot/efi
          UUID 26C5-16E5

        RAID 1 `system` of nvme0n1p3, nvme1n1p3: ext4 at /
          UUID 8eb8d968-a0a1-438d-a0a7-37b4a7fbb410

          1. Clear nvme0n1: from here on it boots nothing
          2. Clear nvme1n1: from here on it boots nothing
          3. Write the partition table of nvme0n1
          4. Write the partition table of nvme1n1
          5. Make the RAID 1 `esp`
          6. Make `esp`: vfat at /boot/efi
          7. Make the RAID 1 `system`
          8. Make `system`: ext4 at /
          9. Unpack the image: 612 MiB, 180 MiB over the network
               sha256 abababababababababababababababababababababababababababababababab
         10. Write 7 files and 1 user
               /etc/default/grub.d/bootworks.cfg
               /etc/edge/site, mode 0600
               /etc/fstab
               /etc/hostname
               /etc/hosts
               /etc/machine-id, mode 0444
               /etc/mdadm/mdadm.conf
               user admin, with its password, in sudo
         11. Make the appliance's initramfs for this box's disks, and check it
               with mdadm
         12. Install GRUB, not startable yet, for BIOS and UEFI
         13. Read everything back from the disk and compare
         14. Seal: make it bootable by BIOS and UEFI
               EFI boot entry `edge-gateway`
         15. Send the record to the server
         16. Power off
    "#]]);
    let plan = mirrored.plan().unwrap();
    let bios = plan.steps.iter().filter_map(|step| match step {
        Step::Seal { targets, .. } => Some(targets.clone()),
        _ => None,
    });
    let efi = LoaderTarget::Efi { device: Device::Layer(0) };
    let wanted = vec![LoaderTarget::Bios { disk: 0 }, LoaderTarget::Bios { disk: 1 }, efi];
    assert_eq!(bios.collect::<Vec<_>>(), [wanted]);
    assert_eq!(plan.partitions_below(Device::Layer(0)).len(), 2);
    settled(
        &mirrored,
        &["/etc/fstab", "/etc/mdadm/mdadm.conf"],
        expect![[r#"
        --- /etc/fstab
        # Written by bootworks at installation; fields as in fstab(5).
        UUID=8eb8d968-a0a1-438d-a0a7-37b4a7fbb410 / ext4 errors=remount-ro 0 1
        UUID=26C5-16E5 /boot/efi vfat umask=0077 0 2
        --- /etc/mdadm/mdadm.conf
        # Written by bootworks at installation; see mdadm.conf(5).
        HOMEHOST <ignore>
        MAILADDR root
        ARRAY /dev/md/esp metadata=1.0 UUID=4e34912c:37124452:9f586ffe:f53ae054
        ARRAY /dev/md/system metadata=1.2 UUID=0d9ac54c:6cc349b8:8b72e161:bf15a493
    "#]],
    );
}

/// The passphrase stands nowhere; the root is opened in the initramfs, so it says what that must have.
#[test]
fn encrypted_volumes() {
    let encrypted = encrypted();
    encrypted.shows(expect![[r#"
        Plan for edge-0001 of line edge-gateway
        Box: QEMU Standard PC (Q35 + ICH9, 2009), serial SN-1, boots by UEFI

        ERASED: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1
          nvme0n1 at pci-0000:00:04.0-nvme0n1, nvme, 512-byte sectors
          on it now, and lost: GPT with 2 partitions; ext4 `old root`
          no  first sector   last sector        size  what
           1          2048          4095       1 MiB  BIOS boot partition
           2          4096       1052671     512 MiB  vfat at /boot/efi
              UUID 67F8-993B
           3       1052672       3149823       1 GiB  ext4 at /boot
              UUID eb1f54ea-59fb-4a1e-859a-6d7828e0ed2e
           4       3149824      16775167     6.5 GiB  part of `vault`

        encrypted volume `vault` of nvme0n1p4, opened by a passphrase: part of `vg0`

        volume group `vg0` of vault
          vg0/root, 4 GiB: ext4 at /
              UUID 1cf219c4-0e18-4572-9aaa-f474de73ccca
          vg0/swap, 1 GiB: swap
              UUID 8eb8d968-a0a1-438d-a0a7-37b4a7fbb410
          vg0/pool, the rest: pool of thin volumes
          vg0/data, 100 GiB: thin in `pool`, xfs at /data
              UUID 26848ab6-4bf9-4d98-b5bd-0d7cea492ba6

          1. Clear nvme0n1: from here on it boots nothing
          2. Write the partition table of nvme0n1
          3. Make partition 2 of nvme0n1: vfat at /boot/efi
          4. Make partition 3 of nvme0n1: ext4 at /boot
          5. Make the encrypted volume `vault`
          6. Make the volume group `vg0`, 4 volumes
          7. Make `vg0/root`: ext4 at /
          8. Make `vg0/swap`: swap
          9. Make `vg0/data`: xfs at /data
         10. Unpack the image: 612 MiB, 180 MiB over the network
               sha256 abababababababababababababababababababababababababababababababab
         11. Write 7 files and 1 user
               /etc/crypttab, mode 0600
               /etc/default/grub.d/bootworks.cfg
               /etc/edge/site, mode 0600
               /etc/fstab
               /etc/hostname
               /etc/hosts
               /etc/machine-id, mode 0444
               user admin, with its password, in sudo
         12. Make the appliance's initramfs for this box's disks, and check it
               with cryptsetup, lvm, thin_check
         13. Install GRUB, not startable yet, for BIOS and UEFI
         14. Read everything back from the disk and compare
         15. Seal: make it bootable by BIOS and UEFI
               EFI boot entry `edge-gateway`
         16. Send the record to the server
         17. Power off
    "#]]);
    assert!(!format!("{:?}", encrypted.plan().unwrap()).contains("sesame"));
    settled(
        &encrypted,
        &["/etc/fstab", "/etc/crypttab"],
        expect![[r#"
        --- /etc/crypttab
        # Written by bootworks at installation; fields as in crypttab(5).
        vault UUID=a170bc25-fb5a-42e1-997b-97b526c516e5 none luks,initramfs
        --- /etc/fstab
        # Written by bootworks at installation; fields as in fstab(5).
        UUID=1cf219c4-0e18-4572-9aaa-f474de73ccca / ext4 errors=remount-ro 0 1
        UUID=eb1f54ea-59fb-4a1e-859a-6d7828e0ed2e /boot ext4 defaults 0 2
        UUID=67F8-993B /boot/efi vfat umask=0077 0 2
        UUID=26848ab6-4bf9-4d98-b5bd-0d7cea492ba6 /data xfs defaults 0 0
        UUID=8eb8d968-a0a1-438d-a0a7-37b4a7fbb410 none swap sw 0 0
    "#]],
    );
    let without = encrypted.with(|case| drop(case.answers.insert("unlock".into(), String::new())));
    without.refuses(expect![[r#"
        appliance-invalid
        error: what the line writes into the appliance cannot be right
        because: the encrypted volume `vault` has no passphrase
        hint: change `[appliance]` in the line, or the answer it is made from"#]]);
}

/// A TPM opens what it was told on this box; a box without one would ask at each boot, which nobody wanted.
#[test]
fn a_volume_that_the_tpm_opens() {
    let by_tpm = encrypted().with(|case| case.job.appliance.stack.vaults[0].tpm2 = true);
    by_tpm.refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: its TPM 2.0 is to open the encrypted volume `vault`, and the box has none, or its firmware hides it
        hint: change `[[appliance.disk]]` in the line"#]]);
    let by_tpm = by_tpm.with(|case| case.inventory.tpm2 = true);
    let plan = by_tpm.plan().unwrap();
    let text = plan.text().replace("\n  ", " ");
    assert!(text.contains("opened by this box's TPM, or a passphrase"), "{text}");
    let needs = plan
        .steps
        .iter()
        .find_map(|step| if let Step::Initramfs { needs } = step { Some(needs) } else { None });
    let programs: Vec<&str> = needs.unwrap().programs.iter().map(|program| program.name).collect();
    expect!["clevis-decrypt-tpm2 clevis-luks-unlock cryptsetup lvm thin_check"]
        .assert_eq(&programs.join(" "));
}

/// A key in a file opens what does not hold the root.
#[test]
fn a_key_in_a_file() {
    let case = case().with(|case| {
        case.layout().partitions[1].size = Size::Bytes(4 * GIB);
        case.layout().partitions.push(part_of(Size::Rest, "safe"));
        let (key, content) = (Key::File("/etc/keys/safe".into()), filesystem_at(Filesystem::Xfs, "/data"));
        case.job.appliance.stack.vaults = vec![Vault { name: "safe".into(), key, tpm2: false, content }];
    });
    settled(
        &case,
        &["/etc/crypttab"],
        expect![[r#"
        --- /etc/crypttab
        # Written by bootworks at installation; fields as in crypttab(5).
        safe UUID=a170bc25-fb5a-42e1-997b-97b526c516e5 /etc/keys/safe luks
    "#]],
    );
    let text = case.plan().unwrap().text().replace("\n  ", " ");
    assert!(text.contains("opened by the key in /etc/keys/safe: xfs at /data"), "{text}");
}

/// How much each level holds decides whether the image fits.
#[test]
fn levels_hold_what_they_should() {
    let room = |level: Level, count| {
        let refusal = mirrored(level, count)
            .with(|case| case.job.appliance.image.unpacked_bytes = 1 << 50)
            .plan()
            .map(|_| ())
            .unwrap_err();
        match refusal {
            Refusal::ImageTooLarge { room_bytes, .. } => room_bytes / GIB,
            other => panic!("{other:?}"),
        }
    };
    let rooms =
        [(Level::Raid0, 2), (Level::Raid1, 3), (Level::Raid5, 3), (Level::Raid6, 5), (Level::Raid10, 4)];
    assert_eq!(rooms.map(|(level, count)| room(level, count)), [15, 7, 15, 22, 15]);
}

#[test]
fn too_few_disks_for_a_mirror() {
    mirrored(Level::Raid1, 2).with(|case| case.inventory.disks[1].removable = true).refuses(expect![[r#"
        disk-not-found
        error: the line lays 2 disks out alike, but only 1 of the box's disks are fit to install to
        because: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1 (nvme0n1): fits
        because: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme1n1 (nvme1n1): it can be pulled out by hand
        hint: put in the disks that are missing, or change `match` of the line's `[[appliance.disk]]`"#]]);
    mirrored(Level::Raid6, 3).refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: RAID 6 `system` has 3 members and needs 4
        hint: change `[[appliance.disk]]` in the line"#]]);
}

#[test]
fn more_disks_than_are_laid_out() {
    mirrored(Level::Raid1, 2).with(|case| case.inventory.disks.push(disk("nvme2n1", 8 * GIB))).refuses(
        expect![[r#"
            disk-ambiguous
            error: 3 disks are fit to install to, and the line does not say which 2 to take
            because: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1 (nvme0n1, path pci-0000:00:04.0-nvme0n1)
            because: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme1n1 (nvme1n1, path pci-0000:00:04.0-nvme1n1)
            because: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme2n1 (nvme2n1, path pci-0000:00:04.0-nvme2n1)
            hint: narrow `match` (serial, path, model, size) or add `choose = "smallest"`"#]],
    );
    let chosen = mirrored(Level::Raid1, 2).with(|case| {
        case.inventory.disks.insert(0, disk("nvme2n1", 16 * GIB));
        case.layout().matching.choose = Some(crate::storage::Choose::Smallest);
    });
    let names: Vec<String> = chosen.plan().unwrap().disks.into_iter().map(|one| one.disk.name).collect();
    assert_eq!(names, ["nvme0n1", "nvme1n1"]);
}

#[test]
fn volumes_that_do_not_fit() {
    encrypted()
        .with(|case| case.job.appliance.stack.groups[0].volumes[0].size = Size::Bytes(7 * GIB))
        .refuses(expect![[r#"
            layout-invalid
            error: the disk layout of the line does not fit this box
            because: the volume group `vg0` has 6.5 GiB, but its volumes take 8 GiB
            hint: change `[[appliance.disk]]` in the line"#]]);
}

#[test]
fn subvolumes_of_btrfs() {
    let btrfs = case().with(|case| {
        let mut content = filesystem_at(Filesystem::Btrfs, "");
        if let Content::Filesystem(wish) = &mut content {
            wish.subvolumes = [("@", "/"), ("@home", "/home")]
                .map(|(name, mount)| Subvolume { name: name.into(), mount: mount.into() })
                .into();
        }
        case.layout().partitions[1].content = content;
    });
    btrfs.partitions(expect![[r#"
        no  first sector   last sector        size  what
         1          2048          4095       1 MiB  BIOS boot partition
         2          4096       1052671     512 MiB  vfat at /boot/efi, `ESP`
         3       1052672      16775167     7.5 GiB  btrfs with @ at /, @home at /home"#]]);
    settled(
        &btrfs,
        &["/etc/fstab"],
        expect![[r#"
        --- /etc/fstab
        # Written by bootworks at installation; fields as in fstab(5).
        UUID=eb1f54ea-59fb-4a1e-859a-6d7828e0ed2e / btrfs subvol=/@ 0 0
        UUID=67F8-993B /boot/efi vfat umask=0077 0 2
        UUID=eb1f54ea-59fb-4a1e-859a-6d7828e0ed2e /home btrfs subvol=/@home 0 0
    "#]],
    );
    let needs = btrfs.plan().unwrap().steps.into_iter().find_map(|step| match step {
        Step::Initramfs { needs } => Some(needs),
        _ => None,
    });
    assert_eq!(needs.unwrap().modules, ["btrfs"]);
}

/// The old table: no BIOS boot partition, because GRUB fits in front of the first one.
#[test]
fn an_mbr() {
    let mbr = case().with(|case| case.layout().table = Table::Mbr);
    mbr.partitions(expect![[r#"
        no  first sector   last sector        size  what
         1          2048       1050623     512 MiB  vfat at /boot/efi, `ESP`
         2       1050624      16777215     7.5 GiB  ext4 at /"#]]);
    assert_eq!(
        mbr.plan().unwrap().disks[0].partitions.iter().map(|one| one.mbr_type()).collect::<Vec<_>>(),
        [0xef, 0x83]
    );
    mbr.with(|case| case.inventory.disks[0].size_bytes = 3 << 40).refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: nvme0n1 has 3 TiB, and `table = "mbr"` ends at 2 TiB: it needs `table = "gpt"`
        hint: change `[[appliance.disk]]` in the line"#]]);
}

#[test]
fn erasing_is_a_step() {
    let erased = case().with(|case| case.layout().erase = Some(Erase::NvmeFormat));
    let text = erased.plan().unwrap().text();
    assert!(text.contains("  1. Erase nvme0n1: NVMe Format with user data erase\n"), "{text}");
    erased.with(|case| case.inventory.disks[0].transport = "sata".into()).refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: `erase = "nvme-format"`: nvme0n1 is no NVMe disk but sata
        hint: change `[[appliance.disk]]` in the line"#]]);
    let sanitized = case().with(|case| case.layout().erase = Some(Erase::NvmeSanitize));
    let text = sanitized.plan().unwrap().text();
    assert!(text.contains("  1. Erase nvme0n1: NVMe Sanitize of its whole controller\n"), "{text}");
    sanitized.with(|case| case.inventory.disks[0].transport = "virtio".into()).refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: `erase = "nvme-sanitize"`: nvme0n1 is no NVMe disk but virtio
        hint: change `[[appliance.disk]]` in the line"#]]);
    let secure = || case().with(|case| case.layout().erase = Some(Erase::AtaSecurityErase));
    secure().with(|case| case.inventory.disks[0].transport = "nvme".into()).refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: `erase = "ata-security-erase"`: nvme0n1 is no ATA disk but nvme
        hint: change `[[appliance.disk]]` in the line"#]]);
    for transport in ["sata", "sas"] {
        let on = secure().with(|case| case.inventory.disks[0].transport = transport.into());
        let text = on.plan().unwrap().text();
        assert!(text.contains("  1. Erase nvme0n1: ATA Security Erase Unit\n"), "{text}");
    }
}

/// What stays keeps its UUID, its label and its GUID, and is neither formatted nor mounted.
#[test]
fn data_stays_where_it_is() {
    let preserved = preserved(|_| {});
    preserved.shows(expect![[r#"
        Plan for edge-0001 of line edge-gateway
        Box: QEMU Standard PC (Q35 + ICH9, 2009), serial SN-1, boots by UEFI

        ERASED but for partition 4: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1
          nvme0n1 at pci-0000:00:04.0-nvme0n1, nvme, 512-byte sectors
          on it now: GPT with 2 partitions; ext4 `old root`
          no  first sector   last sector        size  what
           1          2048          4095       1 MiB  BIOS boot partition
           2          4096       1052671     512 MiB  vfat at /boot/efi, `ESP`
              UUID 67F8-993B
           3       1052672       9441279       4 GiB  ext4 at /
              UUID eb1f54ea-59fb-4a1e-859a-6d7828e0ed2e
           4       9441280      16775167     3.5 GiB  STAYS: ext4 at /data, `precious`
              UUID 0f5c1f60-8dd7-4bb9-9b4a-2e44a37a9c0e

          1. Take a digest of what stays: nvme0n1p4, ext4 at /data, `precious`
          2. Clear nvme0n1: from here on it boots nothing
          3. Write the partition table of nvme0n1
          4. Make partition 2 of nvme0n1: vfat at /boot/efi, `ESP`
          5. Make partition 3 of nvme0n1: ext4 at /
          6. Unpack the image: 612 MiB, 180 MiB over the network
               sha256 abababababababababababababababababababababababababababababababab
          7. Write 6 files and 1 user
               /etc/default/grub.d/bootworks.cfg
               /etc/edge/site, mode 0600
               /etc/fstab
               /etc/hostname
               /etc/hosts
               /etc/machine-id, mode 0444
               user admin, with its password, in sudo
          8. Check that the appliance's initramfs has this box's disks
          9. Install GRUB, not startable yet, for BIOS and UEFI
         10. Read everything back from the disk and compare
         11. Compare what stays with its digest
         12. Seal: make it bootable by BIOS and UEFI
               EFI boot entry `edge-gateway`
         13. Send the record to the server
         14. Power off
    "#]]);
    let plan = preserved.plan().unwrap();
    assert!(plan.mounts().iter().any(|mount| mount.path == "/data" && mount.is_kept));
    assert_eq!(plan.disks[0].partitions[3].guid, Uuid(7));
    settled(
        &preserved,
        &["/etc/fstab"],
        expect![[r#"
        --- /etc/fstab
        # Written by bootworks at installation; fields as in fstab(5).
        UUID=eb1f54ea-59fb-4a1e-859a-6d7828e0ed2e / ext4 errors=remount-ro 0 1
        UUID=67F8-993B /boot/efi vfat umask=0077 0 2
        UUID=0f5c1f60-8dd7-4bb9-9b4a-2e44a37a9c0e /data ext4 defaults 0 2
    "#]],
    );
}

/// The server keeps inventories as JSON within tagged events, where numbers beyond 64 bits do not survive.
#[test]
fn an_inventory_with_partitions_survives_its_way_to_the_server() {
    let inventory = preserved(|_| {}).inventory;
    let event = crate::timeline::Event::HardwareFound { inventory: Box::new(inventory) };
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<crate::timeline::Event>(&text).unwrap(), event);
}

/// A new box gets the file system; so does one whose power went before it was made.
#[test]
fn data_that_is_not_there_yet_is_made() {
    for found in [&[][..], &[4]] {
        let fresh = preserved(|partitions| {
            partitions.retain(|one| found.contains(&one.number));
            for one in partitions {
                (one.is_used, one.filesystem, one.uuid) = (false, String::new(), String::new());
            }
        });
        let fresh = fresh.with(|case| case.inventory.disks[0].signatures.clear());
        let plan = fresh.plan().unwrap();
        assert!(!plan.disks[0].keeps_something());
        assert!(plan.text().contains("ext4 at /data"));
    }
}

/// Whatever cannot be told from somebody's data is not written over.
#[test]
fn data_that_cannot_be_told_is_refused() {
    preserved(|partitions| partitions[3].first_lba += 2048).refuses(expect![[r#"
        layout-invalid
        error: `/data` is to be preserved, but is not on the disk QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1
        because: its place is sectors 9441280 to 16775167, and partition 4 is at 9443328 to 16775167
        because: on nvme0n1 now: GPT with 2 partitions
        because: on nvme0n1 now: ext4 `old root`
        hint: if nothing on the disk is wanted, clear it from a shell on this box (`wipefs --all`), then retry"#]]);
    preserved(|partitions| partitions[3].filesystem = "xfs".into()).refuses(expect![[r#"
        layout-invalid
        error: `/data` is to be preserved, but is not on the disk QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1
        because: partition 4 has its place, but holds no ext4 that could be kept
        because: on nvme0n1 now: GPT with 2 partitions
        because: on nvme0n1 now: ext4 `old root`
        hint: if nothing on the disk is wanted, clear it from a shell on this box (`wipefs --all`), then retry"#]]);
    preserved(Vec::clear).refuses(expect![[r#"
        layout-invalid
        error: `/data` is to be preserved, but is not on the disk QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1
        because: the disk is in use otherwise
        because: on nvme0n1 now: GPT with 2 partitions
        because: on nvme0n1 now: ext4 `old root`
        hint: if nothing on the disk is wanted, clear it from a shell on this box (`wipefs --all`), then retry"#]]);
}
