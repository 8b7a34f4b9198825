//! What a box is told when it boots: the words on the kernel command line and the files it is sent to.
//!
//! Which network boot program fits which firmware is decided here too; the DHCP and TFTP servers only ask.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use wire::mac::Mac;

/// How the live OS's root gets to the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootRoad {
    /// Read-only over NFSv3, files as they are asked for.
    Nfs,
    /// As one verified squashfs, fetched over HTTP into RAM.
    Ram,
}

/// The kernel command line as the agent reads it. Unknown words are the kernel's and stay untouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootParameters {
    /// The server; HTTP, NFS and the beacon are all there.
    pub server: Ipv4Addr,
    /// TCP port of the HTTP server.
    pub http_port: u16,
    /// TCP port of the NFS and MOUNT programs.
    pub nfs_port: u16,
    /// The boot NIC: `BOOTIF=01-52-54-…`, the name under which the server knows the box.
    pub boot_nic: Option<Mac>,
    /// Digest that names this build of the live OS; its files stand under `/live/DIGEST/`.
    pub live: String,
    /// How the root comes.
    pub root: RootRoad,
    /// SHA-256 of `root.squashfs`, hex: what comes over HTTP is held against what came with the kernel.
    pub root_sha256: Option<String>,
}

/// Default TCP port of the HTTP server.
pub const HTTP_PORT: u16 = 80;
/// Default TCP port of the NFS and MOUNT programs (IANA: nfs).
pub const NFS_PORT: u16 = 2049;

impl BootParameters {
    /// The words for the kernel command line, `BOOTIF` included.
    pub fn words(&self) -> String {
        let root = match self.root {
            RootRoad::Nfs => "nfs",
            RootRoad::Ram => "ram",
        };
        let mut words = format!(
            "bootworks.server={} bootworks.http={} bootworks.nfs={} bootworks.live={} bootworks.root={root}",
            self.server, self.http_port, self.nfs_port, self.live
        );
        if let Some(sha256) = &self.root_sha256 {
            let _ = write!(words, " bootworks.root-sha256={sha256}");
        }
        if let Some(mac) = self.boot_nic {
            let _ = write!(words, " BOOTIF={}", mac.bootif());
        }
        words
    }

    /// Reads a kernel command line. `None` where no `bootworks.server=` with an address is on it.
    pub fn read(command_line: &str) -> Option<BootParameters> {
        let word = |key: &str| {
            command_line.split_ascii_whitespace().rev().find_map(|word| {
                let (name, value) = word.split_once('=')?;
                name.eq_ignore_ascii_case(key).then_some(value)
            })
        };
        Some(BootParameters {
            server: word("bootworks.server")?.parse().ok()?,
            http_port: word("bootworks.http").and_then(|text| text.parse().ok()).unwrap_or(HTTP_PORT),
            nfs_port: word("bootworks.nfs").and_then(|text| text.parse().ok()).unwrap_or(NFS_PORT),
            boot_nic: word("BOOTIF").and_then(|text| text.parse().ok()),
            live: word("bootworks.live").unwrap_or_default().to_owned(),
            root: if word("bootworks.root") == Some("ram") { RootRoad::Ram } else { RootRoad::Nfs },
            root_sha256: word("bootworks.root-sha256").map(str::to_ascii_lowercase),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the server writes, the initrd must read, among any words of the kernel's own.
    #[test]
    fn the_command_line_is_read_as_it_was_written() {
        let parameters = BootParameters {
            server: Ipv4Addr::new(10, 77, 0, 1),
            http_port: 8080,
            nfs_port: 2049,
            boot_nic: Some(Mac([0x52, 0x54, 0, 1, 2, 0xab])),
            live: "3f2a".into(),
            root: RootRoad::Ram,
            root_sha256: Some("00ff".into()),
        };
        let line = format!("initrd=initrd console=tty0 {} panic=30", parameters.words());
        assert_eq!(BootParameters::read(&line), Some(parameters.clone()));
        let shouted = line.replace("BOOTIF=01-52-54-00-01-02-ab", "bootif=01:52:54:00:01:02:AB");
        assert_eq!(BootParameters::read(&shouted), Some(parameters));
        assert_eq!(BootParameters::read("root=/dev/sda1 quiet"), None);
    }
}
