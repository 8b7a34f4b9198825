//! Listens to the kernel's device events: a device came, changed, or went. Nothing is decided here.

use model::failure::{Explain as _, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// The multicast group of the kernel's own events; group 2 is udev's.
const KERNEL_GROUP: u32 = 1;

/// One event of the kernel (`lib/kobject_uevent.c`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uevent {
    /// `add`, `remove`, `change`, `bind`, …
    pub action: String,
    /// The device's path under `/sys`, starting with `/devices/`.
    pub path: String,
    /// The other variables: `SUBSYSTEM`, `MODALIAS`, `INTERFACE`, ….
    pub variables: BTreeMap<String, String>,
}

impl Uevent {
    /// Reads one datagram: `add@/devices/…`, then `KEY=value` words, each ended by a zero octet.
    pub fn read(datagram: &[u8]) -> Option<Uevent> {
        let mut words =
            datagram.split(|byte| *byte == 0).map(String::from_utf8_lossy).filter(|word| !word.is_empty());
        let head = words.next()?;
        let (action, path) = head.split_once('@')?;
        let variables = words
            .filter_map(|word| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())))
            .collect();
        Some(Uevent { action: action.to_owned(), path: path.to_owned(), variables })
    }

    /// The modalias it carries, where it carries one.
    pub fn modalias(&self) -> Option<&str> {
        self.variables.get("MODALIAS").map(String::as_str)
    }
}

/// A socket on which the kernel's events arrive from now on.
#[derive(Debug)]
pub struct Uevents {
    socket: OwnedFd,
}

impl Uevents {
    /// Starts listening. Open it before looking through `/sys`, so that nothing falls between the two.
    pub fn listen() -> Result<Uevents> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = SocketType::DGRAM;
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, kind, flags, Some(KOBJECT_UEVENT))
            .or_fail(|| "cannot open a socket for the kernel's device events".into())?;
        // A coldplug of hundreds of devices answers faster than modules load; the default buffer holds about
        // two hundred events.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 8 << 20);
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))
            .or_fail(|| "cannot listen to the kernel's device events".into())?;
        Ok(Uevents { socket })
    }

    /// The next event, or `None` after `patience`. An overrun (`ENOBUFS`) reads as silence.
    pub fn next(&self, patience: Duration) -> Option<Uevent> {
        let mut buffer = [0u8; 8192];
        let mut wanted = [PollFd::new(&self.socket, PollFlags::IN)];
        let timeout = patience.try_into().ok();
        if poll(&mut wanted, timeout.as_ref()).ok()? == 0 {
            return None;
        }
        let (length, _) = rustix::net::recv(&self.socket, buffer.as_mut_slice(), RecvFlags::empty()).ok()?;
        Uevent::read(buffer.get(..length)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A NIC's arrival is read from exactly these octets; a torn datagram must be nothing and not a panic.
    #[test]
    fn an_event_of_the_kernel_is_read() {
        let datagram =
            b"add@/devices/pci0000:00/0000:00:02.0\0ACTION=add\0SUBSYSTEM=pci\0MODALIAS=pci:v00008086\0";
        let event = Uevent::read(datagram).unwrap();
        assert_eq!((event.action.as_str(), event.path.as_str()), ("add", "/devices/pci0000:00/0000:00:02.0"));
        assert_eq!(event.modalias(), Some("pci:v00008086"));
        assert_eq!(Uevent::read(b"libudev\0\xfe\xed"), None);
        assert_eq!(Uevent::read(b""), None);
    }
}
