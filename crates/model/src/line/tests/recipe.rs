//! Lines that are wrong: recipes and archives.

use super::*;

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
