//! What a person reads who wrote a line wrongly: ten mistakes in one file, then each kind by itself.

mod appliance;
mod burn_in;
mod cloud_init;
mod disk;
mod live;
mod network;
mod question;
mod recipe;

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
