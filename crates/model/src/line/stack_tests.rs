//! What is read of stacked disks, and what is said about mistakes in them.

use super::tests::{GOOD, files, say};
use expect_test::{Expect, expect};

/// The good line with this storage instead of its disks.
#[track_caller]
fn check(storage: &str, expected: Expect) {
    let start = GOOD.find("[[appliance.disk]]").unwrap();
    let end = GOOD.find("[[appliance.user]]").unwrap();
    let question =
        "[[question]]\nid = \"unlock\"\nask = \"Passphrase\"\ntype = \"passphrase\"\n[appliance]\n";
    let text = format!("{}{storage}{}", &GOOD[..start], &GOOD[end..]).replace("[appliance]\n", question);
    expected.assert_eq(&say(&text, &files()));
}

const MIRROR: &str = r#"[[appliance.disk]]
match = { count = 2, transport = "nvme", wwn = "eui.*" }
partitions = [
  { size = "300MiB", part-of = "esp" },
  { size = "rest", part-of = "system" },
]
[[appliance.raid]]
name = "esp"
level = 1
filesystem = "vfat"
mount = "/boot/efi"
[[appliance.raid]]
name = "system"
level = 1
filesystem = "ext4"
mount = "/"
"#;

const ENCRYPTED: &str = r#"[[appliance.disk]]
partitions = [
  { size = "300MiB", filesystem = "vfat", mount = "/boot/efi" },
  { size = "1GiB", filesystem = "ext4", mount = "/boot" },
  { size = "rest", part-of = "vault" },
]
[[appliance.encrypted]]
name = "vault"
passphrase = "{{ answer.unlock }}"
part-of = "vg0"
[[appliance.volume-group]]
name = "vg0"
volumes = [
  { name = "root", size = "4GiB", filesystem = "ext4", mount = "/" },
  { name = "pool", size = "rest", thin-pool = true },
  { name = "data", size = "20GiB", thin = "pool", filesystem = "xfs", mount = "/data" },
]
"#;

/// One thing changed in a good storage.
#[track_caller]
fn change(good: &str, left: &str, right: &str, expected: Expect) {
    assert!(good.contains(left), "`{left}` is not there");
    check(&good.replacen(left, right, 1), expected);
}

#[test]
fn good_stacks_are_read() {
    check(MIRROR, expect!["no mistakes"]);
    check(ENCRYPTED, expect!["no mistakes"]);
    let subvolumes = r#"filesystem = "btrfs", subvolumes = [{ name = "@", mount = "/" }, { name = "@home", mount = "/home" }] }"#;
    change(
        MIRROR,
        "filesystem = \"ext4\"\nmount = \"/\"",
        subvolumes.trim_end_matches(" }").replace(", sub", "\nsub").as_str(),
        expect!["no mistakes"],
    );
}

/// A name that is nothing's would leave a partition empty and a box without its disk.
#[test]
fn names_that_do_not_fit() {
    change(
        MIRROR,
        "part-of = \"system\"",
        "part-of = \"sytem\"",
        expect![[r#"
            error: line.toml:40:30: nothing is called `sytem`
              40 |   { size = "rest", part-of = "sytem" },
                 |                              ^^^^^^^
            hint: it is spelt `system`"#]],
    );
    change(
        MIRROR,
        "name = \"system\"",
        "name = \"esp\"",
        expect![[r#"
        error: line.toml:40:30: nothing is called `system`
          40 |   { size = "rest", part-of = "system" },
             |                              ^^^^^^^^
        hint: there are `esp`, `esp`

        error: line.toml:48:8: `esp` is the name of another, in line 43
          48 | name = "esp"
             |        ^^^^^
        hint: RAIDs, encrypted volumes and groups share one set of names"#]],
    );
    change(
        MIRROR,
        "name = \"system\"",
        "name = \"My-Raid\"",
        expect![[r#"
            error: line.toml:40:30: nothing is called `system`
              40 |   { size = "rest", part-of = "system" },
                 |                              ^^^^^^^^
            hint: there are `esp`, `My-Raid`

            error: line.toml:48:8: `My-Raid` cannot be the name of a device
              48 | name = "My-Raid"
                 |        ^^^^^^^^^
            hint: lower-case letters, digits and underscores, a letter first, at most 32"#]],
    );
    change(
        ENCRYPTED,
        "part-of = \"vg0\"\n",
        "part-of = \"vault\"\n",
        expect![[r#"
            error: line.toml:43:8: `vault` is part of itself
              43 | name = "vault"
                 |        ^^^^^^^
            hint: a stack begins with partitions"#]],
    );
    change(
        ENCRYPTED,
        "thin = \"pool\"",
        "thin = \"pond\"",
        expect![[r#"
        error: line.toml:51:43: no volume of the group is a thin pool called `pond`
          51 |   { name = "data", size = "20GiB", thin = "pond", filesystem = "xfs", mount = "/data" },
             |                                           ^^^^^^
        hint: add one before it: `{ name = "pool", size = "rest", thin-pool = true }`"#]],
    );
}

#[test]
fn members_that_are_too_few_or_too_many() {
    change(
        MIRROR,
        "count = 2, ",
        "",
        expect![[r#"
        error: line.toml:43:8: `esp`: RAID 1 needs 2 members, and it has 1
          43 | name = "esp"
             |        ^^^^^
        hint: partitions with `part-of = "esp"`; `count` in `match` multiplies them

        error: line.toml:48:8: `system`: RAID 1 needs 2 members, and it has 1
          48 | name = "system"
             |        ^^^^^^^^
        hint: partitions with `part-of = "system"`; `count` in `match` multiplies them"#]],
    );
    change(
        MIRROR,
        "level = 1\nfilesystem = \"ext4\"",
        "level = 6\nfilesystem = \"ext4\"",
        expect![[r#"
        error: line.toml:48:8: `system`: RAID 6 needs 4 members, and it has 2
          48 | name = "system"
             |        ^^^^^^^^
        hint: partitions with `part-of = "system"`; `count` in `match` multiplies them"#]],
    );
    change(
        MIRROR,
        "level = 1\nfilesystem = \"ext4\"",
        "level = 4\nfilesystem = \"ext4\"",
        expect![[r#"
        error: line.toml:49:9: there is no RAID level 4
          49 | level = 4
             |         ^
        hint: it is 0, 1, 5, 6 or 10"#]],
    );
    change(
        MIRROR,
        "count = 2",
        "count = 0",
        expect![[r#"
            error: line.toml:37:19: `count` cannot be 0
              37 | match = { count = 0, transport = "nvme", wwn = "eui.*" }
                 |                   ^
            hint: between 1 and 128"#]],
    );
    change(
        ENCRYPTED,
        "filesystem = \"ext4\", mount = \"/boot\"",
        "part-of = \"vault\"",
        expect![[r#"
        error: line.toml:43:8: `vault`: 2 things are part of it, and it takes one
          43 | name = "vault"
             |        ^^^^^^^
        hint: partitions with `part-of = "vault"`; `count` in `match` multiplies them

        error: line.toml:49:64: GRUB cannot read the kernel from `/`: it is encrypted
          49 |   { name = "root", size = "4GiB", filesystem = "ext4", mount = "/" },
             |                                                                ^^^
        hint: add `{ size = "1GiB", filesystem = "ext4", mount = "/boot" }` before it"#]],
    );
}

/// GRUB and firmware come before anything is unlocked or assembled.
#[test]
fn what_could_not_boot() {
    change(
        ENCRYPTED,
        "  { size = \"1GiB\", filesystem = \"ext4\", mount = \"/boot\" },\n",
        "",
        expect![[r#"
            error: line.toml:48:64: GRUB cannot read the kernel from `/`: it is encrypted
              48 |   { name = "root", size = "4GiB", filesystem = "ext4", mount = "/" },
                 |                                                                ^^^
            hint: add `{ size = "1GiB", filesystem = "ext4", mount = "/boot" }` before it"#]],
    );
    change(
        ENCRYPTED,
        "passphrase = \"{{ answer.unlock }}\"",
        "key-file = \"/etc/keys/vault\"",
        expect![[r#"
            error: line.toml:43:8: `vault` holds the root, so its key cannot be a file in the appliance
              43 | name = "vault"
                 |        ^^^^^^^
            hint: `passphrase = "{{ answer.ID }}"` instead of `key-file`"#]],
    );
    change(
        ENCRYPTED,
        "passphrase = \"{{ answer.unlock }}\"\npart-of = \"vg0\"",
        "tpm2 = true\nkey-file = \"/etc/keys/vault\"\nfilesystem = \"ext4\"\nmount = \"/srv\"",
        expect![[r#"
            error: line.toml:44:1: there is both a `key-file` and `tpm2`
              44 | tpm2 = true
                 | ^^^^
            hint: a key in a file is read by the appliance itself: leave one of them out

            error: line.toml:49:8: `vg0`: nothing is part of it
              49 | name = "vg0"
                 |        ^^^^^
            hint: partitions with `part-of = "vg0"`; `count` in `match` multiplies them"#]],
    );
    change(
        MIRROR,
        "level = 1\nfilesystem = \"vfat\"",
        "level = 0\nfilesystem = \"vfat\"",
        expect![[r#"
        error: line.toml:46:9: firmware reads an EFI system partition on a plain partition or a RAID 1 of them only
          46 | mount = "/boot/efi"
             |         ^^^^^^^^^^^
        hint: `part-of` an `[[appliance.raid]]` with `level = 1`"#]],
    );
    let thin = "thin = \"pool\", filesystem = \"xfs\", mount = \"/boot\"";
    let moved = ENCRYPTED
        .replace("  { size = \"1GiB\", filesystem = \"ext4\", mount = \"/boot\" },\n", "")
        .replace("part-of = \"vault\"", "part-of = \"vg0\"");
    let moved = moved.replace("[[appliance.encrypted]]\nname = \"vault\"\npassphrase = \"{{ answer.unlock }}\"\npart-of = \"vg0\"\n", "");
    change(
        &moved,
        "thin = \"pool\", filesystem = \"xfs\", mount = \"/data\"",
        thin,
        expect![[r#"
        error: line.toml:46:79: GRUB cannot read the kernel from `/boot`: it is on a thin volume
          46 |   { name = "data", size = "20GiB", thin = "pool", filesystem = "xfs", mount = "/boot" },
             |                                                                               ^^^^^^^
        hint: add `{ size = "1GiB", filesystem = "ext4", mount = "/boot" }` before it"#]],
    );
}

/// A passphrase is typed, and never a hash, a text of the line, or something written into a file.
#[test]
fn keys() {
    change(
        ENCRYPTED,
        "{{ answer.unlock }}",
        "{{ answer.password }}",
        expect![[r#"
        error: line.toml:44:18: `answer.password` is not a passphrase
          44 | passphrase = "{{ answer.password }}"
             |                  ^^^^^^^^^^^^^^^
        hint: ask for it with a question of type `"passphrase"` and write `{{ answer.ID }}`"#]],
    );
    change(
        ENCRYPTED,
        "{{ answer.unlock }}",
        "hunter2",
        expect![[r#"
        error: line.toml:44:14: this passphrase would be known to who reads the line
          44 | passphrase = "hunter2"
             |              ^^^^^^^^^
        hint: ask for it with a question of type `"passphrase"` and write `{{ answer.ID }}`"#]],
    );
    change(
        ENCRYPTED,
        "passphrase = \"{{ answer.unlock }}\"\n",
        "",
        expect![[r#"
        error: line.toml:42:1: there is neither a `passphrase` nor a `key-file`
          42 | [[appliance.encrypted]]
             | ^^^^^^^^^^^^^^^^^^^^^^^
        hint: ask for it with a question of type `"passphrase"` and write `passphrase = "{{ answer.ID }}"`"#]],
    );
    let both = "key-file = \"/k\"\npassphrase = \"{{ answer.unlock }}\"\n";
    change(
        ENCRYPTED,
        "passphrase = \"{{ answer.unlock }}\"\n",
        both,
        expect![[r#"
            error: line.toml:44:12: there is both a `passphrase` and a `key-file`
              44 | key-file = "/k"
                 |            ^^^^
            hint: leave one of them out"#]],
    );
}

#[test]
fn contents_that_contradict_themselves() {
    change(
        MIRROR,
        "part-of = \"system\"",
        "part-of = \"system\", mount = \"/srv\"",
        expect![[r#"
        error: line.toml:40:40: what is `part-of` something has no `mount` of its own
          40 |   { size = "rest", part-of = "system", mount = "/srv" },
             |                                        ^^^^^
        hint: leave `mount` out, or write it where `system` is"#]],
    );
    change(
        MIRROR,
        "part-of = \"system\" }",
        "filesystem = \"ext4\", mount = \"/srv\" }",
        expect![[r#"
        error: line.toml:40:20: several disks laid out alike cannot each have this file system
          40 |   { size = "rest", filesystem = "ext4", mount = "/srv" },
             |                    ^^^^^^^^^^
        hint: make it `part-of` an `[[appliance.raid]]`, an LVM `volume-group` or an `encrypted` volume

        error: line.toml:48:8: `system`: nothing is part of it
          48 | name = "system"
             |        ^^^^^^^^
        hint: partitions with `part-of = "system"`; `count` in `match` multiplies them"#]],
    );
    change(
        MIRROR,
        ", part-of = \"system\"",
        "",
        expect![[r#"
        error: line.toml:40:3: there is neither a `filesystem` nor a `part-of`
          40 |   { size = "rest" },
             |   ^^^^^^^^^^^^^^^^^
        hint: for example `filesystem = "ext4"`"#]],
    );
    change(
        MIRROR,
        "filesystem = \"ext4\"",
        "filesystem = \"ext4\"\nsubvolumes = [{ name = \"a b\", mount = \"/a\" }]",
        expect![[r#"
            error: line.toml:51:1: `ext4` has no subvolumes
              51 | subvolumes = [{ name = "a b", mount = "/a" }]
                 | ^^^^^^^^^^
            hint: `filesystem = "btrfs"`, or leave them out

            error: line.toml:51:24: `a b` cannot name a subvolume
              51 | subvolumes = [{ name = "a b", mount = "/a" }]
                 |                        ^^^^^
            hint: letters, digits, `@`, `_`, `-` and `.`: `"@home"`

            error: line.toml:52:9: a file system with subvolumes is mounted by them
              52 | mount = "/"
                 |         ^^^
            hint: give one of `subvolumes` this `mount`"#]],
    );
    change(
        ENCRYPTED,
        "thin-pool = true",
        "thin-pool = true, mount = \"/\"",
        expect![[r#"
        error: line.toml:50:53: a thin pool has no `mount`
          50 |   { name = "pool", size = "rest", thin-pool = true, mount = "/" },
             |                                                     ^^^^^
        hint: its thin volumes have"#]],
    );
    change(
        ENCRYPTED,
        "size = \"20GiB\", thin",
        "size = \"rest\", thin",
        expect![[r#"
        error: line.toml:51:20: a thin volume has a size of its own
          51 |   { name = "data", size = "rest", thin = "pool", filesystem = "xfs", mount = "/data" },
             |                    ^^^^
        hint: for example `size = "20GiB"`"#]],
    );
}

/// What can be left as it is, and what the image or the table would not leave.
#[test]
fn preserving() {
    let plain = r#"[[appliance.disk]]
partitions = [
  { size = "300MiB", filesystem = "vfat", mount = "/boot/efi" },
  { size = "4GiB", filesystem = "ext4", mount = "/" },
  { size = "rest", filesystem = "ext4", mount = "/data", preserve = true },
]
"#;
    check(plain, expect!["no mistakes"]);
    change(
        plain,
        "mount = \"/data\"",
        "mount = \"/var\"",
        expect![[r#"
        error: line.toml:40:57: the image writes to `/var`, so it cannot stay as it is
          40 |   { size = "rest", filesystem = "ext4", mount = "/var", preserve = true },
             |                                                         ^^^^^^^^
        hint: leave `preserve` out, or put the data on a partition of its own, for example at `/data`"#]],
    );
    change(
        plain,
        "partitions =",
        "table = \"mbr\"\npartitions =",
        expect![[r#"
        error: line.toml:41:58: `preserve` needs `table = "gpt"`
          41 |   { size = "rest", filesystem = "ext4", mount = "/data", preserve = true },
             |                                                          ^^^^^^^^
        hint: leave `preserve` out, or put the data on a partition of its own, for example at `/data`"#]],
    );
    change(
        plain,
        "partitions =",
        "erase = \"zero\"\npartitions =",
        expect![[r#"
        error: line.toml:41:58: the disk is erased: nothing on it can be preserved
          41 |   { size = "rest", filesystem = "ext4", mount = "/data", preserve = true },
             |                                                          ^^^^^^^^
        hint: leave `preserve` out, or put the data on a partition of its own, for example at `/data`"#]],
    );
    change(
        plain,
        "filesystem = \"ext4\", mount = \"/data\"",
        "filesystem = \"swap\"",
        expect![[r#"
        error: line.toml:40:41: swap space holds nothing to preserve
          40 |   { size = "rest", filesystem = "swap", preserve = true },
             |                                         ^^^^^^^^
        hint: leave `preserve` out, or put the data on a partition of its own, for example at `/data`"#]],
    );
}

#[test]
fn more_partitions_than_an_mbr_has() {
    let five = (0..3)
        .map(|number| format!("  {{ size = \"1GiB\", filesystem = \"ext4\", mount = \"/{number}\" }},\n"));
    let five: String = five.collect();
    let text = format!(
        "[[appliance.disk]]\ntable = \"mbr\"\npartitions = [\n  {{ size = \"300MiB\", filesystem = \"vfat\", mount = \"/boot/efi\" }},\n{five}  {{ size = \"rest\", filesystem = \"ext4\", mount = \"/\" }},\n]\n"
    );
    check(
        &text,
        expect![[r#"
        error: line.toml:43:3: 5 partitions are more than `mbr` holds
          43 |   { size = "rest", filesystem = "ext4", mount = "/" },
             |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        hint: `table = "gpt"`, or at most four partitions"#]],
    );
}
