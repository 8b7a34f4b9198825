//! Who holds a port: the kernel's socket tables held against every process's open files.
//!
//! Used where a server cannot bind, so that the failure can name the process instead of a number.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;

/// A transport protocol of the kernel's socket tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `/proc/net/tcp`: listening sockets only.
    Tcp,
    /// `/proc/net/udp`: every bound socket.
    Udp,
}

/// A process with an open socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub pid: u32,
    /// Its name, as `comm` has it.
    pub name: String,
}

/// As a hint says it: `` `dnsmasq` (pid 812) ``.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (pid {})", self.name, self.pid)
    }
}

/// The process that holds this port on this address, on all addresses, or on any where `address` is
/// 0.0.0.0. `None` where nobody does, or where it is not ours to see: other users' files need root.
pub fn port_holder(transport: Transport, address: Ipv4Addr, port: u16) -> Option<Holder> {
    // `/proc/net` shows the network of the process's first thread, which may be another than ours.
    let tables = match transport {
        Transport::Tcp => ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"],
        Transport::Udp => ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"],
    };
    let inodes: Vec<u64> = tables
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| inodes(&table, transport, address, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let wanted: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| holds(Path::new(&format!("/proc/{pid}/fd")), &wanted)).map(|pid| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Holder { pid, name: name.trim_end().to_owned() }
    })
}

/// A connection that somebody began, that was answered, and that was not confirmed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unconfirmed {
    /// The port of ours that it came to.
    pub port: u16,
    /// Who began it.
    pub client: Ipv4Addr,
    /// How often the answer was sent again.
    pub repeated: u32,
}

/// The connections of this network that are half open. What cannot be read has none.
pub fn unconfirmed() -> Vec<Unconfirmed> {
    let table = std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap_or_default();
    table.lines().skip(1).filter_map(half_open).collect()
}

/// A line of the table, where it is of a half-open connection (`net/ipv4/tcp_ipv4.c`, `get_openreq4`: the state is
/// `TCP_SYN_RECV`, and the seventh field counts how often its answer timed out).
fn half_open(line: &str) -> Option<Unconfirmed> {
    let fields: Vec<&str> = line.split_ascii_whitespace().take(7).collect();
    let [_, local, remote, "03", _, _, repeated] = fields.as_slice() else { return None };
    let (_, port) = local.split_once(':')?;
    let (client, _) = remote.split_once(':').filter(|(address, _)| address.len() == 8)?;
    Some(Unconfirmed {
        port: u16::from_str_radix(port, 16).ok()?,
        client: Ipv4Addr::from(u32::from_str_radix(client, 16).ok()?.to_ne_bytes()),
        repeated: u32::from_str_radix(repeated, 16).ok()?,
    })
}

fn holds(folder: &Path, wanted: &[String]) -> bool {
    let Ok(files) = std::fs::read_dir(folder) else { return false };
    files
        .flatten()
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .any(|target| target.to_str().is_some_and(|target| wanted.iter().any(|socket| socket == target)))
}

/// The inodes of the sockets in a table that stand in the way (`net/ipv4/udp.c`, `udp4_format_sock`; an
/// address is the number as the processor has it, in hex, a port is in hex).
fn inodes(table: &str, transport: Transport, address: Ipv4Addr, port: u16) -> Vec<u64> {
    let listening = "0A";
    let parse = |line: &str| -> Option<u64> {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, state) = (fields.next()?, fields.nth(1)?);
        let inode = fields.nth(5)?.parse().ok()?;
        let (local, local_port) = local.split_once(':')?;
        let right_port = u16::from_str_radix(local_port, 16).ok()? == port;
        let right_state = transport == Transport::Udp || state == listening;
        // An IPv6 socket on `::` takes the IPv4 port as well; its other addresses are not in our way.
        let bound = match local.len() {
            8 => Ipv4Addr::from(u32::from_str_radix(local, 16).ok()?.to_ne_bytes()),
            _ if local.bytes().all(|digit| digit == b'0') => Ipv4Addr::UNSPECIFIED,
            _ => return None,
        };
        let clashes = bound == address || bound.is_unspecified() || address.is_unspecified();
        (right_port && right_state && clashes).then_some(inode)
    };
    table.lines().skip(1).filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  412: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 18211 2 0000000000000000 0
  426: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 20406 2 0000000000000000 0
";

    /// The table as a kernel prints it: which line stands in the way of which address.
    #[test]
    #[cfg(target_endian = "little")]
    fn the_socket_in_the_way_is_found() {
        let find = |address: [u8; 4], port| inodes(TABLE, Transport::Udp, address.into(), port);
        assert_eq!(find([10, 77, 0, 1], 67), [20406]);
        assert_eq!(find([127, 0, 0, 1], 53), [18211]);
        assert_eq!(find([0, 0, 0, 0], 53), [18211]);
        assert!(find([10, 77, 0, 1], 53).is_empty());
        assert!(find([0, 0, 0, 0], 69).is_empty());
        assert!(inodes(TABLE, Transport::Tcp, [0, 0, 0, 0].into(), 67).is_empty(), "not listening");
    }

    /// Only a connection that waits for its client's word is one; a listener and an open one are not.
    #[test]
    #[cfg(target_endian = "little")]
    fn half_open_connections_are_found() {
        let table = "\
   0: 01004D0A:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 18211 1 0000000000000000 100
   1: 01004D0A:0050 32004D0A:BF6C 03 00000000:00000000 01:00000211 00000003     0        0 0 1 0000000000000000
   2: 01004D0A:0801 33004D0A:02BC 01 00000000:00000000 02:000A8F1C 00000000     0        0 20406 2 0000000000000000 20
";
        let found: Vec<Unconfirmed> = table.lines().filter_map(half_open).collect();
        let client = Ipv4Addr::new(10, 77, 0, 50);
        assert_eq!(found, [Unconfirmed { port: 80, client, repeated: 3 }]);
    }

    /// The whole way: this very process holds a port and is named.
    #[test]
    fn our_own_socket_is_found() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let holder = port_holder(Transport::Udp, Ipv4Addr::LOCALHOST, port).unwrap();
        assert_eq!(holder.pid, std::process::id());
        drop(socket);
        assert_eq!(port_holder(Transport::Udp, Ipv4Addr::LOCALHOST, port), None);
    }
}
