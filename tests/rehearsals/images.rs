//! Images that are a disk or a file system: made here from what a line builds, installed by a line that has nothing else.
//!
//! What the formats are told by is tested in `bootworks`, what grows them in `agent`, both on loop devices. Here each gets
//! onto a box of its own, and boots.

use super::rig::{self, Rig, run};
use super::variant::Variant;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What an image is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The disk of a box that the line has finished.
    Disk,
    /// The line's files in one file system of that kind.
    Filesystem(&'static str),
}

/// Who has signed an image.
#[derive(Clone, Copy, Debug)]
enum Signature {
    None,
    OpenPgp,
}

/// Image, the line that it comes from, the box that it goes to, and what the appliance says on its console by then.
type Row = (Kind, Variant, &'static str, Signature, &'static [&'static str]);

const IMAGES: &[Row] = &[
    (Kind::Disk, Variant::SmallXfs, "nic=igb,disk=virtio-scsi-pci", Signature::None, &["APPLIANCE ROOT xfs"]),
    (
        Kind::Disk,
        Variant::SmallSubvolumes,
        "firmware=uefi,nic=igb,disk=nvme",
        Signature::None,
        &["APPLIANCE ROOT btrfs"],
    ),
    (
        Kind::Filesystem("xfs"),
        Variant::SmallXfs,
        "firmware=uefi,nic=igb,disk=nvme",
        Signature::OpenPgp,
        &["APPLIANCE ROOT xfs"],
    ),
    (
        Kind::Filesystem("btrfs"),
        Variant::SmallCloudInit,
        "nic=igb,disk=virtio-scsi-pci",
        Signature::None,
        &["APPLIANCE ROOT btrfs", "CLOUD-INIT MADE keeper:x:"],
    ),
];

/// The box whose disk is an image: smaller than those that it goes to.
const FINISHED: &str = "nic=igb,disk=nvme,disk-size=5G";
/// Less than what the root of any of these boxes is grown to, more than any image has.
const GROWN_MIB: u64 = 7000;

/// Rehearses one row by the day, or all of them.
pub(crate) fn rehearse() {
    for (kind, variant, hardware, signature, said) in rig::picks(IMAGES) {
        println!("rehearsing {kind:?} of {variant:?}, {signature:?}, on {hardware}");
        let source = Rig::of(variant);
        let image = match kind {
            Kind::Disk => disk_of(&source),
            Kind::Filesystem(name) => filesystem_of(&source, name),
        };
        let rig = installer(&source, kind, variant, &image, signature);
        let seen = rig.rehearse(&["--box", hardware]);
        seen.ended_with(0);
        assert!(seen.console().contains("Grow the"), "nothing was grown");
        for words in said {
            assert!(seen.console().contains(words), "the console lacks `{words}`");
        }
        let mib = root_mib(&seen.console());
        assert!(mib > GROWN_MIB, "the root has {mib} MiB");
    }
}

/// The size of the root, of which the appliance tells.
fn root_mib(console: &str) -> u64 {
    let told = console.lines().find_map(|line| line.trim().strip_prefix("APPLIANCE ROOT ")).unwrap();
    told.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The disk of a finished box, packed, in the folder of its line.
fn disk_of(source: &Rig) -> PathBuf {
    let disk = Path::new(&source.finished_disks(&["--box", FINISHED])).join("disk0.qcow2");
    made(&disk, "disk.raw", "qemu-img convert -f qcow2 -O raw \"$1\" \"$2\"", source)
}

/// The line's files in one file system of 2 GiB, packed, in the folder of its line.
fn filesystem_of(source: &Rig, name: &str) -> PathBuf {
    let script = format!(
        r#"
set -e
place=$(mktemp -d); trap 'umount "$place" || true; rmdir "$place"' EXIT
truncate -s 2G "$2"
mkfs.{name} -q "$2"
mount -o loop "$2" "$place"
tar --xattrs --xattrs-include='*' --acls --zstd -C "$place" -xf "$1""#
    );
    made(&source.archive(), "root.raw", &script, source)
}

/// What a script makes of `from`, packed: made once, and again of another build's.
fn made(from: &Path, name: &str, script: &str, source: &Rig) -> PathBuf {
    let [raw, image, note] = ["", ".zst", ".of"].map(|end| source.line().join(format!("{name}{end}")));
    // Both places have a build's digest in them.
    let of = from.display().to_string();
    if std::fs::read_to_string(&note).ok().as_ref() != Some(&of) {
        let _ = std::fs::remove_file(&note);
        let _ = std::fs::remove_file(&raw);
        run(Command::new("sh").args(["-c", script, "sh"]).arg(from).arg(&raw));
        run(Command::new("zstd").args(["-q", "-f", "-3", "--rm"]).arg(&raw).arg("-o").arg(&image));
        std::fs::write(&note, of).unwrap();
    }
    image
}

/// The line that installs the image, and builds nothing of its appliance.
fn installer(source: &Rig, kind: Kind, variant: Variant, image: &Path, signature: Signature) -> Rig {
    let name = image.file_name().unwrap().to_str().unwrap();
    let digest = run(Command::new("sha256sum").arg(image));
    let digest = digest.split_whitespace().next().unwrap();
    let mut file = format!("file = \"{name}\", sha256 = \"{digest}\"");
    if let Signature::OpenPgp = signature {
        sign(image);
        file += &format!(", signature = \"{name}.sig\", key = \"maker.gpg\"");
    }
    // Another host name than the finished box has: ready is who took its own.
    let hostname = ["edge-0001", "edge-0002"].map(|name| format!("hostname = \"{name}\""));
    let mut changes = vec![("recipe = \"appliance.toml\"".to_owned(), file), hostname.into()];
    if let Kind::Disk = kind {
        // Table and boot loader come with it.
        let disk = "[[appliance.disk]]\nmatch = { choose = \"smallest\" }\n\n";
        changes.push((variant.layout().to_owned(), disk.to_owned()));
        changes.push(("kernel-arguments = ".to_owned(), "# kernel-arguments = ".to_owned()));
    }
    let of = source.line().file_name().unwrap().display();
    let rig = source.changed(&format!("{of}-{}", name.trim_end_matches(".raw.zst")), &changes);
    if let Signature::OpenPgp = signature {
        assert!(rig.said().contains("image: signature"), "no signature was verified:\n{}", rig.said());
    }
    rig
}

/// Signs a file by a key that is made for it; signature and keyring lie beside it.
fn sign(file: &Path) {
    let script = r#"
set -e
GNUPGHOME=$(mktemp -d); export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
cd "$(dirname "$1")"
rm -f "$1.sig" maker.gpg
gpg --batch --quiet --passphrase '' --quick-gen-key 'maker <maker@example.org>' ed25519 sign never
gpg --batch --quiet --detach-sign -o "$1.sig" "$1"
gpg --batch --quiet --export >maker.gpg"#;
    run(Command::new("sh").args(["-c", script, "sh"]).arg(file));
}
