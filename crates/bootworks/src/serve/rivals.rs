//! Looks for other DHCP servers: asks for an address as a client does, and hears what others are offered.
//!
//! What of it is a trouble is `model::rivals`'s to say; here are the socket and the clock.

use super::board::Board;
use super::store;
use model::failure::{Explain as _, Result};
use model::line::Dhcp;
use model::rivals::{Offer, Rivals};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use tokio::net::UdpSocket;
use wire::dhcp::option::{self, MessageType};
use wire::dhcp::{BROADCAST, Packet, SERVER_PORT};
use wire::mac::Mac;

/// How often is asked.
const EACH: Duration = Duration::from_secs(60);
/// What we call ourselves: nothing that a proxyDHCP server would answer.
const VENDOR_CLASS: &str = "bootworks-server";

/// What is looked for, and from where.
pub(crate) struct Watch {
    /// Our own address.
    pub(crate) server: Ipv4Addr,
    /// Our MAC on the build network.
    pub(crate) own: Mac,
    /// Who leases addresses.
    pub(crate) dhcp: Dhcp,
    /// Where alarms are shown.
    pub(crate) board: Board,
}

/// Watches until the socket fails. `socket` is bound to the clients' port of the interface, beside whoever else is.
pub(crate) async fn watch(socket: std::net::UdpSocket, watch: Watch) -> Result<Infallible> {
    let what = || "cannot go on looking for other DHCP servers".to_owned();
    let socket = UdpSocket::from_std(socket).or_fail(what)?;
    let mut rivals = Rivals::new(watch.server, watch.dhcp);
    let mut clock = tokio::time::interval(EACH);
    let mut asked: u32 = 0;
    let mut bytes = [0; 1500];
    loop {
        tokio::select! {
            _ = clock.tick() => {
                asked += 1;
                if asked > 1 && watch.dhcp == Dhcp::Proxy && rivals.lessors().next().is_none() {
                    watch.board.note(
                        "dhcp: no other DHCP server answers here; with dhcp = \"proxy\" boxes get their address from one"
                            .into(),
                    );
                }
                let question = question(watch.own, asked);
                let everybody = SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT);
                // Without a cable nobody hears it; the next one is a minute away.
                let _ = socket.send_to(&question.encode(), everybody).await;
                if let Some(change) = rivals.judge(store::now()) {
                    watch.board.alarm(change);
                }
            }
            received = socket.recv_from(&mut bytes) => {
                let length = match received {
                    // Our own broadcasts come back to us, by the thousand when a rack is powered on.
                    Ok((_, from)) if from.ip() == IpAddr::V4(watch.server) => continue,
                    Ok((length, _)) => length,
                    Err(error) if error.kind() == std::io::ErrorKind::NetworkDown => continue,
                    Err(error) => return Err(error).or_fail(what),
                };
                let packet = Packet::parse(bytes.get(..length).unwrap_or_default()).ok();
                let Some(offer) = packet.as_ref().and_then(Offer::read) else { continue };
                if let Some(change) = rivals.heard(offer, store::now()) {
                    watch.board.alarm(change);
                }
            }
        }
    }
}

/// A DISCOVER that whoever leases addresses answers to everybody. The number only tells questions apart.
fn question(own: Mac, number: u32) -> Packet {
    let [.., a, b] = own.0;
    let mut packet = Packet::request(own, u32::from_be_bytes([a, b, 0, 0]) | (number & 0xffff));
    packet.flags = BROADCAST;
    packet.options.set(option::MESSAGE_TYPE, [MessageType::Discover.octet()]);
    packet.options.set(option::VENDOR_CLASS, VENDOR_CLASS);
    packet.options.set(
        option::PARAMETERS,
        [option::SUBNET_MASK, option::ROUTERS, option::TFTP_SERVER, option::BOOTFILE],
    );
    packet
}
