//! The tongue: protocols and file formats, bytes to values and back.
//!
//! Nothing here opens a socket or a file, reads a clock or draws a random number; whoever calls
//! passes bytes, the time and randomness in. That is why the crate is `no_std`: the compiler keeps it so.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod acl;
pub mod arp;
pub mod bzip2;
pub mod capture;
pub mod cpio;
pub mod deb;
pub mod dhcp;
pub mod elf;
pub mod http;
pub mod initrd;
pub mod lz4;
pub mod lzop;
pub mod mac;
pub mod netconsole;
pub mod nfs;
pub mod rpc;
pub mod squashfs;
pub mod syslog;
pub mod tar;
pub mod tftp;
pub mod vmlinuz;
