//! Goldens of the plan: what a person confirms, and why there is none.

use super::case::*;
use super::*;
use crate::api::{TemplateFile, User};
use crate::burn_in::{Depth, Test};
use crate::storage::{Choose, DiskMatch, Size};
use expect_test::expect;
use proptest::prelude::*;

/// This text is what a person confirms before a disk is erased.
#[test]
fn the_whole_plan() {
    case().shows(expect![[r#"
        Plan for edge-0001 of line edge-gateway
        Box: QEMU Standard PC (Q35 + ICH9, 2009), serial SN-1, boots by UEFI

        ERASED: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1
          nvme0n1 at pci-0000:00:04.0-nvme0n1, nvme, 512-byte sectors
          on it now, and lost: GPT with 2 partitions; ext4 `old root`
          no  first sector   last sector        size  what
           1          2048          4095       1 MiB  BIOS boot partition
           2          4096       1052671     512 MiB  vfat at /boot/efi, `ESP`
              UUID 67F8-993B
           3       1052672      16775167     7.5 GiB  ext4 at /
              UUID eb1f54ea-59fb-4a1e-859a-6d7828e0ed2e

          1. Clear nvme0n1: from here on it boots nothing
          2. Write the partition table of nvme0n1
          3. Make partition 2 of nvme0n1: vfat at /boot/efi, `ESP`
          4. Make partition 3 of nvme0n1: ext4 at /
          5. Unpack the image: 612 MiB, 180 MiB over the network
               sha256 abababababababababababababababababababababababababababababababab
          6. Write 6 files and 1 user
               /etc/default/grub.d/bootworks.cfg
               /etc/edge/site, mode 0600
               /etc/fstab
               /etc/hostname
               /etc/hosts
               /etc/machine-id, mode 0444
               user admin, with its password, in sudo
          7. Check that the appliance's initramfs has this box's disks
          8. Install GRUB, not startable yet, for BIOS and UEFI
          9. Read everything back from the disk and compare
         10. Seal: make it bootable by BIOS and UEFI
               EFI boot entry `edge-gateway`
         11. Send the record to the server
         12. Power off
    "#]]);
}

/// Whoever confirms reads what the box will be put through, and that it comes before anything is written.
#[test]
fn tests_come_before_anything_is_written() {
    let tested = case().with(|case| {
        case.job.burn_in = vec![
            Test::Memory { percent: 90, passes: 2 },
            Test::Processor { seconds: 600, hottest: Some(90) },
            Test::Disks { depth: Depth::Read, errors: 0, wear: 10, slowest: Some(100 * MIB) },
            Test::Network { times: 1, slowest: None },
        ];
    });
    let text = tested.plan().unwrap().text();
    let steps: Vec<&str> = text.lines().map(str::trim).filter(|line| line.contains(". ")).collect();
    expect![[r#"
        1. Test the memory: 90 % of what is free, 2 times
        2. Test the processors: all of them for 600 s, at most 90 C
        3. Test nvme0n1: SMART, at most 0 errors and 10 % wear, read all of it, at
        4. Test the network: fetch the image once, 180 MiB each
        5. Clear nvme0n1: from here on it boots nothing
        6. Write the partition table of nvme0n1"#]]
    .assert_eq(&steps[..6].join("\n"));
    let disks = tested.with(|case| {
        let (depth, slowest) = (Depth::Smart, None);
        case.job.burn_in = vec![Test::Disks { depth, errors: 0, wear: 100, slowest }];
    });
    assert_eq!(disks.plan().unwrap().steps[0].name(), "test-disks");
    assert!(
        disks.plan().unwrap().text().contains("1. Test nvme0n1: SMART, at most 0 errors and 100 % wear\n")
    );
}

/// A BIOS box gets the same disk, but its own loader is sealed last and there is no NVRAM to write.
#[test]
fn a_bios_box_seals_bios_last() {
    let case = case().with(|case| case.inventory.firmware = "bios".into());
    let plan = case.plan().unwrap();
    let text = plan.text();
    assert!(text.contains("boots by BIOS"));
    assert!(text.contains("Seal: make it bootable by UEFI and BIOS"), "{text}");
    assert!(!text.contains("EFI boot entry"));
}

/// Secrets stand in the plan's files and users, but a person, a log and a record never see them.
#[test]
fn no_secret_is_shown() {
    let plan =
        case().with(|case| case.job.appliance.files[0].contents = "{{ answer.password }}".into()).plan();
    let plan = plan.unwrap();
    assert!(!plan.text().contains("$6$"));
    assert!(!format!("{plan:?}").contains("$6$"));
}

/// The files that make the appliance start from this disk and no other.
#[test]
fn the_files_name_file_systems_by_uuid() {
    let plan = case().plan().unwrap();
    let files = plan.steps.iter().find_map(|step| match step {
        Step::Settle { files, .. } => Some(files),
        _ => None,
    });
    let mut text = String::new();
    for file in files.unwrap() {
        text.push_str(&format!("--- {}\n{}", file.path, file.contents));
    }
    expect![[r#"
        --- /etc/default/grub.d/bootworks.cfg
        # Written by bootworks at installation.
        GRUB_DISTRIBUTOR='edge-gateway'
        GRUB_TIMEOUT=3
        GRUB_DISABLE_OS_PROBER=true
        GRUB_CMDLINE_LINUX_DEFAULT=''
        GRUB_CMDLINE_LINUX='console=tty0 console=ttyS0,115200n8'
        GRUB_TERMINAL='console serial'
        GRUB_SERIAL_COMMAND='serial --unit=0 --speed=115200'
        --- /etc/edge/site
        edge-0001 SN-1
        --- /etc/fstab
        # Written by bootworks at installation; fields as in fstab(5).
        UUID=eb1f54ea-59fb-4a1e-859a-6d7828e0ed2e / ext4 errors=remount-ro 0 1
        UUID=67F8-993B /boot/efi vfat umask=0077 0 2
        --- /etc/hostname
        edge-0001
        --- /etc/hosts
        127.0.0.1 localhost
        127.0.1.1 edge-0001
        ::1 localhost ip6-localhost ip6-loopback
        --- /etc/machine-id
    "#]]
    .assert_eq(&text);
}

/// Sector numbers are what the disk is cut at: both sector sizes, odd sizes, swap, rest in the middle.
#[test]
fn partitions_stand_at_whole_mebibytes() {
    case().partitions(expect![[r#"
          no  first sector   last sector        size  what
           1          2048          4095       1 MiB  BIOS boot partition
           2          4096       1052671     512 MiB  vfat at /boot/efi, `ESP`
           3       1052672      16775167     7.5 GiB  ext4 at /"#]]);
    let four_k = case().with(|case| case.inventory.disks[0].sector_bytes = 4096);
    four_k.partitions(expect![[r#"
          no  first sector   last sector        size  what
           1           256        131327     512 MiB  vfat at /boot/efi, `ESP`
           2        131328       2096895     7.5 GiB  ext4 at /"#]]);
    let odd = case().with(|case| case.inventory.disks[0].size_bytes = 480_103_981_056 + 512);
    odd.partitions(expect![[r#"
          no  first sector   last sector        size  what
           1          2048          4095       1 MiB  BIOS boot partition
           2          4096       1052671     512 MiB  vfat at /boot/efi, `ESP`
           3       1052672     937701375   446.6 GiB  ext4 at /"#]]);
    let middle = case().with(|case| {
        case.layout().partitions.push(partition(Size::Bytes(GIB + 1), Filesystem::Swap, ""));
        case.layout().partitions.push(partition(Size::Bytes(GIB), Filesystem::Ext4, "/var/log"));
    });
    middle.partitions(expect![[r#"
          no  first sector   last sector        size  what
           1          2048          4095       1 MiB  BIOS boot partition
           2          4096       1052671     512 MiB  vfat at /boot/efi, `ESP`
           3       1052672      12578815     5.5 GiB  ext4 at /
           4      12578816      14678015       1 GiB  swap
           5      14678016      16775167       1 GiB  ext4 at /var/log"#]]);
    let huge = case().with(|case| case.inventory.disks[0].size_bytes = 3 << 40);
    huge.partitions(expect![[r#"
          no  first sector   last sector        size  what
           1          2048          4095       1 MiB  BIOS boot partition
           2          4096       1052671     512 MiB  vfat at /boot/efi, `ESP`
           3       1052672    6442448895       3 TiB  ext4 at /"#]]);
}

/// Two disks: only the one that boots gets a BIOS boot partition, and both are named.
#[test]
fn a_second_disk_holds_data() {
    let two = case().with(|case| {
        case.inventory.disks.push(disk("sda", 16 * GIB));
        case.job.appliance.disks.push(layout(
            DiskMatch { min_size: Some(10 * GIB), ..DiskMatch::default() },
            vec![partition(Size::Rest, Filesystem::Ext4, "/srv")],
        ));
    });
    let plan = two.plan().unwrap();
    let numbers: Vec<usize> = plan.disks.iter().map(|disk| disk.partitions.len()).collect();
    assert_eq!(numbers, [3, 1]);
    let mounts: Vec<String> = plan.mounts().into_iter().map(|mount| mount.path).collect();
    assert_eq!(mounts, ["/", "/boot/efi", "/srv"]);
}

/// The same disk is never meant by two layouts.
#[test]
fn a_disk_is_taken_once() {
    let twice = case().with(|case| {
        let mut second = case.job.appliance.disks[0].clone();
        second.partitions = vec![partition(Size::Rest, Filesystem::Ext4, "/srv")];
        case.job.appliance.disks.push(second);
    });
    twice.refuses(expect![[r#"
        disk-not-found
        error: no disk of the box is at least 4 GiB
        because: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1 (nvme0n1): the line's layout before this one takes it
        hint: change `match` of the line's `[[appliance.disk]]`, or the disk"#]]);
}

/// Which disk is meant: each condition alone, each way to choose.
#[test]
fn disks_are_chosen_by_what_the_line_says() {
    let chosen = |matching: DiskMatch| {
        let case = case().with(|case| {
            let mut turning = disk("sda", 2 << 40);
            (turning.rotational, turning.transport, turning.model) = (true, "sas".into(), "ST2000NX".into());
            let (mut ten, mut nine) = (disk("sdb", 8 * GIB), disk("sdc", 16 * GIB));
            ten.path = "pci-0000:00:04.0-ata-10".into();
            nine.path = "pci-0000:00:04.0-ata-9".into();
            let mut stick = disk("sdd", 64 * GIB);
            stick.removable = true;
            case.inventory.disks = vec![stick, turning, ten, nine];
            case.layout().matching = matching;
        });
        case.plan().map_or_else(|refusal| refusal.cause().to_owned(), |plan| plan.disks[0].disk.name.clone())
    };
    let text = |text: &str| Some(text.to_owned());
    let any = DiskMatch::default;
    let table = [
        ("sda", DiskMatch { rotational: Some(true), ..any() }),
        ("sda", DiskMatch { min_size: Some(1 << 40), ..any() }),
        ("sda", DiskMatch { model: text("ST*"), ..any() }),
        ("sda", DiskMatch { transport: text("sas"), ..any() }),
        ("sda", DiskMatch { choose: Some(Choose::Largest), ..any() }),
        ("sdb", DiskMatch { max_size: Some(8 * GIB), ..any() }),
        ("sdb", DiskMatch { choose: Some(Choose::Smallest), ..any() }),
        ("sdb", DiskMatch { serial: text("serial-sdb"), ..any() }),
        ("sdc", DiskMatch { path: text("*-ata-9"), ..any() }),
        ("sdc", DiskMatch { rotational: Some(false), choose: Some(Choose::First), ..any() }),
        ("disk-ambiguous", DiskMatch { rotational: Some(false), ..any() }),
        ("disk-not-found", DiskMatch { serial: text("serial-sdd"), ..any() }),
        ("disk-not-found", DiskMatch { serial: text("serial"), ..any() }),
    ];
    for (wanted, matching) in table {
        assert_eq!(chosen(matching.clone()), wanted, "{matching:?}");
    }
}

#[test]
fn no_disk_at_all() {
    case().with(|case| case.inventory.disks.clear()).refuses(expect![[r#"
        disk-driver-missing
        error: the box has no disk at all
        hint: look at the disk controller: does `bootworks check` prove its driver"#]]);
}

/// A person who has typed a password is not told only then that there is no disk.
#[test]
fn what_no_answer_changes_is_foreseen() {
    let foreseen = |case: super::case::Case| {
        super::foresee(&case.job, &case.inventory).map_err(|refusal| refusal.trouble().cause)
    };
    assert_eq!(foreseen(case()), Ok(()));
    assert_eq!(
        foreseen(case().with(|case| case.inventory.disks.clear())),
        Err("disk-driver-missing".to_owned())
    );
    assert_eq!(
        foreseen(case().with(|case| case.inventory.disks = vec![disk("sda", 2 * GIB)])),
        Err("disk-not-found".to_owned())
    );
    assert_eq!(foreseen(case().with(|case| case.answers.clear())), Ok(()), "answers are another matter");
}

#[test]
fn no_disk_that_fits_the_conditions() {
    let case = case().with(|case| {
        case.inventory.disks = vec![disk("sda", 2 * GIB), disk("sdb", 64 * GIB)];
        case.inventory.disks[1].removable = true;
    });
    case.refuses(expect![[r#"
        disk-not-found
        error: no disk of the box is at least 4 GiB
        because: QEMU NVMe Ctrl, 2 GiB, serial serial-sda (sda): 2 GiB is less than 4 GiB
        because: QEMU NVMe Ctrl, 64 GiB, serial serial-sdb (sdb): it can be pulled out by hand
        hint: change `match` of the line's `[[appliance.disk]]`, or the disk"#]]);
}

#[test]
fn two_disks_and_no_choice() {
    let case = case().with(|case| {
        case.inventory.disks.push(disk("nvme1n1", 8 * GIB));
        case.layout().matching.choose = None;
    });
    case.refuses(expect![[r#"
        disk-ambiguous
        error: 2 disks are at least 4 GiB, and the line does not say which to take
        because: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1 (nvme0n1, path pci-0000:00:04.0-nvme0n1)
        because: QEMU NVMe Ctrl, 8 GiB, serial serial-nvme1n1 (nvme1n1, path pci-0000:00:04.0-nvme1n1)
        hint: narrow `match` (serial, path, model, size) or add `choose = "smallest"`"#]]);
}

#[test]
fn a_disk_in_use() {
    case().with(|case| case.inventory.disks[0].holders = vec!["part of md127".into()]).refuses(expect![[
        r#"
        disk-in-use
        error: the disk QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1 is in use
        because: nvme0n1: part of md127
        hint: stop what holds it from a shell on this box, then retry"#
    ]]);
}

/// A smaller disk that is in use must not silently make the next one "the smallest".
#[test]
fn the_smallest_disk_in_use_is_not_skipped() {
    let case = case().with(|case| {
        case.inventory.disks.push(disk("nvme1n1", 16 * GIB));
        case.inventory.disks[0].holders = vec!["mounted at /srv".into()];
    });
    case.refuses(expect![[r#"
        disk-in-use
        error: the disk QEMU NVMe Ctrl, 8 GiB, serial serial-nvme0n1 is in use
        because: nvme0n1: mounted at /srv
        hint: stop what holds it from a shell on this box, then retry"#]]);
}

#[test]
fn a_disk_too_small_for_the_layout() {
    let case = case().with(|case| {
        case.layout().matching.min_size = None;
        case.inventory.disks[0].size_bytes = 512 * MIB;
    });
    case.refuses(expect![[r#"
        disk-too-small
        error: the disk QEMU NVMe Ctrl, 512 MiB, serial serial-nvme0n1 is too small: it has 536870912 bytes, but the layout needs 556793856
        hint: put in a larger disk, or make the partitions smaller"#]]);
}

#[test]
fn an_image_too_large_for_the_disk() {
    case().with(|case| case.job.appliance.image.unpacked_bytes = 9 * GIB).refuses(expect![[r#"
        disk-too-small
        error: the image unpacks to 9 GiB, but the file systems of the layout have 8 GiB
        hint: make the partitions larger, or the image smaller"#]]);
}

#[test]
fn a_layout_full_of_contradictions() {
    let case = case().with(|case| {
        case.layout().partitions = vec![
            partition(Size::Rest, Filesystem::Swap, "/swap"),
            partition(Size::Rest, Filesystem::Ext4, "srv"),
            partition(Size::Bytes(0), Filesystem::Ext4, "/data"),
            partition(Size::Bytes(MIB), Filesystem::Ext4, "/data"),
            partition(Size::Bytes(16 * MIB), Filesystem::Vfat, "/fat"),
            partition(Size::Bytes(MIB), Filesystem::Ext4, "/a/../b"),
        ];
        label(&mut case.layout().partitions[3], "much too long a label");
    });
    case.refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: 2 partitions of nvme0n1 want the rest of it
        because: swap cannot be mounted at `/swap`
        because: `srv` is not an absolute path to mount at
        because: the partition for `/data` has no size
        because: `much too long a label` is not a label of 1 to 15 plain characters
        because: two partitions are mounted at `/data`
        because: `/fat` with 16 MiB is too small for FAT32 on 512-byte sectors, which needs 33 MiB
        because: `/a/../b` is not an absolute path to mount at
        because: no partition is mounted at `/`
        because: the box boots by UEFI, but no vfat partition is mounted at `/boot/efi`
        hint: change `[[appliance.disk]]` in the line"#]]);
}

#[test]
fn roots_and_boot_partitions_of_the_wrong_kind() {
    let case = case().with(|case| {
        case.layout().partitions = vec![
            partition(Size::Bytes(GIB), Filesystem::Ext4, "/boot/efi"),
            partition(Size::Rest, Filesystem::Vfat, "/"),
        ];
    });
    case.refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: `/boot/efi` has to be vfat: firmware reads nothing else
        because: vfat cannot hold the root: it knows no owners
        hint: change `[[appliance.disk]]` in the line"#]]);
}

/// An EFI system partition that firmware takes for FAT16 boots on some boards and not on others.
#[test]
fn a_small_esp_on_large_sectors() {
    let case = case().with(|case| {
        case.inventory.disks[0].sector_bytes = 4096;
        case.layout().partitions[0].size = Size::Bytes(200 * MIB);
    });
    case.refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: `/boot/efi` with 200 MiB is too small for FAT32 on 4096-byte sectors, which needs 262 MiB
        hint: change `[[appliance.disk]]` in the line"#]]);
}

#[test]
fn bios_and_large_sectors() {
    let case = case().with(|case| {
        case.inventory.firmware = "bios".into();
        case.inventory.disks[0].sector_bytes = 4096;
    });
    case.refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: the box boots by BIOS, which cannot boot from 4096-byte sectors as nvme0n1 has
        hint: change `[[appliance.disk]]` in the line"#]]);
}

#[test]
fn uefi_without_an_esp() {
    case().with(|case| drop(case.layout().partitions.remove(0))).refuses(expect![[r#"
        layout-invalid
        error: the disk layout of the line does not fit this box
        because: the box boots by UEFI, but no vfat partition is mounted at `/boot/efi`
        hint: change `[[appliance.disk]]` in the line"#]]);
}

/// A BIOS box needs no ESP; it is then sealed for BIOS alone.
#[test]
fn bios_without_an_esp() {
    let case = case().with(|case| {
        case.inventory.firmware = "bios".into();
        case.layout().partitions.remove(0);
    });
    assert!(case.plan().unwrap().text().contains("Seal: make it bootable by BIOS\n"));
}

#[test]
fn everything_wrong_with_the_appliance_at_once() {
    let case = case().with(|case| {
        case.answers.remove("hostname");
        case.answers.insert("password".into(), "hunter2".into());
        let appliance = &mut case.job.appliance;
        appliance.users.push(User { name: "Admin".into(), password: None, groups: vec!["a b".into()] });
        appliance.users.push(appliance.users[0].clone());
        appliance.files.push(TemplateFile { path: "/etc/../x".into(), contents: String::new(), mode: 0o644 });
        appliance.files.push(TemplateFile {
            path: "/etc/fstab".into(),
            contents: String::new(),
            mode: 0o644,
        });
        appliance.files.push(TemplateFile {
            path: "/x".into(),
            contents: "{{ box.colour }}".into(),
            mode: 0o644,
        });
        appliance.kernel_arguments = "quiet'; rm -rf /".into();
    });
    case.refuses(expect![[r#"
        appliance-invalid
        error: what the line writes into the appliance cannot be right
        because: question `hostname` has no answer
        because: host name: nothing is known as `answer.hostname`
        because: file `/etc/edge/site`: nothing is known as `answer.hostname`
        because: file `/x`: a box has no `colour`
        because: `Admin` is not a name of a user or group
        because: `a b` is not a name of a user or group
        because: user `admin` is wanted twice
        because: the password of user `admin` does not come from a password question: it is no crypt(5) hash
        because: the password of user `admin` does not come from a password question: it is no crypt(5) hash
        because: `/etc/../x` is not the absolute path of a file
        because: `/etc/fstab` is written from the disk layout: only that knows the UUIDs
        because: the kernel arguments contain a quote, a `$`, a backslash or a control character
        hint: change `[appliance]` in the line, or the answer it is made from"#]]);
}

#[test]
fn a_host_name_that_is_none() {
    case().with(|case| drop(case.answers.insert("hostname".into(), "-edge".into()))).refuses(expect![[r#"
        appliance-invalid
        error: what the line writes into the appliance cannot be right
        because: `-edge` is not a host name: it cannot begin or end with a dash, nor have one beside a dot
        hint: change `[appliance]` in the line, or the answer it is made from"#]]);
}

/// The same box, line and answers give the same plan: the dry run is the run.
#[test]
fn a_plan_is_deterministic() {
    assert_eq!(case().plan(), case().plan());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Whatever a disk claims of itself, partitions stay on it, in order, aligned, clear of both tables.
    #[test]
    fn partitions_never_leave_the_disk(
        size_bytes in prop_oneof![0..4 * GIB, any::<u64>()],
        four_k in any::<bool>(),
        first in prop_oneof![1..GIB, any::<u64>()],
    ) {
        let case = case().with(|case| {
            case.layout().matching = DiskMatch::default();
            case.inventory.disks[0].size_bytes = size_bytes;
            case.inventory.disks[0].sector_bytes = if four_k { 4096 } else { 512 };
            case.job.appliance.image.unpacked_bytes = 0;
            case.layout().partitions.insert(0, partition(Size::Bytes(first), Filesystem::Ext4, "/srv"));
        });
        if let Ok(plan) = case.plan() {
            let sector = u64::from(plan.disks[0].disk.sector_bytes);
            let mut next = MIB / sector;
            for partition in &plan.disks[0].partitions {
                prop_assert_eq!(partition.first_lba, next);
                prop_assert!(partition.last_lba > partition.first_lba);
                prop_assert_eq!((partition.last_lba + 1) * sector % MIB, 0);
                next = partition.last_lba + 1;
            }
            prop_assert!(next + 16384 / sector < size_bytes / sector);
        }
    }
}
