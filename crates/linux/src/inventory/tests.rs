//! Boxes brought along as folders: what `/sys` and `/proc` looked like, and what is read of it.

use super::*;
use expect_test::{Expect, expect};
use std::os::unix::fs::symlink;

/// A box as a folder. Each line of `text` is `path=content`, `path->target` or `path` for a folder.
fn box_of(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (path, content) =
            line.split_once('=').map_or((line, None), |(path, content)| (path, Some(content)));
        let (path, target) =
            path.split_once("->").map_or((path, None), |(path, target)| (path, Some(target)));
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match (content, target) {
            (Some(content), _) => std::fs::write(path, content.replace("\\0", "\0")).unwrap(),
            (_, Some(target)) => symlink(target, path).unwrap(),
            _ => std::fs::create_dir_all(path).unwrap(),
        }
    }
    folder
}

fn check(text: &str, wanted: Expect) {
    let folder = box_of(text);
    let inventory = read(folder.path(), None);
    wanted.assert_eq(&serde_json::to_string_pretty(&inventory).unwrap());
}

/// The virtual box of the story: one e1000e, one NVMe disk, UEFI.
#[test]
fn a_virtual_box() {
    check(
        include_str!("../../testdata/inventory/q35-nvme"),
        expect![[r#"
            {
              "smbios": {
                "manufacturer": "QEMU",
                "product": "Standard PC (Q35 + ICH9, 2009)",
                "serial": "SN-1",
                "uuid": "5c1f3e5a-0000-4000-8000-000000000001"
              },
              "boot_nic": null,
              "firmware": "uefi",
              "processor": "",
              "processors": 1,
              "memory_bytes": 1024000000,
              "interfaces": [
                {
                  "name": "eth0",
                  "mac": "52:54:00:12:34:56",
                  "driver": "e1000e",
                  "carrier": true,
                  "address": "0000:00:02.0"
                }
              ],
              "disks": [
                {
                  "name": "nvme0n1",
                  "size_bytes": 8589934592,
                  "sector_bytes": 512,
                  "model": "QEMU NVMe Ctrl",
                  "serial": "disk1",
                  "wwn": "nvme.1b36-6469736b31-51454d55204e564d65204374726c-00000001",
                  "rotational": false,
                  "removable": false,
                  "transport": "nvme",
                  "path": "pci-0000:00:03.0-nvme-1",
                  "signatures": [],
                  "partitions": [],
                  "holders": []
                }
              ],
              "devices": [
                {
                  "modalias": "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02",
                  "address": "0000:00:03.0",
                  "driver": null
                },
                {
                  "modalias": "pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00",
                  "address": "0000:00:02.0",
                  "driver": "e1000e"
                }
              ],
              "tpm2": false,
              "parts": {}
            }"#]],
    );
}

/// A server with everything that is not a disk to install to, or is held by somebody.
#[test]
fn a_server_with_many_kinds_of_disks() {
    let folder = box_of(include_str!("../../testdata/inventory/server"));
    let inventory = read(folder.path(), None);
    let mut text = String::new();
    for disk in &inventory.disks {
        text.push_str(&format!("{} {} {} wwn={}\n", disk.name, disk.title(), disk.transport, disk.wwn));
        text.push_str(&format!(
            "    {} rotational={} removable={}\n",
            disk.path, disk.rotational, disk.removable
        ));
        for holder in &disk.holders {
            text.push_str(&format!("    {holder}\n"));
        }
    }
    expect![[r#"
        mmcblk0 DG4032, 29.1 GiB, serial 0x1234abcd mmc wwn=
            pci-0000:00:1d.0 rotational=false removable=false
        nvme0n1 SAMSUNG MZQL2960HCJR, 894.3 GiB, serial S64FNE0R000001 nvme wwn=
            pci-0000:04:00.0-nvme-1 rotational=false removable=false
        sda INTEL SSDSC2KB48, 447.1 GiB, serial PHYF0001 sata wwn=naa.55cd2e414e000001
            pci-0000:00:1f.2-ata-2 rotational=false removable=false
            sda1 is mounted at /mnt/old
        sdb SEAGATE ST2000NX0453, 1.8 TiB, no serial sas wwn=
            pci-0000:01:00.0-scsi-0:0:5:0 rotational=true removable=false
            sdb1 is part of md127
            sdb2 is in use as swap
            sdb10 is part of vg0-root (dm-0)
        sdc SanDisk Cruzer Blade, 14.4 GiB, no serial usb wwn=
            pci-0000:00:14.0-scsi-0:0:0:0 rotational=false removable=true
        vda virtio disk, 8 GiB, serial vd-1 virtio wwn=
            pci-0000:00:05.0 rotational=false removable=false
    "#]]
    .assert_eq(&text);
}

/// A box without a readable `/sys` still has an inventory.
#[test]
fn nothing_to_read() {
    let inventory = read(Path::new("/nonexistent"), None);
    assert_eq!(inventory.disks, []);
    assert_eq!(inventory.firmware, "bios");
}
