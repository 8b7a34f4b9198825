//! Lines that are wrong: questions, their conditions and rules, answers of a rehearsal.

use super::*;

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
