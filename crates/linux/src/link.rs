//! Network interfaces: what there is (from `/sys/class/net`), and link, address and route set through
//! netlink (rtnetlink(7)). Which interface is used is decided by the caller.

use model::failure::{Explain as _, Failure, Result};
use netlink_packet_core::{
    Emitable as _, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkFlags, LinkHeader};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, SocketType};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::mac::Mac;

/// An Ethernet interface that belongs to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's name for it.
    pub name: String,
    /// Its number.
    pub index: u32,
    /// Its address.
    pub mac: Mac,
    /// The driver bound to its device.
    pub driver: String,
    /// Its device's place in `/sys/devices`, with links resolved.
    pub device: PathBuf,
}

impl Link {
    /// Whether it hangs on USB: often a server's management controller (BMC) that plays a NIC.
    pub fn is_usb(&self) -> bool {
        self.device.components().any(|part| part.as_os_str().to_string_lossy().starts_with("usb"))
    }

    /// Whether it has carrier; an interface that is down has none.
    pub fn has_carrier(&self) -> bool {
        self.attribute("carrier") == "1"
    }

    /// Link speed in Mb/s, where the driver knows it.
    pub fn speed_mbit(&self) -> Option<u32> {
        self.attribute("speed").parse().ok().filter(|speed| *speed > 0 && *speed < u32::MAX)
    }

    /// Frames received and sent since the driver started.
    pub fn frames(&self) -> (u64, u64) {
        let count = |name: &str| self.attribute(name).parse().unwrap_or(0);
        (count("statistics/rx_packets"), count("statistics/tx_packets"))
    }

    fn attribute(&self, name: &str) -> String {
        let path = Path::new("/sys/class/net").join(&self.name).join(name);
        std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
    }
}

/// Every wired Ethernet interface that belongs to a device, by name. Bridges, bonds, `lo` and Wi-Fi are not.
pub fn all() -> Vec<Link> {
    let mut links: Vec<Link> = std::fs::read_dir("/sys/class/net")
        .map(|folder| folder.flatten().filter_map(|entry| read_link(&entry.path())).collect())
        .unwrap_or_default();
    links.sort_by(|a, b| a.name.cmp(&b.name));
    links
}

fn read_link(folder: &Path) -> Option<Link> {
    let attribute = |name: &str| Some(std::fs::read_to_string(folder.join(name)).ok()?.trim().to_owned());
    // include/uapi/linux/if_arp.h: ARPHRD_ETHER; Wi-Fi says 1 as well, but has a phy80211.
    let is_wired = attribute("type")? == "1" && !folder.join("phy80211").exists();
    let device = std::fs::canonicalize(folder.join("device")).ok()?;
    let driver = std::fs::read_link(folder.join("device/driver")).ok();
    let link = Link {
        name: folder.file_name()?.to_str()?.to_owned(),
        index: attribute("ifindex")?.parse().ok()?,
        mac: attribute("address")?.parse().ok()?,
        driver: driver.and_then(|path| Some(path.file_name()?.to_str()?.to_owned())).unwrap_or_default(),
        device,
    };
    is_wired.then_some(link)
}

/// The number of any interface by its name: `lo`.
pub fn index(name: &str) -> Option<u32> {
    std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?.trim().parse().ok()
}

/// The IPv4 addresses of an interface, each with its prefix length, in the kernel's order.
pub fn addresses(index: u32) -> Result<Vec<(Ipv4Addr, u8)>> {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    let answers = list(Request::ListAddresses(message))
        .or_fail(|| format!("cannot list the addresses of interface {index}"))?;
    let mut addresses = Vec::new();
    for answer in answers {
        let RouteNetlinkMessage::NewAddress(message) = answer else { continue };
        if message.header.index != index {
            continue;
        }
        let local = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
            _ => None,
        });
        addresses.extend(local.map(|address| (address, message.header.prefix_len)));
    }
    Ok(addresses)
}

/// Switches an interface on.
pub fn up(index: u32) -> Result<()> {
    let flags = LinkFlags::Up;
    let header = LinkHeader { index, flags, change_mask: flags, ..LinkHeader::default() };
    ask(Request::SetLink(header), 0).or_fail(|| format!("cannot switch interface {index} on"))
}

/// Gives an interface an address; the route to its network comes with it.
pub fn add_address(index: u32, address: Ipv4Addr, prefix: u8) -> Result<()> {
    let message = address_message(index, address, prefix);
    ask(Request::AddAddress(message), NLM_F_CREATE | NLM_F_REPLACE)
        .or_fail(|| format!("cannot set the address {address}/{prefix}"))
}

/// Takes an address away; the routes over it go with it.
pub fn remove_address(index: u32, address: Ipv4Addr, prefix: u8) -> Result<()> {
    ask(Request::RemoveAddress(address_message(index, address, prefix)), 0)
        .or_fail(|| format!("cannot take the address {address}/{prefix} away"))
}

fn address_message(index: u32, address: Ipv4Addr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = prefix;
    message.header.index = index;
    let broadcast = u32::from(address) | u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    message.attributes = vec![
        AddressAttribute::Local(IpAddr::V4(address)),
        AddressAttribute::Address(IpAddr::V4(address)),
        AddressAttribute::Broadcast(broadcast.into()),
    ];
    message
}

/// Sends everything that is not for a local network to `router`.
pub fn add_default_route(index: u32, router: Ipv4Addr) -> Result<()> {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: AddressFamily::Inet,
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::Dhcp,
        scope: RouteScope::Universe,
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    message.attributes =
        vec![RouteAttribute::Gateway(RouteAddress::Inet(router)), RouteAttribute::Oif(index)];
    ask(Request::AddRoute(message), NLM_F_CREATE | NLM_F_REPLACE)
        .or_fail(|| format!("cannot set the route over {router}"))
}

/// What is asked of the kernel. The crate has a type for all that there is to ask, with 100 kB of code to write each of
/// them; that would travel in every initrd.
#[derive(Debug)]
enum Request {
    /// Flags only: no attribute has to be written.
    SetLink(LinkHeader),
    ListAddresses(AddressMessage),
    AddAddress(AddressMessage),
    RemoveAddress(AddressMessage),
    AddRoute(RouteMessage),
}

impl NetlinkSerializable for Request {
    fn message_type(&self) -> u16 {
        match self {
            Request::SetLink(_) => libc::RTM_SETLINK,
            Request::ListAddresses(_) => libc::RTM_GETADDR,
            Request::AddAddress(_) => libc::RTM_NEWADDR,
            Request::RemoveAddress(_) => libc::RTM_DELADDR,
            Request::AddRoute(_) => libc::RTM_NEWROUTE,
        }
    }

    fn buffer_len(&self) -> usize {
        match self {
            Request::SetLink(header) => header.buffer_len(),
            Request::ListAddresses(message)
            | Request::AddAddress(message)
            | Request::RemoveAddress(message) => message.buffer_len(),
            Request::AddRoute(message) => message.buffer_len(),
        }
    }

    fn serialize(&self, buffer: &mut [u8]) {
        match self {
            Request::SetLink(header) => header.emit(buffer),
            Request::ListAddresses(message)
            | Request::AddAddress(message)
            | Request::RemoveAddress(message) => message.emit(buffer),
            Request::AddRoute(message) => message.emit(buffer),
        }
    }
}

/// The octets of a request.
fn written(request: Request, flags: u16) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    (header.flags, header.sequence_number) = (NLM_F_REQUEST | flags, 1);
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Sends one request and waits for the kernel's acknowledgement.
fn ask(request: Request, flags: u16) -> io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // NETLINK_ROUTE is protocol 0.
        None,
    )?;
    let bytes = written(request, NLM_F_ACK | flags);
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &bytes, SendFlags::empty(), &kernel)?;
    let mut answer = [0u8; 4096];
    let (length, _) = rustix::net::recv(&socket, answer.as_mut_slice(), RecvFlags::empty())?;
    acknowledged(answer.get(..length).unwrap_or_default())
}

/// Asks for a list and takes every part of the answer, up to the kernel's word that it is done.
fn list(request: Request) -> io::Result<Vec<RouteNetlinkMessage>> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // NETLINK_ROUTE is protocol 0.
        None,
    )?;
    let bytes = written(request, NLM_F_DUMP);
    rustix::net::sendto(&socket, &bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let invalid =
        |error: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    let mut answers = Vec::new();
    // The kernel fills at most 32 KiB at a time (net/netlink/af_netlink.c, netlink_recvmsg).
    let mut buffer = vec![0u8; 32 * 1024];
    loop {
        let (length, _) = rustix::net::recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        while rest.len() >= 16 {
            let message =
                NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(|error| invalid(&error))?;
            // Each message is padded to four octets (NLMSG_ALIGN).
            let step = usize::try_from(message.header.length).unwrap_or(usize::MAX).next_multiple_of(4);
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                _ => {}
            }
            rest = rest.get(step.max(16)..).unwrap_or_default();
        }
        if length == 0 {
            return Err(invalid(&"the kernel's list ends early"));
        }
    }
}

/// Reads `struct nlmsgerr` (`include/uapi/linux/netlink.h`): after the header of 16 octets stands minus the
/// error number, or 0.
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    const NLMSG_ERROR: [u8; 2] = 2u16.to_ne_bytes();
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer is not an acknowledgement");
    if answer.get(4..6) != Some(&NLMSG_ERROR) {
        return Err(bad());
    }
    let number = answer.get(16..20).and_then(|octets| octets.try_into().ok()).map(i32::from_ne_bytes);
    match number.ok_or_else(bad)? {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number.saturating_neg())),
    }
}

/// A socket for a DHCP client on one interface, which needs no address yet.
pub fn dhcp_socket(link: &Link) -> Result<UdpSocket> {
    let failed = || format!("cannot open a DHCP client's socket on {}", link.name);
    let open = || -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        socket.set_broadcast(true)?;
        socket.bind_device(Some(link.name.as_bytes()))?;
        // RFC 2131 §4.1: the client's port.
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68).into())?;
        Ok(socket.into())
    };
    open().or_fail(failed)
}

/// Opens a TCP connection over one interface, whatever the routing table prefers.
pub fn connect(link: &Link, to: SocketAddrV4, patience: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind_device(Some(link.name.as_bytes()))?;
    socket.connect_timeout(&to.into(), patience)?;
    Ok(socket.into())
}

/// Switches `lo` on: without it a process cannot talk to itself over 127.0.0.1.
pub fn loopback_up() -> Result<()> {
    let index = index("lo").ok_or_else(|| Failure::new("there is no loopback interface"))?;
    up(index)
}

/// Counters of what must not happen on a sound wire (Documentation/networking/statistics.rst).
const ERRORS: [&str; 6] =
    ["rx_errors", "rx_crc_errors", "rx_frame_errors", "rx_length_errors", "tx_errors", "tx_carrier_errors"];

/// What the interfaces below `root` that have hardware behind them have counted: `rx_crc_errors of enp1s0`.
pub fn errors(root: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join("sys/class/net")).into_iter().flatten().flatten() {
        let folder = entry.path();
        if !folder.join("device").exists() {
            continue;
        }
        for counter in ERRORS {
            let text = std::fs::read_to_string(folder.join("statistics").join(counter));
            if let Some(count) = text.ok().and_then(|text| text.trim().parse().ok()) {
                found.push((format!("{counter} of {}", entry.file_name().to_string_lossy()), count));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every machine has this one: the list comes whole and is understood.
    #[test]
    fn the_loopback_has_its_address() {
        let index = index("lo").unwrap();
        assert!(addresses(index).unwrap().contains(&(Ipv4Addr::LOCALHOST, 8)));
    }

    /// An error read as success leaves a box without an address that believes it has one.
    #[test]
    fn the_kernels_acknowledgement_is_read() {
        let answer = |kind: u16, number: i32| {
            let mut bytes = vec![0u8; 36];
            bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
            bytes[16..20].copy_from_slice(&number.to_ne_bytes());
            bytes
        };
        assert!(acknowledged(&answer(2, 0)).is_ok());
        assert_eq!(acknowledged(&answer(2, -17)).unwrap_err().raw_os_error(), Some(17));
        assert!(acknowledged(&answer(3, 0)).is_err(), "NLMSG_DONE is no acknowledgement");
        assert!(acknowledged(&answer(2, 0)[..18]).is_err());
    }

    /// Link, address and route are really set: in a network namespace of its own.
    #[test]
    fn system_an_interface_gets_address_and_route() {
        if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
            eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root)");
            return;
        }
        // A thread of its own: the namespace ends with it.
        let outcome = std::thread::spawn(|| {
            // SAFETY: no descriptor table is unshared.
            unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }.unwrap();
            // `/sys/class/net` shows the namespace of whoever mounted it, but `lo` is 1 in each.
            up(1).unwrap();
            add_address(1, Ipv4Addr::new(10, 77, 0, 2), 24).unwrap();
            add_address(1, Ipv4Addr::new(10, 77, 0, 2), 24).unwrap();
            add_default_route(1, Ipv4Addr::new(10, 77, 0, 1)).unwrap();
            let routes = std::fs::read_to_string("/proc/thread-self/net/route").unwrap();
            remove_address(1, Ipv4Addr::new(10, 77, 0, 2), 24).unwrap();
            let again = remove_address(1, Ipv4Addr::new(10, 77, 0, 2), 24).unwrap_err();
            (routes, again.to_string())
        });
        let (routes, again) = outcome.join().unwrap();
        assert!(routes.contains("00000000\t01004D0A"), "{routes}");
        expect_test::expect![
            "cannot take the address 10.77.0.2/24 away: Cannot assign requested address (os error 99)"
        ]
        .assert_eq(&again);
    }
}
