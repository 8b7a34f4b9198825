//! What the kernel's command line does not say, as sentences that the catalogue's clues can look for: a line that is
//! not there proves nothing in a log that may be cut, but a command line is printed whole.

/// What a dracut without `root=` waits for, and what only then means something.
pub(super) const NO_ROOT: &str = "the command line names no root";
/// Nothing in it brings up a network.
pub(super) const NO_NETWORK: &str = "the command line asks for no network";
/// It names no initrd, which the kernel's EFI stub wants named.
pub(super) const NO_INITRD: &str = "the command line names no initrd";
/// How the kernel begins to print it, and dracut behind the kernel.
pub(super) const HEADS: [&str; 2] = ["command line: ", "command line parameters: "];

/// With these words a root, an image or an installer's source is named.
const ROOTS: &[&str] = &[
    "root=",
    "netroot=",
    "nfsroot=",
    "boot=",
    "inst.",
    "ks=",
    "repo=",
    "stage2=",
    "method=",
    "install=",
    "autoyast",
    "agama.",
    "archiso",
    "iscsi_",
    "fetch=",
    "url=",
    "netboot=",
    "coreos.",
    "ignition.",
    "flatcar.",
    "talos.",
    "modloop=",
    "alpine_",
    "preseed/",
    "auto=",
    "init=",
    "rdinit=",
    "live",
    "from=",
    "findiso=",
    "iso-scan/",
    "bootworks.",
    "gpt-auto",
    "mount.usr",
    "systemd.volatile",
    "ramdisk",
];

/// With these words a network is asked for.
const NETWORKS: &[&str] = &[
    "ip=",
    "rd.neednet",
    "netroot=",
    "nfsroot=",
    "bootif=",
    "bootdev=",
    "ifname=",
    "vlan=",
    "bond=",
    "team=",
    "bridge=",
    "netsetup=",
    "netdevice=",
    "ifcfg=",
    "rd.route",
    "netboot=",
    "=http",
    "=nfs",
    "=tftp",
    "=ftp",
    "live:http",
    "live:nfs",
    "iscsi",
    "nbd",
    "fcoe",
];

/// What this line, if it is the kernel's command line, does not say.
pub(super) fn gaps(line: &str) -> Vec<&'static str> {
    let Some(words) = words(line) else { return Vec::new() };
    let words = words.to_ascii_lowercase();
    let has = |list: &[&str]| {
        words.split_ascii_whitespace().any(|word| {
            let is_known = |text: &str| list.iter().any(|known| text.starts_with(known));
            let is_value =
                |text: &str| list.iter().any(|known| text.starts_with(known.trim_start_matches('=')));
            is_known(word) || word.match_indices('=').any(|(at, _)| is_value(&word[at + 1..]))
        })
    };
    let gaps = [(NO_ROOT, has(ROOTS)), (NO_NETWORK, has(NETWORKS)), (NO_INITRD, has(&["initrd="]))];
    gaps.into_iter().filter(|(_, is_said)| !is_said).map(|(gap, _)| gap).collect()
}

/// The words of a line that shows the command line; `None` where it shows none, or its beginning only.
fn words(line: &str) -> Option<&str> {
    // With a small letter or a great one.
    let (_, words) = HEADS.iter().find_map(|head| line.split_once(&head[1..]))?;
    let is_whole = !words.ends_with("...") && !words.ends_with('…') && !words.is_empty();
    is_whole.then_some(words)
}

#[cfg(test)]
mod tests {
    use super::{NO_INITRD, NO_NETWORK, NO_ROOT, gaps};

    /// What is not said is known of a whole command line only.
    #[test]
    fn a_command_line_is_read_for_its_gaps() {
        assert_eq!(gaps("[    0.0] Command line: vmlinuz initrd=initrd.img"), [NO_ROOT, NO_NETWORK]);
        assert_eq!(gaps("Kernel command line: root=UUID=1 ro quiet"), [NO_NETWORK, NO_INITRD]);
        assert_eq!(gaps("Command line: vmlinuz root=live:http://10.0.0.1/x initrd=i"), [""; 0]);
        assert_eq!(
            gaps(
                "dracut-cmdline[4]: Using kernel command line parameters: rd.neednet=1 inst.repo=cdrom initrd=i"
            ),
            [""; 0]
        );
        assert_eq!(gaps("Command line: vmlinuz ..."), [""; 0]);
        assert_eq!(gaps("no such thing"), [""; 0]);
    }
}
