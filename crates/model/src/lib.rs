//! The mind: what is decided about lines, boxes and boots. It decides, and never touches.
//!
//! No file, no socket, no clock, no random number: all of that comes in as arguments (see
//! `clippy.toml` beside this crate, which refuses the calls).

pub mod columns;
pub mod failure;
pub mod mistake;
pub mod sheet;

pub mod line;
pub mod lock;
pub mod outputs;
pub mod recipe;
pub mod rivals;
pub mod sbom;

pub mod hardware;
pub mod initrd;
pub mod modules;
pub mod profile;
pub mod proof;
pub mod suite;
pub mod unpacked;

pub mod api;
pub mod boot;
pub mod burn_in;
pub mod ladder;
pub mod silence;
pub mod timeline;

pub mod address;
pub mod batch;
pub mod catalogue;
pub mod condition;
pub mod crypt;
pub mod diagnosis;
pub mod plan;
pub mod question;
pub mod queue;
pub mod raw;
pub mod record;
pub mod storage;
pub mod template;
pub mod traffic;
