//! What a person reads who wrote a line wrongly: ten mistakes in one file, then each kind by itself.
//! Long because every message has its golden text here.

use super::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A line's folder in memory.
pub(super) struct Files(BTreeMap<String, String>);

impl Folder for Files {
    fn text(&self, path: &str) -> Option<String> {
        self.0.get(path).cloned()
    }

    fn has(&self, path: &str) -> bool {
        self.0.keys().any(|file| file == path || file.starts_with(&format!("{path}/")))
    }
}

const RECIPE: &str = "suite = \"bookworm\"\npackages = [\"nginx-light\"]\n";
const PAGE: &str = "<h1>{{ answer.hostname }}</h1>\n";

pub(super) fn files() -> Files {
    let file = |(path, text): (&str, &str)| (path.to_owned(), text.to_owned());
    Files([("appliance.toml", RECIPE), ("files/page", PAGE)].map(file).into())
}

/// A line without mistakes, as short as it can be with everything in it.
pub(super) const GOOD: &str = r#"[line]
name = "edge"
[network]
interface = "enp3s0"
address = "10.77.0.1/24"
dhcp = "full"
range = "10.77.0.50-10.77.0.250"
[live]
suite = "bookworm"
kernel = "linux-image-amd64"
packages = ["lvm2"]
root = "nfs"
[[question]]
id = "hostname"
ask = "Host name"
type = "hostname"
default = "edge-{{ box.serial }}"
[[question]]
id = "site"
ask = "Site"
type = "choice"
choices = ["lab", "oslo"]
default = "lab"
[[question]]
id = "password"
ask = "Password"
type = "password"
min-length = 8
[appliance]
image = { recipe = "appliance.toml" }
confirm = "ask"
[[appliance.disk]]
match = { min-size = "4GiB", choose = "smallest" }
table = "gpt"
partitions = [
  { size = "512MiB", filesystem = "vfat", mount = "/boot/efi", label = "ESP" },
  { size = "rest", filesystem = "ext4", mount = "/" },
]
[[appliance.user]]
name = "admin"
password = "{{ answer.password }}"
groups = ["sudo"]
[[appliance.file]]
path = "/var/www/html/index.html"
template = "files/page"
[rehearsal]
answers = { hostname = "edge-1", site = "lab", password = "rehearsal" }
ready = "READY {{ answer.hostname }}"
"#;

pub(super) fn say(text: &str, files: &Files) -> String {
    match read(text, files) {
        Ok(_) => "no mistakes".into(),
        Err(mistakes) => mistakes.to_string(),
    }
}

/// Writes `right` in the place of `left` in the good line, and reads it.
#[track_caller]
fn check(left: &str, right: &str, expected: Expect) {
    assert_eq!(GOOD.matches(left).count(), 1, "`{left}` must stand once in the good line");
    expected.assert_eq(&say(&GOOD.replace(left, right), &files()));
}

/// The same for the recipe.
#[track_caller]
fn check_recipe(recipe: &str, expected: Expect) {
    let mut files = files();
    files.0.insert("appliance.toml".into(), recipe.into());
    expected.assert_eq(&say(GOOD, &files));
}

/// The shape that everything else is held against.
#[test]
fn a_good_line_is_read() {
    let line = read(GOOD, &files()).unwrap();
    assert_eq!(line.network.range.1, Ipv4Addr::new(10, 77, 0, 250));
    assert_eq!(line.appliance.hostname, "{{ answer.hostname }}");
    assert_eq!(line.appliance.disks[0].matching.min_size, Some(4 << 30));
    assert_eq!(line.appliance.files[0].mode, 0o644);
    assert!(
        matches!(&line.appliance.image, ImageSource::Recipe { recipe, .. } if recipe.packages == ["nginx-light"])
    );
    assert_eq!(line.rehearsal.answers["site"], "lab");
}

/// Correcting one mistake to be told of the next is how people lose a morning: all come at once, and none
/// comes twice.
#[test]
fn ten_kinds_of_mistakes_are_ten_reports() {
    let text = r#"[line]
name = "edge"
[network]
adress = "10.77.0.1/24"
range = "10.77.0.250-10.77.0.50"
[live]
suite = "bookworm"
packages = "lvm2"
[[question]]
id = "site"
ask = "Site"
type = "choice"
choices = ["lab", "oslo"]
default = "berlin"
[appliance]
image = { file = "edge.tar.zst", sha256 = "12ab" }
hostname = "edge-{{ answer.sit }}"
[[appliance.disk]]
match = { min-size = "4 gigs" }
partitions = [
  { size = "512MiB", filesystem = "vfat", mount = "boot/efi" },
  { size = "rest", filesystem = "zfs", mount = "/" },
]
"#;
    let mistakes = read(text, &files()).unwrap_err();
    assert_eq!(mistakes.0.len(), 10, "{mistakes}");
    assert_eq!(mistakes.count(), "10 mistakes in line.toml");
    expect![[r#"
        error: line.toml:4:1: [network] has no key `adress`
          4 | adress = "10.77.0.1/24"
            | ^^^^^^
        hint: it is spelt `address`

        error: line.toml:5:9: the range ends at 10.77.0.50, before it begins at 10.77.0.250
          5 | range = "10.77.0.250-10.77.0.50"
            |         ^^^^^^^^^^^^^^^^^^^^^^^^
        hint: `"10.77.0.50-10.77.0.250"`

        error: line.toml:6:1: [live] has no `kernel`
          6 | [live]
            | ^^^^^^
        hint: for example `kernel = "linux-image-amd64"`

        error: line.toml:8:12: `packages` is a list of texts, not text
          8 | packages = "lvm2"
            |            ^^^^^^
        hint: `packages = ["lvm2"]`

        error: line.toml:14:11: the default `berlin` is no answer to its own question
          14 | default = "berlin"
             |           ^^^^^^^^
        hint: choose one of lab, oslo, by its name or its number (1 to 2)

        error: line.toml:16:43: this is not a SHA-256: it has 4 characters
          16 | image = { file = "edge.tar.zst", sha256 = "12ab" }
             |                                           ^^^^^^
        hint: 64 hex digits, as `sha256sum` prints them

        error: line.toml:17:21: no question is called `sit`
          17 | hostname = "edge-{{ answer.sit }}"
             |                     ^^^^^^^^^^
        hint: it is spelt `site`

        error: line.toml:19:22: `min-size` is not a size: its unit is unknown
          19 | match = { min-size = "4 gigs" }
             |                      ^^^^^^^^
        hint: a number and a unit: `"512MiB"`, `"4GiB"`; `8G` is 8GiB; without a unit it is octets

        error: line.toml:21:51: the mount point `boot/efi` does not begin with `/`
          21 |   { size = "512MiB", filesystem = "vfat", mount = "boot/efi" },
             |                                                   ^^^^^^^^^^
        hint: an absolute path: `"/"`, `"/data"`

        error: line.toml:22:33: `filesystem` cannot be `"zfs"`
          22 |   { size = "rest", filesystem = "zfs", mount = "/" },
             |                                 ^^^^^
        hint: it is spelt `"xfs"`"#]]
    .assert_eq(&mistakes.to_string());
}

/// A key that is misspelt, misplaced or missing costs a look at the guide, unless the message is that look.
#[test]
fn keys() {
    check(
        "[rehearsal]",
        "[rehersal]",
        expect![[r#"
            error: line.toml:46:2: line.toml has no key `rehersal`
              46 | [rehersal]
                 |  ^^^^^^^^
            hint: it is spelt `rehearsal`"#]],
    );
    check(
        "name = \"edge\"",
        "name = \"edge\"\nsuite = \"bookworm\"",
        expect![[r#"
        error: line.toml:3:1: [line] has no key `suite`
          3 | suite = "bookworm"
            | ^^^^^
        hint: `suite` stands in [live]"#]],
    );
    check(
        "root = \"nfs\"",
        "root = \"nfs\"\nkernel_arguments = \"quiet\"",
        expect![[r#"
            error: line.toml:13:1: [live] has no key `kernel_arguments`
              13 | kernel_arguments = "quiet"
                 | ^^^^^^^^^^^^^^^^
            hint: it is spelt `kernel-arguments`"#]],
    );
    check(
        "root = \"nfs\"",
        "root = \"nfs\"\ncolour = \"blue\"",
        expect![[r#"
            error: line.toml:13:1: [live] has no key `colour`
              13 | colour = "blue"
                 | ^^^^^^
            hint: its keys are `kernel`, `drivers`, `modules`, `root`, `kernel-arguments`, `fallback`, `suite`, `packages`, `components`, `mirrors`, `snapshot`, `debs`, `files`, `extra-modules`, `scripts`, `enable`"#]],
    );
    check(
        "root = \"nfs\"\n",
        "root = \"nfs\"\n[live.fallback]\nkernel = \"linux-image-amd64\"\n",
        expect![[r#"
            error: line.toml:14:10: the fallback is the same as [live], and boots no box that [live] does not boot
              14 | kernel = "linux-image-amd64"
                 |          ^^^^^^^^^^^^^^^^^^^
            hint: name the kernel that has more drivers: `"linux-image-amd64"`"#]],
    );
    check(
        "root = \"nfs\"\n",
        "root = \"nfs\"\n[live.fallback]\npackages = [\"firmware-bnx2\"]\nroot = \"ram\"\n",
        expect![[r#"
            error: line.toml:13:1: [live.fallback] has no `kernel`
              13 | [live.fallback]
                 | ^^^^^^^^^^^^^^^
            hint: for example `kernel = "linux-image-amd64"`

            error: line.toml:15:1: [live.fallback] has no key `root`
              15 | root = "ram"
                 | ^^^^
            hint: `root` stands in [live]"#]],
    );
    check(
        "kernel = \"linux-image-amd64\"\n",
        "",
        expect![[r#"
        error: line.toml:8:1: [live] has no `kernel`
          8 | [live]
            | ^^^^^^
        hint: for example `kernel = "linux-image-amd64"`"#]],
    );
    check(
        "[line]\nname = \"edge\"\n",
        "",
        expect![[r#"
            error: line.toml:1:1: line.toml has no `[line]`
              1 | [network]
                | ^
            hint: add `[line]`"#]],
    );
    check(
        "[line]\nname = \"edge\"\n",
        "line = \"edge\"\n",
        expect![[r#"
        error: line.toml:1:8: `line` is a table, not text
          1 | line = "edge"
            |        ^^^^^^
        hint: write `[line]` with its keys below it"#]],
    );
    check(
        "[[appliance.disk]]",
        "[appliance.disk]",
        expect![[r#"
            error: line.toml:32:1: `disk` is a list of tables, not a table
              32 | [appliance.disk]
                 | ^^^^^^^^^^^^^^^^
            hint: write `[[appliance.disk]]` with its keys below it, once for each"#]],
    );
    check(
        "interface = \"enp3s0\"",
        "interface = 3",
        expect![[r#"
        error: line.toml:4:13: `interface` is text, not a number
          4 | interface = 3
            |             ^
        hint: for example `interface = "enp3s0"`"#]],
    );
    check(
        "name = \"edge\"",
        "name = \"\"",
        expect![[r#"
        error: line.toml:2:8: `name` is empty
          2 | name = ""
            |        ^^
        hint: for example `name = "edge-gateway"`"#]],
    );
    check(
        "interface = \"enp3s0\"",
        "interface = \"enp3s0 is the one\"",
        expect![[r#"
        error: line.toml:4:13: `enp3s0 is the one` cannot be an interface's name
          4 | interface = "enp3s0 is the one"
            |             ^^^^^^^^^^^^^^^^^^^
        hint: `ip link` lists the interfaces: `"enp3s0"`"#]],
    );
}

/// TOML itself: the unquoted address is the first mistake most people make.
#[test]
fn syntax() {
    check(
        "\"10.77.0.1/24\"",
        "10.77.0.1/24",
        expect![[r#"
            error: line.toml:5:11: text stands in quotes
              5 | address = 10.77.0.1/24
                |           ^^^^^^^^^^^^
            hint: `"10.77.0.1/24"`"#]],
    );
    check(
        "name = \"edge\"",
        "name = edge",
        expect![[r#"
        error: line.toml:2:8: text stands in quotes
          2 | name = edge
            |        ^^^^
        hint: `"edge"`"#]],
    );
    check(
        "name = \"edge\"",
        "name = \"edge",
        expect![[r#"
        error: line.toml:2:13: this is not TOML: invalid basic string, expected `"`
          2 | name = "edge
            |             ^
        hint: close the quote on the line where it is opened"#]],
    );
    check(
        "name = \"edge\"",
        "name = \"edge\"\nname = \"edge\"",
        expect![[r#"
        error: line.toml:3:1: `name` stands twice
          3 | name = "edge"
            | ^^^^
        hint: keep one of them"#]],
    );
    check(
        "[network]",
        "[network",
        expect![[r#"
        error: line.toml:3:9: this is not TOML: unclosed table, expected `]`
          3 | [network
            |         ^"#]],
    );
    check(
        "name = \"edge\"",
        "name \"edge\"",
        expect![[r#"
        error: line.toml:2:6: this is not TOML: key with no value, expected `=`
          2 | name "edge"
            |      ^"#]],
    );
    expect![[r#"
        error: line.toml:1:1: line.toml has no `[line]`
        hint: add `[line]`

        error: line.toml:1:1: line.toml has no `[network]`
        hint: add `[network]`

        error: line.toml:1:1: line.toml has no `[live]`
        hint: add `[live]`

        error: line.toml:1:1: line.toml has no `[appliance]`
        hint: add `[appliance]`"#]]
    .assert_eq(&say("", &files()));
}

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

/// A question that cannot be answered would stop every box of the line.
#[test]
fn questions() {
    check(
        "id = \"site\"",
        "id = \"hostname\"",
        expect![[r#"
            error: line.toml:19:6: the question of line 14 is called `hostname` too
              19 | id = "hostname"
                 |      ^^^^^^^^^^
            hint: each question has an id of its own"#]],
    );
    check(
        "id = \"site\"",
        "id = \"the site\"",
        expect![[r#"
            error: line.toml:19:6: `the site` cannot be a question's id
              19 | id = "the site"
                 |      ^^^^^^^^^^
            hint: letters, digits, dashes and underscores: `"hostname"`"#]],
    );
    check(
        "type = \"hostname\"",
        "type = \"host name\"",
        expect![[r#"
            error: line.toml:16:8: `type` cannot be `"host name"`
              16 | type = "host name"
                 |        ^^^^^^^^^^^
            hint: it is spelt `"hostname"`"#]],
    );
    check(
        "default = \"lab\"",
        "default = \"berlin\"",
        expect![[r#"
        error: line.toml:23:11: the default `berlin` is no answer to its own question
          23 | default = "berlin"
             |           ^^^^^^^^
        hint: choose one of lab, oslo, by its name or its number (1 to 2)"#]],
    );
    check(
        "choices = [\"lab\", \"oslo\"]\n",
        "",
        expect![[r#"
        error: line.toml:18:1: a question of type `"choice"` needs `choices`
          18 | [[question]]
             | ^^^^^^^^^^^^
        hint: for example `choices = ["lab", "berlin"]`"#]],
    );
    check(
        "choices = [\"lab\", \"oslo\"]",
        "choices = [\"lab\", \"lab\", 3]",
        expect![[r#"
        error: line.toml:22:19: `lab` stands twice in `choices`
          22 | choices = ["lab", "lab", 3]
             |                   ^^^^^
        hint: leave it out

        error: line.toml:22:26: `choices` is a list of texts, and this is none
          22 | choices = ["lab", "lab", 3]
             |                          ^
        hint: for example `choices = ["lab", "berlin"]`"#]],
    );
    check(
        "min-length = 8",
        "min-length = 0",
        expect![[r#"
        error: line.toml:28:14: `min-length` cannot be 0
          28 | min-length = 0
             |              ^
        hint: between 1 and 128"#]],
    );
    check(
        "min-length = 8",
        "min-length = -1",
        expect![[r#"
        error: line.toml:28:14: `min-length` is out of range
          28 | min-length = -1
             |              ^^
        hint: for example `min-length = 8`"#]],
    );
    check(
        "min-length = 8",
        "default = \"hunter2hunter2\"",
        expect![[r#"
        error: line.toml:28:11: a password has no default
          28 | default = "hunter2hunter2"
             |           ^^^^^^^^^^^^^^^^
        hint: leave it out: a password is typed"#]],
    );
    check(
        "type = \"hostname\"",
        "type = \"hostname\"\nmin-length = 8",
        expect![[r#"
        error: line.toml:17:1: a question of type `"hostname"` has no `min-length`
          17 | min-length = 8
             | ^^^^^^^^^^
        hint: leave it out, or write `type = "password"`"#]],
    );
    check(
        "edge-{{ box.serial }}",
        "edge-{{ box.seral }}",
        expect![[r#"
        error: line.toml:17:20: a box has no `seral`
          17 | default = "edge-{{ box.seral }}"
             |                    ^^^^^^^^^
        hint: `box.serial`"#]],
    );
    check(
        "edge-{{ box.serial }}",
        "edge-{{ answer.site }}",
        expect![[r#"
        error: line.toml:17:20: `{{ answer.site }}` is not known yet when this is asked
          17 | default = "edge-{{ answer.site }}"
             |                    ^^^^^^^^^^^
        hint: a default can name the answers to questions before it"#]],
    );
    check(
        "edge-{{ box.serial }}",
        "edge one",
        expect![[r#"
        error: line.toml:17:11: the default `edge one` is no answer to its own question
          17 | default = "edge one"
             |           ^^^^^^^^^^
        hint: a host name has letters, digits and dashes; a space cannot be in it"#]],
    );
    check(
        "edge-{{ box.serial }}",
        "edge-{{ box.serial",
        expect![[r#"
        error: line.toml:17:17: `{{` is not closed on its line
          17 | default = "edge-{{ box.serial"
             |                 ^^^^^^^^^^^^^
        hint: close it with `}}`, or write a literal `{{` as `{{ "{{" }}`"#]],
    );
}

/// What is installed: a path that leads nowhere, a password that is none.
#[test]
fn images_and_users_and_files() {
    let image =
        |right: &str, expected: Expect| check("image = { recipe = \"appliance.toml\" }", right, expected);
    image(
        "image = { recipe = \"aplliance.toml\" }",
        expect![[r#"
        error: line.toml:30:20: there is no file `aplliance.toml`
          30 | image = { recipe = "aplliance.toml" }
             |                    ^^^^^^^^^^^^^^^^
        hint: the path is relative to the line's folder"#]],
    );
    image(
        "image = { recipe = \"/etc/appliance.toml\" }",
        expect![[r#"
        error: line.toml:30:20: `/etc/appliance.toml` is not a path in the line's folder
          30 | image = { recipe = "/etc/appliance.toml" }
             |                    ^^^^^^^^^^^^^^^^^^^^^
        hint: a path relative to the folder of line.toml: `"files/motd"`"#]],
    );
    image(
        "image = { recipe = \"../appliance.toml\" }",
        expect![[r#"
        error: line.toml:30:20: `../appliance.toml` has an empty part, a `.` or a `..` in it
          30 | image = { recipe = "../appliance.toml" }
             |                    ^^^^^^^^^^^^^^^^^^^
        hint: a path relative to the folder of line.toml: `"files/motd"`"#]],
    );
    image(
        "image = {}",
        expect![[r#"
        error: line.toml:30:9: `image` has neither a `recipe` nor a `file`
          30 | image = {}
             |         ^^
        hint: `image = { recipe = "appliance.toml" }`"#]],
    );
    image(
        "image = { file = \"edge.tar\" }",
        expect![[r#"
        error: line.toml:30:18: `file` has no `sha256`
          30 | image = { file = "edge.tar" }
             |                  ^^^^^^^^^^
        hint: add the 64 hex digits that `sha256sum` prints"#]],
    );
    image(
        "image = \"edge.tar\"",
        expect![[r#"
        error: line.toml:30:9: `image` is a table, not text
          30 | image = "edge.tar"
             |         ^^^^^^^^^^
        hint: for example `image = { recipe = "appliance.toml" }`"#]],
    );
    image(
        "image = { recipe = \"appliance.toml\", file = \"edge.tar\" }",
        expect![[r#"
        error: line.toml:30:9: `image` has both a `recipe` and a `file`
          30 | image = { recipe = "appliance.toml", file = "edge.tar" }
             |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        hint: leave one of them out"#]],
    );
    check(
        "confirm = \"ask\"",
        "hostname = \"{{ answer.password }}\"",
        expect![[r#"
        error: line.toml:31:16: `password` is a password, and this text is shown
          31 | hostname = "{{ answer.password }}"
             |                ^^^^^^^^^^^^^^^
        hint: a password's hash may stand in `password` of a user and in files"#]],
    );
    check(
        "confirm = \"ask\"",
        "hostname = \"edge_1\"",
        expect![[r#"
        error: line.toml:31:12: `edge_1` is not a host name
          31 | hostname = "edge_1"
             |            ^^^^^^^^
        hint: a host name has letters, digits and dashes; an underscore cannot be in it"#]],
    );
    check(
        "confirm = \"ask\"",
        "kernel-arguments = 'console=\"ttyS0\"'",
        expect![[r#"
        error: line.toml:31:29: `\"` cannot stand on a kernel command line
          31 | kernel-arguments = 'console="ttyS0"'
             |                             ^
        hint: leave out quotes, `$`, backslashes and control characters"#]],
    );
    check(
        "name = \"admin\"",
        "name = \"Admin\"",
        expect![[r#"
        error: line.toml:40:8: `Admin` cannot be a login name
          40 | name = "Admin"
             |        ^^^^^^^
        hint: lower-case letters, digits, dashes and underscores, a letter first, at most 32"#]],
    );
    check(
        "password = \"{{ answer.password }}\"",
        "password = \"hunter2\"",
        expect![[r#"
        error: line.toml:41:12: this is not a crypt(5) hash
          41 | password = "hunter2"
             |            ^^^^^^^^^
        hint: ask for it with a question of type `"password"` and write `{{ answer.ID }}`"#]],
    );
    check(
        "password = \"{{ answer.password }}\"",
        "password = \"{{ answer.site }}\"",
        expect![[r#"
        error: line.toml:41:16: `answer.site` is not a password's hash
          41 | password = "{{ answer.site }}"
             |                ^^^^^^^^^^^
        hint: ask for it with a question of type `"password"` and write `{{ answer.ID }}`"#]],
    );
    check(
        "path = \"/var/www/html/index.html\"",
        "path = \"var/www/html/index.html\"",
        expect![[r#"
        error: line.toml:44:8: `var/www/html/index.html` does not begin with `/`
          44 | path = "var/www/html/index.html"
             |        ^^^^^^^^^^^^^^^^^^^^^^^^^
        hint: an absolute path in the installed system: `"/etc/motd"`"#]],
    );
    check(
        "template = \"files/page\"",
        "template = \"files/pages\"",
        expect![[r#"
        error: line.toml:45:12: there is no file `files/pages`
          45 | template = "files/pages"
             |            ^^^^^^^^^^^^^
        hint: the path is relative to the line's folder"#]],
    );
    check(
        "template = \"files/page\"",
        "template = \"files/page\"\nmode = 644",
        expect![[r#"
        error: line.toml:46:8: `mode` is not permission bits in octal
          46 | mode = 644
             |        ^^^
        hint: `"0644"`, or `"0755"` for a program"#]],
    );
    let mut files = files();
    files.0.insert("files/page".into(), "<h1>{{ answer.hostname }}</h1>\n<p>{{ answer.sight }}</p>\n".into());
    expect![[r#"
        error: files/page:2:7: no question is called `sight`
          2 | <p>{{ answer.sight }}</p>
            |       ^^^^^^^^^^^^
        hint: the questions are `hostname`, `site`, `password`"#]]
    .assert_eq(&say(GOOD, &files));
}

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

/// Where packages come from is decided here: a slip must not end in the wrong archive, or in one that nobody vouches
/// for.
#[test]
fn archives() {
    let mirror = |more: &str| {
        format!(
            "suite = \"bookworm\"\nmirrors = [{{ uri = \"https://a.example.org\", suites = [\"bookworm\"]{more} }}]\n"
        )
    };
    check_recipe(
        &mirror(", also = [\"b.example.org\"]"),
        expect![[r#"
        error: appliance.toml:2:76: `b.example.org` is not an archive's address
          2 | mirrors = [{ uri = "https://a.example.org", suites = ["bookworm"], also = ["b.example.org"] }]
            |                                                                            ^^^^^^^^^^^^^^^
        hint: it begins with `http://`, `https://` or `file:/` and has no spaces"#]],
    );
    check_recipe(
        &mirror(", accept = [\"expired\", \"everything\"]"),
        expect![[r#"
        error: appliance.toml:2:89: `everything` cannot stand in `accept`
          2 | org", suites = ["bookworm"], accept = ["expired", "everything"] }]
            |                                                   ^^^^^^^^^^^^
        hint: `"unsigned"`, `"expired"` or both"#]],
    );
    check_recipe(
        "suite = \"bookworm\"\nsnapshot = \"2026-01-01\"\n",
        expect![[r#"
        error: appliance.toml:2:12: `2026-01-01` is not a moment
          2 | snapshot = "2026-01-01"
            |            ^^^^^^^^^^^^
        hint: year, month, day, hour, minute, second in UTC: `"20260101T000000Z"`"#]],
    );
    check_recipe(
        &(mirror("") + "snapshot = \"20260101T000000Z\"\n"),
        expect![[r#"
        error: appliance.toml:3:12: no mirror's address has `{snapshot}` in it
          3 | snapshot = "20260101T000000Z"
            |            ^^^^^^^^^^^^^^^^^^
        hint: `mirrors = [{ uri = "https://snapshot.example.org/debian/{snapshot}", … }]`"#]],
    );
    check_recipe(
        "suite = \"bookworm\"\ndebs = [\"packages\"]\n",
        expect![[r#"
        error: appliance.toml:2:9: there is no file `packages`
          2 | debs = ["packages"]
            |         ^^^^^^^^^^
        hint: the path is relative to the line's folder"#]],
    );
}

/// A module that is named with its folder or ending would never be found.
#[test]
fn modules() {
    check(
        "root = \"nfs\"",
        "root = \"nfs\"\ndrivers = \"some\"\nmodules = [\"nvme-tcp\", \"drivers/net/tg3.ko\"]",
        expect![[r#"
            error: line.toml:13:11: `drivers` cannot be `"some"`
              13 | drivers = "some"
                 |           ^^^^^^
            hint: it is `"all"` or `"hardware"`

            error: line.toml:14:24: `drivers/net/tg3.ko` cannot be a module's name
              14 | modules = ["nvme-tcp", "drivers/net/tg3.ko"]
                 |                        ^^^^^^^^^^^^^^^^^^^^
            hint: without folder and `.ko`: `"nvme-tcp"`"#]],
    );
}

/// A module of the line's own is a file; the name of one of the kernel's belongs elsewhere.
#[test]
fn extra_modules() {
    check(
        "root = \"nfs\"",
        "root = \"nfs\"\nextra-modules = [\"nvme-tcp\", \"modules/gone.ko\"]",
        expect![[r#"
            error: line.toml:13:18: `nvme-tcp` is not a kernel module's file
              13 | extra-modules = ["nvme-tcp", "modules/gone.ko"]
                 |                  ^^^^^^^^^^
            hint: it ends in `.ko`, `.ko.xz`, `.ko.zst` or `.ko.gz`; the kernel's own modules are named in `modules`

            error: line.toml:13:30: there is no file `modules/gone.ko`
              13 | extra-modules = ["nvme-tcp", "modules/gone.ko"]
                 |                              ^^^^^^^^^^^^^^^^^
            hint: the path is relative to the line's folder"#]],
    );
}

/// Recipes stand in files of their own and are reported by their own names.
#[test]
fn recipes() {
    check_recipe(
        "",
        expect![[r#"
            error: appliance.toml:1:1: the recipe has no `suite`
            hint: for example `suite = "bookworm"`"#]],
    );
    check_recipe(
        "suite = \"bookworm\"\npackages = [\"nginx openssh-server\"]\n",
        expect![[r#"
        error: appliance.toml:2:13: `nginx openssh-server` cannot be a package's name
          2 | packages = ["nginx openssh-server"]
            |             ^^^^^^^^^^^^^^^^^^^^^^
        hint: each package in quotes of its own: `"nginx", "openssh-server"`"#]],
    );
    check_recipe(
        "suite = \"bookworm\"\npackages = [\"Nginx\", \"sudo\", \"sudo\"]\n",
        expect![[r#"
        error: appliance.toml:2:13: `Nginx` cannot be a package's name
          2 | packages = ["Nginx", "sudo", "sudo"]
            |             ^^^^^^^
        hint: lower-case letters, digits, `+`, `-` and `.`; versions are pinned by line.lock

        error: appliance.toml:2:30: `sudo` stands twice in `packages`
          2 | packages = ["Nginx", "sudo", "sudo"]
            |                              ^^^^^^
        hint: leave it out"#]],
    );
    check_recipe(
        "suite = \"bookworm\"\nenable = [\"nginx\"]\n",
        expect![[r#"
        error: appliance.toml:2:11: `nginx` is not a systemd unit
          2 | enable = ["nginx"]
            |           ^^^^^^^
        hint: `"nginx.service"`"#]],
    );
    check_recipe(
        "suite = \"bookworm\"\nscripts = [\"scripts/tidy\"]\n",
        expect![[r#"
        error: appliance.toml:2:12: there is no file `scripts/tidy`
          2 | scripts = ["scripts/tidy"]
            |            ^^^^^^^^^^^^^^
        hint: the path is relative to the line's folder"#]],
    );
    check_recipe(
        "suite = \"bookworm\"\nfiles = [{ source = \"files\", path = \"/etc/../motd\", mode = \"0999\" }]\n",
        expect![[r#"
            error: appliance.toml:2:37: `/etc/../motd` has an empty part, a `.` or a `..` in it
              2 | files = [{ source = "files", path = "/etc/../motd", mode = "0999" }]
                |                                     ^^^^^^^^^^^^^^
            hint: an absolute path in the installed system: `"/etc/motd"`

            error: appliance.toml:2:60: `mode` is not permission bits in octal
              2 | files = [{ source = "files", path = "/etc/../motd", mode = "0999" }]
                |                                                            ^^^^^^
            hint: `"0644"`, or `"0755"` for a program"#]],
    );
    check_recipe(
        "suite = \"bookworm\"\nmirrors = [{ uri = \"archive.example.org\", suites = [] }]\n",
        expect![[r#"
            error: appliance.toml:2:20: `archive.example.org` is not an archive's address
              2 | mirrors = [{ uri = "archive.example.org", suites = [] }]
                |                    ^^^^^^^^^^^^^^^^^^^^^
            hint: it begins with `http://`, `https://` or `file:/` and has no spaces

            error: appliance.toml:2:43: no suite is taken from it
              2 | mirrors = [{ uri = "archive.example.org", suites = [] }]
                |                                           ^^^^^^
            hint: for example `suites = ["bookworm"]`"#]],
    );
    check_recipe(
        "suite = \"bookworm\"\nkernel = \"linux-image-amd64\"\n",
        expect![[r#"
            error: appliance.toml:2:1: the recipe has no key `kernel`
              2 | kernel = "linux-image-amd64"
                | ^^^^^^
            hint: its keys are `suite`, `packages`, `components`, `mirrors`, `snapshot`, `debs`, `files`, `extra-modules`, `scripts`, `enable`"#]],
    );
    check(
        "packages = [\"lvm2\"]",
        "packages = [\"lvm2\", 2]\nmirrors = [\"https://archive.example.org\"]",
        expect![[r#"
            error: line.toml:11:21: `packages` is a list of texts, and this is none
              11 | packages = ["lvm2", 2]
                 |                     ^
            hint: for example `packages = ["lvm2", "mdadm"]`

            error: line.toml:12:12: `mirrors` is a list of tables, not text
              12 | mirrors = ["https://archive.example.org"]
                 |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            hint: for example `mirrors = [{ uri = "https://archive.example.org/debian", suites = ["bookworm"] }]`"#]],
    );
}

/// A rehearsal that cannot be answered would wait until its patience ends.
#[test]
fn rehearsals() {
    check(
        "site = \"lab\"",
        "site = \"paris\"",
        expect![[r#"
        error: line.toml:47:41: this is no answer to `site`
          47 | answers = { hostname = "edge-1", site = "paris", password = "rehearsal" }
             |                                         ^^^^^^^
        hint: choose one of lab, oslo, by its name or its number (1 to 2)"#]],
    );
    check(
        "site = \"lab\"",
        "colour = \"blue\"",
        expect![[r#"
        error: line.toml:47:34: no question is called `colour`
          47 | answers = { hostname = "edge-1", colour = "blue", password = "rehearsal" }
             |                                  ^^^^^^
        hint: the questions are `hostname`, `site`, `password`"#]],
    );
    check(
        "site = \"lab\"",
        "site = 1",
        expect![[r#"
        error: line.toml:47:41: `site` in `answers` is text, in quotes
          47 | answers = { hostname = "edge-1", site = 1, password = "rehearsal" }
             |                                         ^"#]],
    );
    check(
        "password = \"rehearsal\"",
        "password = \"short\"",
        expect![[r#"
        error: line.toml:47:59: this is no answer to `password`
          47 | answers = { hostname = "edge-1", site = "lab", password = "short" }
             |                                                           ^^^^^^^
        hint: it has 5 characters; the fewest is 8"#]],
    );
    check(
        "READY {{ answer.hostname }}",
        "READY {{ answer.password }}",
        expect![[r#"
        error: line.toml:48:19: `password` is a password, and this text is shown
          48 | ready = "READY {{ answer.password }}"
             |                   ^^^^^^^^^^^^^^^
        hint: a password's hash may stand in `password` of a user and in files"#]],
    );
    check(
        "READY {{ answer.hostname }}",
        "READY {{ hostname }}",
        expect![[r#"
            error: line.toml:48:19: `{{ hostname }}` names nothing
              48 | ready = "READY {{ hostname }}"
                 |                   ^^^^^^^^
            hint: a template knows `answer.ID` with a question's id, `box.serial`, `box.mac`, `box.uuid`, `box.product`, `box.manufacturer`, `box.firmware`, `box.processors`, `box.memory`, `box.disks`, `box.nics`"#]],
    );
}

/// A good line with some of its characters changed, taken out or put in.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (0..GOOD.len(), 0..6usize, "[\\[\\]{}\"'=,.\n #a-z0-9é\\\\-]{0,4}");
    proptest::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, taken, put) in edits {
            let at = at.min(text.len());
            let end = (at + taken).min(text.len());
            text.splice(at..end, put.chars());
        }
        text.into_iter().collect()
    })
}

proptest! {
    /// A line is written by hand: whatever is in the file, reading ends with a line or with mistakes, each of
    /// which stands in the file.
    #[test]
    fn any_text_is_a_line_or_mistakes(text in mutated(), recipe in "[ -~\n]{0,60}") {
        let mut files = files();
        if recipe.len() % 2 == 0 {
            files.0.insert("appliance.toml".into(), recipe);
        }
        if let Err(mistakes) = read(&text, &files) {
            prop_assert!(!mistakes.0.is_empty(), "refused without a reason:\n{}", text);
            for mistake in &mistakes.0 {
                prop_assert!(mistake.line <= text.lines().count() + 60 && mistake.column > 0);
            }
            prop_assert!(mistakes.to_string().starts_with("error: "));
        }
    }
}

/// The good line with a few questions more, and rules.
#[track_caller]
fn check_asked(more: &str, expected: Expect) {
    let text = GOOD.replacen("[appliance]", &format!("{more}\n[appliance]"), 1);
    expected.assert_eq(&say(&text, &files()));
}

/// A key that does nothing is believed to do something; each kind of question says what it has.
#[test]
fn keys_of_questions_are_held_against_their_type() {
    check_asked(
        r#"
[[question]]
id = "vlan"
ask = "VLAN"
type = "number"
min = 10
max = 4
pattern = "x"
[[question]]
id = "unit"
ask = "Unit"
type = "pattern"
pattern = "[A-Z"
[[question]]
id = "tag"
ask = "Tag"
type = "pattern"
pattern = "[A-Z]+"
example = "a1"
[[question]]
id = "net"
ask = "Network"
type = "cidr"
within = "10.0.0.0"
otherwise = "dhcp""#,
        expect![[r#"
            error: line.toml:35:7: nothing is at least 10 and at most 4
              35 | max = 4
                 |       ^
            hint: `max` is not below `min`

            error: line.toml:36:1: a question of type `"number"` has no `pattern`
              36 | pattern = "x"
                 | ^^^^^^^
            hint: leave it out, or write `type = "pattern"`

            error: line.toml:41:11: it is no regular expression: found unclosed character class
              41 | pattern = "[A-Z"
                 |           ^^^^^^
            hint: for example `"[A-Z]{2}[0-9]{4}"`; it has to fit the whole answer

            error: line.toml:47:11: the example `a1` is no answer itself
              47 | example = "a1"
                 |           ^^^^
            hint: it does not fit the pattern `[A-Z]+`

            error: line.toml:52:10: `10.0.0.0` is not a network
              52 | within = "10.0.0.0"
                 |          ^^^^^^^^^^
            hint: the prefix length is missing: `10.0.0.5/24`

            error: line.toml:53:13: this question is always asked
              53 | otherwise = "dhcp"
                 |             ^^^^^^
            hint: add `when`, or write `default` for the answer that Enter takes"#]],
    );
}

/// A condition that never holds asks nothing, and nobody notices.
#[test]
fn conditions_are_held_against_the_questions() {
    check_asked(
        r#"
[[question]]
id = "unit"
ask = "Unit"
type = "number"
when = 'answer.site == "lob" or answer.rack == 3 or answer.password'
[[question]]
id = "rack"
ask = "Rack"
type = "number"
max = 42
when = "box.disk > 1"
[[rule]]
require = "answer.rack != 99 and answer.site"
[[rule]]
require = "answer.rack < answer.unti"
say = "no"
[answers]
file = "boxes.csv""#,
        expect![[r#"
            error: line.toml:34:33: `answer.rack` is not known yet when this is decided
              34 | when = 'answer.site == "lob" or answer.rack == 3 or answer.password'
                 |                                 ^^^^^^^^^^^
            hint: `when` can name the answers to questions before it

            error: line.toml:34:53: a password is kept as its hash, and compares with nothing
              34 | when = 'answer.site == "lob" or answer.rack == 3 or answer.password'
                 |                                                     ^^^^^^^^^^^^^^^
            hint: ask another question for what shall be compared

            error: line.toml:40:9: a box has no `disk`
              40 | when = "box.disk > 1"
                 |         ^^^^^^^^
            hint: `box.disks`

            error: line.toml:41:1: [[rule]] has no `say`
              41 | [[rule]]
                 | ^^^^^^^^
            hint: for example `say = "the gateway is not in the network of the address"`

            error: line.toml:42:27: `99` is never the answer to `rack`
              42 | require = "answer.rack != 99 and answer.site"
                 |                           ^^
            hint: 99 is out of range; it has to be between 0 and 42

            error: line.toml:42:34: `answer.site` is never `yes`
              42 | require = "answer.rack != 99 and answer.site"
                 |                                  ^^^^^^^^^^^
            hint: compare it with something, as in `answer.site == "…"`

            error: line.toml:44:26: no question is called `unti`
              44 | require = "answer.rack < answer.unti"
                 |                          ^^^^^^^^^^^
            hint: it is spelt `unit`

            error: line.toml:47:8: there is no file `boxes.csv`
              47 | file = "boxes.csv"
                 |        ^^^^^^^^^^^
            hint: the path is relative to the line's folder"#]],
    );
}

/// A script that cannot run is found before forty boxes wait for it.
#[test]
fn scripts_of_the_appliance_are_looked_at() {
    check(
        "[[appliance.user]]",
        "[[appliance.script]]\nrun = \"files/page\"\n[[appliance.script]]\nrun = \"scripts/none\"\ntimeout = 0\n[[appliance.user]]",
        expect![[r#"
            error: line.toml:40:7: `files/page` does not begin with `#!`, so nothing can run it
              40 | run = "files/page"
                 |       ^^^^^^^^^^^^
            hint: its first line is `#!/bin/sh`, for example

            error: line.toml:42:7: there is no file `scripts/none`
              42 | run = "scripts/none"
                 |       ^^^^^^^^^^^^^^
            hint: the path is relative to the line's folder

            error: line.toml:43:11: `timeout` cannot be 0
              43 | timeout = 0
                 |           ^
            hint: seconds, between 1 and 86400"#]],
    );
}

/// What the line must boot, and what it does without: an exception nobody can place is no exception.
#[test]
fn hardware() {
    let with = |table: &str| {
        GOOD.replace("[[question]]\nid = \"hostname\"", &format!("{table}[[question]]\nid = \"hostname\""))
    };
    let good = with(
        "[hardware]\nprofiles = [\"dell-r740\"]\n[[hardware.exception]]\ndevice = \"14e4:165f\"\nprofile = \"dell-r740\"\nreason = \" unused \"\n",
    );
    let line = read(&good, &files()).unwrap();
    assert_eq!(line.hardware.profiles, ["dell-r740"]);
    assert_eq!(line.hardware.exceptions[0].reason, "unused");
    let wrong = with(
        "[hardware]\nprofiles = [\"dell-r7400\", \"abacus\"]\n[[hardware.exception]]\ndevice = \"14e4:16\"\nreason = \" \"\n[[hardware.exception]]\ndevice = \"usb:v0BDAp8153*\"\n",
    );
    expect![[r#"
        error: line.toml:14:13: no profile that comes with bootworks is called `dell-r7400`
          14 | profiles = ["dell-r7400", "abacus"]
             |             ^^^^^^^^^^^^
        hint: it is spelt `dell-r740`

        error: line.toml:14:27: no profile that comes with bootworks is called `abacus`
          14 | profiles = ["dell-r7400", "abacus"]
             |                           ^^^^^^^^
        hint: `bootworks hardware show` lists them; profiles of your own stand in hardware/

        error: line.toml:16:10: `14e4:16` is no device
          16 | device = "14e4:16"
             |          ^^^^^^^^^
        hint: its id (`"14e4:165f"`) or its whole modalias, as `bootworks check --json` has them

        error: line.toml:17:10: `reason` is empty
          17 | reason = " "
             |          ^^^
        hint: for example `reason = "these boxes boot from their X710; the ports on board stay unused"`

        error: line.toml:18:1: [[hardware.exception]] has no `reason`
          18 | [[hardware.exception]]
             | ^^^^^^^^^^^^^^^^^^^^^^
        hint: for example `reason = "these boxes boot from their X710; the ports on board stay unused"`"#]]
    .assert_eq(&say(&wrong, &files()));
}

/// The fallback is the same live OS with another kernel and what it adds; what it does not say is as in [live].
#[test]
fn a_fallback_has_what_the_live_os_has() {
    let text = GOOD.replacen(
        "root = \"nfs\"\n",
        "root = \"ram\"\nmodules = [\"nvme-tcp\"]\nkernel-arguments = \"quiet\"\n[live.fallback]\n\
         kernel = \"linux-image-rt-amd64\"\npackages = [\"firmware-bnx2\"]\n",
        1,
    );
    let text = text.replacen(
        "packages = [\"lvm2\"",
        "extra-modules = [\"modules/acme.ko\"]\npackages = [\"lvm2\"",
        1,
    );
    let mut files = files();
    files.0.insert("modules/acme.ko".into(), String::new());
    let live = read(&text, &files).unwrap().live;
    let second = live.fallback.as_deref().unwrap();
    assert_eq!(second.whole_recipe().packages, ["lvm2", "firmware-bnx2", "linux-image-rt-amd64"]);
    assert_eq!((second.root, second.kernel_arguments.as_str()), (RootRoad::Ram, "quiet"));
    assert!(second.modules.is_empty() && second.fallback.is_none());
    // It was compiled for one kernel, and the other would not load it.
    assert_eq!((live.recipe.extra_modules.len(), second.recipe.extra_modules.len()), (1, 0));
    assert_eq!(live.whole_recipe().packages, ["lvm2", "linux-image-amd64"]);
}
