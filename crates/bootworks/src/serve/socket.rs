//! Binds UDP ports on the build network, and when that cannot be says who or what is in the way; ends connections
//! whose box is gone.

use linux::sockets::{Transport, port_holder};
use model::failure::{Explain as _, Failure, Result};
use socket2::{Domain, Socket, Type};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;
use tokio::net::TcpStream;

/// Bytes of packets that wait to be looked at; the kernel counts some 1.3 kB for a DHCP packet.
const ROOM: usize = 4 << 20;

/// A box that was switched off says nothing: after so long the kernel asks, and ends the connection.
const SILENCE: Duration = Duration::from_secs(60);

/// Answers go out as they are written; connections of dead boxes end, and with them what they hold.
pub(crate) fn watch_for_death(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    // A kernel that refuses one of these serves all the same.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
    let _ = socket.set_tcp_user_timeout(Some(2 * SILENCE));
}

/// A UDP socket on this address and port, non-blocking, with leave to broadcast. With `interface` it hears
/// and speaks on that interface only: a DHCP server must not answer on the office network.
///
/// Errors: the port is held by somebody (who), needs root, the address or the interface is not here.
pub(crate) fn bind_udp(address: Ipv4Addr, port: u16, interface: Option<&str>) -> Result<UdpSocket> {
    bind(address, port, interface, Alone::Yes)
}

/// A UDP socket on a port of an interface that others have as well: broadcasts go to each of them.
///
/// Errors: as [`bind_udp`]'s.
pub(crate) fn bind_shared_udp(port: u16, interface: &str) -> Result<UdpSocket> {
    bind(Ipv4Addr::UNSPECIFIED, port, Some(interface), Alone::No)
}

/// Whether a socket has its port to itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alone {
    Yes,
    No,
}

fn bind(address: Ipv4Addr, port: u16, interface: Option<&str>, alone: Alone) -> Result<UdpSocket> {
    let name = || match interface {
        Some(interface) => format!("cannot listen on {address}:{port}/udp of {interface}"),
        None => format!("cannot listen on {address}:{port}/udp"),
    };
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).or_fail(name)?;
    socket.set_broadcast(true).or_fail(name)?;
    socket.set_reuse_address(alone == Alone::No).or_fail(name)?;
    socket.set_nonblocking(true).or_fail(name)?;
    make_room(&socket);
    if let Some(interface) = interface {
        socket
            .bind_device(Some(interface.as_bytes()))
            .or_fail(name)
            .map_err(|failure| failure.hint(interface_hint(interface)))?;
    }
    match socket.bind(&SocketAddrV4::new(address, port).into()) {
        Ok(()) => Ok(socket.into()),
        Err(error) => {
            let kind = error.kind();
            let failure = Err::<(), _>(error).or_fail(name).err().unwrap_or_else(|| Failure::new(name()));
            Err(explain(failure, kind, Transport::Udp, address, port))
        }
    }
}

/// When a rack is powered on, a thousand packets come within a second: what does not fit is asked again seconds
/// later, by all at once. Root may have more than `net.core.rmem_max`; a refusal of both leaves what there is.
fn make_room(socket: &Socket) {
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, ROOM).is_err() {
        let _ = socket.set_recv_buffer_size(ROOM);
    }
}

/// What to do about a port that cannot be bound; for TCP ports as well.
pub(crate) fn explain(
    failure: Failure,
    kind: ErrorKind,
    transport: Transport,
    address: Ipv4Addr,
    port: u16,
) -> Failure {
    match kind {
        ErrorKind::AddrInUse => match port_holder(transport, address, port) {
            Some(holder) => failure.hint(format!("{holder} holds it: stop that first")),
            None => failure.hint("another process holds it; run as root to learn which"),
        },
        ErrorKind::PermissionDenied => failure.hint(format!(
            "ports below 1024 need root: run the same command with `sudo`, or give the program the right with \
             `setcap cap_net_bind_service,cap_net_raw+ep {}`",
            std::env::current_exe().map_or_else(|_| "bootworks".into(), |path| path.display().to_string())
        )),
        ErrorKind::AddrNotAvailable => failure.hint(format!(
            "no interface of this machine has {address}: `ip address add {address}/24 dev INTERFACE`"
        )),
        _ => failure,
    }
}

fn interface_hint(interface: &str) -> String {
    let mut names: Vec<String> = std::fs::read_dir("/sys/class/net")
        .map(|entries| {
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    names.sort();
    if names.iter().any(|name| name == interface) {
        "binding to an interface needs root: run the same command with `sudo`".into()
    } else {
        format!("there is no interface `{interface}`, but: {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// The operator wants to know who is in the way, not that somebody is.
    #[test]
    fn the_holder_of_a_port_is_named() {
        let first = bind_udp(Ipv4Addr::LOCALHOST, 0, None).unwrap();
        let port = first.local_addr().unwrap().port();
        let report = bind_udp(Ipv4Addr::LOCALHOST, port, None).unwrap_err().report();
        let name = std::fs::read_to_string("/proc/self/comm").unwrap();
        let report = report
            .replace(&port.to_string(), "PORT")
            .replace(&std::process::id().to_string(), "PID")
            .replace(name.trim_end(), "NAME");
        expect![[r#"
            error: cannot listen on 127.0.0.1:PORT/udp
            because: Address already in use (os error 98)
            hint: `NAME` (pid PID) holds it: stop that first"#]]
        .assert_eq(&report);
        let report = bind_udp(Ipv4Addr::new(192, 0, 2, 1), 0, None).unwrap_err().report();
        expect![[r#"
            error: cannot listen on 192.0.2.1:0/udp
            because: Cannot assign requested address (os error 99)
            hint: no interface of this machine has 192.0.2.1: `ip address add 192.0.2.1/24 dev INTERFACE`"#]]
        .assert_eq(&report);
        let report = bind_udp(Ipv4Addr::LOCALHOST, 0, Some("eth99")).unwrap_err().report();
        assert!(report.contains("hint: there is no interface `eth99`, but: "), "{report}");
    }
}
