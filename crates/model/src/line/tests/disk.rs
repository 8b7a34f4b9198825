//! Lines that are wrong: disks.

use super::*;

/// A layout that cannot boot must be refused here and not after it was written to a disk.
#[test]
fn disks() {
    let esp = "{ size = \"512MiB\", filesystem = \"vfat\", mount = \"/boot/efi\", label = \"ESP\" }";
    let root = "{ size = \"rest\", filesystem = \"ext4\", mount = \"/\" }";
    check(
        esp,
        "{ size = \"rest\", filesystem = \"vfat\", mount = \"/boot/efi\" }",
        expect![[r#"
        error: line.toml:37:5: two partitions want the rest of the disk
          37 |   { size = "rest", filesystem = "ext4", mount = "/" },
             |     ^^^^
        hint: `size = "rest"` stands once, in the last partition"#]],
    );
    check(
        root,
        "{ size = \"rest\", filesystem = \"ext4\", mount = \"/\" },\n  { size = \"1GiB\", filesystem = \"swap\" }",
        expect![[r#"
            error: line.toml:37:5: `"rest"` stands before another partition, which would get nothing
              37 |   { size = "rest", filesystem = "ext4", mount = "/" },
                 |     ^^^^
            hint: `size = "rest"` stands once, in the last partition"#]],
    );
    check(
        root,
        "{ size = \"2GiB\", filesystem = \"ext4\", mount = \"/data\" }",
        expect![[r#"
        error: line.toml:32:1: no partition is mounted at `/`
          32 | [[appliance.disk]]
             | ^^^^^^^^^^^^^^^^^^
        hint: add `{ size = "rest", filesystem = "ext4", mount = "/" }`"#]],
    );
    check(
        root,
        "{ size = \"rest\", filesystem = \"vfat\", mount = \"/\" }",
        expect![[r#"
        error: line.toml:37:49: `vfat` cannot be the root: it has no owners and no links
          37 |   { size = "rest", filesystem = "vfat", mount = "/" },
             |                                                 ^^^
        hint: `filesystem = "ext4"`"#]],
    );
    check(root, "{ size = \"rest\", filesystem = \"xfs\", mount = \"/\" }", expect!["no mistakes"]);
    check(
        root,
        "{ size = \"8G\", filesystem = \"ext4\", mount = \"/\" }",
        expect![[r#"
            error: line.toml:33:22: a disk of 4GiB fits, but its partitions take 8704MiB
              33 | match = { min-size = "4GiB", choose = "smallest" }
                 |                      ^^^^^^
            hint: `min-size = "9GiB"`, or smaller partitions"#]],
    );
    check(
        root,
        "{ size = 0, filesystem = \"ext4\", mount = \"/\" }",
        expect![[r#"
        error: line.toml:37:12: `size` is zero
          37 |   { size = 0, filesystem = "ext4", mount = "/" },
             |            ^
        hint: for example `"4GiB"`"#]],
    );
    check(
        root,
        "{ size = \"8GB\", filesystem = \"ext4\", mount = \"/\" }",
        expect![[r#"
        error: line.toml:37:12: `size` is not a size: units are `KiB`, `MiB`, `GiB` and `TiB`, powers of 1024
          37 |   { size = "8GB", filesystem = "ext4", mount = "/" },
             |            ^^^^^
        hint: a number and a unit: `"512MiB"`, `"4GiB"`; `8G` is 8GiB; without a unit it is octets"#]],
    );
    check(
        root,
        "{ size = \"rest\", filesystem = \"ext4\", mount = \"/\", label = \"the root file system\" }",
        expect![[r#"
            error: line.toml:37:62: `the root file system` cannot be the label of this file system
              37 |   { size = "rest", filesystem = "ext4", mount = "/", label = "the root file system" },
                 |                                                              ^^^^^^^^^^^^^^^^^^^^^^
            hint: `ext4` has room for 16 letters, digits, dashes and the like"#]],
    );
    check(
        root,
        "{ size = \"1GiB\", filesystem = \"swap\", mount = \"/\" }",
        expect![[r#"
            error: line.toml:37:49: swap space is not mounted
              37 |   { size = "1GiB", filesystem = "swap", mount = "/" },
                 |                                                 ^^^
            hint: leave `mount` out"#]],
    );
    check(
        root,
        "{ size = \"rest\", filesystem = \"ext4\" }",
        expect![[r#"
            error: line.toml:37:3: this file system is mounted nowhere
              37 |   { size = "rest", filesystem = "ext4" },
                 |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            hint: add `mount`, for example `mount = "/"`"#]],
    );
    check(
        esp,
        "{ size = \"512MiB\", filesystem = \"vfat\", mount = \"/\" }",
        expect![[r#"
        error: line.toml:32:1: there is no EFI system partition, so no UEFI box could boot
          32 | [[appliance.disk]]
             | ^^^^^^^^^^^^^^^^^^
        hint: add `{ size = "512MiB", filesystem = "vfat", mount = "/boot/efi" }`

        error: line.toml:36:51: `vfat` cannot be the root: it has no owners and no links
          36 |   { size = "512MiB", filesystem = "vfat", mount = "/" },
             |                                                   ^^^
        hint: `filesystem = "ext4"`

        error: line.toml:37:49: `/` is mounted twice, first in line 36
          37 |   { size = "rest", filesystem = "ext4", mount = "/" },
             |                                                 ^^^
        hint: each place has one file system"#]],
    );
    check(
        esp,
        "{ size = \"8MiB\", filesystem = \"vfat\", mount = \"/boot/efi\" }",
        expect![[r#"
            error: line.toml:36:49: the EFI system partition has 8MiB, too little for FAT32
              36 |   { size = "8MiB", filesystem = "vfat", mount = "/boot/efi" },
                 |                                                 ^^^^^^^^^^^
            hint: `size = "512MiB"`; FAT32 begins at 34MiB"#]],
    );
    check(
        esp,
        "{ size = \"512MiB\", filesystem = \"ext4\", mount = \"/boot/efi\" }",
        expect![[r#"
        error: line.toml:36:51: the EFI system partition must be `vfat`: firmware reads nothing else
          36 |   { size = "512MiB", filesystem = "ext4", mount = "/boot/efi" },
             |                                                   ^^^^^^^^^^^
        hint: `{ size = "512MiB", filesystem = "vfat", mount = "/boot/efi" }`"#]],
    );
    check(
        "choose = \"smallest\"",
        "max-size = \"2GiB\"",
        expect![[r#"
            error: line.toml:33:41: no disk has at least 4GiB and at most 2GiB
              33 | match = { min-size = "4GiB", max-size = "2GiB" }
                 |                                         ^^^^^^
            hint: `max-size` is above `min-size`, or not there"#]],
    );
    check(
        "choose = \"smallest\"",
        "transport = \"nmve\"",
        expect![[r#"
            error: line.toml:33:42: `transport` cannot be `"nmve"`
              33 | match = { min-size = "4GiB", transport = "nmve" }
                 |                                          ^^^^^^
            hint: it is spelt `"nvme"`"#]],
    );
    check(
        "choose = \"smallest\"",
        "rotational = \"no\"",
        expect![[r#"
        error: line.toml:33:43: `rotational` is `true` or `false`, not text
          33 | match = { min-size = "4GiB", rotational = "no" }
             |                                           ^^^^
        hint: for example `rotational = false`"#]],
    );
}
