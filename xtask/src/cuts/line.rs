//! The line whose boxes lose their power: that of `bootworks new` with an appliance that is small and starts soon, so that
//! hundreds of installations are a matter of hours. What the controller does to the disk is the same.

use crate::shell::{Result, Stop};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The appliance's recipe. Everything that the controller needs of it is there: kernel, initramfs, GRUB for both firmwares.
const RECIPE: &str = r#"suite    = "bookworm"
packages = [
  "linux-image-cloud-amd64", "initramfs-tools", "zstd", "kmod",
  "grub-pc-bin", "grub-efi-amd64-bin", "grub2-common",
]
files    = [{ source = "files/appliance-ready", path = "/usr/local/sbin/appliance-ready", mode = "0755" }]
scripts  = ["scripts/settle"]
"#;

/// Its first process: what was written for this unit has to be there, then it says so.
const READY: &str = r#"#!/bin/sh
mount -t proc proc /proc
name=$(cat /etc/hostname)
if grep -qF "$name" /var/www/html/index.html && grep -q '^admin:' /etc/passwd; then
    printf '\r\nAPPLIANCE READY %s\r\n' "$name"
else
    printf '\r\nAPPLIANCE NOT READY %s\r\n' "$name"
fi
exec sleep infinity
"#;

/// What is left of a Debian when nobody reads its documents and only these boxes' disks are to be found.
const SETTLE: &str = r#"#!/bin/sh
set -eu
find /usr/share/doc -type f ! -name copyright -delete
rm -rf /usr/share/man /usr/share/locale /usr/share/i18n /usr/share/zoneinfo /usr/lib/x86_64-linux-gnu/gconv
rm -rf /usr/lib/udev/hwdb.bin /usr/lib/udev/hwdb.d
for modules in /usr/lib/modules/*; do
    (cd "$modules/kernel" && rm -rf net sound arch fs/xfs fs/btrfs fs/smb fs/nfs fs/nfsd fs/ceph)
    (cd "$modules/kernel/drivers" && rm -rf net gpu infiniband comedi hid md target)
    depmod "${modules##*/}"
done
printf '%s\n' nvme virtio_pci virtio_scsi sd_mod ext4 >>/etc/initramfs-tools/modules
sed -i 's/^MODULES=.*/MODULES=list/' /etc/initramfs-tools/initramfs.conf
update-initramfs -u -k all
"#;

/// What the line of `bootworks new` says of the appliance's kernel, and what it has to say for this one.
const ARGUMENTS: [&str; 2] = [
    "console=ttyS0,115200n8\"\n\n[[appliance.disk]]",
    "console=ttyS0,115200n8 quiet init=/usr/local/sbin/appliance-ready\"\n\n[[appliance.disk]]",
];

/// Lays the line anew and gives its folder; what was built of it stays.
pub(super) fn lay(bootworks: &Path, folder: &Path) -> Result<PathBuf> {
    let (line, made) = (folder.join("line"), folder.join("line.new"));
    let failed = |error: std::io::Error| Stop::new(format!("cannot lay {}: {error}", line.display()));
    std::fs::create_dir_all(&line).map_err(failed)?;
    let _ = std::fs::remove_dir_all(&made);
    let new = Command::new(bootworks).arg("new").arg(&made).stdout(Stdio::null()).status().map_err(failed)?;
    let toml = made.join("line.toml");
    let text = std::fs::read_to_string(&toml).map_err(failed)?;
    if !new.success() || !text.contains(ARGUMENTS[0]) {
        return Err(Stop::new(format!("{} is not the example line that is known here", toml.display())));
    }
    let texts = [
        ("line.toml", text.replace(ARGUMENTS[0], ARGUMENTS[1])),
        ("appliance.toml", RECIPE.to_owned()),
        ("files/appliance-ready", READY.to_owned()),
        ("scripts/settle", SETTLE.to_owned()),
    ];
    for (name, text) in texts {
        // Over the file that is there, which keeps its mode.
        std::fs::write(made.join(name), text).map_err(failed)?;
    }
    let copied = Command::new("cp").arg("-a").arg(made.join(".")).arg(&line).status().map_err(failed)?;
    if !copied.success() {
        return Err(Stop::new(format!("cannot copy {} to {}", made.display(), line.display())));
    }
    std::fs::remove_dir_all(&made).map_err(failed)?;
    Ok(line)
}
