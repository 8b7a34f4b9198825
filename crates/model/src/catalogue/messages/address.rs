//! What programs print of the causes in `address`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const DHCP_NO_ANSWER: &[Sign] = &[
    usual("DHCP/BOOTP timeout for server"),
    proof("DHCP Lease was not obtained for any Networking device"),
    usual("There was an error configuring your network interface"),
    usual("Obtaining IP via DHCP ({interface}){:any}failed"),
    usual("using IPv4LL address {address}"),
    usual("Activation: failed for connection"),
    usual("Interface wait time reached"),
    usual("^{interface} {:any}setup-in-progress"),
    usual("It seems to be taking a while to acquire an IPv4 address"),
    usual("still can not get bootnic"),
    usual("Determining IP information for {interface} failed."),
    usual("ERROR; Failed to configure network"),
    usual("No DHCP response on interface {interface}, skipping it"),
    usual("Error finding IP for Ironic Agent"),
    proof("occurred while obtaining an IP address from the DHCP server"),
    usual("udp port bootps unreachable"),
];

pub(in crate::catalogue) const DHCP_SERVER_SILENT: &[Sign] = &[
    usual("dhcpd.conf line {line:number}: semicolon expected"),
    usual("dhcpd.conf line {line:number}: expecting a parameter or declaration"),
    proof("dhcpd.leases for append"),
    proof("Can't open {folder}/dhcpd.conf: {why:any}"),
    proof("bad range, address {address} not in subnet {net} netmask"),
    usual("DHCPDISCOVER from {mac} via {interface}: not responding ({state:any}"),
    proof("Packet from unknown subnet: {relay}"),
    usual("BOOTP from unknown client and no dynamic leases"),
    usual("BOOTP from dynamic client and no dynamic leases"),
    proof("dhcpd{:any}: send_packet: Network is unreachable"),
    usual("write_lease: unable to write lease {address}"),
    proof("commit_leases: unable to commit"),
    proof("Can't create new lease file: {why:any}"),
    usual("DHCP4_OPEN_SOCKETS_FAILED"),
    proof("DHCP4_PACKET_SEND_FAIL"),
    proof("DHCPSRV_MEMFILE_FAILED_TO_OPEN"),
    proof("DHCP4_PACKET_PROCESS_STD_EXCEPTION"),
    proof("DHCP4_NO_SOCKETS_OPEN no interface configured to listen"),
    proof("DHCP4_OPEN_SOCKET_FAIL failed to open socket"),
    proof("Unrecoverable MySQL error occurred"),
    proof("DHCP6_CONFIG_LOAD_FAIL"),
    proof("DHCP6_INIT_FAIL"),
    proof("0.0.0.0:67: bind: address already in use"),
    proof("bad dhcp-range at line {line:number} of"),
    proof("inconsistent DHCP range at line {line:number} of"),
    usual("dnsmasq{:any}: bad option at line {line:number} of"),
    usual("illegal repeated keyword at line {line:number} of"),
    usual("dnsmasq{:any}: cannot read {file}: {why:any}"),
    proof("dnsmasq[{pid:number}]: unknown interface {interface}"),
    proof("duplicate dhcp-host IP address {address}"),
    proof("dnsmasq: process is missing required capability"),
    proof("dnsmasq: unknown user or group: {user}"),
    usual("dnsmasq: cannot open log {file}: {why:any}"),
    proof("udhcpd: bind: Address already in use"),
    usual("udhcpd: is interface {interface} up and configured?"),
    proof("has determined that it is not authorized to start"),
    proof("The DHCP service is not servicing any DHCPv4 clients because none of the active"),
    usual("dhcpd.service: Failed with result '{result}'"),
    usual("isc-dhcp-server.service: Failed with result '{result}'"),
    usual("kea-dhcp4-server.service: Failed with result '{result}'"),
    usual("dnsmasq.service: Failed with result '{result}'"),
    usual("avc:{:any}denied{:any}comm='dhcpd'"),
    usual("apparmor='DENIED'{:any}profile='/usr/sbin/dhcpd'"),
    usual("interface that has no IPv4 address assigned"),
    proof("Could not start DHCPv4 server instance"),
    usual("Failed to start {unit:any}ISC DHCP IPv4 server"),
    usual("Failed to start {unit:any}DHCPv4 Server Daemon"),
    usual("Failed to start {unit:any}A lightweight DHCP and caching DNS server"),
    usual("Failed to start {unit:any}Kea DHCPv4 Se{rest}"),
    usual("dhcpd.conf line {line:number}: left brace expected"),
    proof("The DHCP service was unable to access path specified for the database"),
    usual("DHCP range {range:any} is not consistent with netmask"),
    proof("cannot set --bind-interfaces and --bind-dynamic"),
    usual("Open a socket for LPF:").unless(&["dhclient"]),
    proof("bad subnet number/mask combination"),
    proof("Address range {range:any} not on net"),
    proof("DHCP4_ALREADY_RUNNING"),
    proof("DHCPD: there is no address pool for"),
    usual("The DHCP service failed to see a directory server for authorization"),
];

pub(in crate::catalogue) const DNS_MISSING: &[Sign] = &[
    usual("on [::1]:53: read udp"),
    usual("DNSSEC validation failed for question"),
    proof("SyncTimeWithMP() failed. 80072ee7"),
    usual("Could not find search domain in resolv.conf"),
    proof("Received 0x80072ee7 from WinHttpSendRequest"),
    usual("unknown host (gethostbyname failed"),
];

pub(in crate::catalogue) const DUPLICATE_ADDRESS: &[Sign] = &[
    usual("ICMP Echo reply while lease {address} valid"),
    proof("DHCP4_DECLINE_LEASE Received DHCPDECLINE for addr {address}"),
    usual("not using configured address {address} because it was previously declined"),
    usual("DHCPD-4-PING_CONFLICT"),
    usual("BAD_ADDRESS"),
];

pub(in crate::catalogue) const IP_PARAM_BAD: &[Sign] = &[usual("Root-NFS: no NFS server address")];

pub(in crate::catalogue) const NETWORK_CONFIG_INVALID: &[Sign] = &[
    proof("Error in network definition: {why:any}"),
    usual(".yaml:{line:number}:{column:number}: Invalid YAML"),
    proof("couldn't read interfaces file"),
    usual("/etc/network/interfaces:{line:number}: misplaced option"),
    usual("/etc/network/interfaces:{line:number}: option with empty value"),
    usual("failed to load connection: invalid connection"),
    usual("Failed to parse address '{address}'"),
    proof("interface has both bridge and bond sections set {link:any}"),
    proof("is declared as part of two separate links: {links:any}"),
    usual("duplicate mac found! both '{first:any}' and '{second:any}' have mac"),
    proof("No available network renderers found"),
    proof("No config network {what} keys [{keys:any}] found in"),
    proof("No handler found for command"),
    proof("Nameserver specified for interface {interface:any}, but interface"),
    usual("/etc/systemd/network/{file}:{line:number}: Failed to parse address value, ignoring"),
    usual("/etc/systemd/network/{file}:{line:number}: Assignment outside of section"),
    proof("/etc/network/interfaces:{line:number}: duplicate option"),
    proof("An error occurred: the configuration could not be generated"),
    proof("system-generators/netplan failed with"),
    proof("duplicate mac found! both '{a}' and '{b}' have mac"),
];

pub(in crate::catalogue) const ROUTE_MISSING: &[Sign] =
    &[proof("gateway you entered is unreachable"), usual("ICMP net {net} unreachable")];

pub(in crate::catalogue) const BOOT_PARAMETERS_MISSING: &[Sign] = &[
    usual("coreos.live.rootfs_url= supports HTTP and HTTPS only"),
    proof("Could not determine Foreman instance, add foreman.url or proxy.url"),
];
