//! Harm to a finished appliance: what is broken on its first disk while the box is off, before it starts from there.
//!
//! Nothing is mounted: the host's kernel need not know the file systems, and a rehearsal that is killed leaves no
//! mount. The ext4 root is changed by `debugfs`, everything else octet by octet.

use linux::partitions::{self, Entry, EntryKind};
use linux::process::Child;
use linux::{signature, tools};
use model::failure::{Explain as _, Failure, Result};
use model::plan::Uuid;
use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{Cursor, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What is done to a finished appliance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// GRUB's core image, behind the boot sector of a BIOS disk, is blank.
    CoreBlank,
    /// GRUB's folder of modules has another name.
    GrubMissing,
    /// GRUB's menu is gone.
    MenuMissing,
    /// The menu names a root that no file system is.
    RootWrong,
    /// The EFI program that every firmware looks for is gone.
    LoaderMissing,
    /// The kernel is gone.
    KernelMissing,
    /// The kernel ends in its middle.
    KernelHalved,
    /// The initrd is gone.
    InitrdMissing,
    /// The initrd ends in its middle.
    InitrdHalved,
    /// `/etc/fstab` names an EFI system partition that is not there.
    FstabWrong,
    /// The program that is to be PID 1 is gone.
    InitMissing,
    /// It ends in its middle.
    InitHalved,
    /// It is built for another processor.
    InitForeign,
    /// The folder of the kernel's modules has another name.
    ModulesMissing,
    /// The beginning of the root's file system is blank.
    RootBlank,
    /// The root's file system contradicts itself.
    RootDamaged,
}

/// GRUB's core (GUID partition types, `21686148-6449-6E6F-744E-656564454649`: "Hah!IdontNeedEFI").
const TYPE_BIOS_BOOT: Uuid = Uuid(0x21686148_6449_6e6f_744e_656564454649);
/// UEFI specification §5.3.3.
const TYPE_ESP: Uuid = Uuid(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
/// Sectors of a disk that can be harmed, in bytes.
const SECTOR: u64 = 512;
/// So much of a file system is read or made blank at once; a FAT's folders are found in its first such pieces.
const PIECE: usize = 1 << 20;
/// `BOOTX64.EFI` as FAT writes it in a folder, and what an entry begins with whose file was deleted (FAT: General
/// Overview of On-Disk Format 1.03, directory structure).
const LOADER: &[u8; 11] = b"BOOTX64 EFI";
const DELETED: u8 = 0xe5;
const FOLDER_ENTRY: usize = 32;
/// Where GRUB has what it needs behind its core.
const GRUB_FOLDER: &str = "/boot/grub";
const MENU: &str = "/boot/grub/grub.cfg";
const FSTAB: &str = "/etc/fstab";
const MODULES: &str = "/usr/lib/modules";
const INIT: &str = "/usr/lib/systemd/systemd";
/// Where a program says for which processor it is, and an Arm of 64 bits (ELF-64 Object File Format 1.5, `e_machine`).
const ELF_MACHINE: usize = 18;
const ELF_AARCH64: [u8; 2] = 183_u16.to_le_bytes();
/// A UUID that no file system has, and a serial number that no FAT has.
const NO_UUID: &str = "00000000-0000-4000-8000-000000000000";
const NO_SERIAL: &str = "0000-0000";

impl Harm {
    /// Does it to the raw disk in this file.
    ///
    /// Errors: the disk has nothing of the kind that could be broken.
    pub(crate) fn strike(self, disk: &Path) -> Result<()> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(disk)
            .or_fail(|| format!("cannot open {}", disk.display()))?;
        let disk = Disk { path: disk, file };
        disk.strike(self).map_err(|failure| failure.doing("breaking the finished appliance"))
    }
}

/// A raw disk in a file.
struct Disk<'a> {
    path: &'a Path,
    file: File,
}

impl Disk<'_> {
    fn strike(&self, harm: Harm) -> Result<()> {
        match harm {
            Harm::CoreBlank => self.blank(&self.partition("a BIOS boot partition", is_of(TYPE_BIOS_BOOT))?),
            Harm::LoaderMissing => self.delete_loader(),
            Harm::RootBlank => self.blank(&self.root_partition()?),
            Harm::GrubMissing => {
                let root = self.root()?;
                let modules = root.listed(GRUB_FOLDER, |name| name == "i386-pc" || name == "x86_64-efi")?;
                root.rename(GRUB_FOLDER, &modules)
            }
            Harm::ModulesMissing => {
                let root = self.root()?;
                let releases = root.listed(MODULES, |name| name.starts_with(|c: char| c.is_ascii_digit()))?;
                root.rename(MODULES, &releases)
            }
            Harm::MenuMissing => self.root()?.remove(MENU),
            Harm::InitMissing => self.root()?.remove(INIT),
            Harm::InitHalved => self.root()?.halve(INIT),
            Harm::InitForeign => self.root()?.make_foreign(INIT),
            Harm::KernelMissing => self.root()?.each("vmlinuz-", Ext4::remove),
            Harm::InitrdMissing => self.root()?.each("initrd.img-", Ext4::remove),
            Harm::KernelHalved => self.root()?.each("vmlinuz-", Ext4::halve),
            Harm::InitrdHalved => self.root()?.each("initrd.img-", Ext4::halve),
            Harm::RootWrong => self.root()?.edit(MENU, |menu| replace_words(menu, "root=UUID=", NO_UUID)),
            Harm::FstabWrong => self.root()?.edit(FSTAB, |table| {
                let lines = table.lines().map(|line| match line.contains("/boot/efi") {
                    true => replace_words(line, "UUID=", NO_SERIAL),
                    false => line.to_owned(),
                });
                lines.map(|line| line + "\n").collect()
            }),
            Harm::RootDamaged => self.root()?.damage(),
        }
    }

    fn partition(&self, what: &str, is_wanted: impl Fn(&Disk<'_>, &Entry) -> bool) -> Result<Entry> {
        let mut file = &self.file;
        let table = partitions::table(&mut file, SECTOR as u32);
        let found = table.and_then(|table| table.entries.into_iter().find(|entry| is_wanted(self, entry)));
        found.ok_or_else(|| Failure::new(format!("the first disk has no {}", what.trim_start_matches("a "))))
    }

    fn root_partition(&self) -> Result<Entry> {
        self.partition("a partition with ext4", |disk, entry| {
            let mut head = vec![0; PIECE];
            let read = disk.file.read_at(&mut head, entry.first_lba * SECTOR).unwrap_or_default();
            head.truncate(read);
            signature::identity(&mut Cursor::new(head)).is_some_and(|found| found.kind == "ext4")
        })
    }

    fn root(&self) -> Result<Ext4> {
        let entry = self.root_partition()?;
        let mut image = OsString::from(self.path);
        image.push(format!("?offset={}", entry.first_lba * SECTOR));
        Ok(Ext4 { image, copy: self.path.with_extension("copy") })
    }

    /// Makes the beginning of a partition blank.
    fn blank(&self, entry: &Entry) -> Result<()> {
        let bytes = ((entry.last_lba - entry.first_lba + 1) * SECTOR).min(PIECE as u64);
        let zeros = vec![0; bytes as usize];
        self.file
            .write_all_at(&zeros, entry.first_lba * SECTOR)
            .or_fail(|| format!("cannot write {}", self.path.display()))
    }

    /// Deletes the EFI program that every firmware looks for, as FAT does: by the first octet of its entry.
    fn delete_loader(&self) -> Result<()> {
        let entry = self.partition("an EFI system partition", is_of(TYPE_ESP))?;
        let cannot = || format!("cannot read {}", self.path.display());
        let (start, end) = (entry.first_lba * SECTOR, (entry.last_lba + 1) * SECTOR);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(start)).or_fail(cannot)?;
        let (mut piece, mut at, mut deleted) = (Vec::new(), start, 0);
        while at < end {
            piece.clear();
            let read = file.take(PIECE as u64).read_to_end(&mut piece).or_fail(cannot)?;
            if read == 0 {
                break;
            }
            for (entry, place) in piece.chunks_exact(FOLDER_ENTRY).zip((at..).step_by(FOLDER_ENTRY)) {
                if entry.starts_with(LOADER) {
                    self.file.write_all_at(&[DELETED], place).or_fail(cannot)?;
                    deleted += 1;
                }
            }
            at += read as u64;
        }
        if deleted == 0 {
            return Err(Failure::new("the EFI system partition has no BOOTX64.EFI")
                .hint("a box with `firmware=uefi` is installed with one"));
        }
        Ok(())
    }
}

fn is_of(kind: Uuid) -> impl Fn(&Disk<'_>, &Entry) -> bool {
    move |_, entry| entry.kind == EntryKind::Guid(kind)
}

/// The words of a text that begin with `head`, each with another value behind it.
fn replace_words(text: &str, head: &str, value: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(head) {
        let length = after.find(|c: char| !(c.is_ascii_hexdigit() || c == '-')).unwrap_or(after.len());
        replaced.extend([before, head, value]);
        rest = &after[length..];
    }
    replaced + rest
}

/// An ext4 file system that nobody has mounted.
struct Ext4 {
    /// As `debugfs` takes it: a file, and the place in it.
    image: OsString,
    /// Where a file of it is put for a while.
    copy: PathBuf,
}

impl Ext4 {
    /// Asks `debugfs` for these things. It ends well whatever came of them: what it says besides its version and what
    /// it was asked for is an error.
    fn ask(&self, requests: &str) -> Result<String> {
        let (status, said, errors) = Child::of(tools::DEBUGFS)
            .args(["-w", "-f", "/dev/stdin"])
            .arg(&self.image)
            .input(requests)
            .spawn_and_wait()?;
        let errors = String::from_utf8_lossy(&errors);
        let wrong = errors.lines().find(|line| !line.starts_with("debugfs ") && !line.trim().is_empty());
        match (status.success(), wrong) {
            (true, None) => Ok(String::from_utf8_lossy(&said).into_owned()),
            (_, wrong) => Err(Failure::new(format!("`debugfs` could not do `{}`", requests.trim()))
                .because(wrong.unwrap_or("it ended badly").to_owned())),
        }
    }

    /// The names in a folder that are wanted; none is an error.
    fn listed(&self, folder: &str, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        // /INODE/MODE/UID/GID/NAME/SIZE/
        let list = self.ask(&format!("ls -p {folder}\n"))?;
        let names = list.lines().filter_map(|line| line.strip_prefix('/')?.split('/').nth(4));
        let names: Vec<String> = names.filter(|name| is_wanted(name)).map(str::to_owned).collect();
        if names.is_empty() {
            return Err(Failure::new(format!("nothing in {folder} of the appliance can be broken")));
        }
        Ok(names)
    }

    /// Does something to each file in `/boot` whose name begins so.
    fn each(&self, head: &str, act: fn(&Ext4, &str) -> Result<()>) -> Result<()> {
        let names = self.listed("/boot", |name| name.starts_with(head))?;
        names.iter().try_for_each(|name| act(self, &format!("/boot/{name}")))
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.ask(&format!("rm {path}\n")).map(drop)
    }

    /// Gives entries of a folder other names: nothing of the file system is wrong afterwards.
    fn rename(&self, folder: &str, names: &[String]) -> Result<()> {
        let requests = names.iter().map(|name| {
            let path = format!("{folder}/{name}");
            format!("ln {path} {path}.away\nunlink {path}\n")
        });
        self.ask(&requests.collect::<String>()).map(drop)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.ask(&format!("dump {path} {}\n", self.copy.display()))?;
        let content = std::fs::read(&self.copy).or_fail(|| format!("cannot read {}", self.copy.display()));
        let _ = std::fs::remove_file(&self.copy);
        content
    }

    fn write(&self, path: &str, content: &[u8]) -> Result<()> {
        let copied = std::fs::write(&self.copy, content)
            // The file takes its mode from the copy, and may be a program.
            .and_then(|()| std::fs::set_permissions(&self.copy, Permissions::from_mode(0o755)));
        copied.or_fail(|| format!("cannot write {}", self.copy.display()))?;
        let written = self.ask(&format!("rm {path}\nwrite {} {path}\n", self.copy.display()));
        let _ = std::fs::remove_file(&self.copy);
        written.map(drop)
    }

    /// Makes a program one for another processor.
    fn make_foreign(&self, path: &str) -> Result<()> {
        let mut content = self.read(path)?;
        let machine = content.get_mut(ELF_MACHINE..ELF_MACHINE + 2);
        machine.ok_or_else(|| Failure::new(format!("{path} is no program")))?.copy_from_slice(&ELF_AARCH64);
        self.write(path, &content)
    }

    fn halve(&self, path: &str) -> Result<()> {
        let mut content = self.read(path)?;
        content.truncate(content.len() / 2);
        self.write(path, &content)
    }

    /// Writes a text anew; one that comes out as it was is an error, for nothing would be broken.
    fn edit(&self, path: &str, change: impl Fn(&str) -> String) -> Result<()> {
        let was = String::from_utf8_lossy(&self.read(path)?).into_owned();
        let is = change(&was);
        if is == was {
            return Err(Failure::new(format!("nothing in {path} of the appliance can be broken")));
        }
        self.write(path, is.as_bytes())
    }

    /// Frees the inode of a folder that has others in it, and says that errors were seen: what is left hangs nowhere,
    /// which no check mends without being told to. Nothing of the boot reads that folder before the check does.
    fn damage(&self) -> Result<()> {
        self.ask("clri /usr/share/doc\nset_super_value state 2\n").map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn names_of_file_systems_are_replaced_where_they_stand() {
        expect!["linux /vmlinuz root=UUID=0 ro quiet\nlinux /old root=UUID=0"].assert_eq(&replace_words(
            "linux /vmlinuz root=UUID=1b2c-3d ro quiet\nlinux /old root=UUID=ffff",
            "root=UUID=",
            "0",
        ));
        assert_eq!(replace_words("no root", "root=UUID=", "0"), "no root");
    }

    /// A fault that breaks nothing would make a rehearsal that shows nothing.
    #[test]
    fn what_is_not_there_cannot_be_broken() {
        let disk = tempfile::NamedTempFile::new().unwrap();
        disk.as_file().set_len(1 << 20).unwrap();
        expect![[r#"
            error: the first disk has no BIOS boot partition
            while: breaking the finished appliance"#]]
        .assert_eq(&Harm::CoreBlank.strike(disk.path()).unwrap_err().report());
        expect![[r#"
            error: the first disk has no partition with ext4
            while: breaking the finished appliance"#]]
        .assert_eq(&Harm::MenuMissing.strike(disk.path()).unwrap_err().report());
    }
}
