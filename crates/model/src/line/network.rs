//! `[network]`: addresses by themselves, then held against each other.

use super::{Dhcp, Folder, Network, Relayed};
use crate::boot::{Firmware, OwnLoader};
use crate::sheet::{At, Section, Sheet};
use std::net::Ipv4Addr;
use wire::mac::Mac;

pub(super) fn read(sheet: &Sheet<'_>, section: &Section<'_>, folder: &dyn Folder) -> Option<Network> {
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
    let router = section.text("router").and_then(|text| host(sheet, &text, address));
    let name_servers = section.list("name-servers");
    let name_servers = name_servers.iter().filter_map(|text| plain(sheet, text)).collect();
    let relayed = relayed(sheet, section, address);
    let reservations = reservations(sheet, section, address, &relayed);
    let loaders = loaders(sheet, section, folder);
    let (address, prefix) = address?;
    Some(Network {
        interface: interface.map(|text| text.value.to_owned()),
        address,
        prefix,
        dhcp,
        range: range.unwrap_or((address, address)),
        router,
        name_servers,
        reservations,
        relayed,
        loaders,
    })
}

/// `[[network.relay]]`: networks that do not overlap, neither each other nor ours.
fn relayed(sheet: &Sheet<'_>, section: &Section<'_>, own: Option<(Ipv4Addr, u8)>) -> Vec<Relayed> {
    let mut relayed: Vec<Relayed> = Vec::new();
    for table in section.sections("relay") {
        let text = table.text("address");
        let address = text.as_ref().and_then(|text| self::address(sheet, text));
        let range = table.text("range").and_then(|text| self::range(sheet, &text, address));
        let (Some(text), Some((address, prefix)), Some(range)) = (text, address, range) else { continue };
        let known = relayed.iter().map(|known| (known.address, known.prefix)).chain(own);
        let clash = known.into_iter().find(|(other, bits)| {
            let mask = u32::MAX << (32 - u32::from(prefix.min(*bits)));
            (other.to_bits() ^ address.to_bits()) & mask == 0
        });
        if let Some((other, bits)) = clash {
            let message = format!("the network of {address}/{prefix} overlaps that of {other}/{bits}");
            sheet.report(text.at, message, "a network behind a relay has addresses of its own");
            continue;
        }
        relayed.push(Relayed { address, prefix, range });
    }
    relayed
}

/// `[[network.reservation]]`: each box once, each address once, on a network that we serve.
fn reservations(
    sheet: &Sheet<'_>,
    section: &Section<'_>,
    own: Option<(Ipv4Addr, u8)>,
    relayed: &[Relayed],
) -> Vec<(Mac, Ipv4Addr)> {
    let mut reservations: Vec<(Mac, Ipv4Addr)> = Vec::new();
    let networks: Vec<(Ipv4Addr, u8)> =
        own.into_iter().chain(relayed.iter().map(|network| (network.address, network.prefix))).collect();
    for table in section.sections("reservation") {
        let mac = table.text("mac").and_then(|text| {
            let Ok(mac) = text.value.parse::<Mac>() else {
                let message = format!("`{}` is not an Ethernet address", text.value.escape_debug());
                sheet.report(text.at, message, "six pairs of hex digits: `\"52:54:00:12:34:56\"`");
                return None;
            };
            if reservations.iter().any(|(known, _)| *known == mac) {
                sheet.report(text.at, format!("{mac} has a reservation already"), "keep one of them");
                return None;
            }
            Some(mac)
        });
        let address = table.text("address").and_then(|text| {
            let address = plain(sheet, &text)?;
            let taken = reservations.iter().find(|(_, known)| *known == address);
            let fits = |(network, prefix): &(Ipv4Addr, u8)| {
                let (first, last) = bounds(*network, *prefix);
                first < address && address < last && address != *network
            };
            if let Some((mac, _)) = taken {
                sheet.report(text.at, format!("{address} is reserved for {mac} already"), "give it another");
                return None;
            }
            if !networks.is_empty() && !networks.iter().any(fits) {
                let names: Vec<String> =
                    networks.iter().map(|(network, prefix)| format!("{network}/{prefix}")).collect();
                let message =
                    format!("{address} is no box's address on the network of {}", names.join(" or "));
                sheet.report(text.at, message, "an address of that network, other than the server's own");
                return None;
            }
            Some(address)
        });
        reservations.extend(mac.zip(address));
    }
    reservations
}

/// `[[network.loader]]`: each firmware once, each file there.
fn loaders(sheet: &Sheet<'_>, section: &Section<'_>, folder: &dyn Folder) -> Vec<OwnLoader> {
    let mut loaders: Vec<OwnLoader> = Vec::new();
    for table in section.sections("loader") {
        let firmware = table.choice("firmware").and_then(|word| {
            let firmware = Firmware::from_id(word.value)?;
            if loaders.iter().any(|known| known.firmware == firmware) {
                sheet.report(word.at, format!("`{}` has a loader already", word.value), "keep one of them");
                return None;
            }
            Some(firmware)
        });
        let file = table.text("file").and_then(|text| {
            let path = text.value;
            // It is also a name over TFTP and in a URL.
            let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_./+".contains(&octet);
            let part = |part: &str| !matches!(part, "" | "." | "..");
            if path.len() > 100 || !path.bytes().all(plain) || !path.split('/').all(part) {
                let message = format!("`{}` cannot be a loader's path", path.escape_debug());
                let hint = "letters, digits, `-`, `_`, `.` and `/`, below the line's folder: `\"loaders/arm64.efi\"`";
                sheet.report(text.at, message, hint);
                return None;
            }
            if !folder.has(path) {
                let message = format!("there is no file `{path}` in the line's folder");
                sheet.report(text.at, message, "put the loader there");
                return None;
            }
            Some(path.to_owned())
        });
        if let (Some(firmware), Some(file)) = (firmware, file) {
            loaders.push(OwnLoader { firmware, file });
        }
    }
    loaders
}

/// An address by itself.
fn plain(sheet: &Sheet<'_>, text: &At<&str>) -> Option<Ipv4Addr> {
    let address = text.value.parse().ok();
    if address.is_none() {
        let message = format!("`{}` is not an IPv4 address", text.value.escape_debug());
        sheet.report(text.at.clone(), message, "for example `\"10.77.0.254\"`");
    }
    address
}

/// An address on the server's network, other than its own.
fn host(sheet: &Sheet<'_>, text: &At<&str>, server: Option<(Ipv4Addr, u8)>) -> Option<Ipv4Addr> {
    let address = plain(sheet, text)?;
    let Some((server, prefix)) = server else { return Some(address) };
    let (network, broadcast) = bounds(server, prefix);
    if address <= network || address >= broadcast {
        let message = format!("{address} is not inside the network of {server}/{prefix}");
        let hint = format!("that network has {} to {}", after(network), before(broadcast));
        sheet.report(text.at.clone(), message, hint);
        return None;
    }
    Some(address)
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
