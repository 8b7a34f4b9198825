//! The long tail: failures in the words of one program after the other, gone through in the programs' own sources. The
//! causes' own files hold the lines that most people meet, what decides between causes, and what to do.

pub(super) mod address;
pub(super) mod bootloader;
pub(super) mod burn_in;
pub(super) mod driver;
pub(super) mod fetch;
pub(super) mod firstboot;
pub(super) mod grub;
pub(super) mod hw;
pub(super) mod image;
pub(super) mod installer;
pub(super) mod ipxe;
pub(super) mod kernel;
pub(super) mod link;
pub(super) mod liveos;
pub(super) mod machine;
pub(super) mod network_disk;
pub(super) mod nfs;
pub(super) mod rom;
pub(super) mod storage;
pub(super) mod web;
