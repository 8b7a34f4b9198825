//! `[appliance.cloud-init]`: what is read, what is made, what is wrong.

use super::*;

fn with(table: &str, user_data: &str) -> (String, Files) {
    let mut files = files();
    files.0.insert("files/user-data".into(), user_data.into());
    (format!("{GOOD}\n[appliance.cloud-init]\n{table}"), files)
}

#[track_caller]
fn refuse(table: &str, user_data: &str, expected: Expect) {
    let (text, files) = with(table, user_data);
    expected.assert_eq(&say(&text, &files));
}

/// cloud-init takes neither file where one of the two is not there: both are, whatever the line says.
#[test]
fn meta_data_is_made_where_there_is_none() {
    let user_data = "#cloud-config\nfqdn: {{ answer.hostname }}\n";
    let (text, folder) = with("user-data = \"files/user-data\"", user_data);
    let line = read(&text, &folder).unwrap();
    let seed = line.appliance.cloud_init.unwrap();
    let paths: Vec<_> = seed.files().into_iter().map(|file| (file.path, file.template, file.mode)).collect();
    let path = "/var/lib/cloud/seed/nocloud/user-data".to_owned();
    assert_eq!(paths, [(path, "files/user-data".to_owned(), 0o600)]);
    let made = seed.made_meta_data(&line.appliance.hostname).unwrap();
    let filled = crate::template::parse(&made.contents).unwrap().render(|name| {
        Some(if name.to_string() == "box.serial" { "it's: 7".into() } else { "edge-0001".into() })
    });
    expect![[r#"
        /var/lib/cloud/seed/nocloud/meta-data 600
        instance-id: |-
          it's: 7-edge-0001
        local-hostname: |-
          edge-0001
    "#]]
    .assert_eq(&format!("{} {:o}\n{}", made.path, made.mode, filled.unwrap()));

    let table =
        "user-data = \"files/user-data\"\nmeta-data = \"files/page\"\nnetwork-config = \"files/page\"";
    let (text, folder) = with(table, user_data);
    let seed = read(&text, &folder).unwrap().appliance.cloud_init.unwrap();
    assert_eq!(seed.files().len(), 3);
    assert_eq!(seed.made_meta_data("edge"), None);
}

/// Every kind of user data is one for cloud-init; what it would leave aside is found before forty boxes are installed.
#[test]
fn user_data_must_say_its_kind() {
    let kinds = [
        "#!/bin/sh\ntrue\n",
        "#cloud-config\n",
        "\n#Cloud-Boothook\n",
        "#include\nhttp://example.org/\n",
        "Content-Type: multipart/mixed; boundary=\"b\"\nMIME-Version: 1.0\n",
        "## template: jinja\n#cloud-config\nfqdn: {{ \"{{\" }} v1.region }}\n",
    ];
    for kind in kinds {
        let (text, folder) = with("user-data = \"files/user-data\"", kind);
        assert!(read(&text, &folder).is_ok(), "{kind}");
    }
    refuse(
        "user-data = \"files/user-data\"",
        "fqdn: edge\n",
        expect![[r#"
        error: line.toml:51:13: cloud-init leaves `files/user-data` aside: its beginning says no kind
          51 | user-data = "files/user-data"
             |             ^^^^^^^^^^^^^^^^^
        hint: its first line is `#cloud-config`, for example"#]],
    );
}

/// Files that are not there, names that nobody knows, and the same file twice.
#[test]
fn mistakes_of_cloud_init() {
    refuse(
        "meta-data = \"files/page\"",
        "",
        expect![[r#"
        error: line.toml:50:1: [appliance.cloud-init] has no `user-data`
          50 | [appliance.cloud-init]
             | ^^^^^^^^^^^^^^^^^^^^^^
        hint: for example `user-data = "files/user-data"`"#]],
    );
    refuse(
        "user-data = \"files/user-data\"\nnetwork-config = \"files/net\"",
        "#cloud-config\nfqdn: {{ answer.host }}\n",
        expect![[r#"
            error: line.toml:52:18: there is no file `files/net`
              52 | network-config = "files/net"
                 |                  ^^^^^^^^^^^
            hint: the path is relative to the line's folder

            error: files/user-data:2:10: no question is called `host`
              2 | fqdn: {{ answer.host }}
                |          ^^^^^^^^^^^
            hint: the questions are `hostname`, `site`, `password`"#]],
    );
    refuse(
        "user-data = 7",
        "",
        expect![[r#"
        error: line.toml:51:13: `user-data` is text, not a number
          51 | user-data = 7
             |             ^
        hint: for example `user-data = "files/user-data"`"#]],
    );
    let (text, folder) = with("user-data = \"files/user-data\"", "#cloud-config\n");
    let text = text.replace("/var/www/html/index.html", "/var/lib/cloud/seed/nocloud/meta-data");
    expect![[r#"
        error: line.toml:44:8: `/var/lib/cloud/seed/nocloud/meta-data` belongs to `[appliance.cloud-init]`
          44 | path = "/var/lib/cloud/seed/nocloud/meta-data"
             |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        hint: name the template there, or leave that table out"#]]
    .assert_eq(&say(&text, &folder));
}
