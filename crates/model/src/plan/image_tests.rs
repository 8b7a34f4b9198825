//! Goldens of plans whose image brings more than files.

use super::case::{Case, GIB, MIB, case};
use super::*;
use crate::api::JobImage;
use crate::line::Finish;
use crate::raw::{ImageSignature, RawDisk, RawFilesystem, RawPartition};
use crate::storage::Content;
use expect_test::expect;

fn ext4(bytes: u64) -> RawFilesystem {
    let uuid = "11111111-2222-4333-8444-555555555555".into();
    RawFilesystem { kind: Filesystem::Ext4, uuid, label: "cloudimg".into(), bytes }
}

fn cloud_image() -> RawDisk {
    let partition = |number, first_lba, last_lba, type_guid, name: &str| RawPartition {
        number,
        first_lba,
        last_lba,
        type_guid,
        guid: Uuid(u128::from(number)),
        attributes: 0,
        name: name.into(),
        filesystem: None,
        holds: String::new(),
    };
    let mut root = partition(1, 262_144, 4_194_270, Uuid(0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709), "");
    root.filesystem = Some(ext4(1920 * MIB));
    root.holds = "ext file system `cloudimg`".into();
    let mut esp = partition(15, 8192, 262_143, layout::TYPE_ESP, "ESP");
    esp.holds = "FAT".into();
    RawDisk {
        bytes: 2 * GIB,
        sector_bytes: 512,
        table: Table::Gpt,
        guid: Uuid(7),
        has_boot_code: true,
        partitions: vec![partition(14, 2048, 8191, layout::TYPE_BIOS_BOOT, ""), esp, root],
        root: Some(1),
    }
}

fn of(raw: RawDisk) -> Case {
    case().with(|case| {
        case.job.appliance.image.unpacked_bytes = raw.bytes;
        case.job.appliance.image.content = ImageContent::Disk(raw);
        case.job.appliance.kernel_arguments.clear();
        case.layout().partitions.clear();
    })
}

/// A person must see what of the disk is the image's, what is made larger, and that nothing starts before the end.
#[test]
fn a_whole_disk() {
    of(cloud_image()).shows(expect![[r#"
        Plan for edge-0001 of line edge-gateway
        Box: QEMU Standard PC (Q35 + ICH9, 2009), serial SN-1, boots by UEFI

        ERASED: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1
          nvme0n1 at pci-0000:00:04.0-nvme0n1, nvme, 512-byte sectors
          on it now, and lost: GPT with 2 partitions; ext4 `old root`
          no  first sector   last sector        size  what
          14          2048          8191       3 MiB  BIOS boot partition
          15          8192        262143     124 MiB  FAT, as the image has it
           1        262144      16777182     7.9 GiB  ext4 at /, `cloudimg`
              UUID 11111111-2222-4333-8444-555555555555

          1. Clear nvme0n1: from here on it boots nothing
          2. Write the image to nvme0n1: a whole disk of 2 GiB with 3 partitions, 180
               MiB over the network
               sha256 abababababababababababababababababababababababababababababababab
          3. Read the image back from nvme0n1 and compare
          4. Grow the ext4 of nvme0n1p1 to all of it
          5. Write 4 files and 1 user
               /etc/edge/site, mode 0600
               /etc/hostname
               /etc/hosts
               /etc/machine-id, mode 0444
               user admin, with its password, in sudo
          6. Check that the appliance's initramfs has this box's disks
          7. Read everything back from the disk and compare
          8. Seal: make it bootable by what the image brings
               EFI boot entry `edge-gateway`
          9. Send the record to the server
         10. Power off
    "#]]);
}

#[test]
fn a_whole_disk_that_nothing_is_written_into() {
    let mut raw = cloud_image();
    raw.root = None;
    of(raw.clone()).refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: the line has files and users for the image, in which no root file system is known
        hint: change `[[appliance.disk]]` in the line"#]]);
    let case = of(raw).with(|case| {
        case.job.appliance.files.clear();
        case.job.appliance.users.clear();
    });
    let steps = case.plan().unwrap().steps;
    assert!(!steps.iter().any(|step| matches!(step, Step::Settle { .. } | Step::ReadBack)), "{steps:?}");
    assert!(steps.iter().any(|step| matches!(step, Step::Verify { .. })));
}

#[test]
fn a_whole_disk_that_does_not_fit_the_box() {
    let mut raw = cloud_image();
    raw.sector_bytes = 4096;
    raw.partitions.remove(1);
    let other = of(raw).with(|case| {
        case.inventory.firmware = "uefi".into();
        case.job.appliance.kernel_arguments = "quiet".into();
    });
    other.refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: the image was made for 4096-byte sectors, and nvme0n1 has 512-byte ones: its table would be misread
        because: the box boots by UEFI, and the image has no EFI system partition
        because: the line has kernel arguments, but the boot loader is the image's own
        hint: change `[[appliance.disk]]` in the line"#]]);
    of(cloud_image())
        .with(|case| case.inventory.disks[0].size_bytes = GIB)
        .with(|case| case.layout().matching.min_size = None)
        .refuses(expect![[r#"
            disk-too-small
            error: the disk QEMU NVMe Ctrl, 1 GiB, serial serial-nvme0n1 is too small: it has 1073741824 bytes, but the layout needs 2147483648
            hint: put in a larger disk, or make the partitions smaller"#]]);
    let laid_out = case().with(|case| case.job.appliance.image.content = ImageContent::Disk(cloud_image()));
    laid_out.refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: the image is a whole disk and brings its own partitions: the line names one `[[appliance.disk]]` without `partitions`, and nothing stacked
        hint: change `[[appliance.disk]]` in the line"#]]);
    case().with(|case| case.layout().partitions.clear()).refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: no partition is mounted at `/`
        because: the box boots by UEFI, but no vfat partition is mounted at `/boot/efi`
        hint: change `[[appliance.disk]]` in the line"#]]);
}

/// The root's file system comes from the image, with its own UUID; the rest is made as ever.
#[test]
fn a_file_system_for_the_root() {
    let with = |bytes: u64| {
        case().with(|case| {
            case.job.appliance.image.unpacked_bytes = bytes;
            case.job.appliance.image.content = ImageContent::Filesystem(ext4(bytes));
        })
    };
    with(GIB).shows(expect![[r#"
        Plan for edge-0001 of line edge-gateway
        Box: QEMU Standard PC (Q35 + ICH9, 2009), serial SN-1, boots by UEFI

        ERASED: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1
          nvme0n1 at pci-0000:00:04.0-nvme0n1, nvme, 512-byte sectors
          on it now, and lost: GPT with 2 partitions; ext4 `old root`
          no  first sector   last sector        size  what
           1          2048          4095       1 MiB  BIOS boot partition
           2          4096       1052671     512 MiB  vfat at /boot/efi, `ESP`
              UUID 67F8-993B
           3       1052672      16775167     7.5 GiB  ext4 at /, `cloudimg`
              UUID 11111111-2222-4333-8444-555555555555

          1. Clear nvme0n1: from here on it boots nothing
          2. Write the partition table of nvme0n1
          3. Make partition 2 of nvme0n1: vfat at /boot/efi, `ESP`
          4. Write the image to nvme0n1p3: ext4 of 1 GiB, 180 MiB over the network
               sha256 abababababababababababababababababababababababababababababababab
          5. Read the image back from nvme0n1p3 and compare
          6. Grow the ext4 of nvme0n1p3 to all of it
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
         11. Seal: make it bootable by BIOS and UEFI
               EFI boot entry `edge-gateway`
         12. Send the record to the server
         13. Power off
    "#]]);
    with(100 * GIB).refuses(expect![[r#"
        disk-too-small
        error: the image unpacks to 100 GiB, but the file systems of the layout have 7.5 GiB
        hint: make the partitions larger, or the image smaller"#]]);
    with(GIB)
        .with(|case| {
            if let Content::Filesystem(wish) = &mut case.layout().partitions[1].content {
                wish.kind = Filesystem::Xfs;
            }
        })
        .refuses(expect![[r#"
            layout-invalid
            error: the disk layout of the line does not fit this box
            because: the image is ext4, but `/` is to be xfs: write `filesystem = "ext4"` there
            hint: change `[[appliance.disk]]` in the line"#]]);
}

/// Who confirms must see whose image it is; how the box is left is the plan's last line.
#[test]
fn a_signed_image_and_a_box_that_stays_on() {
    let plan = case().with(|case| {
        let key =
            "untrusted comment: maker\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n".into();
        case.job.appliance.image.signature = Some(ImageSignature { key, signature: String::new() });
        case.job.appliance.finish = Finish::StayOn;
    });
    let text = plan.plan().unwrap().text();
    let is_told = |line: &&str| ["minisign", "RWQf", "Leave"].iter().any(|word| line.contains(word));
    let lines: Vec<&str> = text.lines().filter(is_told).map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "signed by minisign key",
            "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
            "12. Leave the box on"
        ]
    );
}

/// The server tells the box what the image is in JSON.
#[test]
fn what_an_image_is_survives_the_way_to_the_box() {
    let image = of(cloud_image()).job.appliance.image;
    let text = serde_json::to_string(&image).unwrap();
    assert_eq!(serde_json::from_str::<JobImage>(&text).unwrap(), image);
}
