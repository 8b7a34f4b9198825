//! The guide's page on `line.toml`, printed from the table of keys, so that it cannot say anything else than
//! the reader does. `UPDATE_EXPECT=1` writes it anew.

use super::keys::{LINE_FILE, RECIPE_FILE};
use crate::sheet::table::{Kind, Need, Table};
use expect_test::expect_file;
use std::fmt::Write as _;

const HEAD: &str = "# The line: `line.toml`

A line is one folder of text, kept in git. `line.toml` says what network it is on, what its boxes boot, what they
are asked and what is installed on them; recipes and templates stand in files beside it. `bootworks new DIR` makes
a line that works as it is.

What is wrong in it is reported all at once, each mistake with its line and column and with what would be right:

```text
error: line.toml:5:1: [network] has no key `adress`
  5 | adress = \"10.77.0.1/24\"
    | ^^^^^^
hint: it is spelt `address`
```

This page is printed from the table that the reader itself refuses by.
";

const TAIL: &str = "
## Sizes

A number with a unit in quotes: `\"512MiB\"`, `\"4GiB\"`, `\"8G\"` (which is 8GiB). Units are powers of 1024. A number
without a unit is octets. `GB` and the like are refused, because half of all people read them as powers of 1000.

## Templates

Host names, defaults, users' passwords, `ready` and the files of `[[appliance.file]]` and `[appliance.cloud-init]` may have names in them:

| name | what is filled in |
| --- | --- |
| `{{ answer.ID }}` | the answer to the question with that id; of a password its crypt(5) hash, never the password |
| `{{ box.serial }}` | the box's serial number, as its firmware says it (SMBIOS) |
| `{{ box.mac }}` | the MAC of the network interface it booted from |
| `{{ box.uuid }}` | its UUID (SMBIOS) |
| `{{ box.product }}` | its product name (SMBIOS) |
| `{{ box.manufacturer }}` | its manufacturer (SMBIOS) |
| `{{ box.firmware }}` | `bios` or `uefi` |
| `{{ box.processors }}` | number of its logical processors |
| `{{ box.memory }}` | its memory in octets |
| `{{ box.disks }}` | number of its disks, without those that can be pulled out by hand |
| `{{ box.nics }}` | number of its network interfaces |

A literal `{{` is written `{{ \"{{\" }}`. Where a box's firmware says nothing (or `To Be Filled By O.E.M.`), a default
that names it is not proposed. The default of a question of type `hostname` is made a host name: the serial number
`ABC 123/4` becomes `abc-123-4`.

## Answers

| type | what counts |
| --- | --- |
| `text` | one line of up to 200 characters |
| `hostname` | letters, digits and dashes, parts divided by dots, up to 64 characters (RFC 1123) |
| `ip` | an IPv4 or IPv6 address |
| `cidr` | an address with its prefix length: `10.0.0.5/24` |
| `mac` | an Ethernet address, with colons or dashes; kept in lower case with colons |
| `number` | a whole number from `min` to `max` |
| `choice` | one of `choices`, by its name or its number |
| `multi-choice` | `min` to `max` of `choices`, by names or numbers with commas between them; kept as `web,mail` |
| `yes-no` | `yes` or `no`, or `y` or `n` |
| `password` | at least `min-length` characters; typed hidden and twice, kept as a hash only |
| `pattern` | text that fits `pattern` from its first character to its last |
| `asset-tag` | what a barcode scanner types, ended by Enter or Tab: printable ASCII without spaces |

On a console `<` and Enter goes back to the question before; the answers stand below the plan once more, and the number
of one asks it again. Nothing is written before the plan is confirmed.

## Conditions

`when` and `require` are conditions over answers and the box:

| written | holds where |
| --- | --- |
| `answer.static` | the answer is `yes` |
| `answer.site == \"lab\"`, `!=` | both are the same, or not; numbers, sizes and addresses by what they are |
| `box.disks >= 2`, `box.memory < 16GiB`, `>`, `<=` | both are numbers, sizes or addresses, in that order |
| `answer.site in [\"lab\", \"oslo\"]` | it is one of these |
| `answer.roles has \"web\"` | the choice is among those chosen |
| `answer.gateway within answer.address` | the address lies in the network; networks can be written, too: `10.0.0.0/8` |
| `and`, `or`, `not`, `( )` | as in English; `and` binds closer than `or` |

What cannot be compared does not hold. An answer to a question that is not asked is its `otherwise`, or empty.

## Answers known beforehand

`[answers]` names a file, and so does `bootworks serve --answers FILE`. As CSV (a spreadsheet saves it; commas,
semicolons or tabs between the fields) its first row names the columns: `serial` or `mac`, and the ids of questions. An
empty field is not answered.

```text
serial,hostname,site
SN-0041,edge-0041,berlin
SN-0042,edge-0042,oslo
```

As TOML, what stands before the first table counts for every box:

```toml
site = \"berlin\"

[box.\"SN-0041\"]
hostname = \"edge-0041\"

[box.\"52:54:00:12:34:56\"]
hostname = \"edge-0042\"
site = \"oslo\"
```

Whatever is not answered there is asked. Answers that do not count, boxes that stand twice and answers that break a rule
are refused when the server starts, each with its line and column.

## A whole line

```toml
{{#include ../../examples/edge-gateway/line.toml}}
```

Its recipe, `appliance.toml`:

```toml
{{#include ../../examples/edge-gateway/appliance.toml}}
```
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut done = vec![LINE_FILE.name];
    for key in LINE_FILE.keys() {
        if let Kind::Table(table) | Kind::Tables(table) = key.kind {
            section(&mut page, table, key.need, "##", &mut done);
        }
    }
    section(&mut page, &RECIPE_FILE, Need::Must, "##", &mut done);
    page + TAIL
}

/// A table, then those below it that were not explained yet.
fn section(page: &mut String, table: &'static Table, need: Need, level: &str, done: &mut Vec<&'static str>) {
    if done.contains(&table.name) {
        return;
    }
    done.push(table.name);
    let title = if table.name.starts_with('[') || table.name.contains('=') {
        format!("`{}`", table.name)
    } else {
        "A recipe: `appliance.toml`".into()
    };
    let _ = write!(page, "\n{level} {title}\n\n{}", table.says);
    if let Need::May(absent) = need {
        let _ = write!(page, " If it is absent: {absent}.");
    }
    page.push_str(
        "\n\n| key | what stands there | if it is absent | what it says |\n| --- | --- | --- | --- |\n",
    );
    for key in table.keys() {
        let absent = match key.need {
            Need::Must => "it must be there",
            Need::May(absent) => absent,
        };
        let example = if key.example.is_empty() {
            String::new()
        } else {
            format!(" Example: `{} = {}`", key.name, key.example)
        };
        let kind = match key.kind {
            Kind::Table(table) | Kind::Tables(table) if key.example.is_empty() => {
                format!("{}, `{}`", key.kind.words(), table.name)
            }
            kind => kind.words(),
        };
        let _ = writeln!(page, "| `{}` | {kind} | {absent} | {}{example} |", key.name, key.says);
    }
    for key in table.keys() {
        if let Kind::Table(below) | Kind::Tables(below) = key.kind {
            section(page, below, key.need, "###", done);
        }
    }
}

/// A key that is not in the guide is not found; one that is only in the guide is a lie.
#[test]
fn the_guide_says_what_the_reader_knows() {
    expect_file!["../../../../docs/src/line.md"].assert_eq(&page());
}

/// A name that templates know and the guide does not is not found.
#[test]
fn the_guide_lists_every_fact() {
    for (name, _) in crate::template::Fact::ALL {
        assert!(TAIL.contains(&format!("`{{{{ box.{name} }}}}`")), "{name}");
    }
}
