//! Lines that are wrong: the build network.

use super::*;

/// A wrong address or range would be seen on the factory floor as boxes that get no address.
#[test]
fn networks() {
    let address = |right: &str, expected: Expect| check("\"10.77.0.1/24\"", right, expected);
    address(
        "\"10.77.0.1\"",
        expect![[r#"
        error: line.toml:5:11: `10.77.0.1` has no prefix length
          5 | address = "10.77.0.1"
            |           ^^^^^^^^^^^
        hint: with its prefix length: `"10.77.0.1/24"`"#]],
    );
    address(
        "\"10.77.0/24\"",
        expect![[r#"
        error: line.toml:5:11: `10.77.0` is not an IPv4 address
          5 | address = "10.77.0/24"
            |           ^^^^^^^^^^^^
        hint: an IPv4 address and a prefix length: `"10.77.0.1/24"`"#]],
    );
    address(
        "\"10.77.0.1/33\"",
        expect![[r#"
        error: line.toml:5:11: `/33` is not the prefix length of a build network
          5 | address = "10.77.0.1/33"
            |           ^^^^^^^^^^^^^^
        hint: between `/8` and `/30`, for example `/24` for 254 addresses"#]],
    );
    address(
        "\"10.77.0.0/24\"",
        expect![[r#"
            error: line.toml:5:11: 10.77.0.0 is the address of the network itself, not of a server
              5 | address = "10.77.0.0/24"
                |           ^^^^^^^^^^^^^^
            hint: one of 10.77.0.1 to 10.77.0.254"#]],
    );
    address(
        "\"10.77.0.255/24\"",
        expect![[r#"
            error: line.toml:5:11: 10.77.0.255 is the address of everybody on it, not of a server
              5 | address = "10.77.0.255/24"
                |           ^^^^^^^^^^^^^^^^
            hint: one of 10.77.0.1 to 10.77.0.254"#]],
    );
    address(
        "\"127.0.0.1/24\"",
        expect![[r#"
        error: line.toml:5:11: `127.0.0.1` cannot be a server's address
          5 | address = "127.0.0.1/24"
            |           ^^^^^^^^^^^^^^
        hint: an IPv4 address and a prefix length: `"10.77.0.1/24"`"#]],
    );
    address(
        "\"fd00::1/64\"",
        expect![[r#"
        error: line.toml:5:11: `fd00::1` is not an IPv4 address
          5 | address = "fd00::1/64"
            |           ^^^^^^^^^^^^
        hint: an IPv4 address and a prefix length: `"10.77.0.1/24"`"#]],
    );
    address(
        "\"192.168.7.1/24\"",
        expect![[r#"
        error: line.toml:7:9: the range 10.77.0.50-10.77.0.250 is not inside the network of 192.168.7.1/24
          7 | range = "10.77.0.50-10.77.0.250"
            |         ^^^^^^^^^^^^^^^^^^^^^^^^
        hint: that network has 192.168.7.1 to 192.168.7.254"#]],
    );
    let range = |right: &str, expected: Expect| check("\"10.77.0.50-10.77.0.250\"", right, expected);
    range(
        "\"10.77.0.250-10.77.0.50\"",
        expect![[r#"
        error: line.toml:7:9: the range ends at 10.77.0.50, before it begins at 10.77.0.250
          7 | range = "10.77.0.250-10.77.0.50"
            |         ^^^^^^^^^^^^^^^^^^^^^^^^
        hint: `"10.77.0.50-10.77.0.250"`"#]],
    );
    range(
        "\"10.77.0.1-10.77.0.250\"",
        expect![[r#"
        error: line.toml:7:9: the range 10.77.0.1-10.77.0.250 has the server's own address 10.77.0.1 in it
          7 | range = "10.77.0.1-10.77.0.250"
            |         ^^^^^^^^^^^^^^^^^^^^^^^
        hint: begin the range after it, or end it before"#]],
    );
    range(
        "\"10.77.0.50-10.77.0.255\"",
        expect![[r#"
        error: line.toml:7:9: the range 10.77.0.50-10.77.0.255 is not inside the network of 10.77.0.1/24
          7 | range = "10.77.0.50-10.77.0.255"
            |         ^^^^^^^^^^^^^^^^^^^^^^^^
        hint: that network has 10.77.0.1 to 10.77.0.254"#]],
    );
    range(
        "\"10.77.0.50\"",
        expect![[r#"
        error: line.toml:7:9: `10.77.0.50` is not a range
          7 | range = "10.77.0.50"
            |         ^^^^^^^^^^^^
        hint: first and last address with a dash between: `"10.77.0.50-10.77.0.250"`"#]],
    );
    range(
        "\"10.77.0.50-10.77.0.256\"",
        expect![[r#"
        error: line.toml:7:21: `10.77.0.256` is not an IPv4 address
          7 | range = "10.77.0.50-10.77.0.256"
            |                     ^^^^^^^^^^^
        hint: first and last address with a dash between: `"10.77.0.50-10.77.0.250"`"#]],
    );
    check(
        "range = \"10.77.0.50-10.77.0.250\"\n",
        "",
        expect![[r#"
        error: line.toml:3:1: [network] has no `range`, but with `dhcp = "full"` the server leases addresses
          3 | [network]
            | ^^^^^^^^^
        hint: for example `range = "10.77.0.50-10.77.0.250"`, or `dhcp = "proxy"` beside another DHCP server"#]],
    );
    check(
        "dhcp = \"full\"\nrange = \"10.77.0.50-10.77.0.250\"\n",
        "dhcp = \"proxy\"\n",
        expect!["no mistakes"],
    );
}

/// What is kept for whom, what is behind which relay, which loader is for which firmware: each slip by itself.
#[test]
fn networks_in_detail() {
    let with = |more: &str, expected: Expect| {
        let range = "range = \"10.77.0.50-10.77.0.250\"\n";
        check(range, &format!("{range}{more}"), expected);
    };
    with(
        r#"
router = "10.77.0.254"
name-servers = ["10.77.0.254", "192.0.2.53"]
[[network.reservation]]
mac = "52:54:00:12:34:56"
address = "10.77.0.20"
[[network.relay]]
address = "10.78.0.1/24"
range = "10.78.0.50-10.78.0.60"
[[network.reservation]]
mac = "52-54-00-12-34-57"
address = "10.78.0.20"
[[network.loader]]
firmware = "uefi-arm64"
file = "files/page"
"#,
        expect!["no mistakes"],
    );
    with(
        r#"
router = "10.78.0.254"
name-servers = ["here"]
[[network.reservation]]
mac = "52:54:00:12:34"
address = "10.77.0.1"
[[network.reservation]]
mac = "52:54:00:12:34:56"
address = "10.77.0.20"
[[network.reservation]]
mac = "52:54:00:12:34:56"
address = "10.77.0.20"
[[network.relay]]
address = "10.77.9.1/16"
range = "10.77.9.50-10.77.9.60"
[[network.loader]]
firmware = "uefi-arm"
file = "../arm64.efi"
[[network.loader]]
firmware = "bios"
file = "loaders/none.kpxe"
"#,
        expect![[r#"
            error: line.toml:9:10: 10.78.0.254 is not inside the network of 10.77.0.1/24
              9 | router = "10.78.0.254"
                |          ^^^^^^^^^^^^^
            hint: that network has 10.77.0.1 to 10.77.0.254

            error: line.toml:10:17: `here` is not an IPv4 address
              10 | name-servers = ["here"]
                 |                 ^^^^^^
            hint: for example `"10.77.0.254"`

            error: line.toml:12:7: `52:54:00:12:34` is not an Ethernet address
              12 | mac = "52:54:00:12:34"
                 |       ^^^^^^^^^^^^^^^^
            hint: six pairs of hex digits: `"52:54:00:12:34:56"`

            error: line.toml:13:11: 10.77.0.1 is no box's address on the network of 10.77.0.1/24
              13 | address = "10.77.0.1"
                 |           ^^^^^^^^^^^
            hint: an address of that network, other than the server's own

            error: line.toml:18:7: 52:54:00:12:34:56 has a reservation already
              18 | mac = "52:54:00:12:34:56"
                 |       ^^^^^^^^^^^^^^^^^^^
            hint: keep one of them

            error: line.toml:19:11: 10.77.0.20 is reserved for 52:54:00:12:34:56 already
              19 | address = "10.77.0.20"
                 |           ^^^^^^^^^^^^
            hint: give it another

            error: line.toml:21:11: the network of 10.77.9.1/16 overlaps that of 10.77.0.1/24
              21 | address = "10.77.9.1/16"
                 |           ^^^^^^^^^^^^^^
            hint: a network behind a relay has addresses of its own

            error: line.toml:24:12: `firmware` cannot be `"uefi-arm"`
              24 | firmware = "uefi-arm"
                 |            ^^^^^^^^^^
            hint: it is spelt `"uefi-arm32"`

            error: line.toml:25:8: `../arm64.efi` cannot be a loader's path
              25 | file = "../arm64.efi"
                 |        ^^^^^^^^^^^^^^
            hint: letters, digits, `-`, `_`, `.` and `/`, below the line's folder: `"loaders/arm64.efi"`

            error: line.toml:28:8: there is no file `loaders/none.kpxe` in the line's folder
              28 | file = "loaders/none.kpxe"
                 |        ^^^^^^^^^^^^^^^^^^^
            hint: put the loader there"#]],
    );
}
