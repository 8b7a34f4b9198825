//! The build network.

use super::key;
use crate::boot::Firmware;
use crate::sheet::table::Need::{May, Must};
use crate::sheet::table::{Kind, Table};

pub(super) const NETWORK: Table = Table {
    name: "[network]",
    says: "The network between the server and the boxes, and who leases addresses on it.",
    keys: &[&[
        key(
            "interface",
            Kind::Text,
            May("`serve` has to be told with `--interface`; a rehearsal makes its own"),
            r#""enp3s0""#,
            "The server's interface on the build network.",
        ),
        key(
            "address",
            Kind::Text,
            Must,
            r#""10.77.0.1/24""#,
            "The server's address on it, with the prefix length.",
        ),
        key(
            "dhcp",
            Kind::Choice(&["full", "proxy"]),
            May("`full`"),
            r#""full""#,
            "`full`: the server leases addresses. `proxy`: somebody else's DHCP server does, ours only names the boot file.",
        ),
        key(
            "range",
            Kind::Text,
            May("nothing is leased, which only `dhcp = \"proxy\"` allows"),
            r#""10.77.0.50-10.77.0.250""#,
            "First and last address leased, inside the network and without the server's own.",
        ),
        key(
            "router",
            Kind::Text,
            May("boxes are told none"),
            r#""10.77.0.254""#,
            "The router that boxes are told; a build network seldom has one.",
        ),
        key(
            "name-servers",
            Kind::List,
            May("boxes are told none"),
            r#"["10.77.0.254"]"#,
            "Name servers that boxes are told, the best first.",
        ),
        key(
            "reservation",
            Kind::Tables(&RESERVATION),
            May("every box gets the next free address"),
            "",
            "Addresses that are kept for certain boxes.",
        ),
        key(
            "relay",
            Kind::Tables(&RELAY),
            May("boxes are on the server's own network"),
            "",
            "Networks whose boxes reach the server through a DHCP relay.",
        ),
        key(
            "loader",
            Kind::Tables(&LOADER),
            May("iPXE for BIOS and for x86-64 UEFI"),
            "",
            "Network boot programs for other firmware, or in place of ours.",
        ),
    ]],
};

const RESERVATION: Table = Table {
    name: "[[network.reservation]]",
    says: "An address that one box gets and no other; inside the range or outside of it.",
    keys: &[&[
        key("mac", Kind::Text, Must, r#""52:54:00:12:34:56""#, "The MAC of the NIC that it boots from."),
        key(
            "address",
            Kind::Text,
            Must,
            r#""10.77.0.20""#,
            "The address, on the build network or behind a relay.",
        ),
    ]],
};

const RELAY: Table = Table {
    name: "[[network.relay]]",
    says: "A network behind a DHCP relay (`ip helper-address`, `dhcrelay`). The server must have a route to it.",
    keys: &[&[
        key(
            "address",
            Kind::Text,
            Must,
            r#""10.78.0.1/24""#,
            "The relay's address on it, with the prefix length; boxes get it as their router.",
        ),
        key("range", Kind::Text, Must, r#""10.78.0.50-10.78.0.250""#, "First and last address leased there."),
    ]],
};

const LOADER: Table = Table {
    name: "[[network.loader]]",
    says: "A network boot program for one kind of firmware. It is fetched over TFTP, or over HTTP by UEFI HTTP Boot, and should be an iPXE that speaks HTTP.",
    keys: &[&[
        key(
            "firmware",
            Kind::Choice(Firmware::IDS),
            Must,
            r#""uefi-arm64""#,
            "Which firmware gets it, by what it says of itself (DHCP option 93).",
        ),
        key("file", Kind::Text, Must, r#""loaders/snponly-arm64.efi""#, "Its path in the line's folder."),
    ]],
};
