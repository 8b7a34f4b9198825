//! Users of the appliance, written into its own `passwd`, `shadow`, `group` and `gshadow`.
//!
//! Texts in, texts out: the formats are passwd(5), shadow(5), group(5), gshadow(5). No program of the image is
//! run, so a small image without `useradd` can have users too.

use model::failure::{Failure, Result};
use model::plan::PlannedUser;

/// People's numbers begin here (Debian, Fedora: login.defs `UID_MIN`).
const FIRST_NUMBER: u32 = 1000;
/// And end before `nobody` and what systemd gives away by itself.
const LAST_NUMBER: u32 = 59_999;

/// The four files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accounts {
    /// Name, number, home and shell of each user.
    pub(crate) passwd: String,
    /// Password hashes.
    pub(crate) shadow: String,
    /// Groups and their members.
    pub(crate) group: String,
    /// Groups' passwords, where the image has such a file.
    pub(crate) gshadow: Option<String>,
}

/// A user that has a home to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    /// Absolute path in the appliance.
    pub(crate) path: String,
    /// Number of the user.
    pub(crate) user: u32,
    /// Number of its group.
    pub(crate) group: u32,
}

impl Accounts {
    /// Adds a user, or changes password and groups of one that the image has. `days` is today, counted from
    /// 1970, for the password's age; `shell` is what it logs in to. Gives the home to make for a new user.
    pub(crate) fn add(&mut self, user: &PlannedUser, shell: &str, days: u64) -> Result<Option<Home>> {
        let home = if self.has(&self.passwd, &user.name) { None } else { Some(self.create(user, shell)?) };
        // `!` is a hash that no password gives (shadow(5)).
        let hash = user.hash.as_deref().unwrap_or("!");
        let known = self.shadow.lines().any(|line| first(line) == user.name);
        if !known {
            push_line(&mut self.shadow, &format!("{}:{hash}:{days}:0:99999:7:::", user.name));
        } else if user.hash.is_some() {
            self.shadow = map_lines(&self.shadow, &user.name, |fields| {
                set_field(fields, 1, hash.to_owned());
                set_field(fields, 2, days.to_string());
            });
        }
        for group in &user.groups {
            self.join(group, &user.name)?;
        }
        Ok(home)
    }

    fn has(&self, file: &str, name: &str) -> bool {
        file.lines().any(|line| first(line) == name)
    }

    fn create(&mut self, user: &PlannedUser, shell: &str) -> Result<Home> {
        let taken = |file: &str, number: u32| {
            file.lines().any(|line| line.split(':').nth(2).is_some_and(|text| text == number.to_string()))
        };
        let number = (FIRST_NUMBER..=LAST_NUMBER)
            .find(|number| !taken(&self.passwd, *number) && !taken(&self.group, *number))
            .ok_or_else(|| Failure::new(format!("no number is free for user `{}`", user.name)))?;
        // A group of that name may be there already, as `admin` is on some systems.
        let known = self.group.lines().find(|line| first(line) == user.name);
        let group = match known.map(|line| line.split(':').nth(2).and_then(|text| text.parse().ok())) {
            Some(Some(group)) => group,
            Some(None) => {
                return Err(Failure::new(format!("group `{}` of the image has no number", user.name)));
            }
            None => {
                push_line(&mut self.group, &format!("{}:x:{number}:", user.name));
                if let Some(gshadow) = &mut self.gshadow {
                    push_line(gshadow, &format!("{}:!::", user.name));
                }
                number
            }
        };
        let path = format!("/home/{}", user.name);
        push_line(&mut self.passwd, &format!("{}:x:{number}:{group}::{path}:{shell}", user.name));
        Ok(Home { path, user: number, group })
    }

    fn join(&mut self, group: &str, user: &str) -> Result<()> {
        if !self.has(&self.group, group) {
            return Err(Failure::new(format!("the image has no group `{group}` for user `{user}`"))
                .hint("add the package that makes the group to the image's recipe"));
        }
        let add = |fields: &mut Vec<String>| {
            let members = fields.get(3).cloned().unwrap_or_default();
            if !members.split(',').any(|member| member == user) {
                let joined = if members.is_empty() { user.to_owned() } else { format!("{members},{user}") };
                set_field(fields, 3, joined);
            }
        };
        self.group = map_lines(&self.group, group, add);
        self.gshadow = self.gshadow.as_ref().map(|gshadow| map_lines(gshadow, group, add));
        Ok(())
    }
}

fn first(line: &str) -> &str {
    line.split(':').next().unwrap_or_default()
}

fn push_line(file: &mut String, line: &str) {
    if !file.is_empty() && !file.ends_with('\n') {
        file.push('\n');
    }
    file.push_str(line);
    file.push('\n');
}

fn set_field(fields: &mut Vec<String>, index: usize, value: String) {
    while fields.len() <= index {
        fields.push(String::new());
    }
    fields[index] = value;
}

/// Changes the lines of one name; all others stay as they are.
fn map_lines(file: &str, name: &str, change: impl Fn(&mut Vec<String>)) -> String {
    let mut text = String::new();
    for line in file.lines() {
        if first(line) == name {
            let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
            change(&mut fields);
            push_line(&mut text, &fields.join(":"));
        } else {
            push_line(&mut text, line);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn debian() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/bash\nold:x:1000:1000::/home/old:/bin/sh".into(),
            shadow: "root:*:19000:0:99999:7:::\n".into(),
            group: "root:x:0:\nsudo:x:27:old\nstaff:x:1001:\n".into(),
            gshadow: Some("root:*::\nsudo:*::old\n".into()),
        }
    }

    fn user(name: &str, hash: Option<&str>, groups: &[&str]) -> PlannedUser {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        PlannedUser { name: name.into(), hash: hash.map(str::to_owned), groups }
    }

    /// A user that cannot log in is a box that comes back.
    #[test]
    fn users_are_added_and_changed() {
        let mut accounts = debian();
        let home =
            accounts.add(&user("admin", Some("$6$s$h"), &["sudo", "staff"]), "/bin/bash", 20000).unwrap();
        assert_eq!(home, Some(Home { path: "/home/admin".into(), user: 1002, group: 1002 }));
        assert_eq!(accounts.add(&user("root", Some("$6$r$h"), &[]), "/bin/bash", 20000).unwrap(), None);
        accounts.add(&user("locked", None, &[]), "/bin/sh", 20000).unwrap();
        assert_eq!(accounts.add(&user("old", None, &["sudo"]), "/bin/sh", 20000).unwrap(), None);
        let Accounts { passwd, shadow, group, gshadow } = accounts;
        expect![[r#"
            root:x:0:0:root:/root:/bin/bash
            old:x:1000:1000::/home/old:/bin/sh
            admin:x:1002:1002::/home/admin:/bin/bash
            locked:x:1003:1003::/home/locked:/bin/sh
            --
            root:$6$r$h:20000:0:99999:7:::
            admin:$6$s$h:20000:0:99999:7:::
            locked:!:20000:0:99999:7:::
            old:!:20000:0:99999:7:::
            --
            root:x:0:
            sudo:x:27:old,admin
            staff:x:1001:admin
            admin:x:1002:
            locked:x:1003:
            --
            root:*::
            sudo:*::old,admin
            admin:!::
            locked:!::
        "#]]
        .assert_eq(&[passwd, shadow, group, gshadow.unwrap()].join("--\n"));
    }

    /// A group that nobody made is a mistake of the recipe, and said before the box ships.
    #[test]
    fn a_missing_group_is_named() {
        let report = debian().add(&user("admin", None, &["docker"]), "/bin/sh", 1).unwrap_err().report();
        assert!(report.starts_with("error: the image has no group `docker` for user `admin`"), "{report}");
    }
}
