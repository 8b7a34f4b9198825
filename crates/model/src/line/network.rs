//! `[network]`: addresses by themselves, then held against each other.

use super::{Dhcp, Network};
use crate::sheet::{At, Section, Sheet};
use std::net::Ipv4Addr;

pub(super) fn read(sheet: &Sheet<'_>, section: &Section<'_>) -> Option<Network> {
    let interface = section.text("interface");
    if let Some(interface) = &interface {
        let odd = |octet: u8| octet == b'/' || octet.is_ascii_whitespace() || octet.is_ascii_control();
        // Linux IFNAMSIZ is 16 with the closing zero.
        if interface.value.len() > 15 || interface.value.bytes().any(odd) {
            let message = format!("`{}` cannot be an interface's name", interface.value.escape_debug());
            sheet.report(interface.at.clone(), message, "`ip link` lists the interfaces: `\"enp3s0\"`");
        }
    }
    let address = section.text("address").and_then(|text| self::address(sheet, &text));
    let dhcp = match section.choice("dhcp").map(|word| word.value) {
        Some("proxy") => Dhcp::Proxy,
        _ => Dhcp::Full,
    };
    if dhcp == Dhcp::Full && !section.has("range") {
        sheet.report_absence(
            section.at.clone(),
            "[network] has no `range`, but with `dhcp = \"full\"` the server leases addresses",
            "for example `range = \"10.77.0.50-10.77.0.250\"`, or `dhcp = \"proxy\"` beside another DHCP server",
        );
    }
    let range = section.text("range").and_then(|text| self::range(sheet, &text, address));
    let (address, prefix) = address?;
    Some(Network {
        interface: interface.map(|text| text.value.to_owned()),
        address,
        prefix,
        dhcp,
        range: range.unwrap_or((address, address)),
    })
}

/// `10.77.0.1/24`: an address that a server can have in its network.
fn address(sheet: &Sheet<'_>, text: &At<&str>) -> Option<(Ipv4Addr, u8)> {
    const HINT: &str = "an IPv4 address and a prefix length: `\"10.77.0.1/24\"`";
    let refuse = |message: String, hint: &str| {
        sheet.report(text.at.clone(), message, hint);
        None
    };
    let shown = text.value.escape_debug();
    let Some((address, prefix)) = text.value.split_once('/') else {
        let hint = match text.value.parse::<Ipv4Addr>() {
            Ok(address) => format!("with its prefix length: `\"{address}/24\"`"),
            Err(_) => HINT.to_owned(),
        };
        return refuse(format!("`{shown}` has no prefix length"), &hint);
    };
    let Ok(address) = address.parse::<Ipv4Addr>() else {
        return refuse(format!("`{}` is not an IPv4 address", address.escape_debug()), HINT);
    };
    let Some(prefix) = prefix.parse::<u8>().ok().filter(|prefix| (8..=30).contains(prefix)) else {
        return refuse(
            format!("`/{}` is not the prefix length of a build network", prefix.escape_debug()),
            "between `/8` and `/30`, for example `/24` for 254 addresses",
        );
    };
    if address.is_loopback() || address.is_multicast() || address.is_unspecified() || address.is_broadcast() {
        return refuse(format!("`{address}` cannot be a server's address"), HINT);
    }
    let (network, broadcast) = bounds(address, prefix);
    if address == network || address == broadcast {
        let what = if address == network { "the network itself" } else { "everybody on it" };
        return refuse(
            format!("{address} is the address of {what}, not of a server"),
            &format!("one of {} to {}", after(network), before(broadcast)),
        );
    }
    Some((address, prefix))
}

/// `10.77.0.50-10.77.0.250`, held against the server's own address.
fn range(sheet: &Sheet<'_>, text: &At<&str>, server: Option<(Ipv4Addr, u8)>) -> Option<(Ipv4Addr, Ipv4Addr)> {
    const HINT: &str = "first and last address with a dash between: `\"10.77.0.50-10.77.0.250\"`";
    let Some((first, last)) = text.value.split_once('-').map(|(first, last)| (first.trim(), last.trim()))
    else {
        sheet.report(text.at.clone(), format!("`{}` is not a range", text.value.escape_debug()), HINT);
        return None;
    };
    let mut ends = Vec::new();
    for end in [first, last] {
        match end.parse::<Ipv4Addr>() {
            Ok(address) => ends.push(address),
            Err(_) => {
                let message = format!("`{}` is not an IPv4 address", end.escape_debug());
                let inside = text.value.find(end).unwrap_or_default();
                sheet.report(sheet.within(text, inside..inside + end.len()), message, HINT);
            }
        }
    }
    let [first, last] = ends[..] else { return None };
    let refuse = |message: String, hint: String| {
        sheet.report(text.at.clone(), message, hint);
        None
    };
    if first > last {
        return refuse(
            format!("the range ends at {last}, before it begins at {first}"),
            format!("`\"{last}-{first}\"`"),
        );
    }
    let Some((server, prefix)) = server else { return Some((first, last)) };
    let (network, broadcast) = bounds(server, prefix);
    if first <= network || last >= broadcast {
        return refuse(
            format!("the range {first}-{last} is not inside the network of {server}/{prefix}"),
            format!("that network has {} to {}", after(network), before(broadcast)),
        );
    }
    if (first..=last).contains(&server) {
        return refuse(
            format!("the range {first}-{last} has the server's own address {server} in it"),
            "begin the range after it, or end it before".into(),
        );
    }
    Some((first, last))
}

/// The network's own address and its broadcast address. `prefix` is 8 to 30.
fn bounds(address: Ipv4Addr, prefix: u8) -> (Ipv4Addr, Ipv4Addr) {
    let mask = u32::MAX << (32 - u32::from(prefix));
    (Ipv4Addr::from(u32::from(address) & mask), Ipv4Addr::from(u32::from(address) | !mask))
}

/// The first address of a network, after its own.
fn after(network: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(network).saturating_add(1))
}

/// The last address of a network, before its broadcast address.
fn before(broadcast: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(broadcast).saturating_sub(1))
}
