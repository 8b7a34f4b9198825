//! Lines that are wrong: images, users, files and scripts.

use super::*;

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
