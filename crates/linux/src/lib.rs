//! The hands: what touches the machine. Syscalls, mounts, block devices, netlink, kernel modules, child
//! processes, consoles, power.
//!
//! `unsafe` stands in this crate only, each block with its reason. External programs are named in
//! [`tools`] and nowhere else.

pub mod bridge;
pub mod interrupt;
pub mod leash;
pub mod namespace;
pub mod process;
pub mod tools;
