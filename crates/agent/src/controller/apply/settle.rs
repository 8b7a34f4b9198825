//! What is written into the appliance after its image: the plan's files, users and their homes.

use super::accounts::Accounts;
use super::fault::{Blame as _, Outcome};
use super::ledger::{Ledger, digest_of};
use linux::tree::{Attributes, Tree};
use model::failure::{Explain as _, Failure, Result};
use model::plan::{PlannedFile, PlannedUser};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes files and users into the tree at `target`.
pub(crate) fn settle(
    target: &Path,
    files: &[PlannedFile],
    users: &[PlannedUser],
    ledger: &mut Ledger,
) -> Outcome<()> {
    settle_all(target, files, users, ledger).blame("disk-io-error")
}

/// Writes keys that were made on the box, which nobody but root reads.
pub(crate) fn write_keys(target: &Path, keys: &[(&str, &[u8])], ledger: &mut Ledger) -> Outcome<()> {
    let opened = Tree::open(target).map_err(std::io::Error::from);
    let tree = opened.or_fail(|| "cannot open the target".into()).blame("disk-io-error")?;
    let mut writing = Writing { tree, ledger, now: now() };
    for (path, bytes) in keys {
        writing.write(path, bytes, 0, 0, 0o400).blame("disk-io-error")?;
    }
    Ok(())
}

fn settle_all(
    target: &Path,
    files: &[PlannedFile],
    users: &[PlannedUser],
    ledger: &mut Ledger,
) -> Result<()> {
    let opened = Tree::open(target).map_err(std::io::Error::from);
    let mut writing =
        Writing { tree: opened.or_fail(|| "cannot open the target".into())?, ledger, now: now() };
    for file in files {
        writing.write(&file.path, file.contents.as_bytes(), 0, 0, file.mode)?;
    }
    if !users.is_empty() {
        writing.users(users)?;
    }
    Ok(())
}

struct Writing<'a> {
    tree: Tree,
    ledger: &'a mut Ledger,
    now: i64,
}

impl Writing<'_> {
    fn write(&mut self, path: &str, contents: &[u8], user: u32, group: u32, mode: u32) -> Result<()> {
        let attributes = Attributes { user, group, mode, seconds: self.now };
        let path = Path::new(path);
        self.tree
            .write(path, contents, attributes)
            .or_fail(|| format!("cannot write {} into the target", path.display()))?;
        self.ledger.keep(path, digest_of(contents));
        Ok(())
    }

    fn read(&self, path: &str) -> Result<Option<String>> {
        let bytes =
            self.tree.bytes(Path::new(path)).or_fail(|| format!("cannot read {path} of the image"))?;
        let text = bytes.map(String::from_utf8).transpose();
        text.or_fail(|| format!("{path} of the image is not text"))
    }

    fn users(&mut self, users: &[PlannedUser]) -> Result<()> {
        let needed = |text: Option<String>, path: &str| {
            text.ok_or_else(|| Failure::new(format!("the image has no {path}, so no user can be added")))
        };
        let passwd = needed(self.read("/etc/passwd")?, "/etc/passwd")?;
        let group = needed(self.read("/etc/group")?, "/etc/group")?;
        let shadow = self.read("/etc/shadow")?.unwrap_or_default();
        let mut accounts = Accounts { passwd, shadow, group, gshadow: self.read("/etc/gshadow")? };
        let shells = ["/bin/bash", "/bin/sh"];
        let shell = shells.into_iter().find(|shell| self.tree.read(Path::new(shell)).is_ok());
        let days = u64::try_from(self.now).unwrap_or_default() / 86_400;
        let mut homes = Vec::new();
        for user in users {
            homes.extend(accounts.add(user, shell.unwrap_or("/bin/sh"), days)?);
        }
        // The group `shadow` may read the hashes (Debian); it is looked up in the image's own file.
        let shadow_group = accounts.group.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some("shadow")).then(|| fields.nth(1)?.parse::<u32>().ok()).flatten()
        });
        let (hidden_group, hidden_mode) = shadow_group.map_or((0, 0o600), |group| (group, 0o640));
        self.write("/etc/passwd", accounts.passwd.as_bytes(), 0, 0, 0o644)?;
        self.write("/etc/group", accounts.group.as_bytes(), 0, 0, 0o644)?;
        self.write("/etc/shadow", accounts.shadow.as_bytes(), 0, hidden_group, hidden_mode)?;
        if let Some(gshadow) = &accounts.gshadow {
            self.write("/etc/gshadow", gshadow.as_bytes(), 0, hidden_group, hidden_mode)?;
        }
        for home in homes {
            let attributes =
                Attributes { user: home.user, group: home.group, mode: 0o700, seconds: self.now };
            let made = self.tree.make_folder(Path::new(&home.path), attributes).map_err(std::io::Error::from);
            made.or_fail(|| format!("cannot make {}", home.path))?;
            self.fill_home(&home.path, home.user, home.group)?;
        }
        Ok(())
    }

    /// A new home begins with what the image keeps for that in `/etc/skel` (useradd(8)).
    fn fill_home(&mut self, home: &str, user: u32, group: u32) -> Result<()> {
        let entries = self.tree.walk(Path::new("/etc/skel")).or_fail(|| "cannot read /etc/skel".into())?;
        for entry in entries {
            let below = entry.path.strip_prefix("/etc/skel").unwrap_or(&entry.path);
            let path = Path::new(home).join(below);
            let attributes = Attributes { user, group, mode: 0o700, seconds: self.now };
            if entry.is_folder {
                let made = self.tree.make_folder(&path, attributes).map_err(std::io::Error::from);
                made.or_fail(|| format!("cannot make {}", path.display()))?;
            } else if entry.is_file {
                let bytes = self.tree.bytes(&entry.path).or_fail(|| "cannot read /etc/skel".into())?;
                self.write(&path.to_string_lossy(), &bytes.unwrap_or_default(), user, group, 0o644)?;
            }
        }
        Ok(())
    }
}

/// Seconds since 1970; a clock that was never set gives 0 or so, and nothing rests on it.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}
