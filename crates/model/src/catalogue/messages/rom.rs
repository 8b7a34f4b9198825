//! What programs print of the causes in `rom`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const DHCP_NO_BOOTFILE: &[Sign] = &[
    usual("PXE-E7B: Missing MTFTP server IP address"),
    usual("(net) Can't obtain TFTP server IP address"),
    usual("cannot send DHCP/BOOTP option 67: no space left in packet"),
    usual("*** ERROR: 'serverip' not set"),
    usual("Please enter tftp server"),
];

pub(in crate::catalogue) const DHCP_NO_OFFER: &[Sign] = &[
    usual("Timeout waiting for ARP/RARP packet"),
    usual("Giving up after {count:number} DHCP requests"),
    usual("DHCP Server not found!"),
    usual("Security violation occurred, caused by MAC address {mac}"),
    proof("DHCP_SNOOPING drop message on untrusted port, message type: DHCPOFFER"),
    usual("DHCP_SNOOPING_MATCH_MAC_FAIL"),
    usual("DOT1X-5-FAIL: Authentication failed for client"),
    usual("MAB-5-FAIL: Authentication failed for client"),
    usual("AUTHMGR-5-FAIL: Authorization failed{why:any}for client"),
    usual("| PXE Server not found | Asserted"),
    usual("*** ERROR: 'ipaddr' not set"),
    usual("dhcp server is not running"),
];

pub(in crate::catalogue) const DHCP_POOL_EMPTY: &[Sign] = &[
    proof("ALLOC_ENGINE_V6_ALLOC_FAIL"),
    usual("failed to advertise a lease, client sent ciaddr"),
    proof("DHCPNAK({interface}) {address} {mac} no leases left"),
    proof("There are no IP addresses available for lease in the scope"),
    usual("percent full with only 0 IP addresses remaining"),
    proof("failed to give out IP address: pool <{pool}> is empty"),
    proof("no IP addresses to give -- OFFER abandoned"),
    proof("no more address or address previously allocated by another server"),
];

pub(in crate::catalogue) const NBP_TOO_BIG: &[Sign] = &[
    proof("(net) TFTP buffer of {size:number} bytes is too small for"),
    proof("TFTP error: trying to overwrite reserved memory"),
    proof("Image too large: increase CONFIG_SYS_BOOTM_LEN"),
    usual("new format image overwritten"),
    usual("Failed to allocate image buffer"),
];

pub(in crate::catalogue) const NBP_WRONG_ARCH: &[Sign] = &[
    usual("E3403: Bad executable:"),
    usual("The file just loaded does not appear to be executable"),
    usual("BdsDxe: failed to load Boot{entry:hex} {path:any}: Unsupported"),
    usual("Invalid loader file!"),
    proof("Machine type {machine} is not supported"),
    proof("Only 64-bit images supported"),
    proof("Unsupported Architecture 0x{arch:hex}"),
    usual("Command Error Status: Unsupported"),
];

pub(in crate::catalogue) const PXE_NO_PROXY_REPLY: &[Sign] = &[
    proof("[UFW BLOCK]{:any}PROTO=UDP{:any}DPT=4011"),
    proof("No response from Windows Deployment Services server"),
    usual("> {server}.4011: BOOTP/DHCP, Request from {mac}").times(3),
    usual("An error occurred while trying to start the Windows Deployment Services server"),
    usual("initialize provider WDSPXE"),
];

pub(in crate::catalogue) const ROM_EXIT: &[Sign] = &[
    usual("Network boot canceled by keystroke"),
    usual("PXE Boot aborted. Booting to next device"),
    usual("BdsDxe: failed to load Boot{entry:hex} 'UEFI PXEv4 (MAC:"),
    usual("BdsDxe: failed to load Boot{entry:hex} 'UEFI HTTPv4 (MAC:"),
    usual("EFI Network {port:number} for IPv4 ({mac}) boot failed"),
    usual("EFI Network {port:number} for IPv6 ({mac}) boot failed"),
    proof("Boot Failed: PXE Device"),
    proof("Boot Failed. EFI Network"),
    proof("BdsDxe: failed to start Boot{entry:hex} \"UEFI PXEv{version:number}"),
    proof("EFI PXE {entry:number} for IPv{version:number} ({mac}) boot failed"),
];

pub(in crate::catalogue) const ROM_NIC_FAULT: &[Sign] = &[
    usual("(net) Could not read MAC address"),
    usual("(net) Could not initialize network device"),
    usual("PCI out of resources"),
    usual("Out of Memory Space for Option ROMs"),
    usual("No ethernet PHY found"),
    usual("Error: {device} address not set"),
    usual("Could not find PHY for"),
    usual("No ethernet found."),
    usual("Expansion ROM not initialized"),
    usual("Not enough space to copy PCI Option ROM"),
    usual("failed to find romfile '{file}'"),
    proof("PXE-EC8: !PXE structure"),
    proof("structure was not found in UNDI driver code segment"),
    proof("UNDI driver image is invalid"),
    proof("BaseCode ROM ID structure"),
    proof("UNDI ROM ID structure"),
    proof("Error while reading the NIC's"),
    proof("Invalid UNDI API function number"),
    usual("PXE-E69: Error"),
    proof("PXE-E05: EEPROM"),
    proof("BIOS extended memory copy error"),
    proof("No !PXE or PXENV+ API found"),
    proof("No valid MAC address found"),
    proof("*** ERROR: `ethaddr' not set"),
    proof("EQOS_DMA_MODE_SWR stuck"),
    usual("phy_connect() failed"),
    usual("PHY reset timed out"),
];

pub(in crate::catalogue) const ROM_NO_LINK: &[Sign] = &[
    usual("^ERROR: Failed to detect link"),
    usual("Could not initialize PHY {device}"),
    usual("Checking media [Fail]"),
    proof("PXE: No media detected"),
];

pub(in crate::catalogue) const SECUREBOOT_DENIED: &[Sign] = &[
    usual("^Secure Boot Failure"),
    proof("Secure Boot: Unauthorized Image"),
    usual("Status: 0xc0000428"),
    proof("^Security Boot Fail"),
    proof("Operating System Loader failed signature verification"),
    proof("Boot verification failure: signature verification failed"),
    proof("DxeImageVerificationLib: Image is not signed and"),
    proof("DxeImageVerificationLib: Image is signed but signature is not allowed"),
    usual("kexec of unsigned images is restricted"),
    usual("kexec_load failed: Operation not permitted"),
    usual("kexec_file_load failed: Required key not available"),
    usual("kernel signature verification failed ("),
    proof("Failed to verify signatures of the following vib(s)"),
    proof("bootmgfw.efi: 0x800000000000001a"),
    proof("because the digital signature of a file couldn't be verified"),
    usual("cannot verify the digital signature for this file"),
    proof("Binary is blacklisted"),
    proof("Failed to verify required signature '{key:any}'"),
    proof("Image not authenticated"),
    usual("Status: 0xc0430001"),
];

pub(in crate::catalogue) const TFTP_ACCESS_DENIED: &[Sign] = &[
    proof("sending NAK (2, Forbidden directory)"),
    proof("Reverse path not allowed"),
    proof("avc:{:any}denied{:any}comm='in.tftpd'"),
    usual("avc:{:any}denied{:any}comm='dnsmasq'{:any}tclass=file"),
    proof("SELinux is preventing {program}in.tftpd from"),
    usual("apparmor='DENIED'{:any}profile='{path}in.tftpd'"),
    usual("apparmor='DENIED'{:any}comm='dnsmasq' requested_mask='r'"),
    usual("net/tftp.c:{line:number}:Permission denied"),
    proof("TFTP error: 'Permission denied'"),
    proof("error 5 in system call CreateFile"),
];

pub(in crate::catalogue) const TFTP_ARP_TIMEOUT: &[Sign] = &[
    proof("(net) ARP request to TFTP server"),
    usual("DHCP_SNOOPING_DENY: {count:number} Invalid ARPs"),
    proof("No response from ARP request"),
    usual("Request who-has {server} tell {client}, length").times(4),
    usual("ICMP host {host} unreachable, length"),
];

pub(in crate::catalogue) const TFTP_FILE_NOT_FOUND: &[Sign] = &[
    usual("PXE-E89: Could not download boot image"),
    proof("(net) file not found: {file}"),
    usual("TFTP error: 'file {file} not found'"),
];

pub(in crate::catalogue) const TFTP_REPLY_PATH: &[Sign] = &[
    usual("tftpd: read(ack): No route to host"),
    usual("tftpd: read: No route to host"),
    usual("atftpd{:any}: client ({client}) not responding"),
    proof("TIMEOUT waiting for Ack block #{block:number}"),
    usual("unreachable - admin prohibited"),
    usual("Destination unreachable (Host administratively prohibited)"),
    usual("TFTP error: First block is not block 1"),
    usual("The Following Client failed TFTP Download"),
];

pub(in crate::catalogue) const TFTP_SIZE_LIMIT: &[Sign] = &[
    proof("file exceeds maximum TFTP transfer size"),
    proof("Requested file to big, increase BLKSIZE"),
    proof("Requested file too big, increase BLKSIZE"),
    proof("TFTP packet size is invalid"),
];

pub(in crate::catalogue) const TFTP_TIMEOUT: &[Sign] = &[
    usual("TFTP server died; starting again"),
    proof("(net) TFTP error occurred after {count:number} missing responses"),
    usual("(net) ICMP ERROR 'host unreachable'"),
    proof("(net) ICMP ERROR 'port unreachable'"),
    usual("in.tftpd[{pid:number}]: /{folder}: No such file or directory"),
    usual("in.tftpd[{pid:number}]: no user {user}"),
    proof("Cannot open map file: {file}"),
    usual("in.tftpd[{pid:number}]: connection refused from {client}"),
    proof("FAIL: tftp address from={client}"),
    proof("Deactivating service tftp due to excessive incoming connections"),
    proof("(errno = 98)). service = tftp"),
    proof("Server {program} is not executable [file=/etc/xinetd.d/tftp]"),
    proof("atftpd: can't bind port"),
    proof("unable to get free port for TFTP"),
    proof("0.0.0.0:69: bind: address already in use"),
    proof("listen udp :69: bind: permission denied"),
    usual("tftpd-hpa.service: Failed with result '{result}'"),
    usual("tftp.socket: Failed with result '{result}'"),
    proof("tftp.socket: Failed to create listening socket"),
    proof("[UFW BLOCK]{:any}PROTO=UDP{:any}DPT=69"),
    usual("_REJECT: IN={:any}PROTO=UDP{:any}DPT=69"),
    usual("Failed to start {unit:any}Tftp Server"),
    proof("TFTP cannot read from connection"),
    proof("udp port tftp unreachable"),
    proof("received address was not AF_INET"),
    proof("tftp/udp: bind: Address already in use"),
];

pub(in crate::catalogue) const PXE_MENU_BAD: &[Sign] = &[usual("PXE-E87: Could not find selected boot item")];

pub(in crate::catalogue) const DHCP_TWO_SERVERS: &[Sign] =
    &[usual("DHCPREQUEST for {who:any}: ignored (not authoritative)")];

pub(in crate::catalogue) const HTTP_BOOT_FAILED: &[Sign] = &[usual("message Unsupported method ('HEAD')")];
