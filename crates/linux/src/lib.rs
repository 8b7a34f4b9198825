//! The hands: what touches the machine. Syscalls, mounts, block devices, netlink, kernel modules, child
//! processes, consoles, power.
//!
//! `unsafe` stands in this crate only, each block with its reason. External programs are named in
//! [`tools`] and nowhere else.

pub mod archive;
pub mod arp;
pub mod block;
pub mod block_loop;
pub mod bridge;
pub mod chroot;
pub mod compression;
pub mod console;
pub mod direct;
pub mod interrupt;
pub mod inventory;
pub mod kmsg;
pub mod leash;
pub mod link;
pub mod memory;
pub mod module;
pub mod mount;
pub mod namespace;
pub mod overlay;
pub mod partitions;
pub mod power;
pub mod privileges;
pub mod process;
pub mod resident;
pub mod sensors;
pub mod signature;
pub mod sockets;
#[cfg(target_feature = "crt-static")]
mod static_c;
pub mod tools;
pub mod tree;
pub mod uevent;
